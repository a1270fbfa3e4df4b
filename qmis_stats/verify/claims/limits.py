"""Where the formulas end: used outside their domain they are off, and say so."""

from __future__ import annotations

import math

from qmis_stats.laws import GaussianMean, LinearRegression
from qmis_stats.problem import Problem
from qmis_stats.procedures import CodebookERM
from qmis_stats.verify.claims.problems import (
    gaussian_thresholds,
    product_problem,
    regression_pair,
    regression_threshold,
)
from qmis_stats.verify.decisions import Limit
from qmis_stats.verify.evidence import Claim, Context, Evidence, Plot, Row, Series


def _row(
    context: Context,
    setting: str,
    problem: Problem,
    n: int,
    method: str,
    truth: str,
    least: float,
    replicates: int = 100_000,
) -> Row:
    found = context.evaluate(problem, n, method)
    known = context.evaluate(problem, n, truth, key=f"limits:{setting}", replicates=replicates)
    decision = Limit(found.log_delta - known.log_delta, least, found.in_domain)
    if known.std_error is None:
        return Row(setting, decision, n, found.log_delta, known.log_delta)
    return Row(setting, decision, n, found.log_delta, None, known.log_delta, known.std_error)


def _together(context: Context) -> Evidence:
    # Two rivals in nearly the same direction share one corner: their crossings are one event, not two.
    book = [[0.0, 0.0], [0.5, 0.03], [0.5, -0.03]]
    plane = Problem(GaussianMean([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]), CodebookERM(book))
    regression = Problem(LinearRegression([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]], 1.0), CodebookERM(book))
    replicates = 50_000  # errors below 0.5 %, where the formula is off by more than 70 %
    return Evidence(
        [
            _row(
                context, "Gaussian mean in ℝ², two nearly equal rivals", plane, 60, "sharp", "tilted", 0.3, replicates
            ),
            _row(
                context,
                "linear regression in ℝ², two nearly equal rivals",
                regression,
                60,
                "sharp",
                "tilted",
                0.3,
                replicates,
            ),
            _row(context, "Gaussian mean, n = 2", gaussian_thresholds(0.5), 2, "sharp", "exact", 0.05),
        ]
    )


def _moderate(context: Context) -> Evidence:
    rows = [
        _row(
            context,
            "regression, threshold at 5 noise deviations",
            regression_threshold(5.0),
            200,
            "moderate",
            "exact",
            50.0,
        ),
        _row(context, "Gaussian mean, n r below 10", gaussian_thresholds(0.1), 20, "moderate", "exact", 1.0),
        _row(context, "regression, rival at 3", regression_pair(3.0), 100, "moderate", "exact", 5.0),
    ]
    return Evidence(rows)


def _critical(context: Context) -> Evidence:
    rows, ratios, gaps = [], [], (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
    n = 100
    for h in gaps:
        theory, truth = (context.evaluate(regression_threshold(h), n, m) for m in ("critical", "exact"))
        ratios.append(math.exp(min(theory.log_delta - truth.log_delta, 700.0)))
    for setting, problem in (
        ("Gaussian mean, threshold 3", gaussian_thresholds(3.0)),
        ("regression PTQ, threshold 1", regression_threshold(1.0)),
    ):
        rows.append(_row(context, setting, problem, n, "critical", "exact", 0.1))
    plot = Plot(
        "Regression: the critical formula away from the critical scale",
        "threshold, in noise standard deviations",
        "critical / exact, n = 100",
        "The ratio is one for small thresholds and falls away as the threshold moves out.",
        (
            Series("critical / exact", list(gaps), ratios, "points"),
            Series("1", [gaps[0], gaps[-1]], [1, 1], "reference"),
        ),
        x_log=True,
        y_log=True,
    )
    return Evidence(rows, [plot])


def _rare_cells(context: Context) -> Evidence:
    replicates = context.choose(100_000, 1_000_000)
    return Evidence(
        [
            _row(
                context,
                "d = 8, thresholds ±1.645",
                product_problem(8, (-1.645, 1.645)),
                100,
                "high_dimension",
                "likelihood_ratio",
                0.15,
                replicates,
            ),
            _row(
                context,
                "d = 2, thresholds ±2.5",
                product_problem(2, (-2.5, 2.5)),
                100,
                "high_dimension",
                "likelihood_ratio",
                0.15,
                replicates,
            ),
        ]
    )


def _crude(context: Context) -> Evidence:
    rows = []
    for setting, problem, n in (
        ("Gaussian mean, threshold 0.5", gaussian_thresholds(0.5), 200),
        ("linear regression, rival at 1", regression_pair(1.0), 200),
    ):
        truth = context.evaluate(problem, n, "exact")
        found = context.evaluate(problem, n, "crude", key=f"limits:{setting}", replicates=100_000)
        off = found.log_delta - truth.log_delta
        rows.append(Row(setting, Limit(off, 1.0, found.in_domain), n, None, truth.log_delta, found.log_delta))
    return Evidence(rows)


_DECIDED = "Limit: the deviation of log Δ is at least the stated amount, and the result says in_domain = False."

CLAIMS = (
    Claim(
        "limits.sharp",
        "S4",
        "Where it ends: faces reached together, very small n",
        "When two faces are crossed in one event, adding them counts it twice; O(1/n) says little at n = 2.",
        "sharp form outside its domain",
        "Gaussian mean, linear regression",
        _DECIDED,
        _together,
    ),
    Claim(
        "limits.moderate",
        "S6",
        "Where it ends: large gaps, and n r too small",
        "The two-moment rate is not the exponent of a distant face; near the critical scale it says nothing.",
        "−n r outside its domain",
        "linear regression, Gaussian mean",
        _DECIDED,
        _moderate,
    ),
    Claim(
        "limits.critical",
        "S7",
        "Where it ends: a far threshold",
        "The central limit theorem does not see large deviations. (For the Gaussian mean, where sums are "
        "normal, it is off by "
        "a factor 1 + t²/24 only.)",
        "critical formula outside its domain",
        "Gaussian mean, linear regression",
        _DECIDED,
        _critical,
    ),
    Claim(
        "limits.high_dimension",
        "S8",
        "Where it ends: few coordinates with rare cells",
        "The log-likelihood ratio is not normal; the published example is d = 8, n = 100, thresholds ±1.645.",
        "2Φ(μ/2) − 1 outside its domain",
        "Gaussian mean N(0, I_d)",
        _DECIDED,
        _rare_cells,
    ),
    Claim(
        "limits.crude",
        "S10",
        "Where it ends: crude simulation of rare events",
        "With 10⁵ sums, events of probability 1e-10 and less are not seen.",
        "crude simulation at R·Δ ≪ 1",
        "Gaussian mean, linear regression",
        _DECIDED,
        _crude,
    ),
)
