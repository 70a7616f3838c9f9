import numpy as np
import pytest
from oracle import random_rows

from sklearn_ftrl import FtrlRegressor


def test_shapes():
    X = random_rows()
    model = FtrlRegressor(tol=None).fit(X, np.arange(60))
    assert model.coef_.shape == model.z_.shape == model.n_.shape == (12,)
    assert model.intercept_.shape == model.intercept_z_.shape == model.intercept_n_.shape == (1,)
    assert model.predict(X).shape == (60,)


def test_it_finds_the_line():
    X = np.random.default_rng(0).normal(size=(500, 3))
    y = X @ [1.0, -2.0, 0.0] + 4.0
    model = FtrlRegressor(learning_rate=2.0, max_iter=200, tol=None, random_state=0).fit(X, y)
    np.testing.assert_allclose(model.coef_, [1.0, -2.0, 0.0], atol=1e-3)
    np.testing.assert_allclose(model.intercept_, [4.0], atol=1e-3)


@pytest.mark.parametrize("dtype", [int, np.float32, object, bool])
def test_targets_of_any_number_type_are_learned(dtype):
    X, y = random_rows(), np.arange(60) % 2
    params = {"tol": None, "random_state": 0}
    ours, theirs = (FtrlRegressor(**params).fit(X, t) for t in (y.astype(dtype), y.astype(float)))
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)


def test_targets_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="could not convert string to float"):
        FtrlRegressor().fit(random_rows(), np.full(60, "many"))
