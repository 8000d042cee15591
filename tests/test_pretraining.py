"""Deep machines from doubled ones."""

from itertools import pairwise

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from skebm.core.backend import Scaled, Subset, has_nan, take_rows
from skebm.core.machine import ODD, Machine, Params, field, means
from skebm.core.pretraining import composed, copies, raised
from skebm.core.sampling import bottom_up
from skebm.core.units import Bernoulli, Binomial

from .enumeration import Enumeration
from .machines import machine_of, random_arrays

KINDS = {1: Bernoulli(), 2: Binomial(2)}


def stack_of(sizes, seed=0):
    """Machines of the pretraining, with random parameters."""
    rng = np.random.default_rng(seed)
    return [
        Machine(
            tuple(KINDS[n] for n in doubled),
            Params((rng.normal(size=pair),), tuple(rng.normal(size=n) for n in pair)),
        )
        for pair, doubled in zip(pairwise(sizes), copies(len(sizes) - 1), strict=True)
    ]


def test_what_is_doubled():
    assert copies(1) == [(1, 1)]
    assert copies(2) == [(2, 1), (1, 2)]
    assert copies(3) == [(2, 1), (2, 2), (1, 2)]


def test_an_inner_layer_gets_the_mean_of_what_two_machines_give_it():
    """In the composed machine, with the layers below and above known."""
    stack = stack_of((4, 3, 3, 2))
    deep = machine_of(*composed([m.params for m in stack]))
    rng = np.random.default_rng(1)
    layers = [rng.integers(0, 2, (5, n)).astype(float) for n in (4, 3, 3, 2)]
    for index in (1, 2):
        below = field(stack[index - 1].params, [2 * layers[index - 1], None], 1)
        above = field(stack[index].params, [None, 2 * layers[index + 1]], 0)
        found = field(deep.params, layers, index)
        assert_allclose(found, (below + above) / 2)
    for index, alone in ((0, (stack[0], 0)), (3, (stack[2], 1))):
        neighbour = [None, layers[1]] if index == 0 else [layers[2], None]
        expected = field(alone[0].params, neighbour, alone[1])
        assert_allclose(field(deep.params, layers, index), expected)


def test_recognition_starts_with_what_the_doubled_machines_say():
    """p(h1 | v) of two tied copies of v, by enumeration: bottom-up has the same."""
    (W, V), (a, b, c) = random_arrays((3, 2, 2))
    stack = [Params((W,), (a, b)), Params((V,), (b, c))]  # biases that agree
    deep = machine_of(*composed(stack))
    tied = Enumeration([np.concatenate([W, W])], [np.concatenate([a, a]), b])
    for v in np.unique(tied.layers[0][:, :3], axis=0):
        expected = tied.mean(1, {0: np.concatenate([v, v])})
        assert_allclose(bottom_up(deep, v[None, :])[1][0], expected)
    machines = [
        Machine((Binomial(2), Bernoulli()), stack[0]),
        Machine((Bernoulli(), Binomial(2)), stack[1]),
    ]
    rows = np.random.default_rng(0).uniform(size=(5, 3))
    for n_machines in (1, 2):
        found = raised(machines[:n_machines], rows)
        assert_allclose(found, bottom_up(deep, rows)[n_machines])


def test_raised_passes_on_what_a_middle_machine_makes_of_copies():
    stack = stack_of((4, 3, 3, 2))
    rows = np.random.default_rng(0).uniform(size=(5, 4))
    below = raised(stack[:1], rows)
    doubled = means(stack[1], [2 * below, None], ODD)[1]
    assert_allclose(raised(stack[:2], rows), doubled / 2)


def test_scaled_rows():
    X = np.array([[0, 1], [1, 1], [1, 0]], dtype=bool)
    scaled = Scaled(X, 2)
    assert scaled.shape == (3, 2)
    assert_array_equal(take_rows(scaled, slice(1, 3), np.float32), 2.0 * X[1:])
    some = take_rows(Subset(scaled, np.array([2, 0])), slice(0, 2), np.float32)
    assert_array_equal(some, 2.0 * X[[2, 0]])
    assert not has_nan(scaled)
    assert has_nan(Scaled(np.array([[np.nan]]), 2))
