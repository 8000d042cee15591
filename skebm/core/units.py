"""What a layer is made of, and the border between its states and a user's rows.

A kind of units answers a few questions about its total input `a`, the bias plus what
comes over the weights. With the base measure exp(log_base(x)), its distribution is
p(x | a) = exp(a x + log_base(x) - log_partition(a)). All of them are exponential
families, so the mean says all that there is to say about p(x | a), and `sample` takes
the mean: what has been computed for the gradient serves the Markov chain too.

At the border, `check` says what is wrong with rows, `encode` makes states of them, of
`n_units` for so many columns, and `decode` makes of states, or means, what the user
gets back. A log-density of states is one of rows where `log_jacobian` is added. `ask`
is what rows should be, in words. What a border has to know of rows, such as their
scale, is `fitted` to them, `saved` and `restored`: it `knows_rows`. What training
improves of that is `trainable`, by `learn`. Where a row has a total that stays as it
is, as a document has a number of words, it `has_totals`, and `alike` gives the kind for
those of states. :class:`PlainBorder` is for kinds whose rows are states. Learning rates
are multiplied by `step_scale`, and `most_input` is the standard deviation up to which
the inputs from a layer above may vary at the start of training.

Not every kind has states that can be enumerated, `n_states` and `states`, or just two
`alternatives`, a low value and a high one, or an `activation` by which a network
computes means: see :func:`require`. `n_states`, `states` and `log_base` are those of a
sum of `n_copies` units too, which :class:`Tied` is.
"""

import math
from functools import partial
from typing import NamedTuple

import numpy as np

from .backend import is_on_host, like, namespace, sigmoid, softplus, zeros
from .rows import value_range

# What some kinds of units have, in words.
OPTIONAL = {
    "states": "states that can be enumerated",
    "alternatives": "two alternative values",
    "activation": "means that a network computes",
}

# How far outside [0, 1] rounding may bring a value, as in scaling to that range.
ROUNDING = 1e-5

# exp of it is a normal number in single precision, and its inverse too.
LARGEST_EXPONENT = 80.0

# Standard deviation up to which the inputs from a layer above may vary at the start.
# With 3 the benchmark data sets reached the best likelihoods; without a bound, 1000
# hidden units over 16 visible ones did not recover from their start.
MAX_INPUT_DOWN = 3.0

# Elements of the largest array that is worth computing at once: a megabyte or two.
CACHED_ELEMENTS = 2**18

# What a probability is raised to before its logarithm is taken.
LEAST_PROBABILITY = 1e-30

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
    return x * xp.log(xp.clip(x, LEAST_PROBABILITY))


def require(kind, name, asker):
    """Raise an error unless this kind of units has what `asker` needs of it."""
    if not hasattr(kind, name):
        raise ValueError(
            f"{asker} needs units with {OPTIONAL[name]}, but {type(kind).__name__} "
            "units have none."
        )


def tied(kind, n_copies):
    """The kind of sums of so many units that are tied to each other."""
    return kind if n_copies == 1 else Tied(kind, n_copies)


def log_partition_change(kind, a, x, W):
    """What log_partition changes by when one unit x_i below goes from 0 to 1, (n, u).

    `a` (n, k) is the total input with all of `x` (n, u) over weights `W` (u, k). A kind
    may have a faster way.
    """
    if hasattr(kind, "log_partition_change"):
        return kind.log_partition_change(a, x, W)
    return in_parts(partial(plain_change, kind, W), a, x, W)


def plain_change(kind, W, a, x):
    """The change by its definition, for all rows at once."""
    without = a[:, None, :] - x[:, :, None] * W
    return kind.log_partition(without + W) - kind.log_partition(without)


def in_parts(change, a, x, W):
    """A function of rows of `a` and `x`, of few enough at a time for the cache."""
    step = max(1, CACHED_ELEMENTS // (W.shape[0] * W.shape[1]))
    parts = []
    for first in range(0, a.shape[0], step):
        rows = slice(first, min(first + step, a.shape[0]))
        parts.append(change(a[rows, ...], x[rows, ...]))
    return namespace(a).concat(parts)


def refuse_other_border(kind, saved, names):
    """Raise an error where what was saved has not these names: it is another kind's."""
    if set(saved) != names:
        raise ValueError(
            f"The visible units are {type(kind).__name__} by the parameters as they "
            "are now, but were others in the fit. Set those that decide on them, as "
            "rbm and covariance_type do, back, or fit anew."
        )


class Held(NamedTuple):
    """What keeps observed entries of rows where they are, whatever is drawn of others.

    States are at their `values` where `mask`, (n_rows, n_units) each. Where entries of
    rows share states, these come to `keep` times what they were plus `values`: so say
    `shared`, pairs of a slice of the units and `keep` (n_rows, n_units, n_units).
    """

    mask: object
    values: object
    shared: tuple = ()

    def __call__(self, states):
        """The states with what is observed back in its place."""
        xp = namespace(self.values)
        kept = xp.where(self.mask, self.values, states)
        for units, keep in self.shared:
            x = xp.matmul(keep, states[..., units, None])[..., 0]
            kept[..., units] = self.values[..., units] + x
        return kept

    def repeated(self, n):
        """The same for all rows over and over, n times."""
        xp = namespace(self.values)
        mask, values = (xp.tile(x, (n, 1)) for x in (self.mask, self.values))
        shared = ((units, xp.tile(keep, (n, 1, 1))) for units, keep in self.shared)
        return Held(mask, values, tuple(shared))


class PlainBorder:
    """Rows that are states, with nothing to learn about how they are encoded."""

    is_plain = True  # files have its attributes in its place
    log_jacobian = 0.0
    most_input = MAX_INPUT_DOWN
    step_scale = 1.0
    has_totals = False
    knows_rows = False
    ask = "has values that its units can have"
    learn = None

    def fitted(self, X, sample_weight):
        """The kind as it is for these rows."""
        return self

    def trainable(self):
        """A copy whose border training may change in place, by `learn`."""
        return self

    def saved(self):
        """What the border knows of rows, in plain containers of arrays."""
        return {}

    def restored(self, saved):
        """The kind with a border that was saved."""
        refuse_other_border(self, saved, set())
        return self

    def single(self, states):
        """What each copy has, where states are sums of several."""
        return states

    def alike(self, states):
        """The kind for states of the same totals as these, or for any, where None."""
        return self

    def held(self, rows):
        """What keeps the entries of rows that are not NaN."""
        states = self.encode(rows)
        return Held(~namespace(states).isnan(states), states)

    def n_units(self, n_columns):
        """How many units rows of so many columns are encoded by."""
        return n_columns

    def encode(self, rows):
        """States of rows, or means of states: they are the same."""
        return rows

    def decode(self, states):
        """Rows of states, or of means."""
        return states

    def log_density(self, a, x):
        """log p(x | a), over the last axis."""
        by_input = namespace(x).sum(a * x, axis=-1)
        return by_input + self.log_base(x) - self.log_partition(a)


class Bernoulli(PlainBorder):
    """Binary units, 0 or 1."""

    ask = "lies in [0, 1]"
    alternatives = (0.0, 1.0)
    activation = "logistic"

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

    def sample_input(self, mean, stream):
        """One draw of rows of data with that mean."""
        return self.sample(mean, stream)

    def log_partition(self, a):
        """log of the sum over x of exp(a x + log_base(x)), per row."""
        return namespace(a).sum(softplus(a), axis=-1)

    def log_partition_change(self, a, x, W):
        """What log_partition changes by when one unit x_i below goes from 0 to 1.

        Where x is binary, it is s sum_j log(1 - p_j + p_j exp(s W_ij)) with
        s = 1 - 2 x_i and p the mean: no exponentials but those of the weights, and one
        logarithm for several factors.
        """
        xp, change = namespace(a), partial(plain_change, self, W)
        if not is_on_host(W):
            return in_parts(change, a, x, W)
        widest = max(1.0, float(xp.max(xp.abs(W))))
        binary = bool(xp.all(x * (1.0 - x) == 0.0))
        # With up to half of it, a total input that is clipped has the same sign after
        # the change.
        if binary and 2.0 * widest <= LARGEST_EXPONENT:
            at_once = min(int(LARGEST_EXPONENT / widest), FACTORS_AT_ONCE)
            change = self._change_by_flips(W, at_once)
        return in_parts(change, a, x, W)

    def _change_by_flips(self, W, at_once):
        """The change as a function of rows of `a` and binary `x`."""
        xp = namespace(W)
        up, down = xp.exp(W), xp.exp(-W)

        def change(a, x):
            a = xp.clip(a, -LARGEST_EXPONENT, LARGEST_EXPONENT)
            factors = xp.where(x[:, :, None] > 0.5, down, up)
            factors *= (1.0 / (1.0 + xp.exp(-a)))[:, None, :]
            factors += (1.0 / (1.0 + xp.exp(a)))[:, None, :]
            factors = multiplied(factors, at_once)
            return (1.0 - 2.0 * x) * xp.sum(xp.log(factors), axis=-1)

        return change

    def entropy(self, mean):
        """Entropy relative to the base measure where x has that mean, per row.

        It is log_partition(a) - a mean, for the total input that gives the mean.
        """
        xp, other = namespace(mean), 1.0 - mean
        return -xp.sum(x_log_x(mean) + x_log_x(other), axis=-1)

    def log_base(self, x, n_copies=1):
        """log of the base measure, per row: of how many ways the copies make up x.

        In between whole numbers it is interpolated.
        """
        xp = namespace(x)
        total = zeros(x.shape[:-1], x)
        for k in range(1, n_copies):
            near = xp.clip(1.0 - xp.abs(x - k), 0.0)
            total += math.log(math.comb(n_copies, k)) * xp.sum(near, axis=-1)
        return total

    def natural(self, mean):
        """The total input that gives this mean."""
        xp = namespace(mean)
        return xp.log(mean) - xp.log1p(-mean)

    def clip(self, mean, margin):
        """The mean moved into the interior, `margin` away from 0 and 1."""
        return namespace(mean).clip(mean, margin, 1.0 - margin)

    def n_states(self, n_units, n_copies=1):
        """How many states a layer of `n_units` has."""
        return (n_copies + 1) ** n_units

    def states(self, numbers, n_units, array, n_copies=1):
        """States of a layer by their numbers, (n_numbers, n_units), like `array`."""
        base = n_copies + 1
        return like(numbers[:, None] // base ** np.arange(n_units) % base, array)

    def check(self, X, name):
        """What is wrong with rows that the user calls `name`, in words, or None."""
        low, high = value_range(X)
        if low >= -ROUNDING and high <= 1.0 + ROUNDING:
            return None
        return (
            "expects values in [0, 1], the probabilities that its binary units are 1, "
            f"but {name} ranges from {low:g} to {high:g}. Scale {name}, for example "
            "with sklearn.preprocessing.MinMaxScaler(clip=True), or threshold it with "
            "sklearn.preprocessing.Binarizer. Features and likelihoods of values "
            "outside mean little."
        )


class Tied:
    """Sums of tied units: so many copies of a kind, with one total input for all.

    A machine in which a layer is doubled has the conditionals of one whose layer is a
    sum of two copies, over the same weights. A row is what each copy has.
    """

    is_plain = True

    def __init__(self, kind, n_copies):
        self.kind, self.n_copies = kind, n_copies

    @property
    def log_jacobian(self):
        """What a log-density of rows has beside that of states."""
        return self.kind.log_jacobian

    @property
    def ask(self):
        """What rows should be, in words."""
        return self.kind.ask

    @property
    def most_input(self):
        """How much the inputs from a layer above may vary at the start."""
        return self.kind.most_input

    # What there is to learn of the border is learnt of the units one by one.
    learn, step_scale = None, 1.0

    def fitted(self, X, sample_weight):
        """The kind as it is for these rows."""
        return Tied(self.kind.fitted(X, sample_weight), self.n_copies)

    def trainable(self):
        """Itself: training leaves the border as it is."""
        return self

    def saved(self):
        """What the border knows of rows, in plain containers of arrays."""
        return self.kind.saved()

    def restored(self, saved):
        """The kind with a border that was saved."""
        return Tied(self.kind.restored(saved), self.n_copies)

    def single(self, states):
        """What each copy has, on average."""
        return states / self.n_copies

    def alike(self, states):
        """Itself: there are sums of units that need no totals."""
        return self

    def mean(self, a):
        """E[x | a], elementwise."""
        return self.n_copies * self.kind.mean(a)

    def variance(self, mean):
        """Variance of x, elementwise, where it has that mean."""
        return self.n_copies * self.kind.variance(mean / self.n_copies)

    def resting(self, activation, n_units, array):
        """Means of a layer each of whose copies is active so often, (n_units,)."""
        return self.n_copies * self.kind.resting(activation, n_units, array)

    def sample(self, mean, stream):
        """One draw from the distribution with that mean."""
        mean = mean / self.n_copies
        return sum(self.kind.sample(mean, stream) for _ in range(self.n_copies))

    def sample_input(self, mean, stream):
        """One draw of rows of data with that mean: all copies are the same row."""
        return self.n_copies * self.kind.sample_input(mean / self.n_copies, stream)

    def log_partition(self, a):
        """log of the sum over x of exp(a x + log_base(x)), per row."""
        return self.n_copies * self.kind.log_partition(a)

    def log_partition_change(self, a, x, W):
        """What log_partition changes by when one unit x_i below goes from 0 to 1."""
        return self.n_copies * log_partition_change(self.kind, a, x, W)

    def entropy(self, mean):
        """Entropy relative to the base measure where x has that mean, per row."""
        return self.n_copies * self.kind.entropy(mean / self.n_copies)

    def log_base(self, x):
        """log of the base measure, per row."""
        return self.kind.log_base(x, self.n_copies)

    def natural(self, mean):
        """The total input that gives this mean."""
        return self.kind.natural(mean / self.n_copies)

    def clip(self, mean, margin):
        """The mean moved into the interior, that of each copy by `margin`."""
        return self.n_copies * self.kind.clip(mean / self.n_copies, margin)

    # Sums have states that can be enumerated if their terms have: so `hasattr` asks.

    @property
    def n_states(self):
        """How many states a layer of so many units has, as a function."""
        return partial(self.kind.n_states, n_copies=self.n_copies)

    @property
    def states(self):
        """States of a layer by their numbers, as a function."""
        return partial(self.kind.states, n_copies=self.n_copies)

    def check(self, X, name):
        """What is wrong with rows that the user calls `name`, in words, or None."""
        return self.kind.check(X, name)

    def n_units(self, n_columns):
        """How many units rows of so many columns are encoded by."""
        return self.kind.n_units(n_columns)

    def held(self, rows):
        """What keeps the entries of rows that are not NaN, in all copies."""
        mask, values, shared = self.kind.held(rows)
        return Held(mask, self.n_copies * values, shared)

    def encode(self, rows):
        """States of rows: every copy has what the row has."""
        return self.n_copies * self.kind.encode(rows)

    def decode(self, states):
        """What each copy has, on average."""
        return self.kind.decode(self.single(states))
