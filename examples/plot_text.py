"""
Which library is this docstring from?
=====================================

Text is the oldest use of sparse linear models. The texts are at hand: the docstrings of scientific
packages that are installed. The classes are the packages, so the loss is one softmax over all.
"""  # noqa: D205, D400

import ast
import importlib.util
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.metrics import ConfusionMatrixDisplay, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_ftrl import FtrlClassifier

# %%
# The sources are parsed, and nothing is imported. A docstring shorter than 200 letters tells too
# little. Names of the packages are taken out, as they would give the answer away, and so are
# examples.

libraries = ["matplotlib", "numpy", "pandas", "scipy", "sklearn"]
aliases = re.compile(
    r"\b(matplotlib|mpl|plt|pyplot|numpy|np|ndarrays?|pandas|pd|scipy|sklearn|scikit|learn)\b"
)
texts = {}
for library in libraries:
    for path in sorted(Path(importlib.util.find_spec(library).origin).parent.rglob("*.py")):
        if "tests" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8", errors="ignore"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                text = re.sub(r"(?m)^\s*(>>>|\.\.\.).*$", "", ast.get_docstring(node) or "")
                text = aliases.sub(" ", text.lower())
                if len(text) >= 200:
                    texts[text] = library
X, y = list(texts), np.array(list(texts.values()))
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)
print({library: int((y == library).sum()) for library in libraries})

# %%
# Single words, weighted by tf-idf. Rows have the length 1 then.

words = make_pipeline(CountVectorizer(token_pattern=r"[a-z_]{3,}", min_df=3), TfidfTransformer())
A_train, A_test = words.fit_transform(X_train), words.transform(X_test)
for l1 in [0, 0.3, 1, 3]:
    model = FtrlClassifier(l1=l1, tol=1e-2, random_state=0).fit(A_train, y_train)
    size, loss = np.count_nonzero(model.coef_), log_loss(y_test, model.predict_proba(A_test))
    accuracy = model.score(A_test, y_test)
    print(f"l1={l1}: {size} weights, log loss {loss:.3f}, accuracy {accuracy:.1%}")

# %%
# The picture
# -----------
# Left: what is taken for what. Right: the words with the largest weights. A softmax leaves the sum
# of a word's weights open, so they are shown against the mean over the classes.

model = FtrlClassifier(l1=0.1, tol=1e-2, random_state=0).fit(A_train, y_train)
plt.rcParams.update({"font.size": 12})
fig, (left, right) = plt.subplots(1, 2, figsize=(12.5, 5), layout="constrained")
ConfusionMatrixDisplay.from_predictions(
    y_test, model.predict(A_test), normalize="true", values_format=".0%", cmap="Blues", ax=left,
    colorbar=False,
)  # fmt: skip
left.set_title("Part of each library's docstrings", loc="left")
weights = model.coef_ - model.coef_.mean(axis=0)
names = words[0].get_feature_names_out()
colors = ["#0072B2", "#009E73", "#E69F00", "#D55E00", "#666666"]
for c, (library, color) in enumerate(zip(model.classes_, colors, strict=True)):
    right.text(c / 5 + 0.01, 1.0, library, color=color, weight="bold", va="top")
    for k, j in enumerate(np.argsort(-weights[c])[:11]):
        right.text(c / 5 + 0.01, 0.91 - 0.082 * k, names[j][:13], color=color, va="top", size=11)
right.set_axis_off()
right.set_title("Words with the largest weights", loc="left")
plt.show()
