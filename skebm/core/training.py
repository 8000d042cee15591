"""The minibatch loop: epochs of stochastic gradient ascent on the log-likelihood."""

from functools import partial
from typing import NamedTuple

from .backend import is_finite, is_on_host, namespace, zeros
from .machine import (
    ODD,
    Machine,
    Params,
    copy_params,
    field,
    independent_layers,
    initial_params,
    n_units,
    odd_only,
    resample,
)
from .missing import first_completed, in_first_order, redrawn
from .rows import (
    TINY,
    Encoded,
    blocks,
    column_means,
    has_nan,
    minibatches,
    take_rows,
    total,
)
from .sampling import USUAL, Inference, alternate, bottom_up
from .streams import Purpose, stream

# The share of a batch in the running mean of the hidden units.
MEAN_RATE = 0.01

# Gibbs steps that lead from independent units to samples of a machine that was given.
FIRST_STEPS = 100

# How near to 0 or 1 the means may come where their logits start the biases.
MEAN_MARGIN = 1e-4


class State(NamedTuple):
    """All that training carries from one epoch to the next.

    `units` are the kinds, of which that of the visible units has the border. `chains`
    are what the algorithm makes of them, `epoch` is how many are done, `means`
    are those of the layers under the data: of the visible units over all rows so far,
    of the hidden ones as a running mean. `mass` is the sum of the weights of all rows:
    for each column, if entries are missing. `completed` is X with its missing entries
    as they were last drawn, or None where none is missing. `work` is what training has
    taken so far, in steps as :func:`steps_of_work` counts them.
    """

    units: tuple
    params: Params
    chains: object
    velocity: Params | None
    means: tuple
    epoch: int
    mass: object
    completed: object = None
    work: float = 0.0

    @property
    def machine(self):
        """Its machine."""
        return Machine(self.units, self.params)

    def rows(self, X):
        """The rows of X as training has them: as states, with all entries."""
        return Encoded(X if self.completed is None else self.completed, self.units[0])


class Diverged(FloatingPointError):
    """Parameters that are no longer finite."""


def check_finite(*all_params):
    """Raise an error unless all parameters are finite."""
    if not all(
        is_finite(x) for params in all_params for group in params for x in group
    ):
        raise Diverged("training diverged")


class Sparsity(NamedTuple):
    """How active hidden units should be on average, and how much it counts.

    The penalty of a unit is `cost` times the cross-entropy between the target and its
    mean activation, and its gradient by the unit's total input is taken to be that of a
    logistic unit, as in Hinton's practical guide: target - mean, for each row.
    """

    target: float
    cost: float


class Settings(NamedTuple):
    """What stays the same for the whole of training.

    Hidden units start at the mean `initial_activation`. With `sample_inputs`, the rows
    are probabilities from which visible units are drawn. `objective` is what is
    maximised, where that is not the log-likelihood of the rows: its `phases` take an
    algorithm, and what the algorithm's take.
    """

    units: tuple
    optimiser: object
    algorithm: object
    batch_size: int
    shuffle: bool
    centred: bool
    initial_activation: float
    sparsity: Sparsity | None
    sample_inputs: bool
    seed: int
    inference: Inference = USUAL
    objective: object = None


def start(X, sample_weight, hidden_sizes, n_chains, settings, params=None):
    """State before the first epoch: a centred machine about the data's means.

    The chains are of independent units with these means. With `params`, these are
    those of the machine, and the chains run for a while, to come near to samples of it
    before the first gradient. They do not start at rows of X: which rows these were
    would depend on the order of the rows, and on whether one of weight 2 comes twice.
    """
    units = settings.units
    mean, mass = column_means(Encoded(X, units[0]), sample_weight)
    means = initial_means(settings, mean, hidden_sizes)
    initial = stream(settings.seed, Purpose.INITIAL, mean)
    n_steps = 0
    if params is None:
        inner = [k.clip(m, MEAN_MARGIN) for k, m in zip(units, means, strict=True)]
        machine = Machine(units, initial_params(units, inner, initial))
    else:
        machine, n_steps = Machine(units, params), FIRST_STEPS
        means = (mean, *hidden_means(machine, X, sample_weight))
    draw = partial(start_chains, machine, means, n_steps, initial)
    chains = settings.algorithm.start(n_chains, draw)
    velocity = settings.optimiser.init(machine.params)
    state = State(units, machine.params, chains, velocity, means, 0, mass)
    return with_completed(state, X, settings)


def hidden_means(machine, X, sample_weight):
    """Means over the rows of X of the hidden layers bottom-up, (n_units,) each."""
    sums, X = [0.0] * len(machine.params.weights), Encoded(X, machine.units[0])
    for block in blocks(X.shape[0]):
        weights = sample_weight[block]
        _, *hidden = bottom_up(machine, take_rows(X, block, weights.dtype))
        sums = [s + weights @ x for s, x in zip(sums, hidden, strict=True)]
    return [s / total(sample_weight) for s in sums]


def initial_means(settings, data_mean, hidden_sizes):
    """Means of the layers about which training starts."""
    activation, hidden = settings.initial_activation, settings.units[1:]
    return (
        data_mean,
        *(
            kind.resting(activation, n, data_mean)
            for kind, n in zip(hidden, hidden_sizes, strict=True)
        ),
    )


def resumed(state, n_chains, settings):
    """A state to go on from under changed settings: what no longer fits starts anew."""
    params, optimiser = state.params, settings.optimiser
    sizes = n_units(params)
    means = initial_means(settings, state.means[0], sizes[1:])
    fresh = stream(settings.seed, Purpose.INITIAL, means[0], state.epoch)
    draw = partial(start_chains, Machine(state.units, params), means, 0, fresh)
    chains = settings.algorithm.adapted(state.chains, n_chains, sizes, draw)
    state = state._replace(chains=chains)
    if not alike(state.means, means):
        state = state._replace(means=means)
    velocity = optimiser.init(params)
    if velocity is None or state.velocity is None:
        return state._replace(velocity=velocity)
    if not alike(state.velocity.weights, velocity.weights):
        state = state._replace(velocity=velocity)
    return state


def with_rows(state, X, sample_weight, settings):
    """The state with the rows of X counted in the means of the visible units."""
    new_mean, new_mass = column_means(Encoded(X, state.units[0]), sample_weight)
    mass = state.mass + new_mass
    mean, *hidden = state.means
    mean = mean + (new_mass / (mass + TINY)) * (new_mean - mean)
    state = state._replace(means=(mean, *hidden), mass=mass)
    return with_completed(state, X, settings)


def with_completed(state, X, settings):
    """The state with chains for the missing entries of X, if there are any."""
    if not has_nan(X):
        return state._replace(completed=None)
    mean = state.means[0]
    draws = stream(settings.seed, Purpose.MISSING, mean, 2 * state.epoch)
    completed = first_completed(state.machine, X, mean, draws)
    return state._replace(completed=completed)


def alike(some, others):
    """Whether the arrays of two lists have the same shapes."""
    return [x.shape for x in some] == [y.shape for y in others]


def start_chains(machine, means, n_steps, stream, n_rows):
    """Odd layers, Gibbs steps on from independent units with these means."""
    layers = independent_layers(machine.units, means, n_rows, stream)
    if n_steps > 0:
        layers = alternate(machine, layers, n_steps, stream)
        layers = resample(machine, layers, ODD, stream)
    return odd_only(layers)


def copy_velocity(velocity):
    """A copy of the optimiser's state that may be changed in place."""
    return None if velocity is None else copy_params(velocity)


def steps_of_work(n_steps, n_rows):
    """Gibbs steps of so many rows, as multiples of one of a hundred rows.

    Fewer rows take nearly as long as a hundred.
    """
    return n_steps * max(1.0, n_rows / 100.0)


def epoch_work(n_rows, chains, settings):
    """What an epoch over so many rows takes: the gradient counts as one Gibbs step.

    Mean field and what is drawn for missing entries are not counted.
    """
    n_updates = -(-n_rows // settings.batch_size)
    algorithm = settings.algorithm
    n_stacked = max(n_rows / n_updates, algorithm.n_rows(chains))
    return n_updates * steps_of_work(1 + algorithm.n_steps, n_stacked)


def complete_batches(state, X, sample_weight, order, machine, settings, stream):
    """Minibatches, with missing entries drawn anew: rows and weights, one by one."""
    kind, size = machine.units[0], settings.batch_size
    if state.completed is None:
        return minibatches(Encoded(X, kind), sample_weight, order, size)
    batches = minibatches(X, sample_weight, order, size)
    last = minibatches(Encoded(state.completed, kind), sample_weight, order, size)
    return redrawn(machine, batches, last, settings.algorithm.n_steps, stream)


def train_epoch(state, X, sample_weight, learning_rate, settings):
    """One pass over the rows of X, (n_rows, n_visible). `state` stays as it is."""
    params, velocity = copy_params(state.params), copy_velocity(state.velocity)
    chains, means, epoch = state.chains, state.means, state.epoch
    no_offsets = tuple(zeros(m.shape, m) for m in means)
    visible, optimiser = state.units[0].trainable(), settings.optimiser
    learning_rate = learning_rate * visible.step_scale
    units, learn = (visible, *state.units[1:]), visible.learn
    machine, array = Machine(units, params), params.biases[0]

    def draws(purpose, index=epoch):
        return stream(settings.seed, purpose, array, index)

    order, completed = None, []
    if settings.shuffle:
        order = draws(Purpose.SHUFFLE).permutation(X.shape[0])
    chain_stream, input_stream = draws(Purpose.CHAINS), draws(Purpose.INPUT, epoch + 1)
    algorithm = settings.algorithm.prepared(machine, means[0])
    inference = settings.inference._replace(may_look=is_on_host(array))
    find_phases = algorithm.phases
    if settings.objective is not None:
        find_phases = partial(settings.objective.phases, algorithm)
    missing = draws(Purpose.MISSING, 2 * epoch + 1)
    for rows, weights in complete_batches(
        state, X, sample_weight, order, machine, settings, missing
    ):
        if state.completed is not None:
            completed.append(visible.decode(rows))
        if settings.sample_inputs:
            rows = units[0].sample_input(rows, input_stream)
        rows, weights = algorithm.batch(rows, weights, chains, input_stream)
        phases = find_phases(machine, rows, weights, chains, chain_stream, inference)
        chains, layers = phases.chains, phases.up
        means = follow_means(means, layers, weights)
        if settings.sparsity is not None:
            layers = sparser(units, layers, means, rows.shape[0], settings.sparsity)
        offsets = means if settings.centred else no_offsets
        step = phases.gradient(layers, offsets)
        if learn is not None:
            back = field(params, [None, layers[1][: rows.shape[0], ...]], 0)
            learn(rows, back, weights, learning_rate)
        optimiser.update(step, velocity, params, learning_rate)
    check_finite(params)
    if learn is not None:
        # The mean of the visible units is that of the rows as they are encoded now.
        means = (visible.encode(state.units[0].decode(means[0])), *means[1:])
    chains = algorithm.adjusted(machine, chains, chain_stream)
    return state._replace(
        units=units,
        params=params,
        chains=chains,
        velocity=velocity,
        means=means,
        epoch=epoch + 1,
        work=state.work + epoch_work(X.shape[0], chains, settings),
        completed=in_first_order(completed, order) if completed else None,
    )


def follow_means(means, layers, weights):
    """Running means of the hidden layers moved towards those of the batch's data rows.

    A batch of twice the weight moves them as two batches would.
    """
    n_rows, mass = weights.shape[0], namespace(weights).sum(weights)
    rate = 1.0 - (1.0 - MEAN_RATE) ** mass
    share = weights / (mass + TINY)  # of a batch that weighs nothing, nothing
    hidden = [
        m + rate * (share @ x[:n_rows, ...] - m)
        for m, x in zip(means[1:], layers[1:], strict=True)
    ]
    return (means[0], *hidden)


def sparser(units, layers, means, n_rows, sparsity):
    """Layers whose gradient is also that of the penalty: shifted hidden data rows.

    They are for the upper end of the weights alone. Shifted at both ends, the weights
    between two hidden layers would gain the product of two shifts, and grow by it.
    """
    shifted = [layers[0]]
    for kind, x, mean in zip(units[1:], layers[1:], means[1:], strict=True):
        rows, others = x[:n_rows, ...], x[n_rows:, ...]
        target = kind.resting(sparsity.target, x.shape[1], x)
        rows = rows + sparsity.cost * (target - mean)
        shifted.append(namespace(x).concat([rows, others]))
    return shifted
