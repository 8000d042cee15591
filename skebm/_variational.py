"""What variational autoencoders share: training, and what can be asked of them."""

from numbers import Integral, Real
from typing import NamedTuple

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_scalar
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ._base import SCHEDULES, usual_batch_size
from ._fitting import Fit, Trainable
from ._vae_epochs import Data, Run, VariationalEpochs
from ._validation import (
    check_hidden,
    check_rows,
    check_weights,
    draw_seed,
    refuse_early_stopping,
)
from .core import fine_tuning, optimise, variational_training
from .core.backend import namespace
from .core.gaussian import Gaussian
from .core.machine import Params
from .core.network import ACTIVATIONS
from .core.rows import (
    Encoded,
    Subset,
    by_blocks,
    column_means,
    divided,
    float_dtype,
)
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


def sizes_of(hidden_layer_sizes):
    """Numbers of hidden units as a list, which may be empty."""
    if isinstance(hidden_layer_sizes, Integral):
        hidden_layer_sizes = [hidden_layer_sizes]
    sizes = list(hidden_layer_sizes)
    if not all(isinstance(n, Integral) and n >= 1 for n in sizes):
        raise ValueError(
            "hidden_layer_sizes must be integers of at least 1, or () for networks "
            f"without hidden layers, got {hidden_layer_sizes!r}."
        )
    return [int(n) for n in sizes]


class Classes(NamedTuple):
    """Classes of rows (n_rows, n_classes) of 0 and 1, where a row of 0 may be any.

    `log_prior` are their log probabilities, or None where there are no classes, and
    `attributes` what is written of them after the fit.
    """

    rows: object
    log_prior: object = None
    attributes: dict = {}


def as_lists(params):
    """Params in plain containers, whose arrays scikit-learn moves between devices."""
    return [list(group) for group in params]


class BaseVariationalAutoencoder(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, Trainable
):
    """Encoder, decoder, and their training, whatever the prior."""

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "decoder": [StrOptions(set(DECODERS))],
        "kl_weight": [Interval(Real, 0, None, closed="left")],
        "kl_warmup": [Interval(Integral, 0, None, closed="left")],
        "n_importance_samples": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "learning_rate_schedule": [StrOptions(set(SCHEDULES))],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "n_iter": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "sample_inputs": ["boolean"],
        "shuffle": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    # What the border of the visible units knows of the rows of the fit.
    _border = None

    # Whether the class goes into encoder and decoder, where there are classes.
    label_inputs = False

    def _classes_of(self, y, X, weights, call):
        """The :class:`Classes` of checked rows."""
        raise NotImplementedError

    def _log_prior(self, dtype):
        """Log probabilities of the classes of the fit, or None without classes."""
        raise NotImplementedError

    def _train(self, X_given, y, sample_weight, call):
        going_on, rates = call.going_on, self._rates(call.method)
        kind = self._visible_kind() if going_on else DECODERS[self.decoder]()
        X = call.rows(
            check_rows(self, X_given, method=call.method, kind=kind, new=not going_on)
        )
        dtype = float_dtype(self.components_ if going_on else X)
        weights = check_weights(sample_weight, X, dtype)
        seed, sizes = call.seed(self), sizes_of(self.hidden_layer_sizes)
        classes = self._classes_of(y, X, weights, call)
        if going_on:
            self._check_sizes([*sizes, self.n_components])
        with Fit(
            self,
            X_given,
            y,
            call,
            seed=seed,
            data=(X, weights, classes.rows),
            n_tasks=len(rates),
            names=classes.attributes.get("classes_", ()),
        ) as fit:
            kind = kind if going_on else kind.fitted(X, weights)
            settings = self._settings(kind, classes, X.shape[0], len(sizes), seed)
            rows = Data(Encoded(X, kind), classes.rows, weights)
            data, held_out = self._divided(rows, seed)
            run = call.carried()
            if run is None:
                run = self._first_run(data, settings, sizes, call)
            more = classes.attributes
            fit.train(
                VariationalEpochs(self, rates, run, data, held_out, settings, more)
            )
            fit.end()
        return self

    def _rates(self, method):
        """Learning rates of the epochs."""
        if method == "fit":
            schedule = SCHEDULES[self.learning_rate_schedule]
            return schedule(self.learning_rate, self.n_iter)
        refuse_early_stopping(self)
        return [self.learning_rate]

    def _settings(self, kind, classes, n_rows, n_hidden, seed):
        objective = variational_training.Objective(
            self._model(kind, n_hidden, classes.rows.shape[1]),
            self.n_importance_samples,
            self.kl_weight,
            self.sample_inputs,
            classes.log_prior,
        )
        auto = self.batch_size == "auto"
        return fine_tuning.Settings(
            objective=objective,
            optimiser=optimise.Adam(),
            batch_size=usual_batch_size(n_rows) if auto else self.batch_size,
            alpha=self.alpha,
            shuffle=self.shuffle,
            seed=seed,
        )

    def _model(self, kind, n_hidden, n_classes):
        """The core's model, besides its params."""
        least = None
        if self.decoder == "gaussian":
            least = namespace(kind.scale).log(kind.least / kind.scale)
        return Model(
            kind,
            ACTIVATIONS[self.activation],
            n_hidden,
            least,
            n_classes,
            self.label_inputs and n_classes > 0,
        )

    def _divided(self, data, seed):
        """Rows to fit to, of those that weigh something; those held out, or None."""
        X, y, weights = data
        xp, held_out = namespace(weights), None
        numbers = xp.nonzero(weights > 0.0)[0]
        n_rows = numbers.shape[0]
        if self.early_stopping:
            draws = stream(seed, Purpose.VALIDATION, weights)
            out, numbers = divided(numbers, self.validation_fraction, draws)
            if numbers.shape[0] == 0:
                raise ValueError(
                    f"early_stopping holds out all of the {n_rows} rows that have a "
                    "positive weight. Give more rows, set validation_fraction (now "
                    f"{self.validation_fraction:g}) lower, or early_stopping=False."
                )
            held_out = Subset(X, xp.sort(out)), xp.take(weights, xp.sort(out))
        elif n_rows == X.shape[0]:
            return data, None
        numbers = xp.sort(numbers)
        parts = (xp.take(y, numbers, axis=0), xp.take(weights, numbers))
        return Data(Subset(X, numbers), *parts), held_out

    def _first_run(self, data, settings, sizes, call):
        """What the first epoch starts from."""
        if call.going_on:
            params, saved = self._read_params(), self._moments
            moments = settings.optimiser.init(params)
            if call.method == "partial_fit":
                first, second = (
                    Params(*map(tuple, saved[name])) for name in ("first", "second")
                )
                moments = optimise.Moments(first, second, saved["n_steps"])
            state = fine_tuning.State(params, moments, self.n_iter_)
            return Run(state, self.history_, self.n_iter_)
        mean, _ = column_means(data.X, data.weights)
        draws = stream(settings.seed, Purpose.INITIAL, mean)
        params = variational_training.initial_params(
            settings.objective.model, mean, sizes, self.n_components, draws
        )
        moments = settings.optimiser.init(params)
        return Run(fine_tuning.State(params, moments, 0), {}, 0)

    def _check_sizes(self, sizes):
        coefs = self.encoder_coefs_
        own = [W.shape[1] for W in coefs[:-1]] + [coefs[-1].shape[1] // 2]
        if own != sizes:
            raise ValueError(
                f"This {type(self).__name__} has hidden layers and components of sizes "
                f"{own}, but its parameters now ask for {sizes}. To go on, as "
                "warm_start and partial_fit do, set them back; to change the sizes, "
                "fit anew with warm_start=False."
            )

    def _attributes(self, run, settings, more):
        """The run as fitted attributes: of its best epoch, if rows were held out."""
        state, model = run.best or run.state, settings.objective.model
        parts, moments = parts_of(model, state.params), state.moments
        return {
            **more,
            "encoder_coefs_": list(parts.encoder.weights),
            "encoder_intercepts_": list(parts.encoder.biases),
            "decoder_coefs_": list(parts.decoder.weights),
            "decoder_intercepts_": list(parts.decoder.biases),
            "n_iter_": run.state.epoch,
            "history_": run.history,
            "_further": [
                x for x in (parts.log_scale, parts.class_means) if x is not None
            ],
            "_border": model.visible.saved(),
            "_seed": settings.seed,
            "_moments": {
                "first": as_lists(moments.first),
                "second": as_lists(moments.second),
                "n_steps": moments.n_steps,
            },
        }

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
        model = self._model(self._visible_kind(), n_hidden, n_classes)
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
        return shared_noise(n_draws, self.n_components, x, draws)

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
        mean, std = found[:, : self.n_components], found[:, self.n_components :]
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
        return self.decoder_coefs_[0].shape[0]

    def __sklearn_is_fitted__(self):
        return hasattr(self, "encoder_coefs_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
