"""Sphinx configuration of the documentation."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]

_metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "qmis_stats"
author = _metadata["authors"][0]["name"]
copyright = author
release = version = _metadata["version"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx-mathjax-offline",
]
exclude_patterns = ["_build"]
# Every reference to a name of the package has to resolve; types in docstrings are words ("(K, d) array").
nitpicky = True
# A field that is called like fields of other classes refers to itself: several targets, none of them wrong.
suppress_warnings = ["ref.python"]
nitpick_ignore_regex = [("py:class", r"(?!qmis_).*"), ("py:class", r".*\._\w+")]

myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
myst_dmath_double_inline = True

# Names are described where they are defined; following imports would list Python's own modules, which have no page.
viewcode_follow_imported_members = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

# Equations are numbered by page, (page.number), so that a reference from another page is unambiguous.
numfig = True
numfig_secnum_depth = 1

html_theme = "furo"
html_title = f"{project} {version}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_theme_options = {"navigation_with_keys": True}

_LITERAL = re.compile(r"(``.*?``|:\w+:`.*?`)")


def _escape_bars(_app: Sphinx, _what: str, _name: str, _obj: object, _opts: object, lines: list[str]) -> None:
    """Keep |x| in docstrings: a bar is an absolute value here, never a reStructuredText substitution."""
    for i, line in enumerate(lines):
        if "|" in line and not line.lstrip().startswith((">>>", "...")):
            parts = _LITERAL.split(line)
            parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
            lines[i] = "".join(parts)


def setup(app: Sphinx) -> None:
    """Register the hooks of this configuration."""
    app.connect("autodoc-process-docstring", _escape_bars)
