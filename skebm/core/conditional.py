"""What is missing of rows, given what is observed: by annealed chains, weighted.

A chain at a machine with well separated modes stays in the one where it starts. So
several chains of each row are annealed, from independent units on, with the observed
ones clamped. Their importance weights say how much of the probability lies where each
has come to [Neal 2001]. Where a row is wide, weights of few steps differ far more, and
nearly all is that of one chain: a mean has less error if they are evened out. With all
visible units observed, the mean weight is the density of the row.
"""

import numpy as np

from .backend import device_of, like, log_mean_exp, namespace
from .machine import (
    EVEN,
    ODD,
    free_energy,
    independent_layers,
    resample,
    sample_from_means,
    to_means,
)
from .partition import anneal
from .sampling import clamp, gibbs, start_at_visible
from .tempering import Straight, base_biases
from .units import Held

# Chains of a row at most, and Gibbs steps that each has at least.
MOST_CHAINS, LEAST_STEPS = 10, 50

# What the weights of a row's chains are worth at least in a mean, as a share of the
# chains; and halvings of the interval in which their power is looked for.
LEAST_WORTH, N_HALVINGS = 0.5, 20


def division(n_steps):
    """How many chains a row has of so many Gibbs steps, and of how many each.

    The first half of them is for annealing.
    """
    n_chains = min(MOST_CHAINS, max(1, n_steps // LEAST_STEPS))
    return n_chains, n_steps // n_chains


def straight_from(machine, data_mean):
    """The path from independent units with the data's means to the machine."""
    return Straight(machine, base_biases(machine.units, machine.params, data_mean))


def annealed_given(machine, data_mean, clamped, n_chains, n_steps, stream):
    """Even layers of the chains of all rows, and their weights, (n_chains, n_rows).

    All first chains come first, then all second ones. The weights of a row's chains sum
    to one.
    """
    n_rows = clamped.values.shape[0]
    clamped = clamped.repeated(n_chains)
    path = straight_from(machine, data_mean)
    start = clamp(path.samples(n_chains * n_rows, stream), clamped)
    betas = np.linspace(0.0, 1.0, n_steps + 1).tolist()
    log_weights, layers = anneal(path, betas, start, stream, clamped)
    return layers, clamped, normalised(log_weights.reshape(n_chains, n_rows))


def annealed_density(machine, data_mean, rows, n_runs, n_betas, stream):
    """log of the density of visible units, (n_rows,), but for log Z, hidden summed out.

    By annealing the hidden units of each row, from independent ones on. The exponential
    is unbiased, so the logarithm errs downwards in expectation.
    """
    kind, n_rows = machine.units[0], rows.shape[0]
    path = straight_from(machine, data_mean)
    held = Held(namespace(rows).ones_like(rows) > 0.0, rows)
    betas, log_weights = np.linspace(0.0, 1.0, n_betas).tolist(), []
    for _ in range(n_runs):  # one by one, as rows may be many
        start = clamp(path.samples(n_rows, stream), held)
        log_weights.append(anneal(path, betas, start, stream, held)[0])
    b = path.base[0]
    hidden = path.log_partition() - float(kind.log_partition(b))
    found = log_mean_exp(np.stack(log_weights)) + hidden
    return rows @ b + kind.log_base(rows) + like(found, rows)


def reverse_annealed_density(path, betas, rows, n_runs, stream):
    """log of the density with which annealing ends at visible units, (n_rows,).

    By annealing in reverse along a path, from the rows down to its start, whose log Z
    is known; the `betas` fall. The exponential is an unbiased estimate of the density
    of the last state of a forward run, so the logarithm errs downwards in expectation.
    With more temperatures that density comes to be the machine's [Burda, Grosse &
    Salakhutdinov 2015]. For machines of one hidden layer, where a row is all that a
    run starts from.
    """
    log_weights = [anneal(path, betas, [rows, None], stream)[0] for _ in range(n_runs)]
    found = log_mean_exp(np.stack(log_weights)) - path.log_partition()
    return like(found, rows) - free_energy(path.machine, [rows, None])


def normalised(log_weights):
    """Weights that sum to one, from their logarithms, (n_chains, n_rows)."""
    weights = np.exp(log_weights - log_weights.max(axis=0))
    return weights / weights.sum(axis=0)


def evened(weights):
    """Weights raised to the largest power up to 1 at which they are worth enough.

    Those of a row are worth 1 / sum w^2 chains, the more the lower the power is. Bias
    is traded for variance, as by truncated importance sampling [Ionides 2008]; of
    weights that differ little nothing is changed.
    """
    least = LEAST_WORTH * weights.shape[0]

    def suffices(weights):
        return 1.0 / np.sum(weights**2, axis=0) >= least

    log_weights = np.log(np.maximum(weights, np.finfo(weights.dtype).tiny))
    low, high = np.zeros(weights.shape[1]), np.ones(weights.shape[1])
    for _ in range(N_HALVINGS):
        middle = 0.5 * (low + high)
        enough = suffices(normalised(middle * log_weights))
        low, high = np.where(enough, middle, low), np.where(enough, high, middle)
    return normalised(np.where(suffices(weights), 1.0, low) * log_weights)


def conditional_mean(machine, data_mean, clamped, n_steps, stream):
    """E[visible | clamped visible units], (n_rows, n_visible).

    By so many Gibbs steps for a row, of all its chains together. What is averaged is
    the mean given the other layers, not the samples: it has the same expectation and
    less variance. So it is with weights that are :func:`evened`, but for a bias.
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
    weights = like(evened(weights), means)
    mean = xp.sum(weights[:, :, None] * means, axis=0)
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
