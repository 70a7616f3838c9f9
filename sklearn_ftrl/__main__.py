"""Print versions and compile what default options need: python -m sklearn_ftrl.

Many classes have a kernel of their own, which is left to their first fit.
"""

import contextlib
import itertools
import platform
import time
from importlib.metadata import version

import numpy as np
from scipy import sparse

from . import FtrlClassifier, __version__
from .preprocessing import ColumnHasher


def main():
    """Print versions, then fill numba's cache, as for a container image."""
    print("sklearn-ftrl", __version__)
    print("python", platform.python_version())
    for package in ["scikit-learn", "scipy", "numpy", "numba"]:
        print(package, version(package))
    start = time.perf_counter()
    dtypes, index_dtypes = [np.float64, np.float32], [np.int32, np.int64, None]
    for dtype, index_dtype in itertools.product(dtypes, index_dtypes):
        X = np.arange(1, 10, dtype=dtype).reshape(3, 3)
        if index_dtype:
            X = sparse.csr_array(np.eye(3, dtype=dtype))
            X.indices = X.indices.astype(index_dtype)
        for y in ([0, 1, 1], [0, 1, 2]):
            model = FtrlClassifier(max_iter=2, tol=None, early_stopping=True).fit(X, y)
            model.set_params(early_stopping=False).partial_fit(X, y)
            model.predict(X)
            model.predict(X[:1])
        with contextlib.suppress(ImportError):  # without pyarrow there are no tables
            ColumnHasher(2**31 if index_dtype is np.int64 else 2, dtype=dtype).transform(
                {"a": ["b", "c"], "d": [1, 2], "e": [True, False]}  # three ways to hash
            )
    print(f"compiled in {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
