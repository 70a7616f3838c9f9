"""Progressive validation: each row is predicted just before it is learned."""

import functools
import inspect
import operator
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.utils import _safe_indexing, check_consistent_length, gen_batches, indexable
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions, validate_params
from sklearn.utils.multiclass import unique_labels

from ._base import BaseFtrl
from ._classifier import as_labels, distinct, named
from ._regressor import as_targets

__all__ = ["ProgressiveValidationDisplay", "progressive_val_predict", "progressive_val_score"]

STREAM: dict = {
    "estimator": [HasMethods(["partial_fit"])],
    "X": ["array-like", "sparse matrix"],
    "y": ["array-like"],
    "classes": ["array-like", None],
    "sample_weight": ["array-like", None],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
}
SCORES: dict = {
    "scoring": [StrOptions(set(get_scorer_names())), callable, None],
    "window": [Interval(Integral, 1, None, closed="left"), None],
}
METHODS = {"predict", "predict_proba", "predict_log_proba", "decision_function"}


@validate_params(STREAM | {"method": [StrOptions(METHODS)]}, prefer_skip_nested_validation=False)
def progressive_val_predict(
    estimator,
    X,
    y,
    *,
    method="predict_proba",
    classes=None,
    sample_weight=None,
    batch_size=100,
):
    """Predict each row just before it is learned, in one pass in the order given.

    Every row is new to the model that predicts it, so that the predictions are as honest
    as those on held-out rows [1]_, and no row is lost for learning. Rows that come in time
    are never predicted from their future.

    `FtrlClassifier` and `FtrlRegressor` predict row by row, in the pass that learns. Any
    other estimator predicts, then learns, a batch at a time. Before a first batch there is
    no model, nor are there the numbers of "auto": it is predicted as if by a model of
    zeros, for which every class is as probable, ``predict`` gives the first class or 0 (1 of
    "poisson"), and ``decision_function`` 0.

    Parameters
    ----------
    estimator : estimator with ``partial_fit``
        A clone of it learns, from nothing; it stays as it is.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows, in the order in which they come.
    y : array-like of shape (n_samples,)
        Their class labels or target values.
    method : {"predict", "predict_proba", "predict_log_proba", "decision_function"}, \
            default="predict_proba"
        The method of the estimator that predicts. Regressors have "predict".
    classes : array-like of shape (n_classes,), default=None
        All labels, of a classifier. None: those in y.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights to learn with, 0 or more. A row of weight 0 is predicted in its place,
        whether or not it is learned.
    batch_size : int, default=100
        1 or more: rows in a batch. The FTRL estimators take numbers of "auto" from the first
        batch, and have no batches where numbers are given; for others it has to be less
        than n_samples. Smaller is nearer to a prediction row by row, and slower.

    Returns
    -------
    predictions : ndarray of shape (n_samples,) or (n_samples, n_classes)
        What ``method`` returns.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid, or ``partial_fit`` refuses a parameter or a row.
    AttributeError
        If the estimator has no ``method``.

    See Also
    --------
    progressive_val_score : Judge these predictions.
    sklearn.model_selection.cross_val_predict : Predict each row by a model that has learned
        the others, whenever they came.

    References
    ----------
    .. [1] A. Blum, A. Kalai and J. Langford, "Beating the hold-out: bounds for k-fold and
       progressive cross-validation", COLT 1999.

    Examples
    --------
    >>> from sklearn_ftrl import FtrlClassifier
    >>> from sklearn_ftrl.model_selection import progressive_val_predict
    >>> X, y = [[1.0], [1.0], [1.0]], ["no", "yes", "yes"]
    >>> model = FtrlClassifier(learning_rate=0.5, beta=1.0)
    >>> progressive_val_predict(model, X, y).round(2)
    array([[0.5 , 0.5 ],
           [0.58, 0.42],
           [0.5 , 0.5 ]])
    """
    estimator = clone(estimator)  # a fitted one may have the methods of another loss
    if not hasattr(estimator, method):
        raise AttributeError(f"method={method!r}: {estimator!r} has no such method.")
    predictions = _predict_then_learn(estimator, X, y, [method], classes, sample_weight, batch_size)
    return predictions[method]


@validate_params(STREAM | SCORES, prefer_skip_nested_validation=False)
def progressive_val_score(
    estimator,
    X,
    y,
    *,
    scoring=None,
    window=None,
    classes=None,
    sample_weight=None,
    batch_size=100,
):
    """Score the predictions that are made of each row just before it is learned.

    The predictions are those of `progressive_val_predict`.

    Parameters
    ----------
    estimator : estimator with ``partial_fit``
        A clone of it learns, from nothing; it stays as it is.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows, in the order in which they come.
    y : array-like of shape (n_samples,)
        Their class labels or target values.
    scoring : str, callable or None, default=None
        A scorer by its name, or what ``make_scorer`` returns. A callable of your own is
        called with an estimator that knows its predictions, a slice of row numbers to
        give to its methods, and their y; weights, if given, come as ``sample_weight=``.
        None: the estimator's ``score``, which is accuracy or R2.
    window : int or None, default=None
        1 or more: rows in a window, each of which has a score. The last has what is left.
        None: one score for all rows.
    classes : array-like of shape (n_classes,), default=None
        All labels, of a classifier. None: those in y.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights, 0 or more, to learn and to score with. A row of weight 0 does not count.
    batch_size : int, default=100
        1 or more: rows in a batch, as in `progressive_val_predict`.

    Returns
    -------
    score : float or ndarray of shape (n_windows,)
        Higher is better, as always in scikit-learn: losses are negative.

    Raises
    ------
    ValueError, TypeError, AttributeError
        If an argument is not valid, ``partial_fit`` refuses a parameter or a row, or the
        scorer refuses a window.

    Notes
    -----
    A window may be without some class. Scorers do then what they always do: "roc_auc" warns
    and gives NaN, and "neg_log_loss" raises a ValueError unless it knows the labels::

        make_scorer(log_loss, greater_is_better=False, response_method="predict_proba",
                    labels=classes)

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_ftrl import FtrlClassifier
    >>> from sklearn_ftrl.model_selection import progressive_val_score
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> stream = {"X": scale(X), "y": y, "batch_size": 20}
    >>> round(progressive_val_score(FtrlClassifier(), **stream, scoring="roc_auc"), 3)
    0.986
    >>> progressive_val_score(FtrlClassifier(), **stream, window=200).round(3)
    array([0.91 , 0.96 , 0.964])
    """
    score, n_rows = _progressive_scorer(
        estimator, X, y, scoring, classes, sample_weight, batch_size
    )
    if window is None:
        return float(score(slice(0, n_rows)))
    return np.array([score(rows) for rows in gen_batches(n_rows, int(window))])


class ProgressiveValidationDisplay:
    """Plot of the score over the rows learned: of all until then, and by windows.

    Make one by ``from_estimator`` or ``from_predictions``. All parameters are kept as
    attributes.

    Parameters
    ----------
    n_rows : ndarray of shape (n_windows,)
        Rows learned at the end of each window.
    running_scores : ndarray of shape (n_windows,)
        The score of all rows until there.
    window_scores : ndarray of shape (n_windows,)
        The score of each window.
    score_name : str, default="score"
        Name of the score, for the axis.
    estimator_name : str or None, default=None
        Name of the estimator, for the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes with the two lines.
    figure_ : matplotlib Figure
        Their figure.
    line_ : matplotlib Line2D
        The running score.
    window_line_ : matplotlib Line2D
        The scores of the windows.

    See Also
    --------
    progressive_val_score : The scores, without a plot.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_ftrl import FtrlClassifier
    >>> from sklearn_ftrl.model_selection import ProgressiveValidationDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> display = ProgressiveValidationDisplay.from_estimator(
    ...     FtrlClassifier(), scale(X), y, batch_size=20
    ... )
    >>> print(f"{display.running_scores[-1]:.3f}")
    0.944
    """

    def __init__(
        self, *, n_rows, running_scores, window_scores, score_name="score", estimator_name=None
    ):
        self.n_rows = n_rows
        self.running_scores = running_scores
        self.window_scores = window_scores
        self.score_name = score_name
        self.estimator_name = estimator_name

    @classmethod
    @validate_params(STREAM | SCORES, prefer_skip_nested_validation=False)
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        scoring=None,
        window=None,
        classes=None,
        sample_weight=None,
        batch_size=100,
        name=None,
        ax=None,
        **kwargs,
    ):
        """Predict each row just before it is learned, and plot the scores.

        Parameters
        ----------
        estimator : estimator with ``partial_fit``
            A clone of it learns, from nothing; it stays as it is.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, in the order in which they come.
        y : array-like of shape (n_samples,)
            Their class labels or target values.
        scoring : str, callable or None, default=None
            The scorer, as in `progressive_val_score`.
        window : int or None, default=None
            1 or more: rows in a window. None: a fiftieth of all.
        classes : array-like of shape (n_classes,), default=None
            All labels, of a classifier. None: those in y.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, 0 or more, to learn and to score with.
        batch_size : int, default=100
            1 or more: rows in a batch, as in `progressive_val_predict`.
        name : str or None, default=None
            Name in the legend. None: that of the estimator's class.
        ax : matplotlib Axes or None, default=None
            Where to plot. None: a new figure.
        **kwargs : dict
            For matplotlib's ``plot`` of the running score.

        Returns
        -------
        display : ProgressiveValidationDisplay
            The scores and their plot.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError, TypeError, AttributeError
            Where `progressive_val_score` raises them.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        score, n_rows = _progressive_scorer(
            estimator, X, y, scoring, classes, sample_weight, batch_size
        )
        display = cls._of_scores(score, n_rows, window)
        if isinstance(scoring, str):
            display.score_name = scoring.replace("neg_", "negative_")
        display.estimator_name = type(estimator).__name__ if name is None else name
        return display.plot(ax, **kwargs)

    @classmethod
    @validate_params(
        {
            "y_true": ["array-like"],
            "y_pred": ["array-like"],
            "score_func": [callable],
            "window": SCORES["window"],
            "sample_weight": ["array-like", None],
        },
        prefer_skip_nested_validation=True,
    )
    def from_predictions(
        cls,
        y_true,
        y_pred,
        *,
        score_func,
        window=None,
        sample_weight=None,
        name=None,
        ax=None,
        **kwargs,
    ):
        """Plot the scores of predictions that were made before.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Class labels or target values.
        y_pred : array-like of shape (n_samples,) or (n_samples, n_classes)
            Predictions of them, as `progressive_val_predict` returns.
        score_func : callable
            A score or a loss, as in ``sklearn.metrics``: called with y_true, y_pred and, if
            it is given, ``sample_weight=``.
        window : int or None, default=None
            1 or more: rows in a window. None: a fiftieth of all.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights to score with.
        name : str or None, default=None
            Name in the legend.
        ax : matplotlib Axes or None, default=None
            Where to plot. None: a new figure.
        **kwargs : dict
            For matplotlib's ``plot`` of the running score.

        Returns
        -------
        display : ProgressiveValidationDisplay
            The scores and their plot.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError, TypeError
            If an argument is not valid, or ``score_func`` refuses a window.
        """
        check_matplotlib_support(f"{cls.__name__}.from_predictions")
        check_consistent_length(y_true, y_pred, sample_weight)
        y_true, y_pred, weights = np.asarray(y_true), np.asarray(y_pred), _weights(sample_weight)
        if not len(y_true):
            raise ValueError("y_true and y_pred have 0 rows, while a minimum of 1 is required.")

        def score(rows):
            return score_func(y_true[rows], y_pred[rows], **weights(rows))

        display = cls._of_scores(score, len(y_true), window)
        display.score_name = getattr(score_func, "__name__", "score")
        display.estimator_name = name
        return display.plot(ax, **kwargs)

    @classmethod
    def _of_scores(cls, score, n_rows, window):
        """Return a display of what a function of a slice of rows gives."""
        windows = list(gen_batches(n_rows, int(window or -(-n_rows // 50))))
        return cls(
            n_rows=np.array([rows.stop for rows in windows]),
            running_scores=np.array([score(slice(0, rows.stop)) for rows in windows]),
            window_scores=np.array([score(rows) for rows in windows]),
        )

    def plot(self, ax=None, *, name=None, **kwargs):
        """Plot the scores.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to plot. None: a new figure.
        name : str or None, default=None
            Name in the legend. None: ``estimator_name``.
        **kwargs : dict
            For matplotlib's ``plot`` of the running score.

        Returns
        -------
        display : ProgressiveValidationDisplay
            This object.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots()
        name = self.estimator_name if name is None else name
        prefix = "" if name is None else f"{name}, "
        label = f"{prefix}all rows so far ({self.running_scores[-1]:.3f})"
        (self.line_,) = ax.plot(self.n_rows, self.running_scores, **{"label": label} | kwargs)
        (self.window_line_,) = ax.plot(
            self.n_rows,
            self.window_scores,
            color=self.line_.get_color(),
            alpha=0.4,
            linewidth=1,
            zorder=self.line_.get_zorder() - 0.1,
            label=f"{prefix}windows of {self.n_rows[0]} rows",
        )
        ax.set(xlabel="Rows learned", ylabel=self.score_name.replace("_", " ").capitalize())
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _progressive_scorer(estimator, X, y, scoring, classes, sample_weight, batch_size):
    """Predict and learn; return a function that scores a slice of the rows, and their number."""
    estimator = clone(estimator)
    scorer, weights = check_scoring(estimator, scoring), _weights(sample_weight)
    methods = ["predict", "predict_proba", "decision_function"]  # those that names ask for
    if callable(scoring):
        methods.append("predict_log_proba")
    methods = [method for method in methods if hasattr(estimator, method)]
    predictions = _predict_then_learn(estimator, X, y, methods, classes, sample_weight, batch_size)
    for method, values in predictions.items():
        replay = functools.partial(operator.getitem, values)
        replay.__name__ = method  # scikit-learn reads there what kind of values these are
        setattr(estimator, method, replay)
    y = _targets(estimator, y)

    def score(rows):
        return scorer(estimator, rows, y[rows], **weights(rows))

    return score, len(y)


def _targets(estimator, y):
    """Return y as an array without missing values."""
    if is_classifier(estimator):
        return as_labels(y)
    return as_targets(y) if is_regressor(estimator) else np.asarray(y)


def _weights(sample_weight):
    """Return a function that gives the weights of a slice as a keyword argument, if any."""
    if sample_weight is None:
        return lambda rows: {}
    sample_weight = np.asarray(sample_weight)
    return lambda rows: {"sample_weight": sample_weight[rows]}


def _predict_then_learn(estimator, X, y, methods, classes, sample_weight, batch_size):
    """Learn; return by method what the estimator predicted of each row before."""
    X, y, sample_weight = indexable(X, y, sample_weight)
    y, weights, known = _targets(estimator, y), _weights(sample_weight), {}
    batch_size = int(batch_size)  # one of numpy's types would overflow
    if is_classifier(estimator):
        found = distinct if y.ndim == 1 else unique_labels
        known["classes"] = found(y) if classes is None else named(classes)
    if isinstance(estimator, BaseFtrl):
        raws = _learn_by_row(estimator, X, y, weights, batch_size, known)
        return {method: getattr(estimator, f"_{method}")(raws) for method in methods}
    if sample_weight is not None and (
        "sample_weight" not in inspect.signature(estimator.partial_fit).parameters
    ):
        raise ValueError(f"sample_weight: partial_fit of {estimator!r} does not take it.")
    return _learn_by_batch(estimator, X, y, weights, batch_size, known, methods)


def _learn_by_row(estimator, X, y, weights, batch_size, known):
    """Learn; return the raw prediction of each row just before."""
    # A row of weight 0 teaches nothing, but checks the parameters and sets the number of outputs.
    estimator.partial_fit(_slice(X, slice(0, 1)), y[:1], sample_weight=[0.0], **known)
    raws = np.empty((y.size, estimator._n_outputs()))
    stop = 0
    while stop < y.size:
        auto, t = estimator._waits_for_rows(), estimator.t_
        rows = slice(stop, min(stop + batch_size, y.size) if auto else y.size)
        estimator._partial_fit(_slice(X, rows), y[rows], raws=raws[rows], **weights(rows))
        if auto and not (t and estimator._waits_for_rows()):  # these rows have given the numbers
            raws[rows] = 0.0
        stop = rows.stop
    return raws


def _slice(X, rows):
    """Return rows of X; of a CSR matrix without a copy, which would take as long as learning."""
    if not (sparse.issparse(X) and X.format == "csr"):
        return _safe_indexing(X, rows)
    if X.indptr.size != X.shape[0] + 1 or X.indptr[0] != 0:
        raise ValueError("X is not a valid CSR matrix: indptr does not fit.")
    part = type(X)((rows.stop - rows.start, X.shape[1]), dtype=X.dtype)
    first, last = X.indptr[rows.start], X.indptr[rows.stop]
    part.data, part.indices = X.data[first:last], X.indices[first:last]
    part.indptr = X.indptr[rows.start : rows.stop + 1] - first
    return part


def _learn_by_batch(estimator, X, y, weights, batch_size, known, methods):
    """Learn; return by method what the estimator predicted of each batch before."""
    if batch_size >= len(y):
        raise ValueError(
            f"batch_size={batch_size} has to be less than the number of rows, {len(y)}: "
            f"{estimator!r} predicts nothing before it has learned a batch."
        )
    zero_value = 1.0 if getattr(estimator, "loss", None) == "poisson" else 0.0
    labels = known.get("classes", [zero_value])
    zero_model = {
        "predict": labels[0],
        "predict_proba": 1 / len(labels),
        "predict_log_proba": -np.log(len(labels)),
        "decision_function": 0.0,
    }
    parts = {method: [] for method in methods}
    for rows in gen_batches(len(y), batch_size):
        batch = _safe_indexing(X, rows)
        if rows.start > 0:
            with np.errstate(divide="ignore"):  # log(0)
                for method in methods:
                    parts[method].append(getattr(estimator, method)(batch))
        estimator.partial_fit(batch, y[rows], **known, **weights(rows))
    return {
        method: np.concatenate(
            [
                np.full_like(part[0], zero_model[method], shape=(batch_size, *part[0].shape[1:])),
                *part,
            ]
        )
        for method, part in parts.items()
    }
