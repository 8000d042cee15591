"""Annealing from a mixture against the enumeration of all states."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skebm.core import mixture, mixture_annealing, partition
from skebm.core.backend import to_numpy
from skebm.core.machine import Machine, Params
from skebm.core.partition import log_mean_and_error
from skebm.core.streams import Purpose, stream
from skebm.core.tempering import Straight, base_biases
from skebm.core.units import Bernoulli

from .enumeration import Enumeration, all_states
from .machines import (
    NAMESPACES,
    SIZES,
    asarray_of,
    machine_of,
    random_arrays,
    standard_errors,
)

BETAS = [0.0, 0.3, 0.8, 1.0]


def draws(seed, array=None):
    array = np.zeros(1) if array is None else array
    return stream(seed, Purpose.PARTITION, array)


def path_for(sizes, asarray=np.asarray, k=3):
    """A path from `k` components, their means and weights, and the oracle."""
    weights, biases = random_arrays(sizes, scale=1.5)
    machine, rng = machine_of(weights, biases, asarray), np.random.default_rng(5)
    means = [rng.uniform(0.05, 0.95, size=(k, n)) for n in sizes[::2]]
    counts = np.arange(1.0, k + 1.0)
    kinds = machine.units[::2]
    found = mixture.of_components(kinds, [asarray(m) for m in means], asarray(counts))
    coins = tuple(asarray(np.zeros(n)) for n in sizes)
    path = mixture_annealing.FromMixture(machine, found, coins)
    return path, means, counts / counts.sum(), Enumeration(weights, biases)


def even_states(sizes):
    """All states of the even layers, as full lists of layers."""
    states = all_states(sizes[::2])
    even = [np.array([s[index] for s in states]) for index in range(len(sizes[::2]))]
    return mixture_annealing.all_layers(even, len(sizes))


def density_by_definition(path, means, weights, oracle, layers, beta):
    """sum_k w_k q_k(x)^(1 - beta) sum_(odd) exp(-beta E), row by row."""
    found = []
    for row in range(len(layers[0])):
        known = {index: x[row] for index, x in enumerate(layers) if x is not None}
        match = np.ones(len(oracle.states), dtype=bool)
        for index, value in known.items():
            match &= (oracle.layers[index] == value).all(axis=1)
        of_machine = np.exp(-beta * oracle.energies[match]).sum()
        q = [
            np.prod([np.where(x == 1, m[k], 1 - m[k]).prod() for m, x in pairs])
            for k in range(len(weights))
            for pairs in [list(zip(means, known.values(), strict=True))]
        ]
        found.append(np.log(weights @ np.array(q) ** (1 - beta) * of_machine))
    return np.array(found)


@pytest.mark.parametrize("sizes", [(4, 3), (3, 3, 2), (2, 2, 2, 2)])
@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_densities_along_the_path_are_those_of_the_definition(sizes, beta):
    path, means, weights, oracle = path_for(sizes)
    layers = even_states(sizes)
    found = path.log_density(beta, layers, path.seen(layers))
    expected = density_by_definition(path, means, weights, oracle, layers, beta)
    assert_allclose(found, expected, atol=1e-10)
    log_z = {0.0: path.log_partition(), 1.0: oracle.log_z}
    if beta in log_z:
        assert_allclose(np.logaddexp.reduce(found), log_z[beta])


def moved_by_a_step(sizes, beta=0.3, n_rows=100_000):
    """Standard errors by which moments are off after a step from exact samples."""
    path, *_ = path_for(sizes)
    layers = even_states(sizes)
    log_p = path.log_density(beta, layers, path.seen(layers))
    p = np.exp(log_p - np.logaddexp.reduce(log_p))
    picked = np.random.default_rng(0).choice(len(p), size=n_rows, p=p)
    start = [None if x is None else x[picked] for x in layers]
    after = path.step(beta, start, path.seen(start), draws(1))
    x, y = (np.concatenate(rows[::2], axis=1) for rows in (layers, after))
    return standard_errors(y, x.T @ (p[:, None] * x)).max()


@pytest.mark.parametrize("sizes", [(4, 3), (3, 3, 2)])
def test_a_step_leaves_the_density_as_it_is(sizes):
    assert moved_by_a_step(sizes) < 5


def test_a_step_with_components_by_their_weights_alone_does_not(monkeypatch):
    """Negative control: the component does not look at the units."""
    softmax = mixture_annealing.softmax
    monkeypatch.setattr(mixture_annealing, "softmax", lambda a: softmax(0.0 * a))
    assert moved_by_a_step((4, 3)) > 5


@pytest.mark.parametrize("falling", [False, True])
@pytest.mark.parametrize("sizes", [(4, 3), (3, 3, 2)])
def test_annealing_is_unbiased_whatever_the_temperatures(sizes, falling):
    path, *_, oracle = path_for(sizes)
    betas, expected = BETAS, oracle.log_z - path.log_partition()
    start = path.samples(100_000, draws(2))
    if falling:
        betas, expected = BETAS[::-1], -expected
        start = oracle.sample(100_000, np.random.default_rng(3))
    log_weights, _ = partition.anneal(path, betas, start, draws(1))
    ratio, error = log_mean_and_error(log_weights)
    assert error < 0.03
    assert abs(ratio - expected) < 5 * error


def test_samples_are_those_of_the_mixture():
    path, means, weights, _ = path_for((4, 3, 2))
    layers = path.samples(40_000, draws(0))
    assert layers[1] is None
    x = np.concatenate(layers[::2], axis=1)
    m = np.concatenate(means, axis=1)
    expected = np.einsum("k,ki,kj->ij", weights, m, m)
    np.fill_diagonal(expected, weights @ m)
    assert standard_errors(x, expected).max() < 5


def test_things_are_drawn_evenly():
    """Each about as often as its weight says, and none more than once off."""
    weights = np.array([0.5, 0.0, 3.0, 1.5])
    for seed in range(20):
        numbers = mixture_annealing.systematic(weights, 100, draws(seed))
        counts = np.bincount(numbers, minlength=4)
        assert counts[1] == 0
        assert np.abs(counts - 100 * weights / 5).max() <= 1
    few = [
        mixture_annealing.systematic(weights, 1, draws(seed))[0] for seed in range(2000)
    ]
    p = weights / 5
    errors = np.sqrt(p * (1 - p) / 2000) + 1e-12
    assert np.max(np.abs(np.bincount(few, minlength=4) / 2000 - p) / errors) < 5


@pytest.mark.parametrize("name", NAMESPACES)
def test_a_mixture_finds_separate_patterns(name):
    """Two of four units each, one twice as often as the other."""
    asarray, rng = asarray_of(name), np.random.default_rng(0)
    rare = rng.uniform(size=300) < 1 / 3
    x = np.where(rare[:, None], [0.9, 0.9, 0.1, 0.1], [0.1, 0.1, 0.9, 0.9])
    x = asarray((rng.uniform(size=x.shape) < x).astype(float))
    found = mixture.fitted((Bernoulli(),), [x], draws(0, x))
    weights = np.exp(to_numpy(found.log_weights))
    means = 1 / (1 + np.exp(-to_numpy(found.biases[0])))
    assert_allclose(weights.sum(), 1.0)
    is_rare = means[0] > 0.5
    assert_allclose(weights[is_rare].sum(), rare.mean(), atol=0.1)
    shares = to_numpy(found.shares([asarray(np.array([[1.0, 1.0, 0.0, 0.0]]))]))
    assert shares[0, is_rare].sum() > 0.9


def density_missed(monkeypatch, n_rounds):
    """By how much two fitted components are below those of 12 overlapping units."""
    monkeypatch.setattr(mixture, "MOST_COMPONENTS", 2)
    monkeypatch.setattr(mixture, "N_ROUNDS", n_rounds)
    rng, kinds = np.random.default_rng(0), (Bernoulli(),)
    means, counts = np.array([[0.7] * 12, [0.3] * 12]), np.array([1.0, 2.0])
    true = mixture.of_components(kinds, [means], counts)
    picked = rng.choice(2, size=4000, p=counts / 3)
    x = (rng.uniform(size=(4000, 12)) < means[picked]).astype(float)
    found = mixture.fitted(kinds, [x[:2000]], draws(0))
    log_p, best = (
        np.logaddexp.reduce(m.scores([x[2000:]]) + m.log_weights, axis=1)
        for m in (found, true)
    )
    return (best - log_p).mean()


def test_a_mixture_is_fitted_until_it_is_near(monkeypatch):
    """A single round, from some of the rows on, is not enough."""
    assert density_missed(monkeypatch, mixture.N_ROUNDS) < 0.01
    assert density_missed(monkeypatch, 1) > 0.05


def test_one_component_has_the_mean_of_all():
    """And where a column is constant, it stays away from the end."""
    x = np.random.default_rng(0).uniform(size=(9, 4))
    x[:, 2] = 1.0
    found = mixture.fitted((Bernoulli(),), [x], draws(0))
    means = 1 / (1 + np.exp(-found.biases[0][:, 0]))
    assert_allclose(means, np.clip(x.mean(axis=0), 0.0, 1 - mixture.MARGIN))


def test_components_far_from_all_rows_come_back():
    """Densities of wide rows underflow in single precision; a warning is an error."""
    rng = np.random.default_rng(0)
    patterns = rng.uniform(size=(3, 200)) < 0.5
    x = patterns[rng.integers(3, size=500)] ^ (rng.uniform(size=(500, 200)) < 0.02)
    found = mixture.fitted((Bernoulli(),), [x.astype(np.float32)], draws(0))
    assert np.isfinite(found.log_weights).all()
    assert found.log_weights.dtype == np.float32


def test_shares_are_posterior_probabilities():
    path, means, weights, _ = path_for((4, 3))
    x = path.samples(20, draws(0))[0]
    q = (
        weights
        * np.array([np.prod(np.where(x == 1, m, 1 - m), axis=1) for m in means[0]]).T
    )
    expected = q / q.sum(axis=1, keepdims=True)
    assert_allclose(path.mixture.shares([x]), expected)


def test_mixtures_are_joined_by_their_shares():
    """A row has the density of each by its share."""
    rng, kinds = np.random.default_rng(0), (Bernoulli(), Bernoulli())
    samples = [[rng.uniform(size=(9, n)) for n in (4, 2)] for _ in range(2)]
    parts = [mixture.fitted(kinds, samples[0], draws(0))]
    parts.append(mixture.broad(kinds, samples[1]))
    means = 1 / (1 + np.exp(-parts[1].biases[0][:, 0]))
    assert_allclose(means, samples[1][0].mean(axis=0))
    found = mixture.joined(parts, (0.8, 0.2))

    def density(part):
        return np.exp(part.scores(samples[0]) + part.log_weights).sum(axis=1)

    expected = 0.8 * density(parts[0]) + 0.2 * density(parts[1])
    assert_allclose(density(found), expected)


def test_weights_follow_the_runs():
    path, *_ = path_for((4, 3))
    layers = path.samples(50, draws(0))
    log_weights = np.full(50, -1000.0)
    log_weights[7] = 3.0
    new = mixture_annealing.reweighted(path.mixture, layers, log_weights)
    expected = 0.3 * np.exp(path.mixture.log_weights)
    expected += 0.7 * path.mixture.shares([layers[0][7:8]])[0]
    assert_allclose(np.exp(new.log_weights), expected)


def base_of(machine):
    """Biases of zero, and so visible units that are on half of the time."""
    return tuple(0.0 * b for b in machine.params.biases)


def log_z_of(machine, chains, n_runs, n_betas, random):
    """log Z from a mixture, by cooling from fair coins."""
    return mixture_annealing.annealed(
        machine, base_of(machine), chains, n_runs, n_betas, random
    )


def two_modes(n=40, pull=6.0, log_odds=4.0):
    """A machine whose one hidden unit switches all visible ones on; chains half in it.

    It is on with these odds, and visible units are fair coins where it is off. Gibbs
    steps never go from one mode to the other.
    """
    c = log_odds - n * (np.logaddexp(0.0, pull) - np.log(2.0))
    params = Params((np.full((n, 1), pull),), (np.zeros(n), np.array([c])))
    machine = Machine((Bernoulli(), Bernoulli()), params)
    return machine, [None, np.array([[0.0], [1.0]] * 25)]


def test_modes_that_chains_visit_in_wrong_proportions():
    """All of log Z is found, where annealing from independent units misses most."""
    machine, chains = two_modes()
    log_z = partition.exact(machine).value
    found = [log_z_of(machine, chains, 50, 100, draws(s)) for s in range(10)]
    assert_allclose([z.value for z in found], log_z, atol=0.2)
    assert sum(z.lower < log_z < z.upper < z.lower + 1.0 for z in found) >= 9
    samples = partition.settled(machine, chains, 50, 100, draws(0))
    plain = partition.annealed(machine, base_of(machine), samples, 100, draws(0))
    assert plain.value < log_z - 1.0


def several_modes(seed):
    """A machine with strong weights, and one chain, in one of its states."""
    rng = np.random.default_rng(seed)
    machine = machine_of(
        [4.0 * rng.normal(size=(12, 8))], [rng.normal(size=12), np.zeros(8)]
    )
    return machine, [None, np.ones((1, 8))]


def test_one_chain_is_enough_to_find_all_modes():
    """Others are cooled, and come to where it is not."""
    found = []
    for seed in range(20):
        machine, chains = several_modes(seed)
        z, log_z = (
            log_z_of(machine, chains, 100, 50, draws(seed)),
            partition.exact(machine),
        )
        found.append((z.lower < log_z.value < z.upper, abs(z.value - log_z.value)))
    held, errors = np.array(found).T
    assert held.sum() >= 19
    assert errors.max() < 0.5


@pytest.mark.parametrize("mode", [0.0, 1.0])
def test_a_mode_without_a_chain_is_found(mode):
    """All chains are in one mode; those that start from coins come to the other."""
    machine, (_, hidden) = two_modes()
    chains = [None, np.zeros_like(hidden) + mode]
    log_z = partition.exact(machine).value
    found = [log_z_of(machine, chains, 50, 100, draws(s)) for s in range(10)]
    assert_allclose([z.value for z in found], log_z, atol=0.2)


def test_a_mode_is_found_that_only_cooled_chains_come_to():
    """Chains are in the mode where all is off, and coins fall into it too.

    12 hidden units like all of 20 visible ones, which are on where 12 of them are.
    """
    params = Params((np.full((20, 12), 4.0),), (np.full(20, -44.8), np.full(12, -5.4)))
    machine = Machine((Bernoulli(), Bernoulli()), params)
    base = base_biases(machine.units, params, np.full(20, 0.9))
    chains, log_z = [None, np.zeros((50, 12))], partition.exact(machine).value
    assert log_z > 0.5  # of the mode with chains alone it is less than 0.1
    for seed in range(5):
        z = mixture_annealing.annealed(machine, base, chains, 50, 100, draws(seed))
        assert abs(z.value - log_z) < 0.2


@pytest.mark.parametrize("name", NAMESPACES)
@pytest.mark.parametrize("sizes", SIZES)
def test_annealing_from_a_mixture_agrees_with_enumeration(sizes, name):
    weights, biases = random_arrays(sizes, scale=1.5)
    machine = machine_of(weights, biases, asarray_of(name))
    array, oracle = machine.params.biases[0], Enumeration(weights, biases)
    found = mixture_annealing.annealed(
        machine, base_of(machine), coins(machine), 100, 60, draws(0, array)
    )
    assert 0 < found.std_error < 0.1
    assert abs(found.value - oracle.log_z) < 5 * found.std_error
    assert found.lower < oracle.log_z < found.upper < found.lower + 1.0
    assert found.method == "ais"
    assert len(found.path.betas) == 60
    assert (found.path.forward[-1], found.path.reverse[-1]) == pytest.approx(
        (found.forward, found.reverse)
    )


def coins(machine, n_rows=30):
    """Odd layers of fair coins."""
    base = base_of(machine)
    layers = Straight(machine, base).samples(n_rows, draws(0, base[0]))
    return [x if index % 2 else None for index, x in enumerate(layers)]


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2)])
def test_bracket_and_error_are_honest(sizes):
    """Of 60 seeded estimates: log Z in the bracket, and the error neither way off."""
    weights, biases = random_arrays(sizes, scale=2.0)
    machine, log_z = machine_of(weights, biases), Enumeration(weights, biases).log_z
    found = [
        mixture_annealing.annealed(
            machine, base_of(machine), coins(machine, 50), 50, 40, draws(seed)
        )
        for seed in range(60)
    ]
    assert sum(z.lower < log_z < z.upper for z in found) >= 57
    scores = np.array([(z.value - log_z) / z.std_error for z in found])
    assert abs(scores.mean()) < 5 / np.sqrt(60)
    assert 0.5 < scores.std() < 1.5


def test_temperatures_are_closer_near_the_ends():
    betas = np.array(mixture_annealing.spaced(101))
    assert (betas[0], betas[-1]) == (0.0, 1.0)
    steps = np.diff(betas)
    assert (steps > 0).all()
    assert steps[0] < steps[50] > steps[-1]


@pytest.mark.parametrize("n_betas", [2, 3, 5])
def test_few_temperatures_and_few_chains_will_do(n_betas):
    machine = machine_of(*random_arrays((4, 3)))
    found = mixture_annealing.annealed(
        machine, base_of(machine), coins(machine, 1), 2, n_betas, draws(0)
    )
    assert np.isfinite([found.value, found.lower, found.upper]).all()
    assert found.lower <= found.value <= found.upper


def test_snapshots_are_means_along_the_chains():
    machine, chains = two_modes()
    (means,) = mixture_annealing.snapshots(machine, chains, 11, draws(0))
    assert means.shape == (100, 40)
    expected = 1 / (1 + np.exp(np.where(chains[1] > 0, -6.0, 0.0)))
    assert_allclose(means, np.tile(np.broadcast_to(expected, (50, 40)), (2, 1)))


def test_snapshots_are_hardly_more_than_the_fit_has_use_for(monkeypatch):
    monkeypatch.setattr(mixture_annealing, "MOST_SAMPLES", 120)
    machine, chains = two_modes()
    (means,) = mixture_annealing.snapshots(machine, chains, 100, draws(0))
    assert means.shape == (150, 40)  # of 50 chains, at steps 0, 42 and 84


def test_rows_are_drawn_by_their_weights():
    layers = [np.arange(6.0)[:, None], None, 10 * np.arange(6.0)[:, None]]
    log_weights = np.array([-1e3, 0.0, -1e3, -1e3, 0.0, -1e3])
    found = mixture_annealing.resampled(layers, log_weights, draws(0))
    assert_array_equal(found[0][:, 0], [1, 1, 1, 4, 4, 4])
    assert found[1] is None
    assert_array_equal(found[2], 10 * found[0])
