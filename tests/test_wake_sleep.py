"""Contrastive wake-sleep: what it raises, what teaches what, and how rows count."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skebm.core import stack as belief
from skebm.core import wake_sleep
from skebm.core.training import Diverged

from .enumeration import BeliefNet, Enumeration
from .machines import NAMESPACES, asarray_of
from .test_stack import draws_for, random_stack


def bars(n, rng):
    """Rows of 6 bits in which the halves agree or are opposite, with noise."""
    half = rng.integers(0, 2, (n, 3))
    rows = np.hstack([half, half ^ rng.integers(0, 2, (n, 1))])
    return (rows ^ (rng.uniform(size=rows.shape) < 0.05)).astype(float)


def oracle_of(stack):
    def pairs(machines, index):
        return [(m.params.weights[0], m.params.biases[index]) for m in machines]

    top = Enumeration(stack.top.params.weights, stack.top.params.biases)
    return BeliefNet(pairs(stack.recognition, 1), pairs(stack.generative, 0), top)


def mean_bound(stack, rows):
    oracle = oracle_of(stack)
    values, counts = np.unique(rows, axis=0, return_counts=True)
    return np.average([oracle.bound(v) for v in values], weights=counts)


SETTINGS = wake_sleep.UpDown(n_gibbs_steps=10, batch_size=20, shuffle=True, seed=0)


def test_wake_sleep_raises_the_bound(rng):
    rows = bars(400, rng)
    stack, _ = random_stack((6, 4, 3), tied=True, scale=0.3)
    before = mean_bound(stack, rows)
    kept = wake_sleep.untied(stack)
    after = stack
    for epoch in range(60):
        after = wake_sleep.up_down_epoch(
            after, rows, np.ones(400), 0.1, epoch, SETTINGS
        )
    assert mean_bound(after, rows) > before + 0.2
    for machines, copies in zip(stack[:2], kept[:2], strict=True):
        for one, copy in zip(machines, copies, strict=True):
            assert_allclose(one.params.weights[0], copy.params.weights[0], rtol=0)


@pytest.mark.parametrize("part", ["recognition", "generative"])
def test_each_part_of_wake_sleep_moves_towards_its_own_teacher(part):
    """Expected steps by enumeration, within 5 standard errors of one large batch."""
    stack, oracle = random_stack((4, 3, 2), scale=0.7)
    v = np.array([1.0, 0.0, 1.0, 1.0])
    n, rate = 40_000, 1e-6
    rows = np.broadcast_to(v, (n, 4))
    settings = wake_sleep.UpDown(200, n, False, 0)
    after = wake_sleep.up_down_epoch(stack, rows, np.ones(n), rate, 0, settings)
    W, V = (getattr(s, part)[0].params.weights[0] for s in (stack, after))
    found = (V - W) / rate
    (U, c), (G, b) = oracle.upward[0], oracle.downward[0]
    expected = np.zeros_like(found)
    second = np.zeros_like(found)
    for (h,) in oracle.paths:
        if part == "generative":
            p = np.exp(oracle.log_recognition(v, [h]))
            step = np.outer(v - 1 / (1 + np.exp(-(b + G @ h))), h)
            expected, second = expected + p * step, second + p * step**2
            continue
        for x in oracle.visible:
            p = np.exp(oracle.log_joint(x, [h]))
            step = np.outer(x, h - 1 / (1 + np.exp(-(c + x @ U))))
            expected, second = expected + p * step, second + p * step**2
    errors = np.sqrt(np.maximum(second - expected**2, 1e-9) / n)
    assert np.max(np.abs(found - expected) / errors) < 5
    assert np.max(np.abs(expected) / errors) > 5


def test_wake_sleep_that_diverges_leaves_what_was(rng):
    stack, _ = random_stack((6, 4, 3))
    rows = np.full((20, 6), 1e300)
    with np.errstate(all="ignore"), pytest.raises(Diverged):
        wake_sleep.up_down_epoch(stack, rows, np.ones(20), 1e300, 0, SETTINGS)
    assert all(np.isfinite(m.params.weights[0]).all() for m in stack.recognition)


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_other_namespaces_agree(namespace, rng):
    asarray = asarray_of(namespace)
    rows = bars(50, rng)
    results = []
    for kind in (np.asarray, asarray):
        stack, _ = random_stack((6, 4, 3, 2), asarray=kind)
        X, ones = kind(rows), kind(np.ones(50))
        stack = wake_sleep.up_down_epoch(stack, X, ones, 0.1, 0, SETTINGS)
        found = belief.bound(stack, X, draws_for(stack, 10))
        results.append(
            (stack, np.asarray(found), np.asarray(belief.pass_up(stack.recognition, X)))
        )
    (one, *values), (other, *others) = results
    for x, y in zip(values, others, strict=True):
        assert_allclose(y, x, atol=1e-9)
    for m, n in zip(
        (*one[0], *one[1], one[2]), (*other[0], *other[1], other[2]), strict=True
    ):
        assert_allclose(np.asarray(n.params.weights[0]), m.params.weights[0], atol=1e-9)


def test_wake_sleep_heeds_the_weights_of_rows():
    X = np.repeat([[1.0], [0.0]], 4, axis=1)
    stack, settings = (
        random_stack((4, 3, 2), scale=0.0)[0],
        wake_sleep.UpDown(1, 2, False, 0),
    )
    for weights, sign in (([2.0, 0.0], 1), ([0.0, 2.0], -1)):
        after = wake_sleep.up_down_epoch(stack, X, np.array(weights), 0.1, 0, settings)
        b, c = (each.generative[0].params.biases[0] for each in (after, stack))
        assert (sign * (b - c) > 0).all()


def test_each_pass_of_wake_sleep_has_random_numbers_of_its_own():
    stack, settings = random_stack((4, 3, 2))[0], wake_sleep.UpDown(1, 20, False, 0)
    one, two = (
        wake_sleep.up_down_epoch(stack, np.ones((20, 4)), np.ones(20), 0.1, n, settings)
        for n in (0, 1)
    )
    assert not np.allclose(one.top.params.weights[0], two.top.params.weights[0])


def test_weights_do_not_decay_in_wake_sleep():
    stack = random_stack((4, 3, 2))[0]
    W = np.full_like(stack.top.params.weights[0], 1e6)
    stack.top.params.weights[0][...] = W
    settings = wake_sleep.UpDown(1, 1, False, 0)
    after = wake_sleep.up_down_epoch(
        stack, np.zeros((1, 4)), np.ones(1), 0.1, 0, settings
    )
    assert abs(after.top.params.weights[0] - W).max() < 1.0


def test_the_top_machine_learns_from_samples(monkeypatch):
    seen, phases = [], wake_sleep.ContrastiveDivergence.phases

    def spy(self, top, rows, *rest):
        seen.append(rows)
        return phases(self, top, rows, *rest)

    monkeypatch.setattr(wake_sleep.ContrastiveDivergence, "phases", spy)
    stack, settings = (
        random_stack((4, 3, 2), scale=0.0)[0],
        wake_sleep.UpDown(1, 20, False, 0),
    )
    wake_sleep.up_down_epoch(stack, np.ones((20, 4)), np.ones(20), 0.1, 0, settings)
    assert np.isin(seen, (0.0, 1.0)).all()
