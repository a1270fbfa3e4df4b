"""Sphinx configuration of the documentation."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from docutils.nodes import Text
from sphinx.addnodes import desc_annotation, pending_xref

if TYPE_CHECKING:
    from docutils.nodes import document
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
    "sphinx_click",
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
autodoc_preserve_defaults = True
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
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}

_SEVERAL = re.compile(r"^:(?P<kind>ivar|vartype) (?P<names>[^:]+,[^:]+):(?P<text>.*)$")

_LITERAL = re.compile(r"(``.*?``|:\w+:`.*?`)")


def _escape_bars(_app: Sphinx, _what: str, _name: str, _obj: object, _opts: object, lines: list[str]) -> None:
    """Keep |x| in docstrings: a bar is an absolute value here, never a reStructuredText substitution."""
    for i, line in enumerate(lines):
        if "|" in line and not line.lstrip().startswith((">>>", "...")):
            parts = _LITERAL.split(line)
            parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
            lines[i] = "".join(parts)


def _one_name_per_attribute(
    _app: Sphinx, _what: str, _name: str, _obj: object, _opts: object, lines: list[str]
) -> None:
    """Give each of several attributes that are described together a field of its own, as parameters have.

    Napoleon writes ``:ivar low, high:``, which Sphinx takes for an attribute ``high`` of the type ``low,``.
    """
    found: list[str] = []
    names: list[str] = []
    for line in lines:
        field = _SEVERAL.match(line)
        if field:
            names = [name.strip() for name in field["names"].split(",")]
            start = len(found)
            found += [f":{field['kind']} {name}:{field['text']}" for name in names]
        elif names and line.startswith(" "):  # the text goes on
            found[start:] = [f"{one} {line.strip()}" for one in found[start:]]
        else:
            names = []
            found.append(line)
    lines[:] = found


_OPTION = re.compile(r"(?<![\w`-])--[a-z][a-z-]*")


def _options_as_code(_app: Sphinx, _context: object, lines: list[str]) -> None:
    """Keep the two hyphens of an option in the help of a command: in a sentence they would become a dash."""
    lines[:] = [line if line.startswith("..") else _OPTION.sub(r"``\g<0>``", line) for line in lines]


_WORD = re.compile(r"[a-z]\w*")


def _leave_words(_app: Sphinx, tree: document) -> None:
    """Make no link of a word in a type: classes begin with a capital, and n is not the field of some result."""
    for reference in list(tree.findall(pending_xref)):
        if reference.get("reftype") == "class" and _WORD.fullmatch(reference["reftarget"]):
            reference.replace_self(reference.children)


_LONGEST_VALUE = 120


def _shorten_values(_app: Sphinx, tree: document) -> None:
    """Leave out the value of a name where it is no line but a listing: all claims take 36 000 characters."""
    for annotation in list(tree.findall(desc_annotation)):
        value = annotation.astext()
        if value.lstrip().startswith("=") and len(value) > _LONGEST_VALUE:
            annotation.children = [Text(" = …")]


_ACCESSIBLE = [
    # Captions of the contents are headings; of which level, the theme does not say.
    (re.compile(r'(<p class="caption" role="heading")>'), r'\1 aria-level="2">'),
    # The two columns beside the text have names, which tell them apart.
    (re.compile(r'(<aside class="sidebar-drawer)">'), r'\1" aria-label="Site">'),
    (re.compile(r'(<aside class="toc-drawer( no-toc)?)">'), r'\1" aria-label="Page">'),
    # What scrolls can be reached with the keyboard.
    (re.compile(r"<pre>"), '<pre tabindex="0">'),
    (re.compile(r'<div class="table-wrapper'), '<div tabindex="0" class="table-wrapper'),
    # The corner of a table heads nothing.
    (re.compile(r'<th class="(head[^"]*)">(<p></p>)?</th>'), r'<td class="\1"></td>'),
    # Results of a search appear under a heading, as everything else does.
    (re.compile(r'(<article role="main"[^>]*>)(\s*)(?=<noscript>)'), r"\1\2<h1>Search</h1>\2"),
]


def _make_accessible(app: Sphinx, failed: Exception | None) -> None:
    """Add to the finished pages what screen readers and keyboards need and the theme leaves out."""
    if failed or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        before = text = page.read_text(encoding="utf-8")
        for pattern, better in _ACCESSIBLE:
            text = pattern.sub(better, text)
        if text != before:
            page.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Register the hooks of this configuration."""
    app.connect("autodoc-process-docstring", _escape_bars)
    app.connect("autodoc-process-docstring", _one_name_per_attribute, priority=600)  # after Napoleon
    for part in ("description", "options"):
        app.connect(f"sphinx-click-process-{part}", _options_as_code)
    app.connect("doctree-read", _leave_words)
    app.connect("doctree-read", _shorten_values)
    app.connect("build-finished", _make_accessible)
