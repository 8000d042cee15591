"""
A fit that is killed goes on as if nothing had happened
=======================================================

A long fit may die with its process: a crash, a power cut, a limit of a cluster. A
:class:`~skebm.Checkpoint` saves it while it goes on. Here a process is killed in the
middle of a fit, and a new one goes on from the file. The machine that results is the
same, bit for bit, as one whose fit was never interrupted.
"""

# %%
# A process that is killed
# ------------------------
# The program of the child process fits a machine, with a checkpoint every 5 epochs.
# After each epoch it prints the log-likelihood of 500 test images. After 13 epochs it
# waits, and is killed by a signal that no program can catch (SIGKILL).

import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skebm import BernoulliRBM, Checkpoint, HistoryMonitor

PROGRAM = """
import sys
from sklearn.datasets import load_digits
from skebm import BernoulliRBM, Checkpoint, HistoryMonitor

def report(rbm, X, y):
    print(rbm.score(digits[-500:]), flush=True)
    if rbm.n_iter_ == 13:
        sys.stdin.read()
    return {}

digits = load_digits().data > 7
rbm = BernoulliRBM(12, learning_rate=0.3, n_iter=30, random_state=0)
rbm.set_callbacks(Checkpoint(sys.argv[1], every=5), HistoryMonitor(scoring=report))
rbm.fit(digits[:-500])
"""

folder = tempfile.TemporaryDirectory()
file = Path(folder.name) / "digits.checkpoint"
killed = []
with subprocess.Popen(
    [sys.executable, "-c", PROGRAM, file],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
) as child:
    for line in child.stdout:
        killed.append(float(line))
        if len(killed) == 13:
            child.kill()
print(f"The child ended with the code {child.returncode} after {len(killed)} epochs.")

# %%
# Another process goes on
# -----------------------
# It needs the file and the rows, and begins where the last checkpoint was written. The
# epochs after that are made again.

digits = load_digits().data > 7


def monitor():
    """A callback that records the log-likelihood of the test images."""
    return HistoryMonitor(scoring=lambda rbm, X, y: {"test": rbm.score(digits[-500:])})


checkpoint, rest = Checkpoint(file), monitor()
n_saved = checkpoint.load().n_iter_
print(f"The checkpoint is of epoch {n_saved}.")
resumed = checkpoint.resume(digits[:-500], callbacks=[rest])
folder.cleanup()

# %%
# A fit without interruption
# --------------------------

whole = monitor()
rbm = BernoulliRBM(12, learning_rate=0.3, n_iter=30, random_state=0).set_callbacks(
    whole
)
rbm.fit(digits[:-500])
curves = [[row["test"] for row in logs.get_logs().data] for logs in (whole, rest)]
difference = np.abs(resumed.components_ - rbm.components_).max()
chains_equal = np.array_equal(resumed.h_samples_, rbm.h_samples_)
print(f"Largest difference of the weights: {difference}")
print(f"The Markov chains are in the same states: {chains_equal}")
print("Log-likelihood:", resumed.score(digits[-500:]), rbm.score(digits[-500:]))

# %%
# The learning curve
# ------------------

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
axis.axvline(n_saved, color="tab:blue", ls=":", label="last checkpoint")
epochs = np.arange(1, 31)
axis.plot(epochs, curves[0], color="0.8", lw=8, label="never interrupted")
axis.plot(epochs[:13], killed, color="tab:red")
axis.plot(13, killed[-1], "X", color="tab:red", ms=14, zorder=3, label="killed")
axis.plot(
    epochs[n_saved:],
    curves[1],
    color="tab:blue",
    marker="o",
    ms=4,
    label="resumed",
)
axis.set(
    xlabel="epoch",
    ylabel="log-likelihood of test images in nats",
    title=f"Largest difference of the weights at the end: {difference}",
)
axis.legend(loc="lower right")
plt.show()
