"""
The number of hidden units, chosen by the likelihood
====================================================

More hidden units fit the training images better and better. Images that are held out
say how many are enough: 64 here, where there are few images to learn from. The score of
a Boltzmann machine is the log-likelihood, so that grid search chooses without labels.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split

from skebm import BernoulliRBM

# %%
# The data
# --------
# Only 300 images of digits, with pixels that are on or off. The other 1497 images are
# for a last look: no choice depends on them.

X = (load_digits().data > 7).astype(np.float32)
X_train, X_test = train_test_split(X, train_size=300, random_state=0)

# %%
# Grid search
# -----------
# Where the score of an estimator is its log-likelihood, ``GridSearchCV`` needs nothing
# else. Log Z is exact up to 20 hidden units, and estimated for more, to within 1 nat:
# there would be a warning if it were not.

sizes = [8, 16, 32, 64, 128, 256]
search = GridSearchCV(
    BernoulliRBM(n_iter=300, random_state=0),
    {"n_components": sizes},
    cv=3,
    return_train_score=True,
).fit(X_train)
fitted, held_out, folds = (
    search.cv_results_[name]
    for name in ("mean_train_score", "mean_test_score", "std_test_score")
)
print("hidden units  images of the fit  held-out images")
for n, of_fit, of_held_out in zip(sizes, fitted, held_out, strict=True):
    print(f"{n:12} {of_fit:18.2f} {of_held_out:16.2f}")
best = search.best_params_["n_components"]
mean = X_train.mean(axis=0).clip(1e-3, 1 - 1e-3)
independent = (X_test @ np.log(mean) + (1 - X_test) @ np.log(1 - mean)).mean()
log_z = search.best_estimator_.log_partition()
print(f"chosen: {best}, and fitted to all 300 images")
print(f"test images: {search.score(X_test):.2f} nats,", end=" ")
print(f"with independent pixels {independent:.2f}")
print(f"log Z is between {log_z.lower:.2f} and {log_z.upper:.2f}")

# %%
# The two curves part where the machine begins to learn single images by heart. The top
# is flat: with 128 hidden units it would have been as good, but not better.

figure, axis = plt.subplots(figsize=(6.4, 4), layout="constrained")
axis.plot(sizes, fitted, "o--", color="0.5", label="images of the fit")
axis.plot(sizes, held_out, "o-", color="tab:red", linewidth=3, label="held-out images")
axis.plot(best, held_out.max(), "o", color="tab:red", markersize=14, mfc="none", mew=2)
axis.annotate(
    f"best: {best}", (best, held_out.max()), (0, -26), textcoords="offset points"
)
axis.set_xscale("log", base=2)
axis.set_xticks(sizes, [str(n) for n in sizes])
axis.set(xlabel="number of hidden units", ylabel="mean log-likelihood (nats)")
axis.set_title("64 hidden units are enough for 300 digits")
axis.legend()
plt.show()
