"""From gradient to step. An optimiser is a pair: `init`, and `update`."""

from typing import NamedTuple

from .backend import namespace
from .machine import Params


class MomentumSGD(NamedTuple):
    """Gradient ascent with momentum, and penalties of the weights but not the biases.

    `weight_decay` is the L2 penalty and goes into the gradient. `l1_decay` moves the
    weights towards zero after each step, and no further; then `max_norm` shortens what
    comes in to a unit from the layer below.
    """

    momentum: float = 0.0
    weight_decay: float = 0.0
    l1_decay: float = 0.0
    max_norm: float | None = None

    def init(self, params):
        """State before the first step: no velocity, or none at all without momentum."""
        if self.momentum == 0.0:
            return None
        return Params(*(tuple(x * 0.0 for x in group) for group in params))

    def update(self, gradient, velocity, params, learning_rate):
        """One step. Changes `params` and `velocity` in place, uses up `gradient`."""
        if self.weight_decay:
            for step, W in zip(gradient.weights, params.weights, strict=True):
                step -= self.weight_decay * W
        for group in range(len(params)):
            for index, x in enumerate(params[group]):
                step = gradient[group][index]
                step *= learning_rate
                if velocity is not None:
                    speed = velocity[group][index]
                    speed *= self.momentum
                    speed += step
                    step = speed
                x += step
        for W in params.weights:
            if self.l1_decay:
                shrink(W, learning_rate * self.l1_decay)
            if self.max_norm is not None:
                shorten(W, self.max_norm)


def shrink(W, amount):
    """Move all of W towards zero by `amount`, in place, and none beyond it."""
    xp = namespace(W)
    W[...] = xp.sign(W) * xp.clip(xp.abs(W) - amount, 0.0)


def shorten(W, max_norm):
    """Scale the columns of W that are longer than `max_norm`, in place."""
    xp = namespace(W)
    norms = xp.linalg.vector_norm(W, axis=0)
    W *= max_norm / xp.clip(norms, max_norm)


def constant(learning_rate, n_epochs):
    """The same rate in every epoch."""
    return [learning_rate] * n_epochs


def linear(learning_rate, n_epochs):
    """Falling in even steps, from the full rate in the first epoch towards zero."""
    return [learning_rate * (1.0 - epoch / n_epochs) for epoch in range(n_epochs)]
