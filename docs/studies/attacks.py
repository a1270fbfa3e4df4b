"""The numbers of docs/attacks.md: attacks beside the optimum on solvable problems. About three minutes on one core."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr
from scipy.stats import f

from qmis_stats import FiniteLaw, GaussianMean, LossTable, Problem, Sign, ThresholdPTQ, Uniform, mis
from qmis_stats.audit.attacks import (
    AttackReport,
    BayesOptimal,
    Discriminator,
    LiRA,
    LossThreshold,
    play,
    run_attacks,
    solvable,
)

SEED = 1


def table(title: str, report: AttackReport) -> None:
    """Print a report as a Markdown table."""
    print(f"\n{title}\n\n| Attack | Accuracy, 95 % | AUC, 95 % | In the control |\n|---|---|---|---|")
    for result, control in zip(report.results, report.controls, strict=True):
        low, high = result.accuracy_interval()
        auc_low, auc_high = result.auc_interval()
        print(
            f"| {result.name} | {result.accuracy:.4f} [{low:.4f}, {high:.4f}] "
            f"| {result.auc:.4f} [{auc_low:.4f}, {auc_high:.4f}] | {control.accuracy:.4f} |"
        )
    print("\n" + "\n".join(report.verdicts()))


def attacked(problem: Problem, n: int, trainings: int, online: bool, delta: float | None = None) -> AttackReport:
    """Return the report of all attacks on one problem."""
    case = solvable(problem, n)
    game = play(case.sampler, case.model, case.quantizer, n, trainings=trainings, seed=SEED)
    attacks = [
        BayesOptimal(case.log_ratio),
        LossThreshold(),
        LiRA("offline"),
        Discriminator(),
        Discriminator("boosting"),
    ]
    if online:
        attacks.insert(2, LiRA("online"))
    return run_attacks(game, attacks, delta=case.delta if delta is None else delta)


def main() -> None:
    """Print all tables."""
    line = Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(Sign()))
    table("One bit of a Gaussian mean, n = 5", attacked(line, 5, 4000, online=True))
    atoms = Problem(FiniteLaw(["1/2", "1/3", "1/6"]), LossTable([[0, 1, 2], [1, 0, 1], [2, 1, 0]]))
    table("Three atoms, three codewords, n = 4", attacked(atoms, 4, 4000, online=False))
    d, n = 32, 16
    space = Problem(GaussianMean(np.zeros(d), np.eye(d)), ThresholdPTQ(Uniform(4, scale=0.25)))
    optimum = mis(space, n, "likelihood_ratio", replicates=100_000, seed=SEED)
    print(f"\noptimal accuracy {optimum.accuracy:.4f}, AUC {optimum.roc.auc:.4f}")
    print(f"AUC of the loss {f.cdf((n + 1) / (n - 1), d, d):.4f}, of LiRA {ndtr(math.sqrt(0.5 * d / n)):.4f}")
    table("32 coordinates of four bits, n = 16", attacked(space, n, 4000, online=False, delta=optimum.delta))


if __name__ == "__main__":
    main()
