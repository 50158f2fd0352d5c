"""Fixtures of tests/it/analysis/probe_cases.rs: probes by scikit-learn and PyTorch, in float64.

    pip install numpy==2.4.6 scikit-learn==1.9.1 torch==2.15.0
    python tests/oracles/probe-cases/make.py

One .npz a case: X, y, X_test and for each solver the classes that it gives X_test. Features
are kept as they are or standardized (`standardize`); `l2` is that of the objective
mean loss + l2/2*||W||^2, so C = 1/(n*l2) and alpha = n*l2.
"""

from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier

HERE = Path(__file__).parent
EPOCHS, RATES = 40, {"sgd": 0.05, "adam": 0.01}


def blobs(random, n, d, n_classes, spread):
    centres = random.standard_normal((n_classes, d))
    y = np.arange(n) % n_classes
    return centres[y] + spread * random.standard_normal((n, d)), y


def standardized(x, *others):
    mean, scale = x.mean(0), x.std(0)
    floor = 1e-3 * np.median(scale)
    scale = np.where(scale < floor, floor, scale)
    scale[scale == 0] = 1
    return [(part - mean) / scale for part in (x, *others)]


def cases():
    random = np.random.default_rng(7)
    x, y = blobs(random, 200, 6, 4, 0.1)
    yield "separable", x, y, 1e-4, False
    x, y = blobs(random, 60, 150, 5, 1.5)
    yield "wide", x, y, 1e-2, False
    x, y = blobs(random, 300, 8, 3, 1.5)
    keep = (y == 0) | (np.arange(300) % 17 == 0)
    yield "unbalanced", x[keep], y[keep], 1e-3, False
    x, y = blobs(random, 200, 8, 6, 1.0)
    yield "missing", x[y != 2], y[y != 2], 1e-3, False
    x, y = blobs(random, 200, 8, 3, 1.2)
    x[:, [1, 5]] = [3.25, 0.0]
    yield "constant", x, y, 1e-3, True
    x, y = blobs(random, 200, 10, 4, 1.2)
    yield "offset", x + 1e4, y, 1e-3, True
    x, y = blobs(random, 200, 10, 4, 1.2)
    yield "tiny", 1e-6 * x, y, 1e-3, True
    x, y = blobs(random, 150, 12, 2, 2.0)
    yield "two", x, y, 1e-2, True


def descend(x, y, l2, kind):
    """Full batches, so that the order of the examples does not matter; centred features."""
    n_classes = y.max() + 1
    inputs, labels = torch.from_numpy(x), torch.from_numpy(y)
    weight = torch.zeros(n_classes, x.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(n_classes, dtype=torch.float64, requires_grad=True)
    # A class without an example gets no probability.
    absent = torch.tensor([c not in set(y.tolist()) for c in range(n_classes)])
    if kind == "sgd":
        optimizer = torch.optim.SGD([weight, bias], lr=RATES[kind], momentum=0.9)
    else:
        optimizer = torch.optim.Adam([weight, bias], lr=RATES[kind])
    for _ in range(EPOCHS):
        optimizer.zero_grad()
        logits = (inputs @ weight.T + bias).masked_fill(absent, -torch.inf)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        (loss + l2 / 2 * (weight**2).sum()).backward()
        optimizer.step()
    return weight.detach().numpy(), bias.detach().numpy(), absent.numpy()


def main():
    for name, x, y, l2, standardize in cases():
        random = np.random.default_rng(11)
        n = len(y)
        m = 100 if x.shape[1] > n else 300
        test = x[random.integers(n, size=m)] + x.std(0) * random.standard_normal((m, x.shape[1]))
        a, b = standardized(x, test) if standardize else (x, test)
        # With two classes scikit-learn fits one weight vector w, ours are w/2 and -w/2: the
        # penalty on them is half as large.
        l2_here = l2 / 2 if len(set(y.tolist())) == 2 else l2
        fit = LogisticRegression(C=1 / (n * l2_here), tol=1e-12, max_iter=100_000, solver="newton-cg").fit(a, y)
        again = LogisticRegression(C=1 / (n * l2_here), tol=1e-10, max_iter=100_000).fit(a, y)
        assert (fit.predict(b) == again.predict(b)).all(), name
        ridge = RidgeClassifier(alpha=n * l2, solver="cholesky").fit(a, y)
        arrays = {
            "X": x, "y": y, "X_test": test, "l2": l2, "standardize": int(standardize),
            "logistic": fit.predict(b), "ridge": ridge.predict(b),
            "cross": np.empty(n, dtype=np.int64), "neighbours": np.empty(n, dtype=np.int64),
        }
        # Five folds, dealt in turn in the order of labels, then of positions.
        folds = np.empty(n, dtype=int)
        folds[np.argsort(y, kind="stable")] = np.arange(n) % 5
        for fold in range(5):
            rest = folds != fold
            held = LogisticRegression(C=1 / (rest.sum() * l2_here), tol=1e-10, max_iter=100_000)
            arrays["cross"][~rest] = held.fit(a[rest], y[rest]).predict(a[~rest])
        for i in range(n):
            rest = np.arange(n) != i
            near = KNeighborsClassifier(30, algorithm="brute").fit(x[rest], y[rest])
            arrays["neighbours"][i] = near.predict(x[i : i + 1])[0]
        for kind in RATES:
            weight, bias, absent = descend(a - a.mean(0), y, l2, kind)
            logits = (b - a.mean(0)) @ weight.T + bias
            logits[:, absent] = -np.inf
            arrays[kind] = logits.argmax(1)
            arrays[f"{kind}_norm"] = np.sqrt((weight**2).sum() + (bias[~absent] ** 2).sum())
        kept = {k: np.asarray(v) for k, v in arrays.items()}
        np.savez_compressed(HERE / f"{name}.npz", **kept)


main()
