"""The minibatch loop: epochs of stochastic gradient ascent on the log-likelihood."""

from itertools import pairwise
from typing import NamedTuple

from .backend import BLOCK_ROWS, is_finite, namespace, take_rows, zeros
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
from .sampling import alternate, independent_layers
from .streams import Purpose, stream

# The share of a batch in the running mean of the hidden units that centring subtracts.
OFFSET_RATE = 0.01

# How near to 0 or 1 the data's means may come where their logits start the biases.
MEAN_MARGIN = 1e-4

# Standard deviation of the initial weights (Hinton 2012, section 8).
INITIAL_SCALE = 0.01


class State(NamedTuple):
    """All that training carries from one epoch to the next.

    `chains` holds the odd layers that the next Gibbs step starts from, `offsets` what
    centring subtracts from each layer (zeros for none), `epoch` how many are done,
    `visible_mean` the data's means that training started from.
    """

    params: Params
    chains: list
    velocity: Params | None
    offsets: tuple
    epoch: int
    visible_mean: object


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
    """State before the first epoch.

    The visible biases give the data's means; the weights are small; the chains are
    drawn from the machine without them.
    """
    units = settings.units
    mean = units[0].clip(column_means(X, sample_weight), MEAN_MARGIN)
    initial = stream(settings.seed, Purpose.INITIAL, mean)
    sizes = (X.shape[1], *hidden_sizes)
    params = initial_params(units, sizes, mean, initial, INITIAL_SCALE)
    offsets = initial_offsets(Machine(units, params), settings.centred)
    chains = start_chains(Machine(units, params), n_chains, initial)
    return State(params, chains, settings.optimiser.init(params), offsets, 0, mean)


def initial_offsets(machine, centred):
    """Each layer's mean without the weights, or zeros where nothing is centred."""
    means = (
        k.mean(b) for k, b in zip(machine.units, machine.params.biases, strict=True)
    )
    return tuple(m if centred else zeros(m.shape, m) for m in means)


def adapt(state, n_chains, settings):
    """A state to go on from under changed settings: what no longer fits starts anew."""
    machine = Machine(settings.units, state.params)
    if any(x is not None and x.shape[0] != n_chains for x in state.chains):
        restart = stream(
            settings.seed, Purpose.INITIAL, state.visible_mean, state.epoch
        )
        state = state._replace(chains=start_chains(machine, n_chains, restart))
    if (state.velocity is None) != (settings.optimiser.momentum == 0.0):
        state = state._replace(velocity=settings.optimiser.init(state.params))
    return state


def start_chains(machine, n_chains, stream):
    """Chains drawn from the machine as if it had no weights; odd layers only."""
    layers = independent_layers(machine, n_chains, stream)
    return [x if index % 2 == ODD else None for index, x in enumerate(layers)]


def column_means(X, sample_weight):
    """Weighted mean of each column, (n_columns,), block by block."""
    total = 0.0
    for first in range(0, X.shape[0], BLOCK_ROWS):
        block = slice(first, min(first + BLOCK_ROWS, X.shape[0]))
        weights = sample_weight[block]
        total = total + weights @ take_rows(X, block, weights.dtype)
    return total / namespace(total).sum(sample_weight)


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
        concat = namespace(rows).concat
        layers = [concat(pair) for pair in zip(positive, negative, strict=True)]
        return layers, concat([weights, -weights]), chains


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
    weights = sample_weight * (
        n_batches / float(namespace(sample_weight).sum(sample_weight))
    )
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
    params, chains, velocity, offsets, epoch, mean = copy_state(state)
    units, optimiser, algorithm = settings[:3]
    array = params.biases[0]
    order = None
    if settings.shuffle:
        order = stream(settings.seed, Purpose.SHUFFLE, array, epoch).permutation(
            X.shape[0]
        )
    chain_stream = stream(settings.seed, Purpose.CHAINS, array, epoch)
    machine = Machine(units, params)
    for rows, weights in minibatches(X, sample_weight, order, settings.batch_size):
        layers, row_weights, chains = algorithm.phases(
            machine, rows, weights, chains, chain_stream
        )
        if settings.centred:
            offsets = follow_means(offsets, layers, weights)
        step = gradient(layers, row_weights, offsets)
        optimiser.update(step, velocity, params, learning_rate)
    if not all(is_finite(x) for group in params for x in group):
        raise Diverged(state)
    return State(params, chains, velocity, offsets, epoch + 1, mean)


def follow_means(offsets, layers, weights):
    """Offsets of the hidden layers moved towards the means of the batch's data rows."""
    n_rows, mass = weights.shape[0], namespace(weights).sum(weights)
    hidden = [
        o + OFFSET_RATE * (weights @ x[:n_rows, ...] - mass * o)
        for o, x in zip(offsets[1:], layers[1:], strict=True)
    ]
    return (offsets[0], *hidden)
