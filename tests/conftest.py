"""Fixtures that all test modules share."""

import os

# SciPy reads this once, when it is first imported; scikit-learn's array-API dispatch
# needs it.
os.environ["SCIPY_ARRAY_API"] = "1"

import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(0)
