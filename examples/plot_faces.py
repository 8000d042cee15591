"""
Grey values
===========

Images of handwritten digits, with grey values instead of bits. A restricted Boltzmann
machine with real-valued visible units learns their density, draws new ones, and fills
in what is covered. Its log-density of images that it has not seen is compared with that
of factor analysis and of a mixture of normal distributions.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import FactorAnalysis
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split

from skebm import GaussianRBM

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
# pixels itself, and scores in the units that they have. Its partition function is
# estimated from below and from above. A warning says that these are more than a nat
# apart: the machine and the mixture are too close to call.

rbm = GaussianRBM(256, learning_rate=0.03, n_iter=100, random_state=0).fit(X_train)
log_z = rbm.log_partition(n_betas=2000, n_runs=50)
models = {
    "32 factors": FactorAnalysis(32, random_state=0).fit(X_train),
    "60 normal distributions": GaussianMixture(
        60, covariance_type="diag", reg_covar=0.1, random_state=0
    ).fit(X_train),
    "restricted Boltzmann machine": rbm,
}
for name, model in models.items():
    print(f"{name:30} {model.score(X_test):7.1f} nats")
print(f"log Z is between {log_z.lower:.1f} and {log_z.upper:.1f}")

# %%
# What it has learned
# -------------------
# Each hidden unit adds its weights to the mean of the pixels, where it is on. New
# images come from Markov chains of 1000 steps, which start at images of the training;
# shown are the means of their pixels, without the noise. In the test images, the lower
# half is covered: it is filled in by its mean given the upper half.

drawn = rbm.reconstruct(rbm.sample(14, init=X_train[:14], random_state=0))
images = X_test[:14]
covered = np.where(np.arange(64) < 32, images, np.float32(np.nan))
weights = rbm.components_ * rbm.scale_
strongest = np.argsort(-np.linalg.norm(weights, axis=1))[:14]
rows = {
    "weights of 14 hidden units": weights[strongest],
    "drawn from the machine": drawn,
    "test images": images,
    "reconstructed from the hidden units": rbm.reconstruct(images),
    "lower half covered": covered,
    "filled in": rbm.impute(covered, random_state=0),
}
figure, axes = plt.subplots(len(rows), 14, figsize=(9, 5.4))
figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.94, hspace=0.4)
colours = plt.get_cmap("gray_r").with_extremes(bad="tab:orange")
for line, (name, pictures) in zip(axes, rows.items(), strict=True):
    limits = {"vmin": 0, "vmax": 17}
    if name.startswith("weights"):
        limits = {"vmin": -4, "vmax": 4}
    for axis, image in zip(line, pictures, strict=True):
        axis.imshow(image.reshape(8, 8), cmap=colours, **limits)
        axis.set_axis_off()
    line[0].set_title(name, loc="left", fontsize="medium")
plt.show()
