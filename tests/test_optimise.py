"""Steps, schedules and penalties."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skebm.core.machine import Params, copy_params
from skebm.core.optimise import MomentumSGD, constant, linear

from .machines import NAMESPACES, asarray_of


def stepped(asarray=np.asarray, rate=0.1, **penalties):
    """Weights and biases after a step, from what and along which gradient."""
    rng = np.random.default_rng(0)
    W, b, c = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=3)
    params = Params((asarray(W.copy()),), (asarray(b.copy()), asarray(c.copy())))
    dW = rng.normal(size=(4, 3))
    step = Params((asarray(dW.copy()),), (asarray(b.copy()), asarray(c.copy())))
    optimiser = MomentumSGD(**penalties)
    optimiser.update(step, optimiser.init(params), params, rate)
    assert_allclose(np.asarray(params.biases[0]), 1.1 * b)
    assert_allclose(np.asarray(params.biases[1]), 1.1 * c)
    return np.asarray(params.weights[0]), W, dW


@pytest.mark.parametrize("name", NAMESPACES)
def test_l1_decay_moves_towards_zero_and_no_further(name):
    found, W, dW = stepped(asarray_of(name), l1_decay=4.0)
    free = W + 0.1 * dW
    expected = np.where(abs(free) > 0.4, free - 0.4 * np.sign(free), 0.0)
    assert (expected == 0.0).any()
    assert_allclose(found, expected)


@pytest.mark.parametrize("name", NAMESPACES)
def test_max_norm_shortens_what_comes_in_to_a_unit(name):
    free, *_ = stepped()
    norms = np.linalg.norm(free, axis=0)
    limit = float(np.median(norms))
    found, *_ = stepped(asarray_of(name), max_norm=limit)
    assert_allclose(np.linalg.norm(found, axis=0), np.minimum(norms, limit))
    assert_allclose(found / np.linalg.norm(found, axis=0), free / norms)


@pytest.mark.parametrize("momentum", [0.0, 0.7])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_optimiser_is_the_recursion(momentum, decay, rng):
    """v <- m v + rate (g - decay W), W <- W + v; biases do not decay."""
    W, b = rng.normal(size=(3, 2)), [rng.normal(size=3), rng.normal(size=2)]
    params = copy_params(Params((W,), tuple(b)))
    optimiser = MomentumSGD(momentum, decay)
    velocity = optimiser.init(params)
    speeds = [0.0, 0.0, 0.0]
    expected = [W, *b]
    for _ in range(4):
        g = [rng.normal(size=x.shape) for x in expected]
        step = Params((g[0].copy(),), (g[1].copy(), g[2].copy()))
        optimiser.update(step, velocity, params, 0.2)
        decays = [decay * expected[0], 0.0, 0.0]
        for i in range(3):
            speeds[i] = momentum * speeds[i] + 0.2 * (g[i] - decays[i])
            expected[i] = expected[i] + speeds[i]
    for x, y in zip([*params.weights, *params.biases], expected, strict=True):
        assert_allclose(x, y)


def test_schedules():
    assert constant(0.3, 3) == [0.3, 0.3, 0.3]
    assert_allclose(linear(0.3, 3), [0.3, 0.2, 0.1])
    assert linear(0.3, 0) == []
