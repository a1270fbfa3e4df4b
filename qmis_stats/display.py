"""Tables for a terminal, readable at 80 columns and through a pipe."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.markup import escape as rich_escape
from rich.table import Table
from rich.text import Text, TextType

from qmis_stats.reporting.terminal import Fitted

if TYPE_CHECKING:
    from qmis_stats.audit.attacks.attack_result import AttackResult
    from qmis_stats.audit.attacks.side_by_side import AttackAudit
    from qmis_stats.audit.audit_result import AuditResult
    from qmis_stats.audit.lines import Line
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
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def _table(title: TextType, *columns: str, left: int = 1, **layout: Any) -> Table:
    """Return an empty table; the first ``left`` columns hold words, the others numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False, **layout)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i < left else "right", no_wrap=True)
    return table


def printed(tables: Sequence[Rows], remarks: Sequence[str] = (), names: int = 1) -> RenderableType:
    """Return tables, each with a blank line under it, and remarks; the first ``names`` columns name a row.

    A last column of words is wrapped where it does not fit; other words and numbers are never broken.
    """
    parts: list[RenderableType] = []
    for rows in tables:
        table = _table(Text(rows.caption), *rows.columns, left=len(rows.words), padding=(0, 1, 0, 0), pad_edge=False)
        table.columns[-1].no_wrap = len(rows.words) < len(rows.columns)
        for row in rows.rows:
            table.add_row(*(Text(cell, _STYLES.get(cell, "")) for cell in row))
        parts += [Fitted(table, names), Text()]
    return Group(*parts, *map(Text, remarks))


def audit_table(
    result: AuditResult, level: float = 0.95, margin: float = 0.02, attacks: AttackAudit | None = None
) -> RenderableType:
    """Return the quantizers from the most to the least private with their performance, then the answer in words."""
    from qmis_stats.audit.answer import answer, table_lines
    from qmis_stats.audit.quantizers import release_name
    from qmis_stats.audit.wording import metric_name

    result = result.with_attacks(attacks)
    found, lines = answer(result, level, margin, attacks), table_lines(result, level)
    by_leak = result.leak is not None
    metric = metric_name(result.metric)
    shown = ("set", "Δ", "low", "high", "AUC", "TPR", "less") if by_leak else ("set", "r", "low", "high")
    title = f"Audit of {rich_escape(result.dataset)}: {100.0 * level:g} % sets and intervals"
    columns = ("quantizer", *shown, metric, *(() if by_leak else ("low", "high")), "price")
    table = _table(title, *columns, padding=(0, 0, 0, 1), pad_edge=False)
    table.add_column("", no_wrap=True)
    for line in lines:
        table.add_row(
            Text(release_name(line.name)),
            "" if line.rank_set is None else "-".join(map(str, dict.fromkeys(line.rank_set))),
            *_privacy_cells(line),
            *map(_narrow, (line.score,) if by_leak else (line.score, *line.score_interval)),
            "" if line.reference else _narrow(line.price),
            "P" if line.pareto else "",
        )
    words = Table.grid(padding=(0, 2, 0, 0))
    for title, text in (("Which", found.which), ("At what cost", found.cost), ("How sure", found.sure)):
        words.add_row(Text(title, style="bold"), Text(text))
    privacy = (
        "r: indicator"
        if result.leak is None
        else "Δ: advantage of the strongest attack that was run; AUC and TPR (at FPR 1 %): of it; less: how much less "
        "of 2 AUC - 1 than no quantization, in %"
        if result.leak.measured
        else "Δ: advantage of the best attack; AUC and TPR (at FPR 1 %): of it; less: how much less than no "
        "quantization, in %; *: outside of the theory's domain"
    )
    legend = f"set: possible ranks, 1 the most private; {privacy}; price: loss against no quantization; P: Pareto set"
    return Group(Fitted(table), Text("\n" + legend + "\n"), words)


def group_table(result: AuditResult, releases: Sequence[str], level: float = 0.95) -> RenderableType:
    """Return what leaks of each group under some releases and how well it is predicted, then who leaks most."""
    from qmis_stats.audit.group_lines import group_lines, who_leaks_most
    from qmis_stats.audit.quantizers import release_name
    from qmis_stats.audit.wording import metric_name

    lines = group_lines(result, releases, level)
    metric = metric_name(result.groups[0].metric)
    title = f"\nWho leaks most: {100.0 * level:g} % intervals, all groups together"
    table = _table(title, padding=0, pad_edge=False)
    table.add_column("group", overflow="fold", min_width=15)
    leaks = () if result.groups[0].leak is None else ("Δ", "low", "high", "more", "low", "high")
    for column in ("rows", *leaks, "score", "low", "high"):
        table.add_column(column, justify="right", no_wrap=True)
    for release in releases:
        table.add_row(Text(release_name(release), style="italic"))
        for line in lines:
            if line.release == release:
                cells = [
                    cell
                    for value, ends in (
                        *([(line.delta, line.interval), (line.difference, line.difference_interval)] if leaks else []),
                        (line.score, line.score_interval),
                    )
                    for cell in (["-", "", ""] if value is None or ends is None else map(_narrow, (value, *ends)))
                ]
                table.add_row(Text(line.name), str(line.records), *cells)
    more = "more: Δ less that of the rest, by column; " if leaks else ""
    legend = f"rows: training records; {more}score: {metric} of the held out; -: too small a group, or not known"
    return Group(table, Text("\n" + legend + "\n"), Text(who_leaks_most(result, lines)))


def _privacy_cells(line: Line) -> list[str]:
    """Return leak or indicator with its interval, and what else is known of the best attack."""
    from qmis_stats.audit.wording import number, percent

    if line.leak is None:
        ends = ("", "") if line.interval is None else tuple(f"{end:.2g}" for end in line.interval)
        return ["" if line.indicator is None else f"{line.indicator:.2g}", *ends]
    leak = line.leak
    less = "" if leak.reduction is None else percent(leak.reduction)
    mark = "" if leak.in_domain else "*"
    return [number(leak.delta) + mark, *map(number, (*leak.interval, leak.auc, leak.tpr)), less]


def _narrow(value: float) -> str:
    """Return three decimals, or three digits of a large number: a row has to fit into 80 characters.

    Examples
    --------
    >>> _narrow(0.9934), _narrow(-150.558)
    ('0.993', '-151')
    """
    from qmis_stats.audit.wording import number

    return number(value) if not 10.0 <= abs(value) < math.inf else f"{value:.3g}"


def attack_table(attacks: AttackAudit, shown: Sequence[str]) -> RenderableType:
    """Return what attacks achieve against each quantizer, some of them first, and the optimum's; then the verdicts."""
    from qmis_stats.audit.attack_view import in_order
    from qmis_stats.audit.leak_answer import attacks_and_theory
    from qmis_stats.audit.quantizers import release_name

    rates = [f"{rate.nominal:g}" for rate in attacks.check.results[0].rates]
    title = f"Attacks on membership: {100.0 * attacks.level:g} % intervals"
    table = _table(title, "", "acc.", "low", "high", "AUC", "low", "high", *rates, padding=0)
    ordered = in_order(attacks.reports, shown)
    parts = [(name, attacks.reports[name].results) for names in ordered for name in names]
    for name, results in [*parts, ("solvable model", attacks.check.results)]:
        table.add_row(Text(release_name(name), style="bold"))
        for result in results:
            table.add_row(Text("  " + result.name), *_attack_cells(result))
    legend = (
        "acc.: accuracy, AUC: area under the ROC curve; then true positive rates at these false ones"
        "; *: too few non-members to fix the threshold"
    )
    verdicts = "\n".join(f"- {line}" for line in (*attacks.verdicts(), *attacks_and_theory(attacks, attacks.level)))
    return Group(Text(), Fitted(table), Text(f"\n{legend}\n\n{verdicts}"))


def _attack_cells(result: AttackResult) -> list[str]:
    from qmis_stats.audit.wording import number

    numbers = (result.accuracy, *result.accuracy_interval(), result.auc, *result.auc_interval())
    return [*map(number, numbers), *(number(rate.tpr[0]) + ("" if rate.resolved else "*") for rate in result.rates)]
