"""S2: faces and increments; post-training quantization on a line is empirical risk minimisation."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from qmis_stats.laws import FiniteLaw, GaussianMean, LinearRegression
from qmis_stats.problem import Problem
from qmis_stats.procedures import CodebookERM, LossTable, ThresholdPTQ
from qmis_stats.quantizers import FixedThresholds
from qmis_stats.results import MISResult
from qmis_stats.verify.claims.problems import gaussian_thresholds, regression_threshold
from qmis_stats.verify.decisions import Control, Exact, Numeric
from qmis_stats.verify.evidence import Claim, Context, Evidence, Row, method_row

_ROUNDING = 1e-9
"""Two routes to one number: rounding of two quadratures, far below any difference of substance."""


def _argmin_equals_cell(score_step: np.ndarray, estimate: np.ndarray, thresholds: np.ndarray) -> int:
    """Return how many samples give the same cell by pseudo-losses and by the estimate.

    ``score_step[r, j]`` is the sum over sample r of the pseudo-loss step across threshold j.
    """
    totals = np.concatenate((np.zeros((len(estimate), 1)), np.cumsum(score_step, axis=1)), axis=1)
    cells = np.searchsorted(thresholds, estimate, side="left")
    return int(np.sum(np.argmin(totals, axis=1) == cells))


def _pseudo_losses(context: Context) -> Evidence:
    rng = context.rng("faces.pseudo")
    samples, n = context.choose(2000, 20000), 9
    t = np.array([-0.7, -0.1, 0.2, 0.9])
    rows = []
    z = rng.normal(0.1, 1.3, (samples, n))
    agree = _argmin_equals_cell(n * t - z.sum(axis=1)[:, None], z.mean(axis=1), t)
    rows.append(Row(f"Gaussian mean, {samples} samples", Exact(agree == samples, f"{agree} of {samples} equal"), n))
    x, noise = rng.normal(size=(samples, n)), rng.normal(size=(samples, n))
    y = 0.3 * x + noise
    xx, xy = (x * x).sum(axis=1), (x * y).sum(axis=1)
    agree = _argmin_equals_cell(np.outer(xx, t) - xy[:, None], xy / xx, t)
    rows.append(Row(f"linear regression, {samples} samples", Exact(agree == samples, f"{agree} of {samples} equal"), n))
    wrong = _argmin_equals_cell(np.outer(np.full(samples, float(n)), t) - xy[:, None], xy / xx, t)
    control = Exact(wrong == samples, f"{wrong} of {samples} equal")
    rows.append(Row("linear regression with a linearised pseudo-loss", Control(control), n))
    for size in (5, 50, 500):
        law = GaussianMean([0.1], [[1.69]])
        ptq = Problem(law, ThresholdPTQ(FixedThresholds((-0.45, 0.125, 0.875))))
        erm = Problem(law, CodebookERM([[-0.8], [-0.1], [0.35], [1.4]]))
        a, b = context.evaluate(ptq, size, "exact"), context.evaluate(erm, size, "exact")
        rows.append(method_row("Gaussian mean: thresholds against codebook, oracle", a, b, _ROUNDING))
    for size in (5, 50, 500):
        line = Problem(LinearRegression([0.0], [[1.0]], 1.0), CodebookERM([[-0.3], [0.8]]))
        a = context.evaluate(regression_threshold(0.25), size, "exact")
        b = context.evaluate(line, size, "exact")
        rows.append(method_row("linear regression: threshold against two codewords, oracle", a, b, _ROUNDING))
    return Evidence(rows)


def _kinds(problem: Problem) -> list[str]:
    return [f.kind for f in problem.faces]


def _same_row(setting: str, found: MISResult, other: MISResult) -> Row:
    """Return a row for two evaluations of one formula, which agree inside and outside its domain."""
    decision = Numeric(found.log_delta - other.log_delta, _ROUNDING)
    return Row(setting, decision, found.n, found.log_delta, other.log_delta)


def _degenerate(context: Context) -> Evidence:
    rows = []
    law = GaussianMean([0.0], [[1.0]])
    plain = Problem(law, CodebookERM([[0.0], [1.0], [-1.5]]))
    doubled = Problem(law, CodebookERM([[0.0], [1.0], [0.0], [1.0], [-1.5], [1.0]]))
    found = _kinds(doubled)
    expected = ["regular", "duplicate", "regular", "regular", "regular"]
    rows.append(Row("duplicates: kinds of faces", Exact(found == expected, ", ".join(found))))
    for n in (10, 200):
        a, b = context.evaluate(doubled, n, "exact"), context.evaluate(plain, n, "exact")
        rows.append(method_row("duplicates change nothing, oracle", a, b, _ROUNDING))
        s, u = context.evaluate(doubled, n, "sharp"), context.evaluate(plain, n, "sharp")
        rows.append(_same_row("duplicates change nothing, sharp form", s, u))
    tie = Problem(law, CodebookERM([[-1.0], [1.0]]))
    rows.append(Row("tie for the best: kind of face", Exact(_kinds(tie) == ["tie"], str(_kinds(tie)))))
    rows.append(Row("tie for the best: exponent", Numeric(tie.exponent, 0.0)))
    a, b = context.evaluate(tie, 100, "exact"), context.evaluate(gaussian_thresholds(0.0), 100, "exact")
    rows.append(method_row("tie for the best is the sign of the mean, oracle", a, b, _ROUNDING))
    return Evidence([*rows, *_degenerate_finite(context)])


def _degenerate_finite(context: Context) -> list[Row]:
    law = FiniteLaw(["1/2", "3/10", "1/5"])
    base = [[0, 2, 1], [1, 0, 1]]
    two = Problem(law, LossTable(base))
    dominated = Problem(law, LossTable([*base, [2, 3, 4]]))
    # Rival 2 has twice rival 1's increment: both are crossed together, and then rival 2 wins.
    steeper = [Fraction(2 * b - a) for a, b in zip(base[0], base[1], strict=True)]
    coincide = Problem(law, LossTable([*base, steeper]))
    only_steeper = Problem(law, LossTable([base[0], steeper]))
    rows = []
    kinds = _kinds(dominated)
    rows.append(Row("dominated codeword: kinds of faces", Exact("unreachable" in kinds, ", ".join(kinds))))
    for n in (5, 12):
        a, b = context.evaluate(dominated, n, "exact"), context.evaluate(two, n, "exact")
        rows.append(Row("dominated codeword: Δ", Exact(a.fraction == b.fraction, f"{a.fraction} = {b.fraction}"), n))
        a, b = context.evaluate(coincide, n, "exact"), context.evaluate(only_steeper, n, "exact")
        same = Exact(a.fraction == b.fraction, f"{a.fraction} = {b.fraction}")
        rows.append(Row("coinciding faces: the steeper rival wins", same, n))
        s, u = (context.evaluate(p, max(n, 10), "sharp") for p in (coincide, only_steeper))
        rows.append(_same_row("coinciding faces: sharp form counts one", s, u))
    # Here the tie of one face goes to another cell than its crossing: at even n it carries most of Δ.
    coin, split = FiniteLaw(["9/11", "2/11"]), LossTable([[0, 0], [-2, 2], [2, -2]])
    for n in (20, 21):
        found, truth = (context.evaluate(Problem(coin, split), n, m) for m in ("sharp", "exact"))
        off = found.log_delta - truth.log_delta
        honest = Exact(not found.in_domain or abs(off) <= 1.0 / n, f"{off:+.2g}, in domain: {found.in_domain}")
        name = "coinciding faces, ties to a third cell: sharp form right or out of domain"
        rows.append(Row(name, honest, n, found.log_delta, truth.log_delta))
    never = Problem(law, LossTable([[0, 0, 0], [1, 2, 3]]))
    value = context.evaluate(never, 6, "exact").fraction
    unreachable = Exact(value == 0 and never.exponent == np.inf, f"Δ = {value}, I = {never.exponent}")
    rows.append(Row("only an unreachable rival: nothing leaks", unreachable, 6))
    return rows


CLAIMS = (
    Claim(
        "faces.pseudo_losses",
        "S2",
        "On a line, quantizing is minimising pseudo-losses",
        "With a convex loss in dimension one, the quantized estimate is the minimiser of cumulated derivatives at the "
        "thresholds: no linearisation.",
        "Q(argmin Σⱼ ℓ(θ, Zⱼ)) = argminₖ Σⱼ Σ_{i≤k} ∂ℓ(tᵢ, Zⱼ)",
        "Gaussian mean, four thresholds; linear regression through the origin",
        "Exact on every simulated sample; numeric (rounding, 1e-9) between two oracles of the package.",
        _pseudo_losses,
    ),
    Claim(
        "faces.degenerate",
        "S2",
        "Duplicates, ties, coinciding and unreachable faces",
        "A duplicate codeword is never returned, a tie for the best has exponent zero, two faces crossed together "
        "count once, and a rival that no sample prefers leaks nothing.",
        "X = 0: duplicate;  δ = 0: tie, I = 0;  X ≥ 0: I = ∞",
        "Gaussian mean; finite law (1/2, 3/10, 1/5)",
        "Exact for finite laws (equality of fractions), numeric (rounding, 1e-9) otherwise.",
        _degenerate,
    ),
)
