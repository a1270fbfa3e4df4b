"""Real data and models in; a ranking of quantizers by privacy, with the performance of each, out (Statement S13)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qmis_stats.audit.algorithm import audit, head_for
    from qmis_stats.audit.data import Dataset, from_arrays
    from qmis_stats.audit.models import MLP, Linear, Logistic, Model, SklearnModel, Softmax, TorchModel
    from qmis_stats.audit.results import AuditResult
    from qmis_stats.audit.tables import bundled, load_table

_HOMES = {
    "algorithm": ("audit", "head_for"),
    "data": ("Dataset", "from_arrays"),
    "models": ("MLP", "Linear", "Logistic", "Model", "SklearnModel", "Softmax", "TorchModel"),
    "results": ("AuditResult",),
    "tables": ("bundled", "load_table"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

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
    "load_table",
]


def __getattr__(name: str) -> Any:
    """Import public names on first use."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'qmis_stats.audit' has no attribute {name!r}")
    value = getattr(import_module(f"qmis_stats.audit.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
