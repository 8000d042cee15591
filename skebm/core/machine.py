"""The layered Boltzmann machine: layers of units, weights between neighbours only.

    E(x_0, ..., x_L) = - sum_l b_l . x_l - sum_l x_l W_l x_{l+1} - sum_l log_base_l(x_l)

Two layers make a restricted Boltzmann machine, more make a deep one. Given all layers
of one parity, the layers of the other parity are independent of each other; every
function here rests on that. A state is a list of layers, each (n_rows, n_units); a
layer that a function does not look at may be None.
"""

import math
from itertools import pairwise
from typing import NamedTuple

from .backend import c_ordered_copy, like, namespace, softplus, times_transposed
from .units import log_partition_change, require

EVEN, ODD = 0, 1


class Params(NamedTuple):
    """Weights (n_l, n_{l+1}) between neighbours, and biases (n_l,) of all layers.

    Gradients and optimiser states have the same shape.
    """

    weights: tuple
    biases: tuple


class Machine(NamedTuple):
    """Kinds of units, one per layer, and the parameters that join them."""

    units: tuple
    params: Params


def n_units(params):
    """Number of units in each layer."""
    return [b.shape[0] for b in params.biases]


def copy_params(params):
    """A copy that training may change in place."""
    return Params(*(tuple(c_ordered_copy(x) for x in group) for group in params))


def inputs(params, layers, index):
    """What comes over the weights to a layer, without its bias, (n_rows, n_units)."""
    below = above = None
    if index > 0:
        below = layers[index - 1] @ params.weights[index - 1]
    if index < len(params.weights):
        above = times_transposed(layers[index + 1], params.weights[index])
    if below is None or above is None:
        return above if below is None else below
    below += above
    return below


def field(params, layers, index):
    """Total input of a layer: bias and what comes over the weights."""
    a = inputs(params, layers, index)
    a += params.biases[index]
    return a


def to_means(machine, layers, parity):
    """The layers of one parity as their means given the rest.

    Where a layer has a total, as documents have a length, it keeps it.
    """
    updated = list(layers)
    for index in range(parity, len(layers), 2):
        a = field(machine.params, layers, index)
        updated[index] = machine.units[index].alike(layers[index]).mean(a)
    return updated


def sample_from_means(machine, layers, parity, stream):
    """The layers of one parity, which hold means, replaced by a sample each."""
    drawn = list(layers)
    for index in range(parity, len(layers), 2):
        drawn[index] = machine.units[index].sample(layers[index], stream)
    return drawn


def odd_only(layers):
    """The layers without the even ones."""
    return [x if index % 2 == ODD else None for index, x in enumerate(layers)]


def resample(machine, layers, parity, stream):
    """The layers of one parity replaced by a sample given the others."""
    return sample_from_means(machine, to_means(machine, layers, parity), parity, stream)


def independent_layers(units, means, n_rows, stream):
    """Rows drawn from layers of independent units with these means, each (n_units,)."""
    layers = []
    for kind, mean in zip(units, means, strict=True):
        shape = (n_rows, mean.shape[0])
        layers.append(kind.sample(namespace(mean).broadcast_to(mean, shape), stream))
    return layers


def energy(machine, layers):
    """E(x_0, ..., x_L), (n_rows,)."""
    params, xp = machine.params, namespace(layers[0])
    total = xp.zeros_like(layers[0][:, 0])
    for kind, b, x in zip(machine.units, params.biases, layers, strict=True):
        total -= x @ b + kind.log_base(x)
    for W, x, y in zip(params.weights, layers[:-1], layers[1:], strict=True):
        total -= xp.sum((x @ W) * y, axis=-1)
    return total


def free_energy(machine, layers, summed=ODD):
    """-log of the sum of exp(-E) over all layers of the parity `summed`, (n_rows,)."""
    params, total = machine.params, 0.0
    for index, (kind, b) in enumerate(zip(machine.units, params.biases, strict=True)):
        if index % 2 == summed:
            total = total - kind.log_partition(field(params, layers, index))
        else:
            total = total - (layers[index] @ b + kind.log_base(layers[index]))
    return total


def variational_free_energy(machine, layers):
    """E_q[E] - H(q), (n_rows,): an upper bound of the free energy of the visible units.

    q is a product over the hidden units. Those of even layers have the means in
    `layers`; those of odd layers, which are not looked at, are taken at their best
    given these. With one hidden layer nothing is left to approximate: it is the free
    energy.
    """
    total = free_energy(machine, layers)
    for index in range(EVEN + 2, len(layers), 2):
        kind, mean = machine.units[index], layers[index]
        total = total + kind.log_base(mean) - kind.entropy(mean)
    return total


def visible_mean(machine, layers):
    """Mean of the visible units given the first hidden layer, (n_rows, n_visible)."""
    kind = machine.units[0].alike(layers[0])
    return kind.mean(field(machine.params, layers, 0))


def gradient(up, row_weights, offsets, down=None):
    """Centred gradient of the log-likelihood, from weighted rows that sum to zero.

    Data rows weigh +w_i, chain rows -w_i, so one product serves both phases:

        dW_l = sum_r w_r (x_l - o_l) (x_{l+1} - o_{l+1})^T
        db_l = sum_r w_r x_l - dW_l o_{l+1} - dW_{l-1}^T o_{l-1}

    It is the gradient that a machine with the offsets subtracted from its states has,
    expressed in the parameters of the plain machine [Montavon & Mueller 2012; Melchior,
    Fischer & Wiskott 2016]. Offsets of zero give the plain gradient. The second line is
    computed without going through dW, which is larger than the states.

    `up` are the layers as they stand above another, and `down`, where they differ, as
    they stand below one: x_l of dW_l is one of `down`, and x_{l+1} one of `up`, such as
    its mean given that x_l.
    """
    down = up if down is None else down
    last = len(up) - 1
    lowers = [x - o for x, o in zip(down[:last], offsets[:last], strict=True)]
    uppers = [x - o for x, o in zip(up[1:], offsets[1:], strict=True)]
    weights = tuple(
        x.T @ (row_weights[:, None] * y) for x, y in zip(lowers, uppers, strict=True)
    )
    along_above = [y @ o for y, o in zip(uppers, offsets[1:], strict=True)]
    along_below = [x @ o for x, o in zip(lowers, offsets[:last], strict=True)]
    biases = [(row_weights * (1.0 - along_above[0])) @ lowers[0]]
    for x, y in zip(uppers, along_below, strict=True):
        biases.append((row_weights * (1.0 - y)) @ x)
    for index in range(1, last):
        biases[index] = (
            biases[index] - (row_weights * along_above[index]) @ lowers[index]
        )
    return Params(weights, tuple(biases))


def initial_params(units, means, stream):
    """Random weights, and biases that give the layers these means in spite of them.

    Were the units of a layer independent, the inputs that they send up would have a
    standard deviation of 1, or less where they hardly vary, or where a wide layer
    above would then send down inputs of more than its `most_input`. The biases are
    those of a centred machine at its start: a unit whose neighbours all are at their
    means gets the total input that belongs to its own mean.
    """
    weights = []
    for (kind, mean), (kind_above, above) in pairwise(zip(units, means, strict=True)):
        xp = namespace(mean)
        up = float(xp.sum(kind.variance(mean)))
        down = float(xp.sum(kind_above.variance(above)))
        spread = math.sqrt(max(1.0, up, down / kind.most_input**2))
        draws = stream.normal((mean.shape[0], above.shape[0]))
        weights.append(xp.astype(draws / spread, mean.dtype))
    biases = tuple(kind.natural(mean) for kind, mean in zip(units, means, strict=True))
    params = Params(tuple(weights), biases)
    rows = [mean[None, :] for mean in means]
    balanced = (
        b - inputs(params, rows, index)[0, ...] for index, b in enumerate(biases)
    )
    return Params(params.weights, tuple(balanced))


def pseudo_log_likelihood(machine, visible, which=None):
    """sum_i log p(x_i | the other visible units), (n_rows,), for units of two values.

    With `which`, an array of indices, only over these units. Both values of a unit are
    compared with the hidden units summed out, so the work is that of a hidden layer per
    row and unit.
    """
    (kind, hidden), params = machine.units, machine.params
    require(kind, "alternatives", "The pseudo-log-likelihood")
    W, b, x = params.weights[0], params.biases[0], visible
    a = field(params, [visible, None], ODD)
    if which is not None:
        xp = namespace(visible)
        W, b, x = (
            xp.take(W, which, axis=0),
            xp.take(b, which),
            xp.take(x, which, axis=1),
        )
    # Binary units have the same odds, with weights from the low to the high value.
    low, high = kind.alternatives
    step, ends = high - low, like([[low], [high]], x)
    at_low, at_high = kind.log_base(ends)
    x, W, b = (x - low) / step, step * W, step * b + (at_high - at_low)
    t = b + log_partition_change(hidden, a, x, W)
    xp = namespace(x)
    return xp.sum(x * t, axis=-1) - xp.sum(softplus(t), axis=-1)
