"""Rows that users give: in what containers, and with which holes."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn import config_context

from skebm import (
    DBM,
    DBN,
    BernoulliRBM,
    BoltzmannImputer,
    DBMClassifier,
    DBNClassifier,
    DBNRegressor,
    DeepAutoencoder,
)

ROWS = (np.random.default_rng(0).random((60, 6)) < 0.5) * 1.0
LABELS = ROWS[:, 0].astype(int)
SHORT = BernoulliRBM(n_iter=1)


def models():
    return [
        BernoulliRBM(4, n_iter=1),
        DBN((4, 3), rbm=SHORT),
        DBM((4, 3), rbm=SHORT, n_iter=1),
        DBNClassifier((4, 3), rbm=SHORT, max_iter=3, learning_rate_schedule="linear"),
        DBMClassifier((4, 3), max_iter=3, learning_rate_schedule="linear"),
        DBNRegressor((4, 3), rbm=SHORT, max_iter=3, learning_rate_schedule="linear"),
        DeepAutoencoder((4, 3), rbm=SHORT, max_iter=3),
    ]


def in_a_list(X):
    return [[None if np.isnan(x) else int(x) for x in row] for row in X]


def of_booleans(X):
    return [[None if np.isnan(x) else bool(x) for x in row] for row in X]


def polars_booleans(X):
    polars = pytest.importorskip("polars")
    columns = zip(*of_booleans(X), strict=True)
    return polars.DataFrame({f"x{i}": list(x) for i, x in enumerate(columns)})


def pandas_categories(X):
    return pytest.importorskip("pandas").DataFrame(X).astype("category")


OBJECTS = [in_a_list, of_booleans, polars_booleans, pandas_categories]


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("container", OBJECTS)
@pytest.mark.parametrize("model", models(), ids=lambda model: type(model).__name__)
def test_missing_entries_of_python_objects_are_seen(model, container):
    """None where scikit-learn leaves an array of objects, in which no NaN is found."""
    gaps = ROWS.copy()
    gaps[3, 1] = np.nan
    rows = container(gaps)
    model.fit(ROWS, LABELS)
    takes_gaps = type(model) is BernoulliRBM
    for method in ("transform", "predict", "predict_proba", "score_samples", "fit"):
        if not hasattr(model, method):
            continue
        known = (LABELS,) if method == "fit" else ()
        if takes_gaps and method in ("transform", "fit"):
            expected = getattr(model.set_params(random_state=0), method)(gaps, *known)
            found = getattr(model, method)(rows, *known)
            if method == "transform":
                assert_array_equal(found, expected)
            continue
        with pytest.raises(ValueError, match="Input X contains NaN"):
            getattr(model, method)(rows, *known)
    if hasattr(model, "impute"):
        filled = model.impute(rows, n_gibbs_steps=2, random_state=0)
        expected = model.impute(gaps, n_gibbs_steps=2, random_state=0)
        assert_array_equal(filled, expected)
    if hasattr(model, "inverse_transform"):
        hidden = np.array(model.transform(ROWS[:4])).round()
        hidden[1, 1] = np.nan
        with pytest.raises(ValueError, match="inverse_transform takes complete rows"):
            model.inverse_transform(in_a_list(hidden))


def test_rows_of_objects_without_holes_are_numbers():
    expected = BernoulliRBM(4, random_state=0).fit(ROWS)
    for container in OBJECTS:
        found = BernoulliRBM(4, random_state=0).fit(container(ROWS))
        np.testing.assert_allclose(
            found.components_, expected.components_, atol=1e-4, err_msg=str(container)
        )
    with pytest.raises(ValueError, match=r"infinity|could not convert"):
        expected.transform([[np.inf, None, 1, 0, 1, 0]])


@pytest.mark.parametrize("model", models(), ids=lambda model: type(model).__name__)
def test_nan_is_seen_where_all_is_assumed_to_be_finite(model):
    """It has a meaning here, so that is no matter of trust."""
    gaps = ROWS.copy()
    gaps[3, 1] = np.nan
    with config_context(assume_finite=True):
        if type(model) is not BernoulliRBM:
            with pytest.raises(ValueError, match=r"contains NaN.*\.fit takes complete"):
                model.fit(gaps, LABELS)
        model.fit(ROWS, LABELS)
        with pytest.raises(ValueError, match=r"contains NaN.*dense arrays"):
            BernoulliRBM(4).fit(sparse.csr_array(gaps))


def test_who_can_fill_missing_entries_is_named():
    gaps = np.where(np.arange(6) == 1, np.nan, ROWS)
    for model in models()[:3]:
        name = type(model).__name__
        if name != "BernoulliRBM":
            with pytest.raises(ValueError, match=r"with BoltzmannImputer"):
                model.fit(gaps)
        model.fit(ROWS)
        with pytest.raises(ValueError, match=rf"for example with {name}\.impute"):
            model.score(gaps)


@pytest.mark.parametrize("dtype", [float, "f4", int, bool, object])
def test_what_is_masked_is_missing(dtype):
    """And not what happens to lie beneath the mask."""
    mask = np.zeros(ROWS.shape, dtype=bool)
    mask[::5, 2] = mask[0, 1] = True
    masked = np.ma.masked_array(ROWS.astype(dtype), mask)
    gaps = np.where(mask, np.nan, ROWS)
    gaps = gaps if dtype in (float, object) else gaps.astype("f4")
    rbm, other = (
        BernoulliRBM(4, n_iter=2, random_state=0).fit(x) for x in (masked, gaps)
    )
    assert_array_equal(rbm.components_, other.components_)
    assert_array_equal(rbm.transform(masked), rbm.transform(gaps))
    drawn = [rbm.sample(60, given=x, random_state=0) for x in (masked, gaps)]
    assert_array_equal(*drawn)
    with pytest.raises(ValueError, match=r"DBN\.fit takes complete rows"):
        DBN((4, 3), rbm=SHORT).fit(masked)


def test_a_mask_of_nothing_changes_nothing():
    rbm = BernoulliRBM(4, n_iter=2, random_state=0)
    plain = rbm.fit(ROWS).components_
    assert_array_equal(rbm.fit(np.ma.masked_array(ROWS)).components_, plain)


@pytest.mark.parametrize("model", models(), ids=lambda model: type(model).__name__)
def test_the_other_byte_order_is_the_same(model):
    """So files have it that come from other machines, as FITS has."""
    model.set_params(random_state=0)
    other = model.fit(ROWS.astype(">f8"), LABELS).transform(ROWS.astype(">f8"))
    usual = model.fit(ROWS, LABELS).transform(ROWS)
    assert usual.dtype == other.dtype == np.float64
    assert_array_equal(usual, other)


@pytest.mark.parametrize(
    ("model", "params", "words"),
    [
        (
            DBN(rbm=[BernoulliRBM(), BernoulliRBM()]),
            {"random_state": 3, "rbm__n_iter": 3},
            r"'rbm__n_iter' .*a list.*rbm\[0\]\.set_params\(n_iter=",
        ),
        (DBN(), {"rbm__n_iter": 3}, r"rbm of this DBN is None, .*set_params\(rbm="),
        (
            BoltzmannImputer(),
            {"estimator__n_iter": 3},
            r"is None, .*set_params\(estimator=",
        ),
        (DBN(rbm=BernoulliRBM), {"rbm__n_iter": 3}, "and no estimator"),
        (DBN(rbm=(BernoulliRBM(),) * 2), {"rbm__n_iter": 3}, "is a list"),
        (BernoulliRBM(), {"n_iter__x": 3}, "n_iter of this BernoulliRBM is 10, and no"),
        (DBM(), {"machine__n_iter": 3}, "Invalid parameter 'machine'"),
    ],
)
def test_parameters_of_parts_that_are_none(model, params, words):
    before = repr(model)
    with pytest.raises(ValueError, match=words):
        model.set_params(**params)
    assert repr(model) == before
    dbn = DBN().set_params(rbm=BernoulliRBM(), rbm__n_iter=3)
    assert dbn.rbm.n_iter == 3
    net = DBNClassifier(dbn=dbn).set_params(dbn__rbm__n_iter=4)
    assert net.dbn.rbm.n_iter == 4
