"""Is a deep Boltzmann machine behind, or only its bound? On 20,000 rows of MNIST.

    SKEBM_DATA=folder python benchmarks/dbm_bound.py

784-200-400, on grey values from which visible units are drawn anew each time. For test
rows that were drawn once: the bound by mean field, the scores by importance sampling
from it, and the log-likelihood by annealing the hidden layers of each row. Beside it
are machines of one hidden layer, with as many units as the first layer, and with as
many weights as both, for as many epochs.
"""

import time

import numpy as np
from datasets import grey_mnist_and_binary_test

from skebm import DBM, BernoulliRBM

N_ROWS, N_TEST, PRETRAINING, JOINT = 20_000, 200, 8, 20
COMMON = {"n_gibbs_steps": 3, "sample_inputs": True, "random_state": 0}
N_BETAS = 2000


def line(name, values, begin):
    print(f"{name:34} {np.mean(values):8.2f} {time.perf_counter() - begin:6.0f} s")


def main():
    X, X_test = grey_mnist_and_binary_test()
    X, X_test = X[:N_ROWS], X_test[:N_TEST].astype(np.float32)
    begin = time.perf_counter()
    rbm = BernoulliRBM(n_iter=PRETRAINING, sample_inputs=True)
    dbm = DBM((200, 400), rbm=rbm, n_iter=JOINT, learning_rate=0.04, **COMMON)
    dbm.set_params(n_mean_field_steps=10).fit(X)
    print(dbm.log_partition("ais", n_betas=N_BETAS)[:3])
    line("DBM 200-400, mean field", dbm.score_samples(X_test, 0), begin)
    for n_samples in (1, 20, 1000):
        found = dbm.score_samples(X_test, n_samples)
        line(f"the same, {n_samples} samples", found, begin)
    for n_betas in (200, 1000):
        found = dbm.annealed_score_samples(X_test, n_betas=n_betas)
        line(f"the same, {n_betas} temperatures", found, begin)
    for n_components in (200, 325):
        begin = time.perf_counter()
        rbm = BernoulliRBM(n_components, n_iter=PRETRAINING + JOINT, **COMMON).fit(X)
        print(rbm.log_partition("ais", n_betas=N_BETAS)[:3])
        line(f"RBM {n_components}", rbm.score_samples(X_test), begin)


if __name__ == "__main__":
    main()
