"""Twenty training steps with the recorder and without: the same bits, over many kinds of models.

    python tests/python/check_bits.py [NAME …]

Needs PyTorch; torchvision, timm and transformers add their models (from configurations, without
weights). Ends with 1 if a weight, a buffer, a loss or a generator differs anywhere.
"""

import random
import sys
import tempfile
import time
import warnings

import numpy as np
import stratagram
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

STEPS, N, CLASSES = 20, 8, 4
EVERY = 5
MODELS = {}


def model(inputs="images", name=None):
    """Registers what makes a model; it is called with ``images``, ``rows``, ``series``, ``tokens``."""
    def register(make):
        MODELS[name or make.__name__] = make, inputs
        return make
    return register


def inputs_of(kind, size=16):
    generator = torch.Generator().manual_seed(7)
    if kind == "tokens":
        return torch.randint(0, 60, (N, 9), generator=generator)
    if isinstance(kind, int):
        kind, size = "images", kind
    shape = {"images": (3, size, size), "rows": (12,), "series": (7, 12)}[kind]
    return torch.randn(N, *shape, generator=generator)


# -- our own: each keeps or draws something ---------------------------------------------------


class Seq(nn.Module):
    """A recurrent net and its last state."""

    def __init__(self, kind, **options):
        super().__init__()
        self.rnn = kind(12, 8, batch_first=True, **options)
        self.fc = nn.Linear(16 if options.get("bidirectional") else 8, CLASSES)

    def forward(self, x):
        return self.fc(self.rnn(x)[0][:, -1])


class FunctionalDropout(nn.Module):
    """Draws in evaluation mode, too, from torch, NumPy and Python."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(12, CLASSES)

    def forward(self, x):
        keep = 1.0 + 1e-3 * (random.random() + np.random.rand())
        return self.fc(F.dropout(x, 0.3) * keep)


class Momentum(nn.Module):
    """An encoder and its moving average, updated in every forward, with a queue and a counter."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(12, CLASSES)
        self.register_buffer("shadow", torch.zeros(CLASSES, 12))
        self.register_buffer("queue", torch.zeros(16, 12))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))
        self.calls = 0

    def forward(self, x):
        with torch.no_grad():
            self.shadow.lerp_(self.fc.weight, 0.1)
            at = (int(self.pointer) + torch.arange(len(x))) % 16
            self.queue[at] = x.detach()
            self.pointer += len(x)
        self.calls += 1
        return self.fc(x) + x @ self.shadow.T / self.calls + x @ self.queue.mean(0, keepdim=True).T


class OwnLazy(nn.Module):
    """Makes its layer when it is first called."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(12, 6), None

    def forward(self, x):
        x = torch.relu(self.first(x))
        if self.second is None:
            self.second = nn.Linear(x.shape[1], CLASSES)
        return F.dropout(self.second(x), 0.1, self.training)


class Masked(nn.Module):
    """A transformer whose padding is masked."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(12, 2, 16, batch_first=True)
        self.encoder, self.fc = nn.TransformerEncoder(layer, 2), nn.Linear(12, CLASSES)

    def forward(self, x):
        mask = torch.arange(x.shape[1]) >= 3 + torch.arange(len(x))[:, None] % 5
        return self.fc(self.encoder(x, src_key_padding_mask=mask).mean(1))


class Vq(nn.Module):
    """A code book of moving averages (van den Oord et al. 2017)."""

    def __init__(self):
        super().__init__()
        self.enc, self.fc = nn.Linear(12, 5), nn.Linear(5, CLASSES)
        self.register_buffer("codes", torch.randn(6, 5))
        self.register_buffer("counts", torch.zeros(6))

    def forward(self, x):
        z = self.enc(x)
        nearest = torch.cdist(z.detach(), self.codes).argmin(1)
        one_hot = F.one_hot(nearest, 6).float()
        self.counts = 0.9 * self.counts + 0.1 * one_hot.sum(0)
        self.codes.mul_(0.9).add_(0.1 * one_hot.T @ z.detach())
        return self.fc(z + (self.codes[nearest] - z).detach())


def conv(norm=nn.BatchNorm2d, *more):
    return nn.Sequential(nn.Conv2d(3, 6, 3, 2), norm(6), nn.ReLU(inplace=True), *more,
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, CLASSES))


def own():
    for name, kind, options in [
            ("rnn", nn.RNN, {}), ("gru", nn.GRU, {"bidirectional": True}),
            ("lstm", nn.LSTM, {"num_layers": 2, "dropout": 0.2})]:
        model("series", name)(lambda kind=kind, options=options: Seq(kind, **options))
    for kind in (FunctionalDropout, Momentum, OwnLazy, Vq):
        model("rows", kind.__name__)(kind)
    model("series", "masked transformer")(Masked)
    model("images", "conv, BatchNorm, dropout")(lambda: conv(nn.BatchNorm2d, nn.Dropout2d(0.3)))
    model("images", "cumulative BatchNorm")(lambda: conv(lambda c: nn.BatchNorm2d(c, momentum=None)))
    model("images", "SyncBatchNorm")(lambda: nn.SyncBatchNorm.convert_sync_batchnorm(conv()).eval())
    model("images", "InstanceNorm")(
        lambda: conv(lambda c: nn.InstanceNorm2d(c, track_running_stats=True)))
    model("images", "stochastic pooling")(
        lambda: conv(nn.BatchNorm2d, nn.FractionalMaxPool2d(2, output_size=3), nn.RReLU()))
    model("rows", "weight norm")(lambda: nn.Sequential(
        parametrizations.weight_norm(nn.Linear(12, 8)), nn.AlphaDropout(0.2), nn.Linear(8, CLASSES)))
    model("rows", "old weight norm")(lambda: nn.Sequential(
        nn.utils.weight_norm(nn.Linear(12, 8)), nn.ReLU(), nn.Linear(8, CLASSES)))
    model("rows", "spectral norm")(lambda: nn.Sequential(
        parametrizations.spectral_norm(nn.Linear(12, 8)), nn.ReLU(), nn.Linear(8, CLASSES)))
    model("rows", "old spectral norm")(lambda: nn.Sequential(
        nn.utils.spectral_norm(nn.Linear(12, 8)), nn.ReLU(), nn.Linear(8, CLASSES)))
    model("rows", "lazily initialized, called once")(called_once)
    model("rows", "compiled")(lambda: torch.compile(nn.Sequential(
        nn.Linear(12, 8), nn.Dropout(0.2), nn.Linear(8, CLASSES)), backend="eager"))
    model("rows", "averaged weights")(lambda: torch.optim.swa_utils.AveragedModel(
        nn.Sequential(nn.Linear(12, 8), nn.BatchNorm1d(8), nn.Linear(8, CLASSES)), use_buffers=True))
    model("rows", "quantization-aware")(quantization_aware)
    model("images", "quantization-aware conv, BatchNorm")(quantization_aware_conv)


def called_once():
    lazy = nn.Sequential(nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.Linear(8, CLASSES))
    lazy(inputs_of("rows"))
    return lazy


def quantization_aware():
    from torch.ao import quantization

    plain = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, CLASSES)).train()
    plain.qconfig = quantization.get_default_qat_qconfig("fbgemm")
    return quantization.prepare_qat(plain)


def quantization_aware_conv():
    from torch.ao import quantization

    plain = conv().train()
    plain.qconfig = quantization.get_default_qat_qconfig("fbgemm")
    fused = quantization.fuse_modules_qat(plain, [["0", "1", "2"]])
    return quantization.prepare_qat(fused)


# -- other people's ---------------------------------------------------------------------------


def of_torchvision():
    from torchvision import models

    for name, options, size in [
            ("resnet18", {}, 32), ("mobilenet_v3_small", {}, 32), ("shufflenet_v2_x0_5", {}, 32),
            ("squeezenet1_1", {}, 32), ("densenet121", {"block_config": (2, 2), "growth_rate": 8}, 32),
            ("regnet_y_400mf", {}, 32), ("googlenet", {"init_weights": False, "aux_logits": False}, 32),
            ("swin_t", {"embed_dim": 24, "depths": [1, 1], "num_heads": [2, 2]}, 32)]:
        def make(name=name, options=options):
            if name == "swin_t":
                return models.SwinTransformer(patch_size=[4, 4], window_size=[4, 4],
                                              stochastic_depth_prob=0.2, num_classes=CLASSES, **options)
            if name == "densenet121":
                return models.DenseNet(num_classes=CLASSES, drop_rate=0.1, **options)
            return getattr(models, name)(num_classes=CLASSES, **options)
        model(size, f"torchvision {name}")(make)
    model(16, "torchvision vit")(lambda: models.VisionTransformer(
        16, 4, 2, 2, 16, 32, dropout=0.1, attention_dropout=0.1, num_classes=CLASSES))


def of_timm():
    import timm

    for name in ["test_resnet", "test_vit", "test_efficientnet", "test_convnext", "test_byobnet",
                 "test_mambaout", "test_nfnet"]:
        model(32, f"timm {name}")(lambda name=name: timm.create_model(
            name, num_classes=CLASSES, drop_rate=0.1,
            **({"img_size": 32} if "vit" in name else {})))
    model(32, "timm resnet10t, drop path")(lambda: timm.create_model(
        "resnet10t", num_classes=CLASSES, drop_path_rate=0.2))


def of_transformers():
    import transformers as hf

    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
             "intermediate_size": 32, "vocab_size": 64, "num_labels": CLASSES,
             "max_position_embeddings": 16, "pad_token_id": 0}
    for name in ["Bert", "Roberta", "Electra", "Albert"]:
        options = {**small, "embedding_size": 8} if name in ("Albert", "Electra") else small
        make = getattr(hf, f"{name}ForSequenceClassification")
        model("tokens", f"transformers {name}")(
            lambda name=name, make=make, options=options: make(getattr(hf, f"{name}Config")(**options)))
    model("tokens", "transformers GPT2")(lambda: hf.GPT2ForSequenceClassification(hf.GPT2Config(
        n_embd=16, n_layer=2, n_head=2, vocab_size=64, n_positions=16, num_labels=CLASSES,
        pad_token_id=0)))
    model("tokens", "transformers DistilBert")(lambda: hf.DistilBertForSequenceClassification(
        hf.DistilBertConfig(dim=16, n_layers=2, n_heads=2, hidden_dim=32, vocab_size=64,
                            max_position_embeddings=16, num_labels=CLASSES)))
    model(16, "transformers ViT")(lambda: hf.ViTForImageClassification(hf.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        image_size=16, patch_size=4, num_labels=CLASSES, hidden_dropout_prob=0.1)))


# -- the comparison ---------------------------------------------------------------------------


def train(make, x, out):
    """Losses, weights and generators after the training; recorded if there is ``out``."""
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    net, labels, rec = make(), torch.arange(N) % CLASSES, None
    if out is not None:
        options = {} if not x.is_floating_point() else {"planes": stratagram.Planes.through(
            x, labels, triplets=1, resolution=2)}
        rec = stratagram.Recorder(net, out, "*", x, **options)
    optimizer, losses = None, []
    for step in range(STEPS):
        if rec is not None and step % EVERY == 0:
            rec.log(epoch=step, step=step)
        output = net(x)
        output = output if isinstance(output, torch.Tensor) else output.logits
        loss = F.cross_entropy(output, labels)
        if optimizer is None:
            optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    if rec is not None:
        rec.close()
    drawn = torch.tensor([random.random(), np.random.rand(), torch.rand(1).item()])
    return {**net.state_dict(), "losses": torch.stack(losses), "generators": drawn}


def differing(name):
    make, kind = MODELS[name]
    x = inputs_of(kind)
    with tempfile.TemporaryDirectory() as folder:
        plain, watched = train(make, x, None), train(make, x, f"{folder}/run")
    if list(plain) != list(watched):
        return sorted({*plain} ^ {*watched})
    return [key for key, value in plain.items()
            if not torch.equal(torch.nan_to_num(value.float(), 0.5), torch.nan_to_num(
                watched[key].float(), 0.5))]


def main():
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    own()
    for add in (of_torchvision, of_timm, of_transformers):
        try:
            add()
        except ImportError as error:
            print(f"SKIP models{add.__name__.replace('_', ' ')}: {error}")
    chosen = sys.argv[1:] or list(MODELS)
    start, wrong = time.perf_counter(), []
    for name in chosen:
        begin = time.perf_counter()
        differ = differing(name)
        wrong += [name] if differ else []
        print(f"{name}: {'DIFFERS in ' + ', '.join(differ[:5]) if differ else 'same bits'} "
              f"({time.perf_counter() - begin:.1f} s)")
    print(f"{len(chosen) - len(wrong)} of {len(chosen)} models have the same bits after {STEPS} "
          f"steps with the recorder ({time.perf_counter() - start:.0f} s)")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
