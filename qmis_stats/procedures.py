"""Procedures: how a quantized parameter is learnt from the sample (Statement S2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray
from qmis_stats.by_value import ByValue
from qmis_stats.errors import InputError
from qmis_stats.laws import FiniteLaw, GeneralizedLinear, Law, LinearRegression, ParametricLaw, Thresholds
from qmis_stats.laws.finite import Rational, exact_rational
from qmis_stats.quantizers import ScalarQuantizer
from qmis_stats.validation import finite_array, instance_of, nonnegative_number

__all__ = [
    "CodebookERM",
    "LossTable",
    "Procedure",
    "ReleasedHistogram",
    "ThresholdPTQ",
]


class Procedure(ByValue, ABC):
    """A learning procedure with finitely many outputs, symmetric in the sample."""

    kind: ClassVar[str]

    @property
    def size_adaptive(self) -> bool:
        """Whether the cells change with the sample size n."""
        return False

    @abstractmethod
    def check(self, law: Law) -> None:
        """Raise :class:`~qmis_stats.errors.InputError` when the procedure cannot be run under ``law``."""


def _shrunk(values: FloatArray, center: FloatArray, exponent: float, n: int) -> FloatArray:
    return np.asarray(center + (values - center) * float(n) ** -exponent, dtype=np.float64)


def _exponent(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= 1.0:
        raise InputError("procedure.exponent", value, "a number between 0 (fixed) and 1; 1/2 is the critical scale")
    return float(value)


class CodebookERM(Procedure):
    """T = argmin_k Σ_j ℓ(θ_k, Z_j) over a codebook, ties to the lowest index.

    Parameters
    ----------
    codebook : (K, d) array_like
        Codewords. Duplicates are allowed; the first of them is the one returned.
    exponent : float, optional
        Size-adaptive codebook: codewords are ``center + n^(−exponent)·(codeword − center)``; 0 keeps it fixed.
    center : (d,) array_like, optional
        Point that the codebook shrinks to; the law's own parameter when omitted.

    Examples
    --------
    >>> CodebookERM([[0.0], [1.0]]).size_adaptive
    False
    """

    kind: ClassVar[str] = "erm"

    def __init__(self, codebook: ArrayLike, *, exponent: float = 0.0, center: ArrayLike | None = None) -> None:
        self.codebook = finite_array("procedure.codebook", codebook, 2, "(K, d)")
        self.exponent = _exponent(exponent)
        self.center = None if center is None else finite_array("procedure.center", center, 1, "(d,)")

    @property
    def size_adaptive(self) -> bool:
        """Whether the codebook shrinks with n."""
        return self.exponent > 0.0

    def check(self, law: Law) -> None:
        """Require a parametric law of the codebook's dimension."""
        if not isinstance(law, ParametricLaw):
            raise InputError("procedure.kind", self.kind, "given by losses = [[...], ...] under a finite law")
        if self.codebook.shape[1] != law.dimension:
            raise InputError(
                "procedure.codebook",
                self.codebook.tolist(),
                f"of shape (K, {law.dimension}), one row a codeword, not {self.codebook.shape}",
            )
        if self.center is not None and self.center.size != law.dimension:
            raise InputError("procedure.center", self.center.tolist(), f"of length {law.dimension}")

    def at(self, law: ParametricLaw, n: int) -> FloatArray:
        """Return the codebook used at sample size ``n``, shape (K, d)."""
        if not self.size_adaptive:
            return self.codebook
        return _shrunk(self.codebook, law.parameter if self.center is None else self.center, self.exponent, n)


class LossTable(Procedure):
    """Empirical risk minimisation on a finite law, given by the loss of each codeword on each atom.

    Parameters
    ----------
    losses : (K, m) nested sequence of rationals
        ``losses[k][z]``; ties of the total loss go to the lowest index.

    Examples
    --------
    >>> LossTable([[0, 1], [1, 0]]).losses[1][0]
    Fraction(1, 1)
    """

    kind: ClassVar[str] = "erm"

    def __init__(self, losses: Sequence[Sequence[Rational]]) -> None:
        field = "procedure.losses"
        if isinstance(losses, str) or not isinstance(losses, Sequence) or not losses:
            raise InputError(field, losses, "a list of rows, one row of losses per codeword")
        if any(isinstance(row, str) or not isinstance(row, Sequence) for row in losses):
            raise InputError(field, losses, "a list of rows, one row of losses per codeword")
        self.losses: tuple[tuple[Fraction, ...], ...] = tuple(
            tuple(exact_rational(field, x) for x in row) for row in losses
        )

    def check(self, law: Law) -> None:
        """Require a finite law with one atom a column."""
        if not isinstance(law, FiniteLaw):
            shape = f"{len(self.losses)} rows of losses"
            raise InputError("procedure.losses", shape, f"a codebook under {law.kind}: losses belong to a finite law")
        for row in self.losses:
            if len(row) != law.atoms:
                raise InputError(
                    "procedure.losses",
                    [str(x) for x in row],
                    f"rows of {law.atoms} losses, one for each atom",
                )


class ThresholdPTQ(Procedure):
    """T = Q(θ̂): the estimate over ℝ^d, then the product cell that contains it.

    Parameters
    ----------
    quantizer : ScalarQuantizer
        Applied to each coordinate.
    exponent : float, optional
        Size-adaptive thresholds: ``center + n^(−exponent)·(t − center)``; 0 keeps them fixed.
    center : (d,) array_like, optional
        Point that the thresholds shrink to; the law's own parameter when omitted.
    ridge : float, optional
        Penalty ½·ridge·|θ|² of a regression, added to the sum of the losses: ½(y − xᵀθ)², or the negative log
        likelihood. Only ``proportional`` knows it; other methods refuse a penalised estimate.

    Examples
    --------
    >>> from qmis_stats.quantizers import Sign
    >>> ThresholdPTQ(Sign()).kind
    'ptq'
    """

    kind: ClassVar[str] = "ptq"

    def __init__(
        self,
        quantizer: ScalarQuantizer,
        *,
        exponent: float = 0.0,
        center: ArrayLike | None = None,
        ridge: float = 0.0,
    ) -> None:
        instance_of(ScalarQuantizer, "procedure.quantizer", quantizer, "such as Sign() or Uniform(3)")
        self.quantizer = quantizer
        self.exponent = _exponent(exponent)
        self.center = None if center is None else finite_array("procedure.center", center, 1, "(d,)")
        self.ridge = nonnegative_number("procedure.ridge", ridge)

    @property
    def size_adaptive(self) -> bool:
        """Whether the thresholds depend on n: they shrink, or are set from the estimate's own spread."""
        from qmis_stats.quantizers import FixedThresholds, LloydMax, Sign, Uniform

        if self.exponent > 0.0:
            return True
        quantizer = self.quantizer
        if isinstance(quantizer, FixedThresholds):
            return quantizer.unit == "standard_error"
        if isinstance(quantizer, (Uniform, LloydMax)):
            return quantizer.scale is None
        return not isinstance(quantizer, Sign)

    def check(self, law: Law) -> None:
        """Require a parametric law."""
        if not isinstance(law, ParametricLaw):
            raise InputError("procedure.kind", self.kind, "erm under a finite law, which has no parameter to quantize")
        if self.center is not None and self.center.size != law.dimension:
            raise InputError("procedure.center", self.center.tolist(), f"of length {law.dimension}")
        if self.ridge > 0.0 and not isinstance(law, (LinearRegression, GeneralizedLinear)):
            allowed = f"left out under {law.kind}: it penalises a regression"
            raise InputError("procedure.ridge", self.ridge, allowed)

    def at(self, law: ParametricLaw, n: int) -> Thresholds:
        """Return the thresholds of each coordinate at sample size ``n``, by the estimate's law at large n."""
        return self.thresholds(law, n, law.parameter, law.standard_errors(n))

    def thresholds(self, law: ParametricLaw, n: int, mean: FloatArray, standard_errors: FloatArray) -> Thresholds:
        """Return the thresholds of each coordinate for an estimate of given ``mean`` and ``standard_errors``, (d,)."""
        thresholds = self.quantizer.thresholds(mean, standard_errors)
        if self.exponent == 0.0:
            return thresholds
        center = law.parameter if self.center is None else self.center
        return tuple(_shrunk(t, c, self.exponent, n) for t, c in zip(thresholds, center, strict=True))


@dataclass(frozen=True)
class ReleasedHistogram(Procedure):
    """The whole histogram of a finite law is released: the worst case over every learner (Statement S9d).

    Examples
    --------
    >>> ReleasedHistogram().kind
    'histogram'
    """

    kind: ClassVar[str] = "histogram"

    def check(self, law: Law) -> None:
        """Require a finite law."""
        if not isinstance(law, FiniteLaw):
            raise InputError("procedure.kind", self.kind, f"used with a finite law, not with {law.kind}")
