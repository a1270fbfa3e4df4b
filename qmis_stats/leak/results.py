"""How much a fit leaks under each quantizer: figures, intervals, differences, ranks, records (Statement S17)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from qmis_stats.leak.game import Game
from qmis_stats.leak.releases import ReleaseLeak
from qmis_stats.scores.base import FloatArray
from qmis_stats.validation import checked_level

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LeakageResult"]


@dataclass(frozen=True, eq=False)
class LeakageResult(ReleaseLeak):
    """Leak of a fit under each quantizer and without one, by theory.

    Beside what :class:`~qmis_stats.leak.releases.ReleaseLeak` tells:

    Attributes
    ----------
    exposure, exposure_error : (n, Q) ndarray
        Exposure of each training record, TV with and without it, and its standard error.
    retained : (Q,) ndarray
        ρ, the share of the variance of a fitted value that the release retains.
    notes : tuple of str
        What was assumed.
    game : Game
        Population or pool.
    weights : int
        Quantized weights.
    """

    exposure: FloatArray
    exposure_error: FloatArray
    retained: FloatArray
    notes: tuple[str, ...]
    game: Game
    weights: int

    def basis(self) -> str:
        """Return where the figures come from, a clause."""
        return f"By theory (S15 to S17) from one fit of {self.points} points"

    def records(self) -> pd.DataFrame:
        """Return a row per record and quantizer: exposure with its interval.

        The interval tells what the fit leaves open about the record's own mean; figures outside of the domain are
        marked in ``in_domain``.
        """
        import pandas as pd

        half = float(ndtri(0.5 + 0.5 * checked_level(self.level))) * self.exposure_error
        n, count = self.exposure.shape
        return pd.DataFrame(
            {
                "row": np.repeat(np.arange(n), count),
                "quantizer": np.tile(np.array(self.names, dtype=object), n),
                "exposure": self.exposure.ravel(),
                "exposure_low": np.clip(self.exposure - half, 0.0, 1.0).ravel(),
                "exposure_high": np.clip(self.exposure + half, 0.0, 1.0).ravel(),
                "in_domain": np.tile(np.array(self.in_domain), n),
            }
        )

    def to_frame(self, level: float | None = None) -> pd.DataFrame:
        """Return a row per quantizer: figures with intervals, retained share, domain."""
        frame = super().to_frame(level)
        frame.insert(len(frame.columns) - 1, "retained", self.retained)
        return frame

    def to_dict(self, level: float | None = None) -> dict[str, Any]:
        """Return JSON-ready data; infinities and NaN become ``None``."""
        game = {"game": self.game.kind, "fraction": self.game.fraction, "weights": self.weights}
        return {**game, **super().to_dict(level), "notes": list(self.notes)}

    def title(self) -> str:
        """Return the caption of the table."""
        return f"What {self.points} training points leak through {self.weights} weights"

    def remarks(self) -> list[str]:
        """Return the game, and what has to be known to read the numbers."""
        kind = "fresh points of a population" if self.game.kind == "population" else "subsets of a known pool"
        lines = [f"Best attack on released codes, scales and intercept; training points are {kind}."]
        grouped: dict[str, list[str]] = {}
        for name, reasons in zip(self.names, self.reasons, strict=True):
            for reason in reasons:
                grouped.setdefault(reason, []).append(name)
        for reason, names in grouped.items():
            which = "all" if len(names) == len(self.names) else ", ".join(names)
            lines.append(f"Outside of the domain ({which}): {reason}.")
        return [*lines, *self.notes]

    def _frame_shown(self) -> pd.DataFrame:
        frame = self.to_frame()
        return frame[["bits", "delta", "delta_low", "delta_high", "auc", "tpr_0.01", "retained", "in_domain"]]

    def _columns(self) -> dict[str, list[str]]:
        return {**super()._columns(), "retained": [f"{share:.3f}" for share in self.retained]}
