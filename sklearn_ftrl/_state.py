"""z and sqrt(n) of every coordinate: arrays of shape (n_features, 2, n_outputs)."""

import math
from typing import NamedTuple

import numpy as np

from ._kernel import (
    ROOT_N,
    SUM_N,
    SUM_N_TO_P,
    SUM_Z,
    Z,
    add,
    average_state,
    change_curvature,
    merge_sums,
    take_moved,
    weights,
)


def start(n_features, n_outputs, dtype, n):
    """Return the state of a model that has learned nothing; its memory comes with use."""
    state = zeros((n_features, 2, n_outputs), dtype)
    if n > 0:
        state[:, ROOT_N] = np.sqrt(n)
    return state


def zeros(shape, dtype):
    """Return zeros that begin with a cache line."""
    return _aligned(np.zeros, shape, dtype)


def _aligned(make, shape, dtype):
    """Return an array that begins with a cache line, so that fewer lines hold a coordinate."""
    size = math.prod(shape)
    numbers = make(size + 64 // np.dtype(dtype).itemsize, dtype)
    aligned = -numbers.ctypes.data % 64 // numbers.itemsize
    return numbers[aligned : aligned + size].reshape(shape)


def copied(state):
    """Return a copy that begins with a cache line too."""
    copy = _aligned(np.empty, state.shape, state.dtype)
    copy[:] = state
    return copy


def widened(state):
    """Return a copy with room for the mean of a pass, which may begin at any step."""
    n_features, _, n_outputs = state.shape
    wide = zeros((n_features, 4, n_outputs), state.dtype)
    wide[:, : ROOT_N + 1] = state
    return wide


def averaged(wide, average, alpha, prox, out=None):
    """Return the plain state that stands for the mean; if no step is in it, the present state."""
    n_features, _, n_outputs = wide.shape
    if out is None:
        out = _aligned(np.empty, (n_features, 2, n_outputs), wide.dtype)
    average_state(wide, average, alpha, prox, out)
    return out


def coefficients(state, alpha, prox):
    """Return the weights of shape (n_features, n_outputs), float64."""
    out = np.empty((state.shape[0], state.shape[2]))
    weights(state, alpha, prox, out)
    return out


def set_weights(state, w, alpha, prox):
    """Set z so that the coordinates have the weights w, of shape (n_outputs, n_features)."""
    with np.errstate(all="ignore"):
        n_to_the_p = _n_to_the_p(state[:, ROOT_N].astype(np.float64), prox)
        curvature = (prox.beta + n_to_the_p) / (alpha * prox.rate) + prox.l2
    if np.any(w.T[curvature == 0]):
        raise ValueError(
            "Starting weights need beta, l2 or initial_accumulator_value above 0: else the first "
            "gradient forgets them."
        )
    with np.errstate(all="ignore"):
        z = -w.T * curvature - np.sign(w.T) * prox.l1
    if not np.abs(z).max() <= np.finfo(state.dtype).max:  # NaN too
        raise ValueError(f"Starting weights are too large for {state.dtype}.")
    state[:, Z] = z


def keep_weights(state, w, alpha, prox):
    """Set z so that the coordinates have the weights w; where w is 0, z stays within l1."""
    within_l1 = state[:, Z].clip(-prox.l1, prox.l1)
    set_weights(state, w, alpha, prox)
    state[:, Z] = np.where(w.T == 0.0, within_l1, state[:, Z])


def with_kept_weights(state, alpha, prox, new_alpha, new_prox):
    """Return the state that has these weights at another rate, beta and power.

    It is the same array where these are the same. l1 and l2 are those of before.
    """
    if (alpha * prox.rate, prox.beta, prox.power) == (
        new_alpha * new_prox.rate,
        new_prox.beta,
        new_prox.power,
    ):
        return state
    state = copied(state)
    with np.errstate(over="ignore"):
        largest = change_curvature(state, alpha, prox, new_alpha, new_prox)
    if largest == np.inf:
        raise ValueError(
            "The weights cannot be kept with this learning_rate and beta: at beta=0 and l2=0 a "
            "weight needs gradients that it came from. Give beta above 0."
        )
    if not largest <= float(np.finfo(state.dtype).max):
        raise ValueError(f"The weights are too large for {state.dtype} at this learning_rate.")
    return state


def grown(state, at, n_outputs, n, prox, factor):
    """Return a state of more outputs, in which those of this one are at these places.

    One output becomes two: the last with ``factor`` times its weights, the first with their
    negatives. What l1 holds at 0 keeps its z.
    """
    new = start(state.shape[0], n_outputs, state.dtype, n)
    if state.shape[2] == len(at):
        new[:, :, at] = state
        return new
    z = state[:, Z, 0]
    beyond_l1 = z - np.clip(z, -prox.l1, prox.l1)
    z = z + (factor - 1.0) * beyond_l1
    new[:, Z, at[0]], new[:, Z, at[1]] = -z, z
    new[:, ROOT_N, at] = state[:, ROOT_N]
    return new


class Sums(NamedTuple):
    """What parts have moved: which features have left their start, and numbers of these.

    Numbers that add up, of shape (these features, 4, n_outputs); of one part its z and root n.
    """

    moved: np.ndarray  # a bool for each feature
    numbers: np.ndarray
    power: float | None

    def none(self):
        """Return the sums of no part."""
        return self._replace(moved=np.zeros_like(self.moved), numbers=self.numbers[:0])


def sums(state, start, power):
    """Return what one part has moved."""
    moved, numbers = np.empty(state.shape[0], bool), np.empty_like(state)
    n_moved = take_moved(state, start, moved, numbers)
    if n_moved < 0:
        raise ValueError("A part has not gone on from start: it has seen less of some feature.")
    return Sums(moved, numbers[:n_moved], power)


def added(one, other):
    """Return the sums of two groups of parts together."""
    moved = one.moved | other.moved
    numbers = np.empty((np.count_nonzero(moved), 4, one.numbers.shape[2]))
    add(*one[:2], *other, numbers)
    return Sums(moved, numbers, one.power)


def scaled(sums, features, factor):
    """Return the sums of parts whose z and root n of these features are multiplied."""
    sums = added(sums, sums.none())  # of one part, too
    own = sums.moved[features]
    at = np.cumsum(sums.moved)[features[own]] - 1
    factor = factor[own, np.newaxis]
    sums.numbers[at, SUM_N] *= factor**2
    sums.numbers[at, SUM_Z] *= factor
    sums.numbers[at, SUM_N_TO_P] *= factor if sums.power is None else factor**sums.power
    return sums


def merged(start, one, other, alpha, prox, is_intercept=False):
    """Return the state of two groups of parts; what none has moved stays as it is at the start."""
    state = copied(start)
    merge_sums(state, *one[:2], *other[:2], alpha, prox, is_intercept)
    return state


def _n_to_the_p(root_n, prox):
    return root_n if prox.power is None else root_n**prox.power


def rates(state, features, alpha, prox):
    """Return by how much a gradient of 1 would move the weights of these features at most."""
    root_n = state[features, ROOT_N].astype(np.float64)
    with np.errstate(divide="ignore"):
        return alpha * prox.rate / (prox.beta + _n_to_the_p(root_n, prox))


def z(state):
    """Return a read-only copy of z, of shape (n_outputs, n_features)."""
    return read_only(state[:, Z].T.copy())


def n(state):
    """Return the sums of squared gradients, read-only, of shape (n_outputs, n_features)."""
    return read_only(np.square(state[:, ROOT_N].T))


def read_only(array):
    """Return an array that says no to being written to: the model would not notice."""
    array.flags.writeable = False
    return array
