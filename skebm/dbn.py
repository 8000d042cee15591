"""Deep belief networks."""

from numbers import Integral, Real

from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import check_scalar
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ._fitting import Fit, Trainable
from ._layers import LayeredTransformerMixin
from ._machine_epochs import joined_histories
from ._queries import LikelihoodMixin, with_observed
from ._restricted import BaseRBM
from ._resuming import Call
from ._stack_epochs import LayerByLayer, Run, WakeSleep, stack_of
from ._stacking import (
    HIDDEN_LAYER_SIZES,
    check_kinds,
    fit_layers,
    layer_sizes,
    lowest,
    new_machines,
)
from ._validation import (
    check_hidden,
    check_rows,
    check_states,
    check_values,
    check_weights,
    draw_seed,
)
from .core import stack as belief
from .core import wake_sleep
from .core.backend import namespace
from .core.rows import Encoded, by_blocks, float_dtype
from .core.streams import Purpose, spread_draws, stream


class DBN(
    LikelihoodMixin,
    LayeredTransformerMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    Trainable,
):
    """Deep belief network: a stack of restricted Boltzmann machines.

    The machines are trained one after the other, each on the hidden probabilities of
    the one below [1]_. The top machine then models the distribution of the layer
    below it, and each further layer is generated from the one above it:

    .. math:: p(v, h_1, \\dots, h_L)
              = p(v \\mid h_1) \\cdots p(h_{L-2} \\mid h_{L-1}) \\, p(h_{L-1}, h_L) .

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of shape (n_layers,), default=(256, 256)
        Numbers of hidden units, from below.
    rbm : BernoulliRBM or list of BernoulliRBM, default=None
        The machine that is cloned for each layer and given its size, or a list with
        one for each layer, as for a :class:`GaussianRBM` below others. None is
        ``BernoulliRBM()``. The parameters of a single machine that is given can be set
        as ``rbm__learning_rate`` and so on.
    up_down_iter : int, default=0
        Number of passes over the rows by which the stack is trained as a whole after
        the machines, by contrastive wake-sleep [1]_. The weights upwards and
        downwards then differ.
    up_down_learning_rate : float, default=0.01
        Step size of these passes.
    up_down_gibbs_steps : int, default=10
        Gibbs steps of the top machine for each of their updates.
    batch_size : int, default=100
        Most rows per minibatch of these passes. Those of the machines are their own.
    shuffle : bool, default=True
        Whether these passes take the rows in random order.
    verbose : int, default=0
        Whether to print a line per layer, and per pass of wake-sleep.
    random_state : int, RandomState instance or None, default=None
        Seed of all random numbers, also of the machines: an int gives the same results
        on every call.

    Attributes
    ----------
    rbms_ : list of estimators
        The fitted machines, from below. After wake-sleep, the weights and hidden
        biases of all but the last recognise, while their visible biases generate.
    generative_components_ : list of ndarray of shape (n_hidden, n_visible), or None
        Weights downwards of all machines but the last, if wake-sleep has untied them
        from those in `rbms_`.
    components_ : ndarray of shape (n_hidden, n_features)
        Weights between the features and the first hidden layer, upwards.
    n_up_down_iter_ : int
        Number of passes of wake-sleep since training began.
    n_iter_ : int
        Number of epochs since training began, of all machines and of wake-sleep.
    history_ : dict of lists of float
        One number per epoch for each quantity, those of the machines from below and
        then those of wake-sleep: "layer", which is 0 for wake-sleep, and what
        :class:`BernoulliRBM` measures; of wake-sleep, "reconstruction_error" alone.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in fit, where X has string names for all.

    See Also
    --------
    BernoulliRBM : The machine of each layer.

    References
    ----------
    .. [1] Hinton, G. E., Osindero, S. and Teh, Y.-W. (2006). A fast learning algorithm
       for deep belief nets. Neural Computation 18, 1527-1554.

    Examples
    --------
    >>> import numpy as np
    >>> from skebm import DBN, BernoulliRBM
    >>> X = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]] * 25)
    >>> dbn = DBN((3, 2), rbm=BernoulliRBM(n_iter=100), random_state=0).fit(X)
    >>> dbn.transform(X).shape
    (100, 2)
    >>> bool(dbn.score(X) > dbn.score(1 - X))
    True
    """

    _score_name = "lower bound of the log-likelihood (nats)"
    _parameter_constraints: dict = {
        "hidden_layer_sizes": HIDDEN_LAYER_SIZES,
        "rbm": [BaseRBM, list, None],
        "up_down_iter": [Interval(Integral, 0, None, closed="left")],
        "up_down_learning_rate": [Interval(Real, 0, None, closed="neither")],
        "up_down_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        hidden_layer_sizes=(256, 256),
        *,
        rbm=None,
        up_down_iter=0,
        up_down_learning_rate=0.01,
        up_down_gibbs_steps=10,
        batch_size=100,
        shuffle=True,
        verbose=0,
        random_state=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.rbm = rbm
        self.up_down_iter = up_down_iter
        self.up_down_learning_rate = up_down_learning_rate
        self.up_down_gibbs_steps = up_down_gibbs_steps
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.verbose = verbose
        self.random_state = random_state

    # The machines check their own parameters when they are fitted.
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the machines to X one after the other, then all together by wake-sleep.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, as the lowest machine takes it: with values in [0, 1] where
            its visible units are binary.

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
            If X holds NaN or infinity, if a weight is negative or all are zero, or if
            `rbm` is a list of another length than `hidden_layer_sizes`.
        FloatingPointError
            If parameters become infinite or NaN: a learning rate is too high.
        """
        return self._train(X, y, sample_weight, Call("fit"))

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Pass over X once with each machine, going on from where training stands.

        From below: each machine sees what the one below makes of X after its own pass.
        Once wake-sleep has untied the weights, it is a pass of wake-sleep instead.

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
            `hidden_layer_sizes` is no longer what it was.
        FloatingPointError
            If parameters become infinite or NaN. They stay as they were before.
        """
        call = Call("partial_fit", self.__sklearn_is_fitted__())
        return self._train(X, y, sample_weight, call)

    def _train(self, X_given, y, sample_weight, call):
        going_on, passes = call.going_on, call.method == "partial_fit"
        reader, kind = call.reader(self, X_given), None
        if going_on and self.generative_components_ is not None:
            kind = self._visible_kind()  # no machine within looks at the rows
        rows = check_rows(
            self,
            X_given,
            method=call.method,
            new=not going_on,
            kind=kind,
            reader=None if call.outer else reader,
        )
        rows = call.rows(rows)
        dtype = float_dtype(self.components_ if going_on else rows)
        weights = check_weights(sample_weight, rows, dtype)
        seed = call.seed(self)
        rbms = self._machines(call, reader, seed)
        with Fit(
            self,
            X_given,
            y,
            call,
            seed=seed,
            data=(rows, weights),
            reader=reader,
            n_tasks=1 if passes else len(rbms) + 1,
        ) as fit:
            if passes:
                fit.train(self._pass(rbms, rows, seed, sample_weight, weights))
            else:
                fit_layers(fit, rbms, rows, sample_weight)
                run = call.carried() or Run(fit.parts)
                rates = [self.up_down_learning_rate] * self.up_down_iter
                stage = WakeSleep(self, rates, run, rows, weights, self._settings(seed))
                fit.train(stage, "wake-sleep")
            fit.end()
        return self

    def _machines(self, call, reader, seed):
        """Those of the layers: fitted ones, or else new ones that fit together."""
        if call.going_on:
            self._check_sizes()
            return self.rbms_
        sizes = layer_sizes(self.hidden_layer_sizes)
        rbms = call.parts(new_machines(self.rbm, sizes, seed))
        if reader is not None:
            rbms[0]._kinds_given = rbms[0]._units(2, reader)
        check_kinds(rbms)
        return rbms

    def _pass(self, rbms, rows, seed, sample_weight, weights):
        """The stage of partial_fit, which has a single epoch."""
        rates, run = [self.up_down_learning_rate], Run(rbms)
        if self.__sklearn_is_fitted__():
            untied, n_passes = self.generative_components_, self.n_up_down_iter_
            run = Run(rbms, untied, self._up_down_history, n_passes)
        if run.generative is None:
            return LayerByLayer(self, rates, run, rows, seed, sample_weight)
        return WakeSleep(self, rates, run, rows, weights, self._settings(seed))

    def _new_reader(self, X):
        return lowest(self.rbm)._new_reader(X)

    def _settings(self, seed):
        return wake_sleep.UpDown(
            self.up_down_gibbs_steps, self.batch_size, self.shuffle, seed
        )

    def _attributes_of_parts(self, parts, seed):
        return self._attributes(Run(parts), seed) if parts else {}

    def _check_sizes(self):
        sizes = [rbm.components_.shape[0] for rbm in self.rbms_]
        if sizes != layer_sizes(self.hidden_layer_sizes):
            raise ValueError(
                f"This DBN has hidden layers of sizes {sizes}, but hidden_layer_sizes "
                f"now is {self.hidden_layer_sizes}. To go on, set the parameter to "
                "these sizes, which are fewer if the fit was interrupted; to change "
                "them, call fit."
            )

    def _attributes(self, run, seed):
        """The run as fitted attributes."""
        return {
            "rbms_": run.rbms,
            "generative_components_": run.generative,
            "n_up_down_iter_": run.n_passes,
            "_up_down_history": run.history,
            "_seed": seed,
        }

    def _fitted_hidden_sizes(self):
        return [rbm.components_.shape[0] for rbm in self.rbms_]

    def _hidden_probabilities(self, X, chosen):
        X, stack = self._stack_for(X, "transform")
        machines = (*stack.recognition, stack.top)

        def up(v):
            layers = [
                belief.pass_up(machines[: index + 1], v)
                for index in range(chosen.start, chosen.stop)
            ]
            return namespace(v).concat(layers, axis=1)

        return by_blocks(up, X, float_dtype(X))

    def inverse_transform(self, X):
        """Compute the means of the visible units, given top ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_top)
            Top hidden units: states, or probabilities as from :meth:`transform`.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)
            Means of the visible units, from the probabilities of each layer
            given those of the one above.
        """
        check_is_fitted(self)
        H = check_hidden(self, X)
        return self._as_rows(self._down(self.rbms_[-1].inverse_transform(H)))

    def reconstruct(self, X, n_gibbs_steps=1):
        """The rows passed up to the top hidden layer and down again.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, as visible units.
        n_gibbs_steps : int, default=1
            How often up and down in the top machine. All steps but the last draw
            samples, from random numbers fixed by the fit. Other layers go by means.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)
            Means of the visible units: of binary ones, the probabilities that they
            are 1.
        """
        by_top = len(self.rbms_) == 1
        given, (X, stack) = X, self._stack_for(X, "reconstruct", by_top=by_top)
        H = by_blocks(lambda v: belief.pass_up(stack.recognition, v), X, float_dtype(X))
        found = self._down(self.rbms_[-1].reconstruct(H, n_gibbs_steps))
        return self._as_rows(found, given)

    def sample(self, n_samples=1, *, n_gibbs_steps=1000, init=None, random_state=None):
        """Draw rows from the model: Gibbs sampling at the top, then a pass down.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows to draw.
        n_gibbs_steps : int, default=1000
            Gibbs steps of the top machine, in a chain of its own for each row.
        init : array-like of shape (n_samples, n_features), default=None
            Rows that are passed up for the chains to start from, or one row,
            `(n_features,)`, for all. None starts from independent units.
        random_state : int, RandomState instance or None, default=None
            Seed of the random numbers: an int gives the same rows on every call.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)
            The rows; binary ones are 0 or 1.

        Raises
        ------
        ValueError
            If `init` has another shape than it should.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        init = self._as_numbers(init, "init")
        if init is not None:
            shape = (n_samples, self.n_features_in_)
            init = check_states(init, "init", shape, self.components_)
            if len(self.rbms_) > 1:  # a single machine looks at it itself
                check_values(self, self._visible_kind(), init, "init")
            init = belief.pass_up(self._stack(init.dtype).recognition, init)
        seed = draw_seed(random_state)
        x = self.rbms_[-1].sample(
            n_samples, n_gibbs_steps=n_gibbs_steps, init=init, random_state=seed
        )
        stack = self._stack(float_dtype(x))
        draws = stream(seed, Purpose.DESCENT, x)
        top = stack.top.units[0].encode(x)
        layers = belief.sample_down(stack.generative, top, draws)
        return self._as_rows(stack.visible_kind.decode(layers[0]))

    def impute(self, X, *, n_gibbs_steps=500, random_state=None):
        """Fill missing entries by their conditional mean, given the observed ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows with NaN for missing entries; a row may be missing altogether.
        n_gibbs_steps : int, default=500
            Steps of each row's Markov chain, over which the mean is taken, after a
            fifth as many that are not used. Each draws the missing entries, and then
            proposes hidden layers as the lower machines recognise them, to be accepted
            or not by the model.
        random_state : int, RandomState instance or None, default=None
            Seed of the random numbers: an int gives the same values on every call.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features)
            The rows, observed entries unchanged, missing ones as means.
        """
        check_is_fitted(self)
        check_scalar(n_gibbs_steps, "n_gibbs_steps", Integral, min_val=1)
        given, (X, stack) = X, self._stack_for(X, "impute", missing=True)
        mean, kind = self.rbms_[0]._data_mean(float_dtype(X)), stack.visible_kind
        draws = stream(draw_seed(random_state), Purpose.IMPUTE, self.components_)

        def fill(rows):
            burn_in = n_gibbs_steps // 5
            filled = belief.fill_missing(
                stack, kind.held(rows), mean, burn_in, n_gibbs_steps, draws
            )
            return with_observed(kind.decode(filled), rows)

        return self._as_filled(by_blocks(fill, X, float_dtype(X)), given)

    def score_samples(self, X, n_samples=100):
        """A lower bound of the log-likelihood of each row, in nats.

        By importance sampling from what the lower machines recognise: the log of the
        mean of ``p(v, h) / q(h | v)`` over samples of `h` [1]_. With one sample it is
        the variational bound, on average; with more it rises towards log p(v). With
        one hidden layer it is log p(v), exactly but for log Z. The same on every call,
        and for any order or subset of the rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.
        n_samples : int, default=100
            Number of samples of the hidden layers for each row. Their random numbers
            are those of the fit, and the same for all rows.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            The bound, with the best log Z of the top machine that is known: see
            :meth:`BernoulliRBM.score_samples`.

        References
        ----------
        .. [1] Burda, Y., Grosse, R. and Salakhutdinov, R. (2016). Importance weighted
           autoencoders. International Conference on Learning Representations.
        """
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        X, stack = self._stack_for(X, "score_samples")
        draws = stream(self._seed, Purpose.BOUND, stack.top.params.biases[0])
        n_passes = n_samples if stack.recognition else 1
        sizes = [machine.params.biases[1].shape[0] for machine in stack.recognition]
        numbers = spread_draws(sizes, n_passes, draws)
        kind = stack.visible_kind
        value = by_blocks(
            lambda v: belief.bound(stack, v, numbers), Encoded(X, kind), float_dtype(X)
        )
        return value - self.rbms_[-1]._log_z(X) + kind.log_jacobian

    def log_partition(self, method="auto", **options):
        """Logarithm of the partition function Z of the top machine, in nats.

        Parameters
        ----------
        method : {"auto", "exact", "ais"}, default="auto"
            As in :meth:`BernoulliRBM.log_partition`.
        **options : dict
            Its further parameters, `n_betas` and `n_runs`.

        Returns
        -------
        log_partition : LogPartition
            As :meth:`BernoulliRBM.log_partition` returns it.
        """
        check_is_fitted(self)
        return self.rbms_[-1].log_partition(method, **options)

    def _down(self, H):
        """Means of the visible units from the layer below the top one."""
        dtype = float_dtype(H)
        machines = self._stack(dtype).generative
        return by_blocks(lambda x: belief.pass_down(machines, x), H, dtype)

    def _stack_for(self, X, method, missing=False, by_top=False):
        """Checked rows and the stack in their dtype, as every query starts.

        With `by_top`, the top machine looks at the values.
        """
        check_is_fitted(self)
        kind = None if by_top else self._visible_kind()
        missing = missing and self.rbms_[0]._fills_missing
        X = check_rows(self, X, method=method, kind=kind, missing=missing)
        return X, self._stack(float_dtype(X))

    def _visible_kind(self):
        """The kind of the visible units, whose border rows have to cross."""
        return self.rbms_[0]._visible_kind()

    def _stack(self, dtype):
        return stack_of(self.rbms_, self.generative_components_, dtype)

    @property
    def components_(self):
        """Give the weights between the features and the first hidden layer, upwards.

        Returns
        -------
        components : ndarray of shape (n_hidden, n_features)
            Those of the lowest machine.
        """
        return self.rbms_[0].components_

    @property
    def history_(self):
        """Give what was measured of all epochs, as columns of a table.

        Returns
        -------
        history : dict of lists of float
            One number per epoch for each quantity: the epochs of the machines, from
            below, and then those of wake-sleep. "layer" is the number of the layer, 0
            for wake-sleep; the others are those of :attr:`BernoulliRBM.history_`, NaN
            where one was not measured.
        """
        parts = [(k, rbm.history_) for k, rbm in enumerate(self.rbms_, start=1)]
        return joined_histories([*parts, (0, self._up_down_history)])

    @property
    def n_iter_(self):
        """Give the number of epochs since training began, of all layers.

        Returns
        -------
        n_iter : int
            Those of the machines, and those of wake-sleep.
        """
        return sum(rbm.n_iter_ for rbm in self.rbms_) + self.n_up_down_iter_

    @property
    def _n_features_out(self):
        return self.rbms_[-1].components_.shape[0]

    def __sklearn_is_fitted__(self):
        return hasattr(self, "rbms_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
