"""Part b: intervals for the smallest of K − 1 standardised gaps, half its square being the indicator."""

import numpy as np
from coverage_study import laws
from coverage_study.tally import Setting, Tally

from qmis_stats.inference.chernoff import ChernoffEstimate
from qmis_stats.inference.indicator import Indicator
from qmis_stats.inference.losses import Losses
from qmis_stats.inference.minimum import SCREENING_SHARE, near_minimum
from qmis_stats.inference.moments import gaps

LAWS = {law.name: law for law in (laws.GAUSSIAN, laws.EXPONENTIAL, laws.REVERSED, laws.STUDENT5, laws.DISCRETE)}
NO_EXPONENT = ChernoffEstimate(np.nan, np.nan, np.nan, np.nan, np.nan, False)
LEAST = 0.4
"""The smallest standardised gap, where it is not zero."""


def population(structure: str, rivals: int, points: int) -> np.ndarray:
    """Return the standardised gaps of the rivals; all structures but the last two leave no doubt about the best."""
    places = np.arange(rivals) / max(rivals - 1, 1)
    return {
        "unique minimum": LEAST + np.where(places > 0.0, 0.1 + 0.5 * places, 0.0),
        "all rivals tied": np.full(rivals, LEAST),
        "three tied": np.where(np.arange(rivals) < 3, LEAST, LEAST + 0.1 + 0.5 * places),
        "near ties": LEAST + 3.0 * places / np.sqrt(points),
        "two candidates tied for best": np.where(places > 0.0, LEAST + 0.3 * places, 0.0),
        "two candidates nearly tied for best": np.where(places > 0.0, LEAST + 0.3 * places, 1.0 / np.sqrt(points)),
    }[structure]


def settings(scale: float) -> list[Setting]:
    usual = ("unique minimum", "all rivals tied", "near ties")
    doubtful = ("two candidates tied for best", "two candidates nearly tied for best")
    few = ("Gaussian", "exponential")
    plan = [
        *((name, s, 500, 2, 0.0, 8000) for name in LAWS for s in usual[:1]),
        *((name, s, 500, 5, 0.0, 1500) for name in LAWS for s in usual[1:]),
        *((name, s, 500, 20, 0.0, 4000 if s == usual[0] else 1000) for name in LAWS for s in usual),
        *((name, s, 500, 20, 0.8, 4000 if s == usual[0] else 1000) for name in few for s in usual),
        *((name, "three tied", 500, 20, 0.0, 1000) for name in few),
        *((name, s, 200, 20, 0.0, 1000) for name in LAWS for s in usual),
        *((name, s, 2000, 20, 0.0, 2500 if s == usual[0] else 500) for name in LAWS for s in usual),
        *((name, s, 500, 200, 0.0, 1000 if s == usual[0] else 400) for name in few for s in usual),
        *((name, s, 2000, 200, 0.5, 300) for name in few[:1] for s in usual[2:]),
        *((name, s, 10_000, 20, 0.0, 500) for name in few for s in (usual[0], usual[2])),
        *((name, s, 2000, 1000, 0.0, 300) for name in few for s in usual[:1]),
        *((name, s, 500, 1000, 0.0, 300) for name in few[:1] for s in usual[1:]),
        *((name, s, 100_000, 20, 0.0, 150) for name in few[1:] for s in usual[2:]),
        *((name, s, 500, 20, 0.0, 2000) for name in few for s in doubtful),
    ]
    return [
        Setting(
            "minimum",
            name,
            structure + (f", common factor {common:g}" if common else ""),
            points,
            candidates,
            None,
            structure not in doubtful and points >= 500,
            max(50, round(scale * replicates)),
            {"structure": structure, "common": common},
        )
        for name, structure, points, candidates, common, replicates in plan
    ]


def losses_on(base: np.ndarray, increments: np.ndarray) -> np.ndarray:
    """Return the losses of a best candidate and its rivals."""
    return np.vstack([base, base + increments])


def estimated(losses: np.ndarray, seed: int, share: float = SCREENING_SHARE) -> Indicator:
    """Return what the package's ``indicator`` computes, but no Chernoff exponent, which takes most of the time."""
    entry = Losses("quantizer", losses)
    found = gaps(entry)
    near = near_minimum(entry, found, draws=2000, seed=seed, share=share)
    return Indicator(entry.name, entry.candidates, found, near, NO_EXPONENT)


def measure(setting: Setting, rng: np.random.Generator) -> list[dict]:
    law, points = LAWS[setting.law], setting.N
    s = population(setting.options["structure"], setting.K - 1, points)
    truth = 0.5 * float(s.min()) ** 2
    tally, naive = Tally(), Tally()
    for seed in range(setting.replicates):
        increments = law.increments(rng, s, points, setting.options["common"])
        found = estimated(losses_on(rng.integers(0, 2, points).astype(float), increments), seed)
        low, high = found.conf_int(0.95)
        tally.add(high < truth, low > truth, high - low)
        near = found.near
        place = int(np.argmin(near.statistics.s))
        low, high = (0.5 * max(float(near.statistics.limits(c)[place]), 0.0) ** 2 for c in (-1.96, 1.96))
        naive.add(high < truth, low > truth, high - low)
    return [tally.row(setting, "Indicator.conf_int"), naive.row(setting, "as if the rival were known")]
