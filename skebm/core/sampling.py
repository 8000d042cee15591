"""Markov chains over the states of a machine, and mean field in their place."""

import math
from typing import NamedTuple

from .backend import device_of, log_mean_exp, namespace, times_transposed
from .machine import (
    EVEN,
    ODD,
    Machine,
    Params,
    field,
    free_energy,
    resample,
    sample_from_means,
    to_means,
    variational_free_energy,
)
from .streams import SharedDraws


def alternate(machine, layers, n_steps, stream):
    """Block Gibbs from valid odd layers to valid even ones, `n_steps` times even."""
    layers = resample(machine, layers, EVEN, stream)
    for _ in range(n_steps - 1):
        layers = resample(machine, layers, ODD, stream)
        layers = resample(machine, layers, EVEN, stream)
    return layers


def gibbs(machine, layers, n_steps, stream, clamped=None):
    """Block Gibbs from even layers: odd given even, then even given odd, repeated.

    What is `clamped` of the visible units does not move, and the rest is drawn given
    it.
    """
    for _ in range(n_steps):
        layers = resample(machine, layers, ODD, stream)
        layers = clamp(resample(machine, layers, EVEN, stream), clamped)
    return layers


def clamp(layers, clamped):
    """The layers with what is clamped of the visible units back in its place.

    `clamped` is what the visible kind's `held` gives, or None.
    """
    if clamped is None:
        return layers
    return [clamped(layers[0]), *layers[1:]]


class Inference(NamedTuple):
    """How far mean field goes: so many steps, or until no mean changes by more.

    If it `may_look` at values, it ends when all rows have come to rest; else it makes
    all steps, and no device has to be waited for.
    """

    max_steps: int = 30
    tol: float = 1e-3
    may_look: bool = True


# What training does where nothing else is asked for, and what queries do.
USUAL, FINE = Inference(), Inference(max_steps=1000, tol=1e-5)


class FixedPoint(NamedTuple):
    """Where mean field got to: the layers, the steps it took, the last change."""

    layers: list
    n_steps: int
    change: float


def mean_field(machine, visible, inference):
    """Factorised approximation of p(hidden layers | visible), (n_rows, n_l) each.

    Starts bottom-up, each layer from the one below with doubled weights to stand in for
    the one above (Salakhutdinov & Hinton 2009), then updates the hidden layers of
    either parity in turn, until none changes by more than the tolerance. Each update is
    the best for its layers given the others, so the bound only rises. With one hidden
    layer the first pass is exact.
    """
    over = visible @ machine.params.weights[0]
    layers = bottom_up(machine, visible, over)
    if len(layers) == 2:
        return FixedPoint(layers, 0, 0.0)
    found = fixed_point(given_visible(machine, over), layers[1:], inference)
    return found._replace(layers=[visible, *found.layers])


def given_visible(machine, over):
    """The machine of the hidden layers alone, given the visible one.

    `over`, what comes over the weights from there, goes into the biases of the first
    hidden layer, which then differ from row to row.
    """
    _, first, *others = machine.params.biases
    params = Params(machine.params.weights[1:], (over + first, *others))
    return Machine(machine.units[1:], params)


def fixed_point(machine, layers, inference):
    """All layers at means that follow from each other.

    A row stays as it is once it has come to rest, so that it does not depend on the
    rows beside it. The first biases of the machine are one row for each of `layers`.
    """
    if not inference.may_look:
        return fixed_point_unseen(machine, layers, inference)
    xp = namespace(layers[0])
    numbers = xp.arange(layers[0].shape[0], device=device_of(layers[0]))
    finished, n_steps, change = [], 0, math.inf
    while n_steps < inference.max_steps:
        before = layers
        for parity in (EVEN, ODD):
            layers = to_means(machine, layers, parity)
        n_steps += 1
        changes = row_changes(layers, before)
        change, moving = float(xp.max(changes)), changes > inference.tol
        if not change > inference.tol:
            break
        if not bool(xp.all(moving)):
            resting, going_on = xp.nonzero(~moving)[0], xp.nonzero(moving)[0]
            finished.append(some_rows([numbers, *layers], resting))
            numbers, *layers = some_rows([numbers, *layers], going_on)
            machine = given_rows(machine, going_on)
    finished.append([numbers, *layers])
    numbers, *layers = (xp.concat(parts) for parts in zip(*finished, strict=True))
    layers = some_rows(layers, xp.argsort(numbers))
    return FixedPoint(layers, n_steps, change)


def fixed_point_unseen(machine, layers, inference):
    """The same by all steps. Rows that have come to rest are computed and left out."""
    xp, resting = namespace(layers[0]), None
    for _ in range(inference.max_steps):
        before = layers
        for parity in (EVEN, ODD):
            layers = to_means(machine, layers, parity)
        if resting is not None:
            layers = [
                xp.where(resting[:, None], x, y)
                for x, y in zip(before, layers, strict=True)
            ]
        # Those that were at rest have not changed.
        resting = ~(row_changes(layers, before) > inference.tol)
    return FixedPoint(layers, inference.max_steps, math.nan)


def row_changes(layers, before):
    """The largest absolute difference in any layer, (n_rows,)."""
    xp = namespace(layers[0])
    largest = [
        xp.max(xp.abs(x - y), axis=-1) for x, y in zip(layers, before, strict=True)
    ]
    return xp.max(xp.stack(largest), axis=0)


def some_rows(arrays, numbers):
    """The rows with these numbers of all arrays."""
    return [namespace(x).take(x, numbers, axis=0) for x in arrays]


def given_rows(machine, numbers):
    """A machine whose first biases differ from row to row, for some of the rows."""
    first, *others = machine.params.biases
    biases = (*some_rows([first], numbers), *others)
    return machine._replace(params=machine.params._replace(biases=biases))


def bottom_up(machine, visible, over=None):
    """Each hidden layer's mean from the layer below, as recognition starts.

    `over` is what comes over the weights from the visible units, where it is known.
    """
    params, layers = machine.params, [visible]
    for index, W in enumerate(params.weights, start=1):
        a = layers[-1] @ W if index > 1 or over is None else over
        if index < len(params.weights):
            a = 2.0 * a
        layers.append(machine.units[index].mean(a + params.biases[index]))
    return layers


def top_down(machine, top):
    """Each layer's mean from the layer above, with doubled weights for the one below.

    It is :func:`bottom_up` the other way round.
    """
    params, layers = machine.params, [top]
    for index in reversed(range(len(params.weights))):
        a = times_transposed(layers[0], params.weights[index])
        if index > 0:
            a = 2.0 * a
        layers.insert(0, machine.units[index].mean(a + params.biases[index]))
    return layers


def start_at_visible(machine, visible, stream):
    """Even layers from which Gibbs steps may start, at these visible units.

    Those above are drawn from their means bottom-up; in an RBM there are none.
    """
    if len(machine.units) == 2:
        return [visible, None]
    layers = [visible] + [None] * (len(machine.units) - 1)
    for index, mean in enumerate(bottom_up(machine, visible)):
        if index > 0 and index % 2 == EVEN:
            layers[index] = machine.units[index].sample(mean, stream)
    return layers


def visible_free_energy(machine, visible, inference):
    """Free energy of the visible units, (n_rows,), or its mean-field upper bound.

    The bound is for machines of more than one hidden layer.
    """
    if len(machine.units) == 2:
        return free_energy(machine, [visible, None])
    found = mean_field(machine, visible, inference)
    return variational_free_energy(machine, found.layers)


def importance_free_energy(machine, visible, inference, draws):
    """-log of an estimate of exp(-F), (n_rows,), F being that of the visible units.

    The estimate is right on average, so its logarithm errs as the mean-field bound
    does, but by far less [Burda, Grosse & Salakhutdinov 2016]: it is the mean of
    exp(-F(v, x)) / q(x), the hidden layers of even index drawn from mean field and
    those of odd index summed out. `draws` are the uniform numbers for the layers of
    each sample, of binary units, the same for all rows. With one hidden layer it is F
    itself.
    """
    if len(machine.units) == 2:
        return free_energy(machine, [visible, None])
    layers = mean_field(machine, visible, inference).layers[1:]
    hidden = given_visible(machine, visible @ machine.params.weights[0])
    # Without the visible units, those that are drawn have odd indices.
    means, log_weights = to_means(hidden, layers, ODD), []
    fields = {i: field(hidden.params, layers, i) for i in range(ODD, len(layers), 2)}
    for numbers in draws:
        xs = sample_from_means(hidden, means, ODD, SharedDraws(numbers))
        log_q = sum(hidden.units[i].log_density(a, xs[i]) for i, a in fields.items())
        log_weights.append(-free_energy(hidden, xs, summed=EVEN) - log_q)
    b, kind = machine.params.biases[0], machine.units[0]
    found = log_mean_exp(namespace(visible).stack(log_weights))
    return -found - visible @ b - kind.log_base(visible)
