"""
Few labels: images without one help, and the machine draws
==========================================================

A restricted Boltzmann machine with the class beside the pixels learns handwritten
digits from one, three or ten labels for each digit, and from 1,700 images without one.
It makes fewer errors than classifiers that see the labelled images alone, and then
draws images of any digit. Scikit-learn's LabelSpreading, which draws nothing, makes
fewer errors still.
"""

# %%
# Of each digit, some images have a label. The others are marked by -1. The machine and
# LabelSpreading learn from these, too, and on these the errors are counted. The machine
# can draw because the images themselves have a weight of 1, ``generative_weight``.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC

from skebm import RBMClassifier, SamplesDisplay

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
NUMBERS = [1, 3, 10]

rng = np.random.default_rng(0)
order = [rng.permutation(np.flatnonzero(y == digit)) for digit in range(10)]
errors = {}
for n_labels in NUMBERS:
    labelled = np.concatenate([rows[:n_labels] for rows in order])
    y_some = np.full(len(y), -1)
    y_some[labelled] = y[labelled]
    without = y_some == -1
    model = RBMClassifier(
        generative_weight=1.0,
        learning_rate=0.03,
        batch_size=50,
        n_iter=50,
        unlabeled=-1,
        random_state=0,
    ).fit(X, y_some)
    spreading = LabelSpreading().fit(X, y_some)
    logistic = LogisticRegression(max_iter=1000).fit(X[labelled], y[labelled])
    svc = SVC().fit(X[labelled], y[labelled])
    for classifier in (svc, logistic, model, spreading):
        error = 1 - classifier.score(X[without], y[without])
        errors.setdefault(type(classifier).__name__, []).append(100 * error)

print("labels of each digit", NUMBERS)
for name, values in errors.items():
    print(f"{name:20}", " ".join(f"{value:5.1f} %" for value in values))

# %%
# Left, the errors. Right, what the last machine draws, given the digit: the
# probabilities of the pixels, given the hidden units of the images drawn.

digits = np.repeat(np.arange(10), 10)
drawn, _ = model.sample(100, y=digits, random_state=0)
images = model.inverse_transform(model.transform(drawn))

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
styles = {"SVC": "s:", "LogisticRegression": "v:", "LabelSpreading": "^--"}
for name, values in errors.items():
    left.plot(NUMBERS, values, styles.get(name, "o-"), label=name)
left.set(xscale="log", xticks=NUMBERS, xticklabels=NUMBERS, ylim=(0, None))
left.set(xlabel="labels of each digit", ylabel="errors in % of the images without one")
left.minorticks_off()
left.legend()
SamplesDisplay(images, image_shape=(8, 8)).plot(
    ax=right, n_columns=10, cmap="gray_r", row_labels=range(10)
)
right.set_title("Drawn, given the digit")
plt.show()

# %%
# If the classes of these very images are all that counts, take LabelSpreading.
