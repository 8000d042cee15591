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
    """Numbers of the rows that are watched, and of the units that are scored."""

    rows: object
    units: object


def watch(n_rows, n_units, stream):
    """A random choice of rows and of visible units."""
    n_watched = min(n_rows, MAX_ROWS, max(MIN_ROWS, n_rows // ROW_SHARE))
    rows = stream.permutation(n_rows)[:n_watched]
    return Watched(rows, stream.permutation(n_units)[: max(1, n_units // UNIT_SHARE)])


def measure(machine, X, watched):
    """Numbers for the history, each a mean over the watched rows, as floats.

    The pseudo-log-likelihood of the watched units is scaled up to all units.
    """
    units = watched.units
    rows = take_rows(X, watched.rows, machine.params.biases[0].dtype)
    mean = namespace(rows).mean
    scale = rows.shape[1] / units.shape[0]
    up = means(machine, [rows, None], ODD)
    down = means(machine, up, EVEN)
    log_likelihood = pseudo_log_likelihood(machine, rows, units)
    return {
        "pseudo_log_likelihood": scale * float(mean(log_likelihood)),
        "reconstruction_error": float(mean((rows - down[0]) ** 2)),
    }
