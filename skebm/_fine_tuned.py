"""Networks that are fine-tuned to predict: what estimators share."""

import numpy as np
from sklearn import config_context
from sklearn.base import _fit_context
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import check_consistent_length

from ._networks import BaseNetwork, some_rows
from ._resuming import Call
from ._stacking import computed
from ._validation import check_sum, refuse_no_target
from .core import fine_tuning
from .core.backend import like, on_host, to_numpy
from .core.network import output_field, top_layer
from .core.rows import Beside, Encoded, by_blocks


def fields(params, rows):
    """Total inputs of the outputs of a network, (n_rows, n_outputs)."""
    return output_field(params, top_layer(params, rows))


def network_fields(params, X):
    """The same of all rows, which have what the network gets beside them."""
    return by_blocks(lambda rows: fields(params, rows), X, params.biases[0].dtype)


class BaseFineTunedNetwork(BaseNetwork):
    """A network with an output layer above the hidden layers of a model."""

    # What is pretrained checks its own parameters when it is fitted.
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None):
        """Pretrain on the rows, and fine-tune to predict y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, as the lowest machine takes it: with values in [0, 1] where
            its visible units are binary.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            What to predict.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A row of weight 2 counts as the row twice.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X or y holds NaN or infinity, if a weight is negative or all are zero, or
            if parameters contradict each other.
        FloatingPointError
            If parameters become infinite or NaN: a learning rate is too high.

        Warns
        -----
        ConvergenceWarning
            If training has not converged after `max_iter` epochs, unless the learning
            rate falls to zero by then.
        """
        going_on = self.warm_start and self.__sklearn_is_fitted__()
        self._check_solver()
        return self._train(X, y, sample_weight, Call("fit", going_on))

    def _check_y(self, y, going_on, classes):
        """What y holds for the rows with a label, and a mask of these, or None."""
        raise NotImplementedError

    def _targets(self, y, sample_weight, going_on, method, classes):
        """The :class:`skebm._network_epochs.Targets` of checked labels."""
        raise NotImplementedError

    def _data(self, X, y, weights, call):
        """Labelled rows, values and weights, and what y says of them."""
        refuse_no_target(self, y)
        check_consistent_length(X, y)
        with config_context(array_api_dispatch=False):
            y, labelled = self._check_y(on_host(y), call.going_on, call.classes)
        rows, own = X, weights
        if labelled is None:
            labelled = np.ones(X.shape[0], dtype=bool)
        else:
            rows, own = some_rows(X, [weights], np.flatnonzero(labelled))
        targets = self._targets(
            y, to_numpy(own), call.going_on, call.method, call.classes
        )
        with np.errstate(over="ignore"):  # of which the check below tells
            own = own * like(targets.row_weights, own)
        if not np.any(to_numpy(own)):
            raise ValueError(
                "All rows that have a label have the weight zero, from sample_weight "
                "or class_weight: give some of them a positive one."
            )
        check_sum(own)
        data = rows, like(targets.values, own), own
        return data, targets, (labelled, targets.values), labelled

    def _seen(self, part, counted):
        """Of rows or labels those that callbacks see, if there are any callbacks."""
        if counted.all() or not getattr(self, "_skl_callbacks", None):
            return part
        return _safe_indexing(*indexable(part), np.flatnonzero(counted))

    def _network(self, model, targets):
        return targets.network

    def _start(self, model, data, network):
        """The hidden layers of the model, and outputs that fit the values."""
        _, values, weights = data
        hidden = self._origin.hidden(model, weights.dtype)
        return fine_tuning.with_output(hidden, network.output, values, weights)

    def _encoded(self, model, X, dtype):
        """Rows as states, and beside them what the network gets for each."""
        X, beside = Encoded(X, model._visible_kind()), self._origin.beside(model, dtype)
        if beside is None:
            return X
        values = computed(beside, X, dtype)
        beside.warn()
        return Beside(X, values)

    def _fields(self, X, method):
        """Total inputs of the outputs, (n_samples, n_outputs)."""
        return self._of_rows(fields, X, method)

    def transform(self, X):
        """Compute the fine-tuned units of the top hidden layer.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        H : ndarray of shape (n_samples, n_top)
            Values between 0 and 1.
        """
        return self._of_rows(top_layer, X, "transform")
