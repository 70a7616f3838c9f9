import copy
import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from oracle import FEW, NUMBERS, ONE_EPOCH, random_rows, random_targets
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import learning_curve
from sklearn.utils import compute_class_weight
from sklearn.utils.fixes import parse_version

from sklearn_ftrl import FtrlClassifier

recent = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.7"),
    reason="scikit-learn below 1.7 takes bytes, and does not warn of many classes",
)
LABELS = {
    "strings": np.array(["cat", "dog", "eel", "fox"]),
    "objects": np.array(["cat", "dog", "eel", "fox"], dtype=object),
    "floats": np.array([-1.0, 0.0, 2.0, 7.0]),
    "integers": np.array([-5, 0, 3, 2**40]),
    "booleans": np.array([False, True]),
}
DAYS = ["2020-01-01", "2021-01-01"]
PAIRS = {  # of labels, and of keys of class_weight
    "texts": ["0", "1"],
    "numpy texts": np.array(["0", "1"]),
    "object texts": np.array(["0", "1"], object),
    "signed texts": ["+1", "-1"],
    "padded texts": ["01", "02"],
    "days as texts": DAYS,
    "integers": [0, 1],
    "numpy integers": np.array([0, 1], np.int8),
    "large integers": [2**70, 2**71],
    "floats": [0.0, 1.0],
    "halves": [1.5, 2.5],
    "tenths": [0.1, 0.2],
    "short tenths": np.array([0.1, 0.2], np.float32),
    "booleans": [False, True],
    "bytes": [b"0", b"1"],
    "days": np.array(DAYS, "M8[D]"),
    "nanoseconds": np.array(DAYS, "M8[ns]"),
    "datetimes": [datetime.datetime.fromisoformat(day) for day in DAYS],
    "timestamps": [pd.Timestamp(day) for day in DAYS],
    "zoned timestamps": [pd.Timestamp(day, tz="UTC") for day in DAYS],
}
EQUAL = [
    {"texts", "numpy texts", "object texts"},
    {"integers", "numpy integers", "floats", "booleans"},
    {"days", "nanoseconds", "datetimes", "timestamps"},
]


def with_one_missing(missing, labels=("no", "yes")):
    """Return a list of 60 labels, one of them missing."""
    return [*labels, missing, *labels * 28, labels[0]]


def missing_labels():
    """Return labels in every container that says in its own way that one is missing."""
    return {
        "list of texts and None": with_one_missing(None),
        "list of texts and NaN": with_one_missing(np.nan),
        "list of texts and NA": with_one_missing(pd.NA),
        "list of integers and None": with_one_missing(None, (0, 1)),
        "list of integers and NaN": with_one_missing(np.nan, (0, 1)),
        "list of integers and NA": with_one_missing(pd.NA, (0, 1)),
        "floats": np.array(with_one_missing(np.nan, (0, 1))),
        "objects and None": np.array(with_one_missing(None), object),
        "objects and NaN": np.array(with_one_missing(np.nan), object),
        "objects and NA": np.array(with_one_missing(pd.NA), object),
        "integer objects and NaN": np.array(with_one_missing(np.nan, (0, 1)), object),
        "dates": np.array(with_one_missing("NaT", tuple(DAYS)), "M8[D]"),
        "date objects and NaT": np.array(
            with_one_missing(pd.NaT, tuple(PAIRS["datetimes"])), object
        ),
        "Series of objects": pd.Series(with_one_missing(None), dtype=object),
        "Series of string": pd.Series(with_one_missing(None), dtype="string"),
        "Series of string[pyarrow]": pd.Series(with_one_missing(None), dtype="string[pyarrow]"),
        "Series of str": pd.Series(with_one_missing(np.nan)),
        "Series of categories": pd.Series(with_one_missing(None), dtype="category"),
        "Series of Int64": pd.Series(with_one_missing(None, (0, 1)), dtype="Int64"),
        "Series of boolean": pd.Series(with_one_missing(None, (False, True)), dtype="boolean"),
        "polars texts": pl.Series(with_one_missing(None)),
        "polars integers": pl.Series(with_one_missing(None, (0, 1))),
        "polars categories": pl.Series(with_one_missing(None), dtype=pl.Categorical),
        "polars booleans": pl.Series(with_one_missing(None, (False, True))),
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


def test_balanced_class_weight_counts_classes_that_have_no_row():
    X, y = random_rows(), random_targets(n_classes=3)
    weight = np.where(y == 2, 0.0, 1.0)
    factors = weight.sum() / (3 * np.bincount(y))
    ours = FtrlClassifier(class_weight="balanced", **ONE_EPOCH).fit(X, y, weight)
    theirs = FtrlClassifier(**ONE_EPOCH).fit(X, y, weight * factors[y])
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)


@pytest.mark.parametrize("early_stopping", [True, "auto"])
def test_class_weights_do_not_count_in_the_loss_of_rows_held_out(early_stopping):
    X, y = np.zeros((100, 1)), np.arange(100) % 2
    params = {"early_stopping": early_stopping, "fit_intercept": False, **NUMBERS}
    model = FtrlClassifier(class_weight={0: 5.0}, **params).fit(X, y, intercept_init=[1.0])
    losses = np.logaddexp(0, [1.0, -1.0])  # the intercept stays, and half of the rows are of 0
    assert model.validation_curve_[0] == pytest.approx(losses.mean())


def test_balanced_class_weight_is_refused_by_partial_fit():
    with pytest.raises(ValueError, match=r'class_weight="balanced".*dict'):
        FtrlClassifier(class_weight="balanced").partial_fit(random_rows(), random_targets(), [0, 1])


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_a_class_weight_below_0_or_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="class_weight"):
        FtrlClassifier(class_weight={0: bad}).fit(random_rows(), random_targets())


@pytest.mark.parametrize("keys", PAIRS)
@pytest.mark.parametrize("labels", PAIRS)
def test_a_key_of_class_weight_names_the_label_that_it_equals(labels, keys):
    X, index = random_rows(), random_targets()
    y = np.array(PAIRS[labels], object if labels == "large integers" else None)[index]
    class_weight = dict(zip(PAIRS[keys], [1.0, 5.0], strict=True))
    model = FtrlClassifier(class_weight=class_weight)
    equal = labels == keys or any({labels, keys} <= kinds for kinds in EQUAL)
    if not (equal or (labels, keys) == ("short tenths", "tenths")):  # numpy rounds Python's floats
        with pytest.raises(ValueError, match="class_weight has keys that are no classes"):
            model.partial_fit(X, y, PAIRS[labels])
        return
    expected = FtrlClassifier().partial_fit(X, index, [0, 1], np.where(index, 5.0, 1.0))
    np.testing.assert_array_equal(model.partial_fit(X, y, PAIRS[labels]).z_, expected.z_)


@pytest.mark.parametrize(
    "labels", sorted(PAIRS.keys() - {"bytes", "halves", "tenths", "short tenths"})
)
def test_class_weight_acts_on_fit_as_on_partial_fit(labels):
    X, index = random_rows(), random_targets()
    y = np.array(PAIRS[labels], object if labels == "large integers" else None)[index]
    class_weight = dict(zip(PAIRS[labels], [1.0, 5.0], strict=True))
    ours = FtrlClassifier(class_weight=class_weight, **ONE_EPOCH, **NUMBERS).fit(X, y)
    theirs = FtrlClassifier(class_weight=class_weight, **NUMBERS).partial_fit(X, y, PAIRS[labels])
    np.testing.assert_array_equal(ours.z_, theirs.z_)


@pytest.mark.parametrize(
    ("class_weight", "factors"),
    [
        ({}, [1, 1, 1]),
        ({"a": 2}, [2, 1, 1]),
        ({"a": 2, "c": 0.5}, [2, 1, 0.5]),
        ({"a": 2, "b": 3, "c": 0, "d": 5}, [2, 3, 0]),
        ({"a": 2, "b": 3, "c": 4, "d": 5}, [2, 3, 4]),
        ({"a": 2, "b": 3, "c": 4, None: 5, pd.NA: 6, np.nan: 7, ("a", "b"): 8}, [2, 3, 4]),
    ],
)
def test_a_class_without_a_key_weighs_1(class_weight, factors):
    X, index = random_rows(), random_targets(n_classes=3)
    model = FtrlClassifier(class_weight=class_weight, **ONE_EPOCH)
    expected = FtrlClassifier(**ONE_EPOCH).fit(X, index, np.array(factors)[index])
    model.fit(X, np.array(["a", "b", "c"])[index])
    np.testing.assert_array_equal(model.z_, expected.z_)


@pytest.mark.parametrize("stranger", ["d", 0, None, pd.NA, np.nan, ("a", "b"), b"a", "A"])
def test_a_key_of_no_class_is_refused_where_a_class_has_no_key(stranger):
    y = np.array(["a", "b", "c"])[random_targets(n_classes=3)]
    model = FtrlClassifier(class_weight={"a": 2.0, "b": 3.0, stranger: 4.0})
    with pytest.raises(ValueError, match=r"keys that are no classes, .*, and no key for .*\['c'\]"):
        model.fit(random_rows(), y)
    assert not hasattr(model, "classes_")


@pytest.mark.parametrize("labels", ["texts", "signed texts", "padded texts", "days"])
def test_learning_curves_take_class_weights_of_any_label(labels):
    X, y = random_rows(), np.array(PAIRS[labels])[random_targets()]
    model = FtrlClassifier(class_weight=dict(zip(PAIRS[labels], [1.0, 5.0], strict=True)))
    curve = learning_curve(
        model,
        X,
        y,
        exploit_incremental_learning=True,
        cv=2,
        scoring="accuracy",
        train_sizes=[0.5, 1.0],
    )
    assert np.isfinite(curve[1]).all()


def test_partial_fit_needs_classes_first():
    with pytest.raises(ValueError, match="first call to partial_fit"):
        FtrlClassifier().partial_fit(random_rows(), random_targets())


def test_classes_of_different_types_are_refused_by_name():
    with pytest.raises(TypeError, match=r"classes=\[0, 1, 'other'\] must be labels of one type"):
        FtrlClassifier().partial_fit(random_rows(), np.zeros(60), classes=[0, 1, "other"])


@pytest.mark.parametrize(
    "classes",
    [
        [0, 1, None],
        [0, 1, np.nan],
        [0, 1, pd.NA],
        np.array([0, 1, np.nan], object),
        pd.Series([0, 1, None], dtype="Int64"),
        np.array([*DAYS, "NaT"], "M8[D]"),
        ["a", "b", np.nan],
        pd.Series(["a", "b", None], dtype="string"),
    ],
)
def test_classes_with_a_missing_label_are_refused(classes):
    y = np.asarray(classes, object)[random_targets()]
    model = FtrlClassifier()
    with pytest.raises(ValueError, match=r"Input classes contains (None|NaN|NaT|<NA>)"):
        model.partial_fit(random_rows(), y, classes=classes)
    assert not hasattr(model, "classes_")


MISSING = r"Input y contains (None|NaN|NaT|<NA>). Leave out rows whose label is missing"


@pytest.mark.parametrize("labels", missing_labels())
def test_a_missing_label_is_refused_and_changes_nothing(labels):
    X, y = random_rows(), missing_labels()[labels]
    known = np.array(list(dict.fromkeys(np.asarray(y, object)[:2].tolist())))
    complete = known[random_targets()]
    model = FtrlClassifier(**FEW)
    for learn in (model.fit, lambda X, y: model.partial_fit(X, y, classes=known)):
        with pytest.raises(ValueError, match=f"^{MISSING}"):
            learn(X, y)
        assert not hasattr(model, "classes_")
    model.fit(X, complete)
    before = model.z_
    with pytest.raises(ValueError, match=f"^{MISSING}"):
        model.partial_fit(X, y)
    with pytest.raises(ValueError, match=f"^In X_val, y_val or sample_weight_val: {MISSING}"):
        model.fit(X, complete, X_val=X, y_val=y)
    np.testing.assert_array_equal(model.z_, before)
    with pytest.raises(ValueError, match=f"^{MISSING}"):
        model.score(X, y)


def test_partial_fit_learns_a_batch_of_one_class():
    model = FtrlClassifier().partial_fit(random_rows(), np.zeros(60), classes=[0, 1, 2])
    assert set(model.predict(random_rows())) == {0}


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [
        (np.full(60, 7), None, r"unseen labels: \[7\]"),
        (np.full(60, "cat"), None, "unseen labels"),
        (np.full(60, 0.5), None, r"unseen labels: \[0.5\]"),
        (np.zeros(60), [0, 1], r"classes=\[0, 1\] leave out \[2\]"),
    ],
)
def test_partial_fit_refuses_other_labels_and_changes_nothing(y, classes, message):
    model = FtrlClassifier(**FEW).fit(random_rows(), random_targets(n_classes=3))
    before = model.z_
    with pytest.raises(ValueError, match=message):
        model.partial_fit(random_rows(), y, classes)
    np.testing.assert_array_equal(model.z_, before)
    assert model.t_ == 60 * model.n_iter_


def test_an_error_names_five_unseen_labels_at_most():
    model = FtrlClassifier(**FEW).fit(random_rows(), random_targets())
    with pytest.raises(ValueError, match=r"labels: \[2, 3, 4, 5, 6\] are not among"):
        model.partial_fit(random_rows(), np.arange(60))


def test_one_class_is_refused():
    with pytest.raises(ValueError, match=r"greater than one; got 1 class in y, \[0.0\]"):
        FtrlClassifier().fit(random_rows(), np.zeros(60))
    with pytest.raises(ValueError, match=r"greater than one; got 1 class in classes, \[0\]"):
        FtrlClassifier().partial_fit(random_rows(), np.zeros(60), classes=[0])


@pytest.mark.parametrize("container", [list, lambda y: np.array(y, object), pl.Series])
def test_labels_of_more_than_one_type_are_named(container):
    y = ["yes", "no", "maybe"] * 20
    model = FtrlClassifier().partial_fit(random_rows(), y, classes=["maybe", "no", "yes"])
    y[1::3] = [7] * 20
    y = pl.Series(y, dtype=pl.Object) if container is pl.Series else container(y)
    with pytest.raises(ValueError, match=r"the types \['int', 'str'\], and they must be of one"):
        FtrlClassifier().fit(random_rows(), y)
    with pytest.raises(ValueError, match=r"labels: \[7\] are not among"):
        model.partial_fit(random_rows(), y)


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        ([False, True], bool),
        ([-5, 3], np.int64),
        ([False, 1], np.int64),
        ([0, 1.0], np.float64),
        ([np.int8(0), np.int8(1)], np.int8),
        ([2**63 + 1, 2**70], object),
        (["no", "yes"], object),
        ([datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)], object),
        (PAIRS["zoned timestamps"], object),
    ],
    ids=str,
)
@pytest.mark.parametrize("in_series", [False, True])
def test_objects_are_learned_as_the_labels_that_they_are(labels, dtype, in_series):
    X, index = random_rows(), random_targets()
    y = np.array(labels, object)[index]
    y = pd.Series(y, dtype=object) if in_series else y
    fitted = FtrlClassifier(**ONE_EPOCH, **NUMBERS).fit(X, y)
    learned = FtrlClassifier(**NUMBERS).partial_fit(X, y, classes=np.array(labels, object))
    codes = FtrlClassifier(**NUMBERS).partial_fit(X, index, classes=[0, 1])
    for model in (fitted, learned):
        assert model.classes_.dtype == dtype
        assert model.classes_.tolist() == labels
        np.testing.assert_array_equal(model.z_, codes.z_)
        model.partial_fit(X, y)


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "Float64", object])
def test_numbers_that_are_objects_are_scored_as_numbers(dtype):
    X, index = random_rows(), random_targets()
    y = pd.Series(index).astype(dtype)
    model = FtrlClassifier(scoring="accuracy", early_stopping=True, random_state=0)
    assert model.fit(X, y).score(X, y) == np.mean(model.predict(X) == index)
    model.fit(X, y, X_val=X, y_val=y)
    assert model.score(X, y) == max(model.validation_curve_)
    weight = np.arange(60)
    assert model.score(X, y, weight) == np.average(model.predict(X) == index, weights=weight)


def test_nullable_integers_and_booleans_keep_their_type():
    X, index = random_rows(), random_targets()
    for dtype, expected in [("Int64", np.int64), ("boolean", bool), ("Float64", np.float64)]:
        model = FtrlClassifier(**FEW).fit(X, pd.Series(index).astype(dtype))
        assert model.classes_.dtype == expected


@recent
def test_too_many_classes_for_the_rows_are_warned_of():
    y = np.array([f"user {i}" for i in range(60)], object)
    with pytest.warns(UserWarning, match="unique classes is greater than 50%"):
        FtrlClassifier(**FEW).fit(random_rows(), y)
    FtrlClassifier(**FEW).fit(random_rows(), y[np.arange(60) % 30])  # of half as many rows


@pytest.mark.parametrize(
    "container", [np.asarray, pd.DataFrame, np.ndarray.tolist, sparse.csr_array]
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_one_hot_columns_are_refused_with_what_to_pass(container, method):
    index = random_targets(n_classes=3)
    y = container(np.eye(3, dtype=int)[index])
    model = FtrlClassifier(**FEW)
    classes = {"classes": [0, 1, 2]} if method == "partial_fit" else {}
    message = r"y should be a 1d array, got an array of shape \(60, 3\).*np.argmax\(y, axis=1\)"
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(random_rows(), y, **classes)
    labels = np.asarray(np.argmax(y, axis=1)).ravel()
    np.testing.assert_array_equal(labels, index)


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        ([[0], [0, 1]] * 30, ValueError, "legacy multi-label"),
        pytest.param([b"no", b"yes"] * 30, TypeError, "represented as bytes", marks=recent),
        ([0.5, 1.5] * 30, ValueError, "Unknown label type: continuous"),
        ([0.0, np.inf] * 30, ValueError, "Input y contains infinity"),
        (np.array([0.0, np.inf] * 30, object), ValueError, "Input y contains infinity"),
        ([{"a": 1}, {"b": 2}] * 30, ValueError, r"types \['dict'\]"),
    ],
)
def test_what_is_no_label_is_refused(y, error, message):
    with pytest.raises(error, match=message):
        FtrlClassifier().fit(random_rows(), y)


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
