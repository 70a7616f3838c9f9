"""Progressive validation: each batch of a stream is predicted, then learned."""

import functools
import inspect
import itertools
import operator

import numpy as np
from sklearn.base import clone
from sklearn.metrics import check_scoring

from ._base import BaseFtrl
from ._batches import (
    batch_ends,
    check_classes,
    check_rows,
    check_targets,
    split_pipeline,
    take,
    transform,
)


def progressive_scorer(estimator, X, y, scoring, classes, sample_weight, batch_size, batches):
    """Predict and learn; return a function that scores a slice of rows, and the batches' ends."""
    estimator = clone(estimator)
    _, learner = split_pipeline(estimator)
    scorer, weights = check_scoring(learner, scoring), weights_of(sample_weight)
    methods = ["predict", "predict_proba", "decision_function"]  # those that names ask for
    if callable(scoring):
        methods.append("predict_log_proba")
    methods = [method for method in methods if hasattr(learner, method)]
    predictions, ends = predict_then_learn(
        estimator, X, y, methods, classes, sample_weight, batch_size, batches
    )
    for method, values in predictions.items():
        replay = functools.partial(operator.getitem, values)
        replay.__name__ = method  # scikit-learn reads there what kind of values these are
        setattr(learner, method, replay)
    y = check_targets(learner, y)

    def score(rows):
        return scorer(learner, rows, y[rows], **weights(rows))

    return score, ends


def weights_of(sample_weight):
    """Return a function that gives the weights of a slice as a keyword argument, if any."""
    if sample_weight is None:
        return lambda rows: {}
    sample_weight = np.asarray(sample_weight)
    return lambda rows: {"sample_weight": sample_weight[rows]}


def windows_of(ends, window):
    """Return slices of so many rows or more, which end with a batch and skip the first one."""
    first, n_rows = int(ends[0]), int(ends[-1])
    if window is None:
        return [slice(first, n_rows)]
    windows, start = [], first
    while start < n_rows:
        enough = np.searchsorted(ends, start + int(window))
        stop = int(ends[min(enough, ends.size - 1)])
        windows.append(slice(start, stop))
        start = stop
    return windows


def predict_then_learn(estimator, X, y, methods, classes, sample_weight, batch_size, batches):
    """Learn; return by method what was predicted of each batch before, and the batches' ends."""
    transformers, learner = split_pipeline(estimator)
    X, weights = check_rows(X, y, sample_weight), weights_of(sample_weight)
    y = check_targets(learner, y)
    ends = batch_ends(len(y), batch_size, batches)
    known = check_classes(learner, y, classes)
    if sample_weight is not None and (
        "sample_weight" not in inspect.signature(learner.partial_fit).parameters
    ):
        raise ValueError(f"sample_weight: partial_fit of {learner!r} does not take it.")
    if (
        isinstance(learner, BaseFtrl)
        and "auto" not in (learner.learning_rate, learner.beta)
        and not transformers
        and ends.size == y.size
    ):
        return _learn_by_row(learner, X, y, methods, weights, known), ends

    def predict(method, batch):
        with np.errstate(divide="ignore"):  # log(0)
            return getattr(learner, method)(batch)

    parts = {method: [] for method in methods}
    zeros = _of_zeros(learner, **known)
    for start, stop in itertools.pairwise([0, *ends.tolist()]):
        rows = slice(start, stop)
        batch = transform(transformers, take(X, rows))
        if start > 0:
            for method in methods:
                parts[method].append(predict(method, batch))
        learner.partial_fit(batch, y[rows], **known, **weights(rows))
        if start == 0:
            for method in methods:
                parts[method].append(np.full_like(predict(method, batch), zeros[method]))
    return {method: np.concatenate(part) for method, part in parts.items()}, ends


def _learn_by_row(estimator, X, y, methods, weights, known):
    """Learn in one pass of the kernel; return by method what it predicted of each row before.

    Nothing else here uses private methods of the estimators.
    """
    # A row of weight 0 teaches nothing, but checks the parameters and sets the number of outputs.
    estimator.partial_fit(take(X, slice(0, 1)), y[:1], sample_weight=[0.0], **known)
    raws = np.empty((y.size, estimator._n_outputs()))
    estimator._partial_fit(X, y, raws=raws, **weights(slice(None)))
    return {method: getattr(estimator, f"_{method}")(raws) for method in methods}


def _of_zeros(learner, classes=(0.0,)):
    """Return by method what a model of zeros predicts."""
    if getattr(learner, "loss", None) == "poisson":
        classes = [1.0]
    return {
        "predict": classes[0],
        "predict_proba": 1 / len(classes),
        "predict_log_proba": -np.log(len(classes)),
        "decision_function": 0.0,
    }
