"""Exact Δ_n, likelihood ratio and ROC of codebook learning on a finite law (Statement S9c).

The output depends on the sample through the counts of the atoms only, so every multinomial count vector of
the n − 1 other observations is enumerated once, in integer arithmetic. The results are fractions: this is
the oracle that every other method must agree with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from itertools import accumulate
from numbers import Rational
from operator import mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qmis_stats.arrays import IntArray
from qmis_stats.errors import DomainError, InputError
from qmis_stats.exact._checks import rational_law
from qmis_stats.validation import sample_size

__all__ = [
    "MAX_COUNT_VECTORS",
    "cell_probabilities",
    "conditional_cell_probabilities",
    "delta",
    "log_delta",
    "log_fraction",
    "roc",
]

MAX_COUNT_VECTORS = 1_000_000
_MOST_WORK = 2e9
"""Largest number of multinomial count vectors that is enumerated."""

_LARGEST_INT64 = 2**62


def _integer_losses(losses: Sequence[Sequence[Fraction]], atoms: int) -> list[list[int]]:
    """Return the losses in units of their common denominator, shape (K, atoms)."""
    if len(losses) == 0 or any(len(row) != atoms for row in losses):
        raise InputError("losses", losses, f"one or more rows with one loss for each of the {atoms} atoms")
    if not all(isinstance(loss, Rational) for row in losses for loss in row):
        raise InputError("losses", losses, "fractions")
    unit = math.lcm(*(int(loss.denominator) for row in losses for loss in row))
    return [[int(loss.numerator) * (unit // int(loss.denominator)) for loss in row] for row in losses]


def _compositions(total: int, parts: int) -> IntArray:
    """Return every vector of ``parts`` non-negative integers that sum to ``total``, one per row."""
    rows = np.array([[total]], dtype=np.int64)
    # The last column holds what is still to be shared out; each pass splits it in all ways.
    for _ in range(parts - 1):
        rest = rows[:, -1]
        repeated = np.repeat(rows, rest + 1, axis=0)
        taken = np.arange(len(repeated)) - np.repeat(np.cumsum(rest + 1) - (rest + 1), rest + 1)
        rows = np.column_stack([repeated[:, :-1], taken, repeated[:, -1] - taken])
    return rows


def _multinomial_weights(counts: IntArray, masses: list[int]) -> NDArray[np.object_]:
    """Return (Σ counts)! Π mass_j^count_j / count_j! for each row, as exact integers."""
    size = int(counts[0].sum())
    factorials = np.array(list(accumulate(range(1, size + 1), int.__mul__, initial=1)), dtype=object)
    # Divided once: nothing costs more than a division of long integers.
    weights = factorials[size] // reduce(mul, (factorials[column] for column in counts.T))
    for column, mass in zip(counts.T, masses, strict=True):
        powers = np.array([mass**c for c in range(size + 1)], dtype=object)
        weights = weights * powers[column]
    return np.asarray(weights, dtype=object)


def conditional_cell_probabilities(
    probabilities: Sequence[Fraction], losses: Sequence[Sequence[Fraction]], n: int
) -> list[list[Fraction]]:
    """P(T_n = k | Z_1 = z), exactly (Statement S9c).

    T_n = argmin_k Σ_j losses[k][Z_j], ties to the lowest index.

    Parameters
    ----------
    probabilities : sequence of Fraction, length atoms
        The law of one observation; the sum is exactly one.
    losses : sequence of K sequences of Fraction
        ``losses[k][z]``.
    n : int
        Sample size, at least 1.

    Returns
    -------
    list of list of Fraction
        ``[z][k]``.

    Raises
    ------
    InputError
        If a number is not rational, the shapes differ or the probabilities do not sum to one.
    DomainError
        If there are more than ``MAX_COUNT_VECTORS`` count vectors of n − 1 observations.

    Examples
    --------
    >>> half, losses = Fraction(1, 2), [[Fraction(0), Fraction(1)], [Fraction(1), Fraction(0)]]
    >>> conditional_cell_probabilities([half, half], losses, 2)
    [[Fraction(1, 1), Fraction(0, 1)], [Fraction(1, 2), Fraction(1, 2)]]
    """
    n = sample_size(n, 1)
    masses, unit = rational_law(probabilities)
    table = _integer_losses(losses, len(masses))
    vectors = math.comb(n - 1 + len(masses) - 1, len(masses) - 1)
    if vectors > MAX_COUNT_VECTORS:
        raise DomainError(
            "exact",
            f"n = {n} with {len(masses)} atoms has {vectors} count vectors, more than {MAX_COUNT_VECTORS}",
            "use a smaller n or method = tilted",
        )
    if vectors * n * math.log2(n + 1) > _MOST_WORK:
        raise DomainError(
            "exact", f"n = {n} needs integers of {n * math.log2(n + 1):.3g} bits", "use a smaller n or method = tilted"
        )
    counts = _compositions(n - 1, len(masses))
    weights = _multinomial_weights(counts, masses)
    fits = n * max(abs(loss) for row in table for loss in row) < _LARGEST_INT64
    number: Any = np.int64 if fits else object
    scores = np.array(table, dtype=number)
    totals = counts.astype(number) @ scores.T
    denominator = unit ** (n - 1)
    result = []
    for atom in range(len(masses)):
        chosen = np.argmin(totals + scores[:, atom], axis=1)
        result.append([Fraction(sum(weights[chosen == k]), denominator) for k in range(len(table))])
    return result


def _average(probabilities: Sequence[Fraction], conditional: list[list[Fraction]]) -> list[Fraction]:
    """Return P(T_n = k) from P(T_n = k | Z_1 = z)."""
    return [
        sum((p * row[k] for p, row in zip(probabilities, conditional, strict=True)), Fraction(0))
        for k in range(len(conditional[0]))
    ]


def cell_probabilities(
    probabilities: Sequence[Fraction], losses: Sequence[Sequence[Fraction]], n: int
) -> list[Fraction]:
    """P(T_n = k), exactly (Statement S9c).

    Parameters, exceptions: as :func:`conditional_cell_probabilities`.

    Returns
    -------
    list of Fraction, length K

    Examples
    --------
    >>> half, losses = Fraction(1, 2), [[Fraction(0), Fraction(1)], [Fraction(1), Fraction(0)]]
    >>> cell_probabilities([half, half], losses, 2)
    [Fraction(3, 4), Fraction(1, 4)]
    """
    return _average(probabilities, conditional_cell_probabilities(probabilities, losses, n))


def delta(probabilities: Sequence[Fraction], losses: Sequence[Sequence[Fraction]], n: int) -> Fraction:
    """Δ_n = ½ Σ_k E|P(T_n = k | Z_1) − P(T_n = k)|, exactly (Statements S1 and S9c).

    Parameters, exceptions: as :func:`conditional_cell_probabilities`.

    Returns
    -------
    Fraction

    Examples
    --------
    >>> half, losses = Fraction(1, 2), [[Fraction(0), Fraction(1)], [Fraction(1), Fraction(0)]]
    >>> delta([half, half], losses, 2)
    Fraction(1, 4)
    """
    conditional = conditional_cell_probabilities(probabilities, losses, n)
    average = _average(probabilities, conditional)
    terms = (
        p * abs(given - mean)
        for p, row in zip(probabilities, conditional, strict=True)
        for given, mean in zip(row, average, strict=True)
    )
    return sum(terms, Fraction(0)) / 2


def log_delta(probabilities: Sequence[Fraction], losses: Sequence[Sequence[Fraction]], n: int) -> float:
    """Natural logarithm of :func:`delta`, correctly rounded up to a few units; ``-inf`` when nothing leaks.

    Parameters, exceptions: as :func:`conditional_cell_probabilities`.

    Examples
    --------
    >>> half, losses = Fraction(1, 2), [[Fraction(0), Fraction(1)], [Fraction(1), Fraction(0)]]
    >>> log_delta([half, half], losses, 2)
    -1.386294361119890...
    """
    return log_fraction(delta(probabilities, losses, n))


def log_fraction(value: Fraction) -> float:
    """Natural logarithm of a non-negative fraction of any size.

    Parameters
    ----------
    value : Fraction
        Numerator and denominator may exceed the range of a float.

    Returns
    -------
    float
        Accurate to a few units in the last place, also next to one; ``-inf`` at zero.

    Raises
    ------
    InputError
        If the value is negative.

    Examples
    --------
    >>> log_fraction(Fraction(1, 3**2000))
    -2197.224577336219...
    """
    if value < 0:
        raise InputError("value", value, "a non-negative fraction")
    if value == 0:
        return -math.inf
    if Fraction(1, 2) < value < 2:
        return math.log1p(float(value - 1))
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    return math.log(float(value / Fraction(2) ** exponent)) + exponent * math.log(2.0)


def roc(
    probabilities: Sequence[Fraction], losses: Sequence[Sequence[Fraction]], n: int
) -> tuple[list[Fraction], list[Fraction]]:
    """ROC of the most powerful membership attack, exactly (Statements S1 and S9c).

    The vertices of the Neyman–Pearson curve of the likelihood ratio between law(T_n) ⊗ P (non-member) and
    law(T_n, Z_1) (member); randomised attacks fill the segments in between.

    Parameters, exceptions: as :func:`conditional_cell_probabilities`.

    Returns
    -------
    fpr, tpr : list of Fraction
        From (0, 0) to (1, 1), by decreasing likelihood ratio, pairs of equal ratio merged.

    Examples
    --------
    >>> half, losses = Fraction(1, 2), [[Fraction(0), Fraction(1)], [Fraction(1), Fraction(0)]]
    >>> fpr, tpr = roc([half, half], losses, 2)
    >>> [(str(x), str(y)) for x, y in zip(fpr, tpr)]
    [('0', '0'), ('1/8', '1/4'), ('1/2', '3/4'), ('7/8', '1'), ('1', '1')]
    """
    conditional = conditional_cell_probabilities(probabilities, losses, n)
    average = _average(probabilities, conditional)
    steps: dict[Fraction, tuple[Fraction, Fraction]] = {}
    for p, row in zip(probabilities, conditional, strict=True):
        for given, mean in zip(row, average, strict=True):
            if p * mean > 0:
                ratio = given / mean
                false, true = steps.get(ratio, (Fraction(0), Fraction(0)))
                steps[ratio] = (false + p * mean, true + p * given)
    ordered = [steps[ratio] for ratio in sorted(steps, reverse=True)]
    fpr = list(accumulate((step[0] for step in ordered), initial=Fraction(0)))
    tpr = list(accumulate((step[1] for step in ordered), initial=Fraction(0)))
    return fpr, tpr
