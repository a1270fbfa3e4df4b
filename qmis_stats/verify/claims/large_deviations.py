"""S3: tilts, exponents and the rate at which Δ_n vanishes for a fixed quantizer."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from scipy.optimize import minimize_scalar

from qmis_stats.increments import DiscreteIncrement, GaussianIncrement, Increment, MixtureIncrement, QuadraticIncrement
from qmis_stats.laws import LinearRegression
from qmis_stats.problem import Problem
from qmis_stats.procedures import CodebookERM
from qmis_stats.verify.claims.problems import biased_coin, gaussian_thresholds, regression_pair, regression_threshold
from qmis_stats.verify.decisions import Control, Limit, Numeric
from qmis_stats.verify.evidence import Claim, Context, Evidence, Plot, Row, Series

_NEWTON = 1e-8
"""Relative accuracy asked of the safeguarded Newton iteration; λ is the root of a derivative."""


def _tilt_rows(name: str, increments: list[Increment]) -> list[Row]:
    worst = {"λ": 0.0, "I": 0.0, "σ̃²": 0.0}
    for x in increments:
        closed, generic = x.tilt(), x.numerical_tilt()
        pairs = (closed.lam, generic.lam), (closed.exponent, generic.exponent), (closed.variance, generic.variance)
        for key, (a, b) in zip(worst, pairs, strict=True):
            worst[key] = max(worst[key], abs(b / a - 1.0))
    count = len(increments)
    return [Row(f"{name}, {count} increments: {key}", Numeric(v, _NEWTON)) for key, v in worst.items()]


def _tilts(context: Context) -> Evidence:
    rng = context.rng("large_deviations.tilts")
    count = context.choose(50, 500)
    gaussian: list[Increment] = [
        GaussianIncrement(float(d), float(v)) for d, v in rng.uniform((0.05, 0.2), (3, 4), (count, 2))
    ]
    quadratic: list[Increment] = [
        QuadraticIncrement((-float(g), float(g * (1 + e)))) for g, e in rng.uniform((0.2, 0.05), (2, 4), (count, 2))
    ]
    rows = [*_tilt_rows("Gaussian", gaussian), *_tilt_rows("linear regression", quadratic)]
    # Increments without a closed form: the exponent against a minimiser that shares no code.
    worst = 0.0
    mixtures = [
        MixtureIncrement((float(p), float(1 - p)), (float(m), float(m + 1)), (0.5, float(v)))
        for p, m, v in rng.uniform((0.2, 0.1, 0.3), (0.8, 1, 2), (count, 3))
    ]
    coins = [
        DiscreteIncrement(
            (Fraction(-int(a)), Fraction(1), Fraction(2)), (Fraction(1, 9), Fraction(3, 9), Fraction(5, 9))
        )
        for a in rng.integers(1, 9, count)
    ]
    for x in (*mixtures, *coins):
        low = minimize_scalar(
            lambda s, x=x: x.cgf(s)[0], bounds=(-50.0, 0.0), method="bounded", options={"xatol": 1e-10}
        )
        worst = max(worst, abs(x.tilt().exponent / -float(low.fun) - 1.0))
    rows.append(Row(f"mixtures and finite, {2 * count} increments: I", Numeric(worst, _NEWTON)))
    wrong = QuadraticIncrement((-1.0, 2.0))
    off = wrong.moderate_deviation_rate / wrong.numerical_tilt().exponent - 1.0
    rows.append(Row("the rate r in the place of I", Control(Numeric(off, _NEWTON))))
    return Evidence(rows)


def _regression_rates(context: Context) -> Evidence:
    """Compare the package's exponents, obtained from eigenvalues, with the formulas in C_uu, C_vv and C_uv."""
    rows = []
    sigma, tau = np.array([[1.0, 0.4], [0.4, 2.0]]), 0.7
    beta = np.array([0.5, -1.0])
    law = LinearRegression(beta, sigma, tau)
    best, rivals = np.array([0.6, -0.9]), np.array([(0.9, -0.8), (0.2, -1.6), (3.0, 1.0)])
    for rival in rivals:
        a, b = rival - beta, best - beta
        uu, vv, uv = (tau**2 + p @ sigma @ q for p, q in ((a, a), (b, b), (a, b)))
        delta, det = uu - vv, uu * vv - uv**2
        face = Problem(law, CodebookERM(np.stack([best, rival]))).faces[0]
        exponent, rate = 0.5 * math.log1p(delta**2 / (4 * det)), delta**2 / (8 * det + 4 * delta**2)
        for name, theory, found in (("I", exponent, face.chernoff_exponent), ("r", rate, face.moderate_deviation_rate)):
            setting = f"ERM in ℝ², rival ({rival[0]:g}, {rival[1]:g}): {name}"
            rows.append(Row(setting, Numeric(found / theory - 1.0, _NEWTON), theory=theory, exact=found))
    gaps, exponents, rates = np.geomspace(0.02, 50.0, 25), [], []
    for h in gaps:
        face = regression_threshold(float(h)).faces[0]
        exponents.append(face.chernoff_exponent)
        rates.append(face.moderate_deviation_rate)
    theory_i, theory_r = 0.5 * np.log1p(gaps**2), gaps**2 / (4 * gaps**2 + 2)
    for name, formula, values in (("I", theory_i, exponents), ("r", theory_r, rates)):
        worst = float(np.max(np.abs(np.array(values) / formula - 1.0)))
        rows.append(Row(f"PTQ, d = 1, 25 distances from 0.02 to 50: {name}", Numeric(worst, _NEWTON)))
    rows.append(
        Row("PTQ, distance 50: r saturates at ¼", Numeric(rates[-1] - 0.25, 1e-4), theory=0.25, exact=rates[-1])
    )
    off = rates[-1] / exponents[-1] - 1.0
    said = context.evaluate(regression_threshold(50.0), 100, "moderate")
    rows.append(
        Row(
            "PTQ, distance 50: the indicator is no exponent",
            Limit(off, 0.5, said.in_domain),
            theory=rates[-1],
            exact=exponents[-1],
        )
    )
    plot = Plot(
        "Linear regression: the indicator saturates, the exponent grows",
        "distance h of the threshold, in noise standard deviations",
        "rate",
        "The indicator r and the exponent I agree for small distances; r levels off at one quarter while I grows.",
        (
            Series("exponent I", gaps.tolist(), exponents),
            Series("indicator r", gaps.tolist(), rates),
            Series("¼", [gaps[0], gaps[-1]], [0.25, 0.25], "reference"),
        ),
        x_log=True,
        y_log=True,
    )
    return Evidence(rows, [plot])


def _convergence(context: Context) -> Evidence:
    rows, plots = [], []
    settings = (
        ("Gaussian mean, threshold 0.5", gaussian_thresholds(0.5), (10, 30, 100, 300, 1000, 5000)),
        ("linear regression, rival at 1", regression_pair(1.0), (10, 30, 100, 300, 1000, 5000)),
        ("finite law, biased coin", biased_coin(), (11, 31, 101, 301, 1001, 2001)),
    )
    for name, problem, sizes in settings:
        rate = problem.exponent
        logs = np.array([context.evaluate(problem, n, "exact").log_delta for n in sizes])
        n = np.array(sizes, dtype=np.float64)
        rest = -logs - n * rate - 0.5 * np.log(n)
        for size, log_delta, r in zip(sizes, logs, rest, strict=True):
            # What is left after ½ log n is a constant c + O(1/n): its distance to the last is at most 1/n.
            decision = Numeric(float(r - rest[-1]), 1.0 / size)
            rows.append(Row(name, decision, size, rate, -float(log_delta) / size))
        naive = Numeric(float((-logs - n * rate)[0] - (-logs - n * rate)[-1]), 1.0 / sizes[0])
        rows.append(Row(f"{name}: without ½ log n", Control(naive), sizes[0]))
        sharp = [-context.evaluate(problem, s, "sharp").log_delta / s for s in sizes]
        simulated, errors, at = [], [], [s for s in sizes if s <= 1001]
        for s in at:
            r = context.evaluate(problem, s, "tilted", key=f"convergence:{name}", replicates=20_000)
            simulated.append(-r.log_delta / s)
            errors.append((r.std_error or 0.0) / s)
        crude_n, crude = [], []
        for s in at:
            r = context.evaluate(problem, s, "crude", key=f"convergence:{name}", replicates=20_000)
            if r.in_domain:
                crude_n.append(float(s))
                crude.append(-r.log_delta / s)
        plots.append(
            Plot(
                f"{name}: −log Δ / n towards I",
                "n",
                "−log Δₙ / n",
                "Exact, sharp and tilted values coincide and fall to the exponent; crude simulation ends early.",
                (
                    Series("exponent I", [sizes[0], sizes[-1]], [rate, rate], "reference"),
                    Series("sharp", n.tolist(), sharp),
                    Series("exact", n.tolist(), (-logs / n).tolist(), "points"),
                    Series("tilted", [float(s) for s in at], simulated, "points", errors),
                    Series("crude, while it sees anything", crude_n, crude, "points"),
                ),
                x_log=True,
            )
        )
    return Evidence(rows, plots)


CLAIMS = (
    Claim(
        "large_deviations.tilts",
        "S3",
        "Closed-form tilts equal the generic numerical tilt",
        "The tilt λ, the exponent I and the tilted variance come from the increment's cumulant generating function "
        "alone.",
        "I = −min K = −K(−λ),  K′(−λ) = 0,  σ̃² = K″(−λ)",
        "random normal, quadratic, mixture and finite increments",
        "Numeric: relative difference at most 1e-8, the accuracy asked of the iteration.",
        _tilts,
        scale="plain",
    ),
    Claim(
        "large_deviations.regression",
        "S3",
        "Linear regression: exponent and indicator in closed form",
        "The exponent is a logarithm of the residual covariances; the two-moment indicator saturates at one quarter "
        "while the exponent grows without bound.",
        "I = ½ log(1 + δ²/4D),  r = δ²/(8D + 4δ²);  PTQ: I = ½ log(1 + s²h²/τ²)",
        "x ~ N(0, Σ), y = βᵀx + N(0, τ²); ERM in ℝ² and thresholds on a line",
        "Numeric: relative difference at most 1e-8. Limit: at distance 50 indicator and exponent differ by half.",
        _regression_rates,
        quantity="rate",
        scale="plain",
    ),
    Claim(
        "large_deviations.convergence",
        "S3",
        "−log Δ / n tends to the exponent, with ½ log n",
        "For a fixed quantizer Δ vanishes exponentially fast at the rate of the nearest face; the gap to the limit is "
        "half a logarithm and a constant.",
        "−log Δₙ = n I_Q + ½ log n + c + O(1/n)",
        "Gaussian mean; linear regression; finite law (3/5, 2/5)",
        "Numeric: what is left after n I + ½ log n is constant up to 1/n. Without ½ log n the same test must fail.",
        _convergence,
        quantity="−log Δ/n",
        scale="plain",
    ),
)
