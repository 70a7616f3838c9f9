"""
A svmlight file, piece by piece
===============================

``load_svmlight_file`` of scikit-learn reads a piece of a file: it takes the byte to begin at and
the number of bytes. ``FtrlClassifier`` predicts each piece, then learns it. So the file may be
larger than memory, the loss is that of a model in service, and a byte offset is enough to go on
after a pause.
"""  # noqa: D205, D400

from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
from sklearn.datasets import dump_svmlight_file, load_svmlight_file
from sklearn.metrics import log_loss

from sklearn_ftrl import FtrlClassifier
from sklearn_ftrl.datasets import make_click_log
from sklearn_ftrl.preprocessing import ColumnHasher

# %%
# First a file: a click log, hashed.

temporary = TemporaryDirectory()
folder = Path(temporary.name)
path = folder / "log.svm"
hasher = ColumnHasher(n_features=2**18, numeric="bin", interactions=[("id0", "id1")])
with path.open("wb") as file:
    for start in range(0, 200_000, 20_000):
        log = make_click_log(20_000, start=start, random_state=0)
        del log.data["hour"]
        dump_svmlight_file(hasher.transform(log.data), log.target, file)
size = path.stat().st_size
print(f"{path.name} has {size / 2**20:.0f} MB.")

# %%
# A piece begins with the first line that begins in it, and ends with the last such line. So each
# row is in one piece. Two arguments matter, because a piece does not know the others:
# ``n_features`` and ``zero_based``. The indices are int64, which ``FtrlClassifier`` takes as they
# are.

PIECE = 2**21


def serve(model, pieces):
    """Predict, then learn, the pieces of the file that begin at these bytes."""
    for begin in pieces:
        X, y = load_svmlight_file(
            path, n_features=hasher.n_features, zero_based=True, offset=begin, length=PIECE
        )
        if not y.size:  # no line may begin in the last piece
            continue
        served = ""
        if begin > 0:  # no model predicts the first piece
            served = f"loss in service {log_loss(y, model.predict_proba(X)):.4f}"
        model.partial_fit(X, y, classes=[0, 1])
        print(f"{min(1, (begin + PIECE) / size):4.0%}  {model.t_:7,} rows learned  {served}")


# %%
# After half of the file, save the model and the offset of the next piece.

pieces = range(0, size, PIECE)
half = len(pieces) // 2
model = FtrlClassifier(l1=1)
serve(model, pieces[:half])
joblib.dump((model, pieces[half]), folder / "model.joblib")
del model

# %%
# Later, or elsewhere, the model goes on. It ends with the same weights, bit for bit, as without the
# pause.

model, offset = joblib.load(folder / "model.joblib")
serve(model, range(offset, size, PIECE))

print("\nOnce more, without a pause:")
without_pause = FtrlClassifier(l1=1)
serve(without_pause, pieces)
print("The same bits:", np.array_equal(model.coef_, without_pause.coef_))
temporary.cleanup()
