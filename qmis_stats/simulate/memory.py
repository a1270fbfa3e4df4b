"""Requests that would not fit in memory are refused before anything is drawn, with what to lower.

The estimates are numbers of 8-byte words at the peak, rounded up from measured peaks; a test holds them against the
memory that a run really takes.
"""

from __future__ import annotations

from qmis_kernels import memory
from qmis_stats.errors import InputError
from qmis_stats.scores import FiniteScores, MixtureScores, QuadraticScores
from qmis_stats.scores.base import ScoreModel
from qmis_stats.simulate.settings import Settings

__all__ = ["fit_pairs", "fit_points", "fit_regressions", "fit_sums", "pairs_bytes", "points_bytes", "sums_bytes"]

_WORD = 8
_PAIR = 11  # two log ratios, sorted copies and ranks for the ROC curve
_HALVES = 20  # two log ratios of each half besides, and the two estimates of a pair
_POINT = 13  # weights over the mixture and terms
_CELL = 4  # of each sum: its blocks, the joined array, differences from the best cell, what is compared
_SUM = 12  # weights, strata, halves and fresh points
_COMPONENT = 7  # log densities of each component and the temporaries of their log-sum-exp
_COUNT_BYTES = 6  # four each, and sums over the batches
_MATRICES = 4  # triangles, their product with the factor, and temporaries
_REFERENCE = 10  # whole arrays that the plain NumPy backend holds for each number it draws


def fit_sums(method: str, scores: ScoreModel, settings: Settings, *, tilt: bool) -> None:
    """Refuse a crude or tilted simulation that would not fit in memory.

    Raises
    ------
    InputError
        Naming the bytes needed, the bytes available and what to lower.
    """
    _fit(method, sums_bytes(scores, settings, tilt=tilt), settings, "replicates or the number of cells")


def fit_pairs(settings: Settings, *, halves: bool = False, table: int = 0) -> None:
    """Refuse a simulation of likelihood ratios, with a table of so many numbers, that would not fit in memory."""
    size = pairs_bytes(settings, halves=halves) + _WORD * table
    _fit("likelihood_ratio", size, settings, "replicates or the number of cells" if table else "replicates")


def fit_points(settings: Settings) -> None:
    """Refuse a conditional simulation that would not fit in memory."""
    _fit("conditional", points_bytes(settings), settings, "replicates")


def fit_regressions(settings: Settings, counts: int, entries: int) -> None:
    """Refuse counts of regressions with ``entries`` numbers in the matrices worked on at once."""
    _fit("crude", _COUNT_BYTES * counts + _WORD * _MATRICES * entries, settings, "the number of cells")


def sums_bytes(scores: ScoreModel, settings: Settings, *, tilt: bool) -> int:
    """Return the bytes that a crude or tilted simulation takes at its peak, rounded up.

    Sums are drawn first and weighted afterwards: the larger of the two counts. A tilted mixture has at most one
    component for each cell.
    """
    weighting = _COMPONENT * (scores.cells if tilt else 1)
    return _WORD * settings.replicates * (_CELL * scores.cells + _SUM + max(_drawing(scores, settings), weighting))


def pairs_bytes(settings: Settings, *, halves: bool = False) -> int:
    """Return the bytes that likelihood ratios, exact or estimated in two halves, take at their peak, rounded up."""
    return _WORD * (_HALVES if halves else _PAIR) * settings.replicates


def points_bytes(settings: Settings) -> int:
    """Return the bytes that a conditional simulation takes at its peak, rounded up."""
    return _WORD * _POINT * settings.replicates


def _drawing(scores: ScoreModel, settings: Settings) -> int:
    """Return the words that the kernels hold for each sum besides its scores."""
    drawn = held = scores.rank
    if isinstance(scores, FiniteScores):
        drawn = held = len(scores.probabilities)
    elif isinstance(scores, MixtureScores):
        drawn = scores.rank + scores.weights.size
    elif isinstance(scores, QuadraticScores):
        drawn, held = scores.rank * (scores.rank + 1) // 2, scores.rank**2
    return _REFERENCE * drawn if settings.backend == "reference" else held


def _fit(method: str, size: int, settings: Settings, lower: str) -> None:
    if memory.fits(size):
        return
    free = memory.available()
    raise InputError(
        "replicates",
        settings.replicates,
        f"at most about {settings.replicates * free // size} to fit in memory: {method} needs {memory.readable(size)}, "
        f"{memory.readable(free)} are available; lower {lower}",
    )
