"""ONNX: fitted estimators as graphs that run without Python.

After :func:`register`, `skl2onnx.to_onnx` converts estimators of skebm, alone or as
steps of scikit-learn's pipelines. It needs the extra ``skebm[onnx]``.
"""

from functools import partial

from skl2onnx import update_registered_converter

from ._onnx_converters import (
    CLASSIFIERS,
    TRANSFORMERS,
    convert_classes,
    convert_values,
    shape_classes,
    shape_values,
)

__all__ = ["register"]


def register():
    """Tell skl2onnx how to convert the estimators of skebm.

    What a graph computes is `transform` of :class:`BernoulliRBM`, :class:`GaussianRBM`,
    :class:`MultinomialRBM`, :class:`DBN`, :class:`DBM`, :class:`DeepAutoencoder` and
    :class:`VAE`, `predict` of :class:`DBNRegressor`, and `predict` and `predict_proba`
    of :class:`DBNClassifier`, :class:`DBMClassifier` and :class:`RBMClassifier`, up to
    rounding. Rows are dense numbers without gaps: a :class:`MixedRBM` can be converted
    where all of its columns are "gaussian", and columns of categories cannot.

    Classifiers know the options ``zipmap``, ``nocl`` and ``output_class_labels`` of
    skl2onnx. With ``nocl=True`` classes are given by their numbers in `classes_`, as
    for scikit-learn's own; it does not go with ``output_class_labels``.

    Call it once, before `skl2onnx.to_onnx`. It needs the extra ``skebm[onnx]``.

    Examples
    --------
    >>> import numpy as np
    >>> from onnxruntime import InferenceSession
    >>> from skl2onnx import to_onnx
    >>> from skebm import BernoulliRBM
    >>> from skebm.onnx import register
    >>> register()
    >>> X = np.random.default_rng(0).integers(2, size=(100, 6)).astype(np.float32)
    >>> rbm = BernoulliRBM(4, random_state=0).fit(X)
    >>> model = to_onnx(rbm, X[:1])
    >>> session = InferenceSession(model.SerializeToString())
    >>> (H,) = session.run(None, {"X": X})
    >>> np.allclose(H, rbm.transform(X), atol=1e-6)
    True
    """
    for estimator, values in TRANSFORMERS.items():
        update_registered_converter(
            estimator,
            f"Skebm{estimator.__name__}",
            shape_values,
            partial(convert_values, values),
        )
    for estimator, fields in CLASSIFIERS.items():
        update_registered_converter(
            estimator,
            f"Skebm{estimator.__name__}",
            shape_classes,
            partial(convert_classes, fields),
            # The other two are asked for by skl2onnx itself.
            options={
                "zipmap": [True, False, "columns"],
                "nocl": [True, False],
                "output_class_labels": [False, True],
            },
        )
