"""By how much memory grows in a call, at its peak."""

import multiprocessing
import os
import re
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
from scipy import sparse
from sklearn.linear_model import SGDClassifier

from sklearn_ftrl import FtrlClassifier

ROW = 39  # non-zeros


def fit(X, y, shuffle=True):
    """Return the fit of a new model."""
    model = FtrlClassifier(max_iter=1, early_stopping=False, shuffle=shuffle)
    return lambda: model.fit(X, y)


def after_fit(call):
    """Return an action: this call of a model that is fitted already."""

    def action(X, y):
        model = fit(X, y)()
        return lambda: call(model, X)

    return action


def fit_sgd(X, y):
    """Return the fit of a new SGDClassifier."""
    model = SGDClassifier(loss="log_loss", max_iter=1, tol=None)
    return lambda: model.fit(X, y)


def same(X):
    """Return X, canonical CSR of float64 and int32."""
    return X


def float32(X):
    """Return X in single precision."""
    return X.astype(np.float32)


def int64(X):
    """Return X with long indices."""
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def backwards(X):
    """Return X with the indices of each row from right to left."""
    indices = X.indices.reshape(-1, ROW)[:, ::-1].ravel()
    return sparse.csr_array((X.data, indices, X.indptr), shape=X.shape)


def dense(X):
    """Return a dense table of as many numbers."""
    return X.data.reshape(-1, ROW).copy()


PER_FEATURE = {
    "fit": (same, fit),
    "fit, float32 X": (float32, fit),
    "coef_": (same, after_fit(lambda model, X: model.coef_)),
    "sparsify": (same, after_fit(lambda model, X: model.sparsify())),
    "predict, one row": (same, after_fit(lambda model, X: model.predict(X[:1]))),
    "SGDClassifier.fit": (same, fit_sgd),
}
PER_ROW = {
    "fit, in order": (same, lambda X, y: fit(X, y, shuffle=False)),
    "fit, shuffled": (same, fit),
    "fit, shuffled, float32": (float32, fit),
    "fit, shuffled, int64 indices": (int64, fit),
    "fit, shuffled, unsorted indices": (backwards, fit),
    "fit, shuffled, dense X": (dense, fit),
    "predict_proba": (same, after_fit(lambda model, X: model.predict_proba(X))),
    "SGDClassifier.fit, shuffled": (same, fit_sgd),
}


class Growth(NamedTuple):
    """Bytes allocated and bytes resident at the peak of a call, and the bytes of X."""

    allocated: int
    resident: int | None
    rows: int


def peak_growth(cases, bits, n_rows):
    """Return the growth of each case, measured in a new process.

    There every array of some size is a mapping of its own, which is given back when it is
    freed: a call does not find pages that another has left.
    """
    context = multiprocessing.get_context("spawn")
    with (
        mock.patch.dict(os.environ, MALLOC_MMAP_THRESHOLD_="65536"),
        ProcessPoolExecutor(1, mp_context=context) as pool,
    ):
        return {case: pool.submit(_growth, case, bits, n_rows).result() for case in cases}


def _growth(case, bits, n_rows):
    convert, action = (PER_FEATURE | PER_ROW)[case]
    X, y = _rows(6, 100)
    action(convert(X), y)()  # loads or compiles code
    X, y = _rows(bits, n_rows)
    X = convert(X)
    own = sum(a.nbytes for a in (X.data, X.indices, X.indptr)) if sparse.issparse(X) else X.nbytes
    return Growth(_allocated(action(X, y)), _resident(action(X, y)), own)


def _rows(bits, n_rows):
    rng = np.random.default_rng(0)
    gap = 2**bits // ROW
    indices = np.arange(ROW) * gap + rng.integers(gap, size=(n_rows, ROW))
    data, indptr = np.ones(indices.size), np.arange(0, indices.size + 1, ROW, dtype=np.int32)
    X = sparse.csr_array((data, indices.ravel().astype(np.int32), indptr), shape=(n_rows, 2**bits))
    return X, np.arange(n_rows) % 2


def _allocated(run):
    tracemalloc.start()
    _ = run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def _resident(run):
    reset, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    if not reset.exists():
        return None
    reset.write_text("5")  # the peak starts anew
    before = _kilobytes("VmRSS", status)
    _ = run()
    return 1024 * (_kilobytes("VmHWM", status) - before)


def _kilobytes(field, status):
    return int(re.search(rf"{field}:\s+(\d+) kB", status.read_text())[1])
