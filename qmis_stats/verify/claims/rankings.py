"""S13 and S14: intervals of indicators and confidence sets of ranks, from losses with known gaps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.inference.gap_intervals import gap_interval
from qmis_stats.inference.indicator import indicator
from qmis_stats.inference.ranking import rank
from qmis_stats.inference.shares import clopper_pearson
from qmis_stats.verify.decisions import Control, Statistical, binomial_decision
from qmis_stats.verify.evidence import Claim, Context, Evidence, Row

_NOMINAL = 0.95
_POINTS = 1000
_DRAWS = 499

Sampler = Callable[[np.random.Generator, int], FloatArray]


def _discrete(rng: np.random.Generator, size: int) -> FloatArray:
    return rng.choice([-1.0, 0.0, 1.0], size, p=[0.15, 0.55, 0.3])


_LAWS: tuple[tuple[str, Sampler, float], ...] = (
    ("normal, s = 0.3", lambda rng, size: rng.normal(0.3, 1.0, size), 0.3),
    ("exponential, right tail, s = 0.3", lambda rng, size: rng.exponential(size=size) - 0.7, 0.3),
    ("exponential, left tail, s = 0.3", lambda rng, size: 1.3 - rng.exponential(size=size), 0.3),
    ("discrete on −1, 0, 1", _discrete, 0.15 / np.sqrt(0.45 - 0.15**2)),
)


def _at_least(hits: int, trials: int, rate: float) -> Statistical:
    """Return the exact one-sided binomial test of "the success rate is at least ``rate``"."""
    from scipy.stats import binom  # slow to load

    return Statistical("exact binomial, one-sided", hits / trials, float(binom.cdf(hits, trials, rate)))


def _row(setting: str, hits: int, trials: int, decision: Statistical | Control, nominal: float = _NOMINAL) -> Row:
    return Row(
        setting,
        decision,
        n=_POINTS,
        theory=nominal,
        estimate=hits / trials,
        interval=clopper_pearson(hits, trials),
    )


def _one_rival(context: Context) -> Evidence:
    repeats = context.choose(400, 4000)
    rows = []
    for name, draw, s in _LAWS:
        rng = context.rng(f"rankings:{name}")
        hits = normal_theory = 0
        for _ in range(repeats):
            x = draw(rng, _POINTS)
            found = gap_interval(x, _NOMINAL)
            hits += found.low <= s <= found.high
            if "left" in name:
                wide = gap_interval(x + 0.7, _NOMINAL, method="noncentral_t")
                normal_theory += wide.low <= 1.0 <= wide.high
        rows.append(_row(name, hits, repeats, binomial_decision(hits, repeats, _NOMINAL)))
        if "left" in name:
            control = Control(binomial_decision(normal_theory, repeats, _NOMINAL))
            rows.append(_row("left tail, s = 1: normal theory, wrong law", normal_theory, repeats, control))
    return Evidence(rows)


def _losses(rng: np.random.Generator, gaps: FloatArray, dependence: float) -> FloatArray:
    """Return losses of a best candidate and rivals with these standardised gaps, increments of equal correlation."""
    base = rng.exponential(size=_POINTS)
    common = rng.normal(size=_POINTS)
    own = rng.normal(size=(gaps.size, _POINTS))
    increments = gaps[:, None] + np.sqrt(dependence) * common + np.sqrt(1.0 - dependence) * own
    return np.vstack([base, base + increments])


def _minimum(context: Context) -> Evidence:
    repeats = context.choose(200, 800)
    rows = []
    for name, gaps, dependence in (
        ("five rivals, one nearest", np.array([0.2, 0.3, 0.4, 0.5, 0.6]), 0.0),
        ("20 rivals at the same gap", np.full(20, 0.25), 0.0),
        ("20 rivals at the same gap, correlation 0.8", np.full(20, 0.25), 0.8),
    ):
        rng = context.rng(f"rankings:minimum:{name}")
        hits = naive = 0
        truth = 0.5 * float(np.min(gaps)) ** 2
        for repeat in range(repeats):
            found = indicator(_losses(rng, gaps, dependence), draws=_DRAWS, seed=context.seed_of(f"{name}:{repeat}"))
            low, high = found.conf_int(_NOMINAL)
            hits += low <= truth <= high
            nearest = found.near.statistics.take(np.array([np.argmin(found.near.statistics.s)]))
            naive += float(nearest.limits(-1.96)[0]) <= np.min(gaps) <= float(nearest.limits(1.96)[0])
        rows.append(_row(name, hits, repeats, _at_least(hits, repeats, _NOMINAL)))
        if name.endswith("same gap"):
            control = Control(_at_least(naive, repeats, _NOMINAL))
            rows.append(_row("the nearest rival taken for known", naive, repeats, control))
    return Evidence(rows)


def _ranks(context: Context) -> Evidence:
    repeats = context.choose(200, 800)
    rows = []
    for name, gaps in (
        ("five quantizers, all equal", [0.2] * 5),
        ("five quantizers, two groups", [0.15, 0.15, 0.15, 0.4, 0.4]),
    ):
        rng = context.rng(f"rankings:ranks:{name}")
        values = np.array(gaps)
        # A rank set has to hold every rank that ties allow.
        first = 1 + np.sum(values[None, :] > values[:, None], axis=1)
        last = np.sum(values[None, :] >= values[:, None], axis=1)
        joint = unadjusted = 0
        for repeat in range(repeats):
            losses = {
                f"q{q}": _losses(rng, np.array([gap, gap, gap + 0.3]), 0.0)[:, :_POINTS] for q, gap in enumerate(gaps)
            }
            found = rank(losses, draws=_DRAWS, seed=context.seed_of(f"{name}:{repeat}"))
            sets = found.rank_sets(_NOMINAL)
            joint += bool(np.all((sets[:, 0] <= first) & (sets[:, 1] >= last)))
            wrong = (found.comparisons.statistics > 1.645) & (values[:, None] >= values[None, :])
            unadjusted += not wrong.any()
        rows.append(_row(f"{name}: all sets hold", joint, repeats, _at_least(joint, repeats, _NOMINAL)))
        if "all equal" in name:
            control = Control(_at_least(unadjusted, repeats, _NOMINAL))
            rows.append(_row("pairs tested one by one at 5 %", unadjusted, repeats, control))
    return Evidence(rows)


CLAIMS = (
    Claim(
        "rankings.one_rival",
        "S13",
        "The interval of a gap covers at its nominal rate",
        "Limits with jackknife errors, skewness removed by Hall's cubic and Student quantiles, for increments that are "
        "not normal. Normal theory must fail where they are not.",
        "P(L ≤ δ/σ ≤ U) = 0.95",
        "normal, exponential to either side, discrete increments; N = 1000",
        "Statistical: exact binomial test of the number of covering intervals. Normal theory on a left tail must be "
        "rejected.",
        _one_rival,
        quantity="coverage",
        scale="plain",
    ),
    Claim(
        "rankings.minimum",
        "S13",
        "The indicator's interval covers, however many rivals tie",
        "Pointwise below, simultaneous above over the rivals that survive screening.",
        "P(L ≤ min_k s_k ≤ U) ≥ 0.95",
        "normal increments, up to 20 rivals at the same gap; N = 1000",
        "Statistical: exact one-sided binomial test. An interval for the nearest rival alone must be rejected.",
        _minimum,
        quantity="coverage",
        scale="plain",
    ),
    Claim(
        "rankings.ranks",
        "S14",
        "All rank sets hold together at their level",
        "One-sided comparisons of all pairs with step-down on shared points; under the null any decided pair is wrong.",
        "P(all ranks in their sets) ≥ 0.95",
        "five quantizers, all equal or in two groups, two nearest rivals each; N = 1000",
        "Statistical: exact one-sided binomial test. Pairs tested one by one must be rejected.",
        _ranks,
        quantity="coverage",
        scale="plain",
    ),
)
