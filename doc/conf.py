"""Configuration of the site: python -m sphinx -W -b html doc doc/_build/html"""

import sys
from pathlib import Path

DOC = Path(__file__).resolve().parent
ROOT = DOC.parent
sys.path.insert(0, str(DOC / "sphinxext"))
sys.path.insert(0, str(ROOT))  # the checkout that these pages lie in, installed or not

import inventories  # noqa: E402
import sources  # noqa: E402

import skebm  # noqa: E402

project = "skebm"
author = "the skebm developers"
copyright = author
release = version = skebm.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.linkcode",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # MathJax itself, so that no page needs the internet
    "sphinx_copybutton",
    "sphinx_design",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
toc_object_entries_show_parents = "hide"
templates_path = ["_templates"]
exclude_patterns = ["_build"]
default_role = "literal"
highlight_language = "python"
trim_doctest_flags = True

# A reference to one of our own names has to lead somewhere. Types in docstrings, such
# as "array-like", are not all names of something.
nitpicky = True
nitpick_ignore_regex = [(".*", r"(?!skebm\b).*")]

# numpydoc lays out the docstrings; the class template lists the methods.
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"
numpydoc_xref_aliases = {
    name: f"skebm.{name}" for name in skebm.__all__ if name != "__version__"
} | {
    "LogPartition": "skebm.core.partition.LogPartition",
    "ndarray": "numpy.ndarray",
    "array-like": ":term:`numpy:array_like`",
    "RandomState": "numpy.random.RandomState",
}

# What the template of a class says beside its docstring.
autosummary_context = {"chapters": sources.CHAPTERS}

# Without the internet, a link to another project is found in a list that lies here.
intersphinx_mapping = inventories.mapping(DOC / "inventories", DOC / "_build")

linkcode_resolve = sources.linkcode_resolve

# The prompts and the outputs are not copied.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/(plot_|quickstart)",
    "ignore_pattern": r"/(?!plot_|quickstart)[^/]*\.py$",
    "within_subsection_order": "sources.InOrder",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skebm",),
    "reference_url": {"skebm": None},
    "parallel": 2,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "skebm"
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["skebm.css"]
html_show_sourcelink = False
ALONE = (  # pages that belong to no section, so that a list beside them would be empty
    "index getting_started benchmarks faq glossary contributing architecture whats_new "
    "references"
)
html_sidebars = {page: [] for page in ALONE.split()}
html_theme_options = {
    "logo": {"text": "skebm"},
    "icon_links": [
        {
            "name": "Source",
            "url": sources.REPOSITORY,
            "icon": "fa-brands fa-github",
        }
    ],
    "header_links_before_dropdown": 5,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
