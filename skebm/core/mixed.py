"""Columns of several kinds side by side."""

import numpy as np

from .backend import namespace, placed_like
from .rows import Columns
from .units import Held, PlainBorder, refuse_other_border


class SideBySide(PlainBorder):
    """Units of several kinds, each for its own columns of the rows.

    The units of the first kind come first, whatever columns they are for. `columns` are
    the numbers of the columns of each kind.
    """

    knows_rows = True

    def __init__(self, kinds, columns):
        self.kinds, self.columns = kinds, columns
        self.order = np.argsort(np.concatenate(columns))
        self.ask = " and ".join(kind.ask for kind in kinds)

    @property
    def learn(self):
        """A step of the borders that there is something to learn of, or None."""
        return self._learn if any(kind.learn for kind in self.kinds) else None

    @property
    def most_input(self):
        """What is good for the most delicate kind."""
        return min(kind.most_input for kind in self.kinds)

    def _parts(self):
        """Each kind with a slice of the units of a layer."""
        first = 0
        for kind, columns in zip(self.kinds, self.columns, strict=True):
            last = first + kind.n_units(len(columns))
            yield kind, slice(first, last)
            first = last

    def _by_kind(self, function, x):
        """A function of a kind and its units, for all units."""
        parts = [function(kind, x[..., units]) for kind, units in self._parts()]
        return namespace(x).concat(parts, axis=-1)

    def mean(self, a):
        """E[x | a], (n_rows, n_units)."""
        return self._by_kind(lambda kind, a: kind.mean(a), a)

    def variance(self, mean):
        """Variance of x, elementwise, where it has that mean."""
        return self._by_kind(lambda kind, x: kind.variance(x), mean)

    def resting(self, activation, n_units, array):
        """Means of a layer that is active so often, (n_units,)."""
        parts = [
            kind.resting(activation, units.stop - units.start, array)
            for kind, units in self._parts()
        ]
        return namespace(array).concat(parts)

    def sample(self, mean, stream):
        """One draw from the distribution with that mean."""
        return self._by_kind(lambda kind, x: kind.sample(x, stream), mean)

    def sample_input(self, mean, stream):
        """One draw of rows of data with that mean."""
        return self._by_kind(lambda kind, x: kind.sample_input(x, stream), mean)

    def log_partition(self, a):
        """log of the sum or integral over x of exp(a x + log_base(x)), per row."""
        return sum(kind.log_partition(a[..., units]) for kind, units in self._parts())

    def entropy(self, mean):
        """Entropy relative to the base measure where x has that mean, per row."""
        return sum(kind.entropy(mean[..., units]) for kind, units in self._parts())

    def log_base(self, x, n_copies=1):
        """log of the base measure, per row."""
        return sum(
            kind.log_base(x[..., units], n_copies) for kind, units in self._parts()
        )

    def natural(self, mean):
        """The total input that gives this mean."""
        return self._by_kind(lambda kind, x: kind.natural(x), mean)

    def clip(self, mean, margin):
        """The mean moved into the interior."""
        return self._by_kind(lambda kind, x: kind.clip(x, margin), mean)

    def check(self, X, name):
        """Nothing is wrong: each column is of the kind that its values ask for."""
        return None

    def _with(self, kinds):
        return SideBySide(kinds, self.columns)

    def fitted(self, X, sample_weight):
        """The kinds as they are for their columns."""
        pairs = zip(self.kinds, self.columns, strict=True)
        return self._with([k.fitted(Columns(X, c), sample_weight) for k, c in pairs])

    def trainable(self):
        """A copy whose borders training may change in place, by `learn`."""
        return self._with([kind.trainable() for kind in self.kinds])

    def _learn(self, states, back, row_weights, learning_rate):
        for kind, units in self._parts():
            if kind.learn is not None:
                x, a = states[..., units], back[..., units]
                kind.learn(x, a, row_weights, learning_rate)

    def saved(self):
        """What the borders know of rows."""
        return {"kinds": [kind.saved() for kind in self.kinds]}

    def restored(self, saved):
        """The kinds with borders that were saved."""
        refuse_other_border(self, saved, {"kinds"})
        pairs = zip(self.kinds, saved["kinds"], strict=True)
        return self._with([kind.restored(known) for kind, known in pairs])

    @property
    def log_jacobian(self):
        """What a log-density of rows has beside that of states."""
        return sum(kind.log_jacobian for kind in self.kinds)

    def n_units(self, n_columns):
        """How many units rows are encoded by."""
        return max(units.stop for _, units in self._parts())

    def encode(self, rows):
        """States of rows."""
        xp = namespace(rows)
        parts = [
            kind.encode(xp.take(rows, placed_like(columns, rows), axis=-1))
            for kind, columns in zip(self.kinds, self.columns, strict=True)
        ]
        return xp.concat(parts, axis=-1)

    def held(self, rows):
        """What keeps the entries of rows that are not NaN."""
        xp, parts, shared = namespace(rows), [], []
        pairs = zip(self._parts(), self.columns, strict=True)
        for (kind, units), columns in pairs:
            held = kind.held(xp.take(rows, placed_like(columns, rows), axis=-1))
            parts.append(held)
            shared += [(units, keep) for _, keep in held.shared]
        masks, values, _ = zip(*parts, strict=True)
        return Held(
            xp.concat(masks, axis=-1), xp.concat(values, axis=-1), tuple(shared)
        )

    def decode(self, states):
        """Rows of states, or of means, each column in its place."""
        rows = self._by_kind(lambda kind, x: kind.decode(x), states)
        return namespace(rows).take(rows, placed_like(self.order, rows), axis=-1)
