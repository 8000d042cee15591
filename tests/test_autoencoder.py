"""DeepAutoencoder, and the unrolled network against finite differences."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skebm import (
    DBN,
    BernoulliRBM,
    CategoricalRBM,
    DeepAutoencoder,
    GaussianRBM,
    MixedRBM,
    MultinomialRBM,
)
from skebm.core import autoencoder as core
from skebm.core import fine_tuning, optimise
from skebm.core import network as net
from skebm.core.gaussian import Gaussian
from skebm.core.machine import Machine, Params, copy_params
from skebm.core.stack import Stack, pass_down, pass_up
from skebm.core.streams import Purpose, stream
from skebm.core.units import Bernoulli

from .test_network import numerical

LINEAR = BernoulliRBM(n_iter=2, hidden_units="gaussian", learning_rate=0.01)


def data(n=120, seed=0):
    """Rows in [0, 1] of eight features that two numbers explain."""
    rng = np.random.default_rng(seed)
    z, W = rng.normal(size=(n, 2)), np.random.default_rng(9).normal(size=(2, 8))
    return expit(2.0 * z @ W)


def unfitted(**params):
    start = {} if "dbn" in params else {"rbm": BernoulliRBM(n_iter=2)}
    common = {"max_iter": 5, "random_state": 0, "hidden_layer_sizes": (6, 4, 2)}
    return DeepAutoencoder(**{**common, **start, **params})


def fitted(X=None, **params):
    return unfitted(**params).fit(data() if X is None else X)


def real(**params):
    """For real numbers in units of their own."""
    machines = [GaussianRBM(n_iter=5), LINEAR]
    common = {"hidden_layer_sizes": (6, 2), "rbm": machines, "loss": "squared"}
    return unfitted(**{**common, **params})


def real_data(n=120):
    return 100.0 + 7.0 * (data(n) - 0.5) * np.arange(1, 9)


def arrays(model):
    return [*model.coefs_, *model.intercepts_]


def assert_same_model(one, other, **tolerance):
    for x, z in zip(arrays(one), arrays(other), strict=True):
        assert_allclose(x, z, **(tolerance or {"rtol": 0}))


def differ(one, other):
    return not all(
        np.allclose(x, z, rtol=1e-8, atol=1e-12)
        for x, z in zip(arrays(one), arrays(other), strict=True)
    )


# The core


def random_stack(rng, sizes=(4, 5, 3, 2), visible=None, untied=False):
    """A stack whose top layer is linear."""
    machines = []
    for index, (n_below, n_above) in enumerate(pairwise(sizes)):
        below = (visible or Bernoulli()) if index == 0 else Bernoulli()
        above = Gaussian() if index == len(sizes) - 2 else Bernoulli()
        params = Params(
            (rng.normal(size=(n_below, n_above)),),
            (0.3 * rng.normal(size=n_below), 0.3 * rng.normal(size=n_above)),
        )
        machines.append(Machine((below, above), params))
    *lower, top = machines
    generative = lower
    if untied:
        generative = [
            Machine(
                m.units,
                Params((rng.normal(size=m.params.weights[0].shape),), m.params.biases),
            )
            for m in lower
        ]
    return Stack(tuple(lower), tuple(generative), top)


@pytest.mark.parametrize("untied", [False, True])
@pytest.mark.parametrize("visible", [Bernoulli(), Gaussian()])
@pytest.mark.parametrize("sizes", [(4, 2), (4, 5, 2), (4, 5, 3, 2)])
def test_the_unrolled_network_passes_rows_up_and_down_the_stack(
    sizes, visible, untied, rng
):
    stack = random_stack(rng, sizes, visible, untied)
    rows = rng.uniform(size=(7, 4))
    network = core.unrolled_network(stack, net.squared_error, tied=False)
    params = core.unrolled_params(stack, tied=False)
    code = pass_up((*stack.recognition, stack.top), rows)
    assert_allclose(core.encoded(network, params, rows), code)
    down = pass_down((*stack.generative, stack.top), code)
    assert_allclose(core.decoded(network, params, code), down)
    assert_allclose(core.reconstructed(network, params, rows), down)
    assert_allclose(net.outputs(network, params, rows), down)
    expected = 0.5 * ((down - rows) ** 2).sum(axis=1)
    assert_allclose(core.losses(network, params, rows), expected)
    if untied:
        return
    network = core.unrolled_network(stack, net.squared_error, tied=True)
    params = core.unrolled_params(stack, tied=True)
    assert len(params.weights) == len(sizes) - 1
    assert_allclose(core.reconstructed(network, params, rows), down)
    assert_allclose(core.losses(network, params, rows), expected)


@pytest.mark.parametrize("dropout", [(0.0, 0.0), (0.3, 0.5)])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(
    ("loss", "visible"),
    [
        (net.cross_entropy, Bernoulli()),
        (net.squared_error, Bernoulli()),
        (net.squared_error, Gaussian()),
    ],
)
def test_the_unrolled_network_has_the_numerical_gradient(
    loss, visible, tied, dropout, rng
):
    stack = random_stack(rng, visible=visible)
    network = core.unrolled_network(stack, loss, tied)
    params = copy_params(core.unrolled_params(stack, tied))
    rows, weights = rng.uniform(size=(20, 4)), rng.uniform(size=20)
    shares = core.spared_code(*dropout, len(network.hidden))

    def computed():
        draws = stream(3, Purpose.NOISE, rows)  # the same masks on every call
        return net.descent(network, params, rows, rows, weights, shares, draws)

    if not any(dropout):
        expected = weights @ core.losses(network, params, rows)
        assert_allclose(computed()[0], expected)
    found = [x for group in computed()[1] for x in group]
    expected = numerical(lambda: computed()[0], params)
    for x, slope in zip(found, expected, strict=True):
        assert_allclose(-x, slope, atol=1e-6 * max(1.0, np.abs(slope).max()))
        assert np.abs(x).max() > 1e-4


def test_dropout_spares_the_code(rng):
    stack = random_stack(rng, (4, 50, 60, 50))
    network = core.unrolled_network(stack, net.squared_error, False)
    params = core.unrolled_params(stack, False)
    rows = rng.uniform(size=(20, 4))
    shares = core.spared_code(0.0, 0.5, len(network.hidden))
    draws = stream(0, Purpose.NOISE, rows)
    layers = net.layers_below(params, rows, network.hidden, shares, draws)
    zeros = [(x == 0.0).mean() for x in layers[1:]]
    assert zeros[2] == 0.0
    for index in (0, 1, 3, 4):
        assert 0.4 < zeros[index] < 0.6


def test_l_bfgs_on_an_unrolled_network_goes_down_to_a_minimum(rng):
    stack = random_stack(rng, (4, 3, 2))
    network = core.unrolled_network(stack, net.cross_entropy, True)
    params = core.unrolled_params(stack, True)
    X, ones = rng.uniform(size=(40, 4)), np.ones(40)
    settings = fine_tuning.Settings(
        fine_tuning.Supervised(network), optimise.MomentumSGD(), 40, 1.0, True, 0
    )
    reached = []
    report = fine_tuning.lbfgs(
        fine_tuning.State(params, None, 0),
        *(X, X, ones, 2000, 1e-7, settings),
        lambda *now: reached.append(now),
    )
    assert report.success

    def steepest(params):
        _, steps = fine_tuning.objective(network, params, X, X, ones, alpha=1.0)
        return max(np.abs(x).max() for group in steps for x in group)

    # SciPy also stops where the loss falls by no more than 2e-9 of itself.
    assert steepest(reached[-1][0].params) < 1e-3 * steepest(params)
    assert reached[-1][1][-1] < reached[0][1][0]


# Where it starts, and what it learns


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"tied_weights": True},
        {"loss": "squared"},
        {"hidden_layer_sizes": (3,)},
        {"rbm": [BernoulliRBM(n_iter=2), BernoulliRBM(n_iter=2), LINEAR]},
        {"rbm": [BernoulliRBM(n_iter=2)] * 3},
        {"dbn": DBN(rbm=BernoulliRBM(n_iter=2), up_down_iter=3)},
    ],
    ids=str,
)
def test_fine_tuning_starts_from_the_deep_belief_network(params):
    X = data()
    model = fitted(max_iter=1, learning_rate_init=1e-12, **params)
    assert_allclose(model.transform(X), model.dbn_.transform(X), atol=1e-8)
    assert_allclose(model.reconstruct(X), model.dbn_.reconstruct(X), atol=1e-8)
    expected = model.inverse_transform(model.transform(X))
    assert_allclose(model.reconstruct(X), expected)


def test_real_numbers_start_there_too_and_keep_their_units():
    X = real_data()
    model = real(max_iter=1, learning_rate_init=1e-12).fit(X)
    V = model.reconstruct(X)
    assert_allclose(V, model.dbn_.reconstruct(X), rtol=1e-8)
    assert_allclose(model.inverse_transform(model.transform(X)), V)
    error = (V - X) / model.dbn_.rbms_[0].scale_
    assert_allclose(model.score_samples(X), -0.5 * (error**2).sum(axis=1))


def test_the_top_layer_is_linear():
    kinds = [rbm.hidden_units for rbm in fitted().dbn_.rbms_]
    assert kinds == ["bernoulli", "bernoulli", "gaussian"]
    top = fitted(rbm=BernoulliRBM(n_iter=2, learning_rate=0.2)).dbn_.rbms_[-1]
    assert_allclose(top.learning_rate, 0.02)
    assert (fitted().transform(data()) < 0.0).any()
    binary = fitted(rbm=[BernoulliRBM(n_iter=2)] * 3).transform(data())
    assert (binary >= 0.0).all()
    assert (binary <= 1.0).all()


def test_one_linear_layer_finds_the_plane_of_pca():
    X = StandardScaler().fit_transform(real_data(300))
    model = DeepAutoencoder(
        2,
        rbm=GaussianRBM(n_iter=5, learn_scale=False),
        loss="squared",
        solver="lbfgs",
        alpha=0.0,
        max_iter=2000,
        tol=1e-6,
        random_state=0,
    ).fit(X)
    pca = PCA(2).fit(X)
    expected = pca.inverse_transform(pca.transform(X))
    found = model.reconstruct(X)
    assert_allclose(((found - X) ** 2).sum(), ((expected - X) ** 2).sum(), rtol=1e-5)
    assert_allclose(found, expected, atol=0.01)


@pytest.mark.parametrize("params", [{}, {"tied_weights": True}, {"loss": "squared"}])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_each_solver_learns_to_be_better_than_pca(solver, params):
    X, X_test = data(300), data(200, seed=1)
    model = fitted(
        X,
        solver=solver,
        hidden_layer_sizes=(20, 2),
        learning_rate_init={"adam": 0.02, "sgd": 0.1, "lbfgs": 1.0}[solver],
        batch_size=20,
        max_iter=300,
        tol=0.0 if solver != "lbfgs" else 1e-3,
        **params,
    )
    pca = PCA(2).fit(X)
    linear = ((pca.inverse_transform(pca.transform(X_test)) - X_test) ** 2).sum(axis=1)
    error = ((model.reconstruct(X_test) - X_test) ** 2).sum(axis=1)
    assert error.mean() < 0.5 * linear.mean()
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert model.n_iter_ == len(model.loss_curve_)


def test_scores_are_minus_the_losses():
    X = data()
    model, weights = fitted(), np.arange(120.0)
    p = model.reconstruct(X)
    expected = (X * np.log(p) + (1 - X) * np.log(1 - p)).sum(axis=1)
    assert_allclose(model.score_samples(X), expected)
    assert_allclose(model.score(X), expected.mean())
    mean = np.average(expected, weights=weights)
    assert_allclose(model.score(X, sample_weight=weights), mean)
    model = fitted(loss="squared")
    expected = -0.5 * ((model.reconstruct(X) - X) ** 2).sum(axis=1)
    assert_allclose(model.score_samples(X), expected)
    order = np.random.default_rng(0).permutation(120)[:50]
    assert_allclose(model.score_samples(X[order]), expected[order])
    assert not hasattr(model, "sample")


@pytest.mark.parametrize(
    ("model", "X"),
    [
        (unfitted(), data()),
        (unfitted(loss="squared"), data()),
        (real(), real_data()),
        (unfitted(tied_weights=True), sparse.csr_array(data())),
    ],
    ids=["plain", "squared", "real values", "tied, sparse"],
)
def test_the_loss_curve_has_the_loss_of_the_rows_as_states(model, X):
    """With all rows in a batch, and a step that is none."""
    model.set_params(batch_size=200, max_iter=1, learning_rate_init=1e-12, alpha=2.0)
    model.fit(X)
    penalty = sum((W**2).sum() for W in model.coefs_) / 120
    assert_allclose(model.loss_curve_, [penalty - model.score(X)])


def test_denoising_is_better_on_rows_with_gaps():
    X, X_test = data(400), data(200, seed=1)
    params = {"hidden_layer_sizes": (20, 2), "max_iter": 150, "batch_size": 20}
    plain, denoising = (
        fitted(X, learning_rate_init=0.01, input_dropout=share, **params)
        for share in (0.0, 0.3)
    )
    gaps = np.random.default_rng(0).random(X_test.shape) < 0.3
    rows = np.where(gaps, 0.0, X_test)
    errors = [
        ((model.reconstruct(rows) - X_test) ** 2).sum(axis=1).mean()
        for model in (plain, denoising)
    ]
    assert errors[1] < 0.9 * errors[0]


# Parameters, and going on


@pytest.mark.parametrize(
    "change",
    [
        {"solver": "sgd"},
        {"learning_rate_init": 0.01},
        {"learning_rate_schedule": "linear"},
        {"alpha": 1.0},
        {"batch_size": 17},
        {"dropout": 0.2},
        {"input_dropout": 0.2},
        {"shuffle": False},
        {"early_stopping": True},
        {"rbm": BernoulliRBM(n_iter=3)},
        {"random_state": 1},
        {"loss": "squared"},
        {"max_iter": 4},
    ],
    ids=str,
)
def test_every_parameter_counts(change):
    assert differ(fitted(), fitted(**change))


def test_tied_weights_stay_tied():
    model = fitted(tied_weights=True, learning_rate_init=0.05)
    assert [W.shape for W in model.coefs_] == [(8, 6), (6, 4), (4, 2)]
    assert [len(b) for b in model.intercepts_] == [6, 4, 2, 4, 6, 8]
    (W1, W2, W3), b = model.coefs_, model.intercepts_
    H = model.transform(data())
    down = expit(expit(H @ W3.T + b[3]) @ W2.T + b[4]) @ W1.T + b[5]
    assert_allclose(model.inverse_transform(H), expit(down))
    free = fitted(learning_rate_init=0.05)
    assert not np.allclose(free.coefs_[0], free.coefs_[-1].T)
    assert_array_equal(free.components_, free.coefs_[0].T)


@pytest.mark.parametrize("params", [{}, {"tied_weights": True}, {"solver": "sgd"}])
def test_partial_fit_continues(params):
    X = data()
    params = {"learning_rate_schedule": "constant", "n_iter_no_change": 1000, **params}
    with pytest.warns(UserWarning, match="did not converge"):
        whole = fitted(max_iter=3, **params)
    parts = unfitted(**params).partial_fit(X).partial_fit(X)
    parts = pickle.loads(pickle.dumps(parts)).partial_fit(X)
    assert_same_model(parts, whole)
    assert parts.loss_curve_ == whole.loss_curve_
    assert not hasattr(unfitted(solver="lbfgs"), "partial_fit")
    with pytest.raises(ValueError, match="early_stopping=True"):
        unfitted(early_stopping=True).partial_fit(X)


def test_warm_start_goes_on_without_pretraining():
    X = data()
    model = fitted(warm_start=True, max_iter=3)
    start, before = model.dbn_, model.coefs_[0].copy()
    model.set_params(learning_rate_init=1e-12).fit(X)
    assert model.dbn_ is start
    assert_allclose(model.coefs_[0], before, rtol=1e-6)
    assert model.n_iter_ == 6
    with pytest.raises(ValueError, match=r"sizes \[6, 4, 2\].*set the parameter"):
        model.set_params(hidden_layer_sizes=(3,)).fit(X)
    model.set_params(hidden_layer_sizes=(6, 4, 2), tied_weights=True)
    with pytest.raises(ValueError, match="fitted with tied_weights=False"):
        model.fit(X)


def test_early_stopping_keeps_the_best_epoch_of_the_rows_held_out():
    X, weights = data(200), np.random.default_rng(0).uniform(size=200)
    model = unfitted(
        early_stopping=True,
        learning_rate_schedule="constant",
        learning_rate_init=0.3,
        max_iter=100,
        n_iter_no_change=5,
        validation_fraction=0.2,
    ).fit(X, sample_weight=weights)
    scores = model.validation_scores_
    assert len(scores) == model.n_iter_ < 100
    assert scores.index(max(scores)) < len(scores) - 1
    _, held_out = train_test_split(
        np.arange(200), test_size=0.2, random_state=model._seed
    )
    found = model.score(X[held_out], sample_weight=weights[held_out])
    assert_allclose(found, max(scores))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_row_of_weight_two_is_the_row_twice(solver):
    X = data(60)
    weights = np.random.default_rng(0).integers(0, 3, 60)
    twice = np.repeat(np.arange(60), weights)
    model = unfitted(
        solver=solver,
        alpha=1.0,
        batch_size=200,
        tol=0.1 if solver == "lbfgs" else 0.0,
        max_iter=100 if solver == "lbfgs" else 3,
        rbm=BernoulliRBM(n_iter=2, batch_size=200),
    )
    one = clone(model).fit(X, sample_weight=weights)
    other = clone(model).fit(X[twice])
    assert_same_model(one, other, rtol=1e-5)
    assert differ(one, clone(model).fit(X))
    with pytest.raises(ValueError, match="zero"):
        model.fit(X, sample_weight=np.zeros(60))


# The network to start from


def test_a_fitted_network_serves_and_stays_as_it_is():
    X = data()
    dbn = DBN((6, 2), rbm=[BernoulliRBM(), LINEAR], random_state=0).fit(X)
    before = dbn.components_.copy()
    one = fitted(dbn=dbn, learning_rate_init=0.01)
    two = clone(unfitted(dbn=FrozenEstimator(dbn), learning_rate_init=0.01)).fit(X)
    for model in (one, two):
        assert_array_equal(model.dbn_.components_, dbn.components_)
    assert_same_model(one, two)
    assert_array_equal(before, dbn.components_)
    assert not np.allclose(one.coefs_[0], before.T)
    assert one.transform(X).shape == (120, 2)
    with pytest.raises(ValueError, match="Both dbn and rbm"):
        unfitted(dbn=dbn, rbm=BernoulliRBM()).fit(X)
    with pytest.raises(NotFittedError, match="dbn is frozen"):
        unfitted(dbn=FrozenEstimator(clone(dbn))).fit(X)
    with pytest.raises(ValueError, match="4 features, but dbn was fitted to 8"):
        unfitted(dbn=dbn).fit(X[:, :4])


@pytest.mark.parametrize("is_fitted", [False, True])
def test_weights_that_wake_sleep_has_untied_cannot_be_tied(is_fitted, monkeypatch):
    dbn = DBN((6, 4, 2), rbm=BernoulliRBM(n_iter=1), up_down_iter=1, random_state=0)
    if is_fitted:
        dbn.fit(data())
    else:
        monkeypatch.setattr(DBN, "_train", None)  # before anything is trained
        dbn = DBN(up_down_iter=1)
    with pytest.raises(ValueError, match=r"tied_weights=True .*wake-sleep"):
        fitted(dbn=dbn, tied_weights=True)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"rbm": GaussianRBM()}, 'set loss="squared"'),
        ({"rbm": [GaussianRBM(), BernoulliRBM()]}, 'set loss="squared"'),
        ({"rbm": CategoricalRBM()}, "An autoencoder needs .* Categorical"),
        ({"rbm": [MultinomialRBM(), BernoulliRBM()]}, "needs .* Multinomial"),
        ({"rbm": [MixedRBM(), BernoulliRBM()]}, "needs .* SideBySide"),
        ({"dbn": DBN(rbm=[GaussianRBM(), BernoulliRBM()])}, 'set loss="squared"'),
        ({"rbm": [BernoulliRBM()] * 3}, "3 machines, but .* has 2"),
        ({"solver": "lbfgs", "dropout": 0.5}, "Set solver='adam'"),
    ],
    ids=str,
)
def test_what_makes_no_autoencoder_is_refused_before_training(
    params, message, monkeypatch
):
    monkeypatch.setattr(BernoulliRBM, "_fit_part", None)
    with pytest.raises(ValueError, match=message):
        fitted(hidden_layer_sizes=(6, 2), **params)


def test_a_loss_that_is_set_after_the_fit_has_to_suit_the_rows():
    model = real().fit(real_data()).set_params(loss="cross-entropy")
    with pytest.raises(ValueError, match='set loss="squared"'):
        model.score_samples(real_data())


def test_divergence_says_what_to_lower():
    model = fitted(loss="squared", solver="sgd")
    before = [x.copy() for x in model.coefs_]
    model.set_params(learning_rate_init=1e300)
    advice = (
        r"epoch 6 .*lower learning_rate_init .*, and see that X lies in \[0, 1\]\.$"
    )
    with pytest.raises(FloatingPointError, match=advice):
        model.partial_fit(data())
    for x, z in zip(model.coefs_, before, strict=True):
        assert_array_equal(x, z)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(value):
    bad = data()
    bad[3, 2] = value
    model = unfitted()
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        model.fit(bad)
    assert not hasattr(model, "n_features_in_")
    model.fit(data())
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        model.reconstruct(bad)
    with pytest.raises(ValueError, match=r"has 3 columns, but .* has 2 hidden"):
        model.inverse_transform(np.zeros((5, 3)))
    for method in ("transform", "inverse_transform", "reconstruct", "score_samples"):
        with pytest.raises(NotFittedError):
            getattr(unfitted(), method)(data())


# Within scikit-learn


def test_containers_and_dtypes():
    X = (data() > 0.5).astype(np.uint8)
    model = fitted(X)
    assert model.coefs_[0].dtype == model.reconstruct(X).dtype == np.float32
    assert_same_model(fitted(sparse.csr_array(X)), model, rtol=1e-4, atol=1e-6)
    wide = fitted(X.astype(float))
    assert wide.coefs_[0].dtype == np.float64
    assert_same_model(wide, model, rtol=1e-3, atol=1e-4)
    for method in ("transform", "reconstruct", "score_samples"):
        found = getattr(model, method)(sparse.csr_array(X))
        assert_allclose(found, getattr(model, method)(X), rtol=1e-5)
    narrow = model.inverse_transform(model.transform(X))
    assert narrow.dtype == np.float32


def test_rows_are_never_all_made_dense(monkeypatch):
    from skebm.core import rows

    most, real_take = [], rows.take_rows

    def spied(X, chosen, dtype):
        found = real_take(X, chosen, dtype)
        most.append(found.shape[0])
        return found

    X = sparse.random(2000, 8, density=0.2, format="csr", random_state=0)
    X.data[:] = 1.0
    for module in (rows, fine_tuning):
        monkeypatch.setattr(module, "take_rows", spied)
    fitted(X.tocsr(), max_iter=1)
    assert 0 < max(most) <= rows.BLOCK_ROWS


def test_grid_search_pipeline_pickle_and_clone():
    X = 3.0 * data(90)
    model = make_pipeline(MinMaxScaler(clip=True), unfitted())
    grid = {
        "deepautoencoder__hidden_layer_sizes": [(2,), (6, 2)],
        "deepautoencoder__rbm__learning_rate": [0.05, 0.1],
    }
    search = GridSearchCV(model, grid, cv=2).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_estimator_
    again = pickle.loads(pickle.dumps(best))
    assert_array_equal(again.transform(X), best.transform(X))
    assert_array_equal(clone(best).fit(X).transform(X), best.transform(X))
    dbn = FrozenEstimator(DBN((6, 4), random_state=0).fit(data(90)))
    search = GridSearchCV(
        unfitted(dbn=dbn), {"learning_rate_init": [1e-3, 1e-2]}, cv=2
    ).fit(data(90))
    assert_array_equal(
        search.best_estimator_.dbn_.components_, dbn.estimator.components_
    )


def test_data_frames_name_their_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(data(), columns=list("abcdefgh"))
    model = fitted(frame)
    assert_array_equal(model.feature_names_in_, frame.columns)
    names = ["deepautoencoder0", "deepautoencoder1"]
    assert list(model.set_output(transform="pandas").transform(frame)) == names
    assert_same_model(model, fitted(), rtol=1e-9)
    with pytest.raises(ValueError, match="feature names"):
        model.transform(frame[list("hgfedcba")])


def test_verbose_prints_a_line_per_epoch(capsys):
    fitted(verbose=1, early_stopping=True, max_iter=2)
    lines = capsys.readouterr().out.splitlines()
    names = 3 * ["[DBN]"] + 2 * ["[DeepAutoencoder]"]
    assert [line.split()[0] for line in lines] == names
    assert "validation score = -" in lines[-1]


@pytest.mark.parametrize("after", [1, 2])
def test_an_interruption_of_pretraining_keeps_the_layers_done(after, monkeypatch):
    """The code is then that of the last layer that is trained."""
    real_fit, calls = BernoulliRBM._fit_part, []

    def interrupted(self, *args):
        calls.append(0)
        if len(calls) == after + 1:
            raise KeyboardInterrupt
        return real_fit(self, *args)

    monkeypatch.setattr(BernoulliRBM, "_fit_part", interrupted)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model = fitted()
    X = data()
    assert_allclose(model.reconstruct(X), model.dbn_.reconstruct(X))
    assert model.transform(X).shape == (120, (6, 4)[after - 1])


def test_better_codes_of_digits_than_those_of_pca():
    X = load_digits().data / 16
    X, X_test = train_test_split(X, random_state=0)
    model = DeepAutoencoder(
        (80, 8), rbm=BernoulliRBM(n_iter=5), learning_rate_init=0.01, max_iter=40
    )
    model.set_params(random_state=0).fit(X)
    pca = PCA(8).fit(X)
    linear = pca.inverse_transform(pca.transform(X_test)) - X_test
    error = model.reconstruct(X_test) - X_test
    assert (error**2).sum() < 0.8 * (linear**2).sum()


def test_what_becomes_of_a_network_that_was_given_does_not_matter():
    X = data()
    dbn = DBN((6, 2), rbm=[BernoulliRBM(), LINEAR], random_state=0).fit(X)
    model = fitted(dbn=dbn)
    before = model.reconstruct(X), model.score_samples(X)
    dbn.set_params(rbm=[GaussianRBM(n_iter=1), LINEAR]).fit(real_data())
    assert_array_equal(model.reconstruct(X), before[0])
    dbn.set_params(hidden_layer_sizes=(3,), rbm=BernoulliRBM(n_iter=1)).fit(X[:, :3])
    assert_array_equal(model.score_samples(X), before[1])


@pytest.mark.parametrize("sizes", [(2,), (6, 2), (6, 4, 2)])
def test_a_machine_of_real_values_alone_is_the_lowest_one(sizes):
    model = real(rbm=GaussianRBM(n_iter=1), hidden_layer_sizes=sizes).fit(real_data())
    first, *others = model.dbn_.rbms_
    assert isinstance(first, GaussianRBM)
    assert all(isinstance(rbm, BernoulliRBM) for rbm in others)
    linear = [rbm.hidden_units == "gaussian" for rbm in model.dbn_.rbms_]
    assert linear == [False] * (len(sizes) - 1) + [True]


def test_what_cannot_go_on_or_begin_is_refused():
    X = data()
    model = fitted()
    with pytest.raises(ValueError, match="fitted with loss='cross-entropy'"):
        model.set_params(loss="squared").partial_fit(X)
    with pytest.raises(ValueError, match="early_stopping holds rows out, but only one"):
        fitted(X[:1], early_stopping=True)
    with pytest.raises(ValueError, match=r"must be one of .*got 'relu'"):
        fitted(
            hidden_layer_sizes=(4, 2),
            rbm=[BernoulliRBM(), BernoulliRBM(hidden_units="relu")],
        )
