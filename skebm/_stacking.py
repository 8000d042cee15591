"""Layer-by-layer training, for all that is made of restricted Boltzmann machines."""

import math
import os
import tempfile
import time
from contextlib import contextmanager
from itertools import pairwise
from numbers import Integral

import numpy as np
from sklearn import clone
from sklearn.utils._param_validation import Interval

from ._checkpoint import Checkpoint
from ._machine_epochs import in_words
from ._restricted import BaseRBM
from ._validation import draw_seed
from .core.backend import zeros
from .core.rows import (
    Encoded,
    Mapped,
    Spread,
    Subset,
    by_blocks,
    float_dtype,
    take_rows,
)
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
    given = prototypes(rbm, len(sizes))
    for prototype, size in zip(given, sizes, strict=True):
        check_prototype(prototype, size)
    draws = np.random.RandomState(seed)
    return [
        clone(rbm).set_params(n_components=size, random_state=draw_seed(draws))
        for rbm, size in zip(given, sizes, strict=True)
    ]


def lowest(rbm):
    """The machine in `rbm` that is for the visible layer.

    What is no machine :func:`new_machines` refuses.
    """
    first = rbm[0] if isinstance(rbm, list) and rbm else rbm
    return first if isinstance(first, BaseRBM) else BernoulliRBM()


def prototypes(rbm, n_layers):
    """The machines in `rbm`, one for each layer; a single one stands for all."""
    if isinstance(rbm, list):
        if len(rbm) != n_layers:
            raise ValueError(
                f"rbm has {len(rbm)} machines, but hidden_layer_sizes has "
                f"{n_layers} layers. Give one machine for each layer, or a "
                "single one that is cloned for all."
            )
        return rbm
    return [BernoulliRBM() if rbm is None else rbm] * n_layers


def check_kinds(rbms):
    """Raise an error unless a layer is of the same kind in both of its machines."""
    for index, (below, above) in enumerate(pairwise(rbms), start=1):
        hidden, visible = (
            rbm._new_kinds(2, None)[layer] for rbm, layer in ((below, 1), (above, 0))
        )
        if visible.knows_rows:
            raise ValueError(
                f"Only the lowest machine of a stack may have {type(visible).__name__} "
                f"visible units, but machine {index + 1} has them: set, for example, "
                f"rbm=[{type(above).__name__}(), BernoulliRBM()]."
            )
        if type(hidden) is not type(visible):
            raise ValueError(
                f"Layer {index} is the hidden one of a machine with "
                f"{type(hidden).__name__} units, and the visible one of the next with "
                f"{type(visible).__name__} units: give machines that agree."
            )


def check_units(estimator, rbm, units, reader):
    """Raise an error where a machine that is given has other kinds of units than ours.

    Those of a plain one are replaced by ours.
    """
    given, own = (
        [type(kind).__name__ for kind in kinds]
        for kinds in (rbm._new_kinds(2, reader), units)
    )
    is_plain = type(rbm) is BernoulliRBM and given[0] == given[1]
    if not is_plain and given != own:
        raise ValueError(
            f"The visible units of {type(estimator).__name__} are {own[0]} and the "
            f"hidden ones {own[1]} here, but those of {rbm} are {given[0]} and "
            f"{given[1]}: give a BernoulliRBM. Only the lowest machine may have other "
            "visible units, as in rbm=[GaussianRBM(), BernoulliRBM()]."
        )


def check_prototype(rbm, size):
    """Raise an error unless `rbm` can be cloned for a layer of so many hidden units."""
    if not isinstance(rbm, BaseRBM):
        raise ValueError(
            f"The machines in rbm must be restricted Boltzmann machines, such as "
            f"BernoulliRBM, but one is {rbm!r}."
        )
    if rbm.n_components not in (size, type(rbm)().n_components):
        raise ValueError(
            f"rbm has n_components={rbm.n_components}, but its layer has {size} units "
            "by hidden_layer_sizes. Set the sizes in hidden_layer_sizes alone."
        )
    refuse_checkpoints(rbm, "rbm")


def refuse_checkpoints(part, name):
    """Raise an error where a part of a fit would write checkpoints of its own."""
    for callback in getattr(part, "_skl_callbacks", ()):
        if isinstance(callback, Checkpoint):
            raise TypeError(
                f"A Checkpoint is set on what is given as {name}. Set it on the "
                "estimator that is fitted: it saves the whole fit, with all layers."
            )


@contextmanager
def told_of_layer(index, n_layers):
    """Where the training of a layer diverges, say of which."""
    try:
        yield
    except FloatingPointError as error:
        raise FloatingPointError(
            f"In the training of layer {index + 1} of {n_layers}, with the parameters "
            f"of rbm: {error}"
        ) from error


def fit_layers(fit, rbms, rows, sample_weight):
    """Train machines as parts of a fit, each on what those below make of the rows."""

    def train(rbm, below):
        begin = time.perf_counter()
        with told_of_layer(len(below), len(rbms)):
            rbm._fit_part(features(below, rows), sample_weight, fit)
        n_hidden, n_visible = rbm.components_.shape
        words = in_words(rbm.history_) if rbm.n_iter_ else "not trained"
        return (
            f"Layer {len(below) + 1} of {len(rbms)}, {n_visible} x {n_hidden}, "
            f"{words}, time = {time.perf_counter() - begin:.2f}s"
        )

    return fit.train_parts(rbms, train, "layer")


def features(rbms, rows):
    """Hidden probabilities on top of fitted machines."""
    if not rbms:
        return rows
    dtype = float_dtype(rows)
    machines = [rbm._machine(dtype) for rbm in rbms]
    return computed(lambda v: pass_up(machines, v), rows, dtype)


def computed(function, rows, dtype):
    """`function` of all rows, a block at a time; on disk for rows that lie there.

    For rows that are spread, it is computed of those that are taken, where they lie.
    """
    if isinstance(rows, Spread):
        n_columns = function(take_rows(rows.sample, slice(0, 1), dtype)).shape[1]
        return rows.seen(Mapped(rows.sample, function, n_columns))
    return by_blocks(function, rows, dtype, on_disk if is_on_disk(rows) else zeros)


def on_disk(shape, x):
    """Zeros like `x` in a file that is gone once it is no longer mapped."""
    n_bytes = math.prod(shape) * np.dtype(x.dtype).itemsize
    try:
        with tempfile.TemporaryFile() as file:
            reserve(file, n_bytes)
            return np.memmap(file, x.dtype, "r+", shape=shape)
    except OSError as error:
        raise OSError(
            error.errno,
            f"The features of a layer take {n_bytes:,} bytes on disk, where X is, but "
            f"there is no room for them in {tempfile.gettempdir()!r}: {error}. Set the "
            "environment variable TMPDIR to a folder with room",
        ) from error


def reserve(file, n_bytes):
    """Make a file so long, and see that there is room: else to write ends the process.

    A file that is merely extended takes no room until its pages are written to.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, n_bytes)
        return
    zeros_at_once = bytes(2**20)
    while (left := n_bytes - file.tell()) > 0:
        file.write(zeros_at_once[:left])
    file.flush()


def is_on_disk(X):
    """Whether X is a memory map, or a view of one, or some rows of it."""
    while isinstance(X, Subset | Encoded):
        X = X.X
    while isinstance(X, np.ndarray):
        if isinstance(X, np.memmap):
            return True
        X = X.base
    return False
