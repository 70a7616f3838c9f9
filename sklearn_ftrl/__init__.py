"""FTRL-Proximal for scikit-learn: linear models for sparse, high-dimensional streams."""

from ._classifier import FtrlClassifier
from ._merge import merge
from ._regressor import FtrlRegressor

__all__ = ["SKOPS_TRUSTED", "FtrlClassifier", "FtrlRegressor", "merge"]
__version__ = "0.1.0.dev0"

#: Names of the types that a model's file has and skops does not know:
#: ``skops.io.load(file, trusted=SKOPS_TRUSTED)``. For models of this package, sparsified ones
#: and those behind a ColumnHasher too.
SKOPS_TRUSTED = [
    "scipy.sparse._csr.csr_array",
    "scipy.sparse._csr.csr_matrix",
    "sklearn_ftrl._auto.Scales",
    "sklearn_ftrl._classifier.FtrlClassifier",
    "sklearn_ftrl._kernel.Clip",
    "sklearn_ftrl._kernel.Loss",
    "sklearn_ftrl._kernel.Prox",
    "sklearn_ftrl._kernel.Rows",
    "sklearn_ftrl._learner.Learner",
    "sklearn_ftrl._learner.Numbers",
    "sklearn_ftrl._regressor.FtrlRegressor",
    "sklearn_ftrl._rows.Batch",
    "sklearn_ftrl._units.Units",
    "sklearn_ftrl._weights.Weights",
    "sklearn_ftrl.preprocessing.ColumnHasher",
]
