"""What a fitted model shows: predictions, weights, z and n, files and HTML."""

import copy
import io
import pickle
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from oracle import (
    FEW,
    NUMBERS,
    ONE_EPOCH,
    assert_same_bits,
    learned,
    partial_fit,
    random_rows,
    random_targets,
)
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError

import sklearn_ftrl
from sklearn_ftrl import FtrlClassifier, _learner, _state


def test_an_unfitted_model_says_so(kind):
    model = kind[0]()
    for call in [lambda: model.predict(random_rows()), model.sparsify, lambda: model.coef_]:
        with pytest.raises(NotFittedError):
            call()


def test_predictions_are_the_linear_function_of_coef(kind):
    estimator, y = kind
    X = random_rows()
    model = estimator(l1=0.1, **FEW).fit(X, y)
    expected = X @ np.atleast_2d(model.coef_).T + model.intercept_
    np.testing.assert_allclose(model._raw_predictions(X), expected, rtol=1e-12, atol=1e-15)


def test_a_few_rows_are_predicted_without_a_look_at_all_weights(kind, monkeypatch):
    estimator, y = kind
    X = random_rows()
    model = estimator(l1=0.1, **FEW).fit(X, y)
    many = model._raw_predictions(X)
    monkeypatch.setattr(_learner.Learner, "weights", None)
    few = [model._raw_predictions(X[[i]]) for i in range(60) if X[[i]].nnz < 12]
    np.testing.assert_allclose(np.concatenate(few), many, rtol=1e-12, atol=1e-14)


def test_set_params_acts_at_the_next_fit_alone(kind):
    estimator, y = kind
    X = random_rows()
    model = estimator(**FEW).fit(X, y)
    coef = model.coef_
    model.set_params(l1=1e6, beta=5.0, learning_rate=3.0)
    np.testing.assert_array_equal(model.coef_, coef)
    partial_fit(model, X[:1], y[:1], labels=y)
    assert not np.any(model.coef_)


def test_weights_and_state_are_read_only_and_a_copy(kind):
    estimator, y = kind
    model = estimator(**FEW).fit(random_rows(), y)
    for name in ["coef_", "intercept_", "z_", "n_", "intercept_z_", "intercept_n_"]:
        values = getattr(model, name)
        with pytest.raises(ValueError, match="read-only"):
            values[...] = 0
    z = model.z_.copy(), model.z_
    partial_fit(model, random_rows(), y)
    np.testing.assert_array_equal(*z)


def test_the_state_begins_with_a_cache_line(kind):
    estimator, y = kind
    model = estimator(early_stopping=True, **FEW).fit(random_rows(), y)
    assert model._learner.state.ctypes.data % 64 == 0


def test_looking_at_a_model_writes_nothing(kind):
    estimator, y = kind
    X = random_rows()
    model = estimator(**FEW).fit(X, y)
    before = dict(vars(model))
    model.predict(X), model.coef_, model.intercept_, model.z_, model.n_, model.score(X, y)
    model._repr_html_(), repr(model)
    assert vars(model) == before


def test_the_html_representation_shows_shapes_without_computing_weights(kind, monkeypatch):
    estimator, y = kind
    model = estimator(**FEW).fit(random_rows(), y)
    shape = model.coef_.shape
    calls = []
    monkeypatch.setattr(_state, "weights", lambda *args: calls.append(args))
    html = model._repr_html_()
    assert not calls
    if hasattr(BaseEstimator, "_get_fitted_attr_html"):  # scikit-learn >= 1.9
        assert html.count(f"ndarray[float64]{shape}") >= 3
        assert "n_iter_" in html


# Weights alone


def test_sparsify_predicts_the_same_and_frees_the_state(kind):
    estimator, y = kind
    X = random_rows()
    model = estimator(l1=3 * y.std(), max_iter=1, tol=None).fit(X, y)
    raw, coef = model._raw_predictions(X), np.atleast_2d(model.coef_)
    assert model.sparsify() is model
    assert model.coef_.nnz == np.count_nonzero(coef) < coef.size
    np.testing.assert_allclose(model._raw_predictions(X), raw, rtol=1e-12)
    np.testing.assert_allclose(model._raw_predictions(X.toarray()), raw, rtol=1e-12)
    for name in ["z_", "n_", "intercept_z_", "intercept_n_"]:
        with pytest.raises(ValueError, match="sparsify"):
            getattr(model, name)
        assert not hasattr(model, name)
    with pytest.raises(ValueError, match="sparsify"):
        partial_fit(model, X, y)
    assert model.sparsify().coef_.nnz == np.count_nonzero(coef)


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csr_matrix, np.asarray])
def test_a_sparsified_model_returns_plain_arrays_of_the_same_shape(container, kind):
    estimator, y = kind
    X = container(random_rows().toarray())
    model = estimator(l1=3 * y.std(), max_iter=1, tol=None).fit(X, y)
    methods = ["predict", "decision_function", "predict_proba"]
    methods = [name for name in methods if hasattr(model, name)]
    before = [getattr(model, name)(X) for name in methods]
    for old, name in zip(before, methods, strict=True):
        new = getattr(model.sparsify(), name)(X)
        assert type(new) is np.ndarray
        assert new.shape == old.shape
        np.testing.assert_allclose(new, old, rtol=1e-12)


def test_densify_gives_a_dense_coef_again(kind):
    estimator, y = kind
    X = random_rows()
    model = estimator(l1=9.0, **FEW).fit(X, y)
    raw, coef = model._raw_predictions(X), model.coef_
    np.testing.assert_array_equal(model.densify().coef_, coef)
    np.testing.assert_array_equal(model.sparsify().densify().coef_, coef)
    np.testing.assert_allclose(model._raw_predictions(X), raw, rtol=1e-12)


def test_weights_of_a_densified_model_are_read_only(kind):
    estimator, y = kind
    model = estimator(**FEW).fit(random_rows(), y).sparsify().densify()
    with pytest.raises(ValueError, match="read-only"):
        model.coef_[...] = 0


def test_a_sparsified_model_can_be_fitted_anew(kind):
    estimator, y = kind
    X = random_rows()
    model = estimator(**ONE_EPOCH)
    fresh = learned(model.fit(X, y))
    assert learned(model.sparsify().fit(X, y)) == fresh


def test_the_html_representation_of_a_sparsified_model_is_made(kind):
    estimator, y = kind
    assert "Ftrl" in estimator(**FEW).fit(random_rows(), y).sparsify()._repr_html_()


# Files


def through_joblib(model):
    """Return the model after a round trip through a file."""
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize(
    "copied",
    [lambda model: pickle.loads(pickle.dumps(model)), through_joblib, copy.deepcopy],
    ids=["pickle", "joblib", "deepcopy"],
)
def test_a_saved_model_goes_on_to_the_same_bits(copied, kind):
    estimator, y = kind
    X = random_rows()
    model = partial_fit(estimator(l1=0.1), X, y)
    other = copied(model)
    np.testing.assert_array_equal(model.predict(X), other.predict(X))
    assert_same_bits(partial_fit(model, X, y), partial_fit(other, X, y))


def test_a_model_that_has_learned_nothing_is_saved_in_few_bytes(kind):
    estimator, y = kind
    X = random_rows()
    model = partial_fit(estimator(**NUMBERS), X, y, sample_weight=np.zeros(60))
    saved = pickle.dumps(model)
    again = partial_fit(pickle.loads(saved), X, y)
    assert len(saved) < len(pickle.dumps(again)) - 0.9 * again._learner.state.nbytes
    assert_same_bits(again, partial_fit(model, X, y))


def test_a_model_mapped_from_a_file_goes_on_learning(kind, tmp_path):
    estimator, y = kind
    X = random_rows()
    model = partial_fit(estimator(**NUMBERS), X, y)
    joblib.dump(model, tmp_path / "model")
    mapped = joblib.load(tmp_path / "model", mmap_mode="r")
    np.testing.assert_array_equal(mapped.predict(X), model.predict(X))
    assert_same_bits(partial_fit(mapped, X, y), partial_fit(model, X, y))


SAVED = Path(__file__).parent / "data" / "classifier_0_1.pickle"


def fitted(n_classes=2, **params):
    return FtrlClassifier(**(FEW | params), random_state=0).fit(
        random_rows(), random_targets(n_classes=n_classes)
    )


def test_a_file_of_the_first_version_is_refused_with_words():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        with pytest.raises(ValueError, match=r"saved by an earlier sklearn-ftrl.*Fit it again"):
            pickle.loads(SAVED.read_bytes())


def test_another_version_warns(monkeypatch):
    saved = pickle.dumps(fitted())
    monkeypatch.setattr(sklearn_ftrl, "__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning, match=r"99.0 of sklearn-ftrl"):
        pickle.loads(saved)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_an_error(keep):
    saved = pickle.dumps(fitted())
    with pytest.raises((EOFError, pickle.UnpicklingError)):
        pickle.loads(saved[: int(keep * len(saved))])


DAMAGE = {
    "fewer features": lambda array: array[:-1],
    "no array": lambda array: array.tolist(),
    "another dtype": lambda array: array.astype(np.int64),
    "not contiguous": lambda array: np.asfortranarray(array),
    "more outputs": lambda array: np.repeat(array, 3, axis=2),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_state_is_refused(damage):
    state = fitted().__getstate__()
    state["_learner"].state = DAMAGE[damage](state["_learner"].state)
    with pytest.raises(ValueError, match="is damaged"):
        FtrlClassifier().__setstate__(state)


def test_an_unfitted_model_is_copied():
    assert pickle.loads(pickle.dumps(FtrlClassifier(l1=2.0))).l1 == 2.0


def test_weights_are_set_by_coef_init_and_say_so():
    model = FtrlClassifier(**NUMBERS).partial_fit(random_rows(), random_targets(), classes=[0, 1])
    for name in ["coef_", "intercept_"]:
        with pytest.raises(AttributeError, match="coef_init"):
            setattr(model, name, np.ones(12))


def falling(steps):
    return 0.5 / np.sqrt(1.0 + steps)


def test_a_sparsified_model_knows_the_rate_of_its_last_step():
    model = FtrlClassifier(learning_rate=falling, beta=1.0)
    model.partial_fit(random_rows(), random_targets(), classes=[0, 1])
    rate = model.learning_rate_
    assert model.sparsify().learning_rate_ == rate == falling(59)


def test_a_row_that_is_refused_leaves_the_rate_of_the_row_before():
    X, y = random_rows().toarray(), random_targets()
    X[30] = 1e200
    model = FtrlClassifier(learning_rate=falling, beta=1.0)
    with pytest.raises(ValueError, match="row 30"):
        model.partial_fit(X, y, classes=[0, 1])
    assert (model.t_, model.learning_rate_) == (30, falling(29))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_sparsified_model_predicts_a_row_without_all_weights(n_classes, monkeypatch):
    model = FtrlClassifier(**NUMBERS).fit(random_rows(), random_targets(n_classes=n_classes))
    coef, intercept = model.coef_, model.intercept_
    model.sparsify()
    monkeypatch.setattr(type(model._learner), "weights", None)
    for feature in (0, 11):
        X = sparse.csr_array(([2.0], ([0], [feature])), shape=(1, 12))
        expected = 2.0 * coef[:, feature] + intercept
        np.testing.assert_allclose(np.ravel(model.decision_function(X)), expected)
