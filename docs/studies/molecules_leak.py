"""Six molecular sets, linear heads: what each release leaks by theory, which pairs that tells apart, and attacks.

Usage: python docs/studies/molecules_leak.py --data FOLDER [--jobs 2] [--fresh]

FOLDER holds the sets as for molecules.py. One fit on the training half of each set (whole scaffolds are held out, seed
1) gives the theory. The read-out attack is run on 64 further training runs of random halves, as ``qmis audit`` does,
and compared with the theory for that game. molecules_leak.csv has a row per set and release, and is written after every
set; molecules_leak.md is the page. Sets in the table are not computed again without --fresh.
"""

import os
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from molecules import SEED, MolecularSet
from set_by_set import run
from study_page import render
from study_rows import grouped, read_rows

from qmis_stats.audit import Dataset, head_for
from qmis_stats.audit.attacks import ReadOut, audit_attacks
from qmis_stats.audit.head_leak import head_leak
from qmis_stats.audit.splits import held_out
from qmis_stats.audit.training_run import generator
from qmis_stats.quantizers import DEFAULT_QUANTIZERS, quantizer

CLOSE = 0.01
SHOWN = ("sign", "sparse-90", "sparse-33", "uniform-3", "nf4", "uniform-8")


def rows(chosen: MolecularSet, folder: Path, jobs: int) -> list[dict[str, object]]:
    """Return a row for each release."""
    data = chosen.load(folder)
    pool, _ = held_out(data, 0.5, generator(SEED, 0))
    begin = time.perf_counter()
    leak, reason = head_leak(data, head_for(data), [quantizer(name) for name in DEFAULT_QUANTIZERS], pool, seed=SEED)
    if leak is None:
        raise SystemExit(f"{chosen.name}: {reason}")
    told, pairs = leak.told_apart()
    frame = leak.to_frame().join(leak.reductions().add_prefix("less_"))
    seconds, measured = time.perf_counter() - begin, attacked(data, jobs)
    return [
        {
            "set": chosen.name,
            "points": leak.points,
            "weights": leak.weights,
            "told_apart": told,
            "pairs": pairs,
            "seconds": seconds,
            "quantizer": name,
            **{key: float(row[key]) for key in ("delta", "delta_low", "delta_high", "auc", "tpr_0.01")},
            **{key: float(row[key]) for key in ("less_reduction", "less_low", "less_high")},
            "in_domain": bool(row["in_domain"]),
            **measured[str(name)],
        }
        for name, row in frame.iterrows()
    ]


def attacked(data: Dataset, jobs: int) -> dict[str, dict[str, object]]:
    """Return AUCs of each release in the game of the attacks, by theory and measured, and whether they agree."""
    quantizers = [quantizer(name) for name in DEFAULT_QUANTIZERS]
    found = audit_attacks(data, head_for(data), quantizers, attacks=[ReadOut()], seed=SEED, jobs=jobs)
    assert found.predicted is not None
    theory = found.predicted.to_frame()
    agree = {one.name: one.agree for one in found.compared()}
    results = {name: report.results[0] for name, report in found.reports.items()}
    return {
        name: {
            **{f"pool_{key}": float(theory.loc[name, key]) for key in ("auc", "auc_low", "auc_high")},
            "attack_auc": result.auc,
            **dict(zip(("attack_auc_low", "attack_auc_high"), result.auc_interval(), strict=True)),
            "agree": agree.get(name, ""),
        }
        for name, result in results.items()
    }


def page(folder: Path) -> str:
    """Return the page of the CSV file in a folder."""
    found = read_rows(folder / "molecules_leak.csv")
    sets = {name: {row["quantizer"]: row for row in rows} for name, rows in grouped(found, "set").items()}
    told, pairs = _told(found)
    compared = [row for row in found if row["agree"]]
    apart = [row for row in compared if row["agree"] == "False"]
    above, below = ([row for row in apart if (_gap(row) > 0.0) == wanted] for wanted in (True, False))
    by_set = grouped(apart, "set")
    outside = [row for row in found if not row["agree"]]
    return render(
        "molecules_leak",
        sets=sets,
        shown=SHOWN,
        told=told,
        pairs=pairs,
        attacked=_told(read_rows(folder / "molecules_attacks.csv")),
        inside=len(compared),
        above=above,
        below=below,
        apart=by_set,
        outside=outside,
        close=sum(abs(_gap(row)) <= CLOSE for row in outside),
        close_by=CLOSE,
        furthest=(min(map(_gap, outside), default=0.0), max(map(_gap, outside), default=0.0)),
        gaps={name: max(abs(_gap(row)) for row in rows) for name, rows in by_set.items()},
    )


def _told(rows: list[dict[str, str]]) -> list[int]:
    """Return how many pairs are told apart, and of how many, over all sets."""
    whole = [row for row in rows if row["quantizer"] == "identity"]
    return [sum(int(row[key]) for row in whole) for key in ("told_apart", "pairs")]


def _gap(row: dict[str, str]) -> float:
    return float(row["attack_auc"]) - float(row["pool_auc"])


if __name__ == "__main__":
    run("molecules_leak", __doc__.splitlines()[0], rows, page)
