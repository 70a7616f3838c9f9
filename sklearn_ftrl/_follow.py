"""The rate of a stream under "auto" follows what the rows say before they are learned."""

import numpy as np

from ._auto import NOTHING_JUDGED
from ._kernel import count_new
from ._rows import check_some
from ._weights import loss_of

FIRST = 1000  # rows learned when the rate is set anew for the first time, then at twice as many
RUN = 16  # rows, one after the other, that are judged: so few calls of a long stream are
PRIOR = 30.0  # rows of curvature 1 that speak for the rate as it is
STEP, RANGE = (0.5, 2.0), (0.125, 8.0)  # of one change, and of all together
AT_ONCE = 16.0  # rows of a call: in smaller ones a large rate follows what changes


def learn(learner, batch, team=None):
    """Make one pass in this order, cut where the rate is set anew; return the sum of losses."""
    size, start, total = batch.order.size, 0, 0.0
    while start < size:
        mark = FIRST << (learner.t // FIRST).bit_length()
        part = batch
        if start or size > mark - learner.t:
            part = batch._replace(order=batch.order[start : start + mark - learner.t])
        if learner.t:
            _judge(learner, part, mark // (2 * FIRST) | 1)  # odd: rows may alternate
        total += learner.learn(part, team=team)
        if learner.t == mark:
            _set_rate(learner)
        start += part.order.size
    return total


def _judge(learner, batch, every):
    """Sum up what one run of so many says of the rate.

    Losses by coefficients half as large, as they are, and half as large again; how many rows these
    are, and how many have a feature that no row has taught yet; the rows as parts of calls.
    """
    size, period = batch.order.size, RUN * every
    first = -learner.t % period  # where a run begins; the one before may reach into the call
    if size <= first <= period - RUN:
        return
    at = np.arange(first - period, size, period)[:, np.newaxis] + np.arange(RUN)
    order = batch.order[at[(at >= 0) & (at < size)]]
    y, weights = batch.targets[order], batch.weights[order]
    rows = batch.rows
    if not rows.checked:
        rows, order = check_some(rows, order, learner.shape[1]), np.arange(order.size)
    raws = learner.predict_in_units(rows, order)
    with np.errstate(all="ignore"):
        half = 0.5 * (raws - learner.intercepts())
        losses = [
            loss_of(learner.numbers.loss, y, weights, moved)
            for moved in (raws - half, raws, raws + half)
        ]
    n_new = count_new(rows, order, learner.state)
    judged = np.add(learner.scales.judged, [*losses, order.size, n_new, order.size / size])
    learner.scales = learner.scales._replace(judged=tuple(judged.tolist()))


def _set_rate(learner):
    """Set the rate to what the rows judged ask for.

    z stays, so coefficients change with the rate, as was judged; intercepts stay.
    """
    scales = _followed(learner.scales)
    rate = scales.rate_now
    learner.take_rate(rate, learner.state, learner.intercept_at(rate))
    learner.scales = scales


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
