"""Tables of a user, whose columns may hold categories, as matrices of numbers.

A kind of units encodes numbers. What a user has may be text, categories or numbers, in
an array or a data frame; what comes back is a table of the same columns and dtypes.
"""

import numpy as np
from sklearn.utils._indexing import _get_column_indices
from sklearn.utils.validation import _check_n_features

from ._columns import check_table, columns_of, fitted_encoder, is_frame
from ._dtypes import categories_of, described, dtype_of, library
from ._warnings import warn

BERNOULLI, GAUSSIAN, CATEGORICAL = "bernoulli", "gaussian", "categorical"


class Reader:
    """What is known of the columns of a table: their categories, names and dtypes.

    Parameters
    ----------
    X : array-like or data frame of shape (n_samples, n_features)
        The rows to learn from.
    kind_of : callable
        Says of what kind a column is: "bernoulli", "gaussian" or "categorical". Those
        of the first and of the last have categories.
    min_categories : int
        Columns of integers have at least the categories 0 to ``min_categories - 1``.
    """

    is_plain = True  # files have its attributes in its place

    def __init__(self, X, kind_of, min_categories=0):
        X = check_table(X)
        self.frame = type(X) if is_frame(X) else None
        self.names, self.dtypes, self.kinds, self.encoders = [], [], [], []
        for column in columns_of(X):
            kind = kind_of(column)
            self.names.append(column.name)
            self.dtypes.append(column.dtype)
            self.kinds.append(kind)
            self.encoders.append(self._encoder(column, kind, min_categories))

    def __getstate__(self):
        frame = self.frame
        return {
            **vars(self),
            "frame": None if frame is None else frame.__module__.split(".")[0],
            "dtypes": [described(dtype) for dtype in self.dtypes],
        }

    def __setstate__(self, state):
        vars(self).update(state)
        if self.frame is not None:
            self.frame = library(self.frame).DataFrame
        self.dtypes = [dtype_of(plain) for plain in self.dtypes]

    def _encoder(self, column, kind, min_categories):
        """What codes the categories of a column, or None for one of numbers."""
        if kind == GAUSSIAN:
            column.numbers()  # an error where there are others
            return None
        if kind == CATEGORICAL:
            return fitted_encoder(column.rounded(), min_categories)
        found = fitted_encoder(column, 0)
        n_values = len(found.categories_[0])
        if n_values > 2:
            raise ValueError(
                f"Column {column.name!r} is to be {BERNOULLI!r}, but has {n_values} "
                f"different values. Name it {CATEGORICAL!r} or {GAUSSIAN!r}."
            )
        return found

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
        X = self._checked(X, estimator)
        columns, uneven = [], []
        parts = zip(columns_of(X), self.kinds, self.encoders, strict=True)
        for column, kind, found in parts:
            if kind == CATEGORICAL:
                uneven += [column.name] if column.is_uneven() else []
                column = column.rounded()
            columns.append(column.numbers() if found is None else column.codes(found))
        if uneven:
            warn(
                f"Column {uneven[0]!r} of X is one of categories, but has values "
                "that are not whole, and are rounded. Bin them, for example with "
                "sklearn.preprocessing.KBinsDiscretizer, or take a GaussianRBM or a "
                "MixedRBM, which are for real numbers."
            )
        return np.column_stack(columns).astype(self._precision(X), copy=False)

    def _precision(self, X):
        """Double for numbers, but in arrays that have no more; as X for codes alone."""
        if all(self.encoders):
            double = not is_frame(X) and X.dtype == np.float64
        else:
            double = is_frame(X) or X.dtype not in (np.float16, np.float32)
        return np.float64 if double else np.float32

    def _checked(self, X, estimator):
        """X as a table, with the columns of the fit."""
        X = check_table(X)
        if estimator is not None:
            _check_n_features(estimator, X, reset=False)
        if X.shape[1] != len(self.names):
            raise ValueError(
                f"There are {X.shape[1]} columns, but the fit was to "
                f"{len(self.names)}: give all of them, None where a value is missing."
            )
        if is_frame(X) and self.frame is not None and list(X.columns) != self.names:
            raise ValueError(
                f"The columns should be those of the fit, in its order: {self.names}. "
                f"They are {list(X.columns)}."
            )
        return X

    def rows(self, numbers, like=None):
        """A table like that of the fit, of a matrix of numbers without gaps.

        It has the index of `like`, where both are data frames of pandas.
        """
        written = zip(numbers.T, self.encoders, self.dtypes, strict=True)
        columns = [as_values(*column) for column in written]
        if self.frame is None:
            rows = np.empty(numbers.shape, dtype=self.dtypes[0])
            for index, values in enumerate(columns):
                rows[:, index] = values
            return rows
        return table(self.frame, self.names, columns, self.dtypes, like)

    def filled(self, numbers, X):
        """The table X with its gaps filled; all else is as it was.

        It is a data frame where the fit was to one, and else an array.
        """
        X = check_table(X)
        framed, columns, dtypes = is_frame(X), [], []
        written = zip(columns_of(X), numbers.T, self.encoders, self.dtypes, strict=True)
        for column, values, found, dtype in written:
            gone, dtype = column.missing, column.dtype if framed else dtype
            entries = np.empty(len(gone), dtype=object)
            entries[:] = list(X[column.name] if framed else X[:, column.index])
            entries[gone] = as_values(values[gone], found, dtype).tolist()
            columns.append(entries)
            dtypes.append(dtype)
        if self.frame is not None:
            return table(self.frame, self.names, columns, dtypes, X)
        return np.column_stack(columns).astype(np.asarray(X).dtype, copy=False)


def as_values(numbers, encoder, dtype):
    """Numbers or codes as the values of a column of that dtype."""
    if encoder is not None:
        return encoder.categories_[0][np.rint(numbers).astype(np.int64)]
    name = str(dtype).lower()
    if not name.startswith(("int", "uint")):
        return numbers
    limits = np.iinfo(name)
    # The largest of 64 bits are no floats.
    most = min(float(limits.max), np.nextafter(float(limits.max) + 1.0, 0.0))
    return np.clip(np.rint(numbers), float(limits.min), most).astype(name)


def table(frame, names, columns, dtypes, like):
    """A data frame of these columns, with the index of `like` if it has one."""
    columns = [x.tolist() if x.dtype == object else x for x in columns]
    made = frame(dict(zip(names, columns, strict=True)))
    dtypes = dict(zip(names, dtypes, strict=True))
    if not hasattr(made, "astype"):
        return made.cast(dtypes)
    return made.astype(dtypes).set_index(getattr(like, "index", made.index))


def usual_kind(column):
    """The kind of a column by its dtype, and by whether it has more than two values."""
    categories = categories_of(column.dtype)
    if column.is_numeric or column.known.size == 0:
        n_values = len(np.unique(column.known))
        has_two = n_values == 2 or (n_values == 1 and column.known.dtype.kind != "f")
        return BERNOULLI if has_two else GAUSSIAN
    n_values = len(column.distinct() if categories is None else categories)
    return BERNOULLI if n_values <= 2 else CATEGORICAL


def named_kinds(X, columns):
    """Kinds by the numbers of columns, from pairs of a kind and columns of X."""
    X, kinds = check_table(X), {}
    for pair in columns:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(
                "columns should be a list of pairs of a kind and columns, such as "
                f"[('categorical', ['zip'])], but has {pair!r}."
            )
        kind, chosen = pair
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
