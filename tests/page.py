"""A page as its elements, and the rules that every page of the package follows: offline, navigable, readable aloud."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise

VOID = frozenset({"meta", "br", "path", "use", "rect", "line", "image"})


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    text: str = ""
    inside: list[str] = field(default_factory=list)


class Page(HTMLParser):
    """Elements in the order of their start tags; fails where tags are not nested."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(source)
        self.close()
        assert not self._open, [element.tag for element in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs), inside=[outer.tag for outer in self._open])
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs), inside=[outer.tag for outer in self._open]))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def names(self) -> list[str]:
        return [element.tag for element in self.elements]

    def text(self) -> str:
        return " ".join(self.elements[0].text.split())


def check_offline(page: Page) -> None:
    """Nothing is fetched and nothing is run."""
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", page.source)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.names())
    for element in page.elements:
        assert not any(name.startswith("on") for name in element.attributes), element
        assert (element.attributes.get("href") or "#").startswith("#"), element


def check_readable(page: Page) -> None:
    """Language, landmarks, headings in order, names of plots and tables, links that land."""
    assert page.all("html")[0].attributes["lang"] == "en"
    assert len(page.all("main")) == 1
    first = page.elements[page.names().index("body") + 1]
    assert (first.tag, first.attributes["href"]) == ("a", "#content")
    headings = [int(name[1]) for name in page.names() if re.fullmatch("h[1-6]", name)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))
    identifiers = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(identifiers) == len(set(identifiers))
    for element in page.elements:
        for name in ("href", "xlink:href"):
            assert (element.attributes.get(name) or "#")[1:] in ("", *identifiers), element
    for name, label in (("nav", "aria-label"), ("section", "aria-label"), ("article", "aria-labelledby")):
        assert all(element.attributes[label] for element in page.all(name)), name
    check_tables(page)
    check_plots(page)


def check_tables(page: Page) -> None:
    """Every table has a caption, and every head says what it heads; what scrolls has a name of its own and a focus."""
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(element.attributes.get("scope") in ("row", "col", "rowgroup") for element in page.all("th"))
    scrolling = [element.attributes for element in page.elements if element.attributes.get("class") == "scroll"]
    assert all((one["tabindex"], one["role"]) == ("0", "region") and one["aria-label"] for one in scrolling)
    assert len({one["aria-label"] for one in scrolling}) == len(scrolling)


def check_plots(page: Page) -> None:
    """Every plot has a name, scrolls where it would be too small, and a table comes before the next one."""
    assert page.source.count('<div class="scroll" tabindex="0" role="region" aria-label="Plot: ') == len(
        page.all("svg")
    )
    names = [name for name in page.names() if name in ("svg", "table")]
    for svg in page.all("svg"):
        assert svg.attributes["role"] == "img"
        titles = {e.attributes.get("id"): e.text for e in page.all("title")}
        assert titles[svg.attributes["aria-labelledby"]]
    for place, name in enumerate(names):
        assert name != "svg" or names[place + 1 : place + 2] == ["table"]
