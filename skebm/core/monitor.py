"""How training goes, measured on a small fixed part of the data once an epoch."""

from typing import NamedTuple

from .backend import namespace, take_rows
from .machine import (
    EVEN,
    ODD,
    means,
    pseudo_log_likelihood,
)

# What is measured, so that it costs a few hundredths of an epoch: one row in 100, and
# the pseudo-likelihood of one visible unit in 20.
ROW_SHARE, UNIT_SHARE = 100, 20
MIN_ROWS, MAX_ROWS = 100, 1000

# A hidden unit is dead if its probability varies by less, as a standard deviation.
DEAD_SPREAD = 0.01


class Watched(NamedTuple):
    """Numbers of the rows that are watched, and of the units that are scored."""

    rows: object
    units: object


def watch(n_rows, n_units, stream):
    """A random choice of rows and of visible units."""
    n_watched = min(n_rows, MAX_ROWS, max(MIN_ROWS, n_rows // ROW_SHARE))
    rows = stream.permutation(n_rows)[:n_watched]
    return Watched(rows, stream.permutation(n_units)[: max(1, n_units // UNIT_SHARE)])


def measure(machine, X, watched, chains):
    """Numbers for the history, as floats: means over the watched rows, mostly.

    The pseudo-log-likelihood of the watched units is scaled up to all units. A hidden
    unit is dead if it hardly varies. The error of the chains is the root mean square
    difference between the means of the visible units in chains and rows.
    """
    units = watched.units
    rows = take_rows(X, watched.rows, machine.params.biases[0].dtype)
    xp = namespace(rows)
    scale = rows.shape[1] / units.shape[0]
    up = means(machine, [rows, None], ODD)
    down = means(machine, up, EVEN)
    dreamt = means(machine, chains, EVEN)
    off = xp.mean(dreamt[0], axis=0) - xp.mean(rows, axis=0)
    log_likelihood = pseudo_log_likelihood(machine, rows, units)
    dead = xp.astype(xp.std(up[1], axis=0) < DEAD_SPREAD, rows.dtype)
    return {
        "pseudo_log_likelihood": scale * float(xp.mean(log_likelihood)),
        "reconstruction_error": float(xp.mean((rows - down[0]) ** 2)),
        "mean_activation": float(xp.mean(up[1])),
        "dead_units": float(xp.sum(dead)),
        "chain_error": float(xp.mean(off**2)) ** 0.5,
    }


def mean_gradient_norm(before, after, rate):
    """Euclidean norm of the mean gradient that led from params to params.

    `rate` is the sum of the learning rates of all steps in between.
    """
    squares = 0.0
    for group, group_before in zip(after, before, strict=True):
        for x, y in zip(group, group_before, strict=True):
            squares += float(namespace(x).sum((x - y) ** 2))
    return squares**0.5 / rate
