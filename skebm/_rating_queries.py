"""What can be asked of a fitted machine for ratings."""

from functools import partial
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from ._rating_rows import check_pairs, check_rated, encoded, from_dense
from ._validation import check_states, check_weights, draw_seed
from .core import ratings
from .core.backend import sigmoid
from .core.machine import Params
from .core.rows import float_dtype
from .core.streams import Purpose, stream

# Chains that are drawn at once.
CHAINS_AT_ONCE = 256


class RatingQueriesMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Features, expected ratings, scores and samples."""

    def _params(self, dtype=None):
        """The core's params, whose weights are a contiguous row for each rating."""
        b, c = self.intercept_visible_, self.intercept_hidden_
        W = self.components_.reshape(len(self.components_), -1).T
        dtype = dtype or W.dtype
        W = np.ascontiguousarray(W, dtype=dtype)
        return Params((W,), (b.astype(dtype), c.astype(dtype)))

    def _rated(self, X, method):
        """Checked rows as the core has them, and the params in their dtype."""
        check_is_fitted(self)
        X = check_rated(self, X, method)
        dtype = float_dtype(X)
        return encoded(self, X, self.ratings_, dtype), self._params(dtype)

    def transform(self, X):
        """Compute the probabilities that the hidden units are 1, given the ratings.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Ratings, as in :meth:`fit`.

        Returns
        -------
        H : ndarray of shape (n_samples, n_components)
            ``P(h = 1 | R)``, where R are the known ratings of the user.
        """
        X, params = self._rated(X, "transform")
        return sigmoid(ratings.hidden_field(params, X))

    def predict(self, X, pairs=None):
        """Predict the ratings of items, by their expected values given what is rated.

        Of an item that the user has rated: given the user's other ratings.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Ratings, as in :meth:`fit`. The users need not be those of the fit.
        pairs : array-like of shape (n_pairs, 2) or "all", default=None
            What to predict: the number of a row of X, and the number of a column, or
            its name, if the columns had names in :meth:`fit`. "all" stands for every
            item of every user, and so does None, unless X is sparse.

        Returns
        -------
        expected : ndarray of shape (n_pairs,) or (n_samples, n_features)
            Expected ratings, with a number for each pair, or for each user and item.

        Raises
        ------
        ValueError
            If X is sparse and `pairs` is None: that would be users times items numbers,
            which may be very many more than X holds. Or if a pair is not in X.
        """
        return self._distributions(X, pairs, "predict", lambda p: p @ self.ratings_)

    def predict_proba(self, X, pairs=None):
        """Predict the probabilities of ratings, given what their users have rated.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Ratings, as in :meth:`fit`.
        pairs : array-like of shape (n_pairs, 2) or "all", default=None
            What to predict, as in :meth:`predict`.

        Returns
        -------
        probabilities : ndarray of shape (n_pairs, n_ratings) or \
                (n_samples, n_features, n_ratings)
            Of each rating in `ratings_`.

        Raises
        ------
        ValueError
            As in :meth:`predict`.
        """
        return self._distributions(X, pairs, "predict_proba", lambda p: p)

    def _distributions(self, X_given, pairs, method, function):
        """A function of the probabilities of the ratings, for pairs or for all."""
        X, params = self._rated(X_given, method)
        everything = isinstance(pairs, str) and pairs == "all"
        if pairs is None and sparse.issparse(X_given):
            raise ValueError(
                f"X is sparse, and {method} would return a dense array for all "
                f"{X.shape[0]} x {self.n_features_in_} users and items. Ask for it by "
                'pairs="all", or give the pairs of rows and columns that you need.'
            )
        if pairs is None or everything:
            return self._for_all(X, params, function)
        users, items = check_pairs(self, pairs, X.shape[0])
        log_p = ratings.pair_log_probabilities(params, X, users, items)
        return function(np.exp(log_p)).astype(X.dtype, copy=False)

    def _for_all(self, X, params, function):
        """A function of the probabilities of every rating, some users at a time."""
        result, most = None, ratings.BLOCK_ELEMENTS // self.intercept_visible_.size
        for users in ratings.slices(X.shape[0], most):
            part = function(np.exp(ratings.all_log_probabilities(params, X, users)))
            if result is None:
                result = np.empty((X.shape[0], *part.shape[1:]), X.dtype)
            result[users] = part
        return result

    def impute(self, X):
        """Fill unknown entries by their expected ratings.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Ratings, as in :meth:`fit`.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features)
            The ratings, known ones unchanged and unknown ones as :meth:`predict` gives
            them. It is dense.
        """
        filled = self.predict(X, "all")
        known = check_rated(self, X, "impute")
        filled[ratings.users_of(known), known.indices] = known.data
        return filled

    def score_samples(self, X):
        """Pseudo-log-likelihood of each user, in nats, exact.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Ratings, as in :meth:`fit`.

        Returns
        -------
        pseudo_log_likelihood : ndarray of shape (n_samples,)
            ``sum_i log p(v_i | the user's other ratings)`` over the known ratings of
            the user; 0 for a user without any.
        """
        X, params = self._rated(X, "score_samples")
        return self._sums(X, params)

    def _sums(self, X, params):
        log_p = ratings.log_likelihoods(params, X)
        sums = np.bincount(ratings.users_of(X), log_p, minlength=X.shape[0])
        return sums.astype(X.dtype)

    def score(self, X, y=None, sample_weight=None):
        """Mean log-probability of a rating given the user's others, in nats.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Ratings, as in :meth:`fit`.
        y : Ignored
            Not used, present for consistency.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the users. A user of weight 2 counts as the user twice.

        Returns
        -------
        score : float
            The sum of :meth:`score_samples`, divided by the number of known ratings; 0
            where none is known. Larger is better, and nothing is left to chance.

        Raises
        ------
        ValueError
            If a weight is negative or not finite, or if all are zero.
        """
        X, params = self._rated(X, "score")
        weights = check_weights(sample_weight, X, np.dtype(np.float64))
        n_known = ratings.weighted_entries(X, weights)
        return float(weights @ self._sums(X, params)) / n_known if n_known else 0.0

    def sample(self, n_samples=1, *, n_gibbs_steps=1000, given=None, random_state=None):
        """Draw ratings of all items by Gibbs sampling, each row from its own chain.

        They are of users who have rated everything.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows to draw.
        n_gibbs_steps : int, default=1000
            Gibbs steps of each chain, which starts at ratings drawn by their biases,
            with the hidden units at their means over the users.
        given : {array-like, sparse matrix} of shape (n_samples, n_features), \
                default=None
            Ratings to draw the others given, NaN where an item is free, or not stored;
            or one row, `(n_features,)`, for all.
        random_state : int, RandomState instance or None, default=None
            Seed of the random numbers: an int gives the same rows on every call.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)
            The rows.

        Raises
        ------
        ValueError
            If `given` has another shape than it should.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        check_scalar(n_gibbs_steps, "n_gibbs_steps", Integral, min_val=0)
        params = self._params()
        b = params.biases[0]
        shape, clamped = (n_samples, len(b)), np.full((n_samples, len(b)), -1)
        if given is not None:
            clamped = self._codes_given(given, shape)
        draws = stream(draw_seed(random_state), Purpose.SAMPLE, b)
        mean = self._training["hidden_mean"].astype(b.dtype)
        drawn = partial(ratings.chains, params, mean, n_gibbs_steps, draws)
        codes = np.concatenate(
            [
                drawn(clamped[first : first + CHAINS_AT_ONCE])
                for first in range(0, n_samples, CHAINS_AT_ONCE)
            ]
        )
        return self.ratings_[codes].astype(b.dtype)

    def _codes_given(self, given, shape):
        """Numbers of the given ratings, (n_samples, n_features), -1 for the others."""
        codes = np.full(shape, -1)
        if sparse.issparse(given):
            given = check_rated(self, given, "sample")
            rows = np.full(given.shape, np.nan)
            rows[ratings.users_of(given), given.indices] = given.data
            given = rows
        rows = check_states(given, "given", shape, self.components_, allow_nan=True)
        given = from_dense(rows)
        X = encoded(self, given, self.ratings_, self.components_.dtype)
        items, numbers = np.divmod(X.indices, len(self.ratings_))
        codes[ratings.users_of(X), items] = numbers
        return codes
