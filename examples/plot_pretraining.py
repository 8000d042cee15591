"""
===============================
When does pretraining pay off?
===============================

A network of two hidden layers learns to tell handwritten digits apart, from more and
more labels. It starts from a deep belief network, which has seen all training rows
without their labels, or from random weights. scikit-learn's ``MLPClassifier`` of the
same size starts from random weights too.

On images as small as these, pretraining gains little. On MNIST it gains more: see the
user guide, and ``benchmarks/pretraining.py``.
"""

# %%
# Each pretraining serves all numbers of labels: `dbn` takes a fitted network. Without
# epochs of training, ``BernoulliRBM(n_iter=0)`` gives the random start. All networks
# make the same number of updates, converged or not.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from skebm import DBN, BernoulliRBM, DBNClassifier

X, y = load_digits(return_X_y=True)
NUMBERS = [50, 100, 300, 1000]
SIZES, UPDATES, SPLITS = (100, 100), 2000, 3

errors = {"pretrained": [], "random start": [], "MLPClassifier": []}
for split in range(SPLITS):
    X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=split)
    rbms = {
        "pretrained": BernoulliRBM(n_iter=50, batch_size=20),
        "random start": BernoulliRBM(n_iter=0),
    }
    dbns = {
        name: DBN(SIZES, rbm=rbm, random_state=split).fit(X_train)
        for name, rbm in rbms.items()
    }
    for n_labels in NUMBERS:
        n_epochs = UPDATES * 20 // n_labels
        common = {
            "learning_rate_init": 0.003,
            "batch_size": 20,
            "max_iter": n_epochs,
            "n_iter_no_change": n_epochs,
            "random_state": split,
        }
        models = {name: DBNClassifier(dbn=dbn, **common) for name, dbn in dbns.items()}
        models["MLPClassifier"] = MLPClassifier(SIZES, activation="logistic", **common)
        for name, model in models.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(X_train[:n_labels], y_train[:n_labels])
            errors[name].append(1 - model.score(X_test, y_test))

# %%
# The test errors, as means over the splits:

figure, ax = plt.subplots(figsize=(6, 4))
for name, values in errors.items():
    mean = 100 * np.reshape(values, (SPLITS, len(NUMBERS))).mean(axis=0)
    ax.plot(NUMBERS, mean, marker="o", label=name)
    print(f"{name:14}", " ".join(f"{value:6.2f}" for value in mean))
ax.set(xscale="log", xlabel="labels", ylabel="test error in %")
ax.legend()
plt.show()
