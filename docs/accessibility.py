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

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

SCREENS = ((1280, "light"), (390, "light"), (1280, "dark"), (390, "dark"))
"""Width in pixels, and the colours that the reader prefers."""
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


def violations(page: Page, address: str) -> Iterator[tuple[str, str, str]]:
    """Yield rule, impact and element of what axe finds on a page with all that is folded in it unfolded."""
    page.goto(address)
    page.wait_for_function(SET)
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
    for violation in Axe().run(page).response["violations"]:
        for node in violation["nodes"]:
            yield violation["id"], violation["impact"], " ".join(str(part) for part in node["target"])


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
        for width, colours in SCREENS:
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=colours)
            page.set_default_timeout(PATIENCE)
            for path in checked:
                for rule, impact, element in violations(page, path.as_uri()):
                    rules[rule, impact] += 1
                    print(f"{path} ({width} px, {colours}): {rule}, {impact}: {element}", flush=True)
            page.close()
        browser.close()
    for (rule, impact), count in rules.most_common():
        print(f"{rule}, {impact}: {count}")
    print(f"{len(checked)} pages on {len(SCREENS)} screens: {rules.total()} violations")
    return 1 if rules else 0


if __name__ == "__main__":
    sys.exit(main())
