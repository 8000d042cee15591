"""Seconds per PCD-1 step on MNIST: skebm, scikit-learn, and the bare matrix products.

    SKEBM_DATA=folder python benchmarks/throughput.py

The three take turns within one run, each for an epoch over the same rows; medians over
the rounds are printed. The "floor" is what no program can do without that computes a
PCD-1 step with this BLAS: visible inputs of the chains, hidden inputs of data and
chains, and the gradient of the weights, on arrays that are already there.
"""

import time
from statistics import median

import numpy as np
from datasets import mnist
from sklearn.neural_network import BernoulliRBM as SklearnRBM

from skebm import BernoulliRBM

# dtype, batch size, hidden units, batches in an epoch.
CASES = [
    ("float64", 10, 256, 1000),
    ("float32", 10, 500, 1000),
    ("float32", 100, 500, 300),
    ("float32", 256, 500, 120),
]
ROUNDS = 7


def seconds(function):
    """How long one call takes."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def products(W, batch_size, n_steps):
    """The products of PCD-1 steps with one chain per data row."""
    rng = np.random.default_rng(0)
    n_visible, n_hidden = W.shape
    hidden = rng.random((batch_size, n_hidden)).astype(W.dtype)
    stacked = rng.random((2 * batch_size, n_visible)).astype(W.dtype)
    means = rng.random((2 * batch_size, n_hidden)).astype(W.dtype)
    return repeated_products(hidden, stacked, means, W, n_steps)


def repeated_products(hidden, stacked, means, W, n_steps):
    """The products of so many steps, of arrays of any kind, as a function."""

    def run():
        for _ in range(n_steps):
            hidden @ W.T
            stacked @ W
            stacked.T @ means

    return run


def compare(X, dtype, batch_size, n_hidden, n_batches):
    """Milliseconds per step of the three, medians over interleaved rounds."""
    X = (X[: batch_size * n_batches] > 127).astype(dtype)
    common = {"batch_size": batch_size, "n_iter": 1, "random_state": 0}
    ours = BernoulliRBM(n_hidden, n_chains=batch_size, **common)
    theirs = SklearnRBM(n_hidden, **common)
    W = np.random.default_rng(0).normal(size=(X.shape[1], n_hidden)).astype(dtype)
    contenders = {
        "skebm": lambda: ours.fit(X),
        "sklearn": lambda: theirs.fit(X),
        "floor": products(W, batch_size, n_batches),
    }
    times = {name: [] for name in contenders}
    for _ in range(ROUNDS + 1):
        for name, function in contenders.items():
            times[name].append(1e3 * seconds(function) / n_batches)
    return {name: median(values[1:]) for name, values in times.items()}


def main():
    X = mnist()[0]
    print(f"{'dtype':8} {'batch':>5} {'hidden':>6}", end=" ")
    print(f"{'skebm':>8} {'sklearn':>8} {'floor':>8} ms/step", end="  ")
    print("sklearn/skebm  skebm/floor")
    for dtype, batch_size, n_hidden, n_batches in CASES:
        ms = compare(X, dtype, batch_size, n_hidden, n_batches)
        print(f"{dtype:8} {batch_size:5} {n_hidden:6}", end=" ")
        print(" ".join(f"{ms[name]:8.3f}" for name in ms), end=" " * 10)
        print(f"{ms['sklearn'] / ms['skebm']:13.2f}", end=" ")
        print(f"{ms['skebm'] / ms['floor']:12.2f}", flush=True)


if __name__ == "__main__":
    main()
