"""Squared error on MNIST of images that a deep autoencoder makes of 30 numbers each.

    SKEBM_DATA=folder python benchmarks/autoencoder.py [--rows=10000] [--n_iter=5]
        [--max_iter=40]

Grey values in [0, 1], single precision. A deep belief network 784-1000-500-250-30 with
a linear top layer is trained layer by layer on the 60,000 training rows, unrolled, and
fine-tuned by Adam on the cross-entropy. The squared error is summed over the pixels of
an image, and its mean over the 10,000 test rows is printed after each stage, beside
that of PCA with 30 components; seconds are those on the clock and those of the
processor. With `--rows`, it is so many training rows, and the error is of 10,000 others
of these, which is how rates and penalty were chosen; `--n_iter` is the number of epochs
of pretraining per layer, and other arguments are parameters of the autoencoder.

Published: 3.00, and 13.87 for PCA (Hinton & Salakhutdinov 2006, 50 epochs per layer and
200 of conjugate gradients).
"""

import sys
import time
from contextlib import contextmanager

import numpy as np
from datasets import mnist
from parameters import parsed
from sklearn import clone
from sklearn.decomposition import PCA

from skebm import DBN, BernoulliRBM, DeepAutoencoder

SIZES = (1000, 500, 250, 30)
PRETRAINING = {"algorithm": "cd", "momentum": 0.5, "weight_decay": 2e-4}
LINEAR = {"hidden_units": "gaussian", "learning_rate": 0.03}
FINE_TUNING = {
    "learning_rate_init": 2e-3,
    "alpha": 5e-3,
    "max_iter": 65,
    "tol": 0.0,
    "random_state": 0,
}


@contextmanager
def timed(name):
    """Print the seconds that a stage takes."""
    begin, used = time.perf_counter(), time.process_time()
    yield
    seconds, used = time.perf_counter() - begin, time.process_time() - used
    print(f"{name}: {seconds:.0f} s, of the processor {used:.0f} s", flush=True)


def report(name, X, made):
    """Print the mean squared error of an image."""
    error = np.sum((X - made) ** 2, axis=1, dtype=np.float64)
    print(f"{name}: squared error {error.mean():.2f}", flush=True)


def main():
    params = parsed(sys.argv[1:])
    X_train, _, X_test, _ = mnist()
    if n_rows := params.pop("rows", None):
        X_train, X_test = X_train[:n_rows], X_train[-10_000:]
    X_train, X_test = (x.astype(np.float32) / 255 for x in (X_train, X_test))
    with timed("PCA"):
        pca = PCA(SIZES[-1], random_state=0).fit(X_train)
    report("PCA", X_test, pca.inverse_transform(pca.transform(X_test)))

    machine = BernoulliRBM(n_iter=params.pop("n_iter", 5), **PRETRAINING)
    machines = [machine] * (len(SIZES) - 1) + [clone(machine).set_params(**LINEAR)]
    dbn = DBN(SIZES, rbm=machines, verbose=1, random_state=0)
    with timed("pretraining"):
        dbn.fit(X_train)
    report("pretrained", X_test, dbn.reconstruct(X_test))

    model = DeepAutoencoder(dbn=dbn, verbose=1).set_params(**{**FINE_TUNING, **params})
    with timed("fine-tuning"):
        model.fit(X_train)
    report("fine-tuned, training rows", X_train, model.reconstruct(X_train))
    report("fine-tuned", X_test, model.reconstruct(X_test))


if __name__ == "__main__":
    main()
