"""Digests of many small fits, to see that a change of the code moves no number.

    OMP_NUM_THREADS=1 python -m tests.digests > before
    (change the code)
    OMP_NUM_THREADS=1 python -m tests.digests | diff before -

Each line is a fit, and the digest of what it leaves that can be seen: attributes,
answers, and those after a further pass. They are those of one computer and its
libraries, so none are kept here.
"""

import warnings

import joblib
import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits

from skebm import (
    DBM,
    DBN,
    BernoulliRBM,
    DBMClassifier,
    DBNClassifier,
    DBNRegressor,
    DeepAutoencoder,
)

ROWS, LABELS = load_digits(return_X_y=True)
ROWS = (ROWS[:230] > 7).astype(np.float32)
LABELS = LABELS[:230]


def with_gaps():
    X = ROWS.copy()
    X[::2, 10:30] = np.nan
    return X


def rbm(**params):
    return BernoulliRBM(**{"n_components": 8, "n_iter": 3, "random_state": 0, **params})


def layer(**params):
    return BernoulliRBM(**{"n_iter": 3, **params})


def dbn(sizes=(8, 5), **params):
    return DBN(sizes, **{"rbm": layer(), "random_state": 0, **params})


def dbm(sizes=(8, 5), **params):
    params = {"rbm": layer(n_iter=2), "n_gibbs_steps": 2, "n_iter": 3, **params}
    return DBM(sizes, **{"random_state": 0, **params})


def stopping(**params):
    return {"early_stopping": True, "n_iter_no_change": 2, **params}


MACHINES = {
    "cd": {"algorithm": "cd", "n_gibbs_steps": 2},
    "pcd": {},
    "pt": {"algorithm": "pt"},
    "momentum, schedules": {"momentum": 0.5, "learning_rate_schedule": "linear"},
    "penalties": {"weight_decay": 1e-3, "l1_decay": 1e-4, "max_norm": 1.0},
    "plain gradient, in order": {"centered": False, "shuffle": False},
    "sparse activity": {"sparsity_target": 0.1},
    "drawn inputs": {"sample_inputs": True},
    "early stopping": stopping(n_iter=6, learning_rate_schedule="constant"),
    "early stopping, 24 units": stopping(n_components=24, n_iter=6),
    "batches of 10": {"batch_size": 10, "n_chains": 7},
    "warm": {"warm_start": True},
}
NETWORKS = {
    "adam": {},
    "sgd": {"solver": "sgd", "learning_rate_schedule": "cosine"},
    "lbfgs": {"solver": "lbfgs", "max_iter": 5},
    "dropout, early stopping": {
        "dropout": 0.3,
        "input_dropout": 0.1,
        "early_stopping": True,
    },
}


def cases():
    """Name, estimator, rows, labels, weights."""
    weights = np.arange(230.0) % 3
    for name, params in MACHINES.items():
        yield f"rbm, {name}", rbm(**params), ROWS, None, None
        deep = {k: v for k, v in params.items() if k != "n_components" and v != "cd"}
        yield f"dbm, {name}", dbm(**deep), ROWS, None, None
    for name, X in {
        "float64": ROWS.astype(np.float64),
        "bool": ROWS > 0,
        "grey": load_digits().data[:230] / 16,
        "csr": sparse.csr_matrix(ROWS),
        "fortran": np.asfortranarray(ROWS),
    }.items():
        for model in (rbm(), dbn(), dbm()):
            yield f"{type(model).__name__}, {name}", model, X, None, None
    for model in (rbm(), dbn(), dbm(), rbm(**stopping()), dbm(**stopping())):
        yield f"{type(model).__name__}, weights", model, ROWS, None, weights
    for params in ({}, stopping(), {"algorithm": "pt", "momentum": 0.5}):
        yield f"rbm, gaps, {[*params]}", rbm(**params), with_gaps(), None, None
    yield "dbm, not pretrained", dbm(pretrain=False), ROWS, None, None
    yield "dbm, three layers", dbm((8, 6, 4)), ROWS, None, None
    yield "dbn, wake-sleep", dbn(up_down_iter=2, batch_size=50), ROWS, None, None
    yield "dbn, one layer", dbn(8, rbm=None), ROWS, None, None
    for name, params in NETWORKS.items():
        params = {"max_iter": 3, "random_state": 0, **params}
        for model in (
            DBNClassifier((8, 5), rbm=layer(), **params),
            DBMClassifier((8, 5), dbm=dbm(), **params),
            DBNRegressor((8, 5), rbm=layer(), **params),
            DeepAutoencoder((8, 5), rbm=layer(), **params),
        ):
            yield f"{type(model).__name__}, {name}", model, ROWS, LABELS, weights + 1
    binary = DBNClassifier(8, rbm=layer(), max_iter=3, random_state=0)
    yield "classifier, two classes", binary, ROWS, LABELS > 4, None
    yield "classifier, several", binary, ROWS, np.eye(10, dtype=int)[LABELS], None


def public(estimator):
    """The fitted attributes of an estimator, and of those in it."""
    for name in sorted(vars(estimator)):
        if name.endswith("_") and not name.startswith("_"):
            yield name, plain(getattr(estimator, name))


def plain(value):
    if isinstance(value, BaseEstimator):
        return list(public(value))
    if isinstance(value, list):
        return [plain(x) for x in value]
    return np.ascontiguousarray(value) if isinstance(value, np.ndarray) else value


def answers(model, X):
    """What the fitted model says of some rows."""
    some = X[:20] if not sparse.issparse(X) else X[:20].toarray()
    clear = np.nan_to_num(some)
    for name in ("transform", "predict", "predict_proba", "decision_function"):
        if hasattr(model, name):
            yield getattr(model, name)(clear)
    if hasattr(model, "sample"):
        yield model.sample(3, n_gibbs_steps=5, random_state=1)
        yield model.sample(2, n_gibbs_steps=5, init=clear[:2], random_state=1)
        gaps = clear.astype(float)
        gaps[:, :5] = np.nan
        yield model.impute(gaps, n_gibbs_steps=5, random_state=1)
        yield model.reconstruct(clear, 2)
        yield model.inverse_transform(model.transform(clear))
        yield model.score_samples(clear)
        yield model.log_partition("ais", n_betas=20, n_runs=5).upper
    if hasattr(model, "gibbs"):
        yield model.gibbs(clear)
        yield model.pseudo_log_likelihood(clear)


def digest(model, X, y, weights):
    model.fit(X, y, sample_weight=weights)
    if getattr(model, "warm_start", False):
        model.fit(X, y, sample_weight=weights)
    seen = [list(public(model)), list(answers(model, X))]
    if getattr(model, "solver", "adam") != "lbfgs":
        if hasattr(model, "early_stopping"):
            model.set_params(early_stopping=False)
        model.partial_fit(X, y, sample_weight=weights)
        seen += [list(public(model)), list(answers(model, X))]
    return joblib.hash(seen)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for name, model, X, y, weights in cases():
        print(f"{digest(model, X, y, weights)}  {name}", flush=True)
