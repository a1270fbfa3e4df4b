"""Part c: sets of ranks, false orders and sets of the best, for quantizers on shared evaluation points."""

import numpy as np
from coverage_study import laws
from coverage_study.smallest_gap import estimated, losses_on
from coverage_study.tally import Setting, Tally
from scipy.special import ndtri

from qmis_stats.inference.minimum import SCREENING_SHARE
from qmis_stats.inference.ranks import Comparisons, ranks_from

LAWS = {law.name: law for law in (laws.GAUSSIAN, laws.EXPONENTIAL, laws.REVERSED, laws.STUDENT5, laws.DISCRETE)}
LEAST = 0.4


def population(structure: str, quantizers: int, points: int) -> np.ndarray:
    """Return the smallest standardised gap of every quantizer."""
    places = np.arange(quantizers)
    return {
        "all equal": np.full(quantizers, LEAST),
        "two clusters": np.where(places < quantizers // 2, LEAST, LEAST + 4.0 / np.sqrt(points)),
        "equally spaced": LEAST + 1.5 * places / np.sqrt(points),
        "one outlier": np.where(places < quantizers - 1, LEAST, LEAST + 5.0 / np.sqrt(points)),
    }[structure]


def settings(scale: float) -> list[Setting]:
    structures = ("all equal", "two clusters", "equally spaced", "one outlier")
    few = ("Gaussian", "exponential")
    plan = [
        *((name, s, 500, 5, 1, 0.0, 4000 if s == structures[0] else 800) for name in LAWS for s in structures),
        *((name, structures[0], 500, 5, 1, 0.8, 3000) for name in few),
        *((name, s, 500, 5, 1, 0.8, 800) for name in few for s in structures[1:]),
        *((name, structures[0], 200, 5, 1, 0.0, 3000) for name in LAWS),
        *((name, structures[0], 2000, 5, 1, 0.0, 1500) for name in few),
        *((name, structures[0], 500, 3, 1, 0.0, 4000) for name in few),
        *((name, structures[0], 500, 10, 1, c, 1500) for name in few for c in (0.0, 0.8)),
        *((name, s, 500, 10, 1, 0.0, 500) for name in few[:1] for s in structures[1:]),
        *((name, structures[0], 500, 20, 1, 0.0, 600) for name in few),
        *((name, structures[2], 500, 20, 1, 0.0, 200) for name in few[:1]),
        *((name, s, 500, 5, 5, 0.0, 500) for name in few for s in structures),
    ]
    return [
        Setting(
            "ranks",
            name,
            structure
            + (f", common factor {common:g}" if common else "")
            + (f", {rivals} rivals" if rivals > 1 else ""),
            points,
            rivals + 1,
            quantizers,
            points >= 500,
            max(50, round(scale * replicates)),
            {"structure": structure, "common": common, "rivals": rivals},
        )
        for name, structure, points, quantizers, rivals, common, replicates in plan
    ]


def true_ranks(values: np.ndarray) -> np.ndarray:
    """Return the first and the last rank of each, equal values in any order, shape (G, 2); rank 1 is the largest."""
    above = np.sum(values[None, :] > values[:, None], axis=1)
    below = np.sum(values[None, :] < values[:, None], axis=1)
    return np.column_stack([1 + above, values.size - below])


def judged(sets: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which sets end below the true rank and which begin above it; of equal groups every rank has to be in."""
    return sets[:, 1] < truth[:, 1], sets[:, 0] > truth[:, 0]


def compare(losses: list[np.ndarray], seed: int) -> Comparisons:
    """Return what the package's ``rank`` computes, less the Chernoff exponents."""
    found = [estimated(entry, seed, SCREENING_SHARE / len(losses)).near for entry in losses]
    return Comparisons.from_draws(
        [entry.statistics.s for entry in found],
        [entry.draws for entry in found],
        screening=sum(entry.share for entry in found),
        unsettled=[entry.unsettled for entry in found],
    )


def draw(setting: Setting, values: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the losses of every quantizer, whose rivals are all tied for its smallest gap."""
    law, rivals = LAWS[setting.law], setting.options["rivals"]
    increments = law.increments(rng, np.repeat(values, rivals), setting.N, setting.options["common"])
    base = rng.integers(0, 2, setting.N).astype(float)
    return [losses_on(base, part) for part in np.split(increments, values.size)]


def unadjusted(comparisons: Comparisons) -> np.ndarray:
    """Return sets from comparisons that are each decided at 5 %: what adjustment is needed for."""
    decided = comparisons.statistics > float(ndtri(0.95))
    np.fill_diagonal(decided, False)
    return ranks_from(decided)


def measure(setting: Setting, rng: np.random.Generator) -> list[dict]:
    values = population(setting.options["structure"], setting.Q, setting.N)
    truth = true_ranks(values)
    middle = setting.Q // 2
    kinds = ("simultaneous", "holm", "marginal", "best set 1", "best set 2", "unadjusted pairs")
    tallies = {kind: Tally() for kind in kinds}
    for seed in range(setting.replicates):
        found = compare(draw(setting, values, rng), seed)
        for kind, sets in (
            ("simultaneous", found.rank_sets(0.95)),
            ("holm", ranks_from(found.holm(0.95))),
            ("unadjusted pairs", unadjusted(found)),
        ):
            below, above = judged(sets, truth)
            tallies[kind].add(below.any(), above.any(), np.mean(sets[:, 1] - sets[:, 0] + 1))
        sets = found.rank_sets(0.95, simultaneous=False)
        below, above = judged(sets, truth)
        tallies["marginal"].add(below[middle], above[middle], np.mean(sets[:, 1] - sets[:, 0] + 1))
        largest = int(np.argmax(values))
        kept = found.best(1, 0.95)
        tallies["best set 1"].add(False, not kept[largest], kept.sum())
        kept = found.best(2, 0.95)
        tallies["best set 2"].add(False, not kept[truth[:, 0] <= 2].all(), kept.sum())
    return [tally.row(setting, kind) for kind, tally in tallies.items()]
