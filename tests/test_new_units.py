"""Kinds of units that are defined here alone: all that there is has to work with them.

Spins are -1 or +1. There are two kinds of them: those whose rows are spins too, and
those whose rows are coins, 0 or 1. Dice have three values, and a unit for each.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import clone
from sklearn.datasets import load_digits

from skebm import DBM, DBN, BernoulliRBM, DBMClassifier, DBNClassifier
from skebm._restricted import BaseRBM
from skebm.core import partition
from skebm.core.backend import namespace, softplus, zeros
from skebm.core.conditional import conditional_mean
from skebm.core.early_stopping import EarlyStopping
from skebm.core.machine import (
    EVEN,
    ODD,
    energy,
    field,
    free_energy,
    gradient,
    pseudo_log_likelihood,
    resample,
    to_means,
)
from skebm.core.rows import Beside, Encoded, take_rows, value_range
from skebm.core.sampling import FINE, mean_field
from skebm.core.streams import Purpose, stream
from skebm.core.units import Bernoulli, PlainBorder, Tied

from .enumeration import Enumeration, log_likelihood
from .machines import machine_of, random_arrays

BINARY = Bernoulli()


class Spins(PlainBorder):
    """Units of -1 or +1: with binary y, 2 y - 1."""

    alternatives = (-1.0, 1.0)

    def mean(self, a):
        return namespace(a).tanh(a)

    def variance(self, mean):
        return 1.0 - mean**2

    def resting(self, activation, n_units, array):
        return zeros(n_units, array) + (2.0 * activation - 1.0)

    def sample(self, mean, stream):
        return 2.0 * BINARY.sample(0.5 * (1.0 + mean), stream) - 1.0

    sample_input = sample

    def log_partition(self, a):
        return namespace(a).sum(softplus(2.0 * a) - a, axis=-1)

    def entropy(self, mean):
        return BINARY.entropy(0.5 * (1.0 + mean))

    def log_base(self, x, n_copies=1):
        return BINARY.log_base(0.5 * (x + n_copies), n_copies)

    def natural(self, mean):
        return namespace(mean).atanh(mean)

    def clip(self, mean, margin):
        return namespace(mean).clip(mean, margin - 1.0, 1.0 - margin)

    n_states = BINARY.n_states

    def states(self, numbers, n_units, array, n_copies=1):
        return 2.0 * BINARY.states(numbers, n_units, array, n_copies) - n_copies

    def check(self, X, name):
        low, high = value_range(X)
        return None if low >= -1.0 and high <= 1.0 else f"has other {name} than spins"


class Coins(Spins):
    """The same, with rows of 0 or 1."""

    def check(self, X, name):
        return BINARY.check(X, name)

    def encode(self, rows):
        return 2.0 * rows - 1.0

    def decode(self, states):
        return 0.5 * (1.0 + states)


VALUES = {Bernoulli: (0.0, 1.0), Spins: (-1.0, 1.0), Coins: (-1.0, 1.0)}


def values_of(units):
    return [VALUES[type(kind)] for kind in units]


def machine_and_oracle(units, sizes, scale=0.7, seed=0):
    weights, biases = random_arrays(sizes, seed, scale)
    machine = machine_of(weights, biases)._replace(units=units)
    return machine, Enumeration(weights, biases, values_of(units))


S, B = Spins(), Bernoulli()

# Core: kinds from below, and numbers of units.
CASES = [((S, B), (4, 3)), ((S, S), (4, 3)), ((B, S), (3, 4)), ((S, B, S), (3, 3, 2))]

of_every_machine = pytest.mark.parametrize(("units", "sizes"), CASES)


def draws(seed=0):
    return stream(seed, Purpose.CHAINS, np.zeros(1))


def test_the_law_of_spins():
    """By its definition, and of sums of two; at the ends of the range too."""
    a = np.linspace(-5.0, 5.0, 11)
    p = np.exp(a) / (np.exp(a) + np.exp(-a))
    assert_allclose(S.mean(a), 2.0 * p - 1.0)
    assert_allclose(S.variance(S.mean(a)), 4.0 * p * (1.0 - p))
    assert_allclose(S.natural(S.mean(a)), a)
    log_z = [S.log_partition(t[None]) for t in a]
    assert_allclose(log_z, np.log(np.exp(a) + np.exp(-a)))
    assert_allclose([S.entropy(m[None]) for m in S.mean(a)], log_z - a * S.mean(a))
    pairs = Tied(S, 2)
    sums = pairs.states(np.arange(3), 1, a)
    assert_array_equal(sums, [[-2.0], [0.0], [2.0]])
    weights = np.exp(sums * a + pairs.log_base(sums)[:, None])
    assert_allclose(np.log(weights.sum(axis=0)), 2.0 * np.ravel(log_z))


@of_every_machine
def test_energies_fields_and_means(units, sizes):
    machine, oracle = machine_and_oracle(units, sizes)
    assert_allclose(energy(machine, oracle.layers), oracle.energies, atol=1e-12)
    for parity in (EVEN, ODD):
        known = [x if i % 2 != parity else None for i, x in enumerate(oracle.layers)]
        found = -free_energy(machine, known, parity)
        updated = to_means(machine, known, parity)
        for row in range(0, len(oracle.states), 7):
            given = {i: x[row] for i, x in enumerate(known) if x is not None}
            assert_allclose(found[row], oracle.log_marginal(given) + oracle.log_z)
            for index in range(parity, len(sizes), 2):
                expected = oracle.mean(index, given)
                assert_allclose(updated[index][row], expected, atol=1e-12)
                a = field(machine.params, known, index)[row]
                assert_allclose(units[index].natural(expected), a)


@of_every_machine
def test_gradient_is_that_of_the_exact_log_likelihood(units, sizes):
    """Against central differences of the enumerated likelihood."""
    machine, oracle = machine_and_oracle(units, sizes)
    rows, (weights, biases) = oracle.layers[0][::29], machine.params
    posterior = sum(oracle.given({0: row}) for row in rows) / len(rows)
    no_offsets = [np.zeros(n) for n in sizes]
    found = gradient(oracle.layers, posterior - oracle.probabilities, no_offsets)
    for group, arrays in zip(found, (weights, biases), strict=True):
        for x, array in zip(group, arrays, strict=True):
            for cell in np.ndindex(*array.shape):
                kept, ends = array[cell], []
                for change in (1e-4, -1e-4):
                    array[cell] = kept + change
                    value = log_likelihood(
                        weights, biases, rows, values=values_of(units)
                    )
                    ends.append(value)
                array[cell] = kept
                assert_allclose(x[cell], (ends[0] - ends[1]) / 2e-4, atol=1e-7)


def standard_errors(samples, expected):
    """How many standard errors the pair moments of rows are off, at most."""
    pairs = samples[:, :, None] * samples[:, None, :]
    error = np.sqrt(np.maximum(pairs.var(axis=0), 1e-9) / len(samples))
    return np.max(np.abs(pairs.mean(axis=0) - expected) / error)


def both(machine, layers, draws):
    layers = resample(machine, layers, ODD, draws)
    return resample(machine, layers, EVEN, draws)


def coin_like(machine, layers, draws):
    """A broken kernel: total inputs as binary units have them."""
    binary = machine._replace(units=(BINARY,) * len(layers))
    for parity in (ODD, EVEN):
        mean = to_means(binary, layers, parity)
        for index in range(parity, len(layers), 2):
            decoded = (lambda m: 2 * m - 1) if machine.units[index] is S else np.array
            layers[index] = machine.units[index].sample(decoded(mean[index]), draws)
    return layers


@pytest.mark.parametrize(("kernel", "right"), [(both, True), (coin_like, False)])
@of_every_machine
def test_samplers_stay_with_the_machine(units, sizes, kernel, right):
    machine, oracle = machine_and_oracle(units, sizes)
    layers = oracle.sample(20_000, np.random.default_rng(1))
    layers = kernel(machine, layers, draws())
    found = standard_errors(np.concatenate(layers, axis=1), oracle.moments())
    assert (found < 5) == right


@of_every_machine
def test_log_z_exactly_and_by_annealing(units, sizes):
    machine, oracle = machine_and_oracle(units, sizes)
    assert_allclose(partition.exact(machine).value, oracle.log_z)
    base = tuple(0.3 * b for b in machine.params.biases)
    samples = oracle.sample(1000, np.random.default_rng(0))
    found = partition.annealed(machine, base, samples, 60, draws())
    assert 0.0 < found.std_error < 0.05
    assert abs(found.value - oracle.log_z) < 5 * found.std_error


@pytest.mark.parametrize("units", [(S, B), (S, S), (B, S)])
def test_pseudo_likelihood(units):
    machine, oracle = machine_and_oracle(units, (4, 3))
    rows, expected = oracle.layers[0][::23], []
    for row in rows:
        total = 0.0
        for i in range(4):
            others = np.where(np.arange(4) == i, np.nan, row)
            total += np.log(
                oracle.given({0: others}) @ (oracle.layers[0][:, i] == row[i])
            )
        expected.append(total)
    assert_allclose(pseudo_log_likelihood(machine, rows), expected)
    some = pseudo_log_likelihood(machine, rows, np.array([1, 3]))
    rest = pseudo_log_likelihood(machine, rows, np.array([0, 2]))
    assert_allclose(some + rest, expected)


def test_missing_spins_and_mean_field():
    machine, oracle = machine_and_oracle((S, S, B), (3, 3, 2))
    row = np.array([1.0, np.nan, -1.0])
    rows = np.tile(row, (4000, 1))
    held = S.held(rows)
    found = conditional_mean(machine, np.zeros(3), held, 60, draws())
    expected = oracle.mean(0, {0: row})
    error = found.std(axis=0)[1] / np.sqrt(4000)
    assert_array_equal(found[0, [0, 2]], row[[0, 2]])
    assert abs(found[:, 1].mean() - expected[1]) < 5 * error
    visible = oracle.layers[0][:1]
    _, *hidden = mean_field(machine, visible, FINE).layers
    bound = oracle.bound(visible[0], [h[0] for h in hidden])
    log_p = oracle.log_marginal({0: visible[0]})
    assert log_p - 0.5 < bound < log_p


# Estimators: no more than the kinds of their units is their own


class SpinRBM(BernoulliRBM):
    def _units(self, n_layers, reader=None):
        return S, B


class CoinRBM(BernoulliRBM):
    def _units(self, n_layers, reader=None):
        return Coins(), S


class SpinDBM(DBM):
    def _units(self, n_layers, reader=None):
        return S, *(B,) * (n_layers - 1)


class CoinDBM(DBM):
    def _units(self, n_layers, reader=None):
        return Coins(), *(B,) * (n_layers - 1)


def patterns(kind, n=120, seed=0):
    """Noisy rows of two patterns, as users of the kind have them."""
    rng = np.random.default_rng(seed)
    rows = np.array([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1]])[rng.integers(0, 2, n)]
    rows = (rows ^ (rng.uniform(size=(n, 5)) < 0.1)).astype(float)
    return rows if kind == "coins" else 2.0 * rows - 1.0


def spins_of(rows, kind):
    return 2.0 * rows - 1.0 if kind == "coins" else rows


def rbm_of(kind, **params):
    machine = {"coins": CoinRBM, "spins": SpinRBM}[kind]
    params = {"n_iter": 30, "random_state": 0, **params}
    return machine(3, **params)


def oracle_of(model):
    if isinstance(model, DBM):
        weights, biases = [W.T for W in model.components_], model.intercepts_
    else:
        weights = [model.components_.T]
        biases = [model.intercept_visible_, model.intercept_hidden_]
    return Enumeration(weights, biases, values_of(model._units(len(biases))))


of_both = pytest.mark.parametrize("kind", ["spins", "coins"])


@of_both
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"algorithm": "cd"},
        {"algorithm": "pt"},
        {"sparsity_target": 0.1, "sample_inputs": True},
        {"centered": False},
    ],
    ids=str,
)
def test_fit_and_score(kind, params):
    X = patterns(kind)
    rbm = rbm_of(kind, **params).fit(X)
    oracle = oracle_of(rbm)
    expected = [oracle.log_marginal({0: v}) for v in spins_of(X[:20], kind)]
    assert_allclose(rbm.score_samples(X[:20]), expected, rtol=1e-6)
    assert rbm.score(X) > rbm_of(kind, n_iter=0).fit(X).score(X) + 0.2
    assert_allclose(rbm.score_samples(sparse.csr_array(X[:20])), expected, rtol=1e-6)
    ais = rbm.log_partition("ais", n_betas=200)
    assert ais.lower < oracle.log_z < ais.upper
    assert rbm.history_["pseudo_log_likelihood"][-1] < 0.0
    assert rbm.history_["reconstruction_error"][-1] > 0.0
    before = rbm.score(X)
    assert rbm.partial_fit(X).score(X) > before - 0.2


@of_both
def test_early_stopping_judges_held_out_rows(kind, monkeypatch):
    X = patterns(kind)
    seen, judge = [], EarlyStopping.judge

    def spy(self, progress, state):
        seen.append((Encoded(self.held_out[0], state.units[0]), state.params))
        return judge(self, progress, state)

    monkeypatch.setattr(EarlyStopping, "judge", spy)
    rbm = rbm_of(kind, early_stopping=True, n_iter=4).fit(X)
    values = values_of(rbm._units(2))
    expected = [
        log_likelihood(*params, take_rows(rows, slice(0, 12), float), values=values)
        for rows, params in seen
    ]
    assert_allclose(rbm.history_["validation_log_likelihood"], expected, rtol=1e-5)
    assert set(np.unique(take_rows(seen[0][0], slice(0, 12), float))) == {-1.0, 1.0}


@of_both
def test_queries(kind):
    X = patterns(kind)
    rbm = rbm_of(kind).fit(X)
    oracle, rows = oracle_of(rbm), X[:5]
    states = spins_of(rows, kind)
    hidden = np.array([oracle.mean(1, {0: v}) for v in states])
    assert_allclose(rbm.transform(rows), hidden, rtol=1e-5, atol=1e-6)
    drawn = rbm.sample(4000, n_gibbs_steps=200, random_state=0)
    assert set(np.unique(drawn)) == set(np.unique(X))
    assert standard_errors(spins_of(drawn, kind), oracle.moments()[:5, :5]) < 5
    given = np.where(np.arange(5) < 2, X[0], np.nan)
    known = spins_of(given, kind)
    held = rbm.sample(4000, n_gibbs_steps=100, given=given, random_state=0)
    expected = oracle.mean(0, {0: known})
    assert_array_equal(held[:, :2], np.tile(X[0, :2], (4000, 1)))
    found = spins_of(held, kind).mean(axis=0)
    assert_allclose(found, expected, atol=5.0 / np.sqrt(4000))
    filled = rbm.impute(np.tile(given, (200, 1)), random_state=0)
    assert_allclose(spins_of(filled, kind).mean(axis=0), expected, atol=0.02)
    kept = rbm.sample(120, n_gibbs_steps=0, init=X)
    assert_array_equal(kept, X)
    hidden = oracle.layers[1][:5]
    down = [oracle.mean(0, {1: h}) for h in hidden]
    found = spins_of(rbm.inverse_transform(hidden), kind)
    assert_allclose(found, down, rtol=1e-4, atol=1e-5)
    back = rbm.reconstruct(rows)
    assert_allclose(back, rbm.inverse_transform(rbm.transform(rows)), rtol=1e-4)
    assert set(np.unique(rbm.gibbs(rows))) <= set(np.unique(X))


@of_both
def test_gaps_in_a_fit(kind):
    X = patterns(kind, 300)
    gaps = np.where(np.random.default_rng(1).uniform(size=X.shape) < 0.2, np.nan, X)
    rbm = rbm_of(kind).fit(gaps)
    assert rbm.score(X) > rbm_of(kind, n_iter=0).fit(X).score(X) + 0.2
    assert np.isfinite(rbm.transform(gaps)).all()


def test_rows_that_are_no_spins_are_told_in_their_own_words():
    X = patterns("spins")
    with pytest.warns(UserWarning, match="SpinRBM has other X than spins"):
        rbm = rbm_of("spins").fit(2.0 * X)
    with pytest.warns(UserWarning, match="SpinRBM has other given than spins"):
        rbm.sample(given=3.0 * X[0])
    with pytest.warns(UserWarning, match="CoinRBM expects values in"):
        rbm_of("coins").fit(X)


@of_both
@pytest.mark.parametrize("params", [{}, {"early_stopping": True}], ids=str)
@pytest.mark.parametrize("pretrain", [True, False])
def test_deep_machines(kind, pretrain, params):
    """Pretrained ones have sums of two spins in their lowest machine."""
    X = patterns(kind)
    deep = {"coins": CoinDBM, "spins": SpinDBM}[kind]
    params = {"n_iter": 20, "pretrain": pretrain, "random_state": 0, **params}
    dbm = deep((3, 2), **params).fit(X)
    oracle, rows = oracle_of(dbm), X[:5]
    states = spins_of(rows, kind)
    found = dbm.mean_field(rows).layers
    expected = [oracle.bound(v, [h[i] for h in found]) for i, v in enumerate(states)]
    assert_allclose(dbm.score_samples(rows, n_samples=0), expected, rtol=1e-4)
    assert dbm.score(X) > deep((3, 2), n_iter=0, pretrain=False).fit(X).score(X) + 0.2
    drawn = dbm.sample(4000, n_gibbs_steps=200, random_state=0)
    assert standard_errors(spins_of(drawn, kind), oracle.moments()[:5, :5]) < 5
    hidden = [np.zeros((5, 3)), np.ones((5, 2))]
    (same,) = (
        index
        for index, (v, *h) in enumerate(oracle.states)
        if (v == states[0]).all() and not h[0].any() and h[1].all()
    )
    assert_allclose(dbm.energy(rows, hidden)[0], oracle.energies[same], rtol=1e-5)
    given = np.where(np.arange(5) < 2, X[0], np.nan)
    filled = dbm.impute(np.tile(given, (200, 1)), random_state=0)
    mean = oracle.mean(0, {0: spins_of(given, kind)})
    assert_allclose(spins_of(filled, kind).mean(axis=0), mean, atol=0.02)


class CoinsToBits(BernoulliRBM):
    def _units(self, n_layers, reader=None):
        return Coins(), B


@pytest.mark.parametrize(
    ("lowest", "kind"), [(SpinRBM, "spins"), (CoinsToBits, "coins")]
)
def test_belief_nets_above_spins(lowest, kind):
    """Below binary units; with log p(v) as the sum over the middle layer."""
    X = patterns(kind)
    rbms = [lowest(n_iter=30), BernoulliRBM(n_iter=30)]
    dbn = DBN((3, 2), rbm=rbms, random_state=0).fit(X)
    lower, top = dbn.rbms_
    oracle = oracle_of(top)
    middle = np.unique(oracle.layers[0], axis=0)
    a = middle @ lower.components_ + lower.intercept_visible_
    prior = np.array([oracle.log_marginal({0: h}) for h in middle])
    expected = [
        np.logaddexp.reduce(prior - np.logaddexp(0.0, -2.0 * a * v).sum(axis=1))
        for v in spins_of(X[:5], kind)
    ]
    assert_allclose(dbn.score_samples(X[:5], n_samples=3000), expected, atol=0.03)
    drawn = dbn.sample(4000, n_gibbs_steps=200, random_state=0)
    assert set(np.unique(drawn)) == set(np.unique(X))
    mean = np.exp(prior) @ np.tanh(a)
    found = spins_of(drawn, kind).mean(axis=0)
    assert_allclose(found, mean, atol=5.0 / np.sqrt(4000))
    up = top.transform(lower.transform(X[:5]))
    assert_allclose(dbn.transform(X[:5]), up, rtol=1e-5)
    down = lower.inverse_transform(top.inverse_transform(up))
    assert_allclose(dbn.inverse_transform(up), down, rtol=1e-5)
    assert_allclose(dbn.reconstruct(X[:5]), down, rtol=1e-5)
    gaps = np.tile(np.where(np.arange(5) < 2, X[0], np.nan), (200, 1))
    filled = dbn.impute(gaps, random_state=0)
    assert_array_equal(filled[:, :2], gaps[:, :2])
    seen = spins_of(X[0, :2], kind)
    p = np.exp(prior - np.logaddexp(0.0, -2.0 * a[:, :2] * seen).sum(axis=1))
    found = spins_of(filled[:, 2:], kind).mean(axis=0)
    assert_allclose(found, p @ np.tanh(a[:, 2:]) / p.sum(), atol=0.03)
    started = dbn.sample(120, n_gibbs_steps=0, init=X, random_state=0)
    assert set(np.unique(started)) == set(np.unique(X))
    untied = DBN((3, 2), rbm=rbms, up_down_iter=2, random_state=0).fit(X)
    assert untied.score(X) > dbn.score(X) - 0.5


@pytest.mark.parametrize(
    ("network", "model", "kind"),
    [
        (DBNClassifier, DBN(3, rbm=rbm_of("spins"), random_state=0), "spins"),
        (DBMClassifier, CoinDBM(3, random_state=0), "coins"),
    ],
)
def test_networks_are_given_states(network, model, kind):
    X = patterns(kind)
    y, name = X[:, 0] > 0.5, network.__name__[:3].lower()
    params = {"learning_rate_schedule": "linear", "max_iter": 200, "random_state": 0}
    fitted = network(**{name: model.fit(X)}, **params).fit(X, y)
    assert fitted.score(X, y) > 0.9
    W, b = fitted.coefs_[0], fitted.intercepts_[0]
    up = 1.0 / (1.0 + np.exp(-(spins_of(X[:5], kind) @ W + b)))
    assert_allclose(fitted.transform(X[:5]), up, rtol=1e-5)


@pytest.mark.parametrize("deep", [False, True])
def test_networks_refuse_hidden_units_that_they_do_not_have(deep):
    class AllSpins(DBM):
        def _units(self, n_layers, reader=None):
            return (S,) * n_layers

    X = patterns("coins")
    y, dbn = X[:, 0], DBN(3, rbm=rbm_of("coins"))
    network = DBNClassifier(dbn=dbn.fit(X))
    if deep:
        dbm = AllSpins((3, 2), pretrain=False).fit(patterns("spins"))
        network = DBMClassifier(dbm=dbm)
    with pytest.raises(ValueError, match=r"Fine-tuning needs .* but Spins units"):
        network.fit(X, y)


@pytest.mark.parametrize("log_jacobian", [0.0, 100.0])
def test_a_change_of_units_does_not_change_when_a_fit_stops(log_jacobian):
    """It adds the same to the best score and to that of independent units."""

    class Scaled(Bernoulli):
        pass

    class ScaledRBM(BernoulliRBM):
        def _units(self, n_layers, reader=None):
            return Scaled(), B

    Scaled.log_jacobian = log_jacobian
    X = (load_digits().data[:40] > 7).astype(float)
    params = {"n_iter": 100, "early_stopping": True, "n_iter_no_change": 3}
    rbm = ScaledRBM(12, learning_rate=0.5, random_state=0, **params).fit(X)
    assert rbm.n_iter_ == 8


@pytest.mark.parametrize("model", ["rbm", "dbm", "dbn"])
def test_scores_are_densities_of_rows(model):
    """They are those of the states, and the logarithm of the change of units."""

    class Scaled(Bernoulli):
        log_jacobian = 0.0

    class ScaledRBM(BernoulliRBM):
        def _units(self, n_layers, reader=None):
            return Scaled(), B

    class ScaledDBM(DBM):
        def _units(self, n_layers, reader=None):
            return Scaled(), *(B,) * (n_layers - 1)

    fits = {
        "rbm": ScaledRBM(3, n_iter=2, random_state=0),
        "dbm": ScaledDBM((3, 2), pretrain=False, n_iter=2, random_state=0),
        "dbn": DBN((3, 2), rbm=[ScaledRBM(), BernoulliRBM()], random_state=0),
    }
    X = patterns("coins")
    fitted = fits[model].fit(X)
    of_states = fitted.score_samples(X)
    Scaled.log_jacobian = 3.0
    assert_allclose(fitted.score_samples(X), of_states + 3.0, rtol=1e-6)


def test_what_is_observed_is_not_decoded():
    """Through coins and back, a tenth comes out as another number."""
    X = patterns("coins").astype(np.float32)
    rows = X[:3].copy()
    rows[:, 1:] = [0.1, 1e-4, 1e-9, 1.0]
    gaps = rows.copy()
    gaps[:, 0] = np.nan
    for model in (CoinRBM(3), CoinDBM((3, 2)), DBN((3, 2), rbm=[CoinRBM(), SpinRBM()])):
        model.fit(X)
        filled = model.impute(gaps, n_gibbs_steps=3)
        assert_array_equal(filled[:, 1:], rows[:, 1:])
        if hasattr(model, "log_partition") and not isinstance(model, DBN):
            drawn = model.sample(3, given=gaps, n_gibbs_steps=3)
            assert_array_equal(drawn[:, 1:], rows[:, 1:])


def test_machines_of_a_stack_agree_on_the_layer_between_them():
    X = patterns("coins")
    with pytest.raises(ValueError, match=r"Layer 1 .* Spins .* Bernoulli"):
        DBN((3, 2), rbm=[CoinRBM(), BernoulliRBM()]).fit(X)


def test_machines_of_the_pretraining_have_the_units_of_the_deep_one():
    spins = patterns("spins")
    with pytest.raises(ValueError, match=r"units of DBM are Bernoulli .* Spins"):
        DBM((3, 2), rbm=[SpinRBM(), SpinRBM()]).fit(spins)
    dbm = DBM((3, 2), rbm=[SpinRBM(), BernoulliRBM()], n_iter=1).fit(spins)
    assert [type(kind) for kind in dbm._kinds(3)] == [Spins, Bernoulli, Bernoulli]


def test_a_face_beside_that_of_binary_units():
    """Stacks take all restricted machines, whatever class of ours they derive from."""

    class CoinFace(BaseRBM):
        __init__ = BernoulliRBM.__init__
        _parameter_constraints = BernoulliRBM._parameter_constraints

        def _units(self, n_layers, reader=None):
            return Coins(), B

    X = patterns("coins")
    dbn = DBN((3, 2), rbm=[CoinFace(), BernoulliRBM()], random_state=0).fit(X)
    assert np.isfinite(dbn.score(X))
    assert DBM((3, 2), rbm=BernoulliRBM(n_iter=1), n_iter=1).fit(X).n_iter_ == 1


class Dice(PlainBorder):
    """One of three values: rows have a column for each, and states three units."""

    def groups(self, x):
        return namespace(x).reshape(x, (*x.shape[:-1], -1, 3))

    def mean(self, a):
        p = np.exp(a - self.groups(a).max(axis=-1).repeat(3, axis=-1))
        return p / self.groups(p).sum(axis=-1).repeat(3, axis=-1)

    def variance(self, mean):
        return mean * (1.0 - mean)

    def sample(self, mean, stream):
        below = self.groups(mean).cumsum(axis=-1)
        u = stream.uniform(below.shape[:-1])[..., None]
        value = np.minimum((u >= below).sum(axis=-1), 2)  # the sum may be rounded
        return self.encode(value.astype(mean.dtype))

    sample_input = sample

    def log_partition(self, a):
        return np.log(np.exp(self.groups(a)).sum(axis=-1)).sum(axis=-1)

    def entropy(self, mean):
        return -(mean * np.log(mean)).sum(axis=-1)

    def log_base(self, x, n_copies=1):
        assert n_copies == 1
        return zeros(x.shape[:-1], x)

    def natural(self, mean):
        return np.log(mean)

    def clip(self, mean, margin):
        return mean * (1.0 - 3.0 * margin) + margin

    def n_states(self, n_units):
        return 3 ** (n_units // 3)

    def states(self, numbers, n_units, array):
        digits = numbers[:, None] // 3 ** np.arange(n_units // 3) % 3
        return self.encode(digits.astype(array.dtype))

    def check(self, X, name):
        return None

    def n_units(self, n_columns):
        return 3 * n_columns

    def encode(self, rows):
        states = (rows[..., None] == np.arange(3)).astype(rows.dtype)
        states[np.isnan(rows)] = np.nan
        return states.reshape(*rows.shape[:-1], -1)

    def decode(self, states):
        return self.groups(states) @ np.arange(3.0).astype(states.dtype)


class DiceRBM(BernoulliRBM):
    def _units(self, n_layers, reader=None):
        return Dice(), B


class DiceDBM(DBM):
    def _units(self, n_layers, reader=None):
        return Dice(), *(B,) * (n_layers - 1)


def throws(n=90):
    rng = np.random.default_rng(0)
    first = rng.integers(0, 3, n)
    second = np.where(rng.random(n) < 0.7, first, rng.integers(0, 3, n))
    return np.column_stack([first, second]).astype(float)


ALL_THROWS = np.array([[i, j] for i in range(3) for j in range(3)], dtype=float)


@pytest.mark.parametrize(
    "model",
    [
        DiceRBM(2, n_iter=300, learning_rate=0.5),
        DiceDBM((2, 2), pretrain=False, n_iter=5, early_stopping=True),
        DBN((3, 2), rbm=[DiceRBM(), BernoulliRBM()]),
    ],
    ids=lambda model: type(model).__name__,
)
def test_rows_of_fewer_columns_than_states(model):
    X = throws()
    model = clone(model).set_params(random_state=0).fit(X)
    assert model.components_[0].shape[-1] == 6
    scores = model.score_samples(ALL_THROWS)
    if isinstance(model, DiceRBM):
        weights, b = model.components_, model.intercept_visible_
        on = Dice().encode(ALL_THROWS)
        a = on @ weights.T + model.intercept_hidden_
        log_p = on @ b + np.logaddexp(0.0, a).sum(axis=1)
        log_p -= np.logaddexp.reduce(log_p)
        assert_allclose(scores, log_p, atol=1e-5)
        alike = (X[:, 0] == X[:, 1]).mean()
        assert_allclose(np.exp(scores[[0, 4, 8]]).sum(), alike, atol=0.05)
    assert np.exp(scores).sum() < 1.05
    drawn = model.sample(50, n_gibbs_steps=5, random_state=0)
    assert drawn.shape == (50, 2)
    assert set(np.unique(drawn)) == {0.0, 1.0, 2.0}
    assert model.sample(3, init=X[:3], n_gibbs_steps=1).shape == (3, 2)
    gaps = np.where(np.arange(90)[:, None] % 2 == [0, 1], np.nan, X)
    filled = model.impute(gaps, n_gibbs_steps=5)
    assert_array_equal(filled[~np.isnan(gaps)], X[~np.isnan(gaps)])
    assert model.reconstruct(X).shape == X.shape
    assert model.inverse_transform(model.transform(X)).shape == X.shape
    if not isinstance(model, DBN):
        given = model.sample(20, given=[1.0, np.nan], n_gibbs_steps=5)
        assert (given[:, 0] == 1.0).all()
    else:
        net = DBNClassifier(dbn=model, max_iter=2, learning_rate_schedule="linear")
        assert net.fit(X, X[:, 0]).components_.shape == (3, 6)
        assert net.predict(X).shape == (90,)


def test_encoded_rows_have_the_shape_of_their_states():
    X = throws()
    rows = Encoded(X, Dice())
    assert rows.shape == take_rows(rows, slice(None), float).shape == (90, 6)
    beside = Beside(rows, X)
    assert beside.shape == take_rows(beside, slice(None), float).shape == (90, 8)


def test_a_column_of_dice_without_any_value_is_named():
    X = throws()
    X[:, 1] = np.nan
    with pytest.raises(ValueError, match=r"nothing but NaN .*: 1\. Leave them out"):
        DiceRBM(2).fit(X)
