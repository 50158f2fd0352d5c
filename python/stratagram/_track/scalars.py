"""What a run says in single numbers a row: errors, and each layer against its first and last row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .._read.run import Run


class Row(NamedTuple):
    """The numbers of one step."""

    step: int
    epoch: float
    values: dict[str, float]


def rows(run: Run) -> Iterator[Row]:
    """The numbers of all rows: ``train_error`` …, ``cka_to_first/fc``, ``cka_to_previous/fc``."""
    compared = _compared(run)
    curves = run.curves
    for at, step in enumerate(curves["step"] if "step" in curves else ()):
        values = {name: float(column[at]) for name, column in curves.items()
                  if name not in ("step", "epoch") and not np.isnan(column[at])}
        yield Row(int(step), float(curves["epoch"][at]), {**values, **compared.pop(int(step), {})})
    for step, epoch in zip(run.steps, run.epochs):
        if int(step) in compared:
            yield Row(int(step), float(epoch), compared[int(step)])


def _compared(run: Run) -> dict[int, dict[str, float]]:
    """Of each analyzed step, the CKA of each layer to the first step and to the one before."""
    found: dict[int, dict[str, float]] = {}
    groups = run.measures.get("cka", [])
    for group in groups:
        for layer, matrix in run.matrices("cka", group).items():
            place = layer if len(groups) == 1 else f"{group}/{layer}"
            for k, step in enumerate(run.steps):
                pairs = {"first": matrix[0, k], "previous": matrix[max(k - 1, 0), k]}
                found.setdefault(int(step), {}).update(_named(pairs, place))
    return found


def of_signatures(signatures: dict[str, npt.NDArray[np.float32]]) -> dict[str, float]:
    """The same of the last row of signatures ``[E, S]``, before any analysis."""
    values: dict[str, float] = {}
    for place, rows in signatures.items():
        last = rows[-1].astype(np.float64)
        pairs = {"first": last @ rows[0], "previous": last @ rows[-2 if len(rows) > 1 else -1]}
        values.update(_named(pairs, place))
    return values


def _named(pairs: dict[str, float], place: str) -> dict[str, float]:
    return {f"cka_to_{other}/{place}": float(value) for other, value in pairs.items()
            if not np.isnan(value)}
