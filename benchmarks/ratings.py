"""Error of predicted ratings: biases, matrix factorisation, and RatingRBM.

    [SKEBM_DATA=folder] python benchmarks/ratings.py

With the file ml-100k/u.data in the folder, the ratings are those of MovieLens-100k.
Else they are made, of the same size and kind, by a model that is no Boltzmann machine:
biases, ten factors and noise (see `made_ratings` in datasets.py).

A tenth of the ratings is held out, at random, to test. What the baselines need to be
told, how strongly biases and factors are shrunk and how many factors there are, is
chosen for each of them by the error on a tenth of the others, and they are then fitted
to all of these. RatingRBM has its defaults, which were chosen on such a tenth, too, of
the made data of the default seed.
"""

import time

import numpy as np
from datasets import movielens
from scipy import sparse

from skebm import RatingRBM

STRENGTHS = (2.0, 4.0, 8.0, 16.0, 32.0)
N_FACTORS, FACTOR_STRENGTHS = (2, 4, 8), (6.0, 9.0, 13.0, 20.0)
N_SWEEPS = 15


class Biases:
    """Mean, and effects of users and items, by alternating ridge regression."""

    def __init__(self, strength):
        self.strength = strength

    def fit(self, X):
        X = X.tocoo()
        rows, columns = X.coords
        n_rows, n_columns = (np.bincount(i, minlength=n) for i, n in self._axes(X))
        self.mean = X.data.mean(dtype=float)
        self.users, self.items = np.zeros(X.shape[0]), np.zeros(X.shape[1])
        for _ in range(N_SWEEPS):
            left = X.data - self.mean - self.users[rows]
            sums = np.bincount(columns, left, X.shape[1])
            self.items = sums / (n_columns + self.strength)
            left = X.data - self.mean - self.items[columns]
            self.users = np.bincount(rows, left, X.shape[0]) / (n_rows + self.strength)
        return self

    def _axes(self, X):
        return zip(X.coords, X.shape, strict=True)

    def predict(self, pairs):
        users, items = pairs.T
        return self.mean + self.users[users] + self.items[items]


class Factors:
    """The same, with factors of what biases leave, by alternating least squares."""

    def __init__(self, bias_strength, n_factors, strength):
        self.bias_strength = bias_strength
        self.n_factors, self.strength = n_factors, strength

    def fit(self, X):
        self.biases = Biases(self.bias_strength).fit(X)
        left = X.tocoo()
        pairs = np.column_stack(left.coords)
        left = sparse.csr_array(
            (left.data - self.biases.predict(pairs), pairs.T), X.shape
        )
        turned = left.T.tocsr()
        self.items = np.random.default_rng(0).normal(size=(X.shape[1], self.n_factors))
        self.items *= 0.1
        for _ in range(N_SWEEPS):
            self.users = self._solved(left, self.items)
            self.items = self._solved(turned, self.users)
        return self

    def _solved(self, X, factors):
        solved = np.zeros((X.shape[0], self.n_factors))
        penalty = self.strength * np.eye(self.n_factors)
        for row in range(X.shape[0]):
            part = slice(X.indptr[row], X.indptr[row + 1])
            known = factors[X.indices[part]]
            solved[row] = np.linalg.solve(
                known.T @ known + penalty, known.T @ X.data[part]
            )
        return solved

    def predict(self, pairs):
        users, items = pairs.T
        products = np.sum(self.users[users] * self.items[items], axis=1)
        return self.biases.predict(pairs) + products


def split(pairs, ratings, seed):
    """Nine tenths as a matrix, and as pairs and ratings; the others as these."""
    order = np.random.default_rng(seed).permutation(len(ratings))
    out, kept = np.split(order, [len(order) // 10])
    shape = pairs.max(axis=0) + 1
    X = sparse.csr_array((ratings[kept], pairs[kept].T), shape)
    return X, (pairs[kept], ratings[kept]), (pairs[out], ratings[out])


def error(predicted, true):
    """Root mean squared error of predictions, no less than 1 and no more than 5."""
    return np.sqrt(np.mean((np.clip(predicted, 1, 5) - true) ** 2))


def best(models, X, pairs, true):
    """The model with the least error on the ratings of pairs."""
    return min(models, key=lambda m: error(m.fit(X).predict(pairs), true))


def report(name, begin, predicted, true, biases=None):
    found = error(predicted, true)
    beside = "" if biases is None else f", {100 * (1 - found / biases):4.1f} % less"
    seconds = time.perf_counter() - begin
    print(f"{name:32} RMSE {found:.4f}{beside:14} {seconds:6.1f} s", flush=True)
    return found


def main():
    users, items, ratings, name = movielens()
    pairs = np.column_stack([users, items])
    print(f"{name}: {len(ratings)} ratings of {items.max() + 1} items", end=" ")
    print(f"by {users.max() + 1} users")
    X, rest, (test, true) = split(pairs, ratings, seed=0)
    X_part, _, validation = split(*rest, seed=1)
    begin = time.perf_counter()
    report("mean", begin, np.full(len(true), X.data.mean()), true)
    bias = best([Biases(s) for s in STRENGTHS], X_part, *validation)
    begin = time.perf_counter()
    label = f"biases, strength {bias.strength:g}"
    biases = report(label, begin, bias.fit(X).predict(test), true)
    factors = [
        Factors(bias.strength, n, s) for n in N_FACTORS for s in FACTOR_STRENGTHS
    ]
    model = best(factors, X_part, *validation)
    begin = time.perf_counter()
    label = f"{model.n_factors} factors, strength {model.strength:g}"
    report(label, begin, model.fit(X).predict(test), true, biases)
    begin = time.perf_counter()
    rbm = RatingRBM(random_state=0).fit(X)
    report("RatingRBM", begin, rbm.predict(X, test), true, biases)


if __name__ == "__main__":
    main()
