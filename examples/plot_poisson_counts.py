"""
Counts over different times
===========================

Claims in a year, faults in a shift, clicks in a day: counts come with an exposure, the time or the
number of chances they had. A rate is learned from ``count / exposure`` with the exposure as sample
weight, by the Poisson loss.
"""  # noqa: D205, D400

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import mean_poisson_deviance

from sklearn_ftrl import FtrlRegressor
from sklearn_ftrl.preprocessing import ColumnHasher

# %%
# 100,000 contracts of 2000 models of cars in 50 regions. Most last less than a year. The claims of
# a contract are drawn from a Poisson distribution, whose mean is the exposure times a rate that
# has a factor for the car, one for the region and one for the driver's age.

rng = np.random.default_rng(0)
n = 100_000
car = np.minimum(rng.zipf(1.5, n), 2_000) - 1
region, age = rng.integers(0, 50, n), rng.integers(18, 80, n)
car_factor, region_factor = np.exp(rng.normal(0, 0.5, 2_000)), np.exp(rng.normal(0, 0.3, 50))
exposure = rng.beta(0.7, 0.7, n).clip(0.02)
rate = 0.15 * car_factor[car] * region_factor[region] * np.where(age < 26, 2.0, 1.0)
count = rng.poisson(exposure * rate)
print(f"{n} contracts of {exposure.mean():.2f} years on average, {count.sum()} claims")

table = {"car": car, "region": region, "age": age // 4}
X = ColumnHasher(2**16).transform(table)
train, test = slice(0, 70_000), slice(70_000, None)

# %%
# With the exposure as weight v, the gradient of a row is v (exp(s) - count / v) x: that of a
# Poisson model with an offset log(v). Two other ways are common, and worse: to leave the
# weights out, so that one claim in a week counts as a rate of 52 a year, and to learn counts as
# they are, as if all contracts were of the same length.

y = count / exposure
model = FtrlRegressor("poisson", random_state=0)
p = {
    "exposure as weight": model.fit(X[train], y[train], exposure[train]).predict(X[test]),
    "no weights": model.fit(X[train], y[train]).predict(X[test]),
    "counts as they are": model.fit(X[train], count[train]).predict(X[test]),
    "one rate for all": np.full(n - 70_000, count[train].sum() / exposure[train].sum()),
}
for name, each in p.items():
    deviance = mean_poisson_deviance(y[test], each, sample_weight=exposure[test])
    expected = (each * exposure[test]).sum()
    print(f"{name:>20}: deviance {deviance:.4f}, {expected:.0f} claims expected")
truth = mean_poisson_deviance(y[test], rate[test], sample_weight=exposure[test])
print(f"{'the true rates':>20}: deviance {truth:.4f}; {count[test].sum()} claims came")

# %%
# The picture
# -----------
# Left: contracts in 20 bins by the predicted rate, over the true rate in each. Right: what the
# model has learned about the driver's age, which no weight of a straight line could tell.

colors = ["#0072B2", "#D55E00", "#E69F00"]
plt.rcParams.update({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False})
fig, (left, right) = plt.subplots(1, 2, figsize=(12.5, 5), layout="constrained")
for (name, each), color in zip(p.items(), colors, strict=False):
    bins = np.array_split(np.argsort(each), 20)
    true = [np.average(rate[test][b], weights=exposure[test][b]) for b in bins]
    left.plot([each[b].mean() for b in bins], true, "o-", ms=5, color=color, label=name)
left.plot([0.05, 1], [0.05, 1], ":", color="#666666")
left.set(xscale="log", yscale="log", xlabel="predicted rate", ylabel="true rate, a year")
left.set_title("Claims a year", loc="left")
left.legend(frameon=False)

ages = np.unique(age[test] // 4)
of_age = [age[test] // 4 == a for a in ages]
best = p["exposure as weight"]
predicted = [np.average(best[rows], weights=exposure[test][rows]) for rows in of_age]
observed = [count[test][rows].sum() / exposure[test][rows].sum() for rows in of_age]
right.plot(4 * ages, predicted, "o-", color=colors[0], linewidth=2, label="predicted")
right.plot(4 * ages, observed, "s", color="#666666", fillstyle="none", ms=8, label="observed")
right.set(xlabel="age of the driver", ylabel="claims a year", ylim=(0, None))
right.set_title("By age, in bins of four years", loc="left")
right.legend(frameon=False)
plt.show()
