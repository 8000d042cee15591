"""Categorical visible units: by sums over all categories and all hidden states."""

import itertools
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV

from skebm import DBM, DBN, BernoulliRBM, CategoricalRBM, DBNClassifier
from skebm.core import partition, tempering
from skebm.core.categorical import Categorical, Groups
from skebm.core.machine import (
    EVEN,
    ODD,
    Machine,
    Params,
    free_energy,
    gradient,
    resample,
    to_means,
)
from skebm.core.streams import Purpose, stream
from skebm.core.units import Bernoulli, Tied

SIZES = (3, 2, 1, 4)


def draws(seed=0):
    return stream(seed, Purpose.SAMPLE, np.zeros(1))


def one_hot(codes, sizes=SIZES):
    """By its definition, column after column."""
    parts = [np.eye(n)[codes[:, i]] for i, n in enumerate(sizes)]
    return np.concatenate(parts, axis=1)


def params_of(n_visible=10, n_hidden=3, seed=0):
    rng = np.random.default_rng(seed)
    W = 0.8 * rng.normal(size=(n_visible, n_hidden))
    return Params((W,), (rng.normal(size=n_visible), rng.normal(size=n_hidden)))


class Oracle:
    """Every pair of codes and hidden units, with its probability."""

    def __init__(self, params, sizes=SIZES):
        (W,), (b, c) = params
        self.codes = np.array(list(itertools.product(*(range(n) for n in sizes))))
        self.hidden = np.array(list(itertools.product([0.0, 1.0], repeat=len(c))))
        self.x = one_hot(self.codes, sizes)
        log_p = (self.x @ b)[:, None] + self.hidden @ c + self.x @ W @ self.hidden.T
        self.log_z = np.logaddexp.reduce(log_p.ravel())
        self.p = np.exp(log_p - self.log_z)

    def log_p(self, x):
        """Of one-hot rows."""
        found = np.log(self.p.sum(axis=1))
        return np.array([found[(self.x == row).all(axis=1)][0] for row in x])


@pytest.fixture
def params():
    return params_of()


@pytest.fixture
def machine(params):
    return Machine((Categorical(SIZES), Bernoulli()), params)


@pytest.fixture
def oracle(params):
    return Oracle(params)


@pytest.mark.parametrize("sizes", [(3, 2, 1, 4), (3, 3), (1,)])
def test_groups_are_split_and_joined(sizes):
    groups, x = Groups(sizes), np.arange(2.0 * sum(sizes)).reshape(2, -1)
    split = groups.split(x, -1.0)
    assert split.shape == (2, len(sizes), max(sizes))
    first = 0
    for index, n in enumerate(sizes):
        assert_array_equal(split[:, index, :n], x[:, first : first + n])
        assert (split[:, index, n:] == -1.0).all()
        first += n
    assert_array_equal(groups.joined(split), x)


def test_the_law(machine, oracle, params):
    (W,), (b, _) = params
    h = oracle.hidden
    kind, a = machine.units[0], b + h @ W.T
    given_h = (oracle.p / oracle.p.sum(axis=0)).T
    mean = given_h @ oracle.x
    assert_allclose(kind.mean(a), mean)
    assert_allclose(kind.log_partition(a), np.logaddexp.reduce(a @ oracle.x.T, axis=1))
    assert_allclose(kind.variance(mean), given_h @ oracle.x**2 - mean**2)
    entropy = -np.sum(given_h * np.log(given_h), axis=1)
    assert_allclose(kind.entropy(mean), entropy)
    assert_allclose(kind.mean(kind.natural(mean)), mean)
    assert_array_equal(kind.log_base(oracle.x), 0.0)
    states = kind.states(np.arange(24), 10, b)
    assert {tuple(s) for s in states} == {tuple(x) for x in oracle.x}


def test_log_z_by_both_sides_free_energy_and_annealing(oracle, machine, params):
    assert partition.smaller_side(machine).n_states == 8
    assert_allclose(partition.exact(machine).value, oracle.log_z)
    wide = params_of(n_hidden=6)
    wide_machine = Machine(machine.units, wide)
    assert partition.smaller_side(wide_machine).parity == EVEN
    assert_allclose(partition.exact(wide_machine).value, Oracle(wide).log_z)
    found = -free_energy(machine, [oracle.x, None]) - oracle.log_z
    assert_allclose(found, oracle.log_p(oracle.x))
    base = tempering.base_biases(machine.units, params, oracle.p.sum(1) @ oracle.x)
    rows = np.random.default_rng(0).choice(24, size=200, p=oracle.p.sum(axis=1))
    annealed = partition.annealed(machine, base, [oracle.x[rows], None], 300, draws())
    assert annealed.lower <= oracle.log_z <= annealed.upper
    assert annealed.upper - annealed.lower < 1.0


def test_gradient_by_finite_differences(machine, oracle, params):
    rng, step = np.random.default_rng(0), 1e-6
    weights = rng.dirichlet(np.ones(6))
    x = oracle.x[rng.integers(24, size=6)]
    up = to_means(machine, [np.concatenate([x, oracle.x]), None], ODD)
    row_weights = np.concatenate([weights, -oracle.p.sum(axis=1)])
    found = gradient(up, row_weights, (np.zeros(10), np.zeros(3)))
    arrays = (*params.weights, *params.biases)
    for array, own in zip(arrays, (*found.weights, *found.biases), strict=True):
        expected = np.empty_like(array)
        for place in np.ndindex(array.shape):
            kept, values = array[place], []
            for sign in (1.0, -1.0):
                array[place] = kept + sign * step
                values.append(weights @ Oracle(params).log_p(x))
            array[place] = kept
            expected[place] = (values[0] - values[1]) / (2 * step)
        assert_allclose(own, expected, rtol=1e-5, atol=1e-8)


def one_by_one(machine, layers, parity, stream):
    """As if the units of a column were independent of each other."""
    if parity == ODD:
        return resample(machine, layers, parity, stream)
    return resample(
        machine._replace(units=(Bernoulli(), Bernoulli())), layers, parity, stream
    )


@pytest.mark.parametrize(("kernel", "right"), [(resample, True), (one_by_one, False)])
def test_gibbs_sampling_stays_with_the_machine(kernel, right, machine, oracle):
    """5 standard errors of all first and second moments, from exact samples on."""
    n, rng, numbers = 50_000, np.random.default_rng(1), draws(3)
    picked = rng.choice(oracle.p.size, size=n, p=oracle.p.ravel())
    layers = [oracle.x[picked // 8], oracle.hidden[picked % 8]]
    for _ in range(3):
        for parity in (ODD, EVEN):
            layers = kernel(machine, layers, parity, numbers)
    expected = np.einsum("n,ni,nj->ij", oracle.p.sum(axis=1), oracle.x, oracle.x)
    products = np.einsum("ni,nj->nij", layers[0], layers[0])
    error = np.sqrt(np.maximum(expected * (1 - expected), 0.0) / n) + 1e-9
    off = np.abs(products.mean(axis=0) - expected) / error
    assert (off < 5).all() == right


@pytest.mark.parametrize("n_copies", [2, 3])
def test_sums_of_copies(n_copies):
    """Copies one by one, each with its own categories, and one total input."""
    sizes, rng = (3, 2), np.random.default_rng(0)
    kind, a = Tied(Categorical(sizes), n_copies), rng.normal(size=5)
    codes = list(itertools.product(*(range(n) for n in sizes)))
    singles = one_hot(np.array(codes), sizes)
    sums = [sum(copies) for copies in itertools.product(singles, repeat=n_copies)]
    expected = np.logaddexp.reduce(np.array(sums) @ a)
    assert_allclose(kind.log_partition(a[None, :]), expected)
    states = kind.states(np.arange(kind.n_states(5)), 5, a)
    assert {tuple(x) for x in states} == {tuple(x) for x in sums}
    assert len(np.unique(states, axis=0)) == len(states)
    assert_allclose(np.logaddexp.reduce(states @ a + kind.log_base(states)), expected)


def test_border():
    kind = Categorical(SIZES)
    codes = np.array([[2.0, 0.0, 0.0, 3.0], [0.0, np.nan, 0.0, 1.0]])
    states = kind.encode(codes)
    assert_array_equal(states[0], one_hot(codes[:1].astype(int))[0])
    assert np.isnan(states[1, 3:5]).all()
    assert np.isfinite(states[1, [0, 5, 9]]).all()
    assert_array_equal(kind.decode(states[:1]), codes[:1])
    assert_array_equal(kind.decode(0.1 + 0.3 * states[:1]), codes[:1])
    fitted = Categorical(least=[1, 5, 1, 1]).fitted(codes, np.ones(2))
    assert_array_equal(fitted.groups.sizes, [3, 5, 1, 4])
    assert_array_equal(fitted.restored(kind.saved()).groups.sizes, SIZES)


def test_names_of_categories_do_not_matter(params):
    """The categories of the first column in another order: the same probabilities."""
    order = np.array([2, 0, 1])
    units = np.concatenate([order, np.arange(3, 10)])
    (W,), (b, c) = params
    other = Oracle(Params((W[units],), (b[units], c)))
    one = Oracle(params)
    codes = one.codes.copy()
    codes[:, 0] = np.argsort(order)[codes[:, 0]]
    assert_allclose(one.log_p(one.x), other.log_p(one_hot(codes)))
    machine = Machine((Categorical(SIZES), Bernoulli()), params)
    permuted = Machine(machine.units, Params((W[units],), (b[units], c)))
    assert_allclose(
        free_energy(machine, [one.x, None]),
        free_energy(permuted, [one_hot(codes), None]),
    )


# The estimator


def table(n=300, seed=0):
    """Fruits: shape and colour follow from the sort, and the last column is alike."""
    rng = np.random.default_rng(seed)
    sorts = np.array(
        [
            ["apple", "round", "red"],
            ["pear", "long", "green"],
            ["plum", "round", "blue"],
        ]
    )
    X = sorts[rng.integers(3, size=n)].astype(object)
    X[rng.random(n) < 0.1, 2] = "yellow"
    return np.column_stack([X, np.full(n, "fruit", dtype=object)])


def fitted(X=None, **params):
    rbm = CategoricalRBM(6, **{"n_iter": 60, "random_state": 0, **params})
    return rbm.fit(table() if X is None else X)


def test_text_in_text_out():
    X = table()
    rbm = fitted()
    assert [list(c) for c in rbm.categories_] == [
        ["apple", "pear", "plum"],
        ["long", "round"],
        ["blue", "green", "red", "yellow"],
        ["fruit"],
    ]
    assert rbm.components_.shape == (6, 10)
    assert rbm.transform(X).shape == (300, 6)
    drawn = rbm.sample(300, random_state=0)
    assert set(drawn[:, 0]) == {"apple", "pear", "plum"}
    agree = np.mean((drawn[:, 0] == "pear") == (drawn[:, 1] == "long"))
    assert agree > 0.9
    given = rbm.sample(50, given=["pear", None, None, None], random_state=0)
    assert (given[:, 0] == "pear").all()
    assert np.mean(given[:, 1] == "long") > 0.9
    gaps = np.array([["pear", None, None, None], [None, None, "blue", None]], object)
    filled = rbm.impute(gaps, random_state=0)
    assert_array_equal(filled[0], ["pear", "long", "green", "fruit"])
    assert_array_equal(filled[1], ["plum", "round", "blue", "fruit"])
    assert np.mean(rbm.reconstruct(X)[:, 0] == X[:, 0]) > 0.95
    assert_array_equal(rbm.gibbs(X).shape, X.shape)
    independent = -sum(
        np.sum(p * np.log(p))
        for p in (np.unique(c, return_counts=True)[1] / 300 for c in X.T.astype(str))
    )
    assert rbm.score(X) > -independent + 0.8
    again = pickle.loads(pickle.dumps(rbm))
    assert_array_equal(again.score_samples(X), rbm.score_samples(X))


def test_scores_are_probabilities_of_rows():
    X = table()
    rbm = fitted(n_iter=5)
    every = np.array(list(itertools.product(*rbm.categories_)), dtype=object)
    assert_allclose(np.exp(rbm.score_samples(every)).sum(), 1.0, rtol=1e-4)
    assert_allclose(rbm.score_samples(X), rbm.score_samples(X[::-1])[::-1])


def test_integers_frames_and_text_are_the_same_data():
    pd = pytest.importorskip("pandas")
    X = table()
    one = fitted()
    codes = one._reader.numbers(X).astype(int)
    other = fitted(codes)
    assert_array_equal(one.components_, other.components_)
    assert other.sample(5, random_state=0).dtype == codes.dtype
    frame = pd.DataFrame(X, columns=["sort", "shape", "colour", "what"])
    frame = frame.astype({"sort": "category"})
    framed = fitted(frame)
    assert_array_equal(one.components_, framed.components_)
    drawn = framed.sample(5, random_state=0)
    assert list(drawn.columns) == list(frame.columns)
    assert (drawn.dtypes == frame.dtypes).all()
    assert_array_equal(drawn.to_numpy(), one.sample(5, random_state=0))


def test_an_unseen_category_is_an_error_that_names_it():
    pd = pytest.importorskip("pandas")
    rbm, X = fitted(n_iter=1), table()
    X[7, 2] = "pink"
    with pytest.raises(ValueError, match="Column 2 of X has the value 'pink' in row 7"):
        rbm.transform(X)
    kept = rbm.components_.copy()
    with pytest.raises(ValueError, match="'blue', 'green', 'red', 'yellow'"):
        rbm.partial_fit(X)
    assert_array_equal(rbm.components_, kept)
    frame = pd.DataFrame(table(), columns=["sort", "shape", "colour", "what"])
    rbm.fit(frame)
    with pytest.raises(ValueError, match="Column 'shape' of X has the value 'square'"):
        rbm.score_samples(frame.assign(shape="square"))
    colours = pd.CategoricalDtype(["blue", "green", "red", "yellow", "pink"])
    rbm.fit(frame.astype({"colour": colours}))
    assert np.isfinite(
        rbm.score(frame.assign(colour="pink").astype({"colour": colours}))
    )


def test_min_categories():
    X = np.random.default_rng(0).integers(0, 3, (60, 4))
    rbm = CategoricalRBM(3, min_categories=5, n_iter=3, random_state=0).fit(X)
    assert rbm.components_.shape == (3, 20)
    X[0] = 4
    assert np.isfinite(rbm.score(X))
    rbm = CategoricalRBM(3, min_categories=2).fit(np.where(X == 4, 7, X))
    assert_array_equal(rbm.categories_[0], [0, 1, 2, 7])


def test_numbers_that_are_not_whole_are_rounded_with_a_warning():
    X = np.array([[0.1, 1.0], [1.2, 0.0]] * 20)
    with pytest.warns(UserWarning, match="Column 0 of X .* not whole"):
        rbm = CategoricalRBM(2, random_state=0).fit(X)
    assert_array_equal(rbm.categories_[0], [0.0, 1.0])


def test_gaps_in_a_fit_early_stopping_and_grid_search():
    X = table()
    gaps = np.where(np.random.default_rng(1).random(X.shape) < 0.2, None, X)
    rbm = fitted(gaps)
    filled = rbm.impute(gaps, random_state=0)
    missing = np.equal(gaps, None)
    assert np.mean(filled[missing] == X[missing]) > 0.75
    stopped = fitted(early_stopping=True)
    curve = np.array(stopped.history_["validation_log_likelihood"])
    assert np.nanmax(curve) > curve[np.isfinite(curve)][0] + 0.5
    search = GridSearchCV(fitted(n_iter=5), {"n_components": [1, 6]}, cv=2)
    assert np.isfinite(search.fit(X).best_score_)


def test_in_stacks_and_networks():
    X = table()
    y = X[:, 0].copy()
    X[:, 0] = "one"
    layers = [CategoricalRBM(n_iter=40), BernoulliRBM(n_iter=10)]
    dbn = DBN((8, 4), rbm=layers, random_state=0).fit(X)
    assert set(dbn.sample(50, n_gibbs_steps=50, random_state=0)[:, 1]) == {
        "round",
        "long",
    }
    assert np.mean(dbn.reconstruct(X) == X) > 0.7
    gaps = np.array([["one", "long", None, "fruit"]] * 5, dtype=object)
    assert dbn.impute(gaps, random_state=0)[0, 2] == "green"
    assert DBN((8,), rbm=layers[:1], random_state=0).fit(X).sample(3).shape == (3, 4)
    dbm = DBM((8, 4), rbm=layers, n_iter=20, random_state=0).fit(X)
    assert dbm.score(X) > -3.0
    assert dbm.impute(gaps, random_state=0)[0, 2] == "green"
    lbfgs = {"max_iter": 300, "tol": 1e-2, "solver": "lbfgs", "random_state": 0}
    net = DBNClassifier((8, 4), rbm=layers, **lbfgs)
    assert net.fit(X, y).score(X, y) > 0.85
    assert net.components_.shape == (8, 8)
    assert net.dbn_.sample(2).shape == (2, 4)
    given = DBNClassifier(dbn=dbn, **lbfgs).fit(X, y)
    assert_array_equal(given.predict(X[:3]).shape, (3,))
    with pytest.raises(ValueError, match=r"others in the fit.*as rbm and"):
        dbm.set_params(rbm=None).score_samples(X)
