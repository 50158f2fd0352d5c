"""How a deep network's representations evolve over its training.

- :class:`Recorder` records a PyTorch model inside your own training loop;
- :func:`record_checkpoints` records a training that is over, from its checkpoints;
- :class:`Recording` records activations of any framework;
- :class:`Probes` are what linear probes of its layers are trained on;
- :class:`Planes` are the inputs on which decision regions are compared;
- ``stratagram.lightning.Callback`` and ``stratagram.hf.Callback`` do so in trainers of others;
- :func:`open` reads a run directory: matrices as NumPy arrays, curves, figures;
- :func:`compare` compares runs over seeds;
- :func:`publish` sends it to Weights & Biases, Trackio or TensorBoard.

The program ``stratagram`` analyzes what was recorded and writes the page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._planes import Planes
from ._probes import Probes
from ._program import version
from ._read.compare import Comparison, compare
from ._read.figure import Figure, Page
from ._read.matrix import Matrix
from ._read.run import Run, open
from ._record.recording import Recording
from ._signature import Undefined, signature
from ._track.publish import publish

if TYPE_CHECKING:
    from ._recorder import Recorder
    from ._torch.checkpoints import record_checkpoints

__version__: str = version()
__all__ = ["Comparison", "Figure", "Matrix", "Page", "Planes", "Probes", "Recorder", "Recording",
           "Run", "Undefined", "compare", "open", "publish", "record_checkpoints", "signature"]


def __getattr__(name: str) -> Any:
    # torch is imported by those who record with it, and by nobody else.
    if name in ("Recorder", "record_checkpoints"):
        try:
            from ._torch import checkpoints as _checkpoints
        except ImportError as error:
            raise ImportError(f"stratagram.{name} needs PyTorch ({error}); activations of other "
                              "frameworks are recorded by stratagram.Recording") from error
        return getattr(_checkpoints, name)
    if name in ("hf", "lightning"):
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'stratagram' has no attribute {name!r}")
