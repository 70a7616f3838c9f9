import numpy as np
import pytest
from oracle import FEW, random_rows, random_targets
from scipy.special import expit, softmax
from sklearn.linear_model import SGDClassifier
from sklearn.utils import compute_class_weight

from sklearn_ftrl import FtrlClassifier

ONE_EPOCH = {"max_iter": 1, "tol": None, "shuffle": False}
LABELS = {
    "strings": np.array(["cat", "dog", "eel", "fox"]),
    "objects": np.array(["cat", "dog", "eel", "fox"], dtype=object),
    "floats": np.array([-1.0, 0.0, 2.0, 7.0]),
    "integers": np.array([-5, 0, 3, 2**40]),
    "booleans": np.array([False, True]),
}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_labels_of_any_type_come_back(labels, n_classes):
    names = LABELS[labels][:n_classes]
    index = random_targets(n_classes=names.size)
    X = random_rows()
    model = FtrlClassifier(random_state=0, **FEW).fit(X, names[index])
    np.testing.assert_array_equal(model.classes_, names)
    codes = FtrlClassifier(random_state=0, **FEW).fit(X, index)
    np.testing.assert_array_equal(model.predict(X), names[codes.predict(X)])
    model.partial_fit(X, names[index])


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


@pytest.mark.parametrize("n_classes", [2, 3])
def test_log_probabilities_are_finite_where_probabilities_round_to_0(n_classes):
    X = 1000.0 * np.eye(n_classes)
    model = FtrlClassifier(max_iter=10, tol=None).fit(X, range(n_classes))
    assert (model.predict_proba(1000 * X) == 0.0).any()
    assert np.isfinite(model.predict_log_proba(1000 * X)).all()


def test_class_weight_multiplies_sample_weight():
    X, y = random_rows(), random_targets(n_classes=3)
    weight = np.linspace(0.5, 2, 60)
    ours = FtrlClassifier(class_weight={0: 3.0, 2: 0.0}, **ONE_EPOCH).fit(X, y, weight)
    theirs = FtrlClassifier(**ONE_EPOCH).fit(X, y, weight * np.array([3.0, 1.0, 0.0])[y])
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)
    ours = FtrlClassifier(class_weight={0: 3.0, 2: 0.0}).partial_fit(X, y, [0, 1, 2], weight)
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)


def test_balanced_class_weight_is_scikit_learn_s():
    X, y = random_rows(), np.r_[0, 1, 2, np.zeros(57, int)]
    factors = compute_class_weight("balanced", classes=np.arange(3), y=y)
    ours = FtrlClassifier(class_weight="balanced", **ONE_EPOCH).fit(X, y)
    theirs = FtrlClassifier(**ONE_EPOCH).fit(X, y, factors[y])
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)


def test_balanced_class_weight_does_not_count_rows_of_weight_0():
    X, y = random_rows(), random_targets()
    some = np.arange(60) % 3 > 0
    weight = some * np.where(y, 0.5, 2.0)
    model = FtrlClassifier(class_weight="balanced", **ONE_EPOCH)
    left_out = model.fit(X[some], y[some], weight[some]).coef_
    np.testing.assert_array_equal(model.fit(X, y, weight).coef_, left_out)


def test_balanced_class_weight_is_refused_by_partial_fit():
    with pytest.raises(ValueError, match=r'class_weight="balanced".*dict'):
        FtrlClassifier(class_weight="balanced").partial_fit(random_rows(), random_targets(), [0, 1])


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_a_class_weight_below_0_or_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="class_weight"):
        FtrlClassifier(class_weight={0: bad}).fit(random_rows(), random_targets())


def test_partial_fit_needs_classes_first():
    with pytest.raises(ValueError, match="first call to partial_fit"):
        FtrlClassifier().partial_fit(random_rows(), random_targets())


@pytest.mark.parametrize("classes", [[0, None], [0, 1, "other"]])
def test_classes_of_different_types_are_refused_by_name(classes):
    with pytest.raises(TypeError, match=r"classes=\[0, .*\] must be labels of one type"):
        FtrlClassifier().partial_fit(random_rows(), np.zeros(60), classes=classes)


def test_partial_fit_learns_a_batch_of_one_class():
    model = FtrlClassifier().partial_fit(random_rows(), np.zeros(60), classes=[0, 1, 2])
    assert set(model.predict(random_rows())) == {0}


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [
        (np.full(60, 7), None, r"unseen labels: \[7\]"),
        (np.full(60, "cat"), None, "unseen labels"),
        (np.full(60, 0.5), None, r"unseen labels: \[0.5\]"),
        (np.zeros(60), [0, 1], r"classes=\[0, 1\] differ"),
    ],
)
def test_partial_fit_refuses_other_labels_and_changes_nothing(y, classes, message):
    model = FtrlClassifier(**FEW).fit(random_rows(), random_targets(n_classes=3))
    before = model.z_
    with pytest.raises(ValueError, match=message):
        model.partial_fit(random_rows(), y, classes)
    np.testing.assert_array_equal(model.z_, before)
    assert model.t_ == 60 * model.n_iter_


def test_one_class_is_refused():
    with pytest.raises(ValueError, match=r"greater than one; got 1 class in y, \[0.0\]"):
        FtrlClassifier().fit(random_rows(), np.zeros(60))
    with pytest.raises(ValueError, match=r"greater than one; got 1 class in classes, \[0\]"):
        FtrlClassifier().partial_fit(random_rows(), np.zeros(60), classes=[0])


@pytest.mark.parametrize("odd", [None, 7])
def test_labels_of_more_than_one_type_are_named(odd):
    y = np.array(["yes", "no", "maybe"] * 20, dtype=object)
    model = FtrlClassifier().partial_fit(random_rows(), y, classes=["maybe", "no", "yes"])
    y[1::3] = odd
    with pytest.raises(ValueError, match=rf"the types \['{type(odd).__name__}', 'str'\]"):
        FtrlClassifier().fit(random_rows(), y)
    with pytest.raises(ValueError, match=rf"labels: \[{odd}\] are not among"):
        model.partial_fit(random_rows(), y)


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
