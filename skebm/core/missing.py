"""Rows with missing entries, as NaN, in training.

The entries are drawn along with the hidden units: given the observed entries of their
row, by a Markov chain of its own. Its state, the completed row, goes from epoch to
epoch, so that the chains keep up with the parameters as those of the model do.
"""

from .backend import namespace
from .machine import EVEN, ODD, to_means
from .rows import Encoded, by_blocks, take_rows
from .sampling import clamp, gibbs, independent_layers, start_at_visible

# Gibbs steps that lead from independent units to the first completed rows.
FIRST_STEPS = 10

# Mean-field steps in the place of missing entries: each takes an up and a down product.
MEAN_FIELD_STEPS = 30


def observed_in(rows):
    """Mask of the entries that are not missing, and the rows: what chains hold."""
    return ~namespace(rows).isnan(rows), rows


def start_at_observed(machine, rows, data_mean, stream):
    """Even layers, the missing entries of the rows drawn from independent units."""
    means = [data_mean]
    visible = independent_layers(machine.units[:1], means, rows.shape[0], stream)
    return start_at_visible(machine, clamp(visible, observed_in(rows))[0], stream)


def first_completed(machine, X, data_mean, stream):
    """All rows of X, dense, with their missing entries drawn from short chains."""
    kind = machine.units[0]

    def complete(states):
        layers = start_at_observed(machine, states, data_mean, stream)
        states = gibbs(machine, layers, FIRST_STEPS, stream, observed_in(states))[0]
        return kind.decode(states)

    return by_blocks(complete, Encoded(X, kind), data_mean.dtype)


def redrawn(machine, batches, completed, n_steps, stream):
    """The batches with the missing entries of their rows drawn anew.

    Parameters
    ----------
    machine : Machine
        Its parameters may change between one batch and the next.
    batches, completed : iterators over (rows, weights)
        The same batches, with NaN, and as they were last completed.
    n_steps : int
        Gibbs steps that a row's chain takes.
    """
    for (rows, weights), (last, _) in zip(batches, completed, strict=True):
        layers = [last, None]
        yield gibbs(machine, layers, n_steps, stream, observed_in(rows))[0], weights


def in_first_order(batches, order):
    """The rows of the batches in one array, where `order` was their order.

    Uses up the list of batches, to hold no more copies than needed.
    """
    xp = namespace(batches[0])
    rows = xp.concat(batches)
    batches.clear()
    return rows if order is None else take_rows(rows, xp.argsort(order), rows.dtype)


def expected(machine, rows, data_mean):
    """The rows with missing entries at their mean-field expectation.

    Missing and hidden units are updated in turn, from the data's means on, a fixed
    number of times: so the result for a row does not depend on the other rows.
    """
    clamped = observed_in(rows)
    xp = namespace(rows)
    mean = xp.astype(data_mean, rows.dtype)
    layers = clamp([xp.broadcast_to(mean, rows.shape), None], clamped)
    for _ in range(MEAN_FIELD_STEPS):
        layers = clamp(to_means(machine, to_means(machine, layers, ODD), EVEN), clamped)
    return layers[0]
