"""The indicator of post-training quantization from an estimate and its sandwich covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.errors import InputError
from qmis_stats.quantizers.weights.base import WeightQuantizer, weight_tensor
from qmis_stats.quantizers.weights.faces import covariance_of
from qmis_stats.quantizers.weights.swaps import rates

__all__ = ["PTQIndicator", "ptq_indicator"]


@dataclass(frozen=True)
class PTQIndicator:
    """The indicator of a quantizer at an estimate, and the face it is attained on.

    Attributes
    ----------
    quantizer : str
        Canonical name.
    indicator : float
        r = min over faces of g²/(2 ∇gᵀV∇g); larger is more private, infinite when no face can be crossed.
    face : str
        What happens on that face, weights by their place in the flattened tensor.
    margin : float
        g on that face.
    std : float
        √(∇gᵀV∇g) on that face.
    faces_considered, faces_total : int
        Faces whose rate was computed, and faces that exist; the others are excluded by a bound.
    codes_only : bool
        Whether the released values have a continuous scale as well, about which r says nothing.
    """

    quantizer: str
    indicator: float
    face: str
    margin: float
    std: float
    faces_considered: int
    faces_total: int
    codes_only: bool

    def __str__(self) -> str:
        of_codes = " of the codes" if self.codes_only else ""
        return f"{self.quantizer}: indicator{of_codes} {self.indicator:.6g}, {self.face}"


def ptq_indicator(quantizer: WeightQuantizer, weights: ArrayLike, covariance: ArrayLike) -> PTQIndicator:
    """Return the indicator of post-training quantization, min over faces of g²/(2 ∇gᵀV∇g).

    Parameters
    ----------
    quantizer : WeightQuantizer
        One whose faces are known.
    weights : array_like
        The estimate ŵ, of any shape, d entries.
    covariance : (d, d) or (d,) array_like
        V, the sandwich covariance of *one* observation's influence on the flattened weights, that is n·Var(ŵ);
        or its diagonal, when the weights are uncorrelated.

    Returns
    -------
    PTQIndicator

    Raises
    ------
    InputError
        If weights or covariance cannot be used.
    DomainError
        If the quantizer's faces are not known, or weights are all zero.

    Notes
    -----
    Faces are linearised at ŵ: signs of weights in a mean magnitude, and the largest weight, are those at ŵ. It is the
    moderate-deviation rate of the codes, exact for Gaussian means and faces that are linear, and to first order in the
    size of the cell otherwise. Where the quantizer is not ``discrete``, a continuous scale is released with the
    codes; the indicator speaks about the codes only, and the scale may tell more.

    Examples
    --------
    >>> from qmis_stats.quantizers.weights import SignWeights
    >>> print(ptq_indicator(SignWeights(), [2.0, -1.0], [4.0, 9.0]))
    sign: indicator 0.0555556, weight 1 above 0
    """
    if not isinstance(quantizer, WeightQuantizer):
        raise InputError("quantizer", quantizer, 'a quantizer of weights such as quantizer("sign")')
    tensor = weight_tensor(weights)
    v = covariance_of(covariance, tensor.size)
    faces, considered, total = quantizer.candidate_faces(tensor, v)
    variances = faces.checked_variances(v)
    found = rates(faces.margins, variances)
    at = int(np.argmin(found)) if found.size else -1
    return PTQIndicator(
        quantizer=quantizer.name,
        indicator=float(found[at]) if found.size else np.inf,
        face=faces.describe(at) if found.size else "no face: the codes are always the same",
        margin=float(faces.margins[at]) if found.size else np.inf,
        std=float(np.sqrt(variances[at])) if found.size else 0.0,
        faces_considered=considered,
        faces_total=total,
        codes_only=not quantizer.discrete,
    )
