"""The two nets of the engine fixtures, written with torch.nn alone.

`Cnn5` and `ResNet18` follow Nakkiran et al. 2019 (arXiv:1912.02292, appendix B.1). Their
state_dict names are the names of stratagram's parameters; `forward` returns the logits and
a dictionary with the output of every node that stratagram names.
"""

import torch
from torch import nn
from torch.nn import functional


class Cnn5(nn.Module):
    """Four stages of conv3x3 (bias) - BN - ReLU - max-pool, then a linear layer."""

    def __init__(self, width, shape, n_classes=10):
        super().__init__()
        channels, side, _ = shape
        self.pools = [1, 2, 2, side // 4]
        for stage in range(4):
            out = width << stage
            setattr(self, f"conv{stage + 1}", nn.Conv2d(channels, out, 3, padding=1))
            setattr(self, f"bn{stage + 1}", nn.BatchNorm2d(out))
            channels = out
        self.fc = nn.Linear(channels, n_classes)

    def forward(self, x):
        nodes = {}
        for number, pool in enumerate(self.pools, start=1):
            x = nodes[f"conv{number}"] = getattr(self, f"conv{number}")(x)
            x = nodes[f"bn{number}"] = getattr(self, f"bn{number}")(x)
            x = nodes[f"relu{number}"] = functional.relu(x)
            if pool > 1:
                x = nodes[f"pool{number}"] = functional.max_pool2d(x, pool)
        x = nodes["fc"] = self.fc(x.flatten(1))
        return x, nodes


class Block(nn.Module):
    """Pre-activation block; a 1x1 shortcut reads the pre-activated input."""

    def __init__(self, channels, out, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False))

    def forward(self, x, name, nodes):
        bn1 = nodes[f"{name}.bn1"] = self.bn1(x)
        relu1 = nodes[f"{name}.relu1"] = functional.relu(bn1)
        conv1 = nodes[f"{name}.conv1"] = self.conv1(relu1)
        bn2 = nodes[f"{name}.bn2"] = self.bn2(conv1)
        relu2 = nodes[f"{name}.relu2"] = functional.relu(bn2)
        conv2 = nodes[f"{name}.conv2"] = self.conv2(relu2)
        shortcut = x
        if hasattr(self, "shortcut"):
            shortcut = nodes[f"{name}.shortcut.0"] = self.shortcut(relu1)
        nodes[name] = conv2 + shortcut
        return nodes[name]


class ResNet18(nn.Module):
    """Stem conv, four stages of two blocks, global average pool, linear layer."""

    def __init__(self, width, shape, n_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(shape[0], width, 3, padding=1, bias=False)
        channels = width
        for stage in range(4):
            out = width << stage
            stride = 1 if stage == 0 else 2
            blocks = [Block(channels, out, stride), Block(out, out, 1)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            channels = out
        self.linear = nn.Linear(channels, n_classes)

    def forward(self, x):
        nodes = {}
        x = nodes["conv1"] = self.conv1(x)
        for stage in range(1, 5):
            for number, block in enumerate(getattr(self, f"layer{stage}")):
                x = block(x, f"layer{stage}.{number}", nodes)
        x = nodes["avgpool"] = x.mean((2, 3))
        x = nodes["linear"] = self.linear(x)
        return x, nodes


KINDS = {"cnn5": Cnn5, "resnet18": ResNet18}


def build(kind, width, shape, seed, dtype=torch.float64):
    """A net with PyTorch's default initialization under `seed`, drawn in float32."""
    torch.manual_seed(seed)
    return KINDS[kind](width, shape).to(dtype)
