"""Real data for the benchmarks: files in the folder SKEBM_DATA, else scikit-learn's."""

import os
from pathlib import Path

import numpy as np
from sklearn.datasets import fetch_olivetti_faces, fetch_openml


def mnist():
    """Grey MNIST: 60,000 training and 10,000 test rows of 784 pixels from 0 to 255."""
    folder = os.environ.get("SKEBM_DATA")
    if folder:
        with np.load(Path(folder) / "mnist.npz") as data:
            return tuple(data[k] for k in ("X_train", "y_train", "X_test", "y_test"))
    X, y = fetch_openml("mnist_784", version=1, return_X_y=True, as_frame=False)
    X, y = X.astype(np.uint8), y.astype(np.uint8)
    return X[:60_000], y[:60_000], X[60_000:], y[60_000:]


def grey_mnist_and_binary_test():
    """Training rows as probabilities; test rows that were drawn from theirs once.

    The drawn ones are those of the folder, else of a fixed seed.
    """
    X, _, X_test, _ = mnist()
    folder = os.environ.get("SKEBM_DATA")
    if folder:
        with np.load(Path(folder) / "mnist_binarized.npz") as data:
            drawn = data["X_test"]
    else:
        drawn = np.random.default_rng(0).random(X_test.shape) < X_test / 255
    return X / np.float32(255), drawn


def faces():
    """Olivetti faces: 400 rows of 4096 grey values in [0, 1], and whose face it is."""
    folder = os.environ.get("SKEBM_DATA")
    if folder:
        with np.load(Path(folder) / "olivetti_faces.npz") as data:
            return data["X"] / 255, data["y"]
    return fetch_olivetti_faces(return_X_y=True)


def movielens():
    """Users, items and ratings of MovieLens-100k, or of data of its kind; and a name.

    MovieLens is read from `ml-100k/u.data` in the folder SKEBM_DATA, if it is there.
    """
    folder = os.environ.get("SKEBM_DATA")
    path = folder and Path(folder) / "ml-100k" / "u.data"
    if path and path.exists():
        users, items, ratings, _ = np.loadtxt(path, dtype=int).T
        return users - 1, items - 1, ratings.astype(np.float32), "MovieLens-100k"
    return *made_ratings(), "made data of the kind of MovieLens-100k"


def made_ratings(seed=0, n_users=943, n_items=1682, n_ratings=100_000, least=20):
    """Made ratings, of the size and the shape of MovieLens-100k: not real ones.

    How much users rate and how popular items are is log-normal; each user has at least
    20 ratings. A rating is 3.4, an effect of the user and one of the item, which grows
    with its popularity, plus the product of ten normal factors of each, of falling
    strength, and noise; rounded, from 1 to 5. The strengths were chosen so that user
    and item biases have about the error that they have on MovieLens-100k, 0.94, and
    matrix factorisation has 2 to 3 % less.
    """
    rng = np.random.default_rng(seed)
    activity = rng.lognormal(0.0, 1.0, n_users)
    activity /= activity.sum()
    popularity = rng.lognormal(0.0, 1.5, n_items)
    each = np.clip(np.round(activity * n_ratings), least, n_items // 2).astype(int)
    while (left := n_ratings - each.sum()) != 0:
        np.add.at(each, rng.choice(n_users, abs(left), p=activity), np.sign(left))
        each = np.clip(each, least, n_items // 2)
    strengths = 0.75 ** np.arange(10)
    strengths *= 0.38 / np.linalg.norm(strengths)
    of_users = strengths * rng.normal(size=(n_users, 10))
    of_items = rng.normal(size=(n_items, 10))
    user_effect = 0.43 * rng.normal(size=n_users)
    item_effect = 0.5 * rng.normal(size=n_items) + 0.12 * np.log(popularity)
    chosen = []
    for n in each:
        # The largest of these are a sample without replacement, by popularity.
        keys = np.log(popularity) + rng.gumbel(size=n_items)
        chosen.append(np.argpartition(-keys, n - 1)[:n])
    users, items = np.repeat(np.arange(n_users), each), np.concatenate(chosen)
    values = 3.4 + user_effect[users] + item_effect[items]
    values += np.sum(of_users[users] * of_items[items], axis=1)
    values += 0.9 * rng.normal(size=n_ratings)
    return users, items, np.clip(np.round(values), 1, 5).astype(np.float32)
