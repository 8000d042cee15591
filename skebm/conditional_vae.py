"""Variational autoencoders with classes."""

import math
from numbers import Integral, Real

import numpy as np
from sklearn import config_context
from sklearn.base import _fit_context
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ._label_scores import LabelledScoreMixin
from ._labels import Labels, check_known, check_labels, labels_like, new_labels
from ._resuming import Call
from ._validation import refuse_no_target
from ._variational import BaseVariationalAutoencoder, Classes
from .core.backend import like, log_softmax, namespace, on_host, to_numpy
from .core.rows import TINY
from .core.streams import Purpose
from .core.variational_bounds import shared_noise


def _log_shares(mass):
    """Log probabilities of classes, from the sums of their weights."""
    xp = namespace(mass)
    return xp.log((mass + TINY) / xp.sum(mass))


class ConditionalVAE(LabelledScoreMixin, BaseVariationalAutoencoder):
    """Variational autoencoder with classes: it draws rows of a class, and classifies.

    The latent units of each class y have a mean of their own, which is learned:

    .. math:: p(x, y) = p(y) \\int p(x \\mid z) \\, N(z; m_y, I) \\, dz .

    A row is classified by Bayes' rule, from lower bounds of :math:`\\log p(x, y)` for
    all classes. Rows without a class help to train: they may be of any class, and
    their bound is that of p(x). The rest is as in :class:`VAE` [1]_ [2]_.

    Parameters
    ----------
    n_components : int, default=50
        Number of latent units.
    hidden_layer_sizes : int or array-like of shape (n_layers,), default=(500, 500)
        Numbers of hidden units of the encoder, from the features up. The decoder has
        the same, from the latent units down. With ``()`` both are linear.
    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Kind of the hidden units.
    decoder : {"bernoulli", "gaussian"}, default="bernoulli"
        Distribution of the features given the latent units: binary, for values in
        [0, 1], where others count as 0 or 1 in the likelihood; or normal, with a scale
        of each feature that is learned. Rows are then standardised by the estimator
        itself, and what goes in and comes out is in the user's units. Scores of the two
        cannot be compared: one is a log-probability, the other a log-density.
    label_inputs : bool, default=False
        Whether the class goes into encoder and decoder too, beside the features and the
        latent units [6]_. What is asked of rows without a class is then computed for
        each class, and averaged.
    kl_weight : float, default=1.0
        Weight of the divergence of the posterior from the prior [4]_. With 1 the
        objective is a lower bound of the log-likelihood.
    kl_warmup : int, default=10
        Number of first epochs in which the weight of the divergence grows in even
        steps to `kl_weight`. Without them latent units may die before the decoder has
        learnt to use them. Each call of :meth:`partial_fit` is an epoch.
    n_importance_samples : int, default=1
        Number of draws of the latent units for each row and update. With more than one
        the objective is the importance-weighted bound [3]_: tighter, and slower by
        about that number.
    learning_rate : float, default=0.001
        Step size of Adam [5]_, in the first epoch if there is a schedule.
    learning_rate_schedule : {"constant", "linear", "cosine"}, default="cosine"
        How the learning rate falls towards zero in `n_iter` epochs: "linear" in even
        steps, "cosine" as half a wave, which is slower near both ends. "constant" lets
        it be. :meth:`partial_fit` always uses `learning_rate`.
    batch_size : int or "auto", default="auto"
        Most rows per minibatch. The rows are divided into batches of nearly equal size.
        "auto" is a 500th of the rows, but at least 20 and at most 100; up to 40 rows
        are one batch.
    n_iter : int, default=100
        Number of passes over the rows.
    alpha : float, default=0.0
        Strength of the L2 penalty of the weights. As in scikit-learn's networks, it is
        divided by the number of rows in a batch.
    sample_inputs : bool, default=False
        Whether binary features are drawn from the rows, as probabilities, each time
        that training meets them, in place of being set to these. For grey values.
    shuffle : bool, default=True
        Whether the rows are put in random order in each epoch.
    early_stopping : bool, default=False
        Whether to hold rows out of the fit, to follow their bound from epoch to epoch,
        to stop where it no longer rises, and to keep the parameters of the epoch where
        it was best, of those after `kl_warmup`. If `kl_weight` is not 1, the divergence
        counts by it there, too.
    validation_fraction : float, default=0.1
        Share of the rows that is held out, for `early_stopping`.
    n_iter_no_change : int, default=10
        Number of epochs without a gain of more than `tol` after which `early_stopping`
        stops.
    tol : float, default=0.01
        Least gain of the mean bound of the rows held out, in nats.
    unlabeled : number, str or None, default=None
        What marks the rows of y that have no class: a number such as -1, or a string.
        ``np.nan`` marks those whose class is NaN, None or pandas' ``NA``, also among
        strings. None means that every row has a class.
    warm_start : bool, default=False
        Whether :meth:`fit` goes on from the parameters of the last call.
    verbose : int, default=0
        Whether to print a line per epoch.
    random_state : int, RandomState instance or None, default=None
        Seed of all random numbers: an int gives the same results on every call.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, without the mark of rows that have none.
    class_means_ : ndarray of shape (n_classes, n_components)
        Means of the latent units of each class.
    class_log_prior_ : ndarray of shape (n_classes,)
        Log probabilities of the classes, by their shares of the rows.
    encoder_coefs_ : list of ndarray of shape (n_below, n_above)
        Weights of the encoder, from the features up. The last ones give the means of
        the latent units and then the logarithms of their standard deviations.
    encoder_intercepts_ : list of ndarray of shape (n_above,)
        Its biases.
    decoder_coefs_ : list of ndarray of shape (n_above, n_below)
        Weights of the decoder, from the latent units down.
    decoder_intercepts_ : list of ndarray of shape (n_below,)
        Its biases.
    components_ : ndarray of shape (n_hidden, n_features)
        Weights between the features and the first hidden layer of the encoder.
    scale_ : ndarray of shape (n_features,)
        Standard deviations of the features given the latent units, in the user's
        units. Only with ``decoder="gaussian"``.
    n_iter_ : int
        Number of epochs since training began, also where `early_stopping` kept the
        parameters of an earlier one.
    history_ : dict of lists of float
        One number per epoch for each quantity: "loss", minus the mean objective of the
        rows while they were trained on; "kl_divergence", the mean divergence of the
        posterior from the prior, and "active_units", the number of latent units whose
        mean varies, both of up to 500 rows; and with `early_stopping`
        "validation_bound", the mean bound of the rows held out.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in fit, where X has string names for all.

    See Also
    --------
    VAE : The same without classes.
    DBNClassifier : A network that is fine-tuned, often a better classifier.

    References
    ----------
    .. [1] Kingma, D. P. and Welling, M. (2014). Auto-encoding variational Bayes.
       International Conference on Learning Representations.
    .. [2] Rezende, D. J., Mohamed, S. and Wierstra, D. (2014). Stochastic
       backpropagation and approximate inference in deep generative models. Proceedings
       of the 31st International Conference on Machine Learning, 1278-1286.
    .. [3] Burda, Y., Grosse, R. and Salakhutdinov, R. (2016). Importance weighted
       autoencoders. International Conference on Learning Representations.
    .. [4] Higgins, I. et al. (2017). beta-VAE: learning basic visual concepts with a
       constrained variational framework. International Conference on Learning
       Representations.
    .. [5] Kingma, D. P. and Ba, J. (2015). Adam: a method for stochastic optimization.
       International Conference on Learning Representations.
    .. [6] Kingma, D. P., Rezende, D. J., Mohamed, S. and Welling, M. (2014).
       Semi-supervised learning with deep generative models. Advances in Neural
       Information Processing Systems 27, 3581-3589.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skebm import ConditionalVAE
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X / 16
    >>> model = ConditionalVAE(
    ...     8, hidden_layer_sizes=(50,), label_inputs=True, n_iter=30, random_state=0
    ... ).fit(X[:1400], y[:1400])
    >>> sevens, _ = model.sample(3, y=7, random_state=0)
    >>> sevens.shape
    (3, 64)
    >>> bool(model.score(X[1400:], y[1400:]) > 0.8)
    True
    """

    _parameter_constraints: dict = {
        **BaseVariationalAutoencoder._parameter_constraints,
        "label_inputs": ["boolean"],
        "unlabeled": [Real, str, None],
    }

    def __init__(
        self,
        n_components=50,
        *,
        hidden_layer_sizes=(500, 500),
        activation="relu",
        decoder="bernoulli",
        label_inputs=False,
        kl_weight=1.0,
        kl_warmup=10,
        n_importance_samples=1,
        learning_rate=1e-3,
        learning_rate_schedule="cosine",
        batch_size="auto",
        n_iter=100,
        alpha=0.0,
        sample_inputs=False,
        shuffle=True,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=0.01,
        unlabeled=None,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.decoder = decoder
        self.label_inputs = label_inputs
        self.kl_weight = kl_weight
        self.kl_warmup = kl_warmup
        self.n_importance_samples = n_importance_samples
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.alpha = alpha
        self.sample_inputs = sample_inputs
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.unlabeled = unlabeled
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the model to X and y, in `n_iter` passes over all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data: with values in [0, 1] for the decoder "bernoulli".
        y : array-like of shape (n_samples,)
            Classes of the rows. Rows that have none hold `unlabeled`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A row of weight 2 counts as the row twice: exactly
            where all rows are in one batch and `sample_inputs` is not set, and else but
            for chance.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X holds NaN or infinity, if y is of several columns, if a weight is
            negative or all are zero, or if there are too few rows to hold out.
        FloatingPointError
            If the parameters become infinite or NaN: the learning rate is too high.
        """
        going_on = self.warm_start and self.__sklearn_is_fitted__()
        return self._train(X, y, sample_weight, Call("fit", going_on))

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Pass once over X in minibatches, going on from where training stands.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, as in :meth:`fit`.
        y : array-like of shape (n_samples,)
            Classes of the rows. Rows that have none hold `unlabeled`.
        classes : array-like of shape (n_classes,), default=None
            All classes that there are, without `unlabeled`. Needed in the first call.
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
            classes, or if `early_stopping` is set.
        FloatingPointError
            If the parameters become infinite or NaN. They stay as they were before.
        """
        going_on = self.__sklearn_is_fitted__()
        if not going_on and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        call = Call("partial_fit", going_on, classes=on_host(classes))
        return self._train(X, y, sample_weight, call)

    def _classes_of(self, y, X, weights, call):
        refuse_no_target(self, y)
        check_consistent_length(X, y)
        known = on_host(self.classes_) if call.going_on else call.classes
        otherwise = "To learn from rows without classes alone, fit a VAE."
        with config_context(array_api_dispatch=False):
            y, labelled = check_labels(
                self, on_host(y), self.unlabeled, known, otherwise
            )
        if y.ndim == 2:
            raise ValueError(
                f"y has {y.shape[1]} columns, but ConditionalVAE takes one class for "
                "each row."
            )
        labels, classes, mass = None, call.classes, 0.0
        if call.going_on:
            labels, mass = Labels(known, False), to_numpy(self._class_mass)
        if labels is None:
            labels, classes = new_labels(y, classes), None
        check_known(self, labels, y, classes)
        array, weights = weights, to_numpy(weights)
        rows = np.zeros((X.shape[0], len(labels.classes)), dtype=weights.dtype)
        numbers = (
            np.arange(X.shape[0]) if labelled is None else np.flatnonzero(labelled)
        )
        rows[numbers, np.searchsorted(labels.classes, y)] = 1.0
        counted = weights @ rows
        if not counted.any():
            raise ValueError(
                "All rows that have a class have the weight zero: give some of them a "
                "positive one."
            )
        if not call.going_on or call.carried() is None:  # else they are in it already
            mass = mass + counted
        mass = like(mass, array)
        attributes = {
            "classes_": labels_like(labels.classes, array),
            "_class_mass": mass,
        }
        return Classes(like(rows, array), _log_shares(mass), attributes)

    def _log_prior(self, dtype):
        log_shares = _log_shares(self._class_mass)
        return namespace(log_shares).astype(log_shares, dtype, copy=False)

    @property
    def class_log_prior_(self):
        """Give the log probabilities of the classes.

        Returns
        -------
        class_log_prior : ndarray of shape (n_classes,)
            By their shares of the rows that have a class, weighted.
        """
        check_is_fitted(self)
        return _log_shares(self._class_mass)

    @property
    def class_means_(self):
        """Give the means of the latent units of each class.

        Returns
        -------
        class_means : ndarray of shape (n_classes, n_components)
            The means of its prior.
        """
        check_is_fitted(self)
        return self._further[-1]

    def predict_log_proba(self, X):
        """Compute the logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`: by Bayes' rule from importance-weighted bounds
            of log p(x, y), by 100 draws of the latent units that the fit has fixed. No
            lower than the logarithm of the least positive number of the dtype.
        """
        return self._log_proba(X, "predict_log_proba")

    def _log_proba(self, X, method):
        """What a method that X was given to needs of its classes."""

        def of_states(fitted, x):
            log_p = log_softmax(fitted.joint_bounds(x, self._shared_noise(x)))
            xp = namespace(log_p)
            return xp.clip(log_p, math.log(xp.finfo(x.dtype).smallest_normal))

        return self._of_rows(of_states, X, method)

    def predict_proba(self, X):
        """Compute the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`: see :meth:`predict_log_proba`.
        """
        log_p = self._log_proba(X, "predict_proba")
        return namespace(log_p).exp(log_p)

    def predict(self, X):
        """Predict the classes of rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            The most probable classes.
        """
        check_is_fitted(self)
        log_p = self._log_proba(X, "predict")
        return self._named(to_numpy(namespace(log_p).argmax(log_p, axis=1)), log_p)

    def _named(self, numbers, array):
        """Classes of these numbers, which are NumPy's, where `array` is."""
        return labels_like(on_host(self.classes_)[numbers], array)

    def sample(self, n_samples=1, *, y=None, means=False, random_state=None):
        """Draw rows and their classes: classes, latent units, and then the features.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows to draw.
        y : object or array-like of shape (n_samples,), default=None
            Class of all rows, or classes of each. None draws them by their shares.
        means : bool, default=False
            Whether to return the means of the features given the latent units, in
            place of features drawn given these.
        random_state : int, RandomState instance or None, default=None
            Seed of the random numbers: an int gives the same rows on every call.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The rows.
        y : ndarray of shape (n_samples,)
            Their classes.

        Raises
        ------
        ValueError
            If `y` is not of `classes_`, or of another number of rows.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        draws = self._draws(Purpose.SAMPLE, random_state)
        array = self.encoder_coefs_[0]
        if y is None:
            reached = np.cumsum(np.exp(to_numpy(self.class_log_prior_)))
            drawn = to_numpy(draws.uniform((n_samples,))) * reached[-1]
            numbers = np.searchsorted(reached, drawn, side="right")
            numbers = np.minimum(numbers, len(reached) - 1)
        else:
            numbers = self._numbers_of(y, n_samples)
        rows = like(np.eye(self.classes_.shape[0])[numbers], array)
        z = shared_noise(n_samples, self._n_features_out, array, draws)
        drawn = self._drawn(z + rows @ self.class_means_, rows, means, draws)
        return drawn, self._named(numbers, array)

    def _numbers_of(self, y, n_samples):
        """Numbers of the classes that are asked for."""
        y, classes = np.asarray(on_host(y)), on_host(self.classes_)
        if y.ndim > 1 or (y.ndim == 1 and len(y) != n_samples):
            raise ValueError(
                f"y has shape {y.shape}, but should be a class, or a class for each of "
                f"{n_samples} samples."
            )
        known = classes.tolist()
        asked = np.broadcast_to(y, n_samples).tolist()
        unknown = [label for label in asked if label not in known]
        if unknown:
            raise ValueError(
                f"y has the class {unknown[0]!r}, which is not among {classes}."
            )
        return np.array([known.index(label) for label in asked])
