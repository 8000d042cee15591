"""A fit under way: what it is, and what it carries from epoch to epoch."""

import math
from typing import NamedTuple

import joblib
from scipy import sparse

from .core import training
from .core.backend import to_numpy
from .core.early_stopping import EarlyStopping, Progress
from .core.rows import Encoded, Subset


class Job(NamedTuple):
    """A fit: what stays the same from epoch to epoch.

    `given` are the X and y that callbacks see, `data` the rows and weights to fit to,
    `first` is the number of epochs before this fit. With `pretrained`, what there was
    before its first epoch is worth keeping.
    """

    given: tuple
    data: tuple
    settings: training.Settings
    stopping: EarlyStopping | None
    rates: list
    first: int
    pretrained: bool = False


class Run(NamedTuple):
    """A fit under way: all that goes from epoch to epoch."""

    state: training.State
    history: dict
    progress: Progress


class Unfinished(NamedTuple):
    """What a fit needs to go on, besides the data, of which it knows a fingerprint.

    `n_done` is the number of epochs of this fit that are done.
    """

    run: Run
    rates: list
    first: int
    fingerprint: str
    n_done: int


def fingerprint(data):
    """Digest of rows and weights."""
    X, sample_weight = data
    while isinstance(X, Subset | Encoded):
        X = X.X
    X = X if sparse.issparse(X) else to_numpy(X)
    return joblib.hash((X, to_numpy(sample_weight)), coerce_mmap=True)


def longer(history, measured, epoch):
    """The history with one number more for each quantity, NaN where none was taken."""
    empty = [math.nan] * (epoch - 1)
    return {
        name: [*history.get(name, empty), measured.get(name, math.nan)]
        for name in {**history, **measured}
    }
