"""Makes tests/oracles/google-demo: the example of the demo notebook of Kornblith et al. 2019.

    python make_google_demo.py

The notebook (google-research/representation_similarity) draws X and Y from numpy's legacy
generator with seed 1337 and prints four similarities. They are computed here by definition
in float64 and must agree with what the notebook prints to every digit.
"""

import json
from pathlib import Path

import numpy as np

OUT = Path(__file__).parent.parent / "oracles" / "google-demo"
PRINTED = {
    "cka_linear_biased": 0.5576132566117588,
    "cka_rbf05_biased": 0.6548311822614982,
    "cka_linear_debiased": 0.513456489505526,
    "r2_cca": 0.5431238559305234,
}


def squared_distances(x):
    """Squared Euclidean distances of all pairs of rows."""
    norms = (x * x).sum(1)
    return norms[:, None] + norms[None, :] - 2 * x @ x.T


def rbf(x, threshold=0.5):
    """exp(-d / (2 t² median d)), the median over all pairs, the zero diagonal included."""
    d = squared_distances(x)
    return np.exp(-d / (2 * threshold**2 * np.median(d)))


def centred(k):
    n = len(k)
    h = np.eye(n) - 1 / n
    return h @ k @ h


def u_centred(k):
    """Székely and Rizzo's U-centring: row sums are zero without the diagonal."""
    n = len(k)
    k = k - np.diag(np.diag(k))
    rows = k.sum(1) / (n - 2)
    k = k - rows[:, None] - rows[None, :] + k.sum() / ((n - 1) * (n - 2))
    return k - np.diag(np.diag(k))


def cosine(a, b):
    return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())


def r2_cca(x, y):
    """Mean squared canonical correlation; the notebook does not centre here."""
    a, b = (np.linalg.qr(m)[0] for m in (x, y))
    return ((a.T @ b) ** 2).sum() / min(x.shape[1], y.shape[1])


def main():
    random = np.random.RandomState(1337)
    x = random.randn(100, 10)
    y = random.randn(100, 10) + x
    found = {
        "cka_linear_biased": cosine(centred(x @ x.T), centred(y @ y.T)),
        "cka_rbf05_biased": cosine(centred(rbf(x)), centred(rbf(y))),
        "cka_linear_debiased": cosine(u_centred(x @ x.T), u_centred(y @ y.T)),
        "r2_cca": r2_cca(x, y),
    }
    for name, value in PRINTED.items():
        print(name, found[name], value)
        assert abs(found[name] - value) < 1e-13, name
    OUT.mkdir(exist_ok=True)
    np.save(OUT / "x.npy", x)
    np.save(OUT / "y.npy", y)
    note = ("x, y float64 [100, 10]; rbf: sigma² = 0.25 x the median of all squared distances, "
            "zero diagonal included; values as printed by the demo notebook of "
            "google-research/representation_similarity")
    text = json.dumps({"note": note, **PRINTED}, indent=1)
    (OUT / "expected.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
