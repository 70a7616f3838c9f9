"""
How small can the model be?
===========================

``l1`` asks for evidence before a weight may leave 0. A click log made by ``make_click_log`` has
known probabilities, so that the price of a small model can be given in full: as the loss above
that of a model that knows all.
"""  # noqa: D205, D400

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score

from sklearn_ftrl import FtrlClassifier
from sklearn_ftrl.datasets import make_click_log
from sklearn_ftrl.preprocessing import ColumnHasher

# %%
# The log has six columns of ids, from ten different ones to a million, and two of counts. Most
# ids of the large columns come up once or twice. The later rows are the test.

log = make_click_log(400_000, random_state=0)
hasher = ColumnHasher(2**22, numeric={"count0": "bin", "count1": "bin"})
X, y, p_true = hasher.transform(log.data), log.target, log.probability
train, test = slice(0, 300_000), slice(300_000, None)
floor = log_loss(y[test], p_true[test])
base = log_loss(y[test], np.full(len(y[test]), y[train].mean()))
print(f"Log loss of the base rate {base:.4f}, of the true probabilities {floor:.4f}.")

# %%
# A feature's index is a hash of its column's name and its value. Hashed alone, each column tells
# which features are its own.

owner = {}
for name in log.data:
    alone = ColumnHasher(2**22, numeric={name: "bin"} if name.startswith("count") else "category")
    owner[name] = np.unique(alone.transform({name: log.data[name][train]}).indices)
groups = {
    "counts, hours, 10 to 1000 ids": ["hour", "count0", "count1", "id0", "id1", "id2"],
    "10,000 ids": ["id3"],
    "100,000 ids": ["id4"],
    "1,000,000 ids": ["id5"],
}

# %%
# One pass for each ``l1``. The learning rate is that of "auto" for all.

rows = []
for l1 in [0, 0.3, 1, 2, 4, 8, 16, 32, 64]:
    model = FtrlClassifier(l1=l1, max_iter=1, tol=None, random_state=0)
    model.fit(X[train], y[train])
    p, used = model.predict_proba(X[test])[:, 1], model.coef_[0] != 0
    row = {"l1": l1, "weights": used.sum(), "log loss": log_loss(y[test], p)}
    row["ROC AUC"] = roc_auc_score(y[test], p)
    rows.append(row | {g: sum(used[owner[c]].sum() for c in names) for g, names in groups.items()})
path = pd.DataFrame(rows)
print(path.iloc[:, :4].round({"log loss": 4, "ROC AUC": 3}).to_string(index=False))

# %%
# The picture
# -----------
# Left: the loss over the size, with ``l1`` at the points. Right: what goes first as ``l1`` grows.
# It is the ids that were seen a few times.

colors = ["#0072B2", "#56B4E9", "#E69F00", "#D55E00"]
plt.rcParams.update({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False})
fig, (left, right) = plt.subplots(1, 2, figsize=(12.5, 5), layout="constrained")
left.plot(path["weights"], path["log loss"], "o-", color=colors[0], linewidth=2)
for _, row in path.iterrows():
    at = (row["weights"], row["log loss"])
    left.annotate(f"{row['l1']:g}", at, (0, 9), textcoords="offset points", ha="center")
left.axhline(floor, color="#666666", linestyle=":")
left.annotate("the true probabilities", (path["weights"].max(), floor), (0, 5),
              textcoords="offset points", ha="right", color="#666666")  # fmt: skip
left.axhline(base, color="#666666", linestyle="--")
left.annotate("the base rate", (path["weights"].max(), base), (0, -15),
              textcoords="offset points", ha="right", color="#666666")  # fmt: skip
left.set(xscale="log", xlabel="weights that are not 0", ylabel="log loss on new rows")
left.set_title("Loss and size, by l1", loc="left")

shares = path[list(groups)].T.to_numpy() / path["weights"].to_numpy()
right.stackplot(range(len(path)), 100 * shares, labels=list(groups), colors=colors, alpha=0.85)
right.set_xticks(range(len(path)), [f"{l1:g}" for l1 in path["l1"]])
right.set(xlabel="l1", ylabel="% of the weights", xlim=(0, len(path) - 1), ylim=(0, 100))
right.set_title("Whose weights they are", loc="left")
right.legend(loc="lower right", framealpha=0.9)
plt.show()
