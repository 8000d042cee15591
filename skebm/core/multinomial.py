"""Word counts: the replicated softmax [Salakhutdinov & Hinton 2009]."""

import math

from scipy.special import gammaln

from .backend import (
    bincount,
    device_of,
    like,
    log_sum_exp,
    namespace,
    softmax,
    to_numpy,
    zeros,
)
from .rows import TINY, column_means, value_range
from .units import PlainBorder, refuse_other_border, x_log_x

# By how much of itself rounding may move the sum of the means of a document.
ROUNDING = 1e-4

# Number of words in a document up to which the learning rate is what was asked for.
USUAL_WORDS = 100.0

# Times that a word may come in a document: more is some other kind of number.
MOST_OF_A_WORD = 2.0**31


class Multinomial(PlainBorder):
    """Counts of the words of a document, of a length that is given.

    They are the sum of as many tied units as the document has words, each of which is
    one word of the vocabulary. So all that is said of a layer depends on the length.
    It comes from the rows: `lengths` (n_rows, 1), by :meth:`alike`. Where there are no
    rows, documents have the `usual` length.
    """

    has_totals = knows_rows = True
    ask = "has no document that is far longer than the others"

    def __init__(self, usual=1.0, lengths=None):
        self.usual = usual
        self.lengths = usual if lengths is None else lengths

    @property
    def step_scale(self):
        """What learning rates are multiplied by: less where documents are long.

        Each word adds to the gradient.
        """
        return min(1.0, USUAL_WORDS / self.usual)

    def alike(self, states):
        """The kind for documents as long as these."""
        if states is None:
            return self
        lengths = namespace(states).sum(states, axis=-1, keepdims=True)
        return Multinomial(self.usual, lengths)

    def of_length(self, length):
        """The kind for documents of this length."""
        return Multinomial(self.usual, length)

    def fitted(self, X, sample_weight):
        """The kind with the mean length of these rows, rounded, as the usual one."""
        mean, _ = column_means(X, sample_weight)
        return Multinomial(max(1.0, float(round(float(namespace(mean).sum(mean))))))

    def saved(self):
        """The usual length."""
        return {"usual": self.usual}

    def restored(self, saved):
        """The kind with the usual length that was saved."""
        refuse_other_border(self, saved, {"usual"})
        return Multinomial(saved["usual"])

    def single(self, states):
        """What each word has: the share of the vocabulary's words in the document."""
        xp = namespace(states)
        lengths = xp.sum(states, axis=-1, keepdims=True)
        return states / xp.where(lengths > 0.0, lengths, xp.ones_like(lengths))

    def mean(self, a):
        """E[x | a]: the length times the probability of each word."""
        return self.lengths * softmax(a)

    def variance(self, mean):
        """Variance of x, elementwise, where it has that mean."""
        total = namespace(mean).sum(mean, axis=-1, keepdims=True)
        return mean * (1.0 - mean / total)

    def sample(self, mean, stream):
        """One draw from the distribution with that mean.

        A length that is no whole number is that of so many words and one more, all of
        which weigh a little less than 1.
        """
        xp = namespace(mean)
        lengths = xp.sum(mean, axis=-1)
        words = xp.where(xp.isfinite(lengths), lengths, xp.zeros_like(lengths))
        near = xp.round(words)
        is_whole = xp.abs(words - near) <= ROUNDING * (1.0 + near)
        words = xp.where(is_whole, near, xp.ceil(words))
        counts = xp.astype(drawn_words(mean, words, stream), mean.dtype)
        weight = xp.where(is_whole, xp.ones_like(words), lengths / (words + TINY))
        # Where training diverged, it has to be seen.
        weight = xp.where(xp.isfinite(lengths), weight, zeros(1, mean) + math.nan)
        counts *= weight[:, None]
        return counts

    def log_partition(self, a):
        """log of the sum over x of exp(a x + log_base(x)), per row."""
        lengths = self.lengths
        if not isinstance(lengths, float):
            lengths = lengths[..., 0]
        return lengths * log_sum_exp(a)

    def entropy(self, mean):
        """Entropy relative to the base measure where x has that mean, per row."""
        xp = namespace(mean)
        lengths = xp.sum(mean, axis=-1)
        return -lengths * xp.sum(x_log_x(self.single(mean)), axis=-1)

    def log_base(self, x):
        """log of in how many orders the words can come, per row.

        In between whole numbers it is interpolated, by the gamma function.
        """
        values = to_numpy(x)
        ways = gammaln(values.sum(axis=-1) + 1.0) - gammaln(values + 1.0).sum(axis=-1)
        return like(ways, x)

    def natural(self, mean):
        """A total input that gives this mean."""
        return namespace(mean).log(mean)

    def clip(self, mean, margin):
        """The mean moved into the interior, `margin` away from 0."""
        return namespace(mean).clip(mean, margin)

    def check(self, X, name):
        """Raise an error where a count is negative, or huge: there is no such document.

        Each word is drawn by itself.
        """
        low, high = value_range(X)
        if high > MOST_OF_A_WORD:
            raise ValueError(
                f"{name} should hold counts of words, but holds {high:g}. Give counts "
                "as sklearn.feature_extraction.text.CountVectorizer has them."
            )
        if low < 0.0:
            raise ValueError(
                f"Negative values in data passed to {name}: it should hold counts of "
                f"words, but its least value is {low:g}. Give counts as "
                "sklearn.feature_extraction.text.CountVectorizer has them."
            )


def drawn_words(mean, words, stream):
    """Counts of so many `words` (n_rows,) drawn with probabilities as the means are.

    Each word is where a uniform number falls in the sum of all means so far.
    """
    xp = namespace(mean)
    n_rows, n_columns = mean.shape
    flat = xp.reshape(xp.astype(mean, xp.float64), (-1,))
    reached = xp.cumulative_sum(flat)
    ends = reached[n_columns - 1 :: n_columns]
    starts = xp.concat([xp.zeros_like(ends[:1]), ends[:-1]])
    n_words = xp.astype(words, xp.int64)
    device = device_of(mean)
    rows = xp.repeat(xp.arange(n_rows, device=device), n_words)
    first, width = xp.take(starts, rows), xp.take(ends - starts, rows)
    numbers = xp.astype(stream.uniform((rows.shape[0],)), xp.float64)
    places = xp.searchsorted(reached, first + numbers * width, side="right")
    last = n_rows * n_columns - 1  # rounding, or NaN, may lead beyond it
    counts = bincount(xp.clip(places, 0, last), last + 1)
    return xp.reshape(counts, mean.shape)
