"""Kinds of units against their definitions."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skebm.core import units
from skebm.core.backend import to_numpy
from skebm.core.machine import (
    EVEN,
    ODD,
    Machine,
    Params,
    free_energy,
    pseudo_log_likelihood,
    to_means,
)
from skebm.core.streams import Purpose, stream
from skebm.core.units import Bernoulli, Tied, log_partition_change, multiplied

from .enumeration import Enumeration
from .machines import NAMESPACES, asarray_of

KIND = Bernoulli()
A = np.linspace(-30.0, 30.0, 13)


KINDS = [Bernoulli(), Tied(Bernoulli(), 2), Tied(Bernoulli(), 3)]

of_every_kind = pytest.mark.parametrize(
    "kind", KINDS, ids=["Bernoulli", "two copies", "three copies"]
)


def values_of(kind):
    return [float(k) for k in range(kind.n_states(1))]


@of_every_kind
def test_the_distribution_adds_up_to_one(kind):
    """p(x | a) = exp(a x + log_base - log_partition), with its mean and variance."""
    values = values_of(kind)
    log_z = np.array([kind.log_partition(a[None]) for a in A])
    p = [np.exp(A * x + kind.log_base(np.array([x])) - log_z) for x in values]
    assert_allclose(sum(p), 1.0)
    mean = sum(x * q for x, q in zip(values, p, strict=True))
    assert_allclose(kind.mean(A), mean, atol=1e-14)
    square = sum(x * x * q for x, q in zip(values, p, strict=True))
    assert_allclose(kind.variance(kind.mean(A)), square - mean**2, atol=1e-12)


@of_every_kind
def test_entropy_relative_to_the_base_measure(kind):
    """Against its definition, and where a mean is at an end of its range."""
    a = np.linspace(-9.0, 9.0, 7)
    mean = kind.mean(a)
    expected = [
        kind.log_partition(t[None]) - t * m for t, m in zip(a, mean, strict=True)
    ]
    assert_allclose(kind.entropy(mean[:, None]), expected, atol=1e-12)
    ends = np.array([[0.0], [values_of(kind)[-1]]])
    assert_array_equal(kind.entropy(ends), [0.0, 0.0])
    assert_array_equal(kind.entropy(ends.astype(np.float32)), [0.0, 0.0])


@of_every_kind
def test_natural_is_the_inverse_of_mean(kind):
    a = np.linspace(-9.0, 9.0, 7)
    assert_allclose(kind.natural(kind.mean(a)), a)


@of_every_kind
def test_clipped_means_have_finite_natural_parameters(kind):
    top = values_of(kind)[-1]
    mean = kind.clip(np.array([0.0, 0.4, top]), 1e-3)
    assert_allclose(mean, [top * 1e-3, 0.4, top * (1 - 1e-3)])
    assert_allclose(kind.resting(0.5, 2, A), kind.mean(np.zeros(2)))
    assert_allclose(kind.resting(0.1, 2, A), kind.mean(np.full(2, np.log(1 / 9))))


@of_every_kind
def test_samples_have_the_right_distribution(kind):
    values, n = values_of(kind), 40_000
    share = np.array([0.0, 1e-3, 0.3, 0.9, 1.0])
    mean = np.tile(values[-1] * share, (n, 1))
    x = kind.sample(mean, stream(0, Purpose.CHAINS, mean))
    assert set(np.unique(x)) == set(values)
    copies = len(values) - 1
    for value in values:
        p = math.comb(copies, int(value)) * share**value
        p = p * (1.0 - share) ** (copies - value)
        error = np.sqrt(np.maximum(p * (1 - p), 1e-12) / n)
        assert (np.abs((x == value).mean(axis=0) - p) < 5 * error).all()


def test_two_copies_are_two_tied_binary_units():
    """A layer of pairs with the same weights, against their sums, by enumeration."""
    rng = np.random.default_rng(0)
    W, b, c = rng.normal(size=(2, 3)), rng.normal(size=2), rng.normal(size=3)
    pairs = Enumeration([np.concatenate([W, W])], [np.concatenate([b, b]), c])
    params = Params((W,), (b, c))
    machine = Machine((Tied(KIND, 2), KIND), params)
    sums = pairs.layers[0][:, :2] + pairs.layers[0][:, 2:]
    states = Tied(KIND, 2).states(np.arange(9), 2, W)
    for state in states:
        match = (sums == state).all(axis=1)
        log_p = np.log(pairs.probabilities[match].sum())
        log_weight = -free_energy(machine, [state[None, :], None])[0]
        assert_allclose(log_weight - pairs.log_z, log_p)
        hidden = pairs.probabilities[match] @ pairs.layers[1][match] / np.exp(log_p)
        found = to_means(machine, [state[None, :], None], ODD)[1][0]
        assert_allclose(found, hidden)
    for hidden in np.unique(pairs.layers[1], axis=0):
        expected = pairs.mean(0, {1: hidden})
        found = to_means(machine, [None, hidden[None, :]], EVEN)[0][0]
        assert_allclose(found, expected[:2] + expected[2:])


def test_a_mean_of_zero_is_never_drawn_as_one():
    class Zeros:
        def uniform(self, shape):
            return np.zeros(shape, np.float32)

    assert_array_equal(KIND.sample(np.array([0.0, 1e-9]), Zeros()), [0.0, 1.0])


@of_every_kind
def test_states_are_all_different(kind):
    n = len(values_of(kind)) ** 3
    assert kind.n_states(3) == n
    states = kind.states(np.arange(n), 3, A)
    assert len(np.unique(states, axis=0)) == len(states) == n
    assert set(np.unique(states)) == set(values_of(kind))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMESPACES)
@pytest.mark.parametrize("scale", [0.1, 3.0, 25.0, 200.0])
@pytest.mark.parametrize("binary", [True, False])
def test_log_partition_change_at_all_sizes(scale, binary, name, dtype, monkeypatch):
    """Also where p is 1 but for rounding, and where a product would overflow."""
    monkeypatch.setattr(units, "CACHED_ELEMENTS", 100)
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(5, 6))
    x = (x < 0.5).astype(float) if binary else x
    W = scale * rng.normal(size=(6, 37))
    W, x = W.astype(dtype).astype(float), x.astype(dtype).astype(float)
    a = (x @ W).astype(dtype).astype(float)
    without = a[:, None, :] - x[:, :, None] * W
    gain = np.logaddexp(0, without + W) - np.logaddexp(0, without)
    asarray = asarray_of(name)
    arrays = [asarray(v.astype(dtype)) for v in (a, x, W)]
    found = log_partition_change(KIND, *arrays)
    size = np.abs(W).max() + np.abs(a).max()
    tolerance = 40 * np.finfo(dtype).eps * size
    assert_allclose(to_numpy(found), gain.sum(axis=-1), rtol=1e-4, atol=tolerance)


def test_log_partition_change_where_the_total_input_is_clipped():
    """Weights near the largest exponent, and a field that is far beyond it."""
    W, a, x = np.array([[79.9], [0.0]]), np.array([[-200.0]]), np.zeros((1, 2))
    assert_allclose(log_partition_change(KIND, a, x, W), [[0.0, 0.0]], atol=1e-12)


def test_log_partition_change_of_copies_is_that_of_each(rng):
    a, W = rng.normal(size=(5, 3)), rng.normal(size=(4, 3))
    x = rng.integers(0, 2, (5, 4)).astype(float)
    found = log_partition_change(Tied(KIND, 2), a, x, W)
    expected = log_partition_change(KIND, np.tile(a, 2), x, np.tile(W, 2))
    assert_allclose(found, expected)


@pytest.mark.parametrize("n_factors", [1, 2, 7, 16, 37])
@pytest.mark.parametrize("at_once", [0, 1, 3, 16])
def test_multiplied_keeps_the_product(n_factors, at_once, rng):
    factors = rng.uniform(0.5, 2.0, (3, n_factors))
    found = multiplied(factors.copy(), at_once)
    assert_allclose(found.prod(axis=-1), factors.prod(axis=-1))
    assert found.shape[1] >= n_factors / max(at_once, 1)


def test_what_a_kind_lacks_is_said_with_its_name():
    class Sealed:
        """Units that can do no more than all kinds can."""

        log_jacobian = 0.0

    units.require(KIND, "states", "This")
    units.require(Tied(KIND, 2), "states", "This")
    for kind, name in ((Sealed(), "Sealed"), (Tied(Sealed(), 2), "Tied")):
        words = f"This needs units with states .* enumerated, but {name} units have"
        with pytest.raises(ValueError, match=words):
            units.require(kind, "states", "This")
    words = "pseudo-log-likelihood needs units with two .* values, but Tied units"
    params = Params((np.zeros((2, 3)),), (np.zeros(2), np.zeros(3)))
    machine = Machine((Tied(KIND, 2), KIND), params)
    with pytest.raises(ValueError, match=words):
        pseudo_log_likelihood(machine, np.ones((1, 2)))


def test_border_of_tied_units():
    """A row is what each copy has; the states are sums."""
    rows = np.array([[0.0, 0.3, np.nan]])
    pairs = Tied(KIND, 2)
    assert_array_equal(pairs.encode(rows), 2.0 * rows)
    assert_array_equal(pairs.decode(pairs.encode(rows)), rows)
    assert KIND.encode(rows) is rows
    assert KIND.decode(rows) is rows
    assert pairs.check(rows, "X") is None
    assert pairs.check(3.0 * rows, "X") is None
    assert "but these ranges from 0 to 1.5" in pairs.check(5.0 * rows, "these")


def test_what_is_held_of_tied_copies_is_in_all_of_them():
    kind, rows = Tied(Bernoulli(), 3), np.array([[1.0, np.nan], [np.nan, 0.5]])
    states = np.full((2, 2), 2.0)
    assert_array_equal(kind.held(rows)(states), [[3.0, 2.0], [2.0, 1.5]])
