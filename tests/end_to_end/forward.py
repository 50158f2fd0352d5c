"""The forward pass of both nets in numpy, in float64: independent of the engine.

Arrays are [n, channels, height, width]; a state is a dictionary of PyTorch names. BatchNorm
normalizes with `statistics`, a dictionary {node: (mean, variance)}, or with the moments of
its own batch where that is None (training mode).
"""

import numpy as np

EPS = 1e-5


def convolve(x, weight, bias=None, stride=1):
    """Cross-correlation with square kernels and zero padding of (side - 1) / 2."""
    side = weight.shape[-1]
    pad = (side - 1) // 2
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]
    out = np.tensordot(windows, weight, axes=([1, 4, 5], [1, 2, 3]))  # [n, h, w, out]
    if bias is not None:
        out = out + bias
    return out.transpose(0, 3, 1, 2)


def max_pool(x, side):
    n, c, h, w = x.shape
    h, w = h // side, w // side
    cut = x[:, :, : h * side, : w * side]
    return cut.reshape(n, c, h, side, w, side).max((3, 5))


class Pass:
    """One forward pass: `nodes` collects the outputs of every node by name, `moments` the
    mean and unbiased variance that each BatchNorm sees."""

    def __init__(self, state, statistics):
        self.state = {k: np.asarray(v, np.float64) for k, v in state.items()}
        self.statistics = statistics
        self.nodes = {}
        self.moments = {}

    def keep(self, name, value):
        self.nodes[name] = value
        return value

    def conv(self, name, x, stride=1):
        bias = self.state.get(f"{name}.bias")
        return self.keep(name, convolve(x, self.state[f"{name}.weight"], bias, stride))

    def batch_norm(self, name, x):
        if self.statistics is None:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
            n = x.shape[0] * x.shape[2] * x.shape[3]
            self.moments[name] = (mean, var * n / (n - 1))
        else:
            mean, var = self.statistics[name]
        scale = self.state[f"{name}.weight"] / np.sqrt(var + EPS)
        shifted = (x - mean[:, None, None]) * scale[:, None, None]
        return self.keep(name, shifted + self.state[f"{name}.bias"][:, None, None])

    def relu(self, name, x):
        return self.keep(name, np.maximum(x, 0.0))

    def linear(self, name, x):
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return self.keep(name, x.reshape(len(x), -1) @ weight.T + bias)


def cnn5(run, x):
    pools = [1, 2, 2, x.shape[2] // 4]
    for number, pool in enumerate(pools, start=1):
        x = run.conv(f"conv{number}", x)
        x = run.relu(f"relu{number}", run.batch_norm(f"bn{number}", x))
        if pool > 1:
            x = run.keep(f"pool{number}", max_pool(x, pool))
    run.linear("fc", x)


def resnet18(run, x):
    x = run.conv("conv1", x)
    for stage in range(1, 5):
        for block in range(2):
            x = pre_activation_block(run, f"layer{stage}.{block}", x,
                                     2 if stage > 1 and block == 0 else 1)
    x = run.keep("avgpool", x.mean((2, 3)))
    run.linear("linear", x)


def pre_activation_block(run, name, x, stride):
    first = run.relu(f"{name}.relu1", run.batch_norm(f"{name}.bn1", x))
    inner = run.conv(f"{name}.conv1", first, stride)
    second = run.relu(f"{name}.relu2", run.batch_norm(f"{name}.bn2", inner))
    out = run.conv(f"{name}.conv2", second)
    if f"{name}.shortcut.0.weight" in run.state:
        x = run.conv(f"{name}.shortcut.0", first, stride)
    return run.keep(name, out + x)


NETS = {"cnn5": cnn5, "resnet18": resnet18}


def forward(kind, state, x, statistics):
    """The pass of net `kind` over the images `x`."""
    run = Pass(state, statistics)
    NETS[kind](run, x)
    return run


def representations(kind, size):
    """Names of `analysis.layers = "all"`, in depth order, for images of this size."""
    if kind == "resnet18":
        blocks = [f"layer{s}.{b}" for s in range(1, 5) for b in range(2)]
        return ["conv1", *blocks, "avgpool", "linear"]
    pools = [1, 2, 2, size // 4]
    names = [[f"relu{i}"] + [f"pool{i}"] * (p > 1) for i, p in enumerate(pools, start=1)]
    return [*sum(names, []), "fc"]


def running_statistics(state):
    """{node: (mean, variance)} as stored in a checkpoint."""
    names = [k.removesuffix(".running_mean") for k in state if k.endswith(".running_mean")]
    moments = ("running_mean", "running_var")
    return {n: tuple(np.asarray(state[f"{n}.{m}"], np.float64) for m in moments) for n in names}


def recomputed_statistics(kind, state, x, batch=1000):
    """The batches' means and unbiased variances over `x` in index order, averaged with
    weights in proportion to the batches' sizes (on equal sizes what
    torch.optim.swa_utils.update_bn gives)."""
    starts = list(range(0, len(x), batch))
    if len(x) % batch == 1 and len(starts) > 1:
        starts.pop()  # one example has no variance: it joins the batch before
    ends = [*starts[1:], len(x)]
    passes = [forward(kind, state, x[a:b], None).moments for a, b in zip(starts, ends)]
    sizes = [b - a for a, b in zip(starts, ends)]
    average = lambda name, i: np.average([m[name][i] for m in passes], axis=0, weights=sizes)
    return {name: (average(name, 0), average(name, 1)) for name in passes[0]}
