"""FTRL-Proximal for scikit-learn: linear models for sparse, high-dimensional streams."""

from ._classifier import FtrlClassifier
from ._regressor import FtrlRegressor

__all__ = ["FtrlClassifier", "FtrlRegressor"]
__version__ = "0.1.0.dev0"
