"""Features for a linear classifier, beside the baselines that a stranger would try.

    SKEBM_DATA=folder python benchmarks/features.py [name ...] [--n_seeds=5]

Names are those of DATA; without any, all of them. Each set of features is made by a
transformer with its defaults, or by a restricted Boltzmann machine with the parameters
of scikit-learn's example (100 hidden units, learning rate 0.06), and classified by
logistic regression with its defaults, as the features are and after they have been
standardised. There is a line for each: mean accuracies over the seeds and their
standard errors, the mean log-likelihood of up to 2000 test rows with its bracket, and
the seconds of the transformer's fit. The last lines compare the two packages: a
difference counts as a loss if it is below zero by more than its standard error.

Seeds choose the transformer's random numbers and, but for sets that come divided or
whole, the rows.
"""

import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from datasets import faces, mnist
from parameters import parsed
from quality import as_skebm
from scipy.ndimage import shift
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import BernoulliRBM as SklearnRBM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skebm import BernoulliRBM

SCORED_ROWS, N_BETAS = 2000, 1000
EXAMPLE = {"n_components": 100, "learning_rate": 0.06}


def divided(X, y, seed):
    """Training and test rows, a fifth of all, and their labels."""
    X = np.asarray(X, dtype=np.float32)
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=0.2, stratify=y, random_state=seed
    )
    return X, y, X_test, y_test


def digits(seed):
    X, y = load_digits(return_X_y=True)
    return divided(X / 16, y, seed)


def shifted_digits(seed):
    """Scikit-learn's example: digits, and their copies shifted by a pixel."""
    X, y = load_digits(return_X_y=True)
    moves = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]
    images = X.reshape(-1, 8, 8) / 16
    copies = [shift(images, (0, *move), order=0).reshape(X.shape) for move in moves]
    return divided(np.concatenate(copies).clip(0, 1), np.tile(y, len(moves)), seed)


def olivetti_faces(seed):
    return divided(*faces(), seed)


def silhouettes(seed):
    path = Path(os.environ["SKEBM_DATA"]) / "caltech101_silhouettes28.npz"
    with np.load(path) as data:
        X, X_test = (data[f"X_{part}"].astype(np.float32) for part in ("train", "test"))
        return X, data["y_train"], X_test, data["y_test"]


def some_of_mnist(n_rows, thresholded):
    def load(seed):
        X, y, X_test, y_test = mnist()
        rows = np.random.default_rng(seed).permutation(len(X))[:n_rows]
        X = X[rows]
        if thresholded:
            X, X_test = ((x > 127).astype(np.float32) for x in (X, X_test))
        else:
            X, X_test = (x / np.float32(255) for x in (X, X_test))
        return X, y[rows], X_test, y_test

    return load


def table(load, binarised):
    """Columns scaled to [0, 1], or thresholded at their medians."""

    def divided_table(seed):
        X, y, X_test, y_test = divided(*load(return_X_y=True), seed)
        if binarised:
            median = np.median(X, axis=0)
            X, X_test = ((x > median).astype(np.float32) for x in (X, X_test))
        else:
            scaler = MinMaxScaler(clip=True).fit(X)
            X, X_test = scaler.transform(X), scaler.transform(X_test)
        return X, y, X_test, y_test

    return divided_table


DATA = {
    "digits": digits,
    "shifted digits": shifted_digits,
    "faces": olivetti_faces,
    "silhouettes": silhouettes,
    **{
        f"MNIST {n}{' thresholded' * thresholded}": some_of_mnist(n, thresholded)
        for n in (1000, 5000, 60_000)
        for thresholded in (False, True)
    },
    **{
        f"{name}{' binarised' * binarised}": table(load, binarised)
        for name, load in (("cancer", load_breast_cancer), ("wine", load_wine))
        for binarised in (False, True)
    },
}

# None stands for the rows as they are.
FEATURES = {
    "none": None,
    "PCA, 100": PCA(100),
    "Nystroem": Nystroem(n_components=256),
    "skebm, untrained": BernoulliRBM(n_iter=0),
    "scikit-learn": SklearnRBM(),
    "skebm": BernoulliRBM(),
    "scikit-learn, example": SklearnRBM(**EXAMPLE),
    "skebm, example": BernoulliRBM(**EXAMPLE),
}
PAIRS = [("skebm", "scikit-learn"), ("skebm, example", "scikit-learn, example")]
CLASSIFIERS = {
    "as they are": LogisticRegression(),
    "standardised": make_pipeline(StandardScaler(), LogisticRegression()),
}


def log_likelihood(machine, X, X_test):
    """Mean over test rows: the value, and the two ends of its bracket."""
    if isinstance(machine, SklearnRBM):
        params = "components_", "intercept_hidden_", "intercept_visible_"
        machine = as_skebm([getattr(machine, name) for name in params], X)
    log_z = machine.log_partition("ais", n_betas=N_BETAS)
    F = machine.free_energy(X_test[:SCORED_ROWS]).mean(dtype=np.float64)
    return -F - log_z.value, -F - log_z.upper, -F - log_z.lower


def measured(transformer, data, seed):
    """Accuracy by each classifier, log-likelihood and bracket, seconds."""
    X, y, X_test, y_test = data
    H, H_test, seconds, likelihood = X, X_test, 0.0, (np.nan,) * 3
    if transformer is not None:
        transformer = clone(transformer).set_params(random_state=seed)
        if isinstance(transformer, PCA):
            transformer.n_components = min(transformer.n_components, *X.shape)
        begin = time.perf_counter()
        H, seconds = transformer.fit(X).transform(X), time.perf_counter() - begin
        H_test = transformer.transform(X_test)
    if isinstance(transformer, SklearnRBM | BernoulliRBM):
        likelihood = log_likelihood(transformer, X, X_test)
    accuracies = [c.fit(H, y).score(H_test, y_test) for c in CLASSIFIERS.values()]
    return [*accuracies, *likelihood, seconds]


def standard_error(values):
    return np.std(values, axis=0, ddof=1) / len(values) ** 0.5


def report(name, n_seeds):
    """Print a line for each kind of features; return the accuracies of all seeds."""
    found = {label: [] for label in FEATURES}
    for seed in range(n_seeds):
        data = DATA[name](seed)
        for label, transformer in FEATURES.items():
            found[label].append(measured(transformer, data, seed))
    print(f"{name}: {data[0].shape[0]} rows of {data[0].shape[1]}")
    for label, values in found.items():
        plain, scaled, value, low, high, seconds = np.mean(values, axis=0)
        errors = standard_error(values)
        accuracy = f"{plain:.3f} +- {errors[0]:.3f}"
        accuracy += f", standardised {scaled:.3f} +- {errors[1]:.3f}"
        likelihood = f"{value:8.2f} [{low:.2f}, {high:.2f}]"
        print(f"  {label:22} {accuracy}, {likelihood} {seconds:7.2f} s", flush=True)
    return {label: np.array(values)[:, :2] for label, values in found.items()}


def compare(found):
    """Print by how much the first of each pair is above the second, in points."""
    for ours, theirs in PAIRS:
        for column, classifier in enumerate(CLASSIFIERS):
            gains = {}
            for name, accuracies in found.items():
                gain = 100 * (accuracies[ours] - accuracies[theirs])[:, column]
                gains[name] = gain.mean(), standard_error(gain)
            losses = [
                f"{name} {gain:.1f} +- {error:.1f}"
                for name, (gain, error) in gains.items()
                if gain < -error
            ]
            print(
                f"{ours} above {theirs}, features {classifier}: in the mean "
                f"{np.mean([gain for gain, _ in gains.values()]):.1f} points; losses: "
                f"{', '.join(losses) or 'none'}"
            )


def main():
    # Of logistic regression, and of log Z, whose bracket is printed.
    warnings.simplefilter("ignore", ConvergenceWarning)
    options = [a for a in sys.argv[1:] if a.startswith("--")]
    names = [a for a in sys.argv[1:] if a not in options] or list(DATA)
    n_seeds = parsed(options).get("n_seeds", 5)
    if n_seeds < 2:
        sys.exit("Standard errors take at least two seeds.")
    compare({name: report(name, n_seeds) for name in names})


if __name__ == "__main__":
    main()
