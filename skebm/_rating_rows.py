"""Ratings as users give them, and as the core has them: checked once, and one-hot."""

import numpy as np
from scipy import sparse

from ._validation import check_rows
from ._warnings import warn
from .core.ratings import one_hot, users_of
from .core.rows import blocks

# Different ratings above which they are likely to be no ratings.
MANY_RATINGS = 100

# Share of zeros above which they are likely to stand for what is unknown.
MANY_ZEROS = 0.5

# How far from a rating a value may be for rounding, as from double to single precision.
ROUNDING = 1e-6


def check_rated(estimator, X, method, new=False):
    """Rows of known ratings: checked, as a CSR matrix whose entries are the ratings.

    An entry that is not stored is unknown, and so is NaN in a dense matrix.
    """
    if sparse.issparse(X):
        check_stored(estimator, X)
    checked = check_rows(estimator, X, method=method, kind=None, new=new, missing=True)
    if not sparse.issparse(checked):
        found = from_dense(checked)
        if new:
            warn_of_zeros(estimator, found)
        return found
    if not checked.has_sorted_indices:
        checked = checked.sorted_indices()
    same = np.diff(checked.indices) == 0
    if (same & (np.diff(users_of(checked)) == 0)).any():
        refuse_repeated(estimator)
    return checked


def warn_of_zeros(estimator, X):
    """Warn where most entries of a dense matrix are 0, as if that meant unknown."""
    share = np.mean(X.data == 0.0) if X.nnz else 0.0
    if share > MANY_ZEROS and np.unique(X.data).size > 2:
        warn(
            f"{type(estimator).__name__} takes 0 for a rating, and {share:.0%} of the "
            "entries of X are 0. If 0 stands for what is unknown, give a sparse matrix "
            "of the others, as scipy.sparse.csr_array(X) is, or NaN in its place."
        )


def check_stored(estimator, X):
    """Refuse what would be lost or added up where a sparse matrix is converted."""
    name = type(estimator).__name__
    if X.format == "coo" and X.tocsr().nnz < X.nnz:
        refuse_repeated(estimator)
    has_values = X.format in {"csr", "csc", "coo"} and X.dtype.kind == "f"
    if has_values and np.isnan(X.data).any():
        raise ValueError(
            f"Input X contains NaN. {name} takes what a sparse matrix does not store "
            "for unknown: store only the ratings that are known."
        )


def refuse_repeated(estimator):
    """Raise an error about ratings of one item by one user."""
    raise ValueError(
        f"X stores several ratings of an item by the same user, but "
        f"{type(estimator).__name__} takes one: keep the last of them, or their mean."
    )


def from_dense(X):
    """A CSR matrix of the entries that are not NaN, a block of rows at a time."""
    numbers, values, lengths = [], [], [np.zeros(1, np.int64)]
    for rows in blocks(X.shape[0]):
        known = X[rows] == X[rows]  # NaN is the one value that differs from itself
        numbers.append(np.nonzero(known)[1])
        values.append(X[rows][known])
        lengths.append(known.sum(axis=1))
    indptr = np.cumsum(np.concatenate(lengths))
    return sparse.csr_array(
        (np.concatenate(values), np.concatenate(numbers), indptr), X.shape
    )


def learned(X, sample_weight):
    """Which entries are of rows that weigh something, (n_entries,)."""
    return np.repeat(sample_weight > 0.0, np.diff(X.indptr))


def refuse_unrated(estimator, X, sample_weight):
    """Raise an error unless there is a rating to learn from."""
    if not learned(X, sample_weight).any():
        raise ValueError(
            f"{type(estimator).__name__} found no rating in X: all entries of rows "
            "with a positive weight are unknown. In a sparse matrix, store the "
            "ratings; in a dense one, NaN stands for what is unknown."
        )


def find_ratings(estimator, X, sample_weight):
    """The ratings there are, sorted: those that are named, or that are in the rows."""
    name = type(estimator).__name__
    if estimator.ratings is not None:
        ratings = np.asarray(estimator.ratings, dtype=np.float64)
        if ratings.ndim != 1 or not ratings.size or not np.isfinite(ratings).all():
            raise ValueError(
                f"ratings must be a list of numbers, got {estimator.ratings!r}."
            )
        return np.unique(ratings)
    ratings = np.unique(X.data[learned(X, sample_weight)].astype(np.float64))
    if ratings.size > MANY_RATINGS:
        warn(
            f"{name} expects values in a small set of ratings, such as 1 to 5, but X "
            f"holds {ratings.size} different ones, for each of which every item gets "
            "weights. Round them, for example with "
            "sklearn.preprocessing.KBinsDiscretizer(encode='ordinal')."
        )
    return ratings


def encoded(estimator, X, ratings, dtype, sample_weight=None):
    """Rows as the core has them; values that are no ratings become the nearest one.

    With `sample_weight` they are to learn from, and such values are an error in all
    rows that weigh something; without, there is a warning.
    """
    values = X.data.astype(np.float64)
    middle = 0.5 * (ratings[1:] + ratings[:-1])
    codes = np.searchsorted(middle, values)
    far = np.abs(ratings[codes] - values) > ROUNDING * (1.0 + np.abs(values))
    if sample_weight is not None:
        far &= learned(X, sample_weight)
    if far.any():
        report(estimator, X, ratings, int(np.argmax(far)), sample_weight is not None)
    return one_hot(X.indices, codes, X.indptr, X.shape[1], len(ratings), dtype)


def report(estimator, X, ratings, number, learns):
    """Tell of an entry that is none of the ratings."""
    column = int(X.indices[number])
    names = getattr(estimator, "feature_names_in_", None)
    named = "" if names is None else f" ({names[column]!r})"
    known = ", ".join(f"{x:g}" for x in ratings[:10])
    known += ", ..." if len(ratings) > 10 else ""
    message = (
        f"{type(estimator).__name__} expects values in the ratings that it knows, "
        f"{known}, but X holds {X.data[number]:g} in column {column}{named}."
    )
    if learns:
        raise ValueError(
            f"{message} Name all ratings by the parameter `ratings` before the first "
            "fit, or correct X."
        )
    warn(f"{message} The nearest rating is taken for such values.")


def check_pairs(estimator, pairs, n_users):
    """Row and column numbers of pairs, (n_pairs,) each; columns may have names."""
    pairs = np.asarray(pairs)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError(
            "pairs must have two columns, the number of a row of X and the number or "
            f"name of a column, but its shape is {pairs.shape}."
        )
    users, items = pairs.T
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None and pairs.dtype.kind not in "iu":
        numbers = {name: number for number, name in enumerate(names)}
        unknown = [item for item in items if item not in numbers]
        if unknown:
            raise ValueError(f"pairs names the column '{unknown[0]}', which X lacks.")
        items = [numbers[item] for item in items]
    bounds = (n_users, "rows"), (estimator.n_features_in_, "columns")
    return tuple(
        whole_numbers(values, *bound)
        for values, bound in zip((users, items), bounds, strict=True)
    )


def whole_numbers(values, n, kind):
    """Numbers of rows or columns as integers, each of them below `n`."""
    try:
        numbers = np.asarray(values).astype(np.int64)
        same = numbers == np.asarray(values).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"pairs holds what are no numbers of {kind}.") from error
    wrong = ~same | (numbers < 0) | (numbers >= n)
    if wrong.any():
        bad = values[int(np.argmax(wrong))]
        raise ValueError(f"pairs names {bad!s} of the {kind} of X, which has {n}.")
    return numbers
