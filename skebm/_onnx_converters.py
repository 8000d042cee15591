"""How fitted estimators become graphs for ONNX: see :mod:`skebm.onnx`."""

import numpy as np
from onnx import TensorProto
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)

from ._classifier import BaseFineTunedClassifier
from ._onnx_graph import Graph
from .autoencoder import DeepAutoencoder
from .categorical import CategoricalRBM
from .core.backend import to_numpy
from .core.classes import joint
from .core.correlated import CorrelatedGaussian, inverse
from .core.gaussian import Gaussian
from .core.mixed import SideBySide
from .core.multinomial import Multinomial
from .core.sampling import FINE
from .core.units import Bernoulli
from .dbm import DBM
from .dbn import DBN
from .gaussian import GaussianRBM
from .mixed import MixedRBM
from .multinomial import MultinomialRBM
from .rbm import BernoulliRBM
from .rbm_classifier import RBMClassifier
from .supervised import DBMClassifier, DBNClassifier, DBNRegressor
from .vae import VAE

# The operators of the activations of layers.
OPERATORS = {
    "logistic": "Sigmoid",
    "tanh": "Tanh",
    "relu": "Relu",
    "identity": "Identity",
}


def encoded(graph, kind):
    """The rows as states of a kind of visible units."""
    if type(kind) is SideBySide and len(kind.kinds) == 1:
        (kind,) = kind.kinds  # of all columns
    if type(kind) in (Bernoulli, Multinomial):
        return graph.input
    if type(kind) is Gaussian:
        return graph(
            "Div", graph("Sub", graph.input, floats(kind.location)), floats(kind.scale)
        )
    if type(kind) is CorrelatedGaussian:
        off = graph("Sub", graph.input, floats(kind.location))
        whitening = floats(inverse(kind.mixing)).T
        return graph("MatMul", graph("Div", off, floats(kind.unit)), whitening)
    raise NotImplementedError(
        "ONNX graphs of skebm take binary or real values, or counts, and no columns of "
        f"{type(kind).__name__} units. Encode categories in a step before, for example "
        "by OneHotEncoder, and fit a BernoulliRBM to them."
    )


def floats(array):
    """A fitted array as NumPy's, in double precision."""
    return to_numpy(array).astype(np.float64)


def means(graph, kind, a):
    """Means of hidden units of a kind, given their total input."""
    return graph(OPERATORS[kind.activation], a)


def upwards(graph, x, coefs, intercepts, activations):
    """The top one of layers, each from the one below."""
    layers = zip(coefs, intercepts, activations, strict=True)
    for W, b, activation in layers:
        x = graph(OPERATORS[activation], graph.affine(x, floats(W), floats(b)))
    return x


def stack_of_machines(graph, machines):
    """The top units of machines, of which each has the one below for its rows."""
    x = encoded(graph, machines[0].units[0])
    for machine in machines:
        (W,), (_, c) = machine.params
        x = means(graph, machine.units[1], graph.affine(x, floats(W), floats(c)))
    return x


def mean_field(graph, machine):
    """Means of the hidden layers, as the core's `mean_field` finds them."""
    (below, *weights), (_, first, *biases) = machine.params
    kinds = machine.units[1:]
    over = graph.affine(encoded(graph, machine.units[0]), floats(below), floats(first))
    if not weights:
        return [means(graph, kinds[0], over)]
    doubled = graph("Sub", graph("Add", over, over), floats(first))
    layers = [means(graph, kinds[0], doubled)]
    for index, (W, b) in enumerate(zip(weights, biases, strict=True), start=1):
        W = floats(W) * (2.0 if index < len(weights) else 1.0)
        a = graph.affine(layers[-1], W, floats(b))
        layers.append(means(graph, kinds[index], a))

    def update(body, layers):
        layers = list(layers)
        for parity in (0, 1):
            for index in range(parity, len(layers), 2):
                parts = [over if index == 0 else floats(biases[index - 1])]
                if index > 0:
                    W = floats(weights[index - 1])
                    parts.append(body("MatMul", layers[index - 1], W))
                if index < len(weights):
                    W = floats(weights[index]).T
                    parts.append(body("MatMul", layers[index + 1], W))
                a = parts.pop()
                while parts:
                    a = body("Add", a, parts.pop())
                layers[index] = means(body, kinds[index], a)
        return layers

    return graph.rested(layers, update, FINE.tol, FINE.max_steps)


def network(graph, estimator):
    """Total inputs of the outputs of a fine-tuned network."""
    model, beside = getattr(estimator, "dbm_", None), []
    if model is None:
        model = estimator.dbn_
    else:
        beside = mean_field(graph, model._machine())[1:]
    x = encoded(graph, model._visible_kind())
    *coefs, W = estimator.coefs_
    *intercepts, b = estimator.intercepts_
    for index, layer in enumerate(zip(coefs, intercepts, strict=True)):
        if index < len(beside):
            x = graph("Concat", x, beside[index], axis=1)
        x = graph("Sigmoid", graph.affine(x, *map(floats, layer)))
    return graph.affine(x, floats(W), floats(b))


# What transformers, the regressor and the classifiers compute of the rows.


def machine_features(graph, rbm):
    return stack_of_machines(graph, [rbm._machine()])


def stack_features(graph, dbn):
    return stack_of_machines(graph, [rbm._machine() for rbm in dbn.rbms_])


def posterior_features(graph, dbm):
    return mean_field(graph, dbm._machine())[-1]


def code(graph, autoencoder):
    machines = [rbm._machine() for rbm in autoencoder.dbn_.rbms_]
    activations = [machine.units[1].activation for machine in machines]
    layers = autoencoder.coefs_, autoencoder.intercepts_, activations
    x = encoded(graph, machines[0].units[0])
    return upwards(graph, x, *(part[: len(machines)] for part in layers))


def latent_means(graph, vae):
    *coefs, W = vae.encoder_coefs_
    *intercepts, b = vae.encoder_intercepts_
    x = encoded(graph, vae._visible_kind())
    top = upwards(graph, x, coefs, intercepts, [vae.activation] * len(coefs))
    n = W.shape[1] // 2
    return graph.affine(top, floats(W)[:, :n], floats(b)[:n])


def softplus(graph, a):
    """log(1 + exp(a)), which onnxruntime has in single precision alone."""
    small = graph("Exp", graph("Neg", graph("Abs", a)))
    return graph(
        "Add", graph("Relu", a), graph("Log", graph("Add", small, np.array(1.0)))
    )


def class_fields(graph, classifier):
    """log p(x, k) but for what is the same for all classes k."""
    parts = joint(classifier._machine(), len(classifier.classes_))
    a = graph.affine(graph.input, floats(parts.W), floats(parts.c))
    a = graph("Unsqueeze", a, np.array([1]))
    change = graph(
        "Sub", softplus(graph, graph("Add", a, floats(parts.U))), softplus(graph, a)
    )
    return graph("Add", graph.total(change, 2), floats(parts.d))


def convert_values(values, scope, operator, container):
    """Convert an estimator with one output, that of `values`."""
    graph = Graph(scope, operator, container)
    graph.output(0, values(graph, operator.raw_operator))


def convert_classes(fields, scope, operator, container):
    """Convert a classifier: labels and probabilities, of the `fields` of classes."""
    graph, estimator = Graph(scope, operator, container), operator.raw_operator
    zipmap = container.get_options(estimator, {"zipmap": True})["zipmap"]
    if zipmap is True and graph.dtype == np.float64:
        raise ValueError(
            "ONNX has dictionaries of probabilities in single precision alone. Give "
            "to_onnx float32 rows, or options={'zipmap': False}."
        )
    a, labels = fields(graph, estimator), labels_of(operator)
    if getattr(estimator, "_several", False):
        p = graph("Sigmoid", a)
        chosen = graph("Greater", p, np.array(0.5))
        graph.output(0, graph("Cast", chosen, to=TensorProto.INT64))
        graph.output(1, p)
        return
    if len(labels) == 2 and isinstance(estimator, BaseFineTunedClassifier):
        # A single output, of the second class.
        a = graph("Concat", graph("Neg", a), a, axis=1)
        graph.output(1, graph("Sigmoid", a))
    else:
        graph.output(1, graph("Softmax", a, axis=1))
    best = graph("ArgMax", a, axis=1, keepdims=0)
    graph.output(0, graph("Gather", labels, best))


def labels_of(operator):
    """The classes as text or whole numbers; with the option nocl, by their numbers."""
    classes = to_numpy(operator.raw_operator.classes_)
    options = operator.scope_inst.get_options(operator.raw_operator, {"nocl": False})
    if options["nocl"]:
        return np.arange(len(classes), dtype=np.int64)
    return classes if classes.dtype.kind in "OU" else classes.astype(np.int64)


def type_like(operator):
    """The type of the numbers that come out."""
    given = operator.inputs[0].type
    return DoubleTensorType if isinstance(given, DoubleTensorType) else FloatTensorType


def shape_values(operator):
    """Say what comes out of an estimator with one output."""
    estimator = operator.raw_operator
    n = getattr(estimator, "_n_features_out", 1)
    if isinstance(estimator, DBNRegressor):
        n = len(estimator.intercepts_[-1])
    operator.outputs[0].type = type_like(operator)([None, n])


def shape_classes(operator):
    """Say what comes out of a classifier."""
    labels, several = (
        labels_of(operator),
        getattr(operator.raw_operator, "_several", False),
    )
    n, is_text = len(labels), labels.dtype.kind in "OU"
    kind = StringTensorType if is_text and not several else Int64TensorType
    operator.outputs[0].type = kind([None, n] if several else [None])
    operator.outputs[1].type = type_like(operator)([None, n])


TRANSFORMERS = {
    BernoulliRBM: machine_features,
    GaussianRBM: machine_features,
    MultinomialRBM: machine_features,
    MixedRBM: machine_features,
    CategoricalRBM: machine_features,
    DBN: stack_features,
    DBM: posterior_features,
    DeepAutoencoder: code,
    VAE: latent_means,
    DBNRegressor: network,
}
CLASSIFIERS = {
    DBNClassifier: network,
    DBMClassifier: network,
    RBMClassifier: class_fields,
}
