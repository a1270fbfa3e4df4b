"""Which game a number is for: a fresh sample from a population, or subsets of a finite pool (Statement S16)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qmis_stats.errors import InputError
from qmis_stats.validation import one_of, real_number

__all__ = ["Game"]


@dataclass(frozen=True)
class Game:
    """What the training points are drawn from.

    Parameters
    ----------
    kind : {"population", "pool"}
        Independent points of a population; or n of the N points of a pool that the attacker knows.
    fraction : float
        n/N of a pool, strictly between 0 and 1; 0 in a population.

    Examples
    --------
    >>> Game("pool", 0.5).variance_share(0.2)
    0.5555555555555556
    >>> Game().variance_share(0.2)
    1.0
    """

    kind: Literal["population", "pool"] = "population"
    fraction: float = 0.0

    def __post_init__(self) -> None:
        """Check that the fraction belongs to the kind."""
        one_of("game", self.kind, ("population", "pool"))
        if self.kind == "pool":
            allowed = "a number strictly between 0 and 1, the share n/N of the pool"
        else:
            allowed = "left out in a population"
        fraction = real_number("fraction", self.fraction, allowed)
        if not 0.0 < fraction < 1.0 if self.kind == "pool" else fraction != 0.0:
            raise InputError("fraction", self.fraction, allowed)

    def variance_share(self, inflation: float) -> float:
        """Return the variance of a fitted value over subsets of the pool, as a share of that over fresh samples.

        (1 − f)/(1 − fφ), with φ the inflation of the jackknife: the part of the variance that is linear in the sample
        falls by 1 − f, and parts of higher order by less.
        """
        return (1.0 - self.fraction) / (1.0 - self.fraction * inflation)
