"""FtrlRegressor."""

from numbers import Real
from typing import ClassVar

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from . import _rows
from ._base import BaseFtrl
from ._kernel import REGRESSOR_LOSSES, Loss


def as_targets(y):
    """Return y as float64."""
    try:
        return _rows.numbers(y, "y")
    except TypeError as error:
        if "NAType" not in str(error):  # NA of pandas, which is no float beside objects
            raise
        raise ValueError("Input y contains NA. Leave out rows whose target is missing.") from error


class FtrlRegressor(RegressorMixin, BaseFtrl):
    """Linear regression learned online by FTRL-Proximal.

    Made for sparse, high-dimensional rows that come as a stream. Each coordinate has its
    own learning rate, which shrinks with the gradients that coordinate has seen, and
    ``l1`` keeps weights at exactly 0 until enough evidence has come. The algorithm is
    that of ``FtrlClassifier``, Algorithm 1 of [1]_.

    Parameters
    ----------
    loss : {"squared_error", "huber", "epsilon_insensitive", \
            "squared_epsilon_insensitive", "quantile", "poisson"}, default="squared_error"
        The loss to be minimised. "squared_error" is halved; "huber" is linear beyond
        ``epsilon``; the insensitive ones are 0 up to ``epsilon``; "quantile" is the pinball
        loss of ``quantile``; "poisson" is half the Poisson deviance, for y of 0 or more, and
        learns the logarithm of the mean.
    learning_rate : "auto", float or callable, default="auto"
        alpha, above 0: the scale of every step. Larger learns faster and forgets faster. "auto"
        takes it from the length of the first rows and the deviation of their targets, and
        starts the intercept at the targets' mean, see Notes. A callable takes an array of step
        numbers from 0, one a row learned, and returns the array of their rates. Use a function
        of a module, or functools.partial of one, where the model has to be pickled.
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
        Whether to learn an intercept. If not, one that is there already (``warm_start``,
        ``intercept_init``) stays as it is.
    penalize_intercept : bool, default=False
        Whether ``l1``, ``l2`` and ``l2_shrinkage`` act on the intercept too.
    epsilon : float, default=0.1
        0 or more, in units of y: the width of "huber" and of the insensitive losses.
    quantile : float, default=0.5
        Between 0 and 1: the quantile that "quantile" learns.
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
        The part of the rows that is held out, between 0 and 1: drawn at random, or the
        last ones if not ``shuffle``. Not used where halves judge each other.
    scoring : str, callable or None, default=None
        A scorer of scikit-learn's that judges the rows held out, if there are some, see
        ``early_stopping``. It has to take sample weights if there are any. None: their mean
        loss.
    shuffle : bool, default=True
        Whether ``fit`` takes the rows in a new random order in each pass. ``partial_fit``
        learns them in the order given.
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
    coef_ : ndarray of shape (n_features,)
        The weights, computed from the state at each access, with the parameters of the
        last fit or partial_fit. Read-only. A CSR matrix of one row after ``sparsify``.
    intercept_ : ndarray of shape (1,)
        The intercept. Read-only.
    z_, n_ : ndarray of shape (n_features,)
        The state: adjusted sums of gradients, and sums of squared gradients. Read-only.
    intercept_z_, intercept_n_ : ndarray of shape (1,)
        The state of the intercept. Read-only.
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
    FtrlClassifier : The same for classes.
    sklearn.linear_model.SGDRegressor : One learning rate for all coordinates.

    Notes
    -----
    **"auto"**: the learning rate is 0.5 std(y) / s, where s is the root mean square distance of
    the rows from their mean. beta is three times mean(sqrt(``|x|``))^2 of the x that are not 0,
    times the mean sample weight and the scale of the loss's slope: std(y) for the squared
    losses, at most ``epsilon`` for "huber", 1 for "epsilon_insensitive" and "quantile".
    "poisson", whose raw predictions are logarithms, has min(std(y), sqrt(mean(y))), and the rate
    0.5 min(1, std(y) / mean(y)) ``||x||`` / (s max ``||x||``). Several passes take a smaller
    rate and a larger beta. The intercept learns like a feature that is rms(x) in each row, and
    starts at the mean of y ("poisson": its logarithm). The notes of ``FtrlClassifier`` say how s
    is measured, and how much larger beta is. The numbers come from the first call's rows and are
    kept: scaling X or the sample weights, and y but for "poisson", or moving y, changes them and
    nothing else.

    The notes of ``FtrlClassifier`` on float32 and on the parameters of other systems hold here
    too. The squared error is halved, as in scikit-learn; vw's is not, so that a row here has
    half the gradient: give it sample weight 2 for vw's numbers.

    References
    ----------
    .. [1] H. B. McMahan et al., "Ad Click Prediction: a View from the Trenches", KDD 2013.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sklearn_ftrl import FtrlRegressor
    >>> X, y = make_regression(200, 5, noise=1.0, random_state=0)
    >>> model = FtrlRegressor(random_state=0).fit(X, y)
    >>> round(model.score(X, y), 3)
    1.0
    """

    _parameter_constraints: ClassVar[dict] = {
        **BaseFtrl._parameter_constraints,
        "loss": [StrOptions(set(REGRESSOR_LOSSES))],
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        loss="squared_error",
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
        epsilon=0.1,
        quantile=0.5,
        average=True,
        max_iter=12,
        tol=1e-3,
        n_iter_no_change=3,
        early_stopping="auto",
        validation_fraction=0.1,
        scoring=None,
        shuffle=True,
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
        self.epsilon = epsilon
        self.quantile = quantile
        self.average = average
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.shuffle = shuffle
        self.n_jobs = n_jobs
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, sample_weight=None):
        """Learn the rows once, in the order given; call it again with the next rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to learn from, as in ``fit``.
        y : array-like of shape (n_samples,)
            Their target values.
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
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X):
        """Return the expected value of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            ``X @ coef_ + intercept_``; of "poisson", its exponential.

        Raises
        ------
        ValueError
            If X is not valid, or a prediction is too large for float64.
        """
        return self._predict(self._raw_predictions(X))

    def _predict(self, raw):
        raw = raw[:, 0]
        if self._learned_loss != "poisson":
            return raw
        with np.errstate(over="ignore"):
            y = np.exp(raw)
        if not np.isfinite(y).all():
            raise ValueError(
                f"A prediction, the exponential of {raw.max():.4g}, is not finite: X or the "
                "weights are too large."
            )
        return y

    def _loss(self):
        parameter = self.quantile if self.loss == "quantile" else self.epsilon
        return Loss(REGRESSOR_LOSSES[self.loss], float(parameter))

    def _target_scales(self, y, weights):
        """Return the scales of raw predictions and of the loss's slope, and an intercept."""
        mean = np.average(y, weights=weights)
        size = np.sqrt(np.average(y**2, weights=weights))
        std = np.ptp(y) and np.sqrt(np.average((y - mean) ** 2, weights=weights))
        if self.loss.startswith(("squared", "poisson")) and std < 1e-14 * size:  # by rounding
            std = 0.0
        if self.loss == "huber":  # beyond epsilon, steps are no larger
            size = min(size, self.epsilon)
        std = std or size or 1.0
        if self.loss == "poisson":  # one large count shall not make beta large
            slope = 3.0 * min(std, np.sqrt(mean)) or 1.0
            return 0.5 * min(1.0, std / (mean or 1.0)), slope, np.log([mean or 1.0])
        slope = std if self.loss.startswith("squared") else 1.0
        if self.loss == "huber":
            slope = min(std, self.epsilon) or std
        return 0.5 * std, 3.0 * slope, np.array([mean])

    def _n_outputs(self):
        return 1

    def _shaped(self, array):
        return array[0]

    def _as_y(self, y):
        return as_targets(y)

    def _encode(self, y, fresh):
        """Return y, which the loss may refuse."""
        if self.loss == "poisson" and y.min() < 0:
            raise ValueError('Negative values in y: loss="poisson" is for values of 0 or more.')
        return y

    def _weigh(self, sample_weight, targets, y):
        return sample_weight
