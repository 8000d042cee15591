"""Warnings that point at the line of the user's program that led to them."""

import os
import sys
import warnings

import joblib
import sklearn

# Folders of the code between the user's line and the one that warns.
BETWEEN = tuple(
    os.path.dirname(file) + os.sep
    for file in (__file__, sklearn.__file__, joblib.__file__)
)


def warn(message, category=UserWarning):
    """Warn at the nearest line of the stack that is in none of these folders."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_code.co_filename.startswith(BETWEEN):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
