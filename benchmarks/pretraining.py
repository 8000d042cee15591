"""When pretraining pays off: test errors on MNIST from 100 to 60,000 labels.

    SKEBM_DATA=folder python benchmarks/pretraining.py

Networks of 500 and 500 hidden units that start from a deep belief network, which has
seen all rows without their labels, and from random weights; and scikit-learn's
MLPClassifier of the same size, with the same solver, rate and number of epochs. Nothing
was chosen on the test rows.
"""

import time
import warnings

import numpy as np
from classification import some_labels
from datasets import mnist
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from skebm import DBN, BernoulliRBM, DBNClassifier

SIZES = (500, 500)
MACHINES = {
    "pretrained": BernoulliRBM(n_iter=10, algorithm="cd", centered=False, momentum=0.5),
    "random start": BernoulliRBM(n_iter=0),
}
# Epochs for each number of labels.
EPOCHS = {100: 300, 1_000: 100, 10_000: 20, 60_000: 10}


def main():
    X_train, y_train, X_test, y_test = mnist()
    X_train, X_test = (x.astype(np.float32) / 255 for x in (X_train, X_test))
    dbns = {}
    for name, rbm in MACHINES.items():
        begin = time.perf_counter()
        dbns[name] = DBN(SIZES, rbm=rbm, random_state=0).fit(X_train)
        print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)
    for n_labels, max_iter in EPOCHS.items():
        train = X_train, y_train
        if n_labels < len(y_train):
            X, y = train
            y = some_labels(y, n_labels // 10, seed=0)
            train = X[y >= 0], y[y >= 0]
        common = {
            "batch_size": 100,
            "max_iter": max_iter,
            "n_iter_no_change": max_iter,
            "random_state": 0,
        }
        models = {name: DBNClassifier(dbn=dbn, **common) for name, dbn in dbns.items()}
        models["MLPClassifier"] = MLPClassifier(SIZES, activation="logistic", **common)
        for name, model in models.items():
            begin = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(*train)
            seconds = time.perf_counter() - begin
            error = 100 * (1 - model.score(X_test, y_test))
            print(
                f"{n_labels:6} labels, {name:14} {error:6.2f} % {seconds:6.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
