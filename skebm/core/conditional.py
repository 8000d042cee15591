"""What is missing of rows, given what is observed: by annealed chains, weighted.

A chain at a machine with well separated modes stays in the one where it starts. So
several chains of each row are annealed, from independent units on, with the observed
ones clamped. Their importance weights say how much of the probability lies where each
has come to [Neal 2001].
"""

import numpy as np

from .backend import device_of, like, namespace
from .machine import EVEN, ODD, resample, sample_from_means, to_means
from .partition import anneal, base_samples
from .sampling import clamp, gibbs, independent_layers, start_at_visible
from .tempering import base_biases

# Chains of a row at most, and Gibbs steps that each has at least.
MOST_CHAINS, LEAST_STEPS = 10, 50


def division(n_steps):
    """How many chains a row has of so many Gibbs steps, and of how many each.

    The first half of them is for annealing.
    """
    n_chains = min(MOST_CHAINS, max(1, n_steps // LEAST_STEPS))
    return n_chains, n_steps // n_chains


def annealed_given(machine, data_mean, clamped, n_chains, n_steps, stream):
    """Even layers of the chains of all rows, and their weights, (n_chains, n_rows).

    All first chains come first, then all second ones. The weights of a row's chains sum
    to one.
    """
    n_rows = clamped.values.shape[0]
    clamped = clamped.repeated(n_chains)
    base = base_biases(machine.units, machine.params, data_mean)
    start = clamp(base_samples(machine.units, base, n_chains * n_rows, stream), clamped)
    betas = np.linspace(0.0, 1.0, n_steps + 1).tolist()
    log_weights, layers = anneal(machine, base, betas, start, stream, clamped)
    log_weights = log_weights.reshape(n_chains, n_rows)
    weights = np.exp(log_weights - log_weights.max(axis=0))
    return layers, clamped, weights / weights.sum(axis=0)


def conditional_mean(machine, data_mean, clamped, n_steps, stream):
    """E[visible | clamped visible units], (n_rows, n_visible).

    By so many Gibbs steps for a row, of all its chains together. What is averaged is
    the mean given the other layers, not the samples: it has the same expectation and
    less variance.
    """
    n_chains, n_steps = division(n_steps)
    n_annealing = n_steps // 2
    layers, held, weights = annealed_given(
        machine, data_mean, clamped, n_chains, n_annealing, stream
    )
    total = 0.0
    for _ in range(n_steps - n_annealing):
        layers = to_means(machine, resample(machine, layers, ODD, stream), EVEN)
        total = total + layers[0]
        layers = clamp(sample_from_means(machine, layers, EVEN, stream), held)
    xp, shape = namespace(total), (n_chains, *clamped.values.shape)
    means = xp.reshape(total / (n_steps - n_annealing), shape)
    mean = xp.sum(like(weights, means)[:, :, None] * means, axis=0)
    return clamp([mean], clamped)[0]


def sample_given(machine, data_mean, clamped, n_steps, stream):
    """Even layers of a chain for each row: one of several, drawn by their weights.

    They take so many Gibbs steps together.
    """
    n_chains, n_steps = division(n_steps)
    layers, _, weights = annealed_given(
        machine, data_mean, clamped, n_chains, n_steps, stream
    )
    xp, n_rows = namespace(layers[0]), weights.shape[1]
    uniform = stream.uniform((n_rows,))
    reached = uniform[None, :] >= like(np.cumsum(weights, axis=0)[:-1], uniform)
    chosen = xp.sum(xp.astype(reached, xp.int64), axis=0)
    numbers = chosen * n_rows + xp.arange(n_rows, device=device_of(chosen))
    return [
        xp.take(x, numbers, axis=0) if index % 2 == EVEN else None
        for index, x in enumerate(layers)
    ]


def sample_visible(machine, data_mean, n_rows, n_steps, stream, clamped=None):
    """Visible rows, each from a chain of its own, with some units clamped or none.

    Free chains start at independent units. Others are annealed for half of the steps.
    """
    if clamped is None:
        start = independent_layers(machine.units[:1], [data_mean], n_rows, stream)[0]
        layers = start_at_visible(machine, start, stream)
    else:
        layers = sample_given(machine, data_mean, clamped, n_steps // 2, stream)
        n_steps -= n_steps // 2
    return gibbs(machine, layers, n_steps, stream, clamped)[0]
