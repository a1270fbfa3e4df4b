"""The texts of a table of attacks, for pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qmis_stats.audit.attacks.attack_result import AttackResult
from qmis_stats.audit.attacks.side_by_side import AttackAudit, in_order
from qmis_stats.audit.quantizers import release_name
from qmis_stats.audit.wording import interval, number

__all__ = ["attack_view"]


def attack_view(attacks: AttackAudit, first: Sequence[str]) -> dict[str, Any]:
    """Return what a page shows: the quantizers of first interest, the others, the solvable problem, the verdicts.

    Parameters
    ----------
    attacks : AttackAudit
        What was found.
    first : sequence of str
        Quantizers of first interest, in this order, as far as they were attacked.
    """
    chosen, others = in_order(attacks.reports, first)
    check = attacks.check
    assert check.delta is not None
    optimum = 0.5 * (1.0 + check.delta)
    return {
        "first": [_part(name, attacks) for name in chosen],
        "others": [_part(name, attacks) for name in others],
        "check": {"name": f"optimal accuracy {optimum:.4f}", "rows": _rows(check.results, check.controls)},
        "fprs": [f"{rate.nominal:g}" for rate in check.results[0].rates],
        "verdicts": attacks.verdicts(),
    }


def _part(name: str, attacks: AttackAudit) -> dict[str, Any]:
    report = attacks.reports[name]
    return {"name": release_name(name), "rows": _rows(report.results, report.controls)}


def _rows(results: Sequence[AttackResult], controls: Sequence[AttackResult]) -> list[dict[str, Any]]:
    return [
        {
            "attack": result.name,
            "accuracy": f"{number(result.accuracy)} {interval(result.accuracy_interval())}",
            "auc": f"{number(result.auc)} {interval(result.auc_interval())}",
            "rates": [
                f"{number(rate.tpr[0])} {interval(rate.tpr[1:])}{'' if rate.resolved else ' *'}"
                for rate in result.rates
            ],
            "control": f"{number(control.accuracy)} {interval(control.accuracy_interval())}",
        }
        for result, control in zip(results, controls, strict=True)
    ]
