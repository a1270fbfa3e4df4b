"""The report of an audit: one self-contained page that answers first, and the same as JSON."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qmis_stats.audit.answer import MARGIN, answer, chosen_names, table_lines
from qmis_stats.audit.attack_view import attack_view
from qmis_stats.audit.group_lines import GroupLine, group_lines, shown_releases, who_leaks_most
from qmis_stats.audit.leak_lines import LeakLine
from qmis_stats.audit.quantizers import release_name
from qmis_stats.audit.record_view import record_view
from qmis_stats.audit.tradeoff_plot import score_limits
from qmis_stats.audit.wording import interval, metric_name, number, percent
from qmis_stats.json_values import json_text
from qmis_stats.reporting.figures import STYLE, inline_svg
from qmis_stats.reporting.pages import render_page, write_files

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
    result = result.with_attacks(attacks)
    lines = table_lines(result, level)
    rows = [
        {
            "line": line,
            "name": release_name(line.name),
            "rank": str(line.rank or ("" if line.reference else "?")),
            "set": "" if line.rank_set is None else _range(line.rank_set),
            "indicator": "" if line.indicator is None else f"{line.indicator:.3g}",
            "interval": "" if line.interval is None else f"[{line.interval[0]:.3g}, {line.interval[1]:.3g}]",
            "leak": None if line.leak is None else _leak_cells(line.leak),
            "score": number(line.score),
            "score_interval": interval(line.score_interval),
            "price": "" if line.reference else number(line.price),
            "price_interval": "" if line.reference else interval(line.price_interval),
        }
        for line in lines
    ]
    found = answer(result, level, margin, attacks)
    return render_page(
        "qmis_stats.audit",
        "report.html.j2",
        dataset=result.dataset,
        answer=found,
        percent=f"{100.0 * level:g} %",
        metric=metric_name(result.metric),
        rows=rows,
        by_leak=result.leak is not None,
        measured=result.leak is not None and result.leak.measured,
        outside=any(line.leak is not None and not line.leak.in_domain for line in lines),
        tradeoff=_tradeoff(result, level),
        below=any(line.score < score_limits(lines)[0] for line in lines),
        unknown=any(line.rank is None and not line.reference for line in lines),
        groups=_groups(result, shown_releases(found), level),
        records=record_view(result, shown_releases(found)),
        ranks=_ranks(result, level),
        details=list(_details(result, level)),
        runs=_runs(result, level),
        attacks=None if attacks is None else attack_view(attacks, chosen_names(result, found)),
        further=[metric_name(name) for name in result.scores.metrics[1:]],
        points=None if result.ranking is None else result.ranking.points,
        notes=result.notes,
        warnings=[] if result.ranking is None else result.ranking.warnings(),
        settings=list(_settings(result, level, margin)),
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
    result = result.with_attacks(attacks)
    data = report_data(result, level, margin=margin, command=command, attacks=attacks)
    return write_files(
        directory,
        {
            "report.json": json_text(data),
            "report.html": report_html(result, level, margin=margin, command=command, attacks=attacks),
        },
    )


def _leak_cells(leak: LeakLine) -> dict[str, str]:
    less, ends = leak.reduction, leak.reduction_interval
    return {
        "delta": number(leak.delta) + ("" if leak.in_domain else " *"),
        "interval": interval(leak.interval),
        "auc": number(leak.auc),
        "tpr": number(leak.tpr),
        "less": "" if less is None else f"{percent(less)} %",
        "less_interval": "" if ends is None else f"[{', '.join(map(_share, ends))}]",
    }


def _share(end: float) -> str:
    return percent(end) if math.isfinite(end) else "−∞"


def _range(ends: tuple[int, int]) -> str:
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


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
    """Return who leaks most, a table for each release."""
    if not result.groups:
        return None
    lines = group_lines(result, releases, level)
    tables = [
        {"name": release_name(release), "rows": [_group_cells(line) for line in lines if line.release == release]}
        for release in releases
    ]
    return {"said": who_leaks_most(result, lines), "tables": tables, "metric": metric_name(result.groups[0].metric)}


def _group_cells(line: GroupLine) -> dict[str, str]:
    cells = {"name": line.name, "records": str(line.records)}
    for key, value, ends in (
        ("delta", line.delta, line.interval),
        ("more", line.difference, line.difference_interval),
        ("score", line.score, line.score_interval),
    ):
        cells[key] = "-" if value is None else number(value)
        cells[f"{key}_interval"] = "" if ends is None else interval(ends)
    return cells


def _ranks(result: AuditResult, level: float) -> dict[str, Any] | None:
    """Return the plot of the ranks with its table."""
    if result.ranking is None:
        return None
    import matplotlib as mpl
    from matplotlib.figure import Figure

    ranking = result.ranking
    alone = ranking.rank_sets(level, kind="marginal")
    together = ranking.rank_sets(level)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 1.4 + 0.3 * len(ranking.names)), layout="constrained")
        ranking.plot(figure.add_subplot(), level)
        alt = (
            f"Rank of each quantizer with its confidence sets. {ranking.names[ranking.order()[0]]} is estimated first."
        )
        svg = inline_svg(figure, "ranks", alt)
    rows = [
        {
            "name": ranking.names[q],
            "rank": int(ranking.ranks[q]),
            "together": _range((int(together[q, 0]), int(together[q, 1]))),
            "alone": _range((int(alone[q, 0]), int(alone[q, 1]))),
        }
        for q in ranking.order()
    ]
    return {"svg": svg, "rows": rows}


def _details(result: AuditResult, level: float) -> Iterator[dict[str, Any]]:
    scores = result.scores.to_frame(level).to_dict("index")
    entries = {} if result.ranking is None else {entry.name: entry for entry in result.ranking.indicators}
    for line in table_lines(result, level):
        entry = result.reference if line.reference else entries.get(line.name)
        row = {str(key): float(value) for key, value in scores[line.name].items()}
        found: dict[str, Any] = {
            "name": release_name(line.name),
            "reference": line.reference,
            "bits": f"{line.bits:.3g}",
            "seen": result.visited[line.name].seen.size,
            "distinct": "1" if entry is None else str(entry.distinct),
            "near_ties": "" if entry is None else str(len(entry.near_ties)),
            "few": "" if entry is None else str(len(entry.hardly_different)),
            "chernoff": "",
            "in_domain": "",
            "further": [
                f"{number(row[name])} {interval((row[f'{name}_low'], row[f'{name}_high']))}"
                for name in result.scores.metrics[1:]
            ],
        }
        if entry is not None:
            low, high = entry.chernoff.interval(level)
            found["chernoff"] = f"{entry.chernoff.exponent:.3g} [{low:.3g}, {high:.3g}]"
            found["in_domain"] = "yes" if entry.chernoff.in_domain else "no"
        yield found


def _runs(result: AuditResult, level: float) -> dict[str, Any] | None:
    """Return the indicators of single runs with the spread between runs."""
    found = result.over_runs
    if found is None:
        return None
    rows = [
        {
            "name": name,
            "rank": int(row["rank"]),
            "set": _range((int(row["rank_low"]), int(row["rank_high"]))),
            "indicator": f"{row['indicator']:.3g} [{row['low']:.3g}, {row['high']:.3g}]",
            "gap": f"{row['gap']:.3g}",
            "sd": f"{row['gap_sd']:.3g}",
        }
        for name, row in found.to_frame(level).iterrows()
    ]
    return {"count": found.means.runs, "rows": rows, "left_out": found.left_out}


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
