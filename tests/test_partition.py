"""log Z against the sum over all states."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skebm.core import partition
from skebm.core.streams import Purpose, stream

from .enumeration import Enumeration
from .machines import (
    NAMESPACES,
    SIZES,
    asarray_of,
    machine_of,
    random_arrays,
    random_machine,
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


def zero_base(machine):
    return tuple(b * 0.0 for b in machine.params.biases)


@pytest.mark.parametrize("name", NAMESPACES)
@pytest.mark.parametrize("sizes", SIZES)
def test_annealing_agrees_within_its_own_error(sizes, name):
    weights, biases = random_arrays(sizes)
    machine = machine_of(weights, biases, asarray_of(name))
    found = partition.annealed(
        machine, zero_base(machine), 100, 1000, draws(0, machine.params.biases[0])
    )
    expected = Enumeration(weights, biases).log_z
    assert 0 < found.std_error < 0.05
    assert abs(found.value - expected) < 5 * found.std_error


def test_annealing_is_unbiased_whatever_the_temperatures():
    """E[exp(log weight)] = Z / Z_base even with two temperatures between the ends."""
    machine, oracle = random_machine((4, 3, 2))
    found = partition.annealed(machine, zero_base(machine), 4, 200_000, draws(0))
    assert found.std_error < 0.02
    assert abs(found.value - oracle.log_z) < 5 * found.std_error


def test_annealing_down_from_exact_samples_gives_the_inverse_ratio():
    """Reverse annealing by the same code, from exact samples of the machine."""
    machine, oracle = random_machine((4, 3, 2))
    base = zero_base(machine)
    start = oracle.sample(50_000, np.random.default_rng(3))
    betas = np.linspace(1.0, 0.0, 20).tolist()
    log_weights = partition.anneal(machine, base, betas, start, draws(1))
    ratio, error = partition.log_mean_exp(log_weights)
    expected = partition.base_log_partition(machine, base) - oracle.log_z
    assert abs(ratio - expected) < 5 * error
    assert error < 0.02


def test_annealing_with_a_broken_step_fails_the_same_test(monkeypatch):
    """Negative control: visible units drawn as if at the target's temperature."""
    step = partition.tempered_step

    def broken(machine, base, beta, *rest):
        return step(machine, base, 1.0, *rest)

    monkeypatch.setattr(partition, "tempered_step", broken)
    machine, oracle = random_machine((4, 3, 2))
    found = partition.annealed(machine, zero_base(machine), 4, 200_000, draws(0))
    assert abs(found.value - oracle.log_z) > 5 * found.std_error


def test_base_is_the_product_of_its_layers():
    machine, _ = random_machine((4, 3, 2))
    base = machine.params.biases
    expected = sum(np.log1p(np.exp(b)).sum() for b in base)
    assert_allclose(partition.base_log_partition(machine, base), expected)


def test_log_mean_exp_and_its_error():
    """Against the mean of plain exponentials, shifted by 1000 to show overflow."""
    x = np.random.default_rng(0).normal(size=500)
    value, error = partition.log_mean_exp(x + 1000.0)
    w = np.exp(x)
    assert_allclose(value, 1000.0 + np.log(w.mean()))
    assert_allclose(error, w.std(ddof=1) / np.sqrt(500) / w.mean())
