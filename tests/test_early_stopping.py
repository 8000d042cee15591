"""Rows held out of the fit: their likelihood, and what follows from it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skebm import BernoulliRBM
from skebm.core import early_stopping, partition, training
from skebm.core.early_stopping import EarlyStopping, Progress, Rule
from skebm.core.machine import Machine
from skebm.core.partition import exact
from skebm.core.streams import Purpose, stream
from skebm.core.units import Bernoulli, Tied

from .enumeration import log_likelihood
from .test_training import settings_of

ANY_RULE = Rule(0.0, 1, False)


def noisy_patterns(n=60, n_features=6, seed=0):
    rng = np.random.default_rng(seed)
    flip = rng.uniform(size=(n, n_features)) < 0.1
    return (np.arange(n_features) % 2 ^ rng.integers(0, 2, (n, 1)) ^ flip) * 1.0


def annealed_along(n_epochs, monkeypatch, seed=0):
    """Errors of log Z along a training, and the temperatures that it took."""
    monkeypatch.setattr(early_stopping, "FEW_STATES", 0)
    X, weights = noisy_patterns(), np.ones(60)
    settings = settings_of(seed=seed)
    state = training.start(X, weights, (3,), 10, settings)
    progress = Progress(early_stopping.FIRST_BETAS)
    errors, taken = [], []
    for _ in range(n_epochs):
        state = training.train_epoch(state, X, weights, 0.1, settings)
        value, error, progress = early_stopping.annealed_log_z(
            progress, state, settings
        )
        assert 0.0 < error < 0.3
        errors.append(value - exact(Machine(settings.units, state.params)).value)
        taken.append(progress.n_betas)
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
    settled = partition.settled

    def spy(machine, chains, *rest):
        starts.append(chains)
        return settled(machine, chains, *rest)

    monkeypatch.setattr(partition, "settled", spy)
    annealed_along(2, monkeypatch)
    assert len(starts[0][1]) == 10
    assert len(starts[1][1]) == early_stopping.N_RUNS


def test_temperatures_fall_again_and_epochs_differ(monkeypatch):
    monkeypatch.setattr(early_stopping, "FEW_STATES", 0)
    X, settings = noisy_patterns(), settings_of()
    state = training.start(X, np.ones(60), (3,), 10, settings)
    log_z = early_stopping.annealed_log_z
    assert log_z(Progress(400), state, settings)[2].n_betas == 200
    later = state._replace(epoch=1)
    assert (
        log_z(Progress(), state, settings)[0] != log_z(Progress(), later, settings)[0]
    )


def judged(X, n_epochs, tol=0.0, weights=None, falling=False, **changed):
    weights = np.ones(len(X)) if weights is None else weights
    settings = settings_of(**changed)
    held_out, compared = (X[:20], weights[:20]), (X[20:40], weights[20:40])
    rule = Rule(tol, 100, falling)
    stopping = EarlyStopping(held_out, compared, rule, settings)
    state = training.start(X[20:], weights[20:], (3,), 10, settings)
    progress, states, measured = Progress(), [], []
    for _ in range(n_epochs):
        state = training.train_epoch(state, X[20:], weights[20:], 0.1, settings)
        progress, numbers = stopping.judge(progress, state)
        states.append(state)
        measured.append(numbers)
    return progress, states, measured


def test_score_and_gap_are_those_of_enumeration(rng):
    X, weights = noisy_patterns(), rng.uniform(size=60)
    _, states, measured = judged(X, 3, weights=weights)
    for state, numbers in zip(states, measured, strict=True):
        held_out = log_likelihood(*state.params, X[:20], weights[:20])
        fitted = log_likelihood(*state.params, X[20:40], weights[20:40])
        assert_allclose(numbers["validation_log_likelihood"], held_out)
        assert_allclose(numbers["free_energy_gap"], fitted - held_out)


def test_a_slow_rise_is_a_gain_in_the_end(monkeypatch):
    monkeypatch.setattr(EarlyStopping, "_free_energy", lambda *args: next(scores))
    monkeypatch.setattr(
        early_stopping, "annealed_log_z", lambda progress, *args: (0.0, 0.0, progress)
    )
    scores = iter([x for t in range(6) for x in (5.0 - 0.04 * t, 0)])
    progress, *_ = judged(noisy_patterns(), 4, tol=0.1)
    assert progress.n_against == 0


@pytest.mark.parametrize(("tol", "error"), [(0.1, 0.0), (0.0, 0.05)])
def test_best_state_and_epochs_without_gain(tol, error, monkeypatch):
    """A gain is more than tol, and more than two standard errors."""
    monkeypatch.setattr(EarlyStopping, "_free_energy", lambda *args: next(scores))
    monkeypatch.setattr(
        early_stopping, "annealed_log_z", lambda progress, *args: (0.0, error, progress)
    )
    scores = iter([5.0, 0, 4.0, 0, 3.95, 0, 3.92, 0, 6.0, 0])
    progress, states, _ = judged(noisy_patterns(), 5, tol=tol)
    assert progress.best_score == -3.92
    assert progress.best.epoch == states[3].epoch
    assert progress.n_against == 3


@pytest.mark.parametrize(
    ("gain", "share", "against"), [(2.0, 0.4, 0), (2.0, 0.6, 2), (-2.0, 0.6, 0)]
)
def test_where_the_rate_falls_a_clear_loss_speaks_for_stopping(
    gain, share, against, monkeypatch
):
    """A clear loss is half of the gain over independent features, if there was one."""
    monkeypatch.setattr(early_stopping, "FEW_STATES", 0)
    X = noisy_patterns()
    mean = X[20:].mean(axis=0)
    independent = np.where(X[:20] == 1, np.log(mean), np.log(1 - mean)).sum(axis=1)
    best = independent.mean() + gain
    scores = [best - 1.0, best, best - 2.0 * share, best - 2.0 * share]
    energies = iter([x for score in scores for x in (-score, 0)])
    monkeypatch.setattr(EarlyStopping, "_free_energy", lambda *args: next(energies))
    monkeypatch.setattr(
        early_stopping, "annealed_log_z", lambda progress, *args: (0.0, 0.0, progress)
    )
    progress, states, _ = judged(X, 4, falling=True)
    assert progress.n_against == against
    assert progress.best.epoch == states[1].epoch
    # The next epoch is looked at, or the one after a fifth of a hundred.
    assert progress.due == 4 + (1 if against else 20)


@pytest.mark.parametrize(
    ("n_epochs", "n_betas", "pause"), [(9, 100, 1), (100, 100, 20), (10_000, 100, 50)]
)
def test_looks_are_as_far_apart_as_annealing_takes(
    n_epochs, n_betas, pause, monkeypatch
):
    """But not more than a fifth of the epochs.

    10 epochs of 5 updates take 100 steps: a Gibbs step, and the gradient as another.
    """
    monkeypatch.setattr(early_stopping, "FEW_STATES", 0)
    X, weights, settings = noisy_patterns(50), np.ones(50), settings_of()
    state = training.start(X, weights, (3,), 10, settings)
    for _ in range(10):
        state = training.train_epoch(state, X, weights, 0.1, settings)
    assert state.work == 100
    stopping = EarlyStopping(
        (X, weights), (X, weights), Rule(0, n_epochs, True), settings
    )
    progress, _ = stopping.judge(Progress(n_betas=n_betas), state)
    assert progress.due == 10 + pause
    assert stopping.is_due(progress, 10 + pause, last=n_epochs)
    assert stopping.is_due(progress, 10, last=10)
    assert pause == 1 or not stopping.is_due(progress, 9 + pause, last=n_epochs)


def test_a_falling_rate_has_its_time():
    """Where scores are noisy at first, all epochs are run, and one of the last kept."""
    X = noisy_patterns(400)
    params = {**OVERFITTING, "learning_rate": 0.3, "n_iter": 60, "n_iter_no_change": 2}
    plateau = BernoulliRBM(**params).fit(X)
    rbm = BernoulliRBM(**params).set_params(learning_rate_schedule="cosine").fit(X)
    best = [
        max(machine.history_["validation_log_likelihood"]) for machine in (plateau, rbm)
    ]
    assert rbm.n_iter_ == 60 > plateau.n_iter_
    assert best[1] > best[0]


def test_a_machine_that_still_is_below_independent_features_goes_on():
    """Random weights cost nats at first, above all of grey rows."""
    X = np.clip(noisy_patterns(200, 40) * 0.5 + 0.2, 0, 1)
    rbm = BernoulliRBM(100, n_iter=10, early_stopping=True, random_state=0).fit(X)
    mean = X.mean(axis=0)
    independent = (X @ np.log(mean) + (1 - X) @ np.log(1 - mean)).mean()
    assert rbm.history_["validation_log_likelihood"][-1] < independent
    assert rbm.n_iter_ == 10


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_earlier_epochs_do_not_speak_against_going_on(schedule):
    X = noisy_patterns(400)
    rbm = BernoulliRBM(3, n_iter=20, learning_rate=0.01, random_state=0).fit(X)
    rbm.set_params(warm_start=True, early_stopping=True, n_iter=3)
    rbm.set_params(learning_rate_schedule=schedule, learning_rate=0.1).fit(X)
    assert rbm.n_iter_ == 23


class StopAt:
    """Callback that stops a fit after an epoch, or interrupts it."""

    def __init__(self, epoch, interrupt):
        self.epoch, self.interrupt, self.n_seen = epoch, interrupt, 0

    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context):
        if context.task_name != "epoch":
            return False
        self.n_seen += 1
        if self.interrupt and self.n_seen == self.epoch:
            raise KeyboardInterrupt
        return self.n_seen == self.epoch


@pytest.mark.filterwarnings("ignore:Training interrupted")
@pytest.mark.parametrize("interrupt", [False, True])
def test_the_last_epoch_is_looked_at_wherever_it_ends(interrupt, monkeypatch):
    monkeypatch.setattr(early_stopping, "FEW_STATES", 0)
    X = noisy_patterns(400)
    rbm = BernoulliRBM(3, n_iter=100, early_stopping=True, random_state=0)
    rbm.set_callbacks(StopAt(10, interrupt)).fit(X)
    curve = np.array(rbm.history_["validation_log_likelihood"])
    assert rbm.n_iter_ == len(curve) == 10
    looked_at = np.flatnonzero(np.isfinite(curve))
    assert looked_at[-1] == 9
    assert len(looked_at) < 10
    assert_allclose(rbm.score(X[held_out_numbers(rbm, X)]), np.nanmax(curve), atol=0.3)
    assert np.nanargmax(curve) == 9


def test_best_state_leaves_completed_rows_behind():
    X = noisy_patterns()
    X[30:, 0] = np.where(np.arange(30) % 2, np.nan, 1.0)
    progress, *_ = judged(X, 1)
    assert progress.best.completed is None


def test_rows_held_out_are_complete_and_weigh_something():
    X = np.arange(100.0).reshape(50, 2) / 100
    X[:10, 1] = np.nan
    weights = np.linspace(1.0, 2.0, 50)
    weights[10:20] = 0.0
    parts = {}
    for seed in (0, 1):
        stopping, left = early_stopping.hold_out(
            X, weights, 0.25, ANY_RULE, settings_of(seed=seed)
        )
        parts[seed] = stopping.held_out[0].index
    held_out, compared = stopping.held_out[0].index, stopping.compared[0].index
    assert len(held_out) == len(compared) == 8
    assert held_out.min() >= 20
    assert compared.min() >= 20
    assert_array_equal(held_out, np.sort(held_out))
    kept = left[0].index
    assert_array_equal(np.sort(np.concatenate([kept, held_out])), np.arange(50))
    assert set(compared) < set(kept)
    for rows, found in (stopping.held_out, stopping.compared, left):
        assert_array_equal(found, weights[rows.index])
    assert not np.array_equal(parts[0], parts[1])


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


def held_out_numbers(rbm, X):
    weights, settings = np.ones(len(X)), settings_of(seed=rbm._seed)
    share = rbm.validation_fraction
    stopping, _ = early_stopping.hold_out(X, weights, share, ANY_RULE, settings)
    return stopping.held_out[0].index


def test_stops_and_keeps_the_best_epoch():
    X = noisy_patterns()
    rbm = BernoulliRBM(**OVERFITTING).fit(X)
    curve = rbm.history_["validation_log_likelihood"]
    assert rbm.n_iter_ == len(curve) < 200
    assert np.argmax(curve) == len(curve) - 1 - rbm.n_iter_no_change
    assert_allclose(rbm.score(X[held_out_numbers(rbm, X)]), max(curve), rtol=1e-6)


def test_held_out_rows_take_no_part_in_the_fit():
    X = noisy_patterns()
    rbm = BernoulliRBM(**{**OVERFITTING, "n_iter": 1}).fit(X)
    held_out = held_out_numbers(rbm, X)
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


def test_verbose_prints_the_score_and_the_stop(capsys):
    rbm = BernoulliRBM(**OVERFITTING, verbose=1).fit(noisy_patterns())
    best = 1 + np.argmax(rbm.history_["validation_log_likelihood"])
    printed = capsys.readouterr().out
    assert printed.count("validation score = -") == rbm.n_iter_
    assert f"Stopped early: the parameters of epoch {best} are kept." in printed


def test_partial_fit_and_too_few_rows_are_errors_that_change_nothing():
    X = noisy_patterns()
    rbm = BernoulliRBM(3, n_iter=2, random_state=0).fit(X)
    before = parameters(rbm)
    rbm.set_params(early_stopping=True, warm_start=True)
    with pytest.raises(ValueError, match="partial_fit does not support"):
        rbm.partial_fit(X)
    with pytest.raises(ValueError, match=r"holds out 1 of the 1 rows.*leaves 0"):
        rbm.fit(X[:1])
    gaps = X.copy()
    gaps[:, 0] = np.where(np.arange(60) % 2, np.nan, 1)
    gaps[:, 1] = np.where(np.arange(60) % 2, 1, np.nan)
    with pytest.raises(ValueError, match=r"holds out 0 of the 0 rows.*leaves 0"):
        rbm.fit(gaps)
    for x, y in zip(before, parameters(rbm), strict=True):
        assert_array_equal(x, y)


def test_held_out_rows_are_drawn_once_where_inputs_are(rng):
    X = rng.uniform(size=(60, 6))
    _, states, measured = judged(X, 2, sample_inputs=True)
    draws = stream(0, Purpose.INPUT, X)
    rows = (draws.uniform((20, 6)) < X[:20]).astype(float)
    for state, numbers in zip(states, measured, strict=True):
        expected = log_likelihood(*state.params, rows)
        assert_allclose(numbers["validation_log_likelihood"], expected)


def test_held_out_rows_drawn_for_copies_are_those_of_the_rows(rng, monkeypatch):
    seen, energies = [], early_stopping.visible_free_energy

    def spy(machine, visible, inference):
        seen.append(visible)
        return energies(machine, visible, inference)

    monkeypatch.setattr(early_stopping, "visible_free_energy", spy)
    X = rng.uniform(size=(60, 6))
    judged(X, 1, sample_inputs=True, units=(Tied(Bernoulli(), 2), Bernoulli()))
    draws = stream(0, Purpose.INPUT, X)
    assert_array_equal(seen[0], 2.0 * (draws.uniform((20, 6)) < X[:20]))
