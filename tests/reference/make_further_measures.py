"""Writes tests/oracles/activations-*/further.json: measures that expected.json does not have.

    python make_further_measures.py

By definition and in float64, with numpy alone (versions in requirements.txt). dcka: CKA of the
residuals of centred Gram matrices (debiased: of U-centred ones) after projection on that of
epoch 0, Cui et al. 2022; null where nothing is left.
"""

import json

import numpy as np

from check_measures import ORACLES, basis, centred, gram


def u_centred(k):
    """Szekely and Rizzo 2014, equation 2.1."""
    n = len(k)
    k = k - np.diag(np.diag(k))
    u = (k - k.sum(0) / (n - 2) - k.sum(1)[:, None] / (n - 2)
         + k.sum() / ((n - 1) * (n - 2)))
    return u - np.diag(np.diag(u))


def cca_r2(x, y):
    return (np.linalg.svd(basis(x).T @ basis(y), compute_uv=False) ** 2).mean()


def neighbors(cosine, k):
    cosine = cosine - np.diag(np.full(len(cosine), np.inf))
    near = np.zeros(cosine.shape, bool)
    np.put_along_axis(near, np.argsort(-cosine, 1, kind="stable")[:, :k], True, 1)
    return near


def cosines(x):
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return x @ x.T


def cknna(x, y, k=10):
    """Huh et al. 2024, appendix A, on the inner products of features of unit norm."""
    def align(a, b):
        both = neighbors(a, k) & neighbors(b, k)
        return (both * (a - a.mean(1, keepdims=True)) * (b - b.mean(1, keepdims=True))).sum()
    a, b = cosines(x), cosines(y)
    return align(a, b) / np.sqrt(align(a, a) * align(b, b))


def jaccard_knn(x, y, k=10):
    a, b = neighbors(cosines(x), k), neighbors(cosines(y), k)
    return ((a & b).sum(1) / (a | b).sum(1)).mean()


def dcka(epochs, centre):
    kernels = [centre(gram(x)) for x in epochs]
    k0 = kernels[0]
    rest = [k - (k * k0).sum() / (k0 * k0).sum() * k0 for k in kernels[1:]]
    cosine = lambda k, l: (k * l).sum() / np.linalg.norm(k) / np.linalg.norm(l)  # noqa: E731
    rows = [[None] + [cosine(k, l) for l in rest] for k in rest]
    return [[None] * len(epochs)] + rows


def main():
    for folder in sorted(ORACLES.glob("activations-*")):
        epochs = [np.load(file).astype(float) for file in sorted(folder.glob("epoch-*.npy"))]
        further = {
            "cca_r2": [[cca_r2(x, y) for y in epochs] for x in epochs],
            "cknna10": [[cknna(x, y) for y in epochs] for x in epochs],
            "jaccard_knn10": [[jaccard_knn(x, y) for y in epochs] for x in epochs],
            "dcka_linear_biased": dcka(epochs, centred),
            "dcka_linear_debiased": dcka(epochs, u_centred),
        }
        (folder / "further.json").write_text(json.dumps(further, indent=1) + "\n")


if __name__ == "__main__":
    main()
