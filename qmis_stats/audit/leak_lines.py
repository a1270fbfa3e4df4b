"""The leak of each quantizer in the table of an audit."""

from __future__ import annotations

import math
from dataclasses import dataclass

from qmis_stats.leak.releases import ReleaseLeak
from qmis_stats.validation import checked_level

__all__ = ["LeakLine", "leak_lines"]


@dataclass(frozen=True)
class LeakLine:
    """What one release leaks, by theory or as attacks measured it.

    Attributes
    ----------
    delta : float
        Δ, true less false positive rate of the best attack.
    interval : (float, float)
        Of Δ by itself.
    auc, tpr : float
        Area under the best attack's ROC curve; its true positive rate at a false one of 1 %.
    reduction : float or None
        How much less leaks than without quantization: 1 − Δ/Δ₀, or the same of 2·AUC − 1 where it was measured;
        ``None`` for no quantization, and where that shows no leak.
    reduction_interval : (float, float) or None
        Together with those of all quantizers.
    in_domain : bool
        Whether the theory controls its error here.
    """

    delta: float
    interval: tuple[float, float]
    auc: float
    tpr: float
    reduction: float | None
    reduction_interval: tuple[float, float] | None
    in_domain: bool

    @property
    def protects(self) -> bool:
        """Whether less leaks than without quantization, with confidence for all quantizers together."""
        return self.in_domain and self.reduction_interval is not None and self.reduction_interval[0] > 0.0


def leak_lines(leak: ReleaseLeak, level: float) -> dict[str, LeakLine]:
    """Return the line of each quantizer and of no quantization.

    Parameters
    ----------
    leak : ReleaseLeak
        Of all quantizers of an audit.
    level : float
        Of the intervals.
    """
    frame = leak.to_frame(checked_level(level)).to_dict("index")
    reductions = leak.reductions(level).to_dict("index")
    found = {}
    for name, row in frame.items():
        less = reductions.get(name)
        found[str(name)] = LeakLine(
            delta=float(row["delta"]),
            interval=(float(row["delta_low"]), float(row["delta_high"])),
            auc=float(row["auc"]),
            tpr=float(row["tpr_0.01"]),
            reduction=None if less is None or math.isnan(less["reduction"]) else float(less["reduction"]),
            reduction_interval=None if less is None else (float(less["low"]), float(less["high"])),
            in_domain=bool(row["in_domain"]),
        )
    return found
