"""Six molecular sets, linear heads: what each release leaks by theory, and which pairs of quantizers that tells apart.

Usage: python docs/studies/molecules_leak.py --data FOLDER

FOLDER holds the sets as for molecules.py. One fit on the training half of each set (whole scaffolds are held out, seed
1) gives molecules_leak.csv, a row per set and release, and molecules_leak.md.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from molecules import SEED, SETS, MolecularSet
from study_page import render
from study_rows import grouped, read_rows, write_rows

from qmis_stats.audit import head_for
from qmis_stats.audit.head_leak import head_leak
from qmis_stats.audit.splits import held_out
from qmis_stats.audit.training_run import generator
from qmis_stats.quantizers import DEFAULT_QUANTIZERS, quantizer

HERE = Path(__file__).resolve().parent
SHOWN = ("sign", "sparse-90", "sparse-33", "uniform-3", "nf4", "uniform-8")


def rows(chosen: MolecularSet, folder: Path) -> list[dict[str, object]]:
    """Return a row for each release."""
    data = chosen.load(folder)
    pool, _ = held_out(data, 0.5, generator(SEED, 0))
    begin = time.perf_counter()
    leak, reason = head_leak(data, head_for(data), [quantizer(name) for name in DEFAULT_QUANTIZERS], pool, seed=SEED)
    if leak is None:
        raise SystemExit(f"{chosen.name}: {reason}")
    told, pairs = leak.told_apart()
    frame = leak.to_frame().join(leak.reductions().add_prefix("less_"))
    return [
        {
            "set": chosen.name,
            "points": leak.points,
            "weights": leak.weights,
            "told_apart": told,
            "pairs": pairs,
            "seconds": time.perf_counter() - begin,
            "quantizer": name,
            **{key: float(row[key]) for key in ("delta", "delta_low", "delta_high", "auc", "tpr_0.01")},
            **{key: float(row[key]) for key in ("less_reduction", "less_low", "less_high")},
            "in_domain": bool(row["in_domain"]),
        }
        for name, row in frame.iterrows()
    ]


def page(folder: Path) -> str:
    """Return the page of the CSV file in a folder."""
    found = read_rows(folder / "molecules_leak.csv")
    sets = {name: {row["quantizer"]: row for row in rows} for name, rows in grouped(found, "set").items()}
    told, pairs = (sum(int(by["identity"][key]) for by in sets.values()) for key in ("told_apart", "pairs"))
    return render("molecules_leak", sets=sets, shown=SHOWN, told=told, pairs=pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    given = parser.parse_args()
    found = [row for chosen in SETS for row in rows(chosen, given.data)]
    kept = [{k: f"{v:.6g}" if isinstance(v, float) and np.isfinite(v) else str(v) for k, v in r.items()} for r in found]
    write_rows(HERE / "molecules_leak.csv", list(kept[0]), kept)
    (HERE / "molecules_leak.md").write_text(page(HERE))


if __name__ == "__main__":
    main()
