"""S1: the definition of Δ_n, its three faces on finite laws, in rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import prod

import numpy as np

from qmis_stats.exact import finite
from qmis_stats.laws import FiniteLaw
from qmis_stats.problem import Problem
from qmis_stats.procedures import LossTable
from qmis_stats.verify.claims.problems import random_finite
from qmis_stats.verify.decisions import Control, Exact
from qmis_stats.verify.evidence import Claim, Context, Evidence, Row

Table = dict[tuple[int, int], Fraction]


def _joint_by_samples(law: FiniteLaw, losses: tuple[tuple[Fraction, ...], ...], n: int) -> Table:
    """Return P(T = k, Z_1 = z) by going through every one of the m^n samples."""
    joint: Table = {(k, z): Fraction(0) for k in range(len(losses)) for z in range(law.atoms)}
    for sample in product(range(law.atoms), repeat=n):
        totals = [sum((row[z] for z in sample), Fraction(0)) for row in losses]
        joint[totals.index(min(totals)), sample[0]] += prod((law.probabilities[z] for z in sample), start=Fraction(1))
    return joint


def _parts(problem: Problem) -> tuple[FiniteLaw, tuple[tuple[Fraction, ...], ...]]:
    assert isinstance(problem.law, FiniteLaw)
    assert isinstance(problem.procedure, LossTable)
    return problem.law, problem.procedure.losses


def _independent(joint: Table, law: FiniteLaw) -> Table:
    """Return the product of the marginals, P(T = k) p_z."""
    cells = {k for k, _ in joint}
    marginal = {k: sum((v for (j, _), v in joint.items() if j == k), Fraction(0)) for k in cells}
    return {(k, z): marginal[k] * law.probabilities[z] for k, z in joint}


def _three_faces(context: Context) -> Evidence:
    rng = context.rng("definition")
    count = context.choose(40, 200)
    tally = dict.fromkeys(("expectation", "sum", "roc", "accuracy", "uninformed"), 0)
    for _ in range(count):
        problem, n = random_finite(rng, (2, 3), (2, 4)), int(rng.integers(2, 6))
        law, losses = _parts(problem)
        joint = _joint_by_samples(law, losses, n)
        apart = _independent(joint, law)
        oracle = finite.delta(law.probabilities, losses, n)
        # E_prod (1 − Λ)_+ with Λ = joint / product
        expectation = sum((q * max(Fraction(0), 1 - joint[c] / q) for c, q in apart.items() if q > 0), Fraction(0))
        absolute = sum((abs(joint[c] - q) for c, q in apart.items()), Fraction(0)) / 2
        fpr, tpr = finite.roc(law.probabilities, losses, n)
        gap = max(t - f for f, t in zip(fpr, tpr, strict=True))
        accuracy = sum((max(joint[c], q) for c, q in apart.items()), Fraction(0)) / 2
        tally["expectation"] += expectation == oracle
        tally["sum"] += absolute == oracle
        tally["roc"] += gap == oracle
        tally["accuracy"] += accuracy == (1 + oracle) / 2
        # An attack that says "member" for the commonest atom whatever is released has no advantage.
        tally["uninformed"] += (oracle == 0) == (gap == 0) and all(t >= f for f, t in zip(fpr, tpr, strict=True))
    names = {
        "expectation": "E_prod(1 − Λ)₊ over all samples = Δ",
        "sum": "½ Σ|joint − product| over all samples = Δ",
        "roc": "max (TPR − FPR) on the Neyman–Pearson curve = Δ",
        "accuracy": "accuracy of the best attack = (1 + Δ)/2",
        "uninformed": "the curve is never below the diagonal",
    }
    rows = [
        Row(f"{name}, {count} random problems", Exact(tally[key] == count, f"{tally[key]} of {count} identical"))
        for key, name in names.items()
    ]
    return Evidence([*rows, *_worked_example()])


def _worked_example() -> list[Row]:
    law, losses = FiniteLaw(["1/2", "1/2"]), tuple(tuple(map(Fraction, row)) for row in ((0, 1), (1, 0)))
    value = finite.delta(law.probabilities, losses, 3)
    joint = _joint_by_samples(law, losses, 3)
    wrong = sum((abs(joint[c] - q) for c, q in _independent(joint, law).items()), Fraction(0))
    setting = "majority of three fair coins"
    return [
        Row(f"{setting}: Δ = 1/4", Exact(value == Fraction(1, 4), f"Δ = {value}"), 3, 0.25, float(value)),
        Row(f"{setting}: total variation without its ½", Control(Exact(wrong == value, f"{wrong} against {value}")), 3),
    ]


def _bound(context: Context) -> Evidence:
    rng = context.rng("definition.bound")
    count = context.choose(40, 200)
    inside = sum(
        0 <= finite.delta(law.probabilities, losses, n) <= 1 - Fraction(1, len(losses))
        for law, losses, n in (
            (*_parts(random_finite(rng)), int(n)) for n in np.asarray(rng.integers(2, 15, size=count))
        )
    )
    return Evidence([Row(f"{count} random problems", Exact(inside == count, f"{inside} of {count} inside"))])


CLAIMS = (
    Claim(
        "definition.three_faces",
        "S1",
        "One number, three faces: distance, expectation, attack",
        "Δ is the total variation between what is released with its training point and with a fresh one; it equals "
        "the mean shortfall of the likelihood ratio, and the largest advantage of any membership attack.",
        "Δₙ = ½ Σₖ E|P(T=k | Z₁) − P(T=k)| = E_prod(1 − Λ)₊ = max (TPR − FPR),  accuracy = (1 + Δₙ)/2",
        "finite laws, 2 to 3 atoms, 2 to 4 codewords, n from 2 to 5, integer losses with ties",
        "Exact: equality of fractions. The left side goes through all mⁿ samples and shares no code with the oracle.",
        _three_faces,
        scale="plain",
    ),
    Claim(
        "definition.range",
        "S1",
        "Δ lies between 0 and 1 − 1/K",
        "A released codeword out of K can say at most so much about one training point.",
        "0 ≤ Δₙ ≤ 1 − Σₖ P(T=k)² ≤ 1 − 1/K",
        "finite laws, 2 to 4 atoms, 2 to 6 codewords, n from 2 to 14",
        "Exact: inequality of fractions.",
        _bound,
        scale="plain",
    ),
)
