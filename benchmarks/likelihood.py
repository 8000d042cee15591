"""Log-likelihoods of training, validation and test rows, log Z from both directions.

    SKEBM_DATA=folder python benchmarks/likelihood.py [name ...]

Names are those of CASES: files in the folder's `binary`, "caltech101_silhouettes28", a
file of the folder itself, and "mnist", thresholded at 1/2. Of a few numbers of epochs,
CASES has the one with the highest lower end of the bracket of the validation rows; for
dna and voting, of a few initial activations too.

nltcs has 16 variables, so that its log Z is known exactly: there the bracket can be
judged. The bracket encloses forward annealing, reverse annealing and Bennett's
estimate, each with two standard errors. Where it is wide, the value in it means little.
"""

import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from datasets import mnist
from sklearn.exceptions import ConvergenceWarning

from skebm import BernoulliRBM

# Hidden units, epochs, learning rate and initial activation for each set; the other
# parameters are the defaults, but for the Gibbs steps and for larger batches, as the
# epochs are many.
CASES = {
    "nltcs": (100, 100, 0.1, 0.1),
    "plants": (500, 30, 0.1, 0.1),
    "jester": (500, 30, 0.1, 0.1),
    "accidents": (500, 100, 0.1, 0.1),
    "mushrooms": (500, 100, 0.1, 0.1),
    "dna_nade": (500, 300, 0.1, 0.5),
    "voting": (20, 100, 0.01, 0.5),
    "caltech101_silhouettes28": (500, 50, 0.1, 0.1),
    "mnist": (500, 10, 0.1, 0.1),
}
N_GIBBS_STEPS, BATCH_SIZE = 5, 100
ANNEALING = {"n_betas": 2000, "n_runs": 400}

# Test log-likelihoods. mushrooms, dna: Germain et al. (2015), with small RBMs. Caltech
# silhouettes: Cho et al., as quoted by others. MNIST: PyDeep's documentation, 500
# hidden units and 200 epochs.
PUBLISHED = {
    "mushrooms": "RBM -15.15, NADE -9.81",
    "dna_nade": "RBM -96.74, NADE -84.81",
    "caltech101_silhouettes28": "RBM -107.8",
    "mnist": "RBM -84.86 forward, -96.61 reverse",
}


def load(name):
    """Training, validation and test rows of 0 and 1."""
    if name == "mnist":
        X_train, _, X_test, _ = mnist()
        return X_train[:50_000] > 127, X_train[50_000:] > 127, X_test > 127
    folder, prefix = Path(os.environ["SKEBM_DATA"]), "X_"
    if not name.startswith("caltech"):
        folder, prefix = folder / "binary", ""
    with np.load(folder / f"{name}.npz") as data:
        return tuple(data[prefix + part] for part in ("train", "valid", "test"))


def timed(function, *args, **kwargs):
    """What the function returns, and the seconds it took."""
    begin = time.perf_counter()
    result = function(*args, **kwargs)
    return result, time.perf_counter() - begin


def report(name):
    train, valid, test = load(name)
    n_hidden, n_iter, learning_rate, initial_activation = CASES[name]
    rbm = BernoulliRBM(
        n_hidden,
        learning_rate=learning_rate,
        n_iter=n_iter,
        n_gibbs_steps=N_GIBBS_STEPS,
        batch_size=BATCH_SIZE,
        initial_activation=initial_activation,
        random_state=0,
    )
    rbm, fit_seconds = timed(rbm.fit, train)
    log_z, seconds = timed(rbm.log_partition, "ais", **ANNEALING)
    exact = rbm.log_partition() if min(n_hidden, train.shape[1]) <= 20 else None
    print(
        f"{name}: {n_hidden} hidden, {n_iter} epochs in {fit_seconds:.0f} s;", end=" "
    )
    print(f"log Z in {seconds:.1f} s, {log_z.effective_samples:.1f} effective runs")
    for part, X in (("train", train[:10_000]), ("valid", valid), ("test", test)):
        F = rbm.free_energy(X).mean(dtype=np.float64)
        print(f"  {part:6} {-F - log_z.value:8.2f}", end="  ")
        print(f"between {-F - log_z.upper:.2f} and {-F - log_z.lower:.2f}", end="")
        print("" if exact is None else f", exactly {-F - exact.value:.2f}", flush=True)
    if name in PUBLISHED:
        print(f"  published, test: {PUBLISHED[name]}", flush=True)


def main():
    warnings.simplefilter("ignore", ConvergenceWarning)  # the bracket is printed
    for name in sys.argv[1:] or CASES:
        report(name)


if __name__ == "__main__":
    main()
