"""Columns whose size stands out, which learn in units of their own."""

from typing import NamedTuple

import numpy as np

from ._state import read_only

STANDS_OUT = 10.0  # times larger or smaller than the typical column


class Units(NamedTuple):
    """What x of some features is learned as: (x - center) / size."""

    features: np.ndarray  # sorted
    size: np.ndarray
    center: np.ndarray

    def rows(self, rows):
        """Return rows in these units; of others than centered ones, zeros stay zeros."""
        if rows.indices is None:
            data = rows.data.reshape(rows.indptr.size - 1, rows.longest).copy()
            columns = data[:, self.features].astype(np.float64)
            data[:, self.features] = (columns - self.center) / self.size
            data = data.ravel()
        else:
            at, own = self._find(rows.indices)
            data = rows.data.copy()
            data[own] /= self.size[at[own]]
            rows = rows._replace(ones=read_only(np.zeros(rows.ones.size, bool)))
        return rows._replace(data=read_only(data))

    def _find(self, features):
        """Return where in these units the features are, and which of them are there."""
        at = np.searchsorted(self.features, features).clip(max=self.features.size - 1)
        return at, self.features[at] == features

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


def of_sizes(features, size, center=None):
    """Return the units of these features, or None if there are none."""
    if not features.size:
        return None
    return Units(features, size, np.zeros(size.size) if center is None else center)


def find_units(batch, n_features, centered):
    """Return the units of the columns whose size stands out in these rows, and the typical size.

    The size is the root mean square of the numbers that are not 0; ``centered``: about the
    column's mean, where more than half of the rows of an array have such a number. The typical
    size is the median of the columns', each counted as often as it has a number. A column that
    is the same in all rows has none: what little it varies by is rounding.
    """
    with np.errstate(all="ignore"):
        if batch.rows.indices is None:
            features, count, center, squares, constant = _of_array(batch, centered)
        else:
            data, indices = _numbers(batch.rows, batch.order)
            sizes = np.abs(data)
            if not sizes.max(initial=0.0) > STANDS_OUT * sizes.min(initial=np.inf):
                return None, np.sqrt(np.mean(sizes**2)) if sizes.size else 1.0  # as if all are 1
            features, count, squares, constant = _of_csr(data, indices, n_features, batch)
            center = np.zeros(features.size)
        size = np.sqrt(squares / count)
        there = (count > 0) & ~constant & np.isfinite(size)
        if not there.any():
            return None, 1.0
        typical = _median(size[there], count[there])
        size = np.where(there, size / typical, 1.0)
    size[(size >= 1.0 / STANDS_OUT) & (size <= STANDS_OUT)] = 1.0
    own = (size != 1.0) | (center != 0.0)
    return of_sizes(features[own], size[own], center[own]), typical


def grown(units, typical, batch, n_features):
    """Return units in which no number of these rows is ten times the typical size."""
    rows, order = batch.rows, batch.order
    most = STANDS_OUT * typical
    if not np.abs(rows.data).max(initial=0.0) > most:
        return units
    if rows.indices is None:
        data = np.abs(rows.data.reshape(rows.indptr.size - 1, rows.longest)[order])
        features, largest = np.arange(rows.longest), data.max(axis=0).astype(np.float64)
    else:
        data, indices = _numbers(rows, order)
        data = np.abs(data)
        features, at = np.unique(indices[data > most], return_inverse=True)
        largest = np.zeros(features.size)
        np.maximum.at(largest, at, data[data > most])
    size = np.ones(n_features) if units is None else units.sizes(n_features)
    stands_out = largest > most * size[features]
    size[features[stands_out]] = largest[stands_out] / most
    if not stands_out.any():
        return units
    own = np.flatnonzero(size != 1.0)
    return of_sizes(own, size[own])


def _of_array(batch, centered):
    """Return the features of an array, their counts, centers, sums of squares, who is constant."""
    rows = batch.rows
    data = rows.data.reshape(rows.indptr.size - 1, rows.longest)[batch.order].astype(np.float64)
    count, mean = np.count_nonzero(data, axis=0), data.mean(axis=0)
    center = np.where(centered & (2 * count > batch.order.size), mean, 0.0)
    squares = np.where(data != 0.0, (data - center) ** 2, 0.0).sum(axis=0)
    return np.arange(rows.longest), count, center, squares, data.std(axis=0) <= 1e-9 * np.abs(mean)


def _numbers(rows, order):
    """Return the numbers that are not 0 in rows of a CSR matrix, and their indices."""
    kept = rows.data != 0.0
    if order.size < rows.indptr.size - 1:
        learned = np.zeros(rows.indptr.size - 1, bool)
        learned[order] = True
        kept &= np.repeat(learned, np.diff(rows.indptr))
    if kept.all():
        return rows.data.astype(np.float64), rows.indices
    return rows.data[kept].astype(np.float64), rows.indices[kept]


def _of_csr(data, indices, n_features, batch):
    """Return the features of a CSR matrix, their counts, sums of squares, who is constant."""
    features = np.arange(n_features)
    if indices.size < n_features:  # spare a look at all features
        features, indices = np.unique(indices, return_inverse=True)
    count = np.bincount(indices, minlength=features.size)
    total, squares = (np.bincount(indices, x, features.size) for x in (data, data**2))
    n_rows = batch.order.size
    variance = squares / n_rows - (total / n_rows) ** 2  # to the rounding of squares
    return features, count, squares, (count == n_rows) & (variance <= 1e-12 * squares / n_rows)


def _median(sizes, counts):
    """Return the median of sizes that are there so many times."""
    order = np.argsort(sizes)
    reached = np.cumsum(counts[order])
    return sizes[order][np.searchsorted(reached, reached[-1] / 2.0)]
