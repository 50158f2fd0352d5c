"""Summary of the laptop's sweeps: one row a run, and the tables of README.md.

    python3 docs/results/laptop/summarize.py runs/laptop-sweep runs/laptop-sweep-vit

Reads run directories alone (numpy 2.x) and writes runs.csv beside this file; prints the tables.
Checkpoints are log-spaced, so means over pairs of rows are means in log-time. No test of
significance is made: three seeds.
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
    "min_error peak_error last_error "
    "cka_first_quarter cka_last_quarter cka_phases cka_synchrony cka_spread "
    "drs_first_quarter drs_last_quarter drs_phases drs_synchrony drs_spread"
).split()


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


def describe(run, measure, time, between):
    """Movement of the first and last quarter of the layers between two epochs, and how
    distinct and how synchronous the phases are."""
    matrices = layers_of(run, measure)
    depth = np.linspace(0, 1, len(matrices))
    rows = np.flatnonzero((time >= np.log1p(between[0])) & (time <= np.log1p(between[1])))
    moved = np.array([1 - upper_mean(m[np.ix_(rows, rows)]) for m in matrices])
    rates = [(1 - np.diag(m, 1)) / np.diff(time) for m in matrices]
    return (
        moved[depth <= 0.25].mean(),
        moved[depth >= 0.75].mean(),
        np.mean([phases(m) for m in matrices]),
        synchrony(rates),
        np.std([change_point(m, time) for m in matrices]),
    )


def row_of(run):
    experiment = tomllib.loads((run / "experiment.toml").read_text())
    found = json.loads((run / "phases.json").read_text())
    fit, descent = found["perfect_fit"], found["double_descent"]
    with open(run / "matrices" / "axis.csv") as file:
        time = np.log1p([float(row["epoch"]) for row in csv.DictReader(file)])
    with open(run / "history.csv") as file:
        last = float(list(csv.DictReader(file))[-1]["test_error"])
    net, epochs = experiment["net"], experiment["train"]["epochs"]
    one_percent = next((at["epoch"] for at in fit["other_eps"] if at["eps"] == 0.01), None)
    # From the first minimum of the test error to the second, where there is one.
    between = descent["min"] or 0, descent["second_min"] or epochs
    values = [
        net["kind"] + (f"-{net['width']}" if "width" in net else ""),
        experiment.get("noise", {}).get("rate", 0.0),
        experiment["optimizer"]["kind"],
        experiment["seed"],
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
        *describe(run, "cka", time, between),
        *describe(run, "drs", time, between),
    ]
    return dict(zip(FIELDS, values, strict=True))


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
    rest = [axis for axis in ("net", "noise", "optimizer", "seed") if axis != by]
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
    runs = [p.parent for d in sys.argv[1:] for p in sorted(Path(d).glob("*/phases.json"))]
    rows = [row_of(run) for run in runs]
    with open(Path(__file__).with_name("runs.csv"), "w", newline="") as file:
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
        names = ["first_quarter", "last_quarter", "phases", "synchrony", "spread"]
        table(rows, [f"{measure}_{name}" for name in names])

    distinct = ["cka_phases", "drs_phases", "cka_synchrony", "drs_synchrony"]
    contrast(rows, "optimizer", "sgd", "adam", distinct)
    contrast(rows, "noise", 0.2, 0.0, [*distinct, "cka_depth", "drs_depth"])
    contrast(rows, "net", "resnet18-16", "resnet18-4", distinct)
    contrast(rows, "net", "resnet18-16", "cnn5-16", distinct)
    spread = [*distinct, "cka_spread", "drs_spread"]
    contrast(rows, "net", "vit", "resnet18-16", spread)


if __name__ == "__main__":
    main()
