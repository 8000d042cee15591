"""Restricted Boltzmann machines for word counts."""

from sklearn.utils.validation import check_is_fitted

from ._documents import DocumentsMixin
from ._restricted import BaseRBM
from .core.multinomial import Multinomial
from .core.units import Bernoulli


class MultinomialRBM(DocumentsMixin, BaseRBM):
    """Restricted Boltzmann machine of word counts: the replicated softmax.

    It is a topic model [1]_. Rows are documents, as counts of the words of a
    vocabulary, as :class:`sklearn.feature_extraction.text.CountVectorizer` has them.
    Documents v of n words have the distribution

    .. math:: p(v, h) = \\frac{1}{Z_n} \\frac{n!}{\\prod_w v_w!}
              \\exp(b^T v + c^T h + v^T W h) .

    Given the hidden units, words are drawn independently from one distribution; it is
    the product of those that the active units stand for, and not a mixture of them, so
    it can be sharper than each. All that is said of documents is given their length.
    Reference [1]_ multiplies the biases of the hidden units by n. That is the same as a
    constant in the weights of a hidden unit, which the weights here contain.

    Rows may be sparse; they are made dense a batch at a time. Counts need not be whole
    numbers: rows of weighted counts, such as tf-idf, have likelihoods that are
    interpolated by the gamma function. An empty document has the probability 1.

    Parameters
    ----------
    n_components : int, default=256
        Number of hidden units.
    learning_rate : float, default=0.1
        Step size, in the first epoch if there is a schedule. It is for documents of up
        to 100 words, on average: for longer ones it is divided by their mean length in
        hundreds, as each word adds to the gradient.
    batch_size : int or "auto", default="auto"
        Most rows per minibatch. The rows are divided into batches of nearly equal size.
        "auto" is a 500th of the rows, but at least 20 and at most 100; up to 40 rows
        are one batch.
    n_iter : int, default=10
        Number of passes over the rows.
    n_gibbs_steps : int, default=1
        Gibbs steps per update of the parameters: those of contrastive divergence [2]_,
        whose chains start at the documents of the batch, and so have their lengths.
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
        Whether the gradient is that of the centred machine [3]_ [4]_. It leads to
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
        Share of rows, in (0, 1), for which each hidden unit should be active [5]_ [6]_.
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
    components_ : ndarray of shape (n_components, n_features)
        Weights.
    intercept_hidden_ : ndarray of shape (n_components,)
        Biases of the hidden units.
    intercept_visible_ : ndarray of shape (n_features,)
        Biases of the words.
    n_words_ : float
        Mean number of words of the documents in the first fit, rounded: the length of
        documents where nothing else is said.
    h_samples_ : ndarray of shape (n_chains, n_components)
        Hidden units of the Markov chains, in their last state.
    n_iter_ : int
        Number of epochs since training began, also where `early_stopping` kept the
        parameters of an earlier one.
    history_ : dict of lists of float
        One number per epoch for each quantity, measured on a small fixed part of the
        data: "reconstruction_error", the mean squared error of a word's frequency;
        "mean_activation" of the hidden units; "dead_units", the number of hidden units
        whose probability hardly varies; "chain_error", the root mean square difference
        between the words' frequencies in chains and data; and "gradient_norm", the norm
        of the mean gradient. With `early_stopping`, also "validation_log_likelihood",
        the mean of the rows held out, and "free_energy_gap", by how much their mean
        free energy is above that of as many rows of the fit: where it grows, the model
        overfits. NaN stands for epochs in which a quantity was not measured.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in fit, where X has string names for all.

    See Also
    --------
    BernoulliRBM : The machine for binary features.
    sklearn.decomposition.LatentDirichletAllocation : Documents as mixtures of topics.

    References
    ----------
    .. [1] Salakhutdinov, R. and Hinton, G. (2009). Replicated softmax: an undirected
       topic model. Advances in Neural Information Processing Systems 22, 1607-1614.
    .. [2] Hinton, G. E. (2002). Training products of experts by minimizing contrastive
       divergence. Neural Computation 14, 1771-1800.
    .. [3] Montavon, G. and Mueller, K.-R. (2012). Deep Boltzmann machines and the
       centering trick. In: Neural Networks: Tricks of the Trade, 621-637.
    .. [4] Melchior, J., Fischer, A. and Wiskott, L. (2016). How to center deep
       Boltzmann machines. Journal of Machine Learning Research 17(99), 1-61.
    .. [5] Lee, H., Ekanadham, C. and Ng, A. Y. (2008). Sparse deep belief net model for
       visual area V2. Advances in Neural Information Processing Systems 20, 873-880.
    .. [6] Hinton, G. E. (2012). A practical guide to training restricted Boltzmann
       machines. In: Neural Networks: Tricks of the Trade, 599-619.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from skebm import MultinomialRBM
    >>> texts = ["cat dog cat", "dog cat", "stock bond", "bond stock stock"] * 20
    >>> words = CountVectorizer().fit(texts)
    >>> X = words.transform(texts)
    >>> rbm = MultinomialRBM(2, n_iter=300, random_state=0).fit(X)
    >>> rbm.perplexity(X) < 3
    True
    >>> rbm.top_words(2, words.get_feature_names_out()).shape
    (2, 2)
    """

    _parameter_constraints: dict = {
        k: v
        for k, v in BaseRBM._parameter_constraints.items()
        if k not in {"algorithm", "n_chains", "sample_inputs"}
    }

    # Chains that go on would need lengths of their own.
    algorithm, n_chains = "cd", None

    # Rows are no probabilities from which others could be drawn.
    sample_inputs = False

    def __init__(
        self,
        n_components=256,
        *,
        learning_rate=0.1,
        batch_size="auto",
        n_iter=10,
        n_gibbs_steps=1,
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
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.n_gibbs_steps = n_gibbs_steps
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
    def n_words_(self):
        """Give the mean number of words in the first fit.

        Returns
        -------
        n_words : float
            Rounded, and at least 1.
        """
        check_is_fitted(self)
        return self._border["usual"]

    def _units(self, n_layers, reader=None):
        return Multinomial(), Bernoulli()
