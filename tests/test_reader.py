"""Tables of users: what goes in comes back, and what cannot be used is refused."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skebm import (
    DBN,
    BernoulliRBM,
    BoltzmannImputer,
    CategoricalRBM,
    DBNClassifier,
    GaussianRBM,
    MixedRBM,
    RatingRBM,
)
from skebm._reader import Reader, usual_kind

pd = pytest.importorskip("pandas")


def numbers(n=60):
    return np.random.default_rng(0).normal(size=n)


def mixed(X, **params):
    return MixedRBM(4, **{"n_iter": 3, "random_state": 0, **params}).fit(X)


def test_names_of_what_is_given_have_to_be_those_of_the_fit():
    X = pd.DataFrame({"p": numbers(), "q": 100.0 * numbers() + 5.0})
    for rbm in (GaussianRBM(3, n_iter=1).fit(X), mixed(X)):
        with pytest.raises(ValueError, match=r"names|columns"):
            rbm.sample(given=X[["q", "p"]].iloc[:1])
        with pytest.raises(ValueError, match=r"in its order: .'p', 'q'."):
            rbm.sample(given=X[["q", "p"]].iloc[0])
        with pytest.raises(ValueError, match="the column 'r', which was not there"):
            rbm.sample(given={"r": 1.0})
        for given in (X.iloc[0], {"p": X["p"][0], "q": X["q"][0]}, X.iloc[:1]):
            drawn = np.asarray(rbm.sample(given=given, n_gibbs_steps=2))
            assert_array_equal(drawn.astype(np.float32), X.iloc[:1].astype("float32"))
        free = np.asarray(rbm.sample(given={"q": 500.0}, n_gibbs_steps=2))
        assert free[0, 1] == 500.0 != free[0, 0]
    text = mixed(pd.DataFrame({"a": ["x", "y"] * 30, "b": numbers()}))
    drawn = text.sample(2, given={"a": "x"}, n_gibbs_steps=2)
    assert (drawn["a"] == "x").all()
    with pytest.raises(ValueError, match="There are 1 columns, but the fit was to 2"):
        text.sample(2, given=["x"])
    assert np.isfinite(text.sample(given=["x", pd.NA], n_gibbs_steps=2)["b"]).all()


@pytest.mark.parametrize("value", [0.1, 7.7, 0.3, 1e5 + 0.1])
@pytest.mark.parametrize("n_rows", [60, 90, 1000])
def test_a_constant_column_keeps_the_scale_one(value, n_rows):
    X = np.column_stack([np.full(n_rows, value), numbers(n_rows)])
    for dtype in (np.float32, np.float64):
        rbm = GaussianRBM(2, n_iter=1, random_state=0).fit(X.astype(dtype))
        assert rbm.scale_[0] == 1.0
        assert rbm.scale_[1] < 1.1


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint64, np.bool_])
def test_samples_stay_within_the_dtype(dtype):
    low = 200 if dtype == np.uint8 else 0
    values = np.random.default_rng(0).integers(low, low + 8, 80)
    X = (values % 2 if dtype == np.bool_ else values).astype(dtype)
    for rows in (np.column_stack([X, X]), pd.DataFrame({"a": X, "b": X})):
        drawn = np.asarray(mixed(rows).sample(200, random_state=0)).astype(float)
        limits = (0, 1) if dtype == np.bool_ else (np.iinfo(dtype).min, 255)
        assert limits[0] <= drawn.min() <= drawn.max() <= limits[1]
        assert abs(drawn.mean() - X.mean()) < 2.0


def test_real_columns_hold_numbers():
    named = [("gaussian", ["p"])]
    for column in (
        np.arange(60) % 2 == 0,
        pd.Categorical([1, 2, 5] * 20),
        ["1.5", "10.125"] * 30,
        pd.date_range("2026-01-01", periods=60),
    ):
        X = pd.DataFrame({"p": column, "b": numbers()})
        with pytest.raises(ValueError, match="Column 'p' should hold numbers"):
            mixed(X, columns=named)
    text = np.array([["x", "1.5"], ["z", "10.125"]] * 30)
    with pytest.raises(ValueError, match="Column 1 should hold numbers"):
        mixed(text, columns=[("gaussian", [1])])


def test_what_is_observed_is_not_touched():
    X = np.random.default_rng(0).integers(0, 9, (60, 3))
    for fit in (X, pd.DataFrame(X, columns=["a", "b", "c"])):
        rbm = mixed(fit)
        rows = np.array([[1.7, np.nan, -2.6], [2**24 + 1.0, 3.0, np.nan]])
        if isinstance(fit, pd.DataFrame):
            rows = pd.DataFrame(rows, columns=fit.columns)
        filled = np.asarray(rbm.impute(rows, n_gibbs_steps=5))
        seen = ~np.isnan(np.asarray(rows))
        assert_array_equal(filled[seen], np.asarray(rows)[seen])
    ids = pd.DataFrame({"id": 2**60 + np.arange(60), "b": numbers()})
    gaps = ids.assign(b=ids["b"].mask(ids.index < 5))
    filled = mixed(gaps).impute(gaps, n_gibbs_steps=5)
    assert (filled["id"] == ids["id"]).all()
    assert filled["b"].notna().all()
    objects = np.array([["c", 1.7e9 + i] for i in range(60)], dtype=object)
    objects[3, 0] = None
    assert_array_equal(
        mixed(objects).impute(objects, n_gibbs_steps=5)[:, 1], objects[:, 1]
    )
    days = pd.DataFrame({"d": pd.date_range("2026-01-01", periods=3).repeat(20)})
    days["b"] = np.where(np.arange(60) < 3, np.nan, numbers())
    filled = mixed(days).impute(days, n_gibbs_steps=5)
    assert (filled["d"] == days["d"]).all()
    assert filled.dtypes.equals(days.dtypes)


def test_large_numbers_are_told_apart():
    objects = np.array([["c", 1.7e9 + 1 + i] for i in range(60)], dtype=object)
    assert mixed(objects)._border["kinds"][1]["scale"] > 10.0
    whole = pd.array([2**60 + 1, 2**60 + 2, None] * 20, dtype="Int64")
    (found,) = CategoricalRBM(3, n_iter=1).fit(pd.DataFrame({"a": whole})).categories_
    assert found.tolist() == [2**60 + 1, 2**60 + 2]
    seconds = 1_700_000_000 + np.column_stack([np.arange(60), np.arange(60) ** 2])
    with pytest.warns(UserWarning, match="computes integers in single precision"):
        GaussianRBM(2, n_iter=1).fit(seconds)


def test_categories_that_a_dtype_names_are_taken_as_they_are():
    uneven = pd.DataFrame({"a": pd.Categorical([0.1, 0.2, 0.3, 0.4] * 15)})
    assert CategoricalRBM(3, n_iter=1).fit(uneven).categories_[0].tolist() == [
        0.1,
        0.2,
        0.3,
        0.4,
    ]
    several = pd.DataFrame({"a": pd.Categorical([1, "a", None] * 20)})
    with pytest.raises(ValueError, match=r"'a' holds values of types that .* int, str"):
        CategoricalRBM(3, n_iter=1).fit(several)


def test_what_cannot_be_compared_is_named():
    X = pd.DataFrame({"a": pd.Series([1, "x", 2.5] * 20, dtype=object), "b": numbers()})
    with pytest.raises(ValueError, match=r"Column 'a' holds values of types .* str"):
        mixed(X)
    with pytest.raises(ValueError, match="names that differ"):
        mixed(X[["b", "b"]])
    for columns in (["categorical"], [("name", "gaussian", ["b"])]):
        with pytest.raises(ValueError, match="list of pairs of a kind and columns"):
            mixed(X[["b"]], columns=columns)
    with pytest.raises(TypeError, match="RatingRBM fills its gaps without"):
        BoltzmannImputer(RatingRBM(2)).fit([[1.0, 2.0], [2.0, np.nan]] * 5)


def test_kinds_that_are_found():
    X = pd.DataFrame(
        {
            "constant": np.full(6, 0.5),
            "empty": np.full(6, np.nan),
            "two": [1.5, 2.5] * 3,
            "whole": [1, 2, 3] * 2,
            "flag": [True, False] * 3,
            "text": list("abcabc"),
            "none": [None, "a", "b", "c", "a", "b"],
        }
    )
    kinds = ["gaussian"] * 2 + ["bernoulli", "gaussian", "bernoulli"]
    assert Reader(X, usual_kind).kinds == [*kinds, "categorical", "categorical"]


def test_machines_of_a_stack_say_who_reads():
    X = pd.DataFrame({"a": ["x", "y", "z"] * 20, "b": numbers()})
    layers = [MixedRBM(n_iter=2), BernoulliRBM(n_iter=2)]
    dbn = DBN((4, 3), rbm=layers, random_state=0).fit(X)
    with pytest.raises(AttributeError, match="a part of a stack"):
        dbn.rbms_[0].kinds_  # noqa: B018
    with pytest.raises(ValueError, match=r"in its order|columns"):
        DBNClassifier(dbn=dbn).fit(X[["b", "a"]], X["a"])


def test_dates_of_polars_come_back():
    pl = pytest.importorskip("polars")
    days = pl.date_range(pl.date(2026, 1, 1), pl.date(2026, 1, 3), eager=True)
    X = pl.DataFrame({"d": pl.concat([days] * 20), "b": numbers()})
    gaps = X.with_columns(d=pl.when(X["b"] > 1.0).then(None).otherwise(X["d"]))
    rbm = mixed(gaps)
    assert rbm.sample(3, n_gibbs_steps=2).schema == X.schema
    filled = rbm.impute(gaps, n_gibbs_steps=2)
    assert filled["d"].null_count() == 0
    assert filled["b"].equals(X["b"])
