"""Quantizers of weight tensors, their names, cells and indicators."""

from qmis_stats.quantizers.weights.base import WeightQuantizer
from qmis_stats.quantizers.weights.codebooks import KMeansCodebook, LloydMaxCodebook
from qmis_stats.quantizers.weights.faces import Faces
from qmis_stats.quantizers.weights.fixed import FP4_LEVELS, NF4_LEVELS, Float4, NormalFloat4, PowersOfTwo
from qmis_stats.quantizers.weights.ggml import GgmlBlocks
from qmis_stats.quantizers.weights.grouped import Grouped
from qmis_stats.quantizers.weights.indicator import PTQIndicator, ptq_indicator
from qmis_stats.quantizers.weights.joint import JointRelease
from qmis_stats.quantizers.weights.mixed import Mixed
from qmis_stats.quantizers.weights.names import DEFAULT_QUANTIZERS, quantizer
from qmis_stats.quantizers.weights.sign import IdentityWeights, SignWeights
from qmis_stats.quantizers.weights.ternary import AbsmeanTernary, SparseTernary, TernaryWeightNetwork
from qmis_stats.quantizers.weights.uniform import UniformAsymmetric, UniformSymmetric

__all__ = [
    "DEFAULT_QUANTIZERS",
    "FP4_LEVELS",
    "NF4_LEVELS",
    "AbsmeanTernary",
    "Faces",
    "Float4",
    "GgmlBlocks",
    "Grouped",
    "IdentityWeights",
    "JointRelease",
    "KMeansCodebook",
    "LloydMaxCodebook",
    "Mixed",
    "NormalFloat4",
    "PTQIndicator",
    "PowersOfTwo",
    "SignWeights",
    "SparseTernary",
    "TernaryWeightNetwork",
    "UniformAsymmetric",
    "UniformSymmetric",
    "WeightQuantizer",
    "ptq_indicator",
    "quantizer",
]
