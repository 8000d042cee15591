"""Test error on MNIST of networks that start from a deep generative model.

    SKEBM_DATA=folder python benchmarks/classification.py [dbn|dbm [model.joblib]]

Grey values in [0, 1], no augmentation. A deep belief network 784-500-500 or a deep
Boltzmann machine 784-500-1000 is pretrained once, on all 60,000 training rows without
labels (and kept in the file that is named, if any). It is fine-tuned plainly, with
dropout, and with virtual adversarial training: from 100 and 1,000 labels, as many of
each class, of which the error is the mean over 5 random choices, and from all. Of the
last there are several networks, which differ in their seed, and the mean of their
probabilities. Beside these are what else there is for few labels: logistic regression
and SVC with their defaults, on the pixels and on the model's features, which are not
fine-tuned then, and scikit-learn's LabelSpreading over nearest neighbours, which sees
all rows. Parameters were chosen by the error on 10,000 training rows that were held
out. The belief network first takes turns with scikit-learn's MLPClassifier, an epoch
each.

Published test errors: 1.2 % for a deep belief network fine-tuned by backpropagation
and 0.92 % with dropout, 0.95 % for a deep Boltzmann machine 784-500-1000 and 0.79 %
with dropout (Salakhutdinov & Hinton 2009; Srivastava et al. 2014); accuracies of
93.65 % with 1,000 labels and 81.70 % with 100 for a fine-tuned machine with one layer
(the documentation of boltzmann-machines by yell).
"""

import sys
import time
import warnings
from functools import partial
from pathlib import Path
from statistics import mean, median

import joblib
import numpy as np
from datasets import mnist
from parameters import DBM_ON_MNIST
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.neural_network import MLPClassifier
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC

from skebm import DBM, DBN, BernoulliRBM, DBMClassifier, DBNClassifier

SIZES = (500, 500)
FEW = {
    "dropout": {"max_iter": 300, "dropout": 0.3},
    "adversarial": {"max_iter": 10, "adversarial_radius": 1.0},
}
ALL = {
    "plain": {"max_iter": 15},
    "dropout": {"max_iter": 60, "dropout": 0.3},
    "adversarial": {"max_iter": 40, "dropout": 0.3, "adversarial_radius": 1.5},
}
MODELS = {
    "dbn": DBN(
        SIZES,
        rbm=BernoulliRBM(
            n_iter=50,
            algorithm="cd",
            batch_size=100,
            centered=False,
            momentum=0.9,
            weight_decay=2e-4,
        ),
        random_state=0,
    ),
    "dbm": DBM(rbm=BernoulliRBM()).set_params(**DBM_ON_MNIST),
}
CLASSIFIERS = {"dbn": DBNClassifier, "dbm": DBMClassifier}

# Of the networks whose probabilities are averaged.
SEEDS = (0, 1, 2)

# Of LabelSpreading, which is its default.
N_NEIGHBORS = 7

EPOCH_ROWS, ROUNDS = 6_000, 3

# Random choices of the rows that have a label, where these are few.
N_CHOICES = 5


def pretrained(model, X, file):
    """The model: from the file, or fitted and written there."""
    if file is not None and file.exists():
        return joblib.load(file)
    begin = time.perf_counter()
    model.fit(X)
    print(f"pretraining: {time.perf_counter() - begin:.0f} s", flush=True)
    if file is not None:
        joblib.dump(model, file)
    return model


def report(name, start, trains, test, params, seeds=(0,)):
    """Fit to each of the training sets, and print the mean test error.

    With several seeds, there is a network for each, and their errors come first.
    """
    (X_test, y_test), begin, errors = test, time.perf_counter(), []
    for X, y in trains:
        p = 0.0
        for seed in seeds:
            model = start(learning_rate_schedule="linear", tol=0.0, random_state=seed)
            model.set_params(n_iter_no_change=params["max_iter"], **params)
            own = model.fit(X, y).predict_proba(X_test)
            p = p + own
            if len(seeds) > 1:
                print(f"seed {seed}: {error(model, own, y_test):.2f} %", flush=True)
        errors.append(error(model, p, y_test))
    seconds = (time.perf_counter() - begin) / len(trains)
    print(f"{name}: {seconds:.0f} s, test error {mean(errors):.2f} %", end="")
    print(f" ({min(errors):.2f} to {max(errors):.2f})" if len(trains) > 1 else "")
    sys.stdout.flush()


def error(model, p, y):
    """Per cent of the rows whose most probable class is not theirs."""
    return 100 * np.mean(model.classes_[p.argmax(axis=1)] != y)


class Graph:
    """The nearest rows of each row, as a kernel that is computed once for all labels.

    scikit-learn's own is computed anew in each fit, which takes minutes here. It counts
    a row among its own neighbours.
    """

    def __init__(self, X, others):
        nearest = NearestNeighbors(n_neighbors=N_NEIGHBORS).fit(X)
        self.n_rows = len(X)
        self.own, self.other = (
            nearest.kneighbors_graph(),
            nearest.kneighbors_graph(others),
        )

    def __call__(self, X, Y):
        return self.own if len(Y) == self.n_rows else self.other.T


def report_other(name, classifier, transform, trains, test):
    """The same of a classifier on what `transform` makes of the rows."""
    H_test, errors = transform(test[0]), []
    for X, y in trains:
        classifier.fit(transform(X), y)
        errors.append(100 * (1.0 - classifier.score(H_test, test[1])))
    print(f"{name}: test error {mean(errors):.2f} %", end="")
    print(f" ({min(errors):.2f} to {max(errors):.2f})", flush=True)


def some_labels(y, n_each, seed):
    """The labels of `n_each` rows of each class, at random, and -1 for the others."""
    rng = np.random.default_rng(seed)
    classes = (np.flatnonzero(y == k) for k in range(10))
    rows = np.concatenate([rng.choice(c, n_each, replace=False) for c in classes])
    some = np.full(len(y), -1)
    some[rows] = y[rows]
    return some


def compare_epochs(dbn, X, y):
    """Seconds per epoch of the same network, ours and scikit-learn's, in turns."""
    X, y = X[:EPOCH_ROWS], y[:EPOCH_ROWS]
    common = {"batch_size": 100, "max_iter": 1, "warm_start": True}
    ours = DBNClassifier(dbn=dbn, **common)
    theirs = MLPClassifier(SIZES, activation="logistic", **common)
    times = {ours: [], theirs: []}
    for _ in range(ROUNDS + 1):
        for model, values in times.items():
            begin = time.perf_counter()
            model.fit(X, y)
            values.append(time.perf_counter() - begin)
    mine, other = (median(values[1:]) for values in times.values())
    print(f"an epoch of {EPOCH_ROWS} rows: skebm {mine:.2f} s,", end=" ")
    print(f"scikit-learn {other:.2f} s, ratio {other / mine:.2f}")


def main():
    X_train, y_train, X_test, y_test = mnist()
    X_train, X_test = (x.astype(np.float32) / 255 for x in (X_train, X_test))
    name = sys.argv[1] if len(sys.argv) > 1 else "dbn"
    file = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    model, test = pretrained(MODELS[name], X_train, file), (X_test, y_test)
    start = partial(CLASSIFIERS[name], **{name: model}, unlabeled=-1)
    if name == "dbn":
        with warnings.catch_warnings():
            # One epoch at a time, which scikit-learn and skebm would warn about.
            warnings.simplefilter("ignore", ConvergenceWarning)
            compare_epochs(model, X_train, y_train)
    graph = Graph(X_train, X_test) if name == "dbn" else None
    for n_each in (10, 100):
        some = [some_labels(y_train, n_each, k) for k in range(N_CHOICES)]
        few = [(X_train[y >= 0], y[y >= 0]) for y in some]
        label = f"{10 * n_each} labels"
        for other in (LogisticRegression(max_iter=1000), SVC()):
            words = f"{label}, {type(other).__name__}"
            report_other(f"{words} on pixels", other, lambda X: X, few, test)
            report_other(f"{words} on features", other, model.transform, few, test)
        all_rows = [(X_train, y) for y in some]
        if graph is not None:
            spreading, words = LabelSpreading(kernel=graph), f"{label}, LabelSpreading"
            report_other(words, spreading, lambda X: X, all_rows, test)
        for way, params in FEW.items():
            report(f"{label}, {way}", start, all_rows, test, params)
    whole = [(X_train, y_train)]
    for way, params in ALL.items():
        seeds = SEEDS if way == "adversarial" else (0,)
        report(f"60,000 labels, {way}", start, whole, test, params, seeds)


if __name__ == "__main__":
    main()
