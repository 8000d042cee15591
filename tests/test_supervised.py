"""DBNClassifier, DBNRegressor and DBMClassifier as their users meet them."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skebm import (
    DBM,
    DBN,
    BernoulliRBM,
    DBMClassifier,
    DBNClassifier,
    DBNRegressor,
)

BOTH = [DBNClassifier, DBNRegressor]
ALL = [*BOTH, DBMClassifier]


def data(n=120, n_classes=3, seed=0):
    """Rows in [0, 1], and classes that depend on two of the columns."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, 5))
    y = np.minimum((n_classes * 0.5 * (X[:, 0] + X[:, 1])).astype(int), n_classes - 1)
    return X, y


def pretraining(kind, n_iter=2, **params):
    """The parameter that says how a kind of estimator is pretrained."""
    rbm = BernoulliRBM(n_iter=n_iter, **params)
    if kind is not DBMClassifier:
        return {"rbm": rbm}
    return {"dbm": DBM(rbm=rbm, n_iter=n_iter, **params)}


def unfitted(kind=DBNClassifier, **params):
    return kind(
        **{
            "hidden_layer_sizes": (6, 4),
            **({} if "dbn" in params else pretraining(kind)),
            "learning_rate_schedule": "linear",
            "max_iter": 5,
            "random_state": 0,
            **params,
        }
    )


def fitted(kind=DBNClassifier, X=None, y=None, **params):
    default_X, default_y = data()
    X, y = default_X if X is None else X, default_y if y is None else y
    return unfitted(kind, **params).fit(X, y)


def assert_same_model(one, other, **tolerance):
    for x, z in zip(
        [*one.coefs_, *one.intercepts_],
        [*other.coefs_, *other.intercepts_],
        strict=True,
    ):
        assert_allclose(x, z, **(tolerance or {"rtol": 0}))


# What is learnt


def test_fine_tuning_starts_from_the_deep_belief_network():
    X, y = data()
    model = fitted(max_iter=1, learning_rate_init=1e-12)
    for W, c, rbm in zip(
        model.coefs_[:-1], model.intercepts_[:-1], model.dbn_.rbms_, strict=True
    ):
        assert_allclose(W, rbm.components_.T)
        assert_allclose(c, rbm.intercept_hidden_)
    assert_allclose(model.transform(X), model.dbn_.transform(X))
    shares = (np.bincount(y) + 1 / 3) / (len(y) + 1)
    assert_allclose(model.predict_proba(X), np.tile(shares, (len(X), 1)))


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("kind", ALL)
def test_each_solver_learns(kind, solver):
    X, y = data(300)
    model = fitted(
        kind,
        X,
        y,
        solver=solver,
        hidden_layer_sizes=(20,),
        learning_rate_init=0.01 if solver == "adam" else 0.05,
        batch_size=20,
        max_iter=100,
        tol=0.0 if solver != "lbfgs" else 1e-3,
    )
    assert model.score(*data(300, seed=1)) > (0.85 if is_classifier(kind()) else 0.8)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert model.n_iter_ == len(model.loss_curve_) > 3


def test_without_hidden_influence_it_is_a_linear_model():
    """L-BFGS to the end, with so much penalty that only the biases are left."""
    X, y = data()
    model = fitted(X=X, y=y, solver="lbfgs", alpha=1e6, max_iter=1000, tol=1e-8)
    assert_allclose(model.predict_proba(X)[0], np.bincount(y) / len(y), atol=5e-3)


def test_better_than_its_features_with_logistic_regression():
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    dbn = DBN((60, 60), rbm=BernoulliRBM(n_iter=20), random_state=0).fit(X_train)
    model = DBNClassifier(
        dbn=dbn,
        max_iter=50,
        learning_rate_init=0.01,
        learning_rate_schedule="linear",
        random_state=0,
    )
    found = model.fit(X_train, y_train).score(X_test, y_test)
    features = make_pipeline(FrozenEstimator(dbn), LogisticRegression(max_iter=500))
    assert found > features.fit(X_train, y_train).score(X_test, y_test)
    assert found > 0.94
    # And the fine-tuned features are better ones.
    again = LogisticRegression(max_iter=500).fit(model.transform(X_train), y_train)
    assert again.score(model.transform(X_test), y_test) > 0.94


def test_regressor_of_many_outputs():
    X, _ = data(200)
    Y = np.column_stack([X[:, 0] * 2 - 1, X[:, 1] - X[:, 2]])
    params = {"solver": "lbfgs", "max_iter": 300, "tol": 1e-3, "alpha": 0.0}
    model = fitted(DBNRegressor, X, Y, hidden_layer_sizes=(10,), **params)
    assert model.score(X, Y) > 0.95
    assert model.predict(X).shape == (200, 2)
    single = fitted(DBNRegressor, X, Y[:, 0], hidden_layer_sizes=(10,), **params)
    assert single.predict(X).shape == (200,)
    assert single.score(X, Y[:, 0]) > Ridge().fit(X, Y[:, 0]).score(X, Y[:, 0]) - 0.05


# Outputs


@pytest.mark.parametrize("n_classes", [2, 3])
def test_outputs_agree_with_each_other(n_classes):
    X, y = data(n_classes=n_classes)
    labels = np.array(["low", "middle", "top"])
    model = fitted(X=X, y=labels[y], max_iter=30)
    p, a = model.predict_proba(X), model.decision_function(X)
    assert p.shape == (120, n_classes)
    assert_allclose(p.sum(axis=1), 1.0)
    assert_allclose(model.predict_log_proba(X), np.log(p))
    assert_array_equal(model.classes_, labels[:n_classes])
    assert_array_equal(model.predict(X), model.classes_[p.argmax(axis=1)])
    if n_classes == 2:
        assert_allclose(a, np.log(p[:, 1] / p[:, 0]))
    else:
        assert_allclose(a - a[:, :1], np.log(p / p[:, :1]))


def test_several_labels_for_each_row():
    X, _ = data(300)
    Y = np.column_stack([X[:, 0] > 0.5, X[:, 1] > 0.5, X[:, 0] > 0.2]).astype(int)
    model = fitted(
        X=X, y=Y, solver="lbfgs", max_iter=300, tol=1e-2, hidden_layer_sizes=(10,)
    )
    p = model.predict_proba(X)
    assert p.shape == model.decision_function(X).shape == (300, 3)
    assert_array_equal(model.predict(X), p > 0.5)
    assert model.score(X, Y) > 0.8
    assert_allclose(np.exp(model.predict_log_proba(X)), p, atol=1e-15)
    model = unfitted().partial_fit(X, Y, classes=[0, 1, 2])
    assert model.partial_fit(X, Y).predict(X).shape == Y.shape


# Rows without a label, weights, and the network to start from


def test_rows_without_a_label_are_for_pretraining_alone():
    X, y = data()
    some = y.copy()
    some[40:] = -1
    model = fitted(X=X, y=some, unlabeled=-1)
    dbn = DBN((6, 4), rbm=BernoulliRBM(n_iter=2), random_state=model.dbn_.random_state)
    assert_same_model(fitted(X=X[:40], y=y[:40], rbm=None, dbn=dbn.fit(X)), model)
    assert_array_equal(model.classes_, [0, 1, 2])
    other = fitted(X=X[:40], y=y[:40])
    assert not np.allclose(other.dbn_.components_, model.dbn_.components_)


@pytest.mark.parametrize("kind", BOTH)
def test_a_fitted_network_serves_and_stays_as_it_is(kind):
    X, y = data()
    dbn = DBN((6, 4), random_state=0).fit(X)
    before = [x.copy() for rbm in dbn.rbms_ for x in (rbm.components_,)]
    one = fitted(kind, dbn=dbn)
    two = clone(unfitted(kind, dbn=FrozenEstimator(dbn))).fit(X, y)
    assert one.dbn_ is two.dbn_ is dbn
    assert_same_model(one, two)
    for x, rbm in zip(before, dbn.rbms_, strict=True):
        assert_array_equal(x, rbm.components_)
    assert not np.allclose(one.coefs_[0], before[0].T)
    with pytest.raises(NotFittedError, match="dbn is frozen, but not fitted"):
        unfitted(kind, dbn=FrozenEstimator(clone(dbn))).fit(X, y)
    with pytest.raises(ValueError, match="4 features, but dbn was fitted to 5"):
        unfitted(kind, dbn=dbn).fit(X[:, :4], y)
    with pytest.raises(ValueError, match="Both dbn and rbm"):
        unfitted(kind, dbn=dbn, rbm=BernoulliRBM()).fit(X, y)
    with pytest.raises(TypeError, match="dbn must be a DBN, got BernoulliRBM"):
        unfitted(kind, dbn=BernoulliRBM()).fit(X, y)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("kind", ALL)
def test_a_row_of_weight_two_is_the_row_twice(kind, solver):
    X, y = data(60)
    weights = np.random.default_rng(0).integers(0, 3, 60)
    params = {"solver": solver, "tol": 0.0, "batch_size": 200, "max_iter": 3}
    params |= pretraining(kind, batch_size=200)
    model = unfitted(kind, alpha=1.0, **params)
    twice = np.repeat(np.arange(60), weights)
    with _maybe_warns(solver):
        one = clone(model).fit(X, y, sample_weight=weights)
        other = clone(model).fit(X[twice], y[twice])
        plain = clone(model).fit(X, y)
    assert_same_model(one, other, rtol=1e-6)
    assert not np.allclose(one.coefs_[0], plain.coefs_[0])


def _maybe_warns(solver):
    if solver == "lbfgs":
        return pytest.warns(ConvergenceWarning)
    return config_context()


def test_class_weights_are_weights_of_rows():
    X, y = data()
    params = {"batch_size": 200, "rbm": None, "dbn": DBN((6, 4), random_state=0).fit(X)}
    weights = {0: 1.0, 1: 3.0, 2: 0.5}
    one = fitted(class_weight=weights, **params)
    row_weights = np.array([weights[k] for k in y])
    other = unfitted(**params).fit(X, y, sample_weight=row_weights)
    assert_same_model(one, other, rtol=1e-10)
    balanced = fitted(class_weight="balanced", max_iter=1, **params)
    shares = balanced.predict_proba(X)[0]
    assert_allclose(shares, 1 / 3, atol=0.05)
    assert not np.allclose(fitted(max_iter=1, **params).predict_proba(X)[0], shares)


# Going on, and stopping


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("kind", ALL)
def test_partial_fit_continues(kind, solver):
    X, y = data()
    params = {"solver": solver, "learning_rate_schedule": "constant", "tol": 0.0}
    first = {"classes": [0, 1, 2]} if is_classifier(kind()) else {}
    with pytest.warns(ConvergenceWarning):
        whole = fitted(kind, max_iter=3, **params)
    parts = unfitted(kind, **params).partial_fit(X, y, **first)
    parts = pickle.loads(pickle.dumps(parts.partial_fit(X, y)))
    assert_same_model(parts.partial_fit(X, y), whole)
    assert parts.loss_curve_ == whole.loss_curve_
    assert parts.n_iter_ == 3


@pytest.mark.parametrize("kind", ALL)
def test_warm_start_goes_on_without_pretraining(kind):
    X, y = data()
    model = fitted(kind, warm_start=True, max_iter=3)
    start, before = model._model(), model.coefs_[0].copy()
    model.set_params(learning_rate_init=1e-12).fit(X, y)
    assert model._model() is start
    assert_allclose(model.coefs_[0], before, rtol=1e-6)
    assert model.n_iter_ == 6
    with pytest.raises(ValueError, match=r"sizes \[6, 4\].*set the parameter to these"):
        model.set_params(hidden_layer_sizes=(3,)).fit(X, y)


def test_classes_must_stay():
    X, y = data()
    with pytest.raises(ValueError, match="classes must be passed"):
        unfitted().partial_fit(X, y)
    model = unfitted().partial_fit(X[:50], np.minimum(y[:50], 1), classes=[0, 1, 2])
    assert_array_equal(model.partial_fit(X, y).classes_, [0, 1, 2])
    with pytest.raises(ValueError, match=r"is not what it was"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"labels \[7\] that are not among"):
        model.partial_fit(X, np.full(120, 7))
    with pytest.raises(ValueError, match=r"labels \[7\] that are not among"):
        model.set_params(warm_start=True).fit(X, np.full(120, 7))
    with pytest.raises(ValueError, match="compute_class_weight"):
        model.set_params(class_weight="balanced").partial_fit(X, y)
    with pytest.raises(ValueError, match=r"2 outputs.*fitted to 1"):
        fitted(DBNRegressor).partial_fit(X, np.ones((120, 2)))


@pytest.mark.parametrize("kind", ALL)
def test_early_stopping_keeps_the_best_weights(kind):
    X, y = data(200)
    params = {
        "early_stopping": True,
        "max_iter": 60,
        "learning_rate_schedule": "constant",
        "learning_rate_init": 0.05,
        "n_iter_no_change": 5,
        "validation_fraction": 0.2,
    }
    model = fitted(kind, X, y, **params)
    scores = model.validation_scores_
    assert len(scores) == len(model.loss_curve_) < 60
    assert scores.index(max(scores)) < len(scores) - 1
    split = train_test_split(
        np.arange(200),
        test_size=0.2,
        stratify=y if is_classifier(kind()) else None,
        random_state=model._seed,
    )
    score = accuracy_score if is_classifier(kind()) else r2_score
    held_out = split[1]
    assert_allclose(score(y[held_out], model.predict(X[held_out])), max(scores))
    with pytest.raises(ValueError, match="early_stopping=True"):
        model._partial_fit(X, y, None)


def test_no_gain_stops_and_too_few_epochs_warn():
    model = fitted(tol=10.0, n_iter_no_change=3, max_iter=50)
    assert model.n_iter_ == 4  # the first is a gain over nothing
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        fitted(max_iter=2, learning_rate_schedule="constant")


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    "change",
    [
        {"solver": "sgd"},
        {"learning_rate_init": 0.01},
        {"learning_rate_schedule": "constant", "max_iter": 4, "tol": 10},
        {"alpha": 1.0},
        {"batch_size": 17},
        {"dropout": 0.2},
        {"input_dropout": 0.2},
        {"shuffle": False},
        {"early_stopping": True},
        {"n_pretraining": 3},
        {"random_state": 1},
    ],
)
def test_every_parameter_counts(kind, change):
    common = {"max_iter": 4, "n_iter_no_change": 3}
    if "n_pretraining" in change:
        change = pretraining(kind, change["n_pretraining"])
    one, other = fitted(kind, **common), fitted(kind, **{**common, **change})
    assert not np.allclose(one.coefs_[-1], other.coefs_[-1], rtol=1e-8)


def test_momentum_counts_for_sgd():
    one, other = (fitted(solver="sgd", momentum=m) for m in (0.9, 0.5))
    assert not np.allclose(one.coefs_[-1], other.coefs_[-1])


def test_solver_and_momentum_may_change_between_partial_fits():
    X, y = data()
    model = fitted(solver="sgd", momentum=0.0)
    still = clone_of(model).partial_fit(X, y).partial_fit(X, y)
    model.set_params(momentum=0.9).partial_fit(X, y).partial_fit(X, y)
    assert not np.allclose(model.coefs_[-1], still.coefs_[-1])
    for solver in ("adam", "sgd"):
        assert np.isfinite(
            model.set_params(solver=solver).partial_fit(X, y).coefs_[0]
        ).all()


def clone_of(model):
    return pickle.loads(pickle.dumps(model))


def test_verbose_prints_a_line_per_epoch(capsys):
    fitted(verbose=1, early_stopping=True, max_iter=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == 2 * ["[DBN]"] + 2 * [
        "[DBNClassifier]"
    ]
    assert lines[2].startswith("[DBNClassifier] Iteration 1, loss = ")
    assert "validation score = 0." in lines[2]


def test_interruption_keeps_the_epochs_done(monkeypatch):
    from skebm import _fine_tuned

    real, calls = _fine_tuned.fine_tuning.train_epoch, []

    def interrupted(*args):
        calls.append(0)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(_fine_tuned.fine_tuning, "train_epoch", interrupted)
    with pytest.warns(UserWarning, match="interrupted by user after 2 of 5"):
        model = fitted()
    assert model.n_iter_ == 2


# Bad input


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    "change",
    [{"dropout": 0.5}, {"input_dropout": 0.5}, {"early_stopping": True}],
)
def test_lbfgs_refuses_what_needs_batches(kind, change):
    with pytest.raises(ValueError, match="Set solver='adam' or 'sgd'"):
        fitted(kind, solver="lbfgs", **change)
    assert not hasattr(unfitted(kind, solver="lbfgs"), "partial_fit")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", ALL)
def test_nan_and_infinity_are_refused(kind, value):
    X, y = data()
    bad, y_bad = X.copy(), y.astype(float)
    bad[3, 2] = y_bad[5] = value
    model = unfitted(kind)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        model.fit(bad, y)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        model.fit(X, y_bad)
    with pytest.raises(ValueError, match="the target y is None"):
        model.fit(X, None)
    with pytest.raises(ValueError, match="inconsistent"):
        model.fit(X, y[:-1])
    assert not hasattr(model, "n_features_in_")
    model.fit(X, y)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        model.predict(bad)


def test_divergence_says_what_to_lower_and_leaves_the_model():
    X, y = data()
    model = fitted(DBNRegressor, solver="sgd")
    before = [x.copy() for x in model.coefs_]
    model.set_params(learning_rate_init=1e200, batch_size=5)
    with pytest.raises(FloatingPointError, match=r"epoch 6 .*learning_rate_init"):
        model.partial_fit(X, 1e100 * y)
    for x, z in zip(model.coefs_, before, strict=True):
        assert_array_equal(x, z)


# Within scikit-learn


@pytest.mark.parametrize("kind", ALL)
def test_containers_and_dtypes(kind):
    X, y = data()
    X = (X > 0.5).astype(np.uint8)
    model = fitted(kind, X, y)
    assert model.coefs_[0].dtype == np.float32
    assert_same_model(fitted(kind, sparse.csr_array(X), y), model, rtol=1e-4)
    wide = fitted(kind, X.astype(float), y)
    assert wide.coefs_[0].dtype == np.float64
    assert_same_model(wide, model, rtol=1e-3, atol=1e-4)
    assert_allclose(model.predict(sparse.csr_array(X)), model.predict(X))
    torch = pytest.importorskip("torch")
    with config_context(array_api_dispatch=True):
        tensors = fitted(kind, torch.asarray(X), torch.asarray(y))
    assert isinstance(tensors.coefs_[0], torch.Tensor)
    assert_same_model(tensors, model, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ALL)
def test_grid_search_pipeline_pickle_and_clone(kind):
    X, y = data(90)
    model = make_pipeline(MinMaxScaler(clip=True), unfitted(kind))
    step = kind.__name__.lower()
    grid = {
        f"{step}__hidden_layer_sizes": [(4,), (6, 4)],
        f"{step}__{next(iter(pretraining(kind)))}__learning_rate": [0.05, 0.1],
    }
    search = GridSearchCV(model, grid, cv=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.best_score_)
    best = search.best_estimator_
    assert_array_equal(pickle.loads(pickle.dumps(best)).predict(X), best.predict(X))
    assert_array_equal(clone(best).fit(X, y).predict(X), best.predict(X))


def test_one_pretraining_serves_a_grid_search():
    X, y = data(90)
    dbn = FrozenEstimator(DBN((6, 4), random_state=0).fit(X))
    grid = {"learning_rate_init": [1e-3, 1e-2]}
    search = GridSearchCV(unfitted(dbn=dbn), grid, cv=2).fit(X, y)
    assert search.best_estimator_.dbn_ is dbn.estimator


def test_data_frames_name_their_columns():
    pandas = pytest.importorskip("pandas")
    X, y = data()
    frame = pandas.DataFrame(X, columns=list("abcde"))
    model = fitted(X=frame, y=pandas.Series(y))
    assert_array_equal(model.feature_names_in_, frame.columns)
    names = [f"dbnclassifier{k}" for k in range(4)]
    assert list(model.set_output(transform="pandas").transform(frame)) == names
    assert_same_model(model, fitted(), rtol=1e-9)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("edcba")])


def test_a_class_of_minus_one_that_is_known():
    X, y = data()
    model = unfitted(learning_rate_init=0.05)
    for _ in range(30):
        model.partial_fit(X, y - 1, classes=[-1, 0, 1])
    assert (model.predict(X) == -1).mean() > 0.1


def test_batches_with_rows_without_labels():
    X, y = data()
    some = np.where(np.arange(120) % 2, y, -1)
    model = unfitted(unlabeled=-1).partial_fit(X, some, classes=[0, 1, 2])
    model.partial_fit(X, np.where(y == 1, 1, -1))
    assert_array_equal(model.classes_, [0, 1, 2])
    with pytest.raises(ValueError, match="all are unlabeled=-1"):
        model.partial_fit(X, np.full(120, -1))


def test_balanced_classes_count_weights():
    """A row of weight 2 is the row twice for class_weight, too."""
    X, y = data(60)
    weights = np.random.default_rng(0).integers(0, 3, 60)
    twice, dbn = np.repeat(np.arange(60), weights), DBN((6, 4), random_state=0).fit(X)
    params = {"dbn": dbn, "class_weight": "balanced", "batch_size": 500, "alpha": 0.0}
    one = unfitted(**params).fit(X, y, sample_weight=weights)
    other = unfitted(**params).fit(X[twice], y[twice])
    assert_allclose(one.predict_proba(X), other.predict_proba(X), atol=1e-5)


def test_balanced_weights_of_several_labels():
    X, _ = data()
    Y = np.column_stack([X[:, 0] > 0.8, X[:, 1] > 0.5]).astype(int)
    dbn = DBN((6, 4), random_state=0).fit(X)
    one, two = (
        fitted(X=X, y=Y, dbn=dbn, class_weight=each) for each in ("balanced", None)
    )
    assert not np.allclose(one.coefs_[-1], two.coefs_[-1])


def test_other_form_of_y_than_in_the_first_fit():
    X, _ = data()
    model = fitted(X=X, y=(X[:, :2] > 0.5).astype(int))
    with pytest.raises(ValueError, match=r"columns of y is 1, but .* fitted to 2"):
        model.partial_fit(X, (X[:, 0] > 0.5).astype(int))


def test_labelled_rows_keep_their_own_weights():
    X, y = data()
    weights = np.random.default_rng(0).uniform(size=120)
    some, dbn = np.where(np.arange(120) % 2, y, -1), DBN((6, 4), random_state=0).fit(X)
    other = unfitted(dbn=dbn).fit(X[1::2], y[1::2], sample_weight=weights[1::2])
    one = unfitted(dbn=dbn, unlabeled=-1).fit(X, some, sample_weight=weights)
    assert_same_model(one, other)


@pytest.mark.parametrize("kind", ALL)
def test_validation_heeds_the_weights(kind):
    X, y = data()
    weights = np.random.default_rng(0).uniform(size=120)
    params = {"early_stopping": True, "max_iter": 1, "validation_fraction": 0.3}
    model = unfitted(kind, learning_rate_init=0.05, **params)
    model.fit(X, y, sample_weight=weights)
    _, rows = train_test_split(
        np.arange(120),
        test_size=0.3,
        random_state=model._seed,
        stratify=y if is_classifier(kind()) else None,
    )
    expected = model.score(X[rows], y[rows], sample_weight=weights[rows])
    assert_allclose(model.validation_scores_, [expected])


def test_early_stopping_with_too_few_rows_or_weights():
    X, y = data()
    with pytest.raises(ValueError, match=r"holds out 1 of 10.*at least 2"):
        unfitted(DBNRegressor, early_stopping=True).fit(X[:10], y[:10])
    weights = np.zeros(120)
    weights[:40] = 1.0
    for seed in range(5):
        model = unfitted(early_stopping=True, max_iter=1, random_state=seed)
        model.fit(X, y, sample_weight=weights)
    labelled = np.arange(120) % 2 == 1
    some = np.where(labelled, y, -1)
    with pytest.raises(ValueError, match="weight zero"):
        unfitted(unlabeled=-1).fit(X, some, sample_weight=1.0 - labelled)


def test_going_on_keeps_what_was_better():
    X, y = data()
    params = {"early_stopping": True, "warm_start": True, "validation_fraction": 0.3}
    model = fitted(learning_rate_init=0.05, **params, max_iter=30)
    before = [W.copy() for W in model.coefs_]
    first = model.validation_scores_
    model.set_params(learning_rate_init=50.0, max_iter=2).fit(X, y)
    for W, after in zip(before, model.coefs_, strict=True):
        assert_array_equal(W, after)
    assert model.validation_scores_[: len(first)] == first
    assert len(model.validation_scores_) == len(first) + 2
    assert model.set_params(early_stopping=False).fit(X, y).validation_scores_ is None


@pytest.mark.parametrize("kind", ALL)
def test_a_network_of_other_arrays_than_numpys_is_refused(kind):
    torch = pytest.importorskip("torch")
    X, y = data()
    start = {"dbm": DBM((3,))} if kind is DBMClassifier else {"dbn": DBN((3,))}
    with config_context(array_api_dispatch=True):
        for model in start.values():
            model.fit(torch.asarray(X))
        with pytest.raises(ValueError, match=r"fitted to arrays of torch.* of numpy"):
            kind(**start).fit(X, y)


@pytest.mark.parametrize("kind", ALL)
def test_a_network_on_another_device_is_refused(kind):
    xp = pytest.importorskip("array_api_strict")
    pytest.importorskip("scipy", "1.14")
    X, y = data()
    model = DBM((3,)) if kind is DBMClassifier else DBN((3,))
    with config_context(array_api_dispatch=True):
        model.fit(xp.asarray(X))
        there = xp.asarray(X, device=xp.Device("device1"))
        with pytest.raises(ValueError, match=r"but X is of array_api_strict on .*1"):
            kind(**{type(model).__name__.lower(): model}).fit(there, y)


def test_columns_in_another_order_than_the_network_was_fitted_to():
    pandas = pytest.importorskip("pandas")
    X, y = data()
    frame = pandas.DataFrame(X, columns=list("abcde"))
    dbn = DBN((6, 4), random_state=0).fit(frame)
    with pytest.raises(ValueError, match="feature names"):
        unfitted(dbn=dbn).fit(frame[list("edcba")], y)


def test_a_new_fit_has_new_moments():
    X, y = data()
    model = fitted(warm_start=True)
    steps = model._moments["n_steps"]
    assert model.fit(X, y)._moments["n_steps"] == steps


def test_classes_in_any_order():
    X, y = data()
    model = unfitted().partial_fit(X, y, classes=[2, 0, 1])
    again = model.partial_fit(X, y, classes=[1, 2, 0])
    assert_array_equal(again.classes_, [0, 1, 2])


def test_warm_start_with_a_network_of_its_own_sizes():
    X, y = data()
    dbn = DBN((3,), random_state=0).fit(X)
    model = fitted(dbn=dbn, warm_start=True)
    n_iter = model.n_iter_
    assert model.fit(X, y).n_iter_ == 2 * n_iter


def test_going_on_keeps_the_seed():
    X, y = data()
    model = fitted(warm_start=True, random_state=None)
    one, two = clone_of(model).fit(X, y), clone_of(model).fit(X, y)
    assert_same_model(one, two)


def test_l_bfgs_that_does_not_converge_says_so():
    with pytest.warns(ConvergenceWarning, match="L-BFGS did not converge"):
        model = fitted(solver="lbfgs", max_iter=2, tol=0.0)
    assert model.n_iter_ == len(model.loss_curve_) == 2


# Targets of the regressor


OFFSET, UNIT = 1.7e9, 20.0


def far_off(seed=0, n=300):
    X, _ = data(n, seed=seed)
    return (X > 0.5).astype(np.uint8), (X[:, :2] > 0.5).sum(axis=1).astype(float)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("params", [{}, {"solver": "lbfgs"}, {"early_stopping": True}])
def test_targets_far_from_zero(dtype, params):
    """In seconds since 1970, say, which single precision rounds to two minutes."""
    X, y = far_off()
    params = {"hidden_layer_sizes": (10,), "max_iter": 60, "batch_size": 20, **params}
    params = {"learning_rate_init": 0.03, "tol": 1e-3, "alpha": 0.0, **params}
    if "solver" in params:
        params |= {"max_iter": 500, "tol": 0.1}
    near, far = UNIT * (y - y.mean()), OFFSET + UNIT * y
    model = fitted(DBNRegressor, X.astype(dtype), far, **params)
    plain = fitted(DBNRegressor, X.astype(dtype), near, **params)
    assert model.score(X, far) > 0.9
    assert_allclose(model.score(X, far), plain.score(X, near), atol=0.01)
    h, W, b = model.transform(X), model.coefs_[-1], model.intercepts_[-1]
    assert_allclose(h @ W[:, 0] + b, model.predict(X), rtol=1e-14)
    assert_allclose(b, OFFSET, rtol=1e-7)
    assert model.coefs_[-1].dtype == ("float64" if dtype == "float64" else "float32")
    assert model.set_params(warm_start=True).fit(X, far).score(X, far) > 0.9


def test_going_on_with_targets_far_from_zero():
    """One step further is all that a pass at a small rate goes."""
    X, y = far_off()
    far = OFFSET + UNIT * y
    params = {"hidden_layer_sizes": (10,), "max_iter": 60, "learning_rate_init": 0.03}
    model = fitted(DBNRegressor, X, far, **params)
    before = model.predict(X)
    model.set_params(learning_rate_init=1e-9).partial_fit(X, far)
    assert_allclose(model.predict(X) - OFFSET, before - OFFSET, rtol=1e-4)
    model.partial_fit(X[:7], far[:7])
    assert_allclose(model.predict(X) - OFFSET, before - OFFSET, rtol=1e-4)


def test_some_targets_far_from_zero():
    X, y = far_off()
    Y = np.column_stack([y, OFFSET + UNIT * y, -OFFSET - y])
    params = {"solver": "lbfgs", "max_iter": 500, "tol": 0.1, "alpha": 0.0}
    model = fitted(DBNRegressor, X, Y, hidden_layer_sizes=(10,), **params)
    assert (r2_score(Y, model.predict(X), multioutput="raw_values") > 0.9).all()


def test_ordinary_targets_are_computed_in_the_dtype_of_the_rows():
    X, y = far_off()
    model = fitted(DBNRegressor, X, 2000 + UNIT * y)
    assert model.intercepts_[-1].dtype == model.predict(X).dtype == np.float32


@pytest.mark.parametrize("scale", [1.0, OFFSET])
def test_targets_of_weight_zero_count_for_nothing(scale):
    X, y = far_off()
    weights, wrong, y = np.ones(300), scale + y, scale + y
    weights[:50], wrong[:50] = 0.0, 1e60
    one, other = (
        unfitted(DBNRegressor).fit(X, targets, sample_weight=weights)
        for targets in (y, wrong)
    )
    assert_same_model(one, other)
    assert_allclose(one.intercepts_[-1], y[50:].mean(), rtol=0, atol=1.0)


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_constant_targets(dtype):
    X, _ = far_off()
    for value in (0.0, 3.0, OFFSET):
        model = fitted(DBNRegressor, X.astype(dtype), np.full(300, value))
        assert_allclose(model.predict(X), value, rtol=1e-12)


@pytest.mark.parametrize("value", [None, np.nan, np.inf])
@pytest.mark.parametrize("container", [list, lambda y: np.array(y, dtype=object)])
def test_missing_targets_are_refused(value, container, monkeypatch):
    X, y = far_off()
    monkeypatch.setattr(DBN, "fit", None)
    y = [*y[:-1], value]
    with pytest.raises(ValueError, match=r"Input y contains (NaN|infinity)"):
        fitted(DBNRegressor, X, container(y))
    with pytest.raises(ValueError, match=r"Input y contains (NaN|infinity)"):
        unfitted(DBNRegressor).partial_fit(X, container(y))


def test_targets_of_other_kinds_are_refused(monkeypatch):
    X, y = far_off()
    monkeypatch.setattr(DBN, "fit", None)
    with pytest.raises(TypeError, match=r"Sparse data was passed for y.*toarray"):
        fitted(DBNRegressor, X, sparse.csr_array(y[:, None]))
    with pytest.raises(ValueError, match="could not convert string to float"):
        fitted(DBNRegressor, X, np.full(300, "high"))
    with pytest.raises(ValueError, match=r"y .* too large for float32"):
        fitted(DBNRegressor, X, 1e300 * y)
