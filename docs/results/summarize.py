"""Summary of sweeps: one row a run, and the tables of a results folder's README.md.

    python3 docs/results/summarize.py docs/results/laptop runs/laptop-sweep*

Reads run directories (numpy 2.x), writes runs.csv into the results folder and prints the
tables. Rows of runs.csv whose runs are not there stay, so that a sweep may be done in parts, those
with wrong labels first. Checkpoints are log-spaced, so means over pairs of rows are means in
log-time. No test of significance is made: three seeds.
"""

import csv
import itertools
import json
import sys
import tomllib
from pathlib import Path

import numpy as np

FIELDS = (
    "net noise optimizer seed epochs perfect_fit fit_1_percent times_fit verdict rise fall "
    "min_error peak_error last_error window_start window_end "
    "cka_first_quarter cka_last_quarter cka_phases cka_synchrony cka_offset cka_spread "
    "drs_first_quarter drs_last_quarter drs_phases drs_synchrony drs_offset drs_spread"
).split()
AXES = ("net", "noise", "optimizer", "seed")


def upper_mean(block):
    """Mean of the cells above the diagonal; NaN where there are none."""
    cells = block[np.triu_indices(len(block), 1)]
    return np.nanmean(cells) if len(cells) else np.nan


def block_sums(matrix):
    """sums[a, b] = sum over a <= i < j < b of the matrix, and their numbers."""
    n = len(matrix)
    sums, counts = np.zeros((n + 1, n + 1)), np.zeros((n + 1, n + 1))
    for a in range(n):
        for b in range(a + 1, n + 1):
            column = matrix[a : b - 1, b - 1]
            sums[a, b] = sums[a, b - 1] + column.sum()
            counts[a, b] = counts[a, b - 1] + len(column)
    return sums, counts


def phases(matrix, k=3):
    """Distinguishability of the best k phases: mean similarity within phases less that
    between adjacent ones. Phases hold at least two checkpoints."""
    n = len(matrix)
    sums, counts = block_sums(matrix)
    best = (-np.inf, None)
    for cuts in itertools.combinations(range(2, n - 1), k - 1):
        edges = [0, *cuts, n]
        if min(np.diff(edges)) < 2:
            continue
        within = sum(sums[a, b] for a, b in itertools.pairwise(edges))
        within /= sum(counts[a, b] for a, b in itertools.pairwise(edges))
        between, number = 0.0, 0
        for a, b, c in zip(edges, edges[1:], edges[2:]):
            between += sums[a, c] - sums[a, b] - sums[b, c]
            number += (b - a) * (c - b)
        best = max(best, (within - between / number, cuts))
    return best[0]


def change_point(matrix, time):
    """Log-time of the cut with the greatest block contrast."""
    n = len(matrix)
    sums, counts = block_sums(matrix)
    best = (-np.inf, np.nan)
    for c in range(2, n - 1):
        inside = (sums[0, c] / counts[0, c] + sums[c, n] / counts[c, n]) / 2
        across = (sums[0, n] - sums[0, c] - sums[c, n]) / (c * (n - c))
        best = max(best, (inside - across, time[c]))
    return best[1]


def ranks(values):
    return np.argsort(np.argsort(values)).astype(float)


def synchrony(rates):
    """Mean over pairs of layers of Spearman's correlation of their rates of change."""
    pairs = itertools.combinations([ranks(r) for r in rates], 2)
    return np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs])


def layers_of(run, measure):
    """The layers' matrices in depth order, without those of a constant layer."""
    with open(run / "probes.csv") as file:
        names = list(dict.fromkeys(row["layer"] for row in csv.DictReader(file)))
    paths = [run / "matrices" / measure / "test" / f"{name}.npy" for name in names]
    matrices = [np.load(path).astype(float) for path in paths if path.exists()]
    return [m for m in matrices if not np.isnan(m).any()]


def describe(run, measure, time, window, fit):
    """Movement of the first and last quarter of the layers within a window of epochs, how
    distinct and how synchronous the phases are, and where the layers' change points lie:
    their mean distance from the perfect fit, and their standard deviation."""
    matrices = layers_of(run, measure)
    depth = np.linspace(0, 1, len(matrices))
    rows = np.flatnonzero((time >= np.log1p(window[0])) & (time <= np.log1p(window[1])))
    moved = np.array([1 - upper_mean(m[np.ix_(rows, rows)]) for m in matrices])
    rates = [(1 - np.diag(m, 1)) / np.diff(time) for m in matrices]
    changes = np.array([change_point(m, time) for m in matrices])
    return (
        moved[depth <= 0.25].mean(),
        moved[depth >= 0.75].mean(),
        np.mean([phases(m) for m in matrices]),
        synchrony(rates),
        np.nan if fit is None else np.mean(changes) - np.log1p(fit),
        np.std(changes),
    )


def key_of(experiment):
    net = experiment["net"]
    return (
        net["kind"] + (f"-{net['width']}" if "width" in net else ""),
        experiment.get("noise", {}).get("rate", 0.0),
        experiment["optimizer"]["kind"],
        experiment["seed"],
    )


def row_of(run, experiment, window):
    """The run's row. Movement is counted within `window`, or from the first minimum of the
    test error to the second, or to the end where there is none."""
    found = json.loads((run / "phases.json").read_text())
    fit, descent = found["perfect_fit"], found["double_descent"]
    with open(run / "matrices" / "axis.csv") as file:
        time = np.log1p([float(row["epoch"]) for row in csv.DictReader(file)])
    with open(run / "history.csv") as file:
        last = float(list(csv.DictReader(file))[-1]["test_error"])
    epochs = experiment["train"]["epochs"]
    one_percent = next((at["epoch"] for at in fit["other_eps"] if at["eps"] == 0.01), None)
    window = window or (descent["min"] or 0, descent["second_min"] or epochs)
    values = [
        *key_of(experiment),
        epochs,
        fit["epoch"],
        one_percent,
        None if fit["epoch"] is None else epochs / max(fit["epoch"], 1),
        descent["verdict"],
        descent["rise"],
        descent["fall"],
        descent["error"]["min"],
        descent["error"]["peak"],
        last,
        *window,
        *describe(run, "cka", time, window, fit["epoch"]),
        *describe(run, "drs", time, window, fit["epoch"]),
    ]
    return dict(zip(FIELDS, values, strict=True))


def number(text):
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text or None


def rows_of(stored, runs):
    """All runs' rows by their axes. A run without wrong labels is measured within the window
    of its counterpart with them, so that the two differ in nothing else."""
    rows = {}
    if stored.exists():
        with open(stored, newline="") as file:
            for row in csv.DictReader(file):
                row = {name: number(text) for name, text in row.items()}
                rows[tuple(row[axis] for axis in AXES)] = row
    found = [(run, tomllib.loads((run / "experiment.toml").read_text())) for run in runs]
    for run, experiment in sorted(found, key=lambda pair: -key_of(pair[1])[1]):
        net, noise, optimizer, seed = key = key_of(experiment)
        twins = [row for k, row in rows.items() if (k[0], *k[2:]) == (net, optimizer, seed)]
        twin = max(twins, key=lambda row: row["noise"], default=None)
        window = twin and twin["noise"] > noise and (twin["window_start"], twin["window_end"])
        rows[key] = row_of(run, experiment, window or None)
    return [rows[key] for key in sorted(rows)]


def shown(value):
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def table(rows, columns):
    """One line an arm, the seeds' values side by side."""
    print("| net | noise | optimizer |", " | ".join(c.replace("_", " ") for c in columns), "|")
    print("|---|---|---|" + "---|" * len(columns))
    key = lambda row: (row["net"], row["noise"], row["optimizer"])  # noqa: E731
    for arm, group in itertools.groupby(sorted(rows, key=key), key):
        group = sorted(group, key=lambda row: row["seed"])
        cells = [" · ".join(shown(row[c]) for row in group) for c in columns]
        print("|", " | ".join(map(str, arm)), "|", " | ".join(cells), "|")
    print()


def contrast(rows, by, plus, minus, columns):
    """Differences between two values of an axis, all else equal: mean over seeds, the least
    and the greatest, and how many are above zero."""
    rest = [axis for axis in AXES if axis != by]
    cells = {(row[by], *(row[axis] for axis in rest)): row for row in rows}
    print(f"{plus} less {minus}:\n")
    print("|", " | ".join(rest[:-1]), "|", " | ".join(c.replace("_", " ") for c in columns), "|")
    print("|" + "---|" * (len(rest) - 1 + len(columns)))
    for arm in sorted({tuple(row[axis] for axis in rest[:-1]) for row in rows}):
        seeds = sorted({row["seed"] for row in rows})
        keys = [(*arm, seed) for seed in seeds]
        pairs = [(cells.get((plus, *k)), cells.get((minus, *k))) for k in keys]
        pairs = [(a, b) for a, b in pairs if a and b]
        if not pairs:
            continue
        out = []
        for column in columns:
            d = np.array([a[column] - b[column] for a, b in pairs])
            out.append(f"{d.mean():+.3f} ({d.min():+.3f} to {d.max():+.3f}; {(d > 0).sum()} of {len(d)})")
        print("|", " | ".join(map(str, arm)), "|", " | ".join(out), "|")
    print()


def main():
    folder, *sweeps = map(Path, sys.argv[1:])
    folder.mkdir(exist_ok=True)
    runs = [path.parent for sweep in sweeps for path in sorted(sweep.glob("*/phases.json"))]
    rows = rows_of(folder / "runs.csv", runs)
    with open(folder / "runs.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )
    for row, measure in itertools.product(rows, ["cka", "drs"]):
        # How much more the deeper layers move.
        row[f"{measure}_depth"] = row[f"{measure}_last_quarter"] - row[f"{measure}_first_quarter"]
    table(rows, ["perfect_fit", "fit_1_percent", "verdict", "rise", "fall", "last_error"])
    for measure in ["cka", "drs"]:
        names = ["first_quarter", "last_quarter", "offset", "spread"]
        table(rows, [f"{measure}_{name}" for name in names])

    distinct = ["cka_phases", "drs_phases", "cka_synchrony", "drs_synchrony"]
    contrast(rows, "optimizer", "sgd", "adam", distinct)
    contrast(rows, "noise", 0.2, 0.0, [*distinct, "cka_depth", "drs_depth"])
    widths = [row["net"] for row in rows if row["net"].startswith("resnet18-")]
    narrow, *_, wide = sorted(set(widths), key=lambda net: int(net.split("-")[1]))
    contrast(rows, "net", wide, narrow, distinct)
    contrast(rows, "net", wide, "cnn5-16", distinct)
    contrast(rows, "net", "vit", wide, [*distinct, "cka_spread", "drs_spread"])


if __name__ == "__main__":
    main()
