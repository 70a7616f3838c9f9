import copy

import numpy as np
import pytest
from oracle import FEW, NUMBERS, ONE_EPOCH, random_rows, random_targets
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss

from sklearn_ftrl import FtrlClassifier


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_shapes(n_classes):
    X, y = random_rows(), random_targets(n_classes=n_classes)
    model = FtrlClassifier(**FEW).fit(X, y)
    n_outputs = 1 if n_classes == 2 else n_classes
    assert model.coef_.shape == model.z_.shape == model.n_.shape == (n_outputs, 12)
    for name in ["intercept_", "intercept_z_", "intercept_n_"]:
        assert getattr(model, name).shape == (n_outputs,)
    assert model.decision_function(X).shape == ((60,) if n_classes == 2 else (60, n_classes))
    assert model.predict_proba(X).shape == (60, n_classes)


def test_probabilities_are_those_of_the_decision_function():
    X = random_rows()
    two = FtrlClassifier(**FEW).fit(X, random_targets())
    np.testing.assert_allclose(two.predict_proba(X)[:, 1], expit(two.decision_function(X)))
    four = FtrlClassifier(**FEW).fit(X, random_targets(n_classes=4))
    np.testing.assert_allclose(four.predict_proba(X), softmax(four.decision_function(X), axis=1))
    for model in (two, four):
        np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
        np.testing.assert_allclose(model.predict_log_proba(X), np.log(model.predict_proba(X)))
        best = model.predict_proba(X).argmax(axis=1)
        np.testing.assert_array_equal(model.predict(X), model.classes_[best])


def test_a_row_of_nothing_is_of_the_first_class():
    model = FtrlClassifier(fit_intercept=False, **FEW).fit(random_rows(), random_targets())
    assert model.decision_function(np.zeros((1, 12))) == 0.0
    assert model.predict(np.zeros((1, 12))) == 0


@pytest.mark.parametrize("n_classes", [2, 3])
def test_log_probabilities_are_finite_where_probabilities_round_to_0(n_classes):
    X = 1000.0 * np.eye(n_classes)
    model = FtrlClassifier(max_iter=10, tol=None).fit(X, range(n_classes))
    assert (model.predict_proba(1000 * X) == 0.0).any()
    assert np.isfinite(model.predict_log_proba(1000 * X)).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # nothing is learned
@pytest.mark.parametrize("early_stopping", [True, "auto"])
def test_class_weights_do_not_count_in_the_loss_of_rows_held_out(early_stopping):
    X, y = np.zeros((100, 1)), np.arange(100) % 2
    params = {"early_stopping": early_stopping, "fit_intercept": False, **NUMBERS}
    model = FtrlClassifier(class_weight={0: 5.0}, **params).fit(X, y, intercept_init=[1.0])
    losses = np.logaddexp(0, [1.0, -1.0])  # the intercept stays, and half of the rows are of 0
    assert model.validation_curve_[0] == pytest.approx(losses.mean())


def test_partial_fit_learns_a_batch_of_one_class():
    model = FtrlClassifier().partial_fit(random_rows(), np.zeros(60), classes=[0, 1, 2])
    assert set(model.predict(random_rows())) == {0}


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_learning_rate_that_fails_is_named_and_its_cause_kept(method):
    def schedule(steps):
        raise KeyError("decay")

    model = FtrlClassifier(learning_rate=schedule)
    classes = {"classes": [0, 1]} if method == "partial_fit" else {}
    with pytest.raises(ValueError, match=r"learning_rate=<.*schedule.*KeyError: 'decay'") as raised:
        getattr(model, method)(random_rows(), random_targets(), **classes)
    assert isinstance(raised.value.__cause__, KeyError)
    assert not hasattr(model, "classes_")


@pytest.mark.parametrize(
    "max_iter", [np.uint64(2**64 - 1), np.int64(2**63 - 1), np.uint8(255), np.int8(127)], ids=repr
)
def test_the_largest_number_of_passes_of_any_type_is_that_number(max_iter):
    ours, theirs = (
        FtrlClassifier(max_iter=passes, random_state=0).fit(random_rows(), random_targets())
        for passes in (max_iter, int(max_iter))
    )
    np.testing.assert_array_equal(ours.z_, theirs.z_)


def test_warm_start_refuses_a_new_class():
    model = FtrlClassifier(warm_start=True, **FEW).fit(random_rows(), random_targets())
    for _ in range(2):
        with pytest.raises(ValueError, match="unseen labels"):
            model.fit(random_rows(), random_targets(n_classes=3))
        model.sparsify()


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "modified_huber"])
def test_the_margin_losses_learn_each_class_against_the_rest(loss):
    X, y = random_rows(), random_targets(n_classes=4)
    joint = FtrlClassifier(loss, l1=0.1, **ONE_EPOCH).fit(X, y)
    for c in range(4):
        alone = FtrlClassifier(loss, l1=0.1, **ONE_EPOCH).fit(X, y == c)
        np.testing.assert_allclose(joint.coef_[c], alone.coef_[0], rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(joint.intercept_[c], alone.intercept_[0], rtol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_probabilities_of_modified_huber_are_scikit_learn_s(n_classes):
    X, y = random_rows(), random_targets(n_classes=n_classes)
    ours = FtrlClassifier("modified_huber", learning_rate=0.5, beta=1.0, **FEW).fit(X, y)
    theirs = SGDClassifier("modified_huber").fit(X, y)
    theirs.coef_, theirs.intercept_ = 3 * ours.coef_, ours.intercept_
    ours.fit(X, y, np.full(60, 1e-200), coef_init=3 * ours.coef_, intercept_init=ours.intercept_)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-9)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(ours.predict_log_proba(X), np.log(ours.predict_proba(X)))


def test_classes_that_all_lose_by_modified_huber_share_the_probability():
    X, y = random_rows(), random_targets(n_classes=3)
    params = {"fit_intercept": False, "learning_rate": 1e-9, "beta": 1.0, **FEW}
    model = FtrlClassifier("modified_huber", **params).fit(X, y, intercept_init=[-9.0] * 3)
    np.testing.assert_allclose(model.predict_proba(X), 1 / 3)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(1 / 3))


@pytest.mark.parametrize(
    ("loss", "n_classes", "factor"),
    [
        ("log_loss", 3, 2.0),
        ("hinge", 2, 0.5),
        ("hinge", 3, 0.5),
        ("squared_hinge", 2, 0.5),
        ("modified_huber", 2, 0.5),
    ],
)
def test_auto_takes_its_learning_rate_by_the_loss(loss, n_classes, factor):
    X, y = random_rows(), random_targets(n_classes=n_classes)
    model = FtrlClassifier(loss).partial_fit(X, y, classes=range(n_classes))
    logistic = FtrlClassifier().partial_fit(X, y > 0, classes=[False, True])
    assert model.learning_rate_ == pytest.approx(factor * logistic.learning_rate_)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_losses_without_probabilities_have_no_predict_proba(loss):
    assert not hasattr(FtrlClassifier(loss), "predict_proba")
    model = FtrlClassifier(loss, **FEW).fit(random_rows(), random_targets())
    with pytest.raises(AttributeError, match="predict_proba"):
        model.predict_proba(random_rows())


def test_the_loss_learned_decides_on_probabilities_until_the_next_fit():
    X, y = random_rows(), random_targets()
    model = FtrlClassifier(**FEW).fit(X, y)
    p = model.predict_proba(X)
    np.testing.assert_array_equal(model.set_params(loss="hinge").predict_proba(X), p)
    assert not hasattr(model.partial_fit(X, y), "predict_proba")


# New labels in a stream

NEW_LABELS = {
    "integers": np.arange(5),
    "texts": np.array(["m", "p", "a", "z", "n"]),
    "objects": np.array(["m", "p", "a", "z", "n"], object),
}


def labelled(n_rows=600, labels=NEW_LABELS["integers"], seed=0):
    """Return rows and their labels, of which the first two are the most frequent."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 6))
    raw = X @ np.random.default_rng(9).normal(size=(6, 5)) + [1.0, 1.0, 0.0, 0.0, 0.0]
    return X, labels[(raw + rng.gumbel(size=raw.shape)).argmax(axis=1)]


def known(X, y, labels):
    """Return the rows of these labels."""
    there = np.isin(y, labels)
    return X[there], y[there]


@pytest.mark.parametrize("params", [{}, NUMBERS, {**NUMBERS, "l1": 1.0, "l2": 0.5}], ids=str)
@pytest.mark.parametrize("kind", NEW_LABELS)
def test_new_labels_leave_the_probabilities_of_the_old_ones(kind, params):
    labels = NEW_LABELS[kind]
    X, y = labelled(labels=labels)
    model = FtrlClassifier(**params).partial_fit(*known(X, y, labels[:2]), classes=labels[:2])
    for n_old, n_new in [(2, 3), (3, 5)]:
        old = [*np.sort(labels[:n_old])]
        before = model.predict_proba(X)
        model.partial_fit(
            X[:1],
            y[:1] * 0 if kind == "integers" else labels[:1],
            sample_weight=[0.0],
            classes=labels[:n_new],
        )
        np.testing.assert_array_equal(model.classes_, np.sort(labels[:n_new]))
        p = model.predict_proba(X)[:, np.isin(model.classes_, old)]
        p /= p.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(p, before, rtol=1e-9)
        model.partial_fit(*known(X, y, labels[:n_new]))


@pytest.mark.parametrize("params", [{}, NUMBERS])
def test_a_model_that_has_grown_learns_like_one_that_knew_all_labels(params):
    X, y = labelled(12_000)
    grown, whole = (FtrlClassifier(**params) for _ in range(2))
    for start, stop, n in [(0, 1000, 2), (1000, 2000, 3), (2000, 7000, 5)]:
        rows = known(X[start:stop], y[start:stop], range(n))
        grown.partial_fit(*rows, classes=range(n))
        whole.partial_fit(*rows, classes=range(5))
    losses = [log_loss(y[7000:], model.predict_proba(X[7000:])) for model in (grown, whole)]
    assert losses[0] < 1.02 * losses[1]


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "modified_huber"])
def test_one_against_the_rest_grows_too(loss):
    X, y = labelled()
    model = FtrlClassifier(loss, **NUMBERS).partial_fit(*known(X, y, [0, 1]), classes=[0, 1])
    raw = model.decision_function(X)
    model.partial_fit(X[:1], [0], sample_weight=[0.0], classes=[0, 1, 2])
    np.testing.assert_allclose(model.decision_function(X), np.c_[-raw, raw, 0 * raw - 1.0])


def test_a_new_class_has_no_intercept_where_none_is_learned():
    X, y = labelled()
    model = FtrlClassifier(fit_intercept=False).partial_fit(*known(X, y, [0, 1]), classes=[0, 1])
    model.partial_fit(X[:1], [0], sample_weight=[0.0], classes=[0, 1, 2])
    np.testing.assert_array_equal(model.intercept_, 0.0)


def test_evidence_below_l1_goes_to_both_classes():
    X, y = known(*labelled(), [0, 1])
    model = FtrlClassifier(**NUMBERS, l1=1e3).partial_fit(X, y, classes=[0, 1])
    z = model.z_[0]
    model.partial_fit(X[:1], y[:1], sample_weight=[0.0], classes=[0, 1, 2])
    np.testing.assert_array_equal(model.z_, [-z, z, 0 * z])


def test_a_model_that_waits_for_rows_grows():
    X, y = known(*labelled(400), [0, 1, 3])
    model = FtrlClassifier().partial_fit(*known(X[:50], y[:50], [1, 3]), classes=[1, 3])
    model.partial_fit(X[50:], y[50:], classes=[0, 1, 3])
    rows = [
        np.concatenate(pair)
        for pair in zip(known(X[:50], y[:50], [1, 3]), (X[50:], y[50:]), strict=True)
    ]
    expected = FtrlClassifier().partial_fit(*rows, classes=[0, 1, 3])
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)


def test_growing_leaves_the_model_as_it_is_where_the_call_is_refused():
    X, y = known(*labelled(), [0, 1])
    model = FtrlClassifier().partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="unseen labels"):
        model.partial_fit(X, y + 5, classes=[0, 1, 2])
    assert model.classes_.tolist() == [0, 1]
    assert model.coef_.shape == (1, 6)


@pytest.mark.parametrize("classes", [[0], [0, 2], [1, 2, 3]])
def test_no_label_is_forgotten(classes):
    X, y = known(*labelled(), [0, 1])
    model = FtrlClassifier().partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"leave out .*may learn more labels"):
        model.partial_fit(X, y, classes=classes)


# What a prediction is worth


@pytest.mark.parametrize(
    "params", [{}, NUMBERS, {"l1": 0.5, "l2": 1.0}, {"learning_rate_power": -0.3}], ids=str
)
@pytest.mark.parametrize("label", [0, 1])
def test_one_more_example_moves_the_log_odds_by_no_more_than_the_uncertainty_score(params, label):
    X, y = random_rows(seed=1), random_targets()
    model = FtrlClassifier(**params).partial_fit(X[:30], y[:30], classes=[0, 1])
    bounds, before = model.uncertainty_score(X[30:]), model.decision_function(X[30:])
    for i in range(30):
        after = copy.deepcopy(model).partial_fit(X[30 + i : 31 + i], [label])
        moved = abs(after.decision_function(X[30 + i : 31 + i])[0] - before[i])
        assert moved <= bounds[i] * (1 + 1e-9)


def test_the_uncertainty_of_a_row_falls_with_each_example():
    X, y = random_rows(), random_targets()
    model = FtrlClassifier().partial_fit(X, y, classes=[0, 1])
    before = model.uncertainty_score(X)
    assert np.all(model.partial_fit(X, y).uncertainty_score(X) < before)


def test_the_uncertainty_score_is_the_sum_of_its_formula():
    X, y = random_rows(), random_targets()
    model = FtrlClassifier(**NUMBERS, **FEW).fit(X, y)
    steps = 0.5 / (1.0 + np.sqrt(model.n_[0]))
    expected = X.power(2) @ steps + 0.5 / (1.0 + np.sqrt(model.intercept_n_))
    np.testing.assert_allclose(model.uncertainty_score(X), expected, rtol=1e-12)
    np.testing.assert_allclose(model.uncertainty_score(X.toarray()), expected, rtol=1e-12)


def test_a_feature_never_seen_is_uncertain_without_end_if_beta_is_0():
    model = FtrlClassifier(beta=0.0, **FEW).fit([[1.0, 0.0], [2.0, 0.0]], [0, 1])
    np.testing.assert_array_equal(np.isinf(model.uncertainty_score(np.eye(2))), [False, True])


@pytest.mark.parametrize("X", [np.zeros((2, 12)), sparse.csr_array((2, 12))])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_uncertainty_of_empty_rows_is_that_of_the_intercept(X, fit_intercept):
    model = FtrlClassifier(fit_intercept=fit_intercept, **FEW).fit(random_rows(), random_targets())
    scores = model.uncertainty_score(X)
    both = model.uncertainty_score(sparse.vstack([random_rows()[:1], X]))
    np.testing.assert_array_equal(scores, both[1:], strict=True)
    assert np.all((scores > 0) == fit_intercept)


def test_other_models_have_no_uncertainty_score():
    assert not hasattr(FtrlClassifier("hinge"), "uncertainty_score")
    model = FtrlClassifier(**FEW).fit(random_rows(), random_targets(n_classes=3))
    assert not hasattr(model, "uncertainty_score")


def test_a_sparsified_model_has_no_uncertainty_score():
    model = FtrlClassifier(**FEW).fit(random_rows(), random_targets())
    with pytest.raises(ValueError, match="sparsify freed"):
        model.sparsify().uncertainty_score(random_rows())
