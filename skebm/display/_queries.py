"""Rows that a display asks an estimator for."""

from itertools import pairwise
from numbers import Integral

import numpy as np

from .._validation import draw_seed
from ._fitted import as_array, takes


def steps_of(n_gibbs_steps):
    """Numbers of Gibbs steps as a list."""
    if isinstance(n_gibbs_steps, Integral):
        return [n_gibbs_steps]
    steps = list(n_gibbs_steps)
    if not steps or any(later <= n for n, later in pairwise(steps)):
        raise ValueError(f"n_gibbs_steps should rise from column to column: {steps}.")
    return steps


def check_can_draw(machine, given, steps):
    """Raise an error unless the estimator can draw what is asked for."""
    name = type(machine).__name__
    if not hasattr(machine, "sample"):
        raise ValueError(f"{name} has no sample: it is no model of rows.")
    if given is not None and not takes(machine.sample, "given"):
        raise ValueError(
            f"{name} cannot draw features given others: its sample has no `given`. Its "
            "impute, where there is one, fills what is missing."
        )
    if len(steps) == 1:
        return
    if given is not None:
        raise ValueError(
            "Give either `given` or several n_gibbs_steps: lines are either rows that "
            "are given, or chains."
        )
    if not takes(machine.sample, "n_gibbs_steps"):
        raise ValueError(
            f"{name} draws rows without a Markov chain: there are no Gibbs steps to "
            "draw them after."
        )


def given_rows(given, names):
    """What is given as rows, (n_lines, n_features), NaN or None where it is free."""
    if isinstance(given, dict):
        unknown = sorted(set(given) - set(names.tolist()))
        if unknown:
            raise ValueError(f"given has {unknown}, which are no names of features.")
        row = np.full((1, len(names)), None, dtype=object)
        for name, value in given.items():
            row[0, names.tolist().index(name)] = value
        return as_array(row)
    rows = np.atleast_2d(as_array(given))
    if rows.shape[1] != len(names):
        raise ValueError(
            f"given has {rows.shape[1]} features, but the fit had {len(names)}: give "
            "all of them, NaN where one is free."
        )
    return rows


def drawn(machine, params, n_samples, known, steps, random_state):
    """Rows, (n_samples, n_features), or lines of them."""
    n_rows = n_samples if known is None else n_samples * len(known)
    if len(steps) > 1 and not isinstance(random_state, Integral):
        random_state = draw_seed(random_state)

    def rows(**changed):
        found = machine.sample(
            n_rows, random_state=random_state, **{**params, **changed}
        )
        return as_array(found[0] if isinstance(found, tuple) else found)

    if len(steps) > 1:
        # The numbers of a shorter chain are the first ones of a longer one.
        return np.stack([rows(n_gibbs_steps=n) for n in steps], axis=1)
    found = rows()
    return found if known is None else found.reshape(len(known), n_samples, -1)
