"""Values of a comparison's statistics from scipy alone, for planted values of seeds.

    python tests/oracles/compare/make.py

scipy 1.17.1, numpy 2.x. p-values are scipy's exact permutation tests; intervals are found by
bisection on them; Holm is written out.
"""

import json
from pathlib import Path

import numpy as np
import scipy
from scipy.stats import permutation_test


def mean(x, axis=-1):
    return np.mean(x, axis=axis)


def difference(x, y, axis=-1):
    return np.mean(x, axis=axis) - np.mean(y, axis=axis)


def paired_p(d, null):
    """P(mean of sign-flipped d - null >= observed)."""
    result = permutation_test(
        (np.asarray(d) - null,), mean, permutation_type="samples", vectorized=True,
        alternative="greater", n_resamples=np.inf,
    )
    return float(result.pvalue)


def unpaired_p(a, b, null):
    result = permutation_test(
        (np.asarray(a) - null, np.asarray(b)), difference, permutation_type="independent",
        vectorized=True, alternative="greater", n_resamples=np.inf,
    )
    return float(result.pvalue)


def lower_end(low, high, p):
    """The least null that is not rejected at 2.5 %."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if p(middle) > 0.025 else (middle, high)
    return high


def paired(plus, minus):
    d = np.round(np.subtract(plus, minus), 12)
    span = np.ptp(d) + 1
    low = lower_end(d.min() - span, d.mean(), lambda null: paired_p(d, null))
    high = -lower_end((-d).min() - span, (-d).mean(), lambda null: paired_p(-d, null))
    return {
        "plus": plus, "minus": minus, "mean": float(d.mean()), "interval": [low, high],
        "p_for": paired_p(d, 0.0), "p_against": paired_p(-d, 0.0),
    }


def unpaired(plus, minus):
    a, b = np.asarray(plus), np.asarray(minus)
    low = lower_end(a.min() - b.max() - 1, a.mean() - b.mean(), lambda null: unpaired_p(a, b, null))
    high = -lower_end(b.min() - a.max() - 1, b.mean() - a.mean(), lambda null: unpaired_p(b, a, null))
    return {
        "plus": plus, "minus": minus, "mean": float(a.mean() - b.mean()), "interval": [low, high],
        "p_for": unpaired_p(a, b, 0.0), "p_against": unpaired_p(b, a, 0.0),
    }


def holm(p):
    """Each p times the number of those that are not smaller, made monotone."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted, last = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        last = max(last, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = last
    return adjusted


family = [
    # Clearly more, eight pairs.
    paired(
        [1.10, 1.32, 0.95, 1.21, 1.08, 1.45, 1.17, 1.29],
        [0.62, 0.71, 0.58, 0.80, 0.75, 0.66, 0.69, 0.73],
    ),
    # No effect larger than 0.2, seven pairs.
    paired(
        [0.61, 0.70, 0.55, 0.68, 0.59, 0.64, 0.66],
        [0.60, 0.73, 0.54, 0.66, 0.63, 0.62, 0.67],
    ),
    # Less, two groups of seven and six.
    unpaired(
        [0.31, 0.42, 0.28, 0.35, 0.39, 0.30, 0.44],
        [0.71, 0.64, 0.80, 0.58, 0.69, 0.77],
    ),
]
for side in ("for", "against"):
    for statement, p in zip(family, holm([s[f"p_{side}"] for s in family])):
        statement[f"adjusted_{side}"] = p
out = {"scipy": scipy.__version__, "numpy": np.__version__, "family": family}
path = Path(__file__).parent / "expected.json"
path.write_text(json.dumps(out, indent=1) + "\n")
