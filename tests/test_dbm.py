"""DBM as its users meet it."""

import pickle
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skebm import DBM, BernoulliRBM, GaussianRBM
from skebm import dbm as dbm_module
from skebm.core import early_stopping, partition, training
from skebm.core.sampling import FINE

from .enumeration import Enumeration
from .machines import standard_errors
from .test_rbm import patterns


def fitted(X=None, sizes=(4, 3), sample_weight=None, **params):
    params = {"rbm": BernoulliRBM(n_iter=3), "n_iter": 3, "random_state": 0, **params}
    X = patterns() if X is None else X
    return DBM(sizes, **params).fit(X, sample_weight=sample_weight)


def parameters(dbm):
    return [*dbm.components_, *dbm.intercepts_]


def assert_same_model(one, other, **tolerance):
    for x, y in zip(parameters(one), parameters(other), strict=True):
        assert_allclose(x, y, **(tolerance or {"rtol": 0}))


def oracle_of(dbm):
    return Enumeration([W.T for W in dbm.components_], dbm.intercepts_)


@pytest.fixture(params=[(3, 2), (3, 2, 2)], ids=str)
def dbm(request):
    """Strong weights, and so something to get wrong."""
    rng = np.random.default_rng(1)
    dbm = fitted(patterns(n_features=4), request.param, n_iter=0)
    dbm.components_ = [rng.normal(size=W.shape) for W in dbm.components_]
    dbm.intercepts_ = [0.5 * rng.normal(size=b.shape) for b in dbm.intercepts_]
    return dbm


@pytest.fixture
def oracle(dbm):
    return oracle_of(dbm)


def all_visible(oracle):
    return np.unique(oracle.layers[0], axis=0)


# What the methods compute


def test_scores_without_samples_are_the_bound_by_enumeration(dbm, oracle):
    X = all_visible(oracle)
    layers = dbm.mean_field(X, tol=1e-12).layers
    expected = [oracle.bound(v, [x[row] for x in layers]) for row, v in enumerate(X)]
    exact = np.array([oracle.log_marginal({0: v}) for v in X])
    found = dbm.score_samples(X, n_samples=0)
    assert_allclose(found, expected, atol=1e-8)
    assert (found < exact).all()
    assert np.mean(exact - found) < 0.5


def test_scores_come_near_the_likelihood_with_more_samples(dbm, oracle):
    """The default is nearer than mean field, and on average below."""
    X = all_visible(oracle)
    exact = np.array([oracle.log_marginal({0: v}) for v in X])
    lost = [exact - dbm.score_samples(X, n) for n in (5000, 20, 0)]
    assert np.abs(lost[0]).max() < 0.02
    assert -0.02 < np.mean(lost[1]) < 0.3 * np.mean(lost[2])
    assert dbm.score(X) == np.mean(dbm.score_samples(X, n_samples=20))


def test_scores_depend_on_the_seed_and_the_number_of_samples(dbm, oracle):
    X = all_visible(oracle)
    first = dbm.score_samples(X)
    assert_array_equal(dbm.score_samples(X), first)
    assert (dbm.score_samples(X, n_samples=21) != first).any()
    dbm._seed += 1
    assert (dbm.score_samples(X) != first).any()


def test_scores_take_as_many_samples_as_are_asked_for(dbm, oracle, monkeypatch):
    """By mean field as far as it goes, and not as training has it."""
    taken, plain = [], dbm_module.importance_free_energy

    def spied(machine, v, inference, numbers):
        taken.append((inference, len(numbers), [len(x) for x in numbers[0]]))
        return plain(machine, v, inference, numbers)

    monkeypatch.setattr(dbm_module, "importance_free_energy", spied)
    dbm.score_samples(all_visible(oracle), n_samples=7)
    assert taken == [(FINE, 7, [2])]


@pytest.mark.parametrize("n_samples", [-1, 1.5])
def test_scores_ask_for_a_whole_number_of_samples(dbm, oracle, n_samples):
    with pytest.raises((TypeError, ValueError), match="n_samples"):
        dbm.score_samples(all_visible(oracle), n_samples)


def test_scores_of_real_values_are_in_the_units_of_the_user():
    """A hundred times as wide, a row of three has a density of so much less."""
    X = np.random.default_rng(0).normal(size=(60, 3))
    rbms = [GaussianRBM(n_iter=1), BernoulliRBM(n_iter=1)]
    one, other = (
        DBM((2, 2), rbm=rbms, n_iter=1, random_state=0).fit(scale * X)
        for scale in (1.0, 100.0)
    )
    lost = one.score_samples(X) - other.score_samples(100.0 * X)
    assert_allclose(lost, 3 * np.log(100.0), atol=1e-3)


def off_by_annealing(dbm, oracle):
    """Standard errors by which annealed likelihoods are off, of few temperatures."""
    X = np.repeat(all_visible(oracle), 300, axis=0)
    exact = np.exp([oracle.log_marginal({0: v}) for v in all_visible(oracle)])
    log_p = dbm.annealed_score_samples(X, n_runs=5, n_betas=4, random_state=0)
    found = np.exp(log_p).reshape(-1, 300)
    # Few rows of these are constant: then they are right but for rounding.
    error = found.std(axis=1) / np.sqrt(300) + 1e-6 * exact
    return np.abs(found.mean(axis=1) - exact) / error


def test_annealed_likelihoods_are_right_on_average(dbm, oracle):
    """Their exponentials, whatever the temperatures; with many, near log p(v)."""
    assert off_by_annealing(dbm, oracle).max() < 5
    X = all_visible(oracle)
    exact = [oracle.log_marginal({0: v}) for v in X]
    found = dbm.annealed_score_samples(X, n_runs=100, n_betas=300, random_state=0)
    assert_allclose(found, exact, atol=0.1)
    again = dbm.annealed_score_samples(X, n_runs=100, n_betas=300, random_state=0)
    assert_array_equal(found, again)


def test_annealed_likelihoods_of_rows_that_move_are_wrong(dbm, oracle, monkeypatch):
    """Negative control: visible units are drawn anew, too."""
    monkeypatch.setattr(partition, "clamp", lambda layers, clamped: layers)
    assert off_by_annealing(dbm, oracle).max() > 5


def test_annealed_likelihoods_are_in_the_units_of_the_user():
    """Near the bound, which is in these too, where the upper layer hardly counts."""
    X = 100.0 * np.random.default_rng(0).normal(size=(60, 3)) + 1000.0
    rbms = [GaussianRBM(n_iter=1), BernoulliRBM(n_iter=1)]
    dbm = DBM((2, 2), rbm=rbms, n_iter=1, random_state=0).fit(X)
    lost = dbm.annealed_score_samples(X) - dbm.score_samples(X)
    assert np.abs(lost).max() < 0.5
    assert_array_equal(dbm.annealed_score_samples(X), dbm.annealed_score_samples(X))


@pytest.mark.parametrize("wrong", [{"n_runs": 0}, {"n_betas": 1}])
def test_annealed_likelihoods_ask_for_whole_numbers(dbm, oracle, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        dbm.annealed_score_samples(all_visible(oracle), **wrong)


def test_scores_go_further_than_training_does(dbm):
    """Where weights are strong, the bound that training works with is lower."""
    dbm.components_ = [3.0 * W for W in dbm.components_]
    strong = oracle_of(dbm)
    X = all_visible(strong)
    layers = dbm.mean_field(X, tol=1e-12).layers
    expected = [strong.bound(v, [x[row] for x in layers]) for row, v in enumerate(X)]
    found = dbm.score_samples(X, n_samples=0)
    assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_mean_field_solves_its_equations(dbm, oracle):
    X = all_visible(oracle)
    found = dbm.mean_field(X, tol=1e-10)
    assert found.converged
    assert found.change <= 1e-10
    assert 1 < found.n_iter < 1000
    layers = [X, *found.layers, None]
    weights, biases = [W.T for W in dbm.components_], dbm.intercepts_
    for index in range(1, len(layers) - 1):
        a = biases[index] + layers[index - 1] @ weights[index - 1]
        if index < len(weights):
            a = a + layers[index + 1] @ weights[index].T
        assert_allclose(layers[index], 1 / (1 + np.exp(-a)), atol=1e-9)


def test_mean_field_is_near_the_posterior_where_weights_are_small(dbm, oracle):
    dbm.components_ = [0.2 * W for W in dbm.components_]
    X = all_visible(oracle)
    small = oracle_of(dbm)
    for index, layer in enumerate(dbm.mean_field(X).layers, start=1):
        expected = [small.mean(index, {0: v}) for v in X]
        assert_allclose(layer, expected, atol=2e-3)


def test_mean_field_says_where_it_did_not_converge(dbm, oracle):
    X = all_visible(oracle)
    with pytest.warns(ConvergenceWarning, match=r"after 1 iter.*more max_iter"):
        found = dbm.mean_field(X, max_iter=1, tol=1e-12)
    assert not found.converged
    assert found.n_iter == 1
    assert found.change > 1e-12


def test_mean_field_reports_the_slowest_of_all_rows(dbm, oracle):
    """Also where they are not in the last block."""
    dbm.components_ = [3.0 * W for W in dbm.components_]
    X = all_visible(oracle)
    steps = [dbm.mean_field(X[i : i + 1]).n_iter for i in range(len(X))]
    slow, fast = X[[np.argmax(steps)]], X[[np.argmin(steps)]]
    many = np.concatenate([slow, fast.repeat(1100, axis=0)])
    assert dbm.mean_field(many).n_iter == max(steps) > min(steps)
    with pytest.warns(ConvergenceWarning):
        found = dbm.mean_field(many, max_iter=min(steps))
    assert not found.converged


def test_transform_gives_the_layer_asked_for(dbm, oracle):
    X = all_visible(oracle)
    layers = dbm.mean_field(X).layers
    assert_array_equal(dbm.transform(X), layers[-1])
    for index, layer in enumerate(layers, start=1):
        assert_array_equal(dbm.transform(X, layer=index), layer)
    assert_array_equal(dbm.transform(X, layer="all"), np.concatenate(layers, axis=1))
    for wrong in (0, len(layers) + 1, "top", 1.5):
        with pytest.raises((ValueError, TypeError), match="layer"):
            dbm.transform(X, layer=wrong)


@pytest.mark.parametrize("method", ["transform", "score_samples", "reconstruct"])
def test_rows_are_treated_one_by_one(dbm, oracle, method):
    X = all_visible(oracle)
    ask = getattr(dbm, method)
    together = ask(X)
    assert_allclose(ask(X[::-1])[::-1], together, rtol=1e-12)
    assert_allclose(np.concatenate([ask(X[i : i + 1]) for i in range(16)]), together)
    assert_array_equal(ask(X), together)


def test_energy_is_the_definition(dbm, oracle):
    layers = [x[::7] for x in oracle.layers]
    assert_allclose(dbm.energy(layers[0], layers[1:]), oracle.energies[::7])
    with pytest.raises(ValueError, match=r"hidden has 1 layers, .* list with one"):
        dbm.energy(layers[0], layers[1:2])
    with pytest.raises(ValueError, match=r"hidden\[1\] has shape"):
        dbm.energy(layers[0], [layers[1], layers[1], *layers[3:]])


def test_log_partition_by_both_methods(dbm, oracle):
    assert_allclose(dbm.log_partition().value, oracle.log_z)
    assert dbm.log_partition().method == "exact"
    dbm._log_partitions = {}
    found = dbm.log_partition("ais", n_betas=300)
    assert found.lower < oracle.log_z < found.upper
    assert found.upper - found.lower < 1.0
    assert abs(found.value - oracle.log_z) < 5 * found.std_error


def test_samples_have_the_distribution_of_the_model(dbm, oracle):
    """Negative control: the distribution of another machine."""
    n = len(dbm.intercepts_[0])
    X = dbm.sample(20_000, n_gibbs_steps=60, random_state=0)
    assert standard_errors(X, oracle.moments()[:n, :n]).max() < 5
    dbm.components_ = [1.4 * W for W in dbm.components_]
    assert standard_errors(X, oracle_of(dbm).moments()[:n, :n]).max() > 5


def test_samples_given_some_units(dbm, oracle):
    given = np.array([1.0, np.nan, 0.0, np.nan])
    X = dbm.sample(20_000, n_gibbs_steps=60, given=given, random_state=0)
    p = oracle.given({0: given})
    x = oracle.layers[0]
    assert standard_errors(X, x.T @ (p[:, None] * x)).max() < 5
    start = dbm.sample(20, n_gibbs_steps=0, given=given, random_state=0)
    assert_array_equal(start[:, ::2], X[:20, ::2])


def test_samples_start_where_they_are_told(dbm):
    """Negative control: after many steps they have forgotten it."""
    start = np.array([1.0, 1.0, 0.0, 0.0])
    for init in (start, np.tile(start, (20, 1))):
        X = dbm.sample(20, n_gibbs_steps=0, init=init, random_state=0)
        assert_array_equal(X, np.tile(start, (20, 1)))
        X = dbm.sample(20, n_gibbs_steps=60, init=init, random_state=0)
        assert len(np.unique(X, axis=0)) > 1
    with pytest.raises(ValueError, match="init has shape"):
        dbm.sample(20, init=start[:2])


def test_impute_fills_in_conditional_means(dbm, oracle):
    """Against enumeration, for chains long enough to tell it from the means."""
    X = np.tile([[1.0, np.nan, 0.0, np.nan], [np.nan, 0.0, np.nan, 1.0]], (200, 1))
    filled = dbm.impute(X, n_gibbs_steps=200, random_state=0)
    assert_array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    for row in (0, 1):
        values = filled[row::2]
        error = values.std(axis=0) / np.sqrt(len(values)) + 1e-12
        expected = oracle.mean(0, {0: X[row]})
        assert (np.abs(values.mean(axis=0) - expected) < 5 * error).all()
    assert_array_equal(filled, dbm.impute(X, n_gibbs_steps=200, random_state=0))


def test_inverse_transform_goes_down_with_doubled_inner_weights(dbm):
    layer = np.random.default_rng(0).uniform(size=(5, dbm.components_[-1].shape[0]))
    found = dbm.inverse_transform(layer)
    for index in reversed(range(len(dbm.components_))):
        times = 2 if index > 0 else 1
        a = times * layer @ dbm.components_[index] + dbm.intercepts_[index]
        layer = 1 / (1 + np.exp(-a))
    assert_allclose(found, layer)


def test_reconstruct_goes_up_by_mean_field(dbm, oracle):
    X = all_visible(oracle)
    h = dbm.transform(X, layer=1)
    a = h @ dbm.components_[0] + dbm.intercepts_[0]
    assert_allclose(dbm.reconstruct(X), 1 / (1 + np.exp(-a)))
    again = dbm.reconstruct(X, n_gibbs_steps=3)
    assert_array_equal(again, dbm.reconstruct(X, n_gibbs_steps=3))
    assert not np.allclose(again, dbm.reconstruct(X))


def test_edited_parameters_count_at_once(dbm, oracle):
    X = all_visible(oracle)
    before = dbm.score_samples(X)
    dbm.intercepts_[0] = dbm.intercepts_[0] + 1.0
    after = oracle_of(dbm)
    assert not np.allclose(dbm.score_samples(X), before)
    assert_allclose(dbm.log_partition().value, after.log_z)


def test_changed_sizes_do_not_matter_to_the_fitted_machine(dbm, oracle):
    X = all_visible(oracle)
    before = dbm.score_samples(X)
    dbm.set_params(hidden_layer_sizes=(7, 6, 5, 4))
    assert_array_equal(dbm.score_samples(X), before)


# In the company of BernoulliRBM


def test_without_weights_at_the_top_it_is_an_rbm():
    X = patterns()
    rbm = BernoulliRBM(3, random_state=0).fit(X)
    dbm = fitted(X, (3, 2), n_iter=0)
    dbm.components_ = [rbm.components_, np.zeros((2, 3))]
    dbm.intercepts_ = [rbm.intercept_visible_, rbm.intercept_hidden_, np.zeros(2)]
    assert_allclose(dbm.score_samples(X), rbm.score_samples(X))
    assert_allclose(dbm.transform(X, layer=1), rbm.transform(X))
    assert_allclose(dbm.transform(X), 0.5)
    assert_allclose(dbm.reconstruct(X), rbm.reconstruct(X))
    assert_allclose(dbm.log_partition().value, rbm.log_partition().value + np.log(4))


@pytest.mark.parametrize("algorithm", ["pcd", "pt"])
def test_with_one_hidden_layer_it_is_trained_as_an_rbm(algorithm):
    """The same numbers, bit for bit; the pretraining is that of an RBM as well."""
    X = patterns()
    same = {"algorithm": algorithm, "n_iter": 4, "random_state": 0, "momentum": 0.5}
    dbm = DBM(3, pretrain=False, learning_rate=0.1, n_gibbs_steps=1, **same).fit(X)
    rbm = BernoulliRBM(3, **same).fit(X)
    assert_array_equal(dbm.components_[0], rbm.components_)
    assert_array_equal(dbm.intercepts_[0], rbm.intercept_visible_)
    assert_array_equal(dbm.intercepts_[1], rbm.intercept_hidden_)
    assert_array_equal(dbm.chains_[0], rbm.h_samples_)
    assert dbm.history_ == rbm.history_
    assert_array_equal(dbm.score_samples(X), rbm.score_samples(X))
    pretrained = fitted(X, 3, n_iter=0)
    seed = np.random.RandomState(pretrained._seed).randint(np.iinfo(np.int32).max)
    rbm = BernoulliRBM(3, n_iter=3, random_state=int(seed)).fit(X)
    assert_array_equal(pretrained.components_[0], rbm.components_)


# Training


def separate_patterns(n=300, seed=0):
    """Noisy patterns of eight features, four kinds of them."""
    rng = np.random.default_rng(seed)
    kinds = np.array([[0, 0, 0, 0] * 2, [1, 1, 0, 0] * 2, [0, 1, 1, 0] * 2, [1] * 8])
    X = kinds[rng.integers(0, 4, n)]
    return (X ^ (rng.uniform(size=X.shape) < 0.05)).astype(float)


def exact_likelihood(dbm, X):
    oracle, rows = oracle_of(dbm), [tuple(row) for row in X]
    known = {row: oracle.log_marginal({0: np.array(row)}) for row in set(rows)}
    return np.mean([known[row] for row in rows])


@pytest.mark.parametrize(
    ("pretrain", "centered", "algorithm"),
    [  # each pair of values once
        (True, True, "pcd"),
        (True, False, "pt"),
        (False, True, "pt"),
        (False, False, "pcd"),
    ],
)
def test_learns_what_independent_units_cannot(pretrain, centered, algorithm):
    """Exact log-likelihoods of new rows, and the bound near below them."""
    X, new = separate_patterns(), separate_patterns(seed=1)
    p = X.mean(axis=0)
    independent = np.mean((new * np.log(p) + (1 - new) * np.log(1 - p)).sum(axis=1))
    dbm = DBM(
        (3, 2),
        pretrain=pretrain,
        centered=centered,
        algorithm=algorithm,
        rbm=BernoulliRBM(n_iter=30, batch_size=20, n_gibbs_steps=5),
        n_iter=100,
        batch_size=20,
        random_state=0,
    ).fit(X)
    found = exact_likelihood(dbm, new)
    assert found > independent + 0.5
    assert 0.0 <= found - dbm.score_samples(new, n_samples=0).mean() < 0.3
    assert abs(found - dbm.score(new)) < 0.05


def test_pretraining_alone_makes_a_good_start():
    X = separate_patterns()
    rbm = BernoulliRBM(n_iter=50, batch_size=20, n_gibbs_steps=5)
    start = DBM((3, 2), rbm=rbm, n_iter=0, random_state=0).fit(X)
    blank = DBM((3, 2), pretrain=False, n_iter=0, random_state=0).fit(X)
    assert start.history_ == {}
    assert exact_likelihood(start, X) > exact_likelihood(blank, X) + 0.5
    trained = DBM((3, 2), rbm=rbm, n_iter=20, batch_size=20, random_state=0).fit(X)
    assert exact_likelihood(trained, X) > exact_likelihood(start, X)


def test_chains_and_history():
    dbm = fitted(sizes=(5, 4, 3), n_chains=7)
    assert [x.shape for x in dbm.chains_] == [(7, 5), (7, 3)]
    assert {0.0, 1.0} >= {v for x in dbm.chains_ for v in np.unique(x)}
    assert dbm.n_iter_ == 3
    assert {len(values) for values in dbm.history_.values()} == {3}
    assert set(dbm.history_) == {
        "mean_field_steps",
        "reconstruction_error",
        "mean_activation",
        "dead_units",
        "chain_error",
        "gradient_norm",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 0.01},
        {"batch_size": 15},
        {"algorithm": "pt"},
        {"n_gibbs_steps": 1},
        {"n_chains": 3},
        {"n_mean_field_steps": 1},
        {"mean_field_tol": 0.1},
        {"momentum": 0.5},
        {"weight_decay": 0.1},
        {"l1_decay": 0.1},
        {"max_norm": 0.1},
        {"centered": False},
        {"learning_rate_schedule": "constant"},
        {"pretrain": False},
        {"rbm": BernoulliRBM(n_iter=1)},
        {"sparsity_target": 0.5},
        {"pretrain": False, "initial_activation": 0.5},
        {"early_stopping": True},
        {"sample_inputs": True},
        {"shuffle": False, "batch_size": 25},
        {"random_state": 1},
    ],
    ids=str,
)
def test_every_parameter_counts(change):
    X = 0.9 * patterns() + 0.05
    one, other = fitted(X), fitted(X, **change)
    pairs = zip(parameters(one), parameters(other), strict=True)
    assert any(not np.allclose(x, y, rtol=1e-6, atol=0) for x, y in pairs)


@pytest.mark.parametrize("pretrain", [True, False])
@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2)])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_a_weight_of_two_is_the_row_twice(container, sizes, pretrain):
    """Exact where all rows are in one batch; here also a weight of zero."""
    X = patterns(20)
    weights = np.arange(20) % 3
    repeated = X.repeat(weights, axis=0)
    params = {"pretrain": pretrain, "shuffle": False}
    one = fitted(container(X), sizes, sample_weight=weights, **params)
    other = fitted(container(repeated), sizes, **params)
    assert_same_model(one, other, rtol=1e-7, atol=1e-9)


def test_partial_fit_starts_without_pretraining_and_goes_on():
    X = patterns()
    params = {"learning_rate_schedule": "constant", "momentum": 0.5}
    whole = fitted(X, pretrain=False, **params)
    steps = DBM((4, 3), random_state=0, **params)
    for _ in range(3):
        steps = pickle.loads(pickle.dumps(steps)).partial_fit(X)
    assert_same_model(steps, whole)
    for x, y in zip(steps.chains_, whole.chains_, strict=True):
        assert_array_equal(x, y)
    assert steps.n_iter_ == 3


@pytest.mark.parametrize("algorithm", ["pcd", "pt"])
def test_warm_start_goes_on_without_pretraining(algorithm, monkeypatch):
    X = patterns()
    params = {"learning_rate_schedule": "constant", "algorithm": algorithm}
    whole = fitted(X, n_iter=4, **params)
    parts = fitted(X, n_iter=2, warm_start=True, **params)
    monkeypatch.setattr(BernoulliRBM, "fit", None)
    parts.fit(X)
    assert_same_model(parts, whole)
    assert parts.n_iter_ == 4
    with pytest.raises(ValueError, match=r"sizes \(4, 3\).*set the parameter back"):
        parts.set_params(hidden_layer_sizes=(4, 2)).fit(X)


def test_refit_starts_anew():
    X = patterns()
    dbm = fitted(X)
    before = [x.copy() for x in parameters(dbm)]
    dbm.partial_fit(X).fit(X)
    for x, y in zip(before, parameters(dbm), strict=True):
        assert_array_equal(x, y)


def test_parameters_may_change_between_partial_fits():
    """What no longer fits starts anew, and the rest goes on."""
    X, dbm = patterns(), fitted(n_chains=5)
    changes = [
        {"n_chains": 7},
        {"algorithm": "pt"},
        {"algorithm": "pcd", "momentum": 0.5},
        {"momentum": 0.0, "centered": False, "sparsity_target": 0.1},
    ]
    for n_done, change in enumerate(changes, start=4):
        dbm.set_params(**change).partial_fit(X)
        assert dbm.n_iter_ == n_done
        assert dbm.chains_[0].shape == (7, 4)
    assert np.isfinite(dbm.score_samples(X)).all()


OVERFITTING = {
    "learning_rate": 0.5,
    "learning_rate_schedule": "constant",
    "early_stopping": True,
    "validation_fraction": 0.4,
    "n_iter": 100,
    "tol": 0.0,
}


def held_out_of(dbm, X):
    stopping, _ = early_stopping.hold_out(
        X,
        np.ones(len(X)),
        dbm.validation_fraction,
        early_stopping.Rule(0.0, 1, False),
        dbm._settings(dbm._seed, len(X), dbm._kinds(3)),
    )
    return stopping.held_out[0].index


def test_early_stopping_keeps_the_best_epoch():
    X = patterns()
    dbm = fitted(X, (8, 6), **OVERFITTING)
    curve = dbm.history_["validation_log_likelihood"]
    assert dbm.n_iter_ == len(curve) < 100
    assert np.argmax(curve) == len(curve) - 1 - dbm.n_iter_no_change
    held_out = X[held_out_of(dbm, X)]
    # Scores run mean field further than training does.
    found = dbm.score_samples(held_out, n_samples=0).mean()
    assert_allclose(found, max(curve), atol=0.01)


def test_early_stopping_keeps_the_pretrained_start_if_that_is_best():
    X = separate_patterns()
    start = fitted(X, n_iter=0, rbm=BernoulliRBM(n_iter=30), early_stopping=True)
    dbm = clone(start).set_params(n_iter=3, learning_rate=20.0).fit(X)
    assert dbm.n_iter_ == 3
    assert_same_model(dbm, start)
    for x, y in zip(dbm.chains_, start.chains_, strict=True):
        assert_array_equal(x, y)


def test_held_out_rows_take_no_part_in_the_fit_or_the_pretraining():
    X = patterns()
    params = {**OVERFITTING, "n_iter": 1}
    dbm = fitted(X, **params)
    held_out = held_out_of(dbm, X)
    assert len(held_out) == 24
    X[held_out] = 1 - X[held_out]
    other = fitted(X, **params)
    assert_same_model(dbm, other)
    assert dbm.history_ != other.history_


def test_divergence_says_what_to_lower_and_leaves_the_model():
    X = patterns().astype(np.float32)
    dbm = fitted(X)
    before = [x.copy() for x in parameters(dbm)]
    dbm.set_params(learning_rate=1e60)
    with pytest.raises(FloatingPointError, match=r"DBM diverged.*learning_rate"):
        dbm.partial_fit(X)
    dbm.set_params(learning_rate=0.1, rbm__learning_rate=1e60)
    told = r"layer 1 of 2, with the parameters of rbm: BernoulliRBM diverged"
    with pytest.raises(FloatingPointError, match=told):
        dbm.fit(X)
    for x, y in zip(before, parameters(dbm), strict=True):
        assert_array_equal(x, y)


@pytest.mark.parametrize("after", [0, 2, 3 + 3, 3 + 3 + 1])
def test_interruption_keeps_the_epochs_done(monkeypatch, after):
    epoch, done = training.train_epoch, []

    def interrupted(*args):
        if len(done) == after:
            done.append(1)
            raise KeyboardInterrupt
        done.append(1)
        return epoch(*args)

    monkeypatch.setattr(training, "train_epoch", interrupted)
    dbm = DBM((4, 3), rbm=BernoulliRBM(n_iter=3), random_state=0)
    if after == 0:
        with pytest.raises(KeyboardInterrupt):
            dbm.fit(patterns())
        assert vars(dbm).keys() == vars(clone(dbm)).keys()
    elif after == 2:  # of the first layer: no other is begun
        with pytest.raises(KeyboardInterrupt, match="after 1 of 2 layers") as caught:
            dbm.fit(patterns())
        assert len(done) == 2 + 1
        assert [rbm.n_iter_ for rbm in caught.value.parts] == [2]
        assert vars(dbm).keys() == vars(clone(dbm)).keys()
    elif after == 6:  # of the joint training's first epoch
        with pytest.warns(UserWarning, match="before the first epoch: what"):
            dbm.fit(patterns())
        assert dbm.n_iter_ == 0
        assert_same_model(dbm, clone(dbm).set_params(n_iter=0).fit(patterns()))
    else:
        with pytest.warns(UserWarning, match="after 1 of 10 epochs"):
            dbm.fit(patterns())
        assert dbm.n_iter_ == 1


# What is refused


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(value):
    X = patterns()
    X[3, 2] = value
    new, old = DBM((4, 3)), fitted()
    for method in (new.fit, new.partial_fit, old.transform, old.score_samples):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            method(X)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        new.set_params(pretrain=False).fit(X)
    assert not hasattr(new, "n_features_in_")


@pytest.mark.parametrize("sizes", [(), (4, 0), [[4, 3]], (4.5,), -1])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_impossible_sizes_are_refused(sizes, method):
    dbm = DBM(sizes)
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        getattr(dbm, method)(patterns())
    assert not hasattr(dbm, "n_features_in_")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"algorithm": "cd"}, "algorithm"),
        ({"rbm": LogisticRegression()}, "rbm"),
        ({"rbm": [BernoulliRBM()]}, "1 machines.*2 layers"),
        ({"rbm": [BernoulliRBM(), LogisticRegression()]}, "rbm.*BernoulliRBM"),
        ({"rbm": BernoulliRBM(n_iter=-1)}, "n_iter"),
        ({"n_mean_field_steps": 0}, "n_mean_field_steps"),
        ({"mean_field_tol": -1.0}, "mean_field_tol"),
    ],
    ids=str,
)
def test_bad_parameters_are_errors_that_change_nothing(params, message):
    X, dbm = patterns(), fitted()
    before = [x.copy() for x in parameters(dbm)]
    with pytest.raises(ValueError, match=message):
        dbm.set_params(**params).fit(1 - X)
    for x, y in zip(before, parameters(dbm), strict=True):
        assert_array_equal(x, y)


def test_partial_fit_refuses_early_stopping():
    with pytest.raises(ValueError, match="partial_fit does not support"):
        DBM((4, 3), early_stopping=True).partial_fit(patterns())


@pytest.mark.parametrize("pretrain", [True, False])
def test_values_outside_the_range_warn_once(pretrain):
    with pytest.warns(UserWarning, match="ranges from 0 to 2") as record:
        fitted(2 * patterns(), pretrain=pretrain)
    assert len(record) == 1


def test_verbose_prints_a_line_per_layer_and_epoch(capsys):
    one = fitted(verbose=1, n_iter=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" = ")[0] for line in lines] == [
        "[DBM] Layer 1 of 2, 6 x 4, reconstruction error",
        "[DBM] Layer 2 of 2, 4 x 3, pseudo-likelihood",
        "[DBM] Iteration 1, reconstruction error",
        "[DBM] Iteration 2, reconstruction error",
    ]
    assert_same_model(one, fitted(n_iter=2))


# Containers, and within scikit-learn


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, bool])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.csr_matrix])
def test_every_container_and_dtype_gives_the_same_model(container, dtype):
    X = patterns()
    expected = fitted(X.astype(np.float32))
    found = fitted(container(X.astype(dtype)))
    assert_same_model(found, expected)
    assert found.components_[0].dtype == np.float32
    assert_allclose(found.transform(container(X)), expected.transform(X), rtol=1e-6)


def test_a_model_in_double_precision_is_the_same_up_to_rounding():
    X = patterns()
    one, other = fitted(X), fitted(X.astype(np.float32))
    assert one.components_[0].dtype == np.float64
    assert_same_model(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("pretrain", [True, False])
def test_memory_is_that_of_a_batch(pretrain):
    """Of float copies of all rows, only the few hidden units of the next layer's."""
    X = np.random.default_rng(0).integers(0, 2, (20_000, 200), dtype=np.uint8)
    tracemalloc.start()
    dbm = fitted(X, n_iter=1, pretrain=pretrain, rbm=BernoulliRBM(n_iter=1))
    dbm.score_samples(X)
    dbm.transform(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < X.size


@pytest.mark.parametrize(
    "X", [np.ones((1, 4)), np.zeros((7, 3)), np.array([[0.0], [1.0], [1.0]])]
)
@pytest.mark.parametrize("pretrain", [True, False])
def test_small_and_constant_data(X, pretrain):
    dbm = fitted(X, (3, 2, 2), pretrain=pretrain, n_iter=20)
    assert np.isfinite(dbm.score_samples(X)).all()
    assert dbm.transform(X).shape == (len(X), 2)


def test_grid_search_over_sizes_and_the_machine():
    X = patterns(90)
    y = X[:, 0].astype(int)
    model = make_pipeline(
        DBM(rbm=BernoulliRBM(n_iter=2), n_iter=2, random_state=0), LogisticRegression()
    )
    grid = {
        "dbm__hidden_layer_sizes": [(3,), (4, 3)],
        "dbm__rbm__learning_rate": [0.05, 0.1],
    }
    search = GridSearchCV(model, grid, cv=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_score_ > 0.5
    by_bound = GridSearchCV(
        fitted().set_params(rbm__n_iter=20), {"n_iter": [0, 30]}, cv=2
    ).fit(X)
    assert by_bound.best_params_ == {"n_iter": 30}


def test_pickle_and_clone():
    X = patterns()
    dbm = fitted(X)
    again = pickle.loads(pickle.dumps(dbm))
    assert_array_equal(again.score_samples(X), dbm.score_samples(X))
    assert_array_equal(again.sample(3, random_state=0), dbm.sample(3, random_state=0))
    assert_same_model(again.partial_fit(X), dbm.partial_fit(X))
    assert_same_model(clone(dbm).fit(X), fitted(X))


def test_data_frames_name_their_columns():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(patterns(), columns=list("abcdef"))
    dbm = fitted(X)
    assert_array_equal(dbm.feature_names_in_, X.columns)
    names = ["dbm0", "dbm1", "dbm2"]
    assert list(dbm.get_feature_names_out()) == names
    assert list(dbm.set_output(transform="pandas").transform(X)) == names
    lower, upper = (
        [f"dbm_layer{k}_{i}" for i in range(n)] for k, n in ((1, 4), (2, 3))
    )
    assert list(dbm.transform(X, layer=1)) == lower
    assert list(dbm.transform(X, layer="all")) == lower + upper
    with pytest.raises(ValueError, match="feature names"):
        dbm.transform(X[list("fedcba")])


def answers(X, gaps, **params):
    """What all methods say, from a machine that has been through all ways of a fit."""
    dbm = fitted(X, (5, 4, 3), **params)
    dbm.set_params(early_stopping=False).partial_fit(X)
    dbm.set_params(warm_start=True).fit(X)
    hidden = [x[:4, ...] for x in dbm.mean_field(X).layers]
    return [
        *dbm.components_,
        *hidden,
        dbm.transform(X, layer="all"),
        dbm.inverse_transform(dbm.transform(X)),
        dbm.reconstruct(X, n_gibbs_steps=2),
        dbm.score_samples(X),
        dbm.energy(X[:4, ...], hidden),
        dbm.sample(3, given=gaps[0, :], random_state=0),
        dbm.impute(gaps, n_gibbs_steps=20, random_state=0),
    ]


@pytest.mark.parametrize(
    "params", [{}, {"early_stopping": True}, {"algorithm": "pt", "sample_inputs": True}]
)
def test_every_method_takes_tensors(params):
    torch = pytest.importorskip("torch")
    pytest.importorskip("scipy", "1.14")
    X = patterns()
    gaps = np.where(np.arange(6) % 3, X[:5], np.nan)
    expected = answers(X, gaps, **params)
    with config_context(array_api_dispatch=True):
        found = answers(torch.asarray(X), torch.asarray(gaps), **params)
    for x, y in zip(found, expected, strict=True):
        assert isinstance(x, torch.Tensor)
        assert_allclose(x.numpy(), y, atol=1e-9)


def test_skops_round_trip():
    skops = pytest.importorskip("skops.io")
    dbm = fitted(momentum=0.5)
    data = skops.dumps(dbm)
    unknown = skops.get_untrusted_types(data=data)
    assert set(unknown) == {"skebm.dbm.DBM", "skebm.rbm.BernoulliRBM"}
    loaded = skops.loads(data, trusted=unknown)
    assert_same_model(dbm.partial_fit(patterns()), loaded.partial_fit(patterns()))
