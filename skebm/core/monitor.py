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
MIN_ROWS, MAX_ROWS = 16, 1000


class Watched(NamedTuple):
    """Rows, (n_rows, n_visible), and numbers of the visible units that are scored."""

    rows: object
    units: object


def watch(X, array, stream):
    """A random choice of rows of X and visible units; `array` tells the dtype."""
    n_rows, n_units = X.shape
    n_watched = min(n_rows, MAX_ROWS, max(MIN_ROWS, n_rows // ROW_SHARE))
    rows = take_rows(X, stream.permutation(n_rows)[:n_watched], array.dtype)
    return Watched(rows, stream.permutation(n_units)[: max(1, n_units // UNIT_SHARE)])


def measure(machine, watched):
    """Numbers for the history, each a mean over the watched rows, as floats.

    The pseudo-log-likelihood of the watched units is scaled up to all units.
    """
    rows, units = watched
    mean = namespace(rows).mean
    scale = rows.shape[1] / units.shape[0]
    up = means(machine, [rows, None], ODD)
    down = means(machine, up, EVEN)
    log_likelihood = pseudo_log_likelihood(machine, rows, units)
    return {
        "pseudo_log_likelihood": scale * float(mean(log_likelihood)),
        "reconstruction_error": float(mean((rows - down[0]) ** 2)),
    }
