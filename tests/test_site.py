"""The check of the built documentation: what it has to find, and what it has to let pass."""

import importlib.util
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("check_site", Path(__file__).parents[1] / "docs" / "check_site.py")
check_site = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(check_site)


@pytest.fixture
def site(tmp_path):
    check_site._read.cache_clear()
    (tmp_path / "deep").mkdir()
    (tmp_path / "style.css").write_text("")
    (tmp_path / "deep" / "index.html").write_text('<h1 id="a b">x</h1><a href="../index.html#top">up</a>')
    return tmp_path


def page(site, body):
    (site / "index.html").write_text(f'<p id="top">{body}</p>')
    return check_site.problems(site)


@pytest.mark.parametrize(
    "body",
    [
        '<a href="#top">x</a>',
        '<a href="deep/">x</a>',
        '<a href="deep/index.html#a%20b">x</a>',
        '<a href="https://example.org/">elsewhere is a link, not a fetch</a>',
        '<link rel="stylesheet" href="style.css?v=1">',
        '<img src="data:image/png;base64,AA==">',
    ],
)
def test_what_lands_passes(site, body):
    assert page(site, body) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('<a href="#bottom">x</a>', "no such anchor"),
        ('<a href="deep/index.html#b">x</a>', "no such anchor"),
        ('<a href="other.html">x</a>', "no such file"),
        ('<script src="missing.js"></script>', "no such file"),
        ('<script src="https://example.org/x.js"></script>', "fetches"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "fetches"),
    ],
)
def test_what_does_not_land_is_found(site, body, reason):
    (line,) = page(site, body)
    assert line.startswith("index.html: ")
    assert reason in line
