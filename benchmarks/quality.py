"""Time to quality: held-out log-likelihood against seconds of training.

    SKEBM_DATA=folder python benchmarks/quality.py [n_iter [n_gibbs_steps]]

MNIST thresholded at 1/2, 50,000 rows, 500 hidden units, float32. One line per minute of
training (without the time for the measurement), with log Z from annealing in both
directions; then scikit-learn's BernoulliRBM with the same number of epochs and its own
other defaults, its parameters scored in the same way.

Published for 500 hidden units: -84.86 by forward and -96.61 by reverse annealing after
78 minutes (PyDeep's documentation).
"""

import sys
import time

import numpy as np
from datasets import mnist
from sklearn.neural_network import BernoulliRBM as SklearnRBM

from skebm import BernoulliRBM

ANNEALING = {"n_betas": 2000, "n_runs": 100}


class EachMinute:
    """Callback that calls `report` after each minute that is spent in epochs."""

    def __init__(self, report):
        self.report, self.seconds, self.begin = report, 0.0, None

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.begin = time.perf_counter()

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "epoch":
            before = self.seconds
            self.seconds += time.perf_counter() - self.begin
            if self.seconds // 60 > before // 60:
                self.report("skebm", fitted_estimator, self.seconds)


def as_skebm(other, X):
    """A machine of ours with the parameters of scikit-learn's."""
    rbm = BernoulliRBM(other.components_.shape[0], n_iter=0, random_state=0).fit(X)
    for name in ("components_", "intercept_hidden_", "intercept_visible_"):
        setattr(rbm, name, getattr(other, name).astype(np.float32))
    rbm.h_samples_ = other.h_samples_.astype(np.float32)
    return rbm


def main(n_iter=20, n_gibbs_steps=2):
    X, _, X_test, _ = mnist()
    X, X_test = X[:50_000] > 127, X_test > 127

    def report(name, rbm, seconds):
        log_z = rbm.log_partition("ais", **ANNEALING)
        F = rbm.free_energy(X_test).mean(dtype=np.float64)
        print(
            f"{name:13} {seconds:6.0f} s, epoch {rbm.n_iter_:3}: "
            f"{-F - log_z.value:8.2f} between {-F - log_z.upper:.2f} "
            f"and {-F - log_z.lower:.2f}, {log_z.effective_samples:.1f} effective runs",
            flush=True,
        )

    clock = EachMinute(report)
    rbm = BernoulliRBM(
        500, n_iter=n_iter, n_gibbs_steps=n_gibbs_steps, random_state=0
    ).set_callbacks(clock)
    rbm.fit(X)
    report("skebm", rbm.set_callbacks(), clock.seconds)

    other = SklearnRBM(500, batch_size=100, n_iter=n_iter, random_state=0)
    begin = time.perf_counter()
    other.fit(X.astype(np.float32))
    seconds = time.perf_counter() - begin
    same = as_skebm(other, X)
    same.n_iter_ = n_iter
    report("scikit-learn", same, seconds)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
