"""The estimators of a dask.distributed cluster: rows are learned on the workers that hold them."""

import copy
import functools
import time
from collections import defaultdict
from numbers import Integral, Real
from typing import Any, ClassVar

import dask
import dask.array as da
import numpy as np
from distributed import CancelledError, Future, get_client, wait
from sklearn.base import BaseEstimator, is_classifier
from sklearn.metrics import mean_squared_error
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples, check_is_fitted

from . import _merge
from ._classifier import FtrlClassifier, _gives_probabilities, as_labels, distinct
from ._fitted import DOC_PAGE
from ._regressor import FtrlRegressor

__all__ = ["DaskFtrlClassifier", "DaskFtrlRegressor"]


class _DaskFtrl(BaseEstimator):
    """What both have in common: a fitted estimator of one process, learned by many."""

    _Local: ClassVar[Any]
    _doc_link_module = "sklearn_ftrl"
    _doc_link_template = DOC_PAGE
    _parameter_constraints: ClassVar[dict] = {
        "learning_rate": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "n_rounds": [Interval(Integral, 1, None, closed="left")],
        "no_workers_timeout": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __sklearn_is_fitted__(self):
        return "_local" in vars(self)

    def __sklearn_clone__(self):
        return type(self)(**self.get_params(deep=False))  # a client cannot be copied

    def __getattr__(self, name):
        if name.endswith("_") and not name.startswith("_") and "_local" in vars(self):
            return getattr(self._local, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")

    def to_local(self):
        """Return the model as an estimator of one process, which knows nothing of Dask.

        Returns
        -------
        estimator : FtrlClassifier or FtrlRegressor
            A copy, which can be pickled and go on learning.
        """
        check_is_fitted(self)
        return copy.deepcopy(self._local)

    def _new(self):
        """Return an estimator of one process with these parameters."""
        self._validate_params()
        params = self.get_params(deep=False)
        for name in ["n_rounds", "no_workers_timeout", "client"]:
            del params[name]
        local = self._Local(**params)
        local._validate_params()
        return local

    def _fit(self, X, y, sample_weight, local, n_rounds, classes=None):
        """Learn the partitions in rounds that start from a local estimator, new or fitted."""
        job = _Job(self, X, y, sample_weight)
        parts = job.start(dask.delayed(tuple))
        if classes is None and is_classifier(local) and _is_new(local):
            labels = job.gather(job.client.map(_labels, parts))
            labels = [found for found in labels if found.size]
            classes = np.unique(np.concatenate(labels)) if labels else None
        groups = defaultdict(list)
        holders = job.client.who_has(parts)
        for part in parts:
            groups[min(holders.get(part.key, ()), default=None)].append(part)
        try:
            self._local = _rounds(job, groups, local, classes, n_rounds)
        except CancelledError:  # a worker took the only copy of the start with it
            self._local = _rounds(job, groups, local, classes, n_rounds)
        return self

    def _partial_fit(self, X, y, sample_weight, classes=None):
        """Learn the partitions once, from where the model is."""
        local = self._new()
        if self.__sklearn_is_fitted__():
            local = copy.copy(self._local).set_params(**local.get_params(deep=False))
        return self._fit(X, y, sample_weight, local, 1, classes)

    def _judged(self, judge, X, y, sample_weight):
        """Return the numbers by which a function judges the partitions, as columns."""
        check_is_fitted(self)
        job = _Job(self, X, y, sample_weight)
        parts = job.start(functools.partial(dask.delayed(judge), job.send(self._local)))
        numbers = [found for found in job.gather(parts) if found]
        if not numbers:
            raise ValueError("No partition has a row with a weight above 0.")
        return np.transpose(numbers)

    def _lazily(self, method, X, dtype, *shape):
        """Return the results of a method of the local estimator as a dask array."""
        check_is_fitted(self)
        client = self.client or get_client()
        model = client.scatter(self._local, hash=False)
        parts = _partitions(X, "X")
        sizes = X.chunks[0] if isinstance(X, da.Array) else [np.nan] * len(parts)
        results = [dask.delayed(_called)(method, model, part, dtype, shape) for part in parts]
        return da.concatenate(
            [
                da.from_delayed(result, (size, *shape), dtype)
                for result, size in zip(results, sizes, strict=True)
            ]
        )


class DaskFtrlClassifier(_DaskFtrl):
    """FtrlClassifier that learns on the workers of a dask.distributed cluster.

    Learning goes in rounds. All workers start from the same model, each worker learns the
    partitions that it holds, and their models are merged, as by ``sklearn_ftrl.merge``.
    Partitions stay where they are: a worker is sent the state, not rows.

    Parameters
    ----------
    loss, learning_rate, learning_rate_power, initial_accumulator_value, beta, l1, l2, \
    l2_shrinkage, clipvalue, clipnorm, global_clipnorm, fit_intercept, penalize_intercept, \
    class_weight, n_jobs : see FtrlClassifier
        The first partition with a row to learn from resolves "auto", once. Not supported:
        a callable ``learning_rate`` and ``class_weight="balanced"``. ``n_jobs`` are threads of
        each worker.
    n_rounds : int, default=3
        Rounds that ``fit`` makes, 1 or more. ``partial_fit`` makes one.
    no_workers_timeout : float or None, default=300.0
        Seconds, more than 0, that a partition may find no worker before ``fit``,
        ``partial_fit`` and ``score`` raise a TimeoutError that names it. Time in which a
        worker loads or learns does not count. None waits for ever: for a cluster whose workers
        start hours later.
    client : distributed.Client or None, default=None
        The cluster. None: that of the client made last.

    Attributes
    ----------
    classes_, coef_, intercept_, z_, n_, intercept_z_, intercept_n_, learning_rate_, beta_, \
    t_, n_features_in_, feature_names_in_ : see FtrlClassifier
        ``t_`` counts every row once a round.

    See Also
    --------
    sklearn_ftrl.merge : What happens after each round.

    Notes
    -----
    Dask decides which worker holds a partition. The same placement gives the same bits.

    If a worker dies, Dask loads its partitions elsewhere. They are learned there as the same
    part, and the model is the same. A partition that cannot be loaded again is an error: a
    RuntimeError where its data is lost (it was scattered), a TimeoutError after
    ``no_workers_timeout`` where it is bound to the worker that died.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sklearn_ftrl.dask import DaskFtrlClassifier
    >>> X = da.random.default_rng(0).normal(size=(4000, 10), chunks=(1000, 10))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> with Client(processes=False, n_workers=1, dashboard_address=":0") as client:
    ...     model = DaskFtrlClassifier(client=client).fit(X, y)
    ...     labels = model.predict(X).compute()
    ...     accuracy = model.score(X, y)
    >>> labels.shape
    (4000,)
    >>> accuracy > 0.95
    True
    >>> model.to_local()
    FtrlClassifier()
    """

    _Local = FtrlClassifier

    def __init__(
        self,
        loss="log_loss",
        *,
        learning_rate="auto",
        learning_rate_power=-0.5,
        initial_accumulator_value=0.0,
        beta="auto",
        l1=0.0,
        l2=0.0,
        l2_shrinkage=0.0,
        clipvalue=None,
        clipnorm=None,
        global_clipnorm=None,
        fit_intercept=True,
        penalize_intercept=False,
        class_weight=None,
        n_jobs=None,
        n_rounds=3,
        no_workers_timeout=300.0,
        client=None,
    ):
        self.loss = loss
        self.learning_rate = learning_rate
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.beta = beta
        self.l1 = l1
        self.l2 = l2
        self.l2_shrinkage = l2_shrinkage
        self.clipvalue = clipvalue
        self.clipnorm = clipnorm
        self.global_clipnorm = global_clipnorm
        self.fit_intercept = fit_intercept
        self.penalize_intercept = penalize_intercept
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.n_rounds = n_rounds
        self.no_workers_timeout = no_workers_timeout
        self.client = client

    def fit(self, X, y, sample_weight=None):
        """Learn all partitions in ``n_rounds`` rounds; forget what was learned before.

        Parameters
        ----------
        X : dask array, dask DataFrame, or list of delayed objects or futures
            Rows to learn from, in partitions of what ``FtrlClassifier`` takes: chunks of an array
            may be CSR. Some may be empty.
        y : dask array, dask Series, or list of delayed objects or futures
            Their class labels, in the same partitions.
        sample_weight : dask array, dask Series, or list of such, default=None
            Factors, 0 or more, of each row's loss.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter, an argument or a partition is not valid.
        RuntimeError
            If the data of partitions is lost: a worker that held the only copy is gone.
        TimeoutError
            If partitions find no worker for ``no_workers_timeout`` seconds.

        Notes
        -----
        After an error, also one that a worker raises while it loads a partition, the
        estimator is as it was before.
        """
        return self._fit(X, y, sample_weight, self._new(), self.n_rounds)

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Learn all partitions in one round; call it again with the next ones.

        Parameters
        ----------
        X : dask array, dask DataFrame, or list of delayed objects or futures
            Rows to learn from, as in ``fit``.
        y : dask array, dask Series, or list of delayed objects or futures
            Their class labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come. Required in the first call, and the same in
            later ones if given.
        sample_weight : dask array, dask Series, or list of such, default=None
            Factors, 0 or more, of each row's loss.

        Returns
        -------
        self : object
            The estimator. It raises what ``fit`` raises.
        """
        if classes is None and not self.__sklearn_is_fitted__():
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._partial_fit(X, y, sample_weight, classes)

    def predict(self, X):
        """Return the most probable class of each row, lazily.

        Parameters
        ----------
        X : dask array, dask DataFrame, or list of delayed objects or futures
            Rows to predict.

        Returns
        -------
        y : dask array of shape (n_samples,)
            Class labels.
        """
        check_is_fitted(self)
        return self._lazily("predict", X, self.classes_.dtype)

    def decision_function(self, X):
        """Return the decision function, lazily.

        Parameters
        ----------
        X : dask array, dask DataFrame, or list of delayed objects or futures
            Rows to predict.

        Returns
        -------
        raw : dask array of shape (n_samples,) or (n_samples, n_classes)
            As from ``FtrlClassifier``.
        """
        check_is_fitted(self)
        shape = () if self.classes_.size == 2 else (self.classes_.size,)
        return self._lazily("decision_function", X, np.dtype(float), *shape)

    @available_if(lambda self: _gives_probabilities(vars(self).get("_local", self)))
    def predict_proba(self, X):
        """Return the probability of each class, lazily, for the losses that give one.

        Parameters
        ----------
        X : dask array, dask DataFrame, or list of delayed objects or futures
            Rows to predict.

        Returns
        -------
        p : dask array of shape (n_samples, n_classes)
            Probabilities, in the order of ``classes_``.
        """
        check_is_fitted(self)
        return self._lazily("predict_proba", X, np.dtype(float), self.classes_.size)

    def score(self, X, y, sample_weight=None):
        """Return the accuracy, computed where the partitions are.

        A worker sends back two numbers a partition; predictions stay with it.

        Parameters
        ----------
        X : dask array, dask DataFrame, or list of delayed objects or futures
            Rows to predict.
        y : dask array, dask Series, or list of delayed objects or futures
            Their class labels, in the same partitions.
        sample_weight : dask array, dask Series, or list of such, default=None
            Factors, 0 or more, of each row.

        Returns
        -------
        score : float
            As from ``FtrlClassifier.score``: the weighted share of rows predicted right, 0 to 1.

        Raises
        ------
        ValueError
            If no row has a weight above 0, or arguments are not valid.
        RuntimeError, TimeoutError
            If partitions are lost, or find no worker, as in ``fit``.
        """
        weights, accuracies = self._judged(_accuracy, X, y, sample_weight)
        return float(np.average(accuracies, weights=weights))


class DaskFtrlRegressor(_DaskFtrl):
    """FtrlRegressor that learns on the workers of a dask.distributed cluster.

    It learns in rounds, as ``DaskFtrlClassifier`` does.

    Parameters
    ----------
    loss, learning_rate, learning_rate_power, initial_accumulator_value, beta, l1, l2, \
    l2_shrinkage, clipvalue, clipnorm, global_clipnorm, fit_intercept, penalize_intercept, \
    epsilon, quantile, n_jobs : see FtrlRegressor
        The first partition with a row to learn from resolves "auto", once. Not supported:
        a callable ``learning_rate``. ``n_jobs`` are threads of each worker.
    n_rounds : int, default=3
        Rounds that ``fit`` makes, 1 or more. ``partial_fit`` makes one.
    no_workers_timeout : float or None, default=300.0
        Seconds, more than 0, that a partition may find no worker before ``fit``,
        ``partial_fit`` and ``score`` raise a TimeoutError that names it. Time in which a
        worker loads or learns does not count. None waits for ever: for a cluster whose workers
        start hours later.
    client : distributed.Client or None, default=None
        The cluster. None: that of the client made last.

    Attributes
    ----------
    coef_, intercept_, z_, n_, intercept_z_, intercept_n_, learning_rate_, beta_, t_, \
    n_features_in_, feature_names_in_ : see FtrlRegressor
        ``t_`` counts every row once a round.

    See Also
    --------
    sklearn_ftrl.merge : What happens after each round.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sklearn_ftrl.dask import DaskFtrlRegressor
    >>> X = da.random.default_rng(0).normal(size=(4000, 10), chunks=(1000, 10))
    >>> with Client(processes=False, n_workers=1, dashboard_address=":0") as client:
    ...     model = DaskFtrlRegressor(client=client).fit(X, X[:, 0])
    >>> round(float(model.coef_[0]), 2)
    1.0
    """

    _Local = FtrlRegressor

    def __init__(
        self,
        loss="squared_error",
        *,
        learning_rate="auto",
        learning_rate_power=-0.5,
        initial_accumulator_value=0.0,
        beta="auto",
        l1=0.0,
        l2=0.0,
        l2_shrinkage=0.0,
        clipvalue=None,
        clipnorm=None,
        global_clipnorm=None,
        fit_intercept=True,
        penalize_intercept=False,
        epsilon=0.1,
        quantile=0.5,
        n_jobs=None,
        n_rounds=3,
        no_workers_timeout=300.0,
        client=None,
    ):
        self.loss = loss
        self.learning_rate = learning_rate
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.beta = beta
        self.l1 = l1
        self.l2 = l2
        self.l2_shrinkage = l2_shrinkage
        self.clipvalue = clipvalue
        self.clipnorm = clipnorm
        self.global_clipnorm = global_clipnorm
        self.fit_intercept = fit_intercept
        self.penalize_intercept = penalize_intercept
        self.epsilon = epsilon
        self.quantile = quantile
        self.n_jobs = n_jobs
        self.n_rounds = n_rounds
        self.no_workers_timeout = no_workers_timeout
        self.client = client

    def fit(self, X, y, sample_weight=None):
        """Learn all partitions in ``n_rounds`` rounds; forget what was learned before.

        Parameters
        ----------
        X : dask array, dask DataFrame, or list of delayed objects or futures
            Rows to learn from, in partitions of what ``FtrlRegressor`` takes: chunks of an array
            may be CSR. Some may be empty.
        y : dask array, dask Series, or list of delayed objects or futures
            Their target values, in the same partitions.
        sample_weight : dask array, dask Series, or list of such, default=None
            Factors, 0 or more, of each row's loss.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter, an argument or a partition is not valid.
        RuntimeError
            If the data of partitions is lost: a worker that held the only copy is gone.
        TimeoutError
            If partitions find no worker for ``no_workers_timeout`` seconds.

        Notes
        -----
        After an error, also one that a worker raises while it loads a partition, the
        estimator is as it was before.
        """
        return self._fit(X, y, sample_weight, self._new(), self.n_rounds)

    def partial_fit(self, X, y, sample_weight=None):
        """Learn all partitions in one round; call it again with the next ones.

        Parameters
        ----------
        X : dask array, dask DataFrame, or list of delayed objects or futures
            Rows to learn from, as in ``fit``.
        y : dask array, dask Series, or list of delayed objects or futures
            Their target values.
        sample_weight : dask array, dask Series, or list of such, default=None
            Factors, 0 or more, of each row's loss.

        Returns
        -------
        self : object
            The estimator. It raises what ``fit`` raises.
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X):
        """Return the expected value of each row, lazily.

        Parameters
        ----------
        X : dask array, dask DataFrame, or list of delayed objects or futures
            Rows to predict.

        Returns
        -------
        y : dask array of shape (n_samples,)
            As from ``FtrlRegressor``.
        """
        return self._lazily("predict", X, np.dtype(float))

    def score(self, X, y, sample_weight=None):
        """Return the coefficient of determination, R2, computed where the partitions are.

        A worker sends back four numbers a partition; predictions stay with it.

        Parameters
        ----------
        X : dask array, dask DataFrame, or list of delayed objects or futures
            Rows to predict.
        y : dask array, dask Series, or list of delayed objects or futures
            Their target values, in the same partitions.
        sample_weight : dask array, dask Series, or list of such, default=None
            Factors, 0 or more, of each row.

        Returns
        -------
        score : float
            As from ``FtrlRegressor.score``: at most 1; 0 if no better than the weighted mean of y.

        Raises
        ------
        ValueError
            If no row has a weight above 0, or arguments are not valid.
        RuntimeError, TimeoutError
            If partitions are lost, or find no worker, as in ``fit``.
        """
        weights, errors, means, variances = self._judged(_moments, X, y, sample_weight)
        error = np.average(errors, weights=weights)
        variance = np.average(variances + (means - _mean(means, weights)) ** 2, weights=weights)
        if variance == 0:
            return float(error == 0)  # as r2_score
        return float(1 - error / variance)


class _Job:
    """Partitions on a cluster, the tasks that take them, and how long these may find no worker."""

    def __init__(self, estimator, X, y, sample_weight):
        columns = [_partitions(X, "X"), _partitions(y, "y")]
        if sample_weight is not None:
            columns.append(_partitions(sample_weight, "sample_weight"))
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
        """Return futures of a task for each partition that have ended."""
        self.parts = self.client.compute([task(row) for row in self.rows])
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
                    "that they are bound to are gone, or none is running."
                )


def _partitions(data, name):
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
    """Return which tasks wait for one that no worker may run."""
    blocked = set(dask_scheduler.unrunnable)
    if not dask_scheduler.running:
        blocked.update(dask_scheduler.queued)
    tasks = list(blocked)
    while tasks:
        waiters = (tasks.pop().waiters or set()) - blocked
        blocked |= waiters
        tasks += waiters
    return {task.key for task in blocked}.intersection(keys)


def _labels(part):
    """Return the classes of a partition."""
    return distinct(as_labels(part[1]))


def _is_new(local):
    """Return whether an estimator of one process has never seen a row."""
    return not hasattr(local, "_learner")


def _resolved(model, part, classes):
    """Return the model that knows from these rows, too, what "auto" is; it learns none of them."""
    X, y, *sample_weight = part
    if not _num_samples(X):
        return model
    known = {} if classes is None else {"classes": classes}
    begins = _is_new(model) or model.t_ == 0
    model, _ = model._prepared(X, y, *sample_weight, **known)
    if begins:
        model._learner = model._blank(model._learner)
        model._start_from(model._learner)
    return model


def _waits(model):
    """Return whether a model needs more rows, and whether it has seen a row at all."""
    seen = not _is_new(model) and (model._learner.scales or not model._uses_auto())
    return not seen or model._waits_for_rows(), bool(seen)


def _rounds(job, groups, local, classes, n_rounds):
    """Return the model after all rounds from a local estimator."""
    start = job.send(local)
    for part in job.parts:
        start = job.client.submit(_resolved, start, part, classes)
        [(waits, seen)] = job.gather([job.client.submit(_waits, start)])
        if not waits:
            break
    if seen:
        start = job.client.submit(_ready, start)
        for _ in range(n_rounds):
            start = _round(job.client, start, groups)
    [model] = job.gather([start])
    if _is_new(local) and (_is_new(model) or model.t_ == 0):
        raise ValueError("No partition has a row with a weight above 0.")
    return model


def _ready(model):
    """Return the model, which waits for no more rows."""
    model = copy.copy(model)
    vars(model).pop("_first_rows", None)
    return model


def _round(client, start, groups):
    """Return a future of the model after all groups of partitions, each on its worker."""
    sums = [
        client.submit(_learned, start, group, workers=worker, allow_other_workers=True)
        for worker, group in groups.items()
    ]
    while len(sums) > 1:
        left_over = sums[-1:] if len(sums) % 2 else []
        pairs = zip(sums[::2], sums[1::2], strict=False)
        sums = [client.submit(_merge.add, *pair) for pair in pairs] + left_over
    return client.submit(_merged, start, sums[0])


def _learned(start, parts):
    """Return what the partitions teach a copy of the start, as sums."""
    model = copy.deepcopy(start)
    for X, y, *sample_weight in parts:
        if _num_samples(X):
            model.partial_fit(X, y, sample_weight=next(iter(sample_weight), None))
    return model._learner.sums(start._learner)


def _merged(start, sums):
    """Return the model of the sums of all groups."""
    model = copy.copy(start)
    model._learner = start._learner.merged(sums)
    return model


def _called(method, model, X, dtype, shape):
    """Return the result of a method, with no rows for no rows."""
    return getattr(model, method)(X) if _num_samples(X) else np.empty((0, *shape), dtype)


def _accuracy(model, part):
    """Return the weight and the accuracy of a partition; nothing without weight."""
    X, y, *_ = part
    weights = _weights(part)
    return (weights.sum(), model.score(X, y, weights)) if weights.any() else ()


def _moments(model, part):
    """Return weight, mean squared error, and mean and variance of y; nothing without weight."""
    X, y, *_ = part
    weights = _weights(part)
    if not weights.any():
        return ()
    error = mean_squared_error(y, model.predict(X), sample_weight=weights)
    y = column_or_1d(y, dtype=float)
    mean = _mean(y, weights)
    return weights.sum(), error, mean, np.average((y - mean) ** 2, weights=weights)


def _mean(values, weights):
    """Return the weighted mean, without an error of rounding where all values are equal."""
    return values[0] + np.average(values - values[0], weights=weights)


def _weights(part):
    """Return the weights of a partition's rows."""
    X, _, *sample_weight = part
    return np.asarray(sample_weight[0], float) if sample_weight else np.ones(_num_samples(X))
