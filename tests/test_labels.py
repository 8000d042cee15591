"""Labels as users give them, to the classifiers that are fine-tuned."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skebm import DBM, DBN, BernoulliRBM, DBMClassifier, DBNClassifier

from .test_supervised import assert_same_model, data, unfitted

KINDS = [DBNClassifier, DBMClassifier]


@pytest.fixture
def never_pretrained(monkeypatch):
    """No model may be trained in this test: errors come first."""

    def fail(*args, **kwargs):
        raise AssertionError("pretraining began")

    for kind in (BernoulliRBM, DBN, DBM):
        monkeypatch.setattr(kind, "fit", fail)


def several(X):
    return np.column_stack([X[:, 0] > 0.5, X[:, 1] > 0.5, X[:, 0] > 0.2]).astype(int)


# Several labels for each row


@pytest.mark.usefixtures("never_pretrained")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("code", "values"),
    [
        (lambda Y: 2 * Y, r"\[0 2\]"),
        (lambda Y: 2 * Y - 1, r"\[-1  1\]"),
        (lambda Y: 0.5 * Y, r"\[0\.  0\.5\]"),
        (lambda Y: np.where(Y, "yes", "no"), r"\['no' 'yes'\]"),
        (lambda Y: Y + np.arange(3), r"\[0 1 2 3\]"),
        (lambda Y: sparse.csr_array(2 * Y), r"\[0 2\]"),
    ],
)
def test_several_labels_are_0_or_1(kind, code, values):
    X, _ = data()
    y = code(several(X))
    with pytest.raises(ValueError, match=rf"y has 3 columns.*0 or 1, .*{values}"):
        unfitted(kind).fit(X, y)
    with pytest.raises(ValueError, match=rf"y has 3 columns.*0 or 1, .*{values}"):
        unfitted(kind).partial_fit(X, y, classes=[0, 1, 2])


@pytest.mark.parametrize("dtype", [bool, np.uint8, float])
def test_several_labels_of_other_dtypes(dtype):
    X, _ = data()
    Y = several(X)
    model, other = unfitted().fit(X, Y), unfitted().fit(X, Y.astype(dtype))
    assert_same_model(model, other)
    assert_array_equal(model.classes_, [0, 1, 2])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.coo_array])
def test_several_labels_in_a_sparse_matrix(kind, container):
    X, _ = data()
    Y = several(X)
    model, other = unfitted(kind).fit(X, Y), unfitted(kind).fit(X, container(Y))
    assert_same_model(model, other)
    found = other.predict(X)
    assert isinstance(found, np.ndarray)
    assert_array_equal(found, model.predict(X))
    other.partial_fit(X, container(Y))


def test_columns_that_are_not_those_of_the_first_fit():
    X, _ = data()
    Y = several(X)
    model = unfitted().fit(X, Y)
    for columns in ([0, 1], [0, 1, 2, 0]):
        with pytest.raises(ValueError, match=rf"y is {len(columns)}, .* fitted to 3"):
            model.partial_fit(X, Y[:, columns])
    with pytest.raises(ValueError, match="numbers of the columns of y, 0 to 2"):
        unfitted().partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="numbers of the columns of y, 0 to 2"):
        unfitted().partial_fit(X, Y, classes=["a", "b", "c"])


# A single class


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_class_is_certain(kind):
    X, _ = data()
    model = unfitted(kind).fit(X, np.full(120, "only"))
    assert_array_equal(model.classes_, ["only"])
    assert_array_equal(model.predict(X), np.full(120, "only"))
    assert_allclose(model.predict_proba(X), np.ones((120, 1)))
    assert_allclose(model.predict_log_proba(X), np.zeros((120, 1)))
    assert model.decision_function(X).shape == (120,)
    assert model.score(X, np.full(120, "only")) == 1.0
