"""Configuration of the documentation: sphinx-build -W -b html doc doc/_build/html"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the checkout that these pages lie in, installed or not

import skebm  # noqa: E402

project = "skebm"
author = "the skebm developers"
copyright = author
release = version = skebm.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
]
toc_object_entries_show_parents = "hide"
templates_path = ["_templates"]
exclude_patterns = ["_build"]
default_role = "literal"
highlight_language = "python"
trim_doctest_flags = True

# numpydoc lays out the docstrings; the class template lists the methods.
numpydoc_show_class_members = False

# The gallery runs examples/plot_*.py. Without any, the entry of the table of contents
# leads nowhere.
examples = ROOT / "examples"
if any(examples.glob("plot_*.py")):
    extensions.append("sphinx_gallery.gen_gallery")
    sphinx_gallery_conf = {
        "examples_dirs": str(examples),
        "gallery_dirs": "auto_examples",
        "filename_pattern": r"/plot_",
        "ignore_pattern": r"/(?!plot_)[^/]*\.py$",
        "download_all_examples": False,
        "show_memory": False,
    }
else:
    suppress_warnings = ["toc.not_readable"]

html_theme = "pydata_sphinx_theme"
html_title = "skebm"
html_show_sourcelink = False
html_sidebars = {"**": []}
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
