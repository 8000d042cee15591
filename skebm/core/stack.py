"""Stacks of machines: deep belief networks [Hinton, Osindero & Teh 2006].

The layers x_0, ..., x_L have the joint distribution

    p(x_0, ..., x_L) = p(x_{L-1}, x_L) prod_{l < L-1} p(x_l | x_{l+1}) ,

where the top two make a restricted Boltzmann machine and each layer below is generated
from the one above it. Upwards, q(x_{l+1} | x_l) recognises the layers that may have
generated a row. Both directions are conditionals of two-layer machines.
"""

from typing import NamedTuple

from .algorithms import ContrastiveDivergence
from .backend import namespace
from .machine import (
    EVEN,
    ODD,
    Machine,
    copy_params,
    draw,
    field,
    free_energy,
    gradient,
    means,
    sample,
)
from .missing import observed_in, started
from .optimise import MomentumSGD
from .rows import minibatches
from .sampling import conditional_mean as of_machine
from .sampling import hold
from .streams import Purpose, stream
from .training import check_finite


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


def raised(machines, rows):
    """Rows passed up by means, from machine to machine: what one gives, the next gets.

    Between two machines they are decoded and encoded, as the layers of the two may be
    of different kinds: in the pretraining of a deep machine, of tied copies.
    """
    for machine in machines:
        below, above = machine.units
        states = below.encode(rows)
        rows = above.decode(means(machine, [states, None], ODD)[ODD])
    return rows


def lowered(machines, rows):
    """The same downwards, from what the top machine gives."""
    for machine in reversed(machines):
        below, above = machine.units
        states = above.encode(rows)
        rows = below.decode(means(machine, [None, states], EVEN)[EVEN])
    return rows


def reconstruction_error(stack, rows):
    """Mean squared error of rows that are passed up and down by means, as a float."""
    top = raised((*stack.recognition, stack.top), rows)
    error = lowered((*stack.generative, stack.top), top) - rows
    return float(namespace(rows).mean(error * error))


def sampled_up(machines, rows, stream):
    """The rows and a sample of each layer above them, from below."""
    layers = [rows]
    for machine in machines:
        layers.append(sample(machine, [layers[-1], None], ODD, stream)[1])
    return layers


def sampled_down(machines, x, stream):
    """A layer and a sample of each layer below it, from below."""
    layers = [x]
    for machine in reversed(machines):
        layers.insert(0, sample(machine, [None, layers[0]], EVEN, stream)[0])
    return layers


def log_conditional(machine, layers, index):
    """log p(one layer of a machine | the other), (n_rows,)."""
    a, x = field(machine.params, layers, index), layers[index]
    kind = machine.units[index]
    total = namespace(x).sum(a * x, axis=-1) + kind.log_base(x)
    return total - kind.log_partition(a)


class SharedDraws:
    """A stream that answers each question for uniform numbers with given ones.

    They are the same for all rows, so that what becomes of a row does not depend on
    the other rows.
    """

    def __init__(self, numbers):
        self._numbers = iter(numbers)

    def uniform(self, shape):
        """The next numbers, (n_units,), for each row."""
        numbers = next(self._numbers)
        return namespace(numbers).broadcast_to(numbers, shape)


def spread_draws(stack, n_samples, stream):
    """Uniform numbers for the layers of `n_samples` passes up, evenly spread.

    For each unit they are one from each of `n_samples` equal parts of [0, 1), in random
    order (a Latin hypercube): each pass has independent uniform numbers, but the
    fluctuations of each unit's states over the passes are mostly taken out.
    """
    draws = []
    for machine in stack.recognition:
        shape = (n_samples, machine.params.biases[1].shape[0])
        numbers = stream.uniform(shape)
        xp = namespace(numbers)
        part = xp.astype(xp.argsort(stream.uniform(shape), axis=0), numbers.dtype)
        draws.append((part + numbers) / n_samples)
    return [[x[index, ...] for x in draws] for index in range(n_samples)]


def log_weight(stack, rows, stream):
    """log of Z_top p(rows, layers) / q(layers | rows), for sampled layers, (n_rows,).

    The layers are those up to the top machine, whose upper layer is summed out. The
    mean over samples is the variational bound of log p(rows) + log Z_top; the log of
    the mean of the exponentials approaches it from below.
    """
    return log_weight_of(stack, sampled_up(stack.recognition, rows, stream))


def log_weight_of(stack, layers):
    """log of Z_top p(layers) / q(hidden layers | rows), (n_rows,)."""
    total = -free_energy(stack.top, [layers[-1], None])
    machines = zip(stack.recognition, stack.generative, strict=True)
    for index, (upward, downward) in enumerate(machines):
        pair = layers[index : index + 2]
        total = total + log_conditional(downward, pair, EVEN)
        total = total - log_conditional(upward, pair, ODD)
    return total


def log_mean_exp(x):
    """log of the mean of exp(x) over the first axis, without overflow."""
    xp = namespace(x)
    top = xp.max(x, axis=0)
    return top + xp.log(xp.mean(xp.exp(x - top), axis=0))


def bound(stack, rows, draws):
    """A lower bound of log p(rows) + log Z_top, (n_rows,), by importance sampling.

    `draws` are the uniform numbers for each pass up, the same for all rows.
    """
    weights = [log_weight(stack, rows, SharedDraws(numbers)) for numbers in draws]
    return log_mean_exp(namespace(rows).stack(weights))


def conditional_mean(stack, rows, visible_mean, n_burn_in, n_steps, stream):
    """Rows with missing entries at their mean given the observed ones, by a chain each.

    The missing entries are drawn given the first hidden layer. Hidden layers are
    proposed by recognition, and accepted by the rule of Metropolis and Hastings, which
    makes up for what recognition gets wrong. As in
    :func:`skebm.core.sampling.conditional_mean`, means are averaged.
    """
    machine, held = (*stack.generative, stack.top)[0], observed_in(rows)
    start = started(machine, rows, visible_mean, stream)
    if not stack.recognition:
        return of_machine(machine, start, held, n_burn_in, n_steps, stream)
    xp = namespace(rows)
    layers, total = sampled_up(stack.recognition, start[0], stream), 0.0
    for step in range(n_burn_in + n_steps):
        below = means(machine, [None, layers[1]], EVEN)
        if step >= n_burn_in:
            total = total + below[0]
        layers[0] = hold(draw(machine, below, EVEN, stream), held)[0]
        proposed = sampled_up(stack.recognition, layers[0], stream)
        gain = log_weight_of(stack, proposed) - log_weight_of(stack, layers)
        accepted = xp.log(1.0 - stream.uniform(gain.shape)) < gain
        layers = [
            xp.where(accepted[:, None], new, old)
            for new, old in zip(proposed, layers, strict=True)
        ]
    return hold([total / n_steps], held)[0]


class UpDown(NamedTuple):
    """What stays the same for the whole of wake-sleep training."""

    n_gibbs_steps: int
    batch_size: int
    shuffle: bool
    seed: int


def untied(stack):
    """A copy that training may change in place, without machines in common."""
    return Stack(
        *(
            tuple(Machine(m.units, copy_params(m.params)) for m in ms)
            for ms in stack[:2]
        ),
        Machine(stack.top.units, copy_params(stack.top.params)),
    )


def towards(machine, layers, index, row_weights, learning_rate):
    """A step, in place, that makes one layer more probable given the other."""
    expected = means(machine, layers, index)[index]
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
    recognition, generative, top = stack
    array, order = top.params.biases[0], None
    if settings.shuffle:
        draws = stream(settings.seed, Purpose.SHUFFLE, array, epoch)
        order = draws.permutation(X.shape[0])
    draws = stream(settings.seed, Purpose.UP_DOWN, array, epoch)
    algorithm, ascent = ContrastiveDivergence(settings.n_gibbs_steps), MomentumSGD()
    plain = tuple(0.0 * b for b in top.params.biases)
    for rows, weights in minibatches(X, sample_weight, order, settings.batch_size):
        awake = sampled_up(recognition, rows, draws)
        for index, machine in enumerate(generative):
            towards(machine, awake[index : index + 2], EVEN, weights, learning_rate)
        phases = algorithm.phases(top, awake[-1], weights, None, draws)
        step = gradient(phases.up, phases.weights, plain)
        ascent.update(step, None, top.params, learning_rate)
        asleep = sampled_down(generative, phases.up[0][rows.shape[0] :, ...], draws)
        for index, machine in enumerate(recognition):
            towards(machine, asleep[index : index + 2], ODD, weights, learning_rate)
    machines = (*recognition, *generative, top)
    check_finite(*(machine.params for machine in machines))
    return stack
