"""The one list of claims, in the order of the statements."""

from __future__ import annotations

from qmis_stats.verify.claims import (
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

__all__ = ["CLAIMS", "STATEMENTS"]

STATEMENTS = {
    "S1": "What is measured: Δ, the likelihood ratio and the attack's ROC",
    "S2": "Faces and increments",
    "S3": "Fixed quantizer: the large-deviations exponent",
    "S4": "The sharp and uniform form",
    "S5": "Certificates at every n",
    "S6": "Size-adaptive quantizer: moderate deviations",
    "S7": "Critical scale: the central limit",
    "S8": "Retained Fisher information and high dimension",
    "S9": "Exact oracles",
    "S10": "Monte Carlo",
    "S11": "Rates from simulations",
    "S12": "The second-order sharp form",
    "S13": "The indicator from losses",
    "S14": "Ranks with confidence sets",
    "S15": "Penalised fits: what a member sees",
    "S16": "Penalised fits: the read-out of quantized weights",
    "S17": "Penalised fits: estimation from one fit",
    "S18": "Generalized linear laws",
}
"""Titles of the statements."""

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
            *second_order.CLAIMS,
            *limits.CLAIMS,
        ),
        key=lambda claim: int(claim.statement[1:]),
    )
)
"""Every claim; the limits of a statement come after its claims."""
