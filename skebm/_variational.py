"""What variational autoencoders share: from checked rows to training and back."""

from numbers import Integral, Real
from typing import NamedTuple

from sklearn.utils._param_validation import Interval, StrOptions

from ._base import SCHEDULES, usual_batch_size
from ._fitting import Fit, Trainable
from ._vae_epochs import Data, Run, VariationalEpochs
from ._validation import check_rows, check_weights, refuse_early_stopping
from ._variational_queries import DECODERS, VariationalQueriesMixin, model_of
from .core import fine_tuning, optimise, variational_training
from .core.backend import namespace
from .core.network import ACTIVATIONS
from .core.rows import Encoded, Subset, column_means, divided, float_dtype
from .core.streams import Purpose, stream
from .core.variational import parts_of


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


def all_labelled(y):
    """Whether each row of classes, (n_rows, n_classes), has one."""
    xp = namespace(y)
    return y.shape[1] > 0 and bool(xp.all(xp.any(y > 0.0, axis=1)))


class Classes(NamedTuple):
    """Classes of rows (n_rows, n_classes) of 0 and 1, where a row of 0 may be any.

    `log_prior` are their log probabilities, or None where there are no classes, and
    `attributes` what is written of them after the fit.
    """

    rows: object
    log_prior: object = None
    attributes: dict = {}


class BaseVariationalAutoencoder(VariationalQueriesMixin, Trainable):
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

    def _classes_of(self, y, X, weights, call):
        """The :class:`Classes` of checked rows."""
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
        if self.sample_inputs and self.decoder != "bernoulli":
            raise ValueError(
                "sample_inputs=True takes rows for probabilities of binary features. "
                'Set decoder="bernoulli", or leave sample_inputs out.'
            )
        classes = self._classes_of(y, X, weights, call)
        if going_on:
            self._check_sizes([*sizes, self.n_components])
        data, held_out = self._divided(Data(X, classes.rows, weights), seed)
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
            kind = kind if going_on else kind.fitted(data.X, data.weights)
            data = data._replace(X=Encoded(data.X, kind))
            if held_out is not None:
                held_out = Encoded(held_out[0], kind), held_out[1]
            settings = self._settings(kind, classes, data, len(sizes), seed)
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

    def _settings(self, kind, classes, data, n_hidden, seed):
        n_rows, n_classes = data.X.shape[0], classes.rows.shape[1]
        objective = variational_training.Objective(
            model_of(kind, n_hidden, n_classes, self._made_of()),
            self.n_importance_samples,
            sample_inputs=self.sample_inputs,
            log_prior=classes.log_prior,
            all_labelled=all_labelled(classes.rows),
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

    def _divided(self, data, seed):
        """Rows to fit to, of those that weigh something; those held out, or None."""
        X, y, weights = data
        xp, held_out = namespace(weights), None
        numbers = xp.nonzero(weights > 0.0)[0]
        n_rows = numbers.shape[0]
        if self.early_stopping:
            draws = stream(seed, Purpose.VALIDATION, weights)
            groups = [numbers]
            if y.shape[1] > 0:  # those with a class and those without, each by itself
                has_class = xp.any(xp.take(y, numbers, axis=0) > 0.0, axis=1)
                groups = [numbers[has_class], numbers[~has_class]]
            parts = [divided(x, self.validation_fraction, draws) for x in groups]
            out, numbers = map(xp.concat, zip(*parts, strict=True))
            if parts[0][1].shape[0] == 0:
                raise ValueError(
                    f"early_stopping holds out all of the {parts[0][0].shape[0]} rows "
                    "that have a positive weight, and a class where there are classes. "
                    "Give more rows, set validation_fraction (now "
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
                moments = optimise.restored(saved)
            state = fine_tuning.State(params, moments, self.n_iter_)
            return Run(state, self.history_, self.n_iter_)
        mean, _ = column_means(data.X, data.weights)
        draws = stream(settings.seed, Purpose.INITIAL, mean)
        params = variational_training.initial_params(
            settings.objective.model, mean, sizes, self.n_components, draws
        )
        moments = settings.optimiser.init(params)
        return Run(fine_tuning.State(params, moments, 0), {}, 0)

    def _made_of(self):
        """What the parameters say of the networks besides sizes."""
        return {"activation": self.activation, "label_inputs": self.label_inputs}

    def _check_sizes(self, sizes):
        if self._made_of() != self._networks:
            raise ValueError(
                f"This {type(self).__name__} was fitted with {self._networks}, but its "
                f"parameters now are {self._made_of()}. To go on, set them back; to "
                "change them, fit anew with warm_start=False."
            )
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
            "_kept_epoch": run.best and run.best.epoch,
            "_further": [
                x for x in (parts.log_scale, parts.class_means) if x is not None
            ],
            "_border": model.visible.saved(),
            "_networks": self._made_of(),
            "_seed": settings.seed,
            "_moments": optimise.saved(moments),
        }

    def __sklearn_is_fitted__(self):
        return hasattr(self, "encoder_coefs_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
