"""Rows of data: views of matrices, and dense floats of some rows."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skebm.core import rows as rows_module
from skebm.core.rows import Beside, Subset, by_blocks, float_dtype, has_nan, take_rows


def containers(values):
    yield values
    yield np.asfortranarray(values)
    yield sparse.csr_array(values)
    yield sparse.csr_matrix(values)


@pytest.mark.parametrize("rows", [slice(1, 3), np.array([3, 0])])
def test_take_rows_gives_dense_floats_of_these_rows(rows):
    values = np.arange(20).reshape(4, 5).astype(np.uint8)
    for X in containers(values):
        taken = take_rows(X, rows, np.float32)
        assert type(taken) is np.ndarray
        assert taken.dtype == np.float32
        assert_array_equal(taken, values[rows])


@pytest.mark.parametrize("rows", [slice(1, 3), np.array([2, 0])])
def test_take_rows_of_a_subset(rows):
    values = np.arange(20).reshape(4, 5).astype(np.uint8)
    index = np.array([3, 1, 0])
    for X in containers(values):
        taken = take_rows(Subset(X, index), rows, np.float32)
        assert_array_equal(taken, values[index][rows])
        assert Subset(X, index).shape == (3, 5)


def test_has_nan_looks_at_every_block(monkeypatch):
    monkeypatch.setattr(rows_module, "BLOCK_ROWS", 5)
    X = np.zeros((23, 4))
    for values in containers(X):
        assert not has_nan(values)
    assert not has_nan(X > 0)
    X[22, 3] = np.nan
    assert has_nan(X)
    assert has_nan(Subset(X, np.array([22])))


def test_by_blocks_is_the_function_of_all_rows(rng, monkeypatch):
    monkeypatch.setattr(rows_module, "BLOCK_ROWS", 5)
    values = rng.uniform(size=(23, 4))
    for X in containers(values):
        found = by_blocks(lambda x: 2 * x[:, 0], X, np.float64)
        assert_array_equal(found, 2 * values[:, 0])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("float32", "float32"),
        ("float64", "float64"),
        ("longdouble", "float64"),
        ("float16", "float32"),
        ("uint8", "float32"),
        ("int64", "float32"),
        ("bool", "float32"),
    ],
)
def test_dtype_computed_in(given, expected):
    assert np.dtype(float_dtype(np.zeros((2, 2), given))) == expected


def test_rows_of_matrices_side_by_side(rng):
    X, q = sparse.csr_array(rng.integers(0, 2, (9, 3))), rng.uniform(size=(9, 2))
    both, expected = Beside(X, q), np.concatenate([X.toarray(), q], axis=1)
    assert both.shape == (9, 5)
    index = np.array([5, 0, 8])
    for rows, found in [
        (slice(2, 4), take_rows(both, slice(2, 4), np.float64)),
        (index, take_rows(both, index, np.float64)),
        (index[1:], take_rows(Subset(both, index), slice(1, 3), np.float64)),
    ]:
        assert_array_equal(found, expected[rows])
    assert take_rows(both, index, np.float32).dtype == np.float32
