"""Coverage of intervals and rank sets, measured by simulation: every setting on its own fixed seed.

Usage: python docs/studies/run_coverage.py [--quick] [--part NAME] [--processes 2] [--out docs/studies/coverage.csv]

Rows of the output file are kept, and their settings are not run again, unless ``--fresh`` is given.
"""

import argparse
import csv
import os
import time
import zlib
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from coverage_study import comparison, one_rival, rank_sets, smallest_gap
from coverage_study.tally import COLUMNS, Setting
from study_rows import read_rows

PARTS = {"one rival": one_rival, "minimum": smallest_gap, "ranks": rank_sets, "comparison": comparison}
SEED = 20_261
QUICK = 0.05


def prepare() -> None:
    """Compile."""
    for module in (smallest_gap, rank_sets):
        module.measure(replace(module.settings(QUICK)[0], replicates=1), np.random.default_rng(0))


def measured(setting: Setting, seed: int) -> tuple[Setting, list[dict], float]:
    start = time.process_time()
    rng = np.random.default_rng([seed, zlib.crc32(setting.name.encode())])
    rows = PARTS[setting.part].measure(setting, rng)
    return setting, rows, time.process_time() - start


def kept_rows(path: Path, wanted: list[Setting]) -> dict[str, list[dict]]:
    """Return the rows of an earlier run that belong to settings of this one."""
    found: dict[str, list[dict]] = {}
    names = {setting.name: setting for setting in wanted}
    for row in read_rows(path) if path.exists() else []:
        name = "|".join(row[key] for key in ("part", "law", "configuration", "N", "K", "Q"))
        if name in names:
            row["regular"] = "yes" if names[name].regular else "no"
            found.setdefault(name, []).append(row)
    return found


def write(path: Path, wanted: list[Setting], rows: dict[str, list[dict]]) -> None:
    temporary = path.with_suffix(".part")
    with temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for setting in wanted:
            writer.writerows(rows.get(setting.name, []))
    temporary.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a twentieth of the replicates")
    parser.add_argument("--part", choices=PARTS, action="append", help="run this part only; may be repeated")
    parser.add_argument("--fresh", action="store_true", help="run settings again that are in the output file")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path, default=Path("docs/studies/coverage.csv"))
    options = parser.parse_args()
    scale = QUICK if options.quick else 1.0
    everything = [setting for module in PARTS.values() for setting in module.settings(scale)]
    assert len({setting.name for setting in everything}) == len(everything)
    rows = kept_rows(options.out, everything)
    chosen = [s for s in everything if s.part in (options.part or PARTS) and (options.fresh or s.name not in rows)]
    start, spent = time.time(), 0.0
    with ProcessPoolExecutor(options.processes, initializer=prepare) as pool:
        running = [pool.submit(measured, setting, options.seed) for setting in chosen]
        for done, future in enumerate(as_completed(running), 1):
            setting, found, seconds = future.result()
            rows[setting.name], spent = found, spent + seconds
            write(options.out, everything, rows)
            print(f"{done}/{len(chosen)} {seconds:6.1f} s  {setting.name}", flush=True)
    print(f"{(time.time() - start) / 60.0:.1f} minutes, {spent / 60.0:.1f} of processor time", flush=True)


if __name__ == "__main__":
    main()
