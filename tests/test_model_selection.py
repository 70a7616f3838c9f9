import functools
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from oracle import NUMBERS, random_rows, random_targets
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.exceptions import UndefinedMetricWarning
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
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, _base
from sklearn_ftrl._kernel import REGRESSOR_LOSSES
from sklearn_ftrl.model_selection import (
    ProgressiveValidationDisplay,
    progressive_val_predict,
    progressive_val_score,
)

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


def row_by_row(model, y, method, sample_weight=None):
    """Return the predictions of a loop that predicts a row, then learns it."""
    weight = np.ones(60) if sample_weight is None else sample_weight
    classes = {"classes": np.unique(y)} if isinstance(model, FtrlClassifier) else {}
    model.partial_fit(X[:1], y[:1], sample_weight=[0.0], **classes)
    predictions = []
    for i in range(60):
        predictions.append(getattr(model, method)(X[[i]]))
        model.partial_fit(X[[i]], y[[i]], sample_weight=weight[[i]])
    return np.concatenate(predictions)


# Predictions


@pytest.mark.parametrize("model", [FtrlClassifier(), FtrlRegressor(), FtrlClassifier(beta=1.0)])
def test_the_rows_that_give_the_numbers_of_auto_are_predicted_by_a_model_of_zeros(model):
    method = "predict" if isinstance(model, FtrlRegressor) else "decision_function"
    p = progressive_val_predict(model, X, Y, method=method, batch_size=20)
    np.testing.assert_array_equal(p[:20], 0.0)
    classes = {"classes": [0, 1]} if method == "decision_function" else {}
    learned = clone(model).partial_fit(X[:20], Y[:20], **classes)
    np.testing.assert_array_equal(p[20:21], getattr(learned, method)(X[20:21]))


def test_empty_rows_are_predicted_by_what_empty_rows_taught():
    X, y = np.zeros((40, 3)), 5.0 + np.arange(40) % 3
    p = progressive_val_predict(FtrlRegressor(), X, y, method="predict", batch_size=10)
    learned = FtrlRegressor().partial_fit(X[:10], y[:10])
    assert p[:10].tolist() == [0.0] * 10
    assert p[10] == pytest.approx(learned.predict(X[:1])[0])


def test_auto_waits_for_rows_that_are_not_empty():
    weights = np.r_[np.zeros(20), np.ones(40)]
    p = progressive_val_predict(
        FtrlClassifier(), X, Y, method="decision_function", sample_weight=weights, batch_size=10
    )
    np.testing.assert_array_equal(p[:30], 0.0)
    learned = FtrlClassifier().partial_fit(X[20:30], Y[20:30], classes=[0, 1])
    np.testing.assert_allclose(p[30], learned.decision_function(X[30:31])[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("params", "sample_weight"),
    [
        ({}, None),
        ({}, WEIGHTS),
        ({"l1": 0.3, "l2": 0.2}, WEIGHTS),
        ({"l2_shrinkage": 0.1}, WEIGHTS),
        ({"learning_rate": falling}, WEIGHTS),
    ],
    ids=["plain", "weighted", "l1 and l2", "shrinkage", "schedule"],
)
@pytest.mark.parametrize(("estimator", "n_classes", "method"), CASES, ids=str)
def test_predictions_equal_those_of_a_loop_over_the_rows(
    estimator, n_classes, method, params, sample_weight
):
    y = random_targets(n_classes=n_classes)
    model = type(estimator)(estimator.loss, **(NUMBERS | params))
    loop = row_by_row(model, y, method, sample_weight)
    with np.errstate(divide="ignore"):
        ours = progressive_val_predict(
            model, X, y, method=method, sample_weight=sample_weight, batch_size=7
        )
    if ours.dtype.kind == "f":
        np.testing.assert_allclose(ours, loop, rtol=1e-12, atol=1e-12)
    else:
        np.testing.assert_array_equal(ours, loop)


@pytest.mark.parametrize("batch_size", [1, 59, 60, 1000])
def test_the_batch_size_changes_no_bit_of_ftrl_s_predictions(batch_size):
    whole = progressive_val_predict(classifier(l1=0.1), X, Y)
    parts = progressive_val_predict(classifier(l1=0.1), X, Y, batch_size=batch_size)
    np.testing.assert_array_equal(whole, parts)


@pytest.mark.parametrize("learning_rate", [0.5, falling])
def test_blocks_of_the_kernel_change_no_bit(learning_rate, monkeypatch):
    model = classifier(learning_rate=learning_rate)
    whole = progressive_val_predict(model, X, Y, sample_weight=WEIGHTS)
    monkeypatch.setattr(_base, "BLOCK", 30)
    parts = progressive_val_predict(model, X, Y, sample_weight=WEIGHTS)
    np.testing.assert_array_equal(whole, parts)


def test_one_thread_learns_whatever_n_jobs_is(monkeypatch):
    in_threads, n_threads = _base._in_threads, []
    monkeypatch.setattr(_base, "WORK_OF_A_THREAD", 1)
    monkeypatch.setattr(
        _base,
        "_in_threads",
        lambda function, calls: n_threads.append(len(calls)) or in_threads(function, calls),
    )
    progressive_val_predict(classifier(n_jobs=2), X, Y, batch_size=20)
    assert set(n_threads) == {1}


def test_a_schedule_is_asked_for_the_rates_of_learned_rows_alone():
    steps = []
    model = classifier(learning_rate=lambda t: steps.append(t.max(initial=0)) or falling(t))
    progressive_val_predict(model, X, Y, sample_weight=WEIGHTS)
    assert max(steps) == np.count_nonzero(WEIGHTS) - 1


def test_weights_that_are_all_zero_leave_every_prediction_at_the_start():
    p = progressive_val_predict(classifier(), X, Y, sample_weight=np.zeros(60), batch_size=9)
    np.testing.assert_array_equal(p, np.full((60, 2), 0.5))


def test_a_class_of_weight_0_is_predicted_and_not_learned():
    model = classifier(class_weight={1: 0.0})
    ours = progressive_val_predict(model, X, Y)
    np.testing.assert_allclose(ours, row_by_row(model, Y, "predict_proba"), rtol=1e-12)


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
    ours = progressive_val_predict(classifier(), convert(X), Y, batch_size=7)
    np.testing.assert_allclose(ours, progressive_val_predict(classifier(), X, Y), rtol=1e-12)


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
    progressive_val_predict(model, rows, Y, sample_weight=WEIGHTS)
    progressive_val_score(model, rows, Y, sample_weight=WEIGHTS)
    assert pickle.dumps(given) == before


def test_a_fitted_estimator_starts_from_nothing():
    fresh, fitted = (classifier(warm_start=True) for _ in range(2))
    fitted.partial_fit(X, Y, classes=[0, 1])
    ours, theirs = (progressive_val_predict(model, X, Y) for model in (fitted, fresh))
    np.testing.assert_array_equal(ours, theirs)


def test_a_fitted_estimator_has_the_methods_of_its_parameters():
    fitted = classifier().fit(X, Y).set_params(loss="hinge")
    with pytest.raises(AttributeError, match="method='predict_proba'"):
        progressive_val_predict(fitted, X, Y)
    fitted.fit(X, Y).set_params(loss="log_loss")
    p = progressive_val_predict(fitted, X, Y)
    np.testing.assert_array_equal(p, progressive_val_predict(classifier(), X, Y))


def test_a_fitted_estimator_is_scored_by_the_methods_of_its_parameters():
    fitted = classifier("hinge").fit(X, Y).set_params(loss="log_loss")
    score, expected = (
        progressive_val_score(model, X, Y, scoring="neg_log_loss")
        for model in (fitted, classifier())
    )
    assert score == expected


def test_classes_may_name_labels_that_do_not_come():
    assert progressive_val_predict(classifier(), X, Y, classes=[2, 0, 1]).shape == (60, 3)


# Other estimators


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("method", CLASSIFIER_METHODS)
@pytest.mark.parametrize("sample_weight", [None, WEIGHTS], ids=["equal", "weighted"])
def test_another_classifier_predicts_each_batch_before_learning_it(
    n_classes, method, sample_weight
):
    y = random_targets(n_classes=n_classes)
    model = SGDClassifier("log_loss", alpha=1.0, random_state=0)
    ours = progressive_val_predict(
        model, X, y, method=method, sample_weight=sample_weight, batch_size=25
    )
    predictions = []
    for rows in [slice(0, 25), slice(25, 50), slice(50, 60)]:
        if rows.start:
            predictions.append(getattr(model, method)(X[rows]))
        weight = None if sample_weight is None else sample_weight[rows]
        model.partial_fit(X[rows], y[rows], classes=np.unique(y), sample_weight=weight)
    np.testing.assert_array_equal(ours[25:], np.concatenate(predictions))


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "bb", "ccc"]])
@pytest.mark.parametrize("method", CLASSIFIER_METHODS)
def test_a_first_batch_is_predicted_as_the_first_row_of_ftrl(labels, method):
    y = np.array(labels)[random_targets(n_classes=len(labels))]
    first_row = progressive_val_predict(classifier(), X, y, method=method)[:1]
    model = SGDClassifier("log_loss", alpha=1.0, random_state=0)
    ours = progressive_val_predict(model, X, y, method=method, batch_size=25)
    if method == "predict":
        assert set(ours[:25]) == set(first_row) == {"a"}
    else:
        np.testing.assert_allclose(ours[:25], first_row[[0] * 25], rtol=1e-15)


@pytest.mark.parametrize("estimator", [SGDRegressor, MLPRegressor])
def test_another_regressor_predicts_0_for_the_first_batch(estimator):
    y = np.arange(60.0)
    model = estimator(random_state=0)
    ours = progressive_val_predict(model, X, y, method="predict", batch_size=50)
    np.testing.assert_array_equal(ours[:50], np.zeros(50))
    np.testing.assert_array_equal(ours[50:], model.partial_fit(X[:50], y[:50]).predict(X[50:]))


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
def test_a_score_is_that_of_the_predictions(scoring, ftrl, sample_weight):
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
    predictions = progressive_val_predict(model, X, y, method=method, **stream)
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    assert isinstance(score, float)
    assert score == pytest.approx(sign * metric(y, predictions, **weights), rel=1e-12)


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
    assert score == pytest.approx(roc_auc_score(Y, p[:, 1]), rel=1e-12)


def test_what_make_scorer_returns_is_a_scorer():
    scoring = make_scorer(fbeta_score, beta=2.0, pos_label="no")
    labels = np.where(Y, "yes", "no")
    score = progressive_val_score(classifier(), X, labels, scoring=scoring)
    predictions = progressive_val_predict(classifier(), X, labels, method="predict")
    assert score == fbeta_score(labels, predictions, beta=2.0, pos_label="no")


def test_a_scorer_of_one_s_own_is_given_slices_of_row_numbers():
    def scorer(estimator, rows, y):
        assert isinstance(estimator, FtrlClassifier)
        return np.mean(estimator.predict(rows) == y) + 100 * rows.start

    scores = progressive_val_score(classifier(), X, Y, scoring=scorer, window=30)
    correct = progressive_val_predict(classifier(), X, Y, method="predict") == Y
    np.testing.assert_allclose(scores, [correct[:30].mean(), correct[30:].mean() + 3000])


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


def test_the_log_loss_is_the_progressive_loss_of_partial_fit():
    score = progressive_val_score(classifier(), X, Y, scoring="neg_log_loss", sample_weight=WEIGHTS)
    model = classifier().partial_fit(X, Y, classes=[0, 1], sample_weight=WEIGHTS)
    assert score == pytest.approx(-model.progressive_loss_, rel=1e-12)


def test_without_scoring_it_is_accuracy_or_r2():
    assert progressive_val_score(classifier(), X, Y) == progressive_val_score(
        classifier(), X, Y, scoring="accuracy"
    )
    assert progressive_val_score(regressor(), X, Y) == progressive_val_score(
        regressor(), X, Y, scoring="r2"
    )


@pytest.mark.parametrize("sample_weight", [None, WEIGHTS], ids=["equal", "weighted"])
def test_windows_are_scored_each_by_itself(sample_weight):
    stream = {"sample_weight": sample_weight}
    scores = progressive_val_score(classifier(), X, Y, scoring="neg_log_loss", window=25, **stream)
    p = progressive_val_predict(classifier(), X, Y, **stream)
    windows = [slice(0, 25), slice(25, 50), slice(50, 60)]
    weights = np.ones(60) if sample_weight is None else sample_weight
    np.testing.assert_allclose(
        scores, [-log_loss(Y[w], p[w], sample_weight=weights[w]) for w in windows], rtol=1e-12
    )


def test_a_window_of_one_class_is_what_the_scorer_makes_of_it():
    y, window = np.repeat([0, 1], 30), {"window": 30}
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


def test_the_display_holds_running_scores_and_those_of_windows():
    display = ProgressiveValidationDisplay.from_estimator(
        classifier(), X, Y, scoring="roc_auc", window=20, sample_weight=WEIGHTS
    )
    scored = {"scoring": "roc_auc", "sample_weight": WEIGHTS}
    windows = progressive_val_score(classifier(), X, Y, window=20, **scored)
    np.testing.assert_array_equal(display.n_rows, [20, 40, 60])
    np.testing.assert_array_equal(display.window_scores, windows)
    assert display.running_scores[0] == windows[0]
    assert display.running_scores[-1] == progressive_val_score(classifier(), X, Y, **scored)


def test_the_display_shows_what_it_holds():
    display = ProgressiveValidationDisplay.from_estimator(
        classifier(), X, Y, scoring="neg_brier_score", window=20
    )
    np.testing.assert_array_equal(display.line_.get_xdata(), display.n_rows)
    np.testing.assert_array_equal(display.line_.get_ydata(), display.running_scores)
    np.testing.assert_array_equal(display.window_line_.get_ydata(), display.window_scores)
    assert display.figure_ is display.ax_.figure
    assert display.ax_.get_xlabel() == "Rows learned"
    assert display.ax_.get_ylabel() == "Negative brier score"
    last = display.running_scores[-1]
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == [
        f"FtrlClassifier, all rows so far ({last:.3f})",
        "FtrlClassifier, windows of 20 rows",
    ]


def test_a_display_of_predictions_equals_that_of_the_estimator():
    p = progressive_val_predict(classifier(), X, Y, sample_weight=WEIGHTS)
    window = {"window": 20, "sample_weight": WEIGHTS}
    one = ProgressiveValidationDisplay.from_predictions(Y, p, score_func=log_loss, **window)
    other = ProgressiveValidationDisplay.from_estimator(
        classifier(), X, Y, scoring="neg_log_loss", **window
    )
    np.testing.assert_allclose(one.running_scores, -other.running_scores, rtol=1e-12)
    np.testing.assert_allclose(one.window_scores, -other.window_scores, rtol=1e-12)
    assert one.ax_.get_ylabel() == "Log loss"
    assert one.line_.get_label().startswith("all rows so far")


def test_a_display_has_fifty_windows_if_not_told():
    y = np.arange(1000.0)
    display = ProgressiveValidationDisplay.from_predictions(y, y, score_func=mean_absolute_error)
    np.testing.assert_array_equal(display.n_rows, np.arange(20, 1001, 20))
    display = ProgressiveValidationDisplay.from_predictions(Y, Y, score_func=accuracy_score)
    np.testing.assert_array_equal(display.n_rows, np.arange(2, 61, 2))  # 60 rows: at most 50


def test_displays_share_axes_and_pass_matplotlib_s_arguments_on():
    one = ProgressiveValidationDisplay.from_estimator(classifier(), X, Y, color="red")
    other = ProgressiveValidationDisplay.from_estimator(
        classifier(l1=1.0), X, Y, ax=one.ax_, name="sparse"
    )
    assert other.ax_ is one.ax_
    assert other.line_.get_label().startswith("sparse, ")
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
        (make_pipeline(StandardScaler(), FtrlClassifier()), {}, ValueError, "'partial_fit'"),
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
        (SGDClassifier("log_loss"), {"batch_size": 60}, ValueError, "batch_size=60 has to be less"),
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
        progressive_val_predict(estimator, **{"X": X, "y": Y} | arguments)


def test_rows_that_are_no_csr_matrix_are_refused():
    bad = X.copy()
    bad.indptr[0] = 2
    with pytest.raises(ValueError, match="X is not a valid CSR matrix"):
        progressive_val_predict(classifier(), bad, Y)


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
            score(FtrlClassifier(), X, Y, **arguments)


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
    assert display.n_rows.tolist() == [100, 200, 240]


@pytest.mark.parametrize("window", [None, 5])
def test_a_display_refuses_no_rows(window):
    with pytest.raises(ValueError, match="0 rows"):
        ProgressiveValidationDisplay.from_predictions(
            [], [], score_func=accuracy_score, window=window
        )


def test_a_display_refuses_predictions_of_another_number():
    with pytest.raises(ValueError, match="inconsistent numbers"):
        ProgressiveValidationDisplay.from_predictions(Y, Y[1:], score_func=accuracy_score)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        ProgressiveValidationDisplay.from_predictions(
            Y, Y, score_func=accuracy_score, sample_weight=np.ones(61)
        )
