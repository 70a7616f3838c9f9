"""learning_rate="auto" and beta="auto": the numbers that the first rows give."""

import pickle

import numpy as np
import pytest
from oracle import NUMBERS, partial_fit, random_rows, random_targets
from scipy import sparse
from sklearn.base import clone
from sklearn.metrics import log_loss

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, _learner, _team, merge
from sklearn_ftrl._kernel import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from sklearn_ftrl._rows import batch

FITTED = {"max_iter": 2, "tol": None, "shuffle": False}
LOSSES = [
    *((FtrlClassifier, loss) for loss in CLASSIFIER_LOSSES),
    *((FtrlRegressor, loss) for loss in REGRESSOR_LOSSES),
]
each_loss = pytest.mark.parametrize(("estimator", "loss"), LOSSES, ids=[x for _, x in LOSSES])
each_power = pytest.mark.parametrize("power", [-0.5, -0.3, 0.0])


def predictions(model, X):
    return getattr(model, "decision_function", model.predict)(X)


@each_loss
@each_power
@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_the_scale_of_x_changes_no_prediction(estimator, loss, power, factor):
    X, y = random_rows(), random_targets(n_classes=3)
    params = {**FITTED, "learning_rate_power": power}
    one, other = (estimator(loss, **params).fit(a, y) for a in (X, factor * X))
    np.testing.assert_allclose(predictions(other, factor * X), predictions(one, X), rtol=1e-6)


@each_loss
@each_power
def test_the_scale_of_sample_weights_changes_no_prediction(estimator, loss, power):
    X, y = random_rows(), random_targets(n_classes=3)
    weights = np.random.default_rng(0).uniform(0.5, 2.0, 60)
    params = {**FITTED, "learning_rate_power": power}
    one, other = (estimator(loss, **params).fit(X, y, w) for w in (weights, 1e4 * weights))
    np.testing.assert_allclose(predictions(other, X), predictions(one, X), rtol=1e-6)


SCALED = [
    "squared_error",
    "squared_epsilon_insensitive",
    "epsilon_insensitive",
    "quantile",
    "huber",
]


@pytest.mark.parametrize("loss", SCALED)
def test_the_scale_and_the_mean_of_y_change_no_prediction(loss):
    X, y = random_rows(), np.random.default_rng(0).normal(size=60)
    one = FtrlRegressor(loss, epsilon=0.1, **FITTED).fit(X, y)
    scaled = FtrlRegressor(loss, epsilon=100.0, **FITTED).fit(X, 1000 * y)
    np.testing.assert_allclose(scaled.predict(X), 1000 * one.predict(X), rtol=1e-6)
    moved = FtrlRegressor(loss, epsilon=0.1, **FITTED).fit(X, y + 100)
    np.testing.assert_allclose(moved.predict(X), one.predict(X) + 100, rtol=1e-6)


def test_explicit_numbers_are_used_as_they_are():
    model = FtrlClassifier(learning_rate=0.3, beta=2.0, **FITTED)
    model.fit(random_rows(), random_targets())
    assert (model.learning_rate_, model.beta_) == (0.3, 2.0)


@each_power
@pytest.mark.parametrize("estimator", [FtrlClassifier, FtrlRegressor])
def test_the_numbers_do_not_depend_on_the_epochs(estimator, power):
    X, y = random_rows(200), random_targets(200)
    one, many = (
        estimator(max_iter=n, tol=None, learning_rate_power=power).fit(X, y) for n in (1, 20)
    )
    stream = partial_fit(estimator(learning_rate_power=power), X, y)
    for model in (many, stream):
        assert (model.learning_rate_, model.beta_) == (one.learning_rate_, one.beta_)


@pytest.mark.parametrize("power", [-0.5, -1.0])
def test_beta_is_taken_from_the_mean_root_of_x(power):
    X = np.array([[0.01, 100.0], [-81.0, 0.0], [0.0, 16.0]])
    model = FtrlClassifier(learning_rate_power=power)
    model.partial_fit(X, [0, 1, 1], [0, 1], [3, 1, 2])
    beta = 2 * (np.sqrt([0.01, 100.0, 81.0, 16.0]).mean()) ** 2  # 2: the mean weight
    assert model.beta_ == pytest.approx(beta ** (-2 * power))


def test_tiny_numbers_in_the_place_of_zeros_do_not_drive_beta_to_0():
    X, y = np.eye(3)[np.arange(60) % 3], random_targets()
    one, other = (FtrlClassifier(**FITTED).fit(A, y) for A in (X, X + 1e-200))
    assert other.beta_ > 0.1 * one.beta_


def test_one_number_may_be_given():
    X, y = random_rows(), random_targets()
    auto = FtrlClassifier(**FITTED).fit(X, y)
    given = FtrlClassifier(beta=2.0, **FITTED).fit(X, y)
    assert (given.learning_rate_, given.beta_) == (auto.learning_rate_, 2.0)


def test_the_call_that_brings_the_hundredth_row_decides():
    X, y, _ = stream()
    model = FtrlClassifier().partial_fit(X[:120], y[:120], classes=[0, 1])
    numbers = model.learning_rate_, model.beta_
    model.partial_fit(100 * X[120:], y[120:])
    assert (model.learning_rate_, model.beta_) == numbers


STREAMS = {
    "log_loss": (FtrlClassifier(), {"classes": [0, 1]}),
    "softmax": (FtrlClassifier(), {"classes": [0, 1, 2]}),
    "class_weight": (FtrlClassifier(class_weight={0: 3.0}), {"classes": [0, 1]}),
    "squared_error": (FtrlRegressor(), {}),
    "poisson": (FtrlRegressor("poisson"), {}),
    "a schedule": (FtrlRegressor(learning_rate=lambda t: 0.5 / np.sqrt(1 + t)), {}),
    "a number": (FtrlRegressor(beta=2.0), {}),
}


def stream(dtype=np.float64, dense=False):
    """Return rows, the 120th of which is the hundredth of positive weight, targets, weights."""
    X, y = random_rows(300, dtype=dtype).toarray(), random_targets(300)
    X[:, 0] = 1.0 + np.arange(300) % 2
    weights = np.where(np.arange(300) % 6 == 0, 0.0, 1.0 + np.arange(300) % 3)
    return X + 0.5 if dense else sparse.csr_array(X), y, weights  # of many zeros, none is dense


def streamed(model, size, classes, **form):
    """Return the model after a stream in chunks of this size."""
    X, y, weights = stream(**form)
    model = clone(model)
    for k in range(0, 300, size):
        rows = slice(k, k + size)
        model.partial_fit(X[rows], y[rows], sample_weight=weights[rows], **classes)
    return model


def assert_same(model, expected):
    for name in ["learning_rate_", "beta_", "z_", "n_", "intercept_z_", "intercept_n_", "t_"]:
        np.testing.assert_array_equal(getattr(model, name), getattr(expected, name))


@pytest.mark.parametrize(
    ("kind", "size"), [*((kind, 10) for kind in STREAMS), ("log_loss", 60), ("softmax", 1)]
)
def test_the_first_rows_give_the_same_numbers_however_they_come(kind, size):
    model, classes = STREAMS[kind]
    assert_same(streamed(model, size, classes), streamed(model, 120, classes))


@pytest.mark.parametrize("form", [{"dtype": np.float32}, {"dense": True}])
def test_first_rows_of_other_forms_give_the_same_numbers(form):
    model, classes = STREAMS["log_loss"]
    assert_same(streamed(model, 10, classes, **form), streamed(model, 120, classes, **form))


def test_rows_that_auto_waits_with_are_counted_once():
    model = FtrlClassifier()
    X, y = random_rows(90), random_targets(90)
    for k in range(0, 90, 9):
        model.partial_fit(X[k : k + 9], y[k : k + 9], classes=[0, 1])
        assert model.t_ == k + 9


def test_the_progressive_loss_of_the_first_rows_is_that_of_the_call():
    X, y = random_rows(90), random_targets(90)
    model = FtrlClassifier().partial_fit(X[:50], y[:50], classes=[0, 1])
    of_call = model.partial_fit(X[50:], y[50:]).progressive_loss_
    learner = model._blank(model._learner)
    model._start_from(learner)
    of_first = learner.learn(batch(X[:50], y[:50], np.ones(50)))
    whole = FtrlClassifier().partial_fit(X, y, classes=[0, 1]).progressive_loss_
    assert of_first + 40 * of_call == pytest.approx(90 * whole)


def test_a_model_that_waits_predicts_and_is_kept_in_a_file():
    X, y = random_rows(200), random_targets(200)
    model = FtrlClassifier().partial_fit(X[:50], y[:50], classes=[0, 1])
    assert np.ptp(model.decision_function(X)) > 0
    again = pickle.loads(pickle.dumps(model)).partial_fit(X[50:], y[50:])
    assert_same(again, model.partial_fit(X[50:], y[50:]))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_rows_that_auto_waits_with_may_be_overwritten(form):
    X, y, weights = stream(dense=True)
    expected = FtrlRegressor().partial_fit(form(X), y.astype(float), weights)
    model, rows, targets = FtrlRegressor(), form(X[:60]), y[:60].astype(float)
    model.partial_fit(rows, targets, weights[:60])
    (rows.data if sparse.issparse(rows) else rows)[:] = -7.0
    targets[:], weights[:60] = 9.0, 5.0
    assert_same(model.partial_fit(form(X[60:]), y[60:], weights[60:]), expected)


def test_waiting_ends_with_the_hundredth_row():
    X, y, _ = stream(dense=True)
    X[0] = 0.0
    model = FtrlClassifier().partial_fit(X[:100], y[:100], classes=[0, 1])
    assert "_first_rows" in vars(model)  # one of the rows is empty
    model.partial_fit(X[100:101], y[100:101])
    assert "_first_rows" not in vars(model)
    numbers = model.learning_rate_, model.beta_
    model.partial_fit(100 * X[101:], y[101:])
    assert (model.learning_rate_, model.beta_) == numbers


@pytest.mark.parametrize("end", ["fit", "numbers"])
def test_fit_and_rows_learned_with_numbers_end_the_waiting(end):
    X, y = random_rows(60), random_targets(60)
    model = FtrlClassifier().partial_fit(X[:50], y[:50], classes=[0, 1])
    coef = model.coef_
    if end == "fit":
        model.fit(X, y)
    else:
        model.set_params(**NUMBERS).partial_fit(X[:1] * 0, y[:1], sample_weight=[1e-300])
        np.testing.assert_allclose(model.coef_, coef, rtol=1e-12)
    assert "_first_rows" not in vars(model)


def test_a_call_that_is_refused_leaves_the_rows_that_wait():
    X, y = random_rows(200), random_targets(200)
    model = FtrlClassifier().partial_fit(X[:50], y[:50], classes=[0, 1])
    with pytest.raises(ValueError, match="unseen labels"):
        model.partial_fit(X[50:], y[50:] + 1)
    expected = FtrlClassifier().partial_fit(X, y, classes=[0, 1])
    assert_same(model.partial_fit(X[50:], y[50:]), expected)


def test_a_refused_row_is_not_learned_again_with_the_rows_that_wait():
    X, y = random_rows().toarray().astype(np.float32), random_targets()
    bad = X[:20].copy()
    bad[5] = 1e30
    model, expected = FtrlClassifier(), FtrlClassifier()
    with pytest.raises(ValueError, match="row 5"):
        model.partial_fit(bad, y[:20], classes=[0, 1])
    model.partial_fit(X[20:], y[20:])
    rows = np.r_[:5, 20:60]
    expected.partial_fit(X[rows], y[rows], classes=[0, 1])
    assert model.t_ == 45
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-4)


def test_rows_that_an_interrupt_left_out_do_not_wait(monkeypatch):
    X, y = random_rows(), random_targets()
    kernel = _learner.learn_few

    def interrupted(*args):
        kernel(*args)
        monkeypatch.setattr(_learner, "learn_few", kernel)
        raise KeyboardInterrupt

    monkeypatch.setattr(_team, "BLOCK", 10 * (1 + X.nnz // 60))
    monkeypatch.setattr(_learner, "learn_few", interrupted)
    model = FtrlClassifier()
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(X[:50], y[:50], classes=[0, 1])
    assert model.t_ == 10
    model.partial_fit(X[50:], y[50:])
    rows = np.r_[:10, 50:60]
    expected = FtrlClassifier().partial_fit(X[rows], y[rows], classes=[0, 1])
    assert model.t_ == 20
    np.testing.assert_array_equal(model.z_, expected.z_)


def test_a_model_that_waits_for_rows_is_not_merged():
    parts = [FtrlClassifier().partial_fit(random_rows(), random_targets(), classes=[0, 1])] * 2
    with pytest.raises(ValueError, match=r"wait for the first 100 rows.*has seen 60"):
        merge(parts)


@pytest.mark.parametrize(("first", "scale"), [(0.001, 1.0), (1.0, 0.01)])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "quantile", "epsilon_insensitive"])
def test_a_first_row_that_is_not_typical_fools_no_number(loss, first, scale):
    rng = np.random.default_rng(0)
    X, w = rng.normal(size=(2000, 5)), rng.normal(size=5)
    y = X @ w / 3 + 0.1 * rng.normal(size=2000)
    X[0] *= scale
    y[0] *= first
    model = FtrlRegressor(loss)
    for k in range(200):
        model.partial_fit(X[k : k + 1], y[k : k + 1])
    usual = FtrlRegressor(loss).partial_fit(X[1:200], y[1:200])
    assert model.score(X[500:], y[500:]) > usual.score(X[500:], y[500:]) - 0.02


def test_empty_first_rows_decide_no_rate():
    X, y = random_rows(400), random_targets(400)
    model = FtrlClassifier().partial_fit(0 * X[:60], y[:60], classes=[0, 1])
    model.partial_fit(X, y)
    usual = FtrlClassifier().partial_fit(X, y, classes=[0, 1])
    assert model.learning_rate_ == pytest.approx(usual.learning_rate_, rel=0.1)
    assert model.t_ == 460


def test_auto_waits_for_a_thousand_rows_at_most():
    X, y = np.zeros((1000, 3)), random_targets(1000)
    model = FtrlClassifier().partial_fit(X[:999], y[:999], classes=[0, 1])
    assert "_first_rows" in vars(model)
    assert "_first_rows" not in vars(model.partial_fit(X[999:], y[999:]))


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_fit_to_empty_rows_predicts_the_mean(scale):
    y = scale * (5.0 + np.random.default_rng(0).normal(size=100))
    model = FtrlRegressor(random_state=0).fit(np.zeros((100, 3)), y)
    assert model.predict(np.zeros((1, 3))) == pytest.approx(y.mean(), rel=0.02)


def test_rows_of_weight_0_leave_auto_waiting():
    X, y = np.zeros((100, 3)), np.full(100, 5e6)
    model = FtrlRegressor().partial_fit(X, y, np.zeros(100))
    assert model.partial_fit(X, y).predict(X[:1]) == pytest.approx(5e6, rel=0.02)


def test_auto_after_numbers_keeps_what_was_learned():
    X, y = random_rows(), random_targets()
    model = FtrlClassifier(**NUMBERS).partial_fit(X, y, classes=[0, 1])
    model.set_params(learning_rate="auto", beta="auto").partial_fit(X, y)
    assert model.t_ == 120


@each_power
def test_the_intercept_learns_like_a_feature_of_the_rms_of_x(power):
    X, y = np.full((20, 1), 3.0), np.arange(20) % 4 // 2
    model = FtrlClassifier(max_iter=1, learning_rate_power=power, shuffle=False).fit(X, y)
    np.testing.assert_allclose(model.intercept_, model.coef_[0] * 3)


def test_the_beta_of_the_intercept_does_not_grow_with_the_rows():
    X, y = np.full((20, 1), 3.0), np.arange(20) % 4 // 2
    model = FtrlClassifier(**FITTED).fit(X, y)
    per_weight = -model.intercept_z_ / model.intercept_  # (beta + sqrt(n)) / alpha
    beta = per_weight * model.learning_rate_ * 3 - np.sqrt(model.intercept_n_)
    np.testing.assert_allclose(beta, 1.0)


def test_what_all_rows_share_is_left_to_the_intercept():
    X, y = np.random.default_rng(0).normal(size=(2000, 5)), random_targets(2000)
    shifted = X + np.array([3, 0, 0, 0, 4])
    rate, expected = (FtrlClassifier(**FITTED).fit(A, y).learning_rate_ for A in (shifted, X))
    assert rate == pytest.approx(expected, rel=0.05)
    model = FtrlClassifier(fit_intercept=False, **FITTED).fit(shifted, y)
    assert model.learning_rate_ == pytest.approx(1 / np.sqrt(5 + 9 + 16), rel=0.05)


@pytest.mark.parametrize("n_rows", [1, 2, 5])
def test_few_rows_say_little_of_what_all_rows_share(n_rows):
    X, y = np.tile([3.0, 4.0], (n_rows, 1)), np.ones(n_rows)
    model = FtrlClassifier().partial_fit(X, y, classes=[0, 1])
    assert model.learning_rate_ == pytest.approx(np.sqrt(n_rows) / 5)


def test_a_flag_that_most_rows_lack_is_shared_by_none():
    X = np.repeat([1.0, 0.0], [50, 950])[:, np.newaxis]
    model = FtrlClassifier().partial_fit(X, X[:, 0], classes=[0, 1])
    assert model.learning_rate_ == pytest.approx(1.0, rel=0.05)


def test_the_mean_of_many_rows_is_not_that_of_the_first():
    X = np.repeat(np.eye(4), 1000, axis=0) - 0.25
    rates = [FtrlClassifier(**FITTED).fit(X, np.arange(4000) % 2).learning_rate_ for _ in range(2)]
    assert rates[0] == rates[1] == pytest.approx(1 / np.sqrt(0.75), rel=0.01)


def test_poisson_is_careful_with_the_longest_row():
    X = np.array([[3.0, 4.0], [-3.0, -4.0], [1.0, 0.0], [-1.0, 0.0]])
    model = FtrlRegressor("poisson").partial_fit(X, [0, 4, 0, 4])
    assert model.learning_rate_ == pytest.approx(0.5 / 5)


def test_rows_that_are_all_the_same_raise_the_rate_to_no_more_than_three_times():
    model = FtrlClassifier(**FITTED).fit(np.full((300, 1), 10.0), np.arange(300) % 2)
    assert model.learning_rate_ == pytest.approx(3 / 10)


@pytest.mark.compiled
def test_columns_far_from_0_are_learned_nearly_as_well():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 10))
    y = X @ rng.normal(size=10) + rng.logistic(size=4000) > 0
    losses = []
    for shift in (0, 3):
        model = FtrlClassifier(random_state=0).fit(X[:3000] + shift, y[:3000])
        losses.append(log_loss(y[3000:], model.predict_proba(X[3000:] + shift)))
    assert losses[1] < 1.1 * losses[0]


@pytest.mark.parametrize(
    ("y", "rate", "beta"),
    [
        ([0, 2, 0, 2], 0.5, 3.0),
        ([0, 0, 0, 8], 0.5, 3 * np.sqrt(2)),  # std is larger
        ([9, 11, 9, 11], 0.05, 3.0),
        ([0, 0, 0, 0], 0.5, 1.0),
    ],
)
def test_poisson_follows_the_spread_of_counts_up_to_that_of_their_law(y, rate, beta):
    model = FtrlRegressor("poisson").partial_fit([[1.0], [-1.0], [1.0], [-1.0]], y)
    assert (model.learning_rate_, model.beta_) == pytest.approx((rate, beta))


@pytest.mark.compiled
def test_counts_that_differ_little_from_their_mean_are_learned():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    y = 1e6 + rng.poisson(np.exp(1 + X[:, 0] / 2))
    assert FtrlRegressor("poisson", random_state=0).fit(X, y).score(X, y) > 0.3


def test_the_intercept_starts_at_the_mean_without_beta_too():
    X, y = random_rows(), np.random.default_rng(0).normal(size=60)
    one, moved = (FtrlRegressor(beta=0.0, **FITTED).fit(X, a) for a in (y, y + 1e4))
    np.testing.assert_allclose(moved.predict(X), one.predict(X) + 1e4, rtol=1e-6)


@pytest.mark.parametrize("loss", ["squared_error", "squared_epsilon_insensitive", "poisson"])
def test_a_target_that_is_constant_but_for_rounding_counts_as_constant(loss):
    X, y = random_rows(), np.full(60, 0.3)
    rounded = y.copy()
    rounded[::2] = 0.1 + 0.2
    one, other = (FtrlRegressor(loss).partial_fit(X, a) for a in (y, rounded))
    assert other.learning_rate_ == pytest.approx(one.learning_rate_)


@pytest.mark.parametrize("loss", ["huber", "quantile", "epsilon_insensitive"])
def test_steps_of_one_size_stay_small_where_a_target_differs_by_rounding(loss):
    X, y = random_rows(), np.full(60, 1e3)
    y[::2] += 1e-11
    np.testing.assert_allclose(FtrlRegressor(loss).partial_fit(X, y).predict(X), y, rtol=1e-12)


@pytest.mark.compiled
@pytest.mark.parametrize("y", [np.zeros(60), np.full(60, 7.0)], ids=["zero", "constant"])
@pytest.mark.parametrize("loss", REGRESSOR_LOSSES)
def test_a_constant_target_is_learned(loss, y):
    model = FtrlRegressor(loss, max_iter=200, tol=None).fit(random_rows(), y)
    expected = y if loss != "poisson" else np.maximum(y, 0.05)
    np.testing.assert_allclose(model.predict(random_rows()), expected, atol=0.15 * max(1.0, y[0]))


def test_rows_too_large_to_measure_are_refused():
    X = random_rows()
    X.data[3] = 1e200
    with pytest.raises(ValueError, match=r"X, y or sample_weight is too large"):
        FtrlClassifier().fit(X, random_targets())


@pytest.mark.parametrize(("size", "weight"), [(1e-155, 1.0), (1.0, 1e155), (1.0, 1e-155)])
def test_sizes_and_weights_too_small_or_large_to_measure_are_refused(size, weight):
    with pytest.raises(ValueError, match=r"X, y or sample_weight is too large or too small"):
        FtrlClassifier().fit(size * random_rows(), random_targets(), np.full(60, weight))


def test_in_empty_rows_the_intercept_learns_as_a_feature_of_ones():
    X, y = np.zeros((40, 3)), np.arange(40) % 2
    model = FtrlClassifier(**FITTED).fit(X, y)
    numbers = {"learning_rate": model.learning_rate_, "beta": model.beta_}
    np.testing.assert_allclose(
        model.intercept_, FtrlClassifier(**numbers, **FITTED).fit(X, y).intercept_, rtol=1e-12
    )


@pytest.mark.compiled
def test_rare_positives_are_calibrated():
    rng = np.random.default_rng(0)
    X = sparse.csr_array(np.eye(50)[rng.integers(50, size=30_000)])
    y = rng.random(30_000) < 0.002
    p = FtrlClassifier(random_state=0).fit(X, y).predict_proba(X)
    assert p[:, 1].mean() == pytest.approx(y.mean(), rel=0.3)
    assert log_loss(y, p) < log_loss(y, np.full(30_000, y.mean())) * 1.05


@pytest.mark.compiled
def test_unscaled_columns_do_not_diverge():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 4)) * [1e3, 1.0, 1e-3, 1.0] + [5e3, 0, 0, 0]
    model = FtrlRegressor(random_state=0).fit(X, X[:, 1])
    assert model.loss_curve_[-1] < model.loss_curve_[0]
