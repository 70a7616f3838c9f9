"""
Is my model keeping up?
=======================

The world changes under a model that learns from a stream. Progressive validation, which predicts
each row just before it is learned, shows it at no cost: by windows, the score says how the model
does now, and not on average since the beginning.
"""  # noqa: D205, D400

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score

from sklearn_ftrl import FtrlClassifier
from sklearn_ftrl.datasets import make_click_log
from sklearn_ftrl.model_selection import ProgressiveValidationDisplay, progressive_val_predict
from sklearn_ftrl.preprocessing import ColumnHasher

# %%
# In this log each id's weight becomes a wholly new one three times a day. A day has 240,000 rows.
# The true probabilities are known, so the loss that nobody can avoid is known too.

log = make_click_log(
    480_000, cardinalities=(10, 100, 1_000), base_rate=0.2, drift=3.0, random_state=0
)
table = {name: column for name, column in log.data.items() if name != "hour"}
X = ColumnHasher(2**16, numeric={"count0": "bin", "count1": "bin"}).transform(table)
y = log.target
print(f"{X.shape[0]} rows, {y.mean():.1%} clicked")

# %%
# Four ways to learn from it, each with the same beta. The first has the learning rate that "auto"
# finds. A larger rate, or one that falls more slowly with n (``learning_rate_power``), forgets
# faster. The last one learns a tenth of the rows, and then stands still.

rate = FtrlClassifier().partial_fit(X[:10_000], y[:10_000], classes=[0, 1]).learning_rate_
models = {
    f"auto ({rate:.2f})": FtrlClassifier(learning_rate=rate, beta=1.0),
    f"4 x auto ({4 * rate:.2f})": FtrlClassifier(learning_rate=4 * rate, beta=1.0),
    "power -0.25": FtrlClassifier(learning_rate=rate / 4, beta=1.0, learning_rate_power=-0.25),
}
p = {name: progressive_val_predict(model, X, y)[:, 1] for name, model in models.items()}

frozen = FtrlClassifier(learning_rate=rate, beta=1.0)
frozen.partial_fit(X[:48_000], y[:48_000], classes=[0, 1])
p["stops after a tenth"] = np.r_[
    next(iter(p.values()))[:48_000], frozen.predict_proba(X[48_000:])[:, 1]
]
print(pd.Series({name: log_loss(y, each) for name, each in p.items()}).round(4).to_string())
print(f"the true probabilities: {log_loss(y, log.probability):.4f}")

# %%
# The picture
# -----------
# Left: the loss of each window above that of the true probabilities. What all models pay is the
# price of learning what was true a moment ago. The frozen one pays more and more. Right:
# ``ProgressiveValidationDisplay``, here with the ROC AUC of the first model. The mean over all
# rows hides what the windows show.

plt.rcParams.update({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False})
fig, (left, right) = plt.subplots(1, 2, figsize=(12.5, 5), layout="constrained")
windows = np.arange(len(y)) // 12_000
days = (np.unique(windows) + 0.5) * 12_000 / 240_000


def losses(p):
    """Return the log loss of each row."""
    return -np.log(np.where(y, p, 1 - p))


best = losses(log.probability)
colors = ["#0072B2", "#009E73", "#E69F00", "#D55E00"]
for (name, each), color in zip(p.items(), colors, strict=True):
    excess = pd.Series(losses(each) - best).groupby(windows).mean()
    left.plot(days, excess, color=color, linewidth=2, label=name)
left.set(xlabel="days", ylabel="log loss above that of the truth", ylim=(0, 0.25))
left.set_title("Windows of 12,000 rows", loc="left")
left.legend(frameon=False)

ProgressiveValidationDisplay.from_predictions(
    y, next(iter(p.values())), score_func=roc_auc_score, window=12_000, ax=right, color="#666666"
)
right.set_title("ProgressiveValidationDisplay", loc="left")
plt.show()
