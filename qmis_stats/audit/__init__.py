"""Real data and models in; a ranking of quantizers by privacy, with the performance of each, out (Statement S13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qmis_stats._lazy import lazy_names

if TYPE_CHECKING:
    from qmis_stats.audit.algorithm import audit, head_for
    from qmis_stats.audit.audit_result import AuditResult
    from qmis_stats.audit.data import Dataset, from_arrays
    from qmis_stats.audit.models import MLP, Linear, Logistic, Model, SklearnModel, Softmax, TorchModel
    from qmis_stats.audit.public_rows import public_rows
    from qmis_stats.audit.public_units import in_units, public_units
    from qmis_stats.audit.tables import bundled, load_table
    from qmis_stats.audit.tdc import load_tdc

_HOMES = {
    "algorithm": ("audit", "head_for"),
    "data": ("Dataset", "from_arrays"),
    "models": ("MLP", "Linear", "Logistic", "Model", "SklearnModel", "Softmax", "TorchModel"),
    "audit_result": ("AuditResult",),
    "public_rows": ("public_rows",),
    "public_units": ("in_units", "public_units"),
    "tables": ("bundled", "load_table"),
    "tdc": ("load_tdc",),
}
__getattr__, __dir__ = lazy_names(__name__, _HOMES)

__all__ = [
    "MLP",
    "AuditResult",
    "Dataset",
    "Linear",
    "Logistic",
    "Model",
    "SklearnModel",
    "Softmax",
    "TorchModel",
    "audit",
    "bundled",
    "from_arrays",
    "head_for",
    "in_units",
    "load_table",
    "load_tdc",
    "public_rows",
    "public_units",
]
