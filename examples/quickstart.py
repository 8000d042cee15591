"""
Features of handwritten digits, and what else a model of them can do
====================================================================

Logistic regression finds it hard to tell handwritten digits apart when they may be
shifted by a pixel. On the features of a restricted Boltzmann machine it does much
better: as well as on those of Nystroem's method, which are made for classifiers, and
better than on those of PCA, of an untrained machine and of scikit-learn's. A support
vector machine does better still. But the Boltzmann machine is a model of the images,
and never saw a label: it says how probable an image is, and fills in what is missing.

Run it by ``python examples/quickstart.py``; it takes about half a minute, prints the
numbers and saves a picture, ``quickstart.png``.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import shift
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, train_test_split
from sklearn.neural_network import BernoulliRBM as SklearnRBM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skebm import BernoulliRBM

# %%
# The data
# --------
# Grey values from 0 to 1. Images are divided into training and test set *before* each
# is joined by its copies shifted by one pixel, so that no test image has a sibling
# among the training images.


def with_shifts(X, y):
    """The images, their copies shifted by a pixel, and which image each comes from."""
    images = X.reshape(-1, 8, 8)
    moves = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]
    shifted = [shift(images, (0, *move), order=0).reshape(X.shape) for move in moves]
    return np.concatenate(shifted), np.tile(y, 5), np.tile(np.arange(len(y)), 5)


X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
X_train, y_train, group = with_shifts(X_train, y_train)
X_test, y_test, _ = with_shifts(X_test, y_test)

# %%
# Features for a linear classifier
# --------------------------------
# All transformers have their defaults, but for the number of features, and so has the
# machine that grid search then takes from a few.


def accuracy(*features):
    """Of logistic regression on standardised features, on the test images."""
    model = make_pipeline(*features, StandardScaler(), LogisticRegression(max_iter=300))
    return model.fit(X_train, y_train).score(X_test, y_test)


machine = BernoulliRBM(random_state=0)
for name, score in {
    "pixels": accuracy(),
    "PCA": accuracy(PCA(0.99)),
    "Nystroem": accuracy(Nystroem(n_components=256, random_state=0)),
    "scikit-learn's BernoulliRBM": accuracy(SklearnRBM(random_state=0)),
    "skebm's, untrained": accuracy(BernoulliRBM(n_iter=0, random_state=0)),
    "skebm's BernoulliRBM": accuracy(machine),
}.items():
    print(f"logistic regression on {name + ':':29} accuracy {score:.3f}")

search = GridSearchCV(
    make_pipeline(machine, StandardScaler(), LogisticRegression(max_iter=300)),
    {"bernoullirbm__n_components": [256, 500], "bernoullirbm__n_iter": [10, 30]},
    cv=GroupKFold(2),
    n_jobs=2,
).fit(X_train, y_train, groups=group)
print(f"... with grid search: {search.score(X_test, y_test):.3f} {search.best_params_}")
print(
    f"support vector machine: {SVC().fit(X_train, y_train).score(X_test, y_test):.3f}"
)

# %%
# What the others cannot do
# -------------------------
# An image has a log-likelihood, by which machines can be compared without labels, and
# missing pixels are filled by their mean given those that are left.

rbm = search.best_estimator_["bernoullirbm"]
mean = X_train.mean(axis=0).clip(1e-4, 1 - 1e-4)
independent = X_test @ np.log(mean) + (1 - X_test) @ np.log(1 - mean)
print(f"log-likelihood of a test image: {rbm.score(X_test):.1f} nats,", end=" ")
print(f"with independent pixels {independent.mean():.1f}")

some = X_test[:100]
missing = np.random.default_rng(0).uniform(size=some.shape) < 0.4
observed = np.where(missing, np.nan, some)
filled = rbm.impute(observed, random_state=0)
errors = {
    "the mean image": X_train.mean(axis=0) - some,
    "the machine": filled - some,
}
for name, error in errors.items():
    mean_square = (error[missing] ** 2).mean()
    print(f"squared error of a missing pixel, filled by {name}: {mean_square:.3f}")

# %%
# The weights of the 30 hidden units with the strongest ones, some test images in which
# pixels are missing, as the machine fills them, and as they were.

strongest = np.argsort(-np.linalg.norm(rbm.components_, axis=1))[:30]
images = np.concatenate(
    [rbm.components_[strongest], observed[:15], filled[:15], some[:15]]
)
titles = {
    0: "weights of hidden units",
    30: "test images, missing pixels in orange",
    45: "filled by the machine",
    60: "as they were",
}
grey = plt.get_cmap("gray_r").with_extremes(bad="tab:orange")
figure, axes = plt.subplots(5, 15, figsize=(9, 3.7))
figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.93, hspace=0.4)
for index, (axis, image) in enumerate(zip(axes.flat, images, strict=True)):
    limit = np.nanmax(np.abs(image))
    style = {"cmap": grey, "vmin": 0, "vmax": 1}
    if index < 30:
        style = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    axis.imshow(image.reshape(8, 8), **style)
    axis.set_axis_off()
    if index in titles:
        axis.set_title(titles[index], loc="left", fontsize="medium")
figure.savefig("quickstart.png", dpi=150)
