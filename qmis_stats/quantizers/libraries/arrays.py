"""Libraries that take NumPy arrays: gguf and ONNX Runtime."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_stats.arrays import IntArray
from qmis_stats.quantizers.libraries.base import LibraryQuantizer, Rows
from qmis_stats.quantizers.weights.base import GroupCells
from qmis_stats.quantizers.weights.ggml import GGML_TYPES, GgmlBlocks

__all__ = ["Gguf", "OnnxRuntime"]

_BLOCK = {"TQ1_0": 256, "TQ2_0": 256}
_TERNARY = 3


@dataclass(frozen=True)
class Gguf(LibraryQuantizer):
    """Block types of GGUF files, by the package gguf of llama.cpp.

    ``Q4_0``, ``Q4_1``, ``Q5_0``, ``Q5_1``, ``Q8_0`` in blocks of 32, ternary ``TQ1_0`` and ``TQ2_0`` in blocks of 256.
    Its other types are read, not made, by the package.
    """

    library: ClassVar[str] = "gguf"
    modules: ClassVar[tuple[str, ...]] = ("gguf",)
    allowed: ClassVar[str] = "Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, TQ1_0 or TQ2_0"

    @property
    def levels(self) -> int:
        """Number of levels in a block."""
        return _TERNARY if self.kind in _BLOCK else self._twin().levels

    def cells(self, weights: ArrayLike) -> list[GroupCells]:
        """Return the cells of the built-in type of the same name; ternary types have none."""
        return super().cells(weights) if self.kind in _BLOCK else self._twin().cells(weights)

    def _twin(self) -> GgmlBlocks:
        return GgmlBlocks(self.kind.lower())

    def _exists(self) -> bool:
        return self.kind in _BLOCK or (self.kind == self.kind.upper() and self.kind.lower() in GGML_TYPES)

    @property
    def _block(self) -> int:
        return _BLOCK.get(self.kind, 32)

    def _called(self, rows: Rows) -> tuple[NDArray[Any], NDArray[Any]]:
        from gguf import GGMLQuantizationType
        from gguf.quants import dequantize, quantize

        kind = GGMLQuantizationType[self.kind]
        packed = quantize(rows, kind)
        values = dequantize(packed, kind)
        if self.kind in _BLOCK:
            return np.sign(values), values
        blocks = packed.reshape(rows.size // 32, -1)
        bits = GGML_TYPES[self.kind.lower()]
        codes = _codes(blocks, bits)
        if self.kind in ("Q4_0", "Q5_0"):  # about zero, and forwards also where the scale is negative
            forward = np.where(blocks[:, :2].copy().view(np.float16) < 0.0, -1, 1)
            codes = (codes - 2 ** (bits - 1)) * forward
        return codes.reshape(rows.shape), values


def _codes(blocks: NDArray[np.uint8], bits: int) -> IntArray:
    """Return the codes in packed blocks, shape (blocks, 32)."""
    if bits == 8:
        return blocks[:, 2:].view(np.int8).astype(np.int64)
    low = blocks[:, -16:]
    codes = np.concatenate([low & 15, low >> 4], axis=1).astype(np.int64)
    if bits == 5:
        codes += 16 * np.unpackbits(blocks[:, -20:-16], axis=1, bitorder="little").astype(np.int64)
    return codes


@dataclass(frozen=True)
class OnnxRuntime(LibraryQuantizer):
    """Dynamic quantization by ONNX Runtime: the weight of a matrix product in eight bits, one scale for the tensor."""

    library: ClassVar[str] = "onnxruntime"
    modules: ClassVar[tuple[str, ...]] = ("onnx", "onnxruntime")
    allowed: ClassVar[str] = "dynamic"

    @property
    def levels(self) -> int:
        """2⁸."""
        return 256

    def _exists(self) -> bool:
        return self.kind == "dynamic"

    def _called(self, rows: Rows) -> tuple[NDArray[Any], NDArray[Any]]:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
        from onnxruntime.quantization import quantize_dynamic

        outputs, inputs = rows.shape
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            "layer",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, inputs])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, outputs])],
            [numpy_helper.from_array(np.ascontiguousarray(rows.T), "w")],
        )
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "quantized.onnx"
            quantize_dynamic(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), made)
            parts = {one.name: numpy_helper.to_array(one) for one in onnx.load(made).graph.initializer}
        codes = parts["w_quantized"].astype(np.int64) - int(parts["w_zero_point"].ravel()[0])
        return codes.T, (codes * float(parts["w_scale"].ravel()[0])).T
