"""Weights: what each hidden unit looks for."""

from numbers import Integral

import numpy as np
from sklearn.utils.validation import check_array

from ._drawing import (
    BLUE,
    RED,
    SCALE,
    check_image_shape,
    columns_for,
    draw_tiles,
    one_axes,
    opened,
    require_matplotlib,
    room_for,
    several_axes,
    tiles_size,
)
from ._fitted import (
    in_input_space,
    layer_weights,
    machine_of,
    to_columns,
    unit_names,
    visible_kind,
)

# Units that are drawn where the user does not say how many.
N_TILES, N_PANELS = 64, 6

# Inches of bars, of their width and of the height of each and of the rest of a panel;
# and the numbers that are written below them, at most.
BARS_WIDTH, BAR_HEIGHT, PANEL_REST, N_TICKS = 2.2, 0.24, 0.8, 4


class ComponentsDisplay:
    """Weights of hidden units: as tiles where rows are images, or else as bars.

    It is recommended to use :meth:`from_estimator` to make one. All arguments are
    stored as attributes.

    Parameters
    ----------
    components : array-like of shape (n_units, n_features)
        Weights of each unit.
    image_shape : tuple of int, default=None
        Height and width of the images that rows are, and 3 where they have colours.
        None means that they are none: the shape is never guessed.
    feature_names : array-like of shape (n_features,), default=None
        Names of the features, for the bars. None is "x0", "x1", ...
    unit_names : array-like of shape (n_units,), default=None
        Titles of the panels of bars. None is "unit 0", "unit 1", ...

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the tiles are, if there are any.
    axes_ : ndarray of matplotlib Axes, of shape (n_units,)
        Where the bars are, if there are any.
    im_ : matplotlib AxesImage
        The tiles, as one image.
    colorbar_ : matplotlib Colorbar
        The scale of the tiles, or None.
    bars_ : list of matplotlib BarContainer
        The bars of each unit, the largest weight first.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    HiddenActivationDisplay : Units that are dead or saturated.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skebm import BernoulliRBM, ComponentsDisplay
    >>> X = load_digits().data > 7
    >>> rbm = BernoulliRBM(16, n_iter=3, random_state=0).fit(X)
    >>> display = ComponentsDisplay.from_estimator(rbm, image_shape=(8, 8))
    >>> display.components.shape
    (16, 64)
    """

    def __init__(
        self, components, *, image_shape=None, feature_names=None, unit_names=None
    ):
        self.components = check_array(components)
        self.image_shape = image_shape
        self.feature_names = feature_names
        self.unit_names = unit_names

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        layer=1,
        units=None,
        image_shape=None,
        feature_names=None,
        ax=None,
        **plot_params,
    ):
        """Draw the weights of a fitted estimator.

        Those of a deeper layer are drawn in the space of the features, as the product
        of the weights of all layers up to it: what a unit would look for if the layers
        below it were linear. Weights of numbers with a scale are those of numbers in
        standard deviations. Of word counts, the mean weight of a word over all units is
        taken off, as ``top_words`` does.

        Parameters
        ----------
        estimator : estimator
            Any fitted estimator of skebm, or another one with `components_`.
        layer : int, default=1
            Which hidden layer; 1 is the lowest.
        units : int or array-like of int, default=None
            How many units, those whose weights have the largest norm; or the numbers of
            units, from 0. None is the first 64 as tiles, and the first 6 as bars.
        image_shape : tuple of int, default=None
            Height and width of the images that rows are, and 3 where they have colours.
            None draws bars.
        feature_names : array-like of shape (n_features,), default=None
            Names of the features: words, for word counts. None is those of the fit.
        ax : matplotlib Axes or array-like of these, default=None
            Where to draw. None makes a figure.
        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`~skebm.ComponentsDisplay`
            The display.

        Raises
        ------
        ValueError
            If there is no such layer or unit, or if `image_shape` does not fit.
        """
        require_matplotlib(cls, "from_estimator")
        machine = machine_of(estimator)
        weights = layer_weights(machine)
        weights[0] = to_columns(visible_kind(machine), weights[0])
        components = in_input_space(weights, layer).T
        if hasattr(machine, "top_words"):
            components = components - components.mean(axis=0)
        check_image_shape(image_shape, components.shape[1])
        names = unit_names(machine, feature_names)
        usual = N_PANELS if image_shape is None else N_TILES
        chosen = chosen_units(components, units, usual)
        display = cls(
            components[chosen],
            image_shape=image_shape,
            feature_names=names,
            unit_names=[f"unit {unit}" for unit in chosen],
        )
        return display.plot(ax=ax, **plot_params)

    def plot(
        self,
        ax=None,
        *,
        n_columns=None,
        n_features=8,
        sign="both",
        cmap="RdBu_r",
        colorbar=True,
    ):
        """Draw the weights.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of these, default=None
            Where to draw. None makes a figure.
        n_columns : int, default=None
            Tiles or panels in a row. None makes about a square of tiles, and up to
            three panels.
        n_features : int, default=8
            Bars of each unit: its largest weights.
        sign : {"both", "positive"}, default="both"
            Which weights are drawn as bars: the largest ones of either sign, or the
            largest positive ones, as for the words of a topic.
        cmap : str or matplotlib Colormap, default="RdBu_r"
            Colours of the tiles, from negative to positive.
        colorbar : bool, default=True
            Whether to draw the scale of the tiles.

        Returns
        -------
        display : :class:`~skebm.ComponentsDisplay`
            The display itself.
        """
        require_matplotlib(self)
        shape = check_image_shape(self.image_shape, self.components.shape[1])
        if shape is None:
            self._draw_bars(ax, n_columns or 3, n_features, sign)
        else:
            self._draw_tiles(ax, shape, n_columns, cmap, colorbar)
        return self

    def _draw_tiles(self, ax, shape, n_columns, cmap, colorbar):
        n_tiles = len(self.components)
        n_columns = min(n_columns or columns_for(n_tiles), n_tiles)
        scaled = colorbar and len(shape) == 2
        n_lines, right = -(-n_tiles // n_columns), SCALE if scaled else 0.0
        ax = one_axes(ax, tiles_size(n_lines, n_columns, shape, right=right))
        limit = float(np.abs(self.components).max()) or 1.0
        self.im_ = draw_tiles(
            ax, self.components, shape, n_columns, cmap, (-limit, limit)
        )
        self.ax_, self.figure_, self.colorbar_ = ax, ax.figure, None
        if scaled:
            self.colorbar_ = ax.figure.colorbar(
                self.im_, ax=ax, label="weight", shrink=0.8, aspect=30
            )

    def _draw_bars(self, ax, n_columns, n_features, sign):
        if sign not in ("both", "positive"):
            raise ValueError(f"sign must be 'both' or 'positive', got {sign!r}.")
        n_units, n_all = self.components.shape
        n_bars = min(n_features, n_all)
        names = self.feature_names
        names = [f"x{i}" for i in range(n_all)] if names is None else list(names)
        titles = self.unit_names or [f"unit {unit}" for unit in range(n_units)]
        panel = BARS_WIDTH + room_for(names), PANEL_REST + BAR_HEIGHT * n_bars
        self.axes_ = several_axes(ax, n_units, n_columns, panel)
        self.figure_, self.bars_ = self.axes_[0].figure, []
        limit = float(np.abs(self.components).max()) or 1.0
        for panel, weights, title in zip(
            self.axes_, self.components, titles, strict=True
        ):
            size = np.abs(weights) if sign == "both" else weights
            largest = np.argsort(-size, kind="stable")[:n_bars]
            colours = [RED if weight > 0 else BLUE for weight in weights[largest]]
            bars = panel.barh(np.arange(n_bars), weights[largest], color=colours)
            panel.set_yticks(np.arange(n_bars), [names[i] for i in largest])
            panel.invert_yaxis()
            panel.set_title(title, fontsize="medium")
            panel.set(xlim=(-limit if sign == "both" else 0.0, limit))
            opened(panel)
            panel.grid(visible=False, axis="y")
            panel.set_xlabel("weight")
            panel.locator_params(axis="x", nbins=N_TICKS)
            panel.axvline(0.0, color="0.5", linewidth=0.8)
            self.bars_.append(bars)


def chosen_units(components, units, usual):
    """Numbers of the units to draw."""
    n_units = len(components)
    if units is None:
        return np.arange(min(usual, n_units))
    if isinstance(units, Integral) and not isinstance(units, bool):
        if units < 1:
            raise ValueError(f"units must be at least 1, got {units}.")
        norms = np.linalg.norm(components, axis=1)
        return np.argsort(-norms, kind="stable")[:units]
    chosen = np.asarray(units)
    inside = chosen.ndim == 1 and chosen.size > 0 and chosen.dtype.kind in "iu"
    if not inside or chosen.min() < 0 or chosen.max() >= n_units:
        raise ValueError(
            f"units must be a number of units, or a list of their numbers from 0 to "
            f"{n_units - 1}, got {units!r}."
        )
    return chosen
