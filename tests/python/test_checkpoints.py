"""Recordings of the checkpoints that a training has left; skipped without PyTorch."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
import stratagram

try:
    import torch
    from torch import nn
except ImportError:
    raise unittest.SkipTest("PyTorch is not installed") from None


class Checkpoints(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.x = torch.randn(12, 4, generator=torch.Generator().manual_seed(1))
        self.loaded = []
        model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
        for step in (0, 5, 10, 100):
            torch.manual_seed(step)
            model[0].reset_parameters()
            torch.save(model.state_dict(), self.root / f"step{step}.pt")

    def load(self, name):
        self.loaded.append(name)
        model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
        model.load_state_dict(torch.load(self.root / f"{name}.pt"))
        return model

    def record(self, revisions, **options):
        return stratagram.record_checkpoints(
            self.load, revisions, self.root / "run", "*", self.x, **options)

    def test_rows_are_those_of_the_checkpoints_in_the_order_of_time(self):
        errors = {"step0": 0.75, "step5": 0.5, "step10": 0.25, "step100": 0.125}
        rec = self.record(["step10", "step0", "step100", "step5"], steps_per_epoch=10,
                          values=lambda model, name: {"test_error": errors[name]})
        self.assertEqual(rec.last_step, 100)
        self.assertEqual((self.root / "run/history.csv").read_text(),
                         "step,epoch,test_error\n0,0,0.75\n5,0.5,0.5\n10,1,0.25\n100,10,0.125\n")
        signatures = stratagram.open(self.root / "run").signatures("0")
        for row, name in zip(signatures, errors):
            with torch.no_grad():
                expected = stratagram.signature(self.load(name)[0](self.x))
            np.testing.assert_allclose(row, expected, atol=1e-6)

    def test_a_second_call_adds_what_is_new(self):
        self.record({"step0": 0, "step5": 5})
        self.loaded.clear()
        self.record({"step0": 0, "step5": 5, "step10": 10})
        self.assertEqual(self.loaded, ["step0", "step10"], "the first says what the layers are")
        self.assertEqual(len(stratagram.open(self.root / "run").signatures("0")), 3)

    def test_times_are_read_of_names(self):
        from stratagram._torch.checkpoints import _position

        for name, per_epoch, expected in [
                ("step1000", None, (1000, 1000)), ("runs/a1/checkpoint-500", 250, (500, 2)),
                ("epoch_3.5", 10, (35, 3.5)), ("epoch=2-step=80", 40, (80, 2)),
                ("stage2-step512-tokens1B", None, (512, 512))]:
            self.assertEqual(_position(name, None, per_epoch), expected)
        for name in ("main", "v1.0", "best_88.02"):
            with self.assertRaisesRegex(ValueError, "names no step or epoch"):
                self.record([name])
        with self.assertRaisesRegex(ValueError, "no revisions"):
            self.record([])

    def test_models_of_another_architecture_are_refused(self):
        models = {"step0": nn.Sequential(nn.Linear(4, 3), nn.ReLU()), "step1": nn.Sequential(
            nn.Linear(4, 3))}
        with self.assertRaisesRegex(ValueError, "a model has no 1; all have to be of one"):
            stratagram.record_checkpoints(models.get, list(models), self.root / "x", "*", self.x)


if __name__ == "__main__":
    unittest.main()
