"""Machines at inverse temperatures, and chains that change places between them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skebm import BernoulliRBM
from skebm.core import algorithms, tempering
from skebm.core.algorithms import ParallelTempering, PersistentChains, Tempered
from skebm.core.machine import ODD
from skebm.core.streams import Purpose, stream

from .enumeration import Enumeration, energy
from .machines import (
    NAMESPACES,
    SIZES,
    asarray_of,
    machine_of,
    random_arrays,
    random_machine,
    standard_errors,
)
from .test_training import trained

BETAS = (1.0, 0.6, 0.0)


def base_of(sizes, seed=9):
    return random_arrays(sizes, seed)[1]


def tempered_oracle(machine, base, beta):
    weights = [beta * W for W in machine.params.weights]
    pairs = zip(base, machine.params.biases, strict=True)
    return Enumeration(weights, [(1 - beta) * b0 + beta * b for b0, b in pairs])


def draws(seed=0):
    return stream(seed, Purpose.CHAINS, np.zeros(1))


def column(betas):
    return np.array(betas)[:, None]


@pytest.mark.parametrize("sizes", SIZES)
def test_gain_is_the_difference_of_energies(sizes):
    machine, oracle = random_machine(sizes)
    base, states = base_of(sizes), oracle.states[::5]
    layers = [np.array([s[i] for s in states]) for i in range(len(sizes))]
    nothing = [0.0 * W for W in machine.params.weights]
    expected = [energy(nothing, base, s) - energy(*machine.params, s) for s in states]
    assert_allclose(
        tempering.log_density_ratio(machine, base, layers), expected, atol=1e-12
    )


@pytest.mark.parametrize("parity", [0, 1])
def test_a_temperature_for_each_row(parity):
    """As if the rows of one temperature were alone, and by enumeration."""
    machine, _ = random_machine((3, 2))
    base, n = base_of((3, 2)), 20_000
    oracles = [tempered_oracle(machine, base, beta) for beta in BETAS]
    rng = np.random.default_rng(0)
    exact = [oracle.sample(n, rng) for oracle in oracles]
    layers = [np.concatenate(parts) for parts in zip(*exact, strict=True)]
    layers[parity] = None
    beta = np.repeat(column(BETAS), n, axis=0)
    layers = tempering.tempered_sample(machine, base, beta, layers, parity, draws())
    x = np.concatenate(layers, axis=1)
    for k, oracle in enumerate(oracles):
        rows = x[k * n : (k + 1) * n]
        assert standard_errors(rows, oracle.moments()).max() < 5
        other = oracles[(k + 1) % 3]
        assert standard_errors(rows, other.moments()).max() > 5


def errors_after_swaps():
    """Standard errors of all moments, from exact samples at each temperature."""
    machine, _ = random_machine((3, 2), scale=1.5)
    base, n = base_of((3, 2)), 40_000
    oracles = [tempered_oracle(machine, base, beta) for beta in BETAS]
    rng = np.random.default_rng(1)
    exact = [oracle.sample(n, rng) for oracle in oracles]
    layers = [np.concatenate(parts) for parts in zip(*exact, strict=True)]
    found = tempering.swapped(machine, base, column(BETAS), layers, draws())
    before, after = (np.concatenate(x, axis=1) for x in (layers, found))
    assert not np.array_equal(before[:n], after[:n])
    assert_array_equal(
        np.sort(before @ 2.0 ** np.arange(5)), np.sort(after @ 2.0 ** np.arange(5))
    )
    return [
        standard_errors(after[k * n : (k + 1) * n], oracle.moments()).max()
        for k, oracle in enumerate(oracles)
    ]


def test_swaps_leave_every_temperature_its_distribution():
    assert max(errors_after_swaps()) < 5


def test_swaps_at_any_price_do_not(monkeypatch):
    """Negative control."""
    monkeypatch.setattr(
        tempering,
        "acceptance",
        lambda gains, betas, cold, hot: 0.0 * gains[cold, ...] + 0.5,
    )
    assert max(errors_after_swaps()) > 5


def two_modes(strength=7.0):
    """Four visible units, all of them on or all off, with equal probability."""
    W = strength * np.ones((4, 1))
    return machine_of([W], [-strength / 2 * np.ones(4), np.array([-2.0 * strength])])


def share_of_the_other_mode(algorithm, betas, n=500):
    machine = two_modes()
    chains = [None, np.zeros((n * len(betas), 1))]
    if len(betas) > 1:
        chains = Tempered(chains, betas)
    algorithm = algorithm.prepared(machine, np.full(4, 0.5))
    random, rows = draws(), np.zeros((1, 4))
    for _ in range(100):
        phases = algorithm.phases(machine, rows, np.ones(1), chains, random)
        chains = phases.chains
    return phases.up[0][1 : n + 1].mean()


def test_tempered_chains_cross_between_modes_and_plain_ones_do_not():
    five_sigma = 5 * 0.5 / np.sqrt(500)
    tempered = share_of_the_other_mode(ParallelTempering(1), algorithms.FIRST_BETAS)
    assert abs(tempered - 0.5) < five_sigma
    plain = share_of_the_other_mode(PersistentChains(1), (1.0,))
    assert abs(plain - 0.5) > five_sigma


def adjusted(strength, betas, n=200):
    machine = two_modes(strength)
    algorithm = ParallelTempering(1).prepared(machine, np.full(4, 0.5))
    chains = Tempered([None, np.ones((n * len(betas), 1))], betas)
    for _ in range(30):
        chains = algorithm.phases(
            machine, np.zeros((1, 4)), np.ones(1), chains, draws()
        ).chains
    return algorithm.adjusted(machine, chains, draws(1))


def test_temperatures_where_swaps_are_rare_and_none_where_not():
    more = adjusted(40.0, (1.0, 0.0))
    assert more.betas == (1.0, 0.5, 0.0)
    assert more.layers[ODD].shape == (600, 1)
    assert_array_equal(more.layers[ODD][200:400], more.layers[ODD][400:])
    fewer = adjusted(0.1, (1.0, 0.7, 0.5, 0.0))
    assert fewer.betas == (1.0, 0.0)
    assert fewer.layers[ODD].shape == (400, 1)


def test_temperatures_are_limited(monkeypatch):
    monkeypatch.setattr(algorithms, "MAX_BETAS", 2)
    assert adjusted(40.0, (1.0, 0.0))[1] == (1.0, 0.0)


@pytest.mark.parametrize("name", NAMESPACES)
def test_tempered_training_is_the_same_in_every_namespace(name):
    asarray = asarray_of(name)
    X = np.random.default_rng(0).integers(0, 2, (30, 6)).astype(float)
    params = {"algorithm": ParallelTempering(2)}
    expected = trained(X, 3, **params)
    found = trained(asarray(X), 3, weights=asarray(np.ones(30)), **params)
    assert found.chains.betas == expected.chains.betas
    for group, wanted in zip(found.params, expected.params, strict=True):
        for x, y in zip(group, wanted, strict=True):
            assert_allclose(np.asarray(x), y, atol=1e-10)


def test_chains_come_back_from_what_is_saved_of_them():
    """Or start anew: all if their number has changed, and where there were none."""
    layers = [None, np.arange(18.0).reshape(6, 3), None]
    chains, sizes = Tempered(layers, BETAS), (4, 3, 2)
    algorithm, plain = ParallelTempering(1), PersistentChains(1)
    samples, others = algorithm.samples(chains), algorithm.companions(chains)
    assert_array_equal(samples[1], layers[1][:2])
    joined = algorithm.joined(samples, others)
    assert joined.betas == BETAS
    assert_array_equal(joined.layers[1], layers[1])

    def draw(n_rows):
        return [None, np.zeros((n_rows, 3)), None]

    assert algorithm.adapted(joined, 2, sizes, draw) is joined
    more = algorithm.adapted(joined, 4, sizes, draw)
    assert (more.betas, more.layers[1].shape) == (BETAS, (12, 3))
    new = algorithm.adapted(algorithm.joined(samples, None), 2, sizes, draw)
    assert new.betas == algorithms.FIRST_BETAS
    assert new.layers[1].shape == (10, 3)
    # Chains of the machine itself go on by themselves.
    assert plain.adapted(plain.joined(samples, others), 2, sizes, draw) is samples
    assert plain.adapted(samples, 3, sizes, draw)[1].shape == (3, 3)


def test_estimator_goes_on_with_its_temperatures():
    X = np.random.default_rng(0).integers(0, 2, (60, 6)).astype(float)
    params = {"algorithm": "pt", "n_chains": 20, "random_state": 0}
    rbm = BernoulliRBM(3, n_iter=4, learning_rate_schedule="constant", **params).fit(X)
    assert rbm.h_samples_.shape == (20, 3)
    other = BernoulliRBM(3, n_iter=2, learning_rate_schedule="constant", **params)
    other.fit(X).set_params(warm_start=True).fit(X)
    assert_array_equal(other.components_, rbm.components_)
    assert_array_equal(other.h_samples_, rbm.h_samples_)
    others = rbm._training["companions"]
    assert others["layers"][1].shape == (20 * (len(others["betas"]) - 1), 3)
    rbm.set_params(algorithm="pcd").partial_fit(X)
    assert rbm._training["companions"] is None
    rbm.set_params(algorithm="pt", n_chains=5).partial_fit(X)
    assert rbm.h_samples_.shape == (5, 3)
