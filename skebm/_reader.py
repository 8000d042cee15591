"""Tables of a user, whose columns may hold categories, as matrices of numbers.

A kind of units encodes numbers. What a user has may be text, categories or numbers, in
an array or a data frame; what comes back is a table of the same columns and dtypes.
"""

from typing import NamedTuple

import numpy as np
from sklearn.preprocessing import OrdinalEncoder
from sklearn.utils import _safe_indexing, check_array
from sklearn.utils._indexing import _get_column_indices
from sklearn.utils.validation import _check_n_features

from ._warnings import warn

BERNOULLI, GAUSSIAN, CATEGORICAL = "bernoulli", "gaussian", "categorical"

# The code of a category that was not there in the fit.
UNSEEN = -1


class Column(NamedTuple):
    """A column: its number and name, its values with those missing, its dtype."""

    index: int
    name: object
    values: np.ndarray
    missing: np.ndarray
    dtype: object

    @property
    def is_text_or_category(self):
        """Whether the dtype says that the values are no numbers."""
        return self.values.dtype.kind not in "biuf" or categories_of(self.dtype)

    def rounded(self):
        """The column with numbers made whole."""
        if self.values.dtype.kind != "f":
            return self
        return self._replace(values=np.rint(self.values))

    def is_uneven(self):
        """Whether there are numbers that are not whole."""
        return bool((self.rounded().values != self.values)[~self.missing].any())

    def distinct(self):
        """The distinct values, sorted, but for those missing."""
        known = OrdinalEncoder().fit(self.values[~self.missing][:, None])
        return known.categories_[0]


def is_frame(X):
    """Whether X is a data frame, of pandas or polars."""
    return hasattr(X, "columns") and hasattr(X, "dtypes")


def categories_of(dtype):
    """The categories that a dtype of pandas or polars names, or None."""
    found = getattr(dtype, "categories", None)
    # Those of polars' Categorical are shared by all columns, and no list.
    return list(found) if hasattr(found, "__len__") else None


def columns_of(X, names=None):
    """The columns of a table."""
    framed = is_frame(X)
    for index in range(X.shape[1]):
        column = _safe_indexing(X, index, axis=1)
        name = X.columns[index] if framed else index
        yield column_of(column, index, name if names is None else names[index])


def column_of(column, index, name):
    """A column with its missing entries found, and of numbers where all are numbers."""
    values = np.asarray(column)
    if values.dtype.kind == "f":
        return Column(index, name, values, np.isnan(values), column.dtype)
    if values.dtype.kind in "biu":
        missing = np.zeros(len(values), dtype=bool)
        return Column(index, name, values, missing, column.dtype)
    if hasattr(column, "isna"):
        missing = np.asarray(column.isna(), dtype=bool)
    elif hasattr(column, "is_null"):
        missing = np.asarray(column.is_null(), dtype=bool)
    else:
        missing = np.array([x is None or x != x for x in values], dtype=bool)
    known = np.array(values[~missing].tolist())
    filled = np.full(len(values), np.nan, dtype=object)
    filled[~missing] = values[~missing]
    if known.dtype.kind in "biuf" and known.ndim == 1:
        filled = filled.astype(float if missing.any() else known.dtype)
    return Column(index, name, filled, missing, column.dtype)


def check_table(X):
    """A data frame, or an array of any dtype; errors for what is no table."""
    if is_frame(X):
        check_array(np.broadcast_to(0.0, X.shape), input_name="X")  # its size
        return X
    if isinstance(X, list) and np.asarray(X).dtype.kind in "US":
        X = np.asarray(X, dtype=object)  # where NumPy makes text of numbers and None
    return check_array(X, dtype=None, ensure_all_finite=False, input_name="X")


def two_dimensional(rows):
    """Rows as an array of objects, where a single one may be given by itself."""
    return np.atleast_2d(np.asarray(rows, dtype=object))


class Reader:
    """What is known of the columns of a table: their categories, names and dtypes.

    Parameters
    ----------
    X : array-like or data frame of shape (n_samples, n_features)
        The rows to learn from.
    kind_of : callable
        Says of what kind a :class:`Column` is: "bernoulli", "gaussian" or
        "categorical". Those of the first and of the last have categories.
    min_categories : int
        Columns of integers have at least the categories 0 to ``min_categories - 1``.
    """

    def __init__(self, X, kind_of, min_categories=0):
        X = check_table(X)
        self.frame = type(X) if is_frame(X) else None
        self.names, self.dtypes, self.kinds, self.encoders = [], [], [], []
        for column in columns_of(X):
            self.names.append(column.name)
            self.dtypes.append(column.dtype)
            kind = kind_of(column)
            self.kinds.append(kind)
            if kind == CATEGORICAL:
                column = column.rounded()
            least = min_categories if kind == CATEGORICAL else 0
            found = None if kind == GAUSSIAN else fitted_encoder(column, least)
            self.encoders.append(found)
            if kind == BERNOULLI and len(found.categories_[0]) > 2:
                raise ValueError(
                    f"Column {column.name!r} is to be {BERNOULLI!r}, but has "
                    f"{len(found.categories_[0])} different values. Name it "
                    f"{CATEGORICAL!r} or {GAUSSIAN!r}."
                )

    def of_kind(self, kind):
        """Numbers of the columns of a kind."""
        return np.flatnonzero(np.array(self.kinds) == kind)

    def categories(self):
        """The categories of each column, or None for one of numbers."""
        return [None if x is None else x.categories_[0] for x in self.encoders]

    def sizes(self):
        """Numbers of categories of the columns that are "categorical"."""
        return [len(self.categories()[index]) for index in self.of_kind(CATEGORICAL)]

    def numbers(self, X, estimator=None):
        """The rows as a matrix: codes of categories, NaN where an entry is missing."""
        given, X = X, check_table(X)
        if estimator is not None:
            _check_n_features(estimator, given, reset=False)
        columns, uneven = [], []
        parts = zip(columns_of(X, self.names), self.kinds, self.encoders, strict=True)
        for column, kind, found in parts:
            if kind == CATEGORICAL:
                uneven += [column.name] if column.is_uneven() else []
                column = column.rounded()
            columns.append(
                as_numbers(column) if found is None else codes(column, found)
            )
        if uneven:
            warn(
                f"Column {uneven[0]!r} of X is one of categories, but has values "
                "that are not whole, and are rounded. Bin them, for example with "
                "sklearn.preprocessing.KBinsDiscretizer, or take a GaussianRBM or a "
                "MixedRBM, which are for real numbers."
            )
        single = all(self.encoders) if is_frame(X) else X.dtype != np.float64
        dtype = np.float32 if single else np.float64
        return np.column_stack(columns).astype(dtype, copy=False)

    def rows(self, numbers, like=None):
        """A table like that of the fit, of a matrix of numbers without gaps.

        It has the index of `like`, where both are data frames of pandas.
        """
        columns = []
        for values, found, dtype in zip(
            numbers.T, self.encoders, self.dtypes, strict=True
        ):
            if found is not None:
                values = found.categories_[0][np.rint(values).astype(np.int64)]
            elif "int" in str(dtype).lower():
                values = np.rint(values)
            columns.append(values)
        if self.frame is None:
            rows = np.empty(numbers.shape, dtype=self.dtypes[0])
            for index, values in enumerate(columns):
                rows[:, index] = values
            return rows
        frame = self.frame(dict(zip(self.names, columns, strict=True)))
        dtypes = dict(zip(self.names, self.dtypes, strict=True))
        if not hasattr(frame, "astype"):
            return frame.cast(dtypes)
        return frame.astype(dtypes).set_index(getattr(like, "index", frame.index))


def usual_kind(column):
    """The kind of a column by its dtype, and by whether it has more than two values."""
    if column.missing.all():
        return GAUSSIAN
    categories = categories_of(column.dtype)
    if len(column.distinct() if categories is None else categories) <= 2:
        return BERNOULLI
    return CATEGORICAL if column.is_text_or_category else GAUSSIAN


def named_kinds(X, columns):
    """Kinds by the numbers of columns, from pairs of a kind and columns of X."""
    X, kinds = check_table(X), {}
    for kind, chosen in columns:
        if kind not in (BERNOULLI, GAUSSIAN, CATEGORICAL):
            raise ValueError(
                f"columns should name the kinds {BERNOULLI!r}, {GAUSSIAN!r} and "
                f"{CATEGORICAL!r}, but one is {kind!r}."
            )
        chosen = chosen(X) if callable(chosen) else chosen
        for index in _get_column_indices(X, chosen):
            if index in kinds:
                raise ValueError(
                    f"columns names column {index} twice, as {kinds[index]!r} and as "
                    f"{kind!r}: once is enough."
                )
            kinds[index] = kind
    return kinds


def fitted_encoder(column, min_categories):
    """What codes the categories of a column: those of its dtype, or those it has."""
    categories = categories_of(column.dtype)
    if categories is None:
        if column.missing.all():
            raise ValueError(
                f"Column {column.name!r} holds no value from which its categories "
                "could be learnt. Leave it out, or fill it."
            )
        categories = column.distinct()
        if column.values.dtype.kind in "iuf" and min_categories > 0:
            categories = np.union1d(categories, np.arange(min_categories))
    categories = np.asarray(categories)
    if categories.dtype.kind in "biuf":
        categories = np.sort(categories)
    else:
        categories = np.array(list(categories), dtype=object)
    encoder = OrdinalEncoder(
        categories=[categories],
        handle_unknown="use_encoded_value",
        unknown_value=UNSEEN,
    )
    # Whatever is set for all transformers.
    return encoder.set_output(transform="default").fit(categories[:, None])


def codes(column, encoder):
    """Numbers of the categories of a column, NaN where an entry is missing."""
    found = np.full(len(column.values), np.nan)
    known = ~column.missing
    if known.any():
        found[known] = encoder.transform(column.values[known][:, None])[:, 0]
    unseen = np.flatnonzero(found == UNSEEN)
    if unseen.size:
        categories = encoder.categories_[0].tolist()
        few = ", ".join(map(repr, categories[:10]))
        more = "" if len(categories) <= 10 else f" and {len(categories) - 10} more"
        raise ValueError(
            f"Column {column.name!r} of X has the value "
            f"{column.values[unseen].tolist()[0]!r} in row {unseen[0]}, which is none "
            f"of the categories of the fit: {few}{more}. Fit to rows with all "
            "categories, or name them beforehand: by the dtype of a data frame, or, "
            "for integers, by min_categories."
        )
    return found


def as_numbers(column):
    """The values of a column of numbers, NaN where an entry is missing."""
    try:
        return column.values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Column {column.name!r} of X should hold numbers, as it did in the fit, "
            f"but {error}."
        ) from error
