"""Quantized models as libraries write them: the numbers that their codes and scales stand for, by name of the entry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qmis_stats.errors import InputError, extra_module
from qmis_stats.foreign import reason_of

__all__ = ["dense", "is_code", "quantized_layers", "read_gguf"]

_FOUR_BITS = re.compile(r"(.+)\.quant_state\.bitsandbytes__\w+")
_SCALES = ("_scale", "_scales", ".scale", ".scales", "_scale_inv")
_ZEROS = ("_zero_point", "_zeros", ".zero_point", ".zeros")
_INTEGERS = ("int8", "uint8", "int16", "int32", "int64")


def dense(state: Any) -> dict[str, Any]:
    """Return the entries of a state dict, or of a module, with dense tensors in place of quantized ones.

    Known are tensors that can dequantize themselves (torchao, optimum-quanto, PyTorch), layers of PyTorch's dynamic
    quantization, of HQQ and of bitsandbytes (4 and 8 bits), and integers beside an entry of their scales, ``weight``
    and ``weight_scale``. How such a layer treats its inputs is left out: it holds no weights.

    Parameters
    ----------
    state : mapping or torch.nn.Module
        Entries by name; a module where a library's state dict alone does not say how its codes are packed.

    Raises
    ------
    InputError
        If scales do not fit their integers.
    MissingExtraError
        If bitsandbytes has to unpack its codes and is not installed.
    """
    found = {str(name): value for name, value in (state if isinstance(state, Mapping) else _of_module(state)).items()}
    for unpack in (_packed, _four_bits, _eight_bits, _scaled):
        unpack(found)
    return {name: value.dequantize() if _holds_codes(value) else value for name, value in found.items()}


def is_code(value: Any) -> bool:
    """Return whether these are small integers, which stand for weights only beside a scale."""
    return str(getattr(value, "dtype", "")).rpartition(".")[2] in ("int8", "uint8", "int16")


def quantized_layers(module: Any) -> list[str]:
    """Return the names of the layers of a module whose weights are codes."""
    return [name for name, part in module.named_modules() if _has_codes(part)]


def _has_codes(part: Any) -> bool:
    weight = part._parameters.get("weight")
    integers = weight is not None and not weight.is_floating_point()
    return any(hasattr(part, name) for name in ("W_q", "_packed_params")) or integers or _holds_codes(weight)


def _holds_codes(tensor: Any) -> bool:
    """Return whether this is one of the tensors that stand for other numbers than those they store."""
    if getattr(tensor, "is_quantized", False):
        return True
    kinds = [kind for kind in type(tensor).__mro__ if kind.__module__.partition(".")[0] not in ("torch", "builtins")]
    return any("dequantize" in vars(kind) for kind in kinds)


def _of_module(module: Any) -> dict[str, Any]:
    """Return parameters and buffers, those of layers that unpack their codes themselves unpacked."""
    found = dict(module.state_dict())
    for name, part in module.named_modules():
        layer = f"{name}." if name else ""
        if hasattr(part, "W_q"):
            weights = {"weight": part.dequantize(), "bias": part.bias}
        elif _holds_codes(part._parameters.get("weight")):
            weights = dict(part._parameters)
        else:
            continue
        _drop(found, layer)
        found |= {layer + entry: value for entry, value in weights.items() if value is not None}
    return found


def _drop(found: dict[str, Any], layer: str) -> None:
    """Leave out what belongs to a layer, which is its packed weights and how it treats its inputs."""
    for name in [name for name in found if name.startswith(layer) and name.removeprefix(layer) != "bias"]:
        del found[name]


def _packed(found: dict[str, Any]) -> None:
    """Unpack linear layers of PyTorch's dynamic quantization."""
    end = "_packed_params._packed_params"
    for name in [name for name in found if name == end or name.endswith(f".{end}")]:
        weight, bias = found[name]
        layer = name.removesuffix(end)
        _drop(found, layer)
        found[f"{layer}weight"] = weight.dequantize()
        if bias is not None:
            found[f"{layer}bias"] = bias


def _four_bits(found: dict[str, Any]) -> None:
    for name, weight in [(m.group(1), m.group(0)) for m in map(_FOUR_BITS.fullmatch, list(found)) if m]:
        functional = extra_module("bitsandbytes.functional", "to read its 4-bit entries", "bitsandbytes")
        parts = {key: found[key] for key in found if key.startswith(f"{name}.")}
        state = functional.QuantState.from_dict(dict(parts), device=parts[weight].device)
        found[name] = functional.dequantize_4bit(found[name], state)
        for key in parts:
            del found[key]


def _eight_bits(found: dict[str, Any]) -> None:
    for name in [name for name in found if name == "SCB" or name.endswith(".SCB")]:
        layer = name.removesuffix("SCB")
        weight = found[f"{layer}weight"].double() * found[name].double()[:, None] / 127.0
        _drop(found, layer)
        found[f"{layer}weight"] = weight


def _scaled(found: dict[str, Any]) -> None:
    """Multiply integers, or floats of 8 bits, by the scales beside them."""
    for name in list(found):
        kind = str(getattr(found.get(name), "dtype", "")).rpartition(".")[2]
        scale = next((name + end for end in _SCALES if name + end in found), None)
        if scale is None or not (kind in _INTEGERS or kind.startswith("float8")):
            continue
        zero = next((name + end for end in _ZEROS if name + end in found), None)
        codes = _doubles(found[name])
        if zero is not None:
            codes = codes - _spread(name, _doubles(found.pop(zero)), codes)
        found[name] = codes * _spread(name, _doubles(found.pop(scale)), codes)


def _doubles(values: Any) -> Any:
    """Return a tensor of doubles, of arrays too."""
    import torch

    return torch.as_tensor(values).double()


def _spread(name: str, values: Any, codes: Any) -> Any:
    """Return scales or zero points with the shape of the codes."""
    rows, *rest = codes.shape if codes.ndim else (1,)
    if values.numel() == 1:
        return values.reshape(())
    if values.shape == codes.shape:
        return values
    if values.numel() == rows and values.shape[:1] == (rows,):
        return values.reshape(rows, *(1 for _ in rest))
    if codes.ndim == 2 and values.shape == (1, rest[0]):
        return values
    if codes.ndim == 2 and values.ndim == 2 and len(values) == rows and rest[0] % values.shape[1] == 0:
        return values.repeat_interleave(rest[0] // values.shape[1], dim=1)
    allowed = f"one for the array {tuple(codes.shape)}, for each row or column, or for groups of equal size in each row"
    raise InputError(f"{name}: shape of the scales", tuple(values.shape), allowed)


def read_gguf(file: Path, where: str) -> dict[str, Any]:
    """Return the tensors of a GGUF file as float32, under the names that they have there.

    Raises
    ------
    InputError
        If the file cannot be read, or holds a type that the library ``gguf`` does not decode.
    MissingExtraError
        If that library is not installed.
    """
    gguf = extra_module("gguf", "to read .gguf files", "gguf")
    found: dict[str, Any] = {}
    name = ""
    try:
        for tensor in gguf.GGUFReader(file).tensors:
            name = f", tensor {tensor.name}"
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            found[tensor.name] = values.reshape([int(size) for size in reversed(tensor.shape)]).copy()
    except Exception as error:  # of many kinds, for files that are damaged or newer than the library
        reason = reason_of(error)
        raise InputError(where, str(file), f"a GGUF file that the library gguf reads ({reason}{name})") from None
    return found
