"""Quantizers by name, as they are written in tables and on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable

from qmis_stats.errors import InputError, did_you_mean
from qmis_stats.quantizers.weights.base import WeightQuantizer
from qmis_stats.quantizers.weights.codebooks import KMeansCodebook, LloydMaxCodebook
from qmis_stats.quantizers.weights.fixed import Float4, NormalFloat4, PowersOfTwo
from qmis_stats.quantizers.weights.ggml import GGML_TYPES, GgmlBlocks
from qmis_stats.quantizers.weights.grouped import Grouped
from qmis_stats.quantizers.weights.joint import JointRelease
from qmis_stats.quantizers.weights.mixed import Mixed
from qmis_stats.quantizers.weights.sign import IdentityWeights, SignWeights
from qmis_stats.quantizers.weights.ternary import AbsmeanTernary, SparseTernary, TernaryWeightNetwork
from qmis_stats.quantizers.weights.uniform import UniformAsymmetric, UniformSymmetric

__all__ = ["DEFAULT_QUANTIZERS", "names_in", "quantizer"]

DEFAULT_QUANTIZERS: tuple[str, ...] = (
    "identity",
    "sign",
    "sign-scaled",
    "ternary-absmean",
    "twn-0.7",
    "sparse-33",
    "sparse-50",
    "sparse-90",
    "uniform-3",
    "uniform-4",
    "uniform-8",
    "uniform-asym-4",
    "lloyd-max-2",
    "kmeans-3",
    "nf4",
    "log2-4",
)
"""Names that make sense side by side, from the reference and one bit to eight."""

_CHANNEL, _MIXED = ":channel", "mixed("
_ALLOWED = (
    "one of identity, sign, sign-scaled, ternary-absmean, twn-C (0 < C < 1), sparse-P (0 < P < 100), "
    "uniform-B (2 to 8), uniform-asym-B (2 to 8), lloyd-max-B (1 to 8), kmeans-B (1 to 8), nf4, nf4-BLOCK, fp4, "
    "log2-B (3 to 8), q4_0, q4_1, q5_0, q5_1, q8_0, spelled without superfluous digits; with :channel for each row by "
    "itself or :gBLOCK, :gBLOCK:f16, :gBLOCK:f32, :gBLOCK:double for blocks of a row (not nf4-BLOCK, qB_0, qB_1); "
    "gptq-B, adaround-B, awq-B (2 to 8), which see data, with :channel or :gBLOCK; or of a library: gguf:Q4_0, "
    "bitsandbytes:nf4, torchao:int8, torchao:int4-g32, quanto:qint4, hqq:2-g64, "
    "torch:per-channel, onnxruntime:dynamic; several released together with + between them; "
    "mixed(PATTERN=NAME,...) by names of layers, as in mixed(first=uniform-8,last=uniform-8,*=uniform-4)"
)
_LIBRARY_NAMES = ("gguf", "bitsandbytes", "torchao", "quanto", "hqq", "torch", "onnxruntime")
_CALIBRATED_NAMES = ("gptq-", "adaround-", "awq-")
_MAKERS: dict[str, Callable[[str, bool], WeightQuantizer]] = {
    "identity": lambda _, c: IdentityWeights(per_channel=c),
    "sign": lambda _, c: SignWeights(per_channel=c),
    "sign-scaled": lambda _, c: SignWeights(True, per_channel=c),
    "ternary-absmean": lambda _, c: AbsmeanTernary(per_channel=c),
    "nf4": lambda _, c: NormalFloat4(per_channel=c),
    "fp4": lambda _, c: Float4(per_channel=c),
    "twn-": lambda x, c: TernaryWeightNetwork(float(x), per_channel=c),
    "sparse-": lambda x, c: SparseTernary(float(x) / 100.0, per_channel=c),
    "uniform-": lambda x, c: UniformSymmetric(int(x), per_channel=c),
    "uniform-asym-": lambda x, c: UniformAsymmetric(int(x), per_channel=c),
    "lloyd-max-": lambda x, c: LloydMaxCodebook(int(x), per_channel=c),
    "kmeans-": lambda x, c: KMeansCodebook(int(x), per_channel=c),
    "nf4-": lambda x, c: NormalFloat4(int(x), per_channel=c),
    "log2-": lambda x, c: PowersOfTwo(int(x), per_channel=c),
}


def quantizer(name: str) -> WeightQuantizer:
    """Return the quantizer of a canonical name.

    Parameters
    ----------
    name : str
        For instance ``"uniform-4"``, ``"uniform-4:channel"`` for each row of axis 0 by itself, ``"uniform-4:g32:f16"``
        for each block of 32 weights of a row with its scale in float16, ``"gptq-4:g32"`` for one that has to be
        calibrated on data, ``"gguf:Q4_0"`` for a library's own,
        ``"nf4+gguf:Q8_0"`` for both released together, ``"mixed(head.weight=uniform-8,*=nf4)"`` for one of each layer
        (:class:`~qmis_stats.quantizers.weights.mixed.Mixed`). There is one spelling of each quantizer:
        ``quantizer(name).name == name``.

    Raises
    ------
    InputError
        If there is no such quantizer.
    MissingExtraError
        If the library that has it is not installed.

    Examples
    --------
    >>> quantizer("twn-0.7:channel")
    TernaryWeightNetwork(per_channel=True, factor=0.7)
    >>> quantizer("ternary-absmean").bits
    1.584962500721156
    """
    if isinstance(name, str) and name.startswith(_MIXED) and name.endswith(")"):
        return Mixed(tuple(map(_choice, name[len(_MIXED) : -1].split(","))))
    if isinstance(name, str) and name.count("+") in (1, 2):
        return JointRelease(tuple(quantizer(part) for part in name.split("+")))
    if isinstance(name, str) and len(name) <= 64 and name.isascii():
        try:
            made = _made(name)
        except ValueError:
            made = None
        if made is not None and made.name == name:
            return made
        if name.partition(":")[0] in _LIBRARY_NAMES:
            from qmis_stats.quantizers.libraries import library_quantizer

            return library_quantizer(name)
    near = did_you_mean(name, DEFAULT_QUANTIZERS)  # before the long list of names, not behind it
    raise InputError("quantizer", name, f"the name of a quantizer{near} It is {_ALLOWED}" if near else _ALLOWED)


def names_in(text: str) -> list[str]:
    """Return names with commas between them; those within brackets belong to one name.

    Examples
    --------
    >>> names_in("nf4, mixed(first=uniform-8,*=nf4)")
    ['nf4', 'mixed(first=uniform-8,*=nf4)']
    """
    return [name.strip() for name in re.split(r",(?![^()]*\))", text)]


def _choice(text: str) -> tuple[str, WeightQuantizer]:
    pattern, equals, name = text.partition("=")
    if not equals:
        raise InputError(
            "quantizer", f"{_MIXED}{text})", "mixed(PATTERN=NAME,...): a pattern of names of layers, =, a name"
        )
    return pattern, quantizer(name)


def _made(name: str) -> WeightQuantizer | None:
    if name in GGML_TYPES:
        return GgmlBlocks(name)
    if name.startswith(_CALIBRATED_NAMES):
        return _calibrated(name)
    stem, *blocks = name.split(":g")
    if blocks:
        inner = _made(stem)
        size, *scale = blocks[0].split(":")
        return Grouped(inner, int(size), *scale) if inner is not None and len(blocks) == 1 else None
    stem = name.removesuffix(_CHANNEL)
    kind, number = re.fullmatch(r"(.*?-?)(\d[\d.]*)?", stem, re.DOTALL).groups()  # type: ignore[union-attr]
    kind, number = (stem, None) if stem in _MAKERS else (kind, number)
    if kind in _MAKERS and (number is not None) == kind.endswith("-"):
        return _MAKERS[kind](number or "", name != stem)
    return None


def _calibrated(name: str) -> WeightQuantizer | None:
    from qmis_stats.quantizers.calibrated import AWQ, GPTQ, AdaRound

    kind = next(kind for kind in (AWQ, GPTQ, AdaRound) if name.startswith(kind.prefix))
    grid = _made("uniform-" + name.removeprefix(kind.prefix))
    return None if grid is None else kind(grid)
