"""What a layer is made of.

A kind of units answers a few questions about its total input `a`, the bias plus what
comes over the weights. With the base measure exp(log_base(x)), its distribution is
p(x | a) = exp(a x + log_base(x) - log_partition(a)). All of them are exponential
families, so the mean says all that there is to say about p(x | a), and `sample` takes
the mean: what has been computed for the gradient serves the Markov chain too.
"""

import numpy as np

from .backend import like, namespace, sigmoid, softplus, zeros


class Bernoulli:
    """Binary units, 0 or 1."""

    def mean(self, a):
        """E[x | a], elementwise."""
        return sigmoid(a)

    def variance(self, mean):
        """Variance of x, elementwise, where it has that mean."""
        return mean * (1.0 - mean)

    def resting(self, n_units, array):
        """Means of a layer of which nothing is known, (n_units,)."""
        return zeros(n_units, array) + 0.5

    def sample(self, mean, stream):
        """One draw from the distribution with that mean."""
        xp = namespace(mean)
        return xp.astype(stream.uniform(mean.shape) < mean, mean.dtype)

    def log_partition(self, a):
        """log of the sum over x of exp(a x + log_base(x)), per row."""
        return namespace(a).sum(softplus(a), axis=-1)

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
