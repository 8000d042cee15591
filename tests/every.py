"""All estimators that skebm exports, small and quick, found by introspection."""

import inspect

from sklearn.base import BaseEstimator

import skebm

# Values of parameters, for all that have one of the name.
SMALL = {
    "n_components": 3,
    "hidden_layer_sizes": (4, 3),
    "n_iter": 2,
    "max_iter": 2,
    "random_state": 0,
}

KINDS = [
    kind
    for kind in map(vars(skebm).get, skebm.__all__)
    if inspect.isclass(kind) and issubclass(kind, BaseEstimator)
]


def small(kind):
    """An estimator of a kind with few units and epochs, also of the machines within."""
    names = kind().get_params(deep=False)
    params = {name: value for name, value in SMALL.items() if name in names}
    for part in {"rbm", "estimator"} & set(names):
        params[part] = skebm.BernoulliRBM(n_iter=1)
    return kind(**params)
