"""Converted models against the models themselves, run by onnxruntime."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ftrl import FtrlClassifier, FtrlRegressor
from sklearn_ftrl._kernel import CLASSIFIER_LOSSES, REGRESSOR_LOSSES

skl2onnx = pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from sklearn_ftrl import onnx  # noqa: E402, it needs skl2onnx

FEW = {"max_iter": 5, "tol": None, "shuffle": False}
LABELS = [[3, 7], ["no", "yes"], [False, True], [-1, 0, 2**40], ["a", "b", "c", "d"]]


@pytest.fixture(params=[np.float32, np.float64])
def dtype(request):
    return request.param


@pytest.fixture(autouse=True)
def registered():
    onnx.register()


def rows(dtype):
    return np.random.default_rng(0).normal(size=(90, 5)).astype(dtype)


def labels(X, names):
    """Return a name for each row, mostly by a linear rule."""
    raw = X @ [1.0, 2.0, 0.0, -1.0, 0.5] + np.random.default_rng(1).normal(size=len(X))
    return np.asarray(names)[raw.argsort().argsort() * len(names) // len(X)]


def run(model, X, **options):
    """Return the outputs of the converted model, in a dict by their names."""
    graph = skl2onnx.to_onnx(model, X[:1], options={FtrlClassifier: options} if options else None)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"X": X}), strict=True))


def assert_close(result, expected):
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("names", LABELS, ids=str)
@pytest.mark.parametrize("loss", ["log_loss", "modified_huber"])
def test_labels_and_probabilities_are_those_of_the_classifier(loss, names, dtype):
    X = rows(dtype)
    model = FtrlClassifier(loss, **FEW).fit(X, labels(X, names))
    result = run(model, X, zipmap=False)
    np.testing.assert_array_equal(result["label"], model.predict(X))
    assert result["probabilities"].dtype == dtype
    assert_close(result["probabilities"], model.predict_proba(X))


def test_rows_that_no_class_claims_are_given_to_all_by_modified_huber(dtype):
    X = rows(dtype)
    model = FtrlClassifier("modified_huber", max_iter=1, tol=None, learning_rate=1e-9, beta=1.0)
    model.fit(X, labels(X, list("abc")), intercept_init=np.full(3, -9.0))
    assert_close(run(model, X, zipmap=False)["probabilities"], np.full((90, 3), 1 / 3))


@pytest.mark.parametrize("names", ["ab", "abc"])
@pytest.mark.parametrize("loss", CLASSIFIER_LOSSES)
def test_raw_scores_are_the_decision_function_with_a_column_for_each_class(loss, names, dtype):
    X = rows(dtype)
    model = FtrlClassifier(loss, **FEW).fit(X, labels(X, list(names)))
    raw = model.decision_function(X)
    result = run(model, X, zipmap=False, raw_scores=True)
    np.testing.assert_array_equal(result["label"], model.predict(X))
    assert_close(result["probabilities"], raw if raw.ndim > 1 else np.column_stack([-raw, raw]))


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_a_loss_without_probabilities_gives_raw_scores(loss, dtype):
    X = rows(dtype)
    model = FtrlClassifier(loss, **FEW).fit(X, labels(X, [0, 1, 2]))
    result = run(model, X, zipmap=False)
    np.testing.assert_array_equal(result["label"], model.predict(X))
    assert_close(result["probabilities"], model.decision_function(X))


@pytest.mark.parametrize(
    ("estimator", "learned", "next_loss"),
    [
        (FtrlClassifier, "log_loss", "modified_huber"),
        (FtrlClassifier, "modified_huber", "hinge"),
        (FtrlClassifier, "modified_huber", "log_loss"),
        (FtrlRegressor, "poisson", "squared_error"),
    ],
)
def test_the_loss_learned_is_converted_whatever_the_next_one_is(
    estimator, learned, next_loss, dtype
):
    X = rows(dtype)
    model = estimator(learned, **FEW).fit(X, labels(X, [0, 1, 2])).set_params(loss=next_loss)
    *_, result = run(model, X, zipmap=False).values()
    expected = getattr(model, "predict_proba", model.predict)(X)
    assert_close(result, expected.reshape(90, -1))


@pytest.mark.parametrize("loss", REGRESSOR_LOSSES)
def test_predictions_are_those_of_the_regressor(loss, dtype):
    X = rows(dtype)
    model = FtrlRegressor(loss, **FEW).fit(X, np.exp(X[:, 0]))
    result = run(model, X)["variable"]
    assert result.dtype == dtype
    assert_close(result, model.predict(X)[:, np.newaxis])


@pytest.mark.parametrize("estimator", [FtrlClassifier, FtrlRegressor])
def test_a_sparsified_model_is_converted(estimator, dtype):
    X = rows(dtype)
    model = estimator(l1=20.0, **FEW).fit(X, labels(X, [0, 1])).sparsify()
    assert 0 < model.coef_.nnz < 5
    *_, result = run(model, X, zipmap=False).values()
    expected = getattr(model, "predict_proba", model.predict)(X)
    assert_close(result, expected.reshape(90, -1))


@pytest.mark.parametrize("estimator", [FtrlClassifier, FtrlRegressor])
def test_a_pipeline_is_converted(estimator, dtype):
    X = rows(dtype) * 3 + 1
    model = make_pipeline(StandardScaler(), estimator(**FEW))
    model.fit(X, labels(X, [0, 1]))
    *_, result = run(model, X, zipmap=False).values()
    expected = getattr(model, "predict_proba", model.predict)(X)
    assert_close(result, expected.reshape(90, -1))


def test_zipmap_gives_a_dict_of_probabilities_or_a_column_for_each_class(dtype):
    X = rows(dtype)
    model = FtrlClassifier(**FEW).fit(X, labels(X, list("abc")))
    columns = run(model, X, zipmap="columns")
    p = np.column_stack([columns[f"s{name}"] for name in "abc"])
    assert_close(p, model.predict_proba(X))
    if dtype == np.float32:  # the ZipMap of ONNX takes no other
        dicts = run(model, X)["output_probability"]
        assert_close(np.array([[d[name] for name in "abc"] for d in dicts]), p)


def test_nocl_numbers_the_classes(dtype):
    X = rows(dtype)
    model = FtrlClassifier(**FEW).fit(X, labels(X, list("abc")))
    label = run(model, X, zipmap=False, nocl=True)["label"]
    np.testing.assert_array_equal(model.classes_[label], model.predict(X))


def test_labels_that_onnx_does_not_have_are_refused(dtype):
    X = rows(dtype)
    model = FtrlClassifier(**FEW).fit(X, labels(X, [1.0, 2.0]))
    with pytest.raises(ValueError, match="integers, booleans or strings"):
        run(model, X, zipmap=False)


def test_integers_are_rows_too(dtype):
    X = (3 * rows(dtype)).astype(np.int64)
    model = FtrlClassifier(**FEW).fit(X, labels(X, list("abc")))
    assert_close(run(model, X, zipmap=False)["probabilities"], model.predict_proba(X))


def test_without_skl2onnx_an_import_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match="pip install skl2onnx"):
        importlib.reload(onnx)


def test_the_package_imports_none_of_it():
    code = "import sys, sklearn_ftrl; sys.exit('skl2onnx' in sys.modules or 'onnx' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
