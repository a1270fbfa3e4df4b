"""S8: retained Fisher information, and product quantizers in high dimension."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from qmis_stats.laws import GaussianMean
from qmis_stats.problem import Problem
from qmis_stats.procedures import ThresholdPTQ
from qmis_stats.quantizers import FixedThresholds, LloydMax, ScalarQuantizer, Sign, Ternary, Uniform
from qmis_stats.theory import retained_information, signal
from qmis_stats.verify.claims.problems import product_problem
from qmis_stats.verify.decisions import Control, Exact, Numeric, Statistical, z_decision
from qmis_stats.verify.evidence import Claim, Context, Evidence, Plot, Row, Series, simulation_row

_SQRT_2PI = math.sqrt(2.0 * math.pi)


def model_bound(problem: Problem, n: int) -> float:
    """Return the formula's own relative error: a twenty-fourth of the excess kurtosis, and a term in 1/n."""
    return signal(problem, n).excess_kurtosis / 24.0 + 2.0 / n


def _problem(d: int, quantizer: ScalarQuantizer) -> Problem:
    return Problem(GaussianMean(np.zeros(d), np.eye(d)), ThresholdPTQ(quantizer))


_FINE = LloydMax(5)
_PUBLISHED: tuple[tuple[str, int, int, ScalarQuantizer, float, float, float, int], ...] = (
    ("sign", 128, 500, Sign(), 0.1600, 0.1616, 0.0013, 4),
    ("ternary ±0.43", 128, 500, FixedThresholds((-0.43, 0.43), "standard_error"), 0.1783, 0.1791, 0.0014, 4),
    ("ternary ±1.645", 128, 500, FixedThresholds((-1.645, 1.645), "standard_error"), 0.1311, 0.1301, 0.0011, 4),
    ("fine, 5 bits", 128, 500, _FINE, 0.1994, 0.1995, 0.0016, 3),
    ("sign", 512, 128, Sign(), 0.575, 0.574, 0.003, 3),
)
"""Name, d, n, quantizer, the formula's value, the simulated value with its error, decimals that are compared."""


def _retained(context: Context) -> Evidence:
    rng = context.rng("high_dimension.retained")
    count = context.choose(200, 2000)
    worst, inside, finer = 0.0, 0, 0
    for _ in range(count):
        edges = np.sort(rng.normal(0.0, 1.5, int(rng.integers(1, 9))))
        rho = retained_information(edges)
        worst = max(worst, abs(rho - _information_by_differences(edges)))
        inside += 0.0 <= rho <= 1.0
        finer += retained_information(np.sort(np.append(edges, rng.normal()))) >= rho - 1e-12
    rows = [
        Row(f"{count} random quantizers: 0 ≤ ρ ≤ 1", Exact(inside == count, f"{inside} of {count} inside")),
        Row("one more threshold never retains less", Exact(finer == count, f"{finer} of {count} hold")),
        Row("ρ = Fisher information by central differences", Numeric(worst, 1e-6)),
    ]
    sign = retained_information(np.zeros(1))
    rows.append(Row("sign of a centred coordinate: 2/π", Numeric(sign - 2 / math.pi, 1e-12), None, 2 / math.pi, sign))
    for bits, known in ((1, 0.6366), (2, 0.8825), (3, 0.96546), (4, 0.990503)):
        # For Lloyd–Max levels, which are centroids, ρ is one minus the known distortion (Max 1960).
        edges = LloydMax(bits, scale=1.0).thresholds(np.zeros(1), np.ones(1))[0]
        rho = retained_information(edges)
        rows.append(Row(f"Lloyd–Max, {bits} bits: 1 − distortion", Numeric(rho - known, 6e-5), None, known, rho))
    wrong = float(np.sum(np.diff(np.concatenate(([0.0], _phi(np.array([-1.0, 1.0])), [0.0]))) ** 2))
    rows.append(
        Row("without dividing by P_k", Control(Numeric(wrong - retained_information(np.array([-1.0, 1.0])), 1e-6)))
    )
    return Evidence(rows)


def _phi(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))


def _information_by_differences(edges: np.ndarray, step: float = 1e-4) -> float:
    """Return Σ_k (dP_k/dθ)²/P_k by central differences of cell probabilities from the nearer tail."""

    def cells(shift: float) -> np.ndarray:
        ends = np.concatenate(([-np.inf], edges - shift, [np.inf]))
        flip = ends[:-1] > 0
        low, high = np.where(flip, -ends[1:], ends[:-1]), np.where(flip, -ends[:-1], ends[1:])
        return np.asarray(ndtr(high) - ndtr(low))

    mass = cells(0.0)
    slope = (cells(step) - cells(-step)) / (2 * step)
    seen = mass > 1e-12
    return float(np.sum(slope[seen] ** 2 / mass[seen]))


def _published(context: Context) -> Evidence:
    rows = []
    replicates = context.choose(40_000, 500_000)
    for name, d, n, quantizer, value, simulated, error, decimals in _PUBLISHED:
        problem = _problem(d, quantizer)
        setting = f"{name}, d = {d}"
        theory = context.evaluate(problem, n, "high_dimension")
        digits = Numeric(theory.delta - value, 0.51 * 10.0**-decimals, theory.in_domain)
        rows.append(Row(f"{setting}: the published figure", digits, n, theory.log_delta, math.log(value)))
        found = context.evaluate(problem, n, "likelihood_ratio", key=f"published:{setting}", replicates=replicates)
        rows.append(simulation_row(setting, found, theory.log_delta, model_bound=model_bound(problem, n)))
        total = math.hypot(error, (found.std_error or 0.0) * found.delta)
        rows.append(
            Row(
                f"{setting}: the two simulations",
                z_decision(found.delta - simulated, total),
                n,
                None,
                math.log(simulated),
                found.log_delta,
                found.std_error,
            )
        )
        if d == 512:
            wrong = z_decision(
                found.log_delta - theory.log_delta - math.log(1.1), found.std_error or 0.0, model_bound(problem, n)
            )
            rows.append(Row("d = 512: a formula 10 % too large", Control(wrong), n))
    return Evidence(rows)


def _dimensions(context: Context) -> Evidence:
    rows, curves = [], []
    replicates = context.choose(25_000, 400_000)
    dimensions = context.choose_many((1, 4, 16, 64, 512), (1, 2, 4, 8, 16, 32, 64, 128, 256, 512))
    for name, quantizer in (("sign", Sign()), ("ternary, 60 % zeros", Ternary(0.6)), ("uniform, 3 bits", Uniform(3))):
        x, y, e = [], [], []
        for d in dimensions:
            n = max(4 * d, 200)
            problem = _problem(d, quantizer)
            theory = context.evaluate(problem, n, "high_dimension")
            found = context.evaluate(
                problem, n, "likelihood_ratio", key=f"dimensions:{name}:{d}", replicates=replicates
            )
            ratio = found.log_delta - theory.log_delta
            x.append(float(d))
            y.append(math.exp(ratio))
            e.append((found.std_error or 0.0) * math.exp(ratio))
            if theory.in_domain:
                bound = model_bound(problem, n)
                rows.append(simulation_row(f"{name}, d = {d}", found, theory.log_delta, model_bound=bound))
        curves.append(Series(name, x, y, "points", e))
    one = Series("1", [dimensions[0], dimensions[-1]], [1.0, 1.0], "reference")
    plot = Plot(
        "From one dimension to 512: exact likelihood ratio over the formula",
        "d  (n = max(4d, 200))",
        "simulated Δ / formula",
        "The ratio is one for the sign at every dimension and approaches one for other quantizers as d grows.",
        (*curves, one),
        x_log=True,
    )
    return Evidence(rows, [plot])


def _mixed(context: Context) -> Evidence:
    rows, curves = [], []
    replicates = context.choose(25_000, 500_000)
    settings = (
        ("±0.43", (-0.43, 0.43), (1, 4, 16, 64, 256)),
        ("±1.645", (-1.645, 1.645), (4, 8, 16, 64, 256)),
        ("−0.5, 0.7, 1.5", (-0.5, 0.7, 1.5), (1, 4, 16, 64, 256)),
    )
    for name, values, dimensions in settings:
        ratios, errors = [], []
        for d in dimensions:
            n = max(2 * d, 400)
            problem = product_problem(d, values)
            theory = context.evaluate(problem, n, "mixed")
            found = context.evaluate(problem, n, "likelihood_ratio", key=f"mixed:{name}:{d}", replicates=replicates)
            rows.append(
                simulation_row(f"{name}, d = {d}", found, theory.log_delta, model_bound=_mixed_bound(values, n))
            )
            rows.append(Row(f"{name}, d = {d}: inside the domain", Numeric(0.0, 0.0, theory.in_domain), n))
            ratios.append(math.exp(found.log_delta - theory.log_delta))
            errors.append((found.std_error or 0.0) * ratios[-1])
        curves.append(Series(name, [float(d) for d in dimensions], ratios, "points", errors))
    wrong = z_decision(math.log(ratios[-1]) - math.log(1.1), errors[-1] / ratios[-1], _mixed_bound(values, n))
    rows.append(Row("a formula 10 % too large", Control(wrong), n))
    one = Series("1", [1.0, 256.0], [1.0, 1.0], "reference")
    plot = Plot(
        "The mixed form, from one dimension to 256",
        "d  (n = max(2d, 400))",
        "simulated Δ / mixed form",
        "The ratio stays within a few per cent of one for every dimension and threshold.",
        (*curves, one),
        x_log=True,
    )
    return Evidence(rows, [plot])


def _mixed_bound(values: tuple[float, ...], n: int) -> float:
    """Return the form's own relative error: a centred cell's c e^(−½)/√n (Statement S7), and terms in 1/n."""
    lower, upper = max(v for v in values if v < 0), min(v for v in values if v > 0)
    centred = upper * math.exp(-0.5) / math.sqrt(n) if lower == -upper else 0.0
    return centred + 4.0 / n


def _roc(context: Context) -> Evidence:
    rows, curves = [], []
    replicates = context.choose(40_000, 500_000)
    for d, n, name, quantizer in (
        (128, 500, "sign", Sign()),
        (512, 128, "sign", Sign()),
        (256, 400, "ternary, 60 % zeros", Ternary(0.6)),
    ):
        problem = _problem(d, quantizer)
        theory = context.evaluate(problem, n, "high_dimension")
        found = context.evaluate(problem, n, "likelihood_ratio", key=f"roc:{name}:{d}", replicates=replicates)
        assert theory.roc is not None
        assert found.roc is not None
        mu = signal(problem, n).mu
        for fpr, (expected, _, _) in theory.roc.tpr_at.items():
            tpr, low, high = found.roc.tpr_at[fpr]
            if expected * replicates < 100:
                continue  # too few members above the threshold for a normal test
            decision = _rate_decision(tpr, expected, fpr, mu, replicates, model_bound(problem, n))
            setting = f"{name}, d = {d}: TPR at FPR {fpr:g}"
            rows.append(Row(setting, decision, n, expected, None, tpr, None, (low, high)))
        wrong = float(ndtr(ndtri(0.1) + mu / 2))
        control = _rate_decision(found.roc.tpr_at[0.1][0], wrong, 0.1, mu, replicates, model_bound(problem, n))
        rows.append(Row(f"{name}, d = {d}: a curve with μ/2", Control(control), n, wrong))
        grid = np.linspace(0.0, 1.0, 101)
        label = f"{name}, d = {d}, n = {n}"
        curves.append(Series(f"{label}: theory", grid.tolist(), ndtr(ndtri(grid) + mu).tolist()))
        curves.append(Series(f"{label}: simulated", *_thinned(found.roc.fpr, found.roc.tpr), "points"))
    diagonal = Series("no information", [0.0, 1.0], [0.0, 1.0], "reference")
    plot = Plot(
        "The most powerful attack's ROC",
        "false positive rate",
        "true positive rate",
        "Simulated curves lie on the theoretical ones; the curve of d = 512, n = 128 is far above the diagonal.",
        (*curves, diagonal),
    )
    return Evidence(rows, [plot])


def _thinned(fpr: Sequence[float], tpr: Sequence[float]) -> tuple[list[float], list[float]]:
    keep = np.unique(np.searchsorted(fpr, np.linspace(0.0, 1.0, 21)).clip(0, len(fpr) - 1))
    return [fpr[i] for i in keep], [tpr[i] for i in keep]


def _rate_decision(tpr: float, expected: float, fpr: float, mu: float, pairs: int, bound: float) -> Statistical:
    """Return the z test of a true positive rate estimated from members alone.

    The estimate is a mean of (1 − c/Λ)_+, whose variance under two normal laws at distance μ is closed.
    """
    x = float(ndtri(fpr)) + mu
    cut = math.exp(mu * (0.5 * mu - x))  # Λ at the threshold
    second = float(ndtr(x)) - 2 * cut * fpr + cut**2 * math.exp(mu**2) * float(ndtr(x - 2 * mu))
    variance = (second - (expected - cut * fpr) ** 2) / pairs
    # An error κ in the excess kurtosis moves the normal curve by κ/24 times its third Hermite function.
    hermite = max(1.0, abs(x**3 - 3.0 * x) * math.exp(-0.5 * x * x) / (_SQRT_2PI * expected))
    return z_decision(tpr - expected, math.sqrt(variance), bound * hermite * expected)


CLAIMS = (
    Claim(
        "high_dimension.retained",
        "S8",
        "Retained Fisher information",
        "The share of Fisher information that a quantized coordinate keeps lies between 0 and 1 and grows with every "
        "threshold.",
        "ρ_Q = Σₖ (φ(aₖ) − φ(bₖ))² / Pₖ",
        "random thresholds; sign; Lloyd–Max quantizers of 1 to 4 bits",
        "Exact for range and monotonicity; numeric against central differences (1e-6) and Max's distortions (6e-5).",
        _retained,
        quantity="ρ",
        scale="plain",
    ),
    Claim(
        "high_dimension.published",
        "S8",
        "The measured figures at d = 128 and d = 512",
        "Formula, earlier simulation and this run's exact likelihood ratio, side by side.",
        "Δₙ ≈ 2Φ(μ/2) − 1,  μ = √(d ρ_Q / n)",
        "Gaussian mean N(0, I_d); sign, ternary and fine quantizers",
        "Numeric for the quoted digits. Statistical: z of what exceeds the model's own error κ/24 + 2/n, with "
        "κ the excess kurtosis of the log-likelihood ratio. A formula 10 % too large must be rejected.",
        _published,
    ),
    Claim(
        "high_dimension.dimensions",
        "S8",
        "From d = 1 to d = 512",
        "Where the formula declares itself valid it agrees with the exact likelihood ratio; elsewhere the plot shows "
        "by how much it is off.",
        "Δₙ ≈ 2Φ(μ/2) − 1",
        "Gaussian mean N(0, I_d), n = max(4d, 200); sign, ternary, uniform",
        "Statistical: z of what exceeds κ/24 + 2/n, for every d inside the domain.",
        _dimensions,
    ),
    Claim(
        "high_dimension.mixed",
        "S8",
        "The mixed form fills the gap between S7 and S8",
        "Given the released cell, a member shifts the law by the cell's centroid: no limit in d is needed.",
        "Δₙ ≈ E_T[2Φ(‖m_T‖/(2√n)) − 1]",
        "Gaussian mean N(0, I_d), d = 1 to 256, n = max(2d, 400), the same thresholds on every coordinate",
        "Statistical: z of what exceeds the model bound 4/n, plus c e^−½/√n when a cell [−c, c] is centred. "
        "A formula 10 % "
        "too large must be rejected.",
        _mixed,
    ),
    Claim(
        "high_dimension.roc",
        "S8",
        "The best attack's ROC",
        "True positive rates at false positive rates 10⁻¹ to 10⁻⁴.",
        "TPR = Φ(Φ⁻¹(FPR) + μ)",
        "Gaussian mean N(0, I_d), d = 128 to 512",
        "Statistical: z of what exceeds the model bound, at rates above which at least 100 members are expected. A "
        "curve with half the signal must be rejected.",
        _roc,
        quantity="TPR",
        scale="plain",
    ),
)
