"""Runs against runs, seeds as the unit: what ``stratagram compare`` finds, read."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _program
from .figure import Page
from .run import Run


class Comparison:
    """What a comparison of runs has found; it shows its page in a notebook.

    ``effects`` are the columns of effects.csv as arrays, float64 or objects of text; ``findings``
    what findings.json says, and ``text`` what the program says of each statement.
    """

    def __init__(self, folder: str | PathLike[str], text: str = "") -> None:
        self.folder = Path(folder)
        self.text = text
        self._kept: tempfile.TemporaryDirectory[str] | None = None

    @property
    def effects(self) -> dict[str, npt.NDArray[Any]]:
        """The endpoint of each seed and pair of arms, a row each."""
        with (self.folder / "effects.csv").open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            rows, names = list(table), table.fieldnames or ()
        return {name: _column([row[name] for row in rows]) for name in names}

    @property
    def findings(self) -> dict[str, Any]:
        """Statements, verdicts, and what was left out and why."""
        found: dict[str, Any] = json.loads((self.folder / "findings.json").read_text("utf-8"))
        return found

    @property
    def page(self) -> Page:
        """The page of the comparison."""
        return Page(self.folder / "index.html")

    def _repr_html_(self) -> str:
        return self.page._repr_html_()

    def __repr__(self) -> str:
        return f"Comparison({str(self.folder)!r})"


def compare(runs: str | PathLike[str] | Iterable[str | PathLike[str] | Run], *,
            by: str | None = None, pair_by: str | None = None,
            out: str | PathLike[str] | None = None) -> Comparison:
    """Compares runs over seeds by the program, as ``stratagram compare``.

    >>> stratagram.compare("optimizers.toml", out="results/optimizers")       # statements, verdicts
    >>> stratagram.compare(glob("runs/sweep/*"), by="optimizer.kind").effects  # exploratory

    ``runs`` is a comparison file or run directories (or opened runs); these are grouped by the
    setting ``by`` and paired by ``pair_by`` (``"seed"`` or ``"none"``). Results are written to ``out``;
    without it, they last as long as what is returned.
    """
    single = isinstance(runs, (str, PathLike))
    places = [runs] if single else [r.root if isinstance(r, Run) else r for r in runs]  # type: ignore
    if not places:
        raise ValueError("there are no runs to compare; expected run directories or a comparison file")
    kept = tempfile.TemporaryDirectory(prefix="stratagram-compare-") if out is None else None
    folder = kept.name if kept is not None else str(out)
    words: list[object] = ["compare", *places, "--out", folder]
    for flag, value in (("--by", by), ("--pair-by", pair_by)):
        words += [flag, value] if value is not None else []
    comparison = Comparison(folder, _program.run("runs are compared", *words))
    comparison._kept = kept
    return comparison


def _column(texts: list[str]) -> npt.NDArray[Any]:
    """Numbers, NaN where a field is empty, or texts."""
    try:
        return np.array([float(text or "nan") for text in texts])
    except ValueError:
        return np.array(texts, dtype=object)
