"""What the second layer and wake-sleep add: bounds of held-out log-likelihoods.

    SKEBM_DATA=folder python benchmarks/wake_sleep.py [n_iter [up_down_iter]]

MNIST thresholded at 1/2: an RBM of 500 units, a DBN of 500 and 500 units on top of that
same machine, and the DBN after passes of wake-sleep. Of 2,000 test rows; with log Z of
the top machine from annealing in both directions.
"""

import sys
import time

from datasets import mnist

from skebm import DBN, BernoulliRBM

ANNEALING = {"n_betas": 2000, "n_runs": 100}


def main(n_iter=10, up_down_iter=5):
    X, _, X_test, _ = mnist()
    X, X_test = X[:50_000] > 127, X_test[:2000] > 127

    def report(name, machine, seconds):
        log_z = machine.log_partition("ais", **ANNEALING)
        # Less log Z with the default arguments, which the score has taken off.
        value = machine.score(X_test) + machine.log_partition("ais").value
        print(
            f"{name:12} {seconds:6.0f} s: {value - log_z.value:8.2f} "
            f"between {value - log_z.upper:.2f} and {value - log_z.lower:.2f}",
            flush=True,
        )

    rbm = BernoulliRBM(n_iter=n_iter, n_gibbs_steps=2)
    begin = time.perf_counter()
    dbn = DBN((500, 500), rbm=rbm, random_state=0).fit(X)
    seconds = time.perf_counter() - begin
    report("RBM", dbn.rbms_[0], seconds / 2)
    report("DBN, greedy", dbn, seconds)
    begin = time.perf_counter()
    dbn = DBN(
        (500, 500),
        rbm=rbm,
        up_down_iter=up_down_iter,
        random_state=0,
    ).fit(X)
    seconds = time.perf_counter() - begin
    report("wake-sleep", dbn, seconds)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
