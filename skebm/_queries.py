"""What can be asked of a fitted machine, of any depth."""

from numbers import Integral

from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from ._log_partition import LogPartitionMixin
from ._validation import (
    check_hidden,
    check_rows,
    check_states,
    check_values,
    mean_score,
)
from .core.backend import namespace
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
        Of the estimates that were made for the present parameters, it is the exact one,
        or that of the most temperatures times runs; where there is none, the default.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            ``-F(X) - log Z``, with the free energy F. The same on every call, until
            :meth:`log_partition` does more work, and for any order or subset of the
            rows.

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

        It is what `density` makes of machine and random numbers, as a function of rows.
        """
        check_scalar(n_runs, "n_runs", Integral, min_val=1)
        check_scalar(n_betas, "n_betas", Integral, min_val=2)
        X, machine = self._machine_for(X, method)
        seed = self._seed if random_state is None else random_state
        draws = self._draws(Purpose.BOUND, seed)
        found = by_blocks(density(machine, draws), X, float_dtype(X))
        return found + machine.units[0].log_jacobian

    def _machine_for(self, X, method, missing=False):
        """Checked rows as visible states, and the machine in their dtype."""
        check_is_fitted(self)
        kind, missing = self._visible_kind(), missing and self._fills_missing
        X = check_rows(self, X, method=method, kind=kind, missing=missing)
        return Encoded(X, kind), self._machine(float_dtype(X))
