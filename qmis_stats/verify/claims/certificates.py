"""S5: bounds on Δ_n that hold at every n."""

from __future__ import annotations

import math

from qmis_stats.exact import finite
from qmis_stats.laws import FiniteLaw, GaussianMean
from qmis_stats.problem import Problem
from qmis_stats.procedures import CodebookERM, LossTable
from qmis_stats.theory import collision_bound
from qmis_stats.verify.claims.problems import gaussian_thresholds, random_finite, regression_pair
from qmis_stats.verify.decisions import Control, Exact
from qmis_stats.verify.evidence import Claim, Context, Evidence, Plot, Row, Series

_ROUNDING = 1e-12


def _finite_laws(context: Context) -> Evidence:
    rng = context.rng("certificates.finite")
    count = context.choose(100, 1000)
    first = second = package = wrong = 0
    for _ in range(count):
        problem, n = random_finite(rng), int(rng.integers(2, 13))
        assert isinstance(problem.law, FiniteLaw)
        assert isinstance(problem.procedure, LossTable)
        value = context.evaluate(problem, n, "exact").fraction
        assert value is not None
        cells = finite.cell_probabilities(problem.law.probabilities, problem.procedure.losses, n)
        collision = 1 - sum(p * p for p in cells)
        bound = context.evaluate(problem, n, "certificate").log_delta
        first += value <= collision
        second += float(collision) <= math.exp(bound) * (1 + _ROUNDING) or bound == 0.0
        package += math.isclose(collision_bound(cells), float(collision), rel_tol=_ROUNDING)
        # Half the bound of one face is no certificate: somewhere it must be violated.
        wrong += float(collision) <= 0.25 * math.exp(bound)
    return Evidence(
        [
            Row(f"Δ ≤ 1 − ΣP(T=k)², {count} random problems", Exact(first == count, f"{first} of {count} hold")),
            Row("1 − ΣP(T=k)² ≤ min(1, 2Σ e^{−nI})", Exact(second == count, f"{second} of {count} hold")),
            Row("collision_bound computes 1 − ΣP²", Exact(package == count, f"{package} of {count} equal")),
            Row("a bound four times smaller", Control(Exact(wrong == count, f"{wrong} of {count} hold"))),
        ]
    )


def _lines(context: Context) -> Evidence:
    rows = []
    rng = context.rng("certificates.lines")
    count = context.choose(50, 400)
    held = 0
    for _ in range(count):
        book = rng.normal(0.0, 1.0, (int(rng.integers(2, 7)), 1))
        problem, n = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM(book)), int(rng.integers(2, 2000))
        bound, truth = (context.evaluate(problem, n, m).log_delta for m in ("certificate", "exact"))
        held += truth <= bound
    rows.append(Row(f"Gaussian mean, {count} random codebooks", Exact(held == count, f"{held} of {count} hold")))
    sizes = (2, 5, 10, 30, 100, 300, 1000)
    curves = []
    for name, problem in (
        ("Gaussian mean, threshold 0.3", gaussian_thresholds(0.3)),
        ("linear regression, rival at 1", regression_pair(1.0)),
    ):
        bounds, truths = [], []
        for n in sizes:
            bound, truth = (context.evaluate(problem, n, m).log_delta for m in ("certificate", "exact"))
            rows.append(Row(name, Exact(truth <= bound, f"Δ/bound = {math.exp(truth - bound):.2g}"), n, bound, truth))
            bounds.append(bound / math.log(10))
            truths.append(truth / math.log(10))
        x = [float(n) for n in sizes]
        curves += [Series(f"{name}: bound", x, bounds), Series(f"{name}: exact", x, truths, "points")]
    plot = Plot(
        "The certificate is above Δ at every n",
        "n",
        "log₁₀",
        "For two problems the exact values lie below the certificate's curve, and run parallel to it.",
        tuple(curves),
        x_log=True,
    )
    return Evidence(rows, [plot])


CLAIMS = (
    Claim(
        "certificates.finite",
        "S5",
        "Certificates hold on random finite problems",
        "A lower bound on MIS that needs no asymptotics.",
        "Δₙ ≤ 1 − Σₖ P(T=k)² ≤ 2 Σ_f e^{−n I_f}",
        "finite laws, 2 to 4 atoms, 2 to 6 codewords, n from 2 to 12, ties included",
        "Exact: inequalities of fractions (the second in floating point, rounding 1e-12).",
        _finite_laws,
    ),
    Claim(
        "certificates.lines",
        "S5",
        "Certificates hold on lines and for regression",
        "The bound has the right exponent, and misses the prefactor that the sharp form gives.",
        "Δₙ ≤ 2 Σ_f e^{−n I_f}",
        "Gaussian mean with random codebooks; linear regression with two codewords",
        "Exact: inequality, at every n.",
        _lines,
    ),
)
