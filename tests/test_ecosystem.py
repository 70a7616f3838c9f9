import numpy as np
import pandas as pd
import pytest
from oracle import FEW, random_rows, random_targets
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction import FeatureHasher
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from sklearn_ftrl import FtrlClassifier, FtrlRegressor


@pytest.fixture
def tokens():
    """Return rows of tokens and a label that one token gives away."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({name: rng.integers(20, size=400).astype(str) for name in "abc"})
    y = np.where(table["a"].astype(int) % 2, "odd", "even")
    return (table.columns.to_numpy() + "=" + table.to_numpy()).tolist(), y


def hashed(**params):
    hasher = FeatureHasher(2**16, input_type="string", alternate_sign=False)
    return make_pipeline(hasher, FtrlClassifier(tol=None, random_state=0, **params))


@pytest.mark.compiled
def test_a_pipeline_is_tuned_by_a_grid_search_in_two_processes(tokens):
    X, y = tokens
    grid = {"ftrlclassifier__l1": [0.0, 1000.0], "ftrlclassifier__learning_rate": [0.1, 1.0]}
    search = GridSearchCV(hashed(), grid, n_jobs=2, cv=3, scoring="neg_log_loss").fit(X, y)
    assert search.best_params_["ftrlclassifier__l1"] == 0.0
    assert search.score(X, y) > -0.1


@pytest.mark.compiled
def test_one_vs_rest(tokens):
    X = FeatureHasher(2**10, input_type="string").transform(tokens[0])
    y = np.array([row[0] for row in tokens[0]])
    model = OneVsRestClassifier(FtrlClassifier(tol=None)).fit(X, y)
    assert model.score(X, y) > 0.95
    model.partial_fit(X, y)


@pytest.mark.compiled
def test_calibration(tokens):
    X, y = tokens
    model = CalibratedClassifierCV(hashed(), cv=3).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    assert model.score(X, y) > 0.95


@pytest.mark.parametrize("estimator", [FtrlClassifier, FtrlRegressor])
def test_clone_keeps_parameters_and_forgets_the_rest(estimator):
    model = estimator(l1=0.5, max_iter=7, tol=None).fit(random_rows(), random_targets())
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "t_")


@pytest.mark.parametrize("estimator", [FtrlClassifier, FtrlRegressor])
def test_sample_weights_are_routed(estimator):
    X, y = random_rows(), random_targets()
    weight = np.r_[np.zeros(20), np.ones(40)]
    with config_context(enable_metadata_routing=True):
        model = estimator(shuffle=False, **FEW).set_fit_request(sample_weight=True)
        routed = cross_validate(
            model.set_score_request(sample_weight=True),
            X,
            y,
            params={"sample_weight": weight},
            cv=[(np.arange(60), np.arange(60))],
            return_estimator=True,
        )["estimator"][0]
    by_hand = estimator(shuffle=False, **FEW).fit(X, y, weight)
    np.testing.assert_array_equal(routed.coef_, by_hand.coef_)
