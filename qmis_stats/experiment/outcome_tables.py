"""The tables of an experiment: the faces that leak most, and the results."""

from __future__ import annotations

from collections.abc import Sequence

from qmis_stats.problem import Face
from qmis_stats.reporting.tables import Table, power_of_ten, texts
from qmis_stats.results import MISResult, shown_mis

__all__ = ["SHOWN_FACES", "faces_table", "results_table"]

SHOWN_FACES = 10
"""The most faces in a table."""

_LARGEST_DENOMINATOR = 10**7


def faces_table(caption: str, faces: Sequence[Face]) -> Table:
    """Return the faces with their rates, the lowest exponent first: it leaks most."""
    lowest = sorted(faces, key=lambda face: face.chernoff_exponent)[:SHOWN_FACES]
    kinds = [face.kind if face.exact else f"{face.kind}, linearised" for face in lowest]
    words = {"face": [face.name for face in lowest], **({"kind": kinds} if set(kinds) != {"regular"} else {})}
    numbers = {
        "delta": [face.delta for face in lowest],
        "sigma2": [face.sigma2 for face in lowest],
        "rate r": [face.moderate_deviation_rate for face in lowest],
        "exponent I": [face.chernoff_exponent for face in lowest],
        "tilt": [face.tilt.lam for face in lowest],
    }
    return Table.of(caption, words | {head: texts(values, ".4g") for head, values in numbers.items()}, len(words))


def results_table(caption: str, results: Sequence[MISResult]) -> Table:
    """Return the results, with an asterisk where a method is outside its domain."""
    columns = {
        "method": [result.method + "*" * (not result.in_domain) for result in results],
        "n": [str(result.n) for result in results],
        "log delta": texts([result.log_delta for result in results], ".6f"),
        "std err": texts([result.std_error for result in results], ".2g"),
        "delta": [power_of_ten(result.log_delta) for result in results],
        "MIS": [shown_mis(result.log_delta) for result in results],
    }
    fractions = [_short_fraction(result) for result in results]
    return Table.of(caption, columns | ({"exact": fractions} if any(fractions) else {}))


def _short_fraction(result: MISResult) -> str:
    """Return Δ as a fraction of a few digits, or nothing: exact numbers may have millions of digits."""
    fraction = result.fraction
    return str(fraction) if fraction is not None and fraction.denominator < _LARGEST_DENOMINATOR else ""
