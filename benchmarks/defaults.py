"""What the defaults are worth: test log-likelihoods of these and of alternatives.

    SKEBM_DATA=folder python benchmarks/defaults.py [name ...]

Names are those of `SETS`; without any, all of them. There is a line for the defaults
and for each alternative, in which one parameter is another, or a few are: value, bounds
by annealing in both directions, and seconds of training. Where the set has labels,
there is the accuracy of logistic regression on the standardised features, too. Batches
of another size take another time; "slow" has as many epochs as take about the same.
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
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skebm import BernoulliRBM

ANNEALING = {"n_betas": 1500, "n_runs": 100}

ALTERNATIVES = {
    "defaults": {},
    "start at 0.5": {"initial_activation": 0.5},
    "start at 0.2": {"initial_activation": 0.2},
    "start at 0.05": {"initial_activation": 0.05},
    "batches of 10": {"batch_size": 10},
    "batches of 100": {"batch_size": 100},
    "batches of 100, slow": {"batch_size": 100, "n_iter": 24},
    "0.5, batches of 100, slow": {
        "initial_activation": 0.5,
        "batch_size": 100,
        "n_iter": 24,
    },
    "20 chains": {"n_chains": 20},
    "100 chains": {"n_chains": 100},
    "2 Gibbs steps": {"n_gibbs_steps": 2},
    "5 Gibbs steps": {"n_gibbs_steps": 5},
    "cd": {"algorithm": "cd"},
    "pt, 20 chains": {"algorithm": "pt", "n_chains": 20},
    "rate 0.05": {"learning_rate": 0.05},
    "rate 0.2": {"learning_rate": 0.2},
    "constant rate": {"learning_rate_schedule": "constant"},
    "linear rate": {"learning_rate_schedule": "linear"},
    "momentum 0.5, rate 0.05": {"momentum": 0.5, "learning_rate": 0.05},
    "not centred": {"centered": False},
    "weight decay 1e-4": {"weight_decay": 1e-4},
}


def digits():
    X, y = load_digits(return_X_y=True)
    X = X > 7
    return X[:1400], X[1400:], y[:1400], y[1400:]


def thresholded_mnist():
    X, y, X_test, y_test = mnist()
    return X[:10_000] > 127, X_test[:2000] > 127, y[:10_000], y_test[:2000]


def silhouettes():
    with np.load(
        Path(os.environ["SKEBM_DATA"]) / "caltech101_silhouettes28.npz"
    ) as data:
        return tuple(data[k] for k in ("X_train", "X_test", "y_train", "y_test"))


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


def accuracy(rbm, train, test, labels):
    """Of logistic regression on standardised features, as text, if there are labels."""
    if not labels:
        return ""
    classifier = make_pipeline(StandardScaler(), LogisticRegression())
    classifier.fit(rbm.transform(train), labels[0])
    return f", accuracy {classifier.score(rbm.transform(test), labels[1]):.3f}"


def report(name):
    train, test, *labels = SETS[name]()
    print(f"{name}: {train.shape[0]} rows of {train.shape[1]}")
    for label, params in ALTERNATIVES.items():
        rbm = BernoulliRBM(random_state=0, **params)
        begin = time.perf_counter()
        rbm.fit(train)
        seconds = time.perf_counter() - begin
        with warnings.catch_warnings():
            # The bounds that are printed say the same.
            warnings.simplefilter("ignore", ConvergenceWarning)
            log_z = rbm.log_partition("ais", **ANNEALING)
            found = accuracy(rbm, train, test, labels)
        F = rbm.free_energy(test).mean(dtype=np.float64)
        print(
            f"  {label:25} {-F - log_z.value:8.2f} between {-F - log_z.upper:8.2f} "
            f"and {-F - log_z.lower:8.2f} {seconds:6.1f} s{found}",
            flush=True,
        )


def main():
    for name in sys.argv[1:] or SETS:
        report(name)


if __name__ == "__main__":
    main()
