"""What the displays share in drawing: figures, places in them, tiles, colours."""

import math

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support

# Okabe & Ito: told apart by all kinds of colour vision, and legible on white and black.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
BLUE, RED, GREEN, PINK, ORANGE, SKY = COLOURS
GREY = "#808080"

# Pixels between tiles, as a share of the longer side. Inches of that side, where it has
# so many pixels; they grow with the root of these, up to the most.
GAP = 0.08
TILE_INCHES, TILE_PIXELS, LARGEST_TILE = 0.6, 8, 1.3

# Inches: of the widest figure that is drawn by itself, and of the least side of one;
# around it, for labels above it, and for a scale.
WIDEST, LEAST_SIDE = 9.0, 1.0
EDGE, HEADING, SCALE = 0.15, 0.5, 0.9

# Inches of a letter, and of what stands around a label.
LETTER, AROUND = 0.085, 0.4


def require_matplotlib(display, method="plot"):
    """Raise an error that says how to get matplotlib, where it is not there."""
    name = getattr(display, "__name__", type(display).__name__)
    check_matplotlib_support(f"{name}.{method}")


def one_axes(ax, size, left=None, top=0.0):
    """An Axes, that of the user or one of a new figure of `size` inches.

    With `left`, there are so many inches for labels beside it, and `top` above it:
    matplotlib's constrained layout does not get that right beside images.
    """
    import matplotlib.pyplot as plt

    if ax is None and left is None:
        _, ax = plt.subplots(figsize=size, layout="constrained")
    elif ax is None:
        (width, height), edge = size, EDGE / 2
        places = {
            "left": (left + edge) / width,
            "right": 1.0 - edge / width,
            "bottom": edge / height,
            "top": 1.0 - (top + edge) / height,
        }
        _, ax = plt.subplots(figsize=size, gridspec_kw=places)
    if np.ndim(ax) != 0:
        raise ValueError(
            f"ax should be one matplotlib Axes, got {np.size(ax)} of them."
        )
    return ax


def several_axes(ax, n_axes, n_columns, panel):
    """So many Axes, (n_axes,), in rows of `n_columns`; `panel` is the size of one.

    `ax` may be as many Axes, or one, whose place is divided.
    """
    import matplotlib.pyplot as plt
    from matplotlib.gridspec import GridSpecFromSubplotSpec

    n_columns = min(n_columns, n_axes)
    n_rows = -(-n_axes // n_columns)
    if ax is None:
        size = (n_columns * panel[0], n_rows * panel[1])
        figure = plt.figure(figsize=size, layout="constrained")
        grid = figure.add_gridspec(n_rows, n_columns)
    elif np.ndim(ax) == 0:
        figure = ax.figure
        # In matplotlib 3.6, an Axes that is in no grid has no such method.
        place = getattr(ax, "get_subplotspec", lambda: None)()
        if place is None:
            left, bottom, right, top = ax.get_position().extents
            grid = figure.add_gridspec(
                n_rows, n_columns, left=left, right=right, bottom=bottom, top=top
            )
        else:
            grid = GridSpecFromSubplotSpec(n_rows, n_columns, subplot_spec=place)
        ax.set_axis_off()
    else:
        given = np.ravel(np.asarray(ax, dtype=object))
        if len(given) < n_axes:
            raise ValueError(
                f"{n_axes} panels are drawn, but ax holds {len(given)} Axes: give as "
                "many, one Axes to be divided, or None."
            )
        return given[:n_axes]
    places = [divmod(index, n_columns) for index in range(n_axes)]
    return np.array([figure.add_subplot(grid[place]) for place in places], dtype=object)


def columns_for(n_tiles):
    """Tiles in a row, where a number of them is to be drawn in about a square."""
    return math.ceil(math.sqrt(n_tiles))


def check_image_shape(image_shape, n_features):
    """The shape as a tuple, or an error that says what it should be."""
    if image_shape is None:
        return None
    shape = tuple(int(n) for n in np.atleast_1d(image_shape))
    if len(shape) not in (2, 3) or math.prod(shape) != n_features:
        raise ValueError(
            f"image_shape {shape} does not fit {n_features} features: "
            "give (height, width), or (height, width, 3) for colours, with that "
            "product."
        )
    if len(shape) == 3 and shape[2] != 3:
        raise ValueError(
            f"image_shape {shape} has {shape[2]} colours; it should have 3, or leave "
            "them out."
        )
    return shape


def gap_of(image_shape):
    """Pixels between tiles of this shape."""
    return max(1, round(GAP * max(image_shape[:2])))


def tiled(rows, image_shape, n_columns):
    """Rows as tiles of one image, NaN between them: (height, width), or with colours.

    A row of NaN leaves its place empty.
    """
    height, width = image_shape[:2]
    gap, n_tiles = gap_of(image_shape), len(rows)
    n_lines = -(-n_tiles // n_columns)
    shape = (n_lines * (height + gap) - gap, n_columns * (width + gap) - gap)
    image = np.full((*shape, *image_shape[2:]), np.nan)
    for index, row in enumerate(rows):
        line, column = divmod(index, n_columns)
        top, left = line * (height + gap), column * (width + gap)
        image[top : top + height, left : left + width] = row.reshape(image_shape)
    return image


def centres(n_tiles, side, gap):
    """Pixels at the middle of tiles that stand in a line."""
    return np.arange(n_tiles) * (side + gap) + (side - 1) / 2


def tiles_size(n_lines, n_columns, image_shape, left=0.0, right=0.0, top=0.0):
    """Inches for a figure of so many tiles, with room for labels beside them."""
    height, width = image_shape[:2]
    side, gap = max(height, width), gap_of(image_shape)
    inches = TILE_INCHES * math.sqrt(max(side, TILE_PIXELS) / TILE_PIXELS)
    across = n_columns * (width + gap) - gap
    scale = min(inches, LARGEST_TILE) / side
    scale = min(scale, (WIDEST - left - right - EDGE) / across)
    down = n_lines * (height + gap) - gap
    return (
        max(scale * across + left + right + EDGE, LEAST_SIDE),
        max(scale * down + top + EDGE, LEAST_SIDE),
    )


def as_colours(image):
    """Values from 0 to 1 as red, green, blue and opacity: nothing where NaN is."""
    seen = ~np.isnan(image).any(axis=-1, keepdims=True)
    return np.concatenate([np.clip(np.nan_to_num(image), 0.0, 1.0), seen], axis=-1)


def value_range(values):
    """Limits of a scale of grey: 0 and 1 where these hold all values."""
    known = values[~np.isnan(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    if low >= 0.0 and high <= 1.0:
        return 0.0, 1.0
    return (low, high) if high > low else (low, low + 1.0)


def draw_tiles(ax, rows, image_shape, n_columns, cmap, limits):
    """Rows as tiles of one image, without ticks, spines or a background."""
    image = tiled(rows, image_shape, n_columns)
    if image.ndim == 3:
        low, high = limits
        drawn = ax.imshow(as_colours((image - low) / (high - low)))
    else:
        masked = np.ma.masked_invalid(image)
        drawn = ax.imshow(
            masked, cmap=cmap, vmin=limits[0], vmax=limits[1], interpolation="nearest"
        )
    bare(ax)
    frame_tiles(ax, len(rows), image_shape, n_columns)
    return drawn


def frame_tiles(ax, n_tiles, image_shape, n_columns):
    """Put a thin line around each tile: the page may be of its colour."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    height, width = image_shape[:2]
    gap = gap_of(image_shape)
    places = (divmod(index, n_columns) for index in range(n_tiles))
    frames = [
        Rectangle(
            (column * (width + gap) - 0.5, line * (height + gap) - 0.5), width, height
        )
        for line, column in places
    ]
    ax.add_collection(
        PatchCollection(frames, facecolor="none", edgecolor=GREY, linewidth=0.5)
    )


def mark_gaps(ax, rows, image_shape, n_columns):
    """Colour where rows are 1, over the tiles that are drawn there."""
    hidden = tiled(rows, image_shape, n_columns)
    return cover(ax, (hidden if hidden.ndim == 2 else hidden[..., 0]) == 1.0)


def cover(ax, hidden):
    """Colour the places of an image that are hidden, (height, width) of bool."""
    from matplotlib.colors import to_rgb

    overlay = np.empty((*hidden.shape, 4))
    overlay[..., :3], overlay[..., 3] = to_rgb(ORANGE), hidden
    return ax.imshow(overlay, interpolation="nearest", aspect=ax.get_aspect())


def room_for(labels):
    """Inches that the longest of the labels takes."""
    if labels is None:
        return 0.0
    return AROUND + LETTER * max((len(str(label)) for label in labels), default=0)


def bare(ax):
    """Take off ticks, spines and background."""
    ax.set(xticks=[], yticks=[], facecolor="none")
    for spine in ax.spines.values():
        spine.set_visible(False)


def label_lines(ax, labels, image_shape):
    """Write a label at the left of each line of tiles."""
    places = centres(len(labels), image_shape[0], gap_of(image_shape))
    ax.set_yticks(places, labels)
    ax.tick_params(axis="y", length=0)
    ax.set_anchor("E")  # what room is left goes to the labels


def label_columns(ax, labels, image_shape):
    """Write a label above each column of tiles."""
    places = centres(len(labels), image_shape[1], gap_of(image_shape))
    ax.set_xticks(places, labels)
    ax.tick_params(axis="x", length=0, top=False, labeltop=True, labelbottom=False)


def opened(ax):
    """Take off the spines at the top and the right, and put a quiet grid behind."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
    ax.grid(color=GREY, alpha=0.25, linewidth=0.8)
