"""Planes through image triplets: the inputs on which decision regions are compared.

As ``stratagram`` draws them (docs/PAPER.md): triplets of three distinct classes by Python's own
generator, ``Random(seed + r)`` for plane r, as the public code of Somepalli et al. 2022
(arXiv:2203.08124) does; an orthonormal basis; a grid on the box of the three images, enlarged by
``margin`` of its sides at each end. All in the space of pixels that the network is given.
"""

from __future__ import annotations

import hashlib
import json
import random
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._arrays import host, labelled

#: A part of x₃ − x₁ perpendicular to x₂ − x₁ that is shorter than this fraction is rounding.
COLLINEAR = 1e-6
ATTEMPTS = 1000


class Planes:
    """Points on planes: ``planes[r]`` is float32 ``[resolution², …]``, the shape of an image.

    ``triplets`` and ``labels`` are int64 ``[planes, 3]``, positions and classes of the images;
    ``coordinates`` float64 ``[planes, 3, 2]`` and ``corners`` ``[planes, 4]``, in the planes' own bases.

    >>> planes = Planes.through(x_test, y_test)              # 60 planes of 20 × 20 points
    >>> planes = Planes.load("planes/")                      # of `stratagram data planes`
    """

    def __init__(self, group: str, sets: Any, triplets: npt.NDArray[np.int64] | None = None,
                 labels: npt.NDArray[np.int64] | None = None,
                 coordinates: npt.NDArray[np.float64] | None = None,
                 corners: npt.NDArray[np.float64] | None = None) -> None:
        self.group = group
        self._sets = sets
        self.triplets, self.labels = triplets, labels
        self.coordinates, self.corners = coordinates, corners

    @classmethod
    def through(cls, images: Any, labels: Any = None, *, triplets: int = 60, resolution: int = 20,
                margin: float = 0.1, seed: int = 1, group: str = "test",
                distinct: bool = True) -> Planes:
        """Planes through triplets of ``images`` ``[n, …]``, as the network is given them.

        ``images`` may be a loader or a data set, whose labels then need not be given. The three images
        are of three classes, or with ``distinct=False`` any three (tasks of two classes).
        """
        images, labels = labelled(images, labels)
        images = host(images)
        if len(images) != len(labels):
            raise ValueError(f"{len(images)} images and {len(labels)} labels")
        if distinct and len(np.unique(labels)) < 3:
            raise ValueError(f"triplets are of three classes; the images have {len(np.unique(labels))}: "
                             "distinct=False takes any three images")
        if len(images) < 3:
            raise ValueError(f"planes go through three images; there are {len(images)}")
        if resolution < 2:
            raise ValueError(f"resolution is {resolution}; expected at least 2")
        kinds = labels if distinct else range(len(labels))
        planes = [_plane(images, kinds, random.Random(seed + r)) for r in range(triplets)]
        axes = [_axes(plane, resolution, margin) for plane in planes]
        shape = images.shape[1:]
        sets = _Grids([(p[1], p[2], p[3], *axis) for p, axis in zip(planes, axes)], shape)
        chosen = np.array([p[0] for p in planes], np.int64)
        corners = np.array([[u[0], u[-1], v[0], v[-1]] for u, v in axes])
        return cls(group, sets, chosen, labels[chosen].astype(np.int64),
                   np.array([p[4] for p in planes]), corners)

    @classmethod
    def load(cls, directory: str | PathLike[str]) -> Planes:
        """What ``stratagram data planes`` wrote: points of another program's planes."""
        directory = Path(directory)
        about = json.loads((directory / "planes.json").read_text())
        points = np.load(directory / "points.npy", mmap_mode="r")
        per_plane = about["resolution"] ** 2
        if len(points) != about["n_planes"] * per_plane:
            raise ValueError(f"{directory}/points.npy holds {len(points)} points; expected "
                             f"{about['n_planes']} · {per_plane}")
        sets = points.reshape(about["n_planes"], per_plane, *points.shape[1:])
        arrays = [np.load(directory / f"{name}.npy")
                  for name in ("triplets", "labels", "coordinates", "corners")]
        return cls(about["group"], sets, *arrays)

    def __len__(self) -> int:
        return len(self._sets)

    def __getitem__(self, index: int) -> npt.NDArray[np.float32]:
        return np.asarray(self._sets[index], np.float32)

    @property
    def points_per_plane(self) -> int:
        """Points on one plane."""
        return len(self[0])

    def about(self) -> dict[str, Any]:
        """What a recording keeps of its planes."""
        first, last = self[0], self[len(self) - 1]
        digest = hashlib.sha256(first.tobytes() + last.tobytes()).hexdigest()
        return {"group": self.group, "n_planes": len(self),
                "points_per_plane": self.points_per_plane, "sha256": digest}


class _Grids:
    """The points of each plane, made when they are asked for."""

    def __init__(self, planes, shape):
        self.planes, self.shape = planes, shape

    def __len__(self):
        return len(self.planes)

    def __getitem__(self, index):
        origin, a, b, first, second = self.planes[index]
        u, v = np.repeat(first, len(second)), np.tile(second, len(first))
        points = origin + u[:, None] * a + v[:, None] * b
        return points.astype(np.float32).reshape(-1, *self.shape)


def _plane(images, kinds, generator):
    """Three images of three kinds, and the plane that they span."""
    for _ in range(ATTEMPTS):
        chosen = []
        while len(chosen) < 3:
            index = generator.randint(0, len(kinds) - 1)
            if all(kinds[other] != kinds[index] for other in chosen):
                chosen.append(index)
        x1, x2, x3 = (np.asarray(images[i], np.float32).reshape(-1).astype(np.float64)
                      for i in chosen)
        a, b = x2 - x1, x3 - x1
        length, distance = np.linalg.norm(a), np.linalg.norm(b)
        if not length > 0:
            continue
        a = a / length
        c1 = a @ b
        b = b - c1 * a
        c2 = np.linalg.norm(b)
        if c2 > COLLINEAR * distance:
            return chosen, x1, a, b / c2, [[0.0, 0.0], [length, 0.0], [c1, c2]]
    raise ValueError("no three images span a plane; check that the images differ")


def _axes(plane, resolution, margin):
    axes = []
    for k in range(2):
        values = [point[k] for point in plane[4]]
        extra = margin * (max(values) - min(values))
        axes.append(np.linspace(min(values) - extra, max(values) + extra, resolution))
    return axes
