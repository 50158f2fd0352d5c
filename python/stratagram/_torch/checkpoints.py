"""Recordings of trainings that are over: from the checkpoints that they have left."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, TypeVar

import torch

from .._recorder import Recorder

Revision = TypeVar("Revision")

#: A number behind a word of time: `step1000`, `epoch-3`, `checkpoint-500`.
_TIMED = re.compile(r"(step|epoch|checkpoint)s?[-_=]?(\d+(?:\.\d+)?)", re.IGNORECASE)


def record_checkpoints(
        load: Callable[[Revision], torch.nn.Module], revisions: Iterable[Revision],
        out: str | PathLike[str], layers: str | Sequence[str] = "*", examples: Any = None,
        sample_ids: Any = None, *, steps_per_epoch: float | None = None,
        values: Callable[[torch.nn.Module, Revision], Mapping[str, Any]] | None = None,
        **options: Any) -> Recorder:
    """Records the checkpoints of any PyTorch model, one row each, and closes the recording.

    >>> load = lambda revision: AutoModel.from_pretrained("EleutherAI/pythia-14m", revision=revision)
    >>> stratagram.record_checkpoints(load, ["step0", "step1", "step512"], "runs/pythia", "blocks",
    ...                               examples=tokens, steps_per_epoch=143_000)

    - ``load``: returns the model of a revision; models are of one architecture.
    - ``revisions``: names with a step (``step1000``, ``checkpoint-500``) or an epoch (``epoch-3``), or
      ``{revision: step}``; they are recorded in the order of time, and those that the recording has
      are left out.
    - ``steps_per_epoch``: between steps and epochs; without it, an epoch is a step.
    - ``values``: returns what else stands in the row, such as ``{"test_error": …}``.

    The other arguments are those of :class:`Recorder`, which is returned.
    """
    positions = {revision: _position(revision, step, steps_per_epoch)
                 for revision, step in _timed(revisions)}
    if not positions:
        raise ValueError("there are no revisions to record")
    ordered = sorted(positions, key=positions.__getitem__)
    model = load(ordered[0])
    with Recorder(model, out, layers, examples, sample_ids, **options) as recorder:
        for revision in ordered:
            step, epoch = positions[revision]
            if recorder.last_step is not None and step <= recorder.last_step:
                continue
            model = model if revision == ordered[0] else load(revision)
            recorder._follow(model)
            logged = {} if values is None else values(model, revision)
            recorder.log(epoch=epoch, step=step, **logged)
    return recorder


def _timed(revisions: Iterable[Any]) -> list[tuple[Any, Any]]:
    if isinstance(revisions, Mapping):
        return list(revisions.items())
    return [(revision, None) for revision in revisions]


def _position(revision: object, step: int | None, steps_per_epoch: float | None) -> tuple[int, float]:
    """Step and epoch of a revision."""
    per_epoch = steps_per_epoch or 1.0
    if step is not None:
        return int(step), step / per_epoch
    found = _TIMED.findall(str(revision))
    if not found:
        raise ValueError(f"{revision!r} names no step or epoch; expected a name as 'step1000' or "
                         "'epoch-3', or revisions as {revision: step}")
    word, number = found[-1][0].lower(), float(found[-1][1])
    if word == "epoch":
        return round(number * per_epoch), number
    return int(number), number / per_epoch
