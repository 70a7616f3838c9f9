"""
Which parameters are worth tuning?
==================================

``learning_rate`` for the loss, ``l1`` for the size of the model. This example shows it on a log in
the order of time. It searches with folds in this order, in a stream with ``ProgressiveSearch``, and
with shuffled folds, which promise too much.
"""  # noqa: D205, D400

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline

from sklearn_ftrl import FtrlClassifier
from sklearn_ftrl.datasets import make_click_log
from sklearn_ftrl.model_selection import ProgressiveSearch
from sklearn_ftrl.preprocessing import ColumnHasher

# %%
# A click log in the order of time. Its weights drift: the weight of each id changes completely
# within the log. The last 10,000 rows are the test set, and no search sees them. The hour is left
# out, because no model has ever seen the hour to come.

log = make_click_log(75_000, base_rate=0.1, drift=4, as_frame=True, random_state=0)
table, y, n_train = log.data.drop(columns="hour"), log.target, 65_000
train, y_train, test, y_test = table[:n_train], y[:n_train], table[n_train:], y[n_train:]

bins = {"count0": "bin", "count1": "bin"}
hasher = ColumnHasher(2**18, numeric=bins, interactions=log.interactions)
ftrl = FtrlClassifier(max_iter=1, tol=None, random_state=0)  # one epoch, as in a stream
model = make_pipeline(hasher, ftrl).fit(train, y_train)
auto = {"learning_rate": model[-1].learning_rate_, "beta": model[-1].beta_}
print(f'"auto" is here learning_rate={auto["learning_rate"]:.3g}, beta={auto["beta"]:.3g}.')


def test_loss(model):
    """Return the log loss of the test set."""
    return log_loss(y_test, model.predict_proba(test)[:, 1])


base = log_loss(y_test, np.full(len(y_test), y_train.mean()))
print(f"Test loss: base rate {base:.4f}, defaults {test_loss(model):.4f}, "
      f"true probabilities {log_loss(y_test, log.probability[n_train:]):.4f}.")  # fmt: skip

# %%
# One at a time
# -------------
# Each fold trains on the first rows and validates on the next 10,000. The score is two numbers: the
# loss, and the size of the model.
#
# A step is a factor of about 3. ``learning_rate`` and ``beta`` go around what "auto" found, ``l1``
# and ``l2`` up from small numbers. All other parameters stay as they are.

later = TimeSeriesSplit(3, test_size=10_000)


def score(model, rows, clicks):
    """Return the negative log loss, and the number of weights."""
    loss = log_loss(clicks, model.predict_proba(rows)[:, 1])
    return {"loss": -loss, "weights": np.count_nonzero(model[-1].coef_)}


factors = {
    "learning_rate": np.array([0.1, 0.3, 1, 3]),
    "beta": np.array([0.1, 0.3, 1, 3, 10]),
    "l1": np.array([0.3, 1, 3, 10, 30]),
    "l2": np.array([1, 3, 10, 30, 100]),
}
grids = [{f"ftrlclassifier__{k}": auto.get(k, 1) * v} for k, v in factors.items()]
search = GridSearchCV(model, grids, scoring=score, cv=later, refit=False).fit(train, y_train)
ends = np.cumsum([len(v) for v in factors.values()])[:-1]
losses = dict(zip(factors, np.split(-search.cv_results_["mean_test_loss"], ends), strict=True))
default_loss = losses["beta"][factors["beta"] == 1].item()
for name, along in losses.items():
    unit = " times auto" if name in auto else ""
    print(f"{name:>13}: {along.min():.4f} at {factors[name][along.argmin()]:g}{unit}, "
          f"{along.max():.4f} at worst; defaults {default_loss:.4f}")  # fmt: skip

# %%
# A grid of two
# -------------
# ``learning_rate`` decides the loss, and ``l1`` the size. ``beta`` and ``l2`` hold steps back, as a
# smaller learning rate does: with a good rate they add little.
#
# A small model may be nearly as good as the best. ``refit`` can be a function: this one takes the
# smallest model within 0.5 % of the best loss.


def smallest(results):
    """Return the index of the smallest model whose loss is near the best."""
    loss = -results["mean_test_loss"]
    return np.where(loss <= 1.005 * loss.min(), results["mean_test_weights"], np.inf).argmin()


grid = {
    "ftrlclassifier__learning_rate": [0.06, 0.15, "auto", 0.6],
    "ftrlclassifier__l1": [0, 1, 3, 10],
}
start = perf_counter()
search = GridSearchCV(model, grid, scoring=score, cv=later, refit=smallest).fit(train, y_train)
seconds = perf_counter() - start
results = pd.DataFrame(search.cv_results_["params"]).rename(columns=lambda k: k.split("__")[1])
results["loss of folds"] = -search.cv_results_["mean_test_loss"]
fitted = [clone(model).set_params(**p).fit(train, y_train) for p in search.cv_results_["params"]]
results["weights"] = [np.count_nonzero(m[-1].coef_) for m in fitted]
results["loss of test"] = [test_loss(m) for m in fitted]

# %%
# In a stream
# -----------
# ``ProgressiveSearch`` searches the same grid in one epoch. Each candidate predicts a batch of
# 1,000 rows, is scored, and learns the batch. The rows are hashed once, for all candidates. A
# candidate that is worse beyond doubt stops.

served = ProgressiveSearch(model, grid, batch_size=1_000)
start = perf_counter()
served.fit(train, y_train)
served_seconds = perf_counter() - start
stopped = pd.DataFrame(served.cv_results_)["stopped_at"]
print(f"GridSearchCV: {seconds:.1f} s for {len(results)} candidates.")
print(f"ProgressiveSearch: {served_seconds:.1f} s; {stopped.notna().sum()} candidates stopped, "
      f"half of these by row {stopped.median():,.0f}.\n")  # fmt: skip

rows = []
best, default = results["loss of folds"].idxmin(), results.query("learning_rate == 'auto'").index[0]
for name, k in [
    ("default settings", default),
    ("best of the folds", best),
    ("smallest nearby", search.best_index_),
    ("ProgressiveSearch", served.best_index_),
]:
    rows.append({"choice": name} | results.loc[k].to_dict())
print(pd.DataFrame(rows).round(4).to_string(index=False), "\n")
above = (
    results[["loss of folds", "loss of test"]] / results[["loss of folds", "loss of test"]].min()
)
print("The loss of the default settings above the best of the grid: "
      f"{above.loc[default, 'loss of folds'] - 1:.1%} in the folds, "
      f"{above.loc[default, 'loss of test'] - 1:.1%} on the test set.")  # fmt: skip

# %%
# Shuffled folds
# --------------
# Shuffled folds let a model learn rows that come after its validation rows. The same grid again:
# how good do the folds say a model is, and do they rank the candidates as the test set does?
#
# Some hours are harder than others for any model. So each loss is taken above the loss of the true
# probabilities of the same rows.

shuffled = KFold(3, shuffle=True, random_state=0)
again = GridSearchCV(model, grid, scoring=score, cv=shuffled, refit=False).fit(train, y_train)
results["loss of shuffled folds"] = -again.cv_results_["mean_test_loss"]
truth = log.probability
excess = {"test": results["loss of test"] - log_loss(y_test, truth[n_train:])}
for name, folds in [("folds", later), ("shuffled folds", shuffled)]:
    floor = np.mean([log_loss(y[rows], truth[rows]) for _, rows in folds.split(train)])
    excess[name] = results[f"loss of {name}"] - floor
    order = excess[name].corr(excess["test"], method="spearman")
    print(f"{name:>14}: {excess[name].mean():.4f} above the truth, the test "
          f"{excess['test'].mean():.4f}; rank correlation {order:.2f}")  # fmt: skip

# %%
# The picture
# -----------
# Left: each parameter alone. A rate that is too large costs more than one that is too small.
# Middle: loss and size. The first step of ``l1`` removes most weights and costs little. Right:
# what folds promise. Both kinds promise too much, because the weights go on drifting, and
# shuffled folds promise more.

colors = ["#0072B2", "#56B4E9", "#D55E00", "#009E73"]
grey = "#666666"
plt.rcParams.update({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False})
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 5), layout="constrained")
for (name, along), color, style in zip(losses.items(), colors, "osD^", strict=True):
    left.plot(factors[name], along, f"{style}-", color=color, linewidth=2)
    label, end = f"{name} / auto" if name in auto else name, along.argmax()
    at, ha = (factors[name][end], along[end]), "left" if name in auto else "right"
    left.annotate(label, at, (8 if name in auto else 0, 6), textcoords="offset points",
                  ha=ha, color=color)  # fmt: skip
left.axhline(default_loss, color=grey, linestyle=":")
left.annotate("defaults", (0.99, default_loss), (0, -14), textcoords="offset points",
              xycoords=("axes fraction", "data"), ha="right", color=grey)  # fmt: skip
left.set(xscale="log", xlabel="value", ylabel="log loss of the folds")
left.set_title("One parameter at a time", loc="left")

for (rate, line), color in zip(results.groupby("learning_rate", sort=False), colors, strict=True):
    label = f"auto ({auto['learning_rate']:.2g})" if rate == "auto" else f"{rate:g}"
    middle.plot(line["weights"], line["loss of folds"], "o-", color=color, linewidth=2, label=label)
for l1, size in results.groupby("l1")["weights"].mean().items():
    middle.axvline(size, color=grey, linewidth=0.5, zorder=0)
    middle.annotate(f"l1={l1}", (size, 0.98), (4, 0), xycoords=("data", "axes fraction"),
                    textcoords="offset points", va="top", color=grey)  # fmt: skip
for k, text in [(best, "best"), (search.best_index_, "smallest nearby")]:
    at = tuple(results.loc[k, ["weights", "loss of folds"]])
    middle.plot(*at, "o", color="black", fillstyle="none", markersize=13)
    middle.annotate(text, at, (0, -21), textcoords="offset points", ha="center")
middle.set(xscale="log", xlabel="weights that are not 0", ylabel="log loss of the folds")
middle.margins(0.14)
low, high = middle.get_ylim()
middle.set_ylim(low, high + 0.25 * (high - low))  # room for the legend
middle.set_title("Loss and size", loc="left")
middle.legend(title="learning_rate", loc="upper center", bbox_to_anchor=(0.42, 0.94), framealpha=1)

for name, color, style in [("folds", colors[0], "o"), ("shuffled folds", colors[2], "s")]:
    label = {"folds": "TimeSeriesSplit", "shuffled folds": "KFold, shuffled"}[name]
    right.plot(excess[name], excess["test"], style, color=color, alpha=0.8, label=label)
ends = [min(map(min, excess.values())) - 0.001, max(map(max, excess.values())) + 0.001]
right.plot(ends, ends, ":", color=grey)
right.annotate("promise kept", (np.mean(ends), np.mean(ends)), (6, -6), color=grey, rotation=45,
               textcoords="offset points", ha="center", va="center")  # fmt: skip
right.set(xlabel="in the folds", ylabel="on the test", xlim=ends, ylim=ends, aspect="equal")
right.set_title("Log loss above the truth", loc="left")
right.legend(frameon=False, loc="lower right")
plt.show()
