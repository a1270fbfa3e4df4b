"""The page of the study, from its two tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from audit_answer_study.laws import BATCHES, COPIES, FIGURES, HELD_OUT, NAMES, SETTINGS, TWINS
from audit_answer_study.said import listed, shown
from audit_answer_study.seeds import AUDITED
from audit_answer_study.seeds import NAMES as DEFAULTS
from study_page import render
from study_rows import grouped, read_rows

from qmis_stats.inference.shares import clopper_pearson

SURE = 3.0
"""Standard errors by which known leaks differ where their order is known."""
RELEASES = (*NAMES, "identity")
ALIKE = ((*COPIES.items(),), (TWINS,))


def known_of(rows: list[dict[str, str]]) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """Return the figures of each setting and law, (releases, batches) each."""
    found = {}
    for setting, of_setting in grouped(rows, "setting").items():
        for law, of_law in grouped(of_setting, "law").items():
            by = grouped(of_law, "release")
            found[setting, law] = {k: np.array([[float(r[k]) for r in by[q]] for q in RELEASES]) for k in FIGURES}
    return found


def wrong_orders(figures: np.ndarray) -> tuple[np.ndarray, int]:
    """Return which row must not be said to leak less than which column, (Q, Q), and of how many pairs that is open.

    Releases that leak alike must not be ordered at all; pairs that are alike within the error of what is known may.
    """
    gaps = figures[:-1, None] - figures[None, :-1]  # no quantization is not ranked
    mean, error = gaps.mean(axis=2), gaps.std(axis=2, ddof=1) / np.sqrt(BATCHES)
    alike = (mean == 0.0) & (error == 0.0)
    # The fourth of a few batches can agree by chance: no error is smaller than half of what all pairs have on average.
    error = np.where(alike, 0.0, np.maximum(error, 0.5 * error[~alike].mean()))
    open_ = ~alike & (np.abs(mean) <= SURE * error)
    return alike | (mean > SURE * error), int(np.sum(open_)) // 2


def counted(hits: int, trials: int) -> dict[str, float]:
    """Return a share with its exact interval, in percent."""
    low, high = clopper_pearson(hits, trials) if trials else (0.0, 1.0)
    return {"hits": hits, "trials": trials, "share": 100 * hits / max(trials, 1), "low": 100 * low, "high": 100 * high}


def judged(row: dict[str, str], known: dict[str, np.ndarray]) -> dict[str, bool | float | None]:
    """Return what one audit said rightly and wrongly; ``None`` where it said nothing."""
    orders, place = shown(row["orders"], NAMES), {name: q for q, name in enumerate(NAMES)}
    delta = dict(zip(RELEASES, known["delta"].mean(axis=1), strict=True))
    affordable, named = listed(row["affordable"]), listed(row["named"])
    least = {key: min((delta[name] for name in of), default=0.0) for key, of in (("any", NAMES), ("own", affordable))}
    [copy, _], (twin, other) = COPIES.items(), TWINS
    one, two = place[copy[0]], place[copy[1]]
    return {
        "apart": float(np.sum(orders)) / (len(NAMES) * (len(NAMES) - 1) / 2),
        "wrong": bool(np.any(orders & wrong_orders(known["delta"])[0])),
        "wrong_by_attack": bool(np.any(orders & wrong_orders(known["attack"])[0])),
        "copies": bool(orders[one, two] or orders[two, one]),
        "twins": bool(orders[place[twin], place[other]] or orders[place[other], place[twin]]),
        "protects": COPIES["identity"] in listed(row["protect"]),
        "holds_any": any(delta[name] == least["any"] for name in listed(row["named_at_any_price"])),
        "holds": any(delta[name] == least["own"] for name in named) if named else None,
        "reductions": int(row["missed"]) == 0,
    }


def summed(found: Sequence[dict[str, bool | float | None]]) -> dict[str, object]:
    """Return counts with their intervals, and the mean share of pairs told apart, of several audits."""
    keys = [key for key in found[0] if key != "apart"]
    said = {key: [bool(one[key]) for one in found if one[key] is not None] for key in keys}
    apart = 100 * np.mean([one["apart"] for one in found])
    return {"data_sets": len(found), "apart": apart} | {k: counted(sum(of), len(of)) for k, of in said.items()}


def of_seeds(rows: list[dict[str, str]]) -> dict[str, object]:
    """Return how the answers of one audit with several seeds differ."""
    orders = [shown(row["orders"], DEFAULTS) for row in rows]
    pairs = len(DEFAULTS) * (len(DEFAULTS) - 1) // 2
    apart = [int(np.sum(one)) for one in orders]
    why: Counter[str] = Counter()
    for one, other in ((a, b) for a in rows for b in rows if a is not b):
        for name in set(listed(one["named"])) - set(listed(other["named"])):
            if name not in listed(other["affordable"]):
                why["price"] += 1
            else:
                why["protection" if name not in listed(other["protect"]) else "leak"] += 1
    sets = Counter(tuple(sorted(listed(row["named"]))) for row in rows)
    agree = [row["agree"].split("/") for row in rows if row["agree"]]
    return {
        "seeds": len(rows),
        "pairs": pairs,
        "apart": {"least": min(apart), "mean": float(np.mean(apart)), "most": max(apart)},
        "both": sum(int(np.sum(a & b)) for a, b in combinations(orders, 2)),
        "against": sum(int(np.sum(a & b.T)) for a, b in combinations(orders, 2)),
        "sets": sets.most_common(),
        "each": Counter(name for row in rows for name in listed(row["named"])).most_common(),
        "why": why,
        "agree": sum(a == b for a, b in agree) if agree else None,
    }


def page(folder: Path, runs: int = 1200, seed: int = 1) -> str:
    """Return the page of the CSV files in a folder."""
    rows = grouped(read_rows(folder / "audit_answer.csv"), "part")
    known = known_of(read_rows(folder / "audit_answer_laws.csv"))
    by_setting = grouped(rows["orders"], "setting")
    judgements = {
        setting: [judged(row, known[setting, row["law"]]) for row in of] for setting, of in by_setting.items()
    }
    laws = {setting: [figures for (of, _), figures in known.items() if of == setting] for setting in SETTINGS}
    deltas = {
        setting: dict(zip(RELEASES, np.mean([one["delta"].mean(axis=1) for one in of], axis=0), strict=True))
        for setting, of in laws.items()
    }
    errors = {
        key: max(float((one[key].std(axis=1, ddof=1) / np.sqrt(BATCHES)).max()) for of in laws.values() for one in of)
        for key in FIGURES
    }
    return render(
        "audit_answer",
        settings={name: summed(of) for name, of in judgements.items()},
        whole=summed([one for of in judgements.values() for one in of]),
        deltas=deltas,
        errors=errors,
        open={key: sum(wrong_orders(one[key])[1] for of in laws.values() for one in of) for key in FIGURES},
        alike=ALIKE,
        releases=RELEASES,
        seeds={name: of_seeds(of) for name, of in grouped(rows["seeds"], "setting").items()},
        audited=AUDITED,
        **{"laws": len(known) // len(SETTINGS), "runs": runs, "seed": seed, "held_out": HELD_OUT, "batches": BATCHES},
    )
