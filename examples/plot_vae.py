"""
Digits drawn on demand, in one pass
===================================

A variational autoencoder turns random numbers into images, through a network and
without Markov chains. One that has learnt the classes too draws any digit that it is
asked for. A plain one scores images by a bound of their likelihood.
"""

# %%
# Any digit
# ---------
# Each image is made of 20 latent units, which are normal with a mean for each digit,
# and of the digit itself. Drawn are latent units; shown are the means of the pixels
# given these.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from skebm import VAE, ConditionalVAE, LogLikelihoodDisplay, SamplesDisplay

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=500, random_state=0)

params = {"hidden_layer_sizes": (200,), "n_iter": 60, "random_state": 0}
model = ConditionalVAE(20, label_inputs=True, **params).fit(X_train, y_train)

SamplesDisplay.from_estimator(
    model,
    120,
    sample_params={"y": np.repeat(np.arange(10), 12), "means": True},
    random_state=0,
    image_shape=(8, 8),
    n_columns=12,
    cmap="gray_r",
    row_labels=range(10),
)
plt.show()

# %%
# How many of the images show the digit that was asked for? A support vector machine,
# which has learnt from the same images, says so of images drawn.

svc = SVC().fit(X_train, y_train)
asked = np.repeat(np.arange(10), 100)
drawn, _ = model.sample(1000, y=asked, means=True, random_state=1)
print(f"drawn images that the SVC takes for the digit: {svc.score(drawn, asked):.3f}")
print(f"test images that it takes for their digit:     {svc.score(X_test, y_test):.3f}")

# %%
# Without classes
# ---------------
# A plain autoencoder has never seen a label. Its images are not always digits.

vae = VAE(20, **params).fit(X_train)
SamplesDisplay.from_estimator(
    vae,
    60,
    sample_params={"means": True},
    random_state=0,
    image_shape=(8, 8),
    n_columns=12,
    cmap="gray_r",
)
plt.show()

# %%
# But it scores any image: the lower bound of the log-likelihood is highest for images
# like those that it has learnt from.

rows = {
    "test images": X_test,
    "upside down": X_test.reshape(-1, 8, 8)[:, ::-1].reshape(-1, 64),
    "pixels shuffled": np.random.default_rng(0).permuted(X_test, axis=1),
}
for name, images in rows.items():
    print(f"{name:16} {vae.score(images):6.1f} nats")
LogLikelihoodDisplay.from_estimator(vae, rows)
plt.show()

# %%
# When not to use it
# ------------------
# The model with classes tells digits apart, too, by Bayes' rule. If labels are all that
# counts, other classifiers are better.

logistic = LogisticRegression(max_iter=1000).fit(X_train, y_train)
for classifier in (model, logistic, svc):
    accuracy = classifier.score(X_test, y_test)
    print(f"{type(classifier).__name__:20} test accuracy {accuracy:.3f}")
