"""The nets of the engine fixtures, written with torch.nn alone.

`Cnn5` and `ResNet18` follow Nakkiran et al. 2019 (arXiv:1912.02292, appendix B.1), `Vit` the
ViT4 of dbViz (lucidrains' vit.py) under timm's names, `PostResNet` He et al. 2016a. Their
state_dict names are the names of stratagram's parameters; `forward` returns the logits and
a dictionary with the output of every node that stratagram names.
"""

import torch
from torch import nn
from torch.nn import functional


def conv3(channels, out, shape, stride=1, bias=False):
    """A 3x3 convolution, or a 1x3 one on signals: images of one row."""
    line = shape[1] == 1
    kernel, padding = ((1, 3), (0, 1)) if line else (3, 1)
    return nn.Conv2d(channels, out, kernel, stride, padding, bias=bias)


class Cnn5(nn.Module):
    """Four stages of conv3x3 (bias) - BN - ReLU - max-pool, then a linear layer."""

    def __init__(self, width, shape, n_classes=10):
        super().__init__()
        channels, height, side = shape
        sides = [1, 2, 2, side // 4]
        self.pools = [(1, side) if height == 1 else (side, side) for side in sides]
        for stage in range(4):
            out = width << stage
            setattr(self, f"conv{stage + 1}", conv3(channels, out, shape, bias=True))
            setattr(self, f"bn{stage + 1}", nn.BatchNorm2d(out))
            channels = out
        self.fc = nn.Linear(channels, n_classes)

    def forward(self, x, nodes=None):
        nodes = {} if nodes is None else nodes
        for number, pool in enumerate(self.pools, start=1):
            x = nodes[f"conv{number}"] = getattr(self, f"conv{number}")(x)
            x = nodes[f"bn{number}"] = getattr(self, f"bn{number}")(x)
            x = nodes[f"relu{number}"] = functional.relu(x)
            if pool[1] > 1:
                x = nodes[f"pool{number}"] = functional.max_pool2d(x, pool)
        x = nodes["fc"] = self.fc(x.flatten(1))
        return x, nodes


class Block(nn.Module):
    """Pre-activation block; a 1x1 shortcut reads the pre-activated input."""

    def __init__(self, channels, out, stride, shape):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = conv3(channels, out, shape, stride)
        self.bn2 = nn.BatchNorm2d(out)
        self.conv2 = conv3(out, out, shape)
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
        x = nodes[name] = conv2 + shortcut
        return x


class ResNet18(nn.Module):
    """Stem conv, four stages of two blocks, global average pool, linear layer."""

    def __init__(self, width, shape, n_classes=10):
        super().__init__()
        self.conv1 = conv3(shape[0], width, shape)
        channels = width
        for stage in range(4):
            out = width << stage
            stride = 1 if stage == 0 else 2
            blocks = [Block(channels, out, stride, shape), Block(out, out, 1, shape)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            channels = out
        self.linear = nn.Linear(channels, n_classes)

    def forward(self, x, nodes=None):
        nodes = {} if nodes is None else nodes
        x = nodes["conv1"] = self.conv1(x)
        for stage in range(1, 5):
            for number, block in enumerate(getattr(self, f"layer{stage}")):
                x = block(x, f"layer{stage}.{number}", nodes)
        x = nodes["avgpool"] = x.mean((2, 3))
        x = nodes["linear"] = self.linear(x)
        return x, nodes


class PostBlock(nn.Module):
    """Post-activation block; the shortcut pads (He et al.'s option A) or projects (B)."""

    def __init__(self, channels, out, stride, pads):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.padding = None
        if (stride != 1 or channels != out) and pads:
            before = (out - channels) // 2
            self.padding = (0, 0, 0, 0, before, out - channels - before)
        elif stride != 1 or channels != out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x, name, nodes):
        conv1 = nodes[f"{name}.conv1"] = self.conv1(x)
        bn1 = nodes[f"{name}.bn1"] = self.bn1(conv1)
        relu1 = nodes[f"{name}.relu1"] = functional.relu(bn1)
        conv2 = nodes[f"{name}.conv2"] = self.conv2(relu1)
        bn2 = nodes[f"{name}.bn2"] = self.bn2(conv2)
        shortcut = x
        if self.padding:
            shortcut = functional.pad(x[:, :, ::2, ::2], self.padding)
            nodes[f"{name}.shortcut"] = shortcut
        elif hasattr(self, "shortcut"):
            shortcut = nodes[f"{name}.shortcut.0"] = self.shortcut[0](x)
            shortcut = nodes[f"{name}.shortcut.1"] = self.shortcut[1](shortcut)
        total = nodes[f"{name}.sum"] = bn2 + shortcut
        x = nodes[name] = functional.relu(total)
        return x


class PostResNet(nn.Module):
    """Stem conv - BN - ReLU, stages of post-activation blocks, average pool, linear layer."""

    def __init__(self, width, shape, stages, blocks, pads, n_classes=10):
        super().__init__()
        self.stages = stages
        self.conv1 = nn.Conv2d(shape[0], width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        channels = width
        for stage in range(stages):
            out = width << stage
            strides = [1 if stage == 0 else 2] + [1] * (blocks - 1)
            inputs = [channels] + [out] * (blocks - 1)
            stack = [PostBlock(i, out, s, pads) for i, s in zip(inputs, strides)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*stack))
            channels = out
        self.linear = nn.Linear(channels, n_classes)

    def forward(self, x, nodes=None):
        nodes = {} if nodes is None else nodes
        x = nodes["conv1"] = self.conv1(x)
        x = nodes["bn1"] = self.bn1(x)
        x = nodes["relu1"] = functional.relu(x)
        for stage in range(1, self.stages + 1):
            for number, block in enumerate(getattr(self, f"layer{stage}")):
                x = block(x, f"layer{stage}.{number}", nodes)
        x = nodes["avgpool"] = x.mean((2, 3))
        x = nodes["linear"] = self.linear(x)
        return x, nodes


def resnet18_post(width, shape, n_classes=10):
    return PostResNet(width, shape, 4, 2, False, n_classes)


def resnet_cifar(config, shape, n_classes=10):
    depth, width = config
    return PostResNet(width, shape, 3, (depth - 2) // 6, True, n_classes)


class Attention(nn.Module):
    """softmax(q k^T / sqrt(d)) v of each head, then a projection."""

    # The formula as it is written; benches/pytorch.py takes PyTorch's own kernel instead.
    fused = False

    def __init__(self, dim, heads, head_dim):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * heads * head_dim, bias=False)
        self.proj = nn.Linear(heads * head_dim, dim)

    def forward(self, x, name, nodes):
        batch, tokens, _ = x.shape
        qkv = nodes[f"{name}.qkv"] = self.qkv(x)
        parts = qkv.reshape(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = parts
        if self.fused:
            mixed = functional.scaled_dot_product_attention(q, k, v)
        else:
            mixed = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1) @ v
        x = nodes[name] = mixed.transpose(1, 2).reshape(batch, tokens, -1)
        x = nodes[f"{name}.proj"] = self.proj(x)
        return x


class Mlp(nn.Module):
    def __init__(self, dim, inner):
        super().__init__()
        self.fc1 = nn.Linear(dim, inner)
        self.fc2 = nn.Linear(inner, dim)

    def forward(self, x, name, nodes):
        x = nodes[f"{name}.fc1"] = self.fc1(x)
        x = nodes[f"{name}.act"] = functional.gelu(x)
        x = nodes[f"{name}.fc2"] = self.fc2(x)
        return x


class EncoderBlock(nn.Module):
    """Pre-norm: x + attention(norm1(x)), then + mlp(norm2(.))."""

    def __init__(self, dim, heads, head_dim, mlp_dim, eps):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.attn = Attention(dim, heads, head_dim)
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp = Mlp(dim, mlp_dim)

    def forward(self, x, name, nodes):
        norm1 = nodes[f"{name}.norm1"] = self.norm1(x)
        x = nodes[f"{name}.sum"] = self.attn(norm1, f"{name}.attn", nodes) + x
        norm2 = nodes[f"{name}.norm2"] = self.norm2(x)
        x = nodes[name] = self.mlp(norm2, f"{name}.mlp", nodes) + x
        return x


class PatchEmbed(nn.Module):
    def __init__(self, channels, dim, patch):
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, patch, stride=patch)


class Vit(nn.Module):
    """Patches, class token, positions, blocks, pooling, LayerNorm, linear layer."""

    def __init__(self, config, shape, n_classes=10):
        super().__init__()
        dim, patch = config["dim"], config["patch"]
        tokens = 1 + (shape[1] // patch) * (shape[2] // patch)
        self.pool = config["pool"]
        self.cls_token = nn.Parameter(torch.randn(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.randn(1, tokens, dim))
        self.patch_embed = PatchEmbed(shape[0], dim, patch)
        inner = [config[key] for key in ["heads", "head_dim", "mlp_dim", "norm_eps"]]
        self.blocks = nn.ModuleList(
            EncoderBlock(dim, *inner) for _ in range(config["depth"]))
        self.norm = nn.LayerNorm(dim, eps=config["norm_eps"])
        self.head = nn.Linear(dim, n_classes)

    def forward(self, x, nodes=None):
        nodes = {} if nodes is None else nodes
        x = nodes["patch_embed.proj"] = self.patch_embed.proj(x)
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1)
        x = nodes["embed"] = x + self.pos_embed
        for number, block in enumerate(self.blocks):
            x = block(x, f"blocks.{number}", nodes)
        tokens = {"cls": x[:, :1], "mean": x, "patches": x[:, 1:]}[self.pool]
        x = nodes["pool"] = tokens.mean(1)
        x = nodes["norm"] = self.norm(x)
        x = nodes["head"] = self.head(x)
        return x, nodes


class Perceptron(nn.Module):
    """Flattened images, hidden layers of linear - BN (where asked for) - ReLU, a linear layer."""

    def __init__(self, config, shape, n_classes=10):
        super().__init__()
        width, self.depth, self.batchnorm = (config[k] for k in ["width", "depth", "batchnorm"])
        features = shape[0] * shape[1] * shape[2]
        for layer in range(1, self.depth + 1):
            setattr(self, f"fc{layer}", nn.Linear(features, width))
            if self.batchnorm:
                setattr(self, f"bn{layer}", nn.BatchNorm1d(width))
            features = width
        self.head = nn.Linear(features, n_classes)

    def forward(self, x, nodes=None):
        nodes = {} if nodes is None else nodes
        x = nodes["flatten"] = x.flatten(1)
        for layer in range(1, self.depth + 1):
            x = nodes[f"fc{layer}"] = getattr(self, f"fc{layer}")(x)
            if self.batchnorm:
                x = nodes[f"bn{layer}"] = getattr(self, f"bn{layer}")(x)
            x = nodes[f"relu{layer}"] = functional.relu(x)
        x = nodes["head"] = self.head(x)
        return x, nodes


KINDS = {"cnn5": Cnn5, "resnet18": ResNet18, "resnet18-post": resnet18_post,
         "resnet-cifar": resnet_cifar, "vit": Vit, "mlp": Perceptron}


def build(kind, config, shape, seed, dtype=torch.float64):
    """A net with PyTorch's default initialization under `seed`, drawn in float32; `config` is
    the width, depth and width, or the settings of a ViT or an MLP."""
    torch.manual_seed(seed)
    return KINDS[kind](config, shape).to(dtype)
