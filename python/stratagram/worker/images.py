"""Sets of images on the device: bytes are there once; batches, crops and planes are made there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import torch
from torch import Tensor


@dataclass(frozen=True)
class Placement:
    """Where the pixels of each image come from, as in ``data/augment.rs``: rows down, columns to
    the right, and whether left and right are exchanged afterwards. ``[n]`` each, int64 and bool."""

    down: Tensor
    right: Tensor
    flipped: Tensor

    def __getitem__(self, part: slice) -> Placement:
        return Placement(self.down[part], self.right[part], self.flipped[part])


@dataclass(frozen=True)
class ImageSet:
    """Images of one set."""

    #: Bytes or normalized values, ``[n, channels, height, width]``.
    pixels: Tensor
    #: The normalized value of each byte, ``[channels, 256]``; None where pixels are values.
    table: Optional[Tensor]
    #: The normalized value of black, ``[channels]``.
    padding: Tensor
    #: The labels that are learned, int64.
    labels: Tensor

    def batch(self, index: Tensor, placement: Optional[Placement] = None) -> Tensor:
        """Normalized images ``[n, channels, height, width]`` at positions ``index``."""
        pixels = self.pixels[index]
        if placement is None:
            return self._normalized(pixels)
        n, channels, height, width = pixels.shape
        rows = torch.arange(height, device=index.device) + placement.down[:, None]
        columns = torch.arange(width, device=index.device).expand(n, -1)
        columns = torch.where(placement.flipped[:, None], width - 1 - columns, columns)
        columns = columns + placement.right[:, None]
        at = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None]
        at = at.view(n, 1, -1).expand(-1, channels, -1)
        moved = torch.gather(pixels.view(n, channels, -1), 2, at).view(pixels.shape)
        inside = ((rows >= 0) & (rows < height))[:, :, None] \
            & ((columns >= 0) & (columns < width))[:, None]
        return torch.where(inside[:, None], self._normalized(moved), self.padding.view(-1, 1, 1))

    def _normalized(self, pixels: Tensor) -> Tensor:
        if self.table is None:
            return pixels
        channels = torch.arange(pixels.shape[1], device=pixels.device, dtype=torch.int32)
        return self.table.view(-1)[pixels.int() + 256 * channels.view(-1, 1, 1)]


@dataclass(frozen=True)
class Planes:
    """Points x₁ + α(x₂ − x₁) + β(x₃ − x₁) of planes through images, plane after plane."""

    #: Positions of the images, ``[planes, 3]``.
    triplets: Tensor
    #: α and β of each point, ``[planes, points, 2]``.
    coefficients: Tensor

    def batch(self, images: ImageSet, start: int, end: int) -> Tensor:
        """The points ``start..end``, as images."""
        at = torch.arange(start, end, device=self.triplets.device)
        plane = at // self.coefficients.shape[1]
        used, of = plane.unique(return_inverse=True)
        corners = images.batch(self.triplets[used].flatten())
        x1, x2, x3 = corners.to(self.coefficients.dtype).view(len(used), 3, -1).unbind(1)
        alpha, beta = self.coefficients.flatten(0, 1)[at, :, None].unbind(1)
        points = x1[of] + alpha * (x2 - x1)[of] + beta * (x3 - x1)[of]
        return points.to(corners.dtype).view(-1, *corners.shape[1:])
