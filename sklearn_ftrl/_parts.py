"""Models that have learned apart from one start, and the model that they stand for (jitted)."""

import math
from typing import NamedTuple

import numpy as np

from ._kernel import (
    LAG,
    ROOT_N,
    SINCE,
    Z,
    n_of_beta,
    n_to_the_p,
    njit,
    steps_of_mean,
    weight,
    without_l1,
)

COUNT, SUM_N, SUM_Z, SUM_N_TO_P = 0, 1, 2, 3


class Sums(NamedTuple):
    """What parts have moved: numbers that add up, of the features that have left their start."""

    features: np.ndarray  # sorted
    numbers: np.ndarray  # of shape (these features, 4, n_outputs)


def sums(state, start, prox):
    """Return the parts that moved, n, z and n^p of one part: what it has not moved is left out."""
    n_moved = count_moved(state, start)
    if n_moved < 0:
        raise ValueError("A part has not gone on from start: it has seen less of some feature.")
    features, numbers = np.empty(n_moved, np.intp), np.empty((n_moved, 4, state.shape[2]))
    take_moved(state, start, prox, features, numbers)
    return Sums(features, numbers)


def added(one, other):
    """Return the sums of two groups of parts together."""
    n_features = count_distinct(one.features, other.features)
    features = np.empty(n_features, np.intp)
    numbers = np.empty((n_features, *one.numbers.shape[1:]))
    add(one.features, one.numbers, other.features, other.numbers, features, numbers)
    return Sums(features, numbers)


def scaled(sums, features, factor, prox):
    """Return the sums of parts whose z and root n of these features are multiplied."""
    numbers = sums.numbers.copy()
    at = np.searchsorted(features, sums.features).clip(max=features.size - 1)
    own = features[at] == sums.features
    factor = factor[at[own], np.newaxis]
    numbers[own, SUM_N] *= factor**2
    numbers[own, SUM_Z] *= factor
    numbers[own, SUM_N_TO_P] *= factor if prox.power is None else factor**prox.power
    return sums._replace(numbers=numbers)


def merged(start, sums, alpha, prox, is_intercept=False):
    """Return the state of all parts; what no part has moved stays as it is at the start."""
    state = start.copy()
    merge_sums(state, *sums, alpha, prox, is_intercept)
    return state


@njit
def count_moved(state, start):
    """Return how many features have left the start; -1 if one has been seen less than there."""
    n_moved = 0
    for j in range(state.shape[0]):
        moved = False
        for c in range(state.shape[2]):
            if state[j, ROOT_N, c] < start[j, ROOT_N, c]:
                return -1
            # z alone, where a gradient is too small for n
            moved |= state[j, Z, c] != start[j, Z, c] or state[j, ROOT_N, c] != start[j, ROOT_N, c]
        n_moved += moved
    return n_moved


@njit
def take_moved(state, start, prox, features, numbers):
    """Write which features have left the start, and their numbers."""
    at = 0
    for j in range(state.shape[0]):
        any_moved = False
        for c in range(state.shape[2]):
            z, root_n = np.float64(state[j, Z, c]), np.float64(state[j, ROOT_N, c])
            if z != start[j, Z, c] or root_n != start[j, ROOT_N, c]:
                if not any_moved:
                    features[at] = j
                    numbers[at] = 0.0
                    any_moved = True
                numbers[at, COUNT, c], numbers[at, SUM_N, c] = 1.0, root_n * root_n
                numbers[at, SUM_Z, c] = z
                numbers[at, SUM_N_TO_P, c] = n_to_the_p(root_n, prox.power)
        at += any_moved


@njit
def count_distinct(a, b):
    """Return how many numbers are in two sorted arrays of distinct ones."""
    i = k = n = 0
    while i < a.size and k < b.size:
        first, second = a[i], b[k]
        i += first <= second
        k += second <= first
        n += 1
    return n + a.size - i + b.size - k


@njit
def add(a, of_a, b, of_b, features, numbers):
    """Write the sorted features of both, and the sums of their numbers."""
    i = k = 0
    for at in range(features.size):
        in_a = i < a.size and (k == b.size or a[i] <= b[k])
        in_b = k < b.size and (i == a.size or b[k] <= a[i])
        features[at] = a[i] if in_a else b[k]
        for what in range(numbers.shape[1]):
            for c in range(numbers.shape[2]):
                number = of_a[i, what, c] if in_a else 0.0
                numbers[at, what, c] = number + (of_b[k, what, c] if in_b else 0.0)
        i += in_a
        k += in_b


@njit
def merge_sums(state, features, numbers, alpha, prox, is_intercept):
    """Write to the state, which is that of the start, what the sums of all parts stand for."""
    few, fixed = few_of(prox), fixed_of(prox, alpha)
    for i in range(features.size):
        j = features[i]
        for c in range(state.shape[2]):
            n_moved = numbers[i, COUNT, c]
            if n_moved > 0:
                state[j, Z, c], state[j, ROOT_N, c] = rule(
                    np.float64(state[j, Z, c]),
                    np.float64(state[j, ROOT_N, c]),
                    n_moved,
                    numbers[i, SUM_N, c],
                    numbers[i, SUM_Z, c],
                    numbers[i, SUM_N_TO_P, c],
                    prox,
                    few,
                    fixed,
                    is_intercept,
                )


@njit
def few_of(prox):
    """Return the n below which what parts have learned of a weight adds up."""
    return 16.0 * n_of_beta(prox.beta, prox.power)


@njit
def fixed_of(prox, alpha):
    """Return what does not grow with n of that by which z is divided, times alpha."""
    return prox.beta + alpha * prox.rate * prox.l2


@njit
def rule(z0, root_n0, n_moved, n, z, n_to_p, prox, few, fixed, is_intercept):
    """Return z and root n by their start, and by the sums of the parts that have moved.

    It is the rule in the docstring of the public merge.
    """
    root_n = max(root_n0, math.sqrt(n - (n_moved - 1) * root_n0 * root_n0))  # but for rounding
    if is_intercept:
        slowness = n_moved * fixed + n_to_p
        scale = fixed + n_to_the_p(root_n, prox.power)
        return (z * (scale / slowness) if slowness > 0.0 else 0.0), root_n
    total = z - (n_moved - 1) * z0
    mean = z * (n_to_the_p(root_n, prox.power) / n_to_p)
    hot = root_n * root_n / (root_n * root_n + few)
    return (total + hot * (mean - total) if hot > 0.0 and abs(mean) < np.inf else total), root_n


@njit
def merge_parts(state, parts, first, last, alpha, prox, average, steps, is_intercept):
    """Merge copies of a state that have learned apart: write the result to it and to them.

    The features are those from first to last, and the rule is that of the public merge. While
    averaging, ``steps`` are those that each part has made: the sum of u over all of them is kept.
    """
    n_parts, n_outputs = parts.shape[0], state.shape[2]
    inverse_alpha, no_l1 = 1.0 / alpha / prox.rate, without_l1(prox)
    few, fixed = few_of(prox), fixed_of(prox, alpha)
    if average is not None:
        begin, n_before = state.dtype.type(average.begin), steps_of_mean(average, 0)
        n_steps = n_before
        for k in range(n_parts):
            n_steps += steps_of_mean(average, steps[k]) - n_before
    for j in range(first, last):
        any_moved = False
        for c in range(n_outputs):
            z0, root_n0 = np.float64(state[j, Z, c]), np.float64(state[j, ROOT_N, c])
            n_moved, z, n, n_to_p = 0, 0.0, 0.0, 0.0
            for k in range(n_parts):
                z_k, root_n_k = np.float64(parts[k, j, Z, c]), np.float64(parts[k, j, ROOT_N, c])
                if z_k != z0 or root_n_k != root_n0:
                    n_moved += 1
                    z += z_k
                    n += root_n_k * root_n_k
                    n_to_p += n_to_the_p(root_n_k, prox.power)
            if n_moved == 0:
                continue
            if average is not None and not any_moved and state[j, SINCE, 0] != begin:
                state[j, LAG], state[j, SINCE] = 0.0, begin
            any_moved = True
            z, root_n = rule(z0, root_n0, n_moved, n, z, n_to_p, prox, few, fixed, is_intercept)
            if average is not None:
                before = state[j, LAG, c] + n_before * weight(z0, root_n0, inverse_alpha, no_l1)
                u_sum = before
                for k in range(n_parts):
                    lag = np.float64(parts[k, j, LAG, c]) if parts[k, j, SINCE, 0] == begin else 0.0
                    z_k = np.float64(parts[k, j, Z, c])
                    root_n_k = np.float64(parts[k, j, ROOT_N, c])
                    u = weight(z_k, root_n_k, inverse_alpha, no_l1)
                    u_sum += lag + steps_of_mean(average, steps[k]) * u - before
                state[j, LAG, c] = u_sum - n_steps * weight(z, root_n, inverse_alpha, no_l1)
            state[j, Z, c], state[j, ROOT_N, c] = z, root_n
        if any_moved:
            for k in range(n_parts):
                parts[k, j] = state[j]
