"""Is the answer of an audit honest? False orders where the leaks are known, and the answer over 20 seeds.

    python docs/studies/audit_answer.py [--parts orders seeds] [--laws 4] [--data-sets 25] [--runs 1200] [--seed 1]

writes ``docs/studies/audit_answer.csv``, a row for each audit, ``docs/studies/audit_answer_laws.csv``, what is known of
each law and release, and ``docs/studies/audit_answer.md``. Settings that are run replace their rows; ``--page-only``
writes the page from the files.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from audit_answer_study import laws, page, seeds
from audit_answer_study.said import reductions_missed, said
from study_rows import read_rows, write_rows

FOLDER = Path(__file__).parent
PARTS = ("orders", "seeds")
FIELDS = (
    "part", "setting", "law", "number", "orders", "protect", "affordable", "named", "named_at_any_price", "agree",
    "missed",
)  # fmt: skip
LAW_FIELDS = ("setting", "law", "release", "batch", *laws.FIGURES)

Row = dict[str, str]


def orders(name: str, law: int, data_sets: int, runs: int, seed: int) -> tuple[list[Row], list[Row]]:
    """Return what audits of data sets of one law say, a row each, and what is known of the law."""
    setting = laws.SETTINGS[name]
    known = laws.known(setting, law, runs, seed)
    rows = []
    for number in range(data_sets):
        result = laws.audited(setting, law, number, seed)
        missed = reductions_missed(result, {release: figures["delta"].mean() for release, figures in known.items()})
        rows.append({"law": str(law), "number": str(number), **said(result, laws.NAMES), "missed": str(missed)})
    of_law = [
        {"law": str(law), "release": release, "batch": str(b)} | {k: f"{v[b]:.6g}" for k, v in figures.items()}
        for release, figures in known.items()
        for b in range(laws.BATCHES)
    ]
    return rows, of_law


def ran(given: argparse.Namespace) -> Iterator[tuple[str, str, list[Row], list[Row]]]:
    """Yield part, setting, rows and what is known of laws, setting by setting."""
    if "orders" in given.parts:
        for name in laws.SETTINGS:
            found = [orders(name, law, given.data_sets, given.runs, given.seed) for law in range(given.laws)]
            yield "orders", name, *([row for one in found for row in one[k]] for k in (0, 1))
    if "seeds" in given.parts:
        for name in seeds.AUDITED:
            numbers = range(given.seed, given.seed + given.seeds)
            yield "seeds", name, [{"number": str(seed), **seeds.answered(name, seed)} for seed in numbers], []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--laws", type=int, default=4)
    parser.add_argument("--data-sets", type=int, default=25, help="of each law")
    parser.add_argument("--runs", type=int, default=1200, help="training runs from which a law's leaks are known")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--page-only", action="store_true")
    given = parser.parse_args()
    for part, setting, *new in () if given.page_only else ran(given):
        for stem, fields, more in zip(("", "_laws"), (FIELDS, LAW_FIELDS), new, strict=True):
            path, named = given.out / f"audit_answer{stem}.csv", {"part": part, "setting": setting}
            kept = read_rows(path) if path.exists() else []
            kept = [row for row in kept if (row.get("part", "orders"), row["setting"]) != (part, setting)]
            write_rows(path, fields, kept + [{k: v for k, v in (named | row).items() if k in fields} for row in more])
        print(f"{part}, {setting}: done", file=sys.stderr, flush=True)
    (given.out / "audit_answer.md").write_text(page.page(given.out, given.runs, given.seed), encoding="utf-8")


if __name__ == "__main__":
    main()
