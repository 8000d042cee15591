"""log Z of a layered machine: exactly, or by annealed importance sampling.

Both rest on the free energy with the layers of one parity summed out, so they serve
machines of any depth.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .backend import namespace, to_numpy, zeros
from .machine import EVEN, ODD, free_energy, inputs
from .sampling import independent_layers

# The smaller side of a machine is enumerated up to this many units: 2^20 states.
MAX_EXACT_UNITS = 20

# How near to 0 or 1 the means of the base machine's visible units may come.
BASE_MARGIN = 1e-4

# Memory for the fields of one block of states.
BLOCK_BYTES = 2**26


class LogPartition(NamedTuple):
    """log Z in nats: estimate, interval, standard error, and the method used."""

    value: float
    lower: float
    upper: float
    std_error: float
    method: str


def layer_sizes(params):
    """Number of units in each layer."""
    return [b.shape[0] for b in params.biases]


def smaller_side(params):
    """The parity with fewer units, and how many it has."""
    sizes = layer_sizes(params)
    return min(((p, sum(sizes[p::2])) for p in (ODD, EVEN)), key=lambda side: side[1])


def exact(machine):
    """log Z by enumeration of the smaller side, the other summed out in closed form."""
    params = machine.params
    parity, n_units = smaller_side(params)
    sizes = layer_sizes(params)
    itemsize = to_numpy(params.biases[0][:1]).itemsize
    block = max(1, BLOCK_BYTES // (itemsize * sum(sizes)))
    n_states = machine.units[parity].n_states(n_units)
    parts = []
    for start in range(0, n_states, block):
        states = machine.units[parity].states(
            start, min(start + block, n_states), n_units, params.biases[0]
        )
        layers = split_layers(states, sizes, parity)
        log_weights = -to_numpy(free_energy(machine, layers, summed=1 - parity))
        parts.append(np.logaddexp.reduce(log_weights.astype(np.float64)))
    value = float(np.logaddexp.reduce(parts))
    return LogPartition(value, value, value, 0.0, "exact")


def split_layers(states, sizes, parity):
    """Columns of `states` dealt out to the layers of a parity; the others are None."""
    layers, start = [None] * len(sizes), 0
    for index in range(parity, len(sizes), 2):
        layers[index] = states[:, start : start + sizes[index]]
        start += sizes[index]
    return layers


def tempered_field(machine, base, beta, incoming, index):
    """Total input of a layer at inverse temperature `beta`.

    The path leads from a machine without weights and with the biases `base`, at beta 0,
    to `machine`, at beta 1, along straight lines in all parameters.
    """
    bias = (1.0 - beta) * base[index] + beta * machine.params.biases[index]
    return beta * incoming + bias


def tempered_log_density(machine, base, beta, layers, incoming):
    """log of the unnormalised density of the even layers, (n_rows,), odd summed out."""
    total = 0.0
    for index, kind in enumerate(machine.units):
        if index % 2 == ODD:
            a = tempered_field(machine, base, beta, incoming[index], index)
            total = total + kind.log_partition(a)
        else:
            x = layers[index]
            bias = (1.0 - beta) * base[index] + beta * machine.params.biases[index]
            total = total + x @ bias + kind.log_base(x)
    return total


def tempered_step(machine, base, beta, layers, incoming, stream):
    """One block Gibbs step at `beta` from even layers to even layers.

    `incoming` is what comes over the weights to the odd layers. The step is reversible
    with respect to the density of the even layers, which annealing both ways needs.
    """
    layers = list(layers)
    for index in range(ODD, len(layers), 2):
        a = tempered_field(machine, base, beta, incoming[index], index)
        layers[index] = machine.units[index].sample(
            machine.units[index].mean(a), stream
        )
    for index in range(EVEN, len(layers), 2):
        over = inputs(machine.params, layers, index)
        a = tempered_field(machine, base, beta, over, index)
        layers[index] = machine.units[index].sample(
            machine.units[index].mean(a), stream
        )
    return layers


def anneal(machine, base, betas, layers, stream):
    """log importance weights, (n_rows,), of annealing even layers along `betas`.

    Starting from exact samples at the first beta, exp(log weight) has the expectation
    Z(last beta) / Z(first beta) [Neal 2001; Salakhutdinov & Murray 2008]. The betas may
    rise or fall: falling, from samples of the machine, it is reverse AIS.
    """
    xp = namespace(layers[0])
    total = xp.zeros_like(layers[0][:, 0], dtype=xp.float64)
    for here, there in pairwise(betas):
        incoming = [
            inputs(machine.params, layers, index) if index % 2 == ODD else None
            for index in range(len(layers))
        ]
        total += tempered_log_density(machine, base, there, layers, incoming)
        total -= tempered_log_density(machine, base, here, layers, incoming)
        if there != betas[-1]:
            layers = tempered_step(machine, base, there, layers, incoming, stream)
    return to_numpy(total)


def base_biases(units, params, visible_mean):
    """Biases of the base machine: the visible units have the data's means."""
    inner = units[0].clip(visible_mean, BASE_MARGIN)
    return (units[0].natural(inner), *(zeros(b.shape, b) for b in params.biases[1:]))


def base_log_partition(machine, base):
    """log Z of the machine without weights and with the biases `base`."""
    return sum(
        float(kind.log_partition(b))
        for kind, b in zip(machine.units, base, strict=True)
    )


def log_mean_exp(log_weights):
    """log of the mean of exp(log_weights), and its standard error (delta method)."""
    n = len(log_weights)
    top = log_weights.max()
    weights = np.exp(log_weights - top)
    mean = weights.mean()
    std_error = float(weights.std(ddof=1) / mean / math.sqrt(n)) if n > 1 else math.inf
    return float(top + math.log(mean)), std_error


def annealed(machine, base, n_betas, n_runs, stream):
    """log Z by annealed importance sampling from the machine of biases `base`.

    exp(value) is unbiased, so value is too low in expectation.
    """
    betas = np.linspace(0.0, 1.0, n_betas).tolist()
    means = [kind.mean(b) for kind, b in zip(machine.units, base, strict=True)]
    start = independent_layers(machine.units, means, n_runs, stream)
    log_weights = anneal(machine, base, betas, start, stream)
    ratio, std_error = log_mean_exp(log_weights)
    value = base_log_partition(machine, base) + ratio
    # Three standard errors: the interval that sampling error alone leaves.
    margin = 3.0 * std_error
    return LogPartition(value, value - margin, value + margin, std_error, "ais")
