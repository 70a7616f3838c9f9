"""The estimators of a dask.distributed cluster: rows are learned on the workers that hold them."""

import copy
from collections import defaultdict
from numbers import Integral, Real
from typing import Any, ClassVar

import dask
import dask.array as da
import numpy as np
from distributed import Future, get_client, wait
from distributed.client import FutureCancelledError
from sklearn.base import BaseEstimator, is_classifier
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
        del params["n_rounds"], params["client"]
        local = self._Local(**params)
        local._validate_params()
        return local

    def _fit(self, X, y, sample_weight, local, n_rounds, classes=None):
        """Learn the partitions in rounds that start from a local estimator, new or fitted."""
        columns = [_partitions(X, "X"), _partitions(y, "y")]
        if sample_weight is not None:
            columns.append(_partitions(sample_weight, "sample_weight"))
        sizes = list(map(len, columns))
        if len(set(sizes)) > 1 or not sizes[0]:
            raise ValueError(f"X, y and sample_weight need the same partitions, got {sizes}.")
        client = self.client or get_client()
        parts = client.compute([dask.delayed(tuple)(row) for row in zip(*columns, strict=True)])
        wait(parts)
        if classes is None and is_classifier(local) and not hasattr(local, "_learner"):
            labels = [found for found in client.gather(client.map(_labels, parts)) if found.size]
            classes = np.unique(np.concatenate(labels)) if labels else None
        groups = defaultdict(list)
        holders = client.who_has(parts)
        for part in parts:
            groups[min(holders.get(part.key, ()), default=None)].append(part)
        try:
            self._local = _rounds(client, parts, groups, local, classes, n_rounds).result()
        except FutureCancelledError:  # a worker took the only copy of the start with it
            self._local = _rounds(client, parts, groups, local, classes, n_rounds).result()
        return self

    def _partial_fit(self, X, y, sample_weight, classes=None):
        """Learn the partitions once, from where the model is."""
        local = self._new()
        if self.__sklearn_is_fitted__():
            local = copy.copy(self._local).set_params(**local.get_params(deep=False))
        return self._fit(X, y, sample_weight, local, 1, classes)

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

    In each round all workers start from the same model, each learns the partitions it holds,
    in place, and what they have learned is merged, as ``sklearn_ftrl.merge`` does.
    The partitions stay where they are: a worker is sent the state, no rows.

    Parameters
    ----------
    loss, learning_rate, learning_rate_power, initial_accumulator_value, beta, l1, l2, \
    l2_shrinkage, clipvalue, clipnorm, global_clipnorm, fit_intercept, penalize_intercept, \
    class_weight, n_jobs : see FtrlClassifier
        "auto" is resolved once, by the first partition that has a row to learn from. The
        learning rate is no callable, and class_weight not "balanced". ``n_jobs`` are threads
        of each worker.
    n_rounds : int, default=3
        How often ``fit`` learns and merges all partitions. ``partial_fit`` does once.
    client : distributed.Client or None, default=None
        The cluster. None: that of the client made last.

    Attributes
    ----------
    classes_, coef_, intercept_, z_, n_, intercept_z_, intercept_n_, learning_rate_, beta_, \
    t_, n_features_in_, feature_names_in_ : see FtrlClassifier
        ``t_`` counts all rows, in each round.

    See Also
    --------
    sklearn_ftrl.merge : What happens after each round.

    Notes
    -----
    Partitions are learned in the order in which a worker holds them, and where they lie
    is decided by Dask: the same placement gives the same bits. If a worker dies, Dask loads its
    partitions elsewhere and they are learned there, as the same part: the model is the same.
    What cannot be loaded again is an error.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sklearn_ftrl.dask import DaskFtrlClassifier
    >>> X = da.random.default_rng(0).normal(size=(4000, 10), chunks=(1000, 10))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> with Client(processes=False, n_workers=1, dashboard_address=None) as client:
    ...     model = DaskFtrlClassifier(client=client).fit(X, y)
    ...     accuracy = (model.predict(X) == y).mean().compute()
    >>> bool(accuracy > 0.95)
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
        self.client = client

    def fit(self, X, y, sample_weight=None):
        """Learn all partitions in ``n_rounds`` passes; forget what was learned before.

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
            The estimator. If a worker raises an error or data is lost with one, the error is
            raised here and the estimator is as it was before.
        """
        return self._fit(X, y, sample_weight, self._new(), self.n_rounds)

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Learn all partitions once, and merge; call it again with the next ones.

        Parameters
        ----------
        X : dask array, dask DataFrame, or list of delayed objects or futures
            Rows to learn from, as in ``fit``.
        y : dask array, dask Series, or list of delayed objects or futures
            Their class labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come. Required in the first call.
        sample_weight : dask array, dask Series, or list of such, default=None
            Factors, 0 or more, of each row's loss.

        Returns
        -------
        self : object
            The estimator, as after ``fit``.
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
        """Return the linear predictor, lazily.

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


class DaskFtrlRegressor(_DaskFtrl):
    """FtrlRegressor that learns on the workers of a dask.distributed cluster.

    How it does so is said in ``DaskFtrlClassifier``.

    Parameters
    ----------
    loss, learning_rate, learning_rate_power, initial_accumulator_value, beta, l1, l2, \
    l2_shrinkage, clipvalue, clipnorm, global_clipnorm, fit_intercept, penalize_intercept, \
    epsilon, quantile, n_jobs : see FtrlRegressor
        "auto" is resolved once, by the first partition that has a row to learn from. The
        learning rate is no callable. ``n_jobs`` are threads of each worker.
    n_rounds : int, default=3
        How often ``fit`` learns and merges all partitions. ``partial_fit`` does once.
    client : distributed.Client or None, default=None
        The cluster. None: that of the client made last.

    Attributes
    ----------
    coef_, intercept_, z_, n_, intercept_z_, intercept_n_, learning_rate_, beta_, t_, \
    n_features_in_, feature_names_in_ : see FtrlRegressor
        ``t_`` counts all rows, in each round.

    See Also
    --------
    sklearn_ftrl.merge : What happens after each round.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sklearn_ftrl.dask import DaskFtrlRegressor
    >>> X = da.random.default_rng(0).normal(size=(4000, 10), chunks=(1000, 10))
    >>> with Client(processes=False, n_workers=1, dashboard_address=None) as client:
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
        self.client = client

    def fit(self, X, y, sample_weight=None):
        """Learn all partitions in ``n_rounds`` passes; forget what was learned before.

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
            The estimator. If a worker raises an error or data is lost with one, the error is
            raised here and the estimator is as it was before.
        """
        return self._fit(X, y, sample_weight, self._new(), self.n_rounds)

    def partial_fit(self, X, y, sample_weight=None):
        """Learn all partitions once, and merge; call it again with the next ones.

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
            The estimator, as after ``fit``.
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


def _labels(part):
    """Return the classes of a partition."""
    return distinct(as_labels(part[1]))


def _resolved(model, part, classes):
    """Return the model that knows from these rows, too, what "auto" is; it learns none of them."""
    X, y, *sample_weight = part
    if not _num_samples(X):
        return model
    known = {} if classes is None else {"classes": classes}
    begins = not hasattr(model, "_learner") or model.t_ == 0
    model, _ = model._prepared(X, y, *sample_weight, **known)
    if begins:
        model._learner = model._blank(model._learner)
        model._start_from(model._learner)
    return model


def _waits(model):
    """Return whether a model needs more rows, and whether it has seen a row at all."""
    seen = hasattr(model, "_learner") and (model._learner.scales or not model._uses_auto())
    return not seen or model._waits_for_rows(), bool(seen)


def _rounds(client, parts, groups, local, classes, n_rounds):
    """Return a future of the model after all rounds from a local estimator."""
    start = client.scatter(local, hash=False, broadcast=True)
    for part in parts:
        start = client.submit(_resolved, start, part, classes)
        waits, seen = client.submit(_waits, start).result()
        if not waits:
            break
    if not seen:
        if hasattr(local, "_learner"):
            return start
        raise ValueError("No partition has a row with a weight above 0.")
    start = client.submit(_ready, start)
    for _ in range(n_rounds):
        start = _round(client, start, groups)
    return start


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
