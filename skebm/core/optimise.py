"""From gradient to step. An optimiser is a pair: `init`, and `update`."""

from typing import NamedTuple

from .machine import Params


class MomentumSGD(NamedTuple):
    """Gradient ascent with momentum, and L2 decay of the weights but not the biases."""

    momentum: float = 0.0
    weight_decay: float = 0.0

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


def constant(learning_rate, n_epochs):
    """The same rate in every epoch."""
    return [learning_rate] * n_epochs


def linear(learning_rate, n_epochs):
    """Falling in even steps, from the full rate in the first epoch towards zero."""
    return [learning_rate * (1.0 - epoch / n_epochs) for epoch in range(n_epochs)]
