"""Features from any hidden layer, for all that has several."""

from itertools import accumulate, pairwise
from numbers import Integral

from sklearn.utils._set_output import ADAPTERS_MANAGER, _get_output_config
from sklearn.utils.validation import check_is_fitted


class LayeredTransformerMixin:
    """`transform` for an estimator of several hidden layers.

    scikit-learn would put the output of a method in a data frame with the names of the
    top layer, so this one, which has others to give, does it by itself.
    """

    def transform(self, X, layer=None):
        """Compute the probabilities of hidden units, given the rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, as visible units.
        layer : int or "all", default=None
            Which hidden layer, where 1 is the first; None is the top one. "all" puts
            all of them side by side, from below.

        Returns
        -------
        H : ndarray of shape (n_samples, n_units)
            Probabilities that hidden units are 1: those of a :class:`DBM` by mean
            field, those of a :class:`DBN` layer by layer from below. Where
            `set_output` asks for a data frame, one whose columns are named after the
            layer, unless `layer` is None.

        Raises
        ------
        ValueError
            If there is no such layer.

        Warns
        -----
        ConvergenceWarning
            If the mean field of a :class:`DBM` does not converge for some rows.
        """
        check_is_fitted(self)
        sizes = self._fitted_hidden_sizes()
        if isinstance(layer, str) and layer == "all":
            chosen = slice(0, len(sizes))
        elif layer is None:
            chosen = slice(len(sizes) - 1, len(sizes))
        elif isinstance(layer, Integral) and 1 <= layer <= len(sizes):
            chosen = slice(layer - 1, layer)
        else:
            raise ValueError(
                f'layer must be None, "all" or a number from 1 to {len(sizes)}, got '
                f"{layer!r}."
            )
        H = self._hidden_probabilities(X, chosen)
        container = _get_output_config("transform", self)["dense"]
        if container == "default":
            return H
        names = self.get_feature_names_out()
        if layer is not None:
            prefix = type(self).__name__.lower()
            names = [
                f"{prefix}_layer{index + 1}_{unit}"
                for index in range(chosen.start, chosen.stop)
                for unit in range(sizes[index])
            ]
        adapter = ADAPTERS_MANAGER.adapters[container]
        return adapter.create_container(H, X, columns=names)

    def _all_layers(self, X):
        """Each of them, from below, (n_samples, n_units)."""
        n_layers = len(self._fitted_hidden_sizes())
        return [self.transform(X, layer=layer + 1) for layer in range(n_layers)]

    def _fitted_hidden_sizes(self):
        """Numbers of units of the hidden layers, from below."""
        raise NotImplementedError

    def _hidden_probabilities(self, X, chosen):
        """Those of a slice of the hidden layers, side by side."""
        raise NotImplementedError


def side_by_side(H, sizes):
    """The layers of which columns side by side are made."""
    return [H[:, start:stop] for start, stop in pairwise(accumulate(sizes, initial=0))]
