"""What an attack is: fitted on what is known, it scores what is shown; large scores say "member"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias, runtime_checkable

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.attacks.game import Known, Shown

__all__ = ["Attack", "Preparable", "Scorer"]

Scorer: TypeAlias = Callable[[Shown], FloatArray]
"""Returns scores of shape (T, 2m); they must not be NaN."""


@runtime_checkable
class Attack(Protocol):
    """An attack on membership.

    The optimum (1 + Δ)/2 holds for attacks that see one point of each training run: the score of a point must not use
    the other points that its training shows.

    Attributes
    ----------
    name : str
        For tables; different for different attacks.
    threshold : float or None
        Scores of at least this much are called members; ``None`` fixes it on the calibration training runs, where the
        accuracy is largest.
    """

    @property
    def name(self) -> str:
        """For tables."""
        ...

    @property
    def threshold(self) -> float | None:
        """Where scores become members."""
        ...

    def fit(self, known: Known) -> Scorer:
        """Return the function that scores points; it sees neither labels nor target runs."""
        ...


@runtime_checkable
class Preparable(Protocol):
    """An attack some of whose work is the same for every quantizer on the same training runs."""

    def prepared(self, known: Known) -> Attack:
        """Return the attack with this work done; what is known is of the game without a quantizer."""
        ...
