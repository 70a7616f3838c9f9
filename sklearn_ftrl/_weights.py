"""A linear model that does not learn any more; the product of rows and weights, and its loss."""

import itertools

import numpy as np
from scipy import sparse

from . import _state, _threads
from ._kernel import multiply, total_loss


class FreedError(ValueError, AttributeError):
    """Raised for z and n of a model without them; hasattr takes it for an AttributeError."""


class Weights:
    """A linear model that does not learn any more: its weights, dense or CSR, and intercepts.

    ``scales`` is what "auto" stood for, which a model keeps and does not read.
    """

    def __init__(self, coef, intercept, learner):
        self.coef, self.intercept = coef, intercept
        self.numbers, self.scales = learner.numbers, learner.scales
        self.alpha, self.t = learner.alpha, learner.t

    @property
    def dtype(self):
        return self.coef.dtype

    def weights(self):
        """Return the weights as an array of shape (n_features, n_outputs), float64."""
        if not sparse.issparse(self.coef):
            return np.array(self.coef.T, np.float64, order="C")  # which is not read-only
        weights = np.zeros(self.coef.shape[::-1])  # its memory comes with use
        weights[self.coef.indices, self.coef.nonzero()[0]] = self.coef.data
        return weights

    def intercepts(self):
        """Return the intercepts, of shape (n_outputs,)."""
        return self.intercept

    def predict(self, rows, order, n_threads=1):
        """Return the linear predictor of rows in this order, of shape (n_rows, n_outputs)."""
        if sparse.issparse(self.coef) and rows.data.size < self.coef.nnz:
            weights = _look_up(self.coef, rows.indices)
            own = _state.read_only(np.arange(rows.data.size, dtype=rows.indices.dtype))
            return product(rows._replace(indices=own), order, weights, self.intercept, n_threads)
        return product(rows, order, self.weights(), self.intercept, n_threads)

    def learned(self):
        """Raise the error of a model that has no z and n."""
        raise FreedError("z and n are not available: sparsify freed them.")


def finite(weights, dtype):
    """Return weights in this type, which has to hold them."""
    with np.errstate(over="ignore"):
        weights = weights.astype(dtype, copy=False)
    if not np.isfinite(weights).all():
        raise ValueError(f"A weight is too large for {dtype}. Lower learning_rate or scale X.")
    return weights


def product(rows, order, weights, intercepts, n_threads):
    """Return the rows in this order times the weights, plus the intercepts."""
    raws = np.full((order.size, intercepts.size), intercepts)
    parts = _threads.split(order.size, _threads.how_many(n_threads, rows.data.size * raws.shape[1]))
    _threads.in_threads(multiply, [(rows, order[a:b], weights, raws[a:b]) for a, b in parts])
    return raws


def loss_of(loss, y, sample_weight, raws):
    """Return the weighted sum of the losses of raw predictions, of shape (n_rows, n_outputs)."""
    return total_loss(loss, y, sample_weight, raws.ravel() if raws.shape[1] == 1 else raws)


def _look_up(coef, indices):
    """Return the weights of these features, a row each, from a CSR matrix."""
    weights = np.zeros((indices.size, coef.shape[0]))
    for output, (start, stop) in enumerate(itertools.pairwise(coef.indptr)):
        if start < stop:
            columns = coef.indices[start:stop]
            at = np.searchsorted(columns, indices).clip(max=stop - start - 1)
            weights[:, output] = np.where(columns[at] == indices, coef.data[start + at], 0.0)
    return weights
