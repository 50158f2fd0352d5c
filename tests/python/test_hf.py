"""The callback in Hugging Face's own trainer; skipped where it is not installed."""

import csv
import os
import socket
import tempfile
import unittest
from pathlib import Path

import numpy as np
import stratagram

os.environ.setdefault("HF_HUB_OFFLINE", "1")
try:
    import accelerate  # noqa: F401, which the trainer needs
    import torch
    import transformers
except ImportError as error:
    raise unittest.SkipTest(f"transformers is not installed ({error})") from None

transformers.logging.set_verbosity_error()
CLASSES, N = 3, 20


class Texts(torch.utils.data.Dataset):
    """Texts of different lengths, as lists of tokens, and a column that no model takes."""

    def __init__(self, n=N, seed=0):
        rng = np.random.default_rng(seed)
        self.items = [{"input_ids": rng.integers(1, 40, rng.integers(4, 9)).tolist(),
                       "label": int(rng.integers(CLASSES)), "text": "?"} for _ in range(n)]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def padded(items):
    """What DataCollatorWithPadding does, without a tokenizer."""
    longest = max(len(item["input_ids"]) for item in items)
    ids = torch.tensor([item["input_ids"] + [0] * (longest - len(item["input_ids"]))
                        for item in items])
    return {"input_ids": ids, "attention_mask": (ids > 0).long(),
            "labels": torch.tensor([item["label"] for item in items])}


def model():
    torch.manual_seed(1)
    return transformers.BertForSequenceClassification(transformers.BertConfig(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        vocab_size=40, max_position_embeddings=12, num_labels=CLASSES))


class Stop(transformers.TrainerCallback):
    """A training that is killed in its third epoch."""

    def on_step_begin(self, args, state, control, **_):
        if state.global_step == 12:
            raise KeyboardInterrupt


def train_in_parallel(rank, root, port, watched):
    """One of two processes of a training, as torchrun starts them; rank 0 keeps the last weights."""
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1",
                      MASTER_PORT=str(port))
    test = HuggingFaceTest()
    test.root = Path(root)
    trained = test.train(*[test.callback()] * watched, name=f"trainer-{watched}", ddp_backend="gloo",
                         per_device_train_batch_size=2, num_train_epochs=2)
    assert torch.distributed.get_world_size() == 2
    if rank == 0:
        torch.save(trained.state_dict(), test.root / f"weights-{watched}.pt")
    torch.distributed.destroy_process_group()


class HuggingFaceTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def callback(self, name="run", **options):
        options = {"examples": Texts(12, 1), "layers": "bert.encoder.layer.?", "tokens": "cls",
                   "train": Texts(), "test": Texts(10, 2), "batch_size": 7, **options}
        return stratagram.hf.Callback(self.root / name, **options)

    def train(self, *callbacks, name="trainer", resume=None, trainer=None, **options):
        arguments = transformers.TrainingArguments(**{
            "output_dir": str(self.root / name), "num_train_epochs": 4, "report_to": [],
            "per_device_train_batch_size": 4, "learning_rate": 1e-2, "save_strategy": "epoch",
            "use_cpu": True, "disable_tqdm": True, "remove_unused_columns": False, **options})
        trainer = transformers.Trainer(model(), arguments, data_collator=padded,
                                       train_dataset=Texts(), callbacks=list(callbacks),
                                       **(trainer or {}))
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train(resume_from_checkpoint=resume)
        return trainer.model

    def history(self, name="run"):
        return list(csv.DictReader((self.root / name / "history.csv").read_text().splitlines()))

    def test_rows_have_the_weights_of_their_checkpoint(self):
        self.train(self.callback())
        rows = self.history()
        self.assertEqual([row["step"] for row in rows], ["0", "5", "10", "15", "20"])
        self.assertEqual([row["epoch"] for row in rows], ["0", "1", "2", "3", "4"])
        signatures = stratagram.open(self.root / "run").signatures("bert.encoder.layer.1")
        for k, row in enumerate(rows):
            net = model()
            if k:
                net = net.from_pretrained(self.root / f"trainer/checkpoint-{row['step']}")
            net.eval()
            for column, texts in [("train_error", Texts()), ("test_error", Texts(10, 2))]:
                batch = padded(texts.items)
                with torch.no_grad():
                    wrong = net(**batch).logits.argmax(1) != batch["labels"]
                self.assertAlmostEqual(float(row[column]), wrong.float().mean().item(), places=6)
            batch = padded(Texts(12, 1).items)
            with torch.no_grad():
                hidden = net(**batch, output_hidden_states=True).hidden_states[-1][:, 0]
            np.testing.assert_allclose(signatures[k], stratagram.signature(hidden.numpy()),
                                       atol=1e-5)
        self.assertLess(float(rows[-1]["train_error"]), float(rows[0]["train_error"]) + 1e-9)

    def test_the_trainers_own_sets_are_used_where_none_is_given(self):
        def accuracy(prediction):
            return {"accuracy": (prediction.predictions.argmax(1) == prediction.label_ids).mean()}

        arguments = {"eval_dataset": Texts(10, 2), "compute_metrics": accuracy}
        own = stratagram.hf.Callback(self.root / "own", "bert.pooler", Texts(12, 1), train=15)
        given = self.callback(train=torch.utils.data.Subset(Texts(), np.linspace(
            0, N - 1, 15).round().astype(int).tolist()))
        self.train(own, given, trainer=arguments, eval_strategy="epoch", eval_on_start=True,
                   num_train_epochs=2)
        self.assertEqual(len(self.history("own")), 3)
        for own, row in zip(self.history("own"), self.history()):
            for name in ("step", "epoch", "train_error", "test_error"):
                self.assertAlmostEqual(float(own[name]), float(row[name]), places=6)
        self.assertIn("eval_loss", own)

    def test_training_has_the_same_bits(self):
        plain = self.train(save_strategy="no").state_dict()
        watched = self.train(self.callback(every=3), save_strategy="no").state_dict()
        for key, value in plain.items():
            self.assertTrue(torch.equal(value, watched[key]), key)
        self.assertEqual([row["step"] for row in self.history()],
                         ["0", "3", "6", "9", "12", "15", "18"])

    def test_a_training_that_continues_has_the_rows_of_one_that_did_not_stop(self):
        self.train(self.callback("whole"), name="other")
        with self.assertRaises(KeyboardInterrupt):
            self.train(self.callback(), Stop())
        self.assertEqual([row["step"] for row in self.history()], ["0", "5", "10"])
        # Killed between a checkpoint and its row.
        (self.root / "run/recorded/step-000000010.npz").unlink()
        self.train(self.callback(), resume=True)
        self.assertEqual(self.history(), self.history("whole"))
        for row in (self.root / "whole/recorded").iterdir():
            with np.load(row) as whole, np.load(self.root / "run/recorded" / row.name) as found:
                for key in whole.files:
                    np.testing.assert_array_equal(found[key], whole[key], key)

    def test_mixed_precision_and_inputs_as_tensors(self):
        batch = padded(Texts(12, 1).items)
        del batch["labels"]
        self.train(self.callback(examples=transformers.BatchEncoding(batch), tokens="all"),
                   bf16=True, num_train_epochs=1, save_strategy="no")
        signatures = stratagram.open(self.root / "run").signatures("bert.encoder.layer.0")
        self.assertTrue(np.isfinite(signatures).all())

    def test_two_processes_write_one_recording_and_train_the_same_bits(self):
        for watched in (0, 1):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            torch.multiprocessing.spawn(train_in_parallel, (self.root, port, watched), 2)
        plain, seen = (torch.load(self.root / f"weights-{watched}.pt") for watched in (0, 1))
        for key, value in plain.items():
            self.assertTrue(torch.equal(value, seen[key]), key)
        rows = self.history()
        self.assertEqual([(row["epoch"], row["step"]) for row in rows],
                         [("0", "0"), ("1", "5"), ("2", "10")])
        net = model()
        net.load_state_dict(seen)
        batch = padded(Texts(12, 1).items)
        with torch.no_grad():
            hidden = net.eval()(**batch, output_hidden_states=True).hidden_states[-1][:, 0]
            batch = padded(Texts(10, 2).items)
            wrong = net(**batch).logits.argmax(1) != batch["labels"]
        found = stratagram.open(self.root / "run").signatures("bert.encoder.layer.1")[-1]
        np.testing.assert_allclose(found, stratagram.signature(hidden.numpy()), atol=1e-5)
        self.assertAlmostEqual(float(rows[-1]["test_error"]), wrong.float().mean().item(), places=6)

    def test_mistakes_are_named(self):
        with self.assertRaisesRegex(ValueError, "every is 0; expected 'epoch' or a number"):
            self.callback(every=0)


if __name__ == "__main__":
    unittest.main()
