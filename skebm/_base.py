"""What the estimators share: the way from checked input to training and back.

The estimator's fitted attributes are the only copy of its model. `_read_params` and
`_write_params`, which each estimator defines, lead to the core's params and back.
"""

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

from ._validation import check_rows, check_weights, record_features
from .core import monitor, optimise, partition, training
from .core.backend import float_dtype, namespace, to_numpy
from .core.machine import Machine, Params
from .core.streams import Purpose, stream

SCHEDULES = {"constant": optimise.constant, "linear": optimise.linear}

# Width in nats of the interval for log Z above which a warning tells of it.
WIDE_BRACKET = 1.0

ALGORITHMS = {
    "cd": training.ContrastiveDivergence,
    "pcd": training.PersistentChains,
}


class BoltzmannMachineBase(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
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
        "centered": ["boolean"],
        "learning_rate_schedule": [StrOptions(set(SCHEDULES))],
        "shuffle": ["boolean"],
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
            Training data, with values in [0, 1].

        y : Ignored
            Not used, present for consistency.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A row of weight 2 counts as the row twice.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X holds NaN or infinity, or a weight is negative, or all are zero.
        FloatingPointError
            If the parameters become infinite or NaN: the learning rate is too high.
        """
        schedule = SCHEDULES[self.learning_rate_schedule]
        rates = schedule(self.learning_rate, self.n_iter)
        going_on = self.warm_start and self.__sklearn_is_fitted__()
        return self._train(X, sample_weight, rates, going_on, "fit")

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Pass once over X in minibatches, going on from where training stands.

        Markov chains, momentum and random streams continue. The learning rate is
        `learning_rate`, whatever the schedule. The first call decides on the number of
        features and the dtype, and starts the machine about the means of its rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, with values in [0, 1].

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
            If X holds NaN or infinity, or a weight is negative, or all are zero.
        FloatingPointError
            If the parameters become infinite or NaN. They stay as they were before.
        """
        going_on = self.__sklearn_is_fitted__()
        return self._train(
            X, sample_weight, [self.learning_rate], going_on, "partial_fit"
        )

    def _train(self, X_given, sample_weight, rates, going_on, method):
        X = check_rows(self, X_given, method=method, new=not going_on)
        dtype = float_dtype(self._read_params().biases[0] if going_on else X)
        sample_weight = check_weights(sample_weight, X, dtype)
        if going_on:
            self._check_sizes()
            seed, history = self._seed, {k: list(v) for k, v in self.history_.items()}
            settings = self._settings(seed)
            state = self._resume(settings)
            state = training.join(state, X, sample_weight, settings)
        else:
            seed, history = draw_seed(self.random_state), {}
            settings = self._settings(seed)
            state = training.start(
                X, sample_weight, self._hidden_sizes(), self._n_chains(), settings
            )
        try:
            state = self._run(state, X, sample_weight, rates, settings, history)
        except training.Diverged as stop:
            if going_on:
                self._write(stop.state, seed, history)
            raise FloatingPointError(
                f"{type(self).__name__} diverged in epoch {stop.state.epoch + 1}: its "
                "parameters are no longer finite. Lower learning_rate "
                f"({self.learning_rate:g}) or momentum ({self.momentum:g}), and see "
                "that X lies in [0, 1]."
            ) from None
        if not going_on:
            record_features(self, X_given)
            self._n_gibbs_calls = 0
        self._write(state, seed, history)
        return self

    def _run(self, state, X, sample_weight, rates, settings, history):
        """The epochs, and what comes between: history, progress, interruption."""
        array = state.params.biases[0]
        watched = monitor.watch(X, array, stream(settings.seed, Purpose.MONITOR, array))
        begin, first = time.perf_counter(), state.epoch
        try:
            for rate in rates:
                # Overflow is no news where an epoch ends by asking if all is finite.
                with np.errstate(over="ignore", invalid="ignore"):
                    done = training.train_epoch(state, X, sample_weight, rate, settings)
                    machine = Machine(settings.units, done.params)
                    measured = monitor.measure(machine, watched)
                for name, value in measured.items():
                    history.setdefault(name, []).append(value)
                state = done  # an interruption before here undoes the whole epoch
                if self.verbose:
                    end = time.perf_counter()
                    print(
                        f"[{type(self).__name__}] Iteration {state.epoch - first}, "
                        f"pseudo-likelihood = {measured['pseudo_log_likelihood']:.2f}, "
                        f"time = {end - begin:.2f}s"
                    )
                    begin = end
        except KeyboardInterrupt:
            if state.epoch == first:
                raise
            warnings.warn(
                f"Training interrupted by user after {state.epoch - first} epochs: "
                "these are kept.",
                stacklevel=4,
            )
        return state

    def _settings(self, seed):
        return training.Settings(
            units=self._units(),
            optimiser=optimise.MomentumSGD(self.momentum, self.weight_decay),
            algorithm=ALGORITHMS[self.algorithm](self.n_gibbs_steps),
            batch_size=self.batch_size,
            shuffle=self.shuffle,
            centred=self.centered,
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

    def _write(self, state, seed, history):
        """Training's state as fitted attributes."""
        self._write_params(state.params)
        self._write_chains(state.chains)
        velocity = state.velocity
        self._training = {
            "visible_mean": state.visible_mean,
            "mass": state.mass,
            "offsets": list(state.offsets),
            "velocity": None
            if velocity is None
            else [list(group) for group in velocity],
        }
        self._seed = seed
        self.n_iter_ = state.epoch
        self.history_ = history

    def _resume(self, settings):
        """Training's state from the fitted attributes, as the parameters now ask."""
        dtype = float_dtype(self._read_params().biases[0])
        params, saved = self._machine(dtype).params, self._training
        offsets, velocity = tuple(saved["offsets"]), saved["velocity"]
        if velocity is not None:
            velocity = Params(*(tuple(group) for group in velocity))
        state = training.State(
            params,
            self._read_chains(),
            velocity,
            offsets,
            self.n_iter_,
            saved["visible_mean"],
            saved["mass"],
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
        joins both by Bennett's acceptance ratio [3]_.

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
            With attributes `value`; `lower` and `upper`, the estimates of the two
            directions, each moved outwards by two of its standard errors; `std_error`
            of the value; `method`; and `effective_samples`, what the weighted runs of
            the worse direction are worth.

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
        mean = self._training["visible_mean"]
        base = partition.base_biases(machine.units, machine.params, mean)
        draws = stream(self._seed, Purpose.PARTITION, mean)
        result = partition.annealed(
            machine, base, self._read_chains(), n_betas, n_runs, draws
        )
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

    def _machine_for(self, X, method):
        """Checked rows and the machine in their dtype, as every query starts."""
        check_is_fitted(self)
        X = check_rows(self, X, method=method)
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
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def draw_seed(random_state):
    """One seed for all random streams of a fit."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
