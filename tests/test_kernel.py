import os
import subprocess
import sys

import numba
import numpy as np
import pytest
import sklearn.linear_model
from oracle import FEW, LOG_LOSS, NUMBERS, SOFTMAX, SQUARED_ERROR, ftrl, random_rows, random_targets
from scipy import sparse
from scipy.special import expit, softmax
from sklearn._loss.loss import (
    HalfBinomialLoss,
    HalfPoissonLoss,
    HalfSquaredError,
    HuberLoss,
    PinballLoss,
)

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, _hashing, _kernel, _state
from sklearn_ftrl._kernel import (
    CLASSIFIER_LOSSES,
    REGRESSOR_LOSSES,
    Average,
    Loss,
    Prox,
    Rows,
    joint_loss_and_gradient,
    loss_and_gradient,
)
from sklearn_ftrl._rows import as_rows

PENALTIES = [
    {},
    {"l1": 0.3},
    {"l2": 0.7},
    {"l1": 0.2, "l2": 0.5, "beta": 0.0},
    {"learning_rate": 5.0, "beta": 3.0},
]
CASES = {
    "binary": (FtrlClassifier, LOG_LOSS, 2),
    "softmax": (FtrlClassifier, SOFTMAX, 5),
    "softmax of many": (FtrlClassifier, SOFTMAX, _kernel.FEW + 1),
    "squared_error": (FtrlRegressor, SQUARED_ERROR, None),
}


@pytest.fixture(params=CASES)
def case(request):
    """Return an estimator class, its loss in numpy, targets and the number of outputs."""
    estimator, loss, n_classes = CASES[request.param]
    if n_classes is None:
        return estimator, loss, np.random.default_rng(3).normal(size=60), 1
    return estimator, loss, random_targets(n_classes=n_classes), n_classes if n_classes > 2 else 1


@pytest.mark.parametrize("params", PENALTIES, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_state_equals_the_paper_s_algorithm(case, params, weighted):
    estimator, loss, y, n_outputs = case
    X = random_rows()
    sample_weight = np.random.default_rng(4).choice([0.0, 0.5, 1, 3], 60) if weighted else None
    params = NUMBERS | params
    model = estimator(**params, max_iter=1, tol=None, shuffle=False, average=False).fit(
        X, y, sample_weight
    )

    alpha = params["learning_rate"]
    penalties = {name: value for name, value in params.items() if name != "learning_rate"}
    weights = np.ones(60) if sample_weight is None else sample_weight
    w, z, n, losses = ftrl(X.toarray(), y, weights, loss, alpha, **penalties, n_outputs=n_outputs)
    exact = {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_allclose(np.atleast_2d(model.coef_), w[:, :-1], **exact)
    np.testing.assert_allclose(np.atleast_2d(model.z_), z[:, :-1], **exact)
    np.testing.assert_allclose(np.atleast_2d(model.n_), n[:, :-1], **exact)
    np.testing.assert_allclose(model.intercept_, w[:, -1], **exact)
    np.testing.assert_allclose(model.intercept_z_, z[:, -1], **exact)
    np.testing.assert_allclose(model.intercept_n_, n[:, -1], **exact)
    np.testing.assert_allclose(
        model.progressive_loss_, np.average(losses, weights=weights), **exact
    )


def test_each_row_s_progressive_loss_equals_the_paper_s_algorithm(case):
    estimator, loss, y, n_outputs = case
    X = random_rows()
    _, _, _, losses = ftrl(X.toarray(), y, np.ones(60), loss, 0.5, n_outputs=n_outputs)
    model = estimator(**NUMBERS)
    classes = {"classes": np.unique(y)} if estimator is FtrlClassifier else {}
    ours = [model.partial_fit(X[[i]], y[[i]], **classes).progressive_loss_ for i in range(60)]
    np.testing.assert_allclose(ours, losses, rtol=1e-12, atol=1e-12)


def test_rows_longer_than_any_buffer_multiple_equal_the_paper_s_algorithm():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 100)) * (rng.random((20, 100)) < np.linspace(0, 1, 20)[:, None])
    y = random_targets(20)
    w, _, _, _ = ftrl(X, y, np.ones(20), LOG_LOSS, 0.5)
    model = FtrlClassifier(max_iter=1, tol=None, shuffle=False, average=False, **NUMBERS).fit(X, y)
    np.testing.assert_allclose(model.coef_, w[:, :-1], rtol=1e-12, atol=1e-12)


def test_penalize_intercept_learns_it_like_a_feature_that_is_always_1():
    X, y = random_rows().toarray(), random_targets()
    params = {"l1": 0.2, "l2": 0.5, "max_iter": 1, "tol": None, "shuffle": False, **NUMBERS}
    ours = FtrlClassifier(penalize_intercept=True, **params).fit(X, y)
    theirs = FtrlClassifier(fit_intercept=False, **params).fit(np.c_[X, np.ones(60)], y)
    np.testing.assert_allclose(np.r_[ours.coef_[0], ours.intercept_], theirs.coef_[0], rtol=1e-12)


def test_fit_intercept_false_leaves_the_intercept_at_0():
    model = FtrlClassifier(fit_intercept=False, **FEW).fit(random_rows(), random_targets())
    assert model.intercept_ == model.intercept_z_ == model.intercept_n_ == 0.0


@pytest.mark.parametrize("estimator", [FtrlClassifier, FtrlRegressor])
def test_a_weight_without_gradient_or_beta_is_0_not_nan(estimator):
    X = np.array([[1.0, 0.0], [1.0, 0.0]])
    model = estimator(beta=0.0, **FEW).fit(X, [0, 1])
    assert model.coef_.ravel()[1] == 0.0
    assert np.isfinite(model.coef_).all()


def test_a_sure_and_right_prediction_keeps_its_tiny_gradient():
    assert loss_and_gradient(Loss(CLASSIFIER_LOSSES["log_loss"], 0.0), 1.0, 50.0)[
        1
    ] == pytest.approx(-np.exp(-50.0))


def test_the_loss_of_sure_and_right_predictions_keeps_its_digits():
    model = FtrlClassifier(**NUMBERS, max_iter=1).fit([[1.0], [-1.0]], [1, 0], coef_init=[25.0])
    assert model.progressive_loss_ == pytest.approx(np.log1p(np.exp(-25.0)), rel=1e-9, abs=0)


@pytest.mark.parametrize("n_classes", [2, 5, 11])
def test_rows_of_float32_are_learned_in_the_arithmetic_of_float64(n_classes):
    X = np.full((1, 3), 1e-24, np.float32)  # its squares are 0 in float32
    model = FtrlClassifier(clipnorm=1e-30, **NUMBERS).partial_fit(X, [0], classes=range(n_classes))
    assert np.linalg.norm(model.z_.astype(np.float64)) == pytest.approx(1e-30, rel=1e-6, abs=0)


@pytest.mark.compiled
def test_machine_code_from_disk_gives_the_bits_of_the_process_that_compiled_it(tmp_path):
    code = """
import numpy as np
from sklearn_ftrl import FtrlClassifier
rng = np.random.default_rng(0)
X, y = rng.normal(size=(50, 100)), np.arange(50) % 24
print(FtrlClassifier(learning_rate=0.1, beta=1.0).partial_fit(X, y, range(24)).z_.tobytes().hex())
"""
    command = [sys.executable, "-c", code]
    options = {"env": os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}, "check": True}
    compiled, loaded = (
        subprocess.run(command, stdout=subprocess.PIPE, **options).stdout for _ in range(2)
    )
    assert compiled == loaded


@pytest.mark.compiled
def test_the_command_that_compiles_leaves_nothing_to_the_defaults():
    pytest.importorskip("pyarrow")
    code = """
import numba
import numpy as np
from scipy import sparse
from sklearn_ftrl import FtrlClassifier, FtrlRegressor, _hashing, _kernel, __main__
from sklearn_ftrl.preprocessing import ColumnHasher

def count():
    functions = [f for module in (_hashing, _kernel) for f in vars(module).values()]
    is_compiled = numba.core.dispatcher.Dispatcher
    return {f.__name__: len(f.signatures) for f in functions if isinstance(f, is_compiled)}

__main__.main()
before = count()
table = {name: np.arange(100).astype(str) for name in "abc"}
table |= {"ids": np.arange(100), "flags": np.arange(100) > 50, "counts": np.arange(100)}
dense = np.random.default_rng(0).normal(size=(100, 5))
hasher = ColumnHasher(2**10, numeric={"counts": "bin"})
for X in (hasher.transform(table), dense, sparse.csr_array(dense, dtype=np.float32)):
    FtrlRegressor(random_state=0).fit(X, dense[:, 0]).predict(X)
    for n_classes in (2, 3):
        model = FtrlClassifier(random_state=0).fit(X, np.arange(100) % n_classes)
        model.predict_proba(X), model.predict_proba(X[:1])
        FtrlClassifier().partial_fit(X, np.arange(100) % n_classes, range(n_classes))
assert count() == before, (before, count())
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


@pytest.mark.compiled
def test_predictions_do_not_depend_on_where_memory_is():
    rng = np.random.default_rng(0)
    X = sparse.csr_array(rng.normal(size=(60, 8)))
    X.resize(60, 9)
    model = FtrlClassifier(**NUMBERS).partial_fit(X, random_targets(), classes=[0, 1])
    seen = []
    for _ in range(30):
        memory = [np.empty(size, np.uint8) for size in rng.integers(64, 256, size=50)]
        rng.shuffle(memory)
        del memory[25:]  # holes, which the buffers of the next rows fall into
        seen.append([model.decision_function(X[i : i + 1])[0] for i in range(10)])
    assert np.ptp(seen, axis=0).max() == 0


@pytest.mark.parametrize("module", [_kernel, _hashing])
def test_jitted_functions_call_only_jitted_functions_of_their_own_file(module):
    dispatchers = [
        f for f in vars(module).values() if isinstance(f, numba.core.dispatcher.Dispatcher)
    ]
    for dispatcher in dispatchers:
        function = dispatcher.py_func
        assert function.__code__.co_filename == module.__file__
        for name in function.__code__.co_names:
            called = function.__globals__.get(name)
            home = getattr(called, "py_func", getattr(called, "_defn", None))
            assert home is None or home.__code__.co_filename == module.__file__


def test_without_a_writable_cache_directory_functions_compile_in_memory(monkeypatch):
    numba_njit = numba.njit

    def no_locator(cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return numba_njit(**options)

    with monkeypatch.context() as patch:  # at its first call, numba compiles code of its own
        patch.setattr(numba, "njit", no_locator)
        function = _kernel.njit(lambda x: x + 1)
    assert function(1) == 2


# The mean over a pass.

PLAIN = Prox(1.0, 1.0, 0.0, 0.0, None, None)
PROXES = {
    "plain": PLAIN,
    "l1": PLAIN._replace(l1=0.3),
    "l2": PLAIN._replace(l2=0.7),
    "power and shrinkage": PLAIN._replace(power=0.6, l1=0.1, l2_shrinkage=0.05),
    "no beta": PLAIN._replace(beta=0.0, l1=0.1),
}
LEARN = Loss(0, 0.0)
each_n_outputs = pytest.mark.parametrize("n_outputs", [1, 3, _kernel.FEW + 2])
each_prox = pytest.mark.parametrize("prox", PROXES.values(), ids=PROXES)


def learn(X, y, states, prox, average, loss=LEARN, rates=0.5, order=None, sample_weight=None):
    """Call the kernel; return the raw predictions."""
    state, intercept = states
    rows = X if isinstance(X, Rows) else as_rows(X)
    n_rows, n_outputs = rows.indptr.size - 1, state.shape[2]
    order = np.arange(n_rows) if order is None else order
    sample_weight = np.ones(n_rows) if sample_weight is None else sample_weight
    raws = np.zeros((n_rows, n_outputs))
    several = [None if n_outputs == 1 else n_outputs] if n_outputs <= _kernel.FEW else []
    kernel = _kernel.learn_few if several else _kernel.learn_many
    kernel(
        rows,
        order,
        y.astype(float),
        sample_weight,
        loss,
        1.0 / np.atleast_1d(rates),
        prox,
        prox._replace(rate=0.8, l1=0.0),
        None,
        True,
        average,
        state.reshape(-1),
        intercept[0],
        raws,
        np.zeros(1, np.int64),
        *several,
    )
    return raws


def fresh(n_features, n_outputs, dtype=np.float64):
    """Return plain states of coefficients and intercepts, both with something to forget."""
    states = [_state.start(size, n_outputs, dtype, 0.1) for size in (n_features, 1)]
    for state in states:
        state[:, _kernel.Z] = np.linspace(-1, 1, state.shape[0] * n_outputs).reshape(-1, n_outputs)
    return states[0], states[1].astype(np.float64)


def means(states, average, prox, rate=0.5):
    """Return the plain states that stand for the mean."""
    proxes = prox, prox._replace(rate=0.8, l1=0.0)
    return [_state.averaged(s, average, rate, p) for s, p in zip(states, proxes, strict=True)]


def steps(X, y, prox, n_outputs, rates=0.5, sample_weight=None):
    """Yield at each step z, n, u, and what the step adds to u at its own rate, by plain numpy.

    They are of all features and the intercept, which is the last.
    """
    X = np.column_stack([X, np.ones(len(X))])
    z, n = (
        np.concatenate(pair)
        for pair in zip(
            *[
                (state[:, _kernel.Z], state[:, _kernel.ROOT_N] ** 2)
                for state in fresh(X.shape[1] - 1, n_outputs)
            ],
            strict=True,
        )
    )
    factor, l1, l2, shrinkage = (
        np.full((X.shape[1], 1), x or 0.0) for x in (1.0, prox.l1, prox.l2, prox.l2_shrinkage)
    )
    factor[-1], l1[-1] = 0.8, 0.0
    p = 0.5 * (prox.power or 1.0)
    rates = np.broadcast_to(rates, len(X) + 1)
    t = 0
    for i in range(len(X)):
        if sample_weight is not None and sample_weight[i] == 0:
            continue
        x, before, after = X[i][:, None], factor * rates[t], factor * rates[t + 1]
        u = -z / ((prox.beta + n**p) / before + l2)
        w = np.where(
            np.abs(z) <= l1, 0.0, (np.sign(z) * l1 - z) / ((prox.beta + n**p) / before + l2)
        )
        raw = (w * x).sum(axis=0)
        slope = expit(raw) - y[i] if n_outputs == 1 else softmax(raw) - np.eye(n_outputs)[y[i]]
        g = (1.0 if sample_weight is None else sample_weight[i]) * slope * x
        grown = n + g**2
        sigma = (grown**p - n**p) / after
        new_z = z + g + (2 * shrinkage * (x != 0) - sigma) * w
        added = -(new_z - z + sigma * u) / ((prox.beta + grown**p) / after + l2)
        yield z, n, u, added
        z, n, t = new_z, grown, t + 1
    yield z, n, -z / ((prox.beta + n**p) / after + l2), None


def assert_mean(states, average, prox, mean, z, n, rate=0.5, **tolerance):
    """Compare with a mean u, the intercept's last, and with the last z and n."""
    plain = np.concatenate([s[:, :2].astype(float) for s in means(states, average, prox, rate)])
    n_to_the_p = n ** (0.5 * (prox.power or 1.0))
    factor = np.ones((len(n), 1))
    factor[-1] = 0.8
    curvature = (prox.beta + n_to_the_p) / (rate * factor) + prox.l2
    np.testing.assert_allclose(-plain[:, 0] / curvature, mean, **tolerance)
    np.testing.assert_allclose(plain[:, 1] ** 2, n, **tolerance)
    last = np.concatenate([s[:, _kernel.Z].astype(float) for s in states])
    np.testing.assert_allclose(last, z, **tolerance)


@each_n_outputs
@pytest.mark.parametrize(
    ("prox", "form", "begin"),
    [
        *((prox, sparse.csr_array, 23) for prox in PROXES.values()),
        (PROXES["l1"], sparse.csr_array, 0),
        (PROXES["l1"], np.asarray, 23),
    ],
    ids=[*PROXES, "from the start", "dense"],
)
def test_the_mean_is_that_of_the_weights_at_each_step(n_outputs, prox, form, begin):
    X, y = random_rows().toarray(), random_targets(n_classes=max(2, n_outputs))
    sample_weight = np.random.default_rng(4).choice([0.0, 0.5, 1, 3], 60)
    X = X if form is sparse.csr_array else X + 1.0
    states = [_state.widened(state) for state in fresh(12, n_outputs)]
    learn(form(X), y, states, prox, Average(begin, 0), sample_weight=sample_weight)
    z, n, u, _ = zip(*steps(X, y, prox, n_outputs, sample_weight=sample_weight), strict=True)
    mean = np.mean(u[begin:-1], axis=0)
    end = np.count_nonzero(sample_weight)
    exact = {"rtol": 1e-12, "atol": 1e-12}
    assert_mean(states, Average(begin, end), prox, mean, z[-1], n[-1], **exact)


@each_n_outputs
def test_the_mean_of_a_state_of_float32_is_as_good_as_its_weights(n_outputs):
    rng = np.random.default_rng(0)
    X = rng.normal(1.0, 0.3, size=(500, 3)).astype(np.float32)
    y = random_targets(500, max(2, n_outputs))
    states = [_state.widened(state) for state in fresh(3, n_outputs, np.float32)]
    n_passes = 10 if not numba.config.DISABLE_JIT else 1
    for k in range(n_passes):
        learn(X, y, states, PLAIN, Average(0, 500 * k))
    X, y = np.tile(X.astype(float), (n_passes, 1)), np.tile(y, n_passes)
    z, n, u, _ = zip(*steps(X, y, PLAIN, n_outputs), strict=True)
    mean = np.mean(u[:-1], axis=0)
    close = {"rtol": 1e-4, "atol": 1e-4}
    assert_mean(states, Average(0, len(X)), PLAIN, mean, z[-1], n[-1], **close)


@each_prox
@each_n_outputs
def test_where_the_rate_changes_the_mean_is_of_what_steps_add(n_outputs, prox):
    X, y = random_rows(), random_targets(n_classes=max(2, n_outputs))
    rates = 0.5 / np.sqrt(1.0 + np.arange(61).clip(1) / 10)
    states = [_state.widened(state) for state in fresh(12, n_outputs)]
    learn(X, y, states, prox, Average(0, 0), rates=rates)
    z, n, u, added = zip(*steps(X.toarray(), y, prox, n_outputs, rates), strict=True)
    later = np.cumsum(added[:-1][::-1], axis=0)[::-1]  # what steps from t on add
    mean = u[-1] - later.mean(axis=0)
    exact = {"rtol": 1e-12, "atol": 1e-12}
    assert_mean(states, Average(0, 60), prox, mean, z[-1], n[-1], rates[-1], **exact)


@each_n_outputs
@pytest.mark.parametrize(
    ("prox", "dtype"),
    [*((prox, np.float64) for prox in PROXES.values()), (PROXES["l1"], np.float32)],
    ids=[*PROXES, "float32"],
)
def test_a_pass_that_averages_learns_what_a_plain_one_does(n_outputs, prox, dtype):
    X, y = random_rows(dtype=dtype), random_targets(n_classes=max(2, n_outputs))
    plain = fresh(12, n_outputs, dtype)
    wide = [_state.widened(state) for state in plain]
    raws = [learn(X, y, plain, prox, None), learn(X, y, wide, prox, Average(9, 0))]
    close = dict.fromkeys(["rtol", "atol"], 1e-13 if dtype == np.float64 else 1e-6)
    np.testing.assert_allclose(*raws, **close)
    for state, averaging in zip(plain, wide, strict=True):
        np.testing.assert_allclose(averaging[:, :2], state, **close)


@each_n_outputs
def test_the_mean_over_several_calls_has_the_bits_of_one(n_outputs):
    X, y = random_rows(), random_targets(n_classes=max(2, n_outputs))
    one, chunks = ([_state.widened(state) for state in fresh(12, n_outputs)] for _ in range(2))
    learn(X, y, one, PROXES["l1"], Average(5, 0))
    for chunk in np.split(np.arange(60), [3, 10, 40]):
        learn(X, y, chunks, PROXES["l1"], Average(5, int(chunk[0])), order=chunk)
    for a, b in zip(one, chunks, strict=True):
        np.testing.assert_array_equal(a, b)


@each_n_outputs
def test_a_mean_that_begins_anew_forgets_the_one_before(n_outputs):
    X, y = random_rows(), random_targets(n_classes=max(2, n_outputs))
    states = [_state.widened(state) for state in fresh(12, n_outputs)]
    first, second = np.arange(40), np.arange(40, 60)
    learn(X, y, states, PROXES["l1"], Average(10, 0), order=first)
    learn(X, y, states, PROXES["l1"], Average(40, 40), order=second)
    z, n, u, _ = zip(*steps(X.toarray(), y, PROXES["l1"], n_outputs), strict=True)
    mean = np.mean(u[40:-1], axis=0)
    exact = {"rtol": 1e-12, "atol": 1e-12}
    assert_mean(states, Average(40, 60), PROXES["l1"], mean, z[-1], n[-1], **exact)


@each_n_outputs
@pytest.mark.parametrize("begin", [60, 1000])
def test_a_mean_of_no_step_is_the_present_state(n_outputs, begin):
    X, y = random_rows(), random_targets(n_classes=max(2, n_outputs))
    states = [_state.widened(state) for state in fresh(12, n_outputs)]
    learn(X, y, states, PLAIN, Average(begin, 0))
    for mean, state in zip(means(states, Average(begin, 60), PLAIN), states, strict=True):
        np.testing.assert_array_equal(mean, state[:, :2])


@each_prox
@each_n_outputs
@pytest.mark.parametrize("begin", [0, 20, 60])
def test_rows_are_predicted_by_the_mean_without_a_trace(n_outputs, prox, begin):
    X, y = random_rows(), random_targets(n_classes=max(2, n_outputs))
    states = [_state.widened(state) for state in fresh(12, n_outputs)]
    learn(X, y, states, prox, Average(begin, 0))
    before = [state.copy() for state in states]
    raws = learn(X, y, states, prox, Average(begin, 60), loss=None)
    for state, copy in zip(states, before, strict=True):
        np.testing.assert_array_equal(state, copy)
    expected = learn(X, y, means(states, Average(begin, 60), prox), prox, None, loss=None)
    np.testing.assert_allclose(raws, expected, rtol=1e-12, atol=1e-12)


# Rows of ones.


def some_rows_of_ones(dtype=np.float64):
    X = random_rows(dtype=dtype)
    for row in range(0, 60, 2):
        X.data[X.indptr[row] : X.indptr[row + 1]] = 1.0
    return X


def test_rows_of_ones_are_told_from_others():
    X = some_rows_of_ones()
    X.data[X.indptr[4]] = 2.0
    X.data[X.indptr[7] - 1] = np.nan
    ones = as_rows(X).ones
    dense = X.toarray()
    np.testing.assert_array_equal(ones, ((dense == 0) | (dense == 1)).all(axis=1))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@each_n_outputs
def test_rows_of_ones_are_learned_to_the_bit_like_any(n_outputs, dtype):
    X, y = some_rows_of_ones(dtype), random_targets(n_classes=max(2, n_outputs))
    order = np.random.default_rng(0).permutation(60)
    told, not_told = fresh(12, n_outputs, dtype), fresh(12, n_outputs, dtype)
    rows = as_rows(X)
    assert rows.ones.sum() > 20
    learn(rows, y, told, PROXES["l1"], None, order=order)
    rows = rows._replace(ones=np.zeros(60, bool))
    learn(rows, y, not_told, PROXES["l1"], None, order=order)
    for a, b in zip(told, not_told, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_rows_of_ones_are_predicted_like_any(n_outputs):
    rows, order = as_rows(some_rows_of_ones()), np.random.default_rng(0).permutation(60)
    w = np.random.default_rng(1).normal(size=(12, n_outputs))
    told, not_told = np.zeros((60, n_outputs)), np.zeros((60, n_outputs))
    _kernel.multiply(rows, order, w, told)
    _kernel.multiply(rows._replace(ones=np.zeros(60, bool)), order, w, not_told)
    np.testing.assert_allclose(told, not_told, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("where", [0, -1])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_number_that_is_not_finite_is_found_anywhere(where, value, dtype):
    X = some_rows_of_ones(dtype)
    X.data[where] = value
    assert not np.isfinite(as_rows(X).largest)


# The losses. A row of the tables is tested as soon as it is there.

LOSSES = CLASSIFIER_LOSSES | REGRESSOR_LOSSES
RAW = np.r_[np.linspace(-4, 4, 33) + 0.01, -1e3, -800.0, -30.0, 30.0, 699.0]


def loss_of(name):
    """Return a loss, with a parameter that suits those that have one."""
    return Loss(LOSSES[name], 0.3)


def targets_of(name):
    return [0.0, 1.0] if name in CLASSIFIER_LOSSES else [0.0, 0.6, 3.0]


each_loss = pytest.mark.parametrize("name", LOSSES)


@each_loss
def test_the_gradient_is_the_slope_of_the_loss(name):
    loss = loss_of(name)
    for y in targets_of(name):
        for raw in RAW[:-5]:
            h = 1e-5
            up, down = (loss_and_gradient(loss, y, raw + side * h)[0] for side in (1, -1))
            gradient = loss_and_gradient(loss, y, raw)[1]
            assert gradient == pytest.approx((up - down) / (2 * h), rel=1e-5, abs=1e-7)


@each_loss
def test_the_loss_is_convex(name):
    loss = loss_of(name)
    for y in targets_of(name):
        gradients = [loss_and_gradient(loss, y, raw)[1] for raw in sorted(RAW)]
        assert gradients == sorted(gradients)


@each_loss
def test_the_loss_is_finite_far_out(name):
    far = [-1e3, -800.0, 800.0, 1e3] if name != "poisson" else [-1e3, 700.0]
    for y in targets_of(name):
        for raw in far:
            assert np.isfinite(loss_and_gradient(loss_of(name), y, raw)).all()


@each_loss
def test_the_loss_is_smallest_at_the_target(name):
    best = {0.0: -1e3, 1.0: 1e3} if name in CLASSIFIER_LOSSES else {y: y for y in (0.0, 0.6, 3.0)}
    if name == "poisson":
        best = {0.0: -1e3, 0.6: np.log(0.6), 3.0: np.log(3.0)}
    for y, raw in best.items():
        least = loss_and_gradient(loss_of(name), y, raw)[0]
        assert least <= min(loss_and_gradient(loss_of(name), y, other)[0] for other in RAW)


SGD = sklearn.linear_model._sgd_fast
SCIKIT_LEARN = {
    "log_loss": HalfBinomialLoss(),
    "hinge": SGD.Hinge(1.0),
    "squared_hinge": SGD.SquaredHinge(1.0),
    "modified_huber": SGD.ModifiedHuber(),
    "squared_error": HalfSquaredError(),
    "huber": HuberLoss(delta=0.3),
    "epsilon_insensitive": SGD.EpsilonInsensitive(0.3),
    "squared_epsilon_insensitive": SGD.SquaredEpsilonInsensitive(0.3),
    "quantile": PinballLoss(quantile=0.3),
    "poisson": HalfPoissonLoss(),
}


@each_loss
def test_the_loss_agrees_with_scikit_learn_s_of_that_name(name):
    theirs = SCIKIT_LEARN[name]
    for y in targets_of(name):
        for raw in RAW:
            if hasattr(theirs, "py_loss"):
                sign = 2 * y - 1 if name in CLASSIFIER_LOSSES else y
                value, gradient = theirs.py_loss(raw, sign), theirs.py_dloss(raw, sign)
            else:
                value, gradient = np.ravel(theirs.loss_gradient(np.array([y]), np.array([raw])))
                value += theirs.constant_to_optimal_zero(np.array([y]))[0]
            ours = loss_and_gradient(loss_of(name), y, raw)
            assert ours == pytest.approx((value, gradient), rel=1e-12, abs=1e-13)


@each_loss
def test_the_loss_is_never_below_0(name):
    for y in targets_of(name):
        assert all(loss_and_gradient(loss_of(name), y, raw)[0] >= -1e-15 for raw in RAW)


@each_loss
def test_a_prediction_that_is_nan_has_no_loss(name):
    assert np.isnan(loss_and_gradient(loss_of(name), targets_of(name)[-1], np.nan)[0])


@pytest.mark.parametrize("name", CLASSIFIER_LOSSES)
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_the_gradient_of_several_outputs_is_the_slope_of_the_loss(name, scale):
    raw, h = scale * np.array([0.3, -1.1, 0.9]), 1e-5
    gradient, scratch = np.empty(3), np.empty(3)
    joint_loss_and_gradient(loss_of(name), 1.0, raw, gradient)
    for c, direction in enumerate(np.eye(3)):
        up = joint_loss_and_gradient(loss_of(name), 1.0, raw + h * direction, scratch)
        down = joint_loss_and_gradient(loss_of(name), 1.0, raw - h * direction, scratch)
        assert gradient[c] == pytest.approx((up - down) / (2 * h), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("estimator", "table"),
    [(FtrlClassifier, CLASSIFIER_LOSSES), (FtrlRegressor, REGRESSOR_LOSSES)],
)
def test_the_tables_of_losses_are_the_parameter_s_values_and_are_documented(estimator, table):
    (constraint,) = estimator._parameter_constraints["loss"]
    assert constraint.options == set(table)
    assert all(f'"{name}"' in estimator.__doc__ for name in table)
