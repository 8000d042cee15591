"""Links to the documentation, and versions in pickles."""

import copy
import pickle
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.pipeline import make_pipeline

import skebm
from skebm import DBN, BernoulliRBM, BoltzmannImputer, Checkpoint

ESTIMATORS = [
    getattr(skebm, name)
    for name in skebm.__all__
    if hasattr(getattr(skebm, name), "get_params")
]


class Derived(BernoulliRBM):
    """An estimator of a user."""


def rows():
    return np.random.default_rng(0).integers(0, 2, (50, 4)).astype(float)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_the_diagram_links_to_the_page_of_the_estimator(kind):
    page = f"https://skebm.readthedocs.io/en/stable/generated/skebm.{kind.__name__}"
    assert f'href="{page}.html"' in kind()._repr_html_()


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_each_estimator_has_a_page(kind):
    index = Path(skebm.__file__).parents[1] / "doc" / "api.rst"
    if not index.exists():
        pytest.skip("no doc folder beside the package")
    assert f"   {kind.__name__}\n" in index.read_text()


def test_the_diagram_of_a_pipeline_links_too():
    html = make_pipeline(BoltzmannImputer(), BernoulliRBM())._repr_html_()
    for name in ("BoltzmannImputer", "BernoulliRBM"):
        assert f"generated/skebm.{name}.html" in html


def test_estimators_of_users_have_no_page():
    assert "readthedocs" not in Derived()._repr_html_()


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_pickles_tell_the_version(kind, monkeypatch):
    estimator = kind()
    assert estimator.__getstate__()["_skebm_version"] == skebm.__version__
    payload = pickle.dumps(estimator)
    monkeypatch.setattr(skebm, "__version__", "99.0")
    words = f"{kind.__name__} of skebm from version .*dev0 when using version 99.0"
    with pytest.warns(InconsistentVersionWarning, match=words) as record:
        pickle.loads(payload)
    assert record[0].filename == __file__


def test_a_pickle_without_a_version():
    rbm, state = BernoulliRBM(3), dict(vars(BernoulliRBM(3)))
    with pytest.warns(InconsistentVersionWarning, match="from version unknown"):
        rbm.__setstate__(state)
    assert rbm.n_components == 3


def test_of_the_same_version_nothing_is_said(tmp_path):
    """And the version is no attribute. Copies and clones are no pickles of others."""
    dbn = DBN((3, 2), rbm=BernoulliRBM(n_iter=1), random_state=0).fit(rows())
    joblib.dump(dbn, tmp_path / "dbn.joblib")
    for other in (
        pickle.loads(pickle.dumps(dbn)),
        joblib.load(tmp_path / "dbn.joblib"),
        copy.copy(dbn),
        copy.deepcopy(dbn),
    ):
        assert vars(other).keys() == vars(dbn).keys()
        assert (other.score_samples(rows()) == dbn.score_samples(rows())).all()
    assert "_skebm_version" not in vars(clone(dbn))


def test_estimators_within_others_are_told_of_one_by_one(monkeypatch):
    dbn = DBN((3, 2), rbm=BernoulliRBM(n_iter=1), random_state=0).fit(rows())
    payload = pickle.dumps(make_pipeline(dbn))
    monkeypatch.setattr(skebm, "__version__", "99.0")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pickle.loads(payload)
    names = [w.message.estimator_name for w in caught]
    expected = ["BernoulliRBM of skebm"] * 3 + ["DBN of skebm"]
    assert sorted(names) == expected


def test_a_checkpoint_of_another_version_warns(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path / "rbm.checkpoint")
    BernoulliRBM(3, n_iter=2, random_state=0).set_callbacks(checkpoint).fit(rows())
    assert checkpoint.load().n_iter_ == 2
    monkeypatch.setattr(skebm, "__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning, match="BernoulliRBM of skebm"):
        assert checkpoint.load().n_iter_ == 2


def test_skops_files_tell_it_too(monkeypatch):
    io = pytest.importorskip("skops.io")
    stored = io.dumps(BernoulliRBM(3, n_iter=1, random_state=0).fit(rows()))
    trusted = io.get_untrusted_types(data=stored)
    assert io.loads(stored, trusted=trusted).n_components == 3
    monkeypatch.setattr(skebm, "__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning, match="BernoulliRBM of skebm"):
        io.loads(stored, trusted=trusted)


def test_estimators_of_users_are_not_ours_to_tell_of():
    assert "_skebm_version" not in Derived().__getstate__()
    assert pickle.loads(pickle.dumps(Derived(3))).n_components == 3
