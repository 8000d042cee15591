"""A fit that ends below independent units says so; no other one does."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits

from skebm import DBM, BernoulliRBM, CategoricalRBM, GaussianRBM, MixedRBM
from skebm.core import verdict
from skebm.core.gaussian import Gaussian
from skebm.core.machine import Machine, Params
from skebm.core.partition import exact
from skebm.core.streams import Purpose, stream
from skebm.core.tempering import base_biases
from skebm.core.units import Bernoulli

from .enumeration import Enumeration
from .machines import random_machine

DIGITS = (load_digits().data > 7.0)[:600] * 1.0


@pytest.mark.parametrize(
    "estimator",
    [
        BernoulliRBM(32, learning_rate=1000.0, random_state=0),
        BernoulliRBM(8, learning_rate=1000.0, random_state=0),  # log Z is exact
        BernoulliRBM(32, learning_rate=300.0, n_iter=1, momentum=0.9, random_state=0),
        BernoulliRBM(32, learning_rate=1000.0, early_stopping=True, random_state=0),
        CategoricalRBM(32, learning_rate=1000.0, random_state=0),
    ],
    ids=str,
)
def test_a_rate_that_is_far_too_high_is_told_of(estimator):
    with pytest.warns(UserWarning, match=r"less than independent units.*Lower learni"):
        estimator.fit(DIGITS)


def test_the_numbers_are_right():
    """Against the exact log-likelihood, and the means of the columns."""
    rbm = BernoulliRBM(8, learning_rate=1000.0, random_state=0)
    with pytest.warns(UserWarning, match="learnt less") as seen:
        rbm.fit(DIGITS[:100])  # all of them are looked at
    p = np.clip(DIGITS[:100].mean(axis=0), 1e-4, 1.0 - 1e-4)
    log_p = DIGITS[:100] * np.log(p) + (1.0 - DIGITS[:100]) * np.log1p(-p)
    words = str(seen[0].message)
    assert f"at most {rbm.score(DIGITS[:100]):.4g} nats" in words
    assert f"and {log_p.sum(axis=1).mean():.4g} by the means" in words


@pytest.mark.parametrize("rate", [0.1, 1.0])
@pytest.mark.parametrize("n_iter", [1, 10])
@pytest.mark.parametrize(
    "estimator",
    [BernoulliRBM(64), CategoricalRBM(64), GaussianRBM(64), MixedRBM(64), DBM((16, 8))],
    ids=lambda e: type(e).__name__,
)
def test_no_word_of_usual_fits(estimator, n_iter, rate):
    if isinstance(estimator, GaussianRBM | MixedRBM):
        rate *= 0.1
    estimator.set_params(n_iter=n_iter, learning_rate=rate, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.fit(DIGITS)


@pytest.mark.parametrize("n_columns", [1, 6, 50])
def test_no_word_where_the_columns_are_independent_indeed(n_columns):
    rng = np.random.default_rng(0)
    X = (rng.random((600, n_columns)) < rng.random(n_columns)) * 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        BernoulliRBM(32, learning_rate=1.0, random_state=0).fit(X)


def test_rows_of_weight_zero_do_not_count():
    """The machine knows nothing of them, and need not."""
    X = np.concatenate([DIGITS[:100], 1.0 - DIGITS[:500]])
    weights = np.repeat([1.0, 0.0], [100, 500])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rbm = BernoulliRBM(32, learning_rate=0.5, random_state=0)
        rbm.fit(X, sample_weight=weights)


def test_a_pass_is_judged_too():
    rbm = BernoulliRBM(32, learning_rate=1000.0, random_state=0)
    with pytest.warns(UserWarning, match="learnt less"):
        rbm.partial_fit(DIGITS)


def test_forward_annealing_is_above_log_z_by_chance_alone(rng, monkeypatch):
    """exp(estimate - log Z) has the mean 1, within 5 sigma: so it is rarely large."""
    monkeypatch.setattr(verdict, "FEW_STATES", 0)
    W, b, c = rng.normal(size=(5, 7)), rng.normal(size=5), rng.normal(size=7)
    machine = Machine((Bernoulli(), Bernoulli()), Params((2.0 * W,), (b, c)))
    log_z = Enumeration([2.0 * W], [b, c]).log_z
    base = base_biases(machine.units, machine.params, np.full(5, 0.5))
    found = [
        verdict.forward_log_z(machine, base, stream(seed, Purpose.VERDICT, b))[0]
        for seed in range(200)
    ]
    ratios = np.exp(np.array(found) - log_z)
    assert abs(ratios.mean() - 1.0) < 5.0 * ratios.std() / np.sqrt(len(ratios))


@pytest.mark.parametrize("sizes", [(5, 3), (4, 3, 2), (3, 3, 2, 2)])
def test_log_z_of_rows_is_a_lower_bound(sizes):
    """It is log Z itself where the rows lead to all states of the odd layers."""
    machine, oracle = random_machine(sizes)
    draws, rows = stream(0, Purpose.VERDICT, np.zeros(1)), oracle.layers[0]
    few, many = (
        verdict.log_z_of_rows(machine, v, draws)
        for v in (rows[:4], np.tile(rows, (300, 1)))
    )
    assert few < oracle.log_z - 0.01
    assert_allclose(many, oracle.log_z, atol=1e-10)


def test_what_annealing_misses_is_known_of_rows(monkeypatch):
    """A state that annealing never comes to has nearly all probability."""
    monkeypatch.setattr(verdict, "FEW_STATES", 0)
    n, pull = 40, 6.0
    W = np.full((n, 1), pull)
    # The unit is on with all visible ones, 30 nats above all that has it off.
    c = np.array([30.0 - n * (np.logaddexp(0.0, pull) - np.log(2.0))])
    machine = Machine((Bernoulli(), Bernoulli()), Params((W,), (np.zeros(n), c)))
    log_z = exact(machine).value
    base = base_biases(machine.units, machine.params, np.full(n, 0.5))
    draws = stream(0, Purpose.VERDICT, c)
    rows = np.repeat([[0.0], [1.0]], 10, axis=0) * np.ones(n)
    assert_allclose(verdict.log_z_of_rows(machine, rows, draws), log_z)
    assert_allclose(verdict.least_log_z(machine, base, rows, draws), log_z)
    assert verdict.least_log_z(machine, base, rows[:10], draws) < log_z - 10.0


def test_annealing_may_be_two_errors_too_high(monkeypatch):
    machine, _ = random_machine((3, 2))
    monkeypatch.setattr(verdict, "forward_log_z", lambda *_: (100.0, 7.0))
    draws = stream(0, Purpose.VERDICT, np.zeros(1))
    found = verdict.least_log_z(machine, None, np.zeros((2, 3)), draws)
    assert found == 100.0 - 2.0 * 7.0


def test_real_values_have_no_sums_over_states():
    machine, _ = random_machine((3, 2))
    machine = machine._replace(units=(Bernoulli(), Gaussian()))
    draws = stream(0, Purpose.VERDICT, np.zeros(1))
    assert verdict.log_z_of_rows(machine, np.zeros((2, 3)), draws) == -np.inf
