"""
Filling in missing pixels
=========================

A third of the pixels of handwritten digits are missing. Three ways to fill them are
compared: the mean of the pixel, the mean over the nearest neighbours among the complete
images, and the conditional mean given all observed pixels under a restricted Boltzmann
machine. The Boltzmann machine comes nearest to the true pixels. A classifier of
complete images recognises what it fills in about as well as what the neighbours do:
these digits are small, and look much like each other.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from skebm import BernoulliRBM

# %%
# The data
# --------
# Pixels are on or off. The training images are complete; of the test images, each pixel
# is missing with a probability of one third.

X, y = load_digits(return_X_y=True)
X = (X > 7).astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
missing = np.random.default_rng(0).uniform(size=X_test.shape) < 1 / 3
X_gaps = np.where(missing, np.float32(np.nan), X_test)

# %%
# Three ways to fill the gaps
# ---------------------------

rbm = BernoulliRBM(100, batch_size=20, n_iter=100, random_state=0).fit(X_train)
filled = {
    "mean": SimpleImputer().fit(X_train).transform(X_gaps),
    "5 nearest neighbours": KNNImputer().fit(X_train).transform(X_gaps),
    "restricted Boltzmann machine": rbm.impute(X_gaps, random_state=0),
}
classifier = SVC().fit(X_train, y_train)
print(f"{'complete images':30} accuracy {classifier.score(X_test, y_test):.3f}")
for name, X_filled in filled.items():
    error = np.sqrt(np.mean((X_filled - X_test)[missing] ** 2))
    accuracy = classifier.score(X_filled, y_test)
    print(f"{name:30} accuracy {accuracy:.3f}, error of a missing pixel {error:.3f}")

# %%
# What they look like
# -------------------

rows = {"true": X_test, "observed": X_gaps, **filled}
figure, axes = plt.subplots(len(rows), 12, figsize=(9, 4.2))
figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.93, hspace=0.35)
colours = plt.get_cmap("gray_r").with_extremes(bad="tab:orange")
for line, (name, images) in zip(axes, rows.items(), strict=True):
    for axis, image in zip(line, images, strict=False):
        axis.imshow(image.reshape(8, 8), cmap=colours, vmin=0, vmax=1)
        axis.set_axis_off()
    line[0].set_title(name, loc="left", fontsize="medium")
plt.show()
