"""
When not to pretrain: on small images
=====================================

A network of two hidden layers learns to tell handwritten digits apart, from more and
more labels. Does it help to start from a deep belief network, which has seen all
training images without labels? On 8 x 8 pixels hardly: pretrained or not, errors are
about the same, and scikit-learn's MLPClassifier makes fewer. From 300 labels on an SVC
makes fewest. On MNIST, with 784 pixels and 60,000 images, pretraining helps: see
:ref:`fine_tuning`.
"""

# %%
# Each pretraining serves all numbers of labels: `dbn` takes a fitted network. Without
# epochs of training, ``BernoulliRBM(n_iter=0)`` gives the random start. Both networks
# make the same number of updates. scikit-learn's classifiers have their defaults, but
# that the network may take longer.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from skebm import DBN, BernoulliRBM, DBNClassifier

X, y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")
NUMBERS = [50, 100, 300, 1000]
SIZES, UPDATES, SPLITS = (100, 100), 1000, 3

errors = {}
for split in range(SPLITS):
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=split)
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
        models = {
            name: DBNClassifier(
                dbn=dbn,
                learning_rate_init=0.003,
                batch_size=20,
                max_iter=n_epochs,
                n_iter_no_change=n_epochs,
                random_state=split,
            )
            for name, dbn in dbns.items()
        }
        models["MLPClassifier"] = MLPClassifier(SIZES, max_iter=500, random_state=split)
        models["SVC"] = SVC()
        for name, model in models.items():
            with warnings.catch_warnings():
                # The number of updates is fixed, converged or not.
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(X_train[:n_labels], y_train[:n_labels])
            errors.setdefault(name, []).append(1 - model.score(X_test, y_test))

# %%
# The test errors, as means over three splits into training and test images:

styles = {"pretrained": "o-", "random start": "s-"}
figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
for name, values in errors.items():
    mean = 100 * np.reshape(values, (SPLITS, len(NUMBERS))).mean(axis=0)
    axis.plot(NUMBERS, mean, styles.get(name, "^:"), label=name)
    print(f"{name:14}", " ".join(f"{value:6.2f}" for value in mean))
axis.set(xscale="log", xticks=NUMBERS, xticklabels=NUMBERS, ylim=(0, None))
axis.set(xlabel="labels", ylabel="test error in %")
axis.set_title("Pretraining hardly helps on small images")
axis.minorticks_off()
axis.legend()
plt.show()
