"""The contestants of the pipeline race: ways from a Parquet table of strings to a model.

Each is a function of a log and of the pairs of columns to cross, which returns the way as a
function. That returns a function in turn, which predicts the test rows and is not timed.
"""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss

from sklearn_ftrl import FtrlClassifier
from sklearn_ftrl.datasets import make_click_log
from sklearn_ftrl.preprocessing import ColumnHasher

from . import plain
from .contestants import FTRL, import_peer
from .works import N_FIELDS

BITS = 20
ROWS_PER_BATCH = 50_000
N_TEST = 50_000
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # vw crosses namespaces by these


class Log(NamedTuple):
    """A table in a file, and test rows that come after it, whose probabilities are known."""

    path: Path
    n_rows: int
    pairs: list[tuple[str, str]]
    test: pa.RecordBatch
    clicked: np.ndarray
    least_loss: float

    def batches(self, dictionaries=False):
        """Yield the ids and the clicks of some rows at a time."""
        columns = self.test.schema.names if dictionaries else []
        options = pa.dataset.ParquetReadOptions(dictionary_columns=columns)
        form = pa.dataset.ParquetFileFormat(read_options=options)
        dataset = pa.dataset.dataset(self.path, format=form)
        for batch in dataset.to_batches(batch_size=ROWS_PER_BATCH):
            yield batch.select(self.test.schema.names), batch["clicked"].to_numpy()

    def regret(self, probability):
        """Return by how much the log loss of the test rows is above that of the truth."""
        return log_loss(self.clicked, probability) - self.least_loss


def write_log(folder, n_rows):
    """Write a log of 39 columns of ids, of which ten pairs have weights of their own."""
    path = folder / "log.parquet"
    writer = None
    for start in range(0, n_rows, ROWS_PER_BATCH):
        part = _part(start, min(ROWS_PER_BATCH, n_rows - start))
        table = pa.table(part.data | {"clicked": part.target})
        writer = writer or pa.parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    writer.close()
    test = _part(n_rows, N_TEST)
    least_loss = log_loss(test.target, test.probability)
    return Log(path, n_rows, test.interactions, pa.record_batch(test.data), test.target, least_loss)


def _part(start, n_rows):
    log = make_click_log(
        n_rows,
        cardinalities=np.geomspace(10, 1e5, N_FIELDS).astype(int),
        n_counts=0,
        n_interactions=10,
        start=start,
        random_state=0,
    )
    del log.data["hour"]
    return log


def ftrl(log, pairs, in_threads=True):
    """Hash with ColumnHasher, learn with FtrlClassifier: at the same time, or one by one."""
    hasher = ColumnHasher(2**BITS, interactions=pairs)

    def run():
        model = FtrlClassifier(**FTRL)
        batches = log.batches(dictionaries=True)
        if in_threads:
            rows = ahead(hasher.transform, batches)
        else:
            rows = ((hasher.transform(ids), clicked) for ids, clicked in batches)
        for X, clicked in rows:
            model.partial_fit(X, clicked, classes=[0, 1])
        return lambda: model.predict_proba(hasher.transform(log.test))[:, 1]

    return run


def ahead(transform, batches):
    """Yield batches transformed, a thread a core, while the ones before are learned."""
    n_threads = os.cpu_count()
    coming = deque()
    with ThreadPoolExecutor(n_threads) as threads:
        for ids, clicked in batches:
            coming.append((threads.submit(transform, ids), clicked))
            if len(coming) > n_threads:
                rows, learned = coming.popleft()
                yield rows.result(), learned
        for rows, clicked in coming:
            yield rows.result(), clicked


def sgd(log, pairs):
    """Hash with FeatureHasher, learn with SGDClassifier."""
    hasher = FeatureHasher(2**BITS, input_type="string", alternate_sign=False)

    def to_rows(ids):
        named = {
            name: pc.binary_join_element_wise(name, ids[name], "=") for name in ids.schema.names
        }
        crossed = [pc.binary_join_element_wise(named[a], named[b], " ") for a, b in pairs]
        columns = [column.to_pylist() for column in [*named.values(), *crossed]]
        return hasher.transform(zip(*columns, strict=True))

    def run():
        model = SGDClassifier("log_loss", learning_rate="constant", eta0=0.01, random_state=0)
        for ids, clicked in log.batches():
            model.partial_fit(to_rows(ids), clicked, classes=[0, 1])
        return lambda: model.predict_proba(to_rows(log.test))[:, 1]

    return run


def vw(log, pairs):
    """Write text, which vw --ftrl then reads, hashes and learns."""
    vowpalwabbit = import_peer("vowpalwabbit")
    letter = dict(zip(log.test.schema.names, LETTERS, strict=False))
    arguments = (
        f"--ftrl --ftrl_alpha {plain.ALPHA} --ftrl_beta {plain.BETA} --l1 {plain.L1} "
        f"--l2 {plain.L2} --loss_function logistic --link logistic --bit_precision {BITS} --quiet "
    )
    arguments += " ".join(f"--quadratic {letter[a]}{letter[b]}" for a, b in pairs)
    text = log.path.with_suffix(".vw")

    def to_lines(ids, labels):
        parts = [labels]
        for name in ids.schema.names:
            parts += [f" |{letter[name]} ", ids[name]]
        return pc.binary_join_element_wise(*parts, "\n", "")

    def run():
        with text.open("wb") as file:
            for ids, clicked in log.batches():
                lines = to_lines(ids, pa.array(2 * clicked - 1).cast("string"))
                file.write(lines.buffers()[2])
        model = vowpalwabbit.Workspace(f"{arguments} --data {text}")
        lines = to_lines(log.test, "")
        return lambda: [model.predict(line) for line in lines.to_pylist()]

    return run


def datatable(log, pairs):
    """Hand batches to datatable's Ftrl, which hashes and learns with a thread a core."""
    dt, models = import_peer("datatable"), import_peer("datatable.models")

    def to_frame(ids):
        return dt.Frame(pa.table(ids))

    def run():
        dt.options.nthreads = os.cpu_count()
        dt.options.progress.enabled = False
        model = models.Ftrl(
            alpha=plain.ALPHA,
            beta=plain.BETA,
            lambda1=plain.L1,
            lambda2=plain.L2,
            nbins=2**BITS,
            nepochs=1,
            double_precision=True,
            interactions=[list(pair) for pair in pairs] or None,
            model_type="binomial",
        )
        for ids, clicked in log.batches():
            model.fit(to_frame(ids), dt.Frame(clicked.astype(bool)))
        return lambda: model.predict(to_frame(log.test))["True"].to_numpy()[:, 0]

    return run


OURS = "ColumnHasher, FtrlClassifier"
PIPELINES = {
    OURS: ftrl,
    "the same, in one thread": partial(ftrl, in_threads=False),
    "FeatureHasher, SGDClassifier": sgd,
    "vw --ftrl": vw,
    "datatable Ftrl": datatable,
}
