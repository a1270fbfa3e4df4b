"""The report of an audit: one self-contained page that answers first, and the same as JSON."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qmis_stats.audit.answer import MARGIN, Answer, answer, checked_result, chosen_names
from qmis_stats.audit.attacks.attack_report import attack_table
from qmis_stats.audit.attacks.side_by_side import in_order
from qmis_stats.audit.first_table import legend, whole_table
from qmis_stats.audit.group_lines import group_legend, group_lines, group_table, shown_releases, who_leaks_most
from qmis_stats.audit.lines import Line
from qmis_stats.audit.quantizers import release_name
from qmis_stats.audit.record_view import record_view
from qmis_stats.audit.tradeoff_plot import score_limits
from qmis_stats.audit.wording import metric_name
from qmis_stats.json_values import json_text
from qmis_stats.reporting.figures import STYLE, inline_svg
from qmis_stats.reporting.pages import render_page, write_files
from qmis_stats.reporting.tables import Table, estimates, shown, texts, with_ends

if TYPE_CHECKING:
    from markupsafe import Markup

    from qmis_stats.audit.attacks.side_by_side import AttackAudit
    from qmis_stats.audit.audit_result import AuditResult

__all__ = ["report_data", "report_html", "write_report"]

_DIGEST = 12
_SETTINGS = (
    ("dataset", "data set"),
    ("data", "digest of the data"),
    ("model", "model"),
    ("runs", "runs"),
    ("subsets", "training subsets"),
    ("n", "points in each"),
    ("evaluation", "digest of the evaluation points"),
    ("candidates", "most codewords kept a quantizer"),
    ("identify", "codewords told apart by"),
    ("calibration", "calibration of quantizers that see data"),
    ("draws", "bootstrap draws"),
    ("seed", "seed"),
)


def report_data(
    result: AuditResult,
    level: float = 0.95,
    *,
    margin: float = MARGIN,
    command: str | None = None,
    attacks: AttackAudit | None = None,
) -> dict[str, Any]:
    """Return the report as JSON-ready data: the answer, what ``result.to_dict`` gives, and the attacks.

    Parameters
    ----------
    result : AuditResult
        From :func:`~qmis_stats.audit.algorithm.audit`.
    level : float
        Confidence level.
    margin : float
        Performance that may be given up.
    command : str, optional
        Command line that gives the same numbers.
    attacks : AttackAudit, optional
        From :func:`~qmis_stats.audit.attacks.audited.audit_attacks`.
    """
    checked_result(result)
    result = result.with_attacks(attacks)
    found = {"answer": {**answer(result, level, margin, attacks).to_dict(), "margin": margin}, "command": command}
    return {**found, **result.to_dict(level), "attacks": None if attacks is None else attacks.to_dict()}


def report_html(
    result: AuditResult,
    level: float = 0.95,
    *,
    margin: float = MARGIN,
    command: str | None = None,
    attacks: AttackAudit | None = None,
) -> str:
    """Return the page; it needs no network and no script. Parameters as for :func:`report_data`."""
    checked_result(result)
    result = result.with_attacks(attacks)
    lines = result.table_lines(level)
    found = answer(result, level, margin, attacks)
    return render_page(
        "qmis_stats.audit",
        "report.html.j2",
        dataset=result.dataset,
        answer=found,
        percent=f"{100.0 * level:g} %",
        first=whole_table(lines, result.dataset, result.metric, level),
        classes=[_classes(line, found) for line in lines],
        legend=legend(result.leak),
        by_leak=result.leak is not None,
        measured=result.leak is not None and result.leak.measured,
        tradeoff=_tradeoff(result, level),
        below=any(line.score < score_limits(lines)[0] for line in lines),
        unknown=any(line.rank is None and not line.reference for line in lines),
        groups=_groups(result, shown_releases(found), level),
        records=record_view(result, shown_releases(found)),
        ranks=_ranks(result, level),
        details=_details(result, lines, level),
        runs=result.over_runs,
        agreement=[] if result.over_runs is None else result.over_runs.tables(level),
        attacks=None if attacks is None else _attacks(attacks, chosen_names(result, found)),
        points=None if result.ranking is None else result.ranking.points,
        notes=result.notes,
        warnings=[] if result.ranking is None else result.ranking.warnings(),
        settings=Table("Settings", ("setting", "value"), list(_settings(result, level, margin)), frozenset({0, 1})),
        command=command,
    )


def write_report(
    result: AuditResult,
    directory: str | os.PathLike[str],
    level: float = 0.95,
    *,
    margin: float = MARGIN,
    command: str | None = None,
    attacks: AttackAudit | None = None,
) -> list[Path]:
    """Write ``report.html`` and ``report.json`` into a folder; each appears whole or not at all.

    Parameters
    ----------
    result : AuditResult
        From :func:`~qmis_stats.audit.algorithm.audit`.
    directory : path
        Made when it does not exist.
    level : float
        Confidence level.
    margin : float
        Performance that may be given up.
    command : str, optional
        Command line that gives the same numbers.
    attacks : AttackAudit, optional
        From :func:`~qmis_stats.audit.attacks.audited.audit_attacks`.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    given: dict[str, Any] = {"margin": margin, "command": command, "attacks": attacks}
    data, page = report_data(result, level, **given), report_html(result, level, **given)
    return write_files(directory, {"report.json": json_text(data), "report.html": page})


def _classes(line: Line, found: Answer) -> str:
    told = (("reference", line.reference), ("pareto", line.pareto), ("choice", line.name in found.candidates))
    return " ".join(name for name, holds in told if holds)


def _tradeoff(result: AuditResult, level: float) -> Markup:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.0, 4.7), layout="constrained")
        result.plot(figure.add_subplot(), level)
        privacy = "Indicator, on a logarithmic axis," if result.leak is None else "Leak Δ"
        alt = (
            f"{privacy} and {metric_name(result.metric)} of each quantizer, with intervals. "
            f"Pareto set: {', '.join(result.pareto())}. The table beside has all numbers."
        )
        return inline_svg(figure, "tradeoff", alt)


def _groups(result: AuditResult, releases: Sequence[str], level: float) -> dict[str, Any] | None:
    """Return who leaks most, in words and as a table."""
    if not result.groups:
        return None
    said = who_leaks_most(result, group_lines(result, releases, level))
    return {"said": said, "table": group_table(result, releases, level), "legend": group_legend(result)}


def _ranks(result: AuditResult, level: float) -> dict[str, Any] | None:
    """Return the plot of the ranks with its table."""
    if result.ranking is None:
        return None
    import matplotlib as mpl
    from matplotlib.figure import Figure

    ranking = result.ranking
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 1.4 + 0.3 * len(ranking.names)), layout="constrained")
        ranking.plot(figure.add_subplot(), level)
        alt = (
            f"Rank of each quantizer with its confidence sets. {ranking.names[ranking.order()[0]]} is estimated first."
        )
        svg = inline_svg(figure, "ranks", alt)
    return {"svg": svg, "tables": ranking.tables(level)}


def _details(result: AuditResult, lines: Sequence[Line], level: float) -> Table:
    """Return what the indicator of each release rests on, its Chernoff exponent, and further scores."""
    frame = result.scores.to_frame(level).loc[[line.name for line in lines]]
    entries = {} if result.ranking is None else {entry.name: entry for entry in result.ranking.indicators}
    told = [result.reference if line.reference else entries.get(line.name) for line in lines]
    columns = {
        "quantizer": [release_name(line.name) for line in lines],
        "codewords": texts(result.visited[line.name].seen.size for line in lines),
        "compared": ["1" if one is None else str(one.distinct) for one in told],
        "near ties": ["" if one is None else str(len(one.near_ties)) for one in told],
        "hardly different": ["" if one is None else str(len(one.hardly_different)) for one in told],
        "Chernoff exponent": [
            "" if one is None else with_ends(one.chernoff.exponent, *one.chernoff.interval(level), ".3g")
            for one in told
        ],
        "in its domain": ["" if one is None else shown(one.chernoff.in_domain) for one in told],
    }
    columns |= {metric_name(name): estimates(frame, ".3f", name) for name in result.scores.metrics[1:]}
    return Table.of("Codewords, exponents and further scores", columns)


def _attacks(attacks: AttackAudit, first: Sequence[str]) -> dict[str, Any]:
    """Return the verdicts, and a table of the releases of first interest and one of the others."""
    remarks, parts = attacks.remarks(), [attacks.parts(names) for names in in_order(attacks.reports, first)]
    parts[0] += attacks.last()
    titles = attacks.title(), attacks.title("the other quantizers")
    chosen, others = (attack_table(t, of, wide=True) if of else None for t, of in zip(titles, parts, strict=True))
    return {"legend": remarks[0], "verdicts": remarks[1:], "first": chosen, "others": others, "count": len(parts[1])}


def _settings(result: AuditResult, level: float, margin: float) -> Iterator[tuple[str, str]]:
    for key, title in _SETTINGS:
        if result.specification.get(key) is not None:
            value = result.specification[key]
            if isinstance(value, dict):
                value = ", ".join(f"{k} {v}" for k, v in value.items())
            yield title, str(value)[:_DIGEST] if "digest" in title else str(value)
    yield "quantizers", ", ".join(name for name in result.visited)
    yield "confidence level", f"{level:g}"
    yield "performance that may be given up", f"{margin:g}"
