"""Fits, queries and pickles of all estimators in one process: is anything left behind?

    python benchmarks/soak.py [minutes] [SEED]

Each round fits every estimator that skebm exports to new rows, goes on by partial_fit,
asks it for scores and samples, and pickles it; every tenth also writes a checkpoint and
resumes from it. After a first tenth of the time, resident memory, open files and
threads are noted once a round. At the end they are compared with those of that moment:
resident memory should be flat within 2 %, the others the same.
"""

import gc
import inspect
import os
import pickle
import statistics
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, clone

import skebm

SMALL = {
    "n_components": 16,
    "hidden_layer_sizes": (16, 8),
    "n_iter": 2,
    "max_iter": 2,
}
N_ROWS, N_COLUMNS = 200, 20
QUERIES = "transform", "predict_proba", "predict", "score_samples", "reconstruct"

# Share of the time that is left to caches and memory pools to fill.
WARM_UP = 0.1

# Share by which resident memory may grow.
ALLOWED = 0.02

PAGE, PROC = os.sysconf("SC_PAGE_SIZE"), Path("/proc/self")


def estimators():
    """One of each kind, small."""
    for name in skebm.__all__:
        kind = getattr(skebm, name)
        if inspect.isclass(kind) and issubclass(kind, BaseEstimator):
            params = kind().get_params(deep=False)
            estimator = kind(**{k: v for k, v in SMALL.items() if k in params})
            for part in {"rbm", "estimator"} & set(params):
                estimator.set_params(**{part: skebm.BernoulliRBM(n_iter=1)})
            yield estimator


def use(estimator, X, y, with_checkpoint):
    """All that is done with an estimator in a round."""
    if with_checkpoint and hasattr(estimator, "set_callbacks"):
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = skebm.Checkpoint(Path(folder) / "soak.checkpoint")
            estimator.set_callbacks(checkpoint).fit(X, y)
            estimator = checkpoint.resume(X, y).set_callbacks()
    else:
        estimator.fit(X, y)
    if hasattr(estimator, "partial_fit"):
        estimator.partial_fit(X, y)
    for name in QUERIES:
        if hasattr(estimator, name):
            getattr(estimator, name)(X)
    if hasattr(estimator, "sample"):
        estimator.sample(5)
    pickle.loads(pickle.dumps(estimator))


def used():
    """Resident memory in bytes, open files, and threads."""
    gc.collect()
    pages = int((PROC / "statm").read_text().split()[1])
    return pages * PAGE, len(list((PROC / "fd").iterdir())), threading.active_count()


def soak(minutes, seed):
    """What is used after each round, and when each ended, in seconds."""
    rng, begin, notes = np.random.default_rng(seed), time.perf_counter(), []
    n_rounds = 0
    while (now := time.perf_counter() - begin) < 60.0 * minutes:
        X = (rng.random((N_ROWS, N_COLUMNS)) < 0.4).astype(rng.choice(["f4", "f8"]))
        X[:, 0] = y = np.arange(N_ROWS) % 2
        for estimator in estimators():
            if "random_state" in estimator.get_params(deep=False):
                estimator.set_params(random_state=int(rng.integers(2**31)))
            use(clone(estimator), X, y, with_checkpoint=n_rounds % 10 == 0)
        n_rounds += 1
        notes.append((now, *used()))
    return notes


def main():
    warnings.simplefilter("ignore")
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    notes = soak(minutes, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    warm = [note for note in notes if note[0] >= 60.0 * WARM_UP * minutes]
    n = max(1, len(warm) // 10)
    first, last = (
        [statistics.median(x) for x in zip(*part, strict=True)]
        for part in (warm[:n], warm[-n:])
    )
    print(f"{len(notes)} rounds in {minutes:g} minutes")
    for name, at, divisor in (
        ("memory, MB", 1, 2**20),
        ("files", 2, 1),
        ("threads", 3, 1),
    ):
        before, after = first[at] / divisor, last[at] / divisor
        print(f"{name:>12}: {before:8.1f} after a tenth of the time, {after:8.1f} now")
    grown = last[1] / first[1] - 1.0
    print(f"resident memory has changed by {grown:+.2%}; {ALLOWED:.0%} is allowed")
    sys.exit(grown > ALLOWED or last[2] > first[2] or last[3] > first[3])


if __name__ == "__main__":
    main()
