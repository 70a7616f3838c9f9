"""The rate of a stream under "auto" follows what the rows say before they are learned."""

import numpy as np

from . import _state
from ._auto import NOTHING_JUDGED
from ._kernel import count_new, total_loss

FIRST = 1000  # rows learned when the rate is set anew for the first time, then at twice as many
RUN = 16  # rows in a row that are judged, or a call would cost for each of them
PRIOR = 30.0  # rows of curvature 1 that speak for the rate as it is
STEP, RANGE = (0.5, 2.0), (0.125, 8.0)  # of one change, and of all together
AT_ONCE = 16.0  # rows of a call: in smaller ones a large rate follows what changes


def learn(learner, batch, n_threads=1):
    """Make one pass in this order, cut where the rate is set anew; return the mean loss."""
    order, start, total, weight = batch.order, 0, 0.0, 0.0
    while start < order.size:
        mark = FIRST << (learner.t // FIRST).bit_length()
        part = batch._replace(order=order[start : start + mark - learner.t])
        judged = _judged(learner, part, mark // (2 * FIRST) | 1) if learner.t else 0.0
        loss = learner.learn(part, n_threads=n_threads)
        judged = tuple(np.add(learner.scales.judged, judged))
        learner.scales = learner.scales._replace(judged=judged)
        if learner.t == mark:
            _set_rate(learner)
        if part.order.size == order.size:
            return loss
        of_part = batch.weights[part.order].sum()
        start, total, weight = start + part.order.size, total + of_part * loss, weight + of_part
    return total / (weight or 1.0)


def _judged(learner, batch, every):
    """Return what one run of so many says of the rate: sums over these rows.

    Their losses by coefficients half as large, as they are, and half as large again; how many
    they are, and have a feature that no row has taught yet; and as parts of calls.
    """
    order = batch.order[(learner.t + np.arange(batch.order.size)) % (RUN * every) < RUN]
    if not order.size:
        return 0.0
    y, weights = batch.targets[order], batch.weights[order]
    raws = learner.predict_in_units(batch.rows, order)
    with np.errstate(all="ignore"):
        half = 0.5 * (raws - learner.intercepts())
        losses = [
            total_loss(learner.numbers.loss, y, weights, moved)
            for moved in (raws - half, raws, raws + half)
        ]
    n_new = count_new(batch.rows, order, learner.state)
    return *losses, order.size, n_new, order.size / batch.order.size


def _set_rate(learner):
    """Set the rate to what the rows judged ask for.

    z stays, so coefficients change with the rate, as was judged; intercepts stay.
    """
    scales = _followed(learner.scales)
    old, prox = learner.alpha, learner.numbers.intercept_prox
    learner.intercept_state = _state.with_kept_weights(
        learner.intercept_state, old, prox, scales.rate_now, prox
    )
    learner.numbers = learner.numbers._replace(rate=scales.rate_now)
    learner.scales, learner.alpha = scales, scales.rate_now


def _followed(scales):
    """Return scales whose factor is what the rows judged ask for.

    It is where the parabola through their losses is lowest: larger coefficients would have lost
    less where the rate is too small, smaller ones where it is too large. Rows that come again
    ask for more at any rate, so it rises above its start only where most rows have a feature
    that is new.
    """
    less, same, more, n_rows, n_new, calls = scales.judged
    with np.errstate(all="ignore"):
        asked = 1.0 + (less - more) / (4.0 * (less - 2.0 * same + more) + PRIOR * scales.loss)
    if not np.isfinite(asked):  # of losses that are too large
        asked = 1.0
    factor = scales.factor * np.clip(asked, *STEP)
    if 2.0 * n_new <= n_rows:
        factor = min(factor, max(scales.factor, 1.0))
    lowest = AT_ONCE * calls / max(n_rows, 1.0)
    factor = np.clip(max(factor, min(lowest, scales.factor)), *RANGE)
    return scales._replace(factor=float(factor), judged=NOTHING_JUDGED)
