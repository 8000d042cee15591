"""Any parameters and rows: a clear error and nothing changed, or results that hold.

Estimators are found by introspection. SKEBM_FUZZ=n tries n cases of each property for
all estimators together, instead of the few of the usual run.
"""

import os
import pickle
import tempfile
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn import clone

from skebm import BoltzmannImputer, RatingRBM

from .every import KINDS, small

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

N_CASES = int(os.environ.get("SKEBM_FUZZ", "0"))

settings.register_profile(
    "usual",
    max_examples=N_CASES or 150,
    derandomize=not N_CASES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

DTYPES = ["?", "i1", "u1", "i8", "f2", "f4", "f8", "g", ">f8", ">i4", "O"]
FLOATS = "fg"

# What a call may answer to what it cannot use. Of fits that diverge, the last.
CLEAR = (ValueError, TypeError, FloatingPointError)

# Letters of a message that may say something.
LEAST_WORDS = 20

# Rounding, where the order of sums may differ.
ROUNDING = {"rtol": 1e-3, "atol": 1e-4}

VALUES = {
    "bits": lambda rng, shape: rng.integers(0, 2, shape) * 1.0,
    "grey": lambda rng, shape: rng.random(shape),
    "counts": lambda rng, shape: rng.integers(0, 6, shape) * 1.0,
    "normal": lambda rng, shape: rng.normal(size=shape),
    "constant": lambda rng, shape: np.full(shape, float(rng.integers(0, 2))),
    "huge": lambda rng, shape: rng.normal(size=shape) * 1e30,
    "tiny": lambda rng, shape: rng.random(shape) * 1e-300,
}


def strided(X):
    return np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3]


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def mapped(X):
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file.name, X)
        return np.load(file.name, mmap_mode="r")


def with_zeros(X):
    """All entries are stored, also zeros."""
    rows, columns = np.indices(X.shape)
    return sparse.csr_matrix((X.ravel(), (rows.ravel(), columns.ravel())), X.shape)


def with_duplicates(X):
    """An entry is the sum of two."""
    rows, columns = (np.tile(x.ravel(), 2) for x in np.indices(X.shape))
    values = np.concatenate([X.ravel(), np.zeros(X.size, X.dtype)])
    return sparse.coo_matrix((values, (rows, columns)), X.shape)


def frame(X, dtype=None):
    pandas = pytest.importorskip("pandas")
    X = X.astype(X.dtype.newbyteorder("="))  # pandas takes no other
    X = X.astype({"e": "f4", "g": "f8"}.get(X.dtype.char, X.dtype))
    found = pandas.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    return found if dtype is None else found.astype(dtype)


def polars(X):
    return pytest.importorskip("polars").DataFrame(X.astype(float))


DENSE = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "strided": strided,
    "read-only": read_only,
    "mapped": mapped,
    "list": lambda X: X.tolist(),
    "frame": frame,
    "categories": lambda X: frame(X, "category"),
    "nullable": lambda X: frame(X, "Float64"),
    "polars": polars,
    "masked": np.ma.masked_array,
}
SPARSE = {
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_array,
    "zeros": with_zeros,
    "duplicates": with_duplicates,
}

# Parameters by name: values that are good, or look it, and those that are not.
GOOD = {
    "n_iter": [0, 1, 3],
    "learning_rate": [1e-6, 0.1, 10.0],
    "learning_rate_init": [1e-6, 0.1],
    "batch_size": ["auto", 1, 3, 10**6],
    "n_components": [1, 5],
    "algorithm": ["cd", "pcd", "pt"],
    "hidden_units": ["gaussian"],
    "n_chains": [None, 1, 7],
    "momentum": [0.0, 0.9],
    "weight_decay": [0.0, 1.0],
    "max_norm": [None, 0.1],
    "centered": [False],
    "sparsity_target": [0.1],
    "early_stopping": [True],
    "sample_inputs": [True],
    "shuffle": [False],
    "dropout": [0.5],
    "objective": ["generative", "discriminative", "hybrid"],
    "decoder": ["bernoulli", "gaussian"],
    "covariance_type": ["full", "diag"],
    "unlabeled": [None, -1, np.nan],
    "solver": ["lbfgs", "adam"],
    "up_down_iter": [1],
}
BAD = [-1, 0, 1.5, np.nan, "none", None, []]


@st.composite
def cases(draw):
    """An estimator, its rows as numbers and as given, weights and labels."""
    estimator = small(draw(st.sampled_from(KINDS)))
    names = sorted(estimator.get_params(deep=False))
    known = [name for name in names if name in GOOD]
    for name in draw(st.lists(st.sampled_from(known), max_size=3)) if known else []:
        estimator.set_params(**{name: draw(st.sampled_from(GOOD[name]))})
    if draw(st.integers(0, 7)) == 0:
        estimator.set_params(
            **{draw(st.sampled_from(names)): draw(st.sampled_from(BAD))}
        )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(1, 12)), draw(st.integers(1, 5))
    X = VALUES[draw(st.sampled_from(sorted(VALUES)))](rng, shape)
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    with np.errstate(all="ignore"):
        X = X.astype(dtype)
    if dtype.kind in FLOATS + "O" and draw(st.integers(0, 3)) == 0:
        X[rng.random(shape) < 0.3] = draw(st.sampled_from([np.nan, np.inf]))
    makers = dict(DENSE)
    if dtype.kind == "O":
        del makers["mapped"]
    if dtype.kind in "biuf" and dtype.isnative and dtype.char not in "eg":
        makers = {**DENSE, **SPARSE}
    make = makers[draw(st.sampled_from(sorted(makers)))]
    y = draw(st.sampled_from([*["two"] * 5, "one", "floats", "marks", "short", "none"]))
    n = shape[0]
    y = {
        "two": np.arange(n) % 2,
        "one": np.ones(n, int),
        "floats": rng.normal(size=n),
        "marks": np.arange(n) % 3 - 1,
        "short": np.arange(n + 1) % 2,
        "none": None,
    }[y]
    good = ["none", "some"] * 5
    weights = draw(st.sampled_from([*good, "zeros", "negative", "nan"]))
    weights = {
        "none": None,
        "some": rng.integers(0, 3, n) + 0.5,
        "zeros": np.zeros(n),
        "negative": -np.ones(n),
        "nan": np.full(n, np.nan),
    }[weights]
    return estimator, X, make(X), y, weights


def attempt(call, *args, **kwargs):
    """What a call returns, or the error, which has to be a clear one."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return call(*args, **kwargs)
        except CLEAR as error:
            found = error
    assert len(str(found)) > LEAST_WORDS, repr(found)
    return found


def failed(answer):
    return isinstance(answer, Exception)


def dense(rows):
    return np.asarray(rows.toarray() if sparse.issparse(rows) else rows)


def queries(model):
    """Functions of rows alone, whose answers have a row for each."""
    names = "transform", "predict", "predict_proba", "score_samples", "reconstruct"
    return [getattr(model, name) for name in names if hasattr(model, name)]


def is_number(answer):
    """Whether nothing in it is NaN; a log-likelihood may be -inf."""
    answer = dense(answer)
    return answer.dtype.kind not in FLOATS or not np.isnan(answer).any()


def same(a, b):
    a, b = dense(a), dense(b)
    if a.dtype.kind not in FLOATS:
        return bool((a == b).all())
    with np.errstate(all="ignore"):
        return np.allclose(a, b, **ROUNDING, equal_nan=True)


def check(case):
    """A clear error and nothing changed; or answers that hold."""
    estimator, _, X, y, weights = case
    before = pickle.dumps(vars(clone(estimator, safe=False)))
    given = {"sample_weight": weights} if weights is not None else {}
    if failed(attempt(estimator.fit, X, y, **given)):
        assert not [name for name in vars(estimator) if name.endswith("_")]
        assert pickle.dumps(vars(clone(estimator, safe=False))) == before
        return
    copy = pickle.loads(pickle.dumps(estimator))
    for query in queries(estimator):
        answer = attempt(query, X)
        if failed(answer):
            continue
        name, n_rows = query.__name__, X.shape[0] if hasattr(X, "shape") else len(X)
        assert len(dense(answer)) == n_rows, name
        assert is_number(answer), name
        assert same(attempt(query, X), answer), name
        assert same(attempt(getattr(copy, name), X), answer), name
    if hasattr(estimator, "partial_fit") and not given:
        known = vars(estimator).copy()
        if failed(attempt(estimator.partial_fit, X, y)):
            assert vars(estimator).keys() == known.keys()
            assert all(known[key] is value for key, value in vars(estimator).items())


def check_containers(case):
    """Rows in any container give what the plain array of their values gives."""
    estimator, plain, X, y, _ = case
    if plain.dtype == object or type(X).__name__ == "DataFrame":
        return
    if isinstance(estimator, RatingRBM) and sparse.issparse(X):
        return  # what is not stored is not known
    # Lists and frames of polars hold doubles, whatever was put into them.
    plain = np.array(plain if hasattr(X, "dtype") else np.asarray(X), order="C")
    other = clone(estimator)
    fits = attempt(estimator.fit, X, y), attempt(other.fit, plain, y)
    if any(map(failed, fits)):
        return
    for query, of_plain in zip(queries(estimator), queries(other), strict=True):
        if query.__name__ == "predict" and hasattr(other, "predict_proba"):
            continue  # rounding may decide between classes that are as probable
        answers = attempt(query, X), attempt(of_plain, plain)
        if not any(map(failed, answers)):
            assert same(*answers), query.__name__
            if isinstance(other, BoltzmannImputer) and np.isnan(plain).any():
                continue  # a mean over chains, whose draws are of all rows at once
            one_by_one = [
                attempt(of_plain, plain[i : i + 1]) for i in range(len(plain))
            ]
            if not any(map(failed, one_by_one)):
                assert same(np.concatenate(list(map(dense, one_by_one))), answers[1])


@settings(settings.get_profile("usual"))
@given(case=cases())
def test_a_clear_error_and_nothing_changed_or_answers_that_hold(case):
    check(case)


@settings(settings.get_profile("usual"))
@given(case=cases())
def test_rows_may_come_in_any_container(case):
    check_containers(case)
