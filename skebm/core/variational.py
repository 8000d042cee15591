"""Variational autoencoders: rows from a few normal numbers by a network, and back.

    p(x, z) = N(z; m_y, I) p(x | f(z)) ,    q(z | x) = N(z; mu(x), diag(sigma(x))^2) .

The decoder f gives the total input of the visible units, and the encoder mu and log
sigma. A row may have a class y, given as a row of 0 and 1, whose latent units have a
mean of their own; without classes, m is 0. With k draws of q for each row, the bound

    L_k = E log 1/k sum_i p(x, z_i) / q(z_i | x)

rises with k towards log p(x) [Kingma & Welling 2014; Burda, Grosse & Salakhutdinov
2016]. Draws are z = mu + sigma noise, so that it has a gradient by mu and sigma.
"""

import math
from typing import NamedTuple

from .backend import log_sum_exp, namespace, softmax
from .machine import Params
from .network import backward, by_input, layers_below, output_field
from .units import LARGEST_EXPONENT

# Rows may be far out of range. Squares of the means and standard deviations of their
# posterior are numbers in single precision yet.
LARGEST_MEAN, LARGEST_LOG_STD = 1e15, 0.5 * LARGEST_EXPONENT


class Model(NamedTuple):
    """What an autoencoder is made of, besides its params.

    `visible` is the kind of the visible units, and `hidden` that of the hidden layers,
    of which the encoder has `n_hidden`, as many as the decoder. `least` are logarithms
    of the least scale of each visible unit, where scales are learnt, or None. With
    `n_classes`, latent units have a mean for each class, and with `sees_classes` the
    class goes into encoder and decoder too.
    """

    visible: object
    hidden: object
    n_hidden: int
    least: object = None
    n_classes: int = 0
    sees_classes: bool = False


class Parts(NamedTuple):
    """The params of an autoencoder by what they are for."""

    encoder: Params
    decoder: Params
    log_scale: object
    class_means: object


class Posterior(NamedTuple):
    """Means and logarithms of standard deviations of latent units, (n_rows, n)."""

    mean: object
    log_std: object


def joined(parts):
    """All params as one, whose last biases are scales and means of classes, if any."""
    further = [x for x in (parts.log_scale, parts.class_means) if x is not None]
    return Params(
        (*parts.encoder.weights, *parts.decoder.weights),
        (*parts.encoder.biases, *parts.decoder.biases, *further),
    )


def parts_of(model, params):
    """The other way round."""
    n, (weights, biases) = model.n_hidden + 1, params
    further = list(biases[2 * n :])
    return Parts(
        Params(weights[:n], biases[:n]),
        Params(weights[n:], biases[n : 2 * n]),
        further.pop(0) if model.least is not None else None,
        further.pop(0) if model.n_classes else None,
    )


def n_latent(model, params):
    """Number of latent units."""
    return params.weights[model.n_hidden].shape[1] // 2


def with_classes(model, x, y):
    """What goes into a network: `x`, and the classes beside it if it sees them."""
    return namespace(x).concat([x, y], axis=1) if model.sees_classes else x


def recognised(model, parts, x, y):
    """The posterior of rows, and the layers that it came by."""
    rows = with_classes(model, x, y)
    layers = layers_below(parts.encoder, rows, model.hidden)
    a = output_field(parts.encoder, layers[-1])
    xp, n = namespace(a), a.shape[1] // 2
    mean = xp.clip(a[:, :n], -LARGEST_MEAN, LARGEST_MEAN)
    log_std = xp.clip(a[:, n:], -LARGEST_LOG_STD, LARGEST_LOG_STD)
    return Posterior(mean, log_std), layers


def generated(model, parts, z, y):
    """Total inputs of the visible units, and the layers that they came by."""
    rows = with_classes(model, z, y)
    layers = layers_below(parts.decoder, rows, model.hidden)
    return output_field(parts.decoder, layers[-1]), layers


def prior_means(parts, y):
    """Means of the latent units before the row is seen: (n_rows, n), or 0."""
    return 0.0 if parts.class_means is None else y @ parts.class_means


def log_scale_of(model, parts):
    """Logarithms of the scales of the visible units, no lower than the least."""
    return namespace(model.least).maximum(parts.log_scale, model.least)


def in_scale(model, parts, a, x):
    """Total inputs and states, both as of units of scale 1; and 1 / scale.

    Rows of binary units may be out of range. What lies outside counts as 0 or 1 here,
    or the likelihood would have no bound.
    """
    if model.least is None:
        return a, model.visible.clip(x, 0.0), 1.0
    inverse = inverse_scale(model, parts)
    return a * inverse, x * inverse, inverse


def inverse_scale(model, parts):
    """1 / scale of the visible units."""
    if model.least is None:
        return 1.0
    log_scale = log_scale_of(model, parts)
    return namespace(log_scale).exp(-log_scale)


def log_density(model, parts, a, x):
    """log p(x | a), over the last axis."""
    a, x, _ = in_scale(model, parts, a, x)
    value = model.visible.log_density(a, x)
    if model.least is None:
        return value
    return value - namespace(a).sum(log_scale_of(model, parts))


def divergence(posterior, centre):
    """KL divergence of the posterior from N(centre, I), (n_rows,)."""
    xp, off = namespace(posterior.mean), posterior.mean - centre
    variance = xp.exp(2.0 * posterior.log_std)
    terms = 0.5 * (variance + off * off - 1.0) - posterior.log_std
    return xp.sum(terms, axis=-1)


def log_prior_ratio(log_std, off, noise):
    """log p(z) - log q(z | x), for z that are `off` the mean of p, by their noise."""
    xp = namespace(off)
    half = 0.5 * xp.sum(noise * noise - off * off, axis=-1)
    return half + xp.sum(log_std, axis=-1)


class Draws(NamedTuple):
    """Latent units of a batch, k for each row, and what the bound says of them.

    `shares` (n_rows, k) are the draws' weights in the gradient. The bound falls by
    `pull` where the posterior's means rise, and by `widen` where its log_std does, as
    far as its divergence from the prior goes.
    """

    bounds: object
    shares: object
    pull: object
    widen: object


def of_one_draw(log_p, posterior, centre, kl_weight):
    """Bounds of a draw for each row, with the divergence in closed form."""
    xp = namespace(log_p)
    bounds = log_p[:, 0] - kl_weight * divergence(posterior, centre)
    variance = xp.exp(2.0 * posterior.log_std)
    return Draws(bounds, xp.ones_like(log_p), posterior.mean - centre, variance - 1.0)


def of_several_draws(log_p, posterior, off, noise, kl_weight):
    """Bounds of several draws for each row, (n_rows, k), weighted by importance."""
    xp = namespace(log_p)
    log_std = posterior.log_std[:, None, :]
    ratio = log_prior_ratio(log_std, off, noise)
    log_w = log_p + kl_weight * ratio
    bounds, shares = log_sum_exp(log_w) - math.log(log_w.shape[1]), softmax(log_w)
    pulls = shares[:, :, None] * off
    widen = xp.sum(pulls * xp.exp(log_std) * noise, axis=1) - 1.0
    return Draws(bounds, shares, xp.sum(pulls, axis=1), widen)


class Pass(NamedTuple):
    """A batch on its way up and down: layers, z less its mean, total inputs, bounds."""

    below: list
    above: list
    spread: object
    a: object
    drawn: Draws


def forward(model, parts, x, y, noise, kl_weight):
    """A batch through encoder and decoder, with `noise` (n_rows, k, n_latent)."""
    xp, (n_rows, k, n_latent) = namespace(x), noise.shape
    posterior, below = recognised(model, parts, x, y)
    spread = xp.exp(posterior.log_std)[:, None, :] * noise
    z, centre = posterior.mean[:, None, :] + spread, prior_means(parts, y)
    flat = xp.reshape(z, (n_rows * k, n_latent))
    a, above = generated(model, parts, flat, xp.repeat(y, k, axis=0))
    a = xp.reshape(a, (n_rows, k, a.shape[1]))
    log_p = log_density(model, parts, a, x[:, None, :])
    if k == 1:
        drawn = of_one_draw(log_p, posterior, centre, kl_weight)
    else:
        off = spread + (posterior.mean - centre)[:, None, :]
        drawn = of_several_draws(log_p, posterior, off, noise, kl_weight)
    return Pass(below, above, spread, a, drawn)


def ascent(model, params, x, y, row_weights, noise, kl_weight=1.0):
    """The bound of each row, and the gradient of their weighted sum.

    `noise` is (n_rows, k, n_latent). With k = 1 the bound has the divergence of q from
    the prior in closed form. `kl_weight` multiplies this, or its estimate.
    """
    xp, parts = namespace(x), parts_of(model, params)
    below, above, spread, a, drawn = forward(model, parts, x, y, noise, kl_weight)
    weights = row_weights[:, None]
    slope, by_scale = visible_slope(
        model, parts, a, x[:, None, :], weights * drawn.shares
    )
    up, slope = backward(parts.decoder, above, slope, model.hidden)
    by_z = by_input(parts.decoder, slope)[:, : noise.shape[2]]
    by_z, weights = xp.reshape(by_z, noise.shape), kl_weight * weights
    by_mean = xp.sum(by_z, axis=1) - weights * drawn.pull
    by_log_std = xp.sum(by_z * spread, axis=1) - weights * drawn.widen
    slope = xp.concat([by_mean, by_log_std], axis=1)
    down, _ = backward(parts.encoder, below, slope, model.hidden)
    by_class = y.T @ (weights * drawn.pull) if model.n_classes else None
    return drawn.bounds, joined(Parts(down, up, by_scale, by_class))


def visible_slope(model, parts, a, x, shares):
    """Gradient of the sum of shares times log p(x | a): by `a`, and by the log scales.

    That by `a` is (n_rows k, n_visible).
    """
    xp = namespace(a)
    a, x, inverse = in_scale(model, parts, a, x)
    error = x - model.visible.mean(a)
    slope = error * (shares[:, :, None] * inverse)
    slope = xp.reshape(slope, (slope.shape[0] * slope.shape[1], slope.shape[2]))
    if model.least is None:
        return slope, None
    by_scale = xp.sum(shares[:, :, None] * (error * error - 1.0), axis=(0, 1))
    # A scale that has come to the least one can only grow.
    free = parts.log_scale > model.least
    return slope, xp.where(free, by_scale, xp.clip(by_scale, 0.0))


def visible_means(model, params, z, y):
    """Means of the visible units given latent units."""
    parts = parts_of(model, params)
    a, _ = generated(model, parts, z, y)
    return model.visible.mean(a)


def drawn_rows(model, params, z, y, draws):
    """Visible units drawn given latent units."""
    parts = parts_of(model, params)
    return drawn_visible(model, parts, generated(model, parts, z, y)[0], draws)


def drawn_visible(model, parts, a, draws):
    """Visible units drawn given their total inputs."""
    inverse = inverse_scale(model, parts)
    return model.visible.sample(model.visible.mean(a * inverse), draws) / inverse
