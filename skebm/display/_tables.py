"""Rows that are no images: cells of colours, with their values where there is room."""

import numpy as np

from ._drawing import AROUND, HEADING, LEAST_SIDE, ORANGE, bare, room_for

# Cells that values are written in, and columns that are named, at most.
MOST_WRITTEN, MOST_NAMED = 12, 40

# Inches of a cell with a value in it, without one, and the most of a figure.
WRITTEN, PLAIN, MOST = (0.75, 0.3), (0.2, 0.2), 10.0

# Height of a name that is turned, as a share of its length.
TURNED = 0.7

# Largest share of white that black letters are not legible on.
DARK = 0.5


def table_size(n_rows, names, labels=None):
    """Inches for a figure of a table."""
    width, height = WRITTEN if len(names) <= MOST_WRITTEN else PLAIN
    below = TURNED * room_for(names) if len(names) <= MOST_NAMED else AROUND
    return (
        min(max(len(names) * width, LEAST_SIDE) + room_for(labels) + below, MOST),
        min(max(n_rows * height, LEAST_SIDE / 2) + below + HEADING, MOST),
    )


def as_shares(rows, reference=None):
    """Each column from its least value, 0, to its greatest, 1; NaN where it is missing.

    Text counts by its order. `reference` are rows that the range is of.
    """
    rows = np.asarray(rows, dtype=object)
    reference = rows if reference is None else np.asarray(reference, dtype=object)
    shares = np.full(rows.shape, np.nan)
    for column in range(rows.shape[1]):
        values, among = rows[:, column], reference[:, column]
        known = ~is_missing(values)
        both = np.concatenate([values[known], among[~is_missing(among)]])
        try:
            both = both.astype(np.float64)
        except (TypeError, ValueError):
            values = sorted(set(both.tolist()), key=str)
            order = {value: n for n, value in enumerate(values)}
            both = np.array([order[value] for value in both.tolist()], dtype=float)
        if both.size:
            spread = both.max() - both.min()
            place = (both - both.min()) / spread if spread else np.full(len(both), 0.5)
            shares[known, column] = place[: known.sum()]
    return shares


def is_missing(values):
    """Where entries are None or NaN."""
    return np.array([x is None or x != x for x in values], dtype=bool)


def written(value):
    """A value in few letters."""
    if value is None or value != value:
        return ""
    if isinstance(value, float | np.floating):
        return f"{value:.3g}"
    return str(value)[:10]


def draw_table(ax, rows, names, labels=None, cmap="Blues", shares=None):
    """Rows as coloured cells, (n_rows, n_features); the image."""
    import matplotlib

    shares = as_shares(rows) if shares is None else shares
    drawn = ax.imshow(
        np.ma.masked_invalid(shares), cmap=cmap, vmin=0.0, vmax=1.0, aspect="auto"
    )
    bare(ax)
    n_rows, n_columns = shares.shape
    if n_columns <= MOST_NAMED:
        ax.set_xticks(
            np.arange(n_columns), names, rotation=45, ha="right", rotation_mode="anchor"
        )
        ax.tick_params(axis="x", length=0)
    if labels is not None:
        ax.set_yticks(np.arange(n_rows), labels)
        ax.tick_params(axis="y", length=0)
    if n_columns <= MOST_WRITTEN:
        colours = matplotlib.colormaps[cmap] if isinstance(cmap, str) else cmap
        for (row, column), share in np.ndenumerate(shares):
            if not np.isnan(share):
                luminance = np.dot(colours(share)[:3], (0.299, 0.587, 0.114))
                ax.text(
                    column,
                    row,
                    written(rows[row][column]),
                    ha="center",
                    va="center",
                    fontsize="small",
                    color="white" if luminance < DARK else "black",
                )
    return drawn


def frame_cells(ax, cells):
    """Put a frame around cells, (n_rows, n_columns) of bool."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    frames = [
        Rectangle((column - 0.46, row - 0.46), 0.92, 0.92)
        for row, column in np.argwhere(cells)
    ]
    collection = PatchCollection(
        frames, facecolor="none", edgecolor=ORANGE, linewidth=1.6
    )
    return ax.add_collection(collection)
