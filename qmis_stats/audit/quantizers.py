"""What an audit needs of a quantizer, and calls of a user's: whatever is wrong becomes one line that names it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError, QmisError
from qmis_stats.foreign import blamed, raised_by, returned_numbers

__all__ = [
    "IDENTITY",
    "Quantizer",
    "by_layer",
    "check_layers",
    "checked_quantizers",
    "encoded_by",
    "quantized_by",
    "release_name",
]

IDENTITY = "identity"
"""Name of the reference without quantization."""


def release_name(name: str) -> str:
    """Return what tables and sentences call the release of a quantizer, or of none.

    Examples
    --------
    >>> release_name("sign"), release_name("identity")
    ('sign', 'no quantization')
    """
    return "no quantization" if name == IDENTITY else name


class Quantizer(Protocol):
    """What an audit needs of a quantizer of weight arrays.

    If it also has ``codes(array)`` (integers) and a false ``discrete``, its scales depend continuously on the weights,
    and codewords are told apart by its codes. A method ``encode(array)`` that returns codes and quantized weights is
    then called instead of both: levels that are searched are searched once. Without codes they are derived from the
    released values where these allow it, see :mod:`qmis_stats.audit.codewords`.

    A quantizer that sees data has a method ``calibrate(weights, inputs)`` instead, which returns such an object for the
    weights of one layer and what the layer is given, (rows, features): see :mod:`qmis_stats.audit.calibration`.

    One that treats layers differently has a method ``of_layers(names)``, which returns a quantizer for each of them:
    see :class:`~qmis_stats.quantizers.weights.mixed.Mixed`.
    """

    @property
    def name(self) -> str:
        """Its name in tables."""
        ...

    @property
    def bits(self) -> float:
        """Bits per weight."""
        ...

    def quantize(self, weights: ArrayLike, /) -> FloatArray:
        """Return an array of the same shape; the argument is not changed."""
        ...


def checked_quantizers(given: Any) -> tuple[Quantizer, ...]:
    """Return quantizers with different names; one named ``"identity"``, the reference, is left out.

    Examples
    --------
    >>> checked_quantizers(["sign"])
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: quantizers = 'sign': must be objects, not names: quantizer('sign') makes one
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InputError("quantizers", given, "a sequence of quantizers")
    chosen: list[Quantizer] = []
    for one in given:
        if isinstance(one, str):
            raise InputError("quantizers", one, f"objects, not names: quantizer({one!r}) makes one")
        with raised_by(f"a quantizer of class {type(one).__name__}"):
            name, bits = getattr(one, "name", None), np.asarray(getattr(one, "bits", None))
            methods = (getattr(one, method, None) for method in ("quantize", "calibrate", "of_layers"))
            whole = isinstance(name, str) and any(map(callable, methods))
        if not whole or bits.shape != () or bits.dtype.kind not in "fiu":
            raise InputError("quantizers", one, "objects with a name, bits (a number) and quantize(array)")
        if name != IDENTITY:
            chosen.append(one)
    names = [one.name for one in chosen]
    if len(set(names)) < len(names):
        raise InputError("quantizers", names, "of different names")
    return tuple(chosen)


def by_layer(quantizer: Any, model: Any, count: int) -> tuple[Quantizer, ...]:
    """Return the quantizer of each array that is quantized.

    Names are those that the model gives by a method ``layer_names()``, else ``layer 1``, ``layer 2`` and so on.

    Parameters
    ----------
    quantizer : Quantizer
        One without ``of_layers`` is the quantizer of every array.
    model : Model
        The arrays are those of its weights.
    count : int
        How many are quantized.

    Raises
    ------
    InputError
        If the quantizer does not have one for each layer, or the model not a name.

    Examples
    --------
    >>> from qmis_stats.quantizers import quantizer
    >>> [one.name for one in by_layer(quantizer("mixed(layer 1=sign,*=nf4)"), None, 3)]
    ['sign', 'nf4', 'nf4']
    """
    if not hasattr(quantizer, "of_layers"):
        return (quantizer,) * count
    names = _layer_names(model) or tuple(f"layer {place}" for place in range(1, count + 1))
    with raised_by(f"quantizer {quantizer.name!r} of layers {', '.join(names)}", but=(QmisError,)):
        found = tuple(quantizer.of_layers(names))
    if len(names) != count or len(found) != count:
        given = f"{len(found)} for layers {', '.join(names)}"
        raise InputError(f"quantizer {quantizer.name!r}", given, f"one for each of {count} arrays that are quantized")
    return found


def check_layers(quantizers: Sequence[Quantizer], model: Any) -> None:
    """Refuse quantizers that do not fit the layers of a model which knows their names before it is trained."""
    names = _layer_names(model)
    for quantizer in quantizers if names else ():
        by_layer(quantizer, model, len(names))


def _layer_names(model: Any) -> tuple[str, ...]:
    with raised_by(f"layer_names of model {type(model).__name__}", but=(QmisError,)):
        return tuple(model.layer_names()) if hasattr(model, "layer_names") else ()


def _field(quantizer: Quantizer, array: FloatArray) -> str:
    return f"quantizer {quantizer.name!r} on weights of shape {array.shape}"


def quantized_by(quantizer: Quantizer, array: FloatArray) -> FloatArray:
    """Return the quantized array; the quantizer sees a copy."""
    field = _field(quantizer, array)
    try:
        returned = np.asarray(quantizer.quantize(array.copy()))
    except Exception as error:
        raise blamed(field, error) from error
    return returned_numbers(field, returned, array.shape, "weights of the shape that it was given")


def encoded_by(quantizer: Any, array: FloatArray) -> tuple[NDArray[Any], FloatArray]:
    """Return the codes and the quantized array of a quantizer that has codes, by its ``encode`` where it has that."""
    field = _field(quantizer, array)
    if hasattr(quantizer, "encode"):
        with raised_by(field):
            codes, returned = map(np.asarray, quantizer.encode(array.copy()))
        values = returned_numbers(field, returned, array.shape, "weights of the shape that it was given")
    else:
        with raised_by(field):
            codes = np.asarray(quantizer.codes(array.copy()))
        values = quantized_by(quantizer, array)
    if codes.dtype.kind not in "iub":
        raise InputError(f"codes of {field}", f"of type {codes.dtype}", "integers")
    return codes, values
