"""What a fitted estimator shows: predictions, weights, z and n, files and HTML."""

import warnings

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils.validation import check_is_fitted

from . import _rows, _state
from ._kernel import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from ._learner import Learner
from ._weights import Weights, finite

LOSS_NAMES = {code: name for name, code in (CLASSIFIER_LOSSES | REGRESSOR_LOSSES).items()}
DOC_PAGE = (  # of the API reference
    "https://sklearn-ftrl.readthedocs.io/en/stable/generated/{estimator_module}.{estimator_name}.html"
)


class FittedFtrl(BaseEstimator):
    """An estimator that shows the one Learner it holds, or the Weights that were kept of it.

    A subclass gives arrays of shape (n_outputs, n_features) their public shape (``_shaped``),
    and tells the number of outputs (``_n_outputs``) and of threads (``_n_threads``).
    """

    _doc_link_module = "sklearn_ftrl"
    _doc_link_template = DOC_PAGE

    def __sklearn_is_fitted__(self):
        return "_learner" in vars(self)

    def __getstate__(self):
        state = super().__getstate__() | {"_sklearn_ftrl_version": _version()}
        if isinstance(state.get("_learner"), Learner):
            state["_learner"] = state["_learner"].learned().uncentered()  # in the middle of fit
        return state

    def __setstate__(self, state):
        state = dict(state)
        saved_by = state.pop("_sklearn_ftrl_version", "unknown")
        if saved_by != _version():
            warning = InconsistentVersionWarning(
                estimator_name=type(self).__name__,
                current_sklearn_version=f"{_version()} of sklearn-ftrl",
                original_sklearn_version=saved_by,
            )
            warnings.warn(warning, stacklevel=2)
        if "_state" in state or "_coef" in state:
            raise ValueError(
                f"This {type(self).__name__} was saved by an earlier sklearn-ftrl, {saved_by}, and "
                "is kept in another way now. Fit it again."
            )
        super().__setstate__(state)
        if isinstance(state.get("_learner"), Learner):  # the kernel writes there without looking
            shape = self._n_outputs(), self.n_features_in_
            if not self._learner.is_sound(shape):
                raise ValueError(f"This {type(self).__name__} is damaged: its state is not valid.")

    def _raw_predictions(self, X):
        """Return the linear predictor, of shape (n_samples, n_outputs)."""
        check_is_fitted(self)
        learner = self._learner
        X = _rows.validate(self, X, dtype=learner.dtype, reset=False)
        if not sparse.issparse(X):
            with np.errstate(all="ignore"):
                raws = X @ learner.weights() + learner.intercepts()
        else:
            raws = learner.predict(_rows.as_rows(X, self), np.arange(X.shape[0]), self._n_threads())
        if not np.isfinite(raws).all():  # so do NaN and inf in X show, in much fewer numbers
            _rows.check_finite(X, self)
            raise ValueError("The decision function is not finite: X or the weights are too large.")
        return raws

    @property
    def _learned_loss(self):
        return LOSS_NAMES[self._learner.numbers.loss.code]

    @property
    def coef_(self):
        check_is_fitted(self)
        learner = self._learner
        if isinstance(learner, Weights):
            return learner.coef if sparse.issparse(learner.coef) else self._shaped(learner.coef)
        return _state.read_only(self._shaped(finite(learner.weights().T, learner.dtype)))

    @coef_.setter
    def coef_(self, _):
        raise AttributeError(
            "coef_ is read from z and n. Start from weights of your own by "
            "fit(X, y, coef_init=..., intercept_init=...)."
        )

    @property
    def intercept_(self):
        check_is_fitted(self)
        return self._learner.intercepts()

    @intercept_.setter
    def intercept_(self, value):
        self.coef_ = value

    @property
    def learning_rate_(self):
        check_is_fitted(self)
        return float(self._learner.alpha)

    @property
    def beta_(self):
        check_is_fitted(self)
        return self._learner.numbers.prox.beta

    @property
    def t_(self):
        check_is_fitted(self)
        return self._learner.t

    @property
    def z_(self):
        return self._shaped(self._learned().z())

    @property
    def n_(self):
        return self._shaped(self._learned().n())

    @property
    def intercept_z_(self):
        return _state.z(self._learned().intercept_state)[:, 0]

    @property
    def intercept_n_(self):
        return _state.n(self._learned().intercept_state)[:, 0]

    def _learned(self):
        """Return the learner; a ValueError where sparsify has freed it."""
        check_is_fitted(self)
        return self._learner.learned()

    def sparsify(self):
        """Keep the non-zero coefficients alone, as a CSR matrix; there is no way back.

        z and n are freed. The model predicts as before, but for the rounding of float32;
        ``partial_fit`` and the attributes ``z_``, ``n_``, ``intercept_z_`` and ``intercept_n_``
        raise a ValueError.

        Returns
        -------
        self : object
            The estimator, with a sparse ``coef_`` of shape (n_outputs, n_features).
        """
        check_is_fitted(self)
        arrays = get_config().get("sparse_interface") == "sparray"
        to_csr = sparse.csr_array if arrays else sparse.csr_matrix
        learner = self._learner
        if isinstance(learner, Weights):
            coef = learner.coef
        else:
            coef = finite(learner.weights().T, learner.dtype)
        self._learner = Weights(to_csr(coef), learner.intercepts(), learner)
        return self

    def densify(self):
        """Turn the ``coef_`` of a sparsified model into a dense array.

        Returns
        -------
        self : object
            The estimator. One that was not sparsified stays as it is.
        """
        check_is_fitted(self)
        learner = self._learner
        if isinstance(learner, Weights) and sparse.issparse(learner.coef):
            coef = _state.read_only(learner.coef.toarray())
            self._learner = Weights(coef, learner.intercept, learner)
        return self

    def _get_fitted_attr_html(self, doc_link=""):
        """Describe the fitted attributes; of those derived from the state, the shape alone."""
        plain = BaseEstimator()
        vars(plain).update(vars(self))
        plain.t_ = self.t_
        table = plain._get_fitted_attr_html(doc_link)
        table.estimator_class = type(self)
        learner = self._learner
        if isinstance(learner, Weights):
            outlines = {"coef_": learner.coef, "intercept_": learner.intercept}
        else:
            n_outputs, n_features = learner.shape
            weights = np.broadcast_to(learner.dtype.type(0), (n_outputs, n_features))
            intercepts = np.broadcast_to(0.0, n_outputs)
            outlines = dict.fromkeys(["coef_", "z_", "n_"], self._shaped(weights)) | dict.fromkeys(
                ["intercept_", "intercept_z_", "intercept_n_"], intercepts
            )
        for name, outline in outlines.items():
            table[name] = {
                "type_name": type(outline).__name__,
                "shape": outline.shape,
                "dtype": outline.dtype,
                "value": ...,
            }
        return table


def _version():
    from . import __version__  # which is there when the package is, not while it is imported

    return __version__
