"""Turn report.json of a full `qmis verify` into the page that is published with the documentation.

Usage: python docs/studies/write_verification.py report.json > docs/studies/verification.md
"""

import json
import math
import sys
from pathlib import Path

from study_page import render


def in_scale(value: float | None, scale: str) -> str:
    """Return a number of a claim's quantity; logarithms are written as powers of ten when they are small."""
    if value is None:
        return ""
    if scale == "log":
        return f"{math.exp(value):.5g}" if value > -600 else f"1e{value / math.log(10):.2f}"
    return f"{value:.5g}"


def page(report: dict) -> str:
    """Return the page of a report."""
    rows = [row for claim in report["claims"] if claim["statement"] == "S11" for row in claim["rows"]]
    coverage = [row for row in rows if row["interval"] is not None and row["theory"] == 0.95]
    # On the logarithmic scale a standard error is that of the logarithm: relative.
    claims = [claim | {"checks": len(claim["rows"])} for claim in report["claims"]]
    return render("verification", report=report, coverage=coverage, claims=claims, in_scale=in_scale)


def main() -> None:
    sys.stdout.write(page(json.loads(Path(sys.argv[1]).read_text())))


if __name__ == "__main__":
    main()
