"""Releases of the study: quantizers of the package by name, and two that only the study has."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from qmis_stats.quantizers import quantizer
from qmis_stats.quantizers.weights.base import GroupCells, blocks_of_rows

DENSE = "float, equal error"
"""The float model that is trained less, or penalised more, until its error on fresh points is that of a release."""


@dataclass(frozen=True)
class Pruned:
    """The share of weights with the smallest magnitudes becomes zero; the others are released as they are."""

    share: float
    bits: float = 32.0

    @property
    def name(self) -> str:
        return f"prune-{100.0 * self.share:g}"

    def _largest_dropped(self, weights: np.ndarray) -> float:
        return float(np.sort(np.abs(weights), axis=None)[int(self.share * weights.size) - 1])

    def quantize(self, weights: np.ndarray) -> np.ndarray:
        return np.where(np.abs(weights) > self._largest_dropped(weights), weights, 0.0)

    def cells(self, weights: np.ndarray) -> list[GroupCells]:
        """A zero says that the weight is between two thresholds; beyond them all of it is known."""
        ends = self._largest_dropped(weights) * np.array([-1.0, 1.0])
        return [GroupCells(slice(0, weights.size), ends, np.zeros(0, dtype=np.int64), (ends[0], ends[1]))]


@dataclass(frozen=True)
class Stochastic:
    """Rounding up or down at random, right on average; the same weights are always rounded in the same way."""

    width: int
    block: int

    @property
    def name(self) -> str:
        return f"stochastic-{self.width}:g{self.block}"

    @property
    def bits(self) -> float:
        return float(np.log2(2.0**self.width - 1.0))

    def quantize(self, weights: np.ndarray) -> np.ndarray:
        seed = hashlib.sha256(np.ascontiguousarray(weights).tobytes()).digest()[:8]
        flat, step = weights.reshape(-1), np.empty(weights.size)
        for block in blocks_of_rows(weights, self.block):
            step[block] = np.max(np.abs(flat[block])) / (2 ** (self.width - 1) - 1)
        place = np.divide(flat, step, out=np.zeros_like(flat), where=step > 0.0)
        up = np.random.default_rng(int.from_bytes(seed, "little")).random(flat.size)
        return (np.floor(place + up) * step).reshape(weights.shape)


def made(name: str):
    """Return a release by name."""
    if name.startswith("prune-"):
        return Pruned(float(name.removeprefix("prune-")) / 100.0)
    if name.startswith("stochastic-"):
        width, block = name.removeprefix("stochastic-").split(":g")
        return Stochastic(int(width), int(block))
    return quantizer(name)


BLOCKS = {
    kind: (kind, *(f"{kind}:g{block}:f16" for block in (128, 64, 32))) for kind in ("sign-scaled", "uniform-4", "nf4")
}
BITS = ("sign-scaled:g64:f16", "twn-0.7:g64:f16", "uniform-asym-2:g64:f16", "uniform-3:g64:f16", "uniform-4:g64:f16",
        "uniform-8:g64:f16")  # fmt: skip
PRUNED = ("prune-50", "prune-75", "prune-90")
SCALES = tuple((f"{kind}:g32:f32", f"{kind}:g32:f16", f"{kind}:g32:double") for kind in ("uniform-4", "nf4"))
ROUNDED = ("uniform-3:g32", "stochastic-3:g32", "gptq-3:g32", "adaround-3:g32")

COMPARED = {
    "block size": [(small, kind) for kind, sizes in BLOCKS.items() for small in sizes[1:]],
    "bits": [(name, "identity") for name in BITS],
    "bits at equal error": [(name, DENSE) for name in BITS[:-1]],
    "sparsity": [(name, "identity") for name in PRUNED],
    "sparsity at equal error": [(name, DENSE) for name in PRUNED],
    "scale precision": [(name, exact) for exact, *others in SCALES for name in others],
    "rounding": [(name, ROUNDED[0]) for name in ROUNDED[1:]],
    "rounding at equal error": [(name, DENSE) for name in ROUNDED],
}
"""What is compared with what, by knob."""

BY_THEORY = ("block size", "bits", "bits at equal error", "sparsity", "sparsity at equal error")
"""Knobs that theory tells of: it counts what a scale gives away as exact, and takes no rounding that sees data."""


def compared(knobs: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """Return knob, release and reference of all comparisons of some knobs."""
    return [(knob, *pair) for knob in knobs for pair in COMPARED[knob]]


def releases(knobs: tuple[str, ...]) -> list[str]:
    """Return the quantized releases that some knobs compare."""
    names = dict.fromkeys(name for _, *pair in compared(knobs) for name in pair)
    return [name for name in names if name not in ("identity", DENSE)]
