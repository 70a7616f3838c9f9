import functools
import itertools
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from oracle import NUMBERS, random_rows, random_targets
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin, clone, is_classifier
from sklearn.exceptions import NotFittedError, UndefinedMetricWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    d2_absolute_error_score,
    f1_score,
    fbeta_score,
    log_loss,
    make_scorer,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    roc_auc_score,
)
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, _learner, _team, _threads
from sklearn_ftrl._kernel import REGRESSOR_LOSSES
from sklearn_ftrl.model_selection import (
    ProgressiveValidationDisplay,
    progressive_val_predict,
    progressive_val_score,
)
from sklearn_ftrl.preprocessing import ColumnHasher

X = random_rows()
Y = random_targets()
WEIGHTS = np.random.default_rng(4).choice([0.0, 0.5, 2.0], 60)
CLASSIFIER_METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
classifier = functools.partial(FtrlClassifier, **NUMBERS)
regressor = functools.partial(FtrlRegressor, **NUMBERS)
CASES = (
    [(classifier(), n_classes, m) for n_classes in (2, 4) for m in CLASSIFIER_METHODS]
    + [(classifier("modified_huber"), n_classes, "predict_proba") for n_classes in (2, 4)]
    + [(classifier("hinge"), n_classes, "decision_function") for n_classes in (2, 4)]
    + [(regressor(loss), 9, "predict") for loss in REGRESSOR_LOSSES]
)


def falling(steps):
    return 1.0 / np.sqrt(1.0 + steps)


def by_hand(model, y, method, ends, sample_weight=None):
    """Return the predictions of a loop that predicts a batch, then learns it, but of the first."""
    classes = {"classes": np.unique(y)} if is_classifier(model) else {}
    weight = np.ones(60) if sample_weight is None else sample_weight
    predictions = []
    for start, stop in itertools.pairwise([0, *ends]):
        rows = slice(start, stop)
        if start:
            predictions.append(getattr(model, method)(X[rows]))
        model.partial_fit(X[rows], y[rows], sample_weight=weight[rows], **classes)
    return np.concatenate(predictions)


def assert_equal(ours, theirs):
    if ours.dtype.kind == "f":
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    else:
        np.testing.assert_array_equal(ours, theirs)


# Batches

DAYS = np.repeat([3, 1, 2], [20, 7, 33])
IN_BATCHES = [
    (FtrlClassifier(), "predict_proba"),
    (classifier(), "predict_proba"),
    (classifier("hinge"), "decision_function"),
    (FtrlRegressor(), "predict"),
    (SGDClassifier("log_loss", alpha=1.0, random_state=0), "predict_log_proba"),
    (SGDRegressor(random_state=0), "predict"),
]


@pytest.mark.parametrize("sample_weight", [None, WEIGHTS], ids=["equal", "weighted"])
@pytest.mark.parametrize(
    ("batches", "ends"),
    [({"batches": DAYS}, [20, 27, 60]), ({"batch_size": 25}, [25, 50, 60])],
    ids=["by day", "by size"],
)
@pytest.mark.parametrize(("model", "method"), IN_BATCHES, ids=str)
def test_each_batch_is_predicted_then_learned(model, method, batches, ends, sample_weight):
    ours = progressive_val_predict(
        model, X, Y, method=method, sample_weight=sample_weight, **batches
    )
    assert ours.shape[0] == 60
    assert_equal(ours[ends[0] :], by_hand(clone(model), Y, method, ends, sample_weight))


DATES = np.datetime64("2013-01-01") + DAYS


@pytest.mark.parametrize(
    "batches",
    [
        DAYS.tolist(),
        DATES,
        DAYS.astype(str),
        pd.Series(DATES, index=range(60, 0, -1)),
        pd.Series(DATES).dt.tz_localize("UTC"),
        pd.Series(DATES).dt.to_period("D"),
        pd.Categorical(DAYS),
        pd.Series(DAYS, dtype="Int64"),
        pl.Series(DATES),
        pa.chunked_array([pa.array(DATES)]),
    ],
    ids=lambda batches: type(batches).__name__,
)
def test_batches_may_be_labels_of_any_kind(batches):
    np.testing.assert_array_equal(
        progressive_val_predict(classifier(), X, Y, batches=batches),
        progressive_val_predict(classifier(), X, Y, batches=DAYS),
    )


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        (np.repeat([1, 2, 1], 20), "1 comes back after another batch"),
        (np.repeat(["a", "b", "c", "b"], 15), "b comes back"),
        (np.zeros(60), "batches puts all rows in one batch"),
        (DAYS[1:], r"batches.shape == \(59,\), expected \(60,\)"),
        (DAYS[:, np.newaxis], r"batches.shape == \(60, 1\)"),
        (np.where(DAYS == 1, np.nan, DAYS), "missing values"),
        (pd.Series(DAYS, dtype="string").where(DAYS > 1), "missing values"),
        (pd.Series(DAYS, dtype="Int64").where(DAYS > 1), "missing values"),
        (pd.Series(DATES).where(DAYS > 1), "missing values"),
        ([None] * 30 + ["a"] * 30, "missing values"),
        ("day", "'batches' parameter"),
    ],
)
def test_batches_that_are_none_are_refused(batches, message):
    for function in [
        progressive_val_predict,
        progressive_val_score,
        ProgressiveValidationDisplay.from_estimator,
    ]:
        with pytest.raises(ValueError, match=message):
            function(classifier(), X, Y, batches=batches)
    with pytest.raises(ValueError, match=message):
        ProgressiveValidationDisplay.from_predictions(
            Y, Y, score_func=accuracy_score, batches=batches
        )


# Predictions


@pytest.mark.parametrize(
    ("model", "method", "y", "zeros"),
    [
        (FtrlClassifier(), "predict_proba", Y, [0.5, 0.5]),
        (FtrlClassifier(), "predict", np.where(Y, "b", "a"), "a"),
        (FtrlClassifier(), "decision_function", Y, 0.0),
        (classifier("modified_huber"), "predict_proba", random_targets(n_classes=4), [0.25] * 4),
        (FtrlRegressor(), "predict", 100.0 + Y, 0.0),
        (FtrlRegressor("poisson"), "predict", Y, 1.0),
        (MLPRegressor(), "predict", 100.0 + Y, 0.0),
    ],
    ids=str,
)
def test_the_first_batch_is_predicted_by_a_model_of_zeros(model, method, y, zeros):
    p = progressive_val_predict(model, X, y, method=method, batch_size=20)
    np.testing.assert_array_equal(p[:20], np.full_like(p[:20], zeros))
    assert (p[20:] != p[:1]).any()


@pytest.mark.parametrize(
    ("case", "params", "sample_weight"),
    [
        *((case, {"l1": 0.3, "l2": 0.2}, WEIGHTS) for case in CASES),
        (CASES[0], {}, None),
        (CASES[0], {"l2_shrinkage": 0.1}, WEIGHTS),
        (CASES[-1], {"learning_rate": falling}, WEIGHTS),
    ],
    ids=[*map(str, CASES), "plain", "shrinkage", "schedule"],
)
def test_predictions_row_by_row_equal_those_of_a_loop_over_the_rows(case, params, sample_weight):
    estimator, n_classes, method = case
    y = random_targets(n_classes=n_classes)
    model = type(estimator)(estimator.loss, **(NUMBERS | params))
    loop = by_hand(clone(model), y, method, range(1, 61), sample_weight)
    with np.errstate(divide="ignore"):
        ours = progressive_val_predict(
            model, X, y, method=method, sample_weight=sample_weight, batch_size=1
        )
    assert_equal(ours[1:], loop)


@pytest.mark.parametrize("convert", [lambda X: X, lambda X: X.toarray()], ids=["sparse", "dense"])
def test_row_by_row_is_one_pass_of_the_kernel(convert):
    calls = []

    class Counted(FtrlClassifier):
        def partial_fit(self, *args, **kwargs):
            calls.append(args)
            return super().partial_fit(*args, **kwargs)

    progressive_val_predict(Counted(**NUMBERS), convert(X), Y, batch_size=1)
    assert len(calls) == 1


def test_rows_that_are_batches_of_their_own_are_row_by_row():
    np.testing.assert_array_equal(
        progressive_val_predict(classifier(), X, Y, batches=np.arange(60)),
        progressive_val_predict(classifier(), X, Y, batch_size=1),
    )


def test_auto_learns_row_by_row_through_partial_fit():
    ours = progressive_val_predict(FtrlClassifier(), X, Y, batch_size=1)
    assert_equal(ours[1:], by_hand(FtrlClassifier(), Y, "predict_proba", range(1, 61)))


@pytest.mark.parametrize("learning_rate", [0.5, falling])
def test_blocks_of_the_kernel_change_no_bit(learning_rate, monkeypatch):
    model = classifier(learning_rate=learning_rate)
    whole = progressive_val_predict(model, X, Y, sample_weight=WEIGHTS, batch_size=1)
    monkeypatch.setattr(_team, "BLOCK", 30)
    parts = progressive_val_predict(model, X, Y, sample_weight=WEIGHTS, batch_size=1)
    np.testing.assert_array_equal(whole, parts)


def test_one_thread_learns_whatever_n_jobs_is(monkeypatch):
    in_threads, n_threads = _threads.in_threads, {}

    def counted(function, calls):
        n_threads.setdefault(function, set()).add(len(calls))
        return in_threads(function, calls)

    monkeypatch.setattr(_threads, "WORK_OF_A_THREAD", 1)
    monkeypatch.setattr(_threads, "in_threads", counted)
    progressive_val_predict(classifier(n_jobs=2), X, Y, batch_size=1)
    assert n_threads[_learner.Learner._pass] == {1}


def test_a_schedule_is_asked_for_the_rates_of_learned_rows_alone():
    steps = []
    model = classifier(learning_rate=lambda t: steps.append(t.max(initial=0)) or falling(t))
    progressive_val_predict(model, X, Y, sample_weight=WEIGHTS, batch_size=1)
    assert max(steps) == np.count_nonzero(WEIGHTS) - 1


def test_weights_that_are_all_zero_leave_every_prediction_at_the_start():
    for batch_size in [1, 9]:
        p = progressive_val_predict(
            classifier(), X, Y, sample_weight=np.zeros(60), batch_size=batch_size
        )
        np.testing.assert_array_equal(p, np.full((60, 2), 0.5))


def test_a_class_of_weight_0_is_predicted_and_not_learned():
    model = classifier(class_weight={1: 0.0})
    ours = progressive_val_predict(model, X, Y, batch_size=1)
    assert_equal(ours[1:], by_hand(model, Y, "predict_proba", range(1, 61)))


@pytest.mark.parametrize(
    "convert",
    [
        sparse.csr_matrix,
        sparse.csc_array,
        sparse.coo_array,
        lambda X: X.toarray(),
        lambda X: X.toarray().tolist(),
        lambda X: pd.DataFrame(X.toarray(), index=range(60, 0, -1)),
        lambda X: pl.DataFrame(X.toarray()),
    ],
)
def test_rows_may_come_in_any_container(convert):
    for batch_size in [1, 7]:
        ours, theirs = (
            progressive_val_predict(classifier(), rows, Y, batch_size=batch_size)
            for rows in (convert(X), X)
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize(
    "convert", [list, lambda y: pd.Series(y, index=range(60, 0, -1)), pl.Series]
)
def test_labels_and_weights_may_come_in_any_container(convert):
    labels, weights = convert(np.where(Y, "yes", "no")), convert(WEIGHTS)
    for model in [classifier(), SGDClassifier(random_state=0)]:
        ours, theirs = (
            progressive_val_score(model, X, y, sample_weight=w, batch_size=7)
            for y, w in ((labels, weights), (Y, WEIGHTS))
        )
        assert ours == theirs


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA], ids=str)
@pytest.mark.parametrize("model", [classifier(), SGDClassifier()])
@pytest.mark.parametrize("names", [["no", "yes"], [0, 1], [False, True]], ids=str)
@pytest.mark.parametrize(
    "container", [list, lambda y: np.array(y, object), lambda y: pd.Series(y).convert_dtypes()]
)
def test_a_missing_label_is_refused(container, names, model, missing):
    y = np.array(names, object)[Y]
    y[50] = missing
    for function in (progressive_val_predict, progressive_val_score):
        arguments = {"method": "predict"} if function is progressive_val_predict else {}
        for classes in (None, names):
            with pytest.raises(ValueError, match=r"^Input y contains .*\. Leave out rows whose"):
                function(model, X, container(y), classes=classes, batch_size=7, **arguments)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA], ids=str)
@pytest.mark.parametrize("model", [regressor(), SGDRegressor()])
def test_a_missing_target_is_refused(model, missing):
    y = [*Y[:50].tolist(), missing, *Y[51:].tolist()]
    for container in (list, lambda y: np.array(y, object), lambda y: pd.Series(y).convert_dtypes()):
        with pytest.raises(ValueError, match=r"^Input y contains (NaN|NA)\."):
            progressive_val_score(model, X, container(y), batch_size=7)


@pytest.mark.parametrize("model", [classifier(), SGDClassifier()])
@pytest.mark.parametrize("missing", [None, np.nan, pd.NA], ids=str)
def test_classes_with_a_missing_label_are_refused(missing, model):
    with pytest.raises(ValueError, match=r"^Input classes contains"):
        progressive_val_score(model, X, Y, classes=[0, 1, missing], batch_size=7)


@pytest.mark.parametrize("model", [classifier(), SGDClassifier(random_state=0)])
@pytest.mark.parametrize("dtype", [int, bool, float])
def test_objects_are_the_numbers_that_they_are(dtype, model):
    y = Y.astype(dtype)
    for classes in (None, np.array([0, 1], object)):
        ours, theirs = (
            progressive_val_predict(model, X, labels, method="predict", batch_size=7)
            for labels in (y.astype(object), y)
        )
        np.testing.assert_array_equal(ours, theirs, strict=True)
        ours, theirs = (
            progressive_val_score(model, X, labels, classes=classes, batch_size=7)
            for labels in (y.astype(object), y)
        )
        assert ours == theirs


def test_rows_of_several_labels_are_for_those_who_learn_them():
    several = (X.toarray()[:, :3] > 0) * 1
    model = MLPClassifier((3,), random_state=0)
    predictions = progressive_val_predict(model, X, several, method="predict", batch_size=20)
    assert predictions.shape == several.shape


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_caller_s_objects_stay_as_they_are(dtype, index_dtype):
    rows = X.astype(dtype)
    rows.indices, rows.indptr = rows.indices.astype(index_dtype), rows.indptr.astype(index_dtype)
    model = classifier().partial_fit(rows, Y, classes=[0, 1])
    given = model, rows, Y, WEIGHTS
    before = pickle.dumps(given)
    for batch_size in [1, 20]:
        stream = {"sample_weight": WEIGHTS, "batch_size": batch_size}
        progressive_val_predict(model, rows, Y, **stream)
        progressive_val_score(model, rows, Y, **stream)
    assert pickle.dumps(given) == before


def test_a_fitted_estimator_starts_from_nothing():
    fresh, fitted = (classifier(warm_start=True) for _ in range(2))
    fitted.partial_fit(X, Y, classes=[0, 1])
    ours, theirs = (
        progressive_val_predict(model, X, Y, batch_size=20) for model in (fitted, fresh)
    )
    np.testing.assert_array_equal(ours, theirs)


def test_a_fitted_estimator_has_the_methods_of_its_parameters():
    fitted = classifier().fit(X, Y).set_params(loss="hinge")
    with pytest.raises(AttributeError, match="method='predict_proba'"):
        progressive_val_predict(fitted, X, Y)
    fitted.fit(X, Y).set_params(loss="log_loss")
    p = progressive_val_predict(fitted, X, Y, batch_size=20)
    np.testing.assert_array_equal(p, progressive_val_predict(classifier(), X, Y, batch_size=20))


def test_a_fitted_estimator_is_scored_by_the_methods_of_its_parameters():
    fitted = classifier("hinge").fit(X, Y).set_params(loss="log_loss")
    score, expected = (
        progressive_val_score(model, X, Y, scoring="neg_log_loss", batch_size=20)
        for model in (fitted, classifier())
    )
    assert score == expected


def test_classes_may_name_labels_that_do_not_come():
    for batch_size in [1, 20]:
        p = progressive_val_predict(classifier(), X, Y, classes=[2, 0, 1], batch_size=batch_size)
        assert p.shape == (60, 3)


# Other estimators


class MeanCount(RegressorMixin, BaseEstimator):
    """A Poisson regressor that learns nothing but the mean."""

    def __init__(self, loss="poisson"):
        self.loss = loss

    def partial_fit(self, X, y):
        """Learn."""
        self.mean_ = y.mean()
        return self

    def predict(self, X):
        """Predict."""
        return np.full(X.shape[0], self.mean_)


def test_another_poisson_regressor_predicts_1_for_the_first_batch():
    ours = progressive_val_predict(MeanCount(), X, Y, method="predict", batch_size=50)
    np.testing.assert_array_equal(ours[:50], np.ones(50))


# Pipelines

TABLE = {"site": list("abcdef") * 10, "ad": np.arange(60) % 7, "price": np.arange(60) / 8}
hashing = functools.partial(ColumnHasher, 2**10, numeric={"price": "value"})
TABLES = {
    "pandas": pd.DataFrame(TABLE, index=range(60, 0, -1)),
    "polars": pl.DataFrame(TABLE),
    "Arrow": pa.table(TABLE),
    "a record batch": pa.RecordBatch.from_pydict(TABLE),
    "dict": TABLE,
    "dict of columns": {
        "site": pa.chunked_array([TABLE["site"][:25], TABLE["site"][25:]]),
        "ad": pd.Series(TABLE["ad"], index=range(60, 0, -1)),
        "price": pl.Series(TABLE["price"]),
    },
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize(
    "last", [FtrlClassifier(), SGDClassifier("log_loss", random_state=0)], ids=str
)
def test_a_pipeline_takes_the_rows_of_a_table(last, table):
    hashed = hashing().transform(TABLE)
    for method in ["predict_proba", "decision_function"]:
        ours, theirs = (
            progressive_val_predict(
                model, rows, Y, method=method, sample_weight=WEIGHTS, batches=DAYS
            )
            for model, rows in [(make_pipeline(hashing(), last), table), (last, hashed)]
        )
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("scoring", [None, "neg_log_loss", "roc_auc"])
def test_a_pipeline_is_scored_as_its_last_step(scoring):
    stream = {"y": Y, "sample_weight": WEIGHTS, "batches": DAYS, "scoring": scoring}
    ours, theirs = (
        progressive_val_score(model, X=rows, **stream)
        for model, rows in [
            (make_pipeline(hashing(), FtrlClassifier()), TABLES["polars"]),
            (FtrlClassifier(), hashing().transform(TABLE)),
        ]
    )
    assert ours == theirs


def test_a_display_of_a_pipeline_has_the_name_of_its_last_step():
    display = ProgressiveValidationDisplay.from_estimator(
        make_pipeline(hashing(), FtrlClassifier()), TABLE, Y, batches=DAYS
    )
    assert display.estimator_name == "FtrlClassifier"


def test_a_batch_is_transformed_once():
    sizes = []
    spy = FunctionTransformer(lambda X: sizes.append(X.shape[0]) or X, accept_sparse=True)
    progressive_val_score(make_pipeline(spy, classifier()), X, Y, batches=DAYS)
    assert sizes == [20, 7, 33]


def test_steps_that_pass_rows_through_are_no_steps():
    steps = [("one", "passthrough"), ("two", None), ("three", Normalizer())]
    model = Pipeline([*steps, ("four", make_pipeline("passthrough", classifier()))])
    np.testing.assert_array_equal(
        progressive_val_predict(model, X, Y, batches=DAYS),
        progressive_val_predict(classifier(), Normalizer().transform(X), Y, batches=DAYS),
    )


def test_a_frozen_step_transforms_as_it_was_fitted():
    D = X.toarray()
    scaler = StandardScaler().fit(D[:20])
    ours = progressive_val_predict(
        make_pipeline(FrozenEstimator(scaler), classifier()), D, Y, batches=DAYS
    )
    theirs = progressive_val_predict(classifier(), scaler.transform(D), Y, batches=DAYS)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("form", ["array", "pandas", "dict", "Arrow", "csr"])
def test_batches_are_slices_without_a_copy(form):
    values = np.arange(60.0)
    table, column = {
        "array": (values[:, np.newaxis], lambda part: part),
        "pandas": (pd.DataFrame({"x": values}, copy=False), lambda part: part["x"].to_numpy()),
        "dict": ({"x": values}, lambda part: part["x"]),
        "Arrow": (pa.table({"x": values}), lambda part: part["x"].chunk(0).to_numpy()),
        "csr": (sparse.csr_array(values[:, np.newaxis] + 1), lambda part: part.data),
    }[form]
    shared = []

    def look(part):
        shared.append(np.shares_memory(column(part), column(table)))
        return X[: len(column(part))]

    model = make_pipeline(FunctionTransformer(look), classifier())
    progressive_val_predict(model, table, Y, batches=DAYS)
    assert shared == [True] * 3


NOT_FROZEN = "Step 'standardscaler' of the pipeline, .*FrozenEstimator"


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (make_pipeline(StandardScaler(), classifier()), ValueError, NOT_FROZEN),
        (make_pipeline(StandardScaler().fit([[1.0]]), classifier()), ValueError, NOT_FROZEN),
        (
            make_pipeline("passthrough", make_pipeline(StandardScaler(), classifier())),
            ValueError,
            NOT_FROZEN,
        ),
        (
            make_pipeline(FrozenEstimator(StandardScaler(with_mean=False)), classifier()),
            NotFittedError,
            "not fitted",
        ),
        (make_pipeline(Normalizer(), KNeighborsClassifier()), ValueError, "has no partial_fit"),
        (make_pipeline(Normalizer(), "passthrough"), ValueError, "has no partial_fit"),
        (
            make_pipeline(Normalizer(), FrozenEstimator(classifier().fit(X, Y))),
            ValueError,
            "has no partial_fit",
        ),
        (FrozenEstimator(classifier().fit(X, Y)), ValueError, "has no partial_fit"),
    ],
)
def test_a_pipeline_that_a_stream_cannot_learn_is_refused(model, error, message):
    for function in [progressive_val_predict, progressive_val_score]:
        with pytest.raises(error, match=message):
            function(model, X, Y, batches=DAYS)


def test_a_method_that_the_last_step_lacks_is_refused():
    with pytest.raises(AttributeError, match="method='predict_proba'"):
        progressive_val_predict(make_pipeline(Normalizer(), classifier("hinge")), X, Y)


def test_columns_of_different_lengths_are_refused():
    table = TABLE | {"ad": np.arange(61)}
    with pytest.raises(ValueError, match="inconsistent numbers"):
        progressive_val_predict(make_pipeline(hashing(), classifier()), table, Y, batches=DAYS)


# Scores

BINARY = {
    "accuracy": ("predict", accuracy_score, 1),
    "f1": ("predict", f1_score, 1),
    "neg_log_loss": ("predict_proba", log_loss, -1),
    "neg_brier_score": ("predict_proba", lambda y, p, **w: brier_score_loss(y, p[:, 1], **w), -1),
    "roc_auc": ("decision_function", roc_auc_score, 1),
    "average_precision": ("decision_function", average_precision_score, 1),
}
REGRESSION = {
    "r2": ("predict", r2_score, 1),
    "neg_mean_squared_error": ("predict", mean_squared_error, -1),
    "d2_absolute_error_score": ("predict", d2_absolute_error_score, 1),
}


@pytest.mark.parametrize("sample_weight", [None, WEIGHTS], ids=["equal", "weighted"])
@pytest.mark.parametrize("scoring", [*BINARY, *REGRESSION])
@pytest.mark.parametrize("ftrl", [True, False])
def test_a_score_is_that_of_the_predictions_after_the_first_batch(scoring, ftrl, sample_weight):
    method, metric, sign = (BINARY | REGRESSION)[scoring]
    if scoring in BINARY:
        model, y = (
            classifier() if ftrl else SGDClassifier("log_loss", alpha=1.0, random_state=0),
            Y,
        )
    else:
        model, y = regressor() if ftrl else SGDRegressor(random_state=0), np.arange(60.0)
    stream = {"sample_weight": sample_weight, "batch_size": 20}
    score = progressive_val_score(model, X, y, scoring=scoring, **stream)
    predictions = progressive_val_predict(model, X, y, method=method, **stream)[20:]
    weights = {} if sample_weight is None else {"sample_weight": sample_weight[20:]}
    assert isinstance(score, float)
    assert score == pytest.approx(sign * metric(y[20:], predictions, **weights), rel=1e-12)


@pytest.mark.parametrize("scoring", ["f1_macro", "neg_log_loss", "roc_auc_ovr", "top_k_accuracy"])
def test_scorers_of_several_classes_work(scoring):
    y = np.array(["a", "b", "c", "d"])[random_targets(n_classes=4)]
    for model in [classifier(), MultinomialNB()]:
        score = progressive_val_score(model, abs(X), y, scoring=scoring, batch_size=20)
        assert np.isfinite(score)


def test_a_scorer_may_prefer_a_method_that_the_estimator_has_not():
    model = MultinomialNB()  # no decision_function
    score = progressive_val_score(model, abs(X), Y, scoring="roc_auc", batch_size=20)
    p = progressive_val_predict(model, abs(X), Y, batch_size=20)
    assert score == pytest.approx(roc_auc_score(Y[20:], p[20:, 1]), rel=1e-12)


def test_what_make_scorer_returns_is_a_scorer():
    scoring = make_scorer(fbeta_score, beta=2.0, pos_label="no")
    labels = np.where(Y, "yes", "no")
    score = progressive_val_score(classifier(), X, labels, scoring=scoring, batch_size=20)
    p = progressive_val_predict(classifier(), X, labels, method="predict", batch_size=20)
    assert score == fbeta_score(labels[20:], p[20:], beta=2.0, pos_label="no")


def test_a_scorer_of_one_s_own_is_given_slices_of_row_numbers():
    def scorer(estimator, rows, y):
        assert isinstance(estimator, FtrlClassifier)
        return np.mean(estimator.predict(rows) == y) + 100 * rows.start

    stream = {"batch_size": 10}
    scores = progressive_val_score(classifier(), X, Y, scoring=scorer, window=30, **stream)
    correct = progressive_val_predict(classifier(), X, Y, method="predict", **stream) == Y
    np.testing.assert_allclose(scores, [correct[10:40].mean() + 1000, correct[40:].mean() + 4000])


@pytest.mark.parametrize("method", CLASSIFIER_METHODS)
@pytest.mark.parametrize(
    "model", [classifier(), SGDClassifier("modified_huber", random_state=0)], ids=str
)
def test_a_scorer_of_one_s_own_may_ask_for_any_method(model, method):
    def scorer(estimator, rows, y, sample_weight):
        np.testing.assert_array_equal(sample_weight, WEIGHTS[rows])
        np.testing.assert_array_equal(getattr(estimator, method)(rows), expected[rows])
        return 1.0

    stream = {"sample_weight": WEIGHTS, "batch_size": 20}
    expected = progressive_val_predict(model, X, Y, method=method, **stream)
    assert progressive_val_score(model, X, Y, scoring=scorer, **stream) == 1.0


def test_without_scoring_it_is_accuracy_or_r2():
    for model, name in [(classifier(), "accuracy"), (regressor(), "r2")]:
        one, other = (
            progressive_val_score(model, X, Y, scoring=scoring, batch_size=20)
            for scoring in (None, name)
        )
        assert one == other


def test_a_target_far_from_0_does_not_drown_in_the_first_batch():
    y = 1000.0 + X.toarray()[:, 0]
    score = progressive_val_score(FtrlRegressor(), X, y, batch_size=20)
    p = progressive_val_predict(FtrlRegressor(), X, y, method="predict", batch_size=20)
    assert score == r2_score(y[20:], p[20:])
    assert r2_score(y, p) < -1e5 < score


@pytest.mark.parametrize("sample_weight", [None, WEIGHTS], ids=["equal", "weighted"])
@pytest.mark.parametrize(
    ("stream", "windows"),
    [
        ({"batch_size": 10, "window": 20}, [(10, 30), (30, 50), (50, 60)]),
        ({"batch_size": 10, "window": 15}, [(10, 30), (30, 50), (50, 60)]),
        ({"batch_size": 10, "window": 1}, [(k, k + 10) for k in range(10, 60, 10)]),
        ({"batch_size": 10, "window": 999}, [(10, 60)]),
        ({"batch_size": 1, "window": 30}, [(1, 31), (31, 60)]),
        ({"batches": DAYS, "window": 8}, [(20, 60)]),
        ({"batches": DAYS, "window": 7}, [(20, 27), (27, 60)]),
    ],
    ids=str,
)
def test_windows_end_with_batches(stream, windows, sample_weight):
    def rows_of(estimator, rows, y, sample_weight=None):
        return rows.start + rows.stop / 100

    stream = stream | {"sample_weight": sample_weight}
    scores = progressive_val_score(classifier(), X, Y, scoring=rows_of, **stream)
    np.testing.assert_allclose(scores, [start + stop / 100 for start, stop in windows])


@pytest.mark.parametrize("sample_weight", [None, WEIGHTS], ids=["equal", "weighted"])
def test_windows_are_scored_each_by_itself(sample_weight):
    stream = {"sample_weight": sample_weight, "batch_size": 5}
    scores = progressive_val_score(classifier(), X, Y, scoring="neg_log_loss", window=25, **stream)
    p = progressive_val_predict(classifier(), X, Y, **stream)
    windows = [slice(5, 30), slice(30, 55), slice(55, 60)]
    weights = np.ones(60) if sample_weight is None else sample_weight
    losses = [-log_loss(Y[w], p[w], sample_weight=weights[w], labels=[0, 1]) for w in windows]
    np.testing.assert_allclose(scores, losses, rtol=1e-12)


def test_a_window_of_one_class_is_what_the_scorer_makes_of_it():
    y, window = np.repeat([0, 1, 0, 1], [3, 2, 25, 30]), {"batch_size": 5, "window": 25}
    with pytest.warns(UndefinedMetricWarning, match="Only one class"):
        auc = progressive_val_score(classifier(), X, y, scoring="roc_auc", **window)
    assert np.isnan(auc).all()
    with pytest.raises(ValueError, match="labels"):
        progressive_val_score(classifier(), X, y, scoring="neg_log_loss", **window)
    knowing = make_scorer(
        log_loss, greater_is_better=False, response_method="predict_proba", labels=[0, 1]
    )
    losses = progressive_val_score(classifier(), X, y, scoring=knowing, **window)
    assert np.isfinite(losses).all()


# The display

BY_TEN = {"batch_size": 10, "window": 20, "sample_weight": WEIGHTS}


def test_the_display_holds_running_scores_and_those_of_windows():
    stream = BY_TEN | {"scoring": "roc_auc"}
    display = ProgressiveValidationDisplay.from_estimator(classifier(), X, Y, **stream)
    windows = progressive_val_score(classifier(), X, Y, **stream)
    np.testing.assert_array_equal(display.n_rows, [30, 50, 60])
    np.testing.assert_array_equal(display.window_scores, windows)
    assert display.n_first == 10
    assert display.running_scores[0] == windows[0]
    whole = progressive_val_score(classifier(), X, Y, **stream | {"window": None})
    assert display.running_scores[-1] == whole


def test_the_display_shows_what_it_holds():
    display = ProgressiveValidationDisplay.from_estimator(
        classifier(), X, Y, scoring="neg_brier_score", batches=DAYS, window=7
    )
    np.testing.assert_array_equal(display.line_.get_xdata(), display.n_rows)
    np.testing.assert_array_equal(display.line_.get_ydata(), display.running_scores)
    np.testing.assert_array_equal(display.window_line_.get_ydata(), display.window_scores)
    assert display.figure_ is display.ax_.figure
    assert display.ax_.get_xlabel() == "Rows learned"
    assert display.ax_.get_ylabel() == "Negative brier score"
    last = display.running_scores[-1]
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == [
        f"FtrlClassifier, all rows after the first 20 ({last:.3f})",
        "FtrlClassifier, windows of up to 33 rows",
    ]


def test_a_display_of_predictions_equals_that_of_the_estimator():
    p = progressive_val_predict(classifier(), X, Y, sample_weight=WEIGHTS, batch_size=10)
    one = ProgressiveValidationDisplay.from_predictions(Y, p, score_func=log_loss, **BY_TEN)
    other = ProgressiveValidationDisplay.from_estimator(
        classifier(), X, Y, scoring="neg_log_loss", **BY_TEN
    )
    np.testing.assert_allclose(one.running_scores, -other.running_scores, rtol=1e-12)
    np.testing.assert_allclose(one.window_scores, -other.window_scores, rtol=1e-12)
    np.testing.assert_array_equal(one.n_rows, other.n_rows)
    assert one.n_first == other.n_first == 10
    assert one.ax_.get_ylabel() == "Log loss"
    assert one.line_.get_label().startswith("all rows after the first 10")


def test_a_display_has_fifty_windows_if_not_told():
    y = np.arange(1000.0)
    display = ProgressiveValidationDisplay.from_predictions(
        y, y, score_func=mean_absolute_error, batch_size=2
    )
    np.testing.assert_array_equal(display.n_rows, [*range(22, 1000, 20), 1000])


def test_displays_share_axes_and_pass_matplotlib_s_arguments_on():
    one = ProgressiveValidationDisplay.from_estimator(
        classifier(), X, Y, batch_size=10, color="red"
    )
    other = ProgressiveValidationDisplay.from_estimator(
        classifier(l1=1.0), X, Y, batch_size=10, ax=one.ax_, name="sparse"
    )
    assert other.ax_ is one.ax_
    assert len(one.ax_.lines) == 4
    assert one.line_.get_color() == one.window_line_.get_color() == "red"
    again = other.plot(name="again")
    assert again.line_.get_label().startswith("again, ")


@pytest.fixture(autouse=True)
def closed_figures():
    """Close the figures of a test."""
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


# What is refused


class WithoutWeights(MultinomialNB):
    """An estimator whose partial_fit takes no weights."""

    def partial_fit(self, X, y, classes=None):
        """Learn."""
        return super().partial_fit(X, y, classes)


@pytest.mark.parametrize(
    ("estimator", "arguments", "error", "message"),
    [
        (KNeighborsClassifier(), {}, ValueError, "'partial_fit' or an instance of"),
        (FtrlRegressor(), {}, AttributeError, r"method='predict_proba': FtrlRegressor\(\) has no"),
        (FtrlClassifier("hinge"), {}, AttributeError, "method='predict_proba'"),
        (FtrlClassifier(), {"method": "transform"}, ValueError, "'method' parameter"),
        (FtrlClassifier(), {"batch_size": 0}, ValueError, "'batch_size' parameter"),
        (FtrlClassifier(), {"sample_weight": np.ones(59)}, ValueError, "inconsistent numbers"),
        (FtrlClassifier(), {"sample_weight": np.full(60, -1.0)}, ValueError, "sample_weight"),
        (FtrlClassifier(), {"y": Y[:59]}, ValueError, "inconsistent numbers"),
        (FtrlClassifier(), {"y": Y + 0.5}, ValueError, "Unknown label type"),
        (FtrlClassifier(), {"classes": [1, 2]}, ValueError, "unseen labels"),
        (FtrlClassifier(), {"y": np.zeros(60)}, ValueError, "greater than one"),
        (FtrlClassifier(beta=-1.0), {}, ValueError, "'beta' parameter"),
        (FtrlClassifier(class_weight="balanced"), {}, ValueError, "class_weight"),
        (SGDClassifier("log_loss"), {"batch_size": 60}, ValueError, "batch_size=60 puts all"),
        (FtrlClassifier(), {"batch_size": 60}, ValueError, "batch_size=60 puts all rows"),
        (
            WithoutWeights(),
            {"sample_weight": WEIGHTS},
            ValueError,
            r"sample_weight: partial_fit of WithoutWeights\(\)",
        ),
    ],
)
def test_wrong_arguments_are_refused_by_their_names(estimator, arguments, error, message):
    with pytest.raises(error, match=message):
        progressive_val_predict(estimator, **{"X": X, "y": Y, "batch_size": 20} | arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scoring": "profit"}, "'scoring' parameter"),
        ({"scoring": accuracy_score}, "looks like it is a metric"),
        ({"window": 0}, "'window' parameter"),
    ],
)
def test_wrong_arguments_of_scores_are_refused_by_their_names(arguments, message):
    for score in [progressive_val_score, ProgressiveValidationDisplay.from_estimator]:
        with pytest.raises(ValueError, match=message):
            score(FtrlClassifier(), X, Y, batch_size=20, **arguments)


@pytest.mark.parametrize("model", [FtrlClassifier(), SGDClassifier(random_state=0)])
def test_sizes_may_be_numpy_integers_of_any_width(model):
    rows, y = sparse.vstack([0 * X] * 2 + [X] * 2, format="csr"), np.tile(Y, 4)
    ours, theirs = (
        progressive_val_score(model, rows, y, window=size, batch_size=size)
        for size in (np.int8(100), 100)
    )
    np.testing.assert_array_equal(ours, theirs)
    display = ProgressiveValidationDisplay.from_predictions(
        y, y, score_func=accuracy_score, window=np.int8(100)
    )
    assert display.n_rows.tolist() == [200, 240]


@pytest.mark.parametrize("window", [None, 5])
def test_a_display_refuses_no_rows(window):
    with pytest.raises(ValueError, match=r"one batch \(n_samples=0\)"):
        ProgressiveValidationDisplay.from_predictions(
            [], [], score_func=accuracy_score, window=window
        )


def test_a_display_refuses_predictions_of_another_number():
    with pytest.raises(ValueError, match="inconsistent numbers"):
        ProgressiveValidationDisplay.from_predictions(Y, Y[1:], score_func=accuracy_score)
