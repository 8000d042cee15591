"""
Few labels: outputs that hardly change, and LabelSpreading
==========================================================

Of 1,347 images of digits, 20, 50 or 100 have a label. A deep belief network learns from
all of them before it is fine-tuned, which here gains nothing: an SVC of the labelled
images makes no more errors. With ``adversarial_radius`` fine-tuning sees all images,
too: what the network makes of an image is to stay as it is where the image hardly
changes. With 50 and 100 labels that nearly halves the errors; with 20 it hardly helps.
Scikit-learn's LabelSpreading makes fewer errors still, in a fraction of the time. A
network learnt from its labels is as good as LabelSpreading, not better.
"""

# %%
# To combine them: LabelSpreading gives each image probabilities of the digits. Where
# their entropy is lowest, for 80 % of the images, its labels are given to the
# classifier, beside the true ones. The other images stay without a label, -1.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import entropy
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC

from skebm import DBN, BernoulliRBM, DBNClassifier

X, y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")


def surest(spreading, y_some, share=0.8):
    """Labels of LabelSpreading where it is sure, true ones where there are, or -1."""
    doubt = entropy(spreading.label_distributions_, axis=1)
    sure = doubt <= np.nanquantile(doubt, share)
    guessed = np.where(sure, spreading.transduction_, -1)
    return np.where(y_some == -1, guessed, y_some)


# %%
# The networks start from one pretraining, and make as many updates. An epoch with
# ``adversarial_radius`` is a pass over all images, without it over the labelled ones.
# None stops before its last epoch: ``n_iter_no_change`` is as large as ``max_iter``.
# Learning rate, radius, ``gamma`` and the 80 % were chosen with other random divisions
# into training and test images, of seeds below 20.

NUMBERS, CHOICES, EPOCHS, BATCH = [2, 5, 10], 4, 40, 100


def network(dbn, n_epochs, radius, seed):
    return DBNClassifier(
        dbn=dbn,
        learning_rate_init=0.01,
        learning_rate_schedule="linear",
        batch_size=BATCH,
        max_iter=n_epochs,
        n_iter_no_change=n_epochs,
        adversarial_radius=radius,
        unlabeled=-1,
        random_state=seed,
    )


errors = {}
for seed in range(20, 20 + CHOICES):
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed)
    rbm = BernoulliRBM(n_iter=50, batch_size=20)
    dbn = DBN((100, 100), rbm=rbm, random_state=seed).fit(X_train)
    rng = np.random.default_rng(seed)
    order = [rng.permutation(np.flatnonzero(y_train == digit)) for digit in range(10)]
    n_updates = EPOCHS * -(-len(y_train) // BATCH)  # rounded up
    for n_labels in NUMBERS:
        labelled = np.concatenate([rows[:n_labels] for rows in order])
        y_some = np.full(len(y_train), -1)
        y_some[labelled] = y_train[labelled]
        spreading = LabelSpreading(gamma=20, max_iter=100).fit(X_train, y_some)
        adversarial, again = (network(dbn, EPOCHS, 0.5, seed) for _ in range(2))
        models = {
            "SVC, labelled images": SVC().fit(X_train[labelled], y_train[labelled]),
            "DBNClassifier": network(dbn, n_updates, 0.0, seed).fit(X_train, y_some),
            "with adversarial_radius": adversarial.fit(X_train, y_some),
            "LabelSpreading": spreading,
            "LabelSpreading, then the network": again.fit(
                X_train, surest(spreading, y_some)
            ),
        }
        for name, model in models.items():
            error = 100 * (1 - model.score(X_test, y_test))
            errors.setdefault(name, []).append(error)

# %%
# Test errors: the mean over four choices of the labels, and their standard deviation.

styles = {
    "SVC, labelled images": "s:",
    "DBNClassifier": "v-",
    "with adversarial_radius": "o-",
    "LabelSpreading": "^--",
    "LabelSpreading, then the network": "D-",
}
figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
print("labels of each digit", " " * 11, *(f"{n:11}" for n in NUMBERS))
for place, (name, values) in enumerate(errors.items()):
    values = np.reshape(values, (CHOICES, len(NUMBERS)))
    mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1)
    # Side by side, so that no bar hides another.
    where = np.multiply(NUMBERS, 1.0 + 0.025 * (place - 2))
    axis.errorbar(where, mean, spread, fmt=styles[name], capsize=2, label=name)
    parts = zip(mean, spread, strict=True)
    print(f"{name:32}", *(f"{a:5.1f} +- {b:3.1f}" for a, b in parts))
axis.set(xscale="log", xticks=NUMBERS, xticklabels=NUMBERS, ylim=(0, None))
axis.set(xlabel="labels of each digit", ylabel="test error in %")
axis.minorticks_off()
axis.legend()
plt.show()

# %%
# LabelSpreading needs a distance in which neighbours are of one class: ``gamma=20``
# suits pixels in [0, 1], and with those in [0, 16] it would reach no other image. It
# keeps its training images for prediction. A network learnt from its labels keeps its
# weights alone. With 784 pixels and 60,000 images the network gains more: see
# :ref:`fine_tuning`.
