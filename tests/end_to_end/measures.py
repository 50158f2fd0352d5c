"""CKA, linear probes, planes and their agreement, by definition, in float64."""

import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression


def cka(x, y, estimator):
    """Linear CKA of two [n, p] arrays, from their full Gram matrices (METHODOLOGY)."""
    a, b = (gram(m.reshape(len(m), -1), estimator) for m in (x, y))
    return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())


def gram(x, estimator):
    x = x - x.mean(0)
    k = x @ x.T
    if estimator == "biased":
        return k  # of centred features: centred
    # U-centring (Székely and Rizzo 2014): unbiased HSIC without the diagonal.
    n = len(k)
    np.fill_diagonal(k, 0.0)
    rows = k.sum(1) / (n - 2)
    k = k - rows[:, None] - rows[None, :] + k.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(k, 0.0)
    return k


def features(x, cap):
    """A layer's output as vectors; above `cap` values adaptive average pooling to the
    largest s x s with channels * s² <= cap."""
    flat = x.reshape(len(x), -1)
    if x.ndim < 4 or flat.shape[1] <= cap:
        return flat
    channels, height, width = x.shape[1:]
    side = int(np.floor(np.sqrt(cap / channels)))
    if side < 1:
        raise ValueError(f"{channels} channels are above the cap of {cap}")
    rows, columns = pooling(height, side), pooling(width, side)
    return np.einsum("ip,ncpq,jq->ncij", rows, x, columns).reshape(len(x), -1)


def pooling(length, side):
    """The rows of adaptive average pooling from `length` to `side` cells."""
    out = np.zeros((side, length))
    for i in range(side):
        start, end = i * length // side, -((-(i + 1) * length) // side)
        out[i, start:end] = 1.0 / (end - start)
    return out


class Probe:
    """Multinomial logistic regression on standardized features, minimizing
    mean log loss + l2/2 |W|² with a free bias: scikit-learn's C is 1/(n l2)."""

    def __init__(self, x, labels, l2, standardize=True):
        self.mean = x.mean(0) if standardize else np.zeros(x.shape[1])
        std = x.std(0) if standardize else np.ones(x.shape[1])
        if standardize:
            std[x.max(0) == x.min(0)] = 0.0  # not the rounding of its mean
        floor = 1e-3 * np.median(std)
        self.n_floored = int(((std < floor) | (std == 0)).sum()) if standardize else 0
        # A feature that is constant on the training set has no weight.
        std = np.maximum(std, floor)
        self.scale = np.divide(1.0, std, out=np.zeros_like(std), where=std > 0)
        self.model = LogisticRegression(
            C=1.0 / (len(x) * l2), solver="newton-cg", tol=1e-9, max_iter=2000)
        z = self.standardized(x)
        with warnings.catch_warnings():
            # The line search stops at the precision of float64; `gradient_norm` decides.
            warnings.simplefilter("ignore")
            self.model.fit(z, labels)
        self.objective, self.gradient_norm = self.optimum(z, labels, l2)
        assert self.gradient_norm < 1e-8, self.gradient_norm

    def standardized(self, x):
        return (x - self.mean) * self.scale

    def probabilities(self, z):
        scores = z @ self.model.coef_.T + self.model.intercept_
        scores -= scores.max(1, keepdims=True)
        p = np.exp(scores)
        return p / p.sum(1, keepdims=True)

    def gradient(self, z, labels, l2):
        residual = self.probabilities(z)
        residual[np.arange(len(z)), np.searchsorted(self.model.classes_, labels)] -= 1.0
        residual /= len(z)
        return residual.T @ z + l2 * self.model.coef_, residual.sum(0)

    def optimum(self, z, labels, l2):
        """Objective and the largest component of its gradient."""
        p = self.probabilities(z)
        own = p[np.arange(len(z)), np.searchsorted(self.model.classes_, labels)]
        penalty = l2 / 2 * (self.model.coef_**2).sum()
        weight, bias = self.gradient(z, labels, l2)
        return -np.log(own).mean() + penalty, max(np.abs(weight).max(), np.abs(bias).max())

    def scores(self, x):
        """Log-odds up to a constant, [n, classes]; -inf for a class without examples."""
        found = self.model.decision_function(self.standardized(x))
        out = np.full((len(x), 10), -np.inf)
        out[:, self.model.classes_] = found
        return out


class Plane:
    """The plane through three images (Somepalli et al. 2022): origin, two orthonormal
    directions and the images' coordinates."""

    def __init__(self, x1, x2, x3):
        x1, x2, x3 = (np.asarray(x, np.float64).ravel() for x in (x1, x2, x3))
        a, b = x2 - x1, x3 - x1
        length = np.sqrt(a @ a)
        self.origin, self.a = x1, a / length
        c1 = self.a @ b
        b = b - c1 * self.a
        self.b_perp = b / np.sqrt(b @ b)
        self.coordinates = [(0.0, 0.0), (length, 0.0), (c1, (x3 - x1) @ self.b_perp)]

    def grid(self, resolution, margin):
        """Points [resolution², d]; index i * resolution + j is origin + u_i a + v_j b_perp."""
        u, v = (axis(values, resolution, margin) for values in zip(*self.coordinates))
        u, v = (m.ravel() for m in np.meshgrid(u, v, indexing="ij"))
        return self.origin + u[:, None] * self.a + v[:, None] * self.b_perp


def axis(values, resolution, margin):
    low, high = min(values), max(values)
    widening = margin * (high - low)
    return np.linspace(low - widening, high + widening, resolution)
