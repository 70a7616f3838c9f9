"""How well parts that learn apart match one process: ``python -m benchmarks.distributed``.

In a round, all parts start from the same model, each learns its rows once, and they are merged.
A cell says by how many per cent the loss of the test set is above that of one process after as
many epochs. The sets are those of ``benchmarks/sets.py``, or of a folder: see
``benchmarks/quality.py``. Parameters are the defaults.
"""

import argparse
import copy
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.metrics import log_loss, mean_poisson_deviance, mean_squared_error

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, merge

from .contestants import MissingError
from .report import machine, markdown
from .sets import SETS, in_folder
from .works import csr

DEFAULT_SETS = ["clicks", "late", "delay", "is_scipy_tfidf", "digits"]
FIRST_ROWS = 1000  # resolve "auto", for all parts


def beginner(rows, **params):
    """Return a model that has learned the first rows."""
    X, y = rows.X[:FIRST_ROWS], rows.y[:FIRST_ROWS]
    if rows.task == "poisson":
        return FtrlRegressor("poisson", **params).partial_fit(X, y)
    if rows.task == "regression":
        return FtrlRegressor(**params).partial_fit(X, y)
    return FtrlClassifier(**params).partial_fit(X, y, classes=np.unique(rows.y))


def loss(model, rows):
    """Return the log loss, the mean squared error, or the Poisson deviance."""
    if rows.task == "poisson":
        return mean_poisson_deviance(rows.y, model.predict(rows.X))
    if rows.task == "regression":
        return mean_squared_error(rows.y, model.predict(rows.X))
    return log_loss(rows.y, model.predict_proba(rows.X), labels=model.classes_)


def with_mean_weights(model, parts):
    """Give a merged model the mean of the parts' weights instead."""
    model._learner.set_weights(np.mean([part._learner.weights().T for part in parts], axis=0))
    return model


def losses(start, rows, test, n_parts, n_rounds=3, mean=False):
    """Return the test loss after each round of parts that are cut in the order of the rows."""
    model, found = start, []
    cuts = [rows.part(part) for part in np.array_split(np.arange(rows.y.size), n_parts)]
    for _ in range(n_rounds):
        parts = [copy.deepcopy(model).partial_fit(part.X, part.y) for part in cuts]
        model = parts[0] if n_parts == 1 else merge(parts, start=model)
        if mean:
            model = with_mean_weights(model, parts)
        found.append(loss(model, test))
    return np.array(found)


def study(rows, test):
    """Return the cells of a set for each table."""
    shuffled = rows.part(np.random.default_rng(0).permutation(rows.y.size))
    by_label = rows.part(np.argsort(rows.y, kind="stable"))
    start = beginner(shuffled)
    one, eight = (losses(start, shuffled, test, n_parts, 5) for n_parts in (1, 8))

    def above(found, reference=one[2]):
        return f"{100 * (found / reference - 1):+.1f}"

    def with_params(**params):
        start = beginner(shuffled, **params)
        return above(*(losses(start, shuffled, test, n_parts)[2] for n_parts in (8, 1)))

    return {
        "How rows are cut": [
            f"{one[2]:.4g}",
            above(eight[2]),
            above(losses(start, rows, test, 8)[2]) if rows.ordered else "",
            above(losses(start, by_label, test, 8)[2]),
        ],
        "Rounds": [above(eight[k], one[k]) for k in (0, 1, 2, 4)],
        "Parts": [above(losses(start, shuffled, test, n_parts)[2]) for n_parts in (2, 4, 8, 16)],
        "Parameters, and the mean of the weights instead of merge": [
            above(eight[2]),
            with_params(l1=1.0),
            with_params(learning_rate=0.1, beta=1.0),
            above(losses(start, shuffled, test, 8, mean=True)[2]),
        ],
    }


HEADERS = {
    "How rows are cut": ["loss of one process", "at random", "by time", "by label"],
    "Rounds": ["1", "2", "3", "5"],
    "Parts": ["2", "4", "8", "16"],
    "Parameters, and the mean of the weights instead of merge": [
        "default",
        "l1=1",
        "learning_rate=0.1, beta=1",
        "mean of weights",
    ],
}


def seconds(n_features, n_rows):
    """Return median seconds for the same rows: one process and two Dask workers, 1 and 3 times."""
    from distributed import Client, wait  # an extra

    from sklearn_ftrl.dask import DaskFtrlClassifier

    rng = np.random.default_rng(0)
    X = csr(rng.integers(n_features, size=(n_rows, 39), dtype=np.int32), n_features)
    y = rng.integers(2, size=n_rows)

    def one_process(n_passes):
        model = FtrlClassifier()
        for _ in range(n_passes):
            model.partial_fit(X, y, classes=[0, 1])

    with Client(n_workers=2, threads_per_worker=1, dashboard_address=":0") as client:
        workers = sorted(client.nthreads())
        parts = [
            [client.scatter(a[k::2], workers=[workers[k]], hash=False) for k in (0, 1)]
            for a in (X, y)
        ]
        wait(parts)

        def two_workers(n_rounds):
            DaskFtrlClassifier(client=client, n_rounds=n_rounds).fit(*parts)

        calls = [(learn, times) for times in (1, 3) for learn in (one_process, two_workers)]
        taken = [[timed(*call) for call in calls] for _ in range(6)]
    return np.median(taken[1:], axis=0)  # the first of all compiles


def timed(function, *args):
    """Return the seconds of a call."""
    start = perf_counter()
    function(*args)
    return perf_counter() - start


def main():
    """Print tables of the sets that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder with a loaders.py")
    parser.add_argument("--sets", nargs="+", default=DEFAULT_SETS)
    parser.add_argument("--rows", type=int, default=200_000, help="most rows of a set")
    parser.add_argument("--seconds", action="store_true", help="measure time instead of loss")
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    args = parser.parse_args()
    if args.quick:
        args.sets, args.rows = ["clicks"], 8000
    found = in_folder(args.data, ()) if args.data else SETS
    if args.seconds:
        rows = [
            [f"2^{n}", *(f"{taken:.2f}" for taken in seconds(2**n, args.rows))]
            for n in (18, 20, 22)
        ]
        title = f"{args.rows} rows of 39 ids, medians of five"
        header = ["features", "one pass, s", "one round, s", "three passes, s", "three rounds, s"]
        print("\n".join([*machine(), ""]), markdown("Seconds", title, header, rows))
        return
    cells = {}
    for name in args.sets:
        try:
            rows = found[name]()
        except MissingError as error:
            print(f"{name}: {error}")
            continue
        cells[name] = study(*rows.drawn(args.rows).split(0))
    print("\n".join(machine()), "\n")
    for table, header in HEADERS.items():
        rows = [[name, *tables[table]] for name, tables in cells.items()]
        print(markdown(table, "Eight parts, three rounds, where not said.", ["set", *header], rows))


if __name__ == "__main__":
    main()
