"""Tables for a terminal, readable at 80 columns and through a pipe."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text, TextType

from qmis_stats.reporting.terminal import Fitted

if TYPE_CHECKING:
    from qmis_stats.audit.attacks.side_by_side import AttackAudit
    from qmis_stats.audit.audit_result import AuditResult
    from qmis_stats.experiment import Outcome
    from qmis_stats.inference.ranking import Ranking
    from qmis_stats.reporting.tables import Table as Rows
    from qmis_stats.sweep import Progress
    from qmis_stats.verify.evidence import Claim

__all__ = [
    "attack_table",
    "audit_table",
    "claims_table",
    "environment_table",
    "group_table",
    "outcome_tables",
    "print_to_stdout",
    "printed",
    "progress_table",
    "ranking_table",
]


def print_to_stdout(content: RenderableType) -> None:
    """Print on standard output, plain when it is a pipe; nothing is written before all of it is rendered."""
    console = Console(highlight=False)
    with console.capture() as capture:
        console.print(content)
    text = "\n".join(line.rstrip() for line in capture.get().splitlines())
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def _table(title: TextType, *columns: str, left: int = 1) -> Table:
    """Return an empty table; the first ``left`` columns hold words, the others numbers."""
    layout: dict[str, Any] = {"title_justify": "left", "title_style": "bold", "box": box.SIMPLE_HEAD}
    table = Table(title=title, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False, **layout)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i < left else "right", no_wrap=True)
    return table


def printed(tables: Sequence[Rows], remarks: Sequence[str]) -> RenderableType:
    """Return tables of a result, and remarks under them; a row with nothing but a name heads those below it."""
    parts: list[RenderableType] = []
    for rows in tables:
        table = _table(Text(rows.caption), *rows.columns, left=len(rows.words))
        table.columns[0].no_wrap = False  # at spaces, where there is no other way
        for row in rows.rows:
            table.add_row(*map(Text, row), style=None if any(row[1:]) else "bold")
        parts += [Fitted(table), Text()]
    return Group(*parts, *map(Text, remarks))


def claims_table(claims: Sequence[Claim]) -> RenderableType:
    """Return claims by their keys."""
    table = _table("Claims", "statement", "key", "what it says", left=3)
    table.columns[2].no_wrap = False
    for claim in claims:
        table.add_row(claim.statement, Text(claim.key), Text(claim.title))
    return Fitted(table, names=2)


def outcome_tables(outcome: Outcome) -> RenderableType:
    """Return what ``summary`` of an experiment's results prints."""
    return printed(outcome.tables(), outcome.remarks())


def ranking_table(ranking: Ranking, level: float = 0.95) -> RenderableType:
    """Return the table that :meth:`qmis_stats.inference.ranking.Ranking.summary` prints; warnings are told apart."""
    warnings = ranking.warnings()
    return printed(ranking.tables(level), [line for line in ranking.remarks(level) if line not in warnings])


def audit_table(
    result: AuditResult, level: float = 0.95, margin: float = 0.02, attacks: AttackAudit | None = None
) -> RenderableType:
    """Return the first table of :meth:`qmis_stats.audit.audit_result.AuditResult.summary`, then the answer in words."""
    from qmis_stats.audit.answer import answer
    from qmis_stats.audit.first_table import legend

    result = result.with_attacks(attacks)
    found = answer(result, level, margin, attacks)
    words = Table.grid(padding=(0, 2, 0, 0))
    for title, text in (("Which", found.which), ("At what cost", found.cost), ("How sure", found.sure)):
        words.add_row(Text(title, style="bold"), Text(text))
    return Group(printed(result.tables(level)[:1], [legend(result.leak), ""]), words)


def group_table(result: AuditResult, releases: Sequence[str], level: float = 0.95) -> RenderableType:
    """Return what leaks of each group under some releases and how well it is predicted, then who leaks most."""
    from qmis_stats.audit.group_lines import group_legend, group_lines, who_leaks_most
    from qmis_stats.audit.group_lines import group_table as table_of

    said = who_leaks_most(result, group_lines(result, releases, level))
    return Group(Text(), printed([table_of(result, releases, level)], [group_legend(result), "", said]))


def progress_table(progress: Progress) -> RenderableType:
    """Return how far a sweep is."""
    left = "unknown" if progress.time_left is None else str(timedelta(seconds=math.ceil(progress.time_left)))
    table = Table.grid(padding=(0, 2))
    for name, value in (
        ("cells", f"{progress.finished} of {progress.cells} finished"),
        ("refused", str(progress.refused)),
        ("blocks", f"{progress.blocks}, {progress.replicates:.4g} replicates"),
        ("last session", f"{progress.elapsed:.1f} s, {progress.rate:.3g} cells per second, began {progress.began}"),
        ("time left", left),
    ):
        table.add_row(name, value)
    return table


def attack_table(attacks: AttackAudit, shown: Sequence[str]) -> RenderableType:
    """Return what attacks achieve against each quantizer, some of them first, and the optimum's; then the verdicts."""
    from qmis_stats.audit.leak_answer import attacks_and_theory

    legend, *verdicts = attacks.remarks()
    found = [f"- {line}" for line in (*verdicts, *attacks_and_theory(attacks, attacks.level))]
    return Group(Text(), printed(attacks.tables(shown), [legend, "", *found]))


def environment_table(data: dict[str, Any]) -> RenderableType:
    """Return what :func:`qmis_stats.environment.environment` found."""
    table = Table.grid(padding=(0, 2))
    for name in ("qmis_stats", "python", "platform"):
        table.add_row(name, data[name])
    for name, version in data["packages"].items():
        table.add_row(name, version)
    for name, version in data["quantizer_libraries"].items():
        table.add_row(f"quantizers {name}", version)
    for name, backend in data["backends"].items():
        # The reason names the backend, which stands in front of it here.
        why_not = (backend["reason"] or "").removeprefix(f"backend {name!r}: ")
        table.add_row(f"backend {name}", "available" if backend["available"] else f"not available: {why_not}")
    table.add_row("threads", f"{data['threads']} of {data['cpus']} processors")
    table.add_row("GPU", data["gpu"] or "none")
    return table
