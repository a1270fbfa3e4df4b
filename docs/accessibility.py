"""Look for faults of accessibility with axe, in Chromium, on a wide screen and on a phone, light and dark.

Usage: python docs/accessibility.py PAGE_OR_FOLDER... [--browser /usr/bin/chromium]

Needs axe-playwright-python, the extra ``accessibility``, and a Chromium that is installed already. Of a folder every
page is taken but listings of source code. The exit status is 1 when axe finds anything.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

WHOLE = {"resultTypes": ["violations"], "preload": False}
"""Options of axe: elements are named of violations only, and no style sheet is fetched, as none can be from a file."""
AROUND = WHOLE | {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
"""Colours alone, of all but the text."""
SCREENS = ((1280, "light", WHOLE), (1280, "dark", AROUND), (390, "dark", WHOLE), (390, "light", AROUND))
"""Width in pixels, the colours that the reader prefers, and what is looked at. Contrast takes most of the time, and
that of the text is the same at any width: it is looked at once per colour scheme, what is around it on all screens."""
RUN = """options => axe.run(options.runOnly ? {exclude: [['article'], ['main']]} : document, options)"""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SET = "() => !window.MathJax || !MathJax.startup || MathJax.startup.promise.then(() => true)"
"""True once formulas are set."""
PATIENCE = 120_000
"""Milliseconds that a page may take: on a busy machine the long pages of the API take longer than 30 seconds."""


def pages(given: list[Path]) -> list[Path]:
    """Return the pages that are given and those in the folders that are."""
    return [
        page.resolve()
        for path in given
        for page in ([path] if path.is_file() else sorted(path.rglob("*.html")))
        if "_modules" not in page.parts
    ]


def violations(page: Page, address: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield screen, rule, impact and element of what axe finds on a page with all that is folded in it unfolded.

    The page is loaded once, and shown on one screen after another.
    """
    page.goto(address)
    page.wait_for_function(SET)
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
    page.add_script_tag(content=AXE_SCRIPT)
    for width, colours, options in SCREENS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=colours)
        found = page.evaluate(RUN, options)
        for violation in found["violations"]:
            for node in violation["nodes"]:
                element = " ".join(str(part) for part in node["target"])
                yield f"{width} px, {colours}", violation["id"], violation["impact"], element


def main() -> int:
    """Check what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--browser", default=next(filter(None, map(shutil.which, BROWSERS)), None))
    arguments = parser.parse_args()
    if not arguments.browser:
        print(f"skipped: none of {', '.join(BROWSERS)} is on the path; --browser names another Chromium")
        return 0
    checked = pages(arguments.pages)
    rules: Counter[tuple[str, str]] = Counter()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=arguments.browser)
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        for path in checked:
            for screen, rule, impact, element in violations(page, path.as_uri()):
                rules[rule, impact] += 1
                print(f"{path} ({screen}): {rule}, {impact}: {element}", flush=True)
        browser.close()
    for (rule, impact), count in rules.most_common():
        print(f"{rule}, {impact}: {count}")
    print(f"{len(checked)} pages on {len(SCREENS)} screens: {rules.total()} violations")
    return 1 if rules else 0


if __name__ == "__main__":
    sys.exit(main())
