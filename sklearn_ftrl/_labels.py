"""Labels: read from y, named by the caller, their index among the classes, their weights."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from numbers import Real

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

NUMBERS = (bool, int, float, np.bool, np.integer, np.floating)


def as_labels(y, name="y"):
    """Return labels as an array without missing ones; objects that are numbers as numbers."""
    # Of a list, numpy would make texts where NaN or numbers stand beside texts.
    is_array = hasattr(y, "__array__")
    labels = np.asarray(y, None if is_array else object)
    if labels.ndim == 0:  # None or a sparse matrix: for scikit-learn to refuse
        return y
    types = set(map(type, labels.ravel())) if labels.dtype == object else set()
    if types <= {str, int, bool}:
        missing = labels != labels
    else:
        missing = np.frompyfunc(_is_missing, 1, 1)(labels).astype(bool)
    if missing.any():
        label = labels[missing][0]
        raise ValueError(
            f"Input {name} contains {'NaN' if isinstance(label, Real) else label}. Leave out rows "
            "whose label is missing."
        )
    if types == {str} and not is_array:
        labels = labels.astype(str)
    elif types and all(issubclass(each, NUMBERS) for each in types):
        with suppress(OverflowError):  # integers of more than 64 bits stay objects
            labels = labels.astype(np.result_type(*types))
    return labels


def _is_missing(label):
    try:
        return label is None or bool(label != label)
    except TypeError:  # NA of pandas says neither yes nor no
        return True


def one_a_row(y):
    """Return labels as they are; raise for columns of them."""
    if np.ndim(y) > 1 and np.shape(y)[1] > 1:
        raise ValueError(
            f"y should be a 1d array, got an array of shape {np.shape(y)} instead. Of one-hot "
            "columns, pass the labels: np.argmax(y, axis=1). For rows of several labels there "
            "is MultiOutputClassifier."
        )
    return y


def distinct(y):
    """Return the labels in y, sorted; raise scikit-learn's error for what is no label."""
    try:
        labels = _two(y) if y.size and y.dtype.kind in "iu" else np.unique(y)
    except TypeError as error:
        types = sorted({type(label).__name__ for label in y.tolist()})
        raise ValueError(
            f"y has labels of the types {types}, and they must be of one type that can be sorted."
        ) from error
    # Of objects, scikit-learn knows texts alone, and says what to do with sequences.
    if labels.dtype != object or all(isinstance(label, Sequence) for label in labels[:1]):
        # A look at all labels is slow, but it warns of too many classes.
        check_classification_targets(y if labels.size > 20 else labels)
    return labels


def _two(y):
    """Return the labels among integers, which are mostly two: numpy takes ten times as long."""
    ends = np.array([y.min(), y.max()])
    return np.unique(ends if np.all((y == ends[0]) | (y == ends[1])) else y)


def named(classes):
    """Return the labels that the caller has named, sorted."""
    try:
        return np.unique(as_labels(classes, "classes"))
    except TypeError as error:
        raise TypeError(f"classes={classes!r} must be labels of one type.") from error


def all_of(y, classes):
    """Return all labels, sorted: those in y, if the caller has named none."""
    labels = distinct(y) if classes is None else named(classes)
    if labels.size < 2:
        where = "y" if classes is None else "classes"
        raise ValueError(
            f"The number of classes has to be greater than one; got {labels.size} class in "
            f"{where}, {labels.tolist()}. Where the others are yet to come, name them all: "
            "partial_fit(X, y, classes=...)."
        )
    return labels


def superset(classes, known):
    """Return the labels that the caller has named, which are the known ones and maybe more."""
    labels = named(classes)
    left_out = np.setdiff1d(known, labels).tolist()
    if left_out:
        raise ValueError(
            f"classes={classes!r} leave out {left_out}, which the model knows. A model may learn "
            "more labels, not fewer."
        )
    return labels if labels.size > known.size else known


def index_of(y, classes):
    """Return the index of each label in classes."""
    try:
        if classes.size == 2:
            index = (y == classes[1]).astype(np.int8)
            unseen = y[(index == 0) & (y != classes[0])]
        else:
            index = np.searchsorted(classes, y)
            index[index == classes.size] = 0
            unseen = y[classes[index] != y]
    except TypeError:  # labels that cannot be compared, as strings and numbers
        unseen = y
    if unseen.size:
        known = classes.tolist()
        unseen = {repr(label): label for label in unseen.tolist() if label not in known}
        strangers = list(unseen.values())
        advice = (
            "To add classes to a model, call partial_fit(X, y, classes=...) with all labels, old "
            "and new."
        )
        if strangers and isinstance(strangers[0], str) != isinstance(known[0], str):
            types = type(strangers[0]).__name__, type(known[0]).__name__
            advice = "y has labels of type {}, and classes_ of type {}.".format(*types)
        raise ValueError(
            f"y contains previously unseen labels: {strangers[:5]} are not among classes_, "
            f"{classes!r}. {advice}"
        )
    return index


def factors_of(class_weight, classes, targets, sample_weight):
    """Return the weight of each class."""
    if class_weight == "balanced":
        of_class = np.bincount(targets, sample_weight, classes.size)
        equal = sample_weight.sum() / classes.size
        factors = np.divide(equal, of_class, out=of_class, where=of_class > 0)
    else:
        factors = _by_key(class_weight, classes)
    if not (np.isfinite(factors).all() and factors.min() >= 0):
        raise ValueError("The values of class_weight must be finite and 0 or more.")
    return factors


def _by_key(class_weight, classes):
    """Return the weight that each class has in a dict, 1 if none."""
    factors, has_key, strangers = np.ones(classes.size), np.zeros(classes.size, bool), []
    index = {label: i for i, label in enumerate(classes)}
    for key, weight in class_weight.items():
        at = [index[key]] if key in index else [i for a, i in index.items() if _equal(key, a)]
        try:
            factors[at], has_key[at] = weight, True
        except (TypeError, ValueError) as error:
            raise type(error)(f"class_weight={{{key!r}: {weight!r}}} is no number.") from error
        if not at:
            strangers.append(key)
    if strangers and not has_key.all():
        raise ValueError(
            f"class_weight has keys that are no classes, {strangers}, and no key for the classes "
            f"{classes[~has_key].tolist()}."
        )
    return factors


def _equal(key, label):
    """Return whether a key is a label; equal ones may differ in their hash, as float32's."""
    try:
        return bool(_moment(key) == _moment(label))
    except (OverflowError, TypeError, ValueError):  # huge numbers, NA, a tuple beside a number
        return False


def _moment(label):
    """Return what numpy compares rightly with its nanoseconds, if the label is a datetime."""
    return np.datetime64(label) if type(label) is datetime and label.tzinfo is None else label
