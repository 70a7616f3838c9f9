"""What is set before scipy is imported, settings of hypothesis, and kinds of models."""

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # else scikit-learn skips a check

import numpy as np
import pytest
from hypothesis import settings
from oracle import FEW, random_rows, random_targets

from sklearn_ftrl import FtrlClassifier, FtrlRegressor

settings.register_profile("suite", derandomize=True, deadline=None)  # fuzz.py seeks new examples
settings.load_profile("suite")

KINDS = {
    "binary": (FtrlClassifier, 2),
    "multiclass": (FtrlClassifier, 4),
    "many classes": (FtrlClassifier, 11),  # more than _kernel.FEW
    "regression": (FtrlRegressor, 9),
}


@pytest.fixture(params=KINDS)
def kind(request):
    """Return an estimator class and targets for random_rows()."""
    estimator, n_classes = KINDS[request.param]
    return estimator, random_targets(n_classes=n_classes)


@pytest.fixture(params=["fit", "partial_fit"])
def trained(request, kind):
    """Return a trained model, a way to teach it, and targets."""
    estimator, y = kind
    model = estimator(random_state=np.random.RandomState(0), **FEW).fit(random_rows(), y)
    return model, getattr(model, request.param), y
