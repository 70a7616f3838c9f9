"""Tables of any make, read for ColumnHasher: what they have in common, and what is refused."""

import datetime
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pytest
from oracle import assert_equal, mixed_columns
from scipy import sparse

from sklearn_ftrl import _tables
from sklearn_ftrl._columns import Column
from sklearn_ftrl.preprocessing import ColumnHasher

pa = pytest.importorskip("pyarrow")
ds = pytest.importorskip("pyarrow.dataset")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

UTC = datetime.UTC
NOON = datetime.datetime(2024, 1, 31, 12)


@pytest.fixture
def columns():
    return mixed_columns()


# The same values are the same features.


class NotInMemory:
    """A table that has Arrow's form if asked, as datatable's Frame."""

    to_arrow = None


class Stream:
    """A table of which nothing is known but its stream."""

    def __init__(self, table):
        self.__arrow_c_stream__ = table.__arrow_c_stream__


CONTAINERS = {
    "pyarrow": pa.table,
    "record batch": lambda columns: pa.table(columns).to_batches()[0],
    "reader": lambda columns: pa.table(columns).to_reader(),
    "stream": lambda columns: Stream(pa.table(columns)),
    "pandas": pd.DataFrame,
    "pandas objects": lambda columns: pd.DataFrame(columns, dtype=object),
    "pandas with an index": lambda columns: pd.DataFrame(columns).iloc[::-1].iloc[::-1],
    "pandas named index": lambda columns: pd.DataFrame(columns).set_index(pd.Index(list("aabb"))),
    "pandas on arrow": lambda columns: pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype),
    "polars": pl.DataFrame,
    "dict of arrays": lambda columns: {k: np.array(v, dtype=object) for k, v in columns.items()},
    "dict of polars series": lambda columns: dict(pl.DataFrame(columns).to_dict()),
    "dict of series": lambda columns: dict(pd.DataFrame(columns)),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_all_containers_give_the_same_rows(columns, container):
    hasher = ColumnHasher(interactions=2, numeric={"price": "value", "ad": "bin"})
    table = CONTAINERS[container](columns)
    assert_equal(hasher.transform(table), hasher.transform(columns))


def test_the_columns_of_an_array_are_x0_x1_and_so_on(columns):
    hasher = ColumnHasher(interactions=[("x0", "x2")], numeric="bin")
    array = np.array(list(columns.values()), dtype=object).T
    named = {f"x{j}": values for j, values in enumerate(columns.values())}
    for X in (array, array.tolist(), pd.DataFrame(array)):
        assert_equal(hasher.transform(X), hasher.transform(named))
    assert_equal(
        hasher.fit_transform(np.array([["a", "b", "c"]])),
        hasher.transform(pd.DataFrame([["a", "b", "c"]])),
    )


@pytest.mark.parametrize(
    ("expected", "arrays"),
    [
        (
            ["1", "0", None],
            [
                pa.array(["1", "0", None], pa.string_view()),
                pa.array([1, 0, None], pa.int8()),
                pa.array([1, 0, None], pa.uint64()),
                pa.array([1.0, -0.0, np.nan], pa.float32()),
                pa.array(np.array([1, 0, np.nan], np.float16)),
                pa.array([Decimal("1.00"), Decimal("0.00"), None]),
                pa.array([1.0, 0.0, None]).dictionary_encode(),
                pd.Series([1, 0, None]),
                pd.Series([1, 0, None], dtype="Int16"),
                pd.Series([1, 0, None], dtype="category"),
                np.array([1, 0, np.nan], dtype=object),
                np.array([1, 0, np.nan], dtype=">f4"),
                pd.Series(np.array([1, 0, np.nan], dtype=">f8")),
                pd.Series([1, 0, np.nan], dtype="Sparse[float]"),
                pd.arrays.SparseArray(["1", "0", None]),
            ],
        ),
        (["0.1", "1e-07", "inf"], [pa.array([0.1, 1e-7, np.inf])]),
        (["1.5", "12345678901234567890"], [[Decimal("1.50"), Decimal("12345678901234567890")]]),
        (
            ["1.5", "3"],
            [
                pa.array([Decimal("1.5"), Decimal(3)], getattr(pa, name, pa.decimal128)(5, 2))
                for name in ["decimal32", "decimal64", "decimal128", "decimal256"]
            ],
        ),
        (["1000000000000000000000", "0.5"], [[1e21, 0.5], [Decimal(10**21), Decimal("0.5")]]),
        (["true", "false"], [[True, False], pd.Series([True, False], dtype="category")]),
        (
            ["2024-01-31"],
            [[NOON.date()], np.array(["2024-01-31"], "M8[D]"), pa.array([NOON], pa.date64())],
        ),
        (
            ["2024-01-31 12:00:00.000000"],
            [
                [NOON],
                pa.array([NOON], pa.timestamp("s")),
                pa.array([NOON], pa.timestamp("ns")),
                pa.array([NOON.replace(tzinfo=UTC)], pa.timestamp("ms", "Europe/Paris")),
                pd.Series([NOON]),
                np.array([NOON], "M8[ms]"),
                np.array([NOON], ">M8[ms]"),
            ],
        ),
    ],
    ids=lambda expected: str(expected[0]),
)
def test_a_category_is_its_text_whatever_its_type(expected, arrays):
    hasher = ColumnHasher(numeric={"a": "category"})
    X = hasher.transform({"a": expected})
    for array in arrays:
        assert_equal(hasher.transform({"a": array}), X)


def test_a_dictionary_may_have_nulls_and_more_values_than_rows():
    dictionary = pa.array([None, *map(str, range(1000))])
    column = pa.DictionaryArray.from_arrays(pa.array([0, 5, None, 5]), dictionary)
    hasher = ColumnHasher()
    assert_equal(hasher.transform({"a": column}), hasher.transform({"a": [None, "4", None, "4"]}))


def test_a_dictionary_of_more_values_than_rows_is_not_hashed(monkeypatch):
    monkeypatch.setattr(Column, "hashes_of", None)
    column = pa.array(list("abcdefgh")).dictionary_encode()[2:4]
    X = ColumnHasher().transform({"a": column})
    assert_equal(X, ColumnHasher().transform({"a": ["c", "d"]}))


def test_the_values_of_a_dictionary_are_named_row_by_row():
    table = {"a": pa.DictionaryArray.from_arrays(pa.array([2, 0, 2, None]), ["x", "y", "z"])}
    hasher = ColumnHasher()
    X = hasher.transform(table)
    names = hasher.inverse_index(table, X.indices[[0, 1, 3]])
    assert list(names.values()) == [["a=z"], ["a=x"], ["a=<missing>"]]


def test_an_enum_may_have_more_values_than_rows():
    column = pl.Series(["x1", "x2"], dtype=pl.Enum([f"x{i}" for i in range(100)]))
    rows = ColumnHasher().transform(pl.DataFrame({"a": column}))
    assert_equal(rows, ColumnHasher().transform({"a": ["x1", "x2"]}))


def test_chunks_may_share_a_dictionary_larger_than_they_are():
    column = pa.array([7, 8, None, 7, 9]).dictionary_encode()
    chunks = pa.chunked_array([column[i : i + 1] for i in range(5)])
    assert_equal(ColumnHasher().transform({"a": chunks}), ColumnHasher().transform({"a": column}))


def test_ids_beyond_2_to_the_63_may_be_integers_of_python():
    ids = np.array([2**63 + 5, 1, 2**64 - 1], np.uint64)
    expected = ColumnHasher().transform({"a": ids})
    assert_equal(ColumnHasher().transform({"a": ids.tolist()}), expected)


def test_ids_beyond_2_to_the_63_are_spelled_without_a_loop(monkeypatch):
    monkeypatch.setattr(_tables, "_text", None)
    ids = np.array([2**63 + 5, 1, 2**64 - 1], np.uint64)
    X = ColumnHasher().transform({"a": ids})
    assert_equal(X, ColumnHasher().transform({"a": ids.astype(str)}))


def test_chunks_may_have_dictionaries_of_their_own():
    chunks = [pa.array(["b", "a"]).dictionary_encode(), pa.array(["a"]).dictionary_encode()]
    X = ColumnHasher().transform(pa.table({"a": pa.chunked_array(chunks)}))
    assert_equal(X, ColumnHasher().transform({"a": ["b", "a", "a"]}))


def test_bytes_that_are_not_utf_8_are_hashed_as_they_are():
    data = pa.py_buffer(b"\xff\xfeabc")
    offsets = pa.py_buffer(np.array([0, 2, 5], np.int32))
    column = pa.StringArray.from_buffers(2, offsets, data)
    for array in (column, column.cast(pa.string_view()), column.dictionary_encode()):
        X = ColumnHasher().transform({"a": array})
        assert X.nnz == 2
        assert X.indices[1] == ColumnHasher().transform({"a": ["abc"]}).indices[0]
        names = ColumnHasher().inverse_index({"a": array}, X.indices[:1])
        assert names[X.indices[0]] == [r"a=\xff\xfe"]


def test_dates_may_be_missing():
    dates, missing = ColumnHasher(), [None, pd.NaT, np.nan]
    rows = dates.transform({"a": [NOON.date(), *missing]})
    assert_equal(rows, dates.transform({"a": pa.array([NOON.date(), *[None] * 3])}))


# Bad input.


@pytest.mark.parametrize(
    "column",
    [
        [[1]],
        [{"k": 1}],
        [b"bytes"],
        pa.array([b"four"], pa.binary(4)),
        pa.array([b"b"]).dictionary_encode(),
        pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())),
        pa.array([3], pa.duration("s")),
        pa.array([datetime.time(12)]),
        pd.Series(pd.period_range("2024", periods=1)),
        [1, "a"],
        [1j],
        ["\udc80"],
        [2**70],
        np.zeros((1, 1)),
        3,
        {0: "a"},
        {"a"},
        bytearray(b"a"),
        pd.DataFrame({"b": ["a"]}),
    ],
    ids=str,
)
def test_a_column_that_cannot_be_hashed_is_named(column):
    with pytest.raises(TypeError, match="Column 'odd'"):
        ColumnHasher().transform({"a": [1], "odd": column})


@pytest.mark.parametrize("container", [list, tuple, lambda v: np.array(v, object), pd.Series])
def test_dates_and_timestamps_in_one_column_are_refused(container):
    for values in ([NOON.date(), NOON], [NOON.date(), None, pd.Timestamp(NOON)]):
        with pytest.raises(TypeError, match=r"Column 'a' cannot be read: .* of one type"):
            ColumnHasher().transform({"a": container(values)})


def test_columns_of_one_type_are_not_told_to_be():
    with pytest.raises(TypeError, match=r"Column 'a' cannot be read: .* time unit\.$"):
        ColumnHasher().transform({"a": np.array([NOON], "M8[h]")})


def test_a_timestamp_too_late_for_microseconds_is_an_error():
    with pytest.raises(ValueError, match="out of bounds timestamp: 4611686018427387904"):
        ColumnHasher().transform({"a": pa.array([2**62], pa.timestamp("s"))})


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (pa.table([[1], [2], [3]], names=["a", "b", "a"]), ValueError, r"same name: \['a'\]"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, r"same name: \['a'\]"),
        (pd.DataFrame([[1, 2]], columns=["a", 1]), TypeError, r"strings, got \['a', 1\]"),
        ({"a": [1], 1: [2]}, TypeError, "strings"),
        (pd.DataFrame([[1]], columns=[("u", "a")]), TypeError, r"strings, got \[\('u', 'a'\)\]"),
        ({"a": [1], "b": [1, 2]}, ValueError, "length"),
        ({}, ValueError, "0 feature"),
        (pd.DataFrame(index=range(3)), ValueError, "0 feature"),
        (np.empty((3, 0)), ValueError, "0 feature"),
        (["a", "b"], TypeError, "list of texts, not a table. A column of ids has a name"),
        ("log.csv", TypeError, "X is a str, not a table. Read it first"),
        (iter([[1]]), TypeError, "not a table"),
        (np.array(["a"]), ValueError, "2D array"),
        (pd.Series(["a"]), TypeError, "Arrow table"),
        (pa.array(["a"]), TypeError, "Arrow table"),
        ([{"a": "x"}], TypeError, r"list of dicts, not a table. pyarrow.Table.from_pylist"),
        ({"site": "news", "ad": "cars"}, TypeError, "Column 'site' is not a list .* one: 'news'"),
        ({"a": None}, TypeError, "Column 'a' is not a list"),
        ({"a": pd.Timestamp("2020-01-01")}, TypeError, "Column 'a' is not a list"),
        (pd.DataFrame({"a": ["x"], "b": [1]}).iloc[0], TypeError, r"one row is df.iloc\[\[i\]\]"),
        (
            pd.DataFrame({"a": ["x", 1]}),
            TypeError,
            r"one type. Read ids as text: dtype=\{'a': str\}",
        ),
        (pl.LazyFrame({"a": ["x"]}), TypeError, r"LazyFrame, .* Pass X.collect\(\)"),
        (NotInMemory(), TypeError, r"NotInMemory, .* Pass X.to_arrow\(\)"),
        (ds.dataset(pa.table({"a": ["x"]})), TypeError, r"Dataset, .* Pass X.to_table\(\)"),
        (sparse.eye(2).todok(), TypeError, "[Ss]parse"),
        (sparse.eye_array(2).tocsr(), TypeError, "[Ss]parse"),
    ],
)
def test_what_is_no_table_is_refused(X, error, message):
    for call in (ColumnHasher().fit, ColumnHasher().transform, ColumnHasher().fit_transform):
        with pytest.raises(error, match=message):
            call(X)


def test_a_frame_of_dask_is_not_in_memory():
    dd = pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(pd.DataFrame({"a": ["x", "y"]}), npartitions=2)
    with pytest.raises(TypeError, match=r"DataFrame, .* Pass X.compute\(\)"):
        ColumnHasher().fit(frame)


def test_pyarrow_is_imported_when_a_table_comes_and_named_when_it_is_missing(monkeypatch):
    code = (
        "import sys; sys.modules |= dict.fromkeys(['pyarrow', 'pandas', 'polars']);"
        "from sklearn_ftrl.preprocessing import ColumnHasher; ColumnHasher().fit()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match="pip install pyarrow"):
        ColumnHasher().transform({"a": ["x"]})
