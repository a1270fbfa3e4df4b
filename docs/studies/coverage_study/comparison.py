"""Part d: sets of ranks from estimates with a known covariance, beside those of the package multiple-inference."""

import warnings
from unittest import mock

import numpy as np
from coverage_study.rank_sets import judged, true_ranks
from coverage_study.tally import Setting, Tally, identity, mean_interval
from scipy.special import ndtri

from qmis_stats.inference.ranks import Comparisons, ranks_from


def population(structure: str, groups: int) -> np.ndarray:
    places = np.arange(groups)
    return {
        "all equal": np.zeros(groups),
        "two clusters": np.where(places < groups // 2, 0.0, 4.0),
        "equally spaced": 1.5 * places,
        "one outlier": np.where(places < groups - 1, 0.0, 5.0),
    }[structure]


def covariance(kind: str, groups: int) -> np.ndarray:
    """Return unit variances, a common factor of share 0.8 rescaled to unit variances of differences, or 0.25 to 4."""
    if kind == "unequal variances":
        return np.diag(np.geomspace(0.25, 4.0, groups))
    if kind == "common factor 0.8":
        return np.eye(groups) + 4.0
    return np.eye(groups)


def settings(scale: float) -> list[Setting]:
    structures = ("all equal", "two clusters", "equally spaced", "one outlier")
    plan = [
        *((s, "independent", 5, 700) for s in structures),
        *((s, kind, 5, 400) for s in structures[:3:2] for kind in ("common factor 0.8", "unequal variances")),
        *((s, "independent", 10, 350) for s in structures),
        *((s, "unequal variances", 10, 350) for s in structures[2:3]),
        *((s, "independent", 20, 150) for s in structures[:3:2]),
    ]
    return [
        Setting(
            "comparison",
            "normal",
            f"{structure}, {kind}",
            None,
            None,
            groups,
            True,
            max(20, round(scale * replicates)),
            {"structure": structure, "kind": kind},
        )
        for structure, kind, groups, replicates in plan
    ]


def theirs(estimates: np.ndarray, matrix: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return simultaneous and marginal sets; the pairwise model inside takes no seed, so that it is given one here."""
    from multiple_inference import confidence_set

    pairwise = confidence_set.PairwiseComparison

    def seeded(mean: np.ndarray, cov: np.ndarray) -> object:
        return pairwise(mean, cov, random_state=seed)

    with warnings.catch_warnings(), mock.patch.object(confidence_set, "PairwiseComparison", seeded):
        warnings.simplefilter("ignore")  # of its q-values, which are not used here
        simultaneous = confidence_set.SimultaneousRanking(estimates, matrix, random_state=seed).fit().conf_int(0.05)
        marginal = confidence_set.MarginalRanking(estimates, matrix, random_state=seed).fit().conf_int(0.05)
    return np.asarray(simultaneous), np.asarray(marginal)


def bonferroni(comparisons: Comparisons) -> np.ndarray:
    """Return sets from one-sided tests of all ordered pairs, each at 5 % divided by their number."""
    groups = len(comparisons.sizes)
    decided = comparisons.statistics > float(-ndtri(0.05 / (groups * (groups - 1))))
    np.fill_diagonal(decided, False)
    return ranks_from(decided)


def measure(setting: Setting, rng: np.random.Generator) -> list[dict]:
    values = population(setting.options["structure"], setting.Q)
    matrix = covariance(setting.options["kind"], setting.Q)
    root, truth, middle = np.linalg.cholesky(matrix), true_ranks(values), setting.Q // 2
    names = (
        "simultaneous",
        "multiple-inference, simultaneous",
        "Bonferroni",
        "marginal",
        "multiple-inference, marginal",
    )
    tallies = {name: Tally() for name in names}
    covered = {name: [] for name in names}
    for seed in range(setting.replicates):
        estimates = values + root @ rng.normal(size=setting.Q)
        found = Comparisons.from_covariance(estimates, matrix, seed=seed)
        simultaneous, marginal = theirs(estimates, matrix, seed)
        for name, sets in zip(
            names,
            (
                found.rank_sets(0.95),
                simultaneous,
                bonferroni(found),
                found.rank_sets(0.95, simultaneous=False),
                marginal,
            ),
            strict=True,
        ):
            below, above = judged(sets, truth)
            if name.endswith("marginal"):
                below, above = below[middle : middle + 1], above[middle : middle + 1]
            tallies[name].add(below.any(), above.any(), np.mean(sets[:, 1] - sets[:, 0] + 1))
            covered[name].append(not (below.any() or above.any()))
    rows = [tally.row(setting, name) for name, tally in tallies.items()]
    for name, ours in ((names[1], names[0]), (names[2], names[0]), (names[4], names[3])):
        coverage = mean_interval(np.array(covered[ours], dtype=float) - np.array(covered[name]))
        width = mean_interval(np.concatenate(tallies[ours].widths) - np.concatenate(tallies[name].widths))
        columns = ("coverage", "low", "high", "width", "width_low", "width_high")
        rows.append(
            {
                **identity(setting, f"difference to {name}", setting.replicates),
                **{key: f"{value:.5g}" for key, value in zip(columns, (*coverage, *width), strict=True)},
                "below": "",
                "above": "",
            }
        )
    return rows
