"""S18: logistic and Poisson regressions in every route."""

from __future__ import annotations

import math

import numpy as np
from scipy.integrate import quad
from scipy.special import expit

from qmis_stats.errors import DomainError
from qmis_stats.inference.rates import fit_exponent, slope_test
from qmis_stats.laws import GeneralizedLinear, LogisticRegression, PoissonRegression
from qmis_stats.problem import Problem
from qmis_stats.procedures import CodebookERM, ThresholdPTQ
from qmis_stats.quantizers import FixedThresholds
from qmis_stats.scores import CanonicalIncrement
from qmis_stats.simulate.settings import Settings
from qmis_stats.verify.decisions import Control, Exact, Numeric, Statistical, z_decision, z_score
from qmis_stats.verify.evidence import Claim, Context, Evidence, Row, method_row, simulation_row

_QUADRATURE = 1e-8
_PLANE = np.array([[1.0, 0.3], [0.3, 0.5]])
_LAWS = {"logistic": LogisticRegression([0.7], [[1.3]], -0.2), "Poisson": PoissonRegression([0.7], [[1.3]], -0.2)}
_COMMON = {
    "logistic": Problem(LogisticRegression([1.5], [[1.0]], 0.3), CodebookERM([[1.5], [-0.5]])),
    "Poisson": Problem(PoissonRegression([0.6], [[1.0]], 0.3), CodebookERM([[0.6], [-0.5]])),
}
_RARE = {
    "logistic": (Problem(LogisticRegression([3.0], [[1.0]]), CodebookERM([[3.0], [-3.0]])), 290),
    "Poisson": (Problem(PoissonRegression([1.0], [[1.0]], 1.0), CodebookERM([[1.0], [-0.6]])), 160),
}


def _divergence(law: GeneralizedLinear, threshold: float, x: float) -> float:
    """Return KL(p_t ‖ p_β) of the response given x, from the definition."""
    u, eta = law.intercept + threshold * x, law.intercept + float(law.coefficients[0]) * x
    if isinstance(law, PoissonRegression):
        return math.exp(u) * (u - eta) - math.exp(u) + math.exp(eta)
    p = float(expit(u))
    return p * (u - eta) - float(np.logaddexp(0.0, u)) + float(np.logaddexp(0.0, eta))


def _rates(context: Context) -> Evidence:
    rows = []
    for name, law in _LAWS.items():
        std = math.sqrt(float(law.covariance[0, 0]))
        for tenths in context.choose_many((2, 11), (-10, 2, 6, 11, 20)):
            threshold = 0.1 * tenths
            increment = law.threshold_increment(0, threshold, threshold > 0.7)[0]
            assert isinstance(increment, CanonicalIncrement)

            def integrand(z: float, law: GeneralizedLinear = law, t: float = threshold, std: float = std) -> float:
                return math.exp(-_divergence(law, t, std * z) - 0.5 * z * z) / math.sqrt(2.0 * math.pi)

            exponent = -math.log(quad(integrand, -9.0, 9.0, epsabs=1e-13, epsrel=1e-12, limit=200)[0])
            found, setting = increment.tilt(), f"{name}, threshold {threshold:g}"
            rows.append(Row(f"{setting}: I", Numeric(found.exponent / exponent - 1.0, _QUADRATURE), theory=exponent))
            slope = increment.cgf(-abs(threshold - 0.7))[1] / math.sqrt(increment.variance)
            rows.append(Row(f"{setting}: K' at the gap, in deviations", Numeric(slope, _QUADRATURE)))
        rival = Problem(law, CodebookERM([[0.7], [0.1]])).faces[0]
        rows.append(Row(f"{name}, codewords: K(−1)", Numeric(rival.increment.cgf(-1.0)[0], _QUADRATURE)))
        rows.append(Row(f"{name}, codewords: tilt", Exact(0.0 < rival.tilt.lam < 1.0, f"λ = {rival.tilt.lam:.6f}")))
        off = rival.moderate_deviation_rate / rival.chernoff_exponent - 1.0
        rows.append(Row(f"{name}: the rate r in the place of I", Control(Numeric(off, _QUADRATURE))))
    return Evidence(rows)


def _heavy(context: Context) -> Evidence:
    law = PoissonRegression([0.5], [[1.0]])
    rows = []
    for best, rival, heavy in ((0.5, 0.9, False), (0.6, 0.9, False), (0.6, 0.1, True)):
        face = Problem(law, CodebookERM([[best], [rival]])).faces[0]
        # A tenth of a tilt already shows whether the integrand of the generating function grows far out.
        x, lam = np.linspace(-60.0, 60.0, 4001), 0.1
        exponent = lam * (np.exp(best * x) - np.exp(rival * x)) + np.exp(0.5 * x) * np.expm1(lam * (rival - best) * x)
        grows = bool((exponent - 0.5 * x**2).max() > 100.0)
        holds = grows == heavy == (face.kind == "heavy") and face.delta > 0.0
        rows.append(
            Row(f"codewords {best:g}, {rival:g}", Exact(holds, f"{face.kind}, I = {face.chernoff_exponent:.6f}"))
        )
    problem = Problem(law, CodebookERM([[0.6], [0.1]]))
    for method in ("sharp", "tilted", "exact"):
        try:
            context.evaluate(problem, 50, method)
            refused = False
        except DomainError:
            refused = True
        rows.append(Row(f"{method} on a heavy face", Exact(refused, "refused" if refused else "answered")))
    return Evidence(rows)


def _routes(context: Context) -> Evidence:
    rows = []
    for name, problem in _COMMON.items():
        n = 30
        exact = context.evaluate(problem, n, "exact")
        rows.append(method_row(f"{name}: sharp2", context.evaluate(problem, n, "sharp2"), exact, 4.0 / n**2))
        rows.append(method_row(f"{name}: sharp", context.evaluate(problem, n, "sharp"), exact, 2.0 / n))
        for method, replicates in (
            ("crude", context.choose(60_000, 400_000)),
            ("tilted", context.choose(8000, 40_000)),
        ):
            found = context.evaluate(problem, n, method, key="generalized_linear.routes", replicates=replicates)
            rows.append(simulation_row(f"{name}: {method}", found, exact.log_delta))
            wrong = z_decision(z_score(found, exact.log_delta + 1.0), 1.0)
            rows.append(Row(f"{name}: {method} against e Δ", Control(wrong), n))
    return Evidence(rows)


def _rare(context: Context) -> Evidence:
    rows = []
    for name, (problem, n) in _RARE.items():
        exact = context.evaluate(problem, n, "exact")
        found = context.evaluate(
            problem, n, "tilted", key="generalized_linear.rare", replicates=context.choose(8000, 40_000)
        )
        rows.append(simulation_row(f"{name}: tilted", found, exact.log_delta))
        error = found.std_error if found.std_error is not None else math.inf
        rows.append(Row(f"{name}: standard error", Numeric(error, 0.01, found.in_domain), n, estimate=found.log_delta))
        wrong = z_decision(z_score(found, exact.log_delta + 0.1), 1.0)
        rows.append(Row(f"{name}: against a tenth more", Control(wrong), n))
    return Evidence(rows)


def _exponents(context: Context) -> Evidence:
    rows, sizes = [], (40, 60, 90, 140, 200)
    for name, (problem, _) in _RARE.items():
        found = [
            context.evaluate(
                problem, n, "tilted", key=f"generalized_linear.exponents:{n}", replicates=context.choose(4000, 40_000)
            )
            for n in sizes
        ]
        y, e = np.array([r.log_delta for r in found]), np.array([r.std_error for r in found], dtype=np.float64)
        for label, tested, full in (
            ("", problem.exponent, True),
            (" without ½ log n", problem.exponent, False),
            (" against r", problem.indicator, True),
        ):
            fit = fit_exponent(sizes, y, e, prefactor=full, correction=full)
            statistic, p_value = slope_test(fit, tested)
            decision = Statistical("Wald", float(statistic), float(p_value))
            slope, error = float(fit.params[1]), float(fit.bse[1])
            shown = Control(decision) if label else decision
            rows.append(Row(f"{name}: slope{label}", shown, theory=-tested, estimate=slope, std_error=error))
    return Evidence(rows)


def _critical(context: Context) -> Evidence:
    rows = []
    for name, law in _LAWS.items():
        problem = Problem(law, ThresholdPTQ(FixedThresholds((1.0,)), exponent=0.5))
        for n in context.choose_many((400, 3200), (100, 400, 1600, 6400)):
            exact, form = (context.evaluate(problem, n, method) for method in ("exact", "critical"))
            rows.append(method_row(f"{name}, threshold at 0.3/√n", form, exact, 0.3 / math.sqrt(n)))
        gaussian = form.log_delta + 0.5 * math.log(0.5 * math.pi) - exact.log_delta
        rows.append(Row(f"{name}: the factor of a normal influence", Control(Numeric(gaussian, 0.3 / math.sqrt(n))), n))
    return Evidence(rows)


def _information(context: Context) -> Evidence:
    n, count = 400, context.choose(2000, 20_000)
    law = LogisticRegression([1.4, -1.0], _PLANE)
    kernels = Settings(count, context.seed).kernels()
    key = (context.seed_of("generalized_linear.information"), 0)
    factor = np.linalg.cholesky(law.covariance)
    estimates, status = kernels.logistic_sums(key, 0, 0, count, n, law.coefficients, factor, 1e-8, 50)
    rows = [Row("fits that converged", Exact(bool((status == 0).all()), f"{int((status == 0).sum())} of {count}"), n)]
    flat = LogisticRegression([0.0, 0.0], _PLANE).parameter_covariance
    for name, direction in (("first", [1.0, 0.0]), ("second", [0.0, 1.0])):
        a = np.array(direction)
        centred = (estimates @ a - float(np.mean(estimates @ a))) ** 2
        variance, error = n * float(centred.mean()), n * float(centred.std()) / math.sqrt(count)

        def decided(truth: float, v: float = variance, e: float = error) -> Statistical:
            return z_decision(v / truth - 1.0, e / truth, model_bound=12.0 / n)

        rows.append(Row(f"{name} coefficient: n Var / V", decided(float(a @ law.parameter_covariance @ a)), n))
        rows.append(Row(f"{name}: V without the slope", Control(decided(float(a @ flat @ a))), n))
    return Evidence(rows)


CLAIMS = (
    Claim(
        "generalized_linear.rates",
        "S18",
        "The tilt of a threshold is its gap",
        "With the canonical link the tilt of a threshold is its distance from the coefficient, and its exponent a mean "
        "of divergences; between the truth and a rival the tilt lies in (0, 1).",
        "λ = |t − β|,  I = −log E exp{−KL(p_t ‖ p_β)};  K(−1) = 0 for θ₁ = β",
        "logistic and Poisson regression, d = 1, variance 1.3, intercept −0.2",
        "Numeric: relative difference at most 1e-8 against SciPy's adaptive quadrature of the divergence.",
        _rates,
        quantity="rate",
        scale="plain",
    ),
    Claim(
        "generalized_linear.heavy",
        "S18",
        "Heavy Poisson faces are found and refused",
        "A rival whose crossings come from single points with huge predictors has no exponential rate.",
        "K(−λ) = ∞ for every λ > 0 unless θ₁ lies between 0, θ_k and β",
        "Poisson regression on a line",
        "Exact: the kind of the face is what the integrand shows far out; methods that need a tilt refuse.",
        _heavy,
    ),
    Claim(
        "generalized_linear.routes",
        "S18",
        "Theory, oracle and simulation agree for both laws",
        "The inversion of the tilted characteristic function, the sharp forms, crude and tilted simulation give one Δ.",
        "Δₙ = E|D(X) − E D(X)|",
        "two codewords of a logistic and of a Poisson regression, n = 30",
        "Numeric: forms within 2/n and 4/n². Statistical: z tests; against e Δ the same tests must fail.",
        _routes,
    ),
    Claim(
        "generalized_linear.rare",
        "S18",
        "Pairs of half sums reach Δ = 1e−60",
        "All pairs of two pools of half sums have a variance that does not grow with n.",
        "Δₙ = 2 e^{−(n−1)I} Ẽ J(S̃),  S̃ a sum of two independent halves",
        "two codewords of a logistic and of a Poisson regression, Δ near 1e−60",
        "Statistical: z tests, and a standard error of at most one per cent; a tenth more must be rejected.",
        _rare,
    ),
    Claim(
        "generalized_linear.exponents",
        "S18",
        "Simulated slopes are the exponents",
        "The slope of log Δ in n, fitted to simulations with ½ log n, is minus the Chernoff exponent of both laws.",
        "log Δₙ + ½ log n = c − I n + b/n",
        "two codewords of a logistic and of a Poisson regression, n = 40 to 200",
        "Statistical: Wald tests of the slope; the naive fit, and the rate r in the place of I, must be rejected.",
        _exponents,
        quantity="slope",
        scale="plain",
    ),
    Claim(
        "generalized_linear.critical",
        "S18",
        "Critical scale: the response's mean deviation",
        "At cells of width n^(−1/2) Δ is the mean of |xᵀm| times the mean absolute deviation of the response.",
        "Δₙ ≈ E_T E[|xᵀm_T| D(η)]/(2√n)",
        "one shrinking threshold of a logistic and of a Poisson regression",
        "Numeric: within 0.3/√n of the oracle; with the factor of a normal influence the same test must fail.",
        _critical,
    ),
    Claim(
        "generalized_linear.information",
        "S18",
        "The estimate's covariance by Stein's identity",
        "The information is a multiple of Σ plus a matrix of rank one; simulated fits have its inverse as covariance.",
        "H = E[A''] Σ + E[A''''] Σββᵀ Σ,  n Cov(θ̂) → H⁻¹",
        "logistic regression in ℝ², n = 400, compiled fits",
        "Statistical: z tests beyond ±12/n; without the term in β the same tests must fail.",
        _information,
        scale="plain",
    ),
)
