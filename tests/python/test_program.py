"""From a recording by the program to what a notebook shows; skipped where it is not on PATH."""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import numpy as np

import stratagram


@unittest.skipUnless(shutil.which("stratagram"), "the program stratagram is not on PATH")
class Program(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def stratagram(self, *command):
        subprocess.run(["stratagram", *map(str, command)], cwd=self.root, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def test_a_recording_becomes_matrices_curves_and_figures(self):
        rng = np.random.default_rng(0)
        base, rows = rng.normal(size=(30, 20)), []
        with stratagram.Recording(self.root / "mine", ["fc"], {"test": range(30)}) as rec:
            for epoch in range(5):
                x = base + epoch * rng.normal(size=(30, 20))
                rows.append(stratagram.signature(x).astype(float))
                rec.log(epoch=epoch, step=epoch, activations={"fc": x},
                        train_error=0.5 / (epoch + 1), test_error=0.6 / (epoch + 1))
        recorded = np.load(self.root / "mine/signatures/cka/test/fc.npy")
        self.stratagram("analyze", "mine")
        self.stratagram("report", "mine")
        run = stratagram.open(self.root / "mine")
        np.testing.assert_array_equal(run.signatures("fc"), recorded)
        expected = np.array(rows) @ np.array(rows).T
        np.testing.assert_allclose(run.matrix("fc"), expected, atol=1e-6)
        self.assertEqual(run.matrices().keys(), {"fc"})
        self.assertEqual(run.epochs.tolist(), [0, 1, 2, 3, 4])
        self.assertEqual(run.measures, {"cka": ["test"]})
        errors = run.standard_errors("fc")
        self.assertTrue((errors[np.triu_indices(5, 1)] > 0).all())
        np.testing.assert_allclose(run.curves["test_error"], 0.6 / np.arange(1, 6))
        self.assertEqual(run.phases["double_descent"]["verdict"], "monotone")
        self.assertIn("<svg", run._repr_html_())
        self.assertIn("<svg", run.figures["cka-test"]._repr_svg_())
        with self.assertRaisesRegex(KeyError, "no layer 'conv9'"):
            run.matrix("conv9")
        with self.assertRaisesRegex(KeyError, "no matrices of 'rsa'"):
            run.matrix("fc", "rsa")

    def test_saved_activations_become_a_run(self):
        rng = np.random.default_rng(1)
        layers = {"conv": rng.normal(size=(20, 3, 2, 2)), "fc": rng.normal(size=(20, 4))}
        curves = "epoch,train_acc,test_acc\n0,0.5,0.4\n2,0.75,0.5\n10,1,0.5\n"
        (self.root / "curves.csv").write_text(curves)
        (self.root / "ids.txt").write_text("".join(f"image-{i}\n" for i in range(20)))
        for epoch in (0, 2, 10):
            for name, x in layers.items():
                (self.root / f"a/{name}").mkdir(parents=True, exist_ok=True)
                layers[name] = x = x + rng.normal(size=x.shape)
                np.save(self.root / f"a/{name}/epoch-{epoch}.npy", x)
            (self.root / "b").mkdir(exist_ok=True)
            np.savez(self.root / f"b/epoch-{epoch}.npz", **layers)
        for source in ("a", "b"):
            self.stratagram("import", "--activations", source, "--out", f"run-{source}",
                            "--history", "curves.csv", "--ids", "ids.txt")
            self.stratagram("analyze", f"run-{source}")
            self.stratagram("report", f"run-{source}")
        self.stratagram("import", "--activations", "a", "--out", "run-a", "--history",
                        "curves.csv", "--ids", "ids.txt")  # the same again
        with self.assertRaises(subprocess.CalledProcessError):
            self.stratagram("import", "--activations", "a", "--out", "run-a", "--estimator",
                            "biased")
        self.assertIn("test,3,image-3", (self.root / "run-a/sample_ids.csv").read_text())
        a, b = (stratagram.open(self.root / f"run-{source}") for source in "ab")
        self.assertEqual(a.epochs.tolist(), [0, 2, 10])
        self.assertEqual(a.layers, ["conv", "fc"])
        self.assertEqual(a.curves["train_error"].tolist(), [0.5, 0.25, 0])
        for layer, x in layers.items():
            np.testing.assert_array_equal(a.matrix(layer), b.matrix(layer))
            np.testing.assert_allclose(a.signatures(layer)[2],
                                       stratagram.signature(x.reshape(20, -1)), atol=1e-6)

    def test_planes_are_those_of_the_package(self):
        rng = np.random.default_rng(2)
        x, y = rng.normal(size=(50, 3, 8, 8)).astype(np.float32), np.arange(50) % 4
        np.savez(self.root / "data.npz", train_images=x, train_labels=y, test_images=x,
                 test_labels=y)
        (self.root / "experiment.toml").write_text(
            '[data]\nkind = "arrays"\npath = "data.npz"\nnormalize = "none"\n'
            '[net]\nkind = "cnn5"\nwidth = 1\n'
            "[analysis]\ndrs = { triplets = 5, resolution = 4 }\n")
        self.stratagram("data", "planes", "experiment.toml", "--out", "planes")
        loaded = stratagram.Planes.load(self.root / "planes")
        drawn = stratagram.Planes.through(x, y, triplets=5, resolution=4)
        self.assertEqual((len(loaded), loaded.points_per_plane, loaded.group), (5, 16, "test"))
        np.testing.assert_array_equal(loaded.triplets, drawn.triplets)
        np.testing.assert_allclose(loaded.corners, drawn.corners, atol=1e-9)
        for r in range(5):
            np.testing.assert_allclose(loaded[r], drawn[r], atol=1e-5)


if __name__ == "__main__":
    unittest.main()
