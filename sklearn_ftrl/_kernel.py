"""FTRL-Proximal over CSR rows, and the losses: numbers and arrays only, compiled by numba.

Learning is Algorithm 1 of McMahan et al., "Ad Click Prediction: a View from the
Trenches", KDD 2013: ``weight`` and ``step`` below, of each coordinate of a row. The state
of a coordinate is z and sqrt(n), side by side in memory.

A jitted function calls jitted functions of this file alone: numba watches only the file
of the function that is called for changes, and would go on with stale machine code.
"""

import math
import operator
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

# Sums may be reordered and fused, as vector code needs; NaN and inf keep their meaning.
REORDER = {"reassoc", "contract", "nsz"}


def njit(function=None, **options):
    """Compile ``function``, keeping the machine code on disk where that is possible.

    What numba is not told, a function takes from the one that has it compiled first.
    """
    if function is None:
        return lambda function: njit(function, **options)
    options = {"fastmath": False, "nogil": True, "error_model": "numpy"} | options
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package nor a cache directory is writable
        return numba.njit(**options)(function)


@njit(fastmath=REORDER)
def weight(z, root_n, inverse_alpha, prox):
    """Return the weight that (z, n) stands for: exactly 0 while abs(z) <= l1."""
    beyond_l1 = min(max(z, -prox.l1), prox.l1) - z
    divisor = curvature(root_n, inverse_alpha, prox)
    return beyond_l1 / divisor if divisor > 0.0 else 0.0


@njit(fastmath=REORDER)
def curvature(root_n, inverse_alpha, prox):
    """Return what z beyond l1 is divided by."""
    return (prox.beta + n_to_the_p(root_n, prox.power)) * inverse_alpha + prox.l2


@njit(fastmath=REORDER)
def step(z, root_n, w, gradient, x, inverse_alpha, prox, clip):
    """Return z and sqrt(n) after a row in which the coordinate was x and weighed w."""
    g = gradient * x
    if clip is not None:
        g = min(max(g, -clip.value), clip.value)
    grown = math.sqrt(root_n * root_n + g * g)
    sigma = (n_to_the_p(grown, prox.power) - n_to_the_p(root_n, prox.power)) * inverse_alpha
    return z + g + (shrinkage(x, prox.l2_shrinkage) - sigma) * w, grown


@njit(fastmath=REORDER)
def n_to_the_p(root_n, power):
    """Return n^p from sqrt(n)."""
    return root_n if power is None else root_n**power


# state[feature, Z, output], state[feature, ROOT_N, output]; while averaging, state[feature, LAG,
# output] and state[feature, SINCE, 0] too.
Z, ROOT_N, LAG, SINCE = 0, 1, 2, 3
# numbers[feature, COUNT, output] and so on: sums over parts that have learned apart.
COUNT, SUM_N, SUM_Z, SUM_N_TO_P = 0, 1, 2, 3
LANES = 8  # buffers are padded to a multiple, so that loops have no scalar tail
APART = 64  # numbers between buffers: more than vector code takes at once
LINE = 8  # numbers of 8 bytes in a cache line
NEAR = 3  # rows between the fetch of a row's coordinates and its turn
NEAR_WIDE = 4  # while averaging, when they are twice as many
TOGETHER = 512  # numbers of rows that are looked at together
FAR = 8  # rows between the fetch of a row's own numbers and its turn
FEW = 10  # outputs: of more, a row's buffers crowd the nearest cache
# Numbers of a state, where there is no machine code, or it checks indices as Python does.
ONE_BY_ONE = bool(numba.config.DISABLE_JIT or numba.config.BOUNDSCHECK)  # type: ignore[attr-defined]
POSITIVE = 2**60 - 1  # j & POSITIVE is j, and tells the compiler that j is no negative index
LEAST = 1e-300  # a norm that may be divided by: plain Python refuses 0
LARGEST, LARGEST_FLOAT32 = 1e300, 1e38  # z that a state may hold, and n


class Rows(NamedTuple):
    """CSR rows whose indices are in range and increase strictly within a row.

    Where rows are not ``checked``, learn_few refuses to learn those that are not like this,
    and learn_many any. Nothing else may take them.

    Without indices, all rows have all features. Of a row whose numbers are all 1, as they are
    where categories are hashed, data is not read: it is the larger half of what memory sends.
    """

    data: np.ndarray
    indices: np.ndarray | None
    indptr: np.ndarray
    longest: int
    largest: float  # no absolute number is larger
    ones: np.ndarray | None  # of bool, one a row: if set, its numbers are 1; None: no indices
    checked: bool = True


class Prox(NamedTuple):
    """What turns a coordinate's state into its weight, beside the learning rate.

    None is an option at its default. It has a type of its own, and so gets code of its own
    that does not pay for the option.
    """

    rate: float  # a factor of the learning rate: 1 but for the intercept
    beta: float
    l1: float
    l2: float
    l2_shrinkage: float | None
    power: float | None  # n^p is sqrt(n)^power, and None is 1


class Clip(NamedTuple):
    """The largest gradient of a weight, norm of a variable's, and norm of all; inf is none."""

    value: float
    norm: float
    global_norm: float


class Average(NamedTuple):
    """Ask for the mean over steps of u = -z / ((beta + n^p) / alpha + l2), w before l1 acts.

    The mean is over the weights that predict the rows from step ``begin`` on. The state is wide
    then, and begins with LAG and SINCE of 0. A step from u to u' adds (t + 1 - begin) (u - u') to
    LAG, so that the sum of u over the steps is LAG + (t + 1 - begin) u': of coordinates that no
    step touches, nothing is due. LAG is small where u moves little, so float32 holds it as well
    as it holds u, however many the steps; it counts if SINCE is ``begin``, so no sweep begins a
    mean. Another ``begin`` is at least the step that comes next, and may be one that is far off.
    Where the learning rate changes, the mean is an approximation: of the u that the last rate
    reads, had steps alone moved it.
    """

    begin: int
    step: int  # the number of the first row learned; of rows predicted by the mean, its end


class Loss(NamedTuple):
    """A loss by its number in the tables below, and its parameter if it has one."""

    code: int
    parameter: float


@njit(fastmath=REORDER)
def learn_few(
    rows,
    order,
    y,
    sample_weight,
    loss,  # None: only predict
    inverse_alphas,  # 1 / alpha: one, or one a row with that of the row before in front
    prox,
    intercept_prox,
    clip,
    fit_intercept,
    average,  # None: the state is plain
    numbers,  # IN/OUT, the state, flat
    intercept,  # IN/OUT
    raws,  # OUT, of shape (n_rows, n_outputs), or None
    learned,  # OUT, of shape (1,): there even if Ctrl-C takes what is returned
    several,  # the number of outputs; None: one, and code without loops over them
):
    """Learn rows in this order, and count them; return their weighted loss before learning.

    Gather, compute, scatter: the arithmetic is vector code on a row's own small buffers, one
    output after the other, while the coordinates of rows to come are on their way from
    memory. A row of weight 0 is only predicted. Where a row's loss or gradient is too large,
    it is the end: the row has changed nothing and is returned as well, else -1. So it is where
    rows are not checked and one is not as ``Rows`` says.
    """
    data, indices, indptr, longest, largest_x, ones, checked = rows
    n_outputs = 1 if several is None else several
    width = 2 * n_outputs if average is None else 4 * n_outputs  # of a coordinate
    n_features = numbers.size // width
    near = NEAR if average is None else NEAR_WIDE
    # In one array and far apart: where buffers may overlap, as far as LLVM can tell, it takes
    # scalar code, so time and last bits would depend on where memory is.
    buffers = np.empty((5, LANES * -(-longest // LANES) * n_outputs + APART))
    x, z, root_n, w, u = buffers[0], buffers[1], buffers[2], buffers[3], buffers[4]
    places = np.empty(longest, np.intp)  # of a row's coordinates in numbers
    no_l1, intercept_no_l1 = without_l1(prox), without_l1(intercept_prox)
    if average is not None:
        begin, part = numbers.dtype.type(average.begin), part_of_mean(average)
    bias, raw, gradient = np.empty(n_outputs), np.empty(n_outputs), np.empty(n_outputs)
    total, n_learned = 0.0, 0
    largest = LARGEST_FLOAT32 if numbers.itemsize == 4 else LARGEST
    for t in range(order.size):
        i = order[t]
        start = indptr[i] & POSITIVE
        size = (indptr[i + 1] - start) & POSITIVE
        padded = LANES * -(-size // LANES)
        if loss is not None and not checked and size > 0:
            n_descents = 0
            for k in range(size - 1):
                n_descents += feature(indices, start, k + 1) <= feature(indices, start, k)
            last = feature(indices, start, size - 1)
            if n_descents > 0 or feature(indices, start, 0) < 0 or last >= n_features:
                learned[0] = n_learned
                return total, i
        in_fours = 0
        if several is None and indices is not None and not ONE_BY_ONE:
            in_fours = size & -4
            for k in range(in_fours):
                places[k] = width * (feature(indices, start, k) & POSITIVE)
        inverse_alpha = inverse_alphas[min(n_learned, inverse_alphas.size - 1)]
        # Not divided within weight and step: REORDER would do so for each coordinate.
        slowness = inverse_alpha / intercept_prox.rate
        for c in range(n_outputs):
            first = c * padded
            for k in range(0, in_fours, 4):
                load_four(numbers, places, k, z, root_n)
            for k in range(in_fours, size):
                j = width * (feature(indices, start, k) & POSITIVE) + c
                z[first + k], root_n[first + k] = numbers[j], numbers[j + n_outputs]
            if average is not None and loss is None:
                for k in range(size):
                    at = width * (feature(indices, start, k) & POSITIVE)
                    if numbers[at + SINCE * n_outputs] == begin:
                        lag = np.float64(numbers[at + LAG * n_outputs + c])
                        z[first + k] = z_of_mean(
                            z[first + k], root_n[first + k], lag, part, inverse_alpha, prox
                        )
            for k in range(first + size, first + padded):
                z[k], root_n[k] = 0.0, 0.0
        square = 0.0
        if has_ones(ones, i):
            for k in range(size):
                x[k] = 1.0
        else:
            for k in range(size):
                x[k] = data[start + k]
        for k in range(size, padded):
            x[k] = 0.0
        for k in range(padded):
            square += x[k] * x[k]
        if loss is not None and not checked and not square <= largest_x * largest_x:
            for k in range(size):
                if not abs(x[k]) <= largest_x:
                    learned[0] = n_learned
                    return total, i

        w_sum, root_n_sum, bias_sum, bias_root_n_sum = 0.0, 0.0, 0.0, 0.0
        for c in range(n_outputs):
            bias_z = intercept[Z, c]
            if average is not None and loss is None:
                if intercept[SINCE, c] == average.begin:
                    bias_z = z_of_mean(
                        bias_z,
                        intercept[ROOT_N, c],
                        intercept[LAG, c],
                        part,
                        slowness,
                        intercept_prox,
                    )
            bias[c] = weight(bias_z, intercept[ROOT_N, c], slowness, intercept_prox)
            bias_sum += abs(bias[c])
            bias_root_n_sum += intercept[ROOT_N, c]
            first, product = c * padded, 0.0
            for k in range(padded):
                w_k = weight(z[first + k], root_n[first + k], inverse_alpha, prox)
                w[first + k] = w_k
                if average is not None:
                    u[first + k] = w_k
                product += w_k * x[k]
                w_sum += abs(w_k)
                root_n_sum += root_n[first + k]
            raw[c] = product + bias[c]
            if average is not None and prox.l1 > 0.0:
                for k in range(first, first + padded):
                    u[k] = weight(z[k], root_n[k], inverse_alpha, no_l1)
        # Here and below, no function that takes arrays: it would count references in each row.
        ahead = order[min(t + 2 * FAR, order.size - 1)]
        prefetch(indptr, ahead)
        prefetch(ones, ahead)
        ahead = order[min(t + FAR, order.size - 1)]
        prefetch(y, ahead)
        prefetch(sample_weight, ahead)
        prefetch(raws, n_outputs * ahead)
        last = indptr[ahead + 1] - 1
        if has_ones(ones, ahead):
            for k in range(indptr[ahead], last, LINE):
                prefetch(indices, k)
        else:
            for k in range(indptr[ahead], last, LINE):
                prefetch(data, k)
                prefetch(indices, k)
            prefetch(data, last)
        prefetch(indices, last)
        ahead = order[min(t + near, order.size - 1)]
        first = indptr[ahead] & POSITIVE
        for k in range((indptr[ahead + 1] - first) & POSITIVE):
            at = width * feature(indices, first, k)
            if several is None:
                prefetch(numbers, at)
                continue
            for line in range(at & -LINE, at + width, LINE):
                prefetch(numbers, line)
        if raws is not None:
            for c in range(n_outputs):
                raws[i, c] = raw[c]
        if loss is None:
            continue
        if sample_weight[i] == 0.0:
            continue
        if several is None:
            value, gradient[0] = loss_and_gradient(loss, y[i], raw[0])
            gradient[0] *= sample_weight[i]
            norm = abs(gradient[0])
        else:
            value = joint_loss_and_gradient(loss, y[i], raw, gradient)
            norm, peak = 0.0, 0.0
            for c in range(n_outputs):
                gradient[c] *= sample_weight[i]
                norm += gradient[c] * gradient[c]
                peak = max(peak, abs(gradient[c]))
            norm = max(math.sqrt(norm), peak)  # the squares of small ones are 0
        slowest = inverse_alpha
        inverse_alpha = inverse_alphas[min(n_learned + 1, inverse_alphas.size - 1)]
        slowest = max(slowest, inverse_alpha)
        if not (
            abs(value * sample_weight[i]) < LARGEST
            and fits(norm, square, w_sum, root_n_sum, slowest, prox, largest)
            and fits(
                norm,
                1.0,
                bias_sum,
                bias_root_n_sum,
                slowest / intercept_prox.rate,
                intercept_prox,
                LARGEST,
            )
        ):
            learned[0] = n_learned
            return total, i
        total += sample_weight[i] * value
        n_learned += 1
        if average is not None:
            n_steps = steps_of_mean(average, n_learned)

        shrink, shrink_bias = clip_factors(norm, square, fit_intercept, clip)
        for c in range(n_outputs):
            first, slope = c * padded, shrink * gradient[c]
            for k in range(padded):
                z_k, root_n_k = z[first + k], root_n[first + k]
                z[first + k], root_n[first + k] = step(
                    z_k,
                    root_n_k,
                    w[first + k],
                    slope,
                    x[k],
                    inverse_alpha,
                    prox,
                    clip,
                )
                if average is not None:  # w takes it: it is no longer needed
                    w[first + k] = n_steps * fall(
                        z_k,
                        root_n_k,
                        u[first + k],
                        numbers.dtype.type(z[first + k]),
                        numbers.dtype.type(root_n[first + k]),
                        inverse_alpha,
                        no_l1,
                    )
            if average is None:
                for k in range(0, in_fours, 4):
                    store_four(numbers, places, k, z, root_n)
            for k in range(in_fours if average is None else 0, size):
                at = width * (feature(indices, start, k) & POSITIVE)
                j = at + c
                if average is not None:
                    lag = np.float64(numbers[j + LAG * n_outputs])
                    lag = lag if numbers[at + SINCE * n_outputs] == begin else 0.0
                numbers[j], numbers[j + n_outputs] = z[first + k], root_n[first + k]
                if average is not None:
                    numbers[j + LAG * n_outputs] = lag + w[first + k]
                    if c == n_outputs - 1:
                        numbers[at + SINCE * n_outputs] = begin
            if fit_intercept:
                z_c, root_n_c = intercept[Z, c], intercept[ROOT_N, c]
                slowness_after = inverse_alpha / intercept_prox.rate
                intercept[Z, c], intercept[ROOT_N, c] = step(
                    z_c,
                    root_n_c,
                    bias[c],
                    shrink_bias * gradient[c],
                    1.0,
                    slowness_after,
                    intercept_prox,
                    clip,
                )
                if average is not None:
                    if intercept[SINCE, c] != average.begin:
                        intercept[LAG, c], intercept[SINCE, c] = 0.0, average.begin
                    intercept[LAG, c] += n_steps * fall(
                        z_c,
                        root_n_c,
                        weight(z_c, root_n_c, slowness, intercept_no_l1),
                        intercept[Z, c],
                        intercept[ROOT_N, c],
                        slowness_after,
                        intercept_no_l1,
                    )
    learned[0] = n_learned
    return total, -1


@njit
def without_l1(prox):
    """Return a Prox whose weight is u, the one before l1 acts."""
    return Prox(prox.rate, prox.beta, 0.0, prox.l2, None, prox.power)


@njit
def steps_of_mean(average, n_learned):
    """Return how many steps the mean has after so many of this call: 0 before it begins."""
    return float(max(0, average.step + n_learned - average.begin))


@njit
def part_of_mean(average):
    """Return which part of the mean a step is; 0 where it has none, and is the present u."""
    n_steps = steps_of_mean(average, 0)
    return 1.0 / n_steps if n_steps > 0.0 else 0.0


@njit(fastmath=REORDER)
def fall(z, root_n, u, new_z, new_root_n, inverse_alpha, prox):
    """Return u less the new u after a step, without a second division."""
    sigma = (n_to_the_p(new_root_n, prox.power) - n_to_the_p(root_n, prox.power)) * inverse_alpha
    divisor = curvature(new_root_n, inverse_alpha, prox)
    return (new_z - z + sigma * u) / divisor if divisor > 0.0 else 0.0


@njit(fastmath=REORDER)
def z_of_mean(z, root_n, lag, part, inverse_alpha, prox):
    """Return the z that stands for the mean of u, of which a step is this part.

    It is z itself where the mean is beyond all numbers.
    """
    mean = z - lag * part * curvature(root_n, inverse_alpha, prox)
    return mean if abs(mean) < np.inf else z


@njit(fastmath=REORDER)
def shrinkage(x, l2_shrinkage):
    """Return by how much of the weight a row shrinks it: 0 where the row does not touch it."""
    if l2_shrinkage is None:
        return 0.0
    return 2.0 * l2_shrinkage if x != 0.0 else 0.0


@njit(fastmath=REORDER)
def fits(gradient, square, w_sum, root_n_sum, inverse_alpha, prox, largest):
    """Return whether z and n of a row's coordinates stay in range, by a bound for all of them.

    ``gradient`` is the norm of the loss's, ``square`` the squared length of x; the sums are
    those of the absolute weights and of sqrt(n) over the coordinates.
    """
    if gradient > 0.0:
        root_n_sum += gradient * math.sqrt(square)
    shrunk = shrinkage(1.0, prox.l2_shrinkage)
    slope = prox.beta + n_to_the_p(root_n_sum, prox.power)
    z = prox.l1 + root_n_sum + (slope * inverse_alpha + prox.l2 + shrunk) * w_sum
    # REORDER lets a step multiply its factors in any order: no two of them may overflow.
    pairs = max(slope, inverse_alpha) * w_sum
    return root_n_sum * root_n_sum < largest and z < largest and pairs < LARGEST


@njit
def clip_factors(gradient, square, fit_intercept, clip):
    """Return what shortens the gradients of coefficients and intercepts to the norms allowed.

    ``gradient`` is the norm of the loss's gradient over the outputs, ``square`` that of x.
    """
    if clip is None:
        return 1.0, 1.0
    coef_norm = gradient * math.sqrt(square)
    if clip.norm < np.inf:
        return (
            min(1.0, clip.norm / max(coef_norm, LEAST)),
            min(1.0, clip.norm / max(gradient, LEAST)),
        )
    norm = math.hypot(coef_norm, gradient if fit_intercept else 0.0)
    factor = clip.global_norm / max(norm, LEAST)
    return min(1.0, factor), min(1.0, factor)


@njit(fastmath=REORDER)
def learn_many(
    rows,
    order,
    y,
    sample_weight,
    loss,
    inverse_alphas,
    prox,
    intercept_prox,
    clip,
    fit_intercept,
    average,
    numbers,  # IN/OUT, the state, flat
    intercept,  # IN/OUT
    raws,  # OUT, of shape (n_rows, n_outputs), or None
    learned,  # OUT, of shape (1,)
):
    """Do what learn_few does for more than FEW outputs: in place, vector code over them."""
    data, indices, indptr, longest, _, ones, checked = rows
    if not checked:
        learned[0] = 0
        return 0.0, order[0]
    n_outputs = intercept.shape[1]
    width = 2 * n_outputs if average is None else 4 * n_outputs
    w = np.empty(longest * n_outputs)
    u = w if average is None or prox.l1 == 0.0 else np.empty(w.size)
    no_l1, intercept_no_l1 = without_l1(prox), without_l1(intercept_prox)
    if average is not None:
        begin, part = numbers.dtype.type(average.begin), part_of_mean(average)
    bias, raw, gradient = np.empty(n_outputs), np.empty(n_outputs), np.empty(n_outputs)
    w_sum, root_n_sum = np.empty(n_outputs), np.empty(n_outputs)
    total, n_learned = 0.0, 0
    largest = LARGEST_FLOAT32 if numbers.itemsize == 4 else LARGEST
    for t in range(order.size):
        i = order[t]
        start = indptr[i] & POSITIVE
        size = (indptr[i + 1] - start) & POSITIVE
        all_ones = has_ones(ones, i)

        inverse_alpha = inverse_alphas[min(n_learned, inverse_alphas.size - 1)]
        slowness = inverse_alpha / intercept_prox.rate
        bias_sum, bias_root_n_sum = 0.0, 0.0
        for c in range(n_outputs):
            bias_z = intercept[Z, c]
            if average is not None and loss is None:
                if intercept[SINCE, c] == average.begin:
                    bias_z = z_of_mean(
                        bias_z,
                        intercept[ROOT_N, c],
                        intercept[LAG, c],
                        part,
                        slowness,
                        intercept_prox,
                    )
            bias[c] = weight(bias_z, intercept[ROOT_N, c], slowness, intercept_prox)
            raw[c] = bias[c]
            bias_sum += abs(bias[c])
            bias_root_n_sum += intercept[ROOT_N, c]
            w_sum[c], root_n_sum[c] = 0.0, 0.0
        square = 0.0
        for k in range(size):
            x = 1.0 if all_ones else np.float64(data[start + k])
            square += x * x
            at = width * (feature(indices, start, k) & POSITIVE)
            for c in range(n_outputs):
                z, root_n = np.float64(numbers[at + c]), np.float64(numbers[at + n_outputs + c])
                if average is not None and loss is None:
                    if numbers[at + SINCE * n_outputs] == begin:
                        lag = np.float64(numbers[at + LAG * n_outputs + c])
                        z = z_of_mean(z, root_n, lag, part, inverse_alpha, prox)
                w_kc = weight(z, root_n, inverse_alpha, prox)
                w[k * n_outputs + c] = w_kc
                raw[c] += w_kc * x
                w_sum[c] += abs(w_kc)
                root_n_sum[c] += root_n
            if average is not None and prox.l1 > 0.0:
                for c in range(n_outputs):
                    z, root_n = np.float64(numbers[at + c]), np.float64(numbers[at + n_outputs + c])
                    u[k * n_outputs + c] = weight(z, root_n, inverse_alpha, no_l1)

        ahead = order[min(t + 2 * FAR, order.size - 1)]
        prefetch(indptr, ahead)
        prefetch(ones, ahead)
        ahead = order[min(t + FAR, order.size - 1)]
        prefetch(y, ahead)
        prefetch(sample_weight, ahead)
        prefetch(raws, n_outputs * ahead)
        last = indptr[ahead + 1] - 1
        if has_ones(ones, ahead):
            for k in range(indptr[ahead], last, LINE):
                prefetch(indices, k)
        else:
            for k in range(indptr[ahead], last, LINE):
                prefetch(data, k)
                prefetch(indices, k)
            prefetch(data, last)
        prefetch(indices, last)
        ahead = order[min(t + NEAR, order.size - 1)]
        first = indptr[ahead]
        for k in range(indptr[ahead + 1] - first):
            at = width * feature(indices, first, k)
            # Of SINCE, the first output's is used.
            last = at + (2 * n_outputs if average is None else SINCE * n_outputs + 1)
            for line in range(at & -LINE, last, LINE):
                prefetch(numbers, line)
        if raws is not None:
            for c in range(n_outputs):
                raws[i, c] = raw[c]
        if loss is None:
            continue
        if sample_weight[i] == 0.0:
            continue
        value = joint_loss_and_gradient(loss, y[i], raw, gradient)
        norm, peak = 0.0, 0.0
        for c in range(n_outputs):
            gradient[c] *= sample_weight[i]
            norm += gradient[c] * gradient[c]
            peak = max(peak, abs(gradient[c]))
        norm = max(math.sqrt(norm), peak)  # the squares of small ones are 0
        slowest = inverse_alpha
        inverse_alpha = inverse_alphas[min(n_learned + 1, inverse_alphas.size - 1)]
        slowest = max(slowest, inverse_alpha)
        if not (
            abs(value * sample_weight[i]) < LARGEST
            and fits(norm, square, w_sum.sum(), root_n_sum.sum(), slowest, prox, largest)
            and fits(
                norm,
                1.0,
                bias_sum,
                bias_root_n_sum,
                slowest / intercept_prox.rate,
                intercept_prox,
                LARGEST,
            )
        ):
            learned[0] = n_learned
            return total, i
        total += sample_weight[i] * value
        n_learned += 1
        if average is not None:
            n_steps = steps_of_mean(average, n_learned)

        shrink, shrink_bias = clip_factors(norm, square, fit_intercept, clip)
        for k in range(size):
            x = 1.0 if all_ones else np.float64(data[start + k])
            at = width * (feature(indices, start, k) & POSITIVE)
            if average is not None:
                known = numbers[at + SINCE * n_outputs] == begin
                numbers[at + SINCE * n_outputs] = begin
            for c in range(n_outputs):
                z, root_n = np.float64(numbers[at + c]), np.float64(numbers[at + n_outputs + c])
                numbers[at + c], numbers[at + n_outputs + c] = step(
                    z,
                    root_n,
                    w[k * n_outputs + c],
                    shrink * gradient[c],
                    x,
                    inverse_alpha,
                    prox,
                    clip,
                )
                if average is not None:
                    lag = np.float64(numbers[at + LAG * n_outputs + c]) if known else 0.0
                    numbers[at + LAG * n_outputs + c] = lag + n_steps * fall(
                        z,
                        root_n,
                        u[k * n_outputs + c],
                        numbers[at + c],
                        numbers[at + n_outputs + c],
                        inverse_alpha,
                        no_l1,
                    )
        if fit_intercept:
            slowness_after = inverse_alpha / intercept_prox.rate
            for c in range(n_outputs):
                z, root_n = intercept[Z, c], intercept[ROOT_N, c]
                intercept[Z, c], intercept[ROOT_N, c] = step(
                    z,
                    root_n,
                    bias[c],
                    shrink_bias * gradient[c],
                    1.0,
                    slowness_after,
                    intercept_prox,
                    clip,
                )
                if average is not None:
                    if intercept[SINCE, c] != average.begin:
                        intercept[LAG, c], intercept[SINCE, c] = 0.0, average.begin
                    intercept[LAG, c] += n_steps * fall(
                        z,
                        root_n,
                        weight(z, root_n, slowness, intercept_no_l1),
                        intercept[Z, c],
                        intercept[ROOT_N, c],
                        slowness_after,
                        intercept_no_l1,
                    )
    learned[0] = n_learned
    return total, -1


def llvm_feature(context, indices, start, k):
    """Return the feature of a row's k-th entry, where the row starts at ``start``."""

    def codegen(context, builder, signature, args):
        if indices is types.none:
            return args[2]
        # An unsigned index: none from the end. NUMBA_BOUNDSCHECK looks at it as well.
        read = context.get_function(operator.getitem, indices.dtype(indices, types.uintp))
        j = read(builder, (args[0], builder.add(args[1], args[2])))
        return context.cast(builder, j, indices.dtype, types.intp)

    return types.intp(indices, types.intp, types.intp), codegen


def llvm_prefetch(context, array, index):
    """Ask memory for array[index] without waiting for it."""

    def codegen(context, builder, signature, args):
        if array is types.none:
            return context.get_dummy_value()
        view = context.make_array(signature.args[0])(context, builder, args[0])
        address = builder.bitcast(builder.gep(view.data, [args[1]]), cgutils.voidptr_t)
        i32 = ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch",
            [cgutils.voidptr_t],
            ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, i32, i32, i32]),
        )
        # To read, to be kept in the second cache, data.
        builder.call(function, [address, i32(0), i32(2), i32(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


def llvm_load_four(context, numbers, places, k, firsts, seconds):
    """Write the two numbers at each of four places to firsts[k:k + 4] and seconds[k:k + 4].

    Where numbers are written one by one, vector code that reads them waits until all are in
    the cache.
    """

    def codegen(context, builder, signature, args):
        pairs, halves, align = four_pairs(context, builder, signature, args)
        a, b, c, d = (builder.load(pair, align=align) for pair in pairs)
        ac, bd = lanes(builder, a, c, 0, 1, 2, 3), lanes(builder, b, d, 0, 1, 2, 3)
        values = lanes(builder, ac, bd, 0, 4, 2, 6), lanes(builder, ac, bd, 1, 5, 3, 7)
        for value, half in zip(values, halves, strict=True):
            if value.type != half.type.pointee:  # float32
                value = builder.fpext(value, half.type.pointee)
            builder.store(value, half, align=8)
        return context.get_dummy_value()

    return types.void(numbers, places, k, firsts, seconds), codegen


def llvm_store_four(context, numbers, places, k, firsts, seconds):
    """Write firsts[k:k + 4] and seconds[k:k + 4] to where llvm_load_four reads them."""

    def codegen(context, builder, signature, args):
        pairs, halves, align = four_pairs(context, builder, signature, args)
        four = ir.VectorType(context.get_value_type(numbers.dtype), 4)
        values = [builder.load(half, align=8) for half in halves]
        if values[0].type != four:  # float32
            values = [builder.fptrunc(value, four) for value in values]
        ac, bd = lanes(builder, *values, 0, 4, 2, 6), lanes(builder, *values, 1, 5, 3, 7)
        for pair, both, first in zip(pairs, (ac, bd, ac, bd), (0, 0, 2, 2), strict=True):
            builder.store(lanes(builder, both, both, first, first + 1), pair, align=align)
        return context.get_dummy_value()

    return types.void(numbers, places, k, firsts, seconds), codegen


def four_pairs(context, builder, signature, args):
    """Return the addresses of four pairs, of the fours of their halves, and pairs' alignment."""
    numbers, places, firsts, seconds = (
        context.make_array(signature.args[n])(context, builder, args[n]).data for n in (0, 1, 3, 4)
    )
    element = numbers.type.pointee
    pairs = []
    for n in range(4):
        place = builder.load(builder.gep(places, [builder.add(args[2], ir.IntType(64)(n))]))
        at = builder.gep(numbers, [place])
        pairs.append(builder.bitcast(at, ir.VectorType(element, 2).as_pointer()))
    four = ir.VectorType(ir.DoubleType(), 4).as_pointer()
    halves = [builder.bitcast(builder.gep(half, [args[2]]), four) for half in (firsts, seconds)]
    return pairs, halves, context.get_abi_sizeof(element)


def lanes(builder, a, b, *which):
    """Return some numbers of two vectors as one; those of b come after a's."""
    i32 = ir.IntType(32)
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(i32, len(which)), list(which)))


def llvm_has_ones(context, ones, row):
    """Return the flag of a row, which is not set where there are none."""

    def codegen(context, builder, signature, args):
        if ones is types.none:
            return context.get_constant(types.boolean, False)
        read = context.get_function(operator.getitem, types.boolean(ones, types.uintp))
        return read(builder, args)

    return types.boolean(ones, types.intp), codegen


feature: Any = intrinsic(llvm_feature)
has_ones: Any = intrinsic(llvm_has_ones)
load_four: Any = intrinsic(llvm_load_four)
store_four: Any = intrinsic(llvm_store_four)
prefetch: Any = intrinsic(llvm_prefetch)
if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
    feature = lambda indices, start, k: k if indices is None else int(indices[start + k])  # noqa: E731
    has_ones = lambda ones, row: ones is not None and bool(ones[row])  # noqa: E731
    prefetch = lambda array, index: None  # noqa: E731


CLASSIFIER_LOSSES = {"log_loss": 0, "hinge": 1, "squared_hinge": 2, "modified_huber": 3}
REGRESSOR_LOSSES = {
    "squared_error": 4,
    "huber": 5,
    "epsilon_insensitive": 6,
    "squared_epsilon_insensitive": 7,
    "quantile": 8,
    "poisson": 9,
}


@njit
def loss_and_gradient(loss, y, raw):
    """Return the loss of a raw prediction and its derivative; a class y is 0 or 1.

    The loss of NaN is NaN: max and min give their first argument then.
    """
    code, parameter = loss
    if code == 0:  # log_loss: -log(p) of the true class, where p = expit(raw)
        e = math.exp(-abs(raw))
        if raw > 0.0:
            return (1.0 - y) * raw + log1p(e), (1.0 - y - y * e) / (1.0 + e)
        return log1p(e) - y * raw, ((1.0 - y) * e - y) / (1.0 + e)
    if code <= 3:
        sign = 2.0 * y - 1.0
        margin = sign * raw
        if code == 1:  # hinge
            return max(1.0 - margin, 0.0), -sign if margin <= 1.0 else 0.0
        if code == 3 and margin < -1.0:  # modified_huber, far on the wrong side
            return -4.0 * margin, -4.0 * sign
        short = max(1.0 - margin, 0.0)  # squared_hinge, and modified_huber elsewhere
        return short * short, -2.0 * sign * short
    error = raw - y
    if code == 4:  # squared_error, halved
        return 0.5 * error * error, error
    if code == 5:  # huber: linear beyond epsilon
        near = min(max(error, -parameter), parameter)
        return near * (error - 0.5 * near), near
    if code <= 7:
        beyond = max(abs(error) - parameter, 0.0)
        if code == 6:  # epsilon_insensitive
            return beyond, math.copysign(1.0, error) if beyond > 0.0 else 0.0
        return beyond * beyond, math.copysign(2.0 * beyond, error)  # squared_epsilon_insensitive
    if code == 8:  # quantile, the pinball loss
        slope = 1.0 - parameter if error > 0.0 else -parameter
        return slope * error, slope
    mean = math.exp(raw)  # poisson: half the deviance
    least = y - y * math.log(y) if y > 0.0 else 0.0
    return mean - y * raw - least, mean - y


@njit
def log1p(e):
    """Return log(1 + e) to the last digit, in 60 % of the time that math.log1p takes."""
    u = 1.0 + e
    return math.log(u) + (e - (u - 1.0)) / u


@njit
def joint_loss_and_gradient(loss, y, raw, gradient):
    """Return the loss of class y over all outputs; write its gradient.

    The log loss is that of one softmax; any other is summed over one-vs-rest problems.
    """
    true = int(y)
    if loss.code != 0:
        total = 0.0
        for c in range(raw.size):
            value, gradient[c] = loss_and_gradient(loss, 1.0 if c == true else 0.0, raw[c])
            total += value
        return total
    top = raw[0]
    for c in range(raw.size):  # max() of arrays takes long to compile
        top = max(top, raw[c])
    total = 0.0
    for c in range(raw.size):
        gradient[c] = math.exp(raw[c] - top)
        total += gradient[c]
    for c in range(raw.size):
        gradient[c] /= total
    gradient[true] -= 1.0
    return math.log(total) + top - raw[true]


@njit
def total_loss(loss, y, sample_weight, raws):
    """Return the weighted sum of the losses of raw predictions, of shape (n_rows, n_outputs).

    Those of one output are of shape (n_rows,), and need no code for several.
    """
    total = 0.0
    gradient = np.empty(raws.shape[-1])
    for i in range(raws.shape[0]):
        if raws.ndim == 1:
            value, _ = loss_and_gradient(loss, y[i], raws[i])
        else:
            value = joint_loss_and_gradient(loss, y[i], raws[i], gradient)
        total += sample_weight[i] * value
    return total


@njit
def weights(state, alpha, prox, out):
    """Write the weight of every coordinate to out, of shape (n_features, n_outputs)."""
    n_features, _, n_outputs = state.shape
    inverse_alpha = 1.0 / alpha / prox.rate
    if n_outputs == 1:
        pairs = state.ravel()
        for j in range(n_features):
            out[j, 0] = weight(pairs[2 * j], pairs[2 * j + 1], inverse_alpha, prox)
        return
    for j in range(n_features):
        for c in range(n_outputs):
            out[j, c] = weight(state[j, Z, c], state[j, ROOT_N, c], inverse_alpha, prox)


@njit
def change_curvature(state, alpha, prox, new_alpha, new_prox):
    """Keep the weights where the rate, beta or power change: write their z to the state.

    What l1 holds at 0 keeps its z: evidence is not lost. Return the largest abs(z), or inf
    where a weight has nothing to stand on, a curvature of 0.
    """
    largest = 0.0
    slowness, new_slowness = 1.0 / (alpha * prox.rate), 1.0 / (new_alpha * new_prox.rate)
    for j in range(state.shape[0]):
        for c in range(state.shape[2]):
            z, root_n = np.float64(state[j, Z, c]), np.float64(state[j, ROOT_N, c])
            beyond_l1 = z - min(max(z, -prox.l1), prox.l1)
            if beyond_l1 == 0.0:
                continue
            old = curvature(root_n, slowness, prox)
            if not old > 0.0:
                continue
            n_to_the_new_p = n_to_the_p(root_n, new_prox.power)
            new = (new_prox.beta + n_to_the_new_p) * new_slowness + prox.l2
            kept = z - beyond_l1 + beyond_l1 * (new / old) if new > 0.0 else np.inf
            largest = max(largest, abs(kept))
            state[j, Z, c] = kept
    return largest


@njit
def average_state(wide, average, alpha, prox, out):
    """Write to out the plain state that stands for the mean from begin to step."""
    n_features, _, n_outputs = wide.shape
    inverse_alpha, part = 1.0 / alpha / prox.rate, part_of_mean(average)
    begin = wide.dtype.type(average.begin)
    for j in range(n_features):
        moved = wide[j, SINCE, 0] == begin
        for c in range(n_outputs):
            z, root_n = wide[j, Z, c], wide[j, ROOT_N, c]
            if moved:
                lag = np.float64(wide[j, LAG, c])
                z = z_of_mean(np.float64(z), np.float64(root_n), lag, part, inverse_alpha, prox)
            out[j, Z, c], out[j, ROOT_N, c] = z, root_n


@njit
def n_of_beta(beta, power):
    """Return the n whose n^p is beta; beta^2 where n^p is always 1."""
    if power is None:
        return beta * beta
    return beta ** (2.0 / power) if power > 0.0 else beta * beta


@njit
def take_moved(state, start, moved, numbers):
    """Write which features have left the start, their z, and root n: NaN of an output that stays.

    Return how many features they are; -1 if one has been seen less than at the start.
    """
    at = 0
    for j in range(state.shape[0]):
        any_moved = False
        for c in range(state.shape[2]):
            z, root_n = state[j, Z, c], state[j, ROOT_N, c]
            z0, root_n0 = start[j, Z, c], start[j, ROOT_N, c]
            if root_n < root_n0:
                return -1
            own = (z != z0) | (root_n != root_n0)  # z alone, where a gradient is too small for n
            numbers[at, Z, c], numbers[at, ROOT_N, c] = z, root_n if own else np.nan
            any_moved |= own
        moved[j] = any_moved
        at += any_moved
    return at


@njit
def sums_of(numbers, i, c, power):
    """Return how many parts have moved, and their n, z and n^p, of sums or of one part."""
    if numbers.shape[1] > 2:
        return (
            np.float64(numbers[i, COUNT, c]),
            np.float64(numbers[i, SUM_N, c]),
            np.float64(numbers[i, SUM_Z, c]),
            np.float64(numbers[i, SUM_N_TO_P, c]),
        )
    root_n = np.float64(numbers[i, ROOT_N, c])
    if np.isnan(root_n):
        return 0.0, 0.0, 0.0, 0.0
    return 1.0, root_n * root_n, np.float64(numbers[i, Z, c]), n_to_the_p(root_n, power)


@njit
def sums_of_both(of_a, i, in_a, of_b, k, in_b, c, power):
    """Return what the parts of two groups have moved together."""
    if not in_a:
        return sums_of(of_b, k, c, power)
    count, n, z, n_to_p = sums_of(of_a, i, c, power)
    if in_b:
        more, more_n, more_z, more_n_to_p = sums_of(of_b, k, c, power)
        return count + more, n + more_n, z + more_z, n_to_p + more_n_to_p
    return count, n, z, n_to_p


@njit
def add(in_a, of_a, in_b, of_b, power, sums):
    """Write the sums of the features that parts of two groups have moved."""
    i = k = at = 0
    for j in range(in_a.size):
        if in_a[j] or in_b[j]:
            for c in range(sums.shape[2]):
                count, n, z, n_to_p = sums_of_both(of_a, i, in_a[j], of_b, k, in_b[j], c, power)
                sums[at, COUNT, c], sums[at, SUM_N, c] = count, n
                sums[at, SUM_Z, c], sums[at, SUM_N_TO_P, c] = z, n_to_p
            i += in_a[j]
            k += in_b[j]
            at += 1


@njit
def merge_sums(state, in_a, of_a, in_b, of_b, alpha, prox, is_intercept):
    """Write to the state, which is that of the start, what the parts of two groups stand for."""
    few, fixed = few_of(prox), fixed_of(prox, alpha)
    i = k = 0
    for j in range(in_a.size):
        if in_a[j] or in_b[j]:
            for c in range(state.shape[2]):
                n_moved, n, z, n_to_p = sums_of_both(
                    of_a, i, in_a[j], of_b, k, in_b[j], c, prox.power
                )
                if n_moved > 0:
                    state[j, Z, c], state[j, ROOT_N, c] = rule(
                        np.float64(state[j, Z, c]),
                        np.float64(state[j, ROOT_N, c]),
                        n_moved,
                        n,
                        z,
                        n_to_p,
                        prox,
                        few,
                        fixed,
                        is_intercept,
                    )
            i += in_a[j]
            k += in_b[j]


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
                for i in range(n_outputs):
                    state[j, LAG, i], state[j, SINCE, i] = 0.0, begin
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
                for row in range(state.shape[1]):
                    for c in range(n_outputs):
                        parts[k, j, row, c] = state[j, row, c]


@njit(fastmath=REORDER)
def multiply(rows, order, w, out):
    """Add to out, of shape (order.size, n_outputs), the product of the rows with weights w."""
    data, indices, indptr, _, _, ones, _ = rows
    n_outputs = w.shape[1]
    flat = w.ravel()
    for t in range(order.size):
        i = order[t]
        start = indptr[i] & POSITIVE
        size = (indptr[i + 1] - start) & POSITIVE
        all_ones = has_ones(ones, i)
        ahead = order[min(t + 2 * FAR, order.size - 1)]
        prefetch(indptr, ahead)
        prefetch(ones, ahead)
        ahead = order[min(t + FAR, order.size - 1)]
        last = indptr[ahead + 1] - 1
        for k in range(indptr[ahead], last, LINE):
            prefetch(indices, k)
        prefetch(indices, last)
        if not has_ones(ones, ahead):
            for k in range(indptr[ahead], last, LINE):
                prefetch(data, k)
            prefetch(data, last)
        ahead = order[min(t + NEAR, order.size - 1)]
        first = indptr[ahead] & POSITIVE
        for k in range((indptr[ahead + 1] - first) & POSITIVE):
            prefetch(flat, n_outputs * feature(indices, first, k))
        if n_outputs == 1:
            raw = 0.0
            if all_ones:
                for k in range(size):
                    raw += flat[feature(indices, start, k) & POSITIVE]
            else:
                for k in range(size):
                    raw += data[start + k] * flat[feature(indices, start, k) & POSITIVE]
            out[t, 0] += raw
            continue
        for k in range(size):
            x = 1.0 if all_ones else np.float64(data[start + k])
            at = n_outputs * (feature(indices, start, k) & POSITIVE)
            for c in range(n_outputs):
                out[t, c] += x * flat[at + c]


@njit(fastmath=REORDER)
def squares(rows, order, out):
    """Write the squared lengths of the rows to out.

    Return how many of their numbers are not 0, and the sum of the roots of all.
    """
    data, _, indptr, _, _, ones, _ = rows
    n_numbers, roots = 0.0, 0.0
    for t in range(order.size):
        row = order[t]
        start, stop = indptr[row], indptr[row + 1]
        if has_ones(ones, row):
            square = root = n_filled = float(stop - start)
        else:
            square = root = n_filled = 0.0
            for k in range(start, stop):
                x = np.float64(data[k])
                square += x * x
                root += math.sqrt(abs(x))
                n_filled += 1.0 if x != 0.0 else 0.0
        out[t] = square
        roots += root
        n_numbers += n_filled
    return n_numbers, roots


@njit
def count_new(rows, order, state):
    """Return how many of the rows have a feature whose z is 0: no row has taught it yet."""
    data, indices, indptr, _, _, _, _ = rows
    n_new = 0
    for t in range(order.size):
        start = indptr[order[t]]
        for k in range(indptr[order[t] + 1] - start):
            if data[start + k] != 0.0 and not state[feature(indices, start, k), Z].any():
                n_new += 1
                break
    return n_new


@njit
def largest_bits(bits):
    """Return the bits of the largest absolute number of these, those of NaN and inf included.

    As integers they are in the order of the numbers, so vector code finds the largest.
    """
    most = bits.dtype.type(0)
    for k in range(bits.size):
        most = max(most, bits[k] & bits.dtype.type(np.iinfo(bits.dtype).max))
    return most


@njit
def inspect_rows(bits, one, indices, indptr, n_features, ones, row, stop_row):
    """Return the size of the longest of these rows, whether indices increase, and largest_bits.

    The size is -1 where indptr is out of range. An index that is shows where the rows
    increase: there it can only be the first or the last of a row. ones gets which rows have
    no number but 1, whose bits are ``one``. Some rows are looked at together, as vector code
    wants long loops, then one by one, while they are near.
    """
    longest, out_of_range, descends, most = 0, 0, False, bits.dtype.type(0)
    end = indptr[row]
    if indptr[0] != 0 or not 0 <= end <= indices.size:
        return -1, False, most
    while row < stop_row:
        first, begin = row, end
        while row < stop_row and end - begin < TOGETHER:
            stop = indptr[row + 1]
            if stop < end or stop > indices.size:
                return -1, False, most
            longest = max(longest, stop - end)
            end = stop
            row += 1
        some, x = indices[begin:end], bits[begin:end]
        n_descents, others = 0, False
        for k in range(some.size - 1):
            n_descents += some[k + 1] <= some[k]
        for k in range(x.size):
            others |= x[k] != one
        most = max(most, largest_bits(x) if others else one)
        for i in range(first, row):
            start, stop = indptr[i], indptr[i + 1]
            if start < stop:
                out_of_range += (indices[start] < 0) | (indices[stop - 1] >= n_features)
                if start > begin:  # where a row ends and another begins
                    n_descents -= indices[start] <= indices[start - 1]
            if others:
                while start < stop and bits[start] == one:
                    start += 1
                ones[i] = start == stop
            else:
                ones[i] = True
        descends |= n_descents > 0
    return (-1 if out_of_range and not descends else longest), not descends, most
