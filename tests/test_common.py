import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_ftrl import FtrlClassifier, FtrlRegressor

# One step of weight 2 is not two steps of weight 1. SGDClassifier has the same two.
NOT_EQUIVALENT = dict.fromkeys(
    [
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weight_equivalence_on_sparse_data",
    ],
    "an online step is not linear in the sample weight",
)
pytestmark = pytest.mark.compiled


@parametrize_with_checks(
    [
        FtrlClassifier(),
        FtrlClassifier(l1=0.1, l2=0.1),
        FtrlClassifier(learning_rate=0.1, beta=0.1, shuffle=False, penalize_intercept=True),
        FtrlRegressor(),
        FtrlRegressor(l1=0.1, penalize_intercept=True),
        FtrlRegressor(learning_rate=1.0, beta=0.0, shuffle=False, tol=None),
    ],
    expected_failed_checks=lambda estimator: NOT_EQUIVALENT,
)
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)
