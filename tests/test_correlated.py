"""Columns correlated given the hidden units: by mixtures of normal densities."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal
from sklearn.base import clone

from skebm import MixedRBM
from skebm.core.conditional import conditional_mean
from skebm.core.correlated import CorrelatedGaussian
from skebm.core.gaussian import SCALE_RATE
from skebm.core.machine import ODD, Machine, field, free_energy, to_means
from skebm.core.mixed import SideBySide
from skebm.core.partition import exact
from skebm.core.streams import Purpose, stream
from skebm.core.units import Bernoulli

from .test_gaussian import Mixture, params_of

LOCATION, UNIT = np.array([5.0, -1.0, 0.5]), np.array([2.0, 0.3, 1.0])
MIXING = np.random.default_rng(7).normal(size=(3, 3)) + np.eye(3)
KIND = CorrelatedGaussian(LOCATION, UNIT, MIXING, np.zeros(3))
ROWS = LOCATION + 2.0 * UNIT * np.random.default_rng(3).normal(size=(6, 3))
GAPS = np.array([[0, 1, 0], [1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 0, 1], [1, 1, 0]])


def draws(seed=0):
    return stream(seed, Purpose.SAMPLE, np.zeros(1))


class MixtureOfRows(Mixture):
    """The same in the units of the rows: normal densities with one covariance."""

    def __init__(self, params):
        super().__init__(params)
        spread = UNIT[:, None] * MIXING
        self.centres = LOCATION + self.means @ spread.T
        self.covariance = spread @ spread.T

    def log_p(self, rows):
        parts = [
            np.log(share) + multivariate_normal(mean, self.covariance).logpdf(rows)
            for share, mean in zip(self.shares, self.centres, strict=True)
        ]
        return np.logaddexp.reduce(np.array(parts))

    def conditional_mean(self, row):
        """The mean of a row given its entries that are not NaN."""
        o, m = ~np.isnan(row), np.isnan(row)
        S = self.covariance
        log_p, means = np.log(self.shares), []
        for k, centre in enumerate(self.centres):
            mean, off = centre.copy(), (row - centre)[o]
            mean[o] = row[o]
            if o.any():
                own = multivariate_normal(centre[o], S[np.ix_(o, o)])
                log_p[k] += own.logpdf(row[o])
                mean[m] += S[np.ix_(m, o)] @ np.linalg.solve(S[np.ix_(o, o)], off)
            means.append(mean)
        p = np.exp(log_p - np.logaddexp.reduce(log_p))
        return p @ np.array(means)


def test_density_of_rows():
    params = params_of(3, 4)
    machine, mixture = Machine((KIND, Bernoulli()), params), MixtureOfRows(params)
    found = -free_energy(machine, [KIND.encode(ROWS), None]) + KIND.log_jacobian
    assert_allclose(found - exact(machine).value, mixture.log_p(ROWS))
    assert_allclose(KIND.decode(KIND.encode(ROWS)), ROWS)


def test_what_is_held_is_conditioned_on():
    """Means and covariances given observed entries, by the textbook's formula."""
    rows, S = np.where(GAPS, np.nan, ROWS), MIXING @ MIXING.T
    z = np.random.default_rng(5).normal(size=rows.shape)
    held = KIND.held(rows)
    found = KIND.decode(held(z))
    observed = GAPS == 0
    assert_allclose(found[observed], ROWS[observed])
    (_, keep), *_ = held.shared
    for row, gap, mean, new, P in zip(rows, GAPS > 0, z, found, keep, strict=True):
        o, centre = ~gap, MIXING @ mean
        B = S[np.ix_(gap, o)] @ np.linalg.inv(S[np.ix_(o, o)])
        off = ((row - LOCATION) / UNIT)[o] - centre[o]
        expected = LOCATION[gap] + UNIT[gap] * (centre[gap] + B @ off)
        assert_allclose(new[gap], expected)
        given = S[np.ix_(gap, gap)] - B @ S[np.ix_(o, gap)]
        spread = MIXING @ P
        assert_allclose((spread @ spread.T)[np.ix_(gap, gap)], given, atol=1e-12)
    twice = held.repeated(2)(np.concatenate([z, z]))
    assert_array_equal(twice[:6], twice[6:])


class Separate(CorrelatedGaussian):
    """Missing entries drawn as if the others told of nothing but the hidden units."""

    def held(self, rows):
        held, known = super().held(rows), ~np.isnan(rows)
        inverse = np.linalg.inv(MIXING)
        keep = np.stack([inverse @ np.diag(1.0 - k) @ MIXING for k in known])
        ((units, _),) = held.shared
        return held._replace(values=KIND.encode(rows), shared=((units, keep),))


@pytest.mark.parametrize(
    ("kind", "right"), [(CorrelatedGaussian, True), (Separate, False)]
)
def test_conditional_means(kind, right):
    params = params_of(3, 3, scale=0.5)
    kind = kind(LOCATION, UNIT, MIXING, np.zeros(3))
    machine, mixture = Machine((kind, Bernoulli()), params), MixtureOfRows(params)
    rows = np.where(GAPS[[0, 1, 4, 5]], np.nan, ROWS[[0, 1, 4, 5]])
    many = np.repeat(rows, 400, axis=0)
    means = conditional_mean(machine, np.zeros(3), kind.held(many), 100, draws())
    found = kind.decode(means).reshape(4, 400, 3)
    error = found.std(axis=1) / np.sqrt(400) + 1e-9
    exactly = np.array([mixture.conditional_mean(row) for row in rows])
    assert (np.abs(found.mean(axis=1) - exactly) < 5 * error).all() == right


def test_gradient_of_the_mixing():
    """Finite differences of the exact log-likelihood, and of the prior's part."""
    params, step, rate = params_of(3, 3), 1e-6, 1e-3
    row_weights, least = np.random.default_rng(0).dirichlet(np.ones(6)), 0.1

    def value(mixing):
        kind = CorrelatedGaussian(LOCATION, UNIT, mixing, np.zeros(3))
        machine = Machine((kind, Bernoulli()), params)
        log_p = kind.log_jacobian - free_energy(machine, [kind.encode(ROWS), None])
        prior = -0.5 * least * (np.linalg.inv(mixing) ** 2).sum()
        return row_weights @ log_p + prior

    slope = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            e = np.zeros((3, 3))
            e[i, j] = step
            up, down = (value(MIXING @ (np.eye(3) + s * e)) for s in (1, -1))
            slope[i, j] = (up - down) / (2 * step)
    kind = CorrelatedGaussian(LOCATION, UNIT, MIXING, np.full(3, least)).trainable()
    states = kind.encode(ROWS)
    machine = Machine((kind, Bernoulli()), params)
    back = field(params, to_means(machine, [states, None], ODD), 0)
    kind.learn(states, back, row_weights, rate)
    taken = np.linalg.solve(MIXING, kind.mixing) - np.eye(3)
    assert_allclose(taken, SCALE_RATE * rate * slope, rtol=1e-6, atol=1e-9)


def test_side_by_side_with_others():
    both = SideBySide([Bernoulli(), KIND], [[1], [0, 2, 3]])
    rows = np.insert(np.where(GAPS, np.nan, ROWS), 1, [0, 1, np.nan, 0, 1, 1], axis=1)
    states = np.random.default_rng(0).normal(size=(6, 4))
    found = both.held(rows)(states)
    assert_array_equal(found[:, 0], np.where(rows[:, 1] >= 0, rows[:, 1], states[:, 0]))
    assert_allclose(found[:, 1:], KIND.held(rows[:, [0, 2, 3]])(states[:, 1:]))


# The estimator


def collinear(n=300):
    """Three columns, of which the last is nearly the sum of the others."""
    X = np.random.default_rng(0).normal(size=(n, 2)) * [1.0, 3.0] + [10.0, 0.0]
    noise = 0.1 * np.random.default_rng(1).normal(size=(n, 1))
    return np.hstack([X, X.sum(axis=1, keepdims=True) + noise])


def rbm_of(covariance_type="full", **params):
    params = {"n_iter": 100, "learning_rate": 0.05, "random_state": 0, **params}
    return MixedRBM(4, covariance_type=covariance_type, **params)


def test_collinear_columns_and_gaps():
    X = collinear()
    gaps = np.where(np.random.default_rng(2).random(X.shape) < 0.2, np.nan, X)
    gaps[:5], gaps[:5, 0] = X[:5], np.nan
    rbm = rbm_of().fit(gaps)
    filled = rbm.impute(gaps, random_state=0)
    expected = X[:5, 2] - X[:5, 1]
    assert np.abs(filled[:5, 0] - expected).max() < 0.15
    diag = rbm_of("diag").fit(gaps)
    assert rbm.score(X) > diag.score(X) + 1.0
    direction = np.array([1.0, 1.0, -1.0])
    assert direction @ rbm.covariance_ @ direction < 0.1
    scales = np.diag(np.diag(diag.covariance_))
    assert_array_equal(diag.covariance_, scales)
    with pytest.raises(AttributeError, match="numbers"):
        rbm_of(n_iter=1).fit(X.mean(axis=0) < X).covariance_  # noqa: B018
    drawn = rbm.sample(2000, random_state=0)
    assert_allclose(np.cov(drawn.T), np.cov(X.T), atol=1.5)
    given = rbm.sample(given=[9.0, np.nan, 12.0], random_state=0)
    assert_array_equal(given[0, [0, 2]], [9.0, 12.0])
    assert abs(given[0, 1] - 3.0) < 0.6
    assert rbm.transform(gaps).shape == (300, 4)
    assert np.isfinite(rbm.transform(gaps)).all()


def test_density_integrates_to_one():
    X = collinear()[:, [0, 2]]
    rbm = rbm_of(n_iter=30).fit(X)
    axes = [
        np.linspace(x.mean() - 8 * x.std(), x.mean() + 8 * x.std(), 301) for x in X.T
    ]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    cell = np.prod([a[1] - a[0] for a in axes])
    assert_allclose(np.exp(rbm.score_samples(grid)).sum() * cell, 1.0, rtol=1e-3)


def test_a_constant_column_and_one_that_another_determines():
    x = np.random.default_rng(0).normal(size=(60, 1))
    X = np.hstack([x, 2.0 * x, np.full_like(x, 3.0)])
    rbm = rbm_of(n_iter=20).fit(X)
    assert np.isfinite(rbm.score_samples(X)).all()
    assert_array_equal(rbm.impute([[1.0, 2.0, 3.0]]), [[1.0, 2.0, 3.0]])


def test_what_does_not_go_together():
    X = collinear(50)
    with pytest.raises(ValueError, match="covariance_type"):
        rbm_of(learn_scale=False).fit(X)
    words = np.array([["a", "b"], ["b", "a"]] * 10, dtype=object)
    rbm_of(learn_scale=False, n_iter=1).fit(words)  # no numbers: of no account
    rbm = rbm_of(n_iter=2).fit(X)
    with pytest.raises(ValueError, match="visible units"):
        clone_with_fit(rbm).set_params(covariance_type="diag").score_samples(X)


def clone_with_fit(rbm):
    other = clone(rbm)
    other.__dict__.update(rbm.__dict__)
    return other
