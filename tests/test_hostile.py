"""Input that attacks: each call ends in a right answer or a clear error. fuzz.py goes on longer."""

import numpy as np
import pytest
from fuzz import check, examples, learned
from hypothesis import HealthCheck, given, settings
from oracle import FEW, NUMBERS, random_rows, random_targets
from scipy import sparse

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, _kernel, _state
from sklearn_ftrl.model_selection import progressive_val_predict

KINDS = [(FtrlClassifier, 2), (FtrlClassifier, 4), (FtrlClassifier, 11), (FtrlRegressor, 9)]


@pytest.mark.compiled  # math.exp raises where C returns inf
@given(examples(options=[False]))
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
def test_each_call_ends_in_a_right_answer_or_a_clear_error(example):
    check(example)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_huge_numbers_that_cancel_give_no_warning(dtype):
    X = np.tile(np.finfo(dtype).max * np.array([1, -1, 1, -1], dtype), (9, 4))
    model = FtrlRegressor(**NUMBERS).partial_fit(np.ones_like(X), np.zeros(9))
    model.partial_fit(X, np.zeros(9))
    assert (model.predict(X) == 0).all()


@pytest.mark.parametrize(("estimator", "n_classes"), KINDS)
@pytest.mark.parametrize(
    "params",
    [
        {"learning_rate": 5e-324},  # its inverse is inf
        {"learning_rate_power": -9.0, "learning_rate": 1e-200},
        {"l2_shrinkage": 1e308},
    ],
    ids=str,
)
def test_a_row_whose_step_overflows_is_refused_and_changes_nothing(params, estimator, n_classes):
    X, y = random_rows() * 1e30, random_targets(n_classes=n_classes)
    classes = {"classes": np.unique(y)} if estimator is FtrlClassifier else {}
    model, again = estimator(**NUMBERS | params), estimator(**NUMBERS | params)
    with pytest.raises(ValueError, match="The model keeps what"):
        model.partial_fit(sparse.vstack([X] * 9), np.tile(y, 9), **classes)
    rows = slice(0, max(1, model.t_))
    weights = np.ones(rows.stop) * (model.t_ > 0)
    again.partial_fit(
        sparse.vstack([X] * 9).tocsr()[rows], np.tile(y, 9)[rows], **classes, sample_weight=weights
    )
    for name in ["z_", "n_", "intercept_z_", "intercept_n_"]:
        np.testing.assert_array_equal(getattr(model, name), getattr(again, name))
        assert np.isfinite(getattr(model, name)).all()


@pytest.mark.parametrize("n_classes", [2, 3, 11])
def test_a_row_is_refused_whose_gradients_have_squares_of_0_and_whose_x_is_huge(n_classes):
    model = FtrlClassifier(**NUMBERS | {"learning_rate_power": -1.5}, fit_intercept=False)
    with pytest.raises(ValueError, match="The model keeps what"):
        model.partial_fit([[1.7e308]], [0], range(n_classes), [1e-200])
    assert not model.z_.any()


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("params", [{"learning_rate": 1e-300}, {"learning_rate": 1e300}], ids=str)
def test_a_step_whose_factors_overflow_in_some_order_is_refused(params, n_outputs):
    estimator = FtrlRegressor if n_outputs == 1 else FtrlClassifier
    first = {} if n_outputs == 1 else {"classes": [0, 1, 2]}
    size = 1e-100 if params["learning_rate"] < 1 else 1e5  # 1e-100: n is 0 yet, and z is not
    model = estimator(beta=0.0, l2=5e-324, fit_intercept=False, **params)
    model.partial_fit([[size]], [1], sample_weight=[size], **first)
    before = model.z_
    with pytest.raises(ValueError, match="The model keeps what"):
        model.partial_fit([[1e-300]], [1], sample_weight=[size])
    assert model.t_ == 1
    np.testing.assert_array_equal(model.z_, before)


@pytest.mark.parametrize(("estimator", "n_classes"), KINDS)
@pytest.mark.parametrize("scale", [1e-170, 1e-310, 1e170])
def test_rows_out_of_the_range_of_auto_are_refused(scale, estimator, n_classes):
    y = random_targets(n_classes=n_classes)
    model = estimator()
    with pytest.raises(ValueError, match=r"too large or too small for learning_rate=\"auto\""):
        model.fit(random_rows() * scale, y)
    assert not hasattr(model, "t_")


@pytest.mark.parametrize("loss", ["huber", "squared_error", "quantile", "poisson"])
def test_targets_out_of_the_range_of_auto_are_refused(loss):
    y = np.linspace(1.0, 2.0, 60) * 1e200
    with pytest.raises(ValueError, match="too large"):
        FtrlRegressor(loss).fit(random_rows(), y)


def test_sample_weights_whose_sum_overflows_are_refused():
    model = FtrlClassifier(**FEW).fit(random_rows(), random_targets())
    before = learned(model)
    for weights, class_weight in [(np.full(60, 1e307), None), (np.full(60, 1e160), {1: 1e160})]:
        model.set_params(class_weight=class_weight)
        with pytest.raises(ValueError, match="Sample weights are too large"):
            model.fit(random_rows(), random_targets(), weights)
    assert learned(model.set_params(class_weight=None)) == before


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(("estimator", "n_classes"), KINDS)
def test_a_prediction_that_overflows_is_refused(estimator, n_classes, container):
    X = np.random.default_rng(0).normal(size=(60, 12))
    model = estimator(**FEW).fit(X * 1e-9, random_targets(n_classes=n_classes))
    with pytest.raises(ValueError, match="The decision function is not finite"):
        model.predict(container(X * 1e307))


@pytest.mark.parametrize("estimator", [FtrlClassifier, FtrlRegressor])
def test_weights_too_large_for_float32_are_refused_and_not_infinite(estimator):
    X, y = (random_rows() * 1e-40).astype(np.float32), random_targets()
    model = estimator(**FEW).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    for use in [lambda: model.coef_, model.sparsify]:
        with pytest.raises(ValueError, match="too large for float32"):
            use()


def test_starting_weights_whose_state_is_not_a_number_are_refused():
    model = FtrlClassifier(learning_rate=5e-324, beta=1.0)
    with pytest.raises(ValueError, match="too large for float64"):
        model.fit(random_rows(), random_targets(), coef_init=np.zeros((1, 12)))


def test_losses_whose_sum_would_overflow_are_refused():
    y = np.where(np.arange(60) % 2, 1e307, -1e307)
    with pytest.raises(ValueError, match="The loss or gradient of row"):
        FtrlRegressor("epsilon_insensitive", **NUMBERS).fit(random_rows(), y)


@pytest.mark.parametrize("name", ["shorter", "late"])
def test_progressive_validation_refuses_a_corrupt_indptr(name):
    X = random_rows()
    if name == "shorter":
        X.indptr = X.indptr[:-1]
    else:
        X.indptr[0] = 1
    with pytest.raises(ValueError, match="valid CSR"):
        progressive_val_predict(FtrlClassifier(**NUMBERS), X, random_targets(), batch_size=1)


def test_features_beyond_two_to_the_31_are_learned_and_predicted(tmp_path, monkeypatch):
    indices = np.array([5, 2**31 + 3, 5, 2**31 + 8])
    X = sparse.csr_array((np.ones(4), indices, [0, 2, 4]), shape=(2, 2**31 + 9))
    small = sparse.csr_array((np.ones(4), [0, 1, 0, 2], [0, 2, 4]), shape=(2, 3))
    expected = FtrlClassifier(**NUMBERS).partial_fit(small, [0, 1], classes=[0, 1])
    start = _state.start

    def start_in_a_file_of_holes(n_features, n_outputs, dtype, n):
        if n_features == 1:
            return start(n_features, n_outputs, dtype, n)
        shape = (n_features, 2, n_outputs)
        return np.asarray(np.memmap(tmp_path / "state", dtype, mode="w+", shape=shape))

    monkeypatch.setattr(_state, "start", start_in_a_file_of_holes)
    model = FtrlClassifier(**NUMBERS).partial_fit(X, [0, 1], classes=[0, 1])
    np.testing.assert_array_equal(model.decision_function(X), expected.decision_function(small))


@pytest.mark.parametrize("index", [-1, -(2**62), 2**31, 2**62])
def test_an_index_out_of_range_is_found_at_any_size(index):
    bits, indices, indptr = np.ones(3, int), np.array([0, 1, index]), np.array([0, 2, 3])
    longest, *_ = _kernel.inspect_rows(bits, 1, indices, indptr, 2**31, np.empty(2, bool), 0, 2)
    assert longest == -1


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("method", ["partial_fit", "predict"])
def test_numbers_too_large_for_a_float32_model_are_one_clear_error(form, method):
    X, y = random_rows().toarray(), random_targets()
    model = FtrlClassifier(**NUMBERS).partial_fit(X.astype(np.float32), y, classes=[0, 1])
    z, arguments = model.z_, (y,) if method == "partial_fit" else ()
    with pytest.raises(ValueError, match="too large for dtype"):
        getattr(model, method)(form(1e300 * X), *arguments)
    np.testing.assert_array_equal(model.z_, z)
