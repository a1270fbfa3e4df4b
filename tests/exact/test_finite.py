"""Statement S9c against the enumeration of every sample, and known small cases."""

import math
from fractions import Fraction
from itertools import pairwise, product

import mpmath as mp
import numpy as np
import pytest

from qmis_stats.errors import DomainError, InputError
from qmis_stats.exact import finite

HALF = Fraction(1, 2)


def brute_force(
    p: list[Fraction], losses: list[list[Fraction]], n: int
) -> tuple[Fraction, list[list[Fraction]], list[Fraction]]:
    """Δ_n, P(T = k | Z_1 = z) and P(T = k) by running the learner on each of the atoms^n samples."""
    joint = [[Fraction(0)] * len(losses) for _ in p]
    for sample in product(range(len(p)), repeat=n):
        totals = [sum(row[z] for z in sample) for row in losses]
        joint[sample[0]][totals.index(min(totals))] += math.prod(p[z] for z in sample)
    average = [sum(row[k] for row in joint) for k in range(len(losses))]
    gap = sum(abs(joint[z][k] - p[z] * average[k]) for z in range(len(p)) for k in range(len(losses)))
    return gap / 2, [[x / q for x in row] for row, q in zip(joint, p, strict=True)], average


def random_problem(seed: int) -> tuple[list[Fraction], list[list[Fraction]], int]:
    """A small problem whose small integer losses tie often; every third one has a fractional unit."""
    rng = np.random.default_rng(seed)
    atoms, codewords, n = int(rng.integers(2, 5)), int(rng.integers(1, 5)), int(rng.integers(1, 6))
    masses = [int(m) for m in rng.integers(1, 7, atoms)]
    unit = 3 if seed % 3 == 0 else 1
    losses = [[Fraction(int(v), unit) for v in rng.integers(-2, 3, atoms)] for _ in range(codewords)]
    return [Fraction(m, sum(masses)) for m in masses], losses, n


@pytest.mark.parametrize("seed", range(30))
def test_agrees_with_every_sample(seed: int) -> None:
    p, losses, n = random_problem(seed)
    expected, conditional, average = brute_force(p, losses, n)
    assert finite.delta(p, losses, n) == expected
    assert finite.conditional_cell_probabilities(p, losses, n) == conditional
    assert finite.cell_probabilities(p, losses, n) == average


def test_ties_go_to_the_lowest_index() -> None:
    losses = [[Fraction(0), Fraction(1)], [Fraction(1), Fraction(0)]]
    assert finite.cell_probabilities([HALF, HALF], losses, 2) == [Fraction(3, 4), Fraction(1, 4)]
    assert finite.cell_probabilities([HALF, HALF], losses[::-1], 2) == [Fraction(3, 4), Fraction(1, 4)]
    assert finite.cell_probabilities([HALF, HALF], [losses[0]] * 3, 4) == [1, 0, 0]


@pytest.mark.parametrize("seed", range(12))
def test_roc_is_the_neyman_pearson_curve(seed: int) -> None:
    p, losses, n = random_problem(seed)
    fpr, tpr = finite.roc(p, losses, n)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    # Its largest vertical distance to the diagonal is Δ_n, and it is strictly concave between vertices.
    assert max(y - x for x, y in zip(fpr, tpr, strict=True)) == finite.delta(p, losses, n)
    slopes = [(tpr[i + 1] - tpr[i]) / (fpr[i + 1] - fpr[i]) for i in range(len(fpr) - 1)]
    assert all(a > b for a, b in pairwise(slopes))


def test_roc_dominates_every_deterministic_attack() -> None:
    p, n = [Fraction(1, 3), Fraction(2, 3)], 3
    losses = [[Fraction(0), Fraction(2)], [Fraction(1), Fraction(1)]]
    _, conditional, average = brute_force(p, losses, n)
    fpr, tpr = finite.roc(p, losses, n)
    pairs = [(p[z] * average[k], p[z] * conditional[z][k]) for z in range(2) for k in range(2)]
    for chosen in product([0, 1], repeat=4):
        x = sum(c * f for c, (f, _) in zip(chosen, pairs, strict=True))
        y = sum(c * t for c, (_, t) in zip(chosen, pairs, strict=True))
        i = max(i for i in range(len(fpr) - 1) if fpr[i] <= x)
        assert y <= tpr[i] + (x - fpr[i]) * (tpr[i + 1] - tpr[i]) / (fpr[i + 1] - fpr[i])


def test_two_atoms_against_binomial_tails() -> None:
    # Codeword 2 wins when more than half of the sample is the rare atom.
    n, p = 61, Fraction(1, 5)
    losses = [[Fraction(0), Fraction(1)], [Fraction(1), Fraction(0)]]
    weight = [math.comb(n - 1, c) * p**c * (1 - p) ** (n - 1 - c) for c in range(n)]
    given = [sum(weight[31 - z :]) for z in (0, 1)]
    average = (1 - p) * given[0] + p * given[1]
    expected = (1 - p) * (average - given[0]) + p * (given[1] - average)
    assert finite.delta([1 - p, p], losses, n) == expected


def test_losses_beyond_64_bits_stay_exact() -> None:
    p, losses, n = random_problem(7)
    huge = [[loss * 10**40 for loss in row] for row in losses]
    assert finite.delta(p, huge, n) == finite.delta(p, losses, n)
    nudged = [[loss + Fraction(k, 10**60) for loss in row] for k, row in enumerate(huge)]
    assert finite.delta(p, nudged, n) == finite.delta(p, losses, n)  # ties already went to the lowest index


def test_integers_are_fractions_and_atoms_may_have_no_mass() -> None:
    losses = [[0, 1], [1, 0]]
    assert finite.delta([1, 0], losses, 3) == 0
    assert finite.log_delta([1, 0], losses, 3) == -math.inf
    assert finite.cell_probabilities([np.int64(0), np.int64(1)], losses, 3) == [0, 1]


def test_largest_intended_case_sums_to_one() -> None:
    rng = np.random.default_rng(3)
    p = [Fraction(k, 10) for k in (1, 2, 3, 4)]
    losses = [[Fraction(int(v), 7) for v in rng.integers(0, 50, 4)] for _ in range(6)]
    conditional = finite.conditional_cell_probabilities(p, losses, 60)
    assert all(sum(row) == 1 for row in conditional)


@pytest.mark.parametrize(
    "value",
    [
        Fraction(1),
        1 + Fraction(1, 10**30),
        1 - Fraction(1, 10**30),
        Fraction(1, 2),
        Fraction(2),
        Fraction(3, 7**5000),
        Fraction(7**5000, 3),
        Fraction(2**4000 - 1, 2**4000 + 1),
    ],
)
def test_log_fraction_against_mpmath(value: Fraction) -> None:
    with mp.workdps(2000):
        expected = float(mp.log(mp.mpf(value.numerator) / value.denominator))
    assert finite.log_fraction(value) == pytest.approx(expected, rel=4e-16, abs=0.0)


def test_refusals() -> None:
    losses = [[Fraction(0), Fraction(1)], [Fraction(1), Fraction(0)]]
    with pytest.raises(InputError, match="n = 0"):
        finite.delta([HALF, HALF], losses, 0)
    with pytest.raises(InputError, match="sum to exactly one"):
        finite.delta([HALF, Fraction(1, 3)], losses, 2)
    with pytest.raises(InputError, match="non-negative fractions"):
        finite.delta([0.5, 0.5], losses, 2)
    with pytest.raises(InputError, match="non-negative fractions"):
        finite.delta([Fraction(3, 2), -HALF], losses, 2)
    with pytest.raises(InputError, match="one loss for each of the 2 atoms"):
        finite.delta([HALF, HALF], [[Fraction(0)]], 2)
    with pytest.raises(InputError, match="one or more rows"):
        finite.delta([HALF, HALF], [], 2)
    with pytest.raises(InputError, match="must be fractions"):
        finite.delta([HALF, HALF], [[0.0, 1.0]], 2)
    with pytest.raises(InputError, match="non-negative fraction"):
        finite.log_fraction(Fraction(-1, 2))


def test_refuses_more_count_vectors_than_it_enumerates() -> None:
    p = [Fraction(1, 6)] * 6
    with pytest.raises(DomainError, match="more than 1000000"):
        finite.delta(p, [[Fraction(k == z) for z in range(6)] for k in range(2)], 60)
