import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import logit, rel_entr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import OneHotEncoder

from sklearn_ftrl import FtrlClassifier
from sklearn_ftrl.datasets import _Log, make_click_log
from sklearn_ftrl.preprocessing import ColumnHasher


def assert_equal(log, other):
    np.testing.assert_equal(dict(other.data), dict(log.data))
    np.testing.assert_array_equal(other.target, log.target)
    np.testing.assert_array_equal(other.probability, log.probability)


def test_a_seed_gives_the_same_log_again_and_another_one_another():
    log = make_click_log(100, random_state=3)
    assert_equal(make_click_log(100, random_state=3), log)
    assert_equal(make_click_log(100, random_state=np.random.RandomState(3)), log)
    others = [make_click_log(100, random_state=seed) for seed in (4, None)]
    for other in others:
        assert (other.data["id5"] != log.data["id5"]).any()
        assert (other.probability != log.probability).all()


@settings(max_examples=20)
@given(st.lists(st.integers(0, 50), max_size=3), st.sampled_from([0, 7, 10**12]))
def test_parts_are_those_of_the_whole(cuts, start):
    params = {"random_state": 0, "drift": 2.5, "cardinalities": (3, 1000)}
    params |= {"n_counts": 1, "n_interactions": 1}
    whole = make_click_log(50, start=start, **params)
    edges = [0, *sorted(cuts), 50]
    for a, b in itertools.pairwise(edges):
        part = make_click_log(b - a, start=start + a, **params)
        for name in whole.data:
            np.testing.assert_array_equal(part.data[name], whole.data[name][a:b])
        np.testing.assert_array_equal(part.target, whole.target[a:b])
        np.testing.assert_allclose(part.probability, whole.probability[a:b], rtol=1e-12)


def test_rows_may_be_counted_by_numpy_s_integers():
    log = make_click_log(np.int64(8), start=np.int64(20), random_state=0)
    assert_equal(log, make_click_log(8, start=20, random_state=0))


def test_ids_have_power_law_frequencies():
    log = make_click_log(
        200_000, cardinalities=(1, 5, 10**6), n_interactions=0, n_counts=0, random_state=0
    )
    one, few, many = (np.unique_counts(log.data[f"id{j}"]).counts for j in range(3))
    assert one.tolist() == [200_000]
    expected = np.log1p(1 / np.arange(1, 6)) / np.log(6)
    np.testing.assert_allclose(np.sort(few)[::-1] / 200_000, expected, rtol=0.05)
    expected = np.log1p(1 / np.arange(1, 31)) / np.log(10**6 + 1)
    np.testing.assert_allclose(np.sort(many)[:-31:-1] / 200_000, expected, rtol=0.15)
    assert (many == 1).sum() > 10_000


def test_counts_are_small_and_sometimes_large():
    counts = make_click_log(100_000, n_counts=1, random_state=0).data["count0"]
    assert counts.dtype == np.int64
    assert counts.min() == 0
    assert np.median(counts) == 2
    assert 200 < np.quantile(counts, 0.999) < 400


def test_hours_are_of_equal_length():
    hours = make_click_log(20_001, start=5_000, random_state=0).data["hour"]
    assert np.unique_counts(hours).counts.tolist() == [5_000, 10_000, 5_001]


@pytest.mark.parametrize("base_rate", [0.001, 0.05, 0.5])
def test_clicks_are_as_likely_as_told(base_rate):
    log = make_click_log(300_000, base_rate=base_rate, random_state=1)
    assert log.probability.mean() == pytest.approx(base_rate, rel=0.1)
    for part in np.array_split(np.argsort(log.probability), 5):
        p = log.probability[part]
        deviation = np.sqrt((p * (1 - p)).sum())
        assert abs(log.target[part].sum() - p.sum()) < 4 * deviation


def test_signal_is_about_the_deviation_of_the_log_odds():
    for signal in (0.0, 0.5, 3.0):
        for terms in ({}, {"cardinalities": [1000] * 2, "n_interactions": 1, "n_counts": 9}):
            log = make_click_log(10_000, signal=signal, random_state=0, **terms)
            assert logit(log.probability).std() == pytest.approx(signal, rel=0.3, abs=1e-9)


def test_weights_drift_smoothly_to_new_ones():
    log = _Log(np.array([10]), 0, [], 1.0, 0.5, 0)
    ids = np.arange(100_000, dtype=np.uint64)
    start = log.weights(3, 0, ids, np.zeros(1))
    assert start.mean() == pytest.approx(0.0, abs=0.02)
    correlations = []
    for day in (0.0, 0.5, 1.0, 2.0, 4.0):
        weights = log.weights(3, 0, ids, np.full(1, day))
        assert weights.std() == pytest.approx(1.0, abs=0.02)
        correlations.append(np.corrcoef(start, weights)[0, 1])
    expected = [1.0, np.cos(np.pi / 8), np.cos(np.pi / 4), 0.0, 0.0]
    np.testing.assert_allclose(correlations, expected, atol=0.02)
    steady = log._replace(drift=0.0)
    np.testing.assert_array_equal(steady.weights(3, 0, ids, np.full(1, 9.0)), start)


def test_weights_drift_by_the_day_of_240_000_rows():
    log = _Log(np.array([10]), 0, [], 1.0, 1.0, 0)
    ids = np.arange(10, dtype=np.uint64)

    def log_odds(row):
        return np.array([log.log_odds(row, 1, [ids[[k]]], [])[0] for k in range(10)])

    start, noon, end = (log_odds(row) for row in (0, 120_000, 240_000))
    np.testing.assert_allclose(noon, (start + end) / np.sqrt(2), rtol=1e-12)


def test_each_column_and_each_pair_has_weights_of_its_own():
    log = _Log(np.array([8, 8, 8]), 0, [(0, 1), (0, 2)], 1.0, 0.0, 0)
    ids = np.indices((8, 8, 8)).reshape(3, -1).astype(np.uint64)
    single = [log.weights(3, j, ids[j], np.zeros(1)) for j in range(3)]
    assert np.unique(single).size == 3 * 8
    total = np.sqrt(5) * log.log_odds(0, 512, list(ids), [])
    alone = np.sqrt(3) * log._replace(pairs=[]).log_odds(0, 512, list(ids), [])
    both = (total - alone).reshape(8, 8, 8)
    first = both - both.mean(axis=2, keepdims=True)  # without the weights of (0, 1)
    second = both - both.mean(axis=1, keepdims=True)
    for part in (first[:, 0, :], second[:, :, 0]):
        assert np.unique(part.round(9)).size == 64


def test_ids_of_all_columns_are_unlike():
    log = make_click_log(5000, cardinalities=(30, 30, 30), n_interactions=0, random_state=0)
    ids = [set(log.data[f"id{j}"]) for j in range(3)]
    assert [len(each) for each in ids] == [30, 30, 30]
    assert len(set.union(*ids)) == 90


@pytest.mark.parametrize(("u", "position"), [(0.0, 0), (1.0 - 2.0**-53, -1)])
def test_the_first_and_the_last_id_are_within_the_cardinality(u, position, monkeypatch):
    cardinalities = np.array([1, 10, 10**6, 2**32])
    monkeypatch.setattr(_Log, "uniform", lambda *_: np.array([u]))
    ids, _ = _Log(cardinalities, 0, [], 1.0, 0.0, 0).ids_and_counts(0, 1)
    assert [int(column[0]) for column in ids] == [range(c)[position] for c in cardinalities]


def test_a_column_may_have_as_many_ids_as_eight_digits_spell():
    log = make_click_log(1000, cardinalities=[2**32], n_interactions=0, random_state=0)
    assert np.unique(log.data["id0"]).size > 500  # most rows have an id of their own


def test_a_frame_has_the_same_columns():
    pd = pytest.importorskip("pandas")
    log = make_click_log(10, random_state=0, as_frame=True)
    assert isinstance(log.data, pd.DataFrame)
    assert_equal(make_click_log(10, random_state=0), log)


def test_pandas_is_needed_for_a_frame_alone():
    code = (
        "import sys; sys.modules |= dict.fromkeys(['pyarrow', 'pandas', 'polars']);"
        "from sklearn_ftrl.datasets import make_click_log; make_click_log(5)\n"
        "try: make_click_log(5, as_frame=True)\n"
        "except ImportError as error: assert 'pandas' in str(error)\n"
        "else: sys.exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_log_may_have_no_rows_and_no_ids_and_no_counts():
    log = make_click_log(0, random_state=0)
    assert {len(column) for column in log.data.values()} == {0}
    assert log.target.shape == log.probability.shape == (0,)
    log = make_click_log(3, cardinalities=(), n_interactions=0, n_counts=0, base_rate=0.25)
    assert list(log.data) == ["hour"]
    np.testing.assert_allclose(log.probability, 0.25)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_samples": -1}, "n_samples"),
        ({"cardinalities": 3}, "cardinalities"),
        ({"cardinalities": [0]}, "cardinalities must be from 1"),
        ({"cardinalities": [2**32 + 1]}, "cardinalities must be from 1"),
        ({"cardinalities": [2.5]}, "cardinalities must be a 1-D array of integers"),
        ({"cardinalities": [[2]]}, "cardinalities must be a 1-D array of integers"),
        ({"n_counts": -1}, "n_counts"),
        ({"n_interactions": 16}, "n_interactions=16 is more than the 15 pairs"),
        ({"base_rate": 0.0}, "base_rate"),
        ({"base_rate": 1}, "base_rate"),
        ({"signal": -1.0}, "signal"),
        ({"drift": np.nan}, "drift"),
        ({"drift": np.inf}, "drift"),
        ({"signal": np.inf}, "signal"),
        ({"start": -1}, "start"),
        ({"start": 2**53}, "start"),
        ({"as_frame": "yes"}, "as_frame"),
        ({"random_state": "a"}, "random_state"),
    ],
)
def test_bad_parameters_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        make_click_log(**params)


@pytest.mark.compiled
def test_a_model_comes_near_the_truth_and_nearer_with_the_interactions():
    pytest.importorskip("pyarrow")
    params = {"cardinalities": (10, 30, 300), "n_interactions": 2, "n_counts": 1}
    train, test = (
        make_click_log(100_000, start=start, signal=2.0, random_state=0, **params)
        for start in (0, 100_000)
    )
    losses = []
    for interactions in (None, train.interactions):
        hasher = ColumnHasher(interactions=interactions, numeric={"count0": "bin"})
        model = FtrlClassifier(max_iter=1, tol=None).fit(hasher.transform(train.data), train.target)
        proba = model.predict_proba(hasher.transform(test.data))
        losses.append(log_loss(test.target, proba[:, 1]))
    truth = log_loss(test.target, test.probability)
    nothing = log_loss(test.target, np.full(100_000, test.target.mean()))
    without, with_them = (np.array(losses) - truth) / (nothing - truth)
    assert with_them < 0.25
    assert with_them < without / 2


@pytest.mark.compiled
def test_interactions_gain_what_no_model_of_single_columns_can():
    pytest.importorskip("pyarrow")
    params = {"cardinalities": (10, 20, 50), "n_interactions": 2, "n_counts": 0, "base_rate": 0.3}
    train, test = (
        make_click_log(n_samples, start=start, random_state=0, **params)
        for start, n_samples in [(0, 100_000), (100_000, 20_000)]
    )
    p = test.probability

    def regret(proba):
        return (rel_entr(p, proba) + rel_entr(1 - p, 1 - proba)).mean()

    def learned(interactions):
        hasher = ColumnHasher(interactions=interactions)
        model = FtrlClassifier(max_iter=1, tol=None).fit(hasher.transform(train.data), train.target)
        return regret(model.predict_proba(hasher.transform(test.data))[:, 1])

    ids = np.column_stack([column for name, column in test.data.items() if name != "hour"])
    X = OneHotEncoder().fit_transform(ids)
    both = sparse.vstack([X, X]), np.repeat([1, 0], p.size), np.r_[p, 1 - p]
    single = LogisticRegression(C=1e6, max_iter=300).fit(*both)  # has the test rows' truth
    allowed = regret(single.predict_proba(X)[:, 1])
    without, with_them = learned(None), learned(train.interactions)
    assert allowed < without < 1.15 * allowed
    assert without - with_them > 0.85 * allowed
