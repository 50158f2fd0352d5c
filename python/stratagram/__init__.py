"""How a deep network's representations evolve over its training.

- :class:`Recorder` records a PyTorch model inside your own training loop;
- :class:`Recording` records activations of any framework;
- :class:`Probes` are what linear probes of its layers are trained on;
- :class:`Planes` are the inputs on which decision regions are compared;
- :func:`open` reads a run directory: matrices as NumPy arrays, curves, figures.

The program ``stratagram`` analyzes what was recorded and writes the page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._figure import Figure, Page
from ._matrix import Matrix
from ._planes import Planes
from ._probes import Probes
from ._recording import Recording
from ._run import Run, open
from ._signature import Undefined, signature
from ._version import version

if TYPE_CHECKING:
    from ._recorder import Recorder

__version__: str = version()
__all__ = ["Figure", "Matrix", "Page", "Planes", "Probes", "Recorder", "Recording", "Run",
           "Undefined", "open", "signature"]


def __getattr__(name: str) -> Any:
    # torch is imported by those who record with it, and by nobody else.
    if name == "Recorder":
        try:
            from ._recorder import Recorder
        except ImportError as error:
            raise ImportError(f"stratagram.Recorder needs PyTorch ({error}); activations of other "
                              "frameworks are recorded by stratagram.Recording") from error
        return Recorder
    raise AttributeError(f"module 'stratagram' has no attribute {name!r}")
