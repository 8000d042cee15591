"""What users give, checked once, before anything changes."""

import math

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.utils import assert_all_finite, check_array, check_random_state
from sklearn.utils._array_api import check_same_namespace
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _check_sample_weight,
    _get_feature_names,
)

from ._columns import is_frame
from ._warnings import warn
from .core.backend import namespace, to_numpy
from .core.rows import column_means, has_nan


def check_rows(estimator, X, *, method, kind, new=False, missing=False, reader=None):
    """Rows of data as an array or CSR matrix; integers and booleans are left as such.

    Nothing of the estimator changes. `kind` is that of the visible units, or None where
    a machine within the estimator looks at the values. With `new`, the columns need not
    be those that the estimator was fitted to, and `reader` makes numbers of them, if
    anything; with `missing`, entries of a dense array may be NaN.
    """
    reader, X = reader if new else estimator._reader, unmasked(X)
    if new:
        # Names that make no sense are an error even where they are not yet recorded.
        _check_feature_names(BaseEstimator(), X, reset=True)
    else:
        refuse_without_dispatch(estimator)
        check_same_namespace(
            X, estimator, attribute=estimator._reference_attribute, method=method
        )
        _check_feature_names(estimator, X, reset=False)
    if reader is not None:
        X = reader.numbers(X, None if new else estimator)
    checked = check_array(
        X,
        accept_sparse="csr",
        dtype="numeric",
        ensure_all_finite="allow-nan",
        estimator=estimator,
        input_name="X",
    )
    checked = as_numbers(checked)
    if not missing or sparse.issparse(checked):
        refuse_nan(estimator, checked, method, missing)
    if not new:
        _check_n_features(estimator, checked, reset=False)
    if kind is not None:
        check_values(estimator, kind, checked, "X")
    return checked


def unmasked(X):
    """What is masked in a masked array as NaN; scikit-learn would see what is beneath.

    Whole numbers are computed in single precision, as they are without a mask.
    """
    if not np.ma.is_masked(X):
        return X
    if X.dtype.kind not in ("f", "O"):
        X = X.astype(np.float32)
    return X.filled(np.nan)


def as_numbers(X):
    """Rows of Python objects, such as None for a missing entry, as numbers.

    scikit-learn converts arrays of objects. What becomes one only in its hands, as a
    list or a data frame of categories may, it leaves so, with NaN unseen.
    """
    if X.dtype != object:
        return X
    X = X.astype(np.float64)
    assert_all_finite(X, allow_nan=True, input_name="X")
    return X


def refuse_without_dispatch(estimator):
    """Raise an error where a model of other than NumPy's arrays would meet NumPy's."""
    fitted = getattr(estimator, estimator._reference_attribute)
    if not isinstance(fitted, np.ndarray) and not get_config()["array_api_dispatch"]:
        raise ValueError(
            f"This {type(estimator).__name__} was fitted to arrays of "
            f"{namespace(fitted).__name__}. To use it, switch on "
            "sklearn.set_config(array_api_dispatch=True), as for the fit."
        )


def refuse_nan(estimator, X, method, missing):
    """Raise an error that says what to do about missing entries, if there are any.

    Also where scikit-learn is told to assume that there are none.
    """
    if not has_nan(X.data[:, None] if sparse.issparse(X) else X):
        return
    name = type(estimator).__name__
    if missing:
        raise ValueError(
            f"Input X contains NaN. {name}.{method} takes missing entries only in "
            "dense arrays: call X.toarray()."
        )
    # What is fitted can fill entries by itself.
    imputer = "BoltzmannImputer"
    fills = hasattr(estimator, "impute") and method not in {"fit", "partial_fit"}
    raise ValueError(
        f"Input X contains NaN. {name}.{method} takes complete rows: fill the missing "
        f"entries first, for example with {f'{name}.impute' if fills else imputer}."
    )


def refuse_empty_columns(estimator, X, rows, sample_weight):
    """Raise an error that names the columns without any observed entry that counts.

    `rows` are those of X to fit to.
    """
    if not has_nan(rows):
        return
    _, mass = column_means(rows, sample_weight)
    empty = to_numpy(namespace(mass).nonzero(mass == 0.0)[0])
    if empty.size:
        names = _get_feature_names(X)
        named = [str(i) if names is None else f"{i} ({names[i]!r})" for i in empty[:5]]
        more = "" if empty.size <= 5 else f" and {empty.size - 5} more"
        raise ValueError(
            f"{type(estimator).__name__} cannot learn columns of X that hold nothing "
            f"but NaN in the rows to fit to: {', '.join(named)}{more}. Leave them out, "
            "or fill them, for example with "
            "sklearn.impute.SimpleImputer(keep_empty_features=True)."
        )


def check_values(estimator, kind, X, name):
    """Warn about values that are no rows for this kind of visible units."""
    problem = kind.check(X, name)
    if problem is not None:
        warn(f"{type(estimator).__name__} {problem}")


def check_weights(sample_weight, X, dtype):
    """Row weights: non-negative, not all zero, scaled to a mean of 1."""
    weights = _check_sample_weight(
        sample_weight, X, dtype=dtype, ensure_non_negative=True
    )
    xp = namespace(weights)
    weights = weights / xp.max(weights)  # first, so that no sum can overflow
    return weights / xp.mean(weights)


def mean_score(values, sample_weight):
    """The mean of a value for each row, as a float."""
    xp = namespace(values)
    if sample_weight is not None:
        values = values * check_weights(sample_weight, values, values.dtype)
    return float(xp.mean(values))


def check_sum(weights):
    """Raise an error unless the sum of row weights is well within their dtype."""
    limits = np.finfo(weights.dtype)
    with np.errstate(over="ignore"):
        total = float(np.sum(weights, dtype=np.float64))
    # Squares are, too, so that it can be multiplied and divided by.
    if not math.sqrt(limits.tiny) < total < math.sqrt(limits.max):
        raise ValueError(
            "The row weights, from sample_weight and class_weight, have the sum "
            f"{total:g}, which is too small or too large for {weights.dtype}. Scale "
            "them, for example to a mean of 1."
        )


def check_hidden(estimator, H):
    """Values of the hidden units, with as many columns as the estimator has outputs."""
    refuse_without_dispatch(estimator)
    check_same_namespace(
        H,
        estimator,
        attribute=estimator._reference_attribute,
        method="inverse_transform",
    )
    H = as_numbers(check_array(H, accept_sparse="csr", dtype="numeric", input_name="X"))
    refuse_nan(estimator, H, "inverse_transform", missing=False)
    n_hidden = estimator._n_features_out
    if H.shape[1] != n_hidden:
        raise ValueError(
            f"X has {H.shape[1]} columns, but {type(estimator).__name__} has "
            f"{n_hidden} hidden units: inverse_transform takes what transform returns."
        )
    return H


def record_features(estimator, X):
    """Remember number and names of the columns, once a fit has succeeded."""
    _check_feature_names(estimator, X, reset=True)
    _check_n_features(estimator, X, reset=True)


def check_states(X, name, shape, array, allow_nan=False):
    """States of a layer for each sample, like `array`; one row serves for all."""
    X = X.toarray() if sparse.issparse(X) else unmasked(X)
    X = namespace(array).asarray(X, dtype=array.dtype)
    if X.ndim == 1:
        X = X[None, :]
    if X.ndim != 2 or X.shape[1] != shape[1] or X.shape[0] not in {1, shape[0]}:
        raise ValueError(
            f"{name} has shape {tuple(X.shape)}, but should have {shape}, a row per "
            f"sample and a column per unit, or ({shape[1]},) for all samples."
        )
    assert_all_finite(X, allow_nan=allow_nan, input_name=name)
    return namespace(array).broadcast_to(X, shape)


def rows_of_user(estimator, rows, name):
    """Rows, or one row, that the user calls `name`, by position of the columns.

    A dictionary has the values of some columns by their names. Names that data frames
    and series have should be those of the fit.
    """
    names = getattr(estimator, "feature_names_in_", range(estimator.n_features_in_))
    names = list(names)
    if isinstance(rows, dict):
        unknown = [key for key in rows if key not in names]
        if unknown:
            raise ValueError(
                f"{name} names the column {unknown[0]!r}, which was not there in the "
                f"fit. It had {names}."
            )
        return [rows.get(key, np.nan) for key in names]
    if is_frame(rows):
        _check_feature_names(estimator, rows, reset=False)
    elif hasattr(rows, "index") and hasattr(rows, "to_numpy"):
        if len(rows) != len(names) or (
            hasattr(estimator, "feature_names_in_") and list(rows.index) != names
        ):
            raise ValueError(
                f"{name} should have a value for each column of the fit, in its order: "
                f"{names}. It has {list(rows.index)}."
            )
        rows = rows.to_numpy()
    return rows


def refuse_no_target(estimator, y):
    """Raise an error where there is nothing to learn to predict."""
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but "
            "the target y is None."
        )


def refuse_early_stopping(estimator, what="rows", how="call score on them"):
    """Raise an error where a single pass over the rows would have to stop early."""
    if estimator.early_stopping:
        raise ValueError(
            f"partial_fit does not support early_stopping=True: hold {what} out "
            f"yourself, and {how} between the calls."
        )


def draw_seed(random_state):
    """One seed for all random streams of a fit."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
