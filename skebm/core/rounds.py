"""Training in rounds, on rows that lie apart: each part by itself, then their mean.

In a round every part goes on from the same params for some minibatches, with Markov
chains and random streams of its own. The mean of what the parts have come to, weighted
by their rows for each of their steps, is what all go on from in the next round ("local
SGD" [Stich 2019; Wang et al. 2020]). What a part does is a function of its rows, its
chains and what it starts from, and nothing else: so it does not matter where, when, and
how often it is done.
"""

from functools import partial
from typing import NamedTuple

from .backend import namespace
from .machine import ODD
from .rows import Subset, seen_by, total
from .streams import Purpose, seed_of_part, stream
from .training import FIRST_STEPS, Settings, State, start_chains, train_epoch

# Shares that are put together at once.
FAN_IN = 8


class Start(NamedTuple):
    """What all parts start a round from: a state without chains, and its place.

    The round is number `turn` of the `n_turns` of an epoch. `n_chains` is how many a
    part has.
    """

    state: State
    settings: Settings
    learning_rate: float
    turn: int
    n_turns: int
    n_chains: int


class Share(NamedTuple):
    """What parts have come to, what it counts, and their chains in order.

    `values` are params, velocity, means of the hidden units, and the border.
    """

    weight: float
    values: tuple
    chains: tuple


def n_turns(sizes, batch_size, steps_per_round):
    """Rounds in an epoch: so many that none takes more steps than that."""
    n_steps = max(-(-size // batch_size) for size in sizes)
    return -(-n_steps // steps_per_round)


def one_round(X, start, chains):
    """What the parts of X, which is spread, come to in a round, as one share.

    `chains` are those of each part, or None before the first round. The `folded` of
    the places takes a function of a part, its weights, number and chains, and of
    `start`; and one that makes one share of several, which it calls :func:`in_tree`.
    """
    chains = chains or [None] * len(X.sizes)
    return X.places.folded(partial(seen_by, go_on, X.views), chains, start, joined)


def go_on(X, sample_weight, index, chains, start):
    """What a part, of this number, comes to in a round.

    It counts by its mass for each of its steps: a part of many rows takes more of
    them, and by its mass alone its rows would count twice [Wang et al. 2020].
    """
    state, settings = start.state, start.settings
    seed = seed_of_part(settings.seed, index, state.epoch)
    rows = rows_of_turn(X.shape[0], seed, start)
    weights = namespace(sample_weight).take(sample_weight, rows)
    if chains is None:
        chains = first_chains(start, seed)
    mass = total(weights)
    if mass > 0.0:
        state = state._replace(chains=chains, epoch=start.turn)
        # The rows are in random order already, if they are to be.
        own = settings._replace(seed=seed, shuffle=False)
        rate = start.learning_rate
        state = train_epoch(state, Subset(X, rows), weights, rate, own)
        chains = state.chains
    hidden, border = state.means[1:], state.units[0].saved()
    n_steps = max(1, -(-rows.shape[0] // settings.batch_size))
    values = state.params, state.velocity, hidden, border
    return Share(mass / n_steps, values, (chains,))


def rows_of_turn(n_rows, seed, start):
    """Numbers of the rows that a part of so many goes through in this round."""
    xp = namespace(start.state.means[0])
    order = xp.arange(n_rows)
    if start.settings.shuffle:
        draws = stream(seed, Purpose.SHUFFLE, start.state.means[0])
        order = draws.permutation(n_rows)
    first, last = (
        n_rows * turn // start.n_turns for turn in (start.turn, start.turn + 1)
    )
    return order[first:last]


def first_chains(start, seed):
    """Chains of a part, near to samples of the machine it starts from."""
    state = start.state
    draws = stream(seed, Purpose.INITIAL, state.means[0])
    draw = partial(start_chains, state.machine, state.means, FIRST_STEPS, draws)
    return start.settings.algorithm.start(start.n_chains, draw)


def in_tree(shares, combine):
    """One share of those of all parts, in an order that only their number decides.

    In another order the mean of means would be rounded otherwise. `combine` takes a
    list of at most `FAN_IN` shares.
    """
    while len(shares) > 1:
        shares = [
            combine(shares[first : first + FAN_IN])
            for first in range(0, len(shares), FAN_IN)
        ]
    return shares[0]


def joined(shares):
    """One share of several, in their order."""
    one, *others = shares
    for other in others:
        weight = one.weight + other.weight
        rate = other.weight / weight if weight > 0.0 else 0.0
        values = moved(one.values, other.values, rate)
        one = Share(weight, values, one.chains + other.chains)
    return one


def moved(values, others, rate):
    """Floating-point arrays moved by that share of the way to others of their shape.

    They are in nested containers. All else is the same in both, and stays as it is.
    """
    if isinstance(values, dict):
        return {name: moved(x, others[name], rate) for name, x in values.items()}
    if isinstance(values, tuple | list):
        pairs = zip(values, others, strict=True)
        found = [moved(x, y, rate) for x, y in pairs]
        kind = type(values)
        return kind(*found) if hasattr(kind, "_fields") else kind(found)
    if not hasattr(values, "dtype"):
        return values
    xp = namespace(values)
    floating = xp.isdtype(values.dtype, "real floating")
    return values + rate * (others - values) if floating else values


def after_round(state, share):
    """The state after a round, with the chains of the first part as its own."""
    params, velocity, hidden, border = share.values
    visible, mean = state.units[0], state.means[0]
    if visible.learn is not None:
        # The mean of the visible units is that of the rows as they are encoded now.
        old, visible = visible, visible.restored(border)
        mean = visible.encode(old.decode(mean))
    return state._replace(
        units=(visible, *state.units[1:]),
        params=params,
        velocity=velocity,
        means=(mean, *hidden),
        chains=share.chains[0],
    )


def n_chains_of(state, settings):
    """How many chains the state has."""
    return settings.algorithm.samples(state.chains)[ODD].shape[0]
