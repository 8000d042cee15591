"""score(), as model selection calls it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.model_selection import GridSearchCV

from skebm import DBM, DBN, BernoulliRBM

GENERATIVE = [
    BernoulliRBM(3, n_iter=2, random_state=0),
    DBN((3, 2), rbm=BernoulliRBM(n_iter=2), random_state=0),
    DBM((3, 2), rbm=BernoulliRBM(n_iter=2), n_iter=2, random_state=0),
]


@pytest.fixture
def X(rng):
    return rng.integers(0, 2, (60, 5)).astype(float)


@pytest.mark.parametrize("model", GENERATIVE, ids=lambda e: type(e).__name__)
def test_score_is_a_weighted_mean(model, X, rng):
    model.fit(X)
    each, weights = model.score_samples(X), rng.integers(0, 4, 60)
    found = model.score(X, sample_weight=weights)
    assert isinstance(found, float)
    assert_allclose(found, sum(weights * each) / sum(weights))
    assert_allclose(found, model.score(np.repeat(X, weights, axis=0)))
    assert_allclose(model.score(X, None, weights * 1e300), found)
    assert_allclose(model.score(X, sample_weight=np.ones(60)), model.score(X))
    assert model.score(X) == each.mean()


@pytest.mark.parametrize("model", GENERATIVE, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros(60), "at least one non-zero"),
        (-np.ones(60), "[Nn]egative"),
        (np.ones(59), "sample_weight.shape"),
        (np.full(60, np.nan), "NaN"),
    ],
)
def test_weights_that_are_refused(model, X, weights, message):
    with pytest.raises(ValueError, match=message):
        model.fit(X).score(X, sample_weight=weights)


@pytest.mark.parametrize("model", GENERATIVE, ids=lambda e: type(e).__name__)
def test_weights_are_routed_to_score(model, X):
    name = "random_state"
    with config_context(enable_metadata_routing=True):
        model = type(model)(**model.get_params(deep=False))
        model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        weights = np.where(np.arange(60) % 2, 1.0, 0.0)
        search = GridSearchCV(model, {name: [1, 2]}, cv=2, refit=False)
        search.fit(X, sample_weight=weights)
    rows, held_out = slice(30, None), np.arange(30) % 2 == 1
    one = model.set_params(random_state=2).fit(X[rows], sample_weight=weights[rows])
    assert_allclose(
        search.cv_results_["split0_test_score"][1], one.score(X[:30][held_out])
    )


@pytest.mark.parametrize("model", GENERATIVE[::2], ids=lambda e: type(e).__name__)
def test_weights_in_another_namespace(model, X):
    torch = pytest.importorskip("torch")
    weights = np.arange(60.0)
    found = model.fit(X).score(X, sample_weight=weights)
    with config_context(array_api_dispatch=True):
        model.fit(torch.asarray(X))
        other = model.score(torch.asarray(X), sample_weight=torch.asarray(weights))
    assert_allclose(other, found)
