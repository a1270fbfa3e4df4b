"""Turn the p-values of the batteries into the page that is published with the documentation.

Usage: python docs/studies/write_generator.py  (battery/results.csv becomes generator.md)

Exit status 1 when a stream fails or a control does not.
"""

import sys
from pathlib import Path

from battery.words import ACROSS_THE_CARRY, CONTROLS, EXPERIMENT, HALVES, SEED, STREAM, STREAMS
from scipy.stats import binom
from study_page import render
from study_rows import read_rows

HERE = Path(__file__).resolve().parent
LISTED = 1e-3
FAMILY_WISE_RATE = 1e-6
BATTERIES = {"smallcrush": "SmallCrush", "alphabit": "Alphabit", "rabbit": "Rabbit"}

Rows = list[dict[str, str]]


def tail(row: dict[str, str]) -> float:
    return min(float(row["p"]), 1.0 - float(row["p"]))


def p_value(row: dict[str, str]) -> str:
    p = float(row["p"])
    return f"{p:.3f}" if tail(row) >= LISTED else f"**{p:.1e}**" if p < 0.5 else f"**1 − {1.0 - p:.1e}**"


class Batteries:
    """The p-values, and what they say of the streams and of the controls."""

    def __init__(self, folder: Path) -> None:
        self.runs: dict[tuple[str, str, str], Rows] = {}
        for row in read_rows(folder / "battery" / "results.csv"):
            self.runs.setdefault((row["stream"], row["half"], row["battery"]), []).append(row)
        self.ours = {run: rows for run, rows in self.runs.items() if run[0] in STREAMS}
        self.every = [row for rows in self.ours.values() for row in rows]
        self.limit = 0.5 * FAMILY_WISE_RATE / len(self.every)
        self.failed = [row for row in self.every if tail(row) < self.limit]

    def caught(self) -> list[dict]:
        """Return how many tests each control fails, and which."""
        return [
            {
                "control": CONTROLS[name],
                "half": half,
                "tests": len(rows),
                "failed": [row["test"] for row in rows if tail(row) < self.limit],
            }
            for (name, half, _), rows in self.runs.items()
            if name in CONTROLS
        ]

    def complete(self) -> bool:
        """Whether every stream was tested and passed, and every control was caught."""
        tested = {(name, half, "smallcrush") for name in STREAMS for half in HALVES} <= set(self.ours)
        caught = [control["failed"] for control in self.caught()]
        return tested and not self.failed and bool(caught) and all(caught)


def page(folder: Path) -> str:
    """Return the page of the results in a folder."""
    x = Batteries(folder)
    listed = [row for row in x.every if tail(row) < LISTED]
    count = len(x.every)
    return render(
        "generator",
        p_value=p_value,
        **{"seed": SEED, "experiment": EXPERIMENT, "stream": STREAM, "streams": STREAMS, "across": ACROSS_THE_CARRY},
        **{"every": x.every, "failed": x.failed, "limit": x.limit, "listed": listed, "caught": x.caught()},
        expected=2.0 * LISTED * count,
        chance=binom.sf(len(listed) - 1, count, 2.0 * LISTED),
        worst=min(map(tail, x.every)),
        batteries={title: [x.ours[run] for run in x.ours if run[2] == key] for key, title in BATTERIES.items()},
    )


def main() -> int:
    (HERE / "generator.md").write_text(page(HERE), encoding="utf-8")
    return 0 if Batteries(HERE).complete() else 1


if __name__ == "__main__":
    sys.exit(main())
