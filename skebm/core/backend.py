"""Arrays: their namespace and device, and the functions that the standard lacks.

Everything else in `core` is written against the array-API standard. The helpers
that find a namespace belong to scikit-learn; they are imported here and nowhere else.
"""

import numpy as np
from scipy import sparse
from sklearn.externals.array_api_compat import array_namespace, is_torch_array
from sklearn.externals.array_api_compat import device as device_of
from sklearn.utils._array_api import _convert_to_numpy

# Rows made dense floats at a time, outside the minibatch loop: enough for matrix
# products at full speed, few enough for the processor's cache.
BLOCK_ROWS = 1024

# Rows up to which a product with a transposed matrix is better turned round.
FEW_ROWS = 64

_NAMESPACE_OF_TYPE = {}


def namespace(x):
    """Array namespace of `x`, remembered by type: it is asked for in the hot loop."""
    kind = type(x)
    if kind not in _NAMESPACE_OF_TYPE:
        _NAMESPACE_OF_TYPE[kind] = array_namespace(x)
    return _NAMESPACE_OF_TYPE[kind]


def is_torch_off_host(x):
    """Whether `x` is PyTorch's and lives on a device of its own, such as a GPU."""
    return is_torch_array(x) and x.device.type != "cpu"


def to_numpy(x):
    """The values of `x` as a NumPy array on the host."""
    return _convert_to_numpy(x, xp=namespace(x))


def like(values, x):
    """`values` as an array of the namespace, device and dtype of `x`."""
    return namespace(x).asarray(values, dtype=x.dtype, device=device_of(x))


def zeros(shape, x):
    return namespace(x).zeros(shape, dtype=x.dtype, device=device_of(x))


def c_ordered_copy(x):
    """A copy whose rows are contiguous, whatever the memory order of `x`."""
    copy = zeros(x.shape, x)
    copy[...] = x
    return copy


def float_dtype(X):
    """The dtype computed in for data `X`: its own if float32 or float64, else float32.

    Half precision is computed in float32, extended precision in float64.
    """
    if isinstance(X, Scaled):
        return float_dtype(X.X)
    xp = np if sparse.issparse(X) else namespace(X)
    if X.dtype == xp.float64 or X.dtype == getattr(xp, "longdouble", None):
        return xp.float64
    return xp.float32


class Subset:
    """Some rows of a matrix, by number; the matrix itself is not copied."""

    def __init__(self, X, index):
        self.X, self.index = X, index
        self.shape = (index.shape[0], X.shape[1])


class Scaled:
    """A matrix times a number; the product is made of the rows that are taken."""

    def __init__(self, X, factor):
        self.X, self.factor = X, factor
        self.shape = X.shape


class Beside:
    """Matrices side by side; they are put together for the rows that are taken."""

    def __init__(self, *parts):
        self.parts = parts
        self.shape = (parts[0].shape[0], sum(part.shape[1] for part in parts))


def take_rows(X, rows, dtype):
    """Rows of a dense or sparse matrix as a dense float array, (n_rows, n_columns).

    Only these rows are ever converted, so `X` may be a memory map of small integers, or
    a `Subset` of it, or `Scaled`, or `Beside` others. `rows` is a slice, or an array of
    indices of the namespace of X.
    """
    if isinstance(X, Subset):
        return take_rows(X.X, take_rows(X.index, rows, X.index.dtype), dtype)
    if isinstance(X, Scaled):
        return X.factor * take_rows(X.X, rows, dtype)
    if isinstance(X, Beside):
        parts = [take_rows(part, rows, dtype) for part in X.parts]
        return namespace(parts[0]).concat(parts, axis=1)
    if sparse.issparse(X):
        return X[rows].toarray().astype(dtype, copy=False)
    xp = namespace(X)
    if isinstance(rows, slice) or isinstance(X, np.ndarray):
        # Not `take` for NumPy: it copies all of an array in Fortran order.
        block = X[rows, ...]
    else:
        block = xp.take(X, rows, axis=0)
    return xp.astype(xp.asarray(block), dtype, copy=False)


def blocks(n_rows):
    """Slices of up to `BLOCK_ROWS` rows, one after the other."""
    for start in range(0, n_rows, BLOCK_ROWS):
        yield slice(start, min(start + BLOCK_ROWS, n_rows))


def by_blocks(function, X, dtype, new=zeros):
    """`function` of all rows of X, a block of dense float rows at a time.

    `new` makes the array for all of them, from its shape and the first block.
    """
    result = None
    for rows in blocks(X.shape[0]):
        part = function(take_rows(X, rows, dtype))
        if result is None:
            result = new((X.shape[0], *part.shape[1:]), part)
        result[rows, ...] = part
    return result


def has_nan(X):
    """Whether any entry of a dense matrix is NaN, as a bool; sparse ones have none.

    Of a subset: whether any entry of the whole is.
    """
    if isinstance(X, Subset | Scaled):
        return has_nan(X.X)
    if sparse.issparse(X) or not namespace(X).isdtype(X.dtype, "real floating"):
        return False
    xp = namespace(X)
    return any(bool(xp.any(xp.isnan(X[rows, ...]))) for rows in blocks(X.shape[0]))


def is_finite(x):
    """Whether all of `x` is finite, as a bool."""
    xp = namespace(x)
    return bool(xp.all(xp.isfinite(x)))


def times_transposed(x, W):
    """x @ W.T.

    For few rows as (W @ x.T).T, which takes OpenBLAS half the time: the other way round
    it rearranges all of W first.
    """
    if x.shape[0] > FEW_ROWS:
        return x @ W.T
    return c_ordered_copy((W @ x.T).T)


def sigmoid(a):
    """1 / (1 + exp(-a)), by the hyperbolic tangent: vectorised, no overflow."""
    p = namespace(a).tanh(0.5 * a)
    p *= 0.5
    p += 0.5
    return p


def softplus(a):
    """log(1 + exp(a)) = max(a, 0) + log(1 + exp(-|a|)), without overflow."""
    xp = namespace(a)
    size = xp.abs(a)
    tail = xp.log1p(xp.exp(-size))
    # max(a, 0) as (a + |a|) / 2: the standard has no maximum with a scalar. Added up
    # first, so that the tail of a negative `a` keeps all its digits.
    size += a
    size *= 0.5
    tail += size
    return tail
