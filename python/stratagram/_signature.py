"""Packed centred Gram matrices: what CKA compares.

The inner product of two signatures is the CKA of their representations. The numbers are those
of ``stratagram analyze`` (docs/FORMAT.md, "Signatures"): features are centred and scaled by a power
of two before any product, products are float32, and blocks of 1,024 features
are added in float64. Activations may be NumPy arrays or torch tensors; the products are computed
where they lie, and only the n × n matrix comes to the processor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

#: Features whose products are summed in float32.
TERMS = 1024
#: Examples of a batch of the estimator ``minibatch``; a remainder joins the last one.
BATCH = 256
#: Where U-centring leaves less than this of a Gram matrix, products are computed in float64.
F64_BELOW = 1.0 / 32.0
#: Where it leaves less than this of float64 products, what is left is their rounding.
NOTHING_BELOW = 1e-11

#: The least number of examples: the debiased HSIC divides by n − 3.
FEWEST = 4
ESTIMATORS = ("debiased", "biased", "minibatch")


class Undefined(Exception):
    """Why a representation has no similarity with any."""


class _NumPy:
    f64 = staticmethod(lambda x: np.asarray(x, np.float64))
    like = staticmethod(lambda values, x: values.astype(x.dtype))
    means = staticmethod(lambda x: x.mean(axis=0, dtype=np.float64))
    low = staticmethod(lambda x: x.min(axis=0))
    high = staticmethod(lambda x: x.max(axis=0))
    host = staticmethod(np.asarray)
    zeros = staticmethod(lambda n, x: np.zeros((n, n)))
    spacing = staticmethod(lambda x: float(np.finfo(x.dtype).eps))


def _f64(x):
    return x.new_empty(0).double().dtype


class _Torch:
    f64 = staticmethod(lambda x: x.double())
    like = staticmethod(lambda values, x: values.to(x.dtype))
    means = staticmethod(lambda x: x.mean(0, dtype=_f64(x)))
    low = staticmethod(lambda x: x.amin(0))
    high = staticmethod(lambda x: x.amax(0))
    host = staticmethod(lambda x: x.cpu().numpy())
    zeros = staticmethod(lambda n, x: x.new_zeros((n, n)).double())
    spacing = staticmethod(lambda x: float(np.finfo(str(x.dtype)[len("torch."):]).eps))


class _Centred:
    """A representation seen through scale·(x − mean); nothing is copied whole."""

    def __init__(self, x):
        self.x = x
        self.ops = _NumPy if isinstance(x, np.ndarray) else _Torch
        n, _ = x.shape
        if n < FEWEST:
            raise Undefined(f"{n} examples; at least {FEWEST} are needed")
        self.means = self.ops.means(x)
        mean = self.ops.host(self.means)
        low, high = (self.ops.host(end(x)) for end in (self.ops.low, self.ops.high))
        deviation = np.maximum(mean - low, high - mean)
        if not np.isfinite(deviation).all():
            raise Undefined("a feature is NaN or infinite")
        rounding = max(self.ops.spacing(x), n * float(np.finfo(np.float64).eps))
        if not (deviation > rounding * np.abs(mean)).any():
            raise Undefined("dead layer: no feature varies over examples")
        # The largest deviation in [½, 1), as far as float32 holds such powers of two.
        self.scale = 2.0 ** min(max(-int(np.frexp(deviation.max())[1]), -126), 126)

    def gram(self, exact):
        """K_ij = ⟨x_i, x_j⟩, ``[n, n]`` in float64; with ``exact``, products in float64, too.

        Features are less the mean as their own type has it; what that leaves of the mean is the
        same for all examples, and centring the matrix removes it. Cost n²p multiply-adds;
        beside the activations, n·1,024 and n² numbers are held.
        """
        ops, (n, p) = self.ops, self.x.shape
        gram = ops.zeros(n, self.x)
        for start in range(0, p, TERMS):
            block = slice(start, min(start + TERMS, p))
            values, mean = self.x[:, block], self.means[block]
            values = ops.f64(values) - mean if exact else values - ops.like(mean, values)
            values *= self.scale
            gram += ops.f64(values @ values.T)
        return ops.host(gram)


def _doubly_centred(gram):
    means = gram.mean(0)
    return gram - means[:, None] - means[None, :] + means.mean()


def _u_centred(gram):
    """The U-centred matrix of Székely and Rizzo, and its norm over that without its diagonal."""
    n = len(gram)
    gram = gram - np.diag(np.diag(gram))
    before = np.linalg.norm(gram)
    means = gram.sum(0)
    means = means / (n - 2) - means.sum() / (2 * (n - 1) * (n - 2))
    left = gram - means[:, None] - means[None, :]
    np.fill_diagonal(left, 0.0)
    return left, (np.linalg.norm(left) / before if before > 0 else 0.0)


def _centred_gram(centred, estimator):
    """What is compared, and the squared norms of the examples; features times their scale."""
    gram = centred.gram(exact=False)
    if estimator == "biased":
        left = _doubly_centred(gram)
        return left, np.diag(left)
    left, remainder = _u_centred(gram)
    if remainder < F64_BELOW:
        gram = centred.gram(exact=True)
        left, remainder = _u_centred(gram)
        if remainder < NOTHING_BELOW:
            raise Undefined("the examples are mutually orthogonal: the U-centred Gram matrix is 0")
    return left, np.diag(_doubly_centred(gram))


def _packed(matrix):
    """The upper triangle row by row, entries beside the diagonal times √2."""
    row, column = np.triu_indices(len(matrix))
    return matrix[row, column] * np.where(row == column, 1.0, np.sqrt(2.0))


def _batches(n, estimator):
    size = BATCH if estimator == "minibatch" else max(n, FEWEST)
    count = max(n // size, 1)
    return [slice(k * size, n if k + 1 == count else (k + 1) * size) for k in range(count)]


def signature_length(n: int, estimator: str = "debiased") -> int:
    """The length of the signature of ``n`` examples."""
    sizes = [min(b.stop, n) - b.start for b in _batches(n, estimator)]
    return sum(size * (size + 1) // 2 for size in sizes)


def signature(x: Any, estimator: str = "debiased") -> npt.NDArray[np.float32]:
    """The packed centred Gram matrix of ``x``, float32, of unit norm.

    ``x`` is ``[n, p]``, float32 or float64, a NumPy array or a torch tensor, one row an example.
    Raises :class:`Undefined` where the representation has no CKA with any.
    """
    return reduced(x, estimator)[0]


def reduced(x, estimator="debiased"):
    """The :func:`signature`, and what it leaves out of the Gram matrix, float64 ``[n + 1]``.

    That is the squared norm of each centred example, and what the signature was divided by.
    """
    if estimator not in ESTIMATORS:
        raise ValueError(f"no estimator is called {estimator!r}; expected one of {ESTIMATORS}")
    whole = _Centred(x)  # refuses what is dead or not finite as a whole
    batches, pieces, norms = _batches(len(x), estimator), [], []
    for batch in batches:
        size = min(batch.stop, len(x)) - batch.start
        if len(batches) == 1:
            left, squares = _centred_gram(whole, estimator)
            pieces.append(_packed(left))
            norms.append(squares)
            continue
        try:
            centred = _Centred(x[batch])
            unit = (whole.scale / centred.scale) ** 2
            left, squares = _centred_gram(centred, estimator)
            pieces.append(_packed(left) * (unit / np.sqrt(size * (size - 3.0))))
            norms.append(squares * unit)
        except Undefined:  # such a batch has HSIC 0 with all others
            pieces.append(np.zeros(size * (size + 1) // 2))
            norms.append(np.zeros(size))
    packed = np.concatenate(pieces)
    norm = np.linalg.norm(packed)
    if norm == 0.0:
        raise Undefined("the examples are mutually orthogonal: the U-centred Gram matrix is 0")
    left_out = np.append(np.concatenate(norms), norm) / whole.scale**2
    return (packed / norm).astype(np.float32), left_out
