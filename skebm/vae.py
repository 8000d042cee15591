"""Variational autoencoders."""

from numbers import Integral

from sklearn.base import _fit_context
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from ._queries import LikelihoodMixin, with_observed
from ._resuming import Call
from ._validation import check_rows
from ._variational import BaseVariationalAutoencoder, Classes
from .core.backend import zeros
from .core.rows import by_blocks, float_dtype
from .core.streams import Purpose
from .core.variational_bounds import shared_noise
from .core.variational_queries import filled


class VAE(LikelihoodMixin, BaseVariationalAutoencoder):
    """Variational autoencoder: rows from a few normal numbers by a network, and back.

    Latent units z are standard normal, and a network, the decoder, turns them into the
    distribution of the features [1]_ [2]_:

    .. math:: p(x) = \\int p(x \\mid z) \\, N(z; 0, I) \\, dz .

    Another network, the encoder, gives a normal distribution :math:`q(z \\mid x)` of
    the latent units of a row. Both are trained together by stochastic gradient ascent
    on a lower bound of the log-likelihood, which :meth:`score_samples` computes with
    more draws of q. In contrast to a Boltzmann machine, rows are drawn without Markov
    chains, and there is no partition function.

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
    warm_start : bool, default=False
        Whether :meth:`fit` goes on from the parameters of the last call.
    verbose : int, default=0
        Whether to print a line per epoch.
    random_state : int, RandomState instance or None, default=None
        Seed of all random numbers: an int gives the same results on every call.

    Attributes
    ----------
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
    ConditionalVAE : The same with classes.
    BernoulliRBM : An undirected model of binary rows.
    sklearn.decomposition.FactorAnalysis : The linear model, of normal features.

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

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skebm import VAE
    >>> X = load_digits().data / 16
    >>> vae = VAE(5, hidden_layer_sizes=(50,), n_iter=20, random_state=0).fit(X)
    >>> vae.transform(X).shape
    (1797, 5)
    >>> bool(vae.score(X) > vae.score(1 - X))
    True
    >>> vae.sample(2, random_state=0).shape
    (2, 64)
    """

    _score_name = "lower bound of the log-likelihood (nats)"
    _parameter_constraints: dict = {**BaseVariationalAutoencoder._parameter_constraints}

    def __init__(
        self,
        n_components=50,
        *,
        hidden_layer_sizes=(500, 500),
        activation="relu",
        decoder="bernoulli",
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
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.decoder = decoder
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
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the model to X, in `n_iter` passes over all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data: with values in [0, 1] for the decoder "bernoulli".

        y : Ignored
            Not used, present for consistency.

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
            If X holds NaN or infinity, if a weight is negative or all are zero, or if
            there are too few rows to hold out.
        FloatingPointError
            If the parameters become infinite or NaN: the learning rate is too high.
        """
        going_on = self.warm_start and self.__sklearn_is_fitted__()
        return self._train(X, y, sample_weight, Call("fit", going_on))

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Pass once over X in minibatches, going on from where training stands.

        The optimiser's state and random streams continue. The learning rate is
        `learning_rate`, whatever the schedule. With ``decoder="gaussian"`` the first
        call decides on how rows are standardised: features should vary in it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, as in :meth:`fit`.

        y : Ignored
            Not used, present for consistency.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, relative to each other within this call.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X holds NaN or infinity, if a weight is negative or all are zero, or if
            `early_stopping` is set.
        FloatingPointError
            If the parameters become infinite or NaN. They stay as they were before.
        """
        call = Call("partial_fit", self.__sklearn_is_fitted__())
        return self._train(X, y, sample_weight, call)

    def sample(self, n_samples=1, *, means=False, random_state=None):
        """Draw rows from the model: latent units from the prior, then the features.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows to draw.
        means : bool, default=False
            Whether to return the means of the features given the latent units, in
            place of features drawn given these.
        random_state : int, RandomState instance or None, default=None
            Seed of the random numbers: an int gives the same rows on every call.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)
            The rows.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        draws = self._draws(Purpose.SAMPLE, random_state)
        array = self.encoder_coefs_[0]
        z = shared_noise(n_samples, self._n_features_out, array, draws)
        return self._drawn(z, zeros((n_samples, 0), array), means, draws)

    def impute(self, X, *, n_gibbs_steps=500, random_state=None):
        """Fill missing entries by their conditional mean, given the observed ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows with NaN for missing entries; a row may be missing altogether.
        n_gibbs_steps : int, default=500
            Steps of each row's Markov chain, over which the mean is taken, after a
            fifth as many that are not used. Each proposes latent units as the encoder
            has them, to be accepted or not by the model, and draws the missing entries
            given these [1]_.
        random_state : int, RandomState instance or None, default=None
            Seed of the random numbers: an int gives the same values on every call.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features)
            The rows, observed entries unchanged, missing ones as means.

        References
        ----------
        .. [1] Mattei, P.-A. and Frellsen, J. (2018). Leveraging the exact likelihood of
           deep latent variable models. Advances in Neural Information Processing
           Systems 31, 3855-3866.
        """
        check_is_fitted(self)
        check_scalar(n_gibbs_steps, "n_gibbs_steps", Integral, min_val=1)
        draws, kind = self._draws(Purpose.IMPUTE, random_state), self._visible_kind()
        X = check_rows(self, X, method="impute", kind=kind, missing=True)
        fitted = self._autoencoder(float_dtype(X))
        steps = n_gibbs_steps, n_gibbs_steps // 5

        def fill(rows):
            states = filled(
                fitted.model, fitted.params, kind.encode(rows), *steps, draws
            )
            return with_observed(kind.decode(states), rows)

        return by_blocks(fill, X, float_dtype(X))

    def _classes_of(self, y, X, weights, call):
        return Classes(zeros((X.shape[0], 0), weights))

    def _log_prior(self, dtype):
        return None
