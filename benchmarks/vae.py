"""Variational autoencoders on MNIST that is drawn anew in each epoch.

    SKEBM_DATA=folder python benchmarks/vae.py [--epochs=200] [--n_test=2000]
        [--n_samples=5000] [--classes=True] [--parameter=value ...]

The rows are grey values, as probabilities from which pixels are drawn each time that
training meets them; the 10,000 test rows were drawn once. After some epochs the
importance-weighted bound of 1,000 test rows is printed, with 50 draws of the latent
units for each, and at the end that of all rows, and of the first `n_test` with
`n_samples` draws, in nats, with its standard error over the rows. Of the seconds, those
for scores are taken off.

With --classes=True it is a `ConditionalVAE` whose classes go into both networks. It
learns from all labels, and its error on the grey test rows is printed too.

Published for one layer of 50 latent units: -86.76, with 50 draws in the objective
-84.78, by 5000 draws (Burda, Grosse & Salakhutdinov 2016).
"""

import sys
import time

import numpy as np
from datasets import grey_mnist_and_binary_test, mnist
from parameters import parsed

from skebm import VAE, ConditionalVAE

# Epochs after which the test rows are looked at.
LOOKS = (1, 2, 5, 10, 20, 50, 100, 150, 200, 300)


class Looks:
    """A callback that prints bounds of test rows, and keeps the time that it takes."""

    def __init__(self, rows):
        self.rows, self.seconds, self.begin = rows, 0.0, time.perf_counter()

    def setup(self, estimator, context):
        """Nothing is to be prepared."""

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Look at the estimator as it is after an epoch."""
        n_iter = getattr(fitted_estimator, "n_iter_", 0)
        if context.task_name != "epoch" or n_iter not in LOOKS:
            return
        now = time.perf_counter()
        score = fitted_estimator.score_samples(self.rows, n_samples=50).mean()
        last = {k: v[-1] for k, v in fitted_estimator.history_.items()}
        print(
            f"{n_iter:4} epochs, {now - self.begin - self.seconds:6.0f} s: test bound "
            f"{score:.2f} (50 draws, 1,000 rows), loss {last['loss']:.2f}, "
            f"KL {last['kl_divergence']:.1f}, {last['active_units']} active units",
            flush=True,
        )
        self.seconds += time.perf_counter() - now


def bound(vae, X, n_samples):
    """Mean importance-weighted bound and its standard error."""
    values = vae.score_samples(X, n_samples=n_samples)
    return values.mean(), values.std() / np.sqrt(len(values))


def main(epochs=200, n_test=2000, n_samples=5000, classes=False, **params):
    X, T = grey_mnist_and_binary_test()
    T = T.astype(np.float32)
    kind = ConditionalVAE if classes else VAE
    params = {"label_inputs": True, **params} if classes else params
    vae = kind(n_iter=epochs, sample_inputs=True, random_state=0, **params)
    print(vae, flush=True)
    looks, begin = Looks(T[:1000]), time.perf_counter()
    _, y, grey, labels = mnist()
    vae.set_callbacks(looks).fit(X, y)
    seconds = time.perf_counter() - begin - looks.seconds
    print(f"fit: {seconds:.0f} s, {seconds / epochs:.2f} s an epoch", flush=True)
    if classes:
        error = 1 - vae.score(grey / np.float32(255), labels)
        print(f"test error {100 * error:.2f} %", flush=True)
    for n_draws, n_rows in ((50, n_test), (50, len(T)), (n_samples, n_test)):
        value, error = bound(vae, T[:n_rows], n_draws)
        print(
            f"test bound {value:.2f} +- {error:.2f}, {n_draws} draws, {n_rows} rows",
            flush=True,
        )


if __name__ == "__main__":
    main(**parsed(sys.argv[1:]))
