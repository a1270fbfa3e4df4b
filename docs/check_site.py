"""Check a built site without a network: links and anchors land, and no page fetches anything from elsewhere."""

from __future__ import annotations

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data", "link": "href"}
"""Elements that a browser loads, with the attribute that says from where."""


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in FETCHED and FETCHED[tag] in given:
            self.fetched.append(given[FETCHED[tag]])


@cache
def _read(path: Path) -> _Page:
    return _Page(path.read_text(encoding="utf-8"))


def _broken(page: Path, target: str) -> str | None:
    """Return what is wrong with a target inside the site, if anything is."""
    parts = urlsplit(target)
    path = page if not parts.path else (page.parent / unquote(parts.path)).resolve()
    if path.is_dir():
        path /= "index.html"
    if not path.is_file():
        return "no such file"
    anchor = unquote(parts.fragment)
    if anchor and path.suffix == ".html" and anchor not in _read(path).anchors:
        return "no such anchor"
    return None


def problems(site: Path) -> list[str]:
    """Return a line for everything that is wrong with the pages of a folder."""
    found = []
    for page in sorted(site.resolve().rglob("*.html")):
        content = _read(page)
        name = page.relative_to(site.resolve())
        for target in content.fetched:
            if urlsplit(target).scheme not in ("", "data") or target.startswith("//"):
                found.append(f"{name}: fetches {target}")
            elif not target.startswith("data:") and (reason := _broken(page, target)):
                found.append(f"{name}: {target}: {reason}")
        for target in content.links:
            inside = not urlsplit(target).scheme and not target.startswith("//")
            if inside and (reason := _broken(page, target)):
                found.append(f"{name}: {target}: {reason}")
    return found


def main() -> int:
    """Check the folder that is named on the command line."""
    site = Path(sys.argv[1])
    found = problems(site)
    print("\n".join(found) or f"{len(list(site.rglob('*.html')))} pages: every link lands, nothing is fetched")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
