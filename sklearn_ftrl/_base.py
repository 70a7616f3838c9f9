"""What both estimators share of scikit-learn: parameters, fit and partial_fit, predictions."""

import math
from contextlib import suppress

import numpy as np
from scipy import sparse
from sklearn.base import _fit_context
from sklearn.utils import check_random_state

from . import _follow, _passes, _rows
from ._auto import enough
from ._kernel import FEW, LARGEST
from ._learner import Learner
from ._parameters import ParametrizedFtrl
from ._team import Team
from ._units import STANDS_OUT
from ._weights import Weights

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn below 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Takes the place of scikit-learn's, and of its contexts; there is nobody to call."""

        def _init_callback_context(self, **_):
            return CallbackSupportMixin()

        subcontext = _init_callback_context

        def call_on_fit_task_begin(self, **_):
            return False

        call_on_fit_task_end = call_on_fit_task_begin


HISTORY = ("n_iter_", "best_iter_", "loss_curve_", "validation_curve_", "progressive_loss_")


class BaseFtrl(CallbackSupportMixin, ParametrizedFtrl):
    """What FtrlClassifier and FtrlRegressor have in common.

    A subclass knows its losses (``_loss``), outputs (``_n_outputs``) and weights (``_weigh``),
    reads y (``_as_y``), turns it into targets (``_encode``) and tells their scale
    (``_target_scales``), and gives arrays of shape (n_outputs, n_features) their public shape
    (``_shaped``).
    """

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        coef_init=None,
        intercept_init=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
        """Learn from X and y in epochs, until the loss stops falling.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to learn from. A canonical CSR matrix or array of float64 or float32, its
            indices of int32 or int64, is used as it is; anything else is converted. The
            caller's X is never changed.
        y : array-like of shape (n_samples,)
            Target values: class labels (strings, whole numbers, booleans, dates), or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Factors, 0 or more, of each row's loss. A row of weight 0 is left out.
        coef_init : array-like of the shape of ``coef_``, default=None
            Weights to start from, exactly; whatever was learned before is forgotten, with
            ``warm_start`` too. None: start from 0, or go on if ``warm_start``.
        intercept_init : array-like of the shape of ``intercept_``, default=None
            Intercepts to start from.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Validation rows, instead of some of X.
        y_val : array-like of shape (n_val,), default=None
            Their target values.
        sample_weight_val : array-like of shape (n_val,), default=None
            Factors, 0 or more, of their losses.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter, X, y or a weight is not valid, or if all weights are 0. The
            estimator is then as it was before the call. Also if, in any epoch, a row's loss or
            gradient is too large for the state, ``scoring`` fails, or the loss of the validation
            rows is not finite, or if, after the first epoch, ``learning_rate`` fails. The model
            has then learned the rows before, and ``t_`` counts them; in the retraining on all
            rows, see ``early_stopping``, it is that of the best epoch.

        Warns
        -----
        ConvergenceWarning
            If an intercept alone predicts the validation rows better than the model does, and
            the rows learned too. Not with ``scoring``.
        """
        goes_on = self.warm_start and coef_init is None and hasattr(self, "_learner")
        before = self._learner if goes_on else None
        if isinstance(before, Weights):
            coef_init = self.coef_
            intercept_init = self.intercept_ if intercept_init is None else intercept_init
        may_refit = bool(self.early_stopping) and not self.warm_start
        max_iter = int(self.max_iter)  # one of numpy's types would overflow
        task = self._init_callback_context(max_subtasks=max_iter + may_refit)
        told = {"estimator": self, "X": X, "y": y}
        told["metadata"] = {} if sample_weight is None else {"sample_weight": sample_weight}
        task.call_on_fit_task_begin(**told)
        random_state = check_random_state(self.random_state)
        draft = self._draft()  # what is refused before a row is learned changes nothing
        batch, sample_weight = draft._take(X, y, sample_weight, before)
        if not batch.order.size:
            raise ValueError(
                "Sample weights must contain at least one non-zero number (class_weight "
                "counts as well)."
            )
        given = X_val, y_val, sample_weight_val
        batch, features = draft._narrowed(batch, before, coef_init, *given)
        draft._learner = draft._ready(before, batch, coef_init, intercept_init, features)
        if any(each is not None for each in given):
            batches, judge = [batch], draft._judge(*given)
            may_refit = False
        else:
            batches, judge = _passes.held_out(draft, batch, X, y, sample_weight, random_state)
        passes = _passes.Passes(draft, batches, judge, random_state, max_iter, self.tol)
        for name in [*HISTORY, "_first_rows"]:
            vars(draft).pop(name, None)
        if features is None:  # else a model of these is no model of X yet
            self.__dict__ = vars(draft)
        try:
            stopped = draft._make(passes, task, told)
            if judge and may_refit and not stopped:
                start = coef_init, intercept_init
                draft._refit(batch, passes.of_refit, random_state, task, told, start)
        finally:
            draft._settle(batch, features)
            self.__dict__ = vars(draft)
        if judge and self.scoring is None:
            passes.warn_of_nothing_learned(self, batches)
        task.call_on_fit_task_end(**told, reconstruction_attributes=self._snapshot)
        return self

    def _make(self, passes, task, told):
        """Make passes until they bring no gain; return whether it was a callback that had enough.

        If there is a judge, the model is then that of the best pass.
        """
        self.loss_curve_, self.validation_curve_ = passes.loss_curve, passes.validation_curve
        self._learner, best, stopped = passes.learner, None, False
        try:
            while passes.n_iter < passes.max_iter and not passes.without_gain and not stopped:
                subtask = task.subcontext(task_name="epoch")
                subtask.call_on_fit_task_begin(**told, reconstruction_attributes=self._snapshot)
                passes.learn()
                self._learner = passes.learner
                passes.validate()
                self.n_iter_, self.best_iter_ = passes.n_iter, passes.best_iter
                self.progressive_loss_ = passes.loss_curve[0]
                stopped = subtask.call_on_fit_task_end(
                    **told, reconstruction_attributes=self._snapshot
                )
            best = passes.best
        finally:  # after an error or Ctrl-C, the mean of the steps of the last pass
            passes.team = None  # its memory is for the mean, and that of the parts for the refit
            self._learner = best or passes.learner.learned()
            passes.parts = []
        return stopped

    def _refit(self, batch, n_iter, random_state, task, told, start):
        """Learn all rows from the start in so many passes; on errors stay with the best pass."""
        subtask = task.subcontext(task_name="refit", max_subtasks=n_iter)
        subtask.call_on_fit_task_begin(**told, reconstruction_attributes=self._snapshot)
        if self.verbose:
            print(f"Retraining on all rows, best_iter_={self.best_iter_}:")
        model = self._draft()
        model._learner = self._blank(self._learner)
        self._start_from(model._learner, *start)
        passes = _passes.Passes(model, [batch], None, random_state, n_iter, None, is_refit=True)
        model._make(passes, subtask, told)
        self._learner = model._learner
        subtask.call_on_fit_task_end(**told, reconstruction_attributes=self._snapshot)

    def _draft(self):
        """Return an estimator that shares all that this one has, so far."""
        draft = object.__new__(type(self))  # a copy would check it as one from a file
        vars(draft).update(vars(self))
        return draft

    def _snapshot(self):
        """Return what makes a copy of the estimator a model of its own."""
        curves = {name: [*getattr(self, name)] for name in ["loss_curve_", "validation_curve_"]}
        return {"_learner": self._learner.copy().uncentered()} | curves

    def _partial_fit(self, X, y, sample_weight=None, raws=None, **classes):
        """Learn the rows once, in the order given; write the raw predictions before to raws."""
        trusted = self._trusted(X)
        if trusted:
            was = vars(self)
            self.__dict__ = was | {"_learner": self._learner.copy()}
            with suppress(ValueError):  # of a row, or an argument: to say which, look at all
                return self._learn_once(X, y, sample_weight, raws, trusted=trusted, **classes)
            self.__dict__ = was
        return self._learn_once(X, y, sample_weight, raws, **classes)

    def _learn_once(self, X, y, sample_weight, raws, **options):
        """Learn the rows, and be as the call leaves the estimator."""
        draft, batch = self._prepared(X, y, sample_weight, **options)
        self.__dict__ = vars(draft)
        return self._learn(batch, raws)

    def _trusted(self, X):
        """Return up to which number the kernel alone may check the rows of X; 0 if of none.

        That is where a copy of the state, to leave the old one as it is, costs less than a look
        at the rows, and nothing but the kernel reads them all.
        """
        learner = getattr(self, "_learner", None)
        if not (isinstance(learner, Learner) and sparse.issparse(X) and X.format == "csr"):
            return 0.0
        typical = np.inf if learner.scales is None else learner.scales.typical
        if (
            4 * learner.state.nbytes > X.data.nbytes
            or learner.state.shape[2] > FEW
            or X.indices.dtype not in (np.int32, np.int64)
            or self._n_threads() > 1
            or learner.units is not None
            or self._waits_for_rows()
            or (self.learning_rate == "auto" and typical == np.inf)
        ):
            return 0.0
        largest = math.sqrt(LARGEST)  # whose square is a number
        return min(STANDS_OUT * typical, largest) if self.learning_rate == "auto" else largest

    def _learn(self, batch, raws=None):
        """Learn rows that the estimator is ready for."""
        if raws is not None:  # rows of weight 0 are predicted in their place
            batch = batch._replace(order=np.arange(batch.weights.size))
        if batch.order.size:
            learner, batch = self._learner, self._learner.in_stream(batch)
            team = Team(self._n_threads())
            try:
                if self.learning_rate == "auto":
                    total = _follow.learn(learner, batch, team)
                else:
                    total = learner.learn(batch, raws, team)
            finally:  # after an error or Ctrl-C, the rows that were learned
                if hasattr(self, "_first_rows"):
                    first = self._first_rows
                    self._first_rows = first._replace(order=first.order[: learner.t])
            _, weights = batch.labelled()
            loss = total / (weights.sum() or 1.0)
            self.n_iter_, self.loss_curve_, self.progressive_loss_ = 1, [loss], loss
            for name in ["best_iter_", "validation_curve_"]:  # of a fit before
                vars(self).pop(name, None)
        return self

    def _prepared(self, X, y, sample_weight=None, trusted=None, **classes):
        """Return the estimator as it is before the first of these rows, and the rows."""
        before = getattr(self, "_learner", None)
        if isinstance(before, Weights):
            raise ValueError(
                "partial_fit needs z and n, which sparsify freed. Sparsify a copy of the model, "
                "or call fit."
            )
        if self.early_stopping is True:
            raise ValueError(
                "early_stopping=True is for fit: partial_fit holds no rows out. Set it to False."
            )
        draft = self._draft()  # what is refused before a row is learned changes nothing
        batch, _ = draft._take(X, y, sample_weight, before, trusted, **classes)
        if before is not None and before.shape[0] != draft._n_outputs():
            draft._learner = draft._grown(before, self.classes_)
        draft._prepare(batch)
        return draft, batch

    def _prepare(self, batch):
        """Be the estimator as it is before the first of these rows."""
        before = getattr(self, "_learner", None)
        if before is None or batch.order.size:
            begins = before is None or (before.t == 0 and before.scales is None)
            if self._uses_auto() and (begins or hasattr(self, "_first_rows")):
                self._learn_first_rows(before, batch)
            else:
                vars(self).pop("_first_rows", None)
                self._learner = self._ready(before, batch)

    def _learn_first_rows(self, before, batch):
        """Learn the rows that "auto" has waited with, anew, by the numbers that all rows say.

        Keep these rows too, if they are not enough.
        """
        first = vars(self).pop("_first_rows", None)
        if first is not None:
            batch = _rows.joined(first, batch)
        dtype = batch.rows.data.dtype if before is None else before.dtype
        scales = self._find_scales(batch) if batch.order.size else None
        scales = self._with_units_of_now(scales, batch)
        self._learner = self._new_learner(self.n_features_in_, dtype, scales)
        self._start_from(self._learner)
        if first is not None:
            self._learner.learn(self._learner.in_stream(first))
        self._learner.rates(batch.order.size)
        if batch.order.size and not enough(batch):
            self._first_rows = _rows.joined(batch)

    def _take(self, X, y, sample_weight, before, trusted=None, **classes):
        """Return what the kernel learns, and the weights without those of classes.

        ``before`` is the learner to go on from, or weights to start from, or None.
        """
        fresh = not isinstance(before, Learner)
        if isinstance(before, Weights) and hasattr(self, "classes_"):
            classes = {"classes": self.classes_}
        dtype = [np.float64, np.float32] if fresh else before.dtype
        X, y, sample_weight = self._check(X, y, sample_weight, dtype, reset=before is None)
        targets = self._encode(y, fresh, **classes)
        return self._batch(X, y, targets, sample_weight, trusted), sample_weight

    def _batch(self, X, y, targets, sample_weight, trusted=None):
        """Return checked arrays as what the kernel learns."""
        with np.errstate(over="ignore"):
            weights = self._weigh(sample_weight, targets, y)
        _rows.check_sum(weights)
        return _rows.batch(X, targets, weights, self, trusted)

    def _check(self, X, y, sample_weight, dtype, reset):
        """Return the arguments as checked arrays."""
        y = y if y is None else self._as_y(y)
        return _rows.check_rows(self, X, y, sample_weight, dtype=dtype, reset=reset)

    def _narrowed(self, batch, *from_outside):
        """Return rows of the features that occur, and these; of all features, and None.

        Rows of few features are learned without a look at the others, if nobody else looks at the
        model meanwhile, or has given it weights or rows.
        """
        others = [self.scoring, *from_outside]
        if all(each is None for each in others) and not self._calls_back():
            return _rows.narrowed(batch, self.n_features_in_)
        return batch, None

    def _calls_back(self):
        """Return whether callbacks look at the model while it learns."""
        return bool(getattr(self, "_skl_callbacks", None))

    def _judge(self, X, y, sample_weight):
        """Return a function that judges a model by the caller's rows for early stopping."""
        if X is None or y is None:
            raise ValueError(
                "X_val and y_val must be given together, and sample_weight_val with both."
            )
        if not self.early_stopping:
            raise ValueError("X_val is for early stopping, and early_stopping is False.")
        try:
            rows, y, weights = self._check(X, y, sample_weight, self._learner.dtype, reset=False)
            targets = self._encode(y, False)
            _rows.check_sum(weights)
            batch = _rows.batch(rows, targets, weights, self)
        except (ValueError, TypeError) as error:
            raise type(error)(f"In X_val, y_val or sample_weight_val: {error}") from error
        if not batch.order.size:
            raise ValueError("sample_weight_val must contain at least one non-zero number.")
        if self.scoring is None:
            return _passes.MeanLoss(self, [batch])
        return _passes.score(self, X, y, weights)
