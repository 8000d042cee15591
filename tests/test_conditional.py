"""What is missing, by annealed chains: their weights find the mass of far modes."""

import numpy as np
import pytest

from skebm.core.conditional import annealed_given, conditional_mean, division
from skebm.core.machine import Machine, Params
from skebm.core.streams import Purpose, stream
from skebm.core.units import Bernoulli, Held

from .enumeration import Enumeration


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
