"""The numbers of vw --ftrl, if it is installed."""

import numpy as np
import pytest

from sklearn_ftrl import FtrlClassifier, FtrlRegressor

SETTINGS = [
    {"learning_rate": 0.5, "beta": 1.0, "l1": 0.0, "l2": 0.0},
    {"learning_rate": 0.1, "beta": 0.5, "l1": 0.0, "l2": 2.0},
    {"learning_rate": 1.0, "beta": 2.0, "l1": 0.4, "l2": 0.0},
    {"learning_rate": 0.3, "beta": 1.0, "l1": 0.2, "l2": 0.7},
]


def stream(seed=0):
    """Return rows in which some entries are 0."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(200, 6)) * (rng.random((200, 6)) < 0.6)


def vw_predictions(X, y, weights, loss, params):
    """Return vw's raw predictions, each made before its row is learned."""
    vowpalwabbit = pytest.importorskip("vowpalwabbit")
    options = (
        f"--ftrl --ftrl_alpha {params['learning_rate']} --ftrl_beta {params['beta']} "
        f"--l1 {params['l1']} --l2 {params['l2']} --loss_function {loss} -b 18 --quiet"
    )
    vw = vowpalwabbit.Workspace(options)
    predictions = []
    for x, target, weight in zip(X, y, weights, strict=True):
        row = vw.example(
            f"{target} {weight} | " + " ".join(f"{j}:{v}" for j, v in enumerate(x) if v)
        )
        predictions.append(vw.predict(row))
        vw.learn(row)
        vw.finish_example(row)
    return predictions


def predictions_before_learning(model, X, y, weights, **first):
    """Return our raw predictions, each made before its row is learned."""
    model.partial_fit(X[:1], y[:1], sample_weight=[0], **first)
    raw = []
    for i in range(len(X)):
        raw.append(model._raw_predictions(X[i : i + 1])[0, 0])
        model.partial_fit(X[i : i + 1], y[i : i + 1], sample_weight=weights[i : i + 1])
    return raw


@pytest.mark.parametrize("params", SETTINGS, ids=str)
def test_logistic_predictions_equal_vw_s(params):
    X, rng = stream(), np.random.default_rng(1)
    y, weights = rng.choice([-1, 1], 200), rng.choice([0.5, 1.0, 2.0], 200)
    theirs = vw_predictions(X, y, weights, "logistic", params)
    model = FtrlClassifier(**params, penalize_intercept=True)  # vw's constant is a feature
    ours = predictions_before_learning(model, X, y, weights, classes=[-1, 1])
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("params", SETTINGS, ids=str)
def test_squared_error_predictions_equal_vw_s(params):
    X, rng = stream(), np.random.default_rng(1)
    y, weights = rng.normal(size=200), rng.choice([0.5, 1.0, 2.0], 200)
    y[:2] = -50, 50  # vw clips predictions to the range of labels it has seen
    X[:2] = 0
    theirs = vw_predictions(X, y, weights, "squared", params)
    model = FtrlRegressor(**params, penalize_intercept=True)
    ours = predictions_before_learning(model, X, y, 2 * weights)  # vw does not halve the loss
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-4)
