"""Dropout, as ``engine/native/dropout.rs`` has it: which values are dropped is a hash of the step's
key, node, image, channel and token."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_WORD = 2**64 - 1


def channel_keys(key: int, node: int, channels: int) -> np.ndarray:
    """The two u32 keys of each channel of node number ``node``: ``[2, channels]``, as int32."""
    key = _mix64(key ^ _mix64(node + 1))
    keys = np.array([_mix64((key + channel) & _WORD) for channel in range(channels)], np.uint64)
    halves = np.stack([keys & np.uint64(0xFFFFFFFF), keys >> np.uint64(32)])
    return halves.astype(np.uint32).view(np.int32)


def dropout(x: Tensor, p: float, keys: Tensor) -> Tensor:
    """``x`` of tokens ``[n, tokens, channels]`` times 0 or 1/(1 − p)."""
    first, second = keys
    places = torch.arange(x.shape[0] * x.shape[1], dtype=torch.int32, device=x.device)
    hashes = _mix32(_mix32(places.view(*x.shape[:2], 1) ^ first) + second)
    # Unsigned words in an order that signed ones keep.
    threshold = min(int(p * 2.0**32 + 0.5), 2**32 - 1) - 2**31
    kept = (hashes ^ -(2**31)) >= threshold
    return x * (kept.to(x.dtype) * float(np.float32(1.0 / (1.0 - p))))


def _mix64(z: int) -> int:
    """The finalizer of splitmix64 (Steele et al. 2014)."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _WORD
    return z ^ (z >> 31)


def _mix32(x: Tensor) -> Tensor:
    """Wellons' ``lowbias32`` on u32 that are held as int32: products wrap."""
    x = (x ^ _shifted(x, 16)) * 0x7FEB352D
    x = (x ^ _shifted(x, 15)) * (0x846CA68B - 2**32)
    return x ^ _shifted(x, 16)


def _shifted(x: Tensor, bits: int) -> Tensor:
    """A logical shift to the right: without the copies of the sign."""
    return (x >> bits) & (2 ** (32 - bits) - 1)
