"""What can be asked of a fitted machine of features and classes."""

from numbers import Integral

import numpy as np
from sklearn import config_context
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ._labels import (
    Labels,
    check_known,
    checked_values,
    label_array,
    labels_like,
    marked,
)
from ._log_partition import LogPartitionMixin
from ._validation import check_hidden, check_rows
from .core.backend import (
    like,
    log_softmax,
    log_sum_exp,
    namespace,
    on_host,
    placed_like,
    softmax,
    to_numpy,
)
from .core.classes import (
    class_fields,
    class_units,
    expected_hidden,
    log_joint,
    of_class,
)
from .core.conditional import sample_visible
from .core.rows import by_blocks, float_dtype
from .core.sampling import top_down
from .core.streams import Purpose
from .core.units import Bernoulli, Held


class ClassQueriesMixin(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, LogPartitionMixin
):
    """Predictions, likelihoods, features and samples."""

    def _units(self, n_layers, reader=None):
        return class_units(self.n_features_in_, self.classes_.shape[0])

    def _labels(self):
        check_is_fitted(self)
        return Labels(on_host(self.classes_), several=False)

    def _rows(self, X, method, new=False):
        """Checked rows."""
        return check_rows(self, X, method=method, kind=Bernoulli(), new=new)

    def _of_rows(self, function, X, method):
        """`function` of the machine, rows and the number of classes, in blocks."""
        check_is_fitted(self)
        X = self._rows(X, method)
        dtype, n_classes = float_dtype(X), self.classes_.shape[0]
        machine = self._machine(dtype)
        return by_blocks(lambda x: function(machine, x, n_classes), X, dtype)

    def predict(self, X):
        """Predict the classes of rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            The most probable class of each.
        """
        fields = self._of_rows(class_fields, X, "predict")
        return self._likeliest(fields)

    def _likeliest(self, values):
        """The classes of which the values are the largest, beside these."""
        numbers = to_numpy(namespace(values).argmax(values, axis=1))
        return labels_like(on_host(self.classes_)[numbers], values)

    def decision_function(self, X):
        """Compute how much free energy each class takes off.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        a : ndarray of shape (n_samples,) or (n_samples, n_classes)
            In nats; of them the softmax gives the probabilities of the classes. For two
            classes it is the log-odds of the second.
        """
        fields = self._of_rows(class_fields, X, "decision_function")
        return fields[:, 1] - fields[:, 0] if fields.shape[1] == 2 else fields

    def predict_proba(self, X):
        """Compute the probabilities of the classes, exactly.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            ``p(y | X)``, in the order of `classes_`.
        """
        return softmax(self._of_rows(class_fields, X, "predict_proba"))

    def predict_log_proba(self, X):
        """Compute the logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            In nats, in the order of `classes_`; finite even where a probability is
            rounded to 0.
        """
        return log_softmax(self._of_rows(class_fields, X, "predict_log_proba"))

    def score_samples(self, X, y=None):
        """Log-likelihood of each row, in nats.

        log Z is exact or estimated by :meth:`log_partition`. Of the estimates that were
        made for the present parameters, it is the exact one, or that of the most
        temperatures times runs; where there is none, the default one.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,), default=None
            Their classes.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            ``log p(X)``, the class summed out, or ``log p(X, y)`` where `y` is given.
            Mind that only the generative part of the objective makes it large.

        Raises
        ------
        ValueError
            If `y` holds a class that the fit had not.

        Warns
        -----
        ConvergenceWarning
            If log Z has to be estimated, and is uncertain by more than 1 nat.
        """
        check_is_fitted(self)
        codes = None if y is None else self._codes(y, X)
        log_p = self._of_rows(log_joint, X, "score_samples")
        if codes is None:
            log_p = log_sum_exp(log_p)
        else:
            log_p = of_class(log_p, placed_like(codes, log_p))
        return log_p - self._log_z(X)

    def _codes(self, y, X):
        """Numbers of the classes of rows, NumPy's."""
        labels = self._labels()
        with config_context(array_api_dispatch=False):
            y = label_array(self, on_host(y))
        check_consistent_length(X, y)
        if marked(y, self.unlabeled).any():
            raise ValueError(
                f"y holds unlabeled={self.unlabeled!r}, but here each row has to be of "
                f"one of the classes {labels.classes}. For the score of a row of any "
                "class, leave y out."
            )
        y = checked_values(y, self.unlabeled)
        check_known(self, labels, y)
        return np.searchsorted(labels.classes, y)

    def transform(self, X):
        """Compute the means of the hidden units, the class summed out.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        H : ndarray of shape (n_samples, n_components)
            ``E[h | X]``, the mean over the classes by their probabilities.
        """
        return self._of_rows(expected_hidden, X, "transform")

    def inverse_transform(self, X):
        """Compute the means of the features, given hidden units.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Hidden units: states, or means as from :meth:`transform`.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)
            The probabilities that the features are 1.
        """
        check_is_fitted(self)
        H = check_hidden(self, X)
        machine, n = self._machine(float_dtype(H)), self.n_features_in_
        return by_blocks(lambda h: top_down(machine, h)[0][:, :n], H, float_dtype(H))

    def sample(self, n_samples=1, *, y=None, n_gibbs_steps=1000, random_state=None):
        """Draw rows and their classes by Gibbs sampling, each from a chain of its own.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows to draw.
        y : object or array-like of shape (n_samples,), default=None
            The class to draw rows of, or one for each row. None draws classes too.
        n_gibbs_steps : int, default=1000
            Gibbs steps for each row. Given classes, half of them are those of chains
            that are annealed, of which one is chosen by the importance weights.
        random_state : int, RandomState instance or None, default=None
            Seed of the random numbers: an int gives the same rows on every call.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The rows, each entry 0 or 1.
        y : ndarray of shape (n_samples,)
            Their classes.

        Raises
        ------
        ValueError
            If `y` holds a class that the fit had not, or is of another length.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        check_scalar(n_gibbs_steps, "n_gibbs_steps", Integral, min_val=0)
        machine, n = self._machine(), self.n_features_in_
        clamped = None if y is None else self._clamped(y, n_samples, machine)
        drawn = sample_visible(
            machine,
            self._data_mean(),
            n_samples,
            n_gibbs_steps,
            self._draws(Purpose.SAMPLE, random_state),
            clamped,
        )
        return drawn[:, :n], self._likeliest(drawn[:, n:])

    def _clamped(self, y, n_samples, machine):
        """What keeps the classes of visible units where they are."""
        y = on_host(y)
        y = np.full(n_samples, y) if np.ndim(y) == 0 else y
        codes = self._codes(y, np.empty((n_samples, 0)))
        array, n = machine.params.biases[0], self.n_features_in_
        units = np.broadcast_to(np.arange(array.shape[0]), (n_samples, array.shape[0]))
        values = like(units == n + codes[:, None], array)
        return Held(placed_like(units >= n, array), values)
