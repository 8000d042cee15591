"""Networks that start from a generative model: what estimators share."""

from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from ._base import SCHEDULES
from ._fitting import Fit, Trainable
from ._layers import side_by_side
from ._network_epochs import Descent, Minimisation, Rows, Run
from ._origins import check_like
from ._resuming import Call
from ._stacking import HIDDEN_LAYER_SIZES, layer_sizes, refuse_checkpoints
from ._validation import check_rows, refuse_early_stopping
from ._warnings import warn
from .core import fine_tuning, optimise
from .core.backend import namespace, placed_like, to_numpy
from .core.machine import Params
from .core.network import Dropout, layers_below
from .core.rows import Encoded, Subset, by_blocks, float_dtype


def widened(rows, beside):
    """Dense rows with what the network gets beside them."""
    return namespace(rows).concat([rows, beside(rows)], axis=1)


def some_rows(X, others, numbers):
    """Rows of X, by their numbers, and of what goes with them."""
    index = placed_like(numbers, others[-1])
    taken = (namespace(x).take(x, index, axis=0) for x in others)
    return Subset(X, index), *taken


def seen_as(rows, X, encoded):
    """The rows of X, or some of them, as rows of what was made of X."""
    if rows is X:
        return encoded
    return Subset(seen_as(rows.X, X, encoded), rows.index)


def goes_in_batches(estimator):
    """Whether the solver takes one minibatch after the other, as partial_fit does."""
    return estimator.solver != "lbfgs"


class BaseNetwork(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Trainable):
    """Pretraining, and fine-tuning by backpropagation, whatever is learnt."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": HIDDEN_LAYER_SIZES,
        "solver": [StrOptions({"adam", "sgd", "lbfgs"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "learning_rate_schedule": [StrOptions(set(SCHEDULES))],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "input_dropout": [Interval(Real, 0, 1, closed="left")],
        "shuffle": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    # What the network is made from; every estimator has one.
    _origin = None

    def _check_model(self, model, reader, going_on):
        """Raise an error where a model, or the one to be, is not for this network."""

    def _data(self, X, y, weights, call):
        """What is learnt of checked rows, with what tells one fit from another.

        Rows, what else the epochs take, and weights; the
        :class:`skebm._network_epochs.Targets`; what a fit that is resumed has to be
        given again, besides rows and weights; and a mask of the rows that count.
        """
        raise NotImplementedError

    def _network(self, model, targets):
        """The :class:`skebm.core.network.Network` that is made from a fitted model."""
        raise NotImplementedError

    def _start(self, model, data, network):
        """Its params before the first epoch."""
        raise NotImplementedError

    def _encoded(self, model, X, dtype):
        """Rows as the network takes them."""
        raise NotImplementedError

    def _as_data(self, X, *others):
        """Encoded rows with what else the epochs take, targets and weights last."""
        return X, *others

    def _check_solver(self):
        if goes_in_batches(self):
            return
        for name in self._for_batches():
            if getattr(self, name):
                raise ValueError(
                    f"{name}={getattr(self, name)} needs a solver that goes from batch "
                    f"to batch. Set solver='adam' or 'sgd', or leave {name} out."
                )

    def _for_batches(self):
        """Parameters that need a solver which goes from batch to batch."""
        return "dropout", "input_dropout", "early_stopping"

    def _partial_fit(self, X, y, sample_weight, classes=None):
        refuse_early_stopping(self)
        going_on = self.__sklearn_is_fitted__()
        call = Call("partial_fit", going_on, classes=classes)
        return self._train(X, y, sample_weight, call)

    def _train(self, X_given, y, sample_weight, call):
        model = self._model() if call.going_on else self._origin.given(self)
        reader = call.reader(self, X_given)
        self._check_model(model, reader, call.going_on)
        new = not call.going_on
        X = call.rows(self._rows(X_given, call.method, model, new, reader))
        weights = self._checked_weights(X, sample_weight, call)
        seed = call.seed(self)
        whole, targets, known, counted = self._data(X, y, weights, call)
        if call.going_on:
            self._check_sizes()
        data, held_out = self._split(whole, targets, seed)
        seen = [self._seen(part, counted) for part in (X_given, y)]
        with Fit(
            self,
            *seen,
            call,
            seed=seed,
            data=(X, weights, *known),
            n_tasks=2,
            names=targets.attributes.get("classes_", ()),
            reader=reader,
        ) as fit:
            if model is None:
                model = self._pretrained(fit, X, sample_weight)
            elif not call.going_on:
                check_like(model, self._origin.name, X_given, X)
            settings = self._settings(self._network(model, targets), seed)
            run = call.carried() or self._first_run(
                model, data, settings, targets, call
            )
            rows = Rows(data, held_out)
            if settings.objective.radius > 0.0:
                rows = rows._replace(everything=(X, weights))
            encode = partial(self._encoded_rows, model, rows, whole[0], weights.dtype)
            rows = fit.unless_interrupted(encode, lambda: rows)
            stage = self._stage(run, rows, settings, targets, model, call)
            used_up = fit.train(stage, "fine-tuning")
            self._warn_not_converged(stage, used_up, call)
            fit.end()
        return self

    def _seen(self, part, counted):
        """Of rows or labels those that callbacks see."""
        return part

    def _checked_weights(self, X, sample_weight, call):
        """Weights of the rows, in the dtype of the computation."""
        dtype = float_dtype(self.coefs_[0] if call.going_on else X)
        return _check_sample_weight(
            sample_weight, X, dtype=dtype, ensure_non_negative=True
        )

    def _first_run(self, model, data, settings, targets, call):
        """What the first epoch starts from."""
        if call.going_on:
            state = self._resume(settings, call.method, targets.offset)
            scores = self.validation_scores_ or []
            return Run(state, self.loss_curve_, scores, state.epoch)
        params = self._start(model, data, settings.objective.network)
        return Run(
            fine_tuning.State(params, settings.optimiser.init(params), 0), [], [], 0
        )

    def _encoded_rows(self, model, rows, whole, dtype):
        """The :class:`Rows` as the network takes them, each row of X encoded once.

        `whole` are those that have targets.
        """
        data, held_out, everything = rows
        X = whole if everything is None else everything[0]
        encoded = self._encoded(model, X, dtype)

        def of(part):
            return part and self._as_data(seen_as(part[0], X, encoded), *part[1:])

        everything = everything and (encoded, *everything[1:])
        return Rows(of(data), of(held_out), everything)

    def _stage(self, run, rows, settings, targets, model, call):
        """The epochs, as the solver goes through them."""
        parts = (run, rows, settings, targets, model)
        if not goes_in_batches(self):
            return Minimisation(self, [None], *parts)
        rates = [self.learning_rate_init]
        if call.method == "fit":
            schedule = SCHEDULES[self.learning_rate_schedule]
            rates = schedule(self.learning_rate_init, self.max_iter)
        return Descent(self, rates, *parts)

    def _new_reader(self, X):
        model = self._origin.given(self)
        if model is not None:
            return model._reader
        return self._origin.new(self, 0)._new_reader(X)

    def _rows(self, X, method, model, new=False, reader=None):
        """Checked rows. Where there is no model yet, its pretraining looks at them."""
        kind = None if model is None else model._visible_kind()
        return check_rows(self, X, method=method, kind=kind, new=new, reader=reader)

    def _dropout(self, network):
        return Dropout(self.input_dropout, self.dropout)

    def _objective(self, network):
        """What the minibatches descend."""
        return fine_tuning.Supervised(network, self._dropout(network))

    def _settings(self, network, seed):
        optimisers = {
            "adam": optimise.Adam(),
            "sgd": optimise.MomentumSGD(self.momentum, nesterov=True),
            "lbfgs": optimise.MomentumSGD(),  # has no state, and takes no step
        }
        return fine_tuning.Settings(
            objective=self._objective(network),
            optimiser=optimisers[self.solver],
            batch_size=self.batch_size,
            alpha=self.alpha,
            shuffle=self.shuffle,
            seed=seed,
        )

    def _resume(self, settings, method, offset):
        """Training's state from the fitted attributes. A new fit has new moments."""
        params = self._params(self.coefs_[0].dtype, offset)
        moments = optimise.restored(self._moments)
        if method == "fit" or self._moments_of != self.solver or moments is None:
            moments = settings.optimiser.init(params)
        return fine_tuning.State(params, moments, self.n_iter_)

    def _split(self, data, targets, seed):
        """The data without the rows for validation; and those, or None."""
        if not self.early_stopping:
            return data, None
        X, *others = data
        rows = np.flatnonzero(to_numpy(others[-1]))
        if len(rows) < 2:
            raise ValueError(
                "early_stopping holds rows out, but only one has a positive weight: "
                "give more, or set early_stopping=False."
            )
        strata = None if targets.strata is None else targets.strata[rows]
        try:
            left, held_out = train_test_split(
                rows,
                test_size=self.validation_fraction,
                stratify=strata,
                random_state=seed,
            )
        except ValueError as error:
            if strata is None:
                raise
            raise ValueError(
                f"early_stopping cannot hold out {self.validation_fraction:g} of the "
                f"{len(rows)} rows with a label, and leave some of each class on both "
                f"sides: {error} Change validation_fraction, give more labels, or set "
                "early_stopping=False."
            ) from error
        if len(held_out) < targets.least_held_out:
            raise ValueError(
                f"early_stopping holds out {len(held_out)} of {len(rows)} rows, but "
                f"the score takes at least {targets.least_held_out}. Give more rows or "
                f"raise validation_fraction (now {self.validation_fraction:g})."
            )
        return tuple(some_rows(X, others, rows) for rows in (left, held_out))

    def _warn_not_converged(self, stage, used_up, call):
        """Warn where training ended for no better reason than the number of epochs."""
        if not goes_in_batches(self):
            if stage.run.failure is not None:
                warn(
                    f"L-BFGS did not converge: {stage.run.failure}. Raise max_iter "
                    f"(now {self.max_iter}) or tol (now {self.tol:g}).",
                    ConvergenceWarning,
                )
            return
        falls = self.learning_rate_schedule != "constant"
        if used_up and call.method == "fit" and not falls and not stage.is_over():
            warn(
                f"Fine-tuning did not converge within max_iter={self.max_iter}. Raise "
                "max_iter or tol, or let the learning rate fall to zero by then with "
                "learning_rate_schedule='linear'.",
                ConvergenceWarning,
            )

    def _pretrained(self, fit, X, sample_weight):
        """The model to start from, fitted to X."""
        model = self._origin.new(self, fit.seed)
        refuse_checkpoints(model, self._origin.name)
        model._reader = fit.reader

        def train(part, below):
            part._fit_part(X, sample_weight, fit)

        fit.train_parts(fit.call.parts([model]), train, "pretraining")
        return fit.parts[0]

    def _attributes_of_parts(self, parts, seed):
        return {f"{self._origin.name}_": part for part in parts}

    def _model(self):
        """The model that the network began with."""
        return getattr(self, f"{self._origin.name}_")

    def _fitted_hidden_sizes(self):
        """Numbers of units of the layers that `hidden_layer_sizes` is about."""
        return [b.shape[0] for b in self.intercepts_[:-1]]

    def _check_sizes(self):
        sizes = self._fitted_hidden_sizes()
        given = self._origin.is_given(self)
        if not given and sizes != layer_sizes(self.hidden_layer_sizes):
            raise ValueError(
                f"This {type(self).__name__} has hidden layers of sizes {sizes}, but "
                f"hidden_layer_sizes now is {self.hidden_layer_sizes}. To go on, set "
                "the parameter to these sizes, which are fewer if the pretraining was "
                "interrupted; to change them, fit anew."
            )

    def _attributes(self, run, state, model, targets, seed):
        """The run as fitted attributes, with the params of a state."""
        *biases, last = state.params.biases
        if targets.offset is not None:
            last = last + placed_like(targets.offset, last)
        return {
            **targets.attributes,
            "coefs_": list(state.params.weights),
            "intercepts_": [*biases, last],
            "n_iter_": len(run.losses),
            "loss_curve_": run.losses,
            "validation_scores_": run.scores if self.early_stopping else None,
            "_kept_epoch": state.epoch if self.early_stopping else None,
            f"{self._origin.name}_": model,
            "_seed": seed,
            "_moments": optimise.saved(state.moments),
            "_moments_of": self.solver,
        }

    def _params(self, dtype, offset=None):
        """The network, the biases of its outputs without `offset`."""
        *biases, last = self.intercepts_
        xp = namespace(last)
        last = last if offset is None else last - placed_like(offset, last)
        return Params(
            *(
                tuple(xp.astype(x, dtype, copy=False) for x in group)
                for group in (self.coefs_, [*biases, last])
            )
        )

    def _of_rows(self, function, X, method):
        """`function` of the network's params and input, a block of rows at a time."""
        check_is_fitted(self)
        model = self._model()
        X = Encoded(self._rows(X, method, model), model._visible_kind())
        dtype = float_dtype(X)
        params, beside = self._params(dtype), self._origin.beside(model, dtype)
        if beside is None:
            return by_blocks(lambda v: function(params, v), X, dtype)
        found = by_blocks(lambda v: function(params, widened(v, beside)), X, dtype)
        beside.warn()
        return found

    def _hidden_layers(self, params, rows):
        """What each hidden layer computes of rows, (n_rows, n_units), from below."""
        _, *layers = layers_below(params, rows)
        # What the network gets beside a layer is left out.
        return [
            x[:, :n] for x, n in zip(layers, self._fitted_hidden_sizes(), strict=True)
        ]

    def _all_layers(self, X):
        def layers(params, rows):
            found = self._hidden_layers(params, rows)
            return namespace(found[0]).concat(found, axis=1)

        H = self._of_rows(layers, X, "transform")
        return side_by_side(H, self._fitted_hidden_sizes())

    @property
    def components_(self):
        """Give the weights between the features and the first hidden layer.

        Returns
        -------
        components : ndarray of shape (n_hidden, n_features)
            The first of `coefs_`, transposed.
        """
        n_units = self._model()._visible_kind().n_units(self.n_features_in_)
        return self.coefs_[0][:n_units, ...].T

    @property
    def _n_features_out(self):
        return self.coefs_[-1].shape[0]

    def __sklearn_is_fitted__(self):
        return hasattr(self, "coefs_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
