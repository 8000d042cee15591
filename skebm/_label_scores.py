"""Accuracy on the rows that have a label."""

import numpy as np
from sklearn import config_context
from sklearn.base import ClassifierMixin
from sklearn.utils import _safe_indexing, indexable

from ._labels import label_array, marked
from .core.backend import on_host


class LabelledScoreMixin(ClassifierMixin):
    """`score` for classifiers that take rows without a label, which `unlabeled` marks.

    So a grid search works on such rows.
    """

    def score(self, X, y, sample_weight=None):
        """Compute the accuracy on the rows that have a label.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Their labels. Rows that hold `unlabeled` are left out.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        accuracy : float
            Share of the rows for which :meth:`predict` is right.

        Raises
        ------
        ValueError
            If no row has a label.
        """
        if self.unlabeled is None:
            return super().score(X, y, sample_weight)
        with config_context(array_api_dispatch=False):
            mark = marked(label_array(self, on_host(y)), self.unlabeled)
        mark = mark.all(axis=1) if mark.ndim == 2 else mark
        if mark.all():
            raise ValueError(
                f"No row of y has a label, all are unlabeled={self.unlabeled!r}: there "
                "is nothing to score."
            )
        if mark.any():
            rows = np.flatnonzero(~mark)
            X, y, sample_weight = (
                part if part is None else _safe_indexing(part, rows)
                for part in indexable(X, y, sample_weight)
            )
        return super().score(X, y, sample_weight)
