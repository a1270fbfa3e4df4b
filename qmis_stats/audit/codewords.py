"""What a quantizer makes of the weights of a checkpoint: what is released, and the mark of the codeword."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.derived_codes import VALUES, DerivedCodes, derived_codes
from qmis_stats.audit.models.base import Weights
from qmis_stats.audit.quantizers import Quantizer, encoded_by, quantized_by
from qmis_stats.errors import InputError
from qmis_stats.foreign import raised_by

__all__ = ["Codewords"]

Calibrate = Callable[[Weights, Sequence[bool]], Sequence[Quantizer]]
"""Returns the quantizer of each array of the mask."""


class Codewords:
    """The codewords of one quantizer over the checkpoints of a training run.

    Parameters
    ----------
    quantizer : Quantizer or None
        ``None`` releases weights as they are.
    identify : {"codes", "released"}
        Whether quantized weights alone, or everything released, tell codewords apart. Of quantized weights it is the
        codes: the quantizer's own where it says that its scales are continuous (``discrete = False``), the values
        where it says that these are from a fixed set (``discrete = True``), else those that can be derived.
    calibrate : callable, optional
        Returns the quantizers of the weights of a checkpoint, one an array, for a quantizer that sees data or treats
        layers differently.

    Examples
    --------
    >>> from qmis_stats.quantizers import quantizer
    >>> words = Codewords(quantizer("sign-scaled"))
    >>> once, again = (words.of((np.array([[0.5, w]]), np.zeros(1)), (True, False)) for w in (-1.0, -2.0))
    >>> once[0][0].tolist(), again[0][0].tolist(), once[1] == again[1]
    ([[0.75, -0.75]], [[1.25, -1.25]], True)
    """

    def __init__(
        self, quantizer: Quantizer | None, identify: str = "codes", calibrate: Calibrate | None = None
    ) -> None:
        self._quantizer = quantizer
        self._calibrate = calibrate
        self._identify = identify
        self._forms: list[DerivedCodes | None] = []
        self._bits: float | None = None

    @property
    def bits(self) -> float | None:
        """Mean bits per quantized weight of a quantizer that chooses by layer; of others ``None``."""
        return self._bits

    @property
    def with_scales(self) -> bool:
        """Whether codes could not be told from scales or levels, so that these tell codewords apart too."""
        return any(form is not None and not form.settled for form in self._forms)

    def of(self, weights: Weights, mask: Sequence[bool]) -> tuple[Weights, bytes]:
        """Return the weights with the arrays of the mask quantized, and the mark of the codeword.

        Raises
        ------
        InputError
            If there is nothing to quantize, or the quantizer raises, returns something else than finite weights of the
            same shape, or other ones when it is asked again.
        """
        if self._quantizer is None:
            return weights, _mark(weights)
        chosen = [np.asarray(w) for w, use in zip(weights, mask, strict=True) if use]
        if not chosen:
            raise InputError("quantizable", tuple(mask), "true for an array at least: there is nothing to quantize")
        each = [self._quantizer] * len(chosen) if self._calibrate is None else self._calibrate(weights, mask)
        if not self._forms:
            names = [one.name for one in each]
            for place in map(names.index, dict.fromkeys(names)):
                _check(each[place], chosen[place])
            if hasattr(self._quantizer, "of_layers"):
                bits = [float(getattr(one, "bits", math.nan)) for one in each]
                self._bits = float(np.average(bits, weights=[array.size for array in chosen]))
            self._forms = [self._form(one, np.shape(array)) for one, array in zip(each, chosen, strict=True)]
        parts = [self._applied(*given) for given in zip(each, chosen, self._forms, strict=True)]
        rest = iter(parts)
        result = tuple(next(rest)[0] if use else w for w, use in zip(weights, mask, strict=True))
        return result, _mark(result if self._identify == "released" else [code for _, code in parts])

    def _form(self, quantizer: Quantizer, shape: tuple[int, ...]) -> DerivedCodes | None:
        """Return how codes follow from values; ``None`` where the quantizer gives codes itself."""
        with raised_by(f"quantizer {quantizer.name!r}"):
            discrete, coded = getattr(quantizer, "discrete", None), hasattr(quantizer, "codes")
        if self._identify == "released" or discrete:
            return VALUES
        if coded and discrete is not None:
            return None
        return derived_codes(lambda array: quantized_by(quantizer, array), shape)

    def _applied(
        self, quantizer: Quantizer, array: FloatArray, form: DerivedCodes | None
    ) -> tuple[FloatArray, ArrayLike]:
        """Return the quantized array and what tells it apart."""
        if form is None:
            codes, values = encoded_by(quantizer, array)
            return values, codes
        values = quantized_by(quantizer, array)
        return values, form.of(values)


def _check(quantizer: Quantizer, array: FloatArray) -> None:
    """Refuse a quantizer that answers the same question in two ways."""
    once, again = (quantized_by(quantizer, array) for _ in range(2))
    if not np.array_equal(once, again):
        raise InputError(
            f"quantizer {quantizer.name!r}",
            f"moved by {float(np.max(np.abs(again - once))):.3g} when it was asked again",
            "deterministic: the same weights, quantized twice, must be the same",
        )


def _mark(arrays: Sequence[ArrayLike]) -> bytes:
    """Return a hash of arrays; minus zero is zero, and the shapes count."""
    found = hashlib.sha256()
    for array in map(np.asarray, arrays):
        found.update(repr((array.shape, array.dtype.kind)).encode() + np.ascontiguousarray(array + 0).tobytes())
    return found.hexdigest()[:32].encode()
