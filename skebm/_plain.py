"""Fitted attributes as plain containers, arrays and numbers, and back.

What is written to a file names no private type then, but the estimators alone.
"""

import sys
from importlib import import_module

from sklearn.base import BaseEstimator

# The key by which a dictionary says that it stands for an object, of which type.
TYPE = "skebm type"

# Raised where older versions could not make sense of the state of an estimator.
FORMAT = 1


def is_private(kind):
    """Whether a type is one of those of ours that users do not see."""
    package, *_ = kind.__module__.split(".")
    if package != __package__ or issubclass(kind, BaseEstimator):
        return False
    return issubclass(kind, tuple) or getattr(kind, "is_plain", False)


def to_plain(value):
    """The value with dictionaries in the place of objects of private types."""
    kind = type(value)
    if is_private(kind):
        name = f"{kind.__module__}.{kind.__name__}"
        if issubclass(kind, tuple):
            return {TYPE: name, "values": [to_plain(x) for x in value]}
        return {TYPE: name, "state": to_plain(value.__getstate__() or {})}
    if kind is dict:
        if TYPE in value:  # a user's, who may name anything so, as a class
            return {TYPE: "dict", "items": [to_plain(pair) for pair in value.items()]}
        return {key: to_plain(x) for key, x in value.items()}
    if kind in (list, tuple):
        return kind(to_plain(x) for x in value)
    return value


def from_plain(value):
    """What :func:`to_plain` was given."""
    kind = type(value)
    if kind is dict:
        made = {key: from_plain(x) for key, x in value.items()}
        return restored(made) if TYPE in made else made
    if kind in (list, tuple):
        return kind(from_plain(x) for x in value)
    return value


def restored(plain):
    """The object of a private type, or dictionary, that a dictionary stands for."""
    if plain[TYPE] == "dict":
        return dict(plain["items"])
    module, _, name = plain[TYPE].rpartition(".")
    if module.split(".")[0] == __package__:
        import_module(module)
    kind = getattr(sys.modules.get(module), name, None)
    if not isinstance(kind, type) or not is_private(kind):
        raise ValueError(f"The file holds a {plain[TYPE]}, which skebm does not know.")
    if issubclass(kind, tuple):
        return kind(*plain["values"])
    made = kind.__new__(kind)
    if hasattr(made, "__setstate__"):
        made.__setstate__(plain["state"])
    else:
        vars(made).update(plain["state"])
    return made


class PlainStateMixin:
    """An estimator whose state, in copies and files, is plain, and of this format."""

    def __getstate__(self):
        state = super().__getstate__()
        plain = {name: to_plain(value) for name, value in state.items()}
        return {**plain, "_skebm_format": FORMAT}

    def __setstate__(self, state):
        found = state.get("_skebm_format", FORMAT)
        if found > FORMAT:
            raise ValueError(
                f"This {type(self).__name__} was written by a newer skebm, "
                f"{state.get('_skebm_version', 'of unknown version')}, in format "
                f"{found}, but this one reads formats up to {FORMAT}. Update skebm."
            )
        made = {name: from_plain(x) for name, x in state.items()}
        made.pop("_skebm_format", None)
        super().__setstate__(made)
