"""A row of the table of an audit: what is known of one quantizer, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from qmis_stats.audit.leak_lines import LeakLine

__all__ = ["Line"]


@dataclass(frozen=True)
class Line:
    """One quantizer in the table of an audit.

    Attributes
    ----------
    name : str
        The quantizer.
    bits : float
        Bits per weight.
    rank : int or None
        By the estimates, 1 the most private; ``None`` of the reference and where there is no estimate.
    rank_set : (int, int) or None
        Simultaneous confidence set of the rank.
    indicator : float or None
        r̂.
    interval : (float, float) or None
        Of the indicator.
    score, price : float
        Performance, and how much worse it is than without quantization.
    score_interval, price_interval : (float, float)
        Of both.
    pareto, best : bool
        Whether no other one is at least as private and as good; whether it may be the most private at the level.
    reference : bool
        Whether this is the model without quantization.
    leak : LeakLine or None
        What is released leaks, where that is known; ranks are then by it.
    """

    name: str
    bits: float
    rank: int | None
    rank_set: tuple[int, int] | None
    indicator: float | None
    interval: tuple[float, float] | None
    score: float
    score_interval: tuple[float, float]
    price: float
    price_interval: tuple[float, float]
    pareto: bool
    best: bool
    reference: bool
    leak: LeakLine | None = None
