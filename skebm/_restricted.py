"""What every restricted Boltzmann machine has, whatever its visible units."""

from numbers import Integral

from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ._base import BaseBoltzmannMachine
from .core.conditional import reverse_annealed_density
from .core.gaussian import Gaussian
from .core.machine import ODD, Params, free_energy, pseudo_log_likelihood, to_means
from .core.missing import expected
from .core.mixture_annealing import path_to, spaced
from .core.rows import by_blocks, float_dtype, has_nan
from .core.sampling import gibbs
from .core.streams import Purpose, stream
from .core.units import Bernoulli

HIDDEN = {"bernoulli": Bernoulli, "gaussian": Gaussian}
HIDDEN_UNITS = [StrOptions(set(HIDDEN))]


# Runs of the annealing by which cautious scores find the mixture's weights.
N_MIXTURE_RUNS = 100


def hidden_kind(rbm):
    """The kind of hidden units that `hidden_units` names."""
    if rbm.hidden_units not in HIDDEN:
        raise ValueError(
            f"hidden_units of {type(rbm).__name__} must be one of {sorted(HIDDEN)}, "
            f"got {rbm.hidden_units!r}."
        )
    if rbm.hidden_units == "gaussian" and rbm.sparsity_target is not None:
        raise ValueError(
            "sparsity_target is the share of rows for which a hidden unit is active, "
            'but those of hidden_units="gaussian" are not on or off: leave it None.'
        )
    return HIDDEN[rbm.hidden_units]()


def fitted_reader(rbm):
    """What reads the rows of a fitted machine, if it does so itself."""
    check_is_fitted(rbm)
    if rbm._reader is None:
        raise AttributeError(
            f"This {type(rbm).__name__} is a part of a stack, which reads the tables "
            "and gives it numbers: ask the stack for rows."
        )
    return rbm._reader


class BaseRBM(BaseBoltzmannMachine):
    """One hidden layer: its posterior is exact, and a row's chain is its own.

    A subclass is a face: its signature and docstring, and `_units`.
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        **BaseBoltzmannMachine._parameter_constraints,
    }

    def transform(self, X):
        """Compute the means of the hidden units, given the rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, as visible units. Entries of a dense array that are NaN are replaced
            by their mean-field expectation: they and the hidden units are updated in
            turn, each by its mean given the others.

        Returns
        -------
        H : ndarray of shape (n_samples, n_components)
            ``E[h | v = X]``: of binary units, the probabilities that they are 1.
        """
        X, machine = self._machine_for(X, "transform", missing=True)
        missing, mean = has_nan(X), self._data_mean()

        def up(v):
            v = expected(machine, v, mean) if missing else v
            return machine.units[1].decode(to_means(machine, [v, None], ODD)[1])

        return by_blocks(up, X.X if missing else X, float_dtype(X))

    def gibbs(self, v):
        """One step of Gibbs sampling: hidden units given `v`, visible units given them.

        Parameters
        ----------
        v : {array-like, sparse matrix} of shape (n_samples, n_features)
            Visible units to start from.

        Returns
        -------
        v_new : ndarray of shape (n_samples, n_features)
            Visible units after the step. Each call draws new random numbers,
            so that repeated calls make a Markov chain.
        """
        given, (v, machine) = v, self._machine_for(v, "gibbs")
        self._n_gibbs_calls += 1
        array = machine.params.biases[0]
        draws = stream(self._seed, Purpose.GIBBS, array, self._n_gibbs_calls)

        def step(x):
            return machine.units[0].decode(gibbs(machine, [x, None], 1, draws)[0])

        return self._as_rows(by_blocks(step, v, float_dtype(v)), given)

    def free_energy(self, X):
        """Free energy of each row, in nats: -log of its unnormalised probability.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, as visible units.

        Returns
        -------
        free_energy : ndarray of shape (n_samples,)
            ``F(v) = -log sum_h exp(-E(v, h))``.
        """
        X, machine = self._machine_for(X, "free_energy")
        return by_blocks(lambda v: free_energy(machine, [v, None]), X, float_dtype(X))

    def cautious_score_samples(self, X, *, n_runs=1, n_betas=1000, random_state=None):
        """Estimate the log-likelihood of each row cautiously, in nats.

        By annealing in reverse from the rows themselves (RAISE) [1]_ [2]_, down to the
        mixture that :meth:`log_partition` starts from, whose log Z is known. Chains
        only shape the mixture: rows of a mode that they miss score lower. The estimate
        is too low on average, by nats where temperatures are few, for the density with
        which annealing ends at the row. That comes to be the machine's with more
        temperatures. Until then annealing may divide its runs between modes that are
        far apart otherwise than the machine does, and the rows of a mode that it
        prefers score too high. Take the mean over a hundred rows or more: a single
        row's value is off by several nats.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score. Each takes about `n_runs` times `n_betas` Gibbs steps.
        n_runs : int, default=1
            Number of independent runs for each row, over whose probabilities the mean
            is taken. More of them make the estimate less cautious.
        n_betas : int, default=1000
            Number of inverse temperatures. In each call the mixture is fitted anew,
            with half as many Gibbs steps and temperatures, from 100 chains.
        random_state : int, RandomState instance or None, default=None
            Seed of the random numbers. None is that of the fit, which gives the same
            values on every call, as an int does. Those of a row depend on its place.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            The estimates.

        References
        ----------
        .. [1] Burda, Y., Grosse, R. and Salakhutdinov, R. (2015). Accurate and
           conservative estimates of MRF log-likelihood using reverse annealing.
           Proceedings of AISTATS 18, 102-110.
        .. [2] Upadhya, V. and Sastry, P. S. (2015). Empirical analysis of sampling
           based estimators for evaluating RBMs. Proceedings of ICONIP, 545-553.

        Examples
        --------
        >>> import numpy as np
        >>> from skebm import BernoulliRBM
        >>> X = np.array([[0, 0, 1], [1, 1, 0]] * 50)
        >>> rbm = BernoulliRBM(2, random_state=0).fit(X)
        >>> lost = rbm.score_samples(X) - rbm.cautious_score_samples(X)
        >>> bool(abs(lost.mean()) < 0.05)
        True
        """

        def density(machine, draws):
            base, chains = self._base_and_chains(machine)
            path = path_to(machine, base, chains, N_MIXTURE_RUNS, n_betas, draws)
            betas = spaced(n_betas)[::-1]
            return lambda rows: reverse_annealed_density(
                path, betas, rows, n_runs, draws
            )

        method = "cautious_score_samples"
        return self._by_annealing(density, X, method, n_runs, n_betas, random_state)

    def pseudo_log_likelihood(self, X):
        """Pseudo-log-likelihood of each row, in nats, exact over all features.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, as visible units.

        Returns
        -------
        pseudo_log_likelihood : ndarray of shape (n_samples,)
            ``sum_i log p(v_i | all other v_j)``, without any random choice.

        References
        ----------
        .. [1] Besag, J. (1975). Statistical analysis of non-lattice data. The
           Statistician 24, 179-195.
        """
        X, machine = self._machine_for(X, "pseudo_log_likelihood")
        return by_blocks(lambda v: pseudo_log_likelihood(machine, v), X, float_dtype(X))

    def _hidden_sizes(self):
        return (self.n_components,)

    def _read_params(self):
        return Params(
            (self.components_.T,), (self.intercept_visible_, self.intercept_hidden_)
        )

    def _from_params(self, params):
        visible, hidden = params.biases
        return {
            "components_": params.weights[0].T,
            "intercept_visible_": visible,
            "intercept_hidden_": hidden,
        }

    def _read_chains(self):
        return [None, self.h_samples_]

    def _from_chains(self, chains):
        return {"h_samples_": chains[1]}

    @property
    def _n_features_out(self):
        return self.components_.shape[0]
