"""log Z of a layered machine: exactly, or by annealed importance sampling.

Both rest on the free energy with the layers of one parity summed out, so they serve
machines of any depth.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from .backend import namespace, to_numpy
from .machine import EVEN, ODD, free_energy, n_units
from .sampling import alternate, clamp
from .tempering import Straight
from .units import require

# The smaller side of a machine is enumerated up to so many states: of 20 binary units.
MAX_EXACT_STATES = 2**20

# Gibbs steps that each temperature takes: one before annealing, and in each direction
# as long as two, for the densities.
ANNEALING_STEPS = 5

# Memory for the fields of one block of states, a few arrays of which exist at a time.
BLOCK_BYTES = 2**20


class Path(NamedTuple):
    """What annealing found of log Z on its way, from where it is known to the machine.

    For each inverse temperature: the estimates of the two directions, and their
    standard errors, as tuples. Both begin with the log Z that is known. The reverse
    direction has come to 0 there, from its samples of the machine.
    """

    betas: tuple
    forward: tuple
    forward_error: tuple
    reverse: tuple
    reverse_error: tuple

    def __repr__(self):
        return f"<Path of {len(self.betas)} temperatures>"


class LogPartition(NamedTuple):
    """log Z in nats, and how far it is to be trusted.

    Attributes
    ----------
    value : float
        The best estimate; or log Z itself, where it is exact.
    lower, upper : float
        The bracket: between them lie the value and the estimates of annealing in the
        two directions, each with two of its standard errors on either side.
    std_error : float
        Standard error of the value, by chance alone; 0 where it is exact. What all runs
        have missed is in none of the errors.
    method : {"exact", "ais"}
        Enumeration, or annealed importance sampling.
    effective_samples : float
        What the weighted runs of the worse direction are worth; infinite where the
        value is exact.
    forward, reverse : float or None
        Estimates of the two directions. Forward annealing errs downwards in
        expectation, and reverse annealing upwards, as far as its samples are of the
        whole of the machine.
    forward_error, reverse_error : float or None
        Their standard errors.
    path : Path or None
        What both have found along the inverse temperatures.
    """

    value: float
    lower: float
    upper: float
    std_error: float
    method: str
    effective_samples: float
    forward: float | None = None
    reverse: float | None = None
    forward_error: float | None = None
    reverse_error: float | None = None
    path: Path | None = None


class Side(NamedTuple):
    """The layers of one parity: how many states they have, and how many units."""

    parity: int
    n_states: int | float
    n_units: int


def smaller_side(machine):
    """The side with fewer states; infinitely many where they cannot be enumerated."""
    sides = []
    for parity in (ODD, EVEN):
        layers, n_states = layers_of(machine, parity), math.inf
        if all(hasattr(kind, "n_states") for kind, _ in layers):
            n_states = math.prod(kind.n_states(n) for kind, n in layers)
        sides.append(Side(parity, n_states, sum(n for _, n in layers)))
    return min(sides, key=lambda side: side.n_states)


def layers_of(machine, parity):
    """Kind and number of the units of each layer of a parity."""
    pairs = zip(machine.units, n_units(machine.params), strict=True)
    return list(pairs)[parity::2]


def states_of(machine, parity, start, stop):
    """Joint states of the layers of a parity, by number; the others are None.

    Numbers are written with a digit for each layer, the lowest first, which is the
    number of the layer's own state.
    """
    numbers, layers = np.arange(start, stop), [None] * len(machine.units)
    array = machine.params.biases[0]
    for index, (kind, n) in enumerate(layers_of(machine, parity)):
        n_states = kind.n_states(n)
        layers[parity + 2 * index] = kind.states(numbers % n_states, n, array)
        numbers = numbers // n_states
    return layers


def exact(machine):
    """log Z by enumeration of the smaller side, the other summed out in closed form."""
    side = smaller_side(machine)
    if side.n_states == math.inf:
        for kind in machine.units:
            require(kind, "states", "log_partition(method='exact')")
    itemsize = to_numpy(machine.params.biases[0][:1]).itemsize
    block = max(1, BLOCK_BYTES // (itemsize * sum(n_units(machine.params))))
    parts, parity = [], side.parity
    for start in range(0, side.n_states, block):
        stop = min(start + block, side.n_states)
        layers = states_of(machine, parity, start, stop)
        log_weights = -to_numpy(free_energy(machine, layers, summed=1 - parity))
        parts.append(np.logaddexp.reduce(log_weights.astype(np.float64)))
    value = float(np.logaddexp.reduce(parts))
    return LogPartition(value, value, value, 0.0, "exact", math.inf)


def anneal(path, betas, layers, stream, clamped=None, passed=None):
    """log importance weights, (n_rows,), of annealing even layers along `betas`.

    The `path` is such as :class:`skebm.core.tempering.Straight`.

    Starting from exact samples at the first beta, exp(log weight) has the expectation
    Z(last beta) / Z(first beta) [Neal 2001; Salakhutdinov & Murray 2008]. The betas may
    rise or fall: falling, from samples of the machine, it is reverse AIS [Burda, Grosse
    & Salakhutdinov 2015]. With `clamped`, visible units and their values, these do not
    move: then it is the ratio of the sums over the others.

    Beside the weights, (n_rows,), are the layers before the last change of beta. What
    the weights are after each change is appended to `passed`, a list, if it is given.
    """
    total = np.zeros(layers[0].shape[0])
    for step, (here, there) in enumerate(pairwise(betas), start=2):
        seen = path.seen(layers)
        after, before = (path.log_density(b, layers, seen) for b in (there, here))
        total = total + to_numpy(after - before).astype(np.float64)
        if passed is not None:
            passed.append(total)
        if step < len(betas):
            layers = path.step(there, layers, seen, stream)
            layers = clamp(layers, clamped)
    return total, layers


def log_mean_and_error(log_weights):
    """log of the mean of exp(log_weights), and its standard error (delta method)."""
    weights = np.exp(log_weights - log_weights.max())
    mean = weights.mean()
    std_error = weights.std(ddof=1) / mean / math.sqrt(len(weights))
    return float(log_weights.max() + math.log(mean)), float(std_error)


def effective_size(log_weights):
    """How many equally weighted samples the weighted ones are worth [Kong 1992]."""
    weights = np.exp(log_weights - log_weights.max())
    return float(weights.sum() ** 2 / (weights**2).sum())


def acceptance_ratio(forward, reverse):
    """log Z ratio from annealing both ways, and its standard error [Bennett 1976].

    `forward` are log weights with the mean exp(ratio), `reverse` those of the same path
    backwards, with the mean exp(-ratio). The ratio solves

        sum sigmoid(forward - ratio - c) = sum sigmoid(reverse + ratio + c)

    with c = log(n_forward / n_reverse), and has the least variance of all estimates
    that use both.
    """
    offset = math.log(len(forward) / len(reverse))

    def excess(ratio):
        up, down = expit(forward - ratio - offset), expit(reverse + ratio + offset)
        return up.sum() - down.sum()

    ends = np.concatenate([forward, -reverse])
    ratio = brentq(excess, ends.min() - 50.0, ends.max() + 50.0, xtol=1e-10)
    variance = 0.0
    for accepted in (expit(forward - ratio - offset), expit(reverse + ratio + offset)):
        mean = accepted.mean()
        if mean == 0.0:  # the directions do not overlap at all
            return float(ratio), math.inf
        variance += ((accepted**2).mean() / mean**2 - 1.0) / len(accepted)
    return float(ratio), math.sqrt(variance)


def settled(machine, chains, n_runs, n_steps, stream):
    """Even layers of `n_runs` chains, `n_steps` Gibbs steps on from odd layers."""
    repeated = [None if x is None else cycle_rows(x, n_runs) for x in chains]
    return alternate(machine, repeated, n_steps, stream)


def annealed(machine, base, samples, n_betas, stream):
    """log Z by annealed importance sampling in both directions.

    Forward AIS starts from exact samples of the machine of biases `base`, and errs
    downwards; reverse AIS starts from samples of the machine itself, even layers, and
    errs upwards. There are as many forward runs as samples.
    """
    path, betas = Straight(machine, base), np.linspace(0.0, 1.0, n_betas).tolist()
    n_runs = samples[0].shape[0]
    return both_ways(path, betas, n_runs, lambda *found: samples, stream)


def both_ways(path, betas, n_runs, samples_of, stream):
    """log Z by annealing along a path and back, with as many runs each way.

    `samples_of` gives the samples of the machine that the way back starts from, of the
    layers and the log weights that the way there came to.
    """
    ups, downs = [], []
    start = path.samples(n_runs, stream)
    up, layers = anneal(path, betas, start, stream, None, ups)
    samples = samples_of(layers, up)
    down, _ = anneal(path, betas[::-1], samples, stream, None, downs)
    known = path.log_partition()
    seen = path_of(known, betas, np.stack(ups), np.stack(downs))
    return bracket(known, up, down)._replace(path=seen)


def path_of(known, betas, ups, downs):
    """The :class:`Path` of log weights after each change of beta, (n_changes, n_runs).

    With w(beta) the weights of reverse annealing from 1 to beta, log Z(beta) is known
    + log mean w(beta) - log mean w(0); its error is that of the ratio (delta method).
    """
    start, n_runs = np.zeros((1, ups.shape[1])), ups.shape[1]
    forward, relative = log_means(np.concatenate([start, ups]))
    forward_error = relative.std(axis=1, ddof=1) / math.sqrt(n_runs)
    means, relative = log_means(np.concatenate([start, downs])[::-1])
    ratios = relative - relative[:1]
    reverse_error = ratios.std(axis=1, ddof=1) / math.sqrt(n_runs)
    found = known + forward, forward_error, known + means - means[0], reverse_error
    return Path(tuple(betas), *(tuple(x.tolist()) for x in found))


def log_means(log_weights):
    """log of the mean of exp(log_weights) in each row, and what is the mean's share."""
    top = log_weights.max(axis=1, keepdims=True)
    weights = np.exp(log_weights - top)
    means = weights.mean(axis=1, keepdims=True)
    return (top + np.log(means))[:, 0], weights / means


def bracket(known, up, down):
    """log Z from log weights of annealing up to the machine and down from it.

    `known` is log Z where `up` starts. The value is Bennett's estimate from both, and
    the bounds enclose all three, each with two of its standard errors on either side.

    Bennett's error takes the directions to be independent. Where `down` starts from
    runs of `up`, resampled, they nearly are, as its weights are of other steps.

    Where forward is above reverse by more than these margins, the samples cannot be
    from the whole of the machine. Then the value is that of forward AIS alone.
    """
    ratio, std_error = acceptance_ratio(up, down)
    forward, forward_error = log_mean_and_error(up)
    reverse, reverse_error = log_mean_and_error(down)
    estimates = np.array([ratio, forward, -reverse])
    margins = 2.0 * np.array([std_error, forward_error, reverse_error])
    if forward - 2.0 * forward_error > -reverse + 2.0 * reverse_error:
        ratio, std_error = forward, forward_error
    return LogPartition(
        value=known + ratio,
        lower=known + float((estimates - margins).min()),
        upper=known + float((estimates + margins).max()),
        std_error=std_error,
        method="ais",
        effective_samples=min(effective_size(up), effective_size(down)),
        forward=known + forward,
        reverse=known - reverse,
        forward_error=forward_error,
        reverse_error=reverse_error,
    )


def cycle_rows(x, n_rows):
    """The rows of `x` over and over, until there are `n_rows`."""
    repeats = -(-n_rows // x.shape[0])
    return namespace(x).concat([x] * repeats)[:n_rows, ...]


class OneLogZ:
    """log Z where it is the same for all rows, as it mostly is."""

    def exact(self, machine):
        """By enumeration."""
        return exact(machine)

    def annealed(self, machine, base, chains, n_runs, n_betas, stream):
        """By annealing, and the chains that it started from."""
        chains = settled(machine, chains, n_runs, n_betas, stream)
        return annealed(machine, base, chains, n_betas, stream), chains


ONE_LOG_Z = OneLogZ()
