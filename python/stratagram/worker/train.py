"""Training steps over positions in a set, read together at their end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np
import torch
from torch import Tensor

from . import optim
from .device import Settings
from .dropout import channel_keys
from .frame import Arrays, Frame
from .graphs import Loss, loss_of
from .images import ImageSet, Placement
from .net import Net, on_host


@dataclass
class Batches:
    """The positions of several steps' images, uploaded at once."""

    sizes: List[int]
    index: Tensor
    placement: Optional[Placement]

    @classmethod
    def of(cls, sizes: List[int], arrays: Arrays, device: str) -> Batches:
        """From ``index`` and, with augmentation, ``down``, ``right`` and ``flipped``."""
        def sent(name: str) -> Tensor:
            return torch.from_numpy(arrays[name].astype(np.int64)).to(device)

        placement = None
        if "down" in arrays:
            placement = Placement(sent("down"), sent("right"), sent("flipped").bool())
        return cls(sizes, sent("index"), placement)

    def __iter__(self) -> Iterator[Tuple[Tensor, Optional[Placement]]]:
        at = 0
        for size in self.sizes:
            yield self.index[at:at + size], self.placement and self.placement[at:at + size]
            at += size


class Trainer:
    """Makes steps of one net; the compiled loss is kept from request to request."""

    def __init__(self, net: Net, settings: Settings) -> None:
        self.net, self.settings = net, settings
        self.buffers = optim.Buffers()
        self._loss: Dict[float, Loss] = {}

    def train(self, header: Dict[str, Any], arrays: Arrays, images: ImageSet) -> Frame:
        """Steps over ``index`` cut at ``sizes``, each at its of the ``rates`` and with its of the
        ``keys``; the losses before them and, if they are asked for, the last gradients."""
        net, moving = self.net, self.net.moving()
        update = header["update"]
        self.buffers.start(update, net.trained())
        batches = Batches.of(header["sizes"], arrays, self.settings.device)
        losses: List[Tensor] = []
        norms: List[Tensor] = []
        gradients: List[Tensor] = []
        for (index, placed), rate, key in zip(batches, header["rates"], header["keys"]):
            loss, gradients = self._gradients(header["label_smoothing"], key, moving,
                                              images.batch(index, placed), images.labels[index])
            if header.get("clip_norm") is not None and moving:
                gradients, norm = optim.clip(gradients, header["clip_norm"])
                norms.append(norm)
            optim.step(update, rate, net.scales, moving, gradients, self.buffers)
            net.count_batch()
            losses.append(loss)
        answer = {"losses": on_host(torch.stack(losses).double())}
        if norms:
            answer["norms"] = on_host(torch.stack(norms).double())
        if header.get("gradients"):
            named = zip(moving, gradients)
            answer.update({f"gradient/{name}": on_host(gradient) for name, gradient in named})
        return {}, answer

    def _gradients(self, smoothing: float, key: int, moving: Dict[str, Tensor], x: Tensor,
                   labels: Tensor) -> Tuple[Tensor, List[Tensor]]:
        """The loss of a batch, and the gradients of the parameters that move."""
        if smoothing not in self._loss:
            self._loss[smoothing] = loss_of(self.net, self.settings, smoothing)
        x = x.to(self.settings.dtype).contiguous(memory_format=self.settings.layout)
        loss = self._loss[smoothing](self.net.parameters, x, labels, self._keys(key))
        gradients = torch.autograd.grad(loss, list(moving.values())) if moving else ()
        return loss.detach(), list(gradients)

    def _keys(self, key: int) -> Dict[str, Tensor]:
        nodes = enumerate(self.net.nodes)
        keys = {node["name"]: channel_keys(key, at, node["shape"]["channels"])
                for at, node in nodes if node["op"] == "dropout"}
        return {name: torch.from_numpy(k).to(self.settings.device) for name, k in keys.items()}
