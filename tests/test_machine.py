"""The machine against the sum over all its states."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skebm.core.backend import to_numpy
from skebm.core.machine import (
    EVEN,
    ODD,
    Machine,
    Params,
    energy,
    free_energy,
    gradient,
    initial_params,
    pseudo_log_likelihood,
    to_means,
)
from skebm.core.streams import Purpose, stream
from skebm.core.units import Bernoulli

from .enumeration import Enumeration, log_likelihood
from .machines import (
    NAMESPACES,
    SIZES,
    asarray_of,
    machine_of,
    random_arrays,
    random_machine,
)


@pytest.mark.parametrize("sizes", SIZES)
def test_energy_is_the_definition(sizes):
    machine, oracle = random_machine(sizes)
    assert_allclose(energy(machine, oracle.layers), oracle.energies, atol=1e-12)


@pytest.mark.parametrize("summed", [EVEN, ODD])
@pytest.mark.parametrize("sizes", SIZES)
def test_free_energy_sums_out_one_parity(sizes, summed):
    machine, oracle = random_machine(sizes)
    known = {i: x for i, x in enumerate(oracle.layers) if i % 2 != summed}
    layers = [known.get(i) for i in range(len(sizes))]
    expected = [
        oracle.log_marginal({i: x[row] for i, x in known.items()}) + oracle.log_z
        for row in range(len(oracle.states))
    ]
    assert_allclose(-free_energy(machine, layers, summed), expected, atol=1e-12)


@pytest.mark.parametrize("parity", [EVEN, ODD])
@pytest.mark.parametrize("sizes", SIZES)
def test_means_are_the_conditional_expectations(sizes, parity):
    machine, oracle = random_machine(sizes)
    updated = to_means(machine, oracle.layers, parity)
    for row in range(0, len(oracle.states), 7):
        known = {
            i: x[row] for i, x in enumerate(oracle.layers) if i % 2 == (1 - parity)
        }
        for index in range(len(sizes)):
            expected = known.get(index)
            if expected is None:
                expected = oracle.mean(index, known)
            assert_allclose(updated[index][row], expected, atol=1e-12)


def model_gradient_rows(oracle, rows):
    """All states with the weights that turn `gradient` into the exact gradient.

    Data: each row with every completion, weighted by the posterior. Model: all states.
    """
    weights = sum(oracle.given({0: row}) for row in rows) / len(rows)
    return oracle.layers, weights - oracle.probabilities


@pytest.mark.parametrize("sizes", SIZES)
def test_gradient_is_that_of_the_exact_log_likelihood(sizes):
    """Every parameter, against central differences of the enumerated likelihood."""
    weights, biases = random_arrays(sizes, scale=0.7)
    rows = np.random.default_rng(1).integers(0, 2, (3, sizes[0])).astype(float)
    layers, row_weights = model_gradient_rows(Enumeration(weights, biases), rows)
    found = gradient(layers, row_weights, [np.zeros(n) for n in sizes])
    step = 1e-4
    for group, arrays in enumerate((weights, biases)):
        for index, x in enumerate(arrays):
            expected = np.empty_like(x)
            for cell in np.ndindex(*x.shape):
                kept = x[cell]
                ends = []
                for change in (step, -step):
                    x[cell] = kept + change
                    ends.append(log_likelihood(weights, biases, rows))
                x[cell] = kept
                expected[cell] = (ends[0] - ends[1]) / (2 * step)
            assert_allclose(found[group][index], expected, atol=1e-7)


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_centred_gradient_is_the_gradient_of_the_centred_machine(sizes, separate):
    """The step of a machine that stores centred states, brought back to plain biases.

    Also where layers are other states below a layer than they are above one.

    With E = -sum b.(x - o) - sum (x - o) W (y - p), a step (dW, db) changes the plain
    biases by db_l - dW_l o_{l+1} - dW_{l-1}^T o_{l-1}.
    """
    rng = np.random.default_rng(2)
    layers = [rng.integers(0, 2, (9, n)).astype(float) for n in sizes]
    offsets = [rng.uniform(size=n) for n in sizes]
    row_weights = rng.normal(size=9)
    row_weights -= row_weights.mean()
    lower = list(layers)
    if separate:
        lower[1:] = [rng.integers(0, 2, x.shape).astype(float) for x in layers[1:]]
    found = gradient(layers, row_weights, offsets, lower if separate else None)
    centred, below = (
        [x - o for x, o in zip(states, offsets, strict=True)]
        for states in (layers, lower)
    )
    weighted = np.diag(row_weights)
    steps = [x.T @ weighted @ y for x, y in zip(below[:-1], centred[1:], strict=True)]
    for index, x in enumerate(layers):
        expected = row_weights @ x
        if index < len(steps):
            expected = expected - steps[index] @ offsets[index + 1]
        if index > 0:
            expected = expected - steps[index - 1].T @ offsets[index - 1]
        assert_allclose(found.biases[index], expected, atol=1e-12)
    for step, expected in zip(found.weights, steps, strict=True):
        assert_allclose(step, expected, atol=1e-12)


@pytest.mark.parametrize("which", [None, [0, 2, 3]])
def test_pseudo_log_likelihood_multiplies_all_conditionals(which):
    machine, oracle = random_machine((4, 3))
    rows = np.array([[0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0]])
    units = range(4) if which is None else which
    expected = []
    for row in rows:
        total = 0.0
        for i in units:
            others = row.copy()
            others[i] = np.nan
            p = oracle.given({0: others})
            total += np.log(p @ (oracle.layers[0][:, i] == row[i]))
        expected.append(total)
    index = None if which is None else np.array(which)
    assert_allclose(pseudo_log_likelihood(machine, rows, index), expected, atol=1e-12)


@pytest.mark.parametrize("name", NAMESPACES)
@pytest.mark.parametrize("sizes", SIZES)
def test_same_numbers_in_every_namespace(name, sizes):
    asarray = asarray_of(name)
    weights, biases = random_arrays(sizes)
    plain, other = machine_of(weights, biases), machine_of(weights, biases, asarray)
    oracle = Enumeration(weights, biases)
    layers = [asarray(x) for x in oracle.layers]
    row_weights = oracle.probabilities - 1 / len(oracle.probabilities)
    for function in (energy, free_energy):
        found = to_numpy(function(other, layers))
        assert_allclose(found, function(plain, oracle.layers), atol=1e-12)
    for parity in (EVEN, ODD):
        pairs = zip(
            to_means(other, layers, parity),
            to_means(plain, oracle.layers, parity),
            strict=True,
        )
        for found, expected in pairs:
            assert_allclose(to_numpy(found), expected, atol=1e-12)
    found = gradient(layers, asarray(row_weights), other.params.biases)
    expected = gradient(oracle.layers, row_weights, plain.params.biases)
    for group, wanted in zip(found, expected, strict=True):
        for x, y in zip(group, wanted, strict=True):
            assert_allclose(to_numpy(x), y, atol=1e-12)


def test_initial_params_rest_at_the_means():
    """Each layer at its mean keeps its neighbours there; inputs vary by about 1."""
    units = (Bernoulli(),) * 3
    rest = (np.linspace(0.05, 0.9, 60), np.full(400, 0.5), np.full(300, 0.5))
    draws = stream(0, Purpose.INITIAL, np.zeros(1))
    params = initial_params(units, rest, draws)
    machine = Machine(units, params)
    layers = [mean[None, :] for mean in rest]
    for parity in (EVEN, ODD):
        for x, mean in zip(to_means(machine, layers, parity), layers, strict=True):
            assert_allclose(x, mean, atol=1e-6)
    x = np.random.default_rng(0).uniform(size=(500, 60)) < rest[0]
    # 400 inputs, each of a standard deviation that itself varies by a tenth.
    assert 0.95 < ((x - rest[0]) @ params.weights[0]).std() < 1.05


@pytest.mark.parametrize(("n_hidden", "expected"), [(30, 1.0), (900, 3 / 15)])
def test_initial_weights_are_bounded(n_hidden, expected):
    """By 1 under units that hardly vary, and by the inputs that come down.

    900 fair coins have a variance of 225 together: times the square of 3 / 15, 9.
    """
    rest = (np.full(50, 1e-4), np.full(n_hidden, 0.5))
    draws = stream(0, Purpose.INITIAL, np.zeros(1))
    weights = initial_params((Bernoulli(),) * 2, rest, draws).weights[0]
    assert 0.93 * expected < weights.std() < 1.07 * expected


def test_params_are_one_shape_of_thing():
    machine, _ = random_machine((4, 3, 2))
    assert [W.shape for W in machine.params.weights] == [(4, 3), (3, 2)]
    assert isinstance(machine.params, Params)


def test_random_weights_are_draws_over_their_spread():
    """Bit for bit: all numbers of a fit with a given seed rest on them."""
    rest = [np.full(50, 0.3), np.full(7, 0.5)]
    streams = [stream(0, Purpose.INITIAL, rest[0]) for _ in range(2)]
    found = initial_params((Bernoulli(),) * 2, rest, streams[0])
    spread = float(np.sqrt(np.sum(rest[0] * (1.0 - rest[0]))))
    expected = streams[1].normal((50, 7)) / spread
    assert_array_equal(found.weights[0], expected)
