"""make_click_log: a click log whose probabilities are known."""

import itertools
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtri
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, validate_params

__all__ = ["make_click_log"]

ROWS_PER_HOUR = 10_000
PILOT = 2**14  # rows that the intercept is found with
LOG_COUNT_STD = 1.154  # of log(1 + count)
TWO_DIGITS = np.array([f"{number:02x}" for number in range(256)])
IDS, COUNTS, CLICKS, ID_WEIGHTS, PAIR_WEIGHTS = range(5)  # random sequences, one a column


@validate_params(
    {
        "n_samples": [Interval(Integral, 0, None, closed="left")],
        "cardinalities": ["array-like"],
        "n_counts": [Interval(Integral, 0, None, closed="left")],
        "n_interactions": [Interval(Integral, 0, None, closed="left")],
        "base_rate": [Interval(Real, 0, 1, closed="neither")],
        "signal": [Interval(Real, 0, 1e3, closed="both")],
        "drift": [Interval(Real, 0, 1e3, closed="both")],
        "start": [Interval(Integral, 0, 2**52, closed="both")],
        "as_frame": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_click_log(
    n_samples=10_000,
    *,
    cardinalities=(10, 100, 1_000, 10_000, 100_000, 1_000_000),
    n_counts=2,
    n_interactions=2,
    base_rate=0.05,
    signal=1.5,
    drift=0.0,
    start=0,
    as_frame=False,
    random_state=None,
):
    """Make a click log: a table of ids and counts, who clicked, and with what probability.

    The log has the true probabilities. They tell the smallest possible loss, and how far that of a
    model is above it.

    Parameters
    ----------
    n_samples : int, default=10_000
        Rows, 0 or more.
    cardinalities : array-like of int, default=(10, 100, 1_000, 10_000, 100_000, 1_000_000)
        How many different ids each column of ids has, from 1 to 2**32. The k-th most frequent
        has about 1 / k of the first one's frequency.
    n_counts : int, default=2
        Columns of counts, 0 or more: whole numbers, most of them small, some in the hundreds.
    n_interactions : int, default=2
        Pairs of columns of ids whose combinations have weights of their own: the first ones
        of (0, 1), (0, 2), ..., (1, 2), ....
    base_rate : float, default=0.05
        Mean of the probabilities, above 0 and below 1, about. It wanders if there is drift.
    signal : float, default=1.5
        Standard deviation of the log-odds, from 0 to 1000, about: how much ids and counts tell.
    drift : float, default=0.0
        How many times a day each id's weight becomes a wholly new one, from 0 to 1000. It
        changes smoothly. A day has 240,000 rows.
    start : int, default=0
        Row to start from, from 0 to 2**52. Calls with the same ``random_state``, an int, give
        parts of one endless log, whichever way it is cut.
    as_frame : bool, default=False
        Whether the table is a pandas DataFrame.
    random_state : int, RandomState instance or None, default=None
        Seed of all that is random. Pass an int for the same log in each call.

    Returns
    -------
    log : :class:`~sklearn.utils.Bunch`
        data : dict {str: ndarray of shape (n_samples,)} or DataFrame
            "hour", int64: hours since row 0, each of 10,000 rows. "id0", "id1", ...: ids, as
            strings of 8 hexadecimal digits. "count0", ...: counts, int64.
        target : ndarray of shape (n_samples,)
            Clicks, 0 or 1, int64.
        probability : ndarray of shape (n_samples,)
            The probability of each click.
        interactions : list of tuples of str
            The pairs of columns that have weights, as ``ColumnHasher`` takes them.

    Raises
    ------
    ValueError, TypeError
        If a parameter is not valid.
    ImportError
        If ``as_frame`` is true, and pandas is not installed.

    See Also
    --------
    sklearn_ftrl.preprocessing.ColumnHasher : Turns such a table into sparse rows.

    Notes
    -----
    The k-th of c ids comes with the probability log(1 + 1 / k) / log(1 + c). Counts are
    exp(1 + 1.5 x) rounded down, x from the standard normal distribution.

    The log-odds are an intercept plus ``signal`` times the scaled sum of a weight for each
    id, a weight for each pair of ids in an interaction, and log(1 + count) for each count,
    scaled to the same variance. Weights come from a uniform distribution. With drift, each
    goes from one to the next along a quarter of a circle, so its variance stays. The
    intercept is the one that gives ``base_rate`` in the first 2**14 rows.

    Each row is made without those before it, so a log of any size takes the memory of the
    rows returned at a time.

    Examples
    --------
    A log of any size, a part at a time:

    >>> from sklearn_ftrl.datasets import make_click_log
    >>> for start in range(0, 30_000, 10_000):
    ...     log = make_click_log(10_000, start=start, random_state=0)
    ...     print(f"hour {log.data['hour'][0]}: {log.target.mean():.1%} clicked")
    hour 0: 5.0% clicked
    hour 1: 5.1% clicked
    hour 2: 4.9% clicked
    """
    n_samples, start = int(n_samples), int(start)  # Philox.advance refuses numpy's integers
    cardinalities = np.asarray(cardinalities)
    if cardinalities.ndim != 1 or (cardinalities.size and cardinalities.dtype.kind not in "iu"):
        raise ValueError(f"cardinalities must be a 1-D array of integers, got {cardinalities!r}.")
    if cardinalities.size and not 1 <= cardinalities.min() <= cardinalities.max() <= 2**32:
        raise ValueError(f"cardinalities must be from 1 to 2**32, got {cardinalities!r}.")
    pairs = list(itertools.combinations(range(len(cardinalities)), 2))
    if n_interactions > len(pairs):
        raise ValueError(
            f"n_interactions={n_interactions} is more than the {len(pairs)} pairs of "
            f"{len(cardinalities)} columns of ids."
        )
    pairs = pairs[:n_interactions]
    if as_frame:
        import pandas as pd
    seed = check_random_state(random_state).randint(2**31 - 1)
    log = _Log(cardinalities, n_counts, pairs, signal, drift, seed)
    raw = log.log_odds(0, PILOT, *log.ids_and_counts(0, PILOT))
    bracket = logit(base_rate) - raw.max() - 1, logit(base_rate) - raw.min() + 1
    intercept = brentq(lambda b: expit(b + raw).mean() - base_rate, *bracket)

    ids, counts = log.ids_and_counts(start, n_samples)
    probability = expit(intercept + log.log_odds(start, n_samples, ids, counts))
    data = {"hour": np.arange(start, start + n_samples) // ROWS_PER_HOUR}
    data |= {f"id{j}": _spell(column, j) for j, column in enumerate(ids)}
    data |= {f"count{j}": column for j, column in enumerate(counts)}
    clicks = log.uniform(CLICKS, 0, start, n_samples) < probability
    return Bunch(
        data=pd.DataFrame(data) if as_frame else data,
        target=clicks.astype(np.int64),
        probability=probability,
        interactions=[(f"id{j}", f"id{k}") for j, k in pairs],
    )


class _Log(NamedTuple):
    """An endless log. Any of its rows can be made without those before it."""

    cardinalities: np.ndarray
    n_counts: int
    pairs: list
    signal: float
    drift: float
    seed: int

    def uniform(self, kind, j, start, n):
        """Return the numbers start to start + n - 1 of a random sequence on [0, 1)."""
        bits = np.random.Philox(np.random.SeedSequence([self.seed, kind, j]))
        bits.advance(start // 4)  # Philox makes four numbers at a time
        return np.random.Generator(bits).random(start % 4 + n)[start % 4 :]

    def ids_and_counts(self, start, n):
        """Return the columns of n rows, ids as numbers that begin with 0, the most frequent."""
        ids = []
        for j, cardinality in enumerate(self.cardinalities):
            u = self.uniform(IDS, j, start, n)
            rank = np.floor(np.exp(u * np.log(cardinality + 1.0)))  # P(k) = log(1 + 1/k) / log(..)
            ids.append(rank.astype(np.uint64) - np.uint64(1))
        counts = [
            np.exp(1.0 + 1.5 * ndtri(self.uniform(COUNTS, j, start, n))).astype(np.int64)
            for j in range(self.n_counts)
        ]
        return ids, counts

    def log_odds(self, start, n, ids, counts):
        """Return the log-odds of n rows, without the intercept."""
        days = np.arange(start, start + n) / (24 * ROWS_PER_HOUR)
        total = np.zeros(n)
        for j, column in enumerate(ids):
            total += self.weights(ID_WEIGHTS, j, column, days)
        for c, (j, k) in enumerate(self.pairs):
            total += self.weights(PAIR_WEIGHTS, c, ids[j] << np.uint64(32) | ids[k], days)
        for column in counts:
            total += np.log1p(column) / LOG_COUNT_STD  # their mean is the intercept's
        n_terms = len(ids) + len(self.pairs) + len(counts)
        return self.signal * total / np.sqrt(max(1, n_terms))

    def weights(self, kind, j, ids, days):
        """Return the weights of ids on these days: of mean 0 and variance 1 over many ids."""
        salt = np.random.SeedSequence([self.seed, kind, j]).generate_state(1, np.uint64)
        epoch, fraction = np.divmod(self.drift * days, 1.0)

        def drawn(epoch):
            mixed = _mix(ids ^ _mix(salt + epoch.astype(np.uint64)))
            return (mixed >> np.uint64(11)) * (np.sqrt(12.0) / 2**53) - np.sqrt(3.0)

        if not self.drift:
            return drawn(epoch[:1])
        angle = fraction * (np.pi / 2)  # the squares of both factors add up to 1
        return np.cos(angle) * drawn(epoch) + np.sin(angle) * drawn(epoch + 1)


def _mix(keys):
    """Return 64 bits for each key that look random: a step of SplitMix64."""
    keys = keys * np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ keys >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ keys >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return keys ^ keys >> np.uint64(31)


def _spell(ids, j):
    """Return the ids of column j as strings of eight digits, a different one for each."""
    numbers = (ids + np.uint64(1)) * np.uint64(0x9E3779B1) + np.uint64(j)
    shifts = np.array([24, 16, 8, 0], dtype=np.uint64)
    return TWO_DIGITS[numbers[:, None] >> shifts & np.uint64(255)].view("<U8")[:, 0]
