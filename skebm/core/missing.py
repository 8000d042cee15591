"""Rows with missing entries, as NaN, in training.

The entries are drawn along with the hidden units: given the observed entries of their
row, by a Markov chain of its own. Its state, the completed row, goes from epoch to
epoch, so that the chains keep up with the parameters as those of the model do.
"""

from .backend import namespace
from .machine import EVEN, ODD, independent_layers, to_means
from .rows import by_blocks, take_rows
from .sampling import clamp, gibbs, start_at_visible

# Gibbs steps that lead from independent units to the first completed rows.
FIRST_STEPS = 10

# Mean-field steps in the place of missing entries: each takes an up and a down product.
MEAN_FIELD_STEPS = 30


def start_at_observed(machine, held, data_mean, stream):
    """Even layers, what is not held of the rows drawn from independent units."""
    n_rows = held.values.shape[0]
    visible = independent_layers(machine.units[:1], [data_mean], n_rows, stream)
    return start_at_visible(machine, clamp(visible, held)[0], stream)


def first_completed(machine, X, data_mean, stream):
    """All rows of X, dense, with their missing entries drawn from short chains."""
    kind = machine.units[0]

    def complete(rows):
        held = kind.held(rows)
        layers = start_at_observed(machine, held, data_mean, stream)
        return kind.decode(gibbs(machine, layers, FIRST_STEPS, stream, held)[0])

    return by_blocks(complete, X, data_mean.dtype)


def redrawn(machine, batches, completed, n_steps, stream):
    """The batches with the missing entries of their rows drawn anew.

    Parameters
    ----------
    machine : Machine
        Its parameters may change between one batch and the next.
    batches, completed : iterators over (rows, weights)
        The same batches, as rows with NaN, and as states that were last completed.
    n_steps : int
        Gibbs steps that a row's chain takes.
    """
    for (rows, weights), (last, _) in zip(batches, completed, strict=True):
        held = machine.units[0].held(rows)
        yield gibbs(machine, [last, None], n_steps, stream, held)[0], weights


def in_first_order(batches, order):
    """The rows of the batches in one array, where `order` was their order.

    Uses up the list of batches, to hold no more copies than needed.
    """
    xp = namespace(batches[0])
    rows = xp.concat(batches)
    batches.clear()
    return rows if order is None else take_rows(rows, xp.argsort(order), rows.dtype)


def expected(machine, rows, data_mean):
    """States of the rows with missing entries at their mean-field expectation.

    Missing and hidden units are updated in turn, from the data's means on, a fixed
    number of times: so the result for a row does not depend on the other rows.
    """
    clamped = machine.units[0].held(rows)
    xp, shape = namespace(rows), clamped.values.shape
    mean = xp.astype(data_mean, rows.dtype)
    layers = clamp([xp.broadcast_to(mean, shape), None], clamped)
    for _ in range(MEAN_FIELD_STEPS):
        layers = clamp(to_means(machine, to_means(machine, layers, ODD), EVEN), clamped)
    return layers[0]
