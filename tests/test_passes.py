"""Passes over the rows: their order, who judges and who watches them, when they end."""

import copy

import numpy as np
import pandas as pd
import pytest
import sklearn
from oracle import FEW, LAST, NUMBERS, ONE_EPOCH, assert_same_bits, random_rows, random_targets
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.metrics import log_loss, mean_poisson_deviance, roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, _passes
from sklearn_ftrl._learner import Learner
from sklearn_ftrl._rows import Batch

STOPPED = {"early_stopping": True, "max_iter": 30, "random_state": 0}


def noisy(n_rows=200, seed=0):
    """Return rows with more columns than signal, so that a model overfits them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 60))
    return X, (X[:, 0] + 2 * rng.normal(size=n_rows) > 0) * 1


# Order and end


def test_shuffling_depends_on_random_state_alone(kind):
    estimator, y = kind
    X = random_rows()
    same = [estimator(random_state=0, **FEW).fit(X, y) for _ in range(2)]
    assert_same_bits(*same)
    other = estimator(random_state=1, **FEW).fit(X, y)
    assert not np.array_equal(same[0].z_, other.z_)


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


@pytest.mark.parametrize("patience", [2, 5])
@pytest.mark.parametrize("judged", [False, True])
def test_fit_ends_n_iter_no_change_epochs_after_the_last_gain(judged, patience, monkeypatch):
    curve = iter([8, 7, 9, 6, *[9] * 20])
    params = {"n_iter_no_change": patience, "max_iter": 20, "early_stopping": judged}
    if judged:
        params["scoring"] = lambda *_: -next(curve)
    else:
        monkeypatch.setattr(Learner, "learn", lambda *_, **__: next(curve))
    model = FtrlClassifier(**params).fit(*noisy())
    assert (model.best_iter_, model.n_iter_) == (4, 4 + patience)


def test_fit_ends_at_max_iter_without_a_word():
    model = FtrlClassifier(tol=1e-9, max_iter=2, random_state=0).fit(*noisy())
    assert model.n_iter_ == 2


def test_tol_is_a_fraction_of_the_loss():
    X, y = random_rows(), np.random.default_rng(0).normal(size=60)
    one, other = (
        FtrlRegressor(random_state=0, tol=1e-3, max_iter=500).fit(X, factor * y)
        for factor in (1.0, 1000.0)
    )
    assert one.n_iter_ == other.n_iter_ < 500


def test_verbose_prints_a_line_an_epoch(capsys):
    FtrlClassifier(max_iter=3, tol=None, verbose=1).fit(random_rows(), random_targets())
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["Epoch 1", "Epoch 2", "Epoch 3"]


def test_verbose_prints_a_line_an_epoch_of_the_refit(capsys):
    params = {"early_stopping": True, "verbose": 1, "random_state": 0}
    model = FtrlClassifier(**params, **FEW).fit(random_rows(), random_targets())
    *search, title = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()][:4]
    assert search == ["Epoch 1", "Epoch 2", "Epoch 3"]
    assert title == f"Retraining on all rows, best_iter_={model.best_iter_}"


# Rows held out


def test_the_best_epoch_by_the_caller_s_rows_comes_back_whole():
    X, y = noisy()
    X_val, y_val = noisy(seed=1)
    params = {"tol": None, "shuffle": False, **LAST, **NUMBERS}
    model = FtrlClassifier(max_iter=4, **params).fit(X, y, X_val=X_val, y_val=y_val)
    models = [FtrlClassifier(max_iter=n, **params).fit(X, y) for n in range(1, 5)]
    losses = [log_loss(y_val, m.predict_proba(X_val)) for m in models]
    np.testing.assert_allclose(model.validation_curve_, losses, rtol=1e-9)
    assert model.best_iter_ == np.argmin(losses) + 1 < 4
    best = models[model.best_iter_ - 1]
    np.testing.assert_array_equal(model.z_, best.z_)
    np.testing.assert_array_equal(model.n_, best.n_)
    np.testing.assert_array_equal(model.intercept_, best.intercept_)
    assert model.t_ == best.t_


@pytest.mark.parametrize("n_classes", [2, 4, 9])
def test_fit_ends_n_iter_no_change_epochs_after_the_best(n_classes):
    estimator = FtrlRegressor if n_classes == 9 else FtrlClassifier
    X, y = random_rows(), random_targets(n_classes=n_classes)
    model = estimator(
        early_stopping=True, tol=0.0, max_iter=500, n_iter_no_change=3, random_state=0
    )
    model.fit(X, y)
    assert model.n_iter_ == len(model.validation_curve_) == model.best_iter_ + 3
    assert model.best_iter_ == np.argmin(model.validation_curve_) + 1


def test_without_shuffling_the_last_rows_are_held_out():
    X, y = noisy()
    params = NUMBERS | {"max_iter": 3, "tol": None, "shuffle": False}
    held_out = FtrlClassifier(early_stopping=True, validation_fraction=0.1, **params).fit(X, y)
    given = FtrlClassifier(**params).fit(X[:180], y[:180], X_val=X[180:], y_val=y[180:])
    assert held_out.validation_curve_ == given.validation_curve_
    assert held_out.loss_curve_ == given.loss_curve_


def test_rows_held_out_are_not_learned_if_the_next_fit_may_be_judged_by_them():
    X, y = noisy()
    model = FtrlClassifier(warm_start=True, shuffle=False, early_stopping=True, **FEW)
    t = 0
    for _ in range(2):
        model.fit(X, y)
        t += model.best_iter_ * 180
        assert model.t_ == t


def test_held_out_rows_have_the_classes_in_proportion(monkeypatch):
    X, y = noisy(400)
    y = np.arange(400) < 40
    seen = []
    plain = Learner.mean_loss
    monkeypatch.setattr(
        Learner, "mean_loss", lambda self, batch, *args: seen.append(batch) or plain(self, batch)
    )
    FtrlClassifier(early_stopping=True, max_iter=1, average=False, tol=None).fit(X, y)
    assert seen[0].targets[seen[0].order].sum() == 4
    assert seen[0].order.size == 40


def test_a_class_of_one_row_is_no_obstacle():
    X, y = noisy()
    FtrlClassifier(early_stopping=True, **FEW).fit(X, np.r_[2, y[1:]])


RULES = {  # what "auto" holds out of so many rows
    19: (None, None),
    20: ("halves", None),
    200: ("halves", None),
    201: ("halves", "part"),
    5000: ("halves", "part"),
    5001: ("part", "part"),
}


@pytest.mark.parametrize("n_rows", RULES)
def test_auto_holds_out_what_the_number_of_rows_asks_for(n_rows):
    usual, where_halves_may_not = RULES[n_rows]
    rows = Batch(None, np.arange(n_rows), np.arange(n_rows) % 2, np.ones(n_rows))
    assert _passes.judges(FtrlClassifier(), rows) == _passes.judges(FtrlRegressor(), rows) == usual
    for params in [{"shuffle": False}, {"warm_start": True}, {"scoring": "roc_auc"}]:
        assert _passes.judges(FtrlClassifier(**params), rows) == where_halves_may_not
    for params in [{"max_iter": 1}, {"tol": None}, {"early_stopping": False}]:
        assert _passes.judges(FtrlClassifier(**params), rows) is None
    assert _passes.judges(FtrlClassifier(early_stopping=True, tol=None), rows) == "part"


@pytest.fixture
def passes(monkeypatch):
    """Return what the kernel is told to learn from here on: the state, and the batch."""
    seen, plain = [], Learner.learn

    def learn(self, batch, *args, **kwargs):
        seen.append((self.state.ctypes.data, batch))
        return plain(self, batch, *args, **kwargs)

    monkeypatch.setattr(Learner, "learn", learn)
    return seen


@pytest.mark.parametrize("seed", range(5))
def test_the_only_row_of_a_class_is_not_held_out(seed, passes):
    X, y = noisy()
    params = {"early_stopping": True, "validation_fraction": 0.5, "random_state": seed}
    FtrlClassifier(**params, max_iter=1, average=False).fit(X, np.r_[2, y[1:]])
    learned = passes[0][1].order
    assert 0 in learned
    assert y[learned[learned > 0]].sum() == pytest.approx(y[1:].sum() / 2, abs=1)


@pytest.mark.parametrize("seed", range(10))
def test_the_only_row_of_a_class_is_learned_where_classes_outnumber_rows_held_out(seed, passes):
    y = (np.arange(21) + 1) // 2
    params = {"early_stopping": True, "validation_fraction": 0.3, "random_state": seed}
    FtrlClassifier(**params, max_iter=1, average=False).fit(random_rows(21), y)
    assert 0 in passes[0][1].order


@pytest.mark.parametrize("fraction", [0.4, 0.6])
def test_rows_are_held_out_where_a_part_is_too_small_for_all_classes(fraction):
    model = FtrlClassifier(early_stopping=True, validation_fraction=fraction)
    assert model.fit(random_rows(24), np.arange(24) % 12).validation_curve_


def test_rows_are_held_out_where_each_class_has_one():
    model = FtrlClassifier(early_stopping=True, max_iter=1).fit(random_rows(20), np.arange(20))
    assert len(model.validation_curve_) == 1


def test_a_class_whose_rows_are_all_held_out_is_named():
    X, y = noisy()
    labels = np.array(["a", "b", "c"])[np.where(np.arange(200) < 190, y, 2)]
    model = FtrlClassifier(shuffle=False, early_stopping=True, **FEW)
    with pytest.warns(UserWarning, match=r"all rows of the classes \['c'\]"):
        model.fit(X, labels)


def test_sample_weights_count_in_the_validation_loss():
    X, y = noisy()
    X_val, y_val = noisy(seed=1)
    w = np.random.default_rng(0).uniform(size=200) * (np.arange(200) % 3 > 0)
    model = FtrlClassifier(max_iter=1, average=False, tol=None)
    model.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=w)
    expected = log_loss(y_val, model.predict_proba(X_val), sample_weight=w)
    assert model.validation_curve_ == pytest.approx([expected], rel=1e-9)


def test_class_weights_do_not_count_in_the_validation_loss():
    X, y = noisy()
    model = FtrlClassifier(max_iter=1, average=False, tol=None, class_weight={0: 5.0})
    model.fit(X, y, X_val=X, y_val=y)
    expected = log_loss(y, model.predict_proba(X))
    assert model.validation_curve_ == pytest.approx([expected], rel=1e-9)


def test_poisson_stops_by_the_deviance_whatever_the_unit_of_y():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 20))
    mean = np.exp(X @ rng.normal(scale=0.3, size=20) + 4.0)
    model = FtrlRegressor("poisson", random_state=0).fit(X, rng.poisson(mean))
    assert mean_poisson_deviance(mean, model.predict(X)) < 0.05


def test_partial_fit_forgets_what_a_fit_before_was_judged_by():
    X, y = noisy()
    model = FtrlClassifier(early_stopping=True, **FEW).fit(X, y)
    assert len(model.validation_curve_) == 3
    model.set_params(early_stopping=False).partial_fit(X, y)
    assert not hasattr(model, "validation_curve_")
    assert not hasattr(model, "best_iter_")


# A scorer


@pytest.mark.parametrize("as_frame", [False, True])
def test_a_scorer_may_judge(as_frame):
    X, y = noisy()
    X = pd.DataFrame(X, columns=[f"x{i}" for i in range(60)]) if as_frame else X
    X_val, y_val = X[:100], y[:100]
    model = FtrlClassifier(scoring="roc_auc", max_iter=8, tol=None, random_state=0)
    model.fit(X[100:], y[100:], X_val=X_val, y_val=y_val)
    assert model.best_iter_ == np.argmax(model.validation_curve_) + 1
    score = roc_auc_score(y_val, model.predict_proba(X_val)[:, 1])
    assert score == max(model.validation_curve_)
    held_out = FtrlClassifier(scoring="roc_auc", **STOPPED).fit(X, y)
    assert 0.5 < max(held_out.validation_curve_) <= 1


@pytest.mark.parametrize("form", ["coo", "dia"])
def test_a_scorer_may_judge_sparse_rows_in_any_format(form):
    X, y = random_rows().asformat(form), random_targets()
    FtrlClassifier(scoring="accuracy", **STOPPED).fit(X, y)


@pytest.mark.parametrize("held_out", [False, True])
def test_a_scorer_gets_y_as_fit_takes_it(held_out):
    X, y = noisy()
    column = y[:, np.newaxis]
    given = {} if held_out else {"X_val": X, "y_val": column}
    shapes = []
    scorer = lambda model, X, y: shapes.append(y.shape) or 1.0  # noqa: E731
    with pytest.warns(DataConversionWarning):
        FtrlClassifier(scoring=scorer, early_stopping=True, max_iter=2).fit(X, column, **given)
    assert set(shapes) == {(20,) if held_out else (200,)}


@pytest.mark.parametrize("value", [np.nan, np.inf, None])
def test_a_score_that_is_no_number_is_refused(value):
    model = FtrlClassifier(early_stopping=True, scoring=lambda *_: value)
    with pytest.raises(ValueError, match=f"scoring=.* has to give a number, got {value!r}"):
        model.fit(random_rows(), random_targets())


# Halves


@pytest.mark.parametrize(("params", "longer"), [(NUMBERS, 1.0), ({}, 1.25)])
def test_each_half_is_learned_by_a_model_of_its_own_and_then_all_rows(params, longer, passes):
    X = random_rows(101, 40)
    y = X @ np.ones(40) > 0
    model = FtrlClassifier(random_state=0, **params).fit(X, y)
    assert (int(longer * model.best_iter_) > model.best_iter_) == (longer > 1.0)
    search, refit = passes[: 2 * model.n_iter_], passes[2 * model.n_iter_ :]
    (one, first), (other, second) = search[:2]
    np.testing.assert_array_equal(np.sort(np.r_[first.order, second.order]), np.arange(101))
    assert [first.order.size, second.order.size] == [51, 50]
    for state, rows in [(one, first), (other, second)]:
        learned = [np.sort(batch.order) for of, batch in search if of == state]
        assert len(learned) == model.n_iter_
        assert all(np.array_equal(order, np.sort(rows.order)) for order in learned)
    assert len(refit) == int(longer * model.best_iter_)
    assert all(batch.order.size == 101 for _, batch in refit)
    assert model.t_ == 101 * len(refit)


@pytest.mark.parametrize("name", ["log_loss", "softmax", "squared_error"])
def test_the_loss_of_halves_is_the_mean_of_all_rows_each_held_out_once(passes, name):
    X, y = noisy(101)
    w = np.arange(101) % 4
    y = {"log_loss": y, "softmax": np.arange(101) % 3, "squared_error": X[:, 0]}[name]
    estimator = FtrlRegressor if name == "squared_error" else FtrlClassifier
    model = estimator(random_state=0, **LAST, **NUMBERS).fit(X, y, w)
    halves = [batch.order for _, batch in passes[:2]]
    total = 0.0
    for learned, judged in [halves, halves[::-1]]:
        half = estimator(**ONE_EPOCH, **NUMBERS).fit(X[learned], y[learned], w[learned])
        if estimator is FtrlRegressor:
            losses = (half.predict(X[judged]) - y[judged]) ** 2 / 2
        else:
            losses = -np.log(half.predict_proba(X[judged])[np.arange(judged.size), y[judged]])
        total += losses @ w[judged]
    assert model.validation_curve_[0] == pytest.approx(total / w.sum(), rel=1e-9)


def test_halves_have_the_classes_in_proportion(passes):
    X, _ = noisy(200)
    FtrlClassifier().fit(X, np.arange(200) < 10)
    assert [batch.targets[batch.order].sum() for _, batch in passes[:2]] == [5, 5]


def test_the_only_row_of_a_class_is_learned_by_both_halves_and_judges_neither(passes):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(12, 50))
    y = np.r_[np.repeat([0, 1], 30), np.arange(2, 12)]
    X = centres[y] + 0.5 * rng.normal(size=(70, 50))
    model = FtrlClassifier(random_state=0).fit(X, y)
    for _, batch in passes[:2]:
        assert set(range(60, 70)) < set(batch.order)
        assert batch.order.size == 40
    assert model.score(centres, np.arange(12)) == 1.0


def test_nothing_is_held_out_where_few_rows_have_a_class_in_common():
    X, _ = noisy(34)
    model = FtrlClassifier(random_state=0).fit(X, np.r_[[0] * 10, [1] * 9, 2:17])
    assert model.validation_curve_ == []


def test_halves_are_drawn_at_random(passes):
    X, y = noisy(100)
    halves = []
    for seed in (0, 1):
        begin = len(passes)
        FtrlClassifier(random_state=seed).fit(X, y)
        halves.append(set(passes[begin][1].order))
    assert len(halves[0] & halves[1]) < 45


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # nothing is learned
def test_the_loss_learned_is_the_weighted_mean_of_both_halves():
    X, y = noisy(100)
    w = np.r_[1e6, np.ones(99)]
    params = {"learning_rate": 1e-9, "beta": 1.0, "fit_intercept": False, "random_state": 0}
    model = FtrlClassifier(**params).fit(X, y, w, coef_init=np.ones(60))
    raw = X[0].sum()
    assert model.loss_curve_[0] == pytest.approx(np.logaddexp(0, raw) - y[0] * raw, rel=1e-2)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # nothing is learned
def test_a_start_is_given_to_both_halves():
    X, y = noisy(60)
    start = {"coef_init": np.linspace(-9, 9, 60), "intercept_init": [0.5]}
    params = {"learning_rate": 1e-9, "beta": 1.0, "random_state": 0}
    model = FtrlClassifier(**params).fit(X, y, **start)
    raw = X @ start["coef_init"] + 0.5
    expected = np.logaddexp(0, raw).mean() - (y * raw).mean()
    assert model.validation_curve_[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("calls", "learned"), [(3, 2), (4, 2), (5, 3)])
def test_an_interrupt_while_halves_learn_leaves_the_model_of_the_first(monkeypatch, calls, learned):
    X, y = noisy(101)
    count, plain = iter(range(1, 100)), Learner.learn

    def interrupted(self, batch, **kwargs):
        loss = plain(self, batch, **kwargs)
        if next(count) == calls:
            raise KeyboardInterrupt
        return loss

    monkeypatch.setattr(Learner, "learn", interrupted)
    model = FtrlClassifier(random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.t_ == learned * 51
    assert model.score(X, y) > 0.5


# The refit

START = {"coef_init": np.linspace(-0.1, 0.1, 60), "intercept_init": 0.3}


REFITS = {
    "a rate": (FtrlClassifier, {"learning_rate": 0.3}, {}),
    "a schedule": (FtrlClassifier, {"learning_rate": lambda t: 4 / np.sqrt(t + 50)}, {}),
    "auto": (FtrlClassifier, {}, {}),
    "auto, float32": (FtrlClassifier, {"dtype": np.float32}, {}),
    "from given weights": (FtrlClassifier, {"learning_rate": 0.3}, START),
    "from n above 0": (FtrlClassifier, {"initial_accumulator_value": 0.1}, {}),
    "four classes": (FtrlClassifier, {"n_classes": 4}, {}),
    "numbers": (FtrlRegressor, {"n_classes": 9}, {}),
    "rows of weight 0": (FtrlClassifier, {}, {"sample_weight": np.arange(200) % 3}),
}


def third_pass(model, X, y, sample_weight=None):
    """Score the third pass above all others."""
    return -abs(len(model.loss_curve_) - 3)


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("case", REFITS)
def test_a_refit_learns_all_rows_in_as_many_passes_as_were_best(case, average):
    estimator, params, given = REFITS[case]
    params = params | {"shuffle": False, "tol": None, "average": average}
    X = random_rows(200, 60, dtype=params.pop("dtype", np.float64))
    y = random_targets(200, n_classes=params.pop("n_classes", 2))
    model, plain = (
        estimator(early_stopping=True, max_iter=5, scoring=third_pass, **params) for _ in range(2)
    )
    model.fit(X, y, **given)
    assert (model.best_iter_, model.n_iter_, len(model.loss_curve_)) == (3, 5, 5)
    plain.fit(X, y, X_val=X, y_val=y, **given)  # learns all rows, and keeps the best pass
    # Passes before the last, of which no mean is asked for, are other machine code.
    rounding = 0.0 if not average else 1e-5 if X.dtype == np.float32 else 1e-10
    for name in ["z_", "n_", "intercept_z_", "intercept_n_", "learning_rate_", "t_"]:
        ours, theirs = getattr(model, name), getattr(plain, name)
        np.testing.assert_allclose(ours, theirs, rtol=rounding, atol=rounding, strict=True)


def test_a_refit_shuffles_all_rows_in_each_pass(monkeypatch):
    X, y = noisy()
    orders, plain = [], Learner.learn
    monkeypatch.setattr(
        Learner,
        "learn",
        lambda self, batch, **kwargs: orders.append(batch.order) or plain(self, batch, **kwargs),
    )
    FtrlClassifier(scoring=third_pass, **STOPPED).fit(X, y)
    orders = [order for order in orders if order.size == 200]
    assert len(orders) == 3
    assert all(np.array_equal(np.sort(order), np.arange(200)) for order in orders)
    assert len({tuple(order) for order in [*orders, np.arange(200)]}) == 4


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize(
    ("of", "where"), [(Learner, "new"), (FtrlClassifier, "_start_from"), (Learner, "learn")]
)
def test_a_refit_that_fails_leaves_the_best_pass(monkeypatch, of, where, error):
    X, y = noisy()
    params = {"shuffle": False, "max_iter": 3, "tol": None, **NUMBERS}
    expected = FtrlClassifier(**params).fit(X[:180], y[:180], X_val=X[180:], y_val=y[180:])
    model = FtrlClassifier(early_stopping=True, **params)
    refit, plain = FtrlClassifier._refit, getattr(of, where)

    def failing(*args, **kwargs):
        plain(*args, **kwargs)
        raise error

    def failing_refit(self, *args):
        monkeypatch.setattr(of, where, failing)
        refit(self, *args)

    monkeypatch.setattr(FtrlClassifier, "_refit", failing_refit)
    with pytest.raises(error):
        model.fit(X, y)
    for name in ["z_", "n_", "intercept_z_", "t_", "best_iter_", "n_iter_", "loss_curve_"]:
        np.testing.assert_array_equal(getattr(model, name), getattr(expected, name))


# What is refused

BAD = {
    "X_val and y_val must be given together": {"X_val": np.ones((3, 60))},
    "and sample_weight_val with both": {"sample_weight_val": [1, 1]},
    "sample_weight_val must contain": {
        "X_val": np.ones((2, 60)),
        "y_val": [0, 1],
        "sample_weight_val": [0, 0],
    },
    "In X_val, y_val or sample_weight_val: X has 3 features": {
        "X_val": np.ones((2, 3)),
        "y_val": [0, 1],
    },
    "unseen labels": {"X_val": np.ones((2, 60)), "y_val": [0, 7]},
    "contains NaN": {"X_val": np.full((2, 60), np.nan), "y_val": [0, 1]},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_validation_rows_are_refused_and_change_nothing(message):
    X, y = noisy()
    model = FtrlClassifier(max_iter=1, average=False).fit(X, y)
    before = vars(model).copy()
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, **BAD[message])
    assert vars(model) == before


def test_validation_rows_without_early_stopping_are_refused():
    X, y = noisy()
    with pytest.raises(ValueError, match="early_stopping is False"):
        FtrlClassifier(early_stopping=False).fit(X, y, X_val=X, y_val=y)


def test_early_stopping_needs_rows_to_hold_out():
    with pytest.raises(ValueError, match="cannot hold out a part of 1 rows"):
        FtrlRegressor(early_stopping=True).fit([[1.0]], [1.0])


def test_numpy_s_false_is_false():
    X, y = noisy()
    with pytest.raises(ValueError, match="early_stopping is False"):
        FtrlClassifier(early_stopping=np.False_).fit(X, y, X_val=X, y_val=y)


def test_a_validation_loss_that_is_not_finite_is_refused():
    X, y = noisy()
    with pytest.raises(ValueError, match="loss of the validation rows is not finite"):
        FtrlRegressor().fit(X, y, X_val=1e200 * X, y_val=y)


def test_validation_weights_that_are_too_large_are_refused():
    X, y = noisy()
    with pytest.raises(ValueError, match="sample_weight_val: Sample weights are too large"):
        FtrlRegressor().fit(X, y, X_val=X, y_val=y, sample_weight_val=np.full(len(y), 1e306))


def test_partial_fit_refuses_early_stopping():
    X, y = noisy()
    with pytest.raises(ValueError, match="partial_fit holds no rows out"):
        FtrlClassifier(early_stopping=True).partial_fit(X, y, classes=[0, 1])


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
@pytest.mark.parametrize("average", [False, True])
def test_a_callback_sees_the_model_of_each_epoch(average):
    watcher = Watcher()
    params = {**NUMBERS, "shuffle": False, "tol": None, "average": average}
    FtrlClassifier(max_iter=4, **params).set_callbacks(watcher).fit(random_rows(), random_targets())
    for n, seen in enumerate(watcher.models, start=1):
        assert (seen.t_, len(seen.loss_curve_)) == (60 * n, n)
        assert type(seen._learner) is Learner
        if n > 1 or not average:  # the mean of an only epoch leaves its beginning out
            alone = FtrlClassifier(max_iter=n, **params).fit(random_rows(), random_targets())
            np.testing.assert_array_equal(seen.coef_, alone.coef_)
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
def test_a_callback_that_ends_the_search_by_halves_leaves_the_best_pass_of_the_first(passes):
    X, y = noisy(101)
    model = FtrlClassifier(random_state=0, **LAST, **NUMBERS).set_callbacks(Watcher(epochs=3))
    model.fit(X, y)
    expected = FtrlClassifier(**NUMBERS)
    for _, batch in passes[: 2 * model.best_iter_ : 2]:
        expected.partial_fit(X[batch.order], y[batch.order], classes=[0, 1])
    assert model.best_iter_ < model.n_iter_ == 3
    assert model.t_ == 51 * model.best_iter_
    assert_same_bits(model, expected)


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


# The rate of "auto"


def rates_by_epoch(**params):
    """Return the rates of a fit's epochs, and its model."""
    rates = []
    params = {"scoring": lambda model, *_: rates.append(model.learning_rate_) or 0.0} | params
    model = FtrlClassifier(early_stopping=True, tol=None, random_state=0, **params)
    return rates, model.fit(random_rows(), random_targets())


def test_the_rate_of_auto_rises_by_a_fifth_an_epoch_for_twelve_epochs():
    rates, model = rates_by_epoch(max_iter=14)
    rise = [0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6, 2.6, 2.6]
    np.testing.assert_allclose(rates, model.learning_rate_ * np.array(rise))


def test_without_a_judge_all_epochs_have_the_rate_of_auto():
    params = {"early_stopping": False, "max_iter": 3, "tol": None, "random_state": 0}
    auto = FtrlClassifier(fit_intercept=False, **params).fit(random_rows(), random_targets())
    numbers = {"learning_rate": auto.learning_rate_, "beta": auto.beta_, "fit_intercept": False}
    given = FtrlClassifier(**numbers, **params).fit(random_rows(), random_targets())
    assert_same_bits(given, auto)


@pytest.mark.parametrize("params", [{"learning_rate": 0.3}, {"average": False}, {"max_iter": 1}])
def test_a_number_a_last_iterate_and_an_only_epoch_have_one_rate(params):
    rates, model = rates_by_epoch(**({"max_iter": 3} | params))
    assert set(rates) == {model.learning_rate_}


def test_a_fit_of_auto_leaves_the_rate_that_a_stream_starts_with():
    X, y = random_rows(), random_targets()
    model = FtrlClassifier(random_state=0).fit(X, y)
    stream = FtrlClassifier().partial_fit(X, y, classes=[0, 1])
    assert model.learning_rate_ == stream.learning_rate_


def test_a_fit_of_a_shallow_copy_leaves_the_model_as_it_was():
    model = FtrlClassifier(random_state=0, warm_start=True).fit(random_rows(), random_targets())
    before = model.coef_
    copy.copy(model).fit(random_rows(), random_targets())
    np.testing.assert_array_equal(model.coef_, before)


@pytest.mark.parametrize("units", [1.0, 1e3])
def test_the_model_of_a_fit_is_the_one_that_was_judged(units):
    X, y = noisy()
    X[:, 0] = units * (X[:, 0] + 5.0)
    seen = []

    def scorer(model, X, y):
        seen.append(model.predict_proba(X))
        return len(seen)

    params = {"scoring": scorer, "max_iter": 3, "random_state": 0}
    model = FtrlClassifier(early_stopping=True, **params).fit(X, y, X_val=X[:9], y_val=y[:9])
    np.testing.assert_allclose(model.predict_proba(X[:9]), seen[-1], rtol=1e-9)


# What counts as a gain, and what a judge gets


@pytest.mark.parametrize(
    ("scores", "tol"), [([0.5] * 4, 0.0), ([0.9, 0.901, 0.902, 0.903], 0.01)], ids=["equal", "tol"]
)
def test_an_epoch_that_gains_no_more_than_tol_is_not_the_best(scores, tol):
    curve = iter(scores)
    params = {"scoring": lambda *_: next(curve), "early_stopping": True, "n_iter_no_change": 9}
    assert FtrlClassifier(max_iter=4, tol=tol, **params).fit(*noisy()).best_iter_ == 1


def test_a_scorer_gets_the_weights_of_the_rows_held_out():
    X, y = noisy()
    seen = []

    def scorer(model, X, y, sample_weight=None):
        seen.append((len(y), sample_weight))
        return 0.5

    FtrlClassifier(scoring=scorer, early_stopping=True, **FEW).fit(X, y, np.arange(1.0, 201.0))
    n_rows, weights = seen[0]
    assert n_rows == weights.size == 20
    assert np.unique(weights).size == 20


def test_a_refit_of_one_epoch_is_the_mean_over_all_of_it():
    X, y = noisy()
    models = []
    for given in ({}, {"X_val": X, "y_val": y}):
        curve = iter([3.0, 2.0, 1.0])
        params = {"scoring": lambda *_, curve=curve: next(curve), "early_stopping": True}
        model = FtrlClassifier(shuffle=False, max_iter=3, **params, **NUMBERS)
        models.append(model.fit(X, y, **given))
    assert [model.best_iter_ for model in models] == [1, 1]
    np.testing.assert_array_equal(models[0].coef_, models[1].coef_)


# A word where nothing was learned


def one_large_column(n_rows=300):
    """Return rows of normal numbers, those of a column a lot larger, and two classes."""
    X = np.random.default_rng(0).normal(size=(n_rows, 5))
    return X * [1.0, 1.0, 1e4, 1.0, 1.0], (X[:, 0] + X[:, 1] > 0).astype(int)


@pytest.mark.parametrize("way", ["halves", "a part", "X_val"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_a_model_worse_than_an_intercept_is_warned_of_with_the_sizes_of_columns(way, form):
    X, y = one_large_column()
    given = {"X_val": form(X), "y_val": y} if way == "X_val" else {}
    model = FtrlClassifier(early_stopping=True if way == "a part" else "auto", random_state=0)
    model.set_params(**NUMBERS)
    message = r"intercept alone .* sizes from (1|0\.9\d*) to (1e\+04|9\.\de\+03).*\"auto\""
    with pytest.warns(ConvergenceWarning, match=message):
        model.fit(form(X), y, **given)
    model.set_params(learning_rate="auto", beta="auto").fit(form(X), y, **given)
    assert min(model.validation_curve_) < 0.3


def test_a_target_that_the_rate_is_too_small_for_is_warned_of():
    X, _ = one_large_column()
    y = 1000.0 + X[:, 0]
    with pytest.warns(ConvergenceWarning, match=r"its loss is 0\.\d+, .* at best\. learning_rate="):
        FtrlRegressor(learning_rate=1e-3, random_state=0).fit(X[:, :2], y)


@pytest.mark.parametrize("n_rows", [20, 200, 6000])
def test_noise_is_no_failure(n_rows):
    X = np.random.default_rng(0).normal(size=(n_rows, 5))
    for estimator, y in [
        (FtrlClassifier, random_targets(n_rows, 4)),
        (FtrlRegressor, X[::-1, 0]),
        (FtrlRegressor, np.full(n_rows, 0.1)),
    ]:
        assert estimator(random_state=0).fit(X, y).validation_curve_


@pytest.mark.parametrize("loss", ["huber", "quantile"])
def test_targets_whose_square_is_too_large_are_learned_without_a_word(loss):
    X = np.random.default_rng(0).normal(size=(300, 2))
    y = np.repeat([1e200, -1e200], 150)
    model = FtrlRegressor(loss=loss, epsilon=1.0, random_state=0, **NUMBERS).fit(X, y)
    assert np.isfinite(model.coef_).all()
