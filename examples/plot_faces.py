"""
Grey digits: what GaussianRBM draws, and when not to use it
===========================================================

Images of handwritten digits, with grey values. A restricted Boltzmann machine with
real-valued visible units has learned what digits look like: it draws better ones than
factor analysis does. But its density of other images is below that of a mixture of
normal distributions, and neighbours fill the lower halves better. For images like
these, think of those first, or of a machine of pixels that are on or off.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import FactorAnalysis
from sklearn.impute import KNNImputer
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split

from skebm import ComponentsDisplay, GaussianRBM, SamplesDisplay

# %%
# The data
# --------
# Grey values are whole numbers from 0 to 16, and some pixels nearly always are 0: a
# density could be infinite there. With uniform noise in [0, 1) it is not, and the
# densities of different models can be compared.

X = load_digits().data
X = X + np.random.default_rng(0).uniform(size=X.shape)
X_train, X_test = train_test_split(X.astype(np.float32), test_size=0.3, random_state=0)

# %%
# Three densities
# ---------------
# Means over the test images, in nats: larger is better. The machine standardises the
# pixels itself, and scores in the units that they have. Its log Z is estimated.

factors = FactorAnalysis(32, random_state=0).fit(X_train)
mixture = GaussianMixture(
    60, covariance_type="diag", reg_covar=0.1, random_state=0
).fit(X_train)
rbm = GaussianRBM(
    128, learning_rate=0.02, n_gibbs_steps=2, n_iter=100, random_state=0
).fit(X_train)
log_z = rbm.log_partition(n_betas=1500)
models = {"factors": factors, "mixture": mixture, "machine": rbm}
scores = {name: model.score(X_test) for name, model in models.items()}
for name, score in scores.items():
    print(f"{name:8} log-density of a test image {score:7.1f} nats")
print(f"log Z is between {log_z.lower:.1f} and {log_z.upper:.1f}")

# %%
# Lower halves
# ------------
# Root mean squared errors of the pixels of lower halves, filled given the upper ones.

lower = np.arange(64) >= 32
upper_halves = np.where(lower, np.float32(np.nan), X_test)
for name, filled in {
    "mean": np.where(lower, X_train.mean(axis=0), X_test),
    "5 nearest neighbours": KNNImputer().fit(X_train).transform(upper_halves),
    "machine": rbm.impute(upper_halves, random_state=0),
}.items():
    error = np.sqrt(np.mean((filled - X_test)[:, lower] ** 2))
    print(f"lower half by {name:20} error of a pixel {error:.2f}")

# %%
# What they draw
# --------------
# All are drawn without the noise of single pixels: the mean of the pixels given the
# factors, the part of the mixture, or the hidden units. The mixture has only its 60
# images to draw from. The machine draws by Markov chains of 1000 steps, which start at
# images of the training.

rng = np.random.default_rng(0)
n = 12
drawn = {
    "factors": factors.mean_ + rng.normal(size=(n, 32)) @ factors.components_,
    "mixture": mixture.means_[rng.choice(60, size=n, p=mixture.weights_)],
    "machine": rbm.reconstruct(rbm.sample(n, init=X_train[:n], random_state=0)),
}
labels = [f"{name}, {scores[name]:.1f} nats" for name in drawn]
SamplesDisplay(np.clip([X_test[:n], *drawn.values()], 0, 17), image_shape=(8, 8)).plot(
    cmap="gray_r", row_labels=["test images", *labels]
)
plt.show()

# %%
# What the machine has learned
# ----------------------------
# Each hidden unit adds its weights to the mean of the pixels, where it is on. These are
# the 32 units with the largest weights.

ComponentsDisplay.from_estimator(rbm, units=32, image_shape=(8, 8), n_columns=8)
plt.show()
