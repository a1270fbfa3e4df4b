"""Paired timings: both sides alternate in one process, the ratio is taken within each round."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Side = Callable[[], object]


@dataclass
class Case:
    """One line of the table: what this package does, and what a careful user would write instead.

    Attributes
    ----------
    operation, rival : str
        What is computed, and with what else.
    own, other : callable
        The two sides.
    own_work, other_work : float
        Units of work per call (replicates, pairs): the ratio is of times per unit.
    unit : str
        Name of that unit.
    """

    operation: str
    rival: str
    own: Side
    other: Side
    own_work: float = 1.0
    other_work: float = 1.0
    unit: str = "call"


@dataclass
class Timing:
    """Ratios of one case, round by round, and seconds per unit of work of each side."""

    case: Case
    ratios: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    other: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median ratio."""
        return statistics.median(self.ratios)

    def row(self) -> tuple[str, ...]:
        """Return the cells of the table."""
        return (
            self.case.operation,
            self.case.rival,
            duration(statistics.median(self.own)) + f" per {self.case.unit}",
            f"{short(self.median)} ({short(min(self.ratios))} to {short(max(self.ratios))})",
        )


HEADER = ("operation", "against", "own time (median)", "ratio of times: median (least to most)")


def elapsed(side: Side) -> float:
    """Return the wall time of one call."""
    start = time.perf_counter()
    side()
    return time.perf_counter() - start


def processor_time(side: Side) -> float:
    """Return the time that the processor spends on one call, which other processes of the machine hardly change."""
    start = time.process_time()
    side()
    return time.process_time() - start


def measure(case: Case, rounds: int) -> Timing:
    """Time both sides in turn; the first call of each (compilation, first touch of memory) is not counted."""
    timing = Timing(case)
    case.own()
    case.other()
    gc.collect()
    for _ in range(rounds):
        own = processor_time(case.own) / case.own_work
        other = processor_time(case.other) / case.other_work
        timing.own.append(own)
        timing.other.append(other)
        timing.ratios.append(other / own)
    return timing


def short(value: float) -> str:
    """Return three digits, without an exponent below a million."""
    return f"{value:.2e}" if value >= 1e6 else f"{value:.0f}" if value >= 100.0 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """Return a time with its unit, three digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def markdown(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table whose columns are aligned in plain text too."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [header, tuple("-" * w for w in widths), *rows]
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines)
