"""The few array functions of our own."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from skebm.core.backend import c_ordered_copy, is_finite, sigmoid, softplus, to_numpy

from .machines import NAMESPACES, asarray_of


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMESPACES)
def test_sigmoid_and_softplus_at_all_sizes(name, dtype):
    """Also far out, where a cut-off at 10 or an overflowing exp would show."""
    a = np.array([-1e4, -800, -40, -11, -1, -1e-3, 0, 1e-3, 1, 11, 40, 800, 1e4], dtype)
    x = asarray_of(name)(a)
    tolerance = 4 * np.finfo(dtype).eps
    assert_allclose(to_numpy(sigmoid(x)), expit(a), rtol=tolerance, atol=tolerance)
    assert_allclose(to_numpy(softplus(x)), np.logaddexp(0, a), rtol=tolerance)
    assert to_numpy(softplus(x)).dtype == dtype


def test_c_ordered_copy_of_any_order():
    x = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    copy = c_ordered_copy(x)
    assert copy.flags.c_contiguous
    assert not np.shares_memory(copy, x)
    assert_array_equal(copy, x)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_is_finite(bad):
    assert is_finite(np.array([0.0, 1e300]))
    assert not is_finite(np.array([0.0, bad]))
