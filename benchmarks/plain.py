"""The yardsticks: Algorithm 1 of McMahan et al. 2013 as one writes it down, in numba and C.

z and n are two arrays, a row is two loops, and nothing is fetched ahead. There is no intercept.
"""

import ctypes
import math
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numba
import numpy as np

ALPHA, BETA, L1, L2 = 0.1, 1.0, 1.0, 1.0


@numba.njit
def weight(z, n, alpha, beta, l1, l2):
    """Return the weight that (z, n) stands for."""
    if abs(z) <= l1:
        return 0.0
    return (math.copysign(l1, z) - z) / ((beta + math.sqrt(n)) / alpha + l2)


@numba.njit
def learn(order, data, indices, indptr, y, alpha, beta, l1, l2, z, n, w):
    """Learn rows in this order; z and n are updated, w has room for the longest row."""
    for i in order:
        start, stop = indptr[i], indptr[i + 1]
        raw = 0.0
        for k in range(start, stop):
            j = indices[k]
            w[k - start] = weight(z[j], n[j], alpha, beta, l1, l2)
            raw += w[k - start] * data[k]
        error = 1.0 / (1.0 + math.exp(-raw)) - y[i]
        for k in range(start, stop):
            j = indices[k]
            g = error * data[k]
            sigma = (math.sqrt(n[j] + g * g) - math.sqrt(n[j])) / alpha
            z[j] += g - sigma * w[k - start]
            n[j] += g * g


@cache
def compile_c():
    """Return the function of plain.c, compiled now; FileNotFoundError where gcc is not."""
    source = Path(__file__).with_name("plain.c")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "plain.so"
        options = ["-O3", "-march=native", "-shared", "-fPIC", "-o", library, source, "-lm"]
        subprocess.run(["gcc", *options], check=True)
        function = ctypes.CDLL(str(library)).learn
    int32, int64, double = (
        np.ctypeslib.ndpointer(dtype, flags="C") for dtype in (np.int32, np.int64, np.float64)
    )
    rows = [ctypes.c_int64, int64, double, int32, int32, double]
    function.argtypes = [*rows, *[ctypes.c_double] * 4, double, double, double]
    function.restype = None
    return function


def learn_numba(X, y, order):
    """Return z and n after one pass of the numba loop over CSR rows."""
    z, n, w = _start(X)
    learn(order, X.data, X.indices, X.indptr, y, ALPHA, BETA, L1, L2, z, n, w)
    return z, n


def learn_c(X, y, order):
    """Return z and n after one pass of the C loop over CSR rows."""
    z, n, w = _start(X)
    rows = order.size, order, X.data, X.indices, X.indptr, y
    compile_c()(*rows, ALPHA, BETA, L1, L2, z, n, w)
    return z, n


def _start(X):
    n_features = X.shape[1]
    return np.zeros(n_features), np.zeros(n_features), np.empty(np.diff(X.indptr).max())


def coefficients(z, n):
    """Return the weights that z and n stand for."""
    beyond_l1 = np.sign(z) * np.maximum(np.abs(z) - L1, 0.0)
    return -beyond_l1 / ((BETA + np.sqrt(n)) / ALPHA + L2)
