"""Models that can be audited: own heads in NumPy, scikit-learn estimators, PyTorch modules."""

from qmis_stats.audit.models.base import Model, Weights
from qmis_stats.audit.models.linear import Linear, Logistic, Softmax
from qmis_stats.audit.models.mlp import MLP
from qmis_stats.audit.models.sklearn_adapter import SklearnModel
from qmis_stats.audit.models.torch_adapter import TorchModel

__all__ = ["MLP", "Linear", "Logistic", "Model", "SklearnModel", "Softmax", "TorchModel", "Weights"]
