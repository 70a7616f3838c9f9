"""The border: which rows, targets and weights are learned, and which are refused."""

import copy
import tracemalloc

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from oracle import (
    FEW,
    NUMBERS,
    ONE_EPOCH,
    assert_same_bits,
    learned,
    partial_fit,
    random_rows,
)
from scipy import sparse
from sklearn.utils.fixes import parse_version

from sklearn_ftrl import FtrlClassifier
from sklearn_ftrl._rows import as_rows, batch, joined


@pytest.mark.parametrize("container", ["array", "matrix"])
@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "lil", "dok", "dia"])
def test_every_sparse_format_learns_and_predicts_the_same(form, container, kind):
    estimator, y = kind
    X = random_rows()
    other = getattr(sparse, f"{form}_{container}")(X)
    ours, theirs = (estimator(**ONE_EPOCH).fit(rows, y) for rows in (X, other))
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(other))


def test_int32_and_int64_indices_give_the_same_bits(kind):
    estimator, y = kind
    X = random_rows()
    wide = X.copy()
    wide.indices, wide.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    narrow = X.copy()
    narrow.indices, narrow.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
    assert_same_bits(*(estimator(**ONE_EPOCH).fit(rows, y) for rows in (wide, narrow)))


@pytest.mark.parametrize("share_of_zeros", [0.1, 0.9])
def test_sparse_and_dense_input_agree(share_of_zeros, kind):
    estimator, y = kind
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(60, 12)) * (rng.random((60, 12)) >= share_of_zeros)
    X = sparse.csr_array(dense)
    params = {"l1": 0.1, "l2_shrinkage": 0.3, **ONE_EPOCH, **NUMBERS}
    ours, theirs = (estimator(**params).fit(rows, y) for rows in (X, dense))
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        ours._raw_predictions(X), ours._raw_predictions(dense), rtol=1e-12, atol=1e-12
    )


def test_duplicate_and_unsorted_entries_are_summed_in_a_copy(kind):
    estimator, y = kind
    X = random_rows()
    data = np.r_[X.data[: X.indptr[1]][::-1] / 2, X.data[: X.indptr[1]] / 2, X.data[X.indptr[1] :]]
    first = X.indices[: X.indptr[1]]
    indices = np.r_[first[::-1], first, X.indices[X.indptr[1] :]]
    indptr = np.r_[0, X.indptr[1:] + first.size]
    messy = sparse.csr_array((data, indices, indptr), shape=X.shape)
    before = [part.copy() for part in (messy.data, messy.indices, messy.indptr)]
    ours, theirs = (estimator(**ONE_EPOCH).fit(rows, y) for rows in (X, messy))
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-12, atol=1e-12)
    for part, old in zip((messy.data, messy.indices, messy.indptr), before, strict=True):
        np.testing.assert_array_equal(part, old)


def test_a_canonical_flag_that_lies_does_no_harm(kind):
    estimator, y = kind
    X = random_rows()
    X.indices[: X.indptr[1]] = X.indices[: X.indptr[1]][::-1]
    sorted_X = X.copy()
    sorted_X.has_sorted_indices = False
    sorted_X.sort_indices()
    X.has_canonical_format = True
    ours, theirs = (estimator(**ONE_EPOCH).fit(rows, y) for rows in (X, sorted_X))
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)


@pytest.mark.compiled
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_canonical_csr_matrix_is_not_copied(dtype):
    n_rows = 40_000
    indptr = np.arange(0, 50 * n_rows + 1, 50, dtype=np.int64)
    indices = np.tile(np.arange(50, dtype=np.int64), n_rows)
    X = sparse.csr_array((np.ones(50 * n_rows, dtype), indices, indptr), shape=(n_rows, 50))
    y = np.arange(n_rows) % 2
    model = FtrlClassifier().partial_fit(X[:200], y[:200], classes=[0, 1])  # no more are waited for
    model.partial_fit(X[:10], y[:10]).predict_proba(X[:200])  # compiling takes memory too
    tracemalloc.start()
    model.partial_fit(X, y)
    model.predict_proba(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < X.data.nbytes / 2


def test_the_callers_arrays_keep_their_bytes(kind):
    estimator, y = kind
    X, weight = random_rows(), np.linspace(0, 1, 60)
    parts = (X.data, X.indices, X.indptr, y, weight)
    before = [part.tobytes() for part in parts]
    partial_fit(estimator(**FEW).fit(X, y, weight), X, y, sample_weight=weight).predict(X)
    assert [part.tobytes() for part in parts] == before


def test_read_only_and_memory_mapped_rows_are_learned(kind, tmp_path):
    estimator, y = kind
    X = random_rows()
    joblib.dump((X, y), tmp_path / "rows")
    mapped_X, mapped_y = joblib.load(tmp_path / "rows", mmap_mode="r")
    assert isinstance(mapped_X.data, np.memmap)
    assert_same_bits(
        *(estimator(**ONE_EPOCH).fit(*rows) for rows in ((X, y), (mapped_X, mapped_y)))
    )


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_learn_and_keep_their_names(frame, kind):
    estimator, y = kind
    X = random_rows().toarray()
    table = frame({f"column {j}": X[:, j] for j in range(12)})
    ours, theirs = (estimator(**ONE_EPOCH).fit(rows, y) for rows in (X, table))
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)
    if frame is pl.DataFrame and parse_version(sklearn.__version__) < parse_version("1.9"):
        return  # scikit-learn does not read the names of polars
    assert list(theirs.feature_names_in_) == list(table.columns)
    with pytest.raises(ValueError, match="feature names"):
        theirs.predict(table[[*table.columns][::-1]])


def test_the_state_follows_the_float_type_of_the_first_rows(kind):
    estimator, y = kind
    X = random_rows()
    model = partial_fit(estimator(), X.astype(np.float32), y)
    assert model.coef_.dtype == model.z_.dtype == model.n_.dtype == np.float32
    partial_fit(model, X, y)
    assert model.coef_.dtype == np.float32
    double = partial_fit(partial_fit(estimator(), X, y), X.astype(np.float32), y)
    assert double.coef_.dtype == np.float64
    for form in (sparse.csr_array, sparse.csr_array.toarray):
        raws = [model._raw_predictions(form(rows)) for rows in (X, X.astype(np.float32))]
        np.testing.assert_array_equal(*raws)
    np.testing.assert_allclose(model.coef_, double.coef_, rtol=1e-4, atol=1e-5)


# What must not go in


def bad_csr(change):
    """Return rows whose arrays were changed behind scipy's back."""
    X = random_rows()
    change(X)
    return X


BAD_ROWS = {
    "nan": (lambda: np.full((60, 12), np.nan), "NaN"),
    "inf": (lambda: sparse.csr_array(np.full((60, 12), np.inf)), "infinity"),
    "too few rows": (lambda: random_rows()[:59], "inconsistent numbers of samples"),
    "index too large": (lambda: bad_csr(lambda X: X.indices.__setitem__(5, 12)), "valid CSR"),
    "index negative": (lambda: bad_csr(lambda X: X.indices.__setitem__(5, -1)), "valid CSR"),
    "row ends too late": (lambda: bad_csr(lambda X: X.indptr.__setitem__(60, 999)), "valid CSR"),
    "row starts too early": (lambda: bad_csr(lambda X: X.indptr.__setitem__(0, -3)), "valid CSR"),
    "row ends before it starts": (
        lambda: bad_csr(lambda X: X.indptr.__setitem__(30, 0)),
        "valid CSR",
    ),
    "one row too few": (
        lambda: bad_csr(lambda X: setattr(X, "indptr", X.indptr[:-1])),
        "valid CSR",
    ),
    "one index too few": (
        lambda: bad_csr(lambda X: setattr(X, "indices", X.indices[:-1])),
        "valid CSR",
    ),
}


BAD_WEIGHTS = {
    "negative": (np.r_[-0.1, np.ones(59)], "Negative values"),
    "nan": (np.r_[np.nan, np.ones(59)], "sample_weight contains NaN"),
    "inf": (np.r_[np.inf, np.ones(59)], "sample_weight contains infinity"),
    "too short": (np.ones(59), "expected"),
    "two-dimensional": (np.ones((60, 1)), "1D"),
}


@pytest.mark.parametrize("rows", BAD_ROWS)
def test_bad_rows_are_refused_and_change_nothing(rows, trained):
    model, learn, y = trained
    make, message = BAD_ROWS[rows]
    before = learned(model)
    with pytest.raises(ValueError, match=message):
        learn(make(), y)
    assert learned(model) == before


@pytest.mark.parametrize("weights", BAD_WEIGHTS)
def test_bad_weights_are_refused_and_change_nothing(weights, trained):
    model, learn, y = trained
    bad, message = BAD_WEIGHTS[weights]
    before = learned(model)
    with pytest.raises(ValueError, match=message):
        learn(random_rows(), y, sample_weight=bad)
    assert learned(model) == before


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_targets_are_refused_and_change_nothing(bad, trained):
    model, learn, y = trained
    before = learned(model)
    with pytest.raises(ValueError, match=r"Input y contains|unseen"):
        learn(random_rows(), np.where(np.arange(60) == 40, bad, y))
    assert learned(model) == before


def test_another_number_of_features_is_refused_and_changes_nothing(kind):
    estimator, y = kind
    model = estimator(warm_start=True, **FEW).fit(random_rows(), y)
    before = learned(model)
    for method in [model.fit, model.partial_fit]:
        with pytest.raises(ValueError, match="X has 11 features, but Ftrl"):
            method(random_rows()[:, :11], y)
    with pytest.raises(ValueError, match="X has 11 features, but Ftrl"):
        model.predict(random_rows()[:, :11])
    assert learned(model) == before


def test_fit_refuses_weights_that_are_all_zero(kind):
    estimator, y = kind
    with pytest.raises(ValueError, match="at least one non-zero"):
        estimator().fit(random_rows(), y, np.zeros(60))


def test_prediction_refuses_nan_and_inf(kind):
    estimator, y = kind
    model = estimator(l1=1e3, **FEW).fit(random_rows(), y)
    for bad, message in [(np.nan, "contains NaN"), (np.inf, "contains infinity")]:
        dense = random_rows().toarray()
        dense[0, 2] = bad
        for X in (dense, sparse.csr_array(dense), sparse.csr_array(dense[:1])):
            with pytest.raises(ValueError, match=message):
                model.predict(X)
            with pytest.raises(ValueError, match=message):
                copy.deepcopy(model).sparsify().predict(X)


@pytest.mark.parametrize("rows", ["index too large", "row ends too late"])
def test_prediction_refuses_a_corrupt_csr_matrix(rows, kind):
    estimator, y = kind
    model = estimator(**FEW).fit(random_rows(), y)
    for _ in range(2):
        with pytest.raises(ValueError, match="valid CSR"):
            model.predict(BAD_ROWS[rows][0]())
        model.sparsify()


def test_columns_that_are_no_numbers_are_named(kind):
    estimator, y = kind
    frame = pd.DataFrame(
        {"site": "news", "views": np.arange(60.0), "ad": pd.Categorical(["x"] * 60)}
    )
    for make in (pd.DataFrame, pl.from_pandas, pa.Table.from_pandas):
        learned = estimator(**FEW).fit(make(frame.assign(site=1.0, ad=1.0)), y)
        for call in (lambda X: estimator().fit(X, y), learned.predict):
            with pytest.raises(ValueError, match=r"columns \['site', 'ad'\] are not. ColumnHasher"):
                call(make(frame))


def test_a_column_of_dates_beside_numbers_is_named(kind):
    estimator, y = kind
    frame = pd.DataFrame({"day": pd.date_range("2020-01-01", periods=60), "views": 1.0})
    with pytest.raises(TypeError, match=r"columns \['day'\] are not. ColumnHasher"):
        estimator().fit(frame, y)


@pytest.mark.parametrize("rows", [["a text"] * 60, [{"site": "news"}] * 60], ids=["text", "dicts"])
def test_rows_that_are_no_numbers_are_told_what_makes_them_so(rows, kind):
    estimator, y = kind
    with pytest.raises((ValueError, TypeError), match=r"HashingVectorizer of texts, FeatureHasher"):
        estimator().fit(rows, y)


@pytest.mark.parametrize("name", ["sample_weight", "coef_init"])
def test_an_argument_that_is_no_number_is_named(name, kind):
    estimator, y = kind
    with pytest.raises(ValueError, match=f"{name} must be numbers"):
        estimator().fit(random_rows(), y, **{name: ["heavy"] * 60})


def test_the_longest_row_of_two_batches_is_known_whichever_has_it():
    one, other = (batch(np.ones((2, n)), np.zeros(2), np.ones(2)) for n in (3, 5))
    assert joined(one, other).rows.longest == joined(other, one).rows.longest == 5


@pytest.mark.parametrize(("n_zeros", "is_sparse"), [(4, False), (5, True)])
def test_an_array_of_as_many_zeros_as_numbers_is_learned_as_sparse_rows(n_zeros, is_sparse):
    X = np.ones((2, 5))
    X.ravel()[:n_zeros] = 0.0
    assert (as_rows(X).indices is not None) == is_sparse


def test_room_that_scipy_leaves_behind_the_last_row_is_not_read(kind):
    estimator, y = kind
    X = random_rows()
    roomy = X.copy()
    roomy.data = np.r_[X.data, np.full(5, 1e9)]
    roomy.indices = np.r_[X.indices, np.full(5, 2**30)].astype(X.indices.dtype)
    for params in ({}, NUMBERS):
        ours, theirs = (estimator(random_state=0, **params, **FEW).fit(Z, y) for Z in (X, roomy))
        assert_same_bits(ours, theirs)
