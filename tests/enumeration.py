"""The oracle: every quantity of a small machine by summing over all its states.

Written from the definitions alone, with plain loops, and sharing no code with skebm.
"""

import itertools

import numpy as np

BINARY = (0.0, 1.0)


def all_states(sizes, values=None):
    """Every joint state, as a list of lists of layers.

    `values` are those of a unit, for each layer; None is binary units.
    """
    values = [BINARY] * len(sizes) if values is None else values
    of_units = [v for v, n in zip(values, sizes, strict=True) for _ in range(n)]
    cells = itertools.product(*of_units)
    bounds = np.cumsum([0, *sizes])
    pairs = list(itertools.pairwise(bounds))
    return [[np.array(c[a:b]) for a, b in pairs] for c in cells]


def energy(weights, biases, state):
    """E of one joint state."""
    total = 0.0
    for b, x in zip(biases, state, strict=True):
        for b_i, x_i in zip(b, x, strict=True):
            total -= b_i * x_i
    for W, x, y in zip(weights, state[:-1], state[1:], strict=True):
        for i, x_i in enumerate(x):
            for j, y_j in enumerate(y):
                total -= x_i * W[i, j] * y_j
    return total


class Enumeration:
    """All states of a machine, their energies and probabilities."""

    def __init__(self, weights, biases, values=None):
        self.weights, self.biases = weights, biases
        self.sizes = [len(b) for b in biases]
        self.values = [BINARY] * len(biases) if values is None else values
        self.states = all_states(self.sizes, self.values)
        self.energies = np.array([energy(weights, biases, s) for s in self.states])
        low = self.energies.min()
        self.log_z = np.log(np.sum(np.exp(low - self.energies))) - low
        self.probabilities = np.exp(-self.energies - self.log_z)
        self.layers = [
            np.array([state[index] for state in self.states])
            for index in range(len(self.sizes))
        ]

    def given(self, known):
        """Probabilities of the states given {layer: value}; a NaN is unknown."""
        match = np.ones(len(self.states), dtype=bool)
        for index, value in known.items():
            same = (self.layers[index] == value) | np.isnan(value)
            match &= same.all(axis=1)
        p = np.where(match, self.probabilities, 0.0)
        return p / p.sum()

    def log_marginal(self, known):
        """log p of the layers in {layer: value}."""
        match = np.ones(len(self.states), dtype=bool)
        for index, value in known.items():
            match &= (self.layers[index] == value).all(axis=1)
        return np.log(self.probabilities[match].sum())

    def mean(self, index, known=None):
        """E[x_index | known]."""
        p = self.probabilities if known is None else self.given(known)
        return p @ self.layers[index]

    def bound(self, visible, hidden_means):
        """E_q[-E - log q] - log Z of independent hidden units with these means.

        They are units of two values.
        """
        match = (self.layers[0] == visible).all(axis=1)
        total = -self.log_z
        for index in np.flatnonzero(match):
            q = 1.0
            hidden = zip(
                self.states[index][1:], hidden_means, self.values[1:], strict=True
            )
            for x, m, (low, high) in hidden:
                p = (m - low) / (high - low)
                q *= np.prod(np.where(x == high, p, 1.0 - p))
            if q > 0.0:
                total += q * (-self.energies[index] - np.log(q))
        return total

    def joint(self):
        """All units of a state side by side, (n_states, n_units)."""
        return np.concatenate(self.layers, axis=1)

    def moments(self):
        """E[x x^T] over all units."""
        x = self.joint()
        return x.T @ (self.probabilities[:, None] * x)

    def sample(self, n, rng):
        """Exact samples as a list of layers, (n, n_units) each."""
        picked = rng.choice(len(self.states), size=n, p=self.probabilities)
        return [layer[picked] for layer in self.layers]


def log_likelihood(weights, biases, rows, row_weights=None, values=None):
    """Weighted mean of log p(visible = row)."""
    machine = Enumeration(weights, biases, values)
    values = np.array([machine.log_marginal({0: row}) for row in rows])
    return np.average(values, weights=row_weights)


def log_bernoulli(a, x):
    """log p of binary units with total inputs a, from the definition."""
    return sum(
        np.log(1 / (1 + np.exp(-(2 * k - 1) * i))) for i, k in zip(a, x, strict=True)
    )


class BeliefNet:
    """A deep belief network: all its layers, enumerated from the top downwards.

    `upward` and `downward` hold (weights, biases) for each pair of neighbouring layers
    below the top two; weights are (lower, upper), biases of the layer that is drawn.
    """

    def __init__(self, upward, downward, top):
        self.upward, self.downward, self.top = upward, downward, top
        sizes = [*(W.shape[0] for W, _ in downward), top.sizes[0]]
        self.paths = all_states(sizes[1:])
        self.visible = [state[0] for state in all_states(sizes[:1])]

    def log_joint(self, v, path):
        """log p(v, layers up to the lower one of the top machine)."""
        layers = [v, *path]
        total = self.top.log_marginal({0: layers[-1]})
        for (W, b), below, above in zip(self.downward, layers, path, strict=False):
            total += log_bernoulli(b + W @ above, below)
        return total

    def log_recognition(self, v, path):
        """log q(layers | v)."""
        layers = [v, *path]
        return sum(
            log_bernoulli(c + below @ W, above)
            for (W, c), below, above in zip(self.upward, layers, path, strict=False)
        )

    def log_p(self, v):
        """log p(v)."""
        return np.logaddexp.reduce([self.log_joint(v, path) for path in self.paths])

    def bound(self, v):
        """The variational bound, E_q[log p(v, layers) - log q(layers | v)]."""
        total = 0.0
        for path in self.paths:
            log_q = self.log_recognition(v, path)
            total += np.exp(log_q) * (self.log_joint(v, path) - log_q)
        return total

    def moments(self):
        """E[v v^T]."""
        return sum(np.exp(self.log_p(v)) * np.outer(v, v) for v in self.visible)
