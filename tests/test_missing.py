"""Training on rows with missing entries."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skebm import DBM, DBN, BernoulliRBM
from skebm.core import algorithms, missing, training
from skebm.core.streams import Purpose, stream

from .enumeration import Enumeration
from .machines import (
    NAMESPACES,
    asarray_of,
    machine_of,
    random_arrays,
    random_machine,
    standard_errors,
)
from .test_training import settings_of, trained


def with_gaps(X, share=0.3, seed=0):
    """X with a share of its entries missing at random."""
    gaps = np.random.default_rng(seed).uniform(size=X.shape) < share
    return np.where(gaps, np.nan, X)


def draws(seed=0):
    return stream(seed, Purpose.MISSING, np.zeros(1))


ROW = np.array([np.nan, 1.0, np.nan, 0.0])


def completed_many_times(machine, steps=20, n=20_000):
    X = np.tile(ROW, (n, 1))
    rows = missing.first_completed(machine, X, np.full(4, 0.5), draws())
    batches, last = [(X, None)], [(rows, None)]
    yielded = missing.redrawn(machine, batches, last, steps, draws(1))
    return next(yielded)[0]


def test_missing_entries_follow_their_distribution_given_the_observed_ones():
    machine, oracle = random_machine((4, 3))
    p, x = oracle.given({0: ROW}), oracle.layers[0]
    expected = x.T @ (p[:, None] * x)
    assert standard_errors(completed_many_times(machine), expected).max() < 5
    # Negative control: a kernel that does not look at the other units.
    blind = machine_of([0.0 * machine.params.weights[0]], machine.params.biases)
    assert standard_errors(completed_many_times(blind), expected).max() > 5


def test_observed_entries_are_never_changed(rng):
    X = with_gaps(rng.uniform(size=(23, 5)))
    state = trained(X, 2)
    seen = ~np.isnan(X)
    assert_array_equal(state.completed[seen], X[seen])
    assert set(np.unique(state.completed[~seen])) == {0.0, 1.0}


@pytest.mark.parametrize("shuffle", [True, False])
def test_completed_rows_return_to_their_place(shuffle, rng):
    """Were they in batch order, the observed entries of another row would be there."""
    X = np.arange(23.0)[:, None] / 23 + np.array([0.0, np.nan, 0.0])
    state = trained(X, 3, shuffle=shuffle)
    assert_array_equal(state.completed[:, 0], X[:, 0])


def test_chains_of_missing_entries_go_on(monkeypatch):
    """The start of an epoch's chains is where the last epoch left them."""
    X = with_gaps(np.random.default_rng(1).integers(0, 2, (12, 4)).astype(float))
    seen = []
    redrawn = missing.redrawn

    def spy(machine, batches, completed, *rest):
        batches, completed = list(batches), list(completed)
        seen.append(np.concatenate([rows for rows, _ in completed]))
        return redrawn(machine, batches, completed, *rest)

    monkeypatch.setattr(training, "redrawn", spy)
    settings = settings_of(shuffle=False)
    weights = np.ones(12)
    state = training.start(X, weights, (3,), 5, settings)
    for _ in range(3):
        before = state.completed
        state = training.train_epoch(state, X, weights, 0.1, settings)
        assert_array_equal(seen[-1], before)
    assert not np.array_equal(seen[1], seen[2])


@pytest.mark.parametrize("name", NAMESPACES)
def test_training_with_gaps_is_the_same_in_every_namespace(name):
    asarray = asarray_of(name)
    X = with_gaps(np.random.default_rng(0).integers(0, 2, (30, 6)).astype(float))
    expected = trained(X, 3)
    found = trained(asarray(X), 3, weights=asarray(np.ones(30)))
    for group, wanted in zip(found.params, expected.params, strict=True):
        for x, y in zip(group, wanted, strict=True):
            assert_allclose(np.asarray(x), y, atol=1e-10)
    assert_allclose(np.asarray(found.completed), expected.completed, atol=0)


def test_a_machine_learns_from_what_is_observed():
    """From 40 % of the entries missing nearly what is learnt from all of them.

    Measured by the expected log-likelihood under the distribution that the rows are
    from. Negative control: gaps filled with the means of their columns.
    """
    weights, biases = random_arrays((5, 2), seed=3, scale=2.0)
    teacher = Enumeration(weights, biases)
    X = teacher.sample(4000, np.random.default_rng(0))[0]
    gaps = with_gaps(X, 0.4)
    filled = np.where(np.isnan(gaps), np.nanmean(gaps, axis=0), gaps)
    fast = {"n_iter": 100, "batch_size": 200, "n_chains": 400, "learning_rate": 1.0}
    loss = {}
    for name, rows in {"all": X, "gaps": gaps, "filled": filled}.items():
        rbm = BernoulliRBM(4, random_state=0, **fast).fit(rows)
        gain = rbm.score_samples(teacher.layers[0]) @ teacher.probabilities
        best = [teacher.log_marginal({0: v}) for v in teacher.layers[0][::4]]
        loss[name] = teacher.probabilities.reshape(-1, 4).sum(axis=1) @ best - gain
    assert loss["all"] < 0.01
    assert loss["gaps"] < 0.02
    assert loss["filled"] > 0.1


def test_means_count_observed_entries_over_all_calls(rng):
    X = with_gaps(rng.uniform(size=(40, 3)))
    settings, ones = settings_of(), np.ones(20)
    state = training.start(X[:20], ones, (2,), 5, settings)
    state = training.with_rows(state, X[20:], ones, settings)
    assert_allclose(state.means[0], np.nanmean(X, axis=0))
    complete = np.ones((20, 3))
    state = training.with_rows(state, complete, ones, settings)
    expected = np.nanmean(np.concatenate([X, complete]), axis=0)
    assert_allclose(state.means[0], expected)


def test_a_later_call_may_lack_a_column(rng):
    X = rng.uniform(size=(20, 3))
    settings, ones = settings_of(), np.ones(20)
    state = training.start(X, ones, (2,), 5, settings)
    without = X.copy()
    without[:, 1] = np.nan
    later = training.with_rows(state, without, ones, settings)
    assert_allclose(later.means[0], state.means[0])


def test_transform_of_gaps_solves_the_mean_field_equations():
    weights, biases = random_arrays((4, 3), seed=2)
    rbm = BernoulliRBM(3, n_iter=0).fit(np.eye(4))
    rbm.components_ = weights[0].T
    rbm.intercept_visible_, rbm.intercept_hidden_ = biases

    def sigma(a):
        return 1 / (1 + np.exp(-a))

    h = rbm.transform(ROW[None, :])[0]
    v = np.where(np.isnan(ROW), sigma(biases[0] + weights[0] @ h), ROW)
    assert_allclose(h, sigma(biases[1] + v @ weights[0]), atol=1e-6)


def test_transform_treats_each_row_by_itself(rng):
    X = rng.integers(0, 2, (9, 5)).astype(float)
    rbm = BernoulliRBM(3, random_state=0).fit(X)
    gaps = with_gaps(X)
    gaps[::3] = X[::3]
    found = rbm.transform(gaps)
    assert_allclose(found[::3], rbm.transform(X[::3]), atol=1e-12)
    for row, expected in zip(gaps, found, strict=True):
        assert_allclose(rbm.transform(row[None, :])[0], expected, atol=1e-12)
    assert np.isfinite(rbm.transform(np.full((2, 5), np.nan))).all()


def test_pipeline_on_rows_with_gaps(rng):
    X = with_gaps(rng.integers(0, 2, (40, 5)).astype(float))
    pipe = make_pipeline(BernoulliRBM(3, random_state=0), LogisticRegression())
    assert pipe.fit(X, np.arange(40) % 2).predict(X).shape == (40,)


def test_a_column_without_any_value_is_an_error_that_names_it():
    X = np.full((4, 3), 0.5)
    X[:, 1] = np.nan
    rbm = BernoulliRBM(2)
    for fit in (rbm.fit, rbm.partial_fit):
        with pytest.raises(ValueError, match=r"nothing but NaN .*: 1\. .*Imputer"):
            fit(X)
    X[0, 1] = 1.0  # observed, but without weight
    with pytest.raises(ValueError, match="nothing but NaN"):
        rbm.fit(X, sample_weight=[0, 1, 1, 1])
    assert not hasattr(rbm, "n_iter_")
    pandas = pytest.importorskip("pandas")
    X[0, 1] = np.nan
    with pytest.raises(ValueError, match=r"nothing but NaN .*: 1 \('age'\)"):
        rbm.fit(pandas.DataFrame(X, columns=["sex", "age", "height"]))


def test_partial_fit_may_lack_a_column_later():
    X = np.full((4, 3), 0.5)
    rbm = BernoulliRBM(2, random_state=0).partial_fit(X)
    X[:, 1] = np.nan
    rbm.partial_fit(X)
    assert np.isfinite(rbm.components_).all()


@pytest.mark.parametrize(
    "method",
    ["score_samples", "free_energy", "reconstruct", "gibbs", "pseudo_log_likelihood"],
)
def test_other_methods_say_how_to_fill_gaps(method):
    rbm = BernoulliRBM(2, random_state=0).fit(np.eye(3))
    with pytest.raises(ValueError, match=r"complete rows.*impute"):
        getattr(rbm, method)([[0.0, np.nan, 1.0]])


def test_no_two_random_streams_of_a_training_are_the_same(monkeypatch):
    keys = []

    def spy(seed, purpose, array, index=0):
        keys.append((purpose, index))
        return stream(seed, purpose, array, index)

    monkeypatch.setattr(training, "stream", spy)
    X = with_gaps(np.random.default_rng(0).uniform(size=(60, 6)))
    weights, settings = np.ones(60), settings_of()
    state = training.start(X, weights, (3,), 5, settings)
    for _ in range(3):
        state = training.train_epoch(state, X, weights, 0.1, settings)
        state = training.with_rows(state, X, weights, settings)
    assert len(set(keys)) == len(keys) == 17


@pytest.mark.parametrize("part", ["first", "redrawn"])
def test_missing_entries_take_enough_steps(part):
    weights, biases = random_arrays((4, 3), seed=0, scale=2.0)
    machine, oracle = machine_of(weights, biases), Enumeration(weights, biases)
    p, x = oracle.given({0: ROW}), oracle.layers[0]
    X = np.tile(ROW, (20_000, 1))
    if part == "first":
        rows = missing.first_completed(machine, X, np.full(4, 0.5), draws())
    else:
        batches, far = [(X, None)], [(np.nan_to_num(X), None)]
        rows, _ = next(missing.redrawn(machine, batches, far, 20, draws(1)))
    assert standard_errors(rows, x.T @ (p[:, None] * x)).max() < 5


def test_missing_entries_take_the_steps_of_the_algorithm(monkeypatch):
    taken = []
    redrawn = missing.redrawn

    def spy(machine, batches, completed, n_steps, draws):
        taken.append(n_steps)
        return redrawn(machine, batches, completed, n_steps, draws)

    monkeypatch.setattr(training, "redrawn", spy)
    X = with_gaps(np.random.default_rng(0).uniform(size=(30, 6)))
    trained(X, 1, algorithm=algorithms.PersistentChains(3))
    assert taken == [3]


def test_first_chains_start_at_the_means(monkeypatch):
    monkeypatch.setattr(missing, "FIRST_STEPS", 0)
    machine, _ = random_machine((4, 3))
    mean = np.array([0.2, 0.5, 0.7, 0.9])
    X = np.full((20_000, 4), np.nan)
    rows = missing.first_completed(machine, X, mean, draws())
    assert_allclose(rows.mean(axis=0), mean, atol=0.02)


def test_mean_field_converges_from_the_means():
    """Of two solutions, the one that is nearer to where it starts."""
    machine = machine_of([np.full((4, 1), 3.0)], [np.full(4, -1.5), np.full(1, -6.0)])
    row = np.full((1, 4), np.nan)
    low = missing.expected(machine, row, np.full(4, 0.1))
    high = missing.expected(machine, row, np.full(4, 0.9))
    assert low.max() < 0.3 < 0.7 < high.min()
    assert_allclose(missing.expected(machine, row, high[0]), high, atol=1e-6)


def test_dtype_of_the_features_of_gaps(rng):
    X = rng.uniform(size=(9, 4))
    rbm = BernoulliRBM(3, random_state=0).fit(X)
    assert rbm.transform(with_gaps(X).astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("model", [BernoulliRBM(3), DBM((3, 2)), DBN((3, 2))], ids=str)
def test_filled_rows_have_the_dtype_of_the_rows(model):
    X = np.random.default_rng(0).integers(0, 2, (40, 5)).astype(np.float64)
    model = clone(model).fit(X)
    for dtype in (np.float32, np.float64):
        rows = with_gaps(X).astype(dtype)
        filled = model.impute(rows, n_gibbs_steps=2)
        assert filled.dtype == dtype
        known = ~np.isnan(rows)
        assert_array_equal(filled[known], rows[known])


def test_rows_without_gaps_after_rows_with_gaps(rng):
    """Nothing of the rows before may stay."""
    X = rng.uniform(size=(20, 4))
    settings, ones = settings_of(), np.ones(20)
    state = training.start(with_gaps(X), ones, (3,), 5, settings)
    assert training.with_rows(state, X, ones, settings).completed is None


def test_values_out_of_range_beside_gaps_warn():
    with pytest.warns(UserWarning, match="ranges from 1 to 3"):
        BernoulliRBM(2, random_state=0).fit([[1, np.nan], [3, 1]])
