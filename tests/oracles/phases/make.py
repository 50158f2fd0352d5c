"""Writes the curves *.csv and expected.json: the phases of each curve by brute force.

The definitions are those in src/phases (perfect_fit.rs, double_descent.rs), computed here
from their formulas with numpy and plain loops, sharing nothing with the Rust code.
Run:  python make.py   (numpy 2; the files are committed, the tests need no Python)
"""

import csv
import json
import math
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
EPS, OTHER_EPS, W, RHO = 0.001, [0.0, 0.01], 5, 0.2


def perfect_fit(epoch, error, eps):
    rows = [(t, e) for t, e in zip(epoch, error) if np.isfinite(e)]
    for i, (t, e) in enumerate(rows):
        following = [x for _, x in rows[i + 1 : i + 1 + W]]
        if e <= eps and sum(x <= eps for x in following) >= (1 - RHO) * len(following):
            return t
    return None


def smooth(epoch, value):
    return np.array([np.median(value[np.abs(epoch - t) <= 0.12 * t]) for t in epoch])


def noise(value):
    return 1.05 * float(np.median(np.abs(np.diff(value)))) if len(value) > 1 else 0.0


def held(s, top, height):
    level = s[top] - height / 2
    first = last = top
    while first > 0 and s[first - 1] >= level:
        first -= 1
    while last + 1 < len(s) and s[last + 1] >= level:
        last += 1
    return first, last


def train_bump(table, start, stop):
    for column in ["train_loss", "train_error"]:
        if column in table and np.isfinite(table[column]).any():
            break
    ok = np.isfinite(table[column])
    epoch, value = table["epoch"][ok], table[column][ok]
    s = smooth(epoch, value)
    earlier = s[epoch < start]
    during = value[(epoch >= start) & (epoch <= stop)]
    if len(earlier) == 0 or len(during) == 0:
        return None
    before, at_peak = float(earlier.min()), float(np.median(during))
    threshold = max(0.01, abs(before) / 10, 3 * noise(value))
    return {
        "column": column,
        "before": before,
        "at_peak": at_peak,
        "threshold": threshold,
        "bumps": bool(at_peak - before > threshold),
    }


def double_descent(table, fit):
    ok = np.isfinite(table["test_error"])
    epoch, raw = table["epoch"][ok], table["test_error"][ok]
    if len(raw) == 0:
        return {"verdict": None, "min": None, "peak": None, "second_min": None}
    s = smooth(epoch, raw)
    n = len(s)
    prominence = [min(s[t] - s[: t + 1].min(), s[t] - s[t:].min()) for t in range(n)]
    p = int(np.argmax(prominence))
    m, q = int(np.argmin(s[: p + 1])), p + int(np.argmin(s[p:]))
    rise, fall = s[p] - s[m], s[p] - s[q]
    climbs = [s[t] - s[: t + 1].min() for t in range(n)]
    u = int(np.argmax(climbs))
    threshold = max(0.01, 3 * noise(raw))
    dd, climb = min(rise, fall) > threshold, climbs[u] > threshold
    result = {
        "verdict": "monotone",
        **dict.fromkeys(["min", "peak", "second_min"]),
        "rise": rise,
        "fall": fall,
        "threshold": threshold,
        "noise": noise(raw),
        **dict.fromkeys(["holds", "train", "perfect_fit"]),
        "rows": n,
    }
    if not (dd or climb):
        return result
    if not dd:
        p, m, q = u, int(np.argmin(s[: u + 1])), u + int(np.argmin(s[u:]))
        rise, fall = s[p] - s[m], s[p] - s[q]
    first, last = held(s, p, min(rise, fall) if dd else rise)
    bump = train_bump(table, epoch[first], epoch[last])
    if bump is not None and bump["bumps"]:
        verdict = "instability"
    elif dd:
        verdict = "instability" if last - first + 1 < 3 else "double descent"
    else:
        verdict = "u-shape"
    at = {"min": m, "peak": p, "second_min": q}
    n_test = table["n_test"][ok] if "n_test" in table else None
    step = table["step"][ok] if "step" in table else None
    return result | {
        "verdict": verdict,
        **{key: epoch[i] for key, i in at.items()},
        "rise": rise,
        "fall": fall,
        "error": {key: s[i] for key, i in at.items()},
        "error_se": {
            key: None if n_test is None else math.sqrt(s[i] * (1 - s[i]) / n_test[i])
            for key, i in at.items()
        },
        "step": {key: None if step is None else step[i] for key, i in at.items()},
        "holds": {"from": epoch[first], "to": epoch[last], "rows": last - first + 1},
        "train": bump,
        "perfect_fit": None
        if fit is None
        else {
            "log_distance": math.log(1 + fit) - math.log(1 + epoch[p]),
            "within": bool(epoch[first] <= fit <= epoch[last]),
        },
    }


def phases(table):
    epoch, train = table["epoch"], table["train_error"]
    fit = perfect_fit(epoch, train, EPS)
    corrupted = table.get("train_error_corrupted")
    return {
        "perfect_fit": {
            "epoch": fit,
            "other_eps": [
                {"eps": e, "epoch": perfect_fit(epoch, train, e)} for e in OTHER_EPS
            ],
            "corrupted": None
            if corrupted is None
            else {"epoch": perfect_fit(epoch, corrupted, EPS)},
        },
        "double_descent": double_descent(table, fit),
    }


def log_spaced(last):
    grid = list(range(11))
    i = 1
    while (t := math.floor(10 * 1.12**i)) <= last:
        if t > grid[-1]:
            grid.append(t)
        i += 1
    return np.array(grid, float)


def auto(last):
    grid = list(range(101))
    i = 1
    while (t := math.floor(100 * 1.02**i)) <= last:
        if t > grid[-1]:
            grid.append(t)
        i += 1
    return np.array(grid, float)


def bump(t, centre, width):
    """A bell in ln(1+t)."""
    return np.exp(-(((np.log1p(t) - np.log1p(centre)) / width) ** 2))


def curves():
    rng = np.random.default_rng(0)
    every = np.arange(121.0)
    decay = 0.1 + 0.8 * np.exp(-every / 1.5)
    fit = 0.9 * np.exp(-every / 6)
    loss = 2.3 * np.exp(-every / 6)
    dd = decay + 0.2 * bump(every, 20, 0.4)
    yield "double-descent", dict(epoch=every, train_error=fit, test_error=dd, train_loss=loss)
    yield (
        "u-shape",
        dict(
            epoch=every,
            train_error=fit,
            test_error=decay + 0.2 / (1 + np.exp(-(every - 25) / 5)),
            train_loss=loss,
        ),
    )
    yield "monotone", dict(epoch=every, train_error=fit, test_error=decay, train_loss=loss)
    disturbed = loss + 0.8 * bump(every, 60, 0.15)
    yield (
        "training-disturbed",
        dict(
            epoch=every,
            train_error=fit + 0.2 * bump(every, 60, 0.15),
            test_error=decay + 0.2 * bump(every, 60, 0.15),
            train_loss=disturbed,
        ),
    )
    yield (
        "training-disturbed-no-loss",
        dict(
            epoch=every,
            train_error=fit + 0.2 * bump(every, 60, 0.15),
            test_error=decay + 0.2 * bump(every, 60, 0.15),
        ),
    )
    spike = decay.copy()
    spike[7:9] += 0.15
    yield "spike", dict(epoch=every, train_error=fit, test_error=spike, train_loss=loss)
    late_spike = decay.copy()
    late_spike[80] += 0.5
    yield "late-spike", dict(epoch=every, train_error=fit, test_error=late_spike)
    diverged = np.where(every > 90, 1.0, 0.0)
    yield (
        "diverged",
        dict(
            epoch=every,
            train_error=np.minimum(0.9, fit + 0.8 * diverged),
            test_error=np.minimum(0.9, decay + 0.8 * diverged),
            train_loss=loss + 2.0 * diverged,
        ),
    )
    grid = auto(400)
    digits = (
        0.034
        + 0.86 * np.exp(-grid / 0.8)
        + 0.09 * bump(grid, 23, 0.7)
        + 0.054 / (1 + np.exp(-(grid - 23) / 4))
    )
    n = 797
    yield (
        "digits-like",
        dict(
            epoch=grid,
            step=grid * 8,
            train_error=np.round(np.maximum(0, 0.9 * np.exp(-grid / 6) - 2e-4), 3),
            train_error_corrupted=np.minimum(1, np.maximum(0, 3 * np.exp(-grid / 8) - 3e-4)),
            test_error=np.round((digits + rng.normal(0, 0.004, len(grid))) * n) / n,
            train_loss=2.3 * np.exp(-grid / 6) * np.exp(rng.normal(0, 0.05, len(grid))),
            n_test=np.full(len(grid), float(n)),
        ),
    )
    sparse = np.concatenate([[0, 0.25, 0.5], log_spaced(2000)[1:]])
    yield (
        "log-spaced",
        dict(
            epoch=sparse,
            train_error=0.9 * np.exp(-sparse / 30),
            test_error=0.3 + 0.6 * np.exp(-sparse / 3) + 0.08 * bump(sparse, 60, 0.6),
        ),
    )
    gaps = dd.copy()
    gaps[rng.random(len(gaps)) < 0.2] = np.nan
    holes = loss.copy()
    holes[rng.random(len(gaps)) < 0.3] = np.nan
    yield "gaps", dict(epoch=every, train_error=fit, test_error=gaps, train_loss=holes)
    yield (
        "noise",
        dict(
            epoch=every,
            train_error=fit,
            test_error=np.clip(decay + rng.normal(0, 0.01, len(every)), 0, 1),
        ),
    )
    yield "constant", dict(epoch=every[:20], train_error=0 * every[:20], test_error=0 * every[:20] + 0.5)
    three = np.array([0.0, 1, 2])
    yield "three-rows", dict(epoch=three, train_error=three / 4, test_error=three[::-1] / 4)
    yield "one-row", dict(epoch=np.array([3.0]), train_error=np.array([0.0]), test_error=np.array([0.2]))
    yield "no-test-error", dict(epoch=three, train_error=0 * three, test_error=np.nan * three)


def main():
    expected = {}
    for name, table in curves():
        # What is written is what is computed on: six decimals.
        table = {key: np.round(np.asarray(v, float), 6) for key, v in table.items()}
        with open(HERE / f"{name}.csv", "w", newline="") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(table)
            for row in zip(*table.values()):
                out.writerow("" if np.isnan(x) else f"{x:.6f}".rstrip("0").rstrip(".") for x in row)
        expected[name] = phases(table)
    text = json.dumps(expected, indent=1, default=float)
    (HERE / "expected.json").write_text(text + "\n")
    for name, value in expected.items():
        dd = value["double_descent"]
        print(name, value["perfect_fit"]["epoch"], {k: dd.get(k) for k in ["verdict", "min", "peak", "second_min", "rise", "fall", "holds"]})


if __name__ == "__main__":
    main()
