"""
A table with gaps
=================

A table of wines has columns of numbers and columns of categories, and a fifth of its
entries are missing. An imputer learns the distribution of whole rows, with a mixed
Boltzmann machine, and fills each gap given what is known of its row. It is compared
with the mean and the most frequent value, and with ``IterativeImputer`` of
scikit-learn, to which the categories are numbers in the order of the words.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_wine
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer

from skebm import BoltzmannImputer

# %%
# The table
# ---------
# Four columns are known by a word only.

wine = load_wine(as_frame=True).data
words = ["low", "medium", "high", "very high"]
for name in ("alcohol", "ash", "hue", "color_intensity"):
    wine[name] = pd.qcut(wine[name], 4, labels=words).astype(str)
missing = np.random.default_rng(0).random(wine.shape) < 0.2
gaps = wine.mask(missing)
numbers = wine.select_dtypes(float).columns
categories = wine.columns.difference(numbers)
print(gaps.iloc[:4, :5])

# %%
# The gaps are filled
# -------------------
# The data frame goes in as it is, and comes out with the same columns and dtypes.

imputer = BoltzmannImputer(random_state=0)
filled = {"Boltzmann machine": imputer.fit_transform(gaps)}
print(filled["Boltzmann machine"].iloc[:4, :5])

usual = {**gaps[numbers].mean(), **gaps[categories].mode().iloc[0]}
filled["mean and mode"] = gaps.fillna(usual)

# %%
# ``IterativeImputer`` takes numbers only. Words are encoded by their order, which the
# Boltzmann machine does not know, and what is found is rounded to a word.

coded = gaps.copy()
for name in categories:
    coded[name] = gaps[name].map({word: k for k, word in enumerate(words)})
mean, spread = coded.mean(), coded.std()
found = IterativeImputer(max_iter=30, random_state=0).fit_transform(
    (coded - mean) / spread
)
iterative = pd.DataFrame(found, columns=wine.columns) * spread + mean
for name in categories:
    numbers_of_words = iterative[name].round().clip(0, 3).astype(int)
    iterative[name] = np.array(words)[numbers_of_words]
filled["IterativeImputer"] = iterative

# %%
# How good they are
# -----------------

gone = pd.DataFrame(missing, columns=wine.columns)
errors, accuracies = {}, {}
for name, table in filled.items():
    off = (table[numbers] - wine[numbers]) / wine[numbers].std()
    errors[name] = np.sqrt(np.nanmean(off.where(gone[numbers]) ** 2))
    right = (table[categories] == wine[categories]).to_numpy()
    accuracies[name] = right[gone[categories].to_numpy()].mean()
    print(
        f"{name:18} error of a number {errors[name]:.2f} standard deviations, "
        f"categories right {accuracies[name]:.2f}"
    )

figure, axes = plt.subplots(1, 2, figsize=(8, 2.4), layout="constrained")
for axis, values, title in zip(
    axes,
    (errors, accuracies),
    ("error of a number, in standard deviations", "share of categories that are right"),
    strict=True,
):
    axis.barh(list(values), list(values.values()), color=["tab:blue", "0.7", "0.5"])
    axis.set_title(title, fontsize=10)
    axis.invert_yaxis()
axes[1].set_yticklabels([])
plt.show()
