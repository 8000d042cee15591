"""The autoencoders as estimators."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils._array_api import move_estimator_to

from skebm import VAE, ConditionalVAE
from skebm.core import fine_tuning

SMALL = {"hidden_layer_sizes": (20,), "n_iter": 5, "random_state": 0}


def digits(n_rows=300):
    X, y = load_digits(return_X_y=True)
    return X[:n_rows] / 16, y[:n_rows]


def linear_data(noise):
    """Rows of two normal factors, with noise of these scales."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(1000, 2)) * [1.5, 1.0]
    return factors @ rng.normal(size=(2, 8)) + noise * rng.normal(size=(1000, 8))


SCALES = np.array([0.3, 0.5, 1.0, 0.4, 0.7, 0.5, 0.8, 0.6])


@pytest.mark.parametrize(("kind", "noise"), [(PCA, 0.5), (FactorAnalysis, SCALES)])
def test_a_linear_autoencoder_is_probabilistic_pca(kind, noise):
    """Or factor analysis, where the scales differ: the best normal model there is."""
    X = linear_data(noise)
    vae = VAE(
        2,
        hidden_layer_sizes=(),
        decoder="gaussian",
        learning_rate=0.01,
        n_iter=150,
        random_state=0,
    ).fit(X)
    best = kind(2).fit(X)
    assert_allclose(vae.score(X), best.score(X), atol=0.02)
    # The posterior of a linear model is normal, so the evidence bound is tight.
    assert abs(vae.elbo(X, n_samples=2000).mean() - vae.score(X)) < 0.02
    assert_allclose(vae.scale_, np.broadcast_to(noise, 8), rtol=0.25)
    # Both span the same plane: the code of one is a linear function of the other's.
    Z = vae.transform(X)
    there = np.c_[best.transform(X), np.ones(len(X))]
    _, residual, *_ = np.linalg.lstsq(there, Z, rcond=None)
    assert residual.sum() < 0.02 * ((Z - Z.mean(axis=0)) ** 2).sum()


def test_units_of_the_features_do_not_matter():
    X = load_iris().data
    factor, shift = np.array([1e3, 1.0, 1e-2, 5.0]), np.array([0.0, 1e2, 0.0, -3.0])
    params = {**SMALL, "decoder": "gaussian"}
    one, other = VAE(2, **params).fit(X), VAE(2, **params).fit(X * factor + shift)
    scaled = X * factor + shift
    assert_allclose(other.transform(scaled), one.transform(X), atol=1e-6)
    change = np.log(factor).sum()
    assert_allclose(other.score_samples(scaled), one.score_samples(X) - change)
    assert_allclose(other.elbo(scaled), one.elbo(X) - change)
    assert_allclose(other.scale_, one.scale_ * factor, rtol=1e-6)
    assert_allclose(other.reconstruct(scaled), one.reconstruct(X) * factor + shift)
    drawn = one.sample(5, random_state=0) * factor + shift
    assert_allclose(other.sample(5, random_state=0), drawn, rtol=1e-5)


def test_a_column_that_does_not_vary_is_left_at_its_value():
    X = np.c_[load_iris().data, np.full(150, 7.0)]
    vae = VAE(2, **{**SMALL, "decoder": "gaussian", "n_iter": 30}).fit(X)
    assert np.isfinite(vae.score_samples(X)).all()
    assert vae.scale_[4] == 1.0
    assert_allclose(vae.reconstruct(X)[:, 4], 7.0, atol=0.3)
    with pytest.raises(AttributeError, match="scale_ is for"):
        _ = VAE(2, **SMALL).fit(digits()[0]).scale_


def test_bounds_are_in_order_and_the_same_however_rows_are_given():
    X, _ = digits()
    vae = VAE(5, **SMALL).fit(X)
    values = vae.score_samples(X)
    assert_allclose(vae.score_samples(X[::-1][:40]), values[::-1][:40])
    assert_allclose(vae.score_samples(sparse.csr_array(X)), values)
    assert vae.elbo(X).mean() < values.mean()
    assert vae.score_samples(X, n_samples=1).mean() < values.mean()
    assert_allclose(vae.score(X), values.mean())
    more = vae.score_samples(X, n_samples=1000)
    assert values.mean() < more.mean() < values.mean() + 1


def test_sparse_rows_and_single_precision_give_the_same_model():
    X, _ = digits()
    dense = VAE(3, **SMALL).fit(X)
    for other in (sparse.csr_array(X), X.astype(np.float32)):
        vae = VAE(3, **SMALL).fit(other)
        assert_allclose(vae.transform(X), dense.transform(X), atol=1e-3)
    assert VAE(3, **SMALL).fit(X.astype("f4")).encoder_coefs_[0].dtype == np.float32


def test_standard_deviations_are_those_of_the_posterior():
    X, _ = digits()
    vae = VAE(3, **SMALL).fit(X)
    mean, std = vae.transform(X, return_std=True)
    assert_array_equal(mean, vae.transform(X))
    (W, V), (b, c) = vae.encoder_coefs_, vae.encoder_intercepts_
    a = np.maximum(X @ W + b, 0) @ V + c
    assert_allclose(mean, a[:, :3])
    assert_allclose(std, np.exp(a[:, 3:]))


def test_samples_have_the_means_of_the_data():
    X = (digits(1500)[0] > 0.5).astype(float)
    vae = VAE(5, **{**SMALL, "n_iter": 30}).fit(X)
    drawn = vae.sample(4000, random_state=0)
    assert set(np.unique(drawn)) == {0.0, 1.0}
    assert_allclose(drawn.mean(axis=0), X.mean(axis=0), atol=0.1)
    means = vae.sample(4000, means=True, random_state=0)
    spread = 5 * np.sqrt(means * (1 - means)).mean(axis=0) / np.sqrt(4000) + 1e-3
    assert (np.abs(means.mean(axis=0) - drawn.mean(axis=0)) < spread).all()
    z = np.zeros((1, 5))
    assert vae.inverse_transform(z).shape == (1, 64)
    assert_array_equal(vae.sample(3, random_state=1), vae.sample(3, random_state=1))


def test_gaps_are_filled_better_than_by_the_mean():
    X, _ = digits(600)
    params = {**SMALL, "hidden_layer_sizes": (50,), "learning_rate": 0.005}
    vae = VAE(8, **{**params, "n_iter": 40}).fit(X[:500])
    rows = X[500:].copy()
    gone = np.random.default_rng(0).random(rows.shape) < 0.3
    rows[gone] = np.nan
    filled = vae.impute(rows, n_gibbs_steps=100, random_state=0)
    assert_array_equal(filled[~gone], rows[~gone])
    plain = np.broadcast_to(X[:500].mean(axis=0), rows.shape)
    error, of_mean = (((v - X[500:])[gone] ** 2).mean() for v in (filled, plain))
    assert error < 0.7 * of_mean
    with pytest.raises(ValueError, match=r"takes complete rows.*VAE\.impute"):
        vae.transform(rows)
    with pytest.raises(ValueError, match="contains NaN"):
        VAE(3, **SMALL).fit(rows)


def test_early_stopping_keeps_the_best_epoch():
    X, _ = digits()
    params = {**SMALL, "learning_rate": 0.01, "learning_rate_schedule": "constant"}
    params["early_stopping"] = True
    vae = VAE(5, n_iter_no_change=8, **{**params, "n_iter": 200}).fit(X)
    bounds = vae.history_["validation_bound"]
    assert len(bounds) == vae.n_iter_ < 200
    best = int(np.argmax(bounds)) + 1
    assert best < vae.n_iter_
    shorter = VAE(5, n_iter_no_change=200, **{**params, "n_iter": best}).fit(X)
    assert_array_equal(vae.encoder_coefs_[0], shorter.encoder_coefs_[0])
    with pytest.raises(ValueError, match="early_stopping holds out all"):
        VAE(2, early_stopping=True, validation_fraction=0.99, **SMALL).fit(X[:5])
    with pytest.raises(ValueError, match="does not support early_stopping"):
        VAE(2, early_stopping=True, **SMALL).partial_fit(X)


def test_passes_over_parts_go_on_as_a_fit_does():
    X, _ = digits()
    constant = {**SMALL, "learning_rate_schedule": "constant", "n_iter": 3}
    whole = VAE(3, **constant).fit(X)
    parts = VAE(3, **constant)
    for _ in range(3):
        parts = pickle.loads(pickle.dumps(parts)).partial_fit(X)
    for a, b in zip(whole.decoder_coefs_, parts.decoder_coefs_, strict=True):
        assert_array_equal(a, b)
    assert whole.history_ == parts.history_
    warm = VAE(3, **constant, warm_start=True).fit(X).fit(X)
    assert warm.n_iter_ == 6
    with pytest.raises(ValueError, match=r"sizes \[20, 3\].*ask for \[20, 4\]"):
        parts.set_params(n_components=4).partial_fit(X)


def test_latent_units_die_without_the_first_epochs():
    """What kl_warmup is for: the divergence alone is easier to lower at first."""
    X = (digits(1000)[0] > 0.5).astype(float)
    params = {"hidden_layer_sizes": (64, 64), "n_iter": 15, "random_state": 0}
    active = [
        VAE(10, kl_warmup=n, **params).fit(X).history_["active_units"][-1]
        for n in (0, 10)
    ]
    assert active[0] < active[1]


def test_more_draws_and_weights_of_the_divergence_count():
    X, _ = digits()
    one = VAE(3, **SMALL).fit(X)
    for change in (
        {"n_importance_samples": 3},
        {"kl_weight": 0.1},
        {"alpha": 10.0},
        {"sample_inputs": True},
        {"shuffle": False},
        {"activation": "tanh"},
        {"batch_size": 7},
    ):
        other = VAE(3, **{**SMALL, **change}).fit(X)
        assert not np.allclose(one.transform(X), other.transform(X), atol=1e-3)
    loose = VAE(3, **{**SMALL, "kl_weight": 0.01, "n_iter": 20}).fit(X)
    tight = VAE(3, **{**SMALL, "kl_weight": 2.0, "n_iter": 20}).fit(X)
    assert loose.history_["kl_divergence"][-1] > 2 * tight.history_["kl_divergence"][-1]


def test_in_a_search_by_likelihood_and_a_pipeline():
    X, y = digits()
    search = GridSearchCV(
        VAE(3, **SMALL), {"learning_rate": [1e-5, 1e-2]}, cv=2, error_score="raise"
    ).fit(X)
    assert search.best_params_ == {"learning_rate": 1e-2}
    pipe = make_pipeline(
        VAE(10, **{**SMALL, "n_iter": 30, "learning_rate": 0.01}),
        LogisticRegression(max_iter=1000),
    )
    assert pipe.fit(X, y).score(X, y) > 0.8


def test_what_diverges_says_what_to_lower():
    X, _ = digits()
    with pytest.raises(FloatingPointError, match=r"VAE diverged in epoch .* Lower lea"):
        VAE(3, **{**SMALL, "learning_rate": 1e200}).fit(X)
    with pytest.raises(ValueError, match="hidden_layer_sizes must be integers"):
        VAE(3, hidden_layer_sizes=(3, 0)).fit(X)


def test_queries_are_of_what_was_fitted():
    X, y = digits()
    vae = VAE(3, **SMALL).fit(X)
    expected = vae.transform(X)
    vae.set_params(activation="tanh", n_components=7, hidden_layer_sizes=(3,))
    assert_array_equal(vae.transform(X), expected)
    with pytest.raises(ValueError, match=r"fitted with .*'relu'.* now are .*'tanh'"):
        vae.partial_fit(X)
    model = conditional(n_iter=1).fit(X, y)
    with pytest.raises(ValueError, match="'label_inputs': False"):
        model.set_params(label_inputs=True).partial_fit(X, y)
    with pytest.raises(ValueError, match="The visible units are Gaussian by the para"):
        vae.set_params(decoder="gaussian").score(X)
    with pytest.raises(ValueError, match="sample_inputs=True takes rows for probabil"):
        VAE(3, decoder="gaussian", sample_inputs=True).fit(X)


@pytest.mark.parametrize("kind", [VAE, ConditionalVAE])
def test_small_deviations_are_not_lost_beside_large_means(kind):
    X, y = digits()
    model = kind(2, **SMALL).fit(X.astype(np.float32), y)
    if kind is ConditionalVAE:
        model = kind(2, label_inputs=True, **SMALL).fit(X.astype(np.float32), y)
    model.encoder_intercepts_[-1][...] = [30, 30, -7, -7]
    model.encoder_coefs_[-1] *= 1e-4
    _, std = model.transform(X.astype(np.float32), return_std=True)
    assert_allclose(std, np.exp(-7), rtol=0.1)


def test_the_best_epoch_is_of_the_objective_that_was_asked_for():
    """Not of those before, in which the divergence counts less."""
    X, _ = digits()
    params = {**SMALL, "kl_warmup": 20, "n_iter": 60, "learning_rate": 0.01}
    params["n_iter_no_change"] = 3
    vae = VAE(5, early_stopping=True, kl_weight=3.0, **params).fit(X)
    assert vae.n_iter_ > 20
    whole = VAE(5, kl_weight=3.0, **params).fit(X)
    size, of_whole = (np.mean(v.transform(X) ** 2) for v in (vae, whole))
    assert_allclose(size, of_whole, rtol=0.5)


def conditional(**params):
    params = {
        "hidden_layer_sizes": (50,),
        "n_iter": 25,
        "learning_rate": 0.005,
        "random_state": 0,
        **params,
    }
    return ConditionalVAE(8, **params)


@pytest.mark.parametrize("label_inputs", [False, True])
def test_classes_are_drawn_and_recognised(label_inputs):
    X, y = digits(1000)
    names = np.array(list("abcdefghij"))[y]
    model = conditional(label_inputs=label_inputs).fit(X, names)
    assert model.score(X, names) > 0.85
    some = X[:200]
    p = model.predict_proba(some)
    assert_allclose(p.sum(axis=1), 1.0)
    assert_allclose(np.log(p), model.predict_log_proba(some), atol=1e-6)
    drawn, _ = model.sample(300, y="d", means=True, random_state=0)
    judge = LogisticRegression(max_iter=1000).fit(X, names)
    assert np.mean(judge.predict(drawn) == "d") > 0.6
    drawn, classes = model.sample(5000, random_state=0)
    found, counts = np.unique(classes, return_counts=True)
    assert_array_equal(found, model.classes_)
    shares = np.exp(model.class_log_prior_)
    error = np.sqrt(shares * (1 - shares) / 5000)
    assert (np.abs(counts / 5000 - shares) < 5 * error).all()
    assert np.mean(judge.predict(drawn) == classes) > 0.6
    each, classes = model.sample(3, y=["a", "b", "a"], random_state=0)
    assert each.shape == (3, 64)
    assert classes.tolist() == ["a", "b", "a"]
    for method in (model.transform, model.score_samples, model.elbo, model.reconstruct):
        assert np.isfinite(method(X[:20])).all()
    assert model.elbo(some).mean() < model.score_samples(some).mean()
    with pytest.raises(ValueError, match="class 'z', which is not among"):
        model.sample(2, y="z")
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        model.sample(3, y=["a", "b"])


def test_the_score_of_rows_sums_over_the_classes():
    X, y = digits()
    for label_inputs in (False, True):
        model = conditional(n_iter=2, label_inputs=label_inputs).fit(X, y)
        fitted = model._autoencoder(X.dtype)
        found = fitted.joint_bounds(X, model._shared_noise(X))
        assert_allclose(np.logaddexp.reduce(found, axis=1), model.score_samples(X))
        shares = np.bincount(y) / len(y)
        assert_allclose(np.exp(model.class_log_prior_), shares, rtol=1e-6)


def test_rows_without_a_class_join_when_classes_have_their_place(monkeypatch):
    """After the first 3 of 10 epochs."""
    X, y = digits(200)
    taken, train_epoch = [], fine_tuning.train_epoch

    def spy(*args):
        taken.append(args[-1].objective.takes_unlabeled)
        return train_epoch(*args)

    monkeypatch.setattr(fine_tuning, "train_epoch", spy)
    model = conditional(n_iter=10, unlabeled=-1)
    model.fit(X, np.where(np.arange(200) < 60, y, -1))
    assert taken == [False] * 3 + [True] * 7
    assert model.classes_.tolist() == list(range(10))
    alone = conditional(n_iter=10).fit(X[:60], y[:60])
    # The loss is of the rows that count, also before the others join.
    assert_allclose(model.history_["loss"][0], alone.history_["loss"][0], rtol=0.3)
    assert model.score_samples(X[60:]).mean() > alone.score_samples(X[60:]).mean()
    with pytest.raises(ValueError, match=r"No row of y has a label.* fit a VAE"):
        model.fit(X, np.full(200, -1))


def test_classes_of_parts_have_to_be_named():
    X, y = digits()
    with pytest.raises(ValueError, match="classes must be passed"):
        conditional().partial_fit(X, y)
    model = conditional().partial_fit(X[:9], y[:9], classes=range(10))
    assert model.classes_.tolist() == list(range(10))
    model.partial_fit(X, y)
    expected = np.bincount(y) + np.bincount(y[:9], minlength=10)
    assert_allclose(np.exp(model.class_log_prior_), expected / expected.sum())
    with pytest.raises(ValueError, match="not among the classes"):
        model.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="All rows that have a class have the weight"):
        conditional(unlabeled=-1).fit(
            X, np.where(np.arange(300) < 9, y, -1), np.arange(300) >= 9
        )
    with pytest.raises(ValueError, match="takes one class for each row"):
        conditional().fit(X, np.eye(10)[y])


def test_rows_with_a_class_are_not_all_held_out():
    X, y = digits()
    for seed in range(5):
        some = np.where(np.arange(300) < 2, y, -1)
        model = conditional(unlabeled=-1, early_stopping=True, n_iter=1)
        model.set_params(random_state=seed, validation_fraction=0.4)
        with pytest.raises(ValueError, match="holds out all of the 1 rows"):
            model.fit(X, np.where(np.arange(300) < 1, y, -1))
        model.fit(X, some)
        assert model.classes_.tolist() == [0, 1]


def test_early_stopping_with_classes():
    X, y = digits()
    model = conditional(early_stopping=True, unlabeled=-1).fit(X, y)
    assert len(model.history_["validation_bound"]) == model.n_iter_


@pytest.mark.parametrize("decoder", ["bernoulli", "gaussian"])
def test_arrays_stay_on_their_device(decoder):
    """array_api_strict has devices of which no two can be mixed, as GPUs have."""
    xp = pytest.importorskip("array_api_strict")
    pytest.importorskip("scipy", "1.14")
    X = xp.asarray(digits(60)[0], device=xp.Device("device1"))
    vae = VAE(2, decoder=decoder, early_stopping=True, n_importance_samples=2, **SMALL)
    with config_context(array_api_dispatch=True):
        vae.fit(X)
        for rows in (
            *vae.transform(X, return_std=True),
            vae.score_samples(X),
            vae.elbo(X),
            vae.reconstruct(X),
            vae.inverse_transform(vae.transform(X)),
            vae.impute(xp.where(X > 0.9, xp.nan, X), n_gibbs_steps=5),
            vae.sample(3),
        ):
            assert rows.device == X.device


def test_all_arrays_move_between_namespaces():
    """Also those that training goes on from."""
    xp = pytest.importorskip("array_api_strict")
    pytest.importorskip("scipy", "1.14")
    X, _ = digits(60)
    vae = VAE(2, decoder="gaussian", **SMALL).fit(X)
    with config_context(array_api_dispatch=True):
        moved = move_estimator_to(vae, xp, xp.Device("CPU_DEVICE"))
        for model, rows in ((vae, X), (moved, xp.asarray(X))):
            model.partial_fit(rows)
        found = np.asarray(moved.transform(xp.asarray(X)))
    assert_allclose(found, vae.transform(X), rtol=1e-4)


@pytest.mark.filterwarnings("ignore:.*expects values in:UserWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1e10, 1e30, -1e30])
@pytest.mark.parametrize("kind", [VAE, ConditionalVAE])
def test_rows_far_out_of_range_have_finite_scores(kind, scale, dtype):
    X = (np.random.default_rng(0).random((40, 6)) < 0.5).astype(dtype)
    model = kind(2, hidden_layer_sizes=(8,), n_iter=2, random_state=0)
    model.fit(X, X[:, 0].astype(int))
    assert np.isfinite(model.score_samples(X * np.dtype(dtype).type(scale))).all()
    assert np.isfinite(model.transform(X * np.dtype(dtype).type(scale))).all()
    if kind is ConditionalVAE:
        p = model.predict_proba(X * np.dtype(dtype).type(scale))
        np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-5)
