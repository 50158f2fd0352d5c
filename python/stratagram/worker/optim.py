"""SGD, Adam and AdamW with the program's semantics, in few kernels over lists of tensors."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import torch
from torch import Tensor

Update = Dict[str, Any]


class Buffers:
    """What the optimizer remembers, by the names in the program's files."""

    def __init__(self) -> None:
        self.tensors: Dict[str, Tensor] = {}  #: ``momentum/NAME``, ``exp_avg/NAME``, …
        self.steps: Dict[str, int] = {}  #: of Adam, by parameter

    def start(self, update: Update, parameters: Dict[str, Tensor]) -> None:
        """Buffers of zeros where there are none: for all trained parameters, frozen ones too."""
        is_sgd = update["kind"] == "sgd"
        if is_sgd and not update["momentum"]:
            return
        kinds = ["momentum"] if is_sgd else ["exp_avg", "exp_avg_sq"]
        wanted = [f"{kind}/{name}" for kind in kinds for name in parameters]
        if wanted == list(self.tensors):
            return
        self.tensors = {key: torch.zeros_like(parameters[key.split("/", 1)[1]]) for key in wanted}
        self.steps = {} if is_sgd else dict.fromkeys(parameters, 0)

    def of(self, kind: str, names: List[str]) -> List[Tensor]:
        """One kind's buffers of some parameters."""
        return [self.tensors[f"{kind}/{name}"] for name in names]


@torch.no_grad()
def clip(gradients: List[Tensor], most: float) -> Tuple[List[Tensor], Tensor]:
    """``torch.nn.utils.clip_grad_norm_``: the gradients scaled, and their norm before."""
    squares = [gradient.double().square().sum() for gradient in gradients]
    norm = torch.stack(squares).sum().sqrt()
    coefficient = (most / (norm + 1e-6)).clamp(max=1.0)
    return list(torch._foreach_mul(gradients, coefficient.to(gradients[0].dtype))), norm


@torch.no_grad()
def step(update: Update, rate: float, scales: Dict[str, float], parameters: Dict[str, Tensor],
         gradients: List[Tensor], buffers: Buffers) -> None:
    """Moves ``parameters`` by their ``gradients``; each at ``rate`` times its factor."""
    groups: Dict[Tuple[float, int], List[int]] = {}
    names = list(parameters)
    for i, name in enumerate(names):
        if name in buffers.steps:
            buffers.steps[name] += 1
        groups.setdefault((scales.get(name, 1.0), buffers.steps.get(name, 0)), []).append(i)
    move = _sgd if update["kind"] == "sgd" else _adam
    for (scale, count), chosen in groups.items():
        own = [names[i] for i in chosen]
        values = [parameters[name] for name in own]
        move(update, rate * scale, values, [gradients[i] for i in chosen], buffers, own, count)


def _sgd(update: Update, rate: float, values: List[Tensor], gradients: List[Tensor],
         buffers: Buffers, names: List[str], _: int) -> None:
    if update["weight_decay"]:
        gradients = list(torch._foreach_add(gradients, values, alpha=update["weight_decay"]))
    if update["momentum"]:
        momentum = buffers.of("momentum", names)
        torch._foreach_mul_(momentum, update["momentum"])
        torch._foreach_add_(momentum, gradients)
        if update["nesterov"]:
            gradients = list(torch._foreach_add(gradients, momentum, alpha=update["momentum"]))
        else:
            gradients = momentum
    torch._foreach_add_(values, gradients, alpha=-rate)


def _adam(update: Update, rate: float, values: List[Tensor], gradients: List[Tensor],
          buffers: Buffers, names: List[str], count: int) -> None:
    first, second = update["betas"]
    if update["decoupled"]:
        torch._foreach_mul_(values, 1.0 - rate * update["weight_decay"])
    elif update["weight_decay"]:
        gradients = list(torch._foreach_add(gradients, values, alpha=update["weight_decay"]))
    mean, square = buffers.of("exp_avg", names), buffers.of("exp_avg_sq", names)
    torch._foreach_lerp_(mean, gradients, 1.0 - first)
    torch._foreach_mul_(square, second)
    torch._foreach_addcmul_(square, gradients, gradients, 1.0 - second)
    scale = list(torch._foreach_div(square, 1.0 - second**count))
    torch._foreach_sqrt_(scale)
    torch._foreach_add_(scale, update["eps"])
    torch._foreach_addcdiv_(values, mean, scale, -rate / (1.0 - first**count))
