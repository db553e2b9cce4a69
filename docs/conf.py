"""Settings of the site: sphinx-build -W -b html docs SITE, with the extra `docs` installed."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

from ganinvert import __version__

project, author, version = "ganinvert", "The ganinvert developers", __version__
project_copyright = "2026 The ganinvert developers"
default_role = "code"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "sphinxcontrib.typer"]
exclude_patterns = ["examples/LICENSE*"]

html_theme = "furo"
html_title = "ganinvert"
html_show_sphinx = False
html_copy_source = False
templates_path: list[str] = []

myst_enable_extensions = ["colon_fence", "smartquotes"]
myst_heading_anchors = 3
copybutton_exclude = ".linenos, .gp, .go"

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "show-inheritance": False}
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_use_ivar = True


def escape(_app: Sphinx, _what: str, _name: str, _of: object, _options: object, lines: list[str]) -> None:
    """Keep the stars and bars of formulas in docstrings, which would be markup."""
    lines[:] = [re.sub(r"(`[^`]*`)|([*|])", lambda found: found[1] or "\\" + found[2], line) for line in lines]


def setup(app: Sphinx) -> None:
    """Escape docstrings before napoleon reads them."""
    app.connect("autodoc-process-docstring", escape, priority=100)
