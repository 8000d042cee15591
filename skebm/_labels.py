"""Labels in, probabilities out: what a classifier makes of y, whatever it trains."""

from numbers import Real
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import (
    assert_all_finite,
    check_array,
    compute_class_weight,
    compute_sample_weight,
)
from sklearn.utils._missing import is_pandas_na, is_scalar_nan
from sklearn.utils.multiclass import check_classification_targets, unique_labels

from ._warnings import warn
from .core.backend import namespace, placed_like
from .core.network import Sigmoid, Softmax

# Kinds of dtypes that other namespaces have too, as they do not have text.
NUMBERS = "biuf"


def labels_like(labels, array):
    """NumPy's labels where `array` is, unless they are text or other objects."""
    return placed_like(labels, array) if labels.dtype.kind in NUMBERS else labels


class Labels(NamedTuple):
    """What the labels are, and how they are encoded as outputs of a network.

    `classes` are in order. With `several`, a row may have any of them, and y has a
    column for each; else it has one. Two classes share an output, that of the second.
    """

    classes: np.ndarray
    several: bool

    @property
    def n_columns(self):
        """The number of columns of y."""
        return len(self.classes) if self.several else 1

    @property
    def output(self):
        """The kind of the outputs."""
        return Sigmoid() if self.several or self._share_an_output else Softmax()

    @property
    def _share_an_output(self):
        return not self.several and len(self.classes) == 2

    def encode(self, y):
        """Targets of the outputs, (n_rows, n_outputs), each 0 or 1."""
        if self.several:
            return y
        index = np.searchsorted(self.classes, y)
        if self._share_an_output:
            return index[:, None]
        return np.eye(len(self.classes), dtype=int)[index]

    def decode(self, outputs):
        """The most probable labels, by the outputs."""
        if self.several:
            return (outputs > 0.5).astype(int)
        if self._share_an_output:
            return self.classes[(outputs[:, 0] > 0.5).astype(int)]
        return self.classes[outputs.argmax(axis=1)]

    def of_each(self, function, a):
        """`function` of the total inputs of all classes, from `a`, those of outputs."""
        if self._share_an_output:
            return namespace(a).concat([function(-a), function(a)], axis=1)
        return function(a)


def check_labels(estimator, y, unlabeled, known, otherwise):
    """Labels of the labelled rows, and which these are, or None for all.

    `unlabeled` marks rows without a label: see `marked`. `known` are the classes, if
    these are known. `otherwise` says what to do where no row has a label; with None,
    there need be none.
    """
    y = label_array(estimator, y)
    check_mark(y, unlabeled)
    # Of several labels the classes are numbers of columns, which y does not hold.
    if known is not None and y.ndim == 1:
        refuse_marked(label_array(estimator, known, "classes"), unlabeled)
    mark = marked(y, unlabeled)
    if not mark.any():
        return checked_values(y, unlabeled), None
    if y.ndim == 2:
        refuse_partly_marked(mark, unlabeled)
        mark = mark[:, 0]
    if mark.all() and otherwise is None:
        return y[:0], ~mark
    if mark.all():
        raise ValueError(
            f"No row of y has a label, all are unlabeled={unlabeled!r}. {otherwise}"
        )
    return checked_values(y[~mark], unlabeled), ~mark


def label_array(estimator, y, name="y"):
    """Labels as a dense array: of objects, where text is beside other values."""
    if getattr(getattr(y, "dtype", None), "kind", "") == "T":  # text of any length
        y = y.astype(object)
    array = check_array(
        y,
        accept_sparse=True,
        dtype=None,
        ensure_2d=False,
        ensure_all_finite=False,
        input_name=name,
        estimator=estimator,
    )
    if sparse.issparse(array):
        array = array.toarray()
    # NumPy makes text of NaN, None and numbers that are in a list with text.
    if isinstance(y, list | tuple) and array.dtype.kind == "U":
        objects = np.array(y, dtype=object)
        if not all(isinstance(x, str) for x in objects.flat):
            array = objects
    if array.ndim == 2 and array.shape[1] == 1:
        warn(  # in scikit-learn's words
            "A column-vector y was passed when a 1d array was expected. Please change "
            "the shape of y to (n_samples,), for example using ravel().",
            DataConversionWarning,
        )
        array = array[:, 0]
    return array


def check_mark(y, unlabeled):
    """Raise an error where y holds the mark of rows without a label as another type.

    So the -1 of a table that was read as text.
    """
    if isinstance(unlabeled, bool):
        raise ValueError(
            f"unlabeled must be a number, a string, np.nan or None, got {unlabeled}."
        )
    if unlabeled is None or is_scalar_nan(unlabeled):
        return
    other = str(unlabeled)
    if isinstance(unlabeled, str):
        try:
            other = float(unlabeled)
        except ValueError:
            return
    if isinstance(other, str) == (y.dtype.kind == "U") and np.any(y == other):
        raise ValueError(
            f"unlabeled={unlabeled!r}, but y holds {other!r}, which is a class of its "
            "own: give both as text, or both as numbers."
        )


def marked(y, unlabeled):
    """Where y holds the mark of rows without a label.

    That is a number or a string; NaN stands for all that is missing, None and pandas'
    NA too; and with None there is none.
    """
    if unlabeled is None:
        return np.zeros(y.shape, dtype=bool)
    if is_scalar_nan(unlabeled):
        return missing(y)
    if y.dtype.kind == "O":
        return each(lambda x: not is_missing(x) and x == unlabeled, y)
    if y.dtype.kind in ("U" if isinstance(unlabeled, str) else "biuf"):
        return y == unlabeled
    return np.zeros(y.shape, dtype=bool)


def missing(y):
    """Where y holds NaN, None, pandas' NA, or no time among times."""
    if y.dtype.kind == "O":
        return each(is_missing, y)
    return np.isnan(y) if y.dtype.kind in "fM" else np.zeros(y.shape, dtype=bool)


def is_missing(x):
    """Whether a label is missing. Text is asked first, as most objects are that."""
    return not isinstance(x, str) and (x is None or is_scalar_nan(x) or is_pandas_na(x))


def each(condition, y):
    """The condition for each object in an array."""
    return np.array([condition(x) for x in y.flat], dtype=bool).reshape(y.shape)


def refuse_marked(classes, unlabeled):
    """Raise an error if a class is the mark of rows without one."""
    if marked(classes, unlabeled).any():
        raise ValueError(
            f"unlabeled={unlabeled!r} is among the classes {classes}: rows without a "
            "label need a mark that is no class."
        )


def refuse_partly_marked(mark, unlabeled):
    """Raise an error unless each row is marked in all of its columns, or in none."""
    partly = np.flatnonzero(mark.any(axis=1) & ~mark.all(axis=1))
    if partly.size:
        raise ValueError(
            f"Row {partly[0]} of y holds unlabeled={unlabeled!r} in some of its columns"
            " only. Mark all columns of rows without labels; rows of which only some "
            "labels are known cannot be used."
        )


def checked_values(y, unlabeled):
    """Labels, if they are classes or, for several labels, 0 and 1."""
    if missing(y).any():
        raise ValueError(
            "Input y contains NaN or None. If these mark rows without a label, set "
            f"unlabeled=np.nan (now unlabeled={unlabeled!r})."
        )
    if y.dtype.kind == "O":
        is_text = each(lambda x: isinstance(x, str), y)
        if is_text.any() and not is_text.all():
            raise ValueError(
                "y holds both text and other labels: make them all text. To mark rows "
                "without a label among text, set unlabeled to what marks them."
            )
        # Numbers that are left of rows marked by None are no longer objects.
        y = y if is_text.all() else np.array(y.tolist())
    assert_all_finite(y, input_name="y")
    if y.ndim == 1:
        check_classification_targets(y)
        return y
    values = np.unique(y)
    if y.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise ValueError(
            f"y has {y.shape[1]} columns, one for each label that a row may have, and "
            f"so must hold 0 or 1, but it holds {values}. Give 1 where a row has the "
            "label, and 0 where it has not. Rows without labels need a mark in all "
            f"columns, and unlabeled set to it (now {unlabeled!r})."
        )
    return y


def sorted_labels(classes):
    """Labels in order as a list, which can be compared with those of another type."""
    return unique_labels(classes).tolist()


def new_labels(y, classes=None):
    """The labels that there are: those of y, or `classes`, where y is but a part."""
    if y.ndim == 1:
        known = np.unique(y) if classes is None else unique_labels(classes)
        return Labels(known, several=False)
    columns = np.arange(y.shape[1])
    if classes is not None and sorted_labels(classes) != columns.tolist():
        raise ValueError(
            f"classes={classes!r} must be the numbers of the columns of y, 0 to "
            f"{columns[-1]}, where a row may have several labels."
        )
    return Labels(columns, several=True)


def check_known(estimator, labels, y, classes=None):
    """Raise an error unless y, and `classes` if given, have labels that are known."""
    if classes is not None and labels.classes.tolist() != sorted_labels(classes):
        raise ValueError(
            f"classes={classes!r} is not what it was on the first call of partial_fit, "
            f"{labels.classes!r}."
        )
    own = new_labels(y)
    if own.n_columns != labels.n_columns:
        raise ValueError(
            f"The number of columns of y is {own.n_columns}, but this "
            f"{type(estimator).__name__} was fitted to {labels.n_columns}: with one, "
            "rows have a class each, with more, several labels."
        )
    other = set(own.classes.tolist()) - set(labels.classes.tolist())
    if other:
        raise ValueError(
            f"y has labels {sorted(other)} that are not among the classes "
            f"{labels.classes}. To learn others, fit anew, without warm_start."
        )


def refuse_part_of_rows(class_weight, labels, classes):
    """Raise an error where a part of the rows does not say what all of them do."""
    if labels is None and classes is None:
        raise ValueError("classes must be passed on the first call to partial_fit.")
    if class_weight == "balanced":
        raise ValueError(
            "class_weight='balanced' needs all rows at once. For partial_fit, give "
            "a dict with sklearn.utils.class_weight.compute_class_weight."
        )


def class_weights(class_weight, labels, y, sample_weight):
    """Weights of the rows, by those of their classes."""
    if class_weight is None:
        return np.ones(len(y))
    if class_weight == "balanced":
        return balanced(y, sample_weight)
    if labels.several:
        raise ValueError(
            "class_weight is a dict, but rows with several labels have no class: set "
            "class_weight='balanced' or None."
        )
    known, given = labels.classes.tolist(), class_weight.values()
    if not all(isinstance(x, Real) and 0 <= x < np.inf for x in given):
        raise ValueError(
            "Each class_weight must be a finite number of at least 0, but class_weight "
            f"is {class_weight}."
        )
    other = [key for key in class_weight if key not in known]
    # Where all classes have a weight, others are of rows that these are a part of.
    if other and not set(known) <= set(class_weight):
        raise ValueError(
            f"class_weight has weights for {other}, which are not among the classes "
            f"{labels.classes}."
        )
    weights = np.array([class_weight.get(k, 1.0) for k in known], dtype=float)
    return weights[np.searchsorted(labels.classes, y)]


def balanced(y, sample_weight):
    """Weights by which classes, or the values of each label, count the same."""
    if y.ndim == 2:
        return compute_sample_weight("balanced", y)
    counted, weights = np.asarray(sample_weight) > 0, np.zeros(len(y))
    if counted.any():
        classes, index = np.unique(y[counted], return_inverse=True)
        weights[counted] = compute_class_weight(
            "balanced",
            classes=classes,
            y=y[counted],
            sample_weight=sample_weight[counted],
        )[index]
    return weights
