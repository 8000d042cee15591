"""
Missing pixels, filled by a Boltzmann machine
=============================================

A third of the pixels of handwritten digits are missing. A Boltzmann machine fills them
by their mean given all pixels that are observed. That is nearer to the true pixels than
the mean over the nearest neighbours is, and much nearer than the mean over all images.
For a classifier, neighbours do as well.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from skebm import BernoulliRBM, ReconstructionDisplay

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
classifier, errors = SVC().fit(X_train, y_train), []
print(f"{'complete images':30} accuracy {classifier.score(X_test, y_test):.3f}")
for name, X_filled in filled.items():
    error = np.sqrt(np.mean((X_filled - X_test)[missing] ** 2))
    accuracy = classifier.score(X_filled, y_test)
    errors.append(error)
    print(f"{name:30} accuracy {accuracy:.3f}, error of a missing pixel {error:.3f}")

# %%
# What they look like
# -------------------
# On the left, ten test images, and how the machine fills them. On the right, the root
# mean squared error of a missing pixel.

figure, axes = plt.subplots(
    1, 2, figsize=(9.5, 2.6), width_ratios=[3, 1.3], layout="constrained"
)
ReconstructionDisplay.from_estimator(
    rbm,
    X_test[:10],
    observed=~missing[:10],
    random_state=0,
    image_shape=(8, 8),
    cmap="gray_r",
    ax=axes[0],
)
bars = axes[1].bar(
    ["mean", "neighbours", "machine"], errors, color=["0.7", "0.5", "tab:red"]
)
axes[1].bar_label(bars, fmt="%.3f", padding=2)
axes[1].set(title="error of a missing pixel", ylim=(0, 0.45), yticks=[])
plt.show()
