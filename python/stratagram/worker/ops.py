"""One function an op of the program's nodes, and the forward pass over a list of them.

Maps are ``[n, channels, height, width]``, tokens ``[n, tokens, channels]``, vectors
``[n, channels]`` or maps of one pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, FrozenSet, List, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .dropout import dropout

Node = Dict[str, Any]
Parameters = Dict[str, Tensor]

#: BatchNorm's, as in ``net/node.rs``.
EPS, MOMENTUM = 1e-5, 0.1


@dataclass
class Context:
    """What a pass is besides nodes, parameters and images."""

    #: ``train``, ``moments`` (normalizing by the batch, its moments kept) or ``evaluate``.
    mode: str
    #: Names of nodes whose running statistics stay.
    frozen: FrozenSet[str] = frozenset()
    #: Mean and variance of every BatchNorm, for ``evaluate``.
    statistics: Dict[str, Tuple[Tensor, Tensor]] = field(default_factory=dict)
    #: Two keys of each channel, of every dropout, for ``train``.
    keys: Dict[str, Tensor] = field(default_factory=dict)
    #: Mean and unbiased variance of every BatchNorm's input, from ``moments``.
    moments: Dict[str, Tuple[Tensor, Tensor]] = field(default_factory=dict)
    #: The type in which moments are computed.
    real: torch.dtype = torch.float64


def _own(node: Node, parameters: Parameters, *suffixes: str) -> List[Any]:
    return [parameters.get(f"{node['name']}.{suffix}") for suffix in suffixes]


def _conv2d(node: Node, x: Tensor, p: Parameters, _: Context) -> Tensor:
    weight, bias = _own(node, p, "weight", "bias")
    return F.conv2d(x, weight, bias, node["stride"], tuple(node["padding"]))


def _batch_norm(node: Node, x: Tensor, p: Parameters, context: Context) -> Tensor:
    name = node["name"]
    weight, bias, mean, var = _own(node, p, "weight", "bias", "running_mean", "running_var")
    if context.mode == "evaluate":
        mean, var = context.statistics[name]
        return torch.batch_norm(x, weight, bias, mean, var, False, 0.0, EPS, True)
    if context.mode == "moments":
        dims = [0, *range(2, x.dim())]
        unbiased, own = torch.var_mean(x.to(context.real), dims, correction=1)
        context.moments[name] = (own, unbiased)
        mean = var = None
    elif name in context.frozen:  # goes on normalizing by the batch
        mean = var = None
    # Not F.batch_norm, which refuses one value a channel: there the variance becomes NaN, and
    # the program says so.
    return torch.batch_norm(x, weight, bias, mean, var, True, MOMENTUM, EPS, True)


def _subsample(node: Node, x: Tensor, p: Parameters, context: Context) -> Tensor:
    x = x[:, :, :: node["stride"], :: node["stride"]]
    zeros = node["out_channels"] - x.shape[1]
    return F.pad(x, (0, 0, 0, 0, zeros // 2, zeros - zeros // 2))


def _linear(node: Node, x: Tensor, p: Parameters, _: Context) -> Tensor:
    weight, bias = _own(node, p, "weight", "bias")
    return F.linear(x.flatten(1), weight, bias)


def _token_linear(node: Node, x: Tensor, p: Parameters, _: Context) -> Tensor:
    weight, bias = _own(node, p, "weight", "bias")
    return F.linear(x, weight, bias)


def _layer_norm(node: Node, x: Tensor, p: Parameters, _: Context) -> Tensor:
    weight, bias = _own(node, p, "weight", "bias")
    return F.layer_norm(x, x.shape[-1:], weight, bias, node["eps"])


def _embed(node: Node, x: Tensor, p: Parameters, _: Context) -> Tensor:
    tokens = x.flatten(2).transpose(1, 2)
    first = p["cls_token"].expand(len(tokens), -1, -1)
    return torch.cat([first, tokens], 1) + p["pos_embed"]


def _attention(node: Node, x: Tensor, p: Parameters, _: Context) -> Tensor:
    n, tokens, channels = x.shape
    # Written out: the fused kernels differ from device to device, and some in their bytes.
    q, k, v = x.view(n, tokens, 3, node["heads"], -1).permute(2, 0, 3, 1, 4)
    weights = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1)
    return (weights @ v).transpose(1, 2).reshape(n, tokens, channels // 3)


def _dropout(node: Node, x: Tensor, p: Parameters, context: Context) -> Tensor:
    return dropout(x, node["p"], context.keys[node["name"]]) if context.mode == "train" else x


def _token_pool(node: Node, x: Tensor, p: Parameters, _: Context) -> Tensor:
    tokens = {"cls": x[:, :1], "mean": x, "patches": x[:, 1:]}[node["pool"]]
    return tokens.mean(1)


#: Every op but ``input``, which is the images, and ``add``, which reads two nodes.
OPS: Dict[str, Callable[[Node, Tensor, Parameters, Context], Tensor]] = {
    "conv2d": _conv2d,
    "batch_norm": _batch_norm,
    "relu": lambda node, x, p, context: F.relu(x),
    "max_pool": lambda node, x, p, context: F.max_pool2d(x, tuple(node["size"])),
    "subsample": _subsample,
    "global_avg_pool": lambda node, x, p, context: x.mean((2, 3), keepdim=True),
    "flatten": lambda node, x, p, context: x.flatten(1),
    "linear": _linear,
    "embed": _embed,
    "layer_norm": _layer_norm,
    "token_linear": _token_linear,
    "gelu": lambda node, x, p, context: F.gelu(x),
    "attention": _attention,
    "dropout": _dropout,
    "token_pool": _token_pool,
}


def check(nodes: Sequence[Node]) -> None:
    """That every op is known: a newer program may have others."""
    for node in nodes:
        if node["op"] not in OPS and node["op"] not in ("input", "add"):
            raise ValueError(f"node {node['name']} is a {node['op']}, which this worker does not "
                             "know; install the stratagram package of the program's version")


def forward(nodes: Sequence[Node], parameters: Parameters, images: Tensor, context: Context,
            wanted: Optional[Sequence[int]] = None) -> List[Tensor]:
    """The values of the ``wanted`` nodes, of the last without; values no longer read are let go."""
    wanted = [len(nodes) - 1] if wanted is None else list(wanted)
    last = _last_readers(nodes, wanted)
    values: Dict[int, Tensor] = {}
    for at in sorted(last):
        node = nodes[at]
        inputs = [values[i] for i in node["inputs"]]
        if node["op"] == "input":
            values[at] = images
        elif node["op"] == "add":
            values[at] = inputs[0] + inputs[1]
        else:
            values[at] = OPS[node["op"]](node, inputs[0], parameters, context)
        for i in set(node["inputs"]):
            if last[i] == at and i not in wanted:
                del values[i]
    return [values[at] for at in wanted]


def _last_readers(nodes: Sequence[Node], wanted: Sequence[int]) -> Dict[int, int]:
    """The nodes that the wanted ones depend on, each with the last that reads it."""
    last = {at: at for at in wanted}
    for at in range(len(nodes) - 1, -1, -1):
        if at in last:
            for i in nodes[at]["inputs"]:
                last[i] = max(last.get(i, i), at)
    return last
