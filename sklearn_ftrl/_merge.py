"""merge: models that learned apart, from the same start, become one."""

import copy
import functools
import itertools

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._base import HISTORY, BaseFtrl
from ._kernel import Prox
from ._state import added
from ._units import larger

ALIKE = ["initial_accumulator_value", "fit_intercept", "clipvalue", "clipnorm", "global_clipnorm"]
ADVICE = (
    "Give numbers, or a start: learning_rate and beta of all parts, or one model that has learned "
    "some rows and from copies of which the parts go on."
)


def merge(estimators, *, start=None):
    """Return one model of those that learned parts of the data, from the same start.

    What the parts have learned of a rare feature adds up. The weights of common features, which
    each part has learned in full, become a mean, in which the parts that saw more of a feature
    count more. Of a feature that one part alone has seen, that part's state is kept. The result
    can go on learning, alone or as the ``start`` of another round.

    Parameters
    ----------
    estimators : sequence of FtrlClassifier or of FtrlRegressor
        Fitted models: the parts. Their loss, features, classes and dtype have to be the same, and
        so have the parameters of their steps, ``learning_rate_`` and ``beta_``. So give numbers,
        or start all parts from a model that has resolved "auto". The rate of each part may have
        followed its rows since; the result has their mean, weighted by the rows.
    start : estimator or None, default=None
        The model that all parts started from, as copies of it. None: they started from
        nothing.

    Returns
    -------
    estimator : object
        A new model, with all parameters of the start, or else of the first part. ``t_`` counts
        the rows of all parts. ``n_iter_``, ``loss_curve_`` and the like are those of no part, and
        left out.

    Raises
    ------
    ValueError
        If there is no part, or the parts do not fit together or to the start.
    TypeError
        If a part is not an estimator of this package.

    See Also
    --------
    FtrlClassifier.partial_fit : Go on learning.

    Notes
    -----
    For each weight, k stands for the m parts in which its z or n is no longer that of the start,
    z0 and n0:

    ::

        n    = n0 + sum_k (n_k - n0)
        sum  = z0 + sum_k (z_k - z0)
        mean = sum_k z_k * n^p / sum_k n_k^p
        z    = h * mean + (1 - h) * sum,  h = n / (n + 16 beta^(1/p))

    where -p is ``learning_rate_power``, and beta^(1/p) is beta^2 if p is 0. After one
    gradient, n^p has about the size of beta, so h is about k / (k + 16) after k of them.
    After few of them a weight is far from its optimum in each part, and what they learned
    adds up: z is a sum of gradients, and evidence below ``l1`` counts. After many, each part
    alone has come near the optimum, and the sum would overshoot. The mean does not: the
    weight is about -z alpha / n^p, and ``mean`` stands for the mean weight. With
    ``beta=0`` all is mean, which is slow for rare features. The intercept, which learns each
    row and may start far from 0, is the mean of the parts', with the weights beta + n_k^p.

    Random parts, merged after each of some passes, come close to one process with as many.
    Parts that differ, by label or by time, pull the common features apart and need more rounds;
    so do many correlated, dense columns. Merging is not nested: the merge of merges is another
    model than the merge of all.

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
    0.99
    """
    estimators = list(estimators)
    if not estimators:
        raise ValueError("merge needs at least one estimator.")
    first = estimators[0]
    for estimator in [*estimators, *([] if start is None else [start])]:
        if not isinstance(estimator, BaseFtrl):
            raise TypeError(f"merge is for FtrlClassifier and FtrlRegressor, not {estimator!r}.")
        check_is_fitted(estimator)
        estimator._learned()  # refuses a sparsified model
        if hasattr(estimator, "_first_rows"):
            raise ValueError(
                'The numbers of "auto" wait for the first 100 rows, and a model to be merged has '
                f"seen {estimator.t_}. {ADVICE}"
            )
        check_same(first, estimator)
    if start is None and first._learner.scales is not None:
        raise ValueError(f'The parts found the numbers of "auto" by themselves. {ADVICE}')
    learner = first._blank(first._learner) if start is None else start._learner
    model = copy.copy(first if start is None else start)
    for name in HISTORY:
        vars(model).pop(name, None)
    parts = (estimator._learner.sums(learner) for estimator in estimators)
    model._learner = learner.merged(functools.reduce(add, parts))
    return model


def check_same(one, other):
    """Raise ValueError if two models cannot be parts of one."""
    if type(one) is not type(other):
        raise ValueError(f"The types of models to be merged differ: {one!r} and {other!r}.")
    for name in ["classes_", "feature_names_in_", "n_features_in_"]:
        a, b = (getattr(model, name, None) for model in (one, other))
        if not np.array_equal(a, b):
            raise ValueError(f"The {name} of models to be merged differ: {a} and {b}.")
    names = [*Prox._fields, *(f"{name} of the intercept" for name in Prox._fields)]
    learners = one._learner, other._learner
    numbers = (learner.numbers.prox + learner.numbers.intercept_prox for learner in learners)
    for what, a, b, *advice in [
        ("loss", one._loss(), other._loss()),
        ("loss learned", one._learned_loss, other._learned_loss),
        ("learning_rate_", *map(_rate_at_start, learners), ADVICE),
        *zip(names, *numbers, itertools.repeat(ADVICE)),
        *((name, getattr(one, name), getattr(other, name)) for name in ALIKE),
        ("dtypes", *(learner.dtype for learner in learners)),
    ]:
        if a != b:
            message = f"The {what} of models to be merged differ: {a} and {b}."
            raise ValueError(" ".join([message, *advice]))


def _rate_at_start(learner):
    """Return the learning rate as it was before it followed the rows."""
    scales, rate = learner.scales, float(learner.alpha)
    return scales.rate if scales is not None and rate == scales.rate_now else rate


def add(one, other):
    """Return the sums of two groups of parts together, and the larger of their units."""
    coefs, intercepts, learned, units = one
    more_coefs, more_intercepts, more_learned, other_units = other
    return [
        added(coefs, more_coefs),
        added(intercepts, more_intercepts),
        learned + more_learned,
        larger(units, other_units),
    ]
