"""A restricted Boltzmann machine for ratings: collaborative filtering."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight

from ._base import SCHEDULES, usual_batch_size
from ._fitting import Fit, Trainable
from ._rating_epochs import RatingEpochs, Run
from ._rating_queries import RatingQueriesMixin
from ._rating_rows import (
    check_rated,
    encoded,
    find_ratings,
    learned,
    refuse_unrated,
)
from ._resuming import Call
from ._validation import check_weights, refuse_early_stopping
from .core import optimise, rating_training
from .core.machine import Params
from .core.rows import float_dtype


class RatingRBM(RatingQueriesMixin, Trainable):
    """Restricted Boltzmann machine for ratings, most of which are unknown.

    Rows of X are users and columns are items. Hidden units see only what a user has
    rated, and what is unknown is no part of the model [1]_: the machine of a user has
    visible units for the rated items alone, each of which takes one of a few ratings.
    There are weights for each item and rating, and all users share them. The gradient
    of an item comes from its raters only, and the cost of an epoch grows with the
    number of known ratings.

    The model learns to predict each rating from the others of its user: it ascends the
    pseudo-log-likelihood [2]_, whose gradient is exact. Biases are drawn towards the
    logarithm of how often an item got a rating, and weights towards their mean over all
    items, by as much as `bias_decay` and `weight_decay` ratings of an item. Gradients
    are centred [3]_, and are carried over, in part, to other items and to neighbouring
    ratings, which so have an order.

    Parameters
    ----------
    n_components : int, default=100
        Number of binary hidden units.
    ratings : array-like of shape (n_ratings,), default=None
        All the values that a rating can have. None finds them in the rows of the first
        fit. A later value that is none of them is an error where it is learned from.
    learning_rate : float, default=0.015
        Size of the steps, for all data alike: the gradient is divided by the mean
        number of ratings of an item.
    batch_size : int or "auto", default="auto"
        Users per minibatch. "auto" is a 500th of them, but from 20 to 100, or more if
        these have fewer ratings than there are items: an update takes as long as many
        ratings. Up to 40 users are one batch.
    n_iter : int, default=20
        Number of passes over the rows.
    momentum : float, default=0.5
        Share of the last step in the next.
    weight_decay : float, default=25.0
        Strength of the L2 penalty that draws the weights of an item to the mean over
        the items, as a number of ratings of that item.
    bias_decay : float, default=25.0
        Strength of the one that draws the biases of an item towards the logarithm of
        the shares of its ratings, in the same unit.
    learning_rate_schedule : {"constant", "linear", "cosine"}, default="cosine"
        How the learning rate falls during :meth:`fit`.
    early_stopping : bool, default=False
        Whether to hold ratings out, and to keep the epoch that predicts them with the
        least root mean squared error.
    validation_fraction : float, default=0.1
        Share of the known ratings that is held out.
    n_iter_no_change : int, default=5
        Number of epochs without a gain after which a fit that stops early ends.
    tol : float, default=1e-4
        By how much the error has to fall for a gain.
    shuffle : bool, default=True
        Whether the rows are put in random order in each epoch.
    warm_start : bool, default=False
        Whether :meth:`fit` goes on from where the last call ended.
    verbose : int, default=0
        Whether to print a line per epoch.
    random_state : int, RandomState instance or None, default=None
        Seed of all random numbers: an int gives the same results on every call.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_items, n_ratings)
        Weights: the first axis is that of the features, as in other machines, and what
        one item has for its ratings stays together.
    intercept_hidden_ : ndarray of shape (n_components,)
        Biases of the hidden units.
    intercept_visible_ : ndarray of shape (n_items, n_ratings)
        Biases of the ratings.
    ratings_ : ndarray of shape (n_ratings,)
        The ratings, sorted.
    n_iter_ : int
        Number of epochs since training began, also where `early_stopping` kept the
        parameters of an earlier one.
    history_ : dict of lists of float
        One number per epoch for each quantity: "pseudo_log_likelihood", the mean
        log-probability in nats of a rating given the user's others, while the epoch
        went on. With `early_stopping`, of the ratings held out also "validation_rmse"
        and "validation_log_likelihood", the mean log-probability.
    n_features_in_ : int
        Number of items seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the items seen in fit, where X has string names for all.

    See Also
    --------
    BernoulliRBM : The machine for binary features, a few of which may be missing.
    sklearn.decomposition.TruncatedSVD : Linear, and takes unknown entries for zeros.

    References
    ----------
    .. [1] Salakhutdinov, R., Mnih, A. and Hinton, G. (2007). Restricted Boltzmann
       machines for collaborative filtering. Proceedings of the 24th International
       Conference on Machine Learning, 791-798.
    .. [2] Besag, J. (1975). Statistical analysis of non-lattice data. The Statistician
       24, 179-195.
    .. [3] Montavon, G. and Mueller, K.-R. (2012). Deep Boltzmann machines and the
       centering trick. In: Neural Networks: Tricks of the Trade, 621-637.

    Examples
    --------
    Two tastes: who likes the first item likes the second one, and not the third one.

    >>> import numpy as np
    >>> from skebm import RatingRBM
    >>> unknown = np.nan
    >>> X = np.repeat([[5, 5, 1], [1, 1, 5], [5, unknown, 1], [1, 2, unknown]], 50, 0)
    >>> rbm = RatingRBM(4, learning_rate=0.5, weight_decay=1.0, random_state=0).fit(X)
    >>> rbm.ratings_
    array([1., 2., 5.])
    >>> expected = rbm.predict([[5, unknown, unknown], [1, unknown, unknown]])
    >>> expected.round()[:, 1:]
    array([[4., 1.],
           [2., 4.]])
    >>> rbm.predict(X, [[0, 2], [50, 2]]).round()
    array([1., 5.])
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "ratings": ["array-like", None],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "n_iter": [Interval(Integral, 0, None, closed="left")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "bias_decay": [Interval(Real, 0, None, closed="left")],
        "learning_rate_schedule": [StrOptions(set(SCHEDULES))],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "shuffle": ["boolean"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components=100,
        *,
        ratings=None,
        learning_rate=0.015,
        batch_size="auto",
        n_iter=20,
        momentum=0.5,
        weight_decay=25.0,
        bias_decay=25.0,
        learning_rate_schedule="cosine",
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        tol=1e-4,
        shuffle=True,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.n_components = n_components
        self.ratings = ratings
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.bias_decay = bias_decay
        self.learning_rate_schedule = learning_rate_schedule
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.shuffle = shuffle
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the model to X, in `n_iter` passes over all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Ratings, with a row for each user and a column for each item. What a sparse
            matrix does not store is unknown, and so is NaN in a dense one.

        y : Ignored
            Not used, present for consistency.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the users. A user of weight 2 counts as the user twice: exactly
            where all are in one batch, and else but for chance.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X holds infinity, two ratings of an item by one user, or no rating at
            all; if it holds a value that is none of the ratings where these are known;
            if a weight is negative or all are zero, or if there are too few ratings to
            hold out.
        FloatingPointError
            If the parameters become infinite or NaN: the learning rate is too high.
        """
        going_on = self.warm_start and self.__sklearn_is_fitted__()
        return self._train(X, y, sample_weight, Call("fit", going_on))

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Pass once over X in minibatches, going on from where training stands.

        Momentum and random streams continue, and what was known of the items is added
        to. The first call decides on the number of items, and on the ratings unless
        `ratings` names them: it must hold all of them then.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Ratings, as in :meth:`fit`.

        y : Ignored
            Not used, present for consistency.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the users.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            As in :meth:`fit`, or if `early_stopping` is set.
        FloatingPointError
            If the parameters become infinite or NaN. They stay as they were before.
        """
        call = Call("partial_fit", self.__sklearn_is_fitted__())
        return self._train(X, y, sample_weight, call)

    def _rates(self, method):
        """Learning rates of the epochs."""
        if method == "fit":
            schedule = SCHEDULES[self.learning_rate_schedule]
            return schedule(self.learning_rate, self.n_iter)
        refuse_early_stopping(self, "ratings", "predict them")
        return [self.learning_rate]

    def _train(self, X_given, y, sample_weight, call):
        rates, going_on = self._rates(call.method), call.going_on
        X = call.rows(check_rated(self, X_given, call.method, new=not going_on))
        dtype = self.components_.dtype if going_on else float_dtype(X)
        check_weights(sample_weight, X, dtype)
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
        refuse_unrated(self, X, weights)
        if going_on:
            self._check_size()
        values = self.ratings_ if going_on else find_ratings(self, X, weights)
        X = encoded(self, X, values, dtype, weights)
        seed = call.seed(self)
        settings, held_out = self._settings(seed, X, len(values)), None
        # Numbers of entries as they are in double precision.
        saved = (weights.astype(dtype), X.indptr * 1.0, X.indices * 1.0)
        if self.early_stopping:
            held_out, X = self._hold_out(X, weights, len(values), seed)
        with Fit(
            self, X_given, y, call, seed=seed, data=saved, n_tasks=len(rates)
        ) as fit:
            run, data = call.carried(), (X, weights)
            if run is None:
                run = self._first_run(call, data, len(values), settings)
            fit.train(RatingEpochs(self, rates, run, data, held_out, settings, values))
            fit.end()
        return self

    def _first_run(self, call, data, n_ratings, settings):
        """What the first epoch starts from."""
        if call.going_on:
            state = rating_training.with_rows(self._resume(settings), *data)
            return Run(state, self.history_, state.epoch)
        state = rating_training.start(*data, self.n_components, n_ratings, settings)
        return Run(state, {}, 0)

    def _settings(self, seed, X, n_ratings):
        return rating_training.Settings(
            optimiser=optimise.MomentumSGD(self.momentum),
            weight_decay=self.weight_decay,
            bias_decay=self.bias_decay,
            batch_size=self._n_batch_rows(X.shape[0], X.shape[1] // n_ratings, X.nnz),
            shuffle=self.shuffle,
            seed=seed,
        )

    def _n_batch_rows(self, n_rows, n_items, n_known):
        """Rows in a batch: with about as many ratings as there are items, or more."""
        if self.batch_size != "auto":
            return self.batch_size
        enough = -(-n_rows * n_items // max(1, n_known))
        return max(usual_batch_size(n_rows), enough)

    def _hold_out(self, X, sample_weight, n_ratings, seed):
        """Ratings held out, and the rows without them."""
        held_out, left = rating_training.hold_out(
            X, sample_weight, self.validation_fraction, n_ratings, seed
        )
        n_out, n_left = len(held_out.codes), int(learned(left, sample_weight).sum())
        if n_left == 0:
            raise ValueError(
                f"early_stopping holds out {n_out} of the {n_out + n_left} ratings of "
                "users of positive weight, and leaves none. Give more ratings, set "
                f"validation_fraction (now {self.validation_fraction:g}) lower, or set "
                "early_stopping=False."
            )
        return held_out, left

    def _check_size(self):
        n_components = len(self.components_)
        if n_components != self.n_components:
            raise ValueError(
                f"This {type(self).__name__} has {n_components} hidden units, but "
                f"n_components is now {self.n_components}. To go on, as warm_start and "
                "partial_fit do, set it back; to change it, fit anew with "
                "warm_start=False."
            )

    def _attributes(self, run, settings, values):
        """The run as fitted attributes: of its best epoch, if ratings were held out."""
        state = run.best or run.state
        (W,), (b, c) = state.params
        velocity = state.velocity
        return {
            "components_": W.T.reshape(-1, *b.shape),
            "intercept_visible_": b,
            "intercept_hidden_": c,
            "ratings_": values,
            "n_iter_": run.state.epoch,
            "history_": run.history,
            "_kept_epoch": run.best and run.best.epoch,
            "_seed": settings.seed,
            "_training": {
                "hidden_mean": state.hidden_mean,
                "counts": state.counts,
                "velocity": None
                if velocity is None
                else [list(group) for group in velocity],
            },
        }

    def _resume(self, settings):
        """Training's state from the fitted attributes, as the parameters now ask."""
        params, saved = self._params(), self._training
        velocity, fresh = saved["velocity"], settings.optimiser.init(params)
        if fresh is not None and velocity is not None:
            fresh = Params(*(tuple(group) for group in velocity))
        return rating_training.State(
            params, fresh, saved["hidden_mean"], saved["counts"], self.n_iter_
        )

    @property
    def _n_features_out(self):
        return len(self.components_)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_iter_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
