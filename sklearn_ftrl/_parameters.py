"""Parameters: what they may be, what "auto" stands for, and the Learner that they make."""

import operator
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from joblib import effective_n_jobs
from sklearn import get_config
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Interval, StrOptions

from . import _rows
from ._auto import UNKNOWN, Scales, find_scales
from ._fitted import FittedFtrl
from ._kernel import Clip, Prox
from ._learner import Learner, Numbers
from ._units import alike, grown


class ParametrizedFtrl(FittedFtrl):
    """An estimator whose parameters tell how its Learner learns.

    A subclass knows its losses (``_loss``), and the scale of targets (``_target_scales``).
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

    def _numbers(self, scales: Scales | None) -> Numbers:
        """Return what to learn with: set_params acts at the next fit or partial_fit."""
        scales = scales or UNKNOWN
        rate, beta, intercept_rate, intercept_beta = self.learning_rate, self.beta, 1.0, self.beta
        if self.learning_rate == "auto":
            rate, intercept_rate = scales.rate_now, scales.intercept_rate
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

    def _n_threads(self):
        """Return how many threads may learn or predict at the same time."""
        if self.n_jobs is None or self.n_jobs > 0:  # whatever joblib is told: the same bits
            return self.n_jobs or 1
        return effective_n_jobs(self.n_jobs)

    def _uses_auto(self):
        return "auto" in (self.learning_rate, self.beta)

    def _waits_for_rows(self):
        """Return whether more rows may change what "auto" stands for."""
        return self._uses_auto() and (self._learner.scales is None or hasattr(self, "_first_rows"))

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

    def _with_units_of_now(self, scales, batch):
        """Return scales whose units have grown with these rows, or are 1 for explicit numbers."""
        if scales is None:
            return None
        if self.learning_rate != "auto":  # numbers are for all columns
            return scales._replace(units=None, typical=np.inf)
        units = grown(scales.units, scales.typical, batch, self.n_features_in_)
        return scales._replace(units=units)

    def _ready(self, before, batch, coef_init=None, intercept_init=None, features=None):
        """Return the learner with the parameters of now, ready to learn the first of these rows.

        A new one is of these features.
        """
        scales = None if before is None else before.scales
        by_column = self.learning_rate == "auto" and scales is not None
        finds = self._uses_auto() if scales is None else by_column and scales.typical == np.inf
        if finds:
            scales = self._find_scales(batch, centered=not isinstance(before, Learner))
        if before is not None:
            scales = self._with_units_of_now(scales, batch)
        if isinstance(before, Learner):
            if scales is not None and not alike(scales.units, before.units):
                keep_weights = finds or self.learning_rate != "auto"
                before = before.with_units(scales, keep_weights)
            learner = before.with_numbers(self._numbers(scales), scales)
        else:
            n_features = self.n_features_in_ if features is None else features.size
            learner = self._new_learner(n_features, batch.rows.data.dtype, scales)
        self._start_from(learner, coef_init, intercept_init)
        learner.rates(batch.order.size)  # a schedule that fails does so before a row is learned
        return learner

    def _new_learner(self, n_features, dtype, scales):
        """Return a learner that has learned nothing."""
        return Learner.new(
            n_features,
            self._n_outputs(),
            dtype,
            self.initial_accumulator_value,
            self._numbers(scales),
            scales,
        )

    def _blank(self, learner):
        """Return a learner like this one that has learned nothing."""
        return self._new_learner(learner.shape[1], learner.dtype, learner.scales)

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

    def _settle(self, batch, features):
        """Let the intercept take what columns were measured from, and a mean count be right.

        The rate is that of one epoch again, and a model of some features becomes one of all.
        """
        self._learner = learner = self._learner.learned()  # Ctrl-C may have come before it was
        if self.loss == "poisson" and self.average and self.fit_intercept:
            learner.balance(batch)
        if learner.is_centered:
            scales = self._find_scales(batch)
            learner = learner.with_units(scales, keep_weights=True)
            learner = learner.with_numbers(self._numbers(scales), scales)
        elif self.learning_rate == "auto":
            learner.set_rate(learner.scales.rate_now)
        if features is not None:
            learner = learner.spread(features, self.n_features_in_, self.initial_accumulator_value)
        self._learner = learner
