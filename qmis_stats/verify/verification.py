"""The report: verdicts, a table for the terminal, JSON and HTML files."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qmis_stats.json_values import json_text
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.verify.checked import CheckedClaim
from qmis_stats.verify.decisions import FAMILY_WISE_RATE, level_per_check
from qmis_stats.verify.statements import STATEMENTS

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Group

__all__ = ["Report"]


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
        """Return the verdict."""
        return self.verdict()

    def remarks(self) -> list[str]:
        """Return how the verdict is decided."""
        return [self.how_decided()]

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

    def table(self) -> Group:
        """Return a rich renderable: a claim per line, the failing rows in full, and the verdict."""
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        from qmis_stats.reporting.terminal import Fitted

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        for column in ("", "Claim"):
            table.add_column(column, no_wrap=True)
        table.add_column("What it says", ratio=1)
        table.add_column("Checks", justify="right", no_wrap=True)
        table.add_column("Verdict", no_wrap=True)
        for c in self.checked:
            passed = c.passed(self.level)
            table.add_row(
                c.claim.statement,
                Text(c.claim.key),
                Text(c.claim.title),
                str(len(c.rows)),
                Text("passed", style="green") if passed else Text("FAILED", style="bold red"),
            )
        parts: list[Fitted | Text] = [Fitted(table, names=2)]
        for c in self.failures:
            parts.append(Text(f"{c.claim.statement} {c.claim.title} ({c.claim.key})", style="bold red"))
            parts += [
                Text(f"  {row.setting}, n = {row.n}: {row.decision.describe()}")
                for row in c.rows
                if not row.decision.passed(self.level)
            ]
        parts.append(Text(self.verdict(), style="bold green" if self.passed else "bold red"))
        parts.append(Text(self.how_decided()))
        return Group(*parts)

    def verdict(self) -> str:
        """Return one sentence."""
        total, failed = len(self.checked), len(self.failures)
        if self.passed:
            claims = "The claim holds" if total == 1 else f"All {total} claims hold"
            return f"{claims} ({sum(self.kinds.values())} checks)."
        return f"{failed} of {total} claims FAILED."

    def how_decided(self) -> str:
        """Return how the verdict is decided, in two sentences."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items()))
        return (
            f"Decisions: {kinds}. The {self.statistical_checks} statistical checks share one family-wise false-alarm "
            f"rate of {FAMILY_WISE_RATE:g}: {self.level:.2g} each."
        )

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
                _theory_from(Path(directory)),
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
