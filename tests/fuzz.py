"""Hostile input at length: python tests/fuzz.py --examples 10000 [--seed 0].

An example is a model that is taught and asked, with one fault or none in what it is given. Each
call has to end in a right answer or a clear error. The suite runs some in test_hostile.py.
"""

import argparse
import collections
import contextlib
import pickle
import tempfile
import time
import warnings
from typing import NamedTuple

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from oracle import LOG_LOSS, SOFTMAX, SQUARED_ERROR, ftrl
from scipy import sparse

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, merge
from sklearn_ftrl._kernel import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from sklearn_ftrl.model_selection import progressive_val_predict

NUMBERS = {
    "tame": [0.5, -1.0, 1.5, 2.0, -0.25],
    "subnormal": [5e-324, -1e-310, 1.0],
    "tiny": [1e-300, -1e-200, 1e-160, -1e-40],
    "large": [1e30, -1e70, 1e140, 1.0, -3.0],
    "huge": [1e300, -1.7e308, 1e160, 1.0],
}
PARAMS = {
    "mild": {"learning_rate": [0.5], "beta": [1.0], "l1": [0.0, 0.3], "l2": [0.0, 0.3]},
    "wild": {
        "learning_rate": [0.5, 5e-324, 1e-300, 1e9, 1e300],
        "beta": [1.0, 0.0, 1e-320, 1e300],
        "l1": [0.0, 1e300],
        "l2": [0.0, 5e-324, 1.7e308],
    },
}
OPTIONS = {  # each set of them is compiled apart
    "learning_rate_power": -1.5,
    "initial_accumulator_value": 0.1,
    "l2_shrinkage": 0.01,
    "clipnorm": 10.0,
}
HARMLESS = {"overflow encountered in exp"}  # a prediction of "poisson" may be inf


# What a form of X does not change: the rows


def _csr(change):
    def form(D):
        X = sparse.csr_array(D)
        change(X)
        return X

    return form


def _mapped(array):
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file, array)
        file.flush()
        return np.load(file.name, mmap_mode="r")


def _each(change):
    """Return a form of CSR rows whose three arrays are changed."""

    def form(D):
        X = sparse.csr_array(D)
        X.data, X.indices, X.indptr = map(change, (X.data, X.indices, X.indptr))
        return X

    return form


def _read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def _unsorted(D):
    X = sparse.csr_array(D)
    for start, stop in zip(X.indptr[:-1], X.indptr[1:], strict=True):
        X.indices[start:stop] = X.indices[start:stop][::-1].copy()
        X.data[start:stop] = X.data[start:stop][::-1].copy()
    X.has_sorted_indices = X.has_canonical_format = False
    return X


def _duplicates(D):
    """Return rows whose entries stand twice, the second time as an explicit zero."""
    X = sparse.csr_array(D)
    data = np.column_stack([X.data, np.zeros_like(X.data)]).ravel()
    return sparse.csr_array((data, np.repeat(X.indices, 2), 2 * X.indptr), shape=X.shape)


def _explicit_zeros(D):
    """Return rows in which every entry stands, zeros too."""
    n_rows, n_features = D.shape
    indices = np.tile(np.arange(n_features), n_rows)
    indptr = np.arange(0, D.size + 1, n_features)
    return sparse.csr_array((D.ravel(), indices, indptr), shape=D.shape)


def _strided(D):
    wide = np.full((2 * D.shape[0], 3 * D.shape[1]), np.nan, D.dtype)
    wide[::2, ::3] = D
    return wide[::2, ::3]


def _int64(X):
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)


FORMS = {
    "csr_array": sparse.csr_array,
    "csr_matrix": sparse.csr_matrix,
    "csc": sparse.csc_array,
    "coo": sparse.coo_array,
    "int64 indices": _csr(_int64),
    "uint32 indices": _csr(lambda X: setattr(X, "indices", X.indices.astype(np.uint32))),
    "read-only csr": _each(_read_only),
    "memory-mapped csr": _each(_mapped),
    "big-endian data": _csr(lambda X: setattr(X, "data", X.data.astype(X.dtype.newbyteorder(">")))),
    "big-endian indices": _csr(lambda X: setattr(X, "indices", X.indices.astype(">i4"))),
    "unsorted": _unsorted,
    "duplicates": _duplicates,
    "explicit zeros": _explicit_zeros,
    "list": np.ndarray.tolist,
    "C order": np.ascontiguousarray,
    "Fortran order": np.asfortranarray,
    "strided": _strided,
    "backwards": lambda D: D[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": _read_only,
    "memory-mapped": _mapped,
    "big-endian": lambda D: D.astype(D.dtype.newbyteorder(">")),
    "object": lambda D: D.astype(object),
    "longdouble": lambda D: D.astype(np.longdouble),
}

# Faults: what they do to (X in CSR, y, weights), all of which have to be refused


def _set(name, at, value):
    """Return a fault that writes a number into one of the arrays of X."""

    def fault(X, y, w):
        array = getattr(X, name).copy()
        array[at] = value
        setattr(X, name, array)
        return X, y, w

    return fault


def _shorten(name):
    def fault(X, y, w):
        setattr(X, name, getattr(X, name)[:-1])
        return X, y, w

    return fault


def _put(array, value):
    words = isinstance(value, str) or array.dtype.kind == "U"
    value = 1.5 if value == "word" and array.dtype.kind == "U" else value
    array = array.astype(object if words else np.float64)
    array[-1] = value
    return array


FAULTS_OF_X = {
    "index too large": _set("indices", -1, 2**31 - 1),
    "index one too large": lambda X, y, w: _set("indices", -1, X.shape[1])(X, y, w),
    "index negative": _set("indices", 0, -1),
    "index most negative": _set("indices", -1, -(2**31)),
    "index beyond int32": lambda X, y, w: (_int64(X), _set("indices", -1, 2**40)(X, y, w))[1],
    "indptr falls": lambda X, y, w: _set("indptr", 1, X.nnz + 1)(X, y, w),
    "indptr ends too late": lambda X, y, w: _set("indptr", -1, X.nnz + 9)(X, y, w),
    "indptr ends negative": _set("indptr", -1, -1),
    "indptr starts late": _set("indptr", 0, 1),
    "indptr starts negative": _set("indptr", 0, -1),
    "indptr beyond int32": lambda X, y, w: (_int64(X), _set("indptr", -1, 2**62)(X, y, w))[1],
    "indptr too short": _shorten("indptr"),
    "one index too few": _shorten("indices"),
    "one number too few": _shorten("data"),
    "nan in X": _set("data", 0, np.nan),
    "inf in X": _set("data", -1, -np.inf),
    "complex X": lambda X, y, w: (X.astype(complex), y, w),
    "strings in X": lambda X, y, w: ([["a"] * X.shape[1]] * X.shape[0], y, w),
    "None in X": lambda X, y, w: (np.full(X.shape, None), y, w),
    "X of one dimension": lambda X, y, w: (X.toarray()[0], y, w),
    "X of three dimensions": lambda X, y, w: (X.toarray()[np.newaxis], y, w),
    "no rows": lambda X, y, w: (X[:0], y[:0], w),
    "no columns": lambda X, y, w: (X[:, :0], y, w),
}
FAULTS = FAULTS_OF_X | {
    "y too short": lambda X, y, w: (X, y[:-1], w),
    "y missing": lambda X, y, w: (X, None, w),
    "y of two columns": lambda X, y, w: (X, np.column_stack([y, y]), w),
    "nan in y": lambda X, y, w: (X, _put(y, np.nan), w),
    "inf in y": lambda X, y, w: (X, _put(y, np.inf), w),
    "a word in y": lambda X, y, w: (X, _put(y, "word"), w),
    "weights too long": lambda X, y, w: (X, y, np.ones(len(y) + 1)),
    "weights of two dimensions": lambda X, y, w: (X, y, np.ones((len(y), 1))),
    "negative weight": lambda X, y, w: (X, y, _put(w, -1e-300)),
    "nan in weights": lambda X, y, w: (X, y, _put(w, np.nan)),
    "inf in weights": lambda X, y, w: (X, y, _put(w, np.inf)),
    "a word in weights": lambda X, y, w: (X, y, _put(w, "word")),
}


class Example(NamedTuple):
    """What a model is taught."""

    model: FtrlClassifier | FtrlRegressor
    D: np.ndarray  # the rows, dense
    y: np.ndarray
    classes: dict  # what the first partial_fit needs
    weights: np.ndarray
    form: str
    size: str  # of the numbers
    fault: str | None


@st.composite
def examples(draw, options=(False, True)):
    """Draw an example."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_rows, n_features = draw(st.integers(1, 7)), draw(st.integers(1, 9))
    fault = draw(st.none() | st.sampled_from(list(FAULTS)))
    sizes = (
        [draw(st.sampled_from(["tame", *NUMBERS])) for _ in range(3)] if not fault else ["tame"] * 3
    )
    dtype = draw(st.sampled_from([np.float64, np.float64, np.float32]))
    with np.errstate(over="ignore"):
        D = rng.choice(NUMBERS[sizes[0]], (n_rows, n_features)).astype(dtype)
    D = np.nan_to_num(D)  # float32 has no 1e300
    D[rng.random(D.shape) < draw(st.sampled_from([0.0, 0.5, 0.9]))] = 0.0
    if fault:
        n_rows = max(2, n_rows)
        D = np.resize(D, (n_rows, n_features))
        D[[0, -1]] = 0.5
    weights = np.ones(n_rows)
    if draw(st.booleans()):
        weights = np.abs(rng.choice([0.0, *NUMBERS[sizes[1]]], n_rows))
    params = {
        "max_iter": draw(st.sampled_from([1, 3])),
        "tol": None,
        "shuffle": draw(st.booleans()),
        "average": draw(st.booleans()),
        "random_state": 0,
        "fit_intercept": draw(st.sampled_from([True, True, False])),
    }
    numbers = draw(st.sampled_from(["auto", "mild", "wild"] if not fault else ["auto", "mild"]))
    if numbers == "wild":
        sizes.append("wild parameters")
    if numbers != "auto":
        params |= {name: draw(st.sampled_from(values)) for name, values in PARAMS[numbers].items()}
    if draw(st.sampled_from(options)):
        params |= OPTIONS
    if draw(st.booleans()):
        loss = draw(st.sampled_from(list(CLASSIFIER_LOSSES)))
        model = FtrlClassifier(loss, **params)
        names = draw(
            st.sampled_from([["a", "b"], [0, 1], [-1, 2**40], ["x", "y", "z"], [*range(11)]])
        )
        classes = {"classes": names}
        y = np.array(names)[rng.integers(len(names), size=n_rows)]
        y[: len(names)] = names[:n_rows]
    else:
        loss = draw(st.sampled_from(list(REGRESSOR_LOSSES)))
        model = FtrlRegressor(loss, **params)
        y = rng.choice(NUMBERS[sizes[2]], n_rows)
        y, classes = np.abs(y) if loss == "poisson" else y, {}
    size = "tame" if set(sizes) == {"tame"} else " ".join(sizes)
    form = draw(st.sampled_from(list(FORMS)))
    return Example(model, D, y, classes, weights, form, size, fault)


# What has to hold


def arrays(X):
    """Return the arrays of X."""
    if sparse.issparse(X):
        return [getattr(X, name) for name in ("data", "indices", "indptr") if hasattr(X, name)]
    return [np.asarray(X)]


def contents(*things):
    """Return the bytes of all arrays."""
    return [pickle.dumps(array) for X in things for array in arrays(X)]


def learned(model):
    """Return all that a model holds, but for the parameters that it has found valid."""
    model = {name: pickle.dumps(value) for name, value in vars(model).items()}
    model.pop("_valid_params", None)
    return model


@contextlib.contextmanager
def kept(*things):
    """Assert that these stay as they are."""
    before = contents(*things)
    yield
    assert contents(*things) == before, "the caller's arrays have changed"


def call(function, *args, **kwargs):
    """Return the result and None, or None and the error, which has to be a clear one."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function(*args, **kwargs)
        except (ValueError, TypeError) as error:
            return None, error
    messages = {str(warning.message) for warning in caught}
    assert messages <= HARMLESS, messages
    return result, None


def assert_sound(model, X):
    """Assert that weights are finite, and predictions right or refused."""
    if not hasattr(model, "t_"):
        return "refused"
    for name in ["state", "intercept_state"]:
        assert np.isfinite(getattr(model._learner, name)).all(), f"{name} is not finite"
    coef, error = call(lambda: (model.coef_, model.intercept_))
    if error is None:
        assert all(np.isfinite(w).all() for w in coef), "weights are not finite"
    before = learned(model)
    with kept(X):
        raw, error = call(getattr(model, "decision_function", model.predict), X)
        assert learned(model) == before
        if error:
            return "refused prediction"
        assert np.isfinite(raw).all() or model.loss == "poisson"
        assert not np.isnan(raw).any()
        prediction, error = call(model.predict, X)
        assert error is None
        if isinstance(model, FtrlClassifier):
            assert np.isin(prediction, model.classes_).all()
        if hasattr(model, "predict_proba"):
            p = model.predict_proba(X)
            assert np.all((p >= 0) & (p <= 1))
            np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
            log_p = model.predict_log_proba(X)
            assert np.isfinite(log_p).all() or model.loss == "modified_huber"
            np.testing.assert_allclose(np.exp(log_p), p, rtol=1e-9, atol=1e-300)
    return "learned"


def assert_right(model, example):
    """Assert that a model of one partial_fit is the paper's."""
    D, y, weights = example.D.astype(np.float64), example.y, example.weights
    numbers = model.get_params()
    outputs = 1
    if model.loss == "squared_error":
        loss = SQUARED_ERROR
    else:
        y = np.searchsorted(model.classes_, y)
        outputs = model._n_outputs()
        loss = LOG_LOSS if outputs == 1 else SOFTMAX
    used = weights > 0
    w, z, n, _ = ftrl(
        D[used],
        y[used],
        weights[used],
        loss,
        numbers["learning_rate"],
        numbers["beta"],
        numbers["l1"],
        numbers["l2"],
        outputs,
    )
    for name, truth in [("coef_", w), ("z_", z), ("n_", n)]:
        result = np.atleast_2d(getattr(model, name))
        np.testing.assert_allclose(result, truth[:, :-1], rtol=1e-9, atol=1e-12)


def is_in_the_oracle_s_scope(example):
    params = example.model.get_params()
    return (
        example.size == "tame"
        and example.D.dtype == np.float64
        and params["loss"] in ("log_loss", "squared_error")
        and params["learning_rate"] == 0.5
        and params["l2_shrinkage"] == 0
        and params["fit_intercept"]
    )


def check(example):
    """Teach a model and ask it; return what became of the example, in a word."""
    model, D, y, classes, weights, form, size, fault = example
    if fault:
        return check_fault(example)
    X = FORMS[form](D)
    with kept(X, y, weights):
        before = learned(model)
        _, error = call(model.partial_fit, X, y, sample_weight=weights, **classes)
        if error and "The model keeps" not in str(error):
            assert learned(model) == before, "a refused call has changed the model"
    if size == "tame":
        assert error is None, error
    if not error and is_in_the_oracle_s_scope(example):
        assert_right(model, example)
    outcome = assert_sound(model, X)
    if not error and model.t_:
        merged, refusal = call(merge, [model, model])
        if refusal is None:
            assert_sound(merged, X)
    again = type(model)(**model.get_params())
    with kept(X, y, weights):
        _, error = call(again.fit, X, y, weights)
    assert_sound(again, X)
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    with kept(X, y, weights):
        p, error = call(
            progressive_val_predict, model, X, y, method=method, sample_weight=weights, batch_size=3
        )
    if error is None and p.dtype.kind == "f" and model.loss != "poisson":
        assert np.isfinite(p).all()
    return outcome


def check_fault(example):
    """Assert that each method refuses the fault and stays as it is."""
    model, D, y, classes, weights, _, _, fault = example
    D, good = D.copy(), np.ones_like(weights)
    model.partial_fit(D, y, **classes)
    before = learned(model)
    X, bad_y, bad_weights = FAULTS[fault](sparse.csr_array(D), y, good)
    with kept(X, bad_y, bad_weights):
        for method in [model.partial_fit, model.fit]:
            _, error = call(method, X, bad_y, sample_weight=bad_weights)
            assert error is not None, f"{method.__name__} took it"
            assert learned(model) == before, f"{method.__name__} has changed the model"
        stream = {"method": "predict", "sample_weight": bad_weights, "batch_size": 3}
        _, error = call(progressive_val_predict, model, X, bad_y, **stream)
        assert error is not None, "progressive_val_predict took it"
        if fault in FAULTS_OF_X:
            for copy in [model, pickle.loads(pickle.dumps(model)).sparsify()]:
                _, error = call(copy.predict, X)
                assert error is not None, "predict took it"
    assert learned(model) == before
    return "refused"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    counts, failures, start = collections.Counter(), {}, time.perf_counter()

    @seed(args.seed)
    @settings(
        max_examples=args.examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(examples())
    def run(example):
        name = example.fault or f"numbers: {example.size}"
        try:
            outcome = check(example)
        except Exception as error:
            outcome = "FAILED"
            key = (type(error).__name__, str(error).strip()[:150])
            failures.setdefault(key, []).append(example)
        counts[name, outcome] += 1

    run()
    for (name, outcome), count in sorted(counts.items()):
        print(f"{count:6d}  {name}: {outcome}")
    print(f"{counts.total():6d}  in {time.perf_counter() - start:.0f} s")
    for (name, message), found in failures.items():
        print(f"\n{len(found)} x {name}: {message}\n{min(found, key=lambda e: e.D.size)}")
    return bool(failures)


if __name__ == "__main__":
    raise SystemExit(main())
