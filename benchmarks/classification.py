"""Test error on MNIST of networks that start from a deep generative model.

    SKEBM_DATA=folder python benchmarks/classification.py [dbn|dbm [model.joblib]]

Grey values in [0, 1], no augmentation. A deep belief network 784-500-500-2000 or a deep
Boltzmann machine 784-500-1000 is pretrained once, on all 60,000 training rows without
labels (and kept in the file that is named, if any), and fine-tuned with and without
dropout, from all labels, and from 1,000 and 100, as many of each class, of which the
error is the mean over 5 random choices. Beside these, logistic regression with its
defaults learns from the few labels, on the pixels and on the model's features, which
are not fine-tuned then. The parameters of the belief network and of the fine-tuning
were chosen by the error on 10,000 training rows that were held out. The belief network
first takes turns with scikit-learn's MLPClassifier, an epoch each.

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
from sklearn.neural_network import MLPClassifier

from skebm import DBM, DBN, BernoulliRBM, DBMClassifier, DBNClassifier

SIZES = (500, 500, 2000)
CASES = {
    "dbn": {
        "model": DBN(
            SIZES,
            rbm=BernoulliRBM(
                n_iter=25,
                algorithm="cd",
                centered=False,
                momentum=0.5,
                weight_decay=2e-4,
            ),
            random_state=0,
        ),
        "classifier": DBNClassifier,
        "plain": {"max_iter": 15},
        "dropout": {"max_iter": 30, "dropout": 0.3},
        "few labels": {"max_iter": 300, "dropout": 0.3},
    },
    "dbm": {
        "model": DBM(rbm=BernoulliRBM()).set_params(**DBM_ON_MNIST),
        "classifier": DBMClassifier,
        "plain": {"max_iter": 15},
        "dropout": {"max_iter": 60, "dropout": 0.3},
        "few labels": {"max_iter": 300, "dropout": 0.3},
    },
}
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


def report(name, start, trains, test, params):
    """Fit to each of the training sets, and print the mean test error."""
    model = start(learning_rate_schedule="linear", tol=0.0, random_state=0)
    model.set_params(n_iter_no_change=params["max_iter"], **params)
    begin, errors = time.perf_counter(), []
    for train in trains:
        errors.append(100 * (1.0 - model.fit(*train).score(*test)))
    seconds = (time.perf_counter() - begin) / len(trains)
    print(f"{name}: {seconds:.0f} s, test error {mean(errors):.2f} %", end="")
    print(f" ({min(errors):.2f} to {max(errors):.2f})" if len(trains) > 1 else "")
    sys.stdout.flush()


def report_linear(name, transform, trains, test):
    """The same of logistic regression on what `transform` makes of the rows."""
    H_test, errors = transform(test[0]), []
    for X, y in trains:
        classifier = LogisticRegression(max_iter=1000).fit(transform(X), y)
        errors.append(100 * (1.0 - classifier.score(H_test, test[1])))
    print(f"{name}: test error {mean(errors):.2f} %", end="")
    print(f" ({min(errors):.2f} to {max(errors):.2f})", flush=True)


def some_of_each(X, y, n_each, seed):
    """Rows and labels: `n_each` of each class, at random."""
    rng = np.random.default_rng(seed)
    classes = (np.flatnonzero(y == k) for k in range(10))
    rows = np.concatenate([rng.choice(c, n_each, replace=False) for c in classes])
    return X[rows], y[rows]


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
    case, file = CASES[name], Path(sys.argv[2]) if len(sys.argv) > 2 else None
    model, test = pretrained(case["model"], X_train, file), (X_test, y_test)
    start = partial(case["classifier"], **{name: model})
    if name == "dbn":
        with warnings.catch_warnings():
            # One epoch at a time, which scikit-learn and skebm would warn about.
            warnings.simplefilter("ignore", ConvergenceWarning)
            compare_epochs(model, X_train, y_train)
    for n_each in (10, 100):
        few = [some_of_each(X_train, y_train, n_each, k) for k in range(N_CHOICES)]
        label = f"{10 * n_each} labels"
        report_linear(f"{label}, linear on pixels", lambda X: X, few, test)
        report_linear(f"{label}, linear on features", model.transform, few, test)
        report(label, start, few, test, case["few labels"])
    whole = [(X_train, y_train)]
    report("60,000 labels", start, whole, test, case["plain"])
    report("60,000 labels, dropout", start, whole, test, case["dropout"])


if __name__ == "__main__":
    main()
