"""The works: made-up rows of the shapes that linear models meet, the same in every run."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

N_FIELDS = 39  # columns of the Criteo click logs


class Work(NamedTuple):
    """Rows to learn: X is CSR with sorted, distinct int32 indices, or dense; y counts from 0."""

    X: Any
    y: np.ndarray
    ids: np.ndarray | None = None  # the rows as a table of ids, where they were one

    @property
    def nnz(self):
        """Return the number of non-zeros."""
        return self.X.nnz if sparse.issparse(self.X) else self.X.size

    @property
    def n_classes(self):
        """Return the number of classes."""
        return int(self.y.max()) + 1

    def rows(self, n):
        """Return the first rows."""
        ids = None if self.ids is None else self.ids[:n]
        return Work(self.X[:n], self.y[:n], ids)

    def at_most(self, nnz):
        """Return as many of the first rows as hold about so many non-zeros."""
        return self.rows(max(1, nnz * self.X.shape[0] // self.nnz)) if nnz < self.nnz else self


@cache
def ctr(bits, n_rows, n_fields=N_FIELDS, n_classes=2):
    """Return a click log: a row has one id of each field, hashed to 2^bits features.

    Fields have 10 to 10 million ids, and the k-th is met in proportion to 1/k.
    """
    rng = np.random.default_rng(0)
    n_ids = np.geomspace(10, 1e7, n_fields, dtype=np.float32)
    ids = np.exp(rng.random((n_rows, n_fields), dtype=np.float32) * np.log(n_ids)).astype(np.int32)
    keys = (ids.astype(np.uint64) * n_fields + np.arange(n_fields)).astype(np.uint64)
    hashes = keys * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(64 - bits)
    X = csr(hashes.astype(np.int32), 2**bits)
    return Work(X, _labels(rng, X, n_classes), ids)


def text(bits, n_rows):
    """Return texts: some 100 different words a row, weighted, rows of length 1."""
    rng = np.random.default_rng(0)
    words = np.exp(rng.random((n_rows, 140), dtype=np.float32) * (bits * np.log(2))) - 1
    words = words.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) & np.uint64(2**bits - 1)
    X = csr(words.astype(np.int32), 2**bits)
    X.data[:] = rng.uniform(0.5, 5.0, X.nnz)
    lengths = np.sqrt(np.add.reduceat(X.data**2, X.indptr[:-1]))
    X.data /= np.repeat(lengths, np.diff(X.indptr))
    return Work(X, _labels(rng, X, 2, scale=5.0))


def dense(n_columns, n_rows):
    """Return a table of numbers."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_columns))
    return Work(X, _labels(rng, X, 2))


def csr(indices, n_features):
    """Return rows of ones from a table of indices, each index once a row."""
    indices.sort(axis=1)
    distinct = np.ones(indices.shape, bool)
    distinct[:, 1:] = indices[:, 1:] != indices[:, :-1]
    indptr = np.append(0, distinct.sum(axis=1).cumsum()).astype(np.int32)
    shape = len(indices), n_features
    return sparse.csr_array((np.ones(indptr[-1]), indices[distinct], indptr), shape=shape)


def _labels(rng, X, n_classes, scale=0.3):
    """Return classes drawn from a softmax of random weights."""
    weights = scale * rng.standard_normal((X.shape[1], n_classes))
    return (X @ weights + rng.gumbel(size=(X.shape[0], n_classes))).argmax(axis=1)
