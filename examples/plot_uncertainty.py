"""
Which rows are worth a label?
=============================

``uncertainty_score`` tells how far one more example like a row could move its log-odds: much where
its features were seen little. Here it is compared with the true error, which a made log knows, and
used to choose rows to label.
"""  # noqa: D205, D400

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import logit

from sklearn_ftrl import FtrlClassifier
from sklearn_ftrl.datasets import make_click_log
from sklearn_ftrl.preprocessing import ColumnHasher

# %%
# Rows with one id of a thousand; few ids are frequent, most are rare. The last 40,000 rows are the
# test. The error of a prediction is its distance from the true log-odds.


def ids_and_clicks(seed):
    """Return hashed rows, clicks and true log-odds."""
    options = {"cardinalities": (1_000,), "n_counts": 0, "n_interactions": 0, "base_rate": 0.3}
    log = make_click_log(100_000, random_state=seed, **options)
    X = ColumnHasher(2**16).transform({"id0": log.data["id0"]})
    return X, log.target, logit(log.probability)


X, y, truth = ids_and_clicks(0)
pool, test = np.arange(60_000), slice(60_000, None)
model = FtrlClassifier().partial_fit(X[:5_000], y[:5_000], classes=[0, 1])
score = model.uncertainty_score(X[test])
error = np.abs(model.decision_function(X[test]) - truth[test])
tenths = np.array_split(np.argsort(score), 10)
for k in [0, 4, 9]:
    rows = tenths[k]
    print(f"tenth {k + 1:2}: score {score[rows].mean():.2f}, mean error {error[rows].mean():.2f}")

# %%
# Labels are bought 500 at a time, 6500 in all: at random; where the model is undecided, which
# is where the margin is smallest; where the score is highest; or drawn by the score's square.


def choose(how, model, rows, rng):
    """Return 500 of the rows."""
    if how == "random":
        return rng.choice(rows, 500, replace=False)
    if how == "smallest margin":
        return rows[np.argsort(np.abs(model.decision_function(X[rows])))[:500]]
    score = model.uncertainty_score(X[rows])
    if how == "highest score":
        return rows[np.argsort(-score)[:500]]
    return rng.choice(rows, 500, replace=False, p=score**2 / np.sum(score**2))


strategies = ["random", "smallest margin", "highest score", "drawn by score²"]
n_rounds, n_logs = 13, 5
curves = np.zeros((n_logs, len(strategies), n_rounds))
for seed in range(n_logs):
    X, y, truth = ids_and_clicks(seed)
    for s, how in enumerate(strategies):
        rng, model = np.random.default_rng(seed), FtrlClassifier(learning_rate=0.6, beta=1.0)
        unlabelled, chosen = pool, pool[:500]
        for k in range(n_rounds):
            model.partial_fit(X[chosen], y[chosen], classes=[0, 1])
            raw = model.decision_function(X[test])
            curves[seed, s, k] = np.sqrt(np.mean((raw - truth[test]) ** 2))
            unlabelled = np.setdiff1d(unlabelled, chosen)
            chosen = rng.permutation(choose(how, model, unlabelled, rng))
for how, curve in zip(strategies, curves.mean(axis=0), strict=True):
    print(f"{how:>15}: error {curve[0]:.2f} after 500 labels, {curve[-1]:.2f} after 6500")

# %%
# The picture
# -----------
# Left: the score orders rows by how wrong they are. Right: rows drawn by it teach a little more
# than random ones. To take the highest scores and nothing else is too much of it: the rarest ids
# alone are learned. Margins are worst, as they go on asking about ids that are undecided by nature.

plt.rcParams.update({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False})
fig, (left, right) = plt.subplots(1, 2, figsize=(12.5, 5), layout="constrained")
parts = left.boxplot(
    [error[rows] for rows in tenths], showfliers=False, whis=(5, 95), patch_artist=True
)
plt.setp(parts["boxes"], facecolor="#56B4E9", alpha=0.6)
plt.setp(parts["medians"], color="#0072B2", linewidth=2)
left.set_xticks(range(1, 11), [f"{score[rows].mean():.2f}" for rows in tenths])
left.set(xlabel="mean uncertainty_score of each tenth of the rows", ylabel="error of the log-odds")
left.set_title("Score and true error", loc="left")

labels = 500 * np.arange(1, n_rounds + 1)
colors = ["#666666", "#D55E00", "#E69F00", "#0072B2"]
for how, runs, color in zip(strategies, curves.transpose(1, 0, 2), colors, strict=True):
    right.plot(labels, runs.mean(axis=0), color=color, linewidth=2, label=how)
    right.fill_between(labels, runs.min(axis=0), runs.max(axis=0), color=color, alpha=0.12, lw=0)
right.set(xlabel="labels bought", ylabel="error of the log-odds (RMS)", ylim=(0, None))
right.set_title(f"Choosing rows to label, {n_logs} logs", loc="left")
right.legend(frameon=False)
plt.show()
