"""
Few features for a linear classifier
====================================

Logistic regression finds it hard to tell handwritten digits apart when they may be
shifted by a pixel. Features help. If there may be few of them, 32 or 64, those of a
Boltzmann machine are the best of those compared. If there may be 128 or more, those of
Nystroem's method are as good, and faster, and even an untrained machine comes near. A
support vector machine is better than all of them.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import shift
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import BernoulliRBM as SklearnRBM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skebm import BernoulliRBM, ComponentsDisplay

# %%
# The data
# --------
# Grey values from 0 to 1. Images are divided into training and test set *before* each
# is joined by its copies shifted by one pixel, so that no test image has a sibling
# among the training images.


def with_shifts(X, y):
    """The images and their copies shifted by a pixel."""
    images = X.reshape(-1, 8, 8)
    moves = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]
    shifted = [shift(images, (0, *move), order=0).reshape(X.shape) for move in moves]
    return np.concatenate(shifted), np.tile(y, len(moves))


X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
X_train, y_train = with_shifts(X_train, y_train)
X_test, y_test = with_shifts(X_test, y_test)

# %%
# Features by five methods
# ------------------------
# All methods have their defaults, but for the number of features. None of them sees a
# label. The untrained machine has random weights: what training adds is the difference
# to it. PCA has no more features than there are pixels.

sizes = [16, 32, 64, 128, 256]
methods = {
    "skebm's BernoulliRBM": lambda n: BernoulliRBM(n, random_state=0),
    "Nystroem": lambda n: Nystroem(n_components=n, random_state=0),
    "scikit-learn's BernoulliRBM": lambda n: SklearnRBM(n, random_state=0),
    "skebm's, untrained": lambda n: BernoulliRBM(n, n_iter=0, random_state=0),
    "PCA": lambda n: PCA(n, random_state=0),
}


def accuracy(*features):
    """Of logistic regression on standardised features, on the test images."""
    model = make_pipeline(*features, StandardScaler(), LogisticRegression(max_iter=300))
    return model.fit(X_train, y_train).score(X_test, y_test)


accuracies = {
    name: [accuracy(method(n)) for n in sizes if name != "PCA" or n < X.shape[1]]
    for name, method in methods.items()
}
pixels, svc = accuracy(), SVC().fit(X_train, y_train).score(X_test, y_test)

print(f"{'features':28}" + "".join(f"{n:7}" for n in sizes))
for name, values in accuracies.items():
    print(f"{name:28}" + "".join(f"{value:7.3f}" for value in values))
print(f"the 64 pixels alone: {pixels:.3f}, support vector machine: {svc:.3f}")

# %%

styles = {
    "skebm's BernoulliRBM": {"color": "tab:red", "marker": "o", "linewidth": 3},
    "Nystroem": {"color": "tab:blue", "marker": "s"},
    "scikit-learn's BernoulliRBM": {"color": "tab:orange", "marker": "^"},
    "skebm's, untrained": {"color": "tab:red", "marker": "o", "linestyle": ":"},
    "PCA": {"color": "tab:green", "marker": "v"},
}
figure, axis = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
for name, values in accuracies.items():
    axis.plot(sizes[: len(values)], values, label=name, **styles[name])
axis.axhline(svc, color="0.3", linestyle="--", label="support vector machine")
axis.axhline(pixels, color="0.6", linestyle="--", label="no features: 64 pixels")
axis.set_xscale("log", base=2)
axis.set_xticks(sizes, [str(n) for n in sizes])
axis.set(xlabel="number of features", ylabel="test accuracy of logistic regression")
axis.set_title("Boltzmann machines need fewer features")
axis.legend(fontsize="small")
plt.show()

# %%
# What the features are
# ---------------------
# Each hidden unit compares a part of the image with its surroundings.

rbm = BernoulliRBM(32, random_state=0).fit(X_train)
ComponentsDisplay.from_estimator(rbm, image_shape=(8, 8), n_columns=8)
plt.show()
