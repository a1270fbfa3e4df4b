"""Grids of experiments: computed once, stored whole, resumed anywhere."""

from qmis_stats.sweep.adaptive import Adaptive
from qmis_stats.sweep.database import Progress, Store
from qmis_stats.sweep.export import export, to_frame
from qmis_stats.sweep.file import Sweep, load_sweep, parse_sweep
from qmis_stats.sweep.loop import run_sweep
from qmis_stats.sweep.merge import merge_stores
from qmis_stats.sweep.sweep_page import write_report
from qmis_stats.sweep.work import SweepError

__all__ = [
    "Adaptive",
    "Progress",
    "Store",
    "Sweep",
    "SweepError",
    "export",
    "load_sweep",
    "merge_stores",
    "parse_sweep",
    "run_sweep",
    "to_frame",
    "write_report",
]
