"""Warnings name the line of the user's program."""

import inspect
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from skebm import DBM, DBN, BernoulliRBM, DBNClassifier

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
