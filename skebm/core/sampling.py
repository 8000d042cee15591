"""Markov chains over the states of a machine, and mean field in their place."""

import math
from typing import NamedTuple

from .backend import namespace
from .machine import EVEN, ODD, draw, means, sample


def independent_layers(units, means, n_rows, stream):
    """Rows drawn from layers of independent units with these means, each (n_units,)."""
    layers = []
    for kind, mean in zip(units, means, strict=True):
        shape = (n_rows, mean.shape[0])
        layers.append(kind.sample(namespace(mean).broadcast_to(mean, shape), stream))
    return layers


def alternate(machine, layers, n_steps, stream):
    """Block Gibbs from valid odd layers to valid even ones, `n_steps` times even."""
    layers = sample(machine, layers, EVEN, stream)
    for _ in range(n_steps - 1):
        layers = sample(machine, layers, ODD, stream)
        layers = sample(machine, layers, EVEN, stream)
    return layers


def gibbs(machine, layers, n_steps, stream, held=None):
    """Block Gibbs from even layers: odd given even, then even given odd, repeated.

    With `held`, a mask of visible units and their values, these do not move, and the
    others are drawn given them.
    """
    for _ in range(n_steps):
        layers = sample(machine, layers, ODD, stream)
        layers = hold(sample(machine, layers, EVEN, stream), held)
    return layers


def hold(layers, held):
    """The layers with the held visible units back at their values."""
    if held is None:
        return layers
    mask, values = held
    return [namespace(values).where(mask, values, layers[0]), *layers[1:]]


def conditional_mean(machine, layers, held, n_burn_in, n_steps, stream):
    """E[visible | held visible units], averaged over the steps of one chain per row.

    What is averaged is the mean given the other layers, not the samples: it has the
    same expectation and less variance.
    """
    layers = gibbs(machine, hold(layers, held), n_burn_in, stream, held)
    total = 0.0
    for _ in range(n_steps):
        layers = means(machine, sample(machine, layers, ODD, stream), EVEN)
        total = total + layers[0]
        layers = hold(draw(machine, layers, EVEN, stream), held)
    return hold([total / n_steps], held)[0]


class MeanField(NamedTuple):
    """Where mean field got to: the layers, the steps it took, the last change."""

    layers: list
    n_steps: int
    change: float


def mean_field(machine, visible, max_steps, tol, damping=0.0):
    """Factorised approximation of p(hidden layers | visible), (n_rows, n_l) each.

    Starts bottom-up, each layer from the one below with doubled weights to stand in for
    the one above (Salakhutdinov & Hinton 2009), then updates the hidden layers of
    either parity in turn, until none changes by more than `tol`. An update is moved
    back towards the old value by the share `damping`. With one hidden layer the first
    pass is exact.
    """
    layers = bottom_up(machine, visible)
    change, n_steps = 0.0 if len(layers) == 2 else math.inf, 0
    while change > tol and n_steps < max_steps:
        before = layers
        for parity in (ODD, EVEN):
            fresh = means(machine, layers, parity, lowest=1)
            layers = [
                x if x is old else damping * old + (1.0 - damping) * x
                for old, x in zip(layers, fresh, strict=True)
            ]
        change = max(largest_change(*pair) for pair in zip(layers, before, strict=True))
        n_steps += 1
    return MeanField(layers, n_steps, change)


def largest_change(x, y):
    """The largest absolute difference of two arrays, as a float."""
    xp = namespace(x)
    return float(xp.max(xp.abs(x - y)))


def bottom_up(machine, visible):
    """Each hidden layer's mean from the layer below, as recognition starts."""
    units, params = machine
    layers = [visible]
    for index, W in enumerate(params.weights, start=1):
        a = layers[-1] @ W
        if index < len(params.weights):
            a *= 2.0
        a += params.biases[index]
        layers.append(units[index].mean(a))
    return layers
