"""How a fit went."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._drawing import COLOURS, GREY, opened, require_matplotlib, several_axes
from ._fitted import machine_of

# Words for quantities of a history, with units; others are named as they are.
WORDS = {
    "pseudo_log_likelihood": "pseudo-log-likelihood (nats)",
    "reconstruction_error": "reconstruction error",
    "mean_activation": "mean activation",
    "dead_units": "dead units",
    "chain_error": "chain error",
    "gradient_norm": "gradient norm",
    "mean_field_steps": "mean-field steps",
    "validation_log_likelihood": "validation log-likelihood (nats)",
    "free_energy_gap": "free-energy gap (nats)",
    "kl_divergence": "KL divergence (nats)",
    "validation_bound": "validation bound (nats)",
    "validation_rmse": "validation RMSE",
    "validation_accuracy": "validation accuracy",
    "validation_log_proba": "validation log-probability (nats)",
    "validation_score": "validation score",
    "log_proba": "log-probability (nats)",
}

# Inches of a panel, and panels in a row.
PANEL, N_COLUMNS = (3.4, 2.4), 3

# Epochs that are drawn as points too, at fewer than so many.
FEW_POINTS = 4

# What a monitor's rows have beside the quantities.
OF_TASK = {
    "task_id_path",
    "parent_task_id_path",
    "estimator_name",
    "task_name",
    "task_id",
    "sequential_subtasks",
}

# Runs that are named beside their lines, at most.
MOST_NAMED = 10


class HistoryDisplay:
    """What was measured of each epoch of a fit, and the epoch that was kept.

    It is recommended to use :meth:`from_estimator` or :meth:`from_monitor` to make one.
    All arguments are stored as attributes.

    Parameters
    ----------
    histories : dict
        One number per epoch for each quantity, as in `history_`; or such dictionaries
        by the names of runs. Where one has "layer", its epochs are those of layers that
        were trained in turn.
    kept : int, list of int or dict of these, default=None
        The epochs that early stopping kept, counted from 1, in a list for each run, by
        its name. With a single history an int or a list. None marks none.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, of shape (n_quantities,)
        A panel for each quantity.
    lines_ : dict of dict of matplotlib Line2D
        By quantity and by run. A run in layers has a line for each.
    kept_ : list of matplotlib Line2D
        The marks of the epochs that were kept, in all panels.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    HistoryMonitor : Callback that records all fits of a search.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skebm import BernoulliRBM, HistoryDisplay
    >>> X = load_digits().data > 7
    >>> rbm = BernoulliRBM(16, n_iter=3, random_state=0).fit(X)
    >>> display = HistoryDisplay.from_estimator(
    ...     rbm, quantities=["pseudo_log_likelihood", "dead_units"]
    ... )
    >>> [ax.get_title() for ax in display.axes_]
    ['pseudo-log-likelihood (nats)', 'dead units']
    """

    def __init__(self, histories, *, kept=None):
        self.histories = histories
        self.kept = kept

    @classmethod
    def from_estimator(cls, estimator, *, quantities=None, ax=None, **plot_params):
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with `history_`, or with `loss_curve_` and, after early
            stopping, `validation_scores_`; drawn as "loss" and "validation_score".
        quantities : str or list of str, default=None
            What to draw. None is all that there is.
        ax : matplotlib Axes or array-like of these, default=None
            Where to draw. None makes a figure.
        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`~skebm.HistoryDisplay`
            The display.

        Raises
        ------
        ValueError
            If the estimator keeps no history, or has no such quantity.
        """
        require_matplotlib(cls, "from_estimator")
        machine = machine_of(estimator)
        history = history_of(machine)
        if quantities is not None:
            history = picked(history, quantities)
        return cls(history, kept=kept_epochs(machine)).plot(ax=ax, **plot_params)

    @classmethod
    def from_monitor(cls, monitor, *, quantities=None, ax=None, **plot_params):
        """Draw what a callback recorded, with a line for each fit.

        Parameters
        ----------
        monitor : :class:`~skebm.HistoryMonitor`
            The callback, after a fit or a search; the most recent one is drawn.
        quantities : str or list of str, default=None
            What to draw. None is all that there is.
        ax : matplotlib Axes or array-like of these, default=None
            Where to draw. None makes a figure.
        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`~skebm.HistoryDisplay`
            The display.

        Raises
        ------
        ValueError
            If nothing was recorded, or not such a quantity.
        """
        require_matplotlib(cls, "from_monitor")
        histories = recorded(monitor)
        if quantities is not None:
            histories = {k: picked(v, quantities) for k, v in histories.items()}
        return cls(histories).plot(ax=ax, **plot_params)

    def plot(self, ax=None, *, n_columns=None):
        """Draw the history.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of these, default=None
            Where to draw: as many Axes as there are quantities, or one whose place is
            divided. None makes a figure.
        n_columns : int, default=None
            Panels in a row. None is up to three.

        Returns
        -------
        display : :class:`~skebm.HistoryDisplay`
            The display itself.
        """
        require_matplotlib(self)
        runs, kept = self._runs()
        names = dict.fromkeys(name for run in runs.values() for name in run)
        names = [name for name in names if name != "layer"]
        self.axes_ = several_axes(ax, len(names), n_columns or N_COLUMNS, PANEL)
        self.figure_, self.lines_, self.kept_ = self.axes_[0].figure, {}, []
        for panel, name in zip(self.axes_, names, strict=True):
            self.lines_[name] = {}
            for number, (run, history) in enumerate(runs.items()):
                if name in history:
                    colour = COLOURS[number % len(COLOURS)]
                    self.lines_[name][run] = draw_run(panel, history, name, colour)
                    self.kept_ += [mark(panel, n, colour) for n in kept.get(run, [])]
            panel.set(title=WORDS.get(name, name.replace("_", " ")), xlabel="epoch")
            panel.title.set_fontsize("medium")
            panel.locator_params(axis="x", integer=True)
            panel.ticklabel_format(axis="y", useOffset=False)
            opened(panel)
        self._explain(runs)
        return self

    def _runs(self):
        """Histories and epochs that were kept, by the names of runs."""
        runs, kept = self.histories, self.kept
        if not any(isinstance(value, dict) for value in runs.values()):
            runs, kept = {"": runs}, {"": [] if kept is None else kept}
        kept = {run: np.atleast_1d(n).tolist() for run, n in (kept or {}).items()}
        return runs, kept

    def _explain(self, runs):
        """Legends: of runs, of layers, and of the mark of an epoch that was kept."""
        first = self.axes_[0]
        lines = next(iter(self.lines_.values())).items()
        handles = [(own[0], run) for run, own in lines if run]
        if len(handles) > MOST_NAMED:
            handles = []
        own = next(iter(runs.values()))
        if len(runs) == 1 and "layer" in own:
            names = dict.fromkeys(own["layer"])
            words = ["all layers" if n == 0 else f"layer {n}" for n in names]
            drawn = next(iter(next(iter(self.lines_.values())).values()))
            handles = list(zip(drawn, words, strict=True))
        if self.kept_:
            handles.append((self.kept_[0], "kept"))
        if handles:
            first.legend(*zip(*handles, strict=True), fontsize="small")


def draw_run(ax, history, name, colour):
    """The lines of a run: one, or one for each layer that was trained in turn."""
    values = np.asarray(history[name], dtype=np.float64)
    epochs = np.arange(1, len(values) + 1)
    layers = np.asarray(history.get("layer", np.ones(len(values))))
    lines = []
    for number, layer in enumerate(dict.fromkeys(layers.tolist())):
        # Where a quantity was not measured, the line leads on to where it was.
        there = (layers == layer) & ~np.isnan(values)
        own = COLOURS[number % len(COLOURS)] if "layer" in history else colour
        style = "o-" if there.sum() < FEW_POINTS else "-"
        lines += ax.plot(epochs[there], values[there], style, color=own, markersize=3)
    return lines


def mark(ax, epoch, colour):
    """A line at the epoch that was kept."""
    return ax.axvline(epoch, color=GREY, linestyle="--", linewidth=1.2)


def history_of(estimator):
    """What an estimator keeps of its fit, one number per epoch for each quantity."""
    check_is_fitted(estimator)
    if getattr(estimator, "history_", None):
        return dict(estimator.history_)
    if not hasattr(estimator, "loss_curve_"):
        raise ValueError(
            f"This {type(estimator).__name__} keeps no history: it has neither history_"
            " nor loss_curve_, or has been fitted for no epoch."
        )
    scores = getattr(estimator, "validation_scores_", None)
    history = {"loss": list(estimator.loss_curve_)}
    return history if scores is None else {**history, "validation_score": list(scores)}


def kept_epochs(estimator):
    """The epochs, from 1, whose parameters early stopping kept: one for each layer."""
    if not hasattr(estimator, "rbms_"):
        kept = getattr(estimator, "_kept_epoch", None)
        return None if kept is None else [kept]
    kept, before = [], 0
    for rbm in estimator.rbms_:
        if rbm._kept_epoch is not None:
            kept.append(before + rbm._kept_epoch)
        before += rbm.n_iter_
    return kept


def picked(history, quantities):
    """The quantities of a history that are asked for."""
    names = [quantities] if isinstance(quantities, str) else list(quantities)
    if not names:
        raise ValueError("quantities is empty: name at least one, or leave it out.")
    absent = [name for name in names if name not in history]
    if absent:
        there = [name for name in history if name != "layer"]
        raise ValueError(f"There is no {absent[0]!r} in the history, but {there}.")
    layers = {"layer": history["layer"]} if "layer" in history else {}
    return {**layers, **{name: history[name] for name in names}}


def path_of_fit(row, fits):
    """The tasks around a row, up to its fit: there is one more around wake-sleep.

    Those of layers are the fit's own, and are in `fits` by then.
    """
    path, name = row["parent_task_id_path"], row["estimator_name"]
    for known, rows in fits.items():
        if path[: len(known)] == known and rows[0]["estimator_name"] == name:
            return known
    return path


def recorded(monitor):
    """Histories of all fits that a monitor saw in the last run, by names."""
    fits = {}
    for row in monitor.get_logs().data:  # sorted, those of outer tasks first
        fits.setdefault(path_of_fit(row, fits), []).append(row)
    histories = {}
    for number, path in enumerate(sorted(fits), start=1):
        rows = fits[path]
        told = dict.fromkeys(key for row in rows for key in row)
        names = [key for key in told if key not in OF_TASK]
        histories[f"fit {number}"] = {
            name: [row.get(name, np.nan) for row in rows] for name in names
        }
    return histories
