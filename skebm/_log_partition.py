"""The partition function of a fitted machine: what is known of log Z, and how far."""

import math
from functools import partial
from numbers import Integral
from operator import itemgetter

import joblib
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.validation import check_is_fitted

from ._machine import MachineMixin
from ._validation import draw_seed
from ._warnings import warn
from .core import mixture_annealing, partition
from .core.backend import like, to_numpy
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


def of_most_work(known):
    """Of estimates beside the work they took, the one of most; None if there is none.

    Not the one of the narrowest bracket: with few runs, some are so by chance.
    """
    return max(known, key=itemgetter(0), default=(0, None))[1]


def is_wide(log_partition):
    """Whether log Z is uncertain; NaN is."""
    return not width(log_partition) <= WIDE_BRACKET


class LogPartitionMixin(MachineMixin):
    """The partition function, log Z, and the random numbers of queries."""

    # Gibbs steps that annealing takes for each temperature.
    _annealing_steps = mixture_annealing.ANNEALING_STEPS

    def _draws(self, purpose, random_state):
        array = self._read_params().biases[0]
        return stream(draw_seed(random_state), purpose, array)

    def _log_z(self, X):
        """The best value of log Z that is known, or else the default one.

        Where it depends on the rows `X`, there is one for each.
        """
        _, known = self._known_log_partitions()
        best = of_most_work(known.values())
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
        start, as a rule. A first annealing, of half as many temperatures and half as
        many runs again, tells how much of the probability is where each component is,
        and the weights of the mixture follow. The samples that reverse annealing starts
        from are the forward runs, drawn by their weights, after some Gibbs steps.

        Where forward clearly is above reverse annealing, the value is that of the
        former alone. A mode in which no chain and no run has been is in none of the
        estimates: then the two directions may agree, and both be too low.

        The random numbers come from the fit, so that repeated calls agree. Results are
        kept, and used again for as long as the parameters are the same. Scores use the
        exact value, or else that of the most temperatures times runs.

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
            return self._kept("exact", math.inf, partial(partition.exact, machine))[0]
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

    def _grown(self, annealed, n_betas, n_runs, uncertain):
        """What annealing finds with so many temperatures, or as many as it takes.

        The latter while the fit took longer. Also whether that was not known before,
        and the number of temperatures.
        """
        steps = self._annealing_steps * steps_of_work(1, n_runs)
        taken = FIRST_BETAS if n_betas == "auto" else n_betas
        result, new = annealed(taken)
        work = steps * taken
        while n_betas == "auto" and uncertain(result):
            work += steps * GROWTH * taken
            if GROWTH * taken > MOST_BETAS or work > self._training["work"]:
                break
            taken *= GROWTH
            result, new = annealed(taken)
        return result, new, taken

    def _estimated(self, machine, n_runs, n_betas):
        """log Z by annealing, and whether it was not known before."""

        def compute():
            base, chains = self._base_and_chains(machine)
            draws = stream(self._seed, Purpose.PARTITION, base[0])
            return mixture_annealing.annealed(
                machine, base, chains, n_runs, n_betas, draws
            )

        name = f"{n_betas} temperatures, {n_runs} runs"
        return self._kept(name, n_betas * n_runs, compute)

    def _base_and_chains(self, machine):
        """What annealing of a machine is told: the base machine, and odd layers."""
        array = machine.params.biases[0]
        mean, chains = self._data_mean(array.dtype), self._read_chains()
        chains = [None if x is None else like(x, array) for x in chains]
        return base_biases(machine.units, machine.params, mean), chains

    def _kept(self, name, work, compute):
        """log Z as it is known by that name, or else computed; whether it is new.

        The work is in temperatures times runs, and infinite where log Z is exact.
        """
        fingerprint, known = self._known_log_partitions()
        if name in known:
            return known[name][1], False
        result = compute()
        # Only of these parameters: what was known of others is of no more use.
        self._log_partitions = {fingerprint: {**known, name: (work, result)}}
        return result, True

    def _known_log_partitions(self):
        """A fingerprint of the parameters, and what is known of their log Z, by name.

        That is pairs of the work and the estimate.
        """
        values = [to_numpy(x) for group in self._read_params() for x in group]
        fingerprint = joblib.hash(values)
        return fingerprint, getattr(self, "_log_partitions", {}).get(fingerprint, {})
