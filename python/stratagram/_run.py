"""Reads a run directory (docs/FORMAT.md): trained by ``stratagram``, imported or recorded."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np


def open(run):
    """The run directory ``run``, as a :class:`Run`."""
    return Run(run)


class Run:
    """The results in a run directory; files are read when they are asked for.

    >>> run = stratagram.open("runs/mine")
    >>> run.layers, run.epochs
    >>> run.matrix("fc")                     # [E, E], NaN where undefined
    >>> run.curves["test_error"]             # an array over run.curves["epoch"]
    >>> run                                  # in a notebook: the headline figure
    """

    def __init__(self, root):
        self.root = Path(root)
        manifest = self.root / "run.json"
        if not manifest.is_file():
            raise FileNotFoundError(f"{self.root} is no run directory: it has no run.json")
        self.manifest = json.loads(manifest.read_text())

    @property
    def steps(self):
        """Step of each row and column of the matrices."""
        return self._axis("step").astype(np.int64)

    @property
    def epochs(self):
        """Epoch of each row and column of the matrices."""
        return self._axis("epoch")

    @property
    def measures(self):
        """The measures that there are matrices of, with their groups."""
        places = sorted(p.parent for p in (self.root / "matrices").glob("*/*/*.npy"))
        found = {}
        for place in dict.fromkeys(places):
            found.setdefault(place.parent.name, []).append(place.name)
        return found

    @property
    def layers(self):
        """The layers that there are matrices of, in the order of matrices.csv: by depth."""
        table = self.root / "matrices.csv"
        return list(dict.fromkeys(row["layer"] for row in _rows(table)))

    def matrix(self, layer, measure="cka", group=None):
        """Similarity of a layer with itself over the epochs, float32 ``[E, E]``."""
        return np.load(self._layer_file("matrices", layer, measure, group), allow_pickle=False)

    def matrices(self, measure="cka", group=None):
        """The matrices of all layers."""
        folder = self._folder("matrices", measure, group)
        files = {path.stem: path for path in folder.glob("*.npy")}
        names = [layer for layer in self.layers if layer in files]
        return {name: np.load(files[name], allow_pickle=False) for name in names}

    def signatures(self, layer, measure="cka", group=None):
        """What each checkpoint was reduced to, ``[E, S]``."""
        return np.load(self._layer_file("signatures", layer, measure, group),
                       allow_pickle=False, mmap_mode="r")

    def standard_errors(self, layer, measure="cka", group=None):
        """Standard errors over examples (or planes) of a matrix, ``[E, E]``; NaN: none."""
        group = self._folder("matrices", measure, group).name
        place = {step: row for row, step in enumerate(self.steps)}
        errors = np.full((len(place), len(place)), np.nan)
        for row in _rows(self.root / "matrices.csv"):
            if (row["layer"], row["measure"], row["group"]) == (layer, measure, group):
                i, j = place[int(row["step_i"])], place[int(row["step_j"])]
                errors[i, j] = errors[j, i] = float(row["se"] or "nan")
        return errors

    @property
    def curves(self):
        """The columns of history.csv as arrays, NaN where a field is empty."""
        return _table(_rows(self.root / "history.csv"))

    @property
    def probes(self):
        """The linear probe of each layer: columns of probes.csv as arrays over its epochs."""
        found = {}
        for row in _rows(self.root / "probes.csv"):
            # The first of a step is the probe itself; others are of another λ or labels.
            found.setdefault(row["layer"], {}).setdefault(row["step"], row)
        return {layer: _table(list(rows.values())) for layer, rows in found.items()}

    @property
    def phases(self):
        """What phases.json says: perfect fit, double descent; None where it is absent."""
        path = self.root / "phases.json"
        return json.loads(path.read_text()) if path.is_file() else None

    @property
    def figures(self):
        """The report's figures by name; each shows itself in a notebook."""
        folder = self.root / "report" / "figures"
        return {path.stem: Figure(path) for path in sorted(folder.glob("*.svg"))}

    def __repr__(self):
        n_layers = len(self.layers)
        return f"Run({str(self.root)!r}: {len(self.epochs)} epochs, {n_layers} layers)"

    def _repr_html_(self):
        from html import escape

        headline = self.figures.get("headline-wide")
        drawing = headline.svg if headline else (
            f"<p>no figures yet: <code>stratagram report {escape(str(self.root))}</code></p>")
        return f"<div><p><b>{escape(repr(self))}</b></p>{drawing}</div>"

    def _axis(self, column):
        return np.array([float(row[column]) for row in _rows(self.root / "matrices/axis.csv")])

    def _folder(self, kind, measure, group):
        folder = self.root / kind / measure
        groups = sorted(p.name for p in folder.glob("*") if p.is_dir())
        if group is None and groups:
            group = "test" if "test" in groups else groups[0]
        if group not in groups:
            raise KeyError(f"{self.root} has no {kind} of {measure!r}, group {group!r}; it has "
                           f"{self.measures or 'none yet: run `stratagram analyze`'}")
        return folder / group

    def _layer_file(self, kind, layer, measure, group):
        path = self._folder(kind, measure, group) / f"{layer}.npy"
        if not path.is_file():
            raise KeyError(f"no layer {layer!r} of {measure!r}; there are {self.layers}")
        return path


class Figure:
    """A figure of the report."""

    def __init__(self, path):
        self.path = path

    @property
    def svg(self):
        """The drawing as text."""
        return self.path.read_text(encoding="utf-8")

    def _repr_svg_(self):
        return self.svg

    def __repr__(self):
        return f"Figure({str(self.path)!r})"


def _table(rows):
    """The columns of a table that hold numbers."""
    names = rows[0].keys() if rows else ()
    return {n: np.array([float(row[n] or "nan") for row in rows]) for n in names
            if n not in ("layer", "labels")}


def _rows(path):
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
