"""Exact Δ_n when the whole histogram of a finite law is released (Statement S9d).

Given Z_1 = j the likelihood ratio of the counts N is N_j/(n p_j), so Δ_n = ½ Σ_j E|N_j/n − p_j|. It bounds
every learner on the same law from above, and de Moivre's formula gives each term in closed form:

    E|N − np| = 2 ν C(n, ν) p^ν (1 − p)^(n−ν+1),   N ~ Bin(n, p),   ν = ⌊np⌋ + 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from qmis_stats.errors import DomainError
from qmis_stats.exact._checks import rational_law
from qmis_stats.exact.finite import log_fraction
from qmis_stats.validation import sample_size

__all__ = ["delta", "log_delta"]

_MOST_BITS = 300_000


def delta(probabilities: Sequence[Fraction], n: int) -> Fraction:
    """Δ_n of the released histogram, exactly (Statement S9d).

    Parameters
    ----------
    probabilities : sequence of Fraction
        The law of one observation; the sum is exactly one.
    n : int
        Sample size, at least 1.

    Returns
    -------
    Fraction

    Raises
    ------
    InputError
        If a probability is negative or not rational, their sum is not one, or n is not a positive integer.
    DomainError
        If the integers would have more than 300 000 bits.

    Examples
    --------
    >>> round(float(delta([Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)], 50)), 5)
    0.07613
    """
    n = sample_size(n, 1)
    masses, unit = rational_law(probabilities)
    if n * math.log2(unit + 1) > _MOST_BITS:
        raise DomainError("exact", f"n = {n} needs integers of more than {_MOST_BITS} bits", "use method = critical")
    total = 0
    for mass in masses:
        v = n * mass // unit + 1
        total += v * math.comb(n, v) * mass**v * (unit - mass) ** (n - v + 1)
    return Fraction(total, n * unit ** (n + 1))


def log_delta(probabilities: Sequence[Fraction], n: int) -> float:
    """Natural logarithm of :func:`delta`; ``-inf`` for a law with a single atom, where nothing leaks.

    Parameters, exceptions: as :func:`delta`.

    Examples
    --------
    >>> log_delta([Fraction(1, 2), Fraction(1, 2)], 1)
    -0.693147180559945...
    """
    return log_fraction(delta(probabilities, n))
