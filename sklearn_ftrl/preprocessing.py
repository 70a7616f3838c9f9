"""ColumnHasher: tables of ids, counts and dates as hashed CSR rows."""

import itertools
import math
import warnings
from numbers import Integral
from typing import ClassVar

import numpy as np
from joblib import effective_n_jobs
from scipy import sparse
from sklearn import get_config
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context, clone
from sklearn.utils._param_validation import Interval, Options, StrOptions

from ._columns import column_of, hash_dictionaries
from ._fitted import DOC_PAGE
from ._hashing import weave
from ._tables import as_table, has_fractions, is_dictionary, is_missing
from ._threads import in_threads

__all__ = ["ColumnHasher"]

BLOCK = 2**18  # hashes at a time, as a cache holds them; a thread needs as many entries to pay
MOST_CROSSES = 2**20  # features a row that an order of interactions may ask for
MOST_NAMES = 2**24


class ColumnHasher(TransformerMixin, BaseEstimator):
    """Turn the rows of a table into sparse rows of a fixed width, by hashing.

    Each value of a column, such as ``site="news"``, is a feature. Each combination of values
    that ``interactions`` asks for is a feature too. A hash of the column's name and the value
    gives the index of a feature, so there is no vocabulary to learn, and a value that comes up
    later has an index already. Two features may share an index; their entries are added.

    ``fit`` is optional. It remembers the columns and their kinds, and ``transform`` then
    refuses other ones.

    It needs pyarrow (extra ``arrow``).

    Parameters
    ----------
    n_features : int, default=2**20
        Width of the rows, from 1 to 2**63 - 1. A larger width has fewer collisions, and the
        model needs more memory. Indices are int64 from 2**31 on.
    interactions : int, list of tuples of str or None, default=None
        Combinations of columns that are features too. A tuple names two or more columns. An
        int k, 2 or more, stands for all combinations of up to k columns.
    numeric : {"category", "value", "bin"} or dict {column: one of these}, default="category"
        What the numbers of a column are:

        - "category": ids. Each number is a feature.
        - "bin": counts or amounts. Each bin of numbers is a feature; see Notes.
        - "value": quantities. The column is one feature, and the number is its value.

        Columns that a dict does not name have "category". A column of ids that has decimals is
        warned of once, in the first ``transform`` that finds them, unless a dict names it.
    missing : {"own", "skip"}, default="own"
        What a missing value (None, NaN) is. "own": a feature of its own, one per column.
        "skip": nothing, and nor are the interactions with it.
    alternate_sign : bool, default=False
        Whether half of the features, chosen by their hashes, have the negative of their value.
        Features that collide then cancel on average instead of adding up.
    dtype : {numpy.float64, numpy.float32}, default=numpy.float64
        Type of the values. The model has the same.
    seed : int, default=0
        From 0 to 2**32 - 1. Another seed gives other collisions.
    n_jobs : int or None, default=None
        Threads in ``transform``: 1 for None, one per core for -1, one core less for -2. The
        rows are the same, bit for bit. Small tables take one thread.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns in ``fit``. Only after a ``fit`` with a table, as what follows.
    feature_names_in_ : ndarray of shape (`n_features_in_`,) of object
        Their names, sorted. ``transform`` expects these columns, in any order.
    column_kinds_ : dict {str: str or None}
        The kind of each column: "integer", "float", "decimal", "text", "boolean", "date",
        "timestamp", "timestamp with a time zone", or None for a column without a value.
        ``transform`` refuses another kind. Details:

        - Integers, floats and decimals are one kind, unless an id is too large for a float.
        - A categorical column has the kind of its values, but "categorical" where they are
          numbers and ``numeric`` is "bin" or "value".
        - A column without a value is never refused.

    See Also
    --------
    sklearn.feature_extraction.FeatureHasher : Hashes rows that are dicts.

    Notes
    -----
    A table is one of these:

    - a pandas or Polars DataFrame; the index of pandas is not a column;
    - a pyarrow Table or RecordBatch, or anything with ``__arrow_c_stream__``;
    - a dict of columns;
    - a 2-D array, whose columns are named x0, x1, and so on. So are columns that have whole
      numbers for names.

    The same values of the same type give the same features in all of these. The order of the
    columns has no effect.

    Integers, floats and decimals are numbers. Strings, booleans, dates, timestamps and
    categoricals (dictionaries of Arrow) are categories. Other types are refused: lists, binary
    data, durations. A category is hashed by its text, in UTF-8:

    ==================  ==========================================================
    boolean             true, false
    whole number        its decimal digits: 1, 1.0 and the string "1" are the same
    other number        the shortest decimal that gives the same float64: 0.1, 1e-07
    date                2024-01-31
    timestamp           2024-01-31 23:59:59.000000, to the microsecond; UTC if it has
                        a time zone
    ==================  ==========================================================

    The bin of a number x is -1 below 0, 0 at 0, 1 up to 1, 2 up to 2, and
    3 + floor(log(x)**2) beyond [1]_. Bins are narrow for small counts and wide for large ones.
    A bin is hashed as a whole number.

    The hash has 64 bits. m(text, seed) is MurmurHash3_x86_32 [2]_, which is
    ``sklearn.utils.murmurhash3_32``:

    1. A column has the seeds a = m(name + "=", ``seed``) and b = m(name + "=", a).
    2. A text t in the column has the hash 2**32 m(t, b) + m(t, a). A column of values has
       2**32 b + a. A missing value has the complement of 2**32 b + a.
    3. The hash of a feature is the sum of its columns' hashes, one or more, modulo 2**64,
       through fmix64 of [2]_.
    4. The index is this hash modulo ``n_features``, and the sign its highest bit. The value is
       the product of the columns' values, 1 for a category. Hashing features is due to [3]_.

    A row takes time and memory by its own features, not by ``n_features``. Rows have sorted
    indices, and neither duplicates nor zeros. The result is a ``csr_matrix``, or what
    ``sklearn.set_config(sparse_interface=...)`` asks for. ``transform`` may be called by
    several threads at once.

    References
    ----------
    .. [1] Y. Juan, Y. Zhuang, W.-S. Chin and C.-J. Lin, "Field-aware Factorization Machines
       for CTR Prediction", RecSys 2016, and the code of their entry to the Criteo challenge.
    .. [2] A. Appleby, "MurmurHash3", https://github.com/aappleby/smhasher.
    .. [3] K. Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML
       2009.

    Examples
    --------
    >>> from sklearn_ftrl.preprocessing import ColumnHasher
    >>> table = {"site": ["news", "mail", None], "ad": [7, 7, 9], "clicks": [0, 12, 2]}
    >>> hasher = ColumnHasher(interactions=[("site", "ad")], numeric={"clicks": "bin"})
    >>> X = hasher.transform(table)
    >>> X.shape, X.nnz
    ((3, 1048576), 12)
    >>> sorted(hasher.inverse_index(table, X[1].indices).values())
    [['ad=7'], ['ad=7 & site=mail'], ['clicks=bin 9'], ['site=mail']]
    """

    _doc_link_module = "sklearn_ftrl"
    _doc_link_template = DOC_PAGE
    _parameter_constraints: ClassVar[dict] = {
        "n_features": [Interval(Integral, 1, 2**63 - 1, closed="both")],
        "interactions": [Interval(Integral, 2, None, closed="left"), list, tuple, None],
        "numeric": [StrOptions({"category", "value", "bin"}), dict],
        "missing": [StrOptions({"own", "skip"})],
        "alternate_sign": ["boolean"],
        "dtype": [Options(type, {np.float64, np.float32}), StrOptions({"float64", "float32"})],
        "seed": [Interval(Integral, 0, 2**32 - 1, closed="both")],
        "n_jobs": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Integral, None, -1, closed="right"),
            None,
        ],
    }

    def __init__(
        self,
        n_features=2**20,
        *,
        interactions=None,
        numeric="category",
        missing="own",
        alternate_sign=False,
        dtype=np.float64,
        seed=0,
        n_jobs=None,
    ):
        self.n_features = n_features
        self.interactions = interactions
        self.numeric = numeric
        self.missing = missing
        self.alternate_sign = alternate_sign
        self.dtype = dtype
        self.seed = seed
        self.n_jobs = n_jobs

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X=None, y=None):
        """Remember the columns of a table and their kinds.

        ``transform`` works without it, and then takes any columns of any kind.

        Parameters
        ----------
        X : table of shape (n_samples, n_columns), default=None
            A table such as ``transform`` will get, or its first rows. None: ``transform`` takes
            any columns.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The transformer.

        Raises
        ------
        ValueError, TypeError
            If a parameter or a column of X is not valid; the message names it.
        ImportError
            If X needs pyarrow, and it is not installed.
        """
        found = {}
        if X is not None:
            table = as_table(X)
            columns, _ = clone(self)._plan(table)  # which knows no other columns
            names = [c.name for c in columns]
            kinds = [None if is_missing(table.column(c.name)) else c.kind for c in columns]
            found["n_features_in_"] = len(names)
            found["feature_names_in_"] = np.array(names, dtype=object)
            found["column_kinds_"] = dict(zip(names, kinds, strict=True))
        for name in ["n_features_in_", "feature_names_in_", "column_kinds_"]:
            vars(self).pop(name, None)
        vars(self).update(found, _warned=set())
        return self

    def fit_transform(self, X, y=None):
        """Remember the columns of a table, and return its rows.

        Parameters
        ----------
        X : table of shape (n_samples, n_columns)
            See ``transform``.
        y : None
            Ignored.

        Returns
        -------
        rows : CSR matrix or array of shape (n_samples, n_features)
            See ``transform``.
        """
        table = as_table(X)  # once: a stream can be read only once
        return self.fit(table).transform(table)

    def transform(self, X):
        """Return the rows of a table as sparse rows.

        Parameters
        ----------
        X : table of shape (n_samples, n_columns)
            See Notes of the class. X is not changed. A stream is read to its end.

        Returns
        -------
        rows : CSR matrix or array of shape (n_samples, n_features)
            Of ``dtype``, with sorted indices, and without duplicates and zeros.

        Raises
        ------
        ValueError
            If a parameter is not valid, if X lacks a column that a parameter or ``fit`` names
            or has one that ``fit`` did not have, if columns have the same name, or if a number
            is too large for ``dtype``.
        TypeError
            If X is no table in memory, or if a column cannot be hashed, is of another kind than
            in ``fit``, or has no numbers though ``numeric`` names it.
        ImportError
            If pyarrow is not installed.

        Warns
        -----
        UserWarning
            If numbers with decimals are taken for ids; see ``numeric``.
        """
        self._validate_params()
        table = as_table(X)
        columns, crosses = self._plan(table)
        self._warn_of_amounts(table, columns)
        table = hash_dictionaries(table, columns)
        parts = self._share(table, len(crosses))
        members, starts = _flat(crosses)
        room = np.cumsum([0, *(self._room(part, columns, members, starts) for part in parts)])
        indices = np.empty(room[-1], self._index_dtype(0))
        data = np.empty(room[-1], self.dtype)

        def fill(part, start, stop):
            entries = indices[start:stop], data[start:stop]
            return self._fill(part, columns, members, starts, *entries)

        lengths = in_threads(fill, list(zip(parts, room[:-1], room[1:], strict=True)))
        n = _close_gaps([indices, data], room[:-1], map(np.sum, lengths))
        indices, data = indices[:n], data[:n]
        if 2 * n < room[-1]:  # free what is mostly empty
            indices, data = indices.copy(), data.copy()
        index_dtype = self._index_dtype(n)
        indices = indices.astype(index_dtype, copy=False)
        indptr = np.concatenate([[0], *lengths]).cumsum()
        arrays = get_config().get("sparse_interface") == "sparray"
        to_csr = sparse.csr_array if arrays else sparse.csr_matrix
        shape = (table.num_rows, self.n_features)
        rows = to_csr((data, indices, indptr.astype(index_dtype, copy=False)), shape=shape)
        rows.has_canonical_format = True  # or scipy would look
        return rows

    def inverse_index(self, X, indices):
        """Return which values of a table have these indices.

        Parameters
        ----------
        X : table of shape (n_samples, n_columns)
            Where to look; as in ``transform``.
        indices : array-like of int of shape (n,)
            From 0 to n_features - 1. For example, those of the largest weights of a model.

        Returns
        -------
        names : dict {int: list of str}
            The names of what X has at each index, sorted. More than one name is a collision.
            None means that X has nothing there. A name is "site=news" for a category,
            "clicks=bin 3" for a bin, "price" for a value, and "site=<missing>" for a missing
            value. Interactions are joined by " & ". Bytes that are not UTF-8 are escaped.

        Raises
        ------
        ValueError, TypeError, ImportError
            As in ``transform``, and if indices are not such integers.
        """
        self._validate_params()
        wanted = np.asarray(indices)
        if wanted.ndim != 1 or (wanted.size and wanted.dtype.kind not in "iu"):
            raise ValueError(f"indices must be a 1-D array of integers, got {indices!r}.")
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < self.n_features:
            raise ValueError(f"indices must be from 0 to {self.n_features - 1}, got {indices!r}.")
        wanted = wanted.astype(np.int64)
        names = {int(index): set() for index in wanted}
        table = as_table(X)
        columns, crosses = self._plan(table)
        start = 0
        for batch in _batches(hash_dictionaries(table, columns)):
            hashes, values = self._parts(batch, columns)
            for cross in crosses:
                found = np.empty(batch.num_rows, self._index_dtype(0))
                lengths = np.empty(batch.num_rows, np.int64)
                data = np.empty(batch.num_rows, self.dtype)
                n = self._weave(hashes, values, *_flat([cross]), found, data, lengths)
                here = np.isin(found[:n], wanted)
                rows, found = np.flatnonzero(lengths)[here], found[:n][here]
                sums = hashes[np.ix_(cross, rows)].sum(axis=0)
                for k in np.unique(sums, return_index=True)[1]:
                    row = table.slice(start + int(rows[k]), 1)
                    parts = [columns[j].name_of(hashes[j, rows[k]], row, self.dtype) for j in cross]
                    names[int(found[k])].add(" & ".join(parts))
            start += batch.num_rows
        return {index: sorted(those) for index, those in names.items()}

    def get_feature_names_out(self, input_features=None):
        """Return "columnhasher0", "columnhasher1", and so on.

        ``inverse_index`` tells which values these stand for.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Ignored: any column may have any index.

        Returns
        -------
        names : ndarray of shape (n_features,) of object
            The names.

        Raises
        ------
        ValueError
            If ``n_features`` is above 2**24, where the names alone would fill a memory.
        """
        self._validate_params()
        if self.n_features > MOST_NAMES:
            raise ValueError(
                f"n_features={self.n_features} are too many to name. Ask inverse_index for some."
            )
        return np.array([f"columnhasher{j}" for j in range(self.n_features)], dtype=object)

    def _validate_params(self):
        super()._validate_params()
        for name, how in self.numeric.items() if isinstance(self.numeric, dict) else ():
            if how not in ("category", "value", "bin"):
                raise ValueError(
                    f'numeric={{{name!r}: {how!r}}} must be "category", "value" or "bin".'
                )
        for names in self.interactions if isinstance(self.interactions, list | tuple) else ():
            texts = isinstance(names, list | tuple) and all(isinstance(n, str) for n in names)
            if not texts or not 2 <= len(set(names)) == len(names):
                raise ValueError(
                    "interactions must be tuples of the names of two or more different columns, "
                    f"got {names!r}."
                )

    def _plan(self, table):
        """Return the columns, sorted by name, and the tuples of their positions to cross."""
        names = sorted(table.column_names)
        if len(set(names)) < len(names):
            twice = sorted({a for a, b in itertools.pairwise(names) if a == b})
            raise ValueError(f"Columns of X have the same name: {twice}.")
        fitted = set(getattr(self, "feature_names_in_", names))
        if fitted != set(names):
            told = "The columns of X are not those of fit."
            if len(fitted) != len(names):
                told = (
                    f"X has {len(names)} features, but ColumnHasher is expecting {len(fitted)} "
                    "features as input."
                )
            odd = {"Missing": fitted - set(names), "unknown": set(names) - fitted}
            odd = "; ".join(f"{what}: {sorted(those)}" for what, those in odd.items() if those)
            raise ValueError(f"{told} {odd}.")
        numeric = self.numeric if isinstance(self.numeric, dict) else {}
        order = min(self.interactions, len(names)) if isinstance(self.interactions, Integral) else 1
        tuples = self.interactions if isinstance(self.interactions, list | tuple) else []
        unknown = set(numeric).union(*tuples) - set(names)
        if unknown:
            raise ValueError(
                "numeric or interactions name columns that X does not have: "
                f"{sorted(unknown, key=str)}."
            )
        if sum(math.comb(len(names), k) for k in range(order + 1)) > MOST_CROSSES:
            raise ValueError(
                f"interactions={self.interactions} gives {len(names)} columns more than "
                f"{MOST_CROSSES} features a row. List those you need."
            )
        columns = [
            column_of(table.field(name), numeric.get(name), self.numeric, self.seed)
            for name in names
        ]
        kinds = getattr(self, "column_kinds_", {})
        for column in columns:
            column.check_kind(kinds.get(column.name), table)
        position = {name: j for j, name in enumerate(names)}
        crosses = {tuple(sorted(position[name] for name in cross)) for cross in tuples}
        for k in range(1, order + 1):
            crosses.update(itertools.combinations(range(len(names)), k))
        return columns, sorted(crosses)

    def _warn_of_amounts(self, table, columns):
        """Warn, once a column, if numbers that look like amounts are taken for ids."""
        warned = vars(self).setdefault("_warned", set())
        chosen = self.numeric if isinstance(self.numeric, dict) else {}
        for name, kind, how, *_ in columns:
            is_id = how == "category" and kind in {"float", "decimal"}
            if not is_id or name in chosen or name in warned or is_dictionary(table.field(name)):
                continue
            if has_fractions(table.column(name)):
                warned.add(name)
                warnings.warn(
                    f"Column {name!r} has numbers with decimals, and each of them is a feature of "
                    f'its own. Choose numeric={{{name!r}: "bin"}} or "value" for amounts, or '
                    '"category" for ids.'
                )

    def _share(self, table, n_crosses):
        """Return the table in parts of nearly equal sizes, one a thread."""
        n_threads = 1 if self.n_jobs is None else effective_n_jobs(self.n_jobs)
        n_rows = table.num_rows
        n_parts = max(1, min(n_threads, n_rows * n_crosses // BLOCK))
        edges = (n_rows * part // n_parts for part in range(n_parts + 1))
        return [table.slice(a, b - a) for a, b in itertools.pairwise(edges)]

    def _room(self, table, columns, members, starts):
        """Return how many entries rows may have."""
        present = np.full(len(columns), table.num_rows)
        if self.missing == "skip":
            present -= [table.column(column.name).null_count for column in columns]
        return np.minimum.reduceat(present[members], starts[:-1]).sum()

    def _fill(self, table, columns, members, starts, indices, data):
        """Fill the indices and data of rows, without gaps; return the length of each row."""
        lengths = np.empty(table.num_rows, np.int64)
        row = n = 0
        for batch in _batches(table):
            parts = self._parts(batch, columns)
            these = lengths[row : row + batch.num_rows]
            n += self._weave(*parts, members, starts, indices[n:], data[n:], these)
            row += batch.num_rows
        return lengths

    def _parts(self, batch, columns):
        """Return the hashes and the values that rows have in each column; no values are ones."""
        hashes = np.empty((len(columns), batch.num_rows), np.uint64)
        skip = self.missing == "skip"
        is_weighted = skip or any(column.how == "value" for column in columns)
        values = np.ones(hashes.shape if is_weighted else (0, 0))
        for j, column in enumerate(columns):
            numbers = column.hash(batch.column(column.name), self.dtype, hashes[j])
            if numbers is not None:
                values[j] = numbers
            if skip:
                values[j] *= hashes[j] != ~column.key
        return hashes, values

    def _weave(self, hashes, values, members, starts, indices, data, lengths):
        """Fill the first indices and data, and the length of each row; return their number."""
        n_features, alternate_sign = np.uint64(self.n_features), bool(self.alternate_sign)
        weave(hashes, values, members, starts, n_features, alternate_sign, indices, data, lengths)
        n = lengths.sum()
        if values.size and not np.isfinite(data[:n]).all():
            raise ValueError(f"A product or sum of values in a row is too large for {data.dtype}.")
        return n

    def _index_dtype(self, n_entries):
        """Return the type of indices that scipy takes as it is."""
        return np.int32 if max(self.n_features, n_entries) < 2**31 else np.int64


def _batches(table):
    """Return the table in batches whose hashes a cache holds, but not of too few rows to pay."""
    return table.to_batches(max_chunksize=max(1, BLOCK // min(table.num_columns, 512)))


def _flat(crosses):
    """Return the members of all crosses, and where each begins and the last ends."""
    members = np.array([j for cross in crosses for j in cross], dtype=np.int64)
    return members, np.cumsum([0, *map(len, crosses)])


def _close_gaps(arrays, starts, sizes):
    """Move parts of arrays up to the end of the part before; return the end of the last."""
    n = 0
    for start, size in zip(starts, sizes, strict=True):
        for array in map(memoryview, arrays if start > n else []):  # numpy would copy it first
            array[n : n + size] = array[start : start + size]
        n += size
    return n
