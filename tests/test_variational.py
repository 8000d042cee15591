"""Variational autoencoders against quadrature and finite differences."""

import math
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, logsumexp
from scipy.stats import norm

from skebm.core import variational as vae
from skebm.core import variational_bounds as bounds
from skebm.core import variational_queries as queries
from skebm.core import variational_training as training
from skebm.core.gaussian import Gaussian
from skebm.core.machine import Params
from skebm.core.network import ACTIVATIONS
from skebm.core.streams import Purpose, stream
from skebm.core.units import Bernoulli

from .machines import NAMESPACES, asarray_of
from .test_network import numerical

N_VISIBLE, HIDDEN, N_LATENT = 4, (5, 3), 2

LEAST = np.log([0.01, 0.3, 0.01, 1.0])

MODELS = {
    "bits": vae.Model(Bernoulli(), ACTIVATIONS["tanh"], 2),
    "numbers": vae.Model(Gaussian(), ACTIVATIONS["tanh"], 2),
    "numbers, scales": vae.Model(Gaussian(), ACTIVATIONS["tanh"], 2, LEAST),
    "classes": vae.Model(Bernoulli(), ACTIVATIONS["logistic"], 2, None, 3),
    "classes seen": vae.Model(
        Gaussian(), ACTIVATIONS["tanh"], 2, LEAST, 3, sees_classes=True
    ),
}


def machine(model, rng, asarray=np.asarray, n_rows=6):
    """Params with all that matters away from zero; rows, classes and weights."""
    draws = stream(0, Purpose.INITIAL, np.zeros(1))
    mean = rng.uniform(0.2, 0.8, N_VISIBLE)
    params = training.initial_params(model, mean, HIDDEN, N_LATENT, draws)
    params = Params(
        *(tuple(asarray(x + 0.3 * rng.normal(size=x.shape)) for x in g) for g in params)
    )
    x = rng.integers(0, 2, (n_rows, N_VISIBLE)).astype(float)
    if isinstance(model.visible, Gaussian):
        x = rng.normal(size=x.shape)
    classes = rng.integers(0, 3, n_rows)
    y = (classes[:, None] == np.arange(model.n_classes)).astype(float)
    return params, *(asarray(v) for v in (x, y, rng.uniform(size=n_rows)))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("kl_weight", [1.0, 0.4])
def test_the_gradient_is_the_numerical_one(name, k, kl_weight, rng):
    model = MODELS[name]
    params, x, y, weights = machine(model, rng)
    noise = rng.normal(size=(6, k, N_LATENT))

    def computed():
        return vae.ascent(model, params, x, y, weights, noise, kl_weight)

    _, step = computed()
    expected = numerical(lambda: computed()[0] @ weights, params)
    found = [v for group in step for v in group]
    for v, slope in zip(found, expected, strict=True):
        assert_allclose(v, slope, atol=1e-6 * max(1.0, np.abs(slope).max()))
        assert np.abs(v).max() > 1e-4


def test_scales_at_their_least_can_only_grow(rng):
    model = MODELS["numbers, scales"]
    params, _, y, weights = machine(model, rng)
    params.biases[-1][...] = LEAST - 0.1
    params.weights[-1][...] = 0.0  # so that the decoder's outputs are its biases
    outputs, noise = params.biases[-2], np.zeros((6, 1, N_LATENT))
    for distance, sign in ((0.0, 0.0), (9.0, 1.0)):
        _, step = vae.ascent(
            model, params, np.tile(outputs + distance, (6, 1)), y, weights, noise
        )
        assert_array_equal(np.sign(step.biases[-1]), sign)


def grid(n=121, width=7.0):
    """Points of two latent units, and the weight of each."""
    t = np.linspace(-width, width, n)
    z = np.array(list(product(t, t)))
    return z, math.log((t[1] - t[0]) ** 2)


def by_quadrature(model, params, x, y):
    """log p(x | y) as an integral over the latent units, from the definition."""
    parts, found = vae.parts_of(model, params), []
    points, log_cell = grid()
    for row, classes in zip(x, y, strict=True):
        centre = classes @ parts.class_means if model.n_classes else np.zeros(N_LATENT)
        z = points + centre
        h = np.hstack([z, np.tile(classes, (len(z), 1))]) if model.sees_classes else z
        act = {"Tanh": np.tanh, "Sigmoid": expit}[type(model.hidden).__name__]
        for W, b in zip(parts.decoder.weights[:-1], parts.decoder.biases, strict=False):
            h = act(h @ W + b)
        a = h @ parts.decoder.weights[-1] + parts.decoder.biases[-1]
        if isinstance(model.visible, Bernoulli):
            log_p = (np.log(expit(a)) * row + np.log(expit(-a)) * (1 - row)).sum(axis=1)
        else:
            scale = np.ones(N_VISIBLE)
            if model.least is not None:
                scale = np.exp(np.maximum(parts.log_scale, model.least))
            log_p = norm.logpdf(row, a, scale).sum(axis=1)
        log_prior = norm.logpdf(z, centre).sum(axis=1)
        found.append(logsumexp(log_p + log_prior) + log_cell)
    return np.array(found)


@pytest.mark.parametrize("name", MODELS)
def test_bounds_lie_below_the_exact_likelihood_and_rise_to_it(name, rng):
    model = MODELS[name]
    params, x, y, _ = machine(model, rng)
    # Importance weights have a finite variance where q is wider than the posterior.
    params.weights[2][:, N_LATENT:] *= 0.1
    params.biases[2][N_LATENT:] = 0.2
    exact = by_quadrature(model, params, x, y)
    noise = rng.normal(size=(20_000, N_LATENT))
    elbo = bounds.evidence_bound(model, params, x, y, noise)
    several = np.mean(
        [
            bounds.importance_bound(model, params, x, y, e)
            for e in np.split(noise[:4000], 1000)
        ],
        axis=0,
    )
    many = bounds.importance_bound(model, params, x, y, noise)
    assert (elbo < exact).all()
    assert (elbo < several).all()
    assert (several < exact).all()
    assert_allclose(many, exact, atol=0.05)
    assert (exact - several > 0.02).any()


def test_the_objective_of_one_draw_is_the_evidence_bound(rng):
    """On average; and of several draws the importance-weighted one, exactly."""
    model = MODELS["classes seen"]
    params, x, y, weights = machine(model, rng)
    noise = rng.normal(size=(3, N_LATENT))
    for k, bound in ((1, bounds.evidence_bound), (3, bounds.importance_bound)):
        tiled = np.broadcast_to(noise[:k], (6, k, N_LATENT))
        found, _ = vae.ascent(model, params, x, y, weights, tiled)
        assert_allclose(found, bound(model, params, x, y, noise[:k]))


def test_the_divergence_is_that_of_the_densities(rng):
    posterior = vae.Posterior(rng.normal(size=(3, 2)), 0.5 * rng.normal(size=(3, 2)))
    centre = rng.normal(size=(3, 2))
    z, log_cell = grid(301, 12.0)
    for mean, log_std, m, found in zip(
        *posterior, centre, vae.divergence(posterior, centre), strict=True
    ):
        log_q = norm.logpdf(z, mean, np.exp(log_std)).sum(axis=1)
        log_p = norm.logpdf(z, m).sum(axis=1)
        assert_allclose(found, (np.exp(log_q + log_cell) * (log_q - log_p)).sum())


def test_equal_rows_have_equal_noise(rng):
    x = rng.integers(0, 2, (40, 4)).astype(float)
    order = rng.permutation(40)
    unique, where = np.unique(x, axis=0, return_inverse=True)

    def noise(rows):
        return training.noise_for(rows, 3, 2, stream(5, Purpose.NOISE, x))

    found = noise(x)
    assert_array_equal(noise(x[order]), found[order])
    assert_array_equal(noise(unique)[where.ravel()], found)
    assert len(np.unique(found[:, 0, 0])) == len(unique)


def test_noise_is_normal_and_rows_are_independent():
    x = np.arange(40_000.0)[:, None]
    noise = training.noise_for(x, 2, 1, stream(5, Purpose.NOISE, x))[:, :, 0]
    moments = np.cov(noise.T)
    assert_allclose(moments, np.eye(2), atol=5 * math.sqrt(2 / 40_000))
    assert abs(np.mean(noise[1:, 0] * noise[:-1, 0])) < 5 / math.sqrt(40_000)


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("k", [1, 3])
def test_other_namespaces_agree(name, namespace, k, rng):
    asarray, model = asarray_of(namespace), MODELS[name]
    seed = rng.integers(1000)

    def computed(asarray):
        there = model._replace(
            least=None if model.least is None else asarray(model.least)
        )
        params, x, y, weights = machine(there, np.random.default_rng(seed), asarray)
        draws = stream(3, Purpose.NOISE, x)
        return training.Objective(there, k).descent(params, x, y, weights, draws)

    loss, step = computed(np.asarray)
    other_loss, other_step = computed(asarray)
    assert_allclose(float(other_loss), loss)
    for group, other in zip(step, other_step, strict=True):
        for v, z in zip(group, other, strict=True):
            assert_allclose(np.asarray(z), v, atol=1e-12)


def spread(model, params, x, y, weights, noise, log_prior, kl_weight=1.0):
    """The loss and its gradient, where rows of zeros in y are of any class."""
    objective = training.Objective(
        model, noise.shape[1], kl_weight, log_prior=log_prior
    )
    return objective._of_classes(params, x, y, weights, noise)


@pytest.mark.parametrize("name", ["classes", "classes seen"])
@pytest.mark.parametrize("k", [1, 3])
def test_a_row_without_a_class_may_be_of_any(name, k, rng):
    """Its bound is log sum_y p(y) exp(bound given y), and has its gradient."""
    model = MODELS[name]
    params, x, y, weights = machine(model, rng)
    y[::2] = 0.0
    noise, log_prior = rng.normal(size=(6, k, N_LATENT)), np.log([0.5, 0.2, 0.3])

    def computed():
        return spread(model, params, x, y, weights, noise, log_prior, 0.7)

    each = [
        vae.ascent(model, params, x, np.tile(e, (6, 1)), weights, noise, 0.7)[0]
        for e in np.eye(3)
    ]
    joint = np.stack(each, axis=1) + log_prior
    labelled = y.any(axis=1)
    expected = np.where(labelled, (joint * y).sum(axis=1), logsumexp(joint, axis=1))
    loss, step = computed()
    assert_allclose(loss, -weights @ expected)
    slopes = numerical(lambda: computed()[0], params)
    for v, slope in zip([v for g in step for v in g], slopes, strict=True):
        assert_allclose(-v, slope, atol=1e-6 * max(1.0, np.abs(slope).max()))
    known = training.Objective(model, k, 0.7, False, log_prior, takes_unlabeled=False)
    found = known._of_classes(params, x, y, weights, noise)
    weights[~labelled] = 0.0
    for v, other in zip(found[1], computed()[1], strict=True):
        assert all(map(np.allclose, v, other))
    for labels in (y * 0.0, np.eye(3)[[0, 1, 2, 0, 1, 2]]):
        y[...] = labels
        assert np.isfinite(computed()[0])


@pytest.mark.parametrize("name", ["classes", "classes seen"])
def test_bounds_of_all_classes_are_those_of_each(name, rng):
    model = MODELS[name]
    params, x, _, _ = machine(model, rng)
    noise = rng.normal(size=(7, N_LATENT))
    found = bounds.class_bounds(model, params, x, noise)
    for index, row in enumerate(np.eye(3)):
        y = np.tile(row, (6, 1))
        expected = bounds.importance_bound(model, params, x, y, noise)
        assert_allclose(found[:, index], expected)


def given_the_observed(model, params, row):
    """Means of the missing units of a row by quadrature."""
    parts, (z, _) = vae.parts_of(model, params), grid()
    a, _ = vae.generated(model, parts, z, np.zeros((len(z), 0)))
    seen, log_w = ~np.isnan(row), norm.logpdf(z).sum(axis=1)
    if isinstance(model.visible, Bernoulli):
        means = expit(a)
        p = np.where(row == 1, means, 1 - means)
        log_w = log_w + np.log(p[:, seen]).sum(axis=1)
    else:
        means, scale = a, np.exp(np.maximum(parts.log_scale, model.least))
        log_w = log_w + norm.logpdf(row, a, scale)[:, seen].sum(axis=1)
    return np.exp(log_w - logsumexp(log_w)) @ means


@pytest.mark.parametrize("name", ["bits", "numbers, scales"])
def test_missing_units_have_their_conditional_means(name, rng, monkeypatch):
    """A chain that accepts every proposal of a wrong encoder is found out."""
    model = MODELS[name]
    params, x, _, _ = machine(model, rng)
    for W in params.weights[3:]:
        W *= 2.0
    row = x[0].copy()
    row[[1, 3]] = np.nan
    exact, n_chains = given_the_observed(model, params, row), 400

    def errors():
        draws = stream(1, Purpose.IMPUTE, x)
        rows = np.tile(row, (n_chains, 1))
        found = queries.filled(model, params, rows, 200, 40, draws)
        assert_array_equal(found[:, [0, 2]], rows[:, [0, 2]])
        off = found[:, [1, 3]] - exact[[1, 3]]
        return np.abs(off.mean(axis=0)) / (off.std(axis=0) / math.sqrt(n_chains))

    assert (errors() < 5).all()
    ratio = queries.log_prior_ratio
    monkeypatch.setattr(queries, "log_prior_ratio", lambda *args: 0.0 * ratio(*args))
    assert (errors() > 5).any()


@pytest.mark.parametrize("name", ["bits", "numbers, scales"])
def test_rows_are_drawn_from_the_density_of_the_decoder(name, rng):
    model, n = MODELS[name], 40_000
    params, _, _, _ = machine(model, rng)
    z, y = np.tile(rng.normal(size=N_LATENT), (n, 1)), np.zeros((n, 0))
    found = vae.drawn_rows(model, params, z, y, stream(0, Purpose.SAMPLE, z))
    mean = vae.visible_means(model, params, z[:1], y[:1])[0]
    variance = mean * (1 - mean)
    if isinstance(model.visible, Gaussian):
        parts = vae.parts_of(model, params)
        variance = np.exp(2 * np.maximum(parts.log_scale, model.least))
    assert (np.abs(found.mean(axis=0) - mean) < 5 * np.sqrt(variance / n)).all()
    assert_allclose(found.var(axis=0), variance, rtol=5 * math.sqrt(2 / n))


def test_values_out_of_range_count_as_the_ends_of_it(rng):
    """Or the likelihood of binary units would have no bound."""
    model = MODELS["bits"]
    params, _, _, _ = machine(model, rng)
    parts, a = vae.parts_of(model, params), rng.normal(size=(3, N_VISIBLE))
    x = rng.uniform(-3.0, 4.0, size=a.shape)
    found = vae.log_density(model, parts, a, x)
    assert_allclose(found, vae.log_density(model, parts, a, x.clip(0.0, 1.0)))
    assert (found <= 0.0).all()


def test_the_posterior_of_a_row_of_any_class_has_the_moments_of_the_mixture(rng):
    model = MODELS["classes seen"]
    params, x, _, _ = machine(model, rng)
    noise, log_prior = rng.normal(size=(50, N_LATENT)), np.log([0.5, 0.2, 0.3])
    fitted = queries.Autoencoder(model, params, log_prior)
    joint = fitted.joint_bounds(x, noise)
    p = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    parts, first, second = vae.parts_of(model, params), 0.0, 0.0
    for index, row in enumerate(np.eye(3)):
        q, _ = vae.recognised(model, parts, x, np.tile(row, (6, 1)))
        first = first + p[:, [index]] * q.mean
        second = second + p[:, [index]] * (q.mean**2 + np.exp(2 * q.log_std))
    mean, variance = fitted.posterior(x, noise)
    assert_allclose(mean, first)
    assert_allclose(variance, second - first**2)
