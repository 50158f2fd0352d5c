"""The run directory of a recording (docs/FORMAT.md, "Recordings").

``recorded/step-000000336.npz`` holds everything that one call of ``log`` recorded and appears
whole, by renaming: a process that is killed leaves a row or none. ``history.csv`` and ``signatures/`` are
made from these files.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._run_dir import (
    files as _files,
    history as _history,
    labels as _labels,
    manifest as _manifest,
)
from .._run_dir.checksums import Checksums
from .._run_dir.files import path, write_atomic
from .._run_dir.signatures import Signatures
from .layout import Layout
from .row import Row


class Recording:
    """A run directory that rows are recorded into, from activations of any framework.

    ``examples`` maps each group's name (``"test"``, ``"train-clean"`` …) to the ids of its
    examples, in the order of the rows of all activations. ``settings`` are further choices that
    rows depend on. ``test_labels`` are the classes of test images that each row has the model's answers to
    (``log(answers=…)``), by which ``stratagram findings`` measures a double descent. ``labels`` are the true
    classes of the examples, ``noisy_labels`` those that the model was given where these are wrong, as an array
    or ``{group: array}``; ``stratagram analyze`` then finds neural collapse (collapse.csv). An existing
    recording is continued after its last step if all of these are the same, else refused with the keys
    that differ.

    >>> rec = Recording("runs/mine", layers=["fc"], examples={"test": range(512)})
    >>> rec.log(epoch=1, step=8, activations={"fc": fc}, train_error=0.1, test_error=0.2)
    """

    def __init__(self, out: str | PathLike[str], layers: Iterable[str],
                 examples: Mapping[str, Iterable[Any]], *, estimator: str = "debiased",
                 decisions: dict[str, Any] | None = None, test_labels: npt.ArrayLike | None = None,
                 labels: npt.ArrayLike | Mapping[str, npt.ArrayLike] | None = None,
                 noisy_labels: npt.ArrayLike | Mapping[str, npt.ArrayLike] | None = None,
                 settings: dict[str, Any] | None = None,
                 about: dict[str, Any] | None = None, fresh: bool = False) -> None:
        self.root = Path(out)
        self._layout = Layout(layers, examples, estimator, decisions, test_labels)
        self.layers = self._layout.layers
        self.groups = self._layout.groups
        self._labels = {**_labels.of_groups("clean", labels, self.groups),
                        **_labels.of_groups("noisy", noisy_labels, self.groups)}
        self.settings = self._layout.settings(settings or {})
        self._rewound = False
        self._said: set[tuple[str, str]] = set()
        _manifest.claim(self.root)
        self._lock = _files.take_lock(self.root)
        if fresh:
            _files.empty(self.root)
        self._checksums = Checksums(self.root)
        _manifest.adopt_or_begin(self.root, self.settings, about or {})
        self._write_examples()
        self.rows: dict[int, dict[str, float]]
        self.rows, captured = self._read_rows()
        self._write_history()
        self._signatures = Signatures(self.root, captured)
        self._signatures.complete()
        if not path(self.root, "timing").exists():
            write_atomic(path(self.root, "timing"), b"step,seconds\n")

    # -- opening ---------------------------------------------------------------------------

    def _write_examples(self):
        """What the rows are of, where a process that began was killed before it was written; labels may
        be added.
        """
        ids, files = path(self.root, "sample_ids"), self._layout.group_files
        if not ids.exists():
            lines = [f"{files[group]},{row},{_quoted(own)}"
                     for group, members in self.groups.items() for row, own in enumerate(members)]
            self._checksums.write(ids, "\n".join(["group,row,id", *lines, ""]).encode())
        labels = {f"{kind}/{files[group]}": own for (kind, group), own in self._labels.items()}
        if self._layout.test_labels is not None:
            labels["test"] = self._layout.test_labels
        _labels.keep(self.root, self._checksums, labels)

    def has_labels(self, group):
        """Whether the classes of a group's examples are known."""
        return any(group == own for _, own in self._labels)

    def _read_rows(self):
        """The numbers of each row by its step, and the steps of those that have signatures."""
        rows, captured = {}, set()
        for step, part in _files.steps(self.root, "row").items():
            self._checksums.check(part)
            with np.load(part, allow_pickle=False) as part:
                if any(n.startswith("cka/") for n in part.files):
                    captured.add(step)
                columns = [n for n in part.files if n.startswith("history/")]
                rows[step] = {"epoch": float(part["epoch"][0]),
                              **{n[len("history/"):]: float(part[n][0]) for n in columns}}
        return rows, captured

    # -- recording -------------------------------------------------------------------------

    @property
    def last_step(self) -> int | None:
        """The last recorded step, None where there is none."""
        return max(self.rows, default=None)

    def check(self, epoch, step, values):
        """The row's step, and its epoch and numbers by name; refuses what no row can be."""
        epoch, step = _history.position(epoch, step)
        numbers = {"epoch": epoch, **_history.checked(values)}
        if self._rewound and any(other >= step for other in self.rows):
            raise ValueError(f"step {step} is not after the last one, {self.last_step}")
        before = [other["epoch"] for at, other in self.rows.items() if at < step]
        if before and epoch <= max(before):
            raise ValueError(f"epoch {epoch} is not after the last one, {max(before)}")
        return step, numbers

    def begin(self, epoch, step, values):
        """As :meth:`check`; what was recorded later is taken back, once.

        A training that was killed continues from its own last checkpoint, which may lie before
        the last recorded step: the first row after opening may go back, later ones may not.
        """
        step, numbers = self.check(epoch, step, values)
        for other in sorted((at for at in self.rows if at >= step), reverse=True):
            # The sign that the analysis is complete goes first.
            path(self.root, "axis").unlink(missing_ok=True)
            path(self.root, "row", step=other).unlink()
            self._signatures.take_back(other)
            del self.rows[other]
        self._rewound = True
        return step, numbers

    def row(self):
        """A row that has nothing yet."""
        return Row(self._layout)

    def log(self, *, epoch: float, step: int, activations: Mapping[str, Any] | None = None,
            decisions: npt.ArrayLike | None = None, answers: npt.ArrayLike | None = None,
            example_answers: npt.ArrayLike | Mapping[str, npt.ArrayLike] | None = None,
            **values: Any) -> float:
        """Records one row: errors, accuracies and losses, and what each layer's activations
        reduce to.

        ``activations`` maps a layer to its array ``[n, …]``, or each group to such a map;
        without it the row holds numbers alone, for curves that are denser than the matrices.
        ``decisions`` are the classes at the points of all planes, ``answers`` those that the model gives
        to the images of ``test_labels``, ``example_answers`` those to the examples (an array, or ``{group:
        array}``), for NC4 of collapse.csv. Returns the seconds that it took.
        """
        start = time.perf_counter()
        step, numbers = self.begin(epoch, step, values)
        row = self.row()
        if activations is not None:
            is_grouped = set(activations) == set(self.groups)
            by_group = activations if is_grouped else {self._layout.first_group(): activations}
            for group in self.groups:
                for layer in self.layers:
                    row.reduce(group, layer, _given(by_group, group, layer))
            if self._layout.decisions is not None:
                row.decide(decisions)
            if self._layout.test_labels is not None:
                row.answer(answers)
            if example_answers is not None:
                if not isinstance(example_answers, Mapping):
                    example_answers = {self._layout.first_group(): example_answers}
                for group, own in example_answers.items():
                    row.answer_examples(group, own)
        return self.write(step, numbers, row, start)

    def write(self, step, numbers, row, start):
        """Writes a row; returns the seconds since ``start``, which are recorded with it."""
        columns = {f"history/{name}": np.array([v]) for name, v in numbers.items() if name != "epoch"}
        arrays = {"epoch": np.array([numbers["epoch"]]), **row.arrays, **columns}
        self._checksums.write(path(self.root, "row", step=step),
                              lambda file: np.savez(file, **arrays))
        self.rows[step] = numbers
        self._write_history()
        self._signatures.append(step, row.arrays)
        seconds = time.perf_counter() - start
        timing = path(self.root, "timing")
        with _files.writing(timing), timing.open("a") as file:
            file.write(f"{step},{seconds:.4f}\n")
        _history.say_derived(self.rows, self._said)
        return seconds

    def _write_history(self):
        self._checksums.write(path(self.root, "history"), _history.table(self.rows).encode())

    def close(self) -> None:
        """Releases the directory for another recorder; the end of the process does, too."""
        if self._lock is not None:
            self._checksums.finish()
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _given(by_group, group, layer):
    of_group = by_group[group]
    if layer not in of_group:
        raise ValueError(f"activations of {group} have no layer {layer!r}; they have "
                         f"{', '.join(map(str, of_group))}")
    return of_group[layer]


def _quoted(text):
    return '"' + text.replace('"', '""') + '"' if re.search(r'[",\r\n]', text) else text
