"""Training in rounds on rows that lie apart, here all in one process."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal, assert_equal
from scipy import sparse

from skebm import DBN, BernoulliRBM, Checkpoint, GaussianRBM, MultinomialRBM
from skebm.core import rounds, training
from skebm.core.rows import (
    Columns,
    Deviations,
    Encoded,
    Mapped,
    Spread,
    column_means,
    column_ranges,
    spread,
)
from skebm.core.streams import seed_of_part
from skebm.core.training import State
from skebm.core.units import Bernoulli


class Here:
    """Places in this process; at the round of number `fails_at` there is an error."""

    def __init__(self, parts, weights, fails_at=None):
        self.pairs = list(zip(parts, weights, strict=True))
        self.fails_at, self.n_rounds = fails_at, 0

    def each(self, function):
        return [function(*pair) for pair in self.pairs]

    def folded(self, function, inputs, start, combine):
        if self.n_rounds == self.fails_at:
            raise ConnectionError
        self.n_rounds += 1
        shares = [
            function(*pair, index, given, start)
            for index, (pair, given) in enumerate(zip(self.pairs, inputs, strict=True))
        ]
        return rounds.in_tree(shares, combine)


def apart(X, n_parts, weights=None, steps_per_round=2, fails_at=None):
    """X in parts, of which the last ones may have a row less."""
    weights = np.ones(X.shape[0], X.dtype) if weights is None else weights
    numbers = np.array_split(np.arange(X.shape[0]), n_parts)
    places = Here([X[i] for i in numbers], [weights[i] for i in numbers], fails_at)
    sample = X[:: max(1, X.shape[0] // 100)]
    return Spread(places, [len(i) for i in numbers], sample, steps_per_round)


def patterns(rng, n_rows=410, n_columns=6):
    """Rows of two patterns, of which a tenth of the bits is turned over."""
    two = np.repeat([[0.0], [1.0]], n_columns, axis=1)
    two[:, ::2] = 1 - two[:, ::2]
    X = two[rng.integers(2, size=n_rows)]
    return np.abs(X - (rng.random(X.shape) < 0.1)).astype(np.float32)


def state_and_settings(X, **params):
    """What a fit begins with, and its settings."""
    rbm = BernoulliRBM(4, batch_size=10, random_state=0, **params)
    settings = rbm._settings(7, X.shape[0], (Bernoulli(), Bernoulli()))
    weights = np.ones(X.shape[0], X.dtype)
    return training.start(X, weights, (4,), 5, settings), settings


def arrays_of(value):
    """All arrays in nested containers."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return [x for part in value for x in arrays_of(part)]
    return [value] if isinstance(value, np.ndarray) else []


def assert_same(some, others):
    """The same arrays, bit for bit."""
    some, others = arrays_of(some), arrays_of(others)
    assert len(some) == len(others) > 0
    for x, y in zip(some, others, strict=True):
        assert x.dtype == y.dtype
        assert_array_equal(x, y)


def model(estimator):
    """All that is fitted, as arrays."""
    return [vars(x) for x in getattr(estimator, "rbms_", [estimator])]


@pytest.mark.parametrize("view", [None, "encoded", "columns", "deviations", "mapped"])
def test_statistics_are_those_of_the_whole(rng, view):
    X = rng.normal(size=(50, 3))
    weights = rng.random(50)
    weights[:20] = 0  # all of the first part
    of = {
        None: lambda X: X,
        "encoded": lambda X: Encoded(X, GaussianRBM(1)._units(2)[0]),
        "columns": lambda X: Columns(X, np.array([2, 0])),
        "deviations": lambda X: Deviations(X, np.array([0.5, 1.0, -1.0])),
        "mapped": lambda X: Mapped(X, np.exp, 3),
    }[view]
    parts = apart(X, 3, weights)
    mean, mass = column_means(of(X), weights)
    found, found_mass = column_means(of(parts), None)
    assert_allclose(found, mean, rtol=1e-12)
    assert found_mass == pytest.approx(mass)
    if view != "deviations":  # nobody asks for theirs
        assert_array_equal(column_ranges(of(parts)), column_ranges(of(X)))


def test_views_are_looked_through_in_their_order(rng):
    X = rng.normal(size=(50, 3))
    doubled = Mapped(apart(X, 2), lambda x: 2 * x, 3)
    found = spread(Mapped(doubled, np.exp, 3))
    mean, _ = column_means(found, None)
    assert_allclose(mean, np.exp(2 * X).mean(0))
    assert spread(Mapped(X, np.exp, 3)) is None


@pytest.mark.parametrize("params", [{}, {"momentum": 0.9}, {"algorithm": "pt"}])
def test_a_round_is_the_weighted_mean_of_what_parts_come_to(rng, params):
    X, weights = patterns(rng, 90), rng.random(90).astype(np.float32)
    state, settings = state_and_settings(X, **params)
    parts = apart(X, 2, weights)
    start = rounds.Start(state._replace(chains=None), settings, 0.1, 1, 3, 5)
    share = rounds.one_round(parts, start, ())
    found = rounds.after_round(state, share)

    alone = []
    for index, (x, w) in enumerate(parts.places.pairs):
        seed = seed_of_part(7, index, state.epoch)
        rows = rounds.rows_of_turn(45, seed, start)
        assert len(rows) == 15
        own = settings._replace(seed=seed, shuffle=False)
        begin = state._replace(chains=rounds.first_chains(start, seed), epoch=1)
        ended = training.train_epoch(begin, x[rows], w[rows], 0.1, own)
        alone.append((w[rows].sum(), ended))
    (mass, some), (other_mass, others) = alone
    assert_same(found.chains, some.chains)
    assert_same(share.chains[1], others.chains)
    values = [(s.params, s.velocity, s.means) for s in (some, others, found)]
    for x, y, mean in zip(*map(arrays_of, values), strict=True):
        expected = (mass * x + other_mass * y) / (mass + other_mass)
        assert_allclose(mean, expected, rtol=1e-5, atol=1e-7)


def test_the_rounds_of_an_epoch_go_once_through_all_rows(rng):
    X = patterns(rng, 43)
    state, settings = state_and_settings(X)
    turns = rounds.n_turns([43, 20], 10, 2)
    assert turns == 3  # of five steps, two at most
    taken = [
        rounds.rows_of_turn(43, 1, rounds.Start(state, settings, 0.1, turn, turns, 5))
        for turn in range(turns)
    ]
    assert max(map(len, taken)) <= 20
    assert sorted(np.concatenate(taken)) == list(range(43))
    assert sorted(np.concatenate(taken)) != list(np.concatenate(taken))


def test_streams_differ_by_part_epoch_and_round(rng):
    X = patterns(rng, 40)
    state, settings = state_and_settings(X)
    weights, chains = np.ones(40, np.float32), None
    ends = []
    for index, epoch, turn in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]:
        start = rounds.Start(state._replace(epoch=epoch), settings, 0.1, turn, 1, 5)
        start = start._replace(n_turns=1, turn=0)
        # The same rows in the same order: what differs are the streams of the chains.
        start = start._replace(settings=settings._replace(shuffle=False))
        if turn:
            start = start._replace(turn=1, n_turns=2)
            rows = np.concatenate([X[::-1], X])
            share = rounds.go_on(rows, np.ones(80, np.float32), index, chains, start)
        else:
            share = rounds.go_on(X, weights, index, chains, start)
        if chains is None:
            chains = share.chains[0]
            share = rounds.go_on(X, weights, index, chains, start)
        ends.append(share.chains[0][1])
    for i, x in enumerate(ends):
        for y in ends[:i]:
            assert (x != y).any()


def test_parts_that_weigh_nothing_change_nothing(rng):
    X = patterns(rng, 90)
    weights = np.repeat(np.float32([1, 0, 2]), 30)
    rbm = BernoulliRBM(4, n_iter=2, batch_size=10, random_state=0)
    some = rbm.fit(apart(X, 3, weights)).components_
    X[30:60] = 1 - X[30:60]
    assert_array_equal(rbm.fit(apart(X, 3, weights)).components_, some)


def test_sparse_parts_are_as_dense_ones(rng):
    X = patterns(rng, 90)
    rbm = BernoulliRBM(4, n_iter=2, batch_size=10, random_state=0)
    some = rbm.fit(apart(X, 3)).components_
    found = rbm.fit(apart(sparse.csr_array(X), 3)).components_
    assert_array_equal(found, some)


def test_what_is_learnt_is_what_one_machine_learns(rng):
    """To a twentieth of a nat, of the one and a half that there are to learn."""
    X = patterns(rng, 2000)
    rbm = BernoulliRBM(4, n_iter=60, batch_size=20, random_state=0)
    one = rbm.fit(X).score(X)
    untrained = BernoulliRBM(4, n_iter=0, random_state=0).fit(X).score(X)
    assert one - untrained > 1.0
    assert abs(rbm.fit(apart(X, 8, steps_per_round=3)).score(X) - one) < 0.05


@pytest.mark.parametrize("learn_scale", [True, False])
def test_borders_are_learnt_together(rng, learn_scale):
    X = 5 + 2 * rng.normal(size=(600, 3)) @ rng.normal(size=(3, 3))
    params = {"n_iter": 20, "learn_scale": learn_scale, "random_state": 0}
    rbm = GaussianRBM(2, **params)
    one = rbm.fit(X).score(X)
    found = rbm.fit(apart(X, 3))
    assert_allclose(found._border["location"], X.mean(0))
    assert abs(found.score(X) - one) < 0.1
    # Its mean is that of the rows in the units that were learnt.
    mean = found._visible_kind().decode(found._data_mean())
    assert_allclose(mean, X.mean(0), atol=1e-6)
    assert np.allclose(found._border["scale"], X.std(0)) != learn_scale
    moved = np.array([1.0, 2.0, 3.0])
    found.set_params(learning_rate=0.1).partial_fit(apart(X + moved, 3))
    mean = found._visible_kind().decode(found._data_mean())
    assert_allclose(mean, (X + moved / 2).mean(0), atol=1e-6)


def test_a_stack_is_fitted_layer_by_layer(rng):
    X = patterns(rng, 400)
    rbm = BernoulliRBM(n_iter=10, batch_size=20)
    dbn = DBN((4, 3), rbm=rbm, random_state=0).fit(apart(X, 4))
    alone = BernoulliRBM(
        4, n_iter=10, batch_size=20, random_state=dbn.rbms_[0].random_state
    )
    assert_array_equal(alone.fit(apart(X, 4)).components_, dbn.rbms_[0].components_)
    H = dbn.rbms_[0].transform(X)
    second = alone.set_params(n_components=3, random_state=dbn.rbms_[1].random_state)
    second.fit(apart(H, 4))
    assert_allclose(second.components_, dbn.rbms_[1].components_, rtol=1e-4, atol=1e-6)


def test_word_counts(rng):
    X = rng.poisson(1.0, size=(200, 5)) + np.eye(5)[rng.integers(5, size=200)]
    rbm = MultinomialRBM(2, n_iter=5, random_state=0)
    usual = rbm.fit(X)._border
    assert rbm.fit(apart(X, 4))._border == usual == {"usual": 6.0}


@pytest.mark.parametrize("n_before", [0, 3, 4, 5])
@pytest.mark.parametrize(
    "estimator",
    [
        BernoulliRBM(4, n_iter=4, batch_size=10, momentum=0.5, random_state=0),
        BernoulliRBM(4, n_iter=4, batch_size=10, algorithm="pt", random_state=0),
        GaussianRBM(4, n_iter=4, batch_size=10, random_state=0),
        DBN((4, 3), rbm=BernoulliRBM(n_iter=2, batch_size=10), random_state=0),
    ],
    ids=["momentum", "pt", "gaussian", "dbn"],
)
def test_a_fit_goes_on_after_any_round(rng, tmp_path, estimator, n_before):
    X = patterns(rng, 90)
    whole = model(estimator.set_callbacks().fit(apart(X, 3)))
    history = estimator.history_
    checkpoint = Checkpoint(tmp_path / "fit")
    estimator.set_callbacks(checkpoint)
    broken = apart(X, 3, fails_at=n_before)
    with pytest.raises(ConnectionError):
        estimator.fit(broken)
    if n_before == 0:
        assert not checkpoint.path.exists()
        return
    again = apart(X, 3)
    resumed = checkpoint.resume(again)
    # Four epochs in all, of three steps in two rounds.
    assert again.places.n_rounds == 8 - n_before
    assert_equal(resumed.history_, history)
    assert_same(model(resumed), whole)


@pytest.mark.parametrize("other", ["rows", "weights", "steps", "precision", "parts"])
def test_a_fit_does_not_go_on_with_what_is_not_the_same(rng, tmp_path, other):
    X = patterns(rng, 90)
    checkpoint = Checkpoint(tmp_path / "fit")
    rbm = BernoulliRBM(4, n_iter=4, batch_size=10, random_state=0)
    with pytest.raises(ConnectionError):
        rbm.set_callbacks(checkpoint).fit(apart(X, 3, fails_at=3))
    rows = {
        "rows": partial(apart, 1 - X, 3),
        "weights": partial(apart, X, 3, np.arange(90.0, dtype=np.float32)),
        "steps": partial(apart, X, 3, steps_per_round=1),
        "precision": partial(apart, X.astype(np.float64), 3),
        "parts": partial(apart, X, 2),
    }[other]
    with pytest.raises(ValueError, match="the same rows"):
        checkpoint.resume(rows())


def test_fits_go_on_from_fitted_machines(rng):
    X = patterns(rng, 200)
    rbm = BernoulliRBM(4, n_iter=2, warm_start=True, random_state=0)
    rbm.fit(apart(X, 4)).fit(apart(X, 2))
    assert rbm.n_iter_ == 4
    assert len(rbm.history_["chain_error"]) == 4
    rbm.partial_fit(apart(X, 4)).partial_fit(X)
    assert rbm.n_iter_ == 6
    with pytest.raises(ValueError, match="features"):
        rbm.partial_fit(apart(X[:, :-1], 4))


def test_a_state_is_shared_without_what_is_of_a_part():
    """What is not in the values of a share is either the same for all or of a part."""
    same = {"units", "epoch", "mass", "completed", "work"}
    shared = {"params", "velocity", "means"}
    assert set(State._fields) == same | shared | {"chains"}


def test_parts_of_different_sizes_count_by_their_rows(rng):
    """A thousand rows with p near .9 and a hundred with p near .1: .83 of all.

    Where a large part counted by its rows and by its steps, it would be .89.
    """
    many, few = rng.random((1000, 3)) < 0.9, rng.random((100, 3)) < 0.1
    parts = [x.astype(np.float32) for x in (many, few)]
    places = Here(parts, [np.ones(len(x), np.float32) for x in parts])
    X = Spread(places, [1000, 100], np.concatenate(parts)[::5], 50)
    rbm = BernoulliRBM(
        1, n_iter=30, learning_rate=0.05, batch_size=10, random_state=0
    ).fit(X)
    states = np.array(list(np.ndindex(2, 2, 2)), dtype=np.float32)
    found = np.exp(rbm.score_samples(states)) @ states.mean(axis=1)
    assert found == pytest.approx(np.concatenate(parts).mean(), abs=0.02)
