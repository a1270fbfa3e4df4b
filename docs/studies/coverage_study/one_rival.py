"""Part a: intervals for the standardised gap of one rival."""

import numpy as np
from coverage_study import laws
from coverage_study.tally import Setting, Tally
from scipy.special import ndtri
from scipy.stats import nct

from qmis_stats.inference.adjusted import GapStatistics
from qmis_stats.inference.gap_intervals import gap_interval
from qmis_stats.inference.moments import accumulated_statistics

CASES = (
    *((laws.GAUSSIAN, s) for s in (0.1, 0.5, 1.0)),
    *((laws.EXPONENTIAL, s) for s in (0.1, 0.5, 1.0)),
    *((laws.REVERSED, s) for s in (0.1, 0.5, 1.0)),
    (laws.DISCRETE, laws.DISCRETE.gap(0.2)),
    (laws.DISCRETE, laws.DISCRETE.gap(0.5)),
    (laws.MOSTLY_ONE, laws.MOSTLY_ONE.gap(0.8)),
    (laws.SPARSE, laws.SPARSE.gap(0.03)),
    (laws.STUDENT5, 0.1),
    (laws.STUDENT5, 0.5),
    (laws.STUDENT3, 0.5),
    (laws.LOGNORMAL, 0.5),
)
HEAVY = (laws.STUDENT5, laws.STUDENT3, laws.LOGNORMAL)
"""Laws without a sixth moment, or with one that no sample shows: the study's target is not set for them."""

BOOTSTRAPPED = ((laws.GAUSSIAN, 0.5), (laws.GAUSSIAN, 1.0), (laws.EXPONENTIAL, 0.5), (laws.EXPONENTIAL, 1.0))
BOOTSTRAPPED += ((laws.REVERSED, 1.0), CASES[10], (laws.STUDENT5, 0.5), (laws.LOGNORMAL, 0.5))
LARGEST = ((laws.GAUSSIAN, 1.0), (laws.EXPONENTIAL, 1.0), (laws.REVERSED, 1.0), CASES[10])

NUMBERS_A_CHUNK = 2**18


def regular(law: laws.Law, points: int) -> bool:
    """Say whether the target is set: 500 points or more, 2000 where 24 in 25 of them carry nothing."""
    return law not in HEAVY and points >= (2000 if law is laws.SPARSE else 500)


def settings(scale: float) -> list[Setting]:
    found = []
    for law, s in CASES:
        for points in (50, 100, 200, 500, 2000, 10_000, 100_000):
            if (law is laws.SPARSE and points < 500) or (points == 100_000 and (law, s) not in LARGEST):
                continue  # few points of a sparse law are all zero, and refused
            cheap = {500: 20_000, 10_000: 6000, 100_000: 2000}.get(points, 12_000)
            bootstrap = {50: 2000, 500: 2000, 2000: 1000}.get(points, 0) if (law, s) in BOOTSTRAPPED else 0
            options = {"law": law.name, "s": s, "bootstrap": round(scale * bootstrap)}
            replicates = max(100, round(scale * cheap))
            found.append(
                Setting(
                    "one rival", law.name, f"s = {s:.3g}", points, 2, None, regular(law, points), replicates, options
                )
            )
    return found


def standardised(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return z and ŝ of every row, and the averages of z³ and z⁴."""
    n = x.shape[1]
    mean = x.mean(axis=1)
    z = x - mean[:, None]
    spread = np.sqrt(np.mean(z * z, axis=1))
    z /= spread[:, None]
    square = z * z
    moments = np.array([np.mean(square * z, axis=1), np.mean(square * square, axis=1)])
    return z, mean / spread * np.sqrt((n - 1.0) / n), moments


def statistics(x: np.ndarray) -> tuple[GapStatistics, np.ndarray]:
    """Return the statistics of many samples, one per row, and the standard errors of the delta method."""
    z, s, moments = standardised(x)
    found, _ = accumulated_statistics([z], x.shape[1], s, moments)
    variance = 1.0 - s * moments[0] + 0.25 * s**2 * (moments[1] - 1.0)
    return found, np.sqrt(np.maximum(variance, 0.0) / x.shape[1])


def measure(setting: Setting, rng: np.random.Generator) -> list[dict]:
    law = next(law for law, _ in CASES if law.name == setting.options["law"])
    s, points = setting.options["s"], setting.N
    quantile = float(ndtri(0.975))
    tallies = {name: Tally() for name in ("adjusted", "delta", "noncentral_t", "bca")}
    centres = s + np.linspace(-12.0, 12.0, 49) * np.sqrt((1.0 + 0.5 * s * s) / points)
    noncentral = nct.ppf([[0.025], [0.975]], points - 1, np.sqrt(points) * centres) / np.sqrt(points)
    low_t, high_t = noncentral[:, 24]
    left = setting.replicates
    while left:
        rows = min(left, max(1, NUMBERS_A_CHUNK // points))
        left -= rows
        x = law.increments(rng, np.full(rows, s), points)
        found, error = statistics(x)
        for name, limits in (
            ("adjusted", (found.limits(-quantile), found.limits(quantile))),
            ("delta", (found.s - quantile * error, found.s + quantile * error)),
        ):
            tallies[name].add(limits[1] < s, limits[0] > s, limits[1] - limits[0])
        # s is between the limits of the noncentral t when √N ŝ is between its quantiles at √N s.
        high, low = (np.interp(found.s, known, centres) for known in noncentral)
        tallies["noncentral_t"].add(found.s < low_t, found.s > high_t, high - low)
    for seed in range(setting.options["bootstrap"]):
        x = law.increments(rng, np.array([s]), points)[0]
        interval = gap_interval(x, method="bca", seed=seed)
        tallies["bca"].add(interval.high < s, interval.low > s, interval.high - interval.low)
    return [tally.row(setting, name) for name, tally in tallies.items() if tally.replicates]
