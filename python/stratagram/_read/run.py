"""Reads a run directory (docs/FORMAT.md): trained by ``stratagram``, imported or recorded."""

from __future__ import annotations

import csv
import re
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._run_dir import files as _files
from .._run_dir.checked import checked
from .._tables import FILES, TABLES
from .figure import Figure, Page
from .matrix import Matrix
from .near import Missing, meant, missing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Columns of a table by name: numbers as float64, texts as objects.
Columns = dict[str, npt.NDArray[Any]]


def open(run: str | PathLike[str]) -> Run:
    """The run directory ``run``, as a :class:`Run`."""
    return Run(run)


class Run:
    """The results in a run directory; files are read when they are asked for, and compared with
    their checksums then: one that is not as it was written raises a ``ValueError`` that names it.

    >>> run = stratagram.open("runs/mine")
    >>> run.layers, run.epochs
    >>> run.matrix("fc")                     # [E, E], NaN where undefined
    >>> run.matrix("fc").to_pandas()         # a DataFrame by epochs
    >>> run.plot("fc")                       # at its true extent in log epochs
    >>> run.curves["test_error"]             # an array over run.curves["epoch"]
    >>> run                                  # in a notebook: the headline figure

    E is the number of rows and columns of the matrices: analyzed checkpoints, or recorded rows.
    Epochs are passes over the training set, steps those of the optimizer, errors fractions.
    """

    def __init__(self, root: str | PathLike[str]) -> None:
        self.root = Path(root)
        manifest = self._path("manifest")
        if not self.root.exists():
            others = sorted(run.parent.name for run in self.root.parent.glob("*/run.json"))
            raise FileNotFoundError("; ".join([f"{self.root} does not exist", *meant(self.root.name, others)]))
        if not manifest.is_file():
            raise FileNotFoundError(f"{self.root} is not a run directory: it has no run.json")
        checked(self.root, "manifest", manifest)
        self.manifest: dict[str, Any] = _files.read_json(manifest)
        recording = self.manifest.get("recording") or {}
        #: What layers and groups are called whose names cannot be those of files.
        self._names: dict[str, str] = recording.get("names") or {}
        self._own = {name: file for file, name in self._names.items()}

    # -- what there is ---------------------------------------------------------------------

    @property
    def steps(self) -> npt.NDArray[np.int64]:
        """Optimizer step of each row and column of the matrices, int64 ``[E]``."""
        return self._axis("step").astype(np.int64)

    @property
    def epochs(self) -> npt.NDArray[np.float64]:
        """Epoch of each row and column of the matrices, float64 ``[E]``."""
        return self._axis("epoch")

    @property
    def measures(self) -> dict[str, list[str]]:
        """The measures that there are matrices of, with their groups of examples."""
        places = sorted(path.parent for path in self._paths("matrix"))
        found: dict[str, list[str]] = {}
        for place in dict.fromkeys(places):
            found.setdefault(place.parent.name, []).append(self._called(place.name))
        return found

    @property
    def layers(self) -> list[str]:
        """The layers that there are matrices of, by depth."""
        names = dict.fromkeys(row["layer"] for row in self._rows("matrices"))
        return [self._called(name) for name in names]

    @property
    def layer_order(self) -> list[str]:
        """All layers from input to output: those of a recording also before its analysis."""
        recorded = (self.manifest.get("recording") or {}).get("layers") or []
        return list(dict.fromkeys([*map(self._called, recorded), *self.layers]))

    # -- matrices --------------------------------------------------------------------------

    def matrix(self, layer: str, measure: str = "cka", group: str | None = None) -> Matrix:
        """Similarity of a layer with itself over the epochs, float32 ``[E, E]``.

        ``group`` is ``"test"`` where there is one, else the first.
        """
        path = self._layer_file("matrix", layer, measure, group)
        values = np.load(checked(self.root, "matrix", path), allow_pickle=False)
        return Matrix(values, layer=layer, measure=measure,
                      group=self._called(path.parent.name), steps=self.steps, epochs=self.epochs)

    def matrices(self, measure: str = "cka", group: str | None = None) -> dict[str, Matrix]:
        """The matrices of all layers, by depth, float32 ``[E, E]`` each."""
        folder = self._folder("matrix", measure, group)
        files = {self._called(path.stem) for path in folder.glob("*.npy")}
        names = [layer for layer in self.layers if layer in files]
        return {name: self.matrix(name, measure, group) for name in names}

    def plot(self, layer: str, measure: str = "cka", group: str | None = None, *,
             ax: Axes | None = None, colorbar: bool = True, **options: Any) -> Axes:
        """Draws a layer's matrix with Matplotlib, into ``ax`` or axes of its own.

        Cells have their true extent in ln(1 + epoch), as in the report's figures; the axes are in
        epochs, so that ``ax.axvline(30)`` marks epoch 30. ``options`` are those of ``pcolormesh``.
        """
        matrix = self.matrix(layer, measure, group)
        return matrix.plot(ax, colorbar=colorbar, **options)

    def signatures(self, layer: str, measure: str = "cka",
                   group: str | None = None) -> npt.NDArray[Any]:
        """What each checkpoint was reduced to, ``[E, S]``: float32, of decisions the classes."""
        path = self._layer_file("signatures", layer, measure, group)
        checked(self.root, "signatures", path)
        signatures: npt.NDArray[Any] = np.load(path, allow_pickle=False, mmap_mode="r")
        return signatures

    def standard_errors(self, layer: str, measure: str = "cka",
                        group: str | None = None) -> npt.NDArray[np.float64]:
        """Standard errors over examples (or planes) of a matrix, float64 ``[E, E]``; NaN: none."""
        file = self._layer_file("matrix", layer, measure, group)
        place = {step: row for row, step in enumerate(self.steps)}
        errors = np.full((len(place), len(place)), np.nan)
        for row in self._rows("matrices"):
            if (row["layer"], row["measure"], row["group"]) == (
                    file.stem, measure, file.parent.name):
                i, j = place[int(row["step_i"])], place[int(row["step_j"])]
                errors[i, j] = errors[j, i] = float(row["se"] or "nan")
        return errors

    # -- tables ----------------------------------------------------------------------------

    @property
    def curves(self) -> Columns:
        """The columns of history.csv, float64 each, NaN where a field is empty."""
        return _numbers(self._rows("history"), TABLES["history"])

    def table(self, name: str) -> Columns:
        """A table such as "geometry" or "matrices": its columns as arrays, text as objects.

        Numbers are NaN where a field is empty; a table that the run lacks has no rows.
        """
        if name not in TABLES:
            raise missing("table", name, TABLES)
        rows = self._rows(name)
        texts = {column: np.array([row[column] for row in rows], dtype=object)
                 for column, kind in TABLES[name].items() if kind is str}
        numbers = _numbers(rows, TABLES[name])
        names = rows[0].keys() if rows else TABLES[name]
        empty = np.array([])
        return {n: texts[n] if n in texts else numbers.get(n, empty) for n in names}

    @property
    def probes(self) -> dict[str, Columns]:
        """The linear probe of each layer: columns of probes.csv as arrays over its epochs."""
        found: dict[str, dict[str, dict[str, str]]] = {}
        for row in self._rows("probes"):
            # The first of a step is the probe itself; others are of another λ or labels.
            rows = found.setdefault(self._called(row["layer"]), {})
            rows.setdefault(row["step"], row)
        kinds = TABLES["probes"]
        return {layer: _numbers(list(rows.values()), kinds) for layer, rows in found.items()}

    @property
    def phases(self) -> dict[str, Any] | None:
        """What phases.json says: perfect fit, double descent; None where it is absent."""
        return self._json("phases")

    @property
    def findings(self) -> dict[str, Any] | None:
        """What findings.json says: speed, bursts, boundaries …; None where it is absent."""
        return self._json("findings")

    # -- pictures --------------------------------------------------------------------------

    @property
    def figures(self) -> dict[str, Figure]:
        """The report's figures by name; each shows itself in a notebook."""
        return {path.stem: Figure(path, self.root) for path in self._paths("figure")}

    @property
    def page(self) -> Page:
        """The report's page; it shows itself in a notebook."""
        path = self._path("page")
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not there yet: stratagram report {self.root}")
        return Page(path, root=self.root)

    def __repr__(self) -> str:
        n_layers = len(self.layers)
        return f"Run({str(self.root)!r}: {len(self.epochs)} epochs, {n_layers} layers)"

    def _repr_html_(self) -> str:
        headline = self.figures.get("headline-wide")
        drawing = headline.svg if headline else (
            f"<p>no figures yet: <code>stratagram report {escape(str(self.root))}</code></p>")
        return f"<div><p><b>{escape(repr(self))}</b></p>{drawing}</div>"

    # -- files -----------------------------------------------------------------------------

    def _path(self, kind: str, step: int | None = None, **names: str) -> Path:
        return _files.path(self.root, kind, step, **names)

    def _paths(self, kind: str) -> list[Path]:
        """The files of a kind with names in their paths, sorted."""
        return sorted(self.root.glob(re.sub(r"\{\w+\}", "*", FILES[kind])))

    def _json(self, kind: str) -> dict[str, Any] | None:
        path = self._path(kind) if kind in FILES else None
        if path is None or not path.is_file():
            return None
        found: dict[str, Any] = _files.read_json(checked(self.root, kind, path))
        return found

    def _rows(self, table: str) -> list[dict[str, str]]:
        path = self._path(table)
        if not path.is_file():
            return []
        checked(self.root, table, path)
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def _axis(self, column: str) -> npt.NDArray[np.float64]:
        return np.array([float(row[column]) for row in self._rows("axis")])

    def _called(self, file: str) -> str:
        """The name of the layer or group whose file is called so."""
        return self._names.get(file, file)

    def _folder(self, kind: str, measure: str, group: str | None) -> Path:
        what = {"matrix": "matrices"}.get(kind, kind)
        of_kind = self._path(kind, measure="x", group="x", layer="x").parents[2]
        measures = _folders(of_kind)
        if not measures:
            raise Missing(f"{self.root} has no {what} yet: stratagram analyze {self.root}")
        if measure not in measures:
            raise missing(f"{what} of", measure, measures)
        groups = _folders(of_kind / measure)
        if group is None:
            group = "test" if "test" in groups else groups[0]
        file = self._own.get(group, group)
        if file not in groups:
            raise missing(f"{what} of {measure} of the group", group, map(self._called, groups))
        return of_kind / measure / file

    def _layer_file(self, kind: str, layer: str, measure: str, group: str | None) -> Path:
        folder = self._folder(kind, measure, group)
        path = folder / f"{self._own.get(layer, layer)}.npy"
        if not path.is_file():
            there = {self._called(path.stem) for path in folder.glob("*.npy")}
            order = [name for name in self.layer_order if name in there]
            raise missing("layer", layer, order or sorted(there))
        return path


def _folders(place: Path) -> list[str]:
    return sorted(path.name for path in place.glob("*") if path.is_dir() and path.name[0] != ".")


def _numbers(rows: list[dict[str, str]], kinds: dict[str, type]) -> Columns:
    """The columns that hold numbers; those that the program does not know are numbers too."""
    names = rows[0].keys() if rows else ()
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in names
            if kinds.get(name, float) is not str}
