"""Rows on a Dask cluster as users give them, checked, as rows that are spread."""

from functools import partial
from os import PathLike

import dask.array as da
import numpy as np
from dask import delayed
from dask.delayed import Delayed
from distributed import Future, get_client
from sklearn.utils.validation import _num_samples

from ._checkpoint import without_callbacks
from ._fitting import Trainable
from ._places import Places, gathered, kept, look, opened, sample_of, sent_once
from ._restricted import BaseRBM
from ._stacking import lowest
from ._warnings import warn
from .core.monitor import MAX_ROWS
from .core.rows import Spread
from .dbn import DBN


def spread_rows(estimator, X, sample_weight, steps_per_round, client):
    """Rows as `fit` of the estimator takes them, once all of them were looked at."""
    kind = machine_of(estimator)._new_kinds(2, None)[0]
    parts, weights = parts_of(X), weights_of(sample_weight, X)
    client = checked_client(client)
    parts = [placed(client, part) for part in parts]
    weights = [placed(client, part) for part in weights or [None] * len(parts)]
    found = looked_at(client, estimator, kind, parts, weights)
    parts, weights, found = without_empty(parts, weights, found)
    check_together(found)
    total = sum(x.mass for x in found)
    if total == 0.0:
        raise ValueError("Sample weights must contain at least one non-zero number.")
    sizes = [x.n_rows for x in found]
    places = Places(client, parts, weights, found[0].dtype, sum(sizes) / total)
    return Spread(places, sizes, sample_of(found), steps_per_round)


def machine_of(estimator):
    """The machine that looks at the rows, or an error where none can be fitted so."""
    name = type(estimator).__name__
    machine = estimator
    if isinstance(estimator, DBN):
        machine = lowest(estimator.rbm)
        if estimator.up_down_iter:
            refuse("a DBN layer by layer, but not by wake-sleep: set up_down_iter=0")
    elif not isinstance(estimator, BaseRBM):
        refuse(f"restricted Boltzmann machines and DBN, but no {name}")
    given = getattr(estimator, "rbm", None)
    for part in [estimator, *(given if isinstance(given, list) else [given])]:
        if getattr(part, "early_stopping", False):
            refuse(
                "no estimator with early_stopping: set it to False, and look at "
                "score_samples of rows that you hold out"
            )
    if type(machine)._new_reader is not Trainable._new_reader:
        refuse(f"no {type(machine).__name__}, which reads tables: give one-hot columns")
    return machine


def refuse(words):
    """Raise an error that says what can be fitted."""
    raise TypeError(f"skebm.dask fits {words}.")


def by_parts(estimator, method, X):
    """What a method of a fitted estimator gives for rows, to be computed by parts."""
    if not isinstance(X, da.Array):
        parts = listed(X)
        nothing = first_answer(estimator, method, parts)[:0]
        sent, ask = delayed(without_callbacks(estimator)), delayed(answered_rows)
        return [
            ask(part, estimator=sent, method=method, nothing=nothing) for part in parts
        ]
    check_columns(X)
    first = first_answer(estimator, method, X.to_delayed().ravel())
    sent = delayed(without_callbacks(estimator))
    flat = {"drop_axis": 1}
    shape = flat if first.ndim == 1 else {"chunks": (X.chunks[0], first.shape[1:])}
    ask = partial(answered_rows, method=method)
    nothing = first[:0]
    return X.map_blocks(ask, estimator=sent, nothing=nothing, meta=nothing, **shape)


def first_answer(estimator, method, parts):
    """What a method gives for the first row that there is.

    What takes long and is the same for all rows, as log Z, is done and known then.
    """
    for part in parts:
        row = delayed(first_row)(part).compute()
        if row is not None:
            return answered(estimator, method, row)
    refuse_empty()


def first_row(part):
    """The first row of a part, as a table of one; None without rows."""
    part = opened(part)
    return part[:1] if _num_samples(part) else None


def answered(estimator, method, part):
    """What a method gives for rows."""
    return getattr(estimator, method)(part)


def answered_rows(part, *, estimator, method, nothing):
    """The same for a part that may have no rows."""
    part = opened(part)
    return answered(estimator, method, part) if _num_samples(part) else nothing


def parts_of(X):
    """The parts of X, from above."""
    if not isinstance(X, da.Array):
        return listed(X)
    check_columns(X)
    if np.isnan(X.shape).any():
        raise ValueError(
            "The chunks of X have unknown sizes: call X.compute_chunk_sizes() first."
        )
    return list(X.to_delayed().ravel())


def listed(X):
    """Parts that are in a list."""
    if isinstance(X, list | tuple):
        if not X:
            raise ValueError("X has no parts: give a list of one at least.")
        return list(X)
    raise TypeError(
        f"X should be a Dask array, or a list of parts, but is a {type(X).__name__}: "
        "for what fits in memory, use the estimator's own methods; of a Dask data "
        "frame, give X.to_dask_array(lengths=True)."
    )


def check_columns(X):
    """Raise an error unless the rows of an array are each in one chunk."""
    if X.ndim != 2:
        raise ValueError(f"X should have 2 dimensions, but has {X.ndim}.")
    if X.numblocks[1] != 1:
        raise ValueError(
            f"X has {X.numblocks[1]} chunks of columns, but a row has to be in one "
            "piece: give X.rechunk({1: -1})."
        )


def weights_of(sample_weight, X):
    """The weights of each part, or None where there are none."""
    if sample_weight is None:
        return None
    if isinstance(X, list | tuple):
        if not isinstance(sample_weight, list | tuple) or len(sample_weight) != len(X):
            raise ValueError(
                "X is a list of parts, and so sample_weight should be a list of as "
                f"many, {len(X)}, each the weights of the rows of a part."
            )
        return list(sample_weight)
    if tuple(np.shape(sample_weight)) != X.shape[:1]:
        raise ValueError(
            f"sample_weight should have a number for each row, ({X.shape[0]},), but "
            f"has the shape {np.shape(sample_weight)}."
        )
    sizes = X.chunks[0]
    if isinstance(sample_weight, da.Array):
        return list(sample_weight.rechunk((sizes,)).to_delayed().ravel())
    return np.split(np.asarray(sample_weight), np.cumsum(sizes)[:-1])


def checked_client(client):
    """The client, if all of its workers have this version of skebm."""
    if client is None:
        try:
            client = get_client()
        except ValueError:
            raise ValueError(
                "There is no Dask client: make one, as by "
                "client = distributed.Client(), or give the one that you have."
            ) from None

    def version():
        # By value and without a look at this module, as a worker may not have it.
        try:
            import skebm
        except ImportError:
            return None
        return skebm.__version__

    own = version()
    others = {k: v for k, v in client.run(version).items() if v != own}
    if others:
        worker, found = next(iter(others.items()))
        has = "no skebm" if found is None else f"skebm {found}"
        raise ValueError(
            f"{len(others)} of the workers, such as {worker}, have {has}, but this is "
            f"skebm {own}: install it where they run, for example by "
            f"client.register_plugin(distributed.PipInstall(['skebm=={own}']))."
        )
    return client


def placed(client, part):
    """A part as a task can take it: what is in memory here goes to the cluster once."""
    if part is None or isinstance(part, Delayed | Future | str | PathLike):
        return part
    return kept(client, part)


def looked_at(client, estimator, kind, parts, weights):
    """What is found in each part, and the warnings that there are, each once."""
    n_sampled = -(-MAX_ROWS // len(parts))
    sent = sent_once((without_callbacks(estimator), kind, n_sampled))
    tasks = [
        delayed(look, pure=False)(sent, index, *pair)
        for index, pair in enumerate(zip(parts, weights, strict=True))
    ]
    found = gathered(client, tasks)
    for message, category in dict.fromkeys(y for x in found for y in x.said):
        warn(message, category)
    return found


def without_empty(parts, weights, found):
    """The parts, weights and what was found, without parts that have no rows."""
    full = [x for x in zip(parts, weights, found, strict=True) if x[2].n_rows]
    if not full:
        refuse_empty()
    return map(list, zip(*full, strict=True))


def refuse_empty():
    """Raise an error where no part has a row."""
    raise ValueError("X has no rows: all of its parts are empty.")


def check_together(found):
    """Raise an error unless parts have the same columns and precision."""
    first = found[0]
    for other in found:
        index = other.index
        if other.n_columns != first.n_columns:
            raise ValueError(
                f"Part {index} of the rows has {other.n_columns} columns, but "
                f"part {first.index} has {first.n_columns}."
            )
        if other.dtype != first.dtype:
            raise ValueError(
                f"Part {index} of the rows is computed in {np.dtype(other.dtype)}, but "
                f"part {first.index} in {np.dtype(first.dtype)}: give all in one "
                "precision."
            )
