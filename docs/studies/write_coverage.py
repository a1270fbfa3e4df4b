"""Turn the rows of the coverage study into its page and its figure.

Usage: python docs/studies/write_coverage.py docs/studies/coverage.csv  (writes coverage.md and coverage.svg beside it)
"""

import sys
from pathlib import Path

from coverage_study import figure, page
from study_rows import read_rows


def main() -> None:
    source = Path(sys.argv[1])
    source.with_suffix(".md").write_text(page.page(source.parent, source.name), encoding="utf-8")
    figure.draw(read_rows(source), source.with_suffix(".svg"))


if __name__ == "__main__":
    main()
