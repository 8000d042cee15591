"""From gradient to step. An optimiser is a pair: `init`, and `update`."""

import math
from typing import NamedTuple

from .backend import namespace
from .machine import Params

# Elements of an array that are updated at once: a quarter of a megabyte at most, so
# that a step's several passes over them stay within the processor's cache.
BLOCK_ELEMENTS = 2**15


def like_params(params):
    """Params of zeros."""
    return Params(*(tuple(x * 0.0 for x in group) for group in params))


def parts(*params):
    """Parts of the same place in several params, and whether they are weights.

    A part is a view: what is changed in place there is changed in the params. Params
    that are None have parts that are None.
    """
    some = next(p for p in params if p is not None)
    for group, arrays in enumerate(some):
        for index, x in enumerate(arrays):
            n_rows = x.shape[0]
            step = max(1, n_rows * BLOCK_ELEMENTS // math.prod(x.shape))
            for first in range(0, n_rows, step):
                part = slice(first, min(first + step, n_rows))
                views = (p and p[group][index][part, ...] for p in params)
                yield group == 0, tuple(views)


class MomentumSGD(NamedTuple):
    """Gradient ascent with momentum, and penalties of the weights but not the biases.

    `weight_decay` is the L2 penalty and goes into the gradient. `l1_decay` moves the
    weights towards zero after each step, and no further; then `max_norm` shortens what
    comes in to a unit from the layer below. With `nesterov`, the step is that of the
    point where the momentum leads to.
    """

    momentum: float = 0.0
    weight_decay: float = 0.0
    l1_decay: float = 0.0
    max_norm: float | None = None
    nesterov: bool = False

    def init(self, params):
        """State before the first step: no velocity, or none at all without momentum."""
        return None if self.momentum == 0.0 else like_params(params)

    def update(self, gradient, velocity, params, learning_rate):
        """One step, in place, which uses up `gradient`. Returns the velocity."""
        for is_weight, (step, speed, x) in parts(gradient, velocity, params):
            if self.weight_decay and is_weight:
                step -= self.weight_decay * x
            step *= learning_rate
            if speed is not None:
                speed *= self.momentum
                speed += step
                if self.nesterov:
                    step += self.momentum * speed
                else:
                    step = speed
            x += step
        for W in params.weights:
            if self.l1_decay:
                shrink(W, learning_rate * self.l1_decay)
            if self.max_norm is not None:
                shorten(W, self.max_norm)
        return velocity


def shrink(W, amount):
    """Move all of W towards zero by `amount`, in place, and none beyond it."""
    xp = namespace(W)
    W[...] = xp.sign(W) * xp.clip(xp.abs(W) - amount, 0.0)


def shorten(W, max_norm):
    """Scale the columns of W that are longer than `max_norm`, in place."""
    xp = namespace(W)
    norms = xp.linalg.vector_norm(W, axis=0)
    W *= max_norm / xp.clip(norms, max_norm)


class Moments(NamedTuple):
    """Running means of the gradient and of its square, and the number of steps."""

    first: Params
    second: Params
    n_steps: int


def saved(moments):
    """Optimiser state in plain containers, whose arrays scikit-learn moves."""
    if isinstance(moments, Moments):
        first, second, n_steps = moments
        return {"first": saved(first), "second": saved(second), "n_steps": n_steps}
    return moments if moments is None else [list(group) for group in moments]


def restored(plain):
    """Optimiser state that was saved."""
    if isinstance(plain, dict):
        first, second = restored(plain["first"]), restored(plain["second"])
        return Moments(first, second, plain["n_steps"])
    return plain if plain is None else Params(*map(tuple, plain))


class Adam(NamedTuple):
    """Ascent by steps of almost equal size for all params [Kingma & Ba 2015].

    L2 decay of the weights, but not of the biases, is part of their gradient.
    """

    weight_decay: float = 0.0
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def init(self, params):
        """State before the first step."""
        return Moments(like_params(params), like_params(params), 0)

    def update(self, gradient, moments, params, learning_rate):
        """One step, in place, which uses up `gradient`. Returns the new moments."""
        first, second, n_steps = moments
        n_steps += 1
        rate = learning_rate / (1.0 - self.beta_1**n_steps)
        rate *= math.sqrt(1.0 - self.beta_2**n_steps)
        for is_weight, (step, mean, square, x) in parts(
            gradient, first, second, params
        ):
            if self.weight_decay and is_weight:
                step -= self.weight_decay * x
            mean *= self.beta_1
            mean += (1.0 - self.beta_1) * step
            step *= step
            step *= 1.0 - self.beta_2
            square *= self.beta_2
            square += step
            size = namespace(x).sqrt(square)
            size += self.epsilon
            step = mean / size
            step *= rate
            x += step
        return Moments(first, second, n_steps)


def constant(learning_rate, n_epochs):
    """The same rate in every epoch."""
    return [learning_rate] * n_epochs


def linear(learning_rate, n_epochs):
    """Falling in even steps, from the full rate in the first epoch towards zero."""
    return [learning_rate * (1.0 - epoch / n_epochs) for epoch in range(n_epochs)]


def cosine(learning_rate, n_epochs):
    """Half a wave, from the full rate in the first epoch towards zero.

    It stays longer near both ends than :func:`linear` [Loshchilov & Hutter 2017].
    """
    angles = [math.pi * epoch / n_epochs for epoch in range(n_epochs)]
    return [0.5 * learning_rate * (1.0 + math.cos(angle)) for angle in angles]
