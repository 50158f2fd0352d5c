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


def block_means(epoch, value):
    """Block of each row, 0.1 in log time each, and the blocks' mean x and value."""
    x = np.log1p(epoch)
    begin, number = x[0], 0
    block = []
    for at in x:
        if at - begin >= 0.1 - 1e-9:
            begin, number = at, number + 1
        block.append(number)
    block = np.array(block)
    groups = [block == k for k in range(number + 1)]
    return block, [x[g].mean() for g in groups], [value[g].mean() for g in groups]


def noise_near(epoch, value, t):
    """Distance of each block from the line between its neighbors, without the trend."""
    _, x, y = block_means(epoch, value)
    near = [i for i in range(len(x)) if abs(x[i] - math.log1p(t)) <= math.log(2) + 1e-9]
    if len(near) < 3:
        return 0.0
    off = []
    for i in near[1:-1]:
        line = np.interp(x[i], [x[i - 1], x[i + 1]], [y[i - 1], y[i + 1]])
        weight = (x[i + 1] - x[i]) / (x[i + 1] - x[i - 1])
        off.append(abs(y[i] - line) / math.sqrt(1 + weight**2 + (1 - weight) ** 2))
    return 1.4826 * float(np.median(off))


def level(epoch, value, cut, t):
    """Mean and standard error of the mean around t."""
    near = np.abs(epoch - t) <= 0.25 * t
    rows = near & ~cut if (near & ~cut).any() else near
    counts = np.unique(block_means(epoch, value)[0][rows], return_counts=True)[1]
    filled = counts.sum() ** 2 / (counts**2).sum()
    return float(value[rows].mean()), noise_near(epoch, value, t) / math.sqrt(filled)


def held(s, top, height):
    level = s[top] - height / 2
    first = last = top
    while first > 0 and s[first - 1] >= level:
        first -= 1
    while last + 1 < len(s) and s[last + 1] >= level:
        last += 1
    return first, last


def foot(s, start, step):
    """The lowest row from `start` on before the curve climbs by more than .01 again."""
    lowest, row = start, start
    while 0 <= row < len(s) and s[row] <= s[lowest] + 0.01:
        if s[row] < s[lowest]:
            lowest = row
        row += step
    return lowest


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


def most_prominent(s):
    n = len(s)
    prominence = [min(s[t] - s[: t + 1].min(), s[t] - s[t:].min()) for t in range(n)]
    p = int(np.argmax(prominence))
    return int(np.argmin(s[: p + 1])), p, p + int(np.argmin(s[p:]))


def measured(table, epoch, raw, cut, points, rows):
    (m, m_se), (p, p_se), (q, q_se) = [level(epoch, raw, cut, epoch[i]) for i in points]
    rise_se, fall_se = math.sqrt(p_se**2 + m_se**2), math.sqrt(p_se**2 + q_se**2)
    return {
        "points": points,
        "rows": rows,
        "levels": [m, p, q],
        "rise": p - m,
        "fall": p - q,
        "rise_se": rise_se,
        "fall_se": fall_se,
        "rise_threshold": max(0.01, 3 * rise_se),
        "fall_threshold": max(0.01, 3 * fall_se),
        "train": train_bump(table, epoch[rows[0]], epoch[rows[1]]),
    }


def objection(peak, height):
    held_rows = peak["rows"][1] - peak["rows"][0] + 1
    if held_rows < 3 and height > max(peak["rise_threshold"], peak["fall_threshold"]):
        return "rows"
    if any(peak[key] <= peak[f"{key}_threshold"] for key in ["rise", "fall"]):
        return "small"
    if peak["train"] is not None and peak["train"]["bumps"]:
        return "loss"
    return "first" if peak["points"][0] == 0 else None


def search(table, epoch, raw):
    """The verdict, the peak that it is about, and the rejected ones."""
    s, cut, x = smooth(epoch, raw), np.zeros(len(raw), bool), np.log1p(epoch)
    rejected, first, disturbed = [], None, None
    for _ in range(20):
        points = most_prominent(s)
        height = s[points[1]] - max(s[points[0]], s[points[2]])
        rows = held(s, points[1], height)
        peak = measured(table, epoch, raw, cut, points, rows)
        first = first or peak
        if height <= 0.01:
            break
        why = objection(peak, height)
        if why is None:
            return "double descent", peak, rejected
        if why in ("rows", "loss"):
            disturbed = disturbed or peak
        rejected.append(peak)
        cut[rows[0] : rows[1] + 1] = True
        left, right = foot(s, rows[0], -1), foot(s, rows[1], 1)
        for row in range(left + 1, right):
            share = (x[row] - x[left]) / (x[right] - x[left])
            s[row] = s[left] + share * (s[right] - s[left])
    low = int(np.argmin(s))
    top = low + int(np.argmax(s[low:]))
    points, last = (low, top, top + int(np.argmin(s[top:]))), len(s) - 1
    climb = measured(table, epoch, raw, cut, points, held(s, top, s[top] - s[low]))
    end = measured(table, epoch, raw, cut, (low, last, last), (last, last))
    if end["rise"] > end["rise_threshold"]:
        bumps = climb["train"] is not None and climb["train"]["bumps"]
        return "instability" if bumps else "u-shape", climb, rejected
    return ("instability", disturbed, rejected) if disturbed else ("monotone", first, rejected)


def double_descent(table, fit, fit_1_percent):
    ok = np.isfinite(table["test_error"])
    epoch, raw = table["epoch"][ok], table["test_error"][ok]
    if len(raw) == 0:
        return {"verdict": None, "min": None, "peak": None, "second_min": None}
    verdict, peak, rejected = search(table, epoch, raw)
    result = {
        "verdict": verdict,
        **dict.fromkeys(["min", "peak", "second_min"]),
        **{
            key: peak[key]
            for change in ["rise", "fall"]
            for key in [change, f"{change}_se", f"{change}_threshold"]
        },
        **dict.fromkeys(["holds", "train", "perfect_fit", "near_fit"]),
        "rejected": [
            {
                "epoch": epoch[other["points"][1]],
                "rise": other["rise"],
                "fall": other["fall"],
                "rows": other["rows"][1] - other["rows"][0] + 1,
            }
            for other in rejected
        ],
        "rows": len(raw),
    }
    if verdict == "monotone":
        return result
    at = dict(zip(["min", "peak", "second_min"], peak["points"]))
    n_test = table["n_test"][ok] if "n_test" in table else None
    step = table["step"][ok] if "step" in table else None
    levels = dict(zip(at, peak["levels"]))
    first, last = peak["rows"]
    p = at["peak"]
    near = None
    if verdict == "double descent" and fit_1_percent is not None:
        near = bool(0.5 <= (1 + epoch[p]) / (1 + fit_1_percent) <= 2)
    return result | {
        **{key: epoch[i] for key, i in at.items()},
        "error": levels,
        "error_se": {
            key: None
            if n_test is None
            else math.sqrt(levels[key] * (1 - levels[key]) / n_test[i])
            for key, i in at.items()
        },
        "step": {key: None if step is None else step[i] for key, i in at.items()},
        "holds": {"from": epoch[first], "to": epoch[last], "rows": last - first + 1},
        "train": peak["train"],
        "perfect_fit": None
        if fit is None
        else {
            "log_distance": math.log(1 + fit) - math.log(1 + epoch[p]),
            "within": bool(epoch[first] <= fit <= epoch[last]),
        },
        "near_fit": near,
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
        "double_descent": double_descent(table, fit, perfect_fit(epoch, train, 0.01)),
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
