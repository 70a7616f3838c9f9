"""The numbers of tf.keras.optimizers.legacy.Ftrl, and of a Keras that is installed."""

import json
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

    epochs = {"max_iter": GOLDEN["epochs"], "tol": None, "shuffle": False}
    at_once = type(model)(**model.get_params()).set_params(**epochs).fit(X, y)
    np.testing.assert_array_equal(at_once.z_, model.z_)
