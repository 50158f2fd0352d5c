"""An epoch × epoch matrix: an array that knows its epochs, its table, its picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes


class Matrix(np.ndarray):
    """Similarity of one layer with itself over the epochs, float32 ``[E, E]``, NaN where undefined.

    An array like any other, with ``layer``, ``measure`` and ``group`` (names), ``steps`` (int64
    ``[E]``, optimizer steps) and ``epochs`` (float64 ``[E]``, passes over the training set).
    Parts and results of arithmetic of another shape are plain arrays in all but name.
    """

    layer: str
    measure: str
    group: str
    steps: npt.NDArray[np.int64]
    epochs: npt.NDArray[np.float64]

    _NAMES = ("layer", "measure", "group", "steps", "epochs")

    def __new__(cls, values: npt.ArrayLike, *, layer: str, measure: str, group: str,
                steps: npt.NDArray[np.int64], epochs: npt.NDArray[np.float64]) -> Matrix:
        matrix = np.asarray(values).view(cls)
        matrix.layer, matrix.measure, matrix.group = layer, measure, group
        matrix.steps, matrix.epochs = steps, epochs
        return matrix

    def __array_finalize__(self, other: Any) -> None:
        if isinstance(other, Matrix) and self.shape == other.shape:
            for name in self._NAMES:
                if hasattr(other, name):
                    setattr(self, name, getattr(other, name))

    def to_pandas(self) -> pandas.DataFrame:
        """A DataFrame whose rows and columns are called by their epochs."""
        import pandas

        epochs = pandas.Index(self.epochs, name="epoch")
        return pandas.DataFrame(np.asarray(self), index=epochs, columns=epochs)

    def plot(self, ax: Axes | None = None, *, colorbar: bool = True, **options: Any) -> Axes:
        """Draws the matrix; see :meth:`stratagram.Run.plot`."""
        import matplotlib.pyplot as plt

        axes = plt.subplots()[1] if ax is None else ax
        edges = np.expm1(log_edges(self.epochs))
        mesh = axes.pcolormesh(edges, edges, np.asarray(self), **{"vmax": 1.0, **options})
        for set_scale, axis in ((axes.set_xscale, axes.xaxis), (axes.set_yscale, axes.yaxis)):
            log_scale(set_scale, axis, float(self.epochs[-1]))
        axes.set(xlabel="epoch", ylabel="epoch", title=f"{self.layer}, {self.measure}, {self.group}")
        axes.set_box_aspect(1)
        if colorbar:
            axes.figure.colorbar(mesh, ax=axes)
        return axes


def log_edges(epochs: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The edges of a matrix's cells in ln(1 + epoch), ``[E + 1]``, as in the report's figures.

    The inner ones lie halfway between neighboring checkpoints, the outer ones at the first and
    the last; a single checkpoint covers a quarter on either side.
    """
    places = np.log1p(np.asarray(epochs, np.float64))
    if len(places) == 1:
        return np.array([max(places[0] - 0.25, 0.0), places[0] + 0.25])
    return np.concatenate([places[:1], (places[:-1] + places[1:]) / 2, places[-1:]])


def log_scale(set_scale: Any, axis: Any, last: float) -> None:
    """Makes an axis of epochs up to ``last`` one in ln(1 + epoch)."""
    set_scale("function", functions=(np.log1p, np.expm1))
    axis.set_major_locator(_ticks(last))
    axis.set_major_formatter("{x:g}")


def _ticks(last: float) -> Any:
    from matplotlib.ticker import FixedLocator

    steps = [factor * 10.0**power for power in range(12) for factor in (1, 2, 5)]
    step = 1 if last < 50 else 3
    return FixedLocator([0.0, *(epoch for epoch in steps[::step] if epoch <= last)])
