"""What a layer is made of.

A kind of units answers a few questions about its total input `a`, the bias plus what
comes over the weights. With the base measure exp(log_base(x)), its distribution is
p(x | a) = exp(a x + log_base(x) - log_partition(a)). All of them are exponential
families, so the mean says all that there is to say about p(x | a), and `sample` takes
the mean: what has been computed for the gradient serves the Markov chain too.
"""

import math

import numpy as np

from .backend import like, namespace, sigmoid, softplus, zeros

# exp of it is a normal number in single precision, and its inverse too.
LARGEST_EXPONENT = 80.0

# Elements of the largest array that is worth computing at once: a megabyte or two.
CACHED_ELEMENTS = 2**18

# What a probability is raised to before its logarithm is taken.
TINY = 1e-30

# Factors multiplied before their logarithm is taken: more would gain little time.
FACTORS_AT_ONCE = 16


def multiplied(factors, at_once):
    """Products of up to `at_once` factors along the last axis. Uses up `factors`."""
    while at_once >= 2:
        n_factors = factors.shape[-1]
        half = n_factors // 2
        factors[..., :half] *= factors[..., n_factors - half :]
        factors = factors[..., : n_factors - half]
        at_once //= 2
    return factors


def x_log_x(x):
    """x log(x), elementwise, and 0 where x is."""
    xp = namespace(x)
    return x * xp.log(xp.clip(x, TINY))


def largest_state(kind):
    """What a unit of this kind is at most: the number of copies in a sum of these."""
    return kind.n_states(1) - 1


def shares(kind, x):
    """States or means as shares of the largest state: of a sum, the mean of a copy."""
    return x / largest_state(kind)


class Bernoulli:
    """Binary units, 0 or 1."""

    def mean(self, a):
        """E[x | a], elementwise."""
        return sigmoid(a)

    def variance(self, mean):
        """Variance of x, elementwise, where it has that mean."""
        return mean * (1.0 - mean)

    def resting(self, activation, n_units, array):
        """Means of a layer that is active so often, (n_units,)."""
        return zeros(n_units, array) + activation

    def sample(self, mean, stream):
        """One draw from the distribution with that mean."""
        xp = namespace(mean)
        return xp.astype(stream.uniform(mean.shape) < mean, mean.dtype)

    def sample_data(self, mean, stream):
        """One draw of rows of data with that mean."""
        return self.sample(mean, stream)

    def log_partition(self, a):
        """log of the sum over x of exp(a x + log_base(x)), per row."""
        return namespace(a).sum(softplus(a), axis=-1)

    def log_partition_gain(self, a, x, W):
        """What log_partition gains when one unit x_i below goes from 0 to 1, (n, u).

        `a` (n, k) is the total input with all of `x` (n, u) over weights `W` (u, k).
        Where x is binary, the gain is s sum_j log(1 - p_j + p_j exp(s W_ij)) with
        s = 1 - 2 x_i and p the mean: no exponentials but those of the weights, and one
        logarithm for several factors.
        """
        xp = namespace(a)
        widest = max(1.0, float(xp.max(xp.abs(W))))
        binary = bool(xp.all(x * (1.0 - x) == 0.0))
        if binary and widest <= LARGEST_EXPONENT:
            at_once = min(int(LARGEST_EXPONENT / widest), FACTORS_AT_ONCE)
            rows_gain = self._gain_of_flips(W, at_once)
        else:

            def rows_gain(a, x):
                without = a[:, None, :] - x[:, :, None] * W
                return self.log_partition(without + W) - self.log_partition(without)

        step = max(1, CACHED_ELEMENTS // (W.shape[0] * W.shape[1]))
        parts = []
        for first in range(0, a.shape[0], step):
            rows = slice(first, min(first + step, a.shape[0]))
            parts.append(rows_gain(a[rows, ...], x[rows, ...]))
        return xp.concat(parts)

    def _gain_of_flips(self, W, at_once):
        """The gain as a function of rows of `a` and binary `x`."""
        xp = namespace(W)
        up, down = xp.exp(W), xp.exp(-W)

        def rows_gain(a, x):
            a = xp.clip(a, -LARGEST_EXPONENT, LARGEST_EXPONENT)
            factors = xp.where(x[:, :, None] > 0.5, down, up)
            factors *= (1.0 / (1.0 + xp.exp(-a)))[:, None, :]
            factors += (1.0 / (1.0 + xp.exp(a)))[:, None, :]
            factors = multiplied(factors, at_once)
            return (1.0 - 2.0 * x) * xp.sum(xp.log(factors), axis=-1)

        return rows_gain

    def entropy(self, mean):
        """Entropy relative to the base measure where x has that mean, per row.

        It is log_partition(a) - a mean, for the total input that gives the mean.
        """
        xp, other = namespace(mean), 1.0 - mean
        return -xp.sum(x_log_x(mean) + x_log_x(other), axis=-1)

    def log_base(self, x):
        """log of the base measure, per row."""
        return zeros(x.shape[:-1], x)

    def natural(self, mean):
        """The total input that gives this mean."""
        xp = namespace(mean)
        return xp.log(mean) - xp.log1p(-mean)

    def clip(self, mean, margin):
        """The mean moved into the interior, `margin` away from 0 and 1."""
        return namespace(mean).clip(mean, margin, 1.0 - margin)

    def n_states(self, n_units):
        """How many states a layer of `n_units` has."""
        return 2**n_units

    def states(self, start, stop, n_units, array):
        """States number `start` to `stop` of a layer, (stop - start, n_units)."""
        numbers = np.arange(start, stop)[:, None]
        return like((numbers >> np.arange(n_units)) & 1, array)


class Binomial:
    """Sums of tied binary units: so many copies, with one total input for all.

    A machine in which a layer is doubled has the conditionals of one whose layer is a
    sum of two copies, over the same weights.
    """

    def __init__(self, n_copies):
        self.n_copies = n_copies
        self._copy = Bernoulli()

    def mean(self, a):
        """E[x | a], elementwise."""
        return self.n_copies * self._copy.mean(a)

    def variance(self, mean):
        """Variance of x, elementwise, where it has that mean."""
        return mean * (1.0 - mean / self.n_copies)

    def resting(self, activation, n_units, array):
        """Means of a layer each of whose copies is active so often, (n_units,)."""
        return self.n_copies * self._copy.resting(activation, n_units, array)

    def sample(self, mean, stream):
        """One draw from the distribution with that mean."""
        return sum(
            self._copy.sample(mean / self.n_copies, stream)
            for _ in range(self.n_copies)
        )

    def sample_data(self, mean, stream):
        """One draw of rows of data with that mean: all copies are the same row."""
        return self.n_copies * self._copy.sample(mean / self.n_copies, stream)

    def log_partition(self, a):
        """log of the sum over x of exp(a x + log_base(x)), per row."""
        return self.n_copies * self._copy.log_partition(a)

    def log_partition_gain(self, a, x, W):
        """What log_partition gains when one unit x_i below goes from 0 to 1, (n, u)."""
        return self.n_copies * self._copy.log_partition_gain(a, x, W)

    def entropy(self, mean):
        """Entropy relative to the base measure where x has that mean, per row."""
        return self.n_copies * self._copy.entropy(mean / self.n_copies)

    def log_base(self, x):
        """log of the base measure, per row: of how many ways the copies make up x.

        In between whole numbers it is interpolated.
        """
        xp = namespace(x)
        total = zeros(x.shape[:-1], x)
        for k in range(1, self.n_copies):
            near = xp.clip(1.0 - xp.abs(x - k), 0.0)
            total += math.log(math.comb(self.n_copies, k)) * xp.sum(near, axis=-1)
        return total

    def natural(self, mean):
        """The total input that gives this mean."""
        return self._copy.natural(mean / self.n_copies)

    def clip(self, mean, margin):
        """The mean moved into the interior, each copy's `margin` away from 0 and 1."""
        return self.n_copies * self._copy.clip(mean / self.n_copies, margin)

    def n_states(self, n_units):
        """How many states a layer of `n_units` has."""
        return (self.n_copies + 1) ** n_units

    def states(self, start, stop, n_units, array):
        """States number `start` to `stop` of a layer, (stop - start, n_units)."""
        base = self.n_copies + 1
        numbers = np.arange(start, stop)[:, None]
        return like(numbers // base ** np.arange(n_units) % base, array)
