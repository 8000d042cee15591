"""
=====================================
One machine that classifies and draws
=====================================

A restricted Boltzmann machine with the class as a visible unit beside the pixels learns
handwritten digits, from one, three or ten labels for each digit, and from 1,700 images
without one. It makes fewer errors than classifiers that learn from the labelled images
alone, most of all with few labels, and then draws images of any digit.
"""

# %%
# Of each digit, some images have a label. The others are marked by -1: from them it is
# learnt what images look like, and the errors are counted on them. With a weight of 1
# for that, the machine can draw, too.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from skebm import RBMClassifier

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
NUMBERS = [1, 3, 10]

rng = np.random.default_rng(0)
order = [rng.permutation(np.flatnonzero(y == digit)) for digit in range(10)]
errors = {"RBMClassifier": [], "LogisticRegression": [], "SVC": []}
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
    others = LogisticRegression(max_iter=1000), SVC()
    for other in others:
        other.fit(X[labelled], y[labelled])
    for classifier in (model, *others):
        error = 1 - classifier.score(X[without], y[without])
        errors[type(classifier).__name__].append(100 * error)

print("labels of each digit", NUMBERS)
for name, values in errors.items():
    print(f"{name:20}", " ".join(f"{value:5.1f} %" for value in values))

# %%
# The last machine draws ten images of each digit. Shown are the probabilities of the
# pixels, given the hidden units of the images drawn.

digits = np.repeat(np.arange(10), 10)
drawn, _ = model.sample(100, y=digits, random_state=0)
images = model.inverse_transform(model.transform(drawn)).reshape(10, 10, 8, 8)
images = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.5))
left.imshow(images.transpose(0, 2, 1, 3).reshape(100, 100), cmap="gray_r")
left.set(title="Drawn, a row for each digit", xticks=[], yticks=[])
for name, values in errors.items():
    right.plot(NUMBERS, values, marker="o", label=name)
right.set(xscale="log", xticks=NUMBERS, xticklabels=NUMBERS, ylim=(0, None))
right.set(xlabel="labels of each digit", ylabel="error in % on images without a label")
right.minorticks_off()
right.legend()
figure.tight_layout()
plt.show()
