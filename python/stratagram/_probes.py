"""Linear probes of a model's layers: fitted by the program, as those of ``stratagram run``."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _program
from ._arrays import classes, labelled
from ._run_dir.checksums import sha256_of
from ._signature import Undefined

#: The least scale of a feature, as part of the median one.
FLOOR = 1e-3


class Probes:
    """What the layers' linear probes are trained and tested on; see :class:`Recorder`.

    >>> probes = stratagram.Probes(x_train, y_train, x_test, y_test)

    - ``train``, ``test``: images as the model is given them (a tensor, or a tuple or dict of
      tensors), or a loader or data set of them; ``labels``, ``test_labels``: their classes, at
      most 256 different ones, None where the loader has them; some thousand training images
      are enough, and the time of a fit grows with them.
    - ``true_labels``: of the training images, where ``labels`` are noisy ones.
    - ``l2``: strength of the penalty on standardized features.
    - ``features``: of a map ``[n, c, h, w]``: ``"flatten"``, pooled to the largest side that leaves
      at most ``cap`` numbers, or ``"average"`` over h and w. Tokens ``[n, t, d]`` are as the
      recorder's ``tokens`` says.
    """

    def __init__(self, train: Any, labels: Any = None, test: Any = None, test_labels: Any = None, *,
                 true_labels: Any = None, l2: float = 1e-3, features: str = "flatten",
                 cap: int = 2048) -> None:
        if features not in ("flatten", "average"):
            raise ValueError(f"features is {features!r}; expected 'flatten' or 'average'")
        if not l2 > 0:
            raise ValueError(f"l2 is {l2}; expected a number above 0")
        if test is None:
            raise ValueError("test is missing: the images that probes are tested on")
        self.train, self.labels = labelled(train, labels)
        self.test, self.test_labels = labelled(test, test_labels)
        self.true_labels = self.labels if true_labels is None else classes(
            "true_labels", true_labels)
        if len(self.true_labels) != len(self.labels):
            raise ValueError(f"{len(self.true_labels)} true_labels for {len(self.labels)} labels")
        if not 2 <= len(np.unique(self.labels)) <= 256:
            raise ValueError(f"the labels have {len(np.unique(self.labels))} different classes; "
                             "a probe needs 2 to 256")
        self.l2, self.features, self.cap = float(l2), features, int(cap)
        self._program = _program.path("probes are fitted")

    def about(self) -> dict[str, Any]:
        """What a recording keeps of its probes."""
        labels = (self.labels, self.true_labels, self.test_labels)
        return {"l2": self.l2, "features": self.features, "cap": self.cap,
                "n_train": len(self.labels), "n_test": len(self.test_labels),
                "labels_sha256": sha256_of("\n".join(str(part.tolist()) for part in labels))}

    def side(self, channels: int, height: int, width: int) -> int | None:
        """The side that a map is pooled to, None where it stays as it is."""
        if height * width == 1:
            return None
        if self.features == "average":
            return 1
        if channels * height * width <= self.cap:
            return None
        sides = range(min(height, width), 0, -1)
        return next((s for s in sides if channels * s * s <= self.cap), 1)

    def fit(self, train: npt.NDArray[Any], test: npt.NDArray[Any]) -> Probe:
        """The probe of one layer from its features ``[n, d]``: a :class:`Probe`.

        Raises :class:`Undefined` where there is none.
        """
        if not (np.isfinite(train).all() and np.isfinite(test).all()):
            raise Undefined("a feature is NaN or infinite")
        mean, scale, n_floored = standardization(train)
        with tempfile.TemporaryDirectory() as folder:
            features, out = Path(folder) / "features.npz", Path(folder) / "probe.npz"
            np.savez(features, X=(train - mean) / scale, y=self.labels)
            command = [self._program, "probe", features, "--l2", repr(self.l2), "--json", "--out",
                       out]
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
            if done.returncode != 0:
                message = done.stderr.strip().splitlines() or ["it ended without a word"]
                raise Undefined(f"stratagram probe: {message[0]}")
            about = json.loads(done.stdout)
            with np.load(out, allow_pickle=False) as arrays:
                probe = Probe(arrays["weight"], arrays["bias"], arrays["classes"], mean, scale)
        on_train, on_test = probe.classes(train), probe.classes(test)
        # The columns of probes.csv after the epoch; labels 0: those that the model learns.
        probe.row = np.array([
            0, self.l2, train.shape[1], n_floored, about["iterations"],
            about["gradient_norm"], about["objective"], (on_train == self.labels).mean(),
            (on_train == self.true_labels).mean(), (on_test == self.test_labels).mean(),
            *[np.nan] * 4])
        return probe


class Probe:
    """A fitted probe: ``names[argmax_c(weight_c · (x − mean) / scale + bias_c)]``."""

    def __init__(self, weight: npt.NDArray[Any], bias: npt.NDArray[Any], names: npt.NDArray[Any],
                 mean: npt.NDArray[np.float64], scale: npt.NDArray[np.float64]) -> None:
        self.weight, self.bias, self.names = weight, bias, names.astype(np.int64)
        self.mean, self.scale = mean, scale
        self.row: npt.NDArray[np.float64] | None = None

    def classes(self, features: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The class of each row of ``features``, ``[n, d]``, in float64."""
        standard = (features - self.mean) / self.scale
        scores = standard @ self.weight.T.astype(np.float64) + self.bias
        return self.names[scores.argmax(1)]


def standardization(features: npt.NDArray[Any]) -> tuple[
        npt.NDArray[np.float64], npt.NDArray[np.float64], int]:
    """Mean and scale of each feature ``[n, d]``, and how many scales were raised, as in a run.

    A scale is the standard deviation, at least a thousandth of the features' median one.
    """
    first = features[0].astype(np.float64)
    mean = first + (features - first).mean(0)
    scale = np.sqrt(((features - mean) ** 2).mean(0))
    floor = FLOOR * np.median(scale)
    low = (scale < floor) | (scale == 0)
    scale[low] = floor if floor > 0 else 1.0
    return mean, scale, int(low.sum())
