"""partial_fit may leave it to the kernel to check rows: nothing but time may show it."""

import copy

import numpy as np
import pytest
from oracle import NUMBERS
from scipy import sparse

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, _kernel, _rows

N_FEATURES = 12


def csr(data, indices, indptr):
    """Return a matrix of these arrays, whatever they are."""
    X = sparse.csr_matrix((0, N_FEATURES))
    X.data, X.indices, X.indptr = data, indices, indptr
    X._shape = (indptr.size - 1, N_FEATURES)
    return X


def rows(n_rows=120, seed=0):
    """Return rows of 3 to 9 ones or other numbers."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(3, 10, n_rows)
    indices = np.concatenate([np.sort(rng.permutation(N_FEATURES)[:size]) for size in sizes])
    data = np.where(rng.random(indices.size) < 0.8, 1.0, rng.normal(size=indices.size))
    return csr(data, indices.astype(np.int32), np.r_[0, np.cumsum(sizes)].astype(np.int32))


def with_number(number):
    def change(X):
        X.data[-2] = number

    return change


def with_index(index):
    def change(X):
        X.indices[-1] = index

    return change


def with_wide_index(index):
    def change(X):
        X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
        X.indices[-1] = index

    return change


def with_order(X):
    X.indices[-3:] = X.indices[-3:][::-1].copy()


def with_duplicate(X):
    X.indices[-2] = X.indices[-1]


def with_room(X):
    X.data, X.indices = np.r_[X.data, np.nan], np.r_[X.indices, -1]


def with_end(X):
    X.indptr[-1] += 1


def with_fall(X):
    X.indptr[5] = X.indptr[7]


def with_unsigned_fall(X):
    X.indptr = X.indptr.astype(np.uint64)
    with_fall(X)


def with_wrap(X):
    X.indptr[:33] = (np.arange(33) * 2**27).astype(np.int32)


def same(X):
    pass


FINE = {
    "fine": same,
    "not sorted": with_order,
    "a duplicate": with_duplicate,
    "room": with_room,
    "a large number": with_number(1e3),
    "a huge number": with_number(1e160),
}
FAULTS = {
    "NaN": with_number(np.nan),
    "inf": with_number(np.inf),
    "-inf": with_number(-np.inf),
    "a negative index": with_index(-1),
    "a large index": with_index(N_FEATURES),
    "a huge index": with_index(2**31 - 1),
    "an index that a product wraps": with_wide_index(2**62 + 3),
    "an index far beyond memory": with_wide_index(2**62 + 2**45),
    "an end": with_end,
    "a fall": with_fall,
    "an unsigned fall": with_unsigned_fall,
    "a wrap": with_wrap,
}
MODELS = {
    "numbers": (FtrlClassifier, NUMBERS, 2),
    "softmax": (FtrlClassifier, NUMBERS, 4),
    "hinge": (FtrlClassifier, NUMBERS | {"loss": "hinge"}, 2),
    "auto": (FtrlClassifier, {}, 2),
    "regression": (FtrlRegressor, NUMBERS, None),
}


@pytest.fixture(params=MODELS)
def begun(request):
    """Return a function that makes a model of some rows, and targets."""
    estimator, params, n_classes = MODELS[request.param]
    rng = np.random.default_rng(1)
    y = rng.normal(size=120) if n_classes is None else rng.integers(n_classes, size=120)

    def make():
        classes = {} if n_classes is None else {"classes": np.arange(n_classes)}
        return estimator(**params).partial_fit(rows(240, seed=2), np.tile(y, 2), **classes)

    return make, y


@pytest.fixture
def n_unchecked(monkeypatch):
    """Return a list that counts the calls whose rows the kernel checks."""
    calls, unchecked = [], _rows.unchecked

    def counted(*arguments):
        found = unchecked(*arguments)
        calls.append(found is not None)
        return found

    monkeypatch.setattr(_rows, "unchecked", counted)
    return calls


def everything(model):
    names = ["z_", "n_", "intercept_z_", "intercept_n_", "t_", "loss_curve_", "alpha_"]
    return [np.array(getattr(model, name)) for name in names if hasattr(model, name)]


def outcome(model, X, y):
    """Return the error of partial_fit, if any, and the model after it."""
    error = None
    try:
        model.partial_fit(X, y)
    except ValueError as raised:
        error = str(raised)
    return error, everything(model)


@pytest.mark.parametrize("kind", FINE | FAULTS)
def test_the_model_and_the_error_are_those_of_rows_that_are_looked_at_before(
    begun, kind, n_unchecked
):
    make, y = begun
    X, looks_first = rows(), make()
    (FINE | FAULTS)[kind](X)
    looks_first._trusted = lambda X: 0.0
    np.testing.assert_equal(outcome(make(), X, y), outcome(looks_first, X, y))
    assert n_unchecked == [kind not in ("an end", "a fall", "an unsigned fall", "a wrap")]


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_in_the_last_row_is_an_error_and_changes_nothing(begun, kind):
    make, y = begun
    X, model = rows(), make()
    FAULTS[kind](X)
    error, after = outcome(model, X, y)
    assert error
    np.testing.assert_equal(after, everything(make()))


@pytest.mark.parametrize("change", [same, with_number(np.nan)], ids=["fine", "NaN"])
def test_another_estimator_of_the_same_arrays_stays_as_it_is(begun, change):
    make, y = begun
    X, model = rows(), make()
    change(X)
    other = copy.copy(model)
    outcome(model, X, y)
    np.testing.assert_equal(everything(other), everything(make()))


def test_a_fault_is_named_where_the_state_is_read_only(begun):
    make, y = begun
    X, model = rows(), make()
    with_number(np.nan)(X)
    model._learner.state.flags.writeable = False
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(X, y)


def test_after_a_fault_the_model_learns_as_if_it_had_not_been(begun):
    make, y = begun
    X, model, other = rows(), make(), make()
    with_number(np.nan)(X)
    outcome(model, X, y)
    for each in (model, other):
        each.partial_fit(rows(seed=3), y)
    np.testing.assert_equal(everything(model), everything(other))


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_a_fault_in_a_row_of_any_weight_is_an_error(begun, weight):
    make, y = begun
    X, weights = rows(), np.ones(120)
    with_number(np.nan)(X)
    weights[-1] = weight
    with pytest.raises(ValueError, match="NaN"):
        make().partial_fit(X, y, sample_weight=weights)


def test_a_row_too_large_for_the_state_ends_the_call_where_it_is():
    X, y = rows(), np.arange(120) % 2
    model = FtrlClassifier(**NUMBERS).partial_fit(X, y, classes=[0, 1])
    X.data[X.indptr[60]] = 1e299
    error, _ = outcome(model, X, y)
    assert "row 60 " in error
    assert model.t_ == 180


def test_a_fault_beside_many_new_classes_is_an_error_and_changes_nothing():
    X, y = rows(), np.arange(120) % 2
    model = FtrlClassifier(**NUMBERS).partial_fit(X, y, classes=[0, 1])
    before = everything(model)
    with_index(2**31 - 1)(X)
    with pytest.raises(ValueError, match="out of range"):
        model.partial_fit(X, y, classes=np.arange(_kernel.FEW + 1))
    np.testing.assert_equal(everything(model), before)
    assert model.classes_.tolist() == [0, 1]
