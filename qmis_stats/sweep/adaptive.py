"""How many blocks of replicates a cell needs: a rule that sees nothing but the blocks themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qmis_stats.results import MISResult
from qmis_stats.simulate import pooled
from qmis_stats.validation import positive_number, whole_number

__all__ = ["Adaptive", "Block", "Decision", "decide"]


@dataclass(frozen=True)
class Adaptive:
    """When a cell has enough replicates.

    Attributes
    ----------
    relative_error : float
        Relative standard error of Δ that is wanted.
    replicates : int
        Most replicates of a cell; the first block is always computed.
    seconds : float or None
        Computing time of a cell after which no block is added. With it the number of blocks depends on the machine.
    """

    relative_error: float
    replicates: int = 10**9
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        positive_number("relative_error", self.relative_error)
        whole_number("replicates", self.replicates, 1)
        if self.seconds is not None:
            positive_number("seconds", self.seconds)


@dataclass(frozen=True)
class Block:
    """The result of one block, and the seconds that it took."""

    result: MISResult
    seconds: float


@dataclass(frozen=True)
class Decision:
    """What a cell still needs: blocks that are missing, or nothing, and then its result."""

    missing: tuple[int, ...]
    result: MISResult | None
    blocks: int
    seconds: float


def decide(blocks: Mapping[int, Block], rule: Adaptive | None) -> Decision:
    """Return what a cell needs.

    The rule looks after 1, 2, 4, 8, ... blocks. Each look sees the first blocks in their order, whatever else has been
    computed already: interruptions and the order of arrival cannot change where it stops.

    Parameters
    ----------
    blocks : mapping of int to Block
        By number, as many as there are.
    rule : Adaptive, optional
        ``None``: one block.

    Examples
    --------
    >>> decide({}, None).missing
    (0,)
    """
    total = 1
    while True:
        missing = tuple(b for b in range(total) if b not in blocks)
        if missing:
            return Decision(missing, None, total, 0.0)
        result = pooled([blocks[b].result for b in range(total)])
        seconds = sum(blocks[b].seconds for b in range(total))
        wanted = total if rule is None else _wanted(rule, total, result, seconds)
        if wanted == total:
            return Decision((), result, total, seconds)
        total = wanted


def _wanted(rule: Adaptive, total: int, result: MISResult, seconds: float) -> int:
    """Return how many blocks are wanted, at least the ``total`` that there are."""
    error, replicates = result.std_error, result.replicates
    if result.linear is None or error is None or replicates is None or error <= rule.relative_error:
        return total
    if rule.seconds is not None and seconds >= rule.seconds:
        return total
    return max(total, min(2 * total, rule.replicates * total // replicates))
