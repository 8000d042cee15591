"""
Half of a document's words, predicted from the other half
=========================================================

The documents are what scikit-learn says of itself: the docstrings of all estimators and
functions. Half of the words of a document are given. A replicated softmax, a Boltzmann
machine for word counts, predicts the other half better than latent Dirichlet allocation
with as many topics does: its perplexity is lower. Its topics multiply each other's
probabilities, where those of the other model share the words among them.
"""

import inspect

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import train_test_split
from sklearn.utils.discovery import all_estimators, all_functions

from skebm import ComponentsDisplay, MultinomialRBM

# %%
# The documents
# -------------
# Each word counts that is in at least 5 of them, and in no more than a third. The
# models learn from four fifths of the documents.

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
    "word frequencies": rbm.perplexity(second, given=0 * first),
    "latent Dirichlet allocation": np.exp(-(counts.data @ log_p) / counts.data.sum()),
    "replicated softmax": rbm.perplexity(second, given=first),
}
for name, perplexity in perplexities.items():
    print(f"{name:28} {perplexity:6.1f}")

# %%

figure, axis = plt.subplots(figsize=(6.4, 2.2), layout="constrained")
bars = axis.barh(
    list(perplexities), list(perplexities.values()), color=["0.7", "0.5", "tab:red"]
)
axis.bar_label(bars, fmt="%.0f", padding=3)
axis.set(xlabel="perplexity of a word (lower is better)", xlim=(0, 1500))
axis.set_title("The other half of a document's words")
plt.show()

# %%
# Words that the machine expects next
# -----------------------------------
# Given the words of a line, these become more likely by the largest factors.

before = rbm.word_distribution(np.zeros((1, X.shape[1])))[0]
for line in ("trees splits forest", "text tokens vocabulary", "clusters centroid"):
    after = rbm.word_distribution(vectorizer.transform([line]).astype(np.float32))[0]
    best = np.argsort(before / after)[:7]
    print(f"{line:24}: {' '.join(vectorizer.get_feature_names_out()[best])}")

# %%
# What the hidden units stand for
# -------------------------------
# The words with the largest weights of six hidden units.

names = vectorizer.get_feature_names_out()
for words in rbm.top_words(7, names)[:6]:
    print(" ".join(words))
ComponentsDisplay.from_estimator(rbm, feature_names=names, sign="positive")
plt.show()
