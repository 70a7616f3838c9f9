"""Columns of a table: of what kind they are, and the hashes that stand for their values."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from sklearn.utils import murmurhash3_32

from ._hashing import hash_integers, hash_texts
from ._tables import (
    as_categories,
    as_numbers,
    buffers,
    integers,
    is_beyond_floats,
    is_dictionary,
    is_missing,
    kind_of,
    look_up,
    map_dictionaries,
    nulls,
    read_as_text,
    text_of,
)

NUMBERS = {"integer", "float", "decimal"}
DATES = {"date", "timestamp", "timestamp with a time zone"}


class Column(NamedTuple):
    """What is known of a column before its values are read."""

    name: str
    kind: str | None
    how: str
    low: np.uint64
    high: np.uint64

    @property
    def key(self):
        return self.high << np.uint64(32) | self.low

    def check_kind(self, fitted, table):
        """Raise if the column is of another kind in the table than in fit."""
        if fitted in (None, self.kind):
            return
        values = table.column(self.name)
        if is_missing(values):
            return
        told = f"Column {self.name!r} was {fitted} in fit and is {self.kind} now"
        if {self.kind, fitted} <= NUMBERS:
            floats = "float" in (self.kind, fitted) and self.how == "category"
            if floats and is_beyond_floats(values):
                raise TypeError(
                    f"{told}, and floats lose digits of numbers from 2**53 on. "
                    f"{read_as_text(self.name)}"
                )
            return
        how = read_as_text(self.name)
        if DATES & {self.kind, fitted}:
            how = "Make text of its dates in all tables, by the same strftime."
        raise TypeError(f"{told}, so equal values would be other features. {how}")

    def hash(self, array, dtype, hashes):
        """Fill the hashes of an array's values; return these if they are quantities, else None."""
        if self.how == "value":
            numbers = as_numbers(array, self, dtype)
            missing = np.isnan(numbers)
            hashes[:] = np.where(missing, ~self.key, self.key)
            return np.where(missing, 1.0, numbers)
        if self.how == "bin":
            bins = _bins(as_numbers(array, self, dtype))
            missing = np.isnan(bins)
            bins = np.where(missing, 0, bins).astype(np.int64)
            bins.flags.writeable = False  # one type for numba
            hash_integers(bins, self.low, self.high, hashes)
            hashes[missing] = ~self.key
        elif is_dictionary(array):
            look_up(array, hashes)
        else:
            self._hash_categories(array, hashes)
        return None

    def hashes_of(self, dictionary):
        """Return the hashes of a dictionary's values, and that of a missing one."""
        hashes = np.full(len(dictionary) + 1, ~self.key)
        self._hash_categories(dictionary, hashes[:-1])
        return hashes

    def _hash_categories(self, array, hashes):
        categories = as_categories(array)
        numbers = integers(categories)
        if numbers is None:
            hash_texts(*buffers(categories), self.low, self.high, hashes)
        else:
            hash_integers(numbers, self.low, self.high, hashes)
        if categories.null_count:
            hashes[nulls(categories)] = ~self.key

    def name_of(self, part_hash, row, dtype):
        """Return what a table of one row has in the column, for people to read."""
        if part_hash == ~self.key:
            return f"{self.name}=<missing>"
        if self.how == "value":
            return self.name
        values = row.column(self.name)
        if self.how == "bin":
            return f"{self.name}=bin {_bins(as_numbers(values, self, dtype))[0]:.0f}"
        return f"{self.name}={text_of(values)}"


def column_of(field, how, default, seed):
    """Return a column of this type; ``how`` was asked for by its name, or is None."""
    kind = kind_of(field)
    is_number = kind in NUMBERS and not is_dictionary(field)
    if how in ("value", "bin") and not (is_number or kind is None):
        raise TypeError(
            f"numeric={{{field.name!r}: {how!r}}} needs numbers, but the type of the column is "
            f"{field.type}."
        )
    if how is None:
        how = default if is_number and isinstance(default, str) else "category"
    if kind in NUMBERS and not is_number and default in ("value", "bin"):
        kind = "categorical"  # other features than those of numbers
    return Column(field.name, kind, how, *_seeds(field.name, seed))


@lru_cache(2**12)  # a request of one row needs those of all its columns
def _seeds(name, seed):
    low = murmurhash3_32(name + "=", seed=seed, positive=True)
    high = murmurhash3_32(name + "=", seed=low, positive=True)
    return np.uint64(low), np.uint64(high)


def hash_dictionaries(table, columns):
    """Return the table with hashes in its dictionaries, of all their values once."""
    by_name = {column.name: column for column in columns}
    return map_dictionaries(table, lambda name, values: by_name[name].hashes_of(values))


def _bins(numbers):
    """Return the bins that numbers fall in, NaN where they are missing."""
    small = np.where(numbers < 0, -1.0, np.ceil(numbers))
    return np.where(numbers > 2, 3 + np.floor(np.log(np.maximum(numbers, 2.0)) ** 2), small)
