"""Progressive validation and search: each batch of a stream is predicted, then learned."""

from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.metrics import get_scorer_names
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions, validate_params

from ._batches import (
    batch_ends,
    split_pipeline,
)
from ._progressive import predict_then_learn, progressive_scorer, weights_of, windows_of
from ._search import ProgressiveSearch

__all__ = [
    "ProgressiveSearch",
    "ProgressiveValidationDisplay",
    "progressive_val_predict",
    "progressive_val_score",
]

BATCHES: dict = {
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "batches": ["array-like", None],
}
STREAM: dict = BATCHES | {
    "estimator": [HasMethods(["partial_fit"]), Pipeline],
    "X": ["array-like", "sparse matrix"],
    "y": ["array-like"],
    "classes": ["array-like", None],
    "sample_weight": ["array-like", None],
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
    batches=None,
):
    """Predict each batch of a stream, then learn it.

    Each row is predicted by a model that has not seen it, and no row is lost for learning:
    this is progressive validation [1]_. A batch stands for the time in which labels come. If
    labels come a day late, pass ``batches=day``: the rows of a day then do not help to predict
    each other, as they do not when the model is served.

    No model predicts the first batch. Its predictions are those of a model of zeros: equal
    probabilities, the first class, or 0 (of "poisson" 1).

    Parameters
    ----------
    estimator : estimator with ``partial_fit``, or Pipeline
        A clone learns, from nothing; ``estimator`` stays as it is. The last step of a pipeline
        needs ``partial_fit``. The other steps transform each batch and are not fitted: use
        steps that need no fit, as `ColumnHasher`, or fitted steps in a
        :class:`~sklearn.frozen.FrozenEstimator`.
    X : {array-like, sparse matrix, table} of shape (n_samples, n_features)
        Rows in the order in which they come. A pipeline may take a table: a pandas or polars
        DataFrame, an Arrow table or a dict of columns. Batches are slices of ``X``, not copies.
    y : array-like of shape (n_samples,)
        Class labels or target values.
    method : {"predict", "predict_proba", "predict_log_proba", "decision_function"}, \
            default="predict_proba"
        The method that predicts. Regressors have "predict".
    classes : array-like of shape (n_classes,), default=None
        All labels, of a classifier. None: the labels in y.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights to learn with, 0 or more. Rows of weight 0 are predicted too.
    batch_size : int, default=100
        1 or more: rows in a batch. Not used if ``batches`` is given.
    batches : array-like of shape (n_samples,), default=None
        The batch of each row, as its day or hour. Equal and consecutive values are one batch.
        A value that comes back later is an error. None: batches of ``batch_size`` rows.

    Returns
    -------
    predictions : ndarray of shape (n_samples,) or (n_samples, n_classes)
        What ``method`` returns, of all rows.

    Raises
    ------
    ValueError, TypeError
        If an argument is not valid, if all rows are one batch, if a step of the pipeline needs
        a fit, or if ``partial_fit`` refuses a parameter or a row.
    AttributeError
        If the estimator has no ``method``.

    See Also
    --------
    progressive_val_score : Score these predictions.
    ProgressiveSearch : Choose parameters by them.
    sklearn.model_selection.cross_val_predict : Predict rows whose order does not matter.

    Notes
    -----
    ``batch_size=1`` predicts row by row. `FtrlClassifier` and `FtrlRegressor` do so in one pass
    of the kernel if ``learning_rate`` and ``beta`` are given, and are then faster than with
    larger batches.

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
    >>> progressive_val_predict(model, X, y, batch_size=1).round(2)
    array([[0.5 , 0.5 ],
           [0.58, 0.42],
           [0.5 , 0.5 ]])
    >>> progressive_val_predict(model, X, y, batches=["Monday", "Tuesday", "Tuesday"]).round(2)
    array([[0.5 , 0.5 ],
           [0.58, 0.42],
           [0.58, 0.42]])
    """
    estimator = clone(estimator)  # a fitted one may have the methods of another loss
    if not hasattr(split_pipeline(estimator)[1], method):
        raise AttributeError(f"method={method!r}: {estimator!r} has no such method.")
    predictions, _ = predict_then_learn(
        estimator, X, y, [method], classes, sample_weight, batch_size, batches
    )
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
    batches=None,
):
    """Predict each batch of a stream, then learn it; return the score of the predictions.

    The predictions are those of `progressive_val_predict`. The first batch is left out of the
    score, because no model predicts it.

    Parameters
    ----------
    estimator : estimator with ``partial_fit``, or Pipeline
        A clone learns, from nothing; ``estimator`` stays as it is. The last step of a pipeline
        needs ``partial_fit``. The other steps transform each batch and are not fitted: use
        steps that need no fit, as `ColumnHasher`, or fitted steps in a
        :class:`~sklearn.frozen.FrozenEstimator`.
    X : {array-like, sparse matrix, table} of shape (n_samples, n_features)
        Rows in the order in which they come. A pipeline may take a table: a pandas or polars
        DataFrame, an Arrow table or a dict of columns. Batches are slices of ``X``, not copies.
    y : array-like of shape (n_samples,)
        Class labels or target values.
    scoring : str, callable or None, default=None
        A name of a scorer, or what ``make_scorer`` returns. None: the estimator's ``score``,
        which is accuracy or R2. See Notes for a callable of your own.
    window : int or None, default=None
        1 or more: return a score for each window. A window ends with the batch that gives it
        ``window`` rows or more; the last window has the rows that are left. None: return one
        score of all rows after the first batch.
    classes : array-like of shape (n_classes,), default=None
        All labels, of a classifier. None: the labels in y.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights, 0 or more, to learn and to score with.
    batch_size : int, default=100
        1 or more: rows in a batch. Not used if ``batches`` is given.
    batches : array-like of shape (n_samples,), default=None
        The batch of each row, as its day or hour. Equal and consecutive values are one batch.
        A value that comes back later is an error. None: batches of ``batch_size`` rows.

    Returns
    -------
    score : float or ndarray of shape (n_windows,)
        Higher is better, as always in scikit-learn: losses are negative.

    Raises
    ------
    ValueError, TypeError, AttributeError
        If an argument is not valid, if all rows are one batch, if a step of the pipeline needs
        a fit, if ``partial_fit`` refuses a parameter or a row, or if the scorer refuses a
        window.

    See Also
    --------
    ProgressiveSearch : Choose parameters by such scores.

    Notes
    -----
    A window may lack a class. Then "roc_auc" warns and gives NaN, and "neg_log_loss" raises a
    ValueError. A scorer that knows all labels does not::

        make_scorer(log_loss, greater_is_better=False, response_method="predict_proba",
                    labels=classes)

    A callable of your own is called with three arguments: an estimator that knows its
    predictions, a slice of row numbers to pass to its methods, and their y. Weights come as
    ``sample_weight=``. The estimator of a pipeline is the last step.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_ftrl import FtrlClassifier
    >>> from sklearn_ftrl.model_selection import progressive_val_score
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model, stream = FtrlClassifier(learning_rate=0.3, beta=1.0), (scale(X), y)
    >>> round(progressive_val_score(model, *stream, scoring="roc_auc", batch_size=20), 3)
    0.993
    >>> progressive_val_score(model, *stream, window=200, batch_size=20).round(3)
    array([0.94 , 0.97 , 0.973])
    """
    score, ends = progressive_scorer(
        estimator, X, y, scoring, classes, sample_weight, batch_size, batches
    )
    scores = [score(rows) for rows in windows_of(ends, window)]
    return float(scores[0]) if window is None else np.array(scores)


class ProgressiveValidationDisplay:
    """Plot of progressive validation: the score of all rows so far, and of each window.

    Make one by ``from_estimator`` or ``from_predictions``. All parameters are kept as
    attributes.

    Parameters
    ----------
    n_rows : ndarray of shape (n_windows,)
        Rows learned at the end of each window.
    running_scores : ndarray of shape (n_windows,)
        The score of all rows until there, without the first batch.
    window_scores : ndarray of shape (n_windows,)
        The score of each window.
    n_first : int, default=0
        Rows of the first batch, which no model predicts. No score counts them.
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
    ...     FtrlClassifier(learning_rate=0.3, beta=1.0), scale(X), y, batch_size=20
    ... )
    >>> print(f"{display.running_scores[-1]:.3f}")
    0.960
    """

    def __init__(
        self,
        *,
        n_rows,
        running_scores,
        window_scores,
        n_first=0,
        score_name="score",
        estimator_name=None,
    ):
        self.n_rows = n_rows
        self.running_scores = running_scores
        self.window_scores = window_scores
        self.n_first = n_first
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
        batches=None,
        name=None,
        ax=None,
        **kwargs,
    ):
        """Predict each batch of a stream, then learn it, and plot the scores.

        Parameters
        ----------
        estimator : estimator with ``partial_fit``, or Pipeline
            A clone learns, from nothing, as in `progressive_val_predict`.
        X : {array-like, sparse matrix, table} of shape (n_samples, n_features)
            Rows in the order in which they come.
        y : array-like of shape (n_samples,)
            Class labels or target values.
        scoring : str, callable or None, default=None
            The scorer, as in `progressive_val_score`.
        window : int or None, default=None
            1 or more: rows in a window, which ends with a batch. None: a fiftieth of all rows
            after the first batch.
        classes : array-like of shape (n_classes,), default=None
            All labels, of a classifier. None: the labels in y.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, 0 or more, to learn and to score with.
        batch_size : int, default=100
            1 or more: rows in a batch. Not used if ``batches`` is given.
        batches : array-like of shape (n_samples,), default=None
            The batch of each row, as in `progressive_val_predict`.
        name : str or None, default=None
            Name in the legend. None: the estimator's class, of a pipeline that of the last step.
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
        score, ends = progressive_scorer(
            estimator, X, y, scoring, classes, sample_weight, batch_size, batches
        )
        display = cls._of_scores(score, ends, window)
        if isinstance(scoring, str):
            display.score_name = scoring.replace("neg_", "negative_")
        learner = split_pipeline(estimator)[1]
        display.estimator_name = type(learner).__name__ if name is None else name
        return display.plot(ax, **kwargs)

    @classmethod
    @validate_params(
        BATCHES
        | {
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
        batch_size=100,
        batches=None,
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
            Predictions of all rows, as `progressive_val_predict` returns.
        score_func : callable
            A score or a loss, as in ``sklearn.metrics``: called with y_true, y_pred and, if
            it is given, ``sample_weight=``.
        window : int or None, default=None
            1 or more: rows in a window, which ends with a batch. None: a fiftieth of all rows
            after the first batch.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights to score with.
        batch_size : int, default=100
            1 or more: rows in a batch when the predictions were made. The first batch is left
            out. Not used if ``batches`` is given.
        batches : array-like of shape (n_samples,), default=None
            The batch of each row when the predictions were made.
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
            If an argument is not valid, if all rows are one batch, or if ``score_func``
            refuses a window.
        """
        check_matplotlib_support(f"{cls.__name__}.from_predictions")
        check_consistent_length(y_true, y_pred, sample_weight)
        y_true, y_pred, weights = np.asarray(y_true), np.asarray(y_pred), weights_of(sample_weight)

        def score(rows):
            return score_func(y_true[rows], y_pred[rows], **weights(rows))

        display = cls._of_scores(score, batch_ends(len(y_true), batch_size, batches), window)
        display.score_name = getattr(score_func, "__name__", "score")
        display.estimator_name = name
        return display.plot(ax, **kwargs)

    @classmethod
    def _of_scores(cls, score, ends, window):
        """Return a display of what a function of a slice of rows gives."""
        first, n_rows = int(ends[0]), int(ends[-1])
        windows = windows_of(ends, window or -(-(n_rows - first) // 50))
        return cls(
            n_rows=np.array([rows.stop for rows in windows]),
            running_scores=np.array([score(slice(first, rows.stop)) for rows in windows]),
            window_scores=np.array([score(rows) for rows in windows]),
            n_first=first,
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
        first = f" after the first {self.n_first}" if self.n_first else ""
        label = f"{prefix}all rows{first} ({self.running_scores[-1]:.3f})"
        (self.line_,) = ax.plot(self.n_rows, self.running_scores, **{"label": label} | kwargs)
        largest = np.diff(self.n_rows, prepend=self.n_first).max()
        (self.window_line_,) = ax.plot(
            self.n_rows,
            self.window_scores,
            color=self.line_.get_color(),
            alpha=0.4,
            linewidth=1,
            zorder=self.line_.get_zorder() - 0.1,
            label=f"{prefix}windows of up to {largest} rows",
        )
        ax.set(xlabel="Rows learned", ylabel=self.score_name.replace("_", " ").capitalize())
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self
