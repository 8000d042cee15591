"""How far log Z is to be trusted."""

import math

import numpy as np

from .._documents import WIDE_PER_WORD
from .._log_partition import WIDE_BRACKET, width
from ..core.partition import LogPartition
from ._drawing import (
    BLUE,
    GREEN,
    GREY,
    RED,
    one_axes,
    opened,
    require_matplotlib,
)
from ._fitted import machine_of

SIZE = (6.0, 4.0)

# Lengths of documents at which log Z is drawn.
N_LENGTHS = 25

# The two directions stand so far beside the number of temperatures that they took.
ASIDE = 1.04

# Standard errors on either side of an estimate, as the bracket has them.
MARGIN = 2.0


class LogPartitionDisplay:
    """Estimates of log Z by annealing in two directions, and what lies between them.

    Forward annealing errs downwards, and reverse annealing upwards, if it starts from
    samples of the whole machine. So where both meet, log Z may be trusted, unless there
    is a mode in which no chain and no run has been.

    It is recommended to use :meth:`from_estimator` to make one. All arguments are
    stored as attributes.

    Parameters
    ----------
    log_partitions : LogPartition or list of these
        What ``log_partition`` of an estimator has returned; those that are exact are
        drawn as lines.
    n_words : list of float, default=None
        Lengths of documents that they are for, with word counts.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    forward_ : matplotlib Line2D
        Estimates of forward annealing.
    reverse_ : matplotlib Line2D
        Estimates of reverse annealing.
    bracket_ : list of tuple of float
        Lower and upper ends of the brackets as drawn.
    trusted_ : bool
        Whether the narrowest bracket is at most 1 nat wide (of documents: or 0.01 nats
        per word), and forward annealing is not clearly above reverse.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    BernoulliRBM.log_partition : The estimates.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skebm import BernoulliRBM, LogPartitionDisplay
    >>> X = load_digits().data > 7
    >>> rbm = BernoulliRBM(32, n_iter=3, random_state=0).fit(X)
    >>> display = LogPartitionDisplay.from_estimator(rbm, n_betas=100)
    >>> display.trusted_
    True
    """

    def __init__(self, log_partitions, *, n_words=None):
        self.log_partitions = log_partitions
        self.n_words = n_words

    @classmethod
    def from_estimator(
        cls, estimator, *, n_betas="auto", n_runs=100, ax=None, **plot_params
    ):
        """Estimate log Z of a fitted machine, and draw the estimates.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator that has ``log_partition``. Of a :class:`DBN`, it is that
            of the top machine. Of a :class:`MultinomialRBM`, it is drawn for documents
            of up to the mean length in the fit.
        n_betas : int, "auto" or list of int, default="auto"
            Number of inverse temperatures; a list draws the estimates for each. "auto"
            is exact for small machines; a number anneals in any case.
        n_runs : int, default=100
            Number of annealing runs in each direction.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`~skebm.LogPartitionDisplay`
            The display.

        Raises
        ------
        ValueError
            If the estimator has no ``log_partition``.

        Warns
        -----
        ConvergenceWarning
            If a bracket is wider than 1 nat.
        """
        require_matplotlib(cls, "from_estimator")
        machine = machine_of(estimator)
        if not hasattr(machine, "log_partition"):
            raise ValueError(
                f"{type(machine).__name__} has no log_partition: its log Z is not "
                "needed, or not known."
            )
        method, n_words = "auto" if n_betas == "auto" else "ais", None
        options = {"n_runs": n_runs, "n_betas": n_betas}
        if hasattr(machine, "top_words"):
            if np.ndim(n_betas):
                raise ValueError(
                    "With word counts, log Z is drawn by the length of documents: give "
                    "one n_betas."
                )
            n_words = lengths_up_to(machine.n_words_)
            found = [
                machine.log_partition(method, n_words=n, **options)
                for n in reversed(n_words)
            ][::-1]
        elif np.ndim(n_betas):
            found = [
                machine.log_partition("ais", n_runs=n_runs, n_betas=n) for n in n_betas
            ]
        else:
            found = machine.log_partition(method, **options)
        return cls(found, n_words=n_words).plot(ax=ax, **plot_params)

    def plot(self, ax=None, *, against="auto"):
        """Draw the estimates.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        against : {"auto", "beta", "n_betas", "n_words"}, default="auto"
            What to draw them against. "beta" is the inverse temperature, on the way of
            the narrowest one; there, and against "n_words", they are drawn about their
            mean. "n_betas" is the number of temperatures of annealing. "auto" is the
            first of these if there is one estimate, and the second if there are several
            by annealing.

        Returns
        -------
        display : :class:`~skebm.LogPartitionDisplay`
            The display itself.

        Raises
        ------
        ValueError
            If there is nothing to draw against that.
        """
        require_matplotlib(self)
        one = isinstance(self.log_partitions, LogPartition)
        found = [self.log_partitions] if one else list(self.log_partitions)
        annealed = [x for x in found if x.method != "exact"]
        against = self._against(against, annealed)
        self.ax_ = ax = one_axes(ax, SIZE)
        self.figure_, self.forward_, self.reverse_ = ax.figure, None, None
        self.bracket_ = []
        best = min(found, key=width)
        if against == "n_words":
            best = found[-1]
            self._draw_along(
                np.asarray(self.n_words, dtype=float), *columns(found), best
            )
            ax.set_xlabel("words of a document")
        elif against == "beta":
            best = min(annealed, key=width)
            path = best.path
            self._draw_along(np.asarray(path.betas), *map(np.asarray, path[1:]), best)
            ax.set_xlabel("inverse temperature")
        else:
            self._draw_by_number(annealed, [x for x in found if x.method == "exact"])
        self.trusted_ = self._trusts(best)
        ax.set_title(verdict(best, self.trusted_), fontsize="medium")
        if ax.get_legend_handles_labels()[0]:
            place = "best" if against == "n_betas" else "upper left"
            ax.legend(fontsize="small", loc=place)
        opened(ax)
        return self

    def _against(self, against, annealed):
        """What to draw against."""
        if against not in ("auto", "beta", "n_betas", "n_words"):
            raise ValueError(
                'against must be "auto", "beta", "n_betas" or "n_words", got '
                f"{against!r}."
            )
        if (against == "n_words") > (self.n_words is not None):
            raise ValueError('against="n_words" is for word counts.')
        paths = [x.path for x in annealed if x.path is not None]
        if against == "beta" and not paths:
            raise ValueError(
                'against="beta" needs an estimate by annealing, but there is none.'
            )
        if against == "n_betas" and len(paths) < len(annealed):
            raise ValueError('against="n_betas" is not for word counts.')
        if against != "auto":
            return against
        if self.n_words is not None:
            return "n_words"
        return "beta" if len(annealed) == 1 else "n_betas"

    def _draw_along(self, x, forward, forward_error, reverse, reverse_error, best):
        """Both directions along a way, about their mean."""
        ax, middle = self.ax_, (forward + reverse) / 2.0
        ax.axhspan(
            -WIDE_BRACKET / 2, WIDE_BRACKET / 2, color=GREY, alpha=0.15, label="1 nat"
        )
        lines = []
        for name, values, error, colour in (
            ("forward", forward, forward_error, BLUE),
            ("reverse", reverse, reverse_error, RED),
        ):
            y, margin = values - middle, MARGIN * error
            lines += ax.plot(x, y, color=colour, label=name)
            ax.fill_between(
                x, y - margin, y + margin, color=colour, alpha=0.25, linewidth=0
            )
        self.forward_, self.reverse_ = lines
        ends = best.lower - middle[-1], best.upper - middle[-1]
        self._draw_bracket(x[-1], ends, "bracket at the end")
        ax.set_ylabel("log Z, about the mean of both (nats)")

    def _draw_by_number(self, annealed, exact):
        """Both directions by the number of temperatures."""
        ax = self.ax_
        for found in exact[:1]:
            ax.axhline(found.value, color=GREEN, label="exact", linewidth=1.5)
        if not annealed:
            ax.set(ylabel="log Z (nats)", xticks=[])
            return
        annealed = sorted(annealed, key=lambda found: len(found.path.betas))
        n_betas = np.array([len(found.path.betas) for found in annealed], dtype=float)
        best = min([*annealed, *exact], key=width).value
        ends = best - WIDE_BRACKET / 2, best + WIDE_BRACKET / 2
        ax.axhspan(*ends, color=GREY, alpha=0.15, label="1 nat")
        forward, forward_error, reverse, reverse_error = columns(annealed)
        self.forward_, self.reverse_ = (
            ax.errorbar(
                x, y, MARGIN * error, fmt=style, color=colour, label=name, capsize=3
            )[0]
            for x, y, error, style, colour, name in (
                (n_betas / ASIDE, forward, forward_error, "o-", BLUE, "forward"),
                (n_betas * ASIDE, reverse, reverse_error, "s-", RED, "reverse"),
            )
        )
        for n, found in zip(n_betas, annealed, strict=True):
            label = None if self.bracket_ else "bracket"
            self._draw_bracket(n, (found.lower, found.upper), label)
        ax.set(xscale="log", xlabel="temperatures", ylabel="log Z (nats)")
        ax.set_xticks(n_betas, [f"{n:g}" for n in n_betas])
        ax.set_xticks([], minor=True)

    def _draw_bracket(self, x, ends, label):
        self.bracket_.append(ends)
        if all(map(math.isfinite, ends)):
            self.ax_.plot([x, x], ends, "_-", color=GREY, linewidth=2, label=label)

    def _trusts(self, best):
        words = 0.0 if self.n_words is None else self.n_words[-1]
        limit = max(WIDE_BRACKET, WIDE_PER_WORD * words)
        return bool(width(best) <= limit and not crosses(best))


def columns(annealed):
    """Estimates of both directions and their errors, (n_estimates,) each."""
    rows = [
        (x.value, 0.0, x.value, 0.0)
        if x.forward is None
        else (x.forward, x.forward_error, x.reverse, x.reverse_error)
        for x in annealed
    ]
    return np.array(rows, dtype=float).T


def crosses(found):
    """Whether forward is above reverse annealing by more than their margins."""
    if found.forward is None:
        return False
    low = found.forward - MARGIN * found.forward_error
    return low > found.reverse + MARGIN * found.reverse_error


def verdict(found, trusted):
    """In words, how far log Z is to be trusted."""
    if found.method == "exact":
        return f"log Z = {found.value:.2f} nats, exact"
    if crosses(found):
        why = "forward is above reverse: the chains miss modes"
    elif trusted:
        why = f"the bracket is narrow, {width(found):.2g} nats"
    else:
        why = f"the bracket is wide, {width(found):.2g} nats: take more temperatures"
    return f"log Z = {found.value:.2f} nats: {why}"


def lengths_up_to(longest):
    """Lengths of documents up to the longest, evenly."""
    return np.linspace(min(1.0, longest), longest, N_LENGTHS).tolist()
