"""Early stopping on the log-likelihood of held-out rows, or the bound of it.

That takes log Z: it is annealed each time, with as many temperatures as the error asks
for, and so seldom that it takes about as long as the training, but a few times in any
case.
"""

import math
from functools import partial
from typing import NamedTuple

from .backend import namespace
from .partition import ANNEALING_STEPS, ONE_LOG_Z, smaller_side
from .rows import Encoded, Subset, by_blocks, divided, float_dtype, has_nan
from .sampling import visible_free_energy
from .streams import Purpose, stream
from .tempering import base_biases
from .training import steps_of_work

# Up to so many states of the smaller side, enumeration is faster than annealing.
FEW_STATES = 2**12

# Annealing runs, and the temperatures to begin with and at most.
N_RUNS, FIRST_BETAS, MAX_BETAS = 100, 100, 800

# Standard errors of log Z, in nats, above which the temperatures are doubled, and below
# which the next epoch takes half of them.
HIGH_ERROR, LOW_ERROR = 0.25, 0.1

# Times that a fit is judged at least, if it has so many epochs.
LEAST_JUDGED = 5

# Share of the gain over independent units whose loss is clear: for a time, the noise of
# high learning rates takes up to a quarter of it.
CLEAR_LOSS = 0.5


class Progress(NamedTuple):
    """Where early stopping stands: all that it carries from epoch to epoch.

    `n_against` is the number of epochs in a row that speak for stopping, `judged` the
    last epoch that was looked at, and `due` the next one to be.
    """

    n_betas: int = FIRST_BETAS
    chains: list | None = None
    best: object = None
    best_score: float = -math.inf
    last_gain: float = -math.inf
    n_against: int = 0
    judged: int = 0
    due: int = 0

    def is_no_gain(self, score, margin):
        """Whether a score is not above that of the last gain by more than a margin."""
        return score <= self.last_gain + margin

    def counted(self, state, score, against):
        """The same with a state counted in, which may speak `against` going on."""
        is_best = score > self.best_score
        return self._replace(
            best=state._replace(completed=None) if is_best else self.best,
            best_score=score if is_best else self.best_score,
            last_gain=self.last_gain if against else score,
            n_against=self.n_against + 1 if against else 0,
            judged=state.epoch,
        )


def annealed_log_z(progress, state, settings, log_z=ONE_LOG_Z):
    """log Z of the state's machine, its standard error, and the progress after that.

    `log_z` finds it for the rows held out. The chains are not those of the training,
    which lag behind the parameters.
    """
    machine, mean = state.machine, state.means[0]
    if smaller_side(machine).n_states <= FEW_STATES:
        return log_z.exact(machine).value, 0.0, progress
    base = base_biases(state.units, state.params, mean)
    draws = stream(settings.seed, Purpose.VALIDATION, mean, state.epoch + 1)
    n_betas, chains = progress.n_betas, progress.chains
    if chains is None:
        chains = settings.algorithm.samples(state.chains)
    while True:
        found, chains = log_z.annealed(machine, base, chains, N_RUNS, n_betas, draws)
        if found.std_error <= HIGH_ERROR or n_betas >= MAX_BETAS:
            break
        n_betas *= 2
    if found.std_error < LOW_ERROR and n_betas > FIRST_BETAS:
        n_betas //= 2
    progress = progress._replace(n_betas=n_betas, chains=chains)
    return found.value, found.std_error, progress


class Rule(NamedTuple):
    """What speaks for stopping a fit of `n_epochs`: an epoch without a gain.

    A gain is a mean log-likelihood above that of the last gain by more than `tol`, and
    by more than two standard errors of log Z. So a slow rise is a gain in the end.
    Where the learning rate is `falling`, gains come when it is low. Then only a clear
    loss speaks for stopping: of half of what the best epoch had gained over independent
    units, if it had.
    """

    tol: float
    n_epochs: int
    falling: bool


class EarlyStopping(NamedTuple):
    """The rows held out, (rows, weights), as many of the fit, and the rule.

    `log_z` finds log Z for the rows held out.
    """

    held_out: tuple
    compared: tuple
    rule: Rule
    settings: object
    log_z: object = ONE_LOG_Z

    def is_due(self, progress, epoch, last):
        """Whether to look at this epoch: at the last one always."""
        return epoch >= progress.due or epoch == last

    def judge(self, progress, state):
        """Progress with the state counted in, and numbers for the history."""
        log_z, error, progress = annealed_log_z(
            progress, state, self.settings, self.log_z
        )
        machine = state.machine
        held_out, compared = (
            self._free_energy(machine, *part) for part in (self.held_out, self.compared)
        )
        score = -held_out - log_z + state.units[0].log_jacobian
        measured = {
            "validation_log_likelihood": score,
            "free_energy_gap": held_out - compared,
        }
        if self.rule.falling:
            against = self._has_lost(progress, state, score)
        else:
            against = progress.is_no_gain(score, max(self.rule.tol, 2.0 * error))
        progress = progress.counted(state, score, against)
        pause = 1 if against else self._pause(progress, state)
        return progress._replace(due=state.epoch + pause), measured

    def _has_lost(self, progress, state, score):
        """Whether half of the gain over independent units is lost, if there was one."""
        units = state.units
        b = base_biases(units, state.params, state.means[0])[0]
        rows, weights = self.held_out
        states, log_p = Encoded(rows, units[0]), partial(log_independent, units[0], b)
        values = by_blocks(log_p, states, weights.dtype)
        independent = weighted_mean(values, weights) + units[0].log_jacobian
        gain = progress.best_score - independent
        return gain > 0.0 and score < progress.best_score - CLEAR_LOSS * gain

    def _pause(self, progress, state):
        """Epochs until the next look: so many that they take as long as annealing."""
        if state.epoch == 0 or smaller_side(state.machine).n_states <= FEW_STATES:
            return 1
        work = steps_of_work(ANNEALING_STEPS * progress.n_betas, N_RUNS)
        pause = math.ceil(work * state.epoch / state.work)
        return min(pause, max(1, self.rule.n_epochs // LEAST_JUDGED))

    def _free_energy(self, machine, rows, weights):
        """Weighted mean of the free energies, as a float.

        Where inputs are drawn from the rows, they are the same in every epoch.
        """
        draws = stream(self.settings.seed, Purpose.INPUT, weights)

        def energies(v):
            if self.settings.sample_inputs:
                v = machine.units[0].sample_input(v, draws)
            return visible_free_energy(machine, v, self.settings.inference)

        states = Encoded(rows, machine.units[0])
        return weighted_mean(by_blocks(energies, states, weights.dtype), weights)


def log_independent(kind, b, v):
    """log p(v) of independent units of a kind with these biases, (n_rows,)."""
    kind = kind.alike(v)
    return v @ b + kind.log_base(v) - kind.log_partition(b)


def weighted_mean(values, weights):
    """Mean of the values, as a float."""
    return float(weights @ values) / float(namespace(weights).sum(weights))


def weights_left(held_out, left):
    """Weights of all rows, (n_rows,): 0 for those held out."""
    (out, weights), (kept, kept_weights) = held_out, left
    xp = namespace(weights)
    numbers = xp.concat([out.index, kept.index])
    values = xp.concat([xp.zeros_like(weights), kept_weights])
    return xp.take(values, xp.argsort(numbers))


def held_out_of(X, sample_weight, suitable, fraction, seed, strata=None):
    """Rows held out, suitable ones that are left, and all that are left, with weights.

    Held out is the fraction, rounded up, of the rows that are suitable, and about so
    much of each value of `strata`, (n_rows,). As many that are left are there to be
    compared with them; there may be none.
    """
    xp = namespace(suitable)
    numbers, others = xp.nonzero(suitable)[0], xp.nonzero(~suitable)[0]
    draws = stream(seed, Purpose.VALIDATION, sample_weight)
    strata = None if strata is None else xp.take(strata, numbers)
    out, kept = divided(numbers, fraction, draws, strata)

    def rows(numbers):
        return Subset(X, numbers), xp.take(sample_weight, numbers)

    compared = kept[: min(out.shape[0], kept.shape[0])]
    left = xp.sort(xp.concat([kept, others]))
    return rows(xp.sort(out)), rows(compared), rows(left)


def hold_out(X, sample_weight, fraction, rule, settings):
    """Early stopping with rows held out of X; the rows and weights that are left.

    They are some of the rows that are complete and weigh something.
    """
    suitable = sample_weight > 0.0
    xp = namespace(suitable)
    if has_nan(X):
        suitable &= by_blocks(lambda x: ~xp.any(xp.isnan(x), axis=1), X, float_dtype(X))
    held_out, compared, left = held_out_of(
        X, sample_weight, suitable, fraction, settings.seed
    )
    return EarlyStopping(held_out, compared, rule, settings), left
