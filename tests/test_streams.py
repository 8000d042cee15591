"""Random streams: reproducible, independent of each other, the same in every dtype."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skebm._validation import draw_seed
from skebm.core.backend import to_numpy
from skebm.core.streams import Purpose, TorchStream, stream

from .conftest import SEED
from .machines import NAMESPACES, asarray_of


def draws(seed, purpose, array, index=0):
    source = stream(seed, purpose, array, index)
    return [source.uniform((3, 2)), source.normal((4,)), source.permutation(9)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMESPACES)
def test_every_namespace_and_dtype_gets_the_same_numbers(name, dtype):
    array = asarray_of(name)(np.zeros(1, dtype))
    expected = draws(3, Purpose.CHAINS, np.zeros(1))
    for found, wanted in zip(draws(3, Purpose.CHAINS, array), expected, strict=True):
        assert type(found) is type(array)
        assert_array_equal(to_numpy(found), wanted)


def test_streams_differ_by_seed_purpose_and_index():
    array = np.zeros(1)
    names = [
        (3, Purpose.CHAINS, 0),
        (4, Purpose.CHAINS, 0),
        (3, Purpose.SHUFFLE, 0),
        (3, Purpose.CHAINS, 1),
    ]
    names += [(3, purpose, 2) for purpose in Purpose]
    first = [stream(s, p, array, i).uniform((1,))[0] for s, p, i in names]
    assert len(set(first)) == len(names)


def test_torch_stream_of_a_device_is_reproducible_and_uniform():
    """The stream that GPUs use, run on the processor."""
    torch = pytest.importorskip("torch")
    array = torch.zeros(1)
    one, same = (TorchStream([0, 2, 0], array) for _ in range(2))
    u, again = one.uniform((40_000,)), same.uniform((40_000,))
    assert torch.equal(u, again)
    assert u.dtype == torch.float32
    # Mean and variance of 40,000 numbers, within 5 standard errors.
    assert abs(float(u.mean()) - 1 / 2) < 5 * np.sqrt(1 / 12 / 40_000)
    assert abs(float(u.var()) - 1 / 12) < 5 * np.sqrt(1 / 180 / 40_000)
    z = one.normal((40_000,))
    assert abs(float(z.mean())) < 5 / np.sqrt(40_000)
    assert sorted(one.permutation(50).tolist()) == list(range(50))


@pytest.mark.parametrize("repetition", range(2))
def test_unseeded_draws_of_tests_begin_at_the_seed_of_all(repetition):
    """So a test that draws from NumPy's global generator fails always, or never."""
    expected = np.random.RandomState(SEED).random_sample()
    assert np.random.random_sample() == expected  # noqa: NPY002
    assert draw_seed(None) != draw_seed(None)
