"""A deep Boltzmann machine on MNIST: bound of the log-likelihood, and its time.

    SKEBM_DATA=folder python benchmarks/dbm.py [model.joblib] [--parameter=value]

784-500-1000, trained on grey values from which visible units are drawn anew each time,
as DBM_ON_MNIST says; others can be given as in --n_iter=20, those of the machines of
the pretraining as in --rbm__n_iter=5. There is a line for each layer of the
pretraining, one for every 20 epochs, and one at the end: mean bounds of test rows that
were drawn once (1000 of them, and at the end all 10,000), the score and that by mean
field alone, with log Z from annealing in both directions. The model is kept in the file
that is named, if any, for benchmarks/classification.py. Where it is there already, only
the last line is printed.

Published bounds: -84.62 (Salakhutdinov & Hinton 2009, 500-1000), -86.37 after 249
minutes on a graphics card (the documentation of boltzmann-machines by yell, 512-1024).
"""

import sys
import time
from pathlib import Path

import joblib
import numpy as np
from datasets import grey_mnist_and_binary_test
from parameters import DBM_ON_MNIST, parsed

from skebm import DBM, BernoulliRBM

LINE_EPOCHS = 20

# Temperatures, runs and test rows on the way, and at the end.
SOME, ALL = (400, 100, 1000), (2000, 400, 10_000)

# Samples of the hidden layers for each row.
N_SAMPLES = 50


class Clock:
    """Callback that tells of each layer, and calls `report` now and then."""

    def __init__(self, report):
        self.report, self.begin, self.n_epochs = report, time.perf_counter(), 0

    def seconds(self):
        return time.perf_counter() - self.begin

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "layer":
            print(f"a layer is pretrained: {self.seconds():.0f} s", flush=True)
        if context.task_name != "epoch":
            return
        self.n_epochs += 1
        if self.n_epochs % LINE_EPOCHS == 0:
            so_far = self.seconds()
            self.report(fitted_estimator, so_far, *SOME)
            self.begin += self.seconds() - so_far


def main():
    file = None if len(sys.argv) < 2 or sys.argv[1].startswith("--") else sys.argv[1]
    params = DBM_ON_MNIST | parsed(sys.argv[1 + (file is not None) :])
    X, X_test = grey_mnist_and_binary_test()
    dbm = DBM(rbm=BernoulliRBM()).set_params(**params)
    print(dbm, flush=True)

    def report(fitted, seconds, n_betas, n_runs, n_rows):
        log_z = fitted.log_partition("ais", n_betas=n_betas, n_runs=n_runs)
        score, bound = (
            fitted.score_samples(X_test[:n_rows], n).mean(dtype=np.float64)
            for n in (N_SAMPLES, 0)
        )
        best, worst = (score + log_z.value - z for z in (log_z.lower, log_z.upper))
        print(
            f"{seconds:6.0f} s, epoch {fitted.n_iter_:3}: {score:8.2f} between "
            f"{worst:.2f} and {best:.2f}, by mean field {bound:.2f}; "
            f"{log_z.effective_samples:.1f} effective runs; dead units: "
            f"{fitted.history_['dead_units'][-1]:.0f}",
            flush=True,
        )

    if file is not None and Path(file).exists():
        report(joblib.load(file), 0.0, *ALL)
        return
    clock = Clock(report)
    dbm.set_callbacks(clock).fit(X)
    seconds = clock.seconds()
    dbm.set_callbacks()
    if file is not None:
        joblib.dump(dbm, file)
    report(dbm, seconds, *ALL)


if __name__ == "__main__":
    main()
