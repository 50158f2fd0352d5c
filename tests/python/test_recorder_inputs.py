"""What the recorder takes: examples, models, names, decisions; skipped without PyTorch."""

import importlib
import json
import tempfile
import unittest
import warnings
from collections import UserDict
from pathlib import Path

import numpy as np
import stratagram

try:
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
except ImportError:
    raise unittest.SkipTest("PyTorch is not installed") from None


class Texts(nn.Module):
    """Called as the models of Hugging Face are."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 6), nn.Linear(6, 3)

    def forward(self, input_ids, attention_mask=None, labels=None):
        x = self.embed(input_ids)
        if attention_mask is not None:
            x = x * attention_mask[..., None]
        return {"logits": self.head(x.mean(1))}


class Records(Dataset):
    """Items that are dicts with text, numbers as lists, and a label."""

    def __init__(self, ids, mask, labels):
        self.columns = ids, mask, labels

    def __len__(self):
        return len(self.columns[0])

    def __getitem__(self, index):
        ids, mask, label = (column[index].tolist() for column in self.columns)
        return {"text": f"text {index}", "input_ids": ids, "attention_mask": mask, "label": label}


class Stream(IterableDataset):
    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


class InputsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.n = 0
        torch.manual_seed(0)
        self.x = torch.randn(12, 4)

    def record(self, model, examples, layers="*", **options):
        self.n += 1
        out = self.root / f"r{self.n}"
        with stratagram.Recorder(model, out, layers, examples, **options) as rec:
            rec.log(epoch=0, step=0)
        with np.load(out / "recorded/step-000000000.npz") as part:
            return {key: part[key] for key in part.files
                    if key.startswith(("cka/", "drs/", "reason/"))}

    def assert_same(self, row, expected):
        self.assertEqual(set(row), set(expected))
        for key, value in expected.items():
            np.testing.assert_array_equal(row[key], value, key)

    def refused(self, message, model, examples, **options):
        self.n += 1
        with self.assertRaisesRegex(ValueError, message):
            stratagram.Recorder(model, self.root / f"r{self.n}", "*", examples, **options)
        self.assertFalse((self.root / f"r{self.n}").exists())

    def test_loaders_and_data_sets_stand_for_their_inputs(self):
        model, y = nn.Linear(4, 3), torch.arange(12)
        model = nn.Sequential(model)
        expected = self.record(model, self.x)
        pairs = TensorDataset(self.x, y)
        items = [pairs[i] for i in range(12)]
        for examples in [
                pairs, DataLoader(pairs, batch_size=5), DataLoader(TensorDataset(self.x), 5),
                DataLoader(pairs, batch_size=5, num_workers=1), Stream(items), DataLoader(Stream(items), batch_size=5), self.x.tolist(),
                DataLoader([{"image": x, "label": 1} for x in self.x], batch_size=5),
                list(self.x), self.x.numpy(), {"test": pairs}]:
            self.assert_same(self.record(model, examples), expected)

    def test_dicts_are_called_by_name_and_without_labels(self):
        model = Texts()
        ids, mask = torch.randint(0, 50, (12, 5)), torch.ones(12, 5, dtype=torch.long)
        mask[::2, 3:] = 0
        whole = {"input_ids": ids, "attention_mask": mask}
        expected = self.record(model, whole)
        records = Records(ids, mask, torch.arange(12))
        batches = DataLoader(records, batch_size=5, collate_fn=lambda items: {
            "input_ids": torch.tensor([i["input_ids"] for i in items]),
            "attention_mask": torch.tensor([i["attention_mask"] for i in items]),
            "labels": torch.tensor([i["label"] for i in items])})
        lists = UserDict({key: value.tolist() for key, value in whole.items()})
        for examples in [UserDict(whole), lists, records, batches, (ids, mask),
                         {"test": UserDict(whole)}, {"test": records}]:
            self.assert_same(self.record(model, examples), expected)
        self.refused("input_idz.*forward takes input_ids", model, {"input_idz": ids, **whole})
        self.refused("a batch has a, b.*forward takes input_ids", model,
                     Stream([{"a": x, "b": x} for x in ids]))
        lists["input_ids"][3] = [1]
        self.refused("pad texts to one length", model, lists)
        uneven = DataLoader([{"input_ids": ids[0, :k]} for k in (3, 4, 5, 5)], batch_size=1)
        self.refused("different shapes.*pad", model, uneven)

    def test_examples_in_half_precision(self):
        model = nn.Sequential(nn.Linear(4, 3)).bfloat16()
        x = self.x.bfloat16()
        planes = stratagram.Planes.through(x, torch.arange(12) % 3, triplets=2, resolution=3)
        row = self.record(model, x, planes=planes)
        expected = stratagram.signature(model(x).detach().float().numpy())
        np.testing.assert_allclose(row["cka/test/0"], expected, atol=1e-6)
        points = torch.from_numpy(np.concatenate([planes[0], planes[1]])).bfloat16()
        np.testing.assert_array_equal(row["drs/test/output"], model(points).argmax(1))

    def test_groups_and_layers_have_any_names(self):
        model = nn.Sequential()
        names = ["fc/1 ü", "aux", "layer[0]", "x" * 100]
        for name in names:
            model.add_module(name, nn.Linear(4, 4))
        groups = {"in distribution": self.x, "shifted/rotated": self.x + 1}
        row = self.record(model, groups, planes=stratagram.Planes.through(
            self.x, torch.arange(12) % 3, triplets=2, resolution=3, group="in distribution"))
        run = stratagram.open(self.root / "r1")
        self.assertEqual(len([key for key in row if key.startswith("cka/")]), 8)
        kept = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}"
        for key in row:
            self.assertRegex(key, rf"^(cka|drs)/{kept}/{kept}$")
        for name in names:
            for group in groups:
                self.assertEqual(len(run.signatures(name, group=group)), 1)
        only = self.record(model, self.x, ["layer[0]"])
        self.assertEqual(len(only), 1, "a name is itself before it is a pattern")
        manifest = json.loads((self.root / "r1/run.json").read_text())
        self.assertEqual(set(manifest["recording"]["names"].values()), {*names, *groups})

    def test_names_of_arguments_are_no_groups(self):
        class Two(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 3)

            def forward(self, left, right=None):
                return self.fc(left if right is None else left - right)

        model = Two()
        both = self.record(model, {"left": self.x, "right": self.x + self.x ** 2})
        self.assertEqual(list(both), ["cka/test/fc"])
        groups = self.record(model, {"early": self.x, "late": self.x ** 2})
        self.assertEqual(list(groups), ["cka/early/fc", "cka/late/fc"])
        nested = self.record(model, {"left": (self.x, self.x ** 2)})
        self.assertEqual(list(nested), ["cka/left/fc"])

    def test_single_logits_and_many_classes_decide(self):
        planes = stratagram.Planes.through(self.x, torch.arange(12) % 3, triplets=2, resolution=9)
        points = torch.from_numpy(np.concatenate([planes[0], planes[1]]))
        one = nn.Sequential(nn.Linear(4, 1))
        for model in (one, nn.Sequential(one, nn.Flatten(0))):
            row = self.record(model, self.x, ["0"], planes=planes)
            expected = (one(points)[:, 0] > 0).long()
            self.assertEqual(set(expected.tolist()), {0, 1})
            np.testing.assert_array_equal(row["drs/test/output"], expected)
        many = nn.Sequential(nn.Linear(4, 1000))
        row = self.record(many, self.x, planes=planes)
        self.assertGreater(row["drs/test/output"].max(), 255)
        np.testing.assert_array_equal(row["drs/test/output"], many(points).argmax(1))
        stored = np.load(self.root / f"r{self.n}/signatures/drs/test/output.npy")
        np.testing.assert_array_equal(stored[0], row["drs/test/output"])

    def test_rows_of_few_and_of_many_classes_are_joined(self):
        decisions = {"group": "test", "n_planes": 1, "points_per_plane": 2}
        rows = [[0, 1], [300, 2], [3, 4]]
        with stratagram.Recording(self.root / "r", ["fc"], {"test": range(5)},
                                  decisions=decisions) as rec:
            for step, classes in enumerate(rows):
                rec.log(epoch=step, step=step, decisions=classes,
                        activations={"fc": np.random.default_rng(step).normal(size=(5, 3))})
        stored = np.load(self.root / "r/signatures/drs/test/output.npy")
        self.assertEqual(stored.tolist(), rows)

    def test_models_that_cannot_be_recorded_are_refused_in_our_words(self):
        model = nn.Sequential(nn.Linear(4, 3))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scripted = torch.jit.script(model)
            traced = torch.jit.trace(model, self.x)
        self.refused("TorchScript.*torch.nn.Module", scripted, self.x)
        self.refused("TorchScript", traced, self.x)
        with torch.device("meta"):
            self.refused("0.weight is on the meta device", nn.Sequential(nn.Linear(4, 3)), self.x)
        self.refused(r"0.weight has no values yet.*model\(x\[:2\]\)",
                     nn.Sequential(nn.LazyLinear(3)), self.x)
        self.refused("is a function; expected a torch.nn.Module", lambda x: x, self.x)
        self.refused(r"without modules in it; record torch.nn.Sequential\(model\)", nn.Linear(4, 3),
                     self.x)
        for n in (0, 1, 3):
            self.refused(f"has {n} examples?; CKA is defined from 4 on", model, self.x[:n])
        self.refused(r"have \[12, 6\] examples", Texts(), (self.x, self.x[:6]))
        self.record(model, self.x[:4])

    def test_blocks_are_those_of_models_of_the_field(self):
        small = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
                 "intermediate_size": 8}
        tests = [
            ("torchvision.models", lambda tv: tv.resnet18(), 8, "layer1.0", "layer4.1"),
            ("torchvision.models", lambda tv: tv.resnet50(), 16, "layer1.0", "layer4.2"),
            ("torchvision.models", lambda tv: tv.VisionTransformer(16, 4, 3, 2, 16, 32), 3,
             "encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_2"),
            ("timm", lambda timm: timm.create_model("test_vit"), 6, "blocks.0", "blocks.5"),
            ("timm", lambda timm: timm.create_model("resnet10t"), 4, "layer1.0", "layer4.0"),
            ("transformers", lambda hf: hf.ViTForImageClassification(hf.ViTConfig(
                image_size=16, patch_size=4, **small)), 2, "vit.", ".1"),
            ("transformers", lambda hf: hf.BertForSequenceClassification(hf.BertConfig(
                vocab_size=9, **small)), 2, "bert.encoder.layer.0", "bert.encoder.layer.1"),
            ("transformers", lambda hf: hf.GPT2LMHeadModel(hf.GPT2Config(
                n_embd=8, n_layer=3, n_head=2, vocab_size=9)), 3, "transformer.h.0", "transformer.h.2"),
        ]
        for library, make, n, first, last in tests:
            with self.subTest(library, first=first):
                try:
                    module = importlib.import_module(library)
                except ImportError:
                    self.skipTest(f"{library} is not installed")
                blocks = stratagram.Recorder.presets(make(module))["blocks"]
                self.assertEqual(len(blocks), n)
                self.assertTrue(blocks[0].startswith(first) and blocks[-1].endswith(last), blocks)

    def test_blocks_are_recorded_and_refused_where_there_are_none(self):
        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)

            def forward(self, x):
                return x + self.fc(x)

        model = nn.Sequential(Block(), nn.Sequential(Block(), Block()), nn.LayerNorm(4))
        row = self.record(model, self.x, "blocks")
        self.assertEqual(list(row), ["cka/test/0", "cka/test/1.0", "cka/test/1.1"])
        with self.assertRaisesRegex(ValueError, "layers is 'blocks', and the model has none"):
            self.record(nn.Sequential(nn.Linear(4, 3)), self.x, "blocks")
        named = nn.Sequential()
        named.add_module("blocks", nn.Linear(4, 3))
        self.assertEqual(list(self.record(named, self.x, ["blocks"])), ["cka/test/blocks"])

    def test_parts_that_are_compiled_scripted_or_quantized_do_not_hinder(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scripted = torch.jit.script(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)))
        inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        compiled = torch.compile(inner, backend="eager")
        model = nn.Sequential(scripted, compiled, nn.Linear(4, 2))
        model(self.x)
        state = {key: value.clone() for key, value in model.state_dict().items()}
        row = self.record(model, self.x)
        self.assertEqual(list(row), [f"cka/test/{name}" for name in ("1.0", "1.1", "1", "2")])
        for key, value in model.state_dict().items():
            self.assertTrue(torch.equal(value, state[key]), key)
        self.assertTrue(scripted.training and scripted[1].training)
        with torch.no_grad():
            scripted.eval()
            expected = stratagram.signature(inner(scripted(self.x)).numpy())
        np.testing.assert_allclose(row["cka/test/1"], expected, atol=1e-6)

    def test_outputs_of_quantized_layers_are_compared(self):
        try:
            from torch.ao import quantization
        except ImportError:
            self.skipTest("this PyTorch has no torch.ao.quantization")
        model = nn.Sequential(quantization.QuantStub(), nn.Linear(4, 4), quantization.DeQuantStub())
        model.eval().qconfig = quantization.get_default_qconfig("fbgemm")
        observed = quantization.prepare(model)
        observed(self.x)
        row = self.record(quantization.convert(observed), self.x)
        np.testing.assert_array_equal(row["cka/test/1"], row["cka/test/2"])

    def test_positions_are_numbers(self):
        model = nn.Sequential(nn.Linear(4, 3))
        with stratagram.Recorder(model, self.root / "r", "*", self.x) as rec:
            for position, message in [
                    ({"epoch": "3", "step": 0}, "epoch is '3', a str; expected a number"),
                    ({"epoch": 3, "step": "0"}, "step is '0', a str"),
                    ({"epoch": [1], "step": 0}, r"epoch is \[1\], a list"),
                    ({"epoch": float("nan"), "step": 0}, "epoch is nan"),
                    ({"epoch": 0, "step": float("inf")}, "step is inf"),
                    ({"epoch": 0, "step": 0, "train_error": "0.5"}, "train_error is '0.5'")]:
                with self.assertRaisesRegex(ValueError, message):
                    rec.log(**position)
            rec.log(epoch=torch.tensor(1.5), step=np.int64(3), train_error=torch.tensor(0.25),
                    test_error=None)
        self.assertEqual((self.root / "r/history.csv").read_text(),
                         "step,epoch,train_error,test_error\n3,1.5,0.25,\n")


if __name__ == "__main__":
    unittest.main()
