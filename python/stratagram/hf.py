"""The recorder as a callback of Hugging Face's ``Trainer``.

>>> recorded = stratagram.hf.Callback("runs/mine", "blocks", examples=test_set.select(range(512)),
...                                   train=train_set.select(range(1000)), test=test_set)
>>> Trainer(model, …, callbacks=[recorded])
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np

try:
    import transformers
except ImportError as error:
    raise ImportError(f"stratagram.hf needs transformers ({error}): pip install "
                      "transformers") from error

from torch.utils.data import DataLoader

from ._capture import classes_of
from ._inputs import each, is_data
from ._models import Inputs, refuse_sharded
from ._recorder import Recorder

__all__ = ["Callback"]


class Callback(transformers.TrainerCallback):
    """Records a row before the first step and at the end of each epoch.

    ``out``, ``layers``, ``examples``, ``sample_ids`` and ``options`` are those of
    :class:`stratagram.Recorder`; a data set of ``examples`` is collated as the trainer does it, all
    examples padded to one length.

    - ``train``, ``test``: data sets with labels (some hundred or thousand fixed examples), on which
      the errors of each row are computed, in evaluation mode and with the weights of that row;
    - ``every``: ``"epoch"``, or a number of optimizer steps between rows.

    The step of a row is ``state.global_step``, its epoch ``state.epoch``. A training that continues
    from a checkpoint takes back the rows after it. Under DDP rank 0 records; FSDP and ZeRO-3 are
    refused.
    """

    def __init__(self, out: str | PathLike[str], layers: str | Sequence[str] = "*",
                 examples: Any = None, sample_ids: Any = None, *, train: Any = None, test: Any = None,
                 every: str | int = "epoch", batch_size: int = 256, **options: Any) -> None:
        if every != "epoch" and not (isinstance(every, int) and every > 0):
            raise ValueError(f"every is {every!r}; expected 'epoch' or a number of steps")
        #: The recorder, once a training has begun.
        self.recorder: Recorder | None = None
        self._arguments = (out, layers, examples, sample_ids)
        self._options = {**options, "batch_size": batch_size}
        self._sets = {"train_error": train, "test_error": test}
        self._every = every

    # -- hooks -----------------------------------------------------------------------------

    def on_train_begin(self, args, state, control, *, model, train_dataloader=None, **_):
        """Opens the recording; records the initialization, or a checkpoint that has no row."""
        refuse_sharded(model)
        out, layers, examples, ids = self._arguments
        collate = getattr(train_dataloader, "collate_fn", None)
        if is_data(examples) and not isinstance(examples, DataLoader):
            examples = DataLoader(examples, batch_size=len(examples), collate_fn=collate)
        self._collate = collate
        if self.recorder is not None:  # of a training that ended with an error
            self.recorder.close()
        self.recorder = Recorder(model, out, layers, examples, ids, **self._options)
        last = self.recorder.last_step
        if state.global_step == 0 or (self._is_due(state) and last is not None
                                      and last < state.global_step):
            self._record(state)

    def on_step_end(self, args, state, control, **_):
        """A row after each so many steps."""
        if self._every != "epoch" and self._is_due(state):
            self._record(state)

    def on_epoch_end(self, args, state, control, **_):
        """A row after each epoch."""
        if self._every == "epoch":
            self._record(state)

    def on_train_end(self, args, state, control, **_):
        """Releases the directory."""
        self.recorder.close()

    # -- rows ------------------------------------------------------------------------------

    def _is_due(self, state):
        if self._every == "epoch":
            return abs(state.epoch - round(state.epoch)) < 1e-9
        return state.global_step % self._every == 0

    def _record(self, state):
        if not self.recorder.active:
            return
        errors = {name: self._error(examples) for name, examples in self._sets.items()
                  if examples is not None}
        self.recorder.log(epoch=state.epoch or 0.0, step=state.global_step, **errors)

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
