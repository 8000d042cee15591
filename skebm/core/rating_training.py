"""Training of a machine for ratings: exact ascent on the pseudo-log-likelihood.

Rows, parameters and the model are those of :mod:`skebm.core.ratings`.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .backend import sigmoid
from .machine import Params, copy_params
from .network import Softmax
from .ratings import (
    BLOCK_ELEMENTS,
    CACHED_ELEMENTS,
    by_item,
    hidden_field,
    largest,
    log_odds,
    log_probabilities,
    slices,
    user_blocks,
    users_of,
    weighted_entries,
)
from .rows import TINY, batch_rows
from .streams import Purpose, stream
from .training import check_finite, copy_velocity

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


def mean_of(rows, weights):
    """Weighted mean of rows."""
    return (weights @ rows) / (weights.sum() + TINY)


def pseudo_gradient(params, X, weights):
    """Gradient of sum_u w_u sum_{i in R_u} log p(v_i | other ratings of u).

    Returns it with the means of the hidden units given all ratings, (n_users,
    n_hidden), and the sum itself. It is exact, and without random numbers.
    """
    (W,), (b, c) = params
    gradient = Params((np.zeros_like(W),), (np.zeros_like(b), np.zeros_like(c)))
    a, total, widest = hidden_field(params, X), 0.0, largest(params)
    for users in user_blocks(X.indptr, BLOCK_ELEMENTS // by_item(W, b)[0].size):
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
    rated, position = np.unique(items, return_inverse=True)
    others = a[owners] - W[X.indices]
    odds, means = log_odds(
        b[items], by_item(W, b)[items], others[:, None], widest, with_means=True
    )
    log_p = Softmax().log_mean(odds)
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
    parts = raters @ means.reshape(X.nnz, W.shape[1] * b.shape[1])
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
    shared = SHARING * (dW.mean(axis=0) - db.mean(axis=0)[:, None] * hidden_mean)
    db_new, typical = db @ carry, W.mean(axis=0)
    for items in slices(len(b), CACHED_ELEMENTS // W[0].size):
        part = dW[items]
        part -= db[items, :, None] * hidden_mean
        part += shared
        part = carry @ part
        part -= penalty[0] * (W[items] - typical)
        dW[items] = part
        offset = b[items] + W[items] @ hidden_mean - shares[items]
        db_new[items] -= penalty[1] * offset + part @ hidden_mean
    return Params(gradient.weights, (db_new, dc))


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
