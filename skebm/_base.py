"""What the estimators share: the way from checked input to training and back."""

from functools import partial
from numbers import Integral, Real

from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils._param_validation import Interval, StrOptions

from ._fitting import Fit, Trainable
from ._machine import MachineMixin
from ._machine_epochs import Run, epochs_of
from ._queries import BoltzmannMachineMixin
from ._resuming import Call
from ._validation import (
    check_rows,
    check_weights,
    refuse_early_stopping,
    refuse_empty_columns,
)
from .core import algorithms, optimise, training
from .core.early_stopping import Progress, Rule, hold_out, weights_left
from .core.machine import ODD, Params
from .core.rows import float_dtype, rows_together

SCHEDULES = {
    "constant": optimise.constant,
    "linear": optimise.linear,
    "cosine": optimise.cosine,
}

ALGORITHMS = {
    "cd": algorithms.ContrastiveDivergence,
    "pcd": algorithms.PersistentChains,
    "pt": algorithms.ParallelTempering,
}


# Batches that are left to us: a 500th of the rows, but at least 20 and at most 100. So
# few rows get many updates, and many rows the speed of large matrix products. Twice the
# least are not divided: their weights then count exactly as repetitions.
UPDATES_PER_EPOCH, LEAST_BATCH, MOST_BATCH = 500, 20, 100

# Chains that are left to us, where a batch is to hold all rows, whatever their number.
# They do not depend on the rows, so that weights count as repetitions.
MOST_CHAINS = 10_000


def usual_batch_size(n_rows):
    """Rows in a batch, where none are asked for."""
    if n_rows <= 2 * LEAST_BATCH:
        return 2 * LEAST_BATCH
    return min(max(n_rows // UPDATES_PER_EPOCH, LEAST_BATCH), MOST_BATCH)


def usual_n_chains(batch_size, n_rows):
    """Persistent chains, where none are asked for: small batches have twice as many.

    Their noise does not average out as that of the rows does, which all have a turn.
    """
    if batch_size == "auto":
        # Of rows that are divided: a single batch has as many chains as the smallest.
        batch_size = usual_batch_size(max(n_rows, 2 * LEAST_BATCH + 1))
    return max(min(batch_size, MOST_CHAINS), min(2 * batch_size, MOST_BATCH))


def fitted_to_rows(settings, X, sample_weight):
    """The settings with a visible kind that knows the rows at its border."""
    visible, *others = settings.units
    return settings._replace(units=(visible.fitted(X, sample_weight), *others))


class TrainableMachine(MachineMixin, Trainable):
    """From parameters to settings, and from fitted attributes to the state and back."""

    _parameter_constraints: dict = {
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "n_iter": [Interval(Integral, 0, None, closed="left")],
        "algorithm": [StrOptions(set(ALGORITHMS))],
        "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
        "n_chains": [Interval(Integral, 1, None, closed="left"), None],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "l1_decay": [Interval(Real, 0, None, closed="left")],
        "max_norm": [Interval(Real, 0, None, closed="neither"), None],
        "centered": ["boolean"],
        "initial_activation": [Interval(Real, 0, 1, closed="neither")],
        "learning_rate_schedule": [StrOptions(set(SCHEDULES))],
        "sparsity_target": [Interval(Real, 0, 1, closed="neither"), None],
        "sparsity_cost": [Interval(Real, 0, None, closed="left")],
        "shuffle": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    # Rows are data, and no probabilities from which others could be drawn.
    sample_inputs = False

    # Where it is no parameter, any activation of hidden units will do.
    sparsity_target = None

    def _rates(self, method):
        """Learning rates of the epochs."""
        if method == "fit":
            return SCHEDULES[self.learning_rate_schedule](
                self.learning_rate, self.n_iter
            )
        refuse_early_stopping(self)
        return [self.learning_rate]

    def _first_run(self, fit, data, settings):
        """What the first epoch starts from."""
        n_rows, state, history = rows_together(data[0]), None, {}
        if fit.call.going_on:
            state = training.with_rows(self._resume(settings, n_rows), *data, settings)
            history = self.history_
        else:
            refuse_empty_columns(self, fit.seen["X"], *data)
            params = self._composed(fit.parts) if fit.parts else None
            sizes, n_chains = self._hidden_sizes(), self._n_chains(n_rows)
            start = partial(training.start, *data, sizes, n_chains, settings, params)
            state = fit.unless_interrupted(start, start)
        return Run(state, history, Progress(), state.epoch)

    def _settings(self, seed, n_rows, units):
        return training.Settings(
            units=units,
            optimiser=optimise.MomentumSGD(
                self.momentum, self.weight_decay, self.l1_decay, self.max_norm
            ),
            algorithm=ALGORITHMS[self.algorithm](self.n_gibbs_steps),
            batch_size=self._n_batch_rows(n_rows),
            shuffle=self.shuffle,
            centred=self.centered,
            initial_activation=self.initial_activation,
            sparsity=None
            if self.sparsity_target is None
            else training.Sparsity(self.sparsity_target, self.sparsity_cost),
            sample_inputs=self.sample_inputs,
            seed=seed,
            inference=self._inference(),
        )

    def _check_sizes(self):
        sizes = tuple(b.shape[0] for b in self._read_params().biases[1:])
        if sizes != tuple(self._hidden_sizes()):
            raise ValueError(
                f"This {type(self).__name__} has hidden layers of sizes {sizes}, but "
                f"its parameters now ask for {tuple(self._hidden_sizes())}. To go on, "
                "as warm_start and partial_fit do, set the parameter back; to change "
                "the size, fit anew with warm_start=False."
            )

    def _n_batch_rows(self, n_rows):
        return (
            usual_batch_size(n_rows) if self.batch_size == "auto" else self.batch_size
        )

    def _n_chains(self, n_rows):
        if self.n_chains is not None:
            return self.n_chains
        return usual_n_chains(self.batch_size, n_rows)

    def _attributes(self, run, settings):
        """The run as fitted attributes: of its best epoch, if rows were held out."""
        best = run.progress.best
        state = best or run.state
        velocity, algorithm = state.velocity, settings.algorithm
        return {
            **self._from_params(state.params),
            "_border": state.units[0].saved(),
            **self._from_chains(algorithm.samples(state.chains)),
            "n_iter_": run.state.epoch,
            "history_": run.history,
            "_kept_epoch": best and best.epoch,
            # A fit that goes on from another goes on with its draws for `gibbs` too.
            "_n_gibbs_calls": self._n_gibbs_calls if run.first else 0,
            "_seed": settings.seed,
            # In plain containers, whose arrays scikit-learn moves between devices.
            "_training": {
                "companions": algorithm.companions(state.chains),
                "work": run.state.work,
                "means": list(state.means),
                "mass": state.mass,
                "velocity": None
                if velocity is None
                else [list(group) for group in velocity],
            },
        }

    def _resume(self, settings, n_rows):
        """Training's state from the fitted attributes, as the parameters now ask."""
        (units, params), saved = self._machine(), self._training
        means, velocity = tuple(saved["means"]), saved["velocity"]
        if velocity is not None:
            velocity = Params(*(tuple(group) for group in velocity))
        chains = settings.algorithm.joined(self._read_chains(), saved["companions"])
        state = training.State(
            units,
            params,
            chains,
            velocity,
            means,
            self.n_iter_,
            saved["mass"],
            work=saved["work"],
        )
        n_chains = self._n_chains(n_rows)
        if (self.batch_size, self.n_chains) == ("auto", None):
            # However few rows come now.
            n_chains = max(n_chains, self._read_chains()[ODD].shape[0])
        return training.resumed(state, n_chains, settings)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_iter_")


class BaseBoltzmannMachine(
    BoltzmannMachineMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    TrainableMachine,
):
    """Fitting and scoring, for every machine of rows alone that is trained as one."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the model to X, in `n_iter` passes over all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data: where the visible units are binary, values in [0, 1]. NaN in
            a dense array marks a missing entry: it is drawn given the observed ones of
            its row, with the hidden units, while the model is fitted.

        y : Ignored
            Not used, present for consistency.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A row of weight 2 counts as the row twice: exactly
            where all rows are in one batch, and else but for chance, as it is where
            entries are missing or rows are held out.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X holds infinity or a column without any value, if a weight is negative
            or all are zero, or if there are too few rows to hold out.
        FloatingPointError
            If the parameters become infinite or NaN: the learning rate is too high.

        Warns
        -----
        UserWarning
            If X has values that its units cannot have, or if its rows end with a
            log-likelihood that is below that of independent columns.
        """
        going_on = self.warm_start and self.__sklearn_is_fitted__()
        return self._train(X, y, sample_weight, Call("fit", going_on))

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Pass once over X in minibatches, going on from where training stands.

        Markov chains, momentum and random streams continue. The learning rate is
        `learning_rate`, whatever the schedule. The first call decides on the number of
        features and the dtype, and starts the machine about the means of its rows.

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
            If X holds infinity, or in the first call a column without any value, if a
            weight is negative or all are zero, or if `early_stopping` is set.
        FloatingPointError
            If the parameters become infinite or NaN. They stay as they were before.
        """
        call = Call("partial_fit", self.__sklearn_is_fitted__())
        return self._train(X, y, sample_weight, call)

    def _train(self, X_given, y, sample_weight, call):
        rates, going_on = self._rates(call.method), call.going_on
        pretrains = call.method == "fit" and not going_on and self._pretrains()
        reader, n_layers = call.reader(self, X_given), 1 + len(self._hidden_sizes())
        units = self._kinds(n_layers) if going_on else self._new_kinds(n_layers, reader)
        # In pretraining the machine of the first layer looks at the values.
        kind = None if pretrains else units[0]
        X, weights = self._checked(X_given, sample_weight, call, reader, kind)
        if going_on:
            self._check_sizes()
        seed = call.seed(self)
        settings = self._settings(seed, rows_together(X), units)
        stopping, data = self._hold_out(X, weights, rates, settings)
        n_parts = len(self._hidden_sizes()) if pretrains else 0
        with Fit(
            self,
            X_given,
            y,
            call,
            seed=seed,
            data=(X, weights),
            reader=reader,
            n_tasks=n_parts + len(rates),
        ) as fit:
            if stopping is not None:
                weights = weights_left(stopping.held_out, data)
            if pretrains:
                self._pretrain(fit, X, weights, units)
            run = call.carried()
            if run is None:
                if not going_on:
                    settings = fitted_to_rows(settings, X, weights)
                run = self._first_run(fit, data, settings)
            candidate = going_on or bool(fit.parts)
            stage = epochs_of(X)
            fit.train(stage(self, rates, run, data, settings, stopping, candidate))
            fit.end()
        return self

    def _checked(self, X, sample_weight, call, reader, kind):
        """Rows and their weights, as they are trained on."""
        X = call.rows(
            check_rows(
                self,
                X,
                method=call.method,
                new=not call.going_on,
                missing=self._takes_missing,
                kind=kind,
                reader=None if call.outer else reader,
            )
        )
        dtype = float_dtype(self._read_params().biases[0] if call.going_on else X)
        return X, check_weights(sample_weight, X, dtype)

    def _hold_out(self, X, sample_weight, rates, settings):
        """Early stopping with its rows, if asked for; the rows and weights left."""
        if not self.early_stopping:
            return None, (X, sample_weight)
        falling = self.learning_rate_schedule != "constant"
        rule = Rule(self.tol, len(rates), falling)
        stopping, left = hold_out(
            X, sample_weight, self.validation_fraction, rule, settings
        )
        n_held_out, n_left = (
            part[0].shape[0] for part in (stopping.held_out, stopping.compared)
        )
        if n_held_out == 0 or n_left == 0:
            raise ValueError(
                f"early_stopping holds out {n_held_out} of the {n_held_out + n_left} "
                "rows that have no missing entry and a positive weight, and leaves "
                f"{n_left}: it takes at least one of either. Give more such rows, set "
                f"validation_fraction (now {self.validation_fraction:g}) lower, or set "
                "early_stopping=False."
            )
        return stopping._replace(log_z=self._log_z_of(stopping.held_out)), left

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self._takes_missing
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
