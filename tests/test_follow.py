"""The rate of a stream under "auto" follows what its rows show."""

import copy
import pickle

import numpy as np
import pytest
from oracle import NUMBERS, assert_same_bits, partial_fit
from scipy import sparse

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, _follow, _threads, merge
from sklearn_ftrl._auto import UNKNOWN
from sklearn_ftrl._kernel import CLASSIFIER_LOSSES, REGRESSOR_LOSSES

LOSSES = [
    *((FtrlClassifier, loss) for loss in CLASSIFIER_LOSSES),
    *((FtrlRegressor, loss) for loss in REGRESSOR_LOSSES),
]
each_loss = pytest.mark.parametrize(("estimator", "loss"), LOSSES, ids=[x for _, x in LOSSES])


def noise(n_rows=4000):
    """Return dense rows that tell nothing of y."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_rows, 20)), rng.integers(2, size=n_rows)


def words(n_rows=4000):
    """Return sparse rows of eight words, most of them rare, which all tell of y."""
    rng = np.random.default_rng(0)
    rank = rng.random((n_rows, 8)) ** 3
    columns = np.sort((20_000 * rank).astype(np.int32), axis=1)
    rows = np.repeat(np.arange(n_rows), 8)
    X = sparse.coo_array((np.ones(rows.size), (rows, columns.ravel())), shape=(n_rows, 20_000))
    X = X.tocsr()
    X.sum_duplicates()
    return X, (X @ rng.choice([-1.0, 1.0], 20_000) > 0).astype(int)


def served(model, X, y, size=500, weights=None, labels=(0, 1)):
    """Return the model after calls of so many rows, and its rate after each of them."""
    rates = []
    for start in range(0, len(y), size):
        part = slice(start, start + size)
        weight = None if weights is None else weights[part]
        partial_fit(model, X[part], y[part], sample_weight=weight, labels=labels)
        rates.append(model.learning_rate_)
    return model, rates


def unfollowed(monkeypatch, model, X, y, **form):
    """Return the model of the same calls whose rate stays."""
    with monkeypatch.context() as patch:
        patch.setattr(_follow, "FIRST", 2**40)
        return served(model, X, y, **form)[0]


@each_loss
def test_the_rate_falls_where_rows_tell_nothing(estimator, loss):
    _, rates = served(estimator(loss), *noise())
    assert rates[0] > rates[1] > rates[3] >= rates[-1]


def test_the_rate_rises_where_new_words_tell_all():
    _, rates = served(FtrlClassifier(), *words())
    assert rates[0] < rates[1] < rates[3]


@pytest.mark.parametrize("stream", [noise, words])
def test_what_follows_predicts_better(stream, monkeypatch):
    X, y = stream()
    model, _ = served(FtrlClassifier(), X[:2000], y[:2000])
    stays = unfollowed(monkeypatch, FtrlClassifier(), X[:2000], y[:2000])
    losses = []
    for each in (model, stays):
        margin = (2 * y[2000:] - 1) * each.decision_function(X[2000:])
        losses.append(np.logaddexp(0.0, -margin).mean())
    assert losses[0] < losses[1]


def test_rows_that_come_again_raise_no_rate():
    X, y = words(1000)
    again = np.arange(7000) % 1000
    _, rates = served(FtrlClassifier(), X[again], y[again], size=100)
    assert rates[8] < rates[9] == max(rates)


def test_the_rate_moves_only_when_the_rows_have_doubled():
    _, rates = served(FtrlClassifier(), *noise(), size=250)
    assert list(1 + np.flatnonzero(np.diff(rates))) == [3, 7, 15]


def test_coefficients_move_with_the_rate_and_intercepts_stay(monkeypatch):
    X, y = words(1000)
    model, rates = served(FtrlClassifier(), X, y)
    stays = unfollowed(monkeypatch, FtrlClassifier(), X, y)
    assert rates[1] != rates[0]
    np.testing.assert_array_equal(model.z_, stays.z_)
    np.testing.assert_allclose(model.coef_, stays.coef_ * (rates[1] / rates[0]), rtol=1e-12)
    np.testing.assert_allclose(model.intercept_, stays.intercept_, rtol=1e-12)


def test_the_scales_of_x_and_sample_weights_change_no_move_of_the_rate():
    X, y = noise(2000)
    weights = np.random.default_rng(1).uniform(0.5, 2.0, 2000)
    _, rates = served(FtrlClassifier(), X, y, weights=weights)
    _, scaled = served(FtrlClassifier(), 1e3 * X, y, weights=1e4 * weights)
    np.testing.assert_allclose(np.array(scaled) / scaled[0], np.array(rates) / rates[0], rtol=1e-6)


@pytest.mark.parametrize("loss", ["squared_error", "quantile", "huber"])
def test_the_scale_and_the_mean_of_y_change_no_move_of_the_rate(loss):
    X, _ = noise(2000)
    y = np.random.default_rng(1).normal(size=2000)
    _, rates = served(FtrlRegressor(loss, epsilon=0.1), X, y)
    _, scaled = served(FtrlRegressor(loss, epsilon=100.0), X, 1000 * y)
    _, moved = served(FtrlRegressor(loss, epsilon=0.1), X, y + 100)
    np.testing.assert_allclose(scaled, 1000 * np.array(rates), rtol=1e-6)
    np.testing.assert_allclose(moved, rates, rtol=1e-6)


def test_a_call_is_cut_where_the_rate_is_set():
    X, y = words()
    one = FtrlClassifier().partial_fit(X[:300], y[:300], classes=[0, 1])
    many = copy.deepcopy(one)
    one.partial_fit(X[300:], y[300:])
    losses = [
        many.partial_fit(X[a:b], y[a:b]).progressive_loss_
        for a, b in [(300, 1000), (1000, 2000), (2000, 4000)]
    ]
    assert_same_bits(one, many)
    assert one.learning_rate_ == many.learning_rate_
    assert one.progressive_loss_ == pytest.approx(np.dot(losses, [700, 1000, 2000]) / 3700)


def test_a_pickled_model_goes_on_with_the_same_bits():
    X, y = words()
    model, _ = served(FtrlClassifier(), X[:1500], y[:1500])
    again = pickle.loads(pickle.dumps(model))
    for each in (model, again):
        served(each, X[1500:], y[1500:])
    assert_same_bits(model, again)
    assert model.learning_rate_ == again.learning_rate_


def test_dense_rows_move_the_rate_as_sparse_ones_do():
    X, y = noise(2000)
    X[:, ::3] = 0.0
    _, rates = served(FtrlClassifier(), X, y)
    _, of_sparse = served(FtrlClassifier(), sparse.csr_array(X), y)
    np.testing.assert_allclose(of_sparse, rates, rtol=1e-12)


def test_row_by_row_the_rate_does_not_fall():
    X, y = noise(1001)
    _, rates = served(FtrlClassifier(), X, y, size=1)
    assert rates[-1] == rates[998]


def test_a_row_that_cannot_be_learned_keeps_the_rows_before_it():
    X, _ = noise()
    y = np.random.default_rng(1).normal(size=4000)
    y[1500] = 1e300
    model = FtrlRegressor().partial_fit(X[:200], y[:200])
    with pytest.raises(ValueError, match="row 1300 is not finite"):
        model.partial_fit(X[200:], y[200:])
    expected = served(FtrlRegressor().partial_fit(X[:200], y[:200]), X[200:1500], y[200:1500], 1300)
    assert model.t_ == 1500
    assert_same_bits(model, expected[0])


def test_numbers_do_not_follow():
    X, y = noise()
    for params in [NUMBERS, {"learning_rate": 0.5, "beta": "auto"}]:
        _, rates = served(FtrlClassifier(**params), X, y)
        assert len(set(rates)) == 1


def test_beta_may_be_a_number():
    _, rates = served(FtrlClassifier(beta=1.0), *noise())
    assert rates[-1] < rates[0]


def test_numbers_in_mid_stream_hold_and_auto_begins_anew():
    X, y = noise()
    model, rates = served(FtrlClassifier(), X, y)
    model.set_params(learning_rate=0.5)
    assert set(served(model, X, y)[1]) == {0.5}
    model.set_params(learning_rate="auto").partial_fit(X[:100], y[:100])
    assert model.learning_rate_ == pytest.approx(rates[0], rel=0.3)


def test_fit_begins_with_the_scale_of_its_rows():
    X, y = noise()
    model, rates = served(FtrlClassifier(), X, y)
    assert model.fit(X, y).learning_rate_ == FtrlClassifier().fit(X, y).learning_rate_
    assert model.learning_rate_ > 1.2 * rates[-1]


def test_new_classes_keep_the_move_of_the_rate():
    X, y = noise()
    model, rates = served(FtrlClassifier(), X, y)
    model.partial_fit(X[:10], y[:10], classes=[0, 1, 2])
    assert model.learning_rate_ == pytest.approx(2 * rates[-1])


def test_parts_follow_and_a_merge_has_the_mean_of_their_rates():
    X, y = noise()
    start = FtrlClassifier().partial_fit(X[:200], y[:200], classes=[0, 1])
    parts = [served(copy.deepcopy(start), X[k::2], y[k::2], size=100)[0] for k in range(2)]
    rates = [part.learning_rate_ for part in parts]
    assert max(rates) < start.learning_rate_
    rows = [part.t_ - 200 for part in parts]
    merged = merge(parts, start=start)
    assert merged.learning_rate_ == pytest.approx(np.average(rates, weights=rows))
    alone = merge(parts[:1], start=start)
    np.testing.assert_array_equal(alone.z_, parts[0].z_)
    for name in ["coef_", "intercept_", "learning_rate_"]:
        np.testing.assert_allclose(getattr(alone, name), getattr(parts[0], name), rtol=1e-9)
    again = merge([copy.deepcopy(merged).partial_fit(X[:50], y[:50])], start=merged)
    assert again.learning_rate_ == merged.learning_rate_  # too few rows to set it anew


def test_a_merge_leaves_the_state_that_no_part_has_moved():
    X, y = words(1500)
    start = FtrlClassifier().partial_fit(X[:800], y[:800], classes=[0, 1])
    rare = np.flatnonzero(start.n_[0] * (X[800:].sum(axis=0) == 0))
    parts = [copy.deepcopy(start).partial_fit(X[800:], y[800:]) for _ in range(4)]
    assert parts[0].learning_rate_ > start.learning_rate_
    model = merge(parts, start=start)
    np.testing.assert_array_equal(model.z_[:, rare], start.z_[:, rare])
    faster = model.learning_rate_ / start.learning_rate_
    np.testing.assert_allclose(model.coef_[:, rare], faster * start.coef_[:, rare], rtol=1e-9)


def test_threads_give_the_same_bits_twice(monkeypatch):
    monkeypatch.setattr(_threads, "WORK_OF_A_THREAD", 1000)
    X, y = noise()
    one, other = (served(FtrlClassifier(n_jobs=2), X, y, size=2000)[0] for _ in range(2))
    assert_same_bits(one, other)


def judged(less, same, more, n_new=1000.0, calls=1.0):
    return UNKNOWN._replace(judged=(less, same, more, 1000.0, n_new, calls))


@pytest.mark.parametrize(
    ("scales", "factor"),
    [
        (judged(100.0, 100.0, 100.0), 1.0),
        (judged(900.0, 500.0, 120.0), 2.0),
        (judged(120.0, 500.0, 900.0), 0.5),
        (judged(900.0, 500.0, 120.0, n_new=400.0), 1.0),
        (judged(900.0, 500.0, 120.0, n_new=400.0)._replace(factor=0.7), 1.0),
        (judged(900.0, 500.0, 120.0, n_new=400.0)._replace(factor=1.5), 1.5),
        (judged(120.0, 500.0, 900.0, calls=1000.0), 1.0),
        (judged(900.0, 500.0, np.inf), 1.0),
        (judged(900.0, 500.0, 120.0)._replace(factor=7.0), 8.0),
        (judged(120.0, 500.0, 900.0)._replace(factor=0.2), 0.125),
        (judged(120.0, 500.0, 900.0, calls=1000.0)._replace(factor=0.2), 0.2),
    ],
)
def test_one_change_and_all_together_have_limits(scales, factor):
    assert _follow._followed(scales).factor == factor
