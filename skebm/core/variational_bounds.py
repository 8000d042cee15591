"""Lower bounds of the log-likelihood of rows, by an autoencoder.

The bounds take normal numbers (k, n_latent) that are the same for all rows. So a row's
bound depends neither on the rows beside it, nor on their order.
"""

import math

from .backend import device_of, namespace, zeros
from .variational import (
    divergence,
    generated,
    log_density,
    log_prior_ratio,
    parts_of,
    prior_means,
    recognised,
)


def shared_noise(k, n_latent, array, draws):
    """Normal numbers (k, n_latent) for all rows, like `array`."""
    return namespace(array).astype(draws.normal((k, n_latent)), array.dtype)


def evidence_bound(model, params, x, y, noise, kl_weight=1.0):
    """E_q log p(x | z) - KL(q | p), (n_rows,), by noise (k, n_latent) for all rows."""
    parts = parts_of(model, params)
    posterior, _ = recognised(model, parts, x, y)
    std, total = namespace(x).exp(posterior.log_std), 0.0
    for index in range(noise.shape[0]):
        z = posterior.mean + std * noise[index, :]
        a, _ = generated(model, parts, z, y)
        total = total + log_density(model, parts, a, x)
    kl = divergence(posterior, prior_means(parts, y))
    return total / noise.shape[0] - kl_weight * kl


def importance_bound(model, params, x, y, noise):
    """log 1/k sum_i p(x, z_i) / q(z_i | x), (n_rows,), by noise (k, n_latent)."""
    xp, parts = namespace(x), parts_of(model, params)
    posterior, _ = recognised(model, parts, x, y)
    std, centre, total = xp.exp(posterior.log_std), prior_means(parts, y), None
    for index in range(noise.shape[0]):
        eps = noise[index, :]
        z = posterior.mean + std * eps
        a, _ = generated(model, parts, z, y)
        log_w = log_density(model, parts, a, x)
        log_w = log_w + log_prior_ratio(posterior.log_std, z - centre, eps)
        total = log_w if total is None else xp.logaddexp(total, log_w)
    return total - math.log(noise.shape[0])


def class_bounds(model, params, x, noise, of_class=importance_bound):
    """A bound given each class, (n_rows, n_classes)."""
    if of_class is importance_bound and not model.sees_classes:
        return bounds_by_prior(model, params, x, noise)
    found = [of_class(model, params, x, y, noise) for y in each_class(model, x)]
    return namespace(x).stack(found, axis=1)


def one_hot(model, x):
    """A row for each class, (n_classes, n_classes), like `x`."""
    return namespace(x).eye(model.n_classes, dtype=x.dtype, device=device_of(x))


def each_class(model, x):
    """For each class in turn as many rows of it as x has, (n_rows, n_classes)."""
    xp, table = namespace(x), one_hot(model, x)
    for k in range(model.n_classes):
        yield xp.repeat(table[k : k + 1, :], x.shape[0], axis=0)


def bounds_by_prior(model, params, x, noise):
    """Importance-weighted bounds in one pass: classes differ in the prior alone."""
    xp, parts = namespace(x), parts_of(model, params)
    none, total = zeros((x.shape[0], model.n_classes), x), None
    posterior, _ = recognised(model, parts, x, none)
    std, log_std = xp.exp(posterior.log_std), posterior.log_std[:, None, :]
    for index in range(noise.shape[0]):
        eps = noise[index, :]
        z = posterior.mean + std * eps
        a, _ = generated(model, parts, z, none)
        off = z[:, None, :] - parts.class_means
        log_w = log_density(model, parts, a, x)[:, None]
        log_w = log_w + log_prior_ratio(log_std, off, eps)
        total = log_w if total is None else xp.logaddexp(total, log_w)
    return total - math.log(noise.shape[0])
