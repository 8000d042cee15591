"""What can be asked of a fitted machine, of any depth."""

import math
from functools import partial
from numbers import Integral

import joblib
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_scalar
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.validation import check_is_fitted

from ._machine import MachineMixin
from ._validation import (
    check_hidden,
    check_rows,
    check_states,
    check_values,
    draw_seed,
    mean_score,
)
from ._warnings import warn
from .core import mixture_annealing, partition
from .core.backend import namespace, to_numpy
from .core.conditional import conditional_mean, sample_visible
from .core.machine import visible_mean
from .core.rows import Encoded, by_blocks, float_dtype
from .core.sampling import (
    FINE,
    clamp,
    gibbs,
    mean_field,
    start_at_visible,
    top_down,
    visible_free_energy,
)
from .core.streams import Purpose, stream
from .core.tempering import base_biases
from .core.training import steps_of_work

# Width in nats of the interval for log Z above which a warning tells of it.
WIDE_BRACKET = 1.0

# Temperatures left to us: the first and the most of them, and how they grow.
FIRST_BETAS, MOST_BETAS, GROWTH = 50, 800, 4


def width(log_partition):
    """How far the bracket of log Z is from end to end, in nats."""
    return log_partition.upper - log_partition.lower


def is_wide(log_partition):
    """Whether log Z is uncertain; NaN is."""
    return not width(log_partition) <= WIDE_BRACKET


def with_observed(filled, rows):
    """Filled rows with what is observed as it was given, and not as it was decoded."""
    xp = namespace(rows)
    return xp.where(xp.isnan(rows), filled, rows)


class LikelihoodMixin:
    """`score` for what has `score_samples`."""

    def score(self, X, y=None, sample_weight=None):
        """Mean log-likelihood of the rows, or of its lower bounds, in nats.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.
        y : Ignored
            Not used, present for consistency.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A row of weight 2 counts as the row twice.

        Returns
        -------
        log_likelihood : float
            Weighted mean of :meth:`score_samples`; larger is better.

        Raises
        ------
        ValueError
            If a weight is negative or not finite, or if all are zero.
        """
        return mean_score(self.score_samples(X), sample_weight)


class LogPartitionMixin(MachineMixin):
    """The partition function, log Z, and the random numbers of queries."""

    def _draws(self, purpose, random_state):
        array = self._read_params().biases[0]
        return stream(draw_seed(random_state), purpose, array)

    def _log_z(self, X):
        """The best value of log Z that is known, or else the default one.

        Where it depends on the rows `X`, there is one for each.
        """
        _, known = self._known_log_partitions()
        best = min(known.values(), key=width, default=None)
        return (self.log_partition() if best is None else best).value

    @validate_params(
        {
            "method": [StrOptions({"auto", "exact", "ais"})],
            "n_betas": [
                StrOptions({"auto"}),
                Interval(Integral, 2, None, closed="left"),
            ],
            "n_runs": [Interval(Integral, 2, None, closed="left")],
        },
        prefer_skip_nested_validation=True,
    )
    def log_partition(self, method="auto", *, n_betas="auto", n_runs=100):
        """Logarithm of the partition function Z, in nats.

        Exactly, or by annealed importance sampling [1]_ in both directions [2]_:
        forward, which errs downwards in expectation, and in reverse, which errs upwards
        if its samples are of the whole machine. The value joins both by Bennett's
        acceptance ratio [3]_.

        Annealing starts from a mixture of independent units [4]_. It is fitted to where
        chains go: those of the fit, some that are cooled from independent units, and
        some that start from fair coins. So modes that they visit have runs from the
        start, as a rule.
        A first annealing, of half as many temperatures, tells how much of the
        probability is where each component is, and the weights of the mixture follow.
        The samples that reverse annealing starts from are the forward runs, drawn by
        their weights, after some Gibbs steps. Where forward clearly is above reverse
        annealing, the value is that of the former alone. A mode in which no chain and
        no run has been is in none of the estimates: then the two directions may agree,
        and both be too low.

        The random numbers come from the fit, so that repeated calls agree. Results are
        kept, and used again for as long as the parameters are the same, in the scores
        too.

        Parameters
        ----------
        method : {"auto", "exact", "ais"}, default="auto"
            "exact" enumerates the smaller side of the machine, which is its odd layers
            or its even ones, and "ais" anneals. "auto" is "exact" where that side has
            at most 20 units, and "ais" else.
        n_betas : int or "auto", default="auto"
            Number of inverse temperatures. Time is proportional to it, and the Gibbs
            steps and temperatures that the mixture is made with are. "auto" begins
            with 50, and takes four times as many, up to 800, while `upper` is more than
            1 nat above `lower` and all of it takes no longer than the fit did, in Gibbs
            steps.
        n_runs : int, default=100
            Number of annealing runs in each direction, and of the chains of the fit
            that the mixture is fitted to.

        Returns
        -------
        log_partition : LogPartition
            With attributes `value`; `lower` and `upper`, between which lie it and the
            estimates of the two directions, each with two of its standard errors on
            either side; `std_error` of the value; `method`; `effective_samples`, what
            the weighted runs of the worse direction are worth; and, where it is not
            exact, `forward` and `reverse`, those estimates, `forward_error` and
            `reverse_error`, and `path`, both estimates along the temperatures.

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
        .. [4] Owen, A. and Zhou, Y. (2000). Safe and effective importance sampling.
           Journal of the American Statistical Association 95, 135-143.
        """
        check_is_fitted(self)
        machine = self._machine()
        side = partition.smaller_side(machine)
        few = side.n_states <= partition.MAX_EXACT_STATES
        if method == "exact" and math.inf > side.n_states and not few:
            raise ValueError(
                "Exact enumeration is for at most 2^20 states, as 20 binary units have."
                f" The smaller side of this machine, of {side.n_units} units, has "
                "more. Use method='ais'."
            )
        if method == "exact" or (method == "auto" and few):
            return self._kept("exact", partial(partition.exact, machine))[0]
        annealed = partial(self._estimated, machine, n_runs)
        result, new, taken = self._grown(annealed, n_betas, n_runs, is_wide)
        if new and is_wide(result):
            warn(
                f"log Z is uncertain: it lies between {result.lower:.2f} and "
                f"{result.upper:.2f}, with {result.effective_samples:.1f} effective "
                f"samples of {n_runs}. Log-likelihoods are off by as much, all in the "
                f"same way. Call log_partition({result.method!r}) with a larger "
                f"n_betas (now {taken}) or n_runs: the scores then use what it finds.",
                ConvergenceWarning,
            )
        return result

    def _grown(self, annealed, n_betas, n_runs, is_wide):
        """What annealing finds with so many temperatures, or as many as it takes.

        The latter while the fit took longer. Also whether that was not known before,
        and the number of temperatures.
        """
        steps = mixture_annealing.ANNEALING_STEPS * steps_of_work(1, n_runs)
        taken = FIRST_BETAS if n_betas == "auto" else n_betas
        result, new = annealed(taken)
        work = steps * taken
        while n_betas == "auto" and is_wide(result):
            work += steps * GROWTH * taken
            if GROWTH * taken > MOST_BETAS or work > self._training["work"]:
                break
            taken *= GROWTH
            result, new = annealed(taken)
        return result, new, taken

    def _estimated(self, machine, n_runs, n_betas):
        """log Z by annealing, and whether it was not known before."""

        def compute():
            mean, chains = self._data_mean(), self._read_chains()
            base = base_biases(machine.units, machine.params, mean)
            draws = stream(self._seed, Purpose.PARTITION, mean)
            return mixture_annealing.annealed(
                machine, base, chains, n_runs, n_betas, draws
            )

        return self._kept(f"{n_betas} temperatures, {n_runs} runs", compute)

    def _kept(self, name, compute):
        """log Z as it is known by that name, or else computed; whether it is new."""
        fingerprint, known = self._known_log_partitions()
        if name in known:
            return known[name], False
        result = compute()
        # Only of these parameters: what was known of others is of no more use.
        self._log_partitions = {fingerprint: {**known, name: result}}
        return result, True

    def _known_log_partitions(self):
        """A fingerprint of the parameters, and what is known of their log Z."""
        values = [to_numpy(x) for group in self._read_params() for x in group]
        fingerprint = joblib.hash(values)
        return fingerprint, getattr(self, "_log_partitions", {}).get(fingerprint, {})


class BoltzmannMachineMixin(LikelihoodMixin, LogPartitionMixin):
    """Scores, samples and reconstructions.

    What goes in is encoded, and what comes out decoded, by the kinds of units.
    """

    def inverse_transform(self, X):
        """Compute the means of the visible units, given hidden units.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_hidden)
            Hidden units of the top layer: states, or probabilities as from
            :meth:`transform`.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)
            ``E[v | h = X]``. Where there are further hidden layers, each is set to
            its means given the one above, with twice the weights to stand in
            for the one below.
        """
        check_is_fitted(self)
        H = check_hidden(self, X)
        machine = self._machine(float_dtype(H))
        H, visible = Encoded(H, machine.units[-1]), machine.units[0]

        def down(h):
            return visible.decode(top_down(machine, h)[0])

        return self._as_rows(by_blocks(down, H, float_dtype(H)))

    def reconstruct(self, X, n_gibbs_steps=1):
        """The rows passed up to the hidden units and down again.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, as visible units.
        n_gibbs_steps : int, default=1
            How often up and down. All steps but the last draw samples, from random
            numbers fixed by the fit; the last one goes up and down by means, those of
            mean field where there is more than one hidden layer.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)
            Means of the visible units: of binary ones, the probabilities that they
            are 1.
        """
        check_scalar(n_gibbs_steps, "n_gibbs_steps", Integral, min_val=1)
        given, (X, machine) = X, self._machine_for(X, "reconstruct")
        draws = stream(self._seed, Purpose.RECONSTRUCT, machine.params.biases[0])

        def up_and_down(v):
            layers = start_at_visible(machine, v, draws)
            layers = gibbs(machine, layers, n_gibbs_steps - 1, draws)
            up = mean_field(machine, layers[0], FINE).layers
            return machine.units[0].decode(visible_mean(machine, up))

        return self._as_rows(by_blocks(up_and_down, X, float_dtype(X)), given)

    def sample(
        self,
        n_samples=1,
        *,
        n_gibbs_steps=1000,
        init=None,
        given=None,
        random_state=None,
    ):
        """Draw rows from the model by Gibbs sampling, each from a chain of its own.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows to draw.
        n_gibbs_steps : int, default=1000
            Gibbs steps for each row. With none, the rows are where the chains start.
        init : array-like of shape (n_samples, n_features), default=None
            Visible units that the chains start from, or one row, `(n_features,)`, for
            all. None draws each from the data's means, independently. With `given` it
            comes from chains that are annealed, as in :meth:`impute`, for half of the
            steps.
        given : array-like of shape (n_samples, n_features) or dict, default=None
            Values of visible units to draw the others given, NaN where a unit is free;
            or one row, `(n_features,)`, for all, or some columns by their names.
        random_state : int, RandomState instance or None, default=None
            Seed of the random numbers: an int gives the same rows on every call.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)
            The rows. Binary units are 0 or 1, but for those that are given another
            value.

        Raises
        ------
        ValueError
            If `init` or `given` has another shape than it should.

        Examples
        --------
        >>> import numpy as np
        >>> from skebm import BernoulliRBM
        >>> X = np.repeat([[0, 0, 1], [1, 1, 0]], 50, axis=0)
        >>> rbm = BernoulliRBM(2, n_iter=200, batch_size=10, random_state=0).fit(X)
        >>> rbm.sample(2, given=[1, np.nan, np.nan], random_state=0)
        array([[1., 1., 0.],
               [1., 1., 0.]], dtype=float32)
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        check_scalar(n_gibbs_steps, "n_gibbs_steps", Integral, min_val=0)
        machine = self._machine()
        draws = self._draws(Purpose.SAMPLE, random_state)
        array, clamped, kind = machine.params.biases[0], None, machine.units[0]
        shape = (n_samples, self.n_features_in_)
        init = self._as_numbers(init, "init")
        given = self._as_numbers(given, "given")
        mean = self._data_mean()
        if given is not None:
            given = check_states(given, "given", shape, array, allow_nan=True)
            clamped = self._held(given)
        if init is not None:
            start = self._encoded(check_states(init, "init", shape, array), "init")
            layers = start_at_visible(machine, clamp([start], clamped)[0], draws)
            visible = gibbs(machine, layers, n_gibbs_steps, draws, clamped)[0]
        else:
            visible = sample_visible(
                machine, mean, n_samples, n_gibbs_steps, draws, clamped
            )
        drawn = kind.decode(visible)
        return self._as_rows(drawn if given is None else with_observed(drawn, given))

    def _encoded(self, rows, name):
        """Rows that the user calls `name` as states; a warning if they are none."""
        kind = self._visible_kind()
        check_values(self, kind, rows, name)
        return kind.encode(rows)

    def _held(self, given):
        """What keeps the known entries of rows; a warning if they can be none."""
        kind = self._visible_kind()
        check_values(self, kind, given, "given")
        return kind.held(given)

    def impute(self, X, *, n_gibbs_steps=500, random_state=None):
        """Fill missing entries by their conditional mean, given the observed ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows with NaN for missing entries; a row may be missing altogether.
        n_gibbs_steps : int, default=500
            Gibbs steps for each row: of up to ten Markov chains, each of which is
            annealed [1]_ for half of its steps. Then the mean is taken, over the steps
            of a chain, and over the chains by their importance weights. Where nearly
            all weight is that of few chains, these are evened out until they are worth
            half of the chains: a bias for less variance, as in [2]_. More steps make
            the mean better.
        random_state : int, RandomState instance or None, default=None
            Seed of the random numbers: an int gives the same values on every call.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features)
            The rows, observed entries unchanged, missing ones as means: those of
            binary units are probabilities.

        References
        ----------
        .. [1] Neal, R. M. (2001). Annealed importance sampling. Statistics and
           Computing 11, 125-139.
        .. [2] Ionides, E. L. (2008). Truncated importance sampling. Journal of
           Computational and Graphical Statistics 17, 295-311.
        """
        check_is_fitted(self)
        check_scalar(n_gibbs_steps, "n_gibbs_steps", Integral, min_val=1)
        given, (X, machine) = X, self._machine_for(X, "impute", missing=True)
        draws = self._draws(Purpose.IMPUTE, random_state)
        mean = self._data_mean(float_dtype(X))

        kind = machine.units[0]

        def fill(rows):
            held = kind.held(rows)
            filled = conditional_mean(machine, mean, held, n_gibbs_steps, draws)
            return with_observed(kind.decode(filled), rows)

        return self._as_filled(by_blocks(fill, X.X, float_dtype(X)), given)

    def score_samples(self, X):
        """Log-likelihood of each row, in nats.

        It is exact but for log Z, which is exact or estimated by :meth:`log_partition`.
        Of the estimates that were made for the present parameters, it is the one with
        the narrowest bracket; where there is none, the default one.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            ``-F(X) - log Z``, with the free energy F. The same on every call, until
            :meth:`log_partition` finds a narrower bracket, and for any order or subset
            of the rows.

        Warns
        -----
        ConvergenceWarning
            If log Z has to be estimated, and is uncertain by more than 1 nat.
        """
        return self._scores(X, lambda machine, v: visible_free_energy(machine, v, FINE))

    def _scores(self, X, free_energy):
        """-F - log Z of each row, by a function of machine and visible units for F."""
        X, machine = self._machine_for(X, "score_samples")
        value = by_blocks(lambda v: free_energy(machine, v), X, float_dtype(X))
        return -value - self._log_z(X) + machine.units[0].log_jacobian

    def _by_annealing(self, density, X, method, n_runs, n_betas, random_state):
        """log of a density of each row, by runs of annealing.

        It is what `density` makes of machine, mean of the data and random numbers, as a
        function of rows.
        """
        check_scalar(n_runs, "n_runs", Integral, min_val=1)
        check_scalar(n_betas, "n_betas", Integral, min_val=2)
        X, machine = self._machine_for(X, method)
        dtype = float_dtype(X)
        seed = self._seed if random_state is None else random_state
        draws, mean = self._draws(Purpose.BOUND, seed), self._data_mean(dtype)
        found = by_blocks(density(machine, mean, draws), X, dtype)
        return found + machine.units[0].log_jacobian

    def _machine_for(self, X, method, missing=False):
        """Checked rows as visible states, and the machine in their dtype."""
        check_is_fitted(self)
        kind, missing = self._visible_kind(), missing and self._fills_missing
        X = check_rows(self, X, method=method, kind=kind, missing=missing)
        return Encoded(X, kind), self._machine(float_dtype(X))
