"""BernoulliRBM as its users meet it."""

import pickle
import re
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import BernoulliRBM as SklearnRBM
from sklearn.pipeline import make_pipeline

from skebm import BernoulliRBM, _log_partition
from skebm.core import mixture_annealing, training

from .enumeration import Enumeration
from .machines import standard_errors


def patterns(n=60, n_features=6, seed=0):
    """Noisy copies of two complementary patterns."""
    rng = np.random.default_rng(seed)
    pattern = np.arange(n_features) % 2
    flip = rng.uniform(size=(n, n_features)) < 0.1
    return (pattern ^ rng.integers(0, 2, (n, 1)) ^ flip).astype(float)


def fitted(X=None, **params):
    params = {"n_components": 3, "n_iter": 5, "random_state": 0, **params}
    return BernoulliRBM(**params).fit(patterns() if X is None else X)


def parameters(rbm):
    return [rbm.components_, rbm.intercept_hidden_, rbm.intercept_visible_]


def assert_same_model(one, other, **tolerance):
    for x, y in zip(parameters(one), parameters(other), strict=True):
        assert_allclose(x, y, **(tolerance or {"rtol": 0}))


@pytest.fixture
def rbm():
    """A machine with strong weights, and so with something to get wrong."""
    rng = np.random.default_rng(1)
    rbm = fitted(n_iter=0)
    rbm.components_ = rng.normal(size=(3, 6))
    rbm.intercept_hidden_ = rng.normal(size=3)
    rbm.intercept_visible_ = rng.normal(size=6)
    return rbm


@pytest.fixture
def oracle(rbm):
    biases = [rbm.intercept_visible_, rbm.intercept_hidden_]
    return Enumeration([rbm.components_.T], biases)


# What the methods compute


def test_probabilities_are_those_of_the_enumeration(rbm, oracle):
    X = patterns(5)
    expected = [oracle.log_marginal({0: row}) for row in X]
    assert_allclose(rbm.score_samples(X), expected, atol=1e-10)
    assert_allclose(rbm.score(X), np.mean(expected), atol=1e-10)
    assert_allclose(-rbm.free_energy(X) - oracle.log_z, expected, atol=1e-10)
    hidden = [oracle.mean(1, {0: row}) for row in X]
    assert_allclose(rbm.transform(X), hidden, atol=1e-12)
    H = np.array([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    assert_allclose(rbm.inverse_transform(H), [oracle.mean(0, {1: h}) for h in H])
    assert_allclose(rbm.reconstruct(X), rbm.inverse_transform(rbm.transform(X)))


def test_probabilities_of_all_rows_add_up_to_one(rbm, oracle):
    rows = np.unique(oracle.layers[0], axis=0)
    assert_allclose(np.exp(rbm.score_samples(rows)).sum(), 1.0)


def test_pseudo_log_likelihood_is_the_sum_of_all_conditionals(rbm, oracle):
    X = patterns(5)
    expected = 0.0
    for i in range(6):
        flipped = X.copy()
        flipped[:, i] = 1 - X[:, i]
        here, there = rbm.score_samples(X), rbm.score_samples(flipped)
        expected = expected - np.logaddexp(0, there - here)
    assert_allclose(rbm.pseudo_log_likelihood(X), expected, atol=1e-10)


@pytest.mark.parametrize(
    "method", ["score_samples", "pseudo_log_likelihood", "transform"]
)
def test_rows_are_scored_one_by_one(rbm, method):
    """Any order, any subset, any number of calls: scikit-learn's score is random."""
    X = patterns(40)
    order = np.random.default_rng(0).permutation(40)[:25]
    found = getattr(rbm, method)(X)
    assert_allclose(getattr(rbm, method)(X[order]), found[order], rtol=1e-12)
    assert_array_equal(getattr(rbm, method)(X), found)


def test_scores_agree_with_scikit_learn_where_it_is_right(rbm):
    other = SklearnRBM(n_components=3, n_iter=0).fit(patterns())
    other.components_ = rbm.components_
    other.intercept_hidden_ = rbm.intercept_hidden_
    other.intercept_visible_ = rbm.intercept_visible_
    X = patterns(7)
    assert_allclose(rbm.transform(X), other.transform(X))
    assert_allclose(rbm.free_energy(X), other._free_energy(X))


def test_gibbs_steps_are_a_markov_chain_with_the_right_distribution(rbm, oracle):
    v = oracle.sample(40_000, np.random.default_rng(0))[0]
    expected = oracle.moments()[:6, :6]
    for _ in range(3):
        v = rbm.gibbs(v)
    assert standard_errors(v, expected).max() < 5
    assert standard_errors((v + rbm.gibbs(v)) > 0, expected).max() > 5


def test_gibbs_draws_anew_on_each_call(rbm):
    v = patterns(30)
    assert not np.array_equal(rbm.gibbs(v), rbm.gibbs(v))
    assert_array_equal(clone_of(rbm).gibbs(v), clone_of(rbm).gibbs(v))


def clone_of(rbm):
    return pickle.loads(pickle.dumps(rbm))


def test_reconstruct_by_several_steps_is_deterministic(rbm):
    X = patterns(30)
    found = rbm.reconstruct(X, n_gibbs_steps=3)
    assert_array_equal(found, rbm.reconstruct(X, n_gibbs_steps=3))
    assert not np.allclose(found, rbm.reconstruct(X))


def test_log_partition_by_both_methods(rbm, oracle):
    assert rbm.log_partition().method == "exact"
    assert_allclose(rbm.log_partition().value, oracle.log_z, atol=1e-10)
    estimate = rbm.log_partition("ais")
    assert estimate.method == "ais"
    assert abs(estimate.value - oracle.log_z) < 5 * estimate.std_error
    assert estimate.lower < oracle.log_z < estimate.upper
    assert estimate is rbm.log_partition("ais")
    assert rbm.log_partition().method == "exact"


def test_annealing_is_told_the_chains_of_the_fit(monkeypatch):
    """The mixture that it starts from is fitted to where these go."""
    rbm, told = BernoulliRBM(3, random_state=0).fit(patterns(30)), []
    annealed = mixture_annealing.annealed

    def listening(machine, base, chains, *others):
        told.append(chains)
        return annealed(machine, base, chains, *others)

    monkeypatch.setattr(mixture_annealing, "annealed", listening)
    rbm.log_partition("ais")
    ((visible, hidden),) = told
    assert visible is None
    assert_array_equal(hidden, rbm.h_samples_)


def test_an_uncertain_partition_function_warns():
    rng = np.random.default_rng(0)
    rbm = fitted(patterns(n_features=30), n_components=25, n_iter=0)
    rbm.components_ = 4 * rng.normal(size=(25, 30))
    with pytest.warns(ConvergenceWarning, match=r"n_betas \(now 3\)"):
        found = rbm.log_partition(n_betas=3)
    assert found.upper - found.lower > 1


def uncertain(work=0.0):
    """A machine with too strong weights for few temperatures, as from so long a fit."""
    rbm = fitted(patterns(n_features=30), n_components=25, n_iter=0)
    rbm.components_ = 2.5 * np.random.default_rng(0).normal(size=(25, 30))
    rbm._training["work"] = work
    return rbm


def test_scores_use_the_best_estimate_and_warn_once(monkeypatch):
    monkeypatch.setattr(_log_partition, "WIDE_BRACKET", 0.1)
    rbm, X = uncertain(), patterns(n_features=30)
    with pytest.warns(ConvergenceWarning, match=r"n_betas \(now 50\)"):
        rbm.score(X)
    coarse = rbm.score_samples(X)  # a warning would be an error
    fine = rbm.log_partition(n_betas=3000, n_runs=200)
    assert fine.upper - fine.lower < 0.1
    assert_allclose(rbm.score_samples(X), -rbm.free_energy(X) - fine.value)
    assert not np.allclose(coarse, rbm.score_samples(X))
    with pytest.warns(ConvergenceWarning, match=r"n_betas \(now 4\)"):
        rbm.log_partition(n_betas=4)
    assert_allclose(rbm.score_samples(X), -rbm.free_energy(X) - fine.value)
    rbm.components_ = 0.1 * rbm.components_
    assert_allclose(
        rbm.score(X), -rbm.free_energy(X).mean() - rbm.log_partition().value
    )


@pytest.mark.parametrize(
    ("work", "n_betas"), [(0, 50), (1749, 50), (1750, 200), (7350, 800)]
)
def test_annealing_takes_no_more_than_the_fit(work, n_betas, monkeypatch):
    """7 steps for each temperature: 50 of these, then 200, then 800."""
    monkeypatch.setattr(_log_partition, "WIDE_BRACKET", 0.01)
    rbm = uncertain(work)
    with pytest.warns(ConvergenceWarning, match=rf"n_betas \(now {n_betas}\)"):
        found = rbm.log_partition()
    # Known by what was done, and so without another warning.
    assert rbm.log_partition(n_betas=n_betas) is found is rbm.log_partition()


def test_scores_do_not_use_what_is_narrow_by_chance(monkeypatch):
    """Of two estimates they use that of more work, whichever was first."""
    monkeypatch.setattr(_log_partition, "WIDE_BRACKET", np.inf)
    for runs in ((100, 2), (2, 100)):
        rbm, X = uncertain(), patterns(n_features=30)
        found = {n: rbm.log_partition("ais", n_betas=60, n_runs=n) for n in runs}
        (known,) = rbm._log_partitions.values()
        for name, (work, z) in known.items():
            if z is found[2]:
                known[name] = work, z._replace(lower=z.value, upper=z.value)
        assert found[2].value != found[100].value
        expected = -rbm.free_energy(X) - found[100].value
        assert_allclose(rbm.score_samples(X), expected)


def test_a_fit_counts_its_work():
    """Two steps for each update: one of Gibbs sampling, and the gradient."""
    X = patterns(60)
    rbm = fitted(X, n_iter=3, batch_size=20)
    assert rbm._training["work"] == 3 * 3 * 2
    assert rbm.partial_fit(X)._training["work"] == 4 * 3 * 2
    rbm.set_params(n_chains=250, n_gibbs_steps=4).partial_fit(X)
    assert rbm._training["work"] == 4 * 3 * 2 + 3 * 5 * 2.5


def test_skops_after_a_score():
    io = pytest.importorskip("skops.io")
    X = patterns()
    rbm = fitted(X)
    expected = rbm.score_samples(X)
    stored = io.dumps(rbm)
    loaded = io.loads(stored, trusted=io.get_untrusted_types(data=stored))
    assert_allclose(loaded.score_samples(X), expected)


def test_edited_parameters_count_at_once(rbm):
    """Also in what is kept from an earlier call: log Z."""
    X = patterns(5)
    before = rbm.score_samples(X)
    rbm.components_[0, 0] += 1.0
    biases = [rbm.intercept_visible_, rbm.intercept_hidden_]
    oracle = Enumeration([rbm.components_.T], biases)
    expected = [oracle.log_marginal({0: row}) for row in X]
    assert_allclose(rbm.score_samples(X), expected, atol=1e-10)
    assert not np.allclose(before, expected)


def test_exact_is_for_20_units():
    rbm = fitted(patterns(n_features=22), n_components=20, n_iter=0)
    assert rbm.log_partition().method == "exact"


def test_a_model_of_tensors_asks_for_dispatch():
    torch = pytest.importorskip("torch")
    pytest.importorskip("scipy", "1.14")
    X = torch.asarray(patterns())
    with config_context(array_api_dispatch=True):
        rbm = fitted(X)
    with pytest.raises(ValueError, match="array_api_dispatch=True"):
        rbm.transform(patterns())


def test_exact_is_refused_for_many_units():
    rbm = fitted(patterns(n_features=22), n_components=21, n_iter=0)
    with pytest.raises(ValueError, match=r"21 units.*method='ais'"):
        rbm.log_partition("exact")
    assert rbm.log_partition().method == "ais"


# Drawing


def test_samples_have_the_distribution_of_the_model(rbm, oracle):
    v = rbm.sample(40_000, n_gibbs_steps=60, random_state=0)
    expected = oracle.moments()[:6, :6]
    assert standard_errors(v, expected).max() < 5
    # Negative control: where the chains start, the test has to fail.
    start = rbm.sample(40_000, n_gibbs_steps=0, random_state=0)
    assert standard_errors(start, expected).max() > 5


def test_samples_given_other_units_for_each_row(rbm, oracle):
    """Half the rows have units 0 and 3 given, the others unit 5."""
    n = 20_000
    given = np.full((2 * n, 6), np.nan)
    given[:n, [0, 3]] = [1, 0]
    given[n:, 5] = 1
    v = rbm.sample(2 * n, n_gibbs_steps=60, given=given, random_state=0)
    free = rbm.sample(2 * n, n_gibbs_steps=60, random_state=0)
    for rows in (slice(0, n), slice(n, None)):
        p = oracle.given({0: given[rows][0]})
        x = oracle.layers[0]
        expected = x.T @ (p[:, None] * x)
        assert standard_errors(v[rows], expected).max() < 5
        assert standard_errors(free[rows], expected).max() > 5


def test_samples_of_sparse_rows():
    rbm, X = fitted(), patterns()[:4]
    for name in ("init", "given"):
        few = {"n_gibbs_steps": 1, "random_state": 0}
        sparse_rows = rbm.sample(4, **{name: sparse.csr_array(X)}, **few)
        assert_array_equal(sparse_rows, rbm.sample(4, **{name: X}, **few))


def test_an_estimate_without_overlap_is_uncertain():
    """In both directions all weights underflow: 0 / 0 would be no wide bracket."""
    rng, rbm = np.random.default_rng(0), fitted()
    rbm.components_, rbm.intercept_hidden_, rbm.intercept_visible_ = (
        1e6 * rng.normal(size=x.shape)
        for x in (rbm.components_, rbm.intercept_hidden_, rbm.intercept_visible_)
    )
    with pytest.warns(ConvergenceWarning, match="log Z is uncertain"):
        found = rbm.log_partition("ais", n_betas=2, n_runs=20)
    assert found.upper == np.inf or found.upper - found.lower > 1.0


def test_sample_of_given_units_for_all_rows():
    v = fitted().sample(5, given=[1, 0, 0.5, np.nan, 1, 1], n_gibbs_steps=2)
    assert_array_equal(v[:, [0, 1, 2, 4, 5]], np.tile([1, 0, 0.5, 1, 1], (5, 1)))


def test_sample_starts_from_init_and_repeats_by_seed():
    rbm = fitted()
    X = patterns(4)
    assert_array_equal(rbm.sample(4, n_gibbs_steps=0, init=X), X)
    assert_array_equal(rbm.sample(3, n_gibbs_steps=0, init=X[0]), X[[0, 0, 0]])
    one, same, other = (rbm.sample(20, random_state=s) for s in (1, 1, 2))
    assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"n_samples": 0}, ValueError, "n_samples"),
        ({"n_samples": 1.5}, TypeError, "n_samples"),
        ({"n_gibbs_steps": -1}, ValueError, "n_gibbs_steps"),
        ({"init": np.zeros((2, 6))}, ValueError, r"init has shape \(2, 6\).*\(1, 6\)"),
        ({"init": np.full(6, np.nan)}, ValueError, "init contains NaN"),
        ({"given": np.zeros(5)}, ValueError, r"given has shape \(1, 5\)"),
        ({"given": np.full(6, np.inf)}, ValueError, "given contains infinity"),
    ],
)
def test_sample_refuses_what_it_cannot_use(params, error, message):
    with pytest.raises(error, match=message):
        fitted().sample(**params)


def test_impute_fills_in_conditional_means(rbm, oracle):
    """Each row many times over, within 5 standard errors of the mean of its chains."""
    X = patterns(6)
    missing = np.random.default_rng(2).uniform(size=X.shape) < 0.4
    missing[0] = True
    missing[1] = False
    X[missing] = np.nan
    copies = 200
    many = rbm.impute(X.repeat(copies, axis=0), n_gibbs_steps=60, random_state=0)
    chains = many.reshape(len(X), copies, 6)
    found, spread = chains.mean(axis=1), chains.std(axis=1)
    expected = np.array([oracle.mean(0, {0: row}) for row in X])
    assert_array_equal(found[~missing], X[~missing])
    errors = np.maximum(spread / np.sqrt(copies), 1e-12)
    assert (np.abs(found - expected) / errors)[missing].max() < 5
    # Negative control: the means of the model are no conditional means.
    off = np.abs(oracle.mean(0) - expected) / errors
    assert off[1:][missing[1:]].max() > 5


def test_impute_leaves_observed_entries_bit_for_bit():
    rbm = fitted()
    X = patterns(8)
    X[:, 0] = np.random.default_rng(0).uniform(size=8)
    X[2, 1:3] = np.nan
    before = X.copy()
    found = rbm.impute(X, random_state=0)
    assert_array_equal(X, before)
    assert_array_equal(found[~np.isnan(X)], X[~np.isnan(X)])
    assert np.isfinite(found).all()
    assert_array_equal(found, rbm.impute(X, random_state=0))
    assert np.isfinite(rbm.impute(np.full((2, 6), np.nan))).all()
    with pytest.warns(UserWarning, match="ranges from 0 to 3"):
        rbm.impute([[np.nan, 3, 0, 0, 0, 0]])
    with pytest.raises(ValueError, match=r"impute .*dense.*toarray"):
        rbm.impute(sparse.csr_array(before))
    with pytest.raises(ValueError, match="5 features"):
        rbm.impute(X[:, :5])


# Learning


@pytest.mark.parametrize("algorithm", ["cd", "pcd"])
@pytest.mark.parametrize("centered", [True, False])
def test_learns_the_patterns(algorithm, centered):
    """Nearer to the data's own entropy than independent pixels are (-6 log 2)."""
    X = patterns(400)
    rbm = fitted(
        X,
        n_iter=150,
        batch_size=20,
        algorithm=algorithm,
        centered=centered,
        learning_rate=0.3,
    )
    # Entropy of the source: one fair bit, and six that are flipped with p = 0.1.
    source = -(np.log(2) - 6 * (0.1 * np.log(0.1) + 0.9 * np.log(0.9)))
    assert rbm.score(patterns(400, seed=1)) > source - 0.15


def test_flipped_data_are_learnt_as_well():
    X = patterns(200) * [1, 1, 1, 1, 0, 1]
    scores = [
        fitted(data, n_iter=100, batch_size=20, learning_rate=0.3).score(data)
        for data in (X, 1 - X)
    ]
    assert abs(scores[0] - scores[1]) < 0.1


@pytest.mark.parametrize("n_rows", [10, 11, 20])
def test_visible_biases_stay_at_the_data_whatever_the_last_batch(n_rows):
    """scikit-learn's mean visible bias goes to -2.4 with 11 rows and batches of 10."""
    X = np.random.default_rng(0).integers(0, 2, (20, 8)).astype(float)[:n_rows]
    rbm = fitted(X, n_components=2, batch_size=10, n_iter=300, n_chains=100)
    mean = np.clip(X.mean(axis=0), 0.05, 0.95)
    effective = rbm.intercept_visible_ + 0.5 * rbm.components_.sum(axis=0)
    assert abs(np.mean(effective - np.log(mean / (1 - mean)))) < 0.5


def test_partial_fit_on_many_rows_does_not_saturate():
    """scikit-learn's features all become 1 with 500 rows and batch_size=10."""
    X = np.random.default_rng(0).integers(0, 2, (500, 8)).astype(float)
    rbm = BernoulliRBM(4, batch_size=10, initial_activation=0.5, random_state=0)
    for _ in range(10):
        assert rbm.partial_fit(X) is rbm
    assert 0.2 < rbm.transform(X).mean() < 0.8


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_partial_fit_and_warm_start_continue(momentum):
    X = patterns()
    common = {
        "n_components": 3,
        "batch_size": 20,
        "learning_rate_schedule": "constant",
        "momentum": momentum,
        "random_state": 0,
    }
    whole = BernoulliRBM(n_iter=4, **common).fit(X)
    parts = BernoulliRBM(**common)
    for _ in range(4):
        parts.partial_fit(X)
    assert_same_model(whole, parts)
    warm = BernoulliRBM(n_iter=2, warm_start=True, **common).fit(X).fit(X)
    assert_same_model(whole, warm)
    assert whole.history_ == parts.history_ == warm.history_
    assert whole.n_iter_ == parts.n_iter_ == warm.n_iter_ == 4
    assert_same_model(whole, pickle.loads(pickle.dumps(whole)))


def test_partial_fit_goes_on_after_pickling():
    X = patterns()
    one = BernoulliRBM(3, random_state=0, momentum=0.5).partial_fit(X)
    other = pickle.loads(pickle.dumps(one))
    assert_same_model(one.partial_fit(X), other.partial_fit(X))


def test_parameters_may_change_between_partial_fits():
    rbm = fitted(momentum=0.0, n_chains=5, batch_size=100)
    rbm.set_params(momentum=0.9, n_chains=7).partial_fit(patterns())
    assert rbm.h_samples_.shape == (7, 3)
    rbm.set_params(momentum=0.0, algorithm="cd").partial_fit(patterns())
    assert rbm.h_samples_.shape == (60, 3)
    rbm.set_params(algorithm="pcd").partial_fit(patterns())
    assert rbm.h_samples_.shape == (7, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": "cd"},
        {"n_gibbs_steps": 3},
        {"n_chains": 21},
        {"momentum": 0.5},
        {"algorithm": "pt"},
        {"weight_decay": 0.1},
        {"l1_decay": 0.1},
        {"max_norm": 0.5},
        {"sparsity_target": 0.5},
        {"sparsity_target": 0.5, "sparsity_cost": 1.0},
        {"initial_activation": 0.2},
        {"centered": False},
        {"shuffle": False},
        {"batch_size": 10},
        {"learning_rate_schedule": "constant"},
        {"learning_rate": 0.11},
    ],
)
def test_every_parameter_counts(change):
    common = {"batch_size": 20, "n_chains": 20, "n_iter": 3}
    one, other = fitted(**common), fitted(**{**common, **change})
    assert not np.allclose(one.components_, other.components_)


def test_centering_may_be_switched_between_partial_fits():
    X = patterns()
    rbm = fitted().set_params(centered=False).partial_fit(X)
    rbm.set_params(centered=True).partial_fit(X)
    assert_allclose(rbm._training["means"][0], X.mean(axis=0))
    assert_allclose(rbm._training["means"][1], rbm.transform(X).mean(axis=0), atol=0.1)


def test_edited_attributes_are_trained_on():
    """Integers, another dtype, and a hidden unit taken away."""
    X = patterns().astype(np.float32)
    rbm = fitted(X, momentum=0.5)
    rbm.components_ = np.round(rbm.components_[:2]).astype(int)
    rbm.intercept_hidden_ = rbm.intercept_hidden_[:2].astype(float)
    rbm.intercept_visible_ = np.ones(6, dtype=int)
    assert np.isfinite(rbm.score(X))
    assert rbm.sample(2).dtype == np.float32
    rbm.set_params(n_components=2).partial_fit(X)
    assert rbm.h_samples_.shape == (40, 2)
    assert {x.dtype.name for x in parameters(rbm)} == {"float32"}


def test_dtype_stays_that_of_the_first_fit():
    rbm = fitted(patterns().astype(np.float32), momentum=0.5).partial_fit(patterns())
    state = [*rbm._training["means"], rbm.h_samples_, *parameters(rbm)]
    state += [x for group in rbm._training["velocity"] for x in group]
    assert {x.dtype.name for x in state} == {"float32"}
    rbm.set_params(momentum=0.0).partial_fit(patterns())
    assert rbm._training["velocity"] is None


@pytest.mark.parametrize("q", [0.1, 0.5])
def test_hidden_units_start_at_their_initial_activation(q):
    """In the chains, and given rows that vary about the mean as the features do."""
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(2000, 30)) < rng.uniform(0.2, 0.8, size=30)
    rbm = BernoulliRBM(20, n_iter=0, n_chains=2000, initial_activation=q)
    rbm.set_params(random_state=0).fit(X)
    error = 5 * np.sqrt(q * (1 - q) / 2000)
    assert_allclose(rbm.h_samples_.mean(axis=0), q, atol=error)
    at_the_mean = rbm.transform(X.mean(axis=0, keepdims=True))
    assert_allclose(at_the_mean, q, rtol=1e-4)


@pytest.mark.parametrize("q", [1e-50, 1 - 1e-9])
def test_extreme_initial_activations_are_finite(q):
    rbm = fitted(patterns().astype(np.float32), initial_activation=q)
    assert all(np.isfinite(x).all() for x in parameters(rbm))


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "n_chains"),
    [(7, 40, 40), (40, 40, 40), (41, 20, 40), (12_000, 24, 48), (60_000, 100, 100)],
)
def test_batches_that_are_left_to_us(n_rows, batch_size, n_chains):
    """Few rows: many updates. Twice a few rows, as weights do: the same chains."""
    X = np.zeros((n_rows, 1), dtype=bool)
    rbm = BernoulliRBM(1, n_iter=0).fit(X)
    assert rbm._settings(0, n_rows, rbm._kinds(2)).batch_size == batch_size
    assert rbm.h_samples_.shape == (n_chains, 1)


def test_chains_go_on_however_many_rows_come():
    X = patterns(60)
    rbm = BernoulliRBM(3, random_state=0).partial_fit(np.tile(X, (200, 1)))
    assert rbm.h_samples_.shape == (48, 3)
    assert rbm.partial_fit(X[:10]).h_samples_.shape == (48, 3)
    rbm.set_params(n_chains=1).partial_fit(X)
    assert rbm.set_params(n_chains=None).partial_fit(X).h_samples_.shape == (40, 3)
    fixed = BernoulliRBM(3, batch_size=30, random_state=0).partial_fit(X)
    assert fixed.h_samples_.shape == (60, 3)
    assert fixed.set_params(n_chains=5).partial_fit(X).h_samples_.shape == (5, 3)


def test_refit_starts_anew():
    X = patterns()
    rbm = fitted(X)
    first = rbm.gibbs(X)
    rbm.set_params(learning_rate=1e-12).partial_fit(X)
    assert not np.array_equal(rbm.gibbs(X), first)
    rbm.set_params(learning_rate=0.1)
    assert_same_model(rbm.fit(X), fitted(X))
    assert rbm.n_iter_ == 5
    assert_array_equal(rbm.gibbs(X), first)


def test_going_on_with_another_size_is_refused():
    rbm = fitted().set_params(n_components=4)
    with pytest.raises(ValueError, match=r"sizes \(3,\).*ask for \(4,\)"):
        rbm.partial_fit(patterns())
    with pytest.raises(ValueError, match="warm_start=False"):
        rbm.set_params(warm_start=True).fit(patterns())
    assert rbm.set_params(warm_start=False).fit(patterns()).components_.shape == (4, 6)


def test_partial_fit_row_by_row_knows_the_mean_of_all_rows():
    """A first call with one row must not fix what centring subtracts."""
    X = patterns(200)
    rbm = BernoulliRBM(3, random_state=0)
    for row in X:
        rbm.partial_fit(row[None])
    assert_allclose(rbm._training["means"][0], X.mean(axis=0), atol=1e-9)


@pytest.mark.parametrize("steps", [0, 1.5])
def test_reconstruct_refuses_odd_numbers_of_steps(rbm, steps):
    with pytest.raises((ValueError, TypeError), match="n_gibbs_steps"):
        rbm.reconstruct(patterns(), n_gibbs_steps=steps)


@pytest.mark.parametrize("algorithm", ["cd", "pcd"])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_a_weight_of_two_is_the_row_twice(algorithm, container):
    """Exact where all rows are in one batch; here also a weight of zero."""
    X = patterns(20)
    weights = np.arange(20) % 3
    if algorithm == "cd":
        # Chains that start at the rows are as many as the rows: only the weights that
        # do not change the rows can be exact.
        weights = np.ones(20)
    repeated = X.repeat(weights.astype(int), axis=0)
    rbm = BernoulliRBM(3, algorithm=algorithm, random_state=0, shuffle=False)
    one = clone(rbm).fit(container(X), sample_weight=weights)
    other = clone(rbm).fit(container(repeated))
    assert_same_model(one, other, rtol=1e-9)


def test_weights_matter_and_their_scale_does_not():
    X = patterns(20)
    X[:, 0] = 0
    weights = np.arange(1.0, 21.0)
    one = BernoulliRBM(3, random_state=0).fit(X, sample_weight=weights)
    assert not np.allclose(one.components_, clone(one).fit(X).components_)
    for scale in (1e-3, 10, 1e300):
        other = clone(one).fit(X, sample_weight=scale * weights)
        assert_same_model(one, other, rtol=1e-9)
        other.partial_fit(1 - X, sample_weight=weights)
        assert_allclose(other._training["means"][0], 0.5, atol=0.5)
        assert_allclose(other._training["means"][0][0], 0.5)


# Containers and dtypes


def as_frame(X):
    return pytest.importorskip("pandas").DataFrame(X, columns=list("abcdef"))


def as_polars(X):
    return pytest.importorskip("polars").DataFrame(X, schema=list("abcdef"))


def as_memmap(X):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.npy"
        np.save(path, X)
        # The mapping outlives the name of the file.
        return np.load(path, mmap_mode="r")


@pytest.mark.parametrize(
    "container",
    [
        np.asfortranarray,
        np.ndarray.tolist,
        sparse.csr_array,
        sparse.csr_matrix,
        sparse.csc_array,
        as_frame,
        as_polars,
        as_memmap,
    ],
)
def test_every_container_gives_the_same_model(container):
    X = patterns()
    expected = fitted(X)
    found = BernoulliRBM(3, n_iter=5, random_state=0).fit(container(X))
    assert_same_model(found, expected)
    H = found.transform(container(X))
    assert_allclose(np.asarray(H), expected.transform(X), rtol=1e-12)
    assert_allclose(found.score_samples(container(X)), expected.score_samples(X))


@pytest.mark.parametrize(
    "dtype", ["float32", "uint8", "bool", "int64", "float16", "object"]
)
def test_every_dtype_gives_the_same_model_up_to_rounding(dtype):
    X = patterns()
    found = fitted(X.astype(dtype))
    assert_same_model(found, fitted(X), rtol=1e-3, atol=1e-5)
    expected = "float64" if dtype == "object" else "float32"
    for x in [*parameters(found), found.h_samples_, found.transform(X.astype(dtype))]:
        assert x.dtype == expected


def test_memory_is_that_of_a_batch():
    """Neither fit nor a query makes a float copy of all rows, 16 MB of uint8 here."""
    X = as_memmap(np.random.default_rng(0).integers(0, 2, (20_000, 800), np.uint8))
    rbm = BernoulliRBM(4, n_iter=1, random_state=0)
    tracemalloc.start()
    rbm.fit(X)
    rbm.transform(X)
    rbm.score_samples(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A block of 1024 rows in float32 is 3.3 MB; the whole, 64 MB.
    assert peak < 20e6


# Bad input


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[0.0, np.inf]], "infinity"),
        (sparse.csr_array([[0.0, np.nan]]), "NaN.*dense arrays.*toarray|complete"),
        (np.empty((0, 2)), "0 sample"),
        (np.empty((2, 0)), "0 feature"),
        ([["a", "b"]], "numeric|convert"),
        ([0.0, 1.0], "Expected 2D array"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "transform", "score_samples"])
def test_bad_rows_get_a_clear_error_and_change_nothing(X, message, method):
    rbm = fitted(patterns(n_features=2))
    before = pickle.dumps(rbm)
    with pytest.raises(ValueError, match=message):
        getattr(rbm, method)(X)
    assert pickle.dumps(rbm) == before


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (-np.ones(60), "Negative"),
        (np.zeros(60), "non-zero"),
        (np.full(60, np.nan), "NaN"),
        (np.ones(59), r"\(59,\)"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_bad_weights_get_a_clear_error_and_change_nothing(weights, message, method):
    rbm = fitted()
    before = pickle.dumps(rbm)
    with pytest.raises(ValueError, match=message):
        getattr(rbm, method)(patterns(), sample_weight=weights)
    assert pickle.dumps(rbm) == before


def test_other_columns_than_in_fit():
    pandas = pytest.importorskip("pandas")
    rbm = fitted(as_frame(patterns()))
    before = pickle.dumps(rbm)
    with pytest.raises(ValueError, match=r"5 features.*6 features"):
        fitted().partial_fit(patterns(n_features=5))
    other = pandas.DataFrame(patterns(), columns=list("abcdxy"))
    with pytest.raises(ValueError, match="feature names"):
        rbm.transform(other)
    mixed = pandas.DataFrame(patterns(), columns=["a", 1, 2, 3, 4, 5])
    with pytest.raises(TypeError, match="string"):
        rbm.fit(mixed)
    with pytest.raises(ValueError, match="3 hidden units"):
        rbm.inverse_transform(patterns())
    assert pickle.dumps(rbm) == before


@pytest.mark.parametrize("method", ["transform", "score", "free_energy", "gibbs"])
def test_not_fitted(method):
    with pytest.raises(ValueError, match="not fitted"):
        getattr(BernoulliRBM(), method)(patterns())


def test_values_outside_the_unit_interval_warn_and_go_on():
    X = 16 * patterns()
    with pytest.warns(UserWarning, match=r"\[0, 1\].*ranges from 0 to 16"):
        rbm = BernoulliRBM(2, n_iter=1).fit(X)
    with pytest.warns(UserWarning, match="MinMaxScaler"):
        rbm.transform(sparse.csr_array(X))


def test_divergence_names_the_epoch_and_keeps_what_was_there():
    X = patterns().astype(np.float32)
    wild = {"learning_rate": 1e60, "learning_rate_schedule": "constant"}
    with pytest.raises(FloatingPointError, match=r"epoch 1.*learning_rate \(1e\+60\)"):
        BernoulliRBM(3, n_iter=3, random_state=0, **wild).fit(X)
    rbm = fitted(X)
    before = parameters(clone_of(rbm))
    for warm in (False, True):
        with pytest.raises(FloatingPointError):
            rbm.set_params(warm_start=warm, **wild).fit(X)
        for x, y in zip(parameters(rbm), before, strict=True):
            assert_array_equal(x, y)
    with pytest.raises(FloatingPointError, match="epoch 6"):
        rbm.partial_fit(X)
    for x, y in zip(parameters(rbm), before, strict=True):
        assert_array_equal(x, y)


def test_divergence_keeps_the_finite_epochs_of_a_warm_start(monkeypatch):
    rbm = fitted(warm_start=True)
    epoch = training.train_epoch

    def diverging(state, *args):
        if state.epoch == 7:
            raise training.Diverged(state)
        return epoch(state, *args)

    monkeypatch.setattr(training, "train_epoch", diverging)
    with pytest.raises(FloatingPointError, match="epoch 8"):
        rbm.fit(patterns())
    assert rbm.n_iter_ == len(rbm.history_["reconstruction_error"]) == 7


@pytest.mark.parametrize("after", [0, 2])
def test_interruption_keeps_the_epochs_done(monkeypatch, after):
    epoch = training.train_epoch
    done = []

    def interrupted(*args):
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(1)
        return epoch(*args)

    monkeypatch.setattr(training, "train_epoch", interrupted)
    rbm = BernoulliRBM(3, n_iter=5, random_state=0)
    if after == 0:
        with pytest.raises(KeyboardInterrupt):
            rbm.fit(patterns())
        assert vars(rbm) == vars(clone(rbm))
    else:
        with pytest.warns(UserWarning, match="after 2 of 5 epochs"):
            rbm.fit(patterns())
        assert rbm.n_iter_ == len(rbm.history_["reconstruction_error"]) == 2


@pytest.mark.parametrize(
    ("X", "n_components"),
    [
        (np.ones((1, 4)), 2),
        (np.array([[0.0], [1.0], [1.0]]), 2),
        (np.zeros((7, 3)), 2),
        (np.ones((7, 3)), 1),
        (np.eye(4), 300),
    ],
)
@pytest.mark.parametrize("algorithm", ["cd", "pcd"])
def test_small_and_constant_data(X, n_components, algorithm):
    rbm = fitted(X, n_components=n_components, algorithm=algorithm, n_iter=20)
    assert np.isfinite(rbm.score_samples(X)).all()
    assert rbm.transform(X).shape == (len(X), n_components)
    assert np.isfinite(rbm.pseudo_log_likelihood(X)).all()


# In scikit-learn's company


def test_attributes_are_those_of_scikit_learn():
    X = patterns()
    ours, theirs = fitted(X), SklearnRBM(3, n_iter=5).fit(X)
    for name, value in vars(theirs).items():
        if name.endswith("_"):
            assert np.shape(getattr(ours, name))[1:] == np.shape(value)[1:], name
    assert ours.h_samples_.shape == (40, 3)
    assert set(np.unique(ours.h_samples_)) <= {0.0, 1.0}
    assert list(ours.get_feature_names_out()) == [f"bernoullirbm{i}" for i in range(3)]


def test_verbose_prints_lines_like_scikit_learn_and_changes_nothing(capsys):
    X = patterns()
    quiet = fitted(X)
    assert capsys.readouterr().out == ""
    assert_same_model(quiet, fitted(X, verbose=1))
    ours = capsys.readouterr().out.splitlines()
    SklearnRBM(3, n_iter=5, verbose=1).fit(X)
    theirs = capsys.readouterr().out.splitlines()

    def shape(line):
        return re.sub(r"-?\d+\.?\d*", "#", line)

    assert [shape(line) for line in ours] == [shape(line) for line in theirs]


def test_history_has_a_number_per_epoch():
    history = fitted(n_iter=4).history_
    assert set(history) == {
        "pseudo_log_likelihood",
        "reconstruction_error",
        "mean_activation",
        "dead_units",
        "chain_error",
        "gradient_norm",
    }
    for values in history.values():
        assert [type(v) for v in values] == [float] * 4


def test_random_state_decides_everything():
    X = patterns()
    assert_same_model(fitted(X), fitted(X))
    same = [fitted(X, random_state=np.random.RandomState(3)) for _ in range(2)]
    assert_same_model(*same)
    assert not np.allclose(fitted(X).components_, fitted(X, random_state=1).components_)


def test_grid_search_without_scoring_picks_by_log_likelihood():
    X = patterns(200)
    search = GridSearchCV(
        BernoulliRBM(3, n_iter=60, batch_size=20, random_state=0),
        {"learning_rate": [1e-5, 0.3]},
        cv=3,
    ).fit(X)
    assert search.best_params_ == {"learning_rate": 0.3}
    assert search.best_score_ > search.cv_results_["mean_test_score"][0] + 0.5
    assert_allclose(search.score(X), search.best_estimator_.score_samples(X).mean())


def test_in_a_pipeline_in_parallel():
    X = patterns(90)
    y = (X.sum(axis=1) > 3).astype(int)
    model = make_pipeline(BernoulliRBM(5, random_state=0), LogisticRegression())
    one, two = (cross_val_score(model, X, y, n_jobs=n, cv=3) for n in (1, 2))
    assert_array_equal(one, two)


@pytest.mark.parametrize("frames", ["pandas", "polars"])
def test_behind_a_column_transformer_with_named_columns(frames):
    pytest.importorskip(frames)
    X = (as_frame if frames == "pandas" else as_polars)(patterns())
    columns = ColumnTransformer([("rbm", BernoulliRBM(2), ["a", "b", "c"])])
    H = columns.set_output(transform=frames).fit_transform(X)
    assert list(H.columns) == ["rbm__bernoullirbm0", "rbm__bernoullirbm1"]


def test_skops_round_trip():
    skops = pytest.importorskip("skops.io")
    rbm = fitted(momentum=0.5)
    data = skops.dumps(rbm)
    loaded = skops.loads(data, trusted=skops.get_untrusted_types(data=data))
    assert skops.get_untrusted_types(data=data) == ["skebm.rbm.BernoulliRBM"]
    assert_same_model(rbm.partial_fit(patterns()), loaded.partial_fit(patterns()))


def test_a_batch_of_all_rows_has_no_million_chains():
    """Nor does their number depend on the rows, as weights count as repetitions."""
    rbm = BernoulliRBM(2, n_iter=1, batch_size=10**9, random_state=0)
    assert rbm.fit([[0.0, 1.0], [1.0, 0.0]]).h_samples_.shape == (10_000, 2)
    assert rbm.set_params(batch_size=5000)._n_chains(2) == 5000
