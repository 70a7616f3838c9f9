"""The estimators of a dask.distributed cluster: rows are learned on the workers that hold them."""

import copy
import functools
from numbers import Integral, Real
from typing import Any, ClassVar

import dask
import dask.array as da
import numpy as np
from distributed import CancelledError, get_client
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ._classifier import FtrlClassifier, _gives_probabilities
from ._cluster import (
    Job,
    accuracy,
    by_worker,
    called,
    is_new,
    known,
    labels_of,
    mean,
    moments,
    partitions,
    rounds,
)
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
        "client": [HasMethods(["submit", "scatter", "gather"]), None],
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
        job = Job(self, X, y, sample_weight)
        job.start(dask.delayed(tuple))
        if classes is None and is_classifier(local) and is_new(local):
            labels = job.gather(job.client.map(labels_of, job.parts))
            labels = [found for found in labels if found.size]
            classes = np.unique(np.concatenate(labels)) if labels else None
        local, dtype = known(job, local, classes)
        groups = by_worker(job, local, dtype)
        try:
            self._local = rounds(job, groups, local, n_rounds)
        except CancelledError:  # a worker took the only copy of the start with it
            self._local = rounds(job, groups, local, n_rounds)
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
        job = Job(self, X, y, sample_weight)
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
        parts = partitions(X, "X")
        sizes = X.chunks[0] if isinstance(X, da.Array) else [np.nan] * len(parts)
        results = [dask.delayed(called)(method, model, part, dtype, shape) for part in parts]
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
        Seconds, above 0, to wait until a worker takes a partition. Then ``fit``,
        ``partial_fit`` and ``score`` raise a TimeoutError that names the partition. Loading
        and learning do not count; waiting for a worker that is paused does. None: no limit, for
        a cluster whose workers start hours later.
    client : distributed.Client or None, default=None
        The cluster. None: that of the client made last. A model with a client cannot be
        pickled: pickle ``to_local()``.

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
            All labels, also those to come. Required in the first call. A later call may name
            more labels, beside all that the model knows.
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
        weights, accuracies = self._judged(accuracy, X, y, sample_weight)
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
        Seconds, above 0, to wait until a worker takes a partition. Then ``fit``,
        ``partial_fit`` and ``score`` raise a TimeoutError that names the partition. Loading
        and learning do not count; waiting for a worker that is paused does. None: no limit, for
        a cluster whose workers start hours later.
    client : distributed.Client or None, default=None
        The cluster. None: that of the client made last. A model with a client cannot be
        pickled: pickle ``to_local()``.

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
        weights, errors, means, variances = self._judged(moments, X, y, sample_weight)
        error = np.average(errors, weights=weights)
        variance = np.average(variances + (means - mean(means, weights)) ** 2, weights=weights)
        if variance == 0:
            return float(error == 0)  # as r2_score
        return float(1 - error / variance)
