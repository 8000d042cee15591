"""
Topics that predict the other words of a document
=================================================

The documents are what scikit-learn says of itself: the docstrings of all estimators and
functions. Half of the words of a document are given, and the words of the other half
are predicted. A replicated softmax, the restricted Boltzmann machine for word counts,
is less surprised by them than latent Dirichlet allocation with as many topics. Its
topics multiply each other's probabilities, and do not share the words among them.
"""

import inspect

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.experimental import (
    enable_halving_search_cv,  # noqa: F401
    enable_iterative_imputer,  # noqa: F401
)
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import train_test_split
from sklearn.utils.discovery import all_estimators, all_functions

from skebm import ComponentsDisplay, MultinomialRBM

# %%
# The documents
# -------------
# Each word counts that is in at least 5 of them, and in no more than a third. Two
# estimators of scikit-learn are there only where they are enabled, as above.

texts = [inspect.getdoc(item) for _, item in [*all_estimators(), *all_functions()]]
texts = [text for text in texts if text]
vectorizer = CountVectorizer(
    min_df=5, max_df=0.33, stop_words="english", token_pattern=r"\b[a-zA-Z]{3,}\b"
)
X = vectorizer.fit_transform(texts).astype(np.float32)
X_train, X_test = train_test_split(X, test_size=0.2, random_state=0)
print(f"{X.shape[0]} documents of {X.sum() / X.shape[0]:.0f} words out of {X.shape[1]}")

# %%
# Half of the words of each test document, drawn at random, are given.

first, rng = X_test.copy(), np.random.default_rng(0)
first.data = rng.binomial(X_test.data.astype(int), 0.5).astype(np.float32)
second = X_test - first

# %%
# Two models
# ----------
# Both have 20 topics, and are measured in the same way.

rbm = MultinomialRBM(20, n_iter=60, random_state=0).fit(X_train)
lda = LatentDirichletAllocation(
    20, doc_topic_prior=0.1, topic_word_prior=0.1, max_iter=20, random_state=0
).fit(X_train)
topics = lda.components_ / lda.components_.sum(axis=1, keepdims=True)
p, counts = lda.transform(first) @ topics, second.tocoo()
log_p = np.log(p[counts.row, counts.col])
perplexities = {
    "frequency of each word": rbm.perplexity(second, given=0 * first),
    "latent Dirichlet allocation": np.exp(-(counts.data @ log_p) / counts.data.sum()),
    "replicated softmax": rbm.perplexity(second, given=first),
}
for name, perplexity in perplexities.items():
    print(f"{name:28} {perplexity:6.1f}")

# %%
# The perplexity is the number of words among which one would have to guess.

figure, axis = plt.subplots(figsize=(7, 2.4), layout="constrained")
bars = axis.barh(list(perplexities), list(perplexities.values()), color=["0.7"] * 3)
bars[-1].set_color("C3")
axis.bar_label(bars, fmt="%.0f", padding=3)
axis.margins(x=0.12)
axis.set_xlabel("perplexity of the words of second halves: less is better")
plt.show()

# %%
# What the hidden units stand for
# -------------------------------
# The words that six of them make more likely.

words = vectorizer.get_feature_names_out()
ComponentsDisplay.from_estimator(rbm, units=6, feature_names=words, sign="positive")
plt.show()

# %%
# Words that the machine expects next
# -----------------------------------
# Given the words of a line, these become more likely by the largest factors.

before = rbm.word_distribution(np.zeros((1, X.shape[1])))[0]
for line in ("trees splits forest", "text tokens vocabulary", "clusters centroid"):
    after = rbm.word_distribution(vectorizer.transform([line]).astype(np.float32))[0]
    best = np.argsort(before / after)[:7]
    print(f"{line:24}: {' '.join(words[best])}")
