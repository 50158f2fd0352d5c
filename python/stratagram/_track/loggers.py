"""Trackers of other people that rows, the headline figure and the page are sent to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .._read.near import missing
from .._read.run import Run
from .headline import headline

#: What all names begin with, beside those that a training logs itself.
PREFIX = "stratagram"


class Wandb:
    """Weights & Biases: the run that is active, or one of its own."""

    def __init__(self, project: str, name: str) -> None:
        import wandb

        self._wandb, self._owns = wandb, wandb.run is None
        self._run = wandb.run or wandb.init(project=project, name=name)
        self._run.define_metric(f"{PREFIX}/*", step_metric=f"{PREFIX}/epoch")

    def row(self, step: int, epoch: float, values: dict[str, float]) -> None:
        """One row; its axis is the epoch, beside whatever else the run logs."""
        self._run.log(_prefixed({"epoch": epoch, "step": step, **values}))

    def pictures(self, run: Run) -> None:
        """The headline figure and the page."""
        html = {"headline": run.figures["headline-wide"].svg, "page": run.page.html}
        self._run.log(_prefixed({k: self._wandb.Html(v, inject=False) for k, v in html.items()}))

    def close(self) -> None:
        """Ends the run if it is our own."""
        if self._owns:
            self._run.finish()


class Trackio:
    """Trackio: the run that is active, or one of its own."""

    def __init__(self, project: str, name: str) -> None:
        import trackio
        from trackio import context_vars

        self._trackio = trackio
        active = context_vars.current_run.get()
        self._owns = active is None
        self._run = active or trackio.init(project=project, name=name, embed=False)
        self._step = 0

    def row(self, step: int, epoch: float, values: dict[str, float]) -> None:
        """One row, at its step."""
        self._step = step
        self._run.log(_prefixed({"epoch": epoch, **values}), step=step)

    def pictures(self, run: Run) -> None:
        """The headline figure and the page, at the last step."""
        html = {"headline": run.figures["headline-wide"].svg, "page": run.page.html}
        self._run.log(_prefixed({k: self._trackio.Html(v, inject=False) for k, v in html.items()}),
                      step=self._step)

    def close(self) -> None:
        """Ends the run if it is our own."""
        if self._owns:
            self._trackio.finish()


class TensorBoard:
    """Event files in the folder ``project/name``; TensorBoard shows no pages, but where one is."""

    def __init__(self, project: str, name: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(Path(project) / name))
        self._step = 0

    def row(self, step: int, epoch: float, values: dict[str, float]) -> None:
        """One row, at its step."""
        self._step = step
        for name, value in _prefixed({"epoch": epoch, **values}).items():
            self._writer.add_scalar(name, value, step)

    def pictures(self, run: Run) -> None:
        """The headline as a picture, which Matplotlib draws, and the place of the page."""
        page = run.page.path.resolve()
        self._writer.add_text(f"{PREFIX}/page", f"[{page}]({page.as_uri()})", self._step)
        self._writer.add_figure(f"{PREFIX}/headline", headline(run), self._step)

    def close(self) -> None:
        """Closes the event file."""
        self._writer.close()


LOGGERS = {"wandb": Wandb, "trackio": Trackio, "tensorboard": TensorBoard}


def logger(to: str, project: str, name: str) -> Any:
    """The tracker called ``to``."""
    if to not in LOGGERS:
        raise missing("tracker", to, LOGGERS)
    try:
        return LOGGERS[to](project, name)
    except ImportError as error:
        raise ImportError(f"to={to!r} needs the package {error.name}: pip install "
                          f"{error.name}") from error


def _prefixed(values: dict[str, Any]) -> dict[str, Any]:
    return {f"{PREFIX}/{name}": value for name, value in values.items()}
