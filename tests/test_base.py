"""What both estimators share: how rows are learned, where learning starts, what is refused."""

import functools
import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import (
    FEW,
    NUMBERS,
    ONE_EPOCH,
    assert_same_bits,
    learned,
    partial_fit,
    random_rows,
    random_targets,
)
from scipy import sparse
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, _learner, _team

# How rows are learned


@given(cuts=st.lists(st.integers(0, 60), max_size=5), n_classes=st.sampled_from([2, 4]))
@settings(max_examples=30)
def test_chunks_of_partial_fit_equal_one_unshuffled_epoch(cuts, n_classes):
    X, y = random_rows(), random_targets(n_classes=n_classes)
    whole = FtrlClassifier(l1=0.1, **NUMBERS, **ONE_EPOCH).fit(X, y)
    chunked = FtrlClassifier(l1=0.1, **NUMBERS)
    edges = sorted({0, *cuts, 60})
    for start, stop in itertools.pairwise(edges):
        partial_fit(chunked, X[start:stop], y[start:stop], labels=y)
    assert_same_bits(whole, chunked)
    assert whole.t_ == chunked.t_ == 60


def test_blocks_of_the_kernel_equal_one_call(kind, monkeypatch):
    estimator, y = kind
    X = random_rows()
    whole = estimator(**ONE_EPOCH).fit(X, y)
    monkeypatch.setattr(_team, "BLOCK", 30)
    assert_same_bits(whole, estimator(**ONE_EPOCH).fit(X, y))


def test_a_zero_weight_equals_the_row_removed(kind):
    estimator, y = kind
    X = random_rows()
    weight = np.random.default_rng(0).choice([0.0, 0.5, 2.0], 60)
    keep = weight > 0
    for shuffle in [False, True]:
        params = ONE_EPOCH | {"shuffle": shuffle, "random_state": 0}
        weighted = estimator(**params).fit(X, y, weight)
        removed = estimator(**params).fit(X[keep], y[keep], weight[keep])
        assert_same_bits(weighted, removed)
        assert weighted.t_ == keep.sum()
        assert weighted.loss_curve_ == pytest.approx(removed.loss_curve_, rel=1e-12)


def test_a_batch_of_zero_weights_changes_nothing(kind):
    estimator, y = kind
    X = random_rows()
    model = partial_fit(estimator(), X, y)
    coef = model.coef_
    before = learned(model)
    assert learned(partial_fit(model, X, y, sample_weight=np.zeros(60))) == before
    partial_fit(model.set_params(l1=5.0), X, y, sample_weight=np.zeros(60))
    np.testing.assert_array_equal(model.coef_, coef)


def test_a_first_batch_of_zero_weights_makes_a_model_that_predicts(kind):
    estimator, y = kind
    X = random_rows()
    model = partial_fit(estimator(), X, y, sample_weight=np.zeros(60))
    assert model.n_features_in_ == 12
    assert model.t_ == 0
    assert not np.any(model.coef_)
    assert model.predict(X).shape == (60,)


def test_warm_start_goes_on(kind):
    estimator, y = kind
    X = random_rows()
    twice = estimator(warm_start=True, **ONE_EPOCH, **NUMBERS).fit(X, y).fit(X, y)
    assert_same_bits(twice, estimator(**ONE_EPOCH | {"max_iter": 2}, **NUMBERS).fit(X, y))
    assert twice.t_ == 120


def test_fit_forgets_without_warm_start(kind):
    estimator, y = kind
    X = random_rows()
    model = estimator(**ONE_EPOCH)
    assert learned(model.fit(X, y)) == learned(model.fit(X, y))


# Where learning starts, and at which rates


STARTS = [
    {},
    {"l1": 0.3, "l2": 0.5, "learning_rate": 0.1},
    {"l1": 0.3, "penalize_intercept": True},
    {"beta": 0.0, "initial_accumulator_value": 0.1, "learning_rate_power": -0.3},
]


@pytest.mark.parametrize("params", STARTS, ids=str)
def test_starting_weights_are_exact(params, kind):
    estimator, y = kind
    X = random_rows()
    given = estimator(learning_rate=2.0, **FEW).fit(X, y)
    init = {"coef_init": given.coef_, "intercept_init": given.intercept_}
    faint = np.full(60, 1e-200)  # gradients that change nothing
    model = estimator(**(NUMBERS | params), **ONE_EPOCH).fit(X, y, faint, **init)
    np.testing.assert_allclose(model.coef_, given.coef_, rtol=1e-12)
    np.testing.assert_allclose(model.intercept_, given.intercept_, rtol=1e-12)
    assert not np.any(model.z_[model.coef_ == 0])


def test_learning_from_the_weights_of_a_logistic_regression_begins_with_its_prediction():
    X, y = random_rows(), random_targets()
    given = LogisticRegression().fit(X, y)
    model = FtrlClassifier(**ONE_EPOCH, l1=0.1)
    first = model.fit(
        X, y, np.r_[1, np.zeros(59)], coef_init=given.coef_, intercept_init=given.intercept_
    )
    expected = -given.predict_log_proba(X[:1])[0, y[0]]
    assert first.progressive_loss_ == pytest.approx(expected, rel=1e-12)


def test_starting_weights_forget_what_warm_start_would_keep(kind):
    estimator, y = kind
    X = random_rows()
    coef = np.zeros_like(np.atleast_2d(estimator(**FEW).fit(X, y).coef_))
    model = estimator(warm_start=True, **ONE_EPOCH).fit(X, y).fit(X, y, coef_init=coef)
    assert_same_bits(model, estimator(**ONE_EPOCH).fit(X, y))


def test_warm_start_of_a_sparsified_model_takes_another_intercept(kind):
    estimator, y = kind
    X = random_rows()
    model = estimator(warm_start=True, **ONE_EPOCH, **NUMBERS).fit(X, y)
    init = {"coef_init": model.coef_, "intercept_init": model.intercept_ + 1.0}
    expected = estimator(**ONE_EPOCH, **NUMBERS).fit(X, y, **init)
    model.sparsify().fit(X, y, intercept_init=init["intercept_init"])
    assert_same_bits(model, expected)


def test_warm_start_with_another_intercept_keeps_the_rest(kind):
    estimator, y = kind
    X = random_rows()
    model = estimator(warm_start=True, learning_rate=1e-9, beta=1.0, **ONE_EPOCH).fit(X, y)
    coef = model.coef_
    model.fit(X, y, intercept_init=model.intercept_ + 1.0)
    assert model.t_ == 120
    np.testing.assert_allclose(model.coef_, coef, atol=1e-6)


def test_a_warm_start_that_fails_keeps_the_intercept(kind):
    estimator, y = kind
    X = random_rows()
    model = estimator(warm_start=True, **ONE_EPOCH).fit(X, y)
    before = model.intercept_.copy()
    with pytest.raises(ValueError, match="X_val"):
        model.fit(X, y, intercept_init=before + 1.0, X_val=X[:, :2], y_val=y)
    np.testing.assert_array_equal(model.intercept_, before)


def test_warm_start_of_a_sparsified_model_starts_from_its_weights(kind):
    estimator, y = kind
    X = random_rows()
    model = estimator(warm_start=True, **ONE_EPOCH).fit(X, y)
    init = {"coef_init": model.coef_, "intercept_init": model.intercept_}
    assert_same_bits(model.sparsify().fit(X, y), estimator(**ONE_EPOCH).fit(X, y, **init))


def test_warm_start_of_a_sparsified_model_keeps_the_numbers_of_auto(kind):
    estimator, y = kind
    X = random_rows()
    model = estimator(warm_start=True, tol=None, max_iter=2).fit(X, y)
    numbers = model.learning_rate_, model.beta_
    model.sparsify().fit(1000 * X, y)
    assert (model.learning_rate_, model.beta_) == numbers


def test_warm_start_of_a_sparsified_model_refuses_other_columns(kind):
    estimator, y = kind
    X = pd.DataFrame(random_rows().toarray()).add_prefix("x")
    model = estimator(warm_start=True, **ONE_EPOCH).fit(X, y).sparsify()
    with pytest.raises(ValueError, match="feature names should match"):
        model.fit(X.iloc[:, ::-1], y)


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ({"coef_init": np.zeros((7, 12))}, "coef_init.shape"),
        ({"coef_init": np.zeros(11)}, "coef_init.shape"),
        ({"coef_init": np.zeros((12, 1))}, "coef_init.shape"),
        ({"intercept_init": np.zeros(5)}, "intercept_init.shape"),
        ({"intercept_init": np.nan}, "intercept_init contains NaN"),
    ],
)
def test_starting_weights_that_do_not_fit_are_refused_and_change_nothing(init, message, kind):
    estimator, y = kind
    model = estimator(**FEW).fit(random_rows(), y)
    before = learned(model)
    with pytest.raises(ValueError, match=message):
        model.fit(random_rows(), y, **init)
    assert learned(model) == before


def test_starting_weights_are_refused_where_the_first_gradient_would_forget_them(kind):
    estimator, y = kind
    coef = estimator(**FEW).fit(random_rows(), y).coef_
    with pytest.raises(ValueError, match="beta, l2 or initial_accumulator_value above 0"):
        estimator(beta=0.0).fit(random_rows(), y, coef_init=coef)


def halving(steps, every):
    """Return rates that halve every so many steps."""
    return 0.5 ** (1 + steps // every)


def test_a_schedule_gives_each_step_its_rate(kind, monkeypatch):
    estimator, y = kind
    X = random_rows()
    rate = functools.partial(halving, every=7)
    whole = estimator(learning_rate=rate, beta=1.0, **ONE_EPOCH).fit(X, y)
    monkeypatch.setattr(_team, "BLOCK", 30)
    blocks = estimator(learning_rate=rate, beta=1.0, **ONE_EPOCH).fit(X, y)
    chunks = estimator(learning_rate=rate, beta=1.0)
    for start in range(0, 60, 11):
        partial_fit(chunks, X[start : start + 11], y[start : start + 11], labels=y)
    assert_same_bits(whole, blocks)
    assert_same_bits(whole, chunks)
    np.testing.assert_array_equal(whole.coef_, pickle.loads(pickle.dumps(whole)).coef_)


def test_a_constant_schedule_equals_the_number(kind):
    estimator, y = kind
    X = random_rows()
    schedule = estimator(learning_rate=lambda steps: np.full(steps.shape, 0.3), **ONE_EPOCH)
    assert_same_bits(schedule.fit(X, y), estimator(learning_rate=0.3, **ONE_EPOCH).fit(X, y))


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (lambda steps: 0.5, "shape"),
        (lambda steps: np.zeros(steps.shape), "not above 0"),
        (lambda steps: np.full(steps.shape, np.nan), "not finite"),
    ],
)
def test_a_schedule_that_returns_no_rates_is_refused(schedule, message, trained):
    model, learn, y = trained
    model.set_params(learning_rate=schedule)
    before = model.z_
    with pytest.raises(ValueError, match=f"learning_rate returned .*{message}"):
        learn(random_rows(), y)
    np.testing.assert_array_equal(model.z_, before)


def test_at_most_one_way_to_clip_is_allowed(trained):
    model, learn, y = trained
    model.set_params(clipvalue=1.0, global_clipnorm=1.0)
    before = learned(model)
    with pytest.raises(ValueError, match="At most one of clipvalue and global_clipnorm"):
        learn(random_rows(), y)
    assert learned(model) == before


@pytest.mark.parametrize("clip", ["clipvalue", "clipnorm", "global_clipnorm"])
def test_gradients_are_clipped_over_all_outputs(clip):
    X, y = np.array([[3.0, 0.0, -1.0]]), [1]
    params = {"coef_init": np.zeros((3, 3)), "intercept_init": [0.0, 1.0, 2.0]}
    p = softmax([0.0, 1.0, 2.0]) - [0, 1, 0]
    g = np.outer(p, [3.0, 0.0, -1.0])
    if clip == "clipvalue":
        coef_g, intercept_g = np.clip(g, -0.1, 0.1), np.clip(p, -0.1, 0.1)
    elif clip == "clipnorm":
        coef_g, intercept_g = 0.1 * g / np.linalg.norm(g), 0.1 * p / np.linalg.norm(p)
    else:
        norm = np.hypot(np.linalg.norm(g), np.linalg.norm(p))
        coef_g, intercept_g = 0.1 * g / norm, 0.1 * p / norm
    X, y = np.r_[X, np.ones((2, 3))], [1, 0, 2]
    model = FtrlClassifier(**{clip: 0.1}, **ONE_EPOCH).fit(X, y, [1, 0, 0], **params)
    np.testing.assert_allclose(model.n_, coef_g**2, rtol=1e-12)
    np.testing.assert_allclose(model.intercept_n_, intercept_g**2, rtol=1e-12)


@pytest.mark.parametrize("penalty", [{"l1": 0.5}, {"l2": 2.0}, {"l2_shrinkage": 0.5}], ids=str)
def test_a_penalty_acts_on_the_intercept_if_that_is_asked_for(penalty, kind):
    estimator, y = kind
    X = sparse.csr_array((60, 3))
    plain = estimator(**NUMBERS, **ONE_EPOCH).fit(X, y)
    free = estimator(**NUMBERS, **ONE_EPOCH, **penalty).fit(X, y)
    assert_same_bits(plain, free)
    held = estimator(penalize_intercept=True, **NUMBERS, **ONE_EPOCH, **penalty).fit(X, y)
    assert np.linalg.norm(held.intercept_) < np.linalg.norm(free.intercept_)


def test_shrinkage_passes_an_explicit_zero_by(kind):
    estimator, y = kind
    X = random_rows()
    without = X.copy()
    without.eliminate_zeros()
    params = {"l2_shrinkage": 0.5, **ONE_EPOCH}
    assert_same_bits(*(estimator(**params).fit(rows, y) for rows in (X, without)))


@pytest.mark.parametrize("estimator", [FtrlClassifier, FtrlRegressor])
def test_a_row_whose_loss_is_not_finite_is_named_and_those_before_it_are_learned(estimator):
    X, y = np.ones((5, 1)), [0, 1, 0, 1, 0]
    X[3] = 1e308
    model = estimator(learning_rate=50.0, beta=1.0, **ONE_EPOCH)
    with pytest.raises(ValueError, match=r"row 3 is not finite.*Lower learning_rate"):
        model.fit(X, y)
    assert model.t_ == 3
    assert_same_bits(model, partial_fit(estimator(learning_rate=50.0, beta=1.0), X[:3], y[:3]))


# What is refused


BAD_PARAMETERS = [
    {"learning_rate": 0.0},
    {"learning_rate": np.inf},
    {"learning_rate": "fast"},
    {"beta": -1.0},
    {"l1": -0.1},
    {"l1": np.nan},
    {"l2": "none"},
    {"loss": "absolute"},
    {"fit_intercept": 2},
    {"max_iter": 0},
    {"tol": -1},
    {"random_state": "seed"},
    {"n_jobs": 0},
    {"learning_rate_power": 0.1},
    {"clipnorm": 0.0},
    {"initial_accumulator_value": -1.0},
]


@pytest.mark.parametrize("parameter", BAD_PARAMETERS, ids=str)
def test_bad_parameters_are_refused_and_change_nothing(parameter, trained):
    model, learn, y = trained
    model.set_params(**parameter)
    before = learned(model)
    with pytest.raises((ValueError, TypeError), match=f"The '{next(iter(parameter))}' parameter"):
        learn(random_rows(), y)
    assert learned(model) == before


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_gradient_too_large_for_the_state_is_refused_and_changes_nothing(dtype, kind):
    estimator, y = kind
    X = random_rows(dtype=dtype)
    model = partial_fit(estimator(**NUMBERS), X, y)
    before = model.z_
    huge = sparse.csr_array(np.full((1, 12), 1e38 if dtype == np.float32 else 1e200, dtype))
    with pytest.raises(ValueError, match=r"row 0 .* too large for the state"):
        partial_fit(model, huge, y[:1], labels=y)
    np.testing.assert_array_equal(model.z_, before)
    assert model.t_ == 60
    assert np.isfinite(partial_fit(model, X, y).coef_).all()


def test_starting_weights_too_large_for_float32_are_refused(kind):
    estimator, y = kind
    X = random_rows(dtype=np.float32)
    coef = 1e39 + np.zeros_like(estimator(**FEW).fit(X, y).coef_, dtype=np.float64)
    with pytest.raises(ValueError, match="too large for float32"):
        estimator(**NUMBERS).fit(X, y, coef_init=coef)


def test_a_schedule_that_fails_later_leaves_the_model_as_it_was(kind):
    estimator, y = kind
    model = estimator(**FEW).fit(random_rows(), y)
    model.set_params(learning_rate=lambda steps: np.where(steps < 5, 0.5, 0.0))
    before = model.z_
    with pytest.raises(ValueError, match="learning_rate returned"):
        model.fit(random_rows(), y)
    np.testing.assert_array_equal(model.z_, before)


def test_partial_fit_skips_the_validation_of_parameters_where_that_is_asked(kind):
    estimator, y = kind
    with sklearn.config_context(skip_parameter_validation=True):
        partial_fit(estimator(verbose="loud"), random_rows(), y)


@pytest.mark.parametrize("comes", ["before", "during"])
def test_an_interrupted_fit_leaves_the_rows_of_whole_blocks(kind, comes, monkeypatch):
    estimator, y = kind
    X = random_rows()
    n_outputs = len(set(y)) if estimator is FtrlClassifier and len(set(y)) > 2 else 1
    name = "learn_many" if n_outputs == 11 else "learn_few"
    kernel, calls = getattr(_learner, name), []

    def interrupted(*args):
        calls.append(1)
        result = None if comes == "before" and len(calls) == 3 else kernel(*args)
        if len(calls) == 3:  # the kernel does not hear it, and what it returns is lost
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(_learner, name, interrupted)
    monkeypatch.setattr(_team, "BLOCK", 10 * n_outputs * (1 + X.nnz // 60))
    params = {"learning_rate": lambda t: 1 / np.sqrt(1.0 + t), "beta": 1.0}
    model = estimator(**params, **ONE_EPOCH)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.t_ == (20 if comes == "before" else 30)
    monkeypatch.undo()
    rows = slice(0, model.t_)
    assert_same_bits(model, partial_fit(estimator(**params), X[rows], y[rows], labels=y))


# Other numbers between two calls


def test_a_new_rate_is_for_the_steps_to_come():
    X, y = random_rows(), random_targets()
    model = FtrlClassifier(**NUMBERS, l1=0.1).partial_fit(X, y, classes=[0, 1])
    coef, intercept = model.coef_, model.intercept_
    model.set_params(learning_rate=0.05).partial_fit(
        X[:0:-1][:1] * 0, y[:1], sample_weight=[1e-300]
    )
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-12)
    np.testing.assert_allclose(model.intercept_, intercept, rtol=1e-12)
    assert model.learning_rate_ == 0.05


@pytest.mark.parametrize("numbers", ["both", "learning_rate", "beta"])
def test_the_numbers_of_auto_given_as_numbers_keep_weights_and_intercept(numbers):
    X, y = random_rows(200), random_targets(200)
    model = FtrlClassifier().partial_fit(X, y, classes=[0, 1])
    coef, intercept = model.coef_, model.intercept_
    given = {"learning_rate": model.learning_rate_, "beta": model.beta_}
    model.set_params(**{name: given[name] for name in given if numbers in ("both", name)})
    model.partial_fit(X[:1] * 0, y[:1], sample_weight=[1e-300])
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-12)
    np.testing.assert_allclose(model.intercept_, intercept, rtol=1e-12)


def test_a_beta_that_no_weight_can_stand_on_is_refused_and_changes_nothing():
    X, y = random_rows(), random_targets()
    model = FtrlClassifier(**NUMBERS, max_iter=1, early_stopping=False)
    model.fit(
        np.eye(12), np.arange(12) % 2, coef_init=np.ones((1, 12)), sample_weight=[1e-200] * 12
    )
    z = model.z_
    model.set_params(beta=0.0)
    with pytest.raises(ValueError, match="Give beta above 0"):
        model.partial_fit(X, y)
    np.testing.assert_array_equal(model.z_, z)
    assert model.beta_ == 1.0
