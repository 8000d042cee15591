"""Hidden units that say nothing."""

import numpy as np

from .._fitting import Trainable
from ..core.monitor import DEAD_SPREAD
from ._drawing import BLUE, GREY, ORANGE, RED, opened, require_matplotlib, several_axes
from ._fitted import as_array, machine_of

# Inches of a panel, and panels in a row.
PANEL, N_COLUMNS = (3.6, 3.3), 3

# A number of a code says nothing of the rows if its mean varies by less, as a standard
# deviation: its variance then is 1 in 100 of its prior's [Burda et al. 2016].
IDLE_SPREAD = 0.1

# Binary units whose mean is above are saturated, if they hardly vary.
HALF = 0.5


class HiddenActivationDisplay:
    """Mean and standard deviation of each hidden unit over rows.

    Units that hardly vary say nothing of the rows. A binary one, or one between 0 and
    1, is dead where it is off, and saturated where it is on, in all rows; it is when
    the standard deviation of its probability is below 0.01, as in `history_`. Others,
    such as the latent units of a :class:`VAE`, are dead below 0.1.

    It is recommended to use :meth:`from_estimator` to make one. All arguments are
    stored as attributes.

    Parameters
    ----------
    means : list of array-like of shape (n_units,)
        For each layer, the mean of each unit over the rows.
    stds : list of array-like of shape (n_units,)
        For each layer, the standard deviation of each unit over the rows.
    layer_names : list of str, default=None
        Titles of the layers. None is "layer 1", "layer 2", ...

    Attributes
    ----------
    dead_ : list of ndarray
        For each layer, the numbers of the units that are dead.
    saturated_ : list of ndarray
        For each layer, the numbers of the units that are saturated.
    axes_ : ndarray of matplotlib Axes, of shape (n_layers,)
        A panel for each layer.
    points_ : list of matplotlib PathCollection
        The units of each layer that are neither dead nor saturated.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    ComponentsDisplay : What units look for.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skebm import BernoulliRBM, HiddenActivationDisplay
    >>> X = load_digits().data > 7
    >>> rbm = BernoulliRBM(16, n_iter=3, random_state=0).fit(X)
    >>> display = HiddenActivationDisplay.from_estimator(rbm, X)
    >>> len(display.dead_[0]), len(display.saturated_[0])
    (0, 0)
    """

    def __init__(self, means, stds, *, layer_names=None):
        self.means = [np.asarray(x, dtype=np.float64) for x in means]
        self.stds = [np.asarray(x, dtype=np.float64) for x in stds]
        self.layer_names = layer_names
        self.dead_, self.saturated_ = [], []
        for mean, std in zip(self.means, self.stds, strict=True):
            is_binary = between_0_and_1(mean, std)
            still = std < (DEAD_SPREAD if is_binary else IDLE_SPREAD)
            on = is_binary & (mean > HALF)
            self.dead_.append(np.flatnonzero(still & ~on))
            self.saturated_.append(np.flatnonzero(still & on))

    @classmethod
    def from_estimator(cls, estimator, X, *, layers=None, ax=None, **plot_params):
        """Compute the hidden units of rows, and draw their means and deviations.

        Parameters
        ----------
        estimator : estimator
            Any fitted estimator that has ``transform``. All layers are drawn where
            there are several: of machines, their probabilities; of networks, what each
            layer computes; of a :class:`VAE`, its latent means.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        layers : int or list of int, default=None
            Which layers, 1 for the lowest. None is all.
        ax : matplotlib Axes or array-like of these, default=None
            Where to draw: as many Axes as there are layers, or one whose place is
            divided. None makes a figure.
        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`~skebm.HiddenActivationDisplay`
            The display.

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        require_matplotlib(cls, "from_estimator")
        machine = machine_of(estimator)
        ours = isinstance(machine, Trainable)
        hidden = machine._all_layers(X) if ours else [machine.transform(X)]
        hidden = [as_array(H) for H in hidden]
        chosen = np.atleast_1d(range(1, len(hidden) + 1) if layers is None else layers)
        if not set(chosen.tolist()) <= set(range(1, len(hidden) + 1)):
            raise ValueError(
                f"layers must be numbers from 1 to {len(hidden)}, got {layers!r}."
            )
        hidden = [hidden[layer - 1] for layer in chosen]
        display = cls(
            [H.mean(axis=0) for H in hidden],
            [H.std(axis=0) for H in hidden],
            layer_names=[f"layer {layer}" for layer in chosen],
        )
        return display.plot(ax=ax, **plot_params)

    def plot(self, ax=None, *, n_columns=None):
        """Draw a point for each unit.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of these, default=None
            Where to draw: as many Axes as there are layers, or one whose place is
            divided. None makes a figure.
        n_columns : int, default=None
            Panels in a row. None is up to three.

        Returns
        -------
        display : :class:`~skebm.HiddenActivationDisplay`
            The display itself.
        """
        require_matplotlib(self)
        n_layers = len(self.means)
        self.axes_ = several_axes(ax, n_layers, n_columns or N_COLUMNS, PANEL)
        self.figure_, self.points_ = self.axes_[0].figure, []
        for index, panel in enumerate(self.axes_):
            self._draw(panel, index)
        return self

    def _draw(self, ax, index):
        mean, std = self.means[index], self.stds[index]
        dead, saturated = self.dead_[index], self.saturated_[index]
        is_binary = between_0_and_1(mean, std)
        if is_binary:
            most = np.linspace(0.0, 1.0, 101)
            ax.plot(most, np.sqrt(most * (1.0 - most)), color=GREY, linewidth=1)
            ax.set(xlim=(-0.03, 1.03), ylim=(-0.02, 0.53))
        live = np.setdiff1d(np.arange(len(mean)), np.concatenate([dead, saturated]))
        self.points_.append(
            ax.scatter(mean[live], std[live], s=14, color=BLUE, alpha=0.6, linewidth=0)
        )
        for units, marker, colour, name in (
            (dead, "x", RED, "dead"),
            (saturated, "+", ORANGE, "saturated"),
        ):
            if len(units):
                ax.scatter(
                    mean[units], std[units], s=36, marker=marker, color=colour,
                    label=name, clip_on=False, zorder=3,
                )  # fmt: skip
        names = self.layer_names
        name = f"layer {index + 1}" if names is None else names[index]
        counts = f"{len(dead)} dead"
        if is_binary:
            counts += f", {len(saturated)} saturated"
        ax.set_title(f"{name}: {len(mean)} units,\n{counts}", fontsize="medium")
        ax.set(xlabel="mean over rows", ylabel="standard deviation over rows")
        if len(dead) or len(saturated):
            ax.legend(fontsize="small", loc="upper right")
        opened(ax)


def between_0_and_1(mean, std):
    """Whether units may be binary, or probabilities, going by means and deviations."""
    most = mean * (1.0 - mean)
    slack = 1e-6  # of rounding
    return bool(((mean >= 0.0) & (mean <= 1.0) & (std**2 <= most + slack)).all())
