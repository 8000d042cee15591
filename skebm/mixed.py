"""Restricted Boltzmann machines for tables whose columns are of several kinds."""

from numbers import Integral

from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ._reader import BERNOULLI, CATEGORICAL, GAUSSIAN, Reader, named_kinds, usual_kind
from ._restricted import BaseRBM, fitted_reader
from .core.categorical import Categorical
from .core.correlated import CorrelatedGaussian
from .core.gaussian import Gaussian
from .core.mixed import SideBySide
from .core.units import Bernoulli


class MixedRBM(BaseRBM):
    """Restricted Boltzmann machine for tables with columns of several kinds.

    Columns of two values, of real numbers, and of categories share the hidden units:
    given these they are independent, each with the distribution that it has in a
    :class:`BernoulliRBM`, :class:`GaussianRBM` or :class:`CategoricalRBM`. The kind of
    a column is found from its dtype, or named in `columns`.

    Rows that go in and come out have the user's values: ``sample`` and ``impute``
    return a data frame of the same columns and dtypes where the fit was to one. Where
    the model gives means, a column of categories or of two values gets the likelier
    value. ``score_samples`` is the log-density in the user's units: of numbers, and at
    the same time the log-probability of categories.

    Parameters
    ----------
    n_components : int, default=256
        Number of hidden units.
    columns : list of (kind, columns), default=None
        Kinds of columns: pairs of "bernoulli", "gaussian" or "categorical", and the
        columns that are of this kind, named as for
        :class:`sklearn.compose.ColumnTransformer`. Columns that are in no pair are
        "bernoulli" if they have at most two values or are of booleans, "categorical" if
        their dtype is one of text, categories or objects, and else "gaussian".
    min_categories : int, default=0
        Columns of integers that are "categorical" have at least the categories 0 to
        ``min_categories - 1``, also those that no row of the fit has.
    learn_scale : bool, default=True
        Whether the scale of each "gaussian" column is learned. If not, it is the
        column's standard deviation.
    covariance_type : {"diag", "full"}, default="diag"
        What is learned of the "gaussian" columns, given the hidden units. With "diag"
        they are independent, and each has its scale. With "full" they have a normal
        distribution with a covariance matrix, the same for all hidden units: columns
        that are linear functions of each other need no hidden units for that.
    learning_rate : float, default=0.01
        Step size, in the first epoch if there is a schedule.
    batch_size : int or "auto", default="auto"
        Most rows per minibatch. The rows are divided into batches of nearly equal size.
        "auto" is a 500th of the rows, but at least 20 and at most 100; up to 40 rows
        are one batch.
    n_iter : int, default=10
        Number of passes over the rows. Tables of some hundred rows take some hundred
        passes, and a `learning_rate` of 0.03 to 0.05.
    algorithm : {"cd", "pcd", "pt"}, default="pt"
        How the model's side of the gradient is estimated: "cd" is contrastive
        divergence [1]_, with chains that start anew at the rows of each batch; "pcd" is
        persistent contrastive divergence [2]_, also known as stochastic maximum
        likelihood, with chains that go on throughout training; "pt" is parallel
        tempering [3]_, where each chain has companions at lower inverse temperatures
        with which it changes places, as many as it takes for frequent swaps: slower by
        their number, and better at moving between modes.
    n_gibbs_steps : int, default=1
        Gibbs steps per update of the parameters.
    n_chains : int, default=None
        Number of persistent chains, at each temperature for "pt". None means twice
        `batch_size`, up to 100, and no fewer than `batch_size`, if that is at most
        10,000; with "auto" from 40 to 100, and no fewer than there are where training
        goes on. Not used by "cd".
    momentum : float, default=0.0
        Share of the last step that is taken again, in [0, 1).
    weight_decay : float, default=0.0
        L2 penalty of the weights: ``weight_decay / 2`` times the sum of their squares
        is taken off the mean log-likelihood.
    l1_decay : float, default=0.0
        L1 penalty of the weights: `l1_decay` times the sum of their absolute values is
        taken off the mean log-likelihood. It makes weights exactly zero.
    max_norm : float, default=None
        Largest Euclidean norm of the weights of a hidden unit. None means any.
    centered : bool, default=True
        Whether the gradient is that of the centred machine [4]_ [5]_. It leads to
        better likelihoods, mostly.
    initial_activation : float, default=0.1
        Mean of the hidden units at the start, in (0, 1). Units that start rarely active
        come to stand for different parts of a row: better features than from 1/2. The
        likelihood may be better or worse.
    learning_rate_schedule : {"constant", "linear", "cosine"}, default="cosine"
        How the learning rate falls towards zero in `n_iter` epochs: "linear" in even
        steps, "cosine" as half a wave, which is slower near both ends. "constant" lets
        it be. :meth:`partial_fit` always uses `learning_rate`.
    sparsity_target : float, default=None
        Share of rows, in (0, 1), for which each hidden unit should be active [6]_ [7]_.
        None means that it does not matter.
    sparsity_cost : float, default=0.1
        Weight of the penalty for missing `sparsity_target`.
    early_stopping : bool, default=False
        Whether to hold rows out of the fit, to follow their log-likelihood from epoch
        to epoch, to stop where it falls, and to keep the parameters of the epoch where
        it was best. That takes log Z: where this would take longer than the training,
        some epochs are not looked at. See the user guide.
    validation_fraction : float, default=0.1
        Share that is held out, for `early_stopping`, of the rows that have no missing
        entry and a positive weight.
    n_iter_no_change : int, default=5
        Number of epochs in a row that speak for stopping, after which `early_stopping`
        stops. With a falling learning rate, gains come at the end: what speaks for
        stopping is that half of what the best epoch had gained over independent
        features is lost. With a constant one, it is that there is no gain.
    tol : float, default=0.01
        Least difference to the mean log-likelihood at the last gain, in nats, that is
        a gain; two standard errors of log Z, where these are more. Only with a constant
        learning rate.
    shuffle : bool, default=True
        Whether the rows are put in random order in each epoch.
    warm_start : bool, default=False
        Whether :meth:`fit` goes on from where the last call ended: parameters, chains,
        momentum, and random streams.
    verbose : int, default=0
        Whether to print a line per epoch.
    random_state : int, RandomState instance or None, default=None
        Seed of all random numbers: an int gives the same results on every call.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_units)
        Weights: first those of the "bernoulli" columns, then of the standardised
        "gaussian" ones, or of as many whitened numbers where `covariance_type` is
        "full", then of the categories of the "categorical" ones.
    intercept_hidden_ : ndarray of shape (n_components,)
        Biases of the hidden units.
    intercept_visible_ : ndarray of shape (n_units,)
        Biases of the visible units.
    kinds_ : list of str
        The kind of each column.
    categories_ : list of ndarray
        The values of each column that is "bernoulli" or "categorical", and None for
        the others.
    covariance_ : ndarray of shape (n_gaussian, n_gaussian)
        Covariance matrix of the "gaussian" columns given the hidden units, if there are
        such columns.
    h_samples_ : ndarray of shape (n_chains, n_components)
        Hidden units of the Markov chains, in their last state.
    n_iter_ : int
        Number of epochs since training began, also where `early_stopping` kept the
        parameters of an earlier one.
    history_ : dict of lists of float
        One number per epoch for each quantity, measured on a small fixed part of the
        data: "reconstruction_error", the mean squared error of a feature;
        "mean_activation" of the hidden units; "dead_units", the number of hidden units
        whose probability hardly varies; "chain_error", the root mean square difference
        between the features' means in chains and data; and "gradient_norm", the norm of
        the mean gradient. With `early_stopping`, also "validation_log_likelihood", the
        mean of the rows held out, and "free_energy_gap", by how much their mean free
        energy is above that of as many rows of the fit: where it grows, the model
        overfits. NaN stands for epochs in which a quantity was not measured. Where
        entries of the rows are missing, those last drawn for them are measured.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in fit, where X has string names for all.

    See Also
    --------
    GaussianRBM : For real numbers alone.
    CategoricalRBM : For categories alone.
    BoltzmannImputer : Fills the gaps of a table, as a step of a pipeline.
    sklearn.compose.ColumnTransformer : Names columns in the same way.

    References
    ----------
    .. [1] Hinton, G. E. (2002). Training products of experts by minimizing contrastive
       divergence. Neural Computation 14, 1771-1800.
    .. [2] Tieleman, T. (2008). Training restricted Boltzmann machines using
       approximations to the likelihood gradient. Proceedings of the 25th International
       Conference on Machine Learning, 1064-1071.
    .. [3] Desjardins, G., Courville, A., Bengio, Y., Vincent, P. and Delalleau, O.
       (2010). Tempered Markov chain Monte Carlo for training of restricted Boltzmann
       machines. Proceedings of AISTATS 13, 145-152.
    .. [4] Montavon, G. and Mueller, K.-R. (2012). Deep Boltzmann machines and the
       centering trick. In: Neural Networks: Tricks of the Trade, 621-637.
    .. [5] Melchior, J., Fischer, A. and Wiskott, L. (2016). How to center deep
       Boltzmann machines. Journal of Machine Learning Research 17(99), 1-61.
    .. [6] Lee, H., Ekanadham, C. and Ng, A. Y. (2008). Sparse deep belief net model for
       visual area V2. Advances in Neural Information Processing Systems 20, 873-880.
    .. [7] Hinton, G. E. (2012). A practical guide to training restricted Boltzmann
       machines. In: Neural Networks: Tricks of the Trade, 599-619.

    Examples
    --------
    >>> import numpy as np
    >>> from skebm import MixedRBM
    >>> X = np.array([["cat", 4.1], ["bird", 0.2], ["horse", 510.0]] * 50, dtype=object)
    >>> rbm = MixedRBM(8, n_iter=50, random_state=0).fit(X)
    >>> rbm.kinds_
    ['categorical', 'gaussian']
    >>> rbm.sample(2, given=["bird", None], random_state=0).shape
    (2, 2)
    """

    _parameter_constraints: dict = {
        **BaseRBM._parameter_constraints,
        "columns": [list, None],
        "min_categories": [Interval(Integral, 0, None, closed="left")],
        "learn_scale": ["boolean"],
        "covariance_type": [StrOptions({"diag", "full"})],
    }

    def __init__(
        self,
        n_components=256,
        *,
        columns=None,
        min_categories=0,
        learn_scale=True,
        covariance_type="diag",
        learning_rate=0.01,
        batch_size="auto",
        n_iter=10,
        algorithm="pt",
        n_gibbs_steps=1,
        n_chains=None,
        momentum=0.0,
        weight_decay=0.0,
        l1_decay=0.0,
        max_norm=None,
        centered=True,
        initial_activation=0.1,
        learning_rate_schedule="cosine",
        sparsity_target=None,
        sparsity_cost=0.1,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        tol=0.01,
        shuffle=True,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.n_components = n_components
        self.columns = columns
        self.min_categories = min_categories
        self.learn_scale = learn_scale
        self.covariance_type = covariance_type
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.algorithm = algorithm
        self.n_gibbs_steps = n_gibbs_steps
        self.n_chains = n_chains
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.l1_decay = l1_decay
        self.max_norm = max_norm
        self.centered = centered
        self.initial_activation = initial_activation
        self.learning_rate_schedule = learning_rate_schedule
        self.sparsity_target = sparsity_target
        self.sparsity_cost = sparsity_cost
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.shuffle = shuffle
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @property
    def kinds_(self):
        """Give the kind of each column.

        Returns
        -------
        kinds : list of str
            Each "bernoulli", "gaussian" or "categorical".
        """
        return fitted_reader(self).kinds

    @property
    def categories_(self):
        """Give the values of each column that has categories.

        Returns
        -------
        categories : list
            Of ndarray, or None for columns of numbers.
        """
        return fitted_reader(self).categories()

    @property
    def covariance_(self):
        """Give the covariance matrix of the numbers given the hidden units.

        Returns
        -------
        covariance : ndarray of shape (n_gaussian, n_gaussian)
            Of the columns that are "gaussian", in their units.
        """
        check_is_fitted(self)
        for kind in self._visible_kind().kinds:
            if isinstance(kind, Gaussian):
                return kind.covariance
        raise AttributeError("There is no covariance_: no column is one of numbers.")

    def _new_reader(self, X):
        named = named_kinds(X, self.columns or [])
        return Reader(
            X, lambda c: named.get(c.index) or usual_kind(c), self.min_categories
        )

    def _units(self, n_layers, reader=None):
        if reader is None:
            raise ValueError(
                "A MixedRBM can only be the lowest machine of a stack: set, for "
                "example, rbm=[MixedRBM(), BernoulliRBM()]."
            )
        makers = {
            BERNOULLI: Bernoulli,
            GAUSSIAN: self._gaussian,
            CATEGORICAL: lambda: Categorical(least=reader.sizes()),
        }
        columns = {name: reader.of_kind(name) for name in makers}
        present = [name for name in makers if len(columns[name])]
        kinds = [makers[name]() for name in present]
        return SideBySide(kinds, [columns[name] for name in present]), Bernoulli()

    def _gaussian(self):
        """The kind of columns of numbers."""
        if self.covariance_type == "diag":
            return Gaussian(learns=self.learn_scale)
        if not self.learn_scale:
            raise ValueError(
                'covariance_type="full" is learned: set learn_scale=True, or '
                'covariance_type="diag".'
            )
        return CorrelatedGaussian()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.string = True
        tags.array_api_support = False
        return tags
