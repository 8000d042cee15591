"""Tables with columns of several kinds: by sums over codes, and quadrature of reals."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import trapezoid
from sklearn.compose import make_column_selector

from skebm import DBM, DBN, BernoulliRBM, DBNClassifier, MixedRBM
from skebm.core import partition
from skebm.core.categorical import Categorical
from skebm.core.gaussian import Gaussian
from skebm.core.machine import EVEN, ODD, Machine, Params, free_energy, resample
from skebm.core.mixed import SideBySide
from skebm.core.streams import Purpose, stream
from skebm.core.units import Bernoulli, Tied

pd = pytest.importorskip("pandas")

# Two binary columns, a real one, and one of three categories, mixed up.
KIND = SideBySide(
    [Bernoulli(), Gaussian(), Categorical([3])], [np.array([1, 3]), [0], [2]]
)


def draws(seed=0):
    return stream(seed, Purpose.SAMPLE, np.zeros(1))


class Oracle:
    """Given each hidden state, independent columns: their weights by definition."""

    def __init__(self, seed=0, n_hidden=3):
        rng = np.random.default_rng(seed)
        W, b, c = rng.normal(size=(6, n_hidden)), rng.normal(size=6), rng.normal(size=3)
        self.params = Params((W,), (b, c))
        self.hidden = np.array(list(itertools.product([0.0, 1.0], repeat=n_hidden)))
        a = b + self.hidden @ W.T
        self.a = a
        self.grid = np.linspace(-15.0, 15.0, 3001)
        normal = np.exp(-(self.grid**2) / 2) / np.sqrt(2 * np.pi)
        real = trapezoid(np.exp(a[:, 2:3] * self.grid) * normal, self.grid, axis=1)
        weight = (1 + np.exp(a[:, 0])) * (1 + np.exp(a[:, 1])) * real
        weight *= np.exp(a[:, 3:]).sum(axis=1) * np.exp(self.hidden @ c)
        self.z = weight.sum()
        self.p = weight / self.z
        softmax = np.exp(a[:, 3:]) / np.exp(a[:, 3:]).sum(axis=1, keepdims=True)
        logistic = 1 / (1 + np.exp(-a[:, :2]))
        self.means = np.concatenate([logistic, a[:, 2:3], softmax], axis=1)

    def log_p(self, states):
        (_,), (_, c) = self.params
        base = -0.5 * states[:, 2] ** 2 - 0.5 * np.log(2 * np.pi)
        joint = states @ self.a.T + self.hidden @ c + base[:, None]
        return np.logaddexp.reduce(joint, axis=1) - np.log(self.z)

    def sample(self, n, rng):
        picked = rng.choice(len(self.p), size=n, p=self.p)
        means = self.means[picked]
        binary = (rng.random((n, 2)) < means[:, :2]).astype(float)
        real = means[:, 2:3] + rng.normal(size=(n, 1))
        chosen = (rng.random((n, 1)) > np.cumsum(means[:, 3:], axis=1)).sum(axis=1)
        return np.concatenate([binary, real, np.eye(3)[chosen]], axis=1)


def test_log_z_density_and_means():
    oracle = Oracle()
    machine = Machine((KIND, Bernoulli()), oracle.params)
    assert_allclose(partition.exact(machine).value, np.log(oracle.z))
    states = oracle.sample(20, np.random.default_rng(1))
    found = -free_energy(machine, [states, None]) - np.log(oracle.z)
    assert_allclose(found, oracle.log_p(states))
    assert_allclose(KIND.mean(oracle.a), oracle.means)
    parts = [Bernoulli(), Gaussian(), Categorical([3])]
    cuts = [oracle.means[:, :2], oracle.means[:, 2:3], oracle.means[:, 3:]]
    entropy = sum(k.entropy(m) for k, m in zip(parts, cuts, strict=True))
    assert_allclose(KIND.entropy(oracle.means), entropy)
    doubled = Tied(KIND, 2)
    assert_allclose(doubled.log_partition(oracle.a), 2 * KIND.log_partition(oracle.a))
    assert doubled.log_base(2 * states).shape == (20,)


def swapped(machine, layers, parity, stream):
    """Columns in the wrong order."""
    layers = resample(machine, layers, parity, stream)
    return [layers[0][:, [1, 0, 2, 3, 4, 5]], layers[1]] if parity == EVEN else layers


@pytest.mark.parametrize(("kernel", "right"), [(resample, True), (swapped, False)])
def test_gibbs_sampling_stays_with_the_machine(kernel, right):
    """5 standard errors of the means, from exact samples on."""
    n, oracle, numbers = 50_000, Oracle(), draws(5)
    machine = Machine((KIND, Bernoulli()), oracle.params)
    layers = [oracle.sample(n, np.random.default_rng(2)), None]
    for _ in range(3):
        for parity in (ODD, EVEN):
            layers = kernel(machine, layers, parity, numbers)
    off = layers[0].mean(axis=0) - oracle.p @ oracle.means
    error = layers[0].std(axis=0) / np.sqrt(n)
    assert (np.abs(off / error) < 5).all() == right


def test_border():
    rows = np.array([[0.5, 1.0, 2.0, 0.0], [np.nan, 0.0, np.nan, 1.0]])
    states = KIND.encode(rows)
    assert_array_equal(states[0], [1.0, 0.0, 0.5, 0.0, 0.0, 1.0])
    assert_array_equal(np.isnan(states[1]), [False, False, True, True, True, True])
    assert_array_equal(KIND.decode(states[:1]), rows[:1])
    fitted = SideBySide(
        [Bernoulli(), Gaussian(learns=True), Categorical()], KIND.columns
    ).fitted(rows * [3.0, 1.0, 1.0, 1.0] + [7.0, 0, 0, 0], np.ones(2))
    assert_allclose(fitted.kinds[1].location, [8.5])
    assert fitted.n_units(4) == 6
    again = fitted.restored(fitted.saved())
    assert_array_equal(again.encode(rows), fitted.encode(rows))
    before = fitted.kinds[1].scale.copy()
    trained = fitted.trainable()
    trained.learn(np.full((2, 6), 3.0), np.zeros((2, 6)), np.ones(2) / 2, 0.01)
    assert trained.kinds[1].scale > before
    assert_array_equal(fitted.kinds[1].scale, before)


# The estimator


def animals(n=400, seed=0):
    """Kind, weight in kg, whether it flies, legs, and the age as a whole number."""
    rng = np.random.default_rng(seed)
    sort = rng.integers(3, size=n)
    weight = np.array([4.0, 0.3, 500.0])[sort] * np.exp(0.1 * rng.normal(size=n))
    return pd.DataFrame(
        {
            "sort": pd.Categorical(np.array(["cat", "bird", "horse"])[sort]),
            "log_weight": np.log(weight),
            "flies": sort == 1,
            "legs": np.where(sort == 1, 2, 4),
            "age": rng.integers(1, 12, size=n),
        }
    )


def fitted(X=None, **params):
    params = {"n_iter": 100, "learning_rate": 0.05, "random_state": 0, **params}
    return MixedRBM(12, **params).fit(animals() if X is None else X)


def test_a_data_frame_comes_back_as_it_was():
    X = animals()
    rbm = fitted()
    kinds = ["categorical", "gaussian", "bernoulli", "bernoulli", "gaussian"]
    assert rbm.kinds_ == kinds
    assert rbm.components_.shape == (12, 2 + 2 + 3)
    drawn = rbm.sample(200, random_state=0)
    assert list(drawn.columns) == list(X.columns)
    assert (drawn.dtypes == X.dtypes).all()
    assert set(drawn["legs"]) == {2, 4}
    assert np.mean((drawn["sort"] == "bird") == drawn["flies"]) > 0.9
    birds = drawn["sort"] == "bird"
    assert drawn["log_weight"][birds].mean() < 0 < drawn["log_weight"][~birds].mean()
    given = pd.DataFrame([["horse", np.nan, None, None, np.nan]], columns=X.columns)
    drawn = rbm.sample(50, given=given, random_state=0)
    assert (drawn["sort"] == "horse").all()
    assert abs(drawn["log_weight"].median() - np.log(500)) < 0.5
    assert drawn["legs"].mean() > 3.7


def test_gaps_in_all_columns_are_filled():
    X = animals()
    missing = np.random.default_rng(3).random(X.shape) < 0.15
    gaps = X.astype({"flies": "boolean", "legs": "Int64"}).mask(missing)
    rbm = fitted(gaps)
    filled = rbm.impute(gaps, random_state=0)
    assert not filled.isna().any().any()
    assert filled["flies"].dtype == "boolean"
    seen = ~missing
    for index, name in enumerate(X):
        here = seen[:, index]
        assert (filled[name][here] == X[name][here]).all()
        right = np.mean(filled[name][~here] == X[name][~here])
        if name in ("sort", "flies", "legs"):
            assert right > 0.75
    off = (filled["log_weight"] - X["log_weight"])[missing[:, 1]]
    assert np.sqrt(np.mean(off**2)) < 0.5 * X["log_weight"].std()


def test_the_density_is_in_the_units_of_the_user():
    """The weight in other units: its density changes by the factor, and no other."""
    X = animals()
    other = X.assign(log_weight=1000.0 * X["log_weight"] + 3.0)
    one, scaled = fitted(n_iter=20), fitted(other, n_iter=20)
    found = one.score_samples(X) - np.log(1000.0)
    assert_allclose(found, scaled.score_samples(other), atol=1e-4)
    grid = np.linspace(-40.0, 60.0, 2001)
    rbm = fitted(X[["sort", "log_weight"]], n_iter=20)
    total = 0.0
    for sort in ("cat", "bird", "horse"):
        rows = pd.DataFrame(
            {"sort": pd.Categorical([sort] * 2001, X["sort"].cat.categories)}
        ).assign(log_weight=grid)
        total += trapezoid(np.exp(rbm.score_samples(rows)), grid)
    assert_allclose(total, 1.0, rtol=1e-4)


def test_columns_are_named_as_for_a_column_transformer():
    X = animals()
    named = [
        ("categorical", ["legs", "age"]),
        ("gaussian", make_column_selector("log")),
    ]
    rbm = fitted(X, columns=named, n_iter=1, min_categories=20)
    kinds = ["categorical", "gaussian", "bernoulli", "categorical", "categorical"]
    assert rbm.kinds_ == kinds
    assert len(rbm.categories_[4]) == 20
    array = fitted(X.to_numpy(), columns=[("gaussian", [1, 4])], n_iter=1)
    assert array.kinds_ == ["categorical", *kinds[1:3], "bernoulli", "gaussian"]
    assert array.sample(2).dtype == object
    with pytest.raises(ValueError, match="names column 4 twice"):
        fitted(X, columns=[("gaussian", ["age"]), ("categorical", [4])])
    with pytest.raises(ValueError, match="one is 'poisson'"):
        fitted(X, columns=[("poisson", ["age"])])
    with pytest.raises(ValueError, match="'age' is to be 'bernoulli', but has 11"):
        fitted(X, columns=[("bernoulli", ["age"])])
    with pytest.raises(ValueError, match="'log_weight' should hold numbers"):
        rbm.transform(X.assign(log_weight="heavy"))


def test_polars_frames():
    pl = pytest.importorskip("polars")
    X = pl.DataFrame({"a": ["x", "y", "x", "z"] * 20, "b": [1.5, 2.5, 1.0, 0.5] * 20})
    rbm = MixedRBM(3, random_state=0).fit(X)
    drawn = rbm.sample(4, random_state=0)
    assert drawn.schema == X.schema
    gaps = pl.DataFrame({"a": ["x", None], "b": [None, 2.5]}, schema=X.schema)
    assert rbm.impute(gaps, random_state=0).null_count().sum_horizontal()[0] == 0


def test_in_stacks_and_networks():
    X = animals()
    y = X.pop("sort").to_numpy()
    layers = [
        MixedRBM(n_iter=60, learning_rate=0.05),
        BernoulliRBM(n_iter=10),
    ]
    dbn = DBN((12, 6), rbm=layers, random_state=0).fit(X)
    assert (dbn.sample(5, n_gibbs_steps=20).dtypes == X.dtypes).all()
    dbm = DBM((12, 6), rbm=layers, n_iter=10, learning_rate=0.01, random_state=0)
    assert np.isfinite(dbm.fit(X).score(X))
    assert (dbm.sample(5, n_gibbs_steps=20).dtypes == X.dtypes).all()
    net = DBNClassifier(
        (12, 6),
        rbm=layers,
        max_iter=300,
        tol=1e-2,
        solver="lbfgs",
        random_state=0,
    ).fit(X, y)
    assert net.score(X, y) > 0.9
    with pytest.raises(ValueError, match="only be the lowest machine"):
        DBN((12, 6), rbm=layers[::-1]).fit(X["flies"].to_frame())


def test_early_stopping_and_passes():
    X = animals()
    rbm = fitted(early_stopping=True)
    curve = np.array(rbm.history_["validation_log_likelihood"])
    assert np.nanmax(curve) > curve[np.isfinite(curve)][0] + 1.0
    rbm = MixedRBM(12, random_state=0)
    for _ in range(3):
        rbm.partial_fit(X)
    with pytest.raises(ValueError, match="'cow' in row 0"):
        rbm.partial_fit(X.assign(sort="cow"))
