"""The minibatch loop: epochs of stochastic gradient ascent on the log-likelihood."""

from itertools import pairwise
from typing import NamedTuple

from .backend import blocks, has_nan, is_finite, namespace, take_rows, zeros
from .machine import (
    ODD,
    Machine,
    Params,
    copy_params,
    draw,
    gradient,
    initial_params,
    means,
)
from .missing import first_completed, in_first_order, redrawn
from .sampling import alternate, independent_layers
from .streams import Purpose, stream

# The share of a batch in the running mean of the hidden units that centring subtracts.
OFFSET_RATE = 0.01

# Added to what may be zero before it divides.
TINY = 1e-30

# How near to 0 or 1 the data's means may come where their logits start the biases.
MEAN_MARGIN = 1e-4


class State(NamedTuple):
    """All that training carries from one epoch to the next.

    `chains` holds the odd layers that the next Gibbs step starts from, `offsets` what
    centring subtracts from each layer (zeros for none), `epoch` how many are done,
    `visible_mean` the means of all rows so far, `mass` the sum of their weights: for
    each column, if entries are missing. `completed` is X with its missing entries as
    they were last drawn, or None where none is missing.
    """

    params: Params
    chains: list
    velocity: Params | None
    offsets: tuple
    epoch: int
    visible_mean: object
    mass: object
    completed: object = None

    def rows(self, X):
        """The rows of X as training has them: with all entries."""
        return X if self.completed is None else self.completed


class Diverged(FloatingPointError):
    """Parameters that are no longer finite; `state` is the last epoch's that were."""

    def __init__(self, state):
        super().__init__("training diverged")
        self.state = state


class Settings(NamedTuple):
    """What stays the same for the whole of training."""

    units: tuple
    optimiser: object
    algorithm: object
    batch_size: int
    shuffle: bool
    centred: bool
    seed: int


def start(X, sample_weight, hidden_sizes, n_chains, settings):
    """State before the first epoch: a centred machine about the data's means.

    The chains are of independent units with these means.
    """
    units = settings.units
    mean, mass = column_means(X, sample_weight)
    means = initial_means(units, mean, hidden_sizes)
    initial = stream(settings.seed, Purpose.INITIAL, mean)
    inner = units[0].clip(mean, MEAN_MARGIN)
    params = initial_params(units, (inner, *means[1:]), initial)
    chains = start_chains(units, means, n_chains, initial)
    offsets = means if settings.centred else tuple(zeros(o.shape, o) for o in means)
    velocity = settings.optimiser.init(params)
    state = State(params, chains, velocity, offsets, 0, mean, mass)
    return with_rows(state, X, settings)


def initial_means(units, visible_mean, hidden_sizes):
    """Means of the layers about which training starts."""
    hidden = zip(units[1:], hidden_sizes, strict=True)
    return (visible_mean, *(kind.resting(n, visible_mean) for kind, n in hidden))


def adapt(state, n_chains, settings):
    """A state to go on from under changed settings: what no longer fits starts anew."""
    params, optimiser = state.params, settings.optimiser
    sizes = [b.shape[0] for b in params.biases]
    means = initial_means(settings.units, state.visible_mean, sizes[1:])
    shapes = [(n_chains, n) if i % 2 == ODD else None for i, n in enumerate(sizes)]
    if [x if x is None else x.shape for x in state.chains] != shapes:
        fresh = stream(settings.seed, Purpose.INITIAL, state.visible_mean, state.epoch)
        chains = start_chains(settings.units, means, n_chains, fresh)
        state = state._replace(chains=chains)
    if not settings.centred:
        state = state._replace(offsets=tuple(zeros(m.shape, m) for m in means))
    elif all(is_zero(o) for o in state.offsets) or not alike(state.offsets, means):
        state = state._replace(offsets=means)
    velocity = optimiser.init(params)
    if velocity is None or state.velocity is None:
        return state._replace(velocity=velocity)
    if not alike(state.velocity.weights, velocity.weights):
        state = state._replace(velocity=velocity)
    return state


def join(state, X, sample_weight, settings):
    """The state with the rows of X counted in the means that centring subtracts."""
    new_mean, new_mass = column_means(X, sample_weight)
    mass = state.mass + new_mass
    mean = state.visible_mean + (new_mass / mass) * (new_mean - state.visible_mean)
    offsets = (mean, *state.offsets[1:]) if settings.centred else state.offsets
    state = state._replace(visible_mean=mean, mass=mass, offsets=offsets)
    return with_rows(state, X, settings)


def with_rows(state, X, settings):
    """The state with chains for the missing entries of X, if there are any."""
    if not has_nan(X):
        return state
    machine, mean = Machine(settings.units, state.params), state.visible_mean
    draws = stream(settings.seed, Purpose.MISSING, mean, 2 * state.epoch)
    return state._replace(completed=first_completed(machine, X, mean, draws))


def alike(some, others):
    """Whether the arrays of two lists have the same shapes."""
    return [x.shape for x in some] == [y.shape for y in others]


def is_zero(x):
    """Whether all of `x` is zero, as a bool."""
    return bool(namespace(x).all(x == 0.0))


def start_chains(units, means, n_chains, stream):
    """Chains of independent units with these means; odd layers only."""
    layers = independent_layers(units, means, n_chains, stream)
    return [x if index % 2 == ODD else None for index, x in enumerate(layers)]


def column_means(X, sample_weight):
    """Weighted mean of each column, (n_columns,), and the sum of the weights.

    If entries are missing, the sum is that of the observed ones, (n_columns,), and the
    mean of a column without any is 0.
    """
    missing, sums, mass = has_nan(X), 0.0, 0.0
    for block in blocks(X.shape[0]):
        weights = sample_weight[block]
        rows = take_rows(X, block, weights.dtype)
        if missing:
            xp = namespace(rows)
            known = ~xp.isnan(rows)
            mass = mass + weights @ xp.astype(known, rows.dtype)
            rows = xp.where(known, rows, 0.0)
        sums = sums + weights @ rows
    if not missing:
        mass = total(sample_weight)
    return sums / (mass + TINY), mass


def total(sample_weight):
    """Sum of the weights, as a float."""
    return float(namespace(sample_weight).sum(sample_weight))


def copy_state(state):
    """A copy whose params and velocity may be changed in place."""
    velocity = None if state.velocity is None else copy_params(state.velocity)
    return state._replace(params=copy_params(state.params), velocity=velocity)


class ContrastiveDivergence(NamedTuple):
    """CD-k: the chains start anew at the rows of each batch [Hinton 2002]."""

    n_steps: int

    def phases(self, machine, rows, weights, chains, stream):
        """Stacked layers of data and model rows, weights that sum to zero, chains."""
        positive = means(machine, [rows, None], ODD)
        start = draw(machine, positive, ODD, stream)
        negative = means(machine, alternate(machine, start, self.n_steps, stream), ODD)
        chains = draw(machine, negative, ODD, stream)
        concat = namespace(rows).concat
        layers = [concat(pair) for pair in zip(positive, negative, strict=True)]
        return layers, concat([weights, -weights]), [None, chains[1]]


class PersistentChains(NamedTuple):
    """PCD-k: the chains go on from batch to batch [Tieleman 2008].

    The hidden means that enter the gradient are those given the *new* visible states,
    and the next step starts from a sample of these very means.
    """

    n_steps: int

    def phases(self, machine, rows, weights, chains, stream):
        """Stacked layers of data and model rows, weights that sum to zero, chains."""
        xp = namespace(rows)
        model = alternate(machine, chains, self.n_steps, stream)
        layers = means(machine, [xp.concat([rows, model[0]]), None], ODD)
        n_rows, n_chains = rows.shape[0], model[0].shape[0]
        fresh = [x[n_rows:, ...] for x in layers]
        chains = draw(machine, fresh, ODD, stream)
        against = xp.broadcast_to(xp.sum(weights) * (-1.0 / n_chains), (n_chains,))
        return layers, xp.concat([weights, against]), chains


def minibatches(X, sample_weight, order, batch_size):
    """Batches of almost equal size: dense float rows, and their weights.

    The weights average 1 / (rows in a batch) over the epoch. So every row counts the
    same wherever the batches end, and a row of weight 2 counts as the row twice.
    """
    n_rows = X.shape[0]
    n_batches = -(-n_rows // batch_size)
    weights = sample_weight * (n_batches / total(sample_weight))
    for first, last in pairwise(
        n_rows * batch // n_batches for batch in range(n_batches + 1)
    ):
        if order is None:
            rows, weight = slice(first, last), weights[first:last]
        else:
            rows = order[first:last]
            weight = take_rows(weights, rows, weights.dtype)
        yield take_rows(X, rows, weights.dtype), weight


def train_epoch(state, X, sample_weight, learning_rate, settings):
    """One pass over the rows of X, (n_rows, n_visible). `state` stays as it is."""
    params, chains, velocity, offsets, epoch, *_ = copy_state(state)
    units, optimiser, algorithm = settings[:3]
    array = params.biases[0]
    order = None
    if settings.shuffle:
        draws = stream(settings.seed, Purpose.SHUFFLE, array, epoch)
        order = draws.permutation(X.shape[0])
    chain_stream = stream(settings.seed, Purpose.CHAINS, array, epoch)
    machine = Machine(units, params)
    batches, completed = minibatches(X, sample_weight, order, settings.batch_size), []
    if state.completed is not None:
        last = minibatches(state.completed, sample_weight, order, settings.batch_size)
        draws = stream(settings.seed, Purpose.MISSING, array, 2 * epoch + 1)
        batches = redrawn(machine, batches, last, algorithm.n_steps, draws, completed)
    for rows, weights in batches:
        layers, row_weights, chains = algorithm.phases(
            machine, rows, weights, chains, chain_stream
        )
        if settings.centred:
            offsets = follow_means(offsets, layers, weights)
        step = gradient(layers, row_weights, offsets)
        optimiser.update(step, velocity, params, learning_rate)
    if not all(is_finite(x) for group in params for x in group):
        raise Diverged(state)
    return state._replace(
        params=params,
        chains=chains,
        velocity=velocity,
        offsets=offsets,
        epoch=epoch + 1,
        completed=in_first_order(completed, order) if completed else None,
    )


def follow_means(offsets, layers, weights):
    """Offsets of the hidden layers moved towards the means of the batch's data rows.

    A batch of twice the weight moves them as two batches would.
    """
    n_rows, mass = weights.shape[0], namespace(weights).sum(weights)
    rate = 1.0 - (1.0 - OFFSET_RATE) ** mass
    share = weights / (mass + TINY)  # of a batch that weighs nothing, nothing
    hidden = [
        o + rate * (share @ x[:n_rows, ...] - o)
        for o, x in zip(offsets[1:], layers[1:], strict=True)
    ]
    return (offsets[0], *hidden)
