"""The machine of an estimator: what an estimator says of it, and what follows.

The fitted attributes are the only copy of a model. What is declared here leads from
them to the core's machine and back. Of an estimator's private names, other modules use
these and those that :class:`skebm._fitting.Trainable` declares.
"""

from .core.backend import namespace
from .core.machine import Machine, Params
from .core.partition import ONE_LOG_Z
from .core.rows import float_dtype
from .core.sampling import USUAL


class MachineMixin:
    """What every estimator that is a Boltzmann machine says; and the core's machine."""

    # Whether entries of the rows of a fit may be missing.
    _takes_missing = True

    # Whether those of queries may be, where a query can do without them.
    _fills_missing = True

    # Kinds of units in the place of the estimator's own, where it is a part of a fit:
    # those of tied copies, in the pretraining of a deep machine.
    _kinds_given = None

    # What the border of the visible units knows of the rows of the fit.
    _border = None

    def _units(self, n_layers, reader=None):
        """Kinds of units, one for each of so many layers, from the visible one up.

        `reader` is what makes numbers of the rows, if anything does.
        """
        raise NotImplementedError

    def _hidden_sizes(self):
        """Numbers of hidden units from below, as the parameters ask for them."""
        raise NotImplementedError

    def _read_params(self):
        """Params from the fitted attributes, without copies."""
        raise NotImplementedError

    def _from_params(self, params):
        """Fitted attributes for these params."""
        raise NotImplementedError

    def _read_chains(self):
        """Odd layers of the chains from the fitted attributes, the others None."""
        raise NotImplementedError

    def _from_chains(self, layers):
        """Fitted attributes for these chains."""
        raise NotImplementedError

    def _inference(self):
        """How training finds hidden layers; of no account where there is only one."""
        return USUAL

    def _log_z_of(self, held_out):
        """What finds log Z for rows held out, (rows, weights), in early stopping."""
        return ONE_LOG_Z

    def _pretrains(self):
        """Whether the layers are trained by themselves before a fit as a whole."""
        return False

    def _pretrain(self, fit, X, sample_weight, units):
        """Train the layers, of these kinds, by themselves as parts of a fit."""
        raise NotImplementedError

    def _composed(self, parts):
        """Params of the machine that is made of these parts."""
        raise NotImplementedError

    # What follows

    def _kinds(self, n_layers):
        """The kinds of units that count, one for each of so many layers."""
        visible, *others = self._new_kinds(n_layers, self._reader)
        if self._border is not None:
            visible = visible.restored(self._border)
        return (visible, *others)

    def _new_kinds(self, n_layers, reader):
        """The same for a fit that begins, before they are fitted to its rows."""
        return self._kinds_given or self._units(n_layers, reader)

    def _visible_kind(self):
        """The kind of the visible units, whose border rows have to cross."""
        return self._kinds(2)[0]

    def _machine(self, dtype=None):
        """The core's machine, as the fitted attributes are now, computing in `dtype`.

        None is the dtype of the attributes.
        """
        params = self._read_params()
        array = params.biases[0]
        xp, dtype = namespace(array), dtype or float_dtype(array)
        cast = (
            tuple(xp.astype(x, dtype, copy=False) for x in group) for group in params
        )
        return Machine(self._kinds(len(params.biases)), Params(*cast))

    def _data_mean(self, dtype=None):
        """Mean of the visible units over the rows of all fits, (n_units,)."""
        mean = self._training["means"][0]
        return namespace(mean).astype(mean, dtype or mean.dtype, copy=False)
