"""DBN as its users meet it."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skebm import DBN, BernoulliRBM
from skebm._stacking import features
from skebm._validation import draw_seed
from skebm.core import wake_sleep

from .enumeration import BeliefNet, Enumeration
from .machines import standard_errors
from .test_rbm import patterns


def fitted(X=None, sizes=(4, 3), y=None, sample_weight=None, **params):
    params = {"rbm": BernoulliRBM(n_iter=3), "random_state": 0, **params}
    X = patterns() if X is None else X
    return DBN(sizes, **params).fit(X, sample_weight=sample_weight)


def parameters(dbn):
    generative = dbn.generative_components_ or []
    return [
        x
        for rbm in dbn.rbms_
        for x in (rbm.components_, rbm.intercept_hidden_, rbm.intercept_visible_)
    ] + generative


def assert_same_model(one, other, **tolerance):
    for x, y in zip(parameters(one), parameters(other), strict=True):
        assert_allclose(x, y, **(tolerance or {"rtol": 0}))


def oracle_of(dbn):
    lower, top = dbn.rbms_[:-1], dbn.rbms_[-1]
    generative = dbn.generative_components_ or [rbm.components_ for rbm in lower]
    upward = [(rbm.components_.T, rbm.intercept_hidden_) for rbm in lower]
    downward = [
        (W.T, rbm.intercept_visible_) for W, rbm in zip(generative, lower, strict=True)
    ]
    biases = [top.intercept_visible_, top.intercept_hidden_]
    return BeliefNet(upward, downward, Enumeration([top.components_.T], biases))


@pytest.fixture
def dbn():
    """Strong weights, untied."""
    rng = np.random.default_rng(1)
    dbn = fitted(up_down_iter=1)
    for rbm in dbn.rbms_:
        rbm.components_ = rng.normal(size=rbm.components_.shape)
        rbm.intercept_hidden_ = rng.normal(size=rbm.intercept_hidden_.shape)
        rbm.intercept_visible_ = rng.normal(size=rbm.intercept_visible_.shape)
    W = dbn.rbms_[0].components_
    dbn.generative_components_ = [W + 0.5 * rng.normal(size=W.shape)]
    return dbn


# What the methods compute


def test_machines_are_trained_one_on_the_other():
    X = patterns()
    dbn = fitted(X, sizes=(5, 4, 3))
    assert [rbm.components_.shape for rbm in dbn.rbms_] == [(5, 6), (4, 5), (3, 4)]
    H = X
    for rbm in dbn.rbms_:
        other = clone(rbm).fit(H)
        assert_array_equal(rbm.components_, other.components_)
        H = rbm.transform(H)
    assert_allclose(dbn.transform(X), H)
    assert len({rbm.random_state for rbm in dbn.rbms_}) == 3


def test_scores_are_between_the_bound_and_the_log_likelihood(dbn):
    X = patterns(8)
    oracle = oracle_of(dbn)
    exact = np.array([oracle.log_p(v) for v in X])
    bound = np.array([oracle.bound(v) for v in X])
    assert_allclose(dbn.score_samples(X, n_samples=20_000), exact, atol=0.05)
    assert bound.mean() < dbn.score(X) < exact.mean() + 0.1
    assert_allclose(dbn.score(X), dbn.score_samples(X).mean())
    assert abs(bound.mean() - exact.mean()) > 0.1


def test_tied_weights_score_and_generate_by_those_of_the_machines():
    dbn, X = fitted(sizes=(4, 3, 3)), patterns(8)
    assert dbn.generative_components_ is None
    oracle = oracle_of(dbn)
    exact = [oracle.log_p(v) for v in X]
    assert_allclose(dbn.score_samples(X, n_samples=5000), exact, atol=0.05)


def test_a_stack_of_one_machine_is_the_machine():
    X = patterns()
    dbn = fitted(X, sizes=3)
    (rbm,) = dbn.rbms_
    assert_allclose(dbn.score_samples(X), rbm.score_samples(X))
    assert_allclose(dbn.transform(X), rbm.transform(X))
    assert_allclose(dbn.reconstruct(X, 3), rbm.reconstruct(X, 3))
    found = dbn.sample(5, random_state=0)
    assert_array_equal(found, rbm.sample(5, random_state=draw_seed(0)))


@pytest.mark.parametrize("method", ["score_samples", "transform", "reconstruct"])
def test_rows_are_taken_one_by_one(dbn, method):
    X = patterns(40)
    order = np.random.default_rng(0).permutation(40)[:25]
    found = getattr(dbn, method)(X)
    assert_allclose(getattr(dbn, method)(X[order]), found[order], rtol=1e-12)
    assert_array_equal(getattr(dbn, method)(X), found)


def test_up_and_down_go_through_all_layers(dbn):
    X = patterns(9)
    lower, top = dbn.rbms_
    H = lower.transform(X)
    (G,) = dbn.generative_components_

    def down(h):
        return 1 / (1 + np.exp(-(h @ G + lower.intercept_visible_)))

    assert_allclose(dbn.transform(X), top.transform(H))
    expected = down(top.inverse_transform(dbn.transform(X)))
    assert_allclose(dbn.inverse_transform(dbn.transform(X)), expected)
    assert_allclose(dbn.reconstruct(X), expected)
    assert_allclose(dbn.reconstruct(X, 4), down(top.reconstruct(H, 4)))


def test_samples_have_the_distribution_of_the_model(dbn):
    v = dbn.sample(40_000, n_gibbs_steps=40, random_state=0)
    expected = oracle_of(dbn).moments()
    assert standard_errors(v, expected).max() < 5
    # Negative control: without the chains of the top machine, the test has to fail.
    start = dbn.sample(40_000, n_gibbs_steps=0, random_state=0)
    assert standard_errors(start, expected).max() > 5


def test_sample_starts_from_init_and_repeats_by_seed(dbn):
    X = patterns(4)
    one, same, other = (dbn.sample(20, random_state=s) for s in (1, 1, 2))
    assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    found = dbn.sample(4000, n_gibbs_steps=0, init=X[0], random_state=0).mean(axis=0)
    far = dbn.sample(4000, n_gibbs_steps=0, init=1 - X[0], random_state=0).mean(axis=0)
    assert np.abs(found - far).max() > 5 * np.sqrt(0.5 / 4000)
    with pytest.raises(ValueError, match=r"init has shape \(1, 5\)"):
        dbn.sample(3, init=np.zeros(5))
    with pytest.raises(ValueError, match="n_samples"):
        dbn.sample(0)


def test_edited_parameters_count_at_once(dbn):
    X = patterns(5)
    before = dbn.score_samples(X)
    dbn.rbms_[1].components_[0, 0] += 2.0
    oracle = oracle_of(dbn)
    found = dbn.score_samples(X, n_samples=20_000)
    assert_allclose(found, [oracle.log_p(v) for v in X], atol=0.05)
    assert not np.allclose(before, found, atol=0.05)


# Learning


def source(n, seed=0):
    """A bit turns half of the columns over, and a second the rest; with noise."""
    rng = np.random.default_rng(seed)
    half = rng.integers(0, 2, (n, 2))
    rows = np.hstack([half, half ^ rng.integers(0, 2, (n, 1)), half])
    return (rows ^ (rng.uniform(size=rows.shape) < 0.05)).astype(float)


def test_wake_sleep_raises_the_likelihood_of_new_rows():
    X = source(500)
    rbm = BernoulliRBM(n_iter=5, batch_size=20)
    greedy = fitted(X, sizes=(5, 5), rbm=rbm)
    tuned = fitted(
        X,
        sizes=(5, 5),
        rbm=rbm,
        up_down_iter=80,
        up_down_learning_rate=0.1,
        batch_size=20,
    )
    test, counts = np.unique(source(500, seed=1), axis=0, return_counts=True)
    scores = []
    for dbn in (greedy, tuned):
        oracle = oracle_of(dbn)
        scores.append(np.average([oracle.log_p(v) for v in test], weights=counts))
    assert scores[1] > scores[0] + 0.2
    assert tuned.n_up_down_iter_ == 80
    assert (
        np.abs(tuned.generative_components_[0] - tuned.rbms_[0].components_).max() > 0.1
    )


def test_a_row_of_weight_two_is_the_row_twice():
    X = patterns(30)
    weights = np.random.default_rng(0).integers(0, 3, 30)
    one = fitted(X, sample_weight=weights)
    other = fitted(np.repeat(X, weights, axis=0))
    assert_same_model(one, other, rtol=1e-9)
    assert not np.allclose(one.rbms_[1].components_, fitted(X).rbms_[1].components_)


def test_partial_fit_continues():
    X = patterns()
    rbm = BernoulliRBM(n_iter=1, learning_rate_schedule="constant")
    whole = fitted(X, rbm=rbm)
    parts = DBN((4, 3), rbm=rbm, random_state=0)
    assert parts.partial_fit(X) is parts
    assert_same_model(whole, parts)
    twice = pickle.loads(pickle.dumps(parts)).partial_fit(X)
    assert [rbm.n_iter_ for rbm in twice.rbms_] == [2, 2]
    assert [rbm.n_iter_ for rbm in parts.rbms_] == [1, 1]
    assert_same_model(parts.partial_fit(X), twice)


def test_partial_fit_is_wake_sleep_once_the_weights_are_untied():
    X = patterns()
    two = fitted(X, up_down_iter=2)
    one = fitted(X, up_down_iter=1).partial_fit(X)
    assert_same_model(one, two)
    assert one.n_up_down_iter_ == 2


def test_wake_sleep_writes_what_the_core_has_learnt():
    X, dbn = patterns(), fitted(sizes=(5, 4, 3))
    settings = wake_sleep.UpDown(10, 100, True, dbn._seed)
    stack = wake_sleep.up_down_epoch(
        dbn._stack(np.float64), X, np.ones(60), 0.01, 0, settings
    )
    found = fitted(sizes=(5, 4, 3), up_down_iter=1)._stack(np.float64)
    assert_same_params(found.top, stack.top)
    pairs = zip(found.generative, stack.generative, strict=True)
    for index, (one, other) in enumerate(pairs):
        assert_same_params(one, other, biases=[0])
        assert_same_params(
            found.recognition[index], stack.recognition[index], biases=[1]
        )


def assert_same_params(one, other, biases=(0, 1)):
    assert_array_equal(one.params.weights[0], other.params.weights[0])
    for index in biases:
        assert_array_equal(one.params.biases[index], other.params.biases[index])


def test_partial_fit_that_fails_midway_leaves_the_lower_layers():
    dbn = fitted()
    before = [x.copy() for x in parameters(dbn)]
    dbn.rbms_[1].set_params(n_components=7)
    with pytest.raises(ValueError, match="hidden layers of sizes"):
        dbn.partial_fit(patterns())
    for x, y in zip(parameters(dbn), before, strict=True):
        assert_array_equal(x, y)


def test_partial_fit_refuses_other_sizes():
    dbn = fitted().set_params(hidden_layer_sizes=(4, 2))
    with pytest.raises(ValueError, match=r"sizes \[4, 3\].*set the parameter to these"):
        dbn.partial_fit(patterns())


@pytest.mark.parametrize(
    "change",
    [
        {"up_down_iter": 2},
        {"up_down_learning_rate": 0.1},
        {"up_down_gibbs_steps": 1},
        {"batch_size": 10},
        {"shuffle": False},
        {"random_state": 1},
        {"rbm": BernoulliRBM(n_iter=3, momentum=0.5)},
    ],
)
def test_every_parameter_counts(change):
    common = {"up_down_iter": 1, "batch_size": 30}
    one, other = fitted(**common), fitted(**{**common, **change})
    pairs = zip(parameters(one), parameters(other), strict=True)
    assert not all(np.allclose(x, y) for x, y in pairs)


# Data and errors


def test_rows_may_be_sparse_or_on_disk(tmp_path):
    X = patterns(3000).astype(np.uint8)
    expected = fitted(X, up_down_iter=1)
    assert_same_model(fitted(sparse.csr_array(X), up_down_iter=1), expected, rtol=1e-4)
    np.save(tmp_path / "X.npy", X)
    on_disk = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert_same_model(fitted(on_disk, up_down_iter=1), expected)
    assert expected.rbms_[0].components_.dtype == np.float32


def test_features_of_rows_on_disk_are_on_disk(tmp_path):
    X = patterns(5000).astype(np.uint8)
    np.save(tmp_path / "X.npy", X)
    on_disk = np.asarray(np.load(tmp_path / "X.npy", mmap_mode="r"))
    dbn = fitted()
    found = features(dbn.rbms_, on_disk)
    assert isinstance(found, np.memmap)
    assert_allclose(found, dbn.transform(X))
    assert not isinstance(features(dbn.rbms_, X), np.memmap)


def test_a_list_of_machines():
    rbms = [BernoulliRBM(n_iter=1), BernoulliRBM(n_iter=2, momentum=0.5)]
    dbn = fitted(rbm=rbms)
    assert [rbm.n_iter_ for rbm in dbn.rbms_] == [1, 2]
    assert not hasattr(rbms[0], "components_")
    with pytest.raises(ValueError, match=r"2 machines.*3 layers"):
        fitted(rbm=rbms, sizes=(4, 3, 2))


@pytest.mark.parametrize("sizes", [(), (4, 0), [[4, 3]], (4.5,), -1])
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        fitted(sizes=sizes)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(dbn, value):
    X = patterns()
    X[3, 2] = value
    new = DBN((4, 3))
    for method in (new.fit, new.partial_fit, dbn.transform, dbn.score_samples):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            method(X)
    assert not hasattr(new, "n_features_in_")


def test_values_outside_the_range_warn_once():
    with pytest.warns(UserWarning, match="ranges from 0 to 2") as record:
        fitted(2 * patterns())
    assert len(record) == 1


def test_divergence_says_what_to_lower_and_leaves_the_model():
    dbn = fitted(up_down_iter=1, up_down_learning_rate=0.1)
    before = [x.copy() for x in parameters(dbn)]
    dbn.set_params(up_down_learning_rate=1e300)
    with (
        pytest.warns(UserWarning, match="DBN expects .* ranges from 0 to 1e"),
        pytest.raises(FloatingPointError, match=r"pass 2 .* up_down_learning_rate"),
    ):
        dbn.partial_fit(1e300 * patterns())
    for x, y in zip(parameters(dbn), before, strict=True):
        assert_array_equal(x, y)
    greedy = fitted(rbm=BernoulliRBM(n_iter=1))
    before = [x.copy() for x in parameters(greedy)]
    greedy.rbms_[0].set_params(learning_rate=1e300)
    with (
        pytest.warns(UserWarning, match="ranges from 0 to 1e"),
        pytest.raises(FloatingPointError, match="BernoulliRBM diverged"),
    ):
        greedy.partial_fit(1e300 * patterns())
    for x, y in zip(parameters(greedy), before, strict=True):
        assert_array_equal(x, y)


def test_verbose_prints_a_line_per_layer_and_pass(capsys):
    fitted(verbose=1, up_down_iter=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" = ")[0] for line in lines] == [
        "[DBN] Layer 1 of 2, 6 x 4, pseudo-likelihood",
        "[DBN] Layer 2 of 2, 4 x 3, pseudo-likelihood",
        "[DBN] Iteration 1, reconstruction error",
        "[DBN] Iteration 2, reconstruction error",
    ]
    assert_same_model(fitted(verbose=1), fitted())


# Within scikit-learn


def test_grid_search_over_sizes_and_the_machine():
    X = patterns(90)
    y = X[:, 0].astype(int)
    model = make_pipeline(
        DBN(rbm=BernoulliRBM(n_iter=2), random_state=0), LogisticRegression()
    )
    grid = {
        "dbn__hidden_layer_sizes": [(3,), (4, 3)],
        "dbn__rbm__learning_rate": [0.05, 0.1],
    }
    search = GridSearchCV(model, grid, cv=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_score_ > 0.5
    scored = GridSearchCV(DBN((3, 2), random_state=0), {"rbm": [BernoulliRBM()]}, cv=2)
    assert np.isfinite(scored.fit(X).best_score_)


def test_pickle_and_clone():
    X = patterns()
    dbn = fitted(X, up_down_iter=1)
    again = pickle.loads(pickle.dumps(dbn))
    assert_array_equal(again.score_samples(X), dbn.score_samples(X))
    assert_array_equal(again.sample(3, random_state=0), dbn.sample(3, random_state=0))
    assert_same_model(clone(dbn).fit(X), dbn)


def test_data_frames_name_their_columns():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(patterns(), columns=list("abcdef"))
    dbn = fitted(X)
    assert_array_equal(dbn.feature_names_in_, X.columns)
    assert list(dbn.get_feature_names_out()) == ["dbn0", "dbn1", "dbn2"]
    assert list(dbn.set_output(transform="pandas").transform(X)) == [
        "dbn0",
        "dbn1",
        "dbn2",
    ]
    with pytest.raises(ValueError, match="feature names"):
        dbn.transform(X[list("fedcba")])


def test_impute_fills_gaps_and_repeats_by_seed():
    X = np.random.default_rng(0).integers(0, 2, (30, 6)).astype(float)
    dbn = DBN((4, 3), random_state=0).fit(X)
    gaps = X.copy()
    gaps[::2, 1:3] = np.nan
    gaps[0] = np.nan
    one = dbn.impute(gaps, n_gibbs_steps=20, random_state=0)
    assert_array_equal(one, dbn.impute(gaps, n_gibbs_steps=20, random_state=0))
    seen = ~np.isnan(gaps)
    assert_array_equal(one[seen], gaps[seen])
    assert ((one > 0) & (one < 1))[~seen].all()
    with pytest.raises(ValueError, match=r"complete rows.*impute"):
        dbn.transform(gaps)


def test_partial_fit_heeds_the_weights():
    X = patterns()
    weights = np.random.default_rng(0).integers(0, 3, len(X))
    one = DBN((4, 3), random_state=0).partial_fit(X, sample_weight=weights)
    two = DBN((4, 3), random_state=0).partial_fit(X)
    for a, b in zip(one.rbms_, two.rbms_, strict=True):
        assert not np.allclose(a.components_, b.components_)


def test_wake_sleep_heeds_the_weights():
    X = np.repeat(np.repeat([[1.0], [0.0]], 6, axis=1), 30, axis=0)
    weights = np.repeat([1.0, 1e-6], 30)

    def moved(weights):
        dbn = fitted(X, up_down_iter=1)
        before = dbn.rbms_[0].intercept_visible_
        return (
            dbn.partial_fit(X, sample_weight=weights).rbms_[0].intercept_visible_
            - before
        )

    assert (moved(weights) > moved(weights[::-1])).all()


def test_descent_has_random_numbers_of_the_seed():
    dbn = fitted()
    lower, top = dbn.rbms_
    top.components_[:], top.intercept_visible_[:] = 0.0, 50.0
    lower.components_[:], lower.intercept_visible_[:] = 0.0, 0.0
    one, two = (dbn.sample(50, n_gibbs_steps=1, random_state=seed) for seed in (1, 2))
    assert not np.array_equal(one, two)


def test_an_interruption_keeps_the_passes_of_wake_sleep(monkeypatch):
    X, passes = patterns(), []
    epoch = wake_sleep.up_down_epoch

    def interrupted(*args):
        if len(passes) == 2:
            raise KeyboardInterrupt
        passes.append(epoch(*args))
        return passes[-1]

    monkeypatch.setattr(wake_sleep, "up_down_epoch", interrupted)
    with pytest.warns(UserWarning, match="after 2 of 5 epochs: what"):
        dbn = fitted(X, up_down_iter=5)
    assert dbn.n_up_down_iter_ == 2
    assert_array_equal(dbn.rbms_[-1].components_, passes[-1].top.params.weights[0].T)
