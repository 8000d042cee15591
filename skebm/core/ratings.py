"""Ratings of items by users, most of them unknown: a machine for each user.

The machines of all users share their weights, and that of a user has visible units for
the items that the user has rated, R, and for no others [Salakhutdinov, Mnih & Hinton
2007]. A unit takes one of n_ratings values:

    p(v, h | R) ~ exp(sum_{i in R} b[i, v_i] + c h + sum_{i in R} W[i, v_i] h)

A row is one-hot: a CSR matrix of shape (n_users, n_items * n_ratings), its indices
sorted, that holds a 1 at item * n_ratings + rating for each rating that is known. The
weights are the rows of a matrix (n_items * n_ratings, n_hidden), and the visible biases
are (n_items, n_ratings). All work, but that on the parameters themselves, grows with
the entries of the rows.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .backend import sigmoid
from .machine import Params, copy_params
from .network import Softmax
from .rows import TINY, batch_rows
from .streams import Purpose, stream
from .training import check_finite, copy_velocity
from .units import FACTORS_AT_ONCE, LARGEST_EXPONENT, Bernoulli, multiplied

# Elements of the largest array that is made at once: a few megabytes.
BLOCK_ELEMENTS = 2**19

# Ratings, distributed as those of all items, that every item is taken to have before
# any is seen.
SMOOTHING = 5.0

# Standard deviation of the total input of a hidden unit at the start, for a user of as
# many ratings as usual: enough for the units to differ.
INITIAL_SPREAD = 0.5

# How much faster than the weights of one item their mean over all items learns.
SHARING = 8.0

# Ranks over which the change of a rating's weight falls to exp(-1) of itself: ratings
# have an order, and neighbours learn together.
REACH = 2.0

# Share of a batch in the running mean of the hidden units.
MEAN_RATE = 0.05


class Settings(NamedTuple):
    """What stays the same for the whole of training.

    `weight_decay` and `bias_decay` count in ratings: an item with so many of its own
    is half way between these and what goes for it before they are seen.
    """

    optimiser: object
    weight_decay: float
    bias_decay: float
    batch_size: int
    shuffle: bool
    seed: int


class State(NamedTuple):
    """All that training carries from one epoch to the next.

    `counts` (n_items, n_ratings) is how often each rating was given to each item, and
    `hidden_mean` a running mean of the hidden units. `velocity` is the optimiser's.
    """

    params: Params
    velocity: Params | None
    hidden_mean: np.ndarray
    counts: np.ndarray
    epoch: int


def one_hot(items, codes, indptr, n_items, n_ratings, dtype):
    """Rows whose entries are ratings, by the numbers of items and of ratings."""
    return sparse.csr_array(
        (np.ones(len(items), dtype), items * n_ratings + codes, indptr),
        shape=(len(indptr) - 1, n_items * n_ratings),
    )


def users_of(X):
    """The row of each entry of a CSR matrix, (n_entries,)."""
    return np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))


def counts_of(X, sample_weight, n_ratings):
    """How often each rating was given to each item, (n_items, n_ratings)."""
    return (X.T @ sample_weight.astype(np.float64)).reshape(-1, n_ratings)


def log_shares(counts):
    """log of the share of each rating among those of an item, (n_items, n_ratings).

    Smoothed by the shares among those of all items.
    """
    total = counts.sum(axis=0) + 1.0  # of each, one that nobody gave
    smoothed = counts + SMOOTHING * total / total.sum()
    return np.log(smoothed / smoothed.sum(axis=1, keepdims=True))


def hidden_field(params, X):
    """Total input of the hidden units, (n_users, n_hidden), from what is rated."""
    return X @ params.weights[0] + params.biases[1]


def start(X, sample_weight, n_hidden, n_ratings, settings):
    """State before the first epoch: items have the shares of their ratings."""
    dtype, n_states = X.dtype, X.shape[1]
    draws = stream(settings.seed, Purpose.INITIAL, X.data)
    each = weighted_entries(X, sample_weight) / sample_weight.sum(dtype=np.float64)
    spread = INITIAL_SPREAD / math.sqrt(max(1.0, each))
    W = (spread * draws.normal((n_states, n_hidden))).astype(dtype)
    counts = counts_of(X, sample_weight, n_ratings)
    shares = log_shares(counts).astype(dtype)
    params = Params((W,), (shares, np.zeros(n_hidden, dtype)))
    hidden_mean = mean_of(sigmoid(hidden_field(params, X)), sample_weight)
    # Centred: what the hidden units add on average is taken off.
    shares -= by_item(W, shares) @ hidden_mean
    velocity = settings.optimiser.init(params)
    return State(params, velocity, hidden_mean, counts, 0)


def with_rows(state, X, sample_weight):
    """The state with further rows counted."""
    counts = counts_of(X, sample_weight, state.counts.shape[1])
    return state._replace(counts=state.counts + counts)


def weighted_entries(X, sample_weight):
    """How many ratings there are, each counted with the weight of its user."""
    return float(np.diff(X.indptr) @ sample_weight.astype(np.float64))


def mean_of(rows, weights):
    """Weighted mean of rows."""
    return (weights @ rows) / (weights.sum() + TINY)


def by_item(W, b):
    """Weights, or what is like them, as (n_items, n_ratings, n_hidden)."""
    return W.reshape(*b.shape, -1)


# What the ratings of an item are, given those of others


def log_odds(b, factors, widest):
    """log p(v_i = k | others) but for a constant of each row.

    `factors` (..., n_ratings, n_hidden) are 1 - p + p exp(W[i, k]), where p are the
    means of the hidden units given the other ratings, and W is no larger than `widest`.
    They are used up. Their logarithm is softplus(a + W[i, k]) - softplus(a), and it is
    taken of products of several.
    """
    at_once = min(int(LARGEST_EXPONENT / max(1.0, widest)), FACTORS_AT_ONCE)
    return b + np.log(multiplied(factors, at_once)).sum(axis=-1)


def log_probabilities(params, a, items):
    """log p(v_i = k | R), (n, n_ratings), where `a` is the hidden field of R.

    `items` are the numbers of the items i, none of which is in its R.
    """
    (W,), (b, _) = params
    W, widest = by_item(W, b), largest(params)
    result = np.empty((len(items), b.shape[1]), b.dtype)
    for rows in slices(len(items), W[0].size):
        p, some = sigmoid(a[rows]), items[rows]
        factors = np.exp(W[some])
        factors *= p[:, None, :]
        factors += (1.0 - p)[:, None, :]
        result[rows] = Softmax().log_mean(log_odds(b[some], factors, widest))
    return result


def all_log_probabilities(params, X, users):
    """log p(v_i = k | R_u) for all items, (n_users, n_items, n_ratings).

    Of an item that the user has rated: given the user's other ratings. `users` is a
    slice of the rows of X.
    """
    (W,), (b, _) = params
    X, widest, (n_items, n_ratings) = X[users], largest(params), b.shape
    a, exp_W = hidden_field(params, X), np.exp(by_item(W, b))
    p = sigmoid(a)[:, None, None, :]
    q = 1.0 - p
    result = np.empty((X.shape[0], *b.shape), b.dtype)
    for some in slices(n_items, max(1, X.shape[0]) * exp_W[0].size):
        factors = p * exp_W[some]
        factors += q
        result[:, some] = Softmax().log_mean(log_odds(b[some], factors, widest))
    owners, items = users_of(X), X.indices // n_ratings
    others = a[owners] - W[X.indices]
    result[owners, items] = log_probabilities(params, others, items)
    return result


def pair_log_probabilities(params, X, users, items):
    """log p(v_i = k | R_u) for pairs of a user and an item, (n_pairs, n_ratings).

    Of an item that the user has rated: given the user's other ratings.
    """
    (W,), (b, _) = params
    places = users_of(X) * b.shape[0] + X.indices // b.shape[1]
    result = np.empty((len(users), b.shape[1]), b.dtype)
    a = hidden_field(params, X)
    for rows in slices(len(users), W.shape[1] * b.shape[1]):
        u, i = users[rows], items[rows]
        others, wanted = a[u], u * b.shape[0] + i
        found = np.searchsorted(places, wanted)
        rated = np.isin(wanted, places)
        others[rated] -= W[X.indices[found[rated]]]
        result[rows] = log_probabilities(params, others, i)
    return result


def log_likelihoods(params, X):
    """log p(v_i | the other ratings of the user) of each entry of X, (n_entries,)."""
    (W,), (b, _) = params
    result = np.empty(X.nnz, b.dtype)
    for users in user_blocks(X.indptr, W.shape[1] * b.shape[1]):
        part, first = X[users], X.indptr[users.start]
        others = hidden_field(params, part)[users_of(part)] - W[part.indices]
        items, codes = np.divmod(part.indices, b.shape[1])
        log_p = log_probabilities(params, others, items)
        result[first : first + part.nnz] = log_p[np.arange(part.nnz), codes]
    return result


def largest(params):
    """The largest absolute value of a weight."""
    return float(np.abs(params.weights[0]).max())


def slices(n, n_each):
    """Slices of `n` things, so many that those of one have a block of elements."""
    step = max(1, BLOCK_ELEMENTS // n_each)
    for first in range(0, n, step):
        yield slice(first, min(first + step, n))


def user_blocks(indptr, n_each):
    """Slices of users whose ratings have a block of elements, but at least one user."""
    most, first, n_users = max(1, BLOCK_ELEMENTS // n_each), 0, len(indptr) - 1
    while first < n_users:
        last = int(np.searchsorted(indptr, indptr[first] + most, side="right")) - 1
        last = min(max(last, first + 1), n_users)
        yield slice(first, last)
        first = last


# Training


def pseudo_gradient(params, X, weights):
    """Gradient of sum_u w_u sum_{i in R_u} log p(v_i | other ratings of u).

    Returns it with the means of the hidden units given all ratings, (n_users,
    n_hidden), and the sum itself. It is exact, and without random numbers.
    """
    (W,), (b, c) = params
    gradient = Params((np.zeros_like(W),), (np.zeros_like(b), np.zeros_like(c)))
    a, total, widest = hidden_field(params, X), 0.0, largest(params)
    for users in user_blocks(X.indptr, by_item(W, b)[0].size):
        total += add_gradient(
            gradient, params, X[users], a[users], weights[users], widest
        )
    return gradient, sigmoid(a), total


def add_gradient(gradient, params, X, a, weights, widest):
    """Add the part of some users to the gradient; return their part of the sum."""
    (W,), (b, _) = params
    (dW,), (db, dc) = gradient
    owners, entries = users_of(X), np.arange(X.nnz)
    items, codes = np.divmod(X.indices, b.shape[1])
    of_user = sparse.csr_array((X.data, entries, X.indptr), (X.shape[0], X.nnz))
    p = sigmoid(a[owners] - W[X.indices])
    rated, position = np.unique(items, return_inverse=True)
    # exp(W) p, then means of the hidden units if the rating were that one.
    means = np.exp(by_item(W, b)[rated])[position]
    means *= p[:, None, :]
    factors = means + (1.0 - p)[:, None, :]
    means /= factors
    log_p = Softmax().log_mean(log_odds(b[items], factors, widest))
    error = -np.exp(log_p)
    error[entries, codes] += 1.0
    means *= error[:, :, None]
    # By the hidden field of an item's other ratings, and so by the weights of these.
    back = means.sum(axis=1)
    of_all = of_user @ back
    means[entries, codes] += of_all[owners] - back
    raters = sparse.csr_array(
        (weights[owners], (position, entries)), (len(rated), X.nnz)
    )
    parts = raters @ means.reshape(X.nnz, -1)
    by_item(dW, b)[rated] += parts.reshape(len(rated), *means.shape[1:])
    db[rated] += raters @ error
    dc += weights @ of_all
    return float(weights[owners] @ log_p[entries, codes])


def neighbours(n_ratings, dtype):
    """How a change of each rating's weight carries over to the others."""
    ranks = np.arange(n_ratings)
    return np.exp(-np.abs(ranks[:, None] - ranks) / REACH).astype(dtype)


def step_towards(gradient, params, hidden_mean, shares, penalty, carry):
    """The gradient as a step: centred, carried over to others, and with the penalties.

    Centred, the visible biases are those of a user of average hidden units. These are
    drawn towards the `shares`, and the weights towards their mean over the items.
    Weights share what they learn with those of other items, by their mean, and with
    those of neighbouring ratings, by `carry`: a step uphill still, as it multiplies the
    gradient by a positive definite matrix. `penalty` are those of weights and biases.
    """
    (W,), (b, _) = params
    (dW,), (db, dc) = gradient
    W, dW = by_item(W, b), by_item(dW, b)
    dW -= db[:, :, None] * hidden_mean
    dW += SHARING * dW.mean(axis=0)
    dW[...] = carry @ dW
    dW -= penalty[0] * (W - W.mean(axis=0))
    db = db @ carry - penalty[1] * (b + W @ hidden_mean - shares)
    db -= dW @ hidden_mean
    return Params(gradient.weights, (db, dc))


def train_epoch(state, X, sample_weight, learning_rate, settings):
    """One pass over the rows; the state after it, and the mean log-probability.

    That is of a rating given the user's others, before the steps. `state` stays as it
    is. The gradient is that of the sum over all ratings, whatever the batch, and is
    divided by the number of ratings of an item, so that rates suit data of any size.
    """
    params, velocity = copy_params(state.params), copy_velocity(state.velocity)
    hidden_mean, dtype, order = state.hidden_mean, X.dtype, None
    if settings.shuffle:
        draws = stream(settings.seed, Purpose.SHUFFLE, X.data, state.epoch)
        order = draws.permutation(X.shape[0])
    shares = log_shares(state.counts).astype(dtype)
    carry = neighbours(shares.shape[1], dtype)
    seen, entries = float(state.counts.sum()), weighted_entries(X, sample_weight)
    decays = settings.weight_decay, settings.bias_decay
    size = seen / len(shares) + max(decays)
    penalty = [decay / size for decay in decays]
    n_batches = -(-X.shape[0] // settings.batch_size)
    scale = seen / entries * n_batches / size
    total = 0.0
    for rows in batch_rows(X.shape[0], settings.batch_size, order):
        weights = (sample_weight[rows] * scale).astype(dtype)
        gradient, hidden, part = pseudo_gradient(params, X[rows], weights)
        step = step_towards(gradient, params, hidden_mean, shares, penalty, carry)
        settings.optimiser.update(step, velocity, params, learning_rate)
        hidden_mean = hidden_mean + MEAN_RATE * (mean_of(hidden, weights) - hidden_mean)
        total += part
    check_finite(params)
    state = State(params, velocity, hidden_mean, state.counts, state.epoch + 1)
    return state, total / (scale * entries)


# Ratings held out


class HeldOut(NamedTuple):
    """Entries to predict from the others, and the weights of their users."""

    users: np.ndarray
    items: np.ndarray
    codes: np.ndarray
    weights: np.ndarray


def hold_out(X, sample_weight, fraction, n_ratings, seed):
    """Some of the entries of users that weigh something, and X without these."""
    owners = users_of(X)
    suitable = np.flatnonzero(sample_weight[owners] > 0.0)
    draws = stream(seed, Purpose.VALIDATION, X.data)
    numbers = suitable[draws.permutation(len(suitable))]
    out = np.sort(numbers[: math.ceil(fraction * len(suitable))])
    left = np.ones(X.nnz, bool)
    left[out] = False
    kept = np.concatenate([[0], np.cumsum(left)])[X.indptr]
    rest = sparse.csr_array((X.data[left], X.indices[left], kept), X.shape)
    items, codes = np.divmod(X.indices[out], n_ratings)
    return HeldOut(owners[out], items, codes, sample_weight[owners[out]]), rest


def error_of(params, ratings, X, held_out):
    """Root mean squared error of ratings predicted from those in X, and log p."""
    users, items, codes, weights = held_out
    log_p = log_probabilities(params, hidden_field(params, X)[users], items)
    errors = np.exp(log_p) @ ratings - ratings[codes]
    mean = np.average(errors**2, weights=weights)
    picked = log_p[np.arange(len(codes)), codes]
    return math.sqrt(mean), float(np.average(picked, weights=weights))


# Samples


def draw(p, draws):
    """Numbers drawn from distributions over the last axis."""
    u = draws.uniform((*p.shape[:-1], 1))
    return (u >= np.cumsum(p, axis=-1)[..., :-1]).sum(axis=-1)


def gibbs(params, codes, n_steps, draws, given=None):
    """Numbers of ratings of all items, (n_chains, n_items), after Gibbs steps.

    `given` are numbers that stay as they are, -1 for those that do not.
    """
    (W,), (b, c) = params
    first = np.arange(b.shape[0]) * b.shape[1]
    indptr = np.arange(len(codes) + 1) * b.shape[0]
    for _ in range(n_steps):
        states = (first + codes).ravel()
        X = sparse.csr_array(
            (np.ones(len(states), W.dtype), states, indptr), (len(codes), len(W))
        )
        hidden = Bernoulli().sample(sigmoid(X @ W + c), draws)
        a = (hidden @ W.T).reshape(len(codes), *b.shape) + b
        codes = draw(Softmax().mean(a), draws)
        if given is not None:
            codes = np.where(given < 0, codes, given)
    return codes


def chains(params, hidden_mean, n_steps, draws, given):
    """The same for each row of `given`, from ratings drawn given mean hidden units."""
    (W,), (b, _) = params
    p = Softmax().mean(b + by_item(W, b) @ hidden_mean)
    codes = draw(np.broadcast_to(p, (len(given), *p.shape)), draws)
    codes = np.where(given < 0, codes, given)
    return gibbs(params, codes, n_steps, draws, given)
