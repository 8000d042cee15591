"""How likely rows are: those of the fit, new ones, and others."""

import numpy as np

from ._drawing import COLOURS, one_axes, opened, require_matplotlib
from ._fitted import as_array, machine_of

SIZE = (6.0, 3.6)

# What scores are, where nothing else is said.
LOG_LIKELIHOOD = "log-likelihood (nats)"


class LogLikelihoodDisplay:
    """Histograms of the log-likelihoods of rows: as of train, test and outliers.

    It is recommended to use :meth:`from_estimator` to make one. All arguments are
    stored as attributes.

    Parameters
    ----------
    log_likelihoods : dict of array-like of shape (n_samples,)
        By the names of sets of rows, the log-likelihood of each row, in nats, or a
        bound of it.
    label : str, default="log-likelihood (nats)"
        What the scores are. :meth:`from_estimator` says where they are a bound, or
        minus a loss.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the histograms are.
    heights_ : dict of ndarray of shape (n_bins,)
        The height of each bar, by the names.
    edges_ : ndarray of shape (n_bins + 1,)
        The edges of the bins, which are the same for all.
    means_ : dict of matplotlib Line2D
        The marks of the means, by the names.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    LogPartitionDisplay : How far log Z, which is in all of them, is to be trusted.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skebm import BernoulliRBM, LogLikelihoodDisplay
    >>> X = load_digits().data > 7
    >>> rbm = BernoulliRBM(16, n_iter=10, random_state=0).fit(X[:1000])
    >>> display = LogLikelihoodDisplay.from_estimator(
    ...     rbm, {"train": X[:1000], "test": X[1000:], "inverted": ~X[1000:]}
    ... )
    >>> list(display.log_likelihoods)
    ['train', 'test', 'inverted']
    """

    def __init__(self, log_likelihoods, *, label=LOG_LIKELIHOOD):
        self.log_likelihoods, self.label = log_likelihoods, label

    @classmethod
    def from_estimator(cls, estimator, X, *, ax=None, **plot_params):
        """Score rows by a fitted estimator, and draw the scores.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator that has ``score_samples``.
        X : dict, list of array-like, or array-like of shape (n_samples, n_features)
            Rows by the names of sets; or sets of rows in a list, which are called
            "train", "test" and "outliers", or by number if there are more; or one set.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`~skebm.LogLikelihoodDisplay`
            The display.

        Raises
        ------
        ValueError
            If there are no rows, or if the estimator has no ``score_samples``.
        """
        require_matplotlib(cls, "from_estimator")
        machine = machine_of(estimator)
        if not hasattr(machine, "score_samples"):
            raise ValueError(
                f"A {type(machine).__name__} has no score_samples, and so no "
                "log-likelihoods to draw. Take the model that it started from."
            )
        scores = {
            name: as_array(machine.score_samples(rows))
            for name, rows in named_sets(X).items()
        }
        label = getattr(machine, "_score_name", LOG_LIKELIHOOD)
        return cls(scores, label=label).plot(ax=ax, **plot_params)

    def plot(self, ax=None, *, bins=40, density=True, limits=None):
        """Draw the histograms.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        bins : int or array-like, default=40
            Number of bins, or their edges.
        density : bool, default=True
            Whether the bars of each set have the area 1; else they are numbers of rows.
        limits : tuple of float, default=None
            Least and greatest log-likelihood that is drawn. What is beyond is counted
            in the outermost bin. None is the range of all rows.

        Returns
        -------
        display : :class:`~skebm.LogLikelihoodDisplay`
            The display itself.
        """
        require_matplotlib(self)
        scores = {
            k: np.asarray(v, dtype=float) for k, v in self.log_likelihoods.items()
        }
        if limits is not None:
            scores = {name: np.clip(values, *limits) for name, values in scores.items()}
        self.ax_ = ax = one_axes(ax, SIZE)
        self.figure_, self.heights_, self.means_ = ax.figure, {}, {}
        together = np.concatenate(list(scores.values()))
        self.edges_ = np.histogram_bin_edges(together, bins=bins, range=limits)
        for number, (name, values) in enumerate(scores.items()):
            colour = COLOURS[number % len(COLOURS)]
            mean = float(np.mean(self.log_likelihoods[name]))
            label = f"{name}: mean {mean:.1f}"
            self.heights_[name], _, _ = ax.hist(
                values,
                self.edges_,
                density=density,
                histtype="stepfilled",
                alpha=0.35,
                color=colour,
            )
            ax.hist(values, self.edges_, density=density, histtype="step", color=colour)
            self.means_[name] = ax.axvline(
                mean, color=colour, linestyle="--", label=label
            )
        ax.set(xlabel=self.label, ylabel="density" if density else "rows")
        ax.legend(fontsize="small")
        opened(ax)
        return self


def named_sets(X):
    """Sets of rows by their names."""
    if isinstance(X, dict):
        sets = X
    elif isinstance(X, list | tuple) and np.ndim(X[0]) == 2:
        names = ["train", "test", "outliers"]
        if len(X) > len(names):
            names = [f"set {number}" for number in range(1, len(X) + 1)]
        sets = dict(zip(names, X, strict=False))
    else:
        sets = {"rows": X}
    if not sets:
        raise ValueError("X should hold at least one set of rows, but is empty.")
    return sets
