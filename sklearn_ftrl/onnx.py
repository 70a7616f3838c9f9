"""Converters to ONNX, for skl2onnx: models that run without Python.

Without them skl2onnx refuses these estimators, and its converters of scikit-learn's own
linear models, lent to others, give wrong probabilities.
"""

import numpy as np

from ._classifier import FtrlClassifier
from ._regressor import FtrlRegressor

try:
    from skl2onnx import update_registered_converter
    from skl2onnx.algebra.onnx_ops import (
        OnnxAdd,
        OnnxArgMax,
        OnnxCast,
        OnnxClip,
        OnnxDiv,
        OnnxEqual,
        OnnxExp,
        OnnxGather,
        OnnxIdentity,
        OnnxMatMul,
        OnnxSigmoid,
        OnnxSoftmax,
        OnnxWhere,
    )
    from skl2onnx.common.data_types import FloatTensorType, guess_numpy_type, guess_proto_type
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )
    from skl2onnx.common.utils_classifier import get_label_classes
except ImportError as error:
    raise ImportError("sklearn_ftrl.onnx needs skl2onnx: pip install skl2onnx") from error

__all__ = ["register"]


def register():
    """Make skl2onnx convert FtrlClassifier and FtrlRegressor, alone or in a pipeline.

    Once in a process, before the first conversion; again does no harm.

    Notes
    -----
    The converted model computes in the type of its input, float32 or float64, and takes dense
    rows. A classifier's outputs are labels and probabilities, those of ``predict`` and
    ``predict_proba``. A loss without probabilities, or the option ``raw_scores``, gives scores
    in their place: those of ``decision_function``, for two classes in two
    columns, the first the negative of the second. skl2onnx's options ``zipmap`` and ``nocl`` are
    there as well; a ZipMap, which is skl2onnx's default, takes float32 alone, so with float64 set
    it to False or "columns". Labels have to be integers, booleans or strings.

    Examples
    --------
    >>> import numpy as np
    >>> from skl2onnx import to_onnx
    >>> from sklearn_ftrl import FtrlClassifier, onnx
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    >>> model = FtrlClassifier().partial_fit(X, [0, 1], classes=[0, 1])
    >>> onnx.register()
    >>> graph = to_onnx(model, X[:1], options={"zipmap": False}).graph
    >>> [output.name for output in graph.output]
    ['label', 'probabilities']
    """
    update_registered_converter(
        FtrlClassifier,
        "SklearnFtrlFtrlClassifier",
        calculate_linear_classifier_output_shapes,
        _convert_classifier,
        options={
            "zipmap": [True, False, "columns"],
            "raw_scores": [True, False],
            "nocl": [True, False],
            "output_class_labels": [False, True],
        },
    )
    update_registered_converter(
        FtrlRegressor,
        "SklearnFtrlFtrlRegressor",
        calculate_linear_regressor_output_shapes,
        _convert_regressor,
    )


def _convert_classifier(scope, operator, container):
    model, opset = operator.raw_operator, {"op_version": container.target_opset}
    label, second = ({**opset, "output_names": [output]} for output in operator.outputs)
    scores = _raws(operator, opset)
    classes = _labels(get_label_classes(scope, model))
    best = OnnxArgMax(scores, axis=1, keepdims=0, **opset)
    OnnxGather(classes, best, **label).add_to(scope, container)
    raw = container.get_options(model, {"raw_scores": False})["raw_scores"]
    if raw or model._learned_loss not in ("log_loss", "modified_huber"):
        result = OnnxIdentity(scores, **second)
    elif model._learned_loss == "modified_huber":
        result = _modified_huber_proba(scores, classes.size, _dtype(operator), opset, second)
    elif classes.size > 2:
        result = OnnxSoftmax(scores, **second)
    else:
        result = OnnxSigmoid(scores, **second)
    result.add_to(scope, container)


def _convert_regressor(scope, operator, container):
    opset = {"op_version": container.target_opset}
    link = OnnxExp if operator.raw_operator._learned_loss == "poisson" else OnnxIdentity
    raw = _raws(operator, opset)
    link(raw, **opset, output_names=operator.outputs).add_to(scope, container)


def _raws(operator, opset):
    """Return the linear predictor; of two classes, for each."""
    model, X, dtype = operator.raw_operator, operator.inputs[0], _dtype(operator)
    weights, intercept = model._learner.weights(), model.intercept_
    if hasattr(model, "classes_") and intercept.size == 1:
        weights, intercept = weights * [-1, 1], intercept * [-1, 1]
    if guess_numpy_type(X.type) != dtype:
        X = OnnxCast(X, to=guess_proto_type(FloatTensorType()), **opset)
    product = OnnxMatMul(X, weights.astype(dtype), **opset)
    return OnnxAdd(product, intercept.astype(dtype), **opset)


def _modified_huber_proba(scores, n_classes, dtype, opset, output):
    """Return what the classifier's own function of this name does."""
    minus_one, zero, one = (np.array(number, dtype) for number in (-1, 0, 1))
    total = np.ones((n_classes, n_classes), dtype)  # a product with it sums up, in any opset
    p = OnnxAdd(OnnxClip(scores, minus_one, one, **opset), one, **opset)
    nothing = OnnxEqual(OnnxMatMul(p, total, **opset), zero, **opset)
    p = OnnxWhere(nothing, one, p, **opset)
    return OnnxDiv(p, OnnxMatMul(p, total, **opset), **output)


def _labels(classes):
    """Return labels of a type that ONNX and skl2onnx have: int64 or strings."""
    if classes.dtype.kind in "biu":
        return classes.astype(np.int64)
    if all(isinstance(label, str) for label in classes):
        return classes.astype(np.str_)
    raise ValueError(f"Labels have to be integers, booleans or strings for ONNX, not {classes!r}.")


def _dtype(operator):
    """Return the type to compute in: that of the input, float32 if it is no float."""
    dtype = guess_numpy_type(operator.inputs[0].type)
    return np.float64 if dtype == np.float64 else np.float32
