"""S12: the second-order sharp form, with relative error O(1/n²)."""

from __future__ import annotations

import math

from qmis_stats.problem import Problem
from qmis_stats.verify.claims.problems import (
    biased_coin,
    gaussian_thresholds,
    regression_pair,
    regression_threshold,
)
from qmis_stats.verify.decisions import Control, Numeric
from qmis_stats.verify.evidence import Claim, Context, Evidence, Plot, Row, Series, method_row

_CONSTANT = 1.0
"""n² |log ratio|: the next Edgeworth term, below one for these increments."""
_ORDER = 0.25
"""Tolerance of the observed order of the error in n, which is −2."""


def _ladders() -> tuple[tuple[str, Problem, tuple[int, ...]], ...]:
    return (
        ("Gaussian mean, threshold 0.1", gaussian_thresholds(0.1), (10, 20, 50, 100, 200)),
        ("Gaussian mean, threshold 0.5", gaussian_thresholds(0.5), (10, 20, 50, 100, 200)),
        ("Gaussian mean, thresholds −0.3, 0.32", gaussian_thresholds(-0.3, 0.32), (20, 50, 100, 200)),
        ("regression, rival at 1", regression_pair(1.0), (10, 20, 50, 100, 200)),
        ("regression PTQ, threshold 0.25", regression_threshold(0.25), (10, 20, 50, 100, 200)),
        ("biased coin 3/5", biased_coin(), (21, 41, 101, 201)),
    )


def _order(context: Context) -> Evidence:
    rows, curves = [], []
    for name, problem, sizes in _ladders():
        errors = []
        for n in sizes:
            found, truth = (context.evaluate(problem, n, m) for m in ("sharp2", "exact"))
            rows.append(method_row(name, found, truth, _CONSTANT / n**2))
            errors.append(abs(math.expm1(found.log_delta - truth.log_delta)))
        order = math.log(errors[-1] / errors[0]) / math.log(sizes[-1] / sizes[0])
        rows.append(Row(f"{name}: order of the error", Numeric(order + 2.0, _ORDER)))
        curves.append(Series(name, [float(n) for n in sizes], errors, "points"))
    first, truth = (context.evaluate(gaussian_thresholds(0.5), 200, m) for m in ("sharp", "exact"))
    off = Numeric(first.log_delta - truth.log_delta, _CONSTANT / 200**2)
    rows.append(Row("the first-order form", Control(off), 200, first.log_delta, truth.log_delta))
    for gap in (0.1, 0.3, 1.0):
        for n in (50, 400):
            first, truth = (context.evaluate(gaussian_thresholds(gap), n, m) for m in ("sharp", "exact"))
            rest = n * math.expm1(truth.log_delta - first.log_delta)
            # The expansion in the gap begins 1/6 − gap²/60.
            decision = Numeric(rest - 1 / 6, gap**2 / 50 + 1.0 / n)
            name = f"Gaussian mean, threshold {gap:g}: n (exact/sharp − 1) near 1/6"
            rows.append(Row(name, decision, n, first.log_delta, truth.log_delta))
    guide = Series("1/(10n²)", [10.0, 200.0], [1e-3, 0.1 / 200**2], "reference")
    plot = Plot(
        "The second-order form's relative error falls like 1/n²",
        "n",
        "|sharp2/exact − 1|",
        "On logarithmic axes every ladder of points runs parallel to a line of slope minus two.",
        (*curves, guide),
        x_log=True,
        y_log=True,
    )
    return Evidence(rows, [plot])


CLAIMS = (
    Claim(
        "second_order.order",
        "S12",
        "One more term: the error is O(1/n²)",
        "Tilted skewness and kurtosis give the term of order 1/n; for the Gaussian mean it is 1/6 for a "
        "small gap, and only gap²/60 less for a large one.",
        "exact/sharp = 1 + b/n + O(1/n²);  b = 1/6 − O(gap²) for one face of a Gaussian mean",
        "Gaussian mean, linear regression, finite law (3/5, 2/5)",
        "Numeric: |log ratio| ≤ 1/n² and observed order −2 ± 0.25; the constant within gap²/50 + 1/n of 1/6. "
        "The first-order form must be rejected.",
        _order,
    ),
)
