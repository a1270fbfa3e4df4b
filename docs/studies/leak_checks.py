"""Three checks of `leakage`: the order of quantizers, the exposure of records, whether an attack beats the read-out.

Usage: python docs/studies/leak_checks.py [--parts order records attacks] [--data FOLDER] [--scale large] [--seed 1]

FOLDER holds the ADMET sets of the Therapeutics Data Commons as ``<name>.tab``; the order alone does without.
Numbers go to leak_checks.csv, from which leak_checks.md is made. Settings that are run replace their rows in the file,
one by one: an interrupted study keeps what it has, and ``--only`` goes on with the settings that are left.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from leak_checks_study import attacks, order, records
from leak_checks_study.page import write
from leak_checks_study.rows import PARTS, Row, load, save

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Scale:
    """How much is run: training runs that are attacked and fits that predict, of the order and of the records."""

    runs: int = 300
    fits: int = 10
    points: int = 3000
    record_runs: int = 1000
    record_further: int = 16
    record_fits: int = 8
    trainings: int = 48
    shadows: int = 24


SCALES = {"small": Scale(40, 2, 500, 100, 5, 3, 16, 16), "large": Scale()}

Task = tuple[str, str, dict[str, int], Callable[[], Iterator[Row]]]
"""Part, setting, what is run of it, and how."""


def tasks(scale: Scale, data: Path | None, seed: int) -> Iterator[Task]:
    """Yield what there is to run."""
    for name in order.CHECKED:
        size = {"trainings": scale.runs, "fits": scale.fits}
        yield "order", name, size, partial(order.checked, name, scale.runs, scale.fits, scale.points, seed)
    if data is None:
        return
    for name in records.CHOSEN:
        size = {"trainings": scale.record_runs, "further": scale.record_further, "fits": scale.record_fits}
        yield "records", name, size, partial(records.checked, name, data, *size.values(), seed)
    for name in attacks.CHOSEN:
        size = {"trainings": scale.trainings, "shadows": scale.shadows}
        yield "attacks", name, size, partial(attacks.checked, name, data, *size.values(), seed)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--only", nargs="*", help="settings and data sets that are run, by default all")
    parser.add_argument("--data", type=Path, help="folder of the molecular sets")
    parser.add_argument("--scale", choices=list(SCALES), default="large")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the results")
    parser.add_argument("--page-only", action="store_true", help="only write the page from the CSV file")
    given = parser.parse_args()
    path = given.out / "leak_checks.csv"
    rows = load(path)
    if not given.page_only:
        if given.data is None and set(given.parts) != {"order"}:
            parser.error("--data FOLDER is needed: the folder with bbb_martins.tab and the others")
        for part, name, size, run in tasks(SCALES[given.scale], given.data, given.seed):
            if part not in given.parts or (given.only is not None and name not in given.only):
                continue
            begin = time.perf_counter()
            facts = size | {"seed": given.seed, f"scale: {given.scale}": 1}
            new = [Row(part, name, "", key, value) for key, value in facts.items()] + list(run())
            rows = [row for row in rows if (row.part, row.set) != (part, name)] + new
            save(path, rows)
            print(f"{part}, {name}: {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)
    write(path)


if __name__ == "__main__":
    main()
