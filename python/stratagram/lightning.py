"""The recorder as a callback of Lightning (``lightning`` or ``pytorch_lightning``).

>>> trainer = Trainer(callbacks=[stratagram.lightning.Callback("runs/mine", "net.*", x_eval)])
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from operator import attrgetter
from os import PathLike
from typing import Any

try:
    import lightning.pytorch as _lightning
except ImportError:
    try:
        import pytorch_lightning as _lightning  # type: ignore[no-redef]
    except ImportError as error:
        raise ImportError(f"stratagram.lightning needs Lightning ({error}): pip install "
                          "lightning") from error

from ._recorder import Recorder
from ._run_dir import history as _history
from ._torch.models import refuse_sharded

__all__ = ["Callback"]


class Callback(_lightning.Callback):
    """Records a row before the first training step and at the end of each training epoch.

    ``out``, ``layers``, ``examples``, ``sample_ids`` and ``options`` are those of
    :class:`stratagram.Recorder`. Layers are named as in the LightningModule, or as in the part
    of it that ``model`` names (``model="net"``, for ``self.net``).

    A row has what the module has logged in that epoch (``self.log("train_acc", …)`` with
    ``on_epoch=True``, also in ``on_train_epoch_end``; ``val_acc``): of accuracies errors are made,
    other numbers become columns of history.csv under their own names (``/`` as ``_``).
    ``metrics={"train_error": "err/tr"}`` renames them. With ``every=5`` layers are captured each
    fifth epoch, numbers in all.

    The layers are those at the end of the epoch: after its last step, before the next one's
    first. Checkpoints of the trainer come after the row, so that a training that continues from
    one takes back the rows after it. Sanity checks are not recorded; under DDP rank 0 records.
    """

    def __init__(self, out: str | PathLike[str], layers: str | Sequence[str] = "*",
                 examples: Any = None, sample_ids: Any = None, *, model: str | None = None,
                 every: int = 1, metrics: Mapping[str, str] | None = None, **options: Any) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"every is {every}; expected a number of epochs from 1 on")
        #: The recorder, once a training has begun.
        self.recorder: Recorder | None = None
        self._arguments = (out, layers, examples, sample_ids)
        self._options, self._model, self._every = options, model, every
        self._columns = {metric: column for column, metric in (metrics or {}).items()}
        self._pending: tuple[Any, ...] | None = None
        self._before: dict[str, Any] = {}
        self._refused: set[str] = set()

    # -- hooks -----------------------------------------------------------------------------

    def on_train_start(self, trainer, pl_module):
        """Opens the recording; a training that begins records its initialization."""
        for part in (pl_module, trainer.strategy.model):
            if part is not None:
                refuse_sharded(part)
        model = attrgetter(self._model)(pl_module) if self._model else pl_module
        self._close()
        with trainer.precision_plugin.forward_context():
            out, *rest = self._arguments
            self.recorder = Recorder(model, out, *rest, **self._options)
        if trainer.global_step == 0:
            self._hold(trainer, epoch=0)
            self._record({})

    def on_train_epoch_start(self, trainer, pl_module):
        """Writes the row of the epoch before, if no checkpoint has asked for it."""
        self._finish(trainer)
        self._before = dict(trainer.callback_metrics)

    def on_train_epoch_end(self, trainer, pl_module):
        """Captures the layers; the module may still log values of this epoch."""
        self._hold(trainer, epoch=trainer.current_epoch + 1)

    def on_save_checkpoint(self, trainer, pl_module, checkpoint):
        """Writes the row before a checkpoint after which training may continue."""
        self._finish(trainer)

    def on_train_end(self, trainer, pl_module):
        """Writes the last row."""
        self._finish(trainer)

    def on_exception(self, trainer, pl_module, exception):
        """Writes the row of an epoch that was complete; other ranks may not be here."""
        self._finish(trainer, alone=trainer.world_size > 1)
        self._close()

    def teardown(self, trainer, pl_module, stage):
        """Releases the directory."""
        self._close()

    def _close(self):
        if self.recorder is not None:
            self.recorder.close()

    # -- rows ------------------------------------------------------------------------------

    def _hold(self, trainer, epoch):
        start, taken = time.perf_counter(), None
        if self.recorder.active and epoch % self._every == 0:
            with trainer.precision_plugin.forward_context():
                taken = self.recorder._taken()
        self._pending = epoch, trainer.global_step, taken, start

    def _finish(self, trainer, alone=False):
        """Writes the row that is held, with what was logged since its epoch began.

        Reading metrics may reduce them over ranks, so that all ranks do.
        """
        if self._pending is None:
            return
        logged = {} if alone else trainer.callback_metrics
        self._record({name: value for name, value in logged.items()
                      if self._before.get(name) is not value})

    def _record(self, logged):
        (epoch, step, taken, start), self._pending = self._pending, None
        if self.recorder.active:
            values = _history.columns(logged, self._columns, self._refused)
            self.recorder._write(epoch, step, values, taken, start)
