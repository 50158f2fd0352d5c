"""The callback in Lightning's own trainer; skipped where it is not installed."""

import csv
import logging
import tempfile
import unittest
import warnings
from pathlib import Path

import numpy as np
import stratagram

try:
    import lightning.pytorch as pl
    import torch
    from lightning.pytorch.callbacks import ModelCheckpoint
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset
except ImportError as error:
    raise unittest.SkipTest(f"Lightning is not installed ({error})") from None

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
N, BATCH = 24, 6


def data():
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(N, 8, generator=generator)
    return x, torch.randint(0, 3, (N,), generator=generator)


class Module(pl.LightningModule):
    """Logs accuracies in all the ways that modules do."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.Dropout(0.2), nn.Linear(6, 3))
        self.right = []

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, _):
        scores = self(batch[0])
        self.right.append((scores.argmax(1) == batch[1]).float().mean())
        self.log("train_acc", self.right[-1], on_step=False, on_epoch=True)
        loss = nn.functional.cross_entropy(scores, batch[1])
        self.log("reconstruction_error", 7.0 + loss.detach())
        return loss

    def on_train_epoch_end(self):
        self.log("late/metric", torch.stack(self.right).mean())
        self.right.clear()

    def validation_step(self, batch, _):
        self.log("val_acc", (self(batch[0]).argmax(1) == batch[1]).float().mean(), sync_dist=True)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


class Witness(pl.Callback):
    """Signatures of a layer and accuracies at the end of each epoch, taken by hand."""

    def __init__(self):
        self.signatures, self.accuracies = [], []

    def on_train_epoch_end(self, trainer, module):
        module.eval()
        with torch.no_grad():
            self.signatures.append(stratagram.signature(module.net[0](data()[0]).numpy()))
        module.train()
        self.accuracies.append([float(trainer.callback_metrics.get(name, torch.nan))
                                for name in ("train_acc", "val_acc")])


def loaders():
    pairs = TensorDataset(*data())
    return DataLoader(pairs, BATCH, shuffle=True), DataLoader(pairs, BATCH)


class LightningTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def callback(self, name="run", **options):
        options = {"layers": "net.*", "examples": data()[0], **options}
        return stratagram.lightning.Callback(self.root / name, **options)

    def fit(self, *callbacks, epochs=3, ckpt_path=None, module=None, **options):
        pl.seed_everything(5, verbose=False)
        module = module or Module()
        trainer = pl.Trainer(**{
            "max_epochs": epochs, "callbacks": list(callbacks), "accelerator": "cpu", "logger": False,
            "enable_progress_bar": False, "enable_model_summary": False, "devices": 1,
            "default_root_dir": self.root, "enable_checkpointing": any(
                isinstance(c, ModelCheckpoint) for c in callbacks), **options})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer.fit(module, *loaders(), ckpt_path=ckpt_path)
        return module

    def history(self, name="run"):
        return list(csv.DictReader((self.root / name / "history.csv").read_text().splitlines()))

    def column(self, column, name="run"):
        return [row[column] for row in self.history(name)]

    def test_rows_are_of_the_end_of_each_epoch(self):
        witness = Witness()
        self.fit(witness, self.callback())
        self.assertEqual(self.column("epoch"), ["0", "1", "2", "3"], "no sanity check")
        self.assertEqual(self.column("step"), ["0", "4", "8", "12"])
        run = stratagram.open(self.root / "run")
        np.testing.assert_allclose(run.signatures("net.0")[1:], witness.signatures, atol=1e-6)
        for k, name in enumerate(("train_error", "test_error")):
            found = self.column(name)
            self.assertEqual(found[0], "")
            expected = [1 - accuracies[k] for accuracies in witness.accuracies]
            np.testing.assert_allclose(np.array(found[1:], float), expected, atol=1e-6)
        self.assertEqual(run.layer_order, ["net.0", "net.1", "net.2", "net.3"])

    def test_values_of_the_modules_own_epoch_end_are_in_their_row(self):
        self.fit(self.callback())
        late = np.array(self.column("late_metric")[1:], float)
        np.testing.assert_allclose(late, np.array(self.column("train_acc")[1:], float), atol=1e-6)

    def test_what_cannot_be_a_column_is_left_out_and_said(self):
        callback = self.callback(metrics={"train_error_running": "train_acc"})
        with self.assertWarnsRegex(UserWarning, "'reconstruction_error' is not recorded"):
            values = stratagram._run_dir.history.columns(
                {"reconstruction_error": torch.tensor(7.5), "train_acc": torch.tensor(0.5)},
                callback._columns, callback._refused)
        self.assertEqual(values, {"train_error_running": 0.5})

    def test_a_validation_of_another_epoch_is_not_this_rows(self):
        self.fit(self.callback(), epochs=4, check_val_every_n_epoch=2)
        self.assertEqual([value != "" for value in self.column("test_error")],
                         [False, False, True, False, True])

    def test_training_has_the_same_bits(self):
        plain = self.fit().state_dict()
        planes = stratagram.Planes.through(*data(), triplets=2, resolution=3)
        watched = self.fit(self.callback(planes=planes, batchnorm=loaders()[0])).state_dict()
        self.assertEqual(list(plain), list(watched))
        for key, value in plain.items():
            self.assertTrue(torch.equal(value, watched[key]), key)

    def test_a_training_that_continues_has_the_rows_of_one_that_did_not_stop(self):
        class Stop(pl.Callback):
            def on_train_batch_start(self, trainer, *_):
                if trainer.global_step == 9:
                    raise KeyboardInterrupt

        def saved():
            return ModelCheckpoint(self.root / "ckpt", save_last=True, every_n_epochs=1)

        self.fit(self.callback("whole"), saved(), epochs=4)
        for part in (self.root / "ckpt").iterdir():
            part.unlink()
        with self.assertRaises((KeyboardInterrupt, SystemExit)):
            self.fit(self.callback(), saved(), Stop(), epochs=4)
        self.assertEqual(self.column("epoch"), ["0", "1", "2"])
        self.fit(self.callback(), saved(), epochs=4, ckpt_path=self.root / "ckpt/last.ckpt")
        self.assertEqual(self.column("epoch"), self.column("epoch", "whole"))
        self.assertEqual(self.column("step"), self.column("step", "whole"))

    def test_layers_of_a_part_every_second_epoch(self):
        self.fit(self.callback(model="net", layers=["0", "3"], every=2))
        self.assertEqual(self.column("epoch"), ["0", "1", "2", "3"])
        self.assertEqual(len(stratagram.open(self.root / "run").signatures("3")), 2)

    def test_half_precision(self):
        for precision in ("bf16-mixed", "bf16-true"):
            self.fit(self.callback(precision, planes=stratagram.Planes.through(
                *data(), triplets=1, resolution=2)), epochs=1, precision=precision)
            signatures = stratagram.open(self.root / precision).signatures("net.3")
            self.assertTrue(np.isfinite(signatures).all())

    def test_rank_zero_of_two_records(self):
        self.fit(self.callback(), strategy="ddp_spawn", devices=2, epochs=2)
        self.assertEqual(self.column("step"), ["0", "2", "4"])
        self.assertNotIn("", self.column("test_error")[1:])

    def test_sharded_modules_are_refused(self):
        from torch.distributed.fsdp import fully_shard

        torch.distributed.init_process_group("gloo", f"file://{self.root}/rendezvous", rank=0,
                                             world_size=1)
        self.addCleanup(torch.distributed.destroy_process_group)
        module = Module()
        fully_shard(module.net)
        with self.assertRaisesRegex(ValueError, "FSDP"):
            self.callback().on_train_start(pl.Trainer(logger=False, accelerator="cpu"), module)


if __name__ == "__main__":
    unittest.main()
