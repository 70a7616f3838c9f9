"""Columns whose size stands out, which learn in units of their own."""

from typing import NamedTuple

import numpy as np

from ._kernel import njit
from ._rows import entries, largest, occurring
from ._state import read_only

STANDS_OUT = 10.0  # times larger or smaller than the typical column
GROWN = 3.0  # times the typical size: what a number counts at most after its column has grown
DRIFTED = 1.7  # times the typical size, as row numbers from the second call on: 3**.5 of the first
LITTLE = 0.125  # times the typical size: what numbers count then
SOME_ROWS = 10  # one after the other, which tell
SAMPLE = 1000  # rows that tell sizes and the mean row; of a column that stands out, all rows do


class Units(NamedTuple):
    """What x of some features is learned as: (x - center) / size."""

    features: np.ndarray  # sorted
    size: np.ndarray
    center: np.ndarray
    far: np.ndarray  # of a stream's last rows have numbers far above 0; minus those far below

    def rows(self, rows, most=np.inf):
        """Return rows in these units, in which no number is larger than ``most``.

        Of others than centered ones, zeros stay zeros.
        """
        data = np.empty_like(rows.data)
        if rows.indices is None:
            center = np.zeros(rows.longest)
            center[self.features] = self.center
            measure(rows.data, center, self.sizes(rows.longest), most, data)
        else:
            divide(rows.data, rows.indices, self.features, self.size, most, data)
            rows = rows._replace(ones=read_only(np.zeros(rows.ones.size, bool)))
        return rows._replace(data=read_only(data), largest=most)

    def sizes(self, n_features):
        """Return the sizes of all features."""
        sizes = np.ones(n_features)
        sizes[self.features] = self.size
        return sizes

    def uncentered(self):
        """Return the units of these columns about 0."""
        size = np.hypot(self.size, self.center)
        own = size != 1.0
        return of_sizes(self.features[own], size[own])


@njit
def measure(data, center, size, most, out):
    """Write the numbers of dense rows, each measured from its column's center by its size."""
    for start in range(0, data.size, size.size):
        for k in range(size.size):
            out[start + k] = min(max((data[start + k] - center[k]) / size[k], -most), most)


@njit
def divide(data, indices, features, size, most, out):
    """Write the numbers of sparse rows, each by the size of its feature if it has one."""
    for k in range(data.size):
        at, end = 0, features.size
        while at < end:  # np.searchsorted compiles for half a second
            middle = (at + end) // 2
            if features[middle] < indices[k]:
                at = middle + 1
            else:
                end = middle
        own = at < features.size and features[at] == indices[k]
        out[k] = min(max(data[k] / size[at] if own else data[k], -most), most)


def of_sizes(features, size, center=None):
    """Return the units of these features, or None if there are none."""
    if not features.size:
        return None
    center = np.zeros(size.size) if center is None else center
    return Units(features, size, center, far=np.zeros(size.size))


def find_units(batch, n_features, centered):
    """Return the units of the columns whose size stands out in these rows, and the typical size.

    The size is the root mean square of the numbers that are not 0; ``centered``: about the
    column's mean, where more than half of the rows of an array have such a number. The typical
    size is the median of the columns', each counted as often as it has a number.
    """
    rows, order = batch.rows, batch.order
    centered = centered and rows.indices is None
    with np.errstate(all="ignore"):
        some = some_of(order)
        features, counts, centers, sizes, constant = _columns(rows, some, n_features, centered)
        if not features.size:
            return None, 1.0
        typical = _median(sizes, counts)
        if some is not order:
            large = np.unique(_beyond(rows, order, STANDS_OUT * typical)[1])
            if large.size:
                measured, _, *again = _columns(rows, order, n_features, centered, large)
                others = ~np.isin(features, measured)
                found = [features, centers, sizes, constant]
                features, centers, sizes, constant = (
                    np.append(a[others], b) for a, b in zip(found, [measured, *again], strict=True)
                )
        sizes = sizes / typical
        sizes[constant & (sizes < 1.0)] = 1.0  # other rows may differ from these by a lot
    sizes[(sizes >= 1.0 / STANDS_OUT) & (sizes <= STANDS_OUT)] = 1.0
    own = np.flatnonzero((sizes != 1.0) | (centers != 0.0))
    own = own[np.argsort(features[own])]
    return of_sizes(features[own], sizes[own], centers[own]), typical


def grown(units, typical, batch, n_features):
    """Return units that have grown with the numbers of these rows.

    Each number that is more than ten times the typical size doubles that of its column, as far
    as needed: one is an accident, many are another unit. Powers of 2 lose no bits.
    """
    rows = batch.rows if units is None else units.rows(batch.rows)
    numbers, features = _beyond(rows, batch.order, STANDS_OUT * typical)
    if not features.size:
        if units is None:
            return None
        return _grown_where_drifted(units, typical, batch._replace(rows=rows))
    features, at, counts = np.unique(features, return_inverse=True, return_counts=True)
    largest = np.zeros(features.size)
    np.maximum.at(largest, at, numbers)
    sizes = np.ones(n_features) if units is None else units.sizes(n_features)
    needed = np.ceil(np.log2(largest) - np.log2(GROWN * typical))
    sizes[features] *= np.exp2(np.minimum(counts, needed))
    own = np.flatnonzero(sizes != 1.0)
    return of_sizes(own, sizes[own])


def _grown_where_drifted(units, typical, batch):
    """Return units that have grown where all of the last rows, in units, are far from 0.

    A row number, or the time since a start, moves away from the first rows and from 0. It is
    then nearly the same in all rows, as the intercept is, and the larger the louder: so it has
    to count little.
    """
    some, n_units = batch.order[:: max(1, batch.order.size // SOME_ROWS)], units.size.size
    numbers, features = _numbers(batch.rows, some, units.features)
    at = np.searchsorted(units.features, features)
    is_far = np.abs(numbers) > DRIFTED * typical
    far = np.bincount(at[is_far], np.sign(numbers[is_far]), n_units)
    goes_on = (np.abs(far) == some.size) & (far * units.far >= 0.0)
    far = np.where(goes_on, units.far + far, 0.0)
    drifted = np.abs(far) >= SOME_ROWS
    if not drifted.any():
        return units if np.array_equal(far, units.far) else units._replace(far=far)
    largest = np.zeros(n_units)
    np.maximum.at(largest, at, np.abs(numbers) / typical)
    size = units.size.copy()
    size[drifted] *= np.exp2(np.ceil(np.log2(largest[drifted] / LITTLE)))
    own = size != 1.0
    return of_sizes(units.features[own], size[own])


def extreme_sizes(batch, n_features):
    """Return the smallest and the largest size of a column, by some of these rows."""
    *_, sizes, _ = _columns(batch.rows, some_of(batch.order), n_features, centered=False)
    return (sizes.min(), sizes.max()) if sizes.size else (1.0, 1.0)


def alike(one, other):
    """Return whether units, or None, are of the same sizes, as one has come from the other."""
    return one is other or (one is not None and other is not None and one.size is other.size)


def larger(one, other):
    """Return units of the larger size of each feature."""
    if one is other:
        return one
    features = features_of(one, other)
    sizes = np.maximum(sizes_of(one, features), sizes_of(other, features))
    own = sizes != 1.0
    return of_sizes(features[own], sizes[own])


def features_of(*several):
    """Return the features of units, sorted; None has none."""
    features = [units.features for units in several if units is not None]
    return np.unique(np.concatenate([np.empty(0, np.intp), *features]))


def sizes_of(units, features):
    """Return the sizes of features that are those of the units and more."""
    sizes = np.ones(features.size)
    if units is not None:
        sizes[np.searchsorted(features, units.features)] = units.size
    return sizes


def some_of(order):
    """Return some rows at random, as rows may be sorted, or periodic."""
    if order.size <= SAMPLE:
        return order
    return np.random.default_rng(0).choice(order, SAMPLE, replace=False)


def _columns(rows, order, n_features, centered, only=None):
    """Return the features of these rows, or those asked for: counts, centers, sizes, constancy."""
    data, features = _numbers(rows, order, only)
    if only is not None:
        distinct, at = only, np.searchsorted(only, features)
    elif 8 * features.size < n_features:  # spare a look at all features
        distinct, at = np.unique(features, return_inverse=True)
    else:  # spare a sort
        distinct, at = occurring(features, n_features)
    counts = np.bincount(at, minlength=distinct.size)
    centers = np.zeros(distinct.size)
    sizes = np.sqrt(np.bincount(at, data**2, distinct.size) / counts)
    if centered:
        means = np.bincount(at, data, distinct.size) / order.size
        about = np.sqrt(np.bincount(at, (data - means[at]) ** 2, distinct.size) / counts)
        varies = about > 1e-9 * np.abs(means)  # by more than rounding
        often = varies & (2 * counts > order.size)
        centers[often], sizes[often] = means[often], about[often]
    there = np.isfinite(sizes) & (sizes > 0.0)
    constant = counts == order.size
    if constant.any():
        means = np.bincount(at, data, distinct.size) / counts
        about = np.sqrt(np.bincount(at, (data - means[at]) ** 2, distinct.size) / counts)
        constant &= about <= 1e-9 * np.abs(means)
    return tuple(a[there] for a in (distinct, counts, centers, sizes, constant))


def _numbers(rows, order, only=None):
    """Return the numbers of these rows that are not 0, and their features, in any order."""
    if rows.indices is None:
        columns = np.arange(rows.longest) if only is None else only
        data = rows.data.reshape(-1, rows.longest)[order[:, np.newaxis], columns].ravel()
        features = np.tile(columns, order.size)
    elif order.size == rows.indptr.size - 1:
        data, features = rows.data, rows.indices
    else:
        data, features, _ = entries(rows, order)
    kept = data != 0.0
    if only is not None and rows.indices is not None:
        kept &= np.isin(features, only)
    return data[kept].astype(np.float64), features[kept]


def _beyond(rows, order, most):
    """Return the numbers of these rows that are larger, absolute, and their features."""
    at = np.empty(0, np.intp)
    if rows.largest > most and largest(rows.data) > most:
        at = np.flatnonzero(np.abs(rows.data) > most)
    if order.size < rows.indptr.size - 1:
        at = at[np.isin(np.searchsorted(rows.indptr, at, side="right") - 1, order)]
    features = at % rows.longest if rows.indices is None else rows.indices[at]
    return np.abs(rows.data[at]).astype(np.float64), features


def _median(sizes, counts):
    """Return the median of sizes that are there so many times."""
    order = np.argsort(sizes)
    reached = np.cumsum(counts[order])
    return sizes[order][np.searchsorted(reached, reached[-1] / 2.0)]
