"""Labels of any type: read, named, missing, refused, and weighed."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from oracle import FEW, NUMBERS, ONE_EPOCH, random_rows, random_targets
from scipy import sparse
from sklearn.model_selection import learning_curve
from sklearn.utils import compute_class_weight
from sklearn.utils.fixes import parse_version

from sklearn_ftrl import FtrlClassifier
from sklearn_ftrl._labels import all_of, factors_of

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


@pytest.mark.parametrize("weight", ["heavy", [1.0, 2.0]])
def test_a_class_weight_that_is_no_number_is_named(weight):
    with pytest.raises((TypeError, ValueError), match=r"class_weight=\{1: .*\} is no number"):
        FtrlClassifier(class_weight={1: weight}).fit([[1.0], [2.0]], [0, 1])


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


def test_balanced_class_weight_is_refused_by_partial_fit():
    with pytest.raises(ValueError, match=r'class_weight="balanced".*dict'):
        FtrlClassifier(class_weight="balanced").partial_fit(random_rows(), random_targets(), [0, 1])


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_a_class_weight_below_0_or_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="class_weight"):
        FtrlClassifier(class_weight={0: bad}).fit(random_rows(), random_targets())


@pytest.mark.parametrize("labels", PAIRS)
def test_a_key_of_class_weight_names_the_label_that_it_equals(labels):
    classes = all_of(None, PAIRS[labels])
    for keys in PAIRS:
        class_weight = dict(zip(PAIRS[keys], [1.0, 5.0], strict=True))
        equal = labels == keys or any({labels, keys} <= kinds for kinds in EQUAL)
        equal = equal or (labels, keys) == ("short tenths", "tenths")  # as numpy rounds them
        if equal:
            factors = factors_of(class_weight, classes, None, None)
            np.testing.assert_array_equal(factors, [1.0, 5.0])
        else:
            with pytest.raises(ValueError, match="class_weight has keys that are no classes"):
                factors_of(class_weight, classes, None, None)


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


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [
        (np.full(60, 7), None, r"unseen labels: \[7\]"),
        (np.full(60, "1"), None, r"unseen labels: .* labels of type str, and classes_ of type int"),
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
