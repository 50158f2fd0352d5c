"""The recorder inside PyTorch loops; skipped by name where torch is not installed."""

import copy
import random
import shutil
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


class Net(nn.Module):
    """A convolution whose output an in-place ReLU overwrites, dropout, a shared module."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3, padding=1)
        self.bn = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(6 * 36, 5)

    def forward(self, x):
        x = self.relu(self.bn(self.conv(x)))
        return self.fc(self.dropout(x).flatten(1))


class Wrapped(nn.Module):
    """A model whose layers answer with what ``wrap`` makes of a tensor."""

    def __init__(self, wrap):
        super().__init__()
        self.inner = nn.Linear(4, 3)
        self.layer = _Wrap(self.inner, wrap)
        self.wrap = wrap

    def forward(self, x, shift=None):
        self.layer(x if shift is None else x + shift)
        return self.layer(x)


class _Wrap(nn.Module):
    def __init__(self, inner, wrap):
        super().__init__()
        self.inner, self.wrap = inner, wrap

    def forward(self, x):
        return self.wrap(self.inner(x))


class ModelOutput(dict):
    """As Hugging Face's: a dictionary with attributes."""

    __getattr__ = dict.get


def train_in_parallel(rank, folder):
    """One of two processes: a loop without a recorder, the same with one."""
    rendezvous = f"file://{folder}/rendezvous"
    torch.distributed.init_process_group("gloo", rendezvous, rank=rank, world_size=2)
    torch.manual_seed(0)
    x, labels = torch.randn(2, 20, 1, 6, 6), torch.arange(20) % 5
    for name in ("plain", "watched"):
        torch.manual_seed(1)
        model = Net()
        parallel = nn.parallel.DistributedDataParallel(model)
        optimizer = torch.optim.SGD(parallel.parameters(), lr=0.1)
        rec = stratagram.Recorder(parallel, folder / f"run-{rank}", "*", x[0],
                                  batchnorm=x[0]) if name == "watched" else None
        for step in range(3):
            if rec:
                rec.log(epoch=step, step=step)
            optimizer.zero_grad()
            nn.functional.cross_entropy(parallel(x[rank]), labels).backward()
            optimizer.step()
        torch.save(model.state_dict(), folder / f"{name}-{rank}.pt")
    if rank == 0:  # DDP takes SyncBatchNorm on GPUs alone
        synced = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(model))
        for name, model in [("synced", synced), ("alone", model)]:
            with stratagram.Recorder(model, folder / name, "*", x[0], batchnorm=x[0]) as rec:
                rec.log(epoch=0, step=0)
    torch.distributed.destroy_process_group()


class RecorderTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        torch.manual_seed(0)
        self.x = torch.randn(40, 1, 6, 6)
        self.model = Net()
        with torch.no_grad():
            self.model(self.x)  # running statistics of something

    def row(self, model, examples=None, layers="*", name="r", **options):
        examples = self.x if examples is None else examples
        with stratagram.Recorder(model, self.root / name, layers, examples, **options) as rec:
            rec.log(epoch=0, step=0)
        with np.load(self.root / name / "recorded/step-000000000.npz") as part:
            return {key: part[key] for key in part.files}

    def assert_same(self, row, layer, activations, group="test", atol=2e-7):
        expected = stratagram.signature(activations.detach().double().flatten(1).numpy())
        np.testing.assert_allclose(row[f"cka/{group}/{layer}"], expected, atol=atol)

    def test_layers_are_copied_before_they_are_overwritten(self):
        row = self.row(self.model, batch_size=16)
        self.model.eval()
        conv = self.model.conv(self.x)
        bn = self.model.bn(conv)
        self.assert_same(row, "conv", conv)
        self.assert_same(row, "bn", bn)
        self.assert_same(row, "relu", torch.relu(bn))
        self.assert_same(row, "fc", self.model(self.x))
        self.assertLess(float(row["cka/test/bn"].astype(float) @ row["cka/test/relu"]), 0.99)

    def test_training_is_left_as_it_was(self):
        self.model.bn.eval()  # a module of its own mode
        state = {k: v.clone() for k, v in self.model.state_dict().items()}
        modes = [module.training for module in self.model.modules()]
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        expected = random.random(), np.random.rand(), torch.rand(1).item()
        for batchnorm in (None, self.x):
            random.seed(1), np.random.seed(1), torch.manual_seed(1)
            noisy = self.model.fc.register_forward_hook(
                lambda *_: (random.random(), np.random.rand(), torch.rand(3)) and None)
            self.row(self.model, name=f"r{batchnorm is None}", batchnorm=batchnorm)
            noisy.remove()
            found = random.random(), np.random.rand(), torch.rand(1).item()
            self.assertEqual(found, expected)
            self.assertEqual([m.training for m in self.model.modules()], modes)
            for key, value in self.model.state_dict().items():
                self.assertTrue(torch.equal(value, state[key]), key)
            self.assertFalse(any(m._forward_hooks for m in self.model.modules()))
            self.assertEqual(self.model.bn.momentum, 0.1)

    def test_an_error_inside_the_model_leaves_nothing_behind(self):
        rec = stratagram.Recorder(self.model, self.root / "r", "conv", self.x)
        broken = self.model.fc.register_forward_hook(lambda *_: 1 / 0)
        with self.assertRaises(ZeroDivisionError):
            rec.log(epoch=0, step=0)
        broken.remove()
        self.assertFalse(any(m._forward_hooks for m in self.model.modules()))
        self.assertTrue(all(m.training for m in self.model.modules()))
        rec.log(epoch=0, step=0)
        self.assertEqual(rec.last_step, 0)
        rec.close()

    def test_a_training_with_a_recorder_gives_the_same_weights(self):
        def train(recorded):
            torch.manual_seed(5)
            model, labels = Net(), torch.arange(40) % 5
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            rec = recorded and stratagram.Recorder(
                model, self.root / "r", "*", self.x, batchnorm=self.x,
                planes=stratagram.Planes.through(self.x, labels, triplets=2, resolution=3))
            for step in range(4):
                if rec:
                    rec.log(epoch=step, step=step, train_error=0.5, test_error=0.5)
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(self.x), labels).backward()
                optimizer.step()
            if rec:
                rec.close()
            return model.state_dict()

        plain, watched = train(False), train(True)
        for key, value in plain.items():
            self.assertTrue(torch.equal(value, watched[key]), key)

    def test_outputs_of_all_kinds_are_taken_of_the_last_call(self):
        wraps = {
            "tuple": lambda y: (y, None),
            "dict": lambda y: {"mask": None, "y": y},
            "hf": lambda y: ModelOutput(attentions=(y * 0,), last_hidden_state=y),
        }
        x = torch.randn(12, 4)
        for name, wrap in wraps.items():
            model = Wrapped(wrap)
            examples = {"x": x, "shift": torch.ones(12, 1) * 3} if name == "hf" else x
            if name == "hf":  # a dictionary is what the model is called with
                examples = {"test": examples}
            row = self.row(model, examples, ["layer"], name=name)
            self.assert_same(row, "layer", model.inner(x))

    def test_layers_stand_in_the_order_in_which_they_run(self):
        model = nn.Sequential()
        model.add_module("late", nn.Linear(4, 3))
        model.add_module("early", nn.Linear(4, 4))
        model.forward = lambda x: model.late(model.early(x))
        x = torch.randn(9, 4)
        with stratagram.Recorder(model, self.root / "r", ["late", "early"], x) as rec:
            self.assertEqual(rec.layers, ["early", "late"])

    def test_little_memory_takes_more_passes_and_gives_the_same(self):
        calls = []
        self.model.conv.register_forward_hook(lambda *_: calls.append(1))
        whole = self.row(self.model, name="a")
        n_calls = len(calls)
        parts = self.row(self.model, name="b", memory=1, batch_size=7)
        self.assertGreater(len(calls) - n_calls, 5 * 6)
        for key in whole:
            np.testing.assert_allclose(parts[key], whole[key], atol=1e-6)

    def test_compiled_models_are_recorded_uncompiled(self):
        compiled = torch.compile(self.model, backend="eager")
        compiled(self.x)
        plain = self.row(self.model, name="plain")
        again = self.row(compiled, name="compiled")
        self.assertEqual(set(again), set(plain), "names are without _orig_mod")
        for key in plain:
            np.testing.assert_array_equal(again[key], plain[key])
        in_place = Net()
        in_place.load_state_dict(self.model.state_dict())
        in_place.compile(backend="eager")
        in_place(self.x)
        row = self.row(in_place, name="in_place")
        in_place.eval()
        self.assert_same(row, "conv", self.model.conv(self.x))
        self.assert_same(row, "bn", in_place.bn(in_place.conv(self.x)))

    def test_rank_zero_of_two_processes_records_and_none_waits(self):
        torch.multiprocessing.spawn(train_in_parallel, (self.root,), 2)
        for rank in (0, 1):
            plain, watched = (torch.load(self.root / f"{name}-{rank}.pt")
                              for name in ("plain", "watched"))
            for key, value in plain.items():
                self.assertTrue(torch.equal(value, watched[key]), key)
        self.assertEqual([path.name for path in self.root.glob("run-*")], ["run-0"])
        history = (self.root / "run-0/history.csv").read_text()
        self.assertEqual(history, "step,epoch\n0,0\n1,1\n2,2\n")
        row = "recorded/step-000000000.npz"
        with np.load(self.root / "synced" / row) as synced, \
                np.load(self.root / "alone" / row) as alone:
            self.assertIn("cka/test/bn", synced.files, "names are without module.")
            for name in synced.files:
                np.testing.assert_array_equal(synced[name], alone[name])

    def test_half_precision_is_compared_in_full(self):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            row = self.row(self.model)
            self.model.eval()
            with torch.no_grad():
                conv = self.model.conv(self.x)
        self.assertEqual(conv.dtype, torch.bfloat16)
        self.assert_same(row, "conv", conv, atol=1e-6)
        self.assertEqual(torch.get_float32_matmul_precision(), "highest")

    def test_batchnorm_statistics_are_those_of_update_bn(self):
        row = self.row(self.model, batchnorm=[self.x[:20], self.x[20:]])
        torch.optim.swa_utils.update_bn([self.x[:20], self.x[20:]], self.model)
        self.model.eval()
        self.assert_same(row, "bn", self.model.bn(self.model.conv(self.x)))

    def test_batchnorm_statistics_weight_batches_by_size(self):
        row = self.row(self.model, batchnorm=[self.x[:25], self.x[25:37], self.x[37:]],
                       name="unequal")
        maps = self.model.conv(self.x).detach().double()
        parts = [maps[:25], maps[25:37], maps[37:]]
        weights = torch.tensor([25, 12, 3]).double() / 40
        moments = [torch.stack([f(part) for part in parts]) for f in
                   (lambda m: m.mean((0, 2, 3)), lambda m: m.var((0, 2, 3)))]
        mean, var = (torch.tensordot(weights, m, 1).view(1, -1, 1, 1) for m in moments)
        bn = self.model.bn
        scale, shift = (p.detach().double().view(1, -1, 1, 1) for p in (bn.weight, bn.bias))
        expected = (maps - mean) / torch.sqrt(var + bn.eps) * scale + shift
        self.assert_same(row, "bn", expected.float())

    def test_decisions_are_those_of_the_model(self):
        planes = stratagram.Planes.through(
            self.x, torch.arange(40) % 5, triplets=2, resolution=4, group="test")
        row = self.row(self.model, planes=planes)
        self.model.eval()
        points = torch.from_numpy(np.concatenate([planes[0], planes[1]]))
        expected = self.model(points).argmax(1).numpy()
        np.testing.assert_array_equal(row["drs/test/output"], expected)
        arrays = torch.stack([torch.from_numpy(planes[0]), torch.from_numpy(planes[1])])
        same = self.row(self.model, planes=arrays, name="arrays")
        np.testing.assert_array_equal(same["drs/test/output"], expected)

    @unittest.skipUnless(shutil.which("stratagram"), "the program stratagram is not on PATH")
    def test_probes_are_those_of_the_pooled_layers(self):
        labels = torch.arange(40) % 5
        with torch.no_grad():
            self.x[torch.arange(40), 0, labels, labels] += 4
        planes = stratagram.Planes.through(self.x, labels, triplets=2, resolution=4)
        probes = stratagram.Probes(self.x[:30], labels[:30], self.x[30:], labels[30:], l2=1e-2,
                                   cap=6 * 9, true_labels=torch.zeros(30))
        row = self.row(self.model, planes=planes, probes=probes, batch_size=7)
        self.model.eval()
        points = torch.from_numpy(np.concatenate([planes[0], planes[1]]))
        pooled = nn.AdaptiveAvgPool2d(3)  # 6 · 3² ≤ 54 < 6 · 4²
        with torch.no_grad():
            train, test, grid = (pooled(self.model.conv(x)).flatten(1).double()
                                 for x in (self.x[:30], self.x[30:], points))
        # In standardized units: mean log loss + l2/2 ‖W‖², by another solver.
        mean, scale = train.mean(0), train.std(0, correction=0)
        weight = torch.zeros(5, 54, dtype=torch.float64, requires_grad=True)
        bias = torch.zeros(5, dtype=torch.float64, requires_grad=True)
        solver = torch.optim.LBFGS([weight, bias], max_iter=500, tolerance_grad=1e-10,
                                   tolerance_change=0, line_search_fn="strong_wolfe")

        def scores(x):
            return (x - mean) / scale @ weight.T + bias

        def loss():
            solver.zero_grad()
            value = (nn.functional.cross_entropy(scores(train), labels[:30])
                     + 0.5e-2 * (weight ** 2).sum())
            value.backward()
            return value

        objective = solver.step(loss) and loss().item()
        on_train, on_test, on_grid = (scores(x).argmax(1).numpy() for x in (train, test, grid))
        np.testing.assert_array_equal(row["drs/test/conv"], on_grid)
        found = row["probe/conv"][0]
        self.assertAlmostEqual(found[6], objective, delta=1e-8)
        self.assertEqual(found[:3].tolist(), [0, 1e-2, 54])
        self.assertEqual(found[7:10].tolist(), [
            (on_train == labels[:30].numpy()).mean(), (on_train == 0).mean(),
            (on_test == labels[30:].numpy()).mean()])
        with self.assertRaisesRegex(ValueError, "29 train images and 30 labels|30 labels"):
            self.row(self.model, name="x", probes=(self.x[:29], labels[:30], self.x, labels))

    @unittest.skipUnless(shutil.which("stratagram"), "the program stratagram is not on PATH")
    def test_a_readout_is_fitted_again_for_each_row(self):
        labels = torch.arange(40) % 5
        with torch.no_grad():
            self.x[torch.arange(40), 0, labels, labels] += 3
        data = stratagram.Probes(self.x[:30], labels[:30], self.x[30:], labels[30:], l2=1e-2,
                                 true_labels=labels[:30].roll(1))
        weight = self.model.conv.weight.detach().clone()
        with stratagram.Recorder(self.model, self.root / "r", "conv", self.x, readout=data) as rec:
            rec.log(epoch=0, step=0, test_error=0.5)
            with torch.no_grad():  # another readout of the same representation
                self.model.fc.weight.zero_()
            rec.log(epoch=1, step=1)
            rec.log(epoch=2, step=2, capture=False)
            with torch.no_grad():
                self.model.conv.weight.fill_(float("nan"))
            rec.log(epoch=3, step=3)
        self.model.conv.weight.data = weight
        self.model.eval()
        with torch.no_grad():
            given = torch.relu(self.model.bn(self.model.conv(self.x))).flatten(1).numpy()
        probe = data.fit(given[:30], given[30:])
        curves = stratagram.open(self.root / "r").curves
        train, test = (probe.classes(part) for part in (given[:30], given[30:]))
        for name, expected in [
                ("readout_train_error", (train != labels[:30].numpy()).mean()),
                ("readout_train_error_true", (train != labels[:30].roll(1).numpy()).mean()),
                ("readout_test_error", (test != labels[30:].numpy()).mean())]:
            np.testing.assert_allclose(curves[name][:2], expected, atol=1e-12)
            self.assertTrue(np.isnan(curves[name][2:]).all(), "none without layers, or not finite ones")
        manifest = (self.root / "r/run.json").read_text()
        self.assertIn('"layer": "fc"', manifest)

    @unittest.skipUnless(shutil.which("stratagram"), "the program stratagram is not on PATH")
    def test_a_layer_without_a_probe_says_why(self):
        labels = torch.arange(40) % 5
        planes = stratagram.Planes.through(self.x, labels, triplets=2, resolution=4)
        with torch.no_grad():
            self.model.fc.weight.fill_(float("nan"))
        row = self.row(self.model, planes=planes, probes=(self.x, labels, self.x, labels))
        self.assertIn(b"NaN", row["reason/drs/test/fc"].tobytes())
        self.assertNotIn("probe/fc", row)
        self.assertIn("probe/conv", row)

    def test_answers_to_test_images_are_the_models(self):
        labels = torch.arange(40) % 5
        self.model.eval()
        with torch.no_grad():
            expected = self.model(self.x).argmax(1).numpy()
        data = torch.utils.data.TensorDataset(self.x, labels)
        row = self.row(self.model, name="set", test=data)
        np.testing.assert_array_equal(row["agreement/test/output"], expected)
        self.assertEqual(row["agreement/test/output"].dtype, np.uint8)
        root = self.root / "set"
        with np.load(root / "labels.npz") as stored:
            np.testing.assert_array_equal(stored["test"], labels)
        self.assertIn('"n_images": 40', (root / "run.json").read_text())
        signatures = np.load(root / "signatures/agreement/test/output.npy")
        np.testing.assert_array_equal(signatures, expected[None])
        row = self.row(self.model, name="pair", test=(self.x[:30], labels[:30]))
        np.testing.assert_array_equal(row["agreement/test/output"], expected[:30])
        with self.assertRaisesRegex(ValueError, "test: 30 images and 40 labels"):
            self.row(self.model, name="few", test=(self.x[:30], labels))
        self.assertNotIn("agreement/test/output", self.row(self.model, name="none"))

    def test_a_loader_stands_for_its_inputs(self):
        data = torch.utils.data.TensorDataset(self.x, torch.arange(40))
        loader = torch.utils.data.DataLoader(data, batch_size=9)
        row, same = self.row(self.model), self.row(self.model, loader, name="loader")
        for key, value in row.items():
            np.testing.assert_array_equal(same[key], value)

    def test_groups_and_tokens(self):
        model = nn.Sequential(nn.Linear(3, 5))
        x = torch.randn(10, 4, 3)
        groups = {"test": x, "train-clean": x[:6]}
        for tokens, reduced in [("all", lambda y: y), ("cls", lambda y: y[:, 0]),
                                ("mean", lambda y: y[:, 1:].mean(1))]:
            row = self.row(model, groups, ["0"], name=tokens, tokens=tokens)
            self.assert_same(row, "0", reduced(model[0](x)))
            self.assert_same(row, "0", reduced(model[0](x[:6])), group="train-clean")

    def test_mistakes_are_named_at_once(self):
        def refused(message, *arguments, **options):
            with self.assertRaisesRegex(ValueError, message):
                stratagram.Recorder(self.model, self.root / "x", *arguments, **options)
            self.assertFalse((self.root / "x").exists())

        refused("which is no module; there are conv, bn", ["layer9"], self.x)
        refused("examples are missing", "*")
        self.model.unused = nn.Linear(2, 2)
        refused("unused does not run", ["unused", "conv"], self.x)
        refused("different sample ids", "*", self.x, [1] * 40)
        steps_first = Wrapped(lambda y: y.T)
        with self.assertRaisesRegex(ValueError, "batch_first"):
            stratagram.Recorder(steps_first, self.root / "x", "layer", torch.randn(8, 4))


if __name__ == "__main__":
    unittest.main()
