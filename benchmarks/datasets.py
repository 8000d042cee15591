"""Real data for the benchmarks: files in the folder SKEBM_DATA, else scikit-learn's."""

import os
from pathlib import Path

import numpy as np
from sklearn.datasets import fetch_olivetti_faces, fetch_openml


def mnist():
    """Grey MNIST: 60,000 training and 10,000 test rows of 784 pixels from 0 to 255."""
    folder = os.environ.get("SKEBM_DATA")
    if folder:
        with np.load(Path(folder) / "mnist.npz") as data:
            return tuple(data[k] for k in ("X_train", "y_train", "X_test", "y_test"))
    X, y = fetch_openml("mnist_784", version=1, return_X_y=True, as_frame=False)
    X, y = X.astype(np.uint8), y.astype(np.uint8)
    return X[:60_000], y[:60_000], X[60_000:], y[60_000:]


def grey_mnist_and_binary_test():
    """Training rows as probabilities; test rows that were drawn from theirs once.

    The drawn ones are those of the folder, else of a fixed seed.
    """
    X, _, X_test, _ = mnist()
    folder = os.environ.get("SKEBM_DATA")
    if folder:
        with np.load(Path(folder) / "mnist_binarized.npz") as data:
            drawn = data["X_test"]
    else:
        drawn = np.random.default_rng(0).random(X_test.shape) < X_test / 255
    return X / np.float32(255), drawn


def faces():
    """Olivetti faces: 400 rows of 4096 grey values in [0, 1], and whose face it is."""
    folder = os.environ.get("SKEBM_DATA")
    if folder:
        with np.load(Path(folder) / "olivetti_faces.npz") as data:
            return data["X"] / 255, data["y"]
    return fetch_olivetti_faces(return_X_y=True)
