"""Missing values filled by a Boltzmann machine, as a step of a pipeline."""

from inspect import signature
from numbers import Integral

from sklearn import clone
from sklearn.base import (
    BaseEstimator,
    OneToOneFeatureMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted

from ._about import AboutMixin
from ._nested import NestedParamsMixin
from ._plain import PlainStateMixin
from ._validation import draw_seed, record_features
from .mixed import MixedRBM


class BoltzmannImputer(
    PlainStateMixin,
    AboutMixin,
    NestedParamsMixin,
    OneToOneFeatureMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Fill missing values by their conditional mean in a Boltzmann machine.

    The machine learns the joint distribution of all columns, also from rows with gaps,
    and a gap is filled given what is observed of its row: a number by its conditional
    mean, a category by the likeliest one.

    Parameters
    ----------
    estimator : estimator with ``impute``, default=None
        The machine, such as a :class:`GaussianRBM`; it is cloned and fitted. None is
        ``MixedRBM(64, n_iter=300, learning_rate=0.05, weight_decay=0.01,
        covariance_type="full")``, which finds the kinds of the columns from their
        dtypes.
    n_gibbs_steps : int, default=500
        Gibbs steps for each row, as in ``impute``.
    random_state : int, RandomState instance or None, default=None
        Seed of the machine, if it has none of its own, and of the chains that fill the
        gaps: an int gives the same results on every call.

    Attributes
    ----------
    estimator_ : estimator
        The fitted machine.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in fit, where X has string names for all.

    See Also
    --------
    MixedRBM : The machine that is used if no other is given.
    sklearn.impute.IterativeImputer : Regressions of each column on the others.
    sklearn.impute.KNNImputer : Means of similar rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skebm import BoltzmannImputer
    >>> X, y = load_wine(return_X_y=True)
    >>> X[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    >>> pipe = make_pipeline(
    ...     BoltzmannImputer(random_state=0), StandardScaler(), LogisticRegression()
    ... )
    >>> bool(pipe.fit(X, y).score(X, y) > 0.95)
    True
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "impute"]), None],
        "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(self, estimator=None, *, n_gibbs_steps=500, random_state=None):
        self.estimator = estimator
        self.n_gibbs_steps = n_gibbs_steps
        self.random_state = random_state

    # The machine checks its own parameters.
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the machine to X, gaps and all.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Training data, with NaN or None where an entry is missing.

        y : Ignored
            Not used, present for consistency.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A row of weight 2 counts as the row twice.

        Returns
        -------
        self : object
            The fitted imputer.
        """
        seed = draw_seed(self.random_state)
        machine = clone(self._prototype())
        if machine.get_params().get("random_state", seed) is None:
            machine.set_params(random_state=seed)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        if "n_gibbs_steps" not in signature(machine.impute).parameters:
            raise TypeError(
                f"{type(machine).__name__} fills its gaps without Markov chains: call "
                "its own impute. BoltzmannImputer is for machines such as MixedRBM."
            )
        self.estimator_ = machine.fit(X, None, **weights)
        self._seed = seed
        record_features(self, X)
        return self

    def transform(self, X):
        """Fill the gaps of X.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Rows with NaN or None where an entry is missing.

        Returns
        -------
        X_filled : ndarray or data frame of shape (n_samples, n_features)
            The rows, observed entries unchanged. The same on every call.
        """
        check_is_fitted(self)
        return self.estimator_.impute(
            X, n_gibbs_steps=self.n_gibbs_steps, random_state=self._seed
        )

    def _prototype(self):
        if self.estimator is not None:
            return self.estimator
        return MixedRBM(
            64,
            n_iter=300,
            learning_rate=0.05,
            weight_decay=0.01,
            covariance_type="full",
        )

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimator_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self._prototype()).input_tags
        tags.input_tags.sparse = False
        tags.input_tags.allow_nan = True
        return tags
