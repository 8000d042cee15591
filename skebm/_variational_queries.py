"""What can be asked of a fitted variational autoencoder."""

from numbers import Integral

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from ._validation import check_hidden, check_rows, draw_seed
from .core.backend import namespace
from .core.gaussian import Gaussian
from .core.machine import Params
from .core.network import ACTIVATIONS
from .core.rows import Encoded, by_blocks, float_dtype
from .core.streams import Purpose, stream
from .core.units import Bernoulli
from .core.variational import (
    Model,
    drawn_rows,
    log_scale_of,
    parts_of,
    visible_means,
)
from .core.variational_bounds import evidence_bound, importance_bound, shared_noise
from .core.variational_queries import Autoencoder

# Draws of the latent units for each row, by which its class is told.
CLASS_DRAWS = 100

DECODERS = {"bernoulli": Bernoulli, "gaussian": Gaussian}


def model_of(kind, n_hidden, n_classes, networks):
    """The core's model, besides its params, of what an estimator says of networks."""
    least = None
    if isinstance(kind, Gaussian):
        least = namespace(kind.scale).log(kind.least / kind.scale)
    return Model(
        kind,
        ACTIVATIONS[networks["activation"]],
        n_hidden,
        least,
        n_classes,
        networks["label_inputs"] and n_classes > 0,
    )


class VariationalQueriesMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Codes, bounds, reconstructions; and the core's autoencoder that they ask."""

    # What the border of the visible units knows of the rows of the fit.
    _border = None

    # Whether the class goes into encoder and decoder, where there are classes.
    label_inputs = False

    def _log_prior(self, dtype):
        """Log probabilities of the classes of the fit, or None without classes."""
        raise NotImplementedError

    def _read_params(self):
        """Params from the fitted attributes, without copies."""
        return Params(
            (*self.encoder_coefs_, *self.decoder_coefs_),
            (*self.encoder_intercepts_, *self.decoder_intercepts_, *self._further),
        )

    def _visible_kind(self):
        """The kind of the visible units, whose border rows have to cross."""
        return DECODERS[self.decoder]().restored(self._border)

    def _autoencoder(self, dtype):
        """The core's autoencoder, as the fitted attributes are now."""
        params, log_prior = self._read_params(), self._log_prior(dtype)
        xp = namespace(params.biases[0])
        cast = (tuple(xp.astype(x, dtype, copy=False) for x in g) for g in params)
        n_classes = 0 if log_prior is None else log_prior.shape[0]
        n_hidden = len(self.encoder_coefs_) - 1
        model = model_of(self._visible_kind(), n_hidden, n_classes, self._networks)
        if model.least is not None:
            model = model._replace(least=xp.astype(model.least, dtype, copy=False))
        return Autoencoder(model, Params(*cast), log_prior)

    def _of_rows(self, function, X, method):
        """`function` of autoencoder and states, a block of rows at a time."""
        check_is_fitted(self)
        kind = self._visible_kind()
        X = check_rows(self, X, method=method, kind=kind)
        dtype = float_dtype(X)
        fitted = self._autoencoder(dtype)
        return by_blocks(lambda x: function(fitted, x), Encoded(X, kind), dtype)

    def _shared_noise(self, x, n_draws=CLASS_DRAWS):
        """Noise of the fit for draws of the latent units, the same for all rows."""
        draws = stream(self._seed, Purpose.BOUND, x)
        return shared_noise(n_draws, self._n_features_out, x, draws)

    def transform(self, X, return_std=False):
        """Compute the means of the latent units, given the rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        return_std : bool, default=False
            Whether to return the standard deviations of the latent units too.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components)
            Means of ``q(z | X)``.
        std : ndarray of shape (n_samples, n_components)
            Its standard deviations, if `return_std` is set.
        """

        def posterior(fitted, x):
            mean, variance = fitted.posterior(x, self._shared_noise(x))
            return namespace(x).concat([mean, variance**0.5], axis=1)

        found = self._of_rows(posterior, X, "transform")
        mean, std = found[:, : self._n_features_out], found[:, self._n_features_out :]
        return (mean, std) if return_std else mean

    def inverse_transform(self, X):
        """Compute the means of the features, given latent units.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Latent units.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)
            The decoder's means.
        """
        check_is_fitted(self)
        Z = check_hidden(self, X)
        dtype = float_dtype(Z)
        fitted = self._autoencoder(dtype)
        kind = fitted.model.visible
        return by_blocks(lambda z: kind.decode(fitted.decoded(z)), Z, dtype)

    def reconstruct(self, X):
        """The rows passed up to the latent units and down again, by means.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)
            The decoder's means, given the encoder's.
        """

        def up_and_down(fitted, x):
            states = fitted.reconstructed(x, self._shared_noise(x))
            return fitted.model.visible.decode(states)

        return self._of_rows(up_and_down, X, "reconstruct")

    def elbo(self, X, n_samples=100):
        """Evidence lower bound of each row, in nats.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.
        n_samples : int, default=100
            Number of draws of the latent units for each row, by which the
            reconstruction is averaged. Their random numbers are those of the fit, and
            the same for all rows; the divergence from the prior is exact.

        Returns
        -------
        elbo : ndarray of shape (n_samples,)
            ``E_q log p(x | z) - KL(q(z | x) || p(z))``, a lower bound of log p(x).
        """
        return self._bound(evidence_bound, X, n_samples, "elbo")

    def score_samples(self, X, n_samples=100):
        """Importance-weighted lower bound of the log-likelihood of each row, in nats.

        It is the log of the mean of ``p(x, z) / q(z | x)`` over draws of the latent
        units from the encoder [1]_: on average a lower bound of log p(x), which rises
        towards it with the number of draws.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.
        n_samples : int, default=100
            Number of draws for each row; published figures take 5000. Their random
            numbers are those of the fit, and the same for all rows. So the result is
            the same on every call, and for any order or subset of the rows.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            The bound; of real-valued features, the log-density in the user's units.

        References
        ----------
        .. [1] Burda, Y., Grosse, R. and Salakhutdinov, R. (2016). Importance weighted
           autoencoders. International Conference on Learning Representations.
        """
        return self._bound(importance_bound, X, n_samples, "score_samples")

    def _bound(self, function, X, n_samples, method):
        """A bound of each row by so many draws, in the user's units."""
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)

        def of_states(fitted, x):
            return fitted.bounds(x, self._shared_noise(x, n_samples), function)

        jacobian = self._visible_kind().log_jacobian
        return self._of_rows(of_states, X, method) + jacobian

    def _drawn(self, z, y, means, draws):
        """Rows of the user given latent units: drawn, or their means."""
        fitted = self._autoencoder(z.dtype)
        if means:
            states = visible_means(fitted.model, fitted.params, z, y)
        else:
            states = drawn_rows(fitted.model, fitted.params, z, y, draws)
        return fitted.model.visible.decode(states)

    def _draws(self, purpose, random_state):
        return stream(draw_seed(random_state), purpose, self.encoder_coefs_[0])

    @property
    def components_(self):
        """Give the weights between the features and the encoder's first layer.

        Returns
        -------
        components : ndarray of shape (n_units, n_features)
            The first of `encoder_coefs_`, transposed: of the hidden units, or where
            there are none, of the latent units' means and log standard deviations.
        """
        return self.encoder_coefs_[0][: self.n_features_in_, :].T

    @property
    def scale_(self):
        """Give the scales of the features, where these are normal.

        Returns
        -------
        scale : ndarray of shape (n_features,)
            Their standard deviations given the latent units, in the user's units.
        """
        check_is_fitted(self)
        if self.decoder != "gaussian":
            raise AttributeError('scale_ is for decoder="gaussian".')
        model, params, _ = self._autoencoder(self._border["scale"].dtype)
        xp = namespace(params.biases[0])
        log_scale = log_scale_of(model, parts_of(model, params))
        return self._border["scale"] * xp.exp(log_scale)

    @property
    def _n_features_out(self):
        return self.encoder_coefs_[-1].shape[1] // 2
