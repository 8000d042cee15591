"""Machines between a base machine, without weights, and a machine of interest.

At inverse temperature 0 it is the base machine, with the biases `base`, and at 1 the
machine itself; on the way all parameters change along straight lines. `beta` is a
number, or one for each row, (n_rows, 1), where not stated otherwise.
"""

from typing import NamedTuple

from .backend import device_of, namespace, zeros
from .machine import EVEN, ODD, independent_layers, inputs

# How near to 0 or 1 the means of the base machine's visible units may come.
BASE_MARGIN = 1e-4


def base_biases(units, params, data_mean):
    """Biases of the base machine: the visible units have the data's means."""
    inner = units[0].clip(data_mean, BASE_MARGIN)
    return (units[0].natural(inner), *(zeros(b.shape, b) for b in params.biases[1:]))


def tempered_bias(machine, base, beta, index):
    """Biases of a layer at inverse temperature `beta`."""
    return (1.0 - beta) * base[index] + beta * machine.params.biases[index]


def tempered_field(machine, base, beta, incoming, index):
    """Total input of a layer at inverse temperature `beta`."""
    return beta * incoming + tempered_bias(machine, base, beta, index)


def tempered_log_density(machine, base, beta, layers, incoming):
    """log of the unnormalised density of the even layers, (n_rows,), odd summed out.

    `beta` is a number.
    """
    total = 0.0
    for index, kind in enumerate(machine.units):
        if index % 2 == ODD:
            a = tempered_field(machine, base, beta, incoming[index], index)
            total = total + kind.log_partition(a)
        else:
            x = layers[index]
            total = total + x @ tempered_bias(machine, base, beta, index)
            total = total + kind.log_base(x)
    return total


def odd_inputs(machine, layers):
    """What comes over the weights to each odd layer; None for the even ones."""
    return [
        inputs(machine.params, layers, index) if index % 2 == ODD else None
        for index in range(len(layers))
    ]


def tempered_sample(machine, base, beta, layers, parity, stream, incoming=None):
    """The layers of one parity replaced by a sample given the others, at `beta`.

    `incoming` is what comes over the weights to these layers, where it is known.
    """
    layers = list(layers)
    for index in range(parity, len(layers), 2):
        kind = machine.units[index]
        over = (
            inputs(machine.params, layers, index)
            if incoming is None
            else incoming[index]
        )
        a = tempered_field(machine, base, beta, over, index)
        layers[index] = kind.sample(kind.mean(a), stream)
    return layers


def tempered_step(machine, base, beta, layers, incoming, stream):
    """One block Gibbs step at `beta` from even layers to even layers.

    `incoming` is what comes over the weights to the odd layers. The step is reversible
    with respect to the density of the even layers, which annealing both ways needs.
    """
    layers = tempered_sample(machine, base, beta, layers, ODD, stream, incoming)
    return tempered_sample(machine, base, beta, layers, EVEN, stream)


class Straight(NamedTuple):
    """The path of annealing from a base machine, of biases `base`, to a machine.

    A path says what it has `seen` of even layers, which serves all inverse temperatures
    (a number each); and for these the log of the unnormalised density, and a step that
    leaves it as it is. It has exact `samples` at 0, where it knows log Z.
    """

    machine: object
    base: tuple

    def seen(self, layers):
        """What comes over the weights to the odd layers."""
        return odd_inputs(self.machine, layers)

    def log_density(self, beta, layers, seen):
        """log of the unnormalised density of the even layers, (n_rows,)."""
        return tempered_log_density(self.machine, self.base, beta, layers, seen)

    def step(self, beta, layers, seen, stream):
        """Even layers one reversible Gibbs step on."""
        return tempered_step(self.machine, self.base, beta, layers, seen, stream)

    def samples(self, n_rows, stream):
        """Exact samples of the base machine, as layers."""
        units = self.machine.units
        means = [kind.mean(b) for kind, b in zip(units, self.base, strict=True)]
        return independent_layers(units, means, n_rows, stream)

    def log_partition(self):
        """log Z of the base machine."""
        pairs = zip(self.machine.units, self.base, strict=True)
        return sum(float(kind.log_partition(b)) for kind, b in pairs)


def log_density_ratio(machine, base, layers):
    """By how much -E of `machine` is above that of the base machine, (n_rows,).

    It is d log p / d beta of all layers, but for a constant.
    """
    incoming, total = odd_inputs(machine, layers), 0.0
    for index, (x, a) in enumerate(zip(layers, incoming, strict=True)):
        total = total + x @ (machine.params.biases[index] - base[index])
        if index % 2 == ODD:
            total = total + namespace(x).sum(a * x, axis=-1)
    return total


def acceptance(log_ratios, betas, cold, hot):
    """Probabilities that chains at inverse temperatures `cold` and `hot` change places.

    `log_ratios` (n_betas, n_chains) are their :func:`log_density_ratio`, `betas` is
    (n_betas, 1).
    """
    xp = namespace(log_ratios)
    log_ratio = (betas[cold, ...] - betas[hot, ...]) * (
        log_ratios[hot, ...] - log_ratios[cold, ...]
    )
    return xp.exp(xp.clip(log_ratio, None, 0.0))


def swapped(machine, base, betas, layers, stream):
    """The layers of tempered chains, some of which changed places with their neighbour.

    The rows of a layer are those of the first of `betas` (n_betas, 1), then those of
    the second one, and so on. First the pairs 0-1, 2-3, ... then 1-2, 3-4, ... are
    offered a swap, which leaves the joint distribution as it is.
    """
    log_ratios = log_density_ratio(machine, base, layers)
    order = exchanged(log_ratios, betas, stream)
    return [namespace(x).take(x, order, axis=0) for x in layers]


def exchanged(log_ratios, betas, stream):
    """Numbers of rows in the order after :func:`swapped`, from their log ratios."""
    n_betas, n_rows = betas.shape[0], log_ratios.shape[0]
    xp = namespace(log_ratios)
    shape = (n_betas, n_rows // n_betas)
    log_ratios = xp.reshape(log_ratios, shape)
    rows = xp.reshape(xp.arange(n_rows, device=device_of(log_ratios)), shape)
    for first in (0, 1):
        cold, hot = slice(first, n_betas - 1, 2), slice(first + 1, n_betas, 2)
        probability = acceptance(log_ratios, betas, cold, hot)
        swap = stream.uniform(probability.shape) < probability
        for values in (log_ratios, rows):
            below, above = values[cold, ...], values[hot, ...]
            values[cold, ...], values[hot, ...] = (
                xp.where(swap, above, below),
                xp.where(swap, below, above),
            )
    return xp.reshape(rows, (-1,))
