"""Contrastive wake-sleep: all layers of a stack together [Hinton, Osindero & Teh 2006].

Where machines trained one after the other are at their end, it unties the weights up
from those down, and trains both, and the top machine between them.
"""

from typing import NamedTuple

from .algorithms import ContrastiveDivergence
from .backend import namespace
from .machine import EVEN, ODD, Machine, copy_params, gradient, to_means
from .optimise import MomentumSGD
from .rows import minibatches
from .stack import Stack, sample_down, sample_up
from .streams import Purpose, stream
from .training import check_finite


class UpDown(NamedTuple):
    """What stays the same for the whole of wake-sleep training."""

    n_gibbs_steps: int
    batch_size: int
    shuffle: bool
    seed: int


def untied(stack):
    """A copy that training may change in place, without machines in common."""

    def copied(machine):
        return Machine(machine.units, copy_params(machine.params))

    return Stack(
        recognition=tuple(copied(machine) for machine in stack.recognition),
        generative=tuple(copied(machine) for machine in stack.generative),
        top=copied(stack.top),
    )


def towards(machine, layers, index, row_weights, learning_rate):
    """A step, in place, that makes one layer more probable given the other."""
    expected = to_means(machine, layers, index)[index]
    error = learning_rate * row_weights[:, None] * (layers[index] - expected)
    W, biases = machine.params.weights[0], machine.params.biases
    b = biases[index]
    b += namespace(error).sum(error, axis=0)
    lower, upper = (error, layers[1]) if index == EVEN else (layers[0], error)
    W += lower.T @ upper


def up_down_epoch(stack, X, sample_weight, learning_rate, epoch, settings):
    """One pass of contrastive wake-sleep over the rows of X. `stack` stays as it is.

    Wake: recognised layers teach the generative machines, and the top machine by
    contrastive divergence. Sleep: from where its chains end, generated layers teach
    the recognition machines.
    """
    stack = untied(stack)
    recognition, generative, top = stack.recognition, stack.generative, stack.top
    array, order = top.params.biases[0], None
    if settings.shuffle:
        draws = stream(settings.seed, Purpose.SHUFFLE, array, epoch)
        order = draws.permutation(X.shape[0])
    draws = stream(settings.seed, Purpose.UP_DOWN, array, epoch)
    algorithm, ascent = ContrastiveDivergence(settings.n_gibbs_steps), MomentumSGD()
    plain = tuple(0.0 * b for b in top.params.biases)
    for rows, weights in minibatches(X, sample_weight, order, settings.batch_size):
        awake = sample_up(recognition, rows, draws)
        for index, machine in enumerate(generative):
            towards(machine, awake[index : index + 2], EVEN, weights, learning_rate)
        phases = algorithm.phases(top, awake[-1], weights, None, draws)
        step = gradient(phases.up, phases.weights, plain)
        ascent.update(step, None, top.params, learning_rate)
        asleep = sample_down(generative, phases.up[0][rows.shape[0] :, ...], draws)
        for index, machine in enumerate(recognition):
            towards(machine, asleep[index : index + 2], ODD, weights, learning_rate)
    machines = (*recognition, *generative, top)
    check_finite(*(machine.params for machine in machines))
    return stack
