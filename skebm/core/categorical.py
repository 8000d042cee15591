"""Categories: groups of units of which one is 1, by a softmax."""

import math
from itertools import combinations_with_replacement

import numpy as np

from .backend import (
    like,
    log_sum_exp,
    namespace,
    placed_like,
    softmax,
    to_numpy,
    zeros,
)
from .rows import column_ranges
from .units import PlainBorder, refuse_other_border, x_log_x


class Groups:
    """Units of a layer in groups one after the other, of sizes that may differ."""

    is_plain = True

    def __init__(self, sizes):
        self.sizes = np.asarray(sizes, dtype=np.int64)
        self.n_units, self.widest = int(self.sizes.sum()), int(self.sizes.max())
        self.are_equal = bool((self.sizes == self.widest).all())
        firsts = np.cumsum(self.sizes) - self.sizes
        steps = np.arange(self.widest)
        # Where a group has no further unit, its last one stands for it.
        places = firsts[:, None] + np.minimum(steps, self.sizes[:, None] - 1)
        self.inside = steps < self.sizes[:, None]
        self.places, self.back = places.ravel(), np.flatnonzero(self.inside)
        self.owners = np.repeat(np.arange(len(self.sizes)), self.sizes)
        self.values = np.concatenate([np.arange(n) for n in self.sizes])

    def split(self, x, fill):
        """Units (..., n_units) by group, (..., n_groups, widest), filled up."""
        xp, shape = namespace(x), (*x.shape[:-1], len(self.sizes), self.widest)
        if self.are_equal:
            return xp.reshape(x, shape)
        x = xp.take(x, placed_like(self.places, x), axis=-1)
        return xp.where(placed_like(self.inside, x), xp.reshape(x, shape), fill)

    def joined(self, x):
        """The other way round, without what was filled up."""
        xp = namespace(x)
        x = xp.reshape(x, (*x.shape[:-2], -1))
        if self.are_equal:
            return x
        return xp.take(x, placed_like(self.back, x), axis=-1)


class Categorical(PlainBorder):
    """Columns of categories, by their numbers from 0; a unit for each category.

    Of the units of a column one is 1, with the probability softmax(a). `sizes` are the
    numbers of categories; each column has at least as many as `least`.
    """

    knows_rows = True
    ask = "has columns of categories"

    def __init__(self, sizes=None, least=1):
        self.least, self.groups = least, None if sizes is None else Groups(sizes)

    def mean(self, a):
        """E[x | a], (n_rows, n_units)."""
        return self.groups.joined(softmax(self.groups.split(a, -math.inf)))

    def variance(self, mean):
        """Variance of x, elementwise, where it has that mean."""
        return mean * (1.0 - mean)

    def resting(self, activation, n_units, array):
        """Means of a layer of which all categories are alike, (n_units,)."""
        return like(1.0 / self.groups.sizes[self.groups.owners], array)

    def sample(self, mean, stream):
        """One draw from the distribution with that mean."""
        xp, groups = namespace(mean), self.groups
        sums = xp.cumulative_sum(groups.split(mean, 0.0), axis=-1)
        draws = xp.astype(stream.uniform(sums.shape[:-1]), mean.dtype)
        reached = draws[..., None] * sums[..., -1:] >= sums
        # Rounding may reach the end.
        last = placed_like(groups.sizes - 1, mean)
        chosen = xp.minimum(xp.sum(xp.astype(reached, last.dtype), axis=-1), last)
        steps = placed_like(np.arange(groups.widest), mean)
        return groups.joined(xp.astype(steps == chosen[..., None], mean.dtype))

    def sample_input(self, mean, stream):
        """One draw of rows of data with that mean."""
        return self.sample(mean, stream)

    def log_partition(self, a):
        """log of the sum over x of exp(a x), per row."""
        log_sums = log_sum_exp(self.groups.split(a, -math.inf))
        return namespace(a).sum(log_sums, axis=-1)

    def entropy(self, mean):
        """Entropy where x has that mean, per row."""
        return -namespace(mean).sum(x_log_x(mean), axis=-1)

    def log_base(self, x, n_copies=1):
        """log of the base measure, per row: of how many ways the copies make up x.

        In between whole numbers it is interpolated.
        """
        xp = namespace(x)
        total = zeros(x.shape[:-1], x)
        if n_copies > 1:
            total += len(self.groups.sizes) * math.lgamma(n_copies + 1)
        for k in range(2, n_copies + 1):
            near = xp.clip(1.0 - xp.abs(x - k), 0.0)
            total -= math.lgamma(k + 1) * xp.sum(near, axis=-1)
        return total

    def natural(self, mean):
        """A total input that gives this mean."""
        return namespace(mean).log(mean)

    def clip(self, mean, margin):
        """The mean moved into the interior, `margin` away from 0."""
        return namespace(mean).clip(mean, margin)

    def n_states(self, n_units, n_copies=1):
        """How many states the columns have."""
        ways = [math.comb(int(n) + n_copies - 1, n_copies) for n in self.groups.sizes]
        return math.prod(ways)

    def states(self, numbers, n_units, array, n_copies=1):
        """States of a layer by their numbers, (n_numbers, n_units), like `array`."""
        parts = []
        for size in self.groups.sizes:
            table = ways_to_choose(int(size), n_copies)
            parts.append(table[numbers % len(table)])
            numbers = numbers // len(table)
        return like(np.concatenate(parts, axis=1), array)

    def check(self, X, name):
        """Nothing is wrong: the numbers are those that the categories were given."""
        return None

    def fitted(self, X, sample_weight):
        """The kind with as many categories as the rows have, whatever their weight."""
        most = np.maximum(to_numpy(column_ranges(X)[1]), 0.0)
        return Categorical(np.maximum(most + 1.0, self.least).astype(np.int64))

    def saved(self):
        """Numbers of categories."""
        return {"sizes": self.groups.sizes}

    def restored(self, saved):
        """The kind with numbers of categories that were saved."""
        refuse_other_border(self, saved, {"sizes"})
        return Categorical(saved["sizes"])

    def n_units(self, n_columns):
        """How many units rows are encoded by."""
        return self.groups.n_units

    def encode(self, rows):
        """Units of rows; all those of a missing entry are missing."""
        xp = namespace(rows)
        owned = xp.take(rows, placed_like(self.groups.owners, rows), axis=-1)
        values = like(self.groups.values, rows)
        states = xp.astype(owned == values, rows.dtype)
        return xp.where(xp.isnan(owned), owned, states)

    def decode(self, states):
        """The likeliest category of each column, by its number."""
        xp = namespace(states)
        likeliest = xp.argmax(self.groups.split(states, -math.inf), axis=-1)
        return xp.astype(likeliest, states.dtype)


def ways_to_choose(size, n_copies):
    """How often each of `size` categories can come among so many copies, a row each."""
    chosen = list(combinations_with_replacement(range(size), n_copies))
    counts = np.zeros((len(chosen), size))
    for row, numbers in zip(counts, chosen, strict=True):
        np.add.at(row, list(numbers), 1.0)
    return counts
