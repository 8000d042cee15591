"""The minibatch loop and L-BFGS for networks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

from skebm.core import fine_tuning, optimise
from skebm.core import network as net
from skebm.core.machine import Params, copy_params
from skebm.core.training import Diverged

from .test_network import COMBINATIONS, name_of, numerical, random_params, targets_for

NO_DROPOUT = net.Dropout()


def settings_of(network=COMBINATIONS[0], dropout=NO_DROPOUT, **changed):
    settings = fine_tuning.Settings(
        objective=fine_tuning.Supervised(network, dropout),
        optimiser=optimise.Adam(),
        batch_size=10,
        alpha=0.0,
        shuffle=True,
        seed=0,
    )
    return settings._replace(**changed)


def trained(X, y, weights=None, n_epochs=3, rate=0.01, sizes=(4, 5, 3), **changed):
    settings = settings_of(**changed)
    weights = np.ones(X.shape[0]) if weights is None else weights
    params = random_params(sizes, np.random.default_rng(1))
    state = fine_tuning.State(params, settings.optimiser.init(params), 0)
    losses = []
    for _ in range(n_epochs):
        state, loss = fine_tuning.train_epoch(state, X, y, weights, rate, settings)
        losses.append(loss)
    return state, losses


def data(rng, n_rows=33):
    X = rng.uniform(size=(n_rows, 4))
    return X, np.eye(3)[(X[:, 0] > 0.5).astype(int) + (X[:, 1] > 0.5)]


def assert_same(one, other, **tolerance):
    for group, others in zip(one.params, other.params, strict=True):
        for x, y in zip(group, others, strict=True):
            assert_allclose(x, y, **(tolerance or {"rtol": 0}))


@pytest.mark.parametrize("network", COMBINATIONS, ids=name_of)
def test_objective_has_the_numerical_gradient(network, rng):
    """With the penalty, with weights, and with more rows than a block has."""
    params = random_params((4, 3, 3), rng)
    X, weights = rng.uniform(size=(1100, 4)), rng.uniform(size=1100)
    y = targets_for(network.output, 1100, 3, rng)

    def loss():
        return fine_tuning.objective(network, params, X, y, weights, alpha=300.0)[0]

    _, steps = fine_tuning.objective(network, params, X, y, weights, alpha=300.0)
    expected = numerical(loss, params)
    for x, slope in zip([x for g in steps for x in g], expected, strict=True):
        assert_allclose(-x, slope, atol=1e-6)


def test_an_epoch_of_one_batch_is_a_step_down_the_objective(rng):
    X, y = data(rng)
    weights = rng.uniform(size=33)
    settings = settings_of(
        optimiser=optimise.MomentumSGD(), batch_size=33, alpha=0.7, shuffle=False
    )
    params = random_params((4, 5, 3), rng)
    before = copy_params(params)
    state = fine_tuning.State(params, None, 0)
    after, loss = fine_tuning.train_epoch(state, X, y, weights, 0.1, settings)
    expected, steps = fine_tuning.objective(
        COMBINATIONS[0], before, X, y, weights, alpha=0.7
    )
    for group in range(2):
        for x, start, step in zip(
            after.params[group], before[group], steps[group], strict=True
        ):
            assert_allclose(x, start + 0.1 * step)
    assert_same(state, fine_tuning.State(before, None, 0))
    # The loss is of the epoch's own batches, its penalty of the epoch's end.
    penalties = [net.penalty(p, 0.7 / weights.sum()) for p in (before, after.params)]
    assert_allclose(loss - penalties[1], expected - penalties[0])


@pytest.mark.parametrize("batch_size", [10, 33])
def test_training_learns(batch_size, rng):
    X, y = data(rng, 200)
    state, losses = trained(X, y, n_epochs=150, batch_size=batch_size, rate=0.03)
    top = net.top_layer(state.params, X)
    a = net.output_field(state.params, top)
    assert (a.argmax(axis=1) == y.argmax(axis=1)).mean() > 0.9
    assert losses[-1] < 0.5 * losses[0]


def test_a_row_of_weight_two_is_the_row_twice(rng):
    X, y = data(rng)
    weights = rng.integers(0, 3, 33)
    twice = np.repeat(np.arange(33), weights)
    one, _ = trained(X, y, weights.astype(float), batch_size=100, alpha=0.5)
    other, _ = trained(X[twice], y[twice], batch_size=100, alpha=0.5)
    assert_same(one, other, rtol=1e-8)
    without, _ = trained(X, y, batch_size=100, alpha=0.5)
    assert not np.allclose(one.params.weights[0], without.params.weights[0])


def test_rows_may_be_sparse_or_small_integers(rng):
    X, y = data(rng)
    X = (X > 0.5).astype(np.uint8)
    expected, _ = trained(X.astype(float), y)
    assert_same(trained(X, y)[0], expected)
    assert_same(trained(sparse.csr_array(X), y)[0], expected)


def test_every_setting_counts(rng):
    X, y = data(rng)
    expected, _ = trained(X, y)
    for change in [
        {"alpha": 1.0},
        {"dropout": net.Dropout(0.2, 0.0)},
        {"dropout": net.Dropout(0.0, 0.2)},
        {"shuffle": False},
        {"seed": 1},
        {"batch_size": 11},
        {"optimiser": optimise.MomentumSGD(0.9, nesterov=True)},
    ]:
        found, _ = trained(X, y, **change)
        assert not np.allclose(found.params.weights[0], expected.params.weights[0])


def test_epochs_are_the_same_in_one_go_or_in_two(rng):
    X, y = data(rng)
    whole, losses = trained(X, y, n_epochs=2)
    half, first = trained(X, y, n_epochs=1)
    kept = copy_params(half.params), half.moments.first.weights[0].copy()
    settings, ones = settings_of(), np.ones(33)
    found, second = fine_tuning.train_epoch(half, X, y, ones, 0.01, settings)
    assert_same(found, whole)
    assert [*first, second] == losses
    assert_same(half, fine_tuning.State(kept[0], None, 1))
    assert_array_equal(half.moments.first.weights[0], kept[1])


def test_divergence_is_an_error(rng):
    X, y = data(rng)
    with np.errstate(all="ignore"), pytest.raises(Diverged):
        trained(
            X,
            y,
            network=COMBINATIONS[-1],
            optimiser=optimise.MomentumSGD(),
            rate=1e100,
            batch_size=33,
            n_epochs=10,
        )


def test_output_layer_starts_at_the_mean_of_the_targets(rng):
    """But for a row in which nothing is known: without it, log 0 would be a bias."""
    hidden, X = random_params((4, 5), rng), rng.uniform(size=(2, 4))
    weights = rng.uniform(size=50)
    for output, unknown in [
        (net.Softmax(), 1 / 3),
        (net.Sigmoid(), 1 / 2),
        (net.Identity(), None),
    ]:
        y = targets_for(output, 50, 3, rng)
        params = fine_tuning.with_output(hidden, output, y, weights)
        a = net.output_field(params, net.top_layer(params, X))
        if unknown is None:
            expected = weights @ y / weights.sum()
        else:
            expected = (weights @ y + unknown) / (weights.sum() + 1)
        assert_allclose(output.mean(a), [expected, expected])
        assert params.weights[1].shape == (5, 3)


def lbfgs(X, y, output, loss, alpha, tol=1e-9):
    """The minimum of a network without hidden layers, where the loss is convex."""
    settings = settings_of(net.Network(output, loss), alpha=alpha)
    params = Params((np.zeros((4, y.shape[1])),), (np.zeros(y.shape[1]),))
    state = fine_tuning.State(params, None, 0)
    ones = np.ones(X.shape[0])
    return followed(state, X, y, ones, 1000, tol, settings)


def followed(*args):
    """The last state, the losses, and the report of L-BFGS."""
    reached = []
    result = fine_tuning.lbfgs(*args, lambda *now: reached.append(now))
    return *reached[-1], result


def test_lbfgs_finds_the_logistic_regression(rng):
    X = rng.normal(size=(120, 4))
    y = (X @ [1.0, -2.0, 0.5, 0.0] + 0.5 * rng.normal(size=120) > 0).astype(int)
    state, losses, result = lbfgs(
        X, y[:, None].astype(float), net.Sigmoid(), net.cross_entropy, 0.5
    )
    expected = LogisticRegression(C=1 / 0.5, tol=1e-9).fit(X, y)
    assert_allclose(state.params.weights[0].T, expected.coef_, atol=1e-4)
    assert_allclose(state.params.biases[0], expected.intercept_, atol=1e-4)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == result.fun
    assert result.success
    assert state.epoch == len(losses)


def test_lbfgs_finds_the_ridge_regression(rng):
    X = rng.normal(size=(120, 4))
    y = X @ rng.normal(size=(4, 2)) + rng.normal(size=(120, 2))
    state, _, _ = lbfgs(X, y, net.Identity(), net.squared_error, 3.0)
    expected = Ridge(alpha=3.0).fit(X, y)
    assert_allclose(state.params.weights[0].T, expected.coef_, rtol=1e-5)
    assert_allclose(state.params.biases[0], expected.intercept_, rtol=1e-5)


def test_penalty_is_that_of_a_batch(rng):
    """The penalty alpha is divided by the rows of a batch, not of all."""
    X, y = data(rng)
    settings = settings_of(alpha=5.0, batch_size=11, optimiser=optimise.MomentumSGD())
    state = fine_tuning.State(random_params((4, 5, 3), rng), None, 0)
    plain, loss = (
        fine_tuning.train_epoch(state, X, y, np.ones(33), 1e-300, each)[1]
        for each in (settings._replace(alpha=0.0), settings)
    )
    assert_allclose(loss - plain, net.penalty(state.params, 5.0 / 11))


@pytest.mark.parametrize(
    "change", [{"shuffle": True}, {"shuffle": False, "dropout": net.Dropout(0.0, 0.5)}]
)
def test_each_epoch_has_random_numbers_of_its_own(rng, change):
    X, y = data(rng)
    settings, params = settings_of(**change), random_params((4, 5, 3), rng)
    moments = settings.optimiser.init
    one, two = (
        fine_tuning.train_epoch(
            fine_tuning.State(params, moments(params), epoch),
            *(X, y, np.ones(33), 0.1, settings),
        )[0]
        for epoch in (0, 1)
    )
    assert not np.allclose(one.params.weights[0], two.params.weights[0])


def test_lbfgs_counts_on(rng):
    X, y = data(rng)
    state = fine_tuning.State(random_params((4, 5, 3), rng), None, 7)
    after, losses, _ = followed(state, X, y, np.ones(33), 3, 0.0, settings_of())
    assert after.epoch == 7 + len(losses)


def test_log_odds_of_a_label_that_all_rows_have():
    """Rounded, the sum of their weights may be more than the mass."""
    mass = np.float32(3e7)
    sums = np.array([mass, np.nextafter(mass, np.float32(np.inf))], dtype=np.float32)
    assert np.isfinite(net.Sigmoid().typical(sums, mass)).all()
