"""What a model promises those who keep it: files, callbacks, uncertainty."""

import copy
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import sklearn
from oracle import FEW, NUMBERS, random_rows, random_targets
from scipy import sparse
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

import sklearn_ftrl
from sklearn_ftrl import FtrlClassifier

SAVED = Path(__file__).parent / "data" / "classifier_0_1.pickle"


def trained(n_classes=2, **params):
    return FtrlClassifier(**(FEW | params), random_state=0).fit(
        random_rows(), random_targets(n_classes=n_classes)
    )


# Files


def test_a_file_of_the_first_version_is_refused_with_words():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        with pytest.raises(ValueError, match=r"saved by an earlier sklearn-ftrl.*Fit it again"):
            pickle.loads(SAVED.read_bytes())


def test_another_version_warns(monkeypatch):
    saved = pickle.dumps(trained())
    monkeypatch.setattr(sklearn_ftrl, "__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning, match=r"99.0 of sklearn-ftrl"):
        pickle.loads(saved)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_an_error(keep):
    saved = pickle.dumps(trained())
    with pytest.raises((EOFError, pickle.UnpicklingError)):
        pickle.loads(saved[: int(keep * len(saved))])


DAMAGE = {
    "fewer features": lambda array: array[:-1],
    "no array": lambda array: array.tolist(),
    "another dtype": lambda array: array.astype(np.int64),
    "not contiguous": lambda array: np.asfortranarray(array),
    "more outputs": lambda array: np.repeat(array, 3, axis=2),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_state_is_refused(damage):
    state = trained().__getstate__()
    state["_learner"].state = DAMAGE[damage](state["_learner"].state)
    with pytest.raises(ValueError, match="is damaged"):
        FtrlClassifier().__setstate__(state)


def test_an_unfitted_model_is_copied():
    assert pickle.loads(pickle.dumps(FtrlClassifier(l1=2.0))).l1 == 2.0


# Callbacks

with_callbacks = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"),
    reason="scikit-learn has no callbacks",
)


class Watcher:
    """A callback that keeps what it is told, and stops or fails on the last of its epochs."""

    def __init__(self, epochs=99, error=None):
        self.epochs, self.error, self.torn_down = epochs, error, False
        self.models, self.begun = [], []

    def setup(self, estimator, context):
        """Do nothing."""

    def teardown(self, estimator, context):
        """Remember it."""
        self.torn_down = True

    def on_fit_task_begin(self, estimator, context, *, fitted_estimator=None):
        """Keep the rows that the model has learned before an epoch."""
        if context.task_name == "epoch":
            self.begun.append(fitted_estimator.t_)

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Keep the model; say or raise what was ordered."""
        if context.task_name != "epoch":
            return False
        self.models.append(fitted_estimator)
        if len(self.models) == self.epochs and self.error:
            raise self.error
        return len(self.models) == self.epochs


@with_callbacks
def test_a_callback_sees_the_model_of_each_epoch():
    watcher = Watcher()
    params = {**NUMBERS, "shuffle": False, "tol": None}
    FtrlClassifier(max_iter=4, **params).set_callbacks(watcher).fit(random_rows(), random_targets())
    for n, seen in enumerate(watcher.models, start=1):
        alone = FtrlClassifier(max_iter=n, **params).fit(random_rows(), random_targets())
        np.testing.assert_array_equal(seen.coef_, alone.coef_)
        assert (seen.t_, len(seen.loss_curve_)) == (60 * n, n)
    assert watcher.begun == [0, 60, 120, 180]
    assert watcher.torn_down


@with_callbacks
def test_what_a_callback_has_seen_is_not_learned_any_further():
    watcher = Watcher()
    model = FtrlClassifier(max_iter=2, tol=None).set_callbacks(watcher)
    model.fit(random_rows(), random_targets())
    before = watcher.models[0].coef_.copy()
    model.partial_fit(random_rows(), random_targets())
    np.testing.assert_array_equal(watcher.models[0].coef_, before)


@with_callbacks
def test_a_callback_may_end_fit():
    model = FtrlClassifier(max_iter=50, tol=None).set_callbacks(Watcher(epochs=3))
    assert model.fit(random_rows(), random_targets()).n_iter_ == 3


@with_callbacks
def test_a_callback_that_ends_the_search_leaves_the_best_pass():
    params = {"max_iter": 50, "tol": None, "early_stopping": True, "random_state": 0}
    model = FtrlClassifier(**params).set_callbacks(Watcher(epochs=3))
    model.fit(random_rows(), random_targets())
    assert model.n_iter_ == 3
    assert model.t_ == model.best_iter_ * 54


@with_callbacks
def test_a_callback_sees_and_may_end_the_refit():
    params = {"max_iter": 3, "tol": None, "early_stopping": True}
    later = {"scoring": lambda model, *_: len(model.loss_curve_)}  # the last pass is best
    watcher = Watcher(epochs=5)
    model = FtrlClassifier(**params, **later).set_callbacks(watcher)
    model.fit(random_rows(), random_targets())
    assert [seen.t_ for seen in watcher.models] == [54, 108, 162, 60, 120]
    assert model.t_ == 120


@with_callbacks
@pytest.mark.parametrize("error", [RuntimeError("no"), MemoryError(), KeyboardInterrupt()])
def test_a_callback_that_fails_leaves_the_epochs_before(error):
    watcher = Watcher(epochs=2, error=error)
    params = {**NUMBERS, "shuffle": False, "tol": None}
    model = FtrlClassifier(max_iter=9, **params).set_callbacks(watcher)
    with pytest.raises(type(error)):
        model.fit(random_rows(), random_targets())
    expected = FtrlClassifier(max_iter=2, **params).fit(random_rows(), random_targets())
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    assert watcher.torn_down
    assert model.t_ == 120


@with_callbacks
def test_scikit_learn_s_monitor_scores_each_epoch():
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="neg_log_loss")
    model = FtrlClassifier(max_iter=3, tol=None).set_callbacks(monitor)
    model.fit(random_rows(), random_targets(), np.ones(60))
    scores = [row["neg_log_loss"] for row in monitor.get_logs().data if "neg_log_loss" in row]
    assert len(scores) >= 3


@with_callbacks
def test_callbacks_reach_the_model_in_a_search():
    watcher = Watcher()
    model = FtrlClassifier(max_iter=3, tol=None).set_callbacks(watcher)
    pipeline = make_pipeline(StandardScaler(with_mean=False), model)
    search = GridSearchCV(pipeline, {"ftrlclassifier__l1": [0, 1]}, cv=2, refit=False)
    search.fit(random_rows(), random_targets())
    assert len(watcher.models) == 4 * 3


# What the number is worth


@pytest.mark.parametrize(
    "params", [{}, NUMBERS, {"l1": 0.5, "l2": 1.0}, {"learning_rate_power": -0.3}], ids=str
)
@pytest.mark.parametrize("label", [0, 1])
def test_one_more_example_moves_the_log_odds_by_no_more_than_the_uncertainty_score(params, label):
    X, y = random_rows(seed=1), random_targets()
    model = FtrlClassifier(**params).partial_fit(X[:30], y[:30], classes=[0, 1])
    bounds, before = model.uncertainty_score(X[30:]), model.decision_function(X[30:])
    for i in range(30):
        after = copy.deepcopy(model).partial_fit(X[30 + i : 31 + i], [label])
        moved = abs(after.decision_function(X[30 + i : 31 + i])[0] - before[i])
        assert moved <= bounds[i] * (1 + 1e-9)


def test_the_uncertainty_of_a_row_falls_with_each_example():
    X, y = random_rows(), random_targets()
    model = FtrlClassifier().partial_fit(X, y, classes=[0, 1])
    before = model.uncertainty_score(X)
    assert np.all(model.partial_fit(X, y).uncertainty_score(X) < before)


def test_the_uncertainty_score_is_the_sum_of_its_formula():
    X, y = random_rows(), random_targets()
    model = FtrlClassifier(**NUMBERS, **FEW).fit(X, y)
    steps = 0.5 / (1.0 + np.sqrt(model.n_[0]))
    expected = X.power(2) @ steps + 0.5 / (1.0 + np.sqrt(model.intercept_n_))
    np.testing.assert_allclose(model.uncertainty_score(X), expected, rtol=1e-12)
    np.testing.assert_allclose(model.uncertainty_score(X.toarray()), expected, rtol=1e-12)


def test_a_feature_never_seen_is_uncertain_without_end_if_beta_is_0():
    model = FtrlClassifier(beta=0.0, **FEW).fit([[1.0, 0.0], [2.0, 0.0]], [0, 1])
    np.testing.assert_array_equal(np.isinf(model.uncertainty_score(np.eye(2))), [False, True])


@pytest.mark.parametrize("X", [np.zeros((2, 12)), sparse.csr_array((2, 12))])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_uncertainty_of_empty_rows_is_that_of_the_intercept(X, fit_intercept):
    model = FtrlClassifier(fit_intercept=fit_intercept, **FEW).fit(random_rows(), random_targets())
    scores = model.uncertainty_score(X)
    both = model.uncertainty_score(sparse.vstack([random_rows()[:1], X]))
    np.testing.assert_array_equal(scores, both[1:], strict=True)
    assert np.all((scores > 0) == fit_intercept)


@pytest.mark.parametrize("model", [FtrlClassifier("hinge"), trained(n_classes=3)])
def test_other_models_have_no_uncertainty_score(model):
    assert not hasattr(model, "uncertainty_score")


def test_a_sparsified_model_has_no_uncertainty_score():
    with pytest.raises(ValueError, match="sparsify freed"):
        trained().sparsify().uncertainty_score(random_rows())
