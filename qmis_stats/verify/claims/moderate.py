"""S6: size-adaptive quantizers, cells that shrink like n^(−a) with 0 < a < ½."""

from __future__ import annotations

import math
from itertools import pairwise

from qmis_stats.verify.claims.problems import gaussian_thresholds, regression_pair
from qmis_stats.verify.decisions import Control, Exact, Numeric
from qmis_stats.verify.evidence import Claim, Context, Evidence, Plot, Row, Series

_SHRINKING = (0.1, 0.2, 0.3, 0.4)
_SLACK = 0.25
"""On top of ½ log n + log π: the constant's own corrections, of the order of the gap squared."""


def _gaussian(context: Context) -> Evidence:
    rows, curves = [], []
    sizes = [10**k for k in range(2, 9)]
    for a in _SHRINKING:
        problem = gaussian_thresholds(1.0, exponent=a)
        ratios = []
        for n in sizes:
            truth = context.evaluate(problem, n, "exact").log_delta
            rate = n * problem.at(n).indicator
            ratios.append(-truth / rate)
            # The sharp form with a small gap: −log Δ = n r + ½ log n + log π + o(1).
            bound = (0.5 * math.log(n) + math.log(math.pi) + _SLACK) / rate
            rows.append(Row(f"threshold n^−{a}", Numeric(ratios[-1] - 1.0, bound), n, 1.0, ratios[-1]))
        falling = all(x > y > 1.0 for x, y in pairwise(ratios[1:]))
        rows.append(
            Row(f"threshold n^−{a}: the ratio falls towards 1", Exact(falling, "falls with n and stays above 1"))
        )
        curves.append(Series(f"a = {a}", [float(n) for n in sizes], ratios, "points"))
    n = sizes[-1]
    truth = context.evaluate(gaussian_thresholds(1.0, exponent=0.3), n, "exact").log_delta
    wrong = n * gaussian_thresholds(1.0, exponent=0.3).at(n).indicator * 2.0  # δ²/σ² instead of δ²/(2σ²)
    off = Numeric(-truth / wrong - 1.0, (0.5 * math.log(n) + math.log(math.pi) + _SLACK) / wrong)
    rows.append(Row("a rate δ²/σ² without its ½", Control(off), n))
    one = Series("1", [sizes[0], sizes[-1]], [1.0, 1.0], "reference")
    plot = Plot(
        "Shrinking cells: −log Δ over n r tends to one",
        "n",
        "−log Δₙ / (n r)",
        "Four curves, one for each shrinking exponent, fall towards one; the slower the cells shrink the faster.",
        (*curves, one),
        x_log=True,
        y_log=True,
    )
    return Evidence(rows, [plot])


def _constant(context: Context) -> Evidence:
    rows = []
    for a in _SHRINKING:
        problem = gaussian_thresholds(1.0, exponent=a)
        for n in (10**4, 10**6, 10**8):
            truth = context.evaluate(problem, n, "exact").log_delta
            gap = float(n) ** -a
            theory = -n * problem.at(n).indicator - 0.5 * math.log(n) - math.log(math.pi)
            # E|dP̃/dP − 1|/λ = √(2/π) (1 − gap²/24 + ...), and the sharp form is within 1/(4n).
            rows.append(Row(f"threshold n^−{a}", Numeric(truth - theory, gap**2 / 20 + 0.25 / n), n, theory, truth))
    return Evidence(rows)


def _regression(context: Context) -> Evidence:
    rows = []
    for a in _SHRINKING:
        problem = regression_pair(1.0, exponent=a)
        for n in (10**2, 10**4, 10**6):
            at = problem.at(n)
            x = at.indicator
            # I/r = (1 + 2y) log(1 + y)/y with y = δ²/4D, so 1 + 3y/2 + O(y²), and y ≈ 2r.
            rows.append(Row(f"I/r, rival at n^−{a}", Numeric(at.exponent / x - 1.0, 4.0 * x), n, 1.0, at.exponent / x))
        n = 10**5
        truth = context.evaluate(problem, n, "exact").log_delta
        rate = n * problem.at(n).indicator
        # The factor 2/π of a regression influence in the place of √(2/π) adds ½ log(π/2).
        bound = (0.5 * math.log(n) + math.log(math.pi) + 0.5 * math.log(math.pi / 2) + _SLACK) / rate
        bound += problem.at(n).exponent / problem.at(n).indicator - 1.0
        rows.append(Row(f"−log Δ/(n r), rival at n^−{a}", Numeric(-truth / rate - 1.0, bound), n, 1.0, -truth / rate))
    return Evidence(rows)


CLAIMS = (
    Claim(
        "moderate.gaussian",
        "S6",
        "Shrinking cells: the indicator is the rate",
        "For cells of width n^−a with a below one half, −log Δ is n times the indicator, to first order.",
        "−log Δₙ = n r_Q (1 + o(1)),  r = δ²/(2σ²)",
        "Gaussian mean, one threshold at n^−a, a = 0.1 to 0.4, n up to 10⁸",
        "Numeric: the ratio exceeds one by at most (½ log n + log π + ¼)/(n r), and falls with n from 10³ on.",
        _gaussian,
        quantity="−log Δ/(n r)",
        scale="plain",
    ),
    Claim(
        "moderate.constant",
        "S6",
        "What the first order leaves out is ½ log n + log π",
        "The uniform sharp form with a vanishing tilt gives the constant.",
        "−log Δₙ = n r + ½ log n + log π + o(1)",
        "Gaussian mean, one threshold at n^−a, n up to 10⁸",
        "Numeric: difference of logarithms at most gap²/20 + 1/(4n), from the expansion of the tilt's distance.",
        _constant,
    ),
    Claim(
        "moderate.regression",
        "S6",
        "Regression: exponent and indicator merge",
        "As cells shrink the exact exponent and the two-moment indicator have ratio one.",
        "I/r → 1",
        "linear regression, rival codeword at n^−a",
        "Numeric: |I/r − 1| ≤ 4 r, from the expansion 1 + 3r + ...; −log Δ/(n r) as for the Gaussian mean.",
        _regression,
        quantity="ratio",
        scale="plain",
    ),
)
