"""FtrlClassifier."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from numbers import Real
from typing import ClassVar

import numpy as np
from scipy import sparse
from scipy.special import log_expit, log_softmax, logsumexp, softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from . import _rows
from ._base import BaseFtrl
from ._fitted import LOSS_NAMES
from ._kernel import CLASSIFIER_LOSSES, Loss

SOFTMAX = 2.0  # the rate of the joint loss of many classes by that of two
NUMBERS = (bool, int, float, np.bool, np.integer, np.floating)


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


def as_labels(y, name="y"):
    """Return labels as an array without missing ones; objects that are numbers as numbers."""
    # Of a list, numpy would make texts where NaN or numbers stand beside texts.
    is_array = hasattr(y, "__array__")
    labels = np.asarray(y, None if is_array else object)
    if labels.ndim == 0:  # None or a sparse matrix: for scikit-learn to refuse
        return y
    types = set(map(type, labels.ravel())) if labels.dtype == object else set()
    if types <= {str, int, bool}:
        missing = labels != labels
    else:
        missing = np.frompyfunc(_is_missing, 1, 1)(labels).astype(bool)
    if missing.any():
        label = labels[missing][0]
        raise ValueError(
            f"Input {name} contains {'NaN' if isinstance(label, Real) else label}. Leave out rows "
            "whose label is missing."
        )
    if types == {str} and not is_array:
        labels = labels.astype(str)
    elif types and all(issubclass(each, NUMBERS) for each in types):
        with suppress(OverflowError):  # integers of more than 64 bits stay objects
            labels = labels.astype(np.result_type(*types))
    return labels


def _is_missing(label):
    try:
        return label is None or bool(label != label)
    except TypeError:  # NA of pandas says neither yes nor no
        return True


def distinct(y):
    """Return the labels in y, sorted; raise scikit-learn's error for what is no label."""
    try:
        labels = np.unique(y)
    except TypeError as error:
        types = sorted({type(label).__name__ for label in y.tolist()})
        raise ValueError(
            f"y has labels of the types {types}, and they must be of one type that can be sorted."
        ) from error
    # Of objects, scikit-learn knows texts alone, and says what to do with sequences.
    if labels.dtype != object or all(isinstance(label, Sequence) for label in labels[:1]):
        # A look at all labels is slow, but it warns of too many classes.
        check_classification_targets(y if labels.size > 20 else labels)
    return labels


def named(classes):
    """Return the labels that the caller has named, sorted."""
    try:
        return np.unique(as_labels(classes, "classes"))
    except TypeError as error:
        raise TypeError(f"classes={classes!r} must be labels of one type.") from error


def index_of(y, classes):
    """Return the index of each label in classes."""
    try:
        if classes.size == 2:
            index = (y == classes[1]).astype(np.int8)
            unseen = y[(index == 0) & (y != classes[0])]
        else:
            index = np.searchsorted(classes, y)
            index[index == classes.size] = 0
            unseen = y[classes[index] != y]
    except TypeError:  # labels that cannot be compared, as strings and numbers
        unseen = y
    if unseen.size:
        known = classes.tolist()
        unseen = {repr(label): label for label in unseen.tolist() if label not in known}
        raise ValueError(
            f"y contains previously unseen labels: {list(unseen.values())[:5]} are not among "
            f"classes_, {classes!r}. partial_fit(X, y, classes=...) with all labels, old and new, "
            "lets a model learn more of them."
        )
    return index


def factors_of(class_weight, classes, targets, sample_weight):
    """Return the weight of each class."""
    if class_weight == "balanced":
        of_class = np.bincount(targets, sample_weight, classes.size)
        equal = sample_weight.sum() / classes.size
        return np.divide(equal, of_class, out=of_class, where=of_class > 0)
    factors, has_key, strangers = np.ones(classes.size), np.zeros(classes.size, bool), []
    index = {label: i for i, label in enumerate(classes)}
    for key, weight in class_weight.items():
        at = [index[key]] if key in index else [i for a, i in index.items() if _equal(key, a)]
        factors[at], has_key[at] = weight, True
        if not at:
            strangers.append(key)
    if strangers and not has_key.all():
        raise ValueError(
            f"class_weight has keys that are no classes, {strangers}, and no key for the classes "
            f"{classes[~has_key].tolist()}."
        )
    return factors


def _equal(key, label):
    """Return whether a key is a label; equal ones may differ in their hash, as float32's."""
    try:
        return bool(_moment(key) == _moment(label))
    except (OverflowError, TypeError, ValueError):  # huge numbers, NA, a tuple beside a number
        return False


def _moment(label):
    """Return what numpy compares rightly with its nanoseconds, if the label is a datetime."""
    return np.datetime64(label) if type(label) is datetime and label.tzinfo is None else label


def _modified_huber_proba(raw):
    p = (np.clip(raw if raw.shape[1] > 1 else raw * [-1, 1], -1, 1) + 1) / 2
    p[p.sum(axis=1) == 0] = 1.0
    return p / p.sum(axis=1, keepdims=True)


class FtrlClassifier(ClassifierMixin, BaseFtrl):
    """Linear classifier learned online by FTRL-Proximal.

    Made for sparse, high-dimensional rows that come as a stream: click logs, text,
    tables of ids. Each coordinate has its own learning rate, which shrinks with the
    gradients that coordinate has seen, and ``l1`` keeps weights at exactly 0 until
    enough evidence has come.

    The log loss of more than two classes is that of one joint softmax; the other losses
    learn each class against the rest. A row is
    one step: with weights w, gradient g = sample weight * dloss/dw and a learning rate
    alpha, each coordinate of the row does

    ::

        n' = n + g^2
        z' = z + g - (sqrt(n') - sqrt(n)) / alpha * w
        w  = 0                                                 if |z| <= l1
             (sign(z) l1 - z) / ((beta + sqrt(n)) / alpha + l2)    otherwise

    which is Algorithm 1 of [1]_.

    Parameters
    ----------
    loss : {"log_loss", "hinge", "squared_hinge", "modified_huber"}, default="log_loss"
        The loss to be minimised. "log_loss" and "modified_huber" give probabilities.
    learning_rate : "auto", float or callable, default="auto"
        alpha, above 0: the scale of every step. Larger learns faster and forgets faster. "auto"
        takes it from the length of the first rows, see Notes. A callable takes an array of
        step numbers from 0, one a row learned, and returns the array of their rates. Use a
        function of a module, or functools.partial of one, where the model has to be pickled.
    learning_rate_power : float, default=-0.5
        -p, 0 or less: the learning rate falls as n^-p with the sum n of squared gradients. 0
        is plain stochastic gradient descent at the rate alpha / (1 + beta).
    initial_accumulator_value : float, default=0.0
        0 or more: n of every coordinate before its first gradient.
    beta : "auto" or float, default="auto"
        0 or more: holds back the first steps of a coordinate, by a rate of about
        alpha / (beta + sqrt(n)). "auto" takes it from the size of the first gradients, see
        Notes.
    l1 : float, default=0.0
        0 or more: how much evidence a weight needs to leave 0, as a sum of gradients, so more
        rows need more of it. Larger gives sparser models.
    l2 : float, default=0.0
        0 or more: shrinks all weights. It adds l2/2 * ||w||^2 once to the sum of the losses
        over all rows, as the paper's lambda_2 does.
    l2_shrinkage : float, default=0.0
        0 or more: adds the gradient of l2_shrinkage * ||w||^2 at each row to z, for the weights
        that the row touches, and does not count it in n. Sample weights do not scale it.
    clipvalue : float or None, default=None
        Above 0: the largest absolute gradient of a weight; larger ones are cut.
    clipnorm : float or None, default=None
        Above 0: the largest norm of a row's gradient, of all coefficients together and of all
        intercepts together; a longer one is scaled down.
    global_clipnorm : float or None, default=None
        Above 0: the same of coefficients and intercepts as one. At most one of the three
        may be given.
    fit_intercept : bool, default=True
        Whether to learn an intercept, one for each output. If not, one that is there already
        (``warm_start``, ``intercept_init``) stays as it is.
    penalize_intercept : bool, default=False
        Whether ``l1``, ``l2`` and ``l2_shrinkage`` act on the intercept too.
    average : bool, default=True
        Whether ``fit`` gives the mean of the weights over its last epoch, which the noise of the
        last steps does not move. False: the last iterate, as Keras and vw have it.
        ``partial_fit`` never averages.
    max_iter : int, default=1000
        Most passes over the rows that ``fit`` makes before a refit, see ``early_stopping``.
        ``partial_fit`` makes one.
    tol : float or None, default=3e-3
        The passes end when the loss has not fallen by more than ``tol`` times the first pass's
        for ``n_iter_no_change`` passes. It is the loss of the rows held out, if there are
        some, else that of the rows learned. None: all ``max_iter`` passes are made.
    n_iter_no_change : int or "auto", default="auto"
        Passes without gain before they end. "auto": 5, or where rows are held out as many as
        led to the best pass, if these are more: the later a gain, the longer it takes.
    early_stopping : bool or "auto", default="auto"
        Whether ``fit`` holds rows out, finds the pass that predicts them best, up to ``tol``,
        and is then refitted on all rows in as many passes. With rows of your own, ``X_val``,
        and with ``warm_start``, as the next ``fit`` may be judged by the same rows, there is
        no refit: the model is that of the best pass. "auto": if ``X_val`` is given, or if
        there are passes to choose between (``max_iter`` above 1, ``tol`` not None) and enough
        rows. Of more than 5000, a part is held out, as by True. Of 20 to 5000, two models learn
        a half each, and the other half judges them. Where halves may not (not ``shuffle``,
        ``scoring``, ``warm_start``), a part is held out of more than 200.
    validation_fraction : float, default=0.1
        The part of the rows that is held out, between 0 and 1: drawn at random, with the
        classes in proportion, or the last ones if not ``shuffle``. Not used where halves judge
        each other.
    scoring : str, callable or None, default=None
        A scorer of scikit-learn's that judges the rows held out, if there are some, see
        ``early_stopping``. It has to take sample weights if there are any. None: their mean
        loss, in which sample weights count and class weights do not.
    shuffle : bool, default=True
        Whether ``fit`` takes the rows in a new random order in each pass. ``partial_fit``
        learns them in the order given.
    class_weight : dict {label: weight}, "balanced" or None, default=None
        Factors of the sample weights by class. A key names the label that it equals: "1" is not
        1. A class without a key has 1. A key of no class is an error if some class has no key.
        "balanced": the sum of sample weights / (n_classes * that of the class), in ``fit`` alone.
    n_jobs : int or None, default=None
        Threads that learn, and predict, at the same time. None is 1, whatever joblib is told;
        -1 is a thread a core. Prediction gives the same bits, sooner. Learning does not:
        threads step on the same weights without a lock (Hogwild), some steps are lost, and
        single weights differ from run to run, at about the same loss. It is faster only
        where rows seldom share features; on common ones the threads wait for each other.
    warm_start : bool, default=False
        Whether ``fit`` goes on from what was learned before.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffling, and of the choice of rows that are held out. Pass an int for the
        same result in each call.
    verbose : int, default=0
        Above 0, ``fit`` prints a line a pass.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        The weights, computed from the state at each access, with the parameters of the
        last fit or partial_fit. Read-only. A CSR matrix after ``sparsify``.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        The intercepts. Read-only.
    z_, n_ : ndarray of the shape of ``coef_``
        The state: adjusted sums of gradients, and sums of squared gradients. Read-only.
    intercept_z_, intercept_n_ : ndarray of the shape of ``intercept_``
        The state of the intercepts. Read-only.
    learning_rate_, beta_ : float
        The numbers in use. Of a callable learning rate: that of the last step.
    t_ : int
        Rows of positive weight learned, each as often as the model has learned it. Under
        "auto", empty rows that came before all others are forgotten as soon as others come.
    n_iter_ : int
        Passes made by the last call, without those of the refit; 1 in ``partial_fit``.
    best_iter_ : int
        Of ``fit``: the last pass that gained more than ``tol`` allows. The refit makes as many
        passes; where there is none, and rows were held out, the model is that of this pass.
    loss_curve_ : list of float
        The weighted mean loss of each of these ``n_iter_`` passes. Each row is judged just
        before it is learned.
    validation_curve_ : list of float
        Of ``fit``: the mean loss of the rows held out after each pass, or their score if
        ``scoring`` is given. Empty if there were none.
    progressive_loss_ : float
        The first of ``loss_curve_``. Where the rows were new, it is an honest estimate of the
        loss on unseen rows.
    n_features_in_ : int
        Features seen in the first fit or partial_fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if X had names that are all strings.

    See Also
    --------
    FtrlRegressor : The same for numbers.
    sklearn.linear_model.SGDClassifier : One learning rate for all coordinates.

    Notes
    -----
    **"auto"**: the learning rate is 1 / s, where s is the root mean square distance of the rows
    from their mean, what they share being the intercept's to learn (2 / s for a softmax, 0.5 / s
    for the hinge losses). s is at least a third of the rows' root mean square length, ``||x||``,
    more where rows are fewer than 9, and ``||x||`` itself without an intercept. beta is
    mean(sqrt(``|x|``))^2 of the x that are not 0, times the mean sample weight: a size that a
    few large columns do not decide. In ``fit``, where more passes make up for smaller steps, the
    rate is ``max_iter**-0.25`` times that, but at least half, and beta
    sqrt(min(m / 2, ``max_iter``, 100)) times as large, for features that are in m rows on
    average: with many passes about the sqrt(n) of half a pass, or of 100 rows, so that the first
    rows do not take larger steps than the others.

    The intercept learns like a feature that is rms(x), the root mean square of the x that are
    not 0, in each row, with a beta of rms(x) times the mean sample weight, and starts at the
    log-odds of the classes (0 for the hinge losses). The numbers come from the first call's rows
    and are kept: scaling X or the sample weights changes them and nothing else. One rate serves
    all columns, so scale dense ones (``sklearn.preprocessing.StandardScaler``).

    With a ``learning_rate_power`` of -p, beta is taken to the power of 2p, and the rate is
    multiplied by (``rms(x) * mean(sample_weight)``)^(2p - 1).

    z and n are kept as float64 or float32, as X is at the first fit; arithmetic is done in
    float64. With float32, n stops growing at about 2**23 times the square of the gradients that
    still come, as in a feature of millions of rows.

    The same parameters elsewhere:

    =========================  ========  ====================================  ============
    here                       paper     Keras Ftrl                            vw --ftrl
    =========================  ========  ====================================  ============
    learning_rate              alpha     learning_rate                         --ftrl_alpha
    beta                       beta      beta                                  --ftrl_beta
    l1                         lambda_1  l1_regularization_strength            --l1
    l2                         lambda_2  **2 x** l2_regularization_strength    --l2
    l2_shrinkage                         l2_shrinkage_regularization_strength
    learning_rate_power        -0.5      learning_rate_power
    initial_accumulator_value  0         the same, 0.1 by default
    clipvalue etc.                       the same
    penalize_intercept=True              always so                             always so
    =========================  ========  ====================================  ============

    datatable's alpha, beta, lambda1 and lambda2 are the paper's; it has no intercept. In
    ``SGDClassifier`` penalties count for each row, here once for all: its alpha is about
    ``l2 / t_``, or ``l1 / t_`` with penalty="l1". Keras takes the mean gradient of a batch, which
    is the same at batch size 1 alone. A Keras schedule takes one step number, so wrap it::

        learning_rate=lambda steps: np.array([float(schedule(int(t))) for t in steps])

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
        n_iter_no_change=3,
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
                'class_weight="balanced" needs all of y, and partial_fit sees a part. Pass a '
                "dict: dict(zip(classes, compute_class_weight('balanced', classes=classes, y=y))) "
                "for a y that is typical."
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
        """Return the linear predictor: the log-odds of two classes, or a logit for each class.

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

        Rows of features that have been seen little score high: they are the ones worth
        labelling, and those whose prediction is worth least. It is the score of section 6
        of McMahan et al. for any value of a feature,

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
        """
        learner = self._learned()
        X = _rows.validate(self, X, dtype=learner.dtype, reset=False)
        _rows.check_finite(X, self)
        return learner.step_bounds(_rows.as_rows(sparse.csr_array(X)))

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
        counts = np.bincount(y.astype(int), weights / weights.mean(), self.classes_.size) + 0.5
        logits = np.log(counts / counts.sum())
        if logits.size == 2:
            return 1.0, 1.0, logits[1:] - logits[0]
        return SOFTMAX, 1.0, logits

    def _n_outputs(self):
        return self.classes_.size if self.classes_.size > 2 else 1

    def _shaped(self, array):
        return array

    def _as_y(self, y):
        """Return labels as an array; objects that are numbers as numbers."""
        y = as_labels(y)
        if np.ndim(y) > 1 and np.shape(y)[1] > 1:
            raise ValueError(
                f"y should be a 1d array, got an array of shape {np.shape(y)} instead. Of one-hot "
                "columns, pass the labels: np.argmax(y, axis=1). For rows of several labels there "
                "is MultiOutputClassifier."
            )
        return y

    def _encode(self, y, fresh, classes=None):
        """Learn the labels or check them; return the index of each."""
        if fresh:
            self.classes_ = distinct(y) if classes is None else named(classes)
            if self.classes_.size < 2:
                where = "y" if classes is None else "classes"
                raise ValueError(
                    "The number of classes has to be greater than one; got "
                    f"{self.classes_.size} class in {where}, {self.classes_.tolist()}. Where the "
                    "others are yet to come, name them all: partial_fit(X, y, classes=...)."
                )
        elif classes is not None:
            labels = named(classes)
            left_out = np.setdiff1d(self.classes_, labels).tolist()
            if left_out:
                raise ValueError(
                    f"classes={classes!r} leave out {left_out}, which the model knows. A model may "
                    "learn more labels, not fewer."
                )
            self.classes_ = labels if labels.size > self.classes_.size else self.classes_
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
        if not (np.isfinite(factors).all() and factors.min() >= 0):
            raise ValueError("The values of class_weight must be finite and 0 or more.")
        return sample_weight * factors[targets]
