"""A training is left as it was: generators, buffers, attributes; skipped without PyTorch."""

import random
import tempfile
import unittest
from pathlib import Path

import numpy as np
import stratagram

try:
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, Dataset, TensorDataset
except ImportError:
    raise unittest.SkipTest("PyTorch is not installed") from None


class Drawing(Dataset):
    """Images whose reading draws from every global generator, as augmentation does."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        random.random(), np.random.rand(), torch.rand(1)
        return self.x[index], self.y[index]


class Counting(nn.Module):
    """Keeps what it has seen in every way: buffers changed, replaced, resized; attributes."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))
        self.register_buffer("ema", torch.zeros(3))
        self.register_buffer("late", None)
        self.register_buffer("range", torch.empty(0), persistent=False)
        self.calls, self.mean, self.extra = 0, torch.zeros(3), None

    def forward(self, x):
        y = self.fc(x)
        self.seen += len(x)
        self.ema = 0.9 * self.ema + 0.1 * y.mean(0).detach()
        self.late = y.detach().amax(0)
        self.range.resize_(3).copy_(y.detach().amin(0))
        self.calls += 1
        self.mean.mul_(0.5).add_(y.detach().mean(0))
        if self.extra is None:
            self.extra = nn.Linear(3, 3)
        return self.extra(y)


class Merging(nn.Module):
    """As adapters do, changes its weights in ``eval()``."""

    def __init__(self):
        super().__init__()
        self.fc, self.low = nn.Linear(4, 4), nn.Parameter(torch.ones(4, 4))

    def train(self, mode=True):
        if not mode:
            self.fc.weight.data += 1e-3 * self.low.data
        return super().train(mode)

    def forward(self, x):
        return self.fc(x) + x @ self.low.T * 1e-3


def generators():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


class Untouched(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        torch.manual_seed(0)
        self.x, self.y = torch.randn(40, 4), torch.arange(40) % 4

    def record(self, model, examples=None, layers="*", name="r", **options):
        examples = self.x if examples is None else examples
        with stratagram.Recorder(model, self.root / name, layers, examples, **options) as rec:
            rec.log(epoch=0, step=0)
        return np.load(self.root / name / "recorded/step-000000000.npz")

    def test_reading_loaders_draws_from_no_generator(self):
        model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 4))
        drawing, own = Drawing(self.x, self.y), torch.Generator().manual_seed(3)
        plain = DataLoader(drawing, batch_size=7)
        workers = DataLoader(drawing, batch_size=7, num_workers=2, persistent_workers=True,
                             generator=own)
        before, own_before = generators(), own.get_state()
        for name, loader in [("plain", plain), ("workers", workers), ("data set", drawing)]:
            options = {"planes": loader, "batchnorm": loader, "batch_size": 16}
            row = self.record(model, loader, name=name, **options)
            self.assertEqual(generators(), before, name)
            self.assertIn("drs/test/output", row.files)
            for key, value in self.record(model, name=f"{name} x", planes=stratagram.Planes.through(
                    self.x, self.y), batchnorm=[*self.x.split(7)] if name != "data set" else self.x
                    ).items():
                np.testing.assert_array_equal(row[key], value, key)
        self.assertTrue(torch.equal(own.get_state(), own_before))
        self.assertIsNone(workers._iterator, "its workers are the training's")
        if stratagram._program.find():
            probes = stratagram.Probes(plain, test=workers)
            self.record(model, name="probes", probes=probes)
            self.assertEqual(generators(), before)

    def test_loaders_that_shuffle_are_refused(self):
        data = TensorDataset(self.x, self.y)
        weighted = torch.utils.data.WeightedRandomSampler(torch.ones(40), 40)
        parallel = torch.utils.data.DistributedSampler(data, 1, 0, shuffle=True)
        model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        before = generators()
        for number, options in enumerate([
                {"shuffle": True}, {"shuffle": True, "generator": torch.Generator()},
                {"sampler": weighted}, {"sampler": parallel}, {"sampler": Reordering()},
                {"batch_sampler": torch.utils.data.BatchSampler(Reordering(), 5, False)}]):
            loader = DataLoader(data, **options)
            for refused in (lambda: self.record(model, loader, name=f"s{number}"),
                            lambda: stratagram.Planes.through(loader)):
                with self.assertRaisesRegex(ValueError, "shuffles.*shuffle=False"):
                    refused()
        self.record(model, batchnorm=DataLoader(data, 8, shuffle=True), name="averages have no order")
        self.assertEqual(generators(), before)

    def test_buffers_and_attributes_are_restored(self):
        model = nn.Sequential(Counting(), nn.Linear(3, 2))
        counting = model[0]
        counting.ema += 1
        kept = counting.seen, counting.ema, counting.mean, counting.range
        values = [tensor.clone() for tensor in kept]
        versions = [tensor._version for tensor in kept]
        self.record(model, layers="1")
        for tensor, value, version, now in zip(
                kept, values, versions,
                (counting.seen, counting.ema, counting.mean, counting.range)):
            self.assertIs(now, tensor)
            self.assertTrue(torch.equal(tensor, value))
            self.assertEqual(tensor._version, version, "a backward pass may need it")
        self.assertEqual((counting.calls, counting.late, counting.extra), (0, None, None))
        self.assertEqual(list(model.state_dict()), [
            "0.seen", "0.ema", "0.fc.weight", "0.fc.bias", "1.weight", "1.bias"])

    def test_statistics_in_training_mode_are_restored(self):
        model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.BatchNorm1d(4, momentum=None))
        state = {key: value.clone() for key, value in model.state_dict().items()}
        self.record(model, batchnorm=self.x)
        for key, value in model.state_dict().items():
            self.assertTrue(torch.equal(value, state[key]), key)

    def test_observers_of_quantization_are_restored(self):
        try:
            from torch.ao import quantization
        except ImportError:
            self.skipTest("this PyTorch has no torch.ao.quantization")
        model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 4)).train()
        model.qconfig = quantization.get_default_qat_qconfig("fbgemm")
        model = quantization.prepare_qat(model)
        for fresh in (True, False):
            state = {key: value.clone() for key, value in model.state_dict().items()}
            self.record(model, 10 * self.x, name=f"r{fresh}")
            for key, value in model.state_dict().items():
                self.assertTrue(torch.equal(value, state[key]), key)
            model(self.x)

    def test_modes_are_set_without_train_and_eval(self):
        model = Merging()
        weight = model.fc.weight.detach().clone()
        row = self.record(model)
        self.assertTrue(torch.equal(model.fc.weight, weight))
        with torch.no_grad():
            expected = stratagram.signature(model.fc(self.x).double().numpy())
        np.testing.assert_allclose(row["cka/test/fc"], expected, atol=2e-7)

    def test_a_row_between_forward_and_backward_changes_no_gradient(self):
        model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 4))
        rec = stratagram.Recorder(model, self.root / "r", "*", self.x, batchnorm=self.x)
        gradients = []
        for step in (None, 0):
            model.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                if step is not None:
                    rec.log(epoch=0, step=0)
                loss = nn.functional.cross_entropy(model(self.x), self.y)
                if step is not None:
                    rec.log(epoch=1, step=1)
            loss.backward()
            gradients.append([p.grad.clone() for p in model.parameters()])
        for plain, watched in zip(*gradients):
            self.assertTrue(torch.equal(plain, watched))

    def test_a_transformer_with_a_mask_runs_as_it_is_written(self):
        class Encoder(nn.Module):
            def __init__(self):
                super().__init__()
                layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
                self.encoder, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(8, 3)

            def forward(self, x, mask):
                return self.head(self.encoder(x, src_key_padding_mask=mask).mean(1))

        x = torch.randn(12, 5, 8)
        mask = torch.arange(5) >= torch.tensor([5, 4, 3] * 4)[:, None]
        model = Encoder()
        row = self.record(model, (x, mask))
        layers = {key.split("/")[2] for key in row.files if key.startswith("cka/")}
        self.assertLessEqual({"encoder.layers.0.linear1", "encoder.layers.1.norm2", "encoder",
                              "encoder.layers.0"}, layers)
        plain = []
        model.encoder.layers[0].register_forward_hook(lambda *call: plain.append(call[2]))
        model.train()
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
            if isinstance(module, nn.MultiheadAttention):
                module.dropout = 0.0
        with torch.no_grad():
            model(x, mask)
        expected = stratagram.signature(plain[0].double().flatten(1).numpy())
        np.testing.assert_allclose(row["cka/test/encoder.layers.0"], expected, atol=1e-5)
        self.assertTrue(torch.backends.mha.get_fastpath_enabled())


class Reordering:
    """A sampler of its own that gives another order each time, from no known generator."""

    def __init__(self):
        self.turn = 0

    def __iter__(self):
        self.turn += 1
        return iter(range(self.turn, self.turn + 10))

    def __len__(self):
        return 10


def shard(rank, folder):
    """One of two processes whose model is sharded."""
    torch.distributed.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank,
                                         world_size=2)
    from torch.distributed.fsdp import fully_shard

    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    fully_shard(model)
    try:
        stratagram.Recorder(model, folder / f"run-{rank}", "*", torch.randn(8, 4))
    except ValueError as error:
        (folder / f"refused-{rank}").write_text(str(error))
    torch.distributed.destroy_process_group()


class Sharded(unittest.TestCase):
    def test_fsdp_is_refused_by_every_rank_at_once(self):
        try:
            from torch.distributed.fsdp import fully_shard  # noqa: F401
        except ImportError:
            self.skipTest("this PyTorch has no fully_shard")
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            processes = torch.multiprocessing.spawn(shard, (folder,), 2, join=False).processes
            for process in processes:
                process.join(150)
            waiting = [process.is_alive() for process in processes]
            for process in processes:
                process.kill()
            self.assertEqual(waiting, [False, False])
            for rank in (0, 1):
                self.assertIn("FSDP", (folder / f"refused-{rank}").read_text())
                self.assertFalse((folder / f"run-{rank}").exists())


if __name__ == "__main__":
    unittest.main()
