"""The feed-forward network: hidden layers, an output layer, backpropagation.

Its params are `Params` with the weights (n_l, n_{l+1}) between neighbouring layers and
the biases (n_{l+1},) of all layers but the input: the upward half of a stack of
machines, with an output layer on top. Where the weights are tied, the upper half of the
layers takes those of the lower half, transposed.

Weights with more rows than the layer below has units take the values beside it, too:
further columns of the input, which the layers share out from below. The network of a
deep machine has them.
"""

from itertools import pairwise
from typing import NamedTuple

from .backend import (
    log_softmax,
    namespace,
    sigmoid,
    softmax,
    softplus,
    times_transposed,
)
from .machine import Params


class Softmax:
    """One of several classes: outputs are probabilities that add up to 1."""

    def mean(self, a):
        """Outputs given their total input `a`, (n_rows, n_outputs)."""
        return softmax(a)

    def log_mean(self, a):
        """log of the outputs."""
        return log_softmax(a)

    def typical(self, sums, mass):
        """The total input that fits targets with these weighted sums, (n_outputs,).

        One more row, in which all classes are alike, keeps it finite.
        """
        return namespace(sums).log((sums + 1.0 / sums.shape[0]) / (mass + 1.0))

    def times_slope(self, mean, g):
        """The derivative of the outputs by `a`, applied to `g`."""
        return mean * (g - namespace(g).sum(mean * g, axis=-1, keepdims=True))

    def cross_entropy(self, a, y):
        """-sum_k y_k log mean_k, (n_rows,), for targets `y` that add up to 1."""
        return -namespace(a).sum(self.log_mean(a) * y, axis=-1)


class Sigmoid:
    """Logistic units. As outputs, probabilities of properties that may hold."""

    def mean(self, a):
        """Values given their total input `a`, (n_rows, n_units)."""
        return sigmoid(a)

    def log_mean(self, a):
        """log of the outputs."""
        return -softplus(-a)

    def typical(self, sums, mass):
        """The total input that fits targets with these weighted sums, (n_outputs,).

        One more row, in which either value is as good, keeps it finite.
        """
        xp = namespace(sums)
        # Rounded, the sum of all rows may be more than their mass.
        return xp.log(sums + 0.5) - xp.log(xp.clip(mass - sums, 0.0) + 0.5)

    def times_slope(self, x, g, kept=1.0):
        """The derivative of `x` by `a`, applied to `g`: see :class:`Network`."""
        g *= x
        g *= 1.0 - kept * x
        return g

    def cross_entropy(self, a, y):
        """-sum_k (y_k log mean_k + (1 - y_k) log(1 - mean_k)), (n_rows,)."""
        return namespace(a).sum(softplus(a) - a * y, axis=-1)


class Tanh:
    """Units between -1 and 1."""

    def mean(self, a):
        """Values given their total input `a`, (n_rows, n_units)."""
        return namespace(a).tanh(a)

    def times_slope(self, x, g, kept=1.0):
        """The derivative of `x` by `a`, applied to `g`: see :class:`Network`."""
        g *= 1.0 - (kept * x) ** 2
        return left_in(x, g, kept)


class ReLU:
    """Rectified linear units: zero for negative inputs."""

    def mean(self, a):
        """Values given their total input `a`, (n_rows, n_units)."""
        return namespace(a).clip(a, 0.0)

    def times_slope(self, x, g, kept=1.0):
        """The derivative of `x` by `a`, applied to `g`: see :class:`Network`."""
        g *= namespace(x).astype(x > 0.0, g.dtype)
        return g / kept if kept < 1.0 else g


class Identity:
    """Real numbers. As outputs, their loss is the squared error: no cross-entropy."""

    def mean(self, a):
        """Values given their total input `a`, (n_rows, n_units)."""
        return a

    def typical(self, sums, mass):
        """The total input that fits targets with these weighted sums, (n_outputs,)."""
        return sums / mass

    def times_slope(self, x, g, kept=1.0):
        """The derivative of `x` by `a`, applied to `g`: see :class:`Network`."""
        return left_in(x, g, kept)


# What hidden layers may be made of.
ACTIVATIONS = {
    "logistic": Sigmoid(),
    "tanh": Tanh(),
    "relu": ReLU(),
    "identity": Identity(),
}


def left_in(x, g, kept):
    """`g` where dropout has left `x` in, scaled up, and 0 where it is left out."""
    if kept == 1.0:
        return g
    return g * namespace(x).astype(x != 0.0, g.dtype) / kept


def cross_entropy(output, a, targets):
    """The cross-entropy of each row in nats, and its derivative by `a`."""
    return output.cross_entropy(a, targets), output.mean(a) - targets


def squared_error(output, a, targets):
    """Half the sum of squared errors of each row, and its derivative by `a`."""
    mean = output.mean(a)
    error = mean - targets
    losses = 0.5 * namespace(a).sum(error * error, axis=-1)
    return losses, output.times_slope(mean, error)


class Dropout(NamedTuple):
    """Shares of the visible and of the hidden units that are left out of a batch.

    Those that stay are scaled up, so that means are as without [Srivastava 2014].
    `hidden` may be a tuple, with a share for each hidden layer.
    """

    visible: float = 0.0
    hidden: float | tuple = 0.0

    def kept(self):
        """The shares of the hidden units that stay."""
        if isinstance(self.hidden, tuple):
            return tuple(1.0 - share for share in self.hidden)
        return 1.0 - self.hidden


class Network(NamedTuple):
    """What a network is made of, besides its params.

    The kind of the outputs; `cross_entropy` or `squared_error`; the kinds of the hidden
    layers, one for all of them or a tuple; and whether the weights are tied.

    A kind gives the `mean` of units, from their total input a. Backpropagation asks it
    for `times_slope`, the derivative of x by a, applied to `g`, which may be used up.
    x is what dropout has made of the mean, m mean(a) / kept with m = 0 or 1: so the
    mask m need not be remembered.
    """

    output: object
    loss: object
    hidden: object = ACTIVATIONS["logistic"]
    tied: bool = False


def drop(x, share, stream):
    """`x` with a random share of its elements at zero, and the others scaled up."""
    if share == 0.0:
        return x
    xp = namespace(x)
    kept = xp.astype(stream.uniform(x.shape) >= share, x.dtype)
    kept *= 1.0 / (1.0 - share)
    return x * kept


def unrolled(params):
    """Hidden layers that make a mean-field update, from the params of a machine.

    Each takes the layer below and, but for the top one, the means q of the layer above
    it beside that, which are columns of the input:

        h_l = sigmoid(h_{l-1} W_{l-1} + q_{l+1} W_l^T + b_l)

    So at a fixed point of mean field it gives the layers of that [Salakhutdinov &
    Hinton 2009].
    """
    weights = list(params.weights)
    for index, (W, above) in enumerate(pairwise(params.weights)):
        weights[index] = namespace(W).concat([W, above.T])
    return Params(tuple(weights), params.biases[1:])


def mirrored(params):
    """All layers of a network with tied weights, from those of the lower half."""
    weights = params.weights
    return Params((*weights, *(W.T for W in reversed(weights))), params.biases)


def folded(gradient):
    """The gradient of tied weights, from that of all layers."""
    half = len(gradient.weights) // 2
    lower, upper = gradient.weights[:half], reversed(gradient.weights[half:])
    weights = tuple(up + down.T for up, down in zip(lower, upper, strict=True))
    return Params(weights, gradient.biases)


def one_each(given, n_layers):
    """What is given for each hidden layer: a tuple, or one thing for all of them."""
    return given if isinstance(given, tuple) else (given,) * n_layers


def layers_below(
    params, rows, hidden=ACTIVATIONS["logistic"], dropout=None, stream=None
):
    """What each layer gets, from below: (n_rows, rows of its weights)."""
    dropout = dropout or Dropout()
    rows = drop(rows, dropout.visible, stream)
    used = params.weights[0].shape[0]
    layers, n_hidden = [rows[:, :used]], len(params.weights) - 1
    for kind, share, W, b, W_above in zip(
        one_each(hidden, n_hidden),
        one_each(dropout.hidden, n_hidden),
        params.weights[:-1],
        params.biases[:-1],
        params.weights[1:],
        strict=True,
    ):
        a = layers[-1] @ W
        a += b
        x = drop(kind.mean(a), share, stream)
        n_beside = W_above.shape[0] - b.shape[0]
        if n_beside > 0:
            beside = rows[:, used : used + n_beside]
            x, used = namespace(x).concat([x, beside], axis=1), used + n_beside
        layers.append(x)
    return layers


def top_layer(params, rows, hidden=ACTIVATIONS["logistic"]):
    """The top hidden layer, (n_rows, n_units), from rows of the input."""
    return layers_below(params, rows, hidden)[-1]


def output_field(params, below):
    """Total input of the outputs, from the layer below them."""
    a = below @ params.weights[-1]
    a += params.biases[-1]
    return a


def outputs(network, params, rows):
    """Means of the outputs, (n_rows, n_outputs), of params that are all layers'."""
    below = top_layer(params, rows, network.hidden)
    return network.output.mean(output_field(params, below))


def slopes(params, layers, slope, hidden=ACTIVATIONS["logistic"], kept=1.0):
    """Gradients by the total inputs of the layers, from the outputs downwards.

    From `slope`, (n_rows, n_outputs), that by the total input of the outputs, and the
    `layers_below`, of whose hidden units dropout has `kept` a share.
    """
    yield slope
    kinds, kept = (one_each(x, len(layers) - 1) for x in (hidden, kept))
    for index in reversed(range(1, len(layers))):
        x, n_below = layers[index], params.biases[index - 1].shape[0]
        slope = times_transposed(slope, params.weights[index][:n_below, ...])
        slope = kinds[index - 1].times_slope(x[:, :n_below], slope, kept[index - 1])
        yield slope


def backward(params, layers, slope, hidden=ACTIVATIONS["logistic"], kept=1.0):
    """Gradient of the params, and `slope` by the first hidden layer's total input."""
    weights, biases = [], []
    downwards = slopes(params, layers, slope, hidden, kept)
    for x, slope in zip(reversed(layers), downwards, strict=True):
        weights.append(x.T @ slope)
        biases.append(namespace(x).sum(slope, axis=0))
    return Params(tuple(weights[::-1]), tuple(biases[::-1])), slope


def by_input(params, slope):
    """Gradient by the input, (n_rows, n_inputs), from what :func:`backward` gives.

    Of the columns for the first hidden layer, without those beside them.
    """
    return times_transposed(slope, params.weights[0])


def descent(network, params, rows, targets, row_weights, dropout=None, stream=None):
    """The weighted sum of the rows' losses, and minus its gradient.

    Optimisers ascend: what they are given is the direction in which the loss falls.
    """
    dropout = dropout or Dropout()
    full = mirrored(params) if network.tied else params
    layers = layers_below(full, rows, network.hidden, dropout, stream)
    a = output_field(full, layers[-1])
    losses, slope = network.loss(network.output, a, targets)
    slope = slope * -row_weights[:, None]
    step, _ = backward(full, layers, slope, network.hidden, dropout.kept())
    loss = namespace(rows).sum(row_weights * losses)
    return loss, folded(step) if network.tied else step


def penalty(params, weight_decay):
    """The L2 penalty of the weights, half of `weight_decay` times their squares."""
    total = 0.0
    for W in params.weights:
        total = total + 0.5 * weight_decay * namespace(W).sum(W * W)
    return total
