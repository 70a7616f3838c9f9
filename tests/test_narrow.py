"""Few rows of a wide X: fit learns the features that occur, and gives a model of all."""

import numpy as np
import pytest
from oracle import NUMBERS, random_rows, random_targets
from scipy import sparse

from sklearn_ftrl import FtrlClassifier, FtrlRegressor
from sklearn_ftrl._learner import Learner

WIDTH = 5000
PLACES = np.sort(np.random.default_rng(0).choice(WIDTH, 12, replace=False))
COUNTS = np.random.default_rng(1).poisson(2.0, 60)
MODELS = {
    "log loss": FtrlClassifier(random_state=0),
    "softmax": FtrlClassifier(random_state=0),
    "hinge": FtrlClassifier(loss="hinge", random_state=0),
    "squared": FtrlRegressor(random_state=0),
    "poisson": FtrlRegressor(loss="poisson", random_state=0),
    "numbers": FtrlClassifier(**NUMBERS, random_state=0),
    "last iterate": FtrlClassifier(average=False, random_state=0),
    "no validation": FtrlClassifier(early_stopping=False, random_state=0),
    "one epoch": FtrlClassifier(max_iter=1, l1=0.1, random_state=0),
    "an accumulator": FtrlClassifier(initial_accumulator_value=0.1, l2=0.1, random_state=0),
    "an intercept": FtrlClassifier(random_state=0),
}


def wide(X):
    """Return the columns of X at their places among many empty ones."""
    X = sparse.coo_array(X)
    return sparse.csr_array((X.data, (X.row, PLACES[X.col])), shape=(X.shape[0], WIDTH))


def fitted(name, X):
    y = COUNTS if name in ("squared", "poisson") else random_targets()
    y = random_targets(n_classes=4) if name == "softmax" else y
    init = {"intercept_init": [0.7]} if name == "an intercept" else {}
    return MODELS[name].fit(X, y, **init), y


@pytest.mark.parametrize("unit", [1.0, 30.0], ids=["", "a column that stands out"])
@pytest.mark.parametrize("name", MODELS)
def test_empty_columns_change_nothing(name, unit):
    X = random_rows() * np.r_[unit, np.ones(11)]
    model, y = fitted(name, sparse.csr_array(X))
    shown = ["coef_", "z_", "n_", "intercept_", "intercept_z_", "intercept_n_"]
    expected = {each: np.copy(getattr(model, each)) for each in shown}
    history = model.n_iter_, model.best_iter_, model.t_, model.loss_curve_
    model, _ = fitted(name, wide(X))
    assert model.coef_.shape[-1] == model.n_features_in_ == WIDTH
    for each, values in expected.items():
        of_places = getattr(model, each)
        of_places = of_places if each.startswith("intercept") else of_places[..., PLACES]
        np.testing.assert_allclose(of_places, values, rtol=1e-9, atol=1e-12)
    assert (model.n_iter_, model.best_iter_, model.t_) == history[:3]
    np.testing.assert_allclose(model.loss_curve_, history[3], rtol=1e-12)
    others = np.delete(model.coef_, PLACES, axis=-1)
    np.testing.assert_array_equal(others, 0.0)
    np.testing.assert_array_equal(
        np.delete(model.n_, PLACES, axis=-1), model.initial_accumulator_value
    )
    model.partial_fit(sparse.eye_array(4, WIDTH, format="csr"), y[:4])  # of other features
    assert np.isfinite(model.coef_).all()


def test_only_the_features_that_occur_are_learned(monkeypatch):
    widths, learn = set(), Learner.learn
    monkeypatch.setattr(
        Learner, "learn", lambda self, *a, **k: widths.add(self.shape[1]) or learn(self, *a, **k)
    )
    FtrlClassifier().fit(wide(random_rows()), random_targets())
    assert widths == {12}


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_after_an_error_it_is_a_model_of_all_features(error, monkeypatch):
    X, y = wide(random_rows()), random_targets()
    learn, n_calls = Learner.learn, []

    def failing(self, *args, **kwargs):
        n_calls.append(1)
        if len(n_calls) == 4:
            raise error
        return learn(self, *args, **kwargs)

    monkeypatch.setattr(Learner, "learn", failing)
    model = FtrlClassifier(early_stopping=False, tol=None)
    with pytest.raises(error):
        model.fit(X, y)
    assert model.coef_.shape == (1, WIDTH)
    assert (model.t_, model.n_iter_) == (180, 3)
    assert model.predict(X).shape == (60,)


@pytest.mark.parametrize("before", ["new", "fitted"])
def test_an_error_at_the_end_leaves_the_model_before(before, monkeypatch):
    X, y = wide(random_rows()), random_targets()
    model = FtrlClassifier(random_state=0)
    if before == "fitted":
        coef = model.fit(X, y).coef_
    monkeypatch.setattr(Learner, "spread", None)
    with pytest.raises(TypeError):
        model.fit(X, 1 - y)
    assert hasattr(model, "coef_") == (before == "fitted")
    if before == "fitted":
        np.testing.assert_array_equal(model.coef_, coef)


@pytest.mark.parametrize("given", ["X_val", "coef_init", "scoring", "warm_start"])
def test_where_others_look_at_the_model_it_is_of_all_features(given):
    X, y, arguments = wide(random_rows()), random_targets(), {}
    model = FtrlClassifier(random_state=0)
    if given == "X_val":
        arguments = {"X_val": X[:20], "y_val": y[:20]}
    elif given == "coef_init":
        arguments = {"coef_init": np.full((1, WIDTH), 1.5)}
    elif given == "scoring":
        model.set_params(scoring="accuracy")
    else:
        model.set_params(warm_start=True).fit(X, y)
    model.fit(X, y, **arguments)
    assert model.coef_.shape == (1, WIDTH)
    assert np.isfinite(model.decision_function(X)).all()
    if given == "coef_init":
        np.testing.assert_allclose(np.delete(model.coef_, PLACES, axis=1), 1.5)
