"""Batches of a stream: where they end, their rows, and who transforms and who learns them."""

from collections.abc import Mapping

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import (
    assert_all_finite,
    check_consistent_length,
    column_or_1d,
    get_tags,
    indexable,
)
from sklearn.utils.multiclass import unique_labels

from ._labels import as_labels, distinct, named
from ._regressor import as_targets


def check_rows(X, *others):
    """Return X with rows that can be sliced, and check that the others have as many."""
    if _is_dict(X):
        check_consistent_length(*X.values(), *others)
        return X
    return indexable(X, *others)[0]


def check_targets(learner, y):
    """Return y as an array without missing values."""
    if y is None:
        raise ValueError(f"{learner!r} requires y to be passed, but the target y is None.")
    if is_classifier(learner):
        y = as_labels(y)
        assert_all_finite(y, input_name="y")
        is_column = np.ndim(y) == 2 and np.shape(y)[1] == 1
        several = get_tags(learner).target_tags.multi_output
        return column_or_1d(y, warn=True) if is_column and not several else y
    return as_targets(y) if is_regressor(learner) else np.asarray(y)


def check_classes(learner, y, classes):
    """Return all labels as an argument of ``partial_fit``; regressors have none."""
    if not is_classifier(learner):
        return {}
    found = distinct if y.ndim == 1 else unique_labels
    return {"classes": found(y) if classes is None else named(classes)}


def batch_ends(n_rows, batch_size, batches):
    """Return the numbers of rows at which batches end; there have to be two batches."""
    if batches is None:
        batch_size = int(batch_size)  # one of numpy's types would overflow
        ends = np.append(np.arange(batch_size, n_rows, batch_size), n_rows)
        given = f"batch_size={batch_size}"
    else:
        labels = np.asarray(batches)
        if labels.shape != (n_rows,):
            raise ValueError(f"batches.shape == {labels.shape}, expected {(n_rows,)}!")
        try:
            starts = np.flatnonzero(np.append(True, labels[1:] != labels[:-1]))
            firsts = list(labels[starts])
            missing = any(label is None or label != label for label in firsts)
        except TypeError:  # pandas' NA is neither equal nor different
            missing = True
        if missing:
            raise ValueError("batches has missing values. Give every row the label of its batch.")
        seen = set()
        for label in firsts:
            if label in seen:
                raise ValueError(
                    f"batches: {label} comes back after another batch. Rows of one batch must "
                    "be consecutive: sort the rows by time."
                )
            seen.add(label)
        ends = np.append(starts[1:], n_rows)
        given = "batches"
    if ends.size < 2:
        raise ValueError(
            f"{given} puts all rows in one batch (n_samples={n_rows}), and no model predicts the "
            "first batch. Make batches smaller."
        )
    return ends


def take(X, rows):
    """Return a slice of the rows of an array, a matrix or a table, without a copy of the rest."""
    if _is_dict(X):
        return {name: take(column, rows) for name, column in X.items()}
    if sparse.issparse(X):
        return _take_csr(X, rows)
    if hasattr(X, "iloc"):  # pandas
        return X.iloc[rows]
    if hasattr(X, "slice"):  # polars, pyarrow
        return X.slice(rows.start, rows.stop - rows.start)
    return X[rows]


def _take_csr(X, rows):
    """Return rows of a CSR matrix without a copy, which would take as long as learning."""
    if X.indptr.size != X.shape[0] + 1 or X.indptr[0] != 0:
        raise ValueError("X is not a valid CSR matrix: indptr does not fit.")
    part = type(X)((rows.stop - rows.start, X.shape[1]), dtype=X.dtype)
    first, last = X.indptr[rows.start], X.indptr[rows.stop]
    part.data, part.indices = X.data[first:last], X.indices[first:last]
    part.indptr = X.indptr[rows.start : rows.stop + 1] - first
    return part


def _is_dict(X):
    return isinstance(X, Mapping) and not sparse.issparse(X)  # dok_matrix is a dict


def split_pipeline(estimator):
    """Return the steps that transform a batch, and the estimator that then learns the batch."""
    transformers, learner = [], estimator
    while isinstance(learner, Pipeline):
        for name, step in learner.steps[:-1]:
            if step is None or step == "passthrough":
                continue
            if not isinstance(step, FrozenEstimator) and get_tags(step).requires_fit:
                raise ValueError(
                    f"Step {name!r} of the pipeline, {step!r}, has to be fitted, and a stream "
                    "fits only the last step. Fit this step before, and put "
                    f"FrozenEstimator({name}) in its place, or use a step without fit."
                )
            transformers.append(step)
        learner = learner.steps[-1][1] if learner.steps else None
    if isinstance(learner, FrozenEstimator) or not hasattr(learner, "partial_fit"):
        raise ValueError(f"{learner!r} has no partial_fit to learn a batch with.")
    return transformers, learner


def transform(transformers, X):
    """Return a batch as the last step of its pipeline takes it."""
    for step in transformers:
        X = step.transform(X)
    return X
