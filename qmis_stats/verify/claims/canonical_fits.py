"""S18 with d comparable to n: logistic fits and attacks on them, beside the state evolution and the closed form.

Fits are made by the compiled kernel. The attack learns mean factor, spread and proximal parameter from fits of its own;
its proximal points are read off a table, and share no code with the formula's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from qmis_kernels import backend
from qmis_stats.arrays import FloatArray
from qmis_stats.laws import LogisticRegression
from qmis_stats.problem import Problem
from qmis_stats.procedures import ThresholdPTQ
from qmis_stats.quantizers import Sign, Uniform
from qmis_stats.theory import canonical_law, high_dimension, proportional, unquantized_fit
from qmis_stats.verify.decisions import Control, z_decision
from qmis_stats.verify.evidence import Claim, Context, Evidence, Row

_BLOCK = 20
_TABLE = np.linspace(-40.0, 40.0, 40_001)
_NODES = np.linspace(-6.0, 6.0, 61)

_Sample = tuple[FloatArray, FloatArray, FloatArray]


def _samples(beta: FloatArray, n: int, count: int, rng: np.random.Generator) -> Iterator[_Sample]:
    """Yield blocks of features (2, B, n, d), answers (2, B, n), and the estimates (B, d) of the first half of both."""
    for _ in range(count // _BLOCK):
        x = rng.normal(size=(2, _BLOCK, n, beta.size))
        y = np.asarray(rng.random((2, _BLOCK, n)) < expit(x @ beta), dtype=np.float64)
        estimates, status = backend("numba").logistic_fits(x[0], y[0], 1e-8, 60)
        if np.any(status != 0):
            raise ArithmeticError("a likelihood has no maximum: take more points")
        yield x, y, estimates


@dataclass(frozen=True)
class _Learnt:
    """What fits tell: the factor of their mean, one value each, the spread s of fitted values, and q."""

    factors: FloatArray
    squares: FloatArray
    proximity: float

    @property
    def factor(self) -> float:
        return float(self.factors.mean())

    @property
    def spread(self) -> float:
        return math.sqrt(float(self.squares.mean()))


def _learnt(beta: FloatArray, samples: Iterator[_Sample]) -> _Learnt:
    estimates, proximity = [], []
    for x, _, found in samples:
        estimates.append(found)
        for design, theta in zip(x[0], found, strict=True):
            w = expit(design @ theta) * expit(-(design @ theta))
            h = np.sum(np.linalg.solve((design.T * w) @ design, design.T).T * design, axis=1)
            proximity.append(float(np.mean(h / (1.0 - w * h))))
    weights = np.concatenate(estimates)
    factors = weights @ beta / float(beta @ beta)
    squares = np.sum((weights - float(factors.mean()) * beta) ** 2, axis=1)
    return _Learnt(factors, squares, float(np.mean(proximity)))


def _areas(beta: FloatArray, learnt: _Learnt, samples: Iterator[_Sample]) -> dict[str, tuple[float, float]]:
    """Return the AUCs of the attacks on estimates and on their signs, with standard errors over fits."""
    from scipy.stats import norm  # slow to load

    s, mean = learnt.spread, learnt.factor * beta
    error = s / math.sqrt(beta.size)
    up, down = norm.cdf(mean / error), norm.cdf(-mean / error)
    height = error * norm.pdf(mean / error)
    kept = float(np.mean(height**2 / (up * down))) / error**2
    scores: dict[str, list[FloatArray]] = {"not quantized": [], "signs": []}
    for x, y, found in samples:
        a = x @ mean
        whole = np.einsum("krnd,rd->krn", x, found - mean) / s
        signs = np.einsum("krnd,rd->krn", x, np.where(found > 0.0, height / up, -height / down)) / (s * math.sqrt(kept))
        scores["not quantized"].append(_ratio(whole, a, y, learnt, 1.0))
        scores["signs"].append(_ratio(signs, a, y, learnt, math.sqrt(kept)))
    return {name: _area(*np.concatenate(parts, axis=1)) for name, parts in scores.items()}


def _ratio(w: FloatArray, a: FloatArray, y: FloatArray, learnt: _Learnt, c: float) -> FloatArray:
    """Return log likelihood ratios of read-outs whose correlation with the fitted value is c."""
    s, q = learnt.spread, learnt.proximity
    if c == 1.0:
        v = a + s * w
        tau = w + q / s * (expit(v) - y)
        return np.asarray(np.log1p(q * expit(v) * expit(-v)) - 0.5 * tau**2 + 0.5 * w**2)
    moved = _TABLE + q * expit(_TABLE)
    density = np.zeros_like(w)
    for node in _NODES:
        m = (np.interp(a + s * node + q * y, moved, _TABLE) - a) / s
        density += np.exp(-0.5 * node**2 - 0.5 * (w - c * m) ** 2 / (1.0 - c * c))
    return np.asarray(np.log(density) + 0.5 * w**2)


def _area(inside: FloatArray, outside: FloatArray) -> tuple[float, float]:
    """Return the area under the ROC curve and its standard error over fits, which are the rows."""
    low, high = np.sort(outside.ravel()), np.sort(inside.ravel())
    won = np.searchsorted(low, inside).mean(axis=1) / low.size
    influence = won - np.searchsorted(high, outside).mean(axis=1) / high.size
    return float(won.mean()), float(influence.std(ddof=1)) / math.sqrt(len(inside))


def _setting(context: Context, key: str, d: int, n: int) -> tuple[LogisticRegression, np.random.Generator]:
    rng = context.rng(f"canonical_fits.{key}:{n}")
    beta = rng.normal(size=d)
    return LogisticRegression(beta / float(np.linalg.norm(beta)), np.eye(d)), rng


def _evolution(context: Context) -> Evidence:
    rows, d = [], 60
    for n in (240, 480):
        law, rng = _setting(context, "evolution", d, n)
        count = context.choose(240, 1000)
        found = _learnt(law.coefficients, _samples(law.coefficients, n, count, rng))
        theory = canonical_law(law, n)
        plain = float(np.sum(np.diag(law.parameter_covariance))) / n
        for name, seen, value, naive, bound in (
            ("mean factor", found.factors, theory.factor, 1.0, 3.0 / d),
            ("variance of a fitted value", found.squares, theory.spread, plain, 10.0 / d),
        ):
            mean, error = float(seen.mean()), float(seen.std(ddof=1)) / math.sqrt(seen.size)
            # The equations are the limit of many coefficients; a finite number adds its share.
            for label, truth in ((name, value), (f"{name} by fixed d", naive)):
                decision = z_decision(mean - truth, error, bound * truth)
                shown = Control(decision) if label != name else decision
                rows.append(Row(f"d = {d}, n = {n}: {label}", shown, n, truth, None, mean, error))
    return Evidence(rows)


def _attack(context: Context) -> Evidence:
    d, n = 64, 256
    law, rng = _setting(context, "attack", d, n)
    beta, count = law.coefficients, context.choose(360, 2400)
    learnt = _learnt(beta, _samples(beta, n, count // 3, rng))
    areas = _areas(beta, learnt, _samples(beta, n, count, rng))
    problem = Problem(law, ThresholdPTQ(Sign()))
    whole, signs = unquantized_fit(law, n).roc, proportional(problem, n).roc
    # S18 for d small beside n, at fine cells: neither mean factor nor proximal map.
    small = high_dimension(Problem(law, ThresholdPTQ(Uniform(8))), n).roc
    assert whole is not None
    assert signs is not None
    assert small is not None
    rows = []
    for name, label, area, control in (
        ("not quantized", "AUC of the attack", whole.auc, False),
        ("signs", "AUC of the attack", signs.auc, False),
        ("not quantized", "by the form for d small beside n", small.auc, True),
        ("signs", "the codes taken for the weights", whole.auc, True),
    ):
        seen, error = areas[name]
        decision = z_decision(seen - area, error, 0.25 / d * area)
        shown = Control(decision) if control else decision
        rows.append(Row(f"{name}, d = {d}, n = {n}: {label}", shown, n, area, None, seen, error))
    return Evidence(rows)


CLAIMS = (
    Claim(
        "canonical_fits.evolution",
        "S18",
        "Logistic fits follow the state evolution",
        "The mean of real fits is α times the coefficients, and their fitted values have the variance s², where both "
        "solve three equations in one dimension.",
        "α = ḡ/c̄,  s² = γ v̄/c̄²,  q = γ/c̄",
        "x ~ N(0, I_d), logistic y with predictors of variance one, maximum likelihood, d = 60, d/n of 1/4 and 1/8",
        "Statistical: z over fits less 3/d and 10/d. The values for fixed d, α = 1 and tr V/n, must be rejected.",
        _evolution,
        quantity="moment",
        scale="plain",
    ),
    Claim(
        "canonical_fits.attack",
        "S18",
        "The attack on logistic fits attains the closed form",
        "The likelihood ratio of a read-out, with mean factor, spread and proximal parameter learnt from other fits, "
        "has the AUC of the formula on real fits, released as they are and as signs.",
        "Δ = E_z TV(N(0, 1), law of c M + √(1 − c²) ξ),  M = (prox_q(a + sτ) − a)/s",
        "x ~ N(0, I_64), logistic y, maximum likelihood on 256 points",
        "Statistical: z of the AUC less 0.25/d of it. The form for d small beside n, without mean factor and proximal "
        "map, must be rejected, and for signs the AUC without quantization.",
        _attack,
        quantity="AUC",
        scale="plain",
    ),
)
