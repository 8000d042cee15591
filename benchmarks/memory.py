"""Peak memory of fitting and transforming a memory-mapped uint8 array.

    python benchmarks/memory.py [rows]

Anonymous memory is counted, not the pages of the mapped file, which the system drops
when it needs the room. Linux only. A million rows by default: 784 MB of uint8, which
would be 3.1 GB in float32.
"""

import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from skebm import BernoulliRBM


def anonymous_megabytes():
    """Memory of this process that is not backed by a file."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def peak_during(function):
    """Result and highest memory, in MB above where it began, sampled every 20 ms."""
    begin, peak, done = anonymous_megabytes(), [0.0], threading.Event()

    def watch():
        while not done.wait(0.02):
            peak[0] = max(peak[0], anonymous_megabytes() - begin)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        return function(), peak[0]
    finally:
        done.set()
        watcher.join()


def main():
    n_rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        X = np.lib.format.open_memmap(
            Path(folder) / "X.npy", "w+", dtype=np.uint8, shape=(n_rows, 784)
        )
        for start in range(0, n_rows, 10_000):
            block = X[start : start + 10_000]
            block[...] = rng.integers(0, 2, block.shape, dtype=np.uint8)
        X.flush()
        rbm = BernoulliRBM(64, n_iter=1, random_state=0)
        begin = time.perf_counter()
        _, peak = peak_during(lambda: rbm.fit(X))
        print(
            f"fit, one epoch of {n_rows} x 784: {time.perf_counter() - begin:.0f} s,",
            end=" ",
        )
        print(f"peak {peak:.0f} MB", flush=True)
        H, peak = peak_during(lambda: rbm.transform(X))
        print(
            f"transform: peak {peak:.0f} MB, "
            f"of which {H.nbytes / 2**20:.0f} MB are the result"
        )


if __name__ == "__main__":
    main()
