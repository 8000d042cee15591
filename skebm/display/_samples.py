"""Rows that a model draws."""

import numpy as np

from ._drawing import (
    HEADING,
    check_image_shape,
    columns_for,
    draw_tiles,
    label_columns,
    label_lines,
    mark_gaps,
    one_axes,
    require_matplotlib,
    room_for,
    tiles_size,
    value_range,
)
from ._fitted import column_names, machine_of, takes
from ._queries import check_can_draw, drawn, given_rows, steps_of
from ._tables import draw_table, frame_cells, table_size

# Rows that are drawn where the user does not say how many: as tiles, as lines of a
# table, for each row that is given, and as chains.
N_TILES, N_LINES, N_GIVEN, N_CHAINS = 64, 10, 7, 8


class SamplesDisplay:
    """Rows drawn from a model, also given some features, or as chains over time.

    It is recommended to use :meth:`from_estimator` to make one. All arguments are
    stored as attributes.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n_features) or \
            (n_lines, n_per_line, n_features)
        The rows; or lines of them, one for each row that is given, or for each chain.
    image_shape : tuple of int, default=None
        Height and width of the images that rows are, and 3 where they have colours.
        None draws a table.
    given : array-like of shape (n_lines, n_features), default=None
        Rows that the samples of each line were drawn given, NaN where they were free.
    n_gibbs_steps : list of int, default=None
        Gibbs steps that each column of samples is after, if lines are chains.
    feature_names : array-like of shape (n_features,), default=None
        Names of the features, for the table. None is "x0", "x1", ...

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the rows are.
    im_ : matplotlib AxesImage
        The rows, as one image.
    gaps_ : matplotlib AxesImage
        The features that were free in the rows that are given, or None.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    ReconstructionDisplay : Rows that are filled or reconstructed.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skebm import BernoulliRBM, SamplesDisplay
    >>> X = load_digits().data > 7
    >>> rbm = BernoulliRBM(16, n_iter=3, random_state=0).fit(X)
    >>> upper = np.where(np.arange(64) < 32, X[:3], np.nan)
    >>> display = SamplesDisplay.from_estimator(
    ...     rbm, given=upper, image_shape=(8, 8), random_state=0
    ... )
    >>> display.samples.shape
    (3, 7, 64)
    """

    def __init__(
        self,
        samples,
        *,
        image_shape=None,
        given=None,
        n_gibbs_steps=None,
        feature_names=None,
    ):
        self.samples = samples
        self.image_shape = image_shape
        self.given = given
        self.n_gibbs_steps = n_gibbs_steps
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator,
        n_samples=None,
        *,
        given=None,
        init=None,
        n_gibbs_steps=1000,
        random_state=None,
        sample_params=None,
        image_shape=None,
        feature_names=None,
        ax=None,
        **plot_params,
    ):
        """Draw rows from a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Any fitted estimator that has ``sample``.
        n_samples : int, default=None
            Number of rows, or of chains; with `given`, for each row of that. None is 64
            as tiles, 10 in a table, 7 for each row that is given, and 8 chains.
        given : array-like of shape (n_features,) or (n_lines, n_features), or dict, \
                default=None
            Values to draw the others given, NaN where a feature is free: a line of
            samples is drawn for each row. A dict holds some columns by their names.
        init : array-like of shape (n_features,) or (n_samples, n_features), \
                default=None
            Rows that the chains start from. None is the start of ``sample``.
        n_gibbs_steps : int or list of int, default=1000
            Gibbs steps for each row. A list draws each chain after these numbers of
            steps: lines are chains, which go on from column to column. A list is
            refused with `given`, and by estimators that need no chain.
        random_state : int, RandomState instance or None, default=None
            Seed of the random numbers: an int gives the same rows on every call.
        sample_params : dict, default=None
            Further parameters of ``sample``: such as `means` of a :class:`VAE`, `y` of
            a :class:`ConditionalVAE`, or `n_words` of a :class:`MultinomialRBM`.
        image_shape : tuple of int, default=None
            Height and width of the images that rows are, and 3 where they have colours.
            None draws a table.
        feature_names : array-like of shape (n_features,), default=None
            Names of the features. None is those of the fit.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        **plot_params : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : :class:`~skebm.SamplesDisplay`
            The display.

        Raises
        ------
        ValueError
            If `image_shape` does not fit, or if the estimator does not take what is
            asked for.
        """
        require_matplotlib(cls, "from_estimator")
        machine = machine_of(estimator)
        check_image_shape(image_shape, machine.n_features_in_)
        names, steps = column_names(machine, feature_names), steps_of(n_gibbs_steps)
        check_can_draw(machine, given, steps)
        known = None if given is None else given_rows(given, names)
        if n_samples is None:
            n_samples = N_TILES if image_shape is not None else N_LINES
            if known is not None or len(steps) > 1:
                n_samples = N_CHAINS if known is None else N_GIVEN
        params = dict(sample_params or {})
        if init is not None:
            params["init"] = init
        if known is not None:
            params["given"] = np.repeat(known, n_samples, axis=0)
        if takes(machine.sample, "n_gibbs_steps"):
            params["n_gibbs_steps"] = steps[0]
        samples = drawn(machine, params, n_samples, known, steps, random_state)
        display = cls(
            samples,
            image_shape=image_shape,
            given=known,
            n_gibbs_steps=steps if len(steps) > 1 else None,
            feature_names=names,
        )
        return display.plot(ax=ax, **plot_params)

    def plot(self, ax=None, *, n_columns=None, cmap=None, row_labels=None):
        """Draw the rows.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        n_columns : int, default=None
            Tiles in a line. None makes about a square. Lines of samples stay as they
            are.
        cmap : str or matplotlib Colormap, default=None
            Colours of the values. None is "gray" for images and "Blues" for tables.
        row_labels : list of str, default=None
            A label for each line of tiles, or of the table.

        Returns
        -------
        display : :class:`~skebm.SamplesDisplay`
            The display itself.
        """
        require_matplotlib(self)
        samples = np.asarray(self.samples)
        shape = check_image_shape(self.image_shape, samples.shape[-1])
        self.gaps_ = None
        if shape is None:
            self._draw_table(ax, samples, cmap or "Blues", row_labels)
        else:
            samples = samples.astype(np.float64)
            self._draw_tiles(ax, samples, shape, n_columns, cmap or "gray", row_labels)
        self.figure_ = self.ax_.figure
        return self

    def _draw_tiles(self, ax, samples, shape, n_columns, cmap, row_labels):
        rows, known, headings = samples, None, None
        if samples.ndim == 3:
            n_lines, n_columns = samples.shape[:2]
            headings = [""] * n_columns
            if self.n_gibbs_steps is not None:
                headings = [str(n) for n in self.n_gibbs_steps]
            if self.given is not None:
                known = np.asarray(self.given, dtype=np.float64)[:, None, :]
                samples = np.concatenate([known, samples], axis=1)
                n_columns, headings = n_columns + 1, ["given", *headings]
            rows = samples.reshape(n_lines * n_columns, -1)
        n_columns = min(n_columns or columns_for(len(rows)), len(rows))
        n_lines = -(-len(rows) // n_columns)
        left = room_for(row_labels)
        top = 0.0 if headings is None else HEADING
        if self.n_gibbs_steps is not None:
            left += HEADING / 2
        size = tiles_size(n_lines, n_columns, shape, left, top=top)
        ax = one_axes(ax, size, left, top)
        limits = value_range(rows)
        self.im_ = draw_tiles(ax, rows, shape, n_columns, cmap, limits)
        if known is not None:
            hidden = np.zeros((n_lines, n_columns, rows.shape[1]))
            hidden[:, :1] = np.isnan(known)
            self.gaps_ = mark_gaps(ax, hidden.reshape(rows.shape), shape, n_columns)
        if headings is not None and any(headings):
            label_columns(ax, headings, shape)
        if self.n_gibbs_steps is not None:
            ax.set_xlabel("Gibbs steps")
            ax.xaxis.set_label_position("top")
            ax.set_ylabel("chain")
        if row_labels is not None:
            label_lines(ax, row_labels, shape)
        self.ax_ = ax

    def _draw_table(self, ax, samples, cmap, row_labels):
        rows, labels, framed = samples, row_labels, None
        if samples.ndim == 3:
            n_lines, n_per_line, n_features = samples.shape
            own = [""] * n_per_line
            if self.n_gibbs_steps is not None:
                own = [f"{steps} steps" for steps in self.n_gibbs_steps]
            if row_labels is None and n_lines > 1:
                kind = "given" if self.n_gibbs_steps is None else "chain"
                row_labels = [f"{kind} {line}" for line in range(n_lines)]
            lines = [""] * n_lines if row_labels is None else row_labels
            labels = [f"{line} {name}".strip() for line in lines for name in own]
            rows = samples.reshape(-1, n_features)
            if self.given is not None:
                known = np.repeat(np.asarray(self.given, dtype=object), n_per_line, 0)
                framed = np.array(
                    [[x is not None and x == x for x in r] for r in known]
                )
        names = self.feature_names
        names = [f"x{i}" for i in range(rows.shape[1])] if names is None else names
        self.ax_ = one_axes(ax, table_size(len(rows), names, labels))
        self.im_ = draw_table(self.ax_, rows, names, labels, cmap)
        if framed is not None:
            self.gaps_ = frame_cells(self.ax_, framed)
