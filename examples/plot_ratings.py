"""
Predicting ratings of users of several kinds
============================================

Few of the ratings of many items by many users are known. There are six kinds of users,
each with likes of its own. A restricted Boltzmann machine whose hidden units see only
what a user has rated predicts the other ratings. It comes nearer to them than the
biases of users and items, and than a matrix factorisation. Where tastes are linear,
with an effect of each item that grows with the taste, the factorisation is better.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse

from skebm import RatingRBM

# %%
# The data
# --------
# Made ratings from 1 to 5. A user has rated a sixth of the items. Of these ratings, a
# tenth is held out. A sparse matrix stores the others; what it does not store is not
# known.

n_users, n_items, n_kinds = 500, 100, 6
rng = np.random.default_rng(0)
kind = np.sort(rng.integers(n_kinds, size=n_users))
likes = rng.choice([1.5, 3.0, 4.5], size=(n_kinds, n_items))
taste = rng.normal(size=(n_users, 2))
effect = rng.choice([-0.8, 0.8], size=(2, n_items))
means = {"kinds of users": likes[kind], "linear tastes": 3.0 + taste @ effect}
noise = 0.6 * rng.normal(size=(n_users, n_items))
ratings = {name: np.clip(np.round(m + noise), 1, 5) for name, m in means.items()}

pairs = rng.permutation(np.argwhere(rng.uniform(size=noise.shape) < 1 / 6))
held_out, known = np.split(pairs, [len(pairs) // 10])

# %%
# Biases, factors, and the machine
# --------------------------------
# The number of factors and their penalty are those with the least error of what is held
# out, which favours the factorisation. The machine has the same parameters for both.


def biases(X, strength=4.0):
    """Mean, and effects of users and items, shrunk, by turns."""
    users, items = X.nonzero()
    mean, of_users, of_items = X.data.mean(), np.zeros(n_users), np.zeros(n_items)
    for _ in range(20):
        for effects, here, rest in (
            (of_items, items, of_users[users]),
            (of_users, users, of_items[items]),
        ):
            sums = np.bincount(here, X.data - mean - rest, len(effects))
            effects[:] = sums / (np.bincount(here, minlength=len(effects)) + strength)
    return mean + of_users[:, None] + of_items


def factorised(X, start, n_factors, penalty, n_rounds=10):
    """Start, and a product of two matrices: alternating least squares."""
    rest = X.copy()
    rest.data = X.data - start[X.nonzero()]
    of_items = 0.1 * np.random.default_rng(0).normal(size=(n_items, n_factors))
    of_users, ridge = np.zeros((n_users, n_factors)), penalty * np.eye(n_factors)
    transposed = rest.T.tocsr()
    for _ in range(n_rounds):
        for rows, solved, given in (
            (rest, of_users, of_items),
            (transposed, of_items, of_users),
        ):
            for row, factors in enumerate(solved):
                part = slice(*rows.indptr[row : row + 2])
                seen = given[rows.indices[part]]
                factors[:] = np.linalg.solve(
                    seen.T @ seen + ridge, seen.T @ rows.data[part]
                )
    return start + of_users @ of_items.T


def error(predicted, true):
    """Root mean squared error of the ratings held out."""
    difference = predicted[tuple(held_out.T)] - true[tuple(held_out.T)]
    return np.sqrt(np.mean(difference**2))


predicted = {}
for name, true in ratings.items():
    X = sparse.csr_array((true[tuple(known.T)], known.T), shape=true.shape)
    by_biases = biases(X)
    factors = [
        factorised(X, by_biases, n_factors, penalty)
        for n_factors in (2, 4, 8)
        for penalty in (1.0, 3.0, 6.0)
    ]
    rbm = RatingRBM(100, learning_rate=0.1, weight_decay=5.0, random_state=0).fit(X)
    predicted[name] = {
        "biases": by_biases,
        "factors": min(factors, key=lambda found: error(found, true)),
        "RatingRBM": rbm.predict(X, "all"),
    }
    for method, found in predicted[name].items():
        print(f"{name:15} {method:10} RMSE {error(found, true):.3f}")

# %%
# What is expected
# ----------------
# Users of a kind are next to each other: there are six bands. Items are in the order of
# what the first kind likes.

true = ratings["kinds of users"]
seen = np.full(true.shape, np.nan)
seen[tuple(known.T)] = true[tuple(known.T)]
images = {"known": seen, **predicted["kinds of users"], "all ratings": true}
items = np.argsort(likes[0], kind="stable")
figure, axes = plt.subplots(1, 5, figsize=(10, 3.6), sharey=True, layout="constrained")
colours = plt.get_cmap("viridis").with_extremes(bad="white")
for axis, (name, image) in zip(axes, images.items(), strict=True):
    picture = axis.imshow(image[:, items], cmap=colours, vmin=1, vmax=5, aspect="auto")
    if name in predicted["kinds of users"]:
        name = f"{name}, RMSE {error(image, true):.2f}"
    axis.set_title(name, fontsize=10)
    axis.set(xlabel="item", xticks=[])
axes[0].set(ylabel="user", yticks=[])
figure.colorbar(picture, ax=axes, label="rating", shrink=0.8)
plt.show()
