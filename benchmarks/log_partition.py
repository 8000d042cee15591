"""log Z of a trained machine: how honest the brackets are, and how long they take.

    SKEBM_DATA=folder python benchmarks/log_partition.py [n_betas [n_seeds]]

A default fit of thresholded MNIST, 500 hidden units and 20 epochs. Annealing from a
mixture, as `log_partition` does it, takes turns with the usual annealing from
independent units, which has its reverse runs from the chains of the fit. Both have 800
inverse temperatures, or as many as are given, and other random numbers every time.
First come long annealings in both ways; the mean of those from a mixture is what
brackets should hold. Last is log Z as the cautious scores of 100 test rows
have it.
"""

import sys
import time
from statistics import mean, median

from datasets import mnist

from skebm import BernoulliRBM
from skebm.core import mixture_annealing, partition, tempering
from skebm.core.streams import Purpose, stream

N_BETAS, N_RUNS, N_SEEDS, LONG, N_LONG = 800, 100, 10, 5000, 2

# Temperatures of the cautious scores.
CAUTIOUS = (800, 5000)


def parts(rbm):
    """The core's machine, and biases of independent units with the data's means."""
    machine = rbm._machine()
    base = tempering.base_biases(machine.units, machine.params, rbm._data_mean())
    return machine, base


def from_mixture(rbm, n_betas, draws):
    """log Z as `log_partition` finds it, by other random numbers."""
    machine, base = parts(rbm)
    chains = rbm._read_chains()
    return mixture_annealing.annealed(machine, base, chains, N_RUNS, n_betas, draws)


def from_independent_units(rbm, n_betas, draws):
    """log Z by the usual annealing, as many Gibbs steps before the reverse runs."""
    machine, base = parts(rbm)
    samples = partition.settled(machine, rbm._read_chains(), N_RUNS, n_betas, draws)
    return partition.annealed(machine, base, samples, n_betas, draws)


WAYS = {"mixture": from_mixture, "independent": from_independent_units}


def estimate(way, rbm, n_betas, seed):
    """log Z with the random numbers of a seed, and the seconds it took."""
    draws = stream(seed, Purpose.PARTITION, rbm.intercept_visible_)
    begin = time.perf_counter()
    return WAYS[way](rbm, n_betas, draws), time.perf_counter() - begin


def main(n_betas=N_BETAS, n_seeds=N_SEEDS):
    X, _, X_test, _ = mnist()
    X, some = ((x > 127).astype("float32") for x in (X, X_test[:100]))
    rbm = BernoulliRBM(500, n_iter=20, random_state=0).fit(X)
    long = {way: [] for way in WAYS}
    for way, found in long.items():
        for seed in range(1000, 1000 + N_LONG):
            z, seconds = estimate(way, rbm, LONG, seed)
            found.append(z.value)
            print(
                f"{way}, {LONG} temperatures: {z.value:.2f} +- {z.std_error:.2f} "
                f"[{z.lower:.2f}, {z.upper:.2f}] {seconds:.0f} s",
                flush=True,
            )
    true = mean(long["mixture"])
    results = {way: [] for way in WAYS}
    for seed in range(n_seeds):
        for way, found in results.items():
            found.append(estimate(way, rbm, n_betas, seed))
    print(
        f"\n{'':12} {'value':>14} {'s.d.':>6} {'holds':>7} {'width':>6} {'seconds':>8}"
    )
    for way, pairs in results.items():
        values = [z.value for z, _ in pairs]
        spread = mean((v - mean(values)) ** 2 for v in values) ** 0.5
        holds = sum(z.lower <= true <= z.upper for z, _ in pairs)
        width = median(z.upper - z.lower for z, _ in pairs)
        seconds = median(s for _, s in pairs)
        print(
            f"{way:12} {mean(values):14.2f} {spread:6.2f} {holds:4}/{n_seeds}"
            f" {width:6.2f} {seconds:8.2f}"
        )
    print("\nlog Z by the cautious scores of 100 test rows:")
    log_p = -rbm.free_energy(some).mean()
    for n_cautious in CAUTIOUS:
        found = []
        for seed in range(n_seeds):
            scores = rbm.cautious_score_samples(
                some, n_betas=n_cautious, random_state=seed
            )
            found.append(log_p - scores.mean())
        print(f"{n_cautious:6} temperatures: {min(found):.2f} to {max(found):.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
