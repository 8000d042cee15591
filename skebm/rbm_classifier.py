"""A restricted Boltzmann machine that classifies: the class is a visible unit."""

from numbers import Integral, Real

import numpy as np
from sklearn import config_context
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_consistent_length

from ._base import TrainableMachine
from ._class_epochs import ClassEpochs
from ._class_queries import ClassQueriesMixin
from ._fitting import Fit
from ._label_scores import LabelledScoreMixin
from ._labels import (
    check_known,
    check_labels,
    class_weights,
    labels_like,
    new_labels,
    refuse_part_of_rows,
)
from ._resuming import Call
from ._validation import check_weights, refuse_no_target
from .core.backend import namespace, on_host, placed_like, to_numpy
from .core.classes import ClassObjective, ClassStopping, class_units
from .core.early_stopping import held_out_of
from .core.machine import Params
from .core.rows import Beside, Subset, by_blocks, float_dtype, total

# The number of the class of rows that have none: no unit is on.
NO_CLASS = -1.0


class RBMClassifier(LabelledScoreMixin, ClassQueriesMixin, TrainableMachine):
    """Restricted Boltzmann machine that classifies: the class is a visible unit.

    Beside the features, a binary unit each, there is a unit for each class, of which
    that of the row's class is 1 [1]_ [2]_. With this one-hot vector y,

    .. math:: p(x, y, h) = \\frac{1}{Z}
              \\exp(b^T x + d^T y + c^T h + x^T W h + y^T U h) .

    The probabilities of the classes are exact, and need no log Z:

    .. math:: p(y = k | x) = \\frac{1}{Z(x)} \\exp\\Big(d_k + \\sum_j
              \\log\\big(1 + \\exp(c_j + U_{kj} + x^T W_{\\cdot j})\\big)\\Big) .

    It is fitted by stochastic gradient ascent on the discriminative log p(y | x), whose
    gradient is exact, on the generative log p(x, y), with Markov chains for the model's
    side of the gradient, or on both. Then rows can be drawn of a given class, too, and
    rows that have no class help to learn.

    Parameters
    ----------
    n_components : int, default=256
        Number of hidden units.
    objective : {"generative", "discriminative", "hybrid"}, default="hybrid"
        What is maximised. "discriminative" is the mean of log p(y | x) over the rows
        that have a class; "generative" the mean of log p(x, y), or of log p(x) where a
        row has no class, over all rows; "hybrid" the former plus `generative_weight`
        times the latter.
    generative_weight : float, default=0.01
        Weight of the generative part of "hybrid". Set it to between 0.1 and 1 where
        few rows have a class, or where rows are to be drawn.
    learning_rate : float, default=0.2
        Step size, in the first epoch if there is a schedule.
    batch_size : int or "auto", default="auto"
        Most rows per minibatch. The rows are divided into batches of nearly equal size.
        "auto" is a 500th of the rows, but at least 20 and at most 100; up to 40 rows
        are one batch.
    n_iter : int, default=30
        Number of passes over the rows.
    algorithm : {"cd", "pcd", "pt"}, default="pcd"
        How the model's side of the generative gradient is estimated: "cd" is
        contrastive divergence [3]_, with chains that start anew at the rows of each
        batch; "pcd" is persistent contrastive divergence [4]_, with chains that go on
        throughout training; "pt" is parallel tempering [5]_, where each chain has
        companions at lower inverse temperatures with which it changes places.
    n_gibbs_steps : int, default=1
        Gibbs steps per update of the parameters.
    n_chains : int, default=None
        Number of persistent chains, at each temperature for "pt". None means twice
        `batch_size`, up to 100, and no fewer than `batch_size`, if that is at most
        10,000; with "auto" from 40 to 100, and no fewer than there are where training
        goes on. Not used by "cd".
    momentum : float, default=0.9
        Share of the last step that is taken again, in [0, 1).
    weight_decay : float, default=0.0
        L2 penalty of the weights: ``weight_decay / 2`` times the sum of their squares
        is taken off the objective.
    l1_decay : float, default=0.0
        L1 penalty of the weights: `l1_decay` times the sum of their absolute values is
        taken off the objective. It makes weights exactly zero.
    max_norm : float, default=None
        Largest Euclidean norm of the weights of a hidden unit. None means any.
    dropout : float, default=0.0
        Share of the hidden units, in [0, 1), without which a row is classified each
        time that training meets it, others for each row. What the rest adds to the
        free energies counts for all. The generative part is learnt with all units, and
        the fitted model is an ordinary machine.
    centered : bool, default=True
        Whether the gradient is that of the centred machine [6]_.
    initial_activation : float, default=0.1
        Mean of the hidden units at the start, in (0, 1).
    learning_rate_schedule : {"constant", "linear", "cosine"}, default="cosine"
        How the learning rate falls towards zero in `n_iter` epochs: "linear" in even
        steps, "cosine" as half a wave, which is slower near both ends. "constant" lets
        it be. :meth:`partial_fit` always uses `learning_rate`.
    class_weight : dict or "balanced", default=None
        Weights of the rows by their classes, by which those from `sample_weight` are
        multiplied, in both parts of the objective. "balanced" makes the classes weigh
        the same.
    unlabeled : int, float, str or None, default=None
        What marks rows of y that have no class, such as -1. NaN stands for all missing
        values; None means that all rows have one. Rows without a class count in the
        generative part of the objective alone.
    early_stopping : bool, default=False
        Whether to hold rows out of the fit, to stop where the share of them that is
        classified correctly no longer rises, and to keep the parameters of the epoch
        where it was largest. With a falling learning rate this may come late: set
        `n_iter_no_change` to a third of `n_iter`, say.
    validation_fraction : float, default=0.1
        Share that is held out, for `early_stopping`, of the rows that have a class and
        a positive weight.
    n_iter_no_change : int, default=10
        Number of epochs in a row without a gain after which `early_stopping` stops.
    tol : float, default=0.0
        What has to be exceeded by the accuracy of the rows held out for a gain.
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
    classes_ : ndarray of shape (n_classes,)
        The classes, without the mark of rows that have none.
    components_ : ndarray of shape (n_components, n_features)
        Weights between hidden units and features.
    class_components_ : ndarray of shape (n_components, n_classes)
        Weights between hidden units and classes.
    intercept_visible_ : ndarray of shape (n_features,)
        Biases of the features.
    intercept_class_ : ndarray of shape (n_classes,)
        Biases of the classes.
    intercept_hidden_ : ndarray of shape (n_components,)
        Biases of the hidden units.
    h_samples_ : ndarray of shape (n_chains, n_components)
        Hidden units of the Markov chains, in their last state.
    n_iter_ : int
        Number of epochs since training began, also where `early_stopping` kept the
        parameters of an earlier one.
    history_ : dict of lists of float
        One number per epoch for each quantity, measured on a small fixed part of the
        data: "accuracy" and "log_proba", the mean of log p(y | x), of rows that have a
        class; "reconstruction_error", the mean squared error of a feature or class;
        "mean_activation" of the hidden units; "dead_units", the number of hidden units
        whose probability hardly varies; "chain_error", the root mean square difference
        between the visible means in chains and data, where there are chains; and
        "gradient_norm", the norm of the mean gradient. With `early_stopping`, also
        "validation_accuracy" and "validation_log_proba", of the rows held out.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in fit, where X has string names for all.

    See Also
    --------
    BernoulliRBM : The machine of features alone.
    DBNClassifier : A network that starts from a deep belief network.
    sklearn.linear_model.LogisticRegression : A linear classifier.

    References
    ----------
    .. [1] Larochelle, H. and Bengio, Y. (2008). Classification using discriminative
       restricted Boltzmann machines. Proceedings of the 25th International Conference
       on Machine Learning, 536-543.
    .. [2] Larochelle, H., Mandel, M., Pascanu, R. and Bengio, Y. (2012). Learning
       algorithms for the classification restricted Boltzmann machine. Journal of
       Machine Learning Research 13, 643-669.
    .. [3] Hinton, G. E. (2002). Training products of experts by minimizing contrastive
       divergence. Neural Computation 14, 1771-1800.
    .. [4] Tieleman, T. (2008). Training restricted Boltzmann machines using
       approximations to the likelihood gradient. Proceedings of the 25th International
       Conference on Machine Learning, 1064-1071.
    .. [5] Desjardins, G., Courville, A., Bengio, Y., Vincent, P. and Delalleau, O.
       (2010). Tempered Markov chain Monte Carlo for training of restricted Boltzmann
       machines. Proceedings of AISTATS 13, 145-152.
    .. [6] Montavon, G. and Mueller, K.-R. (2012). Deep Boltzmann machines and the
       centering trick. In: Neural Networks: Tricks of the Trade, 621-637.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skebm import RBMClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X / 16
    >>> model = RBMClassifier(64, n_iter=15, random_state=0).fit(X[:1400], y[:1400])
    >>> bool(model.score(X[1400:], y[1400:]) > 0.9)
    True
    >>> threes, _ = model.sample(5, y=3, random_state=0)
    >>> threes.shape
    (5, 64)
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "objective": [StrOptions({"generative", "discriminative", "hybrid"})],
        "generative_weight": [Interval(Real, 0, None, closed="left")],
        **{
            name: constraint
            for name, constraint in TrainableMachine._parameter_constraints.items()
            if not name.startswith("sparsity_")
        },
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "unlabeled": [Real, str, None],
    }

    # The features of a row take part in the gradient of p(y | x), which is exact.
    _takes_missing = False

    def __init__(
        self,
        n_components=256,
        *,
        objective="hybrid",
        generative_weight=0.01,
        learning_rate=0.2,
        batch_size="auto",
        n_iter=30,
        algorithm="pcd",
        n_gibbs_steps=1,
        n_chains=None,
        momentum=0.9,
        weight_decay=0.0,
        l1_decay=0.0,
        max_norm=None,
        dropout=0.0,
        centered=True,
        initial_activation=0.1,
        learning_rate_schedule="cosine",
        class_weight=None,
        unlabeled=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=0.0,
        shuffle=True,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.n_components = n_components
        self.objective = objective
        self.generative_weight = generative_weight
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
        self.dropout = dropout
        self.centered = centered
        self.initial_activation = initial_activation
        self.learning_rate_schedule = learning_rate_schedule
        self.class_weight = class_weight
        self.unlabeled = unlabeled
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.shuffle = shuffle
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the model to rows and their classes, in `n_iter` passes over them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, with values in [0, 1].
        y : array-like of shape (n_samples,)
            Classes of the rows. Rows that have none hold `unlabeled`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A row of weight 2 counts as the row twice: exactly
            where all rows are in one batch, and else but for chance, as it is where
            rows are held out.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X or y holds NaN or infinity, or y more than one column, if no row has a
            class, if a weight is negative or all are zero, or if there are too few rows
            to hold out.
        FloatingPointError
            If the parameters become infinite or NaN: the learning rate is too high.
        """
        going_on = self.warm_start and self.__sklearn_is_fitted__()
        return self._train(X, y, sample_weight, Call("fit", going_on))

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Pass once over X in minibatches, going on from where training stands.

        Markov chains, momentum and random streams continue. The learning rate is
        `learning_rate`, whatever the schedule.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, with values in [0, 1].
        y : array-like of shape (n_samples,)
            Classes of the rows. Rows that have none hold `unlabeled`: all of a call
            may, unless `objective` is "discriminative".
        classes : array-like of shape (n_classes,), default=None
            All classes that there are, without `unlabeled`. Needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, relative to each other within this call.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If `classes` is missing in the first call or changes later, if y holds other
            classes, or if `early_stopping` or ``class_weight="balanced"`` is set.
        FloatingPointError
            If the parameters become infinite or NaN. They stay as they were before.
        """
        going_on = self.__sklearn_is_fitted__()
        call = Call("partial_fit", going_on, classes=on_host(classes))
        return self._train(X, y, sample_weight, call)

    def _train(self, X_given, y, sample_weight, call):
        rates, going_on = self._rates(call.method), call.going_on
        refuse_no_target(self, y)
        X = call.rows(self._rows(X_given, call.method, new=not going_on))
        check_consistent_length(X, y)
        dtype = float_dtype(self.components_ if going_on else X)
        weights = check_weights(sample_weight, X, dtype)
        if going_on:
            self._check_sizes()
        labels, codes, weights = self._targets(y, weights, call)
        seed, n_classes = call.seed(self), len(labels.classes)
        kinds = class_units(X.shape[1], n_classes)
        data, stopping = self._data(X, codes, weights, n_classes, seed)
        settings = self._settings(seed, X.shape[0], kinds)._replace(
            objective=self._objective(n_classes, *data)
        )
        with Fit(
            self,
            X_given,
            y,
            call,
            seed=seed,
            data=(X, weights, codes),
            n_tasks=len(rates),
            names=labels.classes,
        ) as fit:
            run = call.carried() or self._first_run(fit, data, settings)
            parts = (self, rates, run, data, settings, stopping, going_on)
            fit.train(ClassEpochs(*parts, classes=labels.classes))
            fit.end()
        return self

    def _targets(self, y, weights, call):
        """Labels; the number of the class of each row, (n_rows, 1); weights of rows."""
        array, weights = weights, to_numpy(weights)
        known = on_host(self.classes_) if call.going_on else call.classes
        classes = call.classes
        with config_context(array_api_dispatch=False):
            y, labelled = check_labels(
                self,
                on_host(y),
                self.unlabeled,
                known,
                self._without_labels(call),
            )
        if y.ndim > 1:
            raise ValueError(
                f"y has {y.shape[1]} columns, but an RBMClassifier learns one class "
                "for each row: take a DBNClassifier for several labels."
            )
        labels = self._labels() if call.going_on else None
        if call.method == "partial_fit":
            refuse_part_of_rows(self.class_weight, labels, classes)
        if labels is None:
            labels, classes = new_labels(y, classes), None
        check_known(self, labels, y, classes)
        labelled = np.ones(len(weights), bool) if labelled is None else labelled
        codes = np.full((len(weights), 1), NO_CLASS, dtype=weights.dtype)
        codes[labelled, 0] = np.searchsorted(labels.classes, y)
        of_class = class_weights(self.class_weight, labels, y, weights[labelled])
        weights = weights.copy()
        weights[labelled] *= of_class.astype(weights.dtype)
        if labelled.any() and not weights[labelled].any():
            raise ValueError(
                "All rows that have a label have the weight zero, from sample_weight "
                "or class_weight: give some of them a positive one."
            )
        codes, weights = (placed_like(x, array) for x in (codes, weights))
        return labels, codes, check_weights(weights, codes, weights.dtype)

    def _without_labels(self, call):
        """What to do where no row has a label; None where there is nothing to do.

        A part of the rows may have none: their features are learnt.
        """
        if call.method == "partial_fit" and self.objective != "discriminative":
            return None
        return (
            "Each call takes at least one that has. For rows alone, take a "
            "BernoulliRBM."
        )

    def _data(self, X, codes, weights, n_classes, seed):
        """Rows and weights to fit to; early stopping with others, if asked for."""
        xp, rows, codes = namespace(codes), Beside(X, codes), codes[:, 0]
        if self._shares(1.0)[0] == 0.0:
            used = xp.nonzero(codes != NO_CLASS)[0]
            rows, codes = Subset(rows, used), xp.take(codes, used)
            weights = check_weights(xp.take(weights, used), used, weights.dtype)
        if not self.early_stopping:
            return (rows, weights), None
        suitable = (codes != NO_CLASS) & (weights > 0.0)
        held_out, _, left = held_out_of(
            rows, weights, suitable, self.validation_fraction, seed, codes
        )
        n_held_out, n_all = held_out[0].shape[0], xp.nonzero(suitable)[0].shape[0]
        if n_held_out == n_all:
            raise ValueError(
                f"early_stopping holds out {n_held_out} of the {n_all} rows that have "
                "a label and a positive weight, and leaves none. Give more such rows, "
                f"set validation_fraction (now {self.validation_fraction:g}) lower, or "
                "set early_stopping=False."
            )
        return left, ClassStopping(held_out, n_classes, self.tol)

    def _objective(self, n_classes, rows, weights):
        """What is maximised: the mean over the rows that have a label, and over all."""
        codes = by_blocks(lambda x: x[:, -1], rows, weights.dtype)
        of_labelled = total(weights[codes != NO_CLASS])
        shares = self._shares(total(weights) / of_labelled if of_labelled else 1.0)
        return ClassObjective(n_classes, *shares, self.dropout)

    def _shares(self, mean_of_labelled):
        """Weights of the mean of log p(x, y) over all rows, and of log p(y | x)."""
        return {
            "generative": (1.0, 0.0),
            "discriminative": (0.0, 1.0),
            "hybrid": (self.generative_weight, mean_of_labelled),
        }[self.objective]

    def _hidden_sizes(self):
        return (self.n_components,)

    def _read_params(self):
        features, classes = self.components_.T, self.class_components_.T
        biases = self.intercept_visible_, self.intercept_class_
        concat = namespace(features).concat
        return Params(
            (concat([features, classes]),), (concat(biases), self.intercept_hidden_)
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

    def _from_chains(self, layers):
        return {"h_samples_": layers[1]}

    def _attributes(self, run, settings, classes):
        found = super()._attributes(run, settings)
        W, b = found["components_"], found["intercept_visible_"]
        n = b.shape[0] - len(classes)
        return {
            **found,
            "components_": W[:, :n],
            "class_components_": W[:, n:],
            "intercept_visible_": b[:n],
            "intercept_class_": b[n:],
            "classes_": labels_like(classes, b),
        }

    @property
    def _n_features_out(self):
        return self.components_.shape[0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
