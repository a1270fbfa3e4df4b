"""Statement S9d against direct summation and against the definition of Δ_n on all histograms."""

import math
from fractions import Fraction
from itertools import product

import pytest

from qmis_stats.errors import InputError
from qmis_stats.exact import finite, histogram


@pytest.mark.parametrize("n", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("masses", [(5, 3, 2), (1, 1), (1, 0), (1, 9, 90), (1, 2, 3, 4)])
def test_agrees_with_direct_summation(masses: tuple[int, ...], n: int) -> None:
    p = [Fraction(m, sum(masses)) for m in masses]
    expected = Fraction(0)
    for q in p:
        mass = [math.comb(n, c) * q**c * (1 - q) ** (n - c) for c in range(n + 1)]
        expected += sum(m * abs(Fraction(c, n) - q) for c, m in enumerate(mass)) / 2
    assert histogram.delta(p, n) == expected


def test_is_the_definition_with_the_histogram_as_output() -> None:
    p, n = [Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)], 4
    joint: dict[tuple[tuple[int, ...], int], Fraction] = {}
    for sample in product(range(3), repeat=n):
        key = (tuple(sample.count(z) for z in range(3)), sample[0])
        joint[key] = joint.get(key, Fraction(0)) + math.prod(p[z] for z in sample)
    outputs = {h for h, _ in joint}
    law = {h: sum(joint.get((h, z), Fraction(0)) for z in range(3)) for h in outputs}
    gap = sum(abs(joint.get((h, z), Fraction(0)) - p[z] * law[h]) for h in outputs for z in range(3))
    assert histogram.delta(p, n) == gap / 2


def test_quoted_value_and_logarithm() -> None:
    p = [Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)]
    assert round(float(histogram.delta(p, 50)), 5) == 0.07613
    assert histogram.log_delta(p, 50) == pytest.approx(math.log(float(histogram.delta(p, 50))), rel=1e-15)


@pytest.mark.parametrize("n", [2, 5, 12])
def test_bounds_every_learner(n: int) -> None:
    p = [Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)]
    losses = [[Fraction((z - k) ** 2) for z in range(3)] for k in range(3)]
    assert 0 < finite.delta(p, losses, n) < histogram.delta(p, n)


def test_refuses_bad_input() -> None:
    with pytest.raises(InputError, match="n = 0"):
        histogram.delta([Fraction(1)], 0)
    with pytest.raises(InputError, match="probabilities"):
        histogram.delta([], 3)
