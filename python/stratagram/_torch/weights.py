"""The weights up to each layer, small enough to stand in every row.

What a layer does is read beside the distances between the weights below it (docs/FORMAT.md, "``weights``").
These are distances between tensors of unit norm; tensors of up to 16,381 numbers are kept as they are, of
longer ones the sums, with random signs, of the entries whose positions agree modulo that prime. The signs are
the same in every row, so distances between rows are kept up to a relative error of √(2/16381), 1.1 %
of their squares, and straight lines stay straight.
"""

from __future__ import annotations

import numpy as np
import torch

from .models import plain_name

#: The most numbers that are kept of a tensor; prime, so that no row or column of a matrix meets itself.
MOST = 16_381
#: Multiples of that which are summed at once.
BLOCK = 64


class Weights:
    """The tensors of ``capture``'s model, by the first of ``layers`` that comes after their use."""

    def __init__(self, capture, layers, rest):
        self._capture, self._layers, self._rest = capture, layers, rest
        self._owners = {}

    def find(self, examples):
        """Which layer's output the parameters of each module come before."""
        calls, first, last = [], {}, {}
        modules = self._capture.modules()

        def noted(positions, name):
            def hook(*_):
                calls.append(name)
                if positions is last or name not in positions:
                    positions[name] = len(calls)
            return hook

        handles = [module.register_forward_pre_hook(noted(first, name))
                   for name, module in modules.items()]
        handles += [modules[layer].register_forward_hook(noted(last, layer))
                    for layer in self._layers]
        try:
            self._capture.forward(examples)
        finally:
            for handle in handles:
                handle.remove()
        for name, _ in self._capture.model.named_parameters():
            begins = first.get(_running(plain_name(name), first), 0)
            after = (layer for layer in self._layers if last.get(layer, 0) > begins)
            self._owners[name] = next(after, self._rest)

    def sketches(self):
        """``{layer: what is kept of the tensors between the layer before and this one}``."""
        parts = {layer: [np.zeros(0, np.float32)] for layer in (*self._layers, self._rest)}
        parameters = dict(self._capture.model.named_parameters())
        for name, layer in self._owners.items():
            if name not in parameters:
                raise ValueError(f"the model has no parameter {name}, which it had; record it with "
                                 "weights=False")
            parts[layer].append(sketch(_host(parameters[name])))
        return {layer: np.concatenate(own) for layer, own in parts.items()}


def _running(name, ran):
    """The module that holds a parameter, or the nearest around it that runs as such; "" is the model."""
    owner = name.rpartition(".")[0]
    while owner and owner not in ran:
        owner = owner.rpartition(".")[0]
    return owner


def _host(tensor):
    tensor = tensor.detach()
    tensor = torch.view_as_real(tensor) if tensor.is_complex() else tensor
    return tensor.float().reshape(-1).cpu().numpy()


def sketch(values):
    """A tensor ``[n]`` over its norm, in at most ``MOST`` numbers, float32; one of zeros stays so."""
    n, size = len(values), BLOCK * MOST
    total, square = np.zeros(min(n, MOST)), 0.0
    # The raw bits of PCG64 are the same in every version of NumPy.
    bits = np.random.PCG64(0).random_raw(-(-n // 64)).astype("<u8").view(np.uint8)
    for start in range(0, n, size):
        block = values[start:start + size].astype(np.float64)
        square += float(block @ block)
        if n > MOST:
            own = np.unpackbits(bits[start // 8:(start + size) // 8], count=len(block))
            block *= 1.0 - 2.0 * own
        whole = len(block) // MOST * MOST
        total += block[:whole].reshape(-1, MOST).sum(0) if whole else 0.0
        total[:len(block) - whole] += block[whole:]
    return (total / np.sqrt(square) if square > 0 else total).astype(np.float32)
