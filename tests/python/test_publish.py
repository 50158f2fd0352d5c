"""Runs in the trackers of other people, offline; each skipped where it is not installed."""

import glob
import importlib.util
import json
import os
import shutil
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import stratagram
from stratagram import _program
from stratagram._track import scalars


def needs(*modules):
    lacking = [m for m in modules if importlib.util.find_spec(m) is None]
    return unittest.skipIf(lacking, f"{', '.join(lacking)} not installed")


def records_of(file, block=1 << 15):
    """The records of a file of wandb, a log as LevelDB writes it: after seven bytes, blocks of
    fragments with a head of seven bytes each (checksum, length, place in the record)."""
    at, record, first, last = 7, b"", (1, 2), (1, 4)
    while at + 7 <= len(file):
        if block - at % block < 7:
            at += block - at % block
            continue
        size, place = int.from_bytes(file[at + 4:at + 6], "little"), file[at + 6]
        fragment, at = file[at + 7:at + 7 + size], at + 7 + size
        record = fragment if place in first else record + fragment
        if place in last:
            yield record


@unittest.skipUnless(_program.find(), "the program stratagram is not on PATH")
class Published(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        rng = np.random.default_rng(0)
        base, rows = rng.normal(size=(20, 6)), []
        with stratagram.Recording(self.root / "mine", ["conv", "fc"], {"test": range(20)}) as rec:
            for step in range(4):
                layers = {name: base + step * rng.normal(size=(20, 6)) for name in rec.layers}
                rec.log(epoch=step, step=10 * step, activations=layers, train_error=0.5 / (step + 1),
                        test_error=0.6 / (step + 1))
                rows.append(stratagram.signature(layers["fc"]).astype(float))
        self.to_first = [float(row @ rows[0]) for row in rows]
        self.to_previous = [float(row @ rows[max(k - 1, 0)]) for k, row in enumerate(rows)]

    def assert_rows(self, found):
        """``found``: {name: values over rows} as the tracker has stored them."""
        for name, expected in [("train_error", [0.5 / (k + 1) for k in range(4)]),
                               ("test_error", [0.6 / (k + 1) for k in range(4)]),
                               ("cka_to_first/fc", self.to_first),
                               ("cka_to_previous/fc", self.to_previous)]:
            np.testing.assert_allclose(found[f"stratagram/{name}"], expected, atol=1e-5)
        self.assertIn("stratagram/cka_to_first/conv", found)

    def test_scalars_before_and_after_the_analysis_are_the_same(self):
        run = stratagram.open(self.root / "mine")
        before = scalars.of_signatures({"fc": run.signatures("fc")})
        _program.run("", "analyze", run.root)
        after = list(scalars.rows(run))
        self.assertEqual([row.step for row in after], [0, 10, 20, 30])
        for name, value in before.items():
            self.assertAlmostEqual(after[-1].values[name], value, places=5)

    def test_unknown_trackers_are_named(self):
        with self.assertRaisesRegex(KeyError, "no tracker 'wandbb'; did you mean 'wandb'"):
            stratagram.publish(self.root / "mine", to="wandbb")

    @needs("torch", "tensorboard", "matplotlib")
    def test_tensorboard(self):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        stratagram.publish(self.root / "mine", to="tensorboard", project=self.root / "events")
        events = EventAccumulator(str(self.root / "events/mine"), {"scalars": 0, "images": 0,
                                                                   "tensors": 0})
        events.Reload()
        names = events.Tags()["scalars"]
        self.assert_rows({name: [e.value for e in events.Scalars(name)] for name in names})
        self.assertEqual([e.step for e in events.Scalars("stratagram/train_error")], [0, 10, 20, 30])
        picture = events.Images("stratagram/headline")[0]
        self.assertGreater(min(picture.width, picture.height), 300)
        text = events.Tensors("stratagram/page/text_summary")[0].tensor_proto.string_val[0]
        self.assertIn(b"mine/report/index.html", text)

    @needs("wandb")
    def test_wandb(self):
        import wandb
        from wandb.proto import wandb_internal_pb2

        with mock.patch.dict(os.environ, {"WANDB_MODE": "offline", "WANDB_SILENT": "true",
                                          "WANDB_DIR": str(self.root)}):
            stratagram.publish(self.root / "mine", to="wandb")
        self.assertIsNone(wandb.run, "its own run is ended")
        wandb.teardown(0)  # its service has written all
        file, = glob.glob(f"{self.root}/wandb/offline-run-*/*.wandb")
        found = {}
        for data in records_of(Path(file).read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            for item in record.history.item:
                key = item.key or "/".join(item.nested_key)
                found.setdefault(key, []).append(json.loads(item.value_json))
        self.assert_rows(found)
        self.assertEqual(found["stratagram/page/_type"], ["html-file"])
        stored = (Path(file).parent / "files" / found["stratagram/page/path"][0]).read_text()
        self.assertEqual(stored, stratagram.open(self.root / "mine").page.html)
        self.assertIn("stratagram/headline/path", found)

    @needs("trackio")
    def test_trackio(self):
        with mock.patch.dict(os.environ, {"TRACKIO_DIR": str(self.root / "trackio")}):
            import trackio

            stratagram.publish(self.root / "mine", to="trackio", project="p", name="mine")
            from trackio.sqlite_storage import SQLiteStorage

            self.assertEqual([run.name for run in trackio.Api().runs("p")], ["mine"])
            found = {}
            for row in SQLiteStorage.get_logs("p", "mine"):
                for name, value in row.items():
                    found.setdefault(name, []).append(value)
            self.assert_rows(found)
            self.assertEqual(found["stratagram/page"][0]["_type"], "trackio.html")

    @needs("torch", "tensorboard", "matplotlib")
    def test_rows_are_sent_while_they_are_recorded(self):
        import torch
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        model, x = torch.nn.Sequential(torch.nn.Linear(4, 3)), torch.randn(8, 4)
        state = torch.get_rng_state()
        before = os.getcwd()
        os.chdir(self.root)
        self.addCleanup(os.chdir, before)
        with stratagram.Recorder(model, "live", "*", x, to="tensorboard") as rec:
            for step in range(3):
                rec.log(epoch=step, step=step, train_error=0.5)
                with torch.no_grad():
                    model[0].weight += 0.1 * step
        self.assertTrue(torch.equal(torch.get_rng_state(), state))
        events = EventAccumulator("stratagram/live", {"scalars": 0, "images": 0})
        events.Reload()
        values = [e.value for e in events.Scalars("stratagram/cka_to_first/0")]
        self.assertEqual(len(values), 3)
        matrix = stratagram.open("live").matrix("0")
        np.testing.assert_allclose(values, matrix[0], atol=1e-5)
        self.assertEqual(len(events.Images("stratagram/headline")), 1)
        shutil.rmtree("stratagram")


if __name__ == "__main__":
    unittest.main()
