"""A quantized model that exists already, as a quantizer of the float model that it was made of."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.quantizers import IDENTITY
from qmis_stats.by_value import ByValue
from qmis_stats.errors import InputError

__all__ = ["StoredRelease"]


@dataclass(frozen=True, eq=False, repr=False)
class StoredRelease(ByValue):
    """What a quantized model holds in place of each array of a float model.

    An audit treats it as any other quantizer. It knows the arrays of that one model and refuses others.
    :meth:`qmis_stats.audit.models.torch_adapter.TorchModel.released` makes it of a file or of a quantized module.

    Attributes
    ----------
    name : str
        Its name in tables.
    arrays : dict of str to ndarray
        What is released, by a hash of the float model's array in its place.
    bits : float
        Bits per weight, scales included; NaN where they are not known.

    Examples
    --------
    >>> W = np.array([[0.9, -0.2]])
    >>> release = StoredRelease.of("by hand", [W], [np.array([[1.0, 0.0]])], bits=2.0)
    >>> release.quantize(W).tolist()
    [[1.0, 0.0]]
    >>> release.quantize(2.0 * W)
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: weights = 'of shape (1, 2)': must be those of the model that 'by hand' was made of
    """

    name: str
    arrays: dict[str, FloatArray]
    bits: float = math.nan

    discrete: ClassVar[bool] = True
    """What is released in place of an array tells it apart."""

    @classmethod
    def of(
        cls, name: str, arrays: Sequence[FloatArray], released: Sequence[FloatArray], bits: float = math.nan
    ) -> StoredRelease:
        """Return the release that holds some arrays in place of those of a float model, of the same shapes.

        Raises
        ------
        InputError
            If equal arrays of the float model have different ones in their places, one is not finite, or name or bits
            cannot be used.
        """
        if not isinstance(name, str) or not name.strip() or name == IDENTITY:
            raise InputError("name", name, f"a text, and another one than {IDENTITY!r}, which is the float model")
        if not isinstance(bits, (int, float)) or bits < 0.0:
            raise InputError("bits", bits, "a number of at least zero, or NaN")
        found: dict[str, FloatArray] = {}
        for array, other in zip(arrays, released, strict=True):
            if not np.isfinite(other).all():
                raise InputError(f"released as {name!r}", float(other[~np.isfinite(other)][0]), "finite weights")
            if not np.array_equal(found.setdefault(_mark(array), other), other):
                allowed = "the same where the arrays of the float model are the same"
                raise InputError(f"released as {name!r}", "two arrays", allowed)
        return cls(name, found, bits)

    def quantize(self, weights: ArrayLike) -> FloatArray:
        """Return what is released in place of an array of the float model.

        Raises
        ------
        InputError
            If the float model has no such array.
        """
        array = np.asarray(weights, dtype=np.float64)
        found = self.arrays.get(_mark(array))
        if found is None:
            allowed = f"those of the model that {self.name!r} was made of"
            raise InputError("weights", f"of shape {array.shape}", allowed)
        return found.copy()


def _mark(array: FloatArray) -> str:
    return hashlib.sha256(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes()).hexdigest()
