"""Recomputes tests/oracles/activations-*/expected.json by definition, in float64.

    python check_measures.py

Every measure is written here as its definition reads, with numpy and scipy alone (versions in
requirements.txt). Nothing is written; a difference above 1e-9 is an error.
"""

import json
from pathlib import Path

import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

ORACLES = Path(__file__).parent.parent / "oracles"


def gram(x):
    x = x - x.mean(0)
    return x @ x.T


def rbf(x, threshold=0.5):
    square = (x * x).sum(1)
    d = square[:, None] + square[None, :] - 2 * x @ x.T
    np.fill_diagonal(d, 0)
    return np.exp(-d / (2 * threshold**2 * np.median(d)))


def centred(k):
    h = np.eye(len(k)) - 1 / len(k)
    return h @ k @ h


def hsic1(k, l):
    """Song et al. 2012, equation 5."""
    n = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))
    return (np.trace(k @ l) + k.sum() * l.sum() / ((n - 1) * (n - 2))
            - 2 / (n - 2) * (k @ l).sum()) / (n * (n - 3))


def ratio(hsic):
    return lambda k, l: hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l))


biased = ratio(lambda k, l: (centred(k) * centred(l)).sum())
debiased = ratio(hsic1)


def minibatch(x, y, size=64):
    batches = [slice(i, i + size) for i in range(0, len(x), size)]
    mean = lambda a, b: np.mean([hsic1(gram(a[s]), gram(b[s])) for s in batches])  # noqa: E731
    return mean(x, y) / np.sqrt(mean(x, x) * mean(y, y))


def procrustes(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    return np.linalg.norm(x.T @ y, "nuc")


def basis(x, variance=None):
    u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    if variance is None:
        return u
    return u[:, : 1 + np.searchsorted(np.cumsum(s**2) / (s**2).sum(), variance)]


def cca(x, y, variance=None):
    return np.linalg.svd(basis(x, variance).T @ basis(y, variance), compute_uv=False).mean()


def pwcca(x, y):
    u = basis(x)
    w, rho, _ = np.linalg.svd(u.T @ basis(y))
    variates = (u @ w)[:, : len(rho)]
    weights = np.abs(variates.T @ (x - x.mean(0))).sum(1)
    return (weights * rho).sum() / weights.sum()


def mutual_knn(x, y, k=10):
    def neighbours(x):
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        cosine = x @ x.T
        np.fill_diagonal(cosine, -np.inf)
        return np.argsort(-cosine, 1, kind="stable")[:, :k]
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(neighbours(x), neighbours(y))])


def rsa(x, y):
    return spearmanr(pdist(x, "correlation"), pdist(y, "correlation")).statistic


def ranks(x):
    s = np.linalg.svd(x - x.mean(0), compute_uv=False)
    p = s / s.sum()
    return {
        "effective_rank": np.exp(-(p * np.log(p)).sum()),
        "participation_ratio": (s**2).sum() ** 2 / (s**4).sum(),
        "stable_rank": (s**2).sum() / s[0] ** 2,
    }


MEASURES = {
    "cka_linear_biased": lambda x, y: biased(gram(x), gram(y)),
    "cka_linear_debiased": lambda x, y: debiased(gram(x), gram(y)),
    "cka_rbf05_biased": lambda x, y: biased(rbf(x), rbf(y)),
    "cka_rbf05_debiased": lambda x, y: debiased(rbf(x), rbf(y)),
    "cka_linear_minibatch64": minibatch,
    "procrustes_nuclear": procrustes,
    "cca_mean": cca,
    "svcca99_mean": lambda x, y: cca(x, y, 0.99),
    "pwcca": pwcca,
    "mutual_knn10_cosine": mutual_knn,
    "rsa_spearman": rsa,
}


def main():
    for folder in sorted(ORACLES.glob("activations-*")):
        expected = json.loads((folder / "expected.json").read_text())
        epochs = [np.load(file).astype(float) for file in sorted(folder.glob("epoch-*.npy"))]
        for name, measure in MEASURES.items():
            found = np.array([[measure(x, y) for y in epochs] for x in epochs])
            difference = np.abs(found - np.array(expected[name])).max()
            print(f"{folder.name} {name} {difference:.1e}")
            assert difference < 1e-9, name
        for x, of_epoch in zip(epochs, expected["ranks"]):
            for name, value in ranks(x).items():
                assert abs(value - of_epoch[name]) < 1e-9, name


if __name__ == "__main__":
    main()
