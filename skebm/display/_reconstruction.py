"""Rows beside what a model makes of them."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_scalar

from .._columns import is_frame
from .._reader import table
from ._drawing import (
    check_image_shape,
    cover,
    draw_tiles,
    label_lines,
    mark_gaps,
    one_axes,
    require_matplotlib,
    room_for,
    several_axes,
    tiles_size,
    value_range,
)
from ._fitted import as_array, column_names, machine_of, takes
from ._tables import as_shares, draw_table, frame_cells, is_missing, table_size

# Rows that are drawn where the user does not say how many.
N_ROWS = 10


class ReconstructionDisplay:
    """Rows as they are, as they were observed, and as they are filled.

    Where nothing is missing: rows, and their reconstructions. It is recommended to use
    :meth:`from_estimator` to make one. All arguments are stored as attributes.

    Parameters
    ----------
    X_filled : array-like of shape (n_samples, n_features)
        The filled or reconstructed rows.
    X : array-like of shape (n_samples, n_features), default=None
        The rows as they are, NaN or None where that is not known. None leaves them out.
    observed : array-like of bool of shape (n_samples, n_features), default=None
        Where entries were seen. None is everywhere.
    image_shape : tuple of int, default=None
        Height and width of the images that rows are, and 3 where they have colours.
        None draws tables.
    feature_names : array-like of shape (n_features,), default=None
        Names of the features, for tables. None is "x0", "x1", ...
    method : {"impute", "reconstruct"}, default="impute"
        What made `X_filled`: it labels the rows.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the tiles are, if there are any.
    axes_ : ndarray of matplotlib Axes
        Where the tables are, if there are any.
    im_ : matplotlib AxesImage or list of these
        The tiles as one image; or the tables.
    gaps_ : matplotlib AxesImage or list of matplotlib artists
        What was missing, in a colour of its own; of tables, those of the observed rows,
        and frames in the filled ones. None where nothing was.
    labels_ : list of str
        What each line of tiles is, or each table.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    SamplesDisplay : Rows that are drawn, also given some features.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skebm import BernoulliRBM, ReconstructionDisplay
    >>> X = (load_digits().data > 7).astype(float)
    >>> rbm = BernoulliRBM(16, n_iter=3, random_state=0).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(
    ...     rbm, X[:4], observed=np.arange(64) < 32, image_shape=(8, 8), random_state=0
    ... )
    >>> display.labels_
    ['original', 'observed', 'filled']
    """

    def __init__(
        self,
        X_filled,
        *,
        X=None,
        observed=None,
        image_shape=None,
        feature_names=None,
        method="impute",
    ):
        self.X_filled = X_filled
        self.X = X
        self.observed = observed
        self.image_shape = image_shape
        self.feature_names = feature_names
        self.method = method

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        observed=None,
        method="auto",
        n_rows=None,
        random_state=None,
        image_shape=None,
        feature_names=None,
        ax=None,
        **plot_params,
    ):
        """Fill or reconstruct rows by a fitted estimator, and draw them.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator that has ``impute`` or ``reconstruct``, or a
            :class:`BoltzmannImputer`.
        X : array-like or data frame of shape (n_samples, n_features)
            The rows, NaN or None where an entry is missing.
        observed : array-like of bool of shape (n_features,) or \
                (n_samples, n_features), default=None
            Where the estimator may look. None is wherever X has an entry.
        method : {"auto", "impute", "reconstruct"}, default="auto"
            Which method of the estimator; "auto" is "impute" where something is to be
            filled.
        n_rows : int, default=None
            How many rows, the first ones. None is up to 10.
        random_state : int, RandomState instance or None, default=None
            Seed of ``impute``: an int gives the same values on every call.
        image_shape : tuple of int, default=None
            Height and width of the images that rows are, and 3 where they have colours.
            None draws tables.
        feature_names : array-like of shape (n_features,), default=None
            Names of the features. None is those of the fit.
        ax : matplotlib Axes or array-like of these, default=None
            Where to draw. None makes a figure.
        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`~skebm.ReconstructionDisplay`
            The display.

        Raises
        ------
        TypeError
            If `n_rows` is no integer.
        ValueError
            If `image_shape` or `observed` does not fit, if `n_rows` is less than 1, or
            if the estimator has no such method.
        """
        require_matplotlib(cls, "from_estimator")
        machine = machine_of(estimator)
        check_image_shape(image_shape, machine.n_features_in_)
        n_rows = N_ROWS if n_rows is None else n_rows
        check_scalar(n_rows, "n_rows", Integral, min_val=1)
        rows = X[:n_rows]
        original = as_array(rows)
        known = ~missing_in(original)
        seen = known if observed is None else known & mask_of(observed, X)[: len(known)]
        method = method_of(machine, method, not seen.all())
        shown = rows if observed is None else with_gaps(rows, seen)
        if method == "reconstruct":
            filled = machine.reconstruct(shown)
        elif takes(machine.impute, "random_state"):
            filled = machine.impute(shown, random_state=random_state)
        else:
            filled = machine.impute(shown)
        display = cls(
            as_array(filled),
            X=None if observed is None and not known.all() else original,
            observed=seen,
            image_shape=image_shape,
            feature_names=column_names(machine, feature_names),
            method=method,
        )
        return display.plot(ax=ax, **plot_params)

    def plot(self, ax=None, *, cmap=None):
        """Draw the rows.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of these, default=None
            Where to draw: one Axes for images; for tables as many as there are, or one
            whose place is divided. None makes a figure.
        cmap : str or matplotlib Colormap, default=None
            Colours of the values. None is "gray" for images and "Blues" for tables.

        Returns
        -------
        display : :class:`~skebm.ReconstructionDisplay`
            The display itself.
        """
        require_matplotlib(self)
        lines = self._lines()
        self.labels_, self.gaps_ = list(lines), None
        n_features = np.shape(self.X_filled)[1]
        shape = check_image_shape(self.image_shape, n_features)
        if shape is None:
            self._draw_tables(ax, lines, cmap or "Blues")
        else:
            self._draw_tiles(ax, lines, shape, cmap or "gray")
        return self

    def _lines(self):
        """The rows that are drawn, by what they are."""
        filled, lines = as_array(self.X_filled), {}
        seen = self._seen()
        if self.X is not None:
            lines["original"] = as_array(self.X)
        if not seen.all():
            rows = filled if self.X is None else as_array(self.X)
            gap = None if rows.dtype == object else np.nan
            lines["observed"] = np.where(seen, rows, gap)
        last = "filled" if self.method == "impute" else "reconstructed"
        return {**lines, last: filled}

    def _seen(self):
        shape = np.shape(self.X_filled)
        if self.observed is None:
            return np.ones(shape, dtype=bool)
        return np.broadcast_to(np.asarray(self.observed, dtype=bool), shape)

    def _draw_tiles(self, ax, lines, shape, cmap):
        seen = self._seen()
        n_rows, n_features = seen.shape
        left = room_for(self.labels_)
        ax = one_axes(ax, tiles_size(len(lines), n_rows, shape, left), left)
        tiles = np.concatenate(list(lines.values())).astype(np.float64)
        self.im_ = draw_tiles(ax, tiles, shape, n_rows, cmap, value_range(tiles))
        if "observed" in lines:
            hidden = np.zeros((len(lines), n_rows, n_features))
            hidden[self.labels_.index("observed")] = ~seen
            hidden = hidden.reshape(-1, n_features)
            self.gaps_ = mark_gaps(ax, hidden, shape, n_rows)
        label_lines(ax, self.labels_, shape)
        self.ax_, self.figure_ = ax, ax.figure

    def _draw_tables(self, ax, lines, cmap):
        seen, names = self._seen(), self.feature_names
        n_rows, n_features = seen.shape
        names = [f"x{i}" for i in range(n_features)] if names is None else names
        self.axes_ = several_axes(ax, len(lines), 1, table_size(n_rows, names))
        self.figure_, self.im_ = self.axes_[0].figure, []
        everything = np.concatenate([x.astype(object) for x in lines.values()])
        for place, (label, rows) in zip(self.axes_, lines.items(), strict=True):
            shares = as_shares(rows, everything)
            self.im_.append(draw_table(place, rows, names, None, cmap, shares))
            place.set_title(label)
            if place is not self.axes_[-1]:
                place.set_xticks([])
        if not seen.all():
            observed = self.axes_[self.labels_.index("observed")]
            self.gaps_ = [cover(observed, ~seen), frame_cells(self.axes_[-1], ~seen)]


def missing_in(rows):
    """Where entries of rows are missing, (n_rows, n_features)."""
    return is_missing(rows.ravel()).reshape(rows.shape)


def mask_of(observed, X):
    """The mask for all rows of X."""
    observed = np.asarray(observed)
    try:
        if observed.dtype != bool:
            raise ValueError
        return np.broadcast_to(observed, X.shape)
    except ValueError:
        raise ValueError(
            f"observed should hold True or False for each feature, or for each entry "
            f"of X, {tuple(X.shape)}, but is of shape {observed.shape} and dtype "
            f"{observed.dtype}."
        ) from None


def method_of(machine, method, has_gaps):
    """The name of the method that fills or reconstructs."""
    if method not in ("auto", "impute", "reconstruct"):
        raise ValueError(
            f'method must be "auto", "impute" or "reconstruct", got {method!r}.'
        )
    if method == "auto":
        method = "impute" if has_gaps else "reconstruct"
    if not hasattr(machine, method):
        raise ValueError(f"{type(machine).__name__} has no {method}.")
    return method


def with_gaps(rows, seen):
    """Rows of a user without what is not seen."""
    if seen.all():
        return rows
    if hasattr(rows, "iloc"):
        return rows.where(seen)
    if is_frame(rows):  # of another kind than pandas'
        columns = [
            np.where(seen[:, index], np.array(rows[name].to_list(), dtype=object), None)
            for index, name in enumerate(rows.columns)
        ]
        return table(type(rows), rows.columns, columns, rows.dtypes, None)
    rows = as_array(rows)
    return np.where(seen, rows, None if rows.dtype == object else np.nan)
