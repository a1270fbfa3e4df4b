"""Six molecular sets, two heads, fifteen quantizers: which quantizer is the most private, at what cost, how sure?

Usage: python docs/studies/molecules.py --data FOLDER [--out docs/studies] [--store FOLDER] [--jobs 2] [--page-only]

FOLDER holds the ADMET sets of the Therapeutics Data Commons as ``<name>.tab``. Each set is audited with a linear head
and a perceptron. Every finished run is kept in the store: an interrupted study goes on where it was. molecules.csv has
one row per quantizer, molecules_runs.csv the standardised gaps of each run; write_molecules.py makes the page and the
figures from these two. All seeds are fixed.
"""

import argparse
import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from write_molecules import write

from qmis_stats.audit import AuditResult, Dataset, audit, head_for, load_table
from qmis_stats.audit.over_runs import over_runs
from qmis_stats.quantizers import DEFAULT_QUANTIZERS, quantizer

HERE = Path(__file__).resolve().parent
SEED, RUNS = 1, 16
SCHEDULES = {"linear": (4, 20), "mlp": (4,)}
"""Checkpoints of each head: few that differ, and for the cheap head also the audit's default."""


@dataclass(frozen=True)
class MolecularSet:
    """A file, its column of SMILES, and whether the logarithm of its target is learnt."""

    name: str
    smiles: str = "Drug"
    logarithm: bool = False

    def load(self, folder: Path) -> Dataset:
        """Return the data set, split by scaffolds."""
        data = load_table(folder / f"{self.name}.tab", "Y", smiles=self.smiles, groups="scaffold")
        return replace(data, y=np.log10(data.y)) if self.logarithm else data


SETS = (
    MolecularSet("bbb_martins"),
    MolecularSet("caco2_wang"),
    MolecularSet("cyp3a4_substrate_carbonmangels"),
    MolecularSet("lipophilicity_astrazeneca"),
    MolecularSet("pgp_broccatelli"),
    MolecularSet("vdss_lombardo", smiles="X", logarithm=True),
)


def audited(data: Dataset, head: str, checkpoints: int, store: Path, jobs: int) -> AuditResult:
    """Return an audit; runs that the store has are not repeated."""
    return audit(
        data,
        replace(head_for(data, head), checkpoints=checkpoints),
        [quantizer(name) for name in DEFAULT_QUANTIZERS],
        runs=RUNS,
        seed=SEED,
        jobs=jobs,
        store=store / f"{data.name}-{head}-{checkpoints}",
    )


def gaps(result: AuditResult) -> dict[str, np.ndarray]:
    """Return the smallest standardised gap √(2r̂) of each run, by quantizer."""
    table = result.run_indicators()
    return {str(name): np.sqrt(2.0 * table[name].to_numpy()) for name in table}


def rows(result: AuditResult, data: Dataset, head: str, checkpoints: int, jobs: int) -> Iterator[dict[str, object]]:
    """Yield one row per quantizer, the reference last."""
    found = over_runs(result.run_indicators(), seed=SEED)
    sets = dict(zip(found.means.names, found.rank_sets().tolist(), strict=True))
    gap = found.means.to_frame().set_index("quantizer").assign(rank=found.ranking.ranks)
    front = result.pareto()
    metric = result.metric
    for name, row in result.to_frame().astype(object).iterrows():
        run = gap.loc[name]
        yield {
            "set": data.name,
            "task": data.task,
            "points": data.rows,
            "evaluation": result.runs[0].visited[name].losses.shape[1],
            "head": head,
            "checkpoints": checkpoints,
            "runs": len(result.runs),
            "quantizer": name,
            "bits": round(row["bits"], 4),
            "indicator": row["estimate"],
            "indicator_low": row["low"],
            "indicator_high": row["high"],
            "rank": row["rank"] if name in result.ranking.names else "",
            "rank_low": row["rank_low"] if name in result.ranking.names else "",
            "rank_high": row["rank_high"] if name in result.ranking.names else "",
            "pareto": int(name in front),
            "gap": run["mean"],
            "gap_low": max(0.0, run["low"]),
            "gap_high": run["high"],
            "gap_rank": int(run["rank"]),
            "gap_rank_low": sets[name][0],
            "gap_rank_high": sets[name][1],
            "metric": metric,
            "score": row[metric],
            "score_low": row[f"{metric}_low"],
            "score_high": row[f"{metric}_high"],
            "price": row[f"{metric}_price"],
            "price_low": row[f"{metric}_price_low"],
            "price_high": row[f"{metric}_price_high"],
            "codewords": row["seen"],
            "seconds": round(sum(run.seconds for run in result.runs), 1),
            "jobs": jobs,
            "cores": os.cpu_count(),
            "seed": SEED,
        }


def save(path: Path, table: list[dict[str, object]]) -> None:
    """Write rows with six significant digits."""
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(table[0]), lineterminator="\n")
        writer.writeheader()
        for row in table:
            writer.writerow({key: f"{x:.6g}" if isinstance(x, float) else x for key, x in row.items()})


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the sets")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the results")
    parser.add_argument("--store", type=Path, default=HERE.parent / "_build" / "molecules", help="folder of runs")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--page-only", action="store_true", help="only write the page from the CSV files")
    options = parser.parse_args()
    summary, by_run = options.out / "molecules.csv", options.out / "molecules_runs.csv"
    if not options.page_only:
        if options.data is None:
            parser.error("--data FOLDER is needed: the folder with bbb_martins.tab and the others")
        table: list[dict[str, object]] = []
        run_table: list[dict[str, object]] = []
        for entry in SETS:
            data = entry.load(options.data)
            for head, schedules in SCHEDULES.items():
                for checkpoints in schedules:
                    result = audited(data, head, checkpoints, options.store, options.jobs)
                    table += rows(result, data, head, checkpoints, options.jobs)
                    found = gaps(result)
                    for run in range(len(result.runs)):
                        key = {"set": data.name, "head": head, "checkpoints": checkpoints, "run": run}
                        run_table.append(key | {name: float(values[run]) for name, values in found.items()})
                    print(f"{data.name}, {head}, {checkpoints} checkpoints", flush=True)
        save(summary, table)
        save(by_run, run_table)
    write(options.out)


if __name__ == "__main__":
    main()
