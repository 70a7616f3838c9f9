import _thread
import copy
import signal
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from joblib import parallel_config
from oracle import FEW, NUMBERS, random_rows, random_targets
from scipy import sparse
from sklearn.feature_extraction import FeatureHasher
from sklearn.metrics import log_loss

from sklearn_ftrl import (
    FtrlClassifier,
    FtrlRegressor,
    _learner,
    _rows,
    _state,
    _team,
    _threads,
    merge,
)
from sklearn_ftrl.datasets import make_click_log


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """Give a thread even the smallest work; return the parts that kernels were called with."""
    monkeypatch.setattr(_threads, "WORK_OF_A_THREAD", 1)
    monkeypatch.setattr(_team, "MERGE_COST", 0)
    parts = []
    for name in ["learn_few", "learn_many"]:
        kernel = getattr(_learner, name)
        monkeypatch.setattr(
            _learner, name, lambda *args, kernel=kernel: parts.append(args[1]) or kernel(*args)
        )
    return parts


ONE = {"max_iter": 1, "tol": None, "shuffle": False, "average": False}


@pytest.mark.parametrize("n_classes", [2, 5, 11])
def test_two_threads_learn_half_of_the_rows_each(n_classes, eager):
    X, y = random_rows(), random_targets(n_classes=n_classes)
    model = FtrlClassifier(n_jobs=2, **ONE).fit(X, y)
    assert sorted(np.concatenate(eager)) == list(range(60))
    assert [part.size for part in eager] == [30, 30]
    assert model.t_ == 60


OPTIONS = {
    "plain": {},
    "penalties": {"l1": 0.3, "l2": 0.2},
    "a power": {"learning_rate_power": -0.3, "initial_accumulator_value": 0.1},
    "no power": {"learning_rate_power": 0.0},
    "no beta": {"beta": 0.0},
    "penalised intercept": {"penalize_intercept": True, "l2": 0.5},
}


@pytest.mark.parametrize("n_classes", [2, 5, 11])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("n_jobs", [2, 3])
def test_threads_give_what_merge_gives(options, n_classes, n_jobs):
    X, y = random_rows(), random_targets(n_classes=n_classes)
    params = NUMBERS | OPTIONS[options]
    model = FtrlClassifier(n_jobs=n_jobs, **params, **ONE).fit(X, y)
    parts = [
        FtrlClassifier(**params).partial_fit(X[rows], y[rows], np.arange(n_classes))
        for rows in np.array_split(np.arange(60), n_jobs)
    ]
    expected = merge(parts)
    for name in ["z_", "n_", "intercept_z_", "intercept_n_", "t_"]:
        np.testing.assert_allclose(getattr(model, name), getattr(expected, name), rtol=1e-12)


def test_a_thread_takes_memory_for_one_state():
    X, y = random_rows(), random_targets()
    model = FtrlClassifier(n_jobs=2, **NUMBERS)
    copy.copy(model).partial_fit(X, y, classes=[0, 1])  # compiling takes memory too
    X.resize(60, 2**18)
    tracemalloc.start()
    model.partial_fit(X, y, classes=[0, 1])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3.1 * model._learner.state.nbytes


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("n_classes", [2, 5, 11])
def test_the_same_n_jobs_gives_the_same_bits(n_classes, average):
    X, y = random_rows(), random_targets(n_classes=n_classes)
    params = {"max_iter": 4, "tol": None, "random_state": 0, "average": average}
    models = [FtrlClassifier(n_jobs=2, **params).fit(X, y) for _ in range(3)]
    for model in models[1:]:
        for name in ["z_", "n_", "intercept_z_"]:
            np.testing.assert_array_equal(getattr(model, name), getattr(models[0], name))


@pytest.mark.parametrize("n_classes", [2, 5, 11])
@pytest.mark.parametrize("block", [10**9, 100])
def test_the_mean_of_an_epoch_is_over_the_steps_of_all_parts(n_classes, block, monkeypatch):
    # Parts whose steps are small: merged weights are their mean, and so is the mean's sum.
    monkeypatch.setattr(_team, "BLOCK", block)
    X, y = random_rows(), random_targets(n_classes=n_classes)
    params = {"learning_rate": 0.5, "beta": 1.0, "shuffle": False, "tol": None, "max_iter": 2}
    model = FtrlClassifier(n_jobs=2, **params)
    sums, plain = [], _learner.Learner._pass

    def pass_by_row(self, batch, loss, rates, raws, learned):
        total = 0.0
        for row in batch.order:
            u = _state.coefficients(self.state[:, :2].copy(), self.alpha, self.numbers.prox)
            sums.append(u)
            one = np.zeros(1, np.int64)
            part = copy.copy(self)
            loss_of_row, _ = plain(
                part, batch._replace(order=np.array([row])), loss, rates, raws, one
            )
            self.t += 1
            total += loss_of_row
        learned[0] = batch.order.size
        return total, -1

    monkeypatch.setattr(_learner.Learner, "_pass", pass_by_row)
    monkeypatch.setattr(_threads, "in_threads", lambda f, calls: [f(*call) for call in calls])
    model.fit(X, y)
    expected = np.mean(sums[60:], axis=0).T
    np.testing.assert_allclose(model.coef_, expected, rtol=1e-10, atol=1e-14)


def learner_of(X, y, average):
    """Return a learner of these rows, and the rows."""
    estimator = FtrlClassifier(**NUMBERS).partial_fit(X, y, classes=np.unique(y))
    learner = estimator._learner.averaging() if average else estimator._learner
    return learner, _rows.batch(sparse.csr_array(X), y.astype(float), np.ones(y.size))


def nothing(learner, batch, team):
    pass


def a_new_rate(learner, batch, team):
    learner.set_rate(0.5 * learner.alpha)


def rows_learned_alone(learner, batch, team):
    learner.learn(batch._replace(order=batch.order[:7]))


def a_refused_row(learner, batch, team):
    data = batch.rows.data.copy()
    data[-1] = 1e300
    bad = batch._replace(rows=batch.rows._replace(data=data))
    with pytest.raises(ValueError, match="not finite"):
        learner.learn(bad, team=team)


@pytest.mark.parametrize("between", [nothing, a_new_rate, rows_learned_alone, a_refused_row])
@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_a_team_that_is_kept_learns_as_a_new_one(n_classes, average, between):
    X, y = random_rows(), random_targets(n_classes=n_classes)
    states = []
    for kept in (True, False):
        learner, batch = learner_of(X, y, average)
        team = _team.Team(2)
        for _ in range(3):
            learner.learn(batch, team=team)
            between(learner, batch, team)
            team = team if kept else _team.Team(2)
        states.append(learner.learned())
    for name in ["state", "intercept_state", "t"]:
        np.testing.assert_array_equal(*(getattr(state, name) for state in states))


def test_learners_that_share_a_team_learn_as_with_teams_of_their_own():
    X, y = random_rows(), random_targets()
    states = []
    for team in (_team.Team(2), None):
        learners = [learner_of(X[rows], y[rows], False) for rows in np.split(np.arange(60), 2)]
        for _ in range(2):
            for learner, batch in learners:
                learner.learn(batch, team=team or _team.Team(2))
        states.append([learner.state for learner, _ in learners])
    np.testing.assert_array_equal(*states)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_an_only_epoch_whose_end_is_averaged_is_learned_by_threads(n_classes, eager, monkeypatch):
    X, y = random_rows(), random_targets(n_classes=n_classes)
    model = FtrlClassifier(n_jobs=2, **ONE | {"average": True}).fit(X, y)
    assert [part.size for part in eager] == [22, 23, 7, 8]
    monkeypatch.setattr(_team.Team, "_is_as", lambda *_: False)  # copies each time
    copied = FtrlClassifier(n_jobs=2, **ONE | {"average": True}).fit(X, y)
    np.testing.assert_array_equal(model.z_, copied.z_)


def test_states_of_threads_are_made_once_for_all_epochs(monkeypatch):
    copies, copy_to = [], np.copyto
    monkeypatch.setattr(np, "copyto", lambda *args: copies.append(1) or copy_to(*args))
    X, y = random_rows(), random_targets()
    FtrlClassifier(n_jobs=2, **ONE | {"max_iter": 5}).fit(X, y)
    assert len(copies) == 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_threads_write_to_no_cache_line_of_another(n_classes, dtype):
    X, y = random_rows().astype(dtype), random_targets(n_classes=n_classes)
    learner, _ = learner_of(X, y, False)
    one, other = _team.Team(2).members(learner, 2)
    for name in ["state", "intercept_state"]:
        end = getattr(one, name).ctypes.data + getattr(one, name).nbytes
        assert getattr(other, name).ctypes.data // 64 > (end - 1) // 64


@pytest.mark.compiled
def test_threads_learn_as_well_as_one():
    log = make_click_log(30_000, base_rate=0.2, random_state=0)
    X, y = FeatureHasher(2**12).transform(map(dict, log_rows(log))), log.target
    losses = []
    for n_jobs in (1, 2, 4):
        model = FtrlClassifier(n_jobs=n_jobs, max_iter=4, tol=None, random_state=0)
        model.fit(X[:20_000], y[:20_000])
        losses.append(log_loss(y[20_000:], model.predict_proba(X[20_000:])))
    assert max(losses) < 1.003 * losses[0]


def log_rows(log):
    names = list(log.data)
    return (zip(names, map(str, row), strict=True) for row in zip(*log.data.values(), strict=True))


def test_a_state_that_is_large_against_the_rows_is_learned_by_one_thread(eager, monkeypatch):
    monkeypatch.setattr(_team, "MERGE_COST", 4)
    X = sparse.csr_array((np.ones(60), np.arange(60), np.arange(61)), shape=(60, 1000))
    FtrlClassifier(n_jobs=2, **ONE).fit(X, random_targets())
    assert [part.size for part in eager] == [60]


@pytest.mark.parametrize("n_classes", [2, 5])
def test_threads_predict_the_same_bits(n_classes):
    X, y = random_rows(), random_targets(n_classes=n_classes)
    model = FtrlClassifier(**FEW).fit(X, y)
    one = model.decision_function(X)
    np.testing.assert_array_equal(model.set_params(n_jobs=3).decision_function(X), one)


def test_none_is_one_thread_under_parallel_config_too(eager):
    with parallel_config("threading", n_jobs=2):
        FtrlRegressor(**ONE).fit(random_rows(), np.arange(60))
    assert [part.size for part in eager] == [60]


def test_a_schedule_gives_each_thread_its_own_steps():
    X, y = random_rows(), random_targets()
    seen = []

    def schedule(steps):
        seen.append(steps)
        return np.full(steps.shape, 0.5)

    FtrlClassifier(learning_rate=schedule, n_jobs=3, **ONE).fit(X, y)
    np.testing.assert_array_equal(seen[-1], np.r_[0, np.arange(60)])


@pytest.mark.parametrize(("n_jobs", "learned"), [(1, 45), (2, 30)])
def test_a_row_that_is_not_finite_drops_the_block_of_threads(n_jobs, learned, monkeypatch):
    monkeypatch.setattr(_team, "BLOCK", 30)  # weights a thread: 15 rows
    X, y = np.ones((60, 1)), random_targets()
    X[45] = 1e308
    model = FtrlClassifier(learning_rate=50.0, beta=1.0, n_jobs=n_jobs, **ONE)
    with pytest.raises(ValueError, match="row 45 is not finite"):
        model.fit(X, y)
    assert model.t_ == learned
    expected = FtrlClassifier(learning_rate=50.0, beta=1.0, n_jobs=n_jobs, **ONE)
    np.testing.assert_array_equal(model.z_, expected.fit(X[:learned], y[:learned]).z_)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_predicting_while_another_thread_learns_is_safe_and_changes_nothing(n_classes):
    X, y = random_rows(), random_targets(n_classes=n_classes)
    alone, watched = (FtrlClassifier(**FEW).partial_fit(X, y, np.unique(y)) for _ in range(2))

    def learn(model):
        for _ in range(50):
            model.partial_fit(X, y)

    learn(alone)
    with ThreadPoolExecutor(1) as pool:
        learning = pool.submit(learn, watched)
        n_seen = 0
        while not learning.done() or not n_seen:
            assert watched.predict_proba(X).sum(axis=1) == pytest.approx(1)
            n_seen += 1
            time.sleep(1e-3)  # else it gives the lock of the interpreter back too late to learn
        learning.result()
    np.testing.assert_array_equal(watched.coef_, alone.coef_)


def test_predicting_while_another_thread_is_refused_a_batch_is_safe():
    X, y = random_rows(), random_targets()
    model = FtrlClassifier().partial_fit(X, y, classes=[0, 1])
    expected, bad = model.predict_proba(X), np.full(X.shape, np.nan)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)

    def learn():
        for _ in range(500):
            with pytest.raises(ValueError, match="NaN"):
                model.partial_fit(bad, y)

    try:
        with ThreadPoolExecutor(1) as pool:
            learning = pool.submit(learn)
            while not learning.done():
                np.testing.assert_array_equal(model.predict_proba(X), expected)
            learning.result()
    finally:
        sys.setswitchinterval(interval)


def test_an_interrupt_in_a_merge_leaves_the_rows_merged(monkeypatch):
    X, y = random_rows(), random_targets()
    merge_parts = _team.merge_parts

    def interrupted(*args):
        merge_parts(*args)  # it does not hear it
        monkeypatch.setattr(_team, "merge_parts", merge_parts)
        raise KeyboardInterrupt

    monkeypatch.setattr(_team, "merge_parts", interrupted)
    model = FtrlClassifier(n_jobs=2, **NUMBERS)
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(X, y, classes=[0, 1])
    expected = FtrlClassifier(n_jobs=2, **NUMBERS).partial_fit(X, y, classes=[0, 1])
    for name in ["z_", "intercept_z_", "t_"]:
        np.testing.assert_array_equal(getattr(model, name), getattr(expected, name))


def test_an_interrupt_waits_for_the_threads(monkeypatch):
    started, sent, done = threading.Barrier(3), threading.Event(), []

    def kernel(*args):
        started.wait()
        sent.wait()
        time.sleep(0.2)
        done.append(1)
        return 0.0, -1

    def interrupt():
        started.wait()
        time.sleep(0.05)  # until all wait
        _thread.interrupt_main()
        sent.set()

    monkeypatch.setattr(_learner, "learn_few", kernel)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs of a shell have none
    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            FtrlClassifier(n_jobs=2).partial_fit(random_rows(), random_targets(), classes=[0, 1])
    finally:
        signal.signal(signal.SIGINT, handler)
    assert len(done) == 2
