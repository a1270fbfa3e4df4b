"""What a PyTorch module is made of, each array once, and checkpoints of it from dictionaries and files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.models.torch_artefacts import dense, is_code, quantized_layers, read_gguf
from qmis_stats.audit.wording import listed
from qmis_stats.errors import InputError, MissingExtraError, extra_module

__all__ = ["Entries", "entries", "merged", "tensors", "to_array"]

_SHOWN = 4
_PACKED = ("._data", ".W_q", "_packed", ".qweight")
"""Ends of the names under which optimum-quanto, HQQ, compressed-tensors and GPTQ keep codes."""


@dataclass(frozen=True)
class Entries:
    """Names of the arrays that a module is made of.

    Attributes
    ----------
    shapes : dict of str to tuple of int
        By name, in the order of the state dict; buffers that are not in it come last. Tied entries count once.
    first : dict of str to str
        Of every name, the one that stands for the same array.
    stored : frozenset of str
        Names that are in the state dict.
    real : frozenset of str
        Names of what is not integers.
    """

    shapes: dict[str, tuple[int, ...]]
    first: dict[str, str]
    stored: frozenset[str]
    real: frozenset[str]

    def arrays(self, found: Mapping[str, Any], where: str) -> dict[str, FloatArray]:
        """Return the arrays of a module that was trained, or of a complete state, by name.

        Raises
        ------
        InputError
            If one is missing, has another shape or is no array of real numbers.
        """
        arrays = {}
        for name, shape in self.shapes.items():
            if name not in found:
                raise InputError(where, f"no entry {name}", "the module that was given, with other numbers")
            if name in self.real and is_code(found[name]):
                allowed = "numbers, or codes beside their scales: these integers have none"
                raise InputError(f"{where}: {name}", str(found[name].dtype), allowed)
            arrays[name] = to_array(f"{where}: {name}", found[name])
            if arrays[name].shape != shape:
                raise InputError(
                    f"{where}: {name}", f"shape {arrays[name].shape}", f"of shape {shape}, as in the module"
                )
        return arrays

    def state(self, given: object, where: str) -> dict[str, Any]:
        """Return the entries of a checkpoint under their names in the module.

        A checkpoint is a state dict, a dictionary that holds one beside other things, the path of either or of a GGUF
        file, or a module. What is quantized in it is taken for the numbers that it stands for. A prefix that all names
        share (``module.`` of parallel training) is removed.

        Raises
        ------
        InputError
            If it holds no state of this module, or several.
        """
        if isinstance(given, (str, os.PathLike)):
            given = _loaded(Path(given), where)
        held: list[Any] = [given]
        if isinstance(given, Mapping):
            held += [value for value in given.values() if isinstance(value, Mapping)]
        elif not hasattr(given, "named_parameters"):
            raise InputError(where, type(given).__name__, "a state dict, the path of one, or a module")
        states = [self._named(dense(state)) for state in held]
        fitting = [state for state in states if not self._missing(state)]
        if len(fitting) > 1:
            assert isinstance(given, Mapping)
            names = [str(name) for name, value in given.items() if isinstance(value, Mapping)]
            raise InputError(where, names, "a single state dict; several of these fit the module")
        if not fitting:
            nearest = min(states, key=lambda state: len(self._missing(state)))
            shown = listed(self._missing(nearest), _SHOWN)
            raise InputError(
                where, shown, f"a state dict of the module: these entries are missing{_packed_hint(nearest)}"
            )
        unknown = [name for name in fitting[0] if name not in self.first and not name.endswith("_extra_state")]
        if unknown:
            raise InputError(
                where, listed(list(unknown), _SHOWN), "a state dict of the module, which has no such entries"
            )
        return self._untied(fitting[0], where)

    def _named(self, state: Mapping[Any, Any]) -> dict[str, Any]:
        found = {str(name): value for name, value in state.items()}
        while found and not any(name in self.first for name in found):
            prefixes = {name.partition(".")[0] for name in found}
            if len(prefixes) > 1 or not all("." in name for name in found):
                break
            found = {name.partition(".")[2]: value for name, value in found.items()}
        return found

    def _missing(self, state: Mapping[str, Any]) -> list[str]:
        """Return what the state lacks; of tied entries one is enough, and what is never stored may be absent."""
        there = {self.first[name] for name in state if name in self.first}
        return [name for name in self.shapes if name in self.stored and name not in there]

    def _untied(self, state: dict[str, Any], where: str) -> dict[str, Any]:
        """Return one entry for each array; those of a tied one have to agree."""
        found: dict[str, Any] = {}
        for name, value in state.items():
            first = self.first.get(name, name)
            if first not in found:
                found[first] = value
            elif not np.array_equal(to_array(name, found[first]), to_array(name, value), equal_nan=True):
                raise InputError(
                    f"{where}: {name}", "other numbers", f"those of {first}: the module has them as one array"
                )
        return found


def _packed_hint(state: Mapping[str, Any]) -> str:
    """Return what to do about codes that a state dict does not say how to unpack."""
    packed = any(name.endswith(_PACKED) for name in state)
    return "; its codes are packed: give the quantized module itself in place of its state dict" if packed else ""


def tensors(module: Any) -> dict[str, Any]:
    """Return all parameters and buffers by name, tied ones under each of their names."""
    found = dict(module.named_parameters(remove_duplicate=False)) | dict(module.named_buffers(remove_duplicate=False))
    order = [name for name in module.state_dict() if name in found]
    return {name: found[name] for name in (*order, *(name for name in found if name not in order))}


def merged(module: Any) -> dict[str, Any]:
    """Return parameters and buffers, and the tensors that parametrizations make of them, under their own names."""
    found = tensors(module)
    for place, part in module.named_modules():
        for name in getattr(part, "parametrizations", ()):
            found.setdefault(f"{place}.{name}".removeprefix("."), getattr(part, name))
    return found


def entries(module: Any) -> Entries:
    """Return the names of what a module is made of.

    Raises
    ------
    InputError
        If an entry has no shape yet, is not made of real numbers, or shares memory with another one in part.
    """
    if coded := quantized_layers(module):
        allowed = "the architecture with float weights: its quantized form is given as a checkpoint, or to released()"
        raise InputError("module", f"with codes in {listed(coded, _SHOWN)}", allowed)
    found = tensors(module)
    first: dict[int, str] = {}
    for name, tensor in found.items():
        if hasattr(tensor, "materialize"):
            raise InputError(f"module: {name}", "without a shape", "of known shape: pass one batch through lazy layers")
        _check_real(f"module: {name}", tensor)
        first.setdefault(id(tensor), name)
    _check_memory({name: found[name] for name in first.values()})
    return Entries(
        {name: tuple(found[name].shape) for name in first.values()},
        {name: first[id(tensor)] for name, tensor in found.items()},
        frozenset(module.state_dict()),
        frozenset(name for name, tensor in found.items() if tensor.is_floating_point()),
    )


def _check_memory(found: Mapping[str, Any]) -> None:
    """Refuse different entries that lie in the same memory: a copy of the module would have them apart."""
    spans = []
    for name, tensor in found.items():
        if tensor.numel() and tensor.data_ptr():
            reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True)) + 1
            if reach < tensor.numel():
                raise InputError(f"module: {name}", "expanded", "a tensor with memory of its own: clone() makes one")
            spans.append(
                (tensor.data_ptr(), tensor.data_ptr() + reach * tensor.element_size(), str(tensor.device), name)
            )
    spans.sort()
    for (_, end, device, name), (begin, _, other_device, other) in pairwise(spans):
        if begin < end and device == other_device:
            raise InputError(
                f"module: {other}", f"in the memory of {name}", "one parameter with it (b.weight = a.weight), or apart"
            )


def to_array(field: str, value: Any) -> FloatArray:
    """Return a tensor or an array of real numbers as float64; the result is a copy."""
    if hasattr(value, "detach"):
        _check_real(field, value)
        return np.array(value.detach().cpu().double().numpy())
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise InputError(field, type(value).__name__, "a tensor or an array of real numbers")
    return np.array(array, dtype=np.float64)


def _check_real(field: str, tensor: Any) -> None:
    if tensor.is_meta:
        raise InputError(field, "on the device meta", "a tensor with data")
    if tensor.is_complex() or tensor.is_quantized or str(tensor.layout) != "torch.strided":
        raise InputError(field, f"{tensor.layout} of {tensor.dtype}", "a dense tensor of real numbers")


def _loaded(file: Path, where: str) -> object:
    """Return what a file holds; nothing in it is executed."""
    if not file.is_file():
        raise InputError(where, str(file), "a file that exists")
    try:
        if file.suffix.lower() == ".gguf":
            return read_gguf(file, where)
        if file.suffix.lower() == ".safetensors":
            return extra_module("safetensors.torch", "to read .safetensors files", "torch").load_file(file)
        import torch

        found: object = torch.load(file, map_location="cpu", weights_only=True)
    except (InputError, MissingExtraError):
        raise
    except Exception as error:  # of many kinds, for files that are damaged or hold more than tensors
        reason = str(error).split(". ")[0] or type(error).__name__
        allowed = f"a file of tensors, by safetensors or torch.save of a state dict ({reason})"
        raise InputError(where, str(file), allowed) from None
    return found
