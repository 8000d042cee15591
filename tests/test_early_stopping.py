"""Rows held out of the fit: their likelihood, and what follows from it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skebm import BernoulliRBM
from skebm.core import early_stopping, training
from skebm.core.early_stopping import EarlyStopping, Progress
from skebm.core.machine import Machine
from skebm.core.partition import exact
from skebm.core.streams import Purpose, stream

from .enumeration import log_likelihood
from .machines import random_machine
from .test_training import settings_of


def noisy_patterns(n=60, n_features=6, seed=0):
    rng = np.random.default_rng(seed)
    flip = rng.uniform(size=(n, n_features)) < 0.1
    return (np.arange(n_features) % 2 ^ rng.integers(0, 2, (n, 1)) ^ flip) * 1.0


def annealed_along(n_epochs, monkeypatch, seed=0):
    """Errors of log Z along a training, and the temperatures that it took."""
    monkeypatch.setattr(early_stopping, "MAX_EXACT_UNITS", 0)
    X, weights = noisy_patterns(), np.ones(60)
    settings = settings_of(seed=seed)
    state = training.start(X, weights, (3,), 10, settings)
    n_betas, chains, errors, taken = early_stopping.FIRST_BETAS, None, [], []
    for _ in range(n_epochs):
        state = training.train_epoch(state, X, weights, 0.1, settings)
        value, n_betas, chains = early_stopping.log_partition(
            state, settings, n_betas, chains
        )
        errors.append(value - exact(Machine(settings.units, state.params)).value)
        taken.append(n_betas)
    return np.array(errors), taken


def test_log_z_along_the_training_is_right(monkeypatch):
    errors, taken = annealed_along(10, monkeypatch)
    assert abs(errors).max() < 0.1
    assert set(taken) == {early_stopping.FIRST_BETAS}


def test_temperatures_follow_the_error(monkeypatch):
    monkeypatch.setattr(early_stopping, "FIRST_BETAS", 2)
    _, coarse = annealed_along(2, monkeypatch)
    monkeypatch.setattr(early_stopping, "HIGH_ERROR", 0.01)
    monkeypatch.setattr(early_stopping, "LOW_ERROR", 0.0)
    finer_errors, fine = annealed_along(2, monkeypatch)
    assert max(coarse) < min(fine) < early_stopping.MAX_BETAS
    assert abs(finer_errors).max() < 0.04
    monkeypatch.setattr(early_stopping, "MAX_BETAS", 8)
    assert annealed_along(1, monkeypatch)[1] == [8]


def test_chains_of_log_z_go_on_from_epoch_to_epoch(monkeypatch):
    """Were they those of the training, they would lag behind the parameters."""
    starts = []
    settled = early_stopping.settled

    def spy(machine, chains, *rest):
        starts.append(chains)
        return settled(machine, chains, *rest)

    monkeypatch.setattr(early_stopping, "settled", spy)
    annealed_along(2, monkeypatch)
    assert len(starts[0][1]) == 10
    assert len(starts[1][1]) == early_stopping.N_RUNS


def judged(X, n_epochs, tol=0.0, weights=None, **changed):
    weights = np.ones(len(X)) if weights is None else weights
    settings = settings_of(**changed)
    stopping = EarlyStopping(X[:20], weights[:20], np.arange(20), tol, settings)
    state = training.start(X[20:], weights[20:], (3,), 10, settings)
    progress, states, measured = Progress(), [], []
    for _ in range(n_epochs):
        state = training.train_epoch(state, X[20:], weights[20:], 0.1, settings)
        progress, numbers = stopping.judge(progress, state, X[20:])
        states.append(state)
        measured.append(numbers)
    return progress, states, measured


def test_score_and_gap_are_those_of_enumeration(rng):
    X, weights = noisy_patterns(), rng.uniform(size=60)
    _, states, measured = judged(X, 3, weights=weights)
    for state, numbers in zip(states, measured, strict=True):
        held_out = log_likelihood(*state.params, X[:20], weights[:20])
        fitted = log_likelihood(*state.params, X[20:40])
        assert_allclose(numbers["validation_log_likelihood"], held_out)
        assert_allclose(numbers["free_energy_gap"], fitted - held_out)


def test_best_state_and_epochs_without_gain(monkeypatch):
    monkeypatch.setattr(early_stopping, "mean_free_energy", lambda *args: next(scores))
    no_log_z = exact(random_machine((2, 1))[0])._replace(value=0.0)
    monkeypatch.setattr(early_stopping, "exact", lambda machine: no_log_z)
    scores = iter([5.0, 0, 4.0, 0, 3.95, 0, 3.92, 0, 6.0, 0])
    progress, states, _ = judged(noisy_patterns(), 5, tol=0.1)
    assert progress.best_score == -3.92
    assert progress.best.epoch == states[3].epoch
    assert progress.n_without_gain == 3


def test_split_takes_complete_rows_that_weigh_something():
    X = np.zeros((50, 2))
    X[:10, 1] = np.nan
    weights = np.ones(50)
    weights[10:20] = 0.0
    draws = stream(0, Purpose.VALIDATION, weights)
    left, held_out = early_stopping.split(X, weights, 0.25, draws)
    assert len(held_out) == 8
    assert held_out.min() >= 20
    assert_array_equal(np.sort(np.concatenate([left, held_out])), np.arange(50))
    other = stream(1, Purpose.VALIDATION, weights)
    assert not np.array_equal(
        early_stopping.split(X, weights, 0.25, other)[1], held_out
    )


OVERFITTING = {
    "n_components": 12,
    "n_iter": 200,
    "learning_rate": 0.5,
    "learning_rate_schedule": "constant",
    "early_stopping": True,
    "validation_fraction": 0.4,
    "tol": 0.0,
    "random_state": 0,
}


def parameters(rbm):
    return [rbm.components_.copy(), rbm.intercept_hidden_, rbm.intercept_visible_]


def held_out_rows(rbm, X):
    weights = np.ones(len(X))
    draws = stream(rbm._seed, Purpose.VALIDATION, weights)
    return X[early_stopping.split(X, weights, rbm.validation_fraction, draws)[1]]


def test_stops_and_keeps_the_best_epoch():
    X = noisy_patterns()
    rbm = BernoulliRBM(**OVERFITTING).fit(X)
    curve = rbm.history_["validation_log_likelihood"]
    assert rbm.n_iter_ == len(curve) < 200
    assert np.argmax(curve) == len(curve) - 1 - rbm.n_iter_no_change
    assert_allclose(rbm.score(held_out_rows(rbm, X)), max(curve), rtol=1e-6)


def test_held_out_rows_take_no_part_in_the_fit():
    X = noisy_patterns()
    rbm = BernoulliRBM(**{**OVERFITTING, "n_iter": 1}).fit(X)
    weights = np.ones(60)
    draws = stream(rbm._seed, Purpose.VALIDATION, weights)
    held_out = early_stopping.split(X, weights, 0.4, draws)[1]
    X[held_out] = 1 - X[held_out]
    other = BernoulliRBM(**{**OVERFITTING, "n_iter": 1}).fit(X)
    for x, y in zip(parameters(rbm), parameters(other), strict=True):
        assert_array_equal(x, y)
    assert rbm.history_ != other.history_


def test_going_on_keeps_what_was_better():
    X = noisy_patterns()
    rbm = BernoulliRBM(**OVERFITTING, warm_start=True).fit(X)
    before = parameters(rbm)
    rbm.set_params(learning_rate=20.0, n_iter=3).fit(X)
    for x, y in zip(before, parameters(rbm), strict=True):
        assert_array_equal(x, y)


def test_history_has_a_number_for_each_epoch():
    X = noisy_patterns()
    rbm = BernoulliRBM(3, n_iter=2, warm_start=True, random_state=0).fit(X)
    rbm.set_params(early_stopping=True).fit(X)
    rbm.set_params(early_stopping=False).fit(X)
    curve = rbm.history_["validation_log_likelihood"]
    assert_array_equal(np.isnan(curve), [True, True, False, False, True, True])
    assert not np.isnan(rbm.history_["pseudo_log_likelihood"]).any()


def test_rows_with_gaps_and_contrastive_divergence():
    X = noisy_patterns()
    X[::2, 1] = np.nan
    rbm = BernoulliRBM(3, early_stopping=True, algorithm="cd", random_state=0).fit(X)
    assert np.isfinite(rbm.history_["validation_log_likelihood"]).all()
    assert np.isfinite(rbm.history_["free_energy_gap"]).all()


def test_same_scores_from_sparse_rows():
    X = noisy_patterns()
    one = BernoulliRBM(**OVERFITTING).fit(X)
    other = BernoulliRBM(**OVERFITTING).fit(sparse.csr_array(X))
    assert_allclose(one.components_, other.components_)


def test_verbose_prints_the_score(capsys):
    BernoulliRBM(3, n_iter=1, early_stopping=True, verbose=1).fit(noisy_patterns())
    assert "validation score = -" in capsys.readouterr().out


def test_partial_fit_and_too_few_rows_are_errors_that_change_nothing():
    X = noisy_patterns()
    rbm = BernoulliRBM(3, n_iter=2, random_state=0).fit(X)
    before = parameters(rbm)
    rbm.set_params(early_stopping=True, warm_start=True)
    with pytest.raises(ValueError, match="partial_fit does not support"):
        rbm.partial_fit(X)
    with pytest.raises(ValueError, match=r"hold out 1 complete.*leave 0"):
        rbm.fit(X[:1])
    gaps = X.copy()
    gaps[:, 0] = np.where(np.arange(60) % 2, np.nan, 1)
    gaps[:, 1] = np.where(np.arange(60) % 2, 1, np.nan)
    with pytest.raises(ValueError, match=r"hold out 0 complete.*leave 60"):
        rbm.fit(gaps)
    for x, y in zip(before, parameters(rbm), strict=True):
        assert_array_equal(x, y)
