"""
One model of digits: gaps, samples, likelihoods, features
=========================================================

A restricted Boltzmann machine learns what handwritten digits look like, from pixels
that are black or white and without any label. Then the same model fills in missing
pixels, better than nearest neighbours do. It draws lower halves for an upper half that
is given. It says how probable an image is. And where few images have a label, its
features help a classifier.

Run it by ``python examples/quickstart.py``. It takes half a minute on two idle
cores, prints the numbers and saves the picture, ``quickstart.png``.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.impute import KNNImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC

from skebm import (
    BernoulliRBM,
    ComponentsDisplay,
    GaussianRBM,
    ReconstructionDisplay,
    SamplesDisplay,
)

# %%
# A model of the images
# ---------------------
# 1347 images of 64 pixels for training, and 450 others for the numbers below. There are
# more hidden units and epochs than by default, which is 256 and 10. The log-likelihood
# of a row is in nats: nine nats more mean 8000 times as probable.

X, y = load_digits(return_X_y=True)
X = (X > 7).astype(np.float32)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, random_state=0)

rbm = BernoulliRBM(n_components=300, n_iter=100, random_state=0).fit(X)

mean = X.mean(axis=0)
safe = mean.clip(1e-3, 1 - 1e-3)
independent = X_test @ np.log(safe) + (1 - X_test) @ np.log(1 - safe)
print("Log-likelihood of a test image, in nats")
print(f"    independent pixels {independent.mean():6.1f}")
print(f"    skebm              {rbm.score(X_test):6.1f}")

# %%
# Missing pixels
# --------------
# Two pixels in five are hidden. The machine takes their mean given those that are left.

hidden = np.random.default_rng(0).uniform(size=X_test.shape) < 0.4
observed = np.where(hidden, np.nan, X_test)
filled = {
    "mean image": np.where(hidden, mean, X_test),
    "nearest neighbours": KNNImputer().fit(X).transform(observed),
    "skebm": rbm.impute(observed, random_state=0),
}
print("Mean squared error of a hidden pixel")
errors = {
    name: ((images - X_test)[hidden] ** 2).mean() for name, images in filled.items()
}
for name, error in errors.items():
    print(f"    {name:18} {error:6.3f}")

# %%
# On grey values it is the other way round: nearest neighbours are a little better, also
# than a machine for real numbers.

grey, grey_test = train_test_split(
    load_digits().data / 16, test_size=0.25, random_state=0
)
gaps = np.where(hidden, np.nan, grey_test)
machine = GaussianRBM(n_iter=100, random_state=0).fit(grey)
print("Mean squared error of a hidden pixel with a grey value")
for name, images in {
    "nearest neighbours": KNNImputer().fit(grey).transform(gaps),
    "skebm": machine.impute(gaps, random_state=0),
}.items():
    print(f"    {name:18} {((images - grey_test)[hidden] ** 2).mean():6.3f}")

# %%
# Features for few labels
# -----------------------
# All methods see the same labels, drawn five times. The machine was trained on all
# images without labels, and label spreading sees them too, with a ``gamma`` that does
# well on the test images. With few labels the features help a classifier. With all
# labels a support vector machine is better.

linear = LogisticRegression(max_iter=300)
spreading = "label spreading"
models = {
    "logistic regression": linear,
    "support vector machine": SVC(),
    spreading: LabelSpreading(gamma=1),
    "logistic regression on skebm's features": make_pipeline(
        FrozenEstimator(rbm), StandardScaler(), linear
    ),
}
sizes = [50, 100, len(y)]
accuracies = {name: np.zeros(len(sizes)) for name in models}
for column, n_labels in enumerate(sizes):
    for seed in range(5):
        rows = np.random.default_rng(seed).permutation(len(y))[:n_labels]
        labels = np.where(np.isin(np.arange(len(y)), rows), y, -1)  # -1 for unknown
        for name, model in models.items():
            data = (X, labels) if name == spreading else (X[rows], y[rows])
            accuracies[name][column] += model.fit(*data).score(X_test, y_test) / 5

print(f"{'Accuracy, by the number of labels':43}", *(f"{n:5}" for n in sizes))
for name, values in accuracies.items():
    print(f"    {name:39}", *(f"{value:5.3f}" for value in values))

# %%
# The picture
# -----------
# On the left, test images with hidden pixels, how skebm fills them, and how the others
# do. On the right, lower halves that the machine drew for an upper half. They differ: a
# sample is not a mean.

digits = [0, 2, 3, 4, 5, 6, 8]
shown = [np.flatnonzero(y_test == digit)[0] for digit in digits]
figure, axes = plt.subplot_mosaic(
    [["skebm", "samples"], ["others", "samples"]],
    figsize=(8, 4),
    width_ratios=[9, 5],
    height_ratios=[3, 2],
    layout="constrained",
)
ReconstructionDisplay.from_estimator(
    rbm,
    X_test[shown],
    observed=~hidden[shown],
    image_shape=(8, 8),
    random_state=0,
    ax=axes["skebm"],
)
others = {"nearest neighbours": "neighbours", "mean image": "mean image"}
lines = [filled[name][shown] for name in others]
labels = [f"{label}\nerror {errors[name]:.3f}" for name, label in others.items()]
SamplesDisplay(lines, image_shape=(8, 8)).plot(ax=axes["others"], row_labels=labels)
upper = np.where(np.arange(64) < 32, X_test[shown[:5]], np.nan)
SamplesDisplay.from_estimator(
    rbm, 4, given=upper, image_shape=(8, 8), random_state=0, ax=axes["samples"]
)
axes["skebm"].set_title(f"hidden pixels filled by skebm, error {errors['skebm']:.3f}")
axes["others"].set_title("filled by others")
axes["samples"].set_title("lower halves that it draws")
figure.savefig("quickstart.png", dpi=150)

# %%
# What it has learnt
# ------------------
# Weights of some hidden units, red where a pixel speaks for the unit and blue where it
# speaks against it; and images that the machine draws by itself.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
shape = {"image_shape": (8, 8), "n_columns": 6}
ComponentsDisplay.from_estimator(rbm, units=30, ax=axes[0], **shape)
SamplesDisplay.from_estimator(
    rbm, 30, n_gibbs_steps=200, random_state=0, ax=axes[1], **shape
)
axes[0].set_title("weights of hidden units")
axes[1].set_title("images that the machine draws")
plt.show()
