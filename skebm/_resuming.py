"""How a fit comes about: anew, from where one ended, or from where one was killed."""

import hashlib
from typing import NamedTuple

import numpy as np
from scipy import sparse

from ._validation import draw_seed
from .core.backend import namespace, to_numpy, whereabouts
from .core.rows import Mapped, Spread, blocks, float_dtype, take_rows


class Unfinished(NamedTuple):
    """What a fit needs to go on, besides the data, of which it knows a fingerprint.

    `double` says whether it computes in double precision, `features` are the number
    and names of these. `parts` are the estimators that it has trained so far, the last
    of which may be unfinished itself; `run` is what its own epochs carry, or None
    before these.
    """

    going_on: bool
    seed: int
    double: bool
    features: dict
    fingerprint: str | None
    parts: list
    run: object


class Call(NamedTuple):
    """How a fit comes about.

    `going_on` says whether it starts from the fitted attributes. `outer` is the fit
    that it is a part of, `unfinished` what there is of it already. `classes` are those
    given to partial_fit.
    """

    method: str
    going_on: bool = False
    outer: object = None
    unfinished: Unfinished | None = None
    classes: object = None

    def seed(self, estimator):
        """The seed of all random streams of the fit."""
        if self.unfinished is not None:
            return self.unfinished.seed
        return estimator._seed if self.going_on else draw_seed(estimator.random_state)

    def reader(self, estimator, X):
        """What makes numbers of the rows, learnt from X where the fit is a new one.

        A part of a fit is given numbers, and by the fit around it what has made them.
        """
        is_known = self.going_on or self.outer is not None
        return estimator._reader if is_known else estimator._new_reader(X)

    def rows(self, X):
        """The rows in the precision that the fit began with."""
        if self.unfinished is None or self.unfinished.double == is_double(X):
            return X
        if isinstance(X, Spread):  # refused later, by the fingerprint
            return X
        xp = np if sparse.issparse(X) else namespace(X)
        dtype = xp.float64 if self.unfinished.double else xp.float32
        return X.astype(dtype) if sparse.issparse(X) else xp.astype(X, dtype)

    def parts(self, new):
        """The parts: those that there are already, and `new` ones for the others."""
        if self.unfinished is None:
            return new
        return [*self.unfinished.parts, *new[len(self.unfinished.parts) :]]

    def carried(self):
        """What the epochs of the fit carry, if there have been any."""
        return None if self.unfinished is None else self.unfinished.run


def is_double(X):
    """Whether rows are computed in double precision."""
    if isinstance(X, Spread | Mapped):
        return is_double(X.sample if isinstance(X, Spread) else X.X)
    xp = np if sparse.issparse(X) else namespace(X)
    return float_dtype(X) == xp.float64


def as_plain(names):
    """Names, or numbers in their place, as objects of Python, whatever their array."""
    values = np.asarray(names).tolist()
    return [float(x) if isinstance(x, int) else x for x in values]


def fingerprint(*matrices, names=()):
    """Digest of the values of matrices: the same in any container and memory order.

    Arrays of another library than NumPy's, or on another device, have another one.

    And of names, such as those of classes. Of rows that are spread it is another one,
    with their weights, precision, and how many steps make a round.
    """
    digest = hashlib.blake2b(repr(as_plain(names)).encode(), digest_size=16)
    for X in matrices:
        if isinstance(X, Spread):
            parts = X.each(fingerprint)
            how = [*parts, X.steps_per_round, str(float_dtype(X))]
            digest.update(repr(how).encode())
            continue
        if X is None:  # the weights are with the rows
            continue
        digest.update(repr(tuple(X.shape)).encode())
        for rows in blocks(X.shape[0]):
            values = take_rows(X, rows, float_dtype(X))
            if not isinstance(values, np.ndarray):
                digest.update(whereabouts(values).encode())
            values = np.array(to_numpy(values), dtype=np.float64, order="C")
            values += 0.0  # -0.0 is 0.0, and NaN is NaN whatever its sign
            values[np.isnan(values)] = np.nan
            digest.update(values)
    return digest.hexdigest()
