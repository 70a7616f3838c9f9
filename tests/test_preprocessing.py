"""ColumnHasher against a reference in plain Python, written from its documentation."""

import datetime
import io
import itertools
import math
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joblib import cpu_count, parallel_config
from oracle import assert_equal, mixed_columns
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import murmurhash3_32
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_ftrl import FtrlClassifier, _hashing, _threads, preprocessing
from sklearn_ftrl.preprocessing import ColumnHasher

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

UTC = datetime.UTC


@pytest.fixture
def columns():
    return mixed_columns()


# The reference: rows are dicts of the features of dicts.


def finish(h):
    """Return fmix64 of MurmurHash3."""
    h = (h ^ h >> 33) * 0xFF51AFD7ED558CCD % 2**64
    h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53 % 2**64
    return h ^ h >> 33


def text(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime.datetime):
        value = value.astimezone(UTC) if value.tzinfo else value
        return value.replace(tzinfo=None).isoformat(" ", "microseconds")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, int | float | Decimal):
        whole = math.isfinite(value) and value == int(value)
        return str(int(value)) if whole else repr(float(value))
    return value


def count_bin(x):
    if x <= 2:
        return -1 if x < 0 else math.ceil(x)
    return 3 + math.floor(math.log(x) ** 2)


def part(name, value, how, seed):
    """Return the hash and the value of one column of a row, and whether it is missing."""
    low = murmurhash3_32(name + "=", seed, positive=True)
    high = murmurhash3_32(name + "=", low, positive=True)
    if value is None or value != value:
        return 2**64 - 1 - (2**32 * high + low), 1.0, True
    if how == "value":
        return 2**32 * high + low, float(value), False
    spelled = text(count_bin(value) if how == "bin" else value).encode()
    m = murmurhash3_32
    return 2**32 * m(spelled, high, positive=True) + m(spelled, low, positive=True), 1.0, False


def reference_row(row, hows, crosses, n_features, missing="own", alternate_sign=False, seed=0):
    features = {}
    for cross in [(name,) for name in row] + crosses:
        parts = [part(name, row[name], hows.get(name), seed) for name in sorted(cross)]
        if missing == "skip" and any(is_missing for _, _, is_missing in parts):
            continue
        h = finish(sum(h for h, _, _ in parts) % 2**64)
        value = math.prod(value for _, value, _ in parts)
        sign = -1 if alternate_sign and h >= 2**63 else 1
        features.setdefault(h % n_features, []).append(sign * value)
    return features


def assert_is_the_reference(X, table, hows, crosses, n_features, **params):
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    assert X.shape == (len(rows), n_features)
    for i, row in enumerate(rows):
        expected = {
            index: math.fsum(values)
            for index, values in reference_row(row, hows, crosses, n_features, **params).items()
        }
        start, stop = X.indptr[i : i + 2]
        got = dict(zip(X.indices[start:stop].tolist(), X.data[start:stop].tolist(), strict=True))
        for index in expected.keys() | got.keys():
            assert got.get(index, 0.0) == pytest.approx(expected.get(index, 0.0), abs=1e-9)


def assert_canonical(X):
    assert X.has_canonical_format
    for start, stop in itertools.pairwise(X.indptr):
        assert (np.diff(X.indices[start:stop]) > 0).all()
    assert (X.data != 0).all()
    assert X.indptr[-1] == X.indices.size == X.data.size


# Tables of any types, cut into any chunks.

WORDS = st.text(st.characters(codec="utf-8"), max_size=9)
MOMENTS = st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1))
SMALL = st.floats(-1e6, 1e6)
KINDS = {
    "string": (WORDS, pa.string()),
    "large_string": (WORDS, pa.large_string()),
    "string_view": (WORDS, pa.string_view()),
    "categories": (WORDS, pa.dictionary(pa.int8(), pa.string())),
    "codes": (st.integers(-3, 3), pa.dictionary(pa.int32(), pa.int16())),
    "boolean": (st.booleans(), pa.bool_()),
    "date": (MOMENTS.map(datetime.datetime.date), pa.date32()),
    "timestamp": (MOMENTS, pa.timestamp("us")),
    "zoned": (MOMENTS.map(lambda t: t.replace(tzinfo=UTC)), pa.timestamp("us", "UTC")),
    "nothing": (st.none(), pa.null()),
    "int8": (st.integers(-(2**7), 2**7 - 1), pa.int8()),
    "int64": (st.integers(-(2**63), 2**63 - 1), pa.int64()),
    "uint64": (st.integers(0, 2**64 - 1), pa.uint64()),
    "float32": (st.floats(width=32), pa.float32()),
    "float64": (st.floats(), pa.float64()),
    "decimal": (st.decimals(-1000, 1000, places=2), pa.decimal128(9, 2)),
    "long_decimal": (st.decimals(-(10**40), 10**40, places=1), pa.decimal256(50, 1)),
    "value_int": (st.integers(-100, 100), pa.int16()),
    "value_float": (SMALL | st.just(math.nan), pa.float64()),
    "bin_int": (st.integers(-3, 10**6), pa.int64()),
    "bin_float": (SMALL, pa.float64()),
    "bin_decimal": (st.decimals(-10, 1000, places=1), pa.decimal128(7, 1)),
}


@st.composite
def tables(draw):
    """Return columns as lists, their Arrow types, and what ColumnHasher is told of them."""
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=5))
    names = draw(st.lists(WORDS, min_size=len(kinds), max_size=len(kinds), unique=True))
    n_rows = draw(st.integers(0, 7))
    table, types, numeric = {}, {}, {}
    for name, kind in zip(names, kinds, strict=True):
        values, types[name] = KINDS[kind]
        table[name] = draw(st.lists(st.none() | values, min_size=n_rows, max_size=n_rows))
        if kind.startswith(("value", "bin")):
            numeric[name] = kind.split("_")[0]
        elif "float" in kind or "decimal" in kind:
            numeric[name] = "category"  # or it warns of amounts
    crosses = st.lists(st.sampled_from(names), min_size=2, max_size=4, unique=True).map(tuple)
    interactions = draw(st.lists(crosses, max_size=3)) if len(names) > 1 else []
    return table, types, numeric, interactions


def arrow(table, types, cuts=()):
    """Return an Arrow table, with chunks that end at the cuts and are slices of longer ones."""
    columns = []
    for name, values in table.items():
        whole = pa.array([None, *values, None], types[name])[1:-1]
        edges = [0, *sorted(cut for cut in cuts if cut < len(values)), len(values)]
        chunks = [whole[a:b] for a, b in itertools.pairwise(edges)]
        columns.append(pa.chunked_array(chunks, types[name]))
    return pa.Table.from_arrays(columns, names=list(table))


@given(
    tables(),
    st.sampled_from([1, 7, 2**10, 2**20, 3**30, 2**63 - 1]),
    st.sampled_from(["own", "skip"]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_rows_equal_the_reference(case, n_features, missing, alternate_sign, seed):
    table, types, numeric, interactions = case
    params = {"missing": missing, "alternate_sign": alternate_sign, "seed": seed}
    hasher = ColumnHasher(n_features, interactions=interactions, numeric=numeric, **params)
    X = hasher.transform(arrow(table, types))
    crosses = list({tuple(sorted(names)) for names in interactions})
    assert_is_the_reference(X, table, numeric, crosses, n_features, **params)
    assert_canonical(X)
    if X.shape[0]:
        assert X.indices.dtype == X.indptr.dtype == (np.int32 if n_features < 2**31 else np.int64)


@given(tables(), st.lists(st.integers(0, 7)), st.randoms())
def test_chunks_and_the_order_of_columns_do_not_matter(case, cuts, random):
    table, types, numeric, interactions = case
    names = list(table)
    random.shuffle(names)
    hasher = ColumnHasher(5, interactions=interactions, numeric=numeric)
    X = hasher.transform(arrow(table, types))
    other = arrow({name: table[name] for name in names}, types, cuts)
    hasher.set_params(interactions=[names[::-1] for names in interactions[::-1]])
    assert_equal(hasher.transform(other), X)


@given(tables())
def test_inverse_index_names_what_falls_on_an_index(case):
    table, types, numeric, interactions = case
    table = arrow(table, types)
    hasher = ColumnHasher(2**62, interactions=interactions, numeric=numeric)
    X = hasher.transform(table)
    indices = np.unique(X.indices)
    names = hasher.inverse_index(table, indices)
    assert list(names) == indices.tolist()
    for i in range(table.num_rows):
        row = table.slice(i, 1)
        named = hasher.inverse_index(row, X[[i]].indices)
        for index, name in named.items():
            assert len(name) == 1
            assert name[0] in names[index]


@given(st.lists(st.binary(max_size=20)), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_texts_are_hashed_as_by_scikit_learn(texts, low, high):
    data = np.frombuffer(b"".join(texts), np.uint8)
    offsets = np.cumsum([0, *map(len, texts)])
    hashes = np.empty(len(texts), np.uint64)
    _hashing.hash_texts(data, offsets, np.uint64(low), np.uint64(high), hashes)
    expected = [[murmurhash3_32(t, seed, positive=True) for t in texts] for seed in (low, high)]
    assert (hashes % 2**32).tolist() == expected[0]
    assert (hashes >> 32).tolist() == expected[1]


@given(st.lists(st.integers(-(2**63), 2**63 - 1)), st.integers(0, 2**32 - 1))
@example([0, -(2**63), 2**63 - 1, -1, 9, 10], 7)
def test_whole_numbers_are_hashed_as_their_digits(numbers, seed):
    hashes = np.empty(len(numbers), np.uint64)
    _hashing.hash_integers(np.array(numbers, np.int64), np.uint64(seed), np.uint64(1), hashes)
    expected = [
        [murmurhash3_32(str(number), s, positive=True) for number in numbers] for s in (seed, 1)
    ]
    assert (hashes % 2**32).tolist() == expected[0]
    assert (hashes >> 32).tolist() == expected[1]


def test_the_hash_is_that_of_the_first_release():
    """A model is of no use if this changes. The numbers are those of the reference."""
    table = {"site": ["news", "Köln", ""], "ad": [7, None, -1], "n": [0.5, 3, 1e300]}
    hasher = ColumnHasher(2**40, interactions=2, numeric={"n": "bin"}, seed=3)
    X = hasher.transform(table)
    assert X.indices.reshape(3, 6).tolist() == [
        [147901396467, 360228930050, 577949290600, 690566380397, 835531469949, 1049109140474],
        [135712727855, 301234365095, 476694377572, 635810575554, 809822630191, 949639980153],
        [37375805620, 180337272291, 295273836826, 386020864003, 942558821113, 985793405384],
    ]
    assert (X.data == 1).all()


def test_many_rows_are_made_block_by_block(columns, monkeypatch):
    hasher = ColumnHasher(interactions=2, numeric={"price": "bin"})
    X = hasher.transform(columns)
    monkeypatch.setattr(preprocessing, "BLOCK", 30)
    assert_equal(hasher.transform(columns), X)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of few rows, of which even small tables have many, and threads for them."""
    monkeypatch.setattr(preprocessing, "BLOCK", 10)


@pytest.mark.parametrize("missing", ["own", "skip"])
@pytest.mark.parametrize("interactions", [None, 2])
def test_any_number_of_threads_gives_the_same_bits(small_blocks, missing, interactions):
    rng = np.random.default_rng(0)
    table = {"a": rng.integers(9, size=97), "b": rng.normal(size=97), "c": rng.normal(size=97)}
    table = pd.DataFrame(table).mask(rng.random((97, 3)) < 0.3)
    table["d"] = pd.Series(rng.choice(["x", "y", None], size=97), dtype="category")
    params = {"missing": missing, "interactions": interactions}
    hasher = ColumnHasher(20, numeric={"b": "value", "c": "bin"}, alternate_sign=True, **params)
    X = hasher.transform(table)
    assert_canonical(X)
    for n_jobs in (1, 2, 3, 50, -1):
        assert_equal(hasher.set_params(n_jobs=n_jobs).transform(table), X)


@pytest.mark.parametrize(("n_jobs", "n_threads"), [(2, 2), (4, 4), (-1, cpu_count())])
def test_a_thread_has_a_part_of_the_rows(small_blocks, monkeypatch, n_jobs, n_threads):
    sizes = []
    fill = ColumnHasher._fill

    def spy(self, table, *arguments):
        sizes.append(table.num_rows)
        return fill(self, table, *arguments)

    monkeypatch.setattr(ColumnHasher, "_fill", spy)
    ColumnHasher(n_jobs=n_jobs).transform({"a": range(5000)})
    assert len(sizes) == n_threads
    assert sum(sizes) == 5000
    assert max(sizes) - min(sizes) <= 1
    sizes.clear()
    ColumnHasher(n_jobs=n_jobs).transform({"a": range(9)})  # less than a block
    assert sizes == [9]


def test_none_is_one_thread_under_parallel_config_too(small_blocks, monkeypatch):
    monkeypatch.setattr(_threads, "ThreadPoolExecutor", None)
    with parallel_config("threading", n_jobs=2):
        ColumnHasher().transform({"a": range(99)})


def test_an_error_in_a_thread_is_raised(small_blocks):
    amounts = np.r_[np.ones(70), np.inf]
    with pytest.raises(ValueError, match="Column 'price' has a number that is infinite"):
        ColumnHasher(numeric="value", n_jobs=3).transform({"price": amounts})


@pytest.mark.compiled
def test_interactions_of_what_is_missing_and_left_out_take_no_memory():
    table = {f"c{j}": pa.nulls(2000, pa.string()) for j in range(30)} | {"c0": ["x"] * 2000}
    tracemalloc.start()
    X = ColumnHasher(interactions=3, missing="skip").transform(table)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert X.nnz == 2000
    assert peak < 10e6  # of 4525 combinations 109 MB


# What is a feature.


def indices(table, **params):
    return ColumnHasher(**params).transform(table).indices.tolist()


def test_columns_of_equal_values_have_features_of_their_own():
    assert len(set(indices({"a": ["1"], "b": ["1"], "1": ["a"]}))) == 3


def test_an_order_is_all_combinations_up_to_it():
    table = {name: [name] for name in "dbca"}
    singles = indices(table)
    pairs = list(itertools.combinations("abcd", 2))
    triples = list(itertools.combinations("abcd", 3))
    assert indices(table, interactions=2) == indices(table, interactions=pairs)
    assert indices(table, interactions=3) == indices(table, interactions=pairs + triples)
    assert len(indices(table, interactions=10**12)) == 15
    assert set(singles) < set(indices(table, interactions=2))


def test_numbers_of_an_interaction_are_multiplied():
    table = {"a": [3.0, 0.0], "b": [-5, 2], "c": ["x", "x"]}
    interactions = [("a", "b", "c"), ("a", "c")]
    X = ColumnHasher(interactions=interactions, numeric="value").transform(table)
    assert sorted(X[[0]].data) == [-15.0, -5.0, 1.0, 3.0, 3.0]
    assert sorted(X[[1]].data) == [1.0, 2.0]  # no zeros


def test_numeric_tells_numbers_from_ids():
    table = {"a": [3], "b": [5], "c": ["x"]}
    assert ColumnHasher(numeric="value").transform(table).sum() == 9
    assert ColumnHasher(numeric={"a": "value"}).transform(table).sum() == 5
    assert indices({"a": [5]}, numeric="bin") == indices({"a": [5 + 0.1]}, numeric="bin")
    assert indices({"a": [5]}, numeric="bin") == indices({"a": ["5"]})  # 3 + floor(log(5)**2)


@pytest.mark.parametrize(
    ("numbers", "bin_"),
    [
        ([-1e9, -1, -0.1], -1),
        ([0, -0.0], 0),
        ([0.1, 1], 1),
        ([1.1, 2], 2),
        ([2.1, 2.7], 3),
        ([3, 4], 4),
        ([999_999, 1_000_000], 193),
    ],
)
def test_bins_are_narrow_for_small_counts_and_wide_for_large_ones(numbers, bin_):
    for number in numbers:
        assert indices({"a": [number]}, numeric="bin") == indices({"a": [bin_]})


@pytest.mark.parametrize("numeric", ["category", "value", "bin"])
def test_a_missing_value_is_a_feature_of_its_own_or_left_out(numeric):
    table = {"a": [None, 1.0, np.nan], "b": [None, None, 2]}
    own = ColumnHasher(interactions=2, numeric=numeric).transform(table)
    skip = ColumnHasher(interactions=2, numeric=numeric, missing="skip").transform(table)
    assert np.diff(own.indptr).tolist() == [3, 3, 3]
    assert np.diff(skip.indptr).tolist() == [0, 1, 1]
    assert set(skip.indices) < set(own.indices)
    texts = {"a": ["None", "", "nan"], "b": ["null", "<missing>", "2"]}
    assert not set(own[[0]].indices) & set(ColumnHasher().transform(texts).indices)


def test_a_column_without_any_value_is_missing_in_every_row():
    nothing = {"a": pa.nulls(2)}
    for table in (nothing, {"a": pa.nulls(2, pa.int32())}, {"a": [np.nan, np.nan]}):
        for numeric in ("category", "value", {"a": "bin"}):
            assert indices(table, numeric=numeric) == indices(nothing)
            assert indices(table, numeric=numeric, missing="skip") == []


def test_features_that_collide_are_added():
    table = {"a": ["x", "y"], "b": [2.5, -1.0]}
    X = ColumnHasher(1, numeric="value").transform(table)
    assert X.indices.tolist() == [0]  # 1 - 1 is 0, and no entry
    assert X.toarray().tolist() == [[3.5], [0.0]]


def test_alternate_sign_gives_half_of_the_features_a_minus():
    table = {"a": np.arange(10_000)}
    plain = ColumnHasher().transform(table)
    signed = ColumnHasher(alternate_sign=True).transform(table)
    assert_equal(abs(signed), plain)
    assert abs(signed.sum()) < 500


@pytest.mark.compiled
def test_n_features_beyond_32_bits_have_hardly_a_collision():
    n = 2**18
    for table in ({"a": np.arange(n)}, {"a": np.arange(n) % 512, "b": np.arange(n) // 512}):
        X = ColumnHasher(2**50, interactions=2, missing="skip").transform(table)
        assert X.indices.dtype == np.int64
        assert X.indices.max() > 2**49
        n_features = n if len(table) == 1 else n + 1024
        assert np.unique(X.indices).size == n_features


@pytest.mark.compiled
@pytest.mark.parametrize("n_features", [2**16, 10**5])
@pytest.mark.parametrize(
    "table",
    [
        {"a": np.arange(50_000)},
        {"a": [f"{i:08x}" for i in range(50_000)]},
        {"a": np.arange(50_000) % 250, "b": np.arange(50_000) // 250},
        {"a": np.arange(50_000) % 50, "b": np.arange(50_000) // 50 % 20, "c": np.arange(50_000)},
    ],
    ids=["ids", "hexadecimal", "pairs", "triples"],
)
def test_collisions_are_those_of_chance(table, n_features):
    interactions = [tuple(table)] if len(table) > 1 else None
    hasher = ColumnHasher(n_features, interactions=interactions)
    wide = hasher.set_params(n_features=2**60).transform(table).indices
    n = np.unique(wide).size
    used = np.unique(hasher.set_params(n_features=n_features).transform(table).indices).size
    empty = np.exp(-n / n_features)
    deviation = np.sqrt(n_features * empty * (1 - (1 + n / n_features) * empty))
    assert abs(n_features * (1 - empty) - used) < 4 * deviation


def test_another_seed_gives_other_indices():
    table = {"a": ["x", "y", "z"]}
    assert not set(indices(table)) & set(indices(table, seed=1))


@pytest.mark.parametrize("dtype", [np.float32, "float32", np.float64])
def test_dtype(dtype):
    X = ColumnHasher(dtype=dtype, numeric="value").transform({"a": [0.1, 1e-60]})
    assert X.dtype == dtype
    assert X.toarray().max() == np.dtype(dtype).type(0.1)
    assert_canonical(X)  # 1e-60 is 0 in float32


# Bad input.

BAD_PARAMS = [
    ({"n_features": 0}, "n_features"),
    ({"n_features": 2**63}, "n_features"),
    ({"interactions": 1}, "interactions"),
    ({"interactions": "ab"}, "interactions"),
    ({"interactions": ["ab"]}, "interactions must be tuples .* got 'ab'"),
    ({"interactions": [("a",)]}, "two or more different columns"),
    ({"interactions": [("a", "a")]}, "two or more different columns"),
    ({"interactions": [(["a"], "b")]}, r"interactions must be .* got \(\['a'\], 'b'\)"),
    ({"numeric": "log"}, "numeric"),
    ({"numeric": {"a": "log"}}, "numeric={'a': 'log'}"),
    ({"missing": "drop"}, "missing"),
    ({"alternate_sign": 3}, "alternate_sign"),
    ({"dtype": int}, "dtype"),
    ({"seed": -1}, "seed"),
    ({"seed": 2**32}, "seed"),
    ({"n_jobs": 0}, "n_jobs"),
    ({"n_jobs": 1.5}, "n_jobs"),
]


@pytest.mark.parametrize(("params", "message"), BAD_PARAMS)
def test_bad_parameters_are_named(params, message):
    table = {"a": [1], "b": [2]}
    hasher = ColumnHasher(**params)
    for call in (hasher.fit, lambda: hasher.transform(table), hasher.get_feature_names_out):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"interactions": [("a", "other")]}, r"X does not have: \['other'\]"),
        ({"numeric": {"other": "bin"}}, r"X does not have: \['other'\]"),
        ({"numeric": {"other": "bin", 0: "bin"}}, r"X does not have: \[0, 'other'\]"),
        ({"interactions": 20}, "interactions=20 gives 40 columns more than"),
        ({"interactions": 10**9}, "interactions=1000000000 gives 40 columns more than"),
    ],
)
def test_parameters_that_do_not_suit_the_table_are_named(params, message):
    table = {"a": ["x"]} | {f"c{j}": [j] for j in range(39)}
    for call in (ColumnHasher(**params).fit, ColumnHasher(**params).transform):
        with pytest.raises(ValueError, match=message):
            call(table)


def test_what_is_no_number_has_no_value():
    for column in (["1"], [True], pd.Series([1], dtype="category")):
        with pytest.raises(TypeError, match=r"numeric=\{'a': 'value'\} needs numbers"):
            ColumnHasher(numeric={"a": "value"}).fit({"a": column})
        ColumnHasher(numeric="value").fit({"a": column})


@pytest.mark.parametrize("numeric", ["value", "bin"])
def test_numbers_too_large_are_named(numeric):
    with pytest.raises(ValueError, match="Column 'a' has a number that is infinite"):
        ColumnHasher(numeric=numeric).transform({"a": [1.0, -np.inf]})
    with pytest.raises(ValueError, match="too large for float32"):
        ColumnHasher(numeric=numeric, dtype=np.float32).transform({"a": [1e39]})


def test_a_product_too_large_is_an_error():
    table = {"a": [1e200, 1.0], "b": [1e200, 1.0]}
    with pytest.raises(ValueError, match=r"product or sum of values .* too large for float64"):
        ColumnHasher(numeric="value", interactions=2).transform(table)


def test_columns_that_fit_did_not_see_are_named():
    hasher = ColumnHasher().fit({"a": [1], "b": ["x"]})
    assert hasher.n_features_in_ == 2
    assert hasher.feature_names_in_.tolist() == ["a", "b"]
    assert_equal(
        hasher.transform({"b": ["x"], "a": [1]}), ColumnHasher().transform({"a": [1], "b": ["x"]})
    )
    with pytest.raises(
        ValueError, match=r"columns of X are not those of fit. Missing: \['a', 'b'\]"
    ):
        hasher.transform(np.ones((1, 2)))
    with pytest.raises(ValueError, match=r"expecting 2 features as input. Missing: \['b'\]\.$"):
        hasher.transform({"a": [1]})
    with pytest.raises(ValueError, match=r"Missing: \['b'\]; unknown: \['c', 'd'\]"):
        hasher.transform({"a": [1], "c": [1], "d": [2]})
    hasher.fit().transform({"c": [1]})
    assert not hasattr(hasher, "n_features_in_")


@pytest.mark.parametrize("table", [{"a": [[1]]}, {"a": [1], "b": 2}, {}, "log.csv"])
def test_a_fit_that_fails_remembers_what_the_one_before_did(table):
    hasher = ColumnHasher().fit({"a": [1], "b": ["x"]})
    with pytest.raises((TypeError, ValueError)):
        hasher.fit(table)
    with pytest.raises(ValueError, match=r"unknown: \['z'\]"):
        hasher.transform({"z": [1]})


# What fit remembers.

NOON = datetime.datetime(2024, 1, 31, 12)
DAY = NOON.date()
ZONED = NOON.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("fitted", "other", "message"),
    [
        (["01234"], [1234], r"text in fit and is integer now, .* dtype=\{'zip': str\}"),
        ([1234], ["01234"], r"integer .* text now, .* schema_overrides=\{'zip': polars.String\}"),
        (["10"], [10.0], "text .* float now"),
        (["10"], [Decimal("10.00")], "text .* decimal now"),
        ([True, None], ["True", None], "boolean .* text now"),
        ([True], [1], "boolean .* integer now"),
        (["a"], pa.array([1, 2]).dictionary_encode(), "text .* integer now"),
        (pd.Series(["1"], dtype="category"), [1], "text .* integer now"),
        ([DAY], [NOON], "date .* timestamp now, .* same strftime"),
        ([NOON], [ZONED], "timestamp .* with a time zone now, .* same strftime"),
        (["2024-01-31"], [DAY], "text .* date now, .* same strftime"),
    ],
)
def test_a_column_of_another_kind_than_in_fit_is_refused(fitted, other, message):
    hasher = ColumnHasher().fit({"zip": fitted})
    with pytest.raises(TypeError, match=f"Column 'zip' was {message}"):
        hasher.transform({"zip": other})
    with pytest.raises(TypeError, match="Column 'zip' was"):
        hasher.inverse_index({"zip": other}, [0])


KINDS_OF_TYPES = {
    "text": [
        ["1", None],
        pa.array(["1", None], pa.large_string()),
        pa.array(["1", None], pa.string_view()),
        pa.array(["1", None]).dictionary_encode(),
        np.array(["1", None], object),
        pd.Series(["1", None]),
        pd.Series(["1", None], dtype="string"),
        pd.Series(["1", None], dtype="category"),
        pl.Series(["1", None]),
        pl.Series(["1", None], dtype=pl.Categorical),
        pl.Series(["1", None], dtype=pl.Enum(["0", "1"])),
    ],
    "number": [
        [1234, None],
        [1234.0, np.nan],
        [Decimal("1234.00"), None],
        pa.array([1234, None], pa.uint16()),
        pa.array([1234, None]).dictionary_encode(),
        pd.Series([1234, None]),
        pd.Series([1234, None], dtype="Int64"),
        pd.Series([1234, None], dtype="category"),
        pl.Series([1234, None]),
    ],
    "boolean": [
        [True, None],
        pd.Series([True, None], dtype=object),
        pd.Series([True, None], dtype="boolean"),
        pd.Series([True, None], dtype="category"),
    ],
    "date": [[DAY, None], np.array([DAY, "NaT"], "M8[D]"), pa.array([NOON, None], pa.date64())],
    "timestamp": [[NOON, None], pd.Series([NOON, None]), pa.array([NOON, None], pa.timestamp("s"))],
    "zoned": [[ZONED, None], pa.array([ZONED, None], pa.timestamp("s", "Europe/Paris"))],
}


@pytest.mark.parametrize("kind", KINDS_OF_TYPES)
def test_a_kind_may_have_many_types_and_its_values_are_the_same_features(kind):
    for fitted in KINDS_OF_TYPES[kind]:
        hasher = ColumnHasher().fit({"a": fitted})
        X = hasher.transform({"a": fitted})
        for other in KINDS_OF_TYPES[kind]:
            assert_equal(hasher.transform({"a": other}), X)


NOTHING = [
    [None, None],
    [np.nan, np.nan],
    [],
    pa.array([np.nan, None]),
    pa.nulls(2, pa.string()),
    pa.nulls(2, pa.timestamp("s")),
    pa.array([None, None], pa.dictionary(pa.int8(), pa.int64())),
    pd.Series([np.nan, np.nan], dtype="category"),
    pd.Series([None, None], dtype="string"),
    pl.Series([None, None], dtype=pl.Null),
]


@pytest.mark.parametrize("nothing", NOTHING, ids=lambda nothing: type(nothing).__name__)
def test_a_column_wholly_missing_has_no_kind_yet(nothing):
    for values in (["a"], [1], [True], [DAY]):
        for numeric in ("category", "value", "bin"):
            hasher = ColumnHasher(numeric=numeric).fit({"a": nothing})
            assert hasher.column_kinds_ == {"a": None}
            hasher.transform({"a": values})
            X = hasher.fit({"a": values}).transform({"a": nothing})
            assert_equal(X, ColumnHasher().transform({"a": nothing}))


def test_fit_remembers_the_kinds_of_columns_until_the_next(columns):
    hasher = ColumnHasher(numeric="bin").fit(columns | {"nothing": [None] * 4})
    assert hasher.column_kinds_ == {
        "ad": "integer",
        "day": "date",
        "nothing": None,
        "price": "float",
        "seen": "boolean",
        "site": "text",
        "time": "timestamp",
    }
    assert not hasattr(hasher.fit(), "column_kinds_")
    hasher.transform(columns | {"ad": ["a"] * 4})
    assert not hasattr(clone(hasher.fit(columns)), "column_kinds_")
    with pytest.raises(TypeError, match="Column 'ad' was integer in fit"):
        pickle.loads(pickle.dumps(hasher)).transform(columns | {"ad": ["a"] * 4})


@pytest.mark.parametrize("ids", [[2**53 + 1, 1], [Decimal(2**53 + 1), Decimal(1)]])
def test_ids_that_lose_digits_as_floats_are_refused(ids):
    """As of a chunk of 64-bit ids in which one is missing."""
    hasher, floats = ColumnHasher(), pd.Series([2**53 + 1, np.nan])
    for fitted, other in [(ids, floats), (floats, ids)]:
        with pytest.raises(TypeError, match=r"in fit and is .* lose digits .* dtype=\{'a': str\}"):
            hasher.fit({"a": fitted}).transform({"a": other})
        hasher.transform({"a": other[1:]})  # 1 or NaN
    hasher.fit({"a": ids}).transform({"a": [2.0**53 - 1, -(2.0**53) + 1, np.inf]})
    quantities = ColumnHasher(numeric="value").fit({"a": ids})
    assert quantities.transform({"a": floats}).max() == 2.0**53


def test_categories_of_numbers_are_no_numbers_where_these_are_no_ids():
    ints, categories = [3, 4], pd.Series([3, 4], dtype="category")
    for numeric in ("bin", "value"):
        hasher = ColumnHasher(numeric=numeric)
        with pytest.raises(TypeError, match="was categorical in fit and is integer now"):
            hasher.fit({"a": categories}).transform({"a": ints})
        with pytest.raises(TypeError, match="was integer in fit and is categorical now"):
            hasher.fit({"a": ints}).transform({"a": categories})
    hasher = ColumnHasher(numeric={"b": "bin"}).fit({"a": ints, "b": ints})
    hasher.transform({"a": categories, "b": ints})


def test_chunks_of_a_file_are_refused_if_their_types_differ_and_learned_as_text():
    file = "zip,ad\n01234,1\nAB1,2\n01234,\n98765,3\n"
    first, second = pd.read_csv(io.StringIO(file), chunksize=2)
    with pytest.raises(TypeError, match="Column 'zip' was text in fit and is integer now"):
        ColumnHasher().fit(first).transform(second)
    chunks = list(pd.read_csv(io.StringIO(file), chunksize=2, dtype=str))
    hasher = ColumnHasher().fit(chunks[0])
    whole = pd.read_csv(io.StringIO(file), dtype=str)
    X = sparse.vstack([hasher.transform(chunk) for chunk in chunks], "csr")
    assert_equal(X, hasher.transform(whole))


# Amounts that are taken for ids.


@pytest.mark.parametrize(
    "amounts",
    [[9.99, None, 5.0], np.array([9.99, 5.0], np.float32), [Decimal("9.99")], [1e300, 0.5]],
    ids=str,
)
def test_amounts_that_are_taken_for_ids_are_warned_of(amounts):
    message = r"Column 'price' .* numeric=\{'price': \"bin\"\} or \"value\" .* \"category\" for ids"
    with pytest.warns(UserWarning, match=message):
        ColumnHasher().transform({"price": amounts, "site": ["x"] * len(amounts)})


def test_a_choice_of_numeric_is_not_warned_of():
    table = {"price": [9.99]}
    for numeric in ("bin", "value", *({"price": how} for how in ("category", "bin", "value"))):
        ColumnHasher(numeric=numeric).fit_transform(table)
    ColumnHasher().fit_transform(pd.DataFrame(table, dtype="category"))
    ColumnHasher().fit(table).inverse_index(table, [0])


@pytest.mark.parametrize("ids", [[7.0, np.nan], [-3.0, 2.0**60], [np.inf, 1.0], [Decimal("5.00")]])
def test_whole_numbers_are_not_warned_of(ids):
    ColumnHasher().fit_transform({"ad": ids})


def test_an_estimator_warns_once_of_a_column_in_the_first_transform_that_has_its_amounts():
    hasher = ColumnHasher()
    with pytest.warns(UserWarning, match="Column 'price'"):
        hasher.transform({"price": [9.99]})
    hasher.transform({"price": [5.49]})
    with pytest.warns(UserWarning, match="Column 'tax'"):
        hasher.transform({"price": [5.49], "tax": [0.5]})
    hasher.fit({"price": [5.49]})
    with pytest.warns(UserWarning, match="Column 'price'"):
        hasher.transform({"price": [5.49]})
    pickle.loads(pickle.dumps(hasher)).transform({"price": [7.89]})
    with pytest.warns(UserWarning, match="Column 'price'"):
        clone(hasher).transform({"price": [7.89]})


def test_no_rows_give_no_rows():
    for table in ({"a": pa.array([], pa.string())}, pd.DataFrame({"a": []}), np.empty((0, 1))):
        X = ColumnHasher(interactions=2, dtype=np.float32).fit_transform(table)
        assert X.shape == (0, 2**20)
        assert X.dtype == np.float32
        assert X.indices.dtype == np.int32
        assert ColumnHasher().inverse_index(table, [3]) == {3: []}


def test_a_table_is_not_changed(columns):
    frame = pd.DataFrame(columns)
    array = np.array([[1.0, np.nan], [np.inf, 2.0]])
    before = frame.copy(deep=True), array.copy()
    ColumnHasher(interactions=2, numeric={"price": "bin"}).fit_transform(frame)
    ColumnHasher(interactions=2).fit_transform(array)
    pd.testing.assert_frame_equal(frame, before[0])
    np.testing.assert_array_equal(array, before[1])


# The way back.


def test_inverse_index_tells_categories_bins_values_and_what_is_missing():
    table = {"site": ["news", None], "n": [50, None], "price": [2.5, None], "id": [1.0, 0.5]}
    hasher = ColumnHasher(
        numeric={"n": "bin", "price": "value", "id": "category"},
        interactions=[("site", "n"), ("price", "id")],
    )
    X = hasher.transform(table)
    named = [
        sorted(
            name for names in hasher.inverse_index(table, X[[i]].indices).values() for name in names
        )
        for i in range(2)
    ]
    assert named == [
        ["id=1", "id=1 & price", "n=bin 18", "n=bin 18 & site=news", "price", "site=news"],
        [
            "id=0.5",
            "id=0.5 & price=<missing>",
            "n=<missing>",
            "n=<missing> & site=<missing>",
            "price=<missing>",
            "site=<missing>",
        ],
    ]


def test_inverse_index_tells_all_that_collide_and_only_what_was_asked():
    table = {"a": ["x", "y", "x"], "b": ["x", "x", "x"]}
    assert ColumnHasher(1).inverse_index(table, [0]) == {0: ["a=x", "a=y", "b=x"]}
    assert ColumnHasher().inverse_index(table, []) == {}
    assert ColumnHasher().inverse_index(table, [5, 3]) == {5: [], 3: []}
    X = ColumnHasher(2**63 - 1).transform(table)
    for index in X.indices[X.indices > 2**53]:
        near = np.array([index - 1, index, index + 1], dtype=np.uint64)
        found = ColumnHasher(2**63 - 1).inverse_index(table, near)
        assert [len(names) for names in found.values()] == [0, 1, 0]


@pytest.mark.parametrize("wrong", [[-1], [8], [0.5], ["a"], 3, [[1]]])
def test_inverse_index_refuses_what_is_no_index(wrong):
    with pytest.raises(ValueError, match="indices must be"):
        ColumnHasher(8).inverse_index({"a": [1]}, wrong)


# In scikit-learn.


@parametrize_with_checks(
    [ColumnHasher(2**10), ColumnHasher(2**10, numeric="value", dtype=np.float32)],
    expected_failed_checks=lambda estimator: {
        "check_estimators_empty_data_messages": "a batch of a stream may be empty"
    },
)
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)


def test_a_clone_and_a_pickle_give_the_same_rows(columns):
    hasher = ColumnHasher(interactions=[("site", "ad")], numeric="bin").fit(columns)
    X = hasher.transform(columns)
    for other in (clone(hasher), pickle.loads(pickle.dumps(hasher))):
        assert other.get_params() == hasher.get_params()
        assert_equal(other.transform(columns), X)


def test_in_a_pipeline_and_a_column_transformer(columns):
    frame = pd.DataFrame(columns)
    hasher = ColumnHasher(2**10, interactions=2)
    rows = ColumnTransformer(
        [("ids", hasher, ["site", "ad"]), ("numbers", StandardScaler(), ["price"])]
    )
    model = make_pipeline(rows, FtrlClassifier(max_iter=1, tol=None))
    frame["price"] = frame["price"].fillna(0)
    model.fit(frame, [0, 1, 0, 1]).predict(frame)
    assert rows.fit(frame).get_feature_names_out()[[0, -1]].tolist() == [
        "ids__columnhasher0",
        "numbers__price",
    ]
    with pytest.raises(ValueError, match="too many to name"):
        ColumnHasher(2**40).get_feature_names_out()


def test_the_sparse_interface_is_the_one_of_the_config(columns):
    hasher = ColumnHasher(numeric="bin")
    assert sparse.isspmatrix_csr(hasher.transform(columns))
    try:
        config = config_context(sparse_interface="sparray")
    except TypeError:
        pytest.skip("this scikit-learn has matrices alone")
    with config:
        X = hasher.transform(columns)
    assert isinstance(X, sparse.csr_array)
    assert_equal(X, hasher.transform(columns))


def test_threads_share_a_transformer(columns):
    hasher = ColumnHasher(interactions=2, numeric="bin")
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(hasher.transform, [columns] * 8))
    for X in results:
        assert_equal(X, hasher.transform(columns))
