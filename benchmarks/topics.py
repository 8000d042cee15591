"""Perplexity of the second halves of documents given the first, beside that of LDA.

    SKEBM_DATA=folder python benchmarks/topics.py [--choose]

Text is the folder's `text/20newsgroups_etm.npz`: 20 Newsgroups, 11,214 documents to
train on and 7,531 to test, of 3,072 words. Both models have 50 topics or hidden units,
and predict the words of the second half one by one, each from the first half alone:

    perplexity = exp(- sum_dw n_dw log p(w | first half of d) / sum_dw n_dw) .

For LDA p is its `transform` of the first half times its normalised `components_`. With
--choose, the parameters are compared on 1,500 training documents that are held out.
Without, models are fitted to all: ours and LDA, with their defaults but for the number
of epochs, and with the best parameters. The frequencies of words, whatever the
document, are beside them.

The test documents are later ones, and their halves are the first words and the last.
What is held out is made as hard, by what can be seen without a model. Documents that
are similar to it are taken out of the training, until the mean similarity to the
nearest one is as in the test. A part of each second half is exchanged for that of
another document, until about as many of its words are in the first half as in the test.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.feature_extraction.text import TfidfTransformer

from skebm import MultinomialRBM

N_TOPICS, N_HELD_OUT = 50, 1500

# Cosine of tf-idf from which on documents are too similar to one that is held out; the
# share of the words of second halves that is exchanged.
TOO_SIMILAR, EXCHANGED = 0.57, 0.2

# What is compared by --choose, and which was best.
LDA = [
    {"learning_method": method, "max_iter": n, **priors, **batches}
    for method, n, batches in (
        ("online", 10, {"batch_size": 256}),
        ("batch", 30, {}),
    )
    for priors in (
        {},
        {"doc_topic_prior": 0.1, "topic_word_prior": 0.1},
        {"doc_topic_prior": 0.05, "topic_word_prior": 0.3},
        {"doc_topic_prior": 0.1, "topic_word_prior": 0.5},
        {"doc_topic_prior": 0.2, "topic_word_prior": 0.5},
    )
]
BEST_LDA = {
    "learning_method": "batch",
    "max_iter": 50,
    "doc_topic_prior": 0.1,
    "topic_word_prior": 0.5,
}
LONG = {"n_iter": 80, "learning_rate": 0.05, "weight_decay": 0.002}
BEST_RBM = {**LONG, "initial_activation": 0.5, "n_gibbs_steps": 5}
RBM = [
    {"n_iter": 20},
    {"n_iter": 20, "weight_decay": 0.001},
    {"n_iter": 20, "weight_decay": 0.0015},
    {"n_iter": 15, "weight_decay": 0.003},
    {"n_iter": 20, "weight_decay": 0.0015, "initial_activation": 0.3},
    {**LONG, "initial_activation": 0.5},
    {**LONG, "initial_activation": 0.3, "n_gibbs_steps": 3},
    {**LONG, "initial_activation": 0.3, "learning_rate": 0.025},
    {**LONG, "initial_activation": 0.3, "learning_rate": 0.03, "batch_size": 10},
    {**LONG, "initial_activation": 0.3, "batch_size": 100},
    BEST_RBM,
]


def documents(*names):
    """Sparse counts of words of the parts with these names, and the vocabulary."""
    file = Path(os.environ["SKEBM_DATA"]) / "text" / "20newsgroups_etm.npz"
    with np.load(file, allow_pickle=True) as data:
        n_words = len(data["vocab"])
        parts = []
        for name in names:
            values, indices, indptr = (
                data[f"{name}_{part}"] for part in ("data", "indices", "indptr")
            )
            shape = len(indptr) - 1, n_words
            entries = values.astype(np.float32), indices.astype(np.int32), indptr
            parts.append(csr_matrix(entries, shape))
        return *parts, data["vocab"]


def halves(X, seed=0):
    """The words of each document divided at random into two halves."""
    rng, first = np.random.default_rng(seed), X.copy()
    for start, stop in zip(X.indptr[:-1], X.indptr[1:], strict=True):
        counts = X.data[start:stop].astype(np.int64)
        drawn = rng.multivariate_hypergeometric(counts, counts.sum() // 2)
        first.data[start:stop] = drawn
    return first, X - first


def exchanged(second, seed=1):
    """Second halves of which a part of the words is that of another document."""
    rng, kept = np.random.default_rng(seed), second.copy()
    kept.data = rng.binomial(kept.data.astype(np.int64), 1.0 - EXCHANGED).astype("f4")
    return csr_matrix(kept + (second - kept)[rng.permutation(second.shape[0])])


def unlike(X, held_out):
    """The documents of X that are not too similar to any that is held out."""
    weighting = TfidfTransformer(sublinear_tf=True).fit(X)
    others = weighting.transform(held_out).T
    nearest = [
        (weighting.transform(X[i : i + 250]) @ others).max(axis=1).toarray().ravel()
        for i in range(0, X.shape[0], 250)
    ]
    return X[np.concatenate(nearest) < TOO_SIMILAR]


def lda_perplexity(lda, first, second):
    """Perplexity of the second halves given the first, by LDA's point estimates."""
    topics = lda.components_ / lda.components_.sum(axis=1, keepdims=True)
    p, counts = lda.transform(first) @ topics, second.tocoo()
    log_p = np.log(p[counts.row, counts.col])
    return np.exp(-(counts.data @ log_p) / counts.data.sum())


def report(kind, params, X, first, second):
    """Fit and score a model; print a line."""
    begin = time.perf_counter()
    if kind is MultinomialRBM:
        model = MultinomialRBM(N_TOPICS, random_state=0, **params).fit(X)
        perplexity = model.perplexity(second, given=first)
    else:
        model = kind(N_TOPICS, random_state=0, **params).fit(X)
        perplexity = lda_perplexity(model, first, second)
    seconds = time.perf_counter() - begin
    print(f"{perplexity:8.1f}  {seconds:5.0f} s  {kind.__name__} {params}", flush=True)
    return model, perplexity


def choose(X):
    """All parameters on held-out documents."""
    order = np.random.default_rng(0).permutation(X.shape[0])
    first, second = halves(X[order[:N_HELD_OUT]])
    second = exchanged(second)
    X = unlike(X[order[N_HELD_OUT:]], X[order[:N_HELD_OUT]])
    for params in RBM:
        report(MultinomialRBM, params, X, first, second)
    for params in LDA:
        report(LatentDirichletAllocation, params, X, first, second)


def main():
    X, first, second, vocabulary = documents("train", "test_h1", "test_h2")
    if "--choose" in sys.argv:
        choose(X)
        return
    shares = np.asarray(X.sum(axis=0)).ravel() + 1.0
    log_p = second @ np.log(shares / shares.sum())
    print(f"{np.exp(-log_p.sum() / second.sum()):8.1f}           frequencies of words")
    report(LatentDirichletAllocation, {}, X, first, second)
    _, lda = report(LatentDirichletAllocation, BEST_LDA, X, first, second)
    report(MultinomialRBM, {"n_iter": 20}, X, first, second)
    rbm, own = report(MultinomialRBM, BEST_RBM, X, first, second)
    print(f"{1 - own / lda:.1%} lower")
    for words in rbm.top_words(8, vocabulary):
        print("  ", *words)


if __name__ == "__main__":
    main()
