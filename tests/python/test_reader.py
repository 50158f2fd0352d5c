"""What `stratagram.open` reads, draws and shows in a notebook."""

import importlib.util
import io
import json
import re
import shutil
import tempfile
import unittest
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import stratagram
from stratagram import _program
from stratagram._read.matrix import log_edges
from stratagram._run_dir import checksums
from stratagram._track.headline import headline

EPOCHS = [0, 1, 2, 5, 11, 24]


def needs(*modules):
    lacking = [m for m in modules if importlib.util.find_spec(m) is None]
    return unittest.skipIf(lacking, f"{', '.join(lacking)} not installed")


def read_all(root):
    """Everything that a run can be asked for."""
    run = stratagram.open(root)
    run.curves, run.phases, run.findings, run.page.html  # noqa: B018
    for name in stratagram._tables.TABLES:
        run.table(name)
    for measure, groups in run.measures.items():
        for group in groups:
            for layer in run.matrices(measure, group):
                run.signatures(layer, measure, group)
    return [figure.svg for figure in run.figures.values()]


class Recorded(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = Path(folder.name) / "mine"
        rng = np.random.default_rng(0)
        base, layers = rng.normal(size=(20, 6)), ["layer10.conv", "layer2.0", "classifier/fc"]
        with stratagram.Recording(cls.root, layers, {"test": range(20), "seen often": range(12)}) as rec:
            for epoch in EPOCHS:
                x = {name: base + epoch * rng.normal(size=(20, 6)) for name in layers}
                rec.log(epoch=epoch, step=10 * epoch, train_error=1 / (epoch + 1),
                        test_error=1 / (epoch + 1),
                        activations={"test": x, "seen often": {k: v[:12] for k, v in x.items()}})
        cls.layers = layers

    def run_(self):
        return stratagram.open(self.root)


class BeforeAnalysis(Recorded):
    def test_what_is_no_run_is_named(self):
        with self.assertRaisesRegex(FileNotFoundError, "mone does not exist; did you mean 'mine'?"):
            stratagram.open(self.root.parent / "mone")
        with self.assertRaisesRegex(FileNotFoundError, "other does not exist$"):
            stratagram.open(self.root.parent / "other")
        with self.assertRaisesRegex(FileNotFoundError, "is not a run directory: it has no run.json"):
            stratagram.open(self.root / "recorded")

    def test_layers_have_their_order_and_signatures(self):
        run = self.run_()
        self.assertEqual(run.layer_order, self.layers)
        self.assertEqual(run.layers, [])
        self.assertEqual(run.signatures("classifier/fc", group="seen often").shape, (6, 78))
        self.assertIsNone(run.findings)
        with self.assertRaisesRegex(KeyError, "has no matrices yet: stratagram analyze"):
            run.matrix("layer2.0")
        with self.assertRaisesRegex(FileNotFoundError, "stratagram report"):
            run.page  # noqa: B018

    def test_findings_are_those_of_their_file(self):
        if "findings" not in stratagram._tables.FILES:
            self.skipTest("runs have no findings.json yet")
        path = self.root / stratagram._tables.FILES["findings"]
        path.write_text(json.dumps({"speed": 1}))
        self.assertEqual(self.run_().findings, {"speed": 1})
        path.unlink()

    def test_edges_are_those_of_the_reports_figures(self):
        np.testing.assert_allclose(log_edges([0, 1, 3]), np.log([1, 2**0.5, 8**0.5, 4]))
        np.testing.assert_allclose(log_edges([0]), [0, 0.25])


@unittest.skipUnless(_program.find(), "the program stratagram is not on PATH")
class Analyzed(Recorded):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for verb in ("analyze", "report"):
            _program.run("", verb, cls.root)

    def test_matrices_know_their_epochs(self):
        run = self.run_()
        self.assertEqual(run.layers, self.layers)
        self.assertEqual(list(run.matrices(group="seen often")), self.layers)
        matrix = run.matrix("classifier/fc", group="seen often")
        signatures = run.signatures("classifier/fc", group="seen often").astype(float)
        np.testing.assert_allclose(matrix, signatures @ signatures.T, atol=1e-6)
        self.assertEqual((matrix.layer, matrix.measure, matrix.group),
                         ("classifier/fc", "cka", "seen often"))
        self.assertEqual(matrix.epochs.tolist(), EPOCHS)
        self.assertEqual(matrix.steps.tolist(), [10 * epoch for epoch in EPOCHS])
        self.assertEqual((1 - matrix).layer, "classifier/fc")
        self.assertFalse(hasattr(matrix[0], "layer"))
        self.assertTrue(np.isfinite(run.standard_errors("classifier/fc")).any())

    def test_a_damaged_file_of_every_kind_that_is_read_is_named(self):
        kinds = ["manifest", "history", "axis", "signatures", "matrix", "matrices", "noise",
                 "layer_curves", "convergence", "phases", "findings", "page", "figure",
                 "train_checksums", "analysis_checksums", "report_checksums"]
        read_all(self.root)
        for kind in kinds:
            places = self.run_()._paths(kind)
            self.assertTrue(places, kind)
            whole = places[-1].read_bytes()
            middle = len(whole) // 2
            flipped = whole[:middle] + bytes([whole[middle] ^ 0x80]) + whole[middle + 1:]
            # A list that was cut off says nothing of the rest.
            is_list = kind.endswith("checksums")
            for damaged in [flipped] if is_list else [flipped, whole[:middle]]:
                with self.subTest(kind=kind, bytes=len(damaged)):
                    places[-1].write_bytes(damaged)
                    try:
                        with self.assertRaises(ValueError) as caught:
                            read_all(self.root)
                        # What a list no longer says of a file is damage of that file.
                        said = "checksums/" if is_list else places[-1].name
                        self.assertIn(said, str(caught.exception))
                    finally:
                        places[-1].write_bytes(whole)
        read_all(self.root)

    def test_the_program_says_the_same_of_a_damaged_file(self):
        place = self.root / "matrices" / "axis.csv"
        whole = place.read_bytes()
        place.write_bytes(whole.replace(b"24", b"25"))
        try:
            with self.assertRaises(ValueError) as caught:
                self.run_().epochs  # noqa: B018
            with self.assertRaises(RuntimeError) as said:
                _program.run("", "report", self.root, "--force")
        finally:
            place.write_bytes(whole)
        for part in re.findall(r"[0-9]+ bytes with the SHA-256 [0-9a-f]{64}|make it again[^;]*",
                               str(caught.exception)):
            self.assertIn(part, str(said.exception))

    def test_a_content_is_hashed_once(self):
        run = self.run_()
        with mock.patch("stratagram._run_dir.checksums.sum_of", wraps=checksums.sum_of) as hashed:
            place = self.root / "history.csv"
            place.write_bytes(place.read_bytes())
            run.curves, run.curves  # noqa: B018
            self.assertEqual(hashed.call_count, 1)

    def test_runs_without_checksums_are_read_as_they_are(self):
        with tempfile.TemporaryDirectory() as folder:
            old = Path(folder) / "old"
            shutil.copytree(self.root, old)
            shutil.rmtree(old / "checksums")
            place = old / "history.csv"
            place.write_text(place.read_text().replace("24", "25"))
            self.assertEqual(stratagram.open(old).curves["epoch"][-1], 25)

    def test_near_names_are_offered(self):
        run = self.run_()
        for ask, said in [
            (lambda: run.matrix("layer10.cov"), "no layer 'layer10.cov'; did you mean 'layer10.conv'"),
            (lambda: run.matrix("clasifier/fc"), "did you mean 'classifier/fc'"),
            (lambda: run.matrix("layer2.0", "cca"), "no matrices of 'cca'; did you mean 'cka'"),
            (lambda: run.matrix("layer2.0", group="seen"), "'seen'; .*there are seen often, test"),
            (lambda: run.table("geometri"), "no table 'geometri'; did you mean 'geometry'"),
        ]:
            with self.assertRaisesRegex(KeyError, said):
                ask()

    @needs("pandas")
    def test_a_matrix_becomes_a_data_frame(self):
        frame = self.run_().matrix("layer2.0").to_pandas()
        self.assertEqual(frame.index.name, "epoch")
        self.assertEqual(frame.loc[5, 24], self.run_().matrix("layer2.0")[3, 5])

    @needs("matplotlib")
    def test_a_matrix_is_drawn_at_its_true_extent(self):
        from matplotlib.figure import Figure

        axes = Figure().add_subplot()
        found = self.run_().plot("layer2.0", ax=axes, cmap="magma")
        self.assertIs(found, axes)
        mesh, = axes.collections
        corners = np.log1p(mesh.get_coordinates())
        np.testing.assert_allclose(corners[0, :, 0], log_edges(EPOCHS), atol=1e-9)
        np.testing.assert_allclose(corners[:, 0, 1], log_edges(EPOCHS), atol=1e-9)
        np.testing.assert_array_equal(mesh.get_array(), self.run_().matrix("layer2.0"))
        axes.figure.canvas.draw()
        # The scale is that of the edges: epoch 4 lies halfway to epoch 24 in ln(1 + epoch).
        middle = axes.transData.transform((4, 4)) - axes.transData.transform((0, 0))
        whole = axes.transData.transform((24, 24)) - axes.transData.transform((0, 0))
        np.testing.assert_allclose(middle / whole, 0.5, atol=1e-6)
        self.assertEqual(axes.get_title(), "layer2.0, cka, test")

    @needs("nbclient", "ipykernel", "matplotlib")
    @needs("matplotlib")
    def test_the_headline_is_drawn_without_a_warning_and_with_one_scale_of_colors(self):
        figure = headline(self.run_())
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figure.savefig(io.BytesIO(), format="png")
        errors, *maps = [axes for axes in figure.axes if axes.get_xlabel() == "epoch"]
        self.assertEqual(len(maps), 3)
        self.assertEqual([t.get_text() for t in errors.get_xticklabels()],
                         [t.get_text() for t in maps[0].get_xticklabels()])
        self.assertEqual(errors.get_xlim(), (0, 24))
        self.assertEqual({axes.collections[0].get_clim() for axes in maps}, {(0, 1)})

    def test_a_notebook_shows_figures_and_the_page(self):
        import nbformat
        from nbclient import NotebookClient

        cells = ["import stratagram\nrun = stratagram.open('mine')\nrun",
                 "run.figures['cka-test']", "run.page",
                 "%matplotlib inline\nax = run.plot('layer2.0')"]
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        NotebookClient(notebook, timeout=120, kernel_name="python3",
                       resources={"metadata": {"path": str(self.root.parent)}}).execute()
        shown = [cell.outputs[-1].data for cell in notebook.cells]
        self.assertIn("<svg", shown[0]["text/html"])
        self.assertIn("6 epochs, 3 layers", shown[0]["text/plain"])
        self.assertTrue(shown[1]["image/svg+xml"].lstrip().startswith("<svg"))
        frame = shown[2]["text/html"]
        self.assertTrue(frame.startswith("<iframe srcdoc="), frame[:80])
        page = self.run_().page.html
        self.assertEqual(frame.count("&lt;!doctype") + frame.count("&lt;!DOCTYPE"), 1)
        self.assertGreater(len(frame), len(page))
        self.assertIn("image/png", shown[3])


class Compared(unittest.TestCase):
    def test_no_runs_at_all_are_refused(self):
        with self.assertRaisesRegex(ValueError, "there are no runs to compare"):
            stratagram.compare(Path("runs").glob("nothing-*"), by="seed")

    def test_runs_files_and_flags_reach_the_program_and_its_files_are_read(self):
        asked = []

        def program(_purpose, *words):
            asked.append([str(word) for word in words])
            folder = Path(words[words.index("--out") + 1])
            folder.mkdir(exist_ok=True)
            (folder / "effects.csv").write_text("id,effect,low\nP3,0.25,\nP4,-1,0.5\n")
            (folder / "findings.json").write_text('{"verdict": "consistent"}')
            (folder / "index.html").write_text("<!doctype html><p>effects</p>")
            return "P3: consistent"

        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(_program, "run", program):
            (Path(folder) / "run.json").write_text("{}")
            run = stratagram.open(folder)
            found = stratagram.compare([run, "runs/b"], by="net.width", pair_by="none")
            written = stratagram.compare("arms.toml", out=f"{folder}/out")
            self.assertEqual(asked[0], ["compare", folder, "runs/b", "--out", str(found.folder),
                                        "--by", "net.width", "--pair-by", "none"])
            self.assertEqual(asked[1], ["compare", "arms.toml", "--out", f"{folder}/out"])
            self.assertEqual(written.folder, Path(folder) / "out")
        self.assertEqual(found.effects["id"].tolist(), ["P3", "P4"])
        np.testing.assert_array_equal(found.effects["low"], [np.nan, 0.5])
        self.assertEqual((found.findings, found.text), ({"verdict": "consistent"}, "P3: consistent"))
        self.assertIn("effects", found._repr_html_())
        place = found.folder
        del found
        self.assertFalse(place.exists(), "it lasts as long as what is returned")

    @unittest.skipUnless(_program.find() and "\n  compare " in _program.run("", "--help"),
                         "no program stratagram with the verb compare on PATH")
    def test_runs_of_the_program_are_compared(self):
        with tempfile.TemporaryDirectory() as folder:
            runs = [f"{folder}/{kind}" for kind in ("sgd", "adam")]
            for run in runs:
                _program.run("", "run", "data.kind=digits", "data.n_train=60", "data.n_test=40",
                             "net.kind=cnn5", "net.width=1", "train.epochs=2",
                             "analysis.n_examples=10", f"optimizer.kind={Path(run).name}",
                             "--out", run)
            found = stratagram.compare(runs, by="optimizer.kind")
            self.assertIn("difference", found.effects)
            self.assertIn("distinctness", found.text)
            self.assertEqual({s["plus"] for s in found.findings["statements"]} | {
                s["minus"] for s in found.findings["statements"]}, {"sgd", "adam"})


if __name__ == "__main__":
    unittest.main()
