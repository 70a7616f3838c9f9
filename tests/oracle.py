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
OF_NUMBERS = {"beta": 1.0, "l1": 0.0, "l2": 0.0, "p": 0.5}
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


def ftrl_of_mean(X, y, weights, gradient, rates, n_epochs, begin=0, start=None, **numbers):
    """Learn dense rows in some epochs; return the z and n that stand for the mean of the last.

    It is the mean of u = -z / ((beta + n^p) / alpha + l2), the weights before l1 acts, ahead of
    each step of the last epoch from ``begin`` on. ``rates`` are those of the steps; weights are
    read with that of the step before. Where the rates differ, the mean is that of the last u less
    what the steps that are still to come have added. Arrays are of shape (n_outputs, n_features +
    1), the unpenalised intercept last; ``start`` holds z and n of before.
    """
    beta, l1, l2, p = (numbers.get(name, usual) for name, usual in OF_NUMBERS.items())
    X = np.column_stack([X, np.ones(len(X))])
    (z, n), alpha, rows = start, rates[0], np.flatnonzero(weights)
    l1, l2 = ([c] * (X.shape[1] - 1) + [0.0] for c in (l1, l2))
    for t in range(n_epochs * rows.size):
        if t % rows.size == 0:
            us, added = [], []
        i = rows[t % rows.size]
        curvature = (beta + n**p) / alpha + l2
        us.append(-z / curvature)
        w = np.where(np.abs(z) <= l1, 0.0, (np.sign(z) * l1 - z) / curvature)
        g = weights[i] * np.outer(gradient(y[i], w @ X[i]), X[i])
        alpha = rates[t]
        sigma = ((n + g**2) ** p - n**p) / alpha
        n = n + g**2
        curvature = (beta + n**p) / alpha + l2
        added.append((-g + sigma * (w - us[-1])) / curvature)
        z = z + g - sigma * w
    if np.ptp(rates) == 0:
        return -np.mean(us[begin:], axis=0) * curvature, n
    to_come = np.cumsum(added[::-1], axis=0)[::-1]
    return z + np.mean(to_come[begin:], axis=0) * curvature, n


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
