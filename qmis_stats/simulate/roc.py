"""The most powerful attack's ROC from simulated log likelihood ratios (Statement S10)."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.results import REPORTED_FPR, ROCCurve
from qmis_stats.validation import checked_level, score_array

__all__ = ["empirical_roc"]

_CURVE_POINTS = 401
_FEWEST_HITS = 30


def empirical_roc(independent: FloatArray, member: FloatArray, level: float = 0.95) -> ROCCurve:
    """Return the ROC of the likelihood-ratio attack from log ratios without and with membership.

    By the Neyman–Pearson lemma the largest true positive rate at false positive rate α is
    ``TPR(α) = min_c E_member (1 − c/Λ)_+ + cα``, a mean of numbers in [0, 1] under membership alone: rates as small as
    1e-4 come from members that pass the threshold, which are more than 1e-4 of all, and the threshold's own error
    cancels to first order because c minimises. Ties and discrete ratios need no special case: the curve is concave.

    Parameters
    ----------
    independent, member : (R,) arrays
        log Λ without and with membership; the first serves the area under the curve only.
    level : float
        Confidence level of the intervals for TPR at the rates of ``tpr_at``. With fewer than 30 members above the
        threshold the normal interval is replaced by a wider one: from α, which every curve exceeds, to the bound that
        the threshold at the 30th member gives, since any c bounds TPR(α) from above.

    Returns
    -------
    ROCCurve

    Raises
    ------
    InputError
        If an array is empty or has a NaN, or the level is not above 0.5 and below 1.

    Examples
    --------
    >>> x = np.random.default_rng(1).normal(size=(2, 20_000))
    >>> roc = empirical_roc(x[0] - 0.5, x[1] + 0.5)  # two normal laws at distance 1
    >>> tpr, low, high = roc.tpr_at[1e-4]
    >>> low < 0.003274 < high  # the exact rate
    True
    """
    checked_level(level)
    independent, member = score_array("independent", independent), score_array("member", member)
    for name, ratios in (("independent", independent), ("member", member)):
        if ratios.ndim != 1:
            raise InputError(name, ratios.shape, "of shape (R,)")
    descending = -np.sort(-member)
    grid = np.unique(np.concatenate((np.linspace(0.0, 1.0, _CURVE_POINTS), np.logspace(-5, 0, _CURVE_POINTS))))
    passed = _log_false_positives(descending)
    tpr = np.array([_rate(descending, passed, float(fpr))[0] for fpr in grid[1:-1]])
    at = {fpr: _interval(descending, passed, fpr, level) for fpr in REPORTED_FPR}
    return ROCCurve(
        tuple(grid.tolist()),
        (0.0, *np.maximum.accumulate(tpr).tolist(), 1.0),
        _area(independent, member),
        at,
    )


def _log_false_positives(descending: FloatArray) -> FloatArray:
    """Return log of E_member Λ⁻¹ 1{Λ ≥ Λ_(i)}, the false positive rate when the i largest ratios pass."""
    return np.asarray(np.logaddexp.accumulate(-descending) - math.log(descending.size), dtype=np.float64)


def _rate(descending: FloatArray, passed: FloatArray, fpr: float) -> tuple[float, int]:
    """Return TPR at ``fpr`` and how many members lie above the minimising threshold c, the next smaller ratio."""
    hits = int(np.searchsorted(passed, math.log(fpr), side="right"))
    if hits == descending.size:
        return 1.0, hits
    spent = math.exp(passed[hits - 1]) if hits else 0.0
    return min(1.0, hits / descending.size + (fpr - spent) * math.exp(descending[hits])), hits


def _interval(descending: FloatArray, passed: FloatArray, fpr: float, level: float) -> tuple[float, float, float]:
    """Return TPR at ``fpr`` with its interval."""
    rate, hits = _rate(descending, passed, fpr)
    at = min(max(hits, _FEWEST_HITS), descending.size - 1)
    gains = np.zeros(descending.size)
    gains[:at] = -np.expm1(descending[at] - descending[:at])
    half = float(ndtri(0.5 * (1.0 + level))) * float(np.std(gains)) / math.sqrt(descending.size)
    bound = float(np.mean(gains)) + fpr * math.exp(descending[at])
    low = bound - half if hits >= _FEWEST_HITS else fpr
    return rate, min(rate, max(low, fpr)), max(rate, min(1.0, bound + half))


def _area(independent: FloatArray, member: FloatArray) -> float:
    """Return the share of pairs in which the member's ratio is larger, ties counting half."""
    low = np.sort(independent)
    below = np.searchsorted(low, member, side="left") + np.searchsorted(low, member, side="right")
    return float(np.mean(below)) / (2.0 * low.size)
