"""
Can I throw most negatives away?
================================

Where three rows in a hundred are clicks, most rows tell little. One can learn from all clicks
and a few of the rest, if the rest weighs as much as it stood for. The log is made by
``make_click_log``, so each prediction can be compared with the true probability.
"""  # noqa: D205, D400

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import log_loss

from sklearn_ftrl import FtrlClassifier
from sklearn_ftrl.datasets import make_click_log
from sklearn_ftrl.preprocessing import ColumnHasher

# %%
# 300,000 rows to learn from, and 100,000 later ones to judge by.

log = make_click_log(400_000, base_rate=0.03, random_state=0)
X = ColumnHasher(2**20, numeric={"count0": "bin", "count1": "bin"}).transform(log.data)
y, p_true = log.target, log.probability
late = np.arange(len(y)) >= 300_000

# %%
# Of the rows without a click, a part r is kept. With ``sample_weight`` 1 / r each of them stands
# for those that were thrown away, and the expected loss is that of all rows. Without weights the
# odds are 1 / r times too high, and can be multiplied by r afterwards.

draws = np.random.default_rng(0).random(len(y))


def predictions(r):
    """Return those of models of a part r: with weights, without, and with odds times r."""
    kept = ~late & ((y == 1) | (draws < r))
    model = FtrlClassifier(l1=1, max_iter=1, tol=None, random_state=0)
    weighted, plain = (
        model.fit(X[kept], y[kept], weight).predict_proba(X[late])[:, 1]
        for weight in (np.where(y[kept] == 1, 1.0, 1 / r), None)
    )
    return weighted, plain, plain * r / (plain * r + 1 - plain)


names = ["sample_weight = 1 / r", "no weights", "no weights, odds times r"]
p = {"all rows": predictions(1)[1]}
p |= {f"10 %, {name}": each for name, each in zip(names, predictions(0.1), strict=True)}

table = pd.DataFrame({name: [each.mean(), log_loss(y[late], each)] for name, each in p.items()}).T
table.columns = ["mean prediction", "log loss"]
print(f"{y[late].mean():.4f} of the later rows clicked")
print(table.round(4).to_string())

# %%
# The picture
# -----------
# Left: the later rows in 20 bins by their predictions, over the mean of the true probabilities in
# each. On the diagonal a prediction means what it says. Right: what is lost against the model of
# all rows, for other parts r.

colors = dict(zip(p, ["#666666", "#0072B2", "#D55E00", "#009E73"], strict=True))
plt.rcParams.update({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False})
fig, (left, right) = plt.subplots(1, 2, figsize=(12.5, 5), layout="constrained")
for name, each in p.items():
    bins = pd.qcut(each, 20, labels=False, duplicates="drop")
    curve = pd.DataFrame({"p": each, "true": p_true[late]}).groupby(bins).mean()
    left.plot(curve["p"], curve["true"], "o-", ms=4, color=colors[name], label=name)
left.plot([1e-3, 1], [1e-3, 1], ":", color="#666666")
left.set(xscale="log", yscale="log", xlabel="predicted", ylabel="true probability")
left.set_title("Reliability", loc="left")
left.legend(frameon=False)

parts, base = [0.02, 0.05, 0.1, 0.2, 0.5], log_loss(y[late], p["all rows"])
losses = np.array([[log_loss(y[late], each) for each in predictions(r)] for r in parts])
for k in (0, 2):
    lost = 100 * (losses[:, k] / base - 1)
    right.plot(parts, lost, "o-", linewidth=2, color=colors[f"10 %, {names[k]}"], label=names[k])
right.axhline(0, color="#666666", linestyle=":")
right.set(xscale="log", xlabel="part r of the rows without a click", ylabel="% more log loss")
right.set_xticks(parts, [f"{r:g}" for r in parts])
right.minorticks_off()
right.set_title("Price, against all rows", loc="left")
right.legend(frameon=False)
plt.show()
