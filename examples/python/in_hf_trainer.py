"""A training by Hugging Face's Trainer with the recorder: pip install stratagram transformers accelerate"""
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

import stratagram

class Texts(torch.utils.data.Dataset):
    """Whether token 1 comes before token 2."""
    def __init__(self, n, seed):
        self.ids = torch.randint(3, 50, (n, 12), generator=torch.Generator().manual_seed(seed))
        self.labels = torch.arange(n) % 2
        self.ids[:, 3], self.ids[:, 8] = 1 + self.labels, 2 - self.labels
    def __len__(self): return len(self.ids)
    def __getitem__(self, i): return {"input_ids": self.ids[i], "labels": self.labels[i]}

model = BertForSequenceClassification(BertConfig(
    hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64, vocab_size=50))
recorded = stratagram.hf.Callback(
    "runs/hf", "bert.encoder.layer.?", examples=Texts(200, 1), tokens="mean",
    train=Texts(400, 0), test=Texts(200, 1))
Trainer(model, TrainingArguments(
    "trainer", num_train_epochs=6, per_device_train_batch_size=40, learning_rate=3e-3, report_to=[],
    save_strategy="no"), train_dataset=Texts(400, 0), callbacks=[recorded]).train()
