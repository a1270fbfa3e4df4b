"""Coverage of the 95 % interval after an adaptive stop, against that of as many blocks fixed beforehand.

Usage: python docs/studies/stopping.py [--seeds 2000]

One cell, a coin of 1/3 and two losses at n = 9, whose Δ is known exactly, is swept with many seeds: crude blocks of 500
sums, until the relative standard error is below 0.05 (about eight blocks). The rule looks after 1, 2, 4, ... blocks.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from typing import Any

from qmis_stats.exact import exact
from qmis_stats.sweep import Store, parse_sweep, run_sweep, to_frame

TABLES: dict[str, Any] = {
    "law": {"kind": "finite", "probabilities": ["1/3", "2/3"]},
    "procedure": {"kind": "erm", "losses": [[0, 1], [1, 0]]},
    "run": {"n": 9, "methods": ["crude"], "replicates": 500},
}
RULES = {
    "stopped at 0.05": {"relative_error": 0.05, "replicates": 500 * 64},
    "8 blocks, fixed": {"relative_error": 1e-9, "replicates": 500 * 8},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=2000)
    seeds = list(range(parser.parse_args().seeds))
    for name, rule in RULES.items():
        sweep = parse_sweep({**TABLES, "grid": {"run.seed": seeds}, "adaptive": rule})
        truth = exact(sweep.cells[0].problem, 9).log_delta
        with tempfile.TemporaryDirectory() as folder:
            run_sweep(sweep, f"{folder}/a.sqlite")
            with Store(f"{folder}/a.sqlite", read_only=True) as store:
                frame = to_frame(store)
        covered = ((frame["ci_low"] <= truth) & (truth <= frame["ci_high"])).mean()
        ratio = (frame["log_delta"] - truth).map(math.exp)
        error = math.sqrt(covered * (1 - covered) / len(frame))
        print(
            f"{name}: covered {covered:.3f} ± {error:.3f}; mean of the estimates over the truth {ratio.mean():.4f} "
            f"± {ratio.std() / math.sqrt(len(frame)):.4f}; blocks {frame['blocks'].mean():.1f} on average"
        )


if __name__ == "__main__":
    main()
