"""What the defaults are worth: test log-likelihoods of these and of alternatives.

    SKEBM_DATA=folder python benchmarks/defaults.py [name ...]

Names are those of `SETS`; without any, all of them. There is a line for the defaults
and for each alternative, with 200 hidden units and about the same number of updates on
every set: value, bounds by annealing in both directions, and seconds of training.
"""

import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from datasets import mnist
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from skebm import BernoulliRBM

N_UPDATES = 3000
ANNEALING = {"n_betas": 1500, "n_runs": 100}

ALTERNATIVES = {
    "defaults": {},
    "2 Gibbs steps": {"n_gibbs_steps": 2},
    "5 Gibbs steps": {"n_gibbs_steps": 5},
    "cd": {"algorithm": "cd"},
    "pt, 20 chains": {"algorithm": "pt", "n_chains": 20},
    "rate 0.05": {"learning_rate": 0.05},
    "rate 0.2": {"learning_rate": 0.2},
    "constant rate": {"learning_rate_schedule": "constant"},
    "cosine rate": {"learning_rate_schedule": "cosine"},
    "momentum 0.5, rate 0.05": {"momentum": 0.5, "learning_rate": 0.05},
    "not centred": {"centered": False},
    "weight decay 1e-4": {"weight_decay": 1e-4},
    "batch size 20": {"batch_size": 20},
}


def digits():
    X = load_digits().data > 7
    return X[:1400], X[1400:]


def thresholded_mnist():
    X, _, X_test, _ = mnist()
    return X[:10_000] > 127, X_test[:2000] > 127


def silhouettes():
    with np.load(
        Path(os.environ["SKEBM_DATA"]) / "caltech101_silhouettes28.npz"
    ) as data:
        return data["X_train"], data["X_test"]


def newsgroups():
    """Presence or absence of the 500 words that are in most training documents."""
    path = Path(os.environ["SKEBM_DATA"]) / "text" / "20newsgroups_etm.npz"
    with np.load(path) as data:
        train, test = (
            sparse.csr_array(
                (
                    data[f"{part}_data"] > 0,
                    data[f"{part}_indices"].astype(np.int32),
                    data[f"{part}_indptr"],
                ),
                shape=data[f"{part}_shape"],
            )
            for part in ("train", "test")
        )
    frequent = np.argsort(-np.asarray(train.sum(axis=0)).ravel())[:500]
    return train[:, frequent], test[:, frequent]


def binary(name):
    def load():
        with np.load(Path(os.environ["SKEBM_DATA"]) / "binary" / f"{name}.npz") as data:
            return data["train"], data["test"]

    return load


SETS = {
    "digits": digits,
    "mnist": thresholded_mnist,
    "silhouettes": silhouettes,
    "newsgroups": newsgroups,
    **{name: binary(name) for name in ("mushrooms", "dna_nade", "plants", "jester")},
}


def report(name):
    train, test = SETS[name]()
    print(f"{name}: {train.shape[0]} rows of {train.shape[1]}")
    for label, params in ALTERNATIVES.items():
        batches = -(-train.shape[0] // params.get("batch_size", 100))
        n_iter = -(-N_UPDATES // batches)
        rbm = BernoulliRBM(200, n_iter=n_iter, random_state=0, **params)
        begin = time.perf_counter()
        rbm.fit(train)
        seconds = time.perf_counter() - begin
        with warnings.catch_warnings():
            # The bounds that are printed say the same.
            warnings.simplefilter("ignore", ConvergenceWarning)
            log_z = rbm.log_partition("ais", **ANNEALING)
        F = rbm.free_energy(test).mean(dtype=np.float64)
        print(
            f"  {label:24} {-F - log_z.value:8.2f} between {-F - log_z.upper:8.2f} "
            f"and {-F - log_z.lower:8.2f} {seconds:6.1f} s",
            flush=True,
        )


def main():
    for name in sys.argv[1:] or SETS:
        report(name)


if __name__ == "__main__":
    main()
