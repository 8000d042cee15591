"""log Z of a machine of word counts, for documents of any length.

With the words summed out, the hidden units of documents of n words have the density

    p_n(h) = exp(c . h + n g(h)) / Z_n ,   g(h) = log sum_w exp(b_w + W_w . h) .

So one enumeration of h serves all lengths. Else annealing does: the length is an
inverse temperature of g, and annealed importance sampling from n = 0, where the hidden
units are independent, passes all lengths on its way. A document grows word by word. A
word of which the share f has come in has f W in the place of W:

    g_f(h) = log sum_w exp(b_w + f W_w . h) - (1 - f) log sum_w exp(b_w) .

Given h, the words are independent, and given these the hidden units are: so a block
Gibbs step leaves the distribution of each stage as it is.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .backend import device_of, like, log_sum_exp, namespace, to_numpy, zeros
from .machine import ODD, field, free_energy, independent_layers, inputs, resample
from .partition import (
    BLOCK_BYTES,
    LogPartition,
    bracket,
    cycle_rows,
    smaller_side,
    states_of,
)
from .rows import by_blocks, take_rows
from .sampling import alternate, clamp
from .tempering import exchanged
from .units import log_partition_change

# The spacing of the stages grows with the length and so many words.
FIRST_WORDS = 5.0

# Lengths at which there are chains that lead to samples of the longest documents.
N_RUNGS = 25


def exactly(value):
    """log Z that is known."""
    value = float(value)
    return LogPartition(value, value, value, 0.0, "exact", math.inf)


def exact(machine, lengths):
    """log Z for each of the lengths, a list, by enumeration of the hidden units."""
    _, kind = machine.units
    _, c = machine.params.biases
    n_states = smaller_side(machine).n_states
    block = max(1, BLOCK_BYTES // (8 * sum(b.shape[0] for b in machine.params.biases)))
    total = np.full(len(lengths), -np.inf)
    for start in range(0, n_states, block):
        hidden = states_of(machine, ODD, start, min(start + block, n_states))[ODD]
        potential = log_sum_exp(field(machine.params, [None, hidden], 0))
        own = as_double(hidden @ c + kind.log_base(hidden))
        here = own + np.multiply.outer(lengths, as_double(potential))
        total = np.logaddexp(total, np.logaddexp.reduce(here, axis=1))
    return [exactly(value) for value in total]


def as_double(x):
    """Values as a NumPy array in double precision."""
    return to_numpy(x).astype(np.float64)


class Passage(NamedTuple):
    """Annealing runs through the stages, with the hidden units that they have at each.

    Log weights from the first stage on, log densities of the hidden units without
    c . h, and g, are (n_stages, n_runs) each.
    """

    log_weights: object
    densities: object
    potentials: object

    def to(self, length, index):
        """Log weights from the first stage to a length that is near stage `index`."""
        change = length * self.potentials[index] - self.densities[index]
        return self.log_weights[index] + change

    def reversed(self):
        """The same with the stages in the other order."""
        return Passage(*(x[::-1] for x in self))


class Lengths(NamedTuple):
    """log Z for all lengths up to that of the last of the `stages`, (n_stages,).

    It comes from annealing `up` from empty documents, whose log Z is `known`, and
    `down` from the longest ones. Both are in the order of the stages.
    """

    known: float
    stages: object
    up: Passage
    down: Passage

    def at(self, length):
        """log Z for this length, with its bracket.

        The runs from the longest documents are taken as samples when they pass by.
        """
        if length == 0.0:
            return exactly(self.known)
        below = int(np.searchsorted(self.stages, length, side="right")) - 1
        above = int(np.searchsorted(self.stages, length))
        up = self.up.to(length, below)
        down = self.down.log_weights[0] - self.down.to(length, above)
        return bracket(self.known, up, down)


def spaced(longest, n_stages):
    """Lengths from 0 to the longest, (at most n_stages,), in steps that grow with them.

    Steps of a word or more are of whole words.
    """
    growth = math.log1p(longest / FIRST_WORDS)
    lengths = FIRST_WORDS * np.expm1(np.linspace(0.0, growth, n_stages))
    is_coarse = np.gradient(lengths) >= 1.0
    lengths[is_coarse] = np.round(lengths[is_coarse])
    lengths[0], lengths[-1] = 0.0, longest
    return np.unique(lengths)


class Words:
    """The words of documents, given hidden units (n_runs, n_hidden)."""

    def __init__(self, machine, hidden):
        self.machine, self.b = machine, machine.params.biases[0]
        self.over = inputs(machine.params, [None, hidden], 0)
        self.potential = log_sum_exp(self.over + self.b)

    def density(self, length):
        """log density of the hidden units at a stage, without c . h, (n_runs,)."""
        share = length - math.floor(length)
        total = math.floor(length) * self.potential
        if share > 0.0:
            entering = log_sum_exp(share * self.over + self.b)
            total = total + entering - (1.0 - share) * log_sum_exp(self.b)
        return as_double(total)

    def hidden(self, length, stream):
        """Hidden units after a Gibbs step at a stage."""
        kind, n_whole = self.machine.units[0], math.floor(length)
        share, means = length - n_whole, kind.of_length(float(n_whole))
        states = kind.sample(means.mean(self.over + self.b), stream)
        if share > 0.0:
            mean = kind.of_length(1.0).mean(share * self.over + self.b)
            states = states + share * kind.sample(mean, stream)
        return resample(self.machine, [states, None], ODD, stream)[ODD]


def passage(machine, stages, hidden, stream):
    """Annealing of hidden units along the stages, which rise or fall.

    They are samples at the first stage. On the way to each other one they are weighted
    first, and then take a Gibbs step there.
    """
    words = Words(machine, hidden)
    density = words.density(stages[0])
    records = [(np.zeros_like(density), density, as_double(words.potential))]
    for before, length in pairwise(stages):
        total = records[-1][0] + words.density(length) - words.density(before)
        words = Words(machine, words.hidden(length, stream))
        records.append((total, words.density(length), as_double(words.potential)))
    return Passage(*(np.stack(x) for x in zip(*records, strict=True)))


def annealed(machine, samples, longest, n_stages, stream):
    """log Z of all lengths up to the longest, by annealing in both directions.

    `samples` are hidden units of documents of that length, as :func:`settled` has them,
    and there are as many runs each way.
    """
    kind, c = machine.units[ODD], machine.params.biases[ODD]
    start = independent_layers([kind], [kind.mean(c)], samples.shape[0], stream)[0]
    stages = spaced(longest, n_stages)
    up = passage(machine, stages.tolist(), start, stream)
    down = passage(machine, stages[::-1].tolist(), samples, stream).reversed()
    return Lengths(float(kind.log_partition(c)), stages, up, down)


class LengthShares(NamedTuple):
    """Lengths of documents, each once, and the share of the weights that it has.

    It finds the mean log Z of the documents, as early stopping asks for it.
    """

    lengths: object
    shares: object

    def exact(self, machine):
        """By enumeration."""
        return self._mean(exact(machine, self.lengths))

    def annealed(self, machine, base, chains, n_runs, n_stages, stream):
        """By annealing, and the chains that it started from."""
        longest = float(self.lengths[-1])
        hidden = settled(machine, chains[ODD], longest, n_runs, n_stages, stream)
        found = annealed(machine, hidden, longest, n_stages, stream)
        return self._mean(map(found.at, self.lengths)), [None, hidden]

    def _mean(self, log_partitions):
        """The mean of log Z, with the ends of all brackets and the largest error."""
        fields = zip(*log_partitions, strict=True)
        values, lower, upper, errors, methods, sizes, *_ = fields
        value, low, high = (float(self.shares @ x) for x in (values, lower, upper))
        return LogPartition(value, low, high, max(errors), methods[-1], min(sizes))


def count_lengths(rows, sample_weight):
    """Lengths of documents, and their shares of the weights."""
    all_lengths = document_lengths(rows, sample_weight.dtype)
    lengths, inverse = np.unique(all_lengths, return_inverse=True)
    weights = np.bincount(inverse, as_double(sample_weight))
    return LengthShares(lengths, weights / weights.sum())


def document_lengths(rows, dtype):
    """Numbers of words, (n_rows,), in double precision."""
    return as_double(by_blocks(lambda v: namespace(v).sum(v, axis=-1), rows, dtype))


def log_p_of_words(machine, both):
    """sum over words of count log p(word | the document that is given), (n_rows,).

    `both` are the rows, and beside them the documents that are given.
    """
    xp, n_columns = namespace(both), machine.params.biases[0].shape[0]
    rows, given = both[:, :n_columns], both[:, n_columns:]
    return xp.sum(rows * log_p_of_next(machine, given), axis=-1)


def settled(machine, hidden, longest, n_runs, n_steps, stream):
    """Hidden units of `n_runs` documents of this length, Gibbs steps on from others.

    They come from chains at several lengths, which change places: long documents rarely
    go from one topic to another, and short ones carry this up. Of the longest, the
    states after the first quarter of the steps are taken, evenly spread.
    """
    ladder = np.unique(np.ceil(spaced(longest, N_RUNGS)[1:]))
    n_rows = len(ladder) * max(2, n_runs // len(ladder))
    hidden, taken = cycle_rows(hidden, n_rows), []
    column = like(ladder, hidden)[:, None]
    n_each = n_rows // len(ladder)
    kind = machine.units[0].of_length(namespace(hidden).repeat(column, n_each, axis=0))
    machine = machine._replace(units=(kind, *machine.units[1:]))
    for step in range(n_steps):
        layers = alternate(machine, [None, hidden], 1, stream)
        hidden = resample(machine, layers, ODD, stream)[ODD]
        order = exchanged(Words(machine, hidden).potential, column, stream)
        hidden = namespace(hidden).take(hidden, order, axis=0)
        if step >= n_steps // 4:
            taken.append(hidden[n_rows - n_each :, ...])
    rows = namespace(hidden).concat(taken)
    spread = np.linspace(0, rows.shape[0] - 1, n_runs).astype(int)
    numbers = namespace(hidden).asarray(spread, device=device_of(hidden))
    return take_rows(rows, numbers, rows.dtype)


def sample_documents(machine, start, lengths, n_steps, stream, known=None):
    """Documents of these lengths (n_rows,), Gibbs steps on from those of `start`.

    With `known`, what is held of their counts, these are given, and the others are
    drawn given them: hidden units have their input, and no more of these words come.
    """
    if n_steps == 0:
        return clamp([start], known)[0]
    hidden = resample(machine, [start, None], ODD, stream)[ODD]
    if known is not None:
        machine, lengths = given_counts(machine, lengths, known)
    kind = machine.units[0].of_length(lengths[:, None])
    machine = machine._replace(units=(kind, *machine.units[1:]))
    return clamp(alternate(machine, [None, hidden], n_steps, stream), known)[0]


def given_counts(machine, lengths, known):
    """The machine of the other words, whose biases are one row for each document."""
    xp, params, mask = namespace(known.values), machine.params, known.mask
    counts = xp.where(mask, known.values, 0.0)
    b, c = params.biases
    never = zeros(counts.shape, counts) - math.inf
    biases = (xp.where(mask, never, b), c + counts @ params.weights[0])
    params = params._replace(biases=biases)
    return machine._replace(params=params), lengths - xp.sum(counts, axis=-1)


def log_p_of_next(machine, rows):
    """log p(next word | the words so far), (n_rows, n_words).

    It is exact for documents of one word more, with the hidden units summed out:

        log p(w | v) = b_w + sum_j softplus(c_j + v . W_j + W_wj) - const(v) .
    """
    (_, hidden), params = machine.units, machine.params
    W, b = params.weights[0], params.biases[0]
    a = field(params, [rows, None], ODD)
    before = zeros((rows.shape[0], W.shape[0]), rows)
    logits = b + log_partition_change(hidden, a, before, W)
    return logits - log_sum_exp(logits)[:, None]


def log_p_of_order(machine, rows):
    """log p of the words of documents in an order, but for log Z, (n_rows,)."""
    kind = machine.units[0]
    return -free_energy(machine, [rows, None]) - kind.log_base(rows)
