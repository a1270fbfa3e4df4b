"""S10: Monte Carlo estimators against exact values, their errors, and events of probability 1e-100."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_ndtr, ndtri

from qmis_stats.errors import DomainError
from qmis_stats.laws import GaussianMean, LinearRegression
from qmis_stats.problem import Problem
from qmis_stats.procedures import CodebookERM
from qmis_stats.results import MISResult
from qmis_stats.simulate.design import TiltMixture, tilted_design
from qmis_stats.simulate.settings import Settings
from qmis_stats.simulate.tilted import Sampling, simulate_design
from qmis_stats.verify.claims.problems import gaussian_thresholds, random_finite, regression_pair
from qmis_stats.verify.decisions import Control, Exact, Limit, Numeric, Statistical, z_score
from qmis_stats.verify.evidence import Claim, Context, Evidence, Plot, Row, Series, simulation_row

_REPLICATES = 20_000
_SEEDS = 5
_FEWEST_EVENTS = 400
"""A z-score is used where at least this many of the sums are expected to matter: R·Δ for crude simulation."""
_RARE = 1e-100


@dataclass(frozen=True)
class _Case:
    problem: Problem
    n: int
    truth: MISResult


def _cases(context: Context, count: int) -> list[_Case]:
    rng = context.rng("simulation.finite")
    cases = []
    for _ in range(count):
        problem, n = random_finite(rng), int(rng.integers(2, 21))
        cases.append(_Case(problem, n, context.evaluate(problem, n, "exact")))
    return cases


def _eligible(case: _Case, method: str) -> bool:
    """Return whether normal errors are expected, from the exact value alone and before anything is simulated."""
    if case.truth.log_delta + math.log(_REPLICATES) >= math.log(_FEWEST_EVENTS):
        return True
    # A face that is crossed only by ties has no tilt that makes it common.
    return method == "tilted" and all(f.tilt.proper for f in case.problem.crossable_faces)


def _zscores(context: Context) -> Evidence:
    cases = _cases(context, context.choose(40, 200))
    scores: dict[str, list[float]] = {"crude": [], "tilted": []}
    excluded = dict.fromkeys(scores, 0)
    zero = agree = 0
    for i, case in enumerate(cases):
        if case.truth.fraction == 0:
            zero += 1
            found = [context.evaluate(case.problem, case.n, m, key=f"finite:{i}", replicates=1000) for m in scores]
            agree += all(r.log_delta == -math.inf for r in found)
            continue
        for method, values in scores.items():
            if not _eligible(case, method):
                excluded[method] += 1
                continue
            for s in range(_SEEDS):
                found_one = context.evaluate(
                    case.problem, case.n, method, key=f"finite:{i}:{s}", replicates=_REPLICATES
                )
                values.append(z_score(found_one, case.truth.log_delta))
    rows = [Row(f"{zero} problems where nothing leaks: Δ̂ = 0", Exact(agree == zero, f"{agree} of {zero}"))]
    for method, values in scores.items():
        z = np.array(values)
        name = f"{method}, {z.size} z-scores ({excluded[method]} of {len(cases)} problems excluded as too rare)"
        rows.append(Row(f"{name}: law", _is_normal(z)))
        rows.append(Row(f"{name}: spread", _spread(z)))
        worst = float(z[np.argmax(np.abs(z))])
        p = min(1.0, z.size * 2.0 * math.exp(float(log_ndtr(-abs(worst)))))
        rows.append(Row(f"{name}: largest", Statistical("largest |z|, Bonferroni", worst, p)))
        rows.append(Row(f"{method}: standard errors twice too small", Control(_spread(2.0 * z))))
        rows.append(Row(f"{method}: standard errors twice too large", Control(_spread(0.5 * z))))
        rows.append(Row(f"{method}: a bias of one standard error", Control(_is_normal(z + 1.0))))
    plot = Plot(
        "z-scores of simulations against exact fractions",
        "normal quantile",
        "z",
        "Quantiles of the z-scores of crude and tilted simulation lie on the diagonal.",
        (*(_quantiles(m, v) for m, v in scores.items()), Series("N(0, 1)", [-3, 3], [-3, 3], "reference")),
    )
    return Evidence(rows, [plot])


def _spread(z: np.ndarray) -> Statistical:
    from scipy.stats import chi2  # slow to load

    total = float(np.sum(z**2))
    p = 2.0 * min(float(chi2.cdf(total, z.size)), float(chi2.sf(total, z.size)))
    return Statistical("chi-square, mean z²", total / z.size, min(p, 1.0))


def _is_normal(z: np.ndarray) -> Statistical:
    from scipy.stats import kstest  # slow to load

    ks = kstest(z, "norm")
    return Statistical("Kolmogorov–Smirnov", float(ks.statistic), float(ks.pvalue))


def _quantiles(method: str, values: list[float]) -> Series:
    z = np.sort(values)
    return Series(method, ndtri((np.arange(z.size) + 0.5) / z.size).tolist(), z.tolist(), "points")


def _deterministic(context: Context) -> Evidence:
    """Every deterministic method on the same problems, wherever it says that it is inside its domain."""
    cases = _cases(context, context.choose(40, 200))
    rows = []
    used = held = 0
    for case in cases:
        bound = context.evaluate(case.problem, case.n, "certificate").log_delta
        used += 1
        held += case.truth.log_delta <= bound + 1e-12
    rows.append(Row("certificate ≥ exact", Exact(held == used, f"{held} of {used} hold")))
    for method, constant in (("sharp", _SHARP), ("critical", _CRITICAL)):
        worst, used = 0.0, 0
        for case in cases:
            try:
                found = context.evaluate(case.problem, case.n, method)
            except DomainError:
                continue
            if found.in_domain and case.truth.fraction != 0:
                used += 1
                worst = max(worst, abs(found.log_delta - case.truth.log_delta) * case.n)
        if used:
            name = f"{method}: n |log ratio|, {used} of {len(cases)} in its domain"
            rows.append(Row(name, Numeric(worst, constant)))
    return Evidence(rows)


_SHARP = _CRITICAL = 3.0
"""n |log ratio| on lattices of a few atoms: tilted cumulants of order one."""


def _rare_problems() -> list[tuple[str, Problem, int]]:
    """Return problems with the n at which Δ is nearest to 1e-100."""
    return [
        ("Gaussian mean, threshold 0.5", gaussian_thresholds(0.5), 1780),
        ("linear regression, rival at 1", regression_pair(1.0), 2010),
    ]


def _rare(context: Context) -> Evidence:
    rows = []
    replicates = context.choose(500_000, 1_000_000)
    for name, problem, n in _rare_problems():
        truth = context.evaluate(problem, n, "exact")
        near = abs(truth.log_delta / math.log(_RARE) - 1.0)
        rows.append(Row(f"{name}: Δ is near 1e-100", Numeric(near, 0.05), n, None, truth.log_delta))
        found = context.evaluate(problem, n, "tilted", key=f"rare:{name}", replicates=replicates)
        error = found.std_error if found.std_error is not None else math.inf
        rows.append(simulation_row(f"{name}: against exact", found, truth.log_delta))
        rows.append(Row(f"{name}: relative standard error", Numeric(error, 0.01), n))
        wrong = simulation_row("", found, truth.log_delta + 0.1).decision
        rows.append(Row(f"{name}: a value 10 % too large", Control(wrong), n))  # type: ignore[arg-type]
        crude = context.evaluate(problem, n, "crude", key=f"rare:{name}", replicates=replicates)
        off = -math.inf if crude.log_delta == -math.inf else crude.log_delta - truth.log_delta
        rows.append(
            Row(
                f"{name}: crude simulation", Limit(off, 1.0, crude.in_domain), n, None, truth.log_delta, crude.log_delta
            )
        )
    return Evidence(rows)


def _reach(context: Context) -> Evidence:
    """A mixture of tilts recovers the mass of every rival's tilted law; without one of them it must say so."""
    angles = 0.3 + 2.0 * np.pi * np.arange(3) / 3.0
    book = np.vstack([np.zeros(2), np.column_stack([np.cos(angles), np.sin(angles)])])
    settings = (
        ("Gaussian mean in ℝ², three rivals", Problem(GaussianMean([0.0, 0.0], np.eye(2)), CodebookERM(book)), 400),
        (
            "regression in ℝ², three rivals",
            Problem(LinearRegression([0.0, 0.0], np.eye(2), 1.0), CodebookERM(book)),
            600,
        ),
    )
    rows = []
    for name, problem, n in settings:
        scores = problem.scores
        assert scores is not None
        design = tilted_design(scores, n)
        samplings: tuple[Sampling, ...] = ("sobol", "random")
        for sampling in samplings:
            choice = Settings(10_000, context.seed_of(f"reach:{name}"))
            whole = simulate_design(scores, n, design, choice, sampling)
            mass = float(whole.details["recovered_mass"])
            rows.append(Row(f"{name}, {sampling}: smallest recovered mass", Numeric(mass - 1.0, 0.1), n))
            partial = replace(design, sums=TiltMixture(design.sums.components[1:]))
            broken = simulate_design(scores, n, partial, choice, sampling)
            lost = float(broken.details["recovered_mass"]) - 1.0
            rows.append(Row(f"{name}, {sampling}: without one tilt", Limit(lost, 0.5, broken.in_domain), n))
    return Evidence(rows)


def _reproducible(context: Context) -> Evidence:
    rows = []
    settings = (
        ("Gaussian mean", gaussian_thresholds(-0.3, 0.32), 50, ("crude", "tilted", "conditional")),
        ("linear regression", regression_pair(1.0), 50, ("crude", "tilted")),
    )
    for name, problem, n, methods in settings:
        for method in methods:
            first, second, other = (
                context.evaluate(problem, n, method, key=key, replicates=5000) for key in ("same", "same", "other")
            )
            same = (first.log_delta, first.std_error) == (second.log_delta, second.std_error)
            rows.append(
                Row(f"{name}, {method}: one seed, one number", Exact(same, f"log Δ = {first.log_delta:.12g}"), n)
            )
            rows.append(
                Row(f"{name}, {method}: another seed", Control(Exact(first.log_delta == other.log_delta, "equal")), n)
            )
    return Evidence(rows)


CLAIMS = (
    Claim(
        "simulation.zscores",
        "S10",
        "Random finite problems: z-scores are N(0, 1)",
        "Estimates and their standard errors, against exact fractions. Excluded, before anything is simulated: "
        f"problems with R·Δ < {_FEWEST_EVENTS} (for tilted simulation only where a face has no proper tilt).",
        "z = (Δ̂ − Δ)/se(Δ̂) ~ N(0, 1)",
        "finite laws, 2 to 4 atoms, 2 to 6 codewords, n from 2 to 20, ties included; "
        f"R = {_REPLICATES}, five seeds each",
        "Statistical: Kolmogorov–Smirnov, chi-square of Σz², and the largest |z|. Wrong standard errors and "
        "a bias must "
        "be rejected.",
        _zscores,
    ),
    Claim(
        "simulation.deterministic",
        "S10",
        "The same problems by every deterministic method",
        "Certificates hold, and formulas agree with enumeration where they say they apply.",
        "|log Δ_method − log Δₙ| ≤ c/n",
        "the random finite problems of the previous claim",
        "Exact for certificates; numeric: n |log ratio| ≤ 3, the constants of small lattices.",
        _deterministic,
    ),
    Claim(
        "simulation.rare",
        "S10",
        "Δ near 1e-100: tilted sees it, crude does not",
        "Weighted sums under the tilted law have a bounded relative error where plain simulation sees nothing.",
        "draw S_{n−1} under P̃, weight e^{λS + (n−1)K(−λ)}",
        "Gaussian mean, linear regression",
        "Statistical: Student's test against exact. Numeric: relative standard error at most 1 %. Limit: crude must "
        "fail and say so. A value 10 % too large must be rejected.",
        _rare,
    ),
    Claim(
        "simulation.reach",
        "S10",
        "A missed region is announced",
        "The tilted law of every rival has mass one, whatever the sums are drawn from: draws that recover less have "
        "missed the region of that rival.",
        "E_Q[dP̃_k/dQ] = 1 for every rival k",
        "Gaussian mean and linear regression in the plane, three rivals of one exponent",
        "Numeric: recovered mass within 10 % of one. Limit: without one tilt at least half of the mass is lost, and "
        "the result says so.",
        _reach,
    ),
    Claim(
        "simulation.reproducible",
        "S10",
        "One seed, one number",
        "A result is a function of its seed.",
        "same seed ⇒ same bits",
        "Gaussian mean, linear regression",
        "Exact: equality of floating-point numbers; another seed must give another number.",
        _reproducible,
    ),
)
