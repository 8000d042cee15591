"""
=======================
Digits drawn on demand
=======================

A variational autoencoder with classes learns handwritten digits, each from 20 numbers,
and then draws any digit that it is asked for: without Markov chains, in one pass
through a network. It also tells digits apart, nearly as well as logistic regression on
the pixels, and a plain one scores images by their likelihood.
"""

# %%
# The decoder turns latent units into the probabilities of the pixels. The latent units
# are normal, with a mean for each digit. Digits are told apart by Bayes' rule. That is
# what a model of images can do besides: where labels are all that counts, a support
# vector machine is better.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from skebm import VAE, ConditionalVAE

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=500, random_state=0)

params = {"hidden_layer_sizes": (200,), "n_iter": 60, "random_state": 0}
model = ConditionalVAE(20, label_inputs=True, **params)
for classifier in (model, LogisticRegression(max_iter=1000), SVC()):
    accuracy = classifier.fit(X_train, y_train).score(X_test, y_test)
    print(f"{type(classifier).__name__:20} test accuracy {accuracy:.3f}")

# %%
# Without classes, it is a density of images: test images are likelier than noise, and
# than the same images upside down.

vae = VAE(20, **params).fit(X_train)
upside_down = X_test.reshape(-1, 8, 8)[:, ::-1].reshape(-1, 64)
noise = np.random.default_rng(0).permuted(X_test, axis=1)
for name, rows in (
    ("test images", X_test),
    ("upside down", upside_down),
    ("pixels shuffled", noise),
):
    print(f"{name:16} {vae.score(rows):6.1f} nats")

# %%
# Means of the pixels, given latent units that are drawn for each digit. No two in a row
# are the same, and all of them are of their digit.

drawn, _ = model.sample(120, y=np.repeat(np.arange(10), 12), means=True, random_state=0)
images = np.pad(drawn.reshape(10, 12, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)))
figure, axes = plt.subplots(figsize=(6, 5.2))
axes.imshow(images.transpose(0, 2, 1, 3).reshape(100, 120), cmap="gray_r")
axes.set(title="Drawn, a row for each digit", xticks=[], yticks=np.arange(5, 100, 10))
axes.set_yticklabels(range(10))
axes.tick_params(length=0)
figure.tight_layout()
plt.show()
