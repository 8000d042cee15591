"""Steps, schedules and penalties; and scikit-learn's optimisers as an oracle."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from skebm.core import optimise
from skebm.core.machine import Params, copy_params
from skebm.core.optimise import MomentumSGD, constant, cosine, linear

from .machines import NAMESPACES, asarray_of

# More elements than are updated at once, and not a multiple of them.
SHAPES = [(300, 250), (7, 3)]


def random_params(rng, asarray=np.asarray):
    weights = tuple(asarray(rng.normal(size=s)) for s in SHAPES)
    return Params(weights, tuple(asarray(rng.normal(size=s[1])) for s in SHAPES))


def arrays(params):
    return [x for group in params for x in group]


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (optimise.MomentumSGD(), {"momentum": 0.0}),
        (optimise.MomentumSGD(0.9), {"momentum": 0.9, "nesterov": False}),
        (optimise.MomentumSGD(0.9, nesterov=True), {"momentum": 0.9}),
        (optimise.Adam(), None),
    ],
)
def test_steps_are_those_of_scikit_learn(ours, theirs, namespace, rng):
    asarray = asarray_of(namespace)
    params = random_params(rng)
    gradients = [random_params(rng) for _ in range(4)]
    expected = arrays(copy_params(params))
    if theirs is None:
        other = AdamOptimizer(expected, learning_rate_init=0.1)
    else:
        other = SGDOptimizer(expected, learning_rate_init=0.1, **theirs)
    found = Params(*(tuple(asarray(x.copy()) for x in group) for group in params))
    state = ours.init(found)
    for gradient in gradients:
        other.update_params(expected, [-x for x in arrays(gradient)])
        step = Params(*(tuple(asarray(x.copy()) for x in g) for g in gradient))
        state = ours.update(step, state, found, 0.1)
    for x, y in zip(arrays(found), expected, strict=True):
        assert_allclose(np.asarray(x), y, rtol=1e-10)


@pytest.mark.parametrize("kind", [optimise.MomentumSGD, optimise.Adam])
def test_decay_is_part_of_the_gradient_of_the_weights_alone(kind, rng):
    params, gradient = random_params(rng), random_params(rng)
    decayed, plain = copy_params(params), copy_params(params)
    by_hand = copy_params(gradient)
    for step, W in zip(by_hand.weights, params.weights, strict=True):
        step -= 0.3 * W
    kind(weight_decay=0.3).update(
        gradient, kind().init(params), decayed, learning_rate=0.1
    )
    kind().update(by_hand, kind().init(params), plain, learning_rate=0.1)
    for x, y in zip(arrays(decayed), arrays(plain), strict=True):
        assert_allclose(x, y)


@pytest.mark.parametrize("length", [1, 7, 5000])
def test_parts_cover_each_element_once(length):
    x = np.zeros((length, 40))
    params = Params((x,), (np.zeros(3),))
    kinds = []
    for is_weight, (part,) in optimise.parts(params):
        part += 1.0
        kinds.append((is_weight, part.size))
    assert (x == 1.0).all()
    assert (params.biases[0] == 1.0).all()
    assert all(size <= optimise.BLOCK_ELEMENTS for _, size in kinds)
    assert [k for k, _ in kinds].count(False) == 1


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


def test_cosine_starts_at_the_full_rate_and_ends_near_zero():
    assert_allclose(
        cosine(0.4, 4), [0.4, 0.2 + 0.2 * 0.5**0.5, 0.2, 0.2 - 0.2 * 0.5**0.5]
    )
    assert cosine(0.3, 0) == []
