"""FTRL-Proximal for scikit-learn: linear models for sparse, high-dimensional streams."""

from ._classifier import FtrlClassifier
from ._merge import merge
from ._regressor import FtrlRegressor

__all__ = ["FtrlClassifier", "FtrlRegressor", "merge"]
__version__ = "0.1.0.dev0"
