"""Layer-by-layer training, for all that is made of restricted Boltzmann machines."""

import tempfile
from numbers import Integral

import numpy as np
from sklearn import clone
from sklearn.utils._param_validation import Interval

from ._validation import draw_seed
from .core.backend import zeros
from .core.rows import Encoded, Subset, by_blocks, float_dtype
from .core.stack import pass_up
from .rbm import BernoulliRBM

HIDDEN_LAYER_SIZES = ["array-like", Interval(Integral, 1, None, closed="left")]


def layer_sizes(hidden_layer_sizes):
    """Numbers of hidden units, from below, as a list."""
    sizes = np.atleast_1d(hidden_layer_sizes)
    if sizes.ndim != 1 or sizes.size == 0 or sizes.dtype.kind not in "iu":
        raise ValueError(
            "hidden_layer_sizes must be an integer or a sequence of integers, got "
            f"{hidden_layer_sizes!r}."
        )
    if (sizes < 1).any():
        raise ValueError(
            f"hidden_layer_sizes must be at least 1, got {hidden_layer_sizes}."
        )
    return [int(n) for n in sizes]


def new_machines(rbm, sizes, seed):
    """An unfitted machine for each layer: clones of `rbm`, or of those in the list."""
    if isinstance(rbm, list):
        if len(rbm) != len(sizes):
            raise ValueError(
                f"rbm has {len(rbm)} machines, but hidden_layer_sizes has "
                f"{len(sizes)} layers. Give one machine for each layer, or a "
                "single one that is cloned for all."
            )
        prototypes = rbm
    else:
        prototypes = [BernoulliRBM() if rbm is None else rbm] * len(sizes)
    draws = np.random.RandomState(seed)
    return [
        clone(rbm).set_params(n_components=size, random_state=draw_seed(draws))
        for rbm, size in zip(prototypes, sizes, strict=True)
    ]


def fit_layers(estimator, rbms, rows, sample_weight, given, context):
    """Fit the machines to the rows, each to what those below it make of them.

    `given` are the X and y that the callbacks see.
    """
    X, y = given
    for index, rbm in enumerate(rbms):
        below = features(rbms[:index], rows)
        task = context.subcontext(task_name="layer")
        with task.propagate_callback_context(rbm):
            task.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
            try:
                rbm.fit(below, sample_weight=sample_weight)
            except FloatingPointError as error:
                raise FloatingPointError(
                    f"In the pretraining of layer {index + 1} of {len(rbms)}, with the "
                    f"parameters of rbm: {error}"
                ) from error
        task.call_on_fit_task_end(estimator=estimator, X=X, y=y)
        del below  # before the next layer's are computed
        if estimator.verbose:
            report(type(estimator).__name__, rbm, index, len(rbms))


def report(name, rbm, index, n_layers):
    """Print what was last measured of a layer's machine."""
    n_hidden, n_visible = rbm.components_.shape
    last = {name: values[-1] for name, values in rbm.history_.items() if values}
    measured = ", ".join(f"{k} = {v:.4g}" for k, v in last.items())
    print(
        f"[{name}] Layer {index + 1} of {n_layers}, {n_visible} x {n_hidden}: "
        f"{measured}"
    )


def features(rbms, rows):
    """Hidden probabilities on top of fitted machines."""
    if not rbms:
        return rows
    dtype = float_dtype(rows)
    machines = [rbm._machine(dtype) for rbm in rbms]
    return computed(lambda v: pass_up(machines, v), rows, dtype)


def computed(function, rows, dtype):
    """`function` of all rows, a block at a time; on disk for rows that lie there."""
    return by_blocks(function, rows, dtype, on_disk if is_on_disk(rows) else zeros)


def on_disk(shape, x):
    """Zeros like `x` in a file that is gone once it is no longer mapped."""
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, x.dtype, "w+", shape=shape)


def is_on_disk(X):
    """Whether X is a memory map, or a view of one, or some rows of it."""
    while isinstance(X, Subset | Encoded):
        X = X.X
    while isinstance(X, np.ndarray):
        if isinstance(X, np.memmap):
            return True
        X = X.base
    return False
