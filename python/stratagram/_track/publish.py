"""Sends a run to a tracker: after it has ended, or row by row while it is recorded."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from .. import _program
from .._read.run import Run
from .._run_dir.checked import checked
from . import scalars as _scalars
from .loggers import logger

PROJECT = "stratagram"


def publish(run: str | PathLike[str] | Run, to: str, *, project: str = PROJECT,
            name: str | None = None) -> None:
    """Sends a run to ``"wandb"``, ``"trackio"`` or ``"tensorboard"``.

    Error curves and the CKA of each layer to its first and its previous row become scalars, called
    ``stratagram/train_error``, ``stratagram/cka_to_first/fc`` …; the headline figure and the page
    go along, as HTML (TensorBoard: a picture, and where the page is). An active run of the tracker
    is used and left open; else one called ``name``, by default as the run's folder, is begun in
    ``project``. TensorBoard's files are in the folder ``project/name``.

    >>> stratagram.publish("runs/mine", to="wandb")

    What is not there yet is made by the program: ``analyze``, ``report``.
    """
    run = run if isinstance(run, Run) else Run(run)
    _complete(run)
    tracker = logger(to, project, name or run.root.resolve().name)
    try:
        for row in _scalars.rows(run):
            tracker.row(*row)
        tracker.pictures(run)
    finally:
        tracker.close()


def _complete(run: Run) -> None:
    """Analyzes and reports what was not; a page that is up to date is left as it is."""
    for verb in ("analyze", "report"):
        if verb == "report" or not run.measures:
            _program.run("runs are analyzed and reported", verb, run.root)


class Live:
    """The tracker of a recording: rows as they are recorded, pictures at its end."""

    def __init__(self, root: Path, to: str) -> None:
        self._root = Path(root)
        self._tracker = logger(to, PROJECT, self._root.resolve().name)

    def row(self, step: int) -> None:
        """Sends the row of ``step``, which was just recorded."""
        run = Run(self._root)
        curves, values = run.curves, {}
        at = int((curves["step"] == step).argmax())
        for name, column in curves.items():
            if name not in ("step", "epoch") and column[at] == column[at]:
                values[name] = float(column[at])
        self._tracker.row(step, float(curves["epoch"][at]), {**values, **self._compared(run, step)})

    def _compared(self, run: Run, step: int) -> dict[str, float]:
        with np.load(checked(run.root, "row", run._path("row", step))) as row:
            places = [name.split("/")[1:] for name in row.files if name.startswith("cka/")]
        n_groups = len({group for group, _ in places})
        found = {}
        for group, layer in places:
            own = run._called(layer)
            place = own if n_groups == 1 else f"{run._called(group)}/{own}"
            found[place] = run.signatures(own, group=run._called(group))
        return _scalars.of_signatures(found)

    def close(self) -> None:
        """Sends the headline figure and the page; without the program, rows alone were sent."""
        try:
            run = Run(self._root)
            if _program.find() and len(run.curves.get("step", ())):
                _program.run("runs are analyzed", "analyze", self._root)
                _complete(run)
                self._tracker.pictures(run)
        finally:
            self._tracker.close()
