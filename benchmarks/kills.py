"""Fits that are killed at random moments and resumed: do they end as those in peace?

    OMP_NUM_THREADS=1 python benchmarks/kills.py [kills] [SEED]

Every estimator that skebm exports and that takes a checkpoint is fitted by processes of
its own, which SIGKILL ends after a random time, about the duration of the fit. Each one
goes on from the checkpoint that the last one left, until a fit ends; the next begins
anew. Each fit has to be what it is without kills, bit for bit. Kills are shared equally
among the estimators.
"""

import multiprocessing
import pickle
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from soak import SMALL, estimators

import skebm

# A fit has twice as many epochs until it lasts so long, in seconds, with checkpoints.
LEAST = 0.5

# Share of the usual duration after which a process is killed at the latest.
LATEST = 1.2

TOLD = "{} kills, {} fits, {} of these resumed, {} wrong"

PATIENCE = 60.0  # seconds for a process to begin

rng = np.random.default_rng(0)
X = (rng.random((200, 20)) < 0.4) * 1.0
X[:, 0] = Y = np.arange(len(X)) % 2


def kinds():
    """One of each kind that takes a checkpoint."""
    return [x for x in estimators() if hasattr(x, "set_callbacks")]


def longer(estimator, n_epochs):
    """The estimator with so many epochs, also of wake-sleep and of what it is made of.

    So that kills meet all of them.
    """
    names = {"n_iter", "max_iter", "up_down_iter", "rbm__n_iter", "random_state"}
    given = dict.fromkeys(names, n_epochs) | {"random_state": 0}
    known = estimator.get_params()
    return estimator.set_params(**{k: v for k, v in given.items() if k in known})


def fit_or_resume(index, n_epochs, folder, begun):
    """The work of a process that may be killed."""
    warnings.simplefilter("ignore")  # of fine-tuning that has not converged
    checkpoint = skebm.Checkpoint(folder / "fit")
    estimator = longer(kinds()[index], n_epochs)
    begun.set()
    if checkpoint.path.exists():
        model = checkpoint.resume(X, Y)
    else:
        model = estimator.set_callbacks(checkpoint).fit(X, Y)
    (folder / "unseen").write_bytes(pickle.dumps(model.set_callbacks()))
    (folder / "unseen").rename(folder / "result")


def everything(value):
    """All that is in a fitted estimator, in a form that can be compared."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return str(value.dtype), value.shape, value.tobytes()
    if isinstance(value, list | tuple | np.ndarray):
        return [everything(x) for x in value]
    if isinstance(value, dict):
        return {k: everything(v) for k, v in value.items() if k != "_skl_callbacks"}
    return everything(vars(value)) if hasattr(value, "__dict__") else repr(value)


class Killed:
    """A fit of one estimator by processes that are killed, as often as one likes."""

    def __init__(self, index, n_epochs, folder, context):
        self.job, self.folder, self.context = (index, n_epochs, folder), folder, context
        self.checkpoint, self.result = folder / "fit", folder / "result"

    def run(self, seconds=None):
        """One process, which is killed after so many seconds of its work.

        Return whether it was killed before its end, and the seconds.
        """
        begun = self.context.Event()
        process = self.context.Process(target=fit_or_resume, args=(*self.job, begun))
        process.start()
        if not begun.wait(PATIENCE):
            raise RuntimeError("A process has not begun.")
        begin = time.perf_counter()
        process.join(seconds)
        taken = time.perf_counter() - begin
        process.kill()
        process.join()
        if process.exitcode not in {0, -signal.SIGKILL}:
            raise RuntimeError(f"A process ended with {process.exitcode}.")
        return process.exitcode == -signal.SIGKILL, taken

    def model(self):
        """What the fit that has ended has left; the next one begins anew."""
        found = everything(pickle.loads(self.result.read_bytes()))
        self.result.unlink()
        self.checkpoint.unlink()
        return found


def in_peace(index, folder, context):
    """A fit that lasts long enough, its duration and what it leaves."""
    n_epochs = 2 * SMALL["n_iter"]
    while True:
        fit = Killed(index, n_epochs, folder, context)
        _, seconds = fit.run()
        model = fit.model()
        if seconds > LEAST:
            return fit, seconds, model
        n_epochs *= 2


def killed(index, n_kills, context, draws):
    """Kill fits of one estimator so often.

    Return the number of fits that ended, of these that were killed on their way, and of
    these that are not what they should be.
    """
    with tempfile.TemporaryDirectory() as folder:
        fit, seconds, expected = in_peace(index, Path(folder), context)
        left, n_fits, n_killed, n_wrong, on_its_way = n_kills, 0, 0, 0, False
        while left > 0 or fit.checkpoint.exists():
            last = draws.uniform(0.0, LATEST * seconds) if left > 0 else None
            now, _ = fit.run(last)
            left -= now
            on_its_way |= now and fit.checkpoint.exists() and not fit.result.exists()
            if fit.result.exists():
                n_fits, n_killed = n_fits + 1, n_killed + on_its_way
                n_wrong, on_its_way = n_wrong + (fit.model() != expected), False
    return n_fits, n_killed, n_wrong


def main():
    n_kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["skebm"])
    draws, sums = np.random.default_rng(seed), np.zeros(3, int)
    names = [type(x).__name__ for x in kinds()]
    each = -(-n_kills // len(names))
    for index, name in enumerate(names):
        found = killed(index, each, context, draws)
        sums += found
        print(f"{name:16}", TOLD.format(each, *found), flush=True)
    print(TOLD.format(each * len(names), *sums))
    sys.exit(int(sums[2] > 0))


if __name__ == "__main__":
    main()
