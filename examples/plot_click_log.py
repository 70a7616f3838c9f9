"""
A click log that outgrows memory
================================

A click log is a table of ids and counts that gets longer every day. Here ``pyarrow.dataset``
reads it from Parquet files a row group at a time, ``ColumnHasher`` makes sparse rows of it, and
``FtrlClassifier`` learns them while the next row group is read and hashed: in one process, whose
memory does not grow with the log. The log is made up, so the probability of each click is known,
and so is the least loss that any model can have.
"""  # noqa: D205, D400

import resource
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from sklearn.metrics import log_loss

from sklearn_ftrl import FtrlClassifier
from sklearn_ftrl.datasets import make_click_log
from sklearn_ftrl.preprocessing import ColumnHasher

# %%
# A day of the log is a file of three row groups. ``probability`` is there to judge the models:
# a real log does not have it.

ROWS_PER_DAY, ROWS_PER_GROUP = 240_000, 80_000
temporary = TemporaryDirectory()
folder = Path(temporary.name)
log_folder = folder / "log"
log_folder.mkdir()


def part_of_log(start, n_rows):
    """Return rows of the endless log as a table."""
    log = make_click_log(n_rows, start=start, random_state=0)
    return pa.table(log.data | {"clicked": log.target, "probability": log.probability})


def write_day(day):
    """Write a file; no more than one row group is in memory."""
    with pq.ParquetWriter(log_folder / f"day{day}.parquet", part_of_log(0, 0).schema) as writer:
        for start in range(day * ROWS_PER_DAY, (day + 1) * ROWS_PER_DAY, ROWS_PER_GROUP):
            writer.write_table(part_of_log(start, ROWS_PER_GROUP))


for day in range(2):
    write_day(day)
print(ds.dataset(log_folder).head(3).to_pandas().to_string(index=False), "\n")

# %%
# A linear model cannot know that an ad does well on one site and badly on another, unless the
# combination is a feature. Two pairs of ids have weights of their own in this log. Who knows them
# lists them; who does not may ask for all pairs, and let ``l1`` keep most of them at 0. Counts
# go into bins, narrow for small ones.

features = ["id0", "id1", "id2", "id3", "id4", "id5", "count0", "count1"]
the_two = make_click_log(0, random_state=0).interactions
models = {
    name: (ColumnHasher(interactions=interactions, numeric="bin"), FtrlClassifier(l1=l1))
    for name, interactions, l1 in [
        ("single columns", None, 0),
        ("two pairs", the_two, 0),
        ("two pairs, l1=1", the_two, 1),
        ("all 28 pairs, l1=1", 2, 1),
    ]
}

# %%
# ``partial_fit`` judges each row just before it learns it, and ``progressive_loss_`` is the mean.
# What a loss has above that of the true probabilities is the regret: what the model could still
# gain. A file is no more than a list of row groups, so the number of those that were learned is
# all it takes to go on later. A thread prepares the next row group in the meantime: reading,
# hashing and learning all let other threads run.


def peak_memory():
    """Return the most memory that this process has had, in MB; not for Windows."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def rows_of(groups, models):
    """Yield, a row group at a time, the clicks, the least loss, and the rows for each model."""
    for group in groups:
        table = group.to_table()
        clicked = table["clicked"].to_numpy()
        least = log_loss(clicked, table["probability"].to_numpy())
        ids = table.select(features)
        yield clicked, least, [hasher.transform(ids) for hasher, _ in models.values()]


def ahead(items):
    """Yield from an iterator, while a thread prepares the next item."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def learn_new_rows(models, n_learned, history):
    """Learn the row groups after the first ones; return how many there are by now."""
    files = ds.dataset(log_folder).get_fragments()
    groups = [group for file in files for group in file.split_by_row_group()]
    start = perf_counter()
    coming = ahead(rows_of(groups[n_learned:], models))
    for k, (clicked, least, rows) in enumerate(coming, n_learned + 1):
        for X, (name, (_, model)) in zip(rows, models.items(), strict=True):
            model.partial_fit(X, clicked, classes=[0, 1])
            regret, size = model.progressive_loss_ - least, np.count_nonzero(model.coef_)
            history.append((name, model.t_, least, regret, size))
        regrets = "  ".join(f"{regret:.4f}" for *_, regret, _ in history[-len(models) :])
        print(
            f"{k:2} of {len(groups)} row groups, {perf_counter() - start:.1f} s, "
            f"peak memory {peak_memory():.0f} MB, regrets {regrets}"
        )
        start = perf_counter()
    return len(groups)


history = []
n_learned = learn_new_rows(models, 0, history)

# %%
# Four days later
# ---------------
# The models are saved together with that number, and the process could end here. Then the log
# has three times its length. What was learned goes on where it ended; of the old files nothing is
# read but their footers.

joblib.dump((models, n_learned), folder / "models.joblib")
peak_of_two_days = peak_memory()
del models

for day in range(2, 6):
    write_day(day)
models, n_learned = joblib.load(folder / "models.joblib")
n_learned = learn_new_rows(models, n_learned, history)

growth = peak_memory() - peak_of_two_days
table_size = sum(batch.nbytes for batch in ds.dataset(log_folder).to_batches()) / 2**20
print(f"\nThe log is a table of {table_size:.0f} MB. Four more days of it took {growth:.0f} MB.\n")

# %%
# What was gained
# ---------------
# The pairs take away what no model of single columns can learn. ``l1`` keeps ids at 0 until
# there is evidence: few weights are left, at nearly the same loss. Most of what all the
# pairs bring is noise.

history = pd.DataFrame(history, columns=["model", "rows", "truth", "regret", "weights"])
last_day = history[history["rows"] > 5 * ROWS_PER_DAY].groupby("model", sort=False)
summary = last_day.agg({"truth": "mean", "regret": "mean", "weights": "last"})
summary.insert(1, "loss", summary["truth"] + summary["regret"])
print("The last day:", summary.round(4).to_string(), sep="\n", end="\n\n")

# %%
# A hash cannot be undone, but a table tells what falls on a feature: here, what moves the most
# predictions of a row group by the most.

hasher, model = models["two pairs, l1=1"]
table = pq.ParquetFile(log_folder / "day5.parquet").read_row_group(0, columns=features)
n_rows = np.asarray(hasher.transform(table).sum(axis=0)).ravel()
weights = model.coef_[0]
largest = np.argsort(-np.abs(weights) * n_rows)[:8]
for index, names in hasher.inverse_index(table, largest).items():
    print(f"{weights[index]:+.2f} in {n_rows[index]:6,.0f} rows: {', '.join(names)}")

# %%
# The picture
# -----------
# Left: the loss above that of the truth, of the rows of each row group just before they are
# learned. Right: the weights that are not 0. The dashed line is the pause after two days.

colors = dict(zip(models, ["#666666", "#0072B2", "#009E73", "#D55E00"], strict=True))
plt.rcParams.update({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False})
fig, (left, right) = plt.subplots(1, 2, figsize=(12.5, 5), layout="constrained")
for name, part in history.groupby("model", sort=False):
    style = {"color": colors[name], "linewidth": 2, "marker": "o", "markersize": 4}
    left.plot(part["rows"] / 1e6, part["regret"], label=name, **style)
    right.plot(part["rows"] / 1e6, part["weights"] / 1e3, **style)
for ax in (left, right):
    ax.axvline(2 * ROWS_PER_DAY / 1e6, color="#999999", linestyle="--", linewidth=1)
    ax.set(xlabel="million rows learned", xlim=(0, None), ylim=(0, None))
left.axhline(0, color="black", linewidth=3)
left.annotate("the truth", (0, 0), (8, 6), textcoords="offset points")
left.annotate(
    "saved, then loaded", (2 * ROWS_PER_DAY / 1e6, 0.003), (8, 0), textcoords="offset points"
)
left.set(ylabel="log loss above the truth's")
left.set_title("What is still to be learned", loc="left")
left.legend(frameon=False)
right.set(ylabel="thousand weights that are not 0")
right.set_title("Size of the model", loc="left")
fig.savefig("plot_click_log.png", dpi=150)
print("\nSaved", Path("plot_click_log.png").resolve())
temporary.cleanup()
