"""Warnings name the line of the user's program."""

import inspect
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from skebm import (
    DBM,
    DBN,
    BernoulliRBM,
    DBMClassifier,
    DBNClassifier,
    DBNRegressor,
    DeepAutoencoder,
)

WIDE = np.random.default_rng(0).integers(0, 3, (40, 5)) * 1.0
X = np.minimum(WIDE, 1.0)


def uncertain_score():
    rbm = BernoulliRBM(25, n_iter=0, random_state=0).fit(np.tile(X, 5))
    rbm.components_ = 3.0 * np.random.default_rng(0).normal(size=(25, 25))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        rbm.log_partition("ais", n_betas=3)
    return seen


@pytest.mark.parametrize(
    "call",
    [
        lambda: BernoulliRBM(2, n_iter=1).fit(WIDE),
        lambda: BernoulliRBM(2, n_iter=1).partial_fit(WIDE),
        lambda: BernoulliRBM(2, n_iter=1).fit_transform(WIDE),
        lambda: DBN((2, 2), rbm=BernoulliRBM(n_iter=1)).fit(WIDE),
        lambda: DBM((2, 2), n_iter=1).fit(WIDE),
        lambda: DBNClassifier((2,), rbm=BernoulliRBM(n_iter=1)).fit(WIDE, WIDE[:, 0]),
        lambda: make_pipeline(BernoulliRBM(2, n_iter=1), LogisticRegression()).fit(
            WIDE, WIDE[:, 0]
        ),
        lambda: cross_val_score(BernoulliRBM(2, n_iter=1), WIDE, cv=2),
    ],
)
def test_a_warning_about_the_rows_names_the_line_of_the_call(call):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        call()
    about_rows = [w for w in seen if "[0, 1]" in str(w.message)]
    assert about_rows
    lines, first = inspect.getsourcelines(call)
    for warning in about_rows:
        assert warning.filename == __file__
        assert first <= warning.lineno < first + len(lines)


LABELS, GAPS = X[:, 0], np.where(WIDE == 0.0, np.nan, WIDE)


def fitted():
    """A model of each kind, and stacks of one machine and of two."""
    rbm, layer = BernoulliRBM(2, n_iter=1, random_state=0), BernoulliRBM(n_iter=1)
    for dbn in (DBN(2, rbm=rbm), DBN((3, 2), rbm=layer), DBN((3, 2), up_down_iter=1)):
        yield dbn.fit(X)
    dbm = DBM((3, 2), n_iter=1, random_state=0).fit(X)
    yield from (rbm.fit(X), dbm)
    params = {"solver": "sgd", "learning_rate_schedule": "linear", "max_iter": 1}
    for network in (
        DBNClassifier((3, 2), rbm=BernoulliRBM(n_iter=1), **params),
        DBNClassifier(dbn=DBN((3, 2), rbm=BernoulliRBM(n_iter=1)).fit(X), **params),
        DBMClassifier(dbm=dbm, **params),
        DBNRegressor((3, 2), rbm=BernoulliRBM(n_iter=1), **params),
        DeepAutoencoder((3, 2), rbm=BernoulliRBM(n_iter=1), **params),
    ):
        yield network.fit(X, LABELS)


def calls(model):
    """Calls that look at rows, which X is for and `WIDE` is not."""
    for name in (
        "transform",
        "reconstruct",
        "score_samples",
        "gibbs",
        "free_energy",
        "pseudo_log_likelihood",
        "mean_field",
        "predict",
        "predict_proba",
    ):
        if hasattr(model, name):
            yield f"X of {name}", lambda name=name: getattr(model, name)(WIDE)
    if hasattr(model, "impute"):
        yield "X of impute", lambda: model.impute(GAPS, n_gibbs_steps=1)
        few = {"n_gibbs_steps": 1}
        yield "init", lambda: model.sample(40, init=WIDE, **few)
    if hasattr(model, "gibbs") or hasattr(model, "mean_field"):
        yield "given", lambda: model.sample(40, given=GAPS, **few)
    labels = (LABELS,) if hasattr(model, "predict") else ()
    yield "X of score", lambda: model.score(WIDE, *labels)
    yield "X of partial_fit", lambda: model.partial_fit(WIDE, *labels)
    yield "X of fit", lambda: model.fit(WIDE, *labels)


def test_values_out_of_range_warn_once_wherever_rows_go():
    n_calls = 0
    for model in fitted():
        for name, call in calls(model):
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                call()
            found = [str(w.message) for w in seen if "[0, 1]" in str(w.message)]
            assert len(found) == 1, (model, name, found)
            assert f"but {name.split()[0]} ranges from" in found[0]
            assert seen[0].filename == __file__
            n_calls += 1
    assert n_calls > 60


def test_entries_of_a_sparse_matrix_are_added_up_before_they_are_looked_at():
    twice = sparse.csr_matrix((np.ones(2), [0, 0], [0, 2, 2]), shape=(2, 3))
    with pytest.warns(UserWarning, match="ranges from 0 to 2"):
        BernoulliRBM(2, n_iter=1).fit(twice)
    assert twice.nnz == 2  # what the user gave is left as it was


def test_a_warning_about_log_z_names_the_line_of_the_call():
    (warning,) = uncertain_score()
    lines, first = inspect.getsourcelines(uncertain_score)
    assert warning.category is ConvergenceWarning
    assert "rbm.log_partition(" in lines[warning.lineno - first]


def test_rounding_is_not_out_of_range():
    """MinMaxScaler gives 1 + 2e-16."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = np.array([[-1e-9, np.nextafter(1.0, 2.0)], [0.0, 0.5]])
        BernoulliRBM(2, n_iter=1).fit(rows)
    with pytest.warns(UserWarning, match="ranges from 0 to 1.01"):
        BernoulliRBM(2, n_iter=1).fit(np.array([[0.0, 1.01], [1.0, 0.5]]))
