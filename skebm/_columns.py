"""Columns of a user's table: what is in them, and what is missing."""

from typing import NamedTuple

import numpy as np
from sklearn.preprocessing import OrdinalEncoder
from sklearn.utils import _safe_indexing, check_array

from ._dtypes import categories_of

# The code of a category that was not there in the fit.
UNSEEN = -1


class Column(NamedTuple):
    """A column: its number and name, which entries are missing, the others, its dtype.

    `known` are the values that are not missing: an array of numbers where all are
    numbers or all are booleans, and else one of objects.
    """

    index: int
    name: object
    missing: np.ndarray
    known: np.ndarray
    dtype: object

    @property
    def is_numeric(self):
        """Whether the values are numbers, and the dtype does not say otherwise."""
        return self.known.dtype.kind in "iuf" and categories_of(self.dtype) is None

    def rounded(self):
        """The column with numbers made whole, but where its dtype has categories."""
        if self.known.dtype.kind != "f" or not self.is_numeric:
            return self
        return self._replace(known=np.rint(self.known))

    def is_uneven(self):
        """Whether there are numbers that are rounded."""
        return bool((self.rounded().known != self.known).any())

    def distinct(self):
        """The distinct values, sorted."""
        try:
            return OrdinalEncoder().fit(self.known[:, None]).categories_[0]
        except TypeError as error:
            types = sorted({type(x).__name__ for x in self.known.tolist()})
            raise ValueError(
                f"Column {self.name!r} holds values of types that cannot be compared: "
                f"{', '.join(types)}. Make all of them text, or numbers."
            ) from error

    def numbers(self):
        """The values as floats, NaN where an entry is missing."""
        if not self.is_numeric and self.known.size:
            raise ValueError(
                f"Column {self.name!r} should hold numbers, but is of "
                f"{self.dtype}. Give it as floats or integers, or name it as another "
                "kind of column."
            )
        found = np.full(len(self.missing), np.nan)
        found[~self.missing] = self.known
        return found

    def codes(self, encoder):
        """Numbers of the categories, NaN where an entry is missing."""
        found = np.full(len(self.missing), np.nan)
        if self.known.size:
            found[~self.missing] = encoder.transform(self.known[:, None])[:, 0]
        unseen = np.flatnonzero(found == UNSEEN)
        if unseen.size:
            value = self.known[found[~self.missing] == UNSEEN].tolist()[0]
            categories = encoder.categories_[0].tolist()
            few = ", ".join(map(repr, categories[:10]))
            more = "" if len(categories) <= 10 else f" and {len(categories) - 10} more"
            raise ValueError(
                f"Column {self.name!r} of X has the value {value!r} in row "
                f"{unseen[0]}, which is none of the categories of the fit: {few}{more}."
                " Fit to rows with all categories, or name them beforehand: by the "
                "dtype of a data frame, or, for integers, by min_categories. Numbers "
                'that are no categories can be named "gaussian" in the columns of a '
                "MixedRBM."
            )
        return found


def is_frame(X):
    """Whether X is a data frame, of pandas or polars."""
    return hasattr(X, "columns") and hasattr(X, "dtypes")


def check_table(X):
    """A data frame, or an array of any dtype; errors for what is no table."""
    if is_frame(X):
        check_array(np.broadcast_to(0.0, X.shape), input_name="X")  # its size
        if len(set(X.columns)) < X.shape[1]:
            raise ValueError("The columns of X should have names that differ.")
        return X
    if isinstance(X, list) and np.asarray(X).dtype.kind in "US":
        X = np.asarray(X, dtype=object)  # where NumPy makes text of numbers and None
    return check_array(X, dtype=None, ensure_all_finite=False, input_name="X")


def columns_of(X):
    """The columns of a table."""
    names = X.columns if is_frame(X) else range(X.shape[1])
    for index, name in enumerate(names):
        column = _safe_indexing(X, index, axis=1)
        values = np.asarray(column)
        if values.dtype.kind == "f" and "int" in str(column.dtype).lower():
            values = np.array(list(column), dtype=object)  # with gaps, but whole
        missing = missing_in(column, values)
        known = typed(values[~missing])
        yield Column(index, name, missing, known, column.dtype)


def missing_in(column, values):
    """Which entries of a column are missing: NaN, None, NA or NaT."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind in "biu":
        return np.zeros(len(values), dtype=bool)
    for name in ("isna", "is_null"):
        if hasattr(column, name):
            return np.asarray(getattr(column, name)(), dtype=bool)
    return np.array([is_missing(x) for x in values], dtype=bool)


def is_missing(x):
    """Whether a value of any type stands for a missing one."""
    if isinstance(x, float):
        return x != x
    return x is None or type(x).__name__ in ("NAType", "NaTType")


def typed(values):
    """Known values as numbers or booleans, if all are such, or else as objects."""
    if values.dtype.kind in "biuf":
        return values
    values = values.astype(object)
    if all(isinstance(x, bool | np.bool_) for x in values):
        return values.astype(bool)
    if any(isinstance(x, str | bytes | bool) for x in values):
        return values
    if all(isinstance(x, int | float | np.number) for x in values):
        return np.array(values.tolist())
    return values


def fitted_encoder(column, min_categories):
    """What codes the categories of a column: those of its dtype, or those it has."""
    found = categories_of(column.dtype)
    if found is not None:
        known = typed(np.array(found, dtype=object))
        column._replace(known=known).distinct()  # an error where they are no sort
        categories = known
    elif column.known.size == 0:
        raise ValueError(
            f"Column {column.name!r} holds no value from which its categories could be "
            "learnt. Leave it out, or fill it."
        )
    else:
        categories = column.distinct()
        if column.known.dtype.kind in "iuf" and min_categories > 0:
            categories = np.union1d(categories, np.arange(min_categories))
    if categories.dtype.kind in "biuf":
        categories = np.sort(categories)
    encoder = OrdinalEncoder(
        categories=[categories],
        handle_unknown="use_encoded_value",
        unknown_value=UNSEEN,
    )
    # Whatever is set for all transformers.
    return encoder.set_output(transform="default").fit(categories[:, None])
