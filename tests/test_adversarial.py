"""Virtual adversarial training against differences of the distance itself."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import MinMaxScaler

from skebm import (
    DBM,
    BernoulliRBM,
    DBMClassifier,
    DBNClassifier,
    GaussianRBM,
    _fine_tuned,
)
from skebm.core import adversarial, fine_tuning, optimise
from skebm.core import network as net
from skebm.core.machine import Params
from skebm.core.streams import Purpose, stream

from .machines import NAMESPACES, asarray_of
from .test_network import COMBINATIONS, TIED, name_of, numerical, random_params

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


def problem(rng, network=COMBINATIONS[0]):
    params = random_params((N_COLUMNS, 5, 3), rng)
    if network.tied:
        params = Params(params.weights[:1], (*params.biases[:1], np.zeros(N_COLUMNS)))
    return params, rng.uniform(size=(N_ROWS, N_COLUMNS))


class Given:
    """A stream of random numbers that are always the same."""

    def __init__(self, numbers):
        self.numbers = numbers

    def normal(self, shape):
        assert tuple(shape) == self.numbers.shape
        return self.numbers


@pytest.mark.parametrize("network", COMBINATIONS, ids=name_of)
def test_direction_is_a_step_of_the_power_method(network, rng, monkeypatch):
    """Of the second derivative; the opposite one is found."""
    monkeypatch.setattr(adversarial, "PROBE", 1e-5)
    params, rows = problem(rng)
    targets, draws = net.outputs(network, params, rows), stream(1, Purpose.NOISE, rows)
    found = adversarial.most_sensitive(network, params, rows, targets, draws)
    again = stream(1, Purpose.NOISE, rows)
    start = again.normal(rows.shape)
    H = second_derivatives(network, params, rows)
    expected = np.einsum("rij,rj->ri", H, start)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert_allclose(found, expected, atol=2e-3)
    assert not np.allclose(expected, -found, atol=0.1)


@pytest.mark.parametrize("network", COMBINATIONS, ids=name_of)
def test_direction_at_the_distance_that_is_used(network, rng):
    """Near that of the second derivative, whatever the length of the random numbers."""
    params, rows = problem(rng)
    targets, start = net.outputs(network, params, rows), rng.normal(size=rows.shape)
    H = second_derivatives(network, params, rows)
    expected = np.einsum("rij,rj->ri", H, start)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    for length in (1.0, 1000.0):
        draws = Given(length * start)
        found = adversarial.most_sensitive(network, params, rows, targets, draws)
        assert_allclose(found, expected, atol=0.05)


@pytest.mark.parametrize("network", [*COMBINATIONS, TIED[0]], ids=name_of)
def test_change_is_the_distance_and_has_its_gradient(network, rng, monkeypatch):
    params, rows = problem(rng, network)
    full = net.mirrored(params) if network.tied else params
    weights, moves = rng.uniform(size=N_ROWS), rng.normal(size=rows.shape)
    monkeypatch.setattr(adversarial, "most_sensitive", lambda *args: moves)
    args = (weights, 0.3, None)
    loss, step = adversarial.descent_of_change(network, params, rows, *args)
    moved = rows + 0.3 * moves
    assert_allclose(loss, weights @ distances(network, full, rows, moved))
    y = net.outputs(network, full, rows)

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
        args = (asarray(rows), asarray(weights), 0.3, Given(asarray(start)))
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
    args = (np.ones(N_ROWS), 1.0, stream(0, Purpose.NOISE, rows))
    loss, step = adversarial.descent_of_change(COMBINATIONS[0], params, rows, *args)
    assert loss == pytest.approx(0.0, abs=1e-12)
    assert all(np.isfinite(x).all() for group in step for x in group)


def test_no_unit_is_left_out_of_the_distance(rng):
    params, rows = problem(rng)
    draws, found = Given(rng.normal(size=rows.shape)), []
    for dropout in (net.Dropout(), net.Dropout(0.5, 0.5)):
        objective = fine_tuning.Supervised(COMBINATIONS[0], dropout, 0.3)
        found.append(objective.descent_of_change(params, rows, np.ones(N_ROWS), draws))
    assert found[0][0] == found[1][0]


STEP, CHANGE = 0.25, 0.5


class Recorded:
    """An objective with steps that are known, which remembers the rows."""

    def __init__(self):
        self.labelled, self.others, self.noise = [], [], []

    def descent(self, params, rows, y, weights, draws):
        assert_allclose(y[:, 0], rows[:, 0])
        assert_allclose(weights.sum(), 1.0)
        self.labelled += rows[:, 0].astype(int).tolist()
        return 0.0, Params((np.full((1, 1), STEP),), (np.zeros(1),))

    def descent_of_change(self, params, rows, weights, draws):
        self.others += rows[:, 0].astype(int).tolist()
        self.noise.append(draws.normal((1,)))
        return weights.sum(), Params((np.full((1, 1), CHANGE),), (np.zeros(1),))


def epochs(n_epochs, n_labelled, shuffle, alpha=0.0):
    """So many of them over 60 rows, some of them labelled, in batches of 6."""
    X, ones, objective = np.arange(60.0)[:, None], np.ones(60), Recorded()
    settings = fine_tuning.Settings(
        objective, optimise.MomentumSGD(), 6, alpha, shuffle, 0
    )
    params = Params((np.ones((1, 1)),), (np.zeros(1),))
    state, some = fine_tuning.State(params, None, 0), slice(0, n_labelled)
    for _ in range(n_epochs):
        state, loss = fine_tuning.train_epoch(
            state, X[some], X[some], ones[some], 0.01, settings, (X, ones)
        )
    return objective, state.params.weights[0][0, 0], loss


def test_an_epoch_is_a_pass_over_all_rows():
    """Each of them comes once, and those with a target as often as it takes."""
    objective, _, loss = epochs(1, 12, shuffle=True)
    assert sorted(objective.others) == list(range(60))
    assert objective.others != sorted(objective.others)
    assert sorted(objective.labelled) == sorted(5 * list(range(12)))
    rounds = np.reshape(objective.labelled, (5, 12))
    assert len(np.unique(rounds, axis=0)) == 5  # in another order each time
    assert loss == pytest.approx(1.0)


def test_a_step_is_that_of_both_parts_and_of_the_penalty():
    """The penalty is alpha over the labelled rows of a batch, whatever the others."""
    _, weight, _ = epochs(1, 12, shuffle=True, alpha=0.3)
    expected = 1.0
    for _ in range(10):
        expected += 0.01 * (STEP + CHANGE - 0.3 / 6 * expected)
    assert weight == pytest.approx(expected)


def test_rows_in_their_order_come_as_often_as_each_other():
    """Where an epoch ends within a pass over the labelled ones, the next goes on."""
    objective, _, _ = epochs(9, 18, shuffle=False)
    assert objective.others == 9 * list(range(60))
    assert objective.labelled == 30 * list(range(18))


def test_each_epoch_has_random_numbers_of_its_own():
    objective, _, _ = epochs(2, 12, shuffle=True)
    assert len(np.unique(objective.noise)) == 20


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


def test_all_of_the_input_of_the_first_layer_moves(monkeypatch):
    """The posterior beside the features too, which stands for them; no other one."""
    X, _, some = moons(np.random.default_rng(0))
    real, seen, given, moved = adversarial.most_sensitive, [], [], []

    def spy(*args):
        given.append(args[2])
        seen.append(real(*args))
        return seen[-1]

    def spy_below(params, rows, hidden):
        moved.append(rows)
        return net.layers_below(params, rows, hidden)

    monkeypatch.setattr(adversarial, "most_sensitive", spy)
    monkeypatch.setattr(adversarial, "layers_below", spy_below)
    dbm = DBM(n_iter=1, rbm=BernoulliRBM(n_iter=1))
    model = DBMClassifier(
        (5, 4, 3), dbm=dbm, max_iter=1, adversarial_radius=0.1, unlabeled=-1
    )
    model.set_params(learning_rate_schedule="linear", random_state=0).fit(X, some)
    moves = np.concatenate(seen)
    assert moves.shape == (300, 2 + 4 + 3)
    assert_array_equal(moves[:, 6:], 0.0)
    probed = np.concatenate(moved) != np.concatenate(given)
    assert probed[:, :6].any(axis=1).all()
    assert not probed[:, 6:].any()
    assert np.all(moves[100:, 2:6] != 0.0)
    # The outputs begin without weights, so that the first batch does not move.
    assert_allclose(np.linalg.norm(moves, axis=1)[100:], 1.0, rtol=1e-5)


def test_all_rows_at_once_have_no_radius():
    X, y, _ = moons(np.random.default_rng(0))
    model = DBNClassifier((5,), solver="lbfgs", adversarial_radius=0.1)
    with pytest.raises(ValueError, match=r"adversarial_radius=0\.1 needs a solver"):
        model.fit(X, y)


def few_labels():
    """Digits in [0, 1], of which the first 60 have a label."""
    X, y = load_digits(return_X_y=True)
    return X[:200] / 16, np.where(np.arange(200) < 60, y[:200], -1), y[:200]


def model_of(**params):
    params = {
        "rbm": BernoulliRBM(n_iter=1),
        "learning_rate_init": 0.01,
        "learning_rate_schedule": "linear",
        "max_iter": 3,
        "adversarial_radius": 0.5,
        "unlabeled": -1,
        "random_state": 0,
        **params,
    }
    return DBNClassifier((12, 8), **params)


def assert_same(model, other, **tolerances):
    for W, V in zip(model.coefs_, other.coefs_, strict=True):
        assert_allclose(V, W, **tolerances)


def test_sparse_rows_and_any_mark_give_the_same():
    X, some, _ = few_labels()
    model = model_of().fit(X, some)
    assert_same(model, model_of().fit(sparse.csr_array(X), some), atol=1e-12)
    gaps = np.where(some == -1, np.nan, some)
    assert_same(model, model_of(unlabeled=np.nan).fit(X, gaps), rtol=0)
    other = model_of(adversarial_radius=0.0).fit(X, some)
    assert not np.allclose(model.coefs_[-1], other.coefs_[-1], atol=1e-3)


def test_single_precision_gives_nearly_the_same():
    """Without pretraining, whose draws depend on the last digit."""
    X, some, _ = few_labels()
    model, other = (
        model_of(rbm=BernoulliRBM(n_iter=0)).fit(X.astype(dtype), some)
        for dtype in ("float64", "float32")
    )
    assert other.coefs_[0].dtype == np.float32
    assert_same(model, other, atol=1e-3)


@pytest.mark.parametrize("several", [False, True])
def test_two_classes_and_several_labels(several):
    """The outputs of rows without a label are less in doubt than before."""
    X, some, y = few_labels()
    y = np.stack([y % 2, y > 4], axis=1) if several else y % 2
    marked = np.where((some == -1)[:, None] if several else some == -1, -1, y)
    doubt = {}
    for radius in (0.0, 0.5):
        model = model_of(max_iter=60, n_iter_no_change=60, adversarial_radius=radius)
        model.set_params(rbm=BernoulliRBM(n_iter=10))
        p = model.fit(X, marked).predict_proba(X[60:])
        doubt[radius] = -np.mean(p * np.log(p) + (1 - p) * np.log(1 - p))
        assert np.isfinite(model.loss_curve_).all()
    assert doubt[0.5] < doubt[0.0]


def test_calls_of_partial_fit_are_the_epochs_of_fit():
    X, some, _ = few_labels()
    whole = model_of(learning_rate_schedule="constant", tol=0.0)
    with pytest.warns(ConvergenceWarning):
        whole.fit(X, some)
    parts = model_of()
    for _ in range(3):
        parts.partial_fit(X, some, classes=range(10))
    assert_same(whole, parts, rtol=1e-12)


def test_rows_of_weight_zero_count_for_nothing():
    """In one batch, in order: rows before them have the same random directions."""
    X, some, _ = few_labels()
    model = model_of(rbm=BernoulliRBM(n_iter=0), batch_size=200, shuffle=False)
    fewer = clone(model).fit(X[:150], some[:150])
    weights = (np.arange(200) < 150).astype(float)
    assert_same(fewer, clone(model).fit(X, some, sample_weight=weights), atol=1e-6)
    assert not np.allclose(model.fit(X, some).coefs_[0], fewer.coefs_[0], atol=1e-6)


def test_real_values_move_in_units_of_their_deviations():
    """So that the unit of the rows does not matter."""
    X, some, _ = few_labels()
    rbms = [GaussianRBM(n_iter=1), BernoulliRBM(n_iter=1)]
    models = [model_of(rbm=rbms, max_iter=9).fit(c * X, some) for c in (1.0, 1024.0)]
    assert_allclose(models[1].loss_curve_, models[0].loss_curve_, rtol=1e-5)
    other = model_of(rbm=rbms, max_iter=9, adversarial_radius=500.0).fit(X, some)
    assert not np.allclose(other.loss_curve_, models[0].loss_curve_, rtol=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("radius", [1e-8, 1e6])
def test_any_radius_leaves_numbers(radius, dtype):
    X, some, _ = few_labels()
    model = model_of(adversarial_radius=radius).fit(X.astype(dtype), some)
    assert np.isfinite(model.loss_curve_).all()
    assert all(np.isfinite(W).all() for W in model.coefs_)


def test_rows_held_out_take_part_without_their_labels(monkeypatch):
    X, some, _ = few_labels()
    seen, real = [], fine_tuning.train_epoch

    def spy(state, X, *args):
        seen.append((X.shape[0], args[-1][0].shape[0]))
        return real(state, X, *args)

    monkeypatch.setattr(fine_tuning, "train_epoch", spy)
    model = model_of(early_stopping=True, validation_fraction=0.5, max_iter=2)
    model.fit(X, some)
    assert seen == [(30, 200)] * 2
    assert len(model.validation_scores_) == 2


def test_momentum_takes_part():
    X, some, _ = few_labels()
    fits = [
        model_of(solver="sgd", learning_rate_init=0.5, adversarial_radius=radius)
        for radius in (0.0, 0.5)
    ]
    some_weights = [model.fit(X, some).coefs_[0] for model in fits]
    assert not np.allclose(*some_weights, atol=1e-4)


@pytest.mark.parametrize("n_labels", [1, 3])
def test_too_few_labels_to_hold_some_out_of_each_class(n_labels, rng):
    X, y, _ = moons(rng)
    some = np.full(300, -1)
    for k in (0, 1):
        some[np.flatnonzero(y == k)[:n_labels]] = k
    model = DBNClassifier((5,), early_stopping=True, unlabeled=-1)
    with pytest.raises(ValueError, match=r"early_stopping cannot hold out 0\.1 of"):
        model.fit(X, some)


def test_the_posterior_of_a_row_is_computed_once(monkeypatch):
    """Though it takes part with its label, without it, and among those held out."""
    X, y, some = moons(np.random.default_rng(0))
    real, n_rows = _fine_tuned.computed, []

    def spy(function, rows, dtype):
        n_rows.append(rows.shape[0])
        return real(function, rows, dtype)

    monkeypatch.setattr(_fine_tuned, "computed", spy)
    dbm = DBM((5, 4), n_iter=1, rbm=BernoulliRBM(n_iter=1), random_state=0).fit(X)
    for radius, labels, expected in ((0.1, some, 300), (0.1, y, 300), (0.0, some, 6)):
        model = DBMClassifier(dbm=dbm, max_iter=1, unlabeled=-1, random_state=0)
        model.set_params(
            adversarial_radius=radius,
            learning_rate_schedule="linear",
            early_stopping=True,
            validation_fraction=0.5,
        )
        model.fit(X, labels)
        assert n_rows.pop() == expected
        assert not n_rows
