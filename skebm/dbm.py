"""Deep Boltzmann machines."""

from numbers import Integral, Real

from sklearn.base import _fit_context
from sklearn.utils import check_scalar
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ._base import BaseBoltzmannMachine
from ._layers import LayeredTransformerMixin, side_by_side
from ._posterior import MeanField, Posterior
from ._restricted import BaseRBM
from ._resuming import Call
from ._stacking import (
    HIDDEN_LAYER_SIZES,
    check_units,
    fit_layers,
    layer_sizes,
    lowest,
    new_machines,
)
from ._validation import check_states
from .core.backend import namespace
from .core.conditional import annealed_density
from .core.machine import ODD, Params, energy
from .core.pretraining import composed, doubled
from .core.rows import blocks, by_blocks, float_dtype, take_rows
from .core.sampling import FINE, Inference, importance_free_energy
from .core.streams import Purpose, spread_draws, stream
from .core.units import Bernoulli


class DBM(LayeredTransformerMixin, BaseBoltzmannMachine):
    """Deep Boltzmann machine: binary units in a visible and several hidden layers.

    There are weights between neighbouring layers only, in both directions:

    .. math:: p(v, h_1, \\dots, h_L) = \\frac{1}{Z} \\exp\\Big(b_0^T v + v^T W_0 h_1
              + \\sum_{l=1}^{L} b_l^T h_l + \\sum_{l=1}^{L-1} h_l^T W_l h_{l+1}\\Big) .

    So what a hidden unit makes of a row depends on the layers below and above. The
    posterior is approximated by mean field, which gives a lower bound of the
    log-likelihood; the model's side of the gradient is estimated with persistent
    Markov chains [1]_. The layers are first trained one after the other, as restricted
    Boltzmann machines in which a layer that will get input from two sides gets that of
    its one side twice [2]_, and then all together. With one hidden layer the model is
    that of :class:`BernoulliRBM`.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of shape (n_layers,), default=(256, 256)
        Numbers of hidden units, from below.
    learning_rate : float, default=0.1
        Step size of the joint training, in the first epoch if there is a schedule.
    batch_size : int or "auto", default="auto"
        Most rows per minibatch. The rows are divided into batches of nearly equal size.
        "auto" is a 500th of the rows, but at least 20 and at most 100; up to 40 rows
        are one batch.
    n_iter : int, default=10
        Number of passes over the rows by which all layers are trained together.
    algorithm : {"pcd", "pt"}, default="pcd"
        How the model's side of the gradient is estimated, as for
        :class:`BernoulliRBM`: by persistent chains, or by parallel tempering.
    n_gibbs_steps : int, default=5
        Gibbs steps per update of the parameters. Each draws the even layers and then
        the odd ones.
    n_chains : int, default=None
        Number of persistent chains, at each temperature for "pt". None means twice
        `batch_size`, up to 100, and no fewer than `batch_size`, if that is at most
        10,000; with "auto" from 40 to 100, and no fewer than there are where training
        goes on.
    n_mean_field_steps : int, default=30
        Most updates of all hidden layers by which training finds their means for a row.
        :meth:`transform`, :meth:`score_samples` and so on use more, and a smaller
        tolerance: those of :meth:`mean_field`.
    mean_field_tol : float, default=1e-3
        Change of a mean up to which a row's updates are over.
    momentum : float, default=0.0
        Share of the last step that is taken again, in [0, 1).
    weight_decay : float, default=0.0
        L2 penalty of the weights: ``weight_decay / 2`` times the sum of their squares
        is taken off the mean log-likelihood.
    l1_decay : float, default=0.0
        L1 penalty of the weights: `l1_decay` times the sum of their absolute values is
        taken off the mean log-likelihood. It makes weights exactly zero.
    max_norm : float, default=None
        Largest Euclidean norm of the weights of a hidden unit to the layer below. None
        means any.
    centered : bool, default=True
        Whether the gradient is that of the centred machine [3]_ [4]_.
    initial_activation : float, default=0.1
        Mean of the hidden units at the start, in (0, 1), where there is no pretraining:
        the machines in `rbm` have their own. From 1/2, the upper layers may come to
        nothing.
    learning_rate_schedule : {"constant", "linear", "cosine"}, default="cosine"
        How the learning rate falls towards zero in `n_iter` epochs: "linear" in even
        steps, "cosine" as half a wave, which is slower near both ends. "constant" lets
        it be. :meth:`partial_fit` always uses `learning_rate`.
    pretrain : bool, default=True
        Whether :meth:`fit` first trains the layers one after the other. Without it, the
        upper layers may come to nothing: see "dead_units" in `history_`.
        :meth:`partial_fit` does not pretrain, nor does a `warm_start`.
    rbm : BernoulliRBM or list of BernoulliRBM, default=None
        The machine that is cloned for the pretraining of each layer and given its size,
        or a list with one for each layer. None is ``BernoulliRBM()``. The parameters of
        a single machine that is given can be set as ``rbm__learning_rate`` and so on.
    sparsity_target : float, default=None
        Share of rows, in (0, 1), for which each hidden unit should be active. None
        means that it does not matter.
    sparsity_cost : float, default=0.1
        Weight of the penalty for missing `sparsity_target`.
    early_stopping : bool, default=False
        Whether to hold rows out of the fit, to follow the bound of their log-likelihood
        from epoch to epoch, to stop where it falls, and to keep the parameters of the
        epoch where it was best, or those after pretraining. That takes log Z: see the
        user guide. Pretraining does without these rows too.
    validation_fraction : float, default=0.1
        Share of the rows of positive weight that is held out, for `early_stopping`.
    n_iter_no_change : int, default=5
        Number of epochs in a row that speak for stopping, after which `early_stopping`
        stops. With a falling learning rate, gains come at the end: what speaks for
        stopping is that half of what the best epoch had gained over independent
        features is lost. With a constant one, it is that there is no gain.
    tol : float, default=0.01
        Least difference to the mean bound at the last gain, in nats, that is
        a gain; two standard errors of log Z, where these are more. Only with a constant
        learning rate.
    sample_inputs : bool, default=False
        Whether visible units are drawn from the rows, as probabilities, each time that
        the joint training meets them, in place of being set to these. For grey values.
    shuffle : bool, default=True
        Whether the rows are put in random order in each epoch.
    warm_start : bool, default=False
        Whether :meth:`fit` goes on from where the last call ended: parameters, chains,
        momentum, and random streams.
    verbose : int, default=0
        Whether to print a line per layer that is pretrained, and per epoch.
    random_state : int, RandomState instance or None, default=None
        Seed of all random numbers, also of the pretraining: an int gives the same
        results on every call.

    Attributes
    ----------
    components_ : list of ndarray of shape (n_upper, n_lower)
        Weights between neighbouring layers, from below: the first is of shape
        (hidden_layer_sizes[0], n_features).
    intercepts_ : list of ndarray of shape (n_units,)
        Biases of all layers, from the visible one up.
    chains_ : list of ndarray of shape (n_chains, n_units)
        Odd hidden layers of the Markov chains in their last state, from below: the
        first, the third and so on. The other layers are drawn from these.
    n_iter_ : int
        Number of epochs of joint training since it began, also where `early_stopping`
        kept the parameters of an earlier one.
    history_ : dict of lists of float
        One number per epoch for each quantity, measured on a small fixed part of the
        data: "mean_field_steps", the largest number that a row took;
        "reconstruction_error", the mean squared error of a feature, by mean field up
        and means down; "mean_activation" of the hidden units; "dead_units", the number
        of hidden units whose mean hardly varies; "chain_error", the root mean square
        difference between the features' means in chains and data; and "gradient_norm",
        the norm of the mean gradient. With `early_stopping`, also
        "validation_log_likelihood", the mean bound of the rows held out, and
        "free_energy_gap", by how much the bound of their mean free energy is above that
        of as many rows of the fit. NaN stands for epochs in which a quantity was not
        measured. With one hidden layer it is as for :class:`BernoulliRBM`.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in fit, where X has string names for all.

    See Also
    --------
    BernoulliRBM : The machine with one hidden layer.
    DBN : A stack whose layers but the top two are directed downwards.

    References
    ----------
    .. [1] Salakhutdinov, R. and Hinton, G. (2009). Deep Boltzmann machines. Proceedings
       of AISTATS 5, 448-455.
    .. [2] Salakhutdinov, R. and Hinton, G. (2012). An efficient learning procedure for
       deep Boltzmann machines. Neural Computation 24, 1967-2006.
    .. [3] Montavon, G. and Mueller, K.-R. (2012). Deep Boltzmann machines and the
       centering trick. In: Neural Networks: Tricks of the Trade, 621-637.
    .. [4] Melchior, J., Fischer, A. and Wiskott, L. (2016). How to center deep
       Boltzmann machines. Journal of Machine Learning Research 17(99), 1-61.

    Examples
    --------
    >>> import numpy as np
    >>> from skebm import DBM, BernoulliRBM
    >>> X = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]] * 25)
    >>> rbm = BernoulliRBM(n_iter=100)
    >>> dbm = DBM((3, 2), rbm=rbm, n_iter=100, random_state=0).fit(X)
    >>> dbm.transform(X).shape
    (100, 2)
    >>> bool(dbm.score(X) > dbm.score(1 - X))
    True
    """

    _parameter_constraints: dict = {
        **BaseBoltzmannMachine._parameter_constraints,
        "hidden_layer_sizes": HIDDEN_LAYER_SIZES,
        "algorithm": [StrOptions({"pcd", "pt"})],
        "n_mean_field_steps": [Interval(Integral, 1, None, closed="left")],
        "mean_field_tol": [Interval(Real, 0, None, closed="left")],
        "pretrain": ["boolean"],
        "sample_inputs": ["boolean"],
        "rbm": [BaseRBM, list, None],
    }

    _about_parts = " They are machines of tied copies, for the pretraining alone."
    _takes_missing = False
    _score_name = "lower bound of the log-likelihood (nats)"
    _reference_attribute = "_lowest_components"

    def __init__(
        self,
        hidden_layer_sizes=(256, 256),
        *,
        learning_rate=0.1,
        batch_size="auto",
        n_iter=10,
        algorithm="pcd",
        n_gibbs_steps=5,
        n_chains=None,
        n_mean_field_steps=30,
        mean_field_tol=1e-3,
        momentum=0.0,
        weight_decay=0.0,
        l1_decay=0.0,
        max_norm=None,
        centered=True,
        initial_activation=0.1,
        learning_rate_schedule="cosine",
        pretrain=True,
        rbm=None,
        sparsity_target=None,
        sparsity_cost=0.1,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        tol=0.01,
        sample_inputs=False,
        shuffle=True,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.algorithm = algorithm
        self.n_gibbs_steps = n_gibbs_steps
        self.n_chains = n_chains
        self.n_mean_field_steps = n_mean_field_steps
        self.mean_field_tol = mean_field_tol
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.l1_decay = l1_decay
        self.max_norm = max_norm
        self.centered = centered
        self.initial_activation = initial_activation
        self.learning_rate_schedule = learning_rate_schedule
        self.pretrain = pretrain
        self.rbm = rbm
        self.sparsity_target = sparsity_target
        self.sparsity_cost = sparsity_cost
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.sample_inputs = sample_inputs
        self.shuffle = shuffle
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    # The machines of the pretraining check their own parameters.
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the model to X: layer by layer, if `pretrain`, and then as a whole.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, as the lowest machine takes it: with values in [0, 1] where
            its visible units are binary.

        y : Ignored
            Not used, present for consistency.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A row of weight 2 counts as the row twice, but for
            chance where rows are held out.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X holds NaN or infinity, if a weight is negative or all are zero, if
            there are too few rows to hold out, or if `rbm` is a list of another length
            than `hidden_layer_sizes`.
        FloatingPointError
            If parameters become infinite or NaN: a learning rate is too high.
        RuntimeError
            If a callback stops the pretraining before the last layer.
        """
        going_on = self.warm_start and self.__sklearn_is_fitted__()
        return self._train(X, y, sample_weight, Call("fit", going_on))

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Pass once over X in minibatches, going on from where training stands.

        All layers are trained together: the first call starts without pretraining, from
        small random weights. Markov chains, momentum and random streams continue. The
        learning rate is `learning_rate`, whatever the schedule.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, as the lowest machine takes it: with values in [0, 1] where
            its visible units are binary.

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
            If X holds NaN or infinity, if a weight is negative or all are zero, or if
            `early_stopping` is set.
        FloatingPointError
            If the parameters become infinite or NaN. They stay as they were before.
        """
        call = Call("partial_fit", self.__sklearn_is_fitted__())
        return self._train(X, y, sample_weight, call)

    def _pretrains(self):
        return self.pretrain

    def _pretrain(self, fit, X, sample_weight, units):
        rbms = new_machines(self.rbm, self._hidden_sizes(), fit.seed)
        for index, (rbm, pair) in enumerate(zip(rbms, doubled(units), strict=True)):
            check_units(self, rbm, units[index : index + 2], fit.reader)
            rbm._kinds_given = pair
        fit_layers(fit, fit.call.parts(rbms), X, sample_weight)
        if len(fit.parts) == len(rbms):
            return
        # The lower ones alone are no machine: a unit has half of its input from above.
        n_trained = f"after {len(fit.parts)} of {len(rbms)} layers"
        if fit.interrupted:
            raise KeyboardInterrupt(f"in the pretraining of a DBM, {n_trained}")
        raise RuntimeError(
            f"A callback stopped the pretraining of {type(self).__name__} {n_trained}. "
            "It takes all of them to make a deep Boltzmann machine."
        )

    def _composed(self, parts):
        return composed([rbm._read_params() for rbm in parts])

    def mean_field(self, X, *, max_iter=FINE.max_steps, tol=FINE.tol):
        """Approximate the posterior of the hidden units, given the rows.

        By independent units in all hidden layers, whose probabilities are updated in
        turn, those of odd layers and those of even ones, each given the others. Each
        update raises the bound that ``score_samples(X, n_samples=0)`` gives. A row is
        done once none of its probabilities changes by more than `tol`, so the result
        for it does not depend on the other rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, as visible units.
        max_iter : int, default=1000
            Most updates of all hidden layers. They start from a pass upwards with twice
            the weights, to stand in for the layers above.
        tol : float, default=1e-5
            Change of a probability up to which a row is done.

        Returns
        -------
        mean_field : MeanField
            With attributes `layers`, a list of the hidden layers' probabilities from
            below, each (n_samples, n_units); `n_iter`, the largest number of updates;
            `change`, the largest change in the last of them; and `converged`.

        Warns
        -----
        ConvergenceWarning
            If some rows are not done after `max_iter` updates.

        Examples
        --------
        >>> import numpy as np
        >>> from skebm import DBM
        >>> X = np.array([[0, 0, 1], [1, 1, 0]] * 50)
        >>> dbm = DBM((3, 2), random_state=0).fit(X)
        >>> found = dbm.mean_field(X)
        >>> [layer.shape for layer in found.layers], found.converged
        ([(100, 3), (100, 2)], True)
        """
        check_scalar(max_iter, "max_iter", Integral, min_val=1)
        check_scalar(tol, "tol", Real, min_val=0)
        rule = Inference(max_iter, tol)
        beside, n_iter, change = self._posterior(X, "mean_field", slice(1, None), rule)
        layers = side_by_side(beside, self._fitted_hidden_sizes())
        return MeanField(layers, n_iter, change, change <= tol)

    def score_samples(self, X, n_samples=20):
        """Lower bound of the log-likelihood of each row, in nats.

        By importance sampling from mean field [1]_: the log of the mean of
        ``p(v, h) / q(h)`` over samples of every second hidden layer, the others summed
        out. Over random numbers it is on average a lower bound of log p(v), which rises
        towards it with the number of samples. It is far closer than that of mean field
        itself, which `n_samples=0` gives: there no chance is in it, and it is a bound
        for each row [2]_. Both are so but for log Z: see :meth:`log_partition`. The
        same on every call, until that does more work, and for any order or subset of
        the rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.
        n_samples : int, default=20
            Number of samples of the hidden layers for each row, and not of rows;
            :meth:`score` always has 20. Their random numbers are those of the fit, and
            the same for all rows. So rows have an error in common, which a mean over
            rows keeps: some hundredths of a nat on images of digits. Take more samples
            to tell models apart that are as near. With one hidden layer none are
            needed: the log-likelihood is exact but for log Z.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            The bound, with the best log Z that is known: of the estimates that were
            made for the present parameters, the exact one, or that of the most
            temperatures times runs; where there is none, the default one.

        Warns
        -----
        ConvergenceWarning
            If log Z has to be estimated, and is uncertain by more than 1 nat.

        References
        ----------
        .. [1] Burda, Y., Grosse, R. and Salakhutdinov, R. (2016). Importance weighted
           autoencoders. International Conference on Learning Representations.
        .. [2] Salakhutdinov, R. and Hinton, G. (2009). Deep Boltzmann machines.
           Proceedings of AISTATS 5, 448-455.

        Examples
        --------
        >>> import numpy as np
        >>> from skebm import DBM
        >>> X = np.array([[0, 0, 1], [1, 1, 0]] * 50)
        >>> dbm = DBM((3, 2), random_state=0).fit(X)
        >>> gained = dbm.score_samples(X) - dbm.score_samples(X, n_samples=0)
        >>> bool(0 < gained.mean() < 0.5)
        True
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=0)
        if n_samples == 0:
            return super().score_samples(X)

        def free_energy(machine, v):
            draws = stream(self._seed, Purpose.BOUND, v)
            sizes = [b.shape[0] for b in machine.params.biases[2::2]]
            numbers = spread_draws(sizes, n_samples, draws)
            return importance_free_energy(machine, v, FINE, numbers)

        return self._scores(X, free_energy)

    def annealed_score_samples(self, X, *, n_runs=10, n_betas=200, random_state=None):
        """Estimate the log-likelihood of each row, in nats, and not its bound.

        The hidden layers of each row are annealed from independent units to those of
        the machine, with the row in its place [1]_ [2]_. The likelihood that this gives
        is right on average, but for log Z; so its logarithm is too low on average, by
        less the more runs and temperatures there are. On average mean field loses no
        less than ``score_samples(X, n_samples=0)`` is below it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score. Each takes `n_runs` times `n_betas` Gibbs steps.
        n_runs : int, default=10
            Number of independent runs for each row.
        n_betas : int, default=200
            Number of inverse temperatures.
        random_state : int, RandomState instance or None, default=None
            Seed of the random numbers. None is that of the fit, which gives the same
            values on every call, as an int does. Those of a row depend on its place.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            The estimates, with the best log Z that is known: see :meth:`score_samples`.

        Warns
        -----
        ConvergenceWarning
            If log Z has to be estimated, and is uncertain by more than 1 nat.

        References
        ----------
        .. [1] Neal, R. M. (2001). Annealed importance sampling. Statistics and
           Computing 11, 125-139.
        .. [2] Salakhutdinov, R. (2008). Learning and evaluating Boltzmann machines.
           Technical Report UTML TR 2008-002, University of Toronto.

        Examples
        --------
        >>> import numpy as np
        >>> from skebm import DBM
        >>> X = np.array([[0, 0, 1], [1, 1, 0]] * 50)
        >>> dbm = DBM((3, 2), random_state=0).fit(X)
        >>> bound = dbm.score_samples(X, n_samples=0)
        >>> lost = dbm.annealed_score_samples(X) - bound
        >>> bool(0 < lost.mean() < 0.5)
        True
        """

        def density(machine, draws):
            mean = self._data_mean(machine.params.biases[0].dtype)
            return lambda rows: annealed_density(
                machine, mean, rows, n_runs, n_betas, draws
            )

        log_p = self._by_annealing(
            density, X, "annealed_score_samples", n_runs, n_betas, random_state
        )
        return log_p - self._log_z(X)

    def _fitted_hidden_sizes(self):
        return [W.shape[0] for W in self.components_]

    def _hidden_probabilities(self, X, chosen):
        above = slice(chosen.start + 1, chosen.stop + 1)
        return self._posterior(X, "transform", above, FINE)[0]

    def _posterior(self, X, method, chosen, rule):
        """Layers of the posterior side by side; the most steps; the largest change."""
        X, machine = self._machine_for(X, method)
        posterior = Posterior(machine, chosen, rule)
        found = by_blocks(posterior, X, float_dtype(X))
        posterior.warn()
        return found, posterior.n_steps, posterior.change

    def energy(self, X, hidden):
        """Energy of joint states of all layers, in nats.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Visible units.
        hidden : list of array-like of shape (n_samples, n_units)
            Units of the hidden layers, from below.

        Returns
        -------
        energy : ndarray of shape (n_samples,)
            ``E(v, h_1, ..., h_L)``: minus the log of the unnormalised probability.

        Raises
        ------
        ValueError
            If `hidden` has another number of layers, rows or units than it should.
        """
        X, machine = self._machine_for(X, "energy")
        _, *sizes = (b.shape[0] for b in machine.params.biases)
        if len(hidden) != len(sizes):
            raise ValueError(
                f"hidden has {len(hidden)} layers, but this {type(self).__name__} has "
                f"{len(sizes)} hidden ones: give a list with one array for each."
            )
        array, n_rows = machine.params.biases[0], X.shape[0]
        hidden = [
            check_states(h, f"hidden[{index}]", (n_rows, n), array)
            for index, (h, n) in enumerate(zip(hidden, sizes, strict=True))
        ]
        parts = [
            energy(machine, [take_rows(x, rows, array.dtype) for x in (X, *hidden)])
            for rows in blocks(n_rows)
        ]
        return namespace(array).concat(parts)

    def _units(self, n_layers, reader=None):
        machine = lowest(self.rbm)
        visible, _ = machine._units(2, reader)
        if visible.has_totals:
            raise ValueError(
                f"The visible units of a DBM cannot be those of {machine}: its chains "
                "go on from batch to batch, and do not keep the lengths of documents. "
                "A DBN, or a DBNClassifier, takes such a machine as its lowest one."
            )
        return visible, *(Bernoulli(),) * (n_layers - 1)

    def _new_reader(self, X):
        return lowest(self.rbm)._new_reader(X)

    def _hidden_sizes(self):
        return layer_sizes(self.hidden_layer_sizes)

    def _inference(self):
        return Inference(self.n_mean_field_steps, self.mean_field_tol)

    def _read_params(self):
        return Params(tuple(W.T for W in self.components_), tuple(self.intercepts_))

    def _from_params(self, params):
        return {
            "components_": [W.T for W in params.weights],
            "intercepts_": list(params.biases),
        }

    def _read_chains(self):
        chains = [None] * len(self.intercepts_)
        chains[ODD::2] = self.chains_
        return chains

    def _from_chains(self, chains):
        return {"chains_": chains[ODD::2]}

    @property
    def _lowest_components(self):
        return self.components_[0]

    @property
    def _n_features_out(self):
        return self.components_[-1].shape[0]
