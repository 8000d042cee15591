"""log Z against the sum over all states."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skebm.core import partition, tempering
from skebm.core.machine import EVEN, ODD
from skebm.core.streams import Purpose, stream
from skebm.core.units import Bernoulli, Tied

from .enumeration import Enumeration
from .machines import (
    NAMESPACES,
    SIZES,
    asarray_of,
    machine_of,
    random_arrays,
    random_machine,
    standard_errors,
)


def draws(seed, array=None):
    return stream(seed, Purpose.PARTITION, np.zeros(1) if array is None else array)


@pytest.mark.parametrize("name", NAMESPACES)
@pytest.mark.parametrize("sizes", [*SIZES, (2, 5), (3, 2, 4)])
def test_exact_is_the_sum_over_all_states(sizes, name, monkeypatch):
    """Either side may be the smaller one, and blocks may end anywhere."""
    weights, biases = random_arrays(sizes)
    machine = machine_of(weights, biases, asarray_of(name))
    expected = Enumeration(weights, biases).log_z
    for block_bytes in (partition.BLOCK_BYTES, 8 * sum(sizes) * 3):
        monkeypatch.setattr(partition, "BLOCK_BYTES", block_bytes)
        found = partition.exact(machine)
        assert_allclose(found.value, expected, atol=1e-10)
        assert found.lower == found.value == found.upper


def mixed(sizes, index):
    """A machine with sums of two tied units in one layer; all units; their sums."""
    weights, biases = random_arrays(sizes, scale=0.7)
    machine = machine_of(weights, biases)
    kinds = list(machine.units)
    kinds[index] = Tied(Bernoulli(), 2)
    # Each unit of that layer twice: rows of the weights above, columns of those below.
    biases[index] = np.tile(biases[index], 2)
    weights[index - 1] = np.tile(weights[index - 1], 2)
    if index < len(weights):
        weights[index] = np.tile(weights[index], (2, 1))
    oracle = Enumeration(weights, biases)

    def summed(layers):
        n = sizes[index]
        return [x[:, :n] + x[:, n:] if i == index else x for i, x in enumerate(layers)]

    return machine._replace(units=tuple(kinds)), oracle, summed


MIXED = [((2, 6, 2), 2, EVEN, 4 * 9), ((4, 2, 3, 2), 1, ODD, 9 * 4)]


@pytest.mark.parametrize(("sizes", "index", "parity", "n_states"), MIXED)
def test_log_z_of_layers_of_several_kinds(sizes, index, parity, n_states, monkeypatch):
    """Each layer on the side that is enumerated has states of its own kind."""
    machine, oracle, summed = mixed(sizes, index)
    assert partition.smaller_side(machine) == (
        parity,
        n_states,
        sum(sizes[parity::2]),
    )
    for block_bytes in (partition.BLOCK_BYTES, 8 * sum(sizes) * 3):
        monkeypatch.setattr(partition, "BLOCK_BYTES", block_bytes)
        assert_allclose(partition.exact(machine).value, oracle.log_z, atol=1e-10)
    samples = summed(oracle.sample(1000, np.random.default_rng(0)))
    found = partition.annealed(machine, zero_base(machine), samples, 60, draws(0))
    assert 0 < found.std_error < 0.05
    assert abs(found.value - oracle.log_z) < 5 * found.std_error
    assert found.lower < oracle.log_z < found.upper < found.lower + 0.5


def test_a_side_that_cannot_be_enumerated_is_left_to_the_other():
    class Endless(Bernoulli):
        """Units without states to count."""

        n_states = states = property()

    machine, oracle = random_machine((2, 5))
    visible, hidden = Endless(), Endless()
    other = machine._replace(units=(visible, Bernoulli()))
    assert partition.smaller_side(other).parity == ODD
    assert_allclose(partition.exact(other).value, oracle.log_z, atol=1e-10)
    with pytest.raises(ValueError, match=r"method='exact'\) needs .* Endless units"):
        partition.exact(machine._replace(units=(visible, hidden)))


def zero_base(machine):
    return tuple(b * 0.0 for b in machine.params.biases)


def annealed_from_chance(machine, n_betas, n_runs, seed=0):
    """`annealed`, with chains that start as fair coins."""
    chains = [
        (draws(seed).uniform((n_runs, len(b))) < 0.5).astype(float) if i % 2 else None
        for i, b in enumerate(machine.params.biases)
    ]
    base, random = zero_base(machine), draws(seed)
    samples = partition.settled(machine, chains, n_runs, n_betas, random)
    return partition.annealed(machine, base, samples, n_betas, random)


@pytest.mark.parametrize("name", NAMESPACES)
@pytest.mark.parametrize("sizes", SIZES)
def test_annealing_agrees_within_its_own_error(sizes, name):
    weights, biases = random_arrays(sizes)
    asarray = asarray_of(name)
    machine = machine_of(weights, biases, asarray)
    array = machine.params.biases[0]
    oracle = Enumeration(weights, biases)
    exact = oracle.sample(1000, np.random.default_rng(0))
    samples = [asarray(x) for x in exact]
    found = partition.annealed(
        machine, zero_base(machine), samples, 60, draws(0, array)
    )
    assert 0 < found.std_error < 0.05
    assert abs(found.value - oracle.log_z) < 5 * found.std_error
    assert found.lower < oracle.log_z < found.upper < found.lower + 0.5
    assert found.lower < found.value < found.upper
    assert 10 < found.effective_samples <= 1000


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2)])
def test_bracket_and_error_are_honest(sizes):
    """Of 100 seeded estimates: log Z in the bracket, and the error neither way off."""
    machine, oracle = random_machine(sizes, scale=1.5)
    found = [annealed_from_chance(machine, 20, 50, seed) for seed in range(100)]
    inside = [z.lower < oracle.log_z < z.upper for z in found]
    assert sum(inside) >= 95
    widths = [z.upper - z.lower for z in found]
    assert np.median(widths) < 1.0
    scores = [(z.value - oracle.log_z) / z.std_error for z in found]
    # A standard deviation from 100 normal numbers is within 0.7 and 1.35 by 5 sigma.
    assert 0.65 < np.std(scores) < 1.35
    assert abs(np.mean(scores)) < 0.5


@pytest.mark.parametrize("falling", [False, True])
def test_annealing_is_unbiased_whatever_the_temperatures(falling):
    """E[exp(log weight)] = Z ratio even with two temperatures between the ends."""
    assert deviation_of_annealing(falling) < 5


@pytest.mark.parametrize("falling", [False, True])
def test_annealing_with_a_broken_step_fails_the_same_test(monkeypatch, falling):
    """Negative control: every step is made at the same temperature."""
    step = tempering.tempered_step

    def broken(machine, base, beta, *rest):
        return step(machine, base, 0.9, *rest)

    monkeypatch.setattr(tempering, "tempered_step", broken)
    assert deviation_of_annealing(falling) > 5


def deviation_of_annealing(falling):
    """Standard errors by which the mean weight is off, from exact starts."""
    machine, oracle = random_machine((4, 3, 2))
    base = tempering.base_biases(
        machine.units, machine.params, np.array([0.1, 0.5, 0.8, 0.6])
    )
    betas = [0.0, 1 / 3, 2 / 3, 1.0]
    path = tempering.Straight(machine, base)
    expected = oracle.log_z - path.log_partition()
    if falling:
        start = oracle.sample(200_000, np.random.default_rng(3))
        betas, expected = betas[::-1], -expected
    else:
        start = path.samples(200_000, draws(2))
    log_weights, _ = partition.anneal(path, betas, start, draws(1))
    ratio, error = partition.log_mean_and_error(log_weights)
    assert error < 0.02
    return abs(ratio - expected) / error


def test_the_path_is_log_z_at_each_temperature():
    """Of both directions, within their errors, against sums over all states."""
    weights, biases = random_arrays((4, 3, 2))
    machine, oracle = machine_of(weights, biases), Enumeration(weights, biases)
    mean = np.array([0.1, 0.5, 0.8, 0.6])
    base = tempering.base_biases(machine.units, machine.params, mean)
    samples = oracle.sample(20_000, np.random.default_rng(3))
    found = partition.annealed(machine, base, samples, 5, draws(1))
    path = found.path
    assert path.betas == (0.0, 0.25, 0.5, 0.75, 1.0)
    for index, beta in enumerate(path.betas):
        tempered = [
            (1 - beta) * b + beta * c for b, c in zip(base, biases, strict=True)
        ]
        expected = Enumeration([beta * W for W in weights], tempered).log_z
        for values, errors in (
            (path.forward, path.forward_error),
            (path.reverse, path.reverse_error),
        ):
            assert errors[index] < 0.03
            assert abs(values[index] - expected) <= 5 * errors[index] + 1e-12
    assert path.forward_error[0] == path.reverse_error[0] == 0.0
    assert_allclose(path.forward[-1], found.forward)
    assert_allclose(path.reverse[-1], found.reverse)
    assert_allclose(path.forward_error[-1], found.forward_error)
    assert_allclose(path.reverse_error[-1], found.reverse_error)
    assert repr(path) == "<Path of 5 temperatures>"


def test_errors_of_the_path_are_those_of_repetitions():
    """Standard deviations over repetitions, and a path without its errors' middle."""
    weights, biases = random_arrays((4, 3, 2))
    machine, oracle = machine_of(weights, biases), Enumeration(weights, biases)
    base, rng = zero_base(machine), np.random.default_rng(0)
    found = [
        partition.annealed(machine, base, oracle.sample(200, rng), 5, draws(seed)).path
        for seed in range(200)
    ]
    for name in ("forward", "reverse"):
        values = np.array([getattr(path, name) for path in found])[:, 1:]
        errors = np.array([getattr(path, f"{name}_error") for path in found])[:, 1:]
        ratio = values.std(axis=0) / np.sqrt((errors**2).mean(axis=0))
        # A standard deviation of 200 values is within 5 * 5 percent.
        assert_allclose(ratio, 1.0, atol=0.25)


def test_acceptance_ratio_of_normal_work():
    """Normal work as Crooks has it: means of ratio - s^2/2 and of -ratio - s^2/2."""
    rng = np.random.default_rng(0)
    scores = []
    for _ in range(200):
        forward = 7.0 - 2.0 + 2.0 * rng.normal(size=80)
        reverse = -7.0 - 2.0 + 2.0 * rng.normal(size=40)
        ratio, error = partition.acceptance_ratio(forward, reverse)
        scores.append((ratio - 7.0) / error)
    assert abs(np.mean(scores)) < 5 / np.sqrt(200)
    assert 0.8 < np.std(scores) < 1.25


def test_acceptance_ratio_survives_extreme_weights():
    forward = np.array([1000.0, -1000.0, 0.0])
    ratio, error = partition.acceptance_ratio(forward, -forward + 3.0)
    assert np.isfinite(ratio)
    assert error > 0


def test_effective_size():
    assert_allclose(partition.effective_size(np.full(9, 1234.5)), 9.0)
    assert_allclose(partition.effective_size(np.array([0.0, -1e4, -1e4])), 1.0)


def test_base_is_the_product_of_its_layers():
    machine, _ = random_machine((4, 3, 2))
    base = machine.params.biases
    expected = sum(np.log1p(np.exp(b)).sum() for b in base)
    found = tempering.Straight(machine, base).log_partition()
    assert_allclose(found, expected)


def test_base_biases_give_the_means_and_stay_finite():
    machine, _ = random_machine((4, 3))
    mean = np.array([0.0, 0.3, 0.9, 1.0])
    visible, hidden = tempering.base_biases(machine.units, machine.params, mean)
    assert_allclose(1 / (1 + np.exp(-visible)), mean, atol=1.1e-4)
    assert np.isfinite(visible).all()
    assert_allclose(hidden, 0.0)


def test_log_mean_exp_and_its_error():
    """Against the mean of plain exponentials, shifted by 1000 to show overflow."""
    x = np.random.default_rng(0).normal(size=500)
    value, error = partition.log_mean_and_error(x + 1000.0)
    w = np.exp(x)
    assert_allclose(value, 1000.0 + np.log(w.mean()))
    assert_allclose(error, w.std(ddof=1) / np.sqrt(500) / w.mean())


def test_settled_chains_have_run_all_their_steps():
    weights, biases = random_arrays((4, 3), seed=0, scale=2.0)
    machine, oracle = machine_of(weights, biases), Enumeration(weights, biases)
    x, p = oracle.layers[0], oracle.probabilities
    moments, chains = x.T @ (p[:, None] * x), [None, np.zeros((7, 3))]
    found = [partition.settled(machine, chains, 20_000, n, draws(0)) for n in (50, 1)]
    assert standard_errors(found[0][0], moments).max() < 5
    assert standard_errors(found[1][0], moments).max() > 5


def annealed_with(monkeypatch, up, down):
    """`annealed` with these log weights; log Z of the base is 7 log 2."""
    machine, _ = random_machine((4, 3))
    logs = iter([up, down])

    def anneal(*args):
        weights, passed = next(logs), args[-1]
        passed.append(weights)
        return weights, None

    monkeypatch.setattr(partition, "anneal", anneal)
    samples = [np.zeros((len(up), 4)), None]
    return partition.annealed(machine, zero_base(machine), samples, 2, draws(0))


def test_bounds_enclose_all_three_estimates(monkeypatch):
    rng = np.random.default_rng(0)
    up, down = rng.normal(1.0, 1.0, 50), rng.normal(0.5, 1.0, 50)
    found = annealed_with(monkeypatch, up, down)
    forward, reverse = (partition.log_mean_and_error(x) for x in (up, down))
    bennett = partition.acceptance_ratio(up, down)
    estimates = np.array([forward[0], -reverse[0], bennett[0]]) + 7 * np.log(2)
    margins = 2 * np.array([forward[1], reverse[1], bennett[1]])
    assert_allclose(found.lower, min(estimates - margins))
    assert_allclose(found.upper, max(estimates + margins))
    assert_allclose([found.forward, found.reverse], estimates[:2])
    errors = [found.forward_error, found.reverse_error]
    assert_allclose(errors, [forward[1], reverse[1]])


@pytest.mark.parametrize("gap", [3.0, -3.0])
def test_forward_above_reverse_annealing_is_the_value(gap, monkeypatch):
    """The other way round is what annealing in too few steps looks like."""
    rng = np.random.default_rng(0)
    up, down = rng.normal(gap, 0.3, 50), rng.normal(0.0, 0.3, 50)
    forward, error = partition.log_mean_and_error(up)
    found = annealed_with(monkeypatch, up, down)
    agrees = np.isclose(found.value, forward + 7 * np.log(2))
    assert agrees == (found.std_error == error) == (gap > 0)
