"""Rows of the store's tables: each column is named once, as a field."""

from __future__ import annotations

from dataclasses import astuple
from fractions import Fraction
from typing import Any, NamedTuple

from qmis_stats.results import LinearEstimate, MISResult
from qmis_stats.sweep.adaptive import Block

__all__ = ["COLUMNS", "BlockRow", "CellRow", "SessionRow", "fraction_text"]

_SEPARATOR = "\n"


class CellRow(NamedTuple):
    """A cell: its specification, the rule that its result satisfies, and the result."""

    key: str
    specification: str
    rule: str | None
    n: int
    method: str | None
    seed: int
    log_delta: float | None
    std_error: float | None
    ci_low: float | None
    ci_high: float | None
    dof: int | None
    fraction: str | None
    in_domain: int | None
    domain: str | None
    replicates: int | None
    blocks: int | None
    refusal: str | None
    seconds: float | None


COLUMNS = CellRow._fields[3:-1]
"""The result columns: functions of the specification and of the file's rule alone."""


class SessionRow(NamedTuple):
    """A time that a sweep ran: when it began, its seconds, and the cells and blocks that it finished."""

    began: str
    elapsed: float
    cells: int
    blocks: int


class BlockRow(NamedTuple):
    """A block of replicates of a cell."""

    cell: str
    number: int
    method: str
    replicates: int | None
    dof: int | None
    log_delta: float
    std_error: float | None
    in_domain: int
    domain: str
    fraction: str | None
    # the linear estimate behind the result; without one, NULL
    value: Any
    value_error: Any
    log_scale: Any
    gap: Any
    effective: Any
    objections: str | None
    seconds: float

    @classmethod
    def of(cls, cell: str, number: int, block: Block) -> BlockRow:
        """Return the row of a block of a cell."""
        r = block.result
        linear: tuple[Any, ...] = (None,) * 6
        if r.linear is not None:
            linear = (*astuple(r.linear)[:-1], _SEPARATOR.join(r.linear.objections))
        found = (r.method, r.replicates, r.dof, r.log_delta, r.std_error, int(r.in_domain), r.domain, fraction_text(r))
        return cls._make((cell, number, *found, *linear, block.seconds))

    def block(self, n: int, seed: int) -> Block:
        """Return the block, of a cell with this n and this seed."""
        linear = None
        if self.value is not None:
            objections = tuple(self.objections.split(_SEPARATOR)) if self.objections else ()
            linear = LinearEstimate(self.value, self.value_error, self.log_scale, self.gap, self.effective, objections)
        result = MISResult(
            self.method,
            n,
            self.log_delta,
            self.std_error,
            in_domain=bool(self.in_domain),
            domain=self.domain,
            seed=None if self.std_error is None else seed,
            replicates=self.replicates,
            fraction=None if self.fraction is None else _fraction(self.fraction),
            dof=self.dof,
            linear=linear,
        )
        return Block(result, self.seconds)


def fraction_text(result: MISResult) -> str | None:
    """Return the exact Δ of a result as ``"8/27"``, if it has one."""
    return None if result.fraction is None else str(result.to_dict()["fraction"])


def _fraction(text: str) -> Fraction:
    """Return ``"8/27"``; other spellings, such as 1e999999999, are not written by a sweep and may take for ever."""
    numerator, _, denominator = text.partition("/")
    return Fraction(int(numerator), int(denominator or 1))
