"""Dtypes of columns, of NumPy, pandas and polars, in words and back."""

from importlib import import_module

import numpy as np

# The libraries whose data frames are read.
LIBRARIES = ("pandas", "polars")


def library(name):
    """The module of one of the libraries of data frames."""
    if name not in LIBRARIES:
        raise ValueError(f"{name!r} has no data frames that skebm reads.")
    return import_module(name)


def categories_of(dtype):
    """The categories that a dtype of pandas or polars names, or None."""
    found = getattr(dtype, "categories", None)
    # Those of polars' Categorical are shared by all columns, and no list.
    return list(found) if hasattr(found, "__len__") else None


def described(dtype):
    """A dtype as plain containers and text; itself, where these do not say all."""
    kind = dtype if isinstance(dtype, type) else type(dtype)
    package, *_ = kind.__module__.split(".")
    plain = {"library": package, "name": str(dtype)}
    categories = categories_of(dtype)
    if categories is not None:
        plain = {**plain, "name": kind.__name__, "categories": categories}
    if package == "pandas" and categories is not None:
        of_categories = described(dtype.categories.dtype)
        plain = {**plain, "ordered": dtype.ordered, "of_categories": of_categories}
    try:
        says_all = dtype_of(plain) == dtype
    except (AttributeError, TypeError, ValueError):
        says_all = False
    return plain if says_all else dtype


def dtype_of(plain):
    """The dtype that was described."""
    if not isinstance(plain, dict):
        return plain
    if plain["library"] == "numpy":
        return np.dtype(plain["name"])
    module = library(plain["library"])
    if plain["library"] == "polars":
        kind = getattr(module, plain["name"])
        return kind(plain["categories"]) if "categories" in plain else kind
    if "categories" not in plain:
        return module.api.types.pandas_dtype(plain["name"])
    categories = module.Index(
        plain["categories"], dtype=dtype_of(plain["of_categories"])
    )
    return module.CategoricalDtype(categories, plain["ordered"])
