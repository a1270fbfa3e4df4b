"""The statements by their labels: titles, and where each is stated and proved."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["STATEMENTS", "Statement"]


@dataclass(frozen=True)
class Statement:
    """A statement of the theory.

    Attributes
    ----------
    title : str
        What it is about.
    page : str
        The page of the documentation's theory that states and proves it; its label is an anchor there.
    """

    title: str
    page: str


STATEMENTS = {
    "S1": Statement("What is measured: Δ, the likelihood ratio and the attack's ROC", "leakage"),
    "S2": Statement("Faces and increments", "procedures"),
    "S3": Statement("Fixed quantizer: the large-deviations exponent", "large_deviations"),
    "S4": Statement("The sharp and uniform form", "sharp"),
    "S5": Statement("Certificates at every n", "large_deviations"),
    "S6": Statement("Size-adaptive quantizer: moderate deviations", "shrinking_cells"),
    "S7": Statement("Critical scale: the central limit", "shrinking_cells"),
    "S8": Statement("Retained Fisher information and high dimension", "high_dimension"),
    "S9": Statement("Exact oracles", "oracles"),
    "S10": Statement("Monte Carlo", "monte_carlo"),
    "S11": Statement("Rates from simulations", "rate_fits"),
    "S12": Statement("The second-order sharp form", "sharp"),
    "S13": Statement("The indicator from losses", "rankings"),
    "S14": Statement("Ranks with confidence sets", "rankings"),
    "S15": Statement("Penalised fits: what a member sees", "leave_one_out"),
    "S16": Statement("Penalised fits: the read-out of quantized weights", "leave_one_out"),
    "S17": Statement("Penalised fits: estimation from one fit", "leave_one_out"),
    "S18": Statement("Generalized linear laws", "generalized_linear"),
    "S19": Statement("Rows that calibrate a quantizer", "calibration"),
}
"""In the order of the theory."""
