"""
The second layer keeps the strokes of a digit together
======================================================

A deep Boltzmann machine draws handwritten digits that are as near to known ones as new
digits are. Without its second hidden layer, strokes fall apart. A machine that has one
layer, of four times as many units, is between the two.
"""

# %%
# Two layers, and one
# -------------------
# The images have 8 x 8 pixels, here on or off. The layers of the deep machine are first
# trained one after the other, and then together. Then its second layer is taken away:
# the first one gets a constant in place of what that said.

import copy

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from skebm import DBM, BernoulliRBM, ComponentsDisplay, SamplesDisplay

X = (load_digits().data > 7).astype(np.float32)
X_train, X_test = train_test_split(X, random_state=0)
dbm = DBM(
    (64, 32), rbm=BernoulliRBM(n_iter=100), n_iter=150, batch_size=50, random_state=0
).fit(X_train)

without = copy.deepcopy(dbm)
second = dbm.components_[1]
without.intercepts_[1] = (
    without.intercepts_[1] + dbm.transform(X_train).mean(0) @ second
)
without.components_[1] = np.zeros_like(second)

wide = BernoulliRBM(256, n_iter=200, batch_size=50, random_state=0).fit(X_train)

# %%
# Images drawn
# ------------
# Each is from a Markov chain of its own. Counted are the pixels in which an image
# differs from the nearest training image.

nearest = NearestNeighbors(n_neighbors=1, metric="manhattan").fit(X_train)
images = {
    "test images": X_test,
    "two layers, 64-32": dbm.sample(500, random_state=0),
    "without the second layer": without.sample(500, random_state=0),
    "one layer, 256": wide.sample(500, random_state=0),
}
figure, axes = plt.subplots(2, 2, figsize=(8, 5), layout="constrained")
figure.get_layout_engine().set(wspace=0.1, hspace=0.1)
for axis, (name, rows) in zip(axes.flat, images.items(), strict=True):
    distance = nearest.kneighbors(rows)[0].mean()
    print(f"{name:25} {distance:.2f} pixels from the nearest training image")
    SamplesDisplay(rows[:18], image_shape=(8, 8)).plot(
        ax=axis, n_columns=6, cmap="gray_r"
    )
    axis.set_title(f"{name}: {distance:.1f} pixels off", fontsize=11)
plt.show()

# %%
# This tells how good the drawn images are, and not whether all kinds of images are
# drawn. The likelihood tells both, and there one wide layer is ahead: see
# :ref:`sphx_glr_auto_examples_plot_depth.py`.

# %%
# What the units like to see
# --------------------------
# The weights of a unit in the first layer are a picture: red where it likes pixels that
# are on, blue where it does not. A unit in the second layer is drawn as the sum of
# these pictures, weighted by its weights to the first layer. It is smoother: weights of
# pixels one above the other are more alike.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for layer, axis in enumerate(axes, 1):
    display = ComponentsDisplay.from_estimator(
        dbm, layer=layer, units=32, image_shape=(8, 8), ax=axis, n_columns=8
    )
    pictures = np.reshape(display.components, (-1, 8, 8))
    upper, lower = pictures[:, :-1].ravel(), pictures[:, 1:].ravel()
    alike = np.corrcoef(upper, lower)[0, 1]
    print(f"layer {layer}: correlation of the weights of neighbours {alike:.2f}")
    axis.set_title(f"layer {layer}: neighbours correlate by {alike:.2f}", fontsize=11)
plt.show()
