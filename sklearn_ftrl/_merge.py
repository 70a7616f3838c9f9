"""merge: models that learned apart, from the same start, become one."""

import copy
import operator

import numpy as np
from sklearn.utils.validation import check_is_fitted

from . import _state
from ._base import BaseFtrl


def merge(estimators, *, start=None):
    """Return one model of those that learned parts of the data, from the same start.

    The sums of squared gradients of the parts add up. The weights become a mean of the
    parts' weights, in which those that saw more of a feature count more; of a feature that one
    part alone has seen, that part's weight is kept. The result can go on learning.

    Parameters
    ----------
    estimators : sequence of FtrlClassifier or of FtrlRegressor
        Fitted models: the parts. Their parameters, features, classes and dtype have to be the
        same, and so have ``learning_rate_`` and ``beta_``: give numbers, or start all parts
        from a model that has resolved "auto".
    start : estimator or None, default=None
        The model that all parts started from, as copies of it. None: they started from
        nothing.

    Returns
    -------
    estimator : object
        A new model of the class and parameters of the parts. ``t_`` counts the rows of all of
        them. ``n_iter_``, ``loss_curve_`` and the like are those of no part, and left out.

    Raises
    ------
    ValueError
        If there is no part, or the parts do not fit together.
    TypeError
        If a part is not an estimator of this package.

    See Also
    --------
    FtrlClassifier.partial_fit : Go on learning.

    Notes
    -----
    Of the parts k in which a coordinate's n has grown from its start n0,

    ::

        n = n0 + sum_k (n_k - n0)
        z = sum_k z_k * n^p / sum_k n_k^p

    where -p is ``learning_rate_power``. Adding up z as well would add up weights that each part
    has learned in full. Merging is not nested: the merge of merges is another model than
    the merge of all.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ftrl import FtrlClassifier, merge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 3))
    >>> y = (X[:, 0] > 0) * 1
    >>> parts = [FtrlClassifier(learning_rate=0.5, beta=1.0) for k in range(4)]
    >>> for k, part in enumerate(parts):
    ...     _ = part.partial_fit(X[k::4], y[k::4], classes=[0, 1])
    >>> model = merge(parts)
    >>> model.t_
    400
    >>> round(model.score(X, y), 2)
    0.98
    """
    estimators = list(estimators)
    if not estimators:
        raise ValueError("merge needs at least one estimator.")
    first = estimators[0]
    for estimator in [*estimators, *([] if start is None else [start])]:
        if not isinstance(estimator, BaseFtrl):
            raise TypeError(f"merge is for FtrlClassifier and FtrlRegressor, not {estimator!r}.")
        check_is_fitted(estimator)
        estimator._learned("_state")  # refuses a sparsified model
        check_same(first, estimator)
    total = sums(first, start)
    for estimator in estimators[1:]:
        total = list(map(operator.add, total, sums(estimator, start)))
    return merged(first, total, start)


def check_same(one, other):
    """Raise ValueError if two models cannot be parts of one."""
    for what, a, b in [
        ("classes", type(one), type(other)),
        ("loss", one._loss(), other._loss()),
        ("learning_rate_", one.learning_rate_, other.learning_rate_),
        ("beta_ or penalties", one._prox, other._prox),
        ("intercept parameters", one._intercept_prox, other._intercept_prox),
        ("initial_accumulator_value", *(m.initial_accumulator_value for m in (one, other))),
        ("shapes of the state", one._state.shape, other._state.shape),
        ("dtypes", one._state.dtype, other._state.dtype),
    ]:
        if a != b:
            raise ValueError(f"The {what} of models to be merged differ: {a} and {b}.")
    for name in ["classes_", "feature_names_in_"]:
        a, b = (getattr(model, name, None) for model in (one, other))
        if not np.array_equal(a, b):
            raise ValueError(f"The {name} of models to be merged differ: {a} and {b}.")


def sums(estimator, start):
    """Return arrays of the coefficients and intercepts, and t_, that a reduction adds up."""
    states = zip(_states(estimator), _starts(estimator, start), strict=True)
    learned = estimator.t_ - (0 if start is None else start.t_)
    return [*(_state.sums(*pair, estimator._prox) for pair in states), learned]


def merged(estimator, sums, start):
    """Return a model like the estimator, of the sums of all parts."""
    model = copy.copy(estimator)
    for name in ["n_iter_", "best_iter_", "loss_curve_", "validation_curve_", "progressive_loss_"]:
        vars(model).pop(name, None)
    *sums, learned = sums
    states = zip(_states(estimator), _starts(estimator, start), sums, strict=True)
    model._state, model._intercept_state = (
        _state.merged(*triple, estimator._prox) for triple in states
    )
    model.t_ = learned + (0 if start is None else start.t_)
    return model


def _states(estimator):
    return estimator._state, estimator._intercept_state


def _starts(estimator, start):
    """Return sqrt(n) of the coefficients and the intercepts before the parts learned."""
    if start is None:
        return [np.sqrt(float(estimator.initial_accumulator_value))] * 2
    return [state[:, _state.ROOT_N] for state in _states(start)]
