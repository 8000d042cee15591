"""log Z by tempered chains, above the temperatures that annealing passes with ease.

Near inverse temperature 1 a machine may have modes between which a Gibbs step hardly
ever moves. Annealing then finds them in proportions that are not those of the machine,
and chains of the machine itself keep those they began with. So forward annealing is
trusted only as long as its runs stay worth the most of their number. From there on a
ladder of chains, one at each inverse temperature, change places with their neighbours:
one that goes down the ladder and up again comes back in another mode.

Half of the ladders begin with what annealing came to where it was left, and half with
the chains of the fit. The former have too few of the states that are probable at 1, and
the latter too many, until they come to the same. From the lowest rung of the latter is
annealed back. So there are two estimates of log Z, and their difference tells how far
that has gone, and whether one side knows of states that the other has missed.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .backend import like, namespace, placed_like, to_numpy
from .machine import EVEN, ODD, odd_only
from .partition import (
    LogPartition,
    Path,
    acceptance_ratio,
    anneal,
    bracket,
    cycle_rows,
    effective_size,
    path_of,
)
from .rows import TINY
from .sampling import alternate
from .tempering import (
    Straight,
    exchanged,
    log_density_ratio,
    odd_inputs,
    tempered_sample,
)

# Sections in which annealing goes. The last one always is the ladder's.
N_SECTIONS = 20

# What the runs are worth at least, as a share of their number, where a ladder begins.
LEAST_WORTH = 0.5

# Standard deviations of the log density by which neighbours on the ladder differ: about
# half of the proposed swaps are accepted.
RUNG_SPACING = 1.0

# Sweeps that are not counted, as a share of all.
BURN_IN = 1 / 3

# Ladders that begin at either end, at least: their spread is the error.
LEAST_LADDERS = 4


class Approach(NamedTuple):
    """Forward annealing up to where it is left, and what it saw further on.

    Log weights of the runs, (n_betas, n_runs), are at each of the `betas`, and the
    layers are at the last one. `ahead` are inverse temperatures from there to 1, and
    `spread` is the standard deviation of d log p / d beta between each two of them.
    """

    betas: object
    log_weights: object
    layers: list
    ahead: object
    spread: object


def approach(machine, base, n_runs, n_betas, stream):
    """Anneal to the machine, and find where the runs begin to differ too much."""
    betas = np.linspace(0.0, 1.0, n_betas)
    ends = np.linspace(0, n_betas - 1, min(N_SECTIONS, n_betas - 1) + 1)
    ends = ends.round().astype(int)
    path = Straight(machine, base)
    layers = path.samples(n_runs, stream)
    weights, spread = [np.zeros(n_runs)], []
    left, at_left = 0, layers
    for section, (first, last) in enumerate(pairwise(ends)):
        here, passed = betas[first : last + 1].tolist(), []
        _, layers = anneal(path, here, layers, stream, None, passed)
        layers = path.step(here[-1], layers, path.seen(layers), stream)
        weights += [weights[first] + w for w in passed]
        steps = np.diff(np.stack(weights[first:]), axis=0)
        spread.append(steps.std(axis=1).mean() / (betas[1] - betas[0]))
        worth = effective_size(weights[last]) / n_runs
        if left == section < len(ends) - 2 and worth >= LEAST_WORTH:
            left, at_left = section + 1, layers
    n_passed = ends[left] + 1
    return Approach(
        betas[:n_passed],
        np.stack(weights[:n_passed]),
        at_left,
        betas[ends[left:]],
        np.array(spread[left:]),
    )


def rungs(way, most):
    """Inverse temperatures of the ladder, (n_rungs,), from where annealing is left.

    There are at most so many. Further apart than they should be, they show in the
    errors.
    """
    steps = np.diff(way.ahead) * np.clip(way.spread, TINY, None)
    lengths = np.concatenate([[0.0], np.cumsum(steps)])
    n_rungs = min(1 + max(1, math.ceil(lengths[-1] / RUNG_SPACING)), max(2, most))
    return np.interp(np.linspace(0.0, lengths[-1], n_rungs), lengths, way.ahead)


def starts(machine, way, chains, n_rungs, n_ladders, stream):
    """Even layers of all ladders, rung by rung: half from below, and half from above.

    From below they are runs of annealing, drawn by their weights; from above, chains of
    the machine, given by their odd layers.
    """
    half = n_rungs * n_ladders // 2
    shares = np.cumsum(np.exp(way.log_weights[-1] - way.log_weights[-1].max()))
    places = (np.arange(half) + 0.5) / half * shares[-1]
    array = machine.params.biases[0]
    order = to_numpy(stream.permutation(half))
    numbers = placed_like(np.searchsorted(shares, places)[order], array)
    odd = [x if x is None else cycle_rows(x, half) for x in odd_only(chains)]
    above = alternate(machine, odd, 1, stream)
    layers = [None] * len(above)
    for index in range(EVEN, len(layers), 2):
        xp = namespace(above[index])
        shape = (n_rungs, n_ladders // 2, -1)
        below = xp.take(way.layers[index], numbers, axis=0)
        both = [xp.reshape(x, shape) for x in (below, above[index])]
        layers[index] = xp.reshape(
            xp.concat(both, axis=1), (n_rungs * n_ladders, below.shape[1])
        )
    return layers


class Climb(NamedTuple):
    """What is seen of the chains on the ladders, in the sweeps that are counted.

    `ratios` are d log p / d beta, (n_sweeps, n_rungs, n_ladders). `lowest` are even
    layers at the lowest rung of the ladders that began above, one after the other.
    """

    ratios: object
    lowest: list


def climbed(machine, base, betas, layers, n_sweeps, n_lowest, stream):
    """The :class:`Climb` of so many sweeps, with about `n_lowest` rows of the lowest.

    A sweep draws the odd layers, lets neighbours on each ladder change places, and
    draws the even layers.
    """
    column = like(betas, machine.params.biases[0])[:, None]
    n_ladders = layers[EVEN].shape[0] // len(betas)
    half, xp = n_ladders // 2, namespace(column)
    beta = xp.repeat(column, n_ladders, axis=0)
    burn_in = int(BURN_IN * n_sweeps)
    every = max(1, (n_sweeps - burn_in) * half // n_lowest)
    ratios, lowest = [], []
    for sweep in range(n_sweeps):
        incoming = odd_inputs(machine, layers)
        layers = tempered_sample(machine, base, beta, layers, ODD, stream, incoming)
        rises = log_density_ratio(machine, base, layers, incoming)
        if sweep >= burn_in:
            ratios.append(to_numpy(rises).astype(np.float64))
        order = exchanged(rises, column, stream)
        odd = [x if x is None else xp.take(x, order, axis=0) for x in odd_only(layers)]
        layers = tempered_sample(machine, base, beta, odd, EVEN, stream)
        if sweep >= burn_in and (sweep - burn_in) % every == 0:
            lowest.append([x[half:n_ladders, ...] for x in layers[::2]])
    gathered = [None] * len(layers)
    gathered[::2] = [xp.concat(list(parts)) for parts in zip(*lowest, strict=True)]
    return Climb(np.reshape(ratios, (-1, len(betas), n_ladders)), gathered)


def risen(betas, ratios):
    """log Z at each rung above that at the lowest one, by Bennett's ratio, (n_rungs,).

    `ratios` (n_sweeps, n_rungs, n_ladders) are d log p / d beta of the chains there.
    """
    found = [0.0]
    for k, step in enumerate(np.diff(betas)):
        up, down = step * ratios[:, k, :].ravel(), -step * ratios[:, k + 1, :].ravel()
        found.append(acceptance_ratio(up, down)[0])
    return np.cumsum(found)


def mean_risen(betas, ratios):
    """:func:`risen` of all ladders at once, and standard errors from their spread."""
    n_ladders = ratios.shape[2]
    single = [risen(betas, ratios[:, :, k : k + 1]) for k in range(n_ladders)]
    return risen(betas, ratios), np.std(single, axis=0, ddof=1) / math.sqrt(n_ladders)


def tempered(machine, base, chains, n_runs, n_betas, stream):
    """log Z by annealing, and above it by ladders of tempered chains.

    There are `n_runs` of annealing over `n_betas` temperatures, as many sweeps of the
    ladders, and on these about twice as many chains as runs. `chains` are odd layers.

    What annealing passed is passed back too, from the lowest rung of the ladders that
    began at the chains of the fit: where forward annealing has missed what these have
    been to, the two directions differ.
    """
    way = approach(machine, base, n_runs, n_betas, stream)
    betas = rungs(way, n_runs // LEAST_LADDERS)
    n_ladders = 2 * max(LEAST_LADDERS, n_runs // len(betas))
    layers = starts(machine, way, chains, len(betas), n_ladders, stream)
    climb = climbed(machine, base, betas, layers, n_betas, n_runs, stream)
    lowest = [x if x is None else cycle_rows(x, n_runs) for x in climb.lowest]
    back, passed = way.betas[::-1].tolist(), []
    start = Straight(machine, base)
    down, _ = anneal(start, back, lowest, stream, None, passed)
    known = start.log_partition()
    downs = np.reshape(passed, (-1, n_runs))
    path = path_of(known, way.betas.tolist(), way.log_weights[1:], downs)
    below = bracket(known, way.log_weights[-1], down)._replace(path=path)
    return joined(below, betas, climb.ratios)


def joined(below, betas, ratios):
    """log Z of the lowest rung, with its path, and the rise up the ladders.

    The value is that of all ladders, and the directions are those of the halves.
    """
    half = ratios.shape[2] // 2
    parts = (ratios, ratios[:, :, :half], ratios[:, :, half:])
    (rise, error), up, down = (mean_risen(betas, part) for part in parts)
    path = below.path
    forward, forward_error = continued(path.forward, path.forward_error, *up)
    reverse, reverse_error = continued(path.reverse, path.reverse_error, *down)
    value = below.value + float(rise[-1])
    std_error = math.hypot(below.std_error, error[-1])
    estimates = np.array([value, forward[-1], reverse[-1]])
    margins = 2.0 * np.array([std_error, forward_error[-1], reverse_error[-1]])
    steps = (*path.betas, *betas[1:].tolist())
    return LogPartition(
        value=value,
        lower=float((estimates - margins).min()),
        upper=float((estimates + margins).max()),
        std_error=std_error,
        method="tempering",
        effective_samples=below.effective_samples,
        forward=forward[-1],
        reverse=reverse[-1],
        forward_error=forward_error[-1],
        reverse_error=reverse_error[-1],
        path=Path(steps, forward, forward_error, reverse, reverse_error),
    )


def continued(values, errors, rise, rise_errors):
    """Estimates along a path, and their errors, continued up the ladders."""
    higher = values[-1] + rise[1:]
    more = np.hypot(errors[-1], rise_errors[1:])
    return (*values, *higher.tolist()), (*errors, *more.tolist())
