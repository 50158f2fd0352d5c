"""Evaluation: BatchNorm statistics, outputs of nodes, decisions of classifiers, Gram matrices."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .device import Settings, exact
from .images import ImageSet
from .net import Net
from .ops import Context, forward

Statistics = Dict[str, Tuple[Tensor, Tensor]]
#: A node and what is made of its output: ``node``; of a map ``side``, to which it is averaged; of
#: tokens ``tokens``, ``cls`` or ``mean``; then ``features``, to which a vector is averaged.
Wanted = Dict[str, Any]

#: Features of one product of a Gram matrix; products are f32, their sum is f64.
TERMS = 1024


@torch.no_grad()
def recompute(net: Net, settings: Settings, images: ImageSet,
              batches: Sequence[Sequence[int]]) -> Statistics:
    """Means and unbiased variances of the batches ``[start, end)``, weighted by their sizes."""
    total: Dict[str, List[Tensor]] = {}
    for start, end in batches:
        context = Context("moments", real=settings.real)
        x = images.batch(torch.arange(start, end, device=settings.device))
        with settings.autocast():
            forward(net.nodes, net.parameters, _laid_out(x, settings), context)
        for name, pair in context.moments.items():
            weighted = [(end - start) * moment for moment in pair]
            before = total.get(name)
            total[name] = [a + b for a, b in zip(before, weighted)] if before else weighted
    count = sum(end - start for start, end in batches)
    return {name: ((mean / count).to(settings.dtype), (var / count).to(settings.dtype))
            for name, (mean, var) in total.items()}


class Evaluator:
    """A net in evaluation mode, with statistics of its own, over inputs in blocks.

    A block that does not fit the device's memory is halved, and so are all after it.
    """

    def __init__(self, net: Net, settings: Settings, statistics: Statistics, block: int) -> None:
        self.net, self.settings, self.statistics, self.block = net, settings, statistics, block
        self.notes: List[str] = []

    @torch.no_grad()
    def blocks(self, n: int, inputs: Callable[[int, int], Tensor], wanted: Sequence[Wanted],
               each: Callable[[List[Tensor]], Any]) -> List[Any]:
        """What ``each`` makes of the wanted features of every block."""
        found, at = [], 0
        while at < n:
            end = min(n, at + self.block)
            try:
                found.append(each(self._features(inputs(at, end), wanted)))
                at = end
            except torch.cuda.OutOfMemoryError:
                if end - at == 1:
                    raise
                self.block = (end - at) // 2
                torch.cuda.empty_cache()
                self.notes.append(f"the device's memory holds no block of {end - at} inputs; "
                                  f"going on with blocks of {self.block}")
        return found

    def _features(self, x: Tensor, wanted: Sequence[Wanted]) -> List[Tensor]:
        """Outputs of nodes as the program reads them, ``[n, features]``."""
        context = Context("evaluate", statistics=self.statistics)
        nodes = [want["node"] for want in wanted]
        with self.settings.autocast():
            values = forward(self.net.nodes, self.net.parameters,
                             _laid_out(x, self.settings), context, nodes)
        return [self._reduced(value.to(self.settings.dtype), want)
                for value, want in zip(values, wanted)]

    def _reduced(self, value: Tensor, want: Wanted) -> Tensor:
        if want.get("side"):
            value = F.adaptive_avg_pool2d(value, want["side"])
        if want.get("tokens") == "cls":
            value = value[:, 0]
        elif want.get("tokens") == "mean":  # of the patches
            value = value[:, 1:].to(self.settings.real).mean(1).to(value.dtype)
        value = value.flatten(1)
        if want.get("features"):
            real = value[:, None].to(self.settings.real)
            value = F.adaptive_avg_pool1d(real, want["features"])[:, 0].to(value.dtype)
        return value


def decide(features: Tensor, classifiers: Sequence[Tuple[Tensor, Tensor]]) -> Tuple[Tensor, Tensor]:
    """The class of each classifier ``[classifiers, n]``, or without one of the features
    themselves; and whether all features are finite."""
    with exact():
        logits = [F.linear(features, weight, bias) for weight, bias in classifiers] or [features]
    classes = torch.stack([own.argmax(1) for own in logits])
    return classes.to(torch.uint8), features.isfinite().all()


def gram(x: Tensor, real: torch.dtype) -> Tensor:
    """The upper triangle, row by row, of X·Xᵀ, the features X ``[n, p]`` centered in f64.

    Products are of f32, of :data:`TERMS` features each; their sum is of f64.
    """
    largest = x.abs().max().clamp(min=torch.finfo(torch.float32).tiny).to(real)
    scale = torch.exp2(-torch.floor(torch.log2(largest)))  # so that no product overflows
    total = torch.zeros(len(x), len(x), dtype=real, device=x.device)
    with exact():
        for part in x.split(TERMS, 1):
            centered = part.to(real) * scale
            centered = (centered - centered.mean(0)).float()
            total += (centered @ centered.T).to(real)
    rows, columns = torch.triu_indices(len(x), len(x), device=x.device)
    return total[rows, columns] / scale**2


def _laid_out(x: Tensor, settings: Settings) -> Tensor:
    return x.to(settings.dtype).contiguous(memory_format=settings.layout)
