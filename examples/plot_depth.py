"""
Depth pays for short codes, less for the likelihood
===================================================

Is a deep machine worth its time? On scikit-learn's digits that depends on what it is
for. As a code of two numbers, an autoencoder with hidden layers loses much less of an
image than one without, or than PCA. As a density of images, a second layer gains less
than the same time spent on one larger layer.
"""

# %%
# A code of two numbers
# ---------------------
# An autoencoder is given more and more hidden layers between the pixels and the code.
# Its error is that of images which it has not seen.

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skebm import DBM, DBN, BernoulliRBM, DeepAutoencoder

X_train, X_test = train_test_split(load_digits().data / 16, random_state=0)


def squared_error(model):
    """Mean over the test images of what is summed over the pixels of each."""
    made = model.fit(X_train).inverse_transform(model.transform(X_test))
    return ((made - X_test) ** 2).sum(axis=1).mean()


errors = {"PCA": squared_error(PCA(2))}
for hidden in [(), (64,), (256, 64)]:
    model = DeepAutoencoder(
        (*hidden, 2),
        rbm=BernoulliRBM(n_iter=30),
        learning_rate_init=3e-3,
        max_iter=80,
        random_state=0,
    )
    errors["-".join(map(str, (64, *hidden, 2)))] = squared_error(model)
for name, error in errors.items():
    print(f"{name:12} squared error {error:.2f}")

# %%
# A density of images
# -------------------
# For this, the pixels are on or off. A machine of 64 hidden units is given a second
# layer of 32, in a deep belief network and in a deep Boltzmann machine. Or it is given
# four times as many units, and as much time as the slowest. Of the deep ones the score
# is a lower bound of the log-likelihood, by samples. The error bars are what is
# uncertain about log Z.

X_train, X_test = X_train > 0.45, X_test > 0.45


params = {"batch_size": 50, "random_state": 0}
layers = {"hidden_layer_sizes": (64, 32), "random_state": 0}
models = {
    "one layer\n64": BernoulliRBM(64, n_iter=100, **params),
    "DBN\n64-32": DBN(**layers, rbm=BernoulliRBM(n_iter=100, batch_size=50)),
    "DBM\n64-32": DBM(
        **layers, rbm=BernoulliRBM(n_iter=50, batch_size=50), n_iter=50, batch_size=50
    ),
    "one layer\n256": BernoulliRBM(256, n_iter=200, **params),
}
scores, brackets = {}, []
for name, model in models.items():
    begin = time.process_time()
    model.fit(X_train)
    seconds = time.process_time() - begin
    log_z = model.log_partition(n_betas=1000)
    scores[name] = model.score(X_test)
    brackets.append([log_z.upper - log_z.value, log_z.value - log_z.lower])
    print(
        name.replace("\n", " "),
        f"{scores[name]:.2f} nats (-{brackets[-1][0]:.2f}, +{brackets[-1][1]:.2f})",
        f"after {seconds:.1f} s",
    )

# %%
# Layers, and what they are worth
# -------------------------------

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
grey, blue = "0.7", "tab:blue"
bars = left.bar(
    list(errors), list(errors.values()), color=[grey, grey, blue, blue], width=0.7
)
left.bar_label(bars, fmt="%.2f", padding=2)
left.set(title="Code of two numbers: deep is better", xlabel="layers")
left.set(ylabel="squared error of a test image", ylim=(0, 4))

for place, (score, bracket) in enumerate(zip(scores.values(), brackets, strict=True)):
    colour = blue if place in (1, 2) else grey
    right.errorbar(
        place,
        score,
        np.reshape(bracket, (2, 1)),
        fmt="o",
        ms=10,
        color=colour,
        capsize=6,
    )
    right.annotate(f"{score:.2f}", (place, score), (9, 5), textcoords="offset points")
right.set_xticks(range(4), list(scores))
right.set(title="Density: wide is better", xlim=(-0.5, 3.7), ylim=(-18.6, -16.2))
right.set(ylabel="log-likelihood of a test image in nats")
plt.show()

# %%
# So begin with one layer, and let it grow as long as the score of held-out rows does.
