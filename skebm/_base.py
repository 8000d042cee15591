"""What the estimators share: the way from checked input to training and back.

The estimator's fitted attributes are the only copy of its model. `_read_params` and
`_from_params`, which each estimator defines, lead to the core's params and back.
"""

import functools
import time
import warnings
from numbers import Integral, Real

import joblib
import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.validation import check_is_fitted

from ._callbacks import CallbackSupportMixin
from ._run import Job, Run, Unfinished, fingerprint, longer
from ._validation import (
    check_rows,
    check_weights,
    record_features,
    refuse_empty_columns,
)
from .core import algorithms, monitor, optimise, partition, tempering, training
from .core.backend import float_dtype, namespace, to_numpy
from .core.early_stopping import Progress, hold_out
from .core.machine import Machine, Params
from .core.streams import Purpose, stream

SCHEDULES = {"constant": optimise.constant, "linear": optimise.linear}

# Width in nats of the interval for log Z above which a warning tells of it.
WIDE_BRACKET = 1.0

ALGORITHMS = {
    "cd": algorithms.ContrastiveDivergence,
    "pcd": algorithms.PersistentChains,
    "pt": algorithms.ParallelTempering,
}


class BoltzmannMachineBase(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Fitting and scoring, for every machine that is trained as one."""

    _parameter_constraints: dict = {
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_iter": [Interval(Integral, 0, None, closed="left")],
        "algorithm": [StrOptions(set(ALGORITHMS))],
        "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
        "n_chains": [Interval(Integral, 1, None, closed="left"), None],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "l1_decay": [Interval(Real, 0, None, closed="left")],
        "max_norm": [Interval(Real, 0, None, closed="neither"), None],
        "centered": ["boolean"],
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
            Weights of the rows. A row of weight 2 counts as the row twice, but for
            chance where entries are missing or rows are held out.

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
        schedule = SCHEDULES[self.learning_rate_schedule]
        rates = schedule(self.learning_rate, self.n_iter)
        going_on = self.warm_start and self.__sklearn_is_fitted__()
        return self._train(X, y, sample_weight, rates, going_on, "fit")

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
        if self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True: hold rows out "
                "yourself, and call score on them between the calls."
            )
        going_on = self.__sklearn_is_fitted__()
        rates = [self.learning_rate]
        return self._train(X, y, sample_weight, rates, going_on, "partial_fit")

    def _train(self, X_given, y, sample_weight, rates, going_on, method):
        """Start a fit, or go on from the fitted attributes with further epochs."""
        X = check_rows(self, X_given, method=method, new=not going_on, missing=True)
        dtype = float_dtype(self._read_params().biases[0] if going_on else X)
        sample_weight = check_weights(sample_weight, X, dtype)
        if going_on:
            self._check_sizes()
            seed, history = self._seed, self.history_
        else:
            seed, history = draw_seed(self.random_state), {}
        settings = self._settings(seed)
        stopping, data = self._hold_out(X, sample_weight, settings)
        if going_on:
            state = training.join(self._resume(settings), *data, settings)
        else:
            sizes, n_chains = self._hidden_sizes(), self._n_chains()
            state = training.start(*data, sizes, n_chains, settings)
            refuse_empty_columns(self, X_given, state.mass)
        run = Run(state, history, Progress())
        if going_on and stopping is not None:
            # What has been learnt so far is a candidate for the best.
            progress, _ = stopping.judge(run.progress, state)
            run = run._replace(progress=progress)
        job = Job((X_given, y), data, settings, stopping, rates, state.epoch)
        return self._finish(job, run, going_on)

    @_fit_context(prefer_skip_nested_validation=True)
    def _resume_fit(self, X_given, y=None, sample_weight=None):
        """Go on with a fit that was interrupted, from its checkpoint."""
        run, rates, first, expected, _ = self._unfinished
        X = check_rows(self, X_given, method="fit", missing=True)
        dtype = float_dtype(run.state.params.biases[0])
        sample_weight = check_weights(sample_weight, X, dtype)
        settings = self._settings(self._seed)
        stopping, data = self._hold_out(X, sample_weight, settings)
        if fingerprint(data) != expected:
            raise ValueError(
                "To resume a fit takes the same rows, in the same order, and the same "
                "weights as it began with, but these are others. Give those, or go on "
                "with the new ones by partial_fit of the estimator that load() returns."
            )
        job = Job((X_given, y), data, settings, stopping, rates, first)
        return self._finish(job, run, going_on=False)

    def _finish(self, job, run, going_on):
        """The epochs that are left, and the fitted attributes."""
        begin = time.perf_counter()
        context = self._init_callback_context(max_subtasks=len(job.rates))
        X, y = job.given
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        epochs = self._epochs(job, run, context)
        try:
            for run in epochs:
                if self.verbose:
                    self._print(job, run, time.perf_counter() - begin)
                    begin = time.perf_counter()
        except KeyboardInterrupt:
            n_done = run.state.epoch - job.first
            if n_done == 0:
                raise
            kept = "the best of these is" if job.stopping else "these are"
            warnings.warn(
                f"Training interrupted by user after {n_done} epochs: {kept} kept.",
                stacklevel=5,
            )
        except training.Diverged:
            if going_on:
                vars(self).update(self._attributes(run, job.settings.seed))
            raise FloatingPointError(
                f"{type(self).__name__} diverged in epoch {run.state.epoch + 1}: its "
                "parameters are no longer finite. Lower learning_rate "
                f"({self.learning_rate:g}) or momentum ({self.momentum:g}), and see "
                "that X lies in [0, 1]."
            ) from None
        if not going_on:
            record_features(self, X)
            self._n_gibbs_calls = 0
        vars(self).update(self._attributes(run, job.settings.seed))
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
            if progress.n_without_gain >= self.n_iter_no_change:
                if self.verbose:
                    print(
                        f"[{type(self).__name__}] No gain for {self.n_iter_no_change} "
                        f"epochs: stopped, and kept those up to {progress.best.epoch}."
                    )
                return
            task = context.subcontext(task_name="epoch")
            task.call_on_fit_task_begin(estimator=self, X=given[0], y=given[1])
            # Overflow is no news where an epoch ends by asking if all is finite.
            with np.errstate(over="ignore", invalid="ignore"):
                before = state.params
                state = training.train_epoch(state, X, sample_weight, rate, settings)
                machine, rows = Machine(settings.units, state.params), state.rows(X)
                measured = monitor.measure(machine, rows, watched, state.samples())
                steps = -(-X.shape[0] // settings.batch_size)
                measured["gradient_norm"] = monitor.mean_gradient_norm(
                    before, state.params, steps * rate
                )
                if stopping is not None:
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

    def _so_far(self, job, run, digest):
        """Attributes of the estimator as if the fit had ended with this epoch."""
        features = BaseEstimator()
        record_features(features, job.given[0])
        return {
            **vars(features),
            **self._attributes(run, job.settings.seed),
            "_n_gibbs_calls": 0,
            "_unfinished": Unfinished(
                run, job.rates, job.first, digest(), run.state.epoch - job.first
            ),
        }

    def _hold_out(self, X, sample_weight, settings):
        """Early stopping with its rows, if asked for; the rows and weights left."""
        if not self.early_stopping:
            return None, (X, sample_weight)
        stopping, left = hold_out(
            X, sample_weight, self.validation_fraction, self.tol, settings
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
        held_out = ""
        if self.early_stopping:
            held_out = f"validation score = {last['validation_log_likelihood']:.2f}, "
        print(
            f"[{type(self).__name__}] Iteration {run.state.epoch - job.first}, "
            f"pseudo-likelihood = {last['pseudo_log_likelihood']:.2f}, "
            f"{held_out}time = {seconds:.2f}s"
        )

    def _settings(self, seed):
        return training.Settings(
            units=self._units(),
            optimiser=optimise.MomentumSGD(
                self.momentum, self.weight_decay, self.l1_decay, self.max_norm
            ),
            algorithm=ALGORITHMS[self.algorithm](self.n_gibbs_steps),
            batch_size=self.batch_size,
            shuffle=self.shuffle,
            centred=self.centered,
            sparsity=None
            if self.sparsity_target is None
            else training.Sparsity(self.sparsity_target, self.sparsity_cost),
            sample_inputs=self.sample_inputs,
            seed=seed,
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

    def _n_chains(self):
        return self.batch_size if self.n_chains is None else self.n_chains

    def _attributes(self, run, seed):
        """The run as fitted attributes: of its best epoch, if rows were held out."""
        state = run.progress.best or run.state
        velocity = state.velocity
        return {
            **self._from_params(state.params),
            **self._from_chains(state.samples()),
            "n_iter_": run.state.epoch,
            "history_": run.history,
            "_seed": seed,
            "_training": {
                "betas": state.betas,
                "hotter": state.hotter(),
                "means": list(state.means),
                "mass": state.mass,
                "velocity": None
                if velocity is None
                else [list(group) for group in velocity],
            },
        }

    def _resume(self, settings):
        """Training's state from the fitted attributes, as the parameters now ask."""
        dtype = float_dtype(self._read_params().biases[0])
        params, saved = self._machine(dtype).params, self._training
        means, velocity = tuple(saved["means"]), saved["velocity"]
        if velocity is not None:
            velocity = Params(*(tuple(group) for group in velocity))
        pairs = zip(self._read_chains(), saved["hotter"], strict=True)
        chains = [x if x is None else namespace(x).concat([x, y]) for x, y in pairs]
        state = training.State(
            params,
            chains,
            velocity,
            means,
            self.n_iter_,
            saved["mass"],
            betas=saved["betas"],
        )
        return training.adapt(state, self._n_chains(), settings)

    def score_samples(self, X):
        """Log-likelihood of each row, in nats.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            ``-free_energy(X) - log Z``. The same on every call, and for any order or
            subset of the rows.
        """
        return -self.free_energy(X) - self.log_partition().value

    def score(self, X, y=None):
        """Mean log-likelihood of the rows, in nats.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.

        y : Ignored
            Not used, present for consistency.

        Returns
        -------
        log_likelihood : float
            Mean of :meth:`score_samples`; larger is better.
        """
        log_likelihood = self.score_samples(X)
        return float(namespace(log_likelihood).mean(log_likelihood))

    @validate_params(
        {
            "method": [StrOptions({"auto", "exact", "ais"})],
            "n_betas": [Interval(Integral, 2, None, closed="left")],
            "n_runs": [Interval(Integral, 2, None, closed="left")],
        },
        prefer_skip_nested_validation=True,
    )
    def log_partition(self, method="auto", *, n_betas=500, n_runs=100):
        """Logarithm of the partition function Z, in nats.

        Exactly, or by annealed importance sampling [1]_ from a machine without weights
        that has the data's means, in both directions [2]_: forward it errs downwards in
        expectation; reverse, from samples of the machine itself, upwards. The value
        joins both by Bennett's acceptance ratio [3]_. The samples are the chains of the
        fit, after `n_betas` further Gibbs steps. If these do not reach all the modes of
        the machine, the estimates are too low: more `n_betas` show it. Where forward
        clearly is above reverse annealing, the value is that of the former alone.

        The random numbers come from the fit, so that repeated calls agree. Results are
        kept, and used again for as long as the parameters are the same.

        Parameters
        ----------
        method : {"auto", "exact", "ais"}, default="auto"
            "exact" enumerates the smaller side of the machine, "ais" anneals. "auto" is
            "exact" where the smaller side has at most 20 units.
        n_betas : int, default=500
            Number of inverse temperatures. Time is proportional to it; the fluctuation
            of the weights falls with its square root.
        n_runs : int, default=100
            Number of independent annealing runs in each direction.

        Returns
        -------
        log_partition : LogPartition
            With attributes `value`; `lower` and `upper`, between which lie it and the
            estimates of the two directions, each with two of its standard errors on
            either side; `std_error` of the value; `method`; and `effective_samples`,
            what the weighted runs of the worse direction are worth.

        Raises
        ------
        ValueError
            If `method` is unknown, or "exact" is asked of more than 20 units.

        Warns
        -----
        ConvergenceWarning
            If `upper` is more than 1 nat above `lower`.

        References
        ----------
        .. [1] Salakhutdinov, R. and Murray, I. (2008). On the quantitative analysis of
           deep belief networks. Proceedings of the 25th International Conference on
           Machine Learning, 872-879.
        .. [2] Burda, Y., Grosse, R. and Salakhutdinov, R. (2015). Accurate and
           conservative estimates of MRF log-likelihood using reverse annealing.
           Proceedings of AISTATS 18, 102-110.
        .. [3] Bennett, C. H. (1976). Efficient estimation of free energy differences
           from Monte Carlo data. Journal of Computational Physics 22, 245-268.
        """
        check_is_fitted(self)
        params = self._read_params()
        values = [to_numpy(x) for group in params for x in group]
        fingerprint, asked = joblib.hash(values), (method, n_betas, n_runs)
        known = getattr(self, "_log_partitions", {}).get(fingerprint, {})
        if asked not in known:
            known = {**known, asked: self._compute_log_partition(params, *asked)}
            # Only of these parameters: what was known of others is of no more use.
            self._log_partitions = {fingerprint: known}
        return known[asked]

    def _compute_log_partition(self, params, method, n_betas, n_runs):
        machine = self._machine(float_dtype(params.biases[0]))
        _, n_units = partition.smaller_side(params)
        if method == "exact" and n_units > partition.MAX_EXACT_UNITS:
            raise ValueError(
                f"The smaller side has {n_units} units, and exact enumeration is for "
                f"at most {partition.MAX_EXACT_UNITS}. Use method='ais'."
            )
        if method != "ais" and n_units <= partition.MAX_EXACT_UNITS:
            return partition.exact(machine)
        mean = self._training["means"][0]
        base = tempering.base_biases(machine.units, machine.params, mean)
        draws = stream(self._seed, Purpose.PARTITION, mean)
        chains = self._read_chains()
        samples = partition.settled(machine, chains, n_runs, n_betas, draws)
        result = partition.annealed(machine, base, samples, n_betas, draws)
        if result.upper - result.lower > WIDE_BRACKET:
            warnings.warn(
                f"log Z is uncertain: it lies between {result.lower:.2f} and "
                f"{result.upper:.2f}, with {result.effective_samples:.1f} effective "
                f"samples of {n_runs}. Log-likelihoods are off by as much, all in the "
                "same way. Call log_partition with a larger n_betas "
                f"(now {n_betas}) or n_runs.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return result

    def _machine_for(self, X, method, missing=False):
        """Checked rows and the machine in their dtype, as every query starts."""
        check_is_fitted(self)
        X = check_rows(self, X, method=method, missing=missing)
        return X, self._machine(float_dtype(X))

    def _machine(self, dtype):
        params = self._read_params()
        xp = namespace(params.biases[0])
        cast = (
            tuple(xp.astype(x, dtype, copy=False) for x in group) for group in params
        )
        return Machine(self._units(), Params(*cast))

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_iter_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def draw_seed(random_state):
    """One seed for all random streams of a fit."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
