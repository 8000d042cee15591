"""Early stopping on the log-likelihood of held-out rows.

That takes log Z after each epoch: it is annealed each time, with as many temperatures
as the error asks for.
"""

import math
from typing import NamedTuple

from .backend import Subset, by_blocks, has_nan, namespace, zeros
from .machine import ODD, Machine, free_energy, sample
from .partition import annealed, exact, settled, smaller_side
from .streams import Purpose, stream
from .tempering import base_biases

# Up to this many units on the smaller side, enumeration is faster than annealing.
MAX_EXACT_UNITS = 12

# Annealing runs, and the temperatures to begin with and at most.
N_RUNS, FIRST_BETAS, MAX_BETAS = 100, 100, 800

# Standard errors of log Z, in nats, above which the temperatures are doubled, and below
# which the next epoch takes half of them.
HIGH_ERROR, LOW_ERROR = 0.25, 0.1


def log_partition(state, settings, n_betas, chains):
    """log Z of the state's machine, and how many temperatures to start from next."""
    machine, mean = Machine(settings.units, state.params), state.means[0]
    if smaller_side(state.params)[1] <= MAX_EXACT_UNITS:
        return exact(machine).value, n_betas, chains
    base = base_biases(settings.units, state.params, mean)
    draws = stream(settings.seed, Purpose.VALIDATION, mean, state.epoch)
    chains = state.samples() if chains is None else chains
    while True:
        chains = settled(machine, chains, N_RUNS, n_betas, draws)
        log_z = annealed(machine, base, chains, n_betas, draws)
        chains = sample(machine, chains, ODD, draws)
        if log_z.std_error <= HIGH_ERROR or n_betas >= MAX_BETAS:
            break
        n_betas *= 2
    fewer = log_z.std_error < LOW_ERROR and n_betas > FIRST_BETAS
    return log_z.value, n_betas // 2 if fewer else n_betas, chains


class Progress(NamedTuple):
    """Where early stopping stands: all that it carries from epoch to epoch."""

    n_betas: int = FIRST_BETAS
    chains: list | None = None
    best: object = None
    best_score: float = -math.inf
    n_without_gain: int = 0


class EarlyStopping(NamedTuple):
    """The held-out rows with their weights, and the rule.

    A gain is a mean log-likelihood above the best so far by more than `tol`. The
    numbers `compared` are of training rows, to compare the free energies with.
    """

    rows: object
    weights: object
    compared: object
    tol: float
    settings: object

    def judge(self, progress, state, X):
        """Progress with the state counted in, and numbers for the history.

        X are the training rows, without NaN.
        """
        log_z, n_betas, chains = log_partition(
            state, self.settings, progress.n_betas, progress.chains
        )
        machine = Machine(self.settings.units, state.params)
        held_out = mean_free_energy(machine, self.rows, self.weights)
        equal = zeros(self.compared.shape, self.weights) + 1.0
        training = mean_free_energy(machine, Subset(X, self.compared), equal)
        score = -held_out - log_z
        gained = score > progress.best_score + self.tol
        best, best_score = progress.best, progress.best_score
        if score > best_score:
            best, best_score = state._replace(completed=None), score
        n_without_gain = 0 if gained else progress.n_without_gain + 1
        measured = {
            "validation_log_likelihood": score,
            "free_energy_gap": held_out - training,
        }
        return Progress(n_betas, chains, best, best_score, n_without_gain), measured


def mean_free_energy(machine, rows, weights):
    """Weighted mean of the free energies, as a float."""
    energies = by_blocks(lambda v: free_energy(machine, [v, None]), rows, weights.dtype)
    return float(weights @ energies) / float(namespace(weights).sum(weights))


def split(X, sample_weight, fraction, stream):
    """Numbers of the rows for training, and of those held out.

    Held out is the fraction, rounded up, of the rows that are complete and weigh
    something; at most all of them.
    """
    suitable = sample_weight > 0.0
    xp = namespace(suitable)
    if has_nan(X):
        suitable &= by_blocks(lambda x: ~xp.any(xp.isnan(x), axis=1), X, X.dtype)
    numbers = xp.nonzero(suitable)[0]
    n_rows = numbers.shape[0]
    numbers = xp.take(numbers, stream.permutation(n_rows))
    n_held_out = math.ceil(fraction * n_rows)
    others = xp.nonzero(~suitable)[0]
    return (
        xp.sort(xp.concat([numbers[n_held_out:], others])),
        xp.sort(numbers[:n_held_out]),
    )
