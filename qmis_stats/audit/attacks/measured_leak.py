"""Leaks that were measured and not predicted: lower bounds, ordered by AUC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.attacks.attack_intervals import mean_bounds
from qmis_stats.audit.attacks.attack_result import ATTACK_FPR
from qmis_stats.leak.releases import ReleaseLeak

__all__ = ["MeasuredLeak"]


@dataclass(frozen=True, eq=False, repr=False)
class MeasuredLeak(ReleaseLeak):
    """Leak of a model under each quantizer and without one, as something attained it: a lower bound."""

    figures: ClassVar[tuple[str, ...]] = ("delta", "auc", *(f"tpr_{rate:g}" for rate in ATTACK_FPR))
    measured: ClassVar[bool] = True
    lows: ClassVar[Mapping[str, float]] = {"delta": -1.0, "auc": 0.0}

    @property
    def ordered_by(self) -> tuple[FloatArray, FloatArray]:
        """What ranks and reductions are of, with its covariance: twice the AUC above chance, 2·AUC − 1.

        An AUC needs no threshold: it is measured better than an advantage, and is not 0 where a threshold is missed.
        """
        return np.asarray(2.0 * self.auc - 1.0), np.asarray(4.0 * self.covariance[1])

    def conf_int(self, level: float | None = None, figure: str = "delta") -> FloatArray:
        """Return the interval of a figure for each release by itself, shape (Q, 2).

        It is Student's, or one that is guaranteed where all that was measured agrees (Hoeffding 1963). It is cut only
        where the figure of an attack ends: one that does worse than chance is below 0, or ½, and so is its interval.

        Parameters
        ----------
        level : float, optional
            By default the result's.
        figure : str
            One of ``figures``.
        """
        ends = super().conf_int(level, figure)
        low = self.lows.get(figure, 0.0)
        chosen = self.level if level is None else level
        for q in np.flatnonzero(self.std_errors(figure) == 0.0):
            share = (float(self.estimates[q, self._place(figure)]) - low) / (1.0 - low)
            ends[q] = [low + (1.0 - low) * end for end in mean_bounds(share, self.sample()[0], chosen)]
        return ends

    def to_dict(self, level: float | None = None) -> dict[str, Any]:
        """Return JSON-ready data; infinities and NaN become ``None``."""
        return {"measured": True, **super().to_dict(level)}
