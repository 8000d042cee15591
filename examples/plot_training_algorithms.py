"""
Parallel tempering finds the right mass of each mode
====================================================

Training needs samples of the model. Contrastive divergence ("cd") starts its chains at
the data and never learns how much mass each mode has. Persistent chains ("pcd") stay
in one mode for long, and the likelihood swings until the learning rate is small. With
parallel tempering ("pt") chains change modes, and the likelihood comes near the best
possible. Here the modes are far apart, and the machine is so small that all numbers are
exact.
"""

# %%
# Images of four kinds
# --------------------
# Images have 4 x 4 pixels. Four patterns come with different frequencies, and each
# pixel is flipped with a probability of 5 %. So the probability of all
# 65,536 possible images is known.

import matplotlib.pyplot as plt
import numpy as np

from skebm import BernoulliRBM, HistoryMonitor

top, left = np.zeros((2, 4, 4), dtype=int)
top[:2], left[:, :2] = 1, 1
patterns = np.reshape([top, 1 - top, left, 1 - left], (4, 16))
frequencies = np.array([0.4, 0.3, 0.2, 0.1])

rng = np.random.default_rng(0)
kinds = rng.choice(4, 2000, p=frequencies)
X = patterns[kinds] ^ (rng.random((2000, 16)) < 0.05)

images = np.float32(np.arange(2**16)[:, np.newaxis] >> np.arange(16) & 1)
n_flipped = (images[:, np.newaxis] != patterns).sum(axis=2)
true = (0.05**n_flipped * 0.95 ** (16 - n_flipped)) @ frequencies
best = true @ np.log(true)
nearest = n_flipped.argmin(axis=1)

# %%
# Three ways to train
# -------------------
# Each algorithm trains three machines, from different seeds. After each epoch, a
# callback records the expected log-likelihood of an image.


def log_likelihood(rbm, X, y):
    """Expected log-likelihood of an image, in nats: a sum over all images."""
    return {"log-likelihood": true @ rbm.score_samples(images)}


curves, masses = {}, {}
for algorithm in ("cd", "pcd", "pt"):
    curves[algorithm], masses[algorithm] = [], []
    for seed in range(3):
        monitor = HistoryMonitor(scoring=log_likelihood)
        rbm = BernoulliRBM(
            8, algorithm=algorithm, batch_size=100, n_iter=60, random_state=seed
        )
        rbm.set_callbacks(monitor).fit(X)
        curves[algorithm].append(
            [row["log-likelihood"] for row in monitor.get_logs().data]
        )
        masses[algorithm].append(
            np.bincount(nearest, np.exp(rbm.score_samples(images)))
        )
    curves[algorithm] = np.array(curves[algorithm])
    late = curves[algorithm][:, 30:]
    print(
        f"{algorithm:4} log-likelihood at the end {late[:, -1].round(2)},",
        f"at its lowest after epoch 30 {late.min(axis=1).round(2)}",
    )
    print("     mass of the modes", *np.round(masses[algorithm], 2))
print(f"     best possible {best:.2f}")

# %%
# Likelihood and mass
# -------------------
# Left: a line for each machine. Right: the share of the images that are nearest to each
# pattern, in the data and in the first machine of each algorithm.

colours = {"cd": "tab:red", "pcd": "tab:orange", "pt": "tab:blue"}
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for algorithm, lines in curves.items():
    left.plot(np.arange(1, 61), lines.T, color=colours[algorithm], lw=1)
    left.plot([], color=colours[algorithm], lw=3, label=algorithm)
left.axhline(best, color="grey", ls="--", label="best possible")
left.set(xlabel="epoch", ylabel="log-likelihood in nats", ylim=(best - 1.2, best + 0.1))
left.set_title("Three machines of each algorithm")
left.legend(loc="lower right", framealpha=1)

bars = {"data": frequencies, **{name: mass[0] for name, mass in masses.items()}}
for place, (name, heights) in enumerate(bars.items()):
    right.bar(
        np.arange(4) + 0.2 * (place - 1.5),
        heights,
        width=0.2,
        color=colours.get(name, "grey"),
        label=name,
    )
right.set(xticks=[], ylabel="share of images", title="Mass of each mode")
right.legend()
for kind, pattern in enumerate(patterns):
    box = (kind - 0.25, -0.08, 0.5, 0.07)
    picture = right.inset_axes(box, transform=right.transData)
    picture.imshow(pattern.reshape(4, 4), cmap="gray_r")
    picture.set(xticks=[], yticks=[])
plt.show()

# %%
# A step of parallel tempering is one step for each of its temperatures. Take it where
# rows come in groups with little between them; the default is "pcd".
