"""What is measured: each section is a function that returns a table, and what to draw of it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import cycle, product
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple
from unittest import mock

import numpy as np
from scipy import sparse
from sklearn.linear_model import SGDClassifier

from sklearn_ftrl import FtrlClassifier, _learner

from . import pipelines, plain, works
from .contestants import AT_MOST, CONTESTANTS, FTRL, OURS, MissingError
from .memory import PER_FEATURE, PER_ROW, peak_growth


class Section(NamedTuple):
    """A table with notes, and functions that each draw one panel of the plot."""

    header: list[str]
    rows: list[list[str]]
    notes: tuple[str, ...] = ()
    panels: tuple[Callable, ...] = ()


class Times(NamedTuple):
    """Seconds of one contestant: the median of the rounds, the shortest and the longest."""

    median: float
    low: float
    high: float


def race(contestants, repeats):
    """Time each contestant once a round, in turn; the caller has seen to warm code.

    One that took over a second in the first round stays for three.
    """
    seconds = {key: [] for key in contestants}
    for round_ in range(repeats):
        for key, run in contestants.items():
            if round_ < 3 or seconds[key][0] < 1:
                seconds[key].append(timed(run))
    return {key: summary(values) for key, values in seconds.items()}


def race_calls(calls, repeats):
    """Time calls that may be too short for the clock: many a round, and the time of one."""
    numbers, runs = {}, {}
    for key, call in calls.items():
        call()
        numbers[key] = max(1, min(1000, round(0.02 / timed(call))))
        runs[key] = lambda call=call, n=numbers[key]: [call() for _ in range(n)]
    times = race(runs, repeats)
    return {key: Times(*(seconds / numbers[key] for seconds in times[key])) for key in calls}


def timed(run):
    """Return the seconds that it takes."""
    start = perf_counter()
    _ = run()  # kept, so that freeing it is not timed
    return perf_counter() - start


def summary(seconds):
    """Return the median, the shortest and the longest."""
    return Times(median(seconds), min(seconds), max(seconds))


def spread(times, unit):
    """Write seconds, or seconds a call, in this unit."""
    return f"{short(times.median / unit)} ({short(times.low / unit)}-{short(times.high / unit)})"


def speed(n, times, unit=1e6):
    """Write how many a second, in this unit: million non-zeros if no other."""
    rates = [short(n / seconds / unit) for seconds in (times.median, times.high, times.low)]
    return "{} ({}-{})".format(*rates)


def short(x):
    """Write three digits."""
    return f"{x:.0f}" if abs(x) >= 100 else f"{x:#.3g}".rstrip(".")


def train(quick, repeats):
    """Time one epoch."""
    scale = 50 if quick else 1
    makers = {
        "ctr-2^20": lambda: works.ctr(20, 1_000_000 // scale),
        "ctr-2^24": lambda: works.ctr(24, 1_000_000 // scale),
        "text": lambda: works.text(18, 100_000 // scale),
        "short": lambda: works.ctr(20, 2_000_000 // scale, n_fields=5),
        "dense": lambda: works.dense(100, 200_000 // scale),
        "classes-20": lambda: works.ctr(16, 50_000 // scale, n_classes=20),
    }
    cells, rates, differences = {}, {}, []
    for name, make in makers.items():
        work = make()
        runs, nnz, words = _contestants(work)
        times = race(runs, repeats)
        for key in runs:
            rates[name, *key] = nnz[key] / times[key].median / 1e6
            ratio = rates[name, *key] / rates[name, OURS, key[1]]
            cells[name, *key] = f"{speed(nnz[key], times[key])} {ratio:.2f}x"
        cells |= {(name, *key): word for key, word in words.items()}
        if work.n_classes == 2:
            differences.append(f"{name} {_disagreement(work):.1g}")
    keys = [(contestant, shuffle) for shuffle in (False, True) for contestant in CONTESTANTS]
    rows = [
        [key[0], "shuffled" if key[1] else "in order"]
        + [cells.get((name, *key), "-") for name in makers]
        for key in keys
        if any((name, *key) in cells for name in makers)
    ]
    notes = (
        "Million non-zeros a second (slowest-fastest round), and the ratio to "
        f"{OURS} in the same order; above 1 is faster. In classes-20 a non-zero counts "
        "once, not once a class.",
        "FtrlClassifier(max_iter=1) has defaults: it looks at all rows for "
        '"auto", and gives the mean of the weights over the last quarter of the epoch. '
        f"All other FTRL learners have learning_rate={plain.ALPHA:g}, beta={plain.BETA:g}, "
        f"l1={plain.L1:g}, l2={plain.L2:g}.",
        "All that a call does is timed: validation, the state, the shuffling. Not timed: making "
        "X, or the text file, table or dicts of a peer.",
        "vw reads and parses text, as that is how it is used, in a second thread beside the "
        "learning one; datatable hashes its ids; the plain loops have no intercept and check "
        "nothing.",
        "These learn the first rows alone: "
        + ", ".join(f"{name} {nnz / 1e6:g}" for name, nnz in AT_MOST.items())
        + " million non-zeros.",
        "Largest difference between a coefficient of ours and of the plain loops: "
        + ", ".join(differences)
        + ".",
    )
    panels = tuple(
        lambda ax, name=name: _draw_rates(ax, name, rates) for name in ("ctr-2^20", "ctr-2^24")
    )
    return Section(["contestant", "order", *makers], rows, notes, panels)


def _contestants(work, names=CONTESTANTS, orders=(False, True)):
    """Return the passes to time, their non-zeros, and a word for each that is missing."""
    runs, nnz, words = {}, {}, {}
    for name in names:
        contestant, part = CONTESTANTS[name], work.at_most(AT_MOST.get(name, work.nnz))
        for shuffle in orders:
            try:
                warm_up = contestant(part.rows(1000), shuffle)
                if warm_up is None:
                    continue
                warm_up()
                runs[name, shuffle] = contestant(part, shuffle)
                nnz[name, shuffle] = part.nnz
            except MissingError as error:
                words[name, False] = str(error)
    return runs, nnz, words


def _disagreement(work):
    """Return the largest difference of a coefficient between ours and the plain loops."""
    model = FtrlClassifier(
        max_iter=1,
        early_stopping=False,
        average=False,
        shuffle=False,
        fit_intercept=False,
        **FTRL,
    )
    ours = model.fit(work.X, work.y).coef_[0]
    X, y, order = sparse.csr_array(work.X), work.y.astype(float), np.arange(work.X.shape[0])
    theirs = [plain.learn_numba(X, y, order)]
    try:
        theirs.append(plain.learn_c(X, y, order))
    except FileNotFoundError:
        pass
    difference = max(abs(plain.coefficients(*state) - ours).max() for state in theirs)
    if difference > 1e-9:
        raise AssertionError(f"The learners disagree: by {difference}.")
    return difference


def pipeline(quick, repeats):
    """Time the way from a Parquet table of 39 columns of strings to a model."""
    with tempfile.TemporaryDirectory() as folder:
        log = pipelines.write_log(Path(folder), 10_000 if quick else 200_000)
        runs, regrets, words = {}, {}, {}
        for crossed, name in product((False, True), pipelines.PIPELINES):
            try:
                runs[name, crossed] = pipelines.PIPELINES[name](log, log.pairs if crossed else [])
                regrets[name, crossed] = log.regret(runs[name, crossed]()())
            except MissingError as error:
                words[name, crossed] = str(error)
        times = race(runs, repeats)
    rows = []
    for name, crossed in product(pipelines.PIPELINES, (False, True)):
        key, columns = (name, crossed), "39 and 10 pairs" if crossed else "39"
        if key in words:
            rows.append([name, columns, words[key], "-", "-"])
            continue
        ratio = times[pipelines.OURS, crossed].median / times[key].median
        rate = speed(log.n_rows, times[key], 1e3)
        rows.append([name, columns, rate, f"{ratio:.2f}x", f"{regrets[key]:.4f}"])
    notes = (
        f"Thousand rows a second (slowest-fastest round) of {log.n_rows:,}, and the ratio to ours "
        "with the same columns; above 1 is faster.",
        "Regret: log loss above that of the true probabilities, of "
        f"{pipelines.N_TEST:,} rows that come after; the truth's is {log.least_loss:.4f}. All "
        f"have 2^{pipelines.BITS} features; those of FTRL have the same parameters, and "
        "SGDClassifier a constant rate of 0.01.",
        "All read batches with pyarrow, which may use every core; ours as dictionaries. Ours "
        "hashes a batch in a thread a core while it learns the batch before, or all is done in one "
        "thread. vw's text is written in bulk, and it parses in a second thread; datatable has a "
        "thread a core.",
    )
    header = ["contestant", "columns", "1000 rows/s", "ratio", "regret"]
    return Section(header, rows, notes)


def _draw_rates(ax, work, rates):
    names = [name for name in CONTESTANTS if any((work, name, s) in rates for s in (False, True))]
    for shuffle, label, offset in ((False, "in order", -0.2), (True, "shuffled", 0.2)):
        bars = {i: rates.get((work, name, shuffle)) for i, name in enumerate(names)}
        bars = {i + offset: rate for i, rate in bars.items() if rate}
        ax.barh(list(bars), list(bars.values()), 0.4, label=label)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set(title=f"One epoch, {work}", xlabel="million non-zeros a second")
    ax.legend()


def overhead(quick, repeats):
    """Time partial_fit, and the kernel call inside it."""
    rows = []
    for n_rows in (2_000, 20_000) if quick else (100_000, 1_000_000):
        work = works.ctr(20, n_rows)
        model = FtrlClassifier(**FTRL).partial_fit(work.X, work.y, classes=[0, 1])
        totals, kernels = [], []
        for _ in range(2 * repeats):
            total, kernel = _call_and_kernel(model, work)
            totals.append(total)
            kernels.append(kernel)
        rest = [total - kernel for total, kernel in zip(totals, kernels, strict=True)]
        cells = [spread(summary(values), 1e-3) for values in (totals, kernels, rest)]
        rows.append([f"{n_rows:,}", *cells, f"{median(rest) / median(kernels):.1%}"])
    header = ["rows", "partial_fit, ms", "kernel, ms", "the rest, ms", "the rest / kernel"]
    return Section(header, rows, ("The rows of ctr-2^20, in order; the model knows them.",))


def _call_and_kernel(model, work):
    """Return the seconds of a partial_fit, and those of the kernel in it."""
    kernel, seconds = _learner.learn_few, []

    def timed_kernel(*arguments):
        start = perf_counter()
        result = kernel(*arguments)
        seconds.append(perf_counter() - start)
        return result

    with mock.patch.object(_learner, "learn_few", timed_kernel):
        total = timed(lambda: model.partial_fit(work.X, work.y))
    return total, sum(seconds)


def predict(quick, repeats):
    """Time predictions of a large batch, and of a few rows by a large model."""
    scale = 50 if quick else 1
    rows = []
    for bits, n_learned, sizes, unit, unit_name in (
        (20, 1_000_000 // scale, [1_000_000 // scale], 1e-3, "ms"),
        (24, 200_000 // scale, [1, 10], 1e-6, "µs"),
    ):
        work = works.ctr(bits, n_learned)
        models = {
            "FtrlClassifier": FtrlClassifier(**FTRL),
            "FtrlClassifier, sparsified": FtrlClassifier(**FTRL),
            "SGDClassifier": SGDClassifier(loss="log_loss"),
        }
        for model in models.values():
            model.partial_fit(work.X, work.y, classes=[0, 1])
        models["FtrlClassifier, sparsified"].sparsify()
        for size in sizes:
            times = race_calls(_prediction_calls(models, work.X[:size]), repeats)
            ours = times["FtrlClassifier, decision_function"].median
            for what in times:
                taken = f"{spread(times[what], unit)} {unit_name}"
                ratio = f"{times[what].median / ours:.2f}x"
                rows.append([f"2^{bits}", f"{size:,}", what, taken, ratio])
    header = ["features", "rows a call", "what", "time a call", "ratio to ours"]
    notes = ("The ratio is to FtrlClassifier, decision_function; above 1 is slower.",)
    return Section(header, rows, notes)


def _prediction_calls(models, X):
    coef = models["FtrlClassifier"].coef_
    calls = {"scipy, X @ coef.T": lambda: X @ coef.T}
    for name, model in models.items():
        calls[f"{name}, decision_function"] = lambda model=model: model.decision_function(X)
        calls[f"{name}, predict_proba"] = lambda model=model: model.predict_proba(X)
    return calls


def stream(quick, repeats):
    """Time partial_fit of a few rows a call."""
    work = works.ctr(20, 20_000 if quick else 200_000)
    models = {
        "FtrlClassifier": FtrlClassifier(**FTRL),
        "SGDClassifier": SGDClassifier(loss="log_loss"),
    }
    for model in models.values():
        model.partial_fit(work.X, work.y, classes=[0, 1])
    rows = []
    for size in (1, 32, 1024):
        calls = {name: _next_batch_call(model, work, size) for name, model in models.items()}
        times = race_calls(calls, repeats)
        ratio = times["SGDClassifier"].median / times["FtrlClassifier"].median
        rows.append([str(size), *(spread(times[name], 1e-6) for name in models), f"{ratio:.2f}x"])
    header = ["rows a call", "FtrlClassifier, µs", "SGDClassifier, µs", "SGDClassifier / ours"]
    return Section(header, rows, ("2^20 features, 39 non-zeros a row; the models know the rows.",))


def _next_batch_call(model, work, size):
    """Return a function that learns the next batch, over and over again."""
    starts = range(0, min(work.X.shape[0] - size, 200 * size), size)
    batches = cycle([(work.X[i : i + size], work.y[i : i + size]) for i in starts])
    return lambda: model.partial_fit(*next(batches))


IMPORT = """
import time
start = time.perf_counter()
import numba, scipy.sparse, sklearn.linear_model
middle = time.perf_counter()
import sklearn_ftrl
print(middle - start, time.perf_counter() - middle)
"""
FIT = """
import time
import numpy as np
from scipy import sparse
from sklearn_ftrl import FtrlClassifier
X, y = sparse.random(100, 1000, 0.1, "csr", random_state=0), np.arange(100) % 2
model = FtrlClassifier(max_iter=1, tol=None)
times = [time.perf_counter()]
for call in (lambda: model.fit(X, y), lambda: model.predict(X), lambda: model.fit(X, y)):
    call()
    times.append(time.perf_counter())
print(*np.diff(times))
"""


def start(quick, repeats):
    """Time the import and the first calls, each time in a new process."""
    seconds = {}
    for _ in range(min(repeats, 3)):
        base, own = _in_new_process(IMPORT)
        seconds.setdefault("import numba, scipy.sparse, sklearn.linear_model", []).append(base)
        seconds.setdefault("import sklearn_ftrl after these", []).append(own)
        with tempfile.TemporaryDirectory() as folder:
            for cache in ("empty", "filled"):
                for what, taken in zip(
                    ("first fit", "first predict", "second fit"),
                    _in_new_process(FIT, NUMBA_CACHE_DIR=folder),
                    strict=True,
                ):
                    seconds.setdefault(f"{what}, {cache} numba cache", []).append(taken)
    rows = [[what, spread(summary(values), 1e-3)] for what, values in seconds.items()]
    return Section(
        ["what", "ms"], rows, ("100 sparse rows: it is all compiling or loading. Three rounds.",)
    )


def _in_new_process(code, **environment):
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return [float(word) for word in result.stdout.split()]


def memory(quick, repeats):
    """Measure by how much memory grows in a call, at its peak."""
    bits, n_rows = (20, 20_000) if quick else (24, 300_000)
    rows = []
    for per, n, shape, cases in (
        ("feature", 2**bits, (bits, 1000), PER_FEATURE),
        ("row", n_rows, (10, n_rows), PER_ROW),
    ):
        for case, growth in peak_growth(cases, *shape).items():
            resident = "not measured" if growth.resident is None else short(growth.resident / n)
            own = short(growth.rows / n) if per == "row" else "-"
            rows.append([case, per, short(growth.allocated / n), resident, own])
    notes = (
        f"Beyond X, y and what was there before. Per feature with 2^{bits} features and 1000 "
        f"rows, in which few of them occur; per row with {n_rows:,} rows and 2^10 features. 39 "
        "non-zeros a row.",
        "Allocated is what was asked for. Resident is what is in memory: a page of zeros that "
        "nothing has touched is not (measured on Linux alone).",
    )
    header = ["call", "per", "bytes allocated", "bytes resident", "bytes of X"]
    return Section(header, rows, notes)


def scaling(quick, repeats):
    """Time one epoch in order, of more and more rows, features, classes."""
    scale = 50 if quick else 1
    names = [OURS, "SGDClassifier, l2", "plain C loop"]
    largest = works.ctr(20, 1_000_000 // scale)
    axes = {
        "rows": {
            n: lambda n=n: largest.rows(n) for n in [62_500 // scale * 2**k for k in range(5)]
        },
        "features": {
            2**bits: lambda bits=bits: works.ctr(bits, 250_000 // scale)
            for bits in (16, 18, 20, 22, 24)
        },
        "classes": {
            n: lambda n=n: works.ctr(16, 20_000 // scale, n_classes=n) for n in (2, 5, 20, 100)
        },
    }
    rows, panels = [], []
    for axis, makers in axes.items():
        lines = {name: {} for name in names}
        for value, make in makers.items():
            work = make()
            runs, _, _ = _contestants(work, names, [False])
            times = race(runs, repeats)
            cells = []
            for name in names:
                if (name, False) in times:
                    lines[name][value] = times[name, False].median
                    cells.append(spread(times[name, False], 1e-3))
                    cells.append(short(work.nnz / times[name, False].median / 1e6))
                else:
                    cells += ["-", "-"]
            rows.append([axis, f"{value:,}", *cells])
        panels.append(lambda ax, axis=axis, lines=lines: _draw_lines(ax, axis, lines))
    notes = (
        "Milliseconds (fastest-slowest round), and million non-zeros a second. Rows: 2^20 "
        f"features. Features: {250_000 // scale:,} rows. Classes: {20_000 // scale:,} rows, "
        "2^16 features.",
    )
    header = ["growing", "to"]
    for name in names:
        header += [f"{name}, ms", "Mnnz/s"]
    return Section(header, rows, notes, tuple(panels))


def _draw_lines(ax, axis, lines):
    for name, points in lines.items():
        if points:
            ax.plot(list(points), list(points.values()), "o-", label=name)
    ax.set(title=f"One epoch, by {axis}", xlabel=axis, ylabel="seconds", xscale="log", yscale="log")
    ticks = list(lines[OURS])
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks], rotation=30)
    ax.set_xticks([], minor=True)
    ax.legend()


SECTIONS = [train, pipeline, overhead, predict, stream, start, memory, scaling]
