"""Leak of 15 quantizers from one fit against the cheapest present alternative: 128 training runs and offline LiRA.

    NUMBA_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/leakage.py [--rounds 3] [--large]

prints one line per data set: own time, the rival's time, and their ratio, paired in each round. ``--large`` adds own
times for 100 000 x 200 and 2000 x 4096 with their memory. Times are those of the processor, which other work on the
machine changes little.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time

import numpy as np
from sklearn.linear_model import Ridge

from qmis_stats import leakage
from qmis_stats.audit import Dataset, bundled, head_for
from qmis_stats.audit.attacks import LiRA, audit_attacks
from qmis_stats.quantizers import DEFAULT_QUANTIZERS, quantizer


def own(data: Dataset) -> float:
    begin = time.process_time()
    leakage(head_for(data), X=data.X, y=data.y)
    return time.process_time() - begin


def rival(data: Dataset) -> float:
    chosen = [quantizer(name) for name in DEFAULT_QUANTIZERS if name != "identity"]
    begin = time.process_time()
    audit_attacks(data, head_for(data), chosen, trainings=128, attacks=[LiRA("offline")], seed=1)
    return time.process_time() - begin


def large(n: int, d: int) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    y = X @ rng.normal(size=d) / np.sqrt(d) + rng.normal(size=n)
    model = Ridge(alpha=d / 10.0).fit(X, y)
    begin = time.process_time()
    leakage(model, X=X, y=y)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{n} x {d}: {time.process_time() - begin:.1f} s, {memory:.2f} GiB at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", action="store_true")
    given = parser.parse_args()
    for name in ("breast_cancer", "diabetes"):
        data = bundled(name)
        own(data)  # compiles
        pairs = [(own(data), rival(data)) for _ in range(given.rounds)]
        ratios = sorted(theirs / mine for mine, theirs in pairs)
        mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(
            f"{name} ({data.rows} x {data.X.shape[1]}): own {mine:.2f} s, rival {theirs:.1f} s, "
            f"ratio {statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})"
        )
    if given.large:
        large(100_000, 200)
        large(2000, 4096)


if __name__ == "__main__":
    main()
