"""The net that a worker holds: nodes as the program serializes them, parameters by name."""

from __future__ import annotations

from typing import Dict, FrozenSet, List, Sequence

import numpy as np
import torch
from torch import Tensor

from .device import Settings
from .frame import Arrays
from .ops import Node, check

_STATISTICS = ("running_mean", "running_var")
_COUNT = "num_batches_tracked"


class Net:
    """Nodes with their parameters on the device."""

    def __init__(self, nodes: List[Node], weights: Arrays, frozen: Sequence[int],
                 scales: Sequence[float], settings: Settings) -> None:
        check(nodes)
        self.nodes = nodes
        #: Names of nodes that stay as they are.
        self.frozen: FrozenSet[str] = frozenset(nodes[at]["name"] for at in frozen)
        #: All floats of the ``state_dict``.
        self.parameters: Dict[str, Tensor] = {}
        #: BatchNorm's counts of training batches.
        self.counts: Dict[str, int] = {}
        for name, array in weights.items():
            if name.endswith(_COUNT):
                self.counts[name] = int(array)
            else:
                self.parameters[name] = self._on_device(array, settings)
        factors = dict(zip((node["name"] for node in nodes), scales))
        #: What the rate is multiplied by, of each trained parameter.
        self.scales = {name: factors.get(self.node_of(name), 1.0) for name in self.trained()}
        for values in self.moving().values():
            values.requires_grad_()

    @staticmethod
    def _on_device(values: np.ndarray, settings: Settings) -> Tensor:
        tensor = torch.from_numpy(values).to(settings.device, settings.dtype)
        return tensor.to(memory_format=settings.layout) if tensor.dim() == 4 else tensor

    def node_of(self, parameter: str) -> str:
        """The name of the node that a parameter belongs to."""
        if "." in parameter:
            return parameter.rpartition(".")[0]
        return next(node["name"] for node in self.nodes if node["op"] == "embed")

    def trained(self) -> Dict[str, Tensor]:
        """The parameters that have a gradient unless they are frozen."""
        return {k: v for k, v in self.parameters.items() if not k.endswith(_STATISTICS)}

    def moving(self) -> Dict[str, Tensor]:
        """The parameters that an update changes."""
        trained = self.trained().items()
        return {name: v for name, v in trained if self.node_of(name) not in self.frozen}

    def count_batch(self) -> None:
        """One more training batch in every BatchNorm that is not frozen."""
        for name in self.counts:
            self.counts[name] += self.node_of(name) not in self.frozen

    def state_dict(self) -> Arrays:
        """The weights as arrays."""
        floats = {name: on_host(values) for name, values in self.parameters.items()}
        counts = {name: np.array(count, np.int64) for name, count in self.counts.items()}
        return {**floats, **counts}


def on_host(values: Tensor) -> np.ndarray:
    """A tensor as an array of the program's."""
    return values.detach().contiguous().cpu().numpy()
