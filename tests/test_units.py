"""Columns whose size stands out: the units that they are learned in under "auto"."""

import copy
import pickle

import numpy as np
import pytest
from oracle import FEW, LAST, NUMBERS, partial_fit, random_targets
from scipy import sparse

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, merge
from sklearn_ftrl._learner import Learner
from sklearn_ftrl._rows import batch
from sklearn_ftrl._units import Units, find_units, grown

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
@pytest.mark.parametrize("constant", [5e4, 5e4 * (1.0 + 1e-16 * np.arange(20))])
def test_a_column_that_is_the_same_in_all_rows_does_not_stand_out(form, constant):
    D = signs(1.0, 1.0, 1.0)
    D[:, 2] = constant
    units, typical = find_units(of(form(D)), 3, centered=False)
    assert (units, typical) == (None, pytest.approx(1.0))


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
    units = Units(np.array([0, 2]), np.array([4.0, 1000.0]), np.zeros(2))
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
    units = Units(np.array([1, 2]), np.array([1.0, 1000.0]), np.array([3.0, -5.0]))
    expected = (D - [0, 3, -5, 0, 0]) / [1, 1, 1000, 1, 1]
    np.testing.assert_allclose(units.rows(of(D).rows).data.reshape(D.shape), expected)


@each_form
def test_units_grow_until_no_number_stands_out(form):
    D = signs(1.0, 2.0, 3.0, 4.0)
    D[3] = [0.0, 500.0, -8.0, -4000.0]
    units = Units(np.array([2, 3]), np.array([7.0, 100.0]), np.zeros(2))
    more = grown(units, 2.0, of(form(D)), 4)
    np.testing.assert_array_equal(more.features, [1, 2, 3])
    np.testing.assert_allclose(more.size, [500.0 / 20.0, 7.0, 4000.0 / 20.0])
    assert np.abs(more.rows(of(form(D)).rows).data).max() == pytest.approx(20.0)
    alone = grown(None, 2.0, of(form(D)), 4)
    np.testing.assert_allclose(alone.size, [500.0 / 20.0, 4000.0 / 20.0])


@each_form
@pytest.mark.parametrize("units", [None, Units(np.array([3]), np.array([200.0]), np.zeros(1))])
def test_units_that_suffice_are_the_same(form, units):
    D = signs(1.0, 20.0, 3.0, 4.0)
    D[3, 3] = 20.0 if units is None else 4000.0
    assert grown(units, 2.0, of(form(D)), 4) is units


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
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("power", [-0.5, -0.3])
def test_the_unit_of_a_column_that_stands_out_changes_no_prediction(task, form, method, power):
    make, y = task
    factor = np.array([1.0, 1.0, 1e3, 1e-2, 1.0])
    D, models = normal(), []
    for X in (D, D * factor):
        model = make(learning_rate_power=power, shuffle=False, **FEW)
        learn = model.fit if method == "fit" else lambda X, y, m=model: partial_fit(m, X, y)
        models.append(learn(form(X), y))
    one, other = models
    np.testing.assert_allclose(raws(other, form(D * factor)), raws(one, form(D)), rtol=1e-7)
    np.testing.assert_allclose(other.coef_ * factor, one.coef_, rtol=1e-7)
    np.testing.assert_allclose(other.intercept_, one.intercept_, rtol=1e-7)
    if method == "partial_fit":
        np.testing.assert_allclose(other.z_ / factor, one.z_, rtol=1e-7)
        np.testing.assert_allclose(other.n_ / factor**2, one.n_, rtol=1e-7)


def test_explicit_numbers_are_those_of_all_columns(task):
    make, y = task
    D = normal()
    model = make(**NUMBERS, shuffle=False, max_iter=1, tol=None, **LAST).fit(D, y)
    assert model._learner.units is None
    weight = -model.z_ / ((1.0 + np.sqrt(model.n_)) / 0.5)
    np.testing.assert_allclose(model.coef_, weight, rtol=1e-12)


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


@each_form
def test_a_number_that_stands_out_later_makes_the_unit_grow_and_the_weight_fall(form):
    D = normal(300, np.ones(4))
    y = (D @ [1.0, -1.0, 1.0, 0.0] > 0) * 1
    model = FtrlClassifier().partial_fit(form(D[:200]), y[:200], classes=[0, 1])
    coef, n = model.coef_, model.n_
    D[200, 1] = 1e6
    model.partial_fit(form(D[200:201]), y[200:201])
    assert abs(model.coef_[0, 1]) < 1e-3 * abs(coef[0, 1])
    np.testing.assert_allclose(model.coef_[0, [0, 2, 3]], coef[0, [0, 2, 3]], atol=0.5)
    assert model.n_[0, 1] >= n[0, 1] * (1 - 1e-12)
    model.partial_fit(form(D[201:]), y[201:])
    assert np.abs(model.coef_).max() < 10.0


@pytest.mark.parametrize("numbers", ["both", "learning_rate", "beta"])
def test_numbers_after_auto_keep_the_weights_of_columns_that_stand_out(task, numbers):
    make, y = task
    D, y = normal(120), np.tile(y, 2)
    model = partial_fit(make(), D, y)
    coef, intercept = model.coef_, model.intercept_
    given = {"learning_rate": model.learning_rate_, "beta": model.beta_}
    model.set_params(**{name: given[name] for name in given if numbers in ("both", name)})
    partial_fit(model, 0.0 * D[:1], y[:1], sample_weight=[1e-300], labels=y)
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-9)
    np.testing.assert_allclose(model.intercept_, intercept, rtol=1e-9)
    assert (model._learner.units is None) == (numbers != "beta")


def test_models_in_units_are_merged_though_a_part_s_has_grown(task):
    make, y = task
    D = normal(120)
    y = np.tile(y, 2)
    start = partial_fit(make(), D, y)
    parts = [copy.deepcopy(start) for _ in range(2)]
    partial_fit(parts[0], D[:60], y[:60])
    wide = D[60:].copy()
    wide[5, 0] = 1e5
    partial_fit(parts[1], wide, y[60:])
    model = merge(parts, start=start)
    assert model.t_ == 240
    assert np.isfinite(model._raw_predictions(D)).all()
    alone = merge(parts[:1], start=start)
    np.testing.assert_allclose(alone.coef_, parts[0].coef_, rtol=1e-9)


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
