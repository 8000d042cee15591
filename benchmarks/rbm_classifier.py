"""Test error of RBMClassifier: on MNIST by each objective, and on small digits.

    SKEBM_DATA=folder python benchmarks/rbm_classifier.py [case ...] [--validate]

Grey MNIST in [0, 1], float32, no augmentation; one fit for each case, on all 60,000
training rows. With --validate the last 10,000 of these are held out and scored in the
place of the test rows; --verbose prints a line for each epoch. The case "digits"
compares, on scikit-learn's 1,797 digits of 8 x 8 pixels, with other classifiers at
their defaults: the mean error of three folds.

Published test errors on MNIST (Larochelle & Bengio 2008; Larochelle, Mandel, Pascanu &
Bengio 2012): generative 3.39 %, discriminative 1.81 % with 500 hidden units, hybrid
1.28 % with 1,500. Their other task, 20 Newsgroups, is not here: it takes documents with
labels.
"""

import sys
import time

import numpy as np
from datasets import mnist
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from skebm import RBMClassifier

COMMON = {"batch_size": 100, "learning_rate": 0.3, "random_state": 0}
CASES = {
    "generative": {
        "objective": "generative",
        "n_components": 500,
        "n_iter": 20,
        "learning_rate": 0.01,
    },
    "discriminative": {
        "objective": "discriminative",
        "n_components": 500,
        "n_iter": 15,
    },
    "hybrid": {"objective": "hybrid", "n_components": 500, "n_iter": 15},
    "hybrid, dropout": {
        "objective": "hybrid",
        "n_components": 1000,
        "n_iter": 30,
        "dropout": 0.5,
        "n_chains": 50,
    },
}
N_HELD_OUT = 10_000
VERBOSE = "--verbose" in sys.argv


def on_mnist(name, validate):
    """Fit one case, and print its errors and its time."""
    X, y, X_test, y_test = mnist()
    X, X_test = (x / np.float32(255) for x in (X, X_test))
    scored = "test"
    if validate:
        X, X_test = X[:-N_HELD_OUT], X[-N_HELD_OUT:]
        y, y_test, scored = y[:-N_HELD_OUT], y[-N_HELD_OUT:], "validation"
    params, begin = CASES[name], time.perf_counter()
    model = RBMClassifier(**{**COMMON, **params}, verbose=VERBOSE).fit(X, y)
    seconds = time.perf_counter() - begin
    error, of_fit = (100 * (1 - model.score(*d)) for d in ((X_test, y_test), (X, y)))
    log_p = model.predict_log_proba(X_test)[np.arange(len(y_test)), y_test].mean()
    print(
        f"{name}, {params}: {scored} error {error:.2f} %, log p(y|x) {log_p:.4f}, "
        f"training error {of_fit:.2f} %, {seconds:.0f} s",
        flush=True,
    )


def on_digits():
    """Print mean errors of three folds, of classifiers with their defaults."""
    X, y = load_digits(return_X_y=True)
    X, folds = (X / 16).astype(np.float32), StratifiedKFold(3, shuffle=True)
    folds.random_state = 0
    models = {
        "RBMClassifier()": RBMClassifier(random_state=0),
        "RBMClassifier(dropout=0.5)": RBMClassifier(dropout=0.5, random_state=0),
        "LogisticRegression()": LogisticRegression(max_iter=1000),
        "KNeighborsClassifier()": KNeighborsClassifier(),
        "SVC()": SVC(),
    }
    for name, model in models.items():
        begin = time.perf_counter()
        errors = 100 * (1 - cross_val_score(model, X, y, cv=folds))
        seconds = (time.perf_counter() - begin) / len(errors)
        print(f"digits, {name}: error {errors.mean():.2f} %, {seconds:.1f} s a fold")


def main():
    names = [x for x in sys.argv[1:] if not x.startswith("--")] or [*CASES, "digits"]
    for name in names:
        if name == "digits":
            on_digits()
        else:
            on_mnist(name, "--validate" in sys.argv)


if __name__ == "__main__":
    main()
