"""Fixtures that all test modules share."""

import os
from importlib.metadata import version

# SciPy reads this once, when it is first imported. scikit-learn's array-API dispatch
# needs it, and a SciPy of at least 1.14.
if tuple(map(int, version("scipy").split(".")[:2])) >= (1, 14):
    os.environ["SCIPY_ARRAY_API"] = "1"

import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(0)
