"""The contestants of the training race: ways to make one pass over the rows of a work.

Each is a function of a work and of whether to shuffle. It gets ready what is not timed and
returns the pass as a function, or None where the contestant cannot do such a pass.
"""

import importlib
import tempfile
import warnings

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier

from sklearn_ftrl import FtrlClassifier

from . import plain

FTRL = {"learning_rate": plain.ALPHA, "beta": plain.BETA, "l1": plain.L1, "l2": plain.L2}


class MissingError(Exception):
    """What is needed is not installed, or does not apply; the message is what is shown."""


def ftrl(work, shuffle, dtype=np.float64, **parameters):
    """Return a fit of FtrlClassifier."""
    X = work.X.astype(dtype, copy=False)
    model = FtrlClassifier(
        max_iter=1,
        early_stopping=False,
        average=False,
        shuffle=shuffle,
        random_state=0,
        **FTRL,
    )
    model.set_params(**parameters)
    return lambda: clone(model).fit(X, work.y)


def ftrl_default(work, shuffle):
    """Return a fit of FtrlClassifier whose other parameters have their defaults."""
    model = FtrlClassifier(max_iter=1, shuffle=shuffle, random_state=0)
    return lambda: clone(model).fit(work.X, work.y)


def ftrl_partial_fit(work, shuffle):
    """Return a partial_fit of a model that has learned the rows before."""
    if shuffle:
        return None
    model = FtrlClassifier(**FTRL).partial_fit(work.X, work.y, classes=np.arange(work.n_classes))
    return lambda: model.partial_fit(work.X, work.y)


def sgd(work, shuffle, penalty):
    """Return a fit of SGDClassifier."""
    model = SGDClassifier(
        loss="log_loss",
        penalty=penalty,
        alpha=1 / work.X.shape[0],
        max_iter=1,
        tol=None,
        shuffle=shuffle,
        random_state=0,
    )
    return lambda: clone(model).fit(work.X, work.y)


def saga(work, shuffle):
    """Return a fit of LogisticRegression by SAGA, which always draws rows at random."""
    if not shuffle:
        return None
    model = LogisticRegression(solver="saga", max_iter=1, random_state=0)

    def run():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return clone(model).fit(work.X, work.y)

    return run


def vw(work, shuffle):
    """Return a run of vw --ftrl over a text file: faster than a list of lines from Python."""
    vowpalwabbit = import_peer("vowpalwabbit")
    if shuffle:
        return None
    bits = (work.X.shape[1] - 1).bit_length()
    arguments = (
        f"--ftrl --ftrl_alpha {plain.ALPHA} --ftrl_beta {plain.BETA} --l1 {plain.L1} "
        f"--l2 {plain.L2} --loss_function logistic --bit_precision {bits} --quiet "
    )
    if work.n_classes > 2:
        arguments += f"--oaa {work.n_classes} "
    file = tempfile.NamedTemporaryFile("w", suffix=".vw")  # deleted with the function below
    _write_vw(work, file)
    return lambda: vowpalwabbit.Workspace(f"{arguments} --data {file.name}").finish()


def _write_vw(work, file):
    labels = 2 * work.y - 1 if work.n_classes == 2 else work.y + 1
    X = sparse.csr_array(work.X)
    names, starts = list(map(str, X.indices.tolist())), X.indptr.tolist()
    if (X.data != 1).any():
        names = [f"{name}:{x:.6g}" for name, x in zip(names, X.data.tolist(), strict=True)]
    for i, label in enumerate(labels.tolist()):
        file.write(f"{label} | {' '.join(names[starts[i] : starts[i + 1]])}\n")
    file.flush()


def datatable(work, shuffle):
    """Return a fit of datatable's Ftrl on the table of ids, which it hashes itself."""
    dt = import_peer("datatable")
    if shuffle or work.ids is None:
        return None
    dt.options.nthreads = 1
    dt.options.progress.enabled = False
    rows = dt.Frame(work.ids)
    binary = work.n_classes == 2
    labels = dt.Frame(work.y.astype(bool if binary else np.int32))
    model = import_peer("datatable.models").Ftrl(
        alpha=plain.ALPHA,
        beta=plain.BETA,
        lambda1=plain.L1,
        lambda2=plain.L2,
        nbins=work.X.shape[1],
        nepochs=1,
        double_precision=True,
        model_type="binomial" if binary else "multinomial",
    )

    def run():
        model.reset()
        model.fit(rows, labels)

    return run


def river(work, shuffle):
    """Return a loop of learn_one over dicts."""
    linear_model, optim = import_peer("river.linear_model"), import_peer("river.optim")
    if shuffle or work.n_classes > 2:
        return None
    X = sparse.csr_array(work.X)
    rows = [
        dict(zip(X.indices[start:stop].tolist(), X.data[start:stop].tolist(), strict=True))
        for start, stop in zip(X.indptr[:-1], X.indptr[1:], strict=True)
    ]
    labels = work.y.astype(bool).tolist()

    def run():
        optimizer = optim.FTRLProximal(plain.ALPHA, plain.BETA, plain.L1, plain.L2)
        model = linear_model.LogisticRegression(optimizer=optimizer)
        for row, label in zip(rows, labels, strict=True):
            model.learn_one(row, label)

    return run


def plain_numba(work, shuffle):
    """Return a pass of the yardstick in numba."""
    return _plain(work, shuffle, plain.learn_numba)


def plain_c(work, shuffle):
    """Return a pass of the yardstick in C."""
    try:
        plain.compile_c()
    except FileNotFoundError:
        raise MissingError("no gcc") from None
    return _plain(work, shuffle, plain.learn_c)


def _plain(work, shuffle, learn):
    if work.n_classes > 2:
        return None
    X, y = sparse.csr_array(work.X), work.y.astype(np.float64)
    n_rows = X.shape[0]

    def run():
        order = np.random.default_rng(0).permutation(n_rows) if shuffle else np.arange(n_rows)
        return learn(X, y, order)

    return run


def import_peer(name):
    """Return a module, or raise what the table shows in its place."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingError("not installed") from None


OURS = "FtrlClassifier(average=False)"  # as all others: the weights after the last row
CONTESTANTS = {
    OURS: ftrl,
    "the same, float32 X": lambda *pass_: ftrl(*pass_, dtype=np.float32),
    "the same, n_jobs=2": lambda *pass_: ftrl(*pass_, n_jobs=2),
    "FtrlClassifier(max_iter=1)": ftrl_default,
    "FtrlClassifier.partial_fit, warm": ftrl_partial_fit,
    "SGDClassifier, l2": lambda *pass_: sgd(*pass_, penalty="l2"),
    "SGDClassifier, l1": lambda *pass_: sgd(*pass_, penalty="l1"),
    "LogisticRegression, saga": saga,
    "plain C loop": plain_c,
    "plain numba loop": plain_numba,
    "datatable Ftrl": datatable,
    "vw --ftrl": vw,
    "river FTRLProximal": river,
}
# These learn the first rows alone: about so many non-zeros.
AT_MOST = {
    "LogisticRegression, saga": 10_000_000,
    "vw --ftrl": 10_000_000,
    "river FTRLProximal": 80_000,
}
