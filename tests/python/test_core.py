"""The package without PyTorch: signatures, recordings, planes, reading."""

import csv
import hashlib
import json
import random
import shutil
import tempfile
import unittest
import warnings
from pathlib import Path

import numpy as np

import stratagram
from stratagram._probes import standardization
from stratagram._signature import signature_length
from stratagram._tables import TABLES


def golden():
    """The published example: its similarities in float64 stand in docs/CONFORMANCE.md."""
    x = [[((7 * i + 3 * j + i * j) % 11) / 10 for j in range(4)] for i in range(12)]
    y = [[((5 * i + 8 * j + i * i) % 13) / 12 for j in range(3)] for i in range(12)]
    return np.array(x, np.float32), np.array(y, np.float32)


def unbiased_hsic(k, l):
    """Song et al. 2012, equation 5."""
    n = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))
    return (np.trace(k @ l) + k.sum() * l.sum() / ((n - 1) * (n - 2))
            - 2 * (k @ l).sum() / (n - 2)) / (n * (n - 3))


def unbiased_cka(x, y):
    k, l = x @ x.T, y @ y.T
    return unbiased_hsic(k, l) / np.sqrt(unbiased_hsic(k, k) * unbiased_hsic(l, l))


class Signatures(unittest.TestCase):
    def test_inner_products_are_the_golden_similarities(self):
        x, y = golden()
        for estimator, expected in [("debiased", -0.179555643322), ("biased", 0.135041240642)]:
            a, b = (stratagram.signature(v, estimator).astype(float) for v in (x, y))
            self.assertAlmostEqual(a @ b, expected, delta=1e-6)
            self.assertAlmostEqual(a @ a, 1.0, delta=1e-6)
            self.assertEqual(len(a), signature_length(12, estimator))

    def test_offsets_cost_no_digits(self):
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(64, 1500)), rng.normal(size=(64, 40))
        y[:, :20] += x[:, :20]
        expected = unbiased_cka(x, y)
        for offset in (0, 100):
            a, b = (stratagram.signature((v + offset).astype(np.float32)) for v in (x, y))
            self.assertAlmostEqual(float(a.astype(float) @ b), expected, delta=1e-4)

    def test_minibatches_average_the_unbiased_hsic(self):
        rng = np.random.default_rng(1)
        x, y = rng.normal(size=(600, 8)), rng.normal(size=(600, 5))
        y += 2 * x[:, :5]
        batches = [slice(0, 256), slice(256, 600)]

        def mean(a, b):
            return np.mean([unbiased_hsic(a[s] @ a[s].T, b[s] @ b[s].T) for s in batches])

        a, b = (stratagram.signature(v, "minibatch") for v in (x, y))
        expected = mean(x, y) / np.sqrt(mean(x, x) * mean(y, y))
        self.assertAlmostEqual(float(a.astype(float) @ b), expected, delta=1e-5)

    def test_what_is_undefined_says_why(self):
        one = np.zeros((8, 3), np.float32)
        one[2, 1] = 1
        for x, reason in [
            (np.full((8, 3), 0.1, np.float32), "dead layer"),
            (np.zeros((3, 3), np.float32), "at least 4"),
            (np.full((8, 3), np.nan, np.float32), "NaN or infinite"),
            (one, "mutually orthogonal"),
        ]:
            with self.assertRaisesRegex(stratagram.Undefined, reason):
                stratagram.signature(x)


class Tables(unittest.TestCase):
    """Rows that the program has written, of every table."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        shutil.copytree(Path(__file__).parent.parent / "tables", self.root, dirs_exist_ok=True)
        (self.root / "run.json").write_text("{}")

    def test_every_table_opens_with_the_types_of_its_columns(self):
        run = stratagram.open(self.root)
        for name, kinds in TABLES.items():
            table = run.table(name)
            self.assertEqual(list(table), list(kinds))
            sizes = {len(values) for values in table.values()}
            self.assertEqual(len(sizes), 1)
            self.assertGreater(sizes.pop(), 1)
            for column, kind in kinds.items():
                self.assertEqual(table[column].dtype, object if kind is str else float)
        self.assertEqual(run.table("sample_ids")["id"].tolist(), ["a", "b, c"])
        self.assertTrue(np.isnan(run.table("matrices")["value"][-1]))
        self.assertEqual(run.epochs.tolist(), [0, 1, 2, 3])

    def test_a_table_that_is_not_there_is_empty_and_one_that_is_none_an_error(self):
        (self.root / "geometry.csv").unlink()
        run = stratagram.open(self.root)
        self.assertEqual({len(v) for v in run.table("geometry").values()}, {0})
        with self.assertRaisesRegex(KeyError, "no table 'shape'.*geometry"):
            run.table("shape")


class Recordings(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = Path(folder.name) / "mine"
        self.rng = np.random.default_rng(3)

    def open(self, **changes):
        arguments = {"layers": ["conv", "fc"], "examples": {"test": range(10)}, **changes}
        rec = stratagram.Recording(self.out, **arguments)
        self.addCleanup(rec.close)
        return rec

    def fill(self, rec, steps):
        for step in steps:
            layers = {name: self.rng.normal(size=(10, 4, 2)) for name in rec.layers}
            rec.log(epoch=step / 2, step=step, activations=layers, train_error=0.5,
                    test_error=0.25)

    def history(self):
        return list(csv.DictReader((self.out / "history.csv").read_text().splitlines()))

    def parts(self):
        return sorted(path.name for path in (self.out / "recorded").iterdir())

    def test_a_row_is_one_file_with_a_signature_a_layer(self):
        rec = self.open()
        x = self.rng.normal(size=(10, 3))
        rec.log(epoch=1, step=4, activations={"conv": x, "fc": np.zeros((10, 2))}, loss=2)
        rec.log(epoch=2, step=8, train_error=0.125)
        with np.load(self.out / "recorded/step-000000004.npz") as part:
            np.testing.assert_array_equal(part["cka/test/conv"], stratagram.signature(x))
            self.assertTrue(np.isnan(part["cka/test/fc"]).all())
            self.assertIn(b"dead layer", part["reason/cka/test/fc"].tobytes())
        rows = self.history()
        self.assertEqual(rows[0], {"step": "4", "epoch": "1", "loss": "2", "train_error": ""})
        self.assertEqual(rows[1]["train_error"], "0.125")

    def test_signatures_grow_by_a_row_and_open_with_numpy(self):
        decisions = {"group": "test", "n_planes": 1, "points_per_plane": 4}
        rec = self.open(decisions=decisions)
        path = self.out / "signatures/cka/test/fc.npy"

        def log(step):
            x = {name: self.rng.normal(size=(10, 3)) for name in rec.layers}
            rec.log(epoch=step, step=step, activations=x, decisions=[0, 1, 1, step])
            parts = sorted((self.out / "recorded").iterdir())
            rows = [np.load(part)["cka/test/fc"] for part in parts]
            np.testing.assert_array_equal(np.load(path), rows)

        for step in range(12):
            log(step)
        self.assertEqual(np.load(self.out / "signatures/drs/test/output.npy")[:, 3].tolist(),
                         list(range(12)))
        with path.open("ab") as file:  # a process that was killed within a row
            file.write(b"x" * 10)
        log(12)
        rec.close()
        rec = self.open(decisions=decisions)
        log(13)
        path.unlink()
        log(14)

    def test_the_same_recording_continues_and_another_is_refused_by_key(self):
        rec = self.open()
        self.fill(rec, [0, 2, 4])
        rec.close()
        rec = self.open()
        self.assertEqual(rec.last_step, 4)
        self.fill(rec, [6])
        rec.close()
        self.assertEqual([row["step"] for row in self.history()], ["0", "2", "4", "6"])
        for change, key in [
            ({"layers": ["conv"]}, "layers"),
            ({"estimator": "biased"}, "estimator"),
            ({"examples": {"test": range(1, 11)}}, "groups.test.ids_sha256"),
            ({"settings": {"tokens": "cls"}}, "tokens"),
        ]:
            with self.assertRaisesRegex(ValueError, key):
                self.open(**change)
        fresh = self.open(estimator="biased", fresh=True)
        self.assertIsNone(fresh.last_step)
        self.assertEqual(self.history(), [])

    def test_errors_are_derived_from_accuracies_and_that_is_said(self):
        for number, (logged, expected, said) in enumerate([
            ({"train_acc": [0.5, 0.999]}, {"train_error": ["0.5", "0.001"]}, ["1 - train_acc"]),
            ({"train_accuracy": [0.9, 99.5], "val_acc": [1, 62.5]},
             {"train_error": ["0.991", "0.005"], "test_error": ["0.99", "0.375"]},
             ["1 - train_accuracy / 100", "1 - val_acc / 100"]),
            ({"eval_accuracy": [0.25, None], "train_error": [0.5, 0.25]},
             {"train_error": ["0.5", "0.25"], "test_error": ["0.75", ""]}, ["1 - eval_accuracy"]),
            ({"val_error": [0.5, 0.125]}, {"test_error": ["0.5", "0.125"]}, ["= val_error"]),
            ({"test_error": [0.5, 0.25], "test_acc": [0.1, 0.2]},
             {"test_error": ["0.5", "0.25"]}, []),
            ({"train_acc": list(np.float32([0.999, 0.9]))}, {"train_error": ["0.001", "0.1"]},
             ["1 - train_acc"]),
            ({"train_acc": [50, 99], "val_top1_accuracy": [0.5, 0.9]},
             {"train_error": ["0.5", "0.01"], "test_error": ["0.995", "0.991"]},
             ["1 - val_top1_accuracy / 100"]),
            ({"accuracy": [0.5, 0.75], "val_accuracy": [0.25, 0.5], "precision": [3, 4]},
             {"train_error": ["0.5", "0.25"], "test_error": ["0.75", "0.5"]}, ["1 - accuracy"]),
            ({"accuracy": [0.5, 0.75]}, {"accuracy": ["0.5", "0.75"]}, []),
            ({"test_acc": [0.5, 1], "val_acc": [0.1, 0.2]}, {"test_error": ["0.5", "0"]},
             ["1 - test_acc"]),
        ]):
            self.out = self.out.parent / f"r{number}"
            rec = self.open()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                for step in (0, 1):
                    rec.log(epoch=step, step=step, **{k: v[step] for k, v in logged.items()})
            for name, values in expected.items():
                self.assertEqual([row[name] for row in self.history()], values)
            last = {str(warning.message) for warning in caught}
            for text in said:
                self.assertTrue(any(text in message for message in last), (text, last))
            self.assertEqual(bool(last), bool(said))
            rec.close()
            again = self.open()
            self.assertEqual([row[name] for row in self.history()], values)
            again.close()
        rec = self.open()
        for wrong in (-0.1, 101, "0.5"):
            with self.assertRaisesRegex(ValueError, "train_acc is"):
                rec.log(epoch=9, step=9, train_acc=wrong)

    def test_a_killed_process_leaves_whole_rows(self):
        rec = self.open()
        self.fill(rec, [0, 2])
        rec.close()
        (self.out / "recorded/.stratagram-tmp-x").write_bytes(b"half a row")
        (self.out / "history.csv").write_text("step,epoch\n0,0\n2,")
        self.open()
        self.assertEqual(self.parts(), ["step-000000000.npz", "step-000000002.npz"])
        self.assertEqual([row["test_error"] for row in self.history()], ["0.25", "0.25"])

    def test_only_the_first_row_after_opening_may_go_back(self):
        rec = self.open()
        self.fill(rec, [0, 2, 4, 6])
        with self.assertRaisesRegex(ValueError, "not after the last one, 6"):
            self.fill(rec, [4])
        rec.close()
        (self.out / "matrices").mkdir()
        axis = self.out / "matrices/axis.csv"
        axis.write_text("step,epoch\n")
        rec = self.open()
        self.fill(rec, [3])
        self.assertEqual([row["step"] for row in self.history()], ["0", "2", "3"])
        self.assertFalse(axis.exists(), "what was analysed of other rows is out of date")

    def test_directories_of_others_are_left_alone(self):
        self.out.mkdir()
        (self.out / "thesis.tex").write_text("x")
        with self.assertRaisesRegex(FileExistsError, "thesis.tex"):
            self.open(fresh=True)
        (self.out / "run.json").write_text(json.dumps({"format": 1, "stratagram": "0.1.0"}))
        with self.assertRaisesRegex(FileExistsError, "stratagram trained"):
            self.open(fresh=True)
        self.assertEqual((self.out / "thesis.tex").read_text(), "x")

    def test_what_is_written_has_its_checksum_and_damage_is_refused(self):
        with self.open() as rec:
            self.fill(rec, (8, 16))
            root = rec.root
        lines = (root / "checksums" / "train.csv").read_text().splitlines()
        self.assertEqual(lines[0], "file,bytes,sha256")
        listed = {name: (int(size), digest)
                  for name, size, digest in (line.rsplit(",", 2) for line in lines[1:])}
        self.assertEqual(list(listed), sorted(listed))
        self.assertEqual(set(listed), {"history.csv", "sample_ids.csv",
                                       "recorded/step-000000008.npz",
                                       "recorded/step-000000016.npz"})
        for name, (size, digest) in listed.items():
            content = (root / name).read_bytes()
            self.assertEqual((len(content), hashlib.sha256(content).hexdigest()), (size, digest))
        text = (root / "run.json").read_text()
        own = json.loads(text)["checksum"]
        self.assertEqual(hashlib.sha256(text.replace(own, "0" * 64).encode()).hexdigest(), own)

        row = root / "recorded" / "step-000000008.npz"
        content = bytearray(row.read_bytes())
        content[len(content) // 2] ^= 1
        row.write_bytes(content)
        with self.assertRaisesRegex(ValueError, "step-000000008.npz is not as it was written"):
            self.open()

    def test_fresh_removes_the_files_of_a_run_and_nothing_else(self):
        rec = self.open()
        self.fill(rec, [0, 2])
        rec.close()
        elsewhere = self.out.parent / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "fc.npy").write_bytes(b"theirs")
        ours = ["geometry.csv", "iou/test/fc.npy", "signatures/.parts/step-000000002.npz",
                "report/figures/headline.svg"]
        theirs = ["notes.txt", "recorded/notes.txt", "iou/test/fc.png"]
        for name in (*ours, *theirs):
            (self.out / name).parent.mkdir(parents=True, exist_ok=True)
            (self.out / name).write_text("x")
        (self.out / "matrices").symlink_to(elsewhere)
        self.open(fresh=True)
        self.assertEqual(self.parts(), ["notes.txt"])
        self.assertFalse(any((self.out / name).exists() for name in ours))
        self.assertTrue(all((self.out / name).exists() for name in theirs))
        self.assertFalse((self.out / "matrices").exists() or (self.out / "report").exists())
        self.assertEqual((elsewhere / "fc.npy").read_bytes(), b"theirs")

    def test_one_recorder_holds_a_directory(self):
        self.open()
        with self.assertRaisesRegex(RuntimeError, "in use by process"):
            self.open()

    def test_wrong_values_are_refused_before_anything_is_written(self):
        rec = self.open()
        for values, message in [
            ({"epoch": 0, "step": 0, "train_error": 50}, "fractions"),
            ({"epoch": -1, "step": 0}, "epoch is -1"),
            ({"epoch": 0, "step": 0.5}, "step is 0.5"),
            ({"epoch": 0, "step": 0, "a,b": 1}, "column"),
            ({"epoch": 0, "step": 0, "activations": {"conv": np.zeros((10, 2))}},
             "no layer 'fc'; they have conv"),
            ({"epoch": 0, "step": 0, "activations": {"conv": np.zeros((9, 2)), "fc": 0}},
             "has 9 rows"),
        ]:
            with self.assertRaisesRegex(ValueError, message):
                rec.log(**values)
        self.assertFalse((self.out / "recorded").exists())
        with self.assertRaisesRegex(ValueError, "cannot be a file name"):
            self.open(layers=["../../etc"])
        with self.assertRaisesRegex(ValueError, "'test' has 3 examples; CKA is defined from 4"):
            self.open(examples={"test": range(3)})

    def test_layers_have_the_names_of_other_frameworks(self):
        rec = self.open(layers=["params/Dense_0", "params_Dense_0"])
        self.fill(rec, [0])
        run = stratagram.open(self.out)
        first, second = (run.signatures(layer) for layer in rec.layers)
        self.assertEqual(first.shape, second.shape)
        self.assertFalse((first == second).all())
        rec.close()
        self.open(layers=rec.layers)


class Probing(unittest.TestCase):
    def test_features_are_standardized_as_in_a_run(self):
        # The example of src/probe/features.rs: a feature that barely varies, and one that does not.
        x = np.array([[0, 10, 5, 1], [2, 14, 5, 1 + 1e-5]], np.float64)
        mean, scale, n_floored = standardization(x)
        np.testing.assert_allclose(mean, [1, 12, 5, 1 + 5e-6])
        floor = 1e-3 * 0.5 * (5e-6 + 1)
        np.testing.assert_allclose(scale, [1, 2, floor, floor], rtol=1e-9)
        self.assertEqual(n_floored, 2)
        self.assertEqual(standardization(np.ones((3, 2)))[1].tolist(), [1, 1])


class PlanesOfTriplets(unittest.TestCase):
    def test_the_plane_is_the_golden_one(self):
        images = np.array([[0, 1, 2, 3], [2, 0, 1, 5], [1, 4, 0, 2]], np.float32)
        seed = next(s for s in range(200) if first_three(s) == [0, 1, 2])
        planes = stratagram.Planes.through(images, [0, 1, 2], triplets=1, resolution=5, seed=seed)
        np.testing.assert_allclose(planes[0][7], [0.84, 2.33, 0.83, 2.84], atol=1e-6)
        np.testing.assert_allclose(planes.coordinates[0][2], [-0.316227766, 3.860051813])

    def test_triplets_are_those_of_pythons_generator(self):
        labels = np.arange(10_000) % 10
        images = np.stack([np.arange(10_000.0), np.arange(10_000.0) ** 2], axis=1)
        planes = stratagram.Planes.through(images, labels, triplets=1, resolution=2)
        self.assertEqual(planes.triplets.tolist(), [[2201, 9325, 1033]])

    def test_two_classes_have_planes_where_triplets_need_not_differ(self):
        images, labels = np.random.default_rng(0).normal(size=(9, 4)), np.arange(9) % 2
        with self.assertRaisesRegex(ValueError, "the images have 2: distinct=False"):
            stratagram.Planes.through(images, labels, triplets=4)
        planes = stratagram.Planes.through(images, labels, triplets=4, distinct=False)
        self.assertEqual([len(set(triplet)) for triplet in planes.triplets.tolist()], [3] * 4)
        self.assertLessEqual(set(planes.labels.ravel().tolist()), {0, 1})


def first_three(seed):
    generator, chosen = random.Random(seed), []
    while len(chosen) < 3:
        index = generator.randint(0, 2)
        chosen += [index] if index not in chosen else []
    return chosen


if __name__ == "__main__":
    unittest.main()
