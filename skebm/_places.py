"""Where the parts of rows lie on a Dask cluster, and how they are asked there.

All that is sent is a pickle, which runs the code that it names when it is opened: by
workers, and here.

Every task is a function of what it is given, by a graph that holds all of it but the
rows. So the scheduler does again, on another worker, what a worker that died had done.
"""

import math
import warnings
from os import PathLike
from typing import NamedTuple

import cloudpickle
import dask
import numpy as np
from dask import delayed
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_consistent_length,
)

from ._validation import as_numbers, check_rows
from .core.rounds import in_tree
from .core.rows import float_dtype

# Dask warns of graphs above 10 MB. Here a round's graph holds the params, which are to
# be there again if a worker dies, and they may be larger.
ROOM = {"distributed.admin.large-graph-warning-threshold": "10 GB"}


class Places:
    """Parts of rows on a cluster, with weights beside them, in a fixed order.

    Parameters
    ----------
    client : distributed.Client
        The cluster.
    parts : list
        Delayed objects, futures, or paths of ``.npy`` files.
    weights : list
        The same for the weights of the rows, or None for a part where all are 1.
    dtype : dtype
        What is computed in.
    scale : float
        Weights are multiplied by it.
    """

    def __init__(self, client, parts, weights, dtype, scale):
        self.client, self.parts, self.weights = client, parts, weights
        self.dtype, self.scale = dtype, scale

    def each(self, function):
        """Ask all parts.

        Parameters
        ----------
        function : callable
            Takes rows and their weights.

        Returns
        -------
        found : list
            What it gives for each part.
        """
        return gathered(self.client, self._tasks(asked, function))

    def folded(self, function, inputs, start, combine):
        """Ask all parts, and put together what they say, in a tree.

        Parameters
        ----------
        function : callable
            Takes rows, their weights, the number of the part, its chains, and `start`.
        inputs : sequence
            Chains for each part, or None.
        start : object
            What all parts are sent.
        combine : callable
            Makes one of a list of what the function gives.

        Returns
        -------
        found : skebm.core.rounds.Share
            That of all parts.
        """
        packed = map(as_bits, inputs)
        shares = self._tasks(asked_from, (function, start), *enumerate(packed))
        one = in_tree(shares, delayed(combine, pure=False))
        share = gathered(self.client, [one])[0]
        return share._replace(chains=from_bits(share.chains))

    def _tasks(self, task, sent, *inputs):
        sent = sent_once(sent)
        inputs = inputs or [()] * len(self.parts)
        return [
            delayed(task, pure=False)(sent, part, weights, self.dtype, self.scale, *x)
            for part, weights, x in zip(self.parts, self.weights, inputs, strict=True)
        ]


def sent_once(x):
    """An object as a task of its own: a pickle goes to the cluster once, as a whole."""
    return delayed(cloudpickle.loads, pure=False)(cloudpickle.dumps(x))


def gathered(client, tasks):
    """What the tasks give, in their order."""
    with dask.config.set(ROOM):
        futures = client.compute(tasks)
        try:
            return client.gather(futures)
        finally:
            # A traceback would hold them, and with them what failed.
            for future in futures:
                future.release()


def kept(client, x):
    """An object that stays on the cluster, where it can be made again."""
    with dask.config.set(ROOM):
        return client.persist(sent_once(x))


def asked(function, part, weights, dtype, scale, *args):
    """What a function gives for a part and its weights."""
    X = as_rows(part)
    if weights is None:
        weights = np.ones(X.shape[0], dtype)
    else:
        weights = (np.asarray(weights, np.float64) * scale).astype(dtype)
    # Overflow is no news where a round ends by asking if all is finite.
    with np.errstate(over="ignore", invalid="ignore"):
        return function(X, weights, *args)


def asked_from(sent, part, weights, dtype, scale, index, given):
    """The same in a round, of a part that goes on from what is sent to all."""
    function, start = sent
    given = from_bits(given)
    share = asked(function, part, weights, dtype, scale, index, given, start)
    return share._replace(chains=as_bits(share.chains))


class Bits(NamedTuple):
    """An array of zeros and ones, in a 32nd of the bytes of single precision.

    The chains of all parts go through the client and the scheduler in each round.
    """

    bits: np.ndarray
    shape: tuple
    dtype: object


def as_bits(x):
    """Nested tuples and lists with such arrays as bits, and all else as it is."""
    if isinstance(x, np.ndarray):
        is_binary = bool(((x == 0) | (x == 1)).all())
        return Bits(np.packbits(x == 1), x.shape, x.dtype) if is_binary else x
    return of_each(as_bits, x)


def from_bits(x):
    """The arrays again."""
    if isinstance(x, Bits):
        bits = np.unpackbits(x.bits, count=math.prod(x.shape))
        return bits.reshape(x.shape).astype(x.dtype)
    return of_each(from_bits, x)


def of_each(function, x):
    """A function of each element, if it is a tuple or a list."""
    if not isinstance(x, tuple | list):
        return x
    found, kind = map(function, x), type(x)
    return kind(*found) if hasattr(kind, "_fields") else kind(found)


def opened(part):
    """A part, of which a path is opened, so that only the rows in use are read."""
    return np.load(part, mmap_mode="r") if isinstance(part, str | PathLike) else part


def as_rows(part):
    """A part as an array or CSR matrix, without a look at the values."""
    kinds = {"accept_sparse": "csr", "dtype": "numeric", "ensure_all_finite": False}
    return as_numbers(check_array(opened(part), ensure_min_samples=0, **kinds))


class Found(NamedTuple):
    """What is to be known of a part before all of them can be trained on.

    `index` is its number, `mass` the sum of its weights, `said` are warnings.
    """

    index: int
    n_rows: int
    n_columns: int
    dtype: object
    sample: object
    mass: float
    said: list


def look(sent, index, part, weights):
    """Check a part as `fit` of the estimator checks rows, and say what is there.

    There need be no rows, and no columns then.
    """
    estimator, kind, n_sampled = sent
    try:
        if _num_samples(opened(part)) == 0:
            check_consistent_length(opened(part), weights)
            return Found(index, 0, 0, None, None, 0.0, [])
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            X = check_rows(estimator, opened(part), method="fit", kind=kind, new=True)
        mass = float(X.shape[0])
        if weights is not None:
            weights = _check_sample_weight(
                weights, X, dtype=np.float64, ensure_non_negative=True
            )
            mass = float(np.sum(weights))
    except (ValueError, TypeError) as error:
        error.add_note(f"This is of part {index} of the rows.")
        raise
    n_sampled = min(n_sampled, X.shape[0])
    # In the middle of as many stretches of equal length.
    rows = (2 * np.arange(n_sampled) + 1) * X.shape[0] // (2 * max(n_sampled, 1))
    said = [(str(x.message), x.category) for x in said]
    return Found(index, *X.shape, float_dtype(X), X[rows], mass, said)


def sample_of(found):
    """The rows that were sampled, of all parts, as one matrix."""
    samples = [x.sample for x in found]
    if any(map(sparse.issparse, samples)):
        return sparse.vstack(samples, format="csr")
    return np.concatenate(samples)
