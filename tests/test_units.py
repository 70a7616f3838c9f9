"""Columns whose size stands out: under "auto" their unit changes nothing."""

import copy
import importlib
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import FEW, assert_same_bits, partial_fit, random_rows, random_targets
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer

from sklearn_ftrl import SKOPS_TRUSTED, FtrlClassifier, FtrlRegressor, merge
from sklearn_ftrl._kernel import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from sklearn_ftrl._learner import Learner
from sklearn_ftrl._rows import as_rows, batch
from sklearn_ftrl._units import find_units, grown, of_sizes

each_form = pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
SIZES = np.array([1.0, 2.0, 1e3, 1e-3, 1.5])


def normal(n_rows=60, sizes=SIZES, seed=0):
    """Return rows of normal numbers in columns of these sizes."""
    return np.random.default_rng(seed).normal(size=(n_rows, len(sizes))) * sizes


def of(X, weights=None):
    """Return rows to learn."""
    weights = np.ones(X.shape[0]) if weights is None else weights
    return batch(X, np.zeros(X.shape[0]), weights)


def signs(*sizes):
    """Return rows in which the numbers of a column have this size, and each sign."""
    return np.outer((-1.0) ** np.arange(20), sizes)


# Which columns stand out


@each_form
def test_columns_that_stand_out_get_their_size_by_that_of_the_typical_one(form):
    D = normal()
    units, typical = find_units(of(form(D)), 5, centered=False)
    sizes = np.sqrt(np.mean(D**2, axis=0))
    assert typical == pytest.approx(np.median(sizes))
    np.testing.assert_array_equal(units.features, [2, 3])
    np.testing.assert_allclose(units.size, sizes[[2, 3]] / np.median(sizes))
    np.testing.assert_array_equal(units.center, 0.0)


@each_form
def test_zeros_and_rows_of_weight_0_have_no_say(form):
    D, weights = normal(), np.arange(60) % 3 / 2.0
    D[1::4] = 0.0
    expected, typical = find_units(of(form(D[weights > 0])), 5, centered=False)
    D[weights == 0] *= 1e9
    units, same = find_units(of(form(D), weights), 5, centered=False)
    np.testing.assert_array_equal(units.features, expected.features)
    np.testing.assert_allclose(units.size, expected.size)
    assert same == pytest.approx(typical)
    numbers = D[(weights > 0) & (D[:, 2] != 0), 2]
    assert units.size[0] * typical == pytest.approx(np.sqrt(np.mean(numbers**2)))


@each_form
@pytest.mark.parametrize(
    ("sizes", "features"),
    [
        ([1.0, 1.0, 1.0, 10.0, 0.1], []),
        ([1.0, 1.0, 1.0, 10.1, 0.1], [3]),
        ([1.0, 1.0, 1.0, 10.0, 0.099], [4]),
        ([1.0, 1.0, 1.0, 1.0], []),
    ],
    ids=str,
)
def test_a_column_stands_out_beyond_ten_times(form, sizes, features):
    units, typical = find_units(of(form(signs(*sizes))), len(sizes), centered=False)
    assert typical == pytest.approx(1.0)
    if features:
        np.testing.assert_array_equal(units.features, features)
    else:
        assert units is None


@each_form
def test_columns_count_as_often_as_they_have_a_number(form):
    D = signs(1.0, 100.0, 100.0, 100.0)
    D[2:, 1:] = 0.0
    units, typical = find_units(of(form(D)), 4, centered=False)
    assert typical == pytest.approx(1.0)
    np.testing.assert_array_equal(units.features, [1, 2, 3])


@each_form
@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("constant", [5e4, 5e4 * (1.0 + 1e-16 * np.arange(20))])
def test_a_column_that_is_the_same_in_all_rows_is_measured_from_0(form, centered, constant):
    D = signs(1.0, 1.0, 1.0)
    D[:, 2] = constant
    units, typical = find_units(of(form(D)), 3, centered)
    assert typical == pytest.approx(1.0)
    np.testing.assert_array_equal(units.features, [2])
    np.testing.assert_allclose(units.size, 5e4)
    np.testing.assert_array_equal(units.center, 0.0)


@each_form
def test_the_same_number_in_some_rows_stands_out(form):
    D = signs(1.0, 1.0, 1.0)
    D[:, 2] = np.arange(20) % 2 * 5e4
    units, _ = find_units(of(form(D)), 3, centered=False)
    np.testing.assert_array_equal(units.features, [2])


def test_a_dense_column_is_measured_from_its_mean_where_most_rows_have_a_number():
    D = signs(1.0, 1.0, 1.0, 1.0) + np.array([0.0, 50.0, 50.0, 0.0])
    D[::2, 2] = 0.0
    units, typical = find_units(of(D), 4, centered=True)
    assert typical == pytest.approx(1.0)
    np.testing.assert_array_equal(units.features, [1, 2])
    np.testing.assert_allclose(units.center, [50.0, 0.0])
    np.testing.assert_allclose(units.size, [1.0, 49.0])
    assert find_units(of(D), 4, centered=False)[0].center.tolist() == [0.0, 0.0]
    assert find_units(of(sparse.csr_array(D)), 4, centered=True)[0].center.tolist() == [0.0, 0.0]


@each_form
def test_no_numbers_have_no_units(form):
    assert find_units(of(form(np.zeros((9, 3)))), 3, centered=True) == (None, 1.0)


# Rows in units


@each_form
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_are_divided_by_the_sizes_in_a_copy(form, dtype):
    D = normal().astype(dtype)
    D[3] = 0.0
    rows, before = of(form(D)).rows, D.copy()
    units = of_sizes(np.array([0, 2]), np.array([4.0, 1000.0]))
    ours = units.rows(rows)
    theirs = of(form(D / units.sizes(5).astype(dtype))).rows
    assert ours.data.dtype == dtype
    np.testing.assert_allclose(ours.data, theirs.data, rtol=1e-6)
    assert (ours.indices is None) == (theirs.indices is None)
    assert ours.longest == theirs.longest
    np.testing.assert_array_equal(D, before)
    np.testing.assert_array_equal(rows.data[:5], before[0])


def test_dense_rows_are_measured_from_the_centers():
    D = normal()
    units = of_sizes(np.array([1, 2]), np.array([1.0, 1000.0]), np.array([3.0, -5.0]))
    expected = (D - [0, 3, -5, 0, 0]) / [1, 1, 1000, 1, 1]
    np.testing.assert_allclose(units.rows(of(D).rows).data.reshape(D.shape), expected)


@each_form
def test_each_number_that_stands_out_doubles_the_unit_of_its_column(form):
    D = signs(1.0, 2.0, 3.0, 4.0)
    D[3] = [0.0, 500.0, -8.0, -1e9]
    D[5] = [0.0, -500.0, 0.0, 3000.0]
    units = of_sizes(np.array([2, 3]), np.array([7.0, 100.0]))
    more = grown(units, 2.0, of(form(D)), 4)
    np.testing.assert_array_equal(more.features, [1, 2, 3])
    np.testing.assert_array_equal(more.size, [4.0, 7.0, 400.0])


@each_form
@pytest.mark.parametrize("size", [25.0, 1e3, 1e6])
def test_many_numbers_that_stand_out_count_as_those_of_other_columns(form, size):
    D = signs(1.0, 1.0, size)
    units = grown(None, 1.0, of(form(D)), 3)
    np.testing.assert_array_equal(units.features, [2])
    assert 1.5 <= size / units.size[0] <= 3.0
    assert np.log2(units.size[0]) % 1.0 == 0.0


@each_form
def test_a_small_column_grows_by_numbers_that_are_small_for_others(form):
    units = of_sizes(np.array([1]), np.array([1e-3]))
    more = grown(units, 1.0, of(form(signs(1.0, 0.5))), 2)
    assert 0.5 / 3.0 <= more.size[0] <= 1.0 / 3.0


@each_form
@pytest.mark.parametrize("largest", [9.0, 11.0])
def test_what_is_beyond_the_most_is_cut(form, largest):
    D = signs(3.0, 40.0 * largest)
    units = of_sizes(np.array([1]), np.array([20.0]))
    data = units.rows(of(form(D)).rows, 20.0).data
    assert np.abs(data).max() == min(2.0 * largest, 20.0)


@each_form
@pytest.mark.parametrize("units", [None, of_sizes(np.array([3]), np.array([200.0]))])
def test_units_that_suffice_are_the_same(form, units):
    D = signs(1.0, 20.0, 3.0, 4.0)
    D[3, 3] = 20.0 if units is None else 4000.0
    assert grown(units, 2.0, of(form(D)), 4) is units


@each_form
@pytest.mark.parametrize(("least", "size"), [(1.71, 3200.0), (1.69, 100.0), (-3.0, 100.0)])
def test_a_column_that_drifts_away_from_0_counts_little(form, least, size):
    D = signs(1.0, 4.0, 1.0)
    D[:, 2] = 100.0 * np.linspace(least, 3.0, 20)
    D[:, 1] = np.abs(D[:, 1])  # has no unit: it was as far from 0 in the first rows
    units = of_sizes(np.array([2]), np.array([100.0]))
    more = grown(units, 1.0, of(form(D)), 3)
    np.testing.assert_array_equal(more.features, [2])
    np.testing.assert_array_equal(more.size, [size])


@each_form
@pytest.mark.parametrize("calls", [(10,), (9, 1), (3, 3, 3, 3), 10 * (1,)], ids=str)
def test_ten_rows_tell_of_a_drift_however_they_come(form, calls):
    units, D = of_sizes(np.array([1]), np.array([100.0])), np.full((1, 2), [1.0, 200.0])
    for size in calls[:-1]:
        units = grown(units, 1.0, of(form(np.repeat(D, size, axis=0))), 2)
        np.testing.assert_array_equal(units.size, [100.0])
    units = grown(units, 1.0, of(form(np.repeat(D, calls[-1], axis=0))), 2)
    np.testing.assert_array_equal(units.size, [1600.0])


@each_form
@pytest.mark.parametrize("other", [0.0, 150.0, -200.0])
def test_ten_rows_with_another_between_tell_of_no_drift(form, other):
    units, D = of_sizes(np.array([1]), np.array([100.0])), np.full((10, 2), [1.0, 200.0])
    D[5, 1] = other
    for row in [*D, *D[6:]]:
        units = grown(units, 1.0, of(form(row[np.newaxis])), 2)
    np.testing.assert_array_equal(units.size, [100.0])


def test_numbers_far_from_0_leave_the_state_where_it_is():
    X, y = halves()
    model = FtrlClassifier().partial_fit(X[:200], y[:200], classes=[0, 1])
    state = model._learner.state
    model.partial_fit(np.full((1, 6), [1.0, 1.0, 1.0, 2e4, 1.0, 1.0]), [1])
    assert model._learner.units.far.any()
    assert model._learner.state is state


@each_form
def test_units_do_not_grow_by_rows_of_weight_0(form):
    D = signs(1.0, 1.0)
    D[4, 1] = 1e6
    assert grown(None, 1.0, of(form(D), np.arange(20) != 4), 2) is None


# What estimators make of it

KINDS = {
    "binary": (FtrlClassifier, 2),
    "multiclass": (FtrlClassifier, 3),
    "many classes": (FtrlClassifier, 12),
    "regression": (FtrlRegressor, 5),
}


@pytest.fixture(params=KINDS)
def task(request):
    """Return an estimator class and targets for rows of normal()."""
    make, n_classes = KINDS[request.param]
    return make, random_targets(n_classes=n_classes)


def raws(model, X):
    return getattr(model, "decision_function", model.predict)(X)


@each_form
@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("shift", [0.0, 30.0])
def test_learning_from_given_weights_begins_with_their_prediction(task, form, average, shift):
    make, y = task
    D = normal() + shift * SIZES
    given = make(**FEW).fit(D, y)
    model = make(max_iter=1, tol=None, shuffle=False, average=average)
    first = np.r_[1.0, np.full(59, 1e-12)]
    model.fit(form(D), y, first, coef_init=given.coef_, intercept_init=given.intercept_)
    if make is FtrlRegressor:
        loss = (given.predict(D[:1])[0] - y[0]) ** 2 / 2
    else:
        loss = -given.predict_log_proba(D[:1])[0, y[0]]
    assert model.progressive_loss_ == pytest.approx(loss, rel=1e-7)


@pytest.mark.parametrize("way", ["fit", "early stopping", "warm_start"])
def test_the_intercept_takes_what_columns_were_measured_from(task, way):
    make, y = task
    D = normal() + np.array([0.0, 200.0, -1e4, 0.0, 0.0])
    params = {"early_stopping": way == "early stopping", "warm_start": way == "warm_start"}
    model = make(random_state=0, **FEW, **params).fit(D, y)
    if way == "warm_start":
        model.fit(D, y)
    assert not model._learner.units.center.any()
    expected = D @ np.atleast_2d(model.coef_).T + model.intercept_
    np.testing.assert_allclose(model._raw_predictions(D), expected, rtol=1e-9, atol=1e-9)
    rows = sparse.csr_array(D)
    np.testing.assert_allclose(model._raw_predictions(rows), expected, rtol=1e-9, atol=1e-9)
    model.set_params(early_stopping=False)
    dense, other = (partial_fit(copy.deepcopy(model), X, y) for X in (D, rows))
    np.testing.assert_allclose(other.coef_, dense.coef_, rtol=1e-7, atol=1e-12)


def test_dense_columns_far_from_0_are_learned_as_if_they_were_not():
    D, y = normal(400, np.ones(4)), random_targets(400)
    y = (D @ [1.0, -1.0, 1.0, 0.0] > 0) * 1
    params = {"random_state": 0, "max_iter": 5, "tol": None}
    near, far = (FtrlClassifier(**params).fit(D + shift, y) for shift in (0.0, 1e3))
    np.testing.assert_allclose(far.coef_, near.coef_, rtol=1e-6)


@each_form
def test_a_few_rows_are_predicted_in_units_too(task, form):
    make, y = task
    sizes = np.tile(SIZES, 8)
    D = normal(sizes=sizes)
    D[:, 10:] *= np.arange(60)[:, np.newaxis] % 4 == 0
    model = partial_fit(make(), form(D), y)
    assert model._learner.units is not None
    some = np.flatnonzero(np.count_nonzero(D, axis=1) < 40)
    few = [raws(model, sparse.csr_array(D[[i]])) for i in some]
    expected = raws(model, D)[some]
    np.testing.assert_allclose(np.concatenate(few), expected, rtol=1e-9, atol=1e-12)


def test_a_model_in_units_is_kept_in_a_file_and_sparsified(task):
    make, y = task
    D = normal()
    model = partial_fit(make(l1=0.5), D, y)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.coef_, model.coef_)
    np.testing.assert_array_equal(partial_fit(loaded, D, y).z_, partial_fit(model, D, y).z_)
    raw = model._raw_predictions(D)
    np.testing.assert_allclose(model.sparsify()._raw_predictions(D), raw, rtol=1e-9)


def test_the_uncertainty_of_a_row_does_not_depend_on_the_unit_of_a_column():
    D, y = normal(), random_targets()
    factor = np.array([1.0, 1.0, 1e3, 1.0, 1.0])
    one, other = (FtrlClassifier().partial_fit(X, y, [0, 1]) for X in (D, D * factor))
    scores = one.uncertainty_score(D), other.uncertainty_score(D * factor)
    np.testing.assert_allclose(*scores, rtol=1e-7)


def test_an_interrupt_leaves_a_model_whose_intercept_has_taken_the_centers(task, monkeypatch):
    make, y = task
    D = normal() + 30.0 * SIZES
    learn, calls = Learner.learn, []

    def interrupted(self, *args, **kwargs):
        calls.append(learn(self, *args, **kwargs))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return calls[-1]

    monkeypatch.setattr(Learner, "learn", interrupted)
    model = make(early_stopping=False, **FEW)
    with pytest.raises(KeyboardInterrupt):
        model.fit(D, y)
    monkeypatch.undo()
    assert not model._learner.units.center.any()
    dense, other = (partial_fit(copy.deepcopy(model), X, y) for X in (D, sparse.csr_array(D)))
    np.testing.assert_allclose(other.coef_, dense.coef_, rtol=1e-7, atol=1e-12)


def test_what_a_scorer_copies_learns_sparse_rows_as_dense_ones():
    D, y = normal() + 30.0 * SIZES, random_targets()
    copies = []
    model = FtrlClassifier(
        scoring=lambda model, *_: copies.append(copy.deepcopy(model)) or 1.0, **FEW
    )
    model.fit(D, y, X_val=D, y_val=y)
    dense, other = (
        copy.deepcopy(copies[0]).partial_fit(X, y).coef_ for X in (D, sparse.csr_array(D))
    )
    np.testing.assert_allclose(other, dense, rtol=1e-7, atol=1e-12)


COLUMN = 3  # the one that has another unit
CASES = {
    **{name: (FtrlClassifier, name, 2) for name in CLASSIFIER_LOSSES},
    "softmax": (FtrlClassifier, "log_loss", 4),
    "softmax of many": (FtrlClassifier, "log_loss", 11),
    **{name: (FtrlRegressor, name, 9) for name in REGRESSOR_LOSSES},
}


@pytest.fixture(params=CASES)
def case(request):
    """Return an estimator class with a loss, and targets for random_rows()."""
    estimator, loss, n_classes = CASES[request.param]
    return lambda **params: estimator(loss, **params), random_targets(n_classes=n_classes)


def fit(model, X, y, **given):
    return model.set_params(**FEW).fit(X, y, **given)


def stream(model, X, y, sample_weight=None, size=20):
    """Return a model that has learned the rows in batches."""
    for start in range(0, len(y), size):
        rows = slice(start, start + size)
        weights = None if sample_weight is None else sample_weight[rows]
        partial_fit(model, X[rows], y[rows], labels=y, sample_weight=weights)
    return model


def in_unit(X, unit, column=COLUMN):
    """Return rows whose column is larger by this factor."""
    units = np.ones(X.shape[1])
    units[column] = unit
    return X * units if isinstance(X, np.ndarray) else (X @ sparse.diags_array(units)).tocsr()


def assert_in_unit(model, other, unit, X):
    """Assert that the other has learned the same in a unit that is larger by this factor."""
    assert model._learner.units is not None
    raws, others = (m._raw_predictions(A) for m, A in [(model, X), (other, in_unit(X, unit))])
    np.testing.assert_array_equal(others, raws)
    for name, power in {"coef_": -1, "z_": 1, "n_": 2}.items():
        one, another = (np.array(getattr(m, name)) for m in (model, other))
        one[..., COLUMN] *= unit**power
        np.testing.assert_array_equal(another, one)
    assert np.any(model.coef_[..., COLUMN])


def numbers(n_rows=60, n_features=12):
    """Return an array of numbers, of which fit measures columns from their mean."""
    return np.random.default_rng(1).normal(1.0, 1.0, (n_rows, n_features))


ROWS = {"sparse": random_rows, "dense": numbers}
each_way = pytest.mark.parametrize("learn", [fit, stream])
each_kind = pytest.mark.parametrize("kind", ROWS)
some_losses = pytest.mark.parametrize(
    "case", ["log_loss", "softmax", "huber", "poisson"], indirect=True
)


# Another unit by a power of 2, and no bit differs


@each_way
@pytest.mark.parametrize(("kind", "unit"), [("sparse", 2.0**10), ("dense", 2.0**-16)])
def test_the_unit_of_a_column_changes_no_bit(case, learn, kind, unit):
    make, y = case
    X = in_unit(ROWS[kind](), unit)
    models = (learn(make(random_state=0), A, y) for A in (X, in_unit(X, 2.0**6)))
    assert_in_unit(*models, 2.0**6, X)


OPTIONS = {  # each with a loss of one output or more, a way to learn, and a kind of rows
    "power .4": ({"learning_rate_power": -0.4}, "log_loss", fit, "sparse"),
    "power 0": ({"learning_rate_power": 0.0}, "softmax", stream, "sparse"),
    "l1": ({"l1": 0.1}, "poisson", fit, "dense"),
    "l2": ({"l2": 0.5, "l2_shrinkage": 0.1}, "log_loss", stream, "sparse"),
    "clips": ({"clipnorm": 0.5}, "log_loss", fit, "sparse"),
    "no intercept": ({"fit_intercept": False}, "softmax", fit, "dense"),
    "start of n": ({"initial_accumulator_value": 0.1}, "huber", stream, "dense"),
    "threads": ({"n_jobs": 2}, "softmax", fit, "sparse"),
    "last iterate": ({"average": False}, "log_loss", fit, "dense"),
    "beta": ({"beta": 0.7}, "softmax", stream, "dense"),
}


@pytest.mark.parametrize(
    ("options", "case", "learn", "kind"), OPTIONS.values(), ids=OPTIONS, indirect=["case"]
)
def test_with_any_option_the_unit_changes_no_bit(options, case, learn, kind):
    make, y = case
    X, weights = in_unit(ROWS[kind](), 2.0**10), np.random.default_rng(0).integers(4, size=60)
    models = (
        learn(make(random_state=0, **options), A, y, sample_weight=weights)
        for A in (X, in_unit(X, 2.0**6))
    )
    assert_in_unit(*models, 2.0**6, X)


@pytest.mark.parametrize(
    ("case", "learn", "kind"),
    [("log_loss", fit, "sparse"), ("softmax", stream, "dense")],
    indirect=["case"],
)
def test_the_unit_of_a_column_changes_no_bit_of_float32(case, learn, kind):
    make, y = case
    X = in_unit(ROWS[kind](), 2.0**10).astype(np.float32)
    one, other = (
        learn(make(random_state=0), A, y) for A in (X, in_unit(X, 2.0**6).astype(np.float32))
    )
    assert_in_unit(one, other, 2.0**6, X)
    assert {a.dtype for a in (one.coef_, one.z_, one.n_)} == {np.dtype(np.float32)}


@some_losses
@each_kind
def test_early_stopping_is_the_same_in_any_unit(case, kind):
    make, y = case
    X = in_unit(ROWS[kind](), 2.0**10)
    one, other = (make(random_state=0).fit(A, y) for A in (X, in_unit(X, 2.0**6)))
    assert one.validation_curve_ == other.validation_curve_
    assert_in_unit(one, other, 2.0**6, X)


@some_losses
@pytest.mark.parametrize(
    ("learn", "kind", "unit"),
    [
        (fit, "sparse", 100.0),
        (fit, "dense", 1e9),
        (stream, "sparse", 1e9),
        (stream, "dense", 1e-3),
    ],
)
def test_any_unit_changes_predictions_by_rounding_alone(case, learn, kind, unit):
    make, y = case
    X = in_unit(ROWS[kind](), 1e4 if unit > 1 else 1e-4)
    one, other = (learn(make(random_state=0), A, y) for A in (X, in_unit(X, unit)))
    raws, others = one._raw_predictions(X), other._raw_predictions(in_unit(X, unit))
    np.testing.assert_allclose(others, raws, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(other.coef_[..., COLUMN] * unit, one.coef_[..., COLUMN], rtol=1e-8)


# The same loss as in the units of the others


def standardised(goal, seed=0, n_rows=1200):
    """Return rows of numbers of mean 0 and variance 1, and targets that they tell of."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 5)) @ (np.eye(5) + 0.3 * rng.normal(size=(5, 5)))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    raw = X @ [0.7, -0.5, 0.0, 0.4, 0.2]
    if goal == "binary":
        return X, (raw + rng.logistic(size=n_rows) > 0).astype(int)
    if goal == "softmax":
        return X, np.argmax(X[:, :3] + 2 * rng.gumbel(size=(n_rows, 3)), axis=1)
    if goal == "poisson":
        return X, rng.poisson(np.exp(0.5 * raw))
    return X, 3.0 + raw + rng.normal(size=n_rows)


GOALS = {
    "binary": (FtrlClassifier, "log_loss"),
    "softmax": (FtrlClassifier, "log_loss"),
    "squared": (FtrlRegressor, "squared_error"),
    "huber": (FtrlRegressor, "huber"),
    "poisson": (FtrlRegressor, "poisson"),
}


def loss_of(model, X, y):
    """Return the mean of the loss that the model has learned by."""
    return model._learner.mean_loss(batch(X, y, np.ones(len(y))))


def fit_loss(goal, X, y):
    """Return the loss of the last rows, of a model that fit has taught the first."""
    estimator, loss = GOALS[goal]
    model = estimator(loss, random_state=0).fit(X[:800], y[:800])
    return loss_of(model, X[800:], y[800:])


def stream_loss(goal, X, y, size=100):
    """Return the mean loss of calls after the first 100 rows, each before it is learned."""
    estimator, loss = GOALS[goal]
    model, losses = estimator(loss), []
    for start in range(0, len(y), size):
        rows = slice(start, start + size)
        losses += [loss_of(model, X[rows], y[rows])] if start >= 100 else []
        partial_fit(model, X[rows], y[rows], labels=y)
    return np.mean(losses)


each_goal = pytest.mark.parametrize("goal", GOALS)


@pytest.mark.compiled
@each_goal
@settings(max_examples=6)
@given(
    to=st.sampled_from([np.array, sparse.csr_array]),
    seed=st.integers(0, 99),
    column=st.integers(0, 4),
    k=st.sampled_from([-3, -2, 2, 3, 4, 5, 6]),
)
def test_a_column_in_any_unit_costs_no_loss(goal, to, seed, column, k):
    X, y = standardised(goal, seed)
    other = to(in_unit(X, 10.0**k, column))
    assert fit_loss(goal, other, y) <= 1.02 * fit_loss(goal, to(X), y)
    assert stream_loss(goal, other, y) <= 1.05 * stream_loss(goal, to(X), y)


COLUMNS = {
    "noise": lambda n: 1e4 * np.random.default_rng(9).normal(size=n),
    "year": lambda n: np.random.default_rng(9).integers(1990, 2020, n),
    "constant": lambda n: np.full(n, -1e6),
    "tiny constant": lambda n: np.full(n, 1e-5),
    "nearly constant": lambda n: 1e9 + np.random.default_rng(9).normal(size=n),
}


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("goal", "column"), [*zip(GOALS, COLUMNS.values(), strict=True)], ids=COLUMNS
)
@each_form
def test_a_column_that_tells_nothing_costs_no_loss(goal, form, column):
    X, y = standardised(goal)
    more = np.c_[X, column(len(y))]
    assert fit_loss(goal, form(more), y) <= 1.02 * fit_loss(goal, form(X), y)
    assert stream_loss(goal, form(more), y) <= 1.05 * stream_loss(goal, form(X), y)


@pytest.mark.compiled
@each_goal
@pytest.mark.parametrize(
    ("to", "start", "step"),
    [(np.array, 0, 1), (sparse.csr_array, 1.7e9, 60)],
    ids=["row number", "unix time"],
)
def test_fit_takes_time_in_any_unit(goal, to, start, step):
    X, y = standardised(goal)
    time = np.arange(len(y))
    good = np.c_[X, (time - time.mean()) / time.std()]
    assert fit_loss(goal, to(np.c_[X, start + step * time]), y) <= 1.02 * fit_loss(goal, good, y)


@pytest.mark.compiled
@pytest.mark.parametrize(("goal", "size"), [*((goal, 100) for goal in GOALS), ("softmax", 1)])
def test_a_stream_takes_row_numbers(goal, size):
    X, y = standardised(goal)
    more = np.c_[X, np.arange(len(y))]
    assert stream_loss(goal, more, y, size) <= 1.05 * stream_loss(goal, X, y, size)


# What does not stand out learns as it is


def click_log():
    """Return one-hot rows: ids of eight fields, few of them common."""
    ids = np.random.default_rng(0).zipf(1.5, (300, 8)) % 50 + 50 * np.arange(8)
    return sparse.csr_array((np.ones(2400), ids.ravel(), np.arange(0, 2401, 8)), shape=(300, 400))


def counts():
    """Return how often words are in texts, few of which are common."""
    rng = np.random.default_rng(0)
    X = sparse.csr_array(rng.poisson(2.0 / np.arange(1, 401), (300, 400)).astype(float))
    X.data[::50] += 4.0
    return X


TEXTS = {
    "one-hot": click_log,
    "counts": counts,
    "tf-idf": lambda: TfidfTransformer().fit_transform(counts()),
    "hashed": lambda: (
        counts() @ sparse.csr_array(np.sign(np.random.default_rng(0).normal(size=(400, 64))))
    ),
    "normal": lambda: sparse.csr_array(np.random.default_rng(0).normal(size=(300, 20))),
    "min-max": lambda: np.random.default_rng(0).random((300, 20)),
}


@each_way
@pytest.mark.parametrize("rows", TEXTS.values(), ids=TEXTS)
def test_rows_without_such_columns_learn_at_one_rate_bit_for_bit(rows, learn):
    X, y = rows(), random_targets(300)
    params = {"fit_intercept": False, "average": False, "random_state": 0}
    auto = learn(FtrlClassifier(**params), X, y)
    assert auto._learner.units is None
    numbers = {"learning_rate": auto.learning_rate_, "beta": auto.beta_}
    given = learn(FtrlClassifier(**numbers, **params), X, y)
    assert_same_bits(given, auto)


def test_a_rare_large_column_among_many_rows_is_found():
    X = np.random.default_rng(0).normal(size=(5000, 4))
    X = np.c_[X, np.zeros(5000)]
    X[[17, 4000], 4] = 1e6, -1e6
    model = fit(FtrlClassifier(), sparse.csr_array(X), random_targets(5000))
    np.testing.assert_array_equal(model._learner.units.features, [4])
    np.testing.assert_allclose(model._learner.units.size, 1e6, rtol=0.1)


# Numbers for all columns


@pytest.mark.parametrize(
    "rate", [0.5, lambda t: 0.5 / np.sqrt(1.0 + t)], ids=["number", "schedule"]
)
@each_way
def test_an_explicit_learning_rate_is_that_of_all_columns(learn, rate):
    X, y = in_unit(random_rows(), 1e4), random_targets()
    for beta in (1.0, "auto"):
        model = learn(FtrlClassifier(learning_rate=rate, beta=beta), X, y)
        assert model._learner.units is None


def to_numbers(model):
    return model.set_params(learning_rate=0.1, beta=1.0)


def to_auto(model):
    return model.set_params(learning_rate="auto", beta="auto")


def touch(model):
    """Let the parameters of now act, by a row that teaches next to nothing."""
    model.partial_fit(sparse.csr_array((1, 12)), [1], sample_weight=[1e-300])


@some_losses
@each_kind
@pytest.mark.parametrize(
    ("learn", "options"), [(fit, {"l1": 0.1}), (stream, {})], ids=["fit", "stream"]
)
def test_numbers_after_auto_keep_the_weights(case, learn, kind, options):
    make, y = case
    X = in_unit(ROWS[kind](120), 2.0**10)
    model = learn(make(**options), X, np.r_[y, y])
    coef, intercept = model.coef_, model.intercept_
    touch(to_numbers(model))
    assert model._learner.units is None
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-9)
    np.testing.assert_allclose(model.intercept_, intercept, rtol=1e-9)
    np.testing.assert_array_equal(model.coef_ == 0, coef == 0)


@some_losses
@each_kind
@pytest.mark.parametrize("before", ["numbers", "beta alone", "auto, then numbers"])
def test_auto_after_numbers_keeps_the_weights_and_finds_units(case, kind, before):
    make, y = case
    X, y = in_unit(ROWS[kind](120), 2.0**6), np.r_[y, y]
    model = make(beta="auto" if before == "beta alone" else 1.0, l1=1e-3)
    if before == "auto, then numbers":
        to_numbers(stream(model, X, y))
    else:
        model.set_params(learning_rate=0.01)
    stream(model, X, y)
    coef, intercept = model.coef_, model.intercept_
    model, _ = to_auto(model)._prepared(X, y)  # and has not yet learned
    np.testing.assert_array_equal(model._learner.units.features, [COLUMN])
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-9)
    np.testing.assert_allclose(model.intercept_, intercept, rtol=1e-9)
    np.testing.assert_array_equal(model.coef_ == 0, coef == 0)


# Streams


def halves(rate=1e4, seed=0, n_rows=2000):
    """Return rows of normal numbers, one of them of another unit, and which of two classes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 6))
    y = (X @ [1.0, -1.0, 0.5, 1.5, 0.0, 1.0] + 0.5 * rng.logistic(size=n_rows) > 0).astype(int)
    return X * [1.0, 1.0, 1.0, rate, 1.0, 1.0], y


def progress(X, y, size=100):
    """Return the log loss of each batch of a stream before it is learned, and the model."""
    model, losses = FtrlClassifier(), []
    for start in range(0, len(y), size):
        rows = slice(start, start + size)
        losses += [loss_of(model, X[rows], y[rows])] if start else []
        model.partial_fit(X[rows], y[rows], classes=[0, 1])
    return np.array(losses), model


@pytest.mark.parametrize(
    ("form", "size", "n_rows"),
    [(np.asarray, 100, 2000), (sparse.csr_array, 10, 2000), (np.asarray, 1, 1000)],
)
def test_a_column_that_comes_later_in_another_unit_is_learned_as_well(form, size, n_rows):
    X, y = halves(n_rows=n_rows)
    X[:300, 3] = 0.0
    good, _ = progress(form(X / [1.0, 1.0, 1.0, 1e4, 1.0, 1.0]), y, size)
    losses, model = progress(form(X), y, size)
    assert 1e3 < model._learner.units.size[0] < 1e5
    assert losses[400 // size :].mean() <= 1.05 * good[400 // size :].mean()


@each_form
def test_rows_that_are_larger_than_the_first_are_learned_as_well(form):
    X, y = halves(1.0)
    good, _ = progress(form(X), y)
    X[:200] /= 100.0
    losses, _ = progress(form(X), y)
    assert losses[4:].mean() <= 1.05 * good[4:].mean()


@each_form
def test_a_column_whose_unit_changes_is_learned_anew(form):
    X, y = halves(1.0)
    good, _ = progress(form(X), y)
    X[1000:, 3] *= 1e3
    losses, _ = progress(form(X), y)
    assert losses[12:].mean() <= 1.05 * good[12:].mean()


@pytest.mark.parametrize(
    ("form", "size", "loss", "columns"),
    [
        (np.asarray, 100, "log_loss", 3),
        (sparse.csr_array, 100, "hinge", slice(None)),
        (np.asarray, 10, "modified_huber", slice(None)),
        (sparse.csr_array, 1, "log_loss", 3),
    ],
)
def test_a_row_a_million_times_larger_does_not_throw_the_model(form, size, loss, columns):
    X, y = halves(1.0)
    X[1000, columns] *= 1e6
    model = FtrlClassifier(loss)
    for start in range(0, 1000, size):
        rows = slice(start, start + size)
        model.partial_fit(form(X[rows]), y[rows], classes=[0, 1])
    before = model.score(X[1400:], y[1400:])
    model.partial_fit(form(X[1000:1001]), y[1000:1001])
    assert model.score(X[1400:], y[1400:]) > before - 0.06  # for want of half a weight
    for start in range(1001, 1400, size):
        rows = slice(start, min(start + size, 1400))
        model.partial_fit(form(X[rows]), y[rows])
    assert model.score(X[1400:], y[1400:]) > before - 0.02


def test_a_growing_unit_leaves_z_and_n_as_they_are_and_weights_fall():
    X, y = halves(1.0)
    model = FtrlClassifier().partial_fit(X[:200], y[:200], classes=[0, 1])
    coef, z, n = model.coef_, model.z_, model.n_
    draft, _ = model._prepared(np.eye(6)[[3, 3, 3]] * 1e3, [0, 1, 0])
    np.testing.assert_array_equal(draft.z_, z)
    np.testing.assert_array_equal(draft.n_, n)
    others = np.arange(6) != 3
    np.testing.assert_array_equal(draft.coef_[0, others], coef[0, others])
    assert 0.0 < draft.coef_[0, 3] / coef[0, 3] <= 1 / 8


def test_a_refused_row_makes_no_unit_grow():
    X, y = halves(1.0)
    model = FtrlClassifier().partial_fit(X[:200], y[:200], classes=[0, 1])
    before = pickle.dumps(model)
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(np.where(X[200:300] > 1.0, np.nan, 1e6), y[200:300])
    assert pickle.dumps(model) == before


@pytest.mark.parametrize("size", [1, 10])
def test_the_first_rows_give_the_same_units_however_they_come(size):
    X, y = halves()
    one = FtrlClassifier().partial_fit(X[:100], y[:100], classes=[0, 1])
    other = FtrlClassifier()
    for start in range(0, 100, size):
        rows = slice(start, start + size)
        other.partial_fit(X[rows], y[rows], classes=[0, 1])
    np.testing.assert_allclose(other._learner.units.size, one._learner.units.size)
    np.testing.assert_allclose(other.coef_, one.coef_, rtol=1e-9)


# The life of a model


@some_losses
@each_kind
def test_parts_whose_units_have_grown_apart_are_merged_alike_in_any_unit(case, kind):
    make, y = case
    X, y, models = ROWS[kind](120), np.r_[y, y], []
    X = in_unit(X, 2.0**10)
    for rows in (X, in_unit(X, 2.0**6)):
        start = stream(make(), rows, y, size=120)
        parts = [copy.deepcopy(start) for _ in range(3)]
        stream(parts[0], rows[:40], y[:40])
        stream(parts[1], in_unit(rows[40:80], 1e2), y[40:80])
        stream(parts[2], in_unit(in_unit(rows[80:], 1e6), 1e2, 5), y[80:])
        models.append(merge(parts, start=start))
    assert_in_unit(*models, 2.0**6, X)
    sizes = [part._learner.units.sizes(12) for part in parts]
    np.testing.assert_array_equal(models[1]._learner.units.sizes(12), np.max(sizes, axis=0))
    assert len(set(np.transpose(sizes)[COLUMN])) == 3


@some_losses
@each_kind
def test_a_part_that_has_grown_merged_with_one_that_has_learned_nothing_is_that_part(case, kind):
    make, y = case
    X, y = in_unit(ROWS[kind](120), 1e4), np.r_[y, y]
    start = stream(make(), X, y, size=120)
    part = stream(copy.deepcopy(start), in_unit(X, 1e3), y)
    assert_same_bits(merge([part, start], start=start), part)
    assert_same_bits(merge([start, part], start=start), part)


def test_parts_from_other_processes_are_merged_alike():
    X, y = in_unit(random_rows(120), 1e4), random_targets(120)
    start = FtrlClassifier().partial_fit(X, y, classes=[0, 1])
    parts = [stream(copy.deepcopy(start), in_unit(X, unit), y) for unit in (1.0, 1e3)]
    sent = [pickle.loads(pickle.dumps(part)) for part in parts]
    assert_same_bits(merge(sent, start=start), merge(parts, start=start))


def test_dask_learns_a_column_that_comes_later_in_another_unit():
    distributed, da = map(pytest.importorskip, ["distributed", "dask.array"])
    dask_estimator = importlib.import_module("sklearn_ftrl.dask").DaskFtrlClassifier
    X, y = halves()
    X[:300, 3] = 0.0
    with distributed.Client(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as client:
        rows, labels = da.from_array(X[:1500], (300, 6)), da.from_array(y[:1500], 300)
        model = dask_estimator(client=client).fit(rows, labels).to_local()
    assert 1e3 < model._learner.units.size[0] < 1e5
    assert model.score(X[1500:], y[1500:]) > 0.85


@some_losses
@each_kind
def test_files_copies_and_warm_starts_go_on_in_units(case, kind):
    make, y = case
    X = in_unit(ROWS[kind](), 2.0**10)
    models = []
    for rows in (X, in_unit(X, 2.0**6)):
        model = fit(make(random_state=0, warm_start=True), rows, y)
        model = pickle.loads(pickle.dumps(copy.deepcopy(model)))
        models.append(stream(fit(model, rows, y), in_unit(rows, 1e3), y))
    assert_in_unit(*models, 2.0**6, X)


@each_kind
def test_a_warm_start_makes_units_grow(kind):
    X, y = in_unit(ROWS[kind](), 1e4), random_targets()
    model = fit(FtrlClassifier(warm_start=True), X, y)
    before = model._learner.units.size
    for make in (copy.deepcopy, lambda model: copy.deepcopy(model).sparsify()):
        later = fit(make(model), in_unit(X, 1e3), y)
        assert np.all(later._learner.units.size > 10 * before)


def test_sparsified_weights_are_those_of_the_units_of_x(case):
    make, y = case
    X = in_unit(random_rows(), 1e4)
    model = fit(make(l1=0.1), X, y)
    coef, raws = model.coef_, model._raw_predictions(X)
    model.sparsify()
    np.testing.assert_array_equal(model.coef_.toarray(), np.atleast_2d(coef))
    np.testing.assert_allclose(model._raw_predictions(X), raws, rtol=1e-9, atol=1e-12)


@each_form
@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_classes_that_come_later_are_learned_in_the_same_units(form, loss):
    X, y, models = normal(120), random_targets(120, 4), []
    for unit in (1.0, 2.0**6):
        rows = form(in_unit(X, unit, 2))
        known = y < 2
        model = FtrlClassifier(loss).partial_fit(rows[known], y[known], classes=[0, 1])
        for classes in (3, 4):
            seen = y < classes
            model.partial_fit(rows[seen], y[seen], classes=range(classes))
        models.append(model)
    one, other = models
    np.testing.assert_array_equal(other.coef_[:, 2] * 2.0**6, one.coef_[:, 2])
    np.testing.assert_array_equal(other._raw_predictions(rows), one._raw_predictions(form(X)))


@each_way
@each_kind
def test_one_more_example_moves_the_log_odds_by_no_more_than_the_uncertainty_score(learn, kind):
    X, y = in_unit(ROWS[kind](120), 1e4), random_targets(120)
    model = learn(FtrlClassifier(), X[:100], y[:100])
    bounds, before = model.uncertainty_score(X[100:]), model.decision_function(X[100:])
    assert bounds.max() < 10.0
    for k in range(20):
        more = copy.deepcopy(model).partial_fit(X[100 + k : 101 + k], y[100 + k : 101 + k])
        moved = abs(more.decision_function(X[100 + k : 101 + k])[0] - before[k])
        assert moved <= bounds[k] * (1 + 1e-9)


@each_way
@each_kind
def test_onnx_computes_with_weights_in_the_units_of_x(learn, kind):
    skl2onnx, onnxruntime = map(pytest.importorskip, ["skl2onnx", "onnxruntime"])
    importlib.import_module("sklearn_ftrl.onnx").register()
    X = in_unit(np.asarray(numbers()) if kind == "dense" else random_rows().toarray(), 1e4)
    model = learn(FtrlRegressor(), X, random_targets(n_classes=9))
    graph = skl2onnx.to_onnx(model, X[:1])
    [raws] = onnxruntime.InferenceSession(graph.SerializeToString()).run(None, {"X": X})
    np.testing.assert_allclose(raws.ravel(), model.predict(X), rtol=1e-6, atol=1e-6)


@each_way
def test_skops_loads_units_if_it_trusts_what_is_exported(learn):
    io = pytest.importorskip("skops.io")
    X, y = in_unit(numbers(), 1e4), random_targets()
    model = learn(FtrlClassifier(), X, y)
    data = io.dumps(model)
    assert "sklearn_ftrl._units.Units" in io.get_untrusted_types(data=data)
    loaded = io.loads(data, trusted=SKOPS_TRUSTED)
    assert_same_bits(loaded, model)
    assert_same_bits(stream(loaded, X, y), stream(model, X, y))


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_array, np.asfortranarray])
@pytest.mark.parametrize("scoring", [None, "neg_log_loss"])
def test_other_forms_of_an_array_are_validated_and_predicted_alike(form, scoring):
    X, y = in_unit(numbers(90), 1e4), random_targets(90)
    one, other = (
        FtrlClassifier(random_state=0, scoring=scoring, max_iter=4).fit(
            X[:60], y[:60], X_val=to(X[60:]), y_val=y[60:]
        )
        for to in (np.asarray, form)
    )
    np.testing.assert_allclose(other.validation_curve_, one.validation_curve_)
    raws = one.decision_function(X)
    np.testing.assert_allclose(one.decision_function(form(X)), raws, rtol=1e-9, atol=1e-12)
    assert one.score(form(X), y) == one.score(X, y)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("calls", [1, 2, 5, 13])
def test_a_fit_that_fails_in_any_epoch_leaves_a_model_about_0(monkeypatch, calls, error):
    X, y = halves()
    X[:, 3] += 1e6
    learn, count = Learner.learn, iter(range(1, 100))

    def fails(self, *args, **kwargs):
        loss = learn(self, *args, **kwargs)
        if next(count) == calls:
            raise error
        return loss

    model = FtrlClassifier(max_iter=6, tol=0.0, n_iter_no_change=6, random_state=0)
    monkeypatch.setattr(Learner, "learn", fails)
    with pytest.raises(error):
        model.fit(X[:1000], y[:1000])
    monkeypatch.undo()
    assert not model._learner.is_centered
    assert model.score(X[1000:], y[1000:]) > 0.8
    raws = model.decision_function(X)
    np.testing.assert_allclose(model.decision_function(sparse.csr_array(X)), raws, rtol=1e-9)
    dense, other = (
        stream(copy.deepcopy(model), to(X[1000:1500]), y[1000:1500])
        for to in (np.asarray, sparse.csr_array)
    )
    np.testing.assert_allclose(other.coef_, dense.coef_, rtol=1e-6)
    assert dense.score(X[1500:], y[1500:]) > 0.8


@pytest.mark.compiled
def test_partial_fit_goes_on_from_a_fit_of_columns_far_from_0():
    X, y = halves()
    good = FtrlClassifier(random_state=0).fit(X[:1000], y[:1000])
    far = FtrlClassifier(random_state=0).fit(X[:1000] + 1e5, y[:1000])
    before = loss_of(good, X[1500:], y[1500:])
    np.testing.assert_allclose(loss_of(far, X[1500:] + 1e5, y[1500:]), before, rtol=1e-3)
    stream(far, X[1000:1020] + 1e5, y[1000:1020], size=1)
    assert loss_of(far, X[1500:] + 1e5, y[1500:]) < 1.5 * before


def test_a_weight_that_float32_cannot_hold_is_predicted_with_and_refused_as_an_attribute():
    X, y = in_unit(numbers(), 1e-37).astype(np.float32), 1e4 * numbers()[:, COLUMN]
    model = stream(FtrlRegressor(), X, y)
    assert np.isfinite(model.predict(X)).all()
    with pytest.raises(ValueError, match="too large for float32"):
        _ = model.coef_
    huge = stream(FtrlRegressor(), in_unit(numbers(), 1e30).astype(np.float32), y)
    assert huge.n_[COLUMN] == np.inf
    assert np.isfinite(huge.coef_).all()


@pytest.mark.parametrize("to", [np.array, sparse.csr_array], ids=["array", "csr"])
def test_a_column_that_is_tiny_and_the_same_in_all_rows_is_not_made_larger(to):
    X = np.c_[np.random.default_rng(0).normal(size=(200, 3)), np.full(200, -0.03)]
    model = FtrlClassifier(random_state=0).fit(to(X), X[:, 0] > 0)
    assert np.abs(model.coef_[0, 3]) < 1.0  # as -0.03, it would weigh thirty times that


@each_form
def test_a_number_that_stands_out_in_a_row_of_weight_0_has_no_say(form):
    rows = of(form(np.array([[1.0], [100.0], [1.0]])), np.array([1.0, 0.0, 1.0]))
    assert grown(None, 1.0, rows, 1) is None


def test_rows_of_ones_in_a_column_that_stands_out_are_learned_as_any_others():
    X = normal(sizes=[0.0, 1e3, 1e3])
    X[::2] = [1.0, 0.0, 0.0]
    one, other = (
        FtrlClassifier(random_state=0, **FEW).fit(sparse.csr_array(rows), random_targets())
        for rows in (X, 2.0 * X)
    )
    np.testing.assert_allclose(one.coef_, 2.0 * other.coef_, rtol=1e-9)


def test_rows_of_wide_columns_are_put_in_units_without_a_look_at_all_columns():
    units = of_sizes(np.array([3, 2**40]), np.array([4.0, 10.0]))
    X = sparse.csr_array(([8.0, 5.0, 20.0], [3, 7, 2**40], [0, 2, 3]), shape=(2, 2**41))
    np.testing.assert_array_equal(units.rows(as_rows(X)).data, [2.0, 5.0, 2.0])
