"""Labels in, probabilities out: what a classifier makes of y, whatever it trains."""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils import column_or_1d, compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import _check_y

from .core.network import Sigmoid, Softmax

# The label of rows without one, as in sklearn.semi_supervised.
UNLABELLED = -1


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
            return np.hstack([function(-a), function(a)])
        return function(a)


def check_labels(estimator, y, known, otherwise):
    """Labels of the labelled rows, and which these are, or None for all.

    `known` are the classes, if these are known. `otherwise` says what to do where no
    row has a label.
    """
    y = _check_y(y, multi_output=True, estimator=estimator)
    if sparse.issparse(y):
        y = y.toarray()
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    if y.dtype.kind in "if":
        labelled = ~np.all(np.reshape(y == UNLABELLED, (len(y), -1)), axis=1)
        if known is None:
            # With a single other label, -1 is a class: -1 and 1 are usual.
            is_class = len(np.unique(y[labelled])) < 2
        else:
            is_class = UNLABELLED in known
        if not labelled.all() and not is_class:
            if not labelled.any():
                raise ValueError(f"No row of y has a label, all are -1. {otherwise}")
            refuse_values(y[labelled])
            return y[labelled], labelled
    refuse_values(y)
    return y, None


def refuse_values(y):
    """Raise an error unless y holds classes or, for several labels, 0 and 1."""
    if y.ndim == 1:
        check_classification_targets(y)
        return
    values = np.unique(y)
    if y.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise ValueError(
            f"y has {y.shape[1]} columns, one for each label that a row may have, and "
            f"so must hold 0 or 1, but it holds {values}. Give 1 where a row has the "
            "label, and 0 where it has not."
        )


def new_labels(y, classes=None):
    """The labels that there are: those of y, or `classes`, where y is but a part."""
    if y.ndim == 1:
        known = np.unique(y) if classes is None else unique_labels(classes)
        return Labels(known, several=False)
    columns = np.arange(y.shape[1])
    if classes is not None and not np.array_equal(unique_labels(classes), columns):
        raise ValueError(
            f"classes={classes!r} must be the numbers of the columns of y, 0 to "
            f"{columns[-1]}, where a row may have several labels."
        )
    return Labels(columns, several=True)


def check_known(estimator, labels, y, classes=None):
    """Raise an error unless y, and `classes` if given, have labels that are known."""
    if classes is not None and not np.array_equal(
        labels.classes, unique_labels(classes)
    ):
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


def class_weights(class_weight, y, sample_weight):
    """Weights of the rows, by those of their classes."""
    if class_weight is None:
        return np.ones(len(y))
    if y.ndim == 2:
        return compute_sample_weight(class_weight, y)
    classes, index = np.unique(y, return_inverse=True)
    return compute_class_weight(
        class_weight, classes=classes, y=y, sample_weight=sample_weight
    )[index]
