"""A law on finitely many atoms with exact rational probabilities (Statements S2 and S9c)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar

from qmis_stats.errors import InputError
from qmis_stats.laws.base import Law
from qmis_stats.scores import FiniteScores

__all__ = ["FiniteLaw", "Rational", "exact_rational"]

Rational = Fraction | int | float | str | Decimal

_MOST_BITS = 10_000
"""Far above any float, and below what Python would still write in an error."""


def exact_rational(field: str, value: Rational) -> Fraction:
    """Return ``value`` as the rational that was written: ``"1/3"`` and ``0.1`` mean 1/3 and 1/10.

    Raises
    ------
    InputError
        If it is not a finite rational number.

    Examples
    --------
    >>> exact_rational("p", 0.1), exact_rational("p", "2/6")
    (Fraction(1, 10), Fraction(1, 3))
    """
    if isinstance(value, bool) or not isinstance(value, (Fraction, int, float, str, Decimal)):
        raise InputError(field, value, 'a number or a string such as "1/3"')
    try:
        rational = Fraction(repr(value)) if isinstance(value, float) else Fraction(value)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise InputError(field, value, 'a finite number or a string such as "1/3"') from None
    if max(abs(rational.numerator), rational.denominator).bit_length() > _MOST_BITS:
        raise InputError(field, value, f"of numerator and denominator below 2^{_MOST_BITS}")
    return rational


class FiniteLaw(Law):
    """Z in {0, .., m−1} with given probabilities; the losses belong to the procedure.

    Parameters
    ----------
    probabilities : sequence of rationals
        Positive and summing to one exactly; strings such as ``"1/3"`` are exact.

    Raises
    ------
    InputError
        If a probability is not positive or they do not sum to one.

    Examples
    --------
    >>> FiniteLaw(["1/2", "1/3", "1/6"]).probabilities[1]
    Fraction(1, 3)
    """

    kind: ClassVar[str] = "finite"

    def __init__(self, probabilities: Sequence[Rational]) -> None:
        field = "law.probabilities"
        if isinstance(probabilities, str) or not isinstance(probabilities, Sequence) or not probabilities:
            raise InputError(field, probabilities, "a list of rationals")
        self.probabilities = tuple(exact_rational(field, p) for p in probabilities)
        if any(p <= 0 for p in self.probabilities):
            raise InputError(field, [str(p) for p in self.probabilities], "positive")
        total = sum(self.probabilities, Fraction(0))
        if total != 1:
            raise InputError(field, [str(p) for p in self.probabilities], f"summing to one exactly, not to {total}")

    @property
    def atoms(self) -> int:
        """Number of atoms m."""
        return len(self.probabilities)

    def erm_scores(self, losses: Sequence[Sequence[Rational]]) -> FiniteScores:
        """Return the scores of empirical risk minimisation with losses (K, m)."""
        field = "procedure.losses"
        if isinstance(losses, str) or not isinstance(losses, Sequence) or not losses:
            raise InputError(field, losses, f"a list of K rows of {self.atoms} losses")
        rows = []
        for row in losses:
            if isinstance(row, str) or not isinstance(row, Sequence) or len(row) != self.atoms:
                raise InputError(field, row, f"rows of {self.atoms} losses, one for each atom")
            rows.append(tuple(exact_rational(field, x) for x in row))
        risks = [sum((x * p for x, p in zip(row, self.probabilities, strict=True)), Fraction(0)) for row in rows]
        return FiniteScores(tuple(rows), self.probabilities, best=risks.index(min(risks)))
