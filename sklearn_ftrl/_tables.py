"""Tables of any make as Arrow tables, and their columns as texts and numbers.

No other module imports pyarrow, which is optional and imported when a table comes.
"""

import datetime
import math
import os
from collections.abc import Mapping, Set
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.utils import check_array


def as_table(X):
    """Return X as an Arrow table."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise ImportError("ColumnHasher reads tables with pyarrow: pip install pyarrow") from error

    names, columns = _names_and_columns(X)
    if not columns:
        raise ValueError("0 feature(s) in X, while a minimum of 1 is required.")
    if all(isinstance(name, Integral) for name in names):  # scikit-learn counts that as no names
        names = [f"x{j}" for j in range(len(names))]
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"The names of columns must all be strings, got {names}.")
    return pa.Table.from_arrays(list(map(as_array, columns, names)), names=names)


def _names_and_columns(X):
    """Return the names and the columns of X, each as X has them."""
    import pyarrow as pa

    is_frame = hasattr(X, "iloc") and hasattr(X, "columns") and not hasattr(X, "compute")
    if is_frame:  # pandas' own stream has the index as well
        return list(X.columns), [X.iloc[:, j] for j in range(X.shape[1])]
    if isinstance(X, Mapping) and not sparse.issparse(X):  # dok_matrix is a dict
        return list(X.keys()), list(X.values())
    if hasattr(X, "__arrow_c_stream__") or hasattr(X, "__arrow_c_array__"):
        try:
            table = X if isinstance(X, pa.Table) else pa.table(X)
        except (TypeError, ValueError, NotImplementedError) as error:
            raise TypeError(
                f"X cannot be read as an Arrow table: {error}. A table has columns: of a "
                "DataFrame, one row is df.iloc[[i]], and one column df[[name]]."
            ) from error
        return table.column_names, table.columns
    if isinstance(X, list | tuple) and X and isinstance(X[0], Mapping):
        raise TypeError(
            "X is a list of dicts, not a table. pyarrow.Table.from_pylist(X) and "
            "pandas.DataFrame(X) make one of it."
        )
    for method in ["collect", "compute", "to_arrow", "to_table"]:  # of Polars, Dask, datatable ...
        if hasattr(X, method):
            raise TypeError(
                f"X is a {type(X).__name__}, which is no table in memory. Pass X.{method}()."
            )
    if isinstance(X, str | os.PathLike) or not (hasattr(X, "__len__") or hasattr(X, "__array__")):
        raise TypeError(
            f"X is a {type(X).__name__}, not a table. Read it first, as pandas.read_csv or "
            "pyarrow.parquet.read_table do."
        )
    if isinstance(X, list | tuple) and X and isinstance(X[0], str):
        raise TypeError(
            "X is a list of texts, not a table. A column of ids has a name: {name: X}. For the "
            "words of texts there is HashingVectorizer."
        )
    dtype = None if hasattr(X, "dtype") else object  # [1, "a"] is not ["1", "a"] yet
    X = check_array(X, dtype=dtype, ensure_all_finite=False, ensure_min_samples=0)
    return list(range(X.shape[1])), list(X.T)


def as_array(column, name):
    """Return a column as Arrow has it; errors say its name."""
    import pyarrow as pa

    if isinstance(column, pa.Array | pa.ChunkedArray):
        return column
    if not isinstance(column, list):  # mostly one row of a request, where each microsecond counts
        _check_listing(column, name)
    dtype = getattr(column, "dtype", "O")
    if hasattr(dtype, "fill_value"):  # pandas' SparseDtype
        column = np.asarray(column)
    elif isinstance(dtype, np.dtype) and not dtype.isnative:
        column = column.astype(dtype.newbyteorder("="))
    try:
        try:
            array = pa.array(column, from_pandas=True)
        except OverflowError:  # integers from 2**63 on
            array = pa.array(column, pa.uint64(), from_pandas=True)
        if dtype == "O" and pa.types.is_date32(array.type) and _has_time(column):
            raise TypeError("a date is followed by a timestamp")  # pyarrow drops the time
        return array
    except (TypeError, ValueError, NotImplementedError, OverflowError) as error:
        hint = f" Its values must be of one type. {read_as_text(name)}"
        raise TypeError(
            f"Column {name!r} cannot be read: {error}.{hint if dtype == 'O' else ''}"
        ) from error


def _check_listing(column, name):
    """Raise if a column is no list of values."""
    listing = ("__len__", "__arrow_c_array__", "__arrow_c_stream__")
    if not any(hasattr(column, method) for method in listing) or np.isscalar(column):
        raise TypeError(  # pyarrow takes a text for a list
            f"Column {name!r} is not a list of values, but one: {column!r}. As a table of "
            "one row, it is a list too: [value]."
        )
    if isinstance(column, Mapping | Set | bytearray) or getattr(column, "ndim", 1) != 1:
        raise TypeError(  # nor are keys values, as in pandas' df.to_dict() without "list"
            f"Column {name!r} is not a list of values, but a {type(column).__name__}."
        )


def _has_time(column):
    """Return whether a value is a timestamp, and not pandas' NaT, which is of that type."""
    return any(isinstance(value, datetime.datetime) and value == value for value in column)


def read_as_text(name):
    """Return how to read a column of ids as it is written in a file."""
    return (  # 10 beside a missing value is 10.0 by now: to convert it would be too late
        f"Read ids as text: dtype={{{name!r}: str}} in pandas, "
        f"schema_overrides={{{name!r}: polars.String}} in Polars."
    )


def kind_of(field):
    """Return the kind of a column's values, None where there can be none."""
    import pyarrow.types as t

    of = field.type.value_type if is_dictionary(field) else field.type
    if t.is_string(of) or t.is_large_string(of) or t.is_string_view(of):
        return "text"
    if t.is_integer(of):
        return "integer"
    if t.is_floating(of):
        return "float"
    if t.is_decimal(of):
        return "decimal"
    if t.is_boolean(of):
        return "boolean"
    if t.is_date(of):
        return "date"
    if t.is_timestamp(of):
        return "timestamp" if of.tz is None else "timestamp with a time zone"
    if t.is_null(of):
        return None
    raise TypeError(
        f"Column {field.name!r} has the type {field.type}, which cannot be hashed. Drop it, "
        "or turn it into strings or numbers."
    )


def is_dictionary(field):
    """Return whether a column was declared to be of categories, whatever their kind."""
    return hasattr(field.type, "index_type")


def is_missing(column):
    """Return whether a column has no value."""
    import pyarrow.compute as pc

    if column.null_count == len(column):
        return True
    return pc.all(pc.is_null(column, nan_is_null=True)).as_py()


def is_beyond_floats(column):
    """Return whether a number is so large that a float has lost, or would lose, its last digit."""
    numbers = np.abs(column.cast("float64", safe=False).to_numpy())
    return bool(((numbers >= 2.0**53) & np.isfinite(numbers)).any())


def has_fractions(column):
    """Return whether a number is not whole."""
    numbers = column.cast("float64", safe=False).to_numpy()
    return bool(((numbers != np.floor(numbers)) & np.isfinite(numbers)).any())


def map_dictionaries(table, function):
    """Return the table with numbers, function(name, values), in place of its dictionaries' values.

    There is one number more, that of a null. A column that has fewer rows than its dictionaries
    have values loses them instead.
    """
    import pyarrow as pa

    for j, field in enumerate(table.schema):
        if is_dictionary(field):
            chunks = table.column(j).chunks
            if sum(len(chunk.dictionary) for chunk in chunks) > table.num_rows:
                type_ = field.type.value_type
                if pa.types.is_string_view(type_):  # which take does not take
                    type_ = pa.large_string()
                chunks = [chunk.dictionary.cast(type_).take(chunk.indices) for chunk in chunks]
            else:
                type_ = pa.dictionary(field.type.index_type, pa.uint64())
                chunks = [
                    pa.DictionaryArray.from_arrays(
                        chunk.indices, function(field.name, chunk.dictionary), safe=False
                    )
                    for chunk in chunks
                ]
            table = table.set_column(j, field.name, pa.chunked_array(chunks, type_))
    return table


def look_up(array, numbers):
    """Fill the numbers of rows from those that map_dictionaries gave to the values of a column."""
    of_values = array.dictionary.to_numpy()
    codes = array.indices.fill_null(0) if array.null_count else array.indices
    np.take(of_values, codes.to_numpy(), out=numbers, mode="clip")  # "raise" would make a copy
    if array.null_count:
        numbers[nulls(array)] = of_values[-1]


def as_categories(array):
    """Return an array, but no dictionary, as texts or int64, null where values are missing."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    if t.is_string(array.type):
        return array
    if t.is_timestamp(array.type):
        to_microseconds = pc.CastOptions(pa.timestamp("us"), allow_time_truncate=True)
        array = array.cast(options=to_microseconds)
    elif t.is_date(array.type):
        array = array.cast("date32")
    elif t.is_floating(array.type):
        array = pa.array(array.cast("float64").to_numpy(zero_copy_only=False), from_pandas=True)
    elif t.is_decimal(array.type):  # of 256 bits, as those of 32 and 64 cannot be encoded
        array = array.cast(pa.decimal256(76, array.type.scale))
    if t.is_integer(array.type) or t.is_floating(array.type) or t.is_decimal(array.type):
        try:
            return array.cast("int64")
        except pa.ArrowInvalid:  # some are not whole, or too large
            if t.is_integer(array.type):
                return array.cast("large_string")
            array = array.dictionary_encode()
            texts = [_text(number) for number in array.dictionary.to_pylist()]
            return pa.array(texts, "large_string").take(array.indices)
    return array.cast("large_string")


def _text(number):
    """Return the text of a float or Decimal, the same for equal ones."""
    whole = math.isfinite(number) and number == int(number)
    return str(int(number)) if whole else repr(float(number))


def as_numbers(array, column, dtype):
    """Return an array as float64, NaN where it is missing."""
    numbers = array.cast("float64", safe=False).to_numpy(zero_copy_only=False)
    if (np.abs(numbers) > np.finfo(dtype).max).any():
        raise ValueError(
            f"Column {column.name!r} has a number that is infinite, or too large for "
            f"{np.dtype(dtype)}."
        )
    return numbers


def nulls(array):
    """Return where an array is null."""
    return array.is_null().to_numpy(zero_copy_only=False)


def integers(categories):
    """Return int64 numbers as a read-only array, 0 where they are null; None if these are texts."""
    import pyarrow.types as t

    if not t.is_int64(categories.type):
        return None
    return (categories.fill_null(0) if categories.null_count else categories).to_numpy()


def buffers(texts):
    """Return the bytes of texts, and where each begins and the last ends, as read-only arrays."""
    import pyarrow.types as t

    dtype = np.dtype(np.int64 if t.is_large_string(texts.type) else np.int32)
    _, offsets, data = texts.buffers()
    offsets = np.frombuffer(offsets, dtype, len(texts) + 1, dtype.itemsize * texts.offset)
    data = np.frombuffer(data or b"", np.uint8)
    offsets.flags.writeable = data.flags.writeable = False  # one type for numba
    return data, offsets


def text_of(column):
    """Return the one text of a column of one row; bytes that are not UTF-8 are escaped."""
    array = column.combine_chunks()
    if is_dictionary(column):
        array = array.dictionary.slice(array.indices[0].as_py(), 1)
    data, offsets = buffers(as_categories(array).cast("large_string"))
    return data[offsets[0] : offsets[1]].tobytes().decode(errors="backslashreplace")
