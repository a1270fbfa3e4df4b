"""The report: verdicts, a table, JSON and HTML files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from qmis_stats.json_values import json_text
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.reporting.tables import Table
from qmis_stats.validation import file_name
from qmis_stats.verify.checked import CheckedClaim
from qmis_stats.verify.decisions import FAMILY_WISE_RATE, level_per_check
from qmis_stats.verify.statements import STATEMENTS

if TYPE_CHECKING:
    import pandas as pd

    from qmis_stats.verify.evidence import Claim

__all__ = ["Report", "claims_table"]


@dataclass(frozen=True, eq=False, repr=False)
class Report(NotebookResult):
    """What a verification found.

    Attributes
    ----------
    checked : tuple of CheckedClaim
        The claims in order.
    quick : bool
        Whether it was the short version.
    seed : int
        Its seed.
    statistical_checks : int
        Number of statistical checks, over which the family-wise rate is shared.
    """

    checked: tuple[CheckedClaim, ...]
    quick: bool
    seed: int
    statistical_checks: int

    @property
    def level(self) -> float:
        """Level of one statistical check."""
        return level_per_check(self.statistical_checks)

    @cached_property
    def passed(self) -> bool:
        """Whether every claim passed."""
        return all(c.passed(self.level) for c in self.checked)

    @property
    def failures(self) -> tuple[CheckedClaim, ...]:
        """The claims that failed."""
        return tuple(c for c in self.checked if not c.passed(self.level))

    @property
    def kinds(self) -> Counter[str]:
        """Number of rows of each kind of decision."""
        return sum((c.kinds for c in self.checked), Counter())

    def to_frame(self) -> pd.DataFrame:
        """Return one row per claim as a pandas frame."""
        import pandas as pd

        rows = [
            {
                "claim": c.claim.key,
                "statement": c.claim.statement,
                "title": c.claim.title,
                "checks": len(c.rows),
                "passed": c.passed(self.level),
            }
            for c in self.checked
        ]
        return pd.DataFrame(rows).set_index("claim")

    def title(self) -> str:
        """Return the caption of the table."""
        return "Claims"

    def remarks(self) -> list[str]:
        """Return the checks that failed, the verdict, and how it is decided."""
        failed = [
            f"{c.claim.key}: {row.setting}, n = {row.n}: {row.decision.describe()}"
            for c in self.failures
            for row in c.rows
            if not row.decision.passed(self.level)
        ]
        return [*failed, self.verdict(), self.how_decided()]

    def tables(self) -> list[Table]:
        """Return a row per claim."""
        verdicts = ["passed" if c.passed(self.level) else "FAILED" for c in self.checked]
        more = {"checks": [str(len(c.rows)) for c in self.checked], "verdict": verdicts}
        return [claims_table([c.claim for c in self.checked], self.title(), more)]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data, the same for two runs with one seed: no times, dates or names of machines."""
        return {
            "passed": self.passed,
            "quick": self.quick,
            "seed": self.seed,
            "family_wise_rate": FAMILY_WISE_RATE,
            "statistical_checks": self.statistical_checks,
            "level_per_check": self.level,
            "decisions": dict(sorted(self.kinds.items())),
            "claims": [
                {
                    "key": c.claim.key,
                    "statement": c.claim.statement,
                    "proof": f"theory/{STATEMENTS[c.claim.statement].page}.html#{c.claim.statement.lower()}",
                    "title": c.claim.title,
                    "text": c.claim.text,
                    "formula": c.claim.formula,
                    "law": c.claim.law,
                    "decided": c.claim.decided,
                    "quantity": c.claim.quantity,
                    "scale": c.claim.scale,
                    "passed": c.passed(self.level),
                    "rows": [row.to_dict(self.level) for row in c.rows],
                    "plots": [plot.to_dict() for plot in c.plots],
                }
                for c in self.checked
            ],
        }

    def verdict(self) -> str:
        """Return one sentence."""
        total, failed = len(self.checked), len(self.failures)
        if self.passed:
            claims = "The claim holds" if total == 1 else f"All {total} claims hold"
            return f"{claims} ({sum(self.kinds.values())} checks)."
        return f"{failed} of {total} claims FAILED."

    def how_decided(self) -> str:
        """Return how the verdict is decided: counts of checks and, if any is statistical, their false-alarm rate."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items()))
        if self.statistical_checks > 1:
            kinds += (
                f". The {self.statistical_checks} statistical checks share one family-wise false-alarm rate of "
                f"{FAMILY_WISE_RATE:g}: {self.level:.2g} each"
            )
        elif self.statistical_checks:
            kinds += f". The statistical check has a false-alarm rate of {FAMILY_WISE_RATE:g}"
        return f"Decisions: {kinds}."

    def write(self, directory: str | os.PathLike[str]) -> list[Path]:
        """Write ``report.json`` and the self-contained ``report.html``; each appears complete or not at all.

        Parameters
        ----------
        directory : path
            Created when missing.

        Returns
        -------
        list of Path

        Raises
        ------
        InputError
            If the directory cannot be created or written.
        """
        from qmis_stats.reporting.pages import write_files
        from qmis_stats.verify.html import render

        contents = {
            "report.json": json_text(self.to_dict()),
            "report.html": render(
                self.checked,
                self.level,
                _theory_from(Path(file_name("directory", directory))),
                verdict=self.verdict(),
                quick=self.quick,
                seed=self.seed,
                statistical_checks=self.statistical_checks,
            ),
        }
        return write_files(directory, contents)


def _theory_from(folder: Path) -> str | None:
    """Return how a page in a folder of a checkout addresses a page of the theory, if there is one.

    A page elsewhere may be moved or sent, and an installed package has no documentation: there the page is named.
    """
    root, folder = Path(__file__).resolve().parents[2], folder.resolve()
    for pages, suffix in ((root / "docs" / "_build" / "html" / "theory", ".html"), (root / "docs" / "theory", ".md")):
        if folder.is_relative_to(root) and pages.is_dir():
            return f"{os.path.relpath(pages, folder)}/{{}}{suffix}"
    return None


def claims_table(
    claims: Iterable[Claim], caption: str = "Claims", more: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> Table:
    """Return claims by their keys, with further columns before what each says.

    Examples
    --------
    >>> from qmis_stats.verify.registry import CLAIMS
    >>> claims_table(CLAIMS[:1]).rows
    [('S1', 'definition.three_faces', 'One number, three faces: distance, expectation, attack')]
    """
    claims = list(claims)
    named = {"statement": [c.statement for c in claims], "key": [c.key for c in claims]}
    return Table.of(caption, {**named, **more, "what it says": [c.title for c in claims]}, words=len(more) + 3)
