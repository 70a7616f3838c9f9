"""What both estimators share of scikit-learn: parameters, fit and partial_fit, predictions."""

import copy
import operator
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from joblib import effective_n_jobs
from sklearn import get_config
from sklearn.base import _fit_context
from sklearn.metrics import get_scorer_names
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from . import _passes, _rows
from ._auto import UNKNOWN, Scales, enough, find_scales
from ._fitted import FittedFtrl
from ._kernel import Clip, Prox
from ._learner import Learner, Numbers, Weights
from ._units import grown

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


class BaseFtrl(CallbackSupportMixin, FittedFtrl):
    """What FtrlClassifier and FtrlRegressor have in common.

    A subclass knows its losses (``_loss``), outputs (``_n_outputs``) and weights (``_weigh``),
    reads y (``_as_y``), turns it into targets (``_encode``) and tells their scale
    (``_target_scales``), and gives arrays of shape (n_outputs, n_features) their public shape
    (``_shaped``).
    """

    _parameter_constraints: ClassVar[dict] = {
        "learning_rate": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="neither"),
            callable,
        ],
        "learning_rate_power": [Interval(Real, None, 0, closed="right")],
        "initial_accumulator_value": [Interval(Real, 0, None, closed="left")],
        "beta": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "l1": [Interval(Real, 0, None, closed="left")],
        "l2": [Interval(Real, 0, None, closed="left")],
        "l2_shrinkage": [Interval(Real, 0, None, closed="left")],
        "clipvalue": [Interval(Real, 0, None, closed="neither"), None],
        "clipnorm": [Interval(Real, 0, None, closed="neither"), None],
        "global_clipnorm": [Interval(Real, 0, None, closed="neither"), None],
        "fit_intercept": ["boolean"],
        "penalize_intercept": ["boolean"],
        "average": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "shuffle": ["boolean"],
        "n_jobs": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Integral, None, -1, closed="right"),
            None,
        ],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

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
        """Learn from X and y in passes over the rows, until the loss stops falling.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to learn from. A canonical CSR matrix or array of float64 or float32, its
            indices of int32 or int64, is used as it is; anything else is converted. The
            caller's X is never changed.
        y : array-like of shape (n_samples,)
            Target values: class labels of any type, or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Factors, 0 or more, of each row's loss. A row of weight 0 is left out.
        coef_init : array-like of the shape of ``coef_``, default=None
            Weights to start from, exactly; whatever was learned before is forgotten, with
            ``warm_start`` too. None: start from 0, or go on if ``warm_start``.
        intercept_init : array-like of the shape of ``intercept_``, default=None
            Intercepts to start from.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Rows for early stopping, instead of some that are held out of X.
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
            estimator is then as it was before the call. Also if a row's loss or gradient is
            too large for the state, or ``learning_rate`` fails, in a later pass, or ``scoring``
            or the loss of rows held out, which has to be finite, in any: the rows before that
            are then learned, and ``t_`` counts them. In the refit on all rows, see
            ``early_stopping``, the model is then that of the best pass before.
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
        draft = copy.copy(self)  # what is refused before a row is learned changes nothing
        batch, sample_weight = draft._take(X, y, sample_weight, before)
        if not batch.order.size:
            raise ValueError(
                "Sample weights must contain at least one non-zero number (class_weight "
                "counts as well)."
            )
        learner = draft._ready(before, batch, coef_init, intercept_init)
        draft._learner = learner
        batches, judge, held_out = [batch], None, None
        if any(given is not None for given in (X_val, y_val, sample_weight_val)):
            given = draft._validation(X_val, y_val, sample_weight_val)
            judge = _passes.mean_loss(self, given)
            if self.scoring is not None:
                judge = _passes.score(self, X_val, self._as_y(y_val), given.weights)
        else:
            held_out = _passes.judges(self, batch)
        if held_out == "halves":
            batches, judge = _passes.halve(self, batch, sample_weight, random_state)
        elif held_out == "part":
            classes = getattr(draft, "classes_", None)
            learned, judge = _passes.hold_out(
                self, batch, X, self._as_y(y), sample_weight, random_state, classes
            )
            batches = [learned]
        learners = [learner, *(learner.copy() for _ in batches[1:])]
        for name in [*HISTORY, "_first_rows"]:
            vars(draft).pop(name, None)
        self.__dict__ = vars(draft)
        parts = list(zip(learners, batches, strict=True))
        passes = _passes.Passes(self, parts, judge, random_state, max_iter, self.tol)
        try:
            stopped = self._make(passes, task, told)
            if held_out and may_refit and not stopped:
                self._refit(batch, random_state, task, told, coef_init, intercept_init)
        finally:
            self._settle(batch)
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
                passes.make_one()
                self._learner = passes.learner
                self.n_iter_, self.best_iter_ = passes.n_iter, passes.best_iter
                self.progressive_loss_ = passes.loss_curve[0]
                stopped = subtask.call_on_fit_task_end(
                    **told, reconstruction_attributes=self._snapshot
                )
            best = passes.best
        finally:  # after an error or Ctrl-C, the mean of the steps of the last pass
            self._learner = best or passes.learner.learned()
        return stopped

    def _refit(self, batch, random_state, task, told, coef_init, intercept_init):
        """Learn all rows from the start in best_iter_ passes; on errors stay with the best pass."""
        subtask = task.subcontext(task_name="refit", max_subtasks=self.best_iter_)
        subtask.call_on_fit_task_begin(**told, reconstruction_attributes=self._snapshot)
        if self.verbose:
            print(f"Refit on all rows, best_iter_={self.best_iter_}:")
        learner = self._blank(self._learner)
        self._start_from(learner, coef_init, intercept_init)
        passes = _passes.Passes(
            self, [(learner, batch)], None, random_state, self.best_iter_, tol=None
        )
        model = copy.copy(self)
        model._learner = learner
        model._make(passes, subtask, told)
        self._learner = model._learner
        subtask.call_on_fit_task_end(**told, reconstruction_attributes=self._snapshot)

    def _snapshot(self):
        """Return what makes a copy of the estimator a model of its own."""
        curves = {name: [*getattr(self, name)] for name in ["loss_curve_", "validation_curve_"]}
        return {"_learner": self._learner.copy().uncentered()} | curves

    def _partial_fit(self, X, y, sample_weight=None, raws=None, **classes):
        """Learn the rows once, in the order given; write the raw predictions before to raws."""
        draft, batch = self._prepared(X, y, sample_weight, **classes)
        self.__dict__ = vars(draft)
        if raws is not None:  # rows of weight 0 are predicted in their place
            batch = batch._replace(order=np.arange(batch.weights.size))
        if batch.order.size:
            loss = self._learner.learn(self._learner.in_units(batch), raws, self._n_threads())
            self.n_iter_, self.loss_curve_, self.progressive_loss_ = 1, [loss], loss
            for name in ["best_iter_", "validation_curve_"]:  # of a fit before
                vars(self).pop(name, None)
        return self

    def _prepared(self, X, y, sample_weight=None, **classes):
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
        draft = copy.copy(self)  # what is refused before a row is learned changes nothing
        batch, _ = draft._take(X, y, sample_weight, before, **classes)
        if before is not None and before.shape[0] != draft._n_outputs():
            draft._learner = before = draft._grown(before, self.classes_)
        if before is None or batch.order.size:
            begins = before is None or before.t == 0
            if self._uses_auto() and (begins or hasattr(self, "_first_rows")):
                draft._learn_first_rows(before, batch)
            else:
                vars(draft).pop("_first_rows", None)
                draft._learner = draft._ready(before, batch)
        return draft, batch

    def _learn_first_rows(self, before, batch):
        """Learn the rows that "auto" has waited with, anew, by the numbers that all rows say.

        Keep these rows too, if they are not enough.
        """
        first = vars(self).pop("_first_rows", None)
        if first is not None:
            batch = _rows.joined(first, batch)
        dtype = batch.rows.data.dtype if before is None else before.dtype
        scales = self._find_scales(batch) if batch.order.size else None
        self._learner = self._new_learner(dtype, scales)
        self._start_from(self._learner)
        if first is not None:
            self._learner.learn(self._learner.in_units(first))
        self._learner.rates(batch.order.size)
        if batch.order.size and not enough(batch):
            self._first_rows = _rows.joined(batch, batch._replace(order=batch.order[:0]))

    def _take(self, X, y, sample_weight, before, **classes):
        """Return what the kernel learns, and the weights without those of classes.

        ``before`` is the learner to go on from, or weights to start from, or None.
        """
        fresh = not isinstance(before, Learner)
        if isinstance(before, Weights) and hasattr(self, "classes_"):
            classes = {"classes": self.classes_}
        dtype = [np.float64, np.float32] if fresh else before.dtype
        X, y, sample_weight = self._check(X, y, sample_weight, dtype, reset=before is None)
        targets = self._encode(y, fresh, **classes)
        with np.errstate(over="ignore"):
            weights = self._weigh(sample_weight, targets, y)
        _rows.check_sum(weights)
        return _rows.batch(X, targets, weights, self), sample_weight

    def _check(self, X, y, sample_weight, dtype, reset):
        """Return the arguments as checked arrays."""
        y = y if y is None else self._as_y(y)
        return _rows.check_rows(self, X, y, sample_weight, dtype=dtype, reset=reset)

    def _validation(self, X, y, sample_weight):
        """Return rows of the caller's for early stopping, as the kernel takes them."""
        if X is None or y is None:
            raise ValueError(
                "X_val and y_val must be given together, and sample_weight_val with both."
            )
        if not self.early_stopping:
            raise ValueError("X_val is for early stopping, and early_stopping is False.")
        try:
            X, y, weights = self._check(X, y, sample_weight, self._learner.dtype, reset=False)
            targets = self._encode(y, False)
            _rows.check_sum(weights)
            batch = _rows.batch(X, targets, weights, self)
        except (ValueError, TypeError) as error:
            raise type(error)(f"In X_val, y_val or sample_weight_val: {error}") from error
        if not batch.order.size:
            raise ValueError("sample_weight_val must contain at least one non-zero number.")
        return batch

    def _ready(self, before, batch, coef_init=None, intercept_init=None):
        """Return the learner with the parameters of now, ready to learn the first of these rows."""
        scales = None if before is None else before.scales
        if scales is None and self._uses_auto():
            scales = self._find_scales(batch, centered=not isinstance(before, Learner))
        if isinstance(before, Learner):
            keep_weights = before.scales is None or self.learning_rate != "auto"
            scales = self._with_units_of_now(scales, batch)
            if scales is not None and scales.units is not before.units:
                before = before.with_units(scales, keep_weights)
            learner = before.with_numbers(self._numbers(scales), scales)
        else:
            learner = self._new_learner(batch.rows.data.dtype, scales)
        self._start_from(learner, coef_init, intercept_init)
        learner.rates(batch.order.size)  # a schedule that fails does so before a row is learned
        return learner

    def _with_units_of_now(self, scales, batch):
        """Return scales whose units no number of these rows stands out from."""
        if scales is None:
            return None
        if self.learning_rate != "auto":  # numbers are for all columns
            return scales._replace(units=None, typical=np.inf)
        units = grown(scales.units, scales.typical, batch, self.n_features_in_)
        return scales._replace(units=units)

    def _settle(self, batch):
        """Let the intercept take what columns were measured from, and a mean count be right."""
        learner = self._learner
        if self.loss == "poisson" and self.average and self.fit_intercept:
            learner.balance(batch)
        if learner.uncentered() is not learner:
            scales = self._find_scales(batch)
            learner = learner.with_units(scales, keep_weights=True)
            self._learner = learner.with_numbers(self._numbers(scales), scales)

    def _blank(self, learner):
        """Return a learner like this one that has learned nothing."""
        return self._new_learner(learner.dtype, learner.scales)

    def _new_learner(self, dtype, scales):
        """Return a learner that has learned nothing."""
        return Learner.new(
            self.n_features_in_,
            self._n_outputs(),
            dtype,
            self.initial_accumulator_value,
            self._numbers(scales),
            scales,
        )

    def _start_from(self, learner, coef_init=None, intercept_init=None):
        """Give a learner weights to start from: these, or the intercepts that "auto" has found."""
        n_outputs, n_features = learner.shape
        starts = self.learning_rate == "auto" and self.fit_intercept and learner.t == 0
        if starts and learner.scales and learner.scales.intercept is not None:
            learner.set_intercepts(learner.scales.intercept)
        if coef_init is not None:
            learner.set_weights(_rows.check_init(coef_init, "coef_init", (n_outputs, n_features)))
        if intercept_init is not None:
            init = _rows.check_init(intercept_init, "intercept_init", (n_outputs,))
            learner.set_intercepts(init)

    def _uses_auto(self):
        return "auto" in (self.learning_rate, self.beta)

    def _find_scales(self, batch, centered=False):
        """Return what "auto" stands for by these rows."""
        return find_scales(
            batch,
            self.n_features_in_,
            self._target_scales,
            power=-2.0 * self.learning_rate_power,
            fit_intercept=self.fit_intercept,
            by_largest=self.loss == "poisson",
            by_column=self.learning_rate == "auto",
            centered=centered and self.fit_intercept,
        )

    def _waits_for_rows(self):
        """Return whether more rows may change what "auto" stands for."""
        return self._uses_auto() and (self._learner.scales is None or hasattr(self, "_first_rows"))

    def _numbers(self, scales: Scales | None) -> Numbers:
        """Return what to learn with: set_params acts at the next fit or partial_fit."""
        scales = scales or UNKNOWN
        rate, beta, intercept_rate, intercept_beta = self.learning_rate, self.beta, 1.0, self.beta
        if self.learning_rate == "auto":
            rate, intercept_rate = scales.rate, scales.intercept_rate
        if self.beta == "auto":
            beta = scales.beta
        if self.beta == "auto" or (self.beta == 0 and self.learning_rate == "auto"):
            intercept_beta = scales.intercept_beta  # of 0, it could not start from a weight
        l1, l2, l2_shrinkage = map(float, (self.l1, self.l2, self.l2_shrinkage))
        power = None if self.learning_rate_power == -0.5 else -2.0 * self.learning_rate_power
        prox = Prox(1.0, float(beta), l1, l2, l2_shrinkage or None, power)
        intercept_prox = prox._replace(rate=intercept_rate, beta=float(intercept_beta))
        if not self.penalize_intercept:
            intercept_prox = intercept_prox._replace(l1=0.0, l2=0.0, l2_shrinkage=None)
        clips = [self.clipvalue, self.clipnorm, self.global_clipnorm]
        clip = Clip(*(float(c or np.inf) for c in clips)) if any(clips) else None
        rate = rate if callable(rate) else float(rate)
        return Numbers(self._loss(), rate, prox, intercept_prox, clip, bool(self.fit_intercept))

    def _validate_params(self):
        if get_config()["skip_parameter_validation"]:
            return
        params = [getattr(self, name) for name in self._parameter_constraints]
        if "_valid_params" in vars(self) and all(map(operator.is_, params, self._valid_params)):
            return  # a stream of small batches would spend most of its time here
        super()._validate_params()
        given = [
            name
            for name in ("clipvalue", "clipnorm", "global_clipnorm")
            if getattr(self, name) is not None
        ]
        if len(given) > 1:
            raise ValueError(f"At most one of {' and '.join(given)} may be given.")
        self._valid_params = params

    def _n_threads(self):
        """Return how many threads may learn or predict at the same time."""
        if self.n_jobs is None:  # 1 under joblib.parallel_config too: the same bits every time
            return 1
        return effective_n_jobs(self.n_jobs)
