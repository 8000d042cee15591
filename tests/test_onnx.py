"""Graphs for ONNX: they give the same numbers as the estimators."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skebm import (
    DBM,
    DBN,
    VAE,
    BernoulliRBM,
    CategoricalRBM,
    DBMClassifier,
    DBNClassifier,
    DBNRegressor,
    DeepAutoencoder,
    GaussianRBM,
    MixedRBM,
    MultinomialRBM,
    RBMClassifier,
)
from tests.test_callbacks import digits

runtime = pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")
skebm_onnx = pytest.importorskip("skebm.onnx")
skebm_onnx.register()

QUICK = {"n_iter": 3, "random_state": 0}
NETWORK = {"rbm": BernoulliRBM(n_iter=2), "max_iter": 2, "random_state": 0}


def outputs(model, X):
    """What the graph of a model makes of rows, one array for each output."""
    options = None
    if hasattr(model, "classes_"):
        options = {id(model): {"zipmap": False}}
    graph = skl2onnx.to_onnx(model, X[:1], options=options)
    session = runtime.InferenceSession(graph.SerializeToString())
    return session.run(None, {"X": X})


TRANSFORMERS = {
    "rbm": BernoulliRBM(8, **QUICK),
    "real values": GaussianRBM(8, **QUICK),
    "linear code": GaussianRBM(8, hidden_units="gaussian", **QUICK),
    "correlated": MixedRBM(8, covariance_type="full", **QUICK),
    "counts": MultinomialRBM(8, **QUICK),
    "dbn": DBN((8, 6), rbm=BernoulliRBM(n_iter=2), up_down_iter=2, random_state=0),
    "dbm": DBM((12, 8, 6), n_iter=20, random_state=0),
    "dbm, a layer": DBM((8,), **QUICK),
    "autoencoder": DeepAutoencoder((8, 4), **NETWORK),
    "tied": DeepAutoencoder((8, 4), tied_weights=True, **NETWORK),
    "vae": VAE(3, hidden_layer_sizes=(8, 6), activation="tanh", **QUICK),
    "vae, real values": VAE(
        3, hidden_layer_sizes=(8,), decoder="gaussian", activation="relu", **QUICK
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_features(name, dtype):
    X = digits()[0].astype(dtype)
    if name == "counts":
        X = np.round(4 * X)
    if name == "correlated":
        X = X[:, 18:30] + np.linspace(0, 0.01, len(X), dtype=dtype)[:, None]
    model = TRANSFORMERS[name].fit(X)
    (H,) = outputs(model, X)
    assert H.dtype == dtype
    atol = 1e-5 if dtype == np.float32 else 1e-12
    assert_allclose(H, model.transform(X), atol=atol)


CLASSES = {
    "numbers": lambda y: y,
    "text": lambda y: np.array(list("abcdefghij"))[y],
    "two": lambda y: np.where(y > 4, 3, 1),
    "booleans": lambda y: y > 4,
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize(
    "model",
    [
        DBNClassifier((8, 6), **NETWORK),
        DBMClassifier((8, 6, 4), dbm=DBM(n_iter=2), max_iter=2, random_state=0),
        RBMClassifier(8, **QUICK),
    ],
    ids=lambda model: type(model).__name__,
)
def test_classes(model, classes, dtype):
    X, y = digits()
    X, y = X.astype(dtype), CLASSES[classes](y)
    model.fit(X, y)
    labels, p = outputs(model, X)
    assert_array_equal(labels, model.predict(X))
    atol = 1e-5 if dtype == np.float32 else 1e-12
    assert_allclose(p, model.predict_proba(X), atol=atol)


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("classes", ["text", "numbers"])
@pytest.mark.parametrize(
    "model", [RBMClassifier(8, **QUICK), LogisticRegression(max_iter=1000)], ids=str
)
def test_classes_by_their_numbers(model, classes, zipmap):
    """The option nocl is for a runtime without text; scikit-learn's are the same."""
    X, y = digits()
    X = X.astype(np.float32)
    model.fit(X, CLASSES["text"](y) if classes == "text" else 2 * y + 5)
    options = {id(model): {"nocl": True, "zipmap": zipmap}}
    graph = skl2onnx.to_onnx(model, X[:1], options=options)
    session = runtime.InferenceSession(graph.SerializeToString())
    labels, p = session.run(None, {"X": X})
    assert_array_equal(model.classes_[labels], model.predict(X))
    if zipmap:
        assert list(p[0]) == list(range(10))
        p = np.array([list(row.values()) for row in p])
    assert_allclose(p, model.predict_proba(X), atol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_several_labels():
    X, y = digits()
    Y = np.column_stack([y > 4, y % 2, y == 3]).astype(int)
    model = DBNClassifier((8, 6), **NETWORK).fit(X, Y)
    labels, p = outputs(model, X)
    assert_array_equal(labels, model.predict(X))
    assert_allclose(p, model.predict_proba(X), atol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_regression():
    X, y = digits()
    model = DBNRegressor((8, 6), **NETWORK)
    (values,) = outputs(model.fit(X, y / 9), X)
    assert_allclose(values[:, 0], model.predict(X), atol=1e-5)
    (values,) = outputs(model.fit(X, np.column_stack([y, y**2])), X)
    assert_allclose(values, model.predict(X), rtol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_dictionaries_of_probabilities():
    X, y = digits()
    model = RBMClassifier(4, **QUICK).fit(X, y)
    graph = skl2onnx.to_onnx(model, X[:1].astype(np.float32))
    session = runtime.InferenceSession(graph.SerializeToString())
    _, p = session.run(None, {"X": X[:1].astype(np.float32)})
    assert_allclose(list(p[0].values()), model.predict_proba(X[:1])[0], atol=1e-5)
    with pytest.raises(ValueError, match="'zipmap': False"):
        skl2onnx.to_onnx(model, X[:1].astype(np.float64))


def test_in_a_pipeline():
    X, y = digits()
    X = 16 * X
    rbm = BernoulliRBM(16, n_iter=5, random_state=0)
    model = make_pipeline(MinMaxScaler(), rbm, LogisticRegression(max_iter=1000))
    labels, p = outputs(model.fit(X, y), X)
    assert_array_equal(labels, model.predict(X))
    assert_allclose(p, model.predict_proba(X), atol=1e-5)


def test_integers_are_computed_in_single_precision():
    X = (digits()[0] > 0.5).astype(np.int64)
    rbm = BernoulliRBM(8, **QUICK).fit(X)
    (H,) = outputs(rbm, X)
    assert H.dtype == np.float32
    assert_allclose(H, rbm.transform(X), atol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_categories_are_refused():
    X, y = digits()
    X = np.column_stack([X[:, 20:24], np.arange(len(X)) % 3])
    table = MixedRBM(4, columns=[("categorical", [4])], n_iter=1)
    model = DBNClassifier((4, 3), rbm=[table, BernoulliRBM(n_iter=1)], max_iter=1)
    model.fit(X, y)
    for refused in (model, table.fit(X), CategoricalRBM(4, n_iter=1).fit(X[:, 4:])):
        with pytest.raises(NotImplementedError, match="OneHotEncoder"):
            outputs(refused, X.astype(np.float32))
