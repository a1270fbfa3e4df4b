"""Validation shared by the oracles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from numbers import Rational

from qmis_stats.errors import InputError
from qmis_stats.validation import objects

__all__ = ["rational_law"]


def rational_law(probabilities: Sequence[Fraction]) -> tuple[list[int], int]:
    """Return integer weights and their sum d, so that atom j has probability ``weights[j] / d``."""
    probabilities = objects(object, "probabilities", probabilities)
    if len(probabilities) == 0 or not all(isinstance(p, Rational) and p >= 0 for p in probabilities):
        raise InputError("probabilities", probabilities, "one or more non-negative fractions")
    if sum(probabilities) != 1:
        raise InputError("probabilities", probabilities, "fractions that sum to exactly one")
    denominator = math.lcm(*(int(p.denominator) for p in probabilities))
    return [int(p.numerator) * (denominator // int(p.denominator)) for p in probabilities], denominator
