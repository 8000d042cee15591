"""Real-valued visible units: by sums over hidden states, and quadrature over rows."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import trapezoid
from scipy.stats import multivariate_normal
from sklearn import clone
from sklearn.datasets import load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skebm import DBM, DBN, BernoulliRBM, DBNClassifier, GaussianRBM
from skebm.core import partition, tempering
from skebm.core.gaussian import SCALE_RATE, Gaussian
from skebm.core.machine import (
    EVEN,
    ODD,
    Machine,
    Params,
    energy,
    field,
    free_energy,
    gradient,
    resample,
    to_means,
)
from skebm.core.sampling import FINE, mean_field
from skebm.core.streams import Purpose, stream
from skebm.core.units import Bernoulli, Tied

UNITS = (Gaussian(), Bernoulli())


def draws(seed=0):
    return stream(seed, Purpose.SAMPLE, np.zeros(1))


def params_of(n_visible, n_hidden, seed=0, scale=0.7):
    rng = np.random.default_rng(seed)
    W = scale * rng.normal(size=(n_visible, n_hidden))
    return Params((W,), (rng.normal(size=n_visible), rng.normal(size=n_hidden)))


class Mixture:
    """The machine as what it is: a normal distribution for each hidden state."""

    def __init__(self, params):
        (W,), (b, c) = params
        states = itertools.product([0.0, 1.0], repeat=len(c))
        self.hidden = np.array(list(states))
        self.means = b + self.hidden @ W.T
        # The integral of exp(a z - z^2 / 2) / sqrt(2 pi) is exp(a^2 / 2).
        log_weights = self.hidden @ c + 0.5 * np.sum(self.means**2, axis=1)
        self.log_z = np.logaddexp.reduce(log_weights)
        self.shares = np.exp(log_weights - self.log_z)

    def log_p(self, z):
        parts = [
            np.log(share) + multivariate_normal(mean).logpdf(z)
            for share, mean in zip(self.shares, self.means, strict=True)
        ]
        return np.logaddexp.reduce(np.atleast_2d(np.array(parts).T).T)

    def sample(self, n, rng):
        picked = rng.choice(len(self.shares), size=n, p=self.shares)
        means = self.means[picked]
        return means + rng.normal(size=means.shape), self.hidden[picked]


def test_the_law_of_normal_units():
    kind, a = Gaussian(), np.array([[0.3, -1.2]])
    x = np.linspace(-12.0, 12.0, 4001)
    for total in a[0]:
        weights = np.exp(total * x + [kind.log_base(np.array([v])) for v in x])
        z = trapezoid(weights, x)
        assert_allclose(np.log(z), kind.log_partition(np.array([total])))
        mean = trapezoid(weights * x, x) / z
        assert_allclose(mean, kind.mean(np.array([total]))[0])
        variance = trapezoid(weights * (x - mean) ** 2, x) / z
        assert_allclose(variance, kind.variance(np.array([mean]))[0])
        p = weights / z
        base = np.array([kind.log_base(np.array([v])) for v in x])
        entropy = -trapezoid(p * (np.log(np.maximum(p, 1e-300)) - base), x)
        assert_allclose(entropy, kind.entropy(np.array([mean])), atol=1e-6)
    assert_allclose(kind.natural(kind.mean(a)), a)


def test_sums_of_tied_normal_units():
    """Two copies of total input a: normal, with mean 2 a and variance 2."""
    kind, a, x = Tied(Gaussian(), 2), 0.7, np.linspace(-14.0, 16.0, 4001)
    log_p = a * x + [kind.log_base(np.array([v])) for v in x]
    log_p = log_p - kind.log_partition(np.array([a]))
    assert_allclose(np.exp(log_p), multivariate_normal(2 * a, 2.0).pdf(x), atol=1e-12)
    mean = np.full(200_000, 2 * a)
    drawn = kind.sample(mean, draws())
    assert abs(drawn.mean() - 2 * a) < 5 * np.sqrt(2 / 200_000)
    assert abs(drawn.var() - 2.0) < 5 * 2 * np.sqrt(2 / 200_000)


@pytest.mark.parametrize(("n_visible", "n_hidden"), [(1, 3), (3, 4)])
def test_density_log_z_and_free_energy(n_visible, n_hidden):
    params = params_of(n_visible, n_hidden)
    machine, mixture = Machine(UNITS, params), Mixture(params)
    assert_allclose(partition.exact(machine).value, mixture.log_z)
    z = np.random.default_rng(1).normal(size=(9, n_visible))
    found = -free_energy(machine, [z, None]) - mixture.log_z
    assert_allclose(found, mixture.log_p(z))
    h = mixture.hidden[3]
    joint = energy(machine, [z, np.tile(h, (9, 1))])
    base = -0.5 * np.sum(z**2 + np.log(2 * np.pi), axis=1)
    (W,), (b, c) = params
    assert_allclose(joint, -(z @ b + h @ c + z @ W @ h + base))
    assert mean_field(machine, z, FINE).n_steps == 0
    base_biases = tempering.base_biases(UNITS, params, np.zeros(n_visible))
    samples = [mixture.sample(200, np.random.default_rng(2))[0], None]
    annealed = partition.annealed(machine, base_biases, samples, 300, draws())
    assert annealed.lower <= mixture.log_z <= annealed.upper
    assert annealed.upper - annealed.lower < 1.0


def test_density_integrates_to_one_in_the_units_of_the_user():
    X = load_iris().data[:, :1]
    rbm = GaussianRBM(3, n_iter=50, learning_rate=0.1, random_state=0).fit(X)
    x = np.linspace(X.min() - 20 * X.std(), X.max() + 20 * X.std(), 20_001)
    density = np.exp(rbm.score_samples(x[:, None]))
    assert_allclose(trapezoid(density, x), 1.0, rtol=1e-6)


def test_gradients_are_those_of_the_exact_log_likelihood():
    """Of weights and biases, and of the scale, which needs no chain."""
    rng, step = np.random.default_rng(0), 1e-6
    params = params_of(2, 3)
    location, scale = np.array([5.0, -1.0]), np.array([2.0, 0.3])
    X = location + scale * rng.normal(size=(6, 2))
    row_weights = rng.dirichlet(np.ones(6))
    kind = Gaussian(location, scale, np.zeros(2), learns=True)

    def log_likelihood(params, scale):
        z = (X - location) / scale
        return row_weights @ (Mixture(params).log_p(z) - np.log(scale).sum())

    machine, mixture, z = Machine(UNITS, params), Mixture(params), kind.encode(X)
    up = to_means(machine, [z, None], ODD)
    # The model's side from its own moments: a row for each hidden state.
    layers = [
        np.concatenate([z, mixture.means]),
        np.concatenate([up[1], mixture.hidden]),
    ]
    found = gradient(
        layers,
        np.concatenate([row_weights, -mixture.shares]),
        (np.zeros(2), np.zeros(3)),
    )
    for index, x in (
        (0, params.weights[0]),
        (1, params.biases[0]),
        (2, params.biases[1]),
    ):
        expected = np.empty_like(x)
        for place in np.ndindex(x.shape):
            kept, values = x[place], []
            for sign in (1.0, -1.0):
                x[place] = kept + sign * step
                values.append(log_likelihood(params, scale))
            x[place] = kept
            expected[place] = (values[0] - values[1]) / (2 * step)
        own = [*found.weights, *found.biases][index]
        assert_allclose(own, expected, rtol=1e-5, atol=1e-8)
    by_scale = []
    for i in range(2):
        up_and_down = np.exp(step * np.eye(2)[i]), np.exp(-step * np.eye(2)[i])
        more, less = (log_likelihood(params, scale * f) for f in up_and_down)
        by_scale.append((more - less) / (2 * step))
    before = scale.copy()
    trained = kind.trainable()
    trained.learn(z, field(params, [None, up[1]], 0), row_weights, 0.01)
    steps = np.log(trained.scale / before) / (0.01 * SCALE_RATE)
    assert_allclose(steps, by_scale, rtol=1e-5)
    assert_array_equal(scale, before)


def broken(machine, layers, parity, stream):
    """Hidden units given a row of which the sign is lost."""
    if parity == ODD:
        layers = [np.abs(layers[0]), layers[1]]
    return resample(machine, layers, parity, stream)


@pytest.mark.parametrize(("kernel", "right"), [(resample, True), (broken, False)])
def test_gibbs_sampling_stays_with_the_machine(kernel, right):
    """5 standard errors of the moments, from exact samples on."""
    n, params = 100_000, params_of(2, 3, scale=1.0)
    mixture, numbers = Mixture(params), draws(3)
    z, h = mixture.sample(n, np.random.default_rng(4))
    layers, machine = [z, h], Machine(UNITS, params)
    for _ in range(3):
        for parity in (ODD, EVEN):
            layers = kernel(machine, layers, parity, numbers)
    mean = mixture.shares @ mixture.means
    second = np.einsum("k,ki,kj->ij", mixture.shares, mixture.means, mixture.means)
    products = np.einsum("ni,nj->nij", layers[0], layers[0])
    off = [
        (layers[0].mean(axis=0) - mean) / (layers[0].std(axis=0) / np.sqrt(n)),
        (products.mean(axis=0) - second - np.eye(2)).ravel()
        / (products.std(axis=0).ravel() / np.sqrt(n)),
    ]
    assert (np.abs(np.concatenate(off)) < 5).all() == right


# The estimator


def wine():
    X, y = load_wine(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    return X[order], y[order]


def fitted(X=None, **params):
    params = {"n_iter": 60, "learning_rate": 0.03, "random_state": 0, **params}
    return GaussianRBM(12, **params).fit(wine()[0] if X is None else X)


def test_means_of_what_is_missing_are_those_of_the_mixture():
    """In the user's units, within 5 standard errors of 300 copies of each row."""
    X, _ = wine()
    rbm = GaussianRBM(3, n_iter=0, random_state=0).fit(X[:, :4].astype(np.float64))
    params = params_of(4, 3)
    rbm.components_, rbm.intercept_visible_ = params.weights[0].T, params.biases[0]
    rbm.intercept_hidden_ = params.biases[1]
    mixture, z = Mixture(params), np.random.default_rng(0).normal(size=(5, 4))
    z[np.random.default_rng(1).random(z.shape) < 0.4] = np.nan
    z[0] = np.nan
    rows = np.repeat(rbm.mean_ + rbm.scale_ * z, 300, axis=0)
    found = (rbm.impute(rows, random_state=0) - rbm.mean_) / rbm.scale_
    found = found.reshape(5, 300, 4)
    known = np.nan_to_num(z[:, None, :] - mixture.means)
    shares = mixture.shares * np.exp(-0.5 * np.sum(known**2, axis=-1))
    shares /= shares.sum(axis=-1, keepdims=True)
    expected = shares @ mixture.means
    error = found.std(axis=1) / np.sqrt(300)
    off, missing = np.abs(found.mean(axis=1) - expected), np.isnan(z)
    assert (off[missing] < 5 * error[missing]).all()
    # Negative control: the means of the model are no conditional means.
    model = np.abs(mixture.shares @ mixture.means - expected)
    assert (model[1:][missing[1:]] > 5 * error[1:][missing[1:]]).any()


@pytest.mark.parametrize("learn_scale", [True, False])
def test_another_unit_changes_the_density_and_nothing_else(learn_scale):
    X, _ = wine()
    factor, shift = np.geomspace(1e-3, 1e3, 13), np.linspace(-50.0, 50.0, 13)
    one = fitted(learn_scale=learn_scale)
    other = fitted(factor * X + shift, learn_scale=learn_scale)
    rows = X[:9]
    same = other.transform(factor * rows + shift)
    assert_allclose(one.transform(rows), same, atol=1e-6)
    assert_allclose(
        one.score_samples(rows) - np.log(factor).sum(),
        other.score_samples(factor * rows + shift),
        atol=1e-5,
    )
    for method, kwargs in (("reconstruct", {}), ("gibbs", {})):
        mine = getattr(one, method)(rows, **kwargs)
        theirs = getattr(other, method)(factor * rows + shift, **kwargs)
        assert_allclose(factor * mine + shift, theirs, rtol=1e-4, atol=1e-4)
    mine, theirs = (rbm.sample(5, random_state=0) for rbm in (one, other))
    assert_allclose(factor * mine + shift, theirs, rtol=1e-4, atol=1e-3)
    assert_allclose(other.scale_, factor * one.scale_, rtol=1e-6)
    if not learn_scale:
        assert_allclose(one.scale_, X.std(axis=0))
        assert_allclose(one.mean_, X.mean(axis=0))


def test_it_learns_what_a_normal_distribution_cannot():
    """Two clusters: far better than independent features, and samples of both."""
    rng = np.random.default_rng(0)
    cluster = rng.integers(0, 2, 600)
    X = np.array([[0.0, 0.0], [6.0, -240.0]])[cluster]
    X = X + rng.normal(size=(600, 2)) * [1.0, 20.0]
    rbm = GaussianRBM(8, n_iter=350, algorithm="pt", random_state=0).fit(X)
    exact = np.logaddexp(
        *(multivariate_normal(m, [1.0, 400.0]).logpdf(X) for m in [(0, 0), (6, -240)])
    ) - np.log(2)
    assert rbm.score(X) > exact.mean() - 0.3
    assert_allclose(rbm.scale_, [1.0, 20.0], rtol=0.2)
    drawn = rbm.sample(400, n_gibbs_steps=500, random_state=0)
    near = np.abs(drawn[:, 0, None] - [0.0, 6.0]) < 4.0
    assert near.any(axis=1).mean() > 0.97
    given = rbm.sample(50, given=[np.nan, -240.0], n_gibbs_steps=200, random_state=0)
    assert (given[:, 1] == -240.0).all()
    assert abs(np.median(given[:, 0]) - 6.0) < 1.0
    gaps = np.array([[np.nan, 0.0], [6.0, np.nan]])
    filled = rbm.impute(gaps, random_state=0)
    assert_allclose(filled, [[0.0, 0.0], [6.0, -240.0]], atol=40)
    assert_array_equal(filled[~np.isnan(gaps)], gaps[~np.isnan(gaps)])
    assert abs(filled[0, 0]) < 1.5


def test_columns_that_do_not_vary_or_hardly():
    """Neither an infinite density nor a scale of zero."""
    X, _ = wine()
    X = np.column_stack([X, np.full(len(X), 1e6), np.arange(len(X)) % 2])
    rbm = fitted(X, n_iter=300, learning_rate=0.1)
    assert rbm.scale_[-2] == 1.0
    assert rbm.scale_[-1] >= 0.01 * 0.499
    assert np.isfinite(rbm.score_samples(X)).all()
    assert np.isfinite(GaussianRBM(3).fit(X[:1]).score(X))


def test_a_row_of_weight_two_is_the_row_twice():
    X, _ = wine()
    weights = np.random.default_rng(0).integers(0, 3, 30)
    one = GaussianRBM(5, batch_size=100, n_iter=5, random_state=0)
    other = clone(one).fit(np.repeat(X[:30], weights, axis=0))
    one.fit(X[:30], sample_weight=weights)
    assert_allclose(one.components_, other.components_)
    assert_allclose(one.scale_, other.scale_)
    assert_allclose(one.mean_, other.mean_)


def test_training_goes_on_with_its_scale():
    X, _ = wine()
    rbm = fitted()
    before = rbm.scale_.copy()
    rbm.partial_fit(X[:50])
    assert not np.allclose(rbm.scale_, before)
    assert_allclose(rbm.scale_, before, rtol=0.2)
    kept = rbm.scale_.copy()
    rbm.set_params(learn_scale=False).partial_fit(X[50:])
    assert_array_equal(rbm.scale_, kept)


def test_gaps_and_early_stopping():
    X, _ = wine()
    gaps = np.where(np.random.default_rng(1).random(X.shape) < 0.2, np.nan, X)
    rbm = fitted(gaps, n_iter=100)
    assert rbm.score(X) > fitted(n_iter=0).score(X) + 1.0
    rbm = fitted(early_stopping=True, learning_rate=0.1, n_iter=300)
    curve = np.array(rbm.history_["validation_log_likelihood"])
    assert np.nanmax(curve) > curve[np.isfinite(curve)][0] + 1.0


def test_in_stacks_and_networks():
    X, y = wine()
    layers = [GaussianRBM(n_iter=60, learning_rate=0.03), BernoulliRBM(n_iter=10)]
    dbn = DBN((12, 6), rbm=layers, up_down_iter=1, random_state=0).fit(X)
    assert dbn.score(X) > fitted(n_iter=0).score(X)
    assert dbn.sample(3, n_gibbs_steps=10).shape == (3, 13)
    error = dbn.reconstruct(X) - X
    assert (error.std(axis=0) < X.std(axis=0)).mean() > 0.7
    net = DBNClassifier(
        (12, 6), rbm=layers, solver="lbfgs", max_iter=300, tol=1e-3, random_state=0
    )
    assert net.fit(X, y).score(X, y) > 0.95
    pipe = make_pipeline(GaussianRBM(30, n_iter=60), LogisticRegression(max_iter=500))
    # Of 20 seeds 0.957, with a standard deviation of 0.0144: 5 sigma below.
    assert pipe.fit(X, y).score(X, y) > 0.957 - 5.0 * 0.0144
    dbm = DBM((12, 6), rbm=layers, n_iter=60, learning_rate=0.01, random_state=0)
    assert dbm.fit(X).score(X) > fitted(n_iter=0).score(X) + 1.0
    assert (dbm._border["scale"] < X.std(axis=0)).mean() > 0.7
    assert_allclose(
        dbm.sample(500, random_state=0).mean(axis=0), X.mean(axis=0), rtol=0.2
    )
    alone = r"Only the lowest .* Gaussian .* machine 2 .* rbm=.GaussianRBM.., Bern"
    linear = BernoulliRBM(hidden_units="gaussian")
    for rbm in (GaussianRBM(), [linear, GaussianRBM()]):
        with pytest.raises(ValueError, match=alone):
            DBN((12, 6), rbm=rbm).fit(X)
    with pytest.raises(ValueError, match="Only the lowest machine may have other"):
        DBM((12, 6), rbm=GaussianRBM()).fit(X)


def test_divergence_says_what_helps():
    X, _ = wine()
    with pytest.raises(FloatingPointError, match=r"Lower learning_rate.* far off the"):
        fitted(learning_rate=1e6)
    with pytest.raises(ValueError, match="needs units with two alternative values"):
        fitted(n_iter=1).pseudo_log_likelihood(X)


# Hidden units that are normal


def linear_codes(seed=0):
    """Binary visible and normal hidden units: the machine, all rows, their p, log Z."""
    params = params_of(4, 2, seed)
    (W,), (b, c) = params
    rows = np.array(list(itertools.product([0.0, 1.0], repeat=4)))
    # The integral of exp(a h - h^2 / 2) / sqrt(2 pi) is exp(a^2 / 2).
    log_p = rows @ b + 0.5 * np.sum((c + rows @ W) ** 2, axis=1)
    log_z = np.logaddexp.reduce(log_p)
    return (
        Machine((Bernoulli(), Gaussian()), params),
        rows,
        np.exp(log_p - log_z),
        log_z,
    )


def test_linear_codes_of_binary_rows():
    machine, rows, p, log_z = linear_codes()
    assert_allclose(partition.exact(machine).value, log_z)
    assert_allclose(-free_energy(machine, [rows, None]) - log_z, np.log(p))
    base = tempering.base_biases(machine.units, machine.params, p @ rows)
    picked = np.random.default_rng(0).choice(16, size=200, p=p)
    found = partition.annealed(machine, base, [rows[picked], None], 300, draws())
    assert found.lower <= log_z <= found.upper
    assert found.upper - found.lower < 1.0
    # 5 standard errors after steps from exact samples.
    picked = np.random.default_rng(1).choice(16, size=50_000, p=p)
    layers, numbers = [rows[picked], None], draws(2)
    for _ in range(3):
        for parity in (ODD, EVEN):
            layers = resample(machine, layers, parity, numbers)
    error = layers[0].std(axis=0) / np.sqrt(50_000)
    assert (np.abs(layers[0].mean(axis=0) - p @ rows) < 5 * error).all()


def test_linear_codes_are_learnt():
    X = (wine()[0] > np.median(wine()[0], axis=0)).astype(float)
    params = {"hidden_units": "gaussian", "n_iter": 50, "random_state": 0}
    rbm = BernoulliRBM(3, **params).fit(X)
    codes = rbm.transform(X)
    assert_allclose(codes, X @ rbm.components_.T + rbm.intercept_hidden_, rtol=1e-4)
    assert rbm.log_partition().method == "exact"  # of 13 visible units
    independent = BernoulliRBM(3, **{**params, "n_iter": 0}).fit(X)
    assert rbm.score(X) > independent.score(X) + 1.0
    layers = [BernoulliRBM(n_iter=10), BernoulliRBM(**params)]
    dbn = DBN((20, 3), rbm=layers, random_state=0).fit(X)
    assert dbn.transform(X).min() < 0.0
    assert np.mean((dbn.reconstruct(X) > 0.5) == X) > 0.65
    with pytest.raises(ValueError, match="Fine-tuning needs units with logistic"):
        DBNClassifier(dbn=dbn).fit(X, wine()[1])
    with pytest.raises(ValueError, match="sparsity_target is the share of rows"):
        BernoulliRBM(**params, sparsity_target=0.1).fit(X)
    with pytest.raises(ValueError, match="hidden ones Bernoulli here"):
        DBM((20, 3), rbm=BernoulliRBM(**params)).fit(X)
