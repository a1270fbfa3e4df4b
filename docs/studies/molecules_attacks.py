"""Molecular sets, perceptrons: what attacks measure of each release, and which pairs of quantizers are told apart.

Usage: python docs/studies/molecules_attacks.py --data FOLDER [--jobs 2] [--fresh]

FOLDER holds the sets as for molecules.py. Each set is attacked as ``qmis audit --model mlp --attacks 40 --n 200`` does,
with the quantizers of ``DEFAULT_QUANTIZERS`` and seed 1: molecules_attacks.csv has a row per set and release, and is
written after every set; molecules_attacks.md is the page. Sets in the table are not attacked again without --fresh.
"""

import os
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from molecules import SEED, SETS, MolecularSet
from set_by_set import run
from study_page import render
from study_rows import grouped, read_rows

from qmis_stats.audit import head_for
from qmis_stats.audit.attacks import audit_attacks
from qmis_stats.quantizers import DEFAULT_QUANTIZERS, quantizer

POINTS, TRAININGS = 200, 40
SHOWN = ("sign", "sparse-90", "sparse-33", "uniform-3", "nf4", "uniform-8")


def rows(chosen: MolecularSet, folder: Path, jobs: int) -> list[dict[str, object]]:
    """Return a row for each release."""
    data, begin = chosen.load(folder), time.perf_counter()
    found = audit_attacks(
        data,
        head_for(data, "mlp"),
        [quantizer(name) for name in DEFAULT_QUANTIZERS],
        n=POINTS,
        trainings=TRAININGS,
        seed=SEED,
        jobs=jobs,
    )
    leak = found.leak()
    told, pairs = leak.told_apart()
    frame = leak.to_frame().join(leak.reductions().add_prefix("less_"))
    seconds = time.perf_counter() - begin
    return [
        {
            "set": chosen.name,
            "rows": data.rows,
            "points": leak.points,
            "attacked": leak.trainings,
            "told_apart": told,
            "pairs": pairs,
            "seconds": seconds,
            "quantizer": name,
            "attack": attack,
            **{key: float(row[key]) for key in ("delta", "delta_low", "delta_high", "auc", "auc_low", "auc_high")},
            **{key: float(row[key]) for key in ("less_reduction", "less_low", "less_high")},
        }
        for (name, row), attack in zip(frame.iterrows(), leak.attacks, strict=True)
    ]


def page(folder: Path) -> str:
    """Return the page of the CSV file in a folder."""
    found = read_rows(folder / "molecules_attacks.csv")
    sets = {name: {row["quantizer"]: row for row in rows} for name, rows in grouped(found, "set").items()}
    told, pairs = (sum(int(by["identity"][key]) for by in sets.values()) for key in ("told_apart", "pairs"))
    attacks = {row["attack"]: sum(one["attack"] == row["attack"] for one in found) for row in found}
    missing = [chosen.name for chosen in SETS if chosen.name not in sets]
    return render("molecules_attacks", sets=sets, missing=missing, shown=SHOWN, told=told, pairs=pairs, attacks=attacks)


if __name__ == "__main__":
    run("molecules_attacks", __doc__.splitlines()[0], rows, page)
