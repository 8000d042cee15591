"""What can be asked of a machine of word counts, beside what all machines answer."""

import math
from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_scalar
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_consistent_length,
    check_is_fitted,
)

from ._log_partition import is_wide, of_most_work, width
from ._validation import check_states
from ._warnings import warn
from .core import lengths, partition
from .core.algorithms import EvenDivergence
from .core.backend import like, namespace, to_numpy
from .core.rows import Beside, by_blocks, float_dtype
from .core.streams import Purpose, stream

# log Z is annealed up to lengths that are such a multiple of each other.
LENGTH_GROWTH = 8.0

# Width of the bracket of log Z for each word, in nats, up to which perplexities are
# known well enough.
WIDE_PER_WORD = 0.01


class DocumentsMixin:
    """Scores by length, perplexities, words: for machines of word counts."""

    # An entry that is not known would leave the length of the document open.
    _takes_missing = _fills_missing = False

    _annealing_steps = partition.ANNEALING_STEPS

    def _settings(self, seed, n_rows, units):
        settings = super()._settings(seed, n_rows, units)
        return settings._replace(algorithm=EvenDivergence(self.n_gibbs_steps))

    def _log_z_of(self, held_out):
        return lengths.count_lengths(*held_out)

    def _n_chains(self, n_rows):
        """As many as there are rows in a batch, or in a full one, if there is but one.

        Then weights count exactly as repetitions, however many rows there are.
        """
        size = self._n_batch_rows(n_rows)
        return size if n_rows <= size else -(-n_rows // -(-n_rows // size))

    @property
    def impute(self):
        """Not there: without all entries, the length of a document is not known."""
        raise AttributeError(
            f"{type(self).__name__} has no impute: a document of which a count is "
            "missing has no known length. Use sample with given, or word_distribution."
        )

    @property
    def cautious_score_samples(self):
        """Not there: annealing keeps the length of a document, and has one for each."""
        raise AttributeError(
            f"{type(self).__name__} has no cautious_score_samples, which is for rows "
            "that all have the same log Z. Use score_samples or perplexity, and the "
            "brackets of log_partition."
        )

    @validate_params(
        {
            "method": [StrOptions({"auto", "exact", "ais"})],
            "n_words": [Interval(Real, 0, None, closed="left"), None],
            "n_betas": [
                StrOptions({"auto"}),
                Interval(Integral, 2, None, closed="left"),
            ],
            "n_runs": [Interval(Integral, 2, None, closed="left")],
        },
        prefer_skip_nested_validation=True,
    )
    def log_partition(self, method="auto", *, n_words=None, n_betas="auto", n_runs=100):
        """Logarithm of the partition function Z of documents of a length, in nats.

        Exactly, or by annealed importance sampling [1]_ from empty documents, word by
        word, in both directions [2]_, joined by Bennett's acceptance ratio [3]_: one
        run passes all lengths on its way. It goes up to the mean length in the fit, or
        to 8, 64, ... times that, whichever is the first that is not below `n_words`.
        Results are kept, for the scores too.

        Parameters
        ----------
        method : {"auto", "exact", "ais"}, default="auto"
            "exact" enumerates the hidden units, and "ais" anneals. "auto" is "exact"
            for at most 20 hidden units.
        n_words : float, default=None
            Number of words of the documents. None is the mean in the fit.
        n_betas : int or "auto", default="auto"
            Number of lengths, up to the longest, at which annealing takes a Gibbs step.
            "auto" begins with 50, and takes four times as many, up to 800, while the
            bracket is wide and all of it takes no longer than the fit did, in Gibbs
            steps.
        n_runs : int, default=100
            Number of independent annealing runs in each direction.

        Returns
        -------
        log_partition : LogPartition
            With attributes `value`; `lower` and `upper`, between which lie it and the
            estimates of the two directions, each with two of its standard errors on
            either side; `std_error` of the value; `method`; `effective_samples`, what
            the weighted runs of the worse direction are worth; and, where it is not
            exact, `forward` and `reverse`, those estimates, `forward_error` and
            `reverse_error`.

        Raises
        ------
        ValueError
            If `method` is unknown, or "exact" is asked of more than 20 hidden units.

        Warns
        -----
        ConvergenceWarning
            If `upper` is above `lower` by more than 1 nat and by more than 0.01 nats
            per word.

        References
        ----------
        .. [1] Salakhutdinov, R. and Hinton, G. (2009). Replicated softmax: an
           undirected topic model. Advances in Neural Information Processing Systems
           22, 1607-1614.
        .. [2] Burda, Y., Grosse, R. and Salakhutdinov, R. (2015). Accurate and
           conservative estimates of MRF log-likelihood using reverse annealing.
           Proceedings of AISTATS 18, 102-110.
        .. [3] Bennett, C. H. (1976). Efficient estimation of free energy differences
           from Monte Carlo data. Journal of Computational Physics 22, 245-268.
        """
        check_is_fitted(self)
        if n_words is None:
            n_words = self._visible_kind().usual
        machine = self._machine()
        few = partition.smaller_side(machine).n_states <= partition.MAX_EXACT_STATES
        if method == "exact" and not few:
            raise ValueError(
                "Exact enumeration is for at most 2^20 states, as 20 binary units have."
                f" This machine has {self.components_.shape[0]} hidden units. Use "
                "method='ais'."
            )
        if method == "exact" or (method == "auto" and few):
            return self._exactly(machine, [float(n_words)])[0]
        longest = self._rung(n_words)
        annealed = partial(self._annealed_to, machine, longest, n_runs)
        found, new, taken = self._grown(
            annealed, n_betas, n_runs, lambda found: is_wide_per_word(found, longest)
        )
        if new and is_wide_per_word(found, longest):
            result = found.at(longest)
            warn(
                f"log Z of documents of {longest:g} words is uncertain: it lies "
                f"between {result.lower:.2f} and {result.upper:.2f}, with "
                f"{result.effective_samples:.1f} effective samples of {n_runs}. "
                "Log-likelihoods of long documents are off by as much. Call "
                f"log_partition with n_words={longest:g} and a larger n_betas (now "
                f"{taken}) or n_runs: the scores then use what it finds.",
                ConvergenceWarning,
            )
        return found.at(float(n_words))

    def _rung(self, n_words):
        """The length up to which is annealed for documents of so many words."""
        longest = self._visible_kind().usual
        while longest < n_words:
            longest *= LENGTH_GROWTH
        return longest

    def _exactly(self, machine, n_words):
        """log Z for each of some lengths by enumeration, kept for each."""
        _, known = self._known_log_partitions()
        names = [f"exact, {n!r} words" for n in n_words]
        new = [n for n, name in zip(n_words, names, strict=True) if name not in known]
        found = iter(lengths.exact(machine, new) if new else [])
        return [self._kept(name, math.inf, partial(next, found))[0] for name in names]

    def _annealed_to(self, machine, longest, n_runs, n_betas):
        """Annealing up to a length, and whether it was not known before."""
        name = f"{longest:g} words: {n_betas} stages, {n_runs} runs"
        compute = partial(self._anneal_to, machine, longest, n_runs, n_betas)
        return self._kept(name, n_betas * n_runs, compute)

    def _anneal_to(self, machine, longest, n_runs, n_betas):
        draws = stream(self._seed, Purpose.PARTITION, self._data_mean())
        hidden = lengths.settled(
            machine, self.h_samples_, longest, n_runs, n_betas, draws
        )
        return lengths.annealed(machine, hidden, longest, n_betas, draws)

    def _log_z(self, X):
        """log Z for the length of each row, by the best estimate that is known."""
        dtype = float_dtype(X)
        of_rows = lengths.document_lengths(X, dtype)
        n_words, inverse = np.unique(of_rows, return_inverse=True)
        values = np.asarray([x.value for x in self._best(n_words.tolist())])
        return like(values[inverse], self._data_mean(dtype))

    def _best(self, n_words):
        """The best log Z known for each of some lengths, or else the default one."""
        machine = self._machine()
        if partition.smaller_side(machine).n_states <= partition.MAX_EXACT_STATES:
            return self._exactly(machine, n_words)
        rungs = [self._rung(n) for n in n_words]
        found = {longest: self._best_to(longest) for longest in sorted(set(rungs))}
        return [found[r].at(n) for r, n in zip(rungs, n_words, strict=True)]

    def _best_to(self, longest):
        """What is known for lengths up to this one, of the most work."""
        if not self._annealings(longest):
            self.log_partition(n_words=longest)
        return of_most_work(self._annealings(longest))

    def _annealings(self, longest):
        """What annealing up to a length has found, beside the work it took."""
        _, known = self._known_log_partitions()
        start = f"{longest:g} words: "
        return [found for name, found in known.items() if name.startswith(start)]

    def perplexity(self, X, given=None):
        """Compute the perplexity: how many equally likely ones they are as hard as.

        It is exp(-L / n), where n is the number of all words of X, and L their
        log-likelihood: of the words of a document in an order, as other topic models
        have it, and not of their counts.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Documents, as counts of words.
        given : {array-like, sparse matrix} of shape (n_samples, n_features), \
default=None
            Other parts of the same documents. Then L is the sum over the words of X of
            their log-probability, each by itself, as the next word after these parts:
            see :meth:`word_distribution`. log Z is not in it. None is for whole
            documents.

        Returns
        -------
        perplexity : float
            Perplexity per word; smaller is better.

        Raises
        ------
        ValueError
            If X has no words at all.
        """
        X, machine = self._machine_for(X, "perplexity")
        dtype = float_dtype(X)
        n_words = float(lengths.document_lengths(X, dtype).sum())
        if n_words == 0.0:
            raise ValueError("The perplexity is per word, but X has no words.")
        if given is None:
            score = partial(lengths.log_p_of_order, machine)
            values = by_blocks(score, X, dtype) - self._log_z(X)
        else:
            given, _ = self._machine_for(given, "perplexity")
            check_consistent_length(X.X, given.X)
            score = partial(lengths.log_p_of_words, machine)
            values = by_blocks(score, Beside(X, given), dtype)
        total = float(to_numpy(values).astype(np.float64).sum())
        return float(np.exp(-total / n_words))

    def word_distribution(self, X):
        """Compute the probabilities of the next word of each document.

        They are exact, for documents of one word more than there are.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Documents, as counts of words.

        Returns
        -------
        P : ndarray of shape (n_samples, n_features)
            For each document, a probability for each word.
        """
        X, machine = self._machine_for(X, "word_distribution")

        def next_word(v):
            return namespace(v).exp(lengths.log_p_of_next(machine, v))

        return by_blocks(next_word, X, float_dtype(X))

    def top_words(self, n_words=10, feature_names=None):
        """Find the words that each hidden unit stands for: of the largest weights.

        The mean weight of a word over all hidden units is taken off first: it says how
        frequent the word is, whatever the topic.

        Parameters
        ----------
        n_words : int, default=10
            Number of words for each hidden unit.
        feature_names : array-like of shape (n_features,), default=None
            The vocabulary, as ``get_feature_names_out()`` of a vectoriser gives it.
            None is `feature_names_in_`, or else "x0", "x1", ...

        Returns
        -------
        words : ndarray of shape (n_components, n_words)
            Words, the largest weights first. Fewer, if there are not so many features.
        """
        check_is_fitted(self)
        check_scalar(n_words, "n_words", Integral, min_val=1)
        names = _check_feature_names_in(self, feature_names)
        weights = to_numpy(self.components_)
        order = np.argsort(weights.mean(axis=0) - weights, axis=1, kind="stable")
        return np.asarray(names, dtype=object)[order[:, :n_words]]

    def sample(
        self,
        n_samples=1,
        *,
        n_words=None,
        n_gibbs_steps=1000,
        init=None,
        given=None,
        random_state=None,
    ):
        """Draw documents by Gibbs sampling, each from a chain of its own.

        Parameters
        ----------
        n_samples : int, default=1
            Number of documents to draw.
        n_words : int or array-like of shape (n_samples,), default=None
            Number of words of each document. None is that of the documents in `init`,
            and else the mean in the fit.
        n_gibbs_steps : int, default=1000
            Gibbs steps of each chain. With none, the rows are where the chains start.
        init : array-like of shape (n_samples, n_features), default=None
            Documents that the chains start from, or one, `(n_features,)`, for all. None
            draws the words independently, with their frequencies in the data.
        given : array-like of shape (n_samples, n_features), default=None
            Counts of words to draw the others given, NaN where a count is free; or one
            row, `(n_features,)`, for all. They are part of `n_words`.
        random_state : int, RandomState instance or None, default=None
            Seed of the random numbers: an int gives the same rows on every call.

        Returns
        -------
        V : ndarray of shape (n_samples, n_features)
            Counts of words.

        Raises
        ------
        ValueError
            If `init` or `given` has another shape than it should, or a negative count,
            or if what is given does not fit into documents of `n_words`.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        check_scalar(n_gibbs_steps, "n_gibbs_steps", Integral, min_val=0)
        machine, known = self._machine(), None
        draws = self._draws(Purpose.SAMPLE, random_state)
        array, kind = machine.params.biases[0], machine.units[0]
        shape = (n_samples, self.n_features_in_)
        if init is not None:
            init = self._encoded(check_states(init, "init", shape, array), "init")
            if n_words is None:
                n_words = to_numpy(namespace(init).sum(init, axis=-1))
        n_words = self._lengths_of_samples(n_words, n_samples, array)
        if given is not None:
            given = check_states(given, "given", shape, array, allow_nan=True)
            known = self._held(given)
            check_room(known.mask, known.values, n_words)
        if init is None:
            init = kind.sample(n_words[:, None] * kind.single(self._data_mean()), draws)
        return lengths.sample_documents(
            machine, init, n_words, n_gibbs_steps, draws, known
        )

    def _lengths_of_samples(self, n_words, n_samples, array):
        """Numbers of words of documents to draw, (n_samples,), like `array`."""
        if n_words is None:
            n_words = self._visible_kind().usual
        n_words = np.asarray(n_words, dtype=float)
        if n_words.shape not in {(), (n_samples,)} or not (n_words >= 0.0).all():
            raise ValueError(
                "n_words must be a number of words, or one for each of the "
                f"{n_samples} documents, and not negative, got {n_words}."
            )
        return like(np.broadcast_to(n_words, (n_samples,)).copy(), array)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags


def is_wide_per_word(found, n_words):
    """Whether log Z is uncertain at this length, beside how many words it has."""
    result = found.at(n_words)
    return is_wide(result) and not width(result) <= WIDE_PER_WORD * n_words


def check_room(mask, counts, n_words):
    """Raise an error unless given counts fit into documents of so many words."""
    xp = namespace(counts)
    total = xp.sum(xp.where(mask, counts, 0.0), axis=-1)
    if bool(xp.any(total > n_words)):
        raise ValueError(
            f"given has up to {float(xp.max(total)):g} words in a document, more than "
            f"n_words, {float(xp.min(n_words)):g}: raise n_words."
        )
    if bool(xp.any(xp.all(mask, axis=-1) & (total < n_words))):
        raise ValueError(
            "given has the counts of all words of a document, but not n_words of them: "
            "mark with NaN what is free, or leave n_words at their number."
        )
