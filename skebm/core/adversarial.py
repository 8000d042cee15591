"""Virtual adversarial training: outputs that hardly change where rows hardly change.

What a network makes of a row is the target for what it makes of the row a little
further, in the direction in which its outputs change most. The distance is the
network's own loss, less that of the outputs with themselves: for classes the
Kullback-Leibler divergence. So no labels are needed [Miyato, Maeda, Koyama & Ishii
2018].
"""

from .backend import namespace, zeros
from .network import (
    by_input,
    descent,
    layers_below,
    mirrored,
    output_field,
    slopes,
    top_layer,
)

# How far from a row the gradient is taken that tells the direction: far enough for
# single precision, near enough for outputs that change along straight lines. Where a
# row's outputs are nearer to 0 or 1 than these are rounded, it does not move.
PROBE = 1e-2

# Added to the norm of a gradient, which is zero where the outputs do not change.
TINY = 1e-12


def directions(g, n_columns):
    """Rows of length 1, or of zeros, with zeros beside them up to so many columns."""
    xp = namespace(g)
    # First of size 1, so that squares of small numbers are not lost.
    g = g / (xp.max(xp.abs(g), axis=1, keepdims=True) + TINY)
    g = g / (xp.linalg.vector_norm(g, axis=1, keepdims=True) + TINY)
    n_rows, n_used = g.shape
    return xp.concat([g, zeros((n_rows, n_columns - n_used), g)], axis=1)


def most_sensitive(network, params, rows, targets, stream):
    """The direction for each row in which the outputs change most, (n_rows, n).

    One step of the power method for the second derivative of the distance, from a
    random direction. `params` are all layers', and `targets` the outputs of the rows.
    Of the columns, those move that are input of the first hidden layer.
    """
    n_rows, n_columns = rows.shape
    probes = stream.normal((n_rows, params.weights[0].shape[0]))
    moved = rows + PROBE * directions(probes, n_columns)
    layers = layers_below(params, moved, network.hidden)
    a = output_field(params, layers[-1])
    _, slope = network.loss(network.output, a, targets)
    *_, slope = slopes(params, layers, slope, network.hidden)
    return directions(by_input(params, slope), n_columns)


def descent_of_change(network, params, rows, row_weights, radius, stream):
    """The weighted sum of the rows' distances, and minus its gradient.

    Rows are moved by `radius`. Their own outputs and the directions count as constants.
    No unit is left out.
    """
    full = mirrored(params) if network.tied else params
    a = output_field(full, top_layer(full, rows, network.hidden))
    targets = network.output.mean(a)
    least, _ = network.loss(network.output, a, targets)
    moves = most_sensitive(network, full, rows, targets, stream)
    loss, step = descent(network, params, rows + radius * moves, targets, row_weights)
    return loss - namespace(rows).sum(row_weights * least), step
