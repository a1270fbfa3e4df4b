"""The ends of the range: right against an independent oracle, or refused in one line; never a warning, never a NaN."""

import extremes
import numpy as np
import pytest

from qmis_stats import DomainError
from qmis_stats.increments import DiscreteIncrement, check_scale
from qmis_stats.laws.base import check_cells

pytestmark = pytest.mark.grid(3)

QUICK = [case for case in extremes.CASES if not case.slow]


@pytest.mark.parametrize("case", QUICK, ids=[f"{i}-{case.group}" for i, case in enumerate(QUICK)])
def test_right_or_refused(case):
    found = extremes.answer(case)
    assert found.right(case), (case.name, found)
    assert "\n" not in found.line


def test_a_wrong_answer_is_noticed():
    """The control: a value off by more than its tolerance, an answer for a refusal, and a refusal for an answer."""
    right = extremes.Case("g", "i", "a", lambda: 1.0, lambda: 1.0, 1e-12)
    assert extremes.answer(right).right(right)
    for value, oracle in ((1.1, 1.0), (float("nan"), 1.0), (1.0, None)):
        case = extremes.Case("g", "i", "a", lambda v=value: v, oracle and (lambda o=oracle: o), 1e-12)
        assert not extremes.answer(case).right(case)

    def refuse():
        raise DomainError("m", "r", "a")

    case = extremes.Case("g", "i", "a", refuse, lambda: 1.0, 1e-12)
    assert not extremes.answer(case).right(case)


def test_scales_are_checked_before_squares_are_taken():
    with pytest.raises(DomainError, match="outside 1e-150"):
        check_scale([float("nan")])
    with pytest.raises(DomainError, match="infinity"):
        check_scale([float("inf")])
    check_scale([], power=2)
    check_cells(np.zeros((3, 2)), np.zeros(3))  # duplicates of the best have no scale
    assert DiscreteIncrement((extremes.Fraction(0),), (extremes.Fraction(1),)).variance == 0.0
