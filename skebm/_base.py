"""What the estimators share: the way from checked input to training and back.

The estimator's fitted attributes are the only copy of its model. `_read_params` and
`_from_params`, which each estimator defines, lead to the core's params and back.
"""

import functools
import math
import time
from numbers import Integral, Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils._param_validation import Interval, StrOptions

from ._callbacks import CallbackSupportMixin
from ._queries import Queries
from ._run import Job, Run, Unfinished, fingerprint, longer
from ._validation import (
    check_rows,
    check_weights,
    draw_seed,
    record_features,
    refuse_empty_columns,
)
from ._warnings import warn
from .core import algorithms, monitor, optimise, training
from .core.early_stopping import Progress, Rule, hold_out, weights_left
from .core.machine import ODD, Machine, Params
from .core.rows import Encoded, float_dtype
from .core.sampling import USUAL
from .core.streams import Purpose, stream

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
    return max(batch_size, min(2 * batch_size, MOST_BATCH))


class BoltzmannMachineBase(
    Queries,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Fitting and scoring, for every machine that is trained as one."""

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

    # Whether entries of the rows of a fit may be missing.
    _takes_missing = True

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the model to X, in `n_iter` passes over all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, with values in [0, 1]. NaN in a dense array marks a missing
            entry: it is drawn given the observed ones of its row, with the hidden
            units, while the model is fitted.

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
        """
        return self._train(X, y, sample_weight, "fit")

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Pass once over X in minibatches, going on from where training stands.

        Markov chains, momentum and random streams continue. The learning rate is
        `learning_rate`, whatever the schedule. The first call decides on the number of
        features and the dtype, and starts the machine about the means of its rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, with values in [0, 1], or NaN for a missing entry, as in
            :meth:`fit`.

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
        return self._train(X, y, sample_weight, "partial_fit")

    def _plan(self, method):
        """Learning rates of the epochs, and whether they go on from earlier ones."""
        if method == "fit":
            schedule = SCHEDULES[self.learning_rate_schedule]
            rates = schedule(self.learning_rate, self.n_iter)
            return rates, self.warm_start and self.__sklearn_is_fitted__()
        if self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True: hold rows out "
                "yourself, and call score on them between the calls."
            )
        return [self.learning_rate], self.__sklearn_is_fitted__()

    def _train(self, X_given, y, sample_weight, method):
        """Start a fit, or go on from the fitted attributes with further epochs."""
        rates, going_on = self._plan(method)
        pretrained = 0 if going_on or method != "fit" else self._n_layers_to_pretrain()
        X = check_rows(
            self,
            X_given,
            method=method,
            new=not going_on,
            missing=self._takes_missing,
            # In pretraining the machine of the first layer looks at the values.
            kind=None if pretrained else self._visible_kind(),
        )
        dtype = float_dtype(self._read_params().biases[0] if going_on else X)
        sample_weight = check_weights(sample_weight, X, dtype)
        if going_on:
            self._check_sizes()
            seed, history = self._seed, self.history_
        else:
            seed, history = draw_seed(self.random_state), {}
        n_rows, sizes = X.shape[0], self._hidden_sizes()
        settings = self._settings(seed, n_rows)
        states = Encoded(X, settings.units[0])
        stopping, data = self._hold_out(states, sample_weight, rates, settings)
        context = self._begin(X_given, y, pretrained + len(rates))
        if going_on:
            state = training.with_rows(self._resume(settings, n_rows), *data, settings)
        else:
            params, n_chains = None, self._n_chains(n_rows)
            if pretrained:
                if stopping is not None:
                    sample_weight = weights_left(stopping.held_out, data)
                params = self._pretrain((X_given, y), X, sample_weight, seed, context)
            state = training.start(*data, sizes, n_chains, settings, params)
            refuse_empty_columns(self, X_given, state.mass)
        run = Run(state, history, Progress())
        if stopping is not None and (going_on or pretrained):
            # What has been learnt so far is a candidate for the best.
            progress, _ = stopping.judge(run.progress, state)
            run = run._replace(progress=progress)
        job = Job(
            (X_given, y), data, settings, stopping, rates, state.epoch, pretrained > 0
        )
        return self._finish(job, run, going_on, context)

    @_fit_context(prefer_skip_nested_validation=True)
    def _resume_fit(self, X_given, y=None, sample_weight=None):
        """Go on with a fit that was interrupted, from its checkpoint."""
        run, rates, first, expected, _ = self._unfinished
        kind, missing = self._visible_kind(), self._takes_missing
        X = check_rows(self, X_given, method="fit", kind=kind, missing=missing)
        dtype = float_dtype(run.state.params.biases[0])
        sample_weight = check_weights(sample_weight, X, dtype)
        settings = self._settings(self._seed, X.shape[0])
        states = Encoded(X, kind)
        stopping, data = self._hold_out(states, sample_weight, rates, settings)
        if fingerprint(data) != expected:
            raise ValueError(
                "To resume a fit takes the same rows, in the same order, and the same "
                "weights as it began with, but these are others. Give those, or go on "
                "with the new ones by partial_fit of the estimator that load() returns."
            )
        job = Job((X_given, y), data, settings, stopping, rates, first)
        context = self._begin(X_given, y, len(rates))
        return self._finish(job, run, going_on=False, context=context)

    def _begin(self, X, y, n_tasks):
        """The context of the callbacks, which are told that the fit begins."""
        context = self._init_callback_context(max_subtasks=n_tasks)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        return context

    def _finish(self, job, run, going_on, context):
        """The epochs that are left, and the fitted attributes."""
        begin, (X, y) = time.perf_counter(), job.given
        epochs = self._epochs(job, run, context)
        try:
            for run in epochs:
                if self.verbose:
                    self._print(job, run, time.perf_counter() - begin)
                    begin = time.perf_counter()
        except KeyboardInterrupt:
            n_done = run.state.epoch - job.first
            if n_done == 0 and not job.pretrained:
                raise
            kept = "the best of these is" if job.stopping else "these are"
            done = f"{n_done} epochs: {kept}" if n_done else "pretraining: that is"
            warn(
                f"Training interrupted by user after {done} kept.",
            )
        except training.Diverged:
            if going_on:
                vars(self).update(self._attributes(run, job.settings))
            raise FloatingPointError(
                f"{type(self).__name__} diverged in epoch {run.state.epoch + 1}: its "
                "parameters are no longer finite. Lower learning_rate "
                f"({self.learning_rate:g}) or momentum ({self.momentum:g}), and see "
                "that X lies in [0, 1]."
            ) from None
        run = self._with_last_judged(job, run)
        if not going_on:
            record_features(self, X)
            self._n_gibbs_calls = 0
        vars(self).update(self._attributes(run, job.settings))
        vars(self).pop("_unfinished", None)
        context.call_on_fit_task_end(
            estimator=self, X=X, y=y, reconstruction_attributes={}
        )
        return self

    def _epochs(self, job, run, context):
        """The run after each epoch: an interruption undoes only the one under way."""
        state, history, progress = run
        settings, stopping, given = job.settings, job.stopping, job.given
        X, sample_weight = job.data
        array = state.params.biases[0]
        draws = stream(settings.seed, Purpose.MONITOR, array)
        watched = monitor.watch(*X.shape, draws)
        digest = functools.cache(lambda: fingerprint(job.data))
        for rate in job.rates[state.epoch - job.first :]:
            if progress.n_against >= self.n_iter_no_change:
                if self.verbose:
                    print(
                        f"[{type(self).__name__}] Stopped early: the parameters of "
                        f"epoch {progress.best.epoch} are kept."
                    )
                return
            task = context.subcontext(task_name="epoch")
            task.call_on_fit_task_begin(estimator=self, X=given[0], y=given[1])
            # Overflow is no news where an epoch ends by asking if all is finite.
            with np.errstate(over="ignore", invalid="ignore"):
                before = state.params
                state = training.train_epoch(state, X, sample_weight, rate, settings)
                measured = self._measured(job, before, state, rate, watched)
                if stopping is not None and stopping.is_due(
                    progress, state.epoch, job.first + len(job.rates)
                ):
                    progress, judged = stopping.judge(progress, state)
                    measured |= judged
            history = longer(history, measured, state.epoch)
            run = Run(state, history, progress)
            stop = task.call_on_fit_task_end(
                estimator=self,
                X=given[0],
                y=given[1],
                reconstruction_attributes=functools.partial(
                    self._so_far, job, run, digest
                ),
            )
            yield run
            if stop:
                return

    def _measured(self, job, before, state, rate, watched):
        """Numbers for the history of an epoch that began with the params `before`."""
        X, settings = job.data[0], job.settings
        machine = Machine(settings.units, state.params)
        chains = settings.algorithm.samples(state.chains)
        measured = monitor.measure(
            machine, state.rows(X), watched, chains, settings.inference
        )
        n_steps = -(-X.shape[0] // settings.batch_size)
        measured["gradient_norm"] = monitor.mean_gradient_norm(
            before, state.params, n_steps * rate
        )
        return measured

    def _with_last_judged(self, job, run):
        """The run with its last epoch looked at, wherever it was made to stop."""
        if job.stopping is None or run.state.epoch <= run.progress.judged:
            return run
        progress, judged = job.stopping.judge(run.progress, run.state)
        history = {k: [*v[:-1], judged.get(k, v[-1])] for k, v in run.history.items()}
        return run._replace(progress=progress, history=history)

    def _so_far(self, job, run, digest):
        """Attributes of the estimator as if the fit had ended with this epoch."""
        features = BaseEstimator()
        record_features(features, job.given[0])
        return {
            **vars(features),
            **self._attributes(run, job.settings),
            "_n_gibbs_calls": 0,
            "_unfinished": Unfinished(
                run, job.rates, job.first, digest(), run.state.epoch - job.first
            ),
        }

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
        return stopping, left

    def _print(self, job, run, seconds):
        last = {name: values[-1] for name, values in run.history.items()}
        held_out, score = "", last.get("validation_log_likelihood", math.nan)
        if not math.isnan(score):
            held_out = f"validation score = {score:.2f}, "
        if "pseudo_log_likelihood" in last:
            measured = f"pseudo-likelihood = {last['pseudo_log_likelihood']:.2f}"
        else:
            measured = f"reconstruction error = {last['reconstruction_error']:.4f}"
        print(
            f"[{type(self).__name__}] Iteration {run.state.epoch - job.first}, "
            f"{measured}, "
            f"{held_out}time = {seconds:.2f}s"
        )

    def _settings(self, seed, n_rows):
        return training.Settings(
            units=self._kinds(1 + len(self._hidden_sizes())),
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

    def _inference(self):
        """How training finds hidden layers; of no account where there is only one."""
        return USUAL

    def _n_layers_to_pretrain(self):
        """How many layers are trained by themselves before a fit as a whole."""
        return 0

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
        state = run.progress.best or run.state
        velocity, algorithm = state.velocity, settings.algorithm
        return {
            **self._from_params(state.params),
            **self._from_chains(algorithm.samples(state.chains)),
            "n_iter_": run.state.epoch,
            "history_": run.history,
            "_seed": settings.seed,
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
        dtype = float_dtype(self._read_params().biases[0])
        params, saved = self._machine(dtype).params, self._training
        means, velocity = tuple(saved["means"]), saved["velocity"]
        if velocity is not None:
            velocity = Params(*(tuple(group) for group in velocity))
        chains = settings.algorithm.joined(self._read_chains(), saved["companions"])
        state = training.State(
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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self._takes_missing
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
