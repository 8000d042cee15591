"""Gaps filled as a step of a pipeline."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import clone, config_context
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import KNNImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skebm import BernoulliRBM, BoltzmannImputer, GaussianRBM, MixedRBM


def wine(share=0.2):
    X, y = load_wine(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(X))
    X, y = X[order], y[order]
    return X, np.where(rng.random(X.shape) < share, np.nan, X), y


def test_it_fills_better_than_means_and_neighbours():
    X, gaps, _ = wine()
    missing, scale = np.isnan(gaps), X.std(axis=0)
    mean, spread = np.nanmean(gaps, axis=0), np.nanstd(gaps, axis=0)
    neighbours = KNNImputer().fit_transform((gaps - mean) / spread) * spread + mean
    filled = BoltzmannImputer(random_state=0).fit_transform(gaps)
    off, off_neighbours, off_mean = (
        np.sqrt(np.mean(((found - X) / scale)[missing] ** 2))
        for found in (filled, neighbours, np.broadcast_to(mean, X.shape))
    )
    assert off < off_neighbours < off_mean
    assert_array_equal(filled[~missing], X[~missing])


def test_in_a_pipeline_and_a_grid_search():
    _, gaps, y = wine()
    machine = GaussianRBM(32, n_iter=50, random_state=0)
    pipe = make_pipeline(
        BoltzmannImputer(machine, random_state=0),
        StandardScaler(),
        LogisticRegression(),
    )
    grid = {"boltzmannimputer__estimator__n_components": [4, 32]}
    search = GridSearchCV(pipe, grid, cv=3).fit(gaps, y)
    assert search.best_score_ > 0.9
    assert machine.n_components == 32
    assert not hasattr(machine, "n_iter_")


def test_frames_in_frames_out():
    pd = pytest.importorskip("pandas")
    _, gaps, y = wine()
    frame = pd.DataFrame(gaps, columns=load_wine().feature_names)
    frame["sort"] = pd.Series(np.array(["a", "b", "c"])[y]).mask(
        np.random.default_rng(1).random(len(y)) < 0.2
    )
    frame.index = frame.index + 100
    imputer = BoltzmannImputer(MixedRBM(16, n_iter=100), random_state=0)
    imputer.set_output(transform="pandas")
    filled = imputer.fit_transform(frame)
    assert not filled.isna().any().any()
    assert list(filled.columns) == list(frame.columns)
    assert_array_equal(filled.index, frame.index)
    assert (filled.dtypes == frame.dtypes).all()
    assert_array_equal(imputer.get_feature_names_out(), frame.columns)
    seen = frame["sort"].notna().to_numpy()
    assert (
        np.mean(filled["sort"].to_numpy()[~seen] == np.array(["a", "b", "c"])[y[~seen]])
        > 0.8
    )
    forest = make_pipeline(
        imputer.set_output(transform="pandas"), RandomForestClassifier(20)
    )
    forest.fit(frame.drop(columns="sort"), y)


def test_the_seed_of_the_imputer_is_for_a_machine_without_one():
    _, gaps, _ = wine()
    machine = GaussianRBM(4, n_iter=2)
    one, two = (
        BoltzmannImputer(machine, random_state=0).fit_transform(gaps) for _ in range(2)
    )
    assert_array_equal(one, two)
    seeded = BoltzmannImputer(GaussianRBM(4, n_iter=2, random_state=3), random_state=0)
    assert seeded.fit(gaps).estimator_.random_state == 3
    imputer = BoltzmannImputer(machine).fit(gaps)
    assert_array_equal(imputer.transform(gaps), imputer.transform(gaps))


def test_a_fitted_machine_that_is_frozen_is_used_as_it_is():
    X, gaps, _ = wine()
    machine = GaussianRBM(8, n_iter=20, random_state=0).fit(X)
    frozen = BoltzmannImputer(FrozenEstimator(machine), random_state=0).fit(gaps)
    expected = machine.impute(gaps, random_state=frozen._seed)
    assert_allclose(frozen.transform(gaps), expected)


def test_what_it_refuses():
    with pytest.raises(ValueError, match="'estimator' parameter of BoltzmannImputer"):
        BoltzmannImputer(LogisticRegression()).fit(wine()[1])
    bits = (wine()[0] > 2.0).astype(float)
    bits[0, 0] = np.nan
    filled = BoltzmannImputer(BernoulliRBM(4, n_iter=1)).fit_transform(bits)
    assert 0.0 <= filled[0, 0] <= 1.0


def test_arrays_stay_where_they_are_with_a_machine_that_takes_them():
    xp = pytest.importorskip("array_api_strict")
    pytest.importorskip("scipy", "1.14")
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (40, 6)).astype("float32")
    X[rng.random(X.shape) < 0.2] = np.nan
    imputer = BoltzmannImputer(
        BernoulliRBM(3, n_iter=2), n_gibbs_steps=10, random_state=0
    )
    expected = clone(imputer).fit_transform(X)
    here = xp.asarray(X, device=xp.Device("device1"))
    with config_context(array_api_dispatch=True):
        found = imputer.fit_transform(here)
        assert found.device == here.device
        found = xp.asarray(found, device=xp.Device("CPU_DEVICE"))
    assert_allclose(np.asarray(found), expected, atol=1e-6)
