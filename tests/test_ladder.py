"""log Z by tempered chains on a ladder above the temperatures that annealing passes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skebm.core import ladder, partition, tempering
from skebm.core.machine import Machine, Params
from skebm.core.streams import Purpose, stream
from skebm.core.units import Bernoulli

from .enumeration import Enumeration
from .machines import (
    NAMESPACES,
    SIZES,
    asarray_of,
    machine_of,
    random_arrays,
)

MEAN = [0.3, 0.6, 0.5, 0.7]


def draws(seed, array=None):
    array = np.zeros(1) if array is None else array
    return stream(seed, Purpose.PARTITION, array)


def based(sizes, scale=1.0, asarray=np.asarray):
    """A machine, its base, and log Z at any inverse temperature by enumeration."""
    weights, biases = random_arrays(sizes, scale=scale)
    machine = machine_of(weights, biases, asarray)
    mean = asarray(np.array(MEAN[: sizes[0]]))
    base = tempering.base_biases(machine.units, machine.params, mean)

    def oracle(beta):
        between = [
            (1 - beta) * np.asarray(b0) + beta * b
            for b0, b in zip(base, biases, strict=True)
        ]
        return Enumeration([beta * W for W in weights], between)

    return machine, base, oracle


def coins(machine, n_rows, seed=0):
    """Odd layers of fair coins."""
    array = machine.params.biases[0]
    base = tuple(0.0 * b for b in machine.params.biases)
    layers = tempering.Straight(machine, base).samples(n_rows, draws(seed, array))
    return [x if index % 2 else None for index, x in enumerate(layers)]


@pytest.mark.parametrize("name", NAMESPACES)
@pytest.mark.parametrize("sizes", SIZES)
def test_tempered_chains_agree_with_enumeration(sizes, name):
    machine, base, oracle = based(sizes, 1.5, asarray_of(name))
    random = draws(0, machine.params.biases[0])
    found = ladder.tempered(machine, base, coins(machine, 30), 100, 120, random)
    assert 0 < found.std_error < 0.1
    assert abs(found.value - oracle(1.0).log_z) < 5 * found.std_error
    assert found.lower < oracle(1.0).log_z < found.upper < found.lower + 0.6
    assert found.method == "tempering"
    path = found.path
    for index in range(0, len(path.betas), 40):
        expected = oracle(path.betas[index]).log_z
        for values, errors in (
            (path.forward, path.forward_error),
            (path.reverse, path.reverse_error),
        ):
            assert abs(values[index] - expected) <= 5 * errors[index] + 1e-6
    assert (path.forward[-1], path.reverse[-1]) == (found.forward, found.reverse)


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2)])
def test_bracket_and_error_are_honest(sizes):
    """Of 60 seeded estimates: log Z in the bracket, and the error neither way off."""
    machine, base, oracle = based(sizes, 2.0)
    log_z, chains = oracle(1.0).log_z, coins(machine, 50)
    found = [
        ladder.tempered(machine, base, chains, 50, 40, draws(seed))
        for seed in range(60)
    ]
    inside = [z.lower < log_z < z.upper for z in found]
    assert sum(inside) >= 57
    assert np.median([z.upper - z.lower for z in found]) < 1.0
    scores = [(z.value - log_z) / z.std_error for z in found]
    # A standard deviation from 60 normal numbers is within 0.5 and 1.5 by 5 sigma.
    assert 0.5 < np.std(scores) < 1.5
    assert abs(np.mean(scores)) < 5 / np.sqrt(60)


def moved():
    """Standard errors by which d log Z / d beta is off at each rung, from exact starts.

    With exact states at each rung, sweeps leave them so.
    """
    machine, base, oracle = based((4, 3), 2.0)
    betas, n = np.array([0.2, 0.6, 1.0]), 5000
    rng = np.random.default_rng(0)
    layers = [oracle(beta).sample(n, rng) for beta in betas]
    layers = [np.concatenate([x[0] for x in layers]), None]
    climb = ladder.climbed(machine, base, betas, layers, 4, n, draws(3))
    ratios = climb.ratios[-1]
    assert climb.ratios.shape == (3, 3, n)  # of four sweeps one is not counted
    h = 1e-4
    slopes = [(oracle(b + h).log_z - oracle(b - h).log_z) / (2 * h) for b in betas]
    errors = ratios.std(axis=1) / np.sqrt(n)
    return np.abs(ratios.mean(axis=1) - slopes) / errors


def test_sweeps_leave_the_distribution_of_each_rung():
    assert moved().max() < 5


def test_a_swap_that_is_always_accepted_does_not(monkeypatch):
    """Negative control."""
    monkeypatch.setattr(tempering, "acceptance", lambda x, *_: np.ones_like(x[:1]))
    assert moved().max() > 5


def test_log_z_rises_by_the_slopes():
    """From exact independent states at each rung."""
    machine, base, oracle = based((4, 3), 2.0)
    betas, n = np.array([0.0, 0.3, 0.7, 1.0]), 20_000
    rng = np.random.default_rng(1)
    rows = [oracle(beta).sample(n, rng) for beta in betas]
    ratios = [tempering.log_density_ratio(machine, base, x) for x in rows]
    ratios = np.reshape(ratios, (len(betas), 100, n // 100)).transpose(1, 0, 2)
    found, errors = ladder.mean_risen(betas, ratios)
    expected = [oracle(beta).log_z - oracle(0.0).log_z for beta in betas]
    assert errors[0] == 0.0
    assert errors.max() < 0.05
    assert np.all(np.abs(found - expected) <= 5 * errors)


def test_annealing_is_left_where_its_runs_are_worth_little(monkeypatch):
    """And the ladder goes on from there, with rungs that are equally far apart."""
    machine = machine_of(*random_arrays((30, 25), scale=2.5))
    base = tempering.base_biases(machine.units, machine.params, np.full(30, 0.5))
    way = ladder.approach(machine, base, 100, 201, draws(0))
    monkeypatch.setattr(ladder, "LEAST_WORTH", 0.0)
    further = ladder.approach(machine, base, 100, 201, draws(0)).log_weights
    worth = np.array([partition.effective_size(w) for w in further[::10]])
    left = int(np.argmin(worth >= 50)) - 1  # the last section that ends well
    assert 5 < left < 18
    assert_array_equal(way.log_weights, further[: 10 * left + 1])
    assert_allclose(way.betas, np.linspace(0.0, 1.0, 201)[: 10 * left + 1])
    assert way.betas[-1] == way.ahead[0] < way.ahead[-1] == 1.0
    betas = ladder.rungs(way, 1000)
    assert len(ladder.rungs(way, 4)) == 4
    assert (betas[0], betas[-1]) == (way.betas[-1], 1.0)
    assert np.all(np.diff(betas) > 0)
    lengths = np.interp(
        betas, way.ahead, np.append(0, np.cumsum(way.spread * np.diff(way.ahead)))
    )
    assert_allclose(np.diff(lengths), np.diff(lengths)[0])
    assert np.diff(lengths)[0] <= ladder.RUNG_SPACING


def test_annealing_takes_a_step_at_each_temperature(monkeypatch):
    machine, base, _ = based((4, 3))
    taken, step = [], tempering.tempered_step

    def counted(machine, base, beta, *rest):
        taken.append(beta)
        return step(machine, base, beta, *rest)

    monkeypatch.setattr(tempering, "tempered_step", counted)
    ladder.approach(machine, base, 5, 31, draws(0))
    assert_allclose(taken, np.linspace(0, 1, 31)[1:])


def test_a_mode_that_annealing_has_missed_is_in_the_bracket():
    """The chains of the fit are all in it, as exact samples nearly are."""
    n, pull, above = 40, 6.0, 10.0
    c = above - n * (np.logaddexp(0.0, pull) - np.log(2.0))
    params = Params((np.full((n, 1), pull),), (np.zeros(n), np.array([c])))
    machine = Machine((Bernoulli(), Bernoulli()), params)
    base = tempering.base_biases(machine.units, params, np.full(n, 0.5))
    log_z, chains = partition.exact(machine).value, [None, np.ones((20, 1))]
    found = ladder.tempered(machine, base, chains, 50, 200, draws(0))
    assert found.lower < log_z < found.upper
    assert found.forward < log_z - 5.0


def test_ladders_start_at_either_end():
    """Half of each rung with runs of annealing by their weights, half with chains."""
    machine, base, _ = based((4, 3))
    way = ladder.approach(machine, base, 10, 5, draws(0))
    heavy = np.full((1, 10), -1000.0)
    heavy[0, 3] = 0.0
    way = way._replace(log_weights=heavy)
    always = machine.params.biases[0] * 0 + 100.0  # visible units that always are on
    biases = (always, machine.params.biases[1])
    on = machine._replace(params=machine.params._replace(biases=biases))
    layers = ladder.starts(on, way, [None, np.ones((2, 3))], 3, 4, draws(1))
    visible = layers[0].reshape(3, 4, 4)
    assert layers[1] is None
    assert_array_equal(visible[:, :2], np.broadcast_to(way.layers[0][3], (3, 2, 4)))
    assert_array_equal(visible[:, 2:], 1.0)


def test_a_machine_without_weights_has_a_ladder_too():
    machine, base, oracle = based((4, 3), 0.0)
    found = ladder.tempered(machine, base, coins(machine, 5), 10, 2, draws(0))
    assert abs(found.value - oracle(1.0).log_z) < 1.0
    assert found.lower <= found.value <= found.upper
