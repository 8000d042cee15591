"""Stacks of machines: deep belief networks [Hinton, Osindero & Teh 2006].

The layers x_0, ..., x_L have the joint distribution

    p(x_0, ..., x_L) = p(x_{L-1}, x_L) prod_{l < L-1} p(x_l | x_{l+1}) ,

where the top two make a restricted Boltzmann machine and each layer below is generated
from the one above it. Upwards, q(x_{l+1} | x_l) recognises the layers that may have
generated a row. Both directions are conditionals of two-layer machines.
"""

from typing import NamedTuple

from .backend import log_mean_exp, namespace
from .conditional import conditional_mean
from .machine import (
    EVEN,
    ODD,
    Machine,
    field,
    free_energy,
    resample,
    sample_from_means,
    to_means,
)
from .missing import start_at_observed
from .sampling import clamp
from .streams import SharedDraws


class Stack(NamedTuple):
    """Machines of two layers, from below.

    Of the machines in `recognition`, the upper layer given the lower one counts; of
    those in `generative`, the lower one given the upper. They are the same machines
    until wake-sleep unties them.
    """

    recognition: tuple
    generative: tuple
    top: Machine

    @property
    def visible_kind(self):
        """The kind of the visible units."""
        return (*self.generative, self.top)[0].units[0]


def pass_up(machines, rows):
    """Rows passed up by means, from machine to machine: what one gives, the next gets.

    Between two machines they are decoded and encoded, as the layers of the two may be
    of different kinds: in the pretraining of a deep machine, of tied copies.
    """
    for machine in machines:
        below, above = machine.units
        states = below.encode(rows)
        rows = above.decode(to_means(machine, [states, None], ODD)[ODD])
    return rows


def pass_down(machines, rows):
    """The same downwards, from what the top machine gives."""
    for machine in reversed(machines):
        below, above = machine.units
        states = above.encode(rows)
        rows = below.decode(to_means(machine, [None, states], EVEN)[EVEN])
    return rows


def reconstruction_error(stack, rows):
    """Mean squared error of rows that are passed up and down by means, as a float."""
    top = pass_up((*stack.recognition, stack.top), rows)
    error = pass_down((*stack.generative, stack.top), top) - rows
    return float(namespace(rows).mean(error * error))


def sample_up(machines, rows, stream):
    """The rows and a sample of each layer above them, from below."""
    layers = [rows]
    for machine in machines:
        layers.append(resample(machine, [layers[-1], None], ODD, stream)[1])
    return layers


def sample_down(machines, x, stream):
    """A layer and a sample of each layer below it, from below."""
    layers = [x]
    for machine in reversed(machines):
        layers.insert(0, resample(machine, [None, layers[0]], EVEN, stream)[0])
    return layers


def log_conditional(machine, layers, index):
    """log p(one layer of a machine | the other), (n_rows,)."""
    a, x = field(machine.params, layers, index), layers[index]
    kind = machine.units[index].alike(x)
    total = namespace(x).sum(a * x, axis=-1) + kind.log_base(x)
    return total - kind.log_partition(a)


def log_weight(stack, rows, stream):
    """log of Z_top p(rows, layers) / q(layers | rows), for sampled layers, (n_rows,).

    The layers are those up to the top machine, whose upper layer is summed out. The
    mean over samples is the variational bound of log p(rows) + log Z_top; the log of
    the mean of the exponentials approaches it from below.
    """
    return log_weight_of(stack, sample_up(stack.recognition, rows, stream))


def log_weight_of(stack, layers):
    """log of Z_top p(layers) / q(hidden layers | rows), (n_rows,)."""
    total = -free_energy(stack.top, [layers[-1], None])
    machines = zip(stack.recognition, stack.generative, strict=True)
    for index, (upward, downward) in enumerate(machines):
        pair = layers[index : index + 2]
        total = total + log_conditional(downward, pair, EVEN)
        total = total - log_conditional(upward, pair, ODD)
    return total


def bound(stack, rows, draws):
    """A lower bound of log p(rows) + log Z_top, (n_rows,), by importance sampling.

    `draws` are the uniform numbers for each pass up, the same for all rows.
    """
    weights = [log_weight(stack, rows, SharedDraws(numbers)) for numbers in draws]
    return log_mean_exp(namespace(rows).stack(weights))


def fill_missing(stack, held, data_mean, n_burn_in, n_steps, stream):
    """Means of the visible units given what is held of them, by a chain for each row.

    The missing entries are drawn given the first hidden layer. Hidden layers are
    proposed by recognition, and accepted by the rule of Metropolis and Hastings, which
    makes up for what recognition gets wrong. As in
    :func:`skebm.core.conditional.conditional_mean`, means are averaged.
    """
    machine, xp = (*stack.generative, stack.top)[0], namespace(held.values)
    if not stack.recognition:
        return conditional_mean(machine, data_mean, held, n_steps, stream)
    start = start_at_observed(machine, held, data_mean, stream)
    layers, total = sample_up(stack.recognition, start[0], stream), 0.0
    for step in range(n_burn_in + n_steps):
        below = to_means(machine, [None, layers[1]], EVEN)
        if step >= n_burn_in:
            total = total + below[0]
        layers[0] = clamp(sample_from_means(machine, below, EVEN, stream), held)[0]
        proposed = sample_up(stack.recognition, layers[0], stream)
        log_ratio = log_weight_of(stack, proposed) - log_weight_of(stack, layers)
        accepted = xp.log(1.0 - stream.uniform(log_ratio.shape)) < log_ratio
        layers = [
            xp.where(accepted[:, None], new, old)
            for new, old in zip(proposed, layers, strict=True)
        ]
    return clamp([total / n_steps], held)[0]
