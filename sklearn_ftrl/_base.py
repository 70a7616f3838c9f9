"""What the estimators share: parameters, validation, epochs, and the border to the kernel."""

import functools
import itertools
import operator
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral, Real
from typing import ClassVar, NamedTuple

import numpy as np
from joblib import effective_n_jobs
from scipy import sparse
from sklearn import get_config
from sklearn.base import BaseEstimator, _fit_context, is_classifier
from sklearn.exceptions import ConvergenceWarning, InconsistentVersionWarning
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import train_test_split
from sklearn.utils import (
    _safe_indexing,
    assert_all_finite,
    check_array,
    check_random_state,
    column_or_1d,
)
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from . import _state
from ._kernel import (
    FEW,
    Clip,
    Prox,
    Rows,
    count_features,
    inspect_rows,
    learn_few,
    learn_many,
    multiply,
    square_of_sum,
    squares,
    total_loss,
)

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


# A running kernel does not hear Ctrl-C: weights learned between two looks, about 0.1 s.
BLOCK = 2**23
WORK_OF_A_THREAD = 2**18  # weights, some milliseconds: less does not pay for a thread's start
HISTORY = ("n_iter_", "best_iter_", "loss_curve_", "validation_curve_", "progressive_loss_")
NO_NUMBER = (  # what numpy says of strings, of dicts, and of dates beside numbers
    "could not convert string",
    "argument must be a string or a real number",
    "could not be promoted",
)
DOC_PAGE = (  # of the API reference
    "https://sklearn-ftrl.readthedocs.io/en/stable/generated/{estimator_module}.{estimator_name}.html"
)
SAMPLE = 1000  # rows that the mean row is found from
FIRST_ROWS = 100.0  # of a feature, at most: after these beta no longer holds back
# What early_stopping="auto" holds out:
ENOUGH_ROWS = 20  # nothing of fewer
MANY_ROWS = 5000  # up to here each of two halves, of more a part
SOME_ROWS = 200  # where halves may not judge each other, a part of more than these
MIN_PATIENCE = 5  # passes


class Batch(NamedTuple):
    """Rows with their targets and weights, and the order in which to take them."""

    rows: Rows
    order: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


class Scales(NamedTuple):
    """What "auto" stands for: the coefficients' rate and beta, and the intercept's in them."""

    n_rows: int  # that they were found in
    rate: float
    beta: float
    intercept_rate: float
    intercept_beta: float
    intercept: np.ndarray | None  # to start from


NO_ROWS = Scales(0, 1.0, 1.0, 1.0, 1.0, None)


class BaseFtrl(CallbackSupportMixin, BaseEstimator):
    """What FtrlClassifier and FtrlRegressor have in common.

    A subclass knows its losses (``_loss``), outputs (``_n_outputs``) and weights (``_weigh``),
    turns y into targets (``_encode``) and tells their scale (``_target_scales``), and gives
    arrays of shape (n_outputs, n_features) their public shape (``_shaped``).
    """

    _doc_link_module = "sklearn_ftrl"
    _doc_link_template = DOC_PAGE
    _scales = NO_ROWS
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
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "n_iter_no_change": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
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
        known = {}
        if self.warm_start and coef_init is None and hasattr(self, "_coef"):
            coef_init = self.coef_
            intercept_init = self.intercept_ if intercept_init is None else intercept_init
            known = {"reset": False}
            if hasattr(self, "classes_"):
                known["classes"] = self.classes_
        fresh = coef_init is not None or not (self.warm_start and hasattr(self, "_state"))
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        may_refit = bool(self.early_stopping) and not self.warm_start
        task = self._init_callback_context(max_subtasks=self.max_iter + may_refit)
        told = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        task.call_on_fit_task_begin(**told)
        with _UnchangedOnError(self):
            random_state = check_random_state(self.random_state)
            batch, sample_weight = self._take(
                X, y, sample_weight, fresh, n_passes=self.max_iter, **known
            )
            if not batch.order.size:
                raise ValueError(
                    "Sample weights must contain at least one non-zero number (class_weight "
                    "counts as well)."
                )
            self._start_from(coef_init, intercept_init)
            learners, validate, judges = [(self, batch)], None, None
            if any(given is not None for given in (X_val, y_val, sample_weight_val)):
                validate = self._validation(X_val, y_val, sample_weight_val)
            else:
                judges = self._judges(batch)
            if judges == "halves":
                learners, validate = self._halve(batch, sample_weight, random_state)
            elif judges == "part":
                learned, validate = self._hold_out(batch, X, y, sample_weight, random_state)
                learners = [(self, learned)]
        stopped = self._make_epochs(
            learners, validate, random_state, task, told, self.max_iter, self.tol
        )
        if judges and may_refit and not stopped:
            self._refit(batch, random_state, task, told, coef_init, intercept_init)
        task.call_on_fit_task_end(**told, reconstruction_attributes=self._snapshot)
        return self

    def _make_epochs(self, learners, validate, random_state, task, told, max_iter, tol):
        """Make passes over the rows until one of those who judge them has had enough.

        ``learners`` are models, the first of which is this one, with the rows of each. Return
        whether it was a callback that had enough.
        """
        best, best_state = np.inf, {}
        shares = _shares(batch for _, batch in learners)
        self.loss_curve_, self.validation_curve_ = [], []
        for epoch in range(1, max_iter + 1):
            subtask = task.subcontext(task_name="epoch")
            subtask.call_on_fit_task_begin(**told)
            start = time.perf_counter()
            if self.shuffle:
                learners = [
                    (model, batch._replace(order=random_state.permutation(batch.order)))
                    for model, batch in learners
                ]
            loss = shares @ [model._learn(batch) for model, batch in learners]
            self.n_iter_ = epoch
            self.loss_curve_.append(loss)
            self.progressive_loss_ = self.loss_curve_[0]
            report = f"Epoch {epoch}: loss {loss:.6g}"
            if validate:
                self.validation_curve_.append(validate())
                report += f", validation {self.validation_curve_[-1]:.6g}"
                loss = self.validation_curve_[-1] * (-1 if self.scoring else 1)
            if self.verbose:
                print(f"{report}, {time.perf_counter() - start:.2f} s")
            if epoch == 1:
                enough = (tol or 0.0) * abs(loss)
            if epoch == 1 or loss < best - enough:
                best, self.best_iter_ = loss, epoch
                if validate:
                    best_state = self._copied_state(best_state)
            stopped = subtask.call_on_fit_task_end(**told, reconstruction_attributes=self._snapshot)
            patience = self.n_iter_no_change
            if patience == "auto":  # steps shrink with time: a later gain takes longer
                patience = max(MIN_PATIENCE, self.best_iter_ if validate else 0)
            if stopped or (tol is not None and epoch - self.best_iter_ >= patience):
                break
        else:
            if tol is not None and 1 < max_iter > 10 * (max_iter - self.best_iter_):
                warnings.warn(
                    f"The loss still fell at the end of max_iter={max_iter} epochs. Consider "
                    "increasing max_iter or tol, or scaling the columns of X.",
                    ConvergenceWarning,
                    stacklevel=4,  # past fit and _fit_context's wrapper
                )
        vars(self).update(best_state)
        return stopped

    def _refit(self, batch, random_state, task, told, coef_init, intercept_init):
        """Learn all rows from the start in best_iter_ passes; on errors stay with the best pass."""
        subtask = task.subcontext(task_name="refit", max_subtasks=self.best_iter_)
        subtask.call_on_fit_task_begin(**told)
        if self.verbose:
            print(f"Refit on all rows, best_iter_={self.best_iter_}:")
        search = {name: vars(self)[name] for name in HISTORY}
        with _UnchangedOnError(self):
            self._start_from_nothing(self.n_features_in_, self._state.dtype)
            self._alpha = self._rates(0)[-1]
            self._start_intercept()
            self._start_from(coef_init, intercept_init)
            self._make_epochs(
                [(self, batch)], None, random_state, subtask, told, self.best_iter_, tol=None
            )
            vars(self).update(search)
        subtask.call_on_fit_task_end(**told, reconstruction_attributes=self._snapshot)

    def _partial_fit(self, X, y, sample_weight=None, raws=None, **classes):
        """Learn the rows once, in the order given; write the raw predictions before to raws."""
        if hasattr(self, "_coef"):
            raise ValueError(
                "partial_fit needs z and n, which sparsify freed. Sparsify a copy of the model, "
                "or call fit."
            )
        fresh = not hasattr(self, "_state")
        with _UnchangedOnError(self):
            batch, _ = self._take(X, y, sample_weight, fresh, n_passes=1, **classes)
        if raws is not None:  # rows of weight 0 are predicted in their place
            batch = batch._replace(order=np.arange(batch.weights.size))
        if batch.order.size:
            loss = self._learn(batch, raws)
            self.n_iter_, self.loss_curve_, self.progressive_loss_ = 1, [loss], loss
            for name in ["best_iter_", "validation_curve_"]:  # of a fit before
                vars(self).pop(name, None)
        return self

    def _take(self, X, y, sample_weight, fresh, n_passes, reset=None, **classes):
        """Return what the kernel learns, and the weights without those of classes."""
        dtype = [np.float64, np.float32] if fresh else self._state.dtype
        reset = fresh if reset is None else reset
        X, y, sample_weight = self._check(X, y, sample_weight, dtype, reset)
        targets = self._encode(y, fresh, **classes)
        with np.errstate(over="ignore"):
            weights = self._weigh(sample_weight, targets, y)
        _check_sum(weights)
        rows = _as_rows(X, self)
        if fresh:
            for name in ["_coef", "_intercept", *HISTORY, *(["_scales"] if reset else [])]:
                vars(self).pop(name, None)
            self._start_from_nothing(X.shape[1], X.dtype)
        order = np.flatnonzero(weights != 0)
        batch = Batch(rows, order, _frozen(targets, np.float64), _frozen(weights, np.float64))
        if not self._state.flags.writeable:  # from a file that is mapped into memory
            self._state, self._intercept_state = self._state.copy(), self._intercept_state.copy()
        if fresh or order.size:
            self._take_parameters(batch, n_passes)
            self._rates(order.size)  # a schedule that fails does so before a row is learned
            self._start_intercept()
        return batch, sample_weight

    def _start_from_nothing(self, n_features, dtype):
        """Make the state one that has seen no row."""
        n_outputs, n0 = self._n_outputs(), self.initial_accumulator_value
        self._state = _state.start(n_features, n_outputs, dtype, n0)
        self._intercept_state = _state.start(1, n_outputs, np.float64, n0)
        self.t_ = 0

    def _start_intercept(self):
        """Give intercepts that have learned nothing the start that "auto" has found for them."""
        if self.t_ > 0 or self.learning_rate != "auto" or not self.fit_intercept:
            return
        start = self._scales.intercept
        if start is not None:
            self._intercept_state = self._intercept_state.copy()  # if fit fails yet
            _state.set_weights(self._intercept_state, start, self._alpha, self._intercept_prox)

    def _check(self, X, y, sample_weight, dtype, reset):
        """Return the arguments as checked arrays."""
        with np.errstate(invalid="ignore"):  # scikit-learn's sum warns where huge numbers cancel
            X, y = _validate(self, X, y, dtype=dtype, reset=reset)
        if not sparse.issparse(X):  # else by _as_rows, which looks at them anyway
            _check_finite(X, self)
        return X, y, _check_sample_weight(sample_weight, X.shape[0])

    def _judges(self, batch):
        """Return which rows held out find the number of passes: "halves", a "part" or None."""
        if self.early_stopping != "auto":
            return "part" if self.early_stopping else None
        if self.tol is None or self.max_iter == 1:  # the number is known
            return None
        n_rows = batch.order.size
        if n_rows <= MANY_ROWS and self.shuffle and self.scoring is None and not self.warm_start:
            return "halves" if self._with_others(batch).size >= ENOUGH_ROWS else None
        return "part" if n_rows > SOME_ROWS else None

    def _with_others(self, batch):
        """Return the rows whose class has other rows: it can be judged without them."""
        if not is_classifier(self):
            return batch.order
        _, class_of, counts = np.unique(
            batch.targets[batch.order], return_inverse=True, return_counts=True
        )
        return batch.order[counts[class_of] > 1]

    def _hold_out(self, batch, X, y, sample_weight, random_state):
        """Return the rows to learn, and a function that judges the model by the others."""
        order, strata = batch.order, None
        if self.shuffle and is_classifier(self):
            with_others = self._with_others(batch)
            order = with_others if with_others.size else order
            n_classes = np.unique(batch.targets[order]).size
            smaller = min(self.validation_fraction, 1 - self.validation_fraction) * order.size
            strata = batch.targets[order] if n_classes <= smaller else None
        try:
            learned, held_out = train_test_split(
                order,
                test_size=self.validation_fraction,
                shuffle=self.shuffle,
                stratify=strata,
                random_state=random_state,
            )
        except ValueError as error:
            raise ValueError(
                f"early_stopping with validation_fraction={self.validation_fraction} cannot hold "
                f"out a part of {order.size} rows of weight above 0: {error}"
            ) from error
        if order.size < batch.order.size:  # the only row of a class is learned
            learned = np.r_[learned, np.setdiff1d(batch.order, order)]
        if self.scoring is None:
            judged = batch._replace(weights=sample_weight, order=held_out)
            validate = functools.partial(self._mean_loss, judged)
        else:
            X = X.tocsr() if sparse.issparse(X) else X
            validate = self._scorer(*(_safe_indexing(a, held_out) for a in (X, y, sample_weight)))
        return batch._replace(order=learned), validate

    def _halve(self, batch, sample_weight, random_state):
        """Return two models with a half of the rows each, which the other's half judges.

        The only row of a class is learned by both, and judges neither.
        """
        twin = object.__new__(type(self))
        vars(twin).update(vars(self) | self._copied_state({}))
        order = random_state.permutation(self._with_others(batch))
        if is_classifier(self):  # classes in proportion
            order = order[np.argsort(batch.targets[order], kind="stable")]
        alone = np.setdiff1d(batch.order, order)
        learners, judged = [], []
        for model, own in [(self, 0), (twin, 1)]:
            learners.append((model, batch._replace(order=np.r_[order[own::2], alone])))
            others = order[1 - own :: 2].copy()  # contiguous, for which code is compiled already
            judged.append((model, batch._replace(order=others, weights=sample_weight)))
        shares = _shares(rows for _, rows in judged)

        def validate():
            return shares @ [model._mean_loss(rows) for model, rows in judged]

        return learners, validate

    def _validation(self, X, y, sample_weight):
        """Return a function that judges the model by rows of the caller's."""
        if X is None or y is None:
            raise ValueError(
                "X_val and y_val must be given together, and sample_weight_val with both."
            )
        if not self.early_stopping:
            raise ValueError("X_val is for early stopping, and early_stopping is False.")
        try:
            X_val, labels, weights = self._check(X, y, sample_weight, self._state.dtype, False)
            rows = _as_rows(X_val, self)
            targets = _frozen(self._encode(labels, False), np.float64)
            _check_sum(weights)
        except (ValueError, TypeError) as error:
            raise type(error)(f"In X_val, y_val or sample_weight_val: {error}") from error
        order = np.flatnonzero(weights != 0)
        if not order.size:
            raise ValueError("sample_weight_val must contain at least one non-zero number.")
        if self.scoring is not None:
            return self._scorer(X, y, weights)
        return functools.partial(self._mean_loss, Batch(rows, order, targets, weights))

    def _scorer(self, X, y, sample_weight):
        """Return a function that scores the model as ``scoring`` says."""
        score = check_scoring(self, scoring=self.scoring)
        y = column_or_1d(y) if np.ndim(y) == 2 else y
        weights = {} if np.ptp(sample_weight) == 0 else {"sample_weight": sample_weight}

        def judge():
            value = score(self, X, y, **weights)
            if not (isinstance(value, Real) and np.isfinite(value)):
                raise ValueError(f"scoring={self.scoring!r} has to give a number, got {value!r}.")
            return value

        return judge

    def _mean_loss(self, batch):
        """Return the weighted mean of the losses, learning nothing."""
        y, weights = batch.targets[batch.order], batch.weights[batch.order]
        raws = self._raws(batch.rows, batch.order)
        loss = total_loss(self._loss(), y, weights, raws) / weights.sum()
        if not np.isfinite(loss):
            raise ValueError(
                "The loss of the rows held out is not finite. Lower learning_rate, raise beta, or "
                "scale X and y."
            )
        return loss

    def _copied_state(self, copy):
        """Return the state of this moment, in the arrays of an earlier copy if there is one."""
        for name in ["_state", "_intercept_state"]:
            state = getattr(self, name)
            copy.setdefault(name, _state.zeros(state.shape, state.dtype))[:] = state
        return copy | {"_alpha": self._alpha, "t_": self.t_}

    def _snapshot(self):
        """Return what makes a copy of the estimator a model of its own."""
        curves = {name: [*getattr(self, name)] for name in ["loss_curve_", "validation_curve_"]}
        return self._copied_state({}) | curves

    def _take_parameters(self, batch, n_passes):
        """Keep what weights are read with: set_params acts at the next fit or partial_fit."""
        if self._waits_for_rows():
            waited, scales = "_scales" in vars(self), self._auto_scales(batch, n_passes)
            if scales.n_rows or self.t_ == 0:
                self._scales = scales
            if waited and scales.n_rows:  # empty rows taught the intercept in other units
                n0 = self.initial_accumulator_value
                self._intercept_state = _state.start(1, self._n_outputs(), np.float64, n0)
                self.t_ = 0
        elif not self._scales.n_rows:  # the numbers are given
            vars(self).pop("_scales", None)
        beta = intercept_beta = self.beta
        rate = self._scales.intercept_rate if self.learning_rate == "auto" else 1.0
        if self.beta == "auto":
            beta = self._scales.beta
        if self.beta == "auto" or (self.beta == 0 and self.learning_rate == "auto"):
            intercept_beta = self._scales.intercept_beta  # of 0, it could not start from a weight
        l1, l2, l2_shrinkage = map(float, (self.l1, self.l2, self.l2_shrinkage))
        power = None if self.learning_rate_power == -0.5 else -2.0 * self.learning_rate_power
        self._prox = Prox(1.0, float(beta), l1, l2, l2_shrinkage or None, power)
        self._intercept_prox = self._prox._replace(rate=rate, beta=float(intercept_beta))
        if not self.penalize_intercept:
            self._intercept_prox = self._intercept_prox._replace(l1=0.0, l2=0.0, l2_shrinkage=None)
        self._learned_loss = self.loss
        self._alpha = self._rates(0)[-1]

    def __getstate__(self):
        return super().__getstate__() | {"_sklearn_ftrl_version": _version()}

    def __setstate__(self, state):
        state = dict(state)
        saved_by = state.pop("_sklearn_ftrl_version", "unknown")
        if saved_by != _version():
            warning = InconsistentVersionWarning(
                estimator_name=type(self).__name__,
                current_sklearn_version=f"{_version()} of sklearn-ftrl",
                original_sklearn_version=saved_by,
            )
            warnings.warn(warning, stacklevel=2)
        super().__setstate__(state)
        if "_state" in state:  # the kernel writes there without looking
            shapes = [(self.n_features_in_, 2, self._n_outputs()), (1, 2, self._n_outputs())]
            arrays = [self._state, self._intercept_state]
            sound = [
                isinstance(array, np.ndarray)
                and array.shape == shape
                and array.dtype in (np.float64, dtype)
                and array.flags.c_contiguous
                for array, shape, dtype in zip(arrays, shapes, "fd", strict=True)
            ]
            if not all(sound):
                raise ValueError(f"This {type(self).__name__} is damaged: its state is not valid.")

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

    def _waits_for_rows(self):
        """Return whether "auto" stands for nothing yet: all rows so far were empty."""
        return "auto" in (self.learning_rate, self.beta) and not self._scales.n_rows

    def _auto_scales(self, batch, n_passes):
        """Return what "auto" stands for by these rows.

        A weight has the unit of the raw prediction by that of x, a gradient that of the loss's
        slope times that of x: so the numbers follow the scales of x, y and sample weights, at
        any power of n. The intercept is a feature that is as large as those of X. What all rows
        have in common is its to learn: lengths are measured from the mean row.
        """
        squared = np.empty(batch.order.size)
        n_numbers, roots = squares(batch.rows, batch.order, squared)
        n_rows = np.count_nonzero(squared)
        if not squared.size:
            return NO_ROWS
        empty = not n_numbers
        if empty:  # what is found is for the intercept, and for now
            squared[:], n_numbers, roots = 1.0, squared.size, squared.size
        weights = batch.weights[batch.order]
        power, n_passes = -2.0 * self.learning_rate_power, int(n_passes)
        with np.errstate(all="ignore"):
            raw, slope, intercept = self._target_scales(batch.targets[batch.order], weights)
            raw *= min(n_passes, 16) ** -0.25  # few passes must get there
            square = squared.sum() / np.count_nonzero(squared)
            if self.loss == "poisson":
                square = squared.max()
            if self.fit_intercept:
                square *= self._spread(batch, squared)
            x = np.sqrt(squared.sum() / n_numbers)
            slope *= weights.mean()
            gradient = slope * (roots / n_numbers) ** 2
            if n_passes > 1:  # the first rows of many shall weigh no more than the others
                used = np.zeros(self._state.shape[0], bool)
                n_used = max(1, count_features(batch.rows, batch.order, used))
                gradient *= np.sqrt(min(n_passes, n_numbers / n_used / 2.0, FIRST_ROWS))
            scales = Scales(
                n_rows,
                rate=raw / np.sqrt(square) * (slope * x) ** (power - 1.0),
                beta=gradient**power,
                intercept_rate=x ** (2.0 - power),
                intercept_beta=slope**power,
                intercept=intercept,
            )
        in_range = [1e-150 < size < 1e150 for size in scales[1:5]]
        if not (all(in_range) and (intercept is None or np.isfinite(intercept).all())):
            if empty:
                return NO_ROWS
            raise ValueError(
                'X, y or sample_weight is too large or too small for learning_rate="auto" or '
                'beta="auto".'
            )
        return scales

    def _spread(self, batch, squared):
        """Return the mean square of rows about their mean, by that about 0: 1/9 to 1."""
        filled = some = batch.order[squared > 0.0]
        if filled.size > SAMPLE:  # at random: rows may be sorted, or periodic
            some = np.random.default_rng(0).choice(filled, SAMPLE, replace=False)
        n_some = np.float64(some.size)
        square = square_of_sum(batch.rows, some, np.zeros(self._state.shape[0])) / n_some**2
        of_mean = square / squared.sum() * filled.size - 1.0 / n_some  # one row has no spread
        return np.clip(1.0 - filled.size / squared.size * of_mean, 1.0 / 9.0, 1.0)

    def _rates(self, n_steps):
        """Return the learning rates of the next steps, that of the step before in front."""
        if not callable(self.learning_rate):
            auto = self.learning_rate == "auto"
            return np.array([self._scales.rate if auto else float(self.learning_rate)])
        steps = np.arange(self.t_ - 1, self.t_ + n_steps).clip(0)
        rates = np.asarray(self.learning_rate(steps), np.float64)
        if rates.shape != steps.shape:
            raise ValueError(
                f"learning_rate returned an array of shape {rates.shape} for step numbers of "
                f"shape {steps.shape}."
            )
        if not (np.isfinite(rates).all() and rates.min() > 0):
            raise ValueError("learning_rate returned a rate that is not finite or not above 0.")
        return rates

    def _start_from(self, coef_init, intercept_init):
        """Make the state one that stands for these weights."""
        n_features, _, n_outputs = self._state.shape
        if coef_init is not None:
            coef = _check_init(coef_init, "coef_init", (n_outputs, n_features))
            _state.set_weights(self._state, coef, self._alpha, self._prox)
        if intercept_init is not None:
            intercept = _check_init(intercept_init, "intercept_init", (n_outputs,))[:, np.newaxis]
            self._intercept_state = self._intercept_state.copy()  # if fit fails yet
            _state.set_weights(self._intercept_state, intercept, self._alpha, self._intercept_prox)

    def _learn(self, batch, raws=None):
        """Make one pass in this order; return the weighted mean of the losses before learning.

        With ``raws``, for the raw predictions before learning, rows are learned one by one and
        the order may contain rows of weight 0.
        """
        rows, order, _, weights = batch
        row_cost = self._state.shape[2] * (1 + rows.data.size // (rows.indptr.size - 1))
        n_threads = self._n_threads(row_cost * order.size) if raws is None else 1
        step = max(1, n_threads * BLOCK // row_cost)
        clip = [self.clipvalue, self.clipnorm, self.global_clipnorm]
        clip = Clip(*(float(c or np.inf) for c in clip)) if any(clip) else None
        total = 0.0
        for start in range(0, order.size, step):
            block = order[start : start + step]
            rates = self._rates(block.size if raws is None else np.count_nonzero(weights[block]))
            learned = np.zeros((n_threads, 1), np.int64)
            calls = [
                (
                    batch._replace(order=block[a:b]),
                    rates if rates.size == 1 else rates[a : b + 1],
                    self._loss(),
                    clip,
                    raws,
                    learned[k],
                )
                for k, (a, b) in enumerate(_split(block.size, n_threads))
            ]
            try:
                results = _in_threads(self._pass, calls)
            finally:  # Ctrl-C is raised when the rows are learned
                n_learned = learned.sum()
                self.t_ += int(n_learned)
                self._alpha = rates[min(n_learned, rates.size - 1)]
            for loss, failed in results:
                total += loss
                if failed >= 0:
                    raise ValueError(
                        f"The loss or gradient of row {failed} is not finite, or too large "
                        "for the state. Lower learning_rate, raise beta, or scale X and y. The "
                        "model keeps what it has learned: t_ counts the rows."
                    )
        return total / (weights[order].sum() or 1.0)

    def _pass(self, batch, rates, loss, clip, raws, learned):
        """Call the kernel."""
        arguments = (
            *batch,
            loss,
            rates,
            self._prox,
            self._intercept_prox,
            clip,
            bool(self.fit_intercept),
            None,
            self._state.reshape(-1),
            self._intercept_state[0],
            raws,
            learned,
        )
        n_outputs = self._state.shape[2]
        if n_outputs > FEW:
            return learn_many(*arguments)
        return learn_few(*arguments, None if n_outputs == 1 else n_outputs)

    def _n_threads(self, work):
        """Return how many threads may share the learning or reading of so many weights."""
        if self.n_jobs is None:  # 1 under joblib.parallel_config too: the same bits every time
            return 1
        return max(1, min(effective_n_jobs(self.n_jobs), work // WORK_OF_A_THREAD))

    def _raw_predictions(self, X):
        """Return the linear predictor, of shape (n_samples, n_outputs)."""
        check_is_fitted(self)
        dtype = self._coef.dtype if hasattr(self, "_coef") else self._state.dtype
        X = _validate(self, X, dtype=dtype, reset=False)
        if not sparse.issparse(X):
            with np.errstate(all="ignore"):
                raws = X @ self._weights() + self._intercepts()
        else:
            raws = self._raws(_as_rows(X), np.arange(X.shape[0]))
        if not np.isfinite(raws).all():  # so do NaN and inf in X show, in much fewer numbers
            _check_finite(X, self)
            raise ValueError("A linear predictor is not finite: X or the weights are too large.")
        return raws

    def _raws(self, rows, order):
        """Return the linear predictor of rows in this order."""
        n_rows, n_numbers = rows.indptr.size - 1, rows.data.size
        sparsified = hasattr(self, "_coef")
        if not sparsified and n_numbers < self._state.shape[0]:  # spare a look at all weights
            raws = np.empty((n_rows, self._state.shape[2]))
            batch = Batch(rows, order, *2 * [_frozen([], np.float64)])
            self._pass(batch, np.array([self._alpha]), None, None, raws, np.zeros(1, np.int64))
            return raws[order]
        if sparsified and sparse.issparse(self._coef) and n_numbers < self._coef.nnz:
            weights = _look_up(self._coef, rows.indices)
            own = np.arange(n_numbers, dtype=rows.indices.dtype)
            rows = rows._replace(indices=_frozen(own))
        else:
            weights = self._weights()
        intercepts = self._intercepts()
        raws = np.full((order.size, intercepts.size), intercepts)
        parts = _split(order.size, self._n_threads(n_numbers * raws.shape[1]))
        _in_threads(multiply, [(rows, order[a:b], weights, raws[a:b]) for a, b in parts])
        return raws

    def _step_bounds(self, X):
        """Return how far a gradient of 1 would move the linear predictor of each row."""
        X = _validate(self, X, dtype=self._state.dtype, reset=False)
        _check_finite(X, self)
        rows = _as_rows(sparse.csr_array(X))
        row = np.repeat(np.arange(X.shape[0]), np.diff(rows.indptr))
        x, features = rows.data[: row.size].astype(np.float64), rows.indices[: row.size]
        touched = x != 0
        row, x, features = row[touched], x[touched], features[touched]
        steps = x**2 * _state.rates(self._state, features, self._alpha, self._prox)[:, 0]
        bounds = np.bincount(row, steps, X.shape[0]).astype(np.float64)  # of no numbers, of ints
        if self.fit_intercept:
            intercept = _state.rates(self._intercept_state, [0], self._alpha, self._intercept_prox)
            bounds += intercept[0, 0]
        return bounds

    def _weights(self):
        """Return the weights as an array of shape (n_features, n_outputs), float64."""
        if not hasattr(self, "_coef"):
            return _state.coefficients(self._state, self._alpha, self._prox)
        if not sparse.issparse(self._coef):
            return np.array(self._coef.T, np.float64, order="C")  # which is not read-only
        weights = np.zeros(self._coef.shape[::-1])  # its memory comes with use
        weights[self._coef.indices, self._coef.nonzero()[0]] = self._coef.data
        return weights

    @property
    def coef_(self):
        check_is_fitted(self)
        if hasattr(self, "_coef"):
            return self._coef if sparse.issparse(self._coef) else self._shaped(self._coef)
        return _state.read_only(self._shaped(_finite(self._weights().T, self._state.dtype)))

    @property
    def intercept_(self):
        check_is_fitted(self)
        return self._intercepts()

    def _intercepts(self):
        if hasattr(self, "_coef"):
            return self._intercept
        weights = _state.coefficients(self._intercept_state, self._alpha, self._intercept_prox)
        return _state.read_only(_finite(weights[0], np.float64))

    @property
    def learning_rate_(self):
        check_is_fitted(self)
        return float(self._alpha)

    @property
    def beta_(self):
        check_is_fitted(self)
        return self._prox.beta

    @property
    def z_(self):
        return self._shaped(_state.z(self._learned("_state")))

    @property
    def n_(self):
        return self._shaped(_state.n(self._learned("_state")))

    @property
    def intercept_z_(self):
        return _state.z(self._learned("_intercept_state"))[:, 0]

    @property
    def intercept_n_(self):
        return _state.n(self._learned("_intercept_state"))[:, 0]

    def _learned(self, name):
        check_is_fitted(self)
        if hasattr(self, "_coef"):
            raise _FreedError("z and n are not available: sparsify freed them.")
        return getattr(self, name)

    def sparsify(self):
        """Keep the non-zero coefficients alone, as a CSR matrix; there is no way back.

        z and n are freed. The model predicts as before, but for the rounding of float32;
        ``partial_fit`` and the attributes ``z_``, ``n_``, ``intercept_z_`` and ``intercept_n_``
        raise a ValueError.

        Returns
        -------
        self : object
            The estimator, with a sparse ``coef_`` of shape (n_outputs, n_features).
        """
        check_is_fitted(self)
        arrays = get_config().get("sparse_interface") == "sparray"
        to_csr = sparse.csr_array if arrays else sparse.csr_matrix
        if hasattr(self, "_coef"):
            self._coef = to_csr(self._coef)
        else:
            coef, intercept = _finite(self._weights().T, self._state.dtype), self.intercept_
            self._coef, self._intercept = to_csr(coef), intercept
            del self._state, self._intercept_state
        return self

    def densify(self):
        """Turn the ``coef_`` of a sparsified model into a dense array.

        Returns
        -------
        self : object
            The estimator. One that was not sparsified stays as it is.
        """
        check_is_fitted(self)
        if hasattr(self, "_coef") and sparse.issparse(self._coef):
            self._coef = _state.read_only(self._coef.toarray())
        return self

    def _get_fitted_attr_html(self, doc_link=""):
        """Describe the fitted attributes; of those derived from the state, the shape alone."""
        plain = BaseEstimator()
        vars(plain).update(vars(self))
        table = plain._get_fitted_attr_html(doc_link)
        table.estimator_class = type(self)
        if hasattr(self, "_coef"):
            outlines = {"coef_": self._coef, "intercept_": self._intercept}
        else:
            n_outputs, dtype = self._state.shape[2], self._state.dtype
            weights = np.broadcast_to(dtype.type(0), (n_outputs, self.n_features_in_))
            intercepts = np.broadcast_to(0.0, n_outputs)
            outlines = dict.fromkeys(["coef_", "z_", "n_"], self._shaped(weights)) | dict.fromkeys(
                ["intercept_", "intercept_z_", "intercept_n_"], intercepts
            )
        for name, outline in outlines.items():
            table[name] = {
                "type_name": type(outline).__name__,
                "shape": outline.shape,
                "dtype": outline.dtype,
                "value": ...,
            }
        return table


def _version():
    from . import __version__  # which is there when the package is, not while it is imported

    return __version__


class _FreedError(ValueError, AttributeError):
    """Raised for z and n of a sparsified model; hasattr takes it for an AttributeError."""


class _UnchangedOnError:
    """Give back the estimator's attributes as they were if the block raises."""

    def __init__(self, estimator):
        self.estimator = estimator

    def __enter__(self):
        self.before = vars(self.estimator).copy()

    def __exit__(self, error, *_):
        if error:  # never without what predictions of other threads need
            now = vars(self.estimator)
            now.update(self.before)
            for name in now.keys() - self.before.keys():
                del now[name]


def _shares(batches):
    """Return the weights of batches as parts of 1."""
    weights = np.array([batch.weights[batch.order].sum() for batch in batches])
    return weights / weights.sum()


def _split(n_rows, n_parts):
    """Return the starts and stops of parts of nearly equal sizes."""
    return list(itertools.pairwise(n_rows * part // n_parts for part in range(n_parts + 1)))


def _in_threads(function, calls):
    """Return the results of calls that run at the same time."""
    if len(calls) == 1:
        return [function(*calls[0])]
    with ThreadPoolExecutor(len(calls)) as threads:  # Ctrl-C waits for them too
        return list(threads.map(function, *zip(*calls, strict=True)))


def _validate(estimator, *arrays, **checks):
    """Return X, and y if given, as scikit-learn checks them; say which columns are no numbers."""
    try:
        return validate_data(
            estimator, *arrays, accept_sparse="csr", ensure_all_finite=False, **checks
        )
    except (ValueError, TypeError) as error:
        if not any(words in str(error) for words in NO_NUMBER):
            raise
        X = arrays[0]
        if hasattr(X, "column_names"):  # of pyarrow, whose columns are arrays
            columns = [name for name in X.column_names if not _is_numeric(X.select([name]))]
        else:
            columns = [name for name in getattr(X, "columns", []) if not _is_numeric(X[[name]])]
        raise type(error)(
            f"{error}. X must be numbers{f', and columns {columns} are not' if columns else ''}. "
            "ColumnHasher makes them of a table, HashingVectorizer of texts, FeatureHasher of "
            "dicts."
        ) from error


def _is_numeric(column):
    try:
        check_array(column, dtype=np.float64, ensure_all_finite=False)
    except (ValueError, TypeError):
        return False
    return np.asarray(column).dtype.kind not in "mM"  # dates are, but beside numbers


def numbers(array, name):
    """Return an array as float64; errors say its name."""
    try:
        return check_array(array, dtype=np.float64, ensure_2d=False, input_name=name)
    except (ValueError, TypeError) as error:
        if not any(words in str(error) for words in NO_NUMBER):
            raise
        raise type(error)(f"{name} must be numbers: {error}") from error


def _check_sample_weight(sample_weight, n_samples):
    """Return the weights as float64: finite, 0 or more, one a row."""
    if sample_weight is None:
        return np.ones(n_samples)
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_samples, sample_weight)
    sample_weight = numbers(sample_weight, "sample_weight")
    if sample_weight.ndim != 1:
        raise ValueError(
            f"Sample weights must be a scalar or a 1D array, got {sample_weight.ndim}D."
        )
    if sample_weight.size != n_samples:
        raise ValueError(f"sample_weight.shape == {sample_weight.shape}, expected {(n_samples,)}!")
    if sample_weight.min() < 0:
        raise ValueError("Negative values in data passed to `sample_weight`.")
    return sample_weight


def _check_sum(weights):
    """Raise if sample weights are too large to be added up."""
    with np.errstate(over="ignore"):
        if not np.isfinite(weights.sum()):
            raise ValueError("Sample weights are too large: their sum is not finite.")


def _check_init(init, name, shape):
    """Return initial weights as an array of this shape; one output needs no axis."""
    if sparse.issparse(init):
        init = init.toarray()
    init = np.atleast_1d(init)
    init = numbers(init, name)
    if init.shape != shape and (1, *init.shape) != shape:
        raise ValueError(f"{name}.shape == {init.shape}, expected {shape}!")
    return init.reshape(shape)


def _finite(weights, dtype):
    """Return weights in this type, which has to hold them."""
    with np.errstate(over="ignore"):
        weights = weights.astype(dtype, copy=False)
    if not np.isfinite(weights).all():
        raise ValueError(f"A weight is too large for {dtype}. Lower learning_rate or scale X.")
    return weights


def _look_up(coef, indices):
    """Return the weights of these features, a row each, from a CSR matrix."""
    weights = np.zeros((indices.size, coef.shape[0]))
    for output, (start, stop) in enumerate(itertools.pairwise(coef.indptr)):
        if start < stop:
            columns = coef.indices[start:stop]
            at = np.searchsorted(columns, indices).clip(max=stop - start - 1)
            weights[:, output] = np.where(columns[at] == indices, coef.data[start + at], 0.0)
    return weights


def _check_finite(X, estimator):
    """Raise scikit-learn's error for NaN and inf in X; one product finds them sooner."""
    data = X.data if sparse.issparse(X) else X.ravel(order="K")
    with np.errstate(all="ignore"):  # scikit-learn's sum warns too
        if not np.isfinite(np.dot(data, data)):
            assert_all_finite(data, estimator_name=type(estimator).__name__, input_name="X")


def _as_rows(X, estimator=None):
    """Return X, dense or CSR, as the kernel takes it; the caller's arrays stay as they are.

    NaN and inf in CSR are errors where it is told whose.
    """
    if not sparse.issparse(X):
        some = X[:1000]
        if 2 * np.count_nonzero(some) > some.size:  # zeros may stay: no row touches their weights
            starts = np.arange(0, X.size + 1, X.shape[1])
            return Rows(_frozen(X.ravel()), None, _frozen(starts), X.shape[1], None)
        X = sparse.csr_array(X)
    index_dtype = X.indices.dtype if X.indices.dtype in (np.int32, np.int64) else np.int64
    data = _frozen(X.data, X.dtype)
    indices = _frozen(X.indices, index_dtype)
    indptr = _frozen(X.indptr, np.int64)
    if indptr.size != X.shape[0] + 1 or data.size != indices.size:
        raise ValueError("X is not a valid CSR matrix: data, indices and indptr do not fit.")
    ones = np.empty(X.shape[0], bool)
    longest, increasing, finite = inspect_rows(data, indices, indptr, X.shape[1], ones)
    if longest < 0:
        raise ValueError(
            "X is not a valid CSR matrix: an entry of indptr or indices is out of range."
        )
    if estimator is not None and not finite:
        _check_finite(X, estimator)
    if not increasing:
        X = sparse.csr_array((data, indices, indptr), shape=X.shape, copy=True)
        X.sum_duplicates()
        return _as_rows(X)
    return Rows(data, indices, indptr, longest, _frozen(ones))


def _frozen(array, dtype=None):
    """Return a read-only, contiguous view or copy: one numba type whatever the caller has."""
    view = np.ascontiguousarray(array, dtype).view()
    view.flags.writeable = False
    return view
