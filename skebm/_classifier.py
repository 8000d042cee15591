"""What the fine-tuned classifiers share: their network learns labels."""

from functools import partial
from numbers import Real

from sklearn.base import _fit_context
from sklearn.metrics import accuracy_score
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ._fine_tuned import BaseFineTunedNetwork, network_fields
from ._label_scores import LabelledScoreMixin
from ._labels import (
    Labels,
    check_known,
    check_labels,
    class_weights,
    labels_like,
    new_labels,
    refuse_part_of_rows,
)
from ._network_epochs import Targets
from ._networks import goes_in_batches
from .core.backend import on_host, to_numpy
from .core.network import Network, cross_entropy


def accuracy(labels, network, params, X, values, weights):
    """Share of the rows with the right label, or labels, by a network."""
    outputs = network.output.mean(network_fields(params, X))
    both = (labels.decode(to_numpy(x)) for x in (values, outputs))
    return float(accuracy_score(*both, sample_weight=to_numpy(weights)))


class BaseFineTunedClassifier(LabelledScoreMixin, BaseFineTunedNetwork):
    """A network whose outputs are the probabilities of classes, or of labels."""

    _parameter_constraints: dict = {
        **BaseFineTunedNetwork._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "unlabeled": [Real, str, None],
        "adversarial_radius": [Interval(Real, 0, None, closed="left")],
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
            Training data, as the lowest machine takes it: with values in [0, 1] where
            its visible units are binary.
        y : {array-like, sparse matrix} of shape (n_samples,) or (n_samples, n_labels)
            Labels of the rows: classes or, with a column for each of several labels,
            1 where a row has it and 0 where not. Rows that have no label hold
            `unlabeled`.
        classes : array-like of shape (n_classes,), default=None
            All labels that there are, without `unlabeled`. Needed in the first call,
            and for several labels per row the numbers of their columns.
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
            labels or, without `unlabeled`, NaN or None, or if `early_stopping` or
            ``class_weight="balanced"`` is set.
        FloatingPointError
            If parameters become infinite or NaN. They stay as they were before.
        """
        return self._partial_fit(X, y, sample_weight, on_host(classes))

    def _check_y(self, y, going_on, classes):
        """Labels of the labelled rows, and which these are, or None for all."""
        name = self._origin.name
        return check_labels(
            self,
            y,
            self.unlabeled,
            on_host(self.classes_) if going_on else classes,
            "To pretrain on rows without labels alone, fit a "
            f"{name.upper()}, and give it as {name}.",
        )

    def _targets(self, y, sample_weight, going_on, method, classes):
        labels = self._labels() if going_on else None
        if method == "partial_fit":
            refuse_part_of_rows(self.class_weight, labels, classes)
        if labels is None:
            labels, classes = new_labels(y, classes), None
        check_known(self, labels, y, classes)
        return Targets(
            values=labels.encode(y),
            network=Network(labels.output, cross_entropy),
            row_weights=class_weights(self.class_weight, labels, y, sample_weight),
            strata=None if labels.several else y,
            score=partial(accuracy, labels),
            attributes={"classes_": labels.classes, "_several": labels.several},
        )

    def _for_batches(self):
        return *super()._for_batches(), "adversarial_radius"

    def _objective(self, network):
        return super()._objective(network)._replace(radius=self.adversarial_radius)

    def _labels(self):
        check_is_fitted(self)
        return Labels(on_host(self.classes_), self._several)

    def _attributes(self, *args):
        found = super()._attributes(*args)
        return found | {"classes_": labels_like(found["classes_"], found["coefs_"][0])}

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
            The most probable class, or 1 for labels of a probability above 1/2.
        """
        labels, a = self._labels(), self._fields(X, "predict")
        return labels_like(labels.decode(to_numpy(labels.output.mean(a))), a)

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
        labels = self._labels()
        return labels.of_each(labels.output.mean, self._fields(X, "predict_proba"))

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
        labels, a = self._labels(), self._fields(X, "predict_log_proba")
        return labels.of_each(labels.output.log_mean, a)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
