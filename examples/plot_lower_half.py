"""
Lower halves of digits, drawn given the upper halves
====================================================

An upper half of a digit may belong to more than one digit. A Boltzmann machine draws
lower halves from their distribution given the upper half: where several digits are
possible, it draws several. What it draws shows the true digit as often as the lower
halves of the nearest neighbours do, which are copies of training images.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import SVC

from skebm import BernoulliRBM, SamplesDisplay

# %%
# The machine
# -----------
# It learns whole images, with pixels that are on or off, and no labels. In the test
# images the lower half is NaN, which stands for what is to be drawn.

X, y = load_digits(return_X_y=True)
X = (X > 7).astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
lower = np.arange(64) >= 32
upper_halves = np.where(lower, np.float32(np.nan), X_test)

rbm = BernoulliRBM(256, batch_size=10, n_iter=100, random_state=0).fit(X_train)

# %%
# Ten draws for each test image
# -----------------------------
# Each is drawn by a Markov chain of its own, in which the upper half does not change.

n_draws = 10
given = np.repeat(upper_halves, n_draws, axis=0)
drawn = rbm.sample(len(given), given=given, n_gibbs_steps=200, random_state=0)
drawn = drawn.reshape(-1, n_draws, 64)

# %%
# How good they are
# -----------------
# A support vector machine that has learned whole images says which digit it sees, in
# each of the ten, and they vote. The lower halves of the ten training images with the
# nearest upper halves vote too, and those of five. The mean lower half is one image. A
# last support vector machine has learned from upper halves alone: it tells how much of
# the digit the upper half gives away.

classifier = SVC().fit(X_train, y_train)


def recognised(lower_halves):
    """Digits seen in the completed images, of shape (n_images, n_draws)."""
    images = np.repeat(X_test[:, None], lower_halves.shape[1], axis=1)
    images[:, :, lower] = lower_halves
    return classifier.predict(images.reshape(-1, 64)).reshape(images.shape[:2])


def vote(digits):
    """The digit that is seen most often, for each image."""
    return (digits[:, :, None] == np.arange(10)).sum(axis=1).argmax(axis=1)


search = NearestNeighbors(n_neighbors=10).fit(X_train[:, ~lower])
nearest = X_train[search.kneighbors(X_test[:, ~lower], return_distance=False)]
nearest = nearest[:, :, lower]
seen = recognised(drawn[:, :, lower])
mean = np.broadcast_to(X_train[:, lower].mean(axis=0), (len(X_test), 1, 32))
of_upper = SVC().fit(X_train[:, ~lower], y_train)
votes = {
    "mean lower half": vote(recognised(mean)),
    "5 nearest neighbours": vote(recognised(nearest[:, :5])),
    "10 nearest neighbours": vote(recognised(nearest)),
    "10 draws of the machine": vote(seen),
    "classifier of upper halves": of_upper.predict(X_test[:, ~lower]),
    "whole images": classifier.predict(X_test),
}
for name, digits in votes.items():
    print(f"{name:27} show the true digit: {np.mean(digits == y_test):.3f}")

# %%
# What they look like
# -------------------
# Upper halves of six different digits. Of each, it is the one of which the draws are
# most evenly divided between two digits, as the support vector machine sees them. These
# two are on the left.

shares = (seen[:, :, None] == np.arange(10)).mean(axis=1)
second, largest = np.sort(shares, axis=1)[:, -2:].T
order = np.argsort(-second * (second + largest > 0.8), kind="stable")
_, first = np.unique(y_test[order], return_index=True)  # of each digit
chosen = order[np.sort(first)[:6]]
pairs = np.sort(np.argsort(-shares[chosen], axis=1, kind="stable")[:, :2], axis=1)

SamplesDisplay(drawn[chosen, :8], given=upper_halves[chosen], image_shape=(8, 8)).plot(
    cmap="gray_r", row_labels=[f"{a} or {b}?" for a, b in pairs]
)
plt.show()
