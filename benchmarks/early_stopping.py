"""What early stopping costs, and how near it comes to the best epoch.

    python benchmarks/early_stopping.py

Digits that are on or off, 1400 rows to fit and 397 to test. There is a line for each
case and seed: the mean log-likelihood of test rows after the best epoch and after the
last one of a fit without early stopping, and with the parameters that early stopping
keeps; the epochs that it ran, and how many it looked at; and the seconds of both fits.
A tenth of the rows is held out of the second fit, and not of the first.
"""

import time
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from skebm import BernoulliRBM, HistoryMonitor

# Hidden units, epochs, schedule of the learning rate.
CASES = [
    (16, 60, "cosine"),
    (64, 100, "cosine"),
    (256, 30, "cosine"),
    (256, 100, "cosine"),
    (256, 100, "constant"),
]
N_BETAS, SEEDS = 1000, (0, 1)


def timed_fit(rbm, X):
    begin = time.perf_counter()
    rbm.fit(X)
    return time.perf_counter() - begin


def score(rbm, X):
    """Mean log-likelihood: log Z with more temperatures than by default."""
    rbm.log_partition(n_betas=N_BETAS)
    return rbm.score(X)


def main():
    warnings.simplefilter("ignore", ConvergenceWarning)  # of the noisy first epochs
    X = load_digits().data > 7
    X, X_test = X[:1400], X[1400:]
    for n_hidden, n_iter, schedule in CASES:
        for seed in SEEDS:
            plain = BernoulliRBM(n_hidden, n_iter=n_iter, random_state=seed)
            plain.set_params(learning_rate_schedule=schedule)
            seconds = timed_fit(plain, X)
            monitor = HistoryMonitor(
                scoring=lambda rbm, X, y: {"test": score(rbm, X_test)}
            )
            plain.set_callbacks(monitor).fit(X)
            curve = [row["test"] for row in monitor.get_logs().data]
            stopped = plain.set_callbacks().set_params(early_stopping=True)
            stopping_seconds = timed_fit(stopped, X)
            looks = np.isfinite(stopped.history_["validation_log_likelihood"]).sum()
            print(
                f"{n_hidden:3} units, {n_iter:3} epochs, {schedule:8}, seed {seed}: "
                f"best {max(curve):.2f} (epoch {1 + int(np.argmax(curve))}), last "
                f"{curve[-1]:.2f}, kept {score(stopped, X_test):.2f} "
                f"({stopped.n_iter_} epochs, {looks} looked at); {seconds:.1f} s and "
                f"{stopping_seconds:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
