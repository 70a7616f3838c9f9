import _thread
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from joblib import parallel_config
from oracle import FEW, LAST, ONE_EPOCH, random_rows, random_targets
from scipy import sparse

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, _learner


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """Give a thread even the smallest work; return the parts that kernels were called with."""
    monkeypatch.setattr(_learner, "WORK_OF_A_THREAD", 1)
    parts = []
    for name in ["learn_few", "learn_many"]:
        kernel = getattr(_learner, name)
        monkeypatch.setattr(
            _learner, name, lambda *args, kernel=kernel: parts.append(args[1]) or kernel(*args)
        )
    return parts


@pytest.mark.parametrize("n_classes", [2, 5, 11])
def test_two_threads_learn_half_of_the_rows_each(n_classes, eager):
    X, y = random_rows(), random_targets(n_classes=n_classes)
    model = FtrlClassifier(n_jobs=2, **ONE_EPOCH).fit(X, y)
    assert sorted(np.concatenate(eager)) == list(range(60))
    assert [part.size for part in eager] == [30, 30]
    assert model.t_ == 60


@pytest.mark.compiled
def test_threads_learn_as_well_as_one():
    rng = np.random.default_rng(0)
    X = sparse.random(20_000, 500, density=0.02, format="csr", random_state=0)
    y = X @ rng.normal(size=500) > 0
    params = {"learning_rate": 2.0, "max_iter": 5, "tol": None, "random_state": 0, **LAST}
    one, two = (FtrlClassifier(n_jobs=n_jobs, **params).fit(X, y) for n_jobs in (1, 2))
    assert two.loss_curve_[-1] == pytest.approx(one.loss_curve_[-1], rel=0.1)
    assert two.score(X, y) == pytest.approx(one.score(X, y), abs=0.02)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_threads_predict_the_same_bits(n_classes):
    X, y = random_rows(), random_targets(n_classes=n_classes)
    model = FtrlClassifier(**FEW).fit(X, y)
    one = model.decision_function(X)
    np.testing.assert_array_equal(model.set_params(n_jobs=3).decision_function(X), one)


def test_none_is_one_thread_under_parallel_config_too(eager):
    with parallel_config("threading", n_jobs=2):
        FtrlRegressor(**ONE_EPOCH).fit(random_rows(), np.arange(60))
    assert [part.size for part in eager] == [60]


def test_a_schedule_gives_each_thread_its_own_steps():
    X, y = random_rows(), random_targets()
    seen = []

    def schedule(steps):
        seen.append(steps)
        return np.full(steps.shape, 0.5)

    FtrlClassifier(learning_rate=schedule, n_jobs=3, **ONE_EPOCH).fit(X, y)
    np.testing.assert_array_equal(seen[-1], np.r_[0, np.arange(60)])


def test_a_row_that_is_not_finite_is_named_by_its_thread():
    X, y = np.ones((60, 1)), random_targets()
    X[45] = 1e308
    model = FtrlClassifier(learning_rate=50.0, beta=1.0, n_jobs=2, **ONE_EPOCH)
    with pytest.raises(ValueError, match="row 45 is not finite"):
        model.fit(X, y)
    assert model.t_ == 45


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
