"""
Is my model keeping up?
=======================

Predict each hour of a stream, then learn it, and look at the score of each window: it says how the
model does now. The mean since the beginning hides what happens now. This is progressive
validation, and it needs no test set.
"""  # noqa: D205, D400

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score

from sklearn_ftrl import FtrlClassifier
from sklearn_ftrl.datasets import make_click_log
from sklearn_ftrl.model_selection import (
    ProgressiveSearch,
    ProgressiveValidationDisplay,
    progressive_val_predict,
)
from sklearn_ftrl.preprocessing import ColumnHasher

# %%
# In this log the weight of each id changes completely three times a day. An hour has 10,000 rows.
# The true probabilities are known, so the loss that nobody can avoid is known too.

log = make_click_log(
    480_000, cardinalities=(10, 100, 1_000), base_rate=0.2, drift=3.0, random_state=0
)
table, y = log.data, log.target
hour = table.pop("hour")
X = ColumnHasher(2**16, numeric={"count0": "bin", "count1": "bin"}).transform(table)
print(f"{X.shape[0]} rows, {y.mean():.1%} clicked")

# %%
# Clicks are known after an hour, so an hour is a batch: ``batches=hour``. Five models:
#
# - a small and a large learning rate,
# - a rate that falls more slowly with n (``learning_rate_power``),
# - ``ProgressiveSearch``, which tries four rates and serves the best of the last two hours,
# - a model that learns a tenth of the rows, and then stands still.

models = {
    "rate 0.1": FtrlClassifier(learning_rate=0.1, beta=1.0),
    "rate 1": FtrlClassifier(learning_rate=1.0, beta=1.0),
    "power -0.25": FtrlClassifier(learning_rate=0.1, beta=1.0, learning_rate_power=-0.25),
    "search": ProgressiveSearch(
        FtrlClassifier(beta=1.0), {"learning_rate": [0.1, 0.3, 1.0, 3.0]}, window=20_000
    ),
}
p = {name: progressive_val_predict(m, X, y, batches=hour)[:, 1] for name, m in models.items()}

learned = hour < 5
frozen = FtrlClassifier(learning_rate=0.1, beta=1.0)
frozen.partial_fit(X[learned], y[learned], classes=[0, 1])
p["stops after a tenth"] = np.where(learned, p["rate 0.1"], frozen.predict_proba(X)[:, 1])

# %%
# No model predicts the first hour, so it is in no score.

served = hour > 0
losses = {name: log_loss(y[served], each[served]) for name, each in p.items()}
print(pd.Series(losses, name="log loss").round(4).to_string())
print(f"the true probabilities: {log_loss(y[served], log.probability[served]):.4f}")

# %%
# The picture
# -----------
# Left: the loss of each hour above that of the true probabilities. The frozen model soon loses
# most. Right: ``ProgressiveValidationDisplay`` with the ROC AUC of the search. The mean over all
# rows hides what the windows show.

plt.rcParams.update({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False})
fig, (left, right) = plt.subplots(1, 2, figsize=(12.5, 5), layout="constrained")


def loss_of_rows(p):
    """Return the log loss of each row."""
    return -np.log(np.where(y, p, 1 - p))


best = loss_of_rows(log.probability)
colors = ["#0072B2", "#009E73", "#E69F00", "#333333", "#D55E00"]
for (name, each), color in zip(p.items(), colors, strict=True):
    excess = pd.Series(loss_of_rows(each) - best)[served].groupby(hour[served]).mean()
    left.plot(excess.index / 24, excess, color=color, linewidth=2, label=name)
left.set(xlabel="days", ylabel="log loss above that of the truth", ylim=(0, 0.25))
left.set_title("Hour by hour", loc="left")
left.legend(frameon=False)

ProgressiveValidationDisplay.from_predictions(
    y, p["search"], score_func=roc_auc_score, batches=hour, window=1, ax=right, color="#666666"
)
right.set_title("ProgressiveValidationDisplay", loc="left")
plt.show()
