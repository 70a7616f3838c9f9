"""What "auto" stands for: learning rate and beta by the first rows and their targets."""

from typing import NamedTuple

import numpy as np

from ._kernel import squares
from ._rows import entries
from ._units import Units, find_units, some_of

ENOUGH_FILLED, ENOUGH_ROWS = 100, 1000  # rows of a stream that "auto" waits for
NOTHING_JUDGED = (0.0,) * 6


class Scales(NamedTuple):
    """What "auto" stands for: the coefficients' rate and beta, and the intercept's in them.

    In a stream the rate is ``factor`` times as large, as the rows ``judged`` have asked for.
    """

    rate: float
    beta: float
    intercept_rate: float
    intercept_beta: float
    intercept: np.ndarray | None  # to start from
    units: Units | None  # of columns whose size stands out
    typical: float  # size of a column
    loss: float = 1.0  # size of a row's loss
    factor: float = 1.0
    judged: tuple = NOTHING_JUDGED

    @property
    def rate_now(self):
        """The rate of the coefficients, where a stream has come to."""
        return self.rate * self.factor


UNKNOWN = Scales(1.0, 1.0, 1.0, 1.0, None, None, np.inf)  # of no rows


def enough(batch):
    """Return whether these first rows of a stream tell what "auto" stands for."""
    if batch.order.size >= ENOUGH_ROWS:
        return True
    squared = np.empty(batch.order.size)
    squares(batch.rows, batch.order, squared)
    return np.count_nonzero(squared) >= ENOUGH_FILLED


def find_scales(
    batch, n_features, of_targets, *, power, fit_intercept, by_largest, by_column, centered
):
    """Return what "auto" stands for by these rows.

    A weight has the unit of the raw prediction by that of x, a gradient that of the loss's
    slope times that of x: so the numbers follow the scales of x, y and sample weights, at
    any power of n. The intercept is a feature that is as large as those of X. What all rows
    have in common is its to learn: lengths are measured from the mean row.

    ``of_targets`` gives the scales of raw predictions and of the loss's slope, and intercepts
    to start from, by targets and weights. ``by_largest``: the longest row sets the rate.
    ``by_column``: columns whose size stands out get units of their own, ``centered`` ones too.
    """
    units, typical = find_units(batch, n_features, centered) if by_column else (None, np.inf)
    if units is not None:
        batch = batch._replace(rows=units.rows(batch.rows))
    squared = np.empty(batch.order.size)
    n_numbers, roots = squares(batch.rows, batch.order, squared)
    if not n_numbers:  # for want of rows that are not empty: features of size 1
        squared[:], n_numbers, roots = 1.0, squared.size, squared.size
    targets, weights = batch.labelled()
    with np.errstate(all="ignore"):
        raw, slope, intercept = of_targets(targets, weights)
        square = squared.max() if by_largest else squared.sum() / np.count_nonzero(squared)
        if fit_intercept:
            square *= _spread(batch, squared, n_features)
        x = np.sqrt(squared.sum() / n_numbers)
        slope *= weights.mean()
        gradient = slope * (roots / n_numbers) ** 2
        scales = Scales(
            rate=raw / np.sqrt(square) * (slope * x) ** (power - 1.0),
            beta=gradient**power,
            intercept_rate=x ** (2.0 - power),
            intercept_beta=slope**power,
            intercept=intercept,
            units=units,
            typical=typical,
            loss=raw * slope,
        )
    in_range = [1e-150 < size < 1e150 for size in scales[:4]]
    if not (all(in_range) and (intercept is None or np.isfinite(intercept).all())):
        raise ValueError(
            'X, y or sample_weight is too large or too small for learning_rate="auto" or '
            'beta="auto". Scale them, or give numbers.'
        )
    return scales


def _spread(batch, squared, n_features):
    """Return the mean square of rows about their mean, by that about 0: 1/9 to 1."""
    filled = batch.order if squared.all() else batch.order[squared > 0.0]
    some = some_of(filled)
    n_some = np.float64(some.size)
    data, features, _ = entries(batch.rows, some)
    if 8 * features.size < n_features:  # spare a look at all features
        _, features = np.unique(features, return_inverse=True)
    sums = np.bincount(features, data)
    square = sums @ sums / n_some**2
    of_mean = square / squared.sum() * filled.size - 1.0 / n_some  # one row has no spread
    return np.clip(1.0 - filled.size / squared.size * of_mean, 1.0 / 9.0, 1.0)
