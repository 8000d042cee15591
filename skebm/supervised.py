"""Classifier and regressor that start from a deep belief network."""

from functools import partial

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.metrics import accuracy_score, r2_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d, compute_class_weight, compute_sample_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    check_classification_targets,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import _check_y, check_is_fitted

from ._fine_tuned import (
    FineTunedNetwork,
    Targets,
    goes_in_batches,
    network_fields,
)
from .core.network import (
    Identity,
    Network,
    Sigmoid,
    Softmax,
    cross_entropy,
    squared_error,
)

# The label of rows without one, as in sklearn.semi_supervised.
UNLABELLED = -1


def _accuracy(output, binarizer, params, X, values, weights):
    """Share of the rows with the right label, or labels, by a network's params."""
    outputs = output.mean(network_fields(params, X))
    labels = (binarizer.inverse_transform(x) for x in (values, outputs))
    return float(accuracy_score(*labels, sample_weight=weights))


def _r2(params, X, values, weights):
    """Coefficient of determination of a network's outputs."""
    return float(r2_score(values, network_fields(params, X), sample_weight=weights))


class DBNClassifier(ClassifierMixin, FineTunedNetwork):
    """Classifier that starts from a deep belief network.

    The machines of a deep belief network are trained on the rows without their
    labels. Then they become the hidden layers of a feed-forward network, with an
    output layer above them, and all weights are fine-tuned by backpropagation to
    predict the labels [1]_. So rows without a label help: those with the label -1 take
    part in the pretraining alone, as in :mod:`sklearn.semi_supervised`. Only where
    there is but one other label, -1 is a class.

    Several classes have a softmax output; two classes, or several labels for each row,
    sigmoid outputs. The loss is the cross-entropy.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of shape (n_layers,), default=(256, 256)
        Numbers of hidden units, from below. Not used with `dbn`.
    rbm : estimator or list of estimators, default=None
        The machine that is cloned for each layer, or a list with one for each, as in
        :class:`DBN`. With ``BernoulliRBM(n_iter=0)``, fine-tuning starts from random
        weights.
    dbn : DBN or FrozenEstimator, default=None
        A fitted deep belief network to start from, in place of pretraining. It is left
        as it is. In a grid search, whose clones are not fitted, give
        ``sklearn.frozen.FrozenEstimator(dbn)``: then one pretraining serves them all.
    solver : {"adam", "sgd", "lbfgs"}, default="adam"
        "adam" and "sgd", which has Nesterov momentum, go from minibatch to minibatch;
        "lbfgs" takes all rows at once, and suits small data.
    learning_rate_init : float, default=0.001
        Step size, in the first epoch if there is a schedule.
    learning_rate_schedule : {"constant", "linear"}, default="constant"
        "linear" lets the learning rate fall in even steps from epoch to epoch, towards
        zero after `max_iter` epochs.
    momentum : float, default=0.9
        Share of the last step that "sgd" takes again, in [0, 1).
    alpha : float, default=0.0001
        Strength of the L2 penalty of the weights. As in scikit-learn, it is divided by
        the number of rows: in a batch, or of all for "lbfgs".
    batch_size : int, default=100
        Most rows per minibatch of fine-tuning.
    max_iter : int, default=200
        Most epochs of fine-tuning, or iterations of "lbfgs".
    dropout : float, default=0.0
        Share of the hidden units that are left out of each update [2]_, in [0, 1).
    input_dropout : float, default=0.0
        Share of the features that are left out of each update, in [0, 1).
    shuffle : bool, default=True
        Whether the rows are put in random order in each epoch.
    early_stopping : bool, default=False
        Whether to hold rows out, to stop when the score on them no longer rises, and to
        keep the weights of the best epoch.
    validation_fraction : float, default=0.1
        Share of the rows that early stopping holds out.
    n_iter_no_change : int, default=10
        Number of epochs without a gain of more than `tol` after which training stops.
    tol : float, default=0.0001
        Least gain: of the score on the rows held out, or of the training loss. For
        "lbfgs", the largest element that the gradient may have in the end.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in fine-tuning. "balanced" weighs them inversely to
        their numbers of rows.
    warm_start : bool, default=False
        Whether :meth:`fit` goes on from the weights of the last call, without
        pretraining.
    verbose : int, default=0
        Whether to print a line per epoch.
    random_state : int, RandomState instance or None, default=None
        Seed of all random numbers: an int gives the same results on every call.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.
    coefs_ : list of ndarray of shape (n_below, n_above)
        Weights between neighbouring layers, from below.
    intercepts_ : list of ndarray of shape (n_above,)
        Biases of the hidden layers and the outputs.
    components_ : ndarray of shape (n_hidden, n_features)
        The first of `coefs_`, transposed.
    dbn_ : DBN
        The deep belief network that fine-tuning began with.
    loss_curve_ : list of float
        Mean loss of each epoch, with the L2 penalty.
    validation_scores_ : list of float, or None
        Score on the rows held out after each epoch, with early stopping.
    n_iter_ : int
        Number of epochs of fine-tuning since training began.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in fit, where X has string names for all.

    See Also
    --------
    DBN : The network that this one starts from.
    DBNRegressor : The same for regression.
    sklearn.neural_network.MLPClassifier : A network that starts from random weights.

    References
    ----------
    .. [1] Hinton, G. E. and Salakhutdinov, R. R. (2006). Reducing the dimensionality of
       data with neural networks. Science 313, 504-507.
    .. [2] Srivastava, N., Hinton, G. E., Krizhevsky, A., Sutskever, I. and
       Salakhutdinov, R. (2014). Dropout: a simple way to prevent neural networks from
       overfitting. Journal of Machine Learning Research 15, 1929-1958.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skebm import BernoulliRBM, DBNClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X / 16
    >>> y_some = y.copy()
    >>> y_some[700:1400] = -1  # rows without a label
    >>> model = DBNClassifier(
    ...     (100, 100),
    ...     rbm=BernoulliRBM(n_iter=20),
    ...     learning_rate_init=0.01,
    ...     learning_rate_schedule="linear",
    ...     max_iter=50,
    ...     random_state=0,
    ... )
    >>> model = model.fit(X[:1400], y_some[:1400])
    >>> print(model.score(X[1400:], y[1400:]))
    0.8...
    """

    _parameter_constraints: dict = {
        **FineTunedNetwork._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self,
        hidden_layer_sizes=(256, 256),
        *,
        rbm=None,
        dbn=None,
        solver="adam",
        learning_rate_init=1e-3,
        learning_rate_schedule="constant",
        momentum=0.9,
        alpha=1e-4,
        batch_size=100,
        max_iter=200,
        dropout=0.0,
        input_dropout=0.0,
        shuffle=True,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        class_weight=None,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.rbm = rbm
        self.dbn = dbn
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.learning_rate_schedule = learning_rate_schedule
        self.momentum = momentum
        self.alpha = alpha
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state
        self.class_weight = class_weight

    @available_if(goes_in_batches)
    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Pass over X once in minibatches, going on from where training stands.

        The first call pretrains a deep belief network on its rows, unless `dbn` is one
        that is fitted. All calls fine-tune, at the rate `learning_rate_init`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, with values in [0, 1].
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels of the rows.
        classes : array-like of shape (n_classes,), default=None
            All labels that there are. Needed in the first call, and for several labels
            per row their numbers.
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
            labels, or if `early_stopping` or ``class_weight="balanced"`` is set.
        FloatingPointError
            If parameters become infinite or NaN. They stay as they were before.
        """
        return self._partial_fit(X, y, sample_weight, classes)

    def _check_y(self, y, going_on, classes):
        """Labels of the labelled rows, and which these are, or None for all."""
        y = _check_y(y, multi_output=True, estimator=self)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if y.dtype.kind in "if":
            labelled = ~np.all(np.reshape(y == UNLABELLED, (len(y), -1)), axis=1)
            known = self.classes_ if going_on else classes
            if known is None:
                # With a single other label, -1 is a class: -1 and 1 are usual.
                is_class = len(np.unique(y[labelled])) < 2
            else:
                is_class = UNLABELLED in known
            if not labelled.all() and not is_class:
                if not labelled.any():
                    raise ValueError(
                        "No row of y has a label, all are -1. To pretrain on rows "
                        "without labels alone, fit a DBN, and give it as dbn."
                    )
                check_classification_targets(y[labelled])
                return y[labelled], labelled
        check_classification_targets(y)
        return y, None

    def _targets(self, y, sample_weight, going_on, method, classes):
        binarizer = self._binarizer(y, going_on, method, classes)
        several = type_of_target(y) == "multilabel-indicator"
        if several != (binarizer.y_type_ == "multilabel-indicator"):
            raise ValueError(
                f"y is {type_of_target(y)}, but this {type(self).__name__} was fitted "
                f"to a y that is {binarizer.y_type_}. Give y of the same form."
            )
        output = Softmax() if not several and len(binarizer.classes_) > 2 else Sigmoid()
        if method == "partial_fit" and self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows at once. For partial_fit, give "
                "a dict with sklearn.utils.class_weight.compute_class_weight."
            )

        return Targets(
            values=np.asarray(binarizer.transform(y)),
            network=Network(output, cross_entropy),
            row_weights=np.ones(len(y))
            if self.class_weight is None
            else self._class_weights(y, sample_weight, several),
            strata=None if several else y,
            least_held_out=1,
            score=partial(_accuracy, output, binarizer),
            attributes={"classes_": binarizer.classes_, "_label_binarizer": binarizer},
        )

    def _class_weights(self, y, sample_weight, several):
        if several:
            return compute_sample_weight(self.class_weight, y)
        classes, index = np.unique(y, return_inverse=True)
        return compute_class_weight(
            self.class_weight, classes=classes, y=y, sample_weight=sample_weight
        )[index]

    def _binarizer(self, y, going_on, method, classes):
        """The encoder of the labels: where training goes on, that of the first fit."""
        if not going_on:
            if method == "partial_fit" and classes is None:
                raise ValueError(
                    "classes must be passed on the first call to partial_fit."
                )
            if classes is None or type_of_target(y) == "multilabel-indicator":
                return LabelBinarizer().fit(y)
            binarizer = LabelBinarizer().fit(classes)
        else:
            binarizer = self._label_binarizer
            if classes is not None and not np.array_equal(
                self.classes_, unique_labels(classes)
            ):
                raise ValueError(
                    f"classes={classes!r} is not what it was on the first call of "
                    f"partial_fit, {self.classes_!r}."
                )
        other = np.setdiff1d(unique_labels(y), binarizer.classes_)
        if len(other):
            raise ValueError(
                f"y has labels {other} that are not among the classes "
                f"{binarizer.classes_}. To learn others, fit anew, without warm_start."
            )
        return binarizer

    def decision_function(self, X):
        """Compute the total inputs of the output units.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        a : ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes that of the second, which is predicted above 0.
        """
        a = self._fields(X, "decision_function")
        return a[:, 0] if a.shape[1] == 1 else a

    def predict(self, X):
        """Predict the labels of rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            The most probable class, or the labels of a probability above 1/2.
        """
        outputs = self._output().mean(self._fields(X, "predict"))
        return self._label_binarizer.inverse_transform(outputs)

    def predict_proba(self, X):
        """Compute the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`. Those of several labels do not add up to 1.
        """
        return self._both(self._fields(X, "predict_proba"), self._output().mean)

    def predict_log_proba(self, X):
        """Compute the logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`; finite even where a probability is rounded to 0.
        """
        return self._both(self._fields(X, "predict_log_proba"), self._output().log_mean)

    def _both(self, a, function):
        """A function of the outputs; for two classes, of either of them."""
        if a.shape[1] > 1:
            return function(a)
        return np.hstack([function(-a), function(a)])[:, : len(self.classes_)]

    def _output(self):
        check_is_fitted(self)
        several = self._label_binarizer.y_type_ == "multilabel-indicator"
        return Sigmoid() if several or len(self.classes_) <= 2 else Softmax()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class DBNRegressor(RegressorMixin, FineTunedNetwork):
    """Regressor that starts from a deep belief network.

    The machines of a deep belief network are trained on the rows. Then they become the
    hidden layers of a feed-forward network with linear outputs above them, and all
    weights are fine-tuned by backpropagation [1]_. The loss is half the squared error.
    Targets should be scaled to a variance of about 1.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of shape (n_layers,), default=(256, 256)
        Numbers of hidden units, from below. Not used with `dbn`.
    rbm : estimator or list of estimators, default=None
        The machine that is cloned for each layer, or a list with one for each, as in
        :class:`DBN`. With ``BernoulliRBM(n_iter=0)``, fine-tuning starts from random
        weights.
    dbn : DBN or FrozenEstimator, default=None
        A fitted deep belief network to start from, in place of pretraining. It is left
        as it is. In a grid search, whose clones are not fitted, give
        ``sklearn.frozen.FrozenEstimator(dbn)``: then one pretraining serves them all.
    solver : {"adam", "sgd", "lbfgs"}, default="adam"
        "adam" and "sgd", which has Nesterov momentum, go from minibatch to minibatch;
        "lbfgs" takes all rows at once, and suits small data.
    learning_rate_init : float, default=0.001
        Step size, in the first epoch if there is a schedule.
    learning_rate_schedule : {"constant", "linear"}, default="constant"
        "linear" lets the learning rate fall in even steps from epoch to epoch, towards
        zero after `max_iter` epochs.
    momentum : float, default=0.9
        Share of the last step that "sgd" takes again, in [0, 1).
    alpha : float, default=0.0001
        Strength of the L2 penalty of the weights. As in scikit-learn, it is divided by
        the number of rows: in a batch, or of all for "lbfgs".
    batch_size : int, default=100
        Most rows per minibatch of fine-tuning.
    max_iter : int, default=200
        Most epochs of fine-tuning, or iterations of "lbfgs".
    dropout : float, default=0.0
        Share of the hidden units that are left out of each update [2]_, in [0, 1).
    input_dropout : float, default=0.0
        Share of the features that are left out of each update, in [0, 1).
    shuffle : bool, default=True
        Whether the rows are put in random order in each epoch.
    early_stopping : bool, default=False
        Whether to hold rows out, to stop when the score on them no longer rises, and to
        keep the weights of the best epoch.
    validation_fraction : float, default=0.1
        Share of the rows that early stopping holds out.
    n_iter_no_change : int, default=10
        Number of epochs without a gain of more than `tol` after which training stops.
    tol : float, default=0.0001
        Least gain: of the score on the rows held out, or of the training loss. For
        "lbfgs", the largest element that the gradient may have in the end.
    warm_start : bool, default=False
        Whether :meth:`fit` goes on from the weights of the last call, without
        pretraining.
    verbose : int, default=0
        Whether to print a line per epoch.
    random_state : int, RandomState instance or None, default=None
        Seed of all random numbers: an int gives the same results on every call.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_below, n_above)
        Weights between neighbouring layers, from below.
    intercepts_ : list of ndarray of shape (n_above,)
        Biases of the hidden layers and the outputs.
    components_ : ndarray of shape (n_hidden, n_features)
        The first of `coefs_`, transposed.
    dbn_ : DBN
        The deep belief network that fine-tuning began with.
    loss_curve_ : list of float
        Mean loss of each epoch, with the L2 penalty.
    validation_scores_ : list of float, or None
        Score on the rows held out after each epoch, with early stopping.
    n_iter_ : int
        Number of epochs of fine-tuning since training began.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in fit, where X has string names for all.

    See Also
    --------
    DBN : The network that this one starts from.
    DBNClassifier : The same for classification.
    sklearn.neural_network.MLPRegressor : A network that starts from random weights.

    References
    ----------
    .. [1] Hinton, G. E. and Salakhutdinov, R. R. (2006). Reducing the dimensionality of
       data with neural networks. Science 313, 504-507.
    .. [2] Srivastava, N., Hinton, G. E., Krizhevsky, A., Sutskever, I. and
       Salakhutdinov, R. (2014). Dropout: a simple way to prevent neural networks from
       overfitting. Journal of Machine Learning Research 15, 1929-1958.

    Examples
    --------
    >>> import numpy as np
    >>> from skebm import BernoulliRBM, DBNRegressor
    >>> X = np.random.default_rng(0).uniform(size=(200, 4))
    >>> y = np.sin(3 * X[:, 0]) + X[:, 1]
    >>> model = DBNRegressor((20,), rbm=BernoulliRBM(n_iter=5), random_state=0)
    >>> print(model.set_params(solver="lbfgs", tol=1e-3).fit(X, y).score(X, y))
    0.9...
    """

    def __init__(
        self,
        hidden_layer_sizes=(256, 256),
        *,
        rbm=None,
        dbn=None,
        solver="adam",
        learning_rate_init=1e-3,
        learning_rate_schedule="constant",
        momentum=0.9,
        alpha=1e-4,
        batch_size=100,
        max_iter=200,
        dropout=0.0,
        input_dropout=0.0,
        shuffle=True,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.rbm = rbm
        self.dbn = dbn
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.learning_rate_schedule = learning_rate_schedule
        self.momentum = momentum
        self.alpha = alpha
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @available_if(goes_in_batches)
    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, sample_weight=None):
        """Pass over X once in minibatches, going on from where training stands.

        The first call pretrains a deep belief network on its rows, unless `dbn` is one
        that is fitted. All calls fine-tune, at the rate `learning_rate_init`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, with values in [0, 1].
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            What to predict.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, relative to each other within this call.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X or y holds NaN or infinity, or if `early_stopping` is set.
        FloatingPointError
            If parameters become infinite or NaN. They stay as they were before.
        """
        return self._partial_fit(X, y, sample_weight)

    def _check_y(self, y, going_on, classes):
        return _check_y(y, multi_output=True, y_numeric=True, estimator=self), None

    def _targets(self, y, sample_weight, going_on, method, classes):
        values = np.reshape(y, (len(y), -1))
        if going_on and values.shape[1] != self.coefs_[-1].shape[1]:
            raise ValueError(
                f"y has {values.shape[1]} outputs, but this DBNRegressor was fitted to "
                f"{self.coefs_[-1].shape[1]}."
            )

        return Targets(
            values=values,
            network=Network(Identity(), squared_error),
            row_weights=np.ones(len(values)),
            strata=None,
            least_held_out=2,
            score=_r2,
            attributes={},
        )

    def predict(self, X):
        """Predict the targets of rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The outputs.
        """
        a = self._fields(X, "predict")
        return a[:, 0] if a.shape[1] == 1 else a

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
