"""The headline figure drawn with Matplotlib, for places that show no SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._read.matrix import log_scale
from .._read.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def headline(run: Run) -> Figure:
    """Error curves over ln(1 + epoch), and below them the CKA of the first, a middle, the last layer."""
    from matplotlib.figure import Figure

    layers = list(run.matrices())
    shown = list(dict.fromkeys(layers[i] for i in (0, len(layers) // 2, len(layers) - 1)))
    figure = Figure(figsize=(3.6 * len(shown), 6.4), layout="constrained")
    grid = figure.add_gridspec(2, len(shown), height_ratios=[1, 1.6])
    curves, axes = run.curves, figure.add_subplot(grid[0, :])
    for name in ("test_error", "train_error"):
        if name in curves:
            known = ~np.isnan(curves[name])
            axes.plot(curves["epoch"][known], curves[name][known], ".-", label=name)
    last = float(curves["epoch"][-1])
    log_scale(axes.set_xscale, axes.xaxis, last)
    axes.set(xlabel="epoch", ylabel="error", xlim=(0, last or 1), ylim=(0, None))
    if axes.lines:
        axes.legend()
    for column, layer in enumerate(shown):
        run.plot(layer, ax=figure.add_subplot(grid[1, column]), vmin=0, vmax=1)
    return figure
