"""The result of pairs whose likelihood ratio is exact (Statement S10)."""

from __future__ import annotations

import math

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.results import LinearEstimate, MISResult
from qmis_stats.simulate.roc import empirical_roc
from qmis_stats.simulate.settings import Settings

__all__ = ["unbiased_result"]

_FEWEST_EFFECTIVE = 50.0


def unbiased_result(method: str, independent: FloatArray, member: FloatArray, n: int, settings: Settings) -> MISResult:
    """Average −expm1 of the unfavourable log ratios: (1 − Λ)_+ without and (1 − 1/Λ)_+ with membership.

    Parameters
    ----------
    method : str
        Name of the method in the result.
    independent, member : (R,) arrays
        log Λ of each pair without and with membership.
    n, settings
        Sample size and what the simulation was told.

    Returns
    -------
    MISResult
        With the ROC of the most powerful attack.
    """
    values = 0.5 * (-np.expm1(np.minimum(independent, 0.0)) - np.expm1(np.minimum(-member, 0.0)))
    delta = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / math.sqrt(values.size)
    square = float(np.sum(values**2))
    effective = float(np.sum(values)) ** 2 / square if square > 0.0 else 0.0
    if delta == 0.0:
        return MISResult(
            method,
            n,
            -math.inf,
            math.inf,
            in_domain=False,
            domain="no pair was distinguishable: raise replicates",
            seed=settings.seed,
            replicates=settings.replicates,
            linear=LinearEstimate.nothing_seen(),
        )
    trusted = effective >= _FEWEST_EFFECTIVE
    return MISResult(
        method,
        n,
        math.log(delta),
        error / delta,
        in_domain=trusted,
        domain="unbiased at every n and d" if trusted else "few pairs carry the estimate: raise replicates",
        seed=settings.seed,
        replicates=settings.replicates,
        roc=empirical_roc(independent, member),
        details={"bias_correction": "none needed: unbiased", "effective_pairs": effective},
        linear=LinearEstimate(delta, error, 0.0, effective=effective),
    )
