"""Random streams: one seed gives as many independent ones as there are purposes.

A stream is named by what it is for and for which epoch, and can be made again at any
time from the seed and that name. So there is no generator to store, to copy or to
restore, and drawing more for one purpose changes nothing for another.
"""

from enum import IntEnum

import numpy as np

from .backend import device_of, is_torch_off_host, namespace

# Of single precision: rounding may come to 1.
LARGEST_BELOW_ONE = 1.0 - 2.0**-24


class Purpose(IntEnum):
    """What a stream is drawn for."""

    INITIAL = 0
    SHUFFLE = 1
    CHAINS = 2
    MONITOR = 3
    PARTITION = 4
    RECONSTRUCT = 5
    GIBBS = 6
    SAMPLE = 7
    IMPUTE = 8
    MISSING = 9
    VALIDATION = 10
    INPUT = 11
    VERDICT = 12
    NOISE = 20
    BOUND = 21
    DESCENT = 22
    UP_DOWN = 23
    PART = 24


class HostStream:
    """NumPy's random numbers, for any array whose device the host can fill.

    Always drawn in single precision, so that the numbers depend neither on the dtype
    that is computed in, nor on the kind of array.
    """

    def __init__(self, key, array):
        self._generator = np.random.Generator(np.random.SFC64(key))
        self._asarray = namespace(array).asarray
        self._device = device_of(array)

    def uniform(self, shape):
        """Numbers from [0, 1)."""
        return self._wrap(self._generator.random(shape, dtype=np.float32))

    def normal(self, shape):
        """Standard normal numbers."""
        return self._wrap(self._generator.standard_normal(shape, dtype=np.float32))

    def permutation(self, n):
        """The integers below `n` in random order."""
        return self._wrap(self._generator.permutation(n))

    def _wrap(self, values):
        return self._asarray(values, device=self._device)


class TorchStream:
    """The same three questions, answered by PyTorch on the array's own device."""

    def __init__(self, key, array):
        import torch  # an optional package, needed only where its arrays come in

        seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)
        self._torch = torch
        self._device = array.device
        self._generator = torch.Generator(device=array.device).manual_seed(seed)

    def uniform(self, shape):
        """Numbers from [0, 1)."""
        return self._torch.rand(shape, **self._place())

    def normal(self, shape):
        """Standard normal numbers."""
        return self._torch.randn(shape, **self._place())

    def permutation(self, n):
        """The integers below `n` in random order."""
        return self._torch.randperm(n, generator=self._generator, device=self._device)

    def _place(self):
        return {
            "generator": self._generator,
            "device": self._device,
            "dtype": self._torch.float32,
        }


def stream(seed, purpose, array, index=0):
    """The stream of `seed` for a purpose, feeding arrays like `array`.

    `index` tells the streams of one purpose apart: the epoch, for training.
    """
    key = [seed, int(purpose), index]
    if is_torch_off_host(array):
        return TorchStream(key, array)
    return HostStream(key, array)


def seed_of_part(seed, part, epoch):
    """The seed of all streams of a part of the rows in one epoch of the fit of `seed`.

    Their indices are then the rounds of the epoch.
    """
    key = np.random.SeedSequence([seed, int(Purpose.PART), part, epoch])
    return int(key.generate_state(1, np.uint64)[0])


class SharedDraws:
    """A stream that answers each question for uniform numbers with given ones.

    They are the same for all rows, so that what becomes of a row does not depend on
    the other rows.
    """

    def __init__(self, numbers):
        self._numbers = iter(numbers)

    def uniform(self, shape):
        """The next numbers, (n_units,), for each row."""
        numbers = next(self._numbers)
        return namespace(numbers).broadcast_to(numbers, shape)


def spread_draws(sizes, n_samples, stream):
    """Uniform numbers for layers of these sizes, `n_samples` times, evenly spread.

    For each unit they are one from each of `n_samples` equal parts of [0, 1), in random
    order (a Latin hypercube): each sample has independent uniform numbers, but the
    fluctuations of each unit's states over the samples are mostly taken out.
    """
    draws = []
    for size in sizes:
        numbers = stream.uniform((n_samples, size))
        xp = namespace(numbers)
        order = xp.argsort(stream.uniform((n_samples, size)), axis=0)
        spread = (xp.astype(order, numbers.dtype) + numbers) / n_samples
        draws.append(xp.clip(spread, None, LARGEST_BELOW_ONE))
    return [[x[index, ...] for x in draws] for index in range(n_samples)]
