"""Whether a machine that was trained is worse than independent units.

Its log-likelihood takes log Z, for which forward annealing alone is enough here: it is
too high by b nats with a probability of exp(-b) at most, however badly it mixes, so
that a machine is not called worse by chance [Burda, Grosse & Salakhutdinov 2015]. Where
annealing misses what training has led to, the states that rows have tell more: the sum
over some states is never above that over all.
"""

import math
from typing import NamedTuple

import numpy as np

from .backend import namespace, placed_like, to_numpy
from .early_stopping import FEW_STATES, log_independent, weighted_mean
from .machine import EVEN, ODD, free_energy, odd_only, resample
from .partition import (
    anneal,
    exact,
    layers_of,
    log_mean_and_error,
    smaller_side,
)
from .rows import take_rows, total
from .sampling import some_rows, start_at_visible, visible_free_energy
from .streams import Purpose, stream
from .tempering import Straight, base_biases

# Rows, annealing runs and temperatures: a few hundredths of a second.
MOST_ROWS, N_RUNS, N_BETAS = 100, 20, 50

# Sum of the learning rates of all steps below which the machine may still be on the way
# from its random start. On the benchmark data sets it had left it by 20.
ENOUGH_STEPS = 50.0

# Nats below independent units that are not worth a word: the noise of the steps costs
# as much where the units are independent indeed.
TOLERANCE = 1.0


class Shortfall(NamedTuple):
    """Mean log-likelihoods of some rows in nats: of a machine, and independent units.

    That of the machine is an upper bound, but for chance.
    """

    log_likelihood: float
    independent: float


def has_left_its_start(rates, n_steps, units):
    """Whether so many steps, at each of these rates, are enough to be judged by."""
    return n_steps * sum(rates) * units[0].step_scale >= ENOUGH_STEPS


def shortfall(state, X, sample_weight, watched, settings):
    """How far the machine is below independent units, or None where it is not.

    Looked at are the first of the rows that are watched.
    """
    units, numbers = state.units, watched.rows[:MOST_ROWS]
    mean = state.means[0]
    weights = namespace(sample_weight).take(sample_weight, numbers)
    if total(weights) == 0.0:
        return None
    draws = stream(settings.seed, Purpose.VERDICT, mean, state.epoch)
    v = take_rows(state.rows(X), numbers, mean.dtype)
    if settings.sample_inputs:
        v = units[0].sample_input(v, draws)
    base = base_biases(units, state.params, mean)
    energies = visible_free_energy(state.machine, v, settings.inference)
    least = least_log_z(state.machine, base, v, draws)
    log_p, jacobian = log_independent(units[0], base[0], v), units[0].log_jacobian
    found = Shortfall(
        -weighted_mean(energies, weights) - least + jacobian,
        weighted_mean(log_p, weights) + jacobian,
    )
    return found if found.independent - found.log_likelihood > TOLERANCE else None


def least_log_z(machine, base, v, draws):
    """What log Z is not below, but for chance; `v` are visible units of some rows."""
    log_z, error = forward_log_z(machine, base, draws)
    return max(log_z - 2.0 * error, log_z_of_rows(machine, v, draws))


def log_z_of_rows(machine, v, draws):
    """A lower bound of log Z: its sum over states that the odd layers of rows have.

    Where there are no such sums, as of real values, it is minus infinity.
    """
    if not all(hasattr(kind, "n_states") for kind, _ in layers_of(machine, ODD)):
        return -math.inf
    layers = resample(machine, start_at_visible(machine, v, draws), ODD, draws)
    odd = [x for x in odd_only(layers) if x is not None]
    states = np.concatenate([to_numpy(x) for x in odd], axis=1)
    _, first = np.unique(states, axis=0, return_index=True)
    distinct = some_rows(odd, placed_like(first, odd[0]))
    layers = [distinct[i // 2] if i % 2 == ODD else None for i in range(len(layers))]
    weights = -to_numpy(free_energy(machine, layers, summed=EVEN))
    return float(np.logaddexp.reduce(weights.astype(np.float64)))


def forward_log_z(machine, base, draws):
    """log Z by enumeration, or by forward annealing, and its standard error."""
    if smaller_side(machine).n_states <= FEW_STATES:
        return exact(machine).value, 0.0
    betas = [step / (N_BETAS - 1) for step in range(N_BETAS)]
    path = Straight(machine, base)
    log_weights, _ = anneal(path, betas, path.samples(N_RUNS, draws), draws)
    ratio, error = log_mean_and_error(log_weights)
    return path.log_partition() + ratio, error
