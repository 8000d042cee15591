"""log Z by annealing from a mixture that is fitted to samples of the machine.

Chains of a machine with well separated modes, and annealing from independent units,
both come to a mode as often as Gibbs steps bring them there, which may be far from its
probability. A mixture knows the modes from the start: its components have independent
units in all even layers. With a_k their biases and w_k the weights, the density of the
even layers x at inverse temperature beta is

    sum_k w_k exp((1 - beta) (a_k . x - A(a_k))) sum_(odd layers) exp(-E_beta) ,

E_beta being beta times the energy of the machine, its base measures whole. At 0 it is
the mixture, beside odd layers of fair coins, and at 1 the machine. The component is a
categorical unit of weight 1 - beta, so that a Gibbs step draws it as it draws the odd
layers.

A first annealing tells how much of the probability is where each component is. The
weights follow it, so that the second one, whose weights count, has its runs where the
machine has its probability.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv

from .backend import (
    like,
    log_sum_exp,
    namespace,
    placed_like,
    softmax,
    to_numpy,
    zeros,
)
from .categorical import Categorical
from .machine import EVEN, ODD, odd_only, resample, sample_from_means, to_means
from .mixture import Mixture, broad, fitted, joined
from .partition import anneal, both_ways, cycle_rows
from .sampling import gibbs
from .tempering import (
    Straight,
    odd_inputs,
    tempered_log_density,
    tempered_sample,
)

# Gibbs steps between the samples that the mixture is fitted to, at least, and about how
# many there are at most.
STEPS_BETWEEN, MOST_SAMPLES = 10, 4000

# There are so many chains of the fit for one of the others. Shares of the components of
# the former, of the latter, and of one with the mean of the latter.
RUNS_TO_OTHERS, SHARES = 2, (0.5, 0.4, 0.1)

# How many times as many runs the first annealing has, and the share of the weights that
# stays as it is after that.
FIRST_RUNS, STAYING = 1.5, 0.3

# Time for each temperature, in Gibbs steps of all runs: four in both directions, one
# and a half in the first annealing, and about one for the chains.
ANNEALING_STEPS = 7

# Shape of the beta distribution whose quantiles are the inverse temperatures: the
# densities change the most near the mixture, and near the machine.
SPACING = (0.5, 0.3)


class FromMixture(NamedTuple):
    """The path of annealing from a mixture to a machine.

    It answers as :class:`skebm.core.tempering.Straight` does. `coins` are biases of
    zero for all layers.
    """

    machine: object
    mixture: Mixture
    coins: tuple

    def seen(self, layers):
        """What comes over the weights to the odd layers, and the components' scores."""
        return odd_inputs(self.machine, layers), self.mixture.scores(layers[::2])

    def log_density(self, beta, layers, seen):
        """log of the unnormalised density of the even layers, (n_rows,)."""
        incoming, scores = seen
        of_mixture = log_sum_exp((1.0 - beta) * scores + self.mixture.log_weights)
        return of_mixture + tempered_log_density(
            self.machine, self.coins, beta, layers, incoming
        )

    def step(self, beta, layers, seen, stream):
        """Even layers one reversible Gibbs step on."""
        incoming, scores = seen
        machine = self.machine
        layers = tempered_sample(
            machine, self.coins, beta, layers, ODD, stream, incoming
        )
        shares = softmax((1.0 - beta) * scores + self.mixture.log_weights)
        component = Categorical([shares.shape[1]]).sample(shares, stream)
        base = self._base([component @ b.T for b in self.mixture.biases])
        return tempered_sample(machine, base, beta, layers, EVEN, stream)

    def _base(self, biases):
        """The coins, with these biases for the even layers."""
        base = list(self.coins)
        base[::2] = biases
        return base

    def samples(self, n_rows, stream):
        """Exact samples of the mixture, components evenly spread; odd layers None."""
        weights = np.exp(to_numpy(self.mixture.log_weights).astype(np.float64))
        numbers = placed_like(systematic(weights, n_rows, stream), self.coins[0])
        even = []
        for kind, b in zip(self.machine.units[::2], self.mixture.biases, strict=True):
            biases = namespace(b).take(b.T, numbers, axis=0)
            even.append(kind.sample(kind.mean(biases), stream))
        return all_layers(even, len(self.coins))

    def log_partition(self):
        """log Z of the coins: that of the mixture is 0."""
        pairs = zip(self.machine.units[ODD::2], self.coins[ODD::2], strict=True)
        return sum(float(kind.log_partition(b)) for kind, b in pairs)


def all_layers(even, n_layers):
    """Even layers among the odd ones, which are None."""
    layers = [None] * n_layers
    layers[::2] = even
    return layers


def systematic(weights, n, stream):
    """Indices drawn `n` times by weights: systematic resampling [Kitagawa 1996]."""
    ends = np.cumsum(weights)
    start = float(to_numpy(stream.uniform((1,)))[0])
    places = (np.arange(n) + start) / n * ends[-1]
    return np.minimum(np.searchsorted(ends, places, side="right"), len(weights) - 1)


def reweighted(mixture, layers, log_weights):
    """The mixture whose weights follow those of runs that have come to these layers."""
    weights = np.exp(log_weights - log_weights.max())
    weights = like(weights / weights.sum(), mixture.log_weights)
    xp = namespace(weights)
    found = weights @ mixture.shares(layers[::2])
    staying = STAYING * xp.exp(mixture.log_weights)
    return mixture._replace(log_weights=xp.log(staying + (1.0 - STAYING) * found))


def snapshots(machine, chains, n_steps, stream):
    """Means of the even layers along chains, which are odd layers, one after another.

    There are some after every few steps, and hardly more than the fit has use for.
    """
    layers, found = chains, []
    n_chains = next(x for x in chains if x is not None).shape[0]
    every = max(STEPS_BETWEEN, math.ceil(n_steps * n_chains / MOST_SAMPLES))
    for step in range(n_steps):
        layers = to_means(machine, layers, EVEN)
        if step % every == 0:
            found.append(layers[::2])
        layers = sample_from_means(machine, layers, EVEN, stream)
        layers = resample(machine, layers, ODD, stream)
    xp = namespace(layers[0])
    return [xp.concat(list(parts)) for parts in zip(*found, strict=True)]


def others_of(machine, base, n_runs, n_steps, stream):
    """Odd layers of chains that come to modes in which no chain of the fit may be.

    Half of them are cooled from the base machine to the machine, and half start from
    coins at the machine itself: from there they fall into modes that are too narrow to
    be met on the way down.
    """
    half, coins = max(1, n_runs // 2), zero_base(base)
    layers = Straight(machine, base).samples(half, stream)
    for step in range(1, n_steps + 1):
        for parity in (EVEN, ODD):
            layers = tempered_sample(
                machine, base, step / n_steps, layers, parity, stream
            )
    fallen = Straight(machine, coins).samples(half, stream)
    xp = namespace(coins[0])
    both = [xp.concat(list(pair)) for pair in zip(layers, fallen, strict=True)]
    return odd_only(both)


def spaced(n_betas):
    """Inverse temperatures from 0 to 1, closer to each other near the ends."""
    return betaincinv(*SPACING, np.linspace(0.0, 1.0, n_betas)).tolist()


def start_of(machine, base, chains, n_runs, n_steps, stream):
    """The mixture that annealing starts from: fitted to where chains go in some steps.

    There are `n_runs` chains of the fit, from these odd layers on, and some others.
    """
    kinds = machine.units[::2]
    known = [None if x is None else cycle_rows(x, n_runs) for x in chains]
    others = others_of(machine, base, n_runs // RUNS_TO_OTHERS, n_steps, stream)
    samples, of_others = (
        snapshots(machine, odd, n_steps, stream) for odd in (known, others)
    )
    parts = [fitted(kinds, x, stream) for x in (samples, of_others)]
    return joined([*parts, broad(kinds, of_others)], SHARES)


def path_to(machine, base, chains, n_runs, n_betas, stream):
    """The path from a mixture that has its weights where the machine has its own.

    Half of the temperatures, and so many Gibbs steps, go into it, and more runs, as
    they are shared with the chains that are not of the fit.
    """
    n_steps = max(1, n_betas // 2)
    mixture = start_of(machine, base, chains, n_runs, n_steps, stream)
    path = FromMixture(machine, mixture, zero_base(base))
    betas, n_first = spaced(max(2, n_betas // 2)), int(FIRST_RUNS * n_runs)
    log_weights, layers = anneal(path, betas, path.samples(n_first, stream), stream)
    return path._replace(mixture=reweighted(mixture, layers, log_weights))


def zero_base(base):
    """Biases of zero for all layers."""
    return tuple(zeros(b.shape, b) for b in base)


def resampled(layers, log_weights, stream):
    """As many even layers as there are, drawn by their weights."""
    weights = np.exp(log_weights - log_weights.max())
    numbers = placed_like(systematic(weights, len(weights), stream), layers[0])
    even = [namespace(x).take(x, numbers, axis=0) for x in layers[::2]]
    return all_layers(even, len(layers))


def annealed(machine, base, chains, n_runs, n_betas, stream):
    """log Z by annealing from a mixture, in both directions.

    The mixture is fitted to where chains go: those of the fit, of these odd layers, and
    others, some of which start from independent units with the biases `base`.
    Reverse annealing starts from where forward annealing came to, resampled by the
    weights of its runs: so each mode that these have found is there as often as it
    should be.
    """
    path = path_to(machine, base, chains, n_runs, n_betas, stream)

    def samples_of(layers, log_weights):
        layers = resampled(layers, log_weights, stream)
        return gibbs(machine, layers, max(1, n_betas // 4), stream)

    return both_ways(path, spaced(n_betas), n_runs, samples_of, stream)
