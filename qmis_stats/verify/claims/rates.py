"""S11: exponents fitted to simulations, with the coverage of their intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from qmis_stats.inference.rates import fit_exponent, fit_power, lack_of_fit, slope_interval, slope_test
from qmis_stats.laws import GaussianMixture
from qmis_stats.problem import Problem
from qmis_stats.procedures import CodebookERM
from qmis_stats.results import MISResult
from qmis_stats.simulate import tilted
from qmis_stats.verify.claims.problems import biased_coin, gaussian_thresholds, product_problem, regression_pair
from qmis_stats.verify.decisions import Control, Numeric, Statistical, binomial_decision
from qmis_stats.verify.evidence import Claim, Context, Evidence, Plot, Row, Series

_NOMINAL = 0.95


@dataclass(frozen=True)
class _Setting:
    """A problem, a method and a grid of sample sizes; the next order b₂/n² is below the standard errors there."""

    name: str
    problem: Problem
    method: str
    sizes: tuple[int, ...]
    replicates: int


_SETTINGS = (
    _Setting(
        "Gaussian mean, threshold 0.5, tilted", gaussian_thresholds(0.5), "tilted", (40, 80, 120, 180, 260, 400), 4000
    ),
    _Setting(
        "Gaussian mean, two thresholds, conditional",
        gaussian_thresholds(-0.3, 0.32),
        "conditional",
        (80, 120, 180, 260, 400),
        4000,
    ),
    _Setting(
        "linear regression, rival at 1, tilted", regression_pair(1.0), "tilted", (60, 100, 150, 220, 300, 400), 4000
    ),
    _Setting("finite law, biased coin, tilted", biased_coin(), "tilted", (101, 151, 201, 301, 401, 601), 4000),
    _Setting(
        "Gaussian mixture, tilted",
        Problem(GaussianMixture([0.3, 0.7], [[-1.4], [0.6]], [[[0.5]], [[0.3]]]), CodebookERM([[0.0], [0.9]])),
        "tilted",
        (60, 100, 150, 220, 300, 400),
        4000,
    ),
)


def _estimate(context: Context, setting: _Setting, n: int, repeat: int) -> MISResult:
    """Return one estimate with a normal error, as the fit's tests assume: that of nets is Student's."""
    key = f"rates:{setting.name}:{repeat}"
    if setting.method == "tilted":
        seed = context.seed_of(key)
        return tilted(setting.problem, n, replicates=setting.replicates, seed=seed, sampling="random")
    return context.evaluate(setting.problem, n, setting.method, key=key, replicates=setting.replicates)


def _series(context: Context, setting: _Setting, repeat: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = [_estimate(context, setting, n, repeat) for n in setting.sizes]
    return (
        np.array(setting.sizes, dtype=np.float64),
        np.array([r.log_delta for r in found]),
        np.array([r.std_error for r in found], dtype=np.float64),
    )


def clopper_pearson(hits: int, trials: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a success rate."""
    low = float(beta.ppf(0.025, hits, trials - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, trials - hits)) if hits < trials else 1.0
    return low, high


def _coverage(context: Context) -> Evidence:
    rows = []
    repeats = context.choose(40, 400)
    plots = []
    for setting in _SETTINGS:
        rate = setting.problem.exponent
        covered = naive = biased = rejected = 0
        fits, p_values = [], []
        for repeat in range(repeats):
            n, y, e = _series(context, setting, repeat)
            fit = fit_exponent(n, y, e)
            low, high = slope_interval(fit)
            covered += low <= -rate <= high
            p_values.append(lack_of_fit(fit).pvalue)
            rejected += slope_test(fit, rate)[1] < 1 - _NOMINAL
            low, high = slope_interval(fit_exponent(n, y, e, prefactor=False, correction=False))
            naive += low <= -rate <= high
            low, high = slope_interval(fit)
            biased += low <= -1.05 * rate <= high
            if repeat < 40:
                fits.append((float(fit.params[1]), float(fit.bse[1])))
        for name, hits, control in (
            ("coverage", covered, False),
            ("naive fit without ½ log n", naive, True),
            ("an exponent 5 % too large", biased, True),
        ):
            decision = binomial_decision(hits, repeats, _NOMINAL)
            rows.append(
                Row(
                    f"{setting.name}: {name}",
                    Control(decision) if control else decision,
                    theory=_NOMINAL,
                    estimate=hits / repeats,
                    interval=clopper_pearson(hits, repeats),
                )
            )
        rows.append(
            Row(f"{setting.name}: Wald test and interval agree", Numeric(float(rejected + covered - repeats), 0.0))
        )
        fisher = -2.0 * float(np.sum(np.log(np.maximum(p_values, 1e-300))))
        rows.append(Row(f"{setting.name}: lack of fit over all seeds", _fisher(fisher, repeats)))
        plots.append(_slopes_plot(setting.name, rate, fits))
    return Evidence(rows, plots)


def _fisher(statistic: float, repeats: int) -> Statistical:
    from scipy.stats import chi2

    return Statistical("Fisher's combination, mean", statistic / (2 * repeats), float(chi2.sf(statistic, 2 * repeats)))


def _slopes_plot(name: str, rate: float, fits: list[tuple[float, float]]) -> Plot:
    x = [float(i + 1) for i in range(len(fits))]
    slopes = [-s / rate for s, _ in fits]
    errors = [1.96 * e / rate for _, e in fits]
    return Plot(
        f"{name}: fitted exponents",
        "seed",
        "fitted exponent / I",
        f"Fitted exponents of {len(fits)} seeds with 95 per cent intervals, scattered about one.",
        (Series("fit, 95 % interval", x, slopes, "points", errors), Series("I", [1.0, x[-1]], [1.0, 1.0], "reference")),
    )


def _critical_slope(context: Context) -> Evidence:
    repeats = context.choose(40, 400)
    problem = product_problem(1, (-0.5, 0.7))
    sizes = (20, 50, 150, 500, 2000)
    covered = wrong = 0
    for repeat in range(repeats):
        found = [
            context.evaluate(problem, n, "conditional", key=f"rates:critical:{repeat}", replicates=4000) for n in sizes
        ]
        fit = fit_power(sizes, [r.log_delta for r in found], [r.std_error or math.inf for r in found])
        low, high = slope_interval(fit)
        covered += low <= -0.5 <= high
        wrong += low <= -0.45 <= high
    rows = [
        Row(
            f"slope on log n: {name}",
            Control(binomial_decision(hits, repeats, _NOMINAL))
            if control
            else binomial_decision(hits, repeats, _NOMINAL),
            theory=_NOMINAL,
            estimate=hits / repeats,
            interval=clopper_pearson(hits, repeats),
        )
        for name, hits, control in (("coverage of −½", covered, False), ("coverage of −0.45", wrong, True))
    ]
    return Evidence(rows)


CLAIMS = (
    Claim(
        "rates.coverage",
        "S11",
        "The slope's 95 % interval covers −I_Q at nominal rate",
        "Generalised least squares on simulated log Δ with the half logarithm added; independent random "
        "numbers at each n and for each seed. The naive fit without ½ log n must fail.",
        "log Δ̂ₙ + ½ log n = c − I n + b/n",
        "Gaussian mean, linear regression, finite law, Gaussian mixture",
        "Statistical: exact binomial test of the number of covering intervals, Clopper–Pearson interval "
        "shown; lack of fit "
        "by Fisher's combination over seeds. Naive fits and an exponent 5 % too large must be rejected.",
        _coverage,
        quantity="coverage",
        scale="plain",
    ),
    Claim(
        "rates.critical",
        "S11",
        "At the critical scale the fitted slope covers −½",
        "Power law in the sample size, with its own correction term.",
        "log Δ̂ₙ = c − ½ log n + b/n",
        "Gaussian mean, thresholds at −0.5 and 0.7 standard errors",
        "Statistical: exact binomial test. A slope of −0.45 must be rejected.",
        _critical_slope,
        quantity="coverage",
        scale="plain",
    ),
)
