"""One row of a recording: what the layers' activations and the model's decisions reduce to."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .._arrays import classes
from .._run_dir.signatures import READOUT
from .._signature import Undefined, reduced, signature_length
from .layout import Layout

#: What the model's own decisions are called.
OUTPUT = "output"
#: Classes that decisions are stored as: two bytes each where one does not hold them.
CLASSES = 1 << 16


class Row:
    """The arrays of a row by the names that they have in its file; ``layout`` says what they are of."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.arrays: dict[str, npt.NDArray[Any]] = {}

    def reduce(self, group, layer, x):
        """Adds the signature of ``x``, ``[n, …]``."""
        n = len(self._layout.groups[group])
        if len(x) != n:
            raise ValueError(f"layer {layer} has {len(x)} rows; expected {n}, the examples of "
                             f"{group}")
        if not hasattr(x, "detach"):  # no tensor of torch: NumPy reads the others
            x = np.asarray(x)
            x = x if x.dtype == np.float64 else x.astype(np.float32)
        elif str(x.dtype) not in ("torch.float32", "torch.float64"):
            x = x.float()
        estimator = self._layout.estimator
        place = f"{self._layout.group_files[group]}/{self._layout.layer_files[layer]}"
        place, norms = f"cka/{place}", f"norms/{place}"
        try:
            self.arrays[place], self.arrays[norms] = reduced(x.reshape(n, -1), estimator)
        except Undefined as reason:
            self.arrays[place] = np.full(signature_length(n, estimator), np.nan, np.float32)
            self.arrays[norms] = np.full(n + 1, np.nan)
            self._explain(place, str(reason))

    def decide(self, classes, layer=OUTPUT, reason=None):
        """Adds the classes at the points of all planes, ``[planes · points]``, or why none."""
        decisions = self._layout.decisions
        n = decisions["n_planes"] * decisions["points_per_plane"]
        layer = self._layout.layer_files.get(layer, layer)
        place = f"drs/{self._layout.group_of_decisions()}/{layer}"
        if reason is not None:
            classes = np.zeros(n)
            self._explain(place, reason)
        classes = np.asarray(classes).reshape(-1)
        if len(classes) != n or classes.min() < 0 or classes.max() >= CLASSES:
            raise ValueError(f"{len(classes)} decisions; expected {n} classes from 0 to "
                             f"{CLASSES - 1}")
        self.arrays[place] = _narrow(classes)

    def answer(self, answers):
        """Adds the model's answers to the test images, ``[images]``."""
        answers, n = classes("answers", [] if answers is None else answers), len(self._layout.test_labels)
        if len(answers) != n:
            raise ValueError(f"{len(answers)} answers for {n} test images")
        self.arrays[f"agreement/test/{OUTPUT}"] = _narrow(answers)

    def answer_examples(self, group, answers):
        """Adds the model's answers to the examples of a group, ``[n]``."""
        answers, groups = classes("example_answers", answers), self._layout.groups
        if group not in groups or len(answers) != len(groups[group]):
            raise ValueError(f"{len(answers)} example_answers of {group!r}; expected one for each "
                             f"example of {', '.join(groups)}")
        self.arrays[f"answers/{self._layout.group_files[group]}"] = _narrow(answers)

    def answer_readout(self, answers, reason=None):
        """Adds the answers of a readout that was fitted again to the test images, or why none."""
        if reason is not None:
            answers = np.zeros(len(self._layout.test_labels))
            self._explain(READOUT, reason)
        self.arrays[READOUT] = _narrow(classes("answers", answers))

    def add_weights(self, sketches):
        """Adds what is kept of the weights up to each layer, ``{layer: [k]}``."""
        for layer, own in sketches.items():
            self.arrays[f"weights/{self._layout.layer_files.get(layer, layer)}"] = own

    def add_probe(self, layer, row):
        """Adds the row of a layer's probe, the columns of ``probes.csv``."""
        self.arrays[f"probe/{self._layout.layer_files[layer]}"] = row[None]

    def _explain(self, place, reason):
        self.arrays[f"reason/{place}"] = np.frombuffer(reason.encode(), np.uint8)


def _narrow(decided):
    """Classes in a byte each where that holds them, else in two."""
    return decided.astype(np.uint8 if decided.max() < 256 else np.uint16)
