"""Deep belief networks against the enumeration of all their layers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skebm.core import stack as belief
from skebm.core.machine import ODD as UP
from skebm.core.machine import Machine, Params, gradient, to_means
from skebm.core.streams import Purpose, spread_draws, stream
from skebm.core.units import Bernoulli

from .enumeration import BeliefNet, Enumeration
from .machines import random_arrays, standard_errors

UNITS = (Bernoulli(), Bernoulli())


def machine_of(W, lower, upper, asarray=np.asarray):
    return Machine(UNITS, Params((asarray(W),), (asarray(lower), asarray(upper))))


def random_stack(sizes, seed=0, tied=False, asarray=np.asarray, scale=1.0):
    """A stack with different weights up and down, and its oracle."""
    rng = np.random.default_rng(seed)
    weights, biases = random_arrays(sizes, seed, scale)
    recognition, generative, upward, downward = [], [], [], []
    for W, b, c in zip(weights[:-1], biases[:-2], biases[1:-1], strict=True):
        V = W if tied else W + 0.5 * rng.normal(size=W.shape)
        d = c + rng.normal(size=c.shape)
        recognition.append(machine_of(V, b + 9.0, d, asarray))
        generative.append(machine_of(W, b, d + 9.0, asarray))
        upward.append((V, d))
        downward.append((W, b))
    top = machine_of(weights[-1], *biases[-2:], asarray)
    oracle = BeliefNet(upward, downward, Enumeration([weights[-1]], biases[-2:]))
    return belief.Stack(tuple(recognition), tuple(generative), top), oracle


def draws_for(stack, n_samples, seed=0):
    draws = stream(seed, Purpose.BOUND, stack.top.params.biases[0])
    sizes = [machine.params.biases[1].shape[0] for machine in stack.recognition]
    return spread_draws(sizes, n_samples, draws)


@pytest.mark.parametrize("sizes", [(4, 3, 2), (3, 2, 3, 2)])
def test_mean_log_weight_is_the_variational_bound(sizes):
    """Within 5 standard errors over independent passes, and the bound is not log p."""
    stack, oracle = random_stack(sizes)
    rows = np.array(oracle.visible)
    draws = stream(1, Purpose.BOUND, rows)
    n = 4000
    found = np.array([belief.log_weight(stack, rows, draws) for _ in range(n)])
    found -= oracle.top.log_z
    expected = np.array([oracle.bound(v) for v in rows])
    exact = np.array([oracle.log_p(v) for v in rows])
    errors = found.std(axis=0) / np.sqrt(n)
    assert np.max(np.abs(found.mean(axis=0) - expected) / errors) < 5
    assert np.max(np.abs(found.mean(axis=0) - exact) / errors) > 5


@pytest.mark.parametrize("sizes", [(4, 3, 2), (3, 2, 3, 2)])
def test_bound_rises_towards_the_log_likelihood(sizes):
    stack, oracle = random_stack(sizes)
    rows = np.array(oracle.visible)
    exact = np.array([oracle.log_p(v) for v in rows])
    many = belief.bound(stack, rows, draws_for(stack, 5000)) - oracle.top.log_z
    assert_allclose(many, exact, atol=0.1)
    few = [
        belief.bound(stack, rows, draws_for(stack, 5, seed)) - oracle.top.log_z
        for seed in range(50)
    ]
    expected = np.array([oracle.bound(v) for v in rows])
    errors = np.std(few, axis=0) / np.sqrt(50)
    assert ((np.mean(few, axis=0) - exact) / errors < 5).all()
    assert np.mean(exact) > np.mean(few) > np.mean(expected)


def test_draws_are_uniform_spread_and_independent_between_units():
    below = [
        machine_of(np.zeros((n, m)), np.zeros(n), np.zeros(m))
        for n, m in [(4, 40), (40, 30), (30, 2)]
    ]
    stack = belief.Stack(tuple(below[:2]), tuple(below[:2]), below[2])
    numbers = draws_for(stack, 200)
    assert [x.shape for x in numbers[0]] == [(40,), (30,)]
    x = np.array([np.concatenate(sample) for sample in numbers])
    assert_allclose(np.sort(np.floor(x * 200), axis=0)[:, 0], np.arange(200))
    correlations = np.corrcoef(x.T)[np.triu_indices(70, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(200)


def test_spread_draws_make_the_bound_less_noisy():
    stack, oracle = random_stack((4, 3, 2))
    rows = np.array(oracle.visible)
    spread = [belief.bound(stack, rows, draws_for(stack, 50, s)) for s in range(60)]
    draws = stream(0, Purpose.BOUND, rows)
    plain = [
        belief.bound(stack, rows, [[draws.uniform(3)] for _ in range(50)])
        for _ in range(60)
    ]
    assert np.std(spread, axis=0).mean() < 0.8 * np.std(plain, axis=0).mean()


def test_rows_do_not_depend_on_each_other():
    stack, oracle = random_stack((4, 3, 2))
    rows = np.array(oracle.visible)
    draws = draws_for(stack, 20)
    whole = belief.bound(stack, rows, draws)
    assert_allclose(belief.bound(stack, rows[5:6], draws), whole[5:6])


def test_descent_from_the_top_has_the_distribution_of_the_model():
    stack, oracle = random_stack((4, 3, 3, 2))
    x = oracle.top.sample(40_000, np.random.default_rng(0))[0]
    draws = stream(0, Purpose.DESCENT, x)
    v = belief.sample_down(stack.generative, x, draws)[0]
    expected = oracle.moments()
    assert standard_errors(v, expected).max() < 5
    # Negative control: down by means and a coin at the end.
    wrong = belief.pass_down(stack.generative, x)
    wrong = draws.uniform(wrong.shape) < wrong.mean(axis=0)
    assert standard_errors(wrong.astype(float), expected).max() > 5


def test_recognised_layers_have_the_distribution_of_q():
    stack, oracle = random_stack((4, 3, 3, 2))
    v = np.array([1.0, 0.0, 1.0, 1.0])
    draws = stream(0, Purpose.UP_DOWN, v)
    rows = np.broadcast_to(v, (40_000, 4))
    found = np.hstack(belief.sample_up(stack.recognition, rows, draws)[1:])
    expected = sum(
        np.exp(oracle.log_recognition(v, path))
        * np.outer(np.hstack(path), np.hstack(path))
        for path in oracle.paths
    )
    assert standard_errors(found, expected).max() < 5
    others = belief.sample_up(stack.generative, rows, draws)[1:]
    assert standard_errors(np.hstack(others), expected).max() > 5


def test_a_layer_of_transposed_weights_leaves_the_distribution_unchanged():
    """Hinton, Osindero & Teh 2006: below it, the machine without the layer."""
    (W,), (b, c) = random_arrays((4, 3))
    alone = Enumeration([W], [b, c])
    lower, top = machine_of(W, b, c), machine_of(W.T, c, b)
    stack = belief.Stack((lower,), (lower,), top)
    oracle = BeliefNet([(W, c)], [(W, b)], Enumeration([W.T], [c, b]))
    rows = np.array(oracle.visible)
    expected = [alone.log_marginal({0: v}) for v in rows]
    assert_allclose([oracle.log_p(v) for v in rows], expected)
    # The posterior is then the recognition itself: a single pass is exact.
    found = belief.bound(stack, rows, draws_for(stack, 1)) - oracle.top.log_z
    assert_allclose(found, expected)
    other = stack._replace(top=machine_of(W.T, b[:3], b))
    wrong = belief.bound(other, rows, draws_for(stack, 1)) - oracle.top.log_z
    assert not np.allclose(wrong, expected)


def test_training_such_a_layer_does_not_lower_the_bound():
    """By the exact gradient of the top machine; nor then does log p(v) fall."""
    rng = np.random.default_rng(4)
    (W,), (b, c) = random_arrays((4, 3))
    rows, shares = (
        np.array(Enumeration([W], [b, c]).layers[0][::8]),
        rng.uniform(size=16),
    )
    shares /= shares.sum()
    lower = machine_of(W, b, c)
    weights, biases = [W.T.copy()], [c.copy(), b.copy()]
    bounds, log_ps = [], []
    for _ in range(30):
        oracle = BeliefNet([(W, c)], [(W, b)], Enumeration(weights, biases))
        bounds.append(shares @ [oracle.bound(v) for v in rows])
        log_ps.append(shares @ [oracle.log_p(v) for v in rows])
        q = np.zeros(8)
        hidden = np.array([path[0] for path in oracle.paths])
        for v, share in zip(rows, shares, strict=True):
            p = to_means(lower, [v[None], None], UP)[1][0]
            q += share * np.prod(np.where(hidden == 1, p, 1 - p), axis=1)
        top = machine_of(weights[0], *biases)
        positive = to_means(top, [hidden, None], UP)
        layers = [
            np.vstack([x, y]) for x, y in zip(positive, oracle.top.layers, strict=True)
        ]
        signs = np.concatenate([q, -oracle.top.probabilities])
        step = gradient(layers, signs, [np.zeros(3), np.zeros(4)])
        weights[0] = weights[0] + 0.5 * step.weights[0]
        biases = [x + 0.5 * d for x, d in zip(biases, step.biases, strict=True)]
    assert (np.diff(bounds) >= 0).all()
    assert bounds[-1] > bounds[0] + 0.005
    assert log_ps[-1] > log_ps[0]
    assert (np.array(log_ps) >= np.array(bounds) - 1e-12).all()


def test_means_go_up_and_down_layer_by_layer():
    stack, oracle = random_stack((4, 3, 3, 2))
    x = np.array(oracle.visible)
    for W, c in oracle.upward:
        x = 1 / (1 + np.exp(-(c + x @ W)))
    assert_allclose(belief.pass_up(stack.recognition, np.array(oracle.visible)), x)
    for W, b in reversed(oracle.downward):
        x = 1 / (1 + np.exp(-(b + x @ W.T)))
    raised = belief.pass_up(stack.recognition, np.array(oracle.visible))
    assert_allclose(belief.pass_down(stack.generative, raised), x)


def errors_of_imputed(stack, oracle, copies=300):
    """Standard errors by which conditional means are off, and the observed entries."""
    nan = np.nan
    X = np.array([[nan, 1, nan, 0], [1, nan, nan, nan], [0, 1, 1, 0], [nan] * 4])
    draws = stream(0, Purpose.IMPUTE, X)
    held = Bernoulli().held(X.repeat(copies, axis=0))
    found = belief.fill_missing(stack, held, np.full(4, 0.5), 20, 60, draws)
    chains = found.reshape(len(X), copies, 4)
    visible = np.array(oracle.visible)
    p = np.exp([oracle.log_p(v) for v in visible])
    match = ((visible == X[:, None, :]) | np.isnan(X[:, None, :])).all(axis=2) * p
    expected = match @ visible / match.sum(axis=1, keepdims=True)
    seen = ~np.isnan(X)
    assert (chains[seen.nonzero()[0], :, seen.nonzero()[1]] == X[seen][:, None]).all()
    error = chains.std(axis=1) / np.sqrt(copies)
    return (abs(chains.mean(axis=1) - expected)[~seen] / error[~seen]).max()


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2), (4, 2, 3, 2)])
def test_imputed_entries_are_conditional_means(sizes):
    if len(sizes) == 2:
        weights, biases = random_arrays(sizes, 0)
        stack = belief.Stack((), (), machine_of(weights[0], *biases))
        top = Enumeration(weights, biases)
        oracle = BeliefNet([], [], top)
        oracle.log_p = lambda v: top.log_marginal({0: v})
        oracle.visible = [np.array(v) for v in np.ndindex(2, 2, 2, 2)]
    else:
        stack, oracle = random_stack(sizes)
    assert errors_of_imputed(stack, oracle) < 5


def test_imputing_by_recognition_alone_fails_the_same_test(monkeypatch):
    """Negative control: every proposal is accepted."""
    stack, oracle = random_stack((4, 3, 2))
    monkeypatch.setattr(
        belief, "log_weight_of", lambda stack, layers: 0.0 * layers[0][:, 0]
    )
    assert errors_of_imputed(stack, oracle) > 5
