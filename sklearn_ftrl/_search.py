"""ProgressiveSearch: candidates learn the same stream, and the best so far serves."""

import inspect
import itertools
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, _fit_context
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ._batches import (
    batch_ends,
    check_classes,
    check_rows,
    check_targets,
    split_pipeline,
    take,
)
from ._fitted import DOC_PAGE
from ._labels import named
from ._race import Race, default_scoring
from ._rows import check_sample_weight

try:
    from sklearn.utils._repr_html.estimator import _VisualBlock
except ImportError:  # older scikit-learn
    from sklearn.utils._estimator_html_repr import _VisualBlock


def _best_has(name):
    """Return a function that tells whether the estimator that serves has this method."""

    def check(search):
        getattr(getattr(search, "best_estimator_", search.estimator), name)
        return True

    return check


class ProgressiveSearch(MetaEstimatorMixin, BaseEstimator):
    """Search over parameters while a stream is served: in one epoch, and the best so far predicts.

    Each call of ``partial_fit`` is one batch. Every candidate predicts the batch, is scored,
    and then learns the batch. So the scores are those of a model in service: each row is
    predicted by a model that has not seen it. Candidates that are worse beyond doubt stop and
    free their memory.

    Parameters
    ----------
    estimator : estimator with ``partial_fit``, or Pipeline
        Clones of it are the candidates; it stays as it is. The last step of a pipeline needs
        ``partial_fit``. The other steps transform each batch and are not fitted: use steps that
        need no fit, as `ColumnHasher`, or fitted steps in a
        :class:`~sklearn.frozen.FrozenEstimator`.
    param_grid : dict or list of dicts
        Names of parameters and the values to try, as in
        :class:`~sklearn.model_selection.ParameterGrid`.
    scoring : str, callable or None, default=None
        A name of a scorer, or what ``make_scorer`` returns. None: the negative log loss, the
        accuracy if a candidate has no ``predict_proba``, or the negative squared error of
        regressors. "neg_log_loss" knows all labels. A callable of your own is called with the
        last step of a pipeline, the rows as this step takes them, and their y.
    batch_size : int, default=100
        1 or more: rows in a batch of ``fit`` without ``batches``.
    window : int or None, default=None
        1 or more: judge by the last batches that have ``window`` rows or more together. Use it
        if the best parameters change with time. None: judge by all rows.
    eliminate : bool, default=True
        Whether a candidate stops when its mean score is three standard errors or more below
        the best, in ten batches or more of the window. It learns no more and frees its memory.
    n_jobs : int or None, default=None
        Candidates that learn at the same time, in threads. None is 1, unless in a
        ``joblib.parallel_config``; -1 is a thread a core.
    error_score : "raise" or float, default=nan
        The score of a candidate that raises an error. A candidate whose ``partial_fit`` raises
        stops. So does a candidate whose score is not finite where another's is. Both give a
        FitFailedWarning. "raise": raise the error. An error of ``partial_fit`` that all
        candidates raise is always raised.

    Attributes
    ----------
    best_estimator_ : estimator
        The best candidate so far. It goes on learning in the next ``partial_fit``.
    best_params_ : dict
        Its parameters of the grid.
    best_index_ : int
        Its position in ``cv_results_``.
    best_score_ : float
        Its mean score; nan before a batch is scored.
    cv_results_ : dict of arrays
        A table for ``pandas.DataFrame``, a candidate a row. A candidate that has stopped keeps
        the numbers of that moment.

        - ``params`` and ``param_<name>``: its parameters.
        - ``mean_test_score``: its mean score over the rows, each weighted by its sample weight.
        - ``mean_difference``: its mean score minus that of the best, of the same batches.
        - ``standard_error``: the standard error of this difference.
        - ``n_rows``: the rows that it had learned when it was last scored.
        - ``stopped_at``: the rows that the search had learned when it stopped; nan if it goes
          on.
    scorer_ : callable
        The scorer.
    classes_ : ndarray of shape (n_classes,)
        All labels, of classifiers.
    n_features_in_ : int
        Number of features, as the best estimator knows it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, where X had some.

    See Also
    --------
    progressive_val_score : Score one estimator in the same way.
    sklearn.model_selection.GridSearchCV : Search by cross-validation, for rows without order.

    Notes
    -----
    The first batch is learned and not scored, because no model predicts it. A batch in which
    no candidate has a finite score is left out, as are batches of weight 0 and batches that
    bring new labels. A batch of the mean has as much weight as it has rows, or as the sum of
    its sample weights. ``estimator``, ``param_grid`` and ``scoring`` are read when a search
    begins; other parameters act at the next call.

    If the grid leaves the first steps of a pipeline alone, all candidates share these steps:
    each batch is transformed once.

    From 1000 batches on, scores of two batches in a row are merged, so that memory does not
    grow with the stream. Means stay exact; standard errors are then those of longer batches.

    Examples
    --------
    >>> from sklearn_ftrl import FtrlClassifier
    >>> from sklearn_ftrl.datasets import make_click_log
    >>> from sklearn_ftrl.model_selection import ProgressiveSearch
    >>> from sklearn_ftrl.preprocessing import ColumnHasher
    >>> search = ProgressiveSearch(FtrlClassifier(beta=1.0), {"learning_rate": [0.01, 0.1, 1.0]})
    >>> for start in range(0, 20_000, 1_000):
    ...     log = make_click_log(1_000, start=start, base_rate=0.2, random_state=0)
    ...     X = ColumnHasher(2**18).transform(log.data)
    ...     search = search.partial_fit(X, log.target, classes=[0, 1])
    >>> search.best_params_
    {'learning_rate': 0.1}
    >>> search.cv_results_["mean_test_score"].round(2)
    array([-0.5 , -0.46, -0.49])
    >>> search.cv_results_["stopped_at"]
    array([11000., nan, 11000.])
    """

    _doc_link_module = "sklearn_ftrl"
    _doc_link_template = DOC_PAGE.replace("{estimator_module}", "sklearn_ftrl.model_selection")
    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["partial_fit"]), Pipeline],
        "param_grid": [dict, list],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "window": [Interval(Integral, 1, None, closed="left"), None],
        "eliminate": ["boolean"],
        "n_jobs": [Integral, None],
        "error_score": [StrOptions({"raise"}), Real],
    }

    def __init__(
        self,
        estimator,
        param_grid,
        *,
        scoring=None,
        batch_size=100,
        window=None,
        eliminate=True,
        n_jobs=None,
        error_score=np.nan,
    ):
        self.estimator = estimator
        self.param_grid = param_grid
        self.scoring = scoring
        self.batch_size = batch_size
        self.window = window
        self.eliminate = eliminate
        self.n_jobs = n_jobs
        self.error_score = error_score

    def __sklearn_tags__(self):
        tags, own = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.estimator_type = own.estimator_type
        tags.classifier_tags, tags.regressor_tags = own.classifier_tags, own.regressor_tags
        tags.input_tags.sparse = own.input_tags.sparse
        return tags

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None, *, classes=None, batches=None):
        """Search from nothing, over all batches of X.

        Parameters
        ----------
        X : {array-like, sparse matrix, table} of shape (n_samples, n_features)
            Rows in the order in which they come. A pipeline may take a table: a pandas or
            polars DataFrame, an Arrow table or a dict of columns.
        y : array-like of shape (n_samples,)
            Class labels or target values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, 0 or more, to learn and to score with.
        classes : array-like of shape (n_classes,), default=None
            All labels, of classifiers. None: the labels in y.
        batches : array-like of shape (n_samples,), default=None
            The batch of each row, as its day or hour. Equal and consecutive values are one
            batch. A value that comes back later is an error. None: batches of ``batch_size``
            rows.

        Returns
        -------
        self : object
            The search, with the best estimator of the whole stream.

        Raises
        ------
        ValueError, TypeError
            If an argument is not valid, if all rows are one batch, if a step of the pipeline
            needs a fit, if all candidates raise, or if no batch has a finite score. The search
            is then as it was before the call.
        """
        race = Race(self)
        X, y = check_rows(X, y, sample_weight), check_targets(self.estimator, y)
        ends = batch_ends(len(y), self.batch_size, batches)
        known = check_classes(self.estimator, y, classes)
        learned, scored = self._routed("fit", race, sample_weight, len(y))
        for start, stop in itertools.pairwise([0, *ends.tolist()]):
            rows = slice(start, stop)
            of_batch = [{name: w[rows] for name, w in given.items()} for given in (learned, scored)]
            race.learn(self, take(X, rows), y[rows], known, *of_batch)
        if not race.weights.size:
            raise ValueError(f"No batch has a finite score. scoring={self.scoring!r}.{race.error}")
        return self._enter(race)

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Let all candidates predict one batch, score them, and let them learn the batch.

        Parameters
        ----------
        X : {array-like, sparse matrix, table} of shape (n_samples, n_features)
            The rows of the batch.
        y : array-like of shape (n_samples,)
            Class labels or target values.
        classes : array-like of shape (n_classes,), default=None
            All labels, of classifiers. Needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, 0 or more, to learn and to score with.

        Returns
        -------
        self : object
            The search, with the best estimator so far.

        Raises
        ------
        ValueError, TypeError
            If an argument is not valid: the search is then as it was. If all candidates raise:
            they are not scored, but have learned the rows before one that is too large for
            them. With ``error_score="raise"`` also if one candidate raises: it stops, and the
            others have learned the batch, or in the first call the search stays unfitted.
        """
        self._validate_params()  # _fit_context passes a fitted estimator by
        race = self._race if hasattr(self, "_race") else Race(self)
        X, y = check_rows(X, y, sample_weight), check_targets(race.estimator, y)
        known = {} if classes is None else {"classes": named(classes)}
        routed = self._routed("partial_fit", race, sample_weight, len(y))
        n_rows = race.n_rows
        try:
            race.learn(self, X, y, known, *routed)
        except Exception:
            if 0 < n_rows < race.n_rows:  # one has raised, and the others have learned
                self._enter(race)
            raise
        return self._enter(race)

    def _enter(self, race):
        """Make the best of the candidates the one that serves."""
        self._race = race
        self.best_index_ = race.best
        self.best_estimator_ = race.candidates[race.best].estimator
        self.best_params_ = race.params[race.best]
        self.best_score_ = float(race.means[race.best])
        self.scorer_ = race.scorer
        return self

    def _routed(self, caller, race, sample_weight, n_rows):
        """Return what ``partial_fit`` of the candidates takes beside X and y, and the scorer."""
        if sample_weight is None:
            return {}, {}
        sample_weight = check_sample_weight(sample_weight, n_rows)
        if caller != "partial_fit" and not sample_weight.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        if get_config().get("enable_metadata_routing"):
            routed = process_routing(self, caller, sample_weight=sample_weight)
            return routed.estimator.get("partial_fit", {}), routed.scorer.score
        scorer = race.scorer
        if (
            "sample_weight"
            not in inspect.signature(getattr(scorer, "_score_func", scorer)).parameters
        ):
            raise ValueError(f"sample_weight: scoring={self.scoring!r} does not take it.")
        return {"sample_weight": sample_weight}, {"sample_weight": sample_weight}

    def get_metadata_routing(self):
        """Return how metadata is routed: to ``partial_fit`` of the estimator and to the scorer.

        Returns
        -------
        routing : MetadataRouter
            See scikit-learn's guide to metadata routing.
        """
        learner = split_pipeline(self.estimator)[1]
        scoring = default_scoring([learner]) if self.scoring is None else self.scoring
        to_learner, to_scorer = MethodMapping(), MethodMapping().add(caller="score", callee="score")
        for caller in ["fit", "partial_fit"]:
            to_learner.add(caller=caller, callee="partial_fit")
            to_scorer.add(caller=caller, callee="score")
        return (
            MetadataRouter(owner=type(self).__name__)
            .add(estimator=learner, method_mapping=to_learner)
            .add(scorer=check_scoring(learner, scoring), method_mapping=to_scorer)
        )

    @property
    def cv_results_(self):
        check_is_fitted(self)
        return self._race.results()

    @property
    def classes_(self):
        return self._best().classes_

    @property
    def n_features_in_(self):
        return self._best().n_features_in_

    @property
    def feature_names_in_(self):
        return self._best().feature_names_in_

    def _best(self):
        """Return the best estimator, or raise an AttributeError for hasattr."""
        if not hasattr(self, "best_estimator_"):
            raise AttributeError(f"This {type(self).__name__} has not been fitted.")
        return self.best_estimator_

    def score(self, X, y, sample_weight=None):
        """Return the score of the best estimator by the search's scorer.

        Parameters
        ----------
        X : {array-like, sparse matrix, table} of shape (n_samples, n_features)
            Rows to predict.
        y : array-like of shape (n_samples,)
            Class labels or target values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights to score with.

        Returns
        -------
        score : float
            Higher is better.

        Raises
        ------
        ValueError, TypeError
            If an argument is not valid, or y has labels that the search does not know.
        """
        check_is_fitted(self)
        X, y = check_rows(X, y, sample_weight), check_targets(self._race.estimator, y)
        _, scored = self._routed("score", self._race, sample_weight, len(y))
        return self.scorer_(self.best_estimator_, X, y, **scored)

    @available_if(_best_has("predict"))
    def predict(self, X):
        """Predict with the best estimator.

        Parameters
        ----------
        X : {array-like, sparse matrix, table} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Class labels or target values.
        """
        check_is_fitted(self)
        return self.best_estimator_.predict(X)

    @available_if(_best_has("predict_proba"))
    def predict_proba(self, X):
        """Return the probability of each class by the best estimator.

        Parameters
        ----------
        X : {array-like, sparse matrix, table} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of ``classes_``.
        """
        check_is_fitted(self)
        return self.best_estimator_.predict_proba(X)

    @available_if(_best_has("predict_log_proba"))
    def predict_log_proba(self, X):
        """Return the logarithm of the probability of each class by the best estimator.

        Parameters
        ----------
        X : {array-like, sparse matrix, table} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            Log-probabilities, in the order of ``classes_``.
        """
        check_is_fitted(self)
        return self.best_estimator_.predict_log_proba(X)

    @available_if(_best_has("decision_function"))
    def decision_function(self, X):
        """Return the decision function of the best estimator.

        Parameters
        ----------
        X : {array-like, sparse matrix, table} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        raw : ndarray of shape (n_samples,) or (n_samples, n_classes)
            What the best estimator returns.
        """
        check_is_fitted(self)
        return self.best_estimator_.decision_function(X)

    def _sk_visual_block_(self):
        name = "best_estimator_" if hasattr(self, "best_estimator_") else "estimator"
        estimator = getattr(self, name)
        return _VisualBlock(
            "parallel",
            [estimator],
            names=[f"{name}: {type(estimator).__name__}"],
            name_details=[str(estimator)],
        )
