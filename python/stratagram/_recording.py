"""The run directory of a recording (docs/FORMAT.md, "Recordings").

``recorded/step-000000336.npz`` holds everything that one call of ``log`` recorded and appears
whole, by renaming: a process that is killed leaves a row or none. ``history.csv`` and ``signatures/`` are
made from these files.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import tempfile
import time
from pathlib import Path

import numpy as np

from . import _files, _rows
from ._signature import ESTIMATORS, Undefined, reduced, signature_length
from ._tables import FILES, KEPT
from ._version import version

FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}")
#: What the model's own decisions are called.
OUTPUT = "output"
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Recording:
    """A run directory that rows are recorded into, from activations of any framework.

    ``examples`` maps each group's name (``"test"``, ``"train-clean"`` …) to the ids of its
    examples, in the order of the rows of all activations. ``settings`` are further choices that
    rows depend on. An existing recording is continued after its last step if all of these are
    the same, else refused with the keys that differ.

    >>> rec = Recording("runs/mine", layers=["fc"], examples={"test": range(512)})
    >>> rec.log(epoch=1, step=8, activations={"fc": fc}, train_error=0.1, test_error=0.2)
    """

    def __init__(self, out, layers, examples, *, estimator="debiased", decisions=None,
                 settings=None, about=None, fresh=False):
        if estimator not in ESTIMATORS:
            raise ValueError(f"estimator is {estimator!r}; expected one of {ESTIMATORS}")
        self.root = Path(out)
        self.layers = [_checked(layer) for layer in layers]
        self.groups = {_checked(name): [str(i) for i in ids] for name, ids in examples.items()}
        self.estimator = estimator
        self.decisions = decisions
        if not self.layers or not self.groups:
            raise ValueError("a recording needs at least one layer and one group of examples")
        self._rewound = False
        self.settings = {
            "estimator": estimator,
            **(settings or {}),
            "layers": self.layers,
            "groups": [
                {"name": name, "n_examples": len(ids), "ids_sha256": sha256_of("\n".join(ids))}
                for name, ids in self.groups.items()
            ],
            "decisions": decisions,
        }
        self._lock = _take_lock(self._own_directory())
        if fresh:
            self._empty()
        self._adopt_or_begin(about or {})
        self.rows = self._read_rows()
        self._write_history()
        if not (self.root / "timing.csv").exists():
            write_atomic(self.root / "timing.csv", b"step,seconds\n")

    # -- opening ---------------------------------------------------------------------------

    def _own_directory(self):
        manifest = self.root / "run.json"
        if self.root.exists() and not self.root.is_dir():
            raise FileExistsError(f"{self.root} is a file; choose another directory")
        if self.root.is_dir() and not manifest.exists():
            others = [p.name for p in self.root.iterdir()
                      if p.name != "lock" and not p.name.startswith(".stratagram-tmp-")]
            if others:
                raise FileExistsError(
                    f"{self.root} is not empty and holds no run ({others[0]}, …); "
                    "choose another directory")
        self.root.mkdir(parents=True, exist_ok=True)
        if manifest.exists() and _read_manifest(manifest).get("source") != "recorded":
            raise FileExistsError(
                f"{self.root} holds a run that stratagram trained; choose another directory")
        return self.root

    def _empty(self):
        """Removes every file of a run but the locks, run.json last, and nothing else."""
        manifest = self.root / FILES["manifest"]
        kinds = [kind for kind in FILES if kind not in (*KEPT, "manifest")]
        for pattern in (FILES[kind] for kind in kinds):
            _files.remove(self.root, pattern.split("/"))
        manifest.unlink(missing_ok=True)

    def _adopt_or_begin(self, about):
        for stray in self.root.rglob(".stratagram-tmp-*"):
            stray.unlink()
        path = self.root / "run.json"
        if not path.exists():
            manifest = {"format": FORMAT, "stratagram": version(), "source": "recorded",
                        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                        **about, "recording": self.settings}
            lines = [f"{group},{row},{_quoted(own)}" for group, ids in self.groups.items()
                     for row, own in enumerate(ids)]
            write_atomic(self.root / "sample_ids.csv",
                         "\n".join(["group,row,id", *lines, ""]).encode())
            write_atomic(path, (json.dumps(manifest, indent=2) + "\n").encode())
            return
        there = _flat(_read_manifest(path).get("recording") or {})
        here = _flat(json.loads(json.dumps(self.settings)))
        differ = [key for key in sorted({*there, *here}) if there.get(key) != here.get(key)]
        if differ:
            shown = "; ".join(f"{key} = {there.get(key)!r} there, {here.get(key)!r} here"
                              for key in differ)
            raise ValueError(f"{self.root} holds another recording: {shown}. Choose another "
                             "directory, or start anew with fresh=True")

    def _parts(self):
        found = {}
        for path in (self.root / "recorded").glob("step-*.npz"):
            match = re.fullmatch(r"step-(\d{9,})\.npz", path.name)
            if match:
                found[int(match[1])] = path
        return dict(sorted(found.items()))

    def _read_rows(self):
        rows, self._captured = {}, set()
        for step, path in self._parts().items():
            with np.load(path, allow_pickle=False) as part:
                if any(n.startswith("cka/") for n in part.files):
                    self._captured.add(step)
                columns = [n for n in part.files if n.startswith("history/")]
                rows[step] = {"epoch": float(part["epoch"][0]),
                              **{n[len("history/"):]: float(part[n][0]) for n in columns}}
        return rows

    # -- recording -------------------------------------------------------------------------

    @property
    def last_step(self):
        """The last recorded step, None where there is none."""
        return max(self.rows, default=None)

    def begin(self, epoch, step, values):
        """Checks what a row is called and holds; what was recorded later is taken back once.

        A training that was killed continues from its own last checkpoint, which may lie before
        the last recorded step: the first row after opening may go back, later ones may not.
        """
        step, epoch = _whole(step), float(epoch)
        if not (math.isfinite(epoch) and epoch >= 0):
            raise ValueError(f"epoch is {epoch}; expected a number from 0 on")
        for name, value in values.items():
            if not _COLUMN.fullmatch(name) or name in ("step", "epoch"):
                raise ValueError(f"{name!r} cannot be a column of history.csv")
            if name.endswith("_error") and not (0 <= float(value) <= 1):
                if not math.isnan(float(value)):
                    raise ValueError(f"{name} is {value}; errors are fractions from 0 to 1")
        later = [other for other in self.rows if other >= step]
        if later and self._rewound:
            raise ValueError(f"step {step} is not after the last one, {self.last_step}")
        for other in sorted(later, reverse=True):
            # The sign that the analysis is complete goes first.
            (self.root / "matrices" / "axis.csv").unlink(missing_ok=True)
            self._parts()[other].unlink()
            self._captured.discard(other)
            del self.rows[other]
        before = [row["epoch"] for row in self.rows.values()]
        if before and epoch <= max(before):
            raise ValueError(f"epoch {epoch} is not after the last one, {max(before)}")
        self._rewound = True
        return step, epoch

    def log(self, *, epoch, step, activations=None, decisions=None, **values):
        """Records one row: errors and losses, and what each layer's activations reduce to.

        ``activations`` maps a layer to its array ``[n, …]``, or each group to such a map;
        without it the row holds numbers alone, for curves that are denser than the matrices.
        ``decisions`` are the classes at the points of all planes.
        """
        start = time.perf_counter()
        step, epoch = self.begin(epoch, step, values)
        arrays = {}
        if activations is not None:
            by_group = activations if set(activations) == set(self.groups) else None
            if by_group is None:
                by_group = {next(iter(self.groups)): activations}
            for group in self.groups:
                for layer in self.layers:
                    self.reduce(arrays, group, layer, by_group[group][layer])
            if self.decisions is not None:
                self.decide(arrays, decisions)
        return self.write(step, epoch, arrays, values, start)

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
        place, norms = f"cka/{group}/{layer}", f"norms/{group}/{layer}"
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
        place = f"drs/{self.decisions['group']}/{layer}"
        if reason is not None:
            classes = np.zeros(n)
            arrays[f"reason/{place}"] = np.frombuffer(reason.encode(), np.uint8)
        classes = np.asarray(classes).reshape(-1)
        if len(classes) != n or classes.min() < 0 or classes.max() > 255:
            raise ValueError(f"{len(classes)} decisions; expected {n} classes from 0 to 255")
        arrays[place] = classes.astype(np.uint8)

    def write(self, step, epoch, arrays, values, start):
        """Writes the row; gives the seconds since ``start``, which are recorded with it."""
        row = {"epoch": epoch, **{name: float(value) for name, value in values.items()}}
        arrays = {"epoch": np.array([epoch]), **arrays}
        arrays.update((f"history/{n}", np.array([v])) for n, v in row.items() if n != "epoch")
        path = self.root / "recorded" / f"step-{step:09}.npz"
        write_atomic(path, lambda file: np.savez(file, **arrays))
        self.rows[step] = row
        self._write_history()
        self._append_signatures(step, arrays)
        seconds = time.perf_counter() - start
        with open(self.root / "timing.csv", "a") as timing:
            timing.write(f"{step},{seconds:.4f}\n")
        return seconds

    def _append_signatures(self, step, arrays):
        places = [name for name in arrays if name.startswith(("cka/", "drs/"))]
        before = []
        if places:
            self._captured.add(step)
            before = sorted(other for other in self._captured if other < step)

        def earlier(place):
            for other in before:
                with np.load(self.root / "recorded" / f"step-{other:09}.npz") as part:
                    yield part[place]

        for place in places:
            path = self.root / "signatures" / f"{place}.npy"
            _rows.append(path, len(before), arrays[place], lambda p=place: earlier(p),
                         write_atomic)

    def _write_history(self):
        names = list(dict.fromkeys(n for row in self.rows.values() for n in row))
        names = [n for n in names if n != "epoch"]
        table = [["step", "epoch", *names]]
        for step, row in sorted(self.rows.items()):
            numbers = [row.get(name, math.nan) for name in ["epoch", *names]]
            table.append([str(step), *("" if math.isnan(v) else _shortest(v) for v in numbers)])
        text = "".join(",".join(row) + "\n" for row in table)
        write_atomic(self.root / "history.csv", text.encode())

    def close(self):
        """Gives the directory free for another recorder; the end of the process does, too."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def write_atomic(path, content):
    """Writes bytes, or what ``content(file)`` writes, under a temporary name, then renames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".stratagram-tmp-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _take_lock(root):
    try:
        import fcntl
    except ImportError:  # Windows: nothing keeps two recorders apart
        return None
    lock = open(root / "lock", "a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read(200).strip()
        lock.close()
        raise RuntimeError(f"{root} is in use by {holder or 'another process'}; close that "
                           "recorder or choose another directory") from None
    lock.truncate(0)
    lock.write(f"process {os.getpid()}\n")
    lock.flush()
    return lock


def _read_manifest(path):
    try:
        manifest = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None
    if manifest.get("format") != FORMAT:
        raise ValueError(f"{path} has format {manifest.get('format')}; expected {FORMAT}")
    return manifest


def _flat(value, key=""):
    if isinstance(value, dict):
        pairs = [(f"{key}.{k}" if key else k, v) for k, v in value.items()]
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        pairs = [(f"{key}.{v.get('name')}", v) for v in value]
    else:
        return {key: value}
    return {k: v for name, inner in pairs for k, v in _flat(inner, name).items()}


def _checked(name):
    if not _NAME.fullmatch(str(name)):
        raise ValueError(f"{name!r} cannot be a file name: expected 1 to 80 of the characters "
                         "A-Z a-z 0-9 . _ - (not beginning with a dot)")
    return str(name)


def _whole(step):
    if int(step) != step or step < 0:
        raise ValueError(f"step is {step}; expected a whole number from 0 on")
    return int(step)


def _shortest(value):
    is_whole = math.isfinite(value) and value == int(value) and abs(value) < 1e15
    return str(int(value)) if is_whole else repr(value)


def _quoted(text):
    return '"' + text.replace('"', '""') + '"' if re.search(r'[",\r\n]', text) else text


def sha256_of(text):
    return hashlib.sha256(text.encode()).hexdigest()
