"""Two centred normal laws in the plane: total variation and ROC of their likelihood ratio, a quadratic form (S16)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from qmis_stats.numerics import gauss_legendre_panels
from qmis_stats.results import REPORTED_FPR, ROCCurve
from qmis_stats.scores.base import FloatArray

__all__ = ["NormalPair"]

_PANELS = 40
_THRESHOLDS = 1501
_REACH = 60.0


@dataclass(frozen=True)
class NormalPair:
    """N(0, I) without membership, N(0, S) with it; S has these eigenvalues.

    In the eigenbasis the log ratio is ½ Σ (1 − 1/l_i) z_i² − ½ Σ log l_i. With z in polar coordinates the squared
    radius is exponential, and what is left is an integral over a quarter of the circle. Near the angle at which the
    form changes sign the integrand changes within an angle of the order of the form: panels are graded towards it.

    Parameters
    ----------
    eigenvalues : tuple of two float
        Positive.

    Examples
    --------
    >>> pair = NormalPair.of(np.array([[1.0, 0.5], [0.5, 1.0]]))
    >>> round(pair.total_variation, 6), round(pair.roc().auc, 4)
    (0.184608, 0.6361)
    """

    eigenvalues: tuple[float, float]

    @classmethod
    def of(cls, covariance: FloatArray) -> NormalPair:
        """Return the pair of a (2, 2) covariance."""
        low, high = np.linalg.eigvalsh(covariance)
        return cls((float(low), float(high)))

    @cached_property
    def _forms(self) -> tuple[tuple[FloatArray, FloatArray], ...]:
        """Return the quadratic form of half the squared radius at nodes of the angle, with their weights.

        First without, then with membership.
        """
        l = np.array(self.eigenvalues)  # noqa: E741
        return _nodes(1.0 - 1.0 / l), _nodes(l - 1.0)

    def rates(self, threshold: float) -> tuple[float, float]:
        """Return the false and the true positive rate of "the log ratio exceeds the threshold"."""
        level = threshold + 0.5 * float(np.sum(np.log(self.eigenvalues)))
        found = []
        for form, weight in self._forms:
            with np.errstate(divide="ignore", over="ignore"):
                tail = np.exp(-np.maximum(level / np.where(form == 0.0, np.inf, form), 0.0))
            above = np.where(form > 0.0, tail if level > 0.0 else 1.0, 1.0 - tail if level < 0.0 else 0.0)
            found.append(min(float(weight @ above), 1.0))
        return found[0], found[1]

    @property
    def total_variation(self) -> float:
        """P(ratio > 1) with membership, less without."""
        fpr, tpr = self.rates(0.0)
        return max(tpr - fpr, 0.0)

    def roc(self) -> ROCCurve:
        """Return the Neyman-Pearson curve."""
        spread = 0.5 * float(np.max(np.abs(np.array(self.eigenvalues) - 1.0))) + 1e-12
        reach = math.asinh(_REACH)
        cuts = spread * np.sinh(np.linspace(reach, -reach, _THRESHOLDS))
        rates = np.array([self.rates(float(cut)) for cut in cuts])
        fpr, tpr = (np.maximum.accumulate(np.concatenate(([0.0], column, [1.0]))) for column in rates.T)
        inside = fpr > 0.0
        at = {f: float(np.exp(np.interp(math.log(f), np.log(fpr[inside]), np.log(tpr[inside])))) for f in REPORTED_FPR}
        return ROCCurve(
            tuple(float(x) for x in fpr),
            tuple(float(x) for x in tpr),
            float(np.trapezoid(tpr, fpr)),
            {f: (v, v, v) for f, v in at.items()},
        )


def _nodes(coefficients: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a cos² + b sin² at nodes of a quarter of the circle, and weights that sum to 1."""
    a, b = (float(x) for x in coefficients)
    quarter = 0.5 * math.pi
    if a * b < 0.0:
        zero = math.atan(math.sqrt(-a / b))
        grades = np.geomspace(1e-13, 1.0, _PANELS)
        left, right = zero * (1.0 - grades[::-1]), zero + (quarter - zero) * grades
        edges = np.concatenate((left, [zero], right))
    else:
        edges = np.linspace(0.0, quarter, _PANELS)
    angle, width = gauss_legendre_panels(edges, 8)
    return a * np.cos(angle) ** 2 + b * np.sin(angle) ** 2, width / quarter
