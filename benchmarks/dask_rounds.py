"""Fits to rows that are spread over a Dask cluster: quality, cost, memory.

    python benchmarks/dask_rounds.py quality [epochs] [hidden units]
    python benchmarks/dask_rounds.py cost [hidden units] [parts]
    python benchmarks/dask_rounds.py disk [rows]

"quality" is the mean log-likelihood of the test rows of thresholded MNIST after as many
epochs, by annealed importance sampling, for one machine and for 8 parts on 2 workers,
by the minibatches in a round. "cost" are the seconds of a round, and the bytes that
workers send each other, beside what the model in the guide says. "disk" is an epoch
over rows of 784 bits, packed in memory-mapped files, 100,000 rows each, by 2 workers,
and the memory of each; 10,000,000 rows by default, which are 980 MB on disk.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from dask import delayed
from datasets import mnist
from distributed import Client, LocalCluster

import skebm.dask
from skebm import BernoulliRBM

N_PARTS, N_WORKERS, N_COLUMNS = 8, 2, 784

# Rows in the batches of a part, learning rate, steps in a round, chains of a part; None
# is the default. Eight times 12 rows are the 100 of one machine. In 375 steps a part of
# 7500 rows is through with batches of 20, and in 625 with those of 12.
POINTS = [
    *((None, 0.1, steps, None) for steps in (5, 25, 100, 375)),
    *((None, rate, 25, None) for rate in (0.2, 0.4)),
    *((12, 0.1, steps, None) for steps in (5, 25, 100, 375)),
    *((12, rate, 25, None) for rate in (0.2, 0.4)),
    *((12, 0.1, steps, 12) for steps in (5, 25, 100, 375)),
]


def cluster(**params):
    return LocalCluster(
        n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=":0", **params
    )


def line(name, rbm, fit, test):
    """Fit, and print a line of the table."""
    begin = time.perf_counter()
    fit(rbm)
    seconds = time.perf_counter() - begin
    found = rbm.log_partition("ais", n_betas=2000, n_runs=100)
    score = -rbm.free_energy(test).mean(dtype=np.float64) - found.value
    print(f"{name:42} {score:9.2f} +- {found.std_error:.2f} {seconds:8.0f}", flush=True)


def quality(n_iter=10, n_hidden=128):
    X, _, test, _ = mnist()
    X, test = (X > 127).astype(np.uint8), (test > 127).astype(np.uint8)

    def new(**params):
        return BernoulliRBM(n_hidden, n_iter=n_iter, random_state=0, **params)

    print(f"{n_hidden} hidden units, {n_iter} epochs")
    print(f"{'':42} {'test nats':>9} {'':7} {'seconds':>8}")
    for batch_size, rate in ((100, 0.1), (100, 0.2), (20, 0.1), (12, 0.1)):
        name = f"one machine, batches of {batch_size}, rate {rate}"
        rbm = new(batch_size=batch_size, learning_rate=rate)
        line(name, rbm, lambda rbm: rbm.fit(X), test)
    with cluster() as workers, Client(workers) as client:
        rows = client.scatter(np.split(X, N_PARTS))
        for batch_size, rate, steps, n_chains in POINTS:

            def fit(rbm, steps=steps):
                skebm.dask.fit(rbm, rows, steps_per_round=steps)

            name = f"8 parts, of {batch_size or 20}, {steps} in a round"
            name += f", rate {rate}" * (rate != 0.1)
            name += f", {n_chains} chains" * (n_chains is not None)
            params = {"learning_rate": rate, "n_chains": n_chains}
            rbm = new(batch_size=batch_size or "auto", **params)
            line(name, rbm, fit, test)


def received(dask_worker):
    """Bytes that a worker has had from others."""
    return sum(transfer["total"] for transfer in dask_worker.transfer_incoming_log)


def cost(n_hidden=500, n_parts=8):
    """Seconds and bytes of a round, of one step and of ten."""
    rng = np.random.default_rng(0)
    with cluster() as workers, Client(workers) as client:
        shape = (n_parts, 1000, N_COLUMNS)
        rows = client.scatter(list(rng.integers(0, 2, shape, dtype=np.uint8)))
        for steps in (1, 10):
            measure(client, rows, n_hidden, n_parts, steps)


def measure(client, rows, n_hidden, n_parts, steps):
    """Of two epochs more, so that nothing is counted that is done once."""
    found = {}
    for n_iter in (1, 3):
        rbm = BernoulliRBM(n_hidden, batch_size=100, n_iter=n_iter, random_state=0)
        before, begin = client.run(received), time.perf_counter()
        skebm.dask.fit(rbm, rows, steps_per_round=steps)
        seconds, after = time.perf_counter() - begin, client.run(received)
        found[n_iter] = seconds, sum(after.values()) - sum(before.values())
    # 10 steps are an epoch of a part: in as many rounds as there are.
    n_rounds = 2 * 10 // steps
    seconds, n_bytes = (b - a for a, b in zip(found[1], found[3], strict=True))
    params = 4 * (N_COLUMNS * n_hidden + N_COLUMNS + n_hidden)
    print(
        f"{n_hidden:5} hidden units, {n_parts:3} parts, {steps:3} steps: "
        f"{seconds / n_rounds:6.3f} s a round, "
        f"{n_bytes / n_rounds / params:5.2f} times the params of "
        f"{params / 1e6:.2f} MB between workers; the first epoch {found[1][0]:.1f} s",
        flush=True,
    )


def unpacked(path):
    """The rows of a file of packed bits."""
    return np.unpackbits(np.load(path, mmap_mode="r"), axis=1, count=N_COLUMNS)


def peak(dask_worker):
    """Highest memory that a worker has had so far, in MB: all that is resident."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def disk(n_rows=10_000_000, n_hidden=32, rows_of_part=100_000):
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i}.npy" for i in range(n_rows // rows_of_part)]
        for path in paths:
            shape = (rows_of_part, N_COLUMNS // 8)
            np.save(path, rng.integers(0, 256, shape, dtype=np.uint8))
        with cluster() as workers, Client(workers) as client:
            print(f"workers before: {client.run(peak)} MB", flush=True)
            rbm = BernoulliRBM(n_hidden, n_iter=1, random_state=0)
            begin = time.perf_counter()
            parts = [delayed(unpacked)(path) for path in paths]
            skebm.dask.fit(rbm, parts, steps_per_round=1000)
            seconds = time.perf_counter() - begin
            print(
                f"{n_rows:,} x {N_COLUMNS} bits, one epoch: {seconds:.0f} s; "
                f"peak memory of the workers {client.run(peak)} MB",
                flush=True,
            )


if __name__ == "__main__":
    modes = {"quality": quality, "cost": cost, "disk": disk}
    if len(sys.argv) < 2 or sys.argv[1] not in modes:
        sys.exit(__doc__)
    modes[sys.argv[1]](*map(int, sys.argv[2:]))
