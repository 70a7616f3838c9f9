"""The numbers of tf.keras.optimizers.legacy.Ftrl, and of a Keras that is installed."""

import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from sklearn_ftrl import FtrlClassifier, FtrlRegressor

GOLDEN = json.loads((Path(__file__).parent / "data/keras_ftrl.json").read_text())
NAMES = {
    "beta": "beta",
    "clipvalue": "clipvalue",
    "clipnorm": "clipnorm",
    "global_clipnorm": "global_clipnorm",
    "initial_accumulator_value": "initial_accumulator_value",
    "learning_rate": "learning_rate",
    "learning_rate_power": "learning_rate_power",
    "l1_regularization_strength": "l1",
    "l2_regularization_strength": "l2",
    "l2_shrinkage_regularization_strength": "l2_shrinkage",
}


def staircase(steps, initial, decay_steps, decay_rate):
    """Return the rates of Keras' ExponentialDecay(staircase=True)."""
    return initial * decay_rate ** (steps // decay_steps)


def from_keras(params):
    """Return our parameters for those of Keras' Ftrl: the same names, but l2 twice as large."""
    ours = {NAMES[name]: value for name, value in params.items()}
    ours.setdefault("initial_accumulator_value", 0.1)
    ours["l2"] = 2 * ours.get("l2", 0.0)
    ours.setdefault("beta", 0.0)
    if isinstance(ours["learning_rate"], dict):
        schedule = ours["learning_rate"]
        ours["learning_rate"] = partial(
            staircase,
            initial=schedule["initial_learning_rate"],
            decay_steps=schedule["decay_steps"],
            decay_rate=schedule["decay_rate"],
        )
    return ours | {"penalize_intercept": True}


@pytest.mark.parametrize("name", GOLDEN["cases"])
def test_every_step_equals_keras(name):
    golden = GOLDEN["cases"][name]
    X = np.array(GOLDEN["X"])
    if name.startswith("clf"):
        y, first = np.array(GOLDEN["y"]), {"classes": [0, 1]}
        model = FtrlClassifier(**from_keras(golden["params"]))
    else:
        y, first = np.array(GOLDEN["y_reg"]), {}
        model = FtrlRegressor(**from_keras(golden["params"]))

    before_learning = []
    for _ in range(GOLDEN["epochs"]):
        for x, target in zip(X, y, strict=True):
            if not hasattr(model, "t_"):  # weight 0: a model that has learned nothing
                model.partial_fit([x], [target], **first, sample_weight=[0])
            raw = model._raw_predictions([x])[0, 0]
            before_learning.append(expit(raw) if first else raw)
            model.partial_fit([x], [target])

    exact = {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_allclose(before_learning, golden["progressive"], **exact)
    np.testing.assert_allclose(model.coef_.ravel(), golden["coef"], **exact)
    np.testing.assert_allclose(model.z_.ravel(), golden["z"], **exact)
    np.testing.assert_allclose(model.n_.ravel(), golden["n"], **exact)
    np.testing.assert_allclose(model.intercept_[0], golden["intercept"], **exact)
    np.testing.assert_allclose(model.intercept_z_[0], golden["z0"], **exact)
    np.testing.assert_allclose(model.intercept_n_[0], golden["n0"], **exact)

    epochs = {"max_iter": GOLDEN["epochs"], "tol": None, "shuffle": False, "average": False}
    at_once = type(model)(**model.get_params()).set_params(**epochs).fit(X, y)
    np.testing.assert_array_equal(at_once.z_, model.z_)


@pytest.fixture(scope="module")
def keras():
    """Return Keras with float64 numbers, which of its backends JAX has."""
    os.environ |= {"KERAS_BACKEND": "jax", "JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu"}
    pytest.importorskip("jax")
    keras = pytest.importorskip("keras")
    keras.config.set_floatx("float64")
    return keras


def schedule_for_arrays(keras, **params):
    """Return a Keras schedule, which takes one step number, and the same for arrays."""
    schedule = keras.optimizers.schedules.InverseTimeDecay(**params)
    return schedule, lambda steps: np.array([float(schedule(int(step))) for step in steps])


@pytest.mark.parametrize("seed", range(12))
def test_every_step_equals_an_installed_keras(seed, keras):
    rng = np.random.default_rng(seed)
    eighths = lambda least, most: float(rng.integers(least, most)) / 8  # noqa: E731
    theirs = {
        "learning_rate": eighths(1, 16),
        "learning_rate_power": -float(rng.choice([0.0, 0.25, 0.5, 0.5, 0.5, 1.0])),
        "initial_accumulator_value": eighths(1, 8),
        "l1_regularization_strength": eighths(0, 3),
        "l2_regularization_strength": eighths(0, 8),
        "l2_shrinkage_regularization_strength": eighths(0, 2),
        "beta": eighths(0, 16),
    }
    clip = rng.choice(["clipvalue", "clipnorm", "global_clipnorm", ""])
    if clip:
        theirs[clip] = eighths(1, 8)
    ours = from_keras(theirs)
    if seed % 3 == 0:
        theirs["learning_rate"], ours["learning_rate"] = schedule_for_arrays(
            keras, initial_learning_rate=theirs["learning_rate"], decay_steps=4, decay_rate=0.5
        )

    optimizer = keras.optimizers.Ftrl(**theirs)
    w, b = keras.Variable(np.zeros((5, 1))), keras.Variable(np.zeros(1))
    optimizer.build([w, b])
    model = FtrlClassifier(**ours)
    X, y = rng.normal(size=(40, 5)), rng.integers(2, size=40)
    for x, target in zip(X, y, strict=True):
        gradient = expit(x @ np.asarray(w.value)[:, 0] + np.asarray(b.value)[0]) - target
        optimizer.apply([gradient * x[:, np.newaxis], np.array([gradient])], [w, b])
        model.partial_fit([x], [target], classes=[0, 1])
        exact = {"rtol": 1e-11, "atol": 1e-13}
        np.testing.assert_allclose(model.coef_[0], np.asarray(w.value)[:, 0], **exact)
        np.testing.assert_allclose(model.intercept_, np.asarray(b.value), **exact)
