"""Classifiers and a regressor that start from a deep generative model."""

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils import check_array
from sklearn.utils.metaestimators import available_if

from ._classifier import BaseFineTunedClassifier
from ._fine_tuned import BaseFineTunedNetwork, network_fields
from ._network_epochs import Targets
from ._networks import goes_in_batches
from ._origins import FromDBM, FromDBN
from .core.backend import to_numpy
from .core.network import Identity, Network, squared_error, top_layer

# Share of the targets' mean deviation from which on rounding counts.
ROUNDING = 1e-4


def _without_bias(params, rows):
    """What the weights bring to the outputs of a network, (n_rows, n_outputs)."""
    return top_layer(params, rows) @ params.weights[-1]


def _centred(values, weights):
    """Targets that the dtype of the weights can hold, and what was taken off them.

    That is their means, if any is too far from 0 for that dtype; else it is None, and
    they stay as they are. Rows of weight zero count for nothing.
    """
    counted, limits = weights > 0, np.finfo(weights.dtype)
    values, offset = np.where(counted[:, None], values, 0.0), None
    if counted.any():
        shares = weights.astype(np.float64) / weights.max()
        with np.errstate(over="ignore"):  # of which the check below tells
            mean = np.average(values, axis=0, weights=shares)
            spread = np.average(np.abs(values - mean), axis=0, weights=shares)
        if (limits.eps * np.abs(mean) > ROUNDING * spread).any():
            offset = mean
            values[counted] -= offset
    most = np.abs(values).max()
    if most > limits.max:
        raise ValueError(
            f"y goes as far as {most:g}, which is too large for {weights.dtype}, the "
            "dtype that follows X: scale it, for example with "
            "sklearn.compose.TransformedTargetRegressor."
        )
    return values, offset


def _r2(network, params, X, values, weights):
    """Coefficient of determination of a network's outputs."""
    parts = map(to_numpy, (values, network_fields(params, X), weights))
    values, outputs, weights = parts
    return float(r2_score(values, outputs, sample_weight=weights))


class DBNClassifier(BaseFineTunedClassifier):
    """Classifier that starts from a deep belief network.

    The machines of a deep belief network are trained on the rows without their
    labels. Then they become the hidden layers of a feed-forward network, with an
    output layer above them, and all weights are fine-tuned by backpropagation to
    predict the labels [1]_. So rows without a label help: those that `unlabeled` marks
    take part in the pretraining, and with `adversarial_radius` in the fine-tuning too.

    Several classes have a softmax output; two classes, or several labels for each row,
    sigmoid outputs. The loss is the cross-entropy.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of shape (n_layers,), default=(256, 256)
        Numbers of hidden units, from below. Not used with a fitted `dbn`.
    rbm : BernoulliRBM or list of BernoulliRBM, default=None
        The machine that is cloned for each layer, or a list with one for each, as in
        :class:`DBN`. With ``BernoulliRBM(n_iter=0)``, fine-tuning starts from random
        weights.
    dbn : DBN or FrozenEstimator, default=None
        A fitted deep belief network to start from, in place of pretraining. It is left
        as it is. In a grid search, whose clones are not fitted, give
        ``sklearn.frozen.FrozenEstimator(dbn)``: then one pretraining serves them all.
        One that is not fitted is cloned, given the sizes of the layers and a seed, and
        fitted to the rows. Its parameters can be set as ``dbn__up_down_iter`` and so
        on, its `hidden_layer_sizes` are to be left out, or these, and it has an `rbm`
        of its own.
    solver : {"adam", "sgd", "lbfgs"}, default="adam"
        "adam" and "sgd", which has Nesterov momentum, go from minibatch to minibatch;
        "lbfgs" takes all rows at once, and suits small data.
    learning_rate_init : float, default=0.001
        Step size, in the first epoch if there is a schedule.
    learning_rate_schedule : {"constant", "linear", "cosine"}, default="constant"
        "linear" lets the learning rate fall in even steps from epoch to epoch, towards
        zero after `max_iter` epochs; "cosine" does as half a wave.
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
    adversarial_radius : float, default=0.0
        Radius of virtual adversarial training [3]_, for few labels. Each row, with a
        label or without, is moved by this distance in the direction in which the
        outputs change most, and training keeps them near what they are for the row
        itself. The distance is Euclidean, in the units of the visible units: try a few
        on rows held out, 0.5 to 1.5 for MNIST in [0, 1]. An epoch is then a pass over
        all rows, in which labelled ones come again as often as it takes. An update
        takes three to four times as long. At 0 no row is moved. Needs "adam" or "sgd".
        See :ref:`few_labels`.
    shuffle : bool, default=True
        Whether the rows are put in random order in each epoch.
    early_stopping : bool, default=False
        Whether to hold rows out of fine-tuning, to stop when the score on them no
        longer rises, and to keep the weights of the best epoch. Pretraining and
        adversarial training see these rows, without their labels.
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
    unlabeled : number, str or None, default=None
        What marks the rows of y that have no label: a number such as -1, or a string.
        ``np.nan`` marks those whose label is NaN, None or pandas' ``NA``, also among
        strings. Of several labels for each row, all are to be marked. None means that
        every row has a label.
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
        The labels, without the mark of rows that have none; of several labels for each
        row, the numbers of the columns of y.
    coefs_ : list of ndarray of shape (n_below, n_above)
        Weights between neighbouring layers, from below.
    intercepts_ : list of ndarray of shape (n_above,)
        Biases of the hidden layers and the outputs.
    components_ : ndarray of shape (n_hidden, n_features)
        The first of `coefs_`, transposed.
    dbn_ : DBN
        The deep belief network that fine-tuning began with.
    loss_curve_ : list of float
        Mean loss of each epoch, with the L2 penalty and the adversarial one.
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
    DBMClassifier : The same from a deep Boltzmann machine.
    DBNRegressor : The same for regression.
    sklearn.neural_network.MLPClassifier : A network that starts from random weights.

    References
    ----------
    .. [1] Hinton, G. E. and Salakhutdinov, R. R. (2006). Reducing the dimensionality of
       data with neural networks. Science 313, 504-507.
    .. [2] Srivastava, N., Hinton, G. E., Krizhevsky, A., Sutskever, I. and
       Salakhutdinov, R. (2014). Dropout: a simple way to prevent neural networks from
       overfitting. Journal of Machine Learning Research 15, 1929-1958.
    .. [3] Miyato, T., Maeda, S., Koyama, M. and Ishii, S. (2018). Virtual adversarial
       training: a regularization method for supervised and semi-supervised learning.
       IEEE Transactions on Pattern Analysis and Machine Intelligence 41, 1979-1993.

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
    ...     unlabeled=-1,
    ...     random_state=0,
    ... )
    >>> model = model.fit(X[:1400], y_some[:1400])
    >>> print(model.score(X[1400:], y[1400:]))
    0.8...
    """

    _origin = FromDBN()
    _parameter_constraints: dict = {
        **BaseFineTunedClassifier._parameter_constraints,
        **_origin.parameter_constraints,
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
        adversarial_radius=0.0,
        shuffle=True,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        class_weight=None,
        unlabeled=None,
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
        self.adversarial_radius = adversarial_radius
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state
        self.class_weight = class_weight
        self.unlabeled = unlabeled


class DBMClassifier(BaseFineTunedClassifier):
    """Classifier that starts from a deep Boltzmann machine.

    The machine is trained on the rows without their labels. Then it becomes a
    feed-forward network with an output layer on top, and all weights are fine-tuned by
    backpropagation to predict the labels [1]_. In the machine a hidden layer gets input
    from the layer above as well. So in the network, all hidden layers but the top one
    have a further input, the posterior :math:`q` of the layer above by mean field:

    .. math:: h_l = \\sigma(W_{l-1}^T h_{l-1} + W_l q(h_{l+1} \\mid v) + b_l) .

    The posterior is computed for each row, once in a fit, and then is data like the
    features. The weights from it start from those of the machine, and are fine-tuned
    apart from the weights upwards. Fine-tuning so starts with hidden layers that are
    those of :meth:`DBM.transform`.

    Rows without a label help: those that `unlabeled` marks take part in the
    pretraining, and with `adversarial_radius` in the fine-tuning too. Several classes
    have a softmax output; two classes, or several labels for each row, sigmoid outputs.
    The loss is the cross-entropy.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of shape (n_layers,), default=(256, 256)
        Numbers of hidden units, from below. Not used with a fitted `dbm`.
    dbm : DBM or FrozenEstimator, default=None
        The machine that is cloned, given the sizes of the layers and a seed, and fitted
        to the rows; None is ``DBM()``. The parameters of one that is given can be set
        as ``dbm__learning_rate`` and so on; its `hidden_layer_sizes` are to be left
        out, or these. One that is fitted already is not fitted again: fine-tuning
        starts from it, and leaves it as it is. In a grid search, whose clones are not
        fitted, give ``sklearn.frozen.FrozenEstimator(dbm)``: then one pretraining
        serves all.
    solver : {"adam", "sgd", "lbfgs"}, default="adam"
        "adam" and "sgd", which has Nesterov momentum, go from minibatch to minibatch;
        "lbfgs" takes all rows at once, and suits small data.
    learning_rate_init : float, default=0.001
        Step size, in the first epoch if there is a schedule.
    learning_rate_schedule : {"constant", "linear", "cosine"}, default="constant"
        "linear" lets the learning rate fall in even steps from epoch to epoch, towards
        zero after `max_iter` epochs; "cosine" does as half a wave.
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
        Share of the features, and of the posterior's columns beside them, that are left
        out of each update, in [0, 1).
    adversarial_radius : float, default=0.0
        Radius of virtual adversarial training [3]_, for few labels. Each row, with a
        label or without, is moved by this distance in the direction in which the
        outputs change most, and training keeps them near what they are for the row
        itself. The posterior of the second hidden layer, beside the features, is moved
        with these. The distance is Euclidean, in the units of the visible units: try a
        few on rows held out, 0.5 to 1.5 for MNIST in [0, 1]. An epoch is then a pass
        over all rows, in which labelled ones come again as often as it takes. An update
        takes three to four times as long. At 0 no row is moved. Needs "adam" or "sgd".
        See :ref:`few_labels`.
    shuffle : bool, default=True
        Whether the rows are put in random order in each epoch.
    early_stopping : bool, default=False
        Whether to hold rows out of fine-tuning, to stop when the score on them no
        longer rises, and to keep the weights of the best epoch. Pretraining and
        adversarial training see these rows, without their labels.
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
    unlabeled : number, str or None, default=None
        What marks the rows of y that have no label: a number such as -1, or a string.
        ``np.nan`` marks those whose label is NaN, None or pandas' ``NA``, also among
        strings. Of several labels for each row, all are to be marked. None means that
        every row has a label.
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
        The labels, without the mark of rows that have none; of several labels for each
        row, the numbers of the columns of y.
    coefs_ : list of ndarray of shape (n_below + n_beside, n_above)
        Weights of the hidden layers and the outputs, from below. First come those from
        the layer below, and then, for all hidden layers but the top one, those from the
        posterior of the layer above. With two hidden layers the shapes are (n_features
        + n_hidden_2, n_hidden_1), (n_hidden_1, n_hidden_2), (n_hidden_2, n_outputs).
    intercepts_ : list of ndarray of shape (n_above,)
        Biases of the hidden layers and the outputs.
    components_ : ndarray of shape (n_hidden, n_features)
        The part of the first of `coefs_` that belongs to the features, transposed.
    dbm_ : DBM
        The deep Boltzmann machine that fine-tuning began with, and that predictions
        take the posterior from: a copy of `dbm`, where that was fitted.
    loss_curve_ : list of float
        Mean loss of each epoch, with the L2 penalty and the adversarial one.
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
    DBM : The machine that this one starts from.
    DBNClassifier : The same from a deep belief network.
    sklearn.neural_network.MLPClassifier : A network that starts from random weights.

    References
    ----------
    .. [1] Salakhutdinov, R. and Hinton, G. (2009). Deep Boltzmann machines. Proceedings
       of AISTATS 5, 448-455.
    .. [2] Srivastava, N., Hinton, G. E., Krizhevsky, A., Sutskever, I. and
       Salakhutdinov, R. (2014). Dropout: a simple way to prevent neural networks from
       overfitting. Journal of Machine Learning Research 15, 1929-1958.
    .. [3] Miyato, T., Maeda, S., Koyama, M. and Ishii, S. (2018). Virtual adversarial
       training: a regularization method for supervised and semi-supervised learning.
       IEEE Transactions on Pattern Analysis and Machine Intelligence 41, 1979-1993.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skebm import DBM, DBMClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X / 16
    >>> y_some = y.copy()
    >>> y_some[700:1400] = -1  # rows without a label
    >>> model = DBMClassifier(
    ...     (100, 100),
    ...     dbm=DBM(n_iter=20),
    ...     learning_rate_init=0.01,
    ...     learning_rate_schedule="linear",
    ...     max_iter=30,
    ...     unlabeled=-1,
    ...     random_state=0,
    ... )
    >>> model = model.fit(X[:1400], y_some[:1400])
    >>> print(model.score(X[1400:], y[1400:]))
    0.9...
    """

    _origin = FromDBM()
    _parameter_constraints: dict = {
        **BaseFineTunedClassifier._parameter_constraints,
        **_origin.parameter_constraints,
    }

    def __init__(
        self,
        hidden_layer_sizes=(256, 256),
        *,
        dbm=None,
        solver="adam",
        learning_rate_init=1e-3,
        learning_rate_schedule="constant",
        momentum=0.9,
        alpha=1e-4,
        batch_size=100,
        max_iter=200,
        dropout=0.0,
        input_dropout=0.0,
        adversarial_radius=0.0,
        shuffle=True,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        class_weight=None,
        unlabeled=None,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.dbm = dbm
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.learning_rate_schedule = learning_rate_schedule
        self.momentum = momentum
        self.alpha = alpha
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.adversarial_radius = adversarial_radius
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state
        self.class_weight = class_weight
        self.unlabeled = unlabeled


class DBNRegressor(RegressorMixin, BaseFineTunedNetwork):
    """Regressor that starts from a deep belief network.

    The machines of a deep belief network are trained on the rows. Then they become the
    hidden layers of a feed-forward network with linear outputs above them, and all
    weights are fine-tuned by backpropagation [1]_. The loss is half the squared error.
    Targets should be scaled to a variance of about 1.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of shape (n_layers,), default=(256, 256)
        Numbers of hidden units, from below. Not used with a fitted `dbn`.
    rbm : BernoulliRBM or list of BernoulliRBM, default=None
        The machine that is cloned for each layer, or a list with one for each, as in
        :class:`DBN`. With ``BernoulliRBM(n_iter=0)``, fine-tuning starts from random
        weights.
    dbn : DBN or FrozenEstimator, default=None
        A fitted deep belief network to start from, in place of pretraining. It is left
        as it is. In a grid search, whose clones are not fitted, give
        ``sklearn.frozen.FrozenEstimator(dbn)``: then one pretraining serves them all.
        One that is not fitted is cloned, given the sizes of the layers and a seed, and
        fitted to the rows. Its parameters can be set as ``dbn__up_down_iter`` and so
        on, its `hidden_layer_sizes` are to be left out, or these, and it has an `rbm`
        of its own.
    solver : {"adam", "sgd", "lbfgs"}, default="adam"
        "adam" and "sgd", which has Nesterov momentum, go from minibatch to minibatch;
        "lbfgs" takes all rows at once, and suits small data.
    learning_rate_init : float, default=0.001
        Step size, in the first epoch if there is a schedule.
    learning_rate_schedule : {"constant", "linear", "cosine"}, default="constant"
        "linear" lets the learning rate fall in even steps from epoch to epoch, towards
        zero after `max_iter` epochs; "cosine" does as half a wave.
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
        Whether to hold rows out of fine-tuning, to stop when the score on them no
        longer rises, and to keep the weights of the best epoch. Pretraining sees these
        rows, without what is to be predicted.
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
        Biases of the hidden layers and the outputs. Where y is so far from 0 that
        single precision would lose it, those of the outputs are in double precision.
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

    _origin = FromDBN()
    _parameter_constraints: dict = {
        **BaseFineTunedNetwork._parameter_constraints,
        **_origin.parameter_constraints,
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
            Training data, as the lowest machine takes it: with values in [0, 1] where
            its visible units are binary.
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
        # In double precision: what y is, does not depend on the dtype of X.
        return (
            check_array(
                y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=self
            ),
            None,
        )

    def _targets(self, y, sample_weight, going_on, method, classes):
        values = np.reshape(y, (len(y), -1))
        if going_on and values.shape[1] != self.coefs_[-1].shape[1]:
            raise ValueError(
                f"y has {values.shape[1]} outputs, but this DBNRegressor was fitted to "
                f"{self.coefs_[-1].shape[1]}."
            )
        values, offset = _centred(values, sample_weight)
        return Targets(
            values=values,
            network=Network(Identity(), squared_error),
            row_weights=np.ones(len(values)),
            least_held_out=2,
            ask=" and that y is scaled",
            score=_r2,
            attributes={},
            offset=offset,
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
        a = self._of_rows(_without_bias, X, "predict")
        a = a + self.intercepts_[-1]  # in double precision, if that has it
        return a[:, 0] if a.shape[1] == 1 else a

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
