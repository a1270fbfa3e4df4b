"""Tables for a terminal, readable at 80 columns and through a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text, TextType

from qmis_stats.reporting.terminal import Fitted

if TYPE_CHECKING:
    from qmis_stats.audit.attacks.side_by_side import AttackAudit
    from qmis_stats.audit.audit_result import AuditResult
    from qmis_stats.reporting.tables import Table as Rows

__all__ = [
    "attack_table",
    "audit_table",
    "group_table",
    "print_to_stdout",
    "printed",
]


_STYLES = {"passed": "green", "FAILED": "bold red"}


def print_to_stdout(content: RenderableType) -> None:
    """Print on standard output, plain when it is a pipe; nothing is written before all of it is rendered."""
    console = Console(highlight=False)
    with console.capture() as capture:
        console.print(content)
    text = "\n".join(line.rstrip() for line in capture.get().splitlines())
    encoding = sys.stdout.encoding or "utf-8"
    # Whole before what is written to standard error, which may go to the same file.
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def _table(title: TextType, *columns: str, left: int = 1) -> Table:
    """Return an empty table; the first ``left`` columns hold words, the others numbers."""
    layout: dict[str, Any] = {"title_justify": "left", "title_style": "bold", "box": box.SIMPLE_HEAD}
    table = Table(title=title, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False, **layout)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i < left else "right", no_wrap=True)
    return table


def printed(tables: Sequence[Rows], remarks: Sequence[str] = (), names: int = 1) -> RenderableType:
    """Return tables, each with a blank line under it, and remarks; the first ``names`` columns name a row.

    A row with nothing but a name heads those below it. A last column of words is wrapped where it does not fit, and
    names at spaces, where there is no other way; other words and numbers are never broken.
    """
    parts: list[RenderableType] = []
    for rows in tables:
        table = _table(Text(rows.caption), *rows.columns, left=len(rows.words))
        table.columns[0].no_wrap = False
        table.columns[-1].no_wrap = len(rows.words) < len(rows.columns)
        for row in rows.rows:
            cells = (Text(cell, _STYLES.get(cell, "")) for cell in row)
            table.add_row(*cells, style=None if any(row[1:]) else "bold")
        parts += [Fitted(table, names), Text()]
    return Group(*parts, *map(Text, remarks))


def audit_table(
    result: AuditResult, level: float = 0.95, margin: float = 0.02, attacks: AttackAudit | None = None
) -> RenderableType:
    """Return the first table of :meth:`qmis_stats.audit.audit_result.AuditResult.summary`, then the answer in words."""
    from qmis_stats.audit.answer import answer
    from qmis_stats.audit.first_table import first_table, legend

    result = result.with_attacks(attacks)
    found = answer(result, level, margin, attacks)
    words = Table.grid(padding=(0, 2, 0, 0))
    for title, text in (("Which", found.which), ("At what cost", found.cost), ("How sure", found.sure)):
        words.add_row(Text(title, style="bold"), Text(text))
    table = first_table(result.table_lines(level), result.dataset, result.metric, level)
    return Group(printed([table], [legend(result.leak), ""]), words)


def group_table(result: AuditResult, releases: Sequence[str], level: float = 0.95) -> RenderableType:
    """Return what leaks of each group under some releases and how well it is predicted, then who leaks most."""
    from qmis_stats.audit.group_lines import group_legend, group_lines, who_leaks_most
    from qmis_stats.audit.group_lines import group_table as table_of

    said = who_leaks_most(result, group_lines(result, releases, level))
    return Group(Text(), printed([table_of(result, releases, level)], [group_legend(result), "", said]))


def attack_table(attacks: AttackAudit, shown: Sequence[str]) -> RenderableType:
    """Return what attacks achieve against each quantizer, some of them first, and the optimum's; then the verdicts."""
    from qmis_stats.audit.leak_answer import attacks_and_theory

    legend, *verdicts = attacks.remarks()
    found = [f"- {line}" for line in (*verdicts, *attacks_and_theory(attacks, attacks.level))]
    return Group(Text(), printed(attacks.tables(shown), [legend, "", *found]))
