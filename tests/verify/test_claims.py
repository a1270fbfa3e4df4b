"""Single claims as functions: a broken formula makes them fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qmis_stats.problem import Problem
from qmis_stats.results import MISResult
from qmis_stats.verify import run_verification
from qmis_stats.verify.claims import critical, large_deviations, moderate, oracles, second_order, sharp
from qmis_stats.verify.evidence import Claim, Context


def _by_key(claims: tuple[Claim, ...], key: str) -> Claim:
    return next(c for c in claims if c.key == key)


CASES = [
    (_by_key(sharp.CLAIMS, "sharp.order"), "sharp", 1e-4, 0.0),
    (_by_key(sharp.CLAIMS, "sharp.uniform"), "sharp", 0.0, 0.03),
    (_by_key(critical.CLAIMS, "critical.line"), "critical", 0.0, 0.01),
    (_by_key(critical.CLAIMS, "critical.centred"), "critical", 0.0, 0.005),
    (_by_key(moderate.CLAIMS, "moderate.constant"), "exact", 0.0, 0.05),
    (_by_key(large_deviations.CLAIMS, "large_deviations.convergence"), "exact", 1e-3, 0.0),
    (_by_key(oracles.CLAIMS, "oracles.line"), "conditional", 0.0, 0.02),
    (_by_key(second_order.CLAIMS, "second_order.order"), "sharp2", 0.0, 1e-4),
]


@pytest.mark.parametrize(
    ("claim", "method", "rate", "shift"),
    [*CASES[:3], *(pytest.param(*case, marks=pytest.mark.long) for case in CASES[3:])],
    ids=lambda v: v.key if isinstance(v, Claim) else "",
)
def test_a_wrong_exponent_or_prefactor_fails(
    claim: Claim, method: str, rate: float, shift: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = Context.evaluate

    def wrong(self: Context, problem: Problem, n: int, how: str, **options: object) -> MISResult:
        result = evaluate(self, problem, n, how, **options)  # type: ignore[arg-type]
        return replace(result, log_delta=result.log_delta - rate * n + shift) if how == method else result

    monkeypatch.setattr(Context, "evaluate", wrong)
    assert not run_verification(quick=True, claims=[claim]).passed
