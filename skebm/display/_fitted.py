"""What the displays ask of fitted estimators: weights of layers, names, rows."""

import inspect

import numpy as np
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from ..core.backend import to_numpy
from ..core.categorical import Categorical
from ..core.mixed import SideBySide


def machine_of(estimator):
    """The estimator, or the fitted one in a BoltzmannImputer or in a search."""
    check_is_fitted(estimator)
    for name in ("best_estimator_", "estimator_"):
        estimator = getattr(estimator, name, estimator)
    return estimator


def layer_weights(estimator):
    """Weights of each layer from below, (n_lower, n_units), as NumPy's arrays."""
    if not hasattr(estimator, "components_"):
        raise ValueError(
            f"{type(estimator).__name__} has no weights in components_. Of a pipeline, "
            "give the step: pipeline[-1]."
        )
    if hasattr(estimator, "rbms_"):
        weights = [rbm.components_.T for rbm in estimator.rbms_]
    elif hasattr(estimator, "encoder_coefs_"):
        *weights, last = estimator.encoder_coefs_
        # Beside the means of the latent units are their standard deviations.
        weights.append(last[:, : last.shape[1] // 2])
        weights[0] = weights[0][: estimator.n_features_in_]
    elif hasattr(estimator, "coefs_"):
        weights = estimator.coefs_[: n_hidden_layers(estimator)]
        weights = [weights[0][: estimator.components_.shape[1]], *weights[1:]]
    elif isinstance(estimator.components_, list):
        weights = [W.T for W in estimator.components_]
    else:
        components = to_numpy(estimator.components_)
        weights = [components.reshape(len(components), -1).T]
    return [to_numpy(W) for W in weights]


def n_hidden_layers(network):
    """Layers of a network up to its top one, or to the code of an autoencoder."""
    n_layers = len(network.intercepts_)
    return n_layers // 2 if hasattr(network, "inverse_transform") else n_layers - 1


def in_input_space(weights, layer):
    """Weights of a layer, 1 for the first, times all those below: (n_inputs, n_units).

    What a network gets beside a layer below is left out.
    """
    if isinstance(layer, bool) or layer not in range(1, len(weights) + 1):
        raise ValueError(
            f"layer must be a number from 1 to {len(weights)}, as there are so many "
            f"hidden layers, got {layer!r}."
        )
    product = weights[0]
    for W in weights[1:layer]:
        product = product @ W[: product.shape[1]]
    return product


def visible_kind(estimator):
    """The kind of the visible units, or None for an estimator of another package."""
    for name in ("dbn_", "dbm_"):
        estimator = getattr(estimator, name, estimator)
    ask = getattr(estimator, "_visible_kind", None)
    return None if ask is None else ask()


def reader_of(estimator):
    """What reads the tables of an estimator, or None."""
    for name in ("dbn_", "dbm_"):
        if getattr(estimator, "_reader", None) is None:
            estimator = getattr(estimator, name, estimator)
    return getattr(estimator, "_reader", None)


def column_names(estimator, feature_names=None):
    """Names of the features, (n_features,): given ones, those of the fit, or x0 ..."""
    if feature_names is not None:
        feature_names = np.asarray(feature_names, dtype=object)
    return np.asarray(_check_feature_names_in(estimator, feature_names), dtype=object)


def unit_names(estimator, feature_names=None):
    """Names of what the visible units stand for: features, or categories of these."""
    names, reader = column_names(estimator, feature_names), reader_of(estimator)
    if hasattr(estimator, "ratings_"):
        pairs = ((name, value) for name in names for value in estimator.ratings_)
        return np.array([f"{name} = {value:g}" for name, value in pairs], dtype=object)
    categories = [None] * len(names) if reader is None else reader.categories()
    return np.array(named(visible_kind(estimator), names, categories), dtype=object)


def named(kind, names, categories):
    """The same for the columns of a kind of units, as a list."""
    if isinstance(kind, SideBySide):
        found = []
        for part, columns in zip(kind.kinds, kind.columns, strict=True):
            columns = columns[columns < len(names)]  # beyond are units of classes
            own = [categories[index] for index in columns]
            if own:
                found += named(part, names[columns], own)
        return found
    if isinstance(kind, Categorical):
        owners, numbers = kind.groups.owners.tolist(), kind.groups.values.tolist()
        return [
            f"{names[owner]} = {number if values is None else values[number]}"
            for owner, number in zip(owners, numbers, strict=True)
            for values in [categories[owner]]
        ]
    return [str(name) for name in names]


def to_columns(kind, weights):
    """Weights of visible units, (n_inputs, n_units), as those of the columns.

    They differ where the states of correlated columns are whitened.
    """
    if isinstance(kind, SideBySide):
        parts, first = [], 0
        for part, columns in zip(kind.kinds, kind.columns, strict=True):
            last = first + part.n_units(len(columns))
            parts.append(to_columns(part, weights[first:last]))
            first = last
        return np.concatenate(parts)
    mixing = getattr(kind, "mixing", None)
    return weights if mixing is None else to_numpy(mixing) @ weights


def takes(method, name):
    """Whether a method has a parameter of this name."""
    return name in inspect.signature(method).parameters


def as_array(X):
    """Rows of a user as a dense NumPy array, of objects where they hold text."""
    if hasattr(X, "toarray"):
        X = X.toarray()
    if hasattr(X, "to_numpy"):
        X = X.to_numpy()
    elif hasattr(X, "shape") and not isinstance(X, np.ndarray):
        X = to_numpy(X)
    X = np.asarray(X)
    if X.dtype.kind in "biuf":
        return X.astype(np.float64)
    try:
        return X.astype(np.float64)
    except (TypeError, ValueError):
        return X.astype(object)
