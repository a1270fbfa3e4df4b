"""The mass test: whether the draws have reached every rival's region (Statement S10).

A rival's tilted law has mass one, and its density relative to the law is known: E_Q[dP̃_k/dQ] = 1 whatever Q the sums
are drawn from. Draws that miss the region where rival k's crossings live recover less, with a small standard error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from qmis_stats.arrays import FloatArray
from qmis_stats.simulate.design import Component, Design, log_density

__all__ = ["FALSE_ALARM_RATE", "Mass", "recovered_masses"]

FALSE_ALARM_RATE = 1e-6
"""Probability that the test objects to a result whose draws reach everything, to the accuracy of Student's law."""

_ROUNDING = 1e-6
_LARGEST_ERROR = 0.1
"""A component's own density is at most 8C in a mixture of C: from 1024 C sums its mass is known to √(8/1024) = 0.09."""

_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class Mass:
    """What the draws recovered of one tilted law.

    Attributes
    ----------
    component : Component
        The tilted law.
    value, std_error : float
        Recovered mass and its standard error; the truth is one.
    objection : str
        Why the draws do not reach the law; empty when they do.
    """

    component: Component
    value: float
    std_error: float
    objection: str


def recovered_masses(
    design: Design, sums: FloatArray, log_weights: FloatArray, terms: int, unit: float, *, strata: bool
) -> tuple[Mass, ...]:
    """Return the mass of every required tilted law that weighted sums recover.

    Parameters
    ----------
    design : Design
        With the laws that are required.
    sums, log_weights : (G, N, K) and (G, N) arrays
        Sums of ``terms`` points in units of ``unit``, and log dP/dQ.
    strata : bool
        Whether the G groups are strata of independent sums, else independent nets.
    """
    groups, size = log_weights.shape
    dof = groups * (size - 1) if strata else groups - 1
    critical = -float(stdtrit(dof, 0.5 * FALSE_ALARM_RATE / max(len(design.required), 1)))
    found = []
    for component in design.required:
        exponents = log_density(component, sums, terms, unit) + log_weights
        values = np.exp(np.minimum(exponents, _LARGEST_EXPONENT))
        means = np.mean(values, axis=1)
        mean = float(np.mean(means))
        if strata:
            error = math.sqrt(float(np.sum(np.var(values, axis=1, ddof=1))) / size) / groups
        else:
            error = float(np.std(means, ddof=1)) / math.sqrt(groups)
        allowed = critical * error + _ROUNDING * (1.0 + 1e-7 * abs(terms * component.cgf))
        found.append(Mass(component, mean, error, _objection(component, mean, error, allowed)))
    return tuple(found)


def _objection(component: Component, mean: float, error: float, allowed: float) -> str:
    if abs(mean - 1.0) <= allowed and error <= _LARGEST_ERROR:
        return ""
    name = "the law itself" if component.lam == 0.0 else f"the tilted law of cell {component.cell}"
    return f"the sums recover {mean:.3g} ± {error:.2g} of {name}, whose mass is one: a region may be missed"
