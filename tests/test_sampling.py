"""Samplers against exact distributions, each beside a broken one that must fail."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skebm.core import sampling
from skebm.core.backend import to_numpy
from skebm.core.machine import (
    EVEN,
    ODD,
    free_energy,
    independent_layers,
    resample,
    to_means,
    variational_free_energy,
)
from skebm.core.sampling import (
    FINE,
    USUAL,
    Inference,
    alternate,
    bottom_up,
    gibbs,
    importance_free_energy,
    mean_field,
    start_at_visible,
    top_down,
    visible_free_energy,
)
from skebm.core.streams import Purpose, spread_draws, stream

from .machines import NAMESPACES, SIZES, asarray_of, random_machine, standard_errors

N_CHAINS = 40_000


def chain_stream(array=None, seed=0):
    return stream(seed, Purpose.CHAINS, np.zeros(1) if array is None else array)


def odd_then_even(machine, layers, draws):
    return gibbs(machine, layers, 2, draws)


def even_then_odd(machine, layers, draws):
    layers = alternate(machine, layers, 2, draws)
    return resample(machine, layers, ODD, draws)


def stale(machine, layers, draws):
    """Even layers drawn from odd ones that are one update behind."""
    fresh = resample(machine, layers, ODD, draws)
    even = resample(machine, layers, EVEN, draws)
    return [
        e if i % 2 == EVEN else o
        for i, (e, o) in enumerate(zip(even, fresh, strict=True))
    ]


def forgetful(machine, layers, draws):
    """Hidden units replaced by fair coins before the visible ones are drawn."""
    layers = [
        x if i % 2 == EVEN else np.asarray(draws.uniform(x.shape) < 0.5, x.dtype)
        for i, x in enumerate(layers)
    ]
    return resample(machine, resample(machine, layers, EVEN, draws), ODD, draws)


def deviation_after(kernel, sizes):
    """Largest deviation of a pair moment, in standard errors, from an exact start."""
    machine, oracle = random_machine(sizes, scale=1.5)
    start = oracle.sample(N_CHAINS, np.random.default_rng(1))
    end = kernel(machine, start, chain_stream())
    return standard_errors(np.concatenate(end, axis=1), oracle.moments()).max()


@pytest.mark.parametrize("kernel", [odd_then_even, even_then_odd])
@pytest.mark.parametrize("sizes", SIZES)
def test_stationary_from_an_exact_start(sizes, kernel):
    assert deviation_after(kernel, sizes) < 5


@pytest.mark.parametrize("kernel", [stale, forgetful])
@pytest.mark.parametrize("sizes", SIZES)
def test_the_test_of_stationarity_rejects_broken_kernels(sizes, kernel):
    assert deviation_after(kernel, sizes) > 5


@pytest.mark.parametrize("sizes", SIZES)
def test_gibbs_forgets_where_it_started(sizes):
    machine, oracle = random_machine(sizes, scale=0.5)
    start = [np.zeros((N_CHAINS, n)) for n in sizes]
    end = gibbs(machine, start, 100, chain_stream())
    errors = standard_errors(np.concatenate(end, axis=1), oracle.moments())
    assert errors.max() < 5


@pytest.mark.parametrize("n_steps", [1, 2, 3])
def test_alternate_makes_as_many_steps(n_steps):
    """From fixed hidden units, against the enumerated kernel of so many steps."""
    machine, oracle = random_machine((4, 3), scale=1.5)
    visible, hidden = (np.unique(x, axis=0) for x in oracle.layers)
    joint = np.exp(
        [[oracle.log_marginal({0: v, 1: h}) for h in hidden] for v in visible]
    )
    down = joint / joint.sum(axis=0)  # p(v | h)
    up = joint / joint.sum(axis=1, keepdims=True)  # p(h | v)
    p = down[:, 0]  # hidden units that start at 0
    for _ in range(n_steps - 1):
        p = down @ (p @ up)
    expected = visible.T @ (p[:, None] * visible)
    start = [None, np.zeros((N_CHAINS, 3))]
    found = alternate(machine, start, n_steps, chain_stream())[0]
    assert standard_errors(found, expected).max() < 5
    other = alternate(machine, start, n_steps % 3 + 1, chain_stream())[0]
    assert standard_errors(other, expected).max() > 5


def test_independent_layers_have_their_means():
    machine, _ = random_machine((4, 3, 2))
    means = [1 / (1 + np.exp(-b)) for b in machine.params.biases]
    layers = independent_layers(machine.units, means, N_CHAINS, chain_stream())
    p = np.concatenate(means)
    expected = np.outer(p, p)
    np.fill_diagonal(expected, p)
    assert standard_errors(np.concatenate(layers, axis=1), expected).max() < 5


@pytest.mark.parametrize("name", NAMESPACES)
def test_chains_are_the_same_in_every_namespace(name):
    asarray = asarray_of(name)
    ends = []
    for convert in (np.asarray, asarray):
        machine, _ = random_machine((4, 3, 2))
        params = type(machine.params)(
            *(tuple(convert(x) for x in group) for group in machine.params)
        )
        machine = machine._replace(params=params)
        draws = chain_stream(params.biases[0])
        means = [k.mean(b) for k, b in zip(machine.units, params.biases, strict=True)]
        start = independent_layers(machine.units, means, 20, draws)
        ends.append([to_numpy(x) for x in gibbs(machine, start, 5, draws)])
    for x, y in zip(*ends, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("sizes", [(4, 3, 2), (3, 3, 2, 2)])
def test_mean_field_ends_at_a_fixed_point(sizes):
    machine, oracle = random_machine(sizes, scale=0.5)
    visible = oracle.layers[0][:8]
    found = mean_field(machine, visible, Inference(200, 1e-10))
    assert 1 < found.n_steps < 200
    for parity in (EVEN, ODD):
        again = to_means(machine, found.layers, parity)
        for x, y in zip(found.layers[1:], again[1:], strict=True):
            assert_allclose(x, y, atol=1e-9)
    assert found.layers[0] is visible


@pytest.mark.parametrize("sizes", [(4, 3, 2), (3, 3, 2, 2), (3, 2, 2, 2, 2)])
def test_a_step_of_mean_field_takes_odd_layers_first(sizes):
    """The even ones, on top of what they were just computed from, would not move."""
    machine, oracle = random_machine(sizes)
    layers = [None, *bottom_up(machine, oracle.layers[0][:8])[1:]]
    found = mean_field(machine, oracle.layers[0][:8], Inference(1, 0.0)).layers
    layers[0] = found[0]
    for parity in (ODD, EVEN):
        visible, layers = layers[0], to_means(machine, layers, parity)
        layers[0] = visible
    for x, y in zip(found, layers, strict=True):
        assert_allclose(x, y)


def test_mean_field_says_how_far_it_got():
    machine, oracle = random_machine((4, 3, 2))
    found = mean_field(machine, oracle.layers[0][:8], Inference(1, 1e-12))
    assert found.n_steps == 1
    assert found.change > 1e-12


@pytest.mark.parametrize("max_steps", [1, 4, 200])
def test_mean_field_that_may_not_look_finds_the_same(max_steps):
    """Rows come to rest one after the other, and stay as they are then."""
    machine, oracle = random_machine((4, 3, 2), seed=3)
    visible, rule = oracle.layers[0][:8], Inference(max_steps, 1e-3)
    expected = mean_field(machine, visible, rule).layers
    found = mean_field(machine, visible, rule._replace(may_look=False)).layers
    for x, y in zip(found, expected, strict=True):
        assert_allclose(x, y, rtol=1e-12)


def test_mean_field_of_one_hidden_layer_is_the_posterior_at_once():
    machine, oracle = random_machine((4, 3))
    visible = oracle.layers[0][:8]
    found = mean_field(machine, visible, Inference(10, 0.0))
    assert (found.n_steps, found.change) == (0, 0.0)
    for row, hidden in zip(visible, found.layers[1], strict=True):
        assert_allclose(hidden, oracle.mean(1, {0: row}), atol=1e-12)


def test_mean_field_is_exact_where_the_posterior_factorises():
    """Without weights above the first hidden layer, the posterior is a product."""
    machine, oracle = random_machine((4, 3, 2))
    machine.params.weights[1][...] = 0.0
    oracle = type(oracle)(machine.params.weights, machine.params.biases)
    visible = oracle.layers[0][::8]
    found = mean_field(machine, visible, Inference(100, 1e-13))
    for row, *hidden in zip(*found.layers, strict=True):
        for index, x in enumerate(hidden, start=1):
            assert_allclose(x, oracle.mean(index, {0: row}), atol=1e-12)


def test_bottom_up_doubles_the_weights_below_a_layer_that_has_one_above():
    machine, _ = random_machine((4, 3, 2))
    (W, V), (_, b, c) = machine.params
    v = np.array([[0.0, 1.0, 1.0, 0.0]])
    first = 1 / (1 + np.exp(-(2 * v @ W + b)))
    layers = bottom_up(machine, v)
    assert_allclose(layers[1], first)
    assert_allclose(layers[2], 1 / (1 + np.exp(-(first @ V + c))))


def test_top_down_doubles_the_weights_above_a_layer_that_has_one_below():
    machine, _ = random_machine((4, 3, 2))
    (W, V), (a, b, _) = machine.params
    top = np.array([[1.0, 0.3]])
    inner = 1 / (1 + np.exp(-(2 * top @ V.T + b)))
    layers = top_down(machine, top)
    assert_allclose(layers[1], inner)
    assert_allclose(layers[0], 1 / (1 + np.exp(-(inner @ W.T + a))))


@pytest.mark.parametrize("sizes", [(4, 3, 2), (3, 3, 2, 2)])
def test_mean_field_of_a_row_does_not_depend_on_the_others(sizes):
    """Rows that have come to rest would else go on moving with the others."""
    machine, oracle = random_machine(sizes, scale=1.5)
    visible = np.unique(oracle.layers[0], axis=0)
    together = mean_field(machine, visible, Inference(50, 1e-3))
    steps = []
    for row in range(len(visible)):
        alone = mean_field(machine, visible[row : row + 1], Inference(50, 1e-3))
        steps.append(alone.n_steps)
        for x, y in zip(alone.layers, together.layers, strict=True):
            assert_allclose(x[0], y[row], atol=1e-12)
    assert len(set(steps)) > 1
    assert together.n_steps == max(steps)
    assert together.change <= 1e-3


@pytest.mark.parametrize("name", NAMESPACES)
def test_mean_field_is_the_same_in_every_namespace(name):
    asarray = asarray_of(name)
    machine, oracle = random_machine((4, 3, 2), scale=1.5)
    visible = np.unique(oracle.layers[0], axis=0)
    expected = mean_field(machine, visible, FINE)
    params = type(machine.params)(
        *(tuple(asarray(x) for x in group) for group in machine.params)
    )
    found = mean_field(machine._replace(params=params), asarray(visible), FINE)
    assert found.n_steps == expected.n_steps
    for x, y in zip(found.layers, expected.layers, strict=True):
        assert_allclose(to_numpy(x), y, atol=1e-12)


@pytest.mark.parametrize("sizes", [(4, 3, 2), (3, 3, 2, 2), (3, 2, 2, 2, 2)])
def test_variational_free_energy_is_the_bound_by_enumeration(sizes):
    """Also for means that are no fixed point, and for means of 0 and 1."""
    machine, oracle = random_machine(sizes, scale=1.5)
    rng = np.random.default_rng(3)
    visible = np.unique(oracle.layers[0], axis=0)
    layers = [visible, *(rng.uniform(size=(len(visible), n)) for n in sizes[1:])]
    layers[2][:3] = 0.0
    layers[2][3:5] = 1.0
    best = to_means(machine, layers, ODD)
    found = -variational_free_energy(machine, layers) - oracle.log_z
    for row, value in enumerate(found):
        hidden = [x[row] for x in best[1:]]
        assert_allclose(value, oracle.bound(visible[row], hidden), atol=1e-10)
        assert value < oracle.log_marginal({0: visible[row]})
        worse = [x[row] for x in layers[1:]]
        assert oracle.bound(visible[row], worse) <= value + 1e-10


@pytest.mark.parametrize("sizes", [(4, 3, 2), (3, 3, 2, 2)])
def test_every_step_of_mean_field_raises_the_bound(sizes):
    machine, oracle = random_machine(sizes, scale=1.5)
    visible = np.unique(oracle.layers[0], axis=0)
    values = [
        -variational_free_energy(
            machine, mean_field(machine, visible, Inference(n, 0.0)).layers
        )
        for n in range(6)
    ]
    assert (np.diff(values, axis=0) >= -1e-12).all()
    assert np.max(values[-1] - values[0]) > 1e-3
    exact = [oracle.log_marginal({0: v}) + oracle.log_z for v in visible]
    assert (values[-1] < exact).all()
    assert_allclose(visible_free_energy(machine, visible, FINE), -values[-1], atol=0.05)


def test_the_bound_is_the_likelihood_where_the_posterior_factorises():
    machine, oracle = random_machine((4, 3, 2))
    machine.params.weights[1][...] = 0.0
    oracle = type(oracle)(*machine.params)
    visible = np.unique(oracle.layers[0], axis=0)
    found = -visible_free_energy(machine, visible, FINE) - oracle.log_z
    assert_allclose(found, [oracle.log_marginal({0: v}) for v in visible])


def test_the_bound_of_one_hidden_layer_is_the_free_energy_itself():
    machine, oracle = random_machine((4, 3))
    visible = oracle.layers[0]
    expected = free_energy(machine, [visible, None])
    np.testing.assert_array_equal(visible_free_energy(machine, visible, FINE), expected)
    np.testing.assert_array_equal(
        variational_free_energy(machine, [visible, None]), expected
    )


def off_by_importance(machine, oracle, n_estimates=1500):
    """Standard errors by which the mean of estimates of p(v), of 2 samples, is off."""
    visible = np.unique(oracle.layers[0], axis=0)
    sizes, found = [len(b) for b in machine.params.biases[2::2]], []
    for seed in range(n_estimates):
        draws = spread_draws(sizes, 2, stream(seed, Purpose.BOUND, visible))
        found.append(-importance_free_energy(machine, visible, USUAL, draws))
    found = np.exp(np.array(found) - oracle.log_z)
    exact = np.exp([oracle.log_marginal({0: v}) for v in visible])
    return np.abs(found.mean(axis=0) - exact) / (found.std(axis=0) / n_estimates**0.5)


@pytest.mark.parametrize("sizes", [(3, 3, 2), (2, 3, 2, 2), (2, 2, 2, 3, 2)])
def test_importance_free_energy_is_right_on_average(sizes):
    machine, oracle = random_machine(sizes, scale=1.5)
    assert off_by_importance(machine, oracle).max() < 5


def test_importance_weights_by_another_distribution_are_wrong(monkeypatch):
    """Negative control: samples from other means than those that q has."""
    machine, oracle = random_machine((3, 3, 2), scale=1.5)
    plain = sampling.sample_from_means

    def flattened(machine, layers, *args):
        return plain(machine, [0.7 * x for x in layers], *args)

    monkeypatch.setattr(sampling, "sample_from_means", flattened)
    assert off_by_importance(machine, oracle).max() > 5


@pytest.mark.parametrize("sizes", [(4, 3, 2), (3, 3, 2, 2)])
def test_importance_free_energy_falls_to_the_free_energy(sizes):
    """From above, and far below the mean-field bound, with more samples."""
    machine, oracle = random_machine(sizes, scale=1.5)
    visible = np.unique(oracle.layers[0], axis=0)
    exact = np.array([-oracle.log_marginal({0: v}) - oracle.log_z for v in visible])

    def off(n_samples):
        draws = stream(0, Purpose.BOUND, visible)
        numbers = spread_draws(
            [len(b) for b in machine.params.biases[2::2]], n_samples, draws
        )
        return importance_free_energy(machine, visible, FINE, numbers) - exact

    bound = visible_free_energy(machine, visible, FINE) - exact
    assert np.abs(off(5000)).max() < 0.1 * bound.max()
    assert np.abs(off(5000)).mean() < np.abs(off(20)).mean() < bound.mean()


def test_importance_free_energy_of_one_hidden_layer_is_the_free_energy():
    machine, oracle = random_machine((4, 3))
    visible = oracle.layers[0]
    found = importance_free_energy(machine, visible, FINE, [[]])
    np.testing.assert_array_equal(found, free_energy(machine, [visible, None]))


def test_lifted_layers_are_drawn_bottom_up():
    machine, _ = random_machine((3, 3, 2, 2))
    visible = np.tile([[0.0, 1.0, 1.0]], (N_CHAINS, 1))
    layers = start_at_visible(machine, visible, chain_stream())
    assert layers[0] is visible
    assert layers[1] is None
    assert layers[3] is None
    p = bottom_up(machine, visible[:1])[2][0]
    expected = np.outer(p, p)
    np.fill_diagonal(expected, p)
    assert standard_errors(layers[2], expected).max() < 5
    machine, _ = random_machine((4, 3))
    assert start_at_visible(machine, visible, None) == [visible, None]
