"""Small machines, their oracles, and the arrays of other namespaces."""

from itertools import pairwise

import numpy as np
import pytest

from skebm.core.machine import Machine, Params
from skebm.core.units import Bernoulli

from .enumeration import Enumeration

SIZES = [(4, 3), (4, 3, 2), (3, 3, 2, 2)]

NAMESPACES = ["numpy", "array_api_strict", "torch"]


def random_arrays(sizes, seed=0, scale=1.0):
    """Weights and biases of a machine with strong, unequal interactions."""
    rng = np.random.default_rng(seed)
    weights = [scale * rng.normal(size=s) for s in pairwise(sizes)]
    return weights, [0.5 * rng.normal(size=n) for n in sizes]


def machine_of(weights, biases, asarray=np.asarray):
    """The core's machine with these parameters."""
    params = Params(
        tuple(asarray(W) for W in weights), tuple(asarray(b) for b in biases)
    )
    return Machine(tuple(Bernoulli() for _ in biases), params)


def random_machine(sizes, seed=0, scale=1.0):
    """A machine and its oracle."""
    weights, biases = random_arrays(sizes, seed, scale)
    return machine_of(weights, biases), Enumeration(weights, biases)


def asarray_of(name):
    """`asarray` of an array namespace; the test is skipped where it is missing."""
    if name == "numpy":
        return np.asarray
    return pytest.importorskip(name).asarray


def standard_errors(samples, expected):
    """How many standard errors each mean of samples (n, k) is off its expectation.

    Each pair moment of independent binary rows; a constant one has to be met exactly.
    """
    n = len(samples)
    observed = samples.T @ samples / n
    error = np.sqrt(np.maximum(expected * (1 - expected), 1e-12) / n)
    return np.abs(observed - expected) / error
