"""FtrlClassifier."""

from typing import ClassVar

import numpy as np
from scipy import sparse
from scipy.special import log_expit, log_softmax, logsumexp, softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from . import _rows
from ._base import BaseFtrl
from ._fitted import LOSS_NAMES
from ._kernel import CLASSIFIER_LOSSES, Loss
from ._labels import all_of, as_labels, factors_of, index_of, one_a_row, superset

SOFTMAX = 2.0  # the rate of the joint loss of many classes by that of two


def _gives_probabilities(estimator):
    loss = getattr(estimator, "_learned_loss", estimator.loss)
    if loss not in ("log_loss", "modified_huber"):
        raise AttributeError(
            f'loss={loss!r} gives no probabilities; "log_loss" and "modified_huber" do.'
        )
    return True


def _bounds_log_odds(estimator):
    loss = getattr(estimator, "_learned_loss", estimator.loss)
    if loss != "log_loss" or len(getattr(estimator, "classes_", [0, 1])) != 2:
        raise AttributeError("uncertainty_score is for the log loss of two classes.")
    return True


def _modified_huber_proba(raw):
    p = (np.clip(raw if raw.shape[1] > 1 else raw * [-1, 1], -1, 1) + 1) / 2
    p[p.sum(axis=1) == 0] = 1.0
    return p / p.sum(axis=1, keepdims=True)


class FtrlClassifier(ClassifierMixin, BaseFtrl):
    """Linear classifier learned online by FTRL-Proximal.

    Use it for many features, few of them non-zero in a row: click logs, texts, tables of ids.
    It learns row by row, and so also from a stream. Each weight has its own learning rate,
    which falls as gradients of this weight come. With ``l1``, a weight is exactly 0 until there
    is enough evidence for it.

    The log loss of more than two classes is that of one joint softmax. The other losses learn
    each class against the rest.

    A row is one step. It changes the FTRL state, z and n, of the features that are not 0 in the
    row. With a weight w, its gradient g = sample weight * dloss/dw, and a learning rate alpha

    ::

        n' = n + g^2
        z' = z + g - (sqrt(n') - sqrt(n)) / alpha * w
        w  = 0                                                 if |z| <= l1
             (sign(z) l1 - z) / ((beta + sqrt(n)) / alpha + l2)    otherwise

    which is Algorithm 1 of [1]_.

    Parameters
    ----------
    loss : {"log_loss", "hinge", "squared_hinge", "modified_huber"}, default="log_loss"
        The loss to minimise. "log_loss" and "modified_huber" give probabilities.
    learning_rate : "auto", float or callable, default="auto"
        Above 0: alpha, the scale of every step. A larger rate learns faster and is noisier.

        - "auto": a number from the scale of the rows, see Notes. Columns that are ten
          times larger or smaller than the typical column learn in units of their own. In a
          stream the rate follows what the rows show.
        - A float: this rate, for all columns.
        - A callable: takes an array of step numbers and returns the array of their rates. A
          step is a row learned; the first has number 0. To pickle the model, use a function of
          a module or a functools.partial of one.

        A new rate, or ``beta``, between two calls of ``partial_fit`` keeps the weights and acts
        on the steps to come.
    learning_rate_power : float, default=-0.5
        -p, 0 or less: the rate of a weight falls as n^-p. 0 is stochastic gradient descent with
        the rate alpha / (1 + beta).
    initial_accumulator_value : float, default=0.0
        0 or more: n of each weight before its first gradient.
    beta : "auto" or float, default="auto"
        0 or more: holds back the first steps. The rate of a weight is alpha / (beta + sqrt(n)).
        "auto": about the size of a first gradient, see Notes.
    l1 : float, default=0.0
        0 or more: the sum of gradients, ``|z|``, that a weight needs to leave 0. A larger value
        gives a sparser model. More rows and more epochs need a larger value.
    l2 : float, default=0.0
        0 or more: shrinks all weights. It adds l2/2 * ||w||^2 once to the sum of the losses of
        all rows and epochs.
    l2_shrinkage : float, default=0.0
        0 or more: pulls a weight towards 0 at each row that touches the weight. It adds the
        gradient of l2_shrinkage * ||w||^2 to z, and nothing to n. Sample weights do not scale
        it.
    clipvalue : float or None, default=None
        Above 0: the largest absolute gradient of a weight. Larger gradients are cut.
    clipnorm : float or None, default=None
        Above 0: the largest norm of a row's gradient, once for all coefficients and once for
        all intercepts. A longer gradient is scaled down.
    global_clipnorm : float or None, default=None
        Above 0: the same for coefficients and intercepts together. Give at most one of the
        three.
    fit_intercept : bool, default=True
        Whether to learn intercepts. If False, an intercept that is there already
        (``warm_start``, ``intercept_init``) stays as it is.
    penalize_intercept : bool, default=False
        Whether ``l1``, ``l2`` and ``l2_shrinkage`` act on the intercept too.
    average : bool, default=True
        Which weights ``fit`` gives. ``partial_fit`` never averages.

        - True: the mean of the weights over the last epoch, or with ``max_iter=1`` over the
          last quarter of the epoch. It is less noisy. The mean is put back into z, so that the
          model can go on learning.
        - False: the weights after the last row, as Keras and vw.
    max_iter : int, default=12
        1 or more: the largest number of epochs of ``fit`` before it retrains.
    tol : float or None, default=1e-3
        0 or more: a gain is a loss that is lower by more than ``tol`` times the first epoch's
        loss. It is the loss of the validation rows, or else of the rows learned. None: ``fit``
        makes all ``max_iter`` epochs.
    n_iter_no_change : int, default=2
        1 or more: epochs without a gain before ``fit`` stops.
    early_stopping : bool or "auto", default="auto"
        Whether ``fit`` chooses the number of epochs by validation rows:

        - False: no validation rows.
        - True: ``validation_fraction`` of the rows. When their loss stops falling, ``fit``
          retrains on all rows, for ``best_iter_`` epochs. ``partial_fit`` refuses it.
        - "auto", more than 5,000 rows: as True.
        - "auto", 20 to 5,000 rows: two-fold validation. Each half of the rows trains a model
          validated on the other half. ``fit`` retrains on all rows for ``best_iter_`` epochs, or
          1.25 times as many, rounded down, where the rate of "auto" rises (see Notes).
        - "auto", fewer rows, or ``max_iter=1``, or ``tol=None``: as False.
        - "auto" with ``shuffle=False``, ``scoring`` or ``warm_start=True``: as True for more
          than 200 rows, else as False.
        - True or "auto", with ``X_val`` in ``fit``: these rows.

        With ``X_val`` or ``warm_start``, ``fit`` does not retrain: the model is that of the
        best epoch.
    validation_fraction : float, default=0.1
        Above 0 and below 1: the share of the rows used for validation, unless it is two-fold, or
        by ``X_val``. They are drawn at random, with the classes in proportion. With
        ``shuffle=False`` they are the last rows.
    scoring : str, callable or None, default=None
        A scorer of scikit-learn for the validation rows. If sample weights differ, it has to
        take them. None: the mean loss, in which sample weights count and class weights do not.
    shuffle : bool, default=True
        Whether ``fit`` shuffles the rows before each epoch. ``partial_fit`` learns them in the
        order given.
    class_weight : dict {label: weight}, "balanced" or None, default=None
        Factors of the sample weights, by class.

        - A dict: a key is the label that it equals; "1" is not 1. A class without a key has
          the factor 1. A key that is no class is an error, if some class has no key.
        - "balanced", in ``fit`` alone: the sum of the sample weights, divided by (n_classes * the
          sum of those of the class).
    n_jobs : int or None, default=None
        Threads. None is 1, whatever joblib is told; -1 is a thread a core.

        - Prediction gives the same bits for any number.
        - In learning, each thread learns a part of the rows on its own copy of the state, and
          the copies are merged by the rule of `merge`. The same number gives the same bits;
          another number gives another model of about the same loss.
        - Each thread needs memory for one more state. Where rows are few for the size of the
          state, one thread learns.
        - If a row fails, or after Ctrl-C, the rows since the last merge are not learned.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the model of the call before.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffling and of the choice of validation rows. Pass an int for the same
        result in each call.
    verbose : int, default=0
        Above 0, ``fit`` prints a line an epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        The weights. Read-only, and computed from the state at each access, with the parameters
        of the last ``fit`` or ``partial_fit``. To set them, call ``fit`` with ``coef_init``. A
        CSR matrix after ``sparsify``.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        The intercepts. Read-only: ``fit`` with ``intercept_init`` sets them.
    z_, n_ : ndarray of the shape of ``coef_``
        The FTRL state: adjusted sums of gradients, and sums of squared gradients. Read-only.
    intercept_z_, intercept_n_ : ndarray of the shape of ``intercept_``
        The FTRL state of the intercepts. Read-only.
    learning_rate_, beta_ : float
        The numbers in use. Of a callable: the rate of the last step.
    t_ : int
        Rows learned: those of positive weight, once for each epoch.
    n_iter_ : int
        Epochs of the last call, without those of the retraining. 1 in ``partial_fit``.
    best_iter_ : int
        The last epoch of ``fit`` with a gain, see ``tol``. The retraining may make more.
        ``partial_fit`` removes it.
    loss_curve_ : list of float
        The weighted mean loss of each of the ``n_iter_`` epochs. The loss of a row is that just
        before the row is learned.
    validation_curve_ : list of float
        The loss of the validation rows after each epoch of ``fit``, or their score if
        ``scoring`` is given. Empty without validation rows; ``partial_fit`` removes it.
    progressive_loss_ : float
        The first of ``loss_curve_``: each row is predicted, then learned. Of new rows in
        ``partial_fit`` it is the loss in service, if labels are known at once. If they come
        later, it is too low: use `model_selection.progressive_val_score`.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if X had names that are all strings.

    See Also
    --------
    FtrlRegressor : The same for numbers.
    merge : One model of models that learned parts of the rows.
    sklearn.linear_model.SGDClassifier : One learning rate for all weights.

    Notes
    -----
    **"auto"** makes predictions independent of the unit of X and of the sample weights, if there
    are no penalties:

    - ``learning_rate_`` is 1 / s; 2 / s for the softmax, 0.5 / s for the other losses. s is the
      root mean square distance of the rows from the mean row, because the intercept absorbs
      what rows have in common. s is at least a third of the root mean square length of the
      rows, and without an intercept it is this length.
    - ``beta_`` is mean(sqrt(``|x|``))^2 * mean(sample weight), over the x that are not 0.
    - The intercept starts at the log-odds of the classes, or at 0 for the other losses. It
      learns like a feature that is rms(x) in each row, the root mean square of the x that are
      not 0.
    - With a ``learning_rate_power`` of -p, ``beta_`` is taken to the power 2p, and
      ``learning_rate_`` is multiplied by (rms(x) * mean(sample weight))^(2p - 1).

    ``fit`` takes the numbers from all rows. With ``learning_rate="auto"``, ``average=True``,
    validation rows and more than one epoch, epoch k has 0.2 (k + 1) times the rate, at most 2.6
    times; else all epochs have the rate.

    ``partial_fit`` takes the numbers from the first rows of a stream: 100 that are not empty, or
    1,000. Until these have come, the model keeps its rows, also in a pickle, and each call learns
    all of them anew. Then ``beta_`` stays.

    **The rate of a stream**: ``learning_rate_`` follows the rows of ``partial_fit``. At t = 1000,
    2000, 4000 and so on it is multiplied by b. The coefficients are multiplied by b too; the
    intercepts stay. Each call first predicts a sample of its rows: b is the factor for all
    coefficients by which these predictions would have had the least loss. Noise, and labels that
    come late, lower b; rare features raise it.

    - One change is at most by 2, all of them by 8 in either direction.
    - The rate rises above its start only if most rows have a feature that no row before had. So
      the rows of a second epoch do not raise it.
    - Calls of fewer than 16 rows do not lower it: a large rate adapts to what changes.
    - `merge`, and with it Dask, takes the mean of the parts' rates.

    **Columns of other sizes**, with ``learning_rate="auto"``:

    - The size of a column is the root mean square of its x that are not 0.
    - Columns ten times larger or smaller than the median size are learned in units of their
      own.
    - In ``partial_fit``, each number that is more than ten times the median size doubles the
      unit of its column. What is still larger is cut: one number may be an accident.
    - ``fit`` measures dense columns of an array from their means, which the intercept takes
      back.
    - ``l1``, ``l2``, ``beta`` and the clips act in these units. ``coef_``, ``z_`` and ``n_`` are
      those of X.

    **float32**: z and n have the type of X at the first fit; arithmetic is float64. In float32, n
    stops growing at about 2**23 times the squares of the gradients that still come.

    **Keras and vw**: the steps are those of Keras' Ftrl at batch size 1, and of ``vw --ftrl``, both
    with ``penalize_intercept=True``. ``l2`` is **twice** Keras' l2_regularization_strength; Keras
    has an initial_accumulator_value of 0.1. The other names are in the documentation, "Migrating".

    References
    ----------
    .. [1] H. B. McMahan et al., "Ad Click Prediction: a View from the Trenches", KDD 2013.
    .. [2] B. Zadrozny and C. Elkan, "Transforming classifier scores into multiclass
       probability estimates", KDD 2002.

    Examples
    --------
    >>> from sklearn.feature_extraction import FeatureHasher
    >>> from sklearn_ftrl import FtrlClassifier
    >>> rows = [[f"site={site}", f"ad={ad}"] for site in "ab" for ad in "12"]
    >>> X = FeatureHasher(2**20, input_type="string", alternate_sign=False).transform(rows)
    >>> model = FtrlClassifier().partial_fit(X, [1, 0, 1, 0], classes=[0, 1])
    >>> model.predict(X)
    array([1, 0, 1, 0])
    """

    _parameter_constraints: ClassVar[dict] = {
        **BaseFtrl._parameter_constraints,
        "loss": [StrOptions(set(CLASSIFIER_LOSSES))],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        loss="log_loss",
        *,
        learning_rate="auto",
        learning_rate_power=-0.5,
        initial_accumulator_value=0.0,
        beta="auto",
        l1=0.0,
        l2=0.0,
        l2_shrinkage=0.0,
        clipvalue=None,
        clipnorm=None,
        global_clipnorm=None,
        fit_intercept=True,
        penalize_intercept=False,
        average=True,
        max_iter=12,
        tol=1e-3,
        n_iter_no_change=2,
        early_stopping="auto",
        validation_fraction=0.1,
        scoring=None,
        shuffle=True,
        class_weight=None,
        n_jobs=None,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.loss = loss
        self.learning_rate = learning_rate
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.beta = beta
        self.l1 = l1
        self.l2 = l2
        self.l2_shrinkage = l2_shrinkage
        self.clipvalue = clipvalue
        self.clipnorm = clipnorm
        self.global_clipnorm = global_clipnorm
        self.fit_intercept = fit_intercept
        self.penalize_intercept = penalize_intercept
        self.average = average
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.shuffle = shuffle
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Learn the rows once, in the order given; call it again with the next rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to learn from, as in ``fit``.
        y : array-like of shape (n_samples,)
            Their class labels.
        classes : array-like of shape (n_classes,), default=None
            All labels known so far, required in the first call. A later call may name more:
            the model grows, and what it predicts of the labels before stays the same.
        sample_weight : array-like of shape (n_samples,), default=None
            Factors, 0 or more, of each row's loss. A row of weight 0 is left out.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter or an argument is not valid; the model is then as it was before.
            Also if a row's loss or gradient is too large for the state: the rows before it
            are then learned, and ``t_`` counts them.
        """
        self._validate_params()  # _fit_context passes a fitted estimator by
        if self.class_weight == "balanced":
            raise ValueError(
                'class_weight="balanced" needs all of y, and partial_fit, as Dask, sees a part. '
                "Pass a dict, of a y that is typical: "
                "dict(zip(classes, compute_class_weight('balanced', classes=classes, y=y)))."
            )
        if classes is None and not hasattr(self, "classes_"):
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._partial_fit(X, y, sample_weight, classes=classes)

    def predict(self, X):
        """Return the most probable class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Class labels.
        """
        return self._predict(self._raw_predictions(X))

    def _predict(self, raw):
        return self.classes_[raw.argmax(axis=1) if raw.shape[1] > 1 else (raw[:, 0] > 0) * 1]

    def decision_function(self, X):
        """Return the decision function: the log-odds of two classes, or a number for each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        raw : ndarray of shape (n_samples,) or (n_samples, n_classes)
            ``X @ coef_.T + intercept_``; for two classes, above 0 means ``classes_[1]``.
        """
        return self._decision_function(self._raw_predictions(X))

    def _decision_function(self, raw):
        return raw if raw.shape[1] > 1 else raw[:, 0]

    @available_if(_gives_probabilities)
    def predict_proba(self, X):
        """Return the probability of each class, for the losses that give one.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of ``classes_``. "modified_huber": those of
            Zadrozny and Elkan, clipped to [0, 1] and, of more than two classes, normalised.
        """
        return self._predict_proba(self._raw_predictions(X))

    def _predict_proba(self, raw):
        if self._learned_loss != "log_loss":
            return _modified_huber_proba(raw)
        if raw.shape[1] > 1:
            return softmax(raw, axis=1)
        p = np.hstack([raw, -raw])  # 1 / (1 + exp(-raw)) in place: a fifth of the time of expit
        with np.errstate(over="ignore"):
            np.exp(p, out=p)
        p += 1.0
        return np.reciprocal(p, out=p)

    @available_if(_gives_probabilities)
    def predict_log_proba(self, X):
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            Log-probabilities, in the order of ``classes_``. "log_loss": finite where p
            rounds to 0.
        """
        return self._predict_log_proba(self._raw_predictions(X))

    def _predict_log_proba(self, raw):
        if self._learned_loss == "log_loss":
            return log_softmax(raw, axis=1) if raw.shape[1] > 1 else log_expit(raw * [-1, 1])
        with np.errstate(divide="ignore"):
            return np.log(_modified_huber_proba(raw))

    @available_if(_bounds_log_odds)
    def uncertainty_score(self, X):
        """Return how far one more example like each row could move its log-odds, at most.

        Only for the log loss of two classes.

        Rows of features that have been seen little score high: their prediction is worth least.
        To choose rows to label, draw them by the score. It is the score of section 6 of
        McMahan et al. for any value of a feature,

        ::

            sum_i x_i^2 alpha / (beta + n_i^p)

        the intercept included, since a gradient is at most 1 times x.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        score : ndarray of shape (n_samples,)
            0 or more, in log-odds: a bound for a row of sample weight 1, without
            ``l2_shrinkage``. inf where beta is 0 and a feature was never seen.

        Raises
        ------
        ValueError
            If X is not valid, or the model is sparsified.
        AttributeError
            With another loss, or more classes.
        """
        learner = self._learned()
        X = _rows.validate(self, X, dtype=learner.dtype, reset=False)
        return learner.step_bounds(_rows.as_rows(sparse.csr_array(X), self))

    def score(self, X, y, sample_weight=None):
        """Return the accuracy: the part of the rows whose label is the one predicted.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.
        y : array-like of shape (n_samples,)
            Their class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        accuracy : float
            From 0 to 1.

        Raises
        ------
        ValueError
            If X is not valid, or a label is missing.
        """
        return super().score(X, as_labels(y), sample_weight)  # metrics refuse numbers as objects

    def _loss(self):
        return Loss(CLASSIFIER_LOSSES[self.loss], 0.0)

    def _target_scales(self, y, weights):
        """Return the scales of raw predictions and of the loss's slope, and intercepts."""
        if self.loss != "log_loss":
            return 0.5, 1.0, None
        counts = np.bincount(y.astype(int), weights, self.classes_.size) / weights.mean() + 0.5
        logits = np.log(counts / counts.sum())
        if logits.size == 2:
            return 1.0, 1.0, logits[1:] - logits[0]
        return SOFTMAX, 1.0, logits

    def _n_outputs(self):
        return self.classes_.size if self.classes_.size > 2 else 1

    def _shaped(self, array):
        return array

    def _as_y(self, y):
        return one_a_row(as_labels(y))

    def _encode(self, y, fresh, classes=None):
        """Learn the labels or check them; return the index of each."""
        if fresh:
            self.classes_ = all_of(y, classes)
        elif classes is not None:
            self.classes_ = superset(classes, self.classes_)
        return index_of(y, self.classes_)

    def _grown(self, learner, classes):
        """Return a learner of these classes as one of all classes of now."""
        at, n_classes = index_of(classes, self.classes_), self.classes_.size
        loss, scales = LOSS_NAMES[learner.numbers.loss.code], learner.scales
        joint = loss == "log_loss"
        if scales is not None:
            rate = scales.rate * (SOFTMAX if joint and classes.size == 2 else 1.0)
            scales = scales._replace(rate=rate, intercept=None)
        model = learner.grown(
            at, n_classes, self.initial_accumulator_value, 0.5 if joint else 1.0, scales
        )
        if hasattr(self, "_first_rows"):
            targets = at[self._first_rows.targets.astype(int)].astype(np.float64)
            self._first_rows = self._first_rows._replace(targets=targets)
        prox = learner.numbers.intercept_prox
        if learner.numbers.fit_intercept and (prox.beta > 0 or prox.l2 > 0):
            intercepts = np.full(n_classes, -1.0)
            if joint:  # the odds of a class of which half a row has come
                odds = 0.5 / (learner.t + 0.5 * n_classes - 0.5)
                intercepts[:] = np.log(odds) + logsumexp(model.intercepts()[at])
            intercepts[at] = model.intercepts()[at]
            model.set_intercepts(intercepts)
        return model

    def _weigh(self, sample_weight, targets, y):
        """Return the weights times those of the classes."""
        if self.class_weight is None:
            return sample_weight
        factors = factors_of(self.class_weight, self.classes_, targets, sample_weight)
        return sample_weight * factors[targets]
