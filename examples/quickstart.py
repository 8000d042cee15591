"""
Features of handwritten digits for a linear classifier
======================================================

Logistic regression finds it hard to tell handwritten digits apart when they may be
shifted by a pixel. On the features of a restricted Boltzmann machine it does much
better. The machine's parameters are chosen by grid search, as part of a pipeline.

Run it by ``python examples/quickstart.py``; it takes about twenty seconds, prints
the two accuracies and saves a picture, ``quickstart.png``, beside this file.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import shift
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skebm import BernoulliRBM

# %%
# The data
# --------
# Grey values up to 16, scaled to probabilities; the strokes come out fully black.
# Images are divided into training and test set *before* each is joined by its copies
# shifted by one pixel, so that no test image has a sibling among the training images.


def with_shifts(X, y):
    """The images, their copies shifted by a pixel, and which image each comes from."""
    images = X.reshape(-1, 8, 8)
    moves = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]
    shifted = [shift(images, (0, *move), order=0).reshape(X.shape) for move in moves]
    return np.concatenate(shifted), np.tile(y, 5), np.tile(np.arange(len(y)), 5)


X, y = load_digits(return_X_y=True)
X = np.clip(1.5 * X / 16, 0, 1).astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
X_train, y_train, group = with_shifts(X_train, y_train)
X_test, y_test, _ = with_shifts(X_test, y_test)

# %%
# Raw pixels
# ----------

classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
on_pixels = classifier.fit(X_train, y_train).score(X_test, y_test)
print(f"logistic regression on pixels:       accuracy {on_pixels:.3f}")

# %%
# Features of a restricted Boltzmann machine
# ------------------------------------------

model = Pipeline(
    [
        ("rbm", BernoulliRBM(500, batch_size=20, n_iter=20, random_state=0)),
        ("classify", classifier),
    ]
)
search = GridSearchCV(
    model,
    {"rbm__learning_rate": [0.03, 0.1], "rbm__centered": [False, True]},
    cv=GroupKFold(2),
    n_jobs=2,
).fit(X_train, y_train, groups=group)
on_features = search.score(X_test, y_test)
print(f"logistic regression on RBM features: accuracy {on_features:.3f}")
print(f"chosen by grid search: {search.best_params_}")

# %%
# What the machine has learned
# ----------------------------
# The weights of the 30 hidden units with the strongest ones, some test images, and what
# comes back when these are passed up to the hidden units and down again.

rbm = search.best_estimator_["rbm"]
strongest = np.argsort(-np.linalg.norm(rbm.components_, axis=1))[:30]
some = X_test[:15]
images = np.concatenate([rbm.components_[strongest], some, rbm.reconstruct(some)])
titles = {0: "filters", 30: "test images", 45: "their reconstructions"}

figure, axes = plt.subplots(4, 15, figsize=(9, 2.9))
figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.92, hspace=0.4)
for index, (axis, image) in enumerate(zip(axes.flat, images, strict=True)):
    limit = np.abs(image).max()
    style = {"cmap": "gray_r", "vmin": 0, "vmax": 1}
    if index < 30:
        style = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    axis.imshow(image.reshape(8, 8), **style)
    axis.set_axis_off()
    if index in titles:
        axis.set_title(titles[index], loc="left", fontsize="medium")
figure.savefig(Path(__file__).with_suffix(".png"), dpi=150)
