"""The loss of a training batch, eager or compiled: the one place that ``torch.compile`` enters."""

from __future__ import annotations

from typing import Callable, Dict

import torch
import torch.nn.functional as F
from torch import Tensor

from .device import Settings
from .net import Net
from .ops import Context, Parameters, forward

#: The loss from parameters, images, labels and the keys of dropout.
Loss = Callable[[Parameters, Tensor, Tensor, Dict[str, Tensor]], Tensor]


def loss_of(net: Net, settings: Settings, smoothing: float) -> Loss:
    """The mean cross-entropy of a training-mode pass, which moves running statistics.

    Compiled for each size of batch: an epoch has two. The update stays outside, so that a changing
    rate compiles nothing again.
    """
    nodes, frozen = net.nodes, net.frozen

    def loss(parameters: Parameters, images: Tensor, labels: Tensor,
             keys: Dict[str, Tensor]) -> Tensor:
        with settings.autocast():
            context = Context("train", frozen=frozen, keys=keys)
            (logits,) = forward(nodes, parameters, images, context)
        logits = logits.flatten(1).to(settings.dtype)
        return F.cross_entropy(logits, labels, label_smoothing=smoothing)

    if not settings.compile:
        return loss
    torch._dynamo.reset()
    return torch.compile(loss, fullgraph=True, dynamic=False)
