import numba
import numpy as np
import pytest
from oracle import LOG_LOSS, SOFTMAX, SQUARED_ERROR, ftrl, random_rows, random_targets

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, _kernel
from sklearn_ftrl._kernel import LOSSES, loss_and_gradient, softmax_and_gradient

PENALTIES = [
    {},
    {"l1": 0.3},
    {"l2": 0.7},
    {"l1": 0.2, "l2": 0.5, "beta": 0.0},
    {"learning_rate": 5.0, "beta": 3.0},
]
CASES = {
    "binary": (FtrlClassifier, LOG_LOSS, 2),
    "softmax": (FtrlClassifier, SOFTMAX, 5),
    "squared_error": (FtrlRegressor, SQUARED_ERROR, None),
}


@pytest.fixture(params=CASES)
def case(request):
    """Return an estimator class, its loss in numpy, targets and the number of outputs."""
    estimator, loss, n_classes = CASES[request.param]
    if n_classes is None:
        return estimator, loss, np.random.default_rng(3).normal(size=60), 1
    return estimator, loss, random_targets(n_classes=n_classes), n_classes if n_classes > 2 else 1


@pytest.mark.parametrize("params", PENALTIES, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_state_equals_the_paper_s_algorithm(case, params, weighted):
    estimator, loss, y, n_outputs = case
    X = random_rows()
    sample_weight = np.random.default_rng(4).choice([0.0, 0.5, 1, 3], 60) if weighted else None
    model = estimator(**params, max_iter=1, tol=None, shuffle=False).fit(X, y, sample_weight)

    alpha = params.get("learning_rate", 0.5)
    penalties = {name: value for name, value in params.items() if name != "learning_rate"}
    weights = np.ones(60) if sample_weight is None else sample_weight
    w, z, n, losses = ftrl(X.toarray(), y, weights, loss, alpha, **penalties, n_outputs=n_outputs)
    exact = {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_allclose(np.atleast_2d(model.coef_), w[:, :-1], **exact)
    np.testing.assert_allclose(np.atleast_2d(model.z_), z[:, :-1], **exact)
    np.testing.assert_allclose(np.atleast_2d(model.n_), n[:, :-1], **exact)
    np.testing.assert_allclose(model.intercept_, w[:, -1], **exact)
    np.testing.assert_allclose(model.intercept_z_, z[:, -1], **exact)
    np.testing.assert_allclose(model.intercept_n_, n[:, -1], **exact)
    np.testing.assert_allclose(
        model.progressive_loss_, np.average(losses, weights=weights), **exact
    )


def test_each_row_s_progressive_loss_equals_the_paper_s_algorithm(case):
    estimator, loss, y, n_outputs = case
    X = random_rows()
    _, _, _, losses = ftrl(X.toarray(), y, np.ones(60), loss, 0.5, n_outputs=n_outputs)
    model = estimator()
    classes = {"classes": np.unique(y)} if estimator is FtrlClassifier else {}
    ours = [model.partial_fit(X[[i]], y[[i]], **classes).progressive_loss_ for i in range(60)]
    np.testing.assert_allclose(ours, losses, rtol=1e-12, atol=1e-12)


def test_rows_longer_than_any_buffer_multiple_equal_the_paper_s_algorithm():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 100)) * (rng.random((20, 100)) < np.linspace(0, 1, 20)[:, None])
    y = random_targets(20)
    w, _, _, _ = ftrl(X, y, np.ones(20), LOG_LOSS, 0.5)
    model = FtrlClassifier(max_iter=1, tol=None, shuffle=False).fit(X, y)
    np.testing.assert_allclose(model.coef_, w[:, :-1], rtol=1e-12, atol=1e-12)


def test_penalize_intercept_learns_it_like_a_feature_that_is_always_1():
    X, y = random_rows().toarray(), random_targets()
    params = {"l1": 0.2, "l2": 0.5, "max_iter": 1, "tol": None, "shuffle": False}
    ours = FtrlClassifier(penalize_intercept=True, **params).fit(X, y)
    theirs = FtrlClassifier(fit_intercept=False, **params).fit(np.c_[X, np.ones(60)], y)
    np.testing.assert_allclose(np.r_[ours.coef_[0], ours.intercept_], theirs.coef_[0], rtol=1e-12)


def test_fit_intercept_false_leaves_the_intercept_at_0():
    model = FtrlClassifier(fit_intercept=False, tol=None).fit(random_rows(), random_targets())
    assert model.intercept_ == model.intercept_z_ == model.intercept_n_ == 0.0


@pytest.mark.parametrize("estimator", [FtrlClassifier, FtrlRegressor])
def test_a_weight_without_gradient_or_beta_is_0_not_nan(estimator):
    X = np.array([[1.0, 0.0], [1.0, 0.0]])
    model = estimator(beta=0.0, tol=None).fit(X, [0, 1])
    assert model.coef_.ravel()[1] == 0.0
    assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("code", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("raw", [-1e3, -30.0, -3.0, 0.2, 3.0, 30.0, 1e3])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_the_gradient_is_the_slope_of_the_loss(code, raw, y):
    h = 1e-4
    slope = (loss_and_gradient(code, y, raw + h)[0] - loss_and_gradient(code, y, raw - h)[0]) / (
        2 * h
    )
    assert loss_and_gradient(code, y, raw)[1] == pytest.approx(slope, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_the_softmax_gradient_is_the_slope_of_the_loss(scale):
    h = 1e-4
    raw = scale * np.array([0.3, -1.0, 0.9])
    gradient, scratch = np.empty(3), np.empty(3)
    softmax_and_gradient(1.0, raw, gradient)
    for c, direction in enumerate(np.eye(3)):
        up = softmax_and_gradient(1.0, raw + h * direction, scratch)
        down = softmax_and_gradient(1.0, raw - h * direction, scratch)
        assert gradient[c] == pytest.approx((up - down) / (2 * h), rel=1e-6, abs=1e-6)


def test_a_sure_and_right_prediction_keeps_its_tiny_gradient():
    assert loss_and_gradient(LOSSES["log_loss"], 1.0, 50.0)[1] == pytest.approx(-np.exp(-50.0))


def test_jitted_functions_call_only_jitted_functions_of_their_own_file():
    dispatchers = [
        f for f in vars(_kernel).values() if isinstance(f, numba.core.dispatcher.Dispatcher)
    ]
    for dispatcher in dispatchers:
        function = dispatcher.py_func
        assert function.__code__.co_filename == _kernel.__file__
        for name in function.__code__.co_names:
            called = function.__globals__.get(name)
            home = getattr(called, "py_func", getattr(called, "_defn", None))
            assert home is None or home.__code__.co_filename == _kernel.__file__


def test_without_a_writable_cache_directory_functions_compile_in_memory(monkeypatch):
    numba_njit = numba.njit

    def no_locator(cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return numba_njit(**options)

    monkeypatch.setattr(numba, "njit", no_locator)
    assert _kernel.njit(lambda x: x + 1)(1) == 2
