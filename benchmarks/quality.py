"""Measure how well default settings predict: ``python -m benchmarks.quality``.

The data sets are found in packages or made up, see ``benchmarks/sets.py``; nothing is fetched.
``--data DIR`` takes those of a folder with a ``loaders.py`` instead, which has a list ``NAMES`` and
a function ``load(name)`` that returns (X, y, task), the task one of "binary", "multiclass",
"regression" and "poisson".
"""

import argparse
import io
import re
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.special import expit
from sklearn import metrics
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.model_selection import GridSearchCV, ParameterGrid, TimeSeriesSplit
from threadpoolctl import threadpool_limits

from sklearn_ftrl import FtrlClassifier, FtrlRegressor

from .contestants import MissingError, import_peer
from .report import machine, markdown
from .sets import MAX_ROWS, MAX_ROWS_TIMES_CLASSES, SETS, in_folder

FEW_ROWS = 5000  # sets of less are split twenty times
FEW_IN_ORDER = 20_000  # a split by time is one alone, but learned twenty times
SHORT = 5.0  # seconds; what takes less is fitted twice
LOSSES = {
    "binary": "log loss",
    "multiclass": "log loss",
    "regression": "1 - R2",
    "poisson": "deviance",
}
SECONDS = {"binary": "AUC", "multiclass": "accuracy", "regression": "", "poisson": ""}


class Result(NamedTuple):
    """What a contestant reached on the test rows, in which time."""

    loss: float
    score: float  # AUC or accuracy, NaN for numbers
    seconds: float
    n_weights: float  # that are not 0


def judge(task, y, predictions, classes, seconds, n_weights):
    """Return the result of predictions: probabilities of the classes, or means."""
    loss, score = np.inf, np.nan
    if np.isfinite(predictions).all():
        if task in ("binary", "multiclass"):
            loss = metrics.log_loss(y, predictions, labels=classes)
        if task == "binary":
            score = metrics.roc_auc_score(y, predictions[:, 1])
        elif task == "multiclass":
            score = metrics.accuracy_score(y, classes[predictions.argmax(axis=1)])
        elif task == "regression":
            loss = np.mean((y - predictions) ** 2) / np.var(y)
        else:
            loss = metrics.mean_poisson_deviance(y, predictions.clip(1e-12))
    return Result(loss, score, seconds, n_weights)


def fitted(model):
    """Return a contestant: this estimator."""
    return lambda train, test, seed: _fitted(model, train, test, seed)


def tuned(model, grid, scoring):
    """Return a contestant: a grid search by cross-validation on the rows to learn."""
    return lambda train, test, seed: _fitted(
        GridSearchCV(
            model,
            grid,
            scoring=scoring,
            cv=TimeSeriesSplit(3) if train.ordered else 3,
            error_score="raise",
        ),
        train,
        test,
        seed,
    )


def best(model, grid):
    """Return a contestant: the setting that is best on the test rows, which nobody can know."""
    return lambda train, test, seed: min(
        (
            _fitted(clone(model).set_params(**setting), train, test, seed)
            for setting in ParameterGrid(grid)
        ),
        key=lambda result: result.loss,
    )


def _fitted(model, train, test, seed):
    if "random_state" in model.get_params():
        model = clone(model).set_params(random_state=seed)
    seconds = []
    try:
        while not seconds or (len(seconds) == 1 and seconds[0] < SHORT):
            model, start = clone(model), perf_counter()
            model.fit(train.X, train.y)
            seconds.append(perf_counter() - start)
    except ValueError as error:
        raise MissingError(f"fails: {str(error).split('.')[0]}") from None
    classes = getattr(model, "classes_", None)
    predict = model.predict if classes is None else model.predict_proba
    linear = getattr(model, "best_estimator_", model)
    n_weights = np.count_nonzero(linear.coef_) + np.size(linear.intercept_)
    return judge(test.task, test.y, predict(test.X), classes, min(seconds), n_weights)


def vw(learner, n_passes):
    """Return a contestant: vw with this learner, which reads the rows from a text file."""
    return lambda train, test, seed: _vw(learner, n_passes, train, test)


def _vw(learner, n_passes, train, test):
    vowpalwabbit = import_peer("vowpalwabbit")
    classes = np.unique(train.y)
    many = train.task == "multiclass"
    n_outputs = len(classes) if many else 1
    bits = train.X.shape[1].bit_length() + (n_outputs - 1).bit_length()  # no collisions
    loss = {"regression": "squared", "poisson": "poisson"}.get(train.task, "logistic")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        _write_vw(train, classes, path / "train")
        _write_vw(test, classes, path / "test")
        options = f"--loss_function {loss}" + (f" --oaa {n_outputs}" if many else "")
        if n_passes > 1:
            options += f" --passes {n_passes} --holdout_off --cache_file {path / 'cache'}"
        start = perf_counter()
        vowpalwabbit.Workspace(
            f"{learner} {options} --bit_precision {bits} --quiet --data {path / 'train'} "
            f"--final_regressor {path / 'model'}"
        ).finish()
        seconds = perf_counter() - start
        vowpalwabbit.Workspace(
            f"--testonly --quiet --initial_regressor {path / 'model'} --data {path / 'test'} "
            f"--raw_predictions {path / 'raw'} --readable_model {path / 'weights'}"
        ).finish()
        raw = np.loadtxt(io.StringIO(re.sub(r"\d+:", "", (path / "raw").read_text())), ndmin=2)
        n_weights = len(re.findall(r"^\d+:", (path / "weights").read_text(), re.MULTILINE))
    if many:
        p = expit(raw) / expit(raw).sum(axis=1, keepdims=True)
    elif train.task == "binary":
        p = expit(raw * [-1, 1])
    else:
        p = (np.exp(raw) if train.task == "poisson" else raw)[:, 0]
    return judge(train.task, test.y, p, classes, seconds, n_weights)


def _write_vw(rows, classes, path):
    labels = np.asarray(rows.y, np.float64) if rows.task in ("regression", "poisson") else None
    if rows.task == "multiclass":
        labels = np.searchsorted(classes, rows.y) + 1
    elif rows.task == "binary":
        labels = 2 * np.searchsorted(classes, rows.y) - 1
    X = sparse.csr_array(rows.X)
    entries = np.char.add(np.char.add(X.indices.astype(str), ":"), X.data.astype(str)).tolist()
    starts = X.indptr.tolist()
    with path.open("w") as file:
        for i, label in enumerate(labels.tolist()):
            file.write(f"{label} | {' '.join(entries[starts[i] : starts[i + 1]])}\n")


def datatable(train, test, seed):
    """Fit datatable's Ftrl to the table of ids or numbers, which it hashes itself."""
    dt = import_peer("datatable")
    if train.table is None or train.task == "poisson":
        raise MissingError("not for poisson" if train.task == "poisson" else "takes tables")
    dt.options.nthreads = 1
    dt.options.progress.enabled = False
    classes, labels = np.unique(train.y, return_inverse=True)
    names = classes.astype(str)
    y = {
        "binary": labels.astype(bool),
        "multiclass": names[labels],
        "regression": np.asarray(train.y, np.float64),
    }[train.task]
    model = import_peer("datatable.models").Ftrl()
    X_train, X_test, y = dt.Frame(train.table), dt.Frame(test.table), dt.Frame(y)
    start = perf_counter()
    model.fit(X_train, y)
    seconds = perf_counter() - start
    frame = model.predict(X_test)
    if train.task == "regression":
        p = frame.to_numpy()[:, 0]
    else:
        p = frame[:, ["False", "True"] if train.task == "binary" else names.tolist()].to_numpy()
        p = p / p.sum(axis=1, keepdims=True)
    n_weights = np.count_nonzero(model.model[:, ::2].to_numpy())
    return judge(train.task, test.y, p, classes, seconds, n_weights)


C = {"C": [0.1, 1, 10, 100]}
ALPHA = {"alpha": [0.1, 1, 10, 100]}
ALPHA_POISSON = {"alpha": [1e-5, 1e-4, 1e-3, 1e-2, 0.1]}
ONE_EPOCH = {"max_iter": 1, "early_stopping": False}
CLASSIFIERS: dict[str, Callable] = {
    "FtrlClassifier()": fitted(FtrlClassifier()),
    "FtrlClassifier, one epoch": fitted(FtrlClassifier(**ONE_EPOCH)),
    "LogisticRegression()": fitted(LogisticRegression()),
    "LogisticRegression, tuned": tuned(LogisticRegression(max_iter=200), C, "neg_log_loss"),
    "LogisticRegression, best": best(LogisticRegression(max_iter=200), C),
    "SGDClassifier": fitted(SGDClassifier(loss="log_loss")),
    "SGDClassifier(average=True)": fitted(SGDClassifier(loss="log_loss", average=True)),
}
REGRESSORS: dict[str, Callable] = {
    "FtrlRegressor()": fitted(FtrlRegressor()),
    "FtrlRegressor, one epoch": fitted(FtrlRegressor(**ONE_EPOCH)),
    "Ridge()": fitted(Ridge()),
    "Ridge, tuned": tuned(Ridge(), ALPHA, "neg_mean_squared_error"),
    "Ridge, best": best(Ridge(), ALPHA),
    "SGDRegressor": fitted(SGDRegressor()),
    "SGDRegressor(average=True)": fitted(SGDRegressor(average=True)),
}
POISSON: dict[str, Callable] = {
    "FtrlRegressor(loss='poisson')": fitted(FtrlRegressor(loss="poisson")),
    "FtrlRegressor, one epoch": fitted(FtrlRegressor(loss="poisson", **ONE_EPOCH)),
    "PoissonRegressor()": fitted(PoissonRegressor()),
    "PoissonRegressor, tuned": tuned(
        PoissonRegressor(max_iter=200), ALPHA_POISSON, "neg_mean_poisson_deviance"
    ),
    "PoissonRegressor, best": best(PoissonRegressor(max_iter=200), ALPHA_POISSON),
}
OTHERS = {
    "vw": vw("", 1),
    "vw --ftrl": vw("--ftrl", 1),
    "vw --ftrl, 5 epochs": vw("--ftrl", 5),
    "datatable Ftrl": datatable,
}
CONTESTANTS = {
    "binary": CLASSIFIERS | OTHERS,
    "multiclass": CLASSIFIERS | OTHERS,
    "regression": REGRESSORS | OTHERS,
    "poisson": POISSON | OTHERS,
}
NOTES = (
    "A quarter of the rows is the test: a random one, or the last where rows are in order of "
    f"time. Sets of less than {FEW_ROWS} rows: means of twenty splits; of less than "
    f"{FEW_IN_ORDER:,} in order of time: of twenty seeds of the learner.",
    f"At most {MAX_ROWS:,} rows of a set, and {MAX_ROWS_TIMES_CLASSES:,} by the number of classes "
    "where there are more than two, drawn at random, the same for all contestants.",
    "Untouched, but for the loss. Tuned: GridSearchCV of C in 0.1, 1, 10, 100 (max_iter=200), "
    "alpha in the same, or alpha in 1e-5 to 0.1 (max_iter=200), by three folds of the rows learned "
    "(TimeSeriesSplit where they are in order of time); its seconds are those of the search.",
    "Best: the setting that is best on the test itself, which nobody can know before; its seconds "
    "are those of this one fit.",
    "The sets of docstrings (library, is_scipy) change with the versions of the libraries.",
    "vw has a place of its own for each weight; reading its text file is part of its seconds.",
    f"Seconds are the shorter of two fits where one takes less than {SHORT:.0f}, with one thread.",
)


def main():
    """Read the command line and do as it says."""
    parser = argparse.ArgumentParser("python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="these alone")
    parser.add_argument("--data", type=Path, metavar="DIR", help="a folder with a loaders.py")
    parser.add_argument("--ordered", nargs="+", metavar="NAME", default=(), help="by time, in DIR")
    parser.add_argument("--quick", action="store_true", help="1000 rows of each: does it all run?")
    parser.add_argument("--output", type=Path, default=Path(), help="directory for quality.md")
    options = parser.parse_args()
    sets = in_folder(options.data, options.ordered) if options.data else SETS
    if unknown := set(options.sets or ()) - set(sets):
        parser.error(f"no sets: {', '.join(sorted(unknown))}; there are {', '.join(sets)}")

    options.output.mkdir(parents=True, exist_ok=True)
    head = "".join(f"- {line}\n" for line in machine())
    tables, summary = [], []
    print(head, flush=True)
    for name in options.sets or sets:
        begin = perf_counter()
        print(f"{name}: ", end="", file=sys.stderr, flush=True)
        try:
            data = sets[name]().drawn(1000 if options.quick else MAX_ROWS)
        except MissingError as error:
            print(error, file=sys.stderr)
            continue
        with threadpool_limits(1), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("ignore", RuntimeWarning)
            results = compete(data, 1 if options.quick else 20)
        tables.append(table(name, data, results))
        summary.append(summarize(name, results))
        print(f"{perf_counter() - begin:.0f} s", file=sys.stderr)
        print(tables[-1], flush=True)
    header = ["data set", "ours", *(f"to {peer}" for peer in PEERS), "in time of SGD", "rank"]
    overview = markdown("In short", SUMMARY, header, summary, NOTES)
    (options.output / "quality.md").write_text("\n".join([head, overview, *tables]), "utf-8")
    print(overview)


def compete(data, n_splits):
    """Return the mean results of all contestants on the same rows, or a word why there is none."""
    results = {}
    is_small = data.X.shape[0] < (FEW_IN_ORDER if data.ordered else FEW_ROWS)
    splits = [(*data.split(seed), seed) for seed in range(n_splits if is_small else 1)]
    for contestant, run in CONTESTANTS[data.task].items():
        try:
            results[contestant] = Result(*np.mean([run(*split) for split in splits], axis=0))
        except MissingError as error:
            results[contestant] = str(error)
    return results


def table(name, data, results):
    """Write a table of the results of a set."""
    n_rows, n_features = data.X.shape
    n_numbers = data.X.size / n_rows
    title = f"{n_rows:,} rows, {n_features:,} features, {n_numbers:.0f} numbers a row"
    if data.task == "multiclass":
        title += f", {np.unique(data.y).size} classes"
    header = ["", LOSSES[data.task], SECONDS[data.task], "seconds", "weights"]
    rows = []
    for contestant, result in results.items():
        cells = [result, "-", "-", "-"]
        if isinstance(result, Result):
            score = "-" if np.isnan(result.score) else f"{result.score:.4f}"
            loss, seconds = f"{result.loss:#.4g}", f"{result.seconds:#.2g}".rstrip(".")
            cells = [loss, score, seconds, f"{result.n_weights:,.0f}"]
        rows.append([contestant, *cells])
    return markdown(name, title, header, rows)


SUMMARY = (
    "The loss of the default settings, and by how much it is above that of scikit-learn's linear "
    "model, tuned and at its best for the test set, of SGD*, and of the best of three vw; below 0 "
    "is better. Our seconds divided by those of SGD*. The rank of ours among all."
)

PEERS: dict[str, Callable] = {
    "tuned": lambda key: key.endswith("tuned"),
    "best": lambda key: key.endswith("best"),
    "SGD": lambda key: key.startswith("SGD") and "average" not in key,
    "vw": lambda key: key.startswith("vw"),
}


def summarize(name, results):
    """Return the row of a set in the summary."""
    there = {key: result for key, result in results.items() if isinstance(result, Result)}
    ours = next(iter(results.values()))
    if not isinstance(ours, Result):
        return [name, *"-" * (len(PEERS) + 3)]
    peers = {
        peer: min((there[key] for key in there if condition(key)), default=None)
        for peer, condition in PEERS.items()
    }
    rank = sorted(result.loss for result in there.values()).index(ours.loss) + 1
    ratios = [f"{ours.loss / peer.loss - 1:+.1%}" if peer else "-" for peer in peers.values()]
    seconds = f"{ours.seconds / peers['SGD'].seconds:.2f}" if peers["SGD"] else "-"
    return [name, f"{ours.loss:#.4g}", *ratios, seconds, f"{rank} of {len(there)}"]


if __name__ == "__main__":
    main()
