"""What an epoch adds to the history."""

import numpy as np
from numpy.testing import assert_allclose

from skebm.core import monitor
from skebm.core.machine import EVEN, ODD, Params, pseudo_log_likelihood, to_means
from skebm.core.sampling import USUAL, mean_field
from skebm.core.streams import Purpose, stream
from skebm.core.units import Bernoulli, Tied

from .machines import random_machine


def test_measures_are_the_means_over_the_watched_rows():
    machine, oracle = random_machine((4, 3))
    X, units = oracle.layers[0], np.array([1, 3])
    watched = monitor.Watched(np.arange(0, len(X), 20), units)
    chains = [None, oracle.layers[1][::7]]
    measured, rows = monitor.measure(machine, X, watched, chains), X[::20]
    down = to_means(machine, to_means(machine, [rows, None], ODD), EVEN)[0]
    error = np.mean((rows - down) ** 2)
    assert_allclose(measured["reconstruction_error"], error)
    expected = 2 * pseudo_log_likelihood(machine, rows, units).mean()
    assert_allclose(measured["pseudo_log_likelihood"], expected)


def test_hidden_units_and_chains():
    machine, oracle = random_machine((4, 3))
    machine.params.weights[0][:, 1] = 0.0
    X, chains = oracle.layers[0], [None, oracle.layers[1][::7]]
    watched = monitor.Watched(np.arange(len(X)), np.arange(4))
    measured = monitor.measure(machine, X, watched, chains)
    up = to_means(machine, [X, None], ODD)[1]
    assert_allclose(measured["mean_activation"], up.mean())
    assert measured["dead_units"] == 1.0
    off = to_means(machine, chains, EVEN)[0].mean(axis=0) - X.mean(axis=0)
    assert_allclose(measured["chain_error"], np.linalg.norm(off) / 2)


def test_measures_of_a_deep_machine():
    """Without a pseudo-likelihood, which would take sums over the hidden layers."""
    machine, oracle = random_machine((4, 3, 2))
    X, chains = oracle.layers[0], [None, oracle.layers[1][::7], None]
    watched = monitor.Watched(np.arange(len(X)), np.arange(4))
    measured = monitor.measure(machine, X, watched, chains)
    assert "pseudo_log_likelihood" not in measured
    layers, n_steps, _ = mean_field(machine, X, USUAL)
    assert measured["mean_field_steps"] == n_steps
    assert_allclose(measured["mean_activation"], np.concatenate(layers[1:], 1).mean())
    down = to_means(machine, layers, EVEN)[0]
    assert_allclose(measured["reconstruction_error"], np.mean((X - down) ** 2))
    p = to_means(machine, [None, chains[1], np.zeros((len(chains[1]), 2))], EVEN)[0]
    off = p.mean(axis=0) - X.mean(axis=0)
    assert_allclose(measured["chain_error"], np.linalg.norm(off) / 2)


def test_sums_are_measured_as_the_means_of_their_copies():
    """And without a pseudo-likelihood, which is for binary units."""
    machine, oracle = random_machine((4, 3))
    machine = machine._replace(units=(Tied(Bernoulli(), 2), Tied(Bernoulli(), 2)))
    X, chains = oracle.layers[0], [None, 2.0 * oracle.layers[1][::7]]
    watched = monitor.Watched(np.arange(len(X)), np.arange(4))
    measured = monitor.measure(machine, 2.0 * X, watched, chains)
    assert "pseudo_log_likelihood" not in measured
    (W,), (b, c) = machine.params
    up = 1 / (1 + np.exp(-(2 * X @ W + c)))
    down = 1 / (1 + np.exp(-(2 * up @ W.T + b)))
    assert_allclose(measured["mean_activation"], up.mean())
    assert_allclose(measured["reconstruction_error"], np.mean((X - down) ** 2))
    p = 1 / (1 + np.exp(-(chains[1] @ W.T + b)))
    off = p.mean(axis=0) - X.mean(axis=0)
    assert_allclose(measured["chain_error"], np.linalg.norm(off) / 2)


def test_mean_gradient_norm():
    machine, _ = random_machine((4, 3))
    before = machine.params
    after = Params(*(tuple(x + 0.3 for x in group) for group in before))
    found = monitor.mean_gradient_norm(before, after, rate=0.1)
    assert_allclose(found, 3.0 * np.sqrt(12 + 7))


def test_watched_rows_are_a_random_choice():
    rows, units = monitor.watch(5000, 40, stream(0, Purpose.MONITOR, np.ones(1)))
    assert len(set(rows)) == 100
    assert rows.max() > 100
    assert len(units) == 2
