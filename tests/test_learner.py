"""The model that learns, without an estimator around it."""

import numpy as np
import pytest
from oracle import random_rows, random_targets
from scipy import sparse

from sklearn_ftrl import _kernel, _learner, _state
from sklearn_ftrl._kernel import CLASSIFIER_LOSSES, Loss, Prox
from sklearn_ftrl._learner import Learner, Numbers
from sklearn_ftrl._rows import batch

PROX = Prox(1.0, 1.0, 0.3, 0.2, None, None)


def numbers(rate=0.5, prox=PROX, **intercept):
    free = {"l1": 0.0, "l2": 0.0} | intercept
    return Numbers(
        Loss(CLASSIFIER_LOSSES["log_loss"], 0.0), rate, prox, prox._replace(**free), None, True
    )


def learner(n_outputs=1, dtype=np.float64, **given):
    """Return a model that has learned sixty rows, and the rows."""
    X = random_rows(dtype=dtype)
    model = Learner.new(X.shape[1], n_outputs, dtype, 0.0, numbers(**given))
    rows = batch(X, random_targets(n_classes=max(2, n_outputs)), np.ones(60))
    model.learn(rows)
    return model, rows


CHANGES = {
    "rate": {"rate": 0.05},
    "beta": {"prox": PROX._replace(beta=7.0)},
    "power": {"prox": PROX._replace(power=0.7)},
    "all": {"rate": 2.0, "prox": PROX._replace(beta=0.0, power=1.4)},
    "the intercept's": {"rate": 0.5, "beta": 3.0},
}


@pytest.mark.parametrize("n_outputs", [1, 3, 12])
@pytest.mark.parametrize("change", CHANGES)
def test_other_numbers_keep_the_weights(change, n_outputs):
    model, _ = learner(n_outputs)
    other = model.with_numbers(numbers(**CHANGES[change]), None)
    np.testing.assert_allclose(other.weights(), model.weights(), rtol=1e-12)
    np.testing.assert_allclose(other.intercepts(), model.intercepts(), rtol=1e-12)
    assert np.any(model.weights())


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_another_rate_keeps_weights_and_intercepts(dtype, rtol):
    model, _ = learner(dtype=dtype)
    weights, intercepts = model.weights(), model.intercepts()
    model.set_rate(2.0)
    np.testing.assert_allclose(model.weights(), weights, rtol=rtol)
    np.testing.assert_allclose(model.intercepts(), intercepts, rtol=1e-12)
    assert model.alpha == model.numbers.rate == 2.0


@pytest.mark.parametrize("averages", [False, True])
def test_ctrl_c_while_the_rate_changes_leaves_the_weights(averages, monkeypatch):
    model, rows = learner()
    if averages:
        model = model.averaging()
        model.learn(rows)
    weights, intercepts = model.weights(), model.intercepts()
    calls, change = [], _kernel.change_curvature

    def interrupted(state, *args):
        largest = change(state, *args)
        if state.shape[0] > 1:  # the intercept's is not changed in place
            calls.append(1)
            raise KeyboardInterrupt  # when the kernel returns
        return largest

    monkeypatch.setattr(_learner, "change_curvature", interrupted)
    monkeypatch.setattr(_state, "change_curvature", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.set_rate(2.0)
    assert calls
    np.testing.assert_allclose(model.weights(), weights, rtol=1e-12)
    np.testing.assert_allclose(model.intercepts(), intercepts, rtol=1e-12)


def test_evidence_below_l1_is_kept_where_the_rate_changes():
    model, _ = learner(prox=PROX._replace(l1=2.0))
    z = model.state[:, 0]
    zero = np.abs(z) <= 2.0
    assert zero.any()
    assert not zero.all()
    other = model.with_numbers(numbers(rate=0.1, prox=PROX._replace(l1=2.0)), None)
    np.testing.assert_array_equal(other.state[:, 0][zero], z[zero])


def test_new_l1_and_l2_act_on_the_z_that_old_ones_have_kept():
    model, _ = learner()
    kept = model.with_numbers(numbers(rate=0.1), None)
    other = model.with_numbers(numbers(rate=0.1, prox=PROX._replace(l1=1.0, l2=5.0)), None)
    np.testing.assert_array_equal(other.state, kept.state)
    assert np.count_nonzero(other.weights()) < np.count_nonzero(kept.weights())


@pytest.mark.parametrize("given", [{}, {"prox": PROX._replace(l1=4.0, l2=1.0)}])
def test_the_state_is_shared_where_the_weights_need_no_other_z(given):
    model, _ = learner()
    other = model.with_numbers(numbers(**given), None)
    assert np.shares_memory(other.state, model.state)
    assert np.shares_memory(other.intercept_state, model.intercept_state)


def test_other_numbers_leave_the_model_as_it_is():
    model, _ = learner()
    before = model.state.copy()
    model.with_numbers(numbers(rate=0.01), None)
    np.testing.assert_array_equal(model.state, before)


def falling(steps):
    return 0.5 / np.sqrt(1.0 + steps)


def test_a_schedule_goes_on_with_the_same_z():
    model, _ = learner(rate=falling)
    other = model.with_numbers(numbers(rate=falling), None)
    assert np.shares_memory(other.state, model.state)
    assert other.alpha == falling(59)


def test_a_number_after_a_schedule_keeps_the_weights_of_its_last_step():
    model, _ = learner(rate=falling)
    other = model.with_numbers(numbers(rate=2.0), None)
    np.testing.assert_allclose(other.weights(), model.weights(), rtol=1e-12)


def test_a_weight_without_gradients_needs_beta_or_l2():
    model = Learner.new(3, 1, np.float64, 0.0, numbers(prox=PROX._replace(l2=0.0)))
    model.set_weights(np.ones((1, 3)))
    with pytest.raises(ValueError, match="Give beta above 0"):
        model.with_numbers(numbers(prox=PROX._replace(beta=0.0, l2=0.0)), None)


def test_weights_that_a_smaller_rate_makes_too_large_for_float32_are_refused():
    model, _ = learner(dtype=np.float32)
    with pytest.raises(ValueError, match="too large for float32"):
        model.with_numbers(numbers(rate=1e-45), None)


@pytest.mark.parametrize("n_outputs", [1, 3, 12])
def test_a_copy_learns_on_its_own(n_outputs):
    model, rows = learner(n_outputs)
    before, copy = model.state.copy(), model.copy()
    copy.learn(rows)
    np.testing.assert_array_equal(model.state, before)
    assert (model.t, copy.t) == (60, 120)


def test_a_copy_goes_into_the_arrays_of_an_earlier_one():
    model, rows = learner()
    first = model.copy()
    model.learn(rows)
    second = model.copy(into=first)
    assert np.shares_memory(first.state, second.state)
    np.testing.assert_array_equal(second.state, model.state)


# The same through the estimator


# The mean over a pass


def averaging(n_outputs=1, dtype=np.float64, **given):
    """Return a model that has learned sixty rows twice, and the rows; the mean is of the second."""
    model, rows = learner(n_outputs, dtype, **given)
    mean = model.averaging()
    mean.learn(rows)
    return mean, rows


each_size = pytest.mark.parametrize("n_outputs", [1, 3, 12])


@each_size
def test_a_model_that_averages_leaves_the_one_that_it_came_from(n_outputs):
    model, rows = learner(n_outputs)
    before = model.state.copy(), model.intercept_state.copy()
    mean = model.averaging()
    assert (mean.t, mean.alpha) == (60, 0.5)
    np.testing.assert_array_equal(mean.weights(), model.weights())
    mean.learn(rows)
    assert (model.t, mean.t) == (60, 120)
    for state, old in zip([model.state, model.intercept_state], before, strict=True):
        np.testing.assert_array_equal(state, old)


@each_size
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_copy_of_the_mean_is_a_plain_model_of_its_own(n_outputs, dtype):
    mean, rows = averaging(n_outputs, dtype)
    copy = mean.copy()
    assert type(copy) is Learner
    assert copy.is_sound((n_outputs, 12))
    assert (copy.t, copy.dtype) == (120, dtype)
    weights, intercepts = mean.weights(), mean.intercepts()
    np.testing.assert_array_equal(copy.weights(), weights)
    np.testing.assert_array_equal(copy.intercepts(), intercepts)
    copy.learn(rows)
    np.testing.assert_array_equal(mean.weights(), weights)
    assert mean.t == 120


@each_size
def test_a_copy_of_the_mean_goes_into_the_arrays_of_an_earlier_one(n_outputs):
    mean, rows = averaging(n_outputs)
    first = mean.copy()
    mean.learn(rows)
    second = mean.copy(into=first)
    assert np.shares_memory(first.state, second.state)
    assert np.shares_memory(first.intercept_state, second.intercept_state)
    np.testing.assert_array_equal(second.state, mean.copy().state)
    np.testing.assert_array_equal(second.intercept_state, mean.copy().intercept_state)


def test_a_copy_of_the_mean_is_read_with_the_rate_of_its_last_step():
    mean, _ = averaging(rate=falling)
    assert mean.copy().alpha == mean.learned().alpha == falling(119)


@each_size
@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csr_array.toarray])
@pytest.mark.parametrize("order", [[3], [5, 2, 40], range(60)], ids=["one", "some", "all"])
def test_rows_are_predicted_by_the_mean(n_outputs, form, order):
    mean, _ = averaging(n_outputs)
    order, y = np.array(order), random_targets(n_classes=max(2, n_outputs))
    rows = batch(form(random_rows(seed=5)), y, np.linspace(1, 2, 60))._replace(order=order)
    raws = mean.copy().predict(rows.rows, order)
    assert raws.shape == (order.size, n_outputs)
    np.testing.assert_allclose(mean.predict(rows.rows, order), raws, rtol=1e-12, atol=1e-13)
    assert mean.mean_loss(rows) == pytest.approx(mean.copy().mean_loss(rows), rel=1e-12)


def test_a_model_that_averages_goes_on_averaging():
    mean, _ = averaging()
    assert mean.averaging() is mean
    plain = mean.learned()
    assert plain.learned() is plain
