"""What is missing, by annealed chains: their weights find the mass of far modes."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skebm import (
    BernoulliRBM,
    CategoricalRBM,
    GaussianRBM,
    MixedRBM,
    MultinomialRBM,
)
from skebm.core import conditional
from skebm.core.conditional import (
    annealed_given,
    conditional_mean,
    division,
    evened,
    normalised,
    reverse_annealed_density,
)
from skebm.core.gaussian import Gaussian
from skebm.core.machine import Machine, Params
from skebm.core.streams import Purpose, stream
from skebm.core.tempering import Straight
from skebm.core.units import Bernoulli, Held

from .enumeration import Enumeration
from .machines import random_machine


def two_modes():
    """Units that are all off or all on: Gibbs steps do not lead between them."""
    W, b, c = np.full((6, 2), 5.0), np.full(6, -5.0), np.array([-14.7, -14.7])
    machine = Machine((Bernoulli(), Bernoulli()), Params((W,), (b, c)))
    return machine, Enumeration([W], [b, c])


ROW = np.array([np.nan] * 6)


@pytest.mark.parametrize("weighted", [True, False])
def test_weights_make_up_for_where_chains_happen_to_go(weighted):
    """5 standard errors; without weights, as a negative control, it is wrong."""
    machine, oracle = two_modes()
    rows = np.tile(ROW, (200, 1))
    draws = stream(0, Purpose.IMPUTE, np.zeros(1))
    layers, _, weights = annealed_given(
        machine, np.full(6, 0.5), Held(~np.isnan(rows), rows), 400, 20, draws
    )
    if not weighted:
        weights = np.full_like(weights, 1.0 / 400)
    found = np.sum(weights * layers[0].mean(axis=1).reshape(400, 200), axis=0)
    expected = oracle.mean(0, {0: ROW}).mean()
    assert 0.1 < expected < 0.9
    off = abs(found.mean() - expected) / (found.std() / np.sqrt(200))
    assert (off < 5) == weighted


def test_means_of_one_row_and_of_none_that_is_missing():
    machine, oracle = two_modes()
    row = np.array([1.0, np.nan, 0.0, np.nan, 1.0, 1.0])
    rows = np.tile(row, (500, 1))
    draws = stream(1, Purpose.IMPUTE, np.zeros(1))
    held = Held(~np.isnan(rows), rows)
    found = conditional_mean(machine, np.full(6, 0.5), held, 200, draws)
    error = found.std(axis=0)[[1, 3]] / np.sqrt(500)
    off = found.mean(axis=0)[[1, 3]] - oracle.mean(0, {0: row})[[1, 3]]
    assert (np.abs(off) < 5 * error + 1e-3).all()
    full = np.ones((3, 6))
    assert (
        conditional_mean(machine, np.full(6, 0.5), Held(full > 0, full), 9, draws) == 1
    ).all()


@pytest.mark.parametrize(
    ("n_steps", "expected"), [(1, (1, 1)), (60, (1, 60)), (500, (10, 50)), (0, (1, 0))]
)
def test_steps_are_shared(n_steps, expected):
    assert division(n_steps) == expected


# Weights that are evened out


def worth(weights):
    return 1.0 / np.sum(weights**2, axis=0)


def test_weights_are_evened_out_no_more_than_they_have_to_be():
    rng = np.random.default_rng(0)
    log_weights = rng.normal(size=(10, 40)) * np.geomspace(0.1, 2000.0, 40)
    weights = normalised(log_weights)
    found = evened(weights)
    assert_allclose(found.sum(axis=0), 1.0)
    enough = worth(weights) >= 5.0
    assert 5 < enough.sum() < 35
    assert_allclose(found[:, enough], weights[:, enough])
    assert_allclose(worth(found[:, ~enough]), 5.0, rtol=1e-3)
    # They are a power of what they were, so that they keep their order.
    for before, after in zip(weights.T, found.T, strict=True):
        assert (np.diff(after[np.argsort(before)]) > -1e-12).all()
    assert (evened(np.ones((1, 3))) == 1.0).all()


def wide_row():
    """A machine of 400 normal units, and a row of which the first half is missing.

    With them: what the missing half has on average, from all states of the hidden ones.
    """
    rng = np.random.default_rng(1)
    W, c = 0.15 * rng.normal(size=(400, 12)), rng.normal(size=12)
    machine = Machine((Gaussian(), Bernoulli()), Params((W,), (np.zeros(400), c)))
    hidden = np.array(list(itertools.product([0.0, 1.0], repeat=12)))
    known = W[200:] @ hidden[200] + rng.normal(size=200)
    row = np.concatenate([np.full(200, np.nan), known])
    # log of the sum over what is missing: normal with the mean W h and variance 1.
    over = hidden @ W[:200].T
    log_p = hidden @ (c + known @ W[200:]) + 0.5 * np.sum(over**2, axis=1)
    p = np.exp(log_p - log_p.max())
    return machine, row, (p / p.sum()) @ over


def squared_error(least_worth, monkeypatch, copies=100):
    """Of the mean by 500 Gibbs steps, over copies of the row and all missing units."""
    machine, row, expected = wide_row()
    monkeypatch.setattr(conditional, "LEAST_WORTH", least_worth)
    rows = np.tile(row, (copies, 1))
    held = Held(~np.isnan(rows), rows)
    draws = stream(2, Purpose.IMPUTE, np.zeros(1))
    found = conditional_mean(machine, np.zeros(400), held, 500, draws)
    return np.mean((found[:, :200] - expected) ** 2, axis=1)


def test_means_of_wide_rows_have_less_error_by_evened_weights(monkeypatch):
    evened_out, raw = (squared_error(x, monkeypatch) for x in (0.5, 0.0))
    gain = raw - evened_out
    assert gain.mean() > 5 * gain.std() / np.sqrt(len(gain))


def density_of_annealing(oracle, base, betas):
    """Of the last state of a forward run, from the definition: steps of all states.

    From independent units with the biases `base`, one Gibbs step at each temperature
    between the first and the last.
    """
    (W,), (b, c) = oracle.weights, oracle.biases
    visible = np.array(list(itertools.product([0.0, 1.0], repeat=len(b))))
    hidden = np.array(list(itertools.product([0.0, 1.0], repeat=len(c))))
    p = np.exp(visible @ base - np.sum(np.log1p(np.exp(base))))
    for beta in betas[1:-1]:
        joint = visible @ (beta * b + (1 - beta) * base)
        joint = joint[:, None] + beta * (hidden @ c + visible @ W @ hidden.T)
        up = np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))
        down = np.exp(joint - np.logaddexp.reduce(joint, axis=0, keepdims=True))
        p = p @ up @ down.T
    return visible, p


def test_reverse_annealing_finds_the_density_of_forward_annealing():
    """On average, with few temperatures; and that is not the machine's."""
    machine, oracle = random_machine((4, 3), scale=1.5)
    mean, n = np.array([0.3, 0.5, 0.6, 0.2]), 4000
    base = np.log(mean / (1 - mean))
    visible, expected = density_of_annealing(oracle, base, np.linspace(0, 1, 4))
    draws = stream(0, Purpose.BOUND, mean)
    rows = np.repeat(visible, n, axis=0)
    path, betas = Straight(machine, (base, np.zeros(3))), [1.0, 2 / 3, 1 / 3, 0.0]
    log_p = reverse_annealed_density(path, betas, rows, 1, draws)
    found = np.exp(log_p).reshape(-1, n)
    error = found.std(axis=1) / np.sqrt(n)
    assert np.max(np.abs(found.mean(axis=1) - expected) / error) < 5
    machines = np.exp([oracle.log_marginal({0: v}) for v in visible])
    assert np.max(np.abs(found.mean(axis=1) - machines) / error) > 5
    # In nats too low on average; with many temperatures and runs right.
    assert np.all(log_p.reshape(-1, n).mean(axis=1) < np.log(expected))
    many = np.linspace(1.0, 0.0, 300).tolist()
    near = reverse_annealed_density(path, many, visible, 100, draws)
    assert_allclose(near, np.log(machines), atol=0.1)


def tables(rng):
    """Rows for each kind of machine; numbers are in units of their own."""
    bits = (rng.uniform(size=(200, 4)) < 0.3).astype(float)
    numbers = 100.0 * rng.normal(size=(200, 3)) + 1000.0
    categories = rng.integers(0, 3, size=(200, 3))
    return [
        (BernoulliRBM(3), bits),
        (BernoulliRBM(3, hidden_units="gaussian", learning_rate=0.01), bits),
        (GaussianRBM(3), numbers),
        (CategoricalRBM(3), categories),
        (MixedRBM(3), np.concatenate([numbers, categories], axis=1)),
    ]


@pytest.mark.parametrize("index", range(5))
def test_cautious_scores_come_near_the_scores(index, rng):
    """In the units of the user, too; the same on every call."""
    rbm, X = tables(rng)[index]
    rbm.set_params(n_iter=5, random_state=0).fit(X)
    found = rbm.cautious_score_samples(X, n_betas=300)
    assert found.shape == (200,)
    lost = rbm.score_samples(X) - found
    assert abs(lost.mean()) < 5 * lost.std() / np.sqrt(200) + 0.01
    assert lost.std() < 1.0
    assert_array_equal(found, rbm.cautious_score_samples(X, n_betas=300))
    assert not np.array_equal(found, rbm.cautious_score_samples(X, random_state=1))


def test_cautious_scores_of_more_runs_are_less_cautious(rng):
    """The mean of probabilities is above that of their logarithms."""
    X = np.repeat(rng.integers(0, 2, (200, 1)).astype(float), 6, axis=1)
    rbm = BernoulliRBM(3, n_iter=300, random_state=0).fit(X)
    one, many = (rbm.cautious_score_samples(X, n_runs=n, n_betas=4) for n in (1, 20))
    gain = many - one
    assert gain.mean() > 5 * gain.std() / np.sqrt(len(gain))


@pytest.mark.parametrize("wrong", [{"n_runs": 0}, {"n_betas": 1}])
def test_cautious_scores_ask_for_whole_numbers(wrong, rng):
    rbm, X = tables(rng)[0]
    with pytest.raises(ValueError, match=next(iter(wrong))):
        rbm.fit(X).cautious_score_samples(X, **wrong)


def test_documents_have_no_cautious_scores():
    rbm = MultinomialRBM(2, n_iter=1).fit(np.eye(3))
    with pytest.raises(AttributeError, match="perplexity"):
        rbm.cautious_score_samples(np.eye(3))
