"""A fit that ends below independent units says so; no other one does."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits

from skebm import DBM, BernoulliRBM, CategoricalRBM, GaussianRBM, MixedRBM
from skebm.core import verdict
from skebm.core.machine import Machine, Params
from skebm.core.streams import Purpose, stream
from skebm.core.tempering import base_biases
from skebm.core.units import Bernoulli

from .enumeration import Enumeration

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
