"""What networks are fine-tuned from: deep belief networks, deep Boltzmann machines.

Of an estimator, an origin takes the model that is `given`, or makes a `new` one. Of the
fitted model it makes the `hidden` layers of a network, and a function of rows that
gives what the network gets `beside` them, if anything.
"""

import copy

import numpy as np
from scipy import sparse
from sklearn import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import _check_feature_names, check_is_fitted

from ._posterior import Posterior
from ._stack_epochs import stack_of
from ._stacking import layer_sizes, lowest
from .core.backend import whereabouts
from .core.machine import Params, copy_params
from .core.network import unrolled
from .core.sampling import FINE
from .core.units import require
from .dbm import DBM
from .dbn import DBN
from .rbm import BernoulliRBM

GIVEN = [HasMethods(["fit", "transform"]), None]

# The layers above the first hidden one.
BESIDE = slice(2, None)

# Learning rate of machines with linear hidden units, as a share of that of binary ones:
# their gradient has no bound. On MNIST they diverged at the full rate, but not at 0.3.
LINEAR_RATE = 0.1


class FromDBN:
    """From `dbn`, where that is fitted, or else from one like it, or of such `rbm`."""

    name = "dbn"
    parameter_constraints = {"rbm": DBN._parameter_constraints["rbm"], "dbn": GIVEN}

    def given(self, estimator):
        """The fitted deep belief network that was given, if any."""
        return unwrapped(estimator.dbn) if self.is_given(estimator) else None

    def is_given(self, estimator):
        """Whether there is one that is fitted."""
        if None not in (estimator.dbn, estimator.rbm):
            raise ValueError(
                "Both dbn and rbm are given, but rbm is for the network that is made "
                "where dbn is None. Set one of them to None: an unfitted dbn has an "
                "rbm of its own."
            )
        return is_fitted(estimator.dbn, "dbn", DBN)

    def new(self, estimator, seed):
        """An unfitted one."""
        return unfitted(estimator, "dbn", DBN(rbm=estimator.rbm), seed)

    def hidden(self, dbn, dtype):
        """The weights upwards, and hidden biases."""
        machines = [rbm._machine(dtype) for rbm in dbn.rbms_]
        for machine in machines:
            require_logistic(machine.units[1])
        weights = tuple(machine.params.weights[0] for machine in machines)
        return Params(weights, tuple(machine.params.biases[1] for machine in machines))

    def beside(self, dbn, dtype):
        """Nothing."""
        return None


class FromLinearDBN(FromDBN):
    """The same, for networks with a linear top layer that go down again, too."""

    def given(self, estimator):
        """The fitted deep belief network that was given, if any.

        It is a copy: rows are encoded by what its machines are, and the one that was
        given may be trained further, or fitted to others.
        """
        dbn = super().given(estimator)
        if dbn is not None:
            dbn = copy.copy(dbn)
            dbn.rbms_ = [copy.copy(rbm) for rbm in dbn.rbms_]
        return dbn

    def new(self, estimator, seed):
        """An unfitted one, the top machine of which has linear units."""
        n_layers = len(layer_sizes(estimator.hidden_layer_sizes))
        usual = DBN(rbm=with_linear_top(estimator.rbm, n_layers))
        return unfitted(estimator, "dbn", usual, seed)

    def visible_kind(self, estimator, reader):
        """The kind of visible units that a new one will have."""
        return lowest(self.new(estimator, 0).rbm)._new_kinds(2, reader)[0]

    def is_untied(self, estimator):
        """Whether the weights downwards are, or will be, others than those upwards."""
        dbn = self.given(estimator)
        if dbn is None:
            return self.new(estimator, 0).up_down_iter > 0
        return dbn.generative_components_ is not None

    def stack(self, dbn, dtype):
        """Machines upwards and downwards."""
        return stack_of(dbn.rbms_, dbn.generative_components_, dtype)


class FromDBM:
    """From `dbm`, where that is fitted, or else from one like it."""

    name = "dbm"
    parameter_constraints = {"dbm": GIVEN}

    def given(self, estimator):
        """The fitted deep Boltzmann machine that was given, if any.

        It is a copy: predictions depend on it, and the one that was given may be
        trained further, or edited.
        """
        if not self.is_given(estimator):
            return None
        dbm = copy.copy(unwrapped(estimator.dbm))
        vars(dbm).update(dbm._from_params(copy_params(dbm._read_params())))
        return dbm

    def is_given(self, estimator):
        """Whether there is one that is fitted."""
        return is_fitted(estimator.dbm, "dbm", DBM)

    def new(self, estimator, seed):
        """An unfitted one."""
        return unfitted(estimator, "dbm", DBM(), seed)

    def hidden(self, dbm, dtype):
        """The layers of a mean-field update."""
        machine = dbm._machine(dtype)
        for kind in machine.units[1:]:
            require_logistic(kind)
        return unrolled(machine.params)

    def beside(self, dbm, dtype):
        """The posterior of the layers above the first hidden one, if there are any."""
        machine = dbm._machine(dtype)
        if len(machine.units) <= BESIDE.start:
            return None
        return Posterior(machine, BESIDE, FINE)


def with_linear_top(rbm, n_layers):
    """A machine for each layer, the top one with linear units; a list as it is.

    One whose rows are not binary is for the lowest layer alone.
    """
    if isinstance(rbm, list):
        return rbm
    rbm = BernoulliRBM() if rbm is None else rbm
    if not hasattr(rbm, "hidden_units"):
        return rbm  # of which another check tells
    above = rbm if type(rbm) is BernoulliRBM else BernoulliRBM()
    machines = [rbm, *[above] * (n_layers - 1)]
    machines[-1] = clone(machines[-1]).set_params(
        hidden_units="gaussian",
        learning_rate=LINEAR_RATE * machines[-1].learning_rate,
        sparsity_target=None,
    )
    return machines


def require_logistic(kind):
    """Raise an error unless a network computes means of this kind by the sigmoid."""
    require(kind, "activation", "Fine-tuning")
    if kind.activation != "logistic":
        raise ValueError(
            "Fine-tuning needs units with logistic functions for means, but "
            f"{type(kind).__name__} units have none."
        )


def unwrapped(model):
    """The model within a `FrozenEstimator`, or as it is."""
    return model.estimator if isinstance(model, FrozenEstimator) else model


def is_fitted(given, name, kind):
    """Whether a model is given and fitted; one that is frozen has to be."""
    if given is None:
        return False
    model = unwrapped(given)
    if not isinstance(model, kind):
        raise TypeError(
            f"{name} must be a {kind.__name__}, got {type(model).__name__}."
        )
    if model is not given:
        check_is_fitted(
            model,
            msg=f"{name} is frozen, but not fitted: call its fit before "
            "sklearn.frozen.FrozenEstimator.",
        )
    return model.__sklearn_is_fitted__()


def unfitted(estimator, name, usual, seed):
    """A model to be trained, like the one that is given under this name, or `usual`."""
    given, sizes = getattr(estimator, name), estimator.hidden_layer_sizes
    model = usual.set_params(verbose=estimator.verbose)
    if given is not None:
        model = clone(given)
    own = layer_sizes(model.hidden_layer_sizes)
    # As a fitted model has sizes of its own, they would get lost in its clones.
    if own not in map(layer_sizes, (sizes, usual.hidden_layer_sizes)):
        raise ValueError(
            f"{name} is not fitted, and has hidden_layer_sizes="
            f"{model.hidden_layer_sizes}, but {type(estimator).__name__} would give it "
            f"{sizes}. Set hidden_layer_sizes of the {type(estimator).__name__} alone. "
            "To keep a model fitted in a grid search or a clone, pass "
            f"sklearn.frozen.FrozenEstimator({name})."
        )
    return model.set_params(hidden_layer_sizes=sizes, random_state=seed)


def check_like(model, name, X_given, X):
    """Raise an error unless a fitted model is for rows like these."""
    fitted = getattr(model, model._reference_attribute)
    of_model = whereabouts(fitted)
    of_rows = whereabouts(np.empty(0) if sparse.issparse(X) else X)
    if of_model != of_rows:
        raise ValueError(
            f"{name} was fitted to arrays of {of_model}, but X is of {of_rows}: fit it "
            "to arrays of the same kind, on the same device."
        )
    _check_feature_names(model, X_given, reset=False)
    if model.n_features_in_ != X.shape[1]:
        raise ValueError(
            f"X has {X.shape[1]} features, but {name} was fitted to "
            f"{model.n_features_in_}."
        )
