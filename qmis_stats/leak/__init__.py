"""How much a quantized fit leaks, from the fit alone (Statements S15 to S17).

One fit gives leave-one-out quantities, these and the quantizer give the law of the likelihood ratio that the most
powerful attack uses, and the law gives Δ, the ROC and the exposure of each record.
"""

from typing import TYPE_CHECKING

from qmis_stats._lazy import lazy_names

if TYPE_CHECKING:
    from qmis_stats.leak.calibration import CalibrationLeak, calibration_leak
    from qmis_stats.leak.estimate import leakage
    from qmis_stats.leak.fits import Fit, fit_from
    from qmis_stats.leak.game import Game
    from qmis_stats.leak.leakage_result import LeakageResult
    from qmis_stats.leak.leave_one_out import LeaveOneOut, leave_one_out

__all__ = [
    "CalibrationLeak",
    "Fit",
    "Game",
    "LeakageResult",
    "LeaveOneOut",
    "calibration_leak",
    "fit_from",
    "leakage",
    "leave_one_out",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "calibration": ("CalibrationLeak", "calibration_leak"),
        "estimate": ("leakage",),
        "fits": ("Fit", "fit_from"),
        "game": ("Game",),
        "leave_one_out": ("LeaveOneOut", "leave_one_out"),
        "leakage_result": ("LeakageResult",),
    },
)
