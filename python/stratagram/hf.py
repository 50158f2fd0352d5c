"""The recorder as a callback of Hugging Face's ``Trainer``.

>>> recorded = stratagram.hf.Callback("runs/mine", "blocks", examples=test_set.select(range(512)),
...                                   train=train_set.select(range(1000)), test=test_set)
>>> Trainer(model, …, callbacks=[recorded])
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np

try:
    import transformers
except ImportError as error:
    raise ImportError(f"stratagram.hf needs transformers ({error}): pip install "
                      "transformers") from error

from torch.utils.data import DataLoader, Subset

from ._recorder import Recorder
from ._run_dir import history as _history
from ._torch.capture import classes_of
from ._torch.inputs import each, is_data
from ._torch.models import SHARDED, Inputs, refuse_sharded

__all__ = ["Callback"]


class Callback(transformers.TrainerCallback):
    """Records a row before the first step and at the end of each epoch.

    ``out``, ``layers``, ``examples``, ``sample_ids`` and ``options`` are those of
    :class:`stratagram.Recorder`; a data set of ``examples`` is collated as the trainer does it, all
    examples padded to one length.

    - ``train``, ``test``: data sets with labels (some hundred or thousand fixed examples), on which
      the errors of each row are computed, in evaluation mode and with the weights of that row. A
      number for ``train`` stands for so many evenly spaced examples of the trainer's own, None for
      none; without ``test``, the error is made of the trainer's evaluation at that step
      (``eval_accuracy``), where there is one.
    - ``every``: ``"epoch"``, or a number of optimizer steps between rows.

    The step of a row is ``state.global_step``, its epoch ``state.epoch``. A training that continues
    from a checkpoint takes back the rows after it. Under DDP rank 0 records; FSDP and ZeRO-3 are
    refused.
    """

    def __init__(self, out: str | PathLike[str], layers: str | Sequence[str] = "*",
                 examples: Any = None, sample_ids: Any = None, *, train: Any = 1000, test: Any = None,
                 every: str | int = "epoch", batch_size: int = 256, **options: Any) -> None:
        if every != "epoch" and not (isinstance(every, int) and every > 0):
            raise ValueError(f"every is {every!r}; expected 'epoch' or a number of steps")
        #: The recorder, once a training has begun.
        self.recorder: Recorder | None = None
        self._arguments = (out, layers, examples, sample_ids)
        self._options = {**options, "batch_size": batch_size}
        self._sets = {"train_error": train, "test_error": test}
        self._every, self._collate = every, None
        self._pending: tuple[Any, ...] | None = None
        self._refused: set[str] = set()

    # -- hooks -----------------------------------------------------------------------------

    def on_train_begin(self, args, state, control, *, model, train_dataloader=None, **_):
        """Opens the recording; records the initialization, or a checkpoint that has no row."""
        refuse_sharded(model)
        if getattr(args, "fsdp", None):
            raise ValueError(SHARDED.format("FSDP"))
        out, layers, examples, ids = self._arguments
        self._collate = getattr(train_dataloader, "collate_fn", None)
        if is_data(examples) and not isinstance(examples, DataLoader):
            examples = DataLoader(examples, len(examples), collate_fn=self._collate)
        if isinstance(self._sets["train_error"], int):
            self._sets["train_error"] = _spaced(train_dataloader, self._sets["train_error"])
        if self.recorder is not None:  # of a training that ended with an error
            self.recorder.close()
        self.recorder, self._pending = Recorder(model, out, layers, examples, ids,
                                                **self._options), None
        last = self.recorder.last_step
        if state.global_step == 0 or (self._is_due(state) and last is not None
                                      and last < state.global_step):
            self._hold(state)

    def on_step_end(self, args, state, control, **_):
        """A row after each so many steps."""
        if self._every != "epoch" and self._is_due(state):
            self._hold(state)

    def on_epoch_end(self, args, state, control, **_):
        """A row after each epoch."""
        if self._every == "epoch":
            self._hold(state)

    def on_evaluate(self, args, state, control, metrics=None, **_):
        """The evaluation of a row's step is in that row."""
        if self._pending is not None and self._pending[1] == state.global_step:
            self._finish({name: value for name, value in (metrics or {}).items()
                          if not name.endswith(("epoch", "_runtime", "_per_second"))})

    def on_step_begin(self, args, state, control, **_):
        """Writes the row before its weights change."""
        self._finish({})

    def on_save(self, args, state, control, **_):
        """Writes the row of a checkpoint."""
        self._finish({})

    def on_train_end(self, args, state, control, **_):
        """Writes the last row and releases the directory."""
        self._finish({})
        self.recorder.close()

    # -- rows ------------------------------------------------------------------------------

    def _is_due(self, state):
        if self._every == "epoch":
            return abs(state.epoch - round(state.epoch)) < 1e-9
        return state.global_step % self._every == 0

    def _hold(self, state):
        """Takes what a row has; the trainer may still evaluate the same weights."""
        self._finish({})
        if not self.recorder.active:
            return
        start = time.perf_counter()
        taken = self.recorder._taken()
        errors = {name: self._error(examples) for name, examples in self._sets.items()
                  if examples is not None}
        self._pending = (state.epoch or 0.0, state.global_step, errors, taken, start)

    def _finish(self, metrics):
        if self._pending is not None:
            (epoch, step, errors, taken, start), self._pending = self._pending, None
            values = {**_history.columns(metrics, {}, self._refused), **errors}
            self.recorder._write(epoch, step, values, taken, start)

    def _error(self, examples):
        """The fraction of examples that the model gives another class than their label."""
        if not isinstance(examples, DataLoader):
            examples = DataLoader(examples, self._options["batch_size"], collate_fn=self._collate)
        wrong, recorder = [], self.recorder
        with recorder._evaluation():
            for batch, labels in each(examples, Inputs(recorder.model)):
                if labels is None:
                    raise ValueError("train and test need labels, as the column `labels`")
                classes = classes_of(recorder._capture.forward(batch))
                wrong.append(classes.cpu().numpy() != np.asarray(labels).reshape(-1))
        return float(np.concatenate(wrong).mean())


def _spaced(loader, n):
    """So many evenly spaced examples of a loader's data set; None of one without a length."""
    dataset = getattr(loader, "dataset", None)
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        return None
    places = np.linspace(0, len(dataset) - 1, min(n, len(dataset))).round().astype(int)
    return Subset(dataset, np.unique(places).tolist())
