"""Candidates of a search that learn the same batches, and what their scores say so far."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import clone, is_classifier
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed

from ._batches import split_pipeline, transform
from ._labels import index_of

FEWEST_BATCHES = 10  # that tell whether a candidate is worse beyond doubt
STANDARD_ERRORS = 3.0
MOST_BATCHES = 1000  # whose scores are kept; of more, two in a row become one


class Candidate(NamedTuple):
    estimator: Any
    transformers: list
    learner: Any


class Race:
    """Candidates that learn the same batches, and what their scores say so far.

    Arrays have an entry a candidate. Those who have stopped are None in ``candidates``, and
    their entries stay as they are. ``error`` tells the last that one of them has raised.
    """

    def __init__(self, search):
        self.params = list(ParameterGrid(search.param_grid))
        if not self.params:
            raise ValueError("param_grid is empty: there is no candidate.")
        names = {name.partition("__")[0] for params in self.params for name in params}
        steps = search.estimator.steps[:-1] if isinstance(search.estimator, Pipeline) else []
        shared = clone(steps, safe=False)
        self.candidates = []
        for params in self.params:
            estimator = clone(search.estimator).set_params(**clone(params, safe=False))
            if steps and names.isdisjoint(["steps", *dict(steps)]):
                estimator.steps = [*shared, estimator.steps[-1]]
            self.candidates.append(Candidate(estimator, *split_pipeline(estimator)))
        self.estimator, self.error = search.estimator, ""
        learners = [candidate.learner for candidate in self.candidates]
        self.scoring = default_scoring(learners) if search.scoring is None else search.scoring
        self.scorer = check_scoring(learners[0], self.scoring)
        if self.scoring == "neg_log_loss":
            self.scorer = _neg_log_loss
        self.n_rows = 0
        self.best = 0
        n = len(self.params)
        self.sizes, self.weights, self.scores = np.empty(0, int), np.empty(0), np.empty((0, n))
        self.means, self.differences, self.errors, self.stopped_at = np.full((4, n), np.nan)
        self.n_rows_of = np.zeros(n, int)

    def living(self):
        """Return the positions of the candidates that go on."""
        return [k for k, candidate in enumerate(self.candidates) if candidate is not None]

    def learn(self, search, X, y, known, learned, scored):
        """Let the candidates predict a batch, score them, and let them learn the batch."""
        living = self.living()
        candidates = [self.candidates[k] for k in living]
        weight = scored["sample_weight"].sum() if "sample_weight" in scored else len(y)
        scorer = self.scorer if self.n_rows and weight > 0 else None
        classes = getattr(candidates[0].learner, "classes_", None)
        if known and classes is not None and not np.array_equal(known["classes"], classes):
            scorer = None  # nobody gives new labels a probability
        if len({tuple(map(id, candidate.transformers)) for candidate in candidates}) == 1:
            X = transform(candidates[0].transformers, X)
            candidates = [candidate._replace(transformers=[]) for candidate in candidates]
        calls = [(candidate, X, y, scorer, scored, learned | known) for candidate in candidates]
        if effective_n_jobs(search.n_jobs) == 1:  # joblib would take a tenth more
            outcomes = [_serve(*call) for call in calls]
        else:
            threads = Parallel(n_jobs=search.n_jobs, require="sharedmem")
            outcomes = threads(delayed(_serve)(*call) for call in calls)
        if all(outcome.failed for outcome in outcomes):  # the batch is to blame
            raise outcomes[0].error
        self.n_rows += len(y)
        self._record(dict(zip(living, outcomes, strict=True)), len(y), weight, search)

    def _record(self, outcomes, size, weight, search):
        """Take the scores of a batch into account; stop those who fail or are left behind."""
        error_score = np.nan if search.error_score == "raise" else search.error_score
        scores = np.full(len(self.params), np.nan)
        for k, outcome in outcomes.items():
            scores[k] = outcome.score if outcome.error is None else error_score
        learned = [k for k, outcome in outcomes.items() if not outcome.failed]
        going = [k for k in learned if np.isfinite(scores[k])]
        if going:
            self.sizes = np.append(self.sizes, size)
            self.weights = np.append(self.weights, weight)
            self.scores = np.vstack([self.scores, scores])
            self._forget(search.window)
        else:  # the batch says nothing of anyone
            going = learned
        for k in outcomes.keys() - going:
            self._stop(k)
            self.means[k], self.differences[k], self.errors[k] = error_score, np.nan, np.nan
        self._rank(going, search.eliminate)
        errors = {k: outcome.error for k, outcome in outcomes.items() if outcome.error is not None}
        for error in errors.values():
            self.error = f" The last error: {error!r}"  # itself, it would hold the batch
        if errors and search.error_score == "raise":
            raise next(iter(errors.values()))
        for k in outcomes.keys() - going:
            reason = repr(errors[k]) if k in errors else f"its score is {scores[k]}"
            warnings.warn(
                f"The candidate {self.params[k]} failed and stops. Its score is set to "
                f"{error_score}. The reason: {reason}",
                FitFailedWarning,
            )
        for k in errors.keys() & going:
            warnings.warn(
                f"Scoring failed. The score of {self.params[k]} on this batch is set to "
                f"{error_score}. The reason: {errors[k]!r}"
            )

    def _forget(self, window):
        """Drop the batches before the window; without one, merge batches that are too many."""
        if window is not None:
            since = self.sizes[::-1].cumsum()[::-1]  # rows from each batch on
            first = max(0, np.count_nonzero(since >= window) - 1)
            self.sizes, self.weights = self.sizes[first:], self.weights[first:]
            self.scores = self.scores[first:]
        elif self.sizes.size >= MOST_BATCHES and self.sizes.size % 2 == 0:
            pairs = self.weights.reshape(-1, 2, 1)
            self.scores = (pairs * self.scores.reshape(len(pairs), 2, -1)).sum(1) / pairs.sum(1)
            self.weights = pairs.sum((1, 2))
            self.sizes = self.sizes.reshape(-1, 2).sum(1)

    def _rank(self, going, eliminate):
        """Find the best of those who go on; stop those who are worse beyond doubt."""
        self.n_rows_of[going] = self.n_rows
        n_batches, weights, total = self.weights.size, self.weights, self.weights.sum()
        if not n_batches:
            self.best = going[0]
            return
        scores = self.scores[:, going]
        means = weights @ scores / total
        best = means.argmax()
        self.best = going[best]
        differences = scores - scores[:, [best]]
        mean = weights @ differences / total
        factor = np.sqrt(n_batches / (n_batches - 1)) if n_batches > 1 else np.nan
        errors = factor * np.sqrt(weights**2 @ (differences - mean) ** 2) / total
        self.means[going], self.differences[going], self.errors[going] = means, mean, errors
        if eliminate and n_batches >= FEWEST_BATCHES:
            for k in np.flatnonzero(mean < -STANDARD_ERRORS * errors):
                self._stop(going[k])

    def _stop(self, k):
        self.candidates[k] = None
        self.stopped_at[k] = self.n_rows

    def results(self):
        """Return the table of candidates, as a dict of columns."""
        columns = {}
        for name in dict.fromkeys(name for params in self.params for name in params):
            column = np.ma.masked_all(len(self.params), object)
            for k, params in enumerate(self.params):
                if name in params:
                    column.data[k], column.mask[k] = params[name], False
            columns[f"param_{name}"] = column
        return columns | {
            "params": list(self.params),
            "mean_test_score": self.means.copy(),
            "mean_difference": self.differences.copy(),
            "standard_error": self.errors.copy(),
            "n_rows": self.n_rows_of.copy(),
            "stopped_at": self.stopped_at.copy(),
        }


class Outcome(NamedTuple):
    score: float
    error: Exception | None
    failed: bool


def _serve(candidate, X, y, scorer, scored, learned):
    """Let a candidate predict a batch, score it, and let it learn the batch."""
    score, error = np.nan, None
    try:
        X = transform(candidate.transformers, X)
        if scorer is not None:
            try:
                score = float(scorer(candidate.learner, X, y, **scored))
            except Exception as raised:
                error = raised
        candidate.learner.partial_fit(X, y, **learned)
    except Exception as raised:
        return Outcome(score, raised, True)
    return Outcome(score, error, False)


def default_scoring(learners):
    """Return the name of the scorer that all candidates can have."""
    if not is_classifier(learners[0]):
        return "neg_mean_squared_error"
    gives = all(hasattr(learner, "predict_proba") for learner in learners)
    return "neg_log_loss" if gives else "accuracy"


def _neg_log_loss(estimator, X, y, sample_weight=None):
    """Return the negative log loss; scikit-learn's scorer would take as long as learning."""
    p = estimator.predict_proba(X)
    eps = np.finfo(p.dtype).eps
    p = p[np.arange(len(y)), index_of(y, estimator.classes_)].clip(eps, 1 - eps)
    return np.average(np.log(p), weights=sample_weight)
