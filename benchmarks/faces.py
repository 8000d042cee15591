"""Log-densities of grey images: GaussianRBM and VAE beside what scikit-learn has.

    SKEBM_DATA=folder python benchmarks/faces.py [name ...] [--quick] [--pictures=out]

Names are those of CASES: "frey", 1965 pictures of one face, 28 x 20 pixels, from the
folder; "olivetti", 400 pictures of 40 faces, 64 x 64, from the folder or scikit-learn;
"digits", 1797 of 8 x 8 pixels, which come with scikit-learn; "mnist", the first 14,000
of MNIST, in grey. --quick has smaller and fewer models and takes about a minute; its
numbers mean little.

Grey values are whole numbers. Uniform noise in [0, 1) is added to them, once and for
all models alike: a density of whole numbers could be as high as one likes. The mean
log-density of rows with noise is a lower bound of the log-probability of those without,
by Jensen's inequality, and the bits per pixel an upper bound of what it takes to code
them. As a share of the range it is noise of 1/256, but 1/17 for digits.

Of MNIST, the 490 pixels are taken that are ink in 1 % of the rows or more. The others
hardly ever vary, which no normal distribution is like, and a few rows would decide the
score: with all 784, one of 2,100 rows for validation has -61,000 nats by independent
normals, and half of the rows more than -3,150.

Of the rows, 70 % are fitted to, 15 % choose among the models of a kind, and on the
other 15 % these are compared. The division is at random, as is usual. Frey's faces are
a film, whose frames are much like their neighbours: on frames of another film all
models would be worse. Models see pixels that are standardised, and are scored in grey
values; `reg_covar` is a share of the variance. The machine standardises by itself.

Beside the machine's value is its range, by log Z from annealing in both directions.
That of the autoencoder, with a normal decoder, is a lower bound, by 1000 draws.
With --pictures, an image of data, reconstructions and samples is written for each name.
"""

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
from datasets import faces, mnist
from sklearn.datasets import load_digits
from sklearn.decomposition import FactorAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from skebm import VAE, GaussianRBM

ANNEALING = {"n_betas": 1000, "n_runs": 50}
QUICK_ANNEALING = {"n_betas": 200, "n_runs": 20}
PICTURES = 12

# Share of the rows of MNIST in which a pixel has to vary.
LEAST_INK = 0.01


def frey():
    """1965 rows of 560 grey values."""
    with np.load(Path(os.environ["SKEBM_DATA"]) / "frey_faces.npz") as data:
        return data["X"]


def olivetti():
    """400 rows of 4096 grey values."""
    return np.round(255 * faces()[0])


def grey_mnist():
    """14,000 rows of 490 grey values: pixels that are ink in a row of a hundred."""
    X = mnist()[0][:14_000]
    return X[:, (X > 0).mean(axis=0) >= LEAST_INK]


def digits():
    """1797 rows of 64 values from 0 to 16."""
    return load_digits().data


# Data, height of a picture, where rows are whole ones; sizes of factor analysis; for
# each kind of covariances, numbers of components of a mixture and shares of variance
# that are added; hidden units, learning rates and epochs of the machine; latent units
# and epochs of the autoencoder, of 200 hidden units. 4096 pixels leave only diagonal
# covariances; on 9,800 rows of 490 a tied one took ten minutes, and was worse.
CASES = {
    "digits": {
        "rows": digits,
        "height": 8,
        "factors": (8, 16, 32, 48),
        "mixtures": {
            "diag": ((30, 60, 120), (0.01, 0.1)),
            "tied": ((30, 60, 120), (0.01,)),
            "full": ((5, 10, 20), (0.03, 0.1, 0.3)),
        },
        "machines": [(256, 0.03, 100), (256, 0.01, 200)],
        "autoencoders": [(10, 50), (20, 50), (20, 200)],
    },
    "frey": {
        "rows": frey,
        "height": 28,
        "factors": (50, 100, 200),
        "mixtures": {
            "diag": ((30, 60, 120), (0.01, 0.1)),
            "tied": ((2, 10), (0.01, 0.1)),
            "full": ((1, 2), (0.01, 0.03, 0.1)),
        },
        "machines": [(256, 0.01, 40), (1000, 0.002, 100)],
        "autoencoders": [(20, 100), (20, 300), (40, 300)],
    },
    "mnist": {
        "rows": grey_mnist,
        "height": None,
        "factors": (50, 100, 200),
        "mixtures": {
            "diag": ((60, 120, 240), (0.003, 0.01)),
            "full": ((5, 10), (0.01,)),
        },
        "machines": [(256, 0.01, 40), (500, 0.005, 40)],
        "autoencoders": [(20, 50)],
    },
    "olivetti": {
        "rows": olivetti,
        "height": 64,
        "factors": (20, 40, 60),
        "mixtures": {"diag": ((5, 10, 20, 40, 80), (0.01, 0.1))},
        "machines": [(100, 0.003, 100), (500, 0.001, 100)],
        "autoencoders": [(20, 100), (40, 300)],
    },
}


class Standardised:
    """A density of standardised features, as one of the features."""

    def __init__(self, model, X):
        self.model, self.mean = model, X.mean(axis=0)
        scale = X.std(axis=0)
        self.scale = np.where(scale > 0.0, scale, 1.0)

    def fit(self, X):
        self.model.fit((X - self.mean) / self.scale)
        return self

    def score(self, X):
        z = (X - self.mean) / self.scale
        return self.model.score(z) - np.log(self.scale, dtype=np.float64).sum()


def divided(X):
    """Rows with noise to fit to, to choose by, and to test."""
    rng = np.random.default_rng(0)
    X = (X + rng.random(X.shape))[rng.permutation(len(X))].astype(np.float32)
    return np.split(X, [int(0.7 * len(X)), int(0.85 * len(X))])


def candidates(case, X, quick):
    """Names of kinds, and their models with what they are, in words."""
    few = slice(1 if quick else None)
    yield (
        "independent normals",
        [("", Standardised(GaussianMixture(1, covariance_type="diag"), X))],
    )
    yield (
        "FactorAnalysis",
        [
            (f"{n} factors", Standardised(FactorAnalysis(n, random_state=0), X))
            for n in case["factors"][few]
        ],
    )
    for kind, (sizes, shares) in case["mixtures"].items():
        models = [
            (
                f"{n} components, {share} added",
                GaussianMixture(
                    n, covariance_type=kind, reg_covar=share, random_state=0
                ),
            )
            for n in sizes[few]
            for share in shares[few]
        ]
        yield (
            f"GaussianMixture, {kind}",
            [(words, Standardised(model, X)) for words, model in models],
        )
    machines = []
    for n, rate, n_iter in case["machines"][few]:
        n_iter = n_iter // 10 if quick else n_iter
        rbm = GaussianRBM(n, learning_rate=rate, n_iter=n_iter, random_state=0)
        machines.append((f"{n} hidden, rate {rate}, {n_iter} epochs", rbm))
    yield "GaussianRBM", machines
    autoencoders = []
    for n, n_iter in case["autoencoders"][few]:
        n_iter = n_iter // 10 if quick else n_iter
        vae = VAE(
            n,
            hidden_layer_sizes=(200,),
            decoder="gaussian",
            n_iter=n_iter,
            random_state=0,
        )
        autoencoders.append((f"{n} latent, {n_iter} epochs", vae))
    yield "VAE", autoencoders


def fitted(model, X, annealing):
    """The model, and seconds that the fit took, and log Z where it is to be known."""
    begin = time.perf_counter()
    model.fit(X)
    seconds = time.perf_counter() - begin
    if isinstance(model, GaussianRBM):
        model.log_partition("ais", **annealing)
    return seconds, time.perf_counter() - begin - seconds


def report(name, quick, folder):
    case, n_best = CASES[name], {}
    train, valid, test = divided(case["rows"]())
    print(f"{name}: {len(train)}, {len(valid)}, {len(test)} rows of {train.shape[1]}")
    for kind, models in candidates(case, train, quick):
        best = None
        for words, model in models:
            seconds, more = fitted(
                model, train, QUICK_ANNEALING if quick else ANNEALING
            )
            score = float(model.score(valid))
            print(
                f"    {kind}, {words}: valid {score:.1f}, train "
                f"{model.score(train):.1f}, {seconds:.0f} s and {more:.0f} s",
                flush=True,
            )
            if best is None or score > best[0]:
                best = score, words, model
        _, words, model = n_best[kind] = best
        score = test_score(model, test)
        bits = -score / (train.shape[1] * np.log(2))
        print(f"  {kind:22} test {score:10.1f}, {bits:.3f} bits a pixel", end="")
        if isinstance(model, GaussianRBM):
            log_z = model.log_partition(
                "ais", **(QUICK_ANNEALING if quick else ANNEALING)
            )
            low, high = (score + log_z.value - z for z in (log_z.upper, log_z.lower))
            print(f", between {low:.1f} and {high:.1f}", end="")
        print(f"; {words}", flush=True)
    if folder and case["height"]:
        draw(
            name, case, test, {k: model for k, (_, _, model) in n_best.items()}, folder
        )


def test_score(model, X):
    """Mean log-density, or a bound of it by many draws."""
    if isinstance(model, VAE):
        return float(model.score_samples(X, n_samples=1000).mean())
    return float(model.score(X))


def samples(model):
    """Pictures drawn from a model of scikit-learn, by its own law."""
    inner = model.model
    if isinstance(inner, GaussianMixture):
        z, _ = inner.sample(PICTURES)
    else:
        rng = np.random.default_rng(0)
        hidden = rng.normal(size=(PICTURES, inner.components_.shape[0]))
        noise = rng.normal(size=(PICTURES, inner.components_.shape[1]))
        z = hidden @ inner.components_ + np.sqrt(inner.noise_variance_) * noise
    return model.mean + model.scale * z


def draw(name, case, test, best, folder):
    """A picture of each kind of rows, written to the folder."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    rbm = best["GaussianRBM"]
    drawn = rbm.sample(PICTURES, n_gibbs_steps=5000, random_state=0)
    vae = best["VAE"]
    mixture = max(k for k in best if k.startswith("GaussianMixture, d"))
    rows = {
        "test rows": test[:PICTURES],
        "reconstructed by GaussianRBM": rbm.reconstruct(test[:PICTURES]),
        "drawn from GaussianRBM": drawn,
        "their means given the hidden units": rbm.reconstruct(drawn),
        "reconstructed by VAE": vae.reconstruct(test[:PICTURES]),
        "drawn from VAE, means": vae.sample(PICTURES, means=True, random_state=0),
        "drawn from FactorAnalysis": samples(best["FactorAnalysis"]),
        f"drawn from {mixture}": samples(best[mixture]),
    }
    size = case["height"] / (test.shape[1] / case["height"])
    figure, axes = plt.subplots(
        len(rows), PICTURES, figsize=(PICTURES, len(rows) * (size + 0.3))
    )
    for line, (title, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(line, images, strict=True):
            axis.imshow(
                image.reshape(case["height"], -1),
                cmap="gray",
                vmin=0,
                vmax=17 if name == "digits" else 256,
            )
            axis.set_axis_off()
        line[0].set_title(title, loc="left", fontsize="medium")
    figure.savefig(Path(folder) / f"{name}.png", dpi=80, bbox_inches="tight")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=[])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--pictures", default=None)
    arguments = parser.parse_args()
    # The ranges are printed, and so are the scores of fits that go on.
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name in arguments.names or CASES:
        report(name, arguments.quick, arguments.pictures)


if __name__ == "__main__":
    main()
