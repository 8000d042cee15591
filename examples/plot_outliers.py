"""
Outliers by their log-likelihood
================================

A Boltzmann machine knows nine of the ten digits. Images of the tenth are less likely
under it. Averaged over which digit is the unknown one, its log-likelihood ranks
outliers better than three detectors of scikit-learn with their defaults, though
``LocalOutlierFactor`` comes near. A one-class support vector machine is a little better
if it is tuned on the very outliers that it should find.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

from skebm import BernoulliRBM, LogLikelihoodDisplay

# %%
# The data
# --------
# Each digit is the unknown one in turn. A fifth of the images of the other nine are
# held out. A detector has to tell these from the images of the unknown digit. Pixels
# are on or off.

X, y = load_digits(return_X_y=True)
X = (X > 7).astype(np.float32)


def divided(unknown):
    """Known digits for training and test, and all images of the unknown digit."""
    known = train_test_split(X[y != unknown], test_size=0.2, random_state=unknown)
    return *known, X[y == unknown]


# %%
# The detectors
# -------------
# All have their defaults, but for the epochs of the machine, which its log-likelihood
# of other known digits can choose without any outlier. What is drawn from the data is
# the order of the images alone. So the free energy is enough, and log Z is not needed.

detectors = {
    "BernoulliRBM": BernoulliRBM(n_iter=30, random_state=0),
    "LocalOutlierFactor": LocalOutlierFactor(novelty=True),
    "IsolationForest": IsolationForest(random_state=0),
    "OneClassSVM": OneClassSVM(),
    "OneClassSVM,\ntuned on the outliers": OneClassSVM(gamma=0.5, nu=0.1),
}
areas = {name: [] for name in detectors}
for unknown in range(10):
    train, test, outliers = divided(unknown)
    is_known = np.repeat([1, 0], [len(test), len(outliers)])
    for name, detector in detectors.items():
        detector.fit(train)
        rows = np.concatenate([test, outliers])
        if isinstance(detector, BernoulliRBM):
            scores = -detector.free_energy(rows)
        else:
            scores = detector.decision_function(rows)
        areas[name].append(roc_auc_score(is_known, scores))

print("area under the ROC curve, for each unknown digit and in the mean")
for name, values in areas.items():
    line = " ".join(f"{value:.2f}" for value in values)
    print(f"{name.replace(chr(10), ' '):34} mean {np.mean(values):.3f}: {line}")

# %%
# What it looks like
# ------------------
# On the left, the log-likelihoods where the unknown digit is an 8, in nats. Held-out
# images of the other digits are about as likely as those of the training. Many an 8 is
# less likely than these, but not all: some are much like a 9 or a 3.

train, test, outliers = divided(8)
rbm = BernoulliRBM(n_iter=30, random_state=0).fit(train)
rows = {"training": train, "test": test, "8, which is unknown": outliers}

figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.4), layout="constrained")
LogLikelihoodDisplay.from_estimator(rbm, rows, ax=axes[0], bins=20)
axes[0].set(ylim=(0, 0.18), title="The unknown digit is less likely")
axes[0].legend(fontsize="small", framealpha=1)
means = [np.mean(values) for values in areas.values()]
colours = ["tab:red", "0.5", "0.5", "0.5", "0.8"]
bars = axes[1].barh(list(areas), means, color=colours)
axes[1].bar_label(bars, fmt="%.2f", padding=3)
axes[1].invert_yaxis()
axes[1].set(xlim=(0.5, 1), xlabel="area under the ROC curve, mean of ten digits")
axes[1].set_title("Detectors of the unknown digit")
plt.show()
