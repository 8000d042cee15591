"""
A fit that may take less memory than its data
=============================================

Rows may be in a file that is mapped into memory: a fit reads a batch at a time, and
makes no copy of the whole. Here 300,000 images of 784 pixels, a file of 235 MB, are
learnt by a process that may take no more than 100 MB for them. In the same way a file
can be learnt that is larger than the memory of the computer.
"""

# %%
# A large file
# ------------
# Images of 28 x 28 pixels that are on or off, one byte each: scikit-learn's digits,
# enlarged, shifted at random, and with 2 % of the pixels flipped. The file is written
# in parts.

import subprocess
import sys
import tempfile
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skebm import ReconstructionDisplay

N_ROWS, PART = 300_000, 10_000

digits = load_digits().images > 7
large = np.pad(digits.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (4, 4), (4, 4)))
rng = np.random.default_rng(0)

folder = tempfile.TemporaryDirectory()
file = Path(folder.name) / "rows.npy"
rows = np.lib.format.open_memmap(file, "w+", dtype=np.uint8, shape=(N_ROWS, 784))
windows = np.lib.stride_tricks.sliding_window_view(large, (28, 28), axis=(1, 2))
for start in range(0, N_ROWS, PART):
    down, right = rng.integers(0, 5, (2, PART))
    images = windows[rng.integers(0, len(digits), PART), down, right]
    flipped = rng.integers(0, 50, (PART, 784), dtype=np.uint8) == 0
    rows[start : start + PART] = images.reshape(PART, 784) ^ flipped
rows.flush()
del rows
print(f"The file has {file.stat().st_size / 1e6:.0f} MB.")

# %%
# A process with little memory
# ----------------------------
# The program limits its memory to what it has when it starts, and 100 MB more. (This is
# for Linux. Pages of the mapped file do not count: the system drops them when it needs
# the room.) Reading the whole file is then an error, and so is a fit by scikit-learn's
# machine, which makes a copy of all rows as floats. How much a fit by skebm takes at
# most, ``tracemalloc`` tells.

PROGRAM = """
import resource, sys, tracemalloc
from pathlib import Path
import joblib
import numpy as np
from sklearn.neural_network import BernoulliRBM as SklearnRBM
from skebm import BernoulliRBM

status = Path("/proc/self/status").read_text()
now = 1024 * int(status.split("VmData:")[1].split()[0])
resource.setrlimit(resource.RLIMIT_DATA, (now + 100_000_000,) * 2)

X = np.load(sys.argv[1], mmap_mode="r")
for name, call in {
    "reading all": lambda: np.array(X),
    "a fit by scikit-learn": lambda: SklearnRBM(64, n_iter=1).fit(X),
}.items():
    try:
        call()
    except MemoryError:
        print(name + ": MemoryError")

tracemalloc.start()
rbm = BernoulliRBM(64, n_iter=1, random_state=0).fit(X)
print("a fit by skebm:", round(tracemalloc.get_traced_memory()[1] / 1e6), "MB")
joblib.dump(rbm, sys.argv[2])
"""
model = Path(folder.name) / "rbm.joblib"
answer = subprocess.run(
    [sys.executable, "-c", PROGRAM, file, model],
    stdout=subprocess.PIPE,
    text=True,
    check=True,
).stdout
print(answer)

# %%
# Memory
# ------

sizes = {
    "all rows as floats\n(float64)": N_ROWS * 784 * 8 / 1e6,
    "the file": file.stat().st_size / 1e6,
    "limit of the process": 100,
    "taken by the fit": int(answer.split()[-2]),
}
figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
bars = axis.barh(
    list(sizes), list(sizes.values()), color=["0.7", "0.7", "tab:red", "tab:blue"]
)
axis.bar_label(bars, fmt="{:,.0f} MB", padding=4)
axis.invert_yaxis()
axis.set(xlim=(0, 2200), xlabel="MB")
plt.show()

# %%
# What was learnt
# ---------------
# The process has saved its machine. It has passed over the rows once, and knows how to
# take the noise away.

rbm = joblib.load(model)
rows = np.load(file, mmap_mode="r")
ReconstructionDisplay.from_estimator(rbm, rows[:10], image_shape=(28, 28))
plt.show()
folder.cleanup()
