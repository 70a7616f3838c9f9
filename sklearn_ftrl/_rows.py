"""The border: X, y and sample weights as the kernel takes them."""

from numbers import Real
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils.validation import validate_data

from . import _threads
from ._kernel import Rows, inspect_rows, largest_bits

NO_NUMBER = (  # what numpy says of strings, of dicts, and of dates beside numbers
    "could not convert string",
    "argument must be a string or a real number",
    "could not be promoted",
)

BITS = {np.dtype(np.float64): np.dtype(np.int64), np.dtype(np.float32): np.dtype(np.int32)}
NARROW = 2  # numbers in all rows by the features of X


class Batch(NamedTuple):
    """Rows with their targets and weights, and the order in which to take them."""

    rows: Rows
    order: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    def labelled(self):
        """Return targets and weights of these rows; of all rows, in any order, without a copy."""
        if self.order.size == self.weights.size:
            return self.targets, self.weights
        return self.targets[self.order], self.weights[self.order]


def batch(X, targets, weights, estimator=None, trusted=None):
    """Return the rows whose weight is above 0, in the order given.

    Up to the absolute number ``trusted``, if any, the kernel checks the rows as it takes them.
    """
    order = np.flatnonzero(weights != 0)
    rows = None
    if trusted and order.size == weights.size:  # else some rows would never be looked at
        rows = unchecked(X, trusted)
    if rows is None:
        rows = as_rows(X, estimator)
    return Batch(rows, order, _frozen(targets, np.float64), _frozen(weights, np.float64))


def narrowed(batch, n_features):
    """Return rows of the features that occur, and these, sorted; if they are many, as it is."""
    indices = batch.rows.indices
    if indices is None or not 0 < NARROW * indices.size <= n_features:
        return batch, None
    features, places = occurring(indices, n_features)
    return batch._replace(rows=batch.rows._replace(indices=_frozen(places))), features


def occurring(indices, n_features):
    """Return the features that occur, sorted, and the place of each index among them."""
    occurs = np.zeros(n_features, bool)
    occurs[indices] = True
    features = np.flatnonzero(occurs)
    place = np.empty(n_features, indices.dtype)
    place[features] = np.arange(features.size)
    return features, place[indices]


def joined(*batches):
    """Return the rows of batches, in their orders, as one batch of CSR rows of its own."""
    parts = [_own(batch) for batch in batches]
    data, indices, sizes, targets, weights = (
        np.concatenate(arrays) for arrays in zip(*parts, strict=True)
    )
    rows = Rows(
        _frozen(data, batches[0].rows.data.dtype),
        _frozen(indices),
        _frozen(np.r_[0, np.cumsum(sizes)], np.int64),
        max(batch.rows.longest for batch in batches),
        max(batch.rows.largest for batch in batches),
        _frozen(np.zeros(sizes.size, bool)),
    )
    return Batch(rows, np.arange(sizes.size), _frozen(targets), _frozen(weights))


def _own(batch):
    """Return data, indices and sizes of the rows of a batch, in its order, and their y."""
    order = batch.order
    return *entries(batch.rows, order), batch.targets[order], batch.weights[order]


def entries(rows, order):
    """Return data, indices and sizes of these rows, in this order."""
    data, indices, indptr, *_ = rows
    n_rows = indptr.size - 1
    if indices is not None and order.size == n_rows and np.array_equal(order, np.arange(n_rows)):
        own = slice(indptr[0], indptr[-1])
        return data[own], indices[own], np.diff(indptr)
    starts = indptr[order]
    sizes = indptr[order + 1] - starts
    offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    at = np.repeat(starts, sizes) + offsets
    features = offsets.astype(np.int32) if indices is None else indices[at]
    return data[at], features, sizes


def check_rows(estimator, X, y, sample_weight, **checks):
    """Return X, y and sample weights as checked arrays."""
    X, y = validate(estimator, X, y, **checks)
    return X, y, check_sample_weight(sample_weight, X.shape[0])


def validate(estimator, *arrays, **checks):
    """Return X, and y if given, as scikit-learn checks them; say which columns are no numbers."""
    try:
        # Numbers may be too large for float32, or for scikit-learn's sum: as_rows looks for them.
        with np.errstate(over="ignore", invalid="ignore"):
            return validate_data(
                estimator, *arrays, accept_sparse="csr", ensure_all_finite=False, **checks
            )
    except (ValueError, TypeError) as error:
        if not any(words in str(error) for words in NO_NUMBER):
            raise
        X = arrays[0]
        if hasattr(X, "column_names"):  # of pyarrow, whose columns are arrays
            columns = [name for name in X.column_names if not _is_numeric(X.select([name]))]
        else:
            columns = [name for name in getattr(X, "columns", []) if not _is_numeric(X[[name]])]
        raise type(error)(
            f"{error}. X must be numbers{f', and columns {columns} are not' if columns else ''}. "
            "ColumnHasher makes them of a table, HashingVectorizer of texts, FeatureHasher of "
            "dicts."
        ) from error


def _is_numeric(column):
    try:
        check_array(column, dtype=np.float64, ensure_all_finite=False)
    except (ValueError, TypeError):
        return False
    return np.asarray(column).dtype.kind not in "mM"  # dates are, but beside numbers


def numbers(array, name):
    """Return an array as float64; errors say its name."""
    try:
        return check_array(array, dtype=np.float64, ensure_2d=False, input_name=name)
    except (ValueError, TypeError) as error:
        if not any(words in str(error) for words in NO_NUMBER):
            raise
        raise type(error)(f"{name} must be numbers: {error}") from error


def check_finite(X, estimator):
    """Raise scikit-learn's error for NaN and inf in X."""
    data = X.data if sparse.issparse(X) else X
    with np.errstate(all="ignore"):  # its sum warns where huge numbers cancel
        assert_all_finite(data, estimator_name=type(estimator).__name__, input_name="X")


def check_sample_weight(sample_weight, n_samples):
    """Return the weights as float64: finite, 0 or more, one a row."""
    if sample_weight is None:
        return np.ones(n_samples)
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_samples, sample_weight)
    sample_weight = numbers(sample_weight, "sample_weight")
    if sample_weight.ndim != 1:
        raise ValueError(
            f"Sample weights must be a scalar or a 1D array, got {sample_weight.ndim}D."
        )
    if sample_weight.size != n_samples:
        raise ValueError(f"sample_weight.shape == {sample_weight.shape}, expected {(n_samples,)}!")
    if sample_weight.min() < 0:
        raise ValueError("Negative values in data passed to `sample_weight`.")
    return sample_weight


def check_sum(weights):
    """Raise if sample weights are too large to be added up."""
    with np.errstate(over="ignore"):
        if not np.isfinite(weights.sum()):
            raise ValueError("Sample weights are too large: their sum is not finite.")


def check_init(init, name, shape):
    """Return initial weights as an array of this shape; one output needs no axis."""
    if sparse.issparse(init):
        init = init.toarray()
    init = np.atleast_1d(init)
    init = numbers(init, name)
    if init.shape != shape and (1, *init.shape) != shape:
        raise ValueError(f"{name}.shape == {init.shape}, expected {shape}!")
    return init.reshape(shape)


def as_rows(X, estimator=None):
    """Return X, dense or CSR, as the kernel takes it; the caller's arrays stay as they are.

    NaN and inf are errors where it is told whose.
    """
    n_threads = 1 if estimator is None else estimator._n_threads()
    if not sparse.issparse(X):
        some = X[:1000]
        if 2 * np.count_nonzero(some) > some.size:  # zeros may stay: no row touches their weights
            data, starts = _frozen(X.ravel()), _frozen(np.arange(0, X.size + 1, X.shape[1]))
            rows = Rows(data, None, starts, X.shape[1], largest(data, n_threads), None)
            return _checked(rows, X, estimator)
        X = sparse.csr_array(X)
    index_dtype = X.indices.dtype if X.indices.dtype in (np.int32, np.int64) else np.int64
    data = _frozen(X.data, X.dtype)
    indices = _frozen(X.indices, index_dtype)
    indptr = _frozen(X.indptr, np.int64)
    if indptr.size != X.shape[0] + 1 or data.size != indices.size:
        raise ValueError("X is not a valid CSR matrix: data, indices and indptr do not fit.")
    ones, bits = np.empty(X.shape[0], bool), data.view(BITS[data.dtype])
    one = data.dtype.type(1).view(bits.dtype)
    arguments = bits, one, indices, indptr, X.shape[1], ones
    parts = _threads.split(X.shape[0], _threads.how_many(n_threads, data.size))
    results = _threads.in_threads(inspect_rows, [(*arguments, a, b) for a, b in parts])
    sizes, increase, most = zip(*results, strict=True)
    if min(sizes) < 0:
        raise ValueError(
            "X is not a valid CSR matrix: an entry of indptr or indices is out of range."
        )
    rows = Rows(data, indices, indptr, max(sizes), _number(max(most), bits.dtype), _frozen(ones))
    _checked(rows, X, estimator)
    if not all(increase):
        X = sparse.csr_array((data, indices, indptr), shape=X.shape, copy=True)
        X.sum_duplicates()
        return as_rows(X, estimator)
    if data.size > indptr[-1]:  # room that scipy leaves at the end
        return rows._replace(data=data[: indptr[-1]], indices=indices[: indptr[-1]])
    return rows


def unchecked(X, largest):
    """Return CSR rows for the kernel to check, or None where it takes more than that."""
    indptr = _frozen(X.indptr, np.int64)
    fits = indptr.size == X.shape[0] + 1 and X.data.size == X.indices.size
    if not (fits and indptr[0] == 0 and indptr[-1] <= X.data.size):
        return None
    if not (indptr[:-1] <= indptr[1:]).all():  # a difference of wrong ones may be too large
        return None
    return Rows(
        _frozen(X.data[: indptr[-1]]),
        _frozen(X.indices[: indptr[-1]]),
        indptr,
        int(np.diff(indptr).max()),
        largest,
        ones=_frozen(np.zeros(X.shape[0], bool)),
        checked=False,
    )


def check_some(rows, order, n_features):
    """Return some of the rows that nobody has looked at, in this order, as rows of their own."""
    data, indices, sizes = entries(rows, order)
    indptr = np.r_[0, np.cumsum(sizes)]
    return as_rows(sparse.csr_array((data, indices, indptr), shape=(order.size, n_features)))


def _checked(rows, X, estimator):
    """Return the rows; raise for NaN and inf where it is told whose."""
    if estimator is not None and not np.isfinite(rows.largest):
        check_finite(X, estimator)
    return rows


def largest(data, n_threads=1):
    """Return the largest absolute number; NaN is larger than inf."""
    bits = data.view(BITS[data.dtype])
    parts = _threads.split(bits.size, _threads.how_many(n_threads, bits.size))
    most = max(_threads.in_threads(largest_bits, [(bits[a:b],) for a, b in parts]))
    return _number(most, bits.dtype)


def _number(bits, dtype):
    """Return the number of these bits, an integer of this type."""
    return float(dtype.type(bits).view(f"f{dtype.itemsize}"))


def _frozen(array, dtype=None):
    """Return a read-only, contiguous view or copy: one numba type whatever the caller has."""
    view = np.ascontiguousarray(array, dtype).view()
    view.flags.writeable = False
    return view
