"""The HTML report: one self-contained page, without scripts, fonts or addresses from elsewhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup, escape

from qmis_stats.reporting.pages import render_page
from qmis_stats.verify.checked import CheckedClaim, format_estimate, format_value
from qmis_stats.verify.decisions import FAMILY_WISE_RATE
from qmis_stats.verify.plots import numbers, svg
from qmis_stats.verify.statements import STATEMENTS

__all__ = ["render", "with_indices"]

_KINDS = (
    ("exact", "an identity or inequality, without tolerance"),
    ("numeric", "a deviation within a stated bound"),
    ("statistical", "a test at this run's level for one check"),
    ("limit", "a formula outside its domain must fail and say so"),
    ("control", "a deliberately wrong number must be rejected"),
)


def render(
    checked: Sequence[CheckedClaim],
    level: float,
    theory: str | None = None,
    *,
    verdict: str,
    quick: bool,
    seed: int,
    statistical_checks: int,
) -> str:
    """Return the page.

    Parameters
    ----------
    checked : sequence of CheckedClaim
        What was found.
    level : float
        Of one statistical check.
    theory : str, optional
        Where the documentation's pages of the theory are, seen from the page: ``"../docs/theory/{}.md"``. Without it
        they are named and not linked.
    verdict : str
        One sentence.
    quick : bool
        Whether it was the short version.
    seed, statistical_checks : int
        Of the run.
    """
    sections = []
    for label, statement in STATEMENTS.items():
        claims = [_claim(c, level) for c in checked if c.claim.statement == label]
        if claims:
            passed = all(c["passed"] for c in claims)
            sections.append(
                {
                    "label": label,
                    "title": statement.title,
                    "page": f"theory/{statement.page}",
                    "address": None if theory is None else f"{theory.format(statement.page)}#{label.lower()}",
                    "claims": claims,
                    "passed": passed,
                }
            )
    found = sum((c.kinds for c in checked), Counter[str]())
    failures = [c.claim for c in checked if not c.passed(level)]
    return render_page(
        "qmis_stats.verify",
        "report.html.j2",
        verdict=verdict,
        passed=not failures,
        failures=failures,
        quick=quick,
        seed=seed,
        statistical_checks=statistical_checks,
        level=level,
        rate=FAMILY_WISE_RATE,
        sections=sections,
        kinds=[(kind, found[kind], meaning) for kind, meaning in _KINDS if found[kind]],
    )


def with_indices(formula: str) -> Markup:
    """Return a formula in plain text, ``E_prod e^{−n I_f}``, with its indices and exponents as HTML.

    Examples
    --------
    >>> with_indices("Σ_f e^{−n I_f} < c_{k−1}")
    Markup('Σ<sub>f</sub> e<sup>−n I<sub>f</sub></sup> &lt; c<sub>k−1</sub>')
    """
    text = re.sub(r"_(?:\{([^{}]*)\}|([A-Za-z0-9]+))", r"<sub>\1\2</sub>", str(escape(formula)))
    return Markup(re.sub(r"\^(?:\{([^{}]*)\}|([A-Za-z0-9]+))", r"<sup>\1\2</sup>", text))


def _claim(checked: CheckedClaim, level: float) -> dict[str, Any]:
    claim = checked.claim
    rows = [
        {
            "setting": row.setting,
            "n": "" if row.n is None else f"{row.n:,}".replace(",", "\u202f"),
            "theory": format_value(row.theory, claim.scale),
            "exact": format_value(row.exact, claim.scale),
            "estimate": format_estimate(row, claim.scale),
            "how": row.decision.describe(),
            "kind": row.decision.kind,
            "passed": row.decision.passed(level),
        }
        for row in checked.rows
    ]
    prefix = claim.key.replace(".", "-")
    figures = [
        {"title": plot.title, "svg": svg(plot, f"{prefix}-{i}"), "numbers": numbers(plot)}
        for i, plot in enumerate(checked.plots)
    ]
    columns = [name for name in ("n", "theory", "exact", "estimate") if any(row[name] for row in rows)]
    return {
        "claim": claim,
        "anchor": prefix,
        "formula": with_indices(claim.formula),
        "rows": rows,
        "columns": columns,
        "figures": figures,
        "passed": checked.passed(level),
    }
