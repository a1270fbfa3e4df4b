"""Does the indicator rank correctly? Kendall's tau against MIS on problems where MIS is known, and where it fails.

Usage: python docs/studies/indicator_ranking.py [--quick] [--page-only]

Families of quantizers are drawn at random on one law. The ranking by r̂ from losses on N points, by the population's
r_Q and by exponents is compared with the ranking by MIS_n, from the exact oracles or, where there is none, from
simulations with their standard errors. Everything is written to indicator_ranking.csv; write_indicator_ranking.py makes
the page and the figures from that file. All seeds are fixed.
"""

import argparse
import csv
import math
import os
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.special import gammaln, logsumexp
from scipy.stats import kendalltau
from scipy.stats import t as student
from write_indicator_ranking import write

import qmis_kernels
from qmis_stats import (
    CodebookERM,
    FiniteLaw,
    FixedThresholds,
    GaussianMean,
    LinearRegression,
    LloydMax,
    LossTable,
    MISResult,
    Problem,
    ThresholdPTQ,
    Uniform,
    mis,
)
from qmis_stats.inference.ranking import Ranking, rank, ranking_of
from qmis_stats.theory import retained_information

HERE = Path(__file__).resolve().parent
QUANTIZERS = 10
SIZES = (7, 40, 200, 2000)
POINTS = (500, 5000, 50_000)
DRAWS = 999
DECIDED = 3.0  # standard errors beyond which simulated values are in a certain order


@dataclass(frozen=True)
class Scale:
    """How much is run."""

    repetitions: int
    points: tuple[int, ...]
    evaluations: int
    sums: int
    pairs: int


FULL = Scale(repetitions=20, points=POINTS, evaluations=200, sums=8_000, pairs=20_000)
QUICK = Scale(repetitions=2, points=POINTS[:2], evaluations=20, sums=4_000, pairs=5_000)


@dataclass
class Table:
    """Rows of the CSV file."""

    rows: list[dict] = field(default_factory=list)

    def add(self, part, family, quantity, values, *, setting="", n="", points="", share=False):
        """Add the mean of ``values`` with its interval: Student's over repetitions, Wilson's for a share of them."""
        values = np.atleast_1d(np.asarray(values, dtype=np.float64))
        mean, count = float(values.mean()), values.size
        low = high = mean
        if share:
            low, high = wilson(mean, count)
        elif count > 1:
            half = float(student.ppf(0.975, count - 1)) * float(values.std(ddof=1)) / math.sqrt(count)
            low, high = mean - half, mean + half
        self.rows.append(
            {
                "part": part,
                "family": family,
                "setting": setting,
                "n": n,
                "N": points,
                "quantity": quantity,
                "value": f"{mean:.6g}",
                "low": f"{low:.6g}",
                "high": f"{high:.6g}",
                "repetitions": count,
            }
        )

    def save(self, path):
        """Write the file."""
        with path.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, list(self.rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)


def wilson(share, count):
    """Return Wilson's 95 % interval of a share."""
    z2 = 1.959964**2
    centre, width = share + z2 / (2 * count), math.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2)))
    return (centre - width) / (1 + z2 / count), (centre + width) / (1 + z2 / count)


# --- orders ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Truth:
    """log Δ_n of a family, with standard errors that are zero where it is exact."""

    log_delta: np.ndarray
    error: np.ndarray
    outside: float = 0.0  # share of results outside their method's domain

    @classmethod
    def of(cls, results: list[MISResult]) -> "Truth":
        """Collect results."""
        return cls(
            np.array([r.log_delta for r in results]),
            np.array([r.std_error or 0.0 for r in results]),
            float(np.mean([not r.in_domain for r in results])),
        )

    def more_private(self) -> np.ndarray:
        """Return +1 where row is surely more private than column, -1 where surely less, 0 where undecided."""
        with np.errstate(invalid="ignore"):
            gap = self.log_delta[None, :] - self.log_delta[:, None]
        gap = np.nan_to_num(gap, nan=0.0, posinf=np.inf, neginf=-np.inf)
        tolerance = np.hypot(self.error[:, None], self.error[None, :]) * DECIDED
        return np.where(np.abs(gap) > np.maximum(tolerance, 1e-9), np.sign(gap), 0.0)

    def rank_range(self) -> np.ndarray:
        """Return the possible ranks, (G, 2): rank 1 is the most private."""
        sign = self.more_private()
        return np.column_stack([1 + (sign < 0).sum(axis=1), len(sign) - (sign > 0).sum(axis=1)])


def tau(scores, truth: Truth) -> float:
    """Kendall's tau-b between scores, large for private, and MIS; undecided pairs of the truth count as ties."""
    scores = np.asarray(scores, dtype=np.float64)
    mine = np.sign(scores[:, None] - scores[None, :])
    mine[np.isnan(mine)] = 0.0
    theirs = truth.more_private()
    if not truth.error.any() and len(np.unique(truth.log_delta)) == len(scores):
        return float(kendalltau(scores, -truth.log_delta).statistic)
    norm = math.sqrt(np.abs(mine).sum() * np.abs(theirs).sum())
    return float((mine * theirs).sum() / norm) if norm > 0.0 else 0.0


def contains(sets, ranks) -> np.ndarray:
    """Return which sets meet the possible ranks."""
    return (sets[:, 0] <= ranks[:, 1]) & (ranks[:, 0] <= sets[:, 1])


# --- families --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Family:
    """Quantizers on one law, with a sampler of the losses of all their codewords on the same points."""

    problems: list[Problem]
    draw: object  # (rng, N) -> list of (K, N) losses

    def truth(self, n, scale) -> Truth:
        """Return MIS_n of all quantizers, exact where an oracle exists."""
        return Truth.of([solve(p, n, scale) for p in self.problems])


def solve(problem: Problem, n: int, scale: Scale) -> MISResult:
    """Return Δ_n by the oracle or, where there is none, by simulation."""
    for method in ("exact", "likelihood_ratio", "tilted"):
        try:
            return mis(problem, n, method, replicates=scale.pairs if method == "likelihood_ratio" else scale.sums)
        except Exception as error:
            if type(error).__name__ != "DomainError" or method == "tilted":
                raise
    raise AssertionError


def gaussian_losses(codebooks, mean):
    """Return a sampler of squared losses under N(mean, I)."""
    mean = np.atleast_1d(mean)

    def draw(rng, points):
        z = mean + rng.standard_normal((points, mean.size))
        return [((c[:, None, :] - z[None, :, :]) ** 2).sum(axis=2) for c in codebooks]

    return draw


def line(rng, size):
    """Random codebooks for the mean of N(0, 1)."""
    law = GaussianMean([0.0], [[1.0]])
    codebooks = [1.2 * rng.standard_normal((size, 1)) for _ in range(QUANTIZERS)]
    return Family([Problem(law, CodebookERM(c)) for c in codebooks], gaussian_losses(codebooks, np.zeros(1)))


def plane(rng, size):
    """Random codebooks for the mean of N(0, I) in the plane."""
    law = GaussianMean([0.0, 0.0], np.eye(2))
    codebooks = [1.2 * rng.standard_normal((size, 2)) for _ in range(QUANTIZERS)]
    return Family([Problem(law, CodebookERM(c)) for c in codebooks], gaussian_losses(codebooks, np.zeros(2)))


NOISE = 0.5


def regression_of(codebooks):
    """Return a family on one regression: design N(0, I) in the plane, noise of standard deviation 1/2."""
    law = LinearRegression([1.0, 0.0], np.eye(2), NOISE)

    def draw(rng, points):
        x, noise = rng.standard_normal((points, 2)), NOISE * rng.standard_normal(points)
        return [(noise - (c - law.coefficients) @ x.T) ** 2 for c in codebooks]

    return Family([Problem(law, CodebookERM(c)) for c in codebooks], draw)


def regression(rng, size):
    """Random codebooks about the coefficients of a regression."""
    return regression_of([np.array([1.0, 0.0]) + 0.35 * rng.standard_normal((size, 2)) for _ in range(QUANTIZERS)])


def finite_of(probabilities, tables):
    """Return a family on a finite law, one table of losses per quantizer."""
    law = FiniteLaw(probabilities)
    weights = np.array([float(p) for p in law.probabilities])
    arrays = [np.array([[float(Fraction(x)) for x in row] for row in table]) for table in tables]

    def draw(rng, points):
        atoms = rng.choice(weights.size, points, p=weights / weights.sum())
        return [a[:, atoms] for a in arrays]

    return Family([Problem(law, LossTable(table)) for table in tables], draw)


def finite(rng, size):
    """Random loss tables on three atoms; every rival beats the best somewhere, none ties with it."""
    probabilities = (Fraction(1, 2), Fraction(3, 10), Fraction(1, 5))
    tables = []
    while len(tables) < QUANTIZERS:
        table = rng.integers(0, 30, (size, 3))
        problem = Problem(FiniteLaw(probabilities), LossTable(table.tolist()))
        if len(np.unique(table, axis=0)) == size and all(face.kind == "regular" for face in problem.faces):
            tables.append(table.tolist())
    return finite_of(probabilities, tables)


def thresholds(rng, _size):
    """Post-training quantization of the mean of N(0.4, 1): uniform and Lloyd-Max, 1 to 4 bits, random scales."""
    law, problems, codebooks = GaussianMean([0.4], [[1.0]]), [], []
    for _ in range(QUANTIZERS):
        kind, bits, scale = rng.integers(2), int(rng.integers(1, 5)), float(rng.uniform(0.5, 2.0))
        quantizer = Uniform(bits, scale) if kind else LloydMax(bits, scale)
        problem = Problem(law, ThresholdPTQ(quantizer))
        edges = problem.thresholds[0]
        # Levels whose midpoints are the thresholds, symmetric about zero.
        levels = np.zeros(edges.size + 1)
        levels[0] = edges[0] - 0.8 * scale if edges.size == 1 else edges[0] - 0.5 * (edges[1] - edges[0])
        for j, edge in enumerate(edges):
            levels[j + 1] = 2.0 * edge - levels[j]
        problems.append(problem)
        codebooks.append(levels[:, None])
    return Family(problems, gaussian_losses(codebooks, np.array([0.4])))


FAMILIES = (
    ("line", line, (2, 5, 17)),
    ("plane", plane, (2, 3, 5, 9)),
    ("regression", regression, (2, 5)),
    ("finite", finite, (2, 3, 5)),
    ("thresholds", thresholds, (0,)),
)


def rank_losses(losses, seed) -> Ranking:
    """Rank by the package."""
    return rank({f"quantizer {i}": values for i, values in enumerate(losses)}, draws=DRAWS, seed=seed)


def study_regular(table: Table, scale: Scale, only: str) -> None:
    """Part 1: random families at fixed cells."""
    for place, (name, make, sizes) in enumerate(FAMILIES):
        for size in sizes if name == only else ():
            found: dict[tuple, list[float]] = {}

            def note(key, value, found=found):
                found.setdefault(key, []).append(float(value))

            for repetition in range(scale.repetitions):
                rng = np.random.default_rng([1, place, size, repetition])
                family = make(rng, size)
                truths = {n: family.truth(n, scale) for n in SIZES}
                r_q = np.array([p.indicator for p in family.problems])
                i_q = np.array([p.exponent for p in family.problems])
                r_ranks = Truth(-r_q, np.zeros(len(r_q))).rank_range()
                losses = family.draw(rng, scale.points[-1])
                for n, truth in truths.items():
                    note(("tau r_Q", n, ""), tau(r_q, truth))
                    note(("tau I_Q", n, ""), tau(i_q, truth))
                    note(("outside domain", n, ""), truth.outside)
                    note(("undecided pairs", n, ""), np.mean(truth.more_private()[np.triu_indices(len(r_q), 1)] == 0))
                note(("tau r_Q with I_Q", "", ""), kendalltau(r_q, i_q).statistic)
                for points in scale.points:
                    ranking = rank_losses([x[:, :points] for x in losses], repetition)
                    sets = ranking.rank_sets()
                    chernoff = np.array([entry.chernoff.exponent for entry in ranking.indicators])
                    note(("sets hold r_Q", "", points), contains(sets, r_ranks).all())
                    note(("set width", "", points), np.mean(1 + sets[:, 1] - sets[:, 0]))
                    for n, truth in truths.items():
                        note(("tau r", n, points), tau(ranking.params, truth))
                        note(("tau I", n, points), tau(chernoff, truth))
                        held = contains(sets, truth.rank_range())
                        note(("sets hold MIS", n, points), held.all())
                        note(("set holds MIS", n, points), held.mean())
            for (quantity, n, points), values in found.items():
                share = quantity in ("sets hold r_Q", "sets hold MIS")
                table.add("regular", name, quantity, values, setting=size or "2-16", n=n, points=points, share=share)


def study_rank_sets(table: Table, scale: Scale) -> None:
    """Coverage of the rank sets for the rank by r_Q, in more families than MIS is computed for."""
    for place, (name, make, sizes) in enumerate(FAMILIES):
        for size in sizes:
            found: dict[tuple, list[float]] = {}
            for repetition in range(5 * scale.repetitions):
                rng = np.random.default_rng([11, place, size, repetition])
                family = make(rng, size)
                r_q = np.array([p.indicator for p in family.problems])
                losses = family.draw(rng, scale.points[1])
                for points in scale.points[:2]:
                    ranking = rank_losses([x[:, :points] for x in losses], repetition)
                    clear = [g for g, entry in enumerate(ranking.indicators) if not entry.near_ties]
                    found.setdefault(("clear best", points), []).append(len(clear) / len(r_q))
                    for quantity, chosen in (("sets hold r_Q", range(len(r_q))), ("clear sets hold r_Q", clear)):
                        if len(chosen) > 1:
                            among = ranking_of([ranking.indicators[g] for g in chosen], DRAWS, repetition).rank_sets()
                            ranks = Truth(-r_q[list(chosen)], np.zeros(len(chosen))).rank_range()
                            found.setdefault((quantity, points), []).append(contains(among, ranks).all())
            for (quantity, points), values in found.items():
                share = quantity != "clear best"
                table.add("rank sets", name, quantity, values, setting=size or "2-16", points=points, share=share)


# --- r against I -----------------------------------------------------------------------------------------------------


def study_saturation(table: Table, scale: Scale) -> None:
    """Regressions with two codewords: r and I are functions of one number, and r saturates."""
    for place, (low, high) in enumerate(((0.1, 0.5), (0.5, 2.0), (2.0, 8.0))):
        found: dict[tuple, list[float]] = {}
        for repetition in range(scale.repetitions):
            rng = np.random.default_rng([2, place, repetition])
            rho, angle = rng.uniform(low, high, QUANTIZERS), rng.uniform(0.0, 2.0 * np.pi, QUANTIZERS)
            steps = 2.0 * NOISE * rho[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
            family = regression_of([np.array([[1.0, 0.0], np.array([1.0, 0.0]) + s]) for s in steps])
            truths = {n: family.truth(n, scale) for n in SIZES}
            r_q = np.array([p.indicator for p in family.problems])
            i_q = np.array([p.exponent for p in family.problems])
            assert np.allclose(i_q, 0.5 * np.log((1.0 - 2.0 * r_q) / (1.0 - 4.0 * r_q)))
            losses = family.draw(rng, scale.points[-1])
            for n, truth in truths.items():
                found.setdefault(("tau r_Q", n, ""), []).append(tau(r_q, truth))
            for quantity, value in (("smallest r", r_q.min()), ("largest r", r_q.max()), ("largest I", i_q.max())):
                found.setdefault((quantity, "", ""), []).append(value)
            for points in scale.points:
                ranking = rank_losses([x[:, :points] for x in losses], repetition)
                entries = [entry.chernoff for entry in ranking.indicators]
                for n, truth in truths.items():
                    found.setdefault(("tau r", n, points), []).append(tau(ranking.params, truth))
                    found.setdefault(("tau I", n, points), []).append(tau([e.exponent for e in entries], truth))
                found.setdefault(("I in domain", "", points), []).append(np.mean([e.in_domain for e in entries]))
        for (quantity, n, points), values in found.items():
            table.add("saturation", f"{low:g} to {high:g}", quantity, values, n=n, points=points)


def agreement(a, b):
    """Return (probabilities, losses): 0-1 losses, the best is alone right on a share a and alone wrong on b."""
    a, b = Fraction(a), Fraction(b)
    return (a, b, 1 - a - b), [[0, 1, 0], [1, 0, 0]]


def two_moments(a, b):
    """Return r and I of 0-1 losses."""
    a, b = float(a), float(b)
    return (a - b) ** 2 / (2.0 * (a + b - (a - b) ** 2)), -math.log1p(-((math.sqrt(a) - math.sqrt(b)) ** 2))


def with_exponent(exponent, ratio):
    """Return shares (a, b = ratio·a) of 0-1 losses with Chernoff exponent near ``exponent``, as short decimals."""
    a = -math.expm1(-exponent) / (1.0 - math.sqrt(ratio)) ** 2
    return Fraction(round(a * 1e6), 10**6), Fraction(round(a * ratio * 1e6), 10**6)


def agreement_log_delta(pair, n: int) -> float:
    """Return log Δ_n of 0-1 losses at any n, from two probabilities of a random walk with steps 1, 0, -1.

    With u = P(S_{n-1} = 0) and v = P(S_{n-1} = -1), ties kept by the best codeword, P(T = 2 | Z_1) less its mean is
    -(1-a)v - bu, av - bu and av + (1-b)u where the best is alone right, both are alike, and it is alone wrong.
    """
    a, b = map(float, pair)
    m, rest = n - 1, math.log1p(-a - b)
    k = np.arange(m // 2 + 1)
    zero = gammaln(m + 1) - 2.0 * gammaln(k + 1) - gammaln(m - 2 * k + 1) + k * math.log(a * b) + (m - 2 * k) * rest
    k = np.arange((m - 1) // 2 + 1)
    below = gammaln(m + 1) - gammaln(k + 1) - gammaln(k + 2) - gammaln(m - 2 * k) + (m - 1 - 2 * k) * rest
    below += k * math.log(a * b) + math.log(b)
    log_u, log_v = float(logsumexp(zero)), float(logsumexp(below))
    unit = max(log_u, log_v)
    u, v = math.exp(log_u - unit), math.exp(log_v - unit)
    value = a * ((1.0 - a) * v + b * u) + (1.0 - a - b) * abs(a * v - b * u) + b * (a * v + (1.0 - b) * u)
    return math.log(value) + unit


CROSSED = (
    ("few disagreements, one-sided", Fraction(1, 10), Fraction(1, 1000)),
    ("many", Fraction(2, 5), Fraction(7, 50)),
)


def opposed(count=QUANTIZERS):
    """Return 0-1 losses whose I falls while r rises: the share of two-sided disagreements grows along the family."""
    return [with_exponent(0.06 * 0.975**j, 0.0025 * 1.7**j) for j in range(count)]


def joint_family(pairs):
    """Return several 0-1 problems on one law: points on which pairs of quantizers disagree are independent."""

    def draw(rng, points):
        found = []
        for a, b in pairs:
            u = rng.random(points)
            found.append(np.stack([(u >= 1.0 - float(b)) * 1.0, (u < float(a)) * 1.0]))
        return found

    return Family([Problem(FiniteLaw(agreement(*p)[0]), LossTable(agreement(*p)[1])) for p in pairs], draw)


def study_skewed(table: Table, scale: Scale) -> None:
    """Pairs and families that r orders wrongly and I orders right, by exact oracles."""
    for name, a, b in CROSSED:
        r, exponent = two_moments(a, b)
        for quantity, value in (("a", a), ("b", b), ("r", r), ("I", exponent)):
            table.add("0-1 pair", name, quantity, float(value))
        probabilities, losses = agreement(a, b)
        problem = Problem(FiniteLaw(probabilities), LossTable(losses))
        assert math.isclose(problem.indicator, r)
        assert math.isclose(problem.exponent, exponent, rel_tol=1e-9)
        assert math.isclose(mis(problem, 40, "exact").log_delta, agreement_log_delta((a, b), 40), rel_tol=1e-9)
        for n in (7, 20, 40, 80, 140, 200, 400, 700, 1000, 2000):
            table.add("0-1 pair", name, "log delta", agreement_log_delta((a, b), n), n=n)
    family = joint_family([(a, b) for _, a, b in CROSSED])
    for points in scale.points:
        right_r, right_i, excluded, believed = [], [], [], []
        for evaluation in range(scale.evaluations):
            rng = np.random.default_rng([3, points, evaluation])
            ranking = rank_losses(family.draw(rng, points), evaluation)
            entries = [entry.chernoff for entry in ranking.indicators]
            right_r.append(ranking.params[0] > ranking.params[1])
            right_i.append(entries[0].exponent > entries[1].exponent)
            excluded.append(not contains(ranking.rank_sets(), np.array([[1, 1], [2, 2]])).all())
            believed.append(all(e.in_domain for e in entries))
        for quantity, values in (
            ("r orders right", right_r),
            ("I orders right", right_i),
            ("rank sets exclude MIS", excluded),
            ("I in domain", believed),
        ):
            table.add("0-1 pair", "order", quantity, values, points=points, share=True)


def study_rare_class(table: Table, _scale: Scale) -> None:
    """Thresholds below and above the share of a class of probability 1/10, squared loss."""
    law = FiniteLaw(["9/10", "1/10"])
    for name, midpoint in (("threshold below, 0.03", Fraction(3, 100)), ("threshold above, 0.185", Fraction(37, 200))):
        codebook = (Fraction(1, 10), 2 * midpoint - Fraction(1, 10))
        problem = Problem(law, LossTable([[(c - z) ** 2 for z in (0, 1)] for c in codebook]))
        table.add("rare class", name, "r", problem.indicator)
        table.add("rare class", name, "I", problem.exponent)
        for n in SIZES:
            table.add("rare class", name, "log delta", mis(problem, n, "exact").log_delta, n=n)


def study_opposed(table: Table, scale: Scale) -> None:
    """A family whose r rises while I falls, and random 0-1 families."""
    pairs = opposed()
    family = joint_family(pairs)
    r_q, i_q = np.array([two_moments(*p) for p in pairs]).T
    for j, (a, b) in enumerate(pairs):
        for quantity, value in (("a", a), ("b", b), ("r", r_q[j]), ("I", i_q[j])):
            table.add("opposed", f"quantizer {j}", quantity, float(value))
    truths = {}
    for n in (*SIZES, 20_000):
        truths[n] = Truth(np.array([agreement_log_delta(p, n) for p in pairs]), np.zeros(len(pairs)))
        table.add("opposed", "tau", "tau r_Q", tau(r_q, truths[n]), n=n)
        table.add("opposed", "tau", "tau I_Q", tau(i_q, truths[n]), n=n)
    for points in scale.points:
        found: dict[tuple, list[float]] = {}
        for repetition in range(scale.repetitions):
            ranking = rank_losses(family.draw(np.random.default_rng([4, repetition]), points), repetition)
            chernoff = [entry.chernoff.exponent for entry in ranking.indicators]
            for n, truth in truths.items():
                found.setdefault(("tau r", n), []).append(tau(ranking.params, truth))
                found.setdefault(("tau I", n), []).append(tau(chernoff, truth))
        for (quantity, n), values in found.items():
            table.add("opposed", "tau", quantity, values, n=n, points=points)


def study_random_agreements(table: Table, scale: Scale) -> None:
    """Random 0-1 losses."""
    found: dict[tuple, list[float]] = {}
    for repetition in range(scale.repetitions):
        rng = np.random.default_rng([5, repetition])
        shares = rng.uniform(0.02, 0.35, QUANTIZERS)
        random_pairs = [
            (Fraction(round(a * 1e4), 10**4), Fraction(max(1, round(a * f * 1e4)), 10**4))
            for a, f in zip(shares, rng.uniform(0.0, 0.6, QUANTIZERS), strict=True)
        ]
        drawn = joint_family(random_pairs)
        r_q, i_q = np.array([two_moments(*p) for p in random_pairs]).T
        truths = {n: Truth(np.array([agreement_log_delta(p, n) for p in random_pairs]), np.zeros(10)) for n in SIZES}
        losses = drawn.draw(rng, scale.points[-1])
        for n, truth in truths.items():
            found.setdefault(("tau r_Q", n, ""), []).append(tau(r_q, truth))
            found.setdefault(("tau I_Q", n, ""), []).append(tau(i_q, truth))
        for points in scale.points:
            ranking = rank_losses([x[:, :points] for x in losses], repetition)
            entries = [entry.chernoff for entry in ranking.indicators]
            found.setdefault(("I in domain", "", points), []).append(np.mean([e.in_domain for e in entries]))
            for n, truth in truths.items():
                found.setdefault(("tau r", n, points), []).append(tau(ranking.params, truth))
                found.setdefault(("tau I", n, points), []).append(tau([e.exponent for e in entries], truth))
    for (quantity, n, points), values in found.items():
        table.add("0-1 families", "random", quantity, values, n=n, points=points)


# --- prefactors and numbers of rivals --------------------------------------------------------------------------------


def star(rivals: int, distance: float) -> Problem:
    """Return a best codeword at the mean of N(0, I) and rivals in orthogonal directions, faces at ``distance``."""
    dimension = max(rivals, 1)
    return Problem(
        GaussianMean(np.zeros(dimension), np.eye(dimension)),
        CodebookERM(np.vstack([np.zeros(dimension), 2.0 * distance * np.eye(dimension)])),
    )


NEAR, FAR = 0.30, 0.32


def study_prefactor(table: Table, scale: Scale) -> None:
    """Equal or nearly equal rates: numbers of rivals and prefactors decide until n times the gap of rates is large."""
    sizes = (20, 40, 100, 200, 400, 1000, 2000)
    for rivals in (1, 2, 4, 8, 16):
        problem = star(rivals, NEAR if rivals == 1 else FAR)
        table.add("rivals", str(rivals), "r", problem.indicator)
        for n in sizes:
            result = solve(problem, n, scale)
            table.add("rivals", str(rivals), "log delta", result.log_delta, n=n)
            table.add("rivals", str(rivals), "standard error", result.std_error or 0.0, n=n)
    # The same exponent to 2 %, one-sided and two-sided disagreements.
    for name, pair in (("one-sided", with_exponent(0.0500, 0.001)), ("two-sided", with_exponent(0.0510, 0.4))):
        problem = joint_family([pair]).problems[0]
        table.add("prefactor", name, "a", float(pair[0]))
        table.add("prefactor", name, "b", float(pair[1]))
        table.add("prefactor", name, "r", problem.indicator)
        table.add("prefactor", name, "I", problem.exponent)
        for n in (*SIZES, 20_000):
            table.add("prefactor", name, "log delta", agreement_log_delta(pair, n), n=n)


# --- critical scale and high dimension -------------------------------------------------------------------------------


def grids(rng, law: GaussianMean, n: int, low: float, high: float):
    """Return grid quantizers on all coordinates, with random widths in standard errors 1/√n and random offsets."""
    problems, reach = [], float(np.max(np.abs(law.mean)))
    for _ in range(QUANTIZERS):
        step = rng.uniform(low, high) / math.sqrt(n)
        offset, count = rng.uniform(0.0, step), int(reach / step) + 3
        values = offset + step * np.arange(-count, count + 1)
        problems.append(Problem(law, ThresholdPTQ(FixedThresholds(tuple(values.tolist())))))
    return problems


def retained(problem: Problem, n: int) -> float:
    """Return ρ_Q."""
    return float(np.mean([retained_information(math.sqrt(n) * e) for e in problem.at(n).product.edges]))


def study_dimension(table: Table, scale: Scale) -> None:
    """Cells of a few standard errors: which quantity orders, against the number of coordinates."""
    n = 500
    for d in (1, 2, 4, 8, 32, 128, 512):
        found: dict[str, list[float]] = {}
        for repetition in range(scale.repetitions):
            rng = np.random.default_rng([6, d, repetition])
            law = GaussianMean(rng.uniform(-0.5, 0.5, d), np.eye(d))
            problems = grids(rng, law, n, 1.0, 6.0)
            truth = Truth.of([solve(p, n, scale) for p in problems])
            r_q = [p.indicator for p in problems]
            rho = [retained(p, n) for p in problems]
            constant = [-mis(p, n, "critical").log_delta if d <= 32 else math.nan for p in problems]
            for quantity, value in (
                ("tau r_Q", tau(r_q, truth)),
                ("tau rho_Q", tau([-v for v in rho], truth)),
                *([("tau critical", tau(constant, truth))] if d <= 32 else []),
                ("undecided pairs", np.mean(truth.more_private()[np.triu_indices(QUANTIZERS, 1)] == 0)),
                ("outside domain", truth.outside),
                ("smallest delta", math.exp(truth.log_delta.min())),
                ("largest delta", math.exp(truth.log_delta.max())),
            ):
                found.setdefault(quantity, []).append(value)
        for quantity, values in found.items():
            table.add("dimension", "grids", quantity, values, setting=d, n=n)


def study_one_coordinate(table: Table, scale: Scale) -> None:
    """Two quantizers of 128 coordinates: one threshold near the mean of one coordinate, against all fairly near."""
    n, d = 500, 128
    se = 1.0 / math.sqrt(n)
    law = GaussianMean(np.concatenate([[0.0], np.full(d - 1, 4.0 * se)]), np.eye(d))
    for name, values in (
        ("one coordinate close", (0.05 * se, 9.0 * se)),
        ("all coordinates fairly close", (-1.0 * se, 1.2 * se, 2.8 * se, 5.2 * se)),
    ):
        problem = Problem(law, ThresholdPTQ(FixedThresholds(values)))
        result = solve(problem, n, scale)
        table.add("one coordinate", name, "n r_Q", n * problem.indicator, n=n)
        table.add("one coordinate", name, "rho_Q", retained(problem, n), n=n)
        table.add("one coordinate", name, "delta", result.delta, n=n)
        table.add("one coordinate", name, "standard error", result.delta * result.std_error, n=n)
        table.add("one coordinate", name, "high_dimension", mis(problem, n, "high_dimension").delta, n=n)
        table.add("one coordinate", name, "mixed", mis(problem, n, "mixed").delta, n=n)


def study_fixed_grids(table: Table, scale: Scale) -> None:
    """The same grids at growing n: from retained information to the nearest threshold."""
    for d in (8, 128):
        found: dict[tuple, list[float]] = {}
        for repetition in range(scale.repetitions):
            rng = np.random.default_rng([7, d, repetition])
            law = GaussianMean(rng.uniform(-0.5, 0.5, d), np.eye(d))
            problems = grids(rng, law, 500, 1.0, 6.0)
            r_q = [p.indicator for p in problems]
            for n in (50, 500, 5000, 50_000, 500_000):
                truth = Truth.of([solve(p, n, scale) for p in problems])
                found.setdefault(("tau r_Q", n), []).append(tau(r_q, truth))
                found.setdefault(("tau rho_Q", n), []).append(tau([-retained(p, n) for p in problems], truth))
                found.setdefault(("nearest in errors", n), []).append(math.sqrt(2.0 * n * float(np.median(r_q))))
        for (quantity, n), values in found.items():
            table.add("fixed grids", "grids", quantity, values, setting=d, n=n)


def study_critical(table: Table, scale: Scale) -> None:
    """Codebooks of width n^(-1/2) on a line and in the plane, and how many points r̂ needs there."""
    n = 200
    for place, (name, dimension, sizes) in enumerate((("line", 1, (2, 5, 17)), ("plane", 2, (2, 5, 9)))):
        for size in sizes:
            found: dict[tuple, list[float]] = {}
            for repetition in range(scale.repetitions):
                rng = np.random.default_rng([8, place, size, repetition])
                law = GaussianMean(np.zeros(dimension), np.eye(dimension))
                width = 3.0 / math.sqrt(n)
                codebooks = [width * rng.standard_normal((size, dimension)) for _ in range(QUANTIZERS)]
                problems = [Problem(law, CodebookERM(c)) for c in codebooks]
                truth = Truth.of([solve(p, n, replace(scale, sums=4 * scale.sums)) for p in problems])
                undecided = np.mean(truth.more_private()[np.triu_indices(QUANTIZERS, 1)] == 0)
                found.setdefault(("undecided pairs", ""), []).append(undecided)
                found.setdefault(("tau r_Q", ""), []).append(tau([p.indicator for p in problems], truth))
                constant = [-mis(p, n, "critical").log_delta for p in problems]
                found.setdefault(("tau critical", ""), []).append(tau(constant, truth))
                losses = gaussian_losses(codebooks, np.zeros(dimension))(rng, scale.points[-1])
                for points in (n, *scale.points):
                    ranking = rank_losses([x[:, :points] for x in losses], repetition)
                    found.setdefault(("tau r", points), []).append(tau(ranking.params, truth))
                    flagged = np.mean([bool(entry.near_ties) for entry in ranking.indicators])
                    found.setdefault(("near ties", points), []).append(flagged)
            for (quantity, points), values in found.items():
                table.add("critical", name, quantity, values, setting=size, n=n, points=points)


# --- ties and subsets ------------------------------------------------------------------------------------------------


def study_subsets(table: Table, scale: Scale) -> None:
    """Only some codewords are evaluated: random subsets, and the codewords that training visits."""
    size, n, points = 17, 200, 5000
    found: dict[tuple, list[float]] = {}
    for repetition in range(scale.repetitions):
        rng = np.random.default_rng([9, repetition])
        family = plane(rng, size)
        truth = family.truth(n, scale)
        losses = family.draw(rng, points)
        r_q = np.array([p.indicator for p in family.problems])
        chosen: dict[str, list[np.ndarray]] = {}
        for problem in family.problems:
            rivals = np.array([k for k in range(size) if k != problem.best])
            for m in (2, 3, 5, 9, 17):
                subset = rng.permutation(rivals)[: m - 1]
                chosen.setdefault(f"{m} of 17 at random", []).append(np.concatenate([[problem.best], subset]))
            for runs in (10, 100, 1000):
                means = rng.standard_normal((runs, 2)) / math.sqrt(n / 10)
                visited = np.argmin(((means[:, None, :] - problem.codebook[None]) ** 2).sum(axis=2), axis=1)
                visited = np.unique(np.concatenate([[problem.best], visited]))
                chosen.setdefault(f"visited in {runs} runs on n/10 points", []).append(visited)
        for name, subsets in chosen.items():
            usable = [i for i, s in enumerate(subsets) if len(s) > 1]
            part = Truth(truth.log_delta[usable], truth.error[usable])
            if len(usable) < 2:
                continue
            ranking = rank_losses([losses[i][subsets[i]] for i in usable], repetition)
            population = np.array([min(rate(family.problems[i], k) for k in subsets[i]) for i in usable])
            found.setdefault((name, "usable"), []).append(len(usable) / len(subsets))
            found.setdefault((name, "codewords"), []).append(np.mean([len(s) for s in subsets]))
            found.setdefault((name, "subset r over r_Q"), []).append(float(np.median(population / r_q[usable])))
            assert np.all(population >= r_q[usable] * (1.0 - 1e-12))
            found.setdefault((name, "subset holds nearest"), []).append(
                float(np.mean(population <= r_q[usable] * (1 + 1e-9)))
            )
            found.setdefault((name, "tau r"), []).append(tau(ranking.params, part))
    for (name, quantity), values in found.items():
        table.add("subsets", name, quantity, values, n=n, points=points)


def rate(problem: Problem, k: int) -> float:
    """Return the rate r of codeword k; infinite for the best itself."""
    if k == problem.best:
        return math.inf
    return problem.scores.increment(k, problem.best).moderate_deviation_rate


def study_ties(table: Table, scale: Scale) -> None:
    """Every quantizer has a rival as good as the best: r_Q = 0 for all, MIS is not the same for all."""
    size, n = 9, 20
    found: dict[tuple, list[float]] = {}
    for repetition in range(scale.repetitions):
        rng = np.random.default_rng([10, repetition])
        codebooks = []
        for _ in range(QUANTIZERS):
            c = 1.2 * rng.standard_normal((size, 2))
            order = np.argsort((c**2).sum(axis=1))
            best, second = c[order[0]], c[order[1]]
            c[order[1]] = second * (np.linalg.norm(best) / np.linalg.norm(second))
            codebooks.append(c)
        law = GaussianMean([0.0, 0.0], np.eye(2))
        problems = [Problem(law, CodebookERM(c)) for c in codebooks]
        truth = Truth.of([solve(p, n, scale) for p in problems])
        found.setdefault(("tau critical", ""), []).append(
            tau([-mis(p, n, "critical").log_delta for p in problems], truth)
        )
        found.setdefault(("spread of log delta", ""), []).append(float(np.ptp(truth.log_delta)))
        losses = gaussian_losses(codebooks, np.zeros(2))(rng, scale.points[-1])
        for points in scale.points:
            ranking = rank_losses([x[:, :points] for x in losses], repetition)
            found.setdefault(("tau r", points), []).append(tau(ranking.params, truth))
            found.setdefault(("flagged", points), []).append(
                np.mean([bool(entry.near_ties) for entry in ranking.indicators])
            )
    for (quantity, points), values in found.items():
        table.add("ties", "plane", quantity, values, setting=size, n=n, points=points)


PARTS = (
    *((study_regular, name) for name, _, _ in FAMILIES),
    (study_rank_sets,),
    (study_saturation,),
    (study_skewed,),
    (study_rare_class,),
    (study_opposed,),
    (study_random_agreements,),
    (study_prefactor,),
    (study_critical,),
    (study_dimension,),
    (study_one_coordinate,),
    (study_fixed_grids,),
    (study_subsets,),
    (study_ties,),
)


def run(place: int, scale: Scale) -> list[dict]:
    """Return the rows of one part; kernels on one thread, since parts run side by side and no bit depends on it."""
    qmis_kernels.set_threads(1)
    table, start = Table(), time.perf_counter()
    part, *arguments = PARTS[place]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        part(table, scale, *arguments)
    print(f"{part.__name__} {' '.join(arguments)}: {time.perf_counter() - start:.0f} s", flush=True)
    return table.rows


def main() -> None:
    """Run all parts, or write the page from the numbers that are there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a minute's worth; page and figures are not written")
    parser.add_argument("--page-only", action="store_true", help="write page and figures from the CSV file")
    options = parser.parse_args()
    path = HERE / "indicator_ranking.csv"
    if not options.page_only:
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            parts = pool.map(run, range(len(PARTS)), [QUICK if options.quick else FULL] * len(PARTS))
            rows: list[dict] = []
            for part in parts:
                rows += part
                if not options.quick:
                    Table(rows).save(path)
        if options.quick:
            print(f"{len(rows)} rows; the page is written at full scale only")
            return
    write(path)


if __name__ == "__main__":
    main()
