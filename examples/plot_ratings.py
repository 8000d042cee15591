"""
Ratings predicted from what a user has rated
============================================

Few of the ratings of many items by many users are known. A restricted Boltzmann machine
finds the tastes behind them, and so the ratings that are not known. It is compared with
the biases of users and items, which say who likes much and what is liked but nothing
about tastes, and with a singular value decomposition of what the biases leave.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD

from skebm import RatingRBM

# %%
# The data
# --------
# Made ratings from 1 to 5: biases, two tastes of different strength, and noise. The
# first half of the items are liked or disliked by the first taste, and the others by
# the second one. A user has rated a sixth of the items. Of these ratings, a tenth is
# held out. A sparse matrix stores the others; what it does not store is unknown.

rng = np.random.default_rng(0)
n_users, n_items = 500, 100
taste = rng.normal(size=(n_users, 2))
kind = rng.choice([-1.0, 1.0], size=n_items)
kinds = np.zeros((2, n_items))
kinds[0, :50], kinds[1, 50:] = kind[:50], 0.7 * kind[50:]
ratings = 3.3 + 0.4 * rng.normal(size=(n_users, 1)) + 0.4 * rng.normal(size=n_items)
ratings = ratings + 0.8 * taste @ kinds + 0.6 * rng.normal(size=(n_users, n_items))
ratings = np.clip(np.round(ratings), 1, 5)

pairs = rng.permutation(np.argwhere(rng.uniform(size=ratings.shape) < 1 / 6))
held_out, known = np.split(pairs, [len(pairs) // 10])
X = sparse.csr_array((ratings[tuple(known.T)], known.T), shape=ratings.shape)
true = ratings[tuple(held_out.T)]

# %%
# Biases, and the machine
# -----------------------


def biases(users, items, values, strength=4.0):
    """Mean, and effects of users and items, shrunk, by turns."""
    mean, of_users, of_items = values.mean(), np.zeros(n_users), np.zeros(n_items)
    for _ in range(20):
        for effects, here, rest in (
            (of_items, items, of_users[users]),
            (of_users, users, of_items[items]),
        ):
            sums = np.bincount(here, values - mean - rest, len(effects))
            effects[:] = sums / (np.bincount(here, minlength=len(effects)) + strength)
    return mean + of_users[:, None] + of_items


def error(predicted):
    """Root mean squared error of the ratings held out."""
    return np.sqrt(np.mean((predicted - true) ** 2))


by_biases = biases(*known.T, ratings[tuple(known.T)])
rest = X.copy()
rest.data = X.data - by_biases[X.nonzero()]
svd = TruncatedSVD(2, random_state=0).fit(rest)
by_svd = by_biases + svd.inverse_transform(svd.transform(rest))
rbm = RatingRBM(30, learning_rate=0.1, weight_decay=5.0, random_state=0).fit(X)
print(f"biases                   RMSE {error(by_biases[tuple(held_out.T)]):.3f}")
print(f"biases and TruncatedSVD  RMSE {error(by_svd[tuple(held_out.T)]):.3f}")
print(f"RatingRBM                RMSE {error(rbm.predict(X, held_out)):.3f}")

# %%
# What it expects
# ---------------
# Users are sorted by their first taste, and items by the taste that they are for, and
# by whether they suit it. What the machine expects shows both tastes; the biases show
# neither.

users, items = np.argsort(taste[:, 0]), np.lexsort((kind, np.arange(n_items) >= 50))
seen = np.full(ratings.shape, np.nan)
seen[tuple(known.T)] = ratings[tuple(known.T)]
images = {
    "known ratings": seen,
    "biases": by_biases,
    "RatingRBM": rbm.predict(X, "all"),
    "all ratings": ratings,
}
figure, axes = plt.subplots(1, 4, figsize=(9, 3.6), sharey=True, layout="constrained")
colours = plt.get_cmap("viridis").with_extremes(bad="white")
for axis, (name, image) in zip(axes, images.items(), strict=True):
    picture = axis.imshow(
        image[np.ix_(users, items)], cmap=colours, vmin=1, vmax=5, aspect="auto"
    )
    axis.set(title=name, xlabel="item", xticks=[])
axes[0].set(ylabel="user", yticks=[])
figure.colorbar(picture, ax=axes, label="rating", shrink=0.8)
plt.show()
