"""Rows of data: dense floats are made of a few of them at a time, never of all.

A matrix is dense or sparse, or one of the lazy views below, which may be nested. Or its
rows lie apart, as :class:`Spread`.
"""

import math
from functools import partial
from itertools import pairwise

import numpy as np
from scipy import sparse

from .backend import namespace, placed_like, zeros

# Rows made dense floats at a time, outside the minibatch loop: enough for matrix
# products at full speed, few enough for the processor's cache.
BLOCK_ROWS = 1024

# Added to what may be zero before it divides.
TINY = 1e-30


class Subset:
    """Some rows of a matrix, by number; the matrix itself is not copied."""

    def __init__(self, X, index):
        self.X, self.index = X, index
        self.shape = (index.shape[0], X.shape[1])


class Encoded:
    """Rows as states of a kind of units, made of the rows that are taken."""

    def __init__(self, X, kind):
        self.X, self.kind = X, kind
        self.shape = (X.shape[0], kind.n_units(X.shape[1]))

    def of(self, X):
        """Other rows as states of the same kind."""
        return Encoded(X, self.kind)


class Mapped:
    """A function of rows, `n_columns` numbers each, made of the rows that are taken."""

    def __init__(self, X, function, n_columns):
        self.X, self.function, self.shape = X, function, (X.shape[0], n_columns)

    def of(self, X):
        """The same function of other rows."""
        return Mapped(X, self.function, self.shape[1])


class Beside:
    """Matrices side by side; they are put together for the rows that are taken."""

    def __init__(self, *parts):
        self.parts = parts
        self.shape = (parts[0].shape[0], sum(part.shape[1] for part in parts))


class Columns:
    """Some columns of a matrix, by number."""

    def __init__(self, X, index):
        self.X, self.index = X, index
        self.shape = (X.shape[0], len(index))

    def of(self, X):
        """The same columns of other rows."""
        return Columns(X, self.index)


class Deviations:
    """Squared differences of the entries of a matrix from the values of columns."""

    def __init__(self, X, values):
        self.X, self.values, self.shape = X, values, X.shape

    def of(self, X):
        """The same of other rows."""
        return Deviations(X, self.values)


class Spread:
    """Rows that lie apart, in parts, with the weights of the rows beside them.

    `places` is where: its `each(function)` is the list of `function(X, sample_weight)`
    for the parts, in their order, and :func:`skebm.core.rounds.one_round` says what
    its `folded` is. `sizes` are the numbers of rows of the parts, `sample` is a matrix
    of some rows of all of them, and `steps_per_round` how many minibatches a part goes
    on for by itself. `views` are what the rows are seen through, one after the other.
    No entry is missing.
    """

    def __init__(self, places, sizes, sample, steps_per_round, views=()):
        self.places, self.sizes, self.sample = places, sizes, sample
        self.steps_per_round, self.views = steps_per_round, views
        self.shape = (sum(sizes), sample.shape[1])

    @property
    def rows_together(self):
        """Rows that one part goes through, on average and rounded up."""
        return -(-self.shape[0] // len(self.sizes))

    def seen(self, view):
        """The rows seen through one more view, which is `of` others than its own."""
        views = (*self.views, view)
        sample, steps = view.of(self.sample), self.steps_per_round
        return Spread(self.places, self.sizes, sample, steps, views)

    def each(self, function):
        """What `function(X, sample_weight)` gives for each part, seen so."""
        return self.places.each(partial(seen_by, function, self.views))


def seen_by(function, views, X, *args):
    """A function of a part, as it is seen through views."""
    for view in views:
        X = view.of(X)
    return function(X, *args)


def spread(X):
    """Rows that lie apart, seen as X sees them; None where they are one matrix."""
    if isinstance(X, Spread):
        return X
    if not isinstance(X, Encoded | Mapped | Columns | Deviations):
        return None
    below = spread(X.X)
    return None if below is None else below.seen(X.of(below.sample))


def take_rows(X, rows, dtype):
    """Rows of a dense or sparse matrix as a dense float array, (n_rows, n_columns).

    Only these rows are ever converted, so `X` may be a memory map of small integers, or
    a `Subset` of it, `Encoded`, or `Beside` others. `rows` is a slice, or an array of
    indices of the namespace of X.
    """
    if isinstance(X, Subset):
        return take_rows(X.X, take_rows(X.index, rows, X.index.dtype), dtype)
    if isinstance(X, Encoded):
        return X.kind.encode(take_rows(X.X, rows, dtype))
    if isinstance(X, Mapped):
        return X.function(take_rows(X.X, rows, dtype))
    if isinstance(X, Columns):
        return take_rows(X.X, rows, dtype)[:, X.index]
    if isinstance(X, Deviations):
        return (take_rows(X.X, rows, dtype) - X.values) ** 2
    if isinstance(X, Beside):
        parts = [take_rows(part, rows, dtype) for part in X.parts]
        return namespace(parts[0]).concat(parts, axis=1)
    if sparse.issparse(X):
        return X[rows].toarray().astype(dtype, copy=False)
    xp = namespace(X)
    if isinstance(rows, slice) or isinstance(X, np.ndarray):
        # Not `take` for NumPy: it copies all of an array in Fortran order.
        block = X[rows, ...]
    else:
        block = xp.take(X, rows, axis=0)
    return xp.astype(xp.asarray(block), dtype, copy=False)


def rows_together(X):
    """Rows that are gone through one after the other: all, unless they lie apart."""
    return X.rows_together if isinstance(X, Spread) else X.shape[0]


def blocks(n_rows):
    """Slices of up to `BLOCK_ROWS` rows, one after the other."""
    for start in range(0, n_rows, BLOCK_ROWS):
        yield slice(start, min(start + BLOCK_ROWS, n_rows))


def by_blocks(function, X, dtype, new=zeros):
    """`function` of all rows of X, a block of dense float rows at a time.

    `new` makes the array for all of them, from its shape and the first block.
    """
    result = None
    for rows in blocks(X.shape[0]):
        part = function(take_rows(X, rows, dtype))
        if result is None:
            result = new((X.shape[0], *part.shape[1:]), part)
        result[rows, ...] = part
    return result


def has_nan(X):
    """Whether any entry of a dense matrix is NaN, as a bool; sparse ones have none.

    Of a subset: whether any entry of the whole is.
    """
    if isinstance(X, Spread):
        return False
    if isinstance(X, Subset | Encoded | Mapped | Columns | Deviations):
        return has_nan(X.X)
    if isinstance(X, Beside):
        return any(map(has_nan, X.parts))
    if sparse.issparse(X) or not namespace(X).isdtype(X.dtype, "real floating"):
        return False
    xp = namespace(X)
    return any(bool(xp.any(xp.isnan(X[rows, ...]))) for rows in blocks(X.shape[0]))


def value_range(X):
    """The least and the largest value of a matrix, NaN aside; (inf, -inf) of none.

    Booleans are not looked at: they are taken to be of both values.
    """
    if sparse.issparse(X):
        return range_of_sparse(X)
    xp = namespace(X)
    if 0 in X.shape:
        return math.inf, -math.inf
    if X.dtype == xp.bool:
        return 0.0, 1.0
    low, high = math.inf, -math.inf
    for rows in blocks(X.shape[0]):
        least = most = X[rows, ...]
        if has_nan(least):
            missing = xp.isnan(least)
            least, most = (xp.where(missing, x, least) for x in (math.inf, -math.inf))
        low, high = min(low, float(xp.min(least))), max(high, float(xp.max(most)))
    return low, high


def range_of_sparse(X):
    """The same of a CSR matrix: of its entries, and of zero where there is none."""
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    low, high = value_range(X.data[:, None])
    if X.nnz < X.shape[0] * X.shape[1]:
        low, high = min(low, 0.0), max(high, 0.0)
    return low, high


def float_dtype(X):
    """The dtype computed in for data `X`: its own if float32 or float64, else float32.

    Half precision is computed in float32, extended precision in float64. Of matrices
    side by side it is that of the first.
    """
    if isinstance(X, Subset | Encoded | Mapped | Columns):
        return float_dtype(X.X)
    if isinstance(X, Spread):
        return float_dtype(X.sample)
    if isinstance(X, Beside):
        return float_dtype(X.parts[0])
    xp, dtype = np if sparse.issparse(X) else namespace(X), X.dtype
    if isinstance(dtype, np.dtype):
        dtype = dtype.newbyteorder("=")  # files may have the other one
    if dtype == xp.float64 or dtype == getattr(xp, "longdouble", None):
        return xp.float64
    return xp.float32


def minibatches(X, sample_weight, order, batch_size):
    """Batches of almost equal size: dense float rows, and their weights.

    The weights average 1 / (rows in a batch) over the epoch. So every row counts the
    same wherever the batches end, and a row of weight 2 counts as the row twice.
    """
    weights = batch_weights(sample_weight, batch_size)
    return batches_of((X,), weights, order, batch_size)


def batch_weights(sample_weight, batch_size):
    """Weights that average 1 / (rows in a batch)."""
    n_batches = -(-sample_weight.shape[0] // batch_size)
    return sample_weight * (n_batches / total(sample_weight))


def batches_of(matrices, weights, order, batch_size):
    """The rows of each batch, of several matrices, and their weights as they are."""
    n_rows = weights.shape[0]
    if order is not None:
        weights = namespace(weights).take(weights, order)
    plain = batch_rows(n_rows, batch_size)
    for part, rows in zip(plain, batch_rows(n_rows, batch_size, order), strict=True):
        taken = (take_rows(X, rows, weights.dtype) for X in matrices)
        yield *taken, weights[part]


def divided(numbers, fraction, draws, strata=None):
    """Numbers in random order, in two parts: a fraction of them, rounded up; others.

    With `strata`, a value for each number, the first part has its share of those of
    each value, but for one at most: they are put in a row, and taken at even distances.
    """
    xp, n = namespace(numbers), numbers.shape[0]
    order, first = draws.permutation(n), math.ceil(fraction * n)
    if strata is not None and first > 0:
        in_row = xp.argsort(xp.take(strata, order), stable=True)
        places = np.zeros(n, dtype=bool)
        places[(np.arange(first) * n + n // 2) // first] = True
        places = placed_like(places, in_row)
        order = xp.take(order, xp.concat([in_row[places], in_row[~places]]))
    numbers = xp.take(numbers, order)
    return numbers[:first], numbers[first:]


def batch_rows(n_rows, batch_size, order=None):
    """Which rows are in each batch: slices, or parts of their order."""
    n_batches = -(-n_rows // batch_size)
    for first, last in pairwise(
        n_rows * batch // n_batches for batch in range(n_batches + 1)
    ):
        rows = slice(first, last)
        yield rows if order is None else order[rows]


def holds_integers(X):
    """Whether a dense or sparse matrix is one of integers."""
    if sparse.issparse(X):
        return X.dtype.kind in "iu"
    return namespace(X).isdtype(X.dtype, "integral")


def column_ranges(X):
    """The smallest and the largest entry of each column, (n_columns,), NaN aside.

    Of a column without any, they are infinite.
    """
    apart = spread(X)
    if apart is not None:
        found = apart.each(lambda part, sample_weight: column_ranges(part))
    else:
        found = (ranges_of_block(X, block) for block in blocks(X.shape[0]))
    low = high = None
    for least, most in found:
        xp = namespace(least)
        low = least if low is None else xp.minimum(least, low)
        high = most if high is None else xp.maximum(most, high)
    return low, high


def ranges_of_block(X, block):
    """The same of some rows."""
    rows = take_rows(X, block, float_dtype(X))
    xp = namespace(rows)
    missing = xp.isnan(rows)
    least = xp.min(xp.where(missing, math.inf, rows), axis=0)
    return least, xp.max(xp.where(missing, -math.inf, rows), axis=0)


def column_means(X, sample_weight):
    """Weighted mean of each column, (n_columns,), and the sum of the weights.

    If entries are missing, the sum is that of the observed ones, (n_columns,), and the
    mean of a column without any is 0.
    """
    apart = spread(X)
    if apart is not None:
        return joined_means(apart.each(column_means))
    missing, sums, mass = has_nan(X), 0.0, 0.0
    for block in blocks(X.shape[0]):
        weights = sample_weight[block]
        rows = take_rows(X, block, weights.dtype)
        if missing:
            xp = namespace(rows)
            known = ~xp.isnan(rows)
            mass = mass + weights @ xp.astype(known, rows.dtype)
            rows = xp.where(known, rows, 0.0)
        sums = sums + weights @ rows
    if not missing:
        mass = total(sample_weight)
    return sums / (mass + TINY), mass


def joined_means(parts):
    """One mean, and the sum of the weights, of pairs of these, one after the other."""
    (mean, mass), *others = parts
    for other, weight in others:
        mass = mass + weight
        mean = mean + (weight / (mass + TINY)) * (other - mean)
    return mean, mass


def total(sample_weight):
    """Sum of the weights, as a float."""
    return float(namespace(sample_weight).sum(sample_weight))
