"""z and sqrt(n) of every coordinate: arrays of shape (n_features, 2, n_outputs)."""

import numpy as np

from ._kernel import ROOT_N, Z, weights


def zeros(n_features, n_outputs, dtype):
    """Return the state of a model that has learned nothing; its memory comes with use."""
    return np.zeros((n_features, 2, n_outputs), dtype)


def coefficients(state, alpha, prox):
    """Return the weights of shape (n_outputs, n_features), float64."""
    out = np.empty((state.shape[2], state.shape[0]))
    weights(state, alpha, prox, out)
    return out


def z(state):
    """Return a read-only copy of z, of shape (n_outputs, n_features)."""
    return _read_only(state[:, Z].T.copy())


def n(state):
    """Return the sums of squared gradients, read-only, of shape (n_outputs, n_features)."""
    return _read_only(np.square(state[:, ROOT_N].T))


def _read_only(array):
    array.flags.writeable = False
    return array
