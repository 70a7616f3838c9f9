"""What fit gives by default: the mean of the weights over its last epoch."""

import copy
import pickle

import numpy as np
import pytest
from oracle import (
    LAST,
    LOG_LOSS,
    NUMBERS,
    SOFTMAX,
    SQUARED_ERROR,
    assert_same_bits,
    ftrl_of_mean,
    partial_fit,
    random_rows,
    random_targets,
)
from scipy import sparse
from sklearn.base import clone

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, _learner, _state, _team, merge
from sklearn_ftrl._kernel import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from sklearn_ftrl._learner import Learner
from sklearn_ftrl._rows import batch

PLAIN = {"shuffle": False, "early_stopping": False}
EACH = {"tol": 0.0, "n_iter_no_change": 99, **PLAIN}  # each epoch may be the last
EPSILON, QUANTILE = 0.5, 0.3


def signed(y, raw):
    """Return 1 for the outputs whose class the row is of, -1 for the others."""
    return np.where(y == (np.arange(raw.size) if raw.size > 1 else 1), 1.0, -1.0)


def squared_hinge(y, raw):
    return -2.0 * signed(y, raw) * np.maximum(1.0 - signed(y, raw) * raw, 0.0)


def modified_huber(y, raw):
    sign = signed(y, raw)
    return np.where(sign * raw < -1.0, -4.0 * sign, squared_hinge(y, raw))


def beyond(y, raw):
    return np.sign(raw - y) * np.maximum(np.abs(raw - y) - EPSILON, 0.0)


SLOPES = {
    "log_loss": lambda y, raw: (SOFTMAX if raw.size > 1 else LOG_LOSS)[1](y, raw),
    "hinge": lambda y, raw: -signed(y, raw) * (signed(y, raw) * raw < 1.0),
    "squared_hinge": squared_hinge,
    "modified_huber": modified_huber,
    "squared_error": SQUARED_ERROR[1],
    "huber": lambda y, raw: np.clip(raw - y, -EPSILON, EPSILON),
    "epsilon_insensitive": lambda y, raw: np.sign(beyond(y, raw)),
    "squared_epsilon_insensitive": lambda y, raw: 2.0 * beyond(y, raw),
    "quantile": lambda y, raw: np.where(raw > y, 1.0 - QUANTILE, -QUANTILE),
    "poisson": lambda y, raw: np.exp(raw) - y,
}
LOSSES = [(loss, n_classes) for loss in CLASSIFIER_LOSSES for n_classes in (2, 3, 12)]
LOSSES += [
    (loss, None) for loss in sorted(REGRESSOR_LOSSES.keys() - {"poisson"})
]  # its intercept is moved
each_loss = pytest.mark.parametrize(("loss", "n_classes"), LOSSES)
each_n_classes = pytest.mark.parametrize("n_classes", [2, 3, 12])
WEIGHTS = np.random.default_rng(4).choice([0.0, 0.5, 1.0, 2.0], 60)


def estimator(loss, n_classes, **params):
    """Return an estimator with numbers of its own, targets for it, and its number of outputs."""
    params = {**NUMBERS, **params}
    if n_classes is None:
        y = np.random.default_rng(3).normal(size=60)
        return FtrlRegressor(loss, epsilon=EPSILON, quantile=QUANTILE, **params), y, 1
    y = random_targets(n_classes=n_classes)
    return FtrlClassifier(loss, **params), y, n_classes if n_classes > 2 else 1


def states(model):
    """Return z and n of coefficients and intercepts, of shape (n_outputs, n_features + 1)."""
    return [
        np.column_stack([np.atleast_2d(getattr(model, name)), getattr(model, f"intercept_{name}")])
        for name in ("z_", "n_")
    ]


def the_mean(model, X, y, weights=None, n_epochs=1, begin=0, start=None):
    """Return z and n that fit should give, by plain numpy, for a model of explicit numbers."""
    weights = np.ones(len(y)) if weights is None else weights
    n_outputs = len(model.classes_) if len(getattr(model, "classes_", "ab")) > 2 else 1
    start = np.zeros((2, n_outputs, X.shape[1] + 1)) if start is None else start
    rate, steps = model.learning_rate, np.arange(n_epochs * np.count_nonzero(weights))
    rates = rate(steps) if callable(rate) else np.full(steps.size, rate)
    numbers = {name: getattr(model, name) for name in ("beta", "l1", "l2")}
    numbers["p"] = -model.learning_rate_power
    slope = SLOPES[model.loss]
    X = X if isinstance(X, np.ndarray) else X.toarray()
    return ftrl_of_mean(X, y, weights, slope, rates, n_epochs, begin, start, **numbers)


def assert_mean(model, mean, tolerance=1e-10):
    for ours, theirs in zip(states(model), mean, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


# What the mean is

PENALTIES = [
    {},
    {"l1": 0.4, "l2": 0.7},
    {"l1": 0.2, "learning_rate_power": -0.3},
]


@pytest.mark.parametrize("params", PENALTIES, ids=str)
@each_loss
def test_fit_gives_the_mean_of_its_last_epoch(loss, n_classes, params):
    model, y, _ = estimator(loss, n_classes, max_iter=3, **EACH, **params)
    X = random_rows()
    model.fit(X, y, WEIGHTS)
    assert_mean(model, the_mean(model, X, y, WEIGHTS, n_epochs=3))


@pytest.mark.parametrize("params", [{}, {"l1": 0.4, "l2": 0.7}], ids=str)
@each_n_classes
def test_the_mean_of_float32_is_the_mean_but_for_rounding(n_classes, params):
    X = random_rows(dtype=np.float32)
    model, y, _ = estimator("log_loss", n_classes, max_iter=3, **EACH, **params)
    model.fit(X, y, WEIGHTS)
    assert model.z_.dtype == np.float32
    assert_mean(model, the_mean(model, X, y, WEIGHTS, n_epochs=3), tolerance=1e-5)


@each_n_classes
def test_the_mean_of_dense_rows_is_the_same(n_classes):
    X = 1.0 + random_rows().toarray()
    model, y, _ = estimator("log_loss", n_classes, max_iter=2, l1=0.2, **EACH)
    model.fit(X, y, WEIGHTS)
    assert_mean(model, the_mean(model, X, y, WEIGHTS, n_epochs=2))


@each_loss
def test_the_mean_of_an_only_epoch_is_that_of_its_last_quarter(loss, n_classes):
    X = random_rows()
    model, y, _ = estimator(loss, n_classes, max_iter=1, l1=0.1, **PLAIN)
    model.fit(X, y, WEIGHTS)
    begin = int(0.75 * np.count_nonzero(WEIGHTS))
    assert_mean(model, the_mean(model, X, y, WEIGHTS, begin=begin))


def falling(steps):
    return 0.5 / np.sqrt(1.0 + steps / 10)


@each_loss
def test_where_the_rate_falls_the_mean_is_of_what_steps_add(loss, n_classes):
    X = random_rows()
    params = {"learning_rate": falling, "l1": 0.1, "max_iter": 3, **EACH}
    model, y, _ = estimator(loss, n_classes, **params)
    model.fit(X, y, WEIGHTS)
    assert_mean(model, the_mean(model, X, y, WEIGHTS, n_epochs=3))


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_an_intercept_that_is_not_learned_stays(loss):
    n_classes = 3 if loss == "log_loss" else None
    model, y, n_outputs = estimator(loss, n_classes, fit_intercept=False, max_iter=3, **EACH)
    start = np.linspace(-1.0, 1.0, n_outputs)
    model.fit(random_rows(), y, intercept_init=start)
    np.testing.assert_allclose(model.intercept_, start, rtol=1e-15)


@pytest.mark.parametrize("l1", [0.0, 0.4])
def test_the_counts_that_poisson_predicts_sum_up_to_those_of_the_rows(l1):
    X, y = random_rows(), np.random.default_rng(3).poisson(2.0, 60)
    model = FtrlRegressor("poisson", max_iter=3, l1=l1, **EACH, **NUMBERS).fit(X, y, WEIGHTS)
    z, n = the_mean(model, X, y, WEIGHTS, n_epochs=3)
    ours = states(model)
    np.testing.assert_allclose(ours[0][:, :-1], z[:, :-1], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(ours[1], n, rtol=1e-10, atol=1e-10)
    assert WEIGHTS @ model.predict(X) == pytest.approx(WEIGHTS @ y, rel=1e-12)


@pytest.mark.parametrize("params", [LAST, {"fit_intercept": False}], ids=str)
def test_counts_are_not_balanced_without_a_mean_or_an_intercept(params):
    X, y = random_rows(), np.random.default_rng(3).poisson(2.0, 60)
    model = FtrlRegressor("poisson", max_iter=3, **EACH, **NUMBERS, **params).fit(X, y)
    assert model.predict(X).sum() != pytest.approx(y.sum(), rel=1e-4)
    if "fit_intercept" in params:
        assert model.intercept_[0] == 0.0


def test_counts_that_are_all_0_are_learned():
    model = FtrlRegressor("poisson", max_iter=3, **EACH, **NUMBERS).fit(random_rows(), np.zeros(60))
    assert np.all(model.predict(random_rows()) < 0.5)


@each_n_classes
@pytest.mark.parametrize("size", [1, 7])
def test_blocks_of_the_kernel_have_the_mean_of_one_call(n_classes, size, monkeypatch):
    X, y = random_rows(), random_targets(n_classes=n_classes)
    params = {"max_iter": 2, "l1": 0.1, **EACH, **NUMBERS}
    whole = FtrlClassifier(**params).fit(X, y)
    n_outputs = n_classes if n_classes > 2 else 1
    monkeypatch.setattr(_team, "BLOCK", size * n_outputs * (1 + X.nnz // 60))
    assert_same_bits(whole, FtrlClassifier(**params).fit(X, y))


def test_the_mean_does_not_depend_on_how_many_rows_were_learned_before():
    X, y = random_rows(dtype=np.float32), random_targets()
    params = {"max_iter": 2, "warm_start": True, **EACH, **NUMBERS}
    young, old = (FtrlClassifier(**params).partial_fit(X, y, classes=[0, 1]) for _ in range(2))
    old._learner.t = 2**30 - 60  # from where float32 counts in steps of 64
    assert_same_bits(young.fit(X, y), old.fit(X, y))


def test_weights_that_l1_holds_are_exactly_zero():
    X, y = random_rows(), random_targets()
    model = FtrlClassifier(l1=1.0, max_iter=5, tol=None, random_state=0, **NUMBERS).fit(X, y)
    zero = np.abs(model.z_) <= 1.0
    assert 0 < zero.sum() < 12
    np.testing.assert_array_equal(model.coef_ == 0.0, zero)


def test_the_mean_is_nearer_to_the_optimum_than_the_last_iterate():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    y = X @ [1.0, -1.0, 0.5, 0.0] + rng.normal(size=300)
    best = np.linalg.lstsq(X, y)[0]
    params = {"learning_rate": 1.0, "fit_intercept": False, "max_iter": 5, "random_state": 0}
    mean, last = (
        FtrlRegressor(average=average, tol=None, **params).fit(X, y) for average in (True, False)
    )
    errors = [np.linalg.norm(model.coef_ - best) for model in (mean, last)]
    assert errors[0] < 0.5 * errors[1]


# What it leaves as it is


@each_n_classes
def test_the_losses_are_those_of_the_iterates(n_classes):
    X, y = random_rows(), random_targets(n_classes=n_classes)
    params = {"max_iter": 4, "l1": 0.1, "random_state": 0, "tol": None, **NUMBERS}
    mean, last = (FtrlClassifier(average=a, **params).fit(X, y) for a in (True, False))
    np.testing.assert_allclose(mean.loss_curve_, last.loss_curve_, rtol=1e-12)
    assert mean.progressive_loss_ == mean.loss_curve_[0]
    np.testing.assert_allclose(mean.n_, last.n_, rtol=1e-12)
    assert mean.t_ == last.t_ == 240


def test_partial_fit_never_averages(kind):
    estimator, y = kind
    X = random_rows()
    assert_same_bits(*(partial_fit(estimator(average=a), X, y) for a in (True, False)))


@each_n_classes
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_fitted_model_is_a_plain_one(n_classes, dtype):
    X, y = random_rows(dtype=dtype), random_targets(n_classes=n_classes)
    model = FtrlClassifier(max_iter=3).fit(X, y)
    n_outputs = n_classes if n_classes > 2 else 1
    assert type(model._learner) is Learner
    assert model._learner.state.shape == (12, 2, n_outputs)
    assert model._learner.intercept_state.shape == (1, 2, n_outputs)


# What comes after


def test_partial_fit_goes_on_from_the_mean(kind):
    make, y = kind
    X = random_rows()
    model = make(max_iter=3, l1=0.1, **EACH, **NUMBERS).fit(X, y)
    before, coef = states(model), model.coef_
    other = Learner.new(12, before[0].shape[0], np.float64, 0.0, model._learner.numbers)
    other.state[:, 0], other.state[:, 1] = before[0].T[:-1], np.sqrt(before[1].T[:-1])
    other.intercept_state[0] = before[0][:, -1], np.sqrt(before[1][:, -1])
    np.testing.assert_allclose(other.weights().T, np.atleast_2d(coef), rtol=1e-12)
    partial_fit(model, X[:20], y[:20], labels=y)
    other.learn(batch(X[:20], y[:20], np.ones(20)))
    np.testing.assert_allclose(np.atleast_2d(model.coef_), other.weights().T, rtol=1e-9)
    assert model.t_ == 200


@pytest.mark.parametrize("init", [{}, {"l1": 0.2, "l2": 0.5}], ids=str)
@each_n_classes
def test_warm_start_goes_on_from_the_mean(n_classes, init):
    X = random_rows()
    params = {"max_iter": 2, "warm_start": True, **EACH, **init}
    model, y, _ = estimator("log_loss", n_classes, **params)
    start = states(model.fit(X, y))
    model.fit(X, y, WEIGHTS)
    assert_mean(model, the_mean(model, X, y, WEIGHTS, n_epochs=2, start=start))
    assert model.t_ == 120 + 2 * np.count_nonzero(WEIGHTS)


@each_n_classes
def test_the_mean_from_given_weights_counts_them(n_classes):
    X = random_rows()
    model, y, n_outputs = estimator("log_loss", n_classes, max_iter=2, l1=0.2, **EACH)
    coef = np.linspace(-1, 1, 12 * n_outputs).reshape(n_outputs, 12)
    intercept = np.linspace(1, 2, n_outputs)
    model.fit(X, y, coef_init=coef, intercept_init=intercept)
    z = np.column_stack([-coef * 2.0 - 0.2 * np.sign(coef), -intercept * 2.0])  # beta / alpha
    assert_mean(model, the_mean(model, X, y, n_epochs=2, start=[z, np.zeros_like(z)]))


def test_models_that_go_on_from_a_mean_are_merged():
    X, y = random_rows(), random_targets()
    start = FtrlClassifier(max_iter=3, **EACH, **NUMBERS).fit(X, y)
    parts = [copy.deepcopy(start).partial_fit(X[k::2], y[k::2]) for k in range(2)]
    assert_same_bits(merge(parts[:1], start=start), parts[0])
    model = merge(parts, start=start)
    assert model.t_ == 180 + 60
    for part in parts:
        assert np.all(model.n_ >= part.n_)


def test_a_copy_of_a_mean_is_sparsified_and_predicts_the_same():
    X, y = random_rows(), random_targets()
    model = FtrlClassifier(l1=1.0, max_iter=5, tol=None, random_state=0, **NUMBERS).fit(X, y)
    raw = model.decision_function(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).decision_function(X), raw)
    np.testing.assert_allclose(model.sparsify().decision_function(X), raw, rtol=1e-12)
    assert 0 < model.coef_.nnz < 12


@pytest.mark.parametrize("average", [True, False])
def test_a_clone_averages_as_the_original_does(average):
    X, y = random_rows(), random_targets()
    model = FtrlClassifier(average=average, random_state=0).fit(X, y)
    assert_same_bits(clone(model).fit(X, y), model)


# Who looks at it


def losses_of(model, mean, X, y):
    """Return the log losses of rows by the weights that z and n stand for, without l1."""
    w = -mean[0] / ((model.beta + np.sqrt(mean[1])) / model.learning_rate)
    return np.logaddexp(0, (1 - 2 * y) * (X @ w[0, :-1] + w[0, -1]))


def two_parts():
    """Return noisy rows to learn, and others to judge by."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 30))
    y = (X[:, 0] + 2 * rng.normal(size=120) > 0) * 1
    return X[:60], y[:60], X[60:], y[60:]


def test_early_stopping_judges_the_means_and_gives_the_best_back():
    X, y, X_val, y_val = two_parts()
    params = {"max_iter": 6, "tol": None, "shuffle": False, "learning_rate": 0.1, "beta": 1.0}
    model = FtrlClassifier(**params).fit(X, y, X_val=X_val, y_val=y_val)
    means = [the_mean(model, X, y, n_epochs=k) for k in range(1, 7)]
    losses = [losses_of(model, mean, X_val, y_val).mean() for mean in means]
    np.testing.assert_allclose(model.validation_curve_, losses, rtol=1e-10)
    assert 1 < model.best_iter_ < 6
    assert model.best_iter_ == np.argmin(losses) + 1
    assert_mean(model, means[model.best_iter_ - 1])


def test_the_mean_judges_the_same_where_features_outnumber_the_validation_rows():
    X, y, X_val, y_val = two_parts()
    X, X_val = sparse.csr_array(X), sparse.csr_array(X_val)
    model = FtrlClassifier(max_iter=4, tol=None, l1=0.1, random_state=0)
    expected = clone(model).fit(X, y, X_val=X_val, y_val=y_val).validation_curve_
    for rows in X, X_val:
        rows.resize(60, 20_000)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    np.testing.assert_allclose(model.validation_curve_, expected, rtol=1e-12)


@pytest.mark.parametrize("best", [2, 5])
def test_the_best_mean_is_that_of_as_many_epochs(best):
    X, y, X_val, y_val = two_parts()
    params = {"tol": None, "shuffle": False, **NUMBERS}
    scores = iter(-abs(k - best) for k in range(1, 6))
    scored = FtrlClassifier(max_iter=5, scoring=lambda *_: next(scores), **params)
    scored.fit(X, y, X_val=X_val, y_val=y_val)
    assert_same_bits(scored, FtrlClassifier(max_iter=best, **params).fit(X, y))


def test_halves_are_judged_by_their_means(monkeypatch):
    X, y, *_ = two_parts()
    orders, learn = [], Learner.learn

    def watched(self, batch, *args, **kwargs):
        orders.append(batch.order)
        return learn(self, batch, *args, **kwargs)

    monkeypatch.setattr(Learner, "learn", watched)
    model = FtrlClassifier(max_iter=2, tol=1e-9, random_state=0, **NUMBERS).fit(X, y)
    losses = [
        losses_of(model, the_mean(model, X[learned], y[learned]), X[judged], y[judged])
        for learned, judged in (orders[:2], orders[1::-1])
    ]
    assert model.validation_curve_[0] == pytest.approx(np.mean(losses), rel=1e-10)


def test_a_scorer_sees_the_mean():
    X, y, X_val, y_val = two_parts()
    seen = []

    def scorer(model, X, y):
        seen.append((copy.deepcopy(model), states(model), model.coef_, model.decision_function(X)))
        return 1.0

    params = {"max_iter": 3, "tol": None, "shuffle": False, **NUMBERS}
    model = FtrlClassifier(scoring=scorer, **params).fit(X, y, X_val=X_val, y_val=y_val)
    for k, (copied, (z, n), coef, raw) in enumerate(seen, start=1):
        mean = the_mean(model, X, y, n_epochs=k)
        np.testing.assert_allclose([z, n], mean, rtol=1e-10, atol=1e-10)
        losses = losses_of(model, mean, X_val, y_val)
        np.testing.assert_allclose(np.logaddexp(0, (1 - 2 * y_val) * raw), losses, rtol=1e-10)
        np.testing.assert_allclose(coef, copied.coef_, rtol=1e-12)
        assert_mean(copied, mean)


# Where fit ends too soon


def assert_goes_on(model, X, y):
    """Assert that a model is a plain one, is kept in a file, and learns."""
    assert type(model._learner) is Learner
    assert model._learner.state.shape[:2] == (12, 2)
    loaded = pickle.loads(pickle.dumps(model))
    assert_same_bits(loaded, model)
    t = model.t_
    assert_same_bits(loaded.partial_fit(X, y), model.partial_fit(X, y))
    assert model.t_ == t + 60


def mean_of_steps(model, X, y, n_steps, begin):
    """Return z and n that stand for the mean of steps from ``begin`` on, rows coming in order."""
    rows = np.arange(n_steps) % 60
    return the_mean(model, X.toarray()[rows], y[rows], begin=begin)


@each_n_classes
@pytest.mark.parametrize(("epoch", "block"), [(1, 1), (1, 3), (3, 1), (3, 4), (3, 6)])
def test_an_interrupt_leaves_the_mean_over_the_steps_of_the_broken_epoch(
    n_classes, epoch, block, monkeypatch
):
    X = random_rows()
    model, y, n_outputs = estimator("log_loss", n_classes, max_iter=5, tol=None, **PLAIN)
    name = "learn_many" if n_outputs > 10 else "learn_few"
    kernel, calls = getattr(_learner, name), []

    def interrupted(*args):
        result = kernel(*args)
        calls.append(1)
        if len(calls) == 6 * (epoch - 1) + block:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(_learner, name, interrupted)
    monkeypatch.setattr(_team, "BLOCK", 10 * n_outputs * (1 + X.nnz // 60))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    monkeypatch.undo()
    begin = 60 * (epoch - 1)
    assert model.t_ == begin + 10 * block
    assert_mean(model, mean_of_steps(model, X, y, model.t_, begin))
    assert_goes_on(model, X, y)


@each_n_classes
@pytest.mark.parametrize("n_features", [12, 1000])
def test_an_interrupt_while_the_mean_is_read_leaves_it(n_classes, n_features, monkeypatch):
    X = random_rows()
    X.resize(60, n_features)  # of many features, those that occur are learned alone
    model, y, _ = estimator("log_loss", n_classes, max_iter=1, **PLAIN)
    expected = clone(model).fit(X, y)
    average_state = _state.average_state

    def interrupted(*args):
        average_state(*args)
        monkeypatch.setattr(_state, "average_state", average_state)
        raise KeyboardInterrupt

    monkeypatch.setattr(_state, "average_state", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    np.testing.assert_array_equal(model.z_, expected.z_)
    assert_same_bits(model.partial_fit(X, y), expected.partial_fit(X, y))


@each_n_classes
def test_a_row_that_is_refused_leaves_the_mean_over_the_steps_before(n_classes, monkeypatch):
    X = random_rows()
    model, y, _ = estimator("log_loss", n_classes, max_iter=1, l1=0.1, **PLAIN)
    huge = X.copy()
    huge.data[huge.indptr[50]] = 1e300
    with pytest.raises(ValueError, match=r"row 50 .*too large"):
        model.fit(huge, y)
    assert model.t_ == 50
    assert_mean(model, mean_of_steps(model, X, y, 50, int(0.75 * 60)))
    assert_goes_on(model, X, y)


@each_n_classes
def test_a_refused_row_before_the_mean_begins_leaves_the_last_iterate(n_classes):
    X = random_rows()
    model, y, _ = estimator("log_loss", n_classes, max_iter=1, l1=0.1, **PLAIN)
    huge = X.copy()
    huge.data[huge.indptr[20]] = 1e300
    with pytest.raises(ValueError, match=r"row 20 .*too large"):
        model.fit(huge, y)
    expected = partial_fit(estimator("log_loss", n_classes, l1=0.1)[0], X[:20], y[:20], labels=y)
    assert_mean(model, states(expected), tolerance=1e-13)
    assert_goes_on(model, X, y)


def test_a_first_row_that_is_refused_leaves_nothing():
    model = FtrlRegressor(learning_rate=5e-324, beta=1.0, max_iter=1, tol=None)
    with pytest.raises(ValueError, match="row 0"):
        model.fit([[-0.25]], [2.0])
    assert model.t_ == 0
    for values in states(model):
        np.testing.assert_array_equal(values, 0.0)


def test_an_error_before_the_first_step_of_an_epoch_leaves_the_last_iterate():
    X = random_rows()

    def rate(steps):
        if steps[-1] >= 150:
            raise RuntimeError("no more rates")
        return falling(steps)

    model, y, _ = estimator("log_loss", 2, learning_rate=rate, max_iter=5, tol=None, **PLAIN)
    with pytest.raises(ValueError, match="no more rates"):
        model.fit(X, y)
    expected = clone(model).set_params(max_iter=2, learning_rate=falling, average=False).fit(X, y)
    assert model.t_ == 120
    assert type(model._learner) is Learner
    assert_mean(model, states(expected), tolerance=1e-13)


def test_an_only_epoch_of_one_row_gives_what_it_has_learned():
    params = {**NUMBERS, "max_iter": 1, "tol": None}
    mean, last = (FtrlRegressor(average=a, **params).fit([[1.0]], [1.0]) for a in (True, False))
    assert mean.coef_[0] == last.coef_[0] > 0
