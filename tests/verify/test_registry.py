"""The registry is complete: every statement, every kind of decision, a negative control for every statistical claim."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from qmis_stats.errors import InputError
from qmis_stats.verify.evidence import Claim
from qmis_stats.verify.registry import CLAIMS, chosen_claims
from qmis_stats.verify.run_claims import run_verification
from qmis_stats.verify.statements import STATEMENTS


def test_every_statement_is_covered_and_in_order() -> None:
    assert set(STATEMENTS) >= {f"S{i}" for i in range(1, 15)}
    assert {c.statement for c in CLAIMS} == set(STATEMENTS)
    labels = [int(c.statement[1:]) for c in CLAIMS]
    assert labels == sorted(labels)


def test_keys_are_unique() -> None:
    assert max(Counter(c.key for c in CLAIMS).values()) == 1


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda c: c.key)
def test_each_claim_says_what_it_states_and_how_it_is_decided(claim: Claim) -> None:
    for text in (claim.title, claim.text, claim.formula, claim.law, claim.decided, claim.quantity):
        assert text.strip() == text
        assert text
    assert re.match(r"(Exact|Numeric|Statistical|Limit|Negative control)", claim.decided)
    assert len(claim.title) <= 60


def test_limits_are_shown_for_every_approximation() -> None:
    assert {c.statement for c in CLAIMS if c.key.startswith("limits.")} == {"S4", "S6", "S7", "S8", "S10"}


@pytest.mark.parametrize("label", STATEMENTS)
def test_each_statement_is_on_the_page_that_the_report_names(label: str) -> None:
    theory = Path(__file__).resolve().parents[2] / "docs" / "theory"
    page = (theory / f"{STATEMENTS[label].page}.md").read_text(encoding="utf-8")
    assert f"({label})=\n" in page


def test_claims_are_chosen_by_statement_and_by_key() -> None:
    assert chosen_claims() == CLAIMS
    assert {c.statement for c in chosen_claims(["s4", "S12"])} == {"S4", "S12"}
    assert [c.key for c in chosen_claims(["S5"], ["definition.range", "certificates.lines"])] == [
        "definition.range",
        "certificates.finite",
        "certificates.lines",
    ]
    with pytest.raises(InputError, match=r"^statement = 'S99': must be one of S1, .*, S19$"):
        chosen_claims(["S99"])
    with pytest.raises(InputError, match=r"did you mean definition\.range"):
        chosen_claims((), ["definition.rang"])


def test_the_proximal_claim_holds_at_full_scale_too() -> None:
    """Its largest grid has fewer points than are left out of the others."""
    (claim,) = chosen_claims((), ("penalised.proximal",))
    assert run_verification(claims=[claim]).passed
