"""What can be asked of an autoencoder that is fitted."""

from typing import NamedTuple

from .backend import log_sum_exp, namespace, softmax, zeros
from .machine import Params
from .variational import (
    Model,
    drawn_visible,
    generated,
    log_density,
    log_prior_ratio,
    n_latent,
    parts_of,
    recognised,
    visible_means,
)
from .variational_bounds import class_bounds, each_class, importance_bound


class Autoencoder(NamedTuple):
    """A model with its params, and log probabilities of the classes, if it has any.

    Rows and latent units that it is asked about may be of any class. Where a class goes
    into encoder and decoder, what they give is averaged over the classes.
    """

    model: Model
    params: Params
    log_prior: object = None

    def bounds(self, x, noise, of_class=importance_bound):
        """Bounds of log p(x), (n_rows,), by noise (k, n_latent) for all rows."""
        if self.log_prior is None:
            return of_class(self.model, self.params, x, self._none(x), noise)
        return log_sum_exp(self.joint_bounds(x, noise, of_class))

    def joint_bounds(self, x, noise, of_class=importance_bound):
        """Bounds of log p(x, y) for each class y, (n_rows, n_classes)."""
        found = class_bounds(self.model, self.params, x, noise, of_class)
        return found + self.log_prior

    def posterior(self, x, noise):
        """Means and variances of latent units given rows, (n_rows, n_latent) each."""
        parts, xp = parts_of(self.model, self.params), namespace(x)
        shares = self._shares(x, noise)

        def mean_given(y):
            return recognised(self.model, parts, x, y)[0].mean

        mean = self._averaged(mean_given, x, shares)

        def variance_given(y):
            found, _ = recognised(self.model, parts, x, y)
            return xp.exp(2.0 * found.log_std) + (found.mean - mean) ** 2

        return mean, self._averaged(variance_given, x, shares)

    def reconstructed(self, x, noise):
        """Means of the visible units given the latent units' means given rows."""
        parts = parts_of(self.model, self.params)

        def given(y):
            found, _ = recognised(self.model, parts, x, y)
            return visible_means(self.model, self.params, found.mean, y)

        return self._averaged(given, x, self._shares(x, noise))

    def decoded(self, z):
        """Means of the visible units given latent units."""

        def given(y):
            return visible_means(self.model, self.params, z, y)

        shares = None
        if self.model.sees_classes:
            off = z[:, None, :] - parts_of(self.model, self.params).class_means
            shares = softmax(
                self.log_prior - 0.5 * namespace(z).sum(off * off, axis=-1)
            )
        return self._averaged(given, z, shares)

    def _none(self, x):
        """Classes of rows that have none."""
        return zeros((x.shape[0], self.model.n_classes), x)

    def _shares(self, x, noise):
        """Probabilities of the classes of rows, where it takes these; else None."""
        return softmax(self.joint_bounds(x, noise)) if self.model.sees_classes else None

    def _averaged(self, given, x, shares):
        """What is `given` classes, averaged by `shares` where it depends on them."""
        if shares is None:
            return given(self._none(x))
        total = 0.0
        for index, y in enumerate(each_class(self.model, x)):
            total = total + shares[:, index : index + 1] * given(y)
        return total


def filled(model, params, x, n_steps, burn_in, draws):
    """Missing visible units at their means given the observed ones, in (n_rows, n).

    By a Markov chain for each row, of which the mean is taken: latent units as the
    encoder proposes them, accepted or not by the model, and then the missing units
    given these [Mattei & Frellsen 2018]. They begin at their means given z = 0.
    """
    xp, parts = namespace(x), parts_of(model, params)
    missing, none = xp.isnan(x), zeros((x.shape[0], 0), x)
    at_zero = zeros((x.shape[0], n_latent(model, params)), x)
    start = visible_means(model, params, at_zero, none)
    states, total, z, a = xp.where(missing, start, x), 0.0, None, None
    for step in range(burn_in + n_steps):
        posterior, _ = recognised(model, parts, states, none)
        std = xp.exp(posterior.log_std)
        noise = xp.astype(draws.normal(std.shape), std.dtype)
        new = posterior.mean + std * noise
        new_a, _ = generated(model, parts, new, none)
        if z is None:
            z, a = new, new_a
        log_new = log_density(model, parts, new_a, states)
        log_new = log_new + log_prior_ratio(posterior.log_std, new, noise)
        log_old = log_density(model, parts, a, states)
        log_old = log_old + log_prior_ratio(
            posterior.log_std, z, (z - posterior.mean) / std
        )
        u = xp.astype(draws.uniform((x.shape[0],)), x.dtype)
        accepted = (u < xp.exp(xp.clip(log_new - log_old, None, 0.0)))[:, None]
        z, a = xp.where(accepted, new, z), xp.where(accepted, new_a, a)
        if step >= burn_in:
            total = total + model.visible.mean(a)
        states = xp.where(missing, drawn_visible(model, parts, a, draws), x)
    return xp.where(missing, total / n_steps, x)
