"""
==========================================
What the second layer of a machine learns
==========================================

A deep Boltzmann machine learns handwritten digits. Its layers are drawn as what they
like to see, and the machine is asked for digits of its own: with its second hidden
layer, and with a constant in place of what that layer says.
"""

# %%
# The images have 8 x 8 pixels, here black or white. The layers are first trained one
# after the other, and then together.

import copy

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skebm import DBM, BernoulliRBM

X = (load_digits().data > 7).astype(np.float32)
X_train, X_test = train_test_split(X, random_state=0)
dbm = DBM(
    (64, 32), rbm=BernoulliRBM(n_iter=100), n_iter=150, batch_size=50, random_state=0
).fit(X_train)
print(f"bound of the log-likelihood of test rows: {dbm.score(X_test):.2f} nats")

# %%
# The weights of a unit in the first layer are a picture: white where it likes pixels
# that are on, black where it does not. A unit in the second layer is drawn as the sum
# of these pictures, weighted by its weights to the first layer: it is smoother, and
# extends over more of the image.

first, second = dbm.components_


def show(ax, rows, title):
    """The first 32 rows as images, in four lines of eight."""
    images = rows[:32].reshape(4, 8, 8, 8).transpose(0, 2, 1, 3)
    framed = np.full((4 * 9, 8 * 9), np.nan)
    for i in range(4):
        for j in range(8):
            framed[9 * i : 9 * i + 8, 9 * j : 9 * j + 8] = images[i, :, j, :]
    ax.imshow(framed, cmap="gray")
    ax.set(title=title, xticks=[], yticks=[])


def scaled(pictures):
    """Each picture scaled to the range from -1 to 1."""
    return pictures / np.abs(pictures).max(axis=1, keepdims=True)


order = np.argsort(-np.linalg.norm(first, axis=1))
figure, axes = plt.subplots(1, 2, figsize=(10, 3))
show(axes[0], scaled(first[order]), "first layer")
show(axes[1], scaled(second @ first), "second layer")
figure.tight_layout()

# %%
# Samples, each from a Markov chain of its own. Without the second layer, the first one
# gets its mean input from there: the machine that is left is a restricted one. It knows
# which pixels go together, but less of which strokes do.

without = copy.deepcopy(dbm)
mean = dbm.transform(X_train).mean(axis=0)
without.intercepts_[1] = without.intercepts_[1] + mean @ second
without.components_[1] = np.zeros_like(second)
print(f"without the second layer: {without.score(X_test):.2f} nats")

figure, axes = plt.subplots(1, 3, figsize=(14, 3))
show(axes[0], X_test, "digits")
show(axes[1], dbm.sample(32, random_state=0), "samples of both layers")
show(axes[2], without.sample(32, random_state=0), "without the second layer")
figure.tight_layout()
plt.show()
