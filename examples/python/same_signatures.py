"""Trains one network twice — in PyTorch with the recorder, and by stratagram itself — from the
same weights, data and batches, and compares what both have written of it.

    pip install stratagram torch safetensors
    python examples/python/same_signatures.py [--net resnet18] [--batchnorm running]

Exits with 1 if a signature differs by 10⁻⁴ or more, or the decisions of the output or of a
layer's probe at over 1 % of the points, or a probe's test accuracy by over 1 %.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

import stratagram

WIDTH, CLASSES, EPOCHS, LEARNING_RATE = 4, 10, 8, 0.02
PLANES = {"triplets": 12, "resolution": 10}


class Cnn5(nn.Module):
    def __init__(self, width=WIDTH, channels=1, size=8):
        super().__init__()
        for stage, pool in enumerate([1, 2, 2, size // 4], start=1):
            out = width << (stage - 1)
            setattr(self, f"conv{stage}", nn.Conv2d(channels, out, 3, padding=1))
            setattr(self, f"bn{stage}", nn.BatchNorm2d(out))
            setattr(self, f"relu{stage}", nn.ReLU(inplace=True))
            setattr(self, f"pool{stage}", nn.MaxPool2d(pool) if pool > 1 else None)
            channels = out
        self.fc = nn.Linear(channels, CLASSES)

    def forward(self, x):
        for stage in range(1, 5):
            for layer in ("conv", "bn", "relu", "pool"):
                module = getattr(self, f"{layer}{stage}")
                x = x if module is None else module(x)
        return self.fc(x.flatten(1))


class Block(nn.Module):
    def __init__(self, channels, out, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False))

    def forward(self, x):
        y = F.relu(self.bn1(x))
        shortcut = self.shortcut(y) if hasattr(self, "shortcut") else x
        return self.conv2(F.relu(self.bn2(self.conv1(y)))) + shortcut


class ResNet18(nn.Module):
    def __init__(self, width=WIDTH):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, 1, 1, bias=False)
        channels = width
        for stage in range(4):
            out, stride = width << stage, 1 if stage == 0 else 2
            blocks = [Block(channels, out, stride), Block(out, out, 1)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            channels = out
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(channels, CLASSES)

    def forward(self, x):
        x = self.conv1(x)
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return self.linear(self.avgpool(x).flatten(1))


NETS = {
    "cnn5": (Cnn5, ["relu*", "pool*", "fc"]),
    "resnet18": (ResNet18, ["conv1", "layer?.?", "avgpool", "linear"]),
}


def images(n, generator):
    """Ten classes: smooth patterns under noise."""
    patterns = torch.randn(CLASSES, 1, 4, 4, generator=torch.Generator().manual_seed(7))
    patterns = F.interpolate(patterns, size=8, mode="bilinear")
    labels = torch.randint(0, CLASSES, (n,), generator=generator)
    return patterns[labels] + 0.8 * torch.randn(n, 1, 8, 8, generator=generator), labels


def experiment(net, batchnorm):
    return f"""
[data]
kind = "arrays"
path = "data.npz"
normalize = "none"
[net]
kind = "{net}"
width = {WIDTH}
[init]
weights = "weights.safetensors"
[optimizer]
kind = "sgd"
lr = {LEARNING_RATE}
momentum = 0.9
[train]
epochs = {EPOCHS}
batch_size = 300
checkpoints = {list(range(EPOCHS + 1))}
[evaluation]
batchnorm = "{batchnorm}"
[analysis]
groups = ["test"]
n_examples = 200
drs = {{ triplets = {PLANES["triplets"]}, resolution = {PLANES["resolution"]} }}
"""


def error(model, x, y):
    model.eval()
    with torch.no_grad():
        wrong = (model(x).argmax(1) != y).float().mean().item()
    model.train()
    return wrong


def record(model, folder, layers, train, test, batchnorm):
    """Your own loop, with the recorder in it."""
    (x, y), (x_test, y_test) = train, test
    examples = np.load(folder / "ours" / "labels.npz")["examples_test"]
    rec = stratagram.Recorder(
        model, out=folder / "mine", layers=layers, examples=x_test[examples],
        sample_ids=examples, planes=stratagram.Planes.through(x_test, y_test, **PLANES),
        probes=stratagram.Probes(x, y, x_test, y_test),
        batchnorm=x if batchnorm == "recomputed" else None)
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=0.9)
    for epoch in range(EPOCHS + 1):
        rec.log(epoch=epoch, step=epoch, train_error=error(model, x, y),
                test_error=error(model, x_test, y_test))
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()  # one batch: all training images
        optimizer.step()
    print(f"recording took {rec.seconds / (EPOCHS + 1) * 1000:.0f} ms a row")


def differing(one, other, layer):
    a, b = (run.signatures(layer, "drs") for run in (one, other))
    return (a != b).mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--net", choices=NETS, default="cnn5")
    parser.add_argument("--batchnorm", choices=["recomputed", "running"], default="recomputed")
    parser.add_argument("--stratagram", default="stratagram", help="the program")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="same-signatures-"))
    generator = torch.Generator().manual_seed(1)
    train, test = images(300, generator), images(200, generator)
    np.savez(folder / "data.npz", train_images=train[0].numpy(), train_labels=train[1].numpy(),
             test_images=test[0].numpy(), test_labels=test[1].numpy())
    torch.manual_seed(0)
    kind, layers = NETS[arguments.net]
    model = kind()
    save_file(model.state_dict(), folder / "weights.safetensors")
    (folder / "experiment.toml").write_text(experiment(arguments.net, arguments.batchnorm))

    def run(*command):
        subprocess.run([arguments.stratagram, *map(str, command)], check=True, cwd=folder)

    run("run", "experiment.toml", "--out", "ours")
    record(model, folder, layers, train, test, arguments.batchnorm)
    run("analyze", "mine")
    run("report", "mine")

    ours, mine = stratagram.open(folder / "ours"), stratagram.open(folder / "mine")
    print(f"{'layer':12} largest difference of signatures, of similarities; decisions that differ, "
          "largest difference of a probe's test accuracy")
    worst, worst_decisions = 0.0, 0.0
    for layer in (layer for layer in mine.layers if layer != "output"):
        signatures = np.abs(ours.signatures(layer) - mine.signatures(layer)).max()
        matrices = np.abs(ours.matrix(layer) - mine.matrix(layer)).max()
        differ = differing(ours, mine, layer)
        accuracies = np.abs(ours.probes[layer]["test_accuracy"]
                            - mine.probes[layer]["test_accuracy"]).max()
        print(f"{layer:12} {signatures:.1e}  {matrices:.1e};  {differ:.2%}  {accuracies:.3f}")
        worst = max(worst, signatures)
        worst_decisions = max(worst_decisions, differ, accuracies)
    differ = differing(ours, mine, "output")
    print(f"decisions of the output that differ: {differ:.2%}")
    print(f"files: {folder}")
    agree = worst < 1e-4 and max(differ, worst_decisions) <= 0.01
    sys.exit(0 if agree and set(mine.layers) <= set(ours.layers) else 1)


if __name__ == "__main__":
    main()
