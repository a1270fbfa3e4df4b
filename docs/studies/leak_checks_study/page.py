"""The page of the study, from its table; nothing is simulated here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from leak_checks_study import attacks, order, records
from leak_checks_study.rows import Row, load
from study_page import minus, render

from qmis_stats.inference.holm import adjusted

TAU, PAIRS, SPEARMAN, DECILE = 0.9, 0.99, 0.9, 0.03
"""Targets."""

KINDS = ("one fit", "several runs", "law known")
"""Predictions of exposures."""

Z = 1.959963984540054
CLAIMS = {
    "most private": "1.58 bits with 90 % zeros is the most private.",
    "sign leaks more": "The sign is less private than 1.58 bits with 33 % zeros.",
    "sparsity first": "Sparsity matters more than bits.",
}
COMMAND = "python docs/studies/leak_checks.py"


class Table:
    """The rows of one part."""

    def __init__(self, rows: list[Row], part: str) -> None:
        self.part = part
        self.found = {row[1:4]: row[4:] for row in rows if row.part == part}
        self.sets = list(dict.fromkeys(row.set for row in rows if row.part == part))

    def value(self, name: str, figure: str, quantizer: str = "") -> float:
        return self.found[name, quantizer, figure][0]

    def error(self, name: str, figure: str, quantizer: str = "") -> float:
        return self.found[name, quantizer, figure][1]

    def measured(self, name: str, figure: str, quantizer: str = "", form: str = ".3f") -> str:
        """Return a number and its standard error."""
        value, error = self.found[name, quantizer, figure]
        return minus(f"{value:{form}} ({error:{form.lstrip('+')}})")

    def each(self, figure: str) -> np.ndarray:
        """Return a figure of all settings that have it."""
        return np.array([self.found[name, "", figure][0] for name in self.sets if (name, "", figure) in self.found])

    def command(self) -> str:
        """Return how the part was run."""
        seeds = sorted({int(value) for value in self.each("seed")})
        scales = sorted({key[2][7:] for key in self.found if key[2].startswith("scale: ")})
        data = "" if self.part == "order" else " --data FOLDER"
        return f"`{COMMAND} --parts {self.part}{data} --scale {'/'.join(scales)} --seed {'/'.join(map(str, seeds))}`"

    def scale(self, figure: str) -> str:
        """Return how much was run, as a number or a range."""
        low, high = int(self.each(figure).min()), int(self.each(figure).max())
        return str(low) if low == high else f"{low} to {high}"


def order_data(table: Table) -> dict[str, Any]:
    """Return what is said of the order of quantizers."""
    rows = []
    for name in table.sets:
        pairs, right = table.value(name, "pairs apart"), table.value(name, "pairs right")
        indicator, _ = table.found.get((name, "", "tau of indicator"), (None, None))
        rows.append({"name": name, "indicator": indicator, "pairs": pairs, "right": right / max(pairs, 1)})
    return {
        "table": table,
        "rows": rows,
        "shown": order.SHOWN,
        "apart": order.APART,
        "tau": TAU,
        "pairs": PAIRS,
        "reached": np.sum(table.each("tau") >= TAU),
        "share": table.each("pairs right").sum() / table.each("pairs apart").sum(),
        "indicators": table.each("tau of indicator"),
        "claims": [claim_data(table, key, text) for key, text in CLAIMS.items()],
    }


def claim_data(table: Table, key: str, text: str) -> dict[str, Any]:
    """Return in how many settings a claim of the paper holds, by the optimal attack and by one fit."""
    z = table.each(key) / np.array([table.error(name, key) for name in table.sets])
    return {
        "key": key,
        "text": text,
        "estimates": np.sum(z > 0),
        "confident": np.sum(z > Z),
        "opposite": np.sum(z < -Z),
        "fits": table.each(f"{key}, one fit").mean(),
    }


def record_data(table: Table) -> dict[str, Any]:
    """Return what is said of the exposure of records."""
    rows = [record_row(table, name, q) for name in table.sets for q in records.NAMES]
    corrected = np.array([[corrected for _, corrected in row["correlations"]] for row in rows])
    first = [key[2] for key in table.found if key[0] == table.sets[0]]
    return {
        "table": table,
        "rows": rows,
        "target": SPEARMAN,
        "decile": DECILE,
        "reached": np.sum(corrected >= SPEARMAN, axis=0),
        "within": np.sum(np.abs([row["worst"] for row in rows]) <= DECILE, axis=0),
        "bias": [(figure[5:], table.each(figure).mean()) for figure in first if figure.startswith("bias at ")],
    }


def record_row(table: Table, name: str, quantizer: str) -> dict[str, Any]:
    """Return what is said of one set and quantizer."""
    root = np.sqrt(table.value(name, "reliability", quantizer))
    found = [table.value(name, kind, quantizer) for kind in KINDS]
    gaps = {kind: decile_gaps(table, name, quantizer, kind) for kind in KINDS}
    return {
        "name": name,
        "quantizer": quantizer,
        "correlations": [(value, value / root) for value in found],
        "ceiling": table.value(name, "ceiling", quantizer),
        "gaps": gaps,
        "worst": [gap[np.argmax(np.abs(gap))] for gap in gaps.values()],
    }


def decile_gaps(table: Table, name: str, quantizer: str, kind: str) -> np.ndarray:
    """Return predicted less measured mean exposures by deciles of the prediction."""
    return np.array(
        [
            table.value(name, f"decile {k} predicted of {kind}", quantizer)
            - table.value(name, f"decile {k} measured of {kind}", quantizer)
            for k in range(1, records.DECILES + 1)
        ]
    )


def attack_data(table: Table) -> dict[str, Any]:
    """Return what is said of the attacks of the package."""
    others = [attack.name for attack in attacks.OTHERS]
    tests = [(name, q, other) for name in table.sets for q in attacks.NAMES for other in others]
    differences = [table.found[name, q, f"read-out less {other}"] for name, q, other in tests]
    p_values = [
        attacks.two_sided(*difference, table.value(test[0], "trainings"))
        for test, difference in zip(tests, differences, strict=True)
    ]
    corrected = dict(zip(tests, adjusted(np.array(p_values)), strict=True))
    sure = [(*test, gap) for test, (gap, _) in zip(tests, differences, strict=True) if corrected[test] < 0.05]
    rows = []
    for name in table.sets:
        for q in attacks.NAMES:
            best = max(others, key=lambda other: table.value(name, other, q))
            said, in_domain = table.value(name, "leakage", q), table.value(name, "in domain", q)
            row = {"best": best, "p": corrected[name, q, best], "said": said, "in_domain": in_domain}
            rows.append({"name": name, "quantizer": q, "area": table.value(name, "read-out", q), **row})
    return {
        "table": table,
        "others": others,
        "rows": rows,
        "most": attacks.MOST,
        "members": attacks.MEMBERS,
        "comparisons": len(tests),
        "ahead": sum(gap > 0.0 for *_, gap in sure),
        "behind": [{"name": n, "quantizer": q, "other": o, "gap": -gap} for n, q, o, gap in sure if gap < 0.0],
        "gaps": [abs(row["said"] - row["area"]) for row in rows],
    }


def page(folder: Path) -> str:
    """Return the page of the CSV file in a folder; parts that were not run are left out."""
    rows = load(folder / "leak_checks.csv")
    tables = {part: (Table(rows, part), data) for part, data in PARTS.items()}
    text = render(
        "leak_checks", **{part: data(table) if table.sets else None for part, (table, data) in tables.items()}
    )
    return text.rstrip() + "\n"


PARTS = {"order": order_data, "records": record_data, "attacks": attack_data}


def write(path: Path) -> None:
    """Write the page beside the CSV file."""
    path.with_suffix(".md").write_text(page(path.parent), encoding="utf-8")
