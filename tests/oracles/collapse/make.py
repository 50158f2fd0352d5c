"""Writes expected.json: neural collapse by the definitions of Papyan, Han and Donoho 2020, in float64.

Whole covariance matrices [p, p] and their pseudo-inverse; classes count the same (numpy 2.x):
    python tests/oracles/collapse/make.py
"""

import json
import pathlib

import numpy as np


def collapse(x, labels, decisions, weights):
    n_classes = weights.shape[0]
    mu = np.stack([x[labels == c].mean(0) for c in range(n_classes)])
    a = mu - mu.mean(0)
    within = np.zeros((x.shape[1], x.shape[1]))
    for c in range(n_classes):
        d = x[labels == c] - mu[c]
        within += d.T @ d / len(d) / n_classes
    between = a.T @ a / n_classes
    inverse = np.linalg.pinv(between, rcond=1e-10, hermitian=True)
    norms = np.linalg.norm(a, axis=1)
    cosines = np.array([a[c] @ a[d] / norms[c] / norms[d]
                        for c in range(n_classes) for d in range(n_classes) if c != d])
    nearest = np.array([np.argmin([np.linalg.norm(row - m) for m in mu]) for row in x])
    return {
        "nc1": np.trace(within @ inverse) / n_classes,
        "nc2_norms": norms.std() / norms.mean(),
        "nc2_angles": cosines.std(),
        "nc2_simplex": np.abs(cosines + 1 / (n_classes - 1)).mean(),
        "nc3": np.linalg.norm(weights / np.linalg.norm(weights) - a / np.linalg.norm(a)) ** 2,
        "nc4": (nearest != decisions).mean(),
    }


def case(rng, counts, p, offset, spread):
    """Examples around class means; a classifier near them."""
    n_classes = len(counts)
    means = rng.normal(size=(n_classes, p))
    labels = rng.permutation(np.repeat(np.arange(n_classes), counts))
    x = means[labels] + spread * rng.normal(size=(len(labels), p)) + offset
    x = np.round(x, 3).astype(np.float32).astype(np.float64)
    weights = np.round(means + 0.5 * rng.normal(size=means.shape), 3).astype(np.float32).astype(np.float64)
    decisions = np.argmax((x - offset) @ weights.T, axis=1)
    values = collapse(x, labels, decisions, weights)
    return {"features": x.tolist(), "labels": labels.tolist(), "decisions": decisions.tolist(),
            "weights": weights.tolist(), "values": {k: float(v) for k, v in values.items()}}


def main():
    rng = np.random.default_rng(7)
    cases = {
        "balanced": case(rng, [6, 6, 6], 5, 0.0, 0.8),
        "unequal classes, more features than examples": case(rng, [3, 9, 5, 7], 40, 0.0, 1.5),
        "offset, fewer features than classes": case(rng, [5, 4, 6, 5, 4], 3, 100.0, 0.4),
    }
    out = pathlib.Path(__file__).parent / "expected.json"
    out.write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
