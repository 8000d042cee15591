"""scikit-learn's example of its BernoulliRBM, and the same with skebm's.

    python benchmarks/scikit_learn_example.py

Digits and their copies shifted by a pixel are divided at random, so that test images
have siblings among the training images: that is the example's way. 100 hidden units,
learning rate 0.06, 10 epochs, logistic regression with C=6000; the import is all that
differs. Test accuracies of five seeds, their means, and the seconds of one fit.
"""

import time

import numpy as np
from scipy.ndimage import shift
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import BernoulliRBM as SklearnRBM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import minmax_scale

from skebm import BernoulliRBM

SEEDS = range(5)


def shifted_digits():
    X, y = load_digits(return_X_y=True)
    images = X.astype(np.float32).reshape(-1, 8, 8)
    moves = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]
    copies = [shift(images, (0, *move), order=0).reshape(X.shape) for move in moves]
    return minmax_scale(np.concatenate(copies)), np.tile(y, len(moves))


def main():
    X, y = shifted_digits()
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
    classifier = LogisticRegression(C=6000, max_iter=1000)
    print(f"pixels: {classifier.fit(X, y).score(X_test, y_test):.3f}")
    for name, kind in (("scikit-learn", SklearnRBM), ("skebm", BernoulliRBM)):
        accuracies, begin = [], time.perf_counter()
        for seed in SEEDS:
            rbm = kind(n_components=100, learning_rate=0.06, random_state=seed)
            model = make_pipeline(rbm, classifier).fit(X, y)
            accuracies.append(model.score(X_test, y_test))
        seconds = (time.perf_counter() - begin) / len(SEEDS)
        each = " ".join(f"{accuracy:.3f}" for accuracy in accuracies)
        print(
            f"{name}: {np.mean(accuracies):.3f} ({each}), {seconds:.1f} s", flush=True
        )


if __name__ == "__main__":
    main()
