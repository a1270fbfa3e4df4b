"""The hooks of the documentation: attributes described together, and pages for keyboards and screen readers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils.frontend import get_default_settings
from docutils.nodes import Text
from docutils.utils import new_document
from sphinx.addnodes import desc_annotation, pending_xref

_SPEC = importlib.util.spec_from_file_location("docs_conf", Path(__file__).parents[1] / "docs" / "conf.py")
assert _SPEC is not None
assert _SPEC.loader is not None
conf = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(conf)


def test_attributes_that_are_described_together_have_a_field_each():
    lines = [
        ":ivar low, high: Limits",
        "            of the gap.",
        ":vartype low, high: float",
        "",
        ":ivar n: Size, in points.",
    ]
    conf._one_name_per_attribute(None, "class", "C", None, None, lines)
    assert lines == [
        ":ivar low: Limits of the gap.",
        ":ivar high: Limits of the gap.",
        ":vartype low: float",
        ":vartype high: float",
        "",
        ":ivar n: Size, in points.",
    ]


def test_words_of_types_are_no_links():
    tree = new_document("page", get_default_settings())
    for kind, target in (("class", "n"), ("class", "shape"), ("class", "Fit"), ("func", "mis")):
        tree += pending_xref("", Text(target), reftype=kind, reftarget=target)
    conf._leave_words(None, tree)
    assert [type(node) for node in tree.children] == [Text, Text, pending_xref, pending_xref]
    assert tree.astext().split() == ["n", "shape", "Fit", "mis"]


def test_long_values_are_left_out_and_short_ones_and_types_are_not():
    tree = new_document("page", get_default_settings())
    for text in (" = 2026", f" = ({'Claim(...), ' * 40})", f": Mapping[{'str, ' * 40}]"):
        tree += desc_annotation(text, "", Text(text))
    conf._shorten_values(None, tree)
    assert [node.astext()[:12] for node in tree.children] == [" = 2026", " = …", ": Mapping[st"]


def test_options_in_the_help_of_a_command_keep_their_hyphens():
    lines = [
        ".. option:: --seed <seed>",
        "   The same numbers for any --jobs, non--options aside.",
        "   ``--out`` is code.",
    ]
    conf._options_as_code(None, None, lines)
    assert lines == [
        ".. option:: --seed <seed>",
        "   The same numbers for any ``--jobs``, non--options aside.",
        "   ``--out`` is code.",
    ]


def test_the_search_page_has_a_heading(tmp_path):
    (tmp_path / "search.html").write_text('<article role="main" id="main">\n<noscript>x</noscript></article>')
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=tmp_path)
    for _ in range(2):
        conf._make_accessible(app, None)
    assert (tmp_path / "search.html").read_text() == (
        '<article role="main" id="main">\n<h1>Search</h1>\n<noscript>x</noscript></article>'
    )


@pytest.mark.parametrize("times", [1, 2])
def test_what_scrolls_has_a_focus_and_columns_have_names(tmp_path, times):
    page = tmp_path / "deep" / "page.html"
    page.parent.mkdir()
    page.write_text(
        '<aside class="sidebar-drawer"><p class="caption" role="heading">a</p></aside><pre>x</pre>'
        '<div class="table-wrapper docutils container"><th class="head"></th><th class="head"><p>n</p></th></div>'
    )
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=tmp_path)
    for _ in range(times):  # a second build leaves pages as they are
        conf._make_accessible(app, None)
    assert page.read_text() == (
        '<aside class="sidebar-drawer" aria-label="Site"><p class="caption" role="heading" aria-level="2">a</p></aside>'
        '<pre tabindex="0">x</pre><div tabindex="0" class="table-wrapper docutils container">'
        '<td class="head"></td><th class="head"><p>n</p></th></div>'
    )
