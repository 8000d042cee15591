"""Machines for ratings: by sums over all ratings and hidden states of small ones."""

import itertools
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import clone
from sklearn.model_selection import GridSearchCV

from skebm import RatingRBM
from skebm.core import rating_training, ratings
from skebm.core.machine import Params
from skebm.core.optimise import MomentumSGD
from skebm.core.streams import Purpose, stream

N_ITEMS, N_RATINGS, N_HIDDEN = 4, 3, 2
HIDDEN = np.array(list(itertools.product([0.0, 1.0], repeat=N_HIDDEN)))
UNKNOWN = np.nan


def params_of(seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    W = scale * rng.normal(size=(N_ITEMS * N_RATINGS, N_HIDDEN))
    b = rng.normal(size=(N_ITEMS, N_RATINGS))
    return Params((W,), (b, rng.normal(size=N_HIDDEN)))


def users_given(seed=0, n_users=5, share=0.6):
    """Ratings of a user as {item: number of the rating}; one user has rated nothing."""
    rng = np.random.default_rng(seed)
    users = [
        {
            i: int(rng.integers(N_RATINGS))
            for i in range(N_ITEMS)
            if rng.uniform() < share
        }
        for _ in range(n_users - 1)
    ]
    return [*users[:2], {}, *users[2:]]


def rows_of(users, dtype=np.float64):
    lengths = [len(user) for user in users]
    items = np.array([i for user in users for i in user], dtype=int)
    codes = np.array([k for user in users for k in user.values()], dtype=int)
    indptr = np.cumsum([0, *lengths])
    return ratings.one_hot(items, codes, indptr, N_ITEMS, N_RATINGS, dtype)


def log_weights(params, user):
    """log of exp(-E) for each hidden state, from the definition."""
    (W,), (b, c) = params
    total = HIDDEN @ c
    for i, k in user.items():
        total = total + b[i, k] + HIDDEN @ W[i * N_RATINGS + k]
    return total


def log_sum(params, user):
    return np.logaddexp.reduce(log_weights(params, user))


def log_p_of_item(params, user, item):
    """log p(v_item = k | the other ratings), for each k."""
    scores = [log_sum(params, {**user, item: k}) for k in range(N_RATINGS)]
    return np.array(scores) - np.logaddexp.reduce(scores)


def pseudo_log_likelihood(params, users, weights):
    return sum(
        w * log_p_of_item(params, user, i)[k]
        for user, w in zip(users, weights, strict=True)
        for i, k in user.items()
    )


# The model


def test_conditionals_are_those_of_the_enumerated_machine(monkeypatch):
    params, users = params_of(), users_given()
    X = rows_of(users)
    expected = np.array(
        [[log_p_of_item(params, u, i) for i in range(N_ITEMS)] for u in users]
    )
    pairs = np.array(list(itertools.product(range(len(users)), range(N_ITEMS))))
    for size in (ratings.BLOCK_ELEMENTS, 1, 20):
        monkeypatch.setattr(ratings, "BLOCK_ELEMENTS", size)
        found = ratings.all_log_probabilities(params, X, slice(0, len(users)))
        assert_allclose(found, expected)
        found = ratings.pair_log_probabilities(params, X, *pairs[::-1].T)
        assert_allclose(found, expected.reshape(-1, N_RATINGS)[::-1])
        scores = ratings.log_likelihoods(params, X)
        entries = [expected[u, i, k] for u, x in enumerate(users) for i, k in x.items()]
        assert_allclose(scores, entries)


def test_hidden_units_see_what_is_rated_and_nothing_else():
    params, users = params_of(), users_given()
    a = ratings.hidden_field(params, rows_of(users))
    for user, found in zip(users, 1.0 / (1.0 + np.exp(-a)), strict=True):
        weights = np.exp(log_weights(params, user))
        assert_allclose(found, weights @ HIDDEN / weights.sum())


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_gradient_is_that_of_the_enumerated_pseudo_likelihood(scale, monkeypatch):
    """Finite differences; with weights that saturate everything, too."""
    params, users = params_of(scale=scale), users_given(1, n_users=6)
    X, weights = rows_of(users), np.array([1.0, 0.5, 2.0, 0.0, 3.0, 1.0])
    found, hidden, total = rating_training.pseudo_gradient(params, X, weights)
    assert_allclose(total, pseudo_log_likelihood(params, users, weights))
    assert hidden.shape == (6, N_HIDDEN)
    arrays = [x for group in params for x in group]
    for x, g in zip(arrays, [y for group in found for y in group], strict=True):
        for index in np.ndindex(x.shape):
            old, ends = x[index], []
            for x[index] in (old + 1e-5, old - 1e-5):
                ends.append(pseudo_log_likelihood(params, users, weights))
            x[index] = old
            assert_allclose(g[index], (ends[0] - ends[1]) / 2e-5, atol=2e-6)
    monkeypatch.setattr(rating_training, "BLOCK_ELEMENTS", 1)
    again, _, _ = rating_training.pseudo_gradient(params, X, weights)
    assert_allclose(again.weights[0], found.weights[0])


def test_gradient_of_an_item_comes_from_its_raters():
    params, users = params_of(), users_given(2, n_users=8)
    for user in users:
        user.pop(1, None)
    found, _, _ = rating_training.pseudo_gradient(params, rows_of(users), np.ones(8))
    assert not found.weights[0][N_RATINGS : 2 * N_RATINGS].any()
    assert not found.biases[0][1].any()
    assert found.biases[0][[0, 2, 3]].all()


# Samples


def states_and_shares(params, given):
    """All ratings of all items that agree with those given, and their probabilities."""
    states = [
        state
        for state in itertools.product(range(N_RATINGS), repeat=N_ITEMS)
        if all(g in (-1, k) for g, k in zip(given, state, strict=True))
    ]
    log_p = [log_sum(params, dict(enumerate(state))) for state in states]
    return states, np.exp(log_p - np.logaddexp.reduce(log_p))


def worst_deviation(codes, states, shares):
    """In standard errors, of how often each of the states is there."""
    numbers = {state: n for n, state in enumerate(states)}
    counts = np.zeros(len(states))
    for code in codes.tolist():
        counts[numbers[tuple(code)]] += 1
    n = len(codes)
    return np.max(np.abs(counts - n * shares) / np.sqrt(n * shares * (1.0 - shares)))


@pytest.mark.parametrize("given", [(-1, -1, -1, -1), (2, -1, 0, -1)])
@pytest.mark.parametrize("broken", [False, True])
def test_a_gibbs_step_leaves_the_distribution_as_it_is(given, broken, monkeypatch):
    """And one that takes hidden means for hidden states does not."""
    params, n = params_of(3), 40_000
    states, shares = states_and_shares(params, given)
    rng, draws = np.random.default_rng(0), stream(0, Purpose.SAMPLE, np.zeros(1))
    codes = np.array(states)[rng.choice(len(states), n, p=shares)]
    given = np.broadcast_to(np.array(given), codes.shape)
    if broken:
        monkeypatch.setattr(ratings.Bernoulli, "sample", lambda self, mean, draws: mean)
    worst = worst_deviation(
        ratings.gibbs(params, codes, 3, draws, given), states, shares
    )
    assert (worst > 5) == broken


def test_chains_come_to_the_distribution():
    params, given = params_of(4, scale=0.5), (-1, 1, -1, -1)
    states, shares = states_and_shares(params, given)
    draws = stream(1, Purpose.SAMPLE, np.zeros(1))
    codes = ratings.chains(
        params, np.full(N_HIDDEN, 0.5), 30, draws, np.tile(given, (20_000, 1))
    )
    assert worst_deviation(codes, states, shares) < 5


# Training


def settings_of(**params):
    params = {"batch_size": 100, "shuffle": True, "seed": 0, **params}
    params = {"weight_decay": 3.0, "bias_decay": 2.0, **params}
    return rating_training.Settings(optimiser=MomentumSGD(0.5), **params)


def test_shares_are_smoothed_by_those_of_all_items():
    counts = np.array([[0.0, 0.0, 0.0], [1000.0, 0.0, 0.0], [0.0, 0.0, 3000.0]])
    found = np.exp(rating_training.log_shares(counts))
    total = np.array([1001.0, 1.0, 3001.0]) / 4003.0
    assert_allclose(found.sum(axis=1), 1.0)
    assert_allclose(found[0], total)
    assert_allclose(found[1], (counts[1] + 5.0 * total) / 1005.0)


def test_the_start_has_the_shares_at_mean_hidden_units():
    X, weights = rows_of(users_given(5, 30)), np.linspace(0.5, 2.0, 30)
    state = rating_training.start(X, weights, 3, N_RATINGS, settings_of())
    (W,), (b, c) = state.params
    centred = b + ratings.by_item(W, b) @ state.hidden_mean
    assert_allclose(centred, rating_training.log_shares(state.counts), rtol=1e-5)
    assert_allclose(state.counts.sum(), ratings.weighted_entries(X, weights))
    assert not c.any()


def test_a_step_is_the_gradient_of_centred_params_times_a_positive_definite_matrix():
    """And less the penalties; all written out, and led back to the plain params."""
    params, X, weights = params_of(), rows_of(users_given(6, 20)), np.ones(20)
    mean, shares = np.array([0.3, 0.8]), np.ones((N_ITEMS, N_RATINGS))
    carry = rating_training.neighbours(N_RATINGS, np.float64)
    items = np.eye(N_ITEMS) + rating_training.SHARING / N_ITEMS
    assert np.linalg.eigvalsh(np.kron(items, carry)).min() > 0
    gradient, _, _ = rating_training.pseudo_gradient(params, X, weights)
    (dW,), (db, dc) = (tuple(x.copy() for x in group) for group in gradient)
    step = rating_training.step_towards(
        gradient, params, mean, shares, (0.3, 0.2), carry
    )
    W, b = ratings.by_item(params.weights[0], shares), params.biases[0]
    # The params are W, d = b + W mean, and c; and d log p / d W holds d and c fixed.
    centred = ratings.by_item(dW, db) - db[:, :, None] * mean
    expected_W = np.einsum("im,kl,mlj->ikj", items, carry, centred)
    expected_W -= 0.3 * (W - W.mean(axis=0))
    expected_d = db @ carry - 0.2 * (b + W @ mean - shares)
    assert_allclose(ratings.by_item(step.weights[0], db), expected_W)
    assert_allclose(step.biases[0], expected_d - expected_W @ mean)
    assert_allclose(step.biases[1], dc)


def test_penalties_alone_lead_to_shared_weights_and_the_shares():
    """Of items without a rating, whatever the machine was."""
    params, mean = params_of(), np.array([0.3, 0.8])
    shares = np.log(np.full((N_ITEMS, N_RATINGS), 1.0 / N_RATINGS))
    empty = rows_of([{}] * 3)
    carry = rating_training.neighbours(N_RATINGS, np.float64)
    for _ in range(400):
        gradient, _, _ = rating_training.pseudo_gradient(params, empty, np.ones(3))
        step = rating_training.step_towards(
            gradient, params, mean, shares, (0.1, 0.1), carry
        )
        params = Params(
            (params.weights[0] + step.weights[0],),
            tuple(x + s for x, s in zip(params.biases, step.biases, strict=True)),
        )
    W = ratings.by_item(params.weights[0], shares)
    assert_allclose(W, np.broadcast_to(W.mean(axis=0), W.shape), atol=1e-9)
    assert_allclose(params.biases[0] + W @ mean, shares, atol=1e-9)


def test_an_epoch_leaves_the_state_before_it():
    X, weights = rows_of(users_given(7, 30)), np.ones(30)
    settings = settings_of(batch_size=7)
    state = rating_training.start(X, weights, 3, N_RATINGS, settings)
    saved = [x.copy() for group in (*state.params, *state.velocity) for x in group]
    after, score = rating_training.train_epoch(state, X, weights, 0.5, settings)
    for x, old in zip(
        [x for group in (*state.params, *state.velocity) for x in group],
        saved,
        strict=True,
    ):
        assert_array_equal(x, old)
    assert after.epoch == 1
    assert score < 0
    scores = ratings.log_likelihoods(after.params, X)
    assert scores.mean() > ratings.log_likelihoods(state.params, X).mean()


def test_held_out_ratings_are_no_longer_in_the_rows():
    users = users_given(8, 60)
    X, weights = rows_of(users), np.arange(60.0) % 3
    held_out, left = rating_training.hold_out(X, weights, 0.25, N_RATINGS, 0)
    n = sum(len(u) for u, w in zip(users, weights, strict=True) if w > 0)
    assert len(held_out.codes) == -(-n // 4)
    assert (held_out.weights > 0).all()
    states = held_out.items * N_RATINGS + held_out.codes
    back = sparse.csr_array((np.ones(len(states)), (held_out.users, states)), X.shape)
    assert left.nnz + back.nnz == X.nnz
    assert_array_equal((left + back).toarray(), X.toarray())


# The estimator


def made(n_users=150, n_items=60, seed=0, share=0.3):
    """Ratings 1 to 5 of users of two tastes, who differ in how much they like at all.

    Not from a Boltzmann machine: normal effects, and noise. Most are unknown: NaN.
    """
    rng = np.random.default_rng(seed)
    taste = np.outer(rng.normal(size=n_users), rng.normal(size=n_items))
    X = 3.3 + 0.5 * rng.normal(size=(n_users, 1)) + 0.5 * rng.normal(size=n_items)
    X = X + 0.6 * taste + 0.6 * rng.normal(size=X.shape)
    X = np.clip(np.round(X), 1, 5)
    X[rng.uniform(size=X.shape) > share * rng.uniform(0.3, 1.7, size=n_items)] = np.nan
    return X.astype(np.float32)


def sparse_of(X, kind=sparse.csr_array):
    known = np.nonzero(~np.isnan(X))
    return kind((X[known], known), X.shape)


def rbm_of(**params):
    return RatingRBM(**{"n_components": 5, "n_iter": 3, "random_state": 0, **params})


def same(some, other):
    for name in ("components_", "intercept_visible_", "intercept_hidden_"):
        assert_array_equal(getattr(some, name), getattr(other, name))
    assert_array_equal(some.ratings_, other.ratings_)
    assert some.history_ == other.history_


def test_attributes():
    X = made()
    rbm = rbm_of().fit(X)
    assert rbm.components_.shape == (5, 60, 5)
    assert rbm.intercept_visible_.shape == (60, 5)
    assert rbm.intercept_hidden_.shape == (5,)
    assert_array_equal(rbm.ratings_, np.arange(1.0, 6.0))
    assert rbm.n_iter_ == len(rbm.history_["pseudo_log_likelihood"]) == 3
    assert rbm.components_.dtype == rbm.predict(X).dtype == np.float32
    H = rbm.transform(X)
    assert H.shape == (150, 5)
    known = ~np.isnan(X[7])
    codes = X[7, known].astype(int) - 1
    a = rbm.intercept_hidden_ + rbm.components_[:, known, codes].sum(axis=1)
    assert_allclose(H[7], 1.0 / (1.0 + np.exp(-a)), rtol=1e-5)


@pytest.mark.parametrize(
    "kind",
    [
        sparse.csr_array,
        sparse.csr_matrix,
        sparse.csc_array,
        sparse.coo_matrix,
        lambda *args: sparse.lil_array(sparse.csr_array(*args)),
    ],
)
def test_any_container_gives_the_same_model(kind):
    X = made()
    whole, other = rbm_of().fit(X), rbm_of().fit(sparse_of(X, kind))
    same(whole, other)
    assert_array_equal(other.predict(sparse_of(X, kind), "all"), whole.predict(X))
    assert_array_equal(other.transform(sparse_of(X, kind)), whole.transform(X))
    assert other.score(sparse_of(X, kind)) == whole.score(X)


def test_precisions_agree_and_integers_are_computed_in_single():
    X = sparse_of(made())
    single, double = rbm_of().fit(X), rbm_of().fit(X.astype(np.float64))
    assert double.components_.dtype == np.float64
    assert_allclose(single.components_, double.components_, atol=1e-4)
    same(rbm_of().fit(X.astype(np.int8)), single)


def test_a_stored_zero_is_a_rating():
    X = made() - 1.0
    stored = sparse_of(X)
    assert (stored.data == 0).any()
    rbm = rbm_of().fit(stored)
    assert_array_equal(rbm.ratings_, np.arange(5.0))
    same(rbm, rbm_of().fit(X))
    stored.eliminate_zeros()
    assert_array_equal(rbm_of().fit(stored).ratings_, np.arange(1.0, 5.0))


def test_indices_in_any_order():
    X = sparse_of(made())
    turned = X.copy()
    for first, last in itertools.pairwise(X.indptr):
        turned.indices[first:last] = X.indices[first:last][::-1]
        turned.data[first:last] = X.data[first:last][::-1]
    turned.has_sorted_indices = False
    same(rbm_of().fit(turned), rbm_of().fit(X))
    assert not turned.has_sorted_indices  # what was given is left as it was


@pytest.mark.parametrize("kind", [sparse.coo_array, sparse.csr_array, sparse.csc_array])
def test_two_ratings_of_an_item_by_one_user_are_refused(kind):
    if kind is sparse.csr_array:
        X = kind(([3, 4, 1], [0, 0, 1], [0, 0, 3, 3]), shape=(3, 2))
    elif kind is sparse.csc_array:
        X = kind(([3, 4, 1], [1, 1, 0], [0, 2, 3]), shape=(3, 2))
    else:
        X = kind(([3, 4, 1], ([1, 1, 0], [0, 0, 1])), shape=(3, 2))
    with pytest.raises(ValueError, match="several ratings of an item by the same user"):
        rbm_of().fit(X)


def test_what_is_no_rating_at_all():
    with pytest.raises(ValueError, match=r"Input X contains NaN.*store only"):
        rbm_of().fit(sparse.csr_array([[1.0, np.nan], [2.0, 0.0]]))
    with pytest.raises(ValueError, match="found no rating"):
        rbm_of().fit(np.full((4, 3), np.nan))
    with pytest.raises(ValueError, match="found no rating"):
        rbm_of().fit(sparse.csr_array((4, 3)))
    with pytest.raises(ValueError, match="found no rating"):
        rbm_of(ratings=[1, 2]).fit(sparse.csr_array((4, 3)))
    X = made()
    nothing, weights = np.full_like(X, np.nan), np.zeros(150)
    weights[0], X[0] = 1.0, np.nan
    for rows, weight in ((nothing, None), (X, weights)):
        with pytest.raises(ValueError, match="found no rating"):
            rbm_of().fit(made()).partial_fit(rows, sample_weight=weight)
    with pytest.raises(ValueError, match="infinity"):
        rbm_of().fit([[1.0, np.inf]])
    with pytest.warns(UserWarning, match="small set of ratings.*600 different"):
        rbm_of(n_iter=0).fit(np.random.default_rng(0).normal(size=(100, 6)))


def test_users_without_ratings_and_items_without_raters():
    X = made()
    X[:, 7] = X[3] = np.nan
    rbm = rbm_of().fit(X)
    expected = rbm.predict(X)
    assert np.isfinite(expected).all()
    assert rbm.score_samples(X)[3] == 0.0
    nothing = np.full((1, 60), np.nan)
    assert_allclose(rbm.predict(nothing)[0], expected[3], rtol=1e-5)
    assert rbm.score(nothing) == 0.0
    # Between the ratings of all.
    assert 2.5 < expected[:, 7].mean() < 4.0


# Values that are none of the ratings


def test_an_unknown_rating_is_not_learned():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(made()).add_prefix("item ")
    rbm = rbm_of().fit(X)
    other = X.copy()
    other.iloc[5, 20] = 3.5
    with pytest.raises(ValueError, match=r"holds 3\.5 in column 20 \('item 20'\)"):
        rbm.partial_fit(other)
    weights = np.ones(150)
    weights[5] = 0.0
    rbm.partial_fit(other, sample_weight=weights)
    with pytest.raises(ValueError, match=r"holds 3\.5 in column 20"):
        rbm_of(ratings=[1, 2, 3, 4, 5]).fit(other.to_numpy())


def test_an_unknown_rating_in_a_query_is_the_nearest_one():
    X = made()
    rbm, other = rbm_of().fit(X), X.copy()
    other[5, 20], X[5, 20] = 3.9, 4.0
    with pytest.warns(UserWarning, match=r"holds 3\.9 in column 20.*nearest"):
        assert_array_equal(rbm.transform(other), rbm.transform(X))


def test_ratings_that_are_named_need_not_be_there():
    X = made()
    X[X == 5.0] = np.nan
    rbm = rbm_of(ratings=(5, 1, 2, 3, 4)).fit(X)
    assert_array_equal(rbm.ratings_, np.arange(1.0, 6.0))
    rbm.partial_fit(made())
    p = rbm.predict_proba(X)
    assert (p > 0).all()
    with pytest.raises(ValueError, match="ratings must be a list"):
        rbm_of(ratings=[[1, 2]]).fit(X)


def test_rounding_makes_no_other_rating():
    X = made() / np.float32(3)
    rbm = rbm_of().fit(X)
    assert_allclose(rbm.score(X.astype(np.float64)), rbm.score(X), rtol=1e-5)
    thirds = np.round(X * 3).astype(np.float64) / 3
    assert_allclose(rbm.score(thirds), rbm.score(X), rtol=1e-5)


# Predictions


def test_pairs_and_all_agree_and_do_not_look_at_the_rating_itself():
    X = made()
    rbm = rbm_of().fit(X)
    expected, p = rbm.predict(X), rbm.predict_proba(X)
    assert_allclose(p.sum(axis=2), 1.0, rtol=1e-5)
    assert_allclose(p @ rbm.ratings_, expected, rtol=1e-5)
    pairs = np.argwhere(np.ones(X.shape))[::7]
    assert_allclose(rbm.predict(X, pairs), expected[tuple(pairs.T)], rtol=1e-5)
    assert_allclose(rbm.predict_proba(X, pairs), p[tuple(pairs.T)], rtol=1e-4)
    user, item = np.argwhere(~np.isnan(X))[100]
    other = X.copy()
    other[user, item] = np.nan
    assert_allclose(rbm.predict(other)[user, item], expected[user, item], rtol=1e-5)
    assert rbm.predict(X, np.empty((0, 2), int)).shape == (0,)


def test_of_sparse_rows_all_is_asked_for():
    X = made()
    rbm = rbm_of().fit(X)
    for method in (rbm.predict, rbm.predict_proba):
        with pytest.raises(ValueError, match=r'sparse.*150 x 60.*pairs="all"'):
            method(sparse_of(X))
    assert_array_equal(rbm.predict(sparse_of(X), "all"), rbm.predict(X))


def test_items_by_their_names():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(made()).add_prefix("item ")
    rbm = rbm_of().fit(X)
    expected = rbm.predict(X)[[3, 80], [20, 4]]
    named = pandas.DataFrame({"user": [3, 80], "item": ["item 20", "item 4"]})
    for pairs in ([[3, 20], [80, 4]], [[3, "item 20"], [80, "item 4"]], named):
        assert_allclose(rbm.predict(X, pairs), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="names the column 'item 99'"):
        rbm.predict(X, [[3, "item 99"]])


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([[0, 60]], "60 of the columns of X, which has 60"),
        ([[150, 0]], "150 of the rows"),
        ([[-1, 0]], "-1 of the rows"),
        ([[0.5, 0]], r"0\.5 of the rows"),
        ([["user", 0]], "no numbers of rows"),
        ([0, 1], "two columns"),
        ("everything", "two columns"),
    ],
)
def test_pairs_that_are_none(pairs, message):
    X = made()
    with pytest.raises(ValueError, match=message):
        rbm_of().fit(X).predict(X, pairs)


def test_imputed_rows_keep_what_is_known():
    X = made()
    rbm = rbm_of().fit(X)
    filled, known = rbm.impute(X), ~np.isnan(X)
    assert_array_equal(filled[known], X[known])
    assert_array_equal(filled[~known], rbm.predict(X)[~known])
    assert_array_equal(rbm.impute(sparse_of(X)), filled)


def test_scores_are_log_probabilities_of_the_known_ratings():
    X, weights = made(), np.arange(150) % 3
    rbm = rbm_of().fit(X)
    users, items = np.nonzero(~np.isnan(X))
    codes = X[users, items].astype(int) - 1
    log_p = np.log(rbm.predict_proba(X)[users, items, codes])
    sums = np.bincount(users, log_p, minlength=150)
    assert_allclose(rbm.score_samples(X), sums, rtol=1e-4)
    assert_allclose(rbm.score(X), log_p.mean(), rtol=1e-4)
    twice = np.repeat(X, weights, axis=0)
    assert_allclose(rbm.score(X, sample_weight=weights), rbm.score(twice), rtol=1e-5)
    with pytest.raises(ValueError, match="Negative"):
        rbm.score(X, sample_weight=-weights)


def test_samples_of_all_items():
    X = made(n_items=5, share=0.9)
    rbm = rbm_of(n_iter=30, learning_rate=0.3).fit(X)
    drawn = rbm.sample(400, n_gibbs_steps=50, random_state=0)
    assert drawn.shape == (400, 5)
    assert set(np.unique(drawn)) <= set(rbm.ratings_)
    assert_array_equal(drawn, rbm.sample(400, n_gibbs_steps=50, random_state=0))
    assert abs(drawn.mean() - np.nanmean(X)) < 0.3
    given = [5.0, UNKNOWN, 1.0, UNKNOWN, UNKNOWN]
    drawn = rbm.sample(300, given=given, n_gibbs_steps=5, random_state=0)
    assert (drawn[:, [0, 2]] == [5.0, 1.0]).all()
    assert (drawn[:, 1] != drawn[0, 1]).any()
    rows = sparse.csr_array(([2.0], ([1], [3])), shape=(2, 5))
    drawn = rbm.sample(2, given=rows, random_state=0)
    assert drawn[1, 3] == 2.0
    with pytest.raises(ValueError, match="given has shape"):
        rbm.sample(2, given=np.ones((3, 5)))


# Fits


def rmse(predicted, true):
    return np.sqrt(np.mean((predicted - true) ** 2))


def error_of_biases(X, pairs, true, strength=3.0):
    """The error of the best additive model: means of users and of items, shrunk."""
    known, mean = ~np.isnan(X), np.nanmean(X)
    user, item = np.zeros((len(X), 1)), np.zeros(X.shape[1])
    for _ in range(20):
        item = np.nansum(X - mean - user, axis=0) / (known.sum(axis=0) + strength)
        left = np.nansum(X - mean - item, axis=1, keepdims=True)
        user = left / (known.sum(axis=1, keepdims=True) + strength)
    return rmse((mean + user + item)[tuple(pairs.T)], true)


def test_it_predicts_better_than_biases():
    X = made(400, 60, seed=3)
    pairs = np.argwhere(~np.isnan(X))
    pairs = pairs[np.random.default_rng(0).permutation(len(pairs))[: len(pairs) // 10]]
    true = X[tuple(pairs.T)]
    X[tuple(pairs.T)] = np.nan
    rbm = rbm_of(n_components=20, n_iter=20, learning_rate=0.1, weight_decay=5.0)
    error = rmse(rbm.fit(X).predict(X, pairs), true)
    assert error < 0.9 * error_of_biases(X, pairs, true)


def test_early_stopping_keeps_the_best_epoch(capsys):
    X = made()
    stopping = {"early_stopping": True, "learning_rate": 0.3, "weight_decay": 0.0}
    params = {"n_iter": 60, "n_iter_no_change": 2, "verbose": 1, **stopping}
    rbm = rbm_of(**params).fit(X)
    errors = rbm.history_["validation_rmse"]
    assert rbm.n_iter_ == len(errors) < 60
    best = int(np.argmin(errors)) + 1
    assert len(errors) == best + 2
    printed = capsys.readouterr().out
    assert f"parameters of epoch {best} are kept" in printed
    assert f"validation RMSE = {errors[0]:.4f}" in printed
    schedule = {"learning_rate_schedule": "constant"}
    params = {**schedule, **params, "verbose": 0}
    long, short = (rbm_of(**params) for _ in range(2))
    long.fit(X)
    best = int(np.argmin(long.history_["validation_rmse"])) + 1
    short.set_params(n_iter=best).fit(X)
    assert_array_equal(long.components_, short.components_)
    with pytest.raises(ValueError, match="holds out 1 of the 1 ratings"):
        rbm_of(early_stopping=True).fit([[1.0, np.nan]])


def test_a_warm_start_and_partial_fit_go_on():
    X = made()
    constant = {"learning_rate_schedule": "constant", "batch_size": 200}
    once = rbm_of(**constant).fit(X)
    again = clone(once).set_params(n_iter=2, warm_start=True).fit(X).partial_fit(X)
    assert again.n_iter_ == 3
    assert len(again.history_["pseudo_log_likelihood"]) == 3
    # The same but that the ratings are counted in each call.
    assert_allclose(again.components_, once.components_, atol=0.02)
    first = clone(once).partial_fit(X)
    assert first.n_iter_ == 1
    same(first, clone(once).set_params(n_iter=1).fit(X))
    with pytest.raises(ValueError, match=r"5 hidden units.*now 6"):
        again.set_params(n_components=6).fit(X)
    with pytest.raises(ValueError, match="does not support early_stopping"):
        rbm_of(early_stopping=True).partial_fit(X)
    again.set_params(n_components=5, momentum=0.0).partial_fit(X)
    assert again._training["velocity"] is None


def test_weights_count_as_repetitions():
    X, weights = made().astype(np.float64), np.arange(150) % 4
    one_batch = {"batch_size": 1000, "learning_rate": 0.2}
    weighted = rbm_of(**one_batch).fit(X, sample_weight=weights)
    repeated = rbm_of(**one_batch).fit(np.repeat(X, weights, axis=0))
    assert_allclose(weighted.components_, repeated.components_, rtol=1e-9)
    assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-9)
    scores = (x.history_["pseudo_log_likelihood"] for x in (weighted, repeated))
    assert_allclose(*scores)


def test_a_fit_that_diverges_says_so_and_changes_nothing():
    X = made()
    rbm = rbm_of().fit(X)
    before = rbm.components_.copy()
    with pytest.raises(FloatingPointError, match=r"diverged in epoch 4.*learning_rate"):
        rbm.set_params(learning_rate=1e38).partial_fit(X)
    assert_array_equal(rbm.components_, before)


def test_nothing_is_as_large_as_users_times_items():
    rng = np.random.default_rng(0)
    n_users, n_items, n_known = 30_000, 20_000, 60_000
    cells = rng.choice(n_users * n_items, n_known, replace=False)
    data = rng.integers(1, 6, n_known).astype(np.float32)
    X = sparse.csr_array((data, np.divmod(cells, n_items)), shape=(n_users, n_items))
    tracemalloc.start()
    rbm = rbm_of(n_components=2, n_iter=1, early_stopping=True).fit(X)
    rbm.predict(X, np.column_stack(np.divmod(cells[:100], n_items)))
    rbm.transform(X)
    rbm.score(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < n_users * n_items / 8  # not a bit for each


def test_a_batch_has_as_many_ratings_as_there_are_items():
    rbm = rbm_of()
    assert rbm._n_batch_rows(943, 1682, 90_000) == 20
    assert rbm._n_batch_rows(10_000, 50_000, 1_000_000) == 500
    assert rbm._n_batch_rows(30, 20, 100) == 40


def test_a_grid_search_finds_what_generalises():
    X = made(120)
    search = GridSearchCV(
        rbm_of(learning_rate=0.1, n_iter=10, ratings=range(1, 6)),
        {"weight_decay": [0.0, 10.0]},
        cv=3,
    ).fit(X)
    assert search.best_params_ == {"weight_decay": 10.0}


def test_zeros_of_a_dense_matrix_may_stand_for_what_is_unknown():
    X = np.where(np.random.default_rng(0).random((40, 10)) < 0.3, 4.0, 0.0)
    X[:, 0] = 2.0
    with pytest.warns(
        UserWarning, match=r"takes 0 for a rating, and \d\d% .*csr_array"
    ):
        RatingRBM(2, n_iter=1).fit(X)
    rbm = RatingRBM(2, n_iter=1).fit(sparse.csr_array(X))
    assert rbm.ratings_.tolist() == [2.0, 4.0]
    likes = (X > 3).astype(float)
    assert RatingRBM(2, n_iter=1).fit(likes).ratings_.tolist() == [0.0, 1.0]
