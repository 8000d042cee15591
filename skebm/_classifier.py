"""What the classifiers share: labels in, probabilities out."""

from functools import partial

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d, compute_class_weight, compute_sample_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    check_classification_targets,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import _check_y, check_is_fitted

from ._fine_tuned import FineTunedNetwork, goes_in_batches, network_fields
from ._network_epochs import Targets
from .core.network import Network, Sigmoid, Softmax, cross_entropy

# The label of rows without one, as in sklearn.semi_supervised.
UNLABELLED = -1


def output_of(binarizer):
    """The kind of outputs for labels as they are encoded."""
    several = binarizer.y_type_ == "multilabel-indicator"
    return Sigmoid() if several or len(binarizer.classes_) <= 2 else Softmax()


def accuracy(output, binarizer, params, X, values, weights):
    """Share of the rows with the right label, or labels, by a network's params."""
    outputs = output.mean(network_fields(params, X))
    labels = (binarizer.inverse_transform(x) for x in (values, outputs))
    return float(accuracy_score(*labels, sample_weight=weights))


class FineTunedClassifier(ClassifierMixin, FineTunedNetwork):
    """A network whose outputs are the probabilities of classes, or of labels."""

    _parameter_constraints: dict = {
        **FineTunedNetwork._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    @available_if(goes_in_batches)
    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Pass over X once in minibatches, going on from where training stands.

        The first call pretrains on its rows, unless what is to be fine-tuned is given
        fitted. All calls fine-tune, at the rate `learning_rate_init`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, with values in [0, 1].
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels of the rows.
        classes : array-like of shape (n_classes,), default=None
            All labels that there are. Needed in the first call, and for several labels
            per row their numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, relative to each other within this call.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If `classes` is missing in the first call or changes later, if y holds other
            labels, or if `early_stopping` or ``class_weight="balanced"`` is set.
        FloatingPointError
            If parameters become infinite or NaN. They stay as they were before.
        """
        return self._partial_fit(X, y, sample_weight, classes)

    def _check_y(self, y, going_on, classes):
        """Labels of the labelled rows, and which these are, or None for all."""
        y = _check_y(y, multi_output=True, estimator=self)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if y.dtype.kind in "if":
            labelled = ~np.all(np.reshape(y == UNLABELLED, (len(y), -1)), axis=1)
            known = self.classes_ if going_on else classes
            if known is None:
                # With a single other label, -1 is a class: -1 and 1 are usual.
                is_class = len(np.unique(y[labelled])) < 2
            else:
                is_class = UNLABELLED in known
            if not labelled.all() and not is_class:
                if not labelled.any():
                    raise ValueError(
                        "No row of y has a label, all are -1. To pretrain on rows "
                        f"without labels alone, fit a {self._origin.name.upper()}, and "
                        f"give it as {self._origin.name}."
                    )
                check_classification_targets(y[labelled])
                return y[labelled], labelled
        check_classification_targets(y)
        return y, None

    def _targets(self, y, sample_weight, going_on, method, classes):
        binarizer = self._binarizer(y, going_on, method, classes)
        several = type_of_target(y) == "multilabel-indicator"
        if several != (binarizer.y_type_ == "multilabel-indicator"):
            raise ValueError(
                f"y is {type_of_target(y)}, but this {type(self).__name__} was fitted "
                f"to a y that is {binarizer.y_type_}. Give y of the same form."
            )
        output = output_of(binarizer)
        if method == "partial_fit" and self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows at once. For partial_fit, give "
                "a dict with sklearn.utils.class_weight.compute_class_weight."
            )

        return Targets(
            values=np.asarray(binarizer.transform(y)),
            network=Network(output, cross_entropy),
            row_weights=np.ones(len(y))
            if self.class_weight is None
            else self._class_weights(y, sample_weight, several),
            strata=None if several else y,
            least_held_out=1,
            score=partial(accuracy, output, binarizer),
            attributes={"classes_": binarizer.classes_, "_label_binarizer": binarizer},
        )

    def _class_weights(self, y, sample_weight, several):
        if several:
            return compute_sample_weight(self.class_weight, y)
        classes, index = np.unique(y, return_inverse=True)
        return compute_class_weight(
            self.class_weight, classes=classes, y=y, sample_weight=sample_weight
        )[index]

    def _binarizer(self, y, going_on, method, classes):
        """The encoder of the labels: where training goes on, that of the first fit."""
        if not going_on:
            if method == "partial_fit" and classes is None:
                raise ValueError(
                    "classes must be passed on the first call to partial_fit."
                )
            if classes is None or type_of_target(y) == "multilabel-indicator":
                return LabelBinarizer().fit(y)
            binarizer = LabelBinarizer().fit(classes)
        else:
            binarizer = self._label_binarizer
            if classes is not None and not np.array_equal(
                self.classes_, unique_labels(classes)
            ):
                raise ValueError(
                    f"classes={classes!r} is not what it was on the first call of "
                    f"partial_fit, {self.classes_!r}."
                )
        other = np.setdiff1d(unique_labels(y), binarizer.classes_)
        if len(other):
            raise ValueError(
                f"y has labels {other} that are not among the classes "
                f"{binarizer.classes_}. To learn others, fit anew, without warm_start."
            )
        return binarizer

    def decision_function(self, X):
        """Compute the total inputs of the output units.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        a : ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes that of the second, which is predicted above 0.
        """
        a = self._fields(X, "decision_function")
        return a[:, 0] if a.shape[1] == 1 else a

    def predict(self, X):
        """Predict the labels of rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            The most probable class, or the labels of a probability above 1/2.
        """
        outputs = self._output().mean(self._fields(X, "predict"))
        return self._label_binarizer.inverse_transform(outputs)

    def predict_proba(self, X):
        """Compute the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`. Those of several labels do not add up to 1.
        """
        return self._both(self._fields(X, "predict_proba"), self._output().mean)

    def predict_log_proba(self, X):
        """Compute the logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`; finite even where a probability is rounded to 0.
        """
        return self._both(self._fields(X, "predict_log_proba"), self._output().log_mean)

    def _both(self, a, function):
        """A function of the outputs; for two classes, of either of them."""
        if a.shape[1] > 1:
            return function(a)
        return np.hstack([function(-a), function(a)])[:, : len(self.classes_)]

    def _output(self):
        check_is_fitted(self)
        return output_of(self._label_binarizer)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
