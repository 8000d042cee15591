"""Arrays: their namespace and device, and the functions that the standard lacks.

Everything else in `core` is written against the array-API standard. The helpers
that find a namespace belong to scikit-learn; they are imported here and nowhere else.
"""

import numpy as np
from sklearn.externals.array_api_compat import (
    array_namespace,
    is_array_api_obj,
    is_torch_array,
)
from sklearn.externals.array_api_compat import device as device_of
from sklearn.utils._array_api import _convert_to_numpy

# Rows up to which a product with a transposed matrix is better turned round.
FEW_ROWS = 64

_NAMESPACE_OF_TYPE = {}


def namespace(x):
    """Array namespace of `x`, remembered by type: it is asked for in the hot loop."""
    kind = type(x)
    if kind not in _NAMESPACE_OF_TYPE:
        _NAMESPACE_OF_TYPE[kind] = array_namespace(x)
    return _NAMESPACE_OF_TYPE[kind]


def whereabouts(x):
    """The library and device of an array, in words."""
    return f"{namespace(x).__name__.split('.')[-1]} on {device_of(x)}"


def is_torch_off_host(x):
    """Whether `x` is PyTorch's and lives on a device of its own, such as a GPU."""
    return is_torch_array(x) and x.device.type != "cpu"


def is_on_host(x):
    """Whether `x` is where Python is: elsewhere one has to wait to see a value."""
    return "cpu" in str(device_of(x)).lower()


def to_numpy(x):
    """The values of `x` as a NumPy array on the host."""
    return _convert_to_numpy(x, xp=namespace(x))


def on_host(x):
    """Anything as it is, but arrays of all namespaces as NumPy's."""
    return to_numpy(x) if is_array_api_obj(x) else x


def like(values, x):
    """`values` as an array of the namespace, device and dtype of `x`."""
    return namespace(x).asarray(values, dtype=x.dtype, device=device_of(x))


def placed_like(values, array):
    """NumPy's values in their own dtype, in the namespace of `array`, on its device.

    For others in the dtype of `array` there is :func:`like`.
    """
    return namespace(array).asarray(values, device=device_of(array))


def zeros(shape, x):
    return namespace(x).zeros(shape, dtype=x.dtype, device=device_of(x))


def c_ordered_copy(x):
    """A copy whose rows are contiguous, whatever the memory order of `x`."""
    copy = zeros(x.shape, x)
    copy[...] = x
    return copy


def bincount(numbers, n):
    """How often each integer below `n` is among the numbers, (n,)."""
    xp = namespace(numbers)
    if hasattr(xp, "bincount"):
        return xp.bincount(numbers, minlength=n)
    counts = np.bincount(to_numpy(numbers), minlength=n)
    return xp.asarray(counts, device=device_of(numbers))


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


def log_sum_exp(a):
    """log of the sum of exp(a) over the last axis, without overflow."""
    xp = namespace(a)
    top = xp.max(a, axis=-1, keepdims=True)
    return top[..., 0] + xp.log(xp.sum(xp.exp(a - top), axis=-1))


def softmax(a):
    """exp(a), divided by its sum over the last axis."""
    xp = namespace(a)
    p = xp.exp(a - xp.max(a, axis=-1, keepdims=True))
    p /= xp.sum(p, axis=-1, keepdims=True)
    return p


def log_softmax(a):
    """log of the softmax over the last axis."""
    xp = namespace(a)
    a = a - xp.max(a, axis=-1, keepdims=True)
    return a - xp.log(xp.sum(xp.exp(a), axis=-1, keepdims=True))


def log_mean_exp(x):
    """log of the mean of exp(x) over the first axis, without overflow."""
    xp = namespace(x)
    top = xp.max(x, axis=0)
    return top + xp.log(xp.mean(xp.exp(x - top), axis=0))
