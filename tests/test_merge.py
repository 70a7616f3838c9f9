"""merge: models that learned apart become one."""

import copy

import numpy as np
import pandas as pd
import pytest
from oracle import FEW, NUMBERS, random_rows, random_targets
from scipy import sparse
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, merge

STATE = ["coef_", "z_", "n_", "intercept_", "intercept_z_", "intercept_n_", "t_"]


def learn(model, rows, n_classes=2):
    X, y = random_rows(), random_targets(n_classes=n_classes)
    classes = {"classes": np.unique(y)} if isinstance(model, FtrlClassifier) else {}
    return model.partial_fit(X[rows], y[rows], **classes)


def by_the_rule(zs, ns, z0, n0, p, beta, intercept):
    """Return z and n of one coordinate merged as the documentation says."""
    parts = [(z, n) for z, n in zip(zs, ns, strict=True) if n != n0]
    if not parts:
        return z0, n0
    n = n0 + sum(n_k - n0 for _, n_k in parts)
    added = z0 + sum(z_k - z0 for z_k, _ in parts)
    if intercept:
        total = sum(z_k for z_k, _ in parts)
        return total * (beta + n**p) / sum(beta + n_k**p for _, n_k in parts), n
    mean = sum(z_k for z_k, _ in parts) * n**p / sum(n_k**p for _, n_k in parts)
    h = n / (n + 16 * beta ** (1 / (p or 0.5)))
    return h * mean + (1 - h) * added, n


def one_against_the_rest(**params):
    """Return a model in which a row may teach some outputs, and others not."""
    return FtrlClassifier("hinge", **params)


@pytest.mark.parametrize("estimator", [FtrlClassifier, one_against_the_rest, FtrlRegressor])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("power", [-0.5, -0.3, 0.0])
@pytest.mark.parametrize("started", [False, True])
def test_each_coordinate_follows_the_rule(estimator, n_classes, power, started):
    params = {**NUMBERS, "learning_rate_power": power, "initial_accumulator_value": 0.1, "l1": 0.1}
    params["beta"] = 1.5
    start = learn(estimator(**params), slice(0, 20), n_classes) if started else None
    parts = [copy.deepcopy(start) if started else estimator(**params) for _ in range(3)]
    for k, part in enumerate(parts):
        learn(part, slice(20 + 10 * k, 24 + 10 * k), n_classes)
    model = merge(parts, start=start)
    for z_name, n_name in [("z_", "n_"), ("intercept_z_", "intercept_n_")]:
        zs, ns = ([np.ravel(getattr(part, name)) for part in parts] for name in (z_name, n_name))
        z0, n0 = np.zeros_like(zs[0]), np.full_like(ns[0], np.sqrt(0.1) ** 2)
        if started:
            z0, n0 = (np.ravel(getattr(start, name)) for name in (z_name, n_name))
        rule = [
            by_the_rule(*c, -power, model.beta_, z_name == "intercept_z_")
            for c in zip(np.transpose(zs), np.transpose(ns), z0, n0, strict=True)
        ]
        np.testing.assert_allclose(np.ravel(getattr(model, z_name)), [z for z, _ in rule], 1e-11)
        np.testing.assert_allclose(np.ravel(getattr(model, n_name)), [n for _, n in rule], 1e-12)
    assert model.t_ == 12 + 20 * started


@pytest.mark.parametrize("beta", ["auto", 0.0])
def test_an_intercept_far_from_0_is_merged_exactly(beta):
    X = np.random.default_rng(0).normal(size=(500, 2))
    start = FtrlRegressor(beta=beta).partial_fit(X[:100], 1e4 + X[:100, 0])
    parts = [copy.deepcopy(start) for _ in range(4)]
    for k, part in enumerate(parts):
        part.partial_fit(X[100 + k :: 4], 1e4 + X[100 + k :: 4, 0])
    intercepts = [part.intercept_[0] for part in parts]
    assert min(intercepts) < merge(parts, start=start).intercept_[0] < max(intercepts)


def test_a_penalised_intercept_is_merged_with_its_l2():
    part = FtrlRegressor(**NUMBERS, l2=5.0, penalize_intercept=True).partial_fit([[0.0]], [9.0])
    np.testing.assert_allclose(merge([part] * 3).intercept_, part.intercept_)


def test_one_part_is_itself():
    part = learn(FtrlClassifier(**NUMBERS), slice(None))
    model = merge([part])
    for name in STATE:
        np.testing.assert_array_equal(getattr(model, name), getattr(part, name))


def test_parts_without_common_features_keep_their_weights():
    y = [0, 1, 1, 0]
    left = sparse.csr_array([[1.0, 0.0], [2, 0], [3, 0], [-1, 0]])
    params = {"fit_intercept": False, **NUMBERS}
    one = FtrlClassifier(**params).partial_fit(left, y, classes=[0, 1])
    other = FtrlClassifier(**params).partial_fit(left[:, [1, 0]], y, classes=[0, 1])
    np.testing.assert_array_equal(merge([one, other]).coef_, one.coef_ + other.coef_)


def test_the_order_of_the_parts_does_not_matter():
    parts = [learn(FtrlClassifier(**NUMBERS, l1=0.1), slice(k, None, 3)) for k in range(3)]
    one, other = merge(parts), merge(parts[::-1])
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-12)


def test_the_merged_model_goes_on_learning_and_the_parts_stay_as_they_are():
    parts = [learn(FtrlClassifier(**NUMBERS), slice(k, None, 2)) for k in range(2)]
    before = [part.z_ for part in parts]
    model = learn(merge(parts), slice(None))
    assert model.t_ == 120
    for part, z in zip(parts, before, strict=True):
        np.testing.assert_array_equal(part.z_, z)


def test_a_feature_seen_by_one_part_keeps_its_state_exactly():
    start = learn(FtrlClassifier(**NUMBERS), slice(0, 20))
    X, y = random_rows(), random_targets(n_classes=2)
    parts = [copy.deepcopy(start), copy.deepcopy(start)]
    for k, part in enumerate(parts):
        part.partial_fit(X[20:40] @ np.diag(np.arange(X.shape[1]) % 2 == k), y[20:40])
    model = merge(parts, start=start)
    for k, part in enumerate(parts):
        np.testing.assert_array_equal(model.z_[0, k::2], part.z_[0, k::2])
        np.testing.assert_array_equal(model.n_[0, k::2], part.n_[0, k::2])


def test_what_moves_z_alone_is_kept():
    params = {**NUMBERS, "initial_accumulator_value": 2.0**26}
    X, y = np.ones((100, 1), np.float32), np.arange(100) % 4 == 0
    start = FtrlClassifier(**params).partial_fit(X, y, classes=[0, 1])
    part = copy.deepcopy(start).partial_fit(X, y)  # n is too large to grow in float32
    np.testing.assert_array_equal(part.n_, start.n_)
    np.testing.assert_array_equal(merge([part], start=start).z_, part.z_)


@pytest.mark.parametrize("power", [-0.5, -0.25, -1.0])
def test_the_merge_does_not_depend_on_the_unit_of_x(power):
    X, y = click_log(2000)
    models = [rounds(scale * X, y, 4, 1, learning_rate_power=power) for scale in (1.0, 2.0**10)]
    p, scaled = (m.predict_proba(s * X) for m, s in zip(models, (1.0, 2.0**10), strict=True))
    np.testing.assert_allclose(p, scaled, rtol=1e-9)


def test_what_parts_learned_adds_up_if_beta_is_huge():
    parts = [
        learn(FtrlClassifier(learning_rate=0.5, beta=1e300), slice(k, None, 2)) for k in (0, 1)
    ]
    np.testing.assert_array_equal(merge(parts).z_, parts[0].z_ + parts[1].z_)


def test_what_parts_learned_adds_up_if_n_is_too_small_for_its_power():
    params = {**NUMBERS, "learning_rate_power": -10.0, "fit_intercept": False}
    parts = [FtrlClassifier(**params).partial_fit([[1e-20]], [1], classes=[0, 1])] * 2
    np.testing.assert_array_equal(merge(parts).z_, 2 * parts[0].z_)


def test_an_intercept_whose_n_is_too_small_for_its_power_stays_a_number():
    model = FtrlRegressor(learning_rate=0.5, beta=0.0, learning_rate_power=-10.0)
    model.partial_fit([[1.0]], [1.0], sample_weight=[1e-20])
    assert merge([model, model]).intercept_ == model.intercept_ == 0.0


def test_parts_that_have_not_gone_on_from_start_are_refused():
    start = learn(FtrlClassifier(**NUMBERS), slice(0, 20))
    part = copy.deepcopy(start)
    learn(start, slice(20, 40))
    with pytest.raises(ValueError, match="has not gone on from start"):
        merge([part], start=start)


def test_parts_that_found_their_own_numbers_are_refused():
    empty = FtrlRegressor().partial_fit(np.zeros((10, 2)), np.ones(10))
    for part in (learn(FtrlClassifier(), slice(None)), empty):
        with pytest.raises(ValueError, match="Give numbers, or a start"):
            merge([part])


def test_evidence_below_l1_adds_up():
    params = {**NUMBERS, "l1": 0.8, "fit_intercept": False}
    parts = [FtrlClassifier(**params).partial_fit([[1.0]], [1], classes=[0, 1]) for _ in range(3)]
    assert merge(parts[:1]).coef_ == 0
    assert merge(parts[:2]).coef_ > 0


def click_log(n_rows, n_ids=300):
    """Return rows of six rare to common ids and whether they were clicked, rarely."""
    rng = np.random.default_rng(0)
    ids = np.exp(rng.random((n_rows, 6)) * np.log(n_ids)).astype(int) - 1 + n_ids * np.arange(6)
    indptr = np.arange(0, ids.size + 1, 6)
    X = sparse.csr_array((np.ones(ids.size), ids.ravel(), indptr), shape=(n_rows, 6 * n_ids))
    raw = X @ rng.normal(size=6 * n_ids) - 2.0
    return X, (rng.random(n_rows) < 1 / (1 + np.exp(-raw))).astype(int)


def rounds(X, y, n_parts, n_rounds, **params):
    model = FtrlClassifier(**params).partial_fit(X[:200], y[:200], classes=[0, 1])
    for _ in range(n_rounds):
        parts = [copy.deepcopy(model) for _ in range(n_parts)]
        for k, part in enumerate(parts):
            part.partial_fit(X[k::n_parts], y[k::n_parts])
        model = merge(parts, start=model)
    return model


@pytest.mark.compiled
@pytest.mark.parametrize("l1", [0.0, 1.0])
def test_eight_parts_and_three_rounds_predict_like_three_passes(l1):
    X, y = click_log(24_000)
    one, parts = (rounds(X[:16_000], y[:16_000], k, 3, **NUMBERS, l1=l1) for k in (1, 8))
    losses = [log_loss(y[16_000:], m.predict_proba(X[16_000:])) for m in (one, parts)]
    assert losses[1] < 1.005 * losses[0]
    zeros = [np.count_nonzero(m.coef_ == 0) for m in (one, parts)]
    assert abs(zeros[1] - zeros[0]) <= 0.02 * zeros[0]


@pytest.mark.compiled
def test_ten_rounds_of_sixteen_parts_do_not_overshoot():
    X, y = click_log(8_000)
    one, parts = (rounds(X, y, k, 10, learning_rate=2.0, beta=1.0) for k in (1, 16))
    losses = [log_loss(y, m.predict_proba(X)) for m in (one, parts)]
    assert losses[1] < 1.05 * losses[0]


def fitted(**params):
    return learn(FtrlClassifier(**(NUMBERS | params)), slice(None))


OTHERS = {
    "types": lambda: learn(FtrlRegressor(**NUMBERS), slice(None)),
    "loss": lambda: fitted(loss="hinge"),
    "loss learned": lambda: fitted(loss="hinge").set_params(loss="log_loss"),
    "learning_rate_": lambda: fitted(learning_rate=0.4),
    "beta": lambda: fitted(beta=2.0),
    "l1": lambda: fitted(l1=1.0),
    "initial_accumulator_value": lambda: fitted(initial_accumulator_value=0.1),
    "fit_intercept": lambda: fitted(fit_intercept=False),
    "clipvalue": lambda: fitted(clipvalue=5.0),
    "clipnorm": lambda: fitted(clipnorm=5.0),
    "global_clipnorm": lambda: fitted(global_clipnorm=5.0),
    "n_features_in_": lambda: FtrlClassifier(**NUMBERS).partial_fit([[1.0]], [1], classes=[0, 1]),
    "dtypes": lambda: FtrlClassifier(**NUMBERS, **FEW).fit(
        random_rows(dtype=np.float32), random_targets()
    ),
    "classes_": lambda: FtrlClassifier(**NUMBERS, **FEW).fit(random_rows(), random_targets() + 1),
}


@pytest.mark.parametrize("what", OTHERS)
@pytest.mark.parametrize("as_start", [False, True])
def test_models_that_do_not_fit_together_are_refused(what, as_start):
    one, other = fitted(), OTHERS[what]()
    with pytest.raises(ValueError, match=f"The {what} of .*models to be merged differ"):
        merge([one], start=other) if as_start else merge([one, other])


@pytest.mark.parametrize(
    ("what", "models"),
    [
        ("loss", [FtrlRegressor("huber", epsilon=e, **NUMBERS) for e in (0.1, 0.2)]),
        ("loss", [FtrlRegressor("quantile", quantile=q, **NUMBERS) for q in (0.1, 0.2)]),
        (
            "l1 of the intercept",
            [FtrlRegressor(l1=1.0, penalize_intercept=p, **NUMBERS) for p in (False, True)],
        ),
    ],
)
def test_parts_of_other_parameters_are_refused(what, models):
    with pytest.raises(ValueError, match=f"The {what} of models to be merged differ"):
        merge([learn(model, slice(None)) for model in models])


def test_parts_of_other_columns_are_refused():
    y = random_targets()
    parts = [
        FtrlClassifier(**NUMBERS).partial_fit(
            pd.DataFrame(random_rows().toarray()[:, :2], columns=columns), y, classes=[0, 1]
        )
        for columns in (["a", "b"], ["b", "a"])
    ]
    with pytest.raises(ValueError, match="The feature_names_in_ of models to be merged differ"):
        merge(parts)


def test_the_history_of_the_start_is_not_that_of_the_merged_model():
    start = FtrlClassifier(**NUMBERS, **FEW).fit(random_rows(), random_targets())
    model = merge([learn(copy.deepcopy(start), slice(None))], start=start)
    for name in ["n_iter_", "loss_curve_", "progressive_loss_", "best_iter_", "validation_curve_"]:
        assert hasattr(start, name)
        assert not hasattr(model, name)


def test_parts_may_come_one_by_one():
    parts = [learn(FtrlClassifier(**NUMBERS), slice(k, None, 2)) for k in range(2)]
    np.testing.assert_array_equal(merge(iter(parts)).z_, merge(parts).z_)


def test_a_schedule_at_another_step_is_refused():
    rate = lambda steps: 1.0 / (1 + steps)  # noqa: E731
    parts = [learn(FtrlClassifier(learning_rate=rate, beta=1.0), slice(n)) for n in (10, 20)]
    with pytest.raises(ValueError, match="learning_rate_"):
        merge(parts)


def test_what_is_no_model_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        merge([])
    with pytest.raises(TypeError, match="not SGDClassifier"):
        merge([SGDClassifier()])
    with pytest.raises(ValueError, match="not fitted"):
        merge([FtrlClassifier()])
    with pytest.raises(ValueError, match="sparsify freed"):
        merge([fitted().sparsify()])


def test_the_error_for_models_of_default_settings_says_what_to_do():
    X, y = click_log(400)
    parts = [FtrlClassifier().partial_fit(X[k::2], y[k::2], classes=[0, 1]) for k in range(2)]
    with pytest.raises(ValueError, match=r"differ.*Give numbers, or a start"):
        merge(parts)


def test_what_is_merged_has_seen_no_less_than_its_start():
    params = {"initial_accumulator_value": 0.1, "fit_intercept": False, **NUMBERS}
    start = FtrlRegressor(**params).partial_fit(np.diag([0.3, 0.7, 1.3]), [1.0, 2.0, 3.0])
    parts = [copy.deepcopy(start).partial_fit(np.full((1, 3), 1e-9), [1.0]) for _ in range(3)]
    model = merge(parts, start=start)
    assert (model.n_ >= start.n_).all()
    np.testing.assert_array_equal(merge([model], start=start).n_, model.n_)
