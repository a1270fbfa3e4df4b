"""The one list of claims, in the order of the statements."""

from __future__ import annotations

from collections.abc import Sequence

from qmis_stats.errors import InputError, did_you_mean
from qmis_stats.validation import objects
from qmis_stats.verify.claims import (
    calibration,
    canonical_fits,
    certificates,
    critical,
    definition,
    faces,
    generalized_linear,
    high_dimension,
    large_deviations,
    limits,
    moderate,
    oracles,
    penalised,
    rankings,
    rates,
    regression_attack,
    second_order,
    sharp,
    simulation,
)
from qmis_stats.verify.evidence import Claim
from qmis_stats.verify.statements import STATEMENTS

__all__ = ["CLAIMS", "chosen_claims"]

CLAIMS: tuple[Claim, ...] = tuple(
    sorted(
        (
            *definition.CLAIMS,
            *faces.CLAIMS,
            *large_deviations.CLAIMS,
            *sharp.CLAIMS,
            *certificates.CLAIMS,
            *moderate.CLAIMS,
            *critical.CLAIMS,
            *high_dimension.CLAIMS,
            *regression_attack.CLAIMS,
            *oracles.CLAIMS,
            *simulation.CLAIMS,
            *rates.CLAIMS,
            *rankings.CLAIMS,
            *penalised.CLAIMS,
            *generalized_linear.CLAIMS,
            *canonical_fits.CLAIMS,
            *calibration.CLAIMS,
            *second_order.CLAIMS,
            *limits.CLAIMS,
        ),
        key=lambda claim: int(claim.statement[1:]),
    )
)
"""Every claim; the limits of a statement come after its claims."""


def chosen_claims(statements: Sequence[str] = (), keys: Sequence[str] = ()) -> tuple[Claim, ...]:
    """Return the claims of some statements and those with some keys, in order; all where nothing is chosen.

    Parameters
    ----------
    statements : sequence of str
        Labels, such as ``"S4"``; their case does not matter.
    keys : sequence of str
        Keys, such as ``"sharp.order"``.

    Returns
    -------
    tuple of Claim

    Raises
    ------
    InputError
        If there is no such statement or claim.

    Examples
    --------
    >>> [claim.key for claim in chosen_claims(["S5"], ["sharp.order"])]
    ['sharp.order', 'certificates.finite', 'certificates.lines']
    """
    statements = objects(str, "statements", statements, "such as ['S4']")
    keys = objects(str, "keys", keys, "such as ['sharp.order']")
    labels = [label.upper() for label in statements]
    for given, label in zip(statements, labels, strict=True):
        if label not in STATEMENTS:
            raise InputError("statement", given, f"one of {', '.join(STATEMENTS)}")
    known = [claim.key for claim in CLAIMS]
    for key in keys:
        if key not in known:
            hint = did_you_mean(key, known) or f", such as {known[0]}"
            raise InputError("keys", key, f"the key of a claim{hint}")
    if not (labels or keys):
        return CLAIMS
    return tuple(claim for claim in CLAIMS if claim.statement in labels or claim.key in keys)
