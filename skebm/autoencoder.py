"""Deep autoencoders."""

from functools import partial

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ._network_epochs import Targets
from ._networks import BaseNetwork, goes_in_batches
from ._origins import FromLinearDBN
from ._resuming import Call
from ._validation import check_hidden, check_sum, mean_score
from .core import autoencoder as core
from .core.backend import to_numpy
from .core.network import cross_entropy, layers_below, outputs, squared_error
from .core.rows import Encoded, by_blocks, float_dtype

LOSSES = {"cross-entropy": cross_entropy, "squared": squared_error}


def _mean_score(network, params, X, targets, weights):
    """Minus the weighted mean loss of rows that are their own targets."""
    losses = by_blocks(partial(core.losses, network, params), X, params.biases[0].dtype)
    return -float(np.average(to_numpy(losses), weights=to_numpy(weights)))


class DeepAutoencoder(BaseNetwork):
    """Deep autoencoder: a few numbers for each row, from which it can be made again.

    A deep belief network is trained layer by layer, with linear units in the top
    layer. It is then unrolled: a network goes up its layers to the code, and down the
    same layers again to the features. All weights are fine-tuned by backpropagation to
    give back the rows [1]_. With one hidden layer of linear units and a squared error
    that is principal component analysis; further layers bend the plane of the code.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of shape (n_layers,), \
            default=(1000, 500, 250, 30)
        Numbers of hidden units, from below. The last one is the size of the code. Not
        used with a fitted `dbn`.
    rbm : BernoulliRBM or list of BernoulliRBM, default=None
        The machine that is cloned for each layer, or a list with one for each, as in
        :class:`DBN`. A single one, as ``BernoulliRBM()`` for None, is cloned for the
        top layer with ``hidden_units="gaussian"`` and a tenth of its learning rate;
        those of a list stay as they are. The visible units of the lowest machine are
        binary or, with :class:`GaussianRBM`, real-valued. With
        ``BernoulliRBM(n_iter=0)``, fine-tuning starts from random weights.
    dbn : DBN or FrozenEstimator, default=None
        A deep belief network to start from. One that is fitted takes the place of
        pretraining, and is left as it is; in a grid search, whose clones are not
        fitted, give ``sklearn.frozen.FrozenEstimator(dbn)``. One that is not is cloned,
        given the sizes of the layers and a seed, and fitted to the rows. Its machines
        stay as they are: for a linear code, the top one needs
        ``hidden_units="gaussian"``; with binary units the code lies in [0, 1].
    loss : {"cross-entropy", "squared"}, default="cross-entropy"
        What is summed over the features of a row: the cross-entropy in nats, for
        values in [0, 1]; or half the squared error. With :class:`GaussianRBM` that is
        in units of the scale of each feature that the machine has learned, and scores
        of fits with other scales are not comparable; with ``learn_scale=False`` it is
        that of standardised features.
    tied_weights : bool, default=False
        Whether the weights down stay those up, transposed, in fine-tuning.
    solver : {"adam", "sgd", "lbfgs"}, default="adam"
        "adam" and "sgd", which has Nesterov momentum, go from minibatch to minibatch;
        "lbfgs" takes all rows at once, and suits small data.
    learning_rate_init : float, default=0.001
        Step size, in the first epoch if there is a schedule.
    learning_rate_schedule : {"constant", "linear", "cosine"}, default="cosine"
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
        Share of the hidden units that are left out of each update, in [0, 1). The code
        is always whole.
    input_dropout : float, default=0.0
        Share of the features that are left out of each update, in [0, 1), while the
        whole row is to be given back: a denoising autoencoder [2]_.
    shuffle : bool, default=True
        Whether the rows are put in random order in each epoch.
    early_stopping : bool, default=False
        Whether to hold rows out of fine-tuning, to stop when the score on them no
        longer rises, and to keep the weights of the best epoch. Pretraining sees these
        rows.
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
        Weights between neighbouring layers of the network, in its order: up to the code
        and down again. With `tied_weights`, those up to the code alone.
    intercepts_ : list of ndarray of shape (n_above,)
        Biases of all layers but the input, in the same order.
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
    sklearn.decomposition.PCA : Linear codes.

    References
    ----------
    .. [1] Hinton, G. E. and Salakhutdinov, R. R. (2006). Reducing the dimensionality of
       data with neural networks. Science 313, 504-507.
    .. [2] Vincent, P., Larochelle, H., Bengio, Y. and Manzagol, P.-A. (2008).
       Extracting and composing robust features with denoising autoencoders. Proceedings
       of the 25th International Conference on Machine Learning, 1096-1103.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skebm import DeepAutoencoder
    >>> X = load_digits().data / 16
    >>> model = DeepAutoencoder((100, 10), max_iter=20, random_state=0).fit(X)
    >>> model.transform(X).shape
    (1797, 10)
    >>> error = ((model.reconstruct(X) - X) ** 2).sum(axis=1).mean()
    >>> bool(error < 0.5 * ((X - X.mean(axis=0)) ** 2).sum(axis=1).mean())
    True
    """

    _origin = FromLinearDBN()
    _score_name = "minus the loss of a row"
    _parameter_constraints: dict = {
        **BaseNetwork._parameter_constraints,
        **_origin.parameter_constraints,
        "loss": [StrOptions(set(LOSSES))],
        "tied_weights": ["boolean"],
    }

    def __init__(
        self,
        hidden_layer_sizes=(1000, 500, 250, 30),
        *,
        rbm=None,
        dbn=None,
        loss="cross-entropy",
        tied_weights=False,
        solver="adam",
        learning_rate_init=1e-3,
        learning_rate_schedule="cosine",
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
        self.loss = loss
        self.tied_weights = tied_weights
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

    # What is pretrained checks its own parameters when it is fitted.
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None):
        """Pretrain on the rows, and fine-tune to give them back.

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
            parameters contradict each other.
        FloatingPointError
            If parameters become infinite or NaN: a learning rate is too high.

        Warns
        -----
        ConvergenceWarning
            If training has not converged after `max_iter` epochs, unless the learning
            rate falls to zero by then.
        """
        going_on = self.warm_start and self.__sklearn_is_fitted__()
        self._check_solver()
        return self._train(X, y, sample_weight, Call("fit", going_on))

    @available_if(goes_in_batches)
    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Pass over X once in minibatches, going on from where training stands.

        The first call pretrains a deep belief network on its rows, unless `dbn` is one
        that is fitted. All calls fine-tune, at the rate `learning_rate_init`.

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
            If X holds NaN or infinity, or if `early_stopping` is set.
        FloatingPointError
            If parameters become infinite or NaN. They stay as they were before.
        """
        return self._partial_fit(X, y, sample_weight)

    def transform(self, X):
        """Compute the code of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        H : ndarray of shape (n_samples, n_code)
            Any real numbers, or from 0 to 1 where the top machine has binary units.
        """
        return self._of_rows(
            partial(core.encoded, self._fitted_network()), X, "transform"
        )

    def inverse_transform(self, X):
        """Compute rows from their codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_code)
            Codes, as from :meth:`transform`.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)
            Means of the features, in the units that the rows of the fit had.
        """
        network, kind = self._fitted_network(), self._model()._visible_kind()
        H = check_hidden(self, X)
        params = self._params(float_dtype(H))
        return by_blocks(
            lambda h: kind.decode(core.decoded(network, params, h)), H, float_dtype(H)
        )

    def reconstruct(self, X):
        """The rows as they come out of the network: made again from their codes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)
            Means of the features, in the units that the rows of the fit had.
        """
        network, kind = self._fitted_network(), self._model()._visible_kind()

        def through(params, rows):
            return kind.decode(core.reconstructed(network, params, rows))

        return self._of_rows(through, X, "reconstruct")

    def score_samples(self, X):
        """Give minus the loss of each row: how well its code stands for it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        score : ndarray of shape (n_samples,)
            Minus the cross-entropy in nats or half the squared error, as `loss` says,
            summed over the features and without the penalty. Larger is better.
        """
        network = self._fitted_network()
        core.check_loss(network.loss, self._model()._visible_kind())
        return -self._of_rows(partial(core.losses, network), X, "score_samples")

    def score(self, X, y=None, sample_weight=None):
        """Give minus the mean loss of the rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.
        y : Ignored
            Not used, present for consistency.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. A row of weight 2 counts as the row twice.

        Returns
        -------
        score : float
            Weighted mean of :meth:`score_samples`.

        Raises
        ------
        ValueError
            If a weight is negative or not finite, or if all are zero.
        """
        return mean_score(self.score_samples(X), sample_weight)

    def _check_model(self, model, reader, going_on):
        """Raise an error where the parameters cannot make a network."""
        if going_on and self.loss != self._loss:
            raise ValueError(
                f"This {type(self).__name__} was fitted with loss={self._loss!r}. To "
                "go on, set the parameter back; to change it, fit anew."
            )
        if going_on and self.tied_weights != self._is_tied():
            raise ValueError(
                f"This {type(self).__name__} was fitted with tied_weights="
                f"{self._is_tied()}. To go on, set the parameter back; to change it, "
                "fit anew."
            )
        if self.tied_weights and not going_on and self._origin.is_untied(self):
            raise ValueError(
                "tied_weights=True needs weights that are the same up and down, but "
                "those of dbn are not after up_down_iter passes of wake-sleep. Set "
                "tied_weights=False, or give a dbn with up_down_iter=0."
            )
        if model is None:
            kind = self._origin.visible_kind(self, reader)
        else:
            kind = model._visible_kind()
        core.check_loss(LOSSES[self.loss], kind)

    def _data(self, X, y, weights, call):
        """The rows, which are their own targets, and their weights."""
        check_sum(weights)
        targets = Targets(score=_mean_score, attributes={"_loss": self.loss})
        return (X, weights), targets, (), None

    def _network(self, model, targets):
        return self._network_of(model, self.tied_weights)

    def _network_of(self, model, tied):
        """The network that a deep belief network becomes."""
        stack = self._origin.stack(model, float_dtype(model.components_))
        return core.unrolled_network(stack, LOSSES[self.loss], tied)

    def _fitted_network(self):
        check_is_fitted(self)
        return self._network_of(self._model(), self._is_tied())

    def _start(self, model, data, network):
        """The params of the deep belief network, upwards and downwards."""
        stack = self._origin.stack(model, data[-1].dtype)
        return core.unrolled_params(stack, network.tied)

    def _encoded(self, model, X, dtype):
        return Encoded(X, model._visible_kind())

    def _as_data(self, X, weights):
        """The rows as what goes in and as what should come out."""
        return X, X, weights

    def _hidden_layers(self, params, rows):
        lower, params = core.encoder(self._fitted_network(), params)
        _, *layers = layers_below(params, rows, lower.hidden)
        return [*layers, outputs(lower, params, rows)]

    def _dropout(self, network):
        return core.spared_code(self.input_dropout, self.dropout, len(network.hidden))

    def _is_tied(self):
        """Whether the fitted weights are."""
        return len(self.coefs_) < len(self.intercepts_)

    def _fitted_hidden_sizes(self):
        return [b.shape[0] for b in self.intercepts_[: len(self.intercepts_) // 2]]

    @property
    def _n_features_out(self):
        return self._fitted_hidden_sizes()[-1]
