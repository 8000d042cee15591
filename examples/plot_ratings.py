"""
Ratings: tastes that nobody named, and when not to use RatingRBM
================================================================

Few of the ratings of many items by many users are known. A restricted Boltzmann machine
finds the tastes behind them, and predicts the others better than biases do, which say
who likes much and what is liked but nothing about tastes. But where tastes add up, as
in these made ratings, a singular value decomposition that is told their number is
better still. Try that first.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse

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
# Biases, singular vectors, and the machine
# -----------------------------------------
# The decomposition is told that there are two tastes. The machine is not: it has 30
# hidden units.


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


def tastes(rest, n_tastes=2):
    """What biases leave, by singular vectors; what is unknown is filled by turns."""
    is_known, found = np.zeros(rest.shape, dtype=bool), np.zeros(rest.shape)
    is_known[tuple(known.T)] = True
    for _ in range(100):
        u, s, v = np.linalg.svd(np.where(is_known, rest, found), full_matrices=False)
        found = (u[:, :n_tastes] * s[:n_tastes]) @ v[:n_tastes]
    return found


def error(predicted):
    """Root mean squared error of the ratings held out."""
    return np.sqrt(np.mean((predicted - true) ** 2))


by_biases = biases(*known.T, ratings[tuple(known.T)])
by_svd = by_biases + tastes(ratings - by_biases)
rbm = RatingRBM(30, learning_rate=0.1, weight_decay=5.0, random_state=0).fit(X)
predicted = {
    "biases": by_biases,
    "SVD, two tastes": by_svd,
    "RatingRBM": rbm.predict(X, "all"),
}
errors = {name: error(all_[tuple(held_out.T)]) for name, all_ in predicted.items()}
for name, value in errors.items():
    print(f"{name:15} RMSE {value:.3f}")

# %%
# What it expects
# ---------------
# Users are sorted by their first taste, and items by the taste that they are for, and
# by whether they suit it. Both the decomposition and the machine show the tastes;
# the biases do not. The errors are those of the ratings held out.

users, items = np.argsort(taste[:, 0]), np.lexsort((kind, np.arange(n_items) >= 50))
seen = np.full(ratings.shape, np.nan)
seen[tuple(known.T)] = ratings[tuple(known.T)]
images = {"known ratings": seen}
images |= {f"{name}\nRMSE {errors[name]:.3f}": predicted[name] for name in predicted}
images["all ratings"] = ratings
figure, axes = plt.subplots(1, 5, figsize=(9.5, 3.6), sharey=True, layout="constrained")
colours = plt.get_cmap("viridis").with_extremes(bad="white")
for axis, (name, image) in zip(axes, images.items(), strict=True):
    picture = axis.imshow(
        image[np.ix_(users, items)], cmap=colours, vmin=1, vmax=5, aspect="auto"
    )
    axis.set(title=name, xlabel="item", xticks=[])
axes[0].set(ylabel="user", yticks=[])
figure.colorbar(picture, ax=axes, label="rating", shrink=0.8)
plt.show()
