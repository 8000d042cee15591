"""log Z of a trained machine: how honest the brackets are, and how long they take.

    SKEBM_DATA=folder python benchmarks/log_partition.py

A default fit of thresholded MNIST, 500 hidden units and 20 epochs. Annealing and
tempered chains take turns, with 800 inverse temperatures each and other random numbers
every time. What they should hold is the estimate of two long annealings. Last comes
log Z as the cautious scores of 100 test rows have it, which should be above that.
"""

import time
import warnings
from statistics import mean, median

from datasets import mnist
from sklearn.exceptions import ConvergenceWarning

from skebm import BernoulliRBM

N_BETAS, N_SEEDS, LONG, N_LONG = 800, 10, 20_000, 2

# Temperatures of the cautious scores.
CAUTIOUS = (800, 5000)


def estimate(rbm, method, n_betas, seed):
    """log Z with the random numbers of another seed, and the seconds it took."""
    rbm._seed = seed  # that of the fit is drawn once, and no option
    begin = time.perf_counter()
    with warnings.catch_warnings():  # of wide brackets: they are printed
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = rbm.log_partition(method, n_betas=n_betas)
    rbm._log_partitions = {}
    return found, time.perf_counter() - begin


def main():
    X, _, X_test, _ = mnist()
    X, some = ((x > 127).astype("float32") for x in (X, X_test[:100]))
    rbm = BernoulliRBM(500, n_iter=20, random_state=0).fit(X)
    long = [estimate(rbm, "ais", LONG, 1000 + k)[0] for k in range(N_LONG)]
    for found in long:
        print(
            f"ais, {LONG} temperatures: {found.value:.2f} +- {found.std_error:.2f} "
            f"[{found.lower:.2f}, {found.upper:.2f}]"
        )
    true = mean(found.value for found in long)
    results = {"ais": [], "tempering": []}
    for seed in range(N_SEEDS):
        for method, found in results.items():
            found.append(estimate(rbm, method, N_BETAS, seed))
    print(
        f"\n{'':10} {'value':>14} {'s.d.':>6} {'holds':>7} {'width':>6} {'seconds':>8}"
    )
    for method, pairs in results.items():
        values = [z.value for z, _ in pairs]
        spread = mean((v - mean(values)) ** 2 for v in values) ** 0.5
        holds = sum(z.lower <= true <= z.upper for z, _ in pairs)
        width = median(z.upper - z.lower for z, _ in pairs)
        seconds = median(s for _, s in pairs)
        print(
            f"{method:10} {mean(values):14.2f} {spread:6.2f} {holds:4}/{N_SEEDS}"
            f" {width:6.2f} {seconds:8.2f}"
        )
    print("\nlog Z by the cautious scores of 100 test rows:")
    log_p = -rbm.free_energy(some).mean()
    for n_betas in CAUTIOUS:
        found = []
        for seed in range(N_SEEDS):
            scores = rbm.cautious_score_samples(
                some, n_betas=n_betas, random_state=seed
            )
            found.append(log_p - scores.mean())
        print(f"{n_betas:6} temperatures: {min(found):.2f} to {max(found):.2f}")


if __name__ == "__main__":
    main()
