"""Virtual adversarial training against differences of the distance itself."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_moons
from sklearn.preprocessing import MinMaxScaler

from skebm import DBM, BernoulliRBM, DBMClassifier, DBNClassifier
from skebm.core import adversarial, fine_tuning, optimise
from skebm.core import network as net
from skebm.core.machine import Params
from skebm.core.streams import Purpose, stream

from .machines import NAMESPACES, asarray_of
from .test_network import COMBINATIONS, name_of, numerical, random_params

N_ROWS, N_COLUMNS = 6, 4


def distances(network, params, rows, others):
    """How far the outputs of other rows are from those of the rows."""
    y = net.outputs(network, params, rows)
    p, q = y, net.outputs(network, params, others)
    if network.loss is net.squared_error:
        return 0.5 * np.sum((p - q) ** 2, axis=1)
    total = np.sum(p * np.log(p / q), axis=1)
    if isinstance(network.output, net.Sigmoid):
        total += np.sum((1 - p) * np.log((1 - p) / (1 - q)), axis=1)
    return total


def second_derivatives(network, params, rows, step=1e-3):
    """By central differences, at distance 0, where the first derivative is 0."""
    eye = step * np.eye(rows.shape[1])
    H = np.empty((len(rows), len(eye), len(eye)))
    for i, u in enumerate(eye):
        for j, v in enumerate(eye):
            signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
            parts = [
                a * b * distances(network, params, rows, rows + a * u + b * v)
                for a, b in signs
            ]
            H[:, i, j] = sum(parts) / (4 * step**2)
    return H


def problem(rng):
    return random_params((N_COLUMNS, 5, 3), rng), rng.uniform(size=(N_ROWS, N_COLUMNS))


@pytest.mark.parametrize("n_inputs", [N_COLUMNS, 2])
@pytest.mark.parametrize("network", COMBINATIONS, ids=name_of)
def test_direction_is_a_step_of_the_power_method(network, n_inputs, rng, monkeypatch):
    """Of the second derivative by the columns that may move; a wrong one is found."""
    monkeypatch.setattr(adversarial, "PROBE", 1e-5)
    params, rows = problem(rng)
    targets, draws = net.outputs(network, params, rows), stream(1, Purpose.NOISE, rows)
    found = adversarial.most_sensitive(network, params, rows, targets, n_inputs, draws)
    again = stream(1, Purpose.NOISE, rows)
    start = again.normal((N_ROWS, n_inputs))
    H = second_derivatives(network, params, rows)[:, :n_inputs, :n_inputs]
    expected = np.einsum("rij,rj->ri", H, start)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert_allclose(found[:, :n_inputs], expected, atol=2e-3)
    assert_array_equal(found[:, n_inputs:], 0.0)
    assert not np.allclose(expected, -found[:, :n_inputs], atol=0.1)


@pytest.mark.parametrize("network", COMBINATIONS, ids=name_of)
def test_change_is_the_distance_and_has_its_gradient(network, rng, monkeypatch):
    params, rows = problem(rng)
    weights, moves = rng.uniform(size=N_ROWS), rng.normal(size=rows.shape)
    monkeypatch.setattr(adversarial, "most_sensitive", lambda *args: moves)
    args = (weights, 0.3, N_COLUMNS, None)
    loss, step = adversarial.descent_of_change(network, params, rows, *args)
    moved = rows + 0.3 * moves
    assert_allclose(loss, weights @ distances(network, params, rows, moved))
    y = net.outputs(network, params, rows)

    def with_constant_targets():
        return net.descent(network, params, moved, y, weights)[0]

    expected = numerical(with_constant_targets, params)
    found = [x for group in step for x in group]
    for x, slope in zip(found, expected, strict=True):
        assert_allclose(-x, slope, atol=1e-6)


@pytest.mark.parametrize("name", NAMESPACES)
def test_the_same_in_other_namespaces(name, rng):
    """From the same random directions."""
    asarray = asarray_of(name)
    params, rows = problem(rng)
    start, weights = rng.normal(size=rows.shape), rng.uniform(size=N_ROWS)

    def found(asarray):
        class Given:
            def normal(self, shape):
                return asarray(start)

        args = (asarray(rows), asarray(weights), 0.3, N_COLUMNS, Given())
        arrays = Params(*(tuple(map(asarray, group)) for group in params))
        return adversarial.descent_of_change(COMBINATIONS[0], arrays, *args)

    loss, step = found(np.asarray)
    other, others = found(asarray)
    assert_allclose(float(other), loss)
    for group, arrays in zip(step, others, strict=True):
        for x, y in zip(group, arrays, strict=True):
            assert_allclose(np.asarray(y), x, atol=1e-12)


def test_rows_do_not_move_where_outputs_do_not_change(rng):
    params, rows = problem(rng)
    for W in params.weights:
        W *= 0.0
    args = (np.ones(N_ROWS), 1.0, N_COLUMNS, stream(0, Purpose.NOISE, rows))
    loss, step = adversarial.descent_of_change(COMBINATIONS[0], params, rows, *args)
    assert loss == pytest.approx(0.0, abs=1e-12)
    assert all(np.isfinite(x).all() for group in step for x in group)


def test_an_epoch_is_a_pass_over_all_rows(rng):
    """Each of them comes once, and those with a target as often as it takes."""

    class Recorded:
        labelled, others = [], []

        def descent(self, params, rows, y, weights, draws):
            assert_allclose(y[:, 0], rows[:, 0])
            assert_allclose(weights.sum(), 1.0)
            self.labelled += rows[:, 0].tolist()
            return 0.0, Params((0 * params.weights[0],), (np.zeros(1),))

        def descent_of_change(self, params, rows, weights, draws):
            self.others += rows[:, 0].tolist()
            step = Params((0 * params.weights[0],), (np.zeros(1),))
            return weights.sum(), step

    X = np.arange(60.0)[:, None]
    settings = fine_tuning.Settings(Recorded(), optimise.Adam(), 6, 0.0, True, 0)
    params = random_params((1, 1), rng)
    state = fine_tuning.State(params, settings.optimiser.init(params), 0)
    ones = np.ones(60)
    _, loss = fine_tuning.train_epoch(
        state, X[:12], X[:12], ones[:12], 0.1, settings, (X, ones)
    )
    assert sorted(Recorded.others) == X[:, 0].tolist()
    assert sorted(Recorded.labelled) == sorted(5 * X[:12, 0].tolist())
    rounds = np.reshape(Recorded.labelled, (5, 12))
    assert len(np.unique(rounds, axis=0)) == 5  # in another order each time
    assert loss == pytest.approx(1.0)


def moons(rng):
    X, y = make_moons(300, noise=0.08, random_state=0)
    some = np.full(300, -1)
    for k in (0, 1):
        rows = rng.choice(np.flatnonzero(y == k), 3, replace=False)
        some[rows] = k
    return MinMaxScaler().fit_transform(X), y, some


def test_rows_without_a_label_tell_where_the_classes_end():
    """Two half moons with three labels each: far better than without."""
    right = {0.0: [], 0.1: []}
    for seed in range(2):
        X, y, some = moons(np.random.default_rng(seed))
        for radius, shares in right.items():
            model = DBNClassifier(
                (50, 50),
                rbm=BernoulliRBM(n_iter=0, initial_activation=0.5),
                learning_rate_init=0.03,
                learning_rate_schedule="linear",
                batch_size=30,
                max_iter=300,
                n_iter_no_change=300,
                adversarial_radius=radius,
                unlabeled=-1,
                random_state=seed,
            )
            shares.append(model.fit(X, some).score(X, y))
    assert np.mean(right[0.1]) > np.mean(right[0.0]) + 0.05


def test_columns_of_a_posterior_do_not_move(monkeypatch):
    """Those beside the features, which a network from a deep machine gets."""
    X, _, some = moons(np.random.default_rng(0))
    real, seen = adversarial.most_sensitive, []

    def spy(*args):
        seen.append(real(*args))
        return seen[-1]

    monkeypatch.setattr(adversarial, "most_sensitive", spy)
    dbm = DBM(n_iter=1, rbm=BernoulliRBM(n_iter=1))
    model = DBMClassifier(
        (5, 4), dbm=dbm, max_iter=1, adversarial_radius=0.1, unlabeled=-1
    )
    model.set_params(learning_rate_schedule="linear", random_state=0).fit(X, some)
    moves = np.concatenate(seen)
    assert moves.shape == (300, 2 + 4)
    assert_array_equal(moves[:, 2:], 0.0)
    # The outputs begin without weights, so that the first batch does not move.
    assert_allclose(np.linalg.norm(moves, axis=1)[100:], 1.0, rtol=1e-5)


def test_all_rows_at_once_have_no_radius():
    X, y, _ = moons(np.random.default_rng(0))
    model = DBNClassifier((5,), solver="lbfgs", adversarial_radius=0.1)
    with pytest.raises(ValueError, match=r"adversarial_radius=0\.1 needs a solver"):
        model.fit(X, y)
