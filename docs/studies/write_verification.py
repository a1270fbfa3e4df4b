"""Turn report.json of a full `qmis verify` into the page that is published with the documentation.

Usage: python docs/studies/write_verification.py report.json > docs/studies/verification.md
"""

import json
import math
import sys
from pathlib import Path


def cell(value: float | None, scale: str) -> str:
    """Return a number of a claim's quantity; logarithms are written as powers of ten when they are small."""
    if value is None:
        return ""
    if scale == "log":
        return f"{math.exp(value):.5g}" if value > -600 else f"1e{value / math.log(10):.2f}"
    return f"{value:.5g}"


def coverage_table(claims: list[dict]) -> list[str]:
    lines = ["| setting | coverage of the 95 % interval | its own 95 % interval |", "|---|---|---|"]
    for claim in claims:
        if claim["statement"] != "S11":
            continue
        for row in claim["rows"]:
            if row["interval"] is not None and row["theory"] == 0.95:
                low, high = row["interval"]
                lines.append(f"| {row['setting']} | {row['monte_carlo']:.4f} | {low:.4f} to {high:.4f} |")
    return lines


def claim_lines(claim: dict) -> list[str]:
    lines = [f"### {claim['statement']}: {claim['title']}", "", claim["text"], "", f"*{claim['law']}*", ""]
    lines += ["| setting | n | theory | exact | simulation | kind | verdict |", "|---|---|---|---|---|---|---|"]
    for row in claim["rows"]:
        values = [cell(row[key], claim["scale"]) for key in ("theory", "exact", "monte_carlo")]
        if row["std_error"] is not None and values[2]:
            # On the logarithmic scale the error is that of the logarithm: relative.
            values[2] += f" ± {row['std_error']:.1e}" + (" rel." if claim["scale"] == "log" else "")
        verdict = "holds" if row["passed"] else "FAILS"
        setting = row["setting"].replace("|", "\\|")
        lines.append(f"| {setting} | {row['n'] or ''} | {' | '.join(values)} | {row['kind']} | {verdict} |")
    return [*lines, ""]


def main() -> None:
    report = json.loads(Path(sys.argv[1]).read_text())
    claims = report["claims"]
    held = sum(claim["passed"] for claim in claims)
    checks = sum(len(claim["rows"]) for claim in claims)
    scale = "quick" if report["quick"] else "full"
    lines = [
        "# The verification, in numbers",
        "",
        f"Written by `make study` from the {scale} run with seed {report['seed']}: {held} of {len(claims)} claims hold "
        f"({checks} checks, {report['statistical_checks']} of them statistical, with one false-alarm rate of "
        f"{report['family_wise_rate']:g} for all of them together). How a verdict is decided: {{doc}}`../validation`.",
        "",
        "## Coverage of the fitted exponent",
        "",
        "Repeated seeds; the slope's interval is to cover −I_Q (or −½ at the critical scale) 95 times in a hundred. "
        "The rows without ½ log n, and with a wrong exponent, are negative controls.",
        "",
        *coverage_table(claims),
        "",
        "## Every check",
        "",
    ]
    for claim in claims:
        lines += claim_lines(claim)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
