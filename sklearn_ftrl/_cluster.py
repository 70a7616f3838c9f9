"""Rounds over the partitions of a dask.distributed cluster."""

import copy
import time
from collections import defaultdict

import dask
import dask.array as da
import numpy as np
from dask.sizeof import sizeof
from distributed import CancelledError, Future, Status, get_client, wait
from scipy import sparse
from sklearn.metrics import mean_squared_error
from sklearn.utils import column_or_1d
from sklearn.utils.validation import _num_samples

from . import _merge
from ._batches import take
from ._labels import as_labels, distinct


@sizeof.register(sparse.sparray)
def size_of_sparse(X):
    """Return the bytes of a sparse array: Dask knows matrices alone, and moves what is small."""
    return sum(map(sizeof, vars(X).values()))


class Job:
    """Partitions on a cluster, the tasks that take them, and how long these may find no worker."""

    def __init__(self, estimator, X, y, sample_weight):
        columns = [partitions(X, "X"), partitions(y, "y")]
        if sample_weight is not None:
            columns.append(partitions(sample_weight, "sample_weight"))
        sizes = list(map(len, columns))
        if len(set(sizes)) > 1 or not sizes[0]:
            raise ValueError(f"X, y and sample_weight need the same partitions, got {sizes}.")
        self.rows = list(zip(*columns, strict=True))
        self.client = estimator.client or get_client()
        self.timeout = estimator.no_workers_timeout

    def send(self, model):
        """Return a future of a model that all workers have."""
        timeout = np.inf if self.timeout is None else self.timeout
        return self.client.scatter(model, hash=False, broadcast=True, timeout=timeout)

    def start(self, task):
        """Return futures of a task for each partition that have ended.

        Each runs where its X is, if that is anywhere: Dask may think X too small to care.
        """
        states = self.client.futures
        held = [
            X.key for X, *_ in self.rows if X.key in states and states[X.key].status == "finished"
        ]
        holders = self.client.who_has([Future(key, self.client) for key in held])
        placed = [(task(row), list(holders.get(row[0].key, ()))) for row in self.rows]
        # Together: what several partitions are made of is then loaded once.
        elsewhere = iter(self.client.compute([each for each, workers in placed if not workers]))
        self.parts = [
            self.client.compute(each, workers=workers, allow_other_workers=True)
            if workers
            else next(elsewhere)
            for each, workers in placed
        ]
        self.wait(self.parts)
        self.client.gather([part for part in self.parts if part.status == "error"])  # raises it
        return self.parts

    def gather(self, futures):
        """Return the results of tasks that take the partitions."""
        self.wait(futures)
        return self.client.gather(futures)

    def wait(self, futures):
        """Wait for tasks; raise an error that names the partitions if they can never be run."""
        keys = [future.key for future in [*self.parts, *futures]]
        blocked_since = {}
        while True:
            try:
                with self.client.as_current():
                    wait(futures, self.timeout and min(self.timeout, 1.0))
                return
            except CancelledError as error:
                gone = [k for k, part in enumerate(self.parts) if part.cancelled()]
                if not gone:
                    raise
                lost = [k for k in gone if any(map(_is_lost, self.rows[k]))]
                raise RuntimeError(
                    f"Partitions are lost, {lost or 'some'} of {len(self.parts)}: Dask has "
                    "cancelled the futures of their data, as it does where a worker goes with the "
                    "only copy. Scattered data cannot be loaded again; delayed objects and files "
                    "can."
                ) from error
            except TimeoutError:
                now = time.monotonic()
                blocked = self.client.run_on_scheduler(_blocked, keys)
                blocked_since = {key: blocked_since.get(key, now) for key in blocked}
            if now - min(blocked_since.values(), default=now) >= self.timeout:
                stuck = [k for k, part in enumerate(self.parts) if part.key in blocked]
                raise TimeoutError(
                    f"Partitions cannot be run, {stuck or 'all'} of {len(self.parts)}: for "
                    f"no_workers_timeout={self.timeout} seconds no worker may take them. Those "
                    "that they are bound to are gone or paused, or none is running."
                )


def partitions(data, name):
    """Return the partitions as a list of delayed objects or futures."""
    if isinstance(data, da.Array) and data.ndim == 2 and data.numblocks[1] > 1:
        data = data.rechunk({1: -1})
    if isinstance(data, da.Array):
        return list(data.to_delayed().ravel())
    parts = list(data.to_delayed()) if hasattr(data, "to_delayed") else data
    if not isinstance(parts, list) or not all(
        isinstance(part, Future) or dask.is_dask_collection(part) for part in parts
    ):
        raise TypeError(
            f"{name} must be a dask array or DataFrame, or a list of delayed objects or futures, "
            f"not {type(data).__name__}."
        )
    return parts


def _is_lost(data):
    """Return whether data is a future that Dask has cancelled."""
    return isinstance(data, Future) and data.cancelled()


def _blocked(keys, dask_scheduler):
    """Return which tasks wait for one that no worker may begin."""
    blocked = set(dask_scheduler.unrunnable)
    if not dask_scheduler.running:
        blocked.update(dask_scheduler.queued)
    for worker in dask_scheduler.workers.values():
        if worker.status == Status.paused:  # it ends what it has begun, and begins nothing
            blocked.update(set(worker.processing) - set(worker.executing))
    tasks = list(blocked)
    while tasks:
        waiters = (tasks.pop().waiters or set()) - blocked
        blocked |= waiters
        tasks += waiters
    return {task.key for task in blocked}.intersection(keys)


def labels_of(part):
    """Return the classes of a partition."""
    return distinct(as_labels(part[1]))


def is_new(local):
    """Return whether an estimator of one process has never seen a row."""
    return not hasattr(local, "_learner")


def known(job, local, classes):
    """Return the local estimator as it knows features and classes, from one row, without weight.

    With it goes the dtype of its rows; None if no partition has a row.
    """
    named = {} if classes is None else {"classes": classes}
    for part in job.parts:
        [row] = job.gather([job.client.submit(_first_row, part)])
        if row:
            model = copy.copy(local).partial_fit(*row, sample_weight=[0.0], **named)
            return (_reader(model) if is_new(local) else model), model._learner.dtype
    return local, None


def _first_row(part):
    """Return X and y of the first row, if there is one."""
    X, y, *_ = part
    X = X.tocsr() if sparse.issparse(X) else X
    return tuple(take(each, slice(0, 1)) for each in (X, y)) if _num_samples(X) else ()


def _reader(model):
    """Return a model that reads rows, without what it has learned."""
    reader = copy.copy(model)
    for name in ["_learner", "_first_rows"]:
        vars(reader).pop(name, None)
    return reader


def by_worker(job, local, dtype):
    """Return the partitions that each worker holds, checked and encoded, once for all rounds.

    They take the place of the job's, whose memory they share.
    """
    groups, reader = defaultdict(list), _reader(local)
    holders = job.client.who_has(job.parts)
    for k, part in enumerate(job.parts):
        worker = min(holders.get(part.key, ()), default=None)
        job.parts[k] = job.client.submit(_checked, reader, dtype, part, **_near(worker))
        groups[worker].append(job.parts[k])
    return groups


def _checked(reader, dtype, part):
    """Return the rows of a partition as the kernel learns them; None if there are none."""
    X, y, *sample_weight = part
    if not _num_samples(X):
        return None
    X, y, weights = reader._check(X, y, next(iter(sample_weight), None), dtype, reset=False)
    return reader._batch(X, y, reader._encode(y, False), weights)


def _resolved(model, batch):
    """Return the model that knows from these rows, too, what "auto" is; it learns none of them."""
    if batch is None:
        return model
    begins = is_new(model) or model.t_ == 0
    model = model._draft()
    model._prepare(batch)
    if begins:
        model._learner = model._blank(model._learner)  # workers start its intercept
    return model


def _waits(model):
    """Return whether a model needs more rows, and whether it has seen a row at all."""
    new = is_new(model)
    return new or model._waits_for_rows(), not new


def rounds(job, groups, local, n_rounds):
    """Return the model after all rounds from a local estimator."""
    start = job.send(local)
    for batch in job.parts:
        start = job.client.submit(_resolved, start, batch)
        [(waits, seen)] = job.gather([job.client.submit(_waits, start)])
        if not waits:
            break
    if seen:
        start = job.client.submit(_ready, start)
        for _ in range(n_rounds):
            start = _round(job.client, start, groups)
    [model] = job.gather([start])
    if is_new(local) and (is_new(model) or model.t_ == 0):
        raise ValueError("No partition has a row with a weight above 0.")
    return model


def _near(worker):
    """Return how to submit what a worker holds the rows of, if any holds them."""
    return {} if worker is None else {"workers": worker, "allow_other_workers": True}


def _ready(model):
    """Return the model, which waits for no more rows."""
    model = copy.copy(model)
    vars(model).pop("_first_rows", None)
    return model


def _round(client, start, groups):
    """Return a future of the model after all groups of partitions, each on its worker."""
    sums = [
        client.submit(_learned, start, group, **_near(worker)) for worker, group in groups.items()
    ]
    while len(sums) > 2:
        left_over = sums[-1:] if len(sums) % 2 else []
        pairs = zip(sums[::2], sums[1::2], strict=False)
        sums = [client.submit(_merge.add, *pair) for pair in pairs] + left_over
    return client.submit(_merged, start, *sums)


def _learned(start, batches):
    """Return what the partitions teach a copy of the start, as sums."""
    model = copy.deepcopy(start)
    for batch in batches:
        if batch is not None:
            model._prepare(batch)
            model._learn(batch)
    return model._learner.sums(start._learner)


def _merged(start, *sums):
    """Return the model of the sums of all groups, one or two."""
    model = copy.copy(start)
    model._learner = start._learner.merged(*sums)
    return model


def called(method, model, X, dtype, shape):
    """Return the result of a method, with no rows for no rows."""
    return getattr(model, method)(X) if _num_samples(X) else np.empty((0, *shape), dtype)


def accuracy(model, part):
    """Return the weight and the accuracy of a partition; nothing without weight."""
    X, y, *_ = part
    weights = _weights(part)
    return (weights.sum(), model.score(X, y, weights)) if weights.any() else ()


def moments(model, part):
    """Return weight, mean squared error, and mean and variance of y; nothing without weight."""
    X, y, *_ = part
    weights = _weights(part)
    if not weights.any():
        return ()
    error = mean_squared_error(y, model.predict(X), sample_weight=weights)
    y = column_or_1d(y, dtype=float)
    center = mean(y, weights)
    return weights.sum(), error, center, np.average((y - center) ** 2, weights=weights)


def mean(values, weights):
    """Return the weighted mean, without an error of rounding where all values are equal."""
    return values[0] + np.average(values - values[0], weights=weights)


def _weights(part):
    """Return the weights of a partition's rows."""
    X, _, *sample_weight = part
    return np.asarray(sample_weight[0], float) if sample_weight else np.ones(_num_samples(X))
