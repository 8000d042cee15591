"""What an estimator says of the package: where its page is, which version wrote it."""

import sys

from sklearn.exceptions import InconsistentVersionWarning

from ._warnings import warn

# The documentation's address.
DOCUMENTATION = "https://skebm.readthedocs.io/en/stable/"

# What pickles without a version are of.
UNKNOWN = "unknown"


def version():
    """The version of the package, which is written in its `__init__`."""
    return sys.modules[__package__].__version__


class AboutMixin:
    """A link to the documentation, and a warning where another version was pickled.

    A pickle has run the code that it names before there is a warning: open only those
    that you trust.

    Both are for the classes of the package, and not for those derived elsewhere.
    """

    _doc_link_module = "skebm"
    _doc_link_template = DOCUMENTATION + "generated/skebm.{estimator_name}.html"

    def __getstate__(self):
        state = super().__getstate__()
        if is_own(self):
            state = {**state, "_skebm_version": version()}
        return state

    def __setstate__(self, state):
        if is_own(self):
            state = dict(state)
            written = state.pop("_skebm_version", UNKNOWN)
            if written != version():
                warn(
                    InconsistentVersionWarning(
                        estimator_name=f"{type(self).__name__} of skebm",
                        current_sklearn_version=version(),
                        original_sklearn_version=written,
                    )
                )
        super().__setstate__(state)


def is_own(estimator):
    """Whether the class of an estimator is one of the package."""
    return type(estimator).__module__.split(".")[0] == __package__
