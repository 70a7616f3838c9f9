"""Tools that take any estimator take these, and what they say of them is right."""

import importlib

import numpy as np
import pandas as pd
import pytest
from oracle import random_rows, random_targets
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    HalvingGridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    learning_curve,
)
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline

from sklearn_ftrl import SKOPS_TRUSTED, FtrlClassifier, FtrlRegressor
from sklearn_ftrl.preprocessing import ColumnHasher

pytestmark = pytest.mark.compiled  # many models


@pytest.fixture
def table():
    """Return dense rows whose first feature alone tells of y, and y."""
    X = np.random.default_rng(0).normal(size=(300, 4))
    return X, X[:, 0]


def classifier(**params):
    return FtrlClassifier(max_iter=10, tol=None, random_state=0, **params)


def regressor():
    return FtrlRegressor(max_iter=10, tol=None, random_state=0)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_shap_values_add_up_to_the_linear_predictor(n_classes):
    shap = pytest.importorskip("shap")
    X, y = random_rows().toarray(), random_targets(n_classes=n_classes)
    model = classifier().fit(X, y)
    explanation = shap.LinearExplainer(model, X)(X)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, model.decision_function(X), rtol=1e-9, atol=1e-9)


def test_permutation_importance_finds_the_feature(table):
    X, y = table
    result = permutation_importance(regressor().fit(X, y), X, y, n_repeats=2, random_state=0)
    assert result.importances_mean[0] > 1.0
    assert np.all(result.importances_mean[1:] < 0.01)


def test_partial_dependence_is_the_line_of_the_weight(table):
    X, y = table
    model = regressor().fit(X, y)
    result = partial_dependence(model, X, [0], grid_resolution=5)
    slope = np.diff(result["average"][0]) / np.diff(result["grid_values"][0])
    np.testing.assert_allclose(slope, model.coef_[0], rtol=1e-9)


def test_select_from_model_keeps_the_features_with_weight(table):
    X, y = table
    model = classifier(l1=80.0)
    selector = SelectFromModel(model, threshold=1e-9).fit(X, y > 0)
    np.testing.assert_array_equal(selector.get_support(), [True, False, False, False])
    selector.partial_fit(X, y > 0, classes=[False, True])
    assert selector.estimator_.t_ > 300


def test_a_threshold_is_tuned(table):
    X, y = table
    tuned = TunedThresholdClassifierCV(classifier(), scoring="recall", cv=3).fit(X, y > 1)
    assert tuned.best_threshold_ < 0.5
    assert tuned.predict(X).sum() > classifier().fit(X, y > 1).predict(X).sum()


def test_a_frozen_model_is_calibrated_on_sparse_rows():
    X, y = random_rows(), random_targets()
    model = classifier().fit(X, y)
    calibrated = CalibratedClassifierCV(FrozenEstimator(model)).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1.0)


def test_voting_is_the_mean_of_the_probabilities(table):
    X, y = table
    members = [("ftrl", classifier()), ("logistic", LogisticRegression())]
    vote = VotingClassifier(members, voting="soft").fit(X, y > 0)
    mean = np.mean([clone(member).fit(X, y > 0).predict_proba(X) for _, member in members], axis=0)
    np.testing.assert_allclose(vote.predict_proba(X), mean, rtol=1e-9)


def test_a_stack_stands_on_its_probabilities_and_ends_in_it(table):
    X, y = table
    stack = StackingClassifier([("ftrl", classifier())], classifier(), cv=3).fit(X, y > 0)
    assert stack.score(X, y > 0) > 0.95


def test_several_targets_are_learned_in_parts(table):
    X, y = table
    Y = np.column_stack([y > 0, X[:, 1] > 0]).astype(int)
    models = MultiOutputClassifier(classifier())
    for rows in np.array_split(np.arange(300), 3):
        models.partial_fit(X[rows], Y[rows], classes=[[0, 1], [0, 1]])
    assert np.mean(models.predict(X) == Y) > 0.9
    numbers = MultiOutputRegressor(regressor()).fit(X, X[:, :2])
    assert numbers.score(X, X[:, :2]) > 0.99


def test_halving_search_finds_the_penalty_that_does_less_harm(table):
    X, y = table
    grid = {"l1": [0.0, 1.0, 1e3, 1e4]}
    search = HalvingGridSearchCV(classifier(), grid, cv=3, random_state=0).fit(X, y > 0)
    assert search.best_params_["l1"] <= 1.0


def test_cross_val_predict_gives_probabilities_of_rows_not_learned(table):
    X, y = table
    p = cross_val_predict(classifier(), X, y > 0, method="predict_proba", cv=3)
    assert np.mean((p[:, 1] > 0.5) == (y > 0)) > 0.9


def test_learning_curves_learn_on_from_part_to_part(table):
    X, y = table
    sizes, _, scores = learning_curve(
        classifier(), X, y > 0, cv=3, train_sizes=[10, 50, 200], exploit_incremental_learning=True
    )
    np.testing.assert_array_equal(sizes, [10, 50, 200])
    assert scores[-1].mean() > 0.9


@pytest.mark.parametrize("way", ["fit", "early stopping", "partial_fit", "sparsify", "densify"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("estimator", "n_classes"), [(FtrlClassifier, 2), (FtrlClassifier, 4), (FtrlRegressor, 9)]
)
def test_skops_loads_every_model_if_it_trusts_what_is_exported(estimator, n_classes, dtype, way):
    io = pytest.importorskip("skops.io")
    X, y = random_rows().astype(dtype), random_targets(n_classes=n_classes)
    model = estimator(early_stopping=way == "early stopping", max_iter=2, tol=None)
    if way == "partial_fit":
        model.partial_fit(X, y, **({"classes": np.unique(y)} if n_classes < 9 else {}))
    else:
        model.fit(X, y)
    if way in ("sparsify", "densify"):
        getattr(model.sparsify(), way)()
    model.set_params(early_stopping=False)
    data = io.dumps(model)
    assert set(io.get_untrusted_types(data=data)) <= set(SKOPS_TRUSTED)
    loaded = io.loads(data, trusted=SKOPS_TRUSTED)
    raws = [getattr(m, "decision_function", m.predict)(X) for m in (loaded, model)]
    np.testing.assert_array_equal(*raws)
    if not hasattr(model, "z_"):
        return
    for copy in [loaded, model]:
        copy.partial_fit(X, y)
    np.testing.assert_array_equal(loaded.z_, model.z_)


def test_skops_loads_a_pipeline_of_tables_and_sparse_arrays():
    io = pytest.importorskip("skops.io")
    table = pd.DataFrame({"site": ["news", "mail"] * 5, "views": range(10)})
    hasher = ColumnHasher(2**8, numeric={"views": "bin"}, dtype=np.float32)
    model = make_pipeline(hasher, FtrlClassifier(tol=None)).fit(table, [0, 1] * 5)
    if "sparse_interface" in get_config():  # scikit-learn 1.9
        with config_context(sparse_interface="sparray"):
            model[-1].sparsify()
    loaded = io.loads(io.dumps(model), trusted=SKOPS_TRUSTED)
    np.testing.assert_array_equal(loaded.predict_proba(table), model.predict_proba(table))


def test_every_exported_name_is_that_of_a_type():
    for name in SKOPS_TRUSTED:
        module, _, type_ = name.rpartition(".")
        assert isinstance(getattr(importlib.import_module(module), type_), type)
