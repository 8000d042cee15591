"""How training goes, measured on a small fixed part of the data once an epoch."""

from typing import NamedTuple

from .backend import namespace
from .machine import pseudo_log_likelihood, visible_mean
from .rows import take_rows
from .sampling import USUAL, mean_field

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


def measure(machine, X, watched, chains, inference=USUAL):
    """Numbers for the history, as floats: means over the watched rows, mostly.

    The pseudo-log-likelihood of the watched units is scaled up to all units. It is for
    visible units of two values under a single hidden layer; with more of them, the
    steps of mean field are counted. A hidden unit is dead if it hardly varies. The
    error of the chains is the root mean square difference between the means of the
    visible units in chains and rows. Of sums of units, what each copy has is measured.
    """
    rows = take_rows(X, watched.rows, machine.params.biases[0].dtype)
    xp = namespace(rows)
    up = mean_field(machine, rows, inference)
    visible, *kinds = machine.units
    seen, down, dreamt = (
        visible.single(x)
        for x in (
            rows,
            visible_mean(machine, up.layers),
            visible_mean(machine, chains),
        )
    )
    off = xp.mean(dreamt, axis=0) - xp.mean(seen, axis=0)
    pairs = zip(kinds, up.layers[1:], strict=True)
    hidden = xp.concat([kind.single(x) for kind, x in pairs], axis=1)
    dead = xp.astype(xp.std(hidden, axis=0) < DEAD_SPREAD, rows.dtype)
    measured = {}
    if len(machine.units) > 2:
        measured["mean_field_steps"] = float(up.n_steps)
    elif hasattr(visible, "alternatives"):
        log_likelihood = pseudo_log_likelihood(machine, rows, watched.units)
        scale = rows.shape[1] / watched.units.shape[0]
        measured["pseudo_log_likelihood"] = scale * float(xp.mean(log_likelihood))
    return {
        **measured,
        "reconstruction_error": float(xp.mean((seen - down) ** 2)),
        "mean_activation": float(xp.mean(hidden)),
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
