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

import numpy as np
from scipy import sparse

from .backend import sigmoid, softplus
from .network import Softmax
from .units import FACTORS_AT_ONCE, LARGEST_EXPONENT, Bernoulli, multiplied

# Elements of the largest array that is made at once: a few megabytes.
BLOCK_ELEMENTS = 2**18

# Elements of an array that several passes go over: they stay in the processor's cache.
CACHED_ELEMENTS = 2**16

# Weights up to which rounding of the means of hidden units does no harm.
WIDE = 8.0


def one_hot(items, codes, indptr, n_items, n_ratings, dtype):
    """Rows whose entries are ratings, by the numbers of items and of ratings."""
    return sparse.csr_array(
        (np.ones(len(items), dtype), items * n_ratings + codes, indptr),
        shape=(len(indptr) - 1, n_items * n_ratings),
    )


def users_of(X):
    """The row of each entry of a CSR matrix, (n_entries,)."""
    return np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))


def hidden_field(params, X):
    """Total input of the hidden units, (n_users, n_hidden), from what is rated."""
    return X @ params.weights[0] + params.biases[1]


def weighted_entries(X, sample_weight):
    """How many ratings there are, each counted with the weight of its user."""
    return float(np.diff(X.indptr) @ sample_weight.astype(np.float64))


def by_item(W, b):
    """Weights, or what is like them, as (n_items, n_ratings, n_hidden)."""
    return W.reshape(*b.shape, -1)


def log_odds(b, W, a, widest, with_means=False):
    """log p(v_i = k | others) but for a constant of each row, (..., n_ratings).

    `a` (..., 1, n_hidden) is the hidden field of the others, and `W` (..., n_ratings,
    n_hidden), no larger than `widest`, is the item's. `with_means` are the means of the
    hidden units, too, if the rating were k, (..., n_ratings, n_hidden).

    It is the sum over the hidden units of softplus(a + W) - softplus(a), or
    log(1 - p + p exp(W)) with p = sigmoid(a), and taken of products of several.
    """
    if not widest <= WIDE:
        z = a + W
        odds = b + softplus(z).sum(axis=-1)
        return (odds, sigmoid(z)) if with_means else odds
    p = sigmoid(a)
    means = p * np.exp(W)
    factors = means + (1.0 - p) if with_means else np.add(means, 1.0 - p, out=means)
    if with_means:
        means /= factors
    at_once = min(int(LARGEST_EXPONENT / max(1.0, widest)), FACTORS_AT_ONCE)
    odds = b + np.log(multiplied(factors, at_once)).sum(axis=-1)
    return (odds, means) if with_means else odds


def log_probabilities(params, a, items):
    """log p(v_i = k | R), (n, n_ratings), where `a` is the hidden field of R.

    `items` are the numbers of the items i, none of which is in its R.
    """
    (W,), (b, _) = params
    W, widest = by_item(W, b), largest(params)
    result = np.empty((len(items), b.shape[1]), b.dtype)
    for rows in slices(len(items), BLOCK_ELEMENTS // W[0].size):
        some = items[rows]
        odds = log_odds(b[some], W[some], a[rows, None], widest)
        result[rows] = Softmax().log_mean(odds)
    return result


def all_log_probabilities(params, X, users):
    """log p(v_i = k | R_u) for all items, (n_users, n_items, n_ratings).

    Of an item that the user has rated: given the user's other ratings. `users` is a
    slice of the rows of X.
    """
    (W,), (b, _) = params
    X, widest, (n_items, n_ratings) = X[users], largest(params), b.shape
    a, W_items = hidden_field(params, X), by_item(W, b)
    result = np.empty((X.shape[0], *b.shape), b.dtype)
    for some in slices(n_items, BLOCK_ELEMENTS // (X.shape[0] * W_items[0].size)):
        odds = log_odds(b[some], W_items[some], a[:, None, None], widest)
        result[:, some] = Softmax().log_mean(odds)
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
    for rows in slices(len(users), BLOCK_ELEMENTS // (W.shape[1] * b.shape[1])):
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
    for users in user_blocks(X.indptr, BLOCK_ELEMENTS // (W.shape[1] * b.shape[1])):
        part, first = X[users], X.indptr[users.start]
        others = hidden_field(params, part)[users_of(part)] - W[part.indices]
        items, codes = np.divmod(part.indices, b.shape[1])
        log_p = log_probabilities(params, others, items)
        result[first : first + part.nnz] = log_p[np.arange(part.nnz), codes]
    return result


def largest(params):
    """The largest absolute value of a weight."""
    return float(np.abs(params.weights[0]).max())


def slices(n, most):
    """Slices of `n` things, at most so many at once, but at least one."""
    for first in range(0, n, step := max(1, most)):
        yield slice(first, min(first + step, n))


def user_blocks(indptr, most):
    """Slices of users with at most so many ratings, but at least one user."""
    first, n_users = 0, len(indptr) - 1
    while first < n_users:
        last = int(np.searchsorted(indptr, indptr[first] + most, side="right")) - 1
        last = min(max(last, first + 1), n_users)
        yield slice(first, last)
        first = last


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
