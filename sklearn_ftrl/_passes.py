"""Passes over rows: their order, who judges them, when they end."""

import time
import warnings
from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing, column_or_1d

from ._team import Team
from ._units import extreme_sizes
from ._weights import loss_of

# What early_stopping="auto" holds out:
ENOUGH_ROWS = 20  # nothing of fewer
MANY_ROWS = 5000  # up to here each of two halves, of more a part
SOME_ROWS = 200  # where halves may not judge each other, a part of more than these

SKIP = 0.75  # of the only pass: the mean over a whole first pass lags behind
CHANCE = 2.0  # by the root of the rows held out: what noise adds to a loss, as a part of it

# Where the rate of "auto" rises, the first pass has twice this part of it, and each next one such
# a part more:
RISE = 0.2
RISING = 12  # passes, as many as fit makes by itself; then the rate stays
LONGER = 1.25  # times the passes that are best for a half, for all rows: they bear more learning


class Passes:
    """Passes of learners over their rows, judged after each, until there is no gain.

    The estimator's learner and copies of it learn a batch each. ``judge``, if there is one, is a
    function of the learners; ``best`` is then the first of them after the best pass. The rate of
    "auto" rises where a judge chooses the number of passes, or has chosen that of a refit.
    """

    def __init__(self, estimator, batches, judge, random_state, max_iter, tol, is_refit=False):
        learner = estimator._learner
        self.judge, self.random_state = judge, random_state
        self.max_iter, self.tol = max_iter, tol
        # Nobody looks at the means of a refit's first passes, but callbacks.
        self.plain = max_iter - 1 if is_refit and not estimator._calls_back() else 0
        self.parts = [
            (learner.copy() if k else learner, learner.in_units(batch))
            for k, batch in enumerate(batches)
        ]
        self.average, self.is_only = estimator.average, estimator.max_iter == 1
        rises = (judge is not None or is_refit) and estimator.learning_rate == "auto"
        rises = rises and self.average and not self.is_only
        self.rate = learner.numbers.rate if rises else None
        self.longer = LONGER if rises and len(batches) > 1 else 1.0
        self.shuffle, self.patience = estimator.shuffle, estimator.n_iter_no_change
        self.sign = -1 if estimator.scoring else 1
        self.team, self.verbose = Team(estimator._n_threads()), estimator.verbose
        self.weight = sum(batch.weights[batch.order].sum() for batch in batches)
        self.loss_curve, self.validation_curve = [], []
        self.n_iter = self.best_iter = 0
        self.best_loss, self.enough, self.best = np.inf, 0.0, None

    @property
    def learner(self):
        """The first of the learners."""
        return self.parts[0][0]

    def learn(self):
        """Make one pass.

        A rate that rises is small at first: what is soon learned as well as it can be is learned
        in small steps, and what takes many passes in large ones.
        """
        self.start = time.perf_counter()
        if self.rate is not None:
            for learner, _ in self.parts:
                learner.set_rate(self.rate * RISE * (min(self.n_iter, RISING - 1) + 2))
        if self.shuffle:
            self.parts = [
                (learner, batch._replace(order=self.random_state.permutation(batch.order)))
                for learner, batch in self.parts
            ]
        total = sum(self._learn(k) for k in range(len(self.parts)))
        self.loss_curve.append(total / self.weight)
        self.n_iter += 1

    def validate(self):
        """Judge the last pass."""
        loss = self.loss_curve[-1]
        report = f"Epoch {self.n_iter}: loss {loss:.6g}"
        if self.judge:
            self.validation_curve.append(self.judge([learner for learner, _ in self.parts]))
            loss = self.sign * self.validation_curve[-1]
            report += f", validation {self.validation_curve[-1]:.6g}"
        if self.verbose:
            print(f"{report}, {time.perf_counter() - self.start:.2f} s")
        if self.n_iter == 1:
            self.enough = (self.tol or 0.0) * abs(loss)
        if loss < self.best_loss - self.enough:
            self.best_loss, self.best_iter = loss, self.n_iter
            if self.judge:
                self.best = self.learner.copy(into=self.best)

    def _learn(self, k):
        """Let a learner make the pass over its rows; return the sum of losses."""
        learner, batch = self.parts[k]
        averages = self.average and self.n_iter >= self.plain
        batches, total = [batch], 0.0
        if averages and self.is_only:
            first = max(1, int(SKIP * batch.order.size))  # not the start
            batches = [batch._replace(order=order) for order in np.split(batch.order, [first])]
        for some in batches:
            if averages and some is batches[-1]:
                learner = learner.averaging()
                self.parts[k] = learner, batch
            total += learner.learn(some, team=self.team)
        return total

    def warn_of_nothing_learned(self, estimator, batches):
        """Warn if an intercept alone is better than the models, by more than chance explains.

        A model that is better by the rows it has learned, and not by others, has learned something.
        """
        alone = self.judge.of_intercepts(estimator, batches)
        n_judged = sum(batch.order.size for batch in self.judge.batches)
        best = min([self.best_loss, *self.loss_curve[1:]])  # at first, they knew nothing
        y = batches[0].targets[batches[0].order]
        is_constant = np.ptp(y) <= 1e-9 * np.abs(y).max()
        if is_constant or self.n_iter == 1 or best <= alone * (1.0 + CHANCE * n_judged**-0.5):
            return
        smallest, largest = extreme_sizes(batches[0], estimator.n_features_in_)
        advice = ["Scale X and y, or look for better features."]
        if largest > 1000.0 * smallest:
            advice.insert(0, f"Columns of X have sizes from {smallest:.2g} to {largest:.2g}.")
        if estimator.learning_rate != "auto":
            advice[-1] = 'learning_rate="auto" and beta="auto" follow the scales of X and y.'
        warnings.warn(
            "An intercept alone predicts the validation rows better than the model: its loss is "
            f"{alone:.3g}, and the model's {self.best_loss:.3g} at best. {' '.join(advice)}",
            ConvergenceWarning,
        )

    @property
    def of_refit(self):
        """How many passes over all rows are best, by those over the rows learned here."""
        return int(self.longer * self.best_iter)

    @property
    def without_gain(self):
        """Whether the last passes have not lowered the loss."""
        return self.tol is not None and self.n_iter - self.best_iter >= self.patience


def held_out(estimator, batch, X, y, sample_weight, random_state):
    """Return the batches to learn, and a function that judges their learners, or None."""
    kind = judges(estimator, batch)
    if kind == "halves":
        return _halve(estimator, batch, sample_weight, random_state)
    if kind == "part":
        return _hold_out(estimator, batch, X, estimator._as_y(y), sample_weight, random_state)
    return [batch], None


def judges(estimator, batch):
    """Return which rows held out find the number of passes: "halves", a "part" or None."""
    if estimator.early_stopping != "auto":
        return "part" if estimator.early_stopping else None
    if estimator.tol is None or estimator.max_iter == 1:  # the number is known
        return None
    n_rows = batch.order.size
    one_of_two = estimator.shuffle and estimator.scoring is None and not estimator.warm_start
    if n_rows <= MANY_ROWS and one_of_two:
        return "halves" if _with_others(estimator, batch).size >= ENOUGH_ROWS else None
    return "part" if n_rows > SOME_ROWS else None


def _hold_out(estimator, batch, X, y, sample_weight, random_state):
    """Return the rows to learn, and a function that judges a model by the others."""
    order, strata = batch.order, None
    fraction = estimator.validation_fraction
    if estimator.shuffle and is_classifier(estimator):
        with_others = _with_others(estimator, batch)
        order = with_others if with_others.size else order
        n_classes = np.unique(batch.targets[order]).size
        smaller = min(fraction, 1 - fraction) * order.size
        strata = batch.targets[order] if n_classes <= smaller else None
    try:
        learned, held_out = train_test_split(
            order,
            test_size=fraction,
            shuffle=estimator.shuffle,
            stratify=strata,
            random_state=random_state,
        )
    except ValueError as error:
        raise ValueError(
            f"early_stopping with validation_fraction={fraction} cannot hold "
            f"out a part of {order.size} rows of weight above 0: {error}"
        ) from error
    if order.size < batch.order.size:  # the only row of a class is learned
        learned = np.r_[learned, np.setdiff1d(batch.order, order)]
    if is_classifier(estimator) and not estimator.shuffle:
        unseen = np.setdiff1d(batch.targets[held_out], batch.targets[learned]).astype(int)
        if unseen.size:
            warnings.warn(
                f"Early stopping holds out the last rows as shuffle=False, and with them all rows "
                f"of the classes {estimator.classes_[unseen].tolist()}: no model learns these "
                "until the refit. Mix the rows, or give X_val."
            )
    if estimator.scoring is None:
        judge = MeanLoss(estimator, [batch._replace(weights=sample_weight, order=held_out)])
    else:
        X = X.tocsr() if sparse.issparse(X) else X
        judge = score(estimator, *(_safe_indexing(a, held_out) for a in (X, y, sample_weight)))
    return [batch._replace(order=learned)], judge


def _halve(estimator, batch, sample_weight, random_state):
    """Return two halves of the rows to learn, and a function by which each judges the other.

    The only row of a class is in both, and judges neither.
    """
    order = random_state.permutation(_with_others(estimator, batch))
    if is_classifier(estimator):  # classes in proportion
        order = order[np.argsort(batch.targets[order], kind="stable")]
    alone = np.setdiff1d(batch.order, order)
    halves = [batch._replace(order=np.r_[order[own::2], alone]) for own in (0, 1)]
    # Contiguous orders, for which code is compiled already.
    others = [batch._replace(order=order[own::2].copy(), weights=sample_weight) for own in (1, 0)]
    return halves, MeanLoss(estimator, others)


def _with_others(estimator, batch):
    """Return the rows whose class has other rows: it can be judged without them."""
    if not is_classifier(estimator):
        return batch.order
    _, class_of, counts = np.unique(
        batch.targets[batch.order], return_inverse=True, return_counts=True
    )
    return batch.order[counts[class_of] > 1]


class MeanLoss:
    """Judges learners by their mean loss, each by a batch of its own."""

    def __init__(self, estimator, batches):
        weights = np.array([batch.weights[batch.order].sum() for batch in batches])
        self.batches, self.shares = batches, weights / weights.sum()
        self.n_threads = estimator._n_threads()

    def __call__(self, learners):
        pairs = zip(learners, self.batches, strict=True)
        return self.shares @ [learner.mean_loss(batch, self.n_threads) for learner, batch in pairs]

    def of_intercepts(self, estimator, learned):
        """Return the loss of models that have only an intercept, found from these batches."""
        losses = []
        for batch, judged in zip(learned, self.batches, strict=True):
            y, weights = batch.targets[batch.order], batch.weights[batch.order]
            with np.errstate(all="ignore"):
                _, _, intercept = estimator._target_scales(y, weights)
            intercept = intercept if estimator.fit_intercept else None
            raws = np.zeros((judged.order.size, estimator._n_outputs()))
            raws += 0.0 if intercept is None else intercept
            y, weights = judged.targets[judged.order], judged.weights[judged.order]
            losses.append(loss_of(estimator._loss(), y, weights, raws) / weights.sum())
        return self.shares @ losses


def score(estimator, X, y, sample_weight):
    """Return a function that scores the estimator's model as ``scoring`` says."""
    scorer = check_scoring(estimator, scoring=estimator.scoring)
    y = column_or_1d(y) if np.ndim(y) == 2 else y
    weights = {} if np.ptp(sample_weight) == 0 else {"sample_weight": sample_weight}

    def judge(_):
        value = scorer(estimator, X, y, **weights)
        if not (isinstance(value, Real) and np.isfinite(value)):
            raise ValueError(f"scoring={estimator.scoring!r} has to give a number, got {value!r}.")
        return value

    return judge
