"""Kinds of units against their definitions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skebm.core import units
from skebm.core.backend import to_numpy
from skebm.core.streams import Purpose, stream
from skebm.core.units import Bernoulli, multiplied

from .machines import NAMESPACES, asarray_of

KIND = Bernoulli()
A = np.linspace(-30.0, 30.0, 13)


def test_the_distribution_adds_up_to_one():
    """p(x | a) = exp(a x + log_base - log_partition), with its mean and variance."""
    p = [np.exp(A * x - [KIND.log_partition(a[None]) for a in A]) for x in (0.0, 1.0)]
    assert_allclose(p[0] + p[1], 1.0)
    assert_allclose(KIND.mean(A), p[1], atol=1e-15)
    assert_allclose(KIND.variance(KIND.mean(A)), p[0] * p[1], atol=1e-15)
    assert_array_equal(KIND.log_base(np.ones((3, 2))), np.zeros(3))


def test_natural_is_the_inverse_of_mean():
    a = np.linspace(-9.0, 9.0, 7)
    assert_allclose(KIND.natural(KIND.mean(a)), a)


def test_samples_have_the_mean_and_no_value_but_0_and_1():
    mean = np.tile([0.0, 1e-3, 0.3, 0.9, 1.0], (40_000, 1))
    x = KIND.sample(mean, stream(0, Purpose.CHAINS, mean))
    assert set(np.unique(x)) == {0.0, 1.0}
    error = np.sqrt(np.maximum(mean[0] * (1 - mean[0]), 1e-12) / 40_000)
    assert (np.abs(x.mean(axis=0) - mean[0]) < 5 * error).all()


def test_a_mean_of_zero_is_never_drawn_as_one():
    class Zeros:
        def uniform(self, shape):
            return np.zeros(shape, np.float32)

    assert_array_equal(KIND.sample(np.array([0.0, 1e-9]), Zeros()), [0.0, 1.0])


def test_states_are_all_different():
    assert KIND.n_states(3) == 8
    states = np.concatenate([KIND.states(0, 5, 3, A), KIND.states(5, 8, 3, A)])
    assert len(np.unique(states, axis=0)) == len(states) == 8


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMESPACES)
@pytest.mark.parametrize("scale", [0.1, 3.0, 25.0, 200.0])
@pytest.mark.parametrize("binary", [True, False])
def test_log_partition_gain_at_all_sizes(scale, binary, name, dtype, monkeypatch):
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
    found = KIND.log_partition_gain(*(asarray(v.astype(dtype)) for v in (a, x, W)))
    size = np.abs(W).max() + np.abs(a).max()
    tolerance = 40 * np.finfo(dtype).eps * size
    assert_allclose(to_numpy(found), gain.sum(axis=-1), rtol=1e-4, atol=tolerance)


@pytest.mark.parametrize("n_factors", [1, 2, 7, 16, 37])
@pytest.mark.parametrize("at_once", [0, 1, 3, 16])
def test_multiplied_keeps_the_product(n_factors, at_once, rng):
    factors = rng.uniform(0.5, 2.0, (3, n_factors))
    found = multiplied(factors.copy(), at_once)
    assert_allclose(found.prod(axis=-1), factors.prod(axis=-1))
    assert found.shape[1] >= n_factors / max(at_once, 1)
