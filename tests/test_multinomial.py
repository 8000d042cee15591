"""Word counts: by sums over all documents of a length, and all hidden states."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, csr_matrix
from scipy.sparse import random as sparse_counts
from sklearn import clone, config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import CountVectorizer

from skebm import DBM, DBN, BernoulliRBM, DBNClassifier, MultinomialRBM
from skebm.core import lengths
from skebm.core.machine import (
    EVEN,
    ODD,
    Machine,
    Params,
    energy,
    free_energy,
    gradient,
    resample,
    to_means,
)
from skebm.core.multinomial import Multinomial
from skebm.core.streams import Purpose, stream
from skebm.core.units import Bernoulli, Held

from .machines import NAMESPACES, asarray_of


def draws(seed=0):
    return stream(seed, Purpose.SAMPLE, np.zeros(1))


def params_of(n_words=3, n_hidden=2, seed=0, scale=0.8):
    rng = np.random.default_rng(seed)
    W = scale * rng.normal(size=(n_words, n_hidden))
    return Params((W,), (rng.normal(size=n_words), rng.normal(size=n_hidden)))


def machine_of(params, usual=3.0):
    return Machine((Multinomial(usual), Bernoulli()), params)


def documents_of(length, n_words):
    """All counts with this sum."""
    counts = itertools.product(range(length + 1), repeat=n_words)
    return np.array([v for v in counts if sum(v) == length], dtype=float)


class Documents:
    """All documents of a length with all hidden states, from the definition."""

    def __init__(self, params, length):
        (W,), (b, c) = params
        states = itertools.product([0.0, 1.0], repeat=len(c))
        hidden = np.array(list(states))
        visible = documents_of(length, len(b))
        self.visible, self.hidden = visible, hidden
        log_p = np.empty((len(visible), len(hidden)))
        for i, v in enumerate(visible):
            ways = math.factorial(length) / math.prod(math.factorial(int(k)) for k in v)
            for j, h in enumerate(hidden):
                log_p[i, j] = b @ v + c @ h + v @ W @ h + math.log(ways)
        self.log_z = np.logaddexp.reduce(log_p.ravel())
        self.joint = np.exp(log_p - self.log_z)
        self.p = self.joint.sum(axis=1)

    def log_p(self, v):
        (found,) = np.flatnonzero((self.visible == v).all(axis=1))
        return np.log(self.p[found])

    def moments(self):
        """E[v h^T], E[v], E[h]."""
        return (
            self.visible.T @ self.joint @ self.hidden,
            self.p @ self.visible,
            self.joint.sum(axis=0) @ self.hidden,
        )

    def sample(self, n, rng):
        picked = rng.choice(self.joint.size, size=n, p=self.joint.ravel())
        i, j = np.unravel_index(picked, self.joint.shape)
        return [self.visible[i], self.hidden[j]]


def within(samples, expected):
    """Whether means of independent rows are within 5 standard errors."""
    error = np.maximum(samples.std(axis=0), 1e-12) / np.sqrt(len(samples))
    return (np.abs(samples.mean(axis=0) - expected) < 5 * error).all()


# The law


@pytest.mark.parametrize("length", [0, 1, 4])
def test_the_law_of_counts(length):
    a = np.array([0.3, -1.2, 0.8])
    kind, x = Multinomial().of_length(float(length)), documents_of(length, 3)
    log_p = x @ a + kind.log_base(x)
    z = np.logaddexp.reduce(log_p)
    assert_allclose(kind.log_partition(a), z, atol=1e-12)
    p = np.exp(log_p - z)
    mean = p @ x
    assert_allclose(kind.mean(a), mean, atol=1e-12)
    if length:
        assert_allclose(kind.variance(mean), p @ (x - mean) ** 2)
        a = kind.natural(mean)
        assert_allclose(kind.mean(a), mean)
    entropy = -p @ (np.log(p) - kind.log_base(x))
    assert_allclose(kind.entropy(mean), entropy, atol=1e-12)
    assert_allclose(kind.single(mean), kind.mean(a) / max(length, 1))


@pytest.mark.parametrize("name", NAMESPACES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_words_are_drawn_with_their_probabilities(name, dtype):
    asarray = asarray_of(name)
    p = np.array([0.5, 0.0, 0.3, 0.2, 0.0])
    lengths_of = np.tile([0.0, 1.0, 7.0, 2.5], 5000)
    mean = asarray((lengths_of[:, None] * p).astype(dtype))
    with config_context(array_api_dispatch=name != "numpy"):
        numbers = stream(0, Purpose.SAMPLE, mean)
        x = np.asarray(Multinomial().sample(mean, numbers))
    assert x.dtype == dtype
    assert_allclose(x.sum(axis=1), lengths_of, rtol=1e-6)
    assert_array_equal(x[:, [1, 4]], 0.0)
    for n in (1, 7, 2.5):
        rows = x[lengths_of == n]
        assert within(rows, n * p)
        # Half a word more is that of one word more, all of them lighter.
        variance = n * p * (1 - p) * n / np.ceil(n)
        assert_allclose(rows.var(axis=0), variance, rtol=0.15)


def test_a_long_document_keeps_its_length():
    """Rounding in single precision adds no word and takes none away."""
    p = np.random.default_rng(0).dirichlet(np.full(3000, 0.1)).astype("float32")
    mean = np.stack([np.float32(n) * p for n in (9_999, 1, 100_000)])
    assert_allclose(Multinomial().sample(mean, draws()).sum(axis=1), [9999, 1, 1e5])


def test_what_diverged_is_seen():
    mean = np.array([[np.nan, 1.0], [2.0, 1.0], [np.inf, 1.0]])
    assert not np.isfinite(Multinomial().sample(mean, draws())[[0, 2]]).any()


# The machine


@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_energies_log_z_and_conditionals(length):
    params = params_of()
    machine, oracle = machine_of(params), Documents(params, length)
    (found,) = lengths.exact(machine, [length])
    assert_allclose(found.value, oracle.log_z)
    x = oracle.visible
    assert_allclose(
        -free_energy(machine, [x, None]) - oracle.log_z,
        np.log(oracle.p),
        atol=1e-12,
    )
    h = np.tile(oracle.hidden[1], (len(x), 1))
    log_p = -energy(machine, [x, h]) - oracle.log_z
    assert_allclose(log_p, np.log(oracle.joint[:, 1]))
    kind = machine.units[0].alike(x)
    summed = free_energy(machine._replace(units=(kind, Bernoulli())), [None, h], EVEN)
    assert_allclose(-summed - oracle.log_z, np.log(oracle.joint[:, 1].sum()))
    given_h = oracle.joint[:, 1] / oracle.joint[:, 1].sum()
    means = to_means(machine, [x, h], EVEN)[0]
    assert_allclose(means, np.tile(given_h @ x, (len(x), 1)), atol=1e-12)
    given_v = oracle.joint / oracle.p[:, None]
    assert_allclose(to_means(machine, [x, None], ODD)[1], given_v @ oracle.hidden)


def test_gradients_are_those_of_the_exact_log_likelihood():
    """Of documents of different length, each with the model's side of its length."""
    step, params = 1e-6, params_of()
    X = np.array([[1.0, 0, 2], [0, 1, 0], [0, 0, 0], [1, 1, 0], [0, 0, 3]])
    row_weights = np.random.default_rng(0).dirichlet(np.ones(5))

    def log_likelihood():
        values = [Documents(params, int(v.sum())).log_p(v) for v in X]
        return row_weights @ values

    layers, weights = to_means(machine_of(params), [X, None], ODD), [row_weights]
    for v, weight in zip(X, row_weights, strict=True):
        oracle = Documents(params, int(v.sum()))
        i, j = np.indices(oracle.joint.shape).reshape(2, -1)
        layers = [
            np.concatenate([layers[0], oracle.visible[i]]),
            np.concatenate([layers[1], oracle.hidden[j]]),
        ]
        weights.append(-weight * oracle.joint.ravel())
    found = gradient(layers, np.concatenate(weights), (np.zeros(3), np.zeros(2)))
    for own, x in zip(
        [*found.weights, *found.biases], [*params.weights, *params.biases], strict=True
    ):
        expected = np.empty_like(x)
        for place in np.ndindex(x.shape):
            kept, values = x[place], []
            for sign in (1.0, -1.0):
                x[place] = kept + sign * step
                values.append(log_likelihood())
            x[place] = kept
            expected[place] = (values[0] - values[1]) / (2 * step)
        assert_allclose(own, expected, rtol=1e-5, atol=1e-8)


def of_one_word(machine, layers, parity, stream):
    """Words given hidden units, all of them the same word."""
    if parity == ODD:
        return resample(machine, layers, parity, stream)
    n = layers[0].sum(axis=1, keepdims=True)
    one = resample(machine, [layers[0] / n, layers[1]], parity, stream)
    return [n * one[0], one[1]]


@pytest.mark.parametrize(("kernel", "right"), [(resample, True), (of_one_word, False)])
def test_gibbs_sampling_stays_with_the_machine(kernel, right):
    """5 standard errors of the moments, from exact samples of two lengths on."""
    n, params, numbers = 60_000, params_of(), draws(3)
    oracles = [Documents(params, length) for length in (2, 5)]
    pairs = [o.sample(n, np.random.default_rng(4)) for o in oracles]
    layers = [np.concatenate(parts) for parts in zip(*pairs, strict=True)]
    machine = machine_of(params)
    for _ in range(2):
        for parity in (ODD, EVEN):
            layers = kernel(machine, layers, parity, numbers)
    verdicts = []
    for index, oracle in enumerate(oracles):
        v, h = (x[index * n : (index + 1) * n] for x in layers)
        h = resample(machine, [v, None], ODD, numbers)[1]
        products, second = np.einsum("ni,nj->nij", v, h), oracle.moments()
        square = oracle.p @ oracle.visible**2
        verdicts += [
            within(products, second[0]),
            within(v, second[1]),
            within(h, second[2]),
            within(v**2, square),
        ]
        assert_array_equal(v.sum(axis=1), [2, 5][index])
    assert all(verdicts) == right


# log Z by length


def hidden_density(params, length):
    """p of all hidden states at a stage of annealing, from the definition."""
    (W,), (b, c) = params
    states = np.array(list(itertools.product([0.0, 1.0], repeat=len(c))))
    n, f = int(length), length - int(length)
    log_p = states @ c
    for index, h in enumerate(states):
        log_p[index] += n * np.log(np.exp(b + W @ h).sum())
        log_p[index] += np.log(np.exp(b + f * (W @ h)).sum())
    return states, np.exp(log_p - np.logaddexp.reduce(log_p))


class Hasty(lengths.Words):
    """A word comes in all at once."""

    def hidden(self, length, stream):
        return super().hidden(math.ceil(length), stream)


@pytest.mark.parametrize(("words", "right"), [(lengths.Words, True), (Hasty, False)])
@pytest.mark.parametrize("length", [0.4, 3.3])
def test_a_step_of_annealing_stays_at_its_stage(words, right, length):
    params, rng = params_of(scale=1.2), np.random.default_rng(1)
    states, p = hidden_density(params, length)
    h = states[rng.choice(len(p), size=100_000, p=p)]
    after = words(machine_of(params), h).hidden(length, draws())
    pairs = np.column_stack([after, after[:, :1] * after[:, 1:]])
    expected = p @ np.column_stack([states, states[:, :1] * states[:, 1:]])
    assert within(pairs, expected) == right


def test_the_density_of_a_stage():
    params = params_of()
    for length in (0.0, 0.4, 1.0, 3.3):
        states, p = hidden_density(params, length)
        found = lengths.Words(machine_of(params), states).density(length)
        log_p = found + states @ params.biases[1]
        assert_allclose(np.diff(log_p), np.diff(np.log(p)))


def test_annealing_of_all_lengths_at_once():
    machine = machine_of(params_of(20, 8, scale=0.6))
    wanted = [0.0, 0.3, 1.0, 2.5, 7.0, 30.0, 100.0]
    exact = lengths.exact(machine, wanted)
    start = lengths.settled(machine, np.zeros((3, 8)), 100.0, 200, 200, draws())
    found = lengths.annealed(machine, start, 100.0, 300, draws())
    assert found.stages[0] == 0.0
    assert found.stages[-1] == 100.0
    assert (np.diff(found.stages) > 0).all()
    for n, known in zip(wanted, exact, strict=True):
        result = found.at(n)
        assert result.lower - 1e-12 <= known.value <= result.upper + 1e-12
        assert abs(result.value - known.value) <= 5 * result.std_error + 1e-12
        assert result.std_error < 0.1


def test_a_constant_in_the_weights_is_a_bias_times_the_length():
    params = params_of()
    (W,), (b, c) = params
    constant = np.array([0.7, -0.4])
    shifted = Params((W + constant,), (b, c))
    for n in (0, 3, 6):
        (found,) = lengths.exact(machine_of(shifted), [n])
        by_length = Documents(Params((W,), (b, c + n * constant)), n)
        assert_allclose(found.value, by_length.log_z)


# The estimator

TOPICS = np.array([[8, 4, 2, 1, 0, 0, 0, 1], [0, 0, 1, 1, 6, 4, 3, 1]]) / 16


def corpus(n=400, longest=30, seed=0):
    rng = np.random.default_rng(seed)
    n_words = rng.integers(0, longest, n)
    return np.array([rng.multinomial(k, TOPICS[rng.integers(2)]) for k in n_words])


def fitted(X=None, n_components=4, **params):
    params = {"n_iter": 60, "learning_rate": 0.1, "random_state": 0, **params}
    return MultinomialRBM(n_components, **params).fit(corpus() if X is None else X)


def test_documents_of_each_length_have_probabilities_that_add_up_to_one():
    rbm = fitted()
    for n in (0, 1, 3):
        X = documents_of(n, 8)
        assert_allclose(np.exp(rbm.score_samples(X)).sum(), 1.0, rtol=1e-5)
    assert_allclose(rbm.score_samples(np.zeros((1, 8))), 0.0, atol=1e-5)
    assert rbm.log_partition().value == rbm.log_partition(n_words=rbm.n_words_).value
    assert rbm.log_partition(n_words=3).method == "exact"


def test_it_learns_topics():
    X, test = corpus(), corpus(seed=1)
    rbm = fitted(X)
    of_each = [np.exp(-p[p > 0] @ np.log(p[p > 0])) for p in TOPICS]
    share = X.sum(axis=0) / X.sum()
    independent = np.exp(-(test.sum(axis=0) @ np.log(share)) / test.sum())
    assert np.mean(of_each) < rbm.perplexity(test) < 0.85 * independent
    assert_allclose(rbm.n_words_, X.sum(axis=1).mean(), atol=0.5)
    drawn = rbm.sample(300, n_words=20, n_gibbs_steps=50, random_state=0)
    assert_array_equal(drawn.sum(axis=1), 20)
    of_first = drawn[:, :2].sum(axis=1)
    assert ((of_first > 8) | (of_first < 3)).mean() > 0.9
    assert 0.2 < (of_first > 8).mean() < 0.8


def test_perplexities():
    """Of the words in an order; of the second half given the first, word by word."""
    rbm, X = fitted(), corpus(30, seed=2).astype(np.float64)
    log_base = Multinomial().log_base(X)
    expected = np.exp(-(rbm.score_samples(X) - log_base).sum() / X.sum())
    assert_allclose(rbm.perplexity(X), expected, rtol=1e-6)
    first = np.minimum(X, 2)
    p = rbm.word_distribution(first)
    by_words = np.exp(-np.sum((X - first) * np.log(p)) / (X - first).sum())
    assert_allclose(rbm.perplexity(X - first, given=first), by_words)
    assert_allclose(rbm.perplexity(csr_matrix(X - first), given=first), by_words)
    assert by_words < rbm.perplexity(X - first, given=np.zeros_like(first))
    with pytest.raises(ValueError, match="X has no words"):
        rbm.perplexity(np.zeros((2, 8)))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        rbm.perplexity(X, given=first[:3])


def test_the_next_word_by_enumeration():
    params, v = params_of(), np.array([1.0, 0.0, 2.0])
    oracle = Documents(params, 4)
    p = []
    for word in np.eye(3):
        # Of the documents with this word more: the share in which it comes last.
        ways = (v + word) @ word / 4
        p.append(np.exp(oracle.log_p(v + word)) * ways)
    found = np.exp(lengths.log_p_of_next(machine_of(params), v[None, :]))
    assert_allclose(found[0], np.array(p) / np.sum(p))


@pytest.mark.parametrize("n_known", [1, 2])
def test_words_given_others_by_enumeration(n_known):
    """And not the words of unconditional documents with some replaced."""
    params, n = params_of(scale=1.5), 40_000
    oracle, machine = Documents(params, 5), machine_of(params)
    values = np.array([2.0, 1.0, np.nan])
    mask = np.arange(3) < n_known
    match = (oracle.visible[:, mask] == values[mask]).all(axis=1)
    expected = oracle.p[match] @ oracle.visible[match] / oracle.p[match].sum()
    known = Held(np.tile(mask, (n, 1)), np.tile(values, (n, 1)))
    start = np.tile([2.0, 1.0, 2.0], (n, 1))
    drawn = lengths.sample_documents(
        machine, start, np.full(n, 5.0), 15, draws(), known
    )
    assert_array_equal(drawn.sum(axis=1), 5)
    assert within(drawn, expected)
    unconditional = lengths.sample_documents(
        machine, start, np.full(n, 5.0), 15, draws()
    )
    assert not within(unconditional, expected)
    assert within(unconditional, oracle.moments()[1])


def test_samples_have_the_lengths_that_are_asked_for():
    rbm = fitted()
    assert_array_equal(rbm.sample(3).sum(axis=1), rbm.n_words_)
    for steps in (0, 5):
        kwargs = {"n_gibbs_steps": steps, "random_state": 0}
        drawn = rbm.sample(3, n_words=[0, 4, 50], **kwargs)
        assert_array_equal(drawn.sum(axis=1), [0, 4, 50])
        init = corpus(3)
        assert_array_equal(rbm.sample(3, init=init, **kwargs).sum(1), init.sum(1))
    given = np.where(np.arange(8) < 2, [3.0] + 7 * [0.0], np.nan)
    drawn = rbm.sample(4, given=given, n_words=9, random_state=0)
    assert_array_equal(drawn[:, :2], [[3, 0]] * 4)
    assert_array_equal(drawn.sum(axis=1), 9)
    with pytest.raises(ValueError, match="more than n_words, 2: raise n_words"):
        rbm.sample(given=given, n_words=2)
    with pytest.raises(ValueError, match="mark with NaN what is free"):
        rbm.sample(given=np.ones(8), n_words=9)
    with pytest.raises(ValueError, match="n_words must be a number of words, or one"):
        rbm.sample(3, n_words=[1, 2])
    with pytest.raises(ValueError, match="Negative values in data passed to init"):
        rbm.sample(init=-np.ones(8))


def test_rows_go_and_come_back_with_their_length():
    rbm, X = fitted(), corpus(5)
    for rows in (rbm.reconstruct(X), rbm.gibbs(X), rbm.reconstruct(X, 3)):
        assert_allclose(rows.sum(axis=1), X.sum(axis=1), rtol=1e-5)
    down = rbm.inverse_transform(rbm.transform(X))
    assert_allclose(down.sum(axis=1), rbm.n_words_, rtol=1e-5)


def test_log_z_of_many_hidden_units_is_annealed():
    """The same values for any subset of the documents, near to the exact ones."""
    X = corpus()
    rbm = fitted(X, n_components=6, n_iter=20, learning_rate=0.02)
    exact = rbm.score_samples(X)
    rbm.log_partition("ais", n_words=rbm.n_words_, n_betas=200)
    rbm.log_partition("ais", n_words=float(X.sum(axis=1).max()), n_betas=400)
    rbm._log_partitions = {
        k: {name: x for name, x in v.items() if not name.startswith("exact")}
        for k, v in rbm._log_partitions.items()
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skebm.core.partition.MAX_EXACT_STATES", 2)
        found = rbm.score_samples(X)
        assert_array_equal(rbm.score_samples(X[::-1]), found[::-1])
        assert_array_equal(rbm.score_samples(X[7:9]), found[7:9])
    assert_allclose(found, exact, atol=0.5)
    assert not np.array_equal(found, exact)
    with pytest.raises(ValueError, match=r"This machine has 25 hidden units"):
        fitted(n_components=25, n_iter=0).log_partition("exact")


def test_a_wide_bracket_is_told_of():
    rbm = fitted(n_components=25, n_iter=2, learning_rate=1.0)
    with pytest.warns(ConvergenceWarning, match="documents of .* words is uncertain"):
        rbm.log_partition(n_words=2000, n_betas=2)


def test_a_word_that_is_split_in_two_changes_nothing():
    """Two spellings of a word: half of its probability each, and the same weights."""
    rbm, X = fitted(), corpus(50, seed=3).astype(np.float64)
    split = clone(rbm).set_params(n_iter=0).fit(np.column_stack([X, X[:, 0]]))
    W, b = rbm.components_, rbm.intercept_visible_.copy()
    b[0] -= np.log(2)
    split.components_ = np.column_stack([W, W[:, 0]]).astype(np.float64)
    split.intercept_visible_ = np.append(b, b[0]).astype(np.float64)
    split.intercept_hidden_ = rbm.intercept_hidden_.astype(np.float64)
    rng = np.random.default_rng(0)
    part = rng.binomial(X[:, 0].astype(int), 0.5)
    other = np.column_stack([X, part])
    other[:, 0] -= part
    assert_allclose(split.transform(other), rbm.transform(X), rtol=1e-5)
    n_split = X[:, 0].sum()
    expected = rbm.perplexity(X) * 2 ** (n_split / X.sum())
    assert_allclose(split.perplexity(other), expected, rtol=1e-5)
    assert_allclose(
        split.log_partition(n_words=9).value, rbm.log_partition(n_words=9).value
    )


def test_sparse_rows_are_the_same_rows():
    X = corpus()
    one = fitted(X.astype(np.float32), n_iter=5)
    for container in (csr_matrix, csr_array):
        other = fitted(container(X.astype(np.float32)), n_iter=5)
        assert_array_equal(one.components_, other.components_)
        rows = container(X[:9])
        assert_allclose(one.score_samples(X[:9]), other.score_samples(rows), rtol=1e-5)


@pytest.mark.parametrize("make", [MultinomialRBM, DBN], ids=["rbm", "dbn"])
def test_sparse_rows_are_never_all_dense(make):
    """Neither in a fit nor in a query: 20,000 x 1,000 counts in float32 are 80 MB."""
    X = sparse_counts(20_000, 1_000, density=0.002, random_state=0, dtype=np.float32)
    X.data = np.ceil(3 * X.data)
    model = MultinomialRBM(4, n_iter=1, random_state=0)
    if make is DBN:
        model = DBN((4, 3), rbm=[model, BernoulliRBM(n_iter=1)], random_state=0)
    tracemalloc.start()
    model.fit(X)
    model.transform(X)
    if make is MultinomialRBM:
        model.score_samples(X)
        model.perplexity(X, given=X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A block of 1024 rows is 4 MB in float32, and some of these are made at a time.
    assert peak < 40e6


def test_a_row_of_weight_two_is_the_row_twice():
    X = corpus(30)
    weights = np.random.default_rng(0).integers(0, 3, 30)
    one = MultinomialRBM(5, batch_size=100, n_iter=5, random_state=0)
    repeated = np.repeat(X, weights, axis=0)
    other = clone(one).fit(repeated[::-1])
    one.fit(X, sample_weight=weights)
    assert one.n_words_ == other.n_words_
    assert_allclose(one.components_, other.components_, rtol=1e-5, atol=1e-6)
    assert_allclose(one.intercept_visible_, other.intercept_visible_, rtol=1e-5)


def test_words_of_the_units():
    texts = ["cat dog cat cat", "dog cat dog", "bond stock", "stock bond bond"] * 30
    words = CountVectorizer().fit(texts)
    X = words.transform(texts)
    rbm = fitted(X, n_components=2, n_iter=200)
    found = rbm.top_words(2, words.get_feature_names_out())
    assert {frozenset(row) for row in found} <= {
        frozenset({"cat", "dog"}),
        frozenset({"bond", "stock"}),
    }
    assert rbm.top_words(9).shape == (2, 4)
    assert rbm.top_words(1)[0, 0] in {"x0", "x1", "x2", "x3"}
    weights = rbm.components_ - rbm.components_.mean(axis=0)
    assert rbm.top_words(1)[1, 0] == f"x{weights[1].argmax()}"
    with pytest.raises(ValueError, match="input_features should have length"):
        rbm.top_words(2, ["one", "two"])


@pytest.mark.parametrize("n_components", [4, 14])
def test_early_stopping_on_documents_of_all_lengths(n_components):
    """Exactly for a few hidden units, by annealing for more."""
    rbm = fitted(n_components=n_components, early_stopping=True, n_iter=20)
    curve = np.array(rbm.history_["validation_log_likelihood"])
    untrained = fitted(n_iter=0, n_components=4).score(corpus())
    assert untrained + 2.0 < np.nanmax(curve) < 0.0
    assert abs(rbm.score(corpus()) - np.nanmax(curve)) < 1.5


def test_training_goes_on():
    X = corpus()
    rbm = fitted(X, n_iter=0)
    before = rbm.perplexity(X)
    for _ in range(30):
        rbm.partial_fit(X)
    assert rbm.perplexity(X) < 0.9 * before
    kept = rbm.n_words_
    rbm.partial_fit(10 * X)
    assert rbm.n_words_ == kept


def test_in_stacks_and_networks():
    X = corpus()
    y = X[:, :2].sum(axis=1) > X[:, 4:6].sum(axis=1)
    layers = [MultinomialRBM(n_iter=30, learning_rate=0.1), BernoulliRBM(n_iter=10)]
    dbn = DBN((6, 4), rbm=layers, up_down_iter=1, random_state=0).fit(X)
    small = documents_of(2, 8)
    assert np.exp(dbn.score_samples(small)).sum() < 1.0 + 1e-3
    assert dbn.score(X) > fitted(X, n_iter=0).score(X)
    assert_array_equal(dbn.sample(3, n_gibbs_steps=9).sum(1), dbn.rbms_[0].n_words_)
    alone = DBN((6,), rbm=layers[:1], random_state=0).fit(X)
    assert_allclose(np.exp(alone.score_samples(small)).sum(), 1.0, rtol=1e-5)
    with pytest.raises(ValueError, match="takes complete rows"):
        dbn.impute(np.where(X > 3, np.nan, X))
    net = DBNClassifier(
        (6, 4), rbm=layers, solver="lbfgs", max_iter=300, tol=1e-3, random_state=0
    )
    assert net.fit(X, y).score(X, y) > 0.95
    with pytest.raises(ValueError, match="cannot be those of MultinomialRBM"):
        DBM((6, 4), rbm=layers).fit(X)


def test_what_makes_no_sense_is_an_error():
    X = corpus()
    with pytest.raises(ValueError, match="Negative values in data passed to X"):
        fitted(-X)
    with pytest.raises(ValueError, match="takes complete rows"):
        fitted(np.where(X > 3, np.nan, X))
    rbm = fitted(n_iter=1)
    with pytest.raises(ValueError, match="takes complete rows"):
        rbm.transform(np.where(X > 3, np.nan, X))
    with pytest.raises(AttributeError, match="has no impute: a document of which"):
        rbm.impute(X)
    with pytest.raises(ValueError, match="needs units with two alternative values"):
        rbm.pseudo_log_likelihood(X)
    with pytest.raises(FloatingPointError, match=r"Lower learning_rate.*far longer"):
        fitted(learning_rate=1e60)


def test_weighted_counts_are_interpolated():
    X = corpus() * 0.7
    rbm = fitted(X)
    assert np.isfinite(rbm.score_samples(X)).all()
    assert rbm.perplexity(X) < 7.5
    assert_allclose(rbm.gibbs(X[:9]).sum(axis=1), X[:9].sum(axis=1), rtol=1e-5)


def test_documents_without_words():
    rbm = MultinomialRBM(3, n_iter=3, random_state=0).fit(np.zeros((30, 4)))
    assert rbm.n_words_ == 1.0
    assert_allclose(rbm.score_samples(np.zeros((2, 4))), 0.0, atol=1e-5)
    h = 1 / (1 + np.exp(-rbm.intercept_hidden_))
    assert_allclose(rbm.transform(np.zeros((1, 4)))[0], h, rtol=1e-5)


def test_numbers_that_are_no_counts_are_refused():
    """Each word is drawn by itself: so many would take all memory."""
    X = np.random.default_rng(0).poisson(2.0, (40, 5)) + 1.0
    bad = X.copy()
    bad[3, 2] = 9.96921e36  # what netCDF fills gaps with
    machine = MultinomialRBM(3, n_iter=2, random_state=0).fit(X)
    before = machine.components_.copy()
    for call in (machine.fit, machine.partial_fit, machine.transform):
        with pytest.raises(ValueError, match=r"counts of words, but holds 9\.96921e"):
            call(bad)
    assert_array_equal(machine.components_, before)
