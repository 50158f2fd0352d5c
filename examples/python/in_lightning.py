"""A Lightning training with the recorder: pip install stratagram lightning"""
import lightning.pytorch as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import stratagram

class Classifier(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))
    def step(self, batch, name):
        scores = self.net(batch[0])
        self.log(f"{name}_acc", (scores.argmax(1) == batch[1]).float().mean(), on_step=False, on_epoch=True)
        return nn.functional.cross_entropy(scores, batch[1])
    def training_step(self, batch, _): return self.step(batch, "train")
    def validation_step(self, batch, _): self.step(batch, "val")
    def configure_optimizers(self): return torch.optim.Adam(self.parameters())

x = torch.randn(600, 20)
train, val = torch.utils.data.random_split(TensorDataset(x, x[:, :4].argmax(1)), [400, 200])
recorded = stratagram.lightning.Callback("runs/lightning", "*", examples=val, model="net")
pl.Trainer(max_epochs=5, callbacks=[recorded], logger=False).fit(
    Classifier(), DataLoader(train, 32, shuffle=True), DataLoader(val, 200))
