"""What the cells of an estimate tell about one point (Statement S16)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.theory.bivariate_ratio import BivariateRatio
from qmis_stats.theory.correlated_cells import CoordinateCells, centroid_correlation, inverse_correlation
from qmis_stats.theory.state_evolution import EstimateLaw, LeastSquaresLaw
from qmis_stats.validation import instance_of

__all__ = ["ShiftInformation", "shift_information", "unquantized_information"]


@dataclass(frozen=True)
class ShiftInformation:
    """The traces that membership depends on, with J the information that the cells keep about a shift of the estimate.

    Attributes
    ----------
    shift : float
        tr ΣGJG: squared length of a member's shift per squared residual, in standard deviations.
    cross : float
        tr ΣGJC: q when nothing is quantized.
    retained : float
        tr ΣCJC: variance of the best linear read-out of xᵀθ̂; the spread s² when nothing is quantized.
    excess_kurtosis : float
        Of the read-outs given the point, the largest of those along the shift and along the fitted value.
    directions : float
        Effective number of coordinates that carry them, (Σ eigenvalues)²/Σ eigenvalues², the smaller of the two.
    """

    shift: float
    cross: float
    retained: float
    excess_kurtosis: float
    directions: float

    def ratio(self, estimate: LeastSquaresLaw) -> BivariateRatio | None:
        """Return the likelihood ratio of a member to a non-member; ``None`` when the cells tell nothing.

        With v the vector of noise and read-outs, a member's covariance is a non-member's plus ``b cᵀ + c bᵀ``, of rank
        two: b is the shift per unit of residual, c half a residual of it minus what the residual shares with v.
        """
        b_b = estimate.share**2 * self.shift
        b_k = estimate.share * self.cross
        t = estimate.noise + estimate.spread  # variance of a member's residual y − xᵀθ̂ without it
        b_c = -b_k + 0.5 * t * b_b
        c_c = estimate.noise + self.retained - t * b_k + 0.25 * t * t * b_b
        root = math.sqrt(b_b * c_c)
        if root == 0.0:
            return None
        if not -root < b_c < root or not root - b_c < 1.0:
            raise ArithmeticError("the law of a member is singular to rounding: the noise is too small")
        return BivariateRatio(root + b_c, root - b_c)


def shift_information(estimate: EstimateLaw, cells: CoordinateCells) -> ShiftInformation:
    """Return the traces of the best linear read-out from cells (Statement S16).

    Examples
    --------
    >>> from qmis_stats import LinearRegression
    >>> from qmis_stats.theory import coordinate_cells, estimate_law
    >>> estimate = estimate_law(LinearRegression([0.0] * 4, np.eye(4), 1.0), 15)
    >>> cells = coordinate_cells((np.zeros(1),) * 4, estimate.mean, estimate.standard_errors)
    >>> round(shift_information(estimate, cells).retained / estimate.spread * math.pi, 12)
    2.0
    """
    instance_of(EstimateLaw, "estimate", estimate, "estimate_law returns one")
    instance_of(CoordinateCells, "cells", cells, "coordinate_cells returns them")
    if cells.retained.size != estimate.mean.size:
        raise InputError("cells", f"of {cells.retained.size} coordinates", f"of {estimate.mean.size}, as the estimate")
    weight = np.sqrt(cells.retained) / estimate.standard_errors
    if estimate.independent:
        sigma, response, covariance = estimate.design, estimate.response, estimate.covariance
        information = weight**2
        shapes = [_independent_shape(weight**2 * f**2 * sigma, cells.fourth) for f in (response, covariance)]
        traces = (
            float(np.sum(sigma * response**2 * information)),
            float(np.sum(sigma * response * information * covariance)),
            float(np.sum(sigma * covariance**2 * information)),
        )
    else:
        errors = estimate.standard_errors
        correlation = estimate.covariance / np.outer(errors, errors)
        inverse = inverse_correlation(centroid_correlation(cells, correlation))
        information = np.outer(weight, weight) * inverse
        sides = [estimate.response, estimate.covariance]
        products = [[a @ information @ b for b in sides] for a in sides]
        shapes = []
        for f, product in zip(sides, (products[0][0], products[1][1]), strict=True):
            weighted = inverse * weight @ f
            kernel = np.sum((weighted @ estimate.design) * weighted, axis=1)
            square = estimate.design @ product
            shapes.append(_shape(float(np.trace(square)), float(np.sum(square * square.T)), kernel, cells.fourth))
        traces = (
            float(np.sum(estimate.design * products[0][0])),
            float(np.sum(estimate.design * products[0][1])),
            float(np.sum(estimate.design * products[1][1])),
        )
    return ShiftInformation(*traces, max(s[0] for s in shapes), min(s[1] for s in shapes))


def unquantized_information(estimate: EstimateLaw) -> ShiftInformation:
    """Return the traces of the estimate itself, with J = C⁻¹ (Statement S16).

    Examples
    --------
    >>> from qmis_stats import LinearRegression
    >>> from qmis_stats.theory import estimate_law
    >>> estimate = estimate_law(LinearRegression([0.0] * 4, np.eye(4), 1.0), 15)
    >>> found = unquantized_information(estimate)
    >>> round(found.retained, 12) == round(estimate.spread, 12), round(found.directions, 9)
    (True, 4.0)
    """
    instance_of(EstimateLaw, "estimate", estimate, "estimate_law returns one")
    d = estimate.mean.size
    if estimate.independent:
        fitted = estimate.design * estimate.covariance
        cross = float(np.sum(estimate.design * estimate.response))
        square = float(np.sum(fitted**2))
    else:
        fitted = estimate.design @ estimate.covariance
        cross = float(np.sum(estimate.design * estimate.response))
        square = float(np.sum(fitted * fitted.T))
    directions = min(float(d), estimate.spread**2 / square)
    # C = scale·GΣG, hence GC⁻¹G = Σ⁻¹/scale.
    return ShiftInformation(d / estimate.scale, cross, estimate.spread, 6.0 / directions, directions)


def _shape(trace: float, square: float, kernel: FloatArray, fourth: FloatArray) -> tuple[float, float]:
    """Return the excess kurtosis of xᵀw, w linear in the centroids, and the effective number of its directions."""
    if trace <= 0.0:
        return 0.0, 0.0
    cumulants = 2.0 * square + float(np.sum(kernel**2 * (fourth - 3.0)))
    return 3.0 * cumulants / trace**2, trace**2 / square


def _independent_shape(kernel: FloatArray, fourth: FloatArray) -> tuple[float, float]:
    return _shape(float(np.sum(kernel)), float(np.sum(kernel**2)), kernel, fourth)
