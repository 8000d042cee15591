"""Deep machines from doubled ones."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skebm import DBM, BernoulliRBM, HistoryMonitor
from skebm.core.machine import ODD, Machine, Params, field, to_means
from skebm.core.pretraining import composed
from skebm.core.pretraining import doubled as doubled_kinds
from skebm.core.rows import Encoded, Subset, has_nan, take_rows
from skebm.core.sampling import bottom_up
from skebm.core.stack import pass_up
from skebm.core.units import Bernoulli, Tied, tied

from .enumeration import Enumeration
from .machines import machine_of, random_arrays
from .test_rbm import patterns

SINGLE, PAIRS = Bernoulli(), Tied(Bernoulli(), 2)


def stack_of(sizes, seed=0):
    """Machines of the pretraining, with random parameters."""
    rng = np.random.default_rng(seed)
    return [
        Machine(
            kinds,
            Params((rng.normal(size=pair),), tuple(rng.normal(size=n) for n in pair)),
        )
        for pair, kinds in zip(
            pairwise(sizes), doubled_kinds((SINGLE,) * len(sizes)), strict=True
        )
    ]


def test_what_is_doubled():
    def copies(n_machines):
        kinds = doubled_kinds((SINGLE,) * (n_machines + 1))
        return [tuple(getattr(k, "n_copies", 1) for k in pair) for pair in kinds]

    assert copies(1) == [(1, 1)]
    assert copies(2) == [(2, 1), (1, 2)]
    assert copies(3) == [(2, 1), (2, 2), (1, 2)]


def test_an_inner_layer_gets_the_mean_of_what_two_machines_give_it():
    """In the composed machine, with the layers below and above known."""
    stack = stack_of((4, 3, 3, 2))
    deep = machine_of(*composed([m.params for m in stack]))
    rng = np.random.default_rng(1)
    layers = [rng.integers(0, 2, (5, n)).astype(float) for n in (4, 3, 3, 2)]
    for index in (1, 2):
        below = field(stack[index - 1].params, [2 * layers[index - 1], None], 1)
        above = field(stack[index].params, [None, 2 * layers[index + 1]], 0)
        found = field(deep.params, layers, index)
        assert_allclose(found, (below + above) / 2)
    for index, alone in ((0, (stack[0], 0)), (3, (stack[2], 1))):
        neighbour = [None, layers[1]] if index == 0 else [layers[2], None]
        expected = field(alone[0].params, neighbour, alone[1])
        assert_allclose(field(deep.params, layers, index), expected)


def test_recognition_starts_with_what_the_doubled_machines_say():
    """p(h1 | v) of two tied copies of v, by enumeration: bottom-up has the same."""
    (W, V), (a, b, c) = random_arrays((3, 2, 2))
    stack = [Params((W,), (a, b)), Params((V,), (b, c))]  # biases that agree
    deep = machine_of(*composed(stack))
    pairs = Enumeration([np.concatenate([W, W])], [np.concatenate([a, a]), b])
    for v in np.unique(pairs.layers[0][:, :3], axis=0):
        expected = pairs.mean(1, {0: np.concatenate([v, v])})
        assert_allclose(bottom_up(deep, v[None, :])[1][0], expected)
    machines = [
        Machine((Tied(Bernoulli(), 2), Bernoulli()), stack[0]),
        Machine((Bernoulli(), Tied(Bernoulli(), 2)), stack[1]),
    ]
    rows = np.random.default_rng(0).uniform(size=(5, 3))
    for n_machines in (1, 2):
        found = pass_up(machines[:n_machines], rows)
        assert_allclose(found, bottom_up(deep, rows)[n_machines])


def test_raised_passes_on_what_a_middle_machine_makes_of_copies():
    stack = stack_of((4, 3, 3, 2))
    rows = np.random.default_rng(0).uniform(size=(5, 4))
    below = pass_up(stack[:1], rows)
    doubled = to_means(stack[1], [2 * below, None], ODD)[1]
    assert_allclose(pass_up(stack[:2], rows), doubled / 2)


def test_encoded_rows():
    X = np.array([[0, 1], [1, 1], [1, 0]], dtype=bool)
    encoded = Encoded(X, PAIRS)
    assert encoded.shape == (3, 2)
    assert_array_equal(take_rows(encoded, slice(1, 3), np.float32), 2.0 * X[1:])
    some = take_rows(Subset(encoded, np.array([2, 0])), slice(0, 2), np.float32)
    assert_array_equal(some, 2.0 * X[[2, 0]])
    assert not has_nan(encoded)
    assert has_nan(Encoded(np.array([[np.nan]]), PAIRS))


# A machine of sums, as callbacks on the pretraining of a deep machine meet it


@pytest.fixture(params=[(2, 1), (2, 2), (1, 2)], ids=str)
def doubled(request):
    """A machine of sums, and a plain one with each copy a unit of its own."""
    X, rng = patterns(n_features=3), np.random.default_rng(2)
    of_sums = BernoulliRBM(2, n_iter=0, random_state=0)
    below, above = request.param
    of_sums._kinds_given = tied(SINGLE, below), tied(SINGLE, above)
    plain = BernoulliRBM(2 * above, n_iter=0, random_state=0)
    of_sums.fit(X)
    plain.fit(np.tile(X, below))
    W, a, b = (rng.normal(size=shape) for shape in ((2, 3), 3, 2))
    for rbm, n_visible, n_hidden in ((of_sums, 1, 1), (plain, below, above)):
        rbm.components_ = np.tile(W, (n_hidden, n_visible))
        rbm.intercept_visible_ = np.tile(a, n_visible)
        rbm.intercept_hidden_ = np.tile(b, n_hidden)
    return of_sums, plain, request.param


def test_queries_of_a_machine_of_sums_are_those_of_its_copies(doubled):
    of_sums, plain, (below, above) = doubled
    X = patterns(20, 3, seed=1)
    tiled, H = np.tile(X, below), X[:, :2]
    for name in ("score_samples", "free_energy"):
        assert_allclose(getattr(of_sums, name)(X), getattr(plain, name)(tiled))
    assert_allclose(of_sums.transform(X), plain.transform(tiled)[:, :2])
    assert_allclose(of_sums.reconstruct(X), plain.reconstruct(tiled)[:, :3])
    down = plain.inverse_transform(np.tile(H, above))[:, :3]
    assert_allclose(of_sums.inverse_transform(H), down)
    assert_array_equal(of_sums.impute(X), X)
    kept = of_sums.sample(20, n_gibbs_steps=0, init=X)
    assert_array_equal(kept, X)
    drawn = of_sums.sample(
        100, n_gibbs_steps=3, given=[1, np.nan, np.nan], random_state=0
    )
    assert_array_equal(drawn[:, 0], 1)
    for rows in (drawn, of_sums.gibbs(X)):
        assert set(np.unique(rows)) == set(np.arange(below + 1) / below)


def test_log_z_of_a_machine_of_sums(doubled):
    of_sums, plain, _ = doubled
    exact = of_sums.log_partition("exact").value
    assert_allclose(exact, plain.log_partition("exact").value)
    annealed = of_sums.log_partition("ais", n_betas=300, n_runs=300)
    assert annealed.lower < exact < annealed.upper


def test_what_is_enumerated_depends_on_the_number_of_states():
    """13 sums of two have 3^13 states, 1.6 million; 13 binary units 8192."""
    X = patterns(n_features=13)
    rbm = BernoulliRBM(14, n_iter=0, random_state=0)
    rbm._kinds_given = (PAIRS, SINGLE)
    assert rbm.fit(X).log_partition().method == "exact"  # 14 hidden binary units
    rbm._kinds_given = (PAIRS, PAIRS)
    assert rbm.fit(X).log_partition(n_betas=100).method == "ais"
    with pytest.raises(ValueError, match="of 13 units, has more"):
        rbm.log_partition("exact")


@pytest.mark.parametrize(
    "params",
    [{"algorithm": "cd"}, {"algorithm": "pt"}, {"early_stopping": True}],
    ids=str,
)
def test_layers_are_pretrained_as_their_machines_are_told(params):
    """Further epochs for the layers alone make a better start."""
    X = patterns(200)
    scores = [
        DBM((6, 5, 4), rbm=BernoulliRBM(n_iter=n, **params), n_iter=0, random_state=0)
        .fit(X)
        .score(X)
        for n in (0, 40)
    ]
    assert scores[1] > scores[0] + 0.3


def test_scoring_callbacks_meet_the_layers_of_a_deep_machine():
    X = patterns()
    seen = []

    def score(rbm, X, y):
        rows = patterns(5, rbm.components_.shape[1])
        machine = rbm._machine(np.float64)
        below, above = (getattr(kind, "n_copies", 1) for kind in machine.units)
        up = to_means(machine, [below * rows, None], ODD)[ODD]
        assert_allclose(rbm.transform(rows), up / above)
        seen.append((below, above))
        return {}

    rbm = BernoulliRBM(n_iter=2).set_callbacks(HistoryMonitor(scoring=score))
    DBM((4, 3), rbm=rbm, n_iter=1, random_state=0).fit(X)
    assert seen == [(2, 1), (2, 1), (1, 2), (1, 2)]
