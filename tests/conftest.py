"""Fixtures that all test modules share."""

import os
from importlib.metadata import version

from joblib import cpu_count
from threadpoolctl import threadpool_limits

# SciPy reads this once, when it is first imported. scikit-learn's array-API dispatch
# needs it, and a SciPy of at least 1.14.
if tuple(map(int, version("scipy").split(".")[:2])) >= (1, 14):
    os.environ["SCIPY_ARRAY_API"] = "1"

# Where several processes test at once, each has its share of the cores: else every one
# has as many threads as there are cores. Libraries that a plugin of pytest has imported
# are told so; the others, and processes that tests start, read the variable.
N_PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if N_PROCESSES > 1 and "OMP_NUM_THREADS" not in os.environ:
    n_threads = max(1, cpu_count() // N_PROCESSES)
    os.environ["OMP_NUM_THREADS"] = str(n_threads)
    threadpool_limits(n_threads)

import numpy as np  # noqa: E402
import pytest  # noqa: E402

# Of all that draws without a seed of its own. Set the variable to try another.
SEED = int(os.environ.get("SKEBM_TESTS_SEED", "0"))


def pytest_report_header():
    return f"SKEBM_TESTS_SEED={SEED}"


@pytest.fixture(autouse=True)
def _seeded():
    """Each test begins at the same state of NumPy's global generator."""
    np.random.seed(SEED)  # noqa: NPY002


@pytest.fixture
def rng():
    return np.random.default_rng(0)
