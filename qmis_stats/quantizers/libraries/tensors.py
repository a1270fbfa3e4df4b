"""Libraries that take PyTorch tensors: bitsandbytes, torchao, optimum-quanto, HQQ, and PyTorch itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_stats.quantizers.libraries.base import LibraryQuantizer, Rows
from qmis_stats.quantizers.weights.base import GroupCells
from qmis_stats.quantizers.weights.fixed import Float4, NormalFloat4
from qmis_stats.quantizers.weights.grouped import Grouped

__all__ = ["BitsAndBytes", "Hqq", "Quanto", "Torch", "TorchAO"]


@dataclass(frozen=True)
class BitsAndBytes(LibraryQuantizer):
    """Four-bit types of bitsandbytes: blocks along the flattened tensor, 64 weights where no other number is named.

    ``nf4-128`` has blocks of 128; with ``-dq`` the scales are quantized too, as QLoRA does.
    """

    library: ClassVar[str] = "bitsandbytes"
    modules: ClassVar[tuple[str, ...]] = ("torch", "bitsandbytes")
    allowed: ClassVar[str] = "nf4 or fp4, then a block (-128, -256, -512, -1024, -2048, -4096) and -dq where wanted"

    @property
    def levels(self) -> int:
        """16; 15 different ones of ``fp4``."""
        return 16 if self.kind.startswith("nf4") else 15

    def cells(self, weights: ArrayLike) -> list[GroupCells]:
        """Return the cells of the built-in type."""
        kind, block, _ = self._parsed()
        inner = NormalFloat4() if kind == "nf4" else Float4()
        return Grouped(inner, block).cells(np.ravel(np.asarray(weights)))

    def _exists(self) -> bool:
        return re.fullmatch(r"(nf4|fp4)(-(128|256|512|1024|2048|4096))?(-dq)?", self.kind) is not None

    def _parsed(self) -> tuple[str, int, bool]:
        numbers = re.findall(r"-(\d+)", self.kind)
        return self.kind[:3], int(numbers[0]) if numbers else 64, self.kind.endswith("-dq")

    def _called(self, rows: Rows) -> tuple[NDArray[Any], NDArray[Any]]:
        import bitsandbytes.functional as library
        import torch

        kind, block, double = self._parsed()
        given = torch.tensor(rows)
        packed, state = library.quantize_4bit(given, blocksize=block, quant_type=kind, compress_statistics=double)
        values = library.dequantize_4bit(packed, state).numpy()
        pairs = packed.numpy().reshape(-1, 1) >> np.array([4, 0]) & 15
        levels = state.code.numpy()
        order = np.searchsorted(np.unique(levels), levels)
        return order[pairs.ravel()[: rows.size]].reshape(rows.shape), values


@dataclass(frozen=True)
class TorchAO(LibraryQuantizer):
    """Weights of a linear layer by torchao: ``int8`` with a scale per row, ``int4-g32`` with one per block of a row."""

    library: ClassVar[str] = "torchao"
    modules: ClassVar[tuple[str, ...]] = ("torch", "torchao")
    allowed: ClassVar[str] = "int8, or intB-gBLOCK with B from 1 to 8"

    @property
    def levels(self) -> int:
        """2^B."""
        return int(2 ** self._parsed()[0])

    def _exists(self) -> bool:
        return re.fullmatch(r"int8|int[1-8]-g[1-9]\d{0,5}", self.kind) is not None

    def _parsed(self) -> tuple[int, int | None]:
        bits, *block = self.kind.removeprefix("int").split("-g")
        return int(bits), int(block[0]) if block else None

    @property
    def _block(self) -> int:
        return self._parsed()[1] or 1

    def _called(self, rows: Rows) -> tuple[NDArray[Any], NDArray[Any]]:
        import torch
        from torchao import quantization as library

        bits, block = self._parsed()
        layer = _layer(rows)
        if block is None:
            library.quantize_(layer, library.Int8WeightOnlyConfig())
        else:
            kind = getattr(torch, f"int{bits}")
            granularity = library.PerGroup(block)
            library.quantize_(layer, library.IntxWeightOnlyConfig(weight_dtype=kind, granularity=granularity))
        made: Any = layer.weight
        return made.qdata.numpy(), made.dequantize().detach().numpy()


@dataclass(frozen=True)
class Quanto(LibraryQuantizer):
    """Weights of a linear layer by optimum-quanto, with the blocks that it chooses for the width of the layer."""

    library: ClassVar[str] = "quanto"
    modules: ClassVar[tuple[str, ...]] = ("torch", "optimum.quanto")
    allowed: ClassVar[str] = "qint2, qint4 or qint8"

    @property
    def levels(self) -> int:
        """2^B."""
        return int(2 ** int(self.kind[-1]))

    def _exists(self) -> bool:
        return self.kind in ("qint2", "qint4", "qint8")

    def _called(self, rows: Rows) -> tuple[NDArray[Any], NDArray[Any]]:
        import torch
        from optimum import quanto as library

        # A layer with one output would come back as it is.
        model = torch.nn.Sequential(_layer(np.repeat(rows, 2, axis=0) if len(rows) == 1 else rows))
        library.quantize(model, weights=getattr(library, self.kind))
        library.freeze(model)
        made: Any = model[0].weight
        values = made.dequantize().detach().numpy()
        data = made._data.unpack() if hasattr(made._data, "unpack") else made._data
        return data.detach().numpy().reshape(values.shape)[: len(rows)], values[: len(rows)]


@dataclass(frozen=True)
class Hqq(LibraryQuantizer):
    """Half-quadratic quantization: ``2-g64`` has two bits, a scale and a zero point for each block of 64 of a row."""

    library: ClassVar[str] = "hqq"
    modules: ClassVar[tuple[str, ...]] = ("torch", "hqq")
    allowed: ClassVar[str] = "B-gBLOCK with B one of 1, 2, 3, 4, 8"

    @property
    def levels(self) -> int:
        """2^B."""
        return int(2 ** int(self.kind[0]))

    def _exists(self) -> bool:
        return re.fullmatch(r"[12348]-g[1-9]\d{0,5}", self.kind) is not None

    @property
    def _block(self) -> int:
        return int(self.kind[3:])

    def _called(self, rows: Rows) -> tuple[NDArray[Any], NDArray[Any]]:
        import torch
        from hqq.core.quantize import Quantizer

        # Blocks are packed into whole bytes: copies of the last one fill them up.
        blocks = torch.tensor(rows).reshape(-1, self._block)
        count, together = len(blocks), max(8 // int(self.kind[0]), 1)
        filled = torch.cat([blocks, blocks[-1:].expand(-count % together, -1)])
        settings = {"nbits": int(self.kind[0]), "group_size": self._block, "axis": 1}
        where = {"device": "cpu", "compute_dtype": torch.float32, "view_as_float": False}
        packed, meta = Quantizer.quantize(filled, **settings, **where)
        codes = Quantizer.unpack[meta["packing"]](packed, dtype=torch.uint8)[:count]
        values = Quantizer.dequantize(packed, meta)[:count]
        return codes.numpy().reshape(rows.shape), values.numpy().reshape(rows.shape)


@dataclass(frozen=True)
class Torch(LibraryQuantizer):
    """Eight bits by PyTorch's own observers of weights: a scale for each row, or one for the tensor."""

    library: ClassVar[str] = "torch"
    modules: ClassVar[tuple[str, ...]] = ("torch",)
    allowed: ClassVar[str] = "per-channel or per-tensor"

    @property
    def levels(self) -> int:
        """2⁸."""
        return 256

    def _exists(self) -> bool:
        return self.kind in ("per-channel", "per-tensor")

    def _called(self, rows: Rows) -> tuple[NDArray[Any], NDArray[Any]]:
        import torch
        from torch.ao import quantization as library

        given = torch.tensor(rows)
        by_row = self.kind == "per-channel"
        observer = library.default_per_channel_weight_observer() if by_row else library.default_weight_observer()
        observer(given)
        scale, zero = observer.calculate_qparams()
        if by_row:
            made = torch.quantize_per_channel(given, scale, zero, 0, torch.qint8)
        else:
            made = torch.quantize_per_tensor(given, float(scale), int(zero), torch.qint8)
        return made.int_repr().numpy(), made.dequantize().numpy()


def _layer(rows: Rows) -> Any:
    """Return a linear layer with these weights."""
    import torch

    layer = torch.nn.Linear(rows.shape[1], rows.shape[0], bias=False)
    layer.weight = torch.nn.Parameter(torch.tensor(rows), requires_grad=False)
    return layer
