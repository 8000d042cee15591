"""Doctests of the pages. SciPy reads this variable once, when it is first imported."""

import os

os.environ["SCIPY_ARRAY_API"] = "1"
