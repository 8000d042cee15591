"""Real-valued units, and the scale of the rows that they stand for."""

import math

from .backend import c_ordered_copy, namespace, zeros
from .rows import (
    Deviations,
    column_means,
    column_ranges,
    holds_integers,
    value_range,
)
from .units import PlainBorder, refuse_other_border

# How much a scale may change in a step, as a logarithm: else a row that is far off all
# others would decide on it alone. And its least share of the standard deviation: that
# of a column with few different values would else go to 0, and the density to infinity.
MOST_STEP, LEAST_SCALE = 0.1, 0.01

# Integers up to which single precision has all.
LARGEST_INTEGER = 2**24

# Learning rate of the scale, as a share of that of the weights. The smaller the scale,
# the further apart are the modes of the machine, and the slower do chains mix: at the
# full rate, scales shrink while weights and chains are still far from those that belong
# to them, and the likelihood may be lost. At a thirtieth, scales lag behind.
SCALE_RATE = 0.2


class Gaussian(PlainBorder):
    """Real numbers: states of variance 1, of rows that are standardised at the border.

    A row is location + scale z. The density of the rows is that of the states times
    1 / scale for each column, and so the scale has a gradient of its own, in which
    log Z is not, and no chain is needed:

        d log p / d log scale_i = z_i (z_i - b_i - W_i . E[h | z]) - 1 .

    The scale gets no smaller than `least`. Without `location` and `scale`, rows are
    states.
    """

    knows_rows = True
    ask = "has no entry that is far off the others"
    activation = "identity"

    # Standard deviation of the inputs from the layer above at the start. They move the
    # mean by as much, and nothing saturates.
    most_input = 0.3

    def __init__(self, location=None, scale=None, least=None, learns=False):
        self.location, self.scale, self.least = location, scale, least
        self.learns = learns

    @property
    def learn(self):
        """A step of the scale by its gradient, or None where that is fixed."""
        return self._learn if self.learns else None

    def mean(self, a):
        """E[x | a], elementwise."""
        return a

    def variance(self, mean):
        """Variance of x, elementwise, where it has that mean."""
        return namespace(mean).ones_like(mean)

    def resting(self, activation, n_units, array):
        """Means of a layer, whatever the activity of others, (n_units,)."""
        return zeros(n_units, array)

    def sample(self, mean, stream):
        """One draw from the distribution with that mean."""
        xp = namespace(mean)
        return mean + xp.astype(stream.normal(mean.shape), mean.dtype)

    def sample_input(self, mean, stream):
        """Rows of data as they are: they are no means of others."""
        return mean

    def log_partition(self, a):
        """log of the integral over x of exp(a x + log_base(x)), per row."""
        return 0.5 * namespace(a).sum(a * a, axis=-1)

    def entropy(self, mean):
        """Entropy relative to the base measure where x has that mean, per row."""
        return -0.5 * namespace(mean).sum(mean * mean, axis=-1)

    def log_base(self, x, n_copies=1):
        """log of the base measure, a normal density, per row: of the sum of copies."""
        xp = namespace(x)
        spread = math.log(2.0 * math.pi * n_copies)
        return -0.5 * xp.sum(x * x / n_copies + spread, axis=-1)

    def log_density(self, a, x):
        """log p(x | a), over the last axis: without the rounding of large squares."""
        return self.log_base(x - a)

    def natural(self, mean):
        """The total input that gives this mean."""
        return mean

    def clip(self, mean, margin):
        """The mean as it is: none is at an end."""
        return mean

    def check(self, X, name):
        """Large integers are wrong, as they are computed in single precision."""
        if not holds_integers(X):
            return None
        low, high = value_range(X)
        if max(-low, high) <= LARGEST_INTEGER:
            return None
        return (
            "computes integers in single precision, which does not tell large ones "
            f"apart, but {name} ranges from {low:g} to {high:g}: give them as float64."
        )

    def fitted(self, X, sample_weight):
        """The kind with the means and standard deviations of columns, NaN aside."""
        location, _ = column_means(X, sample_weight)
        squares = Deviations(X, location)
        variance, _ = column_means(squares, sample_weight)
        xp = namespace(location)
        # A column that does not vary has no scale of its own: it stays at 1. Nor has
        # one whose rows that count do not, but for rounding.
        low, high = column_ranges(X)
        rounding = (xp.finfo(location.dtype).eps * xp.abs(location)) ** 2
        varies = (variance > rounding) & (high > low)
        ones = xp.ones_like(variance)
        scale = xp.where(varies, variance, ones) ** 0.5
        least = xp.where(varies, LEAST_SCALE * scale, ones)
        return Gaussian(location, scale, least, self.learns)

    def trainable(self):
        """A copy whose border training may change in place."""
        if not self.learns:
            return self
        scale = c_ordered_copy(self.scale)
        return Gaussian(self.location, scale, self.least, True)

    def saved(self):
        """Location and scale, and how small the latter may become."""
        return {"location": self.location, "scale": self.scale, "least": self.least}

    def restored(self, saved):
        """The kind with location and scale that were saved."""
        refuse_other_border(self, saved, {"location", "scale", "least"})
        return Gaussian(**saved, learns=self.learns)

    def _learn(self, states, back, row_weights, learning_rate):
        """A step of the scale, in place, up the log-likelihood of the rows.

        `back` is the total input that the hidden units given the states send back.
        """
        xp = namespace(states)
        slope = row_weights @ (states * (states - back) - 1.0)
        step = SCALE_RATE * learning_rate * slope
        self.scale *= xp.exp(xp.clip(step, -MOST_STEP, MOST_STEP))
        self.scale[...] = xp.where(self.scale > self.least, self.scale, self.least)

    @property
    def covariance(self):
        """Covariance matrix of the rows given the hidden units."""
        xp, square = namespace(self.scale), self.scale**2
        return square[:, None] * xp.eye(square.shape[0], dtype=square.dtype)

    @property
    def log_jacobian(self):
        """What a log-density of rows has beside that of states."""
        if self.scale is None:
            return 0.0
        xp = namespace(self.scale)
        return -float(xp.sum(xp.log(self.scale)))

    def encode(self, rows):
        """Standardised rows."""
        if self.scale is None:
            return rows
        return (rows - self._like(self.location, rows)) / self._like(self.scale, rows)

    def decode(self, states):
        """Rows in the units that they had."""
        if self.scale is None:
            return states
        scaled = states * self._like(self.scale, states)
        return scaled + self._like(self.location, states)

    def _like(self, values, rows):
        return namespace(rows).astype(values, rows.dtype, copy=False)
