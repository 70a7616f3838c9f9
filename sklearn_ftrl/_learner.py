"""A linear model that learns: z and root n, what turns them into weights, rows learned."""

from typing import Any, NamedTuple

import numpy as np

from . import _state, _threads
from ._kernel import (
    FEW,
    ROOT_N,
    Average,
    Clip,
    Loss,
    Prox,
    change_curvature,
    learn_few,
    learn_many,
)
from ._team import Team
from ._units import STANDS_OUT, features_of, larger, sizes_of
from ._weights import finite, loss_of, product

NOTHING = _state.read_only(np.empty(0))  # in the place of targets and weights


class Numbers(NamedTuple):
    """What a model learns and reads its weights with, beside its state."""

    loss: Loss
    rate: Any  # a float, or a function of the step number
    prox: Prox
    intercept_prox: Prox
    clip: Clip | None
    fit_intercept: bool


class Learner:
    """A linear model that learns rows, one step each, by FTRL-Proximal.

    ``state`` and ``intercept_state`` hold z and root n, ``t`` counts the rows learned, and
    ``alpha`` is the learning rate of the last step, with which weights are read.
    """

    def __init__(self, state, intercept_state, numbers, scales=None, t=0):
        self.state, self.intercept_state = state, intercept_state
        self.numbers, self.scales, self.t = numbers, scales, t
        self.alpha = self.rates(0)[-1]

    @classmethod
    def new(cls, n_features, n_outputs, dtype, n, numbers, scales=None):
        """Return a model that has learned nothing; n is that of each coordinate."""
        return cls(
            _state.start(n_features, n_outputs, dtype, n),
            _state.start(1, n_outputs, np.float64, n),
            numbers,
            scales,
        )

    def __getstate__(self):
        """Return the attributes; of a state of zeros, which may be large, its shape and dtype."""
        attributes = vars(self)
        if self.t == 0 and not self.state.any():
            return attributes | {"state": (self.state.shape, self.dtype)}
        return attributes

    def __setstate__(self, attributes):
        vars(self).update(attributes)
        if isinstance(self.state, tuple):
            self.state = _state.zeros(*self.state)

    @property
    def dtype(self):
        return self.state.dtype

    @property
    def shape(self):
        return self.state.shape[2], self.state.shape[0]

    @property
    def units(self):
        """The units in which some columns are learned, or None."""
        return self.scales.units if self.scales is not None else None

    @property
    def is_centered(self):
        """Whether some columns are measured from where they are, and not from 0."""
        return self.units is not None and bool(self.units.center.any())

    def in_units(self, batch):
        """Return rows as this model learns them."""
        return batch if self.units is None else batch._replace(rows=self.units.rows(batch.rows))

    def in_stream(self, batch):
        """Return rows as this model learns them in a stream, where accidents happen."""
        if self.units is None:  # else they would have grown
            return batch
        most = STANDS_OUT * self.scales.typical
        return batch._replace(rows=self.units.rows(batch.rows, most))

    def learned(self):
        """Return this model, which has z and n."""
        return self

    def averaging(self):
        """Return a model that goes on from here and is read as the mean over its last pass."""
        states = _state.widened(self.state), _state.widened(self.intercept_state)
        model = Averaging(*states, self.numbers, self.scales, self.t)
        model.alpha, model.begin, model.start = self.alpha, 0, self.t
        return model

    def with_numbers(self, numbers, scales):
        """Return a model with other numbers and the same weights.

        It shares the state, if the weights need no other z. A schedule goes on: weights are read
        at the rate of its last step.
        """
        model = Learner(self.state, self.intercept_state, numbers, scales, self.t)
        if not (callable(numbers.rate) and numbers.rate == self.numbers.rate):
            old = self.numbers
            model.state = _state.with_kept_weights(
                self.state, self.alpha, old.prox, model.alpha, numbers.prox
            )
            model.intercept_state = _state.with_kept_weights(
                self.intercept_state,
                self.alpha,
                old.intercept_prox,
                model.alpha,
                numbers.intercept_prox,
            )
        for name in ["state", "intercept_state"]:
            if not getattr(model, name).flags.writeable:  # from a file mapped into memory
                setattr(model, name, _state.copied(getattr(model, name)))
        return model

    def grown(self, at, n_outputs, n, factor, scales):
        """Return a model of more outputs, in which those of this one are at these places.

        One output becomes two, with minus and plus ``factor`` times its weights.
        """
        prox, intercept_prox = self.numbers.prox, self.numbers.intercept_prox
        state = _state.grown(self.state, at, n_outputs, n, prox, factor)
        intercept = _state.grown(self.intercept_state, at, n_outputs, n, intercept_prox, factor)
        return Learner(state, intercept, self.numbers, scales, self.t)

    def spread(self, features, n_features, n):
        """Return a model of so many features, in which those of this one are these."""
        state = _state.start(n_features, self.state.shape[2], self.dtype, n)
        state[features] = self.state
        scales = self.scales
        if self.units is not None:
            units = self.units._replace(features=features[self.units.features])
            scales = scales._replace(units=units)
        return Learner(state, self.intercept_state, self.numbers, scales, self.t)

    def is_sound(self, shape):
        """Return whether the arrays are what the kernel writes to without looking."""
        n_outputs, n_features = shape
        shapes = [(n_features, 2, n_outputs), (1, 2, n_outputs)]
        return all(
            isinstance(array, np.ndarray)
            and array.shape == shape
            and array.dtype in (np.float64, dtype)
            and array.flags.c_contiguous
            for array, shape, dtype in zip(
                [self.state, self.intercept_state], shapes, "fd", strict=True
            )
        )

    def copy(self, into=None):
        """Return a model with a state of its own, in the arrays of an earlier copy if given."""
        arrays = [self.state, self.intercept_state]
        if into is None:
            arrays = [_state.copied(array) for array in arrays]
        else:
            into.state[:], into.intercept_state[:] = arrays
            arrays = [into.state, into.intercept_state]
        copy = Learner(*arrays, self.numbers, self.scales, self.t)
        copy.alpha = self.alpha
        return copy

    def set_weights(self, weights):
        """Set z so that the weights are these, of shape (n_outputs, n_features)."""
        if self.units is not None:
            weights = weights * self.units.sizes(weights.shape[1])
        _state.set_weights(self.state, weights, self.alpha, self.numbers.prox)

    def set_intercepts(self, intercepts):
        """Set z so that the intercepts are these, of shape (n_outputs,)."""
        prox, units = self.numbers.intercept_prox, self.units
        if self.is_centered:
            own = _state.coefficients(self.state[units.features], self.alpha, self.numbers.prox)
            intercepts = intercepts + units.center / units.size @ own
        self.intercept_state = self.intercept_state.copy()  # which others may share
        _state.set_weights(self.intercept_state, intercepts[:, np.newaxis], self.alpha, prox)

    def set_rate(self, rate):
        """Set the learning rate; the weights stay."""
        state = _state.with_kept_weights(
            self.state, self.alpha, self.numbers.prox, rate, self.numbers.prox
        )
        self.take_rate(rate, state, self.intercept_at(rate))

    def take_rate(self, rate, state, intercept_state):
        """Set the learning rate, and the states that go with it."""
        self.state, self.intercept_state = state, intercept_state
        self.numbers, self.alpha = self.numbers._replace(rate=rate), rate

    def intercept_at(self, alpha):
        """Return the state of the intercept that has its weights at another rate."""
        prox = self.numbers.intercept_prox
        return _state.with_kept_weights(self.intercept_state, self.alpha, prox, alpha, prox)

    def rates(self, n_steps):
        """Return the learning rates of the next steps, that of the step before in front."""
        rate = self.numbers.rate
        if not callable(rate):
            return np.array([rate])
        steps = np.arange(self.t - 1, self.t + n_steps).clip(0)
        try:
            rates = np.asarray(rate(steps), np.float64)
        except Exception as error:
            raise ValueError(
                f"learning_rate={rate!r} failed for an array of step numbers: "
                f"{type(error).__name__}: {error}"
            ) from error
        if rates.shape != steps.shape:
            raise ValueError(
                f"learning_rate returned an array of shape {rates.shape} for step numbers of "
                f"shape {steps.shape}. Return a rate for each step, as np.full(steps.size, 0.1)."
            )
        if not (np.isfinite(rates).all() and rates.min() > 0):
            raise ValueError("learning_rate returned a rate that is not finite or not above 0.")
        return rates

    def learn(self, batch, raws=None, team=None):
        """Make one pass in this order; return the weighted sum of the losses before learning.

        With ``raws``, for the raw predictions before learning, rows are learned one by one and
        the order may contain rows of weight 0.
        """
        rows, order, _, weights = batch
        row_cost = self.state.shape[2] * (1 + rows.data.size // (rows.indptr.size - 1))
        team = Team() if team is None or raws is not None else team
        n_threads = team.size(self, row_cost * order.size)
        parts = team.members(self, n_threads)
        step, total = max(1, n_threads * team.block(self, n_threads) // row_cost), 0.0
        for start in range(0, order.size, step):
            block = order[start : start + step]
            rates = self.rates(block.size if raws is None else np.count_nonzero(weights[block]))
            learned = np.zeros((n_threads, 1), np.int64)
            calls = [
                (
                    part,
                    batch._replace(order=block[a:b]),
                    self.numbers.loss,
                    rates if rates.size == 1 else rates[a : b + 1],
                    raws,
                    learned[k],
                )
                for k, (part, (a, b)) in enumerate(
                    zip(parts, _threads.split(block.size, n_threads), strict=True)
                )
            ]
            done = n_threads == 1
            try:
                results = _threads.in_threads(Learner._pass, calls)
                done = done or all(failed < 0 for _, failed in results)
            finally:  # Ctrl-C is raised when the rows are learned
                if done:
                    n_learned = learned.sum()
                    try:
                        if n_threads > 1:
                            team.merge(self, rates[-1], self._average(), learned[:, 0])
                    finally:
                        self.t += int(n_learned)
                        self.alpha = rates[min(n_learned, rates.size - 1)]
                        for part in parts:
                            part.t = self.t
            for loss, failed in results:
                total += loss
                if failed >= 0:
                    raise ValueError(
                        f"The loss or gradient of row {failed} is not finite, or too large "
                        "for the state. Lower learning_rate, raise beta, or scale X and y. The "
                        "model keeps what it has learned: t_ counts the rows."
                    )
        if n_threads > 1:
            team.rest(self)
        return total

    def _pass(self, batch, loss, rates, raws, learned):
        """Call the kernel."""
        n_outputs = self.state.shape[2]
        with np.errstate(over="ignore"):  # it refuses rows where that is inf
            inverse_alphas = 1.0 / rates
        arguments = (
            *batch,
            loss,
            inverse_alphas,
            self.numbers.prox,
            self.numbers.intercept_prox,
            self.numbers.clip,
            self.numbers.fit_intercept,
            self._average(),
            self.state.reshape(-1),
            self.intercept_state[0],
            raws,
            learned,
        )
        if n_outputs > FEW:
            return learn_many(*arguments)
        return learn_few(*arguments, None if n_outputs == 1 else n_outputs)

    def _average(self):
        """Return the steps that the weights are a mean over: none, the state is plain."""

    def predict(self, rows, order, n_threads=1):
        """Return the linear predictor of rows in this order, of shape (n_rows, n_outputs)."""
        if self._needs_all_weights(rows, order):
            return product(rows, order, self.weights(), self.intercepts(), n_threads)
        return self.predict_in_units(rows if self.units is None else self.units.rows(rows), order)

    def _needs_all_weights(self, rows, order):
        """Return whether rows are predicted by all weights, and not by the state of theirs."""
        mixed = self.is_centered and rows.indices is not None
        n_numbers = rows.data.size * order.size // (rows.indptr.size - 1)
        return mixed or n_numbers >= self.state.shape[0]

    def predict_in_units(self, rows, order):
        """Return the linear predictor of rows in the units of this model."""
        raws = np.empty((rows.indptr.size - 1, self.state.shape[2]))
        batch = rows, order, NOTHING, NOTHING
        self._pass(batch, None, np.array([self.alpha]), raws, np.zeros(1, np.int64))
        return raws[order]

    def mean_loss(self, batch, n_threads=1):
        """Return the weighted mean of the losses, learning nothing."""
        y, weights = batch.targets[batch.order], batch.weights[batch.order]
        raws = self.predict(batch.rows, batch.order, n_threads)
        loss = loss_of(self.numbers.loss, y, weights, raws) / weights.sum()
        if not np.isfinite(loss):
            raise ValueError(
                "The loss of the validation rows is not finite. Lower learning_rate, raise beta, "
                "or scale X and y."
            )
        return loss

    def balance(self, batch):
        """Move the intercept so that the predicted counts of these rows sum up to theirs."""
        y, weights = batch.targets[batch.order], batch.weights[batch.order]
        with np.errstate(all="ignore"):
            means = np.exp(self.predict(batch.rows, batch.order)[:, 0])
            shift = np.log((weights @ y) / (weights @ means))
        if np.isfinite(shift):
            self.set_intercepts(self.intercepts() + shift)

    def weights(self):
        """Return the weights as an array of shape (n_features, n_outputs), float64."""
        weights = _state.coefficients(self.state, self.alpha, self.numbers.prox)
        if self.units is not None:
            weights[self.units.features] /= self.units.size[:, np.newaxis]
        return weights

    def intercepts(self):
        """Return the intercepts, of shape (n_outputs,)."""
        prox, units = self.numbers.intercept_prox, self.units
        weights = _state.coefficients(self.intercept_state, self.alpha, prox)[0]
        if self.is_centered:
            own = _state.coefficients(self.state[units.features], self.alpha, self.numbers.prox)
            weights = weights - units.center / units.size @ own
        return _state.read_only(finite(weights, np.float64))

    def z(self):
        """Return z, read-only, of shape (n_outputs, n_features)."""
        return self._in_units_of_x(_state.z(self.state), 1)

    def n(self):
        """Return the sums of squared gradients, read-only, of shape (n_outputs, n_features)."""
        return self._in_units_of_x(_state.n(self.state), 2)

    def _in_units_of_x(self, array, power):
        """Return an array of shape (n_outputs, n_features) times this power of x's units."""
        if self.units is None:
            return array
        with np.errstate(over="ignore"):  # in float32
            array = array * (self.units.sizes(array.shape[1]) ** power).astype(array.dtype)
        return _state.read_only(array)

    def uncentered(self):
        """Return a model with these weights whose intercept takes the centers of columns."""
        if not self.is_centered:
            return self
        scales = self.scales._replace(units=self.units.uncentered())
        return self.with_units(scales, keep_weights=True)

    def with_units(self, scales, keep_weights=False):
        """Return a model with the units of these scales, and z and n as they are, or the weights.

        Where a column's unit grows, and z and n stay, its weight falls.
        """
        features = features_of(self.units, scales.units)
        sizes = sizes_of(scales.units, features)
        factor = sizes_of(self.units, features) / sizes
        model = Learner(
            _state.copied(self.state), self.intercept_state, self.numbers, scales, self.t
        )
        model.alpha = self.alpha
        weights = _state.coefficients(self.state[features], self.alpha, self.numbers.prox)
        state = model.state[features] * factor[:, np.newaxis, np.newaxis].astype(self.dtype)
        if self.is_centered:  # squares of g x, where those of g (x - center) were summed
            at, center = np.searchsorted(features, self.units.features), self.units.center
            of_center = np.outer(center / sizes[at], self.intercept_state[0, ROOT_N])
            state[at, ROOT_N] = np.hypot(state[at, ROOT_N], of_center)
        if keep_weights:
            _state.keep_weights(state, weights.T / factor, self.alpha, self.numbers.prox)
        model.state[features] = state
        if self.is_centered:
            model.set_intercepts(self.intercepts())
        return model

    def step_bounds(self, rows):
        """Return how far a gradient of 1 would move the linear predictor of each row."""
        rows = rows if self.units is None else self.units.rows(rows)
        n_rows = rows.indptr.size - 1
        row = np.repeat(np.arange(n_rows), np.diff(rows.indptr))
        x, features = rows.data[: row.size].astype(np.float64), rows.indices[: row.size]
        touched = x != 0
        row, x, features = row[touched], x[touched], features[touched]
        steps = x**2 * _state.rates(self.state, features, self.alpha, self.numbers.prox)[:, 0]
        bounds = np.bincount(row, steps, n_rows).astype(np.float64)  # of no numbers, of ints
        if self.numbers.fit_intercept:
            prox = self.numbers.intercept_prox
            bounds += _state.rates(self.intercept_state, [0], self.alpha, prox)[0, 0]
        return bounds

    def sums(self, start):
        """Return what this model has learned since the start, as numbers that add up, and units.

        They are in the units of the start, and z is a sum of gradients, whatever the rate. The
        third are the rows learned, and by how much their rate has followed them.
        """
        followed = 0.0 if self.scales is None else self.scales.factor - start.scales.factor
        intercept = self.intercept_at(start.alpha) if followed else self.intercept_state
        in_units = self if self.units is start.units else self.with_units(start.scales)
        return [
            _state.sums(in_units.state, start.state, self.numbers.prox.power),
            _state.sums(intercept, start.intercept_state, self.numbers.intercept_prox.power),
            (self.t - start.t) * np.array([1.0, followed]),
            self.units,
        ]

    def merged(self, one, other=None):
        """Return the model of the sums of all parts that have started from this one.

        They come in one group or in two.
        """
        coefs, intercepts, learned, units = one
        if other is None:
            other = coefs.none(), intercepts.none(), np.zeros(2), units
        more_coefs, more_intercepts, more_learned, other_units = other
        units = larger(units, other_units)
        prox, intercept_prox = self.numbers.prox, self.numbers.intercept_prox
        start = self
        if units is not self.units:
            start = self.with_units(self.scales._replace(units=units))
            features = features_of(self.units, units)
            factor = sizes_of(self.units, features) / sizes_of(units, features)
            coefs, more_coefs = (
                _state.scaled(each, features, factor) for each in (coefs, more_coefs)
            )
        state = _state.merged(start.state, coefs, more_coefs, self.alpha, prox)
        intercept = _state.merged(
            self.intercept_state,
            intercepts,
            more_intercepts,
            self.alpha,
            intercept_prox,
            is_intercept=True,
        )
        n_rows, followed = learned + more_learned
        model = Learner(state, intercept, self.numbers, start.scales, self.t + int(n_rows))
        model.alpha = self.alpha
        if followed:
            factor = start.scales.factor + float(followed / n_rows)
            model.scales = start.scales._replace(factor=factor)
            rate = model.scales.rate_now
            model.take_rate(rate, model.state, model.intercept_at(rate))
        return model


class Averaging(Learner):
    """A model that learns on while it is read as the mean of its weights over its last steps.

    The mean is of the weights before l1 acts, over the steps from ``begin`` on; what acts is z
    that stands for it. The state has room for the mean, and is twice as large.
    """

    start: int  # rows learned before: steps are counted from here, as float32 may count them
    begin: int

    def learn(self, batch, raws=None, team=None):
        """Make one pass, over which the mean is; return the sum of losses."""
        self.begin = self.t - self.start
        return super().learn(batch, team=team)

    def set_rate(self, rate):
        """Set the learning rate; the weights stay. The state is this model's own, and large."""
        intercept_state, prox = self.intercept_at(rate), self.numbers.prox
        try:
            change_curvature(self.state, self.alpha, prox, rate, prox)
        finally:  # Ctrl-C is raised when the state has changed
            self.take_rate(rate, self.state, intercept_state)

    def _average(self):
        return Average(self.begin, self.t - self.start)

    def averaging(self):
        """Return this model."""
        return self

    def learned(self):
        """Return the model of the mean, whose state is plain."""
        return self.copy()

    def copy(self, into=None):
        """Return the model of the mean, in the arrays of an earlier copy if given."""
        average, numbers = self._average(), self.numbers
        arrays = (None, None) if into is None else (into.state, into.intercept_state)
        states = [
            _state.averaged(state, average, self.alpha, prox, out)
            for state, prox, out in zip(
                [self.state, self.intercept_state],
                [numbers.prox, numbers.intercept_prox],
                arrays,
                strict=True,
            )
        ]
        copy = Learner(*states, numbers, self.scales, self.t)
        copy.alpha = self.alpha
        return copy

    def predict(self, rows, order, n_threads=1):
        """Return the linear predictor of rows in this order, of shape (n_rows, n_outputs)."""
        if self._needs_all_weights(rows, order):
            return self.copy().predict(rows, order, n_threads)
        return super().predict(rows, order)

    def weights(self):
        """Return the weights as an array of shape (n_features, n_outputs), float64."""
        return self.copy().weights()

    def intercepts(self):
        """Return the intercepts, of shape (n_outputs,)."""
        return self.copy().intercepts()
