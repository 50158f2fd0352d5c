"""The run directory of a recording (docs/FORMAT.md, "Recordings").

``recorded/step-000000336.npz`` holds everything that one call of ``log`` recorded and appears
whole, by renaming: a process that is killed leaves a row or none. ``history.csv`` and ``signatures/`` are
made from these files.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._arrays import classes
from ._program import version
from ._run_dir import files as _files, history as _history, labels as _labels, rows as _rows
from ._run_dir.checksums import Checksums, sealed
from ._run_dir.files import path, write_atomic
from ._run_dir.names import file_name, file_names
from ._signature import ESTIMATORS, FEWEST, Undefined, reduced, signature_length

#: What the model's own decisions are called.
OUTPUT = "output"
#: What a readout that is fitted again is called among the answers.
READOUT = "readout"
#: Classes that decisions are stored as: two bytes each where one does not hold them.
CLASSES = 1 << 16
#: What arrays of a row begin with that are signatures.
_PLACES = ("cka/", "drs/", "agreement/")


class Recording:
    """A run directory that rows are recorded into, from activations of any framework.

    ``examples`` maps each group's name (``"test"``, ``"train-clean"`` …) to the ids of its
    examples, in the order of the rows of all activations. ``settings`` are further choices that
    rows depend on. ``test_labels`` are the classes of test images that each row has the model's answers to
    (``log(answers=…)``), by which ``stratagram findings`` measures a double descent. ``labels`` are the true
    classes of the examples, ``noisy_labels`` those that the model was given where these are wrong, as an array
    or ``{group: array}``; ``stratagram analyze`` then finds neural collapse (collapse.csv). An existing recording is continued after its last step if all of these are
    the same, else refused with the keys that differ.

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
        if estimator not in ESTIMATORS:
            raise ValueError(f"estimator is {estimator!r}; expected one of {ESTIMATORS}")
        self.root = Path(out)
        self.layers = [str(layer) for layer in layers]
        self.groups = {str(name): [str(i) for i in ids] for name, ids in examples.items()}
        self.estimator = estimator
        self.decisions = decisions
        self.test_labels = None if test_labels is None else classes("test_labels", test_labels)
        if not self.layers or not self.groups:
            raise ValueError("a recording needs at least one layer and one group of examples")
        for name, ids in self.groups.items():
            if len(ids) < FEWEST:
                raise ValueError(f"group {name!r} has {len(ids)} examples; CKA is defined from "
                                 f"{FEWEST} on, and some hundred make it precise")
        self._layer_files, self._group_files = file_names(self.layers), file_names(self.groups)
        self._labels = {**_labels.of_groups("clean", labels, self.groups),
                        **_labels.of_groups("noisy", noisy_labels, self.groups)}
        self.settings = self._settings(settings or {})
        self._rewound = False
        self._said: set[tuple[str, str]] = set()
        self._own_directory()
        self._lock = _files.take_lock(self.root)
        if fresh:
            _files.empty(self.root)
        self._checksums = Checksums(self.root)
        self._adopt_or_begin(about or {})
        self._write_examples()
        self.rows = self._read_rows()
        self._write_history()
        self._complete_signatures()
        if not path(self.root, "timing").exists():
            write_atomic(path(self.root, "timing"), b"step,seconds\n")

    # -- opening ---------------------------------------------------------------------------

    def _settings(self, settings):
        files = {**self._layer_files, **self._group_files}
        names = {own: name for name, own in files.items() if own != name}
        decisions = self.decisions and {**self.decisions, "group": self._group_of_decisions()}
        return {
            "estimator": self.estimator,
            **settings,
            "layers": list(self._layer_files.values()),
            "groups": [{"name": self._group_files[name], "n_examples": len(ids),
                        "ids_sha256": sha256_of("\n".join(ids))}
                       for name, ids in self.groups.items()],
            "decisions": decisions,
            **self._about_answers(),
            **({"names": names} if names else {}),
        }

    def _about_answers(self):
        if self.test_labels is None:
            return {}
        labels = "\n".join(map(str, self.test_labels.tolist()))
        return {"answers": {"n_images": len(self.test_labels), "labels_sha256": sha256_of(labels)}}

    def _group_of_decisions(self):
        return file_name(self.decisions["group"])

    def _own_directory(self):
        manifest = path(self.root, "manifest")
        if self.root.exists() and not self.root.is_dir():
            raise FileExistsError(f"{self.root} is a file; choose another directory")
        if self.root.is_dir() and not manifest.exists():
            lock = path(self.root, "lock")
            others = [p.name for p in self.root.iterdir()
                      if p != lock and not p.name.startswith(_files.TEMPORARY)]
            if others:
                raise FileExistsError(
                    f"{self.root} is not empty and holds no run ({others[0]}, …); "
                    "choose another directory")
        self.root.mkdir(parents=True, exist_ok=True)
        if manifest.exists() and _files.read_manifest(self.root).get("source") != "recorded":
            raise FileExistsError(
                f"{self.root} holds a run that stratagram trained; choose another directory")

    def _adopt_or_begin(self, about):
        for stray in self.root.rglob(f"{_files.TEMPORARY}*"):
            stray.unlink()
        manifest = path(self.root, "manifest")
        if not manifest.exists():
            self._begin(manifest, about)
            return
        there = _flat(_files.read_manifest(self.root).get("recording") or {})
        here = _flat(json.loads(json.dumps(self.settings)))
        differ = [key for key in sorted({*there, *here}) if there.get(key) != here.get(key)]
        if differ:
            shown = "; ".join(f"{key} is {there.get(key)!r} there but {here.get(key)!r} here"
                              for key in differ)
            raise ValueError(f"{self.root} holds another recording: {shown}. Choose another "
                             "directory, or start over with fresh=True")

    def _begin(self, manifest, about):
        content = {"format": _files.FORMAT, "stratagram": version(), "source": "recorded",
                   "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                   **about, "recording": self.settings}
        write_atomic(manifest, sealed(content).encode())

    def _write_examples(self):
        """What the rows are of, where a process that began was killed before it was written; labels may
        be added.
        """
        ids = path(self.root, "sample_ids")
        if not ids.exists():
            lines = [f"{self._group_files[group]},{row},{_quoted(own)}"
                     for group, members in self.groups.items() for row, own in enumerate(members)]
            self._checksums.write(ids, "\n".join(["group,row,id", *lines, ""]).encode())
        labels = {f"{kind}/{self._group_files[group]}": own
                  for (kind, group), own in self._labels.items()}
        if self.test_labels is not None:
            labels["test"] = self.test_labels
        _labels.keep(self.root, self._checksums, labels)

    def has_labels(self, group):
        """Whether the classes of a group's examples are known."""
        return any(group == own for _, own in self._labels)

    def _read_rows(self) -> dict[int, dict[str, float]]:
        rows: dict[int, dict[str, float]] = {}
        self._captured: set[int] = set()
        for step, part in _files.steps(self.root, "row").items():
            self._checksums.check(part)
            with np.load(part, allow_pickle=False) as part:
                if any(n.startswith("cka/") for n in part.files):
                    self._captured.add(step)
                columns = [n for n in part.files if n.startswith("history/")]
                rows[step] = {"epoch": float(part["epoch"][0]),
                              **{n[len("history/"):]: float(part[n][0]) for n in columns}}
        return rows

    # -- recording -------------------------------------------------------------------------

    @property
    def last_step(self) -> int | None:
        """The last recorded step, None where there is none."""
        return max(self.rows, default=None)

    def check(self, epoch, step, values):
        """The row's step, and its epoch and numbers by name; refuses what no row can be."""
        epoch, step = _history.position(epoch, step)
        row = {"epoch": epoch, **_history.checked(values)}
        if self._rewound and any(other >= step for other in self.rows):
            raise ValueError(f"step {step} is not after the last one, {self.last_step}")
        before = [other["epoch"] for at, other in self.rows.items() if at < step]
        if before and epoch <= max(before):
            raise ValueError(f"epoch {epoch} is not after the last one, {max(before)}")
        return step, row

    def begin(self, epoch, step, values):
        """As :meth:`check`; what was recorded later is taken back, once.

        A training that was killed continues from its own last checkpoint, which may lie before
        the last recorded step: the first row after opening may go back, later ones may not.
        """
        step, row = self.check(epoch, step, values)
        for other in sorted((at for at in self.rows if at >= step), reverse=True):
            # The sign that the analysis is complete goes first.
            path(self.root, "axis").unlink(missing_ok=True)
            path(self.root, "row", step=other).unlink()
            self._captured.discard(other)
            del self.rows[other]
        self._rewound = True
        return step, row

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
        step, row = self.begin(epoch, step, values)
        arrays: dict[str, npt.NDArray[Any]] = {}
        if activations is not None:
            is_grouped = set(activations) == set(self.groups)
            by_group = activations if is_grouped else {next(iter(self.groups)): activations}
            for group in self.groups:
                for layer in self.layers:
                    self.reduce(arrays, group, layer, _given(by_group, group, layer))
            if self.decisions is not None:
                self.decide(arrays, decisions)
            if self.test_labels is not None:
                self.answer(arrays, answers)
            if example_answers is not None:
                if not isinstance(example_answers, Mapping):
                    example_answers = {next(iter(self.groups)): example_answers}
                for group, own in example_answers.items():
                    self.answer_examples(arrays, group, own)
        return self.write(step, row, arrays, start)

    def reduce(self, arrays, group, layer, x):
        """Adds the signature of ``x``, ``[n, …]``, to the arrays of a row."""
        n = len(self.groups[group])
        if len(x) != n:
            raise ValueError(f"layer {layer} has {len(x)} rows; expected {n}, the examples of "
                             f"{group}")
        if not hasattr(x, "detach"):  # no tensor of torch: NumPy reads the others
            x = np.asarray(x)
            x = x if x.dtype == np.float64 else x.astype(np.float32)
        elif str(x.dtype) not in ("torch.float32", "torch.float64"):
            x = x.float()
        place = f"{self._group_files[group]}/{self._layer_files[layer]}"
        place, norms = f"cka/{place}", f"norms/{place}"
        try:
            arrays[place], arrays[norms] = reduced(x.reshape(n, -1), self.estimator)
        except Undefined as reason:
            length = signature_length(n, self.estimator)
            arrays[place] = np.full(length, np.nan, np.float32)
            arrays[norms] = np.full(n + 1, np.nan)
            arrays[f"reason/{place}"] = np.frombuffer(str(reason).encode(), np.uint8)

    def decide(self, arrays, classes, layer=OUTPUT, reason=None):
        """Adds the classes at the points of all planes, ``[planes · points]``, or why none."""
        n = self.decisions["n_planes"] * self.decisions["points_per_plane"]
        place = f"drs/{self._group_of_decisions()}/{self._layer_files.get(layer, layer)}"
        if reason is not None:
            classes = np.zeros(n)
            arrays[f"reason/{place}"] = np.frombuffer(reason.encode(), np.uint8)
        classes = np.asarray(classes).reshape(-1)
        if len(classes) != n or classes.min() < 0 or classes.max() >= CLASSES:
            raise ValueError(f"{len(classes)} decisions; expected {n} classes from 0 to "
                             f"{CLASSES - 1}")
        arrays[place] = _narrow(classes)

    def answer(self, arrays, answers):
        """Adds the model's answers to the test images, ``[images]``."""
        answers = classes("answers", [] if answers is None else answers)
        if len(answers) != len(self.test_labels):
            raise ValueError(f"{len(answers)} answers for {len(self.test_labels)} test images")
        arrays[f"agreement/test/{OUTPUT}"] = _narrow(answers)

    def answer_examples(self, arrays, group, answers):
        """Adds the model's answers to the examples of a group, ``[n]``."""
        answers = classes("example_answers", answers)
        if group not in self.groups or len(answers) != len(self.groups[group]):
            raise ValueError(f"{len(answers)} example_answers of {group!r}; expected one for each "
                             f"example of {', '.join(self.groups)}")
        arrays[f"answers/{self._group_files[group]}"] = _narrow(answers)

    def answer_readout(self, arrays, answers, reason=None):
        """Adds the answers of a readout that was fitted again to the test images, or why none."""
        place = f"agreement/test/{READOUT}"
        if reason is not None:
            answers = np.zeros(len(self.test_labels))
            arrays[f"reason/{place}"] = np.frombuffer(reason.encode(), np.uint8)
        arrays[place] = _narrow(classes("answers", answers))

    def add_weights(self, arrays, sketches):
        """Adds what is kept of the weights up to each layer, ``{layer: [k]}``."""
        for layer, own in sketches.items():
            arrays[f"weights/{self._layer_files.get(layer, layer)}"] = own

    def add_probe(self, arrays, layer, row):
        """Adds the row of a layer's probe, the columns of ``probes.csv``."""
        arrays[f"probe/{self._layer_files[layer]}"] = row[None]

    def write(self, step, row, arrays, start):
        """Writes the row; returns the seconds since ``start``, which are recorded with it."""
        numbers = {f"history/{name}": np.array([v]) for name, v in row.items() if name != "epoch"}
        arrays = {"epoch": np.array([row["epoch"]]), **arrays, **numbers}
        self._checksums.write(path(self.root, "row", step=step),
                              lambda file: np.savez(file, **arrays))
        self.rows[step] = row
        self._write_history()
        self._append_signatures(step, arrays)
        seconds = time.perf_counter() - start
        timing = path(self.root, "timing")
        with _files.writing(timing), timing.open("a") as file:
            file.write(f"{step},{seconds:.4f}\n")
        _history.say_derived(self.rows, self._said)
        return seconds

    def _append_signatures(self, step, arrays):
        places = list(filter(_is_signature, arrays))
        before = []
        if places:
            # Signatures grow from here on: the analysis, which listed them, is to be made again.
            path(self.root, "analysis_checksums").unlink(missing_ok=True)
            self._captured.add(step)
            before = sorted(other for other in self._captured if other < step)

        def earlier(place):
            for other in before:
                with np.load(path(self.root, "row", step=other)) as part:
                    yield part[place]

        for place in places:
            _rows.append(self._signatures(place), len(before), arrays[place],
                         lambda p=place: earlier(p))

    def _complete_signatures(self):
        """Adds what a process recorded that was killed before its signatures had grown; an
        analysis has written them itself.
        """
        if not self._captured or path(self.root, "axis").exists():
            return
        last = max(self._captured)
        with np.load(path(self.root, "row", step=last)) as row:
            arrays = {name: row[name] for name in row.files if _is_signature(name)}
        n = len(self._captured)
        lacking = {place: values for place, values in arrays.items()
                   if not _rows.holds(self._signatures(place), n, values)}
        if lacking:
            self._append_signatures(last, lacking)

    def _signatures(self, place):
        measure, group, layer = place.split("/")
        return path(self.root, "signatures", measure=measure, group=group, layer=layer)

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


def _is_signature(name):
    """Whether an array of a row grows; rows of an earlier version have no readout's answers."""
    return name.startswith(_PLACES) and name != f"agreement/test/{READOUT}"


def _narrow(decided):
    """Classes in a byte each where that holds them, else in two."""
    return decided.astype(np.uint8 if decided.max() < 256 else np.uint16)


def _given(by_group, group, layer):
    of_group = by_group[group]
    if layer not in of_group:
        raise ValueError(f"activations of {group} have no layer {layer!r}; they have "
                         f"{', '.join(map(str, of_group))}")
    return of_group[layer]


def _flat(value, key=""):
    if isinstance(value, dict):
        pairs = [(f"{key}.{k}" if key else k, v) for k, v in value.items()]
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        pairs = [(f"{key}.{v.get('name')}", v) for v in value]
    else:
        return {key: value}
    return {k: v for name, inner in pairs for k, v in _flat(inner, name).items()}


def _quoted(text):
    return '"' + text.replace('"', '""') + '"' if re.search(r'[",\r\n]', text) else text


def sha256_of(text):
    """The digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()
