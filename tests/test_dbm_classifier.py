"""What DBMClassifier has that the other fine-tuned networks do not."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split

from skebm import DBM, DBN, BernoulliRBM, DBMClassifier, DBNClassifier, _fine_tuned
from skebm import _origins as origins
from skebm.core.rows import BLOCK_ROWS
from skebm.core.sampling import Inference

from .test_supervised import assert_same_model, data, fitted, unfitted

SIZES = [(6,), (6, 4), (6, 5, 4)]


def machine(X, sizes=(6, 4), **params):
    """A fitted machine with weights far from its small random start."""
    common = {"n_iter": 2, "initial_activation": 0.5, "random_state": 0}
    dbm = DBM(sizes, pretrain=False, **{**common, **params}).fit(X)
    rng = np.random.default_rng(3)
    dbm.components_ = [rng.normal(size=W.shape) for W in dbm.components_]
    return dbm


def classifier(dbm, **params):
    return unfitted(DBMClassifier, **{"dbm": dbm, **params})


# The start, and the network


@pytest.mark.parametrize("sizes", SIZES)
def test_fine_tuning_starts_where_mean_field_stands(sizes):
    X, y = data()
    dbm = machine(X, sizes)
    model = classifier(dbm, max_iter=1, learning_rate_init=1e-12).fit(X, y)
    assert_allclose(model.transform(X), dbm.transform(X), atol=1e-4)
    bottom_up = expit(X @ dbm.components_[0].T + dbm.intercepts_[1])
    for W, b in zip(dbm.components_[1:], dbm.intercepts_[2:], strict=True):
        bottom_up = expit(bottom_up @ W.T + b)
    differs = len(sizes) > 1
    assert (np.abs(bottom_up - dbm.transform(X)).max() > 0.1) == differs
    shares = (np.bincount(y) + 1 / 3) / (len(y) + 1)
    assert_allclose(model.predict_proba(X), np.tile(shares, (len(X), 1)))


def test_weights_start_from_those_of_the_machine():
    X, y = data()
    dbm = machine(X, (6, 5, 4))
    model = classifier(dbm, max_iter=1, learning_rate_init=1e-12).fit(X, y)
    assert [W.shape for W in model.coefs_] == [(5 + 5, 6), (6 + 4, 5), (5, 4), (4, 3)]
    W1, W2, W3 = dbm.components_
    assert_allclose(model.coefs_[0], np.vstack([W1.T, W2]))
    assert_allclose(model.coefs_[1], np.vstack([W2.T, W3]))
    assert_allclose(model.coefs_[2], W3.T)
    assert_allclose(model.components_, W1)
    for b, c in zip(model.intercepts_[:-1], dbm.intercepts_[1:], strict=True):
        assert_allclose(b, c)
    moved = classifier(dbm, learning_rate_init=0.01).fit(X, y)
    assert np.abs(moved.coefs_[0][:5] - W1.T).max() > 1e-3
    assert np.abs(moved.coefs_[0][5:] - W2).max() > 1e-3


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("sizes", SIZES)
def test_predictions_are_those_of_the_formula(sizes, container):
    X, y = data()
    dbm = machine(X, sizes)
    model = classifier(dbm, learning_rate_init=0.05, max_iter=40)
    model.fit(container(X), y)
    above = [*dbm.mean_field(X).layers[1:], np.zeros((len(X), 0))]
    h = X
    for q, W, b in zip(above, model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        h = expit(np.hstack([h, q]) @ W + b)
    p = softmax(h @ model.coefs_[-1] + model.intercepts_[-1], axis=1)
    assert_allclose(model.predict_proba(container(X)), p)
    assert_allclose(model.transform(container(X)), h)
    assert np.ptp(p, axis=0).max() > 0.1


@pytest.mark.parametrize("sizes", SIZES)
def test_fine_tuning_sees_what_predictions_see(sizes):
    X, y = data()
    model = classifier(machine(X, sizes), alpha=0.0, learning_rate_init=0.05)
    model.set_params(max_iter=60, warm_start=True).fit(X, y)
    expected = log_loss(y, model.predict_proba(X))
    assert expected < model.loss_curve_[0] - 0.1
    model.set_params(max_iter=1, learning_rate_init=1e-12).fit(X, y)
    assert_allclose(model.loss_curve_[-1], expected)


def test_learns_digits_as_well_as_from_a_deep_belief_network():
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    common = {
        "hidden_layer_sizes": (60, 60),
        "max_iter": 30,
        "learning_rate_init": 0.01,
        "learning_rate_schedule": "linear",
        "random_state": 0,
    }
    found = DBMClassifier(dbm=DBM(n_iter=5), **common).fit(X_train, y_train)
    other = DBNClassifier(rbm=BernoulliRBM(n_iter=10), **common).fit(X_train, y_train)
    score = found.score(X_test, y_test)
    assert score > 0.94
    assert score > other.score(X_test, y_test) - 0.02


# The machine that it starts from


def test_a_fitted_machine_serves_and_stays_as_it_is():
    X, y = data()
    dbm = machine(X)
    before = pickle.dumps(dbm)
    one = classifier(dbm).fit(X, y)
    two = clone(classifier(FrozenEstimator(dbm))).fit(X, y)
    assert_same_model(one, two)
    assert pickle.dumps(dbm) == before
    assert_array_equal(one.dbm_.components_[0], dbm.components_[0])
    p = one.predict_proba(X)
    dbm.set_params(learning_rate=1.0).partial_fit(X)
    assert_array_equal(one.predict_proba(X), p)
    dbm = machine(X)
    model = classifier(dbm).fit(X, y)
    dbm.components_[1][...] = 0.0
    dbm.intercepts_[1] = dbm.intercepts_[1] + 1.0
    assert_array_equal(model.predict_proba(X), p)


def test_a_machine_that_is_not_fitted_is_cloned():
    X, y = data()
    prototype = DBM(rbm=BernoulliRBM(n_iter=2), n_iter=3, n_chains=7)
    model = unfitted(DBMClassifier, dbm=prototype).fit(X, y)
    assert not prototype.__sklearn_is_fitted__()
    assert [len(b) for b in model.dbm_.intercepts_] == [5, 6, 4]
    assert model.dbm_.n_iter_ == 3
    assert len(model.dbm_.chains_[0]) == 7
    again = unfitted(DBMClassifier, dbm=prototype).fit(X, y)
    assert_same_model(model, again)


def test_sizes_of_a_machine_that_is_not_fitted_do_not_get_lost():
    """As they would, with the training, in a clone of what was given fitted."""
    X, y = data()
    for dbm in (DBM((3,)), clone(machine(X, (3,)))):
        with pytest.raises(ValueError, match=r"sizes=\(3,\).*FrozenEstimator\(dbm\)"):
            classifier(dbm).fit(X, y)
    same = DBM(3, rbm=BernoulliRBM(n_iter=1), n_iter=1)
    model = classifier(same, hidden_layer_sizes=[3]).fit(X, y)
    assert [len(b) for b in model.dbm_.intercepts_] == [5, 3]


def test_one_pretraining_serves_a_grid_search():
    X, y = data(90)
    dbm = machine(X)
    grid = {"learning_rate_init": [1e-3, 1e-2]}
    search = GridSearchCV(classifier(FrozenEstimator(dbm)), grid, cv=2).fit(X, y)
    found = search.best_estimator_.dbm_
    assert_array_equal(found.components_[0], dbm.components_[0])


def test_machines_that_do_not_fit_are_refused():
    X, y = data()
    with pytest.raises(TypeError, match="dbm must be a DBM, got BernoulliRBM"):
        classifier(BernoulliRBM()).fit(X, y)
    with pytest.raises(TypeError, match="dbm must be a DBM, got DBN"):
        classifier(FrozenEstimator(DBN())).fit(X, y)
    with pytest.raises(NotFittedError, match="dbm is frozen, but not fitted"):
        classifier(FrozenEstimator(DBM())).fit(X, y)
    with pytest.raises(ValueError, match="4 features, but dbm was fitted to 5"):
        classifier(machine(X)).fit(X[:, :4], y)
    with pytest.raises(ValueError, match="fit a DBM, and give it as dbm"):
        classifier(machine(X), unlabeled=-1).fit(X, np.full(120, -1))
    model = classifier(DBM(n_iter=-1))
    with pytest.raises(ValueError, match="'n_iter' parameter of DBM"):
        model.fit(X, y)
    assert not hasattr(model, "n_features_in_")


def test_rows_without_a_label_are_for_pretraining_alone():
    X, y = data()
    some = np.where(np.arange(120) % 3 == 0, y, -1)
    model = fitted(DBMClassifier, X, some, unlabeled=-1)
    dbm = clone(model.dbm_).fit(X)
    assert_array_equal(dbm.components_[0], model.dbm_.components_[0])
    assert_same_model(classifier(dbm).fit(X[::3], y[::3]), model)
    assert_array_equal(model.classes_, [0, 1, 2])
    alone = fitted(DBMClassifier, X[::3], y[::3])
    assert not np.allclose(alone.dbm_.components_[0], dbm.components_[0])


def test_several_labels_for_each_row():
    X, _ = data(300)
    Y = np.column_stack([X[:, 0] > 0.5, X[:, 1] > 0.5]).astype(int)
    model = classifier(machine(X, (10, 5)), solver="lbfgs", max_iter=300, tol=1e-2)
    assert model.fit(X, Y).score(X, Y) > 0.8


def test_early_stopping_holds_rows_out_of_fine_tuning_alone(monkeypatch):
    X, y = data()
    fit, n_rows = DBM._fit_part, []

    def counted(self, X, *args):
        n_rows.append(len(X))
        return fit(self, X, *args)

    monkeypatch.setattr(DBM, "_fit_part", counted)
    dbm = DBM(rbm=BernoulliRBM(n_iter=1), n_iter=1)
    params = {"hidden_layer_sizes": (6, 4), "early_stopping": True}
    classifier(dbm, **params).fit(X, y)
    assert n_rows == [len(X)]


def test_the_seed_is_that_of_the_classifier():
    X, y = data()
    coefs = []
    for seed, own in ((0, 1), (0, 2), (1, 2)):
        dbm = DBM(rbm=BernoulliRBM(n_iter=1), n_iter=1, random_state=own)
        params = {"hidden_layer_sizes": (6, 4), "max_iter": 2, "random_state": seed}
        coefs.append(classifier(dbm, **params).fit(X, y).coefs_[0])
    assert_array_equal(coefs[0], coefs[1])
    assert not np.allclose(coefs[1], coefs[2])


# The posterior of the rows


@pytest.mark.parametrize("params", [{}, {"early_stopping": True}])
def test_the_posterior_is_computed_once_for_each_labelled_row(monkeypatch, params):
    X, y = data()
    some = np.where(np.arange(120) % 3 == 0, y, -1)
    real, n_rows = origins.Posterior.__call__, []

    def counted(self, visible):
        n_rows.append(len(visible))
        return real(self, visible)

    model = classifier(machine(X), unlabeled=-1, **params)
    monkeypatch.setattr(origins.Posterior, "__call__", counted)
    model.fit(X, some)
    assert sum(n_rows) == 40
    model.partial_fit(X, y) if not params else model.predict(X)
    assert sum(n_rows) == 40 + 120


def test_the_posterior_lies_on_disk_where_the_rows_do(monkeypatch, tmp_path):
    X, y = data(BLOCK_ROWS + 100)
    rows = np.memmap(tmp_path / "rows", X.dtype, "w+", shape=X.shape)
    rows[:] = X
    real, kept = _fine_tuned.computed, []

    def spied(*args):
        kept.append(real(*args))
        return kept[-1]

    monkeypatch.setattr(_fine_tuned, "computed", spied)
    model, params = classifier(machine(X), unlabeled=-1), {"max_iter": 2}
    some = np.where(np.arange(len(y)) % 3 == 0, -1, y)
    found = clone_with(model, **params).fit(rows, some)
    assert_same_model(found, clone_with(model, **params).fit(X, some))
    assert [type(x) for x in kept] == [np.memmap, np.ndarray]
    assert_array_equal(*kept)


def clone_with(model, **params):
    """An unfitted copy that keeps a fitted machine."""
    return pickle.loads(pickle.dumps(model)).set_params(**params)


def test_predictions_do_not_depend_on_the_rows_beside(rng):
    X, y = data(BLOCK_ROWS + 500)
    model = classifier(machine(X), max_iter=2, learning_rate_init=0.05).fit(X, y)
    p, order = model.predict_proba(X), rng.permutation(len(X))
    assert_allclose(model.predict_proba(X[order]), p[order], rtol=1e-10)
    assert_allclose(model.predict_proba(X[7:9]), p[7:9], rtol=1e-10)


def test_mean_field_that_does_not_converge_says_so(monkeypatch):
    X, y = data()
    model = classifier(machine(X)).fit(X, y)
    monkeypatch.setattr(origins, "FINE", Inference(1, 1e-12))
    for ask in (model.predict, model.transform, lambda X: model.fit(X, y)):
        with pytest.warns(ConvergenceWarning, match="Mean field did not converge"):
            ask(X)


def test_double_precision_and_single_agree():
    X, y = data()
    dbm = machine(X)
    wide = classifier(dbm).fit(X, y)
    narrow = classifier(dbm).fit(X.astype(np.float32), y)
    assert narrow.coefs_[0].dtype == np.float32
    assert_same_model(narrow, wide, rtol=1e-3, atol=1e-4)


def test_verbose_tells_of_the_machine_and_of_fine_tuning(capsys):
    X, y = data()
    DBMClassifier((3, 2), max_iter=1, verbose=1, learning_rate_schedule="linear").fit(
        X, y
    )
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == {"[DBM]", "[DBMClassifier]"}
