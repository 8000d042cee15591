"""The minibatch loop: what it weighs, and where it ends."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skebm.core import algorithms, optimise, training
from skebm.core.machine import EVEN, ODD, Params, copy_params, gradient, to_means
from skebm.core.rows import column_means, minibatches
from skebm.core.sampling import FINE, bottom_up, mean_field
from skebm.core.units import Bernoulli, Tied

from .enumeration import Enumeration
from .machines import (
    NAMESPACES,
    asarray_of,
    machine_of,
    random_arrays,
    random_machine,
    standard_errors,
)

UNITS = (Bernoulli(), Bernoulli())


def settings_of(**changed):
    settings = training.Settings(
        units=UNITS,
        optimiser=optimise.MomentumSGD(),
        algorithm=algorithms.PersistentChains(1),
        batch_size=10,
        shuffle=True,
        centred=True,
        initial_activation=0.5,
        sparsity=None,
        sample_inputs=False,
        seed=0,
    )
    return settings._replace(**changed)


def trained(X, n_epochs, n_hidden=3, n_chains=10, rate=0.1, weights=None, **changed):
    settings = settings_of(**changed)
    weights = np.ones(X.shape[0]) if weights is None else weights
    state = training.start(X, weights, (n_hidden,), n_chains, settings)
    for _ in range(n_epochs):
        state = training.train_epoch(state, X, weights, rate, settings)
    return state


def test_teacher_and_student_with_the_exact_gradient():
    """Ascent along `gradient` with enumerated statistics recovers the teacher."""
    teacher = Enumeration(*random_arrays((4, 3), seed=5))
    p_visible = np.exp([teacher.log_marginal({0: v}) for v in teacher.layers[0][::8]])
    rows = teacher.layers[0][::8]
    weights, biases = random_arrays((4, 3), seed=6, scale=0.3)
    params = Params(tuple(weights), tuple(biases))
    optimiser = optimise.MomentumSGD(momentum=0.9)
    velocity = optimiser.init(params)
    for _ in range(1500):
        student = Enumeration(*params)
        posterior = sum(
            p * student.given({0: row}) for p, row in zip(p_visible, rows, strict=True)
        )
        offsets = [student.mean(index) for index in range(2)]
        step = gradient(student.layers, posterior - student.probabilities, offsets)
        optimiser.update(step, velocity, params, 0.2)
    student = Enumeration(*params)
    found = student.layers[0].T @ (student.probabilities[:, None] * student.layers[0])
    expected = teacher.layers[0].T @ (
        teacher.probabilities[:, None] * teacher.layers[0]
    )
    assert_allclose(found, expected, atol=2e-3)


def phases_of(algorithm, rows, row_weights, n_chains=2000):
    machine = machine_of(*random_arrays((4, 3)))
    draws = training.stream(0, training.Purpose.CHAINS, rows)
    means = [rows[0], np.full(3, 0.5)]
    chains = training.start_chains(machine, means, 0, draws, n_chains)
    return machine, algorithm.phases(machine, rows, row_weights, chains, draws)


@pytest.mark.parametrize(
    "algorithm", [algorithms.ContrastiveDivergence(1), algorithms.PersistentChains(1)]
)
def test_each_phase_is_averaged_over_its_own_rows(algorithm, rng):
    """scikit-learn divides the sum over all chains by the number of data rows."""
    rows = rng.integers(0, 2, (3, 4)).astype(float)
    _, phases = phases_of(algorithm, rows, np.full(3, 1 / 3))
    layers, weights = phases.up, phases.weights
    assert_allclose(weights[:3].sum(), 1.0)
    assert_allclose(weights[3:].sum(), -1.0)
    assert len(set(weights[3:])) == 1
    assert_array_equal(layers[0][:3], rows)
    assert [x.shape[0] for x in layers] == [len(weights)] * 2


@pytest.mark.parametrize(
    "algorithm", [algorithms.ContrastiveDivergence(1), algorithms.PersistentChains(1)]
)
def test_hidden_means_are_those_of_the_visible_rows_beside_them(algorithm, rng):
    """Stale means, given the chains' old visible units, would show here."""
    rows = rng.integers(0, 2, (3, 4)).astype(float)
    machine, phases = phases_of(algorithm, rows, np.full(3, 1 / 3), n_chains=5)
    layers = phases.up
    W, (_, c) = machine.params.weights[0], machine.params.biases
    assert_allclose(layers[1], 1 / (1 + np.exp(-(layers[0] @ W + c))))


def test_persistent_chains_stay_with_the_machine():
    """Many steps at fixed parameters: the model rows have the machine's moments."""
    machine = machine_of(*random_arrays((4, 3)))
    oracle = Enumeration(*machine.params)
    rows = np.zeros((1, 4))
    draws = training.stream(0, training.Purpose.CHAINS, rows)
    means = [rows[0], np.full(3, 0.5)]
    chains = training.start_chains(machine, means, 0, draws, 20_000)
    for _ in range(60):
        phases = algorithms.PersistentChains(2).phases(
            machine, rows, np.ones(1), chains, draws
        )
        chains, layers = phases.chains, phases.up
    found = layers[0][1:].T @ layers[1][1:] / 20_000
    expected = oracle.moments()[:4, 4:]
    error = np.sqrt(expected * (1 - expected) / 20_000)
    assert np.max(np.abs(found - expected) / error) < 5


DEEP = [(4, 3, 2), (3, 3, 2, 2)]


def deep_phases(algorithm, sizes, n_steps, n_chains=20_000, scale=1.0):
    """Layers and weights of a batch of all visible states, after some batches."""
    machine, oracle = random_machine(sizes, scale=scale)
    rows = np.unique(oracle.layers[0], axis=0)
    weights = np.full(len(rows), 1.0 / len(rows))
    draws = training.stream(0, training.Purpose.CHAINS, rows)
    start = [np.full(n, 0.5) for n in sizes]
    algorithm = algorithm.prepared(machine, start[0])
    draw = partial(training.start_chains, machine, start, 0, draws)
    chains = algorithm.start(n_chains, draw)
    for _ in range(n_steps):
        phases = algorithm.phases(machine, rows, weights, chains, draws, FINE)
        chains = phases.chains
    return machine, oracle, rows, phases


ALGORITHMS = [algorithms.PersistentChains(2), algorithms.ParallelTempering(1)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("sizes", DEEP)
def test_deep_phases_are_mean_field_and_the_machine(sizes, algorithm):
    """Data rows by mean field; model rows with all the machine's moments of
    neighbouring layers. Negative control: the moments of another machine.
    """
    machine, oracle, rows, phases = deep_phases(algorithm, sizes, 50)
    layers, below, weights = phases.up, phases.down, phases.weights
    n = len(rows)
    assert_allclose(weights[n:], -1.0 / (len(weights) - n))
    assert_allclose(weights.sum(), 0.0, atol=1e-12)
    expected = mean_field(machine, rows, FINE).layers
    for x, y, z in zip(layers, below, expected, strict=True):
        assert_array_equal(x[:n], z)
        assert_array_equal(y[:n], z)
    other = Enumeration(*(tuple(1.3 * x for x in group) for group in machine.params))

    def errors(oracle):
        for index, (lower, upper) in enumerate(zip(below, layers[1:], strict=False)):
            pairs = lower[n:, :, None] * upper[n:, None, :]
            exact = (oracle.layers[index].T * oracle.probabilities) @ (
                oracle.layers[index + 1]
            )
            error = pairs.std(axis=0) / np.sqrt(len(pairs))
            yield np.max(np.abs(pairs.mean(axis=0) - exact) / error)

    assert max(errors(oracle)) < 5
    assert max(errors(other)) > 5


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("sizes", DEEP)
def test_hidden_layers_of_the_chains_are_means_given_samples_below(sizes, algorithm):
    """Stale ones, given the chains' old layers, would show here.

    The odd layers are means given the even samples, the even ones given odd samples,
    which are beside each other in the two lists. With these the chains go on.
    """
    machine, _, rows, phases = deep_phases(algorithm, sizes, 1, n_chains=5)
    above, below = ([x[len(rows) :] for x in ls] for ls in (phases.up, phases.down))
    chains = algorithm.samples(phases.chains)
    for x in below:
        assert set(np.unique(x)) <= {0.0, 1.0}
    for x, y in zip(below[ODD::2], chains[ODD::2], strict=True):
        assert_array_equal(x, y[:5])
    from_even, from_odd = to_means(machine, below, ODD), to_means(machine, below, EVEN)
    for index, x in enumerate(above[1:], start=1):
        assert_allclose(x, (from_even if index % 2 == ODD else from_odd)[index])


@pytest.mark.parametrize("shuffle", [False, True])
def test_minibatches_cover_all_rows_in_batches_of_nearly_equal_size(shuffle):
    X = np.arange(11, dtype=np.uint8)[:, None]
    order = np.random.default_rng(0).permutation(11) if shuffle else None
    batches = list(minibatches(X, np.ones(11), order, 10))
    assert sorted(len(rows) for rows, _ in batches) == [5, 6]
    assert sorted(np.concatenate([rows[:, 0] for rows, _ in batches])) == list(
        range(11)
    )
    assert {rows.dtype.name for rows, _ in batches} == {"float64"}


def test_weights_of_an_epoch_average_one_over_the_rows_of_a_batch():
    weights = np.array([1.0, 3.0, 0.0, 2.0, 2.0, 4.0])
    batches = list(minibatches(np.eye(6), weights, None, 2))
    assert_allclose(np.concatenate([w for _, w in batches]), weights * 3 / 12)


@pytest.mark.parametrize("n_rows", [10, 11, 20])
def test_batch_size_law(n_rows):
    """The same biases whether or not batches of 10 divide the rows.

    scikit-learn's mean visible bias drifts to -2.4 for 11 rows, where the data's logit
    is about 0. Here all rows are the same data, half ones, and the chains are many, so
    that the biases stay at the logit but for sampling noise.
    """
    X = np.tile([[1.0, 0.0], [0.0, 1.0]], (n_rows, 1))[:n_rows]
    state = trained(X, 600, n_hidden=1, n_chains=50)
    logit = np.log(X.mean(axis=0) / (1 - X.mean(axis=0)))
    hidden = 1 / (1 + np.exp(-state.params.biases[1]))
    found = state.params.biases[0] + state.params.weights[0] @ hidden
    assert_allclose(found, logit, atol=0.5)


def test_weights_and_rows_are_shuffled_together():
    X = np.arange(11.0)[:, None]
    order = np.random.default_rng(0).permutation(11)
    for rows, weights in minibatches(X, X[:, 0].copy(), order, 4):
        assert_allclose(weights, rows[:, 0] * 3 / X.sum())


@pytest.mark.parametrize("shuffle", [True, False])
def test_each_epoch_has_an_order_and_chains_of_its_own(shuffle, monkeypatch):
    orders, draws = [], []
    batches, phases = training.minibatches, algorithms.PersistentChains.phases

    def spy_batches(X, weights, order, size):
        orders.append(order)
        return batches(X, weights, order, size)

    def spy_phases(self, machine, rows, weights, chains, stream, *rest):
        draws.append(float(stream.uniform((1,))[0]))
        return phases(self, machine, rows, weights, chains, stream, *rest)

    monkeypatch.setattr(training, "minibatches", spy_batches)
    monkeypatch.setattr(algorithms.PersistentChains, "phases", spy_phases)
    trained(np.eye(8), 2, shuffle=shuffle)
    assert len(set(draws)) == 2
    if shuffle:
        assert not np.array_equal(*orders)
        assert sorted(orders[0]) == sorted(orders[1]) == list(range(8))
    else:
        assert orders == [None, None]


@pytest.mark.parametrize("weights", [[0.5, 0.5], [3.0, 1.0], [0.0, 0.0]])
def test_offsets_follow_the_weighted_means(weights):
    """A weight of 2 is two batches; none at all moves nothing; none overshoots."""
    h = np.array([[0.2, 0.9], [0.6, 0.1]])
    weights, offset = np.array(weights), np.array([0.5, 0.5])
    mass = weights.sum()
    expected = offset
    if mass:
        rate = 1 - 0.99**mass
        expected = offset + rate * (weights @ h / mass - offset)
    layers = [np.eye(2), np.concatenate([h, np.full((3, 2), 7.0)])]
    found = training.follow_means((offset, offset), layers, weights)
    assert_allclose(found[1], expected)
    assert found[0] is offset


def test_velocity_and_offsets_are_carried_over():
    """Two epochs of one batch, against the recursion by hand."""
    X, rate = np.eye(4), 0.1
    settings = settings_of(optimiser=optimise.MomentumSGD(0.5))
    states = [training.start(X, np.ones(4), (3,), 5, settings)]
    for _ in range(2):
        states.append(training.train_epoch(states[-1], X, np.ones(4), rate, settings))
    steps = [
        after.params.weights[0] - before.params.weights[0]
        for before, after in pairwise(states)
    ]
    assert_allclose(states[1].velocity.weights[0], steps[0])
    alone = states[1]._replace(velocity=settings.optimiser.init(states[1].params))
    alone = training.train_epoch(alone, X, np.ones(4), rate, settings)
    fresh = alone.params.weights[0] - states[1].params.weights[0]
    assert_allclose(steps[1], 0.5 * steps[0] + fresh)
    assert not np.allclose(states[1].means[1], states[2].means[1])


def test_divergence_of_a_bias_alone_is_noticed(monkeypatch):
    X, settings = np.eye(4), settings_of()
    state = training.start(X, np.ones(4), (3,), 5, settings)

    def spoiled(*args):
        step = gradient(*args)
        step.biases[1][0] = np.nan
        return step

    monkeypatch.setattr(algorithms, "gradient", spoiled)
    with pytest.raises(training.Diverged):
        training.train_epoch(state, X, np.ones(4), 0.1, settings)


def test_contrastive_divergence_starts_from_samples():
    """Half the visible units go on, after hidden coins; given means, none would."""
    machine = machine_of([np.zeros((1, 1)) + 40.0], [np.zeros(1) - 30.0, np.zeros(1)])
    rows = np.zeros((4000, 1))
    draws = training.stream(0, training.Purpose.CHAINS, rows)
    algorithm = algorithms.ContrastiveDivergence(1)
    weights = np.full(4000, 1 / 4000)
    layers = algorithm.phases(machine, rows, weights, None, draws).up
    assert abs(layers[0][4000:].mean() - 0.5) < 5 * 0.5 / np.sqrt(4000)


@pytest.mark.parametrize("centred", [True, False])
def test_offsets_are_the_running_means_or_none(centred, monkeypatch):
    seen = []

    def spy(layers, row_weights, offsets, lower):
        seen.append(offsets)
        return gradient(layers, row_weights, offsets, lower)

    monkeypatch.setattr(algorithms, "gradient", spy)
    state = trained(np.eye(4), 1, centred=centred)
    for offset, mean in zip(seen[0], state.means, strict=True):
        assert_array_equal(offset, mean if centred else 0.0 * mean)


PAIRS = Tied(Bernoulli(), 2)


@pytest.mark.parametrize(("hidden", "n_copies"), [(Bernoulli(), 1), (PAIRS, 2)])
@pytest.mark.parametrize("centred", [True, False])
def test_gradient_with_a_sparsity_target(centred, hidden, n_copies):
    """The hidden biases gain cost (target - mean) for the whole weight of the rows.

    And the weights as much along the rows; in parameters of the plain machine. Where
    hidden units are sums of copies, this is so for each copy.
    """
    rng = np.random.default_rng(0)
    layers = [rng.uniform(size=(9, n)) for n in (4, 3)]
    weights = np.array([0.1, 0.4, 0.3, 0.2, *[-0.2] * 5])
    means = [rng.uniform(size=n) for n in (4, 3)]
    offsets = means if centred else [0.0 * m for m in means]
    sparsity = training.Sparsity(target=0.1, cost=0.7)
    units = (Bernoulli(), hidden)
    shifted = training.sparser(units, layers, means, 4, sparsity)
    plain = gradient(layers, weights, offsets)
    found = gradient(shifted, weights, offsets)
    push = 0.7 * (n_copies * 0.1 - means[1])
    step = np.outer(weights[:4] @ (layers[0][:4] - offsets[0]), push)
    assert_allclose(found.weights[0] - plain.weights[0], step)
    assert_allclose(found.biases[0] - plain.biases[0], -step @ offsets[1])
    expected = push - offsets[0] @ step
    assert_allclose(found.biases[1] - plain.biases[1], expected)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("sizes", DEEP)
def test_penalty_of_deep_layers_moves_biases_and_weights_from_below(sizes, centred):
    """In proportion to its cost: no products of the shifts of two layers."""
    machine, oracle = random_machine(sizes)
    rows, weights = oracle.layers[0][::5], np.ones(len(oracle.layers[0][::5]))

    def after(cost):
        settings = settings_of(
            units=machine.units,
            batch_size=len(rows),
            centred=centred,
            sparsity=training.Sparsity(0.1, cost),
            inference=FINE,
        )
        params = copy_params(machine.params)
        state = training.start(rows, weights, sizes[1:], 5, settings, params)
        return training.train_epoch(state, rows, weights, 1.0, settings)

    plain, state = after(0.0), after(0.7)
    layers = mean_field(machine, rows, FINE).layers
    offsets = [centred * m for m in state.means]
    push = [0.7 * (0.1 - m) for m in state.means]
    steps = [
        np.outer((x - o).mean(axis=0), y)
        for x, o, y in zip(layers[:-1], offsets[:-1], push[1:], strict=True)
    ]
    for index, x in enumerate(state.params.biases):
        expected = push[index] if index > 0 else 0.0
        if index < len(steps):
            expected = expected - steps[index] @ offsets[index + 1]
        if index > 0:
            expected = expected - offsets[index - 1] @ steps[index - 1]
        assert_allclose(x - plain.params.biases[index], expected, atol=1e-9)
    for x, y, step in zip(
        state.params.weights, plain.params.weights, steps, strict=True
    ):
        assert_allclose(x - y, step, atol=1e-9)


@pytest.mark.parametrize("hidden", [Bernoulli(), Tied(Bernoulli(), 2)])
def test_hidden_units_become_as_active_as_asked(hidden):
    X = np.random.default_rng(0).integers(0, 2, (200, 8)).astype(float)
    units = (Bernoulli(), hidden)
    activity = {}
    for target in (None, 0.1, 0.8):
        sparsity = None if target is None else training.Sparsity(target, 1.0)
        state = trained(X, 200, rate=0.05, sparsity=sparsity, units=units)
        W, (_, c) = state.params.weights[0], state.params.biases
        activity[target] = (1 / (1 + np.exp(-(X @ W + c)))).mean(axis=0)
    assert abs(activity[0.1] - 0.1).max() < 0.05
    assert abs(activity[0.8] - 0.8).max() < 0.05
    assert abs(activity[None] - 0.1).max() > 0.2


def test_centring_follows_the_hidden_means():
    X = np.tile(np.eye(4), (5, 1))
    state = trained(X, 300)
    W, (_, c) = state.params.weights[0], state.params.biases
    hidden = (1 / (1 + np.exp(-(X @ W + c)))).mean(axis=0)
    assert_allclose(state.means[1], hidden, atol=0.05)
    assert_allclose(state.means[0], X.mean(axis=0), atol=1e-12)


def test_an_epoch_leaves_its_state_as_it_was():
    X = np.eye(4)
    settings = settings_of(optimiser=optimise.MomentumSGD(0.5))
    state = training.start(X, np.ones(4), (3,), 5, settings)
    kept = [
        copy_params(state.params),
        copy_params(state.velocity),
        state.chains[1].copy(),
    ]
    training.train_epoch(state, X, np.ones(4), 0.1, settings)
    for before, after in zip(kept[:2], [state.params, state.velocity], strict=True):
        for group, same in zip(before, after, strict=True):
            for x, y in zip(group, same, strict=True):
                assert_array_equal(x, y)
    assert_array_equal(kept[2], state.chains[1])


def test_an_interrupted_run_is_the_uninterrupted_one():
    """The state is all there is: going on from it ends in the same place."""
    X = np.eye(4)
    assert_array_equal(
        trained(X, 4).params.weights[0],
        trained(X, 4).params.weights[0],
    )
    settings = settings_of()
    half = trained(X, 2)
    for _ in range(2):
        half = training.train_epoch(half, X, np.ones(4), 0.1, settings)
    assert_array_equal(half.params.weights[0], trained(X, 4).params.weights[0])


def test_divergence_is_told_and_leaves_the_state_as_it_was():
    X = np.eye(4)
    settings = settings_of()
    state = training.start(X, np.ones(4), (3,), 5, settings)
    before = copy_params(state.params)
    with pytest.raises(training.Diverged):
        training.train_epoch(state, X, np.ones(4), np.inf, settings)
    for group, kept in zip(state.params, before, strict=True):
        for x, y in zip(group, kept, strict=True):
            assert_array_equal(x, y)


@pytest.mark.parametrize("name", NAMESPACES)
def test_training_is_the_same_in_every_namespace(name):
    asarray = asarray_of(name)
    X = np.random.default_rng(0).integers(0, 2, (30, 6)).astype(float)
    expected = trained(X, 3).params
    found = trained(asarray(X), 3, weights=asarray(np.ones(30))).params
    for group, wanted in zip(found, expected, strict=True):
        for x, y in zip(group, wanted, strict=True):
            assert_allclose(np.asarray(x), y, atol=1e-10)


def test_column_means_of_dense_and_sparse(rng):
    X = rng.integers(0, 2, (2500, 3)).astype(np.uint8)
    weights = rng.uniform(size=2500)
    expected = np.average(X, axis=0, weights=weights)
    for container in (np.asarray, sparse.csr_array):
        means, mass = column_means(container(X), weights)
        assert_allclose(means, expected)
        assert_allclose(mass, weights.sum())


def test_column_means_of_observed_entries(rng):
    X, weights = rng.uniform(size=(2500, 3)), rng.uniform(size=2500)
    X[rng.uniform(size=X.shape) < 0.3] = np.nan
    X[:, 2] = np.nan
    means, mass = column_means(X, weights)
    for j in range(2):
        seen = ~np.isnan(X[:, j])
        assert_allclose(means[j], np.average(X[seen, j], weights=weights[seen]))
        assert_allclose(mass[j], weights[seen].sum())
    assert means[2] == mass[2] == 0.0


def test_inputs_are_drawn_anew_in_each_epoch(monkeypatch):
    """Binary, with the rows as their means; and rows without grey stay as they are."""
    seen, phases = [], algorithms.PersistentChains.phases

    def spy(self, machine, rows, *rest):
        seen.append(rows)
        return phases(self, machine, rows, *rest)

    monkeypatch.setattr(algorithms.PersistentChains, "phases", spy)
    X = np.tile([0.0, 0.2, 0.7, 1.0], (5000, 1))
    trained(X, 2, batch_size=5000, sample_inputs=True)
    one, other = seen
    assert set(np.unique(one)) == {0.0, 1.0}
    error = np.sqrt(X[0] * (1 - X[0]) / 5000)
    assert (abs(one.mean(axis=0) - X[0]) <= 5 * error).all()
    assert not np.array_equal(one, other)
    binary = np.eye(4)
    drawn = trained(binary, 2, sample_inputs=True).params
    assert_array_equal(drawn.weights[0], trained(binary, 2).params.weights[0])


def test_inputs_drawn_for_copies_are_those_of_the_rows(monkeypatch):
    """Both copies are the row: half of a sum of two is what is drawn for one."""
    seen, phases = [], algorithms.PersistentChains.phases

    def spy(self, machine, rows, *rest):
        seen.append(rows)
        return phases(self, machine, rows, *rest)

    monkeypatch.setattr(algorithms.PersistentChains, "phases", spy)
    X = np.tile([0.0, 0.2, 0.7, 1.0], (50, 1))
    trained(X, 1, batch_size=50, sample_inputs=True)
    units = (PAIRS, Bernoulli())
    trained(X, 1, batch_size=50, sample_inputs=True, units=units)
    assert_array_equal(seen[1], 2.0 * seen[0])


def test_start_from_params_of_a_deep_machine():
    """Offsets are bottom-up means of the weighted rows, and chains are samples."""
    machine, oracle = random_machine((4, 3, 2), scale=0.7)
    X, weights = np.unique(oracle.layers[0], axis=0), np.arange(16.0)
    settings = settings_of(units=machine.units)
    state = training.start(X, weights, (3, 2), 20_000, settings, machine.params)
    for mean, x in zip(state.means, bottom_up(machine, X), strict=True):
        assert_allclose(mean, weights @ x / weights.sum())
    assert state.chains[0] is None
    assert state.chains[2] is None
    moments = oracle.moments()[4:7, 4:7]
    assert standard_errors(state.chains[1], moments).max() < 5
    params = [b.shape for b in state.params.biases]
    assert params == [(4,), (3,), (2,)]


@pytest.mark.parametrize("name", NAMESPACES)
def test_deep_training_is_the_same_in_every_namespace(name):
    asarray = asarray_of(name)
    X = np.random.default_rng(0).integers(0, 2, (30, 6)).astype(float)
    settings = settings_of(units=(Bernoulli(),) * 4)

    def run(X, weights):
        state = training.start(X, weights, (4, 3, 2), 10, settings)
        for _ in range(3):
            state = training.train_epoch(state, X, weights, 0.1, settings)
        return state.params

    found = run(asarray(X), asarray(np.ones(30)))
    for group, expected in zip(found, run(X, np.ones(30)), strict=True):
        for x, y in zip(group, expected, strict=True):
            assert_allclose(np.asarray(x), y, atol=1e-10)
