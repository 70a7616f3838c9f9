"""sklearn_ftrl.dask: the estimators on a cluster of two processes."""

import contextlib
import copy
import operator
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
from oracle import NUMBERS
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, _rows, merge

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")
DaskFtrlClassifier = pytest.importorskip("sklearn_ftrl.dask").DaskFtrlClassifier
Job = pytest.importorskip("sklearn_ftrl._cluster").Job
DaskFtrlRegressor = pytest.importorskip("sklearn_ftrl.dask").DaskFtrlRegressor

STATE = ["coef_", "z_", "n_", "intercept_", "intercept_z_", "intercept_n_", "t_"]


def two_workers():
    """Return a cluster of two processes."""
    return distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", memory_limit=None
    )


@pytest.fixture(scope="module")
def client():
    with two_workers() as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture
def mortal():
    """Return a cluster whose workers may be killed: it is not used again."""
    with two_workers() as cluster, distributed.Client(cluster) as client:
        yield client


def rows(seed, n_rows=60):
    """Return CSR rows and their classes."""
    X = sparse.random_array((n_rows, 7), density=0.4, format="csr", rng=seed)
    return X, (X @ np.arange(-3, 4) + np.sin(np.arange(n_rows)) > 0.0).astype(int)


def placed(client, parts):
    """Return futures of X and y: partitions that lie on the workers in turn."""
    workers = sorted(client.nthreads())  # asked now: scheduler_info may be of a moment ago
    at = [
        {"workers": workers[k % len(workers)], "allow_other_workers": True, "pure": False}
        for k in range(len(parts))
    ]
    return tuple(
        [client.submit(copy.copy, part[c], **where) for part, where in zip(parts, at, strict=True)]
        for c in range(2)
    )


def by_hand(parts, n_rounds, start, n_workers=2):
    """Return the model of workers that hold the parts in turn."""
    for _ in range(n_rounds):
        models = [copy.deepcopy(start) for _ in range(n_workers)]
        for k, (X, y) in enumerate(parts):
            if X.shape[0]:
                models[k % n_workers].partial_fit(X, y)
        start = merge(models, start=start)
    return start


def assert_same(model, other):
    for name in STATE:
        np.testing.assert_array_equal(getattr(model, name), getattr(other, name), name)


def untrained(Local=FtrlClassifier, **params):
    """Return a model that knows classes and features, and has learned nothing."""
    X, y = rows(0)
    model = Local(**NUMBERS, **params)
    classes = {"classes": [0, 1]} if Local is FtrlClassifier else {}
    return model.partial_fit(X, y, **classes, sample_weight=np.zeros(60))


@pytest.mark.parametrize(
    ("Distributed", "Local"),
    [(DaskFtrlClassifier, FtrlClassifier), (DaskFtrlRegressor, FtrlRegressor)],
)
@pytest.mark.parametrize("n_rounds", [1, 3])
def test_fit_is_partial_fit_and_merge_in_rounds(client, Distributed, Local, n_rounds):
    parts = [rows(seed) for seed in range(4)]
    model = Distributed(**NUMBERS, l1=0.1, n_rounds=n_rounds).fit(*placed(client, parts))
    assert_same(model, by_hand(parts, n_rounds, untrained(Local, l1=0.1)))


def test_auto_is_resolved_once_by_the_first_partition_with_rows(client):
    parts = [(rows(0)[0][:0], rows(0)[1][:0]), *(rows(seed, 2000) for seed in (1, 2))]
    parts[2] = (100 * parts[2][0], parts[2][1])
    model = DaskFtrlClassifier().fit(*placed(client, parts))
    first = FtrlClassifier().partial_fit(*parts[1], classes=[0, 1])
    assert (model.learning_rate_, model.beta_) == (first.learning_rate_, first.beta_)
    assert model.t_ == 3 * 4000


def test_all_workers_learn_with_what_auto_was_resolved_to(client):
    parts = [rows(seed, 200) for seed in (0, 1)]
    parts[1] = (3 * parts[1][0], parts[1][1])
    params = {"fit_intercept": False, "n_rounds": 1}
    model = DaskFtrlClassifier(**params).fit(*placed(client, parts))
    numbers = {"learning_rate": model.learning_rate_, "beta": model.beta_}
    expected = DaskFtrlClassifier(**numbers, **params).fit(*placed(client, parts))
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)


def test_partitions_are_checked_once_for_all_rounds(no_workers, monkeypatch):
    checked, as_rows = [], _rows.as_rows

    def counted(X, estimator):
        checked.append(X.shape[0])
        return as_rows(X, estimator)

    monkeypatch.setattr(_rows, "as_rows", counted)
    no_workers.cluster.scale(1)
    DaskFtrlClassifier(n_rounds=3, client=no_workers).fit(*as_delayed(*rows(0)))
    assert sorted(checked) == [1, 20, 20, 20]  # one row tells what columns and classes there are


def test_under_auto_the_intercept_starts_at_the_mean_as_in_partial_fit(client):
    X, y = rows(0, 200)
    model = DaskFtrlRegressor(n_rounds=1).fit(*placed(client, [(X, y + 1e4)]))
    expected = FtrlRegressor().partial_fit(X, y + 1e4)
    np.testing.assert_allclose(model.intercept_, expected.intercept_, rtol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_predictions_are_lazy_and_those_of_the_local_model(client, method, n_classes):
    X, _ = rows(0)
    y = np.array(["a", "b", "c"], object)[np.arange(60) % n_classes]
    chunks = da.from_array(X.toarray(), (20, 4))
    model = DaskFtrlClassifier().fit(chunks, da.from_array(y, 20))
    result = getattr(model, method)(chunks)
    expected = getattr(model.to_local(), method)(X)
    assert isinstance(result, da.Array)
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
    assert result.compute().ravel().tolist() == pytest.approx(expected.ravel().tolist())


def as_csr_chunks(X, y):
    array = da.from_array(X.toarray(), (20, 7)).map_blocks(sparse.csr_array)
    return array, da.from_array(y, 20)


def as_frames(X, y):
    dd = pytest.importorskip("dask.dataframe")
    frame = pd.DataFrame(X.toarray(), columns=list("abcdefg")).assign(y=y)
    frame = dd.from_pandas(frame, npartitions=3, sort=False)
    return frame[list("abcdefg")], frame["y"]


def as_delayed_lists(X, y):
    return tuple(
        [dask.delayed(a[k : k + 20].tolist()) for k in (0, 20, 40)] for a in (X.toarray(), y)
    )


def as_delayed(X, y):
    return tuple([dask.delayed(a[k : k + 20]) for k in (0, 20, 40)] for a in (X, y))


@pytest.mark.parametrize("collection", [as_csr_chunks, as_frames, as_delayed, as_delayed_lists])
def test_every_kind_of_collection_is_learned_and_predicted(client, collection):
    X, y = rows(0)
    rows_, targets = collection(X, y)
    model = DaskFtrlClassifier(**NUMBERS).fit(rows_, targets, sample_weight=None)
    assert model.t_ == 3 * 60
    expected = model.to_local().predict(X if collection is not as_frames else rows_.compute())
    np.testing.assert_array_equal(model.predict(rows_), expected)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("Distributed", [DaskFtrlClassifier, DaskFtrlRegressor])
def test_sample_weights_go_with_their_rows(client, Distributed, method):
    X, y = rows(0)
    weights = np.arange(60) % 3
    chunks, targets = as_csr_chunks(X, y)
    model = Distributed(**NUMBERS, n_rounds=1)
    known = (
        {"classes": [0, 1]} if (Distributed, method) == (DaskFtrlClassifier, "partial_fit") else {}
    )
    getattr(model, method)(chunks, targets, sample_weight=da.from_array(weights, 20), **known)
    assert model.t_ == np.count_nonzero(weights)


def test_empty_partitions_one_class_and_other_dtypes_are_learned(client):
    X, y = rows(0)
    parts = [
        (X[y == 0], y[y == 0]),
        (X[:0], y[:0]),
        (X[y == 1].astype(np.float32), y[y == 1].astype(np.int8)),
        ((10 * X).astype(int), y.astype(float)),
    ]
    model = DaskFtrlClassifier(**NUMBERS).fit(*placed(client, parts))
    assert_same(model, by_hand(parts, 3, untrained()))
    assert model.predict(placed(client, parts)[0]).compute().shape == (120,)


def test_an_empty_partition_has_no_say_in_the_type_of_labels(client):
    X, y = rows(0)
    parts = [(X[:0], y[:0].astype(float)), (X, y)]
    model = DaskFtrlClassifier(**NUMBERS).fit(*placed(client, parts))
    assert model.classes_.dtype == np.int64


def test_partial_fit_knows_the_classes_that_it_is_told(client):
    X, y = rows(0)
    model = DaskFtrlClassifier(**NUMBERS)
    model.partial_fit(*placed(client, [(X, y)]), classes=[2, 1, 0])
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.coef_.shape == (3, 7)
    with pytest.raises(ValueError, match=r"leave out \[2\]"):
        model.partial_fit(*placed(client, [(X, y)]), classes=[0, 1])


def test_partial_fit_learns_more_classes_though_the_first_partition_is_empty(client):
    X, y = rows(0)
    model = DaskFtrlClassifier(**NUMBERS).fit(*placed(client, [(X, y)]))
    model.partial_fit(*placed(client, [(X[:0], y[:0]), (X, y + 1)]), classes=[0, 1, 2])
    expected = FtrlClassifier(**NUMBERS)
    for _ in range(3):
        expected.partial_fit(X, y, classes=[0, 1])
    np.testing.assert_allclose(
        model.coef_, expected.partial_fit(X, y + 1, classes=[0, 1, 2]).coef_, rtol=1e-12
    )


def test_partial_fit_has_to_be_told_the_classes_at_first(client):
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        DaskFtrlClassifier().partial_fit(*placed(client, [rows(0)]))


def scored(seed):
    """Return rows, labels of three classes, numbers, and weights with a chunk of zeros."""
    X, _ = rows(seed)
    rng = np.random.default_rng(seed)
    numbers = 1000.0 + X @ np.arange(7) + rng.normal(size=60)
    weights = np.r_[np.zeros(20), rng.integers(0, 3, 40)]
    return X, np.array(["a", "b", "c"], object)[np.arange(60) % 3], numbers, weights


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sizes", [60, 20, (1, 0, 59)])
def test_score_is_that_of_scikit_learn(client, weighted, sizes):
    X, labels, numbers, weights = scored(0)
    weights = weights if weighted else None
    chunks = da.from_array(X.toarray(), (sizes, 7))
    classifier = DaskFtrlClassifier(**NUMBERS).fit(chunks, da.from_array(labels, sizes))
    regressor = DaskFtrlRegressor(**NUMBERS).fit(chunks, da.from_array(numbers, sizes))
    for model, y, metric in [
        (classifier, labels[::-1], accuracy_score),
        (regressor, numbers + 0.5, r2_score),
    ]:
        columns = [da.from_array(a, sizes) for a in ([y] if weights is None else [y, weights])]
        score = model.score(chunks, *columns)
        expected = metric(y, model.to_local().predict(X), sample_weight=weights)
        assert type(score) is float
        assert score == pytest.approx(expected, rel=1e-12)


def test_score_of_equal_numbers_is_1_if_all_are_right_and_0_else(client):
    X = da.zeros((70, 2), chunks=(10, 2))
    model = DaskFtrlRegressor(**NUMBERS).fit(X, da.full(70, 0.1, chunks=10))
    right = model.to_local().predict(np.zeros((70, 2)))
    assert model.score(X, da.from_array(right, 10)) == 1.0
    assert model.score(X, da.from_array(right + 0.1, 10)) == 0.0


def test_score_of_labels_never_learned_counts_them_as_wrong(client):
    X, y = rows(0)
    model = DaskFtrlClassifier(**NUMBERS).fit(*placed(client, [(X, y)]))
    assert model.score(*placed(client, [(X, y + 1)])) == np.mean(
        model.to_local().predict(X) == y + 1
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda X, y: ([dask.delayed(X)], [dask.delayed(y[:5])]), "inconsistent"),
        (lambda X, y: ([dask.delayed(X)], [dask.delayed(y)] * 2), "same partitions"),
        (lambda X, y: ([dask.delayed(X[:0])], [dask.delayed(y[:0])]), "No partition"),
        (
            lambda X, y: ([dask.delayed(X)], [dask.delayed(y)], [dask.delayed(0 * y)]),
            "No partition",
        ),
    ],
)
@pytest.mark.parametrize("Distributed", [DaskFtrlClassifier, DaskFtrlRegressor])
def test_rows_that_cannot_be_scored_are_refused(client, Distributed, arguments, message):
    model = Distributed(**NUMBERS).fit(*placed(client, [rows(0)]))
    with pytest.raises(ValueError, match=message):
        model.score(*arguments(*rows(0)))


def test_only_a_fitted_model_has_a_score(client):
    with pytest.raises(NotFittedError):
        DaskFtrlRegressor().score(*placed(client, [rows(0)]))


def test_partial_fit_goes_on_with_the_parameters_of_now(client):
    X, y = rows(0)
    model = DaskFtrlClassifier(**NUMBERS).partial_fit(
        *placed(client, [(X, y)]), classes=np.array([0, 1])
    )
    model.set_params(l1=0.5).partial_fit(*placed(client, [(X, y)]))
    local = FtrlClassifier(**NUMBERS).partial_fit(X, y, classes=[0, 1])
    assert_same(model, local.set_params(l1=0.5).partial_fit(X, y))


def test_partial_fit_that_fails_leaves_the_model_as_it_was(client):
    X, y = rows(0)
    model = DaskFtrlClassifier(**NUMBERS).fit(*placed(client, [(X, y)]))
    before = model.to_local()
    model.set_params(l1=0.5)
    with pytest.raises(ValueError, match="unseen labels"):
        model.partial_fit(*placed(client, [(X, y), (X, y + 1)]))
    assert_same(model, before)
    assert model.to_local().get_params() == before.get_params()


def test_partial_fit_of_no_rows_to_learn_changes_nothing_learned(client):
    X, y = rows(0)
    model = DaskFtrlClassifier(**NUMBERS).fit(*placed(client, [(X, y)]))
    before = model.to_local()
    model.set_params(loss="hinge", l1=0.5)
    weights = [dask.delayed(np.zeros(n)) for n in (0, 60)]
    model.partial_fit(*placed(client, [(X[:0], y[:0]), (X, y)]), sample_weight=weights)
    assert_same(model, before)


def test_probabilities_are_those_of_the_loss_learned(client):
    model = DaskFtrlClassifier("hinge", **NUMBERS).fit(*placed(client, [rows(0)]))
    assert not hasattr(model.set_params(loss="log_loss"), "predict_proba")
    model.fit(*placed(client, [rows(0)]))
    assert hasattr(model.set_params(loss="hinge"), "predict_proba")


def test_a_local_copy_pickles_and_goes_on_learning(client):
    model = DaskFtrlClassifier(**NUMBERS).fit(*placed(client, [rows(0)]))
    local = pickle.loads(pickle.dumps(model.to_local()))
    assert local.partial_fit(*rows(1)).t_ == model.t_ + 60
    assert model.t_ == 3 * 60


def test_a_local_copy_that_learns_leaves_the_model_as_it_is(client):
    model = DaskFtrlClassifier(**NUMBERS).fit(*placed(client, [rows(0)]))
    before = pickle.loads(pickle.dumps(model.to_local()))
    model.to_local().partial_fit(*rows(1))
    assert_same(model, before)


def test_clones_keep_parameters_and_client_and_nothing_learned(client):
    model = DaskFtrlRegressor(l1=0.5, client=client).fit(*placed(client, [rows(0)]))
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert copied.client is client
    assert not hasattr(copied, "coef_")


class KillOnce(distributed.WorkerPlugin):
    """Kill the first worker that begins its second round, and no other."""

    def __init__(self, path):
        self.path, self.rounds = path, 0

    def transition(self, key, start, finish, **kwargs):
        """Count the rounds that have begun here."""
        self.rounds += finish == "executing" and "_learned" in str(key)
        if self.rounds == 2:
            with contextlib.suppress(FileExistsError), open(self.path, "x"):
                os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def kill_once(mortal, tmp_path):
    """Return a function that has a worker killed in the next fit, and the file that tells."""

    def arm():
        mortal.register_plugin(KillOnce(tmp_path / "killed"))
        return tmp_path / "killed"

    return arm


def kill(client, worker):
    """Kill a worker, and wait until the scheduler knows."""
    os.kill(client.submit(os.getpid, workers=worker).result(), signal.SIGKILL)
    while worker in client.nthreads():
        time.sleep(0.05)


def test_a_worker_killed_in_a_round_changes_nothing(mortal, kill_once):
    parts = [rows(seed) for seed in range(4)]
    X, y = placed(mortal, parts)
    killed = kill_once()
    model = DaskFtrlClassifier(**NUMBERS, no_workers_timeout=60.0).fit(X, y)
    assert killed.exists()
    assert_same(model, by_hand(parts, 3, untrained()))


def test_a_start_lost_with_a_worker_is_sent_again(client, monkeypatch):
    parts = [rows(seed) for seed in range(2)]
    module = sys.modules["sklearn_ftrl._cluster"]
    a_round, starts = module._round, []

    def lost_once(client, start, groups):
        starts.append(start)
        if len(starts) == 1:
            start.cancel()
        return a_round(client, start, groups)

    monkeypatch.setattr(module, "_round", lost_once)
    model = DaskFtrlClassifier(**NUMBERS).fit(*placed(client, parts))
    assert len(starts) == 6
    assert_same(model, by_hand(parts, 3, untrained()))


def test_a_round_leaves_its_start_as_it_was(client, monkeypatch):
    module = sys.modules["sklearn_ftrl._cluster"]
    a_round, starts = module._round, []

    def recorded(client, start, groups):
        starts.append(start)
        return a_round(client, start, groups)

    monkeypatch.setattr(module, "_round", recorded)
    DaskFtrlClassifier(**NUMBERS).fit(*placed(client, [rows(seed) for seed in range(2)]))
    assert [start.result().t_ for start in starts] == [0, 120, 240]


@pytest.fixture
def fitted(mortal):
    """Return a model that does not wait long for workers, and what it has learned."""
    model = DaskFtrlClassifier(**NUMBERS, no_workers_timeout=0.2)
    model.fit(*placed(mortal, [rows(0)]))
    return model, model.to_local()


def scattered(client):
    """Return two partitions of data that lie on a worker each, and the workers."""
    workers = sorted(client.nthreads())
    X, y = (
        [client.scatter(rows(k)[c], workers=[workers[k]], hash=False) for k in (0, 1)]
        for c in (0, 1)
    )
    return X, y, workers


def test_lost_data_is_an_error_that_names_the_partitions(mortal, fitted):
    model, before = fitted
    X, y, workers = scattered(mortal)
    kill(mortal, workers[1])
    for method in [model.fit, model.partial_fit, model.score]:
        with pytest.raises(RuntimeError, match=r"Partitions are lost, \[1\] of 2"):
            method(X, y)
    assert_same(model, before)


def test_data_lost_in_a_round_is_an_error_and_the_model_stays(mortal, fitted, kill_once):
    model, before = fitted
    X, y, _ = scattered(mortal)
    kill_once()
    with pytest.raises(RuntimeError, match=r"Partitions are lost, \[[01]\] of 2"):
        model.fit(X, y)
    assert_same(model, before)


def test_lost_data_behind_delayed_objects_is_an_error(mortal, fitted):
    model, _ = fitted
    X, y, workers = scattered(mortal)
    delayed = [dask.delayed(copy.copy)(part) for part in X]
    kill(mortal, workers[1])
    with pytest.raises(RuntimeError, match="Partitions are lost, some of 2"):
        model.fit(delayed, y[:1] + y[:1])


def bound(client):
    """Return two partitions that may be loaded on a worker each alone, and the workers."""
    workers = sorted(client.nthreads())
    X, y = (
        [client.submit(copy.copy, rows(k)[c], workers=workers[k], pure=False) for k in (0, 1)]
        for c in (0, 1)
    )
    distributed.wait([X, y])
    return X, y, workers


def test_partitions_bound_to_a_worker_that_is_gone_are_named_in_time(mortal, fitted):
    model, before = fitted
    X, y, workers = bound(mortal)
    kill(mortal, workers[0])
    for method in [model.fit, model.partial_fit, model.score]:
        with pytest.raises(TimeoutError, match=r"cannot be run, \[0\] of 2: for .*_timeout=0.2 "):
            method(X, y)
    assert_same(model, before)


def test_partitions_bound_to_a_worker_that_goes_in_a_round_are_named(mortal, fitted, kill_once):
    model, before = fitted
    X, y, _ = bound(mortal)
    kill_once()
    with pytest.raises(TimeoutError, match=r"cannot be run, \[[01]\] of 2"):
        model.fit(X, y)
    assert_same(model, before)


@pytest.fixture
def no_workers():
    """Return a cluster of no workers."""
    cluster = distributed.LocalCluster(
        n_workers=0,
        threads_per_worker=1,
        processes=False,
        dashboard_address=":0",
        memory_limit=None,
    )
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client


@pytest.mark.parametrize("collection", ["array", "delayed"])
def test_a_cluster_without_workers_is_an_error(no_workers, collection):
    parts = as_csr_chunks(*rows(0)) if collection == "array" else as_delayed(*rows(0))
    model = DaskFtrlClassifier(client=no_workers, no_workers_timeout=0.2)
    with pytest.raises(TimeoutError, match=r"\[0, 1, 2\] of 3"):
        model.fit(*parts)


def pause(dask_worker):
    dask_worker.status = distributed.Status.paused


def any_runs(dask_scheduler):
    return bool(dask_scheduler.running)


def test_workers_that_are_all_paused_in_a_round_are_an_error(no_workers, monkeypatch):
    module = sys.modules["sklearn_ftrl._cluster"]
    a_round = module._round

    def paused(client, start, groups):
        start.result()  # a task that a worker has, and has not begun, waits there
        client.run(pause)
        while client.run_on_scheduler(any_runs):
            time.sleep(0.05)
        return a_round(client, start, groups)

    monkeypatch.setattr(module, "_round", paused)
    model = DaskFtrlClassifier(**NUMBERS, n_rounds=1, client=no_workers, no_workers_timeout=0.2)
    no_workers.cluster.scale(1)
    no_workers.wait_for_workers(1, timeout=60)
    with pytest.raises(TimeoutError, match="Partitions cannot be run, all of 3"):
        model.fit(*as_csr_chunks(*rows(0)))
    assert not hasattr(model, "coef_")


HELD = threading.Event()


def held(rows):
    """Return rows when the test says so."""
    HELD.wait(60)
    return rows


def all_of(worker, dask_scheduler):
    """Return the tasks that a worker has, and those of them that it has begun."""
    state = dask_scheduler.workers[worker]
    return {task.key for task in state.processing}, {task.key for task in state.executing}


@pytest.fixture
def paused(no_workers):
    """Return a client, a worker that is paused with two tasks, one of them begun, and the tasks.

    The other worker runs.
    """
    HELD.clear()
    no_workers.cluster.scale(2)
    no_workers.wait_for_workers(2, timeout=60)
    worker, _ = sorted(no_workers.nthreads())
    X, y = rows(0)
    where = {"workers": [worker], "pure": False}
    begun = no_workers.submit(held, X, **where)
    waits = no_workers.submit(copy.copy, X, **where)
    expected = {begun.key, waits.key}, {begun.key}
    while no_workers.run_on_scheduler(all_of, worker) != expected:
        time.sleep(0.05)
    no_workers.run(pause, workers=[worker])
    yield no_workers, begun, waits, no_workers.submit(copy.copy, y, pure=False)
    HELD.set()


def test_a_partition_that_waits_at_a_paused_worker_is_an_error(paused):
    client, _, waits, y = paused
    model = DaskFtrlClassifier(client=client, no_workers_timeout=0.2)
    with pytest.raises(TimeoutError, match=r"cannot be run, \[0\] of 1"):
        model.fit([waits], [y])


def test_a_partition_that_a_paused_worker_has_begun_is_waited_for(paused):
    client, begun, _, y = paused
    model = DaskFtrlClassifier(client=client, no_workers_timeout=0.2)
    threading.Timer(1.0, HELD.set).start()
    assert model.fit([begun], [y]).t_ == 180


@pytest.mark.parametrize("nothing", ["zeros", "weights of zero"])
def test_auto_is_what_partial_fit_finds_where_the_first_rows_teach_nothing(no_workers, nothing):
    X, y = rows(0)
    parts = [(X.astype(np.float32) * (nothing != "zeros"), y), (X, y)]
    weights = [np.full(60, float(nothing == "zeros")), np.ones(60)]
    no_workers.cluster.scale(1)  # one, as it must not remember
    model = DaskFtrlClassifier(n_rounds=1, client=no_workers).fit(
        *([dask.delayed(part[c]) for part in parts] for c in (0, 1)),
        [dask.delayed(weight) for weight in weights],
    )
    expected = FtrlClassifier()
    for part, weight in zip(parts, weights, strict=True):
        expected.partial_fit(*part, classes=[0, 1], sample_weight=weight)
    assert (model.learning_rate_, model.beta_) == (expected.learning_rate_, expected.beta_)
    assert model.coef_.dtype == expected.coef_.dtype
    assert model.t_ == np.sum(weights)


def test_a_partition_is_learned_where_its_x_is_though_its_y_seems_larger(client):
    one, other = sorted(client.nthreads())
    X, y = rows(0)
    X = client.scatter(X, workers=[one], hash=False)
    y = client.scatter(np.broadcast_to(y, (10_000, 60)), workers=[other], hash=False)
    job = Job(DaskFtrlClassifier(client=client), [X], [y], None)
    assert client.who_has(job.start(dask.delayed(tuple))).popitem()[1] == (one,)


def test_what_partitions_are_made_of_is_loaded_once(client, tmp_path):
    def load():
        with open(tmp_path / "loads", "a", encoding="utf-8") as file:
            file.write("once ")
        return [rows(k) for k in range(3)]

    loaded = dask.delayed(load, pure=True)()
    X, y = ([loaded[k][c] for k in range(3)] for c in range(2))
    DaskFtrlClassifier(**NUMBERS, client=client).fit(X, y)
    assert (tmp_path / "loads").read_text(encoding="utf-8") == "once "


def workers_asked_for(client, X, y, monkeypatch):
    """Return the workers that partitions are bound to, in the order in which they are sent."""
    asked, compute = [], client.compute

    def recorded(tasks, workers=None, **options):
        asked.extend([tuple(workers)] if workers else [None] * len(tasks))
        return compute(tasks, workers=workers, **options)

    monkeypatch.setattr(client, "compute", recorded)
    Job(DaskFtrlClassifier(client=client), X, y, None).start(dask.delayed(tuple))
    return asked


def test_partitions_of_an_array_in_memory_are_taken_where_they_are(client, monkeypatch):
    X = da.ones((8, 3), chunks=(2, 3)).map_blocks(sparse.csr_array).persist()
    distributed.wait(X)
    held = client.who_has(X)
    asked = workers_asked_for(client, X, da.zeros(8, chunks=2), monkeypatch)
    assert asked == [held[key] for key in sorted(held)]


def test_partitions_of_a_data_frame_in_memory_are_bound_to_no_worker(client, monkeypatch):
    dd = pytest.importorskip("dask.dataframe")
    X = dd.from_pandas(pd.DataFrame(np.ones((8, 3))), npartitions=4).persist()
    distributed.wait(X)
    assert workers_asked_for(client, X, da.zeros(8, chunks=2), monkeypatch) == [None] * 4


def test_dask_knows_how_large_sparse_rows_are():
    X = sparse.csr_array(rows(0)[0])
    arrays = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    assert arrays <= dask.sizeof.sizeof(X) < arrays + 1000


@pytest.mark.parametrize("n_workers", [1, 3])
def test_every_worker_counts_however_many_there_are(no_workers, n_workers):
    parts = [rows(seed) for seed in range(6)]
    no_workers.cluster.scale(n_workers)
    no_workers.wait_for_workers(n_workers, timeout=60)
    model = DaskFtrlClassifier(**NUMBERS, client=no_workers).fit(*placed(no_workers, parts))
    assert_same(model, by_hand(parts, 3, untrained(), n_workers))


def test_predictions_are_made_by_the_client_that_is_given(client, no_workers):
    chunks, targets = as_csr_chunks(*rows(0))
    no_workers.cluster.scale(1)
    model = DaskFtrlClassifier(**NUMBERS, client=no_workers).fit(chunks, targets)
    labels = no_workers.compute(model.predict(chunks)).result()
    np.testing.assert_array_equal(labels, model.to_local().predict(rows(0)[0]))


@pytest.mark.parametrize("seconds", [60.0, None])
@pytest.mark.parametrize("method", ["fit", "score"])
def test_workers_that_come_in_time_are_waited_for(client, no_workers, method, seconds):
    model = DaskFtrlClassifier(**NUMBERS).fit(*placed(client, [rows(0)]))
    model.set_params(client=no_workers, no_workers_timeout=seconds)
    no_workers.cluster.scale(1)
    assert getattr(model, method)(*as_delayed(*rows(0)))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (lambda X, y: (X.toarray(), y), TypeError, "X must be a dask array"),
        (lambda X, y: (da.from_array(X.toarray(), (20, 7)), y), TypeError, "y must be a dask"),
        (lambda X, y: ([dask.delayed(X)], [dask.delayed(y)] * 2), ValueError, "same partitions"),
        (lambda X, y: ([], []), ValueError, "same partitions"),
        (lambda X, y: ([dask.delayed(X[:0])], [dask.delayed(y[:0])]), ValueError, "No partition"),
        (
            lambda X, y: (
                [dask.delayed(X), dask.delayed(operator.truediv)(1, 0)],
                [dask.delayed(y)] * 2,
            ),
            ZeroDivisionError,
            "division",
        ),
        (lambda X, y: ([dask.delayed(X)], [dask.delayed(y[:5])]), ValueError, "inconsistent"),
        (lambda X, y: ([dask.delayed(X)], [dask.delayed(0 * y)]), ValueError, "classes has to"),
        (lambda X, y: ([dask.delayed(X)], [dask.delayed(y + 0.5)]), ValueError, "Unknown label"),
    ],
)
def test_data_that_cannot_be_learned_is_refused(client, arguments, error, message):
    model = DaskFtrlClassifier()
    with pytest.raises(error, match=message):
        model.fit(*arguments(*rows(0)))
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize("Distributed", [DaskFtrlClassifier, DaskFtrlRegressor])
def test_a_partition_that_cannot_be_loaded_is_an_error_before_any_round(
    client, monkeypatch, Distributed
):
    monkeypatch.setattr(sys.modules["sklearn_ftrl.dask"], "rounds", None)
    X, y = rows(0)
    bad = dask.delayed(operator.truediv)(1, 0)
    with pytest.raises(ZeroDivisionError):
        Distributed().fit([dask.delayed(X), bad], [dask.delayed(y)] * 2)


def test_rows_without_weight_are_no_rows_to_fit(client):
    model = DaskFtrlClassifier(**NUMBERS)
    with pytest.raises(ValueError, match="No partition has a row"):
        model.fit(*as_delayed(*rows(0)), [dask.delayed(np.zeros(20))] * 3)
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_rounds": 0}, "n_rounds"),
        ({"client": "tcp://scheduler:8786"}, "client"),
        ({"no_workers_timeout": 0}, "no_workers_timeout"),
        ({"no_workers_timeout": "5 minutes"}, "no_workers_timeout"),
        ({"l1": -1}, "l1"),
        ({"learning_rate": np.sqrt}, "learning_rate"),
        ({"class_weight": "balanced"}, "balanced"),
    ],
)
def test_parameters_that_cannot_be_are_refused(client, params, message):
    model = DaskFtrlClassifier(**params)
    with pytest.raises(ValueError, match=message):
        model.fit(*placed(client, [rows(0)]))


@pytest.mark.parametrize("names", [["0", "1"], ["-1", "+1"], ["01", "02"]], ids=str)
def test_class_weights_are_those_of_labels_of_any_kind(client, names):
    parts = [rows(seed) for seed in (0, 1)]
    named = [(X, np.array(names)[y]) for X, y in parts]
    models = [
        DaskFtrlClassifier(class_weight=dict(zip(keys, [1.0, 5.0], strict=True)), **NUMBERS)
        for keys in (names, [0, 1])
    ]
    ours = models[0].fit(*placed(client, named))
    sign = 1 if names == sorted(names) else -1
    np.testing.assert_allclose(ours.coef_, sign * models[1].fit(*placed(client, parts)).coef_)
    np.testing.assert_array_equal(ours.classes_, sorted(names))


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA], ids=str)
@pytest.mark.parametrize("names", [["no", "yes"], [0, 1]], ids=str)
def test_a_missing_label_is_refused(client, names, missing):
    X, y = rows(0)
    labels = np.array(names, object)[y]
    labels[50] = missing
    for y in (labels, pd.Series(labels).convert_dtypes()):
        model = DaskFtrlClassifier()
        for learn, known in [(model.fit, {}), (model.partial_fit, {"classes": names})]:
            with pytest.raises(ValueError, match=r"^Input y contains .*\. Leave out rows whose"):
                learn([dask.delayed(X)], [dask.delayed(y)], **known)
            assert not hasattr(model, "classes_")


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA], ids=str)
def test_a_missing_target_is_refused(client, missing):
    X, y = rows(0)
    y = y.astype(object)
    y[50] = missing
    with pytest.raises(ValueError, match=r"^Input y contains (NaN|NA)\."):
        DaskFtrlRegressor().fit([dask.delayed(X)], [dask.delayed(y)])


def test_integers_that_are_objects_are_learned_as_integers(client):
    X, y = rows(0)
    model = DaskFtrlClassifier().fit([dask.delayed(X)], [dask.delayed(y.astype(object))])
    assert model.classes_.dtype == np.int64


def test_the_package_imports_nothing_of_dask():
    code = (
        "import sys, sklearn_ftrl;"
        "assert not {'dask', 'distributed'} & {name.split('.')[0] for name in sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
