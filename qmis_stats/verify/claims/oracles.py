"""S9: the exact oracles agree with what they were measured at, with each other and with other routes."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import numpy as np

from qmis_stats.exact import finite, histogram, quadratic_form
from qmis_stats.laws import FiniteLaw, GaussianMean, LinearRegression
from qmis_stats.problem import Problem
from qmis_stats.procedures import CodebookERM, LossTable, ReleasedHistogram
from qmis_stats.theory import worst_case_constant
from qmis_stats.verify.claims.problems import gaussian_thresholds, product_problem, random_finite, regression_pair
from qmis_stats.verify.decisions import Control, Exact, Numeric, z_decision
from qmis_stats.verify.evidence import Claim, Context, Evidence, Row, simulation_row


def _brute_histogram(law: FiniteLaw, n: int) -> Fraction:
    """Return ½ Σ_j E|N_j/n − p_j| by going through every sample."""
    total = Fraction(0)
    for sample in product(range(law.atoms), repeat=n):
        mass = math.prod((law.probabilities[z] for z in sample), start=Fraction(1))
        total += mass * sum(
            (abs(Fraction(sample.count(j), n) - p) for j, p in enumerate(law.probabilities)), Fraction(0)
        )
    return total / 2


def _histogram(context: Context) -> Evidence:
    law = FiniteLaw(["1/2", "3/10", "1/5"])
    found = context.evaluate(Problem(law, ReleasedHistogram()), 50, "exact")
    limit = context.evaluate(Problem(law, ReleasedHistogram()), 50, "critical")
    rows = [
        Row("p = (.5, .3, .2): exact", Numeric(found.delta - 0.07613, 5.1e-6), 50, 0.07613, found.delta),
        Row("p = (.5, .3, .2): C(P)/√(2πn)", Numeric(limit.delta - 0.07663, 5.1e-6), 50, 0.07663, limit.delta),
    ]
    for probabilities, n in ((["1/2", "3/10", "1/5"], 6), (["1/3", "2/3"], 9)):
        small = FiniteLaw(probabilities)
        a, b = histogram.delta(small.probabilities, n), _brute_histogram(small, n)
        rows.append(Row(f"p = ({', '.join(probabilities)}): all samples", Exact(a == b, f"{a} = {b}"), n))
    for n in (50, 500, 5000):
        exact = float(histogram.delta(law.probabilities, n))
        limit_n = worst_case_constant(law) / math.sqrt(2 * math.pi * n)
        rows.append(Row("exact over its limit: O(1/n)", Numeric(exact / limit_n - 1.0, 0.5 / n), n, limit_n, exact))
    rng = context.rng("oracles.histogram")
    count, held = context.choose(60, 400), 0
    for _ in range(count):
        problem, n = random_finite(rng), int(rng.integers(2, 13))
        assert isinstance(problem.law, FiniteLaw)
        value = context.evaluate(problem, n, "exact").fraction
        assert value is not None
        held += value <= histogram.delta(problem.law.probabilities, n)
    rows.append(Row(f"no learner exceeds it, {count} random problems", Exact(held == count, f"{held} of {count} hold")))
    return Evidence(rows)


def _line(context: Context) -> Evidence:
    rows = []
    replicates = context.choose(100_000, 1_000_000)
    for thresholds in ((0.5,), (-0.3, 0.32), (-1.0, -0.2, 0.1, 0.4)):
        for n in (5, 100, 2000):
            problem = gaussian_thresholds(*thresholds)
            truth = context.evaluate(problem, n, "exact").log_delta
            name = "thresholds " + ", ".join(f"{t:g}" for t in thresholds)
            found = context.evaluate(problem, n, "conditional", key=f"oracles:{name}", replicates=replicates)
            rows.append(simulation_row(f"{name}: conditional", found, truth))
    law = GaussianMean([0.2, -0.1], [[1.0, 0.4], [0.4, 2.0]])
    problem = Problem(law, CodebookERM([[0.0, 0.0], [0.6, 0.3], [-0.6, -0.3]]))  # collinear codewords
    truth = context.evaluate(problem, 80, "exact").log_delta
    found = context.evaluate(problem, 80, "tilted", key="oracles:collinear", replicates=replicates)
    rows.append(simulation_row("collinear codewords in ℝ²: tilted", found, truth))
    found = context.evaluate(gaussian_thresholds(0.5), 100, "conditional", key="oracles:control", replicates=replicates)
    truth = context.evaluate(gaussian_thresholds(0.5), 101, "exact").log_delta
    wrong = simulation_row("", found, truth).decision
    rows.append(Row("the oracle at n + 1", Control(wrong), 100))  # type: ignore[arg-type]
    return Evidence(rows)


def _regression(context: Context) -> Evidence:
    from scipy.stats import f as fisher  # slow to load
    from scipy.stats import t as student

    rows = []
    worst = 0.0
    for ratio in (1.001, 1.2, 2.0, 6.0):
        for n in (1, 2, 10, 100, 400):
            crossing = quadratic_form.log_crossing_probability(ratio, 1.0, n)
            worst = max(worst, abs(crossing / float(fisher.logcdf(1.0 / ratio, n, n)) - 1.0))
    rows.append(Row("log P(ΣX < 0) = log F_{n,n}(γ/α), 20 cases", Numeric(worst, 1e-9)))
    worst = 0.0
    for h in (0.05, 0.3, 1.0):
        face = LinearRegression([0.0], [[2.0]], 0.5).threshold_increment(0, h, True)[0]
        gamma, alpha = -min(face.eigenvalues), max(face.eigenvalues)  # type: ignore[attr-defined]
        for n in (2, 10, 100):
            # √n (θ̂ − β)/(τ/s) is Student with n degrees of freedom for d = 1.
            theory = float(student.logsf(math.sqrt(n) * h * math.sqrt(2.0) / 0.5, n))
            worst = max(worst, abs(quadratic_form.log_crossing_probability(alpha, gamma, n) / theory - 1.0))
    rows.append(Row("least squares is Student: P(θ̂ > β + h), 9 cases", Numeric(worst, 1e-9)))
    replicates = context.choose(100_000, 1_000_000)
    for rival in (0.4, 1.0, 2.5):
        problem = regression_pair(rival)
        for n in (5, 50, 300):
            truth = context.evaluate(problem, n, "exact").log_delta
            found = context.evaluate(problem, n, "tilted", key=f"oracles:regression:{rival}", replicates=replicates)
            rows.append(simulation_row(f"rival at {rival:g}: tilted", found, truth))
    for n in (3, 20):
        truth = context.evaluate(regression_pair(0.4), n, "exact").log_delta
        found = context.evaluate(
            regression_pair(0.4), n, "crude", key="oracles:regression:crude", replicates=replicates
        )
        rows.append(simulation_row("rival at 0.4: crude", found, truth))
    truth = context.evaluate(regression_pair(1.02), 300, "exact").log_delta
    found = context.evaluate(regression_pair(1.0), 300, "tilted", key="oracles:regression:1.0", replicates=replicates)
    rows.append(Row("a rival at 1.02 for one at 1", Control(simulation_row("", found, truth).decision), 300))  # type: ignore[arg-type]
    return Evidence(rows)


def _finite(context: Context) -> Evidence:
    rows = []
    replicates = context.choose(100_000, 1_000_000)
    problems = (
        (
            "three atoms, three codewords",
            Problem(FiniteLaw(["1/2", "1/3", "1/6"]), LossTable([[0, 1, 2], [1, 0, 1], [2, 1, 0]])),
            (4, 20, 60),
        ),
        (
            "four atoms, n = 60",
            Problem(FiniteLaw(["2/5", "3/10", "1/5", "1/10"]), LossTable([[0, 1, 2, 1], [1, 0, 0, 2]])),
            (60,),
        ),
    )
    for name, problem, sizes in problems:
        for n in sizes:
            truth = context.evaluate(problem, n, "exact").log_delta
            for method in ("crude", "tilted"):
                found = context.evaluate(problem, n, method, key=f"oracles:{name}:{method}", replicates=replicates)
                rows.append(simulation_row(f"{name}: {method}", found, truth))
    losses = [[Fraction(0), Fraction(1)], [Fraction(1), Fraction(0)]]
    value = finite.delta([Fraction(1, 2)] * 2, losses, 3)
    rows.append(Row("majority of three fair coins", Exact(value == Fraction(1, 4), f"{value} = 1/4"), 3))
    return Evidence(rows)


def _product(context: Context) -> Evidence:
    rows = []
    replicates = context.choose(200_000, 2_000_000)
    for values in ((0.0,), (-1.645, 1.645), (-0.5, 0.7)):
        problem = product_problem(1, values)
        for n in (10, 100):
            truth = context.evaluate(problem, n, "exact").log_delta
            name = "thresholds " + ", ".join(f"{v:g}" for v in values) + " standard errors"
            found = context.evaluate(problem, n, "likelihood_ratio", key=f"oracles:{name}", replicates=replicates)
            rows.append(simulation_row(f"{name}: likelihood ratio", found, truth))
    problem = product_problem(2, (0.3,))
    crude = context.evaluate(problem, 30, "crude", key="oracles:product:crude", replicates=replicates // 10)
    ratio = context.evaluate(problem, 30, "likelihood_ratio", key="oracles:product:ratio", replicates=replicates)
    error = float(np.hypot(crude.std_error or np.inf, ratio.std_error or np.inf))
    decision = z_decision(crude.log_delta - ratio.log_delta, error)
    setting = "d = 2: crude against likelihood ratio"
    rows.append(Row(setting, decision, 30, None, ratio.log_delta, crude.log_delta, error))
    return Evidence(rows)


CLAIMS = (
    Claim(
        "oracles.histogram",
        "S9",
        "The released histogram, worst case of every learner",
        "De Moivre's formula for the mean absolute deviation of a binomial count gives Δ exactly.",
        "Δₙ = ½ Σⱼ E|Nⱼ/n − pⱼ| ~ C(P)/√(2πn),  C(P) = Σⱼ √(pⱼ(1 − pⱼ))",
        "finite laws",
        "Exact against all samples; numeric for the measured digits and for |ratio − 1| ≤ 1/(2n) (lattice terms).",
        _histogram,
        scale="plain",
    ),
    Claim(
        "oracles.line",
        "S9",
        "Gaussian line: quadrature against simulation",
        "The oracle in log space against conditional simulation, which simulates only the fresh point.",
        "mean | Z₁ = z ~ N(μ + (z − μ)/n, σ²(n − 1)/n²)",
        "Gaussian mean with one to four thresholds; collinear codewords in ℝ²",
        "Statistical: z. The oracle at n + 1 must be rejected.",
        _line,
    ),
    Claim(
        "oracles.regression",
        "S9",
        "Two-codeword regression: Fisher, Student, simulation",
        "The crossing probability is Fisher's law; Δ by Bessel densities agrees with tilted and crude simulation.",
        "X = α w₁² − γ w₂²,  P(ΣX < 0) = F_{n,n}(γ/α)",
        "linear regression, rivals at 0.4, 1 and 2.5",
        "Numeric: relative difference of logarithms at most 1e-9. Statistical: z. A rival at 1.02 for 1 must "
        "be rejected.",
        _regression,
    ),
    Claim(
        "oracles.finite",
        "S9",
        "Finite laws: enumeration against simulation",
        "Exact fractions, up to n = 60 with four atoms.",
        "Δₙ = ½ Σₖ Σ_z p_z |P(T=k | z) − P(T=k)|",
        "three and four atoms",
        "Statistical: z of crude and tilted simulation. Exact for the worked example.",
        _finite,
    ),
    Claim(
        "oracles.product",
        "S9",
        "Product cells: the exact likelihood ratio",
        "In dimension one it must agree with the line's oracle, in dimension two with crude simulation.",
        "Λ = Πᵢ pᵢ(Tᵢ | zᵢ) / pᵢ(Tᵢ)",
        "Gaussian mean N(0, I_d), thresholds in standard errors",
        "Statistical: z.",
        _product,
    ),
)
