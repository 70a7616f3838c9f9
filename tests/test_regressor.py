import numpy as np
import pandas as pd
import polars as pl
import pytest
from oracle import FEW, ONE_EPOCH, random_rows

from sklearn_ftrl import FtrlRegressor
from sklearn_ftrl._kernel import REGRESSOR_LOSSES


def test_shapes():
    X = random_rows()
    model = FtrlRegressor(**FEW).fit(X, np.arange(60))
    assert model.coef_.shape == model.z_.shape == model.n_.shape == (12,)
    assert model.intercept_.shape == model.intercept_z_.shape == model.intercept_n_.shape == (1,)
    assert model.predict(X).shape == (60,)


@pytest.mark.compiled
def test_it_finds_the_line():
    X = np.random.default_rng(0).normal(size=(500, 3))
    y = X @ [1.0, -2.0, 0.0] + 4.0
    model = FtrlRegressor(learning_rate=2.0, max_iter=200, tol=None, random_state=0).fit(X, y)
    np.testing.assert_allclose(model.coef_, [1.0, -2.0, 0.0], atol=1e-3)
    np.testing.assert_allclose(model.intercept_, [4.0], atol=1e-3)


@pytest.mark.parametrize("dtype", [int, np.float32, object, bool])
def test_targets_of_any_number_type_are_learned(dtype):
    X, y = random_rows(), np.arange(60) % 2
    params = {"random_state": 0, **FEW}
    ours, theirs = (FtrlRegressor(**params).fit(X, t) for t in (y.astype(dtype), y.astype(float)))
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)


def test_targets_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="y must be numbers: could not convert string to float"):
        FtrlRegressor().fit(random_rows(), np.full(60, "many"))


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA], ids=str)
@pytest.mark.parametrize(
    "container",
    [
        list,
        lambda y: np.array(y, object),
        lambda y: pd.Series(y, dtype=object),
        lambda y: pd.Series(y, dtype="object").convert_dtypes(),
        lambda y: pd.Series([None if pd.isna(value) else value for value in y], dtype="Float64"),
        lambda y: pl.Series([None if pd.isna(value) else value for value in y]),
    ],
    ids=["list", "objects", "Series of objects", "Series of Int64", "Series of Float64", "polars"],
)
def test_a_missing_target_is_refused_and_changes_nothing(container, missing):
    X, y = random_rows(), container([1.0, 2.0, missing, *range(57)])
    model = FtrlRegressor(**FEW)
    for learn in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=r"^Input y contains (NaN|NA)\."):
            learn(X, y)
        assert not hasattr(model, "t_")
    with pytest.raises(ValueError, match=r"^In X_val, y_val.*: Input y contains (NaN|NA)\."):
        model.fit(X, np.arange(60), X_val=X, y_val=y)
    assert not hasattr(model, "t_")


@pytest.mark.compiled
def test_poisson_learns_the_logarithm_of_the_mean():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 3))
    y = rng.poisson(np.exp(X @ [0.5, -0.3, 0.0] + 0.2))
    model = FtrlRegressor("poisson", max_iter=10, tol=None, random_state=0).fit(X, y)
    np.testing.assert_allclose(model.coef_, [0.5, -0.3, 0.0], atol=0.03)
    np.testing.assert_allclose(model.predict(X), np.exp(X @ model.coef_ + model.intercept_))


def test_poisson_refuses_negative_targets_and_changes_nothing():
    model = FtrlRegressor("poisson", **FEW).fit(random_rows(), np.arange(60) % 3)
    before = model.z_
    for learn in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match="Negative values in y"):
            learn(random_rows(), np.arange(60) - 1)
    np.testing.assert_array_equal(model.z_, before)


@pytest.mark.compiled
def test_poisson_says_so_where_the_gradient_overflows():
    X, y = np.ones((2, 1)), [1, 1]
    start = {"coef_init": [400.0]}
    with pytest.raises(ValueError, match="row 0 is not finite"):
        FtrlRegressor("poisson", shuffle=False).fit(X, y, **start)
    start = {"coef_init": [300.0]}
    FtrlRegressor("poisson", shuffle=False, max_iter=1, tol=None).fit(X[:1], y[:1], **start)


def test_poisson_says_so_where_a_prediction_overflows():
    model = FtrlRegressor("poisson", fit_intercept=False, **FEW)
    model.fit(np.zeros((2, 1)), [1, 1], coef_init=[1.0])
    np.testing.assert_allclose(model.predict([[709.0], [-1e6]]), [np.exp(709.0), 0.0])
    with pytest.raises(ValueError, match="the exponential of 800, is not finite"):
        model.predict([[0.0], [800.0]])


def test_the_loss_learned_decides_on_predictions_until_the_next_fit():
    X, y = random_rows(), np.arange(60) % 3
    model = FtrlRegressor("poisson", **FEW).fit(X, y)
    p = model.predict(X)
    np.testing.assert_array_equal(model.set_params(loss="squared_error").predict(X), p)
    model.partial_fit(X, y)
    np.testing.assert_allclose(model.predict(X), X @ model.coef_ + model.intercept_)


def numbers_of_auto(loss, y, sample_weight=None, **params):
    """Return the learning rate and beta that equal rows give."""
    model = FtrlRegressor(loss, **params).partial_fit(np.ones((len(y), 1)), y, sample_weight)
    return model.learning_rate_, model.beta_


@pytest.mark.parametrize("loss", REGRESSOR_LOSSES)
def test_auto_counts_a_row_of_weight_3_as_three_rows(loss):
    y = np.random.default_rng(0).uniform(1.0, 5.0, size=60)
    weight = np.repeat([1, 3], 30)
    one, other = numbers_of_auto(loss, y, weight), numbers_of_auto(loss, np.repeat(y, weight))
    assert one == pytest.approx((other[0], weight.mean() * other[1]))


def test_auto_takes_beta_by_the_scale_of_the_slope():
    y = np.random.default_rng(0).normal(size=60)
    betas = [numbers_of_auto("huber", y, epsilon=epsilon)[1] for epsilon in (0.01, 0.1, 100.0)]
    assert betas == pytest.approx([0.03, 0.3, 3.0 * y.std()])
    assert numbers_of_auto("squared_error", y)[1] == pytest.approx(3.0 * y.std())
    assert numbers_of_auto("quantile", y)[1] == pytest.approx(3.0)


@pytest.mark.parametrize("loss", sorted(set(REGRESSOR_LOSSES) - {"poisson", "huber"}))
@pytest.mark.parametrize("value", [0.1, 1e3])
def test_auto_takes_the_size_of_targets_that_are_all_the_same(loss, value):
    rates = [numbers_of_auto(loss, np.full(60, size))[0] for size in (1.0, value)]
    assert rates[1] == pytest.approx(value * rates[0])


@pytest.mark.compiled
@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_quantile_learns_that_share_of_rows_below(quantile):
    rng = np.random.default_rng(0)
    y = rng.gamma(2.0, size=20_000)
    params = {"quantile": quantile, "max_iter": 10, "tol": None}
    model = FtrlRegressor("quantile", random_state=0, **params).fit(np.ones((20_000, 1)), y)
    assert np.mean(y < model.predict([[1.0]])) == pytest.approx(quantile, abs=0.02)


@pytest.mark.parametrize("epsilon", [0.0, 2.0])
@pytest.mark.parametrize("loss", ["epsilon_insensitive", "squared_epsilon_insensitive"])
def test_an_error_within_epsilon_teaches_nothing(loss, epsilon):
    model = FtrlRegressor(loss, epsilon=epsilon, learning_rate=0.5, **ONE_EPOCH)
    model.fit([[1.0]], [1.5])
    assert (model.coef_[0] == 0) == (epsilon == 2.0)


def test_huber_steps_are_bounded():
    model = FtrlRegressor("huber", epsilon=2.0, learning_rate=0.5, **ONE_EPOCH).fit([[1.0]], [1e6])
    assert model.z_ == -2.0
