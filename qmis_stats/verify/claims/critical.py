"""S7: the critical scale, cells of width n^(−1/2)."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from qmis_stats.laws import GaussianMean, LinearRegression
from qmis_stats.problem import Problem
from qmis_stats.procedures import CodebookERM, ThresholdPTQ
from qmis_stats.quantizers import FixedThresholds, LloydMax
from qmis_stats.theory import unquantized
from qmis_stats.verify.claims.problems import gaussian_thresholds, product_problem
from qmis_stats.verify.decisions import Control, Exact, Limit, Numeric
from qmis_stats.verify.evidence import Claim, Context, Evidence, Plot, Row, Series, method_row, simulation_row

_LINE = 1.0
"""n |log ratio| on a Gaussian line: 1/6 at threshold 0, more when some cell has a centroid near zero."""
_CENTRED = 1.5
"""n times what is left when a centred cell's term of order n^(−1/2) is removed."""


def _local(*values: float) -> Problem:
    return Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(FixedThresholds(values, "standard_error")))


def _line(context: Context) -> Evidence:
    rows = []
    published = ((10, 0.983, 3), (100, 0.998, 3), (1000, 0.9998, 4))
    for n, ratio, decimals in published:
        theory, truth = (context.evaluate(_local(0.0), n, m) for m in ("critical", "exact"))
        found = math.exp(theory.log_delta - truth.log_delta)
        name = f"threshold 0: ratio {ratio} as measured before"
        rows.append(
            Row(
                name,
                Numeric(found - ratio, 0.51 * 10.0**-decimals, theory.in_domain),
                n,
                theory.log_delta,
                truth.log_delta,
            )
        )
    curves = []
    for values in ((0.0,), (0.4,), (-0.5, 0.7), (-2.0, -1.2, 0.1, 0.3, 1.8)):
        name = "thresholds " + ", ".join(f"{v:g}" for v in values)
        errors = []
        sizes = (20, 100, 1000, 10000)
        for n in sizes:
            theory, truth = (context.evaluate(_local(*values), n, m) for m in ("critical", "exact"))
            rows.append(method_row(name, theory, truth, _LINE / n))
            errors.append(abs(math.expm1(theory.log_delta - truth.log_delta)))
        curves.append(Series(name, [float(n) for n in sizes], errors, "points"))
    theory, truth = (context.evaluate(_local(0.4), 1000, m) for m in ("critical", "exact"))
    off = theory.log_delta + 0.5 * math.log(2.0 / math.pi) - truth.log_delta
    rows.append(Row("a mean-influence factor of regression instead", Control(Numeric(off, _LINE / 1000)), 1000))
    plot = Plot(
        "The critical formula's error falls like 1/n",
        "n",
        "|critical/exact − 1|",
        "On logarithmic axes the errors of four sets of thresholds fall with slope minus one.",
        tuple(curves),
        x_log=True,
        y_log=True,
    )
    return Evidence(rows, [plot])


def _centred(context: Context) -> Evidence:
    """Compare with the next term: a cell [−c, c] has centroid zero, and enters through z² − 1 at order 1/n.

    Its change is c φ(c) (1 − z²)/n, and ½ E|1 − z²| c φ(c)/n is c e^(−½)/√n of the leading 2φ(c)/√(2πn).
    """
    rows = []
    for values, c in (((-0.5, 0.5), 0.5), ((-1.5, -0.5, 0.5, 1.5), 0.5), ((-1.0, 1.0), 1.0), ((-1.645, 1.645), 1.645)):
        name = "thresholds " + ", ".join(f"{v:g}" for v in values)
        for n in (100, 1000, 10000):
            plain, truth = (context.evaluate(_local(*values), n, m).log_delta for m in ("critical", "exact"))
            theory = plain + math.log1p(c * math.exp(-0.5) / math.sqrt(n))
            bound = _CENTRED * (1.0 + c * c) / n
            rows.append(Row(f"{name}: with the next term", Numeric(theory - truth, bound), n, theory, truth))
        rows.append(Row(f"{name}: without it", Control(Numeric(plain - truth, bound)), n, plain, truth))
        rows.append(
            method_row(
                f"{name}: sharp form",
                context.evaluate(_local(*values), 1000, "sharp"),
                context.evaluate(_local(*values), 1000, "exact"),
                _LINE / 1000,
            )
        )
    return Evidence(rows)


def _product(context: Context) -> Evidence:
    rows = []
    replicates = context.choose(100_000, 1_000_000)
    settings = (
        (2, (-0.6, 0.9), 200),
        (4, (0.0,), 200),
        (4, (-0.7, 0.7), 400),
        (8, (-1.0, 0.2, 1.3), 400),
        (16, (-0.5, 0.5), 800),
    )
    last = None
    for d, values, n in settings:
        problem = product_problem(d, values)
        name = f"d = {d}, thresholds {', '.join(f'{v:g}' for v in values)}"
        theory = context.evaluate(problem, n, "critical")
        found = context.evaluate(problem, n, "likelihood_ratio", key=f"critical:{name}", replicates=replicates)
        # 2Φ(μ/2) − 1 = μ/√(2π) (1 − μ²/24 + ...) with μ² ≤ d/n: the local form's own error.
        rows.append(simulation_row(name, found, theory.log_delta, model_bound=(1.0 + d / 24) / n))
        rows.append(Row(f"{name}: inside the domain", Numeric(0.0, 0.0, theory.in_domain), n))
        last = found, theory
    assert last is not None
    wrong = simulation_row("", last[0], last[1].log_delta + math.log(1.05), model_bound=(1.0 + 16 / 24) / 800)
    assert not isinstance(wrong.decision, Control)
    rows.append(Row("d = 16, a formula 5 % too large", Control(wrong.decision), 800))  # type: ignore[arg-type]
    return Evidence(rows)


_LARGEST_BOUND = 0.3


def _regression_bound(c: float) -> float:
    """Return n |log ratio| at c standard errors: the estimate is Student, its Edgeworth term of degree four in c."""
    return 0.7 * (1.0 + c * c) ** 2


def _regression(context: Context) -> Evidence:
    rows = []
    for c in (0.0, 0.5, 1.2, 2.0):
        for n in (50, 400, 3000):
            # Codewords at c/√n ± 1/√n: one threshold at c standard errors.
            root = math.sqrt(n)
            problem = Problem(LinearRegression([0.0], [[1.0]], 1.0), CodebookERM([[(c - 1) / root], [(c + 1) / root]]))
            theory, truth = (context.evaluate(problem, n, m) for m in ("critical", "exact"))
            setting, bound = f"threshold at {c:g} standard errors", _regression_bound(c) / n
            if bound > _LARGEST_BOUND and not theory.in_domain:
                deviation = theory.log_delta - truth.log_delta
                rows.append(Row(setting, Limit(deviation, 0.05, False), n, theory.log_delta, truth.log_delta))
            else:
                rows.append(method_row(setting, theory, truth, bound))
    problem = Problem(LinearRegression([0.0], [[1.0]], 1.0), CodebookERM([[-1.0], [1.0]]))
    truth = context.evaluate(problem, 3000, "exact")
    gaussian = context.evaluate(_local(0.0), 3000, "critical")
    off = Numeric(gaussian.log_delta - truth.log_delta, _regression_bound(0.0) / 3000)
    rows.append(Row("the Gaussian mean's factor instead", Control(off), 3000, gaussian.log_delta, truth.log_delta))
    return Evidence(rows)


def _fine(context: Context) -> Evidence:
    rows, curves = [], []
    n = 400
    for d in (1, 4, 16):
        law = GaussianMean(np.zeros(d), np.eye(d))
        bits = (1, 2, 3, 4, 5, 6)
        values = [context.evaluate(Problem(law, ThresholdPTQ(LloydMax(b))), n, "critical").log_delta for b in bits]
        limit = math.log(unquantized(d, n))
        rows.append(Row(f"Lloyd–Max with 6 bits, d = {d}", Numeric(values[-1] - limit, 1e-3), n, values[-1], limit))
        rising = all(y >= x - 1e-12 for x, y in pairwise(values))
        rows.append(Row(f"d = {d}: more bits leak more", Exact(rising, "rises with every bit"), n))
        curves.append(Series(f"d = {d}", [float(b) for b in bits], [math.exp(v - limit) for v in values], "points"))
    one = math.log(1.0 / (math.pi * math.sqrt(n)))
    sign = context.evaluate(_local(0.0), n, "critical").log_delta
    rows.append(Row("d = 1: the sign alone leaks as much as the estimate", Numeric(sign - one, 1e-12), n, sign, one))
    for values in ((-2.5 + 0.1 * np.arange(51)).tolist(), np.linspace(-4, 4, 400).tolist()):
        theory = context.evaluate(_local(*values), n, "critical")
        truth = context.evaluate(_local(*values), n, "exact")
        rows.append(method_row(f"d = 1, {len(values)} thresholds, oracle", theory, truth, _LINE / n))
    plot = Plot(
        "More bits: Δ rises to that of the estimate itself",
        "bits per coordinate",
        "Δ over Δ without quantizer",
        "With one bit d = 1 already leaks everything; in higher dimension the ratio rises to one with the bits.",
        tuple(curves),
    )
    return Evidence(rows, [plot])


def _slope(context: Context) -> Evidence:
    rows = []
    sizes = np.array([10**k for k in range(2, 8)])
    for values in ((0.0,), (0.8,), (-0.5, 0.7)):
        logs = [context.evaluate(_local(*values), int(n), "exact").log_delta for n in sizes]
        slope = float(np.polyfit(np.log(sizes[1:]), logs[1:], 1)[0])
        name = "thresholds " + ", ".join(f"{v:g}" for v in values)
        rows.append(Row(f"{name}: slope of log Δ on log n", Numeric(slope + 0.5, 1e-3), None, -0.5, slope))
    fixed = [context.evaluate(gaussian_thresholds(0.01), int(n), "exact").log_delta for n in sizes]
    slope = float(np.polyfit(np.log(sizes[1:]), fixed[1:], 1)[0])
    rows.append(Row("a fixed threshold 0.01", Control(Numeric(slope + 0.5, 1e-3)), None, -0.5, slope))
    return Evidence(rows)


CLAIMS = (
    Claim(
        "critical.line",
        "S7",
        "Critical cells on a line",
        "With thresholds at a fixed number of standard errors, Δ is of order n^−1/2 with an explicit constant.",
        "Δₙ ≈ Σₖ |φ(c_{k−1}) − φ(c_k)| / √(2πn)",
        "Gaussian mean, one to five thresholds in standard errors",
        "Numeric: |log ratio| ≤ 1/n (1/6 at threshold zero), and the measured digits.",
        _line,
    ),
    Claim(
        "critical.centred",
        "S7",
        "A cell centred at the parameter costs half an order",
        "Its centroid is zero, so the leading term misses it: the relative error is then c e^−½/√n and not O(1/n). The "
        "sharp form keeps O(1/n).",
        "exact/critical = 1 + c e^{−1/2}/√n + O(1/n) with thresholds at ±c",
        "Gaussian mean, symmetric thresholds in standard errors",
        "Numeric: |log ratio| ≤ 1.5 (1 + c²)/n once the next term is included. Without it the test must fail.",
        _centred,
    ),
    Claim(
        "critical.product",
        "S7",
        "Critical product cells, d = 2 to 16",
        "The centroid of the cell that was output, against the exact likelihood ratio.",
        "Δₙ ≈ (2πn)^{−1/2} E‖V^{−1/2} m_T‖",
        "Gaussian mean N(0, I_d), the same thresholds on every coordinate",
        "Statistical: z of what exceeds the model bound (1 + d/24)/n. A formula 5 % too large must be rejected.",
        _product,
    ),
    Claim(
        "critical.regression",
        "S7",
        "Critical cells in regression: a factor √(2/π) less",
        "The influence of a point is a direction times an independent noise, and leaks less on average.",
        "E|ψᵀh| = (2/π) √(hᵀVh)",
        "linear regression, two codewords around a threshold of 0 to 2 standard errors",
        "Numeric: |log ratio| ≤ 0.7 (1 + c²)²/n at c standard errors (the estimate is Student: an Edgeworth term of "
        "degree four in c), against the oracle; where that exceeds 0.3 the formula must say that it is out of its "
        "domain. The Gaussian factor must be rejected.",
        _regression,
    ),
    Claim(
        "critical.fine",
        "S7",
        "The limit without a quantizer",
        "Fine cells release the estimate itself. In dimension one its sign already leaks as much.",
        "Δₙ → E‖N(0, I_d)‖ / √(2πn)",
        "Gaussian mean, d = 1, 4, 16, Lloyd–Max quantizers of 1 to 6 bits, n = 400",
        "Numeric: 6 bits within 1e-3, monotone in the bits; many thresholds within 1/n of the oracle.",
        _fine,
    ),
    Claim(
        "critical.slope",
        "S7",
        "At the critical scale the slope in log n is −½",
        "No exponent: privacy improves like one over the square root of the sample size.",
        "d log Δₙ / d log n → −½",
        "Gaussian mean, thresholds in standard errors, n from 10³ to 10⁷",
        "Numeric: the slope is −½ ± 1e-3. A fixed threshold must be rejected.",
        _slope,
        quantity="slope",
        scale="plain",
    ),
)
