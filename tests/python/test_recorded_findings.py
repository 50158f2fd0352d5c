"""What findings of recordings are made of: classes of examples, weights, readouts that are fitted again."""

import csv
import json
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import numpy as np

import stratagram

try:
    import torch
    from torch import nn
except ImportError:
    torch = None


def collapse(x, labels, answers=None):
    """NC1, NC2 (norms, angles, simplex) and NC4 by whole covariance matrices, in float64."""
    x, names = np.asarray(x, np.float64), np.unique(labels)
    means = np.array([x[labels == c].mean(0) for c in names])
    a = means - means.mean(0)
    within = np.mean([np.cov(x[labels == c].T, bias=True) for c in names], 0)
    nc1 = np.trace(within @ np.linalg.pinv(a.T @ a / len(names), rcond=1e-10)) / len(names)
    norms = np.linalg.norm(a, axis=1)
    cosines = (a @ a.T / np.outer(norms, norms))[np.tril_indices(len(names), -1)]
    nearest = names[np.linalg.norm(x[:, None] - means, axis=2).argmin(1)]
    return {"nc1": nc1, "nc2_norms": norms.std() / norms.mean(), "nc2_angles": cosines.std(),
            "nc2_simplex": np.abs(cosines + 1 / (len(names) - 1)).mean(),
            "nc4": np.nan if answers is None else (nearest != answers).mean()}


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def stratagram(self, *command):
        done = subprocess.run(["stratagram", *map(str, command)], cwd=self.root, check=True,
                              capture_output=True, text=True)
        return done.stdout

    def rows(self, run, name="collapse.csv"):
        with (self.root / run / name).open() as table:
            return list(csv.DictReader(table))

    def assert_collapse(self, row, expected, tolerance=1e-4):
        for name, value in expected.items():
            found = float(row[name] or "nan")
            np.testing.assert_allclose(found, value, rtol=tolerance, atol=1e-6, err_msg=f"{name} {row}")


@unittest.skipUnless(shutil.which("stratagram"), "the program stratagram is not on PATH")
class Arrays(Folder):
    def made_up(self, seed=0):
        rng = np.random.default_rng(seed)
        labels = np.array([300, 7, 7, 12, 300, 12, 7, 300] * 6)
        means = {c: rng.normal(size=9) for c in (7, 12, 300)}
        rows = [np.array([means[c] for c in labels]) + spread * rng.normal(size=(48, 9))
                for spread in (2.0, 0.7, 0.05)]
        return labels, rows

    def test_neural_collapse_is_that_of_the_features(self):
        labels, rows = self.made_up()
        noisy = np.roll(labels, 1)
        answers = np.where(np.arange(48) % 5, labels, 9)
        for estimator in ("debiased", "biased"):
            with stratagram.Recording(
                    self.root / estimator, ["fc"], {"train-corrupted": range(48)}, labels=labels,
                    noisy_labels=noisy, estimator=estimator) as rec:
                for epoch, x in enumerate(rows):
                    rec.log(epoch=epoch, step=epoch, activations={"fc": x}, example_answers=answers)
            self.stratagram("analyze", estimator)
            found = self.rows(estimator)
            self.assertEqual([(row["step"], row["labels"]) for row in found],
                             [(str(i), kind) for i in range(3) for kind in ("noisy", "clean")])
            for row, x in zip(found[1::2], rows):
                self.assert_collapse(row, collapse(x, labels, answers))
                self.assertEqual((row["nc3"], row["reason"]), ("", "nc3: features are not stored"))
                self.assertEqual(row["fewest"], "12")
            for row, x in zip(found[::2], rows):
                self.assert_collapse(row, collapse(x, noisy, answers))
            self.assertGreater(float(found[1]["nc1"]), 100 * float(found[5]["nc1"]))

    def test_what_is_not_stored_has_its_reason(self):
        labels, rows = self.made_up()
        def record(name, **options):
            groups = {"a": range(48), "b": range(48)}
            with stratagram.Recording(self.root / name, ["fc", "dead"], groups, **options) as rec:
                own = {"fc": rows[1], "dead": np.zeros((48, 3))}
                rec.log(epoch=0, step=0, activations={"a": own, "b": own})
            self.stratagram("analyze", name)
            return rec
        record("run", labels={"b": labels})
        found = {row["layer"]: row for row in self.rows("run")}
        self.assertEqual({row["group"] for row in found.values()}, {"b"})
        self.assertIn("nc4: the model's answers to the examples are not stored", found["fc"]["reason"])
        self.assert_collapse(found["fc"], collapse(rows[1], labels))
        self.assertIn("dead layer", found["dead"]["reason"])
        self.assertEqual(found["dead"]["nc1"], "")
        record("minibatch", labels={"a": labels}, estimator="minibatch")
        self.assertIn("no products between batches", self.rows("minibatch")[0]["reason"])
        record("none")
        self.assertFalse((self.root / "none/collapse.csv").exists())
        # Labels may be added, and then are kept.
        with self.assertRaisesRegex(ValueError, "labels are of 'c'"):
            stratagram.Recording(self.root / "none", ["fc", "dead"], {"a": range(48), "b": range(48)},
                                 labels={"c": labels})
        for own, refused in ((labels, False), (labels[::-1], True)):
            make = lambda own=own: stratagram.Recording(  # noqa: E731
                self.root / "none", ["fc", "dead"], {"a": range(48), "b": range(48)}, labels={"a": own})
            if refused:
                self.assertRaisesRegex(ValueError, "has other `clean/a`", make)
            else:
                make().close()
        self.stratagram("analyze", "none")
        self.assertEqual({row["group"] for row in self.rows("none")}, {"a"})

    def test_a_row_without_norms_says_so(self):
        labels, rows = self.made_up()
        with stratagram.Recording(self.root / "run", ["fc"], {"test": range(48)}, labels=labels) as rec:
            rec.log(epoch=0, step=0, activations={"fc": rows[0]})
        shutil.rmtree(self.root / "run/checksums", ignore_errors=True)
        place = self.root / "run/recorded/step-000000000.npz"
        with np.load(place) as part:
            kept = {name: part[name] for name in part.files if not name.startswith("norms/")}
        np.savez(place, **kept)  # as an earlier version wrote it
        self.stratagram("analyze", "run")
        row = self.rows("run")[0]
        self.assertEqual(row["reason"], "the row was recorded without the norms of the examples")
        found = json.loads(self.stratagram("findings", "run", "--json"))
        missing = {own["what"].partition(",")[0]: own["reason"] for own in found["missing"]}
        self.assertIn("the norms of the examples", missing)
        self.assertIn("the weights as control", missing)
        self.assertIn("Missing: the norms of the examples", " ".join(
            self.stratagram("findings", "run").split()))

    def test_labels_of_saved_activations(self):
        labels, rows = self.made_up()
        (self.root / "saved/fc").mkdir(parents=True)
        for epoch, x in enumerate(rows):
            np.save(self.root / f"saved/fc/epoch-{epoch}.npy", x)
        np.save(self.root / "labels.npy", labels)
        (self.root / "noisy.txt").write_text("".join(f"{c}\n" for c in labels[::-1]))
        self.stratagram("import", "--activations", "saved", "--out", "run", "--labels", "labels.npy",
                        "--noisy-labels", "noisy.txt")
        self.stratagram("analyze", "run")
        found = self.rows("run")
        for row, x in zip(found[1::2], rows):
            self.assert_collapse(row, collapse(x, labels))
        self.assert_collapse(found[0], collapse(rows[0], labels[::-1]))
        self.stratagram("report", "run")
        self.assertIn("Neural collapse", (self.root / "run/report/index.html").read_text())


@unittest.skipUnless(torch and shutil.which("stratagram"), "PyTorch or the program is missing")
class Torch(Folder):
    def setUp(self):
        super().setUp()
        torch.manual_seed(0)
        self.labels = torch.arange(60) % 5
        self.x = torch.randn(60, 12) + 4 * torch.eye(12)[self.labels]
        self.model = nn.Sequential(nn.Linear(12, 10), nn.Tanh(), nn.Linear(10, 5))

    def test_labels_and_answers_of_a_loader(self):
        data = torch.utils.data.TensorDataset(self.x, self.labels)
        wrong = torch.utils.data.TensorDataset(self.x[:30], self.labels[:30].roll(1))
        with stratagram.Recorder(self.model, self.root / "run", ["0", "2"],
                                 {"test": data, "train-corrupted": wrong}) as rec:
            rec.log(epoch=0, step=0)
        self.stratagram("analyze", "run")
        rows = {(row["layer"], row["group"], row["labels"]): row for row in self.rows("run")}
        self.assertEqual({key[1:] for key in rows}, {("test", "clean"), ("train-corrupted", "noisy")})
        with torch.no_grad():
            inner = self.model[0](self.x)
            answers = self.model(self.x).argmax(1).numpy()
        self.assert_collapse(rows["0", "test", "clean"],
                             collapse(inner.numpy(), self.labels.numpy(), answers), 1e-3)
        self.assert_collapse(rows["0", "train-corrupted", "noisy"],
                             collapse(inner[:30].numpy(), self.labels[:30].roll(1).numpy(), answers[:30]), 1e-3)

    def test_numbers_beside_examples_that_are_no_classes_are_left_out(self):
        for name, beside in (("index", torch.arange(60)), ("target", torch.rand(60)),
                             ("tokens", torch.zeros(60, 3, dtype=torch.long))):
            data = torch.utils.data.TensorDataset(self.x, beside)
            with stratagram.Recorder(self.model, self.root / name, "0", data) as rec:
                rec.log(epoch=0, step=0)
            self.assertFalse((self.root / name / "labels.npz").exists())

    def test_weights_are_read_beside_the_layers(self):
        wide = nn.Sequential(nn.Linear(12, 300), nn.Linear(300, 200), nn.Linear(200, 5))
        start = [p.detach().clone() for p in wide.parameters()]
        moves = [torch.randn_like(p) * p.norm() / p.numel() ** 0.5 for p in start]
        kept = []
        with stratagram.Recorder(wide, self.root / "run", ["0", "1"], self.x) as rec:
            for epoch in range(24):
                with torch.no_grad():
                    for p, a, b in zip(wide.parameters(), start, moves):
                        p.copy_(a + b * epoch / 24 + (0.02 * torch.randn_like(p) if epoch < 9 else 0))
                kept.append([p.detach().double().flatten() for p in wide.parameters()])
                rec.log(epoch=epoch, step=epoch)
        self.stratagram("analyze", "run")

        def exact(tensors):
            unit = [torch.cat([row[i] / row[i].norm() for i in tensors]) for row in kept]
            return (torch.cdist(torch.stack(unit), torch.stack(unit)) ** 2).numpy()
        for layer, tensors, tolerance in (("0", [0, 1], 1e-6), ("1", range(4), 0.05), ("output", range(6), 0.05)):
            found = np.load(self.root / f"run/weights/{layer}.npy")
            upper = np.triu_indices(24, 1)
            np.testing.assert_allclose(found[upper], exact(tensors)[upper], rtol=tolerance)
        found = json.loads(self.stratagram("findings", "run", "--json"))
        self.assertNotIn("missing", found)
        self.assertTrue(all(layer["weights"] for layer in found["layers"] if layer["measure"] == "cka"))
        self.assertTrue(any(row["measure"] == "weights" for row in self.rows("run", "curves.csv")))

    def test_parameters_without_a_forward_of_their_own_belong_to_what_holds_them(self):
        class Attending(nn.Module):
            def __init__(self):
                super().__init__()
                self.token = nn.Parameter(torch.ones(1, 1, 4))
                self.inner = nn.MultiheadAttention(4, 2, batch_first=True)
                self.head, self.unused = nn.Linear(4, 3), nn.Linear(2, 2)

            def forward(self, x):
                x = x + self.token
                return self.head(self.inner(x, x, x, need_weights=False)[0].mean(1))

        with stratagram.Recorder(Attending(), self.root / "run", ["inner", "head"], torch.randn(8, 3, 4)) as rec:
            rec.log(epoch=0, step=0)
        with np.load(self.root / "run/recorded/step-000000000.npz") as row:
            sizes = {name: row[name].size for name in row.files if name.startswith("weights/")}
        # Token, the attention's projections, and what never runs, which counts from the start.
        self.assertEqual(sizes, {"weights/inner": 4 + 48 + 12 + 16 + 4 + 6, "weights/head": 15,
                                 "weights/output": 0})
        with stratagram.Recorder(Attending(), self.root / "off", "inner", torch.randn(8, 3, 4),
                                 weights=False) as rec:
            rec.log(epoch=0, step=0)
        with np.load(self.root / "off/recorded/step-000000000.npz") as row:
            self.assertFalse([name for name in row.files if name.startswith("weights/")])

    def descent(self, name, change):
        """Four rows whose test error falls, rises by what ``change`` does, and falls again."""
        body = nn.Linear(12, 12)
        model = nn.Sequential(body, nn.Linear(12, 5))
        good = [torch.eye(12), torch.eye(5, 12)]
        labels = torch.arange(400) % 5
        x = 0.3 * torch.randn(400, 12) + 4 * torch.eye(12)[labels]
        readout = stratagram.Probes(x[:100], labels[:100], x[100:], labels[100:])
        with stratagram.Recorder(model, self.root / name, "0", x[:40], readout=readout) as rec:
            for epoch, weights in enumerate([(good[0], good[1].roll(2, 0)), good, change(*good), good]):
                with torch.no_grad():
                    for layer, weight in zip(model, weights):
                        layer.weight.copy_(weight)
                        layer.bias.zero_()
                    wrong = (model(x).argmax(1) != labels).double()
                rec.log(epoch=epoch, step=epoch, train_error=wrong[:100].mean(), test_error=wrong[100:].mean())
        self.stratagram("analyze", name)
        return json.loads(self.stratagram("findings", name, "--json"))["double_descent"]

    def test_the_share_of_a_rise_that_a_new_readout_has_tells_where_it_is(self):
        def in_readout(body, fc):
            return body, fc[[1, 0, 2, 3, 4]]

        def in_representation(body, fc):
            merged = body.clone()
            merged[0] = merged[1] = body[0] + body[1]  # two classes become one point
            return merged, fc
        found = self.descent("readout", in_readout)
        self.assertEqual(found["readout"]["layer"], "the input of 1")
        self.assertGreater(found["rise"], 0.3)
        self.assertLess(abs(found["readout"]["share_rise"]), 0.1)
        self.assertLess(abs(found["readout"]["share_fall"]), 0.1)
        found = self.descent("representation", in_representation)
        self.assertGreater(found["rise"], 0.1)
        self.assertGreater(found["readout"]["share_rise"], 0.8)


if __name__ == "__main__":
    unittest.main()
