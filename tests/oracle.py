"""FTRL-Proximal in plain numpy, written from the paper, data to try it on, models compared."""

import datetime
import pickle

import numpy as np
from scipy import sparse
from scipy.special import expit, log_softmax, softmax

from sklearn_ftrl import FtrlClassifier

NUMBERS = {"learning_rate": 0.5, "beta": 1.0}  # and not those that the first rows give
FEW = {"max_iter": 3, "tol": None}  # epochs, where their number is not the subject
LAST = {"average": False}  # the last iterate, where it is the subject
ONE_EPOCH = {"max_iter": 1, "tol": None, "shuffle": False, **LAST}  # as partial_fit learns
LOG_LOSS = (lambda y, raw: np.logaddexp(0, raw) - y * raw, lambda y, raw: expit(raw) - y)
SQUARED_ERROR = (lambda y, raw: (raw - y) ** 2 / 2, lambda y, raw: raw - y)
SOFTMAX = (
    lambda y, raw: -log_softmax(raw)[int(y)],
    lambda y, raw: softmax(raw) - np.eye(raw.size)[int(y)],
)


def ftrl(X, y, sample_weight, loss, alpha, beta=1.0, l1=0.0, l2=0.0, n_outputs=1):
    """Learn dense rows in order by Algorithm 1 of McMahan et al. 2013.

    Returns w, z, n of shape (n_outputs, n_features + 1), the unpenalised intercept last, and
    the loss of each row before it is learned.
    """
    value, gradient = loss
    X = np.column_stack([X, np.ones(len(X))])
    l1, l2 = ([c] * (X.shape[1] - 1) + [0.0] for c in (l1, l2))

    def weight(z, n):
        with np.errstate(invalid="ignore"):
            w = (np.sign(z) * l1 - z) / ((beta + np.sqrt(n)) / alpha + l2)
        return np.where(np.abs(z) <= l1, 0.0, w)

    z, n, losses = np.zeros((n_outputs, X.shape[1])), np.zeros((n_outputs, X.shape[1])), []
    for x, y_i, weight_i in zip(X, y, sample_weight, strict=True):
        w = weight(z, n)
        losses.append(np.sum(value(y_i, w @ x)))
        g = weight_i * np.outer(gradient(y_i, w @ x), x)
        z += g - (np.sqrt(n + g**2) - np.sqrt(n)) / alpha * w
        n += g**2
    return weight(z, n), z, n, losses


def random_rows(n_rows=60, n_features=12, seed=0, dtype=np.float64):
    """Return CSR rows of normal numbers, with an explicit zero and an empty row."""
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(n_rows, n_features)) * (rng.random((n_rows, n_features)) < 0.3)
    dense[7] = 0.0
    X = sparse.csr_array(dense.astype(dtype))
    X.data[3] = 0.0
    return X


def random_targets(n_rows=60, n_classes=2, seed=2):
    """Return class labels 0, 1, ... with each class present."""
    labels = np.random.default_rng(seed).integers(n_classes, size=n_rows)
    labels[:n_classes] = range(n_classes)
    return labels


def mixed_columns():
    """Return a table of a column of each kind."""
    return {
        "site": ["news", None, "mail", "x"],
        "ad": [7, 7, 9, 10**12],
        "price": [0.5, 2.0, None, -1.25],
        "seen": [True, False, None, True],
        "day": [datetime.date(2024, 2, day) for day in (1, 2, 28, 29)],
        "time": [datetime.datetime(2024, 2, 29, 23, 59, s) for s in range(4)],
    }


def assert_equal(X, Y):
    """Raise unless two CSR matrices have the same entries, bit for bit."""
    assert X.shape == Y.shape
    for name in ["indptr", "indices", "data"]:
        np.testing.assert_array_equal(getattr(X, name), getattr(Y, name))


def partial_fit(model, X, y, *args, labels=None, **kwargs):
    """Call partial_fit with the classes that a classifier's first call needs."""
    if isinstance(model, FtrlClassifier):
        kwargs["classes"] = np.unique(y if labels is None else labels)
    return model.partial_fit(X, y, *args, **kwargs)


def learned(model):
    """Return all that a model holds, as bytes."""
    return {name: pickle.dumps(value) for name, value in vars(model).items()}


def state(model):
    """Return the state of a model."""
    return np.concatenate([np.atleast_2d(model.z_), np.atleast_2d(model.n_)]), model.intercept_z_


def assert_same_bits(one, other):
    """Raise unless two models have the same state."""
    for a, b in zip(state(one), state(other), strict=True):
        assert a.tobytes() == b.tobytes()
