"""Why a simulated result should not be trusted (Statement S10)."""

from __future__ import annotations

import math

from qmis_stats.results import LinearEstimate

__all__ = ["doubts", "is_balanced"]

_FEWEST_EFFECTIVE = 50.0
_LARGEST_RELATIVE_ERROR = 0.3
_LARGEST_GAP_IN_ERRORS = 0.5
_LARGEST_BALANCED_GAP_IN_ERRORS = 5.0
_LARGEST_BALANCED_GAP = 0.25


def doubts(linear: LinearEstimate, remedy: str, *, balanced: bool) -> list[str]:
    """Return what speaks against an estimate, and what to do; empty when nothing does.

    Parameters
    ----------
    linear : LinearEstimate
        The estimate.
    remedy : str
        Ends the list.
    balanced : bool
        As :func:`is_balanced` says.

    Examples
    --------
    >>> doubts(LinearEstimate(1.0, 0.1, 0.0, effective=100.0), "raise replicates", balanced=False)
    []
    >>> doubts(LinearEstimate(1.0, 0.1, 0.0, effective=10.0), "raise replicates", balanced=False)
    ['only 10 effective sums cross a face', 'raise replicates']
    """
    reasons = list(linear.objections)
    value, error, gap = linear.value, linear.std_error, linear.gap
    if linear.effective < _FEWEST_EFFECTIVE:
        reasons.append(f"only {linear.effective:.3g} effective sums cross a face")
    allowed = _LARGEST_GAP_IN_ERRORS * error
    if balanced:
        allowed = min(_LARGEST_BALANCED_GAP * value, _LARGEST_BALANCED_GAP_IN_ERRORS * error)
    if gap > allowed:
        below = 2.0 * gap / 3.0 if balanced else 0.0
        low, high = (_log(part) + linear.log_scale for part in (value - below, value - below + gap))
        reasons.append(
            f"too few crossings per cell to tell the signs: log Δ lies between {low:.4g} and the plug-in {high:.4g}"
        )
    if not error <= _LARGEST_RELATIVE_ERROR * value or value <= 0.0:
        reasons.append("the relative standard error is above 0.3")
    return [*reasons, remedy] if reasons else []


def is_balanced(method: str, dof: int | None) -> bool:
    """Return whether an estimate is one third cross-fitted and two thirds plug-in, whose biases cancel to second order.

    Nets, which have degrees of freedom, and likelihood ratios are; other estimates are cross-fitted.
    """
    return dof is not None or method == "likelihood_ratio"


def _log(value: float) -> float:
    return math.log(value) if value > 0.0 else -math.inf
