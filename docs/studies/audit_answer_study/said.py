"""What an audit said, as one row of text, and what is read from such rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from qmis_stats.audit import AuditResult
from qmis_stats.audit.answer import answer
from qmis_stats.audit.attacks import AttackAudit

ANY_PRICE = 1e9
APART = " | "


def said(result: AuditResult, names: Sequence[str], attacks: AttackAudit | None = None) -> dict[str, str]:
    """Return the orders of all pairs, who is shown to protect, and the named sets of an audit.

    ``orders`` has a sign for each pair in the order of ``combinations``: "<" where the first is shown to leak less,
    ">" where it is shown to leak more, "." where neither is.
    """
    result = result.with_attacks(attacks)
    ranking = result.privacy_ranking
    assert ranking is not None
    below = ranking.significantly_below()  # a row leaks more than the column
    place = {name: q for q, name in enumerate(ranking.names)}
    signs = [
        "<>."[0 if below[place[b], place[a]] else 1 if below[place[a], place[b]] else 2]
        for a, b in combinations(names, 2)
    ]
    found, anyway = (answer(result, attacks=attacks, **more) for more in ({}, {"margin": ANY_PRICE}))
    lines = [line for line in result.table_lines() if line.leak is not None and line.leak.protects]
    agree = [] if attacks is None else [one.agree for one in attacks.compared(0.95)]
    return {
        "orders": "".join(signs),
        "protect": APART.join(line.name for line in lines),
        "affordable": APART.join(found.affordable),
        "named": APART.join(found.candidates),
        "named_at_any_price": APART.join(anyway.candidates),
        "agree": f"{sum(agree)}/{len(agree)}" if agree else "",
    }


def listed(text: str) -> list[str]:
    """Return the names in an entry."""
    return text.split(APART) if text else []


def shown(orders: str, names: Sequence[str]) -> np.ndarray:
    """Return which row is shown to leak less than which column, (Q, Q)."""
    found = np.zeros((len(names), len(names)), dtype=bool)
    for sign, (a, b) in zip(orders, combinations(range(len(names)), 2), strict=True):
        found[a, b], found[b, a] = sign == "<", sign == ">"
    return found


def reductions_missed(result: AuditResult, delta: Mapping[str, float]) -> int:
    """Return how many simultaneous intervals of "how much less leaks" do not hold 1 − Δ/Δ₀ of known leaks."""
    assert result.leak is not None
    frame = result.leak.reductions()
    truth = np.array([1.0 - delta[name] / delta["identity"] for name in frame.index])
    return int(np.sum((truth < frame["low"].to_numpy()) | (truth > frame["high"].to_numpy())))
