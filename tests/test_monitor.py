"""What an epoch adds to the history."""

import numpy as np
from numpy.testing import assert_allclose

from skebm.core import monitor
from skebm.core.machine import EVEN, ODD, means, pseudo_log_likelihood
from skebm.core.streams import Purpose, stream

from .machines import random_machine


def test_measures_are_the_means_over_the_watched_rows():
    machine, oracle = random_machine((4, 3))
    X, units = oracle.layers[0], np.array([1, 3])
    watched = monitor.Watched(np.arange(0, len(X), 20), units)
    measured, rows = monitor.measure(machine, X, watched), X[::20]
    down = means(machine, means(machine, [rows, None], ODD), EVEN)[0]
    error = np.mean((rows - down) ** 2)
    assert_allclose(measured["reconstruction_error"], error)
    expected = 2 * pseudo_log_likelihood(machine, rows, units).mean()
    assert_allclose(measured["pseudo_log_likelihood"], expected)


def test_watched_rows_are_a_random_choice():
    rows, units = monitor.watch(5000, 40, stream(0, Purpose.MONITOR, np.ones(1)))
    assert len(set(rows)) == 50
    assert rows.max() > 100
    assert len(units) == 2
