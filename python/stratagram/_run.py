"""Reads a run directory (docs/FORMAT.md): trained by ``stratagram``, imported or recorded."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np

from ._tables import FILES, TABLES


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
        manifest = self._path("manifest")
        if not manifest.is_file():
            raise FileNotFoundError(f"{self.root} is not a run directory: it has no run.json")
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
        places = sorted(p.parent for p in self._paths("matrix"))
        found = {}
        for place in dict.fromkeys(places):
            found.setdefault(place.parent.name, []).append(place.name)
        return found

    @property
    def layers(self):
        """The layers that there are matrices of, in the order of matrices.csv: by depth."""
        return list(dict.fromkeys(row["layer"] for row in self._rows("matrices")))

    def matrix(self, layer, measure="cka", group=None):
        """Similarity of a layer with itself over the epochs, float32 ``[E, E]``."""
        return np.load(self._layer_file("matrix", layer, measure, group), allow_pickle=False)

    def matrices(self, measure="cka", group=None):
        """The matrices of all layers."""
        folder = self._folder("matrix", measure, group)
        files = {path.stem: path for path in folder.glob("*.npy")}
        names = [layer for layer in self.layers if layer in files]
        return {name: np.load(files[name], allow_pickle=False) for name in names}

    def signatures(self, layer, measure="cka", group=None):
        """What each checkpoint was reduced to, ``[E, S]``."""
        return np.load(self._layer_file("signatures", layer, measure, group),
                       allow_pickle=False, mmap_mode="r")

    def standard_errors(self, layer, measure="cka", group=None):
        """Standard errors over examples (or planes) of a matrix, ``[E, E]``; NaN: none."""
        group = self._folder("matrix", measure, group).name
        place = {step: row for row, step in enumerate(self.steps)}
        errors = np.full((len(place), len(place)), np.nan)
        for row in self._rows("matrices"):
            if (row["layer"], row["measure"], row["group"]) == (layer, measure, group):
                i, j = place[int(row["step_i"])], place[int(row["step_j"])]
                errors[i, j] = errors[j, i] = float(row["se"] or "nan")
        return errors

    @property
    def curves(self):
        """The columns of history.csv as arrays, NaN where a field is empty."""
        return _numbers(self._rows("history"), TABLES["history"])

    def table(self, name):
        """A table such as "geometry" or "matrices": its columns as arrays, text as objects.

        Numbers are NaN where a field is empty; a table that the run lacks has no rows.
        """
        if name not in TABLES:
            raise KeyError(f"no table {name!r}; there are {list(TABLES)}")
        rows = self._rows(name)
        texts = {column: np.array([row[column] for row in rows], dtype=object)
                 for column, kind in TABLES[name].items() if kind is str}
        numbers = _numbers(rows, TABLES[name])
        names = rows[0].keys() if rows else TABLES[name]
        empty = np.array([])
        return {n: texts[n] if n in texts else numbers.get(n, empty) for n in names}

    @property
    def probes(self):
        """The linear probe of each layer: columns of probes.csv as arrays over its epochs."""
        found = {}
        for row in self._rows("probes"):
            # The first of a step is the probe itself; others are of another λ or labels.
            found.setdefault(row["layer"], {}).setdefault(row["step"], row)
        kinds = TABLES["probes"]
        return {layer: _numbers(list(rows.values()), kinds) for layer, rows in found.items()}

    @property
    def phases(self):
        """What phases.json says: perfect fit, double descent; None where it is absent."""
        path = self._path("phases")
        return json.loads(path.read_text()) if path.is_file() else None

    @property
    def figures(self):
        """The report's figures by name; each shows itself in a notebook."""
        return {path.stem: Figure(path) for path in self._paths("figure")}

    def __repr__(self):
        n_layers = len(self.layers)
        return f"Run({str(self.root)!r}: {len(self.epochs)} epochs, {n_layers} layers)"

    def _repr_html_(self):
        from html import escape

        headline = self.figures.get("headline-wide")
        drawing = headline.svg if headline else (
            f"<p>no figures yet: <code>stratagram report {escape(str(self.root))}</code></p>")
        return f"<div><p><b>{escape(repr(self))}</b></p>{drawing}</div>"

    def _path(self, kind, **names):
        return self.root / FILES[kind].format(**names)

    def _paths(self, kind):
        """The files of a kind with names in their paths, sorted."""
        return sorted(self.root.glob(re.sub(r"\{\w+\}", "*", FILES[kind])))

    def _rows(self, table):
        path = self._path(table)
        if not path.is_file():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def _axis(self, column):
        return np.array([float(row[column]) for row in self._rows("axis")])

    def _folder(self, kind, measure, group):
        folder = self._path(kind, measure=measure, group="x", layer="x").parent.parent
        groups = sorted(p.name for p in folder.glob("*") if p.is_dir())
        if group is None and groups:
            group = "test" if "test" in groups else groups[0]
        if group not in groups:
            what = {"matrix": "matrices"}.get(kind, kind)
            raise KeyError(f"{self.root} has no {what} of {measure!r}, group {group!r}; it has "
                           f"{self.measures or 'none yet: run `stratagram analyze`'}")
        return folder / group

    def _layer_file(self, kind, layer, measure, group):
        group = self._folder(kind, measure, group).name
        path = self._path(kind, measure=measure, group=group, layer=layer)
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


def _numbers(rows, kinds):
    """The columns that hold numbers; those that the program does not know are numbers too."""
    names = rows[0].keys() if rows else ()
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in names
            if kinds.get(name, float) is not str}
