import copy
import functools
import io
import itertools
import pickle
import tracemalloc

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import FEW, NUMBERS, random_rows, random_targets
from scipy import sparse
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.utils.fixes import parse_version

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, _learner, _state

ONE_EPOCH = {"max_iter": 1, "tol": None, "shuffle": False}
KINDS = {
    "binary": (FtrlClassifier, 2),
    "multiclass": (FtrlClassifier, 4),
    "many classes": (FtrlClassifier, 11),  # more than _kernel.FEW
    "regression": (FtrlRegressor, 9),
}


@pytest.fixture(params=KINDS)
def kind(request):
    """Return an estimator class and targets for random_rows()."""
    estimator, n_classes = KINDS[request.param]
    return estimator, random_targets(n_classes=n_classes)


@pytest.fixture(params=["fit", "partial_fit"])
def trained(request, kind):
    """Return a trained model, a way to teach it, and targets."""
    estimator, y = kind
    model = estimator(random_state=np.random.RandomState(0), **FEW).fit(random_rows(), y)
    return model, getattr(model, request.param), y


def partial_fit(model, X, y, *args, labels=None, **kwargs):
    """Call partial_fit with the classes that a classifier's first call needs."""
    if isinstance(model, FtrlClassifier):
        kwargs["classes"] = np.unique(y if labels is None else labels)
    return model.partial_fit(X, y, *args, **kwargs)


def learned(model):
    """Return all that a model holds, as bytes."""
    return {name: pickle.dumps(value) for name, value in vars(model).items()}


def state(model):
    """Return the state of a model."""
    return np.concatenate([np.atleast_2d(model.z_), np.atleast_2d(model.n_)]), model.intercept_z_


def assert_same_bits(one, other):
    for a, b in zip(state(one), state(other), strict=True):
        assert a.tobytes() == b.tobytes()


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
    monkeypatch.setattr(_learner, "BLOCK", 30)
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


def test_shuffling_depends_on_random_state_alone(kind):
    estimator, y = kind
    X = random_rows()
    same = [estimator(random_state=0, **FEW).fit(X, y) for _ in range(2)]
    assert_same_bits(*same)
    other = estimator(random_state=1, **FEW).fit(X, y)
    assert not np.array_equal(same[0].z_, other.z_)


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


def test_loss_curve_has_an_entry_an_epoch_and_falls(kind):
    estimator, y = kind
    model = estimator(max_iter=7, tol=None).fit(random_rows(), y)
    assert len(model.loss_curve_) == model.n_iter_ == 7
    assert model.loss_curve_[-1] < model.loss_curve_[0] == model.progressive_loss_


def test_fit_ends_when_the_loss_stops_falling():
    params = {"max_iter": 1000, "early_stopping": False, "random_state": 0}
    model = FtrlClassifier(n_iter_no_change=2, tol=0.01, **params)
    model.fit(random_rows(), random_targets())
    curve, best = model.loss_curve_, model.best_iter_
    assert len(curve) == model.n_iter_ == best + 2 < 1000
    enough = curve[best - 1] - 0.01 * curve[0]  # tol is a fraction of the first epoch's loss
    assert min(curve[best:]) >= enough


def test_fit_warns_where_max_iter_came_first():
    with pytest.warns(ConvergenceWarning, match="max_iter=2") as warned:
        FtrlClassifier(max_iter=2, early_stopping=False).fit(random_rows(), random_targets())
    assert warned[0].filename == __file__


def test_verbose_prints_a_line_an_epoch(capsys):
    FtrlClassifier(max_iter=3, tol=None, verbose=1).fit(random_rows(), random_targets())
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["Epoch 1", "Epoch 2", "Epoch 3"]


def test_verbose_prints_a_line_an_epoch_of_the_refit(capsys):
    params = {"early_stopping": True, "verbose": 1, "random_state": 0}
    model = FtrlClassifier(**params, **FEW).fit(random_rows(), random_targets())
    *search, title = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()][:4]
    assert search == ["Epoch 1", "Epoch 2", "Epoch 3"]
    assert title == f"Refit on all rows, best_iter_={model.best_iter_}"


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
    monkeypatch.setattr(_learner, "BLOCK", 30)
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


# What may go in


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
    params = {"l1": 0.1, "l2_shrinkage": 0.3, **ONE_EPOCH}
    ours, theirs = (estimator(**params).fit(rows, y) for rows in (X, dense))
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        ours._raw_predictions(X), ours._raw_predictions(dense), rtol=1e-12, atol=1e-12
    )


def test_predictions_are_the_linear_function_of_coef(kind):
    estimator, y = kind
    X = random_rows()
    model = estimator(l1=0.1, **FEW).fit(X, y)
    expected = X @ np.atleast_2d(model.coef_).T + model.intercept_
    np.testing.assert_allclose(model._raw_predictions(X), expected, rtol=1e-12, atol=1e-15)


def test_a_few_rows_are_predicted_without_a_look_at_all_weights(kind, monkeypatch):
    estimator, y = kind
    X = random_rows()
    model = estimator(l1=0.1, **FEW).fit(X, y)
    many = model._raw_predictions(X)
    monkeypatch.setattr(_learner.Learner, "weights", None)
    few = [model._raw_predictions(X[[i]]) for i in range(60) if X[[i]].nnz < 12]
    np.testing.assert_allclose(np.concatenate(few), many, rtol=1e-12, atol=1e-14)


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
    model = FtrlClassifier().partial_fit(X[:10], y[:10], classes=[0, 1])
    model.predict_proba(X[:10])  # compiling takes memory too
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
    "one index too few": (
        lambda: bad_csr(lambda X: setattr(X, "indices", X.indices[:-1])),
        "valid CSR",
    ),
}
BAD_WEIGHTS = {
    "negative": (np.r_[-1.0, np.ones(59)], "Negative values"),
    "nan": (np.r_[np.nan, np.ones(59)], "sample_weight contains NaN"),
    "inf": (np.r_[np.inf, np.ones(59)], "sample_weight contains infinity"),
    "too short": (np.ones(59), "expected"),
    "two-dimensional": (np.ones((60, 1)), "1D"),
}
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


@pytest.mark.parametrize("parameter", BAD_PARAMETERS, ids=str)
def test_bad_parameters_are_refused_and_change_nothing(parameter, trained):
    model, learn, y = trained
    model.set_params(**parameter)
    before = learned(model)
    with pytest.raises((ValueError, TypeError), match=f"The '{next(iter(parameter))}' parameter"):
        learn(random_rows(), y)
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


@pytest.mark.parametrize("rows", ["index too large", "row ends too late"])
def test_prediction_refuses_a_corrupt_csr_matrix(rows, kind):
    estimator, y = kind
    model = estimator(**FEW).fit(random_rows(), y)
    for _ in range(2):
        with pytest.raises(ValueError, match="valid CSR"):
            model.predict(BAD_ROWS[rows][0]())
        model.sparsify()


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csr_matrix, np.asarray])
def test_a_sparsified_model_returns_plain_arrays_of_the_same_shape(container, kind):
    estimator, y = kind
    X = container(random_rows().toarray())
    model = estimator(l1=3 * y.std(), max_iter=1, tol=None).fit(X, y)
    methods = ["predict", "decision_function", "predict_proba"]
    methods = [name for name in methods if hasattr(model, name)]
    before = [getattr(model, name)(X) for name in methods]
    for old, name in zip(before, methods, strict=True):
        new = getattr(model.sparsify(), name)(X)
        assert type(new) is np.ndarray
        assert new.shape == old.shape
        np.testing.assert_allclose(new, old, rtol=1e-12)


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


def test_a_model_mapped_from_a_file_goes_on_learning(kind, tmp_path):
    estimator, y = kind
    X = random_rows()
    model = partial_fit(estimator(), X, y)
    joblib.dump(model, tmp_path / "model")
    mapped = joblib.load(tmp_path / "model", mmap_mode="r")
    np.testing.assert_array_equal(mapped.predict(X), model.predict(X))
    assert_same_bits(partial_fit(mapped, X, y), partial_fit(model, X, y))


def test_partial_fit_skips_the_validation_of_parameters_where_that_is_asked(kind):
    estimator, y = kind
    with sklearn.config_context(skip_parameter_validation=True):
        partial_fit(estimator(verbose="loud"), random_rows(), y)


def test_an_unfitted_model_says_so(kind):
    model = kind[0]()
    for call in [lambda: model.predict(random_rows()), model.sparsify, lambda: model.coef_]:
        with pytest.raises(NotFittedError):
            call()


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
    monkeypatch.setattr(_learner, "BLOCK", 10 * n_outputs * (1 + X.nnz // 60))
    params = {"learning_rate": lambda t: 1 / np.sqrt(1.0 + t), "beta": 1.0}
    model = estimator(**params, **ONE_EPOCH)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.t_ == (20 if comes == "before" else 30)
    monkeypatch.undo()
    rows = slice(0, model.t_)
    assert_same_bits(model, partial_fit(estimator(**params), X[rows], y[rows], labels=y))


# What comes out


def test_set_params_acts_at_the_next_fit_alone(kind):
    estimator, y = kind
    X = random_rows()
    model = estimator(**FEW).fit(X, y)
    coef = model.coef_
    model.set_params(l1=1e6, beta=5.0, learning_rate=3.0)
    np.testing.assert_array_equal(model.coef_, coef)
    partial_fit(model, X[:1], y[:1], labels=y)
    assert not np.any(model.coef_)


def test_weights_and_state_are_read_only_and_a_copy(kind):
    estimator, y = kind
    model = estimator(**FEW).fit(random_rows(), y)
    for name in ["coef_", "intercept_", "z_", "n_", "intercept_z_", "intercept_n_"]:
        values = getattr(model, name)
        with pytest.raises(ValueError, match="read-only"):
            values[...] = 0
    z = model.z_.copy(), model.z_
    partial_fit(model, random_rows(), y)
    np.testing.assert_array_equal(*z)


def test_weights_of_a_densified_model_are_read_only(kind):
    estimator, y = kind
    model = estimator(**FEW).fit(random_rows(), y).sparsify().densify()
    with pytest.raises(ValueError, match="read-only"):
        model.coef_[...] = 0


def test_the_state_begins_with_a_cache_line(kind):
    estimator, y = kind
    model = estimator(early_stopping=True, **FEW).fit(random_rows(), y)
    assert model._learner.state.ctypes.data % 64 == 0


def test_looking_at_a_model_writes_nothing(kind):
    estimator, y = kind
    X = random_rows()
    model = estimator(**FEW).fit(X, y)
    before = dict(vars(model))
    model.predict(X), model.coef_, model.intercept_, model.z_, model.n_, model.score(X, y)
    model._repr_html_(), repr(model)
    assert vars(model) == before


def test_the_html_representation_shows_shapes_without_computing_weights(kind, monkeypatch):
    estimator, y = kind
    model = estimator(**FEW).fit(random_rows(), y)
    shape = model.coef_.shape
    calls = []
    monkeypatch.setattr(_state, "weights", lambda *args: calls.append(args))
    html = model._repr_html_()
    assert not calls
    if hasattr(BaseEstimator, "_get_fitted_attr_html"):  # scikit-learn >= 1.9
        assert html.count(f"ndarray[float64]{shape}") >= 3
        assert "n_iter_" in html


def test_the_html_representation_of_a_sparsified_model_is_made(kind):
    estimator, y = kind
    assert "Ftrl" in estimator(**FEW).fit(random_rows(), y).sparsify()._repr_html_()


def test_sparsify_predicts_the_same_and_frees_the_state(kind):
    estimator, y = kind
    X = random_rows()
    model = estimator(l1=3 * y.std(), max_iter=1, tol=None).fit(X, y)
    raw, coef = model._raw_predictions(X), np.atleast_2d(model.coef_)
    assert model.sparsify() is model
    assert model.coef_.nnz == np.count_nonzero(coef) < coef.size
    np.testing.assert_allclose(model._raw_predictions(X), raw, rtol=1e-12)
    np.testing.assert_allclose(model._raw_predictions(X.toarray()), raw, rtol=1e-12)
    for name in ["z_", "n_", "intercept_z_", "intercept_n_"]:
        with pytest.raises(ValueError, match="sparsify"):
            getattr(model, name)
        assert not hasattr(model, name)
    with pytest.raises(ValueError, match="sparsify"):
        partial_fit(model, X, y)
    assert model.sparsify().coef_.nnz == np.count_nonzero(coef)


def test_densify_gives_a_dense_coef_again(kind):
    estimator, y = kind
    X = random_rows()
    model = estimator(l1=9.0, **FEW).fit(X, y)
    raw, coef = model._raw_predictions(X), model.coef_
    np.testing.assert_array_equal(model.densify().coef_, coef)
    np.testing.assert_array_equal(model.sparsify().densify().coef_, coef)
    np.testing.assert_allclose(model._raw_predictions(X), raw, rtol=1e-12)


def test_a_sparsified_model_can_be_fitted_anew(kind):
    estimator, y = kind
    X = random_rows()
    model = estimator(**ONE_EPOCH)
    fresh = learned(model.fit(X, y))
    assert learned(model.sparsify().fit(X, y)) == fresh


def through_joblib(model):
    """Return the model after a round trip through a file."""
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize(
    "copied",
    [lambda model: pickle.loads(pickle.dumps(model)), through_joblib, copy.deepcopy],
    ids=["pickle", "joblib", "deepcopy"],
)
def test_a_saved_model_goes_on_to_the_same_bits(copied, kind):
    estimator, y = kind
    X = random_rows()
    model = partial_fit(estimator(l1=0.1), X, y)
    other = copied(model)
    np.testing.assert_array_equal(model.predict(X), other.predict(X))
    assert_same_bits(partial_fit(model, X, y), partial_fit(other, X, y))


def test_columns_that_are_no_numbers_are_named(kind):
    estimator, y = kind
    frame = pd.DataFrame(
        {"site": "news", "views": np.arange(60.0), "ad": pd.Categorical(["x"] * 60)}
    )
    for make in (pd.DataFrame, pl.from_pandas, pa.Table.from_pandas):
        learned = estimator().fit(make(frame.assign(site=1.0, ad=1.0)), y)
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
