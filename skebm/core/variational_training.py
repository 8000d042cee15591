"""What is descended in training an autoencoder, and what it starts from."""

import math
from itertools import pairwise
from typing import NamedTuple

from .backend import namespace, softmax, zeros
from .machine import Params
from .units import x_log_x
from .variational import Model, Parts, ascent, forward, joined, n_latent, parts_of
from .variational_bounds import each_class, one_hot

# How near to 0 or 1 the means of the visible units may come where their total inputs
# start the biases of the outputs.
MEAN_MARGIN = 1e-3


def initial_params(model, data_mean, hidden_sizes, n_latent, draws):
    """Random weights, uniform as Glorot & Bengio [2010] have them; biases of 0.

    But those of the outputs, by which visible units have the means of the data.
    """
    kind = model.visible
    n_beside = model.n_classes if model.sees_classes else 0
    up = [data_mean.shape[0] + n_beside, *hidden_sizes, 2 * n_latent]
    down = [n_latent + n_beside, *reversed(hidden_sizes), data_mean.shape[0]]

    def layers(sizes):
        weights = []
        for n_in, n_out in pairwise(sizes):
            width = 2.0 * math.sqrt(6.0 / (n_in + n_out))
            uniform = draws.uniform((n_in, n_out))
            weights.append(
                namespace(data_mean).astype(width * (uniform - 0.5), data_mean.dtype)
            )
        return Params(tuple(weights), tuple(zeros(n, data_mean) for n in sizes[1:]))

    decoder = layers(down)
    typical = kind.natural(kind.clip(data_mean, MEAN_MARGIN))
    decoder = decoder._replace(biases=(*decoder.biases[:-1], typical))
    means = None
    if model.n_classes:
        # Apart from the start, or no class could tell where its own rows should go.
        means = draws.normal((model.n_classes, n_latent))
        means = namespace(data_mean).astype(means, data_mean.dtype)
    log_scale = None if model.least is None else zeros(data_mean.shape, data_mean)
    return joined(Parts(layers(up), decoder, log_scale, means))


def equal_rows(x, draws):
    """Numbers of rows, (n_rows,): the same for equal ones, whatever their order."""
    xp = namespace(x)
    # In double precision, or the sums of different rows might be the same.
    sizes = xp.astype(1.0 + draws.uniform((x.shape[1],)), xp.float64)
    order = xp.argsort(xp.astype(x, xp.float64) @ sizes)
    sorted_rows = xp.take(x, order, axis=0)
    is_other = xp.any(sorted_rows[1:, :] != sorted_rows[:-1, :], axis=1)
    first = xp.zeros_like(order[:1])
    numbers = xp.concat([first, xp.cumulative_sum(xp.astype(is_other, first.dtype))])
    return xp.take(numbers, xp.argsort(order))


def noise_for(x, k, n_latent, draws):
    """Normal numbers (n_rows, k, n_latent), the same for equal rows.

    So a row of weight 2 is exactly the row twice.
    """
    xp, numbers = namespace(x), equal_rows(x, draws)
    noise = draws.normal((x.shape[0], k, n_latent))
    return xp.astype(xp.take(noise, numbers, axis=0), x.dtype)


class Objective(NamedTuple):
    """What is descended: minus the bound of `n_draws` draws.

    With `sample_inputs`, rows are probabilities from which visible units are drawn.
    `log_prior` are log probabilities of the classes, if there are any, and
    `takes_unlabeled` whether rows without a class count, or only those that have one.
    With `all_labelled` there are none without: then no batch is asked which they are.
    """

    model: Model
    n_draws: int
    kl_weight: float = 1.0
    sample_inputs: bool = False
    log_prior: object = None
    takes_unlabeled: bool = True
    all_labelled: bool = False

    def descent(self, params, x, y, row_weights, draws):
        """The weighted sum of the rows' losses, and minus its gradient."""
        if self.sample_inputs:
            x = self.model.visible.sample_input(x, draws)
        noise = noise_for(x, self.n_draws, n_latent(self.model, params), draws)
        if self.log_prior is None:
            bounds, step = ascent(
                self.model, params, x, y, row_weights, noise, self.kl_weight
            )
            return -namespace(x).sum(row_weights * bounds), step
        return self._of_classes(params, x, y, row_weights, noise)

    def _of_classes(self, params, x, y, row_weights, noise):
        """The same where rows have classes, or could have any.

        The bound of a row without a class is log sum_y p(y) exp(its bound given y),
        whose gradient is that of rows of each class, weighted by their shares of it.
        """
        if self.all_labelled:
            bounds, step = ascent(
                self.model, params, x, y, row_weights, noise, self.kl_weight
            )
            return -(row_weights @ (bounds + y @ self.log_prior)), step
        xp, shares = namespace(x), self._shares(params, x, y, noise)
        rows, classes = xp.nonzero(shares)
        weights = xp.reshape(row_weights[:, None] * shares, (-1,))
        weights = xp.take(weights, rows * shares.shape[1] + classes)
        x, noise = (xp.take(of_rows, rows, axis=0) for of_rows in (x, noise))
        y = xp.take(one_hot(self.model, x), classes, axis=0)
        bounds, step = ascent(self.model, params, x, y, weights, noise, self.kl_weight)
        loss = row_weights @ xp.sum(x_log_x(shares), axis=1)
        return loss - weights @ (bounds + xp.take(self.log_prior, classes)), step

    def _shares(self, params, x, y, noise):
        """Probabilities of the classes by the bounds: of known ones, 1.

        They are 0 for rows that do not count.
        """
        xp, model = namespace(x), self.model
        is_unknown = xp.sum(y, axis=1) == 0.0
        unknown = xp.nonzero(is_unknown)[0]
        if unknown.shape[0] == 0 or not self.takes_unlabeled:
            return y
        x, noise = (xp.take(of_rows, unknown, axis=0) for of_rows in (x, noise))
        found = []
        for of in each_class(model, x):
            parts = parts_of(model, params)
            passed = forward(model, parts, x, of, noise, self.kl_weight)
            found.append(passed.drawn.bounds)
        shares = softmax(xp.stack(found, axis=1) + self.log_prior)
        # Those without a class are numbered in their order; others have no use of it.
        numbers = xp.cumulative_sum(xp.astype(is_unknown, unknown.dtype)) - 1
        shares = xp.take(shares, xp.clip(numbers, 0), axis=0)
        return xp.where(is_unknown[:, None], shares, y)
