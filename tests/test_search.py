import functools
import pickle
import threading
import weakref

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from oracle import NUMBERS, random_rows, random_targets
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import (
    DataConversionWarning,
    FitFailedWarning,
    NotFittedError,
    UndefinedMetricWarning,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, SGDClassifier, SGDRegressor
from sklearn.metrics import (
    accuracy_score,
    fbeta_score,
    get_scorer,
    log_loss,
    make_scorer,
    max_error,
    mean_squared_error,
)
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from test_common import NOT_EQUIVALENT

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, _race
from sklearn_ftrl.model_selection import (
    ProgressiveSearch,
    progressive_val_predict,
    progressive_val_score,
)
from sklearn_ftrl.preprocessing import ColumnHasher

X = random_rows()
Y = random_targets()
WEIGHTS = np.random.default_rng(4).choice([0.5, 1.0, 2.0], 60)
DAYS = np.repeat([3, 1, 2], [20, 7, 33])
GRID = {"learning_rate": [0.05, 0.5, 5.0]}
TABLE = {"site": list("abcdef") * 10, "ad": np.arange(60) % 7}
classifier = functools.partial(FtrlClassifier, **NUMBERS)
search_of = functools.partial(ProgressiveSearch, classifier(), GRID, batch_size=6)


def slices(size=6):
    return [slice(start, min(start + size, 60)) for start in range(0, 60, size)]


def stream(search, batches=None, y=Y, **arguments):
    """Return a search that has learned batches one by one."""
    for rows in slices() if batches is None else batches:
        search.partial_fit(X[rows], y[rows], classes=np.unique(y), **arguments)
    return search


class Fixed(ClassifierMixin, BaseEstimator):
    """A classifier whose scores, one a batch, are given, and which may fail."""

    def __init__(self, scores=(), fails_at=None, refuses=None):
        self.scores = scores
        self.fails_at = fails_at
        self.refuses = refuses

    def fit(self, X, y):
        """Learn nothing."""
        return self.partial_fit(X, y)

    def partial_fit(self, X, y, classes=None):
        """Learn nothing."""
        n_batches = getattr(self, "n_batches_", 0)
        if n_batches == self.fails_at:
            raise RuntimeError("I failed to learn")
        if self.refuses is not None and self.refuses == X[0][0]:
            raise ValueError("a bad batch")
        self.n_batches_ = n_batches + 1
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X):
        """Predict."""
        return np.zeros(len(X), int)


def given(estimator, X, y):
    """Return the next score of a Fixed."""
    score = estimator.scores[estimator.n_batches_ - 1]
    if isinstance(score, Exception):
        raise score
    return score


def race(scores, sizes=None, **arguments):
    """Return a search whose candidates had these scores: a row a batch after the first."""
    columns = [tuple(column) for column in np.asarray(scores, object).T]
    search = ProgressiveSearch(Fixed(), {"scores": columns}, scoring=given, **arguments)
    for size in [1, *(sizes or [1] * len(scores))]:
        search.partial_fit(np.zeros((size, 1)), np.zeros(size), classes=[0, 1])
    return search


# One pass


@pytest.mark.parametrize("sample_weight", [None, WEIGHTS], ids=["equal", "weighted"])
@pytest.mark.parametrize(
    ("base", "grid"),
    [
        (FtrlClassifier(), GRID),
        (SGDClassifier("log_loss", random_state=0), {"alpha": [1e-3, 1.0]}),
    ],
    ids=["FTRL", "SGD"],
)
def test_every_candidate_has_the_score_of_progressive_validation(base, grid, sample_weight):
    search = ProgressiveSearch(base, grid, eliminate=False)
    search.fit(X, Y, sample_weight, batches=DAYS)
    scores = [
        progressive_val_score(
            clone(base).set_params(**params),
            X,
            Y,
            scoring="neg_log_loss",
            sample_weight=sample_weight,
            batches=DAYS,
        )
        for params in search.cv_results_["params"]
    ]
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], scores, rtol=1e-12)
    assert search.best_index_ == np.argmax(scores)
    assert search.best_score_ == pytest.approx(max(scores), rel=1e-12)
    assert search.best_params_ == search.cv_results_["params"][search.best_index_]


def test_the_best_estimator_is_the_one_that_learned_the_whole_stream():
    search = search_of(eliminate=False).fit(X, Y)
    alone = clone(search.estimator).set_params(**search.best_params_)
    for rows in slices():
        alone.partial_fit(X[rows], Y[rows], classes=[0, 1])
    np.testing.assert_array_equal(search.best_estimator_.coef_, alone.coef_)


def test_fit_is_partial_fit_batch_by_batch_from_nothing():
    one, other = search_of().fit(X, Y), stream(search_of())
    again = search_of().fit(X[:30], 1 - Y[:30]).fit(X, Y)
    for search in [other, again]:
        assert one.best_params_ == search.best_params_
        for name, column in one.cv_results_.items():
            np.testing.assert_array_equal(column, search.cv_results_[name])


def test_partial_fit_goes_on_after_fit():
    search = search_of(eliminate=False).fit(X[:30], Y[:30], classes=[0, 1])
    stream(search, slices()[5:])
    whole = search_of(eliminate=False).fit(X, Y)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], whole.cv_results_["mean_test_score"]
    )


def test_the_first_batch_is_learned_and_not_scored():
    search = search_of().partial_fit(X, Y, classes=[0, 1])
    assert np.isnan(search.best_score_)
    assert np.isnan(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.t_ == 60
    assert search.predict(X).shape == (60,)


def test_the_mean_is_over_rows_and_not_over_batches():
    search = race([[1.0, 0.0], [0.0, 0.5]], sizes=[1, 3])
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], [1 / 4, 3 / 8])
    assert search.best_index_ == 1


def test_sample_weights_count_in_the_mean():
    def negative(estimator, X, y, sample_weight):
        return -X[0][0]

    search = ProgressiveSearch(MultinomialNB(), {"alpha": [1.0]}, scoring=negative)
    for x, weight in [(1.0, 5.0), (2.0, 3.0), (4.0, 1.0)]:
        search.partial_fit([[x]], [0], classes=[0, 1], sample_weight=[weight])
    assert search.best_score_ == pytest.approx(-(3 * 2 + 4) / 4)


def test_the_estimator_and_the_caller_s_objects_stay_as_they_are():
    objects = classifier().fit(X, Y), GRID, X, Y, WEIGHTS
    before = pickle.dumps(objects)
    ProgressiveSearch(objects[0], GRID).fit(X, Y, WEIGHTS, batches=DAYS)
    assert pickle.dumps(objects) == before


def test_what_learns_are_copies_of_steps_and_of_estimators_in_the_grid():
    model, last = make_pipeline(Normalizer(), classifier()), [classifier(), classifier(l1=0.1)]
    search = ProgressiveSearch(model, {"ftrlclassifier": last}).fit(X, Y, batches=DAYS)
    assert search.best_estimator_[0] is not model[0]
    assert not any(hasattr(estimator, "coef_") for estimator in last)


def test_a_batch_that_brings_a_class_is_learned_and_not_scored():
    y = np.r_[Y[:20], random_targets(40, n_classes=3)]
    search, model = ProgressiveSearch(classifier(), {"l1": [0.0]}), classifier()
    for rows, classes in [(slice(20), [0, 1]), (slice(20, 40), [0, 1, 2])]:
        search.partial_fit(X[rows], y[rows], classes=classes)
        model.partial_fit(X[rows], y[rows], classes=classes)
    search.partial_fit(X[40:], y[40:])
    loss = log_loss(y[40:], model.predict_proba(X[40:]))
    assert search.best_score_ == pytest.approx(-loss, rel=1e-12)


# Scores


@pytest.mark.parametrize("labels", [[0, 1], ["b", "a"], [True, False], ["x", "y", "z"]], ids=str)
@pytest.mark.parametrize("scoring", [None, "neg_log_loss"])
def test_the_log_loss_is_scikit_learn_s_and_knows_all_labels(labels, scoring):
    y = np.array(labels)[random_targets(n_classes=len(labels))]
    y[6:12] = labels[0]  # the first batch that is scored has one label
    search = search_of(scoring=scoring, eliminate=False).fit(X, y)
    for params, score in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        p = progressive_val_predict(classifier().set_params(**params), X, y, batch_size=6)
        assert score == pytest.approx(-log_loss(y[6:], p[6:], labels=np.unique(y)), rel=1e-12)


def test_the_log_loss_is_finite_where_a_probability_is_0():
    y = np.repeat([0, 1], [40, 20])
    search = ProgressiveSearch(
        SGDClassifier("modified_huber", random_state=0), {"alpha": [1e-4]}, batch_size=20
    ).fit(np.ones((60, 1)), y)
    assert search.best_score_ == pytest.approx(-(0 + -np.log(np.finfo(float).eps)) / 2)


@pytest.mark.parametrize(
    ("estimator", "grid", "name"),
    [
        (classifier("hinge"), GRID, "accuracy"),
        (classifier(), {"loss": ["log_loss", "hinge"]}, "accuracy"),
        (FtrlRegressor(**NUMBERS), GRID, "neg_mean_squared_error"),
    ],
    ids=str,
)
def test_without_scoring_it_is_what_all_candidates_can_have(estimator, grid, name):
    one, other = (
        ProgressiveSearch(estimator, grid, scoring=scoring).fit(X, Y, batches=DAYS).cv_results_
        for scoring in (None, name)
    )
    np.testing.assert_array_equal(one["mean_test_score"], other["mean_test_score"])


def test_what_make_scorer_returns_is_a_scorer():
    scoring = make_scorer(fbeta_score, beta=2.0, pos_label="no")
    y = np.where(Y, "yes", "no")
    search = search_of(scoring=scoring).fit(X, y, batches=np.repeat([1, 2], 30))
    p = progressive_val_predict(search.estimator, X, y, method="predict", batch_size=30)
    assert search.cv_results_["mean_test_score"][1] == fbeta_score(
        y[30:], p[30:], beta=2.0, pos_label="no"
    )


def test_a_batch_without_a_finite_score_is_left_out():
    search = race([[0.5, 1.0], [np.nan, np.nan], [0.75, 1.0]])
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], [0.625, 1.0])
    assert search.cv_results_["n_rows"].tolist() == [4, 4]


def test_a_batch_of_one_class_has_no_roc_auc():
    y = np.where(DAYS == 1, 0, Y)
    with pytest.warns(UndefinedMetricWarning, match="Only one class"):
        search = search_of(scoring="roc_auc").fit(X, y, batches=DAYS)
    p = progressive_val_predict(search.best_estimator_, X, y, batches=DAYS)
    assert search.best_score_ == get_scorer("roc_auc")._score_func(y[27:], p[27:, 1])


def test_a_batch_of_weight_0_is_left_out():
    weights = np.where(DAYS == 1, 0.0, 1.0)
    search = search_of().fit(X, Y, weights, batches=DAYS)
    assert search.best_score_ == pytest.approx(
        progressive_val_score(
            search.best_estimator_,
            X,
            Y,
            scoring="neg_log_loss",
            sample_weight=weights,
            batches=DAYS,
        ),
        rel=1e-12,
    )


# Windows


@pytest.mark.parametrize(
    ("window", "first"), [(1, 2), (2, 1), (3, 1), (4, 0), (99, 0), (None, 0)], ids=str
)
def test_a_window_is_the_last_batches_that_have_so_many_rows(window, first):
    scores, sizes = np.array([[7.0, 1.0], [1.0, 1.5], [0.0, 3.0]]), [2, 2, 1]
    search = race(scores, sizes, window=window)
    means = np.average(scores[first:], axis=0, weights=sizes[first:])
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], means)
    assert search.best_index_ == np.argmax(means)


def test_memory_does_not_grow_with_the_stream(monkeypatch):
    scores = noisy(0.0, 0.1, n_batches=50, paired=1.0)
    sizes = [1, 2, 3, 4, 5] * 10
    whole = race(scores, sizes, eliminate=False)
    monkeypatch.setattr(_race, "MOST_BATCHES", 8)
    merged = race(scores, sizes, eliminate=False)
    assert len(merged._race.scores) < 8
    assert merged._race.sizes.sum() == sum(sizes)
    for name in ["mean_test_score", "mean_difference"]:
        np.testing.assert_allclose(merged.cv_results_[name], whole.cv_results_[name], rtol=1e-12)
    np.testing.assert_allclose(
        merged.cv_results_["standard_error"], whole.cv_results_["standard_error"], rtol=0.5
    )


def test_a_window_may_be_given_up(monkeypatch):
    monkeypatch.setattr(_race, "MOST_BATCHES", 4)
    search = race(noisy(0.0, 0.0, n_batches=12), [1] * 9, window=7)
    assert search._race.sizes.tolist() == [1] * 7
    search.set_params(window=None)
    for _ in range(3):
        search.partial_fit([[0.0]], [0])
    assert search._race.sizes.sum() == 10
    assert search._race.sizes.size <= 7


# Elimination


def noisy(*means, n_batches=40, noise=1.0, paired=0.0):
    rng = np.random.default_rng(0)
    shared, own = rng.normal(size=(n_batches, 1)), rng.normal(size=(n_batches, len(means)))
    return np.array(means) + noise * shared + paired * own


def test_differences_are_paired_and_have_their_standard_error():
    scores = noisy(0.0, 0.1, paired=1.0)
    results = race(scores, eliminate=False).cv_results_
    difference = scores[:, 0] - scores[:, 1]
    if difference.mean() > 0:
        difference = -difference
    worse = int(np.argmin(scores.mean(axis=0)))
    assert results["mean_difference"][worse] == pytest.approx(difference.mean())
    assert results["standard_error"][worse] == pytest.approx(difference.std(ddof=1) / 40**0.5)
    assert results["mean_difference"][1 - worse] == results["standard_error"][1 - worse] == 0


def test_standard_errors_take_the_sizes_of_batches_into_account():
    scores, sizes = noisy(0.0, 0.1, n_batches=5, paired=1.0), [1, 2, 3, 4, 5]
    results = race(scores, sizes, eliminate=False).cv_results_
    d, w = scores[:, 0] - scores[:, 1], np.array(sizes) / 15
    error = np.sqrt(5 / 4 * np.sum((w * (d - w @ d)) ** 2))
    assert results["standard_error"].max() == pytest.approx(error)


def test_a_candidate_that_is_worse_beyond_doubt_stops_after_ten_batches():
    scores = noisy(0.0, -0.2, -0.01, n_batches=12, paired=0.05)
    search = race(scores)
    results = search.cv_results_
    np.testing.assert_array_equal(results["stopped_at"], [np.nan, 11, np.nan])
    np.testing.assert_array_equal(results["n_rows"], [13, 11, 13])
    assert results["mean_test_score"][1] == pytest.approx(scores[:10, 1].mean())
    assert results["mean_difference"][1] == pytest.approx((scores[:10, 1] - scores[:10, 0]).mean())
    assert results["mean_difference"][1] < -3 * results["standard_error"][1]


def test_a_candidate_that_is_as_good_stays():
    results = race(np.repeat(noisy(0.0), 2, axis=1)).cv_results_
    assert np.isnan(results["stopped_at"]).all()


def test_without_eliminate_all_candidates_learn_all():
    results = race(noisy(0.0, -5.0, paired=0.1), eliminate=False).cv_results_
    assert np.isnan(results["stopped_at"]).all()
    assert results["n_rows"].tolist() == [41, 41]


def test_the_memory_of_a_candidate_that_stops_is_freed():
    search = ProgressiveSearch(classifier(), {"learning_rate": [0.5, 1e3]}, batch_size=5)
    y = (X.toarray()[:, 0] + 2 * X.toarray()[:, 1] > 0).astype(int)
    search.partial_fit(X[:5], y[:5], classes=[0, 1])
    models = [weakref.ref(candidate.learner) for candidate in search._race.candidates]
    stream(search, slices(5)[1:], y=y)
    assert search.cv_results_["n_rows"].tolist() == [60, 55]
    assert models[0]() is search.best_estimator_
    assert models[1]() is None


def test_the_best_may_change():
    scores = np.repeat([[1.0, 0.0], [0.0, 5.0]], 5, axis=0)
    search = race(scores[:5])
    assert search.best_index_ == 0
    assert race(scores).best_index_ == 1


# Pipelines


@pytest.mark.parametrize(
    "table",
    [TABLE, pd.DataFrame(TABLE, index=range(60, 0, -1)), pl.DataFrame(TABLE), pa.table(TABLE)],
    ids=["dict", "pandas", "polars", "Arrow"],
)
@pytest.mark.parametrize(
    ("name", "values"), [("ftrlclassifier__beta", [0.5, 2]), ("columnhasher__n_features", [64, 99])]
)
def test_pipelines_learn_from_tables(table, name, values):
    model = make_pipeline(ColumnHasher(2**10), classifier())
    search = ProgressiveSearch(model, {name: values}, eliminate=False)
    search.fit(table, Y, batches=DAYS)
    scores = [
        progressive_val_score(
            clone(model).set_params(**{name: value}), TABLE, Y, scoring="neg_log_loss", batches=DAYS
        )
        for value in values
    ]
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], scores, rtol=1e-12)
    best = clone(model).set_params(**search.best_params_)
    hashed = best[0].transform(TABLE)
    for start, stop in [(0, 20), (20, 27), (27, 60)]:
        best[1].partial_fit(hashed[start:stop], Y[start:stop], classes=[0, 1])
    np.testing.assert_array_equal(search.predict_proba(table), best[1].predict_proba(hashed))


@pytest.mark.parametrize(
    ("grid", "n_times"),
    [({"ftrlclassifier__l1": [0, 1, 2]}, 1), ({"functiontransformer__kw_args": [None, {}]}, 2)],
)
def test_candidates_share_the_steps_that_the_grid_leaves_alone(grid, n_times):
    sizes = []
    spy = FunctionTransformer(lambda X: sizes.append(X.shape[0]) or X, accept_sparse=True)
    ProgressiveSearch(make_pipeline(spy, classifier()), grid).fit(X, Y, batches=DAYS)
    assert sizes == np.repeat([20, 7, 33], n_times).tolist()


def test_a_grid_may_replace_steps():
    model = make_pipeline(Normalizer(), classifier())
    last = [classifier(), SGDClassifier("log_loss", random_state=0)]
    search = ProgressiveSearch(
        model, [{"ftrlclassifier": last}, {"normalizer": ["passthrough"]}]
    ).fit(X, Y, batches=DAYS)
    assert len(search.cv_results_["params"]) == 3


# As scikit-learn's searches


@pytest.mark.compiled
@parametrize_with_checks(
    [
        ProgressiveSearch(FtrlClassifier(), {"l1": [0.0, 0.1]}, batch_size=5),
        ProgressiveSearch(FtrlRegressor(), GRID, batch_size=5, scoring="explained_variance"),
    ],
    expected_failed_checks=lambda estimator: NOT_EQUIVALENT,
)
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
def test_predictions_are_those_of_the_best_estimator(method):
    search = search_of().fit(X, Y)
    np.testing.assert_array_equal(
        getattr(search, method)(X), getattr(search.best_estimator_, method)(X)
    )


def test_what_the_best_estimator_knows_the_search_knows():
    names = [f"x{k}" for k in range(12)]
    frame = pd.DataFrame(X.toarray(), columns=names)
    search = search_of().fit(frame, np.where(Y, "yes", "no"))
    assert search.classes_.tolist() == ["no", "yes"]
    assert search.feature_names_in_.tolist() == names
    assert search.n_features_in_ == 12
    assert search.decision_function(frame).shape == (60,)


def test_score_is_by_the_search_s_scorer():
    search = search_of().fit(X, Y)
    p = search.predict_proba(X)
    assert search.score(X, Y) == pytest.approx(-log_loss(Y, p), rel=1e-12)
    assert search.score(X, Y, WEIGHTS) == pytest.approx(
        -log_loss(Y, p, sample_weight=WEIGHTS), rel=1e-12
    )
    regression = ProgressiveSearch(FtrlRegressor(), GRID).fit(X, Y, batches=DAYS)
    assert regression.score(X, Y) == -mean_squared_error(Y, regression.predict(X))


@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_methods_are_those_that_the_estimator_has(loss):
    search = ProgressiveSearch(classifier(loss), GRID)
    for each in [search, clone(search).fit(X, Y, batches=DAYS)]:
        assert hasattr(each, "predict_proba") == (loss == "log_loss")
        assert hasattr(each, "decision_function")


def test_before_a_fit_there_is_nothing_to_predict_with():
    search = search_of()
    for use in [search.predict, search.predict_proba, lambda X: search.score(X, Y)]:
        with pytest.raises(NotFittedError):
            use(X)
    for name in ["classes_", "n_features_in_", "feature_names_in_", "best_estimator_"]:
        assert not hasattr(search, name)
    with pytest.raises(NotFittedError):
        _ = search.cv_results_


def test_results_are_a_table():
    grid = [{"l1": [0, 1], "beta": [1.0]}, {"learning_rate": ["auto"]}]
    frame = pd.DataFrame(ProgressiveSearch(classifier(), grid, batch_size=20).fit(X, Y).cv_results_)
    assert frame["param_l1"].isna().tolist() == [False, False, True]
    assert frame["param_learning_rate"][2] == "auto"
    assert frame["params"][1] == {"beta": 1.0, "l1": 1}
    assert (frame["n_rows"] == 60).all()


def test_a_pickle_goes_on():
    search = stream(search_of(), slices()[:7])
    other = pickle.loads(pickle.dumps(search))
    for each in [search, other]:
        stream(each, slices()[7:])
    np.testing.assert_array_equal(search.predict_proba(X), other.predict_proba(X))
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], other.cv_results_["mean_test_score"]
    )


def test_a_clone_has_seen_nothing():
    fresh = clone(search_of().fit(X, Y))
    assert not hasattr(fresh, "best_estimator_")
    assert fresh.get_params()["estimator__learning_rate"] == 0.5


def test_the_search_is_what_its_estimator_is():
    for estimator in [FtrlClassifier(), FtrlRegressor(), make_pipeline(FtrlClassifier())]:
        ours, theirs = get_tags(ProgressiveSearch(estimator, {})), get_tags(estimator)
        assert ours.estimator_type == theirs.estimator_type
        assert ours.input_tags.sparse == theirs.input_tags.sparse


def test_a_search_may_be_judged_itself():
    score = progressive_val_score(search_of(), X, Y, scoring="neg_log_loss", batches=DAYS)
    assert np.isfinite(score)


def test_the_html_shows_the_best_estimator():
    search = search_of()
    assert "estimator: FtrlClassifier" in search._repr_html_()
    html = search.fit(X, Y)._repr_html_()
    assert "best_estimator_: FtrlClassifier" in html
    assert "generated/sklearn_ftrl.model_selection.ProgressiveSearch.html" in html


def test_threads_learn_the_same():
    names = set()

    class Spy(FtrlClassifier):
        def partial_fit(self, *args, **kwargs):
            names.add(threading.current_thread().name)
            return super().partial_fit(*args, **kwargs)

    one, two = (
        ProgressiveSearch(Spy(**NUMBERS), GRID, batch_size=6, n_jobs=n_jobs) for n_jobs in (None, 2)
    )
    one.fit(X, Y)
    assert names == {threading.main_thread().name}
    two.fit(X, Y)
    assert len(names) > 1
    np.testing.assert_array_equal(
        one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"]
    )
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))


def test_weights_are_routed_to_those_who_ask():
    with sklearn.config_context(enable_metadata_routing=True):
        learner = classifier()
        search = ProgressiveSearch(learner, GRID, batch_size=6, scoring="neg_log_loss")
        with pytest.raises(ValueError, match="sample_weight"):
            search.fit(X, Y, WEIGHTS)
        learner.set_partial_fit_request(sample_weight=True)
        scorer = get_scorer("neg_brier_score").set_score_request(sample_weight=True)
        for model in [learner, make_pipeline(Normalizer(), learner)]:
            search = ProgressiveSearch(model, {}, batch_size=6, scoring=scorer)
            search.fit(X, Y, WEIGHTS)
            weighted = search.score(X, Y, WEIGHTS)
            assert weighted != search.score(X, Y)
    expected = ProgressiveSearch(model, {}, batch_size=6, scoring="neg_brier_score")
    expected.fit(X, Y, WEIGHTS)
    assert search.best_score_ == expected.best_score_
    assert weighted == expected.score(X, Y, WEIGHTS)


# What fails


def test_a_candidate_that_fails_to_learn_stops_with_a_warning():
    grid = {"fails_at": [None, 2], "scores": [(1.0, 2.0, 3.0)]}
    search = ProgressiveSearch(Fixed(), grid, scoring=given)
    for _ in range(2):
        search.partial_fit([[0.0]], [0], classes=[0, 1])
    with pytest.warns(FitFailedWarning, match=r"'fails_at': 2.*I failed to learn"):
        search.partial_fit([[0.0]], [0])
    search.partial_fit([[0.0]], [0])
    assert search.cv_results_["mean_test_score"].tolist() == pytest.approx(
        [2.0, np.nan], nan_ok=True
    )
    assert search.cv_results_["n_rows"].tolist() == [4, 2]
    assert search.cv_results_["stopped_at"].tolist() == pytest.approx([np.nan, 3], nan_ok=True)


def test_a_candidate_whose_parameter_is_not_valid_stops_with_a_warning():
    with pytest.warns(FitFailedWarning, match="'learning_rate' parameter"):
        search = ProgressiveSearch(
            classifier(), {"learning_rate": [-1.0, 0.5]}, error_score=-9.0
        ).fit(X, Y, batches=DAYS)
    assert search.best_params_ == {"learning_rate": 0.5}
    assert search.cv_results_["mean_test_score"][0] == -9.0


def test_a_candidate_that_fails_may_raise():
    search = ProgressiveSearch(classifier(), {"learning_rate": [0.5, -1.0]}, error_score="raise")
    for call in [
        lambda: search.fit(X, Y, batches=DAYS),
        lambda: search.partial_fit(X, Y, classes=[0, 1]),
    ]:
        with pytest.raises(ValueError, match="'learning_rate' parameter"):
            call()
        assert not hasattr(search, "best_estimator_")


def test_the_others_go_on_where_the_best_has_raised():
    class Failing(FtrlClassifier):
        def partial_fit(self, X, y, classes=None, sample_weight=None):
            if self.beta == 2.0 and hasattr(self, "t_") and self.t_ >= 2 * len(y):
                raise RuntimeError("I cannot learn")
            return super().partial_fit(X, y, classes, sample_weight)

    grid = {"beta": [2.0, 1.0]}
    search = ProgressiveSearch(Failing(), grid, scoring=lambda m, X, y: m.beta, error_score="raise")
    for _ in range(2):
        search.partial_fit(X, Y, classes=[0, 1])
    assert search.best_index_ == 0
    with pytest.raises(RuntimeError, match="I cannot learn"):
        search.partial_fit(X, Y)
    assert search.best_index_ == 1
    assert search.best_params_ == {"beta": 1.0}
    search.partial_fit(X, Y)
    assert search.best_estimator_.t_ == 4 * len(Y)


@pytest.mark.parametrize("form", [np.asarray, pd.DataFrame])
def test_labels_in_a_column_are_scored_as_labels(form):
    grid = {"learning_rate": [0.1, 1.0]}
    expected = ProgressiveSearch(classifier(), grid).fit(X, Y, batches=DAYS)
    with pytest.warns(DataConversionWarning):
        search = ProgressiveSearch(classifier(), grid).fit(X, form(Y[:, np.newaxis]), batches=DAYS)
    scores = [each.cv_results_["mean_test_score"] for each in (search, expected)]
    np.testing.assert_array_equal(*scores)
    with pytest.warns(DataConversionWarning):
        assert search.score(X, form(Y[:, np.newaxis])) == expected.score(X, Y)


@pytest.mark.parametrize(
    ("y", "weights", "message"),
    [
        (Y - 1, None, r"unseen labels: \[-1\]"),
        (Y[1:], None, "inconsistent numbers"),
        (Y, -np.ones(len(Y)), "Negative values"),
        (Y, np.zeros(len(Y)), "non-zero"),
    ],
)
def test_a_score_of_bad_labels_or_weights_is_refused(y, weights, message):
    search = ProgressiveSearch(classifier(), {"beta": [1.0, 2.0]}).fit(X, Y, batches=DAYS)
    with pytest.raises(ValueError, match=message):
        search.score(X, y, weights)


def test_no_finite_score_is_an_error_that_says_why():
    def scoring(model, X, y):
        raise RuntimeError("I cannot score")

    search = ProgressiveSearch(classifier(), {"beta": [1.0, 2.0]}, scoring=scoring)
    with (
        pytest.warns(UserWarning, match="Scoring failed"),
        pytest.raises(ValueError, match=r"No batch has a finite score.*I cannot score"),
    ):
        search.fit(X, Y, batches=DAYS)


def test_a_candidate_whose_score_alone_is_not_finite_stops_with_a_warning():
    with pytest.warns(FitFailedWarning, match="its score is nan"):
        search = race([[0.5, 1.0], [0.5, np.nan], [0.5, 1.0]])
    assert search.best_index_ == 0
    assert np.isnan(search.cv_results_["mean_test_score"][1])


def test_a_score_that_fails_is_the_error_score():
    with pytest.warns(UserWarning, match=r"Scoring failed.*I cannot score"):
        search = race([[0.5, 1.0], [0.5, RuntimeError("I cannot score")]], error_score=0.5)
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], [0.5, 0.75])
    with pytest.raises(RuntimeError, match="I cannot score"):
        race([[0.5, 1.0], [0.5, RuntimeError("I cannot score")]], error_score="raise")


def test_a_batch_that_all_candidates_refuse_changes_nothing():
    grid = {"scores": [(1.0, 2.0), (2.0, 1.0)]}
    search = ProgressiveSearch(Fixed(refuses=7.0), grid, scoring=given)
    search.partial_fit([[0.0]], [0], classes=[0, 1]).partial_fit([[0.0]], [0])
    before = pickle.dumps(search)
    with pytest.raises(ValueError, match="a bad batch"):
        search.partial_fit([[7.0]], [0])
    assert pickle.dumps(search) == before


@pytest.mark.parametrize(
    ("rows", "labels", "message"),
    [
        (np.full((6, 12), np.nan), Y[:6], "NaN"),
        (X[:6, :5], Y[:6], "features"),
        (X[:6], np.full(6, 7), "unseen labels"),
    ],
)
def test_a_bad_batch_leaves_the_search_as_it_was(rows, labels, message):
    search = stream(search_of(), slices()[:5])
    before = pickle.dumps(search)
    with pytest.raises(ValueError, match=message):
        search.partial_fit(rows, labels)
    assert pickle.dumps(search) == before


def test_a_fit_that_fails_leaves_the_search_as_it_was():
    search = search_of().fit(X, Y)
    before = pickle.dumps(search)
    bad = X.toarray()
    bad[50] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        search.fit(bad, Y)
    assert pickle.dumps(search) == before


def test_a_fit_without_a_finite_score_is_refused():
    search = ProgressiveSearch(FtrlRegressor(), GRID, scoring="r2", batch_size=1)
    with (
        pytest.warns(UndefinedMetricWarning),
        pytest.raises(ValueError, match=r"No batch has a finite score.*'r2'"),
    ):
        search.fit(X[:5], np.arange(5.0))


@pytest.mark.parametrize(
    ("search", "error", "message"),
    [
        (ProgressiveSearch(LogisticRegression(), {}), ValueError, "'partial_fit' or an instance"),
        (ProgressiveSearch(classifier(), []), ValueError, "param_grid is empty"),
        (ProgressiveSearch(classifier(), {"l1": []}), ValueError, "non-empty"),
        (ProgressiveSearch(classifier(), "l1"), ValueError, "'param_grid' parameter"),
        (ProgressiveSearch(classifier(), {"alpha": [1]}), ValueError, "Invalid parameter 'alpha'"),
        (search_of(scoring="profit"), ValueError, "'scoring' parameter"),
        (search_of(scoring=accuracy_score), ValueError, "looks like it is a metric"),
        (search_of().set_params(batch_size=0), ValueError, "'batch_size' parameter"),
        (search_of().set_params(batch_size=60), ValueError, "batch_size=60 puts all"),
        (search_of(window=0), ValueError, "'window' parameter"),
        (search_of(eliminate="yes"), ValueError, "'eliminate' parameter"),
        (search_of(n_jobs="all"), ValueError, "'n_jobs' parameter"),
        (search_of(error_score="nan"), ValueError, "'error_score' parameter"),
        (
            ProgressiveSearch(make_pipeline(StandardScaler(), classifier()), {}),
            ValueError,
            "'standardscaler' of the pipeline.*FrozenEstimator",
        ),
        (
            ProgressiveSearch(
                make_pipeline(classifier()), {"ftrlclassifier": [LogisticRegression()]}
            ),
            ValueError,
            "has no partial_fit",
        ),
        (ProgressiveSearch(FrozenEstimator(classifier()), {}), ValueError, "has no partial_fit"),
        (search_of(scoring=make_scorer(max_error)), ValueError, "sample_weight: scoring="),
    ],
)
def test_what_cannot_be_searched_is_refused(search, error, message):
    with pytest.raises(error, match=message):
        search.fit(X, Y, WEIGHTS)
    assert not hasattr(search, "best_estimator_")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batches": np.repeat([1, 2, 1], 20)}, "1 comes back"),
        ({"batches": DAYS[1:]}, "batches.shape"),
        ({"y": Y[1:]}, "inconsistent numbers"),
        ({"sample_weight": WEIGHTS[1:]}, "inconsistent numbers"),
        ({"sample_weight": np.zeros(60)}, "at least one non-zero"),
        ({"sample_weight": np.full(60, -1.0)}, "Negative"),
        ({"classes": [0, 2]}, "unseen labels"),
    ],
)
def test_wrong_arguments_of_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        search_of().fit(**{"X": X, "y": Y} | arguments)


def test_parameters_are_checked_in_each_call():
    search = stream(search_of(), slices()[:2]).set_params(window=-1)
    with pytest.raises(ValueError, match="'window' parameter"):
        search.partial_fit(X, Y)


def test_the_first_call_needs_classes():
    with pytest.raises(ValueError, match="classes must be passed"):
        search_of().partial_fit(X, Y)


def test_regressors_have_no_classes():
    with pytest.raises(TypeError, match="classes"):
        ProgressiveSearch(SGDRegressor(), {}).partial_fit(X, Y, classes=[0, 1])
