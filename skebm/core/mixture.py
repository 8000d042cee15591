"""Mixtures of independent units, over several layers, and how they are fitted."""

import math
from typing import NamedTuple

from .backend import namespace, softmax, zeros

# Components at most, and samples for each of them at least; rounds of the fit.
MOST_COMPONENTS, LEAST_SAMPLES, N_ROUNDS = 50, 10, 15

# How far the means of a component stay away from the ends, and how many samples with
# the mean of all it is given besides its own.
MARGIN, PRIOR_SAMPLES = 0.01, 2.0

# How far components move towards the average at first, and what all counts are raised
# by, so that one without samples comes back.
TOWARDS_AVERAGE, LEAST_COUNT = 0.2, 0.5


class Mixture(NamedTuple):
    """Components of independent units: biases of each even layer, (n_units, k) each.

    `offsets` (k,) are minus the log partition functions of the components.
    """

    biases: tuple
    offsets: object
    log_weights: object

    def scores(self, even):
        """log of the density by component, (n_rows, k), without the base measure."""
        pairs = zip(even, self.biases, strict=True)
        return self.offsets + sum(x @ b for x, b in pairs)

    def shares(self, even):
        """Probability of each component given the even layers, (n_rows, k)."""
        return softmax(self.scores(even) + self.log_weights)


def fitted(kinds, samples, stream):
    """The mixture that is fitted to samples of even layers, or to means of samples.

    By expectation-maximisation, from some of the samples on [Dempster, Laird & Rubin
    1977].
    """
    array, xp = samples[0], namespace(samples[0])
    n_rows = array.shape[0]
    k = max(1, min(MOST_COMPONENTS, n_rows // LEAST_SAMPLES))
    average = [xp.mean(x, axis=0) for x in samples]
    chosen = stream.permutation(n_rows)[:k]
    means = [
        (1.0 - TOWARDS_AVERAGE) * xp.take(x, chosen, axis=0) + TOWARDS_AVERAGE * m
        for x, m in zip(samples, average, strict=True)
    ]
    counts = zeros((k,), array) + n_rows / k
    for _ in range(N_ROUNDS):
        shares = of_components(kinds, means, counts).shares(samples)
        own = xp.sum(shares, axis=0)
        total, counts = (own + PRIOR_SAMPLES)[:, None], own + LEAST_COUNT
        means = [
            (shares.T @ x + PRIOR_SAMPLES * m) / total
            for x, m in zip(samples, average, strict=True)
        ]
    return of_components(kinds, means, counts)


def broad(kinds, samples):
    """The mixture of one component, which has the means of all samples."""
    array, xp = samples[0], namespace(samples[0])
    means = [xp.mean(x, axis=0)[None, :] for x in samples]
    return of_components(kinds, means, zeros((1,), array) + 1.0)


def joined(mixtures, shares):
    """The mixture of mixtures, each of which has a share of the weights."""
    log_weights = [
        m.log_weights + math.log(share)
        for m, share in zip(mixtures, shares, strict=True)
    ]
    xp = namespace(log_weights[0])
    biases = zip(*(m.biases for m in mixtures), strict=True)
    return Mixture(
        tuple(xp.concat(list(b), axis=1) for b in biases),
        xp.concat([m.offsets for m in mixtures]),
        xp.concat(log_weights),
    )


def of_components(kinds, means, counts):
    """The mixture whose components have these means, (k, n_units) each, and counts."""
    biases, offsets = [], 0.0
    for kind, mean in zip(kinds, means, strict=True):
        b = kind.natural(kind.clip(mean, MARGIN))
        biases.append(b.T)
        offsets = offsets - kind.log_partition(b)
    xp = namespace(counts)
    return Mixture(tuple(biases), offsets, xp.log(counts / xp.sum(counts)))
