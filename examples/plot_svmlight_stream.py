"""
A svmlight file, piece by piece
===============================

``load_svmlight_file`` of scikit-learn can read a piece of a file: it is told at which byte to
begin, and how many to read. ``FtrlClassifier`` learns the pieces one after the other, so the file
may be larger than memory, and a byte offset is all it takes to go on after a pause.
"""  # noqa: D205, D400

from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from sklearn_ftrl import FtrlClassifier
from sklearn_ftrl.datasets import make_click_log
from sklearn_ftrl.preprocessing import ColumnHasher

# %%
# A file to begin with: a click log, hashed.

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
# A piece begins with the first line that begins in it and ends with the last one, so the pieces
# have each row once. Their indices are int64, which ``FtrlClassifier`` takes as they are. Two
# arguments matter: a piece does not know how many features the others have, nor whether
# theirs are counted from 0.

PIECE = 2**21


def learn(model, pieces):
    """Learn the pieces of the file that begin at these bytes."""
    for begin in pieces:
        X, y = load_svmlight_file(
            path, n_features=hasher.n_features, zero_based=True, offset=begin, length=PIECE
        )
        if y.size:  # no line may begin in the last piece
            model.partial_fit(X, y, classes=[0, 1])
            done = min(1, (begin + PIECE) / size)
            print(f"{done:4.0%}  {model.t_:7,} rows  loss {model.progressive_loss_:.4f}")


# %%
# After half of the file the model is saved with the offset of the next piece.

pieces = range(0, size, PIECE)
half = len(pieces) // 2
model = FtrlClassifier(l1=1)
learn(model, pieces[:half])
joblib.dump((model, pieces[half]), folder / "model.joblib")
del model

# %%
# Later, or elsewhere, it goes on there, and ends with the weights, bit for bit, that it would
# have without the pause.

model, offset = joblib.load(folder / "model.joblib")
learn(model, range(offset, size, PIECE))

print("\nOnce more, without a pause:")
without_pause = FtrlClassifier(l1=1)
learn(without_pause, pieces)
print("The same bits:", np.array_equal(model.coef_, without_pause.coef_))
temporary.cleanup()
