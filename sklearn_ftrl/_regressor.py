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

    Use it for many features, few of them non-zero in a row. It learns row by row, and so also
    from a stream. Each weight has its own learning rate, which falls as gradients of this
    weight come. With ``l1``, a weight is exactly 0 until there is enough evidence for it. The
    algorithm is that of `FtrlClassifier`, Algorithm 1 of [1]_.

    Parameters
    ----------
    loss : {"squared_error", "huber", "epsilon_insensitive", \
            "squared_epsilon_insensitive", "quantile", "poisson"}, default="squared_error"
        The loss to minimise.

        - "squared_error": half the squared error.
        - "huber": the same up to ``epsilon``, and linear beyond.
        - "epsilon_insensitive", "squared_epsilon_insensitive": 0 up to ``epsilon``.
        - "quantile": the pinball loss of ``quantile``.
        - "poisson": half the Poisson deviance, for y of 0 or more. The decision function is the
          logarithm of the prediction.
    learning_rate : "auto", float or callable, default="auto"
        Above 0: alpha, the scale of every step. A larger rate learns faster and is noisier.

        - "auto": a number from the scale of the rows and of y, see Notes. Columns that are ten
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
        Whether to learn an intercept. If False, an intercept that is there already
        (``warm_start``, ``intercept_init``) stays as it is.
    penalize_intercept : bool, default=False
        Whether ``l1``, ``l2`` and ``l2_shrinkage`` act on the intercept too.
    epsilon : float, default=0.1
        0 or more, in the unit of y: the width of "huber" and of the insensitive losses.
    quantile : float, default=0.5
        Above 0 and below 1: the quantile that "quantile" learns.
    average : bool, default=True
        Which weights ``fit`` gives. ``partial_fit`` never averages.

        - True: the mean of the weights over the last epoch, or with ``max_iter=1`` over the
          last quarter of the epoch. It is less noisy. The mean is put back into z, so that the
          model can go on learning. With "poisson" and an intercept, the predictions
          of all rows of ``fit`` then have the same total as y.
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
        by ``X_val``. They are drawn at random. With ``shuffle=False`` they are the last rows.
    scoring : str, callable or None, default=None
        A scorer of scikit-learn for the validation rows. If sample weights differ, it has to
        take them. None: the mean loss.
    shuffle : bool, default=True
        Whether ``fit`` shuffles the rows before each epoch. ``partial_fit`` learns them in the
        order given.
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
    coef_ : ndarray of shape (n_features,)
        The weights. Read-only, and computed from the state at each access, with the parameters
        of the last ``fit`` or ``partial_fit``. To set them, call ``fit`` with ``coef_init``. A
        CSR matrix of one row after ``sparsify``.
    intercept_ : ndarray of shape (1,)
        The intercept. Read-only: ``fit`` with ``intercept_init`` sets it.
    z_, n_ : ndarray of shape (n_features,)
        The FTRL state: adjusted sums of gradients, and sums of squared gradients. Read-only.
    intercept_z_, intercept_n_ : ndarray of shape (1,)
        The FTRL state of the intercept. Read-only.
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
    FtrlClassifier : The same for classes.
    merge : One model of models that learned parts of the rows.
    sklearn.linear_model.SGDRegressor : One learning rate for all weights.

    Notes
    -----
    **"auto"** makes predictions follow the unit of y, and independent of the unit of X and of the
    sample weights. s, rms(x), rows and columns are as in the notes of `FtrlClassifier`:

    - ``learning_rate_`` is 0.5 std(y) / s.
    - ``beta_`` is 3 mean(sqrt(``|x|``))^2 * mean(sample weight) * d, over the x that are not 0. d
      is the scale of the loss's slope: std(y) for the squared losses, at most ``epsilon`` for
      "huber", and 1 for "epsilon_insensitive" and "quantile".
    - The intercept starts at the mean of y.
    - "poisson": ``learning_rate_`` is 0.5 min(1, std(y) / mean(y)) r / s, where r is the root
      mean square length of the rows by the largest length. d is min(std(y), sqrt(mean(y))). The
      intercept starts at log(mean(y)).

    ``fit`` takes the numbers from all rows. With ``learning_rate="auto"``, ``average=True``,
    validation rows and more than one epoch, epoch k has 0.2 (k + 1) times the rate, at most 2.6
    times; else all epochs have the rate.

    ``partial_fit`` takes the numbers from the first rows of a stream: 100 that are not empty, or
    1,000. Until these have come, the model keeps its rows, also in a pickle, and each call learns
    all of them anew. Then ``beta_`` stays.
    ``learning_rate_`` then follows the rows: see the notes of `FtrlClassifier` on the rate of a
    stream.

    The notes of `FtrlClassifier` on columns of other sizes, on float32, on Keras and vw
    hold here too. vw does not halve the squared error: for its numbers, pass
    ``sample_weight=2``.

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
        n_iter_no_change=2,
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
